//! A new generation of the index, filled beside the one that answers and then put in its place.

use super::{
    db::{Item, Key, Range},
    index::Inner,
    keys::{Calendar, Generation},
    meta::Meta,
    row::{Pointer, Prepared, read_items},
};
use crate::{IndexError, IndexRow, RebuildSink};
use async_trait::async_trait;
use holdfast_model::step;
use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

/// Rows that are written in one go.
const BATCH: usize = 500;

pub(super) struct Rebuild {
    inner: Arc<Inner>,
    generation: Generation,
    salt: Vec<u8>,
    batch: Vec<(IndexRow, Option<String>)>,
    finished: bool,
}

impl Rebuild {
    pub(super) async fn begin(inner: Arc<Inner>) -> Result<Self, IndexError> {
        let generation = Meta::begin(&inner.table).await?;
        let salt = inner.meta().await?.salt;
        let begun = Self { inner, generation, salt, batch: Vec::new(), finished: false };
        begun.inner.bury_dead().await?;
        Ok(begun)
    }

    async fn flush(&mut self) -> Result<(), IndexError> {
        // The first of several is taken.
        let mut rows: HashMap<_, Prepared> = HashMap::new();
        for (row, text) in std::mem::take(&mut self.batch) {
            if !rows.contains_key(&row.archive_id) {
                rows.insert(row.archive_id.clone(), Prepared::new(row, text.as_deref())?);
            }
        }
        if self.inner.meta().await?.building.as_ref() != Some(&self.generation) {
            return Err(IndexError::RebuildSuperseded);
        }
        let rows: Vec<&Prepared> = rows.values().collect();
        self.inner.insert_in(&self.generation, &self.salt, &rows).await?;
        step("index.dynamodb.rebuild.batch");
        Ok(())
    }
}

#[async_trait]
impl RebuildSink for Rebuild {
    async fn push(&mut self, row: IndexRow, text: Option<String>) -> Result<(), IndexError> {
        self.batch.push((row, text));
        if self.batch.len() >= BATCH { self.flush().await } else { Ok(()) }
    }

    async fn finish(mut self: Box<Self>) -> Result<u64, IndexError> {
        self.flush().await?;
        let count = self.inner.count_rows(&self.generation).await?;
        Meta::switch(&self.inner.table, &self.generation).await?;
        self.finished = true;
        step("index.dynamodb.rebuild.switched");
        // The new index already answers. What is left of the old one is only space, and goes with the next rebuild.
        if let Err(e) = self.inner.bury_dead().await {
            tracing::warn!(error = %e, "the space of the old index is not free yet");
        }
        Ok(count)
    }
}

impl Drop for Rebuild {
    fn drop(&mut self) {
        if self.finished {
            return;
        }
        // So that inserts need not go into a generation that nobody will finish. If this fails too, the next rebuild does it.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let (inner, generation) = (Arc::clone(&self.inner), self.generation.clone());
        runtime.spawn(async move {
            if let Err(e) = Meta::give_up(&inner.table, &generation).await {
                tracing::warn!(error = %e, "an unfinished rebuild could not be taken back");
            }
        });
    }
}

impl Inner {
    /// Removes every generation that is neither live nor being built: derived items, nothing that is evidence. What is removed
    /// is found through its rows, which go last, so that it can be gone on with after a crash.
    async fn bury_dead(&self) -> Result<(), IndexError> {
        let meta = self.meta().await?;
        for dead in &meta.dead {
            for (_, pk) in dead.row_partitions() {
                let mut from = None;
                loop {
                    let (items, next) = self.table.piece(&Range { limit: 200, ..Range::all(pk.clone()) }, from).await?;
                    self.bury(dead, &meta.salt, items).await?;
                    from = next;
                    if from.is_none() {
                        break;
                    }
                }
            }
            for calendar in Calendar::ALL {
                let range = Range { only: "pk, sk", ..Range::all(dead.days(calendar)) };
                let days = self.table.all(&range).await?;
                self.table.write_all(Vec::new(), days.iter().map(Key::of).collect()).await?;
            }
            Meta::buried(&self.table, dead).await?;
            tracing::info!(generation = dead.number, "removed what was left of an earlier index");
        }
        Ok(())
    }

    async fn bury(&self, dead: &Generation, salt: &[u8], items: Vec<Item>) -> Result<(), IndexError> {
        let keys: Vec<Key> = items.iter().map(Key::of).collect();
        let mut around: HashSet<Key> = HashSet::new();
        for stored in read_items(&self.table, dead, items).await? {
            around.extend(stored.part_keys(dead));
            around.extend(Pointer::of(&stored.row).iter().map(|p| p.key(dead, salt, &stored.row)));
        }
        self.table.write_all(Vec::new(), around.into_iter().collect()).await?;
        self.table.write_all(Vec::new(), keys).await
    }
}
