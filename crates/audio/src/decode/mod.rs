//! Sound out of a recording, block by block.

mod codec;
mod ffmpeg;
mod pcm;

pub use ffmpeg::find_ffmpeg;

use crate::{
    AudioError,
    bytes::Bytes,
    container::{Container, Demux, Sound, flac::Flac, mp3::Mp3, mp4::Mp4, ogg::Ogg, recognise, wav, webm::Webm},
};
use codec::CodecStream;
use ffmpeg::FfmpegStream;
use pcm::PcmStream;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// What a decoder delivers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spec {
    /// The codec's name as in a probe.
    pub codec: String,
    /// Frames a second.
    pub sample_rate_hz: u32,
    /// Samples in a frame.
    pub channels: u16,
    /// Frames in all, as the recording's structure tells them; none where only decoding to the end would tell.
    pub frames: Option<u64>,
}

impl Spec {
    /// Length in milliseconds, where it is known.
    #[must_use]
    pub fn duration_ms(&self) -> Option<u64> {
        self.frames.map(|n| crate::container::mp4::rescale(n, self.sample_rate_hz, 1_000))
    }

    fn of(sound: &Sound) -> Self {
        let Sound { codec, rate, channels, frames, .. } = sound.clone();
        Self { codec, sample_rate_hz: rate, channels, frames }
    }

    fn frame_at(&self, ms: u64) -> u64 {
        crate::container::mp4::rescale(ms, 1_000, self.sample_rate_hz)
    }
}

/// Which decoder does the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DecoderKind {
    /// PCM, A-law and mu-law: done here.
    Pcm,
    /// symphonia.
    Symphonia,
    /// libopus, through symphonia.
    Libopus,
    /// An `ffmpeg` process.
    Ffmpeg,
}

enum Source {
    Pcm(PcmStream),
    Codec(Box<CodecStream>),
    Ffmpeg(Box<FfmpegStream>),
}

/// Streams a recording as interleaved samples between -1 and 1. Memory does not grow with the recording. Priming and padding
/// that the container tells of are cut, so that frame 0 is the first that is meant to be heard.
pub struct Decoder {
    source: Source,
    spec: Spec,
    remarks: Vec<String>,
}

impl std::fmt::Debug for Decoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Decoder").field("kind", &self.kind()).field("spec", &self.spec).finish_non_exhaustive()
    }
}

/// What was found: something decoded here, or something for ffmpeg (with ffmpeg's name of the container).
enum Opened {
    Here(Source, Sound),
    Foreign { sound: Sound, format: &'static str, core: Option<Box<dyn Demux>> },
}

impl Decoder {
    /// Opens the recording at `path`, with the `ffmpeg` on the search path for what needs it.
    ///
    /// # Errors
    /// [`AudioError::NoSound`], [`AudioError::NeedsFfmpeg`], [`AudioError::Damaged`] where not even the head can be read,
    /// [`AudioError::Io`].
    pub fn open(path: &Path) -> Result<Self, AudioError> {
        Self::open_with(path, find_ffmpeg().as_deref())
    }

    /// Like [`Decoder::open`] with the `ffmpeg` given, or with none at all.
    ///
    /// # Errors
    /// As [`Decoder::open`].
    pub fn open_with(path: &Path, ffmpeg: Option<&Path>) -> Result<Self, AudioError> {
        let mut bytes = Bytes::open(path)?;
        let Some(container) = recognise(&mut bytes)? else {
            return Err(AudioError::NoSound { found: "no known sound format".into() });
        };
        let mut remarks = Vec::new();
        let (source, sound) = match open(bytes, container)? {
            Opened::Here(source, sound) => (source, sound),
            Opened::Foreign { mut sound, format, core } => match (ffmpeg, core) {
                (Some(program), _) => {
                    let stream = FfmpegStream::open(program, path, format)?;
                    if let Some(n) = sound.frames.filter(|_| sound.rate > 0) {
                        sound.frames = Some(crate::container::mp4::rescale(n, sound.rate, stream.rate()));
                    }
                    (sound.rate, sound.channels) = (stream.rate(), stream.channels());
                    (Source::Ffmpeg(Box::new(stream)), sound)
                }
                (None, Some(core)) => {
                    remarks.push("only the core of this HE-AAC sound is decoded: duller than it was recorded".into());
                    let sound = core.sound().clone();
                    (Source::Codec(Box::new(CodecStream::new(core)?)), sound)
                }
                (None, None) => return Err(AudioError::NeedsFfmpeg { codec: sound.codec }),
            },
        };
        if sound.rate == 0 || sound.channels == 0 {
            return Err(AudioError::damaged("the header gives no channels or no sample rate"));
        }
        Ok(Self { source, spec: Spec::of(&sound), remarks })
    }

    /// What is delivered.
    #[must_use]
    pub fn spec(&self) -> &Spec {
        &self.spec
    }

    /// Which decoder does the work.
    #[must_use]
    pub fn kind(&self) -> DecoderKind {
        match &self.source {
            Source::Pcm(_) => DecoderKind::Pcm,
            Source::Codec(_) if self.spec.codec == "opus" => DecoderKind::Libopus,
            Source::Codec(_) => DecoderKind::Symphonia,
            Source::Ffmpeg(_) => DecoderKind::Ffmpeg,
        }
    }

    /// What a listener should know about this decoding.
    #[must_use]
    pub fn remarks(&self) -> &[String] {
        &self.remarks
    }

    /// How many packets could not be decoded so far; silence stands in their place, so that time stays true.
    #[must_use]
    pub fn damaged_packets(&self) -> u64 {
        if let Source::Codec(c) = &self.source { c.damaged() } else { 0 }
    }

