//! The calls to the service.

use super::{
    fault::{Problem, problem},
    item::{Head, Item, NONCE_BYTES, Pending, b, blob, entry_key, keys, n, pack, s, text, unpack},
};
use crate::{
    EventFormat,
    local::{LedgerError, Staged},
};
use aws_sdk_dynamodb::{
    Client,
    operation::query::builders::QueryFluentBuilder,
    types::{
        AttributeValue, DeleteRequest, KeysAndAttributes, PutRequest, ReturnValuesOnConditionCheckFailure, WriteRequest,
    },
};
use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use std::{collections::HashMap, time::Duration};

/// Items that one BatchWriteItem and one BatchGetItem take.
pub(super) const WRITES_MAX: usize = 25;
const GETS_MAX: usize = 100;
/// Such calls at once.
const AT_ONCE: usize = 4;
/// How often what a batch left undone is tried again, with pauses that grow to two seconds.
const ATTEMPTS: u32 = 12;

/// One log's place in a table.
pub(super) struct Table {
    client: Client,
    name: String,
    /// `L#<log>`: the head and the entries that are not in tiles.
    pub(super) partition: String,
}

/// A write that needs no condition.
#[derive(Clone)]
pub(super) enum Write {
    Put(Item),
    Delete(Item),
}

/// Whether a conditional change was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Changed {
    Yes,
    No,
}

