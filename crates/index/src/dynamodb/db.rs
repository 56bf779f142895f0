//! Calls on the table: consistent reads, batches of any size, conditional writes that tell "refused" from "failed".

use super::{
    definition::{BY_STATE, PK, SK, STATE_KEY, TIME_KEY},
    fault::{Again, code, error},
};
use crate::IndexError;
use aws_sdk_dynamodb::{
    Client,
    error::{ProvideErrorMetadata, SdkError},
    operation::transact_write_items::TransactWriteItemsError,
    primitives::Blob,
    types::{
        AttributeValue, DeleteRequest, KeysAndAttributes, PutRequest, ReturnValue, Select, TransactWriteItem,
        WriteRequest,
    },
};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use std::{collections::HashMap, fmt, future::Future, sync::Arc, time::Duration};
use uuid::Uuid;

/// Attributes by name.
pub(super) type Item = HashMap<String, AttributeValue>;

/// Items that a `BatchGetItem` takes.
const GET: usize = 100;
/// Items that a `BatchWriteItem` takes.
const WRITE: usize = 25;
/// Batches of one call that are under way at once.
const AT_ONCE: usize = 8;
/// How often a call is repeated that was put off, beyond what the SDK does; the last pause is at most 3 s.
const ATTEMPTS: u32 = 9;

/// The two keys of an item.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub pk: String,
    pub sk: String,
}

impl Key {
    pub(super) fn new(pk: impl Into<String>, sk: impl Into<String>) -> Self {
        Self { pk: pk.into(), sk: sk.into() }
    }

    pub(super) fn item(self) -> Item {
        HashMap::from([(PK.to_owned(), AttributeValue::S(self.pk)), (SK.to_owned(), AttributeValue::S(self.sk))])
    }

    pub(super) fn of(item: &Item) -> Self {
        Self::new(text(item, PK).unwrap_or_default(), text(item, SK).unwrap_or_default())
    }
}

pub(super) fn s(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}

pub(super) fn n(value: impl fmt::Display) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

pub(super) fn b(value: Vec<u8>) -> AttributeValue {
    AttributeValue::B(Blob::new(value))
}

pub(super) fn text<'a>(item: &'a Item, name: &str) -> Option<&'a str> {
    item.get(name).and_then(|v| v.as_s().ok()).map(String::as_str)
}

pub(super) fn number<T: std::str::FromStr>(item: &Item, name: &str) -> Option<T> {
    item.get(name).and_then(|v| v.as_n().ok()).and_then(|v| v.parse().ok())
}

pub(super) fn bytes<'a>(item: &'a Item, name: &str) -> Option<&'a [u8]> {
    item.get(name).and_then(|v| v.as_b().ok()).map(AsRef::as_ref)
}

/// A name for one write, by which it is known again: a conditional write whose answer was lost is refused when it is repeated,
/// and then finds its own token in the item.
pub(super) fn token() -> String {
    Uuid::new_v4().simple().to_string()
}

/// An expression with its values. Attribute names are chosen so that none is a reserved word.
#[derive(Debug, Clone, Default)]
pub(super) struct Expr {
    pub text: String,
    pub values: Vec<(&'static str, AttributeValue)>,
}

impl Expr {
    pub(super) fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), values: Vec::new() }
    }

    pub(super) fn with(mut self, name: &'static str, value: AttributeValue) -> Self {
        self.values.push((name, value));
        self
    }

    pub(super) fn values(&self) -> Option<HashMap<String, AttributeValue>> {
        (!self.values.is_empty()).then(|| self.values.iter().map(|(k, v)| ((*k).to_owned(), v.clone())).collect())
    }
}

/// Items of one partition between two sort keys, both included; an empty one is no bound.
#[derive(Debug, Clone)]
pub(super) struct Range {
    pub pk: String,
    pub low: String,
    pub high: String,
    pub forward: bool,
    pub limit: i32,
    /// Attributes to be read; all where empty.
    pub only: &'static str,
    pub filter: Option<Expr>,
    /// Of an index instead of the table: as of a moment ago.
    pub index: Option<&'static Index>,
}

/// An index by its name and the names of its keys.
#[derive(Debug)]
pub(super) struct Index {
    pub name: &'static str,
    pub pk: &'static str,
    pub sk: &'static str,
}

/// Work by state and time.
pub(super) static STATES: Index = Index { name: BY_STATE, pk: STATE_KEY, sk: TIME_KEY };

impl Range {
    pub(super) fn all(pk: impl Into<String>) -> Self {
        Self {
            pk: pk.into(),
            low: String::new(),
            high: String::new(),
            forward: true,
            limit: 1_000,
            only: "",
            filter: None,
            index: None,
        }
    }

