use crate::{AudioError, Decoder, DecoderKind};
use serde::{Deserialize, Serialize};
use std::{
    io::{self, Read, Seek, SeekFrom},
    path::Path,
};

/// Which channels are heard. Two-channel call recordings carry one party on each.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Channels {
    /// All, as recorded.
    #[default]
    Both,
    /// The first channel alone, for both ears.
    Left,
    /// The second channel alone, for both ears.
    Right,
}

const HEADER: u64 = 44;

/// A recording as a WAVE file with 16-bit PCM that is made while it is read: for browsers, with byte ranges and constant
/// memory.
///
/// Every reader of the same recording gets the same bytes, wherever its ranges begin: the sound is decoded in stretches
/// that always begin at the same frames, since some codecs (Opus) give slightly other samples after a seek.
pub struct WavView {
    decoder: Decoder,
    choice: Channels,
    /// Channels written.
    channels: u16,
    frames: u64,
    /// Frames of a stretch.
    stretch: u64,
    /// The frame that `left` begins with, and what is decoded but not given yet.
    at: u64,
    left: Vec<f32>,
    used: usize,
    ended: bool,
    pos: u64,
}

impl std::fmt::Debug for WavView {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WavView").field("decoder", &self.decoder).field("frames", &self.frames).finish_non_exhaustive()
    }
}

impl WavView {
    /// Opens the recording at `path`. Where its structure does not tell its length it is decoded once to count.
    ///
    /// # Errors
    /// As [`Decoder::open`].
    pub fn open(path: &Path, choice: Channels) -> Result<Self, AudioError> {
        let mut decoder = Decoder::open(path)?;
        let spec = decoder.spec().clone();
        let frames = match spec.frames {
            Some(n) => n,
            None => count(&mut decoder)?,
        };
        let channels = if choice == Channels::Both { spec.channels.min(2) } else { 1 };
        let seconds = match decoder.kind() {
            DecoderKind::Ffmpeg => 120, // a stretch costs a process
            _ => 10,
        };
        let stretch = u64::from(spec.sample_rate_hz) * seconds;
        let (at, left) = (0, Vec::new());
        Ok(Self { decoder, choice, channels, frames, stretch, at, left, used: 0, ended: false, pos: 0 })
    }

    /// Length of the WAVE file in bytes.
    #[must_use]
    pub fn len_bytes(&self) -> u64 {
        HEADER.saturating_add(self.frames.saturating_mul(self.frame_bytes()))
    }

    /// Gives `len` bytes from `start` on to `sink`, in pieces; fewer only at the end.
    ///
    /// # Errors
    /// As [`Decoder::next_block`]. Pieces given before stay right.
    pub fn read_range(&mut self, start: u64, len: u64, sink: &mut dyn FnMut(&[u8])) -> Result<(), AudioError> {
        let mut buffer = vec![0; 32 << 10];
        let end = start.saturating_add(len).min(self.len_bytes());
        let mut pos = start;
        while pos < end {
            let want = usize::try_from(end - pos).unwrap_or(usize::MAX).min(buffer.len());
            let n = self.read_at(pos, &mut buffer[..want])?;
            if n == 0 {
                break;
            }
            sink(&buffer[..n]);
            pos += n as u64;
        }
        Ok(())
    }

    fn frame_bytes(&self) -> u64 {
        u64::from(self.channels) * 2
    }

    fn header(&self) -> [u8; HEADER as usize] {
        let data = self.len_bytes() - HEADER;
        // Above 4 GiB the sizes say "unknown", which players read as "to the end".
        let size = |n: u64| u32::try_from(n).unwrap_or(u32::MAX).to_le_bytes();
        let rate = self.decoder.spec().sample_rate_hz;
        let byte_rate = rate.saturating_mul(self.frame_bytes() as u32);
        let mut h = [0; HEADER as usize];
        let parts: [(usize, &[u8]); 12] = [
            (0, b"RIFF"),
            (4, &size(data.saturating_add(36))),
            (8, b"WAVEfmt "),
            (16, &16u32.to_le_bytes()),
            (20, &1u16.to_le_bytes()),
            (22, &self.channels.to_le_bytes()),
            (24, &rate.to_le_bytes()),
            (28, &byte_rate.to_le_bytes()),
            (32, &(self.channels * 2).to_le_bytes()),
            (34, &16u16.to_le_bytes()),
            (36, b"data"),
            (40, &size(data)),
        ];
        for (at, bytes) in parts {
            h[at..at + bytes.len()].copy_from_slice(bytes);
        }
        h
    }

