//! The canonical sidecar: metadata that already speaks Holdfast's words. `docs/formats/sidecar.md` is normative.

use crate::{Draft, Problem, input, reason, text};
use holdfast_model::{CanonicalRecord, Direction, MediaKind, Participant, ParticipantRole, Pause};
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Written into a manifest as the payload's schema.
pub const SIDECAR_SCHEMA: &str = "holdfast-sidecar/1";

/// What a source knows beside the metadata.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Known<'a> {
    /// From the source's configuration.
    pub(crate) organisation: Option<&'a str>,
    /// Name of the media file, asked for its ending only.
    pub(crate) media_name: Option<&'a str>,
}

/// Reads a canonical sidecar. `organisation` stands in where the sidecar names none; `media_name` (only its ending counts)
/// helps where the sidecar does not say what kind of media it describes.
///
/// # Errors
/// A [`Problem`] with field, line and column.
pub fn read_sidecar(bytes: &[u8], organisation: Option<&str>, media_name: Option<&str>) -> Result<Draft, Problem> {
    let text = input::decode(bytes)?;
    let map = parse_object(&text)?;
    assemble(map, Known { organisation, media_name }, &|path| input::locate_json(&text, path))
}

pub(crate) fn parse_object(text: &str) -> Result<Map<String, Value>, Problem> {
    let malformed = |e: &serde_json::Error| {
        let sentence = format!("the metadata is not JSON: {}", without_place(&e.to_string()));
        Problem::new(reason::METADATA_MALFORMED, sentence).at(Some((e.line() as u64, e.column().max(1) as u64)))
    };
    match serde_json::from_str(text).map_err(|e| malformed(&e))? {
        Value::Object(map) => Ok(map),
        _ => Err(Problem::new(reason::METADATA_MALFORMED, "the metadata is JSON but not an object").at(Some((1, 1)))),
    }
}

fn without_place(message: &str) -> &str {
    message.rsplit_once(" at line ").map_or(message, |(what, _)| what)
}

/// Whether a lone JSON file is a transcript that carries its own canonical metadata: it names a kind of media that is text, and
/// holds `messages` or `transcript`.
pub(crate) fn is_self_contained(map: &Map<String, Value>) -> bool {
    matches!(map.get("media").and_then(Value::as_str), Some("chat" | "email" | "message"))
        && (map.contains_key("messages") || map.contains_key("transcript"))
}

type Locate<'a> = &'a dyn Fn(&[String]) -> Option<(u64, u64)>;

struct Fields<'a> {
    map: Map<String, Value>,
    attributes: BTreeMap<String, String>,
    locate: Locate<'a>,
}

/// Makes a record of canonical and friendly fields; what is not known becomes an attribute.
pub(crate) fn assemble(map: Map<String, Value>, known: Known<'_>, locate: Locate<'_>) -> Result<Draft, Problem> {
    let mut f = Fields { map, attributes: BTreeMap::new(), locate };
    f.map.retain(|_, v| !v.is_null());
    let transcript = f.transcript();
    let organisation = match (f.text("organisation")?, known.organisation) {
        (Some(own), _) => own,
        (None, Some(configured)) => {
            f.attributes.insert("holdfast.organisation".into(), "from the source's configuration".into());
            configured.to_owned()
        }
        (None, None) => return Err(missing("organisation")),
    };
    let (media, media_from_content) = match f.one::<MediaKind>("media", "voice, screen, chat, email or message")? {
        Some(media) => (media, false),
        None => (media_by_name(known.media_name)?, true),
    };
    let record = CanonicalRecord {
        vendor: f.text("vendor")?.ok_or_else(|| missing("vendor"))?,
        organisation,
        interaction_id: f.text("interaction_id")?.ok_or_else(|| missing("interaction_id"))?,
        recording_id: f.text("recording_id")?.ok_or_else(|| missing("recording_id"))?,
        session_id: f.text("session_id")?,
        external_ids: f.texts_by_name("external_ids")?,
        media,
        start: f.time("start")?.ok_or_else(|| missing("start"))?,
        end: f.time("end")?.ok_or_else(|| missing("end"))?,
        declared_duration_ms: f.duration()?,
        captured_at: f.time("captured_at")?,
        participants: f.participants()?,
        queues: f.list("queues", "queue")?,
        direction: f.one::<Direction>("direction", "inbound, outbound or internal")?,
        wrap_up_codes: f.list("wrap_up_codes", "wrap_up_code")?,
        divisions: f.list("divisions", "division")?,
        external_tag: f.text("external_tag")?,
        language: f.text("language")?,
        notes: f.text("notes")?,
        tags: f.list("tags", "tag")?,
        classification: f.text("classification")?,
        residency_region: f.text("residency_region")?,
        vendor_deletes_at: f.time("vendor_deletes_at")?,
        pauses: f.pauses()?,
        attributes: f.into_attributes()?,
    };
    record.check().map_err(|e| {
        let kind = if e.field == "end" || e.field == "pauses" { reason::FIELD_INVALID } else { reason::FIELD_MISSING };
        Problem::field(kind, e.field, e.problem).at(locate(&[e.field.to_owned()]))
    })?;
    Ok(Draft { record, media_from_content, transcript })
}

