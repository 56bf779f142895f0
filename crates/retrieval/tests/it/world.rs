//! A whole installation in one folder, with the real store, index, work store and ledger.

use holdfast_index::{RecordingIndex, SqliteIndex, SqliteWork, WorkStore};
use holdfast_ledger::{
    Action, Agent, EventOutcome, FolderTiles, Ledger, LedgerEntry, LedgerParts, LocalMac, LocalSigner, Phase,
    SqliteHead,
};
use holdfast_model::{ArchiveId, Cancel, MatterId, NoProgress};
use holdfast_retrieval::{
    Desk, DeskParts, DeskSettings, DriveSummary, JobState, JobView, NewMatter, PlanRequest, PriceList, RetrievalError,
};
use holdfast_store::{LocalStore, LocalStoreConfig, RehydrationTime, Store};
use holdfast_testkit::{FaultyStore, ManualClock, Sample, Seams, archive_one};
use jiff::{SignedDuration, Timestamp};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

/// When everything begins.
pub(crate) fn dawn() -> Timestamp {
    "2026-11-03T08:00:00Z".parse().unwrap()
}

pub(crate) struct World {
    pub(crate) root: PathBuf,
    pub(crate) clock: ManualClock,
    pub(crate) faults: Arc<FaultyStore>,
    pub(crate) store: Store,
    pub(crate) index: Arc<dyn RecordingIndex>,
    pub(crate) ledger: Ledger,
    pub(crate) desk: Desk,
    pub(crate) parts: DeskParts,
    pub(crate) me: Agent,
    pub(crate) _folder: Option<tempfile::TempDir>,
}

pub(crate) fn agent(role: &str) -> Agent {
    Agent {
        host: "desk-1".into(),
        os_user: "lee".into(),
        person: "Lee Legal".into(),
        role: role.into(),
        ..Agent::default()
    }
}

/// Speeds of the cold tier: Expedited 1-5 min, Standard 3-5 h, Bulk 5-12 h.
fn config(root: &Path) -> LocalStoreConfig {
    use holdfast_model::RehydrationSpeed::{Bulk, Expedited, Standard};
    let minutes = |expected: u64, worst: u64| RehydrationTime {
        expected: Duration::from_secs(60 * expected),
        worst: Duration::from_secs(60 * worst),
    };
    let mut config = LocalStoreConfig::new(root);
    config.speeds =
        BTreeMap::from([(Expedited, minutes(1, 5)), (Standard, minutes(180, 300)), (Bulk, minutes(300, 720))]);
    config
}

/// Prices under which slower is cheaper.
pub(crate) fn prices() -> PriceList {
    let text = PriceList::embedded_text();
    let text = text
        .replacen("per_gb = \"0\"\nper_1000_requests = \"0\"", "per_gb = \"0.03\"\nper_1000_requests = \"10\"", 1)
        .replacen("per_gb = \"0\"\nper_1000_requests = \"0\"", "per_gb = \"0.01\"\nper_1000_requests = \"0.05\"", 1);
    PriceList::parse(&text).unwrap()
}

