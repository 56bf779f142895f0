//! RIFF WAVE, RF64 (EBU Tech 3306) and BW64 (ITU-R BS.2088).

use super::{Demux, Sound, Unit};
use crate::{AudioError, bytes::Bytes, probe::Defect};
use std::io;
use symphonia::core::codecs::audio::well_known::{CODEC_ID_ADPCM_IMA_WAV, CODEC_ID_ADPCM_MS};

/// How one sample is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SampleFormat {
    U8,
    S16,
    S24,
    S32,
    F32,
    F64,
    ALaw,
    MuLaw,
}

impl SampleFormat {
    /// Bytes of one sample.
    pub(crate) fn bytes(self) -> usize {
        match self {
            Self::U8 | Self::ALaw | Self::MuLaw => 1,
            Self::S16 => 2,
            Self::S24 => 3,
            Self::S32 | Self::F32 => 4,
            Self::F64 => 8,
        }
    }
}

/// What the header says, and how far the file bears it out.
#[derive(Debug)]
pub(crate) struct Wav {
    pub codec: String,
    pub pcm: Option<SampleFormat>,
    pub channels: u16,
    pub rate: u32,
    pub byte_rate: u32,
    /// Bytes of one frame (PCM) or block (ADPCM, GSM); at least 1.
    pub block: u64,
    /// Frames in a block; 1 for PCM. None where the format does not tell.
    pub block_frames: Option<u64>,
    pub data_start: u64,
    /// Bytes of sound that the file really holds.
    pub data_len: u64,
    /// Frames by the `fact` chunk.
    pub fact: Option<u64>,
    pub defects: Vec<Defect>,
    pub remarks: Vec<String>,
}

struct Fmt {
    tag: u16,
    channels: u16,
    rate: u32,
    byte_rate: u32,
    align: u16,
    bits: u16,
    samples_per_block: Option<u16>,
}

impl Fmt {
    fn parse(b: &[u8]) -> Option<Self> {
        let u16_at = |i: usize| b.get(i..i + 2).map(|x| u16::from_le_bytes([x[0], x[1]]));
        let u32_at = |i: usize| b.get(i..i + 4).map(|x| u32::from_le_bytes([x[0], x[1], x[2], x[3]]));
        let mut tag = u16_at(0)?;
        if tag == 0xFFFE {
            tag = u16_at(24)?; // WAVE_FORMAT_EXTENSIBLE: the subformat's first two bytes are the old tag
        }
        Some(Self {
            tag,
            channels: u16_at(2)?,
            rate: u32_at(4)?,
            byte_rate: u32_at(8)?,
            align: u16_at(12)?,
            bits: u16_at(14).unwrap_or(0),
            samples_per_block: u16_at(18),
        })
    }
}

impl Wav {
    /// Reads the header. The outer result is the system's, the inner says what is wrong with the header.
    pub(crate) fn parse(b: &mut Bytes) -> io::Result<Result<Self, Defect>> {
        let (mut fmt, mut fact, mut ds64_data) = (None, None, None);
        let riff = u64::from(u32_le(b, 4)?.unwrap_or(0));
        let mut riff_end = (riff != 0 && riff != u64::from(u32::MAX)).then_some(8 + riff);
        let mut pos = 12;
        loop {
            let (Some(id), Some(size)) = (b.array::<4>(pos)?, u32_le(b, pos + 4)?) else {
                let says =
                    riff_end.map_or_else(|| "a data chunk".to_owned(), |e| format!("{e} bytes with a data chunk"));
                return Ok(Err(Defect::truncated(says, format!("{} bytes, ending before any sound", b.len()))));
            };
            let body = pos + 8;
            match &id {
                b"ds64" => {
                    riff_end = u64_le(b, body)?.filter(|n| *n != 0).map(|n| n.saturating_add(8));
                    ds64_data = u64_le(b, body + 8)?.filter(|n| *n != 0);
                }
                b"fmt " => fmt = Fmt::parse(b.at(body, 40.min(size as usize))?),
                b"fact" => fact = u32_le(b, body)?.map(u64::from).filter(|n| *n != 0 && *n != u64::from(u32::MAX)),
                b"data" => {
                    let Some(fmt) = fmt else {
                        return Ok(Err(Defect::malformed("the WAVE header has no format before its sound")));
                    };
                    return Self::with_data(b, fmt, fact, body, size, ds64_data, riff_end).map(Ok);
                }
                _ => {}
            }
            // Chunks are padded to even lengths; every step goes on by at least the chunk's own header.
            pos = body.saturating_add(u64::from(size)).saturating_add(u64::from(size & 1));
        }
    }

