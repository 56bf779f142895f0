//! The same store on another S3: Ceph's gateway (16.2). What it lacks is not run against it: archive tiers and their classes; a
//! create-if-absent that holds for writers at the same instant (it looks, then writes; and not at all when parts are put together).
//! It does not say either that a marker hides an object. Versions, locks, holds, ranges, listings, signatures and digests hold.

use crate::s3::{client, unique};
use futures_util::{StreamExt as _, future::join_all};
use holdfast_model::{
    Fault as _, Fixity, ImmutabilityMode, ObjectKey, ObjectRetention, Sha256Digest, StorageTier, SystemClock,
};
use holdfast_store::{BYTE_RANGE_ALL, Buckets, PutOptions, S3Config, S3Store, StoreError};
use holdfast_testkit::{
    cloud::Rgw,
    store::{Subject, body, noise, options},
};
use std::sync::Arc;

async fn gateway() -> (Subject, aws_sdk_s3::Client) {
    let client = client(Rgw::start().await.url(), None);
    let bucket = unique("media");
    client.create_bucket().bucket(&bucket).object_lock_enabled_for_bucket(true).send().await.expect("a bucket");
    let buckets = Buckets { media: bucket.clone(), meta: bucket.clone(), quarantine: bucket.clone() };
    let config = S3Config { part_size_bytes: 5 << 20, ..S3Config::new(buckets) };
    let store = S3Store::new(client.clone(), config, Arc::new(SystemClock)).store();
    let advance =
        Box::new(|_| -> futures_util::future::BoxFuture<'static, ()> { panic!("its clock is the machine's") });
    (Subject { store, bucket, advance, cool: None }, client)
}

mod conforms {
    holdfast_testkit::store_conformance!(super::gateway =>
        tells_what_it_was_told, reads_ranges, lists_in_key_order_by_pages, lists_by_prefix, finds_nothing_where_nothing_is,
        refuses_a_wrong_version, takes_odd_keys, takes_an_empty_object, takes_a_large_object_in_little_memory,
        never_replaces, creates_nothing_on_a_mismatch, creates_nothing_when_the_source_breaks,
        creates_nothing_when_the_caller_leaves, lengthens_retention_only, sets_and_lifts_hold,
        protects_from_the_first_write, has_nothing_to_rehydrate_when_hot);
}

/// In parts, under retention and hold, with digest and tags, though the gateway forgets them when parts are put together; it reads back
/// the same and cannot be deleted.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_object_is_locked_before_anyone_hears_of_it() {
    let (s, client) = gateway().await;
    let bytes = noise(11 << 20, 4);
    let kept = ObjectRetention {
        mode: ImmutabilityMode::Compliance,
        // Nobody could take a compliance lock off again; the server goes with the tests.
        until: "2060-01-01T00:00:00Z".parse().unwrap(),
    };
    let put = PutOptions {
        retention: Some(kept),
        legal_hold: true,
        tags: [("retention-class".to_owned(), "finra-6y".to_owned())].into(),
        expected: Some(Fixity::sha256(Sha256Digest::of(&bytes), bytes.len() as u64)),
        ..options(StorageTier::Hot)
    };
    let key = ObjectKey::new("large").unwrap();
    let created = s.store.writer.create(&s.bucket, &key, body(bytes.clone()), put.clone()).await.unwrap();
    let info = s.store.reader.head(&created.locator).await.unwrap();
    assert_eq!((info.retention, info.legal_hold, info.sha256), (Some(kept), true, Some(created.fixity.digest)));
    assert_eq!(info.tags, put.tags);
    let mut stream = s.store.reader.read(&created.locator, BYTE_RANGE_ALL).await.unwrap();
    let mut read = Vec::new();
    while let Some(piece) = stream.next().await {
        read.extend_from_slice(&piece.unwrap());
    }
    assert!(read == bytes);
    let version = created.locator.version_id.clone();
    let deleted = client.delete_object().bucket(&s.bucket).key("large").set_version_id(version).send().await;
    assert!(deleted.is_err(), "{deleted:?}");
    // By its name alone it gets a marker, which hides nothing from a listing, nor from who names the version.
    client.delete_object().bucket(&s.bucket).key("large").send().await.unwrap();
    let page = s.store.reader.list(&s.bucket, "large", None, 2).await.unwrap();
    assert_eq!(page.objects.iter().map(|o| &o.locator).collect::<Vec<_>>(), [&created.locator]);
    assert_eq!(s.store.reader.head(&created.locator).await.unwrap().locator, created.locator);
}

/// Of writers at the same instant it may let several through, each with a version of its own: none takes another's bytes away, and each
/// writer's version is what it wrote.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writers_at_the_same_instant_lose_nothing() {
    let (s, _) = gateway().await;
    let key = ObjectKey::new("race").unwrap();
    let offers: Vec<Vec<u8>> = (0..4).map(|i| noise(6 << 20, i)).collect();
    let write = |b: &Vec<u8>| s.store.writer.create(&s.bucket, &key, body(b.clone()), options(StorageTier::Hot));
    let results = join_all(offers.iter().map(write)).await;
    assert!(results.iter().any(Result::is_ok));
    for (result, bytes) in results.into_iter().zip(&offers) {
        match result {
            Ok(created) => {
                let mut stream = s.store.reader.read(&created.locator, BYTE_RANGE_ALL).await.unwrap();
                let mut read = Vec::new();
                while let Some(piece) = stream.next().await {
                    read.extend_from_slice(&piece.unwrap());
                }
                assert!(read == *bytes);
            }
            Err(e) => assert_eq!(e.code(), "store.already_exists", "{e}"),
        }
    }
    // Once one is there, nobody comes after it.
    let late = write(&offers[0]).await;
    assert!(matches!(late, Err(StoreError::AlreadyExists(_))), "{late:?}");
}

/// Wrong keys are told as such.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_signature_is_a_matter_of_credentials() {
    let (s, _) = gateway().await;
    let keys = aws_sdk_s3::config::Credentials::new("test", "wrong", None, None, "test");
    let config = client(Rgw::start().await.url(), None).config().to_builder().credentials_provider(keys).build();
    let config_of_store = S3Config::new(s.store.buckets.clone());
    let store = S3Store::new(aws_sdk_s3::Client::from_conf(config), config_of_store, Arc::new(SystemClock)).store();
    let error = store.reader.list(&s.bucket, "", None, 1).await.expect_err("the signature is wrong");
    assert_eq!(error.code(), "store.credentials", "{error}");
    let at = holdfast_model::ObjectLocator {
        store: "s3".into(),
        bucket: s.bucket.clone(),
        key: ObjectKey::new("k").unwrap(),
        version_id: None,
    };
    let error = store.reader.head(&at).await.expect_err("the signature is wrong");
    assert_eq!(error.code(), "store.credentials", "{error}");
}
