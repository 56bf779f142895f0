//! To the device's rate. The sound system's own conversion loses too much.

use crate::AudioError;
use rubato::{Fft, FixedSync, Indexing, Resampler as _, audioadapter_buffers::direct::InterleavedSlice};

/// Resamples two-channel frames, sample-true in time: the filter's delay is cut at the start and made up at the end.
pub(super) struct Resampler {
    inner: Option<Inner>,
}

struct Inner {
    fft: Fft<f32>,
    waiting: Vec<f32>,
    output: Vec<f32>,
    /// Frames of delay still to be cut.
    cut: usize,
    /// Frames that went in and came out.
    taken: u64,
    given: u64,
    ratio: f64,
}

impl Resampler {
    pub(super) fn new(from: u32, to: u32) -> Result<Self, AudioError> {
        if from == to {
            return Ok(Self { inner: None });
        }
        // Long filters, about 1,000 frames at any rate, keep the band up to its edge. The length must be an even number of
        // the rates' common periods, or the delay is not a whole number of frames.
        let period = (from / common(from, to)) as usize;
        let made = Fft::<f32>::new_custom(
            from as usize,
            to as usize,
            period * 2 * (1_024 / (period * 2)).max(1),
            1,
            2,
            rubato::WindowFunction::BlackmanHarris2,
            FixedSync::Input,
        );
        let fft = made.map_err(|_| AudioError::damaged(format!("no device plays {from} samples a second")))?;
        let output = vec![0.0; fft.output_frames_max() * 2];
        let (cut, ratio) = (fft.output_delay(), f64::from(to) / f64::from(from));
        Ok(Self { inner: Some(Inner { fft, waiting: Vec::new(), output, cut, taken: 0, given: 0, ratio }) })
    }

    pub(super) fn reset(&mut self) {
        if let Some(inner) = &mut self.inner {
            inner.fft.reset();
            inner.waiting.clear();
            (inner.cut, inner.taken, inner.given) = (inner.fft.output_delay(), 0, 0);
        }
    }

    /// Takes frames, appends what is ready.
    pub(super) fn push(&mut self, frames: &[[f32; 2]], out: &mut Vec<[f32; 2]>) -> Result<(), AudioError> {
        let Some(inner) = &mut self.inner else {
            out.extend_from_slice(frames);
            return Ok(());
        };
        inner.waiting.extend_from_slice(frames.as_flattened());
        inner.taken += frames.len() as u64;
        while inner.waiting.len() / 2 >= inner.fft.input_frames_next() {
            inner.step(out)?;
        }
        Ok(())
    }

    /// Appends what is still inside.
    pub(super) fn finish(&mut self, out: &mut Vec<[f32; 2]>) -> Result<(), AudioError> {
        let Some(inner) = &mut self.inner else { return Ok(()) };
        let due = (inner.taken as f64 * inner.ratio).round() as u64;
        while inner.given < due {
            let before = inner.given;
            inner.waiting.resize((inner.fft.input_frames_next() * 2).max(inner.waiting.len()), 0.0);
            inner.step(out)?;
            if inner.given > due {
                out.truncate(out.len() - (inner.given - due) as usize);
                break;
            }
            if inner.given == before && inner.cut == 0 {
                break;
            }
        }
        Ok(())
    }
}

/// Greatest common divisor.
fn common(a: u32, b: u32) -> u32 {
    if b == 0 { a.max(1) } else { common(b, a % b) }
}

impl Inner {
    fn step(&mut self, out: &mut Vec<[f32; 2]>) -> Result<(), AudioError> {
        const WHAT: AudioError = AudioError::Internal { what: "resampling" };
        let need = self.fft.input_frames_next();
        let input = InterleavedSlice::new(&self.waiting[..need * 2], 2, need).map_err(|_| WHAT)?;
        let room = self.output.len() / 2;
        let mut output = InterleavedSlice::new_mut(&mut self.output, 2, room).map_err(|_| WHAT)?;
        let (_, made) = self.fft.process_into_buffer(&input, &mut output, None::<&Indexing>).map_err(|_| WHAT)?;
        self.waiting.drain(..need * 2);
        let skip = self.cut.min(made);
        self.cut -= skip;
        let (pairs, _) = self.output[skip * 2..made * 2].as_chunks::<2>();
        out.extend_from_slice(pairs);
        self.given += (made - skip) as u64;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tone_keeps_its_time_and_shape() {
        for (from, to) in [(8_000u32, 48_000u32), (44_100, 48_000), (48_000, 44_100), (22_050, 48_000)] {
            let tone = |rate: u32, n: usize| -> Vec<f32> {
                (0..n).map(|i| (i as f32 * 700.0 * std::f32::consts::TAU / rate as f32).sin() * 0.5).collect()
            };
            let input: Vec<[f32; 2]> = tone(from, from as usize).iter().map(|x| [*x, -*x]).collect();
            let mut resampler = Resampler::new(from, to).unwrap();
            let mut out = Vec::new();
            for piece in input.chunks(700) {
                resampler.push(piece, &mut out).unwrap();
            }
            resampler.finish(&mut out).unwrap();
            assert_eq!(out.len(), to as usize, "{from} to {to}");
            let expected = tone(to, to as usize);
            let middle = to as usize / 10..to as usize * 9 / 10;
            let worst = middle.map(|i| (out[i][0] - expected[i]).abs()).fold(0.0, f32::max);
            assert!(worst < 1e-3, "{from} to {to}: {worst}");
            assert!((out[20_000][1] + out[20_000][0]).abs() < 1e-6);
        }
    }
}
