use crate::{AudioError, Decoder};
use holdfast_model::{Cancel, Progress, ProgressSink};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// How fine a waveform is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Resolution {
    /// So many buckets for each second; halved as often as needed to stay under a million in all.
    PerSecond(u32),
    /// So many buckets in all (fewer where the recording has fewer frames).
    Buckets(u32),
}

/// A waveform: least and greatest sample of each channel in buckets of equal length.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Peaks {
    /// Frames a second in the recording.
    pub sample_rate_hz: u32,
    /// Frames that were decoded.
    pub frames: u64,
    /// Length by decoding.
    pub duration_ms: u64,
    /// One entry for each channel.
    pub channels: Vec<ChannelPeaks>,
}

/// One channel's waveform. Samples are scaled to -32,767..=32,767.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelPeaks {
    /// Least sample of each bucket.
    pub min: Vec<i16>,
    /// Greatest sample of each bucket.
    pub max: Vec<i16>,
}

const MOST_BUCKETS: usize = 1 << 20;

/// Decodes the whole recording once and returns its waveform. Memory is bounded: it begins with fine buckets and joins
/// neighbours when there are too many.
///
/// # Errors
/// As [`Decoder::open`] and [`Decoder::next_block`]; [`AudioError::Cancelled`].
pub fn peaks(
    path: &Path,
    resolution: Resolution,
    cancel: &Cancel,
    progress: &dyn ProgressSink,
) -> Result<Peaks, AudioError> {
    let mut decoder = Decoder::open(path)?;
    let spec = decoder.spec().clone();
    let channels = usize::from(spec.channels);
    let mut fine = Fine::new(channels, &spec, resolution);
    let mut block = Vec::new();
    let mut told = 0;
    while decoder.next_block(&mut block)? {
        if cancel.is_cancelled() {
            return Err(AudioError::Cancelled);
        }
        fine.add(&block);
        if fine.frames - told >= u64::from(spec.sample_rate_hz) * 60 {
            told = fine.frames;
            progress.report(Progress {
                stage: "Drawing the waveform".into(),
                done: fine.frames / u64::from(spec.sample_rate_hz),
                total: spec.duration_ms().map(|ms| ms / 1_000),
                unit: "seconds",
            });
        }
    }
    let duration_ms = crate::container::mp4::rescale(fine.frames, spec.sample_rate_hz, 1_000);
    let (frames, channels) = (fine.frames, fine.finish(resolution));
    Ok(Peaks { sample_rate_hz: spec.sample_rate_hz, frames, duration_ms, channels })
}

struct Fine {
    per_bucket: u64,
    most: usize,
    frames: u64,
    in_bucket: u64,
    open: Vec<(f32, f32)>,
    done: Vec<ChannelPeaks>,
}

const NOTHING: (f32, f32) = (f32::INFINITY, f32::NEG_INFINITY);

impl Fine {
    fn new(channels: usize, spec: &crate::Spec, resolution: Resolution) -> Self {
        let (per_bucket, most) = match resolution {
            Resolution::PerSecond(n) => (u64::from(spec.sample_rate_hz / n.max(1)), MOST_BUCKETS),
            Resolution::Buckets(n) => {
                // Four times finer than wanted, so that the last step can divide evenly enough.
                let most = (n.max(1) as usize).saturating_mul(8).min(MOST_BUCKETS);
                (spec.frames.unwrap_or(0) / (u64::from(n.max(1)) * 4), most)
            }
        };
        let done = vec![ChannelPeaks::default(); channels];
        Self { per_bucket: per_bucket.max(1), most, frames: 0, in_bucket: 0, open: vec![NOTHING; channels], done }
    }

    fn add(&mut self, block: &[f32]) {
        for frame in block.chunks_exact(self.open.len()) {
            for (open, sample) in self.open.iter_mut().zip(frame) {
                *open = (open.0.min(*sample), open.1.max(*sample));
            }
            self.frames += 1;
            self.in_bucket += 1;
            if self.in_bucket == self.per_bucket {
                self.close();
            }
        }
    }

    fn close(&mut self) {
        let scaled = |x: f32| (x.clamp(-1.0, 1.0) * 32_767.0) as i16;
        for (open, done) in self.open.iter_mut().zip(&mut self.done) {
            done.min.push(scaled(open.0));
            done.max.push(scaled(open.1));
            *open = NOTHING;
        }
        self.in_bucket = 0;
        if self.done.first().is_some_and(|d| d.min.len() >= self.most) {
            for done in &mut self.done {
                *done = regroup(done, done.min.len() / 2);
            }
            self.per_bucket *= 2;
        }
    }

    fn finish(mut self, resolution: Resolution) -> Vec<ChannelPeaks> {
        if self.in_bucket > 0 {
            self.close();
        }
        match resolution {
            Resolution::PerSecond(_) => self.done,
            Resolution::Buckets(n) => self.done.iter().map(|d| regroup(d, (n as usize).min(d.min.len()))).collect(),
        }
    }
}

/// Joins buckets to `to` of them, as evenly as whole buckets allow.
fn regroup(fine: &ChannelPeaks, to: usize) -> ChannelPeaks {
    let len = fine.min.len();
    let range = |i: usize| i * len / to..((i + 1) * len / to);
    ChannelPeaks {
        min: (0..to).map(|i| fine.min[range(i)].iter().copied().min().unwrap_or(0)).collect(),
        max: (0..to).map(|i| fine.max[range(i)].iter().copied().max().unwrap_or(0)).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn joining_keeps_extremes_and_bounds_memory() {
        let spec = crate::Spec { codec: "x".into(), sample_rate_hz: 8, channels: 1, frames: None };
        let mut fine = Fine::new(1, &spec, Resolution::Buckets(10));
        for i in 0..100_000u32 {
            fine.add(&[if i == 70_123 { -0.5 } else { i as f32 / 200_000.0 }]);
            assert!(fine.done[0].min.len() <= 80);
        }
        let done = fine.finish(Resolution::Buckets(10));
        assert_eq!(done[0].min.len(), 10);
        assert_eq!(done[0].min.iter().position(|m| *m == -16_383), Some(7));
        assert!(done[0].max.is_sorted());
    }
}
