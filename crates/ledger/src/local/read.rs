use super::{
    HeadState, Ledger, LedgerError, LookupKey, TileStore,
    append::Inner,
    tiles::{TreeReader, get_bundle},
};
use crate::{
    Checkpoint, ConsistencyProof, EventError, InclusionProof, LedgerEntry,
    merkle::{self, Node},
    tile::{self, WIDTH},
};
use bytes::Bytes;
use holdfast_model::{ArchiveId, MatterId, Sha256Digest};
use std::ops::Range;

/// Sequences asked for at once from the lookup.
const PAGE: usize = 1000;

impl Ledger {
    /// Entries in the log.
    ///
    /// # Errors
    /// What the head says.
    pub async fn size(&self) -> Result<u64, LedgerError> {
        Ok(self.checkpoint().await?.size())
    }

    /// The newest checkpoint, which covers every entry that was acknowledged.
    ///
    /// # Errors
    /// What the head says.
    pub async fn checkpoint(&self) -> Result<Checkpoint, LedgerError> {
        Ok(self.inner.load().await?.ok_or(LedgerError::HeadLost)?.checkpoint)
    }

    /// One entry.
    ///
    /// # Errors
    /// [`LedgerError::NoSuchEntry`], [`LedgerError::EntryUnreadable`], and what head and store say.
    pub async fn entry(&self, sequence: u64) -> Result<LedgerEntry, LedgerError> {
        self.inner.entry(sequence).await
    }

    /// The entries from `from` on, at most `limit`. MACs and hashes are not checked here; [`Ledger::verify`] does.
    ///
    /// # Errors
    /// [`LedgerError::EntryUnreadable`], and what head and store say.
    pub async fn entries(&self, from: u64, limit: usize) -> Result<Vec<LedgerEntry>, LedgerError> {
        let mut reader = EntryReader::new(&self.inner).await?;
        let to = reader.size().min(from.saturating_add(limit as u64));
        reader.parsed(from..to).await
    }

    /// Every entry about a recording, in order.
    ///
    /// # Errors
    /// As [`Ledger::entries`].
    pub async fn entries_of(&self, recording: &ArchiveId) -> Result<Vec<LedgerEntry>, LedgerError> {
        self.found(&LookupKey::Recording(recording.clone())).await
    }

    /// Every entry of a matter, in order.
    ///
    /// # Errors
    /// As [`Ledger::entries`].
    pub async fn entries_of_matter(&self, matter: &MatterId) -> Result<Vec<LedgerEntry>, LedgerError> {
        self.found(&LookupKey::Matter(matter.clone())).await
    }

    /// The entry with an idempotency token, if it stands.
    ///
    /// # Errors
    /// As [`Ledger::entries`].
    pub async fn entry_with_token(&self, token: &str) -> Result<Option<LedgerEntry>, LedgerError> {
        Ok(self.found(&LookupKey::Token(token.to_owned())).await?.pop())
    }

    /// Intents that no outcome concludes: actions under way, or cut off.
    ///
    /// # Errors
    /// As [`Ledger::entries`].
    pub async fn open_intents(&self) -> Result<Vec<LedgerEntry>, LedgerError> {
        self.found(&LookupKey::OpenIntent).await
    }

    async fn found(&self, key: &LookupKey) -> Result<Vec<LedgerEntry>, LedgerError> {
        let mut sequences: Vec<u64> = Vec::new();
        loop {
            let page = self.inner.head.find(key, sequences.last().copied(), PAGE).await?;
            sequences.extend(&page);
            if page.len() < PAGE {
                break;
            }
        }
        EntryReader::new(&self.inner).await?.parsed(sequences).await
    }

    /// Proof that an entry stands in the log, under the newest checkpoint.
    ///
    /// # Errors
    /// [`LedgerError::NoSuchEntry`]; [`LedgerError::EntryUnreadable`] when what is stored proves nothing any more.
    pub async fn inclusion(&self, sequence: u64) -> Result<InclusionProof, LedgerError> {
        let checkpoint = self.checkpoint().await?;
        self.inclusion_under(sequence, &checkpoint).await
    }

    /// Proof that an entry stands in the log, under a given checkpoint of this log. Proofs that travel together should stand
    /// under one.
    ///
    /// # Errors
    /// As [`Ledger::inclusion`].
    pub async fn inclusion_under(&self, sequence: u64, checkpoint: &Checkpoint) -> Result<InclusionProof, LedgerError> {
        let mut reader = EntryReader::new(&self.inner).await?;
        let size = checkpoint.size().min(reader.size());
        let ranges = merkle::inclusion_nodes(sequence, size).ok_or(LedgerError::NoSuchEntry { sequence, size })?;
        let unreadable = |problem: String| LedgerError::EntryUnreadable { sequence, problem };
        let entry = String::from_utf8(reader.raw(sequence).await?.into()).map_err(|e| unreadable(e.to_string()))?;
        let hashes = self.hashes(&reader, &ranges).await?;
        let proof = InclusionProof { checkpoint: checkpoint.clone(), entry, hashes, index: sequence };
        // Never hand out a proof that does not prove.
        proof.verify(&self.inner.key).map_err(|e| unreadable(e.to_string()))?;
        Ok(proof)
    }

