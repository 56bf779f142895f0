//! Verification of the whole log: every entry, MAC and link of the chain, every tile, the signed root, and that nothing was
//! rolled back. Blocks of 256 entries are checked on all cores and stitched together in order, in constant memory.

mod block;
mod fault;
mod history;

use super::{HeadState, Ledger, LedgerError, LookupDigest, TileStore, append::Inner};
use crate::{
    Checkpoint, LedgerEntry,
    merkle::{Frontier, Hash},
    tile::{self, Tile, WIDTH},
};
pub(super) use block::placed;
use block::{Block, BlockReport};
use bytes::Bytes;
pub use fault::LedgerFault;
use history::Histories;
use holdfast_model::{Cancel, Progress, ProgressSink};
use std::{collections::VecDeque, sync::Arc};
use tokio::task::JoinHandle;

/// Faults that are kept in full; beyond them they are counted.
const FAULTS_MAX: usize = 1000;

/// What verifying the whole log found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerReport {
    /// Entries that were checked.
    pub entries: u64,
    /// The head's checkpoint, when it could be read. Remember it outside the log when [`LedgerReport::is_intact`].
    pub checkpoint: Option<Checkpoint>,
    /// Signed roots that the entries were compared with: the head's, the published one, and those remembered outside.
    pub roots_compared: usize,
    /// Entries whose place in the history of their matter and recording was not checked, as there are too many of these.
    pub histories_not_checked: u64,
    /// What does not hold, in the order of the log; the first thousand.
    pub faults: Vec<LedgerFault>,
    /// How many there are in all.
    pub fault_count: u64,
}

impl LedgerReport {
    /// Whether everything holds.
    #[must_use]
    pub fn is_intact(&self) -> bool {
        self.fault_count == 0
    }

    fn add(&mut self, faults: impl IntoIterator<Item = LedgerFault>) {
        for fault in faults {
            self.fault_count += 1;
            if self.faults.len() < FAULTS_MAX {
                self.faults.push(fault);
            }
        }
    }
}

impl Ledger {
    /// Verifies everything, against the checkpoints in `known` too, which the caller remembered in another place: what was
    /// rolled back or rewritten as a whole shows by nothing else.
    ///
    /// # Errors
    /// Only when verification itself can't be done: [`LedgerError::Cancelled`], an unreadable disk, a key that can't be
    /// used. What is wrong with the log is in the report.
    pub async fn verify(
        &self,
        known: &[Checkpoint],
        progress: &dyn ProgressSink,
        cancel: &Cancel,
    ) -> Result<LedgerReport, LedgerError> {
        let mut report = LedgerReport {
            entries: 0,
            checkpoint: None,
            roots_compared: 0,
            histories_not_checked: 0,
            faults: Vec::new(),
            fault_count: 0,
        };
        let inner = &self.inner;
        // Before the head: what is published meanwhile by others must not look like a head that went back.
        let published = inner.tiles.published().await?;
        let (state, tail) = match inner.head.snapshot().await {
            Ok(Some(found)) => found,
            Ok(None) => {
                report.add([LedgerFault::HeadDamaged { problem: "there is no head".into() }]);
                report.add(known.iter().map(|k| LedgerFault::RolledBack { known_size: k.size(), size: 0 }));
                return Ok(report);
            }
            Err(e @ (LedgerError::Checkpoint(_) | LedgerError::HeadDamaged { .. })) => {
                report.add([LedgerFault::HeadDamaged { problem: e.to_string() }]);
                return Ok(report);
            }
            Err(e) => return Err(e),
        };
        let size = state.checkpoint.size();
        report.entries = size;
        report.checkpoint = Some(state.checkpoint.clone());
        if state.tiled > size || !state.tiled.is_multiple_of(WIDTH) {
            report.add([LedgerFault::HeadDamaged { problem: "it names an impossible number of tiled entries".into() }]);
            return Ok(report);
        }
        let roots = signed_roots(inner, &state.checkpoint, published, known, &mut report);
        report.roots_compared = roots.len();
        let head = inner.head.clone();
        let lookup = tokio::spawn(async move { head.lookup_digest(size).await });
        let mut walk = Walk {
            inner,
            state: &state,
            roots,
            frontier: Frontier::default(),
            upper: Vec::new(),
            last: None,
            lookup: LookupDigest::default(),
            histories: Histories::default(),
        };
        walk.blocks(&tail, &mut report, progress, cancel).await?;
        walk.finish(&tail, &mut report).await?;
        report.histories_not_checked = walk.histories.left_out;
        // An entry that is missing or altered has its own fault; what comes after it then names an entry that was not seen.
        if report.is_intact() {
            report.add(walk.histories.faults);
        }
        let lookup = lookup.await.map_err(|_| LedgerError::Internal("reading the lookup panicked"))??;
        // Rows of entries that can't be read can't be told.
        if report.is_intact() && lookup.is_some_and(|found| found != walk.lookup) {
            report.add([LedgerFault::LookupDiffers]);
        }
        Ok(report)
    }
}

