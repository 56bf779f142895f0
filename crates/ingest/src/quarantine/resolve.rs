//! Looking at what was set aside, and deciding on it.

use super::{Aside, Decision, QuarantineCase, Resolution};
use crate::{
    Archiver, IngestError,
    item::{Accepted, ItemDoc, read_doc, state},
    run::boundary,
};
use holdfast_index::{ListWork, UpdateOutcome, Work, WorkKind};
use holdfast_ledger::{Action, Agent, EventDraft, EventOutcome, Phase};
use holdfast_model::{Cancel, ProgressSink, Sha256Digest};
use serde_json::Value;
use std::sync::Arc;

impl Archiver {
    /// How many items wait for a decision.
    ///
    /// # Errors
    /// What the work store says.
    pub async fn quarantined(&self) -> Result<u64, IngestError> {
        let counts = self.parts.work.counts(WorkKind::IngestItem, None).await?;
        Ok([state::QUARANTINED, state::DEAD_LETTERED].iter().filter_map(|s| counts.get(*s)).sum())
    }

    /// Items that wait for a decision, newest first, at most `limit`.
    ///
    /// # Errors
    /// What the work store says.
    pub async fn quarantine_list(&self, limit: usize) -> Result<Vec<QuarantineCase>, IngestError> {
        let (mut out, mut after) = (Vec::new(), None::<String>);
        loop {
            let query = ListWork {
                kind: WorkKind::IngestItem,
                parent: None,
                states: &[state::QUARANTINED, state::DEAD_LETTERED],
                after: after.as_deref(),
                limit: 500,
            };
            let page = self.parts.work.list(query).await?;
            after = page.last().map(|w| w.id.clone());
            let full = page.len() == 500;
            for work in page {
                out.push(self.case_of(&work)?);
            }
            out.sort_by(|a, b| b.since.cmp(&a.since).then_with(|| a.id.cmp(&b.id)));
            out.truncate(limit);
            if !full {
                return Ok(out);
            }
        }
    }

    /// One item that is or was set aside.
    ///
    /// # Errors
    /// [`IngestError::NoSuchItem`].
    pub async fn quarantine_show(&self, id: &str) -> Result<QuarantineCase, IngestError> {
        self.case_of(&self.set_aside(id).await?)
    }

    async fn set_aside(&self, id: &str) -> Result<Work, IngestError> {
        let work = self.parts.work.get(WorkKind::IngestItem, id).await?;
        let was_aside = |w: &Work| w.doc.get("aside").is_some() || w.doc.get("failure").is_some();
        work.filter(was_aside).ok_or_else(|| IngestError::NoSuchItem(id.to_owned()))
    }

    fn case_of(&self, work: &Work) -> Result<QuarantineCase, IngestError> {
        let doc: ItemDoc = read_doc("the state of an item", &work.doc)?;
        let aside = doc.aside.unwrap_or_else(|| Aside::of_failure(doc.failure.as_ref(), work.updated_at));
        let store = self.parts.store.reader.name();
        Ok(QuarantineCase {
            id: work.id.clone(),
            source: doc.source,
            name: doc.name,
            reason: aside.reason,
            sentence: aside.sentence,
            field: aside.field,
            place: aside.line.map(|l| (l, aside.column.unwrap_or(1))),
            expected: aside.expected,
            found: aside.found,
            since: aside.since,
            kept_at: aside.case.map(|key| format!("{store}:{}/{key}", self.parts.store.buckets.quarantine)),
            state: work.state.clone(),
            resolution: aside.resolution.map(|r| {
                let decision = serde_json::to_value(r.decision).ok();
                let word = decision.as_ref().and_then(Value::as_str).unwrap_or_default().to_owned();
                format!("{word} by {} on {}: {}", r.person, r.at, r.reason)
            }),
        })
    }

