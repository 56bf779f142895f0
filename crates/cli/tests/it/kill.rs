//! The process is killed at every named step of ingest, and again in the recovery: nothing lost, nothing doubled.

use crate::{home::Home, sample};
use holdfast_testkit::sampled;
use std::{fs, os::unix::process::ExitStatusExt as _};

const STEPS: [&str; 12] = [
    "ingest.run_started",
    "ingest.discovered",
    "ingest.intended",
    "ingest.stored",
    "ingest.read_back",
    "ingest.payload",
    "ingest.manifest",
    "ingest.outcome",
    "ingest.catalogued",
    "ingest.archived",
    "ledger.staged",
    "ledger.head_swapped",
];

#[test]
fn ingest_survives_a_kill_at_every_step() {
    for step in STEPS {
        // The recovery is killed at the same step; in a soak at every step.
        for again in sampled(&[step][..], &STEPS) {
            survives(step, again);
        }
    }
}

/// An ingest is killed at `step`, the next one the second time that it is at `again`, and a third finishes.
fn survives(step: &str, again: &str) {
    let home = Home::new();
    let source = home.beside("source");
    for n in 0..3 {
        sample::put(&source, &format!("call-{n}"), "2026-01-05", 400.0 + f64::from(n));
    }
    let ingest = ["archiver", "ingest", source.to_str().unwrap(), "--json"];
    // Everything that is made with the home folder is made first, so that the kill hits the ingest.
    home.json(&["status"]);
    for (n, kill) in [format!("{step}:1"), format!("{again}:2")].iter().enumerate() {
        let died = home.command().args(ingest).env("HOLDFAST_KILL_AT", kill).output().unwrap();
        let reached = died.status.signal() == Some(9);
        assert!(reached || died.status.success(), "{step}: {died:?}");
        assert!(reached || n == 1, "{step} was never reached: {}", String::from_utf8_lossy(&died.stdout));
    }
    let step = format!("{step}, then {again}");
    let done = home.json(&ingest[..3]);
    assert_eq!(done["archived"].as_u64().unwrap() + done["already"].as_u64().unwrap(), 3, "{step}: {done}");
    assert_eq!(home.json(&["search"])["total"], 3, "{step}");
    assert_eq!(home.json(&["index", "check"])["manifests"], 3, "{step}");
    assert_eq!(home.json(&["ledger", "verify"])["outcome"], "verified", "{step}");
    let entries = home.json(&["ledger", "show", "--limit", "1000"]);
    let of = |phase: &str| {
        let all = entries["entries"].as_array().unwrap();
        all.iter().filter(|e| e["action"] == "accession" && e["phase"] == phase && e["outcome"] != "failed").count()
    };
    assert_eq!(of("outcome"), 3, "{step}: one outcome each: {entries}");
    fs::remove_dir_all(home.path()).unwrap();
}
