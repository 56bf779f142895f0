//! A home folder with everything the archiver needs, a source folder, and what must hold afterwards.

use holdfast_connectors::{FolderOptions, FolderSource, Readiness, SourceConnector};
use holdfast_index::{IndexRow, SqliteIndex, SqliteWork, WorkKind};
use holdfast_ingest::{Archiver, ArchiverParts, IngestError, RunSummary, catalogue};
use holdfast_ledger::{
    Action, Agent, EventOutcome, FolderTiles, Ledger, LedgerEntry, LedgerParts, LocalMac, LocalSigner, Phase,
    SqliteHead,
};
use holdfast_model::{Cancel, Clock, NoProgress, SystemClock};
use holdfast_store::{LocalStore, LocalStoreConfig, Store};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

pub(crate) fn agent() -> Agent {
    Agent {
        host: "test-host".into(),
        os_user: "archiver".into(),
        person: "Test Person".into(),
        role: "archiver".into(),
        ..Agent::default()
    }
}

/// An opened archive.
pub(crate) struct Home {
    pub(crate) root: PathBuf,
    pub(crate) parts: ArchiverParts,
    pub(crate) archiver: Archiver,
}

impl Home {
    pub(crate) async fn open(root: &Path) -> Self {
        Self::open_with(root, Arc::new(SystemClock), |store| store, |_| {}).await
    }

    pub(crate) async fn open_with(
        root: &Path,
        clock: Arc<dyn Clock>,
        wrap: impl FnOnce(Store) -> Store,
        change: impl FnOnce(&mut ArchiverParts),
    ) -> Self {
        fs::create_dir_all(root.join("ledger")).unwrap();
        fs::create_dir_all(root.join("source")).unwrap();
        let store = LocalStore::open(LocalStoreConfig::new(root.join("archive")), clock.clone()).unwrap();
        let index = SqliteIndex::open(root.join("index.sqlite")).await.unwrap();
        let work = SqliteWork::open(root.join("work.sqlite"), clock.clone()).await.unwrap();
        let ledger = Ledger::open(LedgerParts {
            head: Arc::new(SqliteHead::open(&root.join("ledger/head.sqlite")).unwrap()),
            tiles: Arc::new(FolderTiles::open(&root.join("ledger/tiles")).unwrap()),
            signer: Arc::new(LocalSigner::from_seed(&[7; 32])),
            mac: Arc::new(LocalMac::from_seed(&[8; 32])),
            clock: clock.clone(),
            agent: agent(),
        })
        .await
        .unwrap();
        let mut parts = ArchiverParts::new(wrap(store.store()), index.index(), work.work(), ledger, clock);
        parts.settings.lease_ms = 5_000;
        change(&mut parts);
        Self { root: root.to_owned(), archiver: Archiver::new(parts.clone()), parts }
    }

    pub(crate) fn source(&self) -> PathBuf {
        self.root.join("source")
    }

    pub(crate) fn connector(&self, mapping: Option<String>) -> Arc<dyn SourceConnector> {
        Arc::new(
            FolderSource::open(FolderOptions {
                name: "drop".into(),
                root: self.source(),
                mapping,
                mapping_path: None,
                organisation: None,
                readiness: Readiness::Now,
                clock: self.parts.clock.clone(),
            })
            .unwrap(),
        )
    }

    pub(crate) async fn try_ingest(&self) -> Result<RunSummary, IngestError> {
        let cancel = Cancel::default();
        self.archiver.ingest(self.connector(None), &agent(), Arc::new(NoProgress), &cancel).await
    }

    /// Ingests the source folder; the sum must hold.
    pub(crate) async fn ingest(&self) -> RunSummary {
        let summary = self.try_ingest().await.unwrap();
        assert!(summary.complete(), "{summary:?}");
        summary
    }

    pub(crate) async fn rows(&self) -> Vec<IndexRow> {
        self.parts.index.scan(None, 1000).await.unwrap()
    }

    pub(crate) async fn entries(&self) -> Vec<LedgerEntry> {
        self.parts.ledger.entries(0, 100_000).await.unwrap()
    }

    /// Keys in a bucket.
    pub(crate) async fn keys(&self, bucket: &str) -> Vec<String> {
        let page = self.parts.store.reader.list(bucket, "", None, 10_000).await.unwrap();
        page.objects.iter().map(|o| o.locator.key.to_string()).collect()
    }

