use holdfast_model::{Fault, FaultKind};
use std::io;

/// What can go wrong while a recording is looked into, decoded or played. Carries no path: recordings are named by
/// whoever asked.
#[derive(Debug, thiserror::Error)]
pub enum AudioError {
    /// The operating system refused or failed.
    #[error("the recording could not be read: {0}")]
    Io(#[from] io::Error),
    /// There is nothing to hear: a transcript, a silent screen recording, an empty file.
    #[error("there is no sound in this recording ({found})")]
    NoSound {
        /// What was found instead.
        found: String,
    },
    /// Only ffmpeg can decode it, and there is none on the search path.
    #[error("sound coded as {codec} needs the program ffmpeg, and none was found on the search path")]
    NeedsFfmpeg {
        /// The codec's name.
        codec: String,
    },
    /// The bytes contradict their own format.
    #[error("the recording is damaged: {what}")]
    Damaged {
        /// What is wrong.
        what: String,
    },
    /// ffmpeg was started and failed.
    #[error("ffmpeg could not decode this recording: {reason}")]
    Ffmpeg {
        /// The last line that it wrote, or why it could not be started.
        reason: String,
    },
    /// No device to play on.
    #[error("there is no sound device to play on ({reason})")]
    NoDevice {
        /// What the sound system said.
        reason: String,
    },
    /// Asked to play, seek or pause when nothing is loaded.
    #[error("no recording is loaded")]
    NothingLoaded,
    /// The person cancelled.
    #[error("cancelled")]
    Cancelled,
    /// A defect in Holdfast.
    #[error("internal error in playback: {what}")]
    Internal {
        /// Where.
        what: &'static str,
    },
}

impl AudioError {
    pub(crate) fn damaged(what: impl Into<String>) -> Self {
        Self::Damaged { what: what.into() }
    }
}

impl Fault for AudioError {
    fn code(&self) -> &'static str {
        match self {
            Self::Io(_) => "audio.io",
            Self::NoSound { .. } => "audio.no_sound",
            Self::NeedsFfmpeg { .. } => "audio.needs_ffmpeg",
            Self::Damaged { .. } => "audio.damaged",
            Self::Ffmpeg { .. } => "audio.ffmpeg",
            Self::NoDevice { .. } => "audio.no_device",
            Self::NothingLoaded => "audio.nothing_loaded",
            Self::Cancelled => "audio.cancelled",
            Self::Internal { .. } => "audio.internal",
        }
    }

    fn kind(&self) -> FaultKind {
        match self {
            Self::Io(e) => match e.kind() {
                io::ErrorKind::NotFound => FaultKind::NotFound,
                io::ErrorKind::PermissionDenied => FaultKind::Denied,
                io::ErrorKind::InvalidInput => FaultKind::Invalid,
                io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => FaultKind::Corrupt,
                _ => FaultKind::Io,
            },
            Self::NoSound { .. } | Self::NothingLoaded => FaultKind::Invalid,
            Self::NeedsFfmpeg { .. } => FaultKind::Unsupported,
            Self::Damaged { .. } | Self::Ffmpeg { .. } => FaultKind::Corrupt,
            Self::NoDevice { .. } => FaultKind::NotFound,
            Self::Cancelled => FaultKind::Cancelled,
            Self::Internal { .. } => FaultKind::Internal,
        }
    }

    fn next(&self) -> String {
        match self {
            Self::Io(_) => "Check that the file is there and may be read, then try again.".into(),
            Self::NoSound { .. } => "Open it as a document or screen recording instead.".into(),
            Self::NeedsFfmpeg { .. } => {
                "Install ffmpeg and try again. The recording itself is archived whole and can be exported.".into()
            }
            Self::Damaged { .. } => {
                "Verify the recording: if it matches the archive, it was damaged at its source.".into()
            }
            Self::Ffmpeg { .. } => "Export the recording and open it in another player.".into(),
            Self::NoDevice { .. } => "Connect or enable a sound device, or listen in the browser.".into(),
            Self::NothingLoaded => "Open a recording first.".into(),
            Self::Cancelled => "Start again when wanted.".into(),
            Self::Internal { .. } => "Please report this with the steps that led here.".into(),
        }
    }
}
