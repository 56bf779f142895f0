//! Packets through a codec of symphonia's registry, put at their place in time.

use crate::{
    AudioError,
    container::{Demux, Sound, Unit},
};
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::LazyLock,
};
use symphonia::core::{
    codecs::{
        audio::{AudioDecoder, AudioDecoderOptions},
        registry::CodecRegistry,
    },
    packet::Packet,
    units::{Duration, Timestamp},
};

static CODECS: LazyLock<CodecRegistry> = LazyLock::new(|| {
    let mut codecs = CodecRegistry::new();
    symphonia::default::register_enabled_codecs(&mut codecs);
    codecs.register_audio_decoder::<symphonia_adapter_libopus::OpusDecoder>();
    codecs
});

/// Silence is delivered in pieces of so many frames.
const SILENCE_FRAMES: u64 = 4_096;

pub(super) struct CodecStream {
    demux: Box<dyn Demux>,
    decoder: Box<dyn AudioDecoder>,
    channels: usize,
    /// The next frame to deliver.
    position: u64,
    /// The frame behind the last one that is meant to be heard.
    end: u64,
    /// Nothing was delivered since opening or seeking: what lies before `position` is pre-roll.
    fresh: bool,
    /// Frames missing before `held`, where the recording paused.
    silence: u64,
    held: Vec<f32>,
    damaged: u64,
    jitter: u64,
    longest_gap: u64,
}

fn decoder(sound: &Sound) -> Result<Box<dyn AudioDecoder>, AudioError> {
    let Some(params) = &sound.params else { return Err(AudioError::NeedsFfmpeg { codec: sound.codec.clone() }) };
    let options = AudioDecoderOptions::default();
    match catch_unwind(AssertUnwindSafe(|| CODECS.make_audio_decoder(params, &options))) {
        Ok(Ok(decoder)) => Ok(decoder),
        Ok(Err(e)) => Err(AudioError::damaged(format!("the {} configuration: {e}", sound.codec))),
        Err(_) => Err(AudioError::damaged(format!("the {} configuration", sound.codec))),
    }
}

impl CodecStream {
    pub(super) fn new(demux: Box<dyn Demux>) -> Result<Self, AudioError> {
        let sound = demux.sound();
        let decoder = decoder(sound)?;
        let rate = u64::from(sound.rate);
        Ok(Self {
            channels: usize::from(sound.channels),
            position: 0,
            end: sound.frames.unwrap_or(u64::MAX),
            fresh: true,
            silence: 0,
            held: Vec::new(),
            damaged: 0,
            jitter: rate / 500, // containers round times to milliseconds
            longest_gap: rate * 3_600,
            demux,
            decoder,
        })
    }

    pub(super) fn position(&self) -> u64 {
        self.position
    }

    pub(super) fn damaged(&self) -> u64 {
        self.damaged
    }

    pub(super) fn seek(&mut self, frame: u64) -> Result<(), AudioError> {
        self.demux.seek(frame)?;
        // Not `reset`: symphonia's AAC keeps the state of its noise over it, and the same bytes must always sound the same.
        self.decoder = decoder(self.demux.sound())?;
        (self.position, self.fresh, self.silence) = (frame, true, 0);
        self.held.clear();
        Ok(())
    }

    pub(super) fn next_block(&mut self, block: &mut Vec<f32>) -> Result<bool, AudioError> {
        loop {
            let room = self.end.saturating_sub(self.position);
            if room == 0 {
                return Ok(false);
            }
            if self.silence > 0 {
                let n = self.silence.min(SILENCE_FRAMES).min(room);
                block.resize(n as usize * self.channels, 0.0);
                (self.silence, self.position) = (self.silence - n, self.position + n);
                return Ok(true);
            }
            if !self.held.is_empty() {
                let n = (self.held.len() / self.channels).min(usize::try_from(room).unwrap_or(usize::MAX));
                block.extend_from_slice(&self.held[..n * self.channels]);
                self.held.clear();
                self.position += n as u64;
                return Ok(true);
            }
            let Some(unit) = self.demux.next()? else { return Ok(false) };
            self.take(&unit)?;
        }
    }

    /// Decodes one packet into `held`, cut or delayed to fit where the last one ended.
    fn take(&mut self, unit: &Unit) -> Result<(), AudioError> {
        self.decode(unit)?;
        let frames = (self.held.len() / self.channels) as i64;
        let position = i64::try_from(self.position).unwrap_or(i64::MAX);
        let mut off = unit.at.saturating_sub(position);
        if !self.fresh && off.unsigned_abs() <= self.jitter {
            off = 0;
        }
        if off.saturating_add(frames) <= 0 {
            self.held.clear();
        } else if off < 0 {
            self.held.drain(..off.unsigned_abs() as usize * self.channels);
            self.fresh = false;
        } else if frames > 0 {
            // A gap is silence, so that what follows keeps its time; a jump beyond all reason is damage.
            let gap = off.unsigned_abs();
            self.silence = if gap <= self.longest_gap { gap } else { 0 };
            self.fresh = false;
        }
        Ok(())
    }

    fn decode(&mut self, unit: &Unit) -> Result<(), AudioError> {
        self.held.clear();
        let packet = Packet::new(0, Timestamp::new(0), Duration::new(u64::from(unit.frames)), unit.data.clone());
        let (decoder, held, channels) = (&mut self.decoder, &mut self.held, self.channels);
        // The codecs are other people's code fed with strangers' bytes: what they panic at is a damaged recording.
        let decoded = catch_unwind(AssertUnwindSafe(|| match decoder.decode(&packet) {
            Ok(buffer) => {
                let found = buffer.spec().channels().count();
                buffer.copy_to_vec_interleaved::<f32>(held);
                if found != channels {
                    *held = fold(held, found, channels);
                }
                true
            }
            Err(_) => false,
        }));
        match decoded {
            Ok(true) => Ok(()),
            Ok(false) => {
                self.damaged += 1;
                self.held.clear();
                self.held.resize(unit.frames as usize * self.channels, 0.0);
                Ok(())
            }
            Err(_) => Err(AudioError::damaged(format!("the {} decoder gave up", self.demux.sound().codec))),
        }
    }
}

/// Frames of `from` channels as frames of `to`: one channel goes to all, others keep their place.
fn fold(samples: &[f32], from: usize, to: usize) -> Vec<f32> {
    let pick = |frame: &[f32], c: usize| if from == 1 { frame[0] } else { frame.get(c).copied().unwrap_or(0.0) };
    samples.chunks_exact(from.max(1)).flat_map(|frame| (0..to).map(move |c| pick(frame, c))).collect()
}
