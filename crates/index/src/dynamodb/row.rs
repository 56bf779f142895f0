//! Row items: what is kept of one recording, in one item and, where that is too small, in parts beside it.

use super::{
    db::{Item, Key, Table, b, bytes, n, number, text},
    keys::{Calendar, Generation, PATHS, day, place},
};
use crate::{
    IndexError, IndexRow,
    terms::{
        fields::{Field, Number, Terms},
        text::{bounded, fold, words},
    },
};
use holdfast_model::{ArchiveId, MatterId, StorageState};
use miniz_oxide::{deflate::compress_to_vec_zlib, inflate::decompress_to_vec_zlib_with_limit};
use std::collections::{BTreeSet, HashMap, HashSet};

/// An item may have 400 KB in all; the first part lies in the row item beside a few short attributes.
const PART_BYTES: usize = 300 << 10;
/// More than any row or text that is taken in.
const MOST_BYTES: usize = 256 << 20;

/// A row ready to be written, whatever the generation.
#[derive(Debug)]
pub(super) struct Prepared {
    pub row: IndexRow,
    /// Compressed JSON.
    row_bytes: Vec<u8>,
    /// Compressed words of the text, one a line; empty where there is none.
    word_bytes: Vec<u8>,
    pointers: HashSet<Pointer>,
    /// Names this write.
    pub token: String,
}

/// Where a row is found.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Pointer {
    Value(Field, String),
    Day(Calendar, String),
}

impl Pointer {
    /// Those of a row as it is.
    pub(super) fn of(row: &IndexRow) -> HashSet<Self> {
        Self::among(&Terms::without_words(row))
    }

    fn among(terms: &Terms) -> HashSet<Self> {
        let values = terms.values.iter().filter(|(field, _)| PATHS.contains(field));
        let mut all: HashSet<Self> = values.map(|(field, value)| Self::Value(*field, value.clone())).collect();
        let on = |number: Number| day(terms.numbers[number as usize]);
        all.insert(Self::Day(Calendar::Start, on(Number::Start)));
        all.insert(Self::Day(Calendar::Until, on(Number::RetainUntil)));
        all
    }

    /// The key of this pointer to a row.
    pub(super) fn key(&self, g: &Generation, salt: &[u8], row: &IndexRow) -> Key {
        let id = &row.archive_id;
        let pk = match self {
            Self::Value(field, value) => g.value(salt, *field, value, g.shard(id) % g.spread(*field)),
            Self::Day(calendar, day) => g.day(*calendar, day, g.shard(id)),
        };
        Key::new(pk, place(row.record.start.as_millisecond(), id))
    }

    /// The entry that says that the pointer's day has rows.
    pub(super) fn listing(&self, g: &Generation, id: &ArchiveId) -> Option<Key> {
        match self {
            Self::Value(..) => None,
            Self::Day(calendar, day) => Some(Key::new(g.days(*calendar), format!("{day}#{}", g.shard(id)))),
        }
    }
}

impl Prepared {
    pub(super) fn new(row: IndexRow, body: Option<&str>) -> Result<Self, IndexError> {
        if row.record.idempotency_key().archive_id() != row.archive_id {
            let id = &row.archive_id;
            return Err(IndexError::Invalid(format!("{id} is not the archive id of the record in its row")));
        }
        let json =
            serde_json::to_vec(&row).map_err(|e| IndexError::Internal(format!("a row cannot be written: {e}")))?;
        let folded = body.map(fold).unwrap_or_default();
        let distinct: BTreeSet<String> = words(&folded).map(|w| bounded(w.to_owned())).collect();
        let lines = distinct.into_iter().collect::<Vec<_>>().join("\n");
        let word_bytes = if lines.is_empty() { Vec::new() } else { compress_to_vec_zlib(lines.as_bytes(), 6) };
        let pointers = Pointer::of(&row);
        Ok(Self { row_bytes: compress_to_vec_zlib(&json, 6), word_bytes, pointers, token: super::db::token(), row })
    }

    pub(super) fn pointers(&self) -> &HashSet<Pointer> {
        &self.pointers
    }

    /// The first part of the row, how many more there are, and how many there are of its words.
    pub(super) fn inline(&self) -> (Vec<u8>, u32, u32) {
        let first = self.row_bytes.chunks(PART_BYTES).next().unwrap_or_default().to_vec();
        let count = |bytes: &[u8]| u32::try_from(bytes.len().div_ceil(PART_BYTES)).unwrap_or(u32::MAX);
        (first, count(&self.row_bytes) - 1, count(&self.word_bytes))
    }

    /// What lies beside the row item.
    pub(super) fn parts(&self, g: &Generation) -> Vec<Item> {
        let part = |what: char, (i, bytes): (usize, &[u8])| {
            let number = u32::try_from(i).unwrap_or(u32::MAX);
            let mut item = g.part(&self.row.archive_id, &self.token, what, number).item();
            item.insert("d".into(), b(bytes.to_vec()));
            item
        };
        let rows = self.row_bytes.chunks(PART_BYTES).enumerate().skip(1).map(|p| part('r', p));
        rows.chain(self.word_bytes.chunks(PART_BYTES).enumerate().map(|p| part('t', p))).collect()
    }
}

