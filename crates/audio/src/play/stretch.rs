//! Other speeds at the same pitch: WSOLA (Verhelst and Roelands, ICASSP 1993). Pieces of the sound are laid over each other
//! at another distance, each shifted by some milliseconds to where it continues the one before best.

/// Changes the speed of two-channel frames.
pub(super) struct Stretch {
    speed: f64,
    hop: usize,
    reach: usize,
    stride: usize,
    input: Vec<[f32; 2]>,
    /// Place of `input[0]`, in frames since the last reset.
    base: u64,
    /// Nominal place of the next piece.
    nominal: f64,
    /// Where the last piece was taken.
    last: Option<u64>,
}

impl Stretch {
    pub(super) fn new(rate: u32, speed: f32) -> Self {
        let ms = |n: u32| (rate as usize * n as usize / 1_000).max(8);
        Self {
            speed: f64::from(speed),
            hop: ms(15),
            reach: ms(8),
            // Comparing every 8,000th of a second finds voices' periods well enough.
            stride: (rate as usize / 8_000).max(1),
            input: Vec::new(),
            base: 0,
            nominal: 0.0,
            last: None,
        }
    }

    pub(super) fn speed(&self) -> f64 {
        self.speed
    }

    pub(super) fn reset(&mut self) {
        self.input.clear();
        (self.base, self.nominal, self.last) = (0, 0.0, None);
    }

    /// Takes frames, appends what is ready.
    pub(super) fn push(&mut self, frames: &[[f32; 2]], out: &mut Vec<[f32; 2]>) {
        if self.speed == 1.0 {
            out.extend_from_slice(frames);
            return;
        }
        self.input.extend_from_slice(frames);
        while self.step(out) {}
    }

    /// Appends what is still inside.
    pub(super) fn finish(&mut self, out: &mut Vec<[f32; 2]>) {
        if self.speed == 1.0 {
            return;
        }
        let end = self.base + self.input.len() as u64;
        self.input.resize(self.input.len() + 2 * (self.hop + self.reach), [0.0; 2]);
        while self.nominal < end as f64 && self.step(out) {}
        self.input.clear();
    }

    fn step(&mut self, out: &mut Vec<[f32; 2]>) -> bool {
        let nominal = self.nominal as u64;
        let needed = (nominal + (2 * self.hop + self.reach) as u64).saturating_sub(self.base);
        if (self.input.len() as u64) < needed {
            return false;
        }
        let Some(last) = self.last else {
            out.extend_from_slice(&self.input[..self.hop]);
            (self.last, self.nominal) = (Some(0), self.hop as f64 * self.speed);
            return true;
        };
        // What would have followed the last piece, had it gone on.
        let follow = (last + self.hop as u64 - self.base) as usize;
        let from = (nominal.saturating_sub(self.reach as u64).max(self.base) - self.base) as usize;
        let to = (nominal - self.base) as usize + self.reach;
        let best = self.best(follow, from, to);
        for i in 0..self.hop {
            let rise = i as f32 / self.hop as f32;
            let (a, b) = (self.input[follow + i], self.input[best + i]);
            out.push([a[0] + (b[0] - a[0]) * rise, a[1] + (b[1] - a[1]) * rise]);
        }
        self.last = Some(best as u64 + self.base);
        self.nominal += self.hop as f64 * self.speed;
        self.forget();
        true
    }

    /// The place in `from..to` whose sound is most like that at `follow`.
    fn best(&self, follow: usize, from: usize, to: usize) -> usize {
        let (mut best, mut score) = (from, f32::NEG_INFINITY);
        for at in (from..to).step_by(self.stride) {
            let (mut dot, mut energy) = (0.0f32, 1e-9f32);
            for i in (0..self.hop).step_by(self.stride) {
                let (x, y) = (self.input[follow + i], self.input[at + i]);
                let (x, y) = (x[0] + x[1], y[0] + y[1]);
                dot += x * y;
                energy += y * y;
            }
            let here = dot / energy.sqrt();
            if here > score {
                (best, score) = (at, here);
            }
        }
        best
    }

    /// Drops what no later piece can need.
    fn forget(&mut self) {
        let Some(last) = self.last else { return };
        let follow = last + self.hop as u64;
        let earliest = follow.min((self.nominal as u64).saturating_sub(self.reach as u64));
        let n = earliest.saturating_sub(self.base).min(self.input.len() as u64);
        if n > 4_096 {
            self.input.drain(..n as usize);
            self.base += n;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn crossings(x: &[[f32; 2]]) -> usize {
        x.windows(2).filter(|w| w[0][0] < 0.0 && w[1][0] >= 0.0).count()
    }

    #[test]
    fn speed_changes_the_length_and_not_the_pitch() {
        let input: Vec<[f32; 2]> =
            (0..80_000).map(|i| [(i as f32 * 200.0 * std::f32::consts::TAU / 8_000.0).sin(); 2]).collect();
        for speed in [0.5f32, 0.75, 1.0, 1.25, 1.5, 2.0] {
            let mut stretch = Stretch::new(8_000, speed);
            let mut out = Vec::new();
            for piece in input.chunks(977) {
                stretch.push(piece, &mut out);
                assert!(stretch.input.len() < 20_000);
            }
            stretch.finish(&mut out);
            let seconds = out.len() as f32 / 8_000.0;
            assert!((seconds - 10.0 / speed).abs() < 0.1, "{speed}: {seconds} s");
            let pitch = crossings(&out) as f32 / seconds;
            assert!((pitch - 200.0).abs() < 4.0, "{speed}: {pitch} Hz");
        }
    }
}
