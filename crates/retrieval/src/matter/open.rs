use super::{Added, Change, Matter, MatterItem, NewMatter, What, exhibit};
use crate::{
    desk::{CAS_ATTEMPTS, Desk, passed, read_doc, write_doc},
    error::RetrievalError,
};
use holdfast_index::{CreateOutcome, ListWork, Work, WorkKind};
use holdfast_ledger::Agent;
use holdfast_model::{ArchiveId, MatterId};
use std::collections::HashSet;

/// The ledger's own limit for a reason.
const REASON_MAX_BYTES: usize = 4096;
const NAME_MAX_BYTES: usize = 500;

/// A matter that is not in the ledger yet, one with a change under way, and the two that rest.
pub(super) const OPENING: &str = "opening";
pub(super) const CHANGING: &str = "changing";
pub(super) const OPEN: &str = "open";
pub(super) const CLOSED: &str = "closed";

impl Desk {
    /// Opens a matter. The same idempotency text again gives the matter that was opened with it.
    ///
    /// # Errors
    /// [`RetrievalError::Blank`] for an empty name or justification, [`RetrievalError::TooLong`].
    pub async fn create_matter(&self, new: NewMatter, by: &Agent) -> Result<MatterId, RetrievalError> {
        let name = said("the matter's name", &new.name, NAME_MAX_BYTES)?;
        let justification = said("the justification", &new.justification, REASON_MAX_BYTES)?;
        let now = self.now();
        let year = now.to_zoned(jiff::tz::TimeZone::UTC).year();
        // The number before the look for the key: what is taken by then is seen by the look, and what is taken later is met below.
        let mut number = self.first_free_number(year).await?;
        if let Some(key) = &new.idempotency
            && let Some(known) = self.matter_with_key(key).await?
        {
            self.settle_matter(&known).await?;
            return Ok(known);
        }
        loop {
            let id = matter_id(year, number)?;
            let matter = Matter {
                matter_id: id.clone(),
                name: name.clone(),
                reference: new.reference.trim().to_owned(),
                justification: justification.clone(),
                deadline: new.deadline,
                requester: new.requester.clone().filter(|r| !r.trim().is_empty()).unwrap_or_else(|| by.person.clone()),
                created_at: now,
                items: Vec::new(),
                hold: None,
                closed: None,
                idempotency: new.idempotency.clone(),
                change: Some(Change { by: by.clone(), at: now, what: What::Open }),
                changes: 0,
            };
            let work = Work::new(WorkKind::Matter, id.as_str(), OPENING, write_doc(id.as_str(), &matter)?);
            match self.parts().work.create(work).await? {
                CreateOutcome::Created(_) => {
                    passed("retrieval.matter_noted")?;
                    self.settle_matter(&id).await?;
                    return Ok(id);
                }
                CreateOutcome::Exists(work) => {
                    // Whoever asked with the same text at the same moment passes here too, as numbers have no gaps.
                    let taken: Matter = read_doc(&work)?;
                    if new.idempotency.is_some() && taken.idempotency == new.idempotency {
                        self.settle_matter(&taken.matter_id).await?;
                        return Ok(taken.matter_id);
                    }
                    number += 1;
                }
            }
        }
    }

    /// Puts recordings into a matter. They get the next exhibit numbers in the order given; those that are in it already are left
    /// as they are. Where the matter holds its recordings the new ones are held too.
    ///
    /// # Errors
    /// [`RetrievalError::NoRecording`] for the first that the archive does not have (nothing is added then),
    /// [`RetrievalError::MatterClosed`].
    pub async fn add_items(&self, matter: &MatterId, ids: &[ArchiveId], by: &Agent) -> Result<Added, RetrievalError> {
        self.check_known(ids).await?;
        let now = self.now();
        let mut added = Added { added: 0, already: 0 };
        self.begin(matter, by, |m| {
            if let Some(refusal) = closed(m) {
                return Err(refusal);
            }
            let mut known: HashSet<&ArchiveId> = m.items.iter().map(|i| &i.archive_id).collect();
            let new: Vec<&ArchiveId> = ids.iter().filter(|id| known.insert(id)).collect();
            let number = |u: usize| u32::try_from(u).unwrap_or(u32::MAX);
            added = Added { added: number(new.len()), already: number(ids.len() - new.len()) };
            let items: Vec<MatterItem> = new
                .into_iter()
                .enumerate()
                .map(|(n, id)| MatterItem {
                    archive_id: id.clone(),
                    added_at: now,
                    exhibit: exhibit(m.items.len() + n + 1),
                })
                .collect();
            Ok((!items.is_empty()).then_some(What::Add { items }))
        })
        .await?;
        Ok(added)
    }

