//! Archives given bytes properly, through the seams, for tests that begin with an archive.
#![allow(clippy::expect_used)] // an archive that can't be made ends the test

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use holdfast_index::{IndexRow, InsertOutcome, RecordingIndex};
use holdfast_ledger::{Action, Agent, EventDraft, EventOutcome, Ledger, Phase};
use holdfast_model::{
    ACCESSION_MANIFEST_DETAIL, Accession, CanonicalRecord, Clock, Fixity, HOLDFAST_VERSION, MANIFEST_FORMAT, Manifest,
    MediaObject, PayloadRef, Probe, RecordKeys, RetentionPolicy, Sha256Digest, SourceRef, StorageTier,
};
use holdfast_store::{ByteStream, PutOptions, Store, StoreError};
use std::collections::BTreeMap;

/// The seams of one archive.
#[derive(Clone, Copy)]
pub struct Seams<'a> {
    /// Where bytes go.
    pub store: &'a Store,
    /// Where rows go.
    pub index: &'a dyn RecordingIndex,
    /// Where entries go.
    pub ledger: &'a Ledger,
    /// The time.
    pub clock: &'a dyn Clock,
    /// Who archives.
    pub agent: &'a Agent,
}

/// What to archive.
#[derive(Debug, Clone)]
pub struct Sample {
    /// The record; see [`Sample::new`].
    pub record: CanonicalRecord,
    /// The original bytes.
    pub bytes: Vec<u8>,
    /// Where the original goes.
    pub tier: StorageTier,
    /// Ending of the key, e.g. `wav`.
    pub ext: String,
}

impl Sample {
    /// A call of two minutes on 1 March 2024 with this number, in the cold tier.
    ///
    /// # Panics
    /// Never; the record is well formed.
    #[must_use]
    pub fn new(number: u32, bytes: Vec<u8>) -> Self {
        let record = serde_json::from_value(serde_json::json!({
            "vendor": "genesys", "organisation": "acme", "interaction_id": format!("c-{number}"),
            "recording_id": format!("r-{number}"), "media": "voice",
            "start": "2024-03-01T10:00:00Z", "end": "2024-03-01T10:02:00Z", "queues": ["claims"],
            "participants": [{"role": "agent", "identifier": "a-7", "display_name": "Ada"}],
        }));
        Self { record: record.expect("a record"), bytes, tier: StorageTier::Cold, ext: "wav".into() }
    }

    /// The same in the hot tier.
    #[must_use]
    pub fn hot(mut self) -> Self {
        self.tier = StorageTier::Hot;
        self
    }
}

/// Archives one recording as the archiver does: intent, payload, original, manifest, outcome, row.
///
/// # Panics
/// Where any of it fails.
pub async fn archive_one(seams: Seams<'_>, sample: Sample) -> IndexRow {
    let key = sample.record.idempotency_key();
    let id = key.archive_id();
    let keys = RecordKeys::of(&sample.record, &sample.ext, "json").expect("keys");
    let retention = RetentionPolicy::default().decide(&sample.record).expect("the default policy has a rule for all");
    let draft = |phase| EventDraft::new(Action::Accession, phase, seams.agent.clone()).about(&id);
    let intent = seams.ledger.intend(draft(Phase::Intent)).await.expect("an intent");
    let until = retention.retention;
    let options = |tier, media_type: &str| PutOptions {
        media_type: media_type.into(),
        metadata: BTreeMap::new(),
        tags: BTreeMap::new(),
        tier,
        retention: Some(until),
        legal_hold: false,
        expected: None,
    };
    let writer = &seams.store.writer;
    let payload = serde_json::to_vec(&sample.record).expect("a payload");
    let payload_fixity = Fixity::sha256(Sha256Digest::of(&payload), payload.len() as u64);
    let json = || options(StorageTier::Hot, "application/json");
    writer.create("meta", &keys.payload, body(payload), json()).await.expect("a payload");
    let media = writer
        .create("media", &keys.media, body(sample.bytes.clone()), options(sample.tier, "audio/wav"))
        .await
        .expect("an original");
    let manifest = Manifest {
        format: MANIFEST_FORMAT.into(),
        archive_id: id.clone(),
        record: sample.record,
        object: MediaObject {
            bucket: media.locator.bucket.clone(),
            key: media.locator.key.clone(),
            version_id: media.locator.version_id.clone(),
            fixity: media.fixity.clone(),
            media_type: "audio/wav".into(),
            tier: sample.tier,
            storage_class: media.storage_class,
            probe: Probe { container: "wav".into(), decodable: true, ..Probe::default() },
            original_name: "../call of \u{fc}ber.wav".into(),
        },
        payload: PayloadRef { key: keys.payload, fixity: payload_fixity, schema: "holdfast-sidecar/1".into() },
        text: None,
        retention,
        accession: Accession {
            run: "run-1".parse().expect("an id"),
            source: SourceRef { source: "test".into(), item: key.recording_id },
            ingested_at: seams.clock.now(),
            ledger_intent: intent.sequence(),
            archiver_version: HOLDFAST_VERSION.into(),
        },
    };
    let bytes = manifest.to_canonical_bytes().expect("a manifest");
    let manifest_sha256 = Sha256Digest::of(&bytes);
    writer.create("meta", &keys.manifest, body(bytes), json()).await.expect("a manifest");
    let mut outcome = draft(Phase::Outcome).object(&media.locator).outcome(EventOutcome::Succeeded);
    outcome.intent = Some(intent.sequence());
    outcome.digest_after = Some(media.fixity.digest);
    outcome = outcome.detail(ACCESSION_MANIFEST_DETAIL, manifest_sha256.to_hex());
    let entry = seams.ledger.append(vec![outcome]).await.expect("an outcome").remove(0);
    let row = IndexRow::derive(&manifest, keys.manifest, manifest_sha256, &media.locator.store, entry.event.sequence);
    assert_eq!(seams.index.insert(&row, None).await.expect("a row"), InsertOutcome::Inserted);
    row
}

fn body(bytes: Vec<u8>) -> ByteStream {
    let pieces: Vec<Result<Bytes, StoreError>> = bytes.chunks(1 << 20).map(|c| Ok(Bytes::copy_from_slice(c))).collect();
    stream::iter(pieces).boxed()
}
