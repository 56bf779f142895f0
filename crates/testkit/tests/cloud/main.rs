//! The proxies and servers of `holdfast_testkit::cloud`, driven by the real SDK: what is rewritten must be what the SDK reads.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod archive;
mod faults;
mod rules;
mod servers;

use aws_sdk_s3::{
    Client,
    config::{Credentials, retry::RetryConfig, timeout::TimeoutConfig},
    error::{ProvideErrorMetadata, SdkError},
    primitives::ByteStream,
    types::{BucketVersioningStatus, VersioningConfiguration},
};
use holdfast_testkit::{
    ManualClock,
    cloud::{Ministack, aws::AwsProxy, s3_client},
};
use std::{sync::Arc, time::Duration};

/// A client that tries once and waits two seconds, so that each fault is seen.
fn client_with(url: &str, session_token: Option<&str>) -> Client {
    let token = session_token.map(str::to_owned);
    let timeouts = TimeoutConfig::builder().operation_attempt_timeout(Duration::from_secs(20));
    let config = s3_client(url)
        .credentials_provider(Credentials::new("test", "test", token, None, "test"))
        .retry_config(RetryConfig::disabled())
        .timeout_config(timeouts.build());
    Client::from_conf(config.build())
}

struct Bench {
    proxy: AwsProxy,
    clock: ManualClock,
    s3: Client,
    bucket: String,
}

/// A proxy and a bucket with Object Lock (and so with versions).
async fn locked() -> Bench {
    bench(true).await
}

/// A bucket without versions.
async fn plain() -> Bench {
    bench(false).await
}

async fn bench(lock: bool) -> Bench {
    let server = Ministack::start().await;
    let clock = ManualClock::default();
    let proxy = AwsProxy::start(&server, Arc::new(clock.clone())).await;
    let s3 = client_with(&proxy.url(), None);
    let bucket = name();
    s3.create_bucket().bucket(&bucket).object_lock_enabled_for_bucket(lock).send().await.unwrap();
    if lock {
        let on = VersioningConfiguration::builder().status(BucketVersioningStatus::Enabled).build();
        s3.put_bucket_versioning().bucket(&bucket).versioning_configuration(on).send().await.unwrap();
    }
    Bench { proxy, clock, s3, bucket }
}

fn name() -> String {
    let nanos = std::time::UNIX_EPOCH.elapsed().unwrap().as_nanos();
    format!("ground-{}-{nanos}", std::process::id())
}

impl Bench {
    async fn put(&self, key: &str, bytes: &[u8]) -> String {
        let body = ByteStream::from(bytes.to_vec());
        let put = self.s3.put_object().bucket(&self.bucket).key(key).body(body).send().await.unwrap();
        put.version_id().unwrap_or("null").to_owned()
    }

    async fn read(&self, key: &str) -> Result<Vec<u8>, String> {
        let got = self.s3.get_object().bucket(&self.bucket).key(key).send().await.map_err(|e| code(&e))?;
        got.body.collect().await.map(|b| b.to_vec()).map_err(|e| e.to_string())
    }
}

/// The provider's code of a refusal; else what happened to the connection.
fn code<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> String {
    match error {
        SdkError::ServiceError(e) => e.err().code().unwrap_or("none").to_owned(),
        SdkError::TimeoutError(_) => "timeout".to_owned(),
        SdkError::DispatchFailure(_) => "dispatch".to_owned(),
        SdkError::ResponseError(_) => "response".to_owned(),
        _ => "other".to_owned(),
    }
}
