use super::LedgerError;
use crate::{Checkpoint, CustodyEvent, EventFormat, Phase, merkle::Frontier};
use async_trait::async_trait;
use bytes::Bytes;
use holdfast_model::{ArchiveId, MatterId, Sha256Digest};
use jiff::Timestamp;

/// The one small thing that changes: how far the log goes. Everything else is written once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeadState {
    /// Rises by one with each swap; the first state has 1.
    pub revision: u64,
    /// The signed size and root.
    pub checkpoint: Checkpoint,
    /// The tree's right edge, of the checkpoint's size and root.
    pub frontier: Frontier,
    /// Leaf hash of the last entry.
    pub last_leaf: Sha256Digest,
    /// Time of the last entry.
    pub last_time: Timestamp,
    /// The format in which the next entry is written.
    pub format: EventFormat,
    /// Entries that lie in full tiles, a multiple of 256; those after it are kept by the head. Not part of what is swapped.
    pub tiled: u64,
}

/// An entry that becomes part of the log with a swap.
#[derive(Debug, Clone)]
pub struct Staged {
    /// Its sequence.
    pub sequence: u64,
    /// Its bytes.
    pub bytes: Bytes,
    /// Under what it can be found.
    pub keys: Vec<LookupKey>,
    /// The intent that it concludes.
    pub concludes: Option<u64>,
}

impl Staged {
    /// An event's bytes with all that it is found under.
    #[must_use]
    pub fn of(event: &CustodyEvent, bytes: Bytes) -> Self {
        let concludes = event.intent.filter(|_| event.phase == Phase::Outcome);
        Self { sequence: event.sequence, bytes, keys: LookupKey::of(event), concludes }
    }
}

/// Under what entries can be found. Derived from the entries and never evidence.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum LookupKey {
    /// The recording that an entry is about.
    Recording(ArchiveId),
    /// The matter that an entry belongs to.
    Matter(MatterId),
    /// The token that makes it unique.
    Token(String),
    /// Intents without an outcome.
    OpenIntent,
}

impl LookupKey {
    /// Everything under which `event` is found.
    #[must_use]
    pub fn of(event: &CustodyEvent) -> Vec<Self> {
        let mut keys = Vec::new();
        keys.extend(event.archive_id().cloned().map(Self::Recording));
        keys.extend(event.matter.clone().map(Self::Matter));
        keys.extend(event.idempotency.clone().map(Self::Token));
        keys.extend((event.phase == Phase::Intent).then_some(Self::OpenIntent));
        keys
    }

    pub(super) fn parts(&self) -> (u8, &str) {
        match self {
            Self::Recording(id) => (1, id.as_str()),
            Self::Matter(id) => (2, id.as_str()),
            Self::Token(token) => (3, token),
            Self::OpenIntent => (4, ""),
        }
    }
}

/// Stands for a set of lookup rows, whatever the order in which they were added: the sums of their hashes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LookupDigest {
    rows: u64,
    sums: [u64; 4],
}

impl LookupDigest {
    /// The rows that an event brings and that stay: not whether an intent is open.
    pub(super) fn add_event(&mut self, event: &CustodyEvent) {
        for key in LookupKey::of(event).iter().filter(|key| **key != LookupKey::OpenIntent) {
            let (kind, key) = key.parts();
            self.add(kind, key, event.sequence);
        }
    }

    /// One row.
    pub(super) fn add(&mut self, kind: u8, key: &str, sequence: u64) {
        let hash = Sha256Digest::of(&[&[kind], key.as_bytes(), &sequence.to_be_bytes()].concat());
        let mut row = Self { rows: 1, sums: [0; 4] };
        for (sum, part) in row.sums.iter_mut().zip(hash.0.as_chunks::<8>().0) {
            *sum = u64::from_be_bytes(*part);
        }
        self.join(&row);
    }

    /// All rows of another set.
    pub(super) fn join(&mut self, other: &Self) {
        self.rows = self.rows.wrapping_add(other.rows);
        self.sums = std::array::from_fn(|i| self.sums[i].wrapping_add(other.sums[i]));
    }
}

/// The compare-and-swap head: the only place where processes that append to one log meet. It also keeps the entries that do
/// not yet fill a tile, so that one durable write makes an append, and the lookup.
#[async_trait]
pub trait LedgerHead: Send + Sync {
    /// The state now; none when there is no log yet.
    async fn load(&self) -> Result<Option<HeadState>, LedgerError>;

    /// Sets `new` and adds `staged`, durably and all or nothing, when the revision still is `expected` (0: no log yet).
    /// False, and nothing done, when it is not. After an error either may be the case.
    async fn compare_and_swap(&self, expected: u64, new: HeadState, staged: Vec<Staged>) -> Result<bool, LedgerError>;

    /// The state, and the bytes of all entries from `tiled` on, of one moment.
    async fn snapshot(&self) -> Result<Option<(HeadState, Vec<Bytes>)>, LedgerError>;

    /// Tells that all entries before `size` lie in full, durable tiles, so that the head need not keep them.
    async fn tiled(&self, size: u64) -> Result<(), LedgerError>;

    /// Sequences found under `key`, rising, those after `after` only, at most `limit`.
    async fn find(&self, key: &LookupKey, after: Option<u64>, limit: usize) -> Result<Vec<u64>, LedgerError>;

    /// For each question, the first sequence found under a key after another sequence; all answers of one moment.
    async fn first_of(&self, questions: Vec<(LookupKey, Option<u64>)>) -> Result<Vec<Option<u64>>, LedgerError>;

    /// For each key, the last sequence found under it; all answers of one moment.
    async fn last_of(&self, keys: Vec<LookupKey>) -> Result<Vec<Option<u64>>, LedgerError>;

    /// The digest of all rows but those of open intents. None when the log has not `size` entries.
    async fn lookup_digest(&self, size: u64) -> Result<Option<LookupDigest>, LedgerError>;

    /// Adds `entries`, of the log from `from` to `to`, to a new lookup that is being made; `from` 0 begins one. Takes the new
    /// lookup into use, and answers true, when it has reached the head.
    async fn rebuild_lookup(&self, from: u64, to: u64, entries: Vec<Staged>) -> Result<bool, LedgerError>;
}
