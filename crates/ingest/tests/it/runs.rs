use crate::support::{Home, agent, sidecar, wav};
use holdfast_index::Query;
use holdfast_ingest::{Archiver, TierPolicy, state};
use holdfast_ledger::{Action, Phase};
use holdfast_model::{Cancel, NoProgress, Progress, ProgressSink, StorageTier, SystemClock};
use holdfast_testkit::ManualClock;
use serde_json::json;
use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

#[tokio::test]
async fn a_folder_is_taken_in_and_found() {
    let dir = tempfile::tempdir().unwrap();
    let home = Home::open(dir.path()).await;
    for i in 0..5 {
        home.voice(&format!("r{i}"), 1_000 + i * 100);
    }
    let summary = home.ingest().await;
    assert_eq!((summary.discovered, summary.archived, summary.failed), (5, 5, 0), "{summary:?}");
    home.check().await;
    let found = home.parts.index.search(&Query { text: Some("hello r3".into()), ..Query::default() }).await.unwrap();
    assert_eq!(found.rows.len(), 1);
    let row = &found.rows[0];
    assert_eq!(row.record.queues, ["sales"]);
    let info = home.parts.store.reader.head(&row.locator).await.unwrap();
    assert_eq!(info.metadata["archive-id"], row.archive_id.as_str());
    assert_eq!((info.tags["retention-class"].as_str(), info.tags["compliance-level"].as_str()), ("standard-7y", "pci"));
    // Payloads lie there byte for byte.
    let payload = fs::read(home.source().join("r3.json")).unwrap();
    let stored = walk(&dir.path().join("archive/meta")).into_iter().filter(|p| fs::read(p).unwrap() == payload).count();
    assert_eq!(stored, 1);
}

fn walk(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut out = Vec::new();
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_dir() { out.extend(walk(&entry.path())) } else { out.push(entry.path()) }
    }
    out
}

#[tokio::test]
async fn the_same_again_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let home = Home::open(dir.path()).await;
    home.voice("a", 1_000);
    home.voice("b", 1_000);
    fs::write(home.source().join("lonely.wav"), "x").unwrap();
    let first = home.ingest().await;
    assert_eq!((first.archived, first.quarantined), (2, 1));
    let (entries, keys) = (home.entries().await.len(), home.keys("media").await);
    let again = home.ingest().await;
    assert_eq!((again.archived, again.already, again.quarantined), (0, 2, 1), "{again:?}");
    // The same files under other names are the same recordings.
    fs::create_dir(home.source().join("copy")).unwrap();
    for name in ["a.wav", "a.json"] {
        fs::copy(home.source().join(name), home.source().join("copy").join(name)).unwrap();
    }
    let copied = home.ingest().await;
    assert_eq!((copied.already, copied.quarantined), (3, 1), "{copied:?}");
    assert_eq!((home.entries().await.len(), home.keys("media").await), (entries, keys));
    home.check().await;
}

#[tokio::test]
async fn two_of_the_same_in_one_run_are_one() {
    let dir = tempfile::tempdir().unwrap();
    let home = Home::open(dir.path()).await;
    for folder in ["x", "y", "z"] {
        fs::create_dir_all(home.source().join(folder)).unwrap();
        home.pair(&format!("{folder}/a"), "wav", &wav(1_000, 3), &sidecar("a", 1_000));
    }
    let summary = home.ingest().await;
    assert_eq!((summary.archived, summary.already), (1, 2), "{summary:?}");
    home.check().await;
}

