//! The head on DynamoDB, where many machines meet.
//!
//! The commit point is one conditional write of one item, whatever the size of the batch. That item, the head, carries the new
//! state *and* the batch that leads to it (or, for a large one, the names of chunk items that were written before): a redo log of
//! one record. Then the batch is spread out: entries by number, lookup rows. Every such write can be repeated, by anybody, any
//! number of times and however late. A reader lays the head's batch over what is spread out already, so that it need not wait or
//! write; the next writer spreads it out before its own commit, so that never more than one batch is outstanding.
//!
//! Open intents are the one thing that would not bear repeating, since a writer that slept could put a row back that a later
//! outcome removed. Therefore each outcome leaves a row of its own that says so, and an open intent is one without it.

mod calls;
mod fault;
mod item;
mod lookup;

use super::{HeadState, LedgerError, LedgerHead, LookupDigest, LookupKey, Staged};
use async_trait::async_trait;
use aws_sdk_dynamodb::Client;
use bytes::Bytes;
use calls::{Changed, Table, Write};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use holdfast_model::{fail_after, step};
use item::{Head, Pending, chunk_item, entry_item, pack};
use lookup::Rows;
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

/// A batch of up to this many bytes travels inside the head item: reading the head costs by its size, and an item may have
/// 400 KB.
const INLINE_MAX_BYTES: usize = 64 << 10;
/// How often a reader that was overtaken looks again.
const LOOKS: u32 = 32;
/// Questions answered at once.
const AT_ONCE: usize = 16;

/// The head in a DynamoDB table with the string keys `pk` and `sk`, which it may share with others: all its partitions begin with
/// `L#<log>`. Every read is strongly consistent. Any number of processes on any number of machines may use it.
#[derive(Clone)]
pub struct DynamoHead {
    inner: Arc<Inner>,
}

struct Inner {
    table: Table,
    /// The newest revision whose batch is known to be spread out.
    settled: AtomicU64,
    /// What was read last: a writer nearly always continues just that.
    last: Mutex<Option<Arc<Moment>>>,
}

/// The head, and the batch that may not be spread out yet.
struct Moment {
    head: Head,
    pending: Vec<Staged>,
}

impl Moment {
    fn size(&self) -> u64 {
        self.head.state.checkpoint.size()
    }
}

impl DynamoHead {
    /// The head of the log named `log` in `table`, which must exist.
    #[must_use]
    pub fn new(client: Client, table: String, log: &str) -> Self {
        let table = Table::new(client, table, format!("L#{log}"));
        Self { inner: Arc::new(Inner { table, settled: AtomicU64::new(0), last: Mutex::default() }) }
    }
}

impl Inner {
    /// The head now with its outstanding batch.
    async fn read(&self) -> Result<Option<Arc<Moment>>, LedgerError> {
        for _ in 0..LOOKS {
            let Some(head) = self.table.head().await? else { return Ok(None) };
            let pending = match &head.pending {
                _ if self.settled.load(Ordering::Acquire) >= head.state.revision => Vec::new(),
                Pending::None => Vec::new(),
                Pending::Inline(batch) => batch.clone(),
                // Spread out and swept since the head was read: look again.
                Pending::Chunks { id, count } => match self.table.chunks(id, *count).await? {
                    Some(batch) => batch,
                    None => {
                        let again = self.table.head().await?;
                        if again.is_some_and(|h| h.pending == head.pending) {
                            return Err(LedgerError::HeadDamaged { problem: "a part of its last batch is gone" });
                        }
                        continue;
                    }
                },
            };
            let moment = Arc::new(Moment { head, pending });
            *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(moment.clone());
            return Ok(Some(moment));
        }
        Err(LedgerError::Contended { attempts: LOOKS })
    }

    /// The moment with this revision: the one read last, or the one that stands now.
    async fn at(&self, revision: u64) -> Result<Option<Arc<Moment>>, LedgerError> {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match last.filter(|m| m.head.state.revision == revision) {
            Some(moment) => Ok(Some(moment)),
            None => self.read().await,
        }
    }

