//! Sound: what a recording's bytes are (probe), how they are decoded, what they look like (peaks), how they are played.
//!
//! Containers are parsed here, through one bounded window on the file (`bytes`), because every one of them must be walked
//! to find truncation anyway, and because memory may not grow with a recording. Codecs are symphonia's and libopus's; PCM,
//! A-law and mu-law are a table and an addition, done here; what is left goes to an `ffmpeg` process when there is one.
//!
//! Everything is synchronous and blocking; callers put it on threads of their own. Nothing here writes to a recording.

mod bytes;
mod container;
mod decode;
mod error;
mod peaks;
mod play;
mod probe;
mod view;

pub use decode::{Decoder, DecoderKind, Spec, find_ffmpeg};
pub use error::AudioError;
pub use peaks::{ChannelPeaks, Peaks, Resolution, peaks};
pub use play::{Player, PlayerState, Status};
pub use probe::{Defect, ProbeOutcome, probe};
pub use view::{Channels, WavView};
