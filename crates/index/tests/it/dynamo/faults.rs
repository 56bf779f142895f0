//! What a network and a busy provider do: nothing is lost, nothing is doubled, and what cannot be done is said.

use super::{client, table};
use crate::dynamo::oracle;
use holdfast_index::{
    Claim, CreateOutcome, InsertOutcome, ListWork, Query, RecordingIndex, UpdateOutcome, Work, WorkKind, WorkStore,
    dynamodb::{DynamoIndex, DynamoWork},
};
use holdfast_model::{Fault as _, FaultKind as Kind, MatterId, SystemClock, step};
use holdfast_testkit::{
    ManualClock,
    cloud::{
        Dynoxide,
        aws::{AwsProxy, Fault, FaultKind},
    },
    index_suite::{Made, RowMaker},
    soaking,
};
use serde_json::json;
use std::{
    process::{Command, Stdio},
    sync::Arc,
};

struct Scene {
    proxy: AwsProxy,
    index: DynamoIndex,
    work: DynamoWork,
    _server: Dynoxide,
}

async fn scene() -> Scene {
    let server = Dynoxide::start().await;
    let proxy = AwsProxy::start(&server, Arc::new(SystemClock)).await;
    let client = client(&proxy.url());
    let table = table(&client).await;
    let clock = Arc::new(ManualClock::default());
    Scene {
        index: DynamoIndex::new(client.clone(), &table, clock.clone()),
        work: DynamoWork::new(client, &table, clock),
        proxy,
        _server: server,
    }
}

fn made(range: std::ops::Range<u32>) -> Vec<Made> {
    let maker = RowMaker::new(21);
    range.map(|i| maker.row(i)).collect()
}

fn fleeting() -> [FaultKind; 6] {
    [
        FaultKind::SlowDown503,
        FaultKind::InternalError500,
        FaultKind::CutBefore,
        FaultKind::CutAfter,
        FaultKind::Conflict("TransactionConflictException"),
        FaultKind::Answer(400, "ProvisionedThroughputExceededException"),
    ]
}

/// Every passing fault at every call of the index: each outcome is what it would be without, and each filter finds the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn passing_faults_change_nothing_in_the_index() {
    for fault in fleeting() {
        let s = scene().await;
        let (expected, _dir) = oracle().await;
        for op in ["BatchWriteItem", "UpdateItem", "TransactWriteItems", "BatchGetItem", "GetItem", "Query", "PutItem"]
        {
            for skip in [0, 2] {
                s.proxy.fault(Fault::on(op, fault.clone()).after(skip));
            }
        }
        let rows = made(0..25);
        expected.insert_many(rows.clone()).await.unwrap();
        assert_eq!(s.index.insert_many(rows.clone()).await.unwrap(), vec![InsertOutcome::Inserted; 25], "{fault:?}");
        assert_eq!(s.index.insert_many(rows.clone()).await.unwrap(), vec![InsertOutcome::Same; 25], "{fault:?}");
        for (row, _) in &rows[..6] {
            let held: Vec<MatterId> = vec!["m-7".parse().unwrap()];
            for index in [&expected, &s.index.index()] {
                index.set_holds(&row.archive_id, &held).await.unwrap();
                index.set_state(&row.archive_id, &rows[7].0.state()).await.unwrap();
            }
        }
        super::same_answers(&*s.index.index(), &*expected).await;
        assert_eq!(s.index.count().await.unwrap(), 25);
    }
}

