//! What S3 has that others have not: keys, delete markers, classes of Intelligent-Tiering, presigned addresses.

use crate::s3::Cloud;
use futures_util::StreamExt as _;
use holdfast_model::{Availability, Fault as _, ObjectKey, ObjectLocator, RehydrationSpeed, Sha256Digest, StorageTier};
use holdfast_store::{BYTE_RANGE_ALL, Created, PutOptions, S3Config, Store, StoreError};
use holdfast_testkit::store::{body, noise, options};
use std::time::Duration;

const KEY: &str = "arn:aws:kms:us-east-1:000000000000:key/aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee";
const OTHER: &str = "arn:aws:kms:us-east-1:000000000000:key/ffffffff-bbbb-4ccc-8ddd-eeeeeeeeeeee";

async fn create(store: &Store, key: &str, bytes: Vec<u8>, tier: StorageTier) -> Result<Created, StoreError> {
    create_with(store, key, bytes, options(tier)).await
}

async fn create_with(store: &Store, key: &str, bytes: Vec<u8>, put: PutOptions) -> Result<Created, StoreError> {
    store.writer.create(&store.buckets.media, &ObjectKey::new(key).unwrap(), body(bytes), put).await
}

async fn read(store: &Store, at: &ObjectLocator) -> Result<Vec<u8>, StoreError> {
    let mut stream = store.reader.read(at, BYTE_RANGE_ALL).await?;
    let mut all = Vec::new();
    while let Some(piece) = stream.next().await {
        all.extend_from_slice(&piece?);
    }
    Ok(all)
}

