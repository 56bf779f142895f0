//! One item of a source, as its state is kept.

use crate::quarantine::Aside;
use holdfast_connectors::{Discovered, SourceItem};
use holdfast_model::{ArchiveId, Sha256Digest, SourceRef};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;

/// States of an item. Between `discovered` and `archived` nothing is kept: what was done already is found in ledger and store.
pub mod state {
    /// Known, not finished.
    pub const DISCOVERED: &str = "discovered";
    /// In the archive, proven.
    pub const ARCHIVED: &str = "archived";
    /// Not ready at the source yet.
    pub const AWAITING: &str = "awaiting";
    /// Set aside with a reason.
    pub const QUARANTINED: &str = "quarantined";
    /// Failed too often.
    pub const DEAD_LETTERED: &str = "dead_lettered";
    /// A person said why there is nothing to archive.
    pub const EXPLAINED: &str = "explained";
    /// A run under way, or broken off.
    pub const RUNNING: &str = "running";
    /// A run that ended.
    pub const ENDED: &str = "ended";
}

/// What is kept of an item.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ItemDoc {
    pub(crate) source: SourceRef,
    /// File name for people.
    pub(crate) name: String,
    /// The run that looked at it last.
    pub(crate) run: String,
    /// Counts the times that it was taken up anew; names its intent in the ledger.
    pub(crate) attempt: u32,
    /// What it looked like: changes when files, metadata or mapping change.
    pub(crate) stamp: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) archive_id: Option<ArchiveId>,
    /// Length of the recording.
    #[serde(default)]
    pub(crate) size_bytes: u64,
    /// Failures that count against it, since it last changed.
    #[serde(default)]
    pub(crate) failures: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) failure: Option<Failure>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) aside: Option<Aside>,
    /// A person's word that it is to be archived as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) accepted: Option<Accepted>,
}

/// Why the last try failed.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Failure {
    pub(crate) code: String,
    pub(crate) sentence: String,
    pub(crate) next: String,
}

/// Archive as it is.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Accepted {
    /// What it was set aside for.
    pub(crate) reason: String,
}

impl ItemDoc {
    pub(crate) fn to_value(&self) -> Value {
        serde_json::to_value(self).unwrap_or(Value::Null)
    }
}

/// Reads a document of the work store.
pub(crate) fn read_doc<T: DeserializeOwned>(what: &str, doc: &Value) -> Result<T, crate::IngestError> {
    holdfast_index::refuse_newer(what, doc)?;
    T::deserialize(doc).map_err(|e| crate::IngestError::Damaged { what: what.to_owned(), detail: e.to_string() })
}

/// The id under which an item's state is kept: its own for ever, before anything else is known about it.
pub(crate) fn item_id(source: &SourceRef) -> String {
    let mut input = Vec::new();
    for part in [&source.source, &source.item] {
        input.extend_from_slice(&(part.len() as u64).to_be_bytes());
        input.extend_from_slice(part.as_bytes());
    }
    format!("it-{}", &Sha256Digest::of(&input).to_hex()[..32])
}

/// What an item looks like from outside.
pub(crate) fn stamp(item: &SourceItem) -> String {
    let mut text = String::new();
    for f in &item.files {
        text.push_str(&format!("{:?} {} {} {:?}\n", f.role, f.item, f.size_bytes, f.modified_ms));
    }
    if let Some(p) = &item.payload {
        text.push_str(&format!("{} {}\n", p.schema, Sha256Digest::of(&p.bytes)));
    }
    if let Err(p) = &item.draft {
        text.push_str(&format!("{} {p}\n", p.reason));
    }
    Sha256Digest::of(text.as_bytes()).to_hex()[..32].to_owned()
}

/// The document of something that was just told of.
pub(crate) fn new_doc(told: &Discovered, run: &str) -> ItemDoc {
    let (source, name, stamp, size_bytes, archive_id) = match told {
        Discovered::Item(item) => {
            let archive_id = item.draft.as_ref().ok().map(|d| d.record.idempotency_key().archive_id());
            let size = item.media().map_or(0, |m| m.size_bytes);
            (item.source.clone(), item.name.clone(), stamp(item), size, archive_id)
        }
        Discovered::NotYet { source, .. } => {
            let name = source.item.rsplit('/').next().unwrap_or_default().to_owned();
            (source.clone(), name, String::new(), 0, None)
        }
    };
    ItemDoc {
        source,
        name,
        run: run.to_owned(),
        attempt: 1,
        stamp,
        archive_id,
        size_bytes,
        failures: 0,
        failure: None,
        aside: None,
        accepted: None,
    }
}
