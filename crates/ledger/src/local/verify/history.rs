//! Whether each entry names the entry before it about the same matter and the same recording.

use super::{FAULTS_MAX, LedgerFault};
use crate::{CustodyEvent, EventFormat, local::LookupKey};
use holdfast_model::Sha256Digest;
use std::collections::HashMap;

/// Matters and recordings that are followed: about 64 MiB. How many entries of further ones there are is reported.
const KEYS_MAX: usize = 2_000_000;

/// One subject of an entry.
pub(super) struct HistoryLink {
    sequence: u64,
    /// The first 64 bits of the hash of what it is about.
    key: u64,
    /// The entry before, as the entry names it; none where its format does not carry that.
    before: Option<Option<u64>>,
}

/// The subjects of an event with what it names as the entry before.
pub(super) fn links_of(event: &CustodyEvent) -> impl Iterator<Item = HistoryLink> {
    let carried = EventFormat::parse(&event.format).is_some_and(|f| f >= EventFormat::V2);
    let matter = event.matter.clone().map(|id| (LookupKey::Matter(id), event.previous_of_matter));
    let recording = event.archive_id().cloned().map(|id| (LookupKey::Recording(id), event.previous_of_recording));
    let sequence = event.sequence;
    matter.into_iter().chain(recording).map(move |(key, before)| HistoryLink {
        sequence,
        key: hash(&key),
        before: carried.then_some(before),
    })
}

fn hash(key: &LookupKey) -> u64 {
    let (kind, text) = key.parts();
    let digest = Sha256Digest::of(&[&[kind], text.as_bytes()].concat());
    digest.0.first_chunk().map_or(0, |first| u64::from_be_bytes(*first))
}

/// The last entry of each subject so far.
#[derive(Default)]
pub(super) struct Histories {
    last: HashMap<u64, u64>,
    /// Entries about subjects that are not followed, as there are too many.
    pub(super) left_out: u64,
    /// Entries that name another than the entry before; no more than a report keeps.
    pub(super) faults: Vec<LedgerFault>,
}

impl Histories {
    /// Follows the links of one block, which come in the order of their entries.
    pub(super) fn follow(&mut self, links: Vec<HistoryLink>) {
        for link in links {
            let known = self.last.get(&link.key).copied();
            if known.is_none() && self.last.len() >= KEYS_MAX {
                self.left_out += 1;
                continue;
            }
            let broken = link.before.is_some_and(|named| named != known);
            let fault = LedgerFault::HistoryBroken { sequence: link.sequence };
            if broken && self.faults.len() < FAULTS_MAX && self.faults.last() != Some(&fault) {
                self.faults.push(fault);
            }
            self.last.insert(link.key, link.sequence);
        }
    }
}
