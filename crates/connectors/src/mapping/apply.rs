//! From metadata to a record, by a rule.

use super::{
    document::{Document, Found, Origin, Place},
    file::{From, Group, Rule, Source},
};
use crate::{
    Draft, Problem, decode_name, reason,
    sidecar::{self, Known},
};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};
use std::collections::HashMap;

const TIMES: [&str; 4] = ["start", "end", "captured_at", "vendor_deletes_at"];
const LISTS: [&str; 4] = ["queues", "wrap_up_codes", "divisions", "tags"];

/// Makes one entry of a list; none where there is nothing to say.
type Make<M> = fn(&M, &Group, Option<&Place>) -> Result<Option<Value>, Problem>;

struct Mapper<'a, 'd> {
    document: &'a Document<'d>,
    item: &'a str,
    /// Where each field's value came from, for problems that only show when the whole record is seen.
    origins: HashMap<String, Origin>,
}

/// Applies `rule`; `item` is the place of the metadata inside the source.
pub(super) fn apply(rule: &Rule, document: &Document<'_>, item: &str, known: Known<'_>) -> Result<Draft, Problem> {
    let mut mapper = Mapper { document, item, origins: HashMap::new() };
    let mut record = Map::new();
    for (name, sources) in &rule.fields {
        if let Some(value) = mapper.field(name, sources)? {
            record.insert(name.clone(), value);
        }
    }
    if rule.fields.iter().any(|(n, s)| n == "end" && s.iter().any(|s| matches!(s.from, From::StartPlusDuration))) {
        record.insert("end".into(), end_of(&record)?);
    }
    for (name, sources) in [("attributes", &rule.attributes), ("external_ids", &rule.external_ids)] {
        let mut texts = Map::new();
        for (key, sources) in sources {
            let values = mapper.values(key, sources, None)?;
            if !values.is_empty() {
                let joined: Vec<String> = values.into_iter().map(|f| f.text).collect();
                texts.insert(key.clone(), Value::String(joined.join("; ")));
            }
        }
        record.insert(name.into(), Value::Object(texts));
    }
    record.insert("participants".into(), mapper.groups("participants", &rule.participants, Mapper::participant)?);
    record.insert("pauses".into(), mapper.groups("pauses", &rule.pauses, Mapper::pause)?);
    let locate = |path: &[String]| {
        let origin = path.first().and_then(|field| mapper.origins.get(field))?;
        mapper.document.line_column(origin)
    };
    sidecar::assemble(record, known, &locate)
}

fn end_of(record: &Map<String, Value>) -> Result<Value, Problem> {
    let start = record.get("start").and_then(Value::as_str).and_then(|s| s.parse::<Timestamp>().ok());
    let duration = record.get("declared_duration_ms").and_then(Value::as_u64).and_then(|d| i64::try_from(d).ok());
    match (start, duration) {
        (Some(start), Some(ms)) => start
            .checked_add(SignedDuration::from_millis(ms))
            .map(|t| Value::String(t.to_string()))
            .map_err(|_| Problem::field(reason::FIELD_INVALID, "end", "start and duration together lie too far ahead")),
        _ => Err(Problem::field(
            reason::FIELD_MISSING,
            "end",
            "the end is to be start plus duration, and one of them is missing",
        )),
    }
}

impl Mapper<'_, '_> {
    fn invalid(&self, field: &str, origin: &Origin, sentence: String) -> Problem {
        Problem::field(reason::FIELD_INVALID, field, sentence).at(self.document.line_column(origin))
    }

    /// All values of a field, mapped and split; empty ones are absent.
    fn values(&self, field: &str, sources: &[Source], base: Option<&Place>) -> Result<Vec<Found>, Problem> {
        let mut out = Vec::new();
        for source in sources {
            let nowhere = |text: String| Found { text, origin: Origin::Nowhere };
            let mut found = match &source.from {
                From::Value(value) => vec![nowhere(value.clone())],
                From::At(path) => self.document.find(path, base),
                From::Place(name) => self.value_of_place(name).map(nowhere).into_iter().collect(),
                From::StartPlusDuration => Vec::new(),
            };
            found.retain(|f| !f.text.trim().is_empty());
            if found.is_empty() {
                found.extend(source.default.clone().map(nowhere));
            }
            for one in found {
                self.transform(field, source, one, &mut out)?;
            }
        }
        Ok(out)
    }

    fn transform(&self, field: &str, source: &Source, found: Found, out: &mut Vec<Found>) -> Result<(), Problem> {
        let parts: Vec<&str> = match &source.split {
            Some(separator) => found.text.split(separator.as_str()).collect(),
            None => vec![&found.text],
        };
        for part in parts {
            let part = part.trim();
            let text = match (source.map.get(part), &source.otherwise) {
                (Some(mapped), _) => mapped.as_str(),
                (None, Some(otherwise)) => otherwise.as_str(),
                (None, None) if source.map.is_empty() || part.is_empty() => part,
                (None, None) => {
                    let sentence = format!("{field} has a value that the mapping's map does not name");
                    return Err(self.invalid(field, &found.origin, sentence));
                }
            };
            if !text.is_empty() {
                out.push(Found { text: text.to_owned(), origin: found.origin.clone() });
            }
        }
        Ok(())
    }

