//! Comparing sounds.

use holdfast_audio::Decoder;
use std::path::Path;

/// A whole recording in memory: fine for seconds of test sound.
pub(crate) struct Sound {
    pub rate: u32,
    pub channels: Vec<Vec<f32>>,
}

impl Sound {
    pub(crate) fn frames(&self) -> usize {
        self.channels[0].len()
    }
}

pub(crate) fn decode(path: &Path) -> Sound {
    let mut decoder = Decoder::open(path).unwrap();
    let (rate, channels) = (decoder.spec().sample_rate_hz, usize::from(decoder.spec().channels));
    Sound { rate, channels: split(&rest(&mut decoder), channels) }
}

pub(crate) fn rest(decoder: &mut Decoder) -> Vec<f32> {
    let (mut all, mut block) = (Vec::new(), Vec::new());
    while decoder.next_block(&mut block).unwrap() {
        assert!(!block.is_empty() && block.len() < 1 << 20, "a block of {} samples", block.len());
        all.extend_from_slice(&block);
    }
    all
}

pub(crate) fn split(interleaved: &[f32], channels: usize) -> Vec<Vec<f32>> {
    (0..channels).map(|c| interleaved.iter().skip(c).step_by(channels).copied().collect()).collect()
}

/// Pearson's correlation of the parts that both have.
pub(crate) fn correlation(a: &[f32], b: &[f32]) -> f64 {
    let n = a.len().min(b.len());
    let mean = |x: &[f32]| x[..n].iter().map(|v| f64::from(*v)).sum::<f64>() / n as f64;
    let (ma, mb) = (mean(a), mean(b));
    let (mut ab, mut aa, mut bb) = (0.0, 0.0, 0.0);
    for (x, y) in a[..n].iter().zip(&b[..n]) {
        let (x, y) = (f64::from(*x) - ma, f64::from(*y) - mb);
        (ab, aa, bb) = (ab + x * y, aa + x * x, bb + y * y);
    }
    ab / (aa * bb).sqrt().max(1e-12)
}

/// The shift of `b` against `a` (up to `most` samples either way) at which they are most alike, and how alike.
pub(crate) fn best_shift(a: &[f32], b: &[f32], most: usize) -> (i64, f64) {
    let coarse = |shift: i64| {
        let (x, y) = if shift >= 0 {
            (a, &b[(shift as usize).min(b.len())..])
        } else {
            (&a[(-shift as usize).min(a.len())..], b)
        };
        if x.len().min(y.len()) < 100 { 0.0 } else { correlation(x, y) }
    };
    let most = most as i64;
    (-most..=most).map(|s| (s, coarse(s))).max_by(|x, y| x.1.total_cmp(&y.1)).unwrap()
}

/// `sound` at another rate, by ffmpeg's best resampler.
pub(crate) fn at_rate(path: &Path, rate: u32) -> Sound {
    let name = format!("{}-at-{rate}.wav", path.file_stem().unwrap().to_string_lossy());
    let resampled = super::fixtures::made(&name, |to| {
        let filter = format!("aresample={rate}:filter_size=128:cutoff=0.98");
        let args =
            ["-v", "error", "-i", path.to_str().unwrap(), "-af", &filter, "-c:a", "pcm_f32le", to.to_str().unwrap()];
        super::fixtures::run("ffmpeg", &args);
    });
    decode(&resampled)
}
