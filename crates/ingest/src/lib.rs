//! The archiver: takes what a source holds into the archive, so that every recording ends up archived, in quarantine or
//! explained, and nothing twice, wherever the process is killed.
//!
//! For one recording: intent in the ledger, bytes looked into, stored, read back and hashed again, metadata stored byte for byte,
//! manifest, outcome in the ledger, row in the index, state `archived`. Every step can be taken again: what is found already
//! done is compared and gone on from (`docs/adr/0051-ingest-states.md`).

mod accession;
mod admit;
mod archiver;
mod bytes;
pub mod catalogue;
mod commit;
mod error;
mod examine;
mod item;
mod owner;
mod quarantine;
mod refresh;
mod run;
mod settings;

pub use archiver::{Archiver, ArchiverParts, ArchiverStatus, RunRecord};
pub use error::IngestError;
pub use item::state;
pub use quarantine::{Decision, QuarantineCase, aside};
pub use refresh::{RefreshReport, refresh};
pub use run::{RunFault, RunSummary};
pub use settings::{ACCESSION_MANIFEST_DETAIL, STEPS, Settings, TierPolicy};
