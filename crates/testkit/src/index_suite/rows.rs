use holdfast_index::IndexRow;
use holdfast_model::{
    Accession, CanonicalRecord, Fixity, ImmutabilityMode, MANIFEST_FORMAT, Manifest, MediaKind, MediaObject, ObjectKey,
    ObjectRetention, PayloadRef, Probe, RetentionDecision, Sha256Digest, SourceRef, StorageTier,
};
use jiff::Timestamp;
use serde_json::json;

/// A row with the text to be searched.
pub type Made = (IndexRow, Option<String>);

/// Makes rows by number: the same number and seed give the same row. Values come from small sets, so that filters meet.
#[derive(Debug, Clone)]
pub struct RowMaker {
    seed: u64,
}

/// splitmix64
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(super) fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    pub(super) fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    pub(super) fn index(&mut self, length: usize) -> usize {
        usize::try_from(self.below(length as u64)).unwrap()
    }

    pub(super) fn of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.index(all.len())]
    }
}

pub(super) const VENDORS: [&str; 3] = ["genesys", "Genesys", "cxone"];
pub(super) const QUEUES: [&str; 4] = ["Sales", "sales", "Claims Süd", "trading-desk"];
pub(super) const TAGS: [&str; 3] = ["pci", "VIP", "hipaa"];
pub(super) const AGENTS: [(&str, &str); 4] =
    [("a-1", "Ada Müller"), ("a-2", "José"), ("a-3", "ada muller"), ("jose@acme.example", "Kim")];
pub(super) const PHONES: [&str; 3] = ["+49301234567", "+49307654321", "+441611234567"];
pub(super) const WORDS: [&str; 10] =
    ["refund", "Refunds", "card", "can't", "Größe", "naïve", "e-mail", "the", "東京", "2024-03"];
pub(super) const REGIONS: [&str; 2] = ["eu", "us"];
pub(super) const CODECS: [&str; 2] = ["opus", "mp3"];
pub(super) const MATTERS: [&str; 2] = ["m-1", "m-2"];

/// Midnight UTC on 30 December 2023.
pub(super) const FIRST_MS: i64 = 1_703_894_400_000;

pub(super) fn at(ms: i64) -> Timestamp {
    Timestamp::from_millisecond(ms).expect("a time")
}

impl RowMaker {
    /// Rows of this seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { seed }
    }

    /// Row `i`. Starts lie within four days and fall on whole minutes, so that many are equal.
    #[must_use]
    pub fn row(&self, i: u32) -> Made {
        let r = &mut Random(self.seed << 32 | u64::from(i));
        let start = FIRST_MS + i64::try_from(r.below(4 * 24 * 60)).unwrap() * 60_000;
        let length = i64::try_from(r.below(5)).unwrap() * 30_000;
        let record = self.record(r, i, start, start + length);
        let text = r.chance(70).then(|| words(r));
        let mut row = derive(record, &format!("{}.{i}", self.seed), r);
        if r.chance(10) {
            row.holds = vec![r.of(&MATTERS).parse().unwrap()];
        }
        (row, text)
    }

    fn record(&self, r: &mut Random, i: u32, start: i64, end: i64) -> CanonicalRecord {
        let media = r.of(&[MediaKind::Voice, MediaKind::Screen, MediaKind::Chat, MediaKind::Email]);
        let mut record: CanonicalRecord = serde_json::from_value(json!({
            "vendor": r.of(&VENDORS), "organisation": r.of(&["acme", "Acme"]),
            "interaction_id": format!("I{}-{}", self.seed, i / 3), "recording_id": format!("rec-{i}"),
            "media": media, "start": at(start), "end": at(end),
        }))
        .expect("a record");
        let (id, name) = r.of(&AGENTS);
        let participant = |role: &str, id: Option<&str>, name: Option<&str>| {
            let value = json!({"role": role, "identifier": id, "display_name": name});
            serde_json::from_value(value).expect("a participant")
        };
        let name = r.chance(80).then_some(name);
        record.participants.push(participant("agent", Some(id), name));
        if r.chance(20) {
            let (id, name) = r.of(&AGENTS);
            record.participants.push(participant("supervisor", Some(id), Some(name)));
        }
        record.participants.push(participant("customer", Some(r.of(&PHONES)), None));
        record.queues = (0..r.below(3)).map(|_| r.of(&QUEUES).to_owned()).collect();
        record.tags = (0..r.below(3)).map(|_| r.of(&TAGS).to_owned()).collect();
        record.wrap_up_codes = (0..r.below(2)).map(|n| format!("Done {n}")).collect();
        record.divisions = vec![r.of(&["North", "south"]).to_owned()];
        record.direction = serde_json::from_value(json!(r.of(&["inbound", "outbound", "internal"]))).ok();
        record.residency_region = r.chance(60).then(|| r.of(&REGIONS).to_owned());
        record.classification = r.chance(60).then(|| "Confidential".to_owned());
        record.language = r.chance(60).then(|| r.of(&["en-GB", "de-DE"]).to_owned());
        record.external_tag = r.chance(10).then(|| "tag X-1".to_owned());
        record.notes = r.chance(20).then(|| words(r));
        record.session_id = r.chance(30).then(|| format!("s{}", i % 7));
        if r.chance(30) {
            record.external_ids.insert("crm".into(), format!("C{}", i % 11));
        }
        if r.chance(30) {
            record.attributes.insert("Skill".into(), r.of(&["Billing", "tech support"]).to_owned());
        }
        record
    }
}