    /// Spreads out the batch of a moment, unless it is known to be.
    async fn settle(&self, moment: &Moment) -> Result<(), LedgerError> {
        let Head { state, generation, .. } = &moment.head;
        if self.settled.load(Ordering::Acquire) < state.revision {
            self.spread(&moment.pending, state.tiled, *generation).await?;
            self.settled.fetch_max(state.revision, Ordering::AcqRel);
        }
        Ok(())
    }

    /// Writes a committed batch to where it is read from. What lies in tiles already needs no entry.
    async fn spread(&self, batch: &[Staged], tiled: u64, generation: u64) -> Result<(), LedgerError> {
        let mut rows = Rows::default();
        for entry in batch {
            if entry.sequence >= tiled {
                rows.put(entry_item(&self.table, entry.sequence, &entry.bytes));
            }
            rows.staged(&self.table, generation, entry);
        }
        let mut writes = rows.into_writes();
        let rest = writes.split_off(writes.len().min(calls::WRITES_MAX));
        self.table.write(writes).await?;
        step("ledger.half_spread");
        self.table.write(rest).await?;
        step("ledger.spread");
        Ok(())
    }

    async fn swap(&self, expected: u64, new: HeadState, staged: Vec<Staged>) -> Result<bool, LedgerError> {
        let before = self.at(expected).await?;
        if before.as_ref().map_or(0, |m| m.head.state.revision) != expected {
            return Ok(false);
        }
        if let Some(moment) = &before {
            self.settle(moment).await?;
        }
        let swap = nonce()?;
        let packed = pack(&staged)?;
        let pending = if packed.len() <= 1 && packed.iter().map(Vec::len).sum::<usize>() <= INLINE_MAX_BYTES {
            Pending::Inline(staged.clone())
        } else {
            let id = format!("{:020}#{}", new.revision, hex::encode(swap));
            let count = packed.len() as u32;
            let items = packed.into_iter().enumerate().map(|(n, bytes)| chunk_item(&self.table, &id, n, bytes));
            self.table.write(items.map(Write::Put).collect()).await?;
            step("ledger.chunks_written");
            Pending::Chunks { id, count }
        };
        step("ledger.staged");
        if fail_after("ledger.staged") {
            return Err(LedgerError::Interrupted { step: "ledger.staged" });
        }
        let head = Head::after(before.as_ref().map(|m| &m.head), new, pending, swap);
        if !self.table.commit(expected, &head, swap).await? {
            if let Pending::Chunks { .. } = head.pending {
                self.sweep_chunks().await;
            }
            return Ok(false);
        }
        if fail_after("ledger.committed") {
            return Err(LedgerError::Interrupted { step: "ledger.committed" });
        }
        step("ledger.committed");
        let swept = before.is_some_and(|m| matches!(m.head.pending, Pending::Chunks { .. }));
        self.after_commit(head, staged, swept).await;
        Ok(true)
    }

    /// The batch stands in the log from here on. Spreading it out is what the next writer would do too.
    async fn after_commit(&self, head: Head, staged: Vec<Staged>, chunks_before: bool) {
        let moment = Arc::new(Moment { head, pending: staged });
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(moment.clone());
        let chunked = matches!(moment.head.pending, Pending::Chunks { .. });
        let spread = async {
            self.settle(&moment).await?;
            if chunked {
                self.table.forget_batch(moment.head.state.revision).await?;
                step("ledger.batch_forgotten");
            }
            Ok::<_, LedgerError>(())
        };
        if let Err(e) = spread.await {
            tracing::warn!(error = %e, "a committed batch lies in the head; the next writer spreads it out");
        }
        if chunked || chunks_before {
            self.sweep_chunks().await;
        }
    }

