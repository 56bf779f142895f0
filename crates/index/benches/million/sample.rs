//! Made-up recordings with realistic distributions, and the questions asked of them. The same number gives the same row.

use holdfast_index::{AvailabilityState, IndexRow, Query};
use holdfast_model::{
    Accession, CanonicalRecord, Direction, Fixity, ImmutabilityMode, Manifest, MediaKind, MediaObject, ObjectKey,
    ObjectRetention, Participant, ParticipantRole, PayloadRef, Probe, RetentionDecision, Sha256Digest, SourceRef,
    StorageTier,
};
use jiff::Timestamp;
use std::fmt::Write as _;

/// 2018-01-01 and eight years.
const FIRST_MS: i64 = 1_514_764_800_000;
const SPAN_MS: i64 = 8 * 365 * 86_400_000;

/// splitmix64
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
    fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }
    fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
    /// 0..n with a frequency of about 1 / (rank + 1).
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
    fn zipf(&mut self, n: u64) -> u64 {
        let u = (self.next() >> 11) as f64 / (1u64 << 53) as f64;
        ((((n + 1) as f64).ln() * u).exp() as u64).clamp(1, n) - 1
    }
    fn pick<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.zipf(of.len() as u64) as usize]
    }
}

const COMMON: [&str; 24] = [
    "the", "you", "and", "to", "is", "that", "it", "have", "for", "account", "please", "thank", "can", "number",
    "call", "help", "order", "payment", "refund", "card", "cancel", "invoice", "contract", "delivery",
];
const SYLLABLES: [&str; 20] = [
    "ba", "con", "de", "fi", "ga", "hol", "in", "ka", "lu", "men", "no", "per", "qui", "re", "sta", "ti", "un", "ver",
    "wi", "zo",
];

pub(crate) fn word(rank: u64) -> String {
    if let Some(w) = COMMON.get(usize::try_from(rank).unwrap()) {
        return (*w).to_owned();
    }
    let (mut out, mut n) = (String::new(), rank + 77);
    while n > 0 {
        out.push_str(SYLLABLES[usize::try_from(n % 20).unwrap()]);
        n /= 20;
    }
    out
}

pub(crate) fn agent(n: u64) -> (String, String) {
    let (first, last) = (word(24 + n % 97), word(200 + n * 7));
    (
        format!("a{n:05}"),
        format!("{}{} {}{}", first[..1].to_uppercase(), &first[1..], last[..1].to_uppercase(), &last[1..]),
    )
}

pub(crate) fn interaction(i: u32) -> String {
    let mut r = Random(u64::from(i) | 1 << 40);
    let (a, b) = (r.next(), r.next());
    format!(
        "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
        a >> 32,
        (a >> 16) & 0xffff,
        a & 0xffff,
        b >> 48,
        b & 0xffff_ffff_ffff
    )
}

pub(crate) fn phone(n: u64) -> String {
    format!("+4930{:07}", n * 13 % 10_000_000)
}

fn media(r: &mut Random) -> MediaKind {
    match r.below(100) {
        0..70 => MediaKind::Voice,
        70..80 => MediaKind::Screen,
        80..92 => MediaKind::Chat,
        92..97 => MediaKind::Email,
        _ => MediaKind::Message,
    }
}

fn text(r: &mut Random, words: u64) -> String {
    let mut out = String::new();
    for _ in 0..words {
        let _ = write!(out, "{} ", word(r.zipf(60_000)));
    }
    out
}

