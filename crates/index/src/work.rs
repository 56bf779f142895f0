use crate::IndexError;
use async_trait::async_trait;
use holdfast_model::is_newer_format;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Which state machine a piece of work is an instance of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WorkKind {
    /// One item of a source on its way into the archive.
    IngestItem,
    /// One run of the archiver.
    IngestRun,
    /// One matter.
    Matter,
    /// One recording in a matter.
    MatterItem,
    /// One retrieval plan.
    Plan,
    /// One recording on its way to the desk.
    Retrieval,
    /// One evidence package in the making.
    Export,
    /// One thing to tell somebody over one channel.
    Notification,
    /// Whose turn it is to ask a store for rehydrations, and how much its limited speeds have to do.
    Turn,
}

impl WorkKind {
    /// All kinds.
    pub const ALL: [Self; 9] = [
        Self::IngestItem,
        Self::IngestRun,
        Self::Matter,
        Self::MatterItem,
        Self::Plan,
        Self::Retrieval,
        Self::Export,
        Self::Notification,
        Self::Turn,
    ];

    /// The name it is stored under.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::IngestItem => "ingest_item",
            Self::IngestRun => "ingest_run",
            Self::Matter => "matter",
            Self::MatterItem => "matter_item",
            Self::Plan => "plan",
            Self::Retrieval => "retrieval",
            Self::Export => "export",
            Self::Notification => "notification",
            Self::Turn => "turn",
        }
    }
}

/// Who works on it, and until when nobody else may.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// The process (or task) that holds it; unique among all that share the store.
    pub owner: String,
    /// When it lapses.
    pub until: Timestamp,
}

/// One instance of a persisted state machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Work {
    /// Which machine.
    pub kind: WorkKind,
    /// Id, unique among its kind. At most 512 bytes.
    pub id: String,
    /// What it belongs to (a run, a matter, a plan), as that one's id.
    pub parent: Option<String>,
    /// The machine's state.
    pub state: String,
    /// Counts the changes: 0 before it is stored, 1 once created, one more at each update and each claim.
    pub rev: u64,
    /// Not to be claimed before.
    pub due_at: Option<Timestamp>,
    /// Who works on it.
    pub lease: Option<Lease>,
    /// When it was last changed; set by the store.
    pub updated_at: Timestamp,
    /// Whatever the machine keeps.
    pub doc: serde_json::Value,
}

impl Work {
    /// Work that is not stored yet.
    #[must_use]
    pub fn new(kind: WorkKind, id: impl Into<String>, state: impl Into<String>, doc: serde_json::Value) -> Self {
        Self {
            kind,
            id: id.into(),
            parent: None,
            state: state.into(),
            rev: 0,
            due_at: None,
            lease: None,
            updated_at: Timestamp::UNIX_EPOCH,
            doc,
        }
    }

    /// The same, belonging to `parent`.
    #[must_use]
    pub fn of(mut self, parent: impl Into<String>) -> Self {
        self.parent = Some(parent.into());
        self
    }
}

/// The format of the documents of this version. They carry no `format` member themselves; a later version whose documents this one
/// must not touch writes `"format":"holdfast-work/2"` at their top.
pub const WORK_FORMAT: &str = "holdfast-work/1";

/// Refuses a document that a newer version wrote, before it is read as one of this version and written back without what this
/// version does not know. `what` names it in the error.
///
/// # Errors
/// [`IndexError::NewerDocument`].
pub fn refuse_newer(what: &str, doc: &serde_json::Value) -> Result<(), IndexError> {
    match doc.get("format").and_then(serde_json::Value::as_str).filter(|f| is_newer_format(f, WORK_FORMAT)) {
        Some(format) => Err(IndexError::NewerDocument { what: what.to_owned(), format: format.to_owned() }),
        None => Ok(()),
    }
}

/// What came of a create.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CreateOutcome {
    /// It is stored, with this content (rev 1).
    Created(Work),
    /// Kind and id are taken; this is what is there.
    Exists(Work),
}

/// What came of an update.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UpdateOutcome {
    /// All are stored; the new revs in order.
    Updated(Vec<u64>),
    /// One had changed meanwhile; nothing at all was stored.
    Conflict {
        /// Position of the first one that had changed.
        at: usize,
        /// What is there now; none where it is not there.
        current: Option<Box<Work>>,
    },
}

impl UpdateOutcome {
    /// The new rev of a single update; none after a conflict.
    #[must_use]
    pub fn rev(&self) -> Option<u64> {
        match self {
            Self::Updated(revs) => revs.first().copied(),
            Self::Conflict { .. } => None,
        }
    }
}

/// Which work to list.
#[derive(Debug, Clone, Copy)]
pub struct ListWork<'a> {
    /// The kind.
    pub kind: WorkKind,
    /// Of this parent only.
    pub parent: Option<&'a str>,
    /// In one of these states; empty for any.
    pub states: &'a [&'a str],
    /// Ids after this one.
    pub after: Option<&'a str>,
    /// At most so many; `usize::MAX` for all. Where states but no parent are named, a backend may look through all ids in these
    /// states at each call, so that whoever wants all of it asks once.
    pub limit: usize,
}

