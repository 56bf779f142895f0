//! What is generated from the code is what is committed.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

#[path = "it/tiles.rs"]
mod tiles;

use std::path::Path;

/// Compares a committed file with what the code gives; with `HOLDFAST_WRITE_GENERATED` writes it instead.
fn is_current(path: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path);
    if std::env::var_os("HOLDFAST_WRITE_GENERATED").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == text, "{} has drifted from the code; run scripts/bindings", path.display());
}

#[test]
fn generated_bindings_are_current() {
    is_current("ui/src/bindings.ts", &holdfast_api::typescript());
}

#[test]
fn generated_schema_is_current() {
    is_current("docs/holdfast.schema.json", &holdfast_api::config::schema());
}
