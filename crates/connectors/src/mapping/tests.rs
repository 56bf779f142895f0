use super::*;
use holdfast_model::{Direction, Fault as _, MediaKind, ParticipantRole, PauseKind};
use proptest::prelude::*;

const GENESYS: &str = include_str!("../../../../docs/formats/examples/genesys-export.toml");
const LEGACY: &str = include_str!("../../../../docs/formats/examples/legacy-xml.toml");
const MANIFEST: &str = include_str!("../../../../docs/formats/examples/manifest-csv.toml");

fn map(mapping: &str, item: &str, metadata: &Metadata<'_>) -> Result<Draft, Problem> {
    Mapping::parse(mapping).unwrap().apply(item, metadata, Known { organisation: None, media_name: Some("a.wav") })
}

const EXPORT: &str = r#"{
  "organizationId": "org-1", "conversationId": "c-9", "recordingId": "r-9", "mediaType": "Call",
  "conversationStart": "2024-03-01T09:30:00.000Z", "conversationEnd": "2024-03-01T09:32:00.000Z", "durationMs": 120000,
  "initialDirection": "INBOUND", "region": "eu-central-1",
  "participants": [
    {"purpose": "customer", "ani": "tel:+431234"},
    {"purpose": "agent", "userId": "u1", "name": "Ann", "queueName": "sales"},
    {"purpose": "acd", "queueName": "sales"}],
  "annotations": [
    {"type": "SecurePause", "location": 1000, "durationMs": 500}, {"type": "Annotation", "location": 3, "durationMs": 0}]
}"#;

#[test]
fn an_export_of_json_is_mapped() {
    let item = "org-1/year=2024/month=03/day=01/hour=09/conversation_id=c-9/r-9_metadata.json";
    let draft = map(GENESYS, item, &Metadata::Json(EXPORT.as_bytes())).unwrap();
    let r = draft.record;
    assert_eq!((r.vendor.as_str(), r.organisation.as_str()), ("genesys", "org-1"));
    assert_eq!((r.interaction_id.as_str(), r.recording_id.as_str()), ("c-9", "r-9"));
    assert_eq!(
        (r.media, r.direction, r.declared_duration_ms),
        (MediaKind::Voice, Some(Direction::Inbound), Some(120_000))
    );
    assert_eq!(r.queues, ["sales"]);
    let roles: Vec<_> = r.participants.iter().map(|p| (p.role, p.identifier.as_deref())).collect();
    assert_eq!(roles, [(ParticipantRole::Customer, Some("tel:+431234")), (ParticipantRole::Agent, Some("u1"))]);
    assert_eq!(r.pauses.len(), 1);
    assert_eq!((r.pauses[0].kind, r.pauses[0].end_ms), (PauseKind::SecurePause, 1_500));
}

#[test]
fn xml_of_an_old_recorder_is_mapped() {
    let xml = r#"<?xml version="1.0"?>
<rec:recording xmlns:rec="urn:x" inum="4711" case="77">
  <times><begin>01.07.2024 09:30:00</begin><length>00:01:30</length></times>
  <party kind="A" id="a7">Ann</party><party kind="C" id="+43555"/>
  <skill>sales|vip</skill><dir>O</dir>
</rec:recording>"#;
    let draft = map(LEGACY, "x/4711.xml", &Metadata::Xml(xml.as_bytes())).unwrap();
    let r = draft.record;
    assert_eq!(
        (r.start.to_string().as_str(), r.end.to_string().as_str()),
        ("2024-07-01T07:30:00Z", "2024-07-01T07:31:30Z")
    );
    assert_eq!((r.recording_id.as_str(), r.direction), ("4711", Some(Direction::Outbound)));
    assert_eq!(r.tags, ["sales", "vip"]);
    assert_eq!(r.participants.len(), 2);
    assert_eq!(r.participants[0].display_name.as_deref(), Some("Ann"));
    assert_eq!(r.external_ids["crm_case"], "77");
    assert!(draft.media_from_content);
}

