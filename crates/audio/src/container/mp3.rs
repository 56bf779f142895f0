//! MPEG audio frames (ISO/IEC 11172-3 and 13818-3), bare or inside a WAVE file, with the Xing, Info and VBRI headers.

use super::{Demux, Sound, Unit};
use crate::{AudioError, bytes::Bytes};
use std::io;
use symphonia::core::codecs::audio::well_known::{CODEC_ID_MP1, CODEC_ID_MP2, CODEC_ID_MP3};

/// Delay of every MP3 decoder: half a block of the filter bank and one sample.
const DECODER_DELAY: u32 = 529;
/// How far back a frame may find its main data (9 bits).
const RESERVOIR_BYTES: u64 = 511;

const KBPS: [[u16; 15]; 5] = [
    [0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448], // MPEG-1 layer I
    [0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384],    // MPEG-1 layer II
    [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320],     // MPEG-1 layer III
    [0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256],    // MPEG-2 layer I
    [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160],         // MPEG-2 layers II and III
];

/// One frame header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Frame {
    pub rate: u32,
    pub channels: u16,
    pub layer: u8,
    pub frames: u32,
    pub kbps: u16,
    pub size: u32,
    mpeg1: bool,
}

impl Frame {
    fn parse(h: [u8; 4]) -> Option<Self> {
        let word = u32::from_be_bytes(h);
        if word >> 21 != 0x7FF {
            return None;
        }
        let version = word >> 19 & 3;
        let layer = 4 - (word >> 17 & 3) as u8;
        let (bitrate, rate) = ((word >> 12 & 15) as usize, (word >> 10 & 3) as usize);
        if version == 1 || layer == 4 || bitrate == 0 || bitrate == 15 || rate == 3 {
            return None;
        }
        let mpeg1 = version == 3;
        let rate = [44_100, 48_000, 32_000][rate] >> [2, 0, 1, 0][version as usize];
        let row = match (mpeg1, layer) {
            (true, l) => usize::from(l) - 1,
            (false, 1) => 3,
            (false, _) => 4,
        };
        let kbps = KBPS[row][bitrate];
        let padding = word >> 9 & 1;
        let frames = match (layer, mpeg1) {
            (1, _) => 384,
            (3, false) => 576,
            _ => 1_152,
        };
        let size = if layer == 1 {
            (12_000 * u32::from(kbps) / rate + padding) * 4
        } else {
            frames / 8 * 1_000 * u32::from(kbps) / rate + padding
        };
        let channels = if word >> 6 & 3 == 3 { 1 } else { 2 };
        (size > 4).then_some(Self { rate, channels, layer, frames, kbps, size, mpeg1 })
    }

    /// Whether two frames can stand in one stream.
    fn alike(&self, other: &Self) -> bool {
        (self.rate, self.layer, self.mpeg1) == (other.rate, other.layer, other.mpeg1)
    }

    fn side_info(&self) -> u64 {
        match (self.mpeg1, self.channels) {
            (true, 1) => 17,
            (true, _) => 32,
            (false, 1) => 9,
            (false, _) => 17,
        }
    }
}

/// Where an ID3v2 tag at the beginning ends; 0 where there is none.
pub(crate) fn after_id3(b: &mut Bytes) -> io::Result<u64> {
    let Some(h) = b.array::<10>(0)? else { return Ok(0) };
    if &h[..3] != b"ID3" || h[6..].iter().any(|x| *x > 127) {
        return Ok(0);
    }
    let size = h[6..].iter().fold(0u64, |n, x| n << 7 | u64::from(*x));
    Ok(10 + size + if h[5] & 0x10 != 0 { 10 } else { 0 })
}

