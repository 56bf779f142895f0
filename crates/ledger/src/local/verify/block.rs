use super::super::{LedgerError, LookupDigest, TileStore};
use super::{
    LedgerFault,
    history::{HistoryLink, links_of},
};
use crate::{
    EventError, LedgerEntry, Mac,
    merkle::{self, Hash},
    tile::{self, Tile, WIDTH},
};
use bytes::Bytes;
use jiff::Timestamp;

/// Up to 256 entries in a row, as they were read.
pub(super) struct Block {
    /// Sequence of the first.
    pub(super) first: u64,
    /// Their bytes, each in its place.
    pub(super) entries: Vec<Option<Bytes>>,
    /// The hashes that the level-0 tile holds for them; none for entries that the head keeps, or when the tile is lost.
    pub(super) stored: Option<Vec<Hash>>,
    /// The hash that something after the block names as that of its last entry.
    pub(super) after: Option<Hash>,
    /// What was found while reading.
    pub(super) faults: Vec<LedgerFault>,
}

/// What was found in a block, and what joins it to its neighbours.
pub(super) struct BlockReport {
    pub(super) faults: Vec<LedgerFault>,
    /// The leaf hashes that the tree must have been built from, as far as they can be known; zeros where they can't.
    pub(super) leaves: Vec<Hash>,
    /// Previous hash and time of the first entry, if it can be read.
    pub(super) opening: Option<(Hash, Timestamp)>,
    /// Time of the last entry, if it can be read.
    pub(super) last_time: Option<Timestamp>,
    /// The lookup rows of the entries that can be read.
    pub(super) lookup: LookupDigest,
    /// What the entries are about and name as the entry before, in their order.
    pub(super) links: Vec<HistoryLink>,
}

/// One entry, looked at by itself.
struct Look {
    leaf: Hash,
    entry: Option<LedgerEntry>,
    /// It says that it is of a later format, so that neither its MAC nor its content can be looked at.
    newer: bool,
    mac_holds: bool,
    /// It is an entry of its form and claims its own place.
    in_place: bool,
}

impl Block {
    /// Reads the full block with a tile's index.
    pub(super) async fn tiled(tiles: &dyn TileStore, index: u64) -> Result<Self, LedgerError> {
        let tile = Tile { level: 0, index, width: WIDTH as u16 };
        let mut faults = Vec::new();
        let stored = tiles.get(&tile.path()).await?.and_then(|bytes| tile.hashes(&bytes));
        if stored.is_none() {
            faults.push(LedgerFault::TileDamaged { path: tile.path() });
        }
        let path = tile::bundle_path(index, tile.width);
        let bytes = tiles.get(&path).await?;
        let first = index * WIDTH;
        let (entries, whole) = bytes.map_or_else(|| (vec![None; WIDTH as usize], false), |b| placed(&b, first));
        if !whole {
            faults.push(LedgerFault::TileDamaged { path });
        }
        Ok(Self { first, entries, stored, after: None, faults })
    }