    /// Removes chunks that no head names any more and none will: those made for a revision that is reached.
    async fn sweep_chunks(&self) {
        let sweep = async {
            let Some(head) = self.table.head().await? else { return Ok(()) };
            let named = match &head.pending {
                Pending::Chunks { id, .. } => Some(id.clone()),
                _ => None,
            };
            self.table.sweep_chunks(head.state.revision, named.as_deref()).await
        };
        if let Err(e) = sweep.await {
            tracing::debug!(error = %e, "chunks that nobody needs are left for the next writer of chunks");
        }
    }

    async fn snapshot(&self) -> Result<Option<(HeadState, Vec<Bytes>)>, LedgerError> {
        for _ in 0..LOOKS {
            let Some(moment) = self.read().await? else { return Ok(None) };
            let state = &moment.head.state;
            let (tiled, size) = (state.tiled, moment.size());
            let mut found: BTreeMap<u64, Bytes> = self.table.entries(tiled, size).await?.into_iter().collect();
            found.extend(moment.pending.iter().map(|e| (e.sequence, e.bytes.clone())));
            // A hole shows as an empty entry, so that what comes after it keeps its place.
            let entries: Vec<Bytes> = (tiled..size).map(|n| found.remove(&n).unwrap_or_default()).collect();
            if entries.iter().all(|e| !e.is_empty()) {
                return Ok(Some((state.clone(), entries)));
            }
            let now = self.table.head().await?;
            if now.is_none_or(|h| h.state.tiled == tiled) {
                return Ok(Some((state.clone(), entries)));
            }
            // Somebody put them into tiles in the meantime.
        }
        Err(LedgerError::Contended { attempts: LOOKS })
    }

    /// Sequences under a key at one moment.
    async fn find(
        &self,
        moment: &Moment,
        key: &LookupKey,
        after: Option<u64>,
        limit: usize,
    ) -> Result<Vec<u64>, LedgerError> {
        let from = after.map_or(0, |a| a.saturating_add(1));
        let size = moment.size();
        let fresh = moment.pending.iter().filter(|e| e.sequence >= from && e.keys.contains(key)).map(|e| e.sequence);
        let mut fresh: Vec<u64> = fresh.collect();
        let open = *key == LookupKey::OpenIntent;
        let (mut found, mut next) = (Vec::new(), from);
        while found.len() < limit && next < size {
            let page = self.table.rows(moment.head.generation, key, next..size, limit - found.len()).await?;
            let Some(last) = page.last() else { break };
            next = last + 1;
            let page = if open { self.still_open(moment, page).await? } else { page };
            found.extend(page);
        }
        if open {
            fresh.retain(|n| !moment.pending.iter().any(|e| e.concludes == Some(*n)));
        }
        found.extend(fresh);
        found.sort_unstable();
        found.dedup();
        found.truncate(limit);
        Ok(found)
    }

    /// Those intents that no outcome concludes.
    async fn still_open(&self, moment: &Moment, intents: Vec<u64>) -> Result<Vec<u64>, LedgerError> {
        let concluded = self.table.concluded(moment.head.generation, &intents).await?;
        let pending = |n: &u64| moment.pending.iter().any(|e| e.concludes == Some(*n));
        Ok(intents.into_iter().filter(|n| !concluded.contains(n) && !pending(n)).collect())
    }

    async fn rebuild(&self, from: u64, to: u64, entries: Vec<Staged>) -> Result<bool, LedgerError> {
        let Some(moment) = self.read().await? else { return Err(LedgerError::HeadLost) };
        let generation = if from == 0 {
            let generation = self.table.begin_lookup(&moment.head).await?;
            self.table.sweep_lookups(moment.head.generation, generation).await?;
            generation
        } else {
            let building = moment.head.building.filter(|b| b.reached == from);
            building.ok_or(LedgerError::RebuildRunning)?.generation
        };
        let mut rows = Rows::default();
        entries.iter().for_each(|entry| rows.staged(&self.table, generation, entry));
        self.table.write(rows.into_writes()).await?;
        step("ledger.lookup_filled");
        if self.table.lookup_reached(generation, from, to).await? == Changed::No {
            return Err(LedgerError::RebuildRunning);
        }
        let Some(head) = self.table.head().await? else { return Err(LedgerError::HeadLost) };
        if head.state.checkpoint.size() != to {
            return Ok(false);
        }
        match self.table.use_lookup(&head, generation, to).await? {
            Changed::Yes => Ok(true),
            // Somebody appended: there is more to add. Unless somebody else began another one.
            Changed::No => match self.table.head().await? {
                Some(now) if now.generation == generation => Ok(true),
                Some(now) if now.building.is_some_and(|b| b.generation == generation) => Ok(false),
                _ => Err(LedgerError::RebuildRunning),
            },
        }
    }
}

