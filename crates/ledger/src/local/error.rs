use crate::{CheckpointError, EventError, KeyError};
use holdfast_model::{Fault, FaultKind};
use std::{io, sync::Arc};

/// Why the ledger could not do what it was asked. Cloneable, as appends that were committed together fail together.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LedgerError {
    /// A draft is out of bounds. Nothing was written.
    #[error(transparent)]
    Event(#[from] Arc<EventError>),
    /// A key can't be used.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The head's checkpoint is not good.
    #[error("the ledger's head is not good: {0}")]
    Checkpoint(Arc<CheckpointError>),
    /// The tile folder could not be read or written.
    #[error("can't {what} {path}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// Path inside the tile store.
        path: String,
        /// What the operating system said.
        source: Arc<io::Error>,
    },
    /// The database of the head could not be read or written.
    #[error("can't {what} in the ledger's database")]
    Database {
        /// What was tried.
        what: &'static str,
        /// What SQLite said.
        source: Arc<rusqlite::Error>,
    },
    /// A service that keeps the head or the tiles failed or refused.
    #[error("can't {}: {}", .0.what, .0.detail)]
    Remote(Arc<RemoteFault>),
    /// Other processes kept winning.
    #[error("other processes kept writing to the ledger; gave up after {attempts} attempts")]
    Contended {
        /// How often it was tried.
        attempts: u32,
    },
    /// The work was interrupted after a step; whether the entry stands is not known to the caller.
    #[error("interrupted after {step}; the entry may stand in the ledger")]
    Interrupted {
        /// The step.
        step: &'static str,
    },
    /// The idempotency token belongs to an entry that says something else.
    #[error("the token {token} belongs to entry {sequence}, which says something else")]
    TokenReused {
        /// The token.
        token: String,
        /// The entry that has it.
        sequence: u64,
    },
    /// The head's parts contradict one another.
    #[error("the ledger's head is damaged: {problem}")]
    HeadDamaged {
        /// In what.
        problem: &'static str,
    },
    /// The ledger was written by a newer Holdfast.
    #[error("{what} was written by a newer version of Holdfast, in the format {found}; this version reads {known}")]
    FormatUnknown {
        /// Which part.
        what: String,
        /// The version it has.
        found: i64,
        /// The version this build reads.
        known: i64,
    },
    /// Tiles without a head.
    #[error("the folder holds a ledger, but its head is gone")]
    HeadLost,
    /// The head is behind what was seen before.
    #[error("the ledger has {size} entries but {known_size} were seen before, or others")]
    RolledBack {
        /// Entries known.
        known_size: u64,
        /// Entries found.
        size: u64,
    },
    /// There is no such entry.
    #[error("there is no entry {sequence}; the ledger has {size}")]
    NoSuchEntry {
        /// Asked for.
        sequence: u64,
        /// Entries there are.
        size: u64,
    },
    /// An entry that must be there is not, or can't be read.
    #[error("entry {sequence} can't be read: {problem}")]
    EntryUnreadable {
        /// Which.
        sequence: u64,
        /// Why.
        problem: String,
    },
    /// A tile that must be there is not, or does not fit.
    #[error("{path} is missing or damaged")]
    TileDamaged {
        /// Its path.
        path: String,
    },
    /// A tile is there with other bytes than those to be written.
    #[error("{path} is there already, with other bytes")]
    TileDiffers {
        /// Its path.
        path: String,
    },
    /// Another process does the same at this moment.
    #[error("another process is making the ledger's lookup anew")]
    RebuildRunning,
    /// An intent was expected.
    #[error("entry {sequence} is not an intent")]
    NotAnIntent {
        /// Which.
        sequence: u64,
    },
    /// Cancelled.
    #[error("cancelled")]
    Cancelled,
    /// A defect.
    #[error("defect in the ledger: {0}")]
    Internal(&'static str),
}

/// What a service that keeps the head or the tiles said when it did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteFault {
    /// What was tried, with the place.
    pub what: String,
    /// What was said; never a secret.
    pub detail: String,
    /// Stable code.
    pub code: &'static str,
    /// Its kind.
    pub kind: FaultKind,
    /// What to do next, as a sentence.
    pub next: String,
}

impl From<RemoteFault> for LedgerError {
    fn from(fault: RemoteFault) -> Self {
        Self::Remote(Arc::new(fault))
    }
}

impl LedgerError {
    pub(crate) fn io(what: &'static str, path: impl std::fmt::Display, source: io::Error) -> Self {
        Self::Io { what, path: path.to_string(), source: Arc::new(source) }
    }

    pub(crate) fn database(what: &'static str) -> impl FnOnce(rusqlite::Error) -> Self {
        move |source| Self::Database { what, source: Arc::new(source) }
    }
}

impl From<EventError> for LedgerError {
    fn from(e: EventError) -> Self {
        Self::Event(Arc::new(e))
    }
}

fn kind_of_io(e: &io::Error) -> FaultKind {
    match e.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => FaultKind::Denied,
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => FaultKind::Full,
        _ => FaultKind::Io,
    }
}