    pub(crate) async fn states(&self) -> BTreeMap<String, u64> {
        self.parts.work.counts(WorkKind::IngestItem, None).await.unwrap()
    }

    /// The ledger is one good chain; each recording was taken in once; index, manifests, originals and ledger agree.
    pub(crate) async fn check(&self) {
        let report = self.parts.ledger.verify(&[], &NoProgress, &Cancel::default()).await.unwrap();
        assert!(report.faults.is_empty(), "{report:?}");
        let mut outcomes: BTreeMap<String, u64> = BTreeMap::new();
        let mut open: BTreeMap<u64, LedgerEntry> = BTreeMap::new();
        for entry in self.entries().await {
            let event = &entry.event;
            if event.action != Action::Accession {
                continue;
            }
            match event.phase {
                Phase::Intent => {
                    open.insert(event.sequence, entry.clone());
                }
                _ => {
                    assert!(
                        open.remove(&event.intent.unwrap()).is_some(),
                        "an outcome without an open intent: {event:?}"
                    );
                    if event.outcome == Some(EventOutcome::Succeeded) {
                        *outcomes.entry(event.archive_id().unwrap().to_string()).or_default() += 1;
                    }
                }
            }
        }
        assert!(open.is_empty(), "intents without an outcome: {open:?}");
        let rows = self.rows().await;
        let ids: Vec<String> = rows.iter().map(|r| r.archive_id.to_string()).collect();
        assert_eq!(outcomes.keys().cloned().collect::<Vec<_>>(), ids);
        assert!(outcomes.values().all(|n| *n == 1), "{outcomes:?}");
        let report = catalogue::check(&self.parts, &NoProgress, &Cancel::default()).await.unwrap();
        assert!(report.agrees() && report.unfinished == 0, "{report:?}");
        assert_eq!(report.equal, rows.len() as u64);
        for row in &rows {
            let info = self.parts.store.reader.head(&row.locator).await.unwrap();
            assert_eq!((info.sha256, info.size_bytes), (Some(row.fixity.digest), row.fixity.size_bytes));
            assert_eq!(info.retention, Some(row.retention.retention));
        }
    }

    /// Sidecar and sound of a recording of so many milliseconds.
    pub(crate) fn voice(&self, name: &str, ms: u64) {
        self.pair(name, "wav", &wav(ms, 8), &sidecar(name, ms));
    }

    pub(crate) fn pair(&self, name: &str, extension: &str, media: &[u8], sidecar: &Value) {
        fs::write(self.source().join(format!("{name}.{extension}")), media).unwrap();
        fs::write(self.source().join(format!("{name}.json")), serde_json::to_vec_pretty(sidecar).unwrap()).unwrap();
    }
}

pub(crate) fn sidecar(name: &str, ms: u64) -> Value {
    let start: jiff::Timestamp = "2024-03-01T09:00:00Z".parse().unwrap();
    let end = start + jiff::SignedDuration::from_millis(i64::try_from(ms).unwrap());
    json!({
        "vendor": "genesys", "organisation": "acme", "interaction_id": format!("c-{name}"), "recording_id": name,
        "media": "voice", "start": start.to_string(), "end": end.to_string(), "direction": "inbound", "queue": "sales",
        "tags": ["pci"], "participants": [{"role": "agent", "identifier": "a1", "display_name": "Ann"}],
        "transcript": format!("hello from {name}"),
    })
}

/// PCM of 16 bit, mono; `seed` makes the bytes different.
pub(crate) fn wav(ms: u64, seed: u16) -> Vec<u8> {
    let rate = 8_000u32;
    let samples = u32::try_from(u64::from(rate) * ms / 1000).unwrap();
    let mut out = Vec::new();
    out.extend(b"RIFF");
    out.extend((36 + samples * 2).to_le_bytes());
    out.extend(b"WAVEfmt ");
    out.extend(16u32.to_le_bytes());
    out.extend([1, 0, 1, 0]);
    out.extend(rate.to_le_bytes());
    out.extend((rate * 2).to_le_bytes());
    out.extend([2, 0, 16, 0]);
    out.extend(b"data");
    out.extend((samples * 2).to_le_bytes());
    for i in 0..samples {
        let value = u16::try_from(i % 997).unwrap().wrapping_mul(seed.wrapping_mul(13).max(1));
        out.extend(value.to_le_bytes());
    }
    out
}