/// Which work to take, for whom and for how long.
#[derive(Debug, Clone, Copy)]
pub struct Claim<'a> {
    /// The kind.
    pub kind: WorkKind,
    /// In one of these states.
    pub states: &'a [&'a str],
    /// Of this parent only.
    pub parent: Option<&'a str>,
    /// Who takes it.
    pub owner: &'a str,
    /// For how many milliseconds, by the store's clock.
    pub lease_ms: u64,
    /// At most so many.
    pub limit: usize,
}

/// The most pieces of work that one call of [`WorkStore::update_many`] changes on every backend: as many as a transaction of
/// DynamoDB takes. See [`WorkStore::max_updates`] for what one backend takes.
pub const MAX_UPDATES: usize = 100;

/// Keeps state machines through crashes and between processes. What a call has returned is durable.
///
/// A claim raises the rev, so the rev is the fencing token: whoever lost a lease (slow, suspended, or because somebody's
/// clock jumped) finds that its next update conflicts, whatever any clock says. A clock that jumps back only makes leases
/// last longer; one that jumps forward can let a second owner in, whose claim then shuts the first one's updates out.
#[async_trait]
pub trait WorkStore: Send + Sync {
    /// Stores new work, leaving what is already there as it is; one outcome each, in order. Each comes in whole or not at all.
    /// Whether all come in at one instant is the backend's (SQLite: one transaction; DynamoDB: one by one), so a call that was
    /// cut off may have stored some; it is repeated, and finds those as `Exists`.
    async fn create_many(&self, new: Vec<Work>) -> Result<Vec<CreateOutcome>, IndexError>;

    /// Stores one new piece of work.
    async fn create(&self, new: Work) -> Result<CreateOutcome, IndexError> {
        let outcomes = self.create_many(vec![new]).await?;
        outcomes.into_iter().next().ok_or_else(|| IndexError::Internal("a create had no outcome".into()))
    }

    /// The work with this id.
    async fn get(&self, kind: WorkKind, id: &str) -> Result<Option<Work>, IndexError>;

    /// The most pieces of work that one call of [`Self::update_many`] changes here: [`MAX_UPDATES`] or more. Who has more to
    /// change cuts it by this.
    fn max_updates(&self) -> usize {
        MAX_UPDATES
    }

    /// Replaces parent, state, due time, lease and document of each where its rev is still the stored one (rev 0: where it
    /// is not there yet), all of them in one transaction or none. At most [`Self::max_updates`], none of them twice.
    ///
    /// # Errors
    /// `index.too_many`; `index.invalid` for one that comes twice, where the backend cannot take it.
    async fn update_many(&self, works: Vec<Work>) -> Result<UpdateOutcome, IndexError>;

    /// Replaces one.
    async fn update(&self, work: Work) -> Result<UpdateOutcome, IndexError> {
        self.update_many(vec![work]).await
    }

    /// Work by ascending id. Where states but no parent are named, a backend may show what was changed within the last moments
    /// as not there yet, or not gone yet; never with another content than it has.
    async fn list(&self, query: ListWork<'_>) -> Result<Vec<Work>, IndexError>;

    /// Takes work that is due and that nobody holds (or whose lease has lapsed), the longest due first, never due first of
    /// all. Each comes back with the new lease and rev. A backend may count work whose lease lapsed as due from then.
    async fn claim(&self, claim: Claim<'_>) -> Result<Vec<Work>, IndexError>;

    /// Prolongs a lease to `lease_ms` from now. False where `owner` no longer holds it: stop working on it.
    async fn renew(&self, kind: WorkKind, id: &str, owner: &str, lease_ms: u64) -> Result<bool, IndexError>;

    /// Gives a lease back. False where `owner` did not hold it.
    async fn release(&self, kind: WorkKind, id: &str, owner: &str) -> Result<bool, IndexError>;

    /// How many there are in each state. Without a parent the numbers may be some moments old, large ones a minute.
    async fn counts(&self, kind: WorkKind, parent: Option<&str>) -> Result<BTreeMap<String, u64>, IndexError>;
}

/// Whether a piece of work has an id that every backend can keep.
pub(crate) fn check(work: &Work) -> Result<(), IndexError> {
    if work.id.is_empty() || work.id.len() > 512 {
        return Err(IndexError::Invalid(format!("the id of a {} must have 1 to 512 bytes", work.kind.as_str())));
    }
    Ok(())
}

/// When a lease that begins now ends.
pub(crate) fn after_ms(now: Timestamp, ms: u64) -> Result<Timestamp, IndexError> {
    let ms = i64::try_from(ms).unwrap_or(i64::MAX);
    Timestamp::from_millisecond(now.as_millisecond().saturating_add(ms))
        .map_err(|_| IndexError::Invalid("the lease is longer than time can be written".into()))
}
