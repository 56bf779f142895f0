//! WebM and Matroska (RFC 9559) with Opus or Vorbis in them.

use super::{Demux, Sound, Unit, opus, vorbis};
use crate::{
    AudioError,
    bytes::{Bytes, bisect},
};
use std::{collections::VecDeque, io};

pub(crate) const SEGMENT: u32 = 0x1853_8067;
pub(crate) const CLUSTER: u32 = 0x1F43_B675;
const INFO: u32 = 0x1549_A966;
const TRACKS: u32 = 0x1654_AE6B;
const TIMESTAMP: u32 = 0xE7;
const SIMPLE_BLOCK: u32 = 0xA3;
const BLOCK_GROUP: u32 = 0xA0;
const BLOCK: u32 = 0xA1;
const BLOCK_DURATION: u32 = 0x9B;
const DISCARD_PADDING: u32 = 0x75A2;
/// No cluster of a real recording is longer.
const CLUSTER_REACH: u64 = 32 << 20;

/// An element's header. `end` is none for the unknown length that live recorders write.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Element {
    pub id: u32,
    pub data: u64,
    pub end: Option<u64>,
}

impl Element {
    pub(crate) fn read(b: &mut Bytes, pos: u64) -> io::Result<Option<Self>> {
        let h = b.at(pos, 12)?;
        let Some((id_len, id)) = number(h, true).filter(|(n, _)| *n <= 4) else { return Ok(None) };
        let Some((len_len, len)) = number(&h[id_len..], false) else { return Ok(None) };
        let data = pos + (id_len + len_len) as u64;
        let unknown = len == (1u64 << (7 * len_len)) - 1;
        Ok(Some(Self { id: id as u32, data, end: (!unknown).then(|| data.saturating_add(len)) }))
    }

    fn value(&self, b: &mut Bytes, most: usize) -> io::Result<Vec<u8>> {
        let len = self.end.map_or(0, |e| e - self.data);
        Ok(b.at(self.data, usize::try_from(len).unwrap_or(usize::MAX).min(most))?.to_vec())
    }

    fn uint(&self, b: &mut Bytes) -> io::Result<u64> {
        Ok(self.value(b, 8)?.iter().fold(0, |n, x| n << 8 | u64::from(*x)))
    }

    fn int(&self, b: &mut Bytes) -> io::Result<i64> {
        let v = self.value(b, 8)?;
        let sign = if v.first().is_some_and(|x| x & 0x80 != 0) { -1 } else { 0 };
        Ok(v.iter().fold(sign, |n: i64, x| n << 8 | i64::from(*x)))
    }

    fn float(&self, b: &mut Bytes) -> io::Result<f64> {
        let v = self.value(b, 8)?;
        Ok(match (<[u8; 8]>::try_from(v.as_slice()), <[u8; 4]>::try_from(v.as_slice())) {
            (Ok(x), _) => f64::from_be_bytes(x),
            (_, Ok(x)) => f64::from(f32::from_be_bytes(x)),
            _ => 0.0,
        })
    }

    /// Whether it can stand only directly in a segment: what ends a cluster of unknown length.
    fn top(&self) -> bool {
        const OTHERS: [u32; 7] = [0x114D_9B74, 0x1C53_BB6B, 0x1254_C367, 0x1941_A469, 0x1043_A770, INFO, TRACKS];
        self.id == CLUSTER || OTHERS.contains(&self.id)
    }

    fn children(&self, b: &mut Bytes) -> io::Result<Vec<Self>> {
        let end = self.end.unwrap_or(self.data).min(b.len());
        let (mut pos, mut all) = (self.data, Vec::new());
        while pos < end && all.len() < 4_096 {
            let Some(child) = Self::read(b, pos)? else { break };
            all.push(child);
            let Some(next) = child.end else { break };
            pos = next;
        }
        Ok(all)
    }
}

/// A variable-length number: its length and value. Ids keep their length marker.
fn number(h: &[u8], keep_marker: bool) -> Option<(usize, u64)> {
    let first = *h.first()?;
    let len = first.leading_zeros() as usize + 1;
    let bytes = h.get(..len).filter(|_| len <= 8)?;
    let all = bytes.iter().fold(0u64, |n, x| n << 8 | u64::from(*x));
    Some((len, if keep_marker { all } else { all & ((1u64 << (7 * len)) - 1) }))
}

enum Measure {
    Opus,
    Vorbis {
        modes: vorbis::Modes,
        before: Option<u32>,
        /// Where the next packet begins, told more exactly than the container's milliseconds.
        next: Option<i64>,
    },
    /// Not decoded here: one packet a block, length unknown.
    Foreign,
}

