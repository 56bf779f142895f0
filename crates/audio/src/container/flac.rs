//! Native FLAC (RFC 9639): frames have no length, so each is found by the header of the one behind it.

use super::{Demux, Sound, Unit};
use crate::{
    AudioError,
    bytes::{Bytes, MAX_LOOK, bisect},
};
use std::io;
use symphonia::core::codecs::audio::well_known::CODEC_ID_FLAC;

/// STREAMINFO.
#[derive(Debug, Clone)]
pub(crate) struct StreamInfo {
    pub rate: u32,
    pub channels: u16,
    /// Frames in all; none where the encoder did not know.
    pub total: Option<u64>,
    block: u16,
    largest_block: u16,
    raw: [u8; 34],
}

/// Reads `fLaC` and the STREAMINFO behind it.
pub(crate) fn stream_info(head: &[u8]) -> Option<StreamInfo> {
    let raw: [u8; 34] = head.strip_prefix(b"fLaC")?.get(4..38)?.try_into().ok()?;
    let packed = u64::from_be_bytes(raw[10..18].try_into().ok()?);
    let info = StreamInfo {
        rate: (packed >> 44) as u32,
        channels: (packed >> 41 & 7) as u16 + 1,
        total: Some(packed & 0xF_FFFF_FFFF).filter(|n| *n != 0),
        block: u16::from_be_bytes([raw[0], raw[1]]),
        largest_block: u16::from_be_bytes([raw[2], raw[3]]),
        raw,
    };
    (info.rate > 0 && info.block >= 16 && info.largest_block >= info.block).then_some(info)
}

#[derive(Debug, Clone, Copy)]
struct Frame {
    pos: u64,
    /// First sample.
    at: u64,
    block: u32,
}

/// A native FLAC stream.
pub(crate) struct Flac {
    bytes: Bytes,
    sound: Sound,
    info: StreamInfo,
    start: u64,
    sync: [u8; 2],
    next: Option<Frame>,
}

impl Flac {
    /// Opens the stream; none where STREAMINFO or every frame is missing.
    pub(crate) fn open(mut bytes: Bytes) -> io::Result<Option<Self>> {
        let from = super::mp3::after_id3(&mut bytes)?;
        let Some(info) = stream_info(bytes.at(from, 42)?) else { return Ok(None) };
        let mut pos = from + 4;
        while let Some(h) = bytes.u32_be(pos)? {
            pos += 4 + u64::from(h & 0xFF_FFFF);
            if h >> 31 == 1 {
                break;
            }
        }
        let mut sound = Sound::new("flac", info.rate, info.channels).decodable(CODEC_ID_FLAC, Some(info.raw.into()));
        sound.frames = info.total;
        let sync = [0xFF, bytes.at(pos, 2)?.get(1).copied().unwrap_or(0xF8)];
        let mut flac = Self { bytes, sound, info, start: pos, sync, next: None };
        flac.next = flac.find(pos, pos + MAX_LOOK as u64, 0, u64::MAX)?;
        Ok(Some(flac))
    }

    pub(crate) fn info(&self) -> &StreamInfo {
        &self.info
    }

    /// The first frame in `from..to` whose first sample lies in the given range.
    fn find(&mut self, mut from: u64, to: u64, least: u64, most: u64) -> io::Result<Option<Frame>> {
        // All frames of a stream have the same second byte: one of two blocking strategies.
        while let Some(pos) = self.bytes.find(from, to, &self.sync)? {
            if let Some(f) = self.header(pos)?.filter(|f| (least..=most).contains(&f.at)) {
                return Ok(Some(f));
            }
            from = pos + 1;
        }
        Ok(None)
    }

    /// The frame header at `pos`, believed when its check sum is right.
    fn header(&mut self, pos: u64) -> io::Result<Option<Frame>> {
        let h = self.bytes.at(pos, 16)?;
        Ok(parse(h, &self.info).map(|(at, block)| Frame { pos, at, block }))
    }

    /// The frame to be read next, and where it ends.
    fn take(&mut self) -> io::Result<Option<(Frame, u64)>> {
        let Some(frame) = self.next else { return Ok(None) };
        let least = frame.at + u64::from(frame.block);
        // Frames may be missing in a damaged file, but a header that promises a far later time is chance.
        let most = least + 1_000 * u64::from(self.info.largest_block);
        self.next = self.find(frame.pos + 6, frame.pos + MAX_LOOK as u64, least, most)?;
        let end = self.next.map_or(self.bytes.len().min(frame.pos + MAX_LOOK as u64), |n| n.pos);
        Ok(Some((frame, end)))
    }