/// The sizes and roots that the entries must lead to, by rising size. Checkpoints that are not good, or go beyond the head,
/// are faults by themselves.
fn signed_roots(
    inner: &Inner,
    head: &Checkpoint,
    published: Option<String>,
    known: &[Checkpoint],
    report: &mut LedgerReport,
) -> Vec<(u64, Hash)> {
    let mut checkpoints = vec![("head", head.clone())];
    match published.map(|text| Checkpoint::parse(&text)) {
        Some(Ok(published)) => checkpoints.push(("published", published)),
        Some(Err(_)) => report.add([LedgerFault::CheckpointSignature { which: "published".into() }]),
        None => {}
    }
    checkpoints.extend(known.iter().map(|k| ("remembered", k.clone())));
    let mut roots = Vec::new();
    for (which, checkpoint) in checkpoints {
        if checkpoint.verify(&inner.key).is_err() {
            report.add([LedgerFault::CheckpointSignature { which: which.into() }]);
        } else if checkpoint.size() > head.size() {
            report.add([LedgerFault::RolledBack { known_size: checkpoint.size(), size: head.size() }]);
        } else {
            roots.push((checkpoint.size(), checkpoint.root().0));
        }
    }
    roots.sort_unstable();
    roots.dedup();
    roots
}

/// The last entry that the walk came by.
struct Last {
    leaf: Hash,
    time: Option<jiff::Timestamp>,
}

/// Goes through the log in order.
struct Walk<'a> {
    inner: &'a Inner,
    state: &'a HeadState,
    roots: Vec<(u64, Hash)>,
    frontier: Frontier,
    /// Rows of hashes that do not yet fill a tile, from level 1 up.
    upper: Vec<Vec<Hash>>,
    last: Option<Last>,
    lookup: LookupDigest,
    histories: Histories,
}

