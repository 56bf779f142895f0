//! The player's thread: obeys commands, decodes ahead, keeps the device fed.

use super::{
    PlayerState,
    device::Device,
    resample::Resampler,
    stretch::Stretch,
    tap::{Chunk, Shared},
};
use crate::{AudioError, Decoder, Spec};
use holdfast_model::Fault as _;
use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::Ordering::Relaxed,
        mpsc::{Receiver, RecvTimeoutError, Sender, TrySendError},
    },
    time::Duration,
};

pub(super) type Reply<T> = Sender<Result<T, AudioError>>;

pub(super) enum Command {
    Load(PathBuf, Reply<Spec>),
    Play(Reply<()>),
    Pause(Reply<()>),
    Stop(Reply<()>),
    Seek(u64, Reply<()>),
    Speed(f32, Reply<()>),
    OnEnd(Box<dyn FnMut() + Send>, Reply<()>),
    Quit,
}

/// Length of a chunk. With the chunks that may wait it bounds what is decoded ahead: 240 ms.
const CHUNKS_PER_SECOND: u32 = 50;

/// A recording on its way to the device.
struct Track {
    decoder: Decoder,
    stretch: Stretch,
    resampler: Option<(u32, Resampler)>,
    /// Where the frames that are being prepared began, in frames of the recording.
    origin: u64,
    /// Frames prepared since then, at the device's rate.
    prepared: u64,
    ready: Vec<[f32; 2]>,
    drained: bool,
    finished: bool,
    block: Vec<f32>,
    pairs: Vec<[f32; 2]>,
    stretched: Vec<[f32; 2]>,
}

impl Track {
    fn new(decoder: Decoder, speed: f32) -> Self {
        let stretch = Stretch::new(decoder.spec().sample_rate_hz, speed);
        Self {
            decoder,
            stretch,
            resampler: None,
            origin: 0,
            prepared: 0,
            ready: Vec::new(),
            drained: false,
            finished: false,
            block: Vec::new(),
            pairs: Vec::new(),
            stretched: Vec::new(),
        }
    }

    fn seek(&mut self, frame: u64) -> Result<(), AudioError> {
        let frame = self.decoder.spec().frames.map_or(frame, |n| frame.min(n));
        self.decoder.seek_frame(frame)?;
        self.stretch.reset();
        if let Some((_, r)) = &mut self.resampler {
            r.reset();
        }
        self.ready.clear();
        (self.origin, self.prepared, self.drained, self.finished) = (frame, 0, false, false);
        Ok(())
    }

    /// The next chunk for a device of this rate; none when all was given.
    fn chunk(&mut self, rate: u32, generation: u64) -> Result<Option<Chunk>, AudioError> {
        if self.finished {
            return Ok(None);
        }
        let source_rate = self.decoder.spec().sample_rate_hz;
        if self.resampler.as_ref().is_none_or(|(r, _)| *r != rate) {
            self.resampler = Some((rate, Resampler::new(source_rate, rate)?));
        }
        let want = (rate / CHUNKS_PER_SECOND).max(1) as usize;
        while self.ready.len() < want && !self.drained {
            self.decode()?;
        }
        let n = want.min(self.ready.len());
        let frames: Vec<[f32; 2]> = self.ready.drain(..n).collect();
        let us_per_frame = 1e6 * self.stretch.speed() / f64::from(rate);
        let start_us = self.origin as f64 * 1e6 / f64::from(source_rate) + self.prepared as f64 * us_per_frame;
        self.prepared += n as u64;
        self.finished = self.drained && self.ready.is_empty();
        Ok(Some(Chunk { generation, frames, start_us, us_per_frame, last: self.finished }))
    }

