//! PCM, A-law and mu-law out of a WAVE file: frame n lies at a place that is arithmetic, so that a seek costs nothing.

use crate::{
    AudioError,
    bytes::Bytes,
    container::wav::{SampleFormat, Wav},
};

const BLOCK_FRAMES: u64 = 4_096;

pub(super) struct PcmStream {
    bytes: Bytes,
    format: SampleFormat,
    channels: usize,
    start: u64,
    frame_bytes: u64,
    frames: u64,
    next: u64,
}

impl PcmStream {
    pub(super) fn new(bytes: Bytes, wav: &Wav, format: SampleFormat) -> Self {
        Self {
            bytes,
            format,
            channels: usize::from(wav.channels),
            start: wav.data_start,
            frame_bytes: wav.block,
            frames: wav.data_len / wav.block,
            next: 0,
        }
    }

    pub(super) fn position(&self) -> u64 {
        self.next
    }

    pub(super) fn seek(&mut self, frame: u64) {
        self.next = frame.min(self.frames);
    }

    pub(super) fn next_block(&mut self, block: &mut Vec<f32>) -> Result<bool, AudioError> {
        let most = ((512 << 10) / self.frame_bytes).clamp(1, BLOCK_FRAMES);
        let n = most.min(self.frames - self.next);
        if n == 0 {
            return Ok(false);
        }
        let pos = self.start + self.next * self.frame_bytes;
        let data = self.bytes.at(pos, (n * self.frame_bytes) as usize)?;
        let whole = data.len() / self.frame_bytes as usize;
        let frame_bytes = self.frame_bytes as usize;
        if frame_bytes == self.channels * self.format.bytes() {
            decode(self.format, &data[..whole * frame_bytes], whole * self.channels, block);
        } else {
            // The block is wider than its channels' samples; what is beside them is passed over.
            data.chunks_exact(frame_bytes).for_each(|frame| decode(self.format, frame, self.channels, block));
        }
        self.next += n;
        Ok(whole > 0)
    }
}

/// Appends exactly `count` samples.
fn decode(format: SampleFormat, frame: &[u8], count: usize, out: &mut Vec<f32>) {
    const TO_UNIT: f32 = 1.0 / 32_768.0;
    let finite = |x: f32| if x.is_finite() { x } else { 0.0 };
    let before = out.len();
    match format {
        SampleFormat::U8 => out.extend(frame.iter().map(|b| (f32::from(*b) - 128.0) / 128.0)),
        SampleFormat::ALaw => out.extend(frame.iter().map(|b| f32::from(ALAW[usize::from(*b)]) * TO_UNIT)),
        SampleFormat::MuLaw => out.extend(frame.iter().map(|b| f32::from(MULAW[usize::from(*b)]) * TO_UNIT)),
        SampleFormat::S16 => {
            let (samples, _) = frame.as_chunks::<2>();
            out.extend(samples.iter().map(|s| f32::from(i16::from_le_bytes(*s)) * TO_UNIT));
        }
        SampleFormat::S24 => {
            let (samples, _) = frame.as_chunks::<3>();
            out.extend(samples.iter().map(|s| (i32::from_le_bytes([0, s[0], s[1], s[2]]) >> 8) as f32 / 8_388_608.0));
        }
        SampleFormat::S32 => {
            let (samples, _) = frame.as_chunks::<4>();
            out.extend(samples.iter().map(|s| i32::from_le_bytes(*s) as f32 / 2_147_483_648.0));
        }
        SampleFormat::F32 => {
            let (samples, _) = frame.as_chunks::<4>();
            out.extend(samples.iter().map(|s| finite(f32::from_le_bytes(*s))));
        }
        SampleFormat::F64 => {
            let (samples, _) = frame.as_chunks::<8>();
            out.extend(samples.iter().map(|s| finite(f64::from_le_bytes(*s) as f32)));
        }
    }
    out.resize(before + count, 0.0);
}

/// ITU-T G.711, A-law.
static ALAW: [i16; 256] = {
    let mut table = [0; 256];
    let mut i = 0;
    while i < 256 {
        let code = i as u8 ^ 0x55;
        let (segment, mantissa) = ((code >> 4 & 7) as i16, (code & 15) as i16);
        let value = if segment == 0 { mantissa * 16 + 8 } else { (mantissa * 16 + 0x108) << (segment - 1) };
        table[i] = if code & 0x80 != 0 { value } else { -value };
        i += 1;
    }
    table
};

/// ITU-T G.711, mu-law.
static MULAW: [i16; 256] = {
    let mut table = [0; 256];
    let mut i = 0;
    while i < 256 {
        let code = !(i as u8);
        let value = (((((code & 15) as i16) << 3) + 0x84) << (code >> 4 & 7)) - 0x84;
        table[i] = if code & 0x80 != 0 { -value } else { value };
        i += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn g711_tables_hold_the_values_of_the_recommendation() {
        assert_eq!([MULAW[0xFF], MULAW[0x7F], MULAW[0x80], MULAW[0x00]], [0, 0, 32_124, -32_124]);
        assert_eq!([ALAW[0xD5], ALAW[0x55], ALAW[0xAA], ALAW[0x2A]], [8, -8, 32_256, -32_256]);
    }

    #[test]
    fn every_width_reaches_its_own_full_scale() {
        let one = |format, bytes: &[u8]| {
            let mut out = Vec::new();
            decode(format, bytes, 1, &mut out);
            out[0]
        };
        assert_eq!(one(SampleFormat::U8, &[0]), -1.0);
        assert_eq!(one(SampleFormat::S16, &[0, 0x80]), -1.0);
        assert_eq!(one(SampleFormat::S24, &[0, 0, 0x80]), -1.0);
        assert_eq!(one(SampleFormat::S24, &[0, 0, 0x40]), 0.5);
        assert_eq!(one(SampleFormat::S32, &[0, 0, 0, 0x80]), -1.0);
        assert_eq!(one(SampleFormat::F32, &f32::NAN.to_le_bytes()), 0.0);
        assert_eq!(one(SampleFormat::F64, &0.25f64.to_le_bytes()), 0.25);
    }
}
