use crate::{
    IngestError, RunSummary, Settings,
    item::{read_doc, state},
    owner::Owner,
    run::{Pass, RunDoc},
};
use holdfast_connectors::{SourceConnector, open_source};
use holdfast_index::{ListWork, RecordingIndex, Work, WorkKind, WorkStore};
use holdfast_ledger::{Agent, Ledger};
use holdfast_model::{Cancel, Clock, ProgressSink, RetentionPolicy, RunId};
use holdfast_store::Store;
use jiff::Timestamp;
use serde_json::Value;
use std::{collections::BTreeMap, sync::Arc};

/// What an archiver is made of.
#[derive(Clone)]
pub struct ArchiverParts {
    /// Where recordings go.
    pub store: Store,
    /// Where they are found again.
    pub index: Arc<dyn RecordingIndex>,
    /// Where the state of items and runs is kept.
    pub work: Arc<dyn WorkStore>,
    /// The chain of custody.
    pub ledger: Ledger,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// How long recordings are kept.
    pub policy: RetentionPolicy,
    /// How the archiver works.
    pub settings: Settings,
}

impl ArchiverParts {
    /// With the default policy and settings.
    #[must_use]
    pub fn new(
        store: Store,
        index: Arc<dyn RecordingIndex>,
        work: Arc<dyn WorkStore>,
        ledger: Ledger,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let (policy, settings) = (RetentionPolicy::default(), Settings::default());
        Self { store, index, work, ledger, clock, policy, settings }
    }
}

/// Takes recordings in. Cheap to clone; several processes may work on the same archive and the same source at once.
#[derive(Clone)]
pub struct Archiver {
    pub(crate) parts: Arc<ArchiverParts>,
    pub(crate) owner: Owner,
}

/// A run, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunRecord {
    /// What it did; all zero while it is under way.
    pub summary: RunSummary,
    /// Whether a living process works on it.
    pub running: bool,
}

/// Health of the archiver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchiverStatus {
    /// Items by state: `archived`, `quarantined`, `awaiting`, ...
    pub items: BTreeMap<String, u64>,
    /// Runs, newest first.
    pub runs: Vec<RunRecord>,
}

impl Archiver {
    /// Puts an archiver together.
    #[must_use]
    pub fn new(parts: ArchiverParts) -> Self {
        Self { parts: Arc::new(parts), owner: Owner::here() }
    }

    /// Takes in everything that a source holds. What is wrong with single items is in the summary and in quarantine, and no
    /// error; a fault of the archive itself ends the run early and stands in [`RunSummary::fault`].
    ///
    /// # Errors
    /// Where the run cannot even be begun or noted, or the source as a whole cannot be read.
    pub async fn ingest(
        &self,
        connector: Arc<dyn SourceConnector>,
        agent: &Agent,
        progress: Arc<dyn ProgressSink>,
        cancel: &Cancel,
    ) -> Result<RunSummary, IngestError> {
        let id = self.new_run_id()?;
        Pass::begin(self, connector, agent, progress, cancel, id, None).await?.run().await
    }

    /// Takes up the runs that a dead process left, from their own sources, under their own ids. A source that is not there any
    /// more is told in that run's summary.
    ///
    /// # Errors
    /// What the work store says.
    pub async fn resume(
        &self,
        agent: &Agent,
        progress: Arc<dyn ProgressSink>,
        cancel: &Cancel,
    ) -> Result<Vec<RunSummary>, IngestError> {
        let mut out = Vec::new();
        for work in self.runs_in(&[state::RUNNING], usize::MAX).await? {
            if cancel.is_cancelled() || self.is_alive(&work) {
                continue;
            }
            let doc: RunDoc = read_doc("a run", &work.doc)?;
            match self.reopen(&doc.source).await {
                Ok(connector) => {
                    let id = work.id.parse::<RunId>().map_err(|e| IngestError::Internal(e.to_string()))?;
                    let pass = Pass::begin(self, connector, agent, progress.clone(), cancel, id, Some(work)).await?;
                    out.push(pass.run().await?);
                }
                Err(e) => out.push(self.give_up(work, doc, &e).await?),
            }
        }
        Ok(out)
    }