pub(crate) fn row(i: u32) -> (IndexRow, Option<String>) {
    let r = &mut Random(u64::from(i) << 20);
    // Half arrives in order, half as a migration of old years in any order.
    let start = if i.is_multiple_of(2) {
        FIRST_MS + SPAN_MS / 2_000_000 * i64::from(i) * 2
    } else {
        FIRST_MS + i64::try_from(r.below(SPAN_MS.cast_unsigned() / 1000)).unwrap() * 1000
    };
    let at = |ms| Timestamp::from_millisecond(ms).unwrap();
    let kind = media(r);
    let duration = 5_000 + r.below(900_000);
    let (agent_id, agent_name) = agent(r.zipf(2_000));
    let customer = r.below(400_000);
    let words = 20 + r.below(40);
    let words = text(r, words);
    let record = CanonicalRecord {
        vendor: r.pick(&["genesys", "cxone", "avaya"]).into(),
        organisation: r.pick(&["acme", "acme-uk"]).into(),
        interaction_id: interaction(i),
        recording_id: format!("rec-{i:09}"),
        session_id: r.chance(50).then(|| format!("s{}", r.below(1 << 40))),
        external_ids: if r.chance(20) { [("crm_case".into(), format!("C{:07}", i / 3))].into() } else { [].into() },
        media: kind,
        start: at(start),
        end: at(start + i64::try_from(duration).unwrap()),
        declared_duration_ms: kind.is_timed().then_some(duration),
        captured_at: None,
        participants: vec![
            Participant { role: ParticipantRole::Agent, identifier: Some(agent_id), display_name: Some(agent_name) },
            Participant { role: ParticipantRole::Customer, identifier: Some(phone(customer)), display_name: None },
        ],
        queues: (0..=r.below(2)).map(|_| format!("Queue {}", r.zipf(40))).collect(),
        direction: Some(if r.chance(75) { Direction::Inbound } else { Direction::Outbound }),
        wrap_up_codes: vec![format!("wrap-{}", r.zipf(60))],
        divisions: vec![r.pick(&["retail", "business", "claims", "collections"]).into()],
        external_tag: r.chance(5).then(|| format!("T-{}", r.below(300))),
        attributes: [("skill".to_owned(), r.pick(&["billing", "tech", "sales"]).to_owned())].into(),
        language: Some(r.pick(&["en-GB", "de-DE", "fr-FR"]).into()),
        notes: r.chance(10).then(|| text(r, 8)),
        tags: ["pci", "hipaa", "vip", "complaint", "escalated", "training"]
            .iter()
            .filter(|_| r.chance(8))
            .map(|t| (*t).to_owned())
            .collect(),
        classification: Some(r.pick(&["internal", "confidential", "restricted"]).into()),
        residency_region: Some(r.pick(&["eu", "uk", "us"]).into()),
        vendor_deletes_at: None,
        pauses: Vec::new(),
    };
    (derive(record, i, r), (kind != MediaKind::Screen && r.chance(80)).then_some(words))
}

fn derive(record: CanonicalRecord, i: u32, r: &mut Random) -> IndexRow {
    let key = |top: &str, ext: &str| ObjectKey::new(format!("{top}/2020/01/01/i/r{i}.{ext}")).unwrap();
    let tier = match r.below(100) {
        0..10 => StorageTier::Hot,
        10..25 => StorageTier::Cool,
        25..60 => StorageTier::Cold,
        _ => StorageTier::DeepCold,
    };
    let digest = Sha256Digest([u8::try_from(i % 251).unwrap(); 32]);
    let (end, years) = (record.end, if r.chance(20) { 10 } else { 7 });
    let codec = r.pick(&["opus", "pcm_s16le", "mp3", "gsm610"]).to_owned();
    let manifest = Manifest {
        format: holdfast_model::MANIFEST_FORMAT.into(),
        archive_id: record.idempotency_key().archive_id(),
        object: MediaObject {
            bucket: "media".into(),
            key: key("recordings", "bin"),
            version_id: Some(format!("v{i}")),
            fixity: Fixity::sha256(digest, 1_000_000 + u64::from(i)),
            media_type: "audio/ogg".into(),
            tier,
            storage_class: "local".into(),
            probe: Probe {
                container: "ogg".into(),
                codec: record.media.is_timed().then_some(codec),
                measured_duration_ms: record.declared_duration_ms,
                ..Probe::default()
            },
            original_name: format!("rec-{i}.ogg"),
        },
        payload: PayloadRef {
            key: key("payloads", "json"),
            fixity: Fixity::sha256(digest, 100),
            schema: "holdfast-sidecar/1".into(),
        },
        text: None,
        retention: RetentionDecision {
            class: format!("standard-{years}y"),
            rule: "default".into(),
            legal_basis: "policy".into(),
            retention: ObjectRetention {
                mode: ImmutabilityMode::Governance,
                until: end + jiff::SignedDuration::from_hours(24 * 365 * years),
            },
        },
        accession: Accession {
            run: "run-1".parse().unwrap(),
            source: SourceRef { source: "made-up".into(), item: format!("{i}") },
            ingested_at: Timestamp::from_millisecond(FIRST_MS + SPAN_MS + i64::from(i) * 400).unwrap(),
            ledger_intent: u64::from(i) * 2,
            archiver_version: "bench".into(),
        },
        record,
    };
    let mut row = IndexRow::derive(&manifest, key("manifests", "json"), digest, "local", u64::from(i) * 2 + 1);
    if r.below(1_000) == 0 {
        row.holds = vec![format!("m{}", r.below(20)).parse().unwrap()];
    }
    row
}

