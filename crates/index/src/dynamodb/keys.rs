//! The keys of the index. `docs/formats/dynamodb.md` lists them.

use super::db::Key;
use crate::terms::fields::Field;
use holdfast_model::{ArchiveId, Sha256Digest};
use jiff::{Timestamp, tz::TimeZone};

/// First characters of archive ids, in their order: rows lie in one partition for each.
pub(super) const ROW_PARTITIONS: &str = "234567abcdefghijklmnopqrstuvwxyz";

/// Fields whose values lead to rows, the most telling first. Agents are found as participants.
pub(super) const PATHS: [Field; 10] = [
    Field::Fixity,
    Field::Recording,
    Field::Interaction,
    Field::ExternalId,
    Field::Session,
    Field::Participant,
    Field::Hold,
    Field::Tag,
    Field::Queue,
    Field::Availability,
];

/// One index among those that are in the table: the one that answers, the one that is built, those that are to be removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Generation {
    pub number: u64,
    /// Partitions over which one value, and one day, is spread.
    pub shards: u32,
    /// Tells it from another that was begun under the same number at the same time.
    pub token: String,
}

impl Generation {
    pub(super) fn write(&self) -> String {
        format!("{}:{}:{}", self.number, self.shards, self.token)
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(3, ':');
        let (number, shards, token) = (parts.next()?, parts.next()?, parts.next()?);
        Some(Self { number: number.parse().ok()?, shards: shards.parse().ok()?, token: token.to_owned() })
    }

    fn rows_under(&self, first: char) -> String {
        format!("G#{}#R#{first}", self.number)
    }

    /// The partitions of its rows, in the order of archive ids.
    pub(super) fn row_partitions(&self) -> impl Iterator<Item = (char, String)> + '_ {
        ROW_PARTITIONS.chars().map(|c| (c, self.rows_under(c)))
    }

    pub(super) fn row(&self, id: &ArchiveId) -> Key {
        Key::new(self.rows_under(first(id)), id.as_str())
    }

    /// Part `number` of what did not fit into the row item: of the row itself (`r`) or of its words (`t`).
    pub(super) fn part(&self, id: &ArchiveId, token: &str, what: char, number: u32) -> Key {
        Key::new(format!("G#{}#P#{}", self.number, first(id)), format!("{id}#{token}#{what}{number:04}"))
    }

    pub(super) fn shard(&self, id: &ArchiveId) -> u32 {
        let sum = id.as_str().bytes().fold(0u32, |h, b| h.wrapping_mul(31).wrapping_add(u32::from(b)));
        (sum >> 3) % self.shards.max(1)
    }

    /// Partitions over which the pointers of a field's value are spread: one where a value has few rows by its nature.
    pub(super) fn spread(&self, field: Field) -> u32 {
        match field {
            Field::Fixity | Field::Recording | Field::Interaction | Field::ExternalId | Field::Session => 1,
            _ => self.shards,
        }
    }

    pub(super) fn value(&self, salt: &[u8], field: Field, value: &str, shard: u32) -> String {
        let letter = match field {
            Field::Fixity => "SHA",
            Field::Recording => "REC",
            Field::Interaction => "INT",
            Field::ExternalId => "EXT",
            Field::Session => "SES",
            Field::Participant => "WHO",
            Field::Hold => "HOLD",
            Field::Tag => "TAG",
            Field::Queue => "QUEUE",
            _ => "AVAIL",
        };
        format!("G#{}#{letter}#{}#{shard}", self.number, hashed(salt, field, value))
    }

    /// The partition of a day in a calendar.
    pub(super) fn day(&self, calendar: Calendar, day: &str, shard: u32) -> String {
        format!("G#{}#{}#{day}#{shard}", self.number, calendar.letter())
    }

    /// The partition that lists the days of a calendar that have rows, with their shards.
    pub(super) fn days(&self, calendar: Calendar) -> String {
        format!("G#{}#{}S", self.number, calendar.letter())
    }
}

/// What days are counted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Calendar {
    /// The start.
    Start,
    /// The end of retention.
    Until,
}

impl Calendar {
    pub(super) const ALL: [Self; 2] = [Self::Start, Self::Until];

    fn letter(self) -> &'static str {
        match self {
            Self::Start => "DAY",
            Self::Until => "UNTIL",
        }
    }
}

fn first(id: &ArchiveId) -> char {
    let digits = id.as_str().strip_prefix("hf-").unwrap_or(id.as_str());
    digits.chars().next().unwrap_or('2')
}

/// No value stands in a key: keys show in logs, metrics and traces of the provider. The salt is the table's own, so that
/// telephone numbers cannot be told by trying all of them.
fn hashed(salt: &[u8], field: Field, value: &str) -> String {
    let mut input = salt.to_vec();
    input.push(field as u8);
    input.extend_from_slice(value.as_bytes());
    let mut hex = Sha256Digest::of(&input).to_hex();
    hex.truncate(32);
    hex
}

/// Milliseconds as text in their order.
pub(super) fn time(ms: i64) -> String {
    format!("{:016x}", ms.cast_unsigned() ^ (1 << 63))
}

/// The sort key of a pointer.
pub(super) fn place(start: i64, id: &ArchiveId) -> String {
    format!("{}#{id}", time(start))
}

pub(super) fn read_place(sk: &str) -> Option<(i64, ArchiveId)> {
    let (time, id) = sk.split_once('#')?;
    let start = (u64::from_str_radix(time, 16).ok()? ^ (1 << 63)).cast_signed();
    Some((start, id.parse().ok()?))
}

/// The day in UTC as text in the order of days; one text for all times before the year 0, and one for all that cannot be
/// written.
pub(super) fn day(ms: i64) -> String {
    match Timestamp::from_millisecond(ms) {
        Ok(t) => {
            let date = t.to_zoned(TimeZone::UTC).date();
            if date.year() < 0 { BEFORE.into() } else { date.to_string() }
        }
        Err(_) if ms < 0 => BEFORE.into(),
        Err(_) => "9999-12-31".into(),
    }
}

const BEFORE: &str = "0000-00-00";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_in_the_order_of_time() {
        let times = [i64::MIN + 1, -1, 0, 1, 1_703_894_400_000, i64::MAX];
        assert!(times.iter().map(|t| time(*t)).is_sorted());
        assert!(times.iter().map(|t| day(*t)).is_sorted());
        let id: ArchiveId = "hf-abc".parse().unwrap();
        for t in times {
            assert_eq!(read_place(&place(t, &id)), Some((t, id.clone())));
        }
        assert_eq!(day(1_703_894_400_000), "2023-12-30");
    }

    #[test]
    fn no_value_is_legible_in_a_key() {
        let g = Generation { number: 3, shards: 8, token: "t".into() };
        let key = g.value(b"salt", Field::Participant, "+4930", 2);
        assert!(key.starts_with("G#3#WHO#") && key.ends_with("#2") && !key.contains("4930"), "{key}");
        assert_ne!(key, g.value(b"other", Field::Participant, "+4930", 2));
        assert_ne!(key, g.value(b"salt", Field::Tag, "+4930", 2).replace("TAG", "WHO"));
        assert_eq!(Generation::parse(&g.write()), Some(g));
    }
}
