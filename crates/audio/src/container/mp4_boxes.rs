//! The boxes of ISO base media files (ISO/IEC 14496-12) that tell what is in one, and AAC's own configuration.

use crate::bytes::Bytes;
use std::io;

/// A box's header.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mp4Box {
    pub kind: [u8; 4],
    pub pos: u64,
    pub data: u64,
    /// By its own header; may lie behind the file's end.
    pub end: u64,
}

impl Mp4Box {
    /// The box at `pos`. A size of 0 reaches to `limit`.
    pub(crate) fn read(b: &mut Bytes, pos: u64, limit: u64) -> io::Result<Option<Self>> {
        let Some(h) = b.array::<8>(pos)? else { return Ok(None) };
        let kind = [h[4], h[5], h[6], h[7]];
        let (size, head) = match u32::from_be_bytes([h[0], h[1], h[2], h[3]]) {
            0 => (limit.saturating_sub(pos), 8),
            1 => match b.u64_be(pos + 8)? {
                Some(n) => (n, 16),
                None => return Ok(None),
            },
            n => (u64::from(n), 8),
        };
        Ok((size >= head).then(|| Self { kind, pos, data: pos + head, end: pos.saturating_add(size) }))
    }

    pub(crate) fn children(&self, b: &mut Bytes) -> io::Result<Vec<Self>> {
        Self::within(b, self.data, self.end)
    }

    pub(crate) fn within(b: &mut Bytes, from: u64, to: u64) -> io::Result<Vec<Self>> {
        let to = to.min(b.len());
        let (mut pos, mut all) = (from, Vec::new());
        while pos < to && all.len() < 4_096 {
            let Some(child) = Self::read(b, pos, to)? else { break };
            pos = child.end;
            all.push(child);
        }
        Ok(all)
    }
}

/// A table in a box: where its entries lie and how many there are.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Table {
    pub pos: u64,
    pub count: u32,
}

impl Table {
    /// The table of a full box with entries of `width` bytes, cut to what the box can hold.
    fn of(b: &mut Bytes, bx: &Mp4Box, skip: u64, width: u64) -> io::Result<Self> {
        let said = b.u32_be(bx.data + 4 + skip)?.unwrap_or(0);
        let pos = bx.data + 8 + skip;
        let room = bx.end.min(b.len()).saturating_sub(pos) / width;
        Ok(Self { pos, count: u32::try_from(room).unwrap_or(u32::MAX).min(said) })
    }
}

/// One track.
#[derive(Debug, Clone, Default)]
pub(crate) struct Track {
    pub id: u32,
    pub handler: [u8; 4],
    pub timescale: u32,
    pub duration: u64,
    pub entry: Entry,
    pub stts: Table,
    pub stsc: Table,
    pub stsz: Table,
    /// One size for all samples; 0 where each has its own.
    pub sample_size: u32,
    pub offsets: Table,
    pub wide_offsets: bool,
    pub edits: Vec<Edit>,
}

/// One entry of an edit list.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Edit {
    /// In the movie's time scale.
    pub duration: u64,
    /// In the track's; negative for an empty stretch.
    pub media_time: i64,
}

/// What the first sample description says.
#[derive(Debug, Clone, Default)]
pub(crate) struct Entry {
    pub kind: [u8; 4],
    pub channels: u16,
    pub rate: u32,
    /// MPEG-4 object type, where there is one.
    pub object: u8,
    pub config: Vec<u8>,
}

/// Defaults of a track's fragments.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Defaults {
    pub track: u32,
    pub duration: u32,
    pub size: u32,
}

/// What `moov` says.
#[derive(Debug, Clone, Default)]
pub(crate) struct Movie {
    pub timescale: u32,
    pub duration: u64,
    pub tracks: Vec<Track>,
    pub fragmented: bool,
    pub defaults: Vec<Defaults>,
}

/// Reads a `moov` box.
pub(crate) fn movie(b: &mut Bytes, moov: &Mp4Box) -> io::Result<Movie> {
    let mut movie = Movie::default();
    for child in moov.children(b)? {
        match &child.kind {
            b"mvhd" => (movie.timescale, movie.duration) = times(b, &child)?,
            b"trak" if movie.tracks.len() < 64 => movie.tracks.push(track(b, &child)?),
            b"mvex" => {
                movie.fragmented = true;
                for trex in child.children(b)?.iter().filter(|c| &c.kind == b"trex").take(64) {
                    if let Some(v) = b.array::<24>(trex.data)? {
                        let n = |i: usize| u32::from_be_bytes([v[i], v[i + 1], v[i + 2], v[i + 3]]);
                        movie.defaults.push(Defaults { track: n(4), duration: n(12), size: n(16) });
                    }
                }
            }
            _ => {}
        }
    }
    Ok(movie)
}

/// Time scale and duration of a `mvhd` or `mdhd`.
fn times(b: &mut Bytes, bx: &Mp4Box) -> io::Result<(u32, u64)> {
    let v = b.at(bx.data, 32)?;
    let n = |i: usize| v.get(i..i + 4).map_or(0, |x| u32::from_be_bytes([x[0], x[1], x[2], x[3]]));
    Ok(if v.first() == Some(&1) {
        (n(20), u64::from(n(24)) << 32 | u64::from(n(28)))
    } else {
        (n(12), if n(16) == u32::MAX { 0 } else { u64::from(n(16)) })
    })
}

