use super::{
    Change, Closure, Matter, MatterHold, MatterItem, What,
    open::{CHANGING, CLOSED, OPEN, OPENING},
};
use crate::{
    desk::{Desk, draft, passed, read_doc, told},
    error::RetrievalError,
};
use holdfast_index::{Work, WorkKind};
use holdfast_ledger::{Action, EventDraft, EventOutcome, Phase};
use holdfast_model::MatterId;

/// Entries of one batch in the ledger.
pub(super) const BATCH: usize = 256;

impl Desk {
    /// Ends the changes that somebody began and did not end, of all matters.
    pub(crate) async fn settle_matters(&self) -> Result<(), RetrievalError> {
        for work in self.all_work(WorkKind::Matter, None, &[OPENING, CHANGING]).await? {
            let matter: Matter = read_doc(&work)?;
            told("a change of a matter", &work.id, self.settle_matter(&matter.matter_id).await);
        }
        Ok(())
    }

    /// Ends the change under way on a matter, if there is one. Whoever asked, and however often: every step can be repeated.
    pub(crate) async fn settle_matter(&self, id: &MatterId) -> Result<(), RetrievalError> {
        let Some(work) = self.parts().work.get(WorkKind::Matter, id.as_str()).await? else { return Ok(()) };
        let matter: Matter = read_doc(&work)?;
        let Some(change) = &matter.change else { return Ok(()) };
        let token = format!("matter:{id}:{}", matter.changes);
        let result = match &change.what {
            What::Open => self.settle_open(&matter, change, &token).await,
            What::Add { items } => self.settle_add(&matter, change, items, &token).await,
            What::Hold { reason } => self.settle_holding(&matter, change, &matter.items, reason, true, &token).await,
            What::Release { reason } => {
                self.settle_holding(&matter, change, &matter.items, reason, false, &token).await
            }
            What::Close { reason, release_holds } => {
                self.settle_close(&matter, change, reason, *release_holds, &token).await
            }
        };
        // A hold that failed on some is ended all the same: each failure stands in the ledger, and the person is told.
        let told = match result {
            Err(e @ RetrievalError::HoldIncomplete { .. }) => Some(e),
            other => {
                other?;
                None
            }
        };
        passed("retrieval.change_recorded")?;
        self.end_change(id, matter.changes, work).await?;
        told.map_or(Ok(()), Err)
    }

    /// Makes the change show, unless somebody did already.
    async fn end_change(&self, id: &MatterId, number: u64, _seen: Work) -> Result<(), RetrievalError> {
        self.change(WorkKind::Matter, id.as_str(), |work, doc: &mut Matter| {
            if doc.changes != number {
                return Ok(false);
            }
            let Some(change) = doc.change.take() else { return Ok(false) };
            apply(doc, change);
            doc.changes += 1;
            if doc.is_open() { OPEN } else { CLOSED }.clone_into(&mut work.state);
            Ok(true)
        })
        .await?;
        Ok(())
    }

    async fn settle_open(&self, matter: &Matter, change: &Change, token: &str) -> Result<(), RetrievalError> {
        let id = &matter.matter_id;
        let draft = draft(Action::MatterCreation, Phase::Fact, &change.by, id, None)
            .reason(&matter.justification)
            .outcome(EventOutcome::Succeeded)
            .detail("name", &matter.name)
            .detail("reference", &matter.reference)
            .detail("requester", &matter.requester)
            .detail("deadline", matter.deadline.to_string())
            .once(token);
        self.note(draft).await?;
        Ok(())
    }

    async fn settle_add(
        &self,
        matter: &Matter,
        change: &Change,
        items: &[MatterItem],
        token: &str,
    ) -> Result<(), RetrievalError> {
        let id = &matter.matter_id;
        for batch in items.chunks(BATCH) {
            let rows = batch.iter().map(|item| {
                let doc = serde_json::json!({ "exhibit": item.exhibit });
                Work::new(WorkKind::MatterItem, format!("{}/{id}", item.archive_id), "in", doc).of(id.as_str())
            });
            self.parts().work.create_many(rows.collect()).await?;
            let facts = batch.iter().map(|item| {
                draft(Action::MatterItems, Phase::Fact, &change.by, id, Some(&item.archive_id))
                    .reason(&matter.justification)
                    .outcome(EventOutcome::Succeeded)
                    .detail("exhibit", &item.exhibit)
                    .once(format!("{token}:{}", item.archive_id))
            });
            self.append(facts.collect()).await?;
        }
        match &matter.hold {
            Some(hold) => self.settle_holding(matter, change, items, &hold.reason, true, token).await,
            None => Ok(()),
        }
    }

    async fn settle_close(
        &self,
        matter: &Matter,
        change: &Change,
        reason: &str,
        release_holds: bool,
        token: &str,
    ) -> Result<(), RetrievalError> {
        let released = match &matter.hold {
            Some(_) if release_holds => self.settle_holding(matter, change, &matter.items, reason, false, token).await,
            _ => Ok(()),
        };
        let incomplete = match released {
            Err(e @ RetrievalError::HoldIncomplete { .. }) => Some(e),
            other => {
                other?;
                None
            }
        };
        let draft: EventDraft = draft(Action::MatterClosure, Phase::Fact, &change.by, &matter.matter_id, None)
            .reason(reason)
            .outcome(EventOutcome::Succeeded)
            .detail("holds_lifted", if release_holds { "yes" } else { "no" })
            .once(format!("{token}:closed"));
        self.note(draft).await?;
        incomplete.map_or(Ok(()), Err)
    }
}

/// What a change does to the matter's row.
fn apply(doc: &mut Matter, change: Change) {
    match change.what {
        What::Open => {}
        What::Add { items } => doc.items.extend(items),
        What::Hold { reason } => doc.hold = Some(MatterHold { since: change.at, reason }),
        What::Release { .. } => doc.hold = None,
        What::Close { reason, release_holds } => {
            doc.closed = Some(Closure { at: change.at, reason });
            if release_holds {
                doc.hold = None;
            }
        }
    }
}
