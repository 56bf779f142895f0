use super::{
    db::{Key, Table},
    keys::Generation,
    meta::Meta,
    read::Question,
    rebuild::Rebuild,
    row::{Prepared, read_items, read_rows},
    write::Told,
};
use crate::{
    Facets, IndexError, IndexLimits, IndexRow, InsertOutcome, MAX_LIMIT, Page, Query, RebuildSink, RecordingIndex,
    dynamodb::db::Range, terms::fields::external,
};
use async_trait::async_trait;
use aws_sdk_dynamodb::Client;
use futures_util::{StreamExt as _, TryStreamExt as _, future::BoxFuture, stream};
use holdfast_model::{ArchiveId, Clock, MatterId, StorageState};
use jiff::Timestamp;
use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
};

/// Candidates within which totals and facets are exact.
const EXACT_WITHIN: usize = 4_000;
/// Candidates that one call looks at, at most.
const AT_MOST: usize = 40_000;
/// A count from so many recordings on is kept for [`COUNT_KEPT_MS`], as counting reads every row.
const COUNT_IS_LARGE: u64 = 10_000;
const COUNT_KEPT_MS: i64 = 600_000;
/// Partitions that are counted at once.
const COUNTED_AT_ONCE: usize = 8;
/// How often a question is asked again when a rebuild took the place of what it was put to.
const ATTEMPTS: u32 = 4;
/// Days known to be listed that are remembered; more are written again.
const LISTED: usize = 200_000;

/// How far one question goes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reach {
    pub exact_within: usize,
    pub at_most: usize,
}

/// The index in a DynamoDB table, for any number of processes at once. Cheap to clone.
///
/// A query goes in by the most telling of its filters (an id, a participant, an agent, a matter, a tag, a queue, a state, an
/// end of retention, else the days of its time range) and looks at what lies there row by row, in the order of the page.
/// Totals and facets are exact within 4,000 rows looked at; one call looks at 40,000 at most and then gives a shorter page
/// with a next one. All reads are consistent: what an insert has returned is found.
///
/// [`count`](RecordingIndex::count) of more than 10,000 may be up to ten minutes old.
#[derive(Debug, Clone)]
pub struct DynamoIndex(pub(super) Arc<Inner>);

#[derive(Debug)]
pub(super) struct Inner {
    pub table: Table,
    pub reach: Reach,
    clock: Arc<dyn Clock>,
    /// Days that are known to be listed, so that they need not be written with each row.
    listed: Mutex<HashSet<Key>>,
    counted: Mutex<Option<(Generation, Timestamp, u64)>>,
}

impl DynamoIndex {
    /// The index in `table`, which must be there and be as [`table_definition`](super::table_definition) says. Nothing is
    /// asked of it before the first call. `clock` says how old a count is.
    #[must_use]
    pub fn new(client: Client, table: impl Into<String>, clock: Arc<dyn Clock>) -> Self {
        Self::with(client, &table.into(), clock, Reach { exact_within: EXACT_WITHIN, at_most: AT_MOST })
    }

    /// The same that goes less far (or farther) for one question: exact within so many rows looked at, and so many looked at
    /// by one call at most.
    #[must_use]
    pub fn reaching(self, exact_within: usize, at_most: usize) -> Self {
        let Inner { table, clock, .. } = &*self.0;
        let reach = Reach { exact_within, at_most: at_most.max(exact_within) };
        Self::with(table.client.clone(), &table.name, Arc::clone(clock), reach)
    }

    fn with(client: Client, table: &str, clock: Arc<dyn Clock>, reach: Reach) -> Self {
        let table = Table::new(client, table);
        Self(Arc::new(Inner { table, reach, clock, listed: Mutex::default(), counted: Mutex::default() }))
    }

    /// This index behind its trait.
    #[must_use]
    pub fn index(&self) -> Arc<dyn RecordingIndex> {
        Arc::new(self.clone())
    }
}

impl Inner {
    pub(super) async fn meta(&self) -> Result<Meta, IndexError> {
        Meta::read(&self.table).await
    }