    /// Sets the matter's hold on all its recordings: their objects are kept whatever their retention says.
    ///
    /// # Errors
    /// [`RetrievalError::Blank`] without a reason, [`RetrievalError::HoldIncomplete`] where it failed on some.
    pub async fn hold(&self, matter: &MatterId, reason: &str, by: &Agent) -> Result<(), RetrievalError> {
        let reason = said("the reason of the hold", reason, REASON_MAX_BYTES)?;
        self.begin(matter, by, |m| match closed(m) {
            Some(refusal) => Err(refusal),
            None => Ok(Some(What::Hold { reason: reason.clone() })),
        })
        .await
    }

    /// Lifts the matter's hold. Objects that another matter holds too stay held.
    ///
    /// # Errors
    /// As [`Desk::hold`].
    pub async fn release_hold(&self, matter: &MatterId, reason: &str, by: &Agent) -> Result<(), RetrievalError> {
        let reason = said("the reason of the release", reason, REASON_MAX_BYTES)?;
        self.begin(matter, by, |m| Ok(m.hold.is_some().then(|| What::Release { reason: reason.clone() }))).await
    }

    /// Closes a matter: no more retrievals. Its holds stay unless asked otherwise; a closed matter may still hold.
    ///
    /// # Errors
    /// [`RetrievalError::Blank`] without a reason, [`RetrievalError::MatterClosed`].
    pub async fn close_matter(
        &self,
        matter: &MatterId,
        reason: &str,
        release_holds: bool,
        by: &Agent,
    ) -> Result<(), RetrievalError> {
        let reason = said("the reason of the closure", reason, REASON_MAX_BYTES)?;
        self.begin(matter, by, |m| match closed(m) {
            Some(refusal) => Err(refusal),
            None => Ok(Some(What::Close { reason: reason.clone(), release_holds })),
        })
        .await?;
        self.cancel_all(matter, by).await?;
        Ok(())
    }

    /// One matter.
    ///
    /// # Errors
    /// [`RetrievalError::NoMatter`].
    pub async fn matter(&self, id: &MatterId) -> Result<Matter, RetrievalError> {
        let work = self.parts().work.get(WorkKind::Matter, id.as_str()).await?;
        // One that is not in the ledger yet is not there yet.
        let work = work.filter(|w| w.state != OPENING).ok_or_else(|| RetrievalError::NoMatter(id.to_string()))?;
        read_doc(&work)
    }

    /// All matters, oldest first.
    ///
    /// # Errors
    /// What the work store says.
    pub async fn matters(&self) -> Result<Vec<Matter>, RetrievalError> {
        let works = self.all_work(WorkKind::Matter, None, &[CHANGING, OPEN, CLOSED]).await?;
        works.iter().map(read_doc).collect()
    }

    /// The matters that a recording is in.
    ///
    /// # Errors
    /// What the work store says.
    pub async fn matters_of(&self, id: &ArchiveId) -> Result<Vec<MatterId>, RetrievalError> {
        // Rows are named `<archive id>/<matter>`, so all of one recording stand together; few are in many matters.
        let prefix = format!("{id}/");
        let (mut found, mut after) = (Vec::new(), prefix.clone());
        loop {
            let query =
                ListWork { kind: WorkKind::MatterItem, parent: None, states: &[], after: Some(&after), limit: 8 };
            let page = self.parts().work.list(query).await?;
            let Some(last) = page.last() else { return Ok(found) };
            after.clone_from(&last.id);
            for work in &page {
                let Some(matter) = work.id.strip_prefix(&prefix) else { return Ok(found) };
                found.extend(matter.parse::<MatterId>());
            }
        }
    }

