use serde::{Deserialize, Serialize};

/// One thing that does not hold in a log, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "fault", rename_all = "snake_case")]
pub enum LedgerFault {
    /// An entry is not there.
    #[error("entry {sequence} is missing")]
    EntryMissing {
        /// Its number.
        sequence: u64,
    },
    /// An entry is not the one that was written.
    #[error("entry {sequence} was altered")]
    EntryAltered {
        /// Its number.
        sequence: u64,
    },
    /// An entry was written by a newer version, which has to look at it.
    #[error("entry {sequence} was written by a newer version of Holdfast")]
    FormatUnknown {
        /// Its number.
        sequence: u64,
    },
    /// An entry's MAC is not made with the ledger's key over this entry.
    #[error("the MAC of entry {sequence} does not verify")]
    MacMismatch {
        /// Its number.
        sequence: u64,
    },
    /// An entry does not name the one before it.
    #[error("entry {sequence} does not follow from the entry before it")]
    ChainBroken {
        /// Its number.
        sequence: u64,
    },
    /// An entry names another entry than the one before it as the last of its matter or recording.
    #[error("entry {sequence} does not name the entry before it about the same matter or recording")]
    HistoryBroken {
        /// Its number.
        sequence: u64,
    },
    /// An entry is earlier than the one before it.
    #[error("entry {sequence} has a time before that of the entry before it")]
    TimeWentBack {
        /// Its number.
        sequence: u64,
    },
    /// A checkpoint is not signed by the ledger's key.
    #[error("the {which} checkpoint's signature does not verify")]
    CheckpointSignature {
        /// `head`, `published` or `remembered`.
        which: String,
    },
    /// A signed root is not the root of the entries that are there.
    #[error("the first {size} entries are not those that a checkpoint was signed for")]
    Inconsistent {
        /// The checkpoint's size.
        size: u64,
    },
    /// The log is shorter than a checkpoint says it was.
    #[error("the ledger has {size} entries, but a checkpoint was signed for {known_size}")]
    RolledBack {
        /// The checkpoint's size.
        known_size: u64,
        /// The log's size.
        size: u64,
    },
    /// A tile is missing or holds other bytes than it must.
    #[error("{path} is missing or damaged")]
    TileDamaged {
        /// Its path.
        path: String,
    },
    /// The lookup, from which the entries of a recording or matter are found, is not that of the entries. It is no evidence:
    /// [`crate::Ledger::rebuild_lookup`] makes it anew.
    #[error("the ledger's lookup does not fit its entries: a search may hide some")]
    LookupDiffers,
    /// The head is missing, or its parts contradict the log.
    #[error("the ledger's head is damaged: {problem}")]
    HeadDamaged {
        /// In what.
        problem: String,
    },
}

impl LedgerFault {
    /// The stable code of the finding.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::EntryMissing { .. } => "ledger.entry_missing",
            Self::EntryAltered { .. } => "ledger.entry_altered",
            Self::FormatUnknown { .. } => "ledger.format_unknown",
            Self::MacMismatch { .. } => "ledger.mac_mismatch",
            Self::ChainBroken { .. } => "ledger.chain_broken",
            Self::HistoryBroken { .. } => "ledger.history_broken",
            Self::TimeWentBack { .. } => "ledger.time_went_back",
            Self::CheckpointSignature { .. } => "ledger.checkpoint_signature",
            Self::Inconsistent { .. } => "ledger.inconsistent",
            Self::RolledBack { .. } => "ledger.rolled_back",
            Self::TileDamaged { .. } => "ledger.tile_damaged",
            Self::LookupDiffers => "ledger.lookup_differs",
            Self::HeadDamaged { .. } => "ledger.head_damaged",
        }
    }
}
