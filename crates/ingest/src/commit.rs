//! Writing down what became of a batch of items: the ledger first, then the index, then their states. All three take many at once,
//! and a batch is whatever has gathered while the last one was written.

use crate::{
    ACCESSION_MANIFEST_DETAIL, IngestError,
    accession::{Completed, End, Finished},
    item::{Failure, state},
    quarantine::Aside,
    run::{Disposition, Pass, boundary},
};
use holdfast_index::{IndexRow, InsertOutcome, MAX_UPDATES, UpdateOutcome, Work};
use holdfast_ledger::{Action, EventDraft, EventOutcome, Intent, LedgerError, Phase};
use holdfast_model::{Fault as _, ObjectLocator};
use std::sync::Arc;

impl Pass {
    /// Concludes a batch. Whatever is not written is counted as failed and taken up again by the next run.
    pub(crate) async fn commit(&self, batch: Vec<Finished>) {
        let ids: Vec<_> = batch.iter().map(|f| f.doc.archive_id.clone()).collect();
        let mut failed = Vec::new();
        let mut good = Vec::new();
        for finished in batch {
            match self.settle_intents(finished).await {
                Ok(finished) => good.push(finished),
                Err((finished, e)) => failed.push((finished, Arc::new(e))),
            }
        }
        let written = match self.write_down(good).await {
            Ok(written) => written,
            Err((items, e)) => {
                // One that the ledger cannot take must not hold up the others.
                let one_by_one = items.len() > 1
                    && matches!(e, IngestError::Ledger(LedgerError::Event(_) | LedgerError::TokenReused { .. }));
                let mut written = Vec::new();
                if one_by_one {
                    for item in items {
                        match self.write_down(vec![item]).await {
                            Ok(mut one) => written.append(&mut one),
                            Err((mut items, e)) => failed.extend(items.pop().map(|f| (f, Arc::new(e)))),
                        }
                    }
                } else {
                    let e = Arc::new(e);
                    failed.extend(items.into_iter().map(|f| (f, e.clone())));
                }
                written
            }
        };
        self.write_states(written, failed).await;
        for id in ids {
            self.landed(id.as_ref());
        }
    }

    /// Finds the intents that are to be concluded with the item, and leaves out those that are concluded already.
    async fn settle_intents(&self, mut f: Finished) -> Result<Finished, (Finished, IngestError)> {
        match self.find_intents(&f).await {
            Ok((own, refused)) => {
                if let (Some(completed), Some(own)) = (&mut f.completed, own) {
                    completed.intent = Some(own);
                }
                f.refused = refused;
                Ok(f)
            }
            Err(e) => Err((f, e)),
        }
    }

    async fn find_intents(&self, f: &Finished) -> Result<(Option<Intent>, Option<(Intent, String)>), IngestError> {
        let stated = f.completed.as_ref().map(|c| c.manifest.accession.ledger_intent);
        let own = match (&f.completed, stated) {
            (Some(c), Some(sequence)) if c.intent.is_none() => Some(self.parts.ledger.intent(sequence).await?),
            _ => None,
        };
        let mut refused = f.refused.clone().filter(|(intent, _)| Some(intent.sequence()) != stated);
        if let (Some((intent, _)), true) = (&refused, f.recovered)
            && self.outcome_of(intent.sequence()).await?.is_some()
        {
            refused = None;
        }
        // An earlier run announced it and was stopped; by now somebody else has taken it in.
        if refused.is_none() && f.recovered && matches!(f.end, End::Already | End::Aside(_)) {
            let code = match &f.end {
                End::Aside(aside) => aside.0.reason.clone(),
                _ => "ingest.already_archived".to_owned(),
            };
            let open = self.open_intent(&f.work.id, &f.doc).await?;
            refused = open.filter(|i| Some(i.sequence()) != stated).map(|i| (i, code));
        }
        Ok((own, refused))
    }

    /// The ledger, then the index.
    async fn write_down(&self, mut items: Vec<Finished>) -> Result<Vec<Finished>, (Vec<Finished>, IngestError)> {
        let mut drafts = Vec::new();
        for f in &items {
            drafts.extend(self.drafts(f));
        }
        let entries = match self.parts.ledger.append(drafts).await {
            Ok(entries) => entries,
            Err(e) => return Err((items, e.into())),
        };
        if let Err(e) = boundary("ingest.outcome") {
            return Err((items, e));
        }
        let store = self.parts.store.reader.name();
        let mut rows = Vec::new();
        for f in &items {
            let Some(c) = &f.completed else { continue };
            let sequence = entries.iter().map(|e| &e.event).find(|e| {
                e.phase == Phase::Outcome
                    && e.action == Action::Accession
                    && e.intent == Some(c.manifest.accession.ledger_intent)
            });
            let Some(sequence) = sequence.map(|e| e.sequence) else {
                return Err((items, IngestError::Internal("an accession had no outcome".into())));
            };
            let row = IndexRow::derive(&c.manifest, c.manifest_key.clone(), c.manifest_sha256, store, sequence);
            rows.push((row, c.text.clone()));
        }
        let inserted = match self.parts.index.insert_many(rows).await {
            Ok(inserted) => inserted,
            Err(e) => return Err((items, e.into())),
        };
        let mut inserted = inserted.into_iter();
        for f in items.iter_mut().filter(|f| f.completed.is_some()) {
            if let (Some(InsertOutcome::Conflict { .. }), Some(id)) = (inserted.next(), &f.doc.archive_id) {
                f.end = End::Failed(Arc::new(IngestError::IndexDiffers(id.clone())));
            }
        }
        if let Err(e) = boundary("ingest.catalogued") {
            return Err((items, e));
        }
        Ok(items)
    }

