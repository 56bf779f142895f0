//! Search and facets as one would write them with a loop, to compare with.

use super::rows::{
    AGENTS, CODECS, FIRST_MS, MATTERS, Made, PHONES, QUEUES, REGIONS, Random, RowMaker, TAGS, VENDORS, WORDS, at,
};
use crate::{sampled, soaking};
use holdfast_index::{AvailabilityState, Facets, IndexRow, Query, RecordingIndex, Sort};
use holdfast_model::{Availability, Direction, MediaKind, ParticipantRole, StorageState, StorageTier};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// Rows in the random comparison, and in how large batches they come up to which number: nearly all at once, then some in
/// small batches, then one by one. More than any buffer or block of an index holds, so that its joints are crossed.
const STAGES: [(u32, u32); 3] = [(67_000, 8_000), (69_900, 700), (70_000, 1)];
/// The same for an index that looks at rows one by one.
const FEW: [(u32, u32); 3] = [(160, 80), (235, 25), (240, 1)];
/// Questions asked at each of its stages, ordinarily and in a soak.
const QUESTIONS: (u64, u64) = (60, 1_000);

fn fold(text: &str) -> String {
    text.trim()
        .to_lowercase()
        .chars()
        .map(|c| match c {
            'ü' => "u".into(),
            'ö' => "o".into(),
            'é' => "e".into(),
            'ï' => "i".into(),
            'ß' => "ss".into(),
            c => c.to_string(),
        })
        .collect()
}

fn parts(text: &str) -> BTreeSet<String> {
    let mut out = BTreeSet::new();
    for run in fold(text).split(|c: char| !c.is_alphanumeric()) {
        out.extend(run_parts(run));
    }
    out
}

/// Each character of the one Chinese word used here is a word.
fn run_parts(run: &str) -> Vec<String> {
    match run {
        "" => Vec::new(),
        run if run.is_ascii() => vec![run.to_owned()],
        run => run.chars().map(String::from).collect(),
    }
}

fn wholes(text: &str) -> BTreeSet<String> {
    fold(text).split_whitespace().map(str::to_owned).collect()
}

/// A row taken apart for comparison.
struct Doc {
    row: IndexRow,
    words: BTreeSet<String>,
}

impl Doc {
    fn new((row, text): &Made) -> Self {
        let r = &row.record;
        let mut words = BTreeSet::new();
        let split = text.iter().chain(&r.notes).chain(&r.queues).chain(&r.tags).chain(&r.wrap_up_codes);
        split.for_each(|t| words.extend(parts(t)));
        let ids = [&r.interaction_id, &r.recording_id].into_iter().chain(&r.session_id).chain(r.external_ids.values());
        ids.for_each(|t| words.extend(wholes(t)));
        let people = r.participants.iter().flat_map(|p| p.identifier.iter().chain(&p.display_name));
        for t in people.chain(&r.external_tag).chain(r.attributes.values()) {
            words.extend(parts(t));
            words.extend(wholes(t));
        }
        Self { row: row.clone(), words }
    }

    fn has_word(&self, word: &str, open: bool) -> bool {
        self.words.contains(word) || open && self.words.iter().any(|w| w.starts_with(word))
    }

    fn has_text(&self, text: &str) -> bool {
        let asked: Vec<&str> = text.split_whitespace().collect();
        let complete = text.ends_with([' ', '"', '\'']);
        asked.iter().enumerate().all(|(i, w)| {
            let open = !complete && i + 1 == asked.len();
            let whole = fold(w.trim_matches(['"', '(', ')', '*', '\'']));
            let split: Vec<String> = whole.split(|c: char| !c.is_alphanumeric()).flat_map(run_parts).collect();
            let by_parts = || split.iter().enumerate().all(|(j, p)| self.has_word(p, open && j + 1 == split.len()));
            split.is_empty() || self.has_word(&whole, open) || by_parts()
        })
    }