/// A block's payload and its time in the segment's ticks.
pub(crate) struct Block {
    pub track: u64,
    pub ticks: i64,
    pub data: u64,
    pub len: usize,
    /// How many frames are laced into it; 1 for none.
    pub laced: u32,
    pub duration: Option<u64>,
    /// Nanoseconds of padding at the end of a last block.
    discard_ns: i64,
}

/// What the head of the file says.
pub(crate) struct Webm {
    bytes: Bytes,
    sound: Sound,
    measure: Measure,
    pub video: Option<String>,
    track: u64,
    pub doc_type: String,
    pub segment_end: Option<u64>,
    /// Nanoseconds in one tick.
    pub tick_ns: u64,
    /// Length by the header, in ticks.
    pub duration: Option<f64>,
    /// Opus frames to skip at the beginning.
    delay: i64,
    first_cluster: u64,
    pos: u64,
    cluster: Option<(i64, Option<u64>)>,
    ready: VecDeque<Unit>,
}

#[derive(Default)]
struct Entry {
    number: u64,
    kind: u64,
    codec: String,
    private: Vec<u8>,
    rate: f64,
    channels: u64,
    delay_ns: u64,
}

impl Webm {
    /// Reads up to the first cluster; none where there is no track list.
    pub(crate) fn open(mut bytes: Bytes) -> io::Result<Option<Self>> {
        let b = &mut bytes;
        let Some(ebml) = Element::read(b, 0)? else { return Ok(None) };
        let mut doc_type = "webm".to_owned();
        for child in ebml.children(b)? {
            if child.id == 0x4282 {
                doc_type = String::from_utf8_lossy(&child.value(b, 16)?).into_owned();
            }
        }
        let Some(segment) = Element::read(b, ebml.end.unwrap_or(0))?.filter(|s| s.id == SEGMENT) else {
            return Ok(None);
        };
        let (mut pos, mut entries, mut tick_ns, mut duration) = (segment.data, Vec::new(), 1_000_000, None);
        let first_cluster = loop {
            let Some(e) = Element::read(b, pos)? else { break pos };
            match e.id {
                CLUSTER => break pos,
                INFO => {
                    for child in e.children(b)? {
                        match child.id {
                            0x2A_D7B1 => tick_ns = child.uint(b)?.max(1),
                            0x4489 => duration = Some(child.float(b)?).filter(|d| d.is_finite() && *d > 0.0),
                            _ => {}
                        }
                    }
                }
                TRACKS => entries = Self::tracks(b, &e)?,
                _ => {}
            }
            let Some(next) = e.end else { break pos };
            pos = next;
        };
        let video = entries.iter().find(|e| e.kind == 1).map(|e| video_name(&e.codec));
        let sounds = entries.iter().find(|e| e.kind == 2);
        if entries.is_empty() {
            return Ok(None);
        }
        let (sound, measure, delay) = sounds.map_or((Sound::new("", 0, 0), Measure::Foreign, 0), sound_of);
        let mut webm = Self {
            track: sounds.map_or(0, |e| e.number),
            bytes,
            sound,
            measure,
            video,
            doc_type,
            segment_end: segment.end,
            tick_ns,
            duration,
            delay,
            first_cluster,
            pos: first_cluster,
            cluster: None,
            ready: VecDeque::new(),
        };
        if webm.sound.rate > 0 {
            webm.sound.frames = webm.last_frame()?;
        }
        webm.rewind();
        webm.anchor()?;
        Ok(Some(webm))
    }

    /// Where the sound ends by its last blocks.
    fn last_frame(&mut self) -> io::Result<Option<u64>> {
        let (start, end) = (self.first_cluster, self.bytes.len());
        let bytes = &mut self.bytes;
        let last = bisect(start, end, i64::MAX, |pos| cluster_at(bytes, pos, pos.saturating_add(CLUSTER_REACH)))?;
        let Some((pos, _)) = last else { return Ok(None) };
        self.pos = pos;
        let mut reached = None;
        while let Some(block) = self.next_block()? {
            if self.is_sound(&block) {
                let (at, frames) = self.measure(&block)?;
                let heard = at.saturating_add(i64::from(frames)).saturating_sub(self.discarded(&block));
                reached = reached.max(u64::try_from(heard).ok());
            }
        }
        Ok(reached)
    }

    /// Frames of padding at the end of a block.
    pub(crate) fn discarded(&self, block: &Block) -> i64 {
        let frames = i128::from(block.discard_ns.max(0)) * i128::from(self.sound.rate) / 1_000_000_000;
        i64::try_from(frames).unwrap_or(0)
    }

