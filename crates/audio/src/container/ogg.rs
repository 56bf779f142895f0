//! Ogg pages (RFC 3533) with Opus (RFC 7845) or Vorbis in them.

use super::{Demux, Sound, Unit, opus, vorbis};
use crate::{
    AudioError,
    bytes::{Bytes, bisect},
};
use std::{collections::VecDeque, io};

const LARGEST_PAGE: u64 = 27 + 255 + 255 * 255;
/// Headers with pictures in their comments can be long; longer than this is not a recording.
const LARGEST_HEADER: usize = 4 << 20;

/// One page's header.
#[derive(Debug, Clone)]
pub(crate) struct Page {
    pub pos: u64,
    pub continued: bool,
    pub first: bool,
    pub last: bool,
    /// Where the last packet that ends here ends, in samples; negative where none ends here.
    pub granule: i64,
    pub serial: u32,
    pub sequence: u32,
    lacing: Vec<u8>,
    pub end: u64,
}

impl Page {
    /// The page that begins at `pos`; none where none does. It may end behind the file's end.
    pub(crate) fn read(b: &mut Bytes, pos: u64) -> io::Result<Option<Self>> {
        let Some(h) = b.array::<27>(pos)? else { return Ok(None) };
        if !h.starts_with(b"OggS\0") {
            return Ok(None);
        }
        let lacing = b.at(pos + 27, usize::from(h[26]))?.to_vec();
        let body: u64 = lacing.iter().map(|l| u64::from(*l)).sum();
        Ok(Some(Self {
            pos,
            continued: h[5] & 1 != 0,
            first: h[5] & 2 != 0,
            last: h[5] & 4 != 0,
            granule: i64::from_le_bytes([h[6], h[7], h[8], h[9], h[10], h[11], h[12], h[13]]),
            serial: u32::from_le_bytes([h[14], h[15], h[16], h[17]]),
            sequence: u32::from_le_bytes([h[18], h[19], h[20], h[21]]),
            end: pos + 27 + u64::from(h[26]) + body,
            lacing,
        }))
    }

    /// The first page in `from..to` (of `serial` with a time, where one is given).
    pub(crate) fn find(b: &mut Bytes, mut from: u64, to: u64, serial: Option<u32>) -> io::Result<Option<Self>> {
        while let Some(pos) = b.find(from, to, b"OggS")? {
            let page = Self::read(b, pos)?;
            if let Some(p) = page.filter(|p| serial.is_none_or(|s| p.serial == s && p.granule >= 0)) {
                return Ok(Some(p));
            }
            from = pos + 1;
        }
        Ok(None)
    }

    /// The pieces of packets on this page: place, length, and whether the packet ends here.
    fn pieces(&self) -> Vec<(u64, usize, bool)> {
        let (mut at, mut len, mut pieces) = (self.pos + 27 + self.lacing.len() as u64, 0, Vec::new());
        for l in &self.lacing {
            len += usize::from(*l);
            if *l < 255 {
                pieces.push((at, len, true));
                at += len as u64;
                len = 0;
            }
        }
        if len > 0 {
            pieces.push((at, len, false));
        }
        pieces
    }
}

/// How packets of the stream are measured.
enum Measure {
    Opus { pre_skip: u16 },
    Vorbis { modes: vorbis::Modes, before: Option<u32> },
}

impl Measure {
    fn frames(&mut self, packet: &[u8]) -> u32 {
        match self {
            Self::Opus { .. } => opus::packet_frames(packet),
            Self::Vorbis { modes, before } => match modes.block(packet) {
                Some(block) => vorbis::Modes::frames(before.replace(block), block),
                None => 0,
            },
        }
    }

    fn forget(&mut self) {
        if let Self::Vorbis { before, .. } = self {
            *before = None;
        }
    }

    fn pre_roll(&self) -> i64 {
        match self {
            Self::Opus { .. } => opus::PRE_ROLL,
            Self::Vorbis { modes, .. } => i64::from(modes.longest()) * 2,
        }
    }

    fn pre_skip(&self) -> i64 {
        if let Self::Opus { pre_skip } = self { i64::from(*pre_skip) } else { 0 }
    }
}

/// What the first pages say.
pub(crate) struct Heads {
    pub serial: u32,
    pub sound: Sound,
    measure: Option<Measure>,
    /// Where the first page with sound begins.
    pub start: u64,
    /// Codecs of other streams beside this one.
    pub others: Vec<&'static str>,
}