fn missing(field: &str) -> Problem {
    Problem::field(reason::FIELD_MISSING, field, format!("the metadata has no {field}"))
}

fn media_by_name(name: Option<&str>) -> Result<MediaKind, Problem> {
    let extension = name.map(|n| n.rsplit_once('.').map_or(String::new(), |(_, e)| e.to_ascii_lowercase()));
    match extension.as_deref() {
        Some("eml") => Ok(MediaKind::Email),
        Some("json" | "txt" | "html" | "htm" | "xml" | "csv") | None => Err(Problem::field(
            reason::FIELD_MISSING,
            "media",
            "the metadata has no media, and the file does not tell whether it is a chat, an e-mail or a message",
        )),
        _ => Ok(MediaKind::Voice),
    }
}

impl Fields<'_> {
    fn invalid(&self, path: &[&str], sentence: String) -> Problem {
        let path: Vec<String> = path.iter().map(|p| (*p).to_owned()).collect();
        let field = path.first().cloned().unwrap_or_default();
        Problem::field(reason::FIELD_INVALID, &field, sentence).at((self.locate)(&path))
    }

    /// A text or a number; empty text counts as absent.
    fn text(&mut self, name: &str) -> Result<Option<String>, Problem> {
        match self.map.remove(name) {
            None => Ok(None),
            Some(Value::String(s)) => Ok(Some(s).filter(|s| !s.trim().is_empty())),
            Some(Value::Number(n)) => Ok(Some(n.to_string())),
            Some(_) => Err(self.invalid(&[name], format!("{name} must be a text"))),
        }
    }

    fn one<T: DeserializeOwned>(&mut self, name: &str, allowed: &str) -> Result<Option<T>, Problem> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        serde_json::from_value(Value::String(text))
            .map(Some)
            .map_err(|_| self.invalid(&[name], format!("{name} must be one of {allowed}")))
    }

    fn time(&mut self, name: &str) -> Result<Option<Timestamp>, Problem> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        let time = text.trim().parse::<Timestamp>().map_err(|_| {
            let sentence =
                format!("{name} must be a date and time with its offset from UTC, such as 2024-03-01T09:30:00.000Z");
            self.invalid(&[name], sentence)
        })?;
        whole_ms(time)
            .map(Some)
            .ok_or_else(|| self.invalid(&[name], format!("{name} lies outside the years 1900 to 2199")))
    }

    fn duration(&mut self) -> Result<Option<u64>, Problem> {
        let (a, b) = (self.whole("declared_duration_ms")?, self.whole("duration_ms")?);
        if a.is_some() && b.is_some() && a != b {
            return Err(
                self.invalid(&["duration_ms"], "duration_ms and declared_duration_ms contradict each other".into())
            );
        }
        Ok(a.or(b))
    }

    fn whole(&mut self, name: &str) -> Result<Option<u64>, Problem> {
        let value = match self.map.remove(name) {
            None => return Ok(None),
            Some(Value::String(s)) if s.trim().is_empty() => return Ok(None),
            Some(Value::String(s)) => s.trim().parse().ok(),
            Some(v) => v.as_u64(),
        };
        value.map(Some).ok_or_else(|| self.invalid(&[name], format!("{name} must be a whole number of milliseconds")))
    }

    /// A list of texts, or one text; the friendly singular comes first.
    fn list(&mut self, name: &str, singular: &str) -> Result<Vec<String>, Problem> {
        let mut out: Vec<String> = Vec::new();
        for key in [singular, name] {
            let values = match self.map.remove(key) {
                None => continue,
                Some(Value::Array(values)) => values,
                Some(one) => vec![one],
            };
            for (i, value) in values.into_iter().enumerate() {
                let text = match value {
                    Value::String(s) => s,
                    Value::Number(n) => n.to_string(),
                    _ => return Err(self.invalid(&[key, &i.to_string()], format!("{key} must be a list of texts"))),
                };
                if !text.trim().is_empty() && !out.contains(&text) {
                    out.push(text);
                }
            }
        }
        Ok(out)
    }

    fn texts_by_name(&mut self, name: &str) -> Result<BTreeMap<String, String>, Problem> {
        match self.map.remove(name) {
            None => Ok(BTreeMap::new()),
            Some(Value::Object(map)) => {
                Ok(map.into_iter().filter(|(_, v)| !v.is_null()).map(|(k, v)| (k, as_text(v))).collect())
            }
            Some(_) => Err(self.invalid(&[name], format!("{name} must be an object of texts"))),
        }
    }

    fn participants(&mut self) -> Result<Vec<Participant>, Problem> {
        let list = match self.map.remove("participants") {
            None => return Ok(Vec::new()),
            Some(Value::Array(list)) => list,
            Some(_) => return Err(self.invalid(&["participants"], "participants must be a list".into())),
        };
        let mut out = Vec::with_capacity(list.len());
        for (i, value) in list.into_iter().enumerate() {
            let at = i.to_string();
            let Value::Object(mut p) = value else {
                return Err(self.invalid(&["participants", &at], "a participant must be an object".into()));
            };
            let role = p.remove("role").and_then(|v| serde_json::from_value::<ParticipantRole>(v).ok());
            let Some(role) = role else {
                let sentence = "a participant's role must be one of agent, customer, supervisor, system or other";
                return Err(self.invalid(&["participants", &at, "role"], sentence.into()));
            };
            let mut text = |name: &str| p.remove(name).filter(|v| !v.is_null()).map(as_text).filter(|s| !s.is_empty());
            let (identifier, display_name) = (text("identifier"), text("display_name"));
            for (key, value) in p.into_iter().filter(|(_, v)| !v.is_null()) {
                self.attributes.insert(format!("participants.{i}.{key}"), as_text(value));
            }
            out.push(Participant { role, identifier, display_name });
        }
        Ok(out)
    }

    fn pauses(&mut self) -> Result<Vec<Pause>, Problem> {
        let list = match self.map.remove("pauses") {
            None => return Ok(Vec::new()),
            Some(Value::Array(list)) => list,
            Some(_) => return Err(self.invalid(&["pauses"], "pauses must be a list".into())),
        };
        let one = |(i, value): (usize, Value)| {
            serde_json::from_value(value).map_err(|_| {
                let sentence = "a pause needs kind (hold, secure_pause, pause or mask), start_ms and end_ms";
                self.invalid(&["pauses", &i.to_string()], sentence.into())
            })
        };
        list.into_iter().enumerate().map(one).collect()
    }

    fn transcript(&mut self) -> Option<String> {
        let found = match self.map.remove("transcript")? {
            Value::String(s) => s,
            other => text::chat(&other),
        };
        Some(found).filter(|s| !s.trim().is_empty())
    }

    /// What is left over, and the attributes that were given as such.
    fn into_attributes(mut self) -> Result<BTreeMap<String, String>, Problem> {
        let given = self.texts_by_name("attributes")?;
        self.map.remove("messages"); // the transcript's own body, kept in the payload
        self.attributes.extend(self.map.into_iter().map(|(k, v)| (k, as_text(v))));
        self.attributes.extend(given);
        Ok(self.attributes)
    }
}

