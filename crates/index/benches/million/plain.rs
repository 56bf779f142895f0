//! The same recordings in SQLite as one would do it without further thought: a table with an index on every column, side
//! tables for fields with several values, FTS5 for the text.

use crate::sample;
use holdfast_index::{AvailabilityState, IndexRow, Query, Sort};
use rusqlite::{Connection, ToSql, params, params_from_iter};
use std::{path::Path, time::Instant};

pub(crate) struct Plain(Connection);

pub(crate) struct Found {
    pub(crate) total: u64,
    pub(crate) first: Option<String>,
}

const TABLES: &str = "
CREATE TABLE rec (id INTEGER PRIMARY KEY, archive_id TEXT, start INTEGER, year INTEGER, vendor TEXT, organisation TEXT,
  interaction TEXT, recording TEXT, media TEXT, tier TEXT, availability TEXT, direction TEXT, region TEXT, classification TEXT,
  retention_class TEXT, codec TEXT, division TEXT, external_tag TEXT, attribute TEXT, language TEXT, duration INTEGER,
  retain_until INTEGER, ingested INTEGER, row TEXT);
CREATE TABLE many (rec INTEGER, field TEXT, value TEXT);
CREATE VIRTUAL TABLE words USING fts5(text, content='', prefix='2 3', tokenize=\"unicode61 remove_diacritics 2\");";

const COLUMNS: [&str; 20] = [
    "start, archive_id",
    "year",
    "vendor",
    "organisation",
    "interaction",
    "recording",
    "media",
    "tier",
    "availability",
    "direction",
    "region",
    "classification",
    "retention_class",
    "codec",
    "division",
    "external_tag",
    "attribute",
    "language",
    "duration",
    "retain_until",
];

impl Plain {
    pub(crate) fn open(path: &Path, rows: u32) -> Self {
        let c = Connection::open(path).unwrap();
        c.execute_batch("PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA cache_size=-65536;").unwrap();
        let there: bool =
            c.query_row("SELECT count(*) > 0 FROM sqlite_schema WHERE name = 'ready'", [], |r| r.get(0)).unwrap();
        if !there {
            let begun = Instant::now();
            c.execute_batch(TABLES).unwrap();
            c.execute_batch("BEGIN").unwrap();
            for i in 0..rows {
                let (row, text) = sample::row(i);
                insert(&c, i, &row, text.as_deref());
            }
            for column in COLUMNS {
                let name = column.split(',').next().unwrap();
                c.execute_batch(&format!("CREATE INDEX by_{name} ON rec ({column})")).unwrap();
            }
            c.execute_batch(
                "CREATE INDEX by_ingested ON rec (ingested); CREATE INDEX many_value ON many (field, value, rec);
                 CREATE INDEX many_rec ON many (rec, field, value); CREATE TABLE ready (x); COMMIT; ANALYZE;",
            )
            .unwrap();
            let mb = path.metadata().unwrap().len() >> 20;
            println!("Plain SQLite built in {:.1} s, {mb} MB.\n", begun.elapsed().as_secs_f64());
        }
        Self(c)
    }

    /// First page, exact total, facets.
    pub(crate) fn search(&self, q: &Query) -> Found {
        let (condition, values) = condition(q);
        let values: Vec<&dyn ToSql> = values.iter().map(|v| &**v).collect();
        let order = if q.sort == Sort::Newest { "DESC" } else { "ASC" };
        let page =
            format!("SELECT archive_id, row FROM rec WHERE {condition} ORDER BY start {order}, archive_id LIMIT 50");
        let mut statement = self.0.prepare(&page).unwrap();
        let mut rows = statement.query(params_from_iter(&values)).unwrap();
        let mut first = None;
        while let Some(row) = rows.next().unwrap() {
            let json: String = row.get(1).unwrap();
            let _: IndexRow = serde_json::from_str(&json).unwrap();
            first.get_or_insert(row.get(0).unwrap());
        }
        let count = format!("SELECT count(*) FROM rec WHERE {condition}");
        let total: i64 = self.0.query_row(&count, params_from_iter(&values), |r| r.get(0)).unwrap();
        for column in ["vendor", "media", "tier", "direction", "year"] {
            self.group(&format!("SELECT {column}, count(*) n FROM rec WHERE {condition} GROUP BY 1"), &values);
        }
        for field in ["queue", "agent_name", "tag"] {
            let sql = format!(
                "SELECT value, count(*) n FROM many WHERE field = '{field}' AND rec IN (SELECT id FROM rec WHERE {condition})
                 GROUP BY 1"
            );
            self.group(&sql, &values);
        }
        Found { total: total.cast_unsigned(), first }
    }

    fn group(&self, sql: &str, values: &[&dyn ToSql]) {
        let mut q = self.0.prepare(&format!("{sql} ORDER BY n DESC LIMIT 20")).unwrap();
        let mut rows = q.query(params_from_iter(values)).unwrap();
        while rows.next().unwrap().is_some() {}
    }
}

fn insert(c: &Connection, i: u32, row: &IndexRow, text: Option<&str>) {
    let r = &row.record;
    let name = |v: serde_json::Value| v.as_str().unwrap().to_owned();
    c.prepare_cached("INSERT INTO rec VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)")
        .unwrap()
        .execute(params![
            i,
            row.archive_id.as_str(),
            r.start.as_millisecond(),
            r.start.to_zoned(jiff::tz::TimeZone::UTC).year(),
            r.vendor,
            r.organisation,
            r.interaction_id,
            r.recording_id,
            name(serde_json::to_value(r.media).unwrap()),
            name(serde_json::to_value(row.tier).unwrap()),
            AvailabilityState::from(&row.availability).as_str(),
            name(serde_json::to_value(r.direction).unwrap()),
            r.residency_region,
            r.classification,
            row.retention.class,
            row.probe.codec,
            r.divisions[0],
            r.external_tag,
            r.attributes.iter().map(|(k, v)| format!("{k}={v}")).next(),
            r.language,
            row.duration_ms().map(u64::cast_signed),
            row.retention.retention.until.as_millisecond(),
            row.ingested_at.as_millisecond(),
            serde_json::to_string(row).unwrap(),
        ])
        .unwrap();
    let mut many: Vec<(&str, String)> = Vec::new();
    many.extend(r.queues.iter().map(|v| ("queue", v.to_lowercase())));
    many.extend(r.tags.iter().map(|v| ("tag", v.clone())));
    many.extend(r.wrap_up_codes.iter().map(|v| ("wrap_up", v.clone())));
    many.extend(row.holds.iter().map(|v| ("hold", v.to_string())));
    many.extend(
        r.external_ids.iter().flat_map(|(k, v)| [("external_id", v.clone()), ("external_id", format!("{k}={v}"))]),
    );
    let agent = &r.participants[0];
    for v in agent.identifier.iter().chain(&agent.display_name) {
        many.push(("agent", v.to_lowercase()));
        many.push(("participant", v.to_lowercase()));
    }
    many.push(("agent_name", agent.display_name.clone().unwrap()));
    many.push(("participant", r.participants[1].identifier.clone().unwrap()));
    many.sort();
    many.dedup();
    for (field, value) in many {
        c.prepare_cached("INSERT INTO many VALUES (?, ?, ?)").unwrap().execute(params![i, field, value]).unwrap();
    }
    let attributes: Vec<&str> = r.attributes.values().map(String::as_str).collect();
    let people: Vec<&str> =
        r.participants.iter().flat_map(|p| p.identifier.iter().chain(&p.display_name)).map(String::as_str).collect();
    let words = [
        text.unwrap_or_default(),
        r.notes.as_deref().unwrap_or_default(),
        &people.join(" "),
        &r.queues.join(" "),
        &r.tags.join(" "),
        &r.wrap_up_codes.join(" "),
        &attributes.join(" "),
        r.external_tag.as_deref().unwrap_or_default(),
        &r.interaction_id,
        &r.recording_id,
        r.session_id.as_deref().unwrap_or_default(),
        &r.external_ids.values().cloned().collect::<Vec<_>>().join(" "),
    ]
    .join(" ");
    c.prepare_cached("INSERT INTO words (rowid, text) VALUES (?, ?)").unwrap().execute(params![i, words]).unwrap();
}

/// Conditions on `rec`.
fn condition(q: &Query) -> (String, Vec<Box<dyn ToSql>>) {
    let mut parts: Vec<String> = vec!["1".into()];
    let mut values: Vec<Box<dyn ToSql>> = Vec::new();
    let query = serde_json::to_value(q).unwrap();
    for (field, value) in query.as_object().unwrap().iter().filter(|(_, v)| !v.is_null()) {
        let text = || value.as_str().unwrap().to_lowercase();
        let ms = || value.as_str().unwrap().parse::<jiff::Timestamp>().unwrap().as_millisecond();
        match field.as_str() {
            "ids" | "sort" | "limit" | "cursor" => {}
            "text" => {
                let words: Vec<String> = text().split_whitespace().map(|w| format!("\"{w}\"")).collect();
                let star = if text().ends_with(' ') { "" } else { "*" };
                parts.push("id IN (SELECT rowid FROM words WHERE words MATCH ?)".into());
                values.push(Box::new(format!("{}{star}", words.join(" "))));
            }
            "from" | "to" | "retain_until_to" | "ingested_from" | "duration_min_ms" | "duration_max_ms" => {
                let (column, sign) = match field.as_str() {
                    "from" => ("start", ">="),
                    "to" => ("start", "<"),
                    "retain_until_to" => ("retain_until", "<"),
                    "ingested_from" => ("ingested", ">="),
                    "duration_min_ms" => ("duration", ">="),
                    _ => ("duration", "<="),
                };
                parts.push(format!("{column} {sign} ?"));
                values.push(Box::new(value.as_i64().unwrap_or_else(ms)));
            }
            "agent" | "queue" | "participant" | "tag" | "wrap_up" | "hold" | "external_id" => {
                parts.push(format!("id IN (SELECT rec FROM many WHERE field = '{field}' AND value = ?)"));
                let exact = field == "external_id";
                values.push(Box::new(if exact { value.as_str().unwrap().to_owned() } else { text() }));
            }
            _ => {
                let column = if field == "recording_id" { "recording" } else { field };
                parts.push(format!("{column} = ?"));
                values.push(Box::new(value.as_str().unwrap().to_owned()));
            }
        }
    }
    (parts.join(" AND "), values)
}
