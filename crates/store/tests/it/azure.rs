//! The archive on Azure: every promise of the suite, by tier change and by copy, against Azurite behind the proxy.

use holdfast_model::{ObjectKey, ObjectLocator};
use holdfast_store::{AzureConfig, AzureStore, Buckets, RehydrateBy, Store};
use holdfast_testkit::{
    ManualClock,
    cloud::{Azurite, azure::AzureProxy},
    store::Subject,
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

/// A store in containers of its own behind a proxy of its own.
pub(crate) struct Desk {
    pub(crate) proxy: AzureProxy,
    pub(crate) clock: ManualClock,
    pub(crate) store: Store,
    pub(crate) config: AzureConfig,
    pub(crate) bucket: String,
}

/// A container's name that no other test of this or another run has.
fn unused_name() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let mut random = [0u8; 6];
    getrandom::fill(&mut random).unwrap();
    format!("t{}-{}", hex::encode(random), NEXT.fetch_add(1, Ordering::Relaxed))
}

pub(crate) async fn desk(change: impl FnOnce(&mut AzureConfig)) -> Desk {
    let azurite = Azurite::start().await;
    let clock = ManualClock::default();
    let proxy = AzureProxy::start(azurite.account_url(), Arc::new(clock.clone())).await;
    let bucket = unused_name();
    proxy.container(&bucket).await;
    let buckets = Buckets { media: bucket.clone(), meta: bucket.clone(), quarantine: bucket.clone() };
    let mut config = AzureConfig::new(buckets);
    change(&mut config);
    let store = AzureStore::new(proxy.service(), config.clone(), Arc::new(clock.clone())).store();
    Desk { proxy, clock, store, config, bucket }
}

impl Desk {
    /// The same archive as another process sees it.
    pub(crate) fn again(&self) -> Store {
        AzureStore::new(self.proxy.service(), self.config.clone(), Arc::new(self.clock.clone())).store()
    }

    /// The same archive, for a process that gives up waiting after so long.
    pub(crate) fn waiting(&self, read_timeout: Duration) -> Store {
        let service = self.proxy.service_within(read_timeout);
        AzureStore::new(service, self.config.clone(), Arc::new(self.clock.clone())).store()
    }

    pub(crate) fn at(&self, key: &str) -> ObjectLocator {
        let key = ObjectKey::new(key).unwrap();
        ObjectLocator { store: "azure".to_owned(), bucket: self.bucket.clone(), key, version_id: None }
    }

    fn subject(&self) -> Subject {
        let (clock, proxy) = (self.clock.clone(), self.proxy.clone());
        Subject {
            store: self.store.clone(),
            bucket: self.bucket.clone(),
            advance: Box::new(move |by: Duration| {
                clock.advance(by);
                Box::pin(std::future::ready(()))
            }),
            cool: Some(Box::new(move |at| {
                let proxy = proxy.clone();
                Box::pin(async move { proxy.transition(&at.bucket, at.key.as_str(), "Archive").await })
            })),
        }
    }
}

async fn by_tier() -> (Subject, Desk) {
    // Small blocks, so that the suite's objects have several.
    let desk = desk(|c| c.block_bytes = 1 << 20).await;
    (desk.subject(), desk)
}

async fn by_copy() -> (Subject, Desk) {
    let copies = unused_name();
    let container = copies.clone();
    let desk = desk(|c| c.rehydrate = RehydrateBy::Copy { container, prefix: "rehydrated/".to_owned() }).await;
    desk.proxy.container(&copies).await;
    (desk.subject(), desk)
}

mod conforms {
    holdfast_testkit::store_conformance!(super::by_tier);
}

mod conforms_with_copies {
    holdfast_testkit::store_conformance!(super::by_copy =>
        tells_what_it_was_told, refuses_a_wrong_version, refuses_a_cold_read, rehydrates_for_a_while, keeps_one_rehydration,
        raises_a_pending_rehydration, has_nothing_to_rehydrate_when_hot
    );
}