fn as_text(value: Value) -> String {
    match value {
        Value::String(s) => s,
        other => other.to_string(),
    }
}

/// The time in whole milliseconds, the resolution of every stored time; none outside the years 1900 to 2199, which a mistaken
/// unit would give.
pub(crate) fn whole_ms(time: Timestamp) -> Option<Timestamp> {
    let ms = time.as_millisecond();
    // 1900-01-01T00:00:00Z and 2200-01-01T00:00:00Z
    (-2_208_988_800_000..7_258_118_400_000).contains(&ms).then(|| Timestamp::from_millisecond(ms).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn base() -> Value {
        json!({
            "vendor": "genesys", "organisation": "acme", "interaction_id": "c1", "recording_id": 7, "media": "voice",
            "start": "2024-03-01T23:59:00.1234567Z", "end": "2024-03-02T01:01:00+01:00",
        })
    }

    fn read(value: &Value) -> Result<Draft, Problem> {
        read_sidecar(serde_json::to_string_pretty(value).unwrap().as_bytes(), None, Some("a.wav"))
    }

    #[test]
    fn friendly_fields_and_unknown_ones_are_kept() {
        let mut v = base();
        v["queue"] = json!("sales");
        v["queues"] = json!(["sales", "support"]);
        v["duration_ms"] = json!(1234);
        v["transcript"] = json!("I want a refund");
        v["skill_level"] = json!({"a": 1});
        v["attributes"] = json!({"x": 5, "n": null});
        v["participants"] = json!([{"role": "agent", "identifier": "a1", "display_name": null, "team": "red"}]);
        let draft = read(&v).unwrap();
        let r = &draft.record;
        assert_eq!(r.queues, ["sales", "support"]);
        assert_eq!((r.recording_id.as_str(), r.declared_duration_ms), ("7", Some(1234)));
        assert_eq!(r.start.to_string(), "2024-03-01T23:59:00.123Z");
        assert_eq!(r.end.to_string(), "2024-03-02T00:01:00Z");
        assert_eq!(draft.transcript.as_deref(), Some("I want a refund"));
        let want = [("participants.0.team", "red"), ("skill_level", "{\"a\":1}"), ("x", "5")];
        assert_eq!(r.attributes, want.into_iter().map(|(k, v)| (k.into(), v.into())).collect());
        assert!(!draft.media_from_content);
    }

    #[test]
    fn what_a_manifest_says_can_be_read_back_as_a_sidecar() {
        let record = read(&base()).unwrap().record;
        assert_eq!(read(&serde_json::to_value(&record).unwrap()).unwrap().record, record);
    }

    #[test]
    fn every_wrong_field_is_named_with_its_place() {
        for (field, value, word) in [
            ("start", json!("2024-03-01 09:00"), "offset"),
            ("end", json!("2024-02-01T00:00:00Z"), "before"),
            ("start", json!("0024-02-01T00:00:00Z"), "1900"),
            ("media", json!("video"), "voice"),
            ("direction", json!("in"), "inbound"),
            ("duration_ms", json!(-1), "whole number"),
            ("tags", json!([{}]), "list of texts"),
            ("participants", json!([{"role": "boss"}]), "role"),
            ("pauses", json!([{"kind": "hold"}]), "start_ms"),
            ("attributes", json!(7), "object"),
            ("vendor", json!([]), "text"),
        ] {
            let mut v = base();
            v[field] = value;
            let problem = read(&v).unwrap_err();
            assert_eq!((problem.reason.as_str(), problem.field.as_deref()), (reason::FIELD_INVALID, Some(field)));
            assert!(problem.sentence.contains(word), "{problem}");
            assert!(problem.line.is_some_and(|l| l > 1), "{field}: {problem:?}");
        }
    }

    #[test]
    fn nothing_mandatory_is_defaulted() {
        for field in ["vendor", "organisation", "interaction_id", "recording_id", "start", "end"] {
            for value in [Value::Null, json!("  ")] {
                let mut v = base();
                v[field] = value;
                let problem = read(&v).unwrap_err();
                assert_eq!((problem.reason.as_str(), problem.field.as_deref()), (reason::FIELD_MISSING, Some(field)));
            }
        }
        let mut v = base();
        v["organisation"] = Value::Null;
        let text = v.to_string();
        let draft = read_sidecar(text.as_bytes(), Some("configured"), Some("a.wav")).unwrap();
        assert_eq!(draft.record.organisation, "configured");
        assert_eq!(draft.record.attributes["holdfast.organisation"], "from the source's configuration");
        v = base();
        v["media"] = Value::Null;
        assert!(read(&v).unwrap().media_from_content);
        let problem = read_sidecar(v.to_string().as_bytes(), None, Some("a.txt")).unwrap_err();
        assert_eq!(problem.field.as_deref(), Some("media"));
    }

    #[test]
    fn broken_json_says_where() {
        let problem = read_sidecar(b"{\n  \"a\": 1,,\n}", None, None).unwrap_err();
        assert_eq!((problem.reason.as_str(), problem.line), (reason::METADATA_MALFORMED, Some(2)));
        assert_eq!(read_sidecar(b"[]", None, None).unwrap_err().reason, reason::METADATA_MALFORMED);
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
        assert_eq!(read_sidecar(deep.as_bytes(), None, None).unwrap_err().reason, reason::METADATA_MALFORMED);
        assert!(read_sidecar(b"\xEF\xBB\xBF{}", None, None).unwrap_err().sentence.contains("organisation"));
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = read_sidecar(&bytes, None, None);
        }

        #[test]
        fn any_value_in_any_field_is_a_record_or_a_problem(field in "(start|end|media|queue|tags|participants|pauses|attributes|duration_ms|transcript)", value in "(null|1|-3|\"\"|\"x\"|\\[\\]|\\{\\}|\\[1,\"a\",null\\]|\\{\"a\":[1]\\}|\\[\\{\"role\":\"agent\"\\}\\])") {
            let mut v = base();
            v[&field] = serde_json::from_str(&value).unwrap();
            match read(&v) {
                Ok(draft) => prop_assert!(draft.record.check().is_ok()),
                Err(problem) => prop_assert!(!problem.sentence.is_empty()),
            }
        }
    }
}
