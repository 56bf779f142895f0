//! One run over one source: discovery, admission, work on several items at once, and one place where results are written.

use crate::{
    Archiver, ArchiverParts, IngestError,
    accession::Finished,
    bytes::measure,
    item::{ItemDoc, item_id, read_doc, state},
    owner::Running,
    quarantine::Reason,
};
use holdfast_connectors::{Discovered, SourceConnector, SourceItem};
use holdfast_index::{IndexRow, Lease, UpdateOutcome, Work, WorkKind};
use holdfast_ledger::{Agent, Intent};
use holdfast_model::{
    ArchiveId, Cancel, Fault, Fixity, ObjectLocator, Progress, ProgressSink, RunId, fail_after, step,
};
use holdfast_store::BYTE_RANGE_ALL;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::{
    sync::{Semaphore, mpsc},
    task::JoinSet,
};

/// Items admitted, and results written, in one transaction at most.
const CHUNK: usize = 64;
/// Recordings up to this length count as small: eight of them weigh as much as a large one.
const SMALL: u64 = 2 * 1024 * 1024;
const LARGE_WEIGHT: u32 = 8;

/// What a run did. The sum is checked by [`RunSummary::complete`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunSummary {
    /// The run.
    pub run_id: RunId,
    /// The source's name.
    pub source: String,
    /// The source's kind: `folder`, or `quarantine` for a decision taking effect.
    pub kind: String,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// Items that the source told of.
    pub discovered: u64,
    /// Archived by this run.
    pub archived: u64,
    /// Were archived before, byte for byte the same.
    pub already: u64,
    /// In quarantine, with a reason.
    pub quarantined: u64,
    /// Not ready yet.
    pub awaiting: u64,
    /// Explained by a person before.
    pub explained: u64,
    /// Given up for now.
    pub failed: u64,
    /// Bytes archived.
    pub bytes: u64,
    /// Whether the source was gone through to its end.
    pub walked: bool,
    /// Whether a person stopped it.
    pub cancelled: bool,
    /// The fault that ended it, or the last one that an item failed with.
    pub fault: Option<RunFault>,
}

/// A fault in words that can be kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunFault {
    /// Stable code.
    pub code: String,
    /// A sentence.
    pub sentence: String,
    /// What to do.
    pub next: String,
}

impl RunFault {
    pub(crate) fn of(error: &dyn Fault) -> Self {
        Self { code: error.code().to_owned(), sentence: error.to_string(), next: error.next() }
    }
}

impl RunSummary {
    fn new(run_id: RunId, source: String, kind: String, started_at: Timestamp) -> Self {
        Self {
            run_id,
            source,
            kind,
            started_at,
            ended_at: None,
            discovered: 0,
            archived: 0,
            already: 0,
            quarantined: 0,
            awaiting: 0,
            explained: 0,
            failed: 0,
            bytes: 0,
            walked: false,
            cancelled: false,
            fault: None,
        }
    }

    /// Whether the source was gone through to its end and every item that it told of is accounted for.
    #[must_use]
    pub fn complete(&self) -> bool {
        let sum = self.archived + self.already + self.quarantined + self.awaiting + self.explained + self.failed;
        self.walked && self.discovered == sum
    }
}

/// What is kept of a run.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct RunDoc {
    /// What the source says of itself, to open it again.
    pub(crate) source: Value,
    pub(crate) summary: RunSummary,
}

impl RunDoc {
    pub(crate) fn to_value(&self) -> Value {
        serde_json::to_value(self).unwrap_or(Value::Null)
    }
}

/// How an item ended in this run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Disposition {
    Archived { bytes: u64 },
    Already,
    Quarantined,
    Awaiting,
    Explained,
    Failed,
}

/// An item to be worked on.
pub(crate) struct Ticket {
    pub(crate) item: SourceItem,
    pub(crate) work: Work,
    pub(crate) doc: ItemDoc,
    /// Whether an earlier run may have begun with it.
    pub(crate) recovered: bool,
    pub(crate) task: Task,
}

/// What is to be done with it.
pub(crate) enum Task {
    /// Set it aside.
    Aside(Box<Reason>),
    /// It is in the index: see whether it is the same.
    Compare(Box<IndexRow>),
    /// Take it in.
    Archive(Box<Intent>),
}

