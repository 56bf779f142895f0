//! A desk over a storage in the cloud that answers at once, whose every call to storage, index and work store is counted.
#![allow(clippy::unwrap_used, clippy::expect_used, dead_code)]

use async_trait::async_trait;
use holdfast_index::{
    Claim, CreateOutcome, Facets, IndexError, IndexRow, InsertOutcome, ListWork, Page, Query, RebuildSink,
    RecordingIndex, SqliteIndex, SqliteWork, UpdateOutcome, Work, WorkKind, WorkStore,
};
use holdfast_ledger::{Agent, FolderTiles, Ledger, LedgerParts, LocalMac, LocalSigner, SqliteHead};
use holdfast_model::{
    ArchiveId, Availability, Clock, MatterId, ObjectKey, ObjectLocator, RehydrationSpeed, StorageState, StorageTier,
};
use holdfast_retrieval::{Desk, DeskParts, DeskSettings, NewMatter, PriceList};
use holdfast_store::{LocalStore, LocalStoreConfig, RehydrationOption, Rehydrator, StoreError, Ticket};
use holdfast_testkit::{Sample, Seams, archive_one};
use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

/// How often each call was made.
#[derive(Clone, Default)]
pub(crate) struct Calls(Arc<Mutex<BTreeMap<&'static str, usize>>>);

impl Calls {
    fn note(&self, name: &'static str) {
        *self.0.lock().unwrap().entry(name).or_default() += 1;
    }

    /// All since the last question.
    pub(crate) fn taken(&self) -> BTreeMap<&'static str, usize> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

/// Everything lies in Deep Archive, whatever the index thinks.
struct Cloud(Calls);

#[async_trait]
impl Rehydrator for Cloud {
    fn options(&self, _: &str) -> Vec<RehydrationOption> {
        let hours = |h: u64| Duration::from_secs(h * 3600);
        [(RehydrationSpeed::Standard, 9, 12), (RehydrationSpeed::Bulk, 24, 48)]
            .map(|(speed, expected, worst)| RehydrationOption { speed, expected: hours(expected), worst: hours(worst) })
            .into()
    }

    async fn request(&self, _: &ObjectLocator, _: RehydrationSpeed, _: u16) -> Result<Ticket, StoreError> {
        self.0.note("store.request");
        Ok(Ticket { availability: Availability::Offline, started: true })
    }

    async fn status(&self, of: &[ObjectLocator]) -> Result<Vec<Option<StorageState>>, StoreError> {
        self.0.note("store.status");
        let deep = StorageState {
            tier: StorageTier::DeepCold,
            storage_class: "DEEP_ARCHIVE".into(),
            availability: Availability::Offline,
        };
        Ok(vec![Some(deep); of.len()])
    }
}

struct CountedIndex(Arc<dyn RecordingIndex>, Calls);

#[async_trait]
impl RecordingIndex for CountedIndex {
    async fn insert_many(&self, rows: Vec<(IndexRow, Option<String>)>) -> Result<Vec<InsertOutcome>, IndexError> {
        self.1.note("index.insert_many");
        self.0.insert_many(rows).await
    }
    async fn get(&self, id: &ArchiveId) -> Result<Option<IndexRow>, IndexError> {
        self.1.note("index.get");
        self.0.get(id).await
    }
    async fn get_many(&self, ids: &[ArchiveId]) -> Result<Vec<Option<IndexRow>>, IndexError> {
        self.1.note("index.get_many");
        self.0.get_many(ids).await
    }
    async fn find_external(&self, system: &str, id: &str) -> Result<Vec<IndexRow>, IndexError> {
        self.0.find_external(system, id).await
    }
    async fn search(&self, query: &Query) -> Result<Page, IndexError> {
        self.0.search(query).await
    }
    async fn facets(&self, query: &Query) -> Result<Facets, IndexError> {
        self.0.facets(query).await
    }
    async fn set_state(&self, id: &ArchiveId, state: &StorageState) -> Result<(), IndexError> {
        self.1.note("index.set_state");
        self.0.set_state(id, state).await
    }
    async fn set_states(&self, seen: &[(ArchiveId, StorageState)]) -> Result<(), IndexError> {
        self.1.note("index.set_states");
        self.0.set_states(seen).await
    }
    async fn set_holds(&self, id: &ArchiveId, matters: &[MatterId]) -> Result<(), IndexError> {
        self.0.set_holds(id, matters).await
    }
    async fn scan(&self, after: Option<&ArchiveId>, limit: usize) -> Result<Vec<IndexRow>, IndexError> {
        self.0.scan(after, limit).await
    }
    async fn count(&self) -> Result<u64, IndexError> {
        self.0.count().await
    }
    async fn rebuild(&self) -> Result<Box<dyn RebuildSink>, IndexError> {
        self.0.rebuild().await
    }
}

struct CountedWork(SqliteWork, Calls);

#[async_trait]
impl WorkStore for CountedWork {
    async fn create_many(&self, new: Vec<Work>) -> Result<Vec<CreateOutcome>, IndexError> {
        self.1.note("work.create_many");
        self.0.create_many(new).await
    }
    async fn get(&self, kind: WorkKind, id: &str) -> Result<Option<Work>, IndexError> {
        self.1.note("work.get");
        self.0.get(kind, id).await
    }
    fn max_updates(&self) -> usize {
        self.0.max_updates()
    }
    async fn update_many(&self, works: Vec<Work>) -> Result<UpdateOutcome, IndexError> {
        self.1.note("work.update_many");
        self.0.update_many(works).await
    }
    async fn list(&self, query: ListWork<'_>) -> Result<Vec<Work>, IndexError> {
        self.1.note("work.list");
        self.0.list(query).await
    }
    async fn claim(&self, claim: Claim<'_>) -> Result<Vec<Work>, IndexError> {
        self.1.note("work.claim");
        self.0.claim(claim).await
    }
    async fn renew(&self, kind: WorkKind, id: &str, owner: &str, lease_ms: u64) -> Result<bool, IndexError> {
        self.0.renew(kind, id, owner, lease_ms).await
    }
    async fn release(&self, kind: WorkKind, id: &str, owner: &str) -> Result<bool, IndexError> {
        self.0.release(kind, id, owner).await
    }
    async fn counts(&self, kind: WorkKind, parent: Option<&str>) -> Result<BTreeMap<String, u64>, IndexError> {
        self.1.note("work.counts");
        self.0.counts(kind, parent).await
    }
}

/// A desk with one open matter of many recordings.
pub(crate) struct Many {
    pub(crate) desk: Desk,
    pub(crate) matter: MatterId,
    pub(crate) calls: Calls,
    pub(crate) me: Agent,
}

impl Many {
    /// With `n` recordings of one MiB that the index knows as archived online.
    pub(crate) async fn of(n: u32, root: &Path, clock: Arc<dyn Clock>) -> Self {
        std::fs::create_dir_all(root.join("ledger")).unwrap();
        let calls = Calls::default();
        let me = Agent {
            host: "desk-1".into(),
            os_user: "lee".into(),
            person: "Lee Legal".into(),
            role: "legal".into(),
            ..Agent::default()
        };
        let mut store = LocalStore::open(LocalStoreConfig::new(root.join("archive")), clock.clone()).unwrap().store();
        let index = SqliteIndex::open(root.join("index.sqlite")).await.unwrap().index();
        let ledger = Ledger::open(LedgerParts {
            head: Arc::new(SqliteHead::open(&root.join("ledger/head.sqlite")).unwrap()),
            tiles: Arc::new(FolderTiles::open(&root.join("ledger")).unwrap()),
            signer: Arc::new(LocalSigner::from_seed(&[7; 32])),
            mac: Arc::new(LocalMac::from_seed(&[8; 32])),
            clock: clock.clone(),
            agent: me.clone(),
        })
        .await
        .unwrap();
        let seams = Seams { store: &store, index: index.as_ref(), ledger: &ledger, clock: &*clock, agent: &me };
        let first = archive_one(seams, Sample::new(0, vec![7; 1000]).hot()).await;
        let mut ids = Vec::new();
        let mut rows = Vec::new();
        for i in 1..=n {
            let mut row = first.clone();
            row.record.recording_id = format!("many-{i}");
            row.archive_id = row.record.idempotency_key().archive_id();
            row.locator.key = ObjectKey::new(format!("recordings/2024/03/01/c/{i:06}.wav")).unwrap();
            row.fixity.size_bytes = 1 << 20;
            ids.push(row.archive_id.clone());
            rows.push((row, None));
        }
        index.insert_many(rows).await.unwrap();
        store.rehydrator = Some(Arc::new(Cloud(calls.clone())));
        let work = SqliteWork::open(root.join("work.sqlite"), clock.clone()).await.unwrap();
        let desk = Desk::new(DeskParts {
            store,
            index: Arc::new(CountedIndex(index, calls.clone())),
            work: Arc::new(CountedWork(work, calls.clone())),
            ledger,
            clock: clock.clone(),
            folder: root.join("desk"),
            prices: PriceList::embedded().unwrap(),
            agent: me.clone(),
            settings: DeskSettings::default(),
        })
        .unwrap();
        let new = NewMatter {
            name: "All of March".into(),
            reference: "24-CV-1182".into(),
            justification: "subpoena".into(),
            deadline: clock.now() + jiff::SignedDuration::from_hours(13),
            requester: None,
            idempotency: None,
        };
        let matter = desk.create_matter(new, &me).await.unwrap();
        desk.add_items(&matter, &ids, &me).await.unwrap();
        calls.taken();
        Self { desk, matter, calls, me }
    }
}
