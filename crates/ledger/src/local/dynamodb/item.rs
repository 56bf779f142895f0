//! What an item looks like.

use super::calls::Table;
use crate::{
    Checkpoint, EventFormat, LedgerEntry,
    local::{HeadState, LedgerError, Staged},
    merkle::Frontier,
    tile,
};
use aws_sdk_dynamodb::{primitives::Blob, types::AttributeValue};
use bytes::Bytes;
use holdfast_model::Sha256Digest;
use jiff::Timestamp;
use std::{collections::HashMap, sync::Arc};

pub(super) type Item = HashMap<String, AttributeValue>;

pub(super) const NONCE_BYTES: usize = 8;
/// The newest format in which entries are written, by its number. The head states its own in `fmt`, absent for the first, so that a
/// version of Holdfast that can't read the entries leaves them alone.
const HEAD_FORMAT: i64 = EventFormat::NEWEST.number() as i64;
/// Swaps that the head remembers, so that one whose answer was lost is recognised: seconds of the busiest log.
const SWAPS_KEPT: usize = 64;
/// Entries of one chunk item in bytes; an item may have 400 KB.
const CHUNK_MAX_BYTES: usize = 320 << 10;

/// The head item.
pub(super) struct Head {
    pub(super) state: HeadState,
    /// Which lookup is in use.
    pub(super) generation: u64,
    /// The lookup that is being made beside it.
    pub(super) building: Option<Building>,
    /// Nonces of the last swaps, newest first.
    pub(super) swaps: Vec<u8>,
    pub(super) pending: Pending,
}

/// A lookup in the making.
#[derive(Debug, Clone, Copy)]
pub(super) struct Building {
    pub(super) generation: u64,
    /// It has all entries before this one.
    pub(super) reached: u64,
}

/// The batch that the head's last swap committed.
#[derive(Clone)]
pub(super) enum Pending {
    /// It is spread out for certain.
    None,
    Inline(Vec<Staged>),
    Chunks {
        id: String,
        count: u32,
    },
}

impl PartialEq for Pending {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::None, Self::None) => true,
            (Self::Chunks { id: a, .. }, Self::Chunks { id: b, .. }) => a == b,
            (Self::Inline(a), Self::Inline(b)) => {
                a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.sequence == b.sequence && a.bytes == b.bytes)
            }
            _ => false,
        }
    }
}

impl Head {
    /// The head that a swap sets.
    pub(super) fn after(before: Option<&Self>, new: HeadState, pending: Pending, swap: [u8; NONCE_BYTES]) -> Self {
        let mut swaps = swap.to_vec();
        swaps.extend(before.iter().flat_map(|h| h.swaps.iter().take((SWAPS_KEPT - 1) * NONCE_BYTES)));
        let tiled = before.map_or(0, |h| h.state.tiled);
        Self {
            state: HeadState { tiled, ..new },
            generation: before.map_or(1, |h| h.generation),
            building: before.and_then(|h| h.building),
            swaps,
            pending,
        }
    }

    pub(super) fn of_item(item: &Item) -> Result<Self, LedgerError> {
        let damaged = |problem| LedgerError::HeadDamaged { problem };
        let found = number(item, "fmt").unwrap_or(1);
        let format = u32::try_from(found).ok().and_then(EventFormat::of_number);
        let Some(format) = format else {
            let found = i64::try_from(found).unwrap_or(i64::MAX);
            return Err(if found > HEAD_FORMAT {
                LedgerError::FormatUnknown { what: "the ledger's head".into(), found, known: HEAD_FORMAT }
            } else {
                damaged("it names a format that never was")
            });
        };
        let checkpoint = text(item, "checkpoint").ok_or(damaged("it has no checkpoint"))?;
        let checkpoint = Checkpoint::parse(checkpoint).map_err(|e| LedgerError::Checkpoint(Arc::new(e)))?;
        let peaks = blob(item, "peaks").ok_or(damaged("it has no right edge"))?;
        let leaf = blob(item, "leaf").and_then(|b| b.try_into().ok()).ok_or(damaged("it names no last entry"))?;
        let time = text_of_number(item, "at_ms").and_then(|t| t.parse().ok()).ok_or(damaged("it has no time"))?;
        let pending = match (blob(item, "batch"), text(item, "chunks")) {
            (Some(bytes), _) => Pending::Inline(unpack(bytes)?),
            (None, Some(id)) => {
                let count = number(item, "chunk_count").and_then(|n| n.try_into().ok());
                Pending::Chunks { id: id.to_owned(), count: count.ok_or(damaged("its batch has no length"))? }
            }
            (None, None) => Pending::None,
        };
        let building = number(item, "building").zip(number(item, "reached"));
        Ok(Self {
            state: HeadState {
                revision: number(item, "revision").ok_or(damaged("it has no revision"))?,
                frontier: Frontier::from_parts(checkpoint.size(), peaks)
                    .ok_or(damaged("right edge of another size"))?,
                last_leaf: Sha256Digest(leaf),
                last_time: Timestamp::from_millisecond(time).map_err(|_| damaged("impossible time"))?,
                tiled: number(item, "tiled").unwrap_or(0),
                format,
                checkpoint,
            },
            generation: number(item, "generation").ok_or(damaged("it names no lookup"))?,
            building: building.map(|(generation, reached)| Building { generation, reached }),
            swaps: blob(item, "swaps").unwrap_or_default().to_vec(),
            pending,
        })
    }

