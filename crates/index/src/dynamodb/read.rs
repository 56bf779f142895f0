//! Search and facets: the best way in for a query, and the rest of it on what lies there.

use super::{
    db::Table,
    index::{Inner, Reach},
    keys::{Calendar, Generation, PATHS},
    meta::Meta,
    row::{Stored, read_rows, read_words},
    walk::{Candidate, Walk, partitions_of_days},
};
use crate::{
    Facets, IndexError, IndexRow, MAX_LIMIT, Page, Query, Sort,
    terms::{
        entry::Entry,
        fields::{FACETS, Field, Number, Terms},
        plan::{Node, Place, read_cursor, write_cursor},
    },
};
use holdfast_model::ArchiveId;
use std::collections::{BTreeMap, HashMap};

/// Candidates that are looked at in one go.
const BATCH: usize = 400;
/// Values listed for each facet.
const FACET_VALUES: usize = 20;
/// Days (and shards of them) of ends of retention that are gone into; more is no way in.
const UNTIL_PARTITIONS: usize = 512;

/// A recording that matches.
struct Match {
    place: Place,
    row: IndexRow,
    entry: Entry,
    labels: Vec<(Field, String, String)>,
}

/// A question against one generation.
pub(super) struct Question<'a> {
    table: &'a Table,
    g: Generation,
    salt: Vec<u8>,
    reach: Reach,
    query: &'a Query,
    node: Node,
    /// Whether words are asked for.
    words: bool,
}

/// Where candidates come from.
enum Source {
    Walk(Box<Walk>),
    /// Few, in order.
    Here(std::vec::IntoIter<Candidate>),
}

impl Source {
    async fn take(&mut self, most: usize) -> Result<Vec<Candidate>, IndexError> {
        match self {
            Self::Walk(walk) => walk.take(most).await,
            Self::Here(rest) => Ok(rest.by_ref().take(most).collect()),
        }
    }
}

impl<'a> Question<'a> {
    pub(super) fn new(inner: &'a Inner, meta: &Meta, query: &'a Query) -> Result<Self, IndexError> {
        let node = Node::of(query)?;
        Ok(Self {
            table: &inner.table,
            g: meta.live.clone(),
            salt: meta.salt.clone(),
            reach: inner.reach,
            query,
            words: asks_words(&node),
            node,
        })
    }

    pub(super) async fn search(&self) -> Result<Page, IndexError> {
        let cursor = read_cursor(self.query)?;
        let after = cursor.map(|(place, _)| place);
        // The pages after the first repeat what it counted: total, and whether that is all.
        let known = cursor.and_then(|(_, known)| known);
        let limit = self.query.limit.min(MAX_LIMIT);
        let mut source = self.source(self.query.sort, after).await?;
        let (mut found, mut matched, mut seen, mut last) = (Vec::new(), 0u64, 0, None);
        let exhausted = loop {
            let page_is_full = limit == 0 || found.len() > limit;
            let counted = known.is_some() || seen >= self.reach.exact_within;
            if (page_is_full && counted) || seen >= self.reach.at_most {
                break false;
            }
            // A page of what all matches needs little; a count needs much.
            let most = if known.is_some() && seen == 0 { (limit + 1).clamp(1, BATCH) } else { BATCH };
            let candidates = source.take(most).await?;
            let Some(end) = candidates.last() else { break true };
            last = Some(end.place(self.query.sort));
            seen += candidates.len();
            for m in self.matching(candidates).await? {
                matched += 1;
                if limit > 0 && found.len() <= limit {
                    found.push(m);
                }
            }
        };
        let known = known.unwrap_or(matched << 1 | u64::from(exhausted));
        let next = if limit > 0 && found.len() > limit {
            found.truncate(limit);
            found.last().map(|m| m.place)
        } else if exhausted || limit == 0 {
            None
        } else {
            last
        };
        Ok(Page {
            rows: found.into_iter().map(|m| m.row).collect(),
            total: known >> 1,
            total_is_exact: known & 1 == 1,
            next: next.map(|place| write_cursor(self.query, place, Some(known))).transpose()?,
        })
    }

    pub(super) async fn facets(&self) -> Result<Facets, IndexError> {
        let mut source = self.source(Sort::Newest, None).await?;
        let mut counts: [BTreeMap<String, (u64, Option<String>)>; FACETS.len()] = Default::default();
        let mut seen = 0;
        let complete = loop {
            if seen >= self.reach.exact_within {
                break false;
            }
            let candidates = source.take(BATCH).await?;
            if candidates.is_empty() {
                break true;
            }
            seen += candidates.len();
            for m in self.matching(candidates).await? {
                for (field, counts) in FACETS.into_iter().zip(&mut counts) {
                    for value in m.entry.values(field) {
                        counts.entry(value.to_owned()).or_default().0 += 1;
                    }
                    for (_, value, label) in m.labels.iter().filter(|(f, ..)| *f == field) {
                        let known = &mut counts.entry(value.clone()).or_default().1;
                        if known.as_ref().is_none_or(|k| label < k) {
                            *known = Some(label.clone());
                        }
                    }
                }
            }
        };
        let mut lists = counts.into_iter().map(most_frequent);
        let mut next = || lists.next().unwrap_or_default();
        Ok(Facets {
            vendor: next(),
            media: next(),
            queue: next(),
            agent: next(),
            tag: next(),
            tier: next(),
            direction: next(),
            year: next(),
            complete,
        })
    }

