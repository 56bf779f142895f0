//! Samples of MP4 / M4A files in order, out of the tables of `moov` or, in fragmented files, out of each `moof`. The tables
//! are read where they lie in the file, so that twelve hours of them take no more memory than a minute's.

use super::{
    Demux, Sound, Unit,
    mp4_boxes::{AacConfig, Defaults, Movie, Mp4Box, Table, Track, movie},
    opus,
};
use crate::{AudioError, bytes::Bytes};
use std::{collections::VecDeque, io};
use symphonia::core::codecs::audio::well_known::{CODEC_ID_AAC, CODEC_ID_MP3};

/// One sample (in the format's sense: one coded packet).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sample {
    pub offset: u64,
    pub size: u32,
    /// In the track's time scale.
    pub time: u64,
    pub duration: u32,
}

/// Top-level boxes: the movie and what is missing.
pub(crate) struct Layout {
    pub movie: Option<Movie>,
    /// A box that says it ends behind the file's end: its kind and where it would end.
    pub overrun: Option<([u8; 4], u64)>,
    pub first_fragment: Option<u64>,
    pub last_fragment: Option<u64>,
    pub brand: [u8; 4],
}

/// Walks the top-level boxes.
pub(crate) fn layout(b: &mut Bytes) -> io::Result<Layout> {
    let mut found = Layout { movie: None, overrun: None, first_fragment: None, last_fragment: None, brand: *b"    " };
    let (mut pos, len) = (0, b.len());
    while pos < len {
        let Some(bx) = Mp4Box::read(b, pos, len)? else {
            found.overrun.get_or_insert((*b"????", len + 1));
            break;
        };
        match &bx.kind {
            b"ftyp" | b"styp" => found.brand = b.array(bx.data)?.unwrap_or(found.brand),
            b"moov" if found.movie.is_none() && bx.end <= len => found.movie = Some(movie(b, &bx)?),
            b"moof" => {
                found.first_fragment.get_or_insert(pos);
                found.last_fragment = Some(pos);
            }
            _ => {}
        }
        if bx.end > len {
            found.overrun.get_or_insert((bx.kind, bx.end));
        }
        pos = bx.end;
    }
    Ok(found)
}

/// Samples out of `moov`'s tables.
struct Tables {
    track: Track,
    times: Bytes,
    chunks: Bytes,
    offsets: Bytes,
    sizes: Bytes,
    index: u32,
    time: u64,
    stts: (u32, u32, u32),
    stsc: u32,
    per_chunk: u32,
    chunk: u32,
    left: u32,
    offset: u64,
}

impl Tables {
    fn new(bytes: &Bytes, track: Track) -> Self {
        let small = || bytes.window(8 << 10);
        Self {
            track,
            times: small(),
            chunks: small(),
            offsets: small(),
            sizes: small(),
            index: 0,
            time: 0,
            stts: (0, 0, 0),
            stsc: 0,
            per_chunk: 0,
            chunk: 0,
            left: 0,
            offset: 0,
        }
    }

    fn pair(b: &mut Bytes, table: Table, index: u32, width: u64) -> io::Result<Option<(u32, u32)>> {
        if index >= table.count {
            return Ok(None);
        }
        let v = b.array::<8>(table.pos + u64::from(index) * width)?;
        Ok(v.map(|v| (u32::from_be_bytes([v[0], v[1], v[2], v[3]]), u32::from_be_bytes([v[4], v[5], v[6], v[7]]))))
    }

    fn size(&mut self, index: u32) -> io::Result<Option<u32>> {
        if self.track.sample_size != 0 {
            return Ok((index < self.track.stsz.count).then_some(self.track.sample_size));
        }
        if index >= self.track.stsz.count {
            return Ok(None);
        }
        self.sizes.u32_be(self.track.stsz.pos + u64::from(index) * 4)
    }

    fn chunk_offset(&mut self, chunk: u32) -> io::Result<Option<u64>> {
        let table = self.track.offsets;
        if chunk >= table.count {
            return Ok(None);
        }
        if self.track.wide_offsets {
            return self.offsets.u64_be(table.pos + u64::from(chunk) * 8);
        }
        Ok(self.offsets.u32_be(table.pos + u64::from(chunk) * 4)?.map(u64::from))
    }