    /// Checks every entry, its MAC, its hash in the tile, and the chain inside the block.
    pub(super) fn check(self, mac: &dyn Mac) -> Result<BlockReport, LedgerError> {
        let looks = (self.first..).zip(&self.entries).map(|(sequence, bytes)| match bytes {
            Some(bytes) => look(sequence, bytes, mac).map(Some),
            None => Ok(None),
        });
        let looks = looks.collect::<Result<Vec<_>, _>>()?;
        let mut report = BlockReport {
            faults: self.faults,
            leaves: Vec::with_capacity(looks.len()),
            opening: looks.first().and_then(Option::as_ref).and_then(Look::opening),
            last_time: None,
            lookup: LookupDigest::default(),
            links: Vec::new(),
        };
        let mut tile_differs = false;
        for (at, sequence) in (0..looks.len()).zip(self.first..) {
            let stored = self.stored.as_ref().map(|hashes| hashes[at]);
            // What the next entry, if it can be trusted, says of this one.
            let next = looks.get(at + 1).map_or(self.after, |n| n.as_ref().filter(|n| n.mac_holds)?.previous());
            let leaf = match &looks[at] {
                None => {
                    report.faults.push(LedgerFault::EntryMissing { sequence });
                    stored.or(next).unwrap_or_default()
                }
                Some(look) => {
                    let expected = stored.or(next.filter(|_| !look.mac_holds));
                    let differs = expected.is_some_and(|e| e != look.leaf);
                    // A good MAC speaks for the entry and against the tile, unless the chain speaks against the entry.
                    let trusted = look.mac_holds && look.in_place && (next.is_none() || next != expected);
                    let newer = look.newer && !differs;
                    if newer {
                        report.faults.push(LedgerFault::FormatUnknown { sequence });
                    } else if !look.in_place || differs && !trusted {
                        report.faults.push(LedgerFault::EntryAltered { sequence });
                    }
                    if !look.mac_holds && !newer {
                        report.faults.push(LedgerFault::MacMismatch { sequence });
                    }
                    tile_differs |= differs && trusted;
                    if trusted { look.leaf } else { expected.unwrap_or(look.leaf) }
                }
            };
            report.link(sequence, looks[at].as_ref());
            report.leaves.push(leaf);
        }
        if tile_differs {
            let tile = Tile { level: 0, index: self.first / WIDTH, width: WIDTH as u16 };
            report.faults.push(LedgerFault::TileDamaged { path: tile.path() });
        }
        Ok(report)
    }
}

impl BlockReport {
    /// Checks that an entry follows the one before it in the block, whose leaf was pushed last.
    fn link(&mut self, sequence: u64, look: Option<&Look>) {
        let Some(event) = look.and_then(|l| l.entry.as_ref()).map(|e| &e.event) else { return };
        if let Some(before) = self.leaves.last().filter(|leaf| **leaf != [0; 32])
            && event.previous.0 != *before
        {
            self.faults.push(LedgerFault::ChainBroken { sequence });
        }
        if self.last_time.is_some_and(|last| event.time < last) {
            self.faults.push(LedgerFault::TimeWentBack { sequence });
        }
        self.last_time = Some(event.time);
        self.lookup.add_event(event);
        self.links.extend(links_of(event));
    }
}

impl Look {
    fn previous(&self) -> Option<Hash> {
        self.entry.as_ref().map(|e| e.event.previous.0)
    }

    fn opening(&self) -> Option<(Hash, Timestamp)> {
        self.entry.as_ref().map(|e| (e.event.previous.0, e.event.time))
    }
}

fn look(sequence: u64, bytes: &[u8], mac: &dyn Mac) -> Result<Look, LedgerError> {
    let leaf = merkle::leaf_hash(bytes);
    let (entry, newer) = match LedgerEntry::parse(bytes) {
        Ok(entry) => (Some(entry), false),
        Err(e) => (None, matches!(e, EventError::FormatUnknown { .. })),
    };
    let mac_holds = match &entry {
        // Canonical, so that the event is a part of the bytes as they are.
        Some(entry) => mac.mac(LedgerEntry::maced(bytes))? == entry.mac,
        None => false,
    };
    let in_place = entry.as_ref().is_some_and(|e| e.event.sequence == sequence);
    Ok(Look { leaf, entry, newer, mac_holds, in_place })
}

/// Puts a bundle's entries in their places: as they stand, or, when the bundle does not have just as many as it must, by the
/// number that each claims. Also says whether the bundle was whole.
pub(in crate::local) fn placed(bundle: &Bytes, first: u64) -> (Vec<Option<Bytes>>, bool) {
    let (entries, ended) = tile::read_bundle(bundle);
    if entries.len() as u64 == WIDTH {
        return (entries.into_iter().map(|e| Some(bundle.slice_ref(e))).collect(), ended);
    }
    let mut places = vec![None; WIDTH as usize];
    for bytes in entries {
        let claimed = LedgerEntry::parse(bytes).ok().and_then(|e| e.event.sequence.checked_sub(first));
        if let Some(place) = claimed.and_then(|at| places.get_mut(at as usize))
            && place.is_none()
        {
            *place = Some(bundle.slice_ref(bytes));
        }
    }
    (places, false)
}
