//! Items of work: their keys, and how they are written and read. A document too long for its item lies in parts beside it.

use super::{
    db::{Item, Key, Table, b, bytes, n, number, s, text},
    definition::{PARENT, STATE_KEY, TIME_KEY},
    keys::time,
};
use crate::{IndexError, Lease, Work, WorkKind};
use holdfast_model::Sha256Digest;
use jiff::Timestamp;
use miniz_oxide::{deflate::compress_to_vec_zlib, inflate::decompress_to_vec_zlib_with_limit};

/// Partitions over which a kind is spread, and each state and parent of it. Fixed: it is part of the keys.
pub(super) const SHARDS: u32 = 8;
/// A document that is longer (compressed) lies in parts, so that 100 items of a transaction stay under its 4 MB.
const INLINE_BYTES: usize = 24 << 10;
const PART_BYTES: usize = 300 << 10;
/// More than any document.
const MOST_BYTES: usize = 256 << 20;
/// Changes of one document while its parts are read, after which reading is given up.
const ATTEMPTS: u32 = 8;

fn shard(id: &str) -> u32 {
    u32::from(Sha256Digest::of(id.as_bytes()).0[0]) % SHARDS
}

/// All partitions of a kind.
pub(super) fn partitions(kind: WorkKind) -> impl Iterator<Item = String> {
    (0..SHARDS).map(move |shard| format!("W#{}#{shard}", kind.as_str()))
}

pub(super) fn key(kind: WorkKind, id: &str) -> Key {
    Key::new(format!("W#{}#{}", kind.as_str(), shard(id)), id)
}

fn of_parent(kind: WorkKind, parent: &str, shard: u32) -> String {
    // Any text is a parent; a key has its bounds.
    let digest = Sha256Digest::of(parent.as_bytes()).to_hex();
    format!("W#{}#OF#{}#{shard}", kind.as_str(), &digest[..32])
}

/// The partitions that list the work of a parent.
pub(super) fn partitions_of_parent(kind: WorkKind, parent: &str) -> impl Iterator<Item = String> {
    (0..SHARDS).map(move |shard| of_parent(kind, parent, shard))
}

/// The entry of a piece of work in its parent's list. It is never taken out: a list looks at the work itself.
pub(super) fn under_parent(work: &Work) -> Option<Key> {
    let parent = work.parent.as_ref()?;
    Some(Key::new(of_parent(work.kind, parent, shard(&work.id)), &work.id))
}

fn in_state(kind: WorkKind, state: &str, shard: u32) -> String {
    format!("W#{}#IN#{state}#{shard}", kind.as_str())
}

/// The partitions of a state in the index of states.
pub(super) fn partitions_of_state(kind: WorkKind, state: &str) -> impl Iterator<Item = String> {
    (0..SHARDS).map(move |shard| in_state(kind, state, shard))
}

/// The partition that lists the states that a kind has had.
pub(super) fn states(kind: WorkKind) -> String {
    format!("W#{}#STATES", kind.as_str())
}

/// The entry of a state there.
pub(super) fn listed_state(kind: WorkKind, state: &str) -> Key {
    Key::new(states(kind), format!("={state}"))
}

/// The state that an entry names.
pub(super) fn read_state(item: &Item) -> Option<String> {
    text(item, "sk")?.strip_prefix('=').map(str::to_owned)
}

/// The time from which a piece of work may be claimed, as the index of states orders it.
pub(super) fn available(due: Option<Timestamp>, lease_until: Option<Timestamp>, id: &str) -> String {
    let at = due.max(lease_until).map_or(i64::MIN, Timestamp::as_millisecond);
    format!("{}#{id}", time(at))
}

/// What `available` of everything that may be claimed at `now` lies before. `$` comes after `#`.
pub(super) fn by(now: Timestamp) -> String {
    format!("{}$", time(now.as_millisecond()))
}

pub(super) fn part(kind: WorkKind, id: &str, token: &str, number: u32) -> Key {
    Key::new(format!("W#{}#P#{}", kind.as_str(), shard(id)), format!("{id}#{token}#{number:04}"))
}

