//! What every store promises, as functions to run against each one. `store_conformance!` makes a named test of each.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::missing_panics_doc)] // these are tests

mod cold;
mod create;
mod read;
mod retain;

pub use cold::*;
pub use create::*;
pub use read::*;
pub use retain::*;

use bytes::Bytes;
use futures_util::{StreamExt as _, future::BoxFuture};
use holdfast_model::{ObjectKey, ObjectLocator, StorageTier};
use holdfast_store::{BYTE_RANGE_ALL, ByteRange, ByteStream, Created, PutOptions, Store, StoreError};
use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

/// A store to put to the test, empty and with nobody else at work in its bucket.
pub struct Subject {
    /// The store.
    pub store: Store,
    /// A bucket that can be written to.
    pub bucket: String,
    /// Lets time pass for the store: sets a manual clock, or waits.
    pub advance: Box<dyn Fn(Duration) -> BoxFuture<'static, ()> + Send + Sync>,
    /// Moves an object that was created hot into a cold tier, as the provider's lifecycle does, where the store takes no cold
    /// writes of its own. None: cold objects are created as such.
    pub cool: Option<Box<dyn Fn(ObjectLocator) -> BoxFuture<'static, ()> + Send + Sync>>,
}

/// Makes one `#[tokio::test]` of each promise. `$make` is an async function without parameters that returns a fresh
/// [`Subject`] and whatever must outlive it (a temporary folder, a server).
#[macro_export]
macro_rules! store_conformance {
    ($make:path) => {
        $crate::store_conformance!($make =>
            tells_what_it_was_told, reads_ranges, lists_in_key_order_by_pages, lists_by_prefix, finds_nothing_where_nothing_is,
            refuses_a_wrong_version, takes_odd_keys, takes_an_empty_object, takes_a_large_object_in_little_memory,
            never_replaces, elects_one_of_many_writers, creates_nothing_on_a_mismatch, creates_nothing_when_the_source_breaks,
            creates_nothing_when_the_caller_leaves, has_each_tier_or_says_so, lengthens_retention_only, sets_and_lifts_hold,
            protects_from_the_first_write, refuses_a_cold_read, rehydrates_for_a_while, keeps_one_rehydration,
            raises_a_pending_rehydration, has_nothing_to_rehydrate_when_hot
        );
    };
    ($make:path => $($promise:ident),+) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $promise() {
                let (subject, _alive) = $make().await;
                $crate::store::$promise(&subject).await;
            }
        )+
    };
}

impl Subject {
    /// Creates a hot object with plain options.
    pub(crate) async fn put(&self, key: &str, bytes: impl Into<Vec<u8>>) -> Result<Created, StoreError> {
        self.put_with(key, bytes, options(StorageTier::Hot)).await
    }

    pub(crate) async fn put_with(
        &self,
        key: &str,
        bytes: impl Into<Vec<u8>>,
        options: PutOptions,
    ) -> Result<Created, StoreError> {
        self.store.writer.create(&self.bucket, &self::key(key), body(bytes), options).await
    }

    pub(crate) fn at(&self, key: &str) -> ObjectLocator {
        ObjectLocator {
            store: self.store.reader.name().to_owned(),
            bucket: self.bucket.clone(),
            key: self::key(key),
            version_id: None,
        }
    }

    pub(crate) async fn bytes(&self, at: &ObjectLocator, range: ByteRange) -> Result<Vec<u8>, StoreError> {
        let mut stream = self.store.reader.read(at, range).await?;
        let mut all = Vec::new();
        while let Some(piece) = stream.next().await {
            let piece = piece?;
            assert!(piece.len() <= 1 << 20, "a piece has {} bytes, more than 1 MiB", piece.len());
            all.extend_from_slice(&piece);
        }
        Ok(all)
    }

    pub(crate) async fn all(&self, at: &ObjectLocator) -> Result<Vec<u8>, StoreError> {
        self.bytes(at, BYTE_RANGE_ALL).await
    }

    /// Nothing lies under `key`, and the key is free.
    pub(crate) async fn assert_free(&self, key: &str) {
        let at = self.at(key);
        assert!(matches!(self.store.reader.head(&at).await, Err(StoreError::NotFound(_))));
        assert!(self.store.reader.list(&self.bucket, key, None, 10).await.unwrap().objects.is_empty());
        let created = self.put(key, "now").await.expect("the key is free");
        assert_eq!(self.all(&created.locator).await.unwrap(), b"now");
    }
}

pub(crate) fn key(key: &str) -> ObjectKey {
    ObjectKey::new(key).expect("a valid key")
}

/// Plain options for `tier`.
#[must_use]
pub fn options(tier: StorageTier) -> PutOptions {
    PutOptions {
        media_type: "audio/wav".to_owned(),
        metadata: BTreeMap::new(),
        tags: BTreeMap::new(),
        tier,
        retention: None,
        legal_hold: false,
        expected: None,
    }
}

/// A body in pieces of odd lengths.
#[must_use]
pub fn body(bytes: impl Into<Vec<u8>>) -> ByteStream {
    let bytes = Bytes::from(bytes.into());
    let cuts = (0..bytes.len()).step_by(8191).map(move |at| Ok(bytes.slice(at..bytes.len().min(at + 8191))));
    futures_util::stream::iter(cuts.collect::<Vec<_>>()).boxed()
}

/// `n` bytes that repeat nowhere in small steps: byte `i` depends on `i` and `seed`.
#[must_use]
pub fn noise(n: u64, seed: u64) -> Vec<u8> {
    (0..n).map(|i| ((i ^ seed).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8).collect()
}

/// Counts how many pieces of a body are alive at once.
#[derive(Debug, Clone, Default)]
pub(crate) struct Alive {
    now: Arc<AtomicUsize>,
    pub(crate) most: Arc<AtomicUsize>,
}

struct Counted(Vec<u8>, Arc<AtomicUsize>);

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.1.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Alive {
    pub(crate) fn piece(&self, bytes: Vec<u8>) -> Bytes {
        let now = self.now.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(now, Ordering::SeqCst);
        Bytes::from_owner(Counted(bytes, self.now.clone()))
    }
}