impl Walk<'_> {
    async fn blocks(
        &mut self,
        tail: &[Bytes],
        report: &mut LedgerReport,
        progress: &dyn ProgressSink,
        cancel: &Cancel,
    ) -> Result<(), LedgerError> {
        let (tiled, size) = (self.state.tiled, self.state.checkpoint.size());
        let ahead = 2 * std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
        let mut running: VecDeque<JoinHandle<Result<BlockReport, LedgerError>>> = VecDeque::new();
        let mut next = 0;
        while next < size || !running.is_empty() {
            if cancel.is_cancelled() {
                return Err(LedgerError::Cancelled);
            }
            while next < size && running.len() < ahead {
                let mac = self.inner.mac.clone();
                running.push_back(if next < tiled {
                    let (tiles, index) = (self.inner.tiles.clone(), next / WIDTH);
                    tokio::spawn(async move { on_core(Block::tiled(tiles.as_ref(), index).await?, mac).await })
                } else {
                    let block = self.tail_block(next, tail);
                    tokio::spawn(on_core(block, mac))
                });
                next = size.min(next + WIDTH);
            }
            if let Some(block) = running.pop_front() {
                let block = block.await.map_err(|_| LedgerError::Internal("a block's check panicked"))??;
                self.stitch(block, report).await?;
                let done = self.frontier.size();
                progress.report(Progress {
                    stage: "Verifying the ledger".into(),
                    done,
                    total: Some(size),
                    unit: "entries",
                });
            }
        }
        Ok(())
    }

    fn tail_block(&self, first: u64, tail: &[Bytes]) -> Block {
        let size = self.state.checkpoint.size();
        let count = WIDTH.min(size - first) as usize;
        let start = (first - self.state.tiled) as usize;
        let entries = (start..start + count).map(|at| tail.get(at).filter(|e| !e.is_empty()).cloned()).collect();
        let after = match tail.get(start + count) {
            Some(next) => LedgerEntry::parse(next).ok().map(|e| e.event.previous.0),
            None => Some(self.state.last_leaf.0),
        };
        Block { first, entries, stored: None, after, faults: Vec::new() }
    }

    /// Joins a block to what came before it.
    async fn stitch(&mut self, block: BlockReport, report: &mut LedgerReport) -> Result<(), LedgerError> {
        if let Some((previous, time)) = block.opening {
            let sequence = self.frontier.size();
            let (leaf, last_time) = self.last.as_ref().map_or(([0; 32], None), |l| (l.leaf, l.time));
            // What follows an entry that is lost without a trace of its hash can't be compared with it.
            let unknown = self.last.as_ref().is_some_and(|l| l.leaf == [0; 32]);
            report.add((previous != leaf && !unknown).then_some(LedgerFault::ChainBroken { sequence }));
            report.add(last_time.filter(|last| time < *last).map(|_| LedgerFault::TimeWentBack { sequence }));
        }
        report.add(block.faults);
        self.histories.follow(block.links);
        self.lookup.join(&block.lookup);
        let before = self.frontier.clone();
        let full = (block.leaves.len() as u64 == WIDTH).then(|| tile::subtree_root(&block.leaves));
        match full {
            Some(root) => self.frontier.push_subtree(8, root),
            None => block.leaves.iter().for_each(|leaf| self.frontier.push(*leaf)),
        }
        self.compare_roots(before, &block.leaves, report);
        if let Some(leaf) = block.leaves.last() {
            self.last = Some(Last { leaf: *leaf, time: block.last_time.or(self.last.as_ref().and_then(|l| l.time)) });
        }
        if let Some(root) = full.filter(|_| self.frontier.size() <= self.state.tiled) {
            self.rise(root, report).await?;
        }
        Ok(())
    }

    /// Compares the signed roots whose sizes lie in the block just joined.
    fn compare_roots(&self, before: Frontier, leaves: &[Hash], report: &mut LedgerReport) {
        let from = before.size();
        let mut at = before;
        for (size, root) in self.roots.iter().filter(|(size, _)| *size > from && *size <= self.frontier.size()) {
            let known = if *size == self.frontier.size() {
                self.frontier.root()
            } else {
                leaves[(at.size() - from) as usize..(size - from) as usize].iter().for_each(|leaf| at.push(*leaf));
                at.root()
            };
            report.add((known != *root).then_some(LedgerFault::Inconsistent { size: *size }));
        }
    }

    /// Adds a full level-0 tile's root to the levels above, and compares each tile that it fills.
    async fn rise(&mut self, root: Hash, report: &mut LedgerReport) -> Result<(), LedgerError> {
        let mut hash = root;
        for level in 1..8u8 {
            let row = usize::from(level) - 1;
            if self.upper.len() == row {
                self.upper.push(Vec::new());
            }
            self.upper[row].push(hash);
            if (self.upper[row].len() as u64) < WIDTH {
                break;
            }
            let hashes = std::mem::take(&mut self.upper[row]);
            let index = (self.frontier.size() >> (8 * u32::from(level) + 8)) - 1;
            compare_tile(self.inner.tiles.as_ref(), Tile { level, index, width: WIDTH as u16 }, &hashes, report)
                .await?;
            hash = tile::subtree_root(&hashes);
        }
        Ok(())
    }

    /// What can be compared at the end only: partial tiles, the head's own parts, entries that it keeps beyond its size.
    async fn finish(&mut self, tail: &[Bytes], report: &mut LedgerReport) -> Result<(), LedgerError> {
        let state = self.state;
        for tile in tile::upper_edge(state.tiled) {
            let hashes = self.upper.get(usize::from(tile.level) - 1).cloned().unwrap_or_default();
            compare_tile(self.inner.tiles.as_ref(), tile, &hashes, report).await?;
        }
        let mut damaged = |problem: &str| report.add([LedgerFault::HeadDamaged { problem: problem.into() }]);
        if tail.len() as u64 > state.checkpoint.size() - state.tiled {
            damaged("it keeps entries beyond its signed size");
        }
        if state.frontier.root() != state.checkpoint.root().0 {
            damaged("its right edge does not lead to the signed root");
        }
        let last = self.last.as_ref().filter(|l| l.leaf != [0; 32]);
        if last.is_some_and(|l| l.leaf != state.last_leaf.0) {
            damaged("it names another entry as the last");
        }
        if last.and_then(|l| l.time).is_some_and(|time| time.as_millisecond() != state.last_time.as_millisecond()) {
            damaged("it names another time as that of the last entry");
        }
        Ok(())
    }
}

/// Compares a tile with the hashes that it must hold. A partial one may have gone once the full one is there.
async fn compare_tile(
    tiles: &dyn TileStore,
    tile: Tile,
    hashes: &[Hash],
    report: &mut LedgerReport,
) -> Result<(), LedgerError> {
    match super::tiles::get_hashes(tiles, tile).await {
        Ok(stored) if stored == hashes => {}
        Ok(_) => report.add([LedgerFault::TileDamaged { path: tile.path() }]),
        Err(LedgerError::TileDamaged { path }) => report.add([LedgerFault::TileDamaged { path }]),
        Err(e) => return Err(e),
    }
    Ok(())
}

async fn on_core(block: Block, mac: Arc<dyn crate::Mac>) -> Result<BlockReport, LedgerError> {
    tokio::task::spawn_blocking(move || block.check(mac.as_ref()))
        .await
        .map_err(|_| LedgerError::Internal("a block's check panicked"))?
}
