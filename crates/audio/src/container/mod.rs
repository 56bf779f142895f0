//! One module for each container: what its header says, and its packets in order with their place in time.

pub(crate) mod flac;
pub(crate) mod mp3;
pub(crate) mod mp4;
pub(crate) mod mp4_boxes;
pub(crate) mod ogg;
pub(crate) mod opus;
pub(crate) mod other;
pub(crate) mod vorbis;
pub(crate) mod wav;
pub(crate) mod webm;

use crate::{AudioError, bytes::Bytes};
use std::io;
use symphonia::core::{
    audio::{Channels, layouts},
    codecs::audio::{AudioCodecId, AudioCodecParameters},
};

/// The containers that are told apart by their first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Container {
    Wav,
    Mp3,
    Ogg,
    Webm,
    Mp4,
    Flac,
    Amr,
    Aiff,
    Caf,
    Adts,
}

/// Tells the container by content; none where no known one begins like this.
pub(crate) fn recognise(bytes: &mut Bytes) -> io::Result<Option<Container>> {
    let head = bytes.at(0, 16)?.to_vec();
    let starts = |magic: &[u8]| head.starts_with(magic);
    let at = |from: usize, magic: &[u8]| head.get(from..from + magic.len()) == Some(magic);
    let found = if (starts(b"RIFF") || starts(b"RF64") || starts(b"BW64")) && at(8, b"WAVE") {
        Container::Wav
    } else if starts(b"OggS") {
        Container::Ogg
    } else if starts(b"fLaC") {
        Container::Flac
    } else if starts(&[0x1A, 0x45, 0xDF, 0xA3]) {
        Container::Webm
    } else if [b"ftyp", b"moov", b"mdat", b"styp", b"moof"].iter().any(|b| at(4, *b)) {
        Container::Mp4
    } else if starts(b"#!AMR") {
        Container::Amr
    } else if starts(b"FORM") && (at(8, b"AIFF") || at(8, b"AIFC")) {
        Container::Aiff
    } else if starts(b"caff") {
        Container::Caf
    } else {
        let after_tag = mp3::after_id3(bytes)?;
        if bytes.at(after_tag, 4)? == b"fLaC" {
            return Ok(Some(Container::Flac));
        }
        if other::is_adts(bytes, after_tag)? {
            return Ok(Some(Container::Adts));
        }
        return Ok(mp3::first_frame(bytes, after_tag, after_tag + (64 << 10))?.map(|_| Container::Mp3));
    };
    Ok(Some(found))
}

/// What a container says of the sound in it.
#[derive(Debug, Clone)]
pub(crate) struct Sound {
    /// Name as it stands in a probe: `opus`, `aac`, ...
    pub codec: String,
    /// Samples a second and channel, as decoded.
    pub rate: u32,
    pub channels: u16,
    /// Length in frames (one sample of every channel) as heard: without priming and padding. None where nothing tells.
    pub frames: Option<u64>,
    /// What symphonia's decoder must know; none where symphonia has no decoder for it.
    pub params: Option<AudioCodecParameters>,
}

impl Sound {
    pub(crate) fn new(codec: impl Into<String>, rate: u32, channels: u16) -> Self {
        Self { codec: codec.into(), rate, channels, frames: None, params: None }
    }

    /// Marks the sound as one that symphonia (or libopus through it) decodes.
    pub(crate) fn decodable(mut self, id: AudioCodecId, extra: Option<Box<[u8]>>) -> Self {
        let mut params = AudioCodecParameters::new();
        params.for_codec(id).with_sample_rate(self.rate).with_channels(layout(self.channels));
        params.extra_data = extra;
        self.params = Some(params);
        self
    }
}

fn layout(channels: u16) -> Channels {
    match channels {
        1 => layouts::CHANNEL_LAYOUT_MONO,
        2 => layouts::CHANNEL_LAYOUT_STEREO,
        n => Channels::Discrete(n),
    }
}

/// One packet of a codec and its place in time.
pub(crate) struct Unit {
    /// Where its first decoded frame lies, in frames as heard; negative for priming.
    pub at: i64,
    /// How many frames it decodes to, before trimming.
    pub frames: u32,
    pub data: Box<[u8]>,
}

/// Packets in order. `seek` goes to a packet from which on a freshly reset decoder gives right samples at `frame`.
pub(crate) trait Demux: Send {
    fn sound(&self) -> &Sound;
    fn next(&mut self) -> Result<Option<Unit>, AudioError>;
    fn seek(&mut self, frame: u64) -> Result<(), AudioError>;
}
