//! Playing through the machine's sound system.

mod device;
mod engine;
mod resample;
mod stretch;
mod tap;

use crate::{AudioError, Channels, DecoderKind, Spec};
use engine::{Command, Engine, Reply};
use serde::{Deserialize, Serialize};
use std::{
    path::Path,
    sync::{
        Arc,
        mpsc::{self, Sender},
    },
    thread::JoinHandle,
};
use tap::Shared;

/// What the player is doing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PlayerState {
    /// Nothing is loaded.
    #[default]
    Empty,
    /// Loaded, at the beginning, not sounding.
    Stopped,
    /// Sounding.
    Playing,
    /// Held at a place.
    Paused,
    /// Played to the end.
    Ended,
    /// Stopped by a fault; see [`Status::fault`].
    Failed,
}

/// The player at one moment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// What it is doing.
    pub state: PlayerState,
    /// Place in the recording, in milliseconds of the recording (not of listening time).
    pub position_ms: u64,
    /// Length, where known.
    pub duration_ms: Option<u64>,
    /// 1 for natural speed.
    pub speed: f32,
    /// 1 for unchanged.
    pub volume: f32,
    /// Which channels are heard.
    pub channels: Channels,
    /// Which decoder does the work, while something is loaded.
    pub decoder: Option<DecoderKind>,
    /// What a listener should know about the decoding.
    pub remarks: Vec<String>,
    /// Why it stopped: code and sentence.
    pub fault: Option<(String, String)>,
    /// How often the device had to wait for sound since the player was made: gaps that were heard.
    pub gaps: u64,
}

impl Default for Status {
    fn default() -> Self {
        Self {
            state: PlayerState::Empty,
            position_ms: 0,
            duration_ms: None,
            speed: 1.0,
            volume: 1.0,
            channels: Channels::Both,
            decoder: None,
            remarks: Vec::new(),
            fault: None,
            gaps: 0,
        }
    }
}

/// Plays one recording at a time. All work is done by a thread of its own, so that a handle can be held anywhere; calls
/// return when the thread has done what was asked. Dropping the player silences it.
///
/// Sound is resampled to the device's rate here, at full quality. Speed keeps the pitch. The device is opened at the first
/// [`Player::play`] and released by [`Player::stop`].
#[derive(Debug)]
pub struct Player {
    commands: Sender<Command>,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Default for Player {
    fn default() -> Self {
        Self::new()
    }
}

impl Player {
    /// A player with nothing loaded.
    #[must_use]
    pub fn new() -> Self {
        let (commands, inbox) = mpsc::channel();
        let shared = Arc::new(Shared::default());
        let engine = Engine::new(inbox, shared.clone());
        let thread = std::thread::Builder::new().name("holdfast-player".into()).spawn(move || engine.run()).ok();
        Self { commands, shared, thread }
    }

    fn ask<T>(&self, command: impl FnOnce(Reply<T>) -> Command) -> Result<T, AudioError> {
        const GONE: AudioError = AudioError::Internal { what: "the player's thread is gone" };
        let (reply, answer) = mpsc::channel();
        self.commands.send(command(reply)).map_err(|_| GONE)?;
        answer.recv().map_err(|_| GONE)?
    }

    /// Loads the recording at `path`, in the place of what was loaded; does not play yet. Opens no device.
    ///
    /// # Errors
    /// As [`crate::Decoder::open`]; what was loaded before is then gone too.
    pub fn load(&self, path: &Path) -> Result<Spec, AudioError> {
        let path = path.to_owned();
        self.ask(|reply| Command::Load(path, reply))
    }

    /// Plays from where it is; from the beginning where it had ended.
    ///
    /// # Errors
    /// [`AudioError::NothingLoaded`], [`AudioError::NoDevice`], and those of [`crate::Decoder::next_block`].
    pub fn play(&self) -> Result<(), AudioError> {
        self.ask(Command::Play)
    }

    /// Holds at this place.
    ///
    /// # Errors
    /// [`AudioError::NothingLoaded`].
    pub fn pause(&self) -> Result<(), AudioError> {
        self.ask(Command::Pause)
    }

    /// Goes back to the beginning, silent, and releases the device.
    ///
    /// # Errors
    /// [`AudioError::NothingLoaded`].
    pub fn stop(&self) -> Result<(), AudioError> {
        self.ask(Command::Stop)
    }

    /// Goes to a place, in milliseconds of the recording; beyond the end is the end. Goes on playing where it was playing.
    ///
    /// # Errors
    /// [`AudioError::NothingLoaded`], and those of [`crate::Decoder::seek`].
    pub fn seek(&self, ms: u64) -> Result<(), AudioError> {
        self.ask(|reply| Command::Seek(ms, reply))
    }

    /// Sets the speed, 0.5 to 2; the pitch stays.
    ///
    /// # Errors
    /// Those of [`crate::Decoder::seek`], as what was prepared at the old speed is made again.
    pub fn set_speed(&self, speed: f32) -> Result<(), AudioError> {
        let speed = if speed.is_finite() { speed.clamp(0.5, 2.0) } else { 1.0 };
        self.ask(|reply| Command::Speed(speed, reply))
    }

    /// Sets the volume, 0 to 2; heard at once.
    pub fn set_volume(&self, volume: f32) {
        self.shared.set_volume(if volume.is_finite() { volume.clamp(0.0, 2.0) } else { 1.0 });
    }

    /// Chooses the channels that are heard; heard at once. A single channel goes to both ears.
    pub fn set_channels(&self, channels: Channels) {
        self.shared.set_channels(channels);
    }

    /// Calls `done` each time a recording was played to its end. It is called on the player's thread and must not block;
    /// it may not call the player.
    ///
    /// # Errors
    /// [`AudioError::Internal`].
    pub fn on_end(&self, done: impl FnMut() + Send + 'static) -> Result<(), AudioError> {
        self.ask(|reply| Command::OnEnd(Box::new(done), reply))
    }

    /// The player now. Never waits.
    #[must_use]
    pub fn status(&self) -> Status {
        self.shared.status()
    }

    /// Place in the recording, in milliseconds.
    #[must_use]
    pub fn position_ms(&self) -> u64 {
        self.shared.position_ms()
    }

    /// What it is doing.
    #[must_use]
    pub fn state(&self) -> PlayerState {
        self.shared.status().state
    }
}

impl Drop for Player {
    fn drop(&mut self) {
        let _ = self.commands.send(Command::Quit);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
