//! The promises kept by DynamoDB: by two servers that speak its language, and through a proxy that fails on order.

mod far;
mod faults;

use aws_sdk_dynamodb::{
    Client,
    config::{BehaviorVersion, Credentials, Region, retry::RetryConfig, timeout::TimeoutConfig},
};
use holdfast_index::{
    RecordingIndex,
    dynamodb::{DynamoIndex, DynamoWork, table_definition},
};
use holdfast_testkit::{
    ManualClock,
    cloud::{Dynoxide, Ministack},
    work_suite::Subject,
};
use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

/// A client with the SDK's own retries, less patient than in earnest.
fn client(url: &str) -> Client {
    let timeouts = TimeoutConfig::builder().operation_attempt_timeout(Duration::from_secs(20)).build();
    let config = aws_sdk_dynamodb::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("test", "test", None, None, "test"))
        .retry_config(RetryConfig::standard().with_initial_backoff(Duration::from_millis(10)))
        .timeout_config(timeouts)
        .endpoint_url(url)
        .build();
    Client::from_conf(config)
}

/// A table of its own.
async fn table(client: &Client) -> String {
    let nanos = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_nanos();
    let name = format!("t{}-{nanos}", std::process::id());
    table_definition().create(client, &name).send().await.unwrap();
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
