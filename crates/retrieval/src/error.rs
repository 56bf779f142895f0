use crate::prices::PriceListError;
use holdfast_index::IndexError;
use holdfast_ledger::LedgerError;
use holdfast_model::{ArchiveId, Fault, FaultKind, MatterId, ObjectLocator, PlanId, Retry};
use holdfast_store::StoreError;
use std::{io, path::PathBuf};

/// Why something at the desk could not be done.
#[derive(Debug, thiserror::Error)]
pub enum RetrievalError {
    /// No matter has this id.
    #[error("there is no matter {0}")]
    NoMatter(String),
    /// The matter has no such plan, or none at all.
    #[error("there is no plan {0}")]
    NoPlan(String),
    /// The archive has no such recording.
    #[error("there is no recording {0} in the archive")]
    NoRecording(ArchiveId),
    /// The recording is not in the matter.
    #[error("recording {archive_id} is not in matter {matter}")]
    NotInMatter {
        /// The recording.
        archive_id: ArchiveId,
        /// The matter.
        matter: MatterId,
    },
    /// The matter is closed.
    #[error("matter {0} is closed")]
    MatterClosed(MatterId),
    /// The matter has no recordings.
    #[error("matter {0} has no recordings")]
    MatterEmpty(MatterId),
    /// A text that must say something is empty.
    #[error("{0} is empty")]
    Blank(&'static str),
    /// A text is longer than the ledger takes.
    #[error("{what} is {bytes} bytes long; at most {max} are kept")]
    TooLong {
        /// Which text.
        what: &'static str,
        /// Its length.
        bytes: usize,
        /// What is allowed.
        max: usize,
    },
    /// A newer plan stands.
    #[error("plan {plan} was superseded by {newest}")]
    PlanSuperseded {
        /// The old one.
        plan: PlanId,
        /// The one that stands.
        newest: PlanId,
    },
    /// Something lies in a cold tier and nobody approved bringing it back.
    #[error("{offline} of the recordings must be brought back from a cold tier, which needs a plan")]
    PlanNeeded {
        /// How many.
        offline: usize,
    },
    /// Some of a plan's recordings cannot be there by the deadline, and nobody named the plan that says so.
    #[error("{late} of {of} recordings cannot be here by the deadline. {why} {advice}")]
    DeadlineRefused {
        /// The plan that says so.
        plan: PlanId,
        /// How many cannot.
        late: u32,
        /// Of how many.
        of: u32,
        /// The first reason, as a sentence.
        why: String,
        /// What would have allowed it, as sentences.
        advice: String,
    },
    /// A hold could not be set or lifted everywhere.
    #[error("the hold could not be changed on {failed} of {of} recordings; the first: {first}: {why}")]
    HoldIncomplete {
        /// How many failed.
        failed: usize,
        /// How many there are.
        of: usize,
        /// The first that failed.
        first: ArchiveId,
        /// Why.
        why: String,
    },
    /// An export must not leave anything out unasked.
    #[error("{count} of {of} recordings are not verified at the desk; the first: {first}")]
    Unverified {
        /// How many.
        count: usize,
        /// Of how many.
        of: usize,
        /// The first.
        first: ArchiveId,
    },
    /// A verified copy was changed after it was verified; it was put aside.
    #[error("the copy of {archive_id} at the desk was changed after it was verified; it was put aside as {aside}")]
    DeskCopyChanged {
        /// The recording.
        archive_id: ArchiveId,
        /// Where it lies now.
        aside: PathBuf,
    },
    /// The manifest of a recording lies in a cold tier, where no rule of Holdfast's puts it.
    #[error("the manifest {0} lies in a cold tier, so that the recording cannot be verified")]
    ManifestOffline(ObjectLocator),
    /// Something else has the name already.
    #[error("{0} is there already and is something else")]
    InTheWay(PathBuf),
    /// No room.
    #[error("there is no room left in {0}")]
    Full(PathBuf),
    /// Too little room for what is to be downloaded; not begun.
    #[error("{folder} has {free_bytes} bytes free and {needed_bytes} are needed")]
    NoRoom {
        /// Where.
        folder: PathBuf,
        /// What is free.
        free_bytes: u64,
        /// What is needed, with what is to stay free.
        needed_bytes: u64,
    },
    /// The operating system refused.
    #[error("can't {what} {path}: {source}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// With what.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// What was persisted cannot be read.
    #[error("the record of {what} cannot be read: {detail}")]
    Damaged {
        /// Whose.
        what: String,
        /// What is wrong.
        detail: String,
    },
    /// Others kept changing the same thing.
    #[error("{0} kept being changed by others")]
    Contended(String),
    /// Somebody else took it over or cancelled it while it was worked on.
    #[error("{0} was taken over or cancelled")]
    LostLease(String),
    /// Interrupted after a step: whether it took effect is found out on the next pass.
    #[error("interrupted after {0}; what was done will be found on the next pass")]
    Interrupted(&'static str),
    /// The person cancelled.
    #[error("cancelled")]
    Cancelled,
    /// The package could not be made.
    #[error("the package could not be made: {0}")]
    Package(String),
    /// The price list is no good.
    #[error(transparent)]
    Prices(#[from] PriceListError),
    /// The store said no.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The index or work store said no.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// The ledger said no; nothing is done that it could not note.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

impl RetrievalError {
    /// An error of the operating system, told apart from a full disk.
    pub(crate) fn io(what: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => Self::Full(path),
            _ => Self::Io { what, path, source },
        }
    }
}

impl RetrievalError {
    /// Whether it may go away, by itself or by what a person repairs (a key, credentials, a clock, a right, a disk), so that what
    /// met it waits and goes on, and is not given up.
    pub(crate) fn waits(&self) -> bool {
        self.retry() != Retry::Never || matches!(self.kind(), FaultKind::Denied | FaultKind::Full)
    }
}

impl Fault for RetrievalError {
    fn code(&self) -> &'static str {
        match self {
            Self::NoMatter(_) => "retrieval.no_matter",
            Self::NoPlan(_) => "retrieval.no_plan",
            Self::NoRecording(_) => "retrieval.no_recording",
            Self::NotInMatter { .. } => "retrieval.not_in_matter",
            Self::MatterClosed(_) => "retrieval.matter_closed",
            Self::MatterEmpty(_) => "retrieval.matter_empty",
            Self::Blank(_) => "retrieval.blank",
            Self::TooLong { .. } => "retrieval.too_long",
            Self::PlanSuperseded { .. } => "retrieval.plan_superseded",
            Self::PlanNeeded { .. } => "retrieval.plan_needed",
            Self::DeadlineRefused { .. } => "retrieval.deadline_refused",
            Self::HoldIncomplete { .. } => "retrieval.hold_incomplete",
            Self::Unverified { .. } => "retrieval.unverified",
            Self::DeskCopyChanged { .. } => "retrieval.desk_copy_changed",
            Self::ManifestOffline(_) => "retrieval.manifest_offline",
            Self::InTheWay(_) => "retrieval.in_the_way",
            Self::Full(_) | Self::NoRoom { .. } => "retrieval.full",
            Self::Io { .. } => "retrieval.io",
            Self::Damaged { .. } => "retrieval.damaged",
            Self::Contended(_) => "retrieval.contended",
            Self::LostLease(_) => "retrieval.lost_lease",
            Self::Interrupted(_) => "retrieval.interrupted",
            Self::Cancelled => "retrieval.cancelled",
            Self::Package(_) => "retrieval.package",
            Self::Prices(_) => "retrieval.prices",
            Self::Store(e) => e.code(),
            Self::Index(e) => e.code(),
            Self::Ledger(e) => e.code(),
        }
    }

    fn kind(&self) -> FaultKind {
        match self {
            Self::NoMatter(_) | Self::NoPlan(_) | Self::NoRecording(_) | Self::NotInMatter { .. } => {
                FaultKind::NotFound
            }
            Self::MatterClosed(_)
            | Self::PlanSuperseded { .. }
            | Self::PlanNeeded { .. }
            | Self::DeadlineRefused { .. }
            | Self::Unverified { .. } => FaultKind::Refused,
            Self::MatterEmpty(_) | Self::Blank(_) | Self::TooLong { .. } | Self::Prices(_) => FaultKind::Invalid,
            Self::HoldIncomplete { .. } | Self::Interrupted(_) | Self::Package(_) => FaultKind::Io,
            Self::DeskCopyChanged { .. } | Self::Damaged { .. } => FaultKind::Corrupt,
            Self::ManifestOffline(_) => FaultKind::Offline,
            Self::InTheWay(_) => FaultKind::AlreadyExists,
            Self::Full(_) | Self::NoRoom { .. } => FaultKind::Full,
            Self::Io { source, .. } => match source.kind() {
                io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => FaultKind::Denied,
                io::ErrorKind::NotFound => FaultKind::NotFound,
                _ => FaultKind::Io,
            },
            Self::Contended(_) | Self::LostLease(_) => FaultKind::Conflict,
            Self::Cancelled => FaultKind::Cancelled,
            Self::Store(e) => e.kind(),
            Self::Index(e) => e.kind(),
            Self::Ledger(e) => e.kind(),
        }
    }

    fn retry(&self) -> Retry {
        match self {
            Self::Store(e) => e.retry(),
            Self::Index(e) => e.retry(),
            Self::Ledger(e) => e.retry(),
            _ => match self.kind() {
                FaultKind::Throttled | FaultKind::Io | FaultKind::Conflict => Retry::Soon,
                FaultKind::Offline | FaultKind::Full => Retry::Later,
                _ => Retry::Never,
            },
        }
    }

    fn next(&self) -> String {
        match self {
            Self::NoMatter(_) => "Check the id; `holdfast matter list` lists them.".into(),
            Self::NoPlan(_) => "Make one with `holdfast plan --matter ID`.".into(),
            Self::NoRecording(_) => "Check the id; `holdfast search` finds recordings.".into(),
            Self::NotInMatter { .. } => "Add it with `holdfast matter add`, or name one that is in the matter.".into(),
            Self::MatterClosed(_) => "Open a new matter.".into(),
            Self::MatterEmpty(_) => "Add recordings with `holdfast matter add`.".into(),
            Self::Blank(what) => format!("Say {what}; it stands in the ledger."),
            Self::TooLong { .. } => "Say it more briefly.".into(),
            Self::PlanSuperseded { newest, .. } => format!("Look at plan {newest} and approve that."),
            Self::PlanNeeded { .. } => "Make a plan, look at its cost and times, and approve it.".into(),
            Self::DeadlineRefused { plan, .. } => {
                format!("Agree on a later deadline and plan again, or name plan {plan} to have them late all the same.")
            }
            Self::HoldIncomplete { .. } => "Set or lift the hold again; what was changed already stays.".into(),
            Self::Unverified { .. } => "Retrieve the missing recordings first, or export partially.".into(),
            Self::DeskCopyChanged { .. } => "Retrieve it again; the archive's own copy is not affected.".into(),
            Self::ManifestOffline(_) => {
                "Have the administrator bring it back and end the lifecycle rule that moves manifests; verification goes \
                 on by itself then. The recording is not affected."
                    .into()
            }
            Self::InTheWay(_) => "Move it away or choose another folder.".into(),
            Self::Full(_) | Self::NoRoom { .. } => {
                "Free space on that disk; the retrieval goes on by itself where it stopped.".into()
            }
            Self::Io { .. } => "Check the folder and its rights, then try again.".into(),
            Self::Damaged { .. } => "Do not repair it by hand; keep the folder as it is and report this.".into(),
            Self::Contended(_) => "Try again in a moment.".into(),
            Self::LostLease(_) => "Nothing to do; whoever took it over goes on with it.".into(),
            Self::Interrupted(_) => "Nothing to do; it goes on by itself.".into(),
            Self::Cancelled => "Start it again when you like; what was done stays.".into(),
            Self::Package(_) => "Correct what the message names and export again.".into(),
            Self::Prices(PriceListError::FormatUnknown(_)) => {
                "Use the newer version of Holdfast, or take the built-in price list.".into()
            }
            Self::Prices(_) => "Correct the price list at the line named, or take the built-in one.".into(),
            Self::Store(e) => e.next(),
            Self::Index(e) => e.next(),
            Self::Ledger(e) => e.next(),
        }
    }
}
