use super::{
    HeadState, Ledger, LedgerError, LookupKey,
    tiles::{TreeReader, get_bundle, get_hashes},
    verify::placed,
};
use crate::{
    Checkpoint, ConsistencyProof, LedgerEntry,
    merkle::{self, Hash},
    tile::{Tile, WIDTH},
};
use bytes::Bytes;
use holdfast_model::{ArchiveId, Sha256Digest};
use std::collections::BTreeSet;

/// What the ledger holds of one entry, as it lies there and unchecked. A verifier must see what is wrong; an error would hide it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredEntry {
    /// Its number.
    pub index: u64,
    /// Its bytes; none where they are gone.
    pub bytes: Option<Vec<u8>>,
    /// The hash that it must have: from the tile of hashes, or for entries not yet tiled from the entry after it.
    pub leaf: Option<Sha256Digest>,
    /// RFC 6962 audit path under the checkpoint, from the leaf's sibling upwards; empty where the tiles do not give it.
    pub hashes: Vec<Sha256Digest>,
}

impl Ledger {
    /// Everything about a recording as it lies there, with `also` these entries, under the checkpoint that stands now. Nothing is
    /// checked and nothing is left out for being wrong.
    ///
    /// # Errors
    /// [`LedgerError::HeadLost`], or a database or folder that can't be read at all.
    pub async fn evidence_of(
        &self,
        recording: &ArchiveId,
        also: &[u64],
    ) -> Result<(Checkpoint, Vec<StoredEntry>), LedgerError> {
        let mut wanted: BTreeSet<u64> = also.iter().copied().collect();
        let (mut after, key) = (None, LookupKey::Recording(recording.clone()));
        loop {
            let page = self.inner.head.find(&key, after, 1000).await?;
            let Some(last) = page.last() else { break };
            after = Some(*last);
            wanted.extend(page);
        }
        self.evidence(wanted.into_iter()).await
    }

    /// The entries with these numbers as they lie there, like [`Ledger::evidence_of`].
    ///
    /// # Errors
    /// As [`Ledger::evidence_of`].
    pub async fn evidence(
        &self,
        sequences: impl Iterator<Item = u64>,
    ) -> Result<(Checkpoint, Vec<StoredEntry>), LedgerError> {
        let (state, tail) = self.inner.head.snapshot().await?.ok_or(LedgerError::HeadLost)?;
        let leaves = tail_leaves(&state, &tail);
        let mut tree = TreeReader::with_leaves(self.inner.tiles.as_ref(), state.tiled, leaves.clone());
        let (mut stored, mut bundle) = (Vec::new(), None);
        for index in sequences.filter(|s| *s < state.checkpoint.size()) {
            let mut hashes = Vec::new();
            if let Some(ranges) = merkle::inclusion_nodes(index, state.checkpoint.size()) {
                // A tile that is gone or damaged proves nothing; that shows as a proof that does not lead to the root.
                hashes = tree.folded(&ranges).await.unwrap_or_default().into_iter().map(Sha256Digest).collect();
            }
            let (bytes, leaf) = match index.checked_sub(state.tiled) {
                Some(at) => {
                    let at = usize::try_from(at).unwrap_or(usize::MAX);
                    let bytes = tail.get(at).filter(|b| !b.is_empty()).map(|b| b.to_vec());
                    (bytes, leaves.get(at).copied())
                }
                None => (self.bundled(index, &mut bundle).await, self.tiled_leaf(index, &state).await),
            };
            stored.push(StoredEntry { index, bytes, leaf: leaf.map(Sha256Digest), hashes });
        }
        Ok((state.checkpoint, stored))
    }

    /// Proof, as far as what lies there gives one, that the log of `from` entries is the beginning of the log of `to` entries.
    /// None where it can't be, as when there are fewer.
    ///
    /// # Errors
    /// As [`Ledger::evidence_of`].
    pub async fn stored_consistency(&self, from: u64, to: u64) -> Result<Option<ConsistencyProof>, LedgerError> {
        let (state, tail) = self.inner.head.snapshot().await?.ok_or(LedgerError::HeadLost)?;
        let ranges = merkle::consistency_nodes(from, to).filter(|_| to <= state.checkpoint.size());
        let Some(ranges) = ranges else { return Ok(None) };
        let leaves = tail_leaves(&state, &tail);
        let mut tree = TreeReader::with_leaves(self.inner.tiles.as_ref(), state.tiled, leaves);
        let hashes = tree.folded(&ranges).await.ok();
        Ok(hashes.map(|h| ConsistencyProof { from, hashes: h.into_iter().map(Sha256Digest).collect(), to }))
    }

    async fn bundled(&self, index: u64, held: &mut Option<(u64, Bytes)>) -> Option<Vec<u8>> {
        let number = index / WIDTH;
        if held.as_ref().is_none_or(|(n, _)| *n != number) {
            *held = Some((number, get_bundle(self.inner.tiles.as_ref(), number).await.ok()?));
        }
        let (_, bytes) = held.as_ref()?;
        let place = usize::try_from(index % WIDTH).ok()?;
        placed(bytes, number * WIDTH).0.swap_remove(place).map(Into::into)
    }

    async fn tiled_leaf(&self, index: u64, state: &HeadState) -> Option<Hash> {
        let tile = Tile::of_size(0, index / WIDTH, state.tiled)?;
        let hashes = get_hashes(self.inner.tiles.as_ref(), tile).await.ok()?;
        hashes.get(usize::try_from(index % WIDTH).ok()?).copied()
    }
}

/// The hashes of the entries that are not tiled yet. Where they do not lead to the signed root, each entry's hash is taken from
/// the entry after it, which names it: so the entry that was changed shows, and not all the others.
fn tail_leaves(state: &HeadState, tail: &[Bytes]) -> Vec<Hash> {
    let own: Vec<Hash> = tail.iter().map(|entry| merkle::leaf_hash(entry)).collect();
    if own.last().is_none_or(|last| *last == state.last_leaf.0) && names_itself(tail, &own) {
        return own;
    }
    let named = |at: usize| match tail.get(at + 1) {
        Some(next) => LedgerEntry::parse(next).ok().map(|e| e.event.previous.0),
        None => Some(state.last_leaf.0),
    };
    (0..tail.len()).map(|at| named(at).unwrap_or(own[at])).collect()
}

fn names_itself(tail: &[Bytes], own: &[Hash]) -> bool {
    tail.iter().skip(1).zip(own).all(|(next, leaf)| LedgerEntry::parse(next).is_ok_and(|e| e.event.previous.0 == *leaf))
}