/// A run in this process.
pub(crate) struct Pass {
    pub(crate) parts: Arc<ArchiverParts>,
    pub(crate) archiver: Archiver,
    pub(crate) connector: Arc<dyn SourceConnector>,
    pub(crate) agent: Agent,
    pub(crate) cancel: Cancel,
    pub(crate) run_id: RunId,
    pub(crate) kind: String,
    progress: Arc<dyn ProgressSink>,
    pub(crate) running: Running,
    row: Mutex<Work>,
    pub(crate) summary: Mutex<RunSummary>,
    /// Set when going on makes no sense.
    halted: AtomicBool,
    pub(crate) in_flight: Mutex<HashSet<ArchiveId>>,
    pub(crate) deferred: Mutex<Vec<SourceItem>>,
    /// Set while the items are looked at again that somebody was at: this run itself is at none then.
    alone: AtomicBool,
    bytes_read: Arc<AtomicU64>,
    bytes_in_all: Arc<AtomicU64>,
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A named step was reached; an error where a test wants it to have failed although it took place.
pub(crate) fn boundary(name: &'static str) -> Result<(), IngestError> {
    step(name);
    if fail_after(name) { Err(IngestError::Interrupted { step: name }) } else { Ok(()) }
}

impl Pass {
    /// Notes the run before anything else is done.
    pub(crate) async fn begin(
        archiver: &Archiver,
        connector: Arc<dyn SourceConnector>,
        agent: &Agent,
        progress: Arc<dyn ProgressSink>,
        cancel: &Cancel,
        run_id: RunId,
        left: Option<Work>,
    ) -> Result<Arc<Self>, IngestError> {
        let parts = archiver.parts.clone();
        let now = parts.clock.now();
        let running = archiver.owner.begin(run_id.as_str());
        let source = connector.describe();
        let kind = source.get("kind").and_then(Value::as_str).unwrap_or_default().to_owned();
        let started_at = match &left {
            Some(left) => read_doc::<RunDoc>("a run", &left.doc)?.summary.started_at,
            None => now,
        };
        let summary = RunSummary::new(run_id.clone(), connector.name().to_owned(), kind.clone(), started_at);
        let doc = RunDoc { source, summary: summary.clone() }.to_value();
        let rev = left.map_or(0, |l| l.rev);
        let mut row = Work::new(WorkKind::IngestRun, run_id.as_str(), state::RUNNING, doc);
        row.rev = rev;
        row.lease = Some(Lease { owner: running.name().to_owned(), until: archiver.lease_end(now) });
        match parts.work.update(row.clone()).await? {
            UpdateOutcome::Updated(revs) => row.rev = revs.first().copied().unwrap_or(rev + 1),
            UpdateOutcome::Conflict { .. } => {
                return Err(IngestError::Internal("another process took up the same run".into()));
            }
        }
        boundary("ingest.run_started")?;
        Ok(Arc::new(Self {
            parts,
            archiver: archiver.clone(),
            connector,
            agent: agent.clone(),
            cancel: cancel.clone(),
            run_id,
            kind,
            progress,
            running,
            row: Mutex::new(row),
            summary: Mutex::new(summary),
            halted: AtomicBool::new(false),
            in_flight: Mutex::default(),
            deferred: Mutex::default(),
            alone: AtomicBool::new(false),
            bytes_read: Arc::default(),
            bytes_in_all: Arc::default(),
        }))
    }

    /// Goes through the source to its end, or until a fault or a person stops it.
    pub(crate) async fn run(self: Arc<Self>) -> Result<RunSummary, IngestError> {
        let survey = {
            let this = self.clone();
            tokio::spawn(async move {
                if let Ok(survey) = this.connector.survey(&this.cancel).await {
                    this.bytes_in_all.store(survey.bytes, Relaxed);
                }
            })
        };
        let walked = self.drive().await;
        self.look_again().await;
        survey.abort();
        let mut summary = lock(&self.summary).clone();
        let stopped = self.stopping();
        summary.walked = walked.is_ok() && !stopped;
        summary.cancelled = self.cancel.is_cancelled();
        summary.ended_at = Some(self.parts.clock.now());
        if let Err(e) = &walked
            && !summary.cancelled
        {
            summary.fault = Some(RunFault::of(e));
        }
        let noted = self.note_end(&summary).await;
        match walked {
            // A source that cannot be read at all is the caller's error; a walk that was stopped is told in the summary.
            Err(e @ IngestError::Source(_)) if !summary.cancelled && summary.discovered == 0 => Err(e),
            // Where the archive took nothing any more, the run's own row may not have been written either.
            _ if noted.is_err() && summary.fault.is_none() => noted.map(|()| summary),
            _ => Ok(summary),
        }
    }

