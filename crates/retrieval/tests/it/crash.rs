//! Processes that die, or are lied to, at every step of the whole journey, and again while they recover; and processes that
//! drive the same matter at once.

use crate::world::{World, bytes, dawn, new_matter};
use holdfast_ledger::{Action, Phase};
use holdfast_model::{ArchiveId, Cancel, MatterId, NoProgress};
use holdfast_retrieval::{ExportRequest, JobState, NewMatter, PlanRequest, RetrievalError};
use holdfast_testkit::{ManualClock, Sample, sampled};
use holdfast_verify::Outcome;
use jiff::SignedDuration;
use std::{
    os::unix::process::ExitStatusExt as _,
    path::Path,
    process::{Command, Output, Stdio},
    time::{Duration, Instant},
};

/// Every step of the journey, in the order in which it comes by them.
const STEPS: [&str; 33] = [
    "retrieval.matter_noted",
    "retrieval.change_noted",
    "retrieval.hold_intended",
    "retrieval.hold_set",
    "retrieval.change_recorded",
    "retrieval.plan_noted",
    "retrieval.plan_recorded",
    "retrieval.approval_noted",
    "retrieval.approval_recorded",
    "retrieval.jobs_approved",
    "retrieval.claimed",
    "retrieval.rehydration_announced",
    "retrieval.rehydration_intended",
    "retrieval.rehydration_requested",
    "retrieval.rehydration_recorded",
    "retrieval.download_announced",
    "retrieval.download_intended",
    "retrieval.block_written",
    "retrieval.downloaded",
    "retrieval.download_recorded",
    "retrieval.verification_announced",
    "retrieval.verification_intended",
    "retrieval.verified",
    "retrieval.placed",
    "retrieval.verification_recorded",
    "retrieval.copy_intended",
    "retrieval.copied",
    "retrieval.export_intended",
    "retrieval.exhibit_packed",
    "retrieval.export_written",
    "retrieval.export_verified",
    "retrieval.export_recorded",
    "ledger.head_swapped",
];

/// Cold recordings and hot ones in the matter.
const COLD: u32 = 2;
const HOT: u32 = 1;

fn child(role: &str, root: &Path, minute: i64, environment: &[(&str, &str)]) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "crash::works_when_it_is_the_child", "--nocapture", "--test-threads=1"]);
    command.env("HOLDFAST_DESK_CHILD", role).env("HOLDFAST_DESK_ROOT", root);
    command.env("HOLDFAST_DESK_MINUTE", minute.to_string());
    command.env_remove("HOLDFAST_KILL_AT").env_remove("HOLDFAST_FAIL_AFTER").envs(environment.iter().copied());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

#[test]
fn works_when_it_is_the_child() {
    // In the parent's own run there is no role, and nothing to do.
    let Ok(role) = std::env::var("HOLDFAST_DESK_CHILD") else { return };
    let root = std::env::var("HOLDFAST_DESK_ROOT").unwrap();
    let minute: i64 = std::env::var("HOLDFAST_DESK_MINUTE").unwrap().parse().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let clock = ManualClock::at(dawn() + SignedDuration::from_mins(minute));
        match role.as_str() {
            "journey" => journey(Path::new(&root), clock).await,
            "race" => race(Path::new(&root), clock).await,
            "fill" => fill(Path::new(&root), clock).await,
            "verify" => verify(Path::new(&root), clock).await,
            other => panic!("no such role: {other}"),
        }
    });
}

/// From nothing to a package; whatever was done before is gone on with. A person tries again when told to.
async fn journey(root: &Path, clock: ManualClock) {
    let w = World::at(root, clock).await;
    for _ in 0..40 {
        match go(&w).await {
            Ok(()) => return,
            Err(e) => {
                println!("again: {e}");
                w.clock.advance(Duration::from_secs(90));
            }
        }
    }
    panic!("it does not end");
}