/// Every passing fault at every call of the work store, the lost answer to a conditional write among them: one's own success is
/// known again, and nobody else's is taken for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn passing_faults_change_nothing_in_work() {
    const KIND: WorkKind = WorkKind::Retrieval;
    let new = |id: &str| Work::new(KIND, id, "ready", json!({"id": id})).of("p");
    for fault in fleeting() {
        for op in ["PutItem", "UpdateItem", "TransactWriteItems", "BatchWriteItem", "BatchGetItem", "GetItem", "Query"]
        {
            let s = scene().await;
            let again = || {
                s.proxy.clear_faults();
                s.proxy.fault(Fault::on(op, fault.clone()).times(2));
            };
            again();
            let what = format!("{op} {fault:?}");
            let created = s.work.create_many(vec![new("a"), new("b")]).await.unwrap();
            assert!(created.iter().all(|c| matches!(c, CreateOutcome::Created(w) if w.rev == 1)), "{what}");
            assert!(matches!(s.work.create(new("a")).await.unwrap(), CreateOutcome::Exists(_)), "{what}");
            again();
            let a = s.work.get(KIND, "a").await.unwrap().unwrap();
            assert_eq!(s.work.update(a.clone()).await.unwrap(), UpdateOutcome::Updated(vec![2]), "{what}");
            again();
            let b = s.work.get(KIND, "b").await.unwrap().unwrap();
            let both = vec![Work { rev: 2, ..a.clone() }, b.clone(), new("c")];
            assert_eq!(s.work.update_many(both).await.unwrap(), UpdateOutcome::Updated(vec![3, 2, 1]), "{what}");
            assert!(matches!(s.work.update(a).await.unwrap(), UpdateOutcome::Conflict { .. }), "{what}");
            again();
            let claim =
                |owner| Claim { kind: KIND, states: &["ready"], parent: None, owner, lease_ms: 9_000, limit: 9 };
            let mine = s.work.claim(claim("me")).await.unwrap();
            assert_eq!(mine.iter().map(|w| w.rev).sum::<u64>(), 9, "{what}");
            assert_eq!(s.work.claim(claim("you")).await.unwrap(), [], "{what}");
            again();
            assert!(s.work.renew(KIND, "a", "me", 9_000).await.unwrap(), "{what}");
            again();
            assert!(s.work.release(KIND, "a", "me").await.unwrap(), "{what}");
            assert_eq!(s.work.claim(claim("you")).await.unwrap().len(), 1, "{what}");
            let list = ListWork { kind: KIND, parent: Some("p"), states: &[], after: None, limit: 9 };
            assert_eq!(s.work.list(list).await.unwrap().len(), 3, "{what}");
        }
    }
}

/// What lasts is said in words, by its code; afterwards the same call goes on where the other was cut off.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lasting_faults_are_said_and_the_call_can_be_repeated() {
    let s = scene().await;
    // Rows of its own for each: where only the answer was cut off, they are there, and are not written again.
    for (first, (fault, code, kind)) in (0..).step_by(10).zip([
        (FaultKind::SlowDown503, "index.throttled", Kind::Throttled),
        (FaultKind::CutAfter, "index.unreachable", Kind::Io),
        (FaultKind::ExpiredToken, "index.credentials", Kind::Denied),
        (FaultKind::KmsDenied, "index.denied", Kind::Denied),
    ]) {
        s.proxy.fault(Fault::on("UpdateItem", fault).times(100_000));
        let e = s.index.insert_many(made(first..first + 10)).await.unwrap_err();
        assert_eq!((e.code(), e.kind()), (code, kind), "{e}");
        assert!(!e.next().is_empty() && !e.to_string().contains("http"), "{e}");
        s.proxy.clear_faults();
    }
    let rows = made(0..40);
    s.proxy.deny("dynamodb:BatchGetItem");
    let e = s.index.insert_many(rows.clone()).await.unwrap_err();
    assert_eq!(e.code(), "index.denied");
    assert!(e.to_string().contains("dynamodb:BatchGetItem"), "{e}");
    s.proxy.allow("dynamodb:BatchGetItem");
    let outcomes = s.index.insert_many(rows.clone()).await.unwrap();
    assert!(outcomes.iter().all(|o| !matches!(o, InsertOutcome::Conflict { .. })), "{outcomes:?}");
    let page = s.index.search(&Query::default()).await.unwrap();
    assert_eq!((page.total, s.index.count().await.unwrap()), (40, 40));
    let elsewhere = DynamoIndex::new(client(&s.proxy.url()), "no-such-table", Arc::new(SystemClock));
    assert_eq!(elsewhere.count().await.unwrap_err().code(), "index.no_table");
}

const PART: &str = "HOLDFAST_DYNAMO_TEST_PART";

