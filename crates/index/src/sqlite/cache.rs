use super::{
    entry::Entry,
    fields::{Field, Number},
};
use roaring::RoaringBitmap;
use std::{collections::HashMap, sync::Arc};

/// The numbers of the sealed documents of one chunk.
#[derive(Debug)]
pub(super) struct Column {
    pub values: Vec<i64>,
}

/// The values of one facet field among the sealed documents of one chunk.
#[derive(Debug)]
pub(super) struct FacetBlock {
    pub values: Vec<(Box<str>, RoaringBitmap)>,
}

/// Documents that are not in postings yet, in order.
#[derive(Debug, Clone, Default)]
pub(super) struct Tail {
    pub generation: i64,
    pub sealed: u32,
    pub changes: i64,
    pub entries: Vec<Arc<Entry>>,
}

/// What was read: a column or a facet block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Part {
    Column(Number),
    Facet(Field),
}

#[derive(Debug, Clone)]
pub(super) enum Decoded {
    Column(Arc<Column>),
    Facet(Arc<FacetBlock>),
}

impl Decoded {
    fn bytes(&self) -> usize {
        match self {
            Self::Column(c) => c.values.len() * 8,
            // Measured: a small bitmap costs about 120 bytes beside its documents.
            Self::Facet(b) => b.values.iter().map(|(v, d)| v.len() + 120 + d.serialized_size()).sum(),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    generation: i64,
    chunk: u32,
    part: Part,
}

#[derive(Debug, Clone)]
struct Slot {
    /// How many documents of the chunk were sealed when it was read. Sealed documents never change in what is kept here, so
    /// the number says whether it still holds.
    documents: u32,
    decoded: Decoded,
}

/// Decoded parts, bounded: when the young ones fill half the bound, they become the old ones, and the old ones that nobody
/// asked for meanwhile go.
#[derive(Debug)]
pub(super) struct Cache {
    half_bytes: usize,
    young_bytes: usize,
    young: HashMap<Key, Slot>,
    old: HashMap<Key, Slot>,
    pub tail: Arc<Tail>,
}

impl Cache {
    pub(super) fn new(bound_bytes: usize) -> Self {
        Self {
            half_bytes: bound_bytes / 2,
            young_bytes: 0,
            young: HashMap::new(),
            old: HashMap::new(),
            tail: Arc::default(),
        }
    }

    pub(super) fn get(&mut self, generation: i64, chunk: u32, part: Part, documents: u32) -> Option<Decoded> {
        let key = Key { generation, chunk, part };
        if let Some(slot) = self.young.get(&key) {
            return (slot.documents == documents).then(|| slot.decoded.clone());
        }
        let slot = self.old.remove(&key)?;
        let found = (slot.documents == documents).then(|| slot.decoded.clone());
        self.insert(key, slot);
        found
    }

    pub(super) fn put(&mut self, generation: i64, chunk: u32, part: Part, documents: u32, decoded: Decoded) {
        let key = Key { generation, chunk, part };
        // A reader on an older snapshot does not push out what a newer one read.
        if self.young.get(&key).is_none_or(|s| s.documents < documents) {
            self.insert(key, Slot { documents, decoded });
        }
    }

    fn insert(&mut self, key: Key, slot: Slot) {
        self.young_bytes += slot.decoded.bytes();
        if let Some(before) = self.young.insert(key, slot) {
            self.young_bytes = self.young_bytes.saturating_sub(before.decoded.bytes());
        }
        if self.young_bytes > self.half_bytes {
            self.old = std::mem::take(&mut self.young);
            self.young_bytes = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(n: usize) -> Decoded {
        Decoded::Column(Arc::new(Column { values: vec![0; n] }))
    }

    #[test]
    fn memory_is_bounded_and_a_stale_part_is_not_given() {
        let part = Part::Column(Number::Start);
        let mut cache = Cache::new(16_000);
        for chunk in 0..100 {
            cache.put(1, chunk, part, 100, column(100));
        }
        let kept = (0..100).filter(|c| cache.get(1, *c, part, 100).is_some()).count();
        assert!((1..=21).contains(&kept), "{kept}");
        assert!(cache.get(1, 99, part, 101).is_none());
        cache.put(1, 99, part, 101, column(101));
        cache.put(1, 99, part, 50, column(50));
        assert!(cache.get(1, 99, part, 101).is_some());
    }
}