#[test]
fn a_row_of_a_manifest_is_mapped() {
    let mapping = Mapping::parse(MANIFEST).unwrap();
    let rule = mapping.manifest_rule("calls/manifest.csv").unwrap();
    assert_eq!((rule.file_column, rule.delimiter), ("Audio File", b';'));
    let text = |list: &[&str]| list.iter().map(|s| (*s).to_owned()).collect();
    let row = Row {
        heading: text(&["Call ID", "Audio File", "Started", "Seconds", "Agent", "Agent Name", "Phone", "Dir"]),
        cells: text(&["77", "a.wav", "2024-03-01 09:30:00", "90", "a7", "Ann", "+43555", "I"]),
        line: 12,
    };
    let r = rule.apply(&row, "calls/manifest.csv", Known::default()).unwrap().record;
    assert_eq!(r.end.to_string(), "2024-03-01T14:31:30Z");
    assert_eq!((r.interaction_id.as_str(), r.direction), ("77", Some(Direction::Inbound)));
    let bad = Row { cells: text(&["77", "a.wav", "soon", "90"]), ..row };
    let problem = rule.apply(&bad, "calls/manifest.csv", Known::default()).unwrap_err();
    assert_eq!((problem.field.as_deref(), problem.line), (Some("start"), Some(12)));
}

#[test]
fn what_does_not_fit_is_named_with_its_place() {
    let wrong = |from: &str, to: &str| {
        let text = EXPORT.replace(from, to);
        assert_ne!(text, EXPORT);
        map(GENESYS, "a/r_metadata.json", &Metadata::Json(text.as_bytes())).unwrap_err()
    };
    let p = wrong("2024-03-01T09:30:00.000Z", "01/03/2024");
    assert_eq!((p.field.as_deref(), p.line, p.column), (Some("start"), Some(3), Some(24)), "{p:?}");
    let p = wrong("INBOUND", "SIDEWAYS");
    assert_eq!((p.field.as_deref(), p.line), (Some("direction"), Some(4)));
    assert!(!p.sentence.contains("SIDEWAYS"), "values of a record stay out of sentences");
    let p = wrong("2024-03-01T09:32:00.000Z", "2024-03-01T09:00:00.000Z");
    assert_eq!((p.field.as_deref(), p.line), (Some("end"), Some(3)));
    let p = wrong("\"conversationId\": \"c-9\",", "");
    assert_eq!((p.reason.as_str(), p.field.as_deref()), (reason::FIELD_MISSING, Some("interaction_id")));
    let p = map(GENESYS, "r.xml", &Metadata::Xml(b"<a/>")).unwrap_err();
    assert_eq!(p.reason, reason::NO_RULE);
}

#[test]
fn bombs_and_foreign_entities_are_refused() {
    let laughs = "<!DOCTYPE l [<!ENTITY a \"ha\"><!ENTITY b \"&a;&a;&a;&a;\">]><recording>&b;</recording>";
    let foreign = "<!DOCTYPE l [<!ENTITY x SYSTEM \"file:///etc/passwd\">]><recording>&x;</recording>";
    let many = format!("<r>{}</r>", "<a/>".repeat(600_000));
    for xml in [laughs, foreign, &many, "<a", "", "\u{feff}"] {
        let problem = map(LEGACY, "a.xml", &Metadata::Xml(xml.as_bytes())).unwrap_err();
        assert_eq!(problem.reason, reason::METADATA_MALFORMED, "{}", &xml[..xml.len().min(40)]);
    }
    let deep = format!("{}{}", "<a>".repeat(200_000), "</a>".repeat(200_000));
    assert!(map(LEGACY, "a.xml", &Metadata::Xml(deep.as_bytes())).is_err());
}