    pub(super) fn is_listed(&self, day: &Key) -> bool {
        lock(&self.listed).contains(day)
    }

    pub(super) fn now_listed(&self, days: Vec<Key>) {
        let mut listed = lock(&self.listed);
        if listed.len() + days.len() > LISTED {
            listed.clear();
        }
        listed.extend(days);
    }

    /// Asks the generation that answers; again where a rebuild took its place meanwhile, whose remains are not the answer.
    async fn ask<'a, T>(
        &'a self,
        ask: impl Fn(Meta) -> BoxFuture<'a, Result<T, IndexError>> + Send,
    ) -> Result<T, IndexError> {
        let mut meta = self.meta().await?;
        for _ in 0..ATTEMPTS {
            let answer = ask(meta.clone()).await;
            let now = self.meta().await?;
            if now.live == meta.live {
                return answer;
            }
            meta = now;
        }
        Err(IndexError::Contended { table: self.table.name.to_string(), action: "dynamodb:Query" })
    }

    /// How many rows a generation has, by looking.
    pub(super) async fn count_rows(&self, g: &Generation) -> Result<u64, IndexError> {
        let counts = stream::iter(g.row_partitions())
            .map(|(_, pk)| async move { self.table.count(None, &pk, Some("d")).await })
            .buffer_unordered(COUNTED_AT_ONCE);
        counts.try_fold(0, |sum, n| async move { Ok(sum + n) }).await
    }

    async fn count(&self, meta: &Meta) -> Result<u64, IndexError> {
        let now = self.clock.now();
        if let Some((g, at, n)) = &*lock(&self.counted)
            && *g == meta.live
            && (0..COUNT_KEPT_MS).contains(&(now.as_millisecond() - at.as_millisecond()))
        {
            return Ok(*n);
        }
        let n = self.count_rows(&meta.live).await?;
        if n >= COUNT_IS_LARGE {
            *lock(&self.counted) = Some((meta.live.clone(), now, n));
        }
        Ok(n)
    }

    async fn scan(&self, g: &Generation, after: Option<&ArchiveId>, limit: usize) -> Result<Vec<IndexRow>, IndexError> {
        let mut out: Vec<IndexRow> = Vec::new();
        let begin = after.map(|a| g.row(a));
        for (_, pk) in g.row_partitions() {
            if begin.as_ref().is_some_and(|b| pk < b.pk) {
                continue;
            }
            // No character of an id comes between it and itself with a blank.
            let low = begin.as_ref().filter(|b| b.pk == pk).map(|b| format!("{} ", b.sk)).unwrap_or_default();
            let mut from = None;
            while out.len() < limit {
                let wanted = i32::try_from((limit - out.len()).min(1_000)).unwrap_or(1_000);
                let range = Range { low: low.clone(), limit: wanted, ..Range::all(pk.clone()) };
                let (items, next) = self.table.piece(&range, from.take()).await?;
                let rows = read_items(&self.table, g, items).await?;
                out.extend(rows.into_iter().map(|r| r.row));
                from = next;
                if from.is_none() {
                    break;
                }
            }
        }
        Ok(out)
    }
}

#[async_trait]
impl RecordingIndex for DynamoIndex {
    fn limits(&self) -> IndexLimits {
        IndexLimits { exact_within: Some(self.0.reach.exact_within) }
    }

    async fn insert_many(&self, rows: Vec<(IndexRow, Option<String>)>) -> Result<Vec<InsertOutcome>, IndexError> {
        let prepare = |(row, text): (IndexRow, Option<String>)| Prepared::new(row, text.as_deref());
        let mut open: Vec<(usize, Prepared)> =
            rows.into_iter().map(prepare).collect::<Result<Vec<_>, _>>()?.into_iter().enumerate().collect();
        let mut outcomes: Vec<Option<InsertOutcome>> = vec![None; open.len()];
        let inserting = open.len() as u64;
        // What comes twice comes in turn.
        while !open.is_empty() {
            let mut ids = HashSet::new();
            let (now, later): (Vec<_>, Vec<_>) =
                open.into_iter().partition(|(_, p)| ids.insert(p.row.archive_id.clone()));
            let (places, rows): (Vec<usize>, Vec<Prepared>) = now.into_iter().unzip();
            for (place, outcome) in places.into_iter().zip(self.0.insert(&rows).await?) {
                outcomes[place] = Some(outcome);
            }
            open = later;
        }
        if let Some((.., n)) = &mut *lock(&self.0.counted) {
            let new = outcomes.iter().filter(|o| **o == Some(InsertOutcome::Inserted)).count() as u64;
            *n += new.min(inserting);
        }
        Ok(outcomes.into_iter().flatten().collect())
    }