async fn go(w: &World) -> Result<(), RetrievalError> {
    // As a window does when it opens: whatever was begun is ended first.
    w.desk.drive(None, &NoProgress, &Cancel::default()).await?;
    let mut ids: Vec<ArchiveId> = w.index.scan(None, 100).await?.into_iter().map(|r| r.archive_id).collect();
    ids.sort();
    let new = NewMatter { idempotency: Some("form-1".into()), ..new_matter("Doe v. Acme") };
    let matter = w.desk.create_matter(new, &w.me).await?;
    w.desk.add_items(&matter, &ids, &w.me).await?;
    if w.desk.matter(&matter).await?.hold.is_none() {
        w.desk.hold(&matter, "litigation", &w.me).await?;
    }
    let deadline = Some(w.now() + SignedDuration::from_hours(1));
    if w.desk.newest_plan(&matter).await?.is_none() {
        w.desk.make_plan(&matter, PlanRequest { deadline, ..PlanRequest::default() }, &w.me).await?;
    }
    w.desk.start(&matter, None, None, Some(w.root.join("copies")), &w.me).await?;
    loop {
        let summary = w.desk.drive(Some(&matter), &NoProgress, &Cancel::default()).await?;
        let Some(due) = summary.next_due else { break };
        w.clock.set(due.max(w.now()));
    }
    if w.desk.exports(&matter).await?.is_empty() {
        let request = ExportRequest { to: Some(w.root.join("out")), partial: false };
        w.desk.export(&matter, request, &w.me, &NoProgress, &Cancel::default()).await?;
    }
    Ok(())
}

fn run(role: &str, root: &Path, minute: i64, environment: &[(&str, &str)]) -> Output {
    child(role, root, minute, environment).output().unwrap()
}

fn assert_well(output: &Output) {
    let text = |b: &[u8]| String::from_utf8_lossy(b).into_owned();
    assert!(output.status.success(), "{}\n{}", text(&output.stdout), text(&output.stderr));
}

async fn archive(root: &Path) {
    let w = World::at(root, ManualClock::at(dawn())).await;
    w.cold(COLD).await;
    for n in 0..HOT {
        w.archive(Sample::new(100 + n, bytes(100 + n)).hot()).await;
    }
}

/// Everything is there once, and the ledger says so once.
async fn assert_done(root: &Path, told: &str) {
    let w = World::at(root, ManualClock::at(dawn() + SignedDuration::from_hours(20))).await;
    let matters = w.desk.matters().await.unwrap();
    assert_eq!(matters.len(), 1, "{told}");
    let matter = &matters[0];
    let numbers: Vec<&str> = matter.items.iter().map(|i| i.exhibit.as_str()).collect();
    assert_eq!(numbers, ["HF-0001", "HF-0002", "HF-0003"], "{told}");
    for item in &matter.items {
        let id = &item.archive_id;
        let job = w.job(&matter.matter_id, id).await;
        assert_eq!(job.state, JobState::Verified, "{told}: {job:#?}");
        let row = w.index.get(id).await.unwrap().unwrap();
        assert_eq!(holdfast_model::Sha256Digest::of(&std::fs::read(job.path.unwrap()).unwrap()), row.fixity.digest);
        assert!(w.store.reader.head(&row.locator).await.unwrap().legal_hold, "{told}");
        let cold = usize::from(row.tier.needs_rehydration());
        for (action, times) in [(Action::LegalHold, 1), (Action::Rehydration, cold), (Action::Download, 1)] {
            assert_eq!(w.count(id, action, Phase::Intent).await, times, "{told}: {action:?} of {id}");
            assert_eq!(w.succeeded(id, action).await, times, "{told}: {action:?} of {id}");
        }
        assert_eq!(w.succeeded(id, Action::Verification).await, 1, "{told}");
        assert_eq!(w.count(id, Action::MatterItems, Phase::Fact).await, 1, "{told}");
        assert_eq!(w.count(id, Action::Export, Phase::Fact).await, 1, "{told}");
    }
    let exports = w.desk.exports(&matter.matter_id).await.unwrap();
    assert_eq!(exports.len(), 1, "{told}");
    assert_eq!(exports[0].report.as_ref().unwrap().outcome, Outcome::Verified, "{told}");
    let out: Vec<_> = std::fs::read_dir(w.root.join("out")).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(out, ["M-2026-0001_evidence"], "{told}");
    w.assert_ledger().await;
}