fn track(b: &mut Bytes, trak: &Mp4Box) -> io::Result<Track> {
    let mut t = Track::default();
    for child in trak.children(b)? {
        match &child.kind {
            b"tkhd" => {
                let wide = b.at(child.data, 1)?.first() == Some(&1);
                t.id = b.u32_be(child.data + if wide { 20 } else { 12 })?.unwrap_or(0);
            }
            b"edts" => {
                for elst in child.children(b)?.iter().filter(|c| &c.kind == b"elst") {
                    t.edits = edits(b, elst)?;
                }
            }
            b"mdia" => media(b, &child, &mut t)?,
            _ => {}
        }
    }
    Ok(t)
}

fn edits(b: &mut Bytes, elst: &Mp4Box) -> io::Result<Vec<Edit>> {
    let wide = b.at(elst.data, 1)?.first() == Some(&1);
    let table = Table::of(b, elst, 0, if wide { 20 } else { 12 })?;
    let mut edits = Vec::new();
    for i in 0..u64::from(table.count.min(1_024)) {
        let edit = if wide {
            let pos = table.pos + i * 20;
            Edit { duration: b.u64_be(pos)?.unwrap_or(0), media_time: b.u64_be(pos + 8)?.unwrap_or(0) as i64 }
        } else {
            let pos = table.pos + i * 12;
            let media_time = i64::from(b.u32_be(pos + 4)?.unwrap_or(0) as i32);
            Edit { duration: u64::from(b.u32_be(pos)?.unwrap_or(0)), media_time }
        };
        edits.push(edit);
    }
    Ok(edits)
}

fn media(b: &mut Bytes, mdia: &Mp4Box, t: &mut Track) -> io::Result<()> {
    for child in mdia.children(b)? {
        match &child.kind {
            b"mdhd" => (t.timescale, t.duration) = times(b, &child)?,
            b"hdlr" => t.handler = b.array(child.data + 8)?.unwrap_or_default(),
            b"minf" => {
                for stbl in child.children(b)?.iter().filter(|c| &c.kind == b"stbl") {
                    tables(b, stbl, t)?;
                }
            }
            _ => {}
        }
    }
    Ok(())
}

fn tables(b: &mut Bytes, stbl: &Mp4Box, t: &mut Track) -> io::Result<()> {
    for bx in stbl.children(b)? {
        match &bx.kind {
            b"stsd" => t.entry = sample_entry(b, &bx, &t.handler)?,
            b"stts" => t.stts = Table::of(b, &bx, 0, 8)?,
            b"stsc" => t.stsc = Table::of(b, &bx, 0, 12)?,
            b"stsz" => {
                t.sample_size = b.u32_be(bx.data + 4)?.unwrap_or(0);
                t.stsz = if t.sample_size == 0 {
                    Table::of(b, &bx, 4, 4)?
                } else {
                    Table { pos: 0, count: b.u32_be(bx.data + 8)?.unwrap_or(0) }
                };
            }
            b"stco" => t.offsets = Table::of(b, &bx, 0, 4)?,
            b"co64" => (t.offsets, t.wide_offsets) = (Table::of(b, &bx, 0, 8)?, true),
            _ => {}
        }
    }
    Ok(())
}

fn sample_entry(b: &mut Bytes, stsd: &Mp4Box, handler: &[u8; 4]) -> io::Result<Entry> {
    let Some(entry) = Mp4Box::read(b, stsd.data + 8, stsd.end)? else { return Ok(Entry::default()) };
    let mut found = Entry { kind: entry.kind, ..Entry::default() };
    if handler != b"soun" {
        return Ok(found);
    }
    let Some(h) = b.array::<28>(entry.data)? else { return Ok(found) };
    found.channels = u16::from_be_bytes([h[16], h[17]]);
    found.rate = u32::from(u16::from_be_bytes([h[24], h[25]]));
    let version = u16::from_be_bytes([h[8], h[9]]);
    let extra = match version {
        1 => 16,
        2 => 36,
        _ => 0,
    };
    for child in Mp4Box::within(b, entry.data + 28 + extra, entry.end)? {
        match &child.kind {
            b"esds" => esds(b, &child, &mut found)?,
            b"wave" => {
                for inner in child.children(b)?.iter().filter(|c| &c.kind == b"esds") {
                    esds(b, inner, &mut found)?;
                }
            }
            b"dOps" | b"alac" | b"dfLa" => {
                let len = usize::try_from(child.end.saturating_sub(child.data)).unwrap_or(0).min(4_096);
                found.config = b.at(child.data, len)?.to_vec();
            }
            _ => {}
        }
    }
    Ok(found)
}