    /// Duration of the sample at `index`; must be asked in order.
    fn duration(&mut self) -> io::Result<u32> {
        while self.stts.1 == 0 {
            match Self::pair(&mut self.times, self.track.stts, self.stts.0, 8)? {
                Some((count, delta)) => self.stts = (self.stts.0 + 1, count, delta),
                None => return Ok(self.stts.2),
            }
        }
        self.stts.1 -= 1;
        Ok(self.stts.2)
    }

    /// Goes to the next chunk; false at the end.
    fn next_chunk(&mut self) -> io::Result<bool> {
        loop {
            let next = self.stsc + u32::from(self.per_chunk != 0);
            match Self::pair(&mut self.chunks, self.track.stsc, next, 12)? {
                Some((first, per)) if first <= self.chunk + 1 => {
                    if per == 0 {
                        return Ok(false);
                    }
                    (self.stsc, self.per_chunk) = (next, per);
                }
                _ => break,
            }
        }
        let Some(offset) = self.chunk_offset(self.chunk)? else { return Ok(false) };
        self.chunk += 1;
        (self.offset, self.left) = (offset, self.per_chunk);
        Ok(self.per_chunk > 0)
    }

    fn next(&mut self) -> io::Result<Option<Sample>> {
        if self.left == 0 && !self.next_chunk()? {
            return Ok(None);
        }
        let Some(size) = self.size(self.index)? else { return Ok(None) };
        let duration = self.duration()?;
        let sample = Sample { offset: self.offset, size, time: self.time, duration };
        self.offset = self.offset.saturating_add(u64::from(size));
        self.time = self.time.saturating_add(u64::from(duration));
        (self.index, self.left) = (self.index + 1, self.left - 1);
        Ok(Some(sample))
    }

    /// Goes to the sample that holds `time`, by runs of equal entries rather than by samples.
    fn seek(&mut self, time: u64) -> io::Result<()> {
        let (mut index, mut at, mut entry, mut rest) = (0u64, 0u64, 0, (0, 0));
        while let Some((count, delta)) = Self::pair(&mut self.times, self.track.stts, entry, 8)? {
            entry += 1;
            let span = u64::from(count) * u64::from(delta);
            if time < at.saturating_add(span) && delta > 0 {
                let into = (time - at) / u64::from(delta);
                (index, at) = (index + into, at + into * u64::from(delta));
                rest = (count - into as u32, delta);
                break;
            }
            (index, at, rest) = (index + u64::from(count), at.saturating_add(span), (0, delta));
        }
        (self.stts, self.time) = ((entry, rest.0, rest.1), at);
        self.index = u32::try_from(index).unwrap_or(u32::MAX);
        self.enter_chunk_of(index)
    }

    fn enter_chunk_of(&mut self, index: u64) -> io::Result<()> {
        (self.stsc, self.per_chunk, self.chunk, self.left, self.offset) = (0, 0, 0, 0, 0);
        let (mut before, mut entry) = (0u64, 0);
        while let Some((first, per)) = Self::pair(&mut self.chunks, self.track.stsc, entry, 12)? {
            let next = Self::pair(&mut self.chunks, self.track.stsc, entry + 1, 12)?.map(|n| n.0);
            let end = next.unwrap_or(self.track.offsets.count.saturating_add(1));
            let here = u64::from(end.saturating_sub(first)) * u64::from(per);
            if per > 0 && (index < before + here || next.is_none()) {
                let into = index - before;
                let chunk = u64::from(first.saturating_sub(1)) + into / u64::from(per);
                (self.stsc, self.per_chunk) = (entry, per);
                self.chunk = u32::try_from(chunk).unwrap_or(u32::MAX - 1);
                if !self.next_chunk()? {
                    self.left = 0;
                    return Ok(());
                }
                let skip = (into % u64::from(per)) as u32;
                for i in 0..skip.min(self.left) {
                    let size = self.size(self.index.saturating_sub(skip - i))?.unwrap_or(0);
                    self.offset = self.offset.saturating_add(u64::from(size));
                }
                self.left = self.left.saturating_sub(skip);
                return Ok(());
            }
            (before, entry) = (before + here, entry + 1);
        }
        Ok(())
    }
}

