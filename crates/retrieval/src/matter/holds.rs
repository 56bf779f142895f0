use super::{Change, Matter, MatterItem, What, settle::BATCH};
use crate::{
    desk::{Desk, draft, passed},
    error::RetrievalError,
};
use futures_util::{FutureExt as _, StreamExt as _, future::BoxFuture, stream};
use holdfast_ledger::{Action, EventOutcome, Phase};
use holdfast_model::{ArchiveId, Fault as _, Manifest, MatterId, ObjectLocator, Retry};
use std::collections::{BTreeSet, HashMap, HashSet};

/// Objects are flagged by so many hands at once.
const AT_ONCE: usize = 8;

/// Which matters hold which recordings.
type Holders = HashMap<ArchiveId, BTreeSet<MatterId>>;

impl Desk {
    /// Sets or lifts this matter's hold on `items`: each recording has its intent before and its outcome after in the ledger, and
    /// so has the matter as a whole.
    pub(super) async fn settle_holding(
        &self,
        matter: &Matter,
        change: &Change,
        items: &[MatterItem],
        reason: &str,
        on: bool,
        token: &str,
    ) -> Result<(), RetrievalError> {
        let (action, id) = (if on { Action::LegalHold } else { Action::LegalHoldRelease }, &matter.matter_id);
        let whole = |phase| {
            draft(action, phase, &change.by, id, None).reason(reason).detail("recordings", items.len().to_string())
        };
        let intent = self.note(whole(Phase::Intent).once(format!("{token}:hold:intent"))).await?;
        passed("retrieval.hold_intended")?;
        let mut failures: Vec<(ArchiveId, String)> = Vec::new();
        for batch in items.chunks(BATCH) {
            let one =
                |phase, item: &MatterItem| draft(action, phase, &change.by, id, Some(&item.archive_id)).reason(reason);
            let intents = batch
                .iter()
                .map(|item| one(Phase::Intent, item).once(format!("{token}:hold:{}:intent", item.archive_id)))
                .collect();
            let intents = self.append(intents).await?;
            let done = self.hold_batch(id, batch, on).await?;
            passed("retrieval.hold_set")?;
            let mut outcomes = Vec::with_capacity(batch.len());
            for ((item, intent), done) in batch.iter().zip(&intents).zip(done) {
                let mut outcome = one(Phase::Outcome, item);
                outcome.intent = Some(intent.event.sequence);
                let ending = match done {
                    Ok(()) => EventOutcome::Succeeded,
                    // What may pass is not concluded: the next pass tries it again.
                    Err(e) if e.retry() == Retry::Soon => return Err(e),
                    Err(e) => {
                        outcome.code = Some(e.code().to_owned());
                        failures.push((item.archive_id.clone(), e.to_string()));
                        EventOutcome::Failed
                    }
                };
                outcomes.push(outcome.outcome(ending).once(format!("{token}:hold:{}:{ending:?}", item.archive_id)));
            }
            self.append(outcomes).await?;
        }
        let ending = if failures.is_empty() { EventOutcome::Succeeded } else { EventOutcome::Failed };
        let mut outcome = whole(Phase::Outcome).outcome(ending).once(format!("{token}:hold:{ending:?}"));
        outcome.intent = Some(intent);
        self.note(outcome).await?;
        match failures.first() {
            None => Ok(()),
            Some((first, why)) => Err(RetrievalError::HoldIncomplete {
                failed: failures.len(),
                of: items.len(),
                first: first.clone(),
                why: why.clone(),
            }),
        }
    }

    /// Sets the flag on everything that belongs to each recording, or lifts it where no other matter holds; one result each.
    async fn hold_batch(
        &self,
        matter: &MatterId,
        batch: &[MatterItem],
        on: bool,
    ) -> Result<Vec<Result<(), RetrievalError>>, RetrievalError> {
        let ids: Vec<ArchiveId> = batch.iter().map(|i| i.archive_id.clone()).collect();
        let mut holders = self.holders(&ids).await?;
        // Boxed before they become a stream: the compiler cannot see that borrowing closures inside one are `Send`.
        let flags: Vec<BoxFuture<'_, _>> =
            ids.iter().map(|id| self.flag(id, on || held_by_another(&holders, id, matter)).boxed()).collect();
        let mut done: Vec<Result<(), RetrievalError>> = stream::iter(flags).buffered(AT_ONCE).collect().await;
        if !on {
            // Another matter may have begun to hold between the look and the lifting; its flag must stand. Where that cannot be
            // read, the flags are set again, and lifting them is left to another attempt.
            let now = match self.holders(&ids).await {
                Ok(now) => now,
                Err(e) => {
                    for id in &ids {
                        if let Err(again) = self.flag(id, true).await {
                            tracing::warn!(%id, code = again.code(), "a legal hold may be missing until the release is ended");
                        }
                    }
                    return Err(e);
                }
            };
            for (item, done) in batch.iter().zip(&mut done) {
                let id = &item.archive_id;
                if held_by_another(&now, id, matter) && !held_by_another(&holders, id, matter) {
                    *done = self.flag(&item.archive_id, true).await;
                }
            }
            holders = now;
        }
        for (item, done) in batch.iter().zip(&mut done) {
            let mut held_by = holders.remove(&item.archive_id).unwrap_or_default();
            if on {
                held_by.insert(matter.clone())
            } else {
                held_by.remove(matter)
            };
            if done.is_ok() {
                *done = self.note_holders(&item.archive_id, held_by).await;
            }
        }
        Ok(done)
    }