/// Object type and configuration out of the elementary stream descriptor (ISO/IEC 14496-1 section 7.2.6).
fn esds(b: &mut Bytes, bx: &Mp4Box, entry: &mut Entry) -> io::Result<()> {
    let len = usize::try_from(bx.end.saturating_sub(bx.data)).unwrap_or(0).min(4_096);
    let data = b.at(bx.data, len)?;
    let mut at = 4;
    while let Some((&tag, rest)) = data.get(at..).and_then(<[u8]>::split_first) {
        let bytes = rest.iter().take(4).position(|x| x & 0x80 == 0).map_or(4, |i| i + 1);
        let size = rest.iter().take(bytes).fold(0usize, |n, x| n << 7 | usize::from(x & 0x7F));
        at += 1 + bytes;
        match tag {
            3 => {
                let flags = data.get(at + 2).copied().unwrap_or(0);
                at += 3 + if flags & 0x80 != 0 { 2 } else { 0 } + if flags & 0x20 != 0 { 2 } else { 0 };
                if flags & 0x40 != 0 {
                    at += 1 + usize::from(data.get(at - 1).copied().unwrap_or(0));
                }
            }
            4 => {
                entry.object = data.get(at).copied().unwrap_or(0);
                at += 13;
            }
            5 => {
                entry.config = data.get(at..(at + size).min(data.len())).unwrap_or_default().to_vec();
                return Ok(());
            }
            _ => at += size,
        }
    }
    Ok(())
}

/// AudioSpecificConfig (ISO/IEC 14496-3 section 1.6.2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AacConfig {
    /// Audio object type of the core: 2 is LC.
    pub object: u32,
    /// The core's rate and channels.
    pub rate: u32,
    pub channels: u16,
    /// Spectral band replication: twice the core's rate is heard.
    pub sbr: bool,
    /// Parametric stereo: two channels out of one.
    pub ps: bool,
    pub frame: u32,
}

const AAC_RATES: [u32; 13] =
    [96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000, 7_350];

struct Bits<'a>(&'a [u8], usize);

impl Bits<'_> {
    fn take(&mut self, n: usize) -> Option<u32> {
        let mut v = 0;
        for _ in 0..n {
            let byte = self.0.get(self.1 / 8)?;
            v = v << 1 | u32::from(byte >> (7 - self.1 % 8) & 1);
            self.1 += 1;
        }
        Some(v)
    }

    fn object(&mut self) -> Option<u32> {
        Some(match self.take(5)? {
            31 => 32 + self.take(6)?,
            n => n,
        })
    }

    fn rate(&mut self) -> Option<u32> {
        match self.take(4)? {
            15 => self.take(24),
            i => AAC_RATES.get(i as usize).copied(),
        }
    }
}

impl AacConfig {
    pub(crate) fn parse(config: &[u8]) -> Option<Self> {
        let mut b = Bits(config, 0);
        let mut object = b.object()?;
        let rate = b.rate()?;
        let channels = match b.take(4)? {
            7 => 8,
            n => n as u16,
        };
        let (mut sbr, mut ps) = (object == 5 || object == 29, object == 29);
        if sbr {
            b.rate()?;
            object = b.object()?;
        }
        let short = b.take(1)? == 1;
        if b.take(1)? == 1 {
            b.take(14)?;
        }
        b.take(1)?;
        // Behind the core's configuration the extension may be announced so that old decoders do not see it.
        if !sbr && b.take(11) == Some(0x2B7) && b.object() == Some(5) && b.take(1) == Some(1) {
            sbr = true;
            b.rate();
            ps = b.take(11) == Some(0x548) && b.take(1) == Some(1);
        }
        (rate > 0).then_some(Self { object, rate, channels, sbr, ps, frame: if short { 960 } else { 1_024 } })
    }

    /// A plain LC configuration of the core, which is what symphonia takes.
    pub(crate) fn core(&self) -> Option<[u8; 2]> {
        let index = AAC_RATES.iter().position(|r| *r == self.rate)? as u8;
        let fits = self.object == 2 && self.frame == 1_024 && (1..=2).contains(&self.channels);
        fits.then_some([2 << 3 | index >> 1, (index & 1) << 7 | (self.channels as u8) << 3])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn high_efficiency_is_seen_however_it_is_announced() {
        let of = |b: &[u8]| AacConfig::parse(b).map(|c| (c.object, c.rate, c.channels, c.sbr, c.ps));
        assert_eq!(of(&[0x12, 0x10]), Some((2, 44_100, 2, false, false))); // LC
        assert_eq!(of(&[0x2B, 0x92, 0x08, 0x00]), Some((2, 22_050, 2, true, false))); // HE, explicit
        assert_eq!(of(&[0xEB, 0x8A, 0x08, 0x00]), Some((2, 22_050, 1, true, true))); // HE v2, explicit
        assert_eq!(of(&[0x13, 0x90, 0x56, 0xE5, 0xA0]), Some((2, 22_050, 2, true, false))); // HE, hidden behind LC
        assert_eq!(of(&[0x13, 0x88, 0x56, 0xE5, 0xA5, 0x48, 0x80]), Some((2, 22_050, 1, true, true)));
        assert_eq!(of(&[0x12]), None);
        assert_eq!(AacConfig::parse(&[0x12, 0x10]).and_then(|c| c.core()), Some([0x12, 0x10]));
    }
}