    fn with_data(
        b: &mut Bytes,
        fmt: Fmt,
        fact: Option<u64>,
        start: u64,
        size: u32,
        ds64: Option<u64>,
        riff_end: Option<u64>,
    ) -> io::Result<Self> {
        let rest = b.len().saturating_sub(start);
        let (mut defects, mut remarks) = (Vec::new(), Vec::new());
        let data_len = match (size, ds64) {
            (u32::MAX, Some(n)) => n,
            // A recorder that streams can't go back to write the length: the sound then reaches to the file's end.
            (u32::MAX, None) => rest,
            (0, _) if rest > 0 && riff_end.is_none_or(|e| e <= start || e > b.len()) => rest,
            (n, _) => u64::from(n),
        };
        if (size == 0 || size == u32::MAX) && ds64.is_none() && data_len > 0 {
            remarks.push("the header does not tell the length; it was taken from the file's size".into());
        }
        if data_len > rest {
            defects.push(Defect::truncated(format!("{data_len} bytes of sound"), format!("{rest} bytes of sound")));
        } else if let Some(end) = riff_end.filter(|e| *e > b.len() + 8) {
            // Within 8 bytes it is the common mistake of counting the RIFF header itself.
            defects.push(Defect::truncated(format!("{end} bytes in all"), format!("{} bytes in all", b.len())));
        }
        let mut wav = Self {
            codec: String::new(),
            pcm: None,
            channels: fmt.channels,
            rate: fmt.rate,
            byte_rate: fmt.byte_rate,
            block: u64::from(fmt.align.max(1)),
            block_frames: None,
            data_start: start,
            data_len: data_len.min(rest),
            fact,
            defects,
            remarks,
        };
        wav.name(&fmt);
        if wav.channels == 0 || wav.rate == 0 {
            wav.defects.push(Defect::malformed("the WAVE header gives no channels or no sample rate"));
        } else if wav.data_len == 0 && wav.defects.is_empty() {
            wav.defects.push(Defect::Empty);
        }
        Ok(wav)
    }

    fn name(&mut self, fmt: &Fmt) {
        let channels = u64::from(fmt.channels.max(1));
        let width = self.block / channels;
        let (name, pcm, block_frames) = match fmt.tag {
            0x0001 => match width {
                1 => ("pcm_u8", Some(SampleFormat::U8), Some(1)),
                2 => ("pcm_s16le", Some(SampleFormat::S16), Some(1)),
                3 => ("pcm_s24le", Some(SampleFormat::S24), Some(1)),
                4 => ("pcm_s32le", Some(SampleFormat::S32), Some(1)),
                _ => ("pcm", None, Some(1)),
            },
            0x0003 => match width {
                4 => ("pcm_f32le", Some(SampleFormat::F32), Some(1)),
                8 => ("pcm_f64le", Some(SampleFormat::F64), Some(1)),
                _ => ("pcm_float", None, Some(1)),
            },
            0x0006 => ("alaw", Some(SampleFormat::ALaw), Some(1)),
            0x0007 => ("mulaw", Some(SampleFormat::MuLaw), Some(1)),
            // 4 bits a sample after a header for each channel (Microsoft, "Multimedia Data Standards Update", 1994).
            0x0002 if fmt.bits == 4 => ("adpcm_ms", None, ms_frames(self.block, channels)),
            0x0011 if fmt.bits == 4 => ("adpcm_ima", None, ima_frames(self.block, channels)),
            0x0002 => ("adpcm_ms", None, None),
            0x0011 => ("adpcm_ima", None, None),
            0x0031 => ("gsm610", None, Some(fmt.samples_per_block.map_or(320, u64::from).clamp(1, 320))),
            0x0014 | 0x0040 => ("g721", None, None),
            0x0042 => ("g723_1", None, None),
            0x0045 | 0x0064 => ("g726", None, None),
            0x0065 | 0x028F => ("g722", None, None),
            0x0083 | 0x133 => ("g729", None, None),
            0x0055 => ("mp3", None, None),
            0x0050 => ("mp2", None, None),
            0x00FF | 0x1600 | 0x706D => ("aac", None, None),
            0x0022 => ("truespeech", None, None),
            0xA109 => ("speex", None, None),
            _ => ("", None, None),
        };
        self.codec = if name.is_empty() { format!("wav_0x{:04x}", fmt.tag) } else { name.to_owned() };
        (self.pcm, self.block_frames) = (pcm, block_frames);
        if matches!(self.pcm, Some(SampleFormat::ALaw | SampleFormat::MuLaw)) {
            self.block = channels; // some recorders write the block length of another codec
        }
    }