    fn drafts(&self, f: &Finished) -> Vec<EventDraft> {
        let mut out = Vec::new();
        if let Some(c) = &f.completed
            && let Some(intent) = &c.intent
        {
            out.push(accession(c, intent, self.parts.store.reader.name()));
        }
        if let Some((intent, code)) = &f.refused {
            let mut draft = intent.draft(EventOutcome::Refused);
            draft.code = Some(code.clone());
            out.push(draft);
        }
        if let End::Aside(aside) = &f.end {
            let (reason, kept) = &**aside;
            let mut draft = EventDraft::new(Action::Quarantine, Phase::Fact, self.agent.clone())
                .outcome(EventOutcome::Succeeded)
                .detail("item", &f.work.id)
                .detail("run", self.run_id.as_str())
                .once(format!("quarantine:{}:{}:{}", f.work.id, f.doc.attempt, f.doc.stamp));
            draft.to = Some(state::QUARANTINED.into());
            draft.code = Some(reason.reason.clone());
            draft.digest_after = kept.media.as_ref().map(|m| m.digest);
            if let Some(archive_id) = &f.doc.archive_id {
                draft = draft.about(archive_id);
            }
            if let Some(case) = &kept.case {
                draft = draft.detail("case", case.as_str());
            }
            out.push(draft);
        }
        out
    }

    async fn write_states(&self, written: Vec<Finished>, failed: Vec<(Finished, Arc<IngestError>)>) {
        let failed = failed.into_iter().map(|(mut f, e)| {
            f.end = End::Failed(e);
            f
        });
        let (mut works, mut dispositions) = (Vec::new(), Vec::new());
        for f in written.into_iter().chain(failed) {
            let id = f.work.id.clone();
            let (work, disposition) = self.conclude(f);
            works.extend(work);
            dispositions.push((id, disposition));
        }
        let taken_over = self.update(works).await.unwrap_or_else(|e| {
            // What stands in ledger and index is archived, even where the state of the item could not be written any more: the
            // next run finds it there.
            self.note_fault(&e);
            Vec::new()
        });
        for (id, disposition) in dispositions {
            let theirs = matches!(disposition, Disposition::Archived { .. }) && taken_over.contains(&id);
            self.count(if theirs { Disposition::Already } else { disposition });
        }
        if let Err(e) = boundary("ingest.archived") {
            self.note_fault(&e);
        }
    }

    /// Writes states; the ids of those that somebody took over meanwhile: theirs counts.
    async fn update(&self, works: Vec<Work>) -> Result<Vec<String>, IngestError> {
        let mut taken_over = Vec::new();
        for batch in works.chunks(MAX_UPDATES) {
            if let UpdateOutcome::Updated(_) = self.parts.work.update_many(batch.to_vec()).await? {
                continue;
            }
            for work in batch {
                if let UpdateOutcome::Conflict { .. } = self.parts.work.update(work.clone()).await? {
                    taken_over.push(work.id.clone());
                }
            }
        }
        Ok(taken_over)
    }

    /// The item's new state, and how it counts.
    fn conclude(&self, f: Finished) -> (Option<Work>, Disposition) {
        let Finished { mut work, mut doc, completed, end, .. } = f;
        work.lease = None;
        let was_archived = work.state == state::ARCHIVED;
        let by_this_run = completed.as_ref().is_some_and(|c| c.manifest.accession.run == self.run_id);
        let disposition = match end {
            End::Archived | End::Already => {
                doc.failure = None;
                work.state = state::ARCHIVED.into();
                let bytes = completed.as_ref().map_or(0, |c| c.manifest.object.fixity.size_bytes);
                if matches!(end, End::Archived) { Disposition::Archived { bytes } } else { Disposition::Already }
            }
            End::Aside(aside) => {
                let (reason, kept) = *aside;
                doc.failure = None;
                doc.accepted = None;
                let before = doc.aside.take();
                doc.aside = Some(Aside {
                    reason: reason.reason,
                    sentence: reason.sentence,
                    field: reason.field,
                    line: reason.line,
                    column: reason.column,
                    expected: reason.expected,
                    found: reason.found,
                    since: self.parts.clock.now(),
                    case: kept.case,
                    resolution: before.and_then(|b| b.resolution),
                });
                work.state = state::QUARANTINED.into();
                Disposition::Quarantined
            }
            End::Failed(e) => {
                self.note_fault(&e);
                if was_archived {
                    return (None, Disposition::Failed);
                }
                doc.failures += u32::from(e.counts_against_item());
                let dead = doc.failures >= self.parts.settings.attempts;
                work.state = if dead { state::DEAD_LETTERED } else { state::DISCOVERED }.into();
                if !matches!(*e, IngestError::Cancelled) {
                    doc.failure = Some(Failure { code: e.code().to_owned(), sentence: e.to_string(), next: e.next() });
                }
                Disposition::Failed
            }
        };
        // Nothing is new about what was archived before and is the same.
        if was_archived && disposition == Disposition::Already && !by_this_run {
            return (None, disposition);
        }
        work.doc = doc.to_value();
        (Some(work), disposition)
    }
}

/// The outcome of an accession. Made of the manifest alone, so that it is the same whoever writes it.
fn accession(c: &Completed, intent: &Intent, store: &str) -> EventDraft {
    let object = &c.manifest.object;
    let at = ObjectLocator {
        store: store.to_owned(),
        bucket: object.bucket.clone(),
        key: object.key.clone(),
        version_id: object.version_id.clone(),
    };
    let mut draft = intent
        .draft(EventOutcome::Succeeded)
        .object(at)
        .detail(ACCESSION_MANIFEST_DETAIL, c.manifest_sha256.to_hex())
        .detail("manifest", c.manifest_key.as_str());
    draft.digest_after = Some(object.fixity.digest);
    draft
}
