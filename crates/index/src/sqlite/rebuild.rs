//! A new generation of the index, filled beside the one that answers and then put in its place.

use super::{
    db::{Failure, blocking},
    index::Inner,
    seal::CHUNK,
    write::{Prepared, create_generation, generations, insert},
};
use crate::{IndexError, IndexRow, RebuildSink};
use async_trait::async_trait;
use holdfast_model::step;
use rusqlite::{Connection, params};
use std::sync::Arc;

/// Rows written in one transaction: each seals a batch (see `write::TAIL`), and the larger it is, the fewer bitmaps are
/// rewritten; but other processes' writes wait for it.
const BATCH: usize = 8192;
/// Documents whose rows are dropped in one transaction.
const DROP: u32 = 20_000;

pub(super) struct Rebuild {
    inner: Arc<Inner>,
    generation: i64,
    batch: Vec<(IndexRow, Option<String>)>,
    finished: bool,
}

impl Rebuild {
    pub(super) async fn begin(inner: Arc<Inner>) -> Result<Self, IndexError> {
        let writer = Arc::clone(&inner);
        let generation = blocking(move || {
            let generation = writer.db.write(|tx| {
                let generation: i64 = tx.query_row("SELECT next FROM control WHERE id = 1", [], |r| r.get(0))?;
                create_generation(tx, generation)?;
                tx.execute("UPDATE control SET building = ?1, next = ?1 + 1 WHERE id = 1", [generation])?;
                Ok(generation)
            })?;
            drop_dead(&writer)?;
            Ok(generation)
        })
        .await?;
        Ok(Self { inner, generation, batch: Vec::new(), finished: false })
    }

    async fn flush(&mut self) -> Result<(), IndexError> {
        let (inner, generation) = (Arc::clone(&self.inner), self.generation);
        let batch = std::mem::take(&mut self.batch);
        blocking(move || {
            let prepare = |(row, text): (IndexRow, Option<String>)| Prepared::new(row, text.as_deref());
            let rows: Vec<Prepared> = batch.into_iter().map(prepare).collect::<Result<_, _>>()?;
            let rows: Vec<&Prepared> = rows.iter().collect();
            inner.db.write(|tx| {
                still_building(tx, generation)?;
                insert(tx, generation, &rows, true).map(drop)
            })?;
            step("index.rebuild.batch");
            Ok(())
        })
        .await
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
        let (inner, generation) = (Arc::clone(&self.inner), self.generation);
        let count = blocking(move || {
            let count: u32 = inner.db.write(|tx| {
                still_building(tx, generation)?;
                tx.execute("UPDATE control SET live = ?1, building = NULL WHERE id = 1", [generation])?;
                tx.execute("DELETE FROM pending WHERE generation = ?1", [generation])?;
                Ok(tx.query_row("SELECT docs FROM generation WHERE generation = ?1", [generation], |r| r.get(0))?)
            })?;
            step("index.rebuild.swapped");
            // The new index already answers. What is left of the old one is only space, and goes with the next rebuild.
            if let Err(e) = drop_dead(&inner) {
                tracing::warn!(error = %e, "the space of the old index is not free yet");
            }
            Ok(u64::from(count))
        })
        .await?;
        self.finished = true;
        Ok(count)
    }
}

impl Drop for Rebuild {
    fn drop(&mut self) {
        if self.finished {
            return;
        }
        // So that inserts need not go into a generation that nobody will finish. If this fails too, the next rebuild does it.
        let given_up = self.inner.db.write(|tx| {
            tx.execute("UPDATE control SET building = NULL WHERE building = ?1", [self.generation])?;
            Ok(())
        });
        if let Err(e) = given_up {
            tracing::warn!(error = %e, "an unfinished rebuild could not be taken back");
        }
    }
}

fn still_building(c: &Connection, generation: i64) -> Result<(), Failure> {
    match generations(c)? {
        (_, Some(building)) if building == generation => Ok(()),
        _ => Err(IndexError::RebuildSuperseded.into()),
    }
}

/// Removes every generation that is neither live nor being built, in pieces, so that other writers get their turn.
fn drop_dead(inner: &Inner) -> Result<(), IndexError> {
    loop {
        let more = inner.db.write(|tx| {
            let (live, building) = generations(tx)?;
            let dead: Option<(i64, u32)> = {
                let mut q = tx.prepare_cached(
                    "SELECT generation, docs FROM generation WHERE generation <> ?1 AND generation <> ?2 LIMIT 1",
                )?;
                let mut rows = q.query([live, building.unwrap_or(live)])?;
                match rows.next()? {
                    Some(r) => Some((r.get(0)?, r.get(1)?)),
                    None => None,
                }
            };
            let Some((g, docs)) = dead else { return Ok(false) };
            if docs > 0 {
                let left = docs.saturating_sub(DROP);
                tx.execute(&format!("DELETE FROM doc_{g} WHERE doc >= ?1"), [left])?;
                tx.execute(&format!("DELETE FROM posting_{g} WHERE chunk >= ?1"), [left.div_ceil(CHUNK)])?;
                tx.execute("UPDATE generation SET docs = ?2 WHERE generation = ?1", params![g, left])?;
                return Ok(true);
            }
            for table in ["doc", "tail", "posting", "number", "label"] {
                tx.execute_batch(&format!("DROP TABLE {table}_{g}"))?;
            }
            tx.execute("DELETE FROM pending WHERE generation = ?1", [g])?;
            tx.execute("DELETE FROM generation WHERE generation = ?1", [g])?;
            Ok(true)
        })?;
        if !more {
            return Ok(());
        }
    }
}
