//! The mapping file's own form, and everything that can be checked before any metadata is seen.

use super::{
    error::{MappingError, Wrong},
    glob, path,
    path::Path,
    time::{self, Ambiguous, TimeFormat, Unit},
};
use jiff::tz::TimeZone;
use serde::{
    Deserialize, Deserializer,
    de::{self, MapAccess, SeqAccess, Visitor, value::MapAccessDeserializer},
};
use std::{collections::BTreeMap, fmt, marker::PhantomData};
use toml::Spanned;

/// The mapping file's first line says so.
const FORMAT: &str = "holdfast-mapping/1";

/// What metadata a rule reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Format {
    Json,
    Xml,
    Csv,
}

/// A rule, checked.
#[derive(Debug, Clone)]
pub(super) struct Rule {
    patterns: Vec<String>,
    pub(super) format: Format,
    pub(super) is_recording: bool,
    pub(super) file_column: Option<String>,
    pub(super) delimiter: u8,
    pub(super) fields: Vec<(String, Vec<Source>)>,
    pub(super) attributes: Vec<(String, Vec<Source>)>,
    pub(super) external_ids: Vec<(String, Vec<Source>)>,
    pub(super) participants: Vec<Group>,
    pub(super) pauses: Vec<Group>,
}

impl Rule {
    pub(super) fn matches(&self, item: &str) -> bool {
        self.patterns.iter().any(|p| glob::fits(p, item))
    }
}

/// Several fields together: once, or once for each place that `each` leads to.
#[derive(Debug, Clone)]
pub(super) struct Group {
    pub(super) each: Option<Path>,
    pub(super) fields: Vec<(String, Vec<Source>)>,
}

/// Where a value comes from and what is done to it, in the order of these fields.
#[derive(Debug, Clone)]
pub(super) struct Source {
    pub(super) from: From,
    pub(super) default: Option<String>,
    pub(super) split: Option<String>,
    pub(super) map: BTreeMap<String, String>,
    pub(super) otherwise: Option<String>,
    pub(super) format: TimeFormat,
    pub(super) zone: Option<TimeZone>,
    pub(super) ambiguous: Ambiguous,
    pub(super) unit: Unit,
}

/// Where a value comes from.
#[derive(Debug, Clone)]
pub(super) enum From {
    /// A constant.
    Value(String),
    /// A place in the metadata.
    At(Path),
    /// The `name=value` folder of the file's place, or `stem`: its name without endings.
    Place(String),
    /// The start of the interaction and its declared duration.
    StartPlusDuration,
}

/// Read by itself first: a newer mapping may have members that this version does not know.
#[derive(Deserialize)]
struct Named {
    format: Spanned<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFile {
    format: Spanned<String>,
    name: Spanned<String>,
    rule: Vec<Spanned<RawRule>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRule {
    #[serde(rename = "match", default)]
    patterns: Many<Spanned<String>>,
    metadata: Format,
    #[serde(default)]
    is_recording: bool,
    file: Option<Spanned<String>>,
    delimiter: Option<Spanned<String>>,
    time_zone: Option<Spanned<String>>,
    time_format: Option<Spanned<String>>,
    #[serde(default)]
    ambiguous: Ambiguous,
    fields: Spanned<RawFields>,
    #[serde(default)]
    attributes: RawFields,
    #[serde(default)]
    external_ids: RawFields,
    #[serde(default)]
    participants: Vec<RawFields>,
    #[serde(default)]
    pauses: Vec<RawFields>,
}

type RawFields = BTreeMap<Spanned<String>, Many<RawSource>>;

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct RawSource {
    at: Option<Spanned<String>>,
    value: Option<String>,
    from_path: Option<Spanned<String>>,
    start_plus_duration: Option<bool>,
    default: Option<String>,
    split: Option<Spanned<String>>,
    #[serde(default)]
    map: BTreeMap<String, String>,
    otherwise: Option<String>,
    format: Option<Spanned<String>>,
    time_zone: Option<Spanned<String>>,
    ambiguous: Option<Ambiguous>,
    unit: Option<Unit>,
}

/// One or several; a plain text stands for a constant.
struct Many<T>(Vec<T>);

impl<T> Default for Many<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de> Deserialize<'de> for Many<RawSource> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct V;
        impl<'de> Visitor<'de> for V {
            type Value = Many<RawSource>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text, a table such as { at = \"...\" }, or a list of such tables")
            }
            fn visit_str<E: de::Error>(self, s: &str) -> Result<Self::Value, E> {
                Ok(Many(vec![RawSource { value: Some(s.to_owned()), ..RawSource::default() }]))
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                RawSource::deserialize(MapAccessDeserializer::new(map)).map(|s| Many(vec![s]))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let mut out = Vec::new();
                while let Some(mut one) = seq.next_element::<Many<RawSource>>()? {
                    out.append(&mut one.0);
                }
                Ok(Many(out))
            }
        }
        d.deserialize_any(V)
    }
}

