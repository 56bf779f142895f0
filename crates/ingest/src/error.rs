use holdfast_audio::AudioError;
use holdfast_connectors::ConnectorError;
use holdfast_index::IndexError;
use holdfast_ledger::LedgerError;
use holdfast_model::{Fault, FaultKind, Fixity};
use holdfast_store::StoreError;

/// What can go wrong while taking recordings in. What is wrong with a recording itself is no error: it is set aside with a reason.
#[derive(Debug, thiserror::Error)]
pub enum IngestError {
    /// The archive's storage.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The ledger.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The index or the work store.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// The source.
    #[error(transparent)]
    Source(#[from] ConnectorError),
    /// Looking into the recording.
    #[error(transparent)]
    Probe(#[from] AudioError),
    /// What was read back is not what was written.
    #[error("what was read back is not what was stored: expected {} ({} bytes), found {} ({} bytes)",
        .expected.digest, .expected.size_bytes, .found.digest, .found.size_bytes)]
    ReadBack {
        /// Written.
        expected: Fixity,
        /// Read.
        found: Fixity,
    },
    /// Something Holdfast wrote itself cannot be understood any more.
    #[error("{what} cannot be understood: {detail}")]
    Damaged {
        /// What.
        what: String,
        /// Why.
        detail: String,
    },
    /// The index has this recording with another manifest than the archive.
    #[error("the index has another manifest for recording {0} than the archive")]
    IndexDiffers(holdfast_model::ArchiveId),
    /// No item has this id.
    #[error("there is no item {0} in quarantine")]
    NoSuchItem(String),
    /// The item is not in quarantine (any more).
    #[error("item {id} is not in quarantine but {state}")]
    NotQuarantined {
        /// Item.
        id: String,
        /// Its state.
        state: String,
    },
    /// Only what could be archived as it is can be accepted.
    #[error("an item that was set aside as {reason} cannot be accepted as it is")]
    CannotAccept {
        /// Why it was set aside.
        reason: String,
    },
    /// The source does not tell of the item any more.
    #[error("the source does not have item {0} any more")]
    GoneFromSource(String),
    /// A decision needs a reason.
    #[error("a decision on an item in quarantine needs a reason of 1 to 4,000 characters")]
    ReasonMissing,
    /// Interrupted after a step, for tests.
    #[error("interrupted after {step}")]
    Interrupted {
        /// The step.
        step: &'static str,
    },
    /// The person cancelled.
    #[error("cancelled")]
    Cancelled,
    /// A defect in Holdfast.
    #[error("defect in the archiver: {0}")]
    Internal(String),
}

impl IngestError {
    /// Whether going on with other items makes no sense: the archive itself cannot take anything.
    pub(crate) fn stops_the_run(&self) -> bool {
        let of_the_archive = matches!(self, Self::Store(_) | Self::Ledger(_) | Self::Index(_));
        of_the_archive && matches!(self.kind(), FaultKind::Full | FaultKind::Denied)
    }

    /// Whether it counts against the item: the same again would fail again, or the source keeps changing.
    pub(crate) fn counts_against_item(&self) -> bool {
        match self {
            Self::ReadBack { .. } | Self::Damaged { .. } | Self::Source(_) | Self::Probe(_) | Self::IndexDiffers(_) => {
                true
            }
            Self::Store(e) => matches!(e.kind(), FaultKind::Corrupt | FaultKind::Invalid | FaultKind::Unsupported),
            _ => false,
        }
    }
}

impl Fault for IngestError {
    fn code(&self) -> &'static str {
        match self {
            Self::Store(e) => e.code(),
            Self::Ledger(e) => e.code(),
            Self::Index(e) => e.code(),
            Self::Source(e) => e.code(),
            Self::Probe(e) => e.code(),
            Self::ReadBack { .. } => "ingest.read_back_mismatch",
            Self::Damaged { .. } => "ingest.damaged",
            Self::IndexDiffers(_) => "ingest.index_differs",
            Self::NoSuchItem(_) => "ingest.no_such_item",
            Self::NotQuarantined { .. } => "ingest.not_quarantined",
            Self::CannotAccept { .. } => "ingest.cannot_accept",
            Self::GoneFromSource(_) => "ingest.gone_from_source",
            Self::ReasonMissing => "ingest.reason_missing",
            Self::Interrupted { .. } => "ingest.interrupted",
            Self::Cancelled => "ingest.cancelled",
            Self::Internal(_) => "ingest.internal",
        }
    }

    fn kind(&self) -> FaultKind {
        match self {
            Self::Store(e) => e.kind(),
            Self::Ledger(e) => e.kind(),
            Self::Index(e) => e.kind(),
            Self::Source(e) => e.kind(),
            Self::Probe(e) => e.kind(),
            Self::ReadBack { .. } | Self::Damaged { .. } => FaultKind::Corrupt,
            Self::IndexDiffers(_) => FaultKind::Conflict,
            Self::NoSuchItem(_) | Self::GoneFromSource(_) => FaultKind::NotFound,
            Self::NotQuarantined { .. } | Self::CannotAccept { .. } => FaultKind::Refused,
            Self::ReasonMissing => FaultKind::Invalid,
            Self::Interrupted { .. } => FaultKind::Io,
            Self::Cancelled => FaultKind::Cancelled,
            Self::Internal(_) => FaultKind::Internal,
        }
    }

    fn next(&self) -> String {
        match self {
            Self::Store(e) => e.next(),
            Self::Ledger(e) => e.next(),
            Self::Index(e) => e.next(),
            Self::Source(e) => e.next(),
            Self::Probe(e) => e.next(),
            Self::ReadBack { .. } => {
                "The disk or network gave back other bytes. Check the hardware, then ingest again; nothing was marked as \
                 archived."
            }
            .into(),
            Self::Damaged { .. } => "Run `holdfast ledger verify` and `holdfast index check`, and keep the folder as it is.".into(),
            Self::IndexDiffers(_) => "Run `holdfast index check`, then `holdfast index rebuild`.".into(),
            Self::NoSuchItem(_) => "List the items with `holdfast archiver quarantine list`.".into(),
            Self::NotQuarantined { .. } => "Nothing is left to be decided; show it to see what became of it.".into(),
            Self::CannotAccept { .. } => "Mend the source and retry, or explain why there is nothing to archive.".into(),
            Self::GoneFromSource(_) => "Put the file back into the source and retry; or accept or explain the item.".into(),
            Self::ReasonMissing => "Say in a sentence why; it stands in the ledger.".into(),
            Self::Interrupted { .. } | Self::Cancelled => {
                "Start the same command again; it goes on where it stopped.".into()
            }
            Self::Internal(_) => "Report this with the log.".into(),
        }
    }
}