    /// The frame that [`Decoder::next_block`] begins with.
    #[must_use]
    pub fn position(&self) -> u64 {
        match &self.source {
            Source::Pcm(p) => p.position(),
            Source::Codec(c) => c.position(),
            Source::Ffmpeg(f) => f.position(),
        }
    }

    /// Replaces `block` by the next frames, interleaved; false at the end. A block is some thousand frames, and never empty
    /// where true is returned.
    ///
    /// # Errors
    /// [`AudioError::Io`], [`AudioError::Damaged`], [`AudioError::Ffmpeg`].
    pub fn next_block(&mut self, block: &mut Vec<f32>) -> Result<bool, AudioError> {
        block.clear();
        match &mut self.source {
            Source::Pcm(p) => p.next_block(block),
            Source::Codec(c) => c.next_block(block),
            Source::Ffmpeg(f) => f.next_block(block),
        }
    }

    /// Goes to the frame at `ms` milliseconds; behind the end there is simply nothing.
    ///
    /// # Errors
    /// As [`Decoder::next_block`].
    pub fn seek(&mut self, ms: u64) -> Result<(), AudioError> {
        self.seek_frame(self.spec.frame_at(ms))
    }

    /// Goes to a frame exactly.
    ///
    /// # Errors
    /// As [`Decoder::next_block`].
    pub fn seek_frame(&mut self, frame: u64) -> Result<(), AudioError> {
        match &mut self.source {
            Source::Pcm(p) => p.seek(frame),
            Source::Codec(c) => c.seek(frame)?,
            Source::Ffmpeg(f) if self.spec.frames.is_some_and(|n| frame >= n) => f.end(frame),
            Source::Ffmpeg(f) => f.seek(frame)?,
        }
        Ok(())
    }
}

fn open(bytes: Bytes, container: Container) -> Result<Opened, AudioError> {
    let foreign = |codec: &str, format| Ok(Opened::Foreign { sound: Sound::new(codec, 0, 0), format, core: None });
    match container {
        Container::Wav => open_wav(bytes),
        Container::Mp3 => match Mp3::open_whole(bytes)? {
            Some(mp3) => here(mp3),
            None => Err(AudioError::damaged("no MPEG audio packets follow the header")),
        },
        Container::Ogg => match Ogg::open(bytes)? {
            Ok(ogg) => here(ogg),
            Err(sound) => Ok(Opened::Foreign { sound, format: "ogg", core: None }),
        },
        Container::Webm => match Webm::open(bytes)? {
            Some(webm) if webm.sound().params.is_some() => here(webm),
            Some(webm) if webm.has_sound() => {
                Ok(Opened::Foreign { sound: webm.sound().clone(), format: "matroska", core: None })
            }
            Some(_) => Err(AudioError::NoSound { found: "a picture without sound".into() }),
            None => Err(AudioError::damaged("the WebM track list is missing")),
        },
        Container::Mp4 => match Mp4::open(bytes)? {
            Some(mp4) => open_mp4(mp4),
            None => Err(AudioError::NoSound { found: "a picture without sound".into() }),
        },
        Container::Flac => match Flac::open(bytes)? {
            Some(flac) => here(flac),
            None => Err(AudioError::damaged("the FLAC header is damaged")),
        },
        Container::Amr => foreign("amr", "amr"),
        Container::Aiff => foreign("aiff", "aiff"),
        Container::Caf => foreign("caf", "caf"),
        Container::Adts => foreign("aac", "aac"),
    }
}

fn here(demux: impl Demux + 'static) -> Result<Opened, AudioError> {
    let sound = demux.sound().clone();
    Ok(Opened::Here(Source::Codec(Box::new(CodecStream::new(Box::new(demux))?)), sound))
}

fn open_wav(mut bytes: Bytes) -> Result<Opened, AudioError> {
    let wav = wav::Wav::parse(&mut bytes)?.map_err(|d| AudioError::damaged(d.to_string()))?;
    let sound = wav.sound();
    if wav.channels == 0 || wav.rate == 0 {
        return Err(AudioError::damaged("the WAVE header gives no channels or no sample rate"));
    }
    if let Some(format) = wav.pcm {
        return Ok(Opened::Here(Source::Pcm(PcmStream::new(bytes, &wav, format)), sound));
    }
    if matches!(wav.codec.as_str(), "mp3" | "mp2")
        && let Some(mp3) = Mp3::open(bytes.window(64 << 10), wav.data_start, wav.data_start + wav.data_len)?
    {
        return here(mp3);
    }
    match wav::Adpcm::new(bytes, &wav) {
        Some(adpcm) => here(adpcm),
        None => Ok(Opened::Foreign { sound, format: "wav", core: None }),
    }
}

fn open_mp4(mp4: Mp4) -> Result<Opened, AudioError> {
    let sound = mp4.sound().clone();
    let more_than_core = mp4.aac.is_some_and(|a| a.sbr || a.ps);
    match (sound.params.is_some(), more_than_core) {
        (true, false) => here(mp4),
        (true, true) => Ok(Opened::Foreign { sound, format: "mov", core: Some(Box::new(mp4)) }),
        (false, _) => Ok(Opened::Foreign { sound, format: "mov", core: None }),
    }
}

/// Where a program is on the search path.
fn on_path(name: &str) -> Option<PathBuf> {
    let name = format!("{name}{}", std::env::consts::EXE_SUFFIX);
    std::env::split_paths(&std::env::var_os("PATH")?).map(|d| d.join(&name)).find(|p| p.is_absolute() && p.is_file())
}
