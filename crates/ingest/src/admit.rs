//! Admission: noting what a source told of, deciding what is to be done with each, and announcing in the ledger what is to be taken
//! in; for many at once.

use crate::{
    IngestError,
    item::{ItemDoc, item_id, new_doc, read_doc, state},
    run::{Disposition, Pass, Task, Ticket, boundary, intent_token, lock, of_state},
};
use holdfast_connectors::{Discovered, SourceItem};
use holdfast_index::{CreateOutcome, Lease, UpdateOutcome, Work, WorkKind};
use holdfast_ledger::{Action, EventDraft, EventOutcome, Intent, LedgerEntry, Phase};
use holdfast_model::ArchiveId;

/// Items that another process (or another item of this run with the same ids) is at, looked at again at the end.
const DEFERRED: usize = 256;

/// An item that this run holds, before it is decided what is to be done with it.
struct Held {
    item: SourceItem,
    work: Work,
    doc: ItemDoc,
    recovered: bool,
}

impl Pass {
    /// Notes what was told, decides what is to be done with each, and announces in the ledger what is to be taken in. Whatever
    /// goes wrong here is counted as failed and leaves states as they were.
    pub(crate) async fn admit(&self, told: Vec<Discovered>) -> Vec<Ticket> {
        let count = told.len() as u64;
        lock(&self.summary).discovered += count;
        let mut settled = 0;
        match self.try_admit(told, &mut settled).await {
            Ok(tickets) => tickets,
            Err(e) => {
                for _ in settled..count {
                    self.count(Disposition::Failed);
                }
                self.note_fault(&e);
                Vec::new()
            }
        }
    }

    /// `settled` counts those that were counted or deferred already.
    async fn try_admit(&self, told: Vec<Discovered>, settled: &mut u64) -> Result<Vec<Ticket>, IngestError> {
        let lease = self.lease();
        let new = |told: &Discovered| {
            let doc = new_doc(told, self.run_id.as_str());
            let mut work = Work::new(WorkKind::IngestItem, item_id(&doc.source), state::DISCOVERED, doc.to_value());
            work.parent = Some(self.run_id.to_string());
            match told {
                Discovered::Item(_) => work.lease = Some(lease.clone()),
                Discovered::NotYet { until, .. } => {
                    work.state = state::AWAITING.into();
                    work.due_at = Some(*until);
                }
            }
            work
        };
        let created = self.parts.work.create_many(told.iter().map(new).collect()).await?;
        boundary("ingest.discovered")?;
        let mut held = Vec::new();
        for (told, outcome) in told.into_iter().zip(created) {
            match (told, outcome) {
                (Discovered::NotYet { .. }, CreateOutcome::Created(_)) => self.settle(Disposition::Awaiting, settled),
                (Discovered::NotYet { .. }, CreateOutcome::Exists(work)) => {
                    self.settle(of_state(&work.state).unwrap_or(Disposition::Awaiting), settled);
                }
                (Discovered::Item(item), CreateOutcome::Created(work)) => {
                    let doc = read_doc("the state of an item", &work.doc)?;
                    held.push(Held { item: *item, work, doc, recovered: false });
                }
                (Discovered::Item(item), CreateOutcome::Exists(work)) => {
                    if let Some((work, doc)) = self.take_up(&item, work, settled).await? {
                        held.push(Held { item: *item, work, doc, recovered: true });
                    }
                }
            }
        }
        self.announce(held, settled).await
    }

    fn settle(&self, disposition: Disposition, settled: &mut u64) {
        self.count(disposition);
        *settled += 1;
    }

    /// Keeps an item to be looked at again; false where too many are kept already.
    fn defer(&self, item: &SourceItem) -> bool {
        let mut deferred = lock(&self.deferred);
        let room = deferred.len() < DEFERRED;
        if room {
            deferred.push(item.clone());
        }
        room
    }

    /// An item that was known before: whether it is to be worked on, and then held by this run.
    async fn take_up(
        &self,
        item: &SourceItem,
        mut work: Work,
        settled: &mut u64,
    ) -> Result<Option<(Work, ItemDoc)>, IngestError> {
        let mut doc: ItemDoc = read_doc("the state of an item", &work.doc)?;
        let fresh = new_doc(&Discovered::Item(Box::new(item.clone())), self.run_id.as_str());
        let unchanged = doc.stamp == fresh.stamp;
        match work.state.as_str() {
            // Archived by this very run before it was broken off.
            state::ARCHIVED if unchanged && doc.run == self.run_id.as_str() => {
                self.settle(Disposition::Archived { bytes: doc.size_bytes }, settled);
                return Ok(None);
            }
            state::QUARANTINED | state::DEAD_LETTERED | state::EXPLAINED if unchanged => {
                self.settle(of_state(&work.state).unwrap_or(Disposition::Failed), settled);
                return Ok(None);
            }
            state::DISCOVERED if self.is_held(&work) => {
                *settled += 1;
                if !self.defer(item) {
                    self.count(Disposition::Awaiting);
                }
                return Ok(None);
            }
            state::DISCOVERED | state::ARCHIVED | state::AWAITING => {}
            // It changed since: another try, with an intent of its own.
            _ => doc.attempt += 1,
        }
        if work.state != state::DISCOVERED || !unchanged {
            doc.failures = 0;
        }
        let was_archived = work.state == state::ARCHIVED;
        doc = ItemDoc {
            attempt: doc.attempt,
            failures: doc.failures,
            failure: doc.failure,
            aside: doc.aside,
            accepted: doc.accepted,
            ..fresh
        };
        if was_archived {
            // Its state is only written where it turns out to be another recording now.
            return Ok(Some((work, doc)));
        }
        work.state = state::DISCOVERED.into();
        work.doc = doc.to_value();
        work.lease = Some(self.lease());
        work.due_at = None;
        if self.kind != "quarantine" {
            work.parent = Some(self.run_id.to_string());
        }
        match self.parts.work.update(work.clone()).await? {
            UpdateOutcome::Updated(revs) => {
                work.rev = revs.first().copied().unwrap_or(work.rev + 1);
                Ok(Some((work, doc)))
            }
            UpdateOutcome::Conflict { .. } => {
                *settled += 1;
                if !self.defer(item) {
                    self.count(Disposition::Awaiting);
                }
                Ok(None)
            }
        }
    }

