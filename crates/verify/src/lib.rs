//! Whether a recording is the one that was archived, and which link of the chain says otherwise.
//!
//! [`verify_recording`] is a pure function of what was read: it does no I/O and looks at no clock. [`package`] reads and
//! writes evidence packages with the standard library's files; nothing in this crate links a network.

mod custody;
mod finding;
mod index;
mod key;
mod ledger;
pub mod package;
mod published;
mod recording;
mod report;

pub use custody::CustodyStep;
pub use finding::{Finding, FindingCode, Severity, findings_document};
pub use index::{IndexFacts, ObservedIndex};
pub use key::{Trust, TrustedKey};
pub use ledger::{EntryEvidence, LedgerEvidence, RememberedCheckpoint, key_fingerprint};
pub use published::verify_ledger;
pub use recording::{ObjectFacts, Observed, ObservedBytes, holds_by_ledger, verify_recording};
pub use report::{Check, CheckResult, Link, Outcome, VerificationReport};
