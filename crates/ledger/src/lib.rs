//! The chain of custody: an append-only log of what was done with evidence, by whom, when and why.
//!
//! Each [`CustodyEvent`] is RFC 8785 canonical JSON under an HMAC; the entries are leaves of an RFC 6962 Merkle tree in C2SP
//! tlog-tiles layout; signed [`Checkpoint`]s and [`InclusionProof`]s let an outsider check any of it without a secret and
//! without Holdfast. `docs/formats/ledger.md` is normative.
//!
//! Without features this crate is pure: formats and their verification. The feature `local` adds [`Ledger`], the log that
//! many processes may append to, with its head in SQLite and its tiles in a folder.

mod checkpoint;
mod event;
mod format;
mod key;
pub mod merkle;
mod proof;
pub mod tile;

pub use checkpoint::{Checkpoint, CheckpointError, VerifierKey};
pub use event::{
    Action, Agent, CustodyEvent, EVENT_MAX_BYTES, EventDraft, EventError, EventOutcome, LedgerEntry, Phase, Subject,
};
pub use format::EventFormat;
pub use key::{KeyError, LocalMac, LocalSigner, Mac, Signer};
pub use proof::{ConsistencyProof, InclusionProof, ProofError};

#[cfg(feature = "local")]
mod local;
#[cfg(feature = "local")]
pub use local::*;
