//! The cloud side of an archive as it must be: what is missing (plan), making it so (apply), saying it in the words of those
//! who review infrastructure their own way (emit), and proving it by acting (preflight).
//!
//! What is wanted and what differs are pure: [`aws::desired`], [`azure::desired`]. Only `plan`, `apply` and [`preflight`] talk to a
//! provider. Plan and apply delete, suspend and shorten nothing. Preflight tries to delete and to shorten, on probes of its own, to
//! see it refused, and takes its one item out of the table again.

pub mod aws;
pub mod azure;
mod emit;
mod error;
mod plan;
pub mod preflight;
mod settings;

pub use emit::{Document, yaml};
pub use error::ProvisionError;
pub use plan::{Applied, Entry, Kind, Plan};
pub use settings::{DefaultRetention, Lifecycle, Principals, Replication};

/// Prefix of everything that preflight writes; lifecycle rules take it away again.
pub const PREFLIGHT_PREFIX: &str = "preflight/";

/// Prefix of recordings: the only objects that ever move to a cold tier.
pub const MEDIA_PREFIX: &str = "recordings/";

/// Prefixes of what must be readable at once, always: manifests, payloads, texts, the ledger's tiles.
pub const META_PREFIXES: [&str; 4] = ["manifests/", "payloads/", "derivatives/", "ledger/"];