/// The first frame that begins in `from..to` and is followed by another like it, or by the end.
pub(crate) fn first_frame(b: &mut Bytes, from: u64, to: u64) -> io::Result<Option<(u64, Frame)>> {
    let mut pos = from;
    while pos < to {
        let Some(found) = b.find(pos, to, &[0xFF])? else { return Ok(None) };
        if let Some(frame) = b.array(found)?.and_then(Frame::parse) {
            let next = found + u64::from(frame.size);
            let follows = match b.array(next)? {
                Some(h) => Frame::parse(h).is_some_and(|n| n.alike(&frame)),
                // A lone frame at the end is believed only where nothing else could have followed.
                None => found > from || next <= b.len() + 4,
            };
            if follows {
                return Ok(Some((found, frame)));
            }
        }
        pos = found + 1;
    }
    Ok(None)
}

/// What the frame before the sound says of it.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Info {
    /// Frames (packets) of sound.
    pub packets: Option<u64>,
    pub trim_start: u32,
    pub trim_end: u32,
    /// `Info` rather than `Xing`: the bit rate is said to be constant.
    constant: bool,
}

fn info(b: &mut Bytes, pos: u64, frame: &Frame) -> io::Result<Option<Info>> {
    if frame.layer != 3 {
        return Ok(None);
    }
    let vbri = b.at(pos + 36, 18)?;
    if vbri.starts_with(b"VBRI") && vbri.len() == 18 {
        let packets = u32::from_be_bytes([vbri[14], vbri[15], vbri[16], vbri[17]]);
        return Ok(Some(Info { packets: Some(u64::from(packets)), ..Info::default() }));
    }
    let at = pos + 4 + frame.side_info();
    let Some(head) = b.array::<8>(at)? else { return Ok(None) };
    let constant = head.starts_with(b"Info");
    if !constant && !head.starts_with(b"Xing") {
        return Ok(None);
    }
    let flags = head[7];
    let mut field = at + 8;
    let mut found = Info { constant, ..Info::default() };
    if flags & 1 != 0 {
        found.packets = b.u32_be(field)?.map(u64::from).filter(|n| *n > 0);
        field += 4;
    }
    field +=
        if flags & 2 != 0 { 4 } else { 0 } + if flags & 4 != 0 { 100 } else { 0 } + if flags & 8 != 0 { 4 } else { 0 };
    // The LAME extension: 9 bytes of encoder name, then 12 bytes on, two numbers of 12 bits.
    let lame = b.at(field, 24)?;
    if lame.len() == 24 && field + 24 <= pos + u64::from(frame.size) && lame[..4].iter().all(u8::is_ascii_graphic) {
        let (delay, padding) =
            (u32::from(lame[21]) << 4 | u32::from(lame[22] >> 4), u32::from(lame[22] & 15) << 8 | u32::from(lame[23]));
        found.trim_start = delay + DECODER_DELAY;
        found.trim_end = padding.saturating_sub(DECODER_DELAY);
    }
    Ok(Some(found))
}

/// A stream of MPEG audio frames in a range of a file.
pub(crate) struct Mp3 {
    pub(crate) bytes: Bytes,
    sound: Sound,
    pub(crate) info: Info,
    pub(crate) first: Frame,
    start: u64,
    end: u64,
    pos: u64,
    index: u64,
    marks: Marks,
    constant: bool,
}

/// Places of some packets, every `step`th; the step doubles when there are too many, so that memory stays bounded.
#[derive(Debug)]
struct Marks {
    step: u64,
    places: Vec<u64>,
}

impl Marks {
    const MOST: usize = 8_192;

    fn add(&mut self, index: u64, pos: u64) {
        if index != self.step * self.places.len() as u64 {
            return;
        }
        if self.places.len() == Self::MOST {
            self.places = self.places.iter().step_by(2).copied().collect();
            self.step *= 2;
            return self.add(index, pos);
        }
        self.places.push(pos);
    }

    fn before(&self, index: u64) -> (u64, u64) {
        let i = (index / self.step).min(self.places.len().saturating_sub(1) as u64);
        (i * self.step, self.places.get(i as usize).copied().unwrap_or(0))
    }
}

impl Mp3 {
    /// Opens a file of bare frames, behind its tag if it has one.
    pub(crate) fn open_whole(mut bytes: Bytes) -> io::Result<Option<Self>> {
        let from = after_id3(&mut bytes)?;
        let to = bytes.len();
        Self::open(bytes, from, to)
    }