    async fn flag(&self, id: &ArchiveId, on: bool) -> Result<(), RetrievalError> {
        for at in self.objects_of(id).await? {
            self.parts().store.retention.set_legal_hold(&at, on).await?;
        }
        Ok(())
    }

    async fn note_holders(&self, id: &ArchiveId, holders: BTreeSet<MatterId>) -> Result<(), RetrievalError> {
        let holders: Vec<MatterId> = holders.into_iter().collect();
        Ok(self.parts().index.set_holds(id, &holders).await?)
    }

    /// Original, manifest, payload and text of a recording.
    async fn objects_of(&self, id: &ArchiveId) -> Result<Vec<ObjectLocator>, RetrievalError> {
        let row = self.row(id).await?;
        let manifest_at = self.meta_locator(&row.locator.store, &row.manifest_key);
        let manifest: Manifest = serde_json::from_slice(&self.read_small(&manifest_at).await?)
            .map_err(|e| RetrievalError::Damaged { what: manifest_at.to_string(), detail: e.to_string() })?;
        let mut objects = vec![row.locator.clone(), manifest_at];
        objects.push(self.meta_locator(&row.locator.store, &manifest.payload.key));
        objects.extend(manifest.text.map(|t| self.meta_locator(&row.locator.store, &t.key)));
        Ok(objects)
    }

    /// The matters that hold each recording, or are about to.
    ///
    /// # Errors
    /// What the work store says of any of them: a hold is never taken for absent because it could not be read.
    pub(crate) async fn holders(&self, ids: &[ArchiveId]) -> Result<Holders, RetrievalError> {
        let mut holders = Holders::new();
        let mut known: HashMap<MatterId, bool> = HashMap::new();
        for id in ids {
            for matter in self.matters_of(id).await? {
                let holds = match known.get(&matter) {
                    Some(holds) => *holds,
                    None => {
                        let holds = match self.matter(&matter).await {
                            Ok(found) => found.holds(),
                            // Still being opened, so that it has no recordings yet.
                            Err(RetrievalError::NoMatter(_)) => false,
                            // That a matter cannot be read says nothing about its hold: nothing may be lifted on that.
                            Err(e) => return Err(e),
                        };
                        known.insert(matter.clone(), holds);
                        holds
                    }
                };
                if holds {
                    holders.entry(id.clone()).or_default().insert(matter);
                }
            }
        }
        Ok(holders)
    }

    /// Tells a new index which matters hold what; call it after the index was rebuilt, as holds are not in manifests.
    ///
    /// # Errors
    /// What index and work store say.
    pub async fn restate_holds(&self) -> Result<u64, RetrievalError> {
        let mut held: HashSet<ArchiveId> = HashSet::new();
        for matter in self.matters().await?.into_iter().filter(Matter::holds) {
            held.extend(matter.items.into_iter().map(|i| i.archive_id));
        }
        let held: Vec<ArchiveId> = held.into_iter().collect();
        let holders = self.holders(&held).await?;
        let restated = holders.len() as u64;
        for (id, held_by) in holders {
            self.note_holders(&id, held_by).await?;
        }
        Ok(restated)
    }
}

fn held_by_another(holders: &Holders, id: &ArchiveId, matter: &MatterId) -> bool {
    holders.get(id).is_some_and(|h| h.iter().any(|m| m != matter))
}

impl Matter {
    /// Whether a hold of this matter is on its recordings, or about to be.
    fn holds(&self) -> bool {
        match self.change.as_ref().map(|c| &c.what) {
            Some(What::Hold { .. }) => true,
            Some(What::Release { .. } | What::Close { release_holds: true, .. }) => false,
            _ => self.hold.is_some(),
        }
    }
}