/// A stream of Opus or Vorbis packets.
pub(crate) struct Ogg {
    bytes: Bytes,
    serial: u32,
    sound: Sound,
    measure: Measure,
    start: u64,
    pos: u64,
    /// Granule of the page before, when the stream is read without a gap.
    before: Option<i64>,
    /// Granule at which the stream begins.
    origin: i64,
    partial: Vec<u8>,
    skip_partial: bool,
    ready: VecDeque<Unit>,
}

fn codec_of(packet: &[u8]) -> Option<&'static str> {
    let names: [(&[u8], &str); 6] = [
        (b"OpusHead", "opus"),
        (b"\x01vorbis", "vorbis"),
        (b"\x7FFLAC", "flac"),
        (b"Speex   ", "speex"),
        (b"\x80theora", "theora"),
        (b"BBCD\0", "dirac"),
    ];
    names.iter().find(|(magic, _)| packet.starts_with(magic)).map(|(_, name)| *name)
}

/// Reads the headers; none where no sound is announced.
pub(crate) fn heads(b: &mut Bytes) -> io::Result<Option<Heads>> {
    let (mut pos, mut others, mut chosen) = (0, Vec::new(), None);
    while let Some(page) = Page::read(b, pos)?.filter(|p| p.first) {
        let Some((at, len, _)) = page.pieces().first().copied() else { break };
        let packet = b.at(at, len)?.to_vec();
        match codec_of(&packet) {
            Some("theora" | "dirac") => others.push("video"),
            Some(name) if chosen.is_none() => chosen = Some((page.serial, name, packet)),
            _ => others.push("unknown"),
        }
        pos = page.end;
    }
    let Some((serial, name, ident)) = chosen else { return Ok(None) };
    let wanted = if name == "vorbis" { 2 } else { 1 };
    let (mut packets, mut partial) = (Vec::new(), Vec::new());
    while packets.len() < wanted {
        let Some(page) = Page::read(b, pos)?.filter(|p| p.end <= b.len()) else { break };
        pos = page.end;
        for (at, len, ends) in page.pieces().into_iter().filter(|_| page.serial == serial) {
            partial.extend_from_slice(b.at(at, len)?);
            if partial.len() > LARGEST_HEADER {
                return Ok(None);
            }
            if ends {
                packets.push(std::mem::take(&mut partial));
            }
        }
    }
    let (sound, measure) = match (name, packets.get(1)) {
        ("opus", _) => match opus::head(&ident) {
            Some((sound, pre_skip)) => (sound, Some(Measure::Opus { pre_skip })),
            None => return Ok(None),
        },
        ("vorbis", Some(setup)) => match vorbis::headers(&ident, setup) {
            Some((sound, modes)) => (sound, Some(Measure::Vorbis { modes, before: None })),
            None => return Ok(None),
        },
        ("vorbis", None) => return Ok(None),
        ("speex", _) => {
            let number = |i: usize| ident.get(i..i + 4).map_or(0, |x| u32::from_le_bytes([x[0], x[1], x[2], x[3]]));
            (Sound::new("speex", number(36), number(48).min(8) as u16), None)
        }
        // Ogg FLAC: 9 bytes of mapping header, then fLaC and STREAMINFO.
        _ => match ident.get(9..).and_then(super::flac::stream_info) {
            Some(info) => (Sound::new("flac", info.rate, info.channels), None),
            None => return Ok(None),
        },
    };
    Ok(Some(Heads { serial, sound, measure, start: pos, others }))
}

/// The last page of `serial` that has a time.
pub(crate) fn last_page(b: &mut Bytes, start: u64, serial: u32) -> io::Result<Option<Page>> {
    for reach in [LARGEST_PAGE * 2, LARGEST_PAGE * 32] {
        let mut from = b.len().saturating_sub(reach).max(start);
        let mut last = None;
        while let Some(page) = Page::find(b, from, b.len(), Some(serial))? {
            from = page.pos + 27;
            last = Some(page);
        }
        if last.is_some() {
            return Ok(last);
        }
    }
    Ok(None)
}

impl Ogg {
    /// Opens the stream; the error side gives the sound's name where it is neither Opus nor Vorbis.
    pub(crate) fn open(mut bytes: Bytes) -> Result<Result<Self, Sound>, AudioError> {
        let Some(heads) = heads(&mut bytes)? else {
            return Err(AudioError::damaged("the Ogg headers announce no sound"));
        };
        let Some(measure) = heads.measure.filter(|_| heads.sound.params.is_some()) else {
            let last = last_page(&mut bytes, heads.start, heads.serial)?;
            let frames = last.and_then(|p| u64::try_from(p.granule).ok());
            return Ok(Err(Sound { frames, ..heads.sound }));
        };
        let mut ogg = Self {
            bytes,
            serial: heads.serial,
            sound: heads.sound,
            measure,
            start: heads.start,
            pos: heads.start,
            before: None,
            origin: 0,
            partial: Vec::new(),
            skip_partial: false,
            ready: VecDeque::new(),
        };
        // The first page tells where the stream begins in time; then it is read again.
        ogg.fill()?;
        if let Some(first) = ogg.ready.front() {
            ogg.origin = first.at.saturating_add(ogg.measure.pre_skip()).max(0);
        }
        ogg.rewind();
        let last = last_page(&mut ogg.bytes, ogg.start, ogg.serial)?;
        let end = last.map(|p| p.granule.saturating_sub(ogg.origin + ogg.measure.pre_skip()));
        ogg.sound.frames = end.and_then(|n| u64::try_from(n).ok());
        Ok(Ok(ogg))
    }

