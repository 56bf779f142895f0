use holdfast_model::{
    ArchiveId, Availability, CanonicalRecord, Fixity, Manifest, MatterId, ObjectKey, ObjectLocator, Probe,
    RetentionDecision, Sha256Digest, StorageState, StorageTier,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What the index knows of one recording. Everything but [`availability`](Self::availability), [`moved`](Self::moved) and
/// [`holds`](Self::holds) is fixed at accession; those follow the storage and the matters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IndexRow {
    /// The recording's name for ever.
    pub archive_id: ArchiveId,
    /// The canonical record.
    pub record: CanonicalRecord,
    /// Where the original bytes lie.
    pub locator: ObjectLocator,
    /// Key of the manifest in the metadata bucket.
    pub manifest_key: ObjectKey,
    /// SHA-256 of the manifest's bytes, as the ledger states it.
    pub manifest_sha256: Sha256Digest,
    /// Digest and size of the original bytes.
    pub fixity: Fixity,
    /// IANA media type by content.
    pub media_type: String,
    /// What a probe found in the bytes.
    pub probe: Probe,
    /// The tier the bytes were archived to.
    pub tier: StorageTier,
    /// The provider's own name of the class.
    pub storage_class: String,
    /// Whether the bytes can be read, as last seen. A rehydrated copy that has since expired is still `online` here:
    /// ask [`Availability::is_online_at`].
    pub availability: Availability,
    /// Where the storage keeps the bytes now, as last seen, where it moved them since (a lifecycle rule).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub moved: Option<Moved>,
    /// What the retention policy decided.
    pub retention: RetentionDecision,
    /// Matters that hold it, ascending, each once.
    pub holds: Vec<MatterId>,
    /// Sequence number of the ledger entry that states the accession's outcome.
    pub accession_sequence: u64,
    /// When it was taken in.
    pub ingested_at: Timestamp,
}

/// Where a lifecycle rule moved the bytes to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moved {
    /// How far away.
    pub tier: StorageTier,
    /// The provider's own name of the class.
    pub storage_class: String,
}

/// One field in which two rows differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Path of the field, e.g. `record.queues` or `fixity.digest`.
    pub field: String,
    /// Its JSON value in the row it was called on; `null` where absent.
    pub expected: Value,
    /// Its JSON value in the other row; `null` where absent.
    pub found: Value,
}

impl IndexRow {
    /// The only way rows come to be, so that a rebuilt row equals the one written at accession. `manifest_key` is where the
    /// manifest lies, `manifest_sha256` the digest of its bytes there, `store` the configured store's name. Without holds, and
    /// available as its tier is: who knows better says so afterwards.
    #[must_use]
    pub fn derive(
        manifest: &Manifest,
        manifest_key: ObjectKey,
        manifest_sha256: Sha256Digest,
        store: &str,
        accession_sequence: u64,
    ) -> Self {
        let object = &manifest.object;
        Self {
            archive_id: manifest.archive_id.clone(),
            record: manifest.record.clone(),
            locator: ObjectLocator {
                store: store.to_owned(),
                bucket: object.bucket.clone(),
                key: object.key.clone(),
                version_id: object.version_id.clone(),
            },
            manifest_key,
            manifest_sha256,
            fixity: object.fixity.clone(),
            media_type: object.media_type.clone(),
            probe: object.probe.clone(),
            tier: object.tier,
            storage_class: object.storage_class.clone(),
            availability: if object.tier.needs_rehydration() {
                Availability::Offline
            } else {
                Availability::Online { until: None }
            },
            moved: None,
            retention: manifest.retention.clone(),
            holds: Vec::new(),
            accession_sequence,
            ingested_at: manifest.accession.ingested_at,
        }
    }

    /// The tier the bytes lie in now, as last seen.
    #[must_use]
    pub fn tier_now(&self) -> StorageTier {
        self.moved.as_ref().map_or(self.tier, |m| m.tier)
    }

    /// The provider's own name of the class the bytes lie in now, as last seen.
    #[must_use]
    pub fn storage_class_now(&self) -> &str {
        self.moved.as_ref().map_or(&self.storage_class, |m| &m.storage_class)
    }

    /// What was last seen of the bytes in the storage.
    #[must_use]
    pub fn state(&self) -> StorageState {
        StorageState {
            tier: self.tier_now(),
            storage_class: self.storage_class_now().to_owned(),
            availability: self.availability.clone(),
        }
    }

    /// Notes what was seen of the bytes in the storage.
    pub fn set_state(&mut self, state: StorageState) {
        let StorageState { tier, storage_class, availability } = state;
        let moved = (tier, storage_class.as_str()) != (self.tier, self.storage_class.as_str());
        self.moved = moved.then_some(Moved { tier, storage_class });
        self.availability = availability;
    }

    /// Milliseconds the recording lasts, for filters: measured, else declared, else end minus start. None for text.
    #[must_use]
    pub fn duration_ms(&self) -> Option<u64> {
        self.probe.measured_duration_ms.or_else(|| {
            self.record.media.is_timed().then(|| {
                self.record.declared_duration_ms.unwrap_or_else(|| {
                    let span = self.record.end.as_millisecond() - self.record.start.as_millisecond();
                    u64::try_from(span).unwrap_or(0)
                })
            })
        })
    }

    /// The fields in which `found` differs from `self`, by path; empty where they are equal. A list is one field.
    #[must_use]
    pub fn differences(&self, found: &Self) -> Vec<Difference> {
        let json = |row: &Self| serde_json::to_value(row).unwrap_or(Value::Null);
        let mut out = Vec::new();
        compare("", &json(self), &json(found), &mut out);
        out
    }
}

fn compare(path: &str, expected: &Value, found: &Value, out: &mut Vec<Difference>) {
    match (expected, found) {
        (Value::Object(a), Value::Object(b)) => {
            let keys: std::collections::BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            for key in keys {
                let inner = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                compare(&inner, a.get(key).unwrap_or(&Value::Null), b.get(key).unwrap_or(&Value::Null), out);
            }
        }
        _ if expected == found => {}
        _ => out.push(Difference { field: path.to_owned(), expected: expected.clone(), found: found.clone() }),
    }
}
