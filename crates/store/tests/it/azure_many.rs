//! Many blobs in few calls; links; and what cannot be taken away.

use crate::azure::{Desk, desk};
use azure_core::http::{ClientOptions, Url};
use azure_storage_blob::{BlobClient, BlobClientOptions, models::BlobClientSetTierOptions};
use futures_util::StreamExt as _;
use holdfast_model::{
    Availability, ImmutabilityMode, ObjectKey, ObjectLocator, ObjectRetention, RehydrationSpeed, StorageTier,
};
use holdfast_store::{AzureConfig, AzureStore, Buckets, PutOptions, RehydrateBy, StoreError, azure_service};
use holdfast_testkit::store::{body, options};
use std::{sync::Arc, time::Duration};

async fn put(desk: &Desk, key: &str, put: PutOptions) -> ObjectLocator {
    let key = ObjectKey::new(key).unwrap();
    desk.store.writer.create(&desk.bucket, &key, body(key.as_str()), put).await.unwrap().locator
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_status_of_ten_thousand_takes_few_listings() {
    let desk = desk(|_| {}).await;
    let keys = (0..10_000).map(|i| format!("recordings/2026/{:02}/{:02}/c-{i:05}/r.wav", 1 + i % 3, 1 + i / 3 % 28));
    desk.proxy.pretend(&desk.bucket, keys);
    let page = desk.store.reader.list(&desk.bucket, "recordings/", None, 20_000).await.unwrap();
    let mut made: Vec<_> = page.objects.into_iter().map(|o| o.locator).collect();
    assert!(made.len() == 10_000 && made.iter().all(|at| at.version_id.is_some()));
    // Asked in any order.
    made.sort_by_key(|at| at.key.as_str().bytes().rev().collect::<Vec<_>>());
    for at in made.iter().take(3) {
        desk.proxy.transition(&desk.bucket, at.key.as_str(), "Archive").await;
    }
    let rehydrator = desk.store.rehydrator.clone().unwrap();
    rehydrator.request(&made[1], RehydrationSpeed::Standard, 1).await.unwrap();
    let (lists, heads) = (desk.proxy.calls("ListBlobs"), desk.proxy.calls("GetBlobProperties"));
    let states = rehydrator.status(&made).await.unwrap();
    let (lists, heads) = (desk.proxy.calls("ListBlobs") - lists, desk.proxy.calls("GetBlobProperties") - heads);
    assert_eq!(states.len(), 10_000);
    assert!(lists <= 4 && heads <= 32, "{lists} listings, {heads} single calls");
    let offline = states.iter().flatten().filter(|s| s.availability == Availability::Offline).count();
    let pending =
        states.iter().flatten().filter(|s| matches!(s.availability, Availability::Rehydrating { .. })).count();
    assert_eq!((offline, pending), (2, 1));

    // A few that lie far apart are asked one by one, not by listing all between.
    let few: Vec<_> = made.iter().step_by(700).cloned().collect();
    let lists = desk.proxy.calls("ListBlobs");
    assert_eq!(rehydrator.status(&few).await.unwrap().len(), few.len());
    assert!(desk.proxy.calls("ListBlobs") - lists <= 1);
    // One that is not there is said to be not there, in the middle of many.
    let mut with_one_missing = made[..100].to_vec();
    with_one_missing.push(desk.at("recordings/2026/02/02/none"));
    let states = rehydrator.status(&with_one_missing).await.unwrap();
    assert!(states[..100].iter().all(Option::is_some) && states[100].is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn copies_are_no_objects_and_their_state_is_the_originals() {
    let copies = "rehydrated/".to_owned();
    let desk = desk(|c| {
        c.rehydrate = RehydrateBy::Copy { container: c.buckets.media.clone(), prefix: copies };
    })
    .await;
    let mut all = Vec::new();
    for i in 0..40 {
        all.push(put(&desk, &format!("r/{i:02}"), options(StorageTier::Hot)).await);
        desk.proxy.transition(&desk.bucket, &format!("r/{i:02}"), "Archive").await;
    }
    let rehydrator = desk.store.rehydrator.clone().unwrap();
    for at in &all[..20] {
        assert!(rehydrator.request(at, RehydrationSpeed::Expedited, 2).await.unwrap().started);
    }
    desk.clock.advance(Duration::from_secs(3_600));
    let online = |a: &Availability| matches!(a, Availability::Online { until: Some(_) });
    let states = rehydrator.status(&all).await.unwrap();
    assert_eq!(states.iter().flatten().filter(|s| online(&s.availability)).count(), 20);
    let page = desk.store.reader.list(&desk.bucket, "", None, 100).await.unwrap();
    assert_eq!(page.objects.len(), 40, "copies are not listed");
    assert_eq!(page.objects.iter().filter(|o| online(&o.availability)).count(), 20);
    // The archived original is as it was, so that no rule has to send it back.
    assert!(page.objects.iter().all(|o| o.tier == StorageTier::Cold));
    let again = desk.again().rehydrator.unwrap().request(&all[0], RehydrationSpeed::Expedited, 2).await.unwrap();
    assert!(!again.started, "another process finds the same copy");
}

fn anonymous(desk: &Desk, url: &str) -> BlobClient {
    let transport = Some(desk.proxy.transport(Duration::from_secs(5)));
    let client_options = ClientOptions { transport, ..Default::default() };
    let options = BlobClientOptions { client_options, ..Default::default() };
    BlobClient::new(Url::parse(url).unwrap(), None, Some(options)).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_opens_one_version_for_reading_for_a_while() {
    let desk = desk(|_| {}).await;
    let at = put(&desk, "links/a%20b", options(StorageTier::Hot)).await;
    put(&desk, "links/other", options(StorageTier::Hot)).await;
    assert!(desk.store.reader.capabilities().links);
    let link = desk.store.reader.link(&at, 3_600).await.unwrap();
    assert!(link.url.starts_with("https://") && link.url.contains("sp=r&") && link.url.contains("sr=bv"));
    assert!(link.url.contains("spr=https") && !format!("{link:?}").contains("sig"));

    let client = anonymous(&desk, &link.url);
    let bytes = client.download(None).await.unwrap().body.collect().await.unwrap();
    assert_eq!(bytes.as_ref(), b"links/a%20b");
    client.set_tier("Archive".parse().unwrap(), Some(BlobClientSetTierOptions::default())).await.unwrap_err();
    client.delete(None).await.unwrap_err();
    for other in [link.url.replace("links%2Fa%2520b", "links%2Fother"), link.url.replace("se=2026", "se=2027")] {
        assert_ne!(other, link.url);
        anonymous(&desk, &other).download(None).await.map(|_| ()).unwrap_err();
    }
    desk.clock.advance(Duration::from_secs(3_600));
    client.download(None).await.map(|_| ()).unwrap_err();
    assert_eq!(link.until, holdfast_model::Clock::now(&desk.clock));

    desk.proxy.transition(&desk.bucket, "links/a%20b", "Archive").await;
    assert!(matches!(desk.store.reader.link(&at, 3_600).await, Err(StoreError::Offline(_))));
    assert!(matches!(desk.store.reader.link(&desk.at("links/none"), 60).await, Err(StoreError::NotFound(_))));
    desk.proxy.deny("GetUserDelegationKey");
    match desk.store.reader.link(&desk.at("links/other"), 60).await {
        Err(StoreError::Denied { right, .. }) => assert!(right.contains("generateUserDelegationKey"), "{right}"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sas_does_for_everything_but_links() {
    let desk = desk(|_| {}).await;
    let url = Url::parse(&format!("{}?{}", desk.proxy.url(), desk.proxy.account_sas())).unwrap();
    let service = azure_service(url, None, Some(desk.proxy.transport(Duration::from_secs(5)))).unwrap();
    let buckets = Buckets { media: desk.bucket.clone(), meta: desk.bucket.clone(), quarantine: desk.bucket.clone() };
    let store = AzureStore::new(service, AzureConfig::new(buckets), Arc::new(desk.clock.clone())).store();
    let key = ObjectKey::new("by/sas").unwrap();
    let at = store.writer.create(&desk.bucket, &key, body("x"), options(StorageTier::Hot)).await.unwrap().locator;
    assert_eq!(store.reader.head(&at).await.unwrap().size_bytes, 1);
    assert_eq!(store.reader.list(&desk.bucket, "by/", None, 5).await.unwrap().objects.len(), 1);
    assert!(!store.reader.capabilities().links);
    assert!(matches!(store.reader.link(&at, 60).await, Err(StoreError::NoLinks(_))));
    // A SAS that has lapsed, without a word of it in the error.
    desk.clock.advance(Duration::from_secs(366 * 86_400));
    let error = store.reader.head(&at).await.unwrap_err();
    assert!(matches!(error, StoreError::Credentials { .. }), "{error}");
    assert!(!error.to_string().contains("sig") && !error.to_string().contains("https"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_retained_or_held_cannot_be_deleted_by_its_version() {
    let desk = desk(|_| {}).await;
    let kept = ObjectRetention { mode: ImmutabilityMode::Compliance, until: "2030-01-01T00:00:00Z".parse().unwrap() };
    let retained = put(&desk, "del/kept", PutOptions { retention: Some(kept), ..options(StorageTier::Hot) }).await;
    let held = put(&desk, "del/held", PutOptions { legal_hold: true, ..options(StorageTier::Hot) }).await;
    let free = put(&desk, "del/free", options(StorageTier::Hot)).await;
    let blob = |at: &ObjectLocator| {
        let client = desk.proxy.service().blob_client(&desk.bucket, at.key.as_str());
        client.with_version(at.version_id.as_deref().unwrap()).unwrap()
    };
    for (at, code) in [(&retained, "BlobImmutableDueToPolicy"), (&held, "BlobImmutableDueToLegalHold")] {
        let error = blob(at).delete(None).await.map(|_| ()).unwrap_err();
        assert!(error.to_string().contains(code) || format!("{error:?}").contains(code), "{error:?}");
        assert!(desk.store.reader.head(at).await.is_ok());
    }
    blob(&free).delete(None).await.unwrap();
    // A policy that is over protects nothing any more; a hold stays until it is lifted.
    desk.clock.advance(Duration::from_secs(5 * 366 * 86_400));
    blob(&retained).delete(None).await.unwrap();
    blob(&held).delete(None).await.map(|_| ()).unwrap_err();
    desk.store.retention.set_legal_hold(&held, false).await.unwrap();
    blob(&held).delete(None).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_retention_that_is_over_is_refused_before_the_first_byte() {
    let desk = desk(|_| {}).await;
    let over = ObjectRetention { mode: ImmutabilityMode::Governance, until: "2020-01-01T00:00:00Z".parse().unwrap() };
    let key = ObjectKey::new("over").unwrap();
    let put = PutOptions { retention: Some(over), ..options(StorageTier::Hot) };
    let refused = desk.store.writer.create(&desk.bucket, &key, body("x"), put).await;
    assert!(matches!(refused, Err(StoreError::Invalid { .. })));
    assert_eq!(desk.proxy.calls("PutBlob"), 0);
}

/// Someone with other tools wrote over it: the version that Holdfast archived is still what its locator names.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_version_outlives_what_is_written_over_it() {
    let desk = desk(|_| {}).await;
    let at = put(&desk, "over/a", options(StorageTier::Hot)).await;
    let client = desk.proxy.service().blob_client(&desk.bucket, "over/a");
    client.upload(azure_core::http::RequestContent::from(b"forged".to_vec()), None).await.unwrap();
    assert_eq!(desk.proxy.versions(&desk.bucket, "over/a"), 2);
    let read = async |at: &ObjectLocator| {
        let pieces: Vec<_> = desk.store.reader.read(at, holdfast_store::BYTE_RANGE_ALL).await.unwrap().collect().await;
        pieces.into_iter().flat_map(|p| p.unwrap().to_vec()).collect::<Vec<u8>>()
    };
    assert_eq!(read(&at).await, b"over/a");
    assert_eq!(read(&desk.at("over/a")).await, b"forged");
    assert_eq!(desk.store.rehydrator.clone().unwrap().status(std::slice::from_ref(&at)).await.unwrap().len(), 1);
    let page = desk.store.reader.list(&desk.bucket, "over/", None, 10).await.unwrap();
    assert_eq!(page.objects.len(), 1, "the current version alone is listed");
    assert_ne!(page.objects[0].locator, at);
    client.delete(None).await.unwrap();
    assert_eq!(read(&at).await, b"over/a");
    assert!(matches!(desk.store.reader.head(&desk.at("over/a")).await, Err(StoreError::NotFound(_))));
}