    async fn note_end(&self, summary: &RunSummary) -> Result<(), IngestError> {
        let mut row = lock(&self.row).clone();
        row.doc = RunDoc { source: self.connector.describe(), summary: summary.clone() }.to_value();
        row.state = state::ENDED.into();
        row.lease = None;
        self.parts.work.update(row).await?;
        boundary("ingest.run_ended")
    }

    pub(crate) fn stopping(&self) -> bool {
        self.cancel.is_cancelled() || self.halted.load(Relaxed)
    }

    async fn drive(self: &Arc<Self>) -> Result<(), IngestError> {
        let (tell, mut told) = mpsc::channel(4 * CHUNK);
        let (ready, mut work) = mpsc::channel::<Ticket>(CHUNK);
        let (done, mut results) = mpsc::channel::<Finished>(2 * CHUNK);
        let discovery = async { self.connector.discover(tell, &self.cancel).await.map_err(IngestError::from) };
        let admission = async {
            let mut chunk = Vec::with_capacity(CHUNK);
            while told.recv_many(&mut chunk, CHUNK).await > 0 && !self.stopping() {
                for ticket in self.admit(std::mem::take(&mut chunk)).await {
                    if ready.send(ticket).await.is_err() {
                        break;
                    }
                }
            }
            told.close();
            drop(ready);
        };
        let working = async {
            let units = u32::try_from(self.parts.settings.parallel.max(1)).unwrap_or(u32::MAX / 64) * LARGE_WEIGHT;
            let units = Arc::new(Semaphore::new(units as usize));
            let mut tasks = JoinSet::new();
            while let Some(ticket) = work.recv().await {
                let weight = if ticket.doc.size_bytes <= SMALL { 1 } else { LARGE_WEIGHT };
                let permit = units.clone().acquire_many_owned(weight).await;
                let (this, done) = (self.clone(), done.clone());
                tasks.spawn(async move {
                    let finished = this.work(ticket).await;
                    drop(permit);
                    let _ = done.send(finished).await; // the receiver lives as long as this task
                });
                while let Some(ended) = tasks.try_join_next() {
                    self.note_defect(ended.err());
                }
            }
            drop(done);
            while let Some(ended) = tasks.join_next().await {
                self.note_defect(ended.err());
            }
        };
        let writing = async {
            let mut batch = Vec::with_capacity(CHUNK);
            while results.recv_many(&mut batch, CHUNK).await > 0 {
                self.commit(std::mem::take(&mut batch)).await;
            }
        };
        let (walked, (), (), ()) = tokio::join!(discovery, admission, working, writing);
        walked
    }

    /// A task that panicked loses its item for this run; its state stays `discovered`.
    fn note_defect(&self, error: Option<tokio::task::JoinError>) {
        if let Some(error) = error {
            self.count(Disposition::Failed);
            self.note_fault(&IngestError::Internal(error.to_string()));
        }
    }

    /// Items that somebody was at when they were told of.
    async fn look_again(self: &Arc<Self>) {
        lock(&self.in_flight).clear();
        self.alone.store(true, Relaxed);
        loop {
            let Some(item) = lock(&self.deferred).pop() else { return };
            let id = item_id(&item.source);
            let held = loop {
                match self.parts.work.get(WorkKind::IngestItem, &id).await {
                    Ok(Some(work)) if self.is_held(&work) && !self.stopping() => {
                        tokio::time::sleep(Duration::from_millis(100)).await;
                    }
                    Ok(Some(_)) => break self.stopping(),
                    Ok(None) | Err(_) => break true,
                }
            };
            if held {
                self.count(Disposition::Failed);
                continue;
            }
            // It was counted when it was first told of.
            lock(&self.summary).discovered -= 1;
            for ticket in self.admit(vec![Discovered::Item(Box::new(item))]).await {
                let finished = self.work(ticket).await;
                self.commit(vec![finished]).await;
            }
        }
    }