impl World {
    pub(crate) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut world = Self::at(folder.path(), ManualClock::at(dawn())).await;
        world._folder = Some(folder);
        world
    }

    pub(crate) async fn at(root: &Path, clock: ManualClock) -> Self {
        Self::with(root, clock, |s| s).await
    }

    pub(crate) async fn with(root: &Path, clock: ManualClock, set: impl FnOnce(DeskSettings) -> DeskSettings) -> Self {
        std::fs::create_dir_all(root.join("ledger")).unwrap();
        let time: Arc<dyn holdfast_model::Clock> = Arc::new(clock.clone());
        let local = LocalStore::open(config(&root.join("archive")), time.clone()).unwrap();
        let faults = FaultyStore::new(local.store());
        let index = SqliteIndex::open(root.join("index.sqlite")).await.unwrap().index();
        let work: Arc<dyn WorkStore> =
            Arc::new(SqliteWork::open(root.join("work.sqlite"), time.clone()).await.unwrap());
        let me = agent("legal");
        let ledger = Ledger::open(LedgerParts {
            head: Arc::new(SqliteHead::open(&root.join("ledger/head.sqlite")).unwrap()),
            tiles: Arc::new(FolderTiles::open(&root.join("ledger")).unwrap()),
            signer: Arc::new(LocalSigner::from_seed(&[7; 32])),
            mac: Arc::new(LocalMac::from_seed(&[8; 32])),
            clock: time.clone(),
            agent: me.clone(),
        })
        .await
        .unwrap();
        let parts = DeskParts {
            store: faults.store(),
            index: index.clone(),
            work,
            ledger: ledger.clone(),
            clock: time,
            folder: root.join("desk"),
            prices: prices(),
            agent: agent("desk"),
            settings: set(DeskSettings { range_bytes: 1 << 16, ..DeskSettings::default() }),
        };
        let desk = Desk::new(parts.clone()).unwrap();
        let store = local.store();
        Self { root: root.to_owned(), clock, faults, store, index, ledger, desk, parts, me, _folder: None }
    }

    /// Another desk on the same archive, index, work store and ledger: another folder, and what `set` changes.
    pub(crate) fn another_desk(&self, folder: &str, set: impl FnOnce(&mut DeskParts)) -> Desk {
        let mut parts = self.parts.clone();
        parts.folder = self.root.join(folder);
        parts.agent.host = folder.to_owned();
        set(&mut parts);
        Desk::new(parts).unwrap()
    }

    /// Lets a lifecycle rule put everything that was brought back into its cold tier again.
    pub(crate) fn archive_again(&self) {
        let mut changed = 0;
        for path in files(&self.root.join("archive"), "") {
            let Ok(text) = std::fs::read_to_string(&path) else { continue };
            let Ok(mut facts) = serde_json::from_str::<serde_json::Value>(&text) else { continue };
            if facts.get("rehydration").is_some_and(|r| !r.is_null()) {
                facts["rehydration"] = serde_json::Value::Null;
                overwrite(&path, |bytes| *bytes = serde_json::to_vec(&facts).unwrap());
                changed += 1;
            }
        }
        assert!(changed > 0, "something was brought back");
    }

    pub(crate) async fn archive(&self, sample: Sample) -> ArchiveId {
        let seams = Seams {
            store: &self.store,
            index: self.index.as_ref(),
            ledger: &self.ledger,
            clock: &self.clock,
            agent: &self.me,
        };
        archive_one(seams, sample).await.archive_id
    }

    /// Cold recordings 1 to n; each has its own bytes.
    pub(crate) async fn cold(&self, n: u32) -> Vec<ArchiveId> {
        let mut ids = Vec::new();
        for number in 1..=n {
            ids.push(self.archive(Sample::new(number, bytes(number))).await);
        }
        ids
    }

    pub(crate) async fn matter_of(&self, ids: &[ArchiveId]) -> MatterId {
        let matter = self.desk.create_matter(new_matter("Doe v. Acme"), &self.me).await.unwrap();
        self.desk.add_items(&matter, ids, &self.me).await.unwrap();
        matter
    }

    /// Plans for a deadline that Expedited alone meets, and starts.
    pub(crate) async fn begin(&self, matter: &MatterId) {
        let deadline = Some(self.now() + SignedDuration::from_hours(1));
        let request = PlanRequest { deadline, ..PlanRequest::default() };
        let plan = self.desk.make_plan(matter, request, &self.me).await.unwrap();
        assert!(plan.body.totals.meets_deadline, "{:?}", plan.body);
        self.desk.start(matter, Some(&plan.plan_id), None, None, &self.me).await.unwrap();
    }

    pub(crate) async fn drive(&self) -> DriveSummary {
        self.desk.drive(None, &NoProgress, &Cancel::default()).await.unwrap()
    }

    /// Drives, letting time pass to whatever is due next, until nothing is left to do.
    pub(crate) async fn drive_to_the_end(&self) -> DriveSummary {
        for _ in 0..50 {
            let summary = self.drive().await;
            let Some(due) = summary.next_due else { return summary };
            self.clock.set(due.max(self.now()));
        }
        panic!("it does not end");
    }

    pub(crate) fn now(&self) -> Timestamp {
        use holdfast_model::Clock as _;
        self.clock.now()
    }

    pub(crate) async fn job(&self, matter: &MatterId, id: &ArchiveId) -> JobView {
        self.desk.job(matter, id).await.unwrap().unwrap()
    }

    pub(crate) async fn states(&self, matter: &MatterId) -> Vec<JobState> {
        self.desk.jobs(Some(matter), true).await.unwrap().iter().map(|j| j.state).collect()
    }

    /// How often the ledger has this about a recording.
    pub(crate) async fn count(&self, id: &ArchiveId, action: Action, phase: Phase) -> usize {
        self.entries(id).await.iter().filter(|e| e.event.action == action && e.event.phase == phase).count()
    }

    pub(crate) async fn entries(&self, id: &ArchiveId) -> Vec<LedgerEntry> {
        self.ledger.entries_of(id).await.unwrap()
    }

    /// The ledger is whole, every intent has exactly one outcome, and every outcome its intent before it.
    pub(crate) async fn assert_ledger(&self) {
        let report = self.ledger.verify(&[], &NoProgress, &Cancel::default()).await.unwrap();
        assert!(report.is_intact(), "{report:?}");
        let entries = self.ledger.entries(0, 100_000).await.unwrap();
        let mut open: BTreeMap<u64, &LedgerEntry> = BTreeMap::new();
        for entry in &entries {
            match entry.event.phase {
                Phase::Intent => drop(open.insert(entry.event.sequence, entry)),
                Phase::Outcome => {
                    let intent = entry.event.intent.expect("an outcome names its intent");
                    let begun = open.remove(&intent).expect("one outcome for each intent, and after it");
                    assert_eq!(begun.event.action, entry.event.action);
                    assert_eq!(begun.event.archive_id(), entry.event.archive_id());
                    assert!(entry.event.outcome.is_some());
                }
                Phase::Fact => {}
            }
        }
        assert!(open.is_empty(), "intents without an outcome: {open:#?}");
    }

    /// What of an action succeeded, by recording.
    pub(crate) async fn succeeded(&self, id: &ArchiveId, action: Action) -> usize {
        let entries = self.entries(id).await;
        let done = entries.iter().filter(|e| e.event.action == action && e.event.phase == Phase::Outcome);
        done.filter(|e| e.event.outcome == Some(EventOutcome::Succeeded)).count()
    }
}

pub(crate) fn bytes(number: u32) -> Vec<u8> {
    let length = 200_000 + number * 1000;
    (0..length).map(|i| (i.wrapping_mul(2_654_435_761).wrapping_add(number) >> 11) as u8).collect()
}

pub(crate) fn new_matter(name: &str) -> NewMatter {
    NewMatter {
        name: name.into(),
        reference: "24-CV-1182".into(),
        justification: "subpoena of 2 November".into(),
        deadline: dawn() + SignedDuration::from_hours(9),
        requester: None,
        idempotency: None,
    }
}

pub(crate) fn code<T: std::fmt::Debug>(result: Result<T, RetrievalError>) -> &'static str {
    use holdfast_model::Fault as _;
    result.unwrap_err().code()
}

/// Every file below a folder whose path contains `part`.
pub(crate) fn files(root: &Path, part: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(&folder) else { continue };
        for entry in entries {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.to_string_lossy().contains(part) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// Writes to a file that is read-only.
pub(crate) fn overwrite(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o644)).unwrap();
    let mut bytes = std::fs::read(path).unwrap();
    change(&mut bytes);
    std::fs::write(path, bytes).unwrap();
}