#[tokio::test]
async fn other_bytes_or_metadata_under_the_same_ids_are_a_conflict() {
    let dir = tempfile::tempdir().unwrap();
    let home = Home::open(dir.path()).await;
    home.voice("a", 1_000);
    home.voice("b", 1_000);
    home.ingest().await;
    home.pair("a", "wav", &wav(1_000, 99), &sidecar("a", 1_000));
    let mut other = sidecar("b", 1_000);
    other["notes"] = json!("changed at the vendor");
    home.pair("b", "wav", &wav(1_000, 8), &other);
    let summary = home.ingest().await;
    assert_eq!((summary.already, summary.quarantined), (0, 2), "{summary:?}");
    let mut reasons: Vec<_> = home.archiver.quarantine_list(10).await.unwrap().into_iter().map(|c| c.reason).collect();
    reasons.sort();
    assert_eq!(reasons, ["conflict", "metadata_conflict"]);
    assert_eq!(home.rows().await.len(), 2);
    assert!(home.keys("quarantine").await.len() >= 4, "everything that differs is kept");
    home.check().await;
}

#[tokio::test]
async fn many_processes_share_the_work() {
    let dir = tempfile::tempdir().unwrap();
    let home = Home::open(dir.path()).await;
    for i in 0..30 {
        home.voice(&format!("r{i}"), 500);
    }
    // Two archivers know nothing of each other, like two processes.
    let other = Archiver::new(home.parts.clone());
    let (one, two) = tokio::join!(home.try_ingest(), async {
        let cancel = Cancel::default();
        other.ingest(home.connector(None), &agent(), Arc::new(NoProgress), &cancel).await
    });
    let (one, two) = (one.unwrap(), two.unwrap());
    assert!(one.complete() && two.complete(), "{one:?} {two:?}");
    assert_eq!(one.archived + two.archived, 30, "{one:?} {two:?}");
    home.check().await;
}

#[tokio::test]
async fn old_recordings_go_cold_and_are_marked_so() {
    let dir = tempfile::tempdir().unwrap();
    let home = Home::open_with(
        dir.path(),
        Arc::new(SystemClock),
        |s| s,
        |parts| {
            parts.settings.tiers = TierPolicy { cold_after_days: Some(365) };
        },
    )
    .await;
    home.voice("old", 1_000);
    let mut new = sidecar("new", 1_000);
    let now = holdfast_model::Clock::now(&SystemClock);
    new["start"] = json!((now - jiff::SignedDuration::from_secs(1)).to_string());
    new["end"] = json!(now.to_string());
    home.pair("new", "wav", &wav(1_000, 2), &new);
    assert_eq!(home.ingest().await.archived, 2);
    let tiers: BTreeMap<_, _> =
        home.rows().await.into_iter().map(|r| (r.record.recording_id, (r.tier, r.storage_class))).collect();
    assert_eq!(tiers["old"], (StorageTier::Cold, "local-cold".to_owned()));
    assert_eq!(tiers["new"].0, StorageTier::Hot);
    home.check().await;
    assert_eq!(home.ingest().await.already, 2);
}

#[tokio::test]
async fn a_clock_that_jumps_loses_and_doubles_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let clock = ManualClock::at("2026-05-01T12:00:00Z".parse().unwrap());
    let home = Home::open_with(dir.path(), Arc::new(clock.clone()), |s| s, |_| {}).await;
    home.voice("a", 1_000);
    home.ingest().await;
    clock.go_back(Duration::from_secs(86_400 * 400));
    home.voice("b", 1_000);
    assert_eq!(home.ingest().await.archived, 1);
    clock.advance(Duration::from_secs(86_400 * 4_000));
    home.voice("c", 1_000);
    let summary = home.ingest().await;
    assert_eq!((summary.archived, summary.already), (1, 2));
    home.check().await;
}

#[tokio::test]
async fn what_is_not_ready_waits_and_then_goes_in() {
    let dir = tempfile::tempdir().unwrap();
    let home = Home::open(dir.path()).await;
    fs::write(home.source().join("a.wav.part"), "x").unwrap();
    home.voice("b", 1_000);
    let summary = home.ingest().await;
    assert_eq!((summary.archived, summary.awaiting), (1, 1), "{summary:?}");
    assert_eq!(home.states().await[state::AWAITING], 1);
    fs::remove_file(home.source().join("a.wav.part")).unwrap();
    home.voice("a", 1_000);
    assert_eq!(home.ingest().await.archived, 1);
    home.check().await;
}