fn words(r: &mut Random) -> String {
    (0..=r.below(4)).map(|_| r.of(&WORDS)).collect::<Vec<_>>().join(r.of(&[" ", ", ", "\n"]))
}

/// A row as ingest makes it. `name` becomes part of the keys.
pub(super) fn derive(record: CanonicalRecord, name: &str, r: &mut Random) -> IndexRow {
    let key = |top: &str| ObjectKey::new(format!("{top}/{name}")).expect("a key");
    let digest = Sha256Digest::of(format!("{name}{}", record.vendor).as_bytes());
    let timed = record.media.is_timed();
    let manifest = Manifest {
        format: MANIFEST_FORMAT.into(),
        archive_id: record.idempotency_key().archive_id(),
        object: MediaObject {
            bucket: "media".into(),
            key: key("recordings"),
            version_id: Some("v1".into()),
            fixity: Fixity::sha256(digest, 1_000),
            media_type: "audio/ogg".into(),
            tier: r.of(&[StorageTier::Hot, StorageTier::Cool, StorageTier::Cold, StorageTier::DeepCold]),
            storage_class: "local".into(),
            probe: Probe {
                container: "ogg".into(),
                codec: timed.then(|| r.of(&CODECS).to_owned()),
                measured_duration_ms: (timed && r.chance(50)).then(|| r.below(4) * 30_000),
                ..Probe::default()
            },
            original_name: "a.ogg".into(),
        },
        payload: PayloadRef { key: key("payloads"), fixity: Fixity::sha256(digest, 9), schema: "s/1".into() },
        text: None,
        retention: RetentionDecision {
            class: r.of(&["standard-7y", "Finra-10y"]).to_owned(),
            rule: "default".into(),
            legal_basis: "policy".into(),
            retention: ObjectRetention {
                mode: ImmutabilityMode::Governance,
                until: record.end + jiff::SignedDuration::from_hours(24 * 365 * 7),
            },
        },
        accession: Accession {
            run: "run-1".parse().expect("a run id"),
            source: SourceRef { source: "s".into(), item: name.to_owned() },
            ingested_at: at(record.end.as_millisecond() + i64::try_from(r.below(3)).unwrap() * 3_600_000),
            ledger_intent: 1,
            archiver_version: "1".into(),
        },
        record,
    };
    IndexRow::derive(&manifest, key("manifests"), digest, "local", 2)
}
