//! The vocabulary of Holdfast: ids, the canonical record, retention, holds, availability, manifests, and the few seams
//! (clock, progress, faults) that every other crate shares. Pure: nothing here does I/O, except [`SystemClock`], which
//! reads the clock and is constructed by the composition root alone.

mod canonical;
mod clock;
mod digest;
mod fault;
mod format;
mod id;
mod key;
mod manifest;
mod progress;
mod record;
mod refusal;
mod retention;
mod step;
mod storage;
mod visible;

pub use canonical::{CanonicalError, canonical_json};
pub use clock::{Clock, SystemClock};
pub use digest::{Fixity, FixityAlgorithm, ParseDigestError, Sha256Digest};
pub use fault::{Fault, FaultKind, Retry};
pub use format::{is_newer_format, newer_format};
pub use id::{ArchiveId, IdempotencyKey, InvalidId, MatterId, PlanId, RunId};
pub use key::{DERIVATIVES, LEDGER, MANIFESTS, ObjectKey, PAYLOADS, RECORDINGS, RecordKeys};
pub use manifest::{
    ACCESSION_MANIFEST_DETAIL, Accession, Derivative, MANIFEST_FORMAT, Manifest, MediaObject, PayloadRef, Probe,
    SourceRef,
};
pub use progress::{Cancel, NoProgress, Progress, ProgressSink};
pub use record::{CanonicalRecord, Direction, MediaKind, MissingField, Participant, ParticipantRole, Pause, PauseKind};
pub use refusal::{AwsRefusal, causes};
pub use retention::{
    ImmutabilityMode, LegalHold, ObjectRetention, RetentionClass, RetentionDecision, RetentionPolicy, RetentionRule,
};
pub use step::{fail_after, step};
pub use storage::{Availability, ObjectLocator, RehydrationSpeed, StorageState, StorageTier};
pub use visible::{is_deceptive, visible, visible_lines};

/// The version of this build, as written into manifests, ledger entries and packages.
pub const HOLDFAST_VERSION: &str = env!("CARGO_PKG_VERSION");