impl<'de> Deserialize<'de> for Many<Spanned<String>> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct V<T>(PhantomData<T>);
        impl<'de> Visitor<'de> for V<String> {
            type Value = Many<Spanned<String>>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a pattern or a list of patterns")
            }
            fn visit_str<E: de::Error>(self, s: &str) -> Result<Self::Value, E> {
                Ok(Many(vec![Spanned::new(0..0, s.to_owned())]))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let mut out = Vec::new();
                while let Some(one) = seq.next_element::<Spanned<String>>()? {
                    out.push(one);
                }
                Ok(Many(out))
            }
        }
        d.deserialize_any(V(PhantomData))
    }
}

/// Fields of the canonical record that a mapping can fill, and whether a rule must.
const FIELDS: [(&str, bool); 23] = [
    ("vendor", true),
    ("organisation", false), // may come from the source's configuration
    ("interaction_id", true),
    ("recording_id", true),
    ("start", true),
    ("end", true),
    ("media", false), // may be told by the bytes
    ("session_id", false),
    ("declared_duration_ms", false),
    ("captured_at", false),
    ("queues", false),
    ("direction", false),
    ("wrap_up_codes", false),
    ("divisions", false),
    ("external_tag", false),
    ("language", false),
    ("notes", false),
    ("tags", false),
    ("classification", false),
    ("residency_region", false),
    ("vendor_deletes_at", false),
    ("transcript", false),
    ("attributes", false), // only named here to say where it belongs
];
const PARTICIPANT: [&str; 3] = ["role", "identifier", "display_name"];
const PAUSE: [&str; 5] = ["kind", "start_ms", "end_ms", "duration_ms", "shortens_media"];

/// Reads and checks a mapping file: its name and its rules.
pub(super) fn parse(text: &str) -> Result<(String, Vec<Rule>), MappingError> {
    if let Ok(Named { format }) = toml::from_str(text)
        && holdfast_model::is_newer_format(format.get_ref(), FORMAT)
    {
        let sentence =
            format!("the mapping was written for a newer version of Holdfast, in the format {}", format.get_ref());
        return Err(Wrong::new("mapping.format_unknown", format.span().start, sentence).locate(text));
    }
    let raw: RawFile = toml::from_str(text).map_err(|e| {
        let offset = e.span().map_or(0, |s| s.start);
        Wrong::new("mapping.syntax", offset, e.message().trim_end().to_owned()).locate(text)
    })?;
    check(raw).map_err(|w| w.locate(text))
}

fn check(raw: RawFile) -> Result<(String, Vec<Rule>), Wrong> {
    if raw.format.get_ref() != FORMAT {
        let sentence = format!("format must be {FORMAT:?}");
        return Err(Wrong::new("mapping.format", raw.format.span().start, sentence));
    }
    let name = raw.name.get_ref();
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    if !(1..=64).contains(&name.len()) || !name.bytes().all(plain) {
        let sentence = "name must be 1 to 64 of the characters a-z A-Z 0-9 . _ -";
        return Err(Wrong::new("mapping.name", raw.name.span().start, sentence));
    }
    let rules = raw.rule.into_iter().map(|r| rule(r.span().start, r.into_inner())).collect::<Result<Vec<_>, _>>()?;
    if rules.is_empty() {
        return Err(Wrong::new("mapping.no_rule", raw.format.span().start, "a mapping needs at least one [[rule]]"));
    }
    Ok((raw.name.into_inner(), rules))
}

