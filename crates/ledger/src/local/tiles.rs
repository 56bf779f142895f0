use super::{HeadState, LedgerError};
use crate::{
    merkle::{self, Frontier, Hash, Node},
    tile::{self, Tile},
};
use async_trait::async_trait;
use bytes::Bytes;
use std::{collections::HashMap, pin::Pin};

/// Where tiles are kept: objects that are written once and never change, and the published checkpoint.
#[async_trait]
pub trait TileStore: Send + Sync {
    /// The object at `path`; none when there is none.
    async fn get(&self, path: &str) -> Result<Option<Bytes>, LedgerError>;

    /// Writes an object, durably and whole. The same bytes again are no error; others are [`LedgerError::TileDiffers`].
    async fn put_new(&self, path: &str, bytes: Bytes) -> Result<(), LedgerError>;

    /// Tells that the object at `path` is full, so that its partial forerunners may go.
    async fn forget_partials(&self, path: &str) -> Result<(), LedgerError>;

    /// Puts a checkpoint's text in the place of the published one, the one object that changes.
    async fn publish(&self, checkpoint: &str) -> Result<(), LedgerError>;

    /// The published checkpoint.
    async fn published(&self) -> Result<Option<String>, LedgerError> {
        let bytes = self.get("checkpoint").await?;
        Ok(bytes.map(|b| String::from_utf8_lossy(&b).into_owned()))
    }
}

/// Gets a tile of hashes: the partial one, or the full one that took its place.
pub(super) async fn get_hashes(tiles: &dyn TileStore, tile: Tile) -> Result<Vec<Hash>, LedgerError> {
    let full = Tile { width: tile::WIDTH as u16, ..tile };
    for path in [tile.path(), full.path()] {
        if let Some(bytes) = tiles.get(&path).await? {
            return tile.hashes(&bytes).ok_or(LedgerError::TileDamaged { path });
        }
    }
    Err(LedgerError::TileDamaged { path: tile.path() })
}

/// Gets a full bundle of entries.
pub(super) async fn get_bundle(tiles: &dyn TileStore, index: u64) -> Result<Bytes, LedgerError> {
    let path = tile::bundle_path(index, tile::WIDTH as u16);
    tiles.get(&path).await?.ok_or(LedgerError::TileDamaged { path })
}

/// Reads the hashes of one moment's tree: those of full tiles from the store, the rest from the head's entries.
pub(super) struct TreeReader<'a> {
    tiles: &'a dyn TileStore,
    tiled: u64,
    tail: Vec<Hash>,
    cache: HashMap<Tile, Vec<Hash>>,
}

impl<'a> TreeReader<'a> {
    pub(super) fn new(tiles: &'a dyn TileStore, tiled: u64, tail: &[Bytes]) -> Self {
        Self::with_leaves(tiles, tiled, tail.iter().map(|entry| merkle::leaf_hash(entry)).collect())
    }

    /// The same where the hashes of the tail's entries are known otherwise.
    pub(super) fn with_leaves(tiles: &'a dyn TileStore, tiled: u64, tail: Vec<Hash>) -> Self {
        Self { tiles, tiled, tail, cache: HashMap::new() }
    }

    /// The hash of a complete subtree.
    pub(super) fn node(&mut self, node: Node) -> Pin<Box<dyn Future<Output = Result<Hash, LedgerError>> + Send + '_>> {
        Box::pin(async move {
            let beyond = LedgerError::Internal("a node beyond the tree");
            if (node.index + 1) << node.height <= self.tiled {
                let (tile, range) = Tile::of_node(node, self.tiled).ok_or(beyond)?;
                if !self.cache.contains_key(&tile) {
                    self.cache.insert(tile, get_hashes(self.tiles, tile).await?);
                }
                return Ok(tile::subtree_root(&self.cache[&tile][range]));
            }
            if node.height == 0 {
                return self.tail.get((node.index - self.tiled) as usize).copied().ok_or(beyond);
            }
            let child = |right| Node { height: node.height - 1, index: 2 * node.index + right };
            let left = self.node(child(0)).await?;
            Ok(merkle::node_hash(&left, &self.node(child(1)).await?))
        })
    }

    /// The hashes that each of `ranges` of complete subtrees folds into.
    pub(super) async fn folded(&mut self, ranges: &[Vec<Node>]) -> Result<Vec<Hash>, LedgerError> {
        let mut out = Vec::with_capacity(ranges.len());
        for range in ranges {
            let mut hashes = Vec::with_capacity(range.len());
            for node in range {
                hashes.push(self.node(*node).await?);
            }
            out.push(merkle::fold(&hashes));
        }
        Ok(out)
    }

    /// The right edge of the tree of the first `size` leaves.
    pub(super) async fn frontier(&mut self, size: u64) -> Result<Frontier, LedgerError> {
        let mut peaks = Vec::new();
        for node in merkle::range_nodes(0, size) {
            peaks.extend(self.node(node).await?);
        }
        Frontier::from_parts(size, &peaks).ok_or(LedgerError::Internal("peaks that do not fit the size"))
    }
}

