use holdfast_model::{ArchiveId, Fault, FaultKind};
use std::path::PathBuf;

/// What can go wrong in the index and in the work store. Messages name files and fields, never the values people typed.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// No recording has this id.
    #[error("the index has no recording {0}")]
    NotFound(ArchiveId),
    /// No work of this kind has this id.
    #[error("there is no {kind} {id}")]
    NoWork {
        /// Kind, as written in the store.
        kind: &'static str,
        /// Id asked for.
        id: String,
    },
    /// A cursor that this index did not give, or not for this query.
    #[error("the cursor cannot be used: {0}")]
    BadCursor(&'static str),
    /// A query or row that contradicts itself.
    #[error("{0}")]
    Invalid(String),
    /// The file was written by a newer Holdfast.
    #[error(
        "{path} was written by a newer version of Holdfast (schema {found}; this one knows versions up to {known})"
    )]
    NewerSchema {
        /// The file.
        path: PathBuf,
        /// Its `user_version`.
        found: i64,
        /// The newest version known here.
        known: i64,
    },
    /// A document of the work store was written by a newer Holdfast.
    #[error("the document of {what} was written by a newer version of Holdfast, in the format {format}")]
    NewerDocument {
        /// Whose document.
        what: String,
        /// The format it names.
        format: String,
    },
    /// The file is not a SQLite database, or what is in it does not fit together.
    #[error("{path} is damaged: {detail}")]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What was found.
        detail: String,
    },
    /// The file or its folder may not be written.
    #[error("{path} cannot be written: {detail}")]
    ReadOnly {
        /// The file.
        path: PathBuf,
        /// What the system said.
        detail: String,
    },
    /// No space left.
    #[error("there is no space left for {path}")]
    Full {
        /// The file.
        path: PathBuf,
    },
    /// Another process held the write lock for longer than we wait.
    #[error("{path} is locked by another process")]
    Busy {
        /// The file.
        path: PathBuf,
    },
    /// Another rebuild was started after this one.
    #[error("another rebuild of the index has begun; this one was given up")]
    RebuildSuperseded,
    /// The file could not be opened, read or written.
    #[error("{path}: {detail}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        detail: String,
    },
    /// More in one call than this backend takes.
    #[error("{given} pieces of work were to be changed in one step; at most {most} can be")]
    TooMany {
        /// How many there were.
        given: usize,
        /// How many there may be.
        most: usize,
    },
    /// The table takes no more requests at the moment, after many attempts.
    #[error("the table {table} is too busy ({action})")]
    Throttled {
        /// The table.
        table: String,
        /// What was asked of it, e.g. `dynamodb:Query`.
        action: &'static str,
    },
    /// Others changed the same items again and again.
    #[error("others keep changing the same items of the table {table} ({action})")]
    Contended {
        /// The table.
        table: String,
        /// What was asked of it.
        action: &'static str,
    },
    /// There is no such table, or it lacks its index.
    #[error("there is no table {table} in this region and account, or it is not one of Holdfast's")]
    NoTable {
        /// The table.
        table: String,
    },
    /// This identity may not do this, or may not use the table's encryption key.
    #[error("this identity may not do {right} on the table {table}, or may not use its encryption key")]
    Denied {
        /// The table.
        table: String,
        /// The missing right, e.g. `dynamodb:Query`.
        right: String,
    },
    /// There are no credentials, or they are not valid any more.
    #[error("the credentials for the table {table} cannot be used: {detail}")]
    Credentials {
        /// The table.
        table: String,
        /// The provider's code; never the credentials.
        detail: String,
    },
    /// No answer came. What was asked may have been done; asking again is safe.
    #[error("the table {table} cannot be reached: {detail}")]
    Unreachable {
        /// The table.
        table: String,
        /// What happened on the way.
        detail: String,
    },
    /// Items of a table do not fit together.
    #[error("the table {table} is damaged: {detail}")]
    DamagedItem {
        /// The table.
        table: String,
        /// What was found.
        detail: String,
    },
    /// A defect in Holdfast.
    #[error("defect in the index: {0}")]
    Internal(String),
}