    fn decode(&mut self) -> Result<(), AudioError> {
        let Some((_, resampler)) = &mut self.resampler else { return Ok(()) };
        self.stretched.clear();
        if self.decoder.next_block(&mut self.block)? {
            let channels = usize::from(self.decoder.spec().channels);
            self.pairs.clear();
            self.pairs.extend(self.block.chunks_exact(channels).map(|f| [f[0], f.get(1).copied().unwrap_or(f[0])]));
            self.stretch.push(&self.pairs, &mut self.stretched);
            resampler.push(&self.stretched, &mut self.ready)
        } else {
            self.drained = true;
            self.stretch.finish(&mut self.stretched);
            resampler.push(&self.stretched, &mut self.ready)?;
            resampler.finish(&mut self.ready)
        }
    }
}

pub(super) struct Engine {
    inbox: Receiver<Command>,
    shared: Arc<Shared>,
    track: Option<Track>,
    device: Option<Device>,
    /// A chunk that found no room yet.
    held: Option<Chunk>,
    speed: f32,
    on_end: Option<Box<dyn FnMut() + Send>>,
    state: PlayerState,
}

impl Engine {
    pub(super) fn new(inbox: Receiver<Command>, shared: Arc<Shared>) -> Self {
        let state = PlayerState::Empty;
        Self { inbox, shared, track: None, device: None, held: None, speed: 1.0, on_end: None, state }
    }

    pub(super) fn run(mut self) {
        loop {
            let wait = if self.state == PlayerState::Playing { 5 } else { 200 };
            match self.inbox.recv_timeout(Duration::from_millis(wait)) {
                Ok(Command::Quit) | Err(RecvTimeoutError::Disconnected) => return,
                Ok(command) => self.obey(command),
                Err(RecvTimeoutError::Timeout) => {}
            }
            self.tick();
        }
    }

    fn obey(&mut self, command: Command) {
        // A reply that nobody waits for any more is no fault.
        let _ = match command {
            Command::Load(path, reply) => reply.send(self.load(&path)).is_ok(),
            Command::Play(reply) => {
                let done = self.play();
                if let Err(e) = &done {
                    self.fail(e);
                }
                reply.send(done).is_ok()
            }
            Command::Pause(reply) => reply.send(self.pause()).is_ok(),
            Command::Stop(reply) => reply.send(self.stop()).is_ok(),
            Command::Seek(ms, reply) => reply.send(self.seek(ms)).is_ok(),
            Command::Speed(speed, reply) => reply.send(self.set_speed(speed)).is_ok(),
            Command::OnEnd(done, reply) => {
                self.on_end = Some(done);
                reply.send(Ok(())).is_ok()
            }
            Command::Quit => true,
        };
    }

    fn become_state(&mut self, state: PlayerState) {
        self.state = state;
        self.shared.sounding.store(state == PlayerState::Playing, Relaxed);
        self.shared.update(|s| {
            s.state = state;
            if state != PlayerState::Failed {
                s.fault = None;
            }
        });
    }

    fn load(&mut self, path: &std::path::Path) -> Result<Spec, AudioError> {
        self.discard();
        self.track = None;
        self.become_state(PlayerState::Empty);
        self.shared.set_position_us(0);
        self.shared.update(|s| (s.duration_ms, s.decoder, s.remarks) = (None, None, Vec::new()));
        let decoder = Decoder::open(path)?;
        let spec = decoder.spec().clone();
        self.shared.update(|s| {
            s.duration_ms = spec.duration_ms();
            s.decoder = Some(decoder.kind());
            s.remarks = decoder.remarks().to_vec();
        });
        self.track = Some(Track::new(decoder, self.speed));
        self.become_state(PlayerState::Stopped);
        Ok(spec)
    }

    fn play(&mut self) -> Result<(), AudioError> {
        if self.track.is_none() {
            return Err(AudioError::NothingLoaded);
        }
        if self.shared.device_lost.swap(false, Relaxed) {
            self.device = None;
            self.resume_at(self.shared.position_ms())?;
        }
        if self.state == PlayerState::Ended {
            self.seek(0)?;
        }
        if self.device.is_none() {
            self.device = Some(Device::open(&self.shared)?);
        }
        self.feed()?;
        self.become_state(PlayerState::Playing);
        Ok(())
    }

