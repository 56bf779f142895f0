//! What shells ask and are answered, from the table of commands, and what can be configured, from the configuration's schema.

use crate::{
    documents::Types,
    source::{self, Source},
};
use serde_json::Value;
use std::{collections::BTreeSet, fs};
use syn::{
    Attribute, Ident, Item, Token, Type, parenthesized,
    parse::{ParseStream, Parser as _},
};

/// One row of the table `commands!` in `crates/api/src/commands.rs`.
struct Command {
    name: String,
    request: Type,
    answer: Type,
}

fn command(input: ParseStream<'_>) -> syn::Result<Command> {
    Attribute::parse_outer(input)?;
    let name = input.parse::<Ident>()?.to_string();
    let inside;
    parenthesized!(inside in input);
    let request = inside.parse()?;
    input.parse::<Token![->]>()?;
    let answer = input.parse()?;
    input.parse::<Token![;]>()?;
    Ok(Command { name, request, answer })
}

fn table(input: ParseStream<'_>) -> syn::Result<Vec<Command>> {
    let mut all = Vec::new();
    while !input.is_empty() {
        all.push(command(input)?);
    }
    Ok(all)
}

/// Names of the commands, and of the members of what they are asked and answer: section and name.
pub(crate) fn commands(sources: &[Source], types: &mut Types) -> Result<BTreeSet<(String, String)>, String> {
    const FILE: &str = "crates/api/src/commands.rs";
    let file = sources.iter().find(|s| s.path == FILE).ok_or_else(|| format!("there is no {FILE}"))?;
    let tokens = file.file.items.iter().find_map(|item| match item {
        Item::Macro(i) if i.mac.path.is_ident("commands") => Some(i.mac.tokens.clone()),
        _ => None,
    });
    let tokens = tokens.ok_or_else(|| format!("{FILE} has no table of commands"))?;
    let commands = table.parse2(tokens).map_err(|e| format!("{FILE}: {e}"))?;
    let mut all = BTreeSet::new();
    for Command { name, request, answer } in commands {
        all.insert(("command".to_owned(), name.clone()));
        for (what, ty) in [("request", request), ("answer", answer)] {
            let members = types.members(FILE, &ty)?;
            all.extend(members.into_iter().map(|member| (format!("{what} {name}"), member)));
        }
    }
    Ok(all)
}

/// Names of settings, e.g. `archive.s3.media_bucket`, with the values that they may have where there is a list of them.
pub(crate) fn settings() -> BTreeSet<String> {
    let text = fs::read_to_string(source::root().join("docs/holdfast.schema.json")).unwrap();
    let schema: Value = serde_json::from_str(&text).unwrap();
    let mut all = BTreeSet::new();
    setting(&schema, &schema, "", &mut all);
    all
}

fn setting(schema: &Value, at: &Value, path: &str, out: &mut BTreeSet<String>) {
    if let Some(name) = at["$ref"].as_str() {
        let definition = schema.pointer(name.trim_start_matches('#')).unwrap_or_else(|| panic!("no {name}"));
        setting(schema, definition, path, out);
    }
    for (name, member) in at["properties"].as_object().into_iter().flatten() {
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        out.insert(path.clone());
        setting(schema, member, &path, out);
    }
    for choice in ["oneOf", "anyOf"].iter().filter_map(|many| at[many].as_array()).flatten() {
        setting(schema, choice, path, out);
    }
    let values = at["enum"].as_array().into_iter().flatten().chain([&at["const"]]);
    out.extend(values.filter_map(Value::as_str).map(|value| format!("{path}={value}")));
    if at["items"].is_object() {
        setting(schema, &at["items"], &format!("{path}[]"), out);
    }
    if at["additionalProperties"].is_object() {
        setting(schema, &at["additionalProperties"], &format!("{path}.{{}}"), out);
    }
}

#[test]
fn a_row_of_the_table_is_read() {
    let rows = "/// Says it.\n search(Ask) -> Vec<Answer>; /// No more.\n stop(Nothing) -> Stopped;";
    let rows = table.parse_str(rows).unwrap();
    assert_eq!(rows.iter().map(|c| c.name.as_str()).collect::<Vec<_>>(), ["search", "stop"]);
    let source = "#[derive(Serialize)] struct Ask { text: String } #[derive(Serialize)] struct Answer { id: String }";
    let mut types = Types::of(&[Source::parse("crates/api/src/a.rs", source.to_owned())]);
    let members = types.members("crates/api/src/a.rs", &rows[0].answer).unwrap();
    assert_eq!(members.into_iter().collect::<Vec<_>>(), ["[].id"]);
}