    /// Opens the frames in `from..to`; none where there are none.
    pub(crate) fn open(mut bytes: Bytes, from: u64, to: u64) -> io::Result<Option<Self>> {
        let to = to.min(bytes.len());
        let Some((mut start, mut first)) = first_frame(&mut bytes, from, to.min(from + (1 << 20)))? else {
            return Ok(None);
        };
        let info = info(&mut bytes, start, &first)?;
        if info.is_some() {
            start += u64::from(first.size);
            if let Some(sound) = bytes.array(start)?.and_then(Frame::parse).filter(|f| f.alike(&first)) {
                first = sound;
            }
        }
        let id = [CODEC_ID_MP1, CODEC_ID_MP2, CODEC_ID_MP3][usize::from(first.layer) - 1];
        let sound = Sound::new(format!("mp{}", first.layer), first.rate, first.channels).decodable(id, None);
        let marks = Marks { step: 16, places: vec![start] };
        let info = info.unwrap_or_default();
        let mut mp3 = Self { bytes, sound, info, first, start, end: to, pos: start, index: 0, marks, constant: false };
        mp3.constant = mp3.looks_constant()?;
        let packets = match mp3.info.packets {
            Some(n) => n,
            None if mp3.constant => ((mp3.end_of_sound()? - start) as f64 / mp3.bytes_per_packet()).round() as u64,
            None => mp3.count()?.packets,
        };
        mp3.sound.frames = Some(mp3.heard(packets));
        Ok(Some(mp3))
    }

    /// Frames as heard in so many packets.
    pub(crate) fn heard(&self, packets: u64) -> u64 {
        let all = packets.saturating_mul(u64::from(self.first.frames));
        all.saturating_sub(u64::from(self.info.trim_start) + u64::from(self.info.trim_end))
    }

    /// Whether packet n can be found by arithmetic: the first packets have one bit rate, and the place that arithmetic gives
    /// for one near the end is a packet's.
    fn looks_constant(&mut self) -> io::Result<bool> {
        if self.info.packets.is_some() && !self.info.constant {
            return Ok(false);
        }
        let mut pos = self.start;
        for _ in 0..64 {
            match self.frame_at(pos)? {
                Some(f) if f.kbps == self.first.kbps => pos += u64::from(f.size),
                Some(_) => return Ok(false),
                None => break,
            }
        }
        let last = ((self.end_of_sound()? - self.start) as f64 / self.bytes_per_packet()) as u64;
        let Some(index) = last.checked_sub(8) else { return Ok(true) };
        Ok(self.by_arithmetic(index)?.is_some())
    }

    fn end_of_sound(&mut self) -> io::Result<u64> {
        let tag = self.end.saturating_sub(128);
        Ok(if self.bytes.at(tag, 3)? == b"TAG" && tag > self.start { tag } else { self.end })
    }

    fn bytes_per_packet(&self) -> f64 {
        f64::from(self.first.frames) * f64::from(self.first.kbps) * 125.0 / f64::from(self.first.rate)
    }

    /// Packet `index` or the one beside it, found by arithmetic and checked: its place must be a whole number of packets
    /// from the start, to within the one byte of padding.
    fn by_arithmetic(&mut self, index: u64) -> io::Result<Option<(u64, u64)>> {
        let each = self.bytes_per_packet();
        let guess = self.start + (index as f64 * each) as u64;
        let Some((pos, f)) = first_frame(&mut self.bytes, guess.saturating_sub(2).max(self.start), guess + 3)? else {
            return Ok(None);
        };
        let off = pos as f64 - (self.start as f64 + index as f64 * each);
        Ok((f.alike(&self.first) && off.abs() <= 2.0).then_some((index, pos)))
    }

    fn frame_at(&mut self, pos: u64) -> io::Result<Option<Frame>> {
        let frame = self.bytes.array(pos)?.and_then(Frame::parse);
        Ok(frame.filter(|f| f.alike(&self.first) && pos + u64::from(f.size) <= self.end))
    }

