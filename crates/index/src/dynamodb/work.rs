use super::{
    db::{Expr, Item, Key, Range, STATES, Table, n, number, pause, s, text, token},
    definition::{PARENT, STATE_KEY, TIME_KEY},
    index::lock,
    lane::Merged,
    work_item::{
        available, by, key, listed_state, part_keys, partitions, partitions_of_parent, partitions_of_state, read,
        read_all, read_state, states, under_parent, write,
    },
};
use crate::{
    Claim, CreateOutcome, IndexError, Lease, ListWork, MAX_UPDATES, UpdateOutcome, Work, WorkKind, WorkStore,
    work::{after_ms, check},
};
use async_trait::async_trait;
use aws_sdk_dynamodb::{
    Client,
    types::{Put, TransactWriteItem},
};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use holdfast_model::{Clock, step};
use jiff::Timestamp;
use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::{Arc, Mutex},
};

/// Items that are written at once.
const AT_ONCE: usize = 16;
/// Work that is looked at in one go: as many calls at once as the table makes for one list of keys.
const BATCH: usize = 800;
/// Entries of the index of states that one call for what can be claimed reads at most.
const DUE: usize = 200;
/// How often a change of a lease is tried again that another change got ahead of.
const ATTEMPTS: u32 = 20;
/// A count of a state from so many on is kept for [`COUNT_KEPT_MS`].
const COUNT_IS_LARGE: u64 = 10_000;
const COUNT_KEPT_MS: i64 = 60_000;

/// The work store in a DynamoDB table, for any number of processes at once. What a call returned is durable. Times are kept
/// in whole milliseconds. Cheap to clone.
///
/// Single pieces of work, lists by parent and lists of a kind are read as of now. Lists by state without a parent, counts
/// without a parent and the search for what can be claimed go by an index that follows within moments: something just changed
/// may be missing there, or be counted where it was; what is listed is shown as it is now, and what is claimed is claimed
/// against what it is now. Counts of 10,000 and more may be a minute old. A lapsed lease counts as due from its end.
#[derive(Debug, Clone)]
pub struct DynamoWork(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    table: Table,
    clock: Arc<dyn Clock>,
    /// States that are known to be listed.
    listed: Mutex<HashSet<Key>>,
    counted: Mutex<HashMap<(WorkKind, String), (Timestamp, u64)>>,
}

impl DynamoWork {
    /// The work store in `table`, which must be there and be as [`table_definition`](super::table_definition) says. Nothing is
    /// asked of it before the first call. `clock` decides what is due and which leases have lapsed.
    #[must_use]
    pub fn new(client: Client, table: impl Into<String>, clock: Arc<dyn Clock>) -> Self {
        let table = Table::new(client, &table.into());
        Self(Arc::new(Inner { table, clock, listed: Mutex::default(), counted: Mutex::default() }))
    }

    /// This store behind its trait.
    #[must_use]
    pub fn work(&self) -> Arc<dyn WorkStore> {
        Arc::new(self.clone())
    }
}

/// A piece of work about to be written.
struct Writing {
    work: Work,
    item: Item,
}

impl Inner {
    /// Prepares to write work, and writes what must be there before it: parts of its document, its entry under its parent,
    /// its state's name. Where the work then does not come in, they lead to nothing.
    async fn prepare(&self, works: Vec<Work>, token: &str) -> Result<Vec<Writing>, IndexError> {
        let (mut around, mut listed, mut out) = (HashMap::new(), Vec::new(), Vec::with_capacity(works.len()));
        for work in works {
            let (item, parts) = write(&work, token)?;
            around.extend(parts.into_iter().map(|p| (Key::of(&p), p)));
            around.extend(under_parent(&work).map(|k| (k.clone(), k.item())));
            let state = listed_state(work.kind, &work.state);
            if !lock(&self.listed).contains(&state) {
                around.insert(state.clone(), state.clone().item());
                listed.push(state);
            }
            out.push(Writing { work, item });
        }
        self.table.write_all(around.into_values().collect(), Vec::new()).await?;
        lock(&self.listed).extend(listed);
        step("index.dynamodb.work.around");
        Ok(out)
    }

