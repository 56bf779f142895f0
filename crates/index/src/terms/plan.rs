//! From a query to what must hold, and the check of cursors.

use super::{
    entry::{Entry, key},
    fields::{Field, Number, direction_name, exact, fixity, hold, loose, media_name, tier_name},
    text::{bounded, fold, words},
};
use crate::{Cursor, IndexError, Query, Sort};
use holdfast_model::Sha256Digest;
use jiff::Timestamp;

/// What must hold of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Node {
    /// The field has the value.
    Has(Field, String),
    /// A word begins so.
    Begins(String),
    /// One of these holds.
    Any(Vec<Node>),
    /// All of these hold; nothing is asked where there are none.
    Every(Vec<Node>),
    /// The number lies in `from..to`.
    Within(Number, i64, i64),
}

impl Node {
    /// Checks the query and says what it asks for, but for its `ids`, which only the index can turn into documents.
    pub(crate) fn of(q: &Query) -> Result<Self, IndexError> {
        let mut all = Vec::new();
        values(q, &mut all)?;
        let times = [
            ("from", "to", Number::Start, q.from, q.to),
            ("retain_until_from", "retain_until_to", Number::RetainUntil, q.retain_until_from, q.retain_until_to),
            ("ingested_from", "ingested_to", Number::IngestedAt, q.ingested_from, q.ingested_to),
        ];
        for (first, second, number, from, to) in times {
            if let (Some(f), Some(t)) = (from, to)
                && f > t
            {
                return Err(IndexError::Invalid(format!("{first} ({f}) is after {second} ({t})")));
            }
            // Row times are whole milliseconds; a bound between two counts as the later one.
            let ms = |t: Timestamp| {
                let ms = t.as_millisecond();
                if t.subsec_nanosecond() % 1_000_000 > 0 { ms + 1 } else { ms }
            };
            if from.is_some() || to.is_some() {
                all.push(Self::Within(number, from.map_or(i64::MIN + 1, ms), to.map_or(i64::MAX, ms)));
            }
        }
        if q.duration_min_ms.is_some() || q.duration_max_ms.is_some() {
            let (least, most) = (q.duration_min_ms.unwrap_or(0), q.duration_max_ms);
            if most.is_some_and(|m| m < least) {
                return Err(IndexError::Invalid("duration_min_ms is greater than duration_max_ms".into()));
            }
            let bound = |ms: u64| i64::try_from(ms).unwrap_or(i64::MAX);
            all.push(Self::Within(
                Number::Duration,
                bound(least),
                most.map_or(i64::MAX, |m| bound(m).saturating_add(1)),
            ));
        }
        if let Some(text) = &q.text {
            of_text(text, &mut all);
        }
        Ok(Self::Every(all))
    }

    /// Whether it holds of a document of the tail.
    pub(crate) fn holds(&self, e: &Entry) -> bool {
        match self {
            Self::Has(field, value) => e.has(&key(*field, value)),
            Self::Begins(beginning) => e.has_beginning(&key(Field::Word, beginning)),
            Self::Any(nodes) => nodes.iter().any(|n| n.holds(e)),
            Self::Every(nodes) => nodes.iter().all(|n| n.holds(e)),
            Self::Within(number, from, to) => (*from..*to).contains(&e.number(*number)),
        }
    }
}

