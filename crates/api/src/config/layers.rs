use super::Config;
use holdfast_model::{Fault, FaultKind};
use std::{collections::BTreeMap, path::Path};
use toml::{Table, Value};

/// Something wrong in the configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}, line {line}, column {column}: {message}")]
pub struct Problem {
    /// The file, or the environment variable or flag.
    pub place: String,
    /// Line, from 1; 0 where it is about no line.
    pub line: u32,
    /// Column, from 1.
    pub column: u32,
    /// What is wrong.
    pub message: String,
}

impl Fault for Problem {
    fn code(&self) -> &'static str {
        "config.invalid"
    }
    fn kind(&self) -> FaultKind {
        FaultKind::Invalid
    }
    fn next(&self) -> String {
        "Mend it and run `holdfast config check`; `holdfast config show` lists every setting with its meaning.".into()
    }
}

/// The configuration in force, and which layer each changed setting came from.
#[derive(Debug, Clone, Default)]
pub struct LoadedConfig {
    /// The configuration.
    pub config: Config,
    /// Dotted names of settings that are not defaults: `file`, `environment`, `flag`.
    pub from: BTreeMap<String, &'static str>,
}

/// Prefix of environment variables: `HOLDFAST_SET_POLICY__PLAY_REASON=always` sets `policy.play_reason`.
const PREFIX: &str = "HOLDFAST_SET_";

/// Reads the layers: defaults < `file` (where it exists) < `environment` < `flags` (`policy.play_reason=always`).
///
/// # Errors
/// The first thing that is wrong, with line and column where it stands in the file.
pub fn load(
    file: &Path,
    environment: impl Iterator<Item = (String, String)>,
    flags: &[String],
) -> Result<LoadedConfig, Problem> {
    let (loaded, text) = read(file, environment, flags)?;
    match problems(&loaded, file, &text).into_iter().next() {
        Some(problem) => Err(problem),
        None => Ok(loaded),
    }
}

/// Everything that is wrong in the layers, each with its place; empty where nothing is. What has not even the right form is told
/// alone.
#[must_use]
pub fn check(file: &Path, environment: impl Iterator<Item = (String, String)>, flags: &[String]) -> Vec<Problem> {
    match read(file, environment, flags) {
        Ok((loaded, text)) => problems(&loaded, file, &text),
        Err(problem) => vec![problem],
    }
}

/// The layers put together, and the file's text.
fn read(
    file: &Path,
    environment: impl Iterator<Item = (String, String)>,
    flags: &[String],
) -> Result<(LoadedConfig, String), Problem> {
    let mut loaded = LoadedConfig::default();
    let mut table = Table::new();
    let place = file.display().to_string();
    let text = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(e) => return Err(Problem { place, line: 0, column: 0, message: format!("it cannot be read: {e}") }),
    };
    if !text.is_empty() {
        // Checked alone first, as only the text knows lines.
        toml::from_str::<Config>(&text).map_err(|e| from_toml(&place, &text, &e))?;
        table = text.parse::<Table>().map_err(|e| from_toml(&place, &text, &e))?;
        names(&table, "", &mut |name| {
            loaded.from.insert(name, "file");
        });
    }
    for (name, value, from) in overlays(environment, flags)? {
        put(&mut table, &name, scalar(&value)).map_err(|message| Problem {
            place: format!("{from} {name}"),
            line: 0,
            column: 0,
            message,
        })?;
        loaded.from.insert(name, from);
    }
    loaded.config = table.try_into().map_err(|e: toml::de::Error| Problem {
        place: "environment or flags".into(),
        line: 0,
        column: 0,
        message: without_secret(e.message()),
    })?;
    Ok((loaded, text))
}