/// A change of the head item.
#[derive(Default)]
struct Change {
    set: Vec<(&'static str, AttributeValue)>,
    remove: Vec<&'static str>,
    condition: String,
    /// Values of the condition.
    values: Vec<(&'static str, AttributeValue)>,
}

const HEAD: &str = "head";
/// Attributes that conditions name.
const CONDITIONED: [&str; 5] = ["revision", "generation", "building", "reached", "tiled"];

impl Table {
    pub(super) fn new(client: Client, name: String, partition: String) -> Self {
        Self { client, name, partition }
    }

    pub(super) fn chunks_partition(&self) -> String {
        format!("{}#chunks", self.partition)
    }

    pub(super) fn lookup_partition(&self, generation: u64, shard: u8) -> String {
        format!("{}#by#{generation}#{shard:02}", self.partition)
    }

    pub(super) async fn head(&self) -> Result<Option<Head>, LedgerError> {
        let get = self.client.get_item().table_name(&self.name).consistent_read(true);
        let found = get.set_key(Some(keys(&self.partition, HEAD))).send().await;
        let found = found.map_err(|e| problem("read the head", e))?;
        found.item.as_ref().map(Head::of_item).transpose()
    }

    /// Sets the head where its revision and lookup still are what `head` continues. A loss that is a win whose answer did not come
    /// through is recognised.
    pub(super) async fn commit(
        &self,
        expected: u64,
        head: &Head,
        swap: [u8; NONCE_BYTES],
    ) -> Result<bool, LedgerError> {
        let state = &head.state;
        let mut change = Change {
            set: vec![
                ("revision", n(state.revision)),
                ("checkpoint", s(state.checkpoint.text())),
                ("peaks", b(state.frontier.peaks())),
                ("leaf", b(state.last_leaf.0)),
                ("at_ms", n(state.last_time.as_millisecond())),
                ("swaps", b(head.swaps.clone())),
            ],
            ..Change::default()
        };
        if state.format > EventFormat::V1 {
            change.set.push(("fmt", n(state.format.number())));
        }
        match &head.pending {
            Pending::Inline(batch) => {
                change.set.push(("batch", b(pack(batch)?.concat())));
                change.remove.extend(["chunks", "chunk_count"]);
            }
            Pending::Chunks { id, count } => {
                change.set.extend([("chunks", s(id)), ("chunk_count", n(count))]);
                change.remove.push("batch");
            }
            Pending::None => change.remove.extend(["batch", "chunks", "chunk_count"]),
        }
        if expected == 0 {
            change.set.extend([("generation", n(head.generation)), ("tiled", n(0))]);
            change.condition = "attribute_not_exists(pk)".into();
        } else {
            change.condition = "#revision = :expected AND #generation = :lookup".into();
            change.values = vec![(":expected", n(expected)), (":lookup", n(head.generation))];
        }
        match self.change(change).await? {
            Ok(()) => Ok(true),
            Err(found) => match found {
                Some(found) => {
                    found.swapped_by(state.revision, swap).ok_or(LedgerError::Interrupted { step: "a swap" })
                }
                None => Ok(false),
            },
        }
    }

    /// The last batch is spread out and need not be kept.
    pub(super) async fn forget_batch(&self, revision: u64) -> Result<(), LedgerError> {
        self.changed(Change {
            remove: vec!["batch", "chunks", "chunk_count"],
            condition: "#revision = :revision_now".into(),
            values: vec![(":revision_now", n(revision))],
            ..Change::default()
        })
        .await
        .map(drop)
    }

    pub(super) async fn tell_tiled(&self, size: u64) -> Result<Changed, LedgerError> {
        self.changed(Change {
            set: vec![("tiled", n(size))],
            condition: "attribute_exists(pk) AND #tiled < :tiled".into(),
            ..Change::default()
        })
        .await
    }

    /// Begins a lookup beside the one in use; its generation.
    pub(super) async fn begin_lookup(&self, head: &Head) -> Result<u64, LedgerError> {
        let before = head.building.map_or(head.generation, |b| b.generation.max(head.generation));
        let condition = match head.building {
            Some(_) => "#generation = :lookup AND #building = :before",
            None => "#generation = :lookup AND attribute_not_exists(#building)",
        };
        let mut values = vec![(":lookup", n(head.generation))];
        values.extend(head.building.map(|_| (":before", n(before))));
        let change = Change {
            set: vec![("building", n(before + 1)), ("reached", n(0))],
            condition: condition.into(),
            values,
            ..Change::default()
        };
        match self.changed(change).await? {
            Changed::Yes => Ok(before + 1),
            Changed::No => Err(LedgerError::RebuildRunning),
        }
    }

    pub(super) async fn lookup_reached(&self, generation: u64, from: u64, to: u64) -> Result<Changed, LedgerError> {
        self.changed(Change {
            set: vec![("reached", n(to))],
            condition: "#building = :made AND #reached = :from".into(),
            values: vec![(":made", n(generation)), (":from", n(from))],
            ..Change::default()
        })
        .await
    }

    /// Takes a lookup into use that has every entry.
    pub(super) async fn use_lookup(&self, head: &Head, generation: u64, to: u64) -> Result<Changed, LedgerError> {
        self.changed(Change {
            set: vec![("generation", n(generation))],
            remove: vec!["building", "reached"],
            condition: "#revision = :revision_now AND #building = :made AND #reached = :to".into(),
            values: vec![(":revision_now", n(head.state.revision)), (":made", n(generation)), (":to", n(to))],
        })
        .await
    }

    async fn changed(&self, change: Change) -> Result<Changed, LedgerError> {
        Ok(if self.change(change).await?.is_ok() { Changed::Yes } else { Changed::No })
    }

    /// Changes the head; what stands there where the condition does not hold.
    async fn change(&self, change: Change) -> Result<Result<(), Option<Head>>, LedgerError> {
        let sets: Vec<String> = change.set.iter().map(|(name, _)| format!("#{name} = :{name}")).collect();
        let removes: Vec<String> = change.remove.iter().map(|name| format!("#{name}")).collect();
        let mut expression = String::new();
        if !sets.is_empty() {
            expression.push_str(&format!("SET {}", sets.join(", ")));
        }
        if !removes.is_empty() {
            expression.push_str(&format!(" REMOVE {}", removes.join(", ")));
        }
        let conditioned = CONDITIONED.into_iter().filter(|name| change.condition.contains(&format!("#{name}")));
        let names: HashMap<String, String> = change
            .set
            .iter()
            .map(|(name, _)| *name)
            .chain(change.remove.iter().copied())
            .chain(conditioned)
            .map(|name| (format!("#{name}"), name.to_owned()))
            .collect();
        let values = change.set.into_iter().map(|(name, value)| (format!(":{name}"), value));
        let values: HashMap<String, AttributeValue> =
            values.chain(change.values.into_iter().map(|(name, value)| (name.to_owned(), value))).collect();
        let sent = self
            .client
            .update_item()
            .table_name(&self.name)
            .set_key(Some(keys(&self.partition, HEAD)))
            .update_expression(expression)
            .condition_expression(change.condition)
            .set_expression_attribute_names(Some(names))
            .set_expression_attribute_values(Some(values).filter(|v| !v.is_empty()))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        match sent {
            Ok(_) => Ok(Ok(())),
            Err(e) => match Problem::of("change the head", e) {
                Problem::Condition(Some(item)) => Ok(Err(Some(Head::of_item(&item)?))),
                // A server that does not say what stands there: ask.
                Problem::Condition(None) => Ok(Err(self.head().await?)),
                Problem::Other(e) => Err(e),
            },
        }
    }

    fn between(&self, pk: &str, from: &str, to: &str) -> QueryFluentBuilder {
        self.client
            .query()
            .table_name(&self.name)
            .consistent_read(true)
            .key_condition_expression("pk = :pk AND sk BETWEEN :from AND :to")
            .expression_attribute_values(":pk", s(pk))
            .expression_attribute_values(":from", s(from))
            .expression_attribute_values(":to", s(to))
    }

    /// The last item of a partition between two sort keys, both included.
    pub(super) async fn last(&self, pk: &str, from: &str, to: &str) -> Result<Option<Item>, LedgerError> {
        let query = self.between(pk, from, to).scan_index_forward(false).limit(1);
        let page = query.send().await.map_err(|e| problem("read from the table", e))?;
        Ok(page.items.unwrap_or_default().pop())
    }

    /// One page of a partition between two sort keys, both included, and where the next begins.
    pub(super) async fn page(
        &self,
        pk: &str,
        from: &str,
        to: &str,
        limit: Option<usize>,
        after: Option<Item>,
    ) -> Result<(Vec<Item>, Option<Item>), LedgerError> {
        let page = self
            .between(pk, from, to)
            .set_limit(limit.and_then(|l| i32::try_from(l).ok()))
            .set_exclusive_start_key(after)
            .send()
            .await
            .map_err(|e| problem("read from the table", e))?;
        Ok((page.items.unwrap_or_default(), page.last_evaluated_key.filter(|k| !k.is_empty())))
    }

    /// Items of a partition between two sort keys, both included.
    pub(super) async fn query(
        &self,
        pk: &str,
        from: &str,
        to: &str,
        limit: Option<usize>,
    ) -> Result<Vec<Item>, LedgerError> {
        let (mut all, mut after) = (Vec::new(), None);
        loop {
            let left = limit.map(|l| l - all.len());
            let (items, last) = self.page(pk, from, to, left, after).await?;
            all.extend(items);
            if last.is_none() || limit.is_some_and(|l| all.len() >= l) {
                return Ok(all);
            }
            after = last;
        }
    }

    pub(super) async fn entries(&self, from: u64, to: u64) -> Result<Vec<(u64, Bytes)>, LedgerError> {
        if from >= to {
            return Ok(Vec::new());
        }
        let items = self.query(&self.partition, &entry_key(from), &entry_key(to - 1), None).await?;
        let entry = |item: &Item| {
            let sequence = text(item, "sk")?.strip_prefix("e#")?.parse().ok()?;
            Some((sequence, Bytes::copy_from_slice(blob(item, "entry")?)))
        };
        Ok(items.iter().filter_map(entry).collect())
    }

    pub(super) async fn drop_entries(&self, before: u64) -> Result<(), LedgerError> {
        self.remove(&self.partition, &entry_key(0), &entry_key(before - 1)).await
    }

    /// Removes the items of a partition between two sort keys.
    pub(super) async fn remove(&self, pk: &str, from: &str, to: &str) -> Result<(), LedgerError> {
        let mut after = None;
        loop {
            let (items, last) = self.page(pk, from, to, None, after).await?;
            let keys = items.into_iter().filter_map(|i| Some(keys(pk, text(&i, "sk")?)));
            self.write(keys.map(Write::Delete).collect()).await?;
            match last {
                Some(last) => after = Some(last),
                None => return Ok(()),
            }
        }
    }

    /// The batch in chunks; none where one is gone.
    pub(super) async fn chunks(&self, id: &str, count: u32) -> Result<Option<Vec<Staged>>, LedgerError> {
        let key = |number: u32| format!("{id}#{number:06}");
        let items = self.query(&self.chunks_partition(), &key(0), &key(count), None).await?;
        if items.len() != count as usize {
            return Ok(None);
        }
        let mut batch = Vec::new();
        for item in &items {
            batch.extend(unpack(blob(item, "batch").unwrap_or_default())?);
        }
        Ok(Some(batch))
    }

    /// Removes all chunks made for revisions up to `revision` but those that the head names: the swap that they were made for
    /// can't win any more.
    pub(super) async fn sweep_chunks(&self, revision: u64, named: Option<&str>) -> Result<(), LedgerError> {
        let pk = self.chunks_partition();
        let (mut left, mut after) = (Vec::new(), None);
        loop {
            let (items, last) = self.page(&pk, "0", &format!("{revision:020}#~"), Some(50), after).await?;
            let unnamed =
                items.iter().filter_map(|i| text(i, "sk")).filter(|sk| named.is_none_or(|n| !sk.starts_with(n)));
            left.extend(unnamed.map(|sk| Write::Delete(keys(&pk, sk))));
            match last {
                Some(last) => after = Some(last),
                None => break,
            }
        }
        self.write(left).await
    }

    pub(super) async fn get_many(&self, mut wanted: Vec<Item>) -> Result<Vec<Item>, LedgerError> {
        let mut found = Vec::new();
        let mut attempt = 0;
        while !wanted.is_empty() {
            let batch: Vec<Item> = wanted.drain(..wanted.len().min(GETS_MAX)).collect();
            let asked = KeysAndAttributes::builder().consistent_read(true).set_keys(Some(batch)).build();
            let asked = asked.map_err(|_| LedgerError::Internal("a request without keys"))?;
            let sent = self.client.batch_get_item().request_items(&self.name, asked).send().await;
            let answer = sent.map_err(|e| problem("read from the table", e))?;
            let got = answer.responses.unwrap_or_default().remove(&self.name).unwrap_or_default();
            let left =
                answer.unprocessed_keys.unwrap_or_default().remove(&self.name).map(|k| k.keys).unwrap_or_default();
            // What was left for its size comes with the next call; only where nothing came the table is asked for too much.
            attempt = if got.is_empty() && !left.is_empty() { attempt + 1 } else { 0 };
            if attempt > 0 {
                pause(attempt, "read from the table").await?;
            }
            found.extend(got);
            wanted.extend(left);
        }
        Ok(found)
    }

    /// Does all writes, in any order, until none is left.
    pub(super) async fn write(&self, writes: Vec<Write>) -> Result<(), LedgerError> {
        let mut requests = Vec::with_capacity(writes.len());
        for write in writes {
            requests.push(request(write)?);
        }
        let batches: Vec<Vec<WriteRequest>> = requests.chunks(WRITES_MAX).map(<[_]>::to_vec).collect();
        stream::iter(batches).map(|batch| self.write_batch(batch)).buffer_unordered(AT_ONCE).try_collect().await
    }

    async fn write_batch(&self, mut batch: Vec<WriteRequest>) -> Result<(), LedgerError> {
        let mut attempt = 0;
        while !batch.is_empty() {
            let sent = self.client.batch_write_item().request_items(&self.name, batch).send().await;
            let answer = sent.map_err(|e| problem("write to the table", e))?;
            batch = answer.unprocessed_items.unwrap_or_default().remove(&self.name).unwrap_or_default();
            if !batch.is_empty() {
                attempt += 1;
                pause(attempt, "write to the table").await?;
            }
        }
        Ok(())
    }
}

fn request(write: Write) -> Result<WriteRequest, LedgerError> {
    let incomplete = |_| LedgerError::Internal("a request without an item");
    Ok(match write {
        Write::Put(item) => {
            let put = PutRequest::builder().set_item(Some(item)).build().map_err(incomplete)?;
            WriteRequest::builder().put_request(put).build()
        }
        Write::Delete(keys) => {
            let delete = DeleteRequest::builder().set_key(Some(keys)).build().map_err(incomplete)?;
            WriteRequest::builder().delete_request(delete).build()
        }
    })
}

/// The service leaves writes undone when a partition is hot: wait, longer each time and not all alike.
async fn pause(attempt: u32, what: &'static str) -> Result<(), LedgerError> {
    if attempt > ATTEMPTS {
        return Err(super::fault::throttled(what));
    }
    let mut random = [0; 4];
    getrandom::fill(&mut random).map_err(|_| LedgerError::Internal("the system gives no random numbers"))?;
    let most = 25u64 << attempt.min(7);
    let millis = most / 2 + u64::from(u32::from_le_bytes(random)) % (most / 2 + 1);
    tokio::time::sleep(Duration::from_millis(millis.min(2000))).await;
    Ok(())
}