    /// Proof that the log of `from` entries is the beginning of the log of `to` entries.
    ///
    /// # Errors
    /// [`LedgerError::NoSuchEntry`] when `to` is more than there are or less than `from`.
    pub async fn consistency(&self, from: u64, to: u64) -> Result<ConsistencyProof, LedgerError> {
        let reader = EntryReader::new(&self.inner).await?;
        let size = reader.size();
        let ranges = merkle::consistency_nodes(from, to).filter(|_| to <= size);
        let ranges = ranges.ok_or(LedgerError::NoSuchEntry { sequence: to.max(from), size })?;
        Ok(ConsistencyProof { from, hashes: self.hashes(&reader, &ranges).await?, to })
    }

    async fn hashes(&self, reader: &EntryReader<'_>, ranges: &[Vec<Node>]) -> Result<Vec<Sha256Digest>, LedgerError> {
        let mut tree = TreeReader::new(self.inner.tiles.as_ref(), reader.state.tiled, &reader.tail);
        Ok(tree.folded(ranges).await?.into_iter().map(Sha256Digest).collect())
    }

    /// Whether an entry's MAC is the one that this ledger's key makes.
    ///
    /// # Errors
    /// What the keeper of the key says.
    pub fn mac_holds(&self, entry: &LedgerEntry) -> Result<bool, LedgerError> {
        Ok(self.inner.mac.mac(&entry.event.canonical())? == entry.mac)
    }
}

impl Inner {
    pub(super) async fn entry(&self, sequence: u64) -> Result<LedgerEntry, LedgerError> {
        let mut entries = EntryReader::new(self).await?.parsed([sequence]).await?;
        entries.pop().ok_or(LedgerError::Internal("asked for one entry, got none"))
    }
}

/// Reads entries of one moment's log, holding one bundle at a time.
pub(super) struct EntryReader<'a> {
    tiles: &'a dyn TileStore,
    pub(super) state: HeadState,
    pub(super) tail: Vec<Bytes>,
    bundle: Option<(u64, Bytes, Vec<Range<usize>>)>,
}

impl<'a> EntryReader<'a> {
    pub(super) async fn new(inner: &'a Inner) -> Result<Self, LedgerError> {
        let (state, tail) = inner.snapshot().await?;
        Ok(Self { tiles: inner.tiles.as_ref(), state, tail, bundle: None })
    }

    pub(super) fn size(&self) -> u64 {
        self.state.checkpoint.size()
    }

    /// The bytes of one entry.
    pub(super) async fn raw(&mut self, sequence: u64) -> Result<Bytes, LedgerError> {
        if sequence >= self.size() {
            return Err(LedgerError::NoSuchEntry { sequence, size: self.size() });
        }
        let missing = || LedgerError::EntryUnreadable { sequence, problem: "it is not there".into() };
        if let Some(at) = sequence.checked_sub(self.state.tiled) {
            return self.tail.get(at as usize).filter(|e| !e.is_empty()).cloned().ok_or_else(missing);
        }
        let index = sequence / WIDTH;
        if self.bundle.as_ref().is_none_or(|(held, ..)| *held != index) {
            let bytes = get_bundle(self.tiles, index).await?;
            let start = bytes.as_ptr() as usize;
            let range = |e: &&[u8]| e.as_ptr() as usize - start..e.as_ptr() as usize - start + e.len();
            let ranges = tile::read_bundle(&bytes).0.iter().map(range).collect();
            self.bundle = Some((index, bytes, ranges));
        }
        let (_, bytes, ranges) = self.bundle.as_ref().ok_or_else(missing)?;
        ranges.get((sequence % WIDTH) as usize).map(|range| bytes.slice(range.clone())).ok_or_else(missing)
    }

    /// Entries, parsed.
    pub(super) async fn parsed(
        &mut self,
        sequences: impl IntoIterator<Item = u64>,
    ) -> Result<Vec<LedgerEntry>, LedgerError> {
        let mut entries = Vec::new();
        for sequence in sequences {
            let unreadable = |problem: String| LedgerError::EntryUnreadable { sequence, problem };
            let entry = LedgerEntry::parse(&self.raw(sequence).await?).map_err(|e| match e {
                newer @ EventError::FormatUnknown { .. } => LedgerError::from(newer),
                other => unreadable(other.to_string()),
            })?;
            if entry.event.sequence != sequence {
                return Err(unreadable(format!("in its place stands number {}", entry.event.sequence)));
            }
            entries.push(entry);
        }
        Ok(entries)
    }
}