/// Settings of environment and flags, in the order in which they win.
fn overlays(
    environment: impl Iterator<Item = (String, String)>,
    flags: &[String],
) -> Result<Vec<(String, String, &'static str)>, Problem> {
    let mut overlays: Vec<(String, String, &'static str)> = environment
        .filter_map(|(k, v)| Some((k.strip_prefix(PREFIX)?.to_ascii_lowercase().replace("__", "."), v, "environment")))
        .collect();
    overlays.sort();
    for flag in flags {
        let (name, value) = flag.split_once('=').ok_or_else(|| Problem {
            place: format!("--set {flag}"),
            line: 0,
            column: 0,
            message: "expected NAME=VALUE, for example policy.play_reason=always".into(),
        })?;
        overlays.push((name.to_owned(), value.to_owned(), "flag"));
    }
    Ok(overlays)
}

/// What is wrong in a configuration of the right form, each at the first of its settings that was set.
fn problems(loaded: &LoadedConfig, file: &Path, text: &str) -> Vec<Problem> {
    let parsed = toml::de::DeTable::parse(text).ok();
    let place_of = |at: &[String]| {
        for name in at {
            let from = loaded.from.get(name).copied();
            let span = parsed.as_ref().and_then(|t| span_of(t.get_ref(), name));
            match (from, span) {
                (Some(from @ ("environment" | "flag")), _) => return (format!("{from} {name}"), 0, 0),
                (_, Some(start)) => {
                    let (line, column) = line_column(text, start);
                    return (file.display().to_string(), line, column);
                }
                _ => {}
            }
        }
        (file.display().to_string(), 0, 0)
    };
    let found = super::check::wrong(&loaded.config);
    let of = |w: super::check::Wrong| {
        let (place, line, column) = place_of(&w.at);
        Problem { place, line, column, message: w.message }
    };
    found.into_iter().map(of).collect()
}

/// Where the setting of that dotted name (elements of lists by their number) stands in the text, from the first byte.
fn span_of(table: &toml::de::DeTable<'_>, name: &str) -> Option<usize> {
    use toml::de::DeValue;
    let mut parts = name.split('.');
    let first = parts.next()?;
    let (key, mut value) = table.iter().find(|(k, _)| k.get_ref().as_ref() == first)?;
    let mut start = key.span().start;
    for part in parts {
        value = match value.get_ref() {
            DeValue::Table(inner) => {
                let (key, value) = inner.iter().find(|(k, _)| k.get_ref().as_ref() == part)?;
                start = key.span().start;
                value
            }
            DeValue::Array(inner) => {
                let value = inner.get(part.parse::<usize>().ok()?)?;
                start = value.span().start;
                value
            }
            _ => return None,
        };
    }
    Some(start)
}

/// A message of the parser; where somebody put a secret into the configuration, where it belongs instead.
fn without_secret(message: &str) -> String {
    let field = message.strip_prefix("unknown field `").and_then(|m| m.split('`').next()).unwrap_or_default();
    let secret = ["password", "secret", "access_key", "token", "sas", "credential"];
    if secret.iter().any(|s| field.contains(s)) {
        format!("unknown field `{field}`: secrets never stand in the configuration; use `holdfast credentials set`")
    } else {
        message.to_owned()
    }
}

fn line_column(text: &str, at: usize) -> (u32, u32) {
    let before = text.get(..at.min(text.len())).unwrap_or("");
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
    (u32::try_from(line).unwrap_or(u32::MAX), u32::try_from(column).unwrap_or(u32::MAX))
}

fn from_toml(place: &str, text: &str, e: &toml::de::Error) -> Problem {
    let (line, column) = line_column(text, e.span().map_or(0, |s| s.start));
    Problem { place: place.to_owned(), line, column, message: without_secret(e.message()) }
}

fn names(table: &Table, prefix: &str, each: &mut impl FnMut(String)) {
    for (key, value) in table {
        let name = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
        match value {
            Value::Table(inner) => names(inner, &name, each),
            _ => each(name),
        }
    }
}

/// Numbers and booleans are taken as such, everything else as text.
fn scalar(text: &str) -> Value {
    if let Ok(i) = text.parse::<i64>() {
        Value::Integer(i)
    } else if let Ok(b) = text.parse::<bool>() {
        Value::Boolean(b)
    } else if let Ok(f) = text.parse::<f64>() {
        Value::Float(f)
    } else {
        Value::String(text.to_owned())
    }
}

fn put(table: &mut Table, name: &str, value: Value) -> Result<(), String> {
    match name.split_once('.') {
        None => {
            table.insert(name.to_owned(), value);
            Ok(())
        }
        Some((first, rest)) => match table.entry(first).or_insert_with(|| Value::Table(Table::new())) {
            Value::Table(inner) => put(inner, rest, value),
            _ => Err(format!("`{first}` is not a section")),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load_text(text: &str, env: &[(&str, &str)], flags: &[&str]) -> Result<LoadedConfig, Problem> {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("holdfast.toml");
        std::fs::write(&file, text).unwrap();
        let env = env.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        load(&file, env, &flags.iter().map(|f| (*f).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn an_error_names_its_line_and_column() {
        let e = load_text("[policy]\nplay_reasn = \"always\"\n", &[], &[]).unwrap_err();
        assert_eq!((e.line, e.column), (2, 1), "{e}");
        assert!(e.message.contains("play_reasn"), "{e}");
        let e = load_text("[serve]\nport = \"x\"\n", &[], &[]).unwrap_err();
        assert_eq!((e.line, e.column), (2, 8), "{e}");
        assert_eq!(load_text("[serve\n", &[], &[]).unwrap_err().line, 1);
    }

    #[test]
    fn later_layers_win_and_are_named() {
        let text = "[serve]\nport = 1\n[archive]\nkeep_days = 3\n";
        let env = [("HOLDFAST_SET_SERVE__PORT", "2"), ("HOLDFAST_SET_ARCHIVE__COLD_AFTER_DAYS", "30")];
        let c = load_text(text, &env, &["serve.port=3"]).unwrap();
        assert_eq!((c.config.serve.port, c.config.archive.keep_days), (3, 3));
        assert_eq!(c.config.archive.cold_after_days, Some(30));
        assert_eq!(c.from["serve.port"], "flag");
        assert_eq!(c.from["archive.cold_after_days"], "environment");
        assert!(load_text("", &[("HOLDFAST_SET_NOPE", "1")], &[]).is_err());
    }

    #[test]
    fn a_retention_rule_without_its_class_is_refused() {
        let text = "[retention.policy]\nclasses = []\nrules = [{ name = \"r\", class = \"gone\" }]\n";
        assert!(load_text(text, &[], &[]).unwrap_err().message.contains("gone"));
    }

    fn all(text: &str, env: &[(&str, &str)]) -> Vec<Problem> {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("holdfast.toml");
        std::fs::write(&file, text).unwrap();
        check(&file, env.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())), &[])
    }

    #[track_caller]
    fn says(text: &str, line: u32, words: &str) {
        let found = all(text, &[]);
        let met = found.iter().any(|p| p.line == line && p.message.contains(words));
        assert!(met, "expected line {line} to say `{words}`: {found:#?}");
    }

    #[test]
    fn what_does_not_go_together_is_told_at_its_line() {
        says("\n[archive]\nbackend = \"s3\"\n", 3, "media_bucket must name");
        says("[archive]\nbackend = \"s3\"\n[archive.s3]\nmedia_bucket = \"A_b\"\n", 4, "no name of a bucket");
        says("[archive]\nbackend = \"azure\"\n[archive.azure]\nmedia_container = \"media\"\n", 2, "account_url");
        let s3 = "[archive]\nbackend = \"s3\"\n[archive.s3]\nmedia_bucket = \"media\"\n";
        says(&format!("{s3}kms_key = \"alias/x\"\n"), 5, "an alias can be pointed");
        says(&format!("{s3}storage_class = \"DEEP_ARCHIVE\"\n"), 5, "online class");
        says(&format!("{s3}[index]\nbackend = \"dynamodb\"\n"), 6, "index.dynamodb.table");
        says("[index]\nbackend = \"dynamodb\"\ndynamodb.table = \"abc\"\n", 2, "archive.backend is \"local\"");
        says("[aws]\nendpoint_url = \"http://10.1.2.3\"\n", 2, "https://");
        says("[aws]\nexternal_id = \"x\"\n", 2, "role_arn");
        says("[azure]\ncredential = \"service_principal\"\n", 2, "tenant_id");
        says("[network]\nca_file = \"/nowhere/ca.pem\"\n", 2, "cannot be read");
        says(
            "[notify.email]\nhost = \"m\"\nsecurity = \"none\"\nfrom = \"a@b.c\"\nto = [\"x@y.z\"]\n",
            3,
            "this machine only",
        );
        says("[notify.email]\nfrom = \"a@b.c\"\n", 2, "without it no mail");
        says("[[notify.webhook]]\nname = \"a\"\nurl = \"https://u:p@x.y/\"\n", 3, "carries a secret");
        says("[[notify.webhook]]\nname = \"a\"\nurl = \"http://x.y/\"\n", 3, "https://");
        says("[notify.email]\npassword = \"hunter2\"\n", 2, "holdfast credentials set");
        assert!(!format!("{:?}", all("[notify.email]\npassword = \"hunter2\"\n", &[])).contains("hunter2"));
    }

    #[test]
    fn everything_wrong_is_told_at_once_and_where_it_was_set() {
        let env = [("HOLDFAST_SET_AWS__REGION", "not a region")];
        let found = all("[archive]\nbackend = \"s3\"\n[index]\nbackend = \"dynamodb\"\n", &env);
        assert_eq!(found.len(), 3, "{found:#?}");
        assert!(found.iter().any(|p| p.place == "environment aws.region"), "{found:#?}");
        let whole = "[archive]\nbackend = \"azure\"\n[archive.azure]\naccount_url = \"https://a.blob.core.windows.net\"\n\
                     media_container = \"media\"\nrehydrate = \"copy\"\ncopy_container = \"copies\"\n[index]\nbackend = \"dynamodb\"\n\
                     dynamodb.table = \"holdfast\"\n[azure]\ncredential = \"cli\"\n[notify]\ndesktop = true\n";
        assert_eq!(all(whole, &[]), []);
    }
}