    fn condition(&self) -> String {
        let (pk, sk) = self.index.map_or((PK, SK), |i| (i.pk, i.sk));
        match (self.low.is_empty(), self.high.is_empty()) {
            (true, true) => format!("{pk} = :pk"),
            (true, false) => format!("{pk} = :pk AND {sk} <= :high"),
            (false, true) => format!("{pk} = :pk AND {sk} >= :low"),
            (false, false) => format!("{pk} = :pk AND {sk} BETWEEN :low AND :high"),
        }
    }
}

/// One page of a range, and where to go on.
pub(super) type Piece = (Vec<Item>, Option<Item>);

/// One table.
#[derive(Debug, Clone)]
pub(super) struct Table {
    pub client: Client,
    pub name: Arc<str>,
}

impl Table {
    pub(super) fn new(client: Client, name: &str) -> Self {
        Self { client, name: name.into() }
    }

    /// What is in the table does not fit together.
    pub(super) fn damaged(&self, detail: impl Into<String>) -> IndexError {
        IndexError::DamagedItem { table: self.name.to_string(), detail: detail.into() }
    }

    /// Repeats a call that was put off, with full jitter.
    async fn patiently<T, E, F>(&self, action: &'static str, mut call: impl FnMut() -> F) -> Result<T, SdkError<E>>
    where
        E: ProvideErrorMetadata,
        F: Future<Output = Result<T, SdkError<E>>>,
    {
        for attempt in 0..ATTEMPTS {
            match call().await {
                Err(e) if Again::of_code(code(&e)).is_some() => {
                    tracing::debug!(action, attempt, code = code(&e), "put off by the table");
                    pause(attempt).await;
                }
                done => return done,
            }
        }
        call().await
    }

    /// One item, as of now.
    pub(super) async fn get(&self, key: &Key) -> Result<Option<Item>, IndexError> {
        let call = || {
            let request = self.client.get_item().table_name(&*self.name).set_key(Some(key.clone().item()));
            request.consistent_read(true).send()
        };
        let got = self.patiently("dynamodb:GetItem", call).await;
        Ok(got.map_err(|e| error(&e, &self.name, "dynamodb:GetItem"))?.item)
    }

    /// Those of the items that are there, in no order, as of now. No key may come twice.
    pub(super) async fn get_all(&self, keys: Vec<Key>, only: &'static str) -> Result<Vec<Item>, IndexError> {
        let batches: Vec<Vec<Key>> = keys.chunks(GET).map(<[Key]>::to_vec).collect();
        let mut pieces = stream::iter(batches).map(|b| self.get_batch(b, only)).buffer_unordered(AT_ONCE);
        let mut out = Vec::new();
        while let Some(mut piece) = pieces.try_next().await? {
            out.append(&mut piece);
        }
        Ok(out)
    }

    async fn get_batch(&self, keys: Vec<Key>, only: &'static str) -> Result<Vec<Item>, IndexError> {
        const ACTION: &str = "dynamodb:BatchGetItem";
        let mut open: Vec<Item> = keys.into_iter().map(Key::item).collect();
        let (mut out, mut attempt) = (Vec::new(), 0);
        while !open.is_empty() {
            let wanted = KeysAndAttributes::builder().set_keys(Some(open.clone())).consistent_read(true);
            let wanted = wanted.set_projection_expression((!only.is_empty()).then(|| only.to_owned())).build();
            let wanted = wanted.map_err(|e| IndexError::Internal(e.to_string()))?;
            let call = || self.client.batch_get_item().request_items(&*self.name, wanted.clone()).send();
            let mut got = self.patiently(ACTION, call).await.map_err(|e| error(&e, &self.name, ACTION))?;
            let found = got.responses.as_mut().and_then(|r| r.remove(&*self.name)).unwrap_or_default();
            let left = got.unprocessed_keys.as_mut().and_then(|u| u.remove(&*self.name));
            let left = left.map(|l| l.keys).unwrap_or_default();
            // What was left for its size comes with the next call; only where nothing came the table is asked for too much.
            attempt = if found.is_empty() { attempt + 1 } else { 0 };
            out.extend(found);
            open = left;
            if !open.is_empty() && attempt > 0 {
                if attempt > ATTEMPTS {
                    return Err(Again::Throttled.error(&self.name, ACTION));
                }
                pause(attempt).await;
            }
        }
        Ok(out)
    }

    /// Puts and removes items without conditions, each for itself, in no order. No key may come twice.
    pub(super) async fn write_all(&self, puts: Vec<Item>, deletes: Vec<Key>) -> Result<(), IndexError> {
        let put = |item| {
            PutRequest::builder().set_item(Some(item)).build().map(|p| WriteRequest::builder().put_request(p).build())
        };
        let delete = |key: Key| {
            DeleteRequest::builder()
                .set_key(Some(key.item()))
                .build()
                .map(|d| WriteRequest::builder().delete_request(d).build())
        };
        let all: Result<Vec<WriteRequest>, _> =
            puts.into_iter().map(put).chain(deletes.into_iter().map(delete)).collect();
        let all = all.map_err(|e| IndexError::Internal(e.to_string()))?;
        let batches: Vec<Vec<WriteRequest>> = batches(all);
        stream::iter(batches).map(Ok).try_for_each_concurrent(AT_ONCE, |batch| self.write_batch(batch)).await
    }

    async fn write_batch(&self, mut open: Vec<WriteRequest>) -> Result<(), IndexError> {
        const ACTION: &str = "dynamodb:BatchWriteItem";
        let mut attempt = 0;
        while !open.is_empty() {
            let call = || self.client.batch_write_item().request_items(&*self.name, open.clone()).send();
            let mut done = self.patiently(ACTION, call).await.map_err(|e| error(&e, &self.name, ACTION))?;
            let left = done.unprocessed_items.as_mut().and_then(|u| u.remove(&*self.name)).unwrap_or_default();
            attempt = if left.len() < open.len() { 0 } else { attempt + 1 };
            if attempt > ATTEMPTS {
                return Err(Again::Throttled.error(&self.name, ACTION));
            }
            if !left.is_empty() {
                pause(attempt).await;
            }
            open = left;
        }
        Ok(())
    }

    /// Puts an item where the condition holds; false where it does not.
    pub(super) async fn put(&self, item: Item, condition: &Expr) -> Result<bool, IndexError> {
        const ACTION: &str = "dynamodb:PutItem";
        let call = || {
            let request = self.client.put_item().table_name(&*self.name).set_item(Some(item.clone()));
            let request =
                request.set_condition_expression((!condition.text.is_empty()).then(|| condition.text.clone()));
            request.set_expression_attribute_values(condition.values()).send()
        };
        match self.patiently(ACTION, call).await {
            Ok(_) => Ok(true),
            Err(e) if code(&e) == REFUSED => Ok(false),
            Err(e) => Err(error(&e, &self.name, ACTION)),
        }
    }

    /// Changes an item (which it makes where it is not there) where the condition holds, and gives it as it then is; none
    /// where the condition does not hold. `change` carries the values of the condition too.
    pub(super) async fn update(&self, key: &Key, change: &Expr, condition: &str) -> Result<Option<Item>, IndexError> {
        const ACTION: &str = "dynamodb:UpdateItem";
        let call = || {
            let request = self.client.update_item().table_name(&*self.name).set_key(Some(key.clone().item()));
            let request = request.update_expression(&change.text).set_expression_attribute_values(change.values());
            let request = request.set_condition_expression((!condition.is_empty()).then(|| condition.to_owned()));
            request.return_values(ReturnValue::AllNew).send()
        };
        match self.patiently(ACTION, call).await {
            Ok(done) => Ok(Some(done.attributes.unwrap_or_default())),
            Err(e) if code(&e) == REFUSED => Ok(None),
            Err(e) => Err(error(&e, &self.name, ACTION)),
        }
    }

    /// All of the writes or none; the position of the first whose condition did not hold where it is none. At most 100, and
    /// 4 MB. `token` makes a repeat within ten minutes do nothing.
    pub(super) async fn transact(
        &self,
        token: &str,
        writes: Vec<TransactWriteItem>,
    ) -> Result<Option<usize>, IndexError> {
        const ACTION: &str = "dynamodb:TransactWriteItems";
        for attempt in 0..=ATTEMPTS {
            let call = || {
                let request = self.client.transact_write_items().set_transact_items(Some(writes.clone()));
                request.client_request_token(token).send()
            };
            let e = match self.patiently(ACTION, call).await {
                Ok(_) => return Ok(None),
                Err(e) => e,
            };
            let Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) = e.as_service_error() else {
                return Err(error(&e, &self.name, ACTION));
            };
            let reasons: Vec<&str> =
                cancelled.cancellation_reasons().iter().map(|r| r.code().unwrap_or_default()).collect();
            if let Some(at) = reasons.iter().position(|r| *r == "ConditionalCheckFailed") {
                return Ok(Some(at));
            }
            match reasons.iter().find_map(|r| Again::of_code(r)) {
                Some(again) if attempt == ATTEMPTS => return Err(again.error(&self.name, ACTION)),
                Some(_) => pause(attempt).await,
                None => return Err(error(&e, &self.name, ACTION)),
            }
        }
        Err(Again::Contended.error(&self.name, ACTION))
    }