    /// The items of these pieces of work, as of now.
    async fn there(&self, works: &[Work]) -> Result<HashMap<Key, Item>, IndexError> {
        let keys: HashSet<Key> = works.iter().map(|w| key(w.kind, &w.id)).collect();
        let items = self.table.get_all(keys.into_iter().collect(), "").await?;
        Ok(items.into_iter().map(|i| (Key::of(&i), i)).collect())
    }

    async fn put_new(&self, w: Writing, token: &str) -> Result<CreateOutcome, IndexError> {
        let put = self.table.put(w.item.clone(), &Expr::new("attribute_not_exists(pk)")).await?;
        step("index.dynamodb.work.created");
        if put {
            return Ok(CreateOutcome::Created(w.work));
        }
        let at = key(w.work.kind, &w.work.id);
        let now = self.table.get(&at).await?.ok_or_else(|| self.table.damaged("work was refused, but is not there"))?;
        // A refusal may be the echo of one's own success.
        if text(&now, "w") == Some(token) {
            return Ok(CreateOutcome::Created(w.work));
        }
        match read(&self.table, w.work.kind, now).await? {
            Some(existing) => Ok(CreateOutcome::Exists(existing)),
            None => Err(self.table.damaged("work was refused, but is not there")),
        }
    }

    /// Writes all of them or none, each where its rev is still the one before. The position of one that was refused.
    async fn put_all(&self, writing: &[Writing], token: &str) -> Result<Option<usize>, IndexError> {
        let condition = |w: &Writing| match w.work.rev {
            1 => Expr::new("attribute_not_exists(pk)"),
            rev => Expr::new("rev = :rev").with(":rev", n(rev - 1)),
        };
        if let [one] = writing {
            return Ok((!self.table.put(one.item.clone(), &condition(one)).await?).then_some(0));
        }
        let put = |w: &Writing| {
            let condition = condition(w);
            let put = Put::builder()
                .table_name(&*self.table.name)
                .set_item(Some(w.item.clone()))
                .set_expression_attribute_values(condition.values())
                .condition_expression(condition.text)
                .build();
            put.map(|p| TransactWriteItem::builder().put(p).build())
        };
        let all: Result<Vec<_>, _> = writing.iter().map(put).collect();
        self.table.transact(token, all.map_err(|e| IndexError::Internal(e.to_string()))?).await
    }

    /// Changes a lease that `owner` holds; false where it holds none. `change` is given the item as it is.
    async fn change_lease(
        &self,
        at: (WorkKind, &str, &str),
        change: impl Fn(Option<Timestamp>, &str) -> Expr,
    ) -> Result<bool, IndexError> {
        let ((kind, id, owner), mine) = (at, token());
        let key = key(kind, id);
        for attempt in 0..ATTEMPTS {
            let Some(now) = self.table.get(&key).await? else { return Ok(false) };
            if text(&now, "lw") == Some(&mine) {
                return Ok(true);
            }
            if text(&now, "lo") != Some(owner) {
                return Ok(false);
            }
            let rev: u64 = number(&now, "rev").unwrap_or_default();
            let due: Option<i64> = number(&now, "due");
            let change = change(due.and_then(|ms| Timestamp::from_millisecond(ms).ok()), id)
                .with(":me", s(&mine))
                .with(":rev", n(rev))
                .with(":owner", s(owner));
            if self.table.update(&key, &change, "lo = :owner AND rev = :rev").await?.is_some() {
                return Ok(true);
            }
            pause(attempt).await;
        }
        Err(IndexError::Contended { table: self.table.name.to_string(), action: "dynamodb:UpdateItem" })
    }

