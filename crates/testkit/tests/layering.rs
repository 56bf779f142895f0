//! Proves the house's rules from what cargo itself says: who may import whom, and what an executable links.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    process::Command,
};

fn metadata() -> Value {
    let out = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked", "--offline", "--no-deps"])
        .output()
        .unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    serde_json::from_slice(&out.stdout).unwrap()
}

/// Siblings that each crate imports in what it ships (dev-dependencies may be anything).
fn imports() -> BTreeMap<String, BTreeSet<String>> {
    let name = |v: &Value| v["name"].as_str().unwrap_or_default().trim_start_matches("holdfast-").to_owned();
    let all = metadata();
    let packages = all["packages"].as_array().unwrap();
    packages
        .iter()
        .map(|p| {
            let deps = p["dependencies"].as_array().unwrap();
            let siblings = deps.iter().filter(|d| d["path"].is_string() && d["kind"] != "dev").map(name).collect();
            (name(p), siblings)
        })
        .collect()
}

#[test]
fn crates_import_only_what_the_house_allows() {
    let allowed: &[(&str, &[&str])] = &[
        ("model", &[]),
        ("ledger", &["model"]),
        ("store", &["model"]),
        ("index", &["model"]),
        ("connectors", &["model"]),
        ("audio", &["model"]),
        ("verify", &["model", "ledger"]),
        ("reports", &["model", "verify"]),
        ("ingest", &["model", "ledger", "store", "index", "connectors", "audio"]),
        ("retrieval", &["model", "ledger", "store", "index", "verify", "reports"]),
        (
            "api",
            &[
                "model",
                "ledger",
                "store",
                "index",
                "connectors",
                "audio",
                "ingest",
                "retrieval",
                "verify",
                "reports",
                "provision",
            ],
        ),
        ("provision", &["model", "store", "index"]),
        ("gateway", &["api"]),
        ("cli", &["api", "gateway"]),
        ("app", &["api", "gateway"]),
        ("testkit", &["model", "ledger", "store", "index"]),
    ];
    let imports = imports();
    let known: BTreeSet<&str> = allowed.iter().map(|(name, _)| *name).collect();
    assert_eq!(imports.keys().map(String::as_str).collect::<BTreeSet<_>>(), known, "every crate has its rule");
    for (name, may) in allowed {
        let surplus: Vec<_> = imports[*name].iter().filter(|d| !may.contains(&d.as_str())).collect();
        assert!(surplus.is_empty(), "{name} must not import {surplus:?}");
    }
}

/// Names of all packages that the package links, without dev-dependencies.
fn linked(package: &str) -> BTreeSet<String> {
    let out = Command::new(env!("CARGO"))
        .args(["tree", "--locked", "--offline", "-e", "normal", "--prefix", "none", "--format", "{p}", "-p", package])
        .output()
        .unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let text = String::from_utf8(out.stdout).unwrap();
    text.lines().filter_map(|l| l.split_whitespace().next()).map(str::to_owned).collect()
}

const WINDOW: &[&str] = &["webkit2gtk", "webkit2gtk-sys", "wry", "tao", "tauri", "gtk"];
const NETWORK: &[&str] =
    &["tokio", "hyper", "reqwest", "axum", "rustls", "native-tls", "openssl", "mio", "socket2", "h2", "quinn", "zbus"];

#[test]
fn the_console_and_the_verifier_link_no_webkit() {
    for package in ["holdfast-cli", "holdfast-verify"] {
        let linked = linked(package);
        assert!(linked.len() > 10, "cargo tree told too little");
        let found: Vec<_> = WINDOW.iter().filter(|w| linked.contains(**w)).collect();
        assert!(found.is_empty(), "{package} links {found:?}");
    }
    assert!(linked("holdfast-app").contains("wry"), "the check itself can see WebKit");
}

#[test]
fn the_verifier_links_no_network() {
    let linked_by_verify = linked("holdfast-verify");
    let found: Vec<_> = NETWORK.iter().filter(|n| linked_by_verify.contains(**n)).collect();
    assert!(found.is_empty(), "holdfast-verify links {found:?}");
    assert!(linked("holdfast-cli").contains("axum"), "the check itself can see network crates");
}

#[test]
fn no_seam_of_a_store_can_delete() {
    let seams = concat!(env!("CARGO_MANIFEST_DIR"), "/../store/src/lib.rs");
    let text = std::fs::read_to_string(seams).unwrap();
    let functions: BTreeSet<&str> = text
        .split("fn ")
        .skip(1)
        .filter_map(|f| f.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).next())
        .collect();
    // All that the four traits offer; one more is a decision, and none may remove a retained recording.
    let offered = [
        "capabilities",
        "create",
        "extend",
        "head",
        "link",
        "list",
        "moves",
        "name",
        "options",
        "read",
        "request",
        "set_legal_hold",
        "status",
    ];
    assert_eq!(functions, BTreeSet::from(offered));
}