/// Samples out of `moof` boxes.
struct Fragments {
    bytes: Bytes,
    track: u32,
    defaults: Defaults,
    start: u64,
    pos: u64,
    time: u64,
    ready: VecDeque<Sample>,
}

impl Fragments {
    /// Samples of one fragment that are believed; a box can't hold more, but a `trun` without fields needs no bytes.
    const MOST: usize = 200_000;

    fn fill(&mut self) -> io::Result<bool> {
        let len = self.bytes.len();
        while self.ready.is_empty() {
            let Some(bx) = Mp4Box::read(&mut self.bytes, self.pos, len)?.filter(|_| self.pos < len) else {
                return Ok(false);
            };
            self.pos = bx.end;
            if &bx.kind == b"moof" {
                for traf in bx.children(&mut self.bytes)?.iter().filter(|c| &c.kind == b"traf") {
                    self.fragment(&bx, traf)?;
                }
            }
        }
        Ok(true)
    }

    fn fragment(&mut self, moof: &Mp4Box, traf: &Mp4Box) -> io::Result<()> {
        let (mut base, mut mine, mut defaults) = (moof.pos, false, self.defaults);
        let mut place = moof.pos;
        for bx in traf.children(&mut self.bytes)? {
            let flags = self.bytes.u32_be(bx.data)?.unwrap_or(0);
            let b = &mut self.bytes;
            match &bx.kind {
                b"tfhd" => {
                    mine = b.u32_be(bx.data + 4)? == Some(self.track);
                    let mut at = bx.data + 8;
                    if flags & 1 != 0 {
                        base = b.u64_be(at)?.unwrap_or(base);
                        at += 8;
                    }
                    at += if flags & 2 != 0 { 4 } else { 0 };
                    if flags & 8 != 0 {
                        defaults.duration = b.u32_be(at)?.unwrap_or(0);
                        at += 4;
                    }
                    if flags & 16 != 0 {
                        defaults.size = b.u32_be(at)?.unwrap_or(0);
                    }
                    place = base;
                }
                b"tfdt" if mine => {
                    let time =
                        if flags >> 24 == 1 { b.u64_be(bx.data + 4)? } else { b.u32_be(bx.data + 4)?.map(u64::from) };
                    self.time = time.unwrap_or(self.time);
                }
                b"trun" if mine => place = self.run(&bx, flags, base, place, defaults)?,
                _ => {}
            }
        }
        Ok(())
    }

    fn run(&mut self, bx: &Mp4Box, flags: u32, base: u64, mut place: u64, d: Defaults) -> io::Result<u64> {
        let b = &mut self.bytes;
        let count = b.u32_be(bx.data + 4)?.unwrap_or(0);
        let mut at = bx.data + 8;
        if flags & 1 != 0 {
            let offset = b.u32_be(at)?.unwrap_or(0) as i32;
            place = base.saturating_add_signed(i64::from(offset));
            at += 4;
        }
        at += if flags & 4 != 0 { 4 } else { 0 };
        for _ in 0..count {
            if self.ready.len() >= Self::MOST
                || (at >= bx.end && flags & 0xF00 != 0)
                || (flags & 0x200 == 0 && d.size == 0)
            {
                break;
            }
            let (mut duration, mut size) = (d.duration, d.size);
            if flags & 0x100 != 0 {
                duration = b.u32_be(at)?.unwrap_or(0);
                at += 4;
            }
            if flags & 0x200 != 0 {
                size = b.u32_be(at)?.unwrap_or(0);
                at += 4;
            }
            at += if flags & 0x400 != 0 { 4 } else { 0 } + if flags & 0x800 != 0 { 4 } else { 0 };
            self.ready.push_back(Sample { offset: place, size, time: self.time, duration });
            place = place.saturating_add(u64::from(size));
            self.time = self.time.saturating_add(u64::from(duration));
        }
        Ok(place)
    }

    fn next(&mut self) -> io::Result<Option<Sample>> {
        self.fill()?;
        Ok(self.ready.pop_front())
    }

    fn seek(&mut self, time: u64) -> io::Result<()> {
        if time < self.time {
            (self.pos, self.time) = (self.start, 0);
        }
        self.ready.clear();
        while self.fill()? && self.time <= time {
            self.ready.clear();
        }
        while self.ready.front().is_some_and(|s| s.time + u64::from(s.duration) <= time) {
            self.ready.pop_front();
        }
        Ok(())
    }
}

