//! Search and facets over one consistent state of the index, chunk by chunk.

use super::{
    best::Best,
    cache::{Cache, Column, Decoded, FacetBlock, Part, Tail},
    db::{Failure, lock},
    entry::Entry,
    fields::{FACETS, Field, Number},
    plan::{Node, read_cursor, write_cursor},
    seal::{Bits, CHUNK, beginning_params, beginning_sql, from_blob, get_sql, union},
    write::{Generation, find, from_json, generations, read_entry},
};
use crate::{Facets, IndexRow, MAX_LIMIT, Page, Query, Sort};
use roaring::RoaringBitmap;
use rusqlite::{Connection, params};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

/// Values listed for each facet.
const FACET_VALUES: usize = 20;

/// One consistent state of the live generation.
pub(super) struct Snapshot<'a> {
    conn: &'a Connection,
    cache: &'a Mutex<Cache>,
    g: Generation,
    tail: Arc<Tail>,
}

/// What a query asks of a document: the conditions, and the documents that its `ids` name.
struct Wanted {
    node: Node,
    only: Option<RoaringBitmap>,
}

impl<'a> Snapshot<'a> {
    pub(super) fn take(conn: &'a Connection, cache: &'a Mutex<Cache>) -> Result<Self, Failure> {
        let (live, _) = generations(conn)?;
        let g = Generation::read(conn, live)?;
        let tail = read_tail(conn, cache, g)?;
        Ok(Self { conn, cache, g, tail })
    }

    /// The documents of the tail with their entries, as of this state.
    fn tail(&self) -> impl Iterator<Item = (u32, &Entry)> {
        (self.g.sealed..self.g.docs).zip(self.tail.entries.iter().map(|e| &**e))
    }

    pub(super) fn search(&self, q: &Query) -> Result<Page, Failure> {
        let wanted = self.wanted(q)?;
        let after = read_cursor(q)?.map(|(place, _)| place);
        let mut best = Best::new(q.sort, after, q.limit.min(MAX_LIMIT));
        let mut total = 0;
        let mut sealed = Vec::new();
        for (chunk, documents) in self.g.chunks() {
            let found = self.find(&wanted, chunk, documents)?;
            total += found.len();
            if best.wants_any() && !found.is_empty() {
                sealed.push((chunk, documents, found));
            }
        }
        for (doc, entry) in self.tail().filter(|(doc, e)| wanted.holds(*doc, e)) {
            total += 1;
            best.offer(entry.number(Number::Start), entry.number(Number::Tie), doc);
        }
        self.best_of(&mut best, sealed)?;
        let (places, more) = best.into_sorted();
        let rows = places.iter().map(|(_, doc)| self.row(*doc)).collect::<Result<_, _>>()?;
        let next = match places.last() {
            Some((place, _)) if more => Some(write_cursor(q, *place, None)?),
            _ => None,
        };
        Ok(Page { rows, total, total_is_exact: true, next })
    }

    /// Offers what was found in the chunks, those first whose best start is best, so that most need not be looked at.
    fn best_of(&self, best: &mut Best, found: Vec<(u32, u32, RoaringBitmap)>) -> Result<(), Failure> {
        let mut columns = Vec::with_capacity(found.len());
        for (chunk, documents, docs) in found {
            columns.push((self.bounds(chunk, Number::Start)?, chunk, documents, docs));
        }
        columns.sort_by_key(|((least, greatest), ..)| if best.sort() == Sort::Newest { -greatest } else { *least });
        for (bounds, chunk, documents, docs) in columns {
            if !best.may_take(bounds) {
                continue;
            }
            let starts = self.column(chunk, documents, Number::Start)?;
            let ties = self.column(chunk, documents, Number::Tie)?;
            for low in &docs {
                let at = low as usize;
                best.offer(starts.values[at], ties.values[at], chunk * CHUNK + low);
            }
        }
        Ok(())
    }