/// Every `of`-th step from `first` on, so that the test threads share the work. The recovery is killed twice: at the same
/// step, and at the second one after it, in a soak at every step.
async fn killed_at(first: usize, of: usize) {
    let mut reached = 0;
    for (n, step) in STEPS.iter().enumerate().filter(|(n, _)| n % of == first) {
        let later = [STEPS[(n + 2) % STEPS.len()]];
        for again in sampled(&later[..], &STEPS[..]) {
            reached += killed_thrice(step, again).await;
        }
    }
    assert!(reached > 0, "some recoveries were killed too");
}

/// Kills at `step`, there again, and at `again`; how many of the two later kills were reached.
async fn killed_thrice(step: &str, again: &str) -> usize {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    archive(root).await;
    let killed = run("journey", root, 1, &[("HOLDFAST_KILL_AT", step)]);
    assert_eq!(killed.status.signal(), Some(9), "{step} was not reached: {}", String::from_utf8_lossy(&killed.stdout));
    let mut reached = 0;
    for (minute, at) in [(10, step), (20, again)] {
        let recovery = run("journey", root, minute, &[("HOLDFAST_KILL_AT", at)]);
        reached += usize::from(recovery.status.signal() == Some(9));
    }
    assert_well(&run("journey", root, 40, &[]));
    assert_done(root, &format!("{step}, then {again}")).await;
    reached
}

#[tokio::test]
async fn killed_at_every_step_and_again_while_recovering_1() {
    killed_at(0, 3).await;
}

#[tokio::test]
async fn killed_at_every_step_and_again_while_recovering_2() {
    killed_at(1, 3).await;
}

#[tokio::test]
async fn killed_at_every_step_and_again_while_recovering_3() {
    killed_at(2, 3).await;
}

#[tokio::test]
async fn done_but_reported_as_failed_at_every_step() {
    let steps = STEPS.iter().filter(|s| **s != "ledger.head_swapped");
    for step in steps.chain(&["retrieval.rehydration_asked", "ledger.committed"]) {
        let folder = tempfile::tempdir().unwrap();
        archive(folder.path()).await;
        // The second time too, so that a repetition that is lied to is repeated.
        for (minute, nth) in [(1, "1"), (15, "2")] {
            let told = format!("{step}:{nth}");
            assert_well(&run("journey", folder.path(), minute, &[("HOLDFAST_FAIL_AFTER", &told)]));
        }
        assert_done(folder.path(), step).await;
    }
}

