//! The end of the pipe inside the sound system's callback: takes prepared frames, never waits, never allocates.

use super::Status;
use crate::Channels;
use rodio::Source;
use std::{
    num::NonZero,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering::Relaxed},
        mpsc::{Receiver, TryRecvError},
    },
    time::Duration,
};

/// What the player's thread, its handle and the callback share.
#[derive(Debug)]
pub(super) struct Shared {
    /// Chunks of an older generation were made before a seek and are thrown away.
    pub generation: AtomicU64,
    pub sounding: AtomicBool,
    /// The last chunk was played.
    pub ended: AtomicBool,
    /// The sound system reported a fault.
    pub device_lost: AtomicBool,
    /// Times that nothing was ready in the midst of sounding.
    gaps: AtomicU64,
    position_us: AtomicU64,
    volume: AtomicU32,
    channels: AtomicU8,
    status: Mutex<Status>,
}

impl Default for Shared {
    fn default() -> Self {
        Self {
            generation: AtomicU64::new(0),
            sounding: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            device_lost: AtomicBool::new(false),
            gaps: AtomicU64::new(0),
            position_us: AtomicU64::new(0),
            volume: AtomicU32::new(1f32.to_bits()),
            channels: AtomicU8::new(0),
            status: Mutex::new(Status::default()),
        }
    }
}

impl Shared {
    pub(super) fn set_volume(&self, volume: f32) {
        self.volume.store(volume.to_bits(), Relaxed);
    }

    pub(super) fn set_channels(&self, channels: Channels) {
        self.channels.store(channels as u8, Relaxed);
    }

    fn channels(&self) -> Channels {
        match self.channels.load(Relaxed) {
            1 => Channels::Left,
            2 => Channels::Right,
            _ => Channels::Both,
        }
    }

    pub(super) fn position_ms(&self) -> u64 {
        self.position_us.load(Relaxed) / 1_000
    }

    pub(super) fn set_position_us(&self, us: u64) {
        self.position_us.store(us, Relaxed);
    }

    pub(super) fn status(&self) -> Status {
        let mut status = self.status.lock().map(|s| s.clone()).unwrap_or_default();
        status.position_ms = self.position_ms();
        status.volume = f32::from_bits(self.volume.load(Relaxed));
        status.channels = self.channels();
        status.gaps = self.gaps.load(Relaxed);
        status
    }

    /// Changes what only the player's thread changes.
    pub(super) fn update(&self, change: impl FnOnce(&mut Status)) {
        if let Ok(mut status) = self.status.lock() {
            change(&mut status);
        }
    }
}

/// Some milliseconds of sound, ready for the device.
#[derive(Debug)]
pub(super) struct Chunk {
    pub generation: u64,
    /// First and second channel; the same where there is one.
    pub frames: Vec<[f32; 2]>,
    /// Place of the first frame in the recording, and how far each frame goes.
    pub start_us: f64,
    pub us_per_frame: f64,
    pub last: bool,
}

/// An endless source: silence where nothing is to be heard.
pub(super) struct Tap {
    shared: Arc<Shared>,
    chunks: Receiver<Chunk>,
    chunk: Option<Chunk>,
    next: usize,
    channels: NonZero<u16>,
    rate: NonZero<u32>,
    frame: [f32; 2],
    out: u16,
    /// Rises and falls over some milliseconds, so that starting and stopping do not click.
    gain: f32,
    step: f32,
}

impl Tap {
    pub(super) fn new(
        shared: Arc<Shared>,
        chunks: Receiver<Chunk>,
        channels: NonZero<u16>,
        rate: NonZero<u32>,
    ) -> Self {
        let step = 1.0 / (rate.get() as f32 * 0.003);
        Self { shared, chunks, chunk: None, next: 0, channels, rate, frame: [0.0; 2], out: 0, gain: 0.0, step }
    }

    /// The next frame as heard, with volume and choice of channels.
    fn advance(&mut self) {
        let sounding = self.shared.sounding.load(Relaxed);
        if !sounding && self.gain <= 0.0 {
            self.frame = [0.0; 2];
            return;
        }
        let Some([left, right]) = self.take() else {
            self.frame = [0.0; 2];
            self.gain = 0.0;
            return;
        };
        self.gain = (self.gain + if sounding { self.step } else { -self.step }).clamp(0.0, 1.0);
        let volume = self.gain * f32::from_bits(self.shared.volume.load(Relaxed));
        self.frame = match self.shared.channels() {
            Channels::Both => [left * volume, right * volume],
            Channels::Left => [left * volume; 2],
            Channels::Right => [right * volume; 2],
        };
    }

    fn take(&mut self) -> Option<[f32; 2]> {
        let generation = self.shared.generation.load(Relaxed);
        loop {
            if let Some(chunk) = self.chunk.as_ref().filter(|c| c.generation == generation) {
                if let Some(frame) = chunk.frames.get(self.next) {
                    self.next += 1;
                    if self.next.is_multiple_of(64) || self.next == chunk.frames.len() {
                        let us = chunk.start_us + chunk.us_per_frame * self.next as f64;
                        self.shared.set_position_us(us as u64);
                    }
                    return Some(*frame);
                }
                if chunk.last {
                    self.shared.ended.store(true, Relaxed);
                    self.shared.sounding.store(false, Relaxed);
                    self.chunk = None;
                    return None;
                }
            }
            match self.chunks.try_recv() {
                Ok(chunk) => (self.chunk, self.next) = (Some(chunk), 0),
                Err(TryRecvError::Empty) => {
                    // Just after a seek there is no chunk before, and no gap to be heard.
                    if self.chunk.take().is_some_and(|c| c.generation == generation) {
                        self.shared.gaps.fetch_add(1, Relaxed);
                    }
                    return None;
                }
                Err(TryRecvError::Disconnected) => return None,
            }
        }
    }
}

impl Iterator for Tap {
    type Item = f32;

    fn next(&mut self) -> Option<f32> {
        if self.out == 0 {
            self.advance();
        }
        let channel = self.out;
        self.out = (self.out + 1) % self.channels.get();
        Some(match (self.channels.get(), channel) {
            (1, _) => (self.frame[0] + self.frame[1]) / 2.0,
            (_, 0) => self.frame[0],
            (_, 1) => self.frame[1],
            _ => 0.0,
        })
    }
}

impl Source for Tap {
    fn current_span_len(&self) -> Option<usize> {
        None
    }

    fn channels(&self) -> NonZero<u16> {
        self.channels
    }

    fn sample_rate(&self) -> NonZero<u32> {
        self.rate
    }

    fn total_duration(&self) -> Option<Duration> {
        None
    }
}
