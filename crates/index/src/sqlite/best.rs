use super::plan::Place;
use crate::Sort;
use std::collections::BinaryHeap;

/// The first documents of an order, of all that are offered.
pub(super) struct Best {
    sort: Sort,
    after: Option<Place>,
    limit: usize,
    /// Up to `limit` documents and one more, which tells whether there is a next page; the last on top.
    heap: BinaryHeap<(Place, u32)>,
}

impl Best {
    pub(super) fn new(sort: Sort, after: Option<Place>, limit: usize) -> Self {
        Self { sort, after, limit, heap: BinaryHeap::with_capacity(limit + 2) }
    }

    pub(super) fn sort(&self) -> Sort {
        self.sort
    }

    pub(super) fn wants_any(&self) -> bool {
        self.limit > 0
    }

    /// Whether a document whose start lies within the bounds could be among the first.
    pub(super) fn may_take(&self, (least, greatest): (i64, i64)) -> bool {
        let place = |start| Place::new(self.sort, start, 0).key;
        let (first, last) = (place(least).min(place(greatest)), place(least).max(place(greatest)));
        self.after.is_none_or(|a| last >= a.key) && self.worst().is_none_or(|w| first <= w.key)
    }

    /// The last place, once the heap is full.
    fn worst(&self) -> Option<Place> {
        (self.heap.len() > self.limit).then(|| self.heap.peek().map(|(p, _)| *p)).flatten()
    }

    pub(super) fn offer(&mut self, start: i64, tie: i64, doc: u32) {
        let place = Place::new(self.sort, start, tie);
        let late = self.worst().is_some_and(|w| place >= w);
        if self.limit == 0 || late || self.after.is_some_and(|a| place <= a) {
            return;
        }
        self.heap.push((place, doc));
        if self.heap.len() > self.limit + 1 {
            self.heap.pop();
        }
    }

    /// The documents in order, and whether more follow.
    pub(super) fn into_sorted(self) -> (Vec<(Place, u32)>, bool) {
        let mut sorted = self.heap.into_sorted_vec();
        let more = sorted.len() > self.limit;
        sorted.truncate(self.limit);
        (sorted, more)
    }
}
