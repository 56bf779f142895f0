//! The store on S3 against a real server behind the proxy that makes it what the provider is.

use aws_sdk_s3::{Client, config::Credentials};
use holdfast_model::{Clock as _, ObjectLocator, SystemClock};
use holdfast_store::{Buckets, S3Config, S3Store, Store};
use holdfast_testkit::{
    ManualClock,
    cloud::{Ministack, aws::AwsProxy, s3_client},
    store::Subject,
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

/// A bucket with Object Lock of its own, behind a proxy of its own.
pub(crate) struct Cloud {
    pub(crate) proxy: AwsProxy,
    pub(crate) clock: ManualClock,
    pub(crate) client: Client,
    pub(crate) bucket: String,
}

/// A client for `url` as the composition root makes one, with keys for the tests.
pub(crate) fn client(url: &str, token: Option<&str>) -> Client {
    let keys = Credentials::new("test", "test", token.map(str::to_owned), None, "test");
    Client::from_conf(s3_client(url).credentials_provider(keys).build())
}

/// A name that no other test has.
pub(crate) fn unique(name: &str) -> String {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let now = SystemClock.now().as_millisecond();
    format!("{name}-{}-{now}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

impl Cloud {
    pub(crate) async fn start() -> Self {
        Self::start_with(None).await
    }

    /// With a session token in every request.
    pub(crate) async fn start_with(token: Option<&str>) -> Self {
        let server = Ministack::start().await;
        let clock = ManualClock::at(SystemClock.now());
        let proxy = AwsProxy::start(&server, Arc::new(clock.clone())).await;
        let client = client(&proxy.url(), token);
        let bucket = unique("media");
        client.create_bucket().bucket(&bucket).object_lock_enabled_for_bucket(true).send().await.expect("a bucket");
        Self { proxy, clock, client, bucket }
    }

    pub(crate) fn config(&self) -> S3Config {
        let bucket = || self.bucket.clone();
        S3Config::new(Buckets { media: bucket(), meta: bucket(), quarantine: bucket() })
    }

    pub(crate) fn store(&self) -> Store {
        self.store_with(self.config())
    }

    pub(crate) fn store_with(&self, config: S3Config) -> Store {
        S3Store::new(self.client.clone(), config, Arc::new(self.clock.clone())).store()
    }
}

/// Waits for nothing: the clock of store and proxy is set.
pub(crate) fn passing(
    clock: &ManualClock,
) -> Box<dyn Fn(Duration) -> futures_util::future::BoxFuture<'static, ()> + Send + Sync> {
    let clock = clock.clone();
    Box::new(move |by| {
        clock.advance(by);
        Box::pin(std::future::ready(()))
    })
}

async fn subject(class: &'static str) -> (Subject, Cloud) {
    let cloud = Cloud::start().await;
    let proxy = cloud.proxy.clone();
    let cool = move |at: ObjectLocator| -> futures_util::future::BoxFuture<'static, ()> {
        let proxy = proxy.clone();
        Box::pin(async move { proxy.transition(&at.bucket, at.key.as_str(), class).await })
    };
    let subject = Subject {
        store: cloud.store(),
        bucket: cloud.bucket.clone(),
        advance: passing(&cloud.clock),
        cool: Some(Box::new(cool)),
    };
    (subject, cloud)
}

async fn flexible() -> (Subject, Cloud) {
    subject("GLACIER").await
}

mod conforms {
    holdfast_testkit::store_conformance!(super::flexible);
}

mod conforms_in_deep_archive {
    async fn deep() -> (holdfast_testkit::store::Subject, super::Cloud) {
        super::subject("DEEP_ARCHIVE").await
    }
    holdfast_testkit::store_conformance!(deep =>
        refuses_a_cold_read, rehydrates_for_a_while, keeps_one_rehydration, raises_a_pending_rehydration);
}