/// The item of a piece of work, and what lies beside it. `token` names this write.
pub(super) fn write(work: &Work, token: &str) -> Result<(Item, Vec<Item>), IndexError> {
    let json = serde_json::to_vec(&work.doc).map_err(|e| IndexError::Internal(e.to_string()))?;
    let doc = compress_to_vec_zlib(&json, 6);
    let ms = |t: Timestamp| n(t.as_millisecond());
    let until = work.lease.as_ref().map(|l| l.until);
    let mut item = key(work.kind, &work.id).item();
    let mut set = |name: &str, value| item.insert(name.to_owned(), value);
    set("st", s(&work.state));
    set("rev", n(work.rev));
    set("ut", ms(work.updated_at));
    set("w", s(token));
    set(STATE_KEY, s(in_state(work.kind, &work.state, shard(&work.id))));
    set(TIME_KEY, s(available(work.due_at, until, &work.id)));
    if let Some(parent) = &work.parent {
        set(PARENT, s(parent));
    }
    if let Some(due) = work.due_at {
        set("due", ms(due));
    }
    if let Some(lease) = &work.lease {
        set("lo", s(&lease.owner));
        set("lu", ms(lease.until));
    }
    let mut parts = Vec::new();
    if doc.len() <= INLINE_BYTES {
        set("d", b(doc));
    } else {
        for (number, piece) in (0..).zip(doc.chunks(PART_BYTES)) {
            let mut part = part(work.kind, &work.id, token, number).item();
            part.insert("d".into(), b(piece.to_vec()));
            parts.push(part);
        }
        set("dn", n(parts.len()));
    }
    Ok((item, parts))
}

/// The keys of the parts of an item.
pub(super) fn part_keys(kind: WorkKind, item: &Item) -> Vec<Key> {
    let (id, token) = (text(item, "sk").unwrap_or_default(), text(item, "w").unwrap_or_default());
    (0..number(item, "dn").unwrap_or(0)).map(|i| part(kind, id, token, i)).collect()
}

/// Reads a piece of work with its parts, again where it changes meanwhile; none where it is not there any more.
pub(super) async fn read(table: &Table, kind: WorkKind, mut item: Item) -> Result<Option<Work>, IndexError> {
    for _ in 0..ATTEMPTS {
        let keys = part_keys(kind, &item);
        if keys.is_empty() {
            return of(table, kind, &item, None).map(Some);
        }
        let count = keys.len();
        let mut parts = table.get_all(keys, "").await?;
        if parts.len() == count {
            parts.sort_by(|a, b| text(a, "sk").cmp(&text(b, "sk")));
            let doc = parts.iter().flat_map(|p| bytes(p, "d").unwrap_or_default()).copied().collect();
            return of(table, kind, &item, Some(doc)).map(Some);
        }
        match table.get(&Key::of(&item)).await? {
            Some(now) => item = now,
            None => return Ok(None),
        }
    }
    Err(table.damaged("parts of a document are not there"))
}

/// Several; in the order of the items.
pub(super) async fn read_all(table: &Table, kind: WorkKind, items: Vec<Item>) -> Result<Vec<Work>, IndexError> {
    let mut out = Vec::with_capacity(items.len());
    for item in items {
        out.extend(read(table, kind, item).await?);
    }
    Ok(out)
}

fn of(table: &Table, kind: WorkKind, item: &Item, doc: Option<Vec<u8>>) -> Result<Work, IndexError> {
    let damaged = |what: &str| table.damaged(format!("an item of work has a wrong {what}"));
    let time = |name: &'static str| {
        let ms: Option<i64> = number(item, name);
        ms.map(Timestamp::from_millisecond).transpose().map_err(|_| damaged(name))
    };
    let doc = doc.or_else(|| bytes(item, "d").map(<[u8]>::to_vec)).ok_or_else(|| damaged("document"))?;
    let json = decompress_to_vec_zlib_with_limit(&doc, MOST_BYTES).map_err(|_| damaged("document"))?;
    let owned = |name: &str| text(item, name).map(str::to_owned);
    Ok(Work {
        kind,
        id: owned("sk").ok_or_else(|| damaged("id"))?,
        parent: owned(PARENT),
        state: owned("st").ok_or_else(|| damaged("state"))?,
        rev: number(item, "rev").ok_or_else(|| damaged("revision"))?,
        due_at: time("due")?,
        lease: match (owned("lo"), time("lu")?) {
            (Some(owner), Some(until)) => Some(Lease { owner, until }),
            _ => None,
        },
        updated_at: time("ut")?.ok_or_else(|| damaged("time"))?,
        doc: serde_json::from_slice(&json).map_err(|_| damaged("document"))?,
    })
}