    fn pause(&mut self) -> Result<(), AudioError> {
        match self.state {
            PlayerState::Empty => Err(AudioError::NothingLoaded),
            PlayerState::Playing => {
                self.become_state(PlayerState::Paused);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn stop(&mut self) -> Result<(), AudioError> {
        if self.track.is_none() {
            return Err(AudioError::NothingLoaded);
        }
        self.become_state(PlayerState::Stopped);
        self.device = None;
        self.resume_at(0)
    }

    fn seek(&mut self, ms: u64) -> Result<(), AudioError> {
        if self.track.is_none() {
            return Err(AudioError::NothingLoaded);
        }
        self.resume_at(ms)?;
        match self.state {
            PlayerState::Playing => self.feed(),
            PlayerState::Ended | PlayerState::Failed => {
                self.become_state(PlayerState::Paused);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn set_speed(&mut self, speed: f32) -> Result<(), AudioError> {
        self.speed = speed;
        self.shared.update(|s| s.speed = speed);
        let Some(track) = &mut self.track else { return Ok(()) };
        track.stretch = Stretch::new(track.decoder.spec().sample_rate_hz, speed);
        if self.state == PlayerState::Ended {
            return Ok(());
        }
        self.seek(self.shared.position_ms())
    }

    /// Throws away what was prepared.
    fn discard(&mut self) {
        self.held = None;
        self.shared.generation.fetch_add(1, Relaxed);
        self.shared.ended.store(false, Relaxed);
    }

    fn resume_at(&mut self, ms: u64) -> Result<(), AudioError> {
        self.discard();
        let Some(track) = &mut self.track else { return Ok(()) };
        let frame = crate::container::mp4::rescale(ms, 1_000, track.decoder.spec().sample_rate_hz);
        track.seek(frame)?;
        let us = track.origin as f64 * 1e6 / f64::from(track.decoder.spec().sample_rate_hz);
        self.shared.set_position_us(us as u64);
        Ok(())
    }

    /// Gives the device as much as it has room for.
    fn feed(&mut self) -> Result<(), AudioError> {
        let (Some(track), Some(device)) = (&mut self.track, &self.device) else { return Ok(()) };
        let generation = self.shared.generation.load(Relaxed);
        loop {
            let chunk = match self.held.take() {
                Some(chunk) => chunk,
                None => match track.chunk(device.rate, generation)? {
                    Some(chunk) => chunk,
                    None => return Ok(()),
                },
            };
            match device.chunks.try_send(chunk) {
                Ok(()) => {}
                Err(TrySendError::Full(chunk)) => {
                    self.held = Some(chunk);
                    return Ok(());
                }
                Err(TrySendError::Disconnected(_)) => {
                    return Err(AudioError::NoDevice { reason: "the sound system closed it".into() });
                }
            }
        }
    }

    fn tick(&mut self) {
        if self.state != PlayerState::Playing {
            return;
        }
        if self.shared.ended.swap(false, Relaxed) {
            self.become_state(PlayerState::Ended);
            if let Some(done) = &mut self.on_end {
                done();
            }
            return;
        }
        let fed = if self.shared.device_lost.load(Relaxed) {
            Err(AudioError::NoDevice { reason: "the sound system reported a fault".into() })
        } else {
            self.feed()
        };
        if let Err(e) = fed {
            self.fail(&e);
        }
    }

    fn fail(&mut self, error: &AudioError) {
        if self.track.is_none() {
            return;
        }
        self.become_state(PlayerState::Failed);
        self.shared.update(|s| s.fault = Some((error.code().to_owned(), error.to_string())));
        if matches!(error, AudioError::NoDevice { .. }) {
            self.device = None;
        }
    }
}