impl Fault for IndexError {
    fn code(&self) -> &'static str {
        match self {
            Self::NotFound(_) => "index.not_found",
            Self::NoWork { .. } => "index.no_work",
            Self::BadCursor(_) => "index.bad_cursor",
            Self::Invalid(_) => "index.invalid",
            Self::NewerSchema { .. } => "index.newer_schema",
            Self::NewerDocument { .. } => "index.newer_document",
            Self::Corrupt { .. } => "index.corrupt",
            Self::ReadOnly { .. } => "index.read_only",
            Self::Full { .. } => "index.full",
            Self::Busy { .. } => "index.busy",
            Self::RebuildSuperseded => "index.rebuild_superseded",
            Self::Io { .. } => "index.io",
            Self::TooMany { .. } => "index.too_many",
            Self::Throttled { .. } => "index.throttled",
            Self::Contended { .. } => "index.contended",
            Self::NoTable { .. } => "index.no_table",
            Self::Denied { .. } => "index.denied",
            Self::Credentials { .. } => "index.credentials",
            Self::Unreachable { .. } => "index.unreachable",
            Self::DamagedItem { .. } => "index.damaged_item",
            Self::Internal(_) => "index.internal",
        }
    }

    fn kind(&self) -> FaultKind {
        match self {
            Self::NotFound(_) | Self::NoWork { .. } | Self::NoTable { .. } => FaultKind::NotFound,
            Self::BadCursor(_) | Self::Invalid(_) | Self::TooMany { .. } => FaultKind::Invalid,
            Self::NewerSchema { .. } | Self::NewerDocument { .. } => FaultKind::Unsupported,
            Self::Corrupt { .. } | Self::DamagedItem { .. } => FaultKind::Corrupt,
            Self::ReadOnly { .. } | Self::Denied { .. } | Self::Credentials { .. } => FaultKind::Denied,
            Self::Full { .. } => FaultKind::Full,
            Self::Busy { .. } | Self::Throttled { .. } => FaultKind::Throttled,
            Self::RebuildSuperseded | Self::Contended { .. } => FaultKind::Conflict,
            Self::Io { .. } | Self::Unreachable { .. } => FaultKind::Io,
            Self::Internal(_) => FaultKind::Internal,
        }
    }

    fn next(&self) -> String {
        match self {
            Self::NotFound(_) => "Check the id; if the recording was archived, run `holdfast index check`.".into(),
            Self::NoWork { .. } => "Check the id; list what there is.".into(),
            Self::BadCursor(_) => "Start again from the first page with the same filters.".into(),
            Self::Invalid(_) => "Correct the filter or value that the message names.".into(),
            Self::NewerSchema { .. } => "Use the newer version of Holdfast that wrote this file.".into(),
            Self::NewerDocument { .. } => {
                "Use the newer version of Holdfast that wrote it. Nothing is damaged, and nothing was changed.".into()
            }
            Self::Corrupt { path, .. } => format!(
                "If this is the index, move {} aside and run `holdfast index rebuild`; nothing in it is evidence. If it is \
                 the work store, bring it back from a backup.",
                path.display()
            ),
            Self::ReadOnly { path, .. } => {
                format!("Give the user who runs Holdfast the right to write {} and its folder.", path.display())
            }
            Self::Full { path } => format!("Free space on the disk of {} and try again.", path.display()),
            Self::Busy { .. } => "Wait for the other process to finish, then try again.".into(),
            Self::RebuildSuperseded => "Wait for the other rebuild to finish.".into(),
            Self::Io { path, .. } => format!("Check that {} can be read and written, then try again.", path.display()),
            Self::TooMany { most, .. } => format!("Change at most {most} at once."),
            Self::Throttled { table, .. } => format!(
                "Try again in a moment. If it goes on, raise the capacity of {table} or let it be billed by request."
            ),
            Self::Contended { .. } => "Try again in a moment.".into(),
            Self::NoTable { table } => format!(
                "Check name, region and account, or make {table} with `holdfast provision apply`."
            ),
            Self::Denied { right, .. } => format!(
                "Give the identity the right {right} on the table and its indexes, and the use of its key; `holdfast \
                 provision emit` writes the policies."
            ),
            Self::Credentials { .. } => "Sign in again, or check the profile and this machine's clock.".into(),
            Self::Unreachable { .. } => "Check the network and the endpoint, then try again.".into(),
            Self::DamagedItem { .. } => {
                "If it is the index that is damaged, run `holdfast index rebuild`; nothing in it is evidence. If it is the \
                 work store, bring the table back to a point in time."
                    .into()
            }
            Self::Internal(_) => "Report this with the log.".into(),
        }
    }
}
