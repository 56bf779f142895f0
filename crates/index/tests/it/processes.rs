//! Several processes on one file, and the sudden end of one. This executable starts itself again, with the name of a part to
//! play in its environment.

use holdfast_index::{
    Claim, ListWork, Query, RecordingIndex, SqliteIndex, SqliteWork, UpdateOutcome, Work, WorkKind, WorkStore,
};
use holdfast_model::{SystemClock, step};
use holdfast_testkit::{index_suite::RowMaker, soaking};
use std::{
    collections::BTreeSet,
    path::Path,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

const PART: &str = "HOLDFAST_INDEX_TEST_PART";

/// Starts this executable in a part, on the files in `dir`.
fn play(part: &str, dir: &Path, kill_at: Option<&str>) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "processes::plays_a_part_when_asked", "--nocapture"]);
    command.env(PART, format!("{part}:{}", dir.display())).stdout(Stdio::null());
    match kill_at {
        Some(name) => command.env("HOLDFAST_KILL_AT", name),
        None => command.env_remove("HOLDFAST_KILL_AT"),
    };
    command.spawn().unwrap()
}

/// Does nothing unless it was started by another test.
#[tokio::test]
async fn plays_a_part_when_asked() {
    let Ok(part) = std::env::var(PART) else { return };
    let (part, dir) = part.split_once(':').unwrap();
    let dir = Path::new(dir);
    let number = |s: &str| s.parse::<u32>().unwrap();
    match part.split_once('-').unwrap_or((part, "0")) {
        ("open", _) => drop((open(dir).await, open_work(dir).await)),
        ("insert", n) => insert_some(&open(dir).await, number(n)).await,
        ("rebuild", _) => rebuild(&open(dir).await, 3_000).await,
        ("work", n) => work_off(&open_work(dir).await, n).await,
        other => panic!("no part {other:?}"),
    }
}

async fn open(dir: &Path) -> SqliteIndex {
    SqliteIndex::open(dir.join("index.db")).await.unwrap()
}

async fn open_work(dir: &Path) -> SqliteWork {
    SqliteWork::open(dir.join("work.db"), Arc::new(SystemClock)).await.unwrap()
}

/// Every second number of 0..9000 and all of 9000..9600: two such processes overlap at the end.
async fn insert_some(index: &SqliteIndex, parity: u32) {
    let maker = RowMaker::new(1);
    let mine: Vec<u32> = (0..9_000).filter(|i| i % 2 == parity).chain(9_000..9_600).collect();
    for batch in mine.chunks(300) {
        index.insert_many(batch.iter().map(|i| maker.row(*i)).collect()).await.unwrap();
        step("test.inserted");
    }
}

async fn rebuild(index: &SqliteIndex, rows: u32) {
    let maker = RowMaker::new(1);
    let mut sink = index.rebuild().await.unwrap();
    for i in 0..rows {
        let (row, text) = maker.row(i);
        sink.push(row, text).await.unwrap();
    }
    sink.finish().await.unwrap();
}

async fn work_off(store: &SqliteWork, owner: &str) {
    loop {
        let claim =
            Claim { kind: WorkKind::Export, states: &["ready"], parent: None, owner, lease_ms: 600_000, limit: 5 };
        let mine = store.claim(claim).await.unwrap();
        if mine.is_empty() {
            return;
        }
        for work in mine {
            step("test.claimed");
            let done = Work { state: "done".into(), lease: None, doc: owner.into(), ..work };
            assert!(matches!(store.update(done).await.unwrap(), UpdateOutcome::Updated(_)));
        }
    }
}

