//! AMR (RFC 4867) and ADTS: recognised and measured by their frames; decoded elsewhere.

use crate::bytes::Bytes;
use std::io;

/// Whether ADTS frames (ISO/IEC 13818-7) begin at `pos`: a header, and another where the first says it ends.
pub(crate) fn is_adts(b: &mut Bytes, pos: u64) -> io::Result<bool> {
    let Some(first) = adts(b, pos)? else { return Ok(false) };
    Ok(adts(b, pos + first.size)?.is_some() || pos + first.size == b.len())
}

pub(crate) struct Adts {
    pub size: u64,
    pub rate: u32,
    pub channels: u16,
    pub frames: u64,
}

pub(crate) fn adts(b: &mut Bytes, pos: u64) -> io::Result<Option<Adts>> {
    const RATES: [u32; 12] =
        [96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000];
    let Some(h) = b.array::<7>(pos)? else { return Ok(None) };
    // Sync word, and a layer of 0, which no MPEG-1 audio frame has.
    let size = u64::from(h[3] & 3) << 11 | u64::from(h[4]) << 3 | u64::from(h[5] >> 5);
    let rate = RATES.get(usize::from(h[2] >> 2 & 15));
    let (true, Some(&rate)) = (h[0] == 0xFF && h[1] & 0xF6 == 0xF0 && size > 7, rate) else { return Ok(None) };
    let channels = u16::from(h[2] & 1) << 2 | u16::from(h[3] >> 6);
    Ok(Some(Adts { size, rate, channels: channels.max(1), frames: 1_024 * (u64::from(h[6] & 3) + 1) }))
}

/// What a walk over frames of constant duration found.
pub(crate) struct Walk {
    pub ms: u64,
    pub rate: u32,
    pub channels: u16,
    pub cut_short: bool,
}

pub(crate) fn walk_adts(b: &mut Bytes) -> io::Result<Walk> {
    let mut pos = super::mp3::after_id3(b)?;
    let mut walk = Walk { ms: 0, rate: 0, channels: 0, cut_short: false };
    let mut frames = 0u64;
    while let Some(f) = adts(b, pos)? {
        (walk.rate, walk.channels) = (f.rate, f.channels);
        pos += f.size;
        if pos > b.len() {
            walk.cut_short = true;
            break;
        }
        frames += f.frames;
    }
    walk.ms = frames * 1_000 / u64::from(walk.rate.max(1));
    Ok(walk)
}

/// Frames of 20 ms whose length is told by their first byte.
pub(crate) fn walk_amr(b: &mut Bytes) -> io::Result<(&'static str, Walk)> {
    const NARROW: [u64; 16] = [13, 14, 16, 18, 20, 21, 27, 32, 6, 1, 1, 1, 1, 1, 1, 1];
    const WIDE: [u64; 16] = [18, 24, 33, 37, 41, 47, 51, 59, 61, 6, 1, 1, 1, 1, 1, 1];
    let wide = b.at(0, 9)? == b"#!AMR-WB\n";
    let (name, sizes, mut pos) = if wide { ("amr_wb", WIDE, 9) } else { ("amr_nb", NARROW, 6) };
    let mut walk = Walk { ms: 0, rate: if wide { 16_000 } else { 8_000 }, channels: 1, cut_short: false };
    while let Some(&[head]) = b.at(pos, 1)?.first_chunk::<1>() {
        pos += sizes[usize::from(head >> 3 & 15)];
        if pos > b.len() {
            walk.cut_short = true;
            break;
        }
        walk.ms += 20;
    }
    Ok((name, walk))
}