    /// One page of a range: of the table as of now, of an index as of a moment ago.
    pub(super) async fn piece(&self, range: &Range, from: Option<Item>) -> Result<Piece, IndexError> {
        const ACTION: &str = "dynamodb:Query";
        let call = || {
            let mut request = self
                .client
                .query()
                .table_name(&*self.name)
                .key_condition_expression(range.condition())
                .expression_attribute_values(":pk", s(&range.pk))
                .set_index_name(range.index.map(|i| i.name.to_owned()))
                .consistent_read(range.index.is_none())
                .scan_index_forward(range.forward)
                .limit(range.limit)
                .set_projection_expression((!range.only.is_empty()).then(|| range.only.to_owned()))
                .set_exclusive_start_key(from.clone());
            for (name, bound) in [(":low", &range.low), (":high", &range.high)] {
                if !bound.is_empty() {
                    request = request.expression_attribute_values(name, s(bound));
                }
            }
            if let Some(filter) = &range.filter {
                request = request.filter_expression(&filter.text);
                for (name, value) in &filter.values {
                    request = request.expression_attribute_values(*name, value.clone());
                }
            }
            request.send()
        };
        let page = self.patiently(ACTION, call).await.map_err(|e| error(&e, &self.name, ACTION))?;
        let next = page.last_evaluated_key.filter(|k| !k.is_empty());
        Ok((page.items.unwrap_or_default(), next))
    }