    /// Every piece of work of one kind, of a parent and in one of the states where they are named. One call, since for DynamoDB
    /// each page of a list by state costs a look at all ids in it.
    pub(crate) async fn all_work(
        &self,
        kind: WorkKind,
        parent: Option<&str>,
        states: &[&str],
    ) -> Result<Vec<Work>, RetrievalError> {
        Ok(self.parts().work.list(ListWork { kind, parent, states, after: None, limit: usize::MAX }).await?)
    }

    /// Notes a change on the matter's row and carries it out. `decide` sees the matter at rest and says what is to change, if
    /// anything.
    async fn begin(
        &self,
        matter: &MatterId,
        by: &Agent,
        mut decide: impl FnMut(&Matter) -> Result<Option<What>, RetrievalError> + Send,
    ) -> Result<(), RetrievalError> {
        let at = self.now();
        for _ in 0..CAS_ATTEMPTS {
            // A change that somebody began and did not end comes first.
            self.settle_matter(matter).await?;
            let mut noted = false;
            let work = self
                .change(WorkKind::Matter, matter.as_str(), |work, doc: &mut Matter| {
                    if doc.change.is_some() {
                        return Ok(false);
                    }
                    let Some(what) = decide(doc)? else {
                        noted = true;
                        return Ok(false);
                    };
                    doc.change = Some(Change { by: by.clone(), at, what });
                    CHANGING.clone_into(&mut work.state);
                    noted = true;
                    Ok(true)
                })
                .await?;
            if work.is_none() {
                return Err(RetrievalError::NoMatter(matter.to_string()));
            }
            if noted {
                passed("retrieval.change_noted")?;
                return self.settle_matter(matter).await;
            }
        }
        Err(RetrievalError::Contended(matter.to_string()))
    }

    async fn check_known(&self, ids: &[ArchiveId]) -> Result<(), RetrievalError> {
        for batch in ids.chunks(1000) {
            self.rows(batch).await?;
        }
        Ok(())
    }

    async fn matter_with_key(&self, key: &str) -> Result<Option<MatterId>, RetrievalError> {
        let works = self.all_work(WorkKind::Matter, None, &[]).await?;
        for work in &works {
            let matter: Matter = read_doc(work)?;
            if matter.idempotency.as_deref() == Some(key) {
                return Ok(Some(matter.matter_id));
            }
        }
        Ok(None)
    }

    /// Numbers of a year have no gaps: gallop to one that is free, then halve.
    async fn first_free_number(&self, year: i16) -> Result<u32, RetrievalError> {
        let taken = async |n: u32| -> Result<bool, RetrievalError> {
            let id = matter_id(year, n)?;
            Ok(self.parts().work.get(WorkKind::Matter, id.as_str()).await?.is_some())
        };
        let (mut low, mut high) = (0, 1);
        while taken(high).await? {
            (low, high) = (high, high * 2);
        }
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            if taken(middle).await? { low = middle } else { high = middle }
        }
        Ok(high)
    }
}

fn matter_id(year: i16, number: u32) -> Result<MatterId, RetrievalError> {
    let text = format!("M-{year:04}-{number:04}");
    text.parse().map_err(|e: holdfast_model::InvalidId| RetrievalError::Damaged { what: text, detail: e.to_string() })
}

fn closed(m: &Matter) -> Option<RetrievalError> {
    (!m.is_open()).then(|| RetrievalError::MatterClosed(m.matter_id.clone()))
}

/// A text that must say something and fit the ledger.
pub(crate) fn said(what: &'static str, text: &str, max: usize) -> Result<String, RetrievalError> {
    let text = text.trim();
    if text.is_empty() {
        return Err(RetrievalError::Blank(what));
    }
    if text.len() > max {
        return Err(RetrievalError::TooLong { what, bytes: text.len(), max });
    }
    Ok(text.to_owned())
}
