//! The promises kept by DynamoDB: by two servers that speak its language, and through a proxy that fails on order.

mod calls;
mod far;
mod faults;

use aws_sdk_dynamodb::{
    Client,
    config::{retry::RetryConfig, timeout::TimeoutConfig},
};
use holdfast_index::{
    AvailabilityState, Facets, Query, RecordingIndex, Sort, SqliteIndex,
    dynamodb::{DynamoIndex, DynamoWork},
};
use holdfast_model::{Clock as _, SystemClock};
use holdfast_testkit::{
    ManualClock,
    cloud::{Dynoxide, Ministack, dynamodb_client, dynamodb_table},
    work_suite::Subject,
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

/// A client with the SDK's own retries, less patient than in earnest.
fn client(url: &str) -> Client {
    let timeouts = TimeoutConfig::builder().operation_attempt_timeout(Duration::from_secs(20)).build();
    let config = dynamodb_client(url)
        .retry_config(RetryConfig::standard().with_initial_backoff(Duration::from_millis(10)))
        .timeout_config(timeouts);
    Client::from_conf(config.build())
}

/// A table of its own.
async fn table(client: &Client) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let n = COUNT.fetch_add(1, Ordering::Relaxed);
    let name = format!("t{}-{}-{n}", std::process::id(), SystemClock.now().as_millisecond());
    dynamodb_table(client, &name).await;
    name
}

async fn index_at(url: &str) -> Arc<dyn RecordingIndex> {
    let client = client(url);
    let table = table(&client).await;
    DynamoIndex::new(client, table, Arc::new(ManualClock::default())).index()
}

async fn work_at(url: &str) -> Subject {
    let (client, clock) = (client(url), ManualClock::default());
    let table = table(&client).await;
    Subject { store: DynamoWork::new(client, table, Arc::new(clock.clone())).work(), clock }
}

async fn index() -> (Arc<dyn RecordingIndex>, Dynoxide) {
    let server = Dynoxide::start().await;
    (index_at(server.url()).await, server)
}

async fn work() -> (Subject, Dynoxide) {
    let server = Dynoxide::start().await;
    (work_at(server.url()).await, server)
}

async fn index_elsewhere() -> (Arc<dyn RecordingIndex>, Ministack) {
    let server = Ministack::start().await;
    (index_at(server.url()).await, server)
}

async fn work_elsewhere() -> (Subject, Ministack) {
    let server = Ministack::start().await;
    (work_at(server.url()).await, server)
}

/// What DynamoDB's answers are compared with.
async fn oracle() -> (Arc<dyn RecordingIndex>, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    (SqliteIndex::open(dir.path().join("index.db")).await.unwrap().index(), dir)
}

/// Each filter finds the same rows in the same order in both, and both count the same.
async fn same_answers(index: &dyn RecordingIndex, expected: &dyn RecordingIndex) {
    let all = expected.scan(None, usize::MAX).await.unwrap();
    assert_eq!(index.scan(None, usize::MAX).await.unwrap(), all);
    assert_eq!(index.count().await.unwrap(), all.len() as u64);
    let some = |v: &str| Some(v.to_owned());
    let d = Query::default;
    let first = &all[0];
    for q in [
        d(),
        Query { sort: Sort::Oldest, limit: 7, ..d() },
        Query { queue: some("sales"), ..d() },
        Query { tag: some("vip"), ..d() },
        Query { agent: some("a-1"), ..d() },
        Query { participant: some("+49301234567"), ..d() },
        Query { hold: Some("m-7".parse().unwrap()), ..d() },
        Query { hold: Some("m-9".parse().unwrap()), ..d() },
        Query { interaction: Some(first.record.interaction_id.clone()), ..d() },
        Query { recording_id: Some(first.record.recording_id.clone()), ..d() },
        Query { sha256: Some(first.fixity.digest), ..d() },
        Query { ids: all.iter().step_by(3).map(|r| r.archive_id.clone()).collect(), ..d() },
        Query { availability: Some(AvailabilityState::Online), ..d() },
        Query { availability: Some(AvailabilityState::Offline), ..d() },
        Query { retain_until_from: Some(first.retention.retention.until), ..d() },
        Query { from: Some(first.record.start), ..d() },
        Query { text: some("refund"), to: Some(jiff::Timestamp::MAX), ..d() },
    ] {
        let (found, wanted) = (index.search(&q).await.unwrap(), expected.search(&q).await.unwrap());
        assert_eq!((&found.rows, found.total), (&wanted.rows, wanted.total), "{q:?}");
        // How a name is spelled may depend on which rows were looked at.
        let counts = |f: Facets| {
            let fields = [f.vendor, f.media, f.queue, f.agent, f.tag, f.tier, f.direction, f.year];
            (fields.map(|values| values.into_iter().map(|(_, n)| n).collect::<Vec<u64>>()), f.complete)
        };
        let (told, wanted) = (index.facets(&q).await.unwrap(), expected.facets(&q).await.unwrap());
        assert_eq!(counts(told), counts(wanted), "{q:?}");
    }
}

mod keeps {
    holdfast_testkit::index_conformance!(super::index);
}

mod works {
    holdfast_testkit::work_conformance!(super::work);
}

mod keeps_elsewhere {
    holdfast_testkit::index_conformance!(super::index_elsewhere);
}

mod works_elsewhere {
    holdfast_testkit::work_conformance!(super::work_elsewhere);
}