    pub(super) fn facets(&self, q: &Query) -> Result<Facets, Failure> {
        let wanted = self.wanted(q)?;
        let mut counts: [HashMap<Box<str>, u64>; FACETS.len()] = Default::default();
        for (chunk, documents) in self.g.chunks() {
            let found = self.find(&wanted, chunk, documents)?;
            if found.is_empty() {
                continue;
            }
            let all = found.len() == u64::from(documents);
            let bits: Bits = found.iter().collect();
            for (field, counts) in FACETS.into_iter().zip(&mut counts) {
                for (value, docs) in &self.facet_block(chunk, documents, field)?.values {
                    let n = match docs.len() {
                        n if all => n,
                        // Most values are rare: a few bits are looked up sooner than two long lists are merged.
                        n if n <= found.len() && n <= 4096 => docs.iter().filter(|d| bits.has(*d)).count() as u64,
                        _ => docs.intersection_len(&found),
                    };
                    match counts.get_mut(value) {
                        Some(sum) => *sum += n,
                        None if n > 0 => drop(counts.insert(value.clone(), n)),
                        None => {}
                    }
                }
            }
        }
        for (_, entry) in self.tail().filter(|(doc, e)| wanted.holds(*doc, e)) {
            for (field, counts) in FACETS.into_iter().zip(&mut counts) {
                for value in entry.values(field) {
                    match counts.get_mut(value) {
                        Some(sum) => *sum += 1,
                        None => drop(counts.insert(value.into(), 1)),
                    }
                }
            }
        }
        let mut lists = FACETS.into_iter().zip(counts).map(|(field, counts)| self.most_frequent(field, counts));
        let mut next = || lists.next().unwrap_or_else(|| Ok(Vec::new()));
        Ok(Facets {
            vendor: next()?,
            media: next()?,
            queue: next()?,
            agent: next()?,
            tag: next()?,
            tier: next()?,
            direction: next()?,
            year: next()?,
            complete: true,
        })
    }