fn detail(result: Result<impl std::fmt::Debug, StoreError>) -> (String, String) {
    match result {
        Err(StoreError::Key { key, detail }) => (key, detail),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_is_encrypted_with_the_configured_key() {
    let cloud = Cloud::start().await;
    let store = cloud.store_with(S3Config { kms_key: Some(KEY.into()), part_size_bytes: 5 << 20, ..cloud.config() });
    for (key, size) in [("small", 1_000), ("large", 11 << 20)] {
        let at = create(&store, key, noise(size, 1), StorageTier::Hot).await.unwrap().locator;
        let head = cloud.client.head_object().bucket(&cloud.bucket).key(key).send().await.unwrap();
        assert_eq!(head.ssekms_key_id(), Some(KEY), "{key}");
        assert!(read(&store, &at).await.unwrap() == noise(size, 1));

        cloud.proxy.disable_key(KEY);
        assert_eq!(detail(read(&store, &at).await), (KEY.to_owned(), "it is disabled".to_owned()));
        let (_, words) = detail(create(&store, &format!("{key}/new"), noise(size, 1), StorageTier::Hot).await);
        assert_eq!(words, "it is disabled");
        // Facts need no key.
        assert_eq!(store.reader.head(&at).await.unwrap().size_bytes, size);
        cloud.proxy.enable_key(KEY);

        for (right, write) in [("kms:Decrypt", false), ("kms:GenerateDataKey", true)] {
            cloud.proxy.deny(right);
            let (_, words) = match write {
                true => detail(create(&store, &format!("{key}/new"), noise(size, 1), StorageTier::Hot).await),
                false => detail(read(&store, &at).await),
            };
            assert!(words.contains(right), "{words}");
            cloud.proxy.allow(right);
        }
        create(&store, &format!("{key}/new"), noise(size, 1), StorageTier::Hot).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_key_is_told_apart_from_an_earlier_one() {
    let cloud = Cloud::start().await;
    let with = |kms_key: Option<&str>, earlier: &[&str]| {
        cloud.store_with(S3Config {
            kms_key: kms_key.map(str::to_owned),
            earlier_kms_keys: earlier.iter().map(|k| (*k).to_owned()).collect(),
            ..cloud.config()
        })
    };
    let old = create(&with(Some(OTHER), &[]), "old", b"x".to_vec(), StorageTier::Hot).await.unwrap().locator;
    let plain = create(&with(None, &[]), "plain", b"x".to_vec(), StorageTier::Hot).await.unwrap().locator;

    let strict = with(Some(KEY), &[]);
    let (key, words) = detail(read(&strict, &old).await);
    assert!(key == KEY && words.contains(OTHER) && words.contains("earlier_kms_keys"), "{key}: {words}");
    assert!(detail(read(&strict, &plain).await).1.contains("not encrypted"));

    // By its id alone, too, and an alias could be any.
    for (now, earlier) in [(KEY, OTHER), (KEY, "ffffffff-bbbb-4ccc-8ddd-eeeeeeeeeeee"), ("alias/holdfast", "none")] {
        assert_eq!(read(&with(Some(now), &[earlier]), &old).await.unwrap(), b"x");
    }
    assert_eq!(read(&with(None, &[]), &old).await.unwrap(), b"x", "without a configured key none is checked");
}

/// Somebody deletes without naming a version. What is retained is still there, for every call, and its place stays taken.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delete_marker_hides_nothing() {
    let cloud = Cloud::start().await;
    let store = cloud.store();
    let at = create(&store, "calls/1", b"first".to_vec(), StorageTier::Hot).await.unwrap().locator;
    create(&store, "calls/2", b"second".to_vec(), StorageTier::Hot).await.unwrap();
    for _ in 0..3 {
        cloud.client.delete_object().bucket(&cloud.bucket).key("calls/1").send().await.unwrap();
    }
    let newest = ObjectLocator { version_id: None, ..at.clone() };
    assert_eq!(store.reader.head(&newest).await.unwrap().locator, at);
    assert_eq!(read(&store, &newest).await.unwrap(), b"first");
    assert_eq!(read(&store, &at).await.unwrap(), b"first");
    let listed = store.reader.list(&cloud.bucket, "calls/", None, 10).await.unwrap();
    assert_eq!(listed.objects.iter().map(|o| &o.locator).filter(|l| **l == at).count(), 1);
    assert_eq!(listed.objects.len(), 2);
    let states = store.rehydrator.as_ref().unwrap().status(&[newest.clone(), at.clone()]).await.unwrap();
    assert!(states.iter().flatten().filter(|s| s.availability == Availability::Online { until: None }).count() == 2);
    for other in ["first", "other"] {
        match create(&store, "calls/1", other.into(), StorageTier::Hot).await {
            Err(StoreError::AlreadyExists(there)) => assert_eq!(there.locator, at),
            other => panic!("{other:?}"),
        }
    }
    // A marker above nothing is nothing.
    cloud.client.delete_object().bucket(&cloud.bucket).key("calls/3").send().await.unwrap();
    let nothing = ObjectLocator { key: ObjectKey::new("calls/3").unwrap(), ..newest };
    assert!(matches!(store.reader.head(&nothing).await, Err(StoreError::NotFound(_))));
    create(&store, "calls/3", b"third".to_vec(), StorageTier::Hot).await.unwrap();
}

/// What Intelligent-Tiering archived by itself says so in facts, listings and status, and comes back for good.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn intelligent_tiering_tells_its_archive_tiers() {
    let cloud = Cloud::start().await;
    let store = cloud.store_with(S3Config { hot_class: "INTELLIGENT_TIERING".into(), ..cloud.config() });
    let rehydrator = store.rehydrator.clone().unwrap();
    for (tier, class, speeds, is) in [
        ("ARCHIVE_ACCESS", "INTELLIGENT_TIERING/ARCHIVE_ACCESS", 3, StorageTier::Cold),
        ("DEEP_ARCHIVE_ACCESS", "INTELLIGENT_TIERING/DEEP_ARCHIVE_ACCESS", 2, StorageTier::DeepCold),
    ] {
        let at = create(&store, tier, b"x".to_vec(), StorageTier::Hot).await.unwrap().locator;
        assert_eq!(store.reader.head(&at).await.unwrap().tier, StorageTier::Hot);
        cloud.proxy.transition(&cloud.bucket, tier, tier).await;
        let info = store.reader.head(&at).await.unwrap();
        assert_eq!((info.storage_class.as_str(), info.tier), (class, is));
        assert_eq!(info.availability, Availability::Offline);
        let listed = store.reader.list(&cloud.bucket, tier, None, 1).await.unwrap().objects.remove(0);
        assert_eq!(listed, info.clone().into());
        assert!(matches!(read(&store, &at).await, Err(StoreError::Offline(_))));

        let options = rehydrator.options(&info.storage_class);
        assert_eq!(options.len(), speeds);
        assert!(rehydrator.request(&at, RehydrationSpeed::Standard, 3).await.unwrap().started);
        (crate::s3::passing(&cloud.clock))(Duration::from_secs(13 * 3_600)).await;
        assert_eq!(read(&store, &at).await.unwrap(), b"x");
        let back = store.reader.head(&at).await.unwrap();
        assert_eq!((back.availability, back.tier), (Availability::Online { until: None }, StorageTier::Hot));
    }
    assert!(rehydrator.options("INTELLIGENT_TIERING").is_empty());
}

/// Instant Retrieval is online: nothing to ask for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn instant_retrieval_is_online() {
    let cloud = Cloud::start().await;
    let store = cloud.store();
    let at = create(&store, "cool", b"x".to_vec(), StorageTier::Cool).await.unwrap().locator;
    let info = store.reader.head(&at).await.unwrap();
    assert_eq!((info.storage_class.as_str(), info.tier), ("GLACIER_IR", StorageTier::Cool));
    let ticket = store.rehydrator.as_ref().unwrap().request(&at, RehydrationSpeed::Standard, 1).await.unwrap();
    assert_eq!((ticket.availability, ticket.started), (Availability::Online { until: None }, false));
    assert_eq!(cloud.proxy.calls("RestoreObject"), 0);
}

/// A copy that would lapse too early is kept longer, without another retrieval.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_is_kept_longer_when_asked_again() {
    let cloud = Cloud::start().await;
    let store = cloud.store();
    let rehydrator = store.rehydrator.clone().unwrap();
    let at = create(&store, "kept", b"x".to_vec(), StorageTier::Hot).await.unwrap().locator;
    cloud.proxy.transition(&cloud.bucket, "kept", "GLACIER").await;
    assert!(rehydrator.request(&at, RehydrationSpeed::Expedited, 1).await.unwrap().started);
    cloud.clock.advance(Duration::from_secs(3_600));
    let until = |availability: &Availability| match availability {
        Availability::Online { until: Some(until) } => *until,
        other => panic!("{other:?}"),
    };
    let first = until(&store.reader.head(&at).await.unwrap().availability);
    let ticket = rehydrator.request(&at, RehydrationSpeed::Bulk, 10).await.unwrap();
    assert!(!ticket.started, "it is online already");
    assert!(until(&ticket.availability) > first + jiff::SignedDuration::from_hours(24 * 8));
    assert_eq!(read(&store, &at).await.unwrap(), b"x", "and it stays readable meanwhile");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_gives_one_version_for_a_while() {
    let cloud = Cloud::start().await;
    let store = cloud.store();
    let bytes = noise(300_000, 9);
    let at = create(&store, "linked/a%20b", bytes.clone(), StorageTier::Hot).await.unwrap().locator;
    let now = holdfast_model::Clock::now(&cloud.clock);
    let link = store.reader.link(&at, 3_600).await.unwrap();
    assert!(link.until <= now + jiff::SignedDuration::from_secs(3_600) && link.until > now);
    assert!(link.url.contains("versionId=") && !format!("{link:?}").contains("X-Amz-Signature"));
    let got = reqwest::get(&link.url).await.unwrap();
    assert!(got.status().is_success());
    assert_eq!(Sha256Digest::of(&got.bytes().await.unwrap()), Sha256Digest::of(&bytes));

    let other = link.url.replace(at.version_id.as_ref().unwrap(), "another");
    assert!(!reqwest::get(&other).await.unwrap().status().is_success(), "the version is signed too");
    let short = store.reader.link(&at, 1).await.unwrap();
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    assert!(!reqwest::get(&short.url).await.unwrap().status().is_success(), "it has lapsed");

    // No link to what cannot be read, and none that outlives a copy.
    cloud.proxy.transition(&cloud.bucket, "linked/a%20b", "GLACIER").await;
    let offline = store.reader.link(&at, 60).await.expect_err("it is offline");
    assert_eq!(offline.code(), "store.offline");
}

/// Tags and metadata of every kind go in with the write, whether in one request or in parts.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tags_go_in_with_the_write() {
    let cloud = Cloud::start().await;
    let store = cloud.store_with(S3Config { part_size_bytes: 5 << 20, ..cloud.config() });
    let text = |pairs: &[(&str, &str)]| pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    for (key, size) in [("small", 10), ("large", 6 << 20)] {
        let put = PutOptions {
            tags: text(&[("retention-class", "finra 6y+"), ("legal=basis", "17a-4/b&c")]),
            metadata: text(&[("residency", "eu"), ("classification", "a; b=c %41")]),
            ..options(StorageTier::Hot)
        };
        let at = create_with(&store, key, noise(size, 2), put.clone()).await.unwrap().locator;
        let info = store.reader.head(&at).await.unwrap();
        assert_eq!(info.tags, put.tags, "{key}");
        assert!(put.metadata.iter().all(|(k, v)| info.metadata.get(k) == Some(v)), "{:?}", info.metadata);
    }
    assert_eq!(cloud.proxy.calls("PutObjectTagging"), 0);
    let put = PutOptions { metadata: text(&[("who", "Zoë")]), ..options(StorageTier::Hot) };
    let refused = create_with(&store, "ascii", b"x".to_vec(), put).await;
    assert!(matches!(refused, Err(StoreError::Invalid { .. })));
}
