//! Postings and numbers, chunk by chunk, and how documents get into them.

use super::{
    db::Failure,
    entry::Entry,
    fields::{Field, NUMBERS},
};
use crate::IndexError;
use roaring::RoaringBitmap;
use rusqlite::{CachedStatement, Connection, OptionalExtension as _, Params, params, types::ValueRef};
use std::{borrow::Cow, collections::HashMap};

/// Documents in a chunk: as many as one roaring container takes.
pub(super) const CHUNK: u32 = 1 << 16;

/// The beginning of a word gets a posting of its own once so many different words of one sealing have it. What has none is
/// found by going through the words, of which there are then few.
const SHARED: usize = 32;

/// A term and the documents that have it, ascending, numbered within the chunk.
type Posting<'a> = ((u8, &'a str), Vec<u32>);

/// Adds documents that follow the chunk's sealed ones to its postings and numbers.
pub(super) fn seal(
    c: &Connection,
    generation: i64,
    chunk: u32,
    entries: &[(u32, Cow<'_, Entry>)],
) -> Result<(), Failure> {
    let Some(before) = entries.first().map(|(doc, _)| doc % CHUNK) else { return Ok(()) };
    let mut postings: HashMap<(u8, &str), Vec<u32>> = HashMap::new();
    for (doc, entry) in entries {
        for term in entry.terms() {
            postings.entry(term).or_default().push(doc % CHUNK);
        }
    }
    // In the order of the table, so that pages are written once and in sequence.
    let mut sorted: Vec<Posting<'_>> = postings.into_iter().collect();
    sorted.sort_unstable_by_key(|(term, _)| *term);
    let mut table = Postings::open(c, generation, chunk)?;
    for ((field, value), docs) in &sorted {
        let mut set = if before == 0 { RoaringBitmap::new() } else { table.get(*field, value)? };
        set.extend(docs);
        table.put(*field, value, &set)?;
    }
    let words = sorted.partition_point(|((field, _), _)| *field <= Field::Word as u8);
    table.put_beginnings(&sorted[..words])?;
    for number in NUMBERS {
        let values: Vec<i64> = entries.iter().map(|(_, e)| e.number(number)).collect();
        append_numbers(c, generation, (chunk, number as u8), before, &values)?;
    }
    Ok(())
}

/// The postings of one chunk, for writing.
struct Postings<'c> {
    chunk: u32,
    get: CachedStatement<'c>,
    put: CachedStatement<'c>,
    begin: CachedStatement<'c>,
}

impl<'c> Postings<'c> {
    fn open(c: &'c Connection, generation: i64, chunk: u32) -> Result<Self, Failure> {
        Ok(Self {
            chunk,
            get: c.prepare_cached(&get_sql(generation))?,
            put: c.prepare_cached(&put_sql(generation))?,
            begin: c.prepare_cached(&beginning_sql(generation))?,
        })
    }

    fn get(&mut self, field: u8, value: &str) -> Result<RoaringBitmap, Failure> {
        union(&mut self.get, params![self.chunk, field, value])
    }

    fn put(&mut self, field: u8, value: &str, docs: &RoaringBitmap) -> Result<(), Failure> {
        self.put.execute(params![self.chunk, field, value, to_blob(docs)?])?;
        Ok(())
    }

    /// Brings the postings of beginnings up to date with `words`, which are all words of this sealing and stand in their own
    /// postings already.
    fn put_beginnings(&mut self, words: &[Posting<'_>]) -> Result<(), Failure> {
        let mut open = vec![(words, 0)];
        while let Some((mut words, length)) = open.pop() {
            // The word that is the beginning itself comes first and goes no further.
            words = &words[words.partition_point(|((_, w), _)| w.len() <= length)..];
            while let Some(((_, first), _)) = words.first() {
                let end = length + first[length..].chars().next().map_or(0, char::len_utf8);
                let beginning = &first[..end];
                let (these, others) = words.split_at(words.partition_point(|((_, w), _)| w.starts_with(beginning)));
                words = others;
                let mut docs = self.get(Field::Beginning as u8, beginning)?;
                if docs.is_empty() {
                    if these.len() < SHARED {
                        // Nor has any longer one a posting, since a longer one is never shared by more.
                        continue;
                    }
                    docs = union(&mut self.begin, beginning_params(self.chunk, beginning))?;
                } else {
                    docs |= these.iter().flat_map(|(_, docs)| docs).copied().collect::<Bits>().into_set();
                }
                self.put(Field::Beginning as u8, beginning, &docs)?;
                open.push((these, end));
            }
        }
        Ok(())
    }
}

/// Documents of a chunk as one bit each: the quick way to collect many, in any order.
pub(super) struct Bits(Vec<u8>);

impl FromIterator<u32> for Bits {
    fn from_iter<T: IntoIterator<Item = u32>>(docs: T) -> Self {
        let mut bits = vec![0; (CHUNK / 8) as usize];
        for doc in docs {
            bits[(doc / 8) as usize] |= 1 << (doc % 8);
        }
        Self(bits)
    }
}

impl Bits {
    /// One for each value, in order, that fulfils the condition.
    pub(super) fn where_true(values: &[i64], condition: impl Fn(i64) -> bool) -> Self {
        let byte = |eight: &[i64]| eight.iter().rev().fold(0, |byte, v| byte << 1 | u8::from(condition(*v)));
        Self(values.chunks(8).map(byte).collect())
    }

    pub(super) fn has(&self, doc: u32) -> bool {
        self.0[(doc / 8) as usize] >> (doc % 8) & 1 == 1
    }

    pub(super) fn into_set(self) -> RoaringBitmap {
        RoaringBitmap::from_lsb0_bytes(0, &self.0)
    }
}

pub(super) fn get_sql(generation: i64) -> String {
    format!("SELECT docs FROM posting_{generation} WHERE chunk = ?1 AND field = ?2 AND value = ?3")
}

fn put_sql(generation: i64) -> String {
    format!("INSERT OR REPLACE INTO posting_{generation} VALUES (?1, ?2, ?3, ?4)")
}

/// The postings of all words that begin so.
pub(super) fn beginning_sql(generation: i64) -> String {
    format!("SELECT docs FROM posting_{generation} WHERE chunk = ?1 AND field = ?2 AND value >= ?3 AND value < ?4")
}

pub(super) fn beginning_params(chunk: u32, beginning: &str) -> (u32, u8, &str, String) {
    // No word has a character after U+10FFFF.
    (chunk, Field::Word as u8, beginning, format!("{beginning}\u{10ffff}"))
}

/// The documents of all postings that a statement gives.
pub(super) fn union(q: &mut CachedStatement<'_>, params: impl Params) -> Result<RoaringBitmap, Failure> {
    let mut rows = q.query(params)?;
    let mut docs = RoaringBitmap::new();
    while let Some(row) = rows.next()? {
        docs |= from_blob(row.get_ref(0)?)?;
    }
    Ok(docs)
}

pub(super) fn from_blob(value: ValueRef<'_>) -> Result<RoaringBitmap, Failure> {
    let damaged = |detail: String| Failure::Damaged(format!("a posting cannot be read: {detail}"));
    let blob = value.as_blob().map_err(|e| damaged(e.to_string()))?;
    RoaringBitmap::deserialize_from(blob).map_err(|e| damaged(e.to_string()))
}

fn to_blob(set: &RoaringBitmap) -> Result<Vec<u8>, IndexError> {
    let mut out = Vec::with_capacity(set.serialized_size());
    set.serialize_into(&mut out).map_err(|e| IndexError::Internal(e.to_string()))?;
    Ok(out)
}

/// Puts one sealed document into a posting, or takes it out.
pub(super) fn change_posting(
    c: &Connection,
    generation: i64,
    doc: u32,
    (field, value): (Field, &str),
    present: bool,
) -> Result<(), Failure> {
    let mut postings = Postings::open(c, generation, doc / CHUNK)?;
    let mut set = postings.get(field as u8, value)?;
    if present {
        set.insert(doc % CHUNK);
    } else {
        set.remove(doc % CHUNK);
    }
    if !set.is_empty() {
        return postings.put(field as u8, value, &set);
    }
    c.prepare_cached(&format!("DELETE FROM posting_{generation} WHERE chunk = ?1 AND field = ?2 AND value = ?3"))?
        .execute(params![doc / CHUNK, field as u8, value])?;
    Ok(())
}

fn append_numbers(c: &Connection, generation: i64, key: (u32, u8), before: u32, values: &[i64]) -> Result<(), Failure> {
    let mut blob: Vec<u8> = c
        .prepare_cached(&format!("SELECT vals FROM number_{generation} WHERE chunk = ?1 AND number = ?2"))?
        .query_row(key, |r| r.get(0))
        .optional()?
        .unwrap_or_default();
    if blob.len() != before as usize * 8 {
        return Err(Failure::Damaged("the numbers of a chunk do not have its length".into()));
    }
    values.iter().for_each(|v| blob.extend_from_slice(&v.to_le_bytes()));
    let documents = i64::try_from(blob.len() / 8).unwrap_or(i64::MAX);
    let least = values.iter().min().copied().unwrap_or(i64::MAX);
    let greatest = values.iter().max().copied().unwrap_or(i64::MIN);
    c.prepare_cached(&format!(
        "INSERT INTO number_{generation} VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT DO UPDATE SET documents = excluded.documents, least = min(least, excluded.least),
         greatest = max(greatest, excluded.greatest), vals = excluded.vals"
    ))?
    .execute(params![key.0, key.1, documents, least, greatest, blob])?;
    Ok(())
}