    /// Whether the swap that led to `revision` was this one; none where that is too long ago to tell.
    pub(super) fn swapped_by(&self, revision: u64, swap: [u8; NONCE_BYTES]) -> Option<bool> {
        let Some(back) = self.state.revision.checked_sub(revision) else { return Some(false) };
        let (swaps, _) = self.swaps.as_chunks::<NONCE_BYTES>();
        swaps.get(usize::try_from(back).ok()?).map(|found| *found == swap)
    }
}

pub(super) fn s(text: impl Into<String>) -> AttributeValue {
    AttributeValue::S(text.into())
}

pub(super) fn n(number: impl ToString) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

pub(super) fn b(bytes: impl Into<Vec<u8>>) -> AttributeValue {
    AttributeValue::B(Blob::new(bytes.into()))
}

pub(super) fn text<'a>(item: &'a Item, name: &str) -> Option<&'a str> {
    item.get(name)?.as_s().ok().map(String::as_str)
}

fn text_of_number<'a>(item: &'a Item, name: &str) -> Option<&'a str> {
    item.get(name)?.as_n().ok().map(String::as_str)
}

fn number(item: &Item, name: &str) -> Option<u64> {
    text_of_number(item, name)?.parse().ok()
}

pub(super) fn blob<'a>(item: &'a Item, name: &str) -> Option<&'a [u8]> {
    item.get(name)?.as_b().ok().map(AsRef::as_ref)
}

/// The two keys of an item.
pub(super) fn keys(pk: impl Into<String>, sk: impl Into<String>) -> Item {
    HashMap::from([("pk".to_owned(), s(pk)), ("sk".to_owned(), s(sk))])
}

pub(super) fn entry_key(sequence: u64) -> String {
    format!("e#{sequence:020}")
}

/// An entry, until it lies in a tile.
pub(super) fn entry_item(table: &Table, sequence: u64, bytes: &Bytes) -> Item {
    let mut item = keys(&table.partition, entry_key(sequence));
    item.insert("entry".into(), b(bytes.to_vec()));
    item
}

/// A part of a batch that is too large for the head.
pub(super) fn chunk_item(table: &Table, id: &str, number: usize, bytes: Vec<u8>) -> Item {
    let mut item = keys(table.chunks_partition(), format!("{id}#{number:06}"));
    item.insert("batch".into(), b(bytes));
    item
}

/// The entries of a batch as bundles that fit an item each.
pub(super) fn pack(staged: &[Staged]) -> Result<Vec<Vec<u8>>, LedgerError> {
    let mut chunks: Vec<Vec<u8>> = Vec::new();
    for entry in staged {
        let bundle = tile::write_bundle(std::slice::from_ref(&entry.bytes));
        let bundle = bundle.ok_or(LedgerError::Internal("an entry over 64 KiB"))?;
        match chunks.last_mut().filter(|c| c.len() + bundle.len() <= CHUNK_MAX_BYTES) {
            Some(chunk) => chunk.extend(bundle),
            None => chunks.push(bundle),
        }
    }
    Ok(chunks)
}

/// The batch in a bundle, with what its entries are found under.
pub(super) fn unpack(bytes: &[u8]) -> Result<Vec<Staged>, LedgerError> {
    let (entries, whole) = tile::read_bundle(bytes);
    let damaged = || LedgerError::HeadDamaged { problem: "its last batch can't be read" };
    if !whole {
        return Err(damaged());
    }
    let staged = entries.into_iter().map(|bytes| {
        let entry = LedgerEntry::parse(bytes).map_err(|_| damaged())?;
        Ok(Staged::of(&entry.event, Bytes::copy_from_slice(bytes)))
    });
    staged.collect()
}
