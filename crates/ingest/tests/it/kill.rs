//! The process is stopped dead at every named step, and again while it recovers. The same with "done, but reported as failed".

use crate::support::{Home, agent, sidecar, wav};
use holdfast_ingest::{Decision, STEPS, state};
use holdfast_model::{Cancel, NoProgress};
use holdfast_testkit::{sampled, soaking};
use std::{os::unix::process::ExitStatusExt as _, path::Path, process::Command, sync::Arc};

const FOLDER: &str = "HOLDFAST_TEST_HOME";
const TASK: &str = "HOLDFAST_TEST_TASK";

/// Run by the tests below in a process of its own; by itself it takes in an empty folder.
#[tokio::test]
async fn child() {
    let own = tempfile::tempdir().unwrap();
    let root = std::env::var_os(FOLDER).map_or(own.path().to_owned(), Into::into);
    let home = Home::open(&root).await;
    let cancel = Cancel::default();
    match std::env::var(TASK).as_deref() {
        Ok("resume") => {
            home.archiver.resume(&agent(), Arc::new(NoProgress), &cancel).await.unwrap();
        }
        Ok("accept") => {
            let id = home.archiver.quarantine_list(1).await.unwrap().first().map(|c| c.id.clone());
            if let Some(id) = id {
                let quiet = Arc::new(NoProgress);
                // A run that is broken off by a test's fault says so; the next one goes on.
                let _ = home.archiver.quarantine_resolve(&id, Decision::Accept, "test", &agent(), quiet, &cancel).await;
            }
        }
        _ => {
            let _ = home.try_ingest().await; // as above
        }
    }
}

fn run(root: &Path, task: &str, variable: &str, value: &str) -> bool {
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "kill::child", "--test-threads=1", "--quiet"])
        .env(FOLDER, root)
        .env(TASK, task)
        .env(variable, value)
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .status()
        .unwrap();
    status.signal() == Some(9)
}

fn fill(home: &Home) {
    home.voice("a", 400);
    home.voice("b", 400);
    let mut cut = wav(9_000, 1);
    cut.truncate(cut.len() / 2);
    home.pair("cut", "wav", &cut, &sidecar("cut", 9_000));
    std::fs::write(home.source().join("lonely.wav"), "x").unwrap();
}

async fn whole(root: &Path, what: &str) {
    let home = Home::open(root).await;
    let summary = home.ingest().await;
    assert_eq!((summary.archived + summary.already, summary.quarantined), (2, 2), "{what}: {summary:?}");
    assert_eq!(home.rows().await.len(), 2, "{what}");
    assert_eq!(home.keys("media").await.len(), 2, "{what}");
    assert_eq!(home.keys("meta").await.len(), 6, "{what}");
    let states = home.states().await;
    assert_eq!((states[state::ARCHIVED], states[state::QUARANTINED], states.len()), (2, 2, 2), "{what}: {states:?}");
    let cases = home.keys("quarantine").await.iter().filter(|k| k.contains("/case-")).count();
    assert_eq!(cases, 2, "{what}");
    home.check().await;
}