    /// The next whole packet, over junk if need be; none at the end.
    fn step(&mut self) -> io::Result<Option<(u64, Frame)>> {
        if let Some(f) = self.frame_at(self.pos)? {
            return Ok(Some((self.pos, f)));
        }
        let Some((pos, f)) = first_frame(&mut self.bytes, self.pos + 1, self.end)? else { return Ok(None) };
        if f.alike(&self.first) && pos + u64::from(f.size) <= self.end {
            return Ok(Some((pos, f)));
        }
        // Something that looks like a frame of another stream: go on behind it.
        self.pos = pos;
        if pos + 4 < self.end { self.step_over(pos + 1) } else { Ok(None) }
    }

    fn step_over(&mut self, mut pos: u64) -> io::Result<Option<(u64, Frame)>> {
        while let Some((at, f)) = first_frame(&mut self.bytes, pos, self.end)? {
            if f.alike(&self.first) && at + u64::from(f.size) <= self.end {
                return Ok(Some((at, f)));
            }
            pos = at + 1;
        }
        Ok(None)
    }

    fn advance(&mut self) -> io::Result<Option<(u64, Frame)>> {
        let Some((pos, frame)) = self.step()? else { return Ok(None) };
        self.marks.add(self.index, pos);
        (self.pos, self.index) = (pos + u64::from(frame.size), self.index + 1);
        Ok(Some((pos, frame)))
    }

    /// Walks every packet.
    pub(crate) fn count(&mut self) -> io::Result<Count> {
        let (pos, index) = (self.pos, self.index);
        (self.pos, self.index) = (self.start, 0);
        let (mut expected, mut junk, mut steady) = (self.start, 0, true);
        while let Some((at, frame)) = self.advance()? {
            junk += at - expected;
            expected = at + u64::from(frame.size);
            steady &= frame.kbps == self.first.kbps;
        }
        let cut_short = match self.bytes.array(expected)?.and_then(Frame::parse) {
            Some(f) if f.alike(&self.first) => expected + u64::from(f.size) > self.end,
            _ => false,
        };
        let count = Count { packets: self.index, junk, steady, cut_short };
        (self.pos, self.index) = (pos, index);
        Ok(count)
    }
}

/// What a walk over all packets found.
pub(crate) struct Count {
    pub packets: u64,
    /// Bytes between packets that are none.
    pub junk: u64,
    /// One bit rate throughout.
    pub steady: bool,
    /// The last packet's end is missing.
    pub cut_short: bool,
}

impl Demux for Mp3 {
    fn sound(&self) -> &Sound {
        &self.sound
    }

    fn next(&mut self) -> Result<Option<Unit>, AudioError> {
        let index = self.index;
        let Some((pos, frame)) = self.advance()? else { return Ok(None) };
        let data: Box<[u8]> = self.bytes.at(pos, frame.size as usize)?.into();
        let at = (index * u64::from(self.first.frames)) as i64 - i64::from(self.info.trim_start);
        Ok(Some(Unit { at, frames: frame.frames, data }))
    }

    fn seek(&mut self, frame: u64) -> Result<(), AudioError> {
        // Earlier packets hold a part of this one's data, two more fill the filter bank.
        let payload = (u64::from(self.first.size)).saturating_sub(self.first.side_info() + 6).max(16);
        let back = RESERVOIR_BYTES.div_ceil(payload) + 3;
        let wanted = (frame + u64::from(self.info.trim_start)) / u64::from(self.first.frames);
        let index = wanted.saturating_sub(back);
        if self.constant {
            if let Some((index, pos)) = self.by_arithmetic(index)? {
                (self.index, self.pos) = (index, pos);
                return Ok(());
            }
            self.constant = false;
        }
        let (from, pos) = self.marks.before(index);
        (self.index, self.pos) =
            if (from..=index).contains(&self.index) { (self.index, self.pos) } else { (from, pos) };
        while self.index < index && self.advance()?.is_some() {}
        Ok(())
    }
}
