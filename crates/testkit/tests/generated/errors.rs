//! `docs/errors.md` lists every stable code with what it says, read from the sources, so that a code cannot come or go unseen.

use crate::source::{self, Source};
use std::{collections::BTreeMap, fmt::Write as _, fs};

/// The text of the next string literal at or after `at`, and where it ends.
fn literal(text: &str, at: usize) -> Option<(String, usize)> {
    let start = at + text[at..].find('"')? + 1;
    let mut out = String::new();
    let mut chars = text[start..].char_indices();
    while let Some((i, c)) = chars.next() {
        match c {
            '"' => return Some((out, start + i + 1)),
            '\\' => match chars.next()?.1 {
                // A continued line: the indentation of the next is no part of it.
                '\n' => {
                    let rest = &text[start + i + 2..];
                    let skip = rest.len() - rest.trim_start().len();
                    for _ in 0..rest[..skip].chars().count() {
                        chars.next();
                    }
                }
                'n' => out.push(' '),
                other => out.push(other),
            },
            c => out.push(c),
        }
    }
    None
}

/// What looks like a code: a file, a setting.
const NO_CODES: [&str; 2] = ["index.backend", "keys.json"];

fn is_code(text: &str) -> bool {
    let known = [
        "api",
        "audio",
        "cli",
        "cloud",
        "config",
        "connectors",
        "credentials",
        "demo",
        "gateway",
        "home",
        "index",
        "ingest",
        "keys",
        "ledger",
        "link",
        "mapping",
        "notify",
        "play",
        "prices",
        "provision",
        "retrieval",
        "serve",
        "store",
        "verify",
        "package",
        "reports",
        "source",
        "window",
    ];
    let Some((first, rest)) = text.split_once('.') else { return false };
    known.contains(&first)
        && !NO_CODES.contains(&text)
        && !rest.is_empty()
        && rest.bytes().all(|b| b.is_ascii_lowercase() || b == b'_' || b.is_ascii_digit())
}

/// Messages of an error enum by variant: `#[error("…")]` stands above its variant.
fn messages(text: &str) -> BTreeMap<String, String> {
    let mut out = BTreeMap::new();
    for (at, _) in text.match_indices("#[error(\"") {
        let Some((message, end)) = literal(text, at) else { continue };
        let after = text[end..].lines().skip(1).map(str::trim);
        let variant = after.into_iter().find(|l| l.starts_with(|c: char| c.is_ascii_uppercase()));
        let name = variant.map(|v| v.split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default().to_owned());
        out.extend(name.map(|n| (n, message)));
    }
    out
}

/// The message of `ApiError::new(kind, "code", message, next)`: what `message` was set to just before.
fn message_before(text: &str, end: usize) -> Option<String> {
    if !text[end..].trim_start().starts_with(", message") {
        return None;
    }
    let before = &text[..end];
    literal(text, before.rfind("let message =")?).map(|(message, _)| message)
}

fn codes(text: &str, out: &mut BTreeMap<String, String>) {
    let messages = messages(text);
    let mut at = 0;
    while let Some((found, end)) = literal(text, at) {
        at = end;
        if !is_code(&found) {
            continue;
        }
        let line = text[..end].rfind('\n').map_or("", |n| &text[n..end]);
        if ["step(", "passed(", "boundary(", "fail_after(", "Interrupted(\""].iter().any(|call| line.contains(call)) {
            continue; // the name of a step, not of an error
        }
        let says = if line.contains("=>") {
            // `Self::Variant { .. } => "code"`: the message stands above the variant.
            let names = line
                .split("Self::")
                .skip(1)
                .map(|v| v.split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or(""));
            names.filter_map(|n| messages.get(n)).cloned().collect::<Vec<_>>().join("; or: ")
        } else {
            // `ApiError::new(kind, "code", "message", …)`
            let message = literal(text, end).map(|(m, _)| m).filter(|m| m.contains(' '));
            message.or_else(|| message_before(text, end)).unwrap_or_default()
        };
        if says.is_empty() && !line.contains("=>") {
            continue; // said elsewhere
        }
        let entry = out.entry(found).or_default();
        if entry.is_empty() {
            *entry = says;
        }
    }
}

/// Every code with what it says.
pub(crate) fn all(sources: &[Source]) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    // Findings are no errors, and have a list of their own.
    for source in sources.iter().filter(|s| s.path != "crates/verify/src/finding.rs") {
        let shipped = source.text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
        codes(shipped, &mut all);
    }
    assert!(all.len() > 60, "only {} codes were found", all.len());
    all
}

#[test]
fn generated_error_list_is_current() {
    let mut doc = String::from(
        "# Error codes\n\nEvery error has a stable code; the sentence may become clearer, the code stays. What stands in braces is \
         filled in. Made from the sources by `scripts/bindings`. Findings of a verification have codes of their own: \
         [findings.md](formats/findings.md).\n\n| code | says |\n|---|---|\n",
    );
    for (code, says) in all(&source::shipped()) {
        writeln!(doc, "| `{code}` | {} |", says.replace('|', "\\|")).unwrap();
    }
    let path = source::root().join("docs/errors.md");
    if std::env::var_os("HOLDFAST_WRITE_GENERATED").is_some() {
        fs::write(&path, &doc).unwrap();
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == doc, "docs/errors.md has drifted from the sources; run scripts/bindings");
}
