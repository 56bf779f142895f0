use crate::IndexRow;
use holdfast_model::{ArchiveId, Availability, Direction, MatterId, MediaKind, Sha256Digest, StorageTier};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The largest page that is given; a larger [`Query::limit`] is answered with this many rows.
pub const MAX_LIMIT: usize = 1_000;

/// In which order a page is given. Rows with the same start follow each other by archive id.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sort {
    /// Latest start first.
    #[default]
    Newest,
    /// Earliest start first.
    Oldest,
}

/// [`Availability`] without its times.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AvailabilityState {
    /// Can be read.
    Online,
    /// Asked for and under way.
    Rehydrating,
    /// In a cold tier.
    Offline,
}

impl AvailabilityState {
    /// The word as it stands in JSON and in facets.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Online => "online",
            Self::Rehydrating => "rehydrating",
            Self::Offline => "offline",
        }
    }
}

impl From<&Availability> for AvailabilityState {
    fn from(a: &Availability) -> Self {
        match a {
            Availability::Online { .. } => Self::Online,
            Availability::Rehydrating { .. } => Self::Rehydrating,
            Availability::Offline => Self::Offline,
        }
    }
}

/// Which recordings are wanted. Every field that is set must hold; a field with several values in a record holds when one of
/// them is the wanted one. Texts are compared without case and diacritics, except ids (`interaction`, `recording_id`,
/// `session`, `external_id`, `hold`), which are exact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Query {
    /// Words that must all occur in the transcript, names and identifiers of participants, tags, notes, queues, wrap-up
    /// codes, attributes or ids; the last word also as the beginning of one unless a space or quote follows it. Any text is
    /// allowed; nothing in it is syntax.
    pub text: Option<String>,
    /// Start at or after.
    pub from: Option<Timestamp>,
    /// Start before.
    pub to: Option<Timestamp>,
    /// Identifier or name of a participant who was an agent.
    pub agent: Option<String>,
    /// A queue it went through.
    pub queue: Option<String>,
    /// Identifier or name of any participant.
    pub participant: Option<String>,
    /// A tag it carries.
    pub tag: Option<String>,
    /// The vendor's interaction id.
    pub interaction: Option<String>,
    /// The vendor's recording id.
    pub recording_id: Option<String>,
    /// The vendor's session or segment id.
    pub session: Option<String>,
    /// The recorder or platform.
    pub vendor: Option<String>,
    /// The tenant at the vendor.
    pub organisation: Option<String>,
    /// The kind of recording.
    pub media: Option<MediaKind>,
    /// The tier it lies in.
    pub tier: Option<StorageTier>,
    /// Whether it can be read.
    pub availability: Option<AvailabilityState>,
    /// Which way it began.
    pub direction: Option<Direction>,
    /// A matter that holds it.
    pub hold: Option<MatterId>,
    /// Region it may not leave.
    pub region: Option<String>,
    /// Data classification.
    pub classification: Option<String>,
    /// Name of its retention class.
    pub retention_class: Option<String>,
    /// Audio or video codec as found.
    pub codec: Option<String>,
    /// A wrap-up code.
    pub wrap_up: Option<String>,
    /// A division.
    pub division: Option<String>,
    /// An id in another system: `id`, or `system=id`.
    pub external_id: Option<String>,
    /// The vendor's free tag.
    pub external_tag: Option<String>,
    /// A vendor attribute as `name=value`.
    pub attribute: Option<String>,
    /// Language as BCP 47.
    pub language: Option<String>,
    /// At least this long; text recordings have no length and don't match.
    pub duration_min_ms: Option<u64>,
    /// At most this long.
    pub duration_max_ms: Option<u64>,
    /// Retained until this time or later.
    pub retain_until_from: Option<Timestamp>,
    /// Retained until before this time.
    pub retain_until_to: Option<Timestamp>,
    /// Taken in at or after.
    pub ingested_from: Option<Timestamp>,
    /// Taken in before.
    pub ingested_to: Option<Timestamp>,
    /// SHA-256 of the original bytes: which recording a file is.
    pub sha256: Option<Sha256Digest>,
    /// One of these; empty for any.
    pub ids: Vec<ArchiveId>,
    /// Order of the page.
    pub sort: Sort,
    /// Rows on a page, at most [`MAX_LIMIT`]; 0 for none (just the total).
    pub limit: usize,
    /// Where to go on, from [`Page::next`] of the same query.
    pub cursor: Option<Cursor>,
}

impl Default for Query {
    fn default() -> Self {
        Self {
            text: None,
            from: None,
            to: None,
            agent: None,
            queue: None,
            participant: None,
            tag: None,
            interaction: None,
            recording_id: None,
            session: None,
            vendor: None,
            organisation: None,
            media: None,
            tier: None,
            availability: None,
            direction: None,
            hold: None,
            region: None,
            classification: None,
            retention_class: None,
            codec: None,
            wrap_up: None,
            division: None,
            external_id: None,
            external_tag: None,
            attribute: None,
            language: None,
            duration_min_ms: None,
            duration_max_ms: None,
            retain_until_from: None,
            retain_until_to: None,
            ingested_from: None,
            ingested_to: None,
            sha256: None,
            ids: Vec::new(),
            sort: Sort::Newest,
            limit: 50,
            cursor: None,
        }
    }
}

/// Where a page ended, as an opaque text. Checked when it is used: one from another query, or altered, is refused.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Cursor(pub(crate) String);

impl Cursor {
    /// Takes a cursor as it came back from outside.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The cursor as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One page of what a query found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The rows in order.
    pub rows: Vec<IndexRow>,
    /// How many recordings match in all, the pages before this one included; where [`total_is_exact`](Self::total_is_exact)
    /// is false, at least so many. An index that counts within bounds ([`IndexLimits::exact_within`](crate::IndexLimits))
    /// counts for the first page; the pages after it repeat what it said.
    pub total: u64,
    /// Whether `total` is all of them.
    pub total_is_exact: bool,
    /// Where to go on; none on the last page. From an index that looks within bounds a page may be shorter than asked for,
    /// or empty, and still have a next one: it went through as many recordings as one call may.
    pub next: Option<Cursor>,
}

/// How many of the matching recordings have each value: the 20 most frequent of each field, most frequent first, equals by
/// name. Names are spelled as in the records (of several spellings the first in byte order).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facets {
    /// By recorder or platform.
    pub vendor: Vec<(String, u64)>,
    /// By kind of recording.
    pub media: Vec<(String, u64)>,
    /// By queue.
    pub queue: Vec<(String, u64)>,
    /// By agent: display name, else identifier.
    pub agent: Vec<(String, u64)>,
    /// By tag.
    pub tag: Vec<(String, u64)>,
    /// By storage tier.
    pub tier: Vec<(String, u64)>,
    /// By direction.
    pub direction: Vec<(String, u64)>,
    /// By calendar year of the start, UTC.
    pub year: Vec<(String, u64)>,
    /// Whether all that match were counted; false where only as many were as the index looks at.
    pub complete: bool,
}
