//! How often the table is called: what is asked together goes together.

use super::{client, table};
use holdfast_index::{
    ListWork, RecordingIndex, Work, WorkKind, WorkStore,
    dynamodb::{DynamoIndex, DynamoWork},
};
use holdfast_model::{ArchiveId, Availability, StorageState, StorageTier, SystemClock};
use holdfast_testkit::{
    ManualClock,
    cloud::{Dynoxide, aws::AwsProxy},
    index_suite::{Made, RowMaker},
};
use std::{collections::BTreeMap, sync::Arc};

/// All calls so far by operation.
fn calls(proxy: &AwsProxy) -> BTreeMap<&'static str, usize> {
    let ops =
        ["GetItem", "BatchGetItem", "Query", "PutItem", "UpdateItem", "BatchWriteItem", "TransactWriteItems", "Scan"];
    ops.into_iter().map(|op| (op, proxy.calls(op))).collect()
}

/// What was called since, without what was not.
fn since(proxy: &AwsProxy, before: &BTreeMap<&'static str, usize>) -> BTreeMap<&'static str, usize> {
    let more = calls(proxy).into_iter().map(|(op, n)| (op, n - before[op]));
    more.filter(|(_, n)| *n > 0).collect()
}

async fn scene() -> (DynamoIndex, DynamoWork, AwsProxy, Dynoxide) {
    let server = Dynoxide::start().await;
    let proxy = AwsProxy::start(&server, Arc::new(SystemClock)).await;
    let client = client(&proxy.url());
    let table = table(&client).await;
    let clock = Arc::new(ManualClock::default());
    (DynamoIndex::new(client.clone(), &table, clock.clone()), DynamoWork::new(client, &table, clock), proxy, server)
}

fn deep(class: &str) -> StorageState {
    StorageState { tier: StorageTier::DeepCold, storage_class: class.into(), availability: Availability::Offline }
}

/// 250 rows in 5 calls where one by one takes 750; their states in 5 where nothing changed, and one more for each that did.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_rows_are_read_and_told_by_the_hundred() {
    let (index, _, proxy, _server) = scene().await;
    let made: Vec<Made> = (0..250).map(|i| RowMaker::new(50).row(i)).collect();
    index.insert_many(made.clone()).await.unwrap();
    let ids: Vec<ArchiveId> = made.iter().map(|(row, _)| row.archive_id.clone()).collect();

    let before = calls(&proxy);
    assert_eq!(index.get_many(&ids).await.unwrap().into_iter().flatten().count(), 250);
    let together = BTreeMap::from([("GetItem", 2), ("BatchGetItem", 3)]);
    assert_eq!(since(&proxy, &before), together);

    let same: Vec<_> = made.iter().map(|(row, _)| (row.archive_id.clone(), row.state())).collect();
    let before = calls(&proxy);
    index.set_states(&same).await.unwrap();
    assert_eq!(since(&proxy, &before), together, "nothing changed");

    // Class and availability: the row and its pointers. Then the class alone: the row.
    let mut seen: Vec<_> = ids.iter().map(|id| (id.clone(), deep("DEEP_ARCHIVE"))).collect();
    index.set_states(&seen).await.unwrap();
    seen.iter_mut().take(60).for_each(|(_, state)| *state = deep("GLACIER"));
    let before = calls(&proxy);
    index.set_states(&seen).await.unwrap();
    let expected = BTreeMap::from([("GetItem", 2), ("BatchGetItem", 3), ("UpdateItem", 60)]);
    assert_eq!(since(&proxy, &before), expected);
}

/// A rebuild that takes the place of the index, and takes the old one away, while rows are told and read: nobody is told that a
/// recording is not there, and what was told is there in the end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rebuild_that_ends_meanwhile_hides_no_row() {
    let (index, _, _proxy, _server) = scene().await;
    let made: Vec<Made> = (0..40).map(|i| RowMaker::new(51).row(i)).collect();
    index.insert_many(made.clone()).await.unwrap();
    let ids: Vec<ArchiveId> = made.iter().map(|(row, _)| row.archive_id.clone()).collect();
    let rebuilds = async {
        for _ in 0..6 {
            let mut sink = index.rebuild().await.unwrap();
            for (row, text) in made.clone() {
                sink.push(row, text).await.unwrap();
            }
            assert_eq!(sink.finish().await.unwrap(), 40);
        }
    };
    let telling = async {
        let mut last = 0;
        for n in 0..30 {
            let seen: Vec<_> = ids.iter().map(|id| (id.clone(), deep(&format!("class-{n}")))).collect();
            index.set_states(&seen).await.unwrap();
            assert!(index.get_many(&ids).await.unwrap().iter().all(Option::is_some));
            last = n;
        }
        last
    };
    let ((), last) = tokio::join!(rebuilds, telling);
    let seen: Vec<_> = ids.iter().map(|id| (id.clone(), deep(&format!("class-{last}")))).collect();
    index.set_states(&seen).await.unwrap();
    for row in index.get_many(&ids).await.unwrap() {
        assert_eq!(row.unwrap().storage_class_now(), format!("class-{last}"));
    }
}

/// All work in some states, asked for at once, costs one look at the ids in each state and one read for each hundred; page by
/// page each page looks at all ids again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_work_in_a_state_is_looked_up_once() {
    let (_, work, proxy, _server) = scene().await;
    let state = |i: usize| if i.is_multiple_of(2) { "approved" } else { "rehydrating" };
    let new = (0..400).map(|i| Work::new(WorkKind::Retrieval, format!("m/{i:04}"), state(i), serde_json::json!(i)));
    work.create_many(new.collect()).await.unwrap();
    let all = ListWork {
        kind: WorkKind::Retrieval,
        parent: None,
        states: &["approved", "rehydrating"],
        after: None,
        limit: usize::MAX,
    };
    let before = calls(&proxy);
    let once = work.list(all).await.unwrap();
    assert_eq!(once.len(), 400);
    assert_eq!(since(&proxy, &before), BTreeMap::from([("Query", 16), ("BatchGetItem", 4)]));

    let (mut pages, mut after) = (Vec::new(), None::<String>);
    let before = calls(&proxy);
    while pages.len() < 400 {
        let page = work.list(ListWork { after: after.as_deref(), limit: 100, ..all }).await.unwrap();
        after = page.last().map(|w| w.id.clone());
        pages.extend(page);
    }
    assert_eq!(pages, once);
    assert_eq!(since(&proxy, &before), BTreeMap::from([("Query", 64), ("BatchGetItem", 4)]));
}