/// What a rule gives its sources.
struct Defaults {
    metadata: Format,
    format: TimeFormat,
    zone: Option<TimeZone>,
    ambiguous: Ambiguous,
}

fn rule(offset: usize, raw: RawRule) -> Result<Rule, Wrong> {
    let defaults = Defaults {
        metadata: raw.metadata,
        format: raw.time_format.as_ref().map_or(Ok(TimeFormat::Iso), time_format)?,
        zone: raw.time_zone.as_ref().map(time_zone).transpose()?,
        ambiguous: raw.ambiguous,
    };
    let delimiter = match &raw.delimiter {
        None => b',',
        Some(d) => match d.get_ref().as_bytes() {
            [one] if one.is_ascii() => *one,
            _ => return Err(Wrong::new("mapping.delimiter", d.span().start, "delimiter must be one ASCII character")),
        },
    };
    match (raw.metadata, &raw.file) {
        (Format::Csv, None) => {
            let sentence = "a rule for csv needs file = \"<column that names the media file>\"";
            return Err(Wrong::new("mapping.missing_field", offset, sentence));
        }
        (Format::Json | Format::Xml, Some(f)) => {
            return Err(Wrong::new("mapping.unknown_field", f.span().start, "file is only for a rule for csv"));
        }
        _ => {}
    }
    let fields_at = raw.fields.span().start;
    for key in raw.fields.get_ref().keys() {
        let name = key.get_ref();
        if name == "attributes" || !FIELDS.iter().any(|(f, _)| f == name) {
            return Err(unknown(name, key.span().start, FIELDS.iter().map(|(f, _)| *f)));
        }
    }
    for (field, mandatory) in FIELDS {
        if mandatory && !raw.fields.get_ref().keys().any(|k| k.get_ref() == field) {
            let sentence = format!("the rule does not say where {field} comes from");
            return Err(Wrong::new("mapping.missing_field", fields_at, sentence));
        }
    }
    let patterns = match raw.patterns.0 {
        none if none.is_empty() => vec!["**".to_owned()],
        some => some.into_iter().map(Spanned::into_inner).collect(),
    };
    Ok(Rule {
        patterns,
        format: raw.metadata,
        is_recording: raw.is_recording,
        file_column: raw.file.map(Spanned::into_inner),
        delimiter,
        fields: fields(raw.fields.into_inner(), &defaults, false)?,
        attributes: fields(raw.attributes, &defaults, false)?,
        external_ids: fields(raw.external_ids, &defaults, false)?,
        participants: groups(raw.participants, &PARTICIPANT, &["role"], &defaults, fields_at)?,
        pauses: groups(raw.pauses, &PAUSE, &["kind", "start_ms"], &defaults, fields_at)?,
    })
}

fn unknown<'a>(name: &str, offset: usize, known: impl Iterator<Item = &'a str>) -> Wrong {
    let known: Vec<&str> = known.filter(|f| *f != "attributes").collect();
    let sentence = format!("there is no canonical field {name:?}; there are {}", known.join(", "));
    Wrong::new("mapping.unknown_field", offset, sentence)
}

