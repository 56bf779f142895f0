//! Evidence packages: BagIt 1.0 bags (RFC 8493) that anybody can check without Holdfast. `docs/formats/evidence-package.md`
//! is normative.

mod bag;
mod error;
mod hash;
mod how_to_check;
mod json;
mod lines;
mod names;
mod proofs;
mod read;
mod write;

pub(crate) use bag::walk;
pub use error::PackageError;
pub use how_to_check::{HowToCheck, escape_html};
pub(crate) use read::public_key;
pub use read::verify_package;
pub use write::{ExhibitSource, FinishedPackage, PackageHeader, PackageWriter};

use holdfast_model::{ArchiveId, Fixity, MatterId, Sha256Digest};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The format's name and version, first field of `package.json`.
pub const PACKAGE_FORMAT: &str = "holdfast-package/1";

/// Paths inside a package. They are part of the format.
pub mod path {
    /// The BagIt declaration.
    pub const BAGIT: &str = "bagit.txt";
    /// BagIt's facts about the bag.
    pub const BAG_INFO: &str = "bag-info.txt";
    /// SHA-256 of every file under `data/`.
    pub const MANIFEST: &str = "manifest-sha256.txt";
    /// SHA-256 of every other file but this.
    pub const TAG_MANIFEST: &str = "tagmanifest-sha256.txt";
    /// What is in the package.
    pub const PACKAGE: &str = "package.json";
    /// How a stranger checks it, for a browser.
    pub const HOW_TO_CHECK_HTML: &str = "HOW-TO-CHECK.html";
    /// How a stranger checks it, as plain text.
    pub const HOW_TO_CHECK_TXT: &str = "HOW-TO-CHECK.txt";
    /// The original recordings, named by exhibit.
    pub const ORIGINALS: &str = "data/originals";
    /// Their manifests.
    pub const MANIFESTS: &str = "data/manifests";
    /// The vendor's metadata of each, byte for byte.
    pub const PAYLOADS: &str = "data/payloads";
    /// Ledger entries, one canonical JSON a line, in their order.
    pub const ENTRIES: &str = "data/ledger/entries.jsonl";
    /// One inclusion proof a line, in the order of the entries.
    pub const PROOFS: &str = "data/ledger/proofs.jsonl";
    /// The signed note that the proofs lead to.
    pub const CHECKPOINT: &str = "data/ledger/checkpoint";
    /// The ledger's public key, for `openssl`.
    pub const PUBLIC_KEY: &str = "data/ledger/public-key.pem";
    /// The custody report in its forms.
    pub const REPORTS: &str = "data/reports";
    /// The custody report for programs.
    pub const CUSTODY_JSON: &str = "data/reports/custody.json";
    /// What Holdfast's own verification said when the package was made.
    pub const VERIFICATION: &str = "data/verification.json";
    /// The load file for review platforms (Concordance DAT).
    pub const LOADFILE: &str = "data/loadfile/holdfast.dat";
}

/// Every field of a package that may differ between two packages of the same matter state, by file and field. All else is
/// the same, byte for byte. (Digests of a file that holds one of these differ with it.)
pub const VARIES: &[&str] = &[
    "package.json: created_at",
    "bag-info.txt: Bagging-Date",
    "data/reports/*: the date on which the report was made",
];

/// `package.json`: what is in the package, for programs and for `holdfast-verify`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackageDescription {
    /// [`PACKAGE_FORMAT`].
    pub format: String,
    /// The package's name, that of its folder when it was made.
    pub name: String,
    /// What made it: `holdfast/<version>`.
    pub software: String,
    /// When. Differs between packages of the same state.
    pub created_at: Timestamp,
    /// The matter.
    pub matter: MatterDescription,
    /// The exhibits in their order.
    pub exhibits: Vec<Exhibit>,
    /// Recordings of the matter that are not in the package, and why: every item of the matter is accounted for.
    pub withheld: Vec<Withheld>,
    /// The ledger.
    pub ledger: LedgerDescription,
    /// [`VARIES`].
    pub varies: Vec<String>,
}

/// The matter as it stands on record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MatterDescription {
    /// Its id.
    pub id: MatterId,
    /// Its name.
    pub name: String,
    /// The court's or client's reference.
    pub reference: String,
    /// Why the recordings were asked for.
    pub justification: String,
    /// Who asked.
    pub requested_by: String,
    /// By when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Timestamp>,
}

/// One recording in the package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exhibit {
    /// Its number, e.g. `HF-0001`.
    pub exhibit: String,
    /// The recording.
    pub archive_id: ArchiveId,
    /// Path of the original, from the package's folder.
    pub original: String,
    /// Digest and size of the original; the manifest says the same.
    pub fixity: Fixity,
    /// Path of the manifest.
    pub manifest: String,
    /// SHA-256 of the manifest; the ledger's accession entry says the same.
    pub manifest_sha256: Sha256Digest,
    /// Path of the vendor's metadata.
    pub payload: String,
}

/// A recording of the matter that is not in the package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Withheld {
    /// The recording.
    pub archive_id: ArchiveId,
    /// Why, as a sentence.
    pub reason: String,
}

/// The ledger that the package's entries come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerDescription {
    /// The ledger's id, as in the checkpoint's first line.
    pub id: String,
    /// SHA-256 of the 32 bytes of its Ed25519 public key.
    pub key_fingerprint: String,
    /// Entries that the checkpoint covers.
    pub size: u64,
    /// Root of the tree of those entries.
    pub root: Sha256Digest,
}
