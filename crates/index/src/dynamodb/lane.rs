//! Reading partitions piece by piece, and several of them as one.

use super::db::{Item, Range, Table};
use crate::IndexError;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use std::collections::VecDeque;

/// Partitions that are read at once.
const AT_ONCE: usize = 16;

/// What is left of one partition.
#[derive(Debug)]
pub(super) struct Lane<T> {
    range: Range,
    from: Option<Item>,
    done: bool,
    pub buffer: VecDeque<T>,
}

impl<T> Lane<T> {
    pub(super) fn new(range: Range) -> Self {
        Self { range, from: None, done: false, buffer: VecDeque::new() }
    }

    /// Whether what comes next is not known yet.
    pub(super) fn is_hungry(&self) -> bool {
        self.buffer.is_empty() && !self.done
    }

    pub(super) async fn fill(&mut self, table: &Table, read: fn(&Item) -> Option<T>) -> Result<(), IndexError> {
        while self.is_hungry() {
            let (items, next) = table.piece(&self.range, self.from.clone()).await?;
            for item in &items {
                let entry = read(item).ok_or_else(|| table.damaged("an item cannot be read"))?;
                self.buffer.push_back(entry);
            }
            self.done = next.is_none();
            self.from = next;
        }
        Ok(())
    }
}

/// Fills those that are hungry, several at once.
pub(super) async fn fill_all<'l, T: Send + 'l>(
    table: &Table,
    lanes: impl Iterator<Item = &'l mut Lane<T>>,
    read: fn(&Item) -> Option<T>,
) -> Result<(), IndexError> {
    let fills: Vec<_> = lanes.filter(|l| l.is_hungry()).map(|lane| lane.fill(table, read)).collect();
    stream::iter(fills).buffer_unordered(AT_ONCE).try_collect::<()>().await
}

/// Several partitions as one, in ascending order; each must be in that order itself.
#[derive(Debug)]
pub(super) struct Merged<T> {
    lanes: Vec<Lane<T>>,
    read: fn(&Item) -> Option<T>,
}

impl<T: Ord + Send> Merged<T> {
    pub(super) fn new(ranges: impl Iterator<Item = Range>, read: fn(&Item) -> Option<T>) -> Self {
        Self { lanes: ranges.map(Lane::new).collect(), read }
    }

    /// The next ones, `most` where there are so many.
    pub(super) async fn take(&mut self, table: &Table, most: usize) -> Result<Vec<T>, IndexError> {
        let mut out = Vec::new();
        while out.len() < most {
            fill_all(table, self.lanes.iter_mut(), self.read).await?;
            let full = self.lanes.iter_mut().filter(|l| !l.buffer.is_empty());
            let first = full.min_by(|a, b| a.buffer.front().cmp(&b.buffer.front()));
            match first.and_then(|l| l.buffer.pop_front()) {
                Some(next) => out.push(next),
                None => break,
            }
        }
        Ok(out)
    }
}