    fn rewind(&mut self) {
        self.go(self.start, false);
    }

    fn go(&mut self, pos: u64, skip_partial: bool) {
        (self.pos, self.before, self.skip_partial) = (pos, None, skip_partial);
        self.partial.clear();
        self.ready.clear();
        self.measure.forget();
    }

    /// Reads pages until packets are ready; false at the end.
    fn fill(&mut self) -> Result<bool, AudioError> {
        while self.ready.is_empty() {
            let page = match Page::read(&mut self.bytes, self.pos)? {
                Some(p) => p,
                None => match Page::find(&mut self.bytes, self.pos + 1, u64::MAX, None)? {
                    Some(p) => {
                        // Bytes that are no page were passed over: what is continued behind them has no beginning.
                        self.partial.clear();
                        self.before = None;
                        p
                    }
                    None => return Ok(false),
                },
            };
            self.pos = page.end;
            if page.first && page.pos >= self.start {
                return Ok(false); // another recording is chained behind this one
            }
            if page.serial == self.serial {
                self.take(&page)?;
            }
        }
        Ok(true)
    }

    fn take(&mut self, page: &Page) -> Result<(), AudioError> {
        let mut drop_first = std::mem::take(&mut self.skip_partial) && page.continued;
        if !page.continued {
            self.partial.clear();
        }
        let (mut units, mut sum) = (Vec::new(), 0i64);
        let cut_short = page.end > self.bytes.len();
        for (at, len, ends) in page.pieces() {
            if !drop_first {
                let piece = self.bytes.at(at, len)?;
                if piece.len() < len {
                    break;
                }
                if self.partial.len() + piece.len() > LARGEST_HEADER {
                    return Err(AudioError::damaged("a packet is larger than any real one"));
                }
                self.partial.extend_from_slice(piece);
            }
            if !ends {
                continue;
            }
            if std::mem::take(&mut drop_first) {
                continue;
            }
            let data: Box<[u8]> = std::mem::take(&mut self.partial).into();
            let frames = self.measure.frames(&data);
            units.push(Unit { at: sum, frames, data });
            sum += i64::from(frames);
        }
        if units.is_empty() {
            return Ok(());
        }
        // A page's time is its end's. Only the last page may be shorter than its packets: it cuts the padding.
        let from_end = page.granule.saturating_sub(sum);
        let first = match self.before {
            Some(before) if page.last || cut_short || (from_end - before).abs() < 3 => before,
            None if page.last || cut_short => from_end.max(0),
            _ => from_end,
        };
        let shift = first.saturating_sub(self.origin + self.measure.pre_skip());
        self.ready.extend(units.into_iter().map(|u| Unit { at: u.at.saturating_add(shift), ..u }));
        self.before = (page.granule >= 0).then_some(page.granule);
        Ok(())
    }
}

impl Demux for Ogg {
    fn sound(&self) -> &Sound {
        &self.sound
    }

    fn next(&mut self) -> Result<Option<Unit>, AudioError> {
        self.fill()?;
        Ok(self.ready.pop_front())
    }

    fn seek(&mut self, frame: u64) -> Result<(), AudioError> {
        let frame = i64::try_from(frame).unwrap_or(i64::MAX / 2);
        let target = frame.saturating_add(self.origin + self.measure.pre_skip() - self.measure.pre_roll());
        let (serial, bytes) = (self.serial, &mut self.bytes);
        let found = bisect(self.start, bytes.len(), target, |pos| {
            let page = Page::find(bytes, pos, pos.saturating_add(LARGEST_PAGE * 16), Some(serial))?;
            Ok(page.filter(|p| !p.last).map(|p| (p.pos, p.granule)))
        })?;
        // The page found ends before the target; from its own beginning on everything can be placed by its end.
        match found {
            Some((pos, _)) => self.go(pos, true),
            None => self.rewind(),
        }
        Ok(())
    }
}
