use crate::support::{Home, agent};
use holdfast_ingest::{Decision, aside, state};
use holdfast_ledger::Action;
use holdfast_model::{Cancel, NoProgress, SystemClock};
use holdfast_testkit::{FaultRule, FaultyStore, StoreCall, StoreFault};
use std::{
    path::Path,
    sync::{Arc, OnceLock},
};

async fn faulty(root: &Path) -> (Home, Arc<FaultyStore>) {
    let made = OnceLock::new();
    let wrap = |store| made.get_or_init(|| FaultyStore::new(store)).store();
    let home = Home::open_with(root, Arc::new(SystemClock), wrap, |parts| parts.settings.parallel = 1).await;
    (home, made.get().unwrap().clone())
}

/// The next run puts everything right, and nothing is there twice.
async fn recovers(home: &Home, store: &FaultyStore, recordings: u64) {
    store.clear();
    let again = home.ingest().await;
    assert_eq!(again.archived + again.already, recordings, "{again:?}");
    assert_eq!(home.rows().await.len() as u64, recordings);
    assert_eq!(home.keys("media").await.len() as u64, recordings);
    home.check().await;
}

#[tokio::test]
async fn faults_of_the_store_cost_one_more_run_and_nothing_else() {
    let faults = [StoreFault::FailBefore, StoreFault::FailAfter, StoreFault::BrokenBody(5), StoreFault::ShortBody(5)];
    for call in [StoreCall::Create, StoreCall::Read] {
        for fault in faults {
            for part in ["recordings/", "payloads/", "manifests/", "derivatives/"] {
                let short_create = call == StoreCall::Create && matches!(fault, StoreFault::ShortBody(_));
                if short_create && part != "recordings/" {
                    continue; // those are created with the digest they must have
                }
                let dir = tempfile::tempdir().unwrap();
                let (home, store) = faulty(dir.path()).await;
                home.voice("a", 400);
                home.voice("b", 400);
                store.add(FaultRule::on(call, fault).key(part));
                let summary = home.ingest().await;
                assert_eq!(summary.failed, 1, "{call:?} {fault:?} {part}: {summary:?}");
                assert!(summary.fault.as_ref().is_some_and(|f| !f.next.is_empty()), "{summary:?}");
                if short_create {
                    // The store kept less than it claims: the object cannot be mended, and is never called archived.
                    store.clear();
                    let again = home.ingest().await;
                    assert_eq!((again.archived, again.already), (0, 1), "{again:?}");
                    assert_eq!(home.rows().await.len(), 1);
                } else {
                    recovers(&home, &store, 2).await;
                }
            }
        }
    }
}

#[tokio::test]
async fn bytes_that_turned_over_are_never_archived() {
    let dir = tempfile::tempdir().unwrap();
    let (home, store) = faulty(dir.path()).await;
    home.voice("a", 400);
    store.add(FaultRule::on(StoreCall::Read, StoreFault::FlippedBit(60)).key("recordings/").times(100));
    for run in 1..=3 {
        let summary = home.ingest().await;
        assert_eq!((summary.archived, summary.failed), (0, 1), "run {run}: {summary:?}");
        assert_eq!(summary.fault.unwrap().code, "ingest.read_back_mismatch");
        assert!(home.rows().await.is_empty());
    }
    assert_eq!(home.states().await[state::DEAD_LETTERED], 1, "three times is enough");
    let case = home.archiver.quarantine_list(5).await.unwrap().remove(0);
    assert_eq!(case.reason, "ingest.read_back_mismatch");
    assert_eq!(home.ingest().await.failed, 1, "it is listed, and not tried again by itself");
    // What was said of it, and what to do about it, stays when somebody has decided.
    let (quiet, cancel, by) = (Arc::new(NoProgress), Cancel::default(), agent());
    let resolved = home.archiver.quarantine_resolve(&case.id, Decision::Explain, "a worn disk", &by, quiet, &cancel);
    assert_eq!(resolved.await.unwrap().sentence, case.sentence);
    let entries = home.entries().await;
    let said = entries.iter().map(|e| &e.event).find(|e| e.action == Action::QuarantineResolution).unwrap();
    let told = (said.from.as_deref(), said.to.as_deref(), said.code.as_deref());
    assert_eq!(told, (Some("dead_lettered"), Some("explain"), Some("ingest.read_back_mismatch")));
}

#[tokio::test]
async fn a_full_disk_ends_the_run_with_a_word_and_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (home, store) = faulty(dir.path()).await;
    for i in 0..8 {
        home.voice(&format!("r{i}"), 400);
    }
    store.add(FaultRule::on(StoreCall::Create, StoreFault::Full).key("recordings/").after(2).times(1_000));
    let summary = home.try_ingest().await.unwrap();
    let fault = summary.fault.clone().unwrap();
    assert_eq!((fault.code.as_str(), summary.archived), ("store.full", 2), "{summary:?}");
    assert!(fault.next.contains("Free space") && summary.failed > 0 && !summary.complete());
    assert_eq!(home.states().await.get(state::DEAD_LETTERED), None, "a full disk is not the recording's fault");
    recovers(&home, &store, 8).await;
}

#[tokio::test]
async fn a_place_spoiled_by_the_store_is_told_and_gone_round_by_a_persons_word() {
    let dir = tempfile::tempdir().unwrap();
    let (home, store) = faulty(dir.path()).await;
    home.voice("a", 400);
    store.add(FaultRule::on(StoreCall::Create, StoreFault::FlippedBit(60)).key("recordings/"));
    let summary = home.ingest().await;
    assert_eq!((summary.failed, summary.fault.unwrap().code.as_str()), (1, "ingest.read_back_mismatch"));
    let again = home.ingest().await;
    assert_eq!((again.archived, again.quarantined), (0, 1), "{again:?}");
    assert!(home.rows().await.is_empty());
    let case = home.archiver.quarantine_list(5).await.unwrap().remove(0);
    assert_eq!(case.reason, aside::CONFLICT);
    let quiet = Arc::new(NoProgress);
    let cancel = Cancel::default();
    let case = home
        .archiver
        .quarantine_resolve(&case.id, Decision::Accept, "the disk was replaced", &agent(), quiet, &cancel)
        .await
        .unwrap();
    assert_eq!(case.state, state::ARCHIVED);
    let rows = home.rows().await;
    assert_eq!((rows.len(), home.keys("media").await.len()), (1, 2), "the spoiled bytes are kept as they are");
    assert!(rows[0].probe.remarks.iter().any(|r| r.contains("other bytes")), "{:?}", rows[0].probe);
    home.check().await;
}