    async fn get(&self, id: &ArchiveId) -> Result<Option<IndexRow>, IndexError> {
        let inner = &*self.0;
        let rows = inner.ask(|meta| Box::pin(async move { read_rows(&inner.table, &meta.live, [id]).await })).await;
        Ok(rows?.remove(id).map(|r| r.row))
    }

    async fn get_many(&self, ids: &[ArchiveId]) -> Result<Vec<Option<IndexRow>>, IndexError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let inner = &*self.0;
        let rows = inner.ask(|meta| Box::pin(async move { read_rows(&inner.table, &meta.live, ids).await })).await?;
        Ok(ids.iter().map(|id| rows.get(id).map(|r| r.row.clone())).collect())
    }

    async fn find_external(&self, system: &str, id: &str) -> Result<Vec<IndexRow>, IndexError> {
        let query = &Query { external_id: Some(external(system, id)), ..Query::default() };
        let inner = &*self.0;
        let ask =
            |meta| -> BoxFuture<'_, _> { Box::pin(async move { Question::new(inner, &meta, query)?.few().await }) };
        let mut rows = inner.ask(ask).await?;
        // `a=b=c` can be read in two ways.
        rows.retain(|row| row.record.external_ids.get(system).is_some_and(|i| i == id));
        rows.sort_by(|a, b| a.archive_id.cmp(&b.archive_id));
        rows.truncate(MAX_LIMIT);
        Ok(rows)
    }

    async fn search(&self, query: &Query) -> Result<Page, IndexError> {
        let inner = &*self.0;
        inner.ask(|meta| Box::pin(async move { Question::new(inner, &meta, query)?.search().await })).await
    }

    async fn facets(&self, query: &Query) -> Result<Facets, IndexError> {
        let inner = &*self.0;
        inner.ask(|meta| Box::pin(async move { Question::new(inner, &meta, query)?.facets().await })).await
    }

    async fn set_state(&self, id: &ArchiveId, state: &StorageState) -> Result<(), IndexError> {
        self.0.tell(&[(id.clone(), Told::State(state.clone()))]).await
    }

    async fn set_states(&self, seen: &[(ArchiveId, StorageState)]) -> Result<(), IndexError> {
        let told = |(id, state): &(ArchiveId, StorageState)| (id.clone(), Told::State(state.clone()));
        self.0.tell(&seen.iter().map(told).collect::<Vec<_>>()).await
    }

    async fn set_holds(&self, id: &ArchiveId, matters: &[MatterId]) -> Result<(), IndexError> {
        let mut matters = matters.to_vec();
        matters.sort();
        matters.dedup();
        self.0.tell(&[(id.clone(), Told::Holds(matters))]).await
    }

    async fn scan(&self, after: Option<&ArchiveId>, limit: usize) -> Result<Vec<IndexRow>, IndexError> {
        let inner = &*self.0;
        inner.ask(|meta| Box::pin(async move { inner.scan(&meta.live, after, limit).await })).await
    }

    async fn count(&self) -> Result<u64, IndexError> {
        let inner = &*self.0;
        inner.ask(|meta| Box::pin(async move { inner.count(&meta).await })).await
    }

    async fn rebuild(&self) -> Result<Box<dyn RebuildSink>, IndexError> {
        Ok(Box::new(Rebuild::begin(Arc::clone(&self.0)).await?))
    }
}

pub(super) fn lock<T>(m: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    m.lock().unwrap_or_else(PoisonError::into_inner)
}