    /// Frames in the sound that is there, by arithmetic where the codec allows it, by the header's byte rate otherwise.
    pub(crate) fn frames(&self) -> Option<u64> {
        let Some(per_block) = self.block_frames else {
            let ms = self.duration_by_byte_rate_ms()?;
            return Some(ms * u64::from(self.rate) / 1000);
        };
        let whole = (self.data_len / self.block).saturating_mul(per_block);
        // The `fact` chunk knows how much of the last block is padding.
        let fact = self.fact.filter(|f| per_block > 1 && *f <= whole && whole - *f < per_block);
        Some(fact.unwrap_or(whole))
    }

    pub(crate) fn duration_by_byte_rate_ms(&self) -> Option<u64> {
        self.data_len.saturating_mul(1000).checked_div(u64::from(self.byte_rate))
    }

    pub(crate) fn sound(&self) -> Sound {
        let mut sound = Sound::new(self.codec.clone(), self.rate, self.channels);
        sound.frames = self.frames();
        sound
    }
}

fn ms_frames(block: u64, channels: u64) -> Option<u64> {
    Some(block.checked_sub(7 * channels)? * 2 / channels + 2)
}

fn ima_frames(block: u64, channels: u64) -> Option<u64> {
    Some(block.checked_sub(4 * channels)? * 2 / channels + 1)
}

fn u32_le(b: &mut Bytes, pos: u64) -> io::Result<Option<u32>> {
    Ok(b.array(pos)?.map(u32::from_le_bytes))
}

fn u64_le(b: &mut Bytes, pos: u64) -> io::Result<Option<u64>> {
    Ok(b.array(pos)?.map(u64::from_le_bytes))
}

/// IMA and Microsoft ADPCM: every block stands alone, so a seek is arithmetic.
pub(crate) struct Adpcm {
    bytes: Bytes,
    sound: Sound,
    start: u64,
    block: u64,
    block_frames: u64,
    blocks: u64,
    next: u64,
}

impl Adpcm {
    /// Blocks handed to the decoder at once.
    const AT_ONCE: u64 = 8;

    pub(crate) fn new(bytes: Bytes, wav: &Wav) -> Option<Self> {
        let id = match wav.codec.as_str() {
            "adpcm_ima" => CODEC_ID_ADPCM_IMA_WAV,
            "adpcm_ms" => CODEC_ID_ADPCM_MS,
            _ => return None,
        };
        let block_frames = wav.block_frames.filter(|_| (1..=2).contains(&wav.channels))?;
        let mut sound = wav.sound().decodable(id, None);
        if let Some(p) = sound.params.as_mut() {
            p.with_frames_per_block(block_frames).with_max_frames_per_packet(block_frames * Self::AT_ONCE);
        }
        let blocks = wav.data_len / wav.block;
        Some(Self { bytes, sound, start: wav.data_start, block: wav.block, block_frames, blocks, next: 0 })
    }
}

impl Demux for Adpcm {
    fn sound(&self) -> &Sound {
        &self.sound
    }

    fn next(&mut self) -> Result<Option<Unit>, AudioError> {
        let n = Self::AT_ONCE.min(self.blocks - self.next);
        if n == 0 {
            return Ok(None);
        }
        let data: Box<[u8]> = self.bytes.at(self.start + self.next * self.block, (n * self.block) as usize)?.into();
        let at = (self.next * self.block_frames) as i64;
        self.next += n;
        Ok(Some(Unit { at, frames: (n * self.block_frames) as u32, data }))
    }

    fn seek(&mut self, frame: u64) -> Result<(), AudioError> {
        self.next = (frame / self.block_frames).min(self.blocks);
        Ok(())
    }
}
