//! What a recording is, found by looking into its bytes, and what is wrong with it.

mod text;
mod timed;

use crate::{AudioError, bytes::Bytes, container};
use holdfast_model::{MediaKind, Probe};
use serde::{Deserialize, Serialize};
use std::{fmt, path::Path};

/// What was found in a recording's bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProbeOutcome {
    /// Container, codec, duration, as they stand in the manifest.
    pub probe: Probe,
    /// IANA media type by content, e.g. `audio/wav`.
    pub media_type: String,
    /// What is wrong; empty for a sound recording.
    pub defects: Vec<Defect>,
}

/// Something wrong with a recording's bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "defect", rename_all = "snake_case")]
pub enum Defect {
    /// There are no bytes, or no sound or text in them.
    Empty,
    /// No known format begins like this.
    Unrecognised,
    /// The bytes are another kind of recording than the source says.
    KindMismatch {
        /// What the source says.
        declared: MediaKind,
        /// What it is.
        found: String,
    },
    /// Less is there than the recording's own header or structure promises.
    Truncated {
        /// What it promises.
        header_says: String,
        /// What is there.
        found: String,
    },
    /// The structure contradicts itself.
    Malformed {
        /// Where and how.
        what: String,
    },
}

impl Defect {
    pub(crate) fn truncated(header_says: impl Into<String>, found: impl Into<String>) -> Self {
        Self::Truncated { header_says: header_says.into(), found: found.into() }
    }

    pub(crate) fn malformed(what: impl Into<String>) -> Self {
        Self::Malformed { what: what.into() }
    }
}

impl fmt::Display for Defect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("the recording is empty"),
            Self::Unrecognised => f.write_str("the format is not recognised"),
            Self::KindMismatch { declared, found } => {
                let declared = match declared {
                    MediaKind::Voice => "a voice recording",
                    MediaKind::Screen => "a screen recording",
                    MediaKind::Chat => "a chat",
                    MediaKind::Email => "an e-mail",
                    MediaKind::Message => "a message thread",
                };
                write!(f, "the source says {declared}, the bytes are {found}")
            }
            Self::Truncated { header_says, found } => write!(f, "cut short: {header_says} announced, {found} found"),
            Self::Malformed { what } => f.write_str(what),
        }
    }
}

/// What the bytes are, for comparing with what the source says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    Sound,
    Video,
    Text,
}

struct Draft {
    outcome: ProbeOutcome,
    found: Option<Found>,
}

impl Draft {
    fn new(container: &str, media_type: &str, found: Found) -> Self {
        let probe = Probe { container: container.to_owned(), ..Probe::default() };
        let outcome = ProbeOutcome { probe, media_type: media_type.to_owned(), defects: Vec::new() };
        Self { outcome, found: Some(found) }
    }

    fn remark(&mut self, text: impl Into<String>) {
        self.outcome.probe.remarks.push(text.into());
    }
}

/// Looks into the recording at `path`: what it is by content, how long it is by walking its packets, and what is wrong with
/// it. `declared_name` is the file name at the source; a name that contradicts the content is remarked, never believed.
///
/// Memory is bounded whatever the file's length. Time grows with it where every packet must be looked at; payloads are not
/// decoded.
///
/// # Errors
/// [`AudioError::Io`] where the file can't be read. Whatever its bytes are is an outcome, not an error.
pub fn probe(path: &Path, kind: MediaKind, declared_name: &str) -> Result<ProbeOutcome, AudioError> {
    let mut bytes = Bytes::open(path)?;
    let draft = if bytes.len() == 0 {
        empty()
    } else if let Some(container) = container::recognise(&mut bytes)? {
        timed::probe(bytes, container)?
    } else {
        text::probe(path, &mut bytes, declared_name)?
    };
    let Draft { mut outcome, found } = draft;
    if let Some(found) = found {
        compare(&mut outcome, found, kind);
        compare_name(&mut outcome.probe, declared_name);
    }
    Ok(outcome)
}

fn empty() -> Draft {
    let mut draft = Draft::new("empty", "application/octet-stream", Found::Text);
    draft.outcome.defects.push(Defect::Empty);
    draft.found = None;
    draft
}

fn unrecognised() -> Draft {
    let mut draft = Draft::new("unknown", "application/octet-stream", Found::Text);
    draft.outcome.defects.push(Defect::Unrecognised);
    draft.found = None;
    draft
}

fn compare(outcome: &mut ProbeOutcome, found: Found, declared: MediaKind) {
    let p = &outcome.probe;
    let fits = match declared {
        MediaKind::Voice => p.codec.is_some() && found != Found::Text,
        MediaKind::Screen => found == Found::Video,
        MediaKind::Chat | MediaKind::Email | MediaKind::Message => found == Found::Text,
    };
    // A damaged head may hide what it is; then the damage is what to say.
    let hidden = found != Found::Text && p.codec.is_none() && p.video_codec.is_none() && !outcome.defects.is_empty();
    if fits || (hidden && declared.is_timed()) {
        return;
    }
    let what = match found {
        Found::Sound => "sound without a picture",
        Found::Video if p.codec.is_none() => "a picture without sound",
        Found::Video => "a picture with sound",
        Found::Text => "text",
    };
    let found = format!("{what} ({})", p.container);
    outcome.defects.push(Defect::KindMismatch { declared, found });
}

fn compare_name(probe: &mut Probe, name: &str) {
    const NAMES: [(&str, &[&str]); 14] = [
        ("wav", &["wav", "wave"]),
        ("mp3", &["mp3", "mp2", "mpga"]),
        ("ogg", &["ogg", "oga", "opus", "spx", "ogv"]),
        ("webm", &["webm", "weba"]),
        ("matroska", &["mkv", "mka"]),
        ("mp4", &["mp4", "m4a", "m4v", "mov", "3gp", "m4b"]),
        ("flac", &["flac"]),
        ("json", &["json", "jsonl", "ndjson"]),
        ("eml", &["eml", "mht", "mhtml"]),
        ("txt", &["txt", "text", "log", "csv", "xml", "md"]),
        ("amr", &["amr", "awb"]),
        ("aiff", &["aif", "aiff", "aifc"]),
        ("caf", &["caf"]),
        ("adts", &["aac", "adts"]),
    ];
    let Some((_, extension)) = name.rsplit_once('.') else { return };
    let extension = extension.to_ascii_lowercase();
    let named = NAMES.iter().find(|(_, known)| known.contains(&extension.as_str()));
    if named.is_some_and(|(container, _)| *container != probe.container) {
        probe.remarks.push(format!("named .{extension}, but it is {} by content", probe.container));
    }
}