/// Drives until nothing is left, with a clock that goes with real time.
async fn race(root: &Path, clock: ManualClock) {
    let begun = Instant::now();
    let start = dawn() + SignedDuration::from_mins(5);
    let w = World::at(root, clock.clone()).await;
    let ticking = clock.clone();
    std::thread::spawn(move || {
        loop {
            let gone = SignedDuration::try_from(begun.elapsed()).unwrap();
            // A minute of the store passes in a second.
            ticking.set(start + gone * 60);
            std::thread::sleep(Duration::from_millis(2));
        }
    });
    loop {
        let summary = w.desk.drive(None, &NoProgress, &Cancel::default()).await.unwrap();
        println!("worked on {}", summary.worked_on);
        if summary.active() == 0 {
            return;
        }
        assert!(begun.elapsed() < Duration::from_secs(120), "{summary:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn processes_that_drive_the_same_matter_do_nothing_twice() {
    let folder = tempfile::tempdir().unwrap();
    let (matter, ids) = {
        let w = World::at(folder.path(), ManualClock::at(dawn())).await;
        let ids = w.cold(12).await;
        let matter: MatterId = w.matter_of(&ids).await;
        w.begin(&matter).await;
        (matter, ids)
    };
    let children: Vec<_> = (0..3).map(|_| child("race", folder.path(), 5, &[]).spawn().unwrap()).collect();
    for child in children {
        assert_well(&child.wait_with_output().unwrap());
    }
    let w = World::at(folder.path(), ManualClock::at(dawn() + SignedDuration::from_hours(2))).await;
    assert_eq!(w.states(&matter).await, [JobState::Verified; 12]);
    for id in &ids {
        for action in [Action::Rehydration, Action::Download, Action::Verification] {
            assert_eq!(w.count(id, action, Phase::Intent).await, 1, "{action:?}");
        }
    }
    w.assert_ledger().await;
}

/// Verifies the archive's first recording.
async fn verify(root: &Path, clock: ManualClock) {
    let w = World::at(root, clock).await;
    let id = w.index.scan(None, 1).await.unwrap().remove(0).archive_id;
    w.desk.verify_archived(&id, &w.me, &NoProgress, &Cancel::default()).await.unwrap();
}

#[tokio::test]
async fn a_verification_that_was_cut_off_is_concluded_by_the_next_process() {
    let folder = tempfile::tempdir().unwrap();
    let id = {
        let w = World::at(folder.path(), ManualClock::at(dawn())).await;
        w.archive(Sample::new(1, bytes(1)).hot()).await
    };
    let step = ("HOLDFAST_KILL_AT", "retrieval.archived_verification_intended");
    let killed = run("verify", folder.path(), 1, &[step]);
    assert_eq!(killed.status.signal(), Some(9));
    let w = World::at(folder.path(), ManualClock::at(dawn() + SignedDuration::from_mins(2))).await;
    assert_eq!(w.ledger.open_intents().await.unwrap().len(), 1);
    // Another desk can't know whether it goes on; one's own verifications that go on are left alone.
    w.another_desk("desk-2", |_| {}).drive(None, &NoProgress, &Cancel::default()).await.unwrap();
    assert_eq!(w.ledger.open_intents().await.unwrap().len(), 1);
    w.drive().await;
    w.assert_ledger().await;
    let end = w.entries(&id).await.pop().unwrap();
    assert_eq!((end.event.phase, end.event.code.as_deref()), (Phase::Outcome, Some("retrieval.interrupted")));
    w.desk.verify_archived(&id, &w.me, &NoProgress, &Cancel::default()).await.unwrap();
    w.assert_ledger().await;
}

/// Downloads under a limit on the size of files.
async fn fill(root: &Path, clock: ManualClock) {
    let w = World::at(root, clock).await;
    let matter: MatterId = "M-2026-0001".parse().unwrap();
    w.desk.drive(Some(&matter), &NoProgress, &Cancel::default()).await.unwrap();
    for job in w.desk.jobs(Some(&matter), true).await.unwrap() {
        println!("child: {} {}", job.state.as_str(), job.job.problem.map(|p| p.code).unwrap_or_default());
    }
}

#[tokio::test]
async fn a_full_disk_stops_the_download_and_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let matter = {
        let w = World::at(folder.path(), ManualClock::at(dawn())).await;
        let big: Vec<u8> = (0..96u32 << 20).map(|i| (i >> 9) as u8).collect();
        let id = w.archive(Sample::new(1, big).hot()).await;
        let matter = w.matter_of(&[id]).await;
        w.desk.start(&matter, None, None, None, &w.me).await.unwrap();
        matter
    };
    // No file over 80 MiB may be written by the child; the signal that says so is ignored, so that the write fails.
    let inner = child("fill", folder.path(), 1, &[]);
    let mut limited = Command::new("sh");
    limited.args(["-c", "trap '' XFSZ; ulimit -f 163840; exec \"$0\" \"$@\""]);
    limited.arg(inner.get_program()).args(inner.get_args());
    limited.envs(inner.get_envs().filter_map(|(k, v)| Some((k, v?))));
    let output = limited.output().unwrap();
    assert_well(&output);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.contains("child: available retrieval.full"), "{said}");

    let w = World::at(folder.path(), ManualClock::at(dawn() + SignedDuration::from_hours(1))).await;
    w.drive_to_the_end().await;
    assert_eq!(w.states(&matter).await, [JobState::Verified]);
    let id = w.desk.matter(&matter).await.unwrap().items[0].archive_id.clone();
    assert_eq!(w.count(&id, Action::Download, Phase::Intent).await, 1);
    assert_eq!(w.faults.calls(holdfast_testkit::StoreCall::Read), (96 - 64) * 16 + 2, "64 MiB were there already");
    w.assert_ledger().await;
}