    fn most_frequent(&self, field: Field, counts: HashMap<Box<str>, u64>) -> Result<Vec<(String, u64)>, Failure> {
        let mut sorted: Vec<(Box<str>, u64)> = counts.into_iter().collect();
        let order = |a: &(Box<str>, u64), b: &(Box<str>, u64)| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0));
        if sorted.len() > FACET_VALUES {
            sorted.select_nth_unstable_by(FACET_VALUES, order);
            sorted.truncate(FACET_VALUES);
        }
        sorted.sort_unstable_by(order);
        let sql = format!("SELECT label FROM label_{} WHERE field = ?1 AND value = ?2", self.g.number);
        let mut q = self.conn.prepare_cached(&sql)?;
        let label = |(value, n): (Box<str>, u64)| Ok((q.query_row(params![field as u8, value], |r| r.get(0))?, n));
        sorted.into_iter().map(label).collect()
    }

    fn wanted(&self, q: &Query) -> Result<Wanted, Failure> {
        let node = Node::of(q)?;
        if q.ids.is_empty() {
            return Ok(Wanted { node, only: None });
        }
        let sql = format!("SELECT doc FROM doc_{} WHERE archive_id = ?1", self.g.number);
        let mut by_id = self.conn.prepare_cached(&sql)?;
        let mut only = RoaringBitmap::new();
        for id in &q.ids {
            let mut rows = by_id.query([id.as_str()])?;
            while let Some(row) = rows.next()? {
                only.insert(row.get(0)?);
            }
        }
        Ok(Wanted { node, only: Some(only) })
    }

    /// The sealed documents of a chunk that are wanted, numbered within the chunk.
    fn find(&self, wanted: &Wanted, chunk: u32, documents: u32) -> Result<RoaringBitmap, Failure> {
        let mut within = None;
        if let Some(only) = &wanted.only {
            let base = chunk * CHUNK;
            let docs: RoaringBitmap = only.range(base..=base + (CHUNK - 1)).map(|d| d - base).collect();
            // Documents of the tail are looked at one by one.
            within = Some(docs & range(documents));
        }
        self.every(std::slice::from_ref(&wanted.node), within, chunk, documents)
    }

    /// Which of the documents in `within` (none: of all) fulfil all nodes. Ranges come last, when few are left to look at.
    fn every(
        &self,
        nodes: &[Node],
        within: Option<RoaringBitmap>,
        chunk: u32,
        documents: u32,
    ) -> Result<RoaringBitmap, Failure> {
        let mut left = within;
        let (ranges, sets): (Vec<&Node>, Vec<&Node>) = nodes.iter().partition(|n| matches!(n, Node::Within(..)));
        for node in sets {
            left = Some(match (node, left) {
                (Node::Every(inner), left) => self.every(inner, left, chunk, documents)?,
                (_, None) => self.set(node, chunk, documents)?,
                (_, Some(left)) if left.is_empty() => return Ok(left),
                (_, Some(left)) => left & self.set(node, chunk, documents)?,
            });
        }
        for node in ranges {
            let Node::Within(number, from, to) = node else { continue };
            left = Some(self.within(left, (*number, *from, *to), chunk, documents)?);
        }
        Ok(left.unwrap_or_else(|| range(documents)))
    }

    fn set(&self, node: &Node, chunk: u32, documents: u32) -> Result<RoaringBitmap, Failure> {
        match node {
            Node::Has(field, value) => self.posting(chunk, *field, value),
            Node::Begins(beginning) => {
                let shared = self.posting(chunk, Field::Beginning, beginning)?;
                if !shared.is_empty() {
                    return Ok(shared);
                }
                let mut words = self.conn.prepare_cached(&beginning_sql(self.g.number))?;
                union(&mut words, beginning_params(chunk, beginning))
            }
            Node::Any(nodes) => {
                let mut any = RoaringBitmap::new();
                for node in nodes {
                    any |= self.set(node, chunk, documents)?;
                }
                Ok(any)
            }
            Node::Every(_) | Node::Within(..) => self.every(std::slice::from_ref(node), None, chunk, documents),
        }
    }

    fn posting(&self, chunk: u32, field: Field, value: &str) -> Result<RoaringBitmap, Failure> {
        let mut q = self.conn.prepare_cached(&get_sql(self.g.number))?;
        union(&mut q, params![chunk, field as u8, value])
    }

    fn within(
        &self,
        left: Option<RoaringBitmap>,
        (number, from, to): (Number, i64, i64),
        chunk: u32,
        documents: u32,
    ) -> Result<RoaringBitmap, Failure> {
        let (least, greatest) = self.bounds(chunk, number)?;
        if greatest < from || least >= to || left.as_ref().is_some_and(RoaringBitmap::is_empty) {
            return Ok(RoaringBitmap::new());
        }
        if from <= least && greatest < to {
            return Ok(left.unwrap_or_else(|| range(documents)));
        }
        let column = self.column(chunk, documents, number)?;
        let lies = |value: i64| (from..to).contains(&value);
        Ok(match left {
            Some(left) if left.len() < 2_000 => left.iter().filter(|d| lies(column.values[*d as usize])).collect(),
            Some(left) => left & Bits::where_true(&column.values, lies).into_set(),
            None => Bits::where_true(&column.values, lies).into_set(),
        })
    }

    /// The least and the greatest of a number in a chunk.
    fn bounds(&self, chunk: u32, number: Number) -> Result<(i64, i64), Failure> {
        let sql = format!("SELECT least, greatest FROM number_{} WHERE chunk = ?1 AND number = ?2", self.g.number);
        let mut q = self.conn.prepare_cached(&sql)?;
        Ok(q.query_row(params![chunk, number as u8], |r| Ok((r.get(0)?, r.get(1)?)))?)
    }

    fn column(&self, chunk: u32, documents: u32, number: Number) -> Result<Arc<Column>, Failure> {
        let part = Part::Column(number);
        if let Some(Decoded::Column(c)) = lock(self.cache).get(self.g.number, chunk, part, documents) {
            return Ok(c);
        }
        let sql = format!("SELECT vals FROM number_{} WHERE chunk = ?1 AND number = ?2", self.g.number);
        let mut q = self.conn.prepare_cached(&sql)?;
        let values: Vec<i64> = q.query_row(params![chunk, number as u8], |r| {
            let blob = r.get_ref(0)?.as_blob()?;
            Ok(blob.chunks_exact(8).map(|b| i64::from_le_bytes(std::array::from_fn(|i| b[i]))).collect())
        })?;
        if values.len() != documents as usize {
            return Err(Failure::Damaged("the numbers of a chunk do not have its length".into()));
        }
        let column = Arc::new(Column { values });
        let decoded = Decoded::Column(Arc::clone(&column));
        lock(self.cache).put(self.g.number, chunk, part, documents, decoded);
        Ok(column)
    }

    fn facet_block(&self, chunk: u32, documents: u32, field: Field) -> Result<Arc<FacetBlock>, Failure> {
        let part = Part::Facet(field);
        // Lifecycle rules move sealed documents between tiers: its few bitmaps are read anew each time.
        let kept = field != Field::Tier;
        if kept && let Some(Decoded::Facet(b)) = lock(self.cache).get(self.g.number, chunk, part, documents) {
            return Ok(b);
        }
        let sql = format!("SELECT value, docs FROM posting_{} WHERE chunk = ?1 AND field = ?2", self.g.number);
        let mut q = self.conn.prepare_cached(&sql)?;
        let mut rows = q.query(params![chunk, field as u8])?;
        let mut values = Vec::new();
        while let Some(row) = rows.next()? {
            values.push((row.get::<_, Box<str>>(0)?, from_blob(row.get_ref(1)?)?));
        }
        let block = Arc::new(FacetBlock { values });
        if kept {
            lock(self.cache).put(self.g.number, chunk, part, documents, Decoded::Facet(Arc::clone(&block)));
        }
        Ok(block)
    }

    fn row(&self, doc: u32) -> Result<IndexRow, Failure> {
        let mut q = self.conn.prepare_cached(&format!("SELECT row FROM doc_{} WHERE doc = ?1", self.g.number))?;
        let mut rows = q.query([doc])?;
        let row = rows.next()?.ok_or_else(|| Failure::Damaged("a document has no row".into()))?;
        from_json(row.get_ref(0)?.as_blob().unwrap_or_default())
    }

    pub(super) fn get(&self, id: &holdfast_model::ArchiveId) -> Result<Option<IndexRow>, Failure> {
        Ok(find(self.conn, self.g.number, id)?.map(|(_, row)| row))
    }

    pub(super) fn scan(
        &self,
        after: Option<&holdfast_model::ArchiveId>,
        limit: usize,
    ) -> Result<Vec<IndexRow>, Failure> {
        let mut q = self.conn.prepare_cached(&format!(
            "SELECT row FROM doc_{} WHERE archive_id > ?1 ORDER BY archive_id LIMIT ?2",
            self.g.number
        ))?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let mut rows = q.query(params![after.map_or("", |a| a.as_str()), limit])?;
        let mut out = Vec::new();
        while let Some(row) = rows.next()? {
            out.push(from_json(row.get_ref(0)?.as_blob().unwrap_or_default())?);
        }
        Ok(out)
    }

    pub(super) fn count(&self) -> u64 {
        u64::from(self.g.docs)
    }

    /// All rows with this value, in no order.
    pub(super) fn with_value(&self, field: Field, value: String) -> Result<Vec<IndexRow>, Failure> {
        let wanted = Wanted { node: Node::Has(field, value), only: None };
        let mut docs = Vec::new();
        for (chunk, documents) in self.g.chunks() {
            docs.extend(self.find(&wanted, chunk, documents)?.iter().map(|low| chunk * CHUNK + low));
        }
        docs.extend(self.tail().filter(|(doc, e)| wanted.holds(*doc, e)).map(|(doc, _)| doc));
        docs.into_iter().map(|doc| self.row(doc)).collect()
    }
}