    fn matches(&self, q: &Query) -> bool {
        let (row, r) = (&self.row, &self.row.record);
        let same = |asked: &Option<String>, has: &dyn Fn(&str) -> bool| asked.as_ref().is_none_or(|a| has(a));
        let loose = |asked: &str, has: &str| {
            if asked.is_ascii() && has.is_ascii() {
                return asked.trim().eq_ignore_ascii_case(has.trim());
            }
            fold(asked) == fold(has)
        };
        let any = |asked: &Option<String>, has: &[String]| same(asked, &|a| has.iter().any(|h| loose(a, h)));
        let one = |asked: &Option<String>, has: &Option<String>| same(asked, &|a| has.iter().any(|h| loose(a, h)));
        let person = |asked: &Option<String>, only_agents: bool| {
            same(asked, &|a| {
                let people = r.participants.iter().filter(|p| !only_agents || p.role == ParticipantRole::Agent);
                people.flat_map(|p| p.identifier.iter().chain(&p.display_name)).any(|h| loose(a, h))
            })
        };
        let values = same(&q.vendor, &|a| loose(a, &r.vendor))
            && same(&q.organisation, &|a| loose(a, &r.organisation))
            && same(&q.interaction, &|a| a == r.interaction_id)
            && same(&q.recording_id, &|a| a == r.recording_id)
            && same(&q.session, &|a| r.session_id.as_deref() == Some(a))
            && same(&q.external_id, &|a| r.external_ids.iter().any(|(s, i)| a == i || a == format!("{s}={i}")))
            && same(&q.attribute, &|a| {
                r.attributes.iter().any(|(n, v)| loose(&a.replace(" = ", "="), &format!("{n}={v}")))
            })
            && same(&q.retention_class, &|a| loose(a, &row.retention.class))
            && person(&q.agent, true)
            && person(&q.participant, false)
            && any(&q.queue, &r.queues)
            && any(&q.tag, &r.tags)
            && any(&q.wrap_up, &r.wrap_up_codes)
            && any(&q.division, &r.divisions)
            && one(&q.external_tag, &r.external_tag)
            && one(&q.language, &r.language)
            && one(&q.classification, &r.classification)
            && one(&q.region, &r.residency_region)
            && one(&q.codec, &row.probe.codec);
        let kinds = q.media.is_none_or(|m| m == r.media)
            && q.tier.is_none_or(|t| t == row.tier_now())
            && q.direction.is_none_or(|d| Some(d) == r.direction)
            && q.availability.is_none_or(|a| a == AvailabilityState::from(&row.availability))
            && q.sha256.is_none_or(|d| d == row.fixity.digest)
            && q.hold.as_ref().is_none_or(|m| row.holds.contains(m))
            && (q.ids.is_empty() || q.ids.contains(&row.archive_id));
        values && kinds && self.in_ranges(q) && q.text.as_ref().is_none_or(|t| self.has_text(t))
    }

    fn in_ranges(&self, q: &Query) -> bool {
        let within = |t, from: Option<_>, to: Option<_>| from.is_none_or(|f| t >= f) && to.is_none_or(|u| t < u);
        let long =
            |d: u64| q.duration_min_ms.is_none_or(|least| d >= least) && q.duration_max_ms.is_none_or(|most| d <= most);
        within(self.row.record.start, q.from, q.to)
            && within(self.row.retention.retention.until, q.retain_until_from, q.retain_until_to)
            && within(self.row.ingested_at, q.ingested_from, q.ingested_to)
            && (q.duration_min_ms.or(q.duration_max_ms).is_none() || self.row.duration_ms().is_some_and(long))
    }
}