/// Steps that a plain ingest comes by.
fn steps() -> impl Iterator<Item = &'static str> {
    STEPS.into_iter().filter(|s| *s != "ingest.resolved")
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_every_step_and_again_while_recovering() {
    for step in steps() {
        // Again at the same step, and a little further on; in a soak at any other step instead.
        for again in sampled(vec![step], steps().collect()) {
            let dir = tempfile::tempdir().unwrap();
            fill(&Home::open(dir.path()).await);
            assert!(run(dir.path(), "ingest", "HOLDFAST_KILL_AT", step), "{step} was never reached");
            run(dir.path(), "ingest", "HOLDFAST_KILL_AT", again);
            run(dir.path(), "ingest", "HOLDFAST_KILL_AT", &format!("{again}:2"));
            whole(dir.path(), &format!("{step}, then {again}")).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn done_but_reported_as_failed_at_every_step() {
    for step in steps() {
        let dir = tempfile::tempdir().unwrap();
        fill(&Home::open(dir.path()).await);
        for nth in 1..=sampled(2, 8) {
            run(dir.path(), "ingest", "HOLDFAST_FAIL_AFTER", &format!("{step}:{nth}"));
        }
        whole(dir.path(), step).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_in_the_ledger_below() {
    for step in ["ledger.staged", "ledger.head_swapped"] {
        // The first two, in a soak as often as the step comes.
        for nth in 1..=sampled(2, 100) {
            let dir = tempfile::tempdir().unwrap();
            fill(&Home::open(dir.path()).await);
            let at = format!("{step}:{nth}");
            if !run(dir.path(), "ingest", "HOLDFAST_KILL_AT", &at) {
                assert!(nth > 2, "{at} was never reached");
                break;
            }
            run(dir.path(), "ingest", "HOLDFAST_KILL_AT", step);
            run(dir.path(), "ingest", "HOLDFAST_FAIL_AFTER", "ledger.committed");
            whole(dir.path(), &at).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_was_broken_off_is_resumed_under_its_own_id() {
    let sample = ["ingest.run_started", "ingest.stored", "ingest.outcome", "ingest.archived"];
    // A run that is recorded as ended is not resumed.
    let others = steps().filter(|s| soaking() && *s != "ingest.run_ended" && !sample.contains(s));
    for step in sample.into_iter().chain(others) {
        let dir = tempfile::tempdir().unwrap();
        fill(&Home::open(dir.path()).await);
        assert!(run(dir.path(), "ingest", "HOLDFAST_KILL_AT", step));
        let home = Home::open(dir.path()).await;
        let begun = home.archiver.status(5).await.unwrap().runs;
        assert!(begun.len() == 1 && !begun[0].running && begun[0].summary.ended_at.is_none(), "{step}: {begun:?}");
        run(dir.path(), "resume", "HOLDFAST_KILL_AT", step);
        let resumed = home.archiver.resume(&agent(), Arc::new(NoProgress), &Cancel::default()).await.unwrap();
        let runs = home.archiver.status(5).await.unwrap().runs;
        assert_eq!(runs.len(), 1, "{step}");
        assert_eq!(runs[0].summary.run_id, begun[0].summary.run_id);
        // Where the child got to its end, there was nothing left to be resumed.
        let summary = &runs[0].summary;
        assert!(resumed.len() <= 1 && summary.complete(), "{step}: {summary:?}");
        assert_eq!((summary.archived, summary.quarantined), (2, 2), "{step}: {summary:?}");
        whole(dir.path(), step).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn altered_between_the_kill_and_the_next_run() {
    for step in STEPS.into_iter().filter(|s| !["ingest.resolved", "ingest.kept"].contains(s)) {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::open(dir.path()).await;
        home.voice("a", 400);
        drop(home);
        assert!(run(dir.path(), "ingest", "HOLDFAST_KILL_AT", step), "{step} was not come by");
        let home = Home::open(dir.path()).await;
        home.pair("a", "wav", &wav(400, 77), &sidecar("a", 400));
        let summary = home.ingest().await;
        let rows = home.rows().await;
        let stored = home.keys("media").await.len();
        assert_eq!(stored, 1, "{step}: nothing was replaced or doubled");
        if summary.archived == 1 {
            // The first bytes were not stored yet: the new ones are the recording.
            assert_eq!((rows.len(), summary.quarantined), (1, 0), "{step}");
        } else {
            assert_eq!(summary.quarantined, 1, "{step}: {summary:?}");
            assert_eq!(home.archiver.quarantine_list(5).await.unwrap()[0].reason, "conflict", "{step}");
            // What was described already is concluded; what was only stored is kept without being called archived.
            let described = home.keys("meta").await.iter().any(|k| k.starts_with("manifests/"));
            assert_eq!(rows.len(), usize::from(described), "{step}");
        }
        home.check().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_while_a_decision_takes_effect() {
    let sample = ["ingest.resolved", "ingest.run_started", "ingest.intended", "ingest.stored", "ingest.outcome"];
    for step in sample.into_iter().chain(steps().filter(|s| soaking() && !sample.contains(s))) {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::open(dir.path()).await;
        let mut cut = wav(9_000, 1);
        cut.truncate(cut.len() / 2);
        home.pair("cut", "wav", &cut, &sidecar("cut", 9_000));
        assert_eq!(home.ingest().await.quarantined, 1);
        drop(home);
        let reached = run(dir.path(), "accept", "HOLDFAST_KILL_AT", step);
        assert!(reached || !sample.contains(&step), "{step} was never reached");
        // Decided again where it did not take effect, taken up again where it did.
        run(dir.path(), "accept", "HOLDFAST_KILL_AT", "never");
        run(dir.path(), "resume", "HOLDFAST_KILL_AT", "never");
        let home = Home::open(dir.path()).await;
        home.ingest().await;
        assert_eq!(home.rows().await.len(), 1, "{step}: {:?}", home.states().await);
        assert_eq!(home.states().await[state::ARCHIVED], 1, "{step}");
        home.check().await;
    }
}