fn kind_of_sqlite(e: &rusqlite::Error) -> FaultKind {
    use rusqlite::ErrorCode as C;
    match e.sqlite_error_code() {
        Some(C::DiskFull) => FaultKind::Full,
        Some(C::ReadOnly | C::PermissionDenied | C::CannotOpen | C::AuthorizationForStatementDenied) => {
            FaultKind::Denied
        }
        Some(C::DatabaseCorrupt | C::NotADatabase) => FaultKind::Corrupt,
        Some(C::DatabaseBusy | C::DatabaseLocked) => FaultKind::Conflict,
        _ => FaultKind::Io,
    }
}

impl Fault for LedgerError {
    fn code(&self) -> &'static str {
        match self {
            Self::Event(e) => e.code(),
            Self::Key(e) => e.code(),
            Self::Checkpoint(e) => e.code(),
            Self::Io { .. } => "ledger.io",
            Self::Database { .. } => "ledger.database",
            Self::Remote(fault) => fault.code,
            Self::Contended { .. } => "ledger.contended",
            Self::Interrupted { .. } => "ledger.interrupted",
            Self::TokenReused { .. } => "ledger.token_reused",
            Self::HeadDamaged { .. } => "ledger.head_damaged",
            Self::FormatUnknown { .. } => "ledger.format_unknown",
            Self::HeadLost => "ledger.head_lost",
            Self::RolledBack { .. } => "ledger.rolled_back",
            Self::NoSuchEntry { .. } => "ledger.no_such_entry",
            Self::EntryUnreadable { .. } => "ledger.entry_unreadable",
            Self::TileDamaged { .. } => "ledger.tile_damaged",
            Self::TileDiffers { .. } => "ledger.tile_differs",
            Self::RebuildRunning => "ledger.rebuild_running",
            Self::NotAnIntent { .. } => "ledger.not_an_intent",
            Self::Cancelled => "ledger.cancelled",
            Self::Internal(_) => "ledger.internal",
        }
    }

    fn kind(&self) -> FaultKind {
        match self {
            Self::Event(e) => e.kind(),
            Self::Key(e) => e.kind(),
            Self::Checkpoint(e) => e.kind(),
            Self::Io { source, .. } => kind_of_io(source),
            Self::Database { source, .. } => kind_of_sqlite(source),
            Self::Remote(fault) => fault.kind,
            Self::Contended { .. } | Self::RebuildRunning | Self::TokenReused { .. } => FaultKind::Conflict,
            Self::Interrupted { .. } => FaultKind::Io,
            Self::NoSuchEntry { .. } => FaultKind::NotFound,
            Self::NotAnIntent { .. } => FaultKind::Invalid,
            Self::FormatUnknown { .. } => FaultKind::Unsupported,
            Self::Cancelled => FaultKind::Cancelled,
            Self::Internal(_) => FaultKind::Internal,
            Self::HeadDamaged { .. }
            | Self::HeadLost
            | Self::RolledBack { .. }
            | Self::EntryUnreadable { .. }
            | Self::TileDamaged { .. }
            | Self::TileDiffers { .. } => FaultKind::Corrupt,
        }
    }

    fn retry(&self) -> holdfast_model::Retry {
        use holdfast_model::Retry;
        match (self, self.kind()) {
            (Self::TokenReused { .. }, _) => Retry::Never,
            (_, FaultKind::Throttled | FaultKind::Io | FaultKind::Conflict) => Retry::Soon,
            (_, FaultKind::Offline | FaultKind::Full) => Retry::Later,
            _ => Retry::Never,
        }
    }

    fn next(&self) -> String {
        match self {
            Self::Event(e) => e.next(),
            Self::Key(e) => e.next(),
            Self::Checkpoint(e) => e.next(),
            Self::Io { .. } | Self::Database { .. } => match self.kind() {
                FaultKind::Full => "Make room on the disk that holds the ledger, then try again.".into(),
                FaultKind::Denied => "Give this user the right to write to the ledger's folder.".into(),
                FaultKind::Corrupt => {
                    "Stop writing, keep the folder as it is, and put the ledger's database back from a backup.".into()
                }
                _ => "Try again; if it stays, look at the disk that holds the ledger.".into(),
            },
            Self::Remote(fault) => fault.next.clone(),
            Self::Contended { .. } | Self::RebuildRunning => "Try again in a moment.".into(),
            Self::Interrupted { .. } => "Try again; an entry that stands already is not written twice.".into(),
            Self::TokenReused { .. } | Self::Internal(_) => {
                "Report this; two different events were given one token or a rule was broken.".into()
            }
            Self::FormatUnknown { .. } => {
                "Use the newer version of Holdfast that wrote the ledger. Nothing is damaged, and nothing was changed."
                    .into()
            }
            Self::HeadLost => {
                "Put the ledger's database back from a backup; do not start a new ledger in this folder.".into()
            }
            Self::NoSuchEntry { .. } | Self::NotAnIntent { .. } => {
                "Ask for an entry that exists; `holdfast ledger show` lists them.".into()
            }
            Self::Cancelled => "Start it again when you like.".into(),
            Self::HeadDamaged { .. }
            | Self::RolledBack { .. }
            | Self::EntryUnreadable { .. }
            | Self::TileDamaged { .. }
            | Self::TileDiffers { .. } => {
                "Stop writing, keep everything as it is, and run `holdfast ledger verify` to see what was changed."
                    .into()
            }
        }
    }
}
