//! What is indexed of a row: the values of its fields, its words, its numbers.

use super::text::{bounded, fold, words};
use crate::{AvailabilityState, IndexRow};
use holdfast_model::{
    ArchiveId, CanonicalRecord, Direction, MatterId, MediaKind, ParticipantRole, Sha256Digest, StorageTier,
};
use jiff::{Timestamp, tz::TimeZone};

/// A field with values. The numbers stand in the file: never change one, never use one again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub(crate) enum Field {
    /// A word that can be searched.
    Word = 1,
    /// A beginning that many words share; in postings only, see `seal`.
    Beginning = 2,
    Vendor = 3,
    Organisation = 4,
    Interaction = 5,
    Recording = 6,
    Session = 7,
    ExternalId = 8,
    ExternalTag = 9,
    Media = 10,
    Direction = 11,
    /// Identifiers and names of agents, for filters.
    Agent = 12,
    /// One name for each agent, for facets.
    AgentName = 13,
    Participant = 14,
    Queue = 15,
    WrapUp = 16,
    Division = 17,
    Tag = 18,
    Language = 19,
    Classification = 20,
    Region = 21,
    RetentionClass = 22,
    Tier = 23,
    Availability = 24,
    Hold = 25,
    Codec = 26,
    Year = 27,
    Attribute = 28,
    /// The first 16 digits of the original's SHA-256, which tell 2^32 recordings apart.
    Fixity = 29,
}

/// The fields that facets count, in the order of [`crate::Facets`]. None of them ever changes in a row, which lets readers
/// keep what they decoded.
pub(crate) const FACETS: [Field; 8] = [
    Field::Vendor,
    Field::Media,
    Field::Queue,
    Field::AgentName,
    Field::Tag,
    Field::Tier,
    Field::Direction,
    Field::Year,
];

/// A number of each row, for ranges and order. Times are milliseconds since 1970. The values stand in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub(crate) enum Number {
    Start = 0,
    /// Orders rows with the same start as their archive ids do; see [`tie`].
    Tie = 1,
    Duration = 2,
    RetainUntil = 3,
    IngestedAt = 4,
}

pub(crate) const NUMBERS: [Number; 5] =
    [Number::Start, Number::Tie, Number::Duration, Number::RetainUntil, Number::IngestedAt];

/// Stands for a duration that is not there; less than every bound.
pub(crate) const NONE: i64 = i64::MIN;

/// The first 12 characters of an archive id's base32 as 60 bits in the order of their text, which for ids made from SHA-256
/// is as good as the whole.
pub(crate) fn tie(id: &ArchiveId) -> i64 {
    let digits = id.as_str().strip_prefix("hf-").unwrap_or(id.as_str());
    digits.bytes().chain(std::iter::repeat(b'2')).take(12).fold(0, |sum, b| {
        let rank = match b {
            b'2'..=b'7' => b - b'2',
            b'a'..=b'z' => b - b'a' + 6,
            _ => 0,
        };
        (sum << 5) | i64::from(rank)
    })
}

pub(crate) fn media_name(m: MediaKind) -> &'static str {
    match m {
        MediaKind::Voice => "voice",
        MediaKind::Screen => "screen",
        MediaKind::Chat => "chat",
        MediaKind::Email => "email",
        MediaKind::Message => "message",
    }
}

pub(crate) fn direction_name(d: Direction) -> &'static str {
    match d {
        Direction::Inbound => "inbound",
        Direction::Outbound => "outbound",
        Direction::Internal => "internal",
    }
}

pub(crate) fn tier_name(t: StorageTier) -> &'static str {
    match t {
        StorageTier::Hot => "hot",
        StorageTier::Cool => "cool",
        StorageTier::Cold => "cold",
        StorageTier::DeepCold => "deep_cold",
    }
}

/// The value of a field whose values are compared without case.
pub(crate) fn loose(value: &str) -> String {
    bounded(fold(value.trim()))
}

/// The value of a field whose values are ids.
pub(crate) fn exact(value: &str) -> String {
    bounded(value.to_owned())
}

/// `system=id` as one value.
pub(crate) fn external(system: &str, id: &str) -> String {
    exact(&format!("{system}={id}"))
}

/// `name=value` as one value.
fn attribute(name: &str, value: &str) -> String {
    loose(&format!("{}={}", name.trim(), value.trim()))
}

/// All that is indexed of one row.
#[derive(Debug, Default)]
pub(crate) struct Terms {
    /// Field and value, in no order, with repeats.
    pub values: Vec<(Field, String)>,
    /// Field, value and its spelling, of the fields that facets count.
    pub labels: Vec<(Field, String, String)>,
    /// In the order of [`NUMBERS`].
    pub numbers: [i64; NUMBERS.len()],
    /// Nobody asks for words; taking texts apart is most of the work.
    pub(super) without_words: bool,
}

impl Terms {
    pub(crate) fn of(row: &IndexRow, text: Option<&str>) -> Self {
        Self::taken(row, text, false)
    }

    /// All but the words.
    pub(crate) fn without_words(row: &IndexRow) -> Self {
        Self::taken(row, None, true)
    }

