//! What a look reads, and that it misses nothing.

use super::{Told, WARN_EVERY_MS};
use crate::{
    Holdfast, NotSent, Notice, NoticeKind, Notifier, OpenOptions, config::NotifyConfig, dto::ApiEvent, notify::Outbox,
};
use async_trait::async_trait;
use holdfast_index::{
    Claim, CreateOutcome, IndexError, ListWork, SqliteWork, UpdateOutcome, Work, WorkKind, WorkStore,
};
use holdfast_model::{Clock as _, MatterId, Sha256Digest};
use holdfast_retrieval::{Desk, DeskParts, DeskSettings, NewMatter, PriceList};
use holdfast_testkit::ManualClock;
use jiff::SignedDuration;
use serde_json::json;
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

/// Counts the retrievals that are read.
struct Counted {
    store: Arc<dyn WorkStore>,
    read: Arc<AtomicUsize>,
}

impl Counted {
    fn note(&self, kind: WorkKind, n: usize) {
        self.read.fetch_add(if kind == WorkKind::Retrieval { n } else { 0 }, Ordering::Relaxed);
    }
}

#[async_trait]
impl WorkStore for Counted {
    async fn create_many(&self, new: Vec<Work>) -> Result<Vec<CreateOutcome>, IndexError> {
        self.store.create_many(new).await
    }
    async fn get(&self, kind: WorkKind, id: &str) -> Result<Option<Work>, IndexError> {
        self.note(kind, 1);
        self.store.get(kind, id).await
    }
    async fn update_many(&self, works: Vec<Work>) -> Result<UpdateOutcome, IndexError> {
        self.store.update_many(works).await
    }
    async fn list(&self, query: ListWork<'_>) -> Result<Vec<Work>, IndexError> {
        let found = self.store.list(query).await?;
        self.note(query.kind, found.len());
        Ok(found)
    }
    async fn claim(&self, claim: Claim<'_>) -> Result<Vec<Work>, IndexError> {
        self.store.claim(claim).await
    }
    async fn renew(&self, kind: WorkKind, id: &str, owner: &str, lease_ms: u64) -> Result<bool, IndexError> {
        self.store.renew(kind, id, owner, lease_ms).await
    }
    async fn release(&self, kind: WorkKind, id: &str, owner: &str) -> Result<bool, IndexError> {
        self.store.release(kind, id, owner).await
    }
    async fn counts(&self, kind: WorkKind, parent: Option<&str>) -> Result<BTreeMap<String, u64>, IndexError> {
        self.store.counts(kind, parent).await
    }
}

/// Hears everything.
#[derive(Default)]
struct Ear(Mutex<Vec<Notice>>);

#[async_trait]
impl Notifier for Ear {
    fn channel(&self) -> &str {
        "ear"
    }
    async fn send(&self, _: &str, notice: &Notice) -> Result<(), NotSent> {
        self.0.lock().unwrap().push(notice.clone());
        Ok(())
    }
}

struct Bench {
    holdfast: Arc<Holdfast>,
    /// The same work as another process has it.
    work: Arc<dyn WorkStore>,
    clock: ManualClock,
    read: Arc<AtomicUsize>,
    ear: Arc<Ear>,
    matter: MatterId,
    _folder: tempfile::TempDir,
}

impl Bench {
    /// With one empty matter that is due in so many hours.
    async fn due_in(hours: i64) -> Self {
        let (folder, clock) = (tempfile::tempdir().unwrap(), ManualClock::default());
        let options = OpenOptions { home: folder.path().join("home"), set: vec!["keys.place=file".into()] };
        let mut holdfast = Holdfast::open_with(options, Arc::new(clock.clone())).await.unwrap();
        let h = Arc::get_mut(&mut holdfast).unwrap();
        let sqlite = SqliteWork::open(h.home.work_db(), Arc::new(clock.clone())).await.unwrap();
        let work: Arc<dyn WorkStore> = Arc::new(sqlite);
        let (read, ear) = (Arc::new(AtomicUsize::new(0)), Arc::new(Ear::default()));
        let counted: Arc<dyn WorkStore> = Arc::new(Counted { store: Arc::clone(&work), read: Arc::clone(&read) });
        let agent = h.local_caller("cli").agent().clone();
        h.outbox = Outbox::new(Arc::clone(&counted), Arc::clone(&h.clock), vec![ear.clone()], &NotifyConfig::default());
        h.desk = Desk::new(DeskParts {
            store: h.store.clone(),
            index: Arc::clone(&h.index),
            work: h.under_way.over(counted),
            ledger: h.ledger.clone(),
            clock: Arc::clone(&h.clock),
            folder: h.home.desk(),
            prices: PriceList::embedded().unwrap(),
            agent: agent.clone(),
            settings: DeskSettings::default(),
        })
        .unwrap();
        let new = NewMatter {
            name: "Doe v. Acme".into(),
            reference: "24-CV-1182".into(),
            justification: "subpoena".into(),
            deadline: clock.now() + SignedDuration::from_hours(hours),
            requester: None,
            idempotency: None,
        };
        let matter = h.desk.create_matter(new, &agent).await.unwrap();
        Self { holdfast, work, clock, read, ear, matter, _folder: folder }
    }