    async fn claim_one(&self, found: Due, claim: Claim<'_>, lease: &Lease) -> Result<Option<Work>, IndexError> {
        let (now, mine) = (self.clock.now(), token());
        let key = key(claim.kind, &found.id);
        let mut change = Expr::new(format!(
            "SET rev = rev + :one, lo = :owner, lu = :until, ut = :now, lw = :me, {TIME_KEY} = :available"
        ))
        .with(":one", n(1))
        .with(":owner", s(&lease.owner))
        .with(":until", n(lease.until.as_millisecond()))
        .with(":now", n(now.as_millisecond()))
        .with(":me", s(&mine))
        .with(":available", s(available(None, Some(lease.until), &found.id)))
        .with(":state", s(&found.state_key))
        .with(":by", s(by(now)));
        // The time key is that of due time and lease together, so one comparison says that it is due and free.
        let mut condition = format!("{STATE_KEY} = :state AND {TIME_KEY} <= :by");
        if let Some(parent) = claim.parent {
            condition.push_str(&format!(" AND {PARENT} = :parent"));
            change = change.with(":parent", s(parent));
        }
        let taken = match self.table.update(&key, &change, &condition).await? {
            Some(item) => Some(item),
            None => self.table.get(&key).await?.filter(|i| text(i, "lw") == Some(&mine)),
        };
        step("index.dynamodb.work.claimed");
        match taken {
            Some(item) => read(&self.table, claim.kind, item).await,
            None => Ok(None),
        }
    }

    /// The ids that a list looks at, in pieces, and the works that they lead to.
    async fn list_by_parent(&self, q: ListWork<'_>, parent: &str) -> Result<Vec<Work>, IndexError> {
        let ranges = partitions_of_parent(q.kind, parent).map(|pk| after(pk, q.after, q.limit));
        let mut ids = Merged::new(ranges, id_of);
        let mut out = Vec::new();
        while out.len() < q.limit {
            let most = (q.limit - out.len()).clamp(1, BATCH);
            let piece = ids.take(&self.table, most).await?;
            if piece.is_empty() {
                break;
            }
            out.extend(self.fetch(q, piece).await?);
        }
        out.truncate(q.limit);
        Ok(out)
    }

    /// Whatever is in one of the states by the index, in order of ids; then as it is now. The index is in order of time, so every
    /// call reads all ids of the states, and works only for those that it gives.
    async fn list_by_state(&self, q: ListWork<'_>) -> Result<Vec<Work>, IndexError> {
        let mut ids: Vec<String> = Vec::new();
        for state in q.states.iter().collect::<HashSet<_>>() {
            let range = |pk| Range { index: Some(&STATES), only: "sk", ..Range::all(pk) };
            let reads: Vec<_> = partitions_of_state(q.kind, state).map(|pk| self.read_all_ids(range(pk))).collect();
            let mut found = stream::iter(reads).buffer_unordered(AT_ONCE);
            while let Some(more) = found.try_next().await? {
                ids.extend(more.into_iter().filter(|id| q.after.is_none_or(|a| id.as_str() > a)));
            }
        }
        ids.sort_unstable();
        ids.dedup();
        let (mut rest, mut out) = (ids.into_iter(), Vec::new());
        while out.len() < q.limit {
            let piece: Vec<String> = rest.by_ref().take((q.limit - out.len()).clamp(1, BATCH)).collect();
            if piece.is_empty() {
                break;
            }
            out.extend(self.fetch(q, piece).await?);
        }
        out.truncate(q.limit);
        Ok(out)
    }

    async fn read_all_ids(&self, range: Range) -> Result<Vec<String>, IndexError> {
        Ok(self.table.all(&range).await?.iter().filter_map(id_of).collect())
    }

    /// Those of the ids that are what the list wants, in order.
    async fn fetch(&self, q: ListWork<'_>, ids: Vec<String>) -> Result<Vec<Work>, IndexError> {
        let keys = ids.iter().map(|id| key(q.kind, id)).collect();
        let mut items = self.table.get_all(keys, "").await?;
        items.retain(|i| q.parent.is_none_or(|p| text(i, PARENT) == Some(p)));
        items.retain(|i| q.states.is_empty() || text(i, "st").is_some_and(|st| q.states.contains(&st)));
        items.sort_by(|a, b| text(a, "sk").cmp(&text(b, "sk")));
        read_all(&self.table, q.kind, items).await
    }

