//! Going through pointers in the order of a query: several partitions at once, merged; day after day where there are days.

use super::{
    db::{Item, Range, Table, text},
    definition::SK,
    keys::{Calendar, Generation, day, read_place, time},
    lane::{Lane, fill_all},
};
use crate::{IndexError, Sort, terms::fields::tie, terms::plan::Place};
use holdfast_model::ArchiveId;
use std::collections::VecDeque;

/// Days that are read ahead at most, where days have few rows each.
const DAYS_AHEAD: usize = 16;

/// A row that a pointer leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Candidate {
    pub start: i64,
    pub id: ArchiveId,
}

impl Candidate {
    pub(super) fn place(&self, sort: Sort) -> Place {
        Place::new(sort, self.start, tie(&self.id))
    }
}

/// Partitions whose entries belong into one order: all of a value's, or all of a day's.
type Stage = Vec<Lane<Candidate>>;

/// Candidates in the order of a query.
#[derive(Debug)]
pub(super) struct Walk {
    table: Table,
    generation: Generation,
    sort: Sort,
    /// Starts within `from..to`.
    bounds: (i64, i64),
    after: Option<Place>,
    stages: VecDeque<Stage>,
    days: Option<Lane<(String, u32)>>,
    ahead: usize,
    /// Candidates with the same start, which partitions give in no order of ids.
    equal: Vec<Candidate>,
    ready: VecDeque<Candidate>,
}

impl Walk {
    fn new(table: &Table, generation: &Generation, sort: Sort, bounds: (i64, i64), after: Option<Place>) -> Self {
        let (mut from, mut to) = bounds;
        if let Some(after) = after {
            match sort {
                Sort::Newest => to = to.min((-after.key).saturating_add(1)),
                Sort::Oldest => from = from.max(after.key),
            }
        }
        Self {
            table: table.clone(),
            generation: generation.clone(),
            sort,
            bounds: (from, to),
            after,
            stages: VecDeque::new(),
            days: None,
            ahead: 1,
            equal: Vec::new(),
            ready: VecDeque::new(),
        }
    }

    /// Through some partitions.
    pub(super) fn over(
        table: &Table,
        generation: &Generation,
        partitions: Vec<String>,
        sort: Sort,
        bounds: (i64, i64),
        after: Option<Place>,
    ) -> Self {
        let mut walk = Self::new(table, generation, sort, bounds, after);
        let stage = partitions.into_iter().map(|pk| walk.lane(pk)).collect();
        walk.stages.push_back(stage);
        walk
    }

    /// Through all days.
    pub(super) fn all(
        table: &Table,
        generation: &Generation,
        sort: Sort,
        bounds: (i64, i64),
        after: Option<Place>,
    ) -> Self {
        let mut walk = Self::new(table, generation, sort, bounds, after);
        walk.days = Some(days(generation, Calendar::Start, walk.bounds, walk.forward()));
        walk
    }

    fn forward(&self) -> bool {
        self.sort == Sort::Oldest
    }

    fn lane(&self, pk: String) -> Lane<Candidate> {
        let (low, high) = (time(self.bounds.0), time(self.bounds.1));
        Lane::new(Range { low, high, forward: self.forward(), only: SK, ..Range::all(pk) })
    }

    /// The next ones, about so many, fewer only at the end.
    pub(super) async fn take(&mut self, most: usize) -> Result<Vec<Candidate>, IndexError> {
        while self.ready.len() < most && self.advance().await? {}
        let most = most.min(self.ready.len());
        Ok(self.ready.drain(..most).collect())
    }

    /// One step on; false at the end.
    async fn advance(&mut self) -> Result<bool, IndexError> {
        self.look_ahead().await?;
        let Some(front) = self.stages.front() else {
            self.settle();
            return Ok(false);
        };
        if front.iter().any(Lane::is_hungry) {
            fill_all(&self.table, self.stages.iter_mut().take(self.ahead).flatten(), candidate).await?;
        }
        self.merge();
        Ok(true)
    }

    /// Takes from the first stage as long as each of its partitions has something to compare with.
    fn merge(&mut self) {
        let sort = self.sort;
        while let Some(front) = self.stages.front_mut() {
            if front.iter().any(Lane::is_hungry) {
                return;
            }
            let key = |c: &Candidate| if sort == Sort::Newest { -c.start } else { c.start };
            let best = front.iter_mut().filter(|l| !l.buffer.is_empty()).min_by_key(|l| l.buffer.front().map(key));
            let Some(next) = best.and_then(|lane| lane.buffer.pop_front()) else {
                self.stages.pop_front();
                self.ahead = (self.ahead * 2).min(DAYS_AHEAD);
                self.settle();
                return;
            };
            if self.equal.first().is_some_and(|c| c.start != next.start) {
                self.settle();
            }
            self.equal.push(next);
        }
    }

    fn settle(&mut self) {
        let mut equal = std::mem::take(&mut self.equal);
        equal.sort_by(|a, b| a.id.cmp(&b.id));
        // A value may lead to one row by several names.
        equal.dedup();
        let (sort, after) = (self.sort, self.after);
        self.ready.extend(equal.into_iter().filter(|c| after.is_none_or(|a| c.place(sort) > a)));
    }

    async fn look_ahead(&mut self) -> Result<(), IndexError> {
        while self.stages.len() < self.ahead {
            let Some(days) = &mut self.days else { return Ok(()) };
            days.fill(&self.table, listing).await?;
            let Some((day, shard)) = days.buffer.pop_front() else {
                self.days = None;
                return Ok(());
            };
            let mut shards = vec![shard];
            loop {
                days.fill(&self.table, listing).await?;
                match days.buffer.front() {
                    Some((same, _)) if *same == day => shards.extend(days.buffer.pop_front().map(|(_, s)| s)),
                    _ => break,
                }
            }
            let partitions = shards.into_iter().map(|s| self.generation.day(Calendar::Start, &day, s));
            let stage = partitions.map(|pk| self.lane(pk)).collect::<Vec<_>>();
            self.stages.push_back(stage);
        }
        Ok(())
    }
}

fn days(g: &Generation, calendar: Calendar, (from, to): (i64, i64), forward: bool) -> Lane<(String, u32)> {
    // `$` is the next character after `#`.
    let (low, high) = (format!("{}#", day(from)), format!("{}$", day(to.saturating_sub(1))));
    Lane::new(Range { low, high, forward, only: SK, ..Range::all(g.days(calendar)) })
}

/// The partitions of all days of a calendar within `from..to`.
pub(super) async fn partitions_of_days(
    table: &Table,
    g: &Generation,
    calendar: Calendar,
    bounds: (i64, i64),
    most: usize,
) -> Result<Option<Vec<String>>, IndexError> {
    let mut lane = days(g, calendar, bounds, true);
    let mut out = Vec::new();
    loop {
        lane.fill(table, listing).await?;
        let Some((day, shard)) = lane.buffer.pop_front() else { return Ok(Some(out)) };
        if out.len() == most {
            return Ok(None);
        }
        out.push(g.day(calendar, &day, shard));
    }
}

fn candidate(item: &Item) -> Option<Candidate> {
    read_place(text(item, SK)?).map(|(start, id)| Candidate { start, id })
}

fn listing(item: &Item) -> Option<(String, u32)> {
    let (day, shard) = text(item, SK)?.rsplit_once('#')?;
    Some((day.to_owned(), shard.parse().ok()?))
}