    fn lease(&self) -> Lease {
        let until = self.archiver.lease_end(self.parts.clock.now());
        Lease { owner: self.running.name().to_owned(), until }
    }

    /// Makes tickets, and announces in one append all that are to be taken in.
    async fn announce(&self, items: Vec<Held>, settled: &mut u64) -> Result<Vec<Ticket>, IngestError> {
        let (mut tickets, mut new) = (Vec::new(), Vec::new());
        for Held { item, work, doc, recovered } in items {
            let key = match &item.draft {
                Ok(draft) => draft.record.idempotency_key(),
                Err(problem) => {
                    let task = Task::Aside(Box::new(problem.clone().into()));
                    tickets.push(Ticket { item, work, doc, recovered, task });
                    continue;
                }
            };
            let archive_id = key.archive_id();
            // Two items of this run with the same ids: the second waits until the first is done.
            if !lock(&self.in_flight).insert(archive_id.clone())
                && self.release(work.clone()).await
                && self.defer(&item)
            {
                *settled += 1;
                continue;
            }
            match self.parts.index.get(&archive_id).await? {
                Some(row) => {
                    let task = Task::Compare(Box::new(row));
                    tickets.push(Ticket { item, work, doc, recovered, task });
                }
                None => new.push((Held { item, work, doc, recovered }, archive_id)),
            }
        }
        self.intend(new, &mut tickets).await?;
        boundary("ingest.intended")?;
        Ok(tickets)
    }

    /// One intent for each; one that an earlier run left and did not conclude is gone on with.
    async fn intend(&self, new: Vec<(Held, ArchiveId)>, tickets: &mut Vec<Ticket>) -> Result<(), IngestError> {
        let mut ready = Vec::with_capacity(new.len());
        let mut drafts = Vec::with_capacity(new.len());
        for (mut held, archive_id) in new {
            let mut standing = None;
            if held.recovered {
                standing = self.standing(&held.work.id, &archive_id, &mut held.doc).await?;
            }
            if standing.is_none() {
                drafts.push(
                    EventDraft::new(Action::Accession, Phase::Intent, self.agent.clone())
                        .about(&archive_id)
                        .detail("run", self.run_id.as_str())
                        .once(intent_token(&held.work.id, &archive_id, held.doc.attempt)),
                );
            }
            ready.push((held, standing));
        }
        let mut appended = self.parts.ledger.append(drafts).await?.into_iter();
        for (Held { item, work, doc, recovered }, standing) in ready {
            let entry = standing.or_else(|| appended.next());
            let entry = entry.ok_or_else(|| IngestError::Internal("an intent had no entry".into()))?;
            let task = Task::Archive(Box::new(Intent::of(entry)?));
            tickets.push(Ticket { item, work, doc, recovered, task });
        }
        Ok(())
    }

    /// The intent that an earlier run left. One that was concluded without success, and whose item's state was not written any
    /// more, is left behind: the item goes on with a new attempt.
    async fn standing(
        &self,
        item: &str,
        archive_id: &ArchiveId,
        doc: &mut ItemDoc,
    ) -> Result<Option<LedgerEntry>, IngestError> {
        loop {
            let token = intent_token(item, archive_id, doc.attempt);
            let standing = self.parts.ledger.entry_with_token(&token).await?;
            match &standing {
                Some(entry) if self.was_refused(entry.event.sequence).await? => doc.attempt += 1,
                _ => return Ok(standing),
            }
        }
    }

    async fn was_refused(&self, intent: u64) -> Result<bool, IngestError> {
        let outcome = self.outcome_of(intent).await?;
        Ok(outcome.is_some_and(|e| e.event.outcome != Some(EventOutcome::Succeeded)))
    }

    /// The entry that concludes an intent, where there is one.
    pub(crate) async fn outcome_of(&self, intent: u64) -> Result<Option<LedgerEntry>, IngestError> {
        Ok(self.parts.ledger.entry_with_token(&format!("outcome:{intent}")).await?)
    }

    /// Gives an item back unfinished; false where that was not possible.
    async fn release(&self, mut work: Work) -> bool {
        work.lease = None;
        matches!(self.parts.work.update(work).await, Ok(UpdateOutcome::Updated(_)))
    }
}