    /// All that match, where few have to be looked at; the first of them otherwise.
    pub(super) async fn few(&self) -> Result<Vec<IndexRow>, IndexError> {
        let mut source = self.source(Sort::Newest, None).await?;
        let (mut out, mut seen) = (Vec::new(), 0);
        while seen < self.reach.at_most {
            let candidates = source.take(BATCH).await?;
            if candidates.is_empty() {
                break;
            }
            seen += candidates.len();
            out.extend(self.matching(candidates).await?.into_iter().map(|m| m.row));
        }
        Ok(out)
    }

    /// What the conditions on starts leave.
    fn bounds(&self) -> (i64, i64) {
        self.range(Number::Start).unwrap_or((i64::MIN + 1, i64::MAX))
    }

    fn range(&self, wanted: Number) -> Option<(i64, i64)> {
        let Node::Every(nodes) = &self.node else { return None };
        nodes.iter().find_map(|n| match n {
            Node::Within(number, from, to) if *number == wanted => Some((*from, *to)),
            _ => None,
        })
    }

    /// The value that leads to the fewest rows by its nature.
    fn value(&self) -> Option<(Field, &str)> {
        let Node::Every(nodes) = &self.node else { return None };
        let asked = |field: Field| {
            nodes.iter().find_map(|n| match n {
                Node::Has(f, value) if *f == field => Some((field, value.as_str())),
                _ => None,
            })
        };
        // Who is an agent is a participant.
        let agent = || asked(Field::Agent).map(|(_, value)| (Field::Participant, value));
        PATHS.into_iter().find_map(|f| asked(f).or_else(|| if f == Field::Participant { agent() } else { None }))
    }

    /// The best way in.
    async fn source(&self, sort: Sort, after: Option<Place>) -> Result<Source, IndexError> {
        let (table, g, bounds) = (self.table, &self.g, self.bounds());
        if !self.query.ids.is_empty() {
            return Ok(Source::Here(self.named(sort, after).await?.into_iter()));
        }
        if let Some((field, value)) = self.value() {
            let partitions = (0..g.spread(field)).map(|shard| g.value(&self.salt, field, value, shard)).collect();
            return Ok(Source::Walk(Box::new(Walk::over(table, g, partitions, sort, bounds, after))));
        }
        if let Some(until) = self.range(Number::RetainUntil)
            && let Some(here) = self.ending(until, sort, after).await?
        {
            return Ok(Source::Here(here.into_iter()));
        }
        Ok(Source::Walk(Box::new(Walk::all(table, g, sort, bounds, after))))
    }

    /// Those that the query's ids name.
    async fn named(&self, sort: Sort, after: Option<Place>) -> Result<Vec<Candidate>, IndexError> {
        let rows = read_rows(self.table, &self.g, &self.query.ids).await?;
        let of = |r: Stored| Candidate { start: r.row.record.start.as_millisecond(), id: r.row.archive_id };
        Ok(in_order(rows.into_values().map(of).collect(), sort, after))
    }

    /// Those whose retention ends within a range; none where there are more than are counted.
    async fn ending(
        &self,
        until: (i64, i64),
        sort: Sort,
        after: Option<Place>,
    ) -> Result<Option<Vec<Candidate>>, IndexError> {
        let partitions = partitions_of_days(self.table, &self.g, Calendar::Until, until, UNTIL_PARTITIONS).await?;
        let Some(partitions) = partitions else { return Ok(None) };
        let mut walk = Walk::over(self.table, &self.g, partitions, sort, self.bounds(), None);
        let all = walk.take(self.reach.exact_within + 1).await?;
        Ok((all.len() <= self.reach.exact_within).then(|| in_order(all, sort, after)))
    }

    /// Those of the candidates that are what their pointer says and that match, in order.
    async fn matching(&self, candidates: Vec<Candidate>) -> Result<Vec<Match>, IndexError> {
        let ids: Vec<&ArchiveId> = candidates.iter().map(|c| &c.id).collect();
        let mut rows = read_rows(self.table, &self.g, ids).await?;
        let words = if self.words { read_words(self.table, &self.g, rows.values()).await? } else { HashMap::new() };
        let mut out = Vec::new();
        for c in candidates {
            let Some(Stored { row, .. }) = rows.remove(&c.id) else { continue };
            if row.record.start.as_millisecond() != c.start {
                continue;
            }
            let mut terms = if self.words { Terms::of(&row, None) } else { Terms::without_words(&row) };
            if let Some(lines) = words.get(&c.id) {
                terms.values.extend(lines.lines().map(|w| (Field::Word, w.to_owned())));
            }
            let entry = Entry::of(&terms);
            if self.node.holds(&entry) {
                out.push(Match { place: c.place(self.query.sort), row, entry, labels: terms.labels });
            }
        }
        Ok(out)
    }
}

fn in_order(mut all: Vec<Candidate>, sort: Sort, after: Option<Place>) -> Vec<Candidate> {
    all.retain(|c| after.is_none_or(|a| c.place(sort) > a));
    all.sort_by(|a, b| a.place(sort).cmp(&b.place(sort)).then_with(|| a.id.cmp(&b.id)));
    all.dedup();
    all
}

fn asks_words(node: &Node) -> bool {
    match node {
        Node::Has(field, _) => *field == Field::Word,
        Node::Begins(_) => true,
        Node::Any(nodes) | Node::Every(nodes) => nodes.iter().any(asks_words),
        Node::Within(..) => false,
    }
}

fn most_frequent(counts: BTreeMap<String, (u64, Option<String>)>) -> Vec<(String, u64)> {
    let mut sorted: Vec<(String, (u64, Option<String>))> = counts.into_iter().collect();
    // Equals stay in the order of their names.
    sorted.sort_by_key(|(_, (n, _))| std::cmp::Reverse(*n));
    sorted.truncate(FACET_VALUES);
    sorted.into_iter().map(|(value, (n, label))| (label.unwrap_or(value), n)).collect()
}