/// Writes what the head still keeps as far as it fills tiles, and says how many entries are tiled then. Safe to repeat and to
/// do from several processes at once, as every object has one possible content.
pub(super) async fn write_full(tiles: &dyn TileStore, state: &HeadState, tail: &[Bytes]) -> Result<u64, LedgerError> {
    let width = tile::WIDTH as usize;
    let full = tail.len() / width * width;
    if full == 0 {
        return Ok(state.tiled);
    }
    let mut reader = TreeReader::new(tiles, state.tiled, tail);
    let mut frontier = reader.frontier(state.tiled).await?;
    reader.tail.iter().for_each(|leaf| frontier.push(*leaf));
    if frontier.root() != state.checkpoint.root().0 {
        // Never make something immutable that the signed root does not cover.
        return Err(LedgerError::HeadDamaged { problem: "the entries it keeps do not lead to the signed root" });
    }
    let leaves = reader.tail[..full].to_vec();
    let mut edge = HashMap::new();
    for tile in tile::upper_edge(state.tiled) {
        edge.insert(tile.level, get_hashes(tiles, tile).await?);
    }
    write_bundles(tiles, state.tiled, &tail[..full]).await?;
    for (tile, bytes) in tile::hash_tiles(state.tiled, &leaves, &edge) {
        tiles.put_new(&tile.path(), bytes.into()).await?;
    }
    Ok(state.tiled + full as u64)
}

/// Lets go of partial objects that full ones replaced between two sizes.
pub(super) async fn forget_partials(tiles: &dyn TileStore, from: u64, to: u64) -> Result<(), LedgerError> {
    let (mut level, mut lo, mut hi) = (0, from / tile::WIDTH, to / tile::WIDTH);
    while lo < hi {
        for index in lo..hi {
            let full = Tile { level, index, width: tile::WIDTH as u16 };
            tiles.forget_partials(&full.path()).await?;
            if level == 0 {
                tiles.forget_partials(&tile::bundle_path(index, full.width)).await?;
            }
        }
        (level, lo, hi) = (level + 1, lo / tile::WIDTH, hi / tile::WIDTH);
    }
    Ok(())
}

/// Writes the partial objects that a reader of the head's checkpoint needs, when all full ones are there.
pub(super) async fn write_partial(tiles: &dyn TileStore, state: &HeadState, tail: &[Bytes]) -> Result<(), LedgerError> {
    let leaves: Vec<Hash> = tail.iter().map(|entry| merkle::leaf_hash(entry)).collect();
    write_bundles(tiles, state.tiled, tail).await?;
    for (tile, bytes) in tile::hash_tiles(state.tiled, &leaves, &HashMap::new()) {
        tiles.put_new(&tile.path(), bytes.into()).await?;
    }
    Ok(())
}

async fn write_bundles(tiles: &dyn TileStore, from: u64, entries: &[Bytes]) -> Result<(), LedgerError> {
    for (index, bundle) in (from / tile::WIDTH..).zip(entries.chunks(tile::WIDTH as usize)) {
        let bytes = tile::write_bundle(bundle).ok_or(LedgerError::Internal("an entry over 64 KiB"))?;
        tiles.put_new(&tile::bundle_path(index, bundle.len() as u16), bytes.into()).await?;
    }
    Ok(())
}
