//! The Merkle tree of RFC 6962, section 2.1: hashes, roots, and proofs with their verification.
//!
//! Proofs are built in two steps, so that nothing here needs to know where hashes are kept: [`inclusion_nodes`] and
//! [`consistency_nodes`] say which complete subtrees make up each hash of a proof, and [`fold`] joins what was fetched.

use sha2::{Digest as _, Sha256};

/// A SHA-256 hash of a leaf, a node or a tree.
pub type Hash = [u8; 32];

/// The root of the tree without leaves: SHA-256 of nothing.
pub const EMPTY_ROOT: Hash = [
    0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9, 0x24, 0x27, 0xae, 0x41,
    0xe4, 0x64, 0x9b, 0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55,
];

/// SHA-256(0x00 || data).
#[must_use]
pub fn leaf_hash(data: &[u8]) -> Hash {
    Sha256::new().chain_update([0]).chain_update(data).finalize().into()
}

/// SHA-256(0x01 || left || right).
#[must_use]
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    Sha256::new().chain_update([1]).chain_update(left).chain_update(right).finalize().into()
}

/// A complete subtree: the `index`-th, from the left, of those over 2^`height` leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Node {
    /// Zero is a leaf.
    pub height: u8,
    /// From zero.
    pub index: u64,
}

/// The complete subtrees that a tree's range of leaves `lo..hi` consists of, from the left. `lo` must be where a subtree of
/// the tree begins, as in RFC 6962's definitions.
#[must_use]
pub fn range_nodes(lo: u64, hi: u64) -> Vec<Node> {
    let mut nodes = Vec::new();
    let mut at = lo;
    while at < hi {
        let height = (hi - at).ilog2();
        nodes.push(Node { height: height as u8, index: at >> height });
        at += 1 << height;
    }
    nodes
}

/// Joins complete subtrees, from the left, into the hash of the range they cover.
#[must_use]
pub fn fold(hashes: &[Hash]) -> Hash {
    let mut right_to_left = hashes.iter().rev().copied();
    let Some(last) = right_to_left.next() else { return EMPTY_ROOT };
    right_to_left.fold(last, |right, left| node_hash(&left, &right))
}

/// Which nodes make up each hash of the proof that leaf `index` is in the tree of `size` leaves, from the leaf upwards;
/// none when there is no such leaf. RFC 6962, section 2.1.1.
#[must_use]
pub fn inclusion_nodes(index: u64, size: u64) -> Option<Vec<Vec<Node>>> {
    if index >= size {
        return None;
    }
    let (mut lo, mut hi, mut path) = (0, size, Vec::new());
    while hi - lo > 1 {
        let split = lo + split(hi - lo);
        if index < split {
            path.push(range_nodes(split, hi));
            hi = split;
        } else {
            path.push(range_nodes(lo, split));
            lo = split;
        }
    }
    path.reverse();
    Some(path)
}

/// Which nodes make up each hash of the proof that the tree of `from` leaves is a prefix of the tree of `to` leaves; none
/// when `from` is larger. RFC 6962, section 2.1.2; the proof from the empty tree is empty.
#[must_use]
pub fn consistency_nodes(from: u64, to: u64) -> Option<Vec<Vec<Node>>> {
    if from > to {
        return None;
    }
    let (mut lo, mut hi, mut path) = (0, to, Vec::new());
    while from > 0 && from != hi {
        let split = lo + split(hi - lo);
        if from <= split {
            path.push(range_nodes(split, hi));
            hi = split;
        } else {
            path.push(range_nodes(lo, split));
            lo = split;
        }
    }
    if from > 0 && lo > 0 {
        path.push(range_nodes(lo, hi));
    }
    path.reverse();
    Some(path)
}

/// The largest power of two below `n`, for `n` above one.
fn split(n: u64) -> u64 {
    1 << (n - 1).ilog2()
}

