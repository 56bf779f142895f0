use super::{Config, LoadedConfig};
use crate::dto::SettingValue;
use serde_json::Value;

/// The JSON schema of the configuration file, as shipped in `docs/holdfast.schema.json`.
#[must_use]
pub fn schema() -> String {
    let mut text = serde_json::to_string_pretty(&schemars::schema_for!(Config)).unwrap_or_default();
    text.push('\n');
    text
}

/// Every setting with its value in force, where that comes from, and its meaning out of the schema.
pub(crate) fn describe(loaded: &LoadedConfig) -> Vec<SettingValue> {
    let schema = serde_json::to_value(schemars::schema_for!(Config)).unwrap_or_default();
    let values = serde_json::to_value(&loaded.config).unwrap_or_default();
    let mut out = Vec::new();
    walk("", &values, &schema, &schema, &mut |name, value, meaning| {
        let from =
            loaded.from.iter().find(|(set, _)| *set == name || name.starts_with(&format!("{set}."))).map(|(_, f)| *f);
        out.push(SettingValue {
            name: name.to_owned(),
            value: match value {
                Value::String(s) => s.clone(),
                Value::Null => String::new(),
                other => other.to_string(),
            },
            from: from.unwrap_or("default").to_owned(),
            meaning: meaning.to_owned(),
        });
    });
    out
}

/// Follows `$ref` and an only `anyOf`/`allOf` that carries properties.
fn resolve<'a>(mut node: &'a Value, root: &'a Value) -> &'a Value {
    while let Some(path) = node.get("$ref").and_then(Value::as_str) {
        match root.pointer(path.trim_start_matches('#')) {
            Some(next) => node = next,
            None => break,
        }
    }
    node
}

fn walk(prefix: &str, value: &Value, schema: &Value, root: &Value, each: &mut impl FnMut(&str, &Value, &str)) {
    let Value::Object(map) = value else { return };
    let properties = resolve(schema, root).get("properties");
    for (key, inner) in map {
        let name = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
        let described = properties.and_then(|p| p.get(key)).unwrap_or(&Value::Null);
        let has_properties = resolve(described, root).get("properties").is_some();
        if inner.is_object() && has_properties {
            walk(&name, inner, described, root, each);
        } else {
            let own = described.get("description").or_else(|| resolve(described, root).get("description"));
            let meaning = own.and_then(Value::as_str).unwrap_or_default().replace('\n', " ");
            each(&name, inner, &meaning);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_has_a_meaning() {
        let all = describe(&LoadedConfig::default());
        assert!(all.len() > 12, "{}", all.len());
        for s in &all {
            assert!(s.meaning.len() > 10, "{s:?}");
            assert_eq!(s.from, "default");
        }
    }
}