    /// Walks every frame: how many samples end where, and whether the last frame is whole.
    pub(crate) fn count(&mut self) -> io::Result<(u64, bool)> {
        let (mut samples, mut last) = (0, None);
        while let Some((frame, end)) = self.take()? {
            samples = frame.at + u64::from(frame.block);
            last = Some((frame, end));
        }
        let Some((frame, end)) = last else { return Ok((0, false)) };
        let whole = crc16(self.bytes.at(frame.pos, (end - frame.pos) as usize)?) == 0;
        Ok(
            if whole || self.info.total.is_some_and(|t| t <= frame.at + u64::from(frame.block) && end > frame.pos + 128)
            {
                // Behind a whole frame there may be a tag, so the check sum decides only where the count does not.
                (samples, whole)
            } else {
                (frame.at, false)
            },
        )
    }
}

/// First sample and block length by a frame header (RFC 9639 section 9.1).
fn parse(h: &[u8], info: &StreamInfo) -> Option<(u64, u32)> {
    if h.len() < 6 || h[0] != 0xFF || h[1] & 0xFE != 0xF8 || h[3] & 1 != 0 || h[3] >> 4 > 10 || h[2] & 15 == 15 {
        return None;
    }
    let extra = h[4].leading_ones() as usize;
    let (mut number, mut at) = match extra {
        0 => (u64::from(h[4]), 5),
        2..=7 => (u64::from(h[4] & (0x7Fu8.checked_shr(extra as u32).unwrap_or(0))), 5),
        _ => return None,
    };
    for _ in 1..extra {
        let b = *h.get(at)?;
        if b & 0xC0 != 0x80 {
            return None;
        }
        number = number << 6 | u64::from(b & 0x3F);
        at += 1;
    }
    let block = match h[2] >> 4 {
        0 => return None,
        1 => 192,
        c @ 2..=5 => 576 << (c - 2),
        6 => {
            at += 1;
            u32::from(*h.get(at - 1)?) + 1
        }
        7 => {
            at += 2;
            u32::from(u16::from_be_bytes([*h.get(at - 2)?, *h.get(at - 1)?])) + 1
        }
        c => 256 << (c - 8),
    };
    at += match h[2] & 15 {
        12 => 1,
        13 | 14 => 2,
        _ => 0,
    };
    if crc8(h.get(..at)?) != *h.get(at)? {
        return None;
    }
    let variable = h[1] & 1 == 1;
    Some((if variable { number } else { number.checked_mul(u64::from(info.block))? }, block))
}

fn crc8(data: &[u8]) -> u8 {
    data.iter().fold(0, |crc, b| (0..8).fold(crc ^ b, |c: u8, _| if c & 0x80 != 0 { c << 1 ^ 0x07 } else { c << 1 }))
}

fn crc16(data: &[u8]) -> u16 {
    data.iter().fold(0, |crc, b| {
        (0..8).fold(crc ^ u16::from(*b) << 8, |c: u16, _| if c & 0x8000 != 0 { c << 1 ^ 0x8005 } else { c << 1 })
    })
}

impl Demux for Flac {
    fn sound(&self) -> &Sound {
        &self.sound
    }

    fn next(&mut self) -> Result<Option<Unit>, AudioError> {
        let Some((frame, end)) = self.take()? else { return Ok(None) };
        let data: Box<[u8]> = self.bytes.at(frame.pos, (end - frame.pos) as usize)?.into();
        let at =
            i64::try_from(frame.at).map_err(|_| AudioError::damaged("a FLAC frame lies beyond the end of time"))?;
        Ok(Some(Unit { at, frames: frame.block, data }))
    }

    fn seek(&mut self, frame: u64) -> Result<(), AudioError> {
        let most = self.info.total.unwrap_or(u64::MAX >> 1);
        let target = i64::try_from(frame).unwrap_or(i64::MAX);
        let (start, end) = (self.start, self.bytes.len());
        let found = bisect(start, end, target, |pos| {
            let f = self.find(pos, pos.saturating_add(1 << 20), 0, most)?;
            Ok(f.map(|f| (f.pos, i64::try_from(f.at).unwrap_or(i64::MAX))))
        })?;
        let pos = found.map_or(start, |(pos, _)| pos);
        self.next = self.find(pos, pos + MAX_LOOK as u64, 0, u64::MAX)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn check_sums_are_those_of_the_format() {
        // RFC 9639 appendix D.1: the first example file's frame header and its check sums.
        assert_eq!(crc8(&[0xff, 0xf8, 0x69, 0x18, 0x00, 0x00]), 0xbf);
        let frame = [0xff, 0xf8, 0x69, 0x18, 0x00, 0x00, 0xbf, 0x03, 0x58, 0xfd, 0x03, 0x12, 0x8b, 0xaa, 0x9a];
        assert_eq!(crc16(&frame), 0);
    }
}
