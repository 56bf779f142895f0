use serde_json::Value;
use std::fmt::Write as _;

/// A file for those who review infrastructure in their own way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// File name, e.g. `holdfast.cfn.yaml`.
    pub name: String,
    /// Its text.
    pub text: String,
}

impl Document {
    pub(crate) fn json(name: &str, value: &Value) -> Self {
        let mut text = serde_json::to_string_pretty(value).unwrap_or_default();
        text.push('\n');
        Self { name: name.to_owned(), text }
    }
}

/// `value` as YAML in block style. Every string is quoted as JSON quotes it, which YAML 1.2 (section 7.3.1) reads the same way, so
/// that no `no`, `1e3` or date is taken for something else.
#[must_use]
pub fn yaml(value: &Value) -> String {
    let mut out = String::new();
    block(value, 0, &mut out);
    out
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::Object(m) if m.is_empty() => Some("{}".into()),
        Value::Array(a) if a.is_empty() => Some("[]".into()),
        Value::Object(_) | Value::Array(_) => None,
        other => Some(other.to_string()),
    }
}

fn key(text: &str) -> String {
    let plain = text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.bytes().all(|b| b.is_ascii_alphanumeric())
        && !matches!(
            text.to_ascii_lowercase().as_str(),
            "y" | "n" | "yes" | "no" | "on" | "off" | "true" | "false" | "null"
        );
    if plain { text.to_owned() } else { Value::from(text).to_string() }
}

fn block(value: &Value, depth: usize, out: &mut String) {
    let pad = "  ".repeat(depth);
    match value {
        Value::Object(map) if !map.is_empty() => {
            for (k, v) in map {
                match scalar(v) {
                    Some(text) => drop(writeln!(out, "{pad}{}: {text}", key(k))),
                    None => {
                        let _ = writeln!(out, "{pad}{}:", key(k));
                        block(v, depth + 1, out);
                    }
                }
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for v in items {
                match scalar(v) {
                    Some(text) => drop(writeln!(out, "{pad}- {text}")),
                    None => {
                        // The first line of the inner block takes the place of its own indentation.
                        let mut inner = String::new();
                        block(v, depth + 1, &mut inner);
                        let _ = write!(out, "{pad}- {}", inner.trim_start());
                    }
                }
            }
        }
        other => drop(writeln!(out, "{pad}{}", scalar(other).unwrap_or_default())),
    }
}
