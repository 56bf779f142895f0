//! Which retrievals this process has under way, as it shows in what it writes. Whoever tells what changed looks at what is under
//! way every few seconds; what is begun and ended between two looks is known from here, without reading everything that ever was.

use crate::task::lock;
use async_trait::async_trait;
use holdfast_index::{Claim, CreateOutcome, IndexError, ListWork, UpdateOutcome, Work, WorkKind, WorkStore};
use holdfast_model::{ArchiveId, MatterId};
use holdfast_retrieval::JobState;
use std::{
    collections::{BTreeMap, HashSet},
    sync::{Arc, Mutex},
};

/// A retrieval by its matter and recording.
pub(crate) type JobKey = (MatterId, ArchiveId);

/// Retrievals that this process began or went on with since somebody last asked; none are kept before anybody has.
#[derive(Clone, Default)]
pub(crate) struct UnderWay(Arc<Mutex<Option<HashSet<JobKey>>>>);

impl UnderWay {
    /// Those since the last time; from now on they are kept.
    pub(crate) fn take(&self) -> HashSet<JobKey> {
        lock(&self.0).replace(HashSet::new()).unwrap_or_default()
    }

    /// The store, seen through this.
    pub(crate) fn over(&self, store: Arc<dyn WorkStore>) -> Arc<dyn WorkStore> {
        Arc::new(Seen { store, under_way: self.clone() })
    }

    fn note<'a>(&self, works: impl IntoIterator<Item = &'a Work>) {
        if let Some(kept) = &mut *lock(&self.0) {
            kept.extend(works.into_iter().filter_map(key_of));
        }
    }
}

/// The retrieval that this is, where it is one that somebody has to do something about.
fn key_of(work: &Work) -> Option<JobKey> {
    let active = JobState::parse(&work.state).is_some_and(|s| JobState::ACTIVE.contains(&s));
    let matter = work.parent.as_deref().filter(|_| active && work.kind == WorkKind::Retrieval)?;
    let recording = work.id.strip_prefix(matter)?.strip_prefix('/')?;
    Some((matter.parse().ok()?, recording.parse().ok()?))
}

struct Seen {
    store: Arc<dyn WorkStore>,
    under_way: UnderWay,
}

#[async_trait]
impl WorkStore for Seen {
    async fn create_many(&self, new: Vec<Work>) -> Result<Vec<CreateOutcome>, IndexError> {
        let outcomes = self.store.create_many(new).await?;
        self.under_way.note(outcomes.iter().map(|(CreateOutcome::Created(w) | CreateOutcome::Exists(w))| w));
        Ok(outcomes)
    }

    async fn get(&self, kind: WorkKind, id: &str) -> Result<Option<Work>, IndexError> {
        self.store.get(kind, id).await
    }

    fn max_updates(&self) -> usize {
        self.store.max_updates()
    }

    async fn update_many(&self, works: Vec<Work>) -> Result<UpdateOutcome, IndexError> {
        // Before it is known what comes of it: one too many does no harm.
        self.under_way.note(&works);
        self.store.update_many(works).await
    }

    async fn list(&self, query: ListWork<'_>) -> Result<Vec<Work>, IndexError> {
        self.store.list(query).await
    }

    async fn claim(&self, claim: Claim<'_>) -> Result<Vec<Work>, IndexError> {
        let taken = self.store.claim(claim).await?;
        self.under_way.note(&taken);
        Ok(taken)
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