impl Wanted {
    fn holds(&self, doc: u32, entry: &Entry) -> bool {
        self.only.as_ref().is_none_or(|o| o.contains(doc)) && self.node.holds(entry)
    }
}

fn range(documents: u32) -> RoaringBitmap {
    let mut all = RoaringBitmap::new();
    all.insert_range(0..documents);
    all
}

/// The tail as of `g`: what is kept of it, and what came since.
fn read_tail(conn: &Connection, cache: &Mutex<Cache>, g: Generation) -> Result<Arc<Tail>, Failure> {
    let kept = Arc::clone(&lock(cache).tail);
    let same = (kept.generation, kept.sealed, kept.changes) == (g.number, g.sealed, g.tail_changes);
    let length = (g.docs - g.sealed) as usize;
    if same && kept.entries.len() >= length {
        return Ok(kept);
    }
    let mut tail = if same {
        Tail::clone(&kept)
    } else {
        Tail { generation: g.number, sealed: g.sealed, changes: g.tail_changes, entries: Vec::new() }
    };
    let from = i64::from(g.sealed) + i64::try_from(tail.entries.len()).unwrap_or(i64::MAX);
    let mut q = conn.prepare_cached(&format!("SELECT entry FROM tail_{} WHERE doc >= ?1 ORDER BY doc", g.number))?;
    let mut rows = q.query([from])?;
    while let Some(row) = rows.next()? {
        tail.entries.push(Arc::new(read_entry(row.get_ref(0)?.as_blob().unwrap_or_default())?));
    }
    if tail.entries.len() != length {
        return Err(Failure::Damaged("the tail does not have its length".into()));
    }
    let tail = Arc::new(tail);
    let mut cache = lock(cache);
    let age = |t: &Tail| (t.generation, t.sealed, t.changes, t.entries.len());
    if age(&tail) > age(&cache.tail) {
        cache.tail = Arc::clone(&tail);
    }
    Ok(tail)
}
