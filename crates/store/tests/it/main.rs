//! Every store: the promises of the conformance suite, and what is each one's own.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)] // a test

mod azure;
mod azure_faults;
mod azure_interop;
mod azure_many;
mod child;
mod crash;
mod disk;
mod limits;
mod s3;
mod s3_faults;
mod s3_interop;
mod s3_keys;
mod s3_rgw;
mod s3_status;

use holdfast_model::RehydrationSpeed;
use holdfast_store::{LocalStore, LocalStoreConfig};
use holdfast_testkit::{ManualClock, store::Subject};
use std::{path::Path, sync::Arc, time::Duration};

/// A store in `root`, with the clock that it looks at.
fn open(root: &Path, clock: &ManualClock) -> Arc<LocalStore> {
    LocalStore::open(LocalStoreConfig::new(root), Arc::new(clock.clone())).expect("the store opens")
}

async fn fresh() -> (Subject, tempfile::TempDir) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    (subject(folder.path(), &ManualClock::default()), folder)
}

fn subject(root: &Path, clock: &ManualClock) -> Subject {
    let passing = clock.clone();
    Subject {
        store: open(root, clock).store(),
        bucket: "media".to_owned(),
        advance: Box::new(move |by: Duration| {
            passing.advance(by);
            Box::pin(std::future::ready(()))
        }),
        cool: None,
    }
}

mod conforms {
    holdfast_testkit::store_conformance!(super::fresh);
}

/// The suite must pass through the decorator too, or faults would be tested on something else than the store.
mod conforms_when_wrapped {
    async fn wrapped() -> (holdfast_testkit::store::Subject, tempfile::TempDir) {
        let (mut subject, folder) = super::fresh().await;
        subject.store = holdfast_testkit::FaultyStore::new(subject.store).store();
        (subject, folder)
    }
    holdfast_testkit::store_conformance!(wrapped);
}

#[test]
fn a_speed_that_is_not_configured_is_refused() {
    let config = LocalStoreConfig::new("/nowhere");
    assert_eq!(config.speeds.len(), 3);
    let folder = tempfile::tempdir().unwrap();
    let mut config = LocalStoreConfig::new(folder.path());
    config.speeds.remove(&RehydrationSpeed::Bulk);
    let store = LocalStore::open(config, Arc::new(ManualClock::default())).unwrap().store();
    let rehydrator = store.rehydrator.clone().unwrap();
    assert_eq!(rehydrator.options("local-cold").len(), 2);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        use holdfast_testkit::store::{body, options};
        let key = holdfast_model::ObjectKey::new("a").unwrap();
        let put = options(holdfast_model::StorageTier::Cold);
        let at = store.writer.create("media", &key, body("x"), put).await.unwrap().locator;
        let refused = rehydrator.request(&at, RehydrationSpeed::Bulk, 1).await;
        assert!(matches!(refused, Err(holdfast_store::StoreError::Unsupported { .. })));
    });
}