    /// The source of a run, from its description.
    async fn reopen(&self, description: &Value) -> Result<Arc<dyn SourceConnector>, IngestError> {
        if description.get("kind").and_then(Value::as_str) != Some("quarantine") {
            return Ok(open_source(description, self.parts.clock.clone())?);
        }
        let id = description.get("item").and_then(Value::as_str).unwrap_or_default();
        let item = self.parts.work.get(WorkKind::IngestItem, id).await?;
        let item = item.ok_or_else(|| IngestError::NoSuchItem(id.to_owned()))?;
        self.kept_source(&read_doc("the state of an item", &item.doc)?).await
    }

    /// Ends a run whose source cannot be opened any more. Its items keep their states: what was discovered and not finished is
    /// still listed as such.
    async fn give_up(
        &self,
        mut work: Work,
        mut doc: RunDoc,
        error: &dyn holdfast_model::Fault,
    ) -> Result<RunSummary, IngestError> {
        doc.summary.fault = Some(crate::run::RunFault::of(error));
        doc.summary.ended_at = Some(self.parts.clock.now());
        doc.summary.walked = false;
        work.state = state::ENDED.into();
        work.lease = None;
        work.doc = doc.to_value();
        self.parts.work.update(work).await?;
        Ok(doc.summary)
    }

    /// Counts and the newest runs, at most `runs` of them.
    ///
    /// # Errors
    /// What the work store says.
    pub async fn status(&self, runs: usize) -> Result<ArchiverStatus, IngestError> {
        let items = self.parts.work.counts(WorkKind::IngestItem, None).await?;
        let mut out = Vec::new();
        for work in self.runs_in(&[], runs).await? {
            let doc: RunDoc = read_doc("a run", &work.doc)?;
            if crate::quarantine::is_resolution(&doc.summary) {
                continue;
            }
            let running = work.state == state::RUNNING && self.is_alive(&work);
            out.push(RunRecord { summary: doc.summary, running });
        }
        Ok(ArchiverStatus { items, runs: out })
    }

    async fn runs_in(&self, states: &[&str], most: usize) -> Result<Vec<Work>, IngestError> {
        let (mut out, mut after) = (Vec::new(), None::<String>);
        while out.len() < most {
            let limit = (most - out.len()).min(200);
            let query = ListWork { kind: WorkKind::IngestRun, parent: None, states, after: after.as_deref(), limit };
            let page = self.parts.work.list(query).await?;
            let full = page.len() == limit;
            after = page.last().map(|w| w.id.clone());
            out.extend(page);
            if !full {
                break;
            }
        }
        Ok(out)
    }

    /// Whether somebody who may still live holds it.
    pub(crate) fn is_alive(&self, work: &Work) -> bool {
        let now = self.parts.clock.now();
        work.lease.as_ref().is_some_and(|l| l.until > now && !self.owner.is_gone(&l.owner))
    }

    /// Ids of later runs sort before those of earlier ones, so that the newest are listed first.
    fn new_run_id(&self) -> Result<RunId, IngestError> {
        const END: i64 = 0xffff_ffff_ffff;
        let from_end = END - self.parts.clock.now().as_millisecond().clamp(0, END);
        let chance = uuid::Uuid::new_v4().simple().to_string();
        format!("run-{from_end:012x}-{}", &chance[..12])
            .parse()
            .map_err(|e: holdfast_model::InvalidId| IngestError::Internal(e.to_string()))
    }

    pub(crate) fn lease_end(&self, now: Timestamp) -> Timestamp {
        let length = i64::try_from(self.parts.settings.lease_ms).unwrap_or(i64::MAX / 4);
        now.checked_add(jiff::SignedDuration::from_millis(length)).unwrap_or(Timestamp::MAX)
    }
}