/// Does nothing unless it was started by another test.
#[tokio::test]
async fn plays_a_part_when_asked() {
    let Ok(part) = std::env::var(PART) else { return };
    let (url, table) = part.split_once(' ').unwrap();
    live_a_day(&*DynamoIndex::new(client(url), table, Arc::new(SystemClock)).index()).await;
    let work = DynamoWork::new(client(url), table, Arc::new(SystemClock));
    work_a_day(&work).await;
}

/// What is done to an index in a day; safe to repeat, as its callers do.
async fn live_a_day(index: &dyn RecordingIndex) {
    let rows = made(0..24);
    for batch in rows.chunks(8) {
        index.insert_many(batch.to_vec()).await.unwrap();
    }
    for (row, _) in &rows[..4] {
        index.set_holds(&row.archive_id, &["m-9".parse().unwrap()]).await.unwrap();
        index.set_state(&row.archive_id, &rows[9].0.state()).await.unwrap();
    }
    let mut sink = index.rebuild().await.unwrap();
    for (row, text) in made(0..24) {
        let now = index.get(&row.archive_id).await.unwrap().unwrap();
        sink.push(now, text).await.unwrap();
    }
    assert_eq!(sink.finish().await.unwrap(), 24);
}

async fn work_a_day(work: &DynamoWork) {
    let new = |i: u32| Work::new(WorkKind::Export, format!("w{i}"), "ready", json!(i)).of("p");
    work.create_many((0..6).map(new).collect()).await.unwrap();
    loop {
        let all = work.list(ListWork {
            kind: WorkKind::Export,
            parent: Some("p"),
            states: &["ready"],
            after: None,
            limit: 2,
        });
        let some = all.await.unwrap();
        if some.is_empty() {
            return;
        }
        let done = some.into_iter().map(|w| Work { state: "done".into(), ..w }).collect();
        assert!(matches!(work.update_many(done).await.unwrap(), UpdateOutcome::Updated(_)));
        step("test.worked");
    }
}

/// Killed at each step, and started again: the same as if nothing had happened.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_every_step_it_goes_on() {
    let server = Dynoxide::start().await;
    let (expected, _dir) = oracle().await;
    live_a_day(&*expected).await;
    let sample = [
        ("index.dynamodb.pointers", &[1, 4][..]),
        ("index.dynamodb.row", &[1, 13, 30]),
        ("index.dynamodb.told", &[3]),
        ("index.dynamodb.rebuild.batch", &[1]),
        ("index.dynamodb.rebuild.switched", &[1]),
        ("index.dynamodb.work.around", &[1]),
        ("index.dynamodb.work.created", &[3]),
        ("index.dynamodb.work.updated", &[2]),
    ];
    for (step, times) in sample {
        for nth in times {
            assert!(killed_it_goes_on(&server, &*expected, step, *nth).await, "{step}:{nth} was not reached");
        }
        let mut nth = 1;
        while soaking() && killed_it_goes_on(&server, &*expected, step, nth).await {
            nth += 1;
        }
    }
}

/// False where the process does not reach the step so often.
async fn killed_it_goes_on(server: &Dynoxide, expected: &dyn RecordingIndex, step: &str, nth: u32) -> bool {
    let kill = format!("{step}:{nth}");
    let client = client(server.url());
    let table = table(&client).await;
    let child = async |kill_at: Option<&str>| {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "dynamo::faults::plays_a_part_when_asked", "--nocapture"]);
        command.env(PART, format!("{} {table}", server.url())).stdout(Stdio::null()).stderr(Stdio::null());
        match kill_at {
            Some(step) => command.env("HOLDFAST_KILL_AT", step),
            None => command.env_remove("HOLDFAST_KILL_AT"),
        };
        tokio::task::spawn_blocking(move || command.status().unwrap()).await.unwrap().success()
    };
    if child(Some(&kill)).await {
        return false;
    }
    assert!(child(None).await, "{kill}");
    let index = DynamoIndex::new(client.clone(), &table, Arc::new(SystemClock)).index();
    super::same_answers(&*index, expected).await;
    let work = DynamoWork::new(client, &table, Arc::new(SystemClock));
    let done = ListWork { kind: WorkKind::Export, parent: Some("p"), states: &["done"], after: None, limit: 99 };
    assert_eq!(work.list(done).await.unwrap().len(), 6, "{kill}");
    true
}
