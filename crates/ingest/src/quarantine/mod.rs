//! Setting aside what does not fit, with everything that belongs to it, and deciding what becomes of it.

mod keep;
mod resolve;
mod source;

use crate::{RunSummary, item::Failure};
use holdfast_connectors::Problem;
use holdfast_model::{CanonicalRecord, Fixity, ObjectKey, SourceRef};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Reasons for which the archiver sets something aside, beside those of [`holdfast_connectors::reason`].
pub mod aside {
    /// Less is there than header or metadata promise.
    pub const TRUNCATED: &str = "truncation_detected";
    /// More is there than the metadata promise.
    pub const DURATION_MISMATCH: &str = "duration_mismatch";
    /// Another kind of media than the metadata say.
    pub const KIND_MISMATCH: &str = "kind_mismatch";
    /// Nothing is there.
    pub const EMPTY: &str = "empty";
    /// The structure contradicts itself.
    pub const MALFORMED_MEDIA: &str = "malformed_media";
    /// The same recording is archived with other bytes.
    pub const CONFLICT: &str = "conflict";
    /// The same recording is archived with the same bytes and other metadata.
    pub const METADATA_CONFLICT: &str = "metadata_conflict";
    /// No rule of the retention policy applies.
    pub const NO_RETENTION_RULE: &str = "no_retention_rule";
    /// The recording may not be stored in this region; nothing of it is kept here.
    pub const RESIDENCY: &str = "residency_refused";
    /// The ids are too long for an object's name.
    pub const NAME_TOO_LONG: &str = "name_too_long";
    /// The file may not be read.
    pub const UNREADABLE: &str = holdfast_connectors::reason::UNREADABLE;
    /// A mandatory field is missing.
    pub const FIELD_MISSING: &str = holdfast_connectors::reason::FIELD_MISSING;
}

/// What a person may accept: the bytes are there, and what is wrong can be written beside them.
/// A conflict is accepted only where no recording is archived yet: the place is taken by bytes that nothing describes.
const ACCEPTABLE: [&str; 6] = [
    aside::TRUNCATED,
    aside::DURATION_MISMATCH,
    aside::KIND_MISMATCH,
    aside::EMPTY,
    aside::MALFORMED_MEDIA,
    aside::CONFLICT,
];

/// First field of a case.
const CASE_FORMAT: &str = "holdfast-quarantine/1";
/// Largest case that is read back: a record and its text.
const CASE_LIMIT: usize = 16 << 20;

/// Why something is set aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reason {
    pub(crate) reason: String,
    pub(crate) sentence: String,
    pub(crate) field: Option<String>,
    pub(crate) line: Option<u64>,
    pub(crate) column: Option<u64>,
    pub(crate) expected: Option<String>,
    pub(crate) found: Option<String>,
}

impl Reason {
    pub(crate) fn new(reason: &str, sentence: impl Into<String>) -> Self {
        Self {
            reason: reason.to_owned(),
            sentence: sentence.into(),
            field: None,
            line: None,
            column: None,
            expected: None,
            found: None,
        }
    }

    pub(crate) fn values(self, expected: impl Into<String>, found: impl Into<String>) -> Self {
        Self { expected: Some(expected.into()), found: Some(found.into()), ..self }
    }
}

impl From<Problem> for Reason {
    fn from(p: Problem) -> Self {
        let Problem { reason, sentence, field, line, column } = p;
        Self { field, line, column, ..Self::new(&reason, sentence) }
    }
}

/// What is kept of something set aside, in the item's state.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Aside {
    pub(crate) reason: String,
    pub(crate) sentence: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) field: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) line: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) column: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) expected: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) found: Option<String>,
    pub(crate) since: Timestamp,
    /// The case file; none where nothing may be kept here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) case: Option<ObjectKey>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) resolution: Option<Resolution>,
}

impl Aside {
    /// What is known of an item that failed too often and so was never set aside with a reason of its own.
    pub(crate) fn of_failure(failure: Option<&Failure>, since: Timestamp) -> Self {
        let (reason, sentence) =
            failure.map(|f| (f.code.clone(), format!("{} {}", f.sentence, f.next))).unwrap_or_default();
        Self {
            reason,
            sentence,
            field: None,
            line: None,
            column: None,
            expected: None,
            found: None,
            since,
            case: None,
            resolution: None,
        }
    }
}

/// What a person decided.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Resolution {
    pub(crate) decision: Decision,
    pub(crate) reason: String,
    pub(crate) person: String,
    pub(crate) at: Timestamp,
}

/// What is to become of an item in quarantine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// The source was mended: look at it again.
    Retry,
    /// Archive it as it is, marked.
    Accept,
    /// There is nothing to archive.
    Explain,
}

/// An item that was set aside, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuarantineCase {
    /// Names it in further calls.
    pub id: String,
    /// Where from.
    pub source: SourceRef,
    /// File name.
    pub name: String,
    /// Stable reason.
    pub reason: String,
    /// A sentence.
    pub sentence: String,
    /// The canonical field concerned.
    pub field: Option<String>,
    /// Line and column in the metadata.
    pub place: Option<(u64, u64)>,
    /// What should be.
    pub expected: Option<String>,
    /// What is.
    pub found: Option<String>,
    /// Since when.
    pub since: Timestamp,
    /// Where its bytes and metadata are kept: the case file's locator.
    pub kept_at: Option<String>,
    /// The item's state now: `quarantined`, `dead_lettered`, or what became of it.
    pub state: String,
    /// What was decided, by whom and why.
    pub resolution: Option<String>,
}

/// A file that was kept.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Kept {
    role: String,
    name: String,
    key: ObjectKey,
    fixity: Fixity,
}

/// The case file: what was known when the item was set aside. The same facts give the same bytes.
#[derive(Debug, Serialize, Deserialize)]
struct Case {
    format: String,
    source: SourceRef,
    name: String,
    reason: String,
    sentence: String,
    field: Option<String>,
    line: Option<u64>,
    column: Option<u64>,
    expected: Option<String>,
    found: Option<String>,
    record: Option<CanonicalRecord>,
    media_from_content: bool,
    transcript: Option<String>,
    payload_schema: Option<String>,
    payload_extension: Option<String>,
    kept: Vec<Kept>,
}

/// What was kept.
pub(crate) struct KeptCase {
    pub(crate) case: Option<ObjectKey>,
    pub(crate) media: Option<Fixity>,
}

/// Whether a run was only a person's decision taking effect.
pub(crate) fn is_resolution(summary: &RunSummary) -> bool {
    summary.kind == "quarantine"
}