    fn row(&self, n: usize, state: &str) -> Work {
        let id = format!("hf-{n:04}");
        let job = json!({
            "archive_id": id, "matter": self.matter, "exhibit": format!("HF-{n:04}"),
            "fixity": { "algorithm": "sha256", "digest": Sha256Digest::of(id.as_bytes()), "size_bytes": 9 },
            "locator": { "store": "s3", "bucket": "media", "key": "k", "version_id": "v" },
            "storage_class": "GLACIER", "ext": "wav", "keep_days": 7, "done_bytes": 0, "remarks": [],
            "attempt": 1, "asked": 0, "downloads": 0, "faults": 0, "raise": false,
        });
        Work::new(WorkKind::Retrieval, format!("{}/{id}", self.matter), state, job).of(self.matter.as_str())
    }

    async fn rows(&self, range: std::ops::Range<usize>, state: &str) {
        self.work.create_many(range.map(|n| self.row(n, state)).collect()).await.unwrap();
    }

    /// As another process ends it.
    async fn end(&self, n: usize) {
        let row = self.work.get(WorkKind::Retrieval, &self.row(n, "").id).await.unwrap().unwrap();
        assert!(self.work.update(Work { state: "verified".into(), ..row }).await.unwrap().rev().is_some());
    }

    /// One look; how many retrievals it read.
    async fn look(&self, told: &mut Told) -> usize {
        self.read.store(0, Ordering::Relaxed);
        self.holdfast.look(None, told).await.unwrap();
        self.read.load(Ordering::Relaxed)
    }

    fn heard(&self) -> Vec<(NoticeKind, u32, u32)> {
        self.ear.0.lock().unwrap().iter().map(|n| (n.kind, n.verified, n.under_way)).collect()
    }
}

/// What was told since, in few words.
fn events(of: &mut tokio::sync::broadcast::Receiver<ApiEvent>) -> Vec<String> {
    let mut out = Vec::new();
    while let Ok(event) = of.try_recv() {
        match event {
            ApiEvent::Job { job } => out.push(format!("{} {}", job.archive_id, job.state)),
            ApiEvent::MatterReady { verified, failed, .. } => out.push(format!("ready {verified} {failed}")),
            _ => {}
        }
    }
    out.sort();
    out
}

/// A round reads what is under way, however many ended before; an end is told with all that the matter has.
#[tokio::test]
async fn a_thousand_that_ended_are_not_read_again_each_round() {
    let bench = Bench::due_in(10_000).await;
    bench.holdfast.before_driving().await.unwrap();
    bench.rows(0..1_000, "verified").await;
    bench.rows(1_000..1_003, "rehydrating").await;
    let mut heard = bench.holdfast.subscribe();
    let mut told = Told::default();
    assert_eq!(bench.look(&mut told).await, 3 + 1_003, "the first look reads open matters once");
    for _ in 0..5 {
        bench.clock.advance(Duration::from_secs(2));
        assert_eq!(bench.look(&mut told).await, 3);
    }
    bench.clock.advance(Duration::from_millis(WARN_EVERY_MS.unsigned_abs()));
    assert_eq!(bench.look(&mut told).await, 3, "no deadline is near");
    assert_eq!(events(&mut heard), Vec::<String>::new());

    bench.end(1_001).await;
    assert_eq!(bench.look(&mut told).await, 2 + 1, "the one that is gone is read by its id");
    assert_eq!(events(&mut heard), ["hf-1001 verified"]);
    assert_eq!((told.jobs.len(), bench.heard()), (2, vec![]));

    bench.end(1_000).await;
    bench.end(1_002).await;
    assert_eq!(bench.look(&mut told).await, 2 * 1_003, "once for listeners, once for people elsewhere");
    assert_eq!(events(&mut heard), ["hf-1000 verified", "hf-1002 verified", "ready 1003 0"]);
    assert_eq!(bench.heard(), [(NoticeKind::Ready, 1_003, 0)]);
    bench.clock.advance(Duration::from_secs(60));
    assert_eq!((bench.look(&mut told).await, told.jobs.len()), (0, 0));
    assert_eq!((events(&mut heard), bench.heard().len()), (vec![], 1));
}