    /// Whether a living run is at an item.
    pub(crate) fn is_held(&self, work: &Work) -> bool {
        let own = work.lease.as_ref().is_some_and(|l| l.owner == self.running.name());
        work.state == state::DISCOVERED && self.archiver.is_alive(work) && !(own && self.alone.load(Relaxed))
    }

    pub(crate) fn landed(&self, archive_id: Option<&ArchiveId>) {
        if let Some(id) = archive_id {
            lock(&self.in_flight).remove(id);
        }
    }

    pub(crate) fn count(&self, disposition: Disposition) {
        let mut s = lock(&self.summary);
        match disposition {
            Disposition::Archived { bytes } => {
                s.archived += 1;
                s.bytes += bytes;
            }
            Disposition::Already => s.already += 1,
            Disposition::Quarantined => s.quarantined += 1,
            Disposition::Awaiting => s.awaiting += 1,
            Disposition::Explained => s.explained += 1,
            Disposition::Failed => s.failed += 1,
        }
        let finished = s.archived + s.already + s.quarantined + s.awaiting + s.explained + s.failed;
        let stage = format!("Archiving: {finished} of {} found so far", s.discovered);
        drop(s);
        self.tell(stage);
    }

    fn tell(&self, stage: String) {
        tell(&*self.progress, stage, &self.bytes_read, &self.bytes_in_all);
    }

    /// Counts bytes of sources as they pass.
    pub(crate) fn counter(&self) -> impl Fn(u64) + Send + Sync + 'static {
        let (progress, read, in_all) = (self.progress.clone(), self.bytes_read.clone(), self.bytes_in_all.clone());
        move |bytes| {
            read.fetch_add(bytes, Relaxed);
            tell(&*progress, "Archiving".into(), &read, &in_all);
        }
    }

    pub(crate) fn note_fault(&self, error: &IngestError) {
        if matches!(error, IngestError::Cancelled) {
            return;
        }
        tracing::warn!(code = error.code(), "an item could not be taken in: {error}");
        if error.stops_the_run() {
            self.halted.store(true, Relaxed);
        }
        let mut summary = lock(&self.summary);
        // The fault that ended the run is the one to tell.
        if summary.fault.is_none() || error.stops_the_run() {
            summary.fault = Some(RunFault::of(error));
        }
    }

    /// Reads a stored object to its end and compares.
    pub(crate) async fn read_back(&self, at: &ObjectLocator, expected: &Fixity) -> Result<(), IngestError> {
        let stream = self.parts.store.reader.read(at, BYTE_RANGE_ALL).await?;
        let found = measure(stream, &Cancel::default()).await?;
        if found == *expected { Ok(()) } else { Err(IngestError::ReadBack { expected: expected.clone(), found }) }
    }
}

/// Bytes read so far, of all that the survey found; none before it is done.
fn tell(progress: &dyn ProgressSink, stage: String, read: &AtomicU64, in_all: &AtomicU64) {
    let done = read.load(Relaxed);
    let total = Some(in_all.load(Relaxed)).filter(|t| *t > 0).map(|t| t.max(done));
    progress.report(Progress { stage, done, total, unit: "bytes" });
}

/// Makes the intent of an attempt the same intent, however often the attempt is taken up.
pub(crate) fn intent_token(item: &str, archive_id: &ArchiveId, attempt: u32) -> String {
    format!("accession:{archive_id}:{item}:{attempt}")
}

pub(crate) fn of_state(state: &str) -> Option<Disposition> {
    match state {
        state::ARCHIVED => Some(Disposition::Already),
        state::QUARANTINED => Some(Disposition::Quarantined),
        state::AWAITING => Some(Disposition::Awaiting),
        state::EXPLAINED => Some(Disposition::Explained),
        state::DEAD_LETTERED => Some(Disposition::Failed),
        _ => None,
    }
}