    async fn count_parent(&self, kind: WorkKind, parent: &str) -> Result<BTreeMap<String, u64>, IndexError> {
        let ranges = partitions_of_parent(kind, parent).map(|pk| after(pk, None, 1_000));
        let (mut ids, mut counts) = (Merged::new(ranges, id_of), BTreeMap::new());
        loop {
            let piece = ids.take(&self.table, 1_000).await?;
            if piece.is_empty() {
                return Ok(counts);
            }
            let keys = piece.iter().map(|id| key(kind, id)).collect();
            for item in self.table.get_all(keys, "st, p").await? {
                if text(&item, PARENT) == Some(parent) {
                    *counts.entry(text(&item, "st").unwrap_or_default().to_owned()).or_default() += 1;
                }
            }
        }
    }

    async fn count_state(&self, kind: WorkKind, state: String) -> Result<(String, u64), IndexError> {
        let (now, of) = (self.clock.now(), (kind, state));
        if let Some((at, n)) = lock(&self.counted).get(&of)
            && (0..COUNT_KEPT_MS).contains(&(now.as_millisecond() - at.as_millisecond()))
        {
            return Ok((of.1, *n));
        }
        let mut sum = 0;
        for pk in partitions_of_state(kind, &of.1) {
            sum += self.table.count(Some(&STATES), &pk, None).await?;
        }
        if sum >= COUNT_IS_LARGE {
            lock(&self.counted).insert(of.clone(), (now, sum));
        }
        Ok((of.1, sum))
    }
}

#[async_trait]
impl WorkStore for DynamoWork {
    async fn create_many(&self, new: Vec<Work>) -> Result<Vec<CreateOutcome>, IndexError> {
        new.iter().try_for_each(check)?;
        let (inner, mine, now) = (&*self.0, token(), self.0.clock.now());
        let mut outcomes: Vec<Option<CreateOutcome>> = (0..new.len()).map(|_| None).collect();
        let mut open: Vec<(usize, Work)> = new.into_iter().enumerate().collect();
        // What comes twice comes in turn.
        while !open.is_empty() {
            let mut keys = HashSet::new();
            let (these, later): (Vec<_>, Vec<_>) = open.into_iter().partition(|(_, w)| keys.insert(key(w.kind, &w.id)));
            let works: Vec<Work> = these.iter().map(|(_, w)| w.clone()).collect();
            let there = inner.there(&works).await?;
            let (mut places, mut absent) = (Vec::new(), Vec::new());
            for (place, work) in these {
                match there.get(&key(work.kind, &work.id)).cloned() {
                    Some(item) => {
                        let kind = work.kind;
                        outcomes[place] = read(&inner.table, kind, item).await?.map(CreateOutcome::Exists);
                    }
                    None => {
                        places.push(place);
                        absent.push(Work { rev: 1, updated_at: now, ..work });
                    }
                }
            }
            let writing = inner.prepare(absent, &mine).await?;
            let puts: Vec<_> = writing.into_iter().map(|w| inner.put_new(w, &mine)).collect();
            let came: Vec<CreateOutcome> = stream::iter(puts).buffered(AT_ONCE).try_collect().await?;
            for (place, outcome) in places.into_iter().zip(came) {
                outcomes[place] = Some(outcome);
            }
            open = later;
        }
        let all: Option<Vec<CreateOutcome>> = outcomes.into_iter().collect();
        all.ok_or_else(|| inner.table.damaged("work went while it was read"))
    }