fn groups(
    raw: Vec<RawFields>,
    known: &[&'static str],
    needed: &[&str],
    defaults: &Defaults,
    offset: usize,
) -> Result<Vec<Group>, Wrong> {
    let mut out = Vec::new();
    for mut group in raw {
        let at = group.keys().next().map_or(offset, |k| k.span().start);
        let each = group.keys().find(|k| k.get_ref() == "each").map(Spanned::span);
        let each = match each.and_then(|span| Some((span, group.remove("each")?))) {
            Some((span, _)) if defaults.metadata == Format::Csv => {
                let sentence = "a row of a csv has no lists: leave each out";
                return Err(Wrong::new("mapping.bad_path", span.start, sentence));
            }
            Some((span, Many(path))) => match &path[..] {
                [RawSource { value: Some(path), .. }] => {
                    Some(read_path(&Spanned::new(span, path.clone()), defaults.metadata, false)?)
                }
                _ => return Err(Wrong::new("mapping.bad_path", span.start, "each must be a path")),
            },
            None => None,
        };
        if let Some(key) = group.keys().find(|k| !known.contains(&k.get_ref().as_str())) {
            return Err(unknown(key.get_ref(), key.span().start, known.iter().copied()));
        }
        if let Some(name) = needed.iter().find(|n| !group.contains_key(**n)) {
            let sentence = format!("an entry does not say where its {name} comes from");
            return Err(Wrong::new("mapping.missing_field", at, sentence));
        }
        let fields = fields(group, defaults, each.is_some())?;
        out.push(Group { each, fields });
    }
    Ok(out)
}

fn fields(raw: RawFields, defaults: &Defaults, in_list: bool) -> Result<Vec<(String, Vec<Source>)>, Wrong> {
    let one = |(key, sources): (Spanned<String>, Many<RawSource>)| {
        let offset = key.span().start;
        let name = key.into_inner();
        let sources = sources.0.into_iter().map(|s| source(s, offset, &name, defaults, in_list));
        Ok((name.clone(), sources.collect::<Result<Vec<_>, _>>()?))
    };
    raw.into_iter().map(one).collect()
}

fn source(raw: RawSource, offset: usize, name: &str, defaults: &Defaults, in_list: bool) -> Result<Source, Wrong> {
    let start_plus_duration = raw.start_plus_duration == Some(true);
    let from = match (raw.at, raw.value, raw.from_path, start_plus_duration) {
        (Some(at), None, None, false) => From::At(read_path(&at, defaults.metadata, in_list)?),
        (None, Some(value), None, false) => From::Value(value),
        (None, None, Some(place), false) => From::Place(place.into_inner()),
        (None, None, None, true) if name == "end" => From::StartPlusDuration,
        _ => {
            let sentence =
                format!("{name} needs exactly one of at, value, from_path (and only end: start_plus_duration)");
            return Err(Wrong::new("mapping.bad_source", offset, sentence));
        }
    };
    if let Some(split) = raw.split.as_ref().filter(|s| s.get_ref().is_empty()) {
        return Err(Wrong::new("mapping.bad_source", split.span().start, "split must not be empty"));
    }
    if raw.otherwise.is_some() && raw.map.is_empty() {
        return Err(Wrong::new("mapping.bad_source", offset, format!("{name} has otherwise but no map")));
    }
    Ok(Source {
        from,
        default: raw.default,
        split: raw.split.map(Spanned::into_inner),
        map: raw.map,
        otherwise: raw.otherwise,
        format: raw.format.as_ref().map_or_else(|| Ok(defaults.format.clone()), time_format)?,
        zone: raw.time_zone.as_ref().map(time_zone).transpose()?.or_else(|| defaults.zone.clone()),
        ambiguous: raw.ambiguous.unwrap_or(defaults.ambiguous),
        unit: raw.unit.unwrap_or_default(),
    })
}

fn read_path(text: &Spanned<String>, metadata: Format, in_list: bool) -> Result<Path, Wrong> {
    let wrong = |sentence: String| Wrong::new("mapping.bad_path", text.span().start, sentence);
    let path = match metadata {
        Format::Json => path::json(text.get_ref()).map_err(wrong)?,
        Format::Xml => path::xml(text.get_ref()).map_err(wrong)?,
        Format::Csv => Path { relative: false, steps: vec![path::Step::Name(text.get_ref().clone())] },
    };
    if path.relative && !in_list {
        return Err(wrong(format!(
            "{:?} is relative, but only an entry with each has something it is relative to",
            text.get_ref()
        )));
    }
    Ok(path)
}

fn time_format(text: &Spanned<String>) -> Result<TimeFormat, Wrong> {
    TimeFormat::parse(text.get_ref()).map_err(|s| Wrong::new("mapping.bad_time_format", text.span().start, s))
}

fn time_zone(text: &Spanned<String>) -> Result<TimeZone, Wrong> {
    time::zone(text.get_ref()).map_err(|s| Wrong::new("mapping.bad_time_zone", text.span().start, s))
}