fn values(q: &Query, all: &mut Vec<Node>) -> Result<(), IndexError> {
    type Form = fn(&str) -> String;
    let as_text: [(&str, Field, &Option<String>, Form); 18] = [
        ("vendor", Field::Vendor, &q.vendor, loose),
        ("organisation", Field::Organisation, &q.organisation, loose),
        ("interaction", Field::Interaction, &q.interaction, exact),
        ("recording_id", Field::Recording, &q.recording_id, exact),
        ("session", Field::Session, &q.session, exact),
        ("external_id", Field::ExternalId, &q.external_id, exact),
        ("external_tag", Field::ExternalTag, &q.external_tag, loose),
        ("agent", Field::Agent, &q.agent, loose),
        ("participant", Field::Participant, &q.participant, loose),
        ("queue", Field::Queue, &q.queue, loose),
        ("wrap_up", Field::WrapUp, &q.wrap_up, loose),
        ("division", Field::Division, &q.division, loose),
        ("tag", Field::Tag, &q.tag, loose),
        ("language", Field::Language, &q.language, loose),
        ("classification", Field::Classification, &q.classification, loose),
        ("region", Field::Region, &q.region, loose),
        ("retention_class", Field::RetentionClass, &q.retention_class, loose),
        ("codec", Field::Codec, &q.codec, loose),
    ];
    for (name, field, value, form) in as_text {
        if let Some(value) = value {
            if value.trim().is_empty() {
                return Err(IndexError::Invalid(format!("the filter {name} is empty")));
            }
            all.push(Node::Has(field, form(value)));
        }
    }
    if let Some(a) = &q.attribute {
        let Some((name, value)) = a.split_once('=') else {
            return Err(IndexError::Invalid("the filter attribute must be written name=value".into()));
        };
        all.push(Node::Has(Field::Attribute, loose(&format!("{}={}", name.trim(), value.trim()))));
    }
    let named = [
        q.media.map(|m| (Field::Media, media_name(m))),
        q.direction.map(|d| (Field::Direction, direction_name(d))),
        q.tier.map(|t| (Field::Tier, tier_name(t))),
        q.availability.map(|a| (Field::Availability, a.as_str())),
    ];
    all.extend(named.into_iter().flatten().map(|(field, name)| Node::Has(field, name.to_owned())));
    if let Some(digest) = &q.sha256 {
        let (field, value) = fixity(digest);
        all.push(Node::Has(field, value));
    }
    if let Some(matter) = &q.hold {
        let (field, value) = hold(matter);
        all.push(Node::Has(field, value));
    }
    Ok(())
}

/// Every word of the text must occur: as it stands (ids, telephone numbers, addresses), or by its parts. The last one also as
/// a beginning, unless what follows it shows that it is complete.
fn of_text(text: &str, all: &mut Vec<Node>) {
    let complete = text.ends_with(|c: char| c.is_whitespace() || QUOTES.contains(&c));
    let folded = fold(text);
    let asked: Vec<&str> = folded
        .split_whitespace()
        .map(|w| w.trim_matches(|c| QUOTES.contains(&c) || matches!(c, '(' | ')' | '*')))
        .filter(|w| words(w).next().is_some())
        .collect();
    for (i, whole) in asked.iter().enumerate() {
        let open = i + 1 == asked.len() && !complete;
        let parts: Vec<&str> = words(whole).collect();
        let last = parts.len() - 1;
        let by_parts = parts.iter().enumerate().map(|(j, part)| word(part, open && j == last)).collect();
        all.push(if parts == [*whole] {
            word(whole, open)
        } else {
            Node::Any(vec![word(whole, open), Node::Every(by_parts)])
        });
    }
}

const QUOTES: [char; 8] = ['"', '\'', '“', '”', '„', '‘', '«', '»'];

fn word(w: &str, open: bool) -> Node {
    // A value that was cut has no beginning to compare with.
    let value = bounded(w.to_owned());
    if open && value == w { Node::Begins(value) } else { Node::Has(Field::Word, value) }
}

/// A place in the order of a query: documents after it have a greater (`key`, `tie`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    /// The start, negated for newest first.
    pub key: i64,
    pub tie: i64,
}

impl Place {
    pub(crate) fn new(sort: Sort, start: i64, tie: i64) -> Self {
        Self { key: if sort == Sort::Newest { -start } else { start }, tie }
    }
}

/// Names the question a cursor belongs to: everything in the query but the cursor and the size of the page.
fn question(q: &Query) -> Result<[u8; 8], IndexError> {
    let bare = Query { cursor: None, limit: 0, ..q.clone() };
    let json = serde_json::to_vec(&bare).map_err(|e| IndexError::Internal(e.to_string()))?;
    Ok(first(Sha256Digest::of(&json)))
}

fn first<const N: usize>(digest: Sha256Digest) -> [u8; N] {
    std::array::from_fn(|i| digest.0[i])
}

fn check_of(body: &[u8]) -> [u8; 4] {
    first(Sha256Digest::of(&[b"holdfast-cursor", body].concat()))
}

/// The version of a cursor that is a place only, and of one that also carries a number of its backend's.
const VERSIONS: [u8; 2] = [1, 2];
const NOT_OURS: IndexError = IndexError::BadCursor("it is not one that Holdfast gave");