    async fn get(&self, kind: WorkKind, id: &str) -> Result<Option<Work>, IndexError> {
        if id.is_empty() {
            return Ok(None);
        }
        match self.0.table.get(&key(kind, id)).await? {
            Some(item) => read(&self.0.table, kind, item).await,
            None => Ok(None),
        }
    }

    async fn update_many(&self, works: Vec<Work>) -> Result<UpdateOutcome, IndexError> {
        works.iter().try_for_each(check)?;
        if works.len() > MAX_UPDATES {
            return Err(IndexError::TooMany { given: works.len(), most: MAX_UPDATES });
        }
        let mut keys = HashSet::new();
        if let Some(twice) = works.iter().find(|w| !keys.insert(key(w.kind, &w.id))) {
            return Err(IndexError::Invalid(format!("a {} was to be changed twice in one step", twice.kind.as_str())));
        }
        if works.is_empty() {
            return Ok(UpdateOutcome::Updated(Vec::new()));
        }
        let (inner, mine, now) = (&*self.0, token(), self.0.clock.now());
        let before = inner.there(&works).await?;
        if let Some(conflict) = first_conflict(inner, &works, before.clone()).await? {
            return Ok(conflict);
        }
        let next = works.iter().map(|w| Work { rev: w.rev + 1, updated_at: now, ..w.clone() }).collect();
        let writing = inner.prepare(next, &mine).await?;
        let refused = inner.put_all(&writing, &mine).await?;
        step("index.dynamodb.work.updated");
        if let Some(at) = refused {
            let now = inner.there(&works).await?;
            // A refusal may be the echo of one's own success.
            let own = |w: &Work| now.get(&key(w.kind, &w.id)).is_some_and(|i| text(i, "w") == Some(&mine));
            if !own(&works[at]) {
                let conflict = first_conflict(inner, &works, now).await?;
                return conflict.ok_or_else(|| IndexError::Contended {
                    table: inner.table.name.to_string(),
                    action: "dynamodb:TransactWriteItems",
                });
            }
        }
        let parts = writing.iter().filter_map(|w| Some(part_keys(w.work.kind, before.get(&Key::of(&w.item))?)));
        let parts: Vec<Key> = parts.flatten().collect();
        if let Err(e) = inner.table.write_all(Vec::new(), parts).await {
            tracing::debug!(error = %e, "parts of an earlier document stay behind");
        }
        Ok(UpdateOutcome::Updated(writing.into_iter().map(|w| w.work.rev).collect()))
    }

    async fn list(&self, q: ListWork<'_>) -> Result<Vec<Work>, IndexError> {
        let inner = &*self.0;
        if let Some(parent) = q.parent {
            return inner.list_by_parent(q, parent).await;
        }
        if !q.states.is_empty() {
            return inner.list_by_state(q).await;
        }
        let ranges = partitions(q.kind).map(|pk| after(pk, q.after, q.limit));
        let items = Merged::new(ranges, |i| Some(ById(text(i, "sk")?.to_owned(), i.clone())));
        let found = { items }.take(&inner.table, q.limit).await?;
        read_all(&inner.table, q.kind, found.into_iter().map(|ById(_, item)| item).collect()).await
    }

    async fn claim(&self, claim: Claim<'_>) -> Result<Vec<Work>, IndexError> {
        if claim.states.is_empty() {
            return Err(IndexError::Invalid("a claim must name the states it works on".into()));
        }
        let (inner, now) = (&*self.0, self.0.clock.now());
        let lease = Lease { owner: claim.owner.to_owned(), until: after_ms(now, claim.lease_ms)? };
        let states: HashSet<&&str> = claim.states.iter().collect();
        let limit = i32::try_from(claim.limit.clamp(8, DUE)).unwrap_or(8);
        let filter = claim.parent.map(|p| Expr::new(format!("{PARENT} = :p")).with(":p", s(p)));
        let range = |pk| Range {
            high: by(now),
            limit,
            only: "sk, gk, gs",
            filter: filter.clone(),
            index: Some(&STATES),
            ..Range::all(pk)
        };
        let ranges = states.into_iter().flat_map(|state| partitions_of_state(claim.kind, state)).map(range);
        let (mut due, mut taken) = (Merged::new(ranges, Due::of), Vec::new());
        while taken.len() < claim.limit {
            let next = due.take(&inner.table, (claim.limit - taken.len()).min(AT_ONCE)).await?;
            if next.is_empty() {
                break;
            }
            let claims: Vec<_> = next.into_iter().map(|d| inner.claim_one(d, claim, &lease)).collect();
            let mut came = stream::iter(claims).buffered(AT_ONCE);
            while let Some(one) = came.try_next().await? {
                taken.extend(one);
            }
        }
        Ok(taken)
    }