/// Tells one attempt to swap from another that says the same.
fn nonce() -> Result<[u8; item::NONCE_BYTES], LedgerError> {
    let mut nonce = [0; item::NONCE_BYTES];
    getrandom::fill(&mut nonce).map_err(|_| LedgerError::Internal("the system gives no random numbers"))?;
    Ok(nonce)
}

#[async_trait]
impl LedgerHead for DynamoHead {
    async fn load(&self) -> Result<Option<HeadState>, LedgerError> {
        Ok(self.inner.read().await?.map(|m| m.head.state.clone()))
    }

    async fn compare_and_swap(&self, expected: u64, new: HeadState, staged: Vec<Staged>) -> Result<bool, LedgerError> {
        self.inner.swap(expected, new, staged).await
    }

    async fn snapshot(&self) -> Result<Option<(HeadState, Vec<Bytes>)>, LedgerError> {
        self.inner.snapshot().await
    }

    async fn tiled(&self, size: u64) -> Result<(), LedgerError> {
        if size > 0 && self.inner.table.tell_tiled(size).await? == Changed::Yes {
            step("ledger.tail_told");
            self.inner.table.drop_entries(size).await?;
        }
        Ok(())
    }

    async fn find(&self, key: &LookupKey, after: Option<u64>, limit: usize) -> Result<Vec<u64>, LedgerError> {
        match self.inner.read().await? {
            Some(moment) => self.inner.find(&moment, key, after, limit).await,
            None => Ok(Vec::new()),
        }
    }

    async fn first_of(&self, questions: Vec<(LookupKey, Option<u64>)>) -> Result<Vec<Option<u64>>, LedgerError> {
        let Some(moment) = self.inner.read().await? else { return Ok(vec![None; questions.len()]) };
        stream::iter(questions)
            .map(|(key, after)| {
                let (inner, moment) = (self.inner.clone(), moment.clone());
                async move { Ok(inner.find(&moment, &key, after, 1).await?.first().copied()) }
            })
            .buffered(AT_ONCE)
            .try_collect()
            .await
    }

    async fn last_of(&self, keys: Vec<LookupKey>) -> Result<Vec<Option<u64>>, LedgerError> {
        let Some(moment) = self.inner.read().await? else { return Ok(vec![None; keys.len()]) };
        stream::iter(keys)
            .map(|key| {
                let (inner, moment) = (self.inner.clone(), moment.clone());
                async move {
                    // The outstanding batch is newer than every row.
                    let fresh = moment.pending.iter().filter(|e| e.keys.contains(&key)).map(|e| e.sequence).max();
                    match fresh {
                        Some(sequence) => Ok(Some(sequence)),
                        None => inner.table.last_row(moment.head.generation, &key, moment.size()).await,
                    }
                }
            })
            .buffered(AT_ONCE)
            .try_collect()
            .await
    }

    async fn lookup_digest(&self, size: u64) -> Result<Option<LookupDigest>, LedgerError> {
        let Some(moment) = self.inner.read().await?.filter(|m| m.size() == size) else { return Ok(None) };
        self.inner.settle(&moment).await?;
        Ok(Some(self.inner.table.lookup_digest(moment.head.generation, size).await?))
    }

    async fn rebuild_lookup(&self, from: u64, to: u64, entries: Vec<Staged>) -> Result<bool, LedgerError> {
        self.inner.rebuild(from, to, entries).await
    }
}