fn facets(found: &[&Doc]) -> Facets {
    let count = |values: &dyn Fn(&Doc) -> Vec<String>| {
        let mut counts: BTreeMap<String, u64> = BTreeMap::new();
        for doc in found {
            let distinct: BTreeSet<String> = values(doc).iter().map(|v| fold(v)).collect();
            distinct.into_iter().for_each(|v| *counts.entry(v).or_default() += 1);
        }
        let mut list: Vec<(String, u64)> = counts.into_iter().collect();
        list.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        list.truncate(20);
        list
    };
    let json = |v: serde_json::Value| v.as_str().unwrap_or_default().to_owned();
    Facets {
        vendor: count(&|d| vec![d.row.record.vendor.clone()]),
        media: count(&|d| vec![json(serde_json::to_value(d.row.record.media).unwrap())]),
        queue: count(&|d| d.row.record.queues.clone()),
        agent: count(&|d| {
            let agents = d.row.record.participants.iter().filter(|p| p.role == ParticipantRole::Agent);
            agents.filter_map(|p| p.display_name.clone().or_else(|| p.identifier.clone())).collect()
        }),
        tag: count(&|d| d.row.record.tags.clone()),
        tier: count(&|d| vec![json(serde_json::to_value(d.row.tier_now()).unwrap())]),
        direction: count(&|d| {
            d.row.record.direction.map(|v| json(serde_json::to_value(v).unwrap())).into_iter().collect()
        }),
        year: count(&|d| vec![d.row.record.start.to_string()[..4].to_owned()]),
        complete: true,
    }
}

/// One to three random filters.
fn question(r: &mut Random, docs: &[Doc]) -> Query {
    let mut q = Query { limit: 7, ..Query::default() };
    q.sort = r.of(&[Sort::Newest, Sort::Oldest]);
    let some = |v: &str| Some(v.to_owned());
    let time = |r: &mut Random| Some(at(FIRST_MS + i64::try_from(r.below(4 * 24 * 60)).unwrap() * 60_000));
    for _ in 0..=r.below(3) {
        match r.below(32) {
            0..=5 => q.text = Some(text(r)),
            6 => q.vendor = some(r.of(&VENDORS)),
            7 => q.queue = some(r.of(&QUEUES)),
            8 => q.tag = some(r.of(&TAGS)),
            9 => q.agent = some(r.of(&AGENTS).0),
            10 => q.agent = some(r.of(&AGENTS).1),
            11 => q.participant = some(r.of(&PHONES)),
            12 => q.interaction = Some(docs[r.index(docs.len())].row.record.interaction_id.clone()),
            13 => q.recording_id = Some(docs[r.index(docs.len())].row.record.recording_id.clone()),
            14 => q.session = some("s3"),
            15 => q.external_id = some(r.of(&["C5", "crm=C5", "crm=X"])),
            16 => q.media = Some(r.of(&[MediaKind::Voice, MediaKind::Chat, MediaKind::Message])),
            17 => q.tier = Some(r.of(&[StorageTier::Hot, StorageTier::DeepCold])),
            18 => q.availability = Some(r.of(&[AvailabilityState::Online, AvailabilityState::Rehydrating])),
            19 => q.direction = Some(r.of(&[Direction::Inbound, Direction::Internal])),
            20 => q.hold = Some(r.of(&MATTERS).parse().unwrap()),
            21 => q.region = some(r.of(&REGIONS)),
            22 => q.classification = some("CONFIDENTIAL"),
            23 => q.retention_class = some(r.of(&["finra-10y", "standard-7y"])),
            24 => q.codec = some(r.of(&CODECS)),
            25 => q.wrap_up = some("done 0"),
            26 => q.division = some(r.of(&["north", "South"])),
            27 => q.attribute = some(r.of(&["skill=billing", "Skill = Tech Support"])),
            28 => (q.from, q.to) = bounds(time(r), time(r)),
            29 => q.ids = (0..20).map(|_| docs[r.index(docs.len())].row.archive_id.clone()).collect(),
            30 => (q.duration_min_ms, q.duration_max_ms) = bounds(Some(r.below(3) * 30_000), Some(r.below(4) * 30_000)),
            _ => match r.below(6) {
                0 => q.language = some("de-de"),
                1 => q.external_tag = some("TAG x-1"),
                5 => q.sha256 = Some(docs[r.index(docs.len())].row.fixity.digest),
                2 => q.organisation = some("ACME"),
                3 => (q.ingested_from, q.ingested_to) = bounds(time(r), time(r)),
                _ => q.retain_until_from = time(r).map(|t| t + jiff::SignedDuration::from_hours(24 * 365 * 7)),
            },
        }
    }
    q
}

fn bounds<T: Ord + Copy>(a: Option<T>, b: Option<T>) -> (Option<T>, Option<T>) {
    (a.min(b), a.max(b))
}