/// A row as it was read.
#[derive(Debug, Clone)]
pub(super) struct Stored {
    pub row: IndexRow,
    /// Names the insert.
    pub token: String,
    /// Names the last telling of state or holds.
    pub told_by: Option<String>,
    /// Counts the tellings.
    pub told: u64,
    row_parts: u32,
    word_parts: u32,
}

impl Stored {
    /// The keys of all its parts.
    pub(super) fn part_keys(&self, g: &Generation) -> Vec<Key> {
        let id = &self.row.archive_id;
        let rows = (1..=self.row_parts).map(|i| g.part(id, &self.token, 'r', i));
        rows.chain((0..self.word_parts).map(|i| g.part(id, &self.token, 't', i))).collect()
    }
}

/// Reads row items together with their parts. An item without a row (told of before it came) is left out.
pub(super) async fn read_items(table: &Table, g: &Generation, items: Vec<Item>) -> Result<Vec<Stored>, IndexError> {
    let damaged = |what: &str| table.damaged(format!("an item of a row has {what}"));
    let mut wanted = Vec::new();
    let mut open = Vec::with_capacity(items.len());
    for item in items.into_iter().filter(|i| i.contains_key("d")) {
        let id: ArchiveId = text(&item, "sk").and_then(|t| t.parse().ok()).ok_or_else(|| damaged("no archive id"))?;
        let token = text(&item, "w").ok_or_else(|| damaged("no token"))?.to_owned();
        let row_parts: u32 = number(&item, "dn").ok_or_else(|| damaged("no number of parts"))?;
        wanted.extend((1..=row_parts).map(|i| g.part(&id, &token, 'r', i)));
        open.push((id, token, row_parts, item));
    }
    let parts = read_parts(table, wanted).await?;
    let mut out = Vec::with_capacity(open.len());
    for (id, token, row_parts, item) in open {
        let mut whole = bytes(&item, "d").unwrap_or_default().to_vec();
        for i in 1..=row_parts {
            whole.extend_from_slice(parts.get(&g.part(&id, &token, 'r', i)).ok_or_else(|| damaged("a part less"))?);
        }
        let json = decompress_to_vec_zlib_with_limit(&whole, MOST_BYTES).map_err(|_| damaged("a row that is cut"))?;
        let mut row: IndexRow = serde_json::from_slice(&json).map_err(|_| damaged("a row that cannot be read"))?;
        let told = |name: &str| text(&item, name);
        if let Some(a) = told("a") {
            row.set_state(serde_json::from_str::<StorageState>(a).map_err(|_| damaged("a wrong state"))?);
        }
        if let Some(h) = told("h") {
            row.holds = serde_json::from_str::<Vec<MatterId>>(h).map_err(|_| damaged("wrong holds"))?;
        }
        out.push(Stored {
            row,
            told_by: text(&item, "tw").map(str::to_owned),
            told: number(&item, "n").unwrap_or_default(),
            word_parts: number(&item, "tn").unwrap_or_default(),
            token,
            row_parts,
        });
    }
    Ok(out)
}

async fn read_parts(table: &Table, keys: Vec<Key>) -> Result<HashMap<Key, Vec<u8>>, IndexError> {
    let items = if keys.is_empty() { Vec::new() } else { table.get_all(keys, "").await? };
    Ok(items.into_iter().map(|i| (Key::of(&i), bytes(&i, "d").unwrap_or_default().to_vec())).collect())
}

/// The rows of these recordings, as of now, by id.
pub(super) async fn read_rows(
    table: &Table,
    g: &Generation,
    ids: impl IntoIterator<Item = &ArchiveId>,
) -> Result<HashMap<ArchiveId, Stored>, IndexError> {
    let keys: HashSet<Key> = ids.into_iter().map(|id| g.row(id)).collect();
    if keys.is_empty() {
        return Ok(HashMap::new());
    }
    let items = table.get_all(keys.into_iter().collect(), "").await?;
    let rows = read_items(table, g, items).await?;
    Ok(rows.into_iter().map(|r| (r.row.archive_id.clone(), r)).collect())
}

/// The words of the texts of these rows, one a line, by id; rows without any are left out.
pub(super) async fn read_words(
    table: &Table,
    g: &Generation,
    rows: impl Iterator<Item = &Stored> + Clone,
) -> Result<HashMap<ArchiveId, String>, IndexError> {
    let keys_of =
        |r: &Stored| -> Vec<Key> { (0..r.word_parts).map(|i| g.part(&r.row.archive_id, &r.token, 't', i)).collect() };
    let parts = read_parts(table, rows.clone().flat_map(keys_of).collect()).await?;
    let damaged = || table.damaged("the words of a text are not whole");
    let mut out = HashMap::new();
    for row in rows.filter(|r| r.word_parts > 0) {
        let mut whole = Vec::new();
        for key in keys_of(row) {
            whole.extend_from_slice(parts.get(&key).ok_or_else(damaged)?);
        }
        let lines = decompress_to_vec_zlib_with_limit(&whole, MOST_BYTES).map_err(|_| damaged())?;
        out.insert(row.row.archive_id.clone(), String::from_utf8(lines).map_err(|_| damaged())?);
    }
    Ok(out)
}

/// The number of a telling, for an expression.
pub(super) fn told(number: u64) -> aws_sdk_dynamodb::types::AttributeValue {
    n(number)
}