enum Source {
    Tables(Box<Tables>),
    Fragments(Box<Fragments>),
}

/// All samples of one track in order, as long as they do not add up to more bytes than the file has: a few hostile table
/// entries could otherwise promise samples without end.
pub(crate) struct Samples {
    source: Source,
    room: u64,
    len: u64,
}

impl Samples {
    pub(crate) fn new(bytes: &Bytes, movie: &Movie, track: &Track, first_fragment: Option<u64>) -> Self {
        let in_tables = track.stsz.count > 0;
        let source = match first_fragment.filter(|_| movie.fragmented && !in_tables) {
            Some(start) => {
                let defaults = movie.defaults.iter().copied().find(|d| d.track == track.id).unwrap_or_default();
                let bytes = bytes.window(8 << 10);
                let ready = VecDeque::new();
                Source::Fragments(Box::new(Fragments {
                    bytes,
                    track: track.id,
                    defaults,
                    start,
                    pos: start,
                    time: 0,
                    ready,
                }))
            }
            None => Source::Tables(Box::new(Tables::new(bytes, track.clone()))),
        };
        Self { source, room: bytes.len(), len: bytes.len() }
    }

    pub(crate) fn next(&mut self) -> io::Result<Option<Sample>> {
        let sample = match &mut self.source {
            Source::Tables(t) => t.next(),
            Source::Fragments(f) => f.next(),
        }?;
        let Some(sample) = sample else { return Ok(None) };
        let Some(room) = self.room.checked_sub(u64::from(sample.size)) else { return Ok(None) };
        self.room = room;
        Ok(Some(sample))
    }

    fn seek(&mut self, time: u64) -> io::Result<()> {
        self.room = self.len;
        match &mut self.source {
            Source::Tables(t) => t.seek(time),
            Source::Fragments(f) => f.seek(time),
        }
    }
}

/// What an edit list does to a track, where it is the simple kind that trims priming and padding.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Trim {
    /// Track time at which the sound begins.
    pub start: u64,
    /// Silence before it, in the movie's time scale.
    pub delay: u64,
    /// Length as heard, in the movie's time scale; 0 where it is not told.
    pub length: u64,
}

/// The track's trim; none where the edit list is of a kind that is not followed here.
pub(crate) fn trim(track: &Track) -> Option<Trim> {
    let delay = track.edits.iter().take_while(|e| e.media_time < 0).map(|e| e.duration).fold(0u64, u64::saturating_add);
    let real: Vec<_> = track.edits.iter().filter(|e| e.media_time >= 0).collect();
    match real.as_slice() {
        [] => Some(Trim { delay, ..Trim::default() }),
        [one] => Some(Trim { start: one.media_time as u64, delay, length: one.duration }),
        _ => None,
    }
}

/// `value` in units of `from` a second, as units of `to` a second.
pub(crate) fn rescale(value: u64, from: u32, to: u32) -> u64 {
    let scaled = u128::from(value) * u128::from(to) / u128::from(from.max(1));
    u64::try_from(scaled).unwrap_or(u64::MAX >> 2)
}

/// The sound that a sample description promises.
pub(crate) fn sound(track: &Track) -> (Sound, Option<AacConfig>) {
    let e = &track.entry;
    let plain = |name: &str| Sound::new(name, e.rate, e.channels.max(1));
    match (&e.kind, e.object) {
        (b"mp4a", 0x40 | 0x66..=0x68) | (b"mp4a", 0) => {
            let Some(aac) = AacConfig::parse(&e.config) else { return (plain("aac"), None) };
            let channels = if aac.channels == 0 { e.channels.max(1) } else { aac.channels };
            let sound = Sound::new("aac", aac.rate, channels);
            let sound = match aac.core() {
                Some(core) => sound.decodable(CODEC_ID_AAC, Some(core.into())),
                None => sound,
            };
            (sound, Some(aac))
        }
        (b"mp4a", 0x69 | 0x6B) => (plain("mp3").decodable(CODEC_ID_MP3, None), None),
        (b"Opus", _) => {
            // dOps is OpusHead without its magic and with big-endian numbers; only the channel count is needed.
            let channels = e.config.get(1).map_or(e.channels, |c| u16::from(*c)).max(1);
            let sound = Sound::new("opus", opus::RATE, channels);
            let id = symphonia::core::codecs::audio::well_known::CODEC_ID_OPUS;
            (if channels <= 2 { sound.decodable(id, None) } else { sound }, None)
        }
        (kind, _) => {
            let name = match kind {
                b"alac" => "alac".to_owned(),
                b"samr" => "amr_nb".into(),
                b"sawb" => "amr_wb".into(),
                b"fLaC" => "flac".into(),
                b"ac-3" => "ac3".into(),
                other => String::from_utf8_lossy(other).trim().to_ascii_lowercase(),
            };
            (plain(&name), None)
        }
    }
}

