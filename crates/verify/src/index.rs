use crate::{Finding, FindingCode as Code};
use holdfast_model::{
    ArchiveId, CanonicalRecord, Fixity, Manifest, ObjectKey, Probe, RetentionDecision, Sha256Digest, StorageTier,
};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

/// The part of an index row that is made from the manifest and the ledger and must agree with them for ever.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct IndexFacts {
    /// The recording.
    pub archive_id: ArchiveId,
    /// Its canonical record.
    pub record: CanonicalRecord,
    /// Bucket of the original.
    pub bucket: String,
    /// Key of the original.
    pub key: ObjectKey,
    /// Version of the original.
    pub version_id: Option<String>,
    /// Digest of the manifest's bytes.
    pub manifest_sha256: Sha256Digest,
    /// Digest and size of the original.
    pub fixity: Fixity,
    /// Media type.
    pub media_type: String,
    /// What the probe found.
    pub probe: Probe,
    /// The tier it was written to.
    pub tier: StorageTier,
    /// The provider's name of it.
    pub storage_class: String,
    /// What the retention policy decided.
    pub retention: RetentionDecision,
    /// When it came in.
    pub ingested_at: Timestamp,
    /// Sequence of the accession's outcome entry; none where the ledger has none.
    pub accession_sequence: Option<u64>,
}

impl IndexFacts {
    /// What the row must say.
    #[must_use]
    pub fn derive(manifest: &Manifest, manifest_sha256: Sha256Digest, accession_sequence: Option<u64>) -> Self {
        let object = &manifest.object;
        Self {
            archive_id: manifest.archive_id.clone(),
            record: manifest.record.clone(),
            bucket: object.bucket.clone(),
            key: object.key.clone(),
            version_id: object.version_id.clone(),
            manifest_sha256,
            fixity: object.fixity.clone(),
            media_type: object.media_type.clone(),
            probe: object.probe.clone(),
            tier: object.tier,
            storage_class: object.storage_class.clone(),
            retention: manifest.retention.clone(),
            ingested_at: manifest.accession.ingested_at,
            accession_sequence,
        }
    }
}

/// What became of asking the index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ObservedIndex {
    /// There is no index to ask (a package), or it was not asked.
    NotConsulted,
    /// It has no row.
    Missing,
    /// Its row.
    Row(Box<IndexFacts>),
}

/// One finding for each field that differs, named by its JSON pointer (RFC 6901).
pub(crate) fn differences(
    subject: &str,
    row: &IndexFacts,
    manifest: &Manifest,
    manifest_sha256: Sha256Digest,
    accession_sequence: Option<u64>,
) -> Vec<Finding> {
    let expected = IndexFacts::derive(manifest, manifest_sha256, accession_sequence);
    if expected == *row {
        return vec![];
    }
    let mut out = Vec::new();
    // Both are plain data; writing them as JSON values cannot fail, and would show as a difference if it did.
    let value = |facts: &IndexFacts| serde_json::to_value(facts).unwrap_or(Value::Null);
    diff(subject, "", &value(&expected), &value(row), &mut out);
    if out.is_empty() {
        out.push(Finding::new(Code::IndexRowDiffers, subject, "the row made from the manifest", "another one"));
    }
    out
}

fn diff(subject: &str, pointer: &str, expected: &Value, found: &Value, out: &mut Vec<Finding>) {
    match (expected, found) {
        (Value::Object(e), Value::Object(f)) => {
            let names: std::collections::BTreeSet<&String> = e.keys().chain(f.keys()).collect();
            for name in names {
                let pointer = format!("{pointer}/{}", name.replace('~', "~0").replace('/', "~1"));
                let (e, f) = (e.get(name).unwrap_or(&Value::Null), f.get(name).unwrap_or(&Value::Null));
                diff(subject, &pointer, e, f, out);
            }
        }
        (e, f) if e == f => {}
        (e, f) => out.push(Finding::new(Code::IndexRowDiffers, format!("{subject}: {pointer}"), e, f)),
    }
}