/// Whether `proof` shows that the leaf with hash `leaf` is at `index` in the tree of `size` leaves with root `root`.
/// RFC 9162, section 2.1.3.2.
#[must_use]
pub fn verify_inclusion(index: u64, size: u64, leaf: &Hash, proof: &[Hash], root: &Hash) -> bool {
    if index >= size {
        return false;
    }
    let (mut at, mut last, mut hash) = (index, size - 1, *leaf);
    for sibling in proof {
        if last == 0 {
            return false;
        }
        if at & 1 == 1 || at == last {
            hash = node_hash(sibling, &hash);
            // A right edge without a sibling at its height goes up unhashed.
            while at & 1 == 0 && at != 0 {
                (at, last) = (at >> 1, last >> 1);
            }
        } else {
            hash = node_hash(&hash, sibling);
        }
        (at, last) = (at >> 1, last >> 1);
    }
    last == 0 && hash == *root
}

/// Whether `proof` shows that the tree of `from` leaves with root `from_root` is a prefix of the tree of `to` leaves with
/// root `to_root`. RFC 9162, section 2.1.4.2; everything begins with the empty tree.
#[must_use]
pub fn verify_consistency(from: u64, from_root: &Hash, to: u64, to_root: &Hash, proof: &[Hash]) -> bool {
    if from > to {
        return false;
    }
    if from == 0 {
        return proof.is_empty() && *from_root == EMPTY_ROOT;
    }
    if from == to {
        return proof.is_empty() && from_root == to_root;
    }
    let (first, rest) = if from.is_power_of_two() {
        (from_root, proof)
    } else if let Some((first, rest)) = proof.split_first() {
        (first, rest)
    } else {
        return false;
    };
    let shift = (from - 1).trailing_ones();
    let (mut at, mut last) = ((from - 1) >> shift, (to - 1) >> shift);
    let (mut old, mut new) = (*first, *first);
    for hash in rest {
        if last == 0 {
            return false;
        }
        if at & 1 == 1 || at == last {
            old = node_hash(hash, &old);
            new = node_hash(hash, &new);
            while at & 1 == 0 && at != 0 {
                (at, last) = (at >> 1, last >> 1);
            }
        } else {
            new = node_hash(&new, hash);
        }
        (at, last) = (at >> 1, last >> 1);
    }
    last == 0 && old == *from_root && new == *to_root
}

/// The right edge of a tree: what is needed to append to it and to know its root, and no more.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    /// The complete subtrees, from the left: one for each 1 bit of `size`.
    peaks: Vec<Hash>,
}

impl Frontier {
    /// From its size and the concatenated hashes that [`Frontier::peaks`] gave; none when their number does not fit.
    #[must_use]
    pub fn from_parts(size: u64, peaks: &[u8]) -> Option<Self> {
        let (hashes, rest) = peaks.as_chunks::<32>();
        (rest.is_empty() && hashes.len() == size.count_ones() as usize).then(|| Self { size, peaks: hashes.to_vec() })
    }

    /// Leaves so far.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The hashes of the complete subtrees, concatenated, from the left.
    #[must_use]
    pub fn peaks(&self) -> Vec<u8> {
        self.peaks.concat()
    }

    /// Appends a leaf by its hash.
    pub fn push(&mut self, leaf: Hash) {
        self.push_subtree(0, leaf);
    }

    /// Appends a complete subtree over 2^`height` leaves, of which the size so far must be a multiple.
    pub(crate) fn push_subtree(&mut self, height: u8, root: Hash) {
        let mut hash = root;
        for _ in 0..(self.size >> height).trailing_ones() {
            if let Some(left) = self.peaks.pop() {
                hash = node_hash(&left, &hash);
            }
        }
        self.peaks.push(hash);
        self.size += 1 << height;
    }

    /// The root of the tree.
    #[must_use]
    pub fn root(&self) -> Hash {
        fold(&self.peaks)
    }
}
