//! The layout of C2SP tlog-tiles: which hashes and entries lie in which object, under which path.

use crate::merkle::{Hash, Node, node_hash};
use std::collections::HashMap;

/// Hashes in a full tile, entries in a full bundle.
pub const WIDTH: u64 = 256;

/// One tile of hashes: `width` hashes from the `index`-th tile of `level`. A hash at level L covers 256^L leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Tile {
    /// 0 holds leaf hashes.
    pub level: u8,
    /// From zero, from the left.
    pub index: u64,
    /// 1 to 256; below 256 the tile is partial.
    pub width: u16,
}

impl Tile {
    /// The tile at `level` and `index` as it is in the tree of `size` leaves; none when it is not there yet.
    #[must_use]
    pub fn of_size(level: u8, index: u64, size: u64) -> Option<Self> {
        let hashes = size.checked_shr(8 * u32::from(level)).unwrap_or(0);
        let width = hashes.checked_sub(index.checked_mul(WIDTH)?)?.min(WIDTH);
        (width > 0).then_some(Self { level, index, width: width as u16 })
    }

    /// Its path: `tile/<level>/<index>[.p/<width>]`.
    #[must_use]
    pub fn path(&self) -> String {
        format!("tile/{}/{}", self.level, indexed(self.index, self.width))
    }

    /// Splits a tile's bytes into hashes; none when the length does not fit the width. A full tile may stand in for a
    /// partial one, of which it is a continuation.
    #[must_use]
    pub fn hashes(&self, bytes: &[u8]) -> Option<Vec<Hash>> {
        let (hashes, rest) = bytes.as_chunks::<32>();
        let fits = hashes.len() == usize::from(self.width) || hashes.len() == WIDTH as usize;
        (rest.is_empty() && fits).then(|| hashes[..usize::from(self.width)].to_vec())
    }

    /// The tile that holds what is needed for `node`, in the tree of `size` leaves of which `node` is a part, and the range
    /// of its hashes that `node` covers.
    #[must_use]
    pub fn of_node(node: Node, size: u64) -> Option<(Self, std::ops::Range<usize>)> {
        let (level, height) = (node.height / 8, node.height % 8);
        let first = node.index << height;
        let tile = Self::of_size(level, first / WIDTH, size)?;
        let start = (first % WIDTH) as usize;
        let range = start..start + (1 << height);
        (range.end <= usize::from(tile.width)).then_some((tile, range))
    }
}

/// Hash of a complete subtree from the hashes at its foot, whose number is a power of two.
#[must_use]
pub fn subtree_root(hashes: &[Hash]) -> Hash {
    let mut row = hashes.to_vec();
    while row.len() > 1 {
        row = row.as_chunks::<2>().0.iter().map(|[left, right]| node_hash(left, right)).collect();
    }
    row.first().copied().unwrap_or(crate::merkle::EMPTY_ROOT)
}

/// Path of the bundle with the entries of the `index`-th level-0 tile: `tile/entries/<index>[.p/<width>]`.
#[must_use]
pub fn bundle_path(index: u64, width: u16) -> String {
    format!("tile/entries/{}", indexed(index, width))
}

/// `x001/x234/067`, with `.p/<width>` when partial.
fn indexed(index: u64, width: u16) -> String {
    let mut path = format!("{:03}", index % 1000);
    let mut rest = index / 1000;
    while rest > 0 {
        path = format!("x{:03}/{path}", rest % 1000);
        rest /= 1000;
    }
    if u64::from(width) == WIDTH { path } else { format!("{path}.p/{width}") }
}

/// Writes a bundle: each entry after its length as a big-endian u16. None when an entry is longer than that can say.
#[must_use]
pub fn write_bundle<B: AsRef<[u8]>>(entries: &[B]) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(entries.iter().map(|e| 2 + e.as_ref().len()).sum());
    for entry in entries {
        bytes.extend_from_slice(&u16::try_from(entry.as_ref().len()).ok()?.to_be_bytes());
        bytes.extend_from_slice(entry.as_ref());
    }
    Some(bytes)
}

/// The entries of a bundle, and whether the bundle ended where its last entry did.
#[must_use]
pub fn read_bundle(bytes: &[u8]) -> (Vec<&[u8]>, bool) {
    let (mut entries, mut rest) = (Vec::new(), bytes);
    while let Some((length, after)) = rest.split_first_chunk::<2>() {
        let Some((entry, after)) = after.split_at_checked(u16::from_be_bytes(*length).into()) else { break };
        entries.push(entry);
        rest = after;
    }
    (entries, rest.is_empty())
}

/// The partial tiles of the tree of `size` leaves at levels above 0, which [`hash_tiles`] continues.
#[must_use]
pub fn upper_edge(size: u64) -> Vec<Tile> {
    (1..8)
        .filter_map(|level| {
            let hashes = size >> (8 * u32::from(level));
            Tile::of_size(level, hashes / WIDTH, size)
        })
        .collect()
}

/// The tiles that `leaves` (hashes) add to a tree of `from` leaves, a multiple of 256: every tile that became full and the
/// partial one at the end of each level. `edge` has the hashes of [`upper_edge`] by level; missing ones count as empty, so
/// it may be left out when no level-0 tile becomes full.
#[must_use]
pub fn hash_tiles(from: u64, leaves: &[Hash], edge: &HashMap<u8, Vec<Hash>>) -> Vec<(Tile, Vec<u8>)> {
    let mut tiles = Vec::new();
    let (mut level, mut before, mut added) = (0u8, from, leaves.to_vec());
    while !added.is_empty() {
        let mut row = if level == 0 { Vec::new() } else { edge.get(&level).cloned().unwrap_or_default() };
        row.append(&mut added);
        for (index, hashes) in (before / WIDTH..).zip(row.chunks(WIDTH as usize)) {
            tiles.push((Tile { level, index, width: hashes.len() as u16 }, hashes.concat()));
            if hashes.len() as u64 == WIDTH {
                added.push(subtree_root(hashes));
            }
        }
        before /= WIDTH;
        level += 1;
    }
    tiles
}

/// The paths of all objects that a reader of the tree of `size` leaves needs and a reader of the tree of `from` leaves does not:
/// full ones and those at the edges, hashes of all levels and entries.
#[must_use]
pub fn objects(from: u64, size: u64) -> Vec<String> {
    let mut paths = Vec::new();
    for level in 0..8u8 {
        let full = |leaves: u64| leaves.checked_shr(8 * u32::from(level)).unwrap_or(0) / WIDTH;
        // At level 0 all leaves count, above it those of full tiles: a partial one comes with the full tiles below it.
        for index in full(from)..=full(size) {
            let Some(tile) = Tile::of_size(level, index, size) else { continue };
            if Tile::of_size(level, index, from) == Some(tile) {
                continue;
            }
            paths.push(tile.path());
            if level == 0 {
                paths.push(bundle_path(index, tile.width));
            }
        }
    }
    paths
}