/// Every filter there is, with a frequent value and (where it has one) a rare one.
fn filters() -> Vec<Query> {
    let day = |n: i64| Some(Timestamp::from_millisecond(FIRST_MS + n * 86_400_000).unwrap());
    let s = |v: &str| Some(v.to_owned());
    let d = Query::default;
    vec![
        Query { vendor: s("genesys"), ..d() },
        Query { vendor: s("avaya"), ..d() },
        Query { organisation: s("acme"), ..d() },
        Query { interaction: Some(interaction(70_001)), ..d() },
        Query { recording_id: s("rec-000042000"), ..d() },
        Query { external_id: s("C0012345"), ..d() },
        Query { external_id: s("crm_case=C0023456"), ..d() },
        Query { external_tag: s("T-17"), ..d() },
        Query { media: Some(MediaKind::Voice), ..d() },
        Query { media: Some(MediaKind::Message), ..d() },
        Query { tier: Some(StorageTier::DeepCold), ..d() },
        Query { tier: Some(StorageTier::Hot), ..d() },
        Query { availability: Some(AvailabilityState::Offline), ..d() },
        Query { availability: Some(AvailabilityState::Rehydrating), ..d() },
        Query { direction: Some(Direction::Inbound), ..d() },
        Query { hold: Some("m7".parse().unwrap()), ..d() },
        Query { region: s("eu"), ..d() },
        Query { classification: s("restricted"), ..d() },
        Query { retention_class: s("standard-7y"), ..d() },
        Query { codec: s("opus"), ..d() },
        Query { wrap_up: s("wrap-0"), ..d() },
        Query { wrap_up: s("wrap-55"), ..d() },
        Query { division: s("retail"), ..d() },
        Query { attribute: s("skill=billing"), ..d() },
        Query { language: s("de-DE"), ..d() },
        Query { agent: Some(agent(0).0), ..d() },
        Query { agent: Some(agent(1_500).1), ..d() },
        Query { queue: s("queue 0"), ..d() },
        Query { queue: s("queue 39"), ..d() },
        Query { participant: Some(phone(1_234)), ..d() },
        Query { tag: s("pci"), ..d() },
        Query { from: day(0), to: day(365), ..d() },
        Query { from: day(1_000), to: day(1_001), ..d() },
        Query { to: day(2_000), sort: holdfast_index::Sort::Oldest, ..d() },
        Query { from: day(1_800), ..d() },
        Query { duration_min_ms: Some(600_000), ..d() },
        Query { duration_max_ms: Some(700_000), ..d() },
        Query { retain_until_to: day(9 * 365), ..d() },
        Query { ingested_from: day(8 * 365 + 2), ..d() },
    ]
}

fn texts(all: &[&str]) -> Vec<Query> {
    all.iter().map(|t| Query { text: Some((*t).to_owned()), ..Query::default() }).collect()
}

pub(crate) fn cases() -> Vec<(&'static str, Vec<Query>)> {
    let singles = filters();
    let pairs = (0..singles.len())
        .flat_map(|a| (a + 1..singles.len()).map(move |b| (a, b)))
        .filter_map(|(a, b)| both(&singles[a], &singles[b]))
        .collect();
    let (mid, rare) = (format!("{} ", word(3_000)), format!("{} ", word(59_000)));
    let id = interaction(70_001);
    let call = phone(1_234);
    let mut with_filter = Vec::new();
    for f in &singles {
        for t in ["the ", "refund card ", "con"] {
            with_filter.push(Query { text: Some(t.to_owned()), ..f.clone() });
        }
    }
    vec![
        ("no filter", vec![Query::default()]),
        ("one filter", singles),
        ("two filters", pairs),
        ("a very common word", texts(&["the ", "you ", "and ", "to "])),
        ("a common word", texts(&["refund ", "card ", "invoice ", "Queue "])),
        ("a less common and a rare word", texts(&[&mid, &rare])),
        ("two common words", texts(&["the you ", "and account ", "refund card "])),
        ("a common and a rare word", texts(&[&format!("the {mid}"), &format!("you {rare}")])),
        ("beginning of 1 to 3 letters", texts(&["t", "c", "a", "th", "re", "co", "the", "con", "0"])),
        (
            "beginning of 4 letters and more",
            texts(&["refu", "cont", "account", "perde", "rec-", "rec-0001", "+4930", "conde"]),
        ),
        ("ids and numbers", texts(&[&id, &id[..9], &call, "C0012345", "rec-000042000"])),
        ("a word and a filter", with_filter),
    ]
}

/// Both filters at once; none where they are the same field.
fn both(a: &Query, b: &Query) -> Option<Query> {
    let (mut x, y) = (serde_json::to_value(a).unwrap(), serde_json::to_value(b).unwrap());
    let (x_map, y_map) = (x.as_object_mut()?, y.as_object()?);
    for (name, value) in y_map {
        let set = !value.is_null() && !matches!(name.as_str(), "ids" | "sort" | "limit");
        if set {
            if !x_map.get(name)?.is_null() {
                return None;
            }
            x_map.insert(name.clone(), value.clone());
        }
    }
    serde_json::from_value(x).ok()
}