    /// All items of a range.
    pub(super) async fn all(&self, range: &Range) -> Result<Vec<Item>, IndexError> {
        let (mut out, mut from) = (Vec::new(), None);
        loop {
            let (mut items, next) = self.piece(range, from).await?;
            out.append(&mut items);
            if next.is_none() {
                return Ok(out);
            }
            from = next;
        }
    }

    /// How many items of a partition, of an index where one is named, carry the attribute.
    pub(super) async fn count(
        &self,
        index: Option<&Index>,
        pk: &str,
        carrying: Option<&str>,
    ) -> Result<u64, IndexError> {
        const ACTION: &str = "dynamodb:Query";
        let (mut sum, mut from) = (0, None::<Item>);
        loop {
            let call = || {
                self.client
                    .query()
                    .table_name(&*self.name)
                    .set_index_name(index.map(|i| i.name.to_owned()))
                    .key_condition_expression(format!("{} = :pk", index.map_or(PK, |i| i.pk)))
                    .expression_attribute_values(":pk", s(pk))
                    .set_filter_expression(carrying.map(|a| format!("attribute_exists({a})")))
                    .consistent_read(index.is_none())
                    .select(Select::Count)
                    .set_exclusive_start_key(from.clone())
                    .send()
            };
            let page = self.patiently(ACTION, call).await.map_err(|e| error(&e, &self.name, ACTION))?;
            sum += u64::from(page.count.unsigned_abs());
            match page.last_evaluated_key.filter(|k| !k.is_empty()) {
                Some(next) => from = Some(next),
                None => return Ok(sum),
            }
        }
    }
}

/// The code of a write whose condition did not hold.
const REFUSED: &str = "ConditionalCheckFailedException";

/// Bytes of one `BatchWriteItem`, well under the 16 MB that it takes.
const BATCH_BYTES: usize = 6 << 20;

fn batches(all: Vec<WriteRequest>) -> Vec<Vec<WriteRequest>> {
    let size = |w: &WriteRequest| {
        let item = w.put_request().map(|p| p.item());
        item.map_or(0, |i| i.values().filter_map(|v| v.as_b().ok()).map(|v| v.as_ref().len()).sum::<usize>())
    };
    let (mut out, mut batch, mut bytes) = (Vec::new(), Vec::new(), 0);
    for write in all {
        bytes += size(&write);
        batch.push(write);
        if batch.len() == WRITE || bytes > BATCH_BYTES {
            out.push(std::mem::take(&mut batch));
            bytes = 0;
        }
    }
    if !batch.is_empty() {
        out.push(batch);
    }
    out
}

/// Between nothing and 25 ms doubled at each attempt, at most 3 s.
pub(super) async fn pause(attempt: u32) {
    let most = (25u64 << attempt.min(7)).min(3_000);
    let random = Uuid::new_v4().as_u64_pair().0;
    tokio::time::sleep(Duration::from_millis(random % (most + 1))).await;
}