#[test]
fn every_error_of_the_file_has_code_line_and_column() {
    let good = LEGACY;
    for (from, to, code, word) in [
        ("format = \"holdfast-mapping/1\"", "format = \"x\"", "mapping.format", "holdfast-mapping/1"),
        (
            "format = \"holdfast-mapping/1\"",
            "format = \"holdfast-mapping/2\"\nlater = 1",
            "mapping.format_unknown",
            "newer version",
        ),
        ("name = \"", "name = \"a b", "mapping.name", "characters"),
        ("[[rule]]", "[[rules]]", "mapping.syntax", "rule"),
        ("vendor = ", "vendro = ", "mapping.unknown_field", "vendro"),
        ("vendor = \"acme-recorder\"\n", "", "mapping.missing_field", "vendor"),
        ("at = \"/recording/@inum\"", "at = \"recording\"", "mapping.bad_path", "begin"),
        ("at = \"/recording/@inum\"", "att = \"x\"", "mapping.syntax", "att"),
        ("at = \"/recording/@inum\"", "at = \"./@inum\"", "mapping.bad_path", "relative"),
        ("at = \"/recording/@inum\"", "", "mapping.bad_source", "exactly one"),
        ("Europe/Vienna", "Europe/Atlantis", "mapping.bad_time_zone", "Atlantis"),
        ("%d.%m.%Y", "%d.%!.%Y", "mapping.bad_time_format", "pattern"),
        ("metadata = \"xml\"", "metadata = \"yaml\"", "mapping.syntax", "yaml"),
        ("metadata = \"xml\"", "metadata = \"xml\"\nfile = \"x\"", "mapping.unknown_field", "csv"),
        ("split = \"|\"", "split = \"\"", "mapping.bad_source", "split"),
        ("role = ", "roles = ", "mapping.unknown_field", "roles"),
    ] {
        let text = good.replacen(from, to, 1);
        assert_ne!(text, good, "{from}");
        let error = Mapping::parse(&text).unwrap_err();
        assert_eq!(error.code(), code, "{error}");
        assert!(error.sentence.contains(word), "{word}: {error}");
        assert!(error.line >= 1 && error.column >= 1 && !error.next().is_empty());
        if code != "mapping.missing_field" && from != "[[rule]]" && !from.is_empty() {
            let line = good[..good.find(from).unwrap()].lines().count() as u64;
            assert!((line..=line + 2).contains(&error.line.max(line)), "{error} is not near line {line}");
        }
    }
    let error = Mapping::parse("a = [1,\n  2,\n  x]").unwrap_err();
    assert_eq!((error.code(), error.line), ("mapping.syntax", 3));
}

proptest! {
    #[test]
    fn no_mapping_file_panics(text in "(format|name|\\[\\[rule\\]\\]|\\[rule.fields\\]|vendor|at|=|\"[^\"]{0,12}\"|\n| |\\{|\\}|\\[|\\]){0,40}") {
        let _ = Mapping::parse(&text);
    }

    #[test]
    fn no_damage_to_a_mapping_file_panics(at in 0usize..2000, with in "[ -~\n]{0,4}") {
        let mut text = GENESYS.to_owned();
        let at = at.min(text.len());
        if text.is_char_boundary(at) {
            text.replace_range(at..(at + 2).min(text.len()), &with);
            let _ = Mapping::parse(&text);
        }
    }

    #[test]
    fn no_damage_to_metadata_panics(at in 0usize..900, with in "[ -~\n]{0,6}") {
        let mut json = EXPORT.to_owned();
        let at = at.min(json.len());
        json.replace_range(at..(at + 3).min(json.len()), &with);
        match map(GENESYS, "a_metadata.json", &Metadata::Json(json.as_bytes())) {
            Ok(draft) => prop_assert!(draft.record.check().is_ok()),
            Err(problem) => prop_assert!(!problem.sentence.is_empty()),
        }
    }

    #[test]
    fn no_xml_panics(xml in "(<recording[^>]{0,20}>|</recording>|<times>|<begin>|[a-z0-9 .:]{0,8}|<!\\[CDATA\\[|\\]\\]>|&[a-z]{0,4};|\\?>){0,20}") {
        let _ = map(LEGACY, "a.xml", &Metadata::Xml(xml.as_bytes()));
    }
}