/// Total, facets, pages and scan agree with each other: no half of a transaction is to be seen.
async fn assert_consistent(index: &SqliteIndex) -> u64 {
    let count = index.count().await.unwrap();
    let facets = index.facets(&Query::default()).await.unwrap();
    assert_eq!(facets.media.iter().map(|(_, n)| n).sum::<u64>(), count);
    let ids: BTreeSet<_> = index.scan(None, usize::MAX).await.unwrap().into_iter().map(|r| r.archive_id).collect();
    assert_eq!(ids.len() as u64, count);
    let mut q = Query { limit: 1_000, ..Query::default() };
    let mut paged = BTreeSet::new();
    loop {
        let page = index.search(&q).await.unwrap();
        assert_eq!(page.total, count);
        paged.extend(page.rows.into_iter().map(|r| r.archive_id));
        q.cursor = page.next;
        if q.cursor.is_none() {
            break;
        }
    }
    assert_eq!(paged, ids);
    count
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_processes_open_a_new_file_at_once() {
    for _ in 0..3 {
        let dir = tempfile::tempdir().unwrap();
        let children: Vec<Child> = (0..6).map(|_| play("open", dir.path(), None)).collect();
        for mut child in children {
            assert!(child.wait().unwrap().success());
        }
        assert_eq!(open(dir.path()).await.count().await.unwrap(), 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_insert_at_once_while_a_third_searches() {
    let dir = tempfile::tempdir().unwrap();
    let index = open(dir.path()).await;
    let mut children: Vec<Child> = (0..2).map(|n| play(&format!("insert-{n}"), dir.path(), None)).collect();
    let mut seen = 0;
    while children.iter_mut().any(|c| c.try_wait().unwrap().is_none()) {
        let now = index.search(&Query::default()).await.unwrap().total;
        assert!(now >= seen, "{now} after {seen}");
        seen = now;
    }
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    assert_eq!(assert_consistent(&index).await, 9_600);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_writer_that_is_killed_leaves_whole_transactions() {
    let dir = tempfile::tempdir().unwrap();
    let index = open(dir.path()).await;
    let mut least = 0;
    // During a transaction, and just after one; the 14th, with those before it, seals the tail. In a soak each of the 17.
    let sample = [("index.staged", 2), ("index.committed", 4), ("index.staged", 14), ("test.inserted", 14)];
    let every = (1..=17).flat_map(|nth| ["index.staged", "index.committed", "test.inserted"].map(|step| (step, nth)));
    let points: Vec<(&str, u64)> = if soaking() { every.collect() } else { sample.to_vec() };
    for (step, nth) in points {
        let kill_at = format!("{step}:{nth}");
        let mut child = play("insert-0", dir.path(), Some(&kill_at));
        assert!(!child.wait().unwrap().success(), "{kill_at} was not reached");
        let count = assert_consistent(&index).await;
        let batches = if step == "index.staged" { nth - 1 } else { nth };
        assert!(count == batches * 300 && count >= least, "{count} rows after {kill_at}");
        least = count;
    }
    assert!(play("insert-0", dir.path(), None).wait().unwrap().success());
    assert!(play("insert-1", dir.path(), None).wait().unwrap().success());
    assert_eq!(assert_consistent(&index).await, 9_600);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rebuild_that_is_killed_changes_nothing_or_everything() {
    let dir = tempfile::tempdir().unwrap();
    let index = open(dir.path()).await;
    let maker = RowMaker::new(1);
    index.insert_many((0..5_000).map(|i| maker.row(i)).collect()).await.unwrap();
    for (kill_at, rows) in [
        ("index.staged:1", 5_000),
        ("index.rebuild.batch:1", 5_000),
        ("index.staged:3", 5_000),
        ("index.rebuild.swapped:1", 3_000),
    ] {
        let mut child = play("rebuild", dir.path(), Some(kill_at));
        assert!(!child.wait().unwrap().success(), "{kill_at} was not reached");
        assert_eq!(assert_consistent(&index).await, rows, "after {kill_at}");
        // What the dead rebuild left does not hinder inserts.
        let (row, text) = maker.row(2_999);
        index.insert(&row, text.as_deref()).await.unwrap();
    }
    rebuild(&index, 4_000).await;
    assert_eq!(assert_consistent(&index).await, 4_000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processes_share_work_and_a_killed_one_loses_none() {
    let dir = tempfile::tempdir().unwrap();
    let store = open_work(dir.path()).await;
    let new = (0..120).map(|i| Work::new(WorkKind::Export, format!("e{i:03}"), "ready", serde_json::Value::Null));
    store.create_many(new.collect()).await.unwrap();
    assert!(!play("work-killed", dir.path(), Some("test.claimed:8")).wait().unwrap().success());
    let children: Vec<Child> = (0..3).map(|n| play(&format!("work-w{n}"), dir.path(), None)).collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    let list = ListWork { kind: WorkKind::Export, parent: None, states: &["ready"], after: None, limit: 999 };
    // The killed one had done seven of its ten; its lease on the others has not lapsed.
    let left = store.list(list).await.unwrap();
    assert_eq!(left.len(), 3);
    assert!(left.iter().all(|w| w.lease.as_ref().is_some_and(|l| l.owner == "killed")));
    let done = store.list(ListWork { states: &["done"], ..list }).await.unwrap();
    assert_eq!(done.iter().filter(|w| w.doc == "killed").count(), 7);
    assert!(done.iter().all(|w| w.rev == 3), "each was claimed and finished once");
}

/// A reader never waits for a writer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_write_does_not_keep_readers_waiting() {
    let dir = tempfile::tempdir().unwrap();
    let index = open(dir.path()).await;
    let lock = rusqlite::Connection::open(dir.path().join("index.db")).unwrap();
    lock.execute_batch("BEGIN IMMEDIATE").unwrap();
    let begun = Instant::now();
    assert_eq!(index.search(&Query::default()).await.unwrap().total, 0);
    assert!(begun.elapsed() < Duration::from_secs(10), "it waited for the lock");
    lock.execute_batch("ROLLBACK").unwrap();
}