    /// The value of a `name=value` folder on the way to the item; or its stem.
    fn value_of_place(&self, name: &str) -> Option<String> {
        let plain = |text: &str| String::from_utf8(decode_name(text)).ok();
        if name == "stem" {
            let file = self.item.rsplit('/').next()?;
            let stem = file.strip_suffix("_metadata.json").or_else(|| file.rsplit_once('.').map(|(s, _)| s));
            return plain(stem.unwrap_or(file));
        }
        let mut folders = self.item.split('/').rev().skip(1);
        folders.find_map(|f| f.strip_prefix(name)?.strip_prefix('=')).and_then(plain)
    }

    /// The value of the first source that has one, with that source.
    fn single<'s>(
        &self,
        field: &str,
        sources: &'s [Source],
        base: Option<&Place>,
    ) -> Result<Option<(Found, &'s Source)>, Problem> {
        for source in sources {
            let mut values = self.values(field, std::slice::from_ref(source), base)?.into_iter();
            let Some(first) = values.next() else { continue };
            if let Some(other) = values.find(|v| v.text != first.text) {
                let sentence = format!("{field} is found several times with different values");
                return Err(self.invalid(field, &other.origin, sentence));
            }
            return Ok(Some((first, source)));
        }
        Ok(None)
    }

    /// One top-level field as the canonical sidecar would write it.
    fn field(&mut self, name: &str, sources: &[Source]) -> Result<Option<Value>, Problem> {
        if LISTS.contains(&name) || name == "transcript" {
            let texts = self.values(name, sources, None)?.into_iter().map(|f| f.text);
            return Ok(Some(if name == "transcript" {
                Value::String(texts.collect::<Vec<_>>().join("\n"))
            } else {
                texts.map(Value::String).collect()
            }));
        }
        let Some((found, source)) = self.single(name, sources, None)? else { return Ok(None) };
        self.origins.insert(name.to_owned(), found.origin.clone());
        if TIMES.contains(&name) {
            let time = source.format.read(&found.text, source.zone.as_ref(), source.ambiguous);
            let time = time.map_err(|e| self.invalid(name, &found.origin, format!("{name} cannot be read: {e}")))?;
            return Ok(Some(Value::String(time.to_string())));
        }
        if name == "declared_duration_ms" {
            return self.duration(name, source, &found).map(|ms| Some(json!(ms)));
        }
        Ok(Some(Value::String(found.text)))
    }

    fn duration(&self, name: &str, source: &Source, found: &Found) -> Result<u64, Problem> {
        let read = source.unit.read(&found.text);
        read.map_err(|e| self.invalid(name, &found.origin, format!("{name} cannot be read: {e}")))
    }

    fn groups(&mut self, name: &str, groups: &[Group], make: Make<Self>) -> Result<Value, Problem> {
        let mut out = Vec::new();
        for group in groups {
            let places = match &group.each {
                Some(each) => self.document.places(each).into_iter().map(Some).collect(),
                None => vec![None],
            };
            for place in places {
                out.extend(make(self, group, place.as_ref()).map_err(|mut p| {
                    p.field = Some(name.to_owned());
                    p
                })?);
            }
        }
        Ok(Value::Array(out))
    }

    /// None where nothing about the participant is known but the role, or the role is mapped to nothing.
    fn participant(&self, group: &Group, base: Option<&Place>) -> Result<Option<Value>, Problem> {
        let mut out = Map::new();
        for (name, sources) in &group.fields {
            if let Some((found, _)) = self.single(name, sources, base)? {
                out.insert(name.clone(), Value::String(found.text));
            }
        }
        let known = out.contains_key("role") && (out.len() > 1 || group.each.is_some());
        Ok(known.then_some(Value::Object(out)))
    }

    /// None where the kind is mapped to nothing.
    fn pause(&self, group: &Group, base: Option<&Place>) -> Result<Option<Value>, Problem> {
        let mut out = Map::new();
        for (name, sources) in &group.fields {
            let Some((found, source)) = self.single(name, sources, base)? else { continue };
            let value = match name.as_str() {
                "kind" => Value::String(found.text),
                "shortens_media" => json!(found.text == "true"),
                _ => json!(self.duration(name, source, &found)?),
            };
            out.insert(name.clone(), value);
        }
        if !out.contains_key("kind") {
            return Ok(None);
        }
        if let Some(duration) = out.remove("duration_ms").and_then(|d| d.as_u64()) {
            let start = out.get("start_ms").and_then(Value::as_u64).unwrap_or_default();
            out.entry("end_ms").or_insert(json!(start.saturating_add(duration)));
        }
        Ok(Some(Value::Object(out)))
    }
}
