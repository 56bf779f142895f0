//! Under what entries are found: rows that only ever come.
//!
//! A lookup of one generation lies in 16 partitions by the hash of the key, so that no partition takes all writes, and so that
//! the whole of it can be read again for verification without a scan of the table. The sort key is
//! `<kind>#<hash of the key>#<sequence>`: of one length, whatever a token contains.

use super::{
    calls::{Table, Write},
    item::{Item, keys, s, text},
};
use crate::local::{LedgerError, LookupDigest, LookupKey, Staged};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use holdfast_model::Sha256Digest;
use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
};

/// Says that an intent has its outcome; never removed, unlike the row of the open intent.
const CONCLUDED: u8 = 5;
pub(super) const SHARDS: u8 = 16;

/// Partition, and what sort keys under one key begin with.
fn place(table: &Table, generation: u64, kind: u8, key: &str) -> (String, String) {
    let hash = Sha256Digest::of(&[&[kind], key.as_bytes()].concat());
    let shard = hash.0[0] % SHARDS;
    (table.lookup_partition(generation, shard), format!("{kind}#{}", &hash.to_hex()[..32]))
}

fn row_keys(table: &Table, generation: u64, kind: u8, key: &str, sequence: u64) -> (String, String) {
    let (pk, begin) = place(table, generation, kind, key);
    (pk, format!("{begin}#{sequence:020}"))
}

fn sequence_of(sk: &str) -> Option<u64> {
    sk.rsplit_once('#')?.1.parse().ok()
}

/// Writes to be done, the last one to each item only: a request may not name an item twice.
#[derive(Default)]
pub(super) struct Rows(BTreeMap<(String, String), Write>);

impl Rows {
    pub(super) fn put(&mut self, item: Item) {
        let key = |name| text(&item, name).unwrap_or_default().to_owned();
        self.0.insert((key("pk"), key("sk")), Write::Put(item));
    }

    fn row(&mut self, table: &Table, generation: u64, (kind, key): (u8, &str), sequence: u64) {
        let (pk, sk) = row_keys(table, generation, kind, key, sequence);
        let mut item = keys(pk, sk);
        item.insert("key".into(), s(key));
        self.put(item);
    }

    /// All rows of an entry.
    pub(super) fn staged(&mut self, table: &Table, generation: u64, entry: &Staged) {
        for key in &entry.keys {
            self.row(table, generation, key.parts(), entry.sequence);
        }
        if let Some(intent) = entry.concludes {
            self.row(table, generation, (CONCLUDED, &intent.to_string()), intent);
            let (kind, key) = LookupKey::OpenIntent.parts();
            let (pk, sk) = row_keys(table, generation, kind, key, intent);
            self.0.insert((pk.clone(), sk.clone()), Write::Delete(keys(pk, sk)));
        }
    }

    pub(super) fn into_writes(self) -> Vec<Write> {
        self.0.into_values().collect()
    }
}

impl Table {
    /// Sequences in `range` under a key, rising, at most `limit`.
    pub(super) async fn rows(
        &self,
        generation: u64,
        key: &LookupKey,
        range: Range<u64>,
        limit: usize,
    ) -> Result<Vec<u64>, LedgerError> {
        let (kind, text) = key.parts();
        let (pk, begin) = place(self, generation, kind, text);
        let sk = |n: u64| format!("{begin}#{n:020}");
        let items = self.query(&pk, &sk(range.start), &sk(range.end.saturating_sub(1)), Some(limit)).await?;
        Ok(items.iter().filter_map(|i| sequence_of(super::item::text(i, "sk")?)).collect())
    }

    /// The last sequence before `end` under a key.
    pub(super) async fn last_row(
        &self,
        generation: u64,
        key: &LookupKey,
        end: u64,
    ) -> Result<Option<u64>, LedgerError> {
        let (kind, text) = key.parts();
        let (pk, begin) = place(self, generation, kind, text);
        let sk = |n: u64| format!("{begin}#{n:020}");
        let Some(last) = end.checked_sub(1) else { return Ok(None) };
        let item = self.last(&pk, &sk(0), &sk(last)).await?;
        Ok(item.and_then(|i| sequence_of(super::item::text(&i, "sk")?)))
    }

    /// Which of `intents` have their outcome.
    pub(super) async fn concluded(&self, generation: u64, intents: &[u64]) -> Result<BTreeSet<u64>, LedgerError> {
        let wanted = intents.iter().map(|n| {
            let (pk, sk) = row_keys(self, generation, CONCLUDED, &n.to_string(), *n);
            keys(pk, sk)
        });
        let found = self.get_many(wanted.collect()).await?;
        Ok(found.iter().filter_map(|i| sequence_of(text(i, "sk")?)).collect())
    }

    /// The digest of all rows of entries before `size`, read again one by one, but for those of open intents.
    pub(super) async fn lookup_digest(&self, generation: u64, size: u64) -> Result<LookupDigest, LedgerError> {
        let shards = stream::iter(0..SHARDS).map(|shard| async move {
            let mut digest = LookupDigest::default();
            let pk = self.lookup_partition(generation, shard);
            // Kinds 1 to 3: recordings, matters, tokens.
            let mut after = None;
            loop {
                let (items, last) = self.page(&pk, "1", "4", None, after).await?;
                items.iter().for_each(|item| self.add_row(&mut digest, generation, size, item));
                match last {
                    Some(last) => after = Some(last),
                    None => return Ok::<_, LedgerError>(digest),
                }
            }
        });
        let mut all = LookupDigest::default();
        let digests: Vec<LookupDigest> = shards.buffer_unordered(4).try_collect().await?;
        digests.iter().for_each(|d| all.join(d));
        Ok(all)
    }

    fn add_row(&self, digest: &mut LookupDigest, generation: u64, size: u64, item: &Item) {
        let sk = text(item, "sk").unwrap_or_default();
        let kind = sk.bytes().next().map_or(0, |b| b.wrapping_sub(b'0'));
        let (key, sequence) = (text(item, "key").unwrap_or_default(), sequence_of(sk).unwrap_or(0));
        if row_keys(self, generation, kind, key, sequence).1 != sk {
            digest.add(0, sk, sequence); // a row that stands in another's place
        } else if sequence < size {
            digest.add(kind, key, sequence);
        }
    }

    /// Removes lookups that are not in use: older ones, and one whose making was given up. One is kept until the next is made, so
    /// that nobody who reads it now finds it gone.
    pub(super) async fn sweep_lookups(&self, used: u64, building: u64) -> Result<(), LedgerError> {
        for generation in (used.saturating_sub(2)..building).filter(|g| *g != used) {
            for shard in 0..SHARDS {
                self.remove(&self.lookup_partition(generation, shard), "0", "9").await?;
            }
        }
        Ok(())
    }
}
