//! Preflight on this machine's own store: the checks that apply.

use holdfast_model::Cancel;
use holdfast_provision::preflight::{Outcome, Provider, run};
use holdfast_store::{LocalStore, LocalStoreConfig};
use holdfast_testkit::ManualClock;
use std::sync::Arc;

#[tokio::test]
async fn green_on_a_new_local_store() {
    let folder = tempfile::tempdir().unwrap();
    let clock = ManualClock::default();
    let store = LocalStore::open(LocalStoreConfig::new(folder.path()), Arc::new(clock.clone())).unwrap().store();
    let report = run(&store, &Provider::Local, &clock, &|_| (), &Cancel::default()).await;
    assert!(report.is_green(), "{:#?}", report.failed().collect::<Vec<_>>());
    let passed: Vec<_> = report
        .checks
        .iter()
        .filter(|c| c.outcome == Outcome::Passed)
        .map(|c| c.code.trim_start_matches("preflight."))
        .collect();
    for code in [
        "create",
        "once",
        "read_back",
        "metadata",
        "retention",
        "shorten_refused",
        "extend",
        "hold",
        "hold_lift",
        "listing",
        "ledger_tiles",
    ] {
        assert!(passed.contains(&code), "{code}: {passed:?}");
    }
    assert!(report.probes.starts_with("preflight/2026-03-15/"));
}

#[test]
fn every_check_stands_in_the_documentation() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/provision.md");
    let text = std::fs::read_to_string(page).unwrap();
    for (code, title) in holdfast_provision::preflight::CHECKS {
        assert!(text.contains(&format!("| `{code}` | {title} |")), "{code}");
    }
}