    pub(crate) fn rewind(&mut self) {
        self.pos = self.first_cluster;
        self.restart();
    }

    fn restart(&mut self) {
        self.cluster = None;
        self.ready.clear();
        if let Measure::Vorbis { before, next, .. } = &mut self.measure {
            (*before, *next) = (None, None);
        }
    }

    fn tracks(b: &mut Bytes, tracks: &Element) -> io::Result<Vec<Entry>> {
        let mut entries = Vec::new();
        for entry in tracks.children(b)?.into_iter().filter(|e| e.id == 0xAE).take(64) {
            let mut found = Entry { rate: 8_000.0, channels: 1, ..Entry::default() };
            for e in entry.children(b)? {
                match e.id {
                    0xD7 => found.number = e.uint(b)?,
                    0x83 => found.kind = e.uint(b)?,
                    0x86 => found.codec = String::from_utf8_lossy(&e.value(b, 64)?).into_owned(),
                    0x56AA => found.delay_ns = e.uint(b)?,
                    0x63A2 => found.private = e.value(b, 1 << 20)?,
                    0xE1 => {
                        for a in e.children(b)? {
                            match a.id {
                                0xB5 => found.rate = a.float(b)?,
                                0x9F => found.channels = a.uint(b)?,
                                _ => {}
                            }
                        }
                    }
                    _ => {}
                }
            }
            entries.push(found);
        }
        Ok(entries)
    }

    pub(crate) fn has_sound(&self) -> bool {
        self.track != 0
    }

    pub(crate) fn bytes(&mut self) -> &mut Bytes {
        &mut self.bytes
    }

    /// Where the walk stopped because an element says that it ends behind the file: where it would end.
    pub(crate) fn stop(&mut self) -> io::Result<Option<u64>> {
        let len = self.bytes.len();
        if let Some((_, Some(end))) = self.cluster.filter(|(_, e)| e.is_some_and(|e| e > len)) {
            return Ok(Some(end));
        }
        let broken = self.pos > len;
        Ok(broken.then_some(self.pos))
    }

    /// The next block of any track; none at the end, or where what follows is no element.
    pub(crate) fn next_block(&mut self) -> io::Result<Option<Block>> {
        loop {
            if self.pos >= self.bytes.len() {
                return Ok(None);
            }
            let Some(e) = Element::read(&mut self.bytes, self.pos)? else { return Ok(None) };
            if let Some((_, Some(end))) = self.cluster
                && self.pos >= end
            {
                self.cluster = None;
            }
            match (e.id, self.cluster) {
                (CLUSTER, _) => {
                    self.cluster = Some((0, e.end));
                    self.pos = e.data;
                    continue;
                }
                (TIMESTAMP, Some((_, end))) => {
                    let ticks = i64::try_from(e.uint(&mut self.bytes)?).unwrap_or(i64::MAX / 2);
                    self.cluster = Some((ticks, end));
                }
                (SIMPLE_BLOCK, Some((ticks, _))) => {
                    let Some(end) = e.end else { return Ok(None) };
                    self.pos = end;
                    if let Some(block) = self.block(&e, ticks)? {
                        return Ok(Some(block));
                    }
                    continue;
                }
                (BLOCK_GROUP, Some((ticks, _))) => {
                    let Some(end) = e.end else { return Ok(None) };
                    self.pos = end;
                    if let Some(block) = self.group(&e, ticks)? {
                        return Ok(Some(block));
                    }
                    continue;
                }
                (_, Some((_, None))) if e.top() => self.cluster = None,
                _ => {}
            }
            let Some(end) = e.end else { return Ok(None) };
            self.pos = end;
        }
    }

    fn group(&mut self, group: &Element, ticks: i64) -> io::Result<Option<Block>> {
        let (mut block, mut duration, mut discard_ns) = (None, None, 0);
        for child in group.children(&mut self.bytes)? {
            match child.id {
                BLOCK => block = self.block(&child, ticks)?,
                BLOCK_DURATION => duration = Some(child.uint(&mut self.bytes)?),
                DISCARD_PADDING => discard_ns = child.int(&mut self.bytes)?,
                _ => {}
            }
        }
        Ok(block.map(|b| Block { duration, discard_ns, ..b }))
    }