    fn read_at(&mut self, pos: u64, buffer: &mut [u8]) -> Result<usize, AudioError> {
        if pos < HEADER {
            let header = self.header();
            let n = buffer.len().min((HEADER - pos) as usize);
            buffer[..n].copy_from_slice(&header[pos as usize..pos as usize + n]);
            return Ok(n);
        }
        let each = self.frame_bytes();
        let mut frame = (pos - HEADER) / each;
        let mut inside = ((pos - HEADER) % each) as usize;
        let mut filled = 0;
        while filled < buffer.len() && frame < self.frames {
            self.go(frame)?;
            let bytes = self.pcm();
            let n = (buffer.len() - filled).min(bytes.len() - inside);
            buffer[filled..filled + n].copy_from_slice(&bytes[inside..inside + n]);
            filled += n;
            (frame, inside) = (frame + 1, 0);
        }
        Ok(filled)
    }

    /// Makes `frame` the next decoded frame.
    fn go(&mut self, frame: u64) -> Result<(), AudioError> {
        let channels = usize::from(self.decoder.spec().channels);
        let start = frame / self.stretch * self.stretch;
        let here = self.at + (self.used / channels) as u64;
        let buffered_to = self.at + (self.left.len() / channels) as u64;
        let same_stretch = self.at / self.stretch == frame / self.stretch && !self.left.is_empty();
        if !(same_stretch && frame >= here) {
            self.decoder.seek_frame(start)?;
            (self.at, self.used, self.ended) = (start, 0, false);
            self.left.clear();
        } else if frame < buffered_to {
            self.used = (frame - self.at) as usize * channels;
            return Ok(());
        }
        loop {
            let ends = self.at + (self.left.len() / channels) as u64;
            if frame < ends {
                self.used = (frame - self.at) as usize * channels;
                return Ok(());
            }
            self.at = ends;
            let more = !self.ended && self.decoder.next_block(&mut self.left)?;
            if !more {
                // Less was there than the header said: the promised length is filled with silence.
                self.ended = true;
                self.left.clear();
                self.left.resize(1_024 * channels, 0.0);
            }
        }
    }

    /// The frame at `used`, as bytes.
    fn pcm(&self) -> Frame {
        let channels = usize::from(self.decoder.spec().channels);
        let frame = &self.left[self.used..self.used + channels];
        let sample = |c: usize| {
            let x = frame.get(c).or(frame.last()).copied().unwrap_or(0.0);
            ((x * 32_768.0).round().clamp(-32_768.0, 32_767.0) as i16).to_le_bytes()
        };
        let (a, b) = match self.choice {
            Channels::Right => (sample(1), [0, 0]),
            Channels::Left => (sample(0), [0, 0]),
            Channels::Both => (sample(0), sample(1)),
        };
        Frame { bytes: [a[0], a[1], b[0], b[1]], len: usize::from(self.channels) * 2 }
    }
}

struct Frame {
    bytes: [u8; 4],
    len: usize,
}

impl std::ops::Deref for Frame {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

fn count(decoder: &mut Decoder) -> Result<u64, AudioError> {
    let mut block = Vec::new();
    while decoder.next_block(&mut block)? {}
    let frames = decoder.position();
    decoder.seek_frame(0)?;
    Ok(frames)
}

impl Read for WavView {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.read_at(self.pos, buffer).map_err(|e| match e {
            AudioError::Io(e) => e,
            other => io::Error::new(io::ErrorKind::InvalidData, other),
        })?;
        self.pos += n as u64;
        Ok(n)
    }
}

impl Seek for WavView {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let target = match to {
            SeekFrom::Start(n) => Some(n),
            SeekFrom::End(n) => self.len_bytes().checked_add_signed(n),
            SeekFrom::Current(n) => self.pos.checked_add_signed(n),
        };
        self.pos = target.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        Ok(self.pos)
    }
}