    /// Decides on an item in quarantine; the decision and its reason stand in the ledger before anything is done. `retry` and
    /// `accept` take the item up at once; what came of it is in the answer's state.
    ///
    /// # Errors
    /// [`IngestError::ReasonMissing`], [`IngestError::NoSuchItem`], [`IngestError::NotQuarantined`],
    /// [`IngestError::CannotAccept`], [`IngestError::GoneFromSource`], and what the parts of the archive say.
    pub async fn quarantine_resolve(
        &self,
        id: &str,
        decision: Decision,
        reason: &str,
        agent: &Agent,
        progress: Arc<dyn ProgressSink>,
        cancel: &Cancel,
    ) -> Result<QuarantineCase, IngestError> {
        let reason = reason.trim();
        if reason.is_empty() || reason.len() > 4_000 {
            return Err(IngestError::ReasonMissing);
        }
        let work = self.set_aside(id).await?;
        if ![state::QUARANTINED, state::DEAD_LETTERED].contains(&work.state.as_str()) {
            return Err(IngestError::NotQuarantined { id: id.to_owned(), state: work.state });
        }
        let mut doc: ItemDoc = read_doc("the state of an item", &work.doc)?;
        // A dead letter was set aside by its failures.
        let failed = Aside::of_failure(doc.failure.as_ref(), work.updated_at);
        doc.aside.get_or_insert(failed);
        let connector = match decision {
            Decision::Retry => Some(self.source_of(&work, &doc, cancel).await?),
            Decision::Accept => Some(self.kept_source(&doc).await?),
            Decision::Explain => None,
        };
        self.note_resolution(&work, &doc, decision, reason, agent).await?;
        self.resolve_state(work, doc, decision, reason, agent).await?;
        if let Some(connector) = connector {
            self.ingest(connector, agent, progress, cancel).await?;
        }
        self.quarantine_show(id).await
    }

    async fn note_resolution(
        &self,
        work: &Work,
        doc: &ItemDoc,
        decision: Decision,
        reason: &str,
        agent: &Agent,
    ) -> Result<(), IngestError> {
        let word = serde_json::to_value(decision).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default();
        let mut draft = EventDraft::new(Action::QuarantineResolution, Phase::Fact, agent.clone())
            .reason(reason)
            .moved(work.state.as_str(), word.as_str())
            .outcome(EventOutcome::Succeeded)
            .detail("item", work.id.as_str())
            .once(format!("resolution:{}:{}:{word}:{}", work.id, doc.attempt, Sha256Digest::of(reason.as_bytes())));
        if let Some(archive_id) = &doc.archive_id {
            draft = draft.about(archive_id);
        }
        draft.code = doc.aside.as_ref().map(|a| a.reason.clone());
        self.parts.ledger.append(vec![draft]).await?;
        boundary("ingest.resolved")
    }

    async fn resolve_state(
        &self,
        mut work: Work,
        mut doc: ItemDoc,
        decision: Decision,
        reason: &str,
        agent: &Agent,
    ) -> Result<(), IngestError> {
        let before = doc.aside.as_ref().map(|a| a.reason.clone()).unwrap_or_default();
        let resolution = Resolution {
            decision,
            reason: reason.to_owned(),
            person: agent.person.clone(),
            at: self.parts.clock.now(),
        };
        if let Some(aside) = &mut doc.aside {
            aside.resolution = Some(resolution);
        }
        doc.failures = 0;
        work.state = match decision {
            Decision::Explain => state::EXPLAINED,
            Decision::Retry | Decision::Accept => {
                doc.attempt += 1;
                state::DISCOVERED
            }
        }
        .to_owned();
        doc.accepted = (decision == Decision::Accept).then_some(Accepted { reason: before });
        work.lease = None;
        work.due_at = None;
        work.doc = doc.to_value();
        let id = work.id.clone();
        match self.parts.work.update(work).await? {
            UpdateOutcome::Updated(_) => Ok(()),
            UpdateOutcome::Conflict { current, .. } => {
                let state = current.map(|w| w.state).unwrap_or_default();
                Err(IngestError::NotQuarantined { id, state })
            }
        }
    }
}