    /// Reads a block's own header: track, time relative to the cluster, lacing.
    fn block(&mut self, e: &Element, ticks: i64) -> io::Result<Option<Block>> {
        let end = e.end.unwrap_or(e.data);
        let h = self.bytes.at(e.data, 12)?;
        let Some((n, track)) = number(h, false) else { return Ok(None) };
        let Some(&[hi, lo, flags]) = h.get(n..n + 3) else { return Ok(None) };
        let laced = if flags & 6 == 0 { 1 } else { u32::from(h.get(n + 3).copied().unwrap_or(0)) + 1 };
        let data = e.data + n as u64 + 3;
        if end > self.bytes.len() || data > end {
            return Ok(None);
        }
        let ticks = ticks.saturating_add(i64::from(i16::from_be_bytes([hi, lo])));
        let len = usize::try_from(end - data).unwrap_or(usize::MAX);
        Ok(Some(Block { track, ticks, data, len, laced, duration: None, discard_ns: 0 }))
    }

    /// Ticks as frames of the sound.
    pub(crate) fn frames(&self, ticks: i64) -> i64 {
        let frames = i128::from(ticks) * i128::from(self.tick_ns) * i128::from(self.sound.rate) / 1_000_000_000;
        i64::try_from(frames).unwrap_or(i64::MAX / 4)
    }

    fn ticks(&self, frames: i64) -> i64 {
        let ticks =
            i128::from(frames) * 1_000_000_000 / (i128::from(self.tick_ns) * i128::from(self.sound.rate.max(1)));
        i64::try_from(ticks).unwrap_or(i64::MAX / 4)
    }

    /// Where a packet at this time begins, as heard. The container's times are rounded, usually to milliseconds; Opus
    /// packets lie on a grid of 2.5 ms, so that the exact place can be told.
    fn place(&self, ticks: i64) -> i64 {
        let raw = self.frames(ticks);
        match self.measure {
            Measure::Opus => raw.saturating_add(60).div_euclid(120) * 120 - self.delay,
            _ => raw - self.delay,
        }
    }

    /// Whether a block belongs to the sound.
    pub(crate) fn is_sound(&self, block: &Block) -> bool {
        block.track == self.track && self.track != 0
    }

    /// Where the block's sound begins and how many frames it holds.
    pub(crate) fn measure(&mut self, block: &Block) -> io::Result<(i64, u32)> {
        let at = self.place(block.ticks);
        let head = self.bytes.at(block.data, block.len.min(16))?;
        let frames = match &mut self.measure {
            Measure::Opus => opus::packet_frames(head) * if block.laced > 1 { block.laced } else { 1 },
            Measure::Vorbis { modes, before, next } => {
                let Some(block) = modes.block(head) else { return Ok((at, 0)) };
                let Some(before) = before.replace(block) else { return Ok((next.unwrap_or(at), 0)) };
                let frames = vorbis::Modes::frames(Some(before), block);
                let near = next.filter(|n| n.abs_diff(at) < u64::from(self.sound.rate) / 250);
                *next = near.map(|n| n + i64::from(frames));
                return Ok((near.unwrap_or(at), frames));
            }
            Measure::Foreign => 0,
        };
        Ok((at, frames))
    }
}

fn sound_of(e: &Entry) -> (Sound, Measure, i64) {
    let (rate, channels) = (if e.rate.is_finite() { e.rate as u32 } else { 0 }, u16::try_from(e.channels).unwrap_or(0));
    match e.codec.as_str() {
        "A_OPUS" => {
            // Without CodecPrivate (some live recorders) the track's own numbers must do.
            let plain = || (Sound::new("opus", opus::RATE, channels.clamp(1, 2)), 0);
            let (sound, skip) = opus::head(&e.private).unwrap_or_else(plain);
            let id = symphonia::core::codecs::audio::well_known::CODEC_ID_OPUS;
            let sound = if sound.params.is_none() && sound.channels <= 2 { sound.decodable(id, None) } else { sound };
            (sound, Measure::Opus, i64::from(skip))
        }
        "A_VORBIS" => match laced_headers(&e.private).and_then(|(i, s)| vorbis::headers(i, s)) {
            Some((sound, modes)) => {
                let delay = u128::from(e.delay_ns) * u128::from(sound.rate) / 1_000_000_000;
                let delay = i64::try_from(delay.min(u128::from(sound.rate))).unwrap_or(0);
                (sound, Measure::Vorbis { modes, before: None, next: None }, delay)
            }
            None => (Sound::new("vorbis", rate, channels), Measure::Foreign, 0),
        },
        other => {
            let name = other.trim_start_matches("A_").to_ascii_lowercase().replace('/', "_");
            let name = if name.starts_with("aac") { "aac".to_owned() } else { name };
            (Sound::new(name, rate, channels), Measure::Foreign, 0)
        }
    }
}

