//! Processes that die or are lied to at every step, and processes that write at once.

use crate::support::{assert_intact, draft, open};
use holdfast_ledger::Ledger;
use holdfast_testkit::soaking;
use std::{
    collections::BTreeMap,
    path::Path,
    process::{Command, Output, Stdio},
};

/// Every step of an append, in the order in which it comes by them.
const STEPS: [&str; 6] = [
    "ledger.staged",
    "ledger.head_swapped",
    "ledger.tiles_written",
    "ledger.tiles_told",
    "ledger.partial_tiles_written",
    "ledger.checkpoint_published",
];

/// What a child process appends: a batch, then single entries over the edge of a tile.
const BATCH: u64 = 250;
const LAST: u64 = 262;

/// This test as another process: appends to `folder` and prints what was acknowledged.
fn child(folder: &Path, first: u64, environment: &[(&str, &str)]) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "crash::appends_in_a_process_of_its_own", "--nocapture"]);
    command.env("LEDGER_CHILD", folder).env("LEDGER_CHILD_FIRST", first.to_string());
    command.env_remove("HOLDFAST_KILL_AT").env_remove("HOLDFAST_FAIL_AFTER");
    command.envs(environment.iter().copied()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn printed(output: &Output, what: &str) -> Vec<u64> {
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().filter_map(|line| line.split_once(what)?.1.trim().parse().ok()).collect()
}

async fn append_and_tell(ledger: &Ledger, numbers: std::ops::RangeInclusive<u64>) {
    // As every caller does: the same drafts with the same tokens again, until they are acknowledged.
    let drafts: Vec<_> = numbers.clone().map(draft).collect();
    while let Err(error) = ledger.append(drafts.clone()).await {
        println!("failed {}", numbers.start());
        assert!(error.to_string().contains("interrupted"), "{error}");
    }
    numbers.for_each(|n| println!("acknowledged {n}"));
}

#[tokio::test]
async fn appends_in_a_process_of_its_own() {
    if let Some(folder) = std::env::var_os("LEDGER_CHILD") {
        let first: u64 = std::env::var("LEDGER_CHILD_FIRST").unwrap().parse().unwrap();
        let ledger = open(Path::new(&folder)).await;
        append_and_tell(&ledger, first..=first + BATCH).await;
        for n in first + BATCH + 1..=first + LAST {
            append_and_tell(&ledger, n..=n).await;
        }
        ledger.publish().await.unwrap();
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let output = child(dir.path(), 1, &[]).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(printed(&output, "acknowledged "), (1..=1 + LAST).collect::<Vec<_>>());
    check(dir.path(), &[1]).await;
}

/// One chain, with everything in it that each child appends, once.
async fn check(folder: &Path, firsts: &[u64]) {
    let ledger = open(folder).await;
    assert_intact(&ledger).await;
    let mut tokens: BTreeMap<String, u32> = BTreeMap::new();
    for entry in ledger.entries(0, usize::MAX).await.unwrap() {
        *tokens.entry(entry.event.idempotency.unwrap()).or_default() += 1;
    }
    let mut expected: BTreeMap<String, u32> = [("ledger-created".to_owned(), 1)].into();
    expected.extend(firsts.iter().flat_map(|first| *first..=first + LAST).map(|n| (format!("t:{n}"), 1)));
    assert_eq!(tokens, expected);
    for n in [0, 255, 256, ledger.size().await.unwrap() - 1] {
        ledger.inclusion(n).await.unwrap();
    }
}

async fn acknowledged_stands(folder: &Path, outputs: &[Output]) {
    let ledger = open(folder).await;
    assert_intact(&ledger).await;
    for n in outputs.iter().flat_map(|o| printed(o, "acknowledged ")) {
        assert!(
            ledger.entry_with_token(&format!("t:{n}")).await.unwrap().is_some(),
            "{n} was acknowledged and is lost"
        );
    }
}

/// Kills a process the nth time it is at `step`, the next one at each step in `recovery`, then lets a third finish. False where
/// the process is not at the step so often.
async fn killed_at(step: &str, nth: u32, recovery: &[&str]) -> bool {
    for again in recovery {
        let dir = tempfile::tempdir().unwrap();
        let kill = format!("{step}:{nth}");
        let first = child(dir.path(), 1, &[("HOLDFAST_KILL_AT", &kill)]).output().unwrap();
        if first.status.success() {
            return false;
        }
        let second = child(dir.path(), 1, &[("HOLDFAST_KILL_AT", again)]).output().unwrap();
        acknowledged_stands(dir.path(), &[first, second]).await;
        let third = child(dir.path(), 1, &[]).output().unwrap();
        assert!(third.status.success(), "{third:?}");
        check(dir.path(), &[1]).await;
    }
    true
}

/// Kills at each occurrence of `step` in `sample`, with its recoveries. In a soak at every occurrence, with every recovery.
async fn killed_at_each(step: &str, sample: &[(u32, &[&str])]) {
    for (nth, recovery) in sample {
        assert!(killed_at(step, *nth, recovery).await, "{step}:{nth} was never reached");
    }
    let mut nth = 1;
    while soaking() && killed_at(step, nth, &STEPS).await {
        nth += 1;
    }
}

#[tokio::test]
async fn killed_when_staged() {
    // The first is the ledger's own entry.
    killed_at_each("ledger.staged", &[(1, &STEPS[..1]), (2, &STEPS), (7, &STEPS[..1])]).await;
}

#[tokio::test]
async fn killed_when_swapped() {
    killed_at_each("ledger.head_swapped", &[(1, &STEPS[..1]), (2, &STEPS), (7, &STEPS[1..2])]).await;
}

#[tokio::test]
async fn killed_when_tiles_are_written() {
    killed_at_each("ledger.tiles_written", &[(1, &STEPS)]).await;
    killed_at_each("ledger.tiles_told", &[(1, &STEPS)]).await;
}

#[tokio::test]
async fn killed_when_publishing() {
    killed_at_each("ledger.partial_tiles_written", &[(1, &STEPS[..1]), (2, &STEPS)]).await;
    killed_at_each("ledger.checkpoint_published", &[(1, &STEPS[..1]), (2, &STEPS)]).await;
}

#[tokio::test]
async fn done_but_reported_as_failed() {
    // The first append is the ledger's own entry, made when it is opened.
    let each_append = [("ledger.committed", 0), ("ledger.staged", 1), ("ledger.head_swapped", 1)];
    let every = (2..=2 + LAST - BATCH).flat_map(|nth| each_append.map(|(step, failures)| (step, nth, failures)));
    let sample = [
        // Reported by the database, and found out by reading: the caller never sees it.
        ("ledger.committed", 2, 0),
        ("ledger.committed", 9, 0),
        ("ledger.staged", 2, 1),
        ("ledger.staged", 9, 1),
        ("ledger.head_swapped", 2, 1),
        ("ledger.head_swapped", 9, 1),
        ("ledger.tiles_written", 1, 1),
        ("ledger.tiles_told", 1, 1),
        ("ledger.partial_tiles_written", 2, 1),
        ("ledger.checkpoint_published", 2, 1),
    ];
    for (step, nth, failures) in sample.into_iter().chain(every.filter(|_| soaking())) {
        let dir = tempfile::tempdir().unwrap();
        let fail = format!("{step}:{nth}");
        let output = child(dir.path(), 1, &[("HOLDFAST_FAIL_AFTER", &fail)]).output().unwrap();
        assert!(output.status.success(), "{fail}: {output:?}");
        assert_eq!(printed(&output, "failed ").len(), failures, "{fail}: {output:?}");
        check(dir.path(), &[1]).await;
    }
}

#[tokio::test]
async fn many_processes_make_one_chain() {
    let dir = tempfile::tempdir().unwrap();
    let firsts: Vec<u64> = (0..6).map(|n| 1 + 10_000 * n).collect();
    // None of them waits for another, not even for the ledger to be made.
    let children: Vec<_> = firsts.iter().map(|first| child(dir.path(), *first, &[]).spawn().unwrap()).collect();
    for process in children {
        let output = process.wait_with_output().unwrap();
        assert!(output.status.success(), "{output:?}");
        assert_eq!(printed(&output, "acknowledged ").len() as u64, LAST + 1);
    }
    check(dir.path(), &firsts).await;
}

#[tokio::test]
async fn processes_that_die_among_others_harm_none() {
    let dir = tempfile::tempdir().unwrap();
    let firsts: Vec<u64> = (0..STEPS.len() as u64).map(|n| 1 + 10_000 * n).collect();
    let spawn =
        |(first, step): (&u64, &&str)| child(dir.path(), *first, &[("HOLDFAST_KILL_AT", step)]).spawn().unwrap();
    let dying: Vec<_> = firsts.iter().zip(&STEPS).map(spawn).collect();
    let outputs: Vec<_> = dying.into_iter().map(|process| process.wait_with_output().unwrap()).collect();
    acknowledged_stands(dir.path(), &outputs).await;
    let finishing: Vec<_> = firsts.iter().map(|first| child(dir.path(), *first, &[]).spawn().unwrap()).collect();
    for process in finishing {
        let output = process.wait_with_output().unwrap();
        assert!(output.status.success(), "{output:?}");
    }
    check(dir.path(), &firsts).await;
}