    async fn renew(&self, kind: WorkKind, id: &str, owner: &str, lease_ms: u64) -> Result<bool, IndexError> {
        let until = after_ms(self.0.clock.now(), lease_ms)?;
        let change = |due, id: &str| {
            Expr::new(format!("SET lu = :until, lw = :me, {TIME_KEY} = :available"))
                .with(":until", n(until.as_millisecond()))
                .with(":available", s(available(due, Some(until), id)))
        };
        self.0.change_lease((kind, id, owner), change).await
    }

    async fn release(&self, kind: WorkKind, id: &str, owner: &str) -> Result<bool, IndexError> {
        let change = |due, id: &str| {
            Expr::new(format!("SET lw = :me, {TIME_KEY} = :available REMOVE lo, lu"))
                .with(":available", s(available(due, None, id)))
        };
        self.0.change_lease((kind, id, owner), change).await
    }

    async fn counts(&self, kind: WorkKind, parent: Option<&str>) -> Result<BTreeMap<String, u64>, IndexError> {
        let inner = &*self.0;
        if let Some(parent) = parent {
            return inner.count_parent(kind, parent).await;
        }
        let known = inner.table.all(&Range::all(states(kind))).await?;
        let counts: Vec<_> = known.iter().filter_map(read_state).map(|st| inner.count_state(kind, st)).collect();
        let counts: BTreeMap<String, u64> = stream::iter(counts).buffer_unordered(AT_ONCE).try_collect().await?;
        Ok(counts.into_iter().filter(|(_, n)| *n > 0).collect())
    }
}

/// Work that may be claimed, as the index has it.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Due {
    time_key: String,
    state_key: String,
    id: String,
}

impl Due {
    fn of(item: &Item) -> Option<Self> {
        let owned = |name| text(item, name).map(str::to_owned);
        Some(Self { time_key: owned(TIME_KEY)?, state_key: owned(STATE_KEY)?, id: owned("sk")? })
    }
}

/// An item in the order of its id.
#[derive(Debug)]
struct ById(String, Item);

impl PartialEq for ById {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl Eq for ById {}

impl PartialOrd for ById {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for ById {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.cmp(&other.0)
    }
}

fn id_of(item: &Item) -> Option<String> {
    text(item, "sk").map(str::to_owned)
}

/// What comes after an id in a partition.
fn after(pk: String, id: Option<&str>, limit: usize) -> Range {
    // The least text that is greater.
    let low = id.map(|id| format!("{id}\0")).unwrap_or_default();
    Range { low, limit: i32::try_from(limit.clamp(1, 1_000)).unwrap_or(1_000), ..Range::all(pk) }
}

async fn first_conflict(
    inner: &Inner,
    works: &[Work],
    mut there: HashMap<Key, Item>,
) -> Result<Option<UpdateOutcome>, IndexError> {
    for (at, work) in works.iter().enumerate() {
        let item = there.remove(&key(work.kind, &work.id));
        if item.as_ref().map_or(0, |i| number(i, "rev").unwrap_or_default()) != work.rev {
            let current = match item {
                Some(item) => read(&inner.table, work.kind, item).await?.map(Box::new),
                None => None,
            };
            return Ok(Some(UpdateOutcome::Conflict { at, current }));
        }
    }
    Ok(None)
}