/// `known`: what the backend would otherwise have to find out again on the next page.
pub(crate) fn write_cursor(q: &Query, place: Place, known: Option<u64>) -> Result<Cursor, IndexError> {
    let mut bytes = vec![VERSIONS[usize::from(known.is_some())]];
    bytes.extend_from_slice(&place.key.to_be_bytes());
    bytes.extend_from_slice(&place.tie.to_be_bytes());
    bytes.extend(known.into_iter().flat_map(u64::to_be_bytes));
    bytes.extend_from_slice(&question(q)?);
    bytes.extend_from_slice(&check_of(&bytes));
    Ok(Cursor(bytes.iter().map(|b| format!("{b:02x}")).collect()))
}

pub(crate) fn read_cursor(q: &Query) -> Result<Option<(Place, Option<u64>)>, IndexError> {
    let Some(cursor) = &q.cursor else { return Ok(None) };
    let bytes = unhex(&cursor.0).ok_or(NOT_OURS)?;
    let (body, check) = bytes.split_last_chunk::<4>().ok_or(NOT_OURS)?;
    let (body, asked) = body.split_last_chunk::<8>().ok_or(NOT_OURS)?;
    let (version, numbers) = body.split_first().ok_or(NOT_OURS)?;
    let known = VERSIONS.iter().position(|v| v == version).ok_or(NOT_OURS)?;
    if *check != check_of(&bytes[..bytes.len() - 4]) || numbers.len() != 16 + 8 * known {
        return Err(NOT_OURS);
    }
    if *asked != question(q)? {
        return Err(IndexError::BadCursor("it belongs to a query with other filters or another order"));
    }
    let int = |at: usize| i64::from_be_bytes(std::array::from_fn(|i| numbers[at + i]));
    let place = Place { key: int(0), tie: int(8) };
    Ok(Some((place, (known == 1).then(|| int(16).cast_unsigned()))))
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes();
    if digits.len() % 2 == 1 || digits.len() > 2 * 64 {
        return None;
    }
    let nibble = |d: u8| (d as char).to_digit(16);
    digits.chunks_exact(2).map(|pair| u8::try_from(nibble(pair[0])? * 16 + nibble(pair[1])?).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(t: &str) -> Node {
        let mut all = Vec::new();
        of_text(t, &mut all);
        Node::Every(all)
    }

    fn has(w: &str) -> Node {
        Node::Has(Field::Word, w.into())
    }

    fn begins(w: &str) -> Node {
        Node::Begins(w.into())
    }

    #[test]
    fn text_is_words_and_nothing_in_it_is_syntax() {
        assert_eq!(text("Refund c"), Node::Every(vec![has("refund"), begins("c")]));
        assert_eq!(text("refund "), Node::Every(vec![has("refund")]));
        assert_eq!(text("\"refund\""), Node::Every(vec![has("refund")]));
        assert_eq!(text("  \"*() - "), Node::Every(vec![]));
        assert_eq!(
            text("a-b OR x"),
            Node::Every(vec![
                Node::Any(vec![has("a-b"), Node::Every(vec![has("a"), has("b")])]),
                has("or"),
                begins("x")
            ])
        );
    }

    #[test]
    fn a_cursor_belongs_to_its_question() {
        let q = Query { queue: Some("sales".into()), ..Query::default() };
        let place = Place { key: -7, tie: 99 };
        let with = |cursor: Cursor| Query { cursor: Some(cursor), limit: 3, ..q.clone() };
        for known in [None, Some(u64::MAX - 1)] {
            let cursor = write_cursor(&q, place, known).unwrap();
            assert_eq!(read_cursor(&with(cursor.clone())).unwrap(), Some((place, known)));
            for i in 0..cursor.0.len() {
                let mut altered = cursor.0.clone().into_bytes();
                altered[i] = if altered[i] == b'0' { b'1' } else { b'0' };
                let altered = Cursor(String::from_utf8(altered).unwrap());
                assert!(read_cursor(&with(altered)).is_err(), "{i}");
                assert!(read_cursor(&with(Cursor::new(&cursor.0[..i]))).is_err(), "{i}");
            }
            let other = Query { queue: Some("support".into()), cursor: Some(cursor), ..Query::default() };
            assert!(matches!(read_cursor(&other), Err(IndexError::BadCursor(_))));
        }
        for bad in ["", "zz", "é", &"0".repeat(58), &"é".repeat(29)] {
            assert!(read_cursor(&with(Cursor::new(bad))).is_err(), "{bad}");
        }
    }
}