fn text(r: &mut Random) -> String {
    let mut out = String::new();
    for _ in 0..=r.below(2) {
        let word = match r.below(6) {
            0 => r.of(&["+4930", "+49301234567", "jose@", "a-1", "ada", "rec-12", "rec-1", "I1-7", "trading-"]),
            _ => r.of(&WORDS),
        };
        let keep = if r.chance(40) { 1 + r.below(4) } else { 99 };
        out.extend(word.chars().take(usize::try_from(keep).unwrap()));
        out.push(' ');
    }
    if r.chance(60) { out.trim_end().to_owned() } else { out }
}

/// Random questions over random rows have the same answers as going through all rows: rows, order, totals, facets; with rows
/// that were just inserted one by one as with those inserted in bulk, and after states have changed.
pub async fn answers_as_going_through_all_rows_does(index: Arc<dyn RecordingIndex>) {
    let maker = RowMaker::new(1);
    let mut docs: Vec<Doc> = Vec::new();
    let mut made = 0;
    let random = &mut Random(7);
    for (upto, batch) in if index.limits().exact_within.is_none() { STAGES } else { FEW } {
        while made < upto {
            let next = (made + batch).min(upto);
            let rows: Vec<Made> = (made..next).map(|i| maker.row(i)).collect();
            docs.extend(rows.iter().map(Doc::new));
            index.insert_many(rows).await.unwrap();
            made = next;
        }
        compare(&*index, &docs, random).await;
    }
    for n in 0..200 {
        let last = docs.len() - 1;
        let at = if n % 2 == 0 { last - n } else { random.index(last) };
        let row = &mut docs[at].row;
        row.holds = MATTERS.iter().filter(|_| random.chance(50)).map(|m| m.parse().unwrap()).collect();
        let availability = match random.below(3) {
            0 => Availability::Online { until: Some(row.record.end) },
            1 => Availability::Rehydrating { requested_at: Some(row.record.end), expected_at: None },
            _ => Availability::Offline,
        };
        let tier = [StorageTier::Hot, StorageTier::Cool, StorageTier::DeepCold][random.index(3)];
        row.set_state(StorageState { tier, storage_class: format!("{tier:?}"), availability });
        index.set_holds(&row.archive_id, &row.holds).await.unwrap();
        index.set_state(&row.archive_id, &row.state()).await.unwrap();
    }
    compare(&*index, &docs, random).await;
}

async fn compare(index: &dyn RecordingIndex, docs: &[Doc], random: &mut Random) {
    assert_eq!(index.count().await.unwrap(), docs.len() as u64);
    for n in 0..sampled(QUESTIONS.0, QUESTIONS.1) {
        let q = question(random, docs);
        let mut found: Vec<&Doc> = docs.iter().filter(|d| d.matches(&q)).collect();
        let total = found.len() as u64;
        found.sort_by(|a, b| {
            let starts = a.row.record.start.cmp(&b.row.record.start);
            let starts = if q.sort == Sort::Newest { starts.reverse() } else { starts };
            starts.then_with(|| a.row.archive_id.cmp(&b.row.archive_id))
        });
        let page = index.search(&q).await.unwrap();
        let firsts: Vec<&IndexRow> = found.iter().take(q.limit).map(|d| &d.row).collect();
        assert_eq!(page.rows.iter().collect::<Vec<_>>(), firsts, "{q:?}");
        assert_eq!((page.total, page.total_is_exact), (total, true), "{q:?}");
        assert_eq!(page.next.is_some(), found.len() > q.limit, "{q:?}");
        // Counting slowly is slow: ordinarily only some of the large answers are counted.
        if total < 5_000 || n % 8 == 0 || soaking() {
            let mut told = index.facets(&q).await.unwrap();
            let all = [&mut told.vendor, &mut told.queue, &mut told.agent, &mut told.tag];
            // Spelling is another promise.
            all.into_iter().flatten().for_each(|(label, _)| *label = fold(label));
            assert_eq!(told, facets(&found), "{q:?}");
        }
    }
}