/// This process begins a retrieval and ends it.
async fn begins_and_ends(bench: &Bench, n: usize) {
    let mine = bench.holdfast.under_way.over(Arc::clone(&bench.work));
    mine.create(bench.row(n, "planned")).await.unwrap();
    let claim = Claim {
        kind: WorkKind::Retrieval,
        states: &["approved"],
        parent: None,
        owner: "me",
        lease_ms: 9_000,
        limit: 9,
    };
    let planned = bench.work.get(WorkKind::Retrieval, &bench.row(n, "").id).await.unwrap().unwrap();
    bench.work.update(Work { state: "approved".into(), ..planned }).await.unwrap();
    let claimed = mine.claim(claim).await.unwrap().remove(0);
    mine.update(Work { state: "verified".into(), lease: None, ..claimed }).await.unwrap();
}

/// Who read how things stood when this process began, and looks on, hears of what it did before the first look.
#[tokio::test]
async fn what_begins_and_ends_before_the_first_look_is_told() {
    let bench = Bench::due_in(10_000).await;
    bench.holdfast.before_driving().await.unwrap();
    let mut heard = bench.holdfast.subscribe();
    bench.holdfast.under_way.take();
    begins_and_ends(&bench, 7).await;
    bench.look(&mut Told::default()).await;
    assert_eq!(events(&mut heard), ["hf-0007 verified", "ready 1 0"]);
}

/// What this process began and ended between two looks, while nobody looked, is told like anything else.
#[tokio::test]
async fn what_begins_and_ends_between_two_looks_is_told() {
    let bench = Bench::due_in(10_000).await;
    bench.holdfast.before_driving().await.unwrap();
    let mut heard = bench.holdfast.subscribe();
    let mut told = Told::default();
    bench.look(&mut told).await;
    begins_and_ends(&bench, 7).await;
    assert_eq!(bench.look(&mut told).await, 2);
    assert_eq!(events(&mut heard), ["hf-0007 verified", "ready 1 0"]);
    assert_eq!(bench.heard(), [(NoticeKind::Ready, 1, 0)]);
    assert_eq!((bench.look(&mut told).await, events(&mut heard)), (0, vec![]));
}

/// A warning counts what ended too, and is looked for among what is under way alone.
#[tokio::test]
async fn a_deadline_in_danger_is_told_once_with_all_that_the_matter_has() {
    let bench = Bench::due_in(3).await;
    bench.holdfast.before_driving().await.unwrap();
    let mut told = Told::default();
    bench.look(&mut told).await;
    bench.rows(0..50, "verified").await;
    bench.rows(50..52, "rehydrating").await;
    bench.clock.advance(Duration::from_millis(WARN_EVERY_MS.unsigned_abs()));
    assert_eq!(bench.look(&mut told).await, 2 + 52);
    assert_eq!(bench.heard(), [(NoticeKind::Deadline, 50, 2)]);
    bench.clock.advance(Duration::from_millis(WARN_EVERY_MS.unsigned_abs()));
    assert_eq!((bench.look(&mut told).await, bench.heard().len()), (2, 1));
}

/// What ended while no process was there to tell is told at the first look of the next, once; what was so before a channel was
/// turned on is not.
#[tokio::test]
async fn what_ended_while_nobody_was_there_is_told_at_the_first_look() {
    let bench = Bench::due_in(10_000).await;
    bench.rows(0..2, "verified").await;
    bench.holdfast.before_driving().await.unwrap();
    bench.look(&mut Told::default()).await;
    assert_eq!(bench.heard(), [], "it was so when the channel was turned on");
    bench.rows(2..3, "rehydrating").await;
    bench.end(2).await;
    for _ in 0..2 {
        bench.look(&mut Told::default()).await;
    }
    assert_eq!(bench.heard(), [(NoticeKind::Ready, 3, 0)]);
}