/// The sound track of an MP4 file.
pub(crate) struct Mp4 {
    bytes: Bytes,
    sound: Sound,
    /// Set where the coded sound holds more than its core.
    pub aac: Option<AacConfig>,
    samples: Samples,
    timescale: u32,
    trim: Trim,
    delay: u64,
}

impl Mp4 {
    /// Opens the first sound track; none where there is none.
    pub(crate) fn open(mut bytes: Bytes) -> Result<Option<Self>, AudioError> {
        let layout = layout(&mut bytes)?;
        let Some(movie) = layout.movie else {
            return Err(AudioError::damaged("the MP4 file's table of contents (moov) is missing"));
        };
        let Some(track) = movie.tracks.iter().find(|t| &t.handler == b"soun" && t.timescale > 0) else {
            return Ok(None);
        };
        let (mut sound, aac) = sound(track);
        let trim = trim(track).unwrap_or_default();
        let delay = rescale(trim.delay, movie.timescale, sound.rate);
        let mut whole = track.duration;
        if let Some(pos) = layout.last_fragment.filter(|_| whole == 0) {
            // A fragmented file's head does not tell its length; its last fragment does.
            let mut last = Samples::new(&bytes, &movie, track, Some(pos));
            while let Some(s) = last.next()? {
                whole = whole.max(s.time.saturating_add(u64::from(s.duration)));
            }
        }
        let whole = rescale(whole, track.timescale, sound.rate);
        let length = match trim.length {
            0 => whole.saturating_sub(rescale(trim.start, track.timescale, sound.rate)),
            n => rescale(n, movie.timescale, sound.rate),
        };
        sound.frames = (length > 0).then(|| length.saturating_add(delay));
        let samples = Samples::new(&bytes, &movie, track, layout.first_fragment);
        Ok(Some(Self { timescale: track.timescale, bytes, sound, aac, samples, trim, delay }))
    }
}

impl Demux for Mp4 {
    fn sound(&self) -> &Sound {
        &self.sound
    }

    fn next(&mut self) -> Result<Option<Unit>, AudioError> {
        let Some(s) = self.samples.next()? else { return Ok(None) };
        let data: Box<[u8]> = self.bytes.at(s.offset, s.size as usize)?.into();
        if data.len() < s.size as usize {
            return Ok(None); // cut off: nothing behind it can be there either
        }
        let to_frames = |t: u64| i64::try_from(rescale(t, self.timescale, self.sound.rate)).unwrap_or(i64::MAX / 4);
        let delay = i64::try_from(self.delay).unwrap_or(i64::MAX / 4);
        let at = to_frames(s.time) - to_frames(self.trim.start) + delay;
        let frames = rescale(u64::from(s.duration), self.timescale, self.sound.rate);
        Ok(Some(Unit { at, frames: u32::try_from(frames).unwrap_or(0), data }))
    }

    fn seek(&mut self, frame: u64) -> Result<(), AudioError> {
        // One packet earlier fills AAC's overlap; Opus wants 80 ms.
        let pre_roll = if self.sound.codec == "opus" { opus::PRE_ROLL as u64 } else { 2_048 };
        let frame = frame.saturating_sub(self.delay).saturating_sub(pre_roll);
        let time = rescale(frame, self.sound.rate, self.timescale).saturating_add(self.trim.start);
        let time = time.saturating_sub(if frame == 0 { self.trim.start } else { 0 });
        Ok(self.samples.seek(time)?)
    }
}