#[tokio::test]
async fn a_cancelled_run_goes_on_later() {
    let dir = tempfile::tempdir().unwrap();
    let home = Home::open(dir.path()).await;
    for i in 0..20 {
        home.voice(&format!("r{i}"), 500);
    }
    struct CancelAfter(Mutex<u32>, Cancel);
    impl ProgressSink for CancelAfter {
        fn report(&self, p: Progress) {
            assert!(p.total.is_none_or(|t| p.done <= t));
            let mut left = self.0.lock().unwrap();
            *left = left.saturating_sub(1);
            if *left == 0 {
                self.1.cancel();
            }
        }
    }
    let cancel = Cancel::default();
    let progress = Arc::new(CancelAfter(Mutex::new(8), cancel.clone()));
    let summary = home.archiver.ingest(home.connector(None), &agent(), progress, &cancel).await.unwrap();
    assert!(summary.cancelled && !summary.complete() && summary.archived < 20, "{summary:?}");
    let again = home.ingest().await;
    assert_eq!(again.archived + again.already, 20, "{again:?}");
    assert_eq!(again.archived + summary.archived, 20, "{again:?} {summary:?}");
    home.check().await;
}

#[tokio::test]
async fn residency_is_refused_before_the_first_byte() {
    let dir = tempfile::tempdir().unwrap();
    let home = Home::open_with(
        dir.path(),
        Arc::new(SystemClock),
        |s| s,
        |parts| {
            parts.settings.regions = Some(vec!["eu".into()]);
        },
    )
    .await;
    for region in ["eu", "us"] {
        let mut record = sidecar(region, 1_000);
        record["residency_region"] = json!(region);
        home.pair(region, "wav", &wav(1_000, 5), &record);
    }
    let summary = home.ingest().await;
    assert_eq!((summary.archived, summary.quarantined), (1, 1));
    let case = home.archiver.quarantine_list(5).await.unwrap().remove(0);
    assert_eq!((case.reason.as_str(), case.kept_at), ("residency_refused", None));
    assert!(home.keys("quarantine").await.is_empty());
    home.check().await;
}

#[tokio::test]
async fn runs_are_listed_and_everything_is_in_the_ledger() {
    let dir = tempfile::tempdir().unwrap();
    let home = Home::open(dir.path()).await;
    home.voice("a", 1_000);
    home.ingest().await;
    tokio::time::sleep(Duration::from_millis(3)).await; // ids of runs are told apart by the millisecond
    let second = home.ingest().await;
    let status = home.archiver.status(20).await.unwrap();
    assert_eq!((status.runs.len(), status.items[state::ARCHIVED]), (2, 1));
    assert_eq!(status.runs[0].summary, second);
    assert!(!status.runs[0].running);
    let phases: Vec<_> =
        home.entries().await.iter().filter(|e| e.event.action == Action::Accession).map(|e| e.event.phase).collect();
    assert_eq!(phases, [Phase::Intent, Phase::Outcome]);
    let text = format!("{:?}", home.entries().await);
    assert!(!text.contains("Ann"), "no names of people in the recording");
}

#[tokio::test]
async fn an_index_that_lost_a_row_gets_it_back_at_the_next_run() {
    let dir = tempfile::tempdir().unwrap();
    let home = Home::open(dir.path()).await;
    home.voice("a", 400);
    home.ingest().await;
    let (before, entries) = (home.rows().await, home.entries().await.len());
    home.parts.index.rebuild().await.unwrap().finish().await.unwrap();
    assert!(home.rows().await.is_empty());
    let summary = home.ingest().await;
    assert_eq!((summary.failed, home.rows().await), (0, before), "{summary:?}");
    assert_eq!(home.entries().await.len(), entries, "nothing was taken in a second time");
    home.check().await;
}