    fn taken(row: &IndexRow, text: Option<&str>, without_words: bool) -> Self {
        let mut terms = Self {
            without_words,
            numbers: [
                row.record.start.as_millisecond(),
                tie(&row.archive_id),
                row.duration_ms().map_or(NONE, |d| i64::try_from(d).unwrap_or(i64::MAX)),
                row.retention.retention.until.as_millisecond(),
                row.ingested_at.as_millisecond(),
            ],
            ..Self::default()
        };
        terms.identity(&row.record);
        terms.routing(&row.record);
        terms.people(&row.record);
        terms.storage(row);
        terms.facet(Field::Year, &year(row.record.start));
        for words in text.into_iter().chain(row.record.notes.as_deref()) {
            terms.words(words);
        }
        terms
    }

    fn identity(&mut self, r: &CanonicalRecord) {
        self.facet(Field::Vendor, &r.vendor);
        self.facet(Field::Media, media_name(r.media));
        self.loose(Field::Organisation, &r.organisation);
        let ids = [(Field::Interaction, Some(&r.interaction_id)), (Field::Recording, Some(&r.recording_id))];
        for (field, id) in ids.into_iter().chain([(Field::Session, r.session_id.as_ref())]) {
            if let Some(id) = id {
                self.values.push((field, exact(id)));
                self.whole_words(id);
            }
        }
        for (system, id) in &r.external_ids {
            self.values.push((Field::ExternalId, exact(id)));
            self.values.push((Field::ExternalId, external(system, id)));
            self.whole_words(id);
        }
        if let Some(tag) = &r.external_tag {
            self.loose(Field::ExternalTag, tag);
            self.all_words(tag);
        }
    }

    fn routing(&mut self, r: &CanonicalRecord) {
        if let Some(d) = r.direction {
            self.facet(Field::Direction, direction_name(d));
        }
        for queue in &r.queues {
            self.facet(Field::Queue, queue);
            self.words(queue);
        }
        for tag in &r.tags {
            self.facet(Field::Tag, tag);
            self.words(tag);
        }
        for code in &r.wrap_up_codes {
            self.loose(Field::WrapUp, code);
            self.words(code);
        }
        for division in &r.divisions {
            self.loose(Field::Division, division);
        }
        for (name, value) in &r.attributes {
            self.values.push((Field::Attribute, attribute(name, value)));
            self.all_words(value);
        }
        let single = [
            (Field::Language, &r.language),
            (Field::Classification, &r.classification),
            (Field::Region, &r.residency_region),
        ];
        for (field, value) in single {
            if let Some(value) = value {
                self.loose(field, value);
            }
        }
    }

    fn people(&mut self, r: &CanonicalRecord) {
        for p in &r.participants {
            for value in p.identifier.iter().chain(&p.display_name) {
                self.loose(Field::Participant, value);
                if p.role == ParticipantRole::Agent {
                    self.loose(Field::Agent, value);
                }
                self.all_words(value);
            }
            if p.role == ParticipantRole::Agent
                && let Some(name) = p.display_name.as_ref().or(p.identifier.as_ref())
            {
                self.facet(Field::AgentName, name);
            }
        }
    }

    fn storage(&mut self, row: &IndexRow) {
        self.facet(Field::Tier, tier_name(row.tier_now()));
        self.values.push(fixity(&row.fixity.digest));
        self.values.push((Field::Availability, AvailabilityState::from(&row.availability).as_str().to_owned()));
        self.values.extend(row.holds.iter().map(hold));
        self.loose(Field::RetentionClass, &row.retention.class);
        for codec in row.probe.codec.iter().chain(&row.probe.video_codec) {
            self.loose(Field::Codec, codec);
        }
    }

    fn loose(&mut self, field: Field, value: &str) {
        self.values.push((field, loose(value)));
    }

    fn facet(&mut self, field: Field, value: &str) {
        let key = loose(value);
        self.labels.push((field, key.clone(), bounded(value.trim().to_owned())));
        self.values.push((field, key));
    }

    fn words(&mut self, text: &str) {
        if self.without_words {
            return;
        }
        self.values.extend(words(&fold(text)).map(|w| (Field::Word, bounded(w.to_owned()))));
    }

    /// An id is one word however it is punctuated, so that a part of a UUID is not a word of its own.
    fn whole_words(&mut self, id: &str) {
        if self.without_words {
            return;
        }
        self.values.extend(fold(id).split_whitespace().map(|w| (Field::Word, bounded(w.to_owned()))));
    }

    /// A telephone number or e-mail address is found whole and by its parts.
    fn all_words(&mut self, text: &str) {
        self.words(text);
        self.whole_words(text);
    }
}

pub(crate) fn hold(matter: &MatterId) -> (Field, String) {
    (Field::Hold, exact(matter.as_str()))
}

pub(crate) fn fixity(digest: &Sha256Digest) -> (Field, String) {
    (Field::Fixity, digest.to_hex()[..16].to_owned())
}

fn year(t: Timestamp) -> String {
    t.to_zoned(TimeZone::UTC).year().to_string()
}
