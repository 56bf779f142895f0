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
    let mut loaded = LoadedConfig::default();
    let mut table = Table::new();
    let place = file.display().to_string();
    match std::fs::read_to_string(file) {
        Ok(text) => {
            // Checked alone first, as only the text knows lines.
            toml::from_str::<Config>(&text).map_err(|e| from_toml(&place, &text, &e))?;
            table = text.parse::<Table>().map_err(|e| from_toml(&place, &text, &e))?;
            names(&table, "", &mut |name| {
                loaded.from.insert(name, "file");
            });
        }
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
        Err(e) => return Err(Problem { place, line: 0, column: 0, message: format!("it cannot be read: {e}") }),
    }
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
    for (name, value, from) in overlays {
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
        message: e.message().to_owned(),
    })?;
    let policy = loaded.config.retention.policy.as_ref();
    if let Some(rule) = policy.and_then(holdfast_model::RetentionPolicy::unknown_class) {
        let message = format!("retention rule `{}` names the class `{}`, which is not there", rule.name, rule.class);
        return Err(Problem { place, line: 0, column: 0, message });
    }
    if !loaded.config.policy.truncation_threshold_s.is_finite() || loaded.config.policy.truncation_threshold_s < 0.0 {
        let message = "policy.truncation_threshold_s must be a number of seconds, 0 or more".into();
        return Err(Problem { place, line: 0, column: 0, message });
    }
    Ok(loaded)
}

fn from_toml(place: &str, text: &str, e: &toml::de::Error) -> Problem {
    let at = e.span().map_or(0, |s| s.start.min(text.len()));
    let before = text.get(..at).unwrap_or("");
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
    Problem {
        place: place.to_owned(),
        line: u32::try_from(line).unwrap_or(u32::MAX),
        column: u32::try_from(column).unwrap_or(u32::MAX),
        message: e.message().to_owned(),
    }
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
}