/// Identification and setup header out of Xiph lacing.
fn laced_headers(private: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut rest = private.strip_prefix(&[2])?;
    let mut size = || {
        let mut n = 0usize;
        loop {
            let (&b, tail) = rest.split_first()?;
            rest = tail;
            n += usize::from(b);
            if b < 255 {
                return Some(n);
            }
        }
    };
    let (first, second) = (size()?, size()?);
    Some((rest.get(..first)?, rest.get(first.checked_add(second)?..)?))
}

fn video_name(codec: &str) -> String {
    match codec {
        "V_VP8" => "vp8".into(),
        "V_VP9" => "vp9".into(),
        "V_AV1" => "av1".into(),
        "V_MPEG4/ISO/AVC" => "h264".into(),
        "V_MPEGH/ISO/HEVC" => "h265".into(),
        other => other.trim_start_matches("V_").to_ascii_lowercase(),
    }
}

impl Demux for Webm {
    fn sound(&self) -> &Sound {
        &self.sound
    }

    fn next(&mut self) -> Result<Option<Unit>, AudioError> {
        while self.ready.is_empty() {
            let Some(block) = self.next_block()? else { return Ok(None) };
            if !self.is_sound(&block) {
                continue;
            }
            if block.laced > 1 {
                return Err(AudioError::damaged("the sound is laced, which WebM does not use for Opus or Vorbis"));
            }
            let (at, frames) = self.measure(&block)?;
            let data: Box<[u8]> = self.bytes.at(block.data, block.len)?.into();
            self.ready.push_back(Unit { at, frames, data });
        }
        Ok(self.ready.pop_front())
    }

    fn seek(&mut self, frame: u64) -> Result<(), AudioError> {
        let pre_roll = match &self.measure {
            Measure::Vorbis { modes, .. } => i64::from(modes.longest()) * 2,
            _ => opus::PRE_ROLL,
        };
        let frame = i64::try_from(frame).unwrap_or(i64::MAX / 4);
        let target = self.ticks(frame.saturating_add(self.delay - pre_roll));
        let (start, end) = (self.first_cluster, self.bytes.len());
        let bytes = &mut self.bytes;
        let found = bisect(start, end, target, |pos| cluster_at(bytes, pos, pos.saturating_add(CLUSTER_REACH)))?;
        self.pos = found.map_or(start, |(pos, _)| pos);
        self.restart();
        self.skip_to(target)?;
        Ok(self.anchor()?)
    }
}

impl Webm {
    /// Tells where the packets from here on begin, which for Vorbis is finer than the container's times: those are rounded
    /// each for itself, while the packets' own lengths are exact. The middle of many roundings is the truth, or as far from
    /// it after one seek as after another.
    fn anchor(&mut self) -> io::Result<()> {
        if !matches!(self.measure, Measure::Vorbis { .. }) {
            return Ok(());
        }
        let here = (self.pos, self.cluster);
        let (mut sum, mut least, mut most, mut seen) = (0i64, i64::MAX, i64::MIN, 0);
        while seen < 64 {
            let Some(block) = self.next_block()? else { break };
            if !self.is_sound(&block) {
                continue;
            }
            let (at, frames) = self.measure(&block)?;
            if seen > 0 {
                (least, most) = (least.min(at.saturating_sub(sum)), most.max(at.saturating_sub(sum)));
                sum += i64::from(frames);
            }
            seen += 1;
        }
        (self.pos, self.cluster) = here;
        let jitter = u64::from(self.sound.rate) / 500;
        if let Measure::Vorbis { before, next, .. } = &mut self.measure {
            *before = None;
            *next = (seen > 1 && most.abs_diff(least) <= jitter).then(|| least + (most - least) / 2);
        }
        Ok(())
    }

    /// Passes over blocks until the last one that begins before `target` ticks.
    fn skip_to(&mut self, target: i64) -> io::Result<()> {
        loop {
            let here = (self.pos, self.cluster);
            match self.next_block()? {
                Some(b) if b.ticks < target => {}
                _ => {
                    (self.pos, self.cluster) = here;
                    return Ok(());
                }
            }
        }
    }
}

/// The first cluster in `from..to`: where it begins and its time. Its first child must be its time, as WebM demands.
fn cluster_at(b: &mut Bytes, mut from: u64, to: u64) -> io::Result<Option<(u64, i64)>> {
    while let Some(pos) = b.find(from, to, &CLUSTER.to_be_bytes())? {
        if let Some(cluster) = Element::read(b, pos)?
            && let Some(time) = Element::read(b, cluster.data)?.filter(|t| t.id == TIMESTAMP)
        {
            return Ok(Some((pos, i64::try_from(time.uint(b)?).unwrap_or(i64::MAX))));
        }
        from = pos + 1;
    }
    Ok(None)
}
