//! What goes wrong between Holdfast and Azure, one by one: the right outcome, nothing lost, nothing doubled.

use crate::azure::{Desk, desk};
use futures_util::StreamExt as _;
use holdfast_model::{
    Availability, Fault as _, ImmutabilityMode, ObjectKey, ObjectLocator, ObjectRetention, RehydrationSpeed,
    Sha256Digest, StorageTier,
};
use holdfast_store::{BYTE_RANGE_ALL, Created, Store, StoreError};
use holdfast_testkit::{
    cloud::azure::{Fault, FaultKind},
    store::{body, noise, options},
};
use std::time::Duration;

const BLOCK: usize = 256 << 10;

/// Where no answer comes the connection closes soon, so that no test depends on how fast the machine is.
async fn small_blocks() -> Desk {
    let desk = desk(|c| c.block_bytes = BLOCK).await;
    desk.proxy.set_patience(Duration::from_millis(200));
    desk
}

async fn put(store: &Store, desk: &Desk, key: &str, bytes: Vec<u8>) -> Result<Created, StoreError> {
    store.writer.create(&desk.bucket, &ObjectKey::new(key).unwrap(), body(bytes), options(StorageTier::Hot)).await
}

async fn all(store: &Store, at: &ObjectLocator) -> Result<Vec<u8>, StoreError> {
    let mut stream = store.reader.read(at, BYTE_RANGE_ALL).await?;
    let mut all = Vec::new();
    while let Some(piece) = stream.next().await {
        all.extend_from_slice(&piece?);
    }
    Ok(all)
}

/// Faults after which the same is simply done again, whether or not it had been done.
fn passing() -> [FaultKind; 8] {
    [
        FaultKind::ServerBusy,
        FaultKind::OperationTimedOut,
        FaultKind::OperationTimedOutAfter,
        FaultKind::InternalError,
        FaultKind::TimeoutBefore,
        FaultKind::TimeoutAfter,
        FaultKind::CutBefore,
        FaultKind::CutAfter,
    ]
}

/// Faults after which nothing was done, with what is said of each.
fn refusals() -> [(FaultKind, &'static str); 14] {
    [
        (FaultKind::ExpiredToken, "store.credentials"),
        (FaultKind::AuthenticationFailed, "store.credentials"),
        (FaultKind::ClockSkew(Duration::from_secs(3_600)), "store.clock_skew"),
        (FaultKind::Answer(403, "AuthorizationPermissionMismatch"), "store.denied"),
        (FaultKind::Answer(403, "AuthorizationFailure"), "store.denied"),
        (FaultKind::Answer(403, "KeyVaultEncryptionKeyNotFound"), "store.key"),
        (FaultKind::Answer(403, "KeyVaultAccessTokenCannotBeAcquired"), "store.key"),
        (FaultKind::Answer(409, "CannotAccessKeyVault"), "store.key"),
        (FaultKind::Answer(409, "BlobImmutableDueToPolicy"), "store.refused"),
        (FaultKind::Answer(409, "BlobImmutableDueToLegalHold"), "store.refused"),
        (FaultKind::Answer(409, "ContainerBeingDeleted"), "store.refused"),
        (FaultKind::Answer(409, "SomethingNobodyKnows"), "store.refused"),
        (FaultKind::Answer(404, "ContainerNotFound"), "store.invalid"),
        (FaultKind::Answer(409, "BlobArchived"), "store.offline"),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_that_fails_in_passing_is_done_once() {
    let desk = small_blocks().await;
    let store = desk.again();
    // In one call, and in blocks.
    for (op, length) in [("PutBlob", 5_000), ("PutBlock", 700_000), ("PutBlockList", 700_000)] {
        for (i, kind) in passing().into_iter().enumerate() {
            let key = format!("passing/{op}/{i}");
            let bytes = noise(length, i as u64);
            let before = desk.proxy.calls(op);
            desk.proxy.fault(Fault::on(op, kind.clone()).key(&key));
            let created =
                put(&store, &desk, &key, bytes.clone()).await.unwrap_or_else(|e| panic!("{op} {kind:?}: {e}"));
            assert!(desk.proxy.calls(op) > before + 1, "{op} {kind:?} befell nothing");
            assert_eq!(created.fixity.digest, Sha256Digest::of(&bytes));
            assert_eq!(desk.proxy.versions(&desk.bucket, &key), 1, "{op} {kind:?}");
            assert_eq!(all(&store, &created.locator).await.unwrap(), bytes, "{op} {kind:?}");
            let info = store.reader.head(&created.locator).await.unwrap();
            assert_eq!(info.sha256, Some(created.fixity.digest));
        }
    }
}

/// Nobody closes the connection: it is the client that gives up waiting.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_that_is_never_answered_is_done_once() {
    let desk = desk(|c| c.block_bytes = BLOCK).await;
    let store = desk.waiting(Duration::from_secs(4));
    desk.proxy.fault(Fault::on("PutBlob", FaultKind::TimeoutAfter));
    let created = put(&store, &desk, "unanswered", noise(5_000, 1)).await.unwrap();
    assert_eq!(desk.proxy.versions(&desk.bucket, "unanswered"), 1);
    assert_eq!(all(&desk.store, &created.locator).await.unwrap(), noise(5_000, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_that_was_done_but_never_said_so_is_found() {
    let desk = small_blocks().await;
    for (op, length) in [("PutBlob", 5_000), ("PutBlockList", 700_000)] {
        for kind in [FaultKind::CutAfter, FaultKind::OperationTimedOutAfter] {
            let key = format!("never/{op}/{kind:?}");
            desk.proxy.fault(Fault::on(op, kind.clone()).key(&key).times(100));
            let created = put(&desk.store, &desk, &key, noise(length, 1)).await.unwrap();
            assert!(created.locator.version_id.is_some());
            assert_eq!(desk.proxy.versions(&desk.bucket, &key), 1);
            // And what another wrote is never taken for one's own, be it byte for byte the same.
            match put(&desk.store, &desk, &key, noise(length, 1)).await {
                Err(StoreError::AlreadyExists(there)) => assert_eq!(there.locator, created.locator),
                other => panic!("{other:?}"),
            }
            desk.proxy.clear_faults();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_that_stays_refused_leaves_nothing() {
    let desk = small_blocks().await;
    for (op, length) in [("PutBlob", 5_000), ("PutBlock", 700_000), ("PutBlockList", 700_000)] {
        let lasting = [(FaultKind::ServerBusy, "store.throttled"), (FaultKind::CutBefore, "store.io")];
        for (i, (kind, code)) in refusals().into_iter().chain(lasting).enumerate() {
            let key = format!("refused/{op}/{i}");
            desk.proxy.fault(Fault::on(op, kind.clone()).key(&key).times(100));
            let error = put(&desk.store, &desk, &key, noise(length, 1)).await.unwrap_err();
            assert_eq!(error.code(), code, "{op} {kind:?}: {error}");
            assert!(!error.to_string().contains("sig="), "{error}");
            desk.proxy.clear_faults();
            assert!(matches!(desk.store.reader.head(&desk.at(&key)).await, Err(StoreError::NotFound(_))));
            assert_eq!(desk.proxy.versions(&desk.bucket, &key), 0, "{op} {kind:?}");
            put(&desk.store, &desk, &key, noise(length, 1)).await.expect("the key is free");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_breaks_is_taken_up_again() {
    let desk = desk(|c| c.block_bytes = 1 << 20).await;
    desk.proxy.set_patience(Duration::from_millis(200));
    let store = desk.again();
    let bytes = noise(3_500_000, 9);
    let at = put(&store, &desk, "broken/a", bytes.clone()).await.unwrap().locator;
    let bodies = [FaultKind::ResetMidBody(300_001), FaultKind::ShortBody(300_001), FaultKind::ResetMidBody(0)];
    for kind in bodies.into_iter().chain(passing()) {
        for which in [0, 1, 3] {
            desk.proxy.fault(Fault::on("GetBlob", kind.clone()).after(which));
            assert_eq!(
                all(&store, &at).await.unwrap_or_else(|e| panic!("{kind:?} {which}: {e}")),
                bytes,
                "{kind:?} {which}"
            );
            desk.proxy.clear_faults();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_stays_short_is_an_error_and_a_wrong_one_another_digest() {
    let desk = desk(|c| c.block_bytes = 1 << 20).await;
    let bytes = noise(2_500_000, 9);
    let created = put(&desk.store, &desk, "short/a", bytes.clone()).await.unwrap();
    for which in [0, 1] {
        for kind in [FaultKind::ResetMidBody(0), FaultKind::ShortBody(0)] {
            desk.proxy.fault(Fault::on("GetBlob", kind.clone()).after(which).times(1_000));
            let error = all(&desk.store, &created.locator).await.unwrap_err();
            assert!(matches!(error.code(), "store.io" | "store.short_read"), "{kind:?}: {error}");
            desk.proxy.clear_faults();
        }
        desk.proxy.fault(Fault::on("GetBlob", FaultKind::WrongBytes(77)).after(which));
        let wrong = all(&desk.store, &created.locator).await.unwrap();
        assert_eq!(wrong.len(), bytes.len());
        assert_ne!(Sha256Digest::of(&wrong), created.fixity.digest, "who compares digests sees it");
    }
    for (kind, code) in refusals() {
        desk.proxy.fault(Fault::on("GetBlob", kind.clone()));
        let error = all(&desk.store, &created.locator).await.unwrap_err();
        assert_eq!(error.code(), code, "{kind:?}: {error}");
        desk.proxy.fault(Fault::on("GetBlobProperties", kind.clone()));
        let error = desk.store.reader.head(&created.locator).await.unwrap_err();
        assert_eq!(error.code(), code, "{kind:?}: {error}");
        desk.proxy.clear_faults();
    }
}

async fn cold(desk: &Desk, key: &str) -> ObjectLocator {
    let at = put(&desk.store, desk, key, noise(5_000, 3)).await.unwrap().locator;
    desk.proxy.transition(&desk.bucket, key, "Archive").await;
    at
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rehydration_is_started_once_whatever_was_answered() {
    let desk = small_blocks().await;
    let store = desk.again();
    let rehydrator = store.rehydrator.clone().unwrap();
    for (i, kind) in passing().into_iter().enumerate() {
        let at = cold(&desk, &format!("cold/{i}")).await;
        desk.proxy.fault(Fault::on("SetBlobTier", kind.clone()));
        let ticket =
            rehydrator.request(&at, RehydrationSpeed::Standard, 1).await.unwrap_or_else(|e| panic!("{kind:?}: {e}"));
        assert!(matches!(ticket.availability, Availability::Rehydrating { .. }), "{kind:?}");
        desk.clock.advance(Duration::from_secs(15 * 3_600));
        assert_eq!(all(&store, &at).await.unwrap(), noise(5_000, 3));
    }
    // An answer that is lost for good.
    let at = cold(&desk, "cold/lost").await;
    desk.proxy.fault(Fault::on("SetBlobTier", FaultKind::CutAfter).times(100));
    assert!(rehydrator.request(&at, RehydrationSpeed::Standard, 1).await.unwrap().started);
    desk.proxy.clear_faults();
    // Nothing was done, and it is said why.
    for (kind, code) in refusals().into_iter().chain([(FaultKind::ServerBusy, "store.throttled")]) {
        let at = cold(&desk, &format!("cold/{code}/{}", hex::encode(format!("{kind:?}")))).await;
        desk.proxy.fault(Fault::on("SetBlobTier", kind.clone()).times(100));
        let error = rehydrator.request(&at, RehydrationSpeed::Standard, 1).await.unwrap_err();
        assert_eq!(error.code(), code, "{kind:?}: {error}");
        desk.proxy.clear_faults();
        let state = rehydrator.status(std::slice::from_ref(&at)).await.unwrap().remove(0).unwrap();
        assert_eq!(state.availability, Availability::Offline);
    }
    let unsupported = rehydrator.request(&at_of(&desk, "cold/none").await, RehydrationSpeed::Bulk, 1).await;
    assert!(matches!(unsupported, Err(StoreError::Unsupported { .. })));
}

async fn at_of(desk: &Desk, key: &str) -> ObjectLocator {
    cold(desk, key).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_who_ask_at_once_share_one_rehydration() {
    let desk = small_blocks().await;
    let at = cold(&desk, "shared").await;
    let (one, two) = (desk.store.rehydrator.clone().unwrap(), desk.again().rehydrator.unwrap());
    let (a, b) = tokio::join!(
        one.request(&at, RehydrationSpeed::Expedited, 1),
        two.request(&at, RehydrationSpeed::Expedited, 1)
    );
    let (a, b) = (a.unwrap(), b.unwrap());
    assert!(a.started || b.started);
    assert_eq!(a.availability, b.availability);
    desk.clock.advance(Duration::from_secs(3_600));
    assert_eq!(all(&desk.store, &at).await.unwrap(), noise(5_000, 3), "at the speed that was asked for");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_lifecycle_takes_back_before_it_is_fetched_is_offline_again() {
    let desk = small_blocks().await;
    let at = cold(&desk, "taken-back").await;
    let rehydrator = desk.store.rehydrator.clone().unwrap();
    rehydrator.request(&at, RehydrationSpeed::Expedited, 7).await.unwrap();
    desk.clock.advance(Duration::from_secs(3_600));
    let state = async || rehydrator.status(std::slice::from_ref(&at)).await.unwrap().remove(0).unwrap();
    assert_eq!(state().await.availability, Availability::Online { until: None });
    desk.proxy.transition(&desk.bucket, "taken-back", "Archive").await;
    assert_eq!((state().await.availability, state().await.tier), (Availability::Offline, StorageTier::Cold));
    assert!(matches!(all(&desk.store, &at).await, Err(StoreError::Offline(_))));
    assert!(rehydrator.request(&at, RehydrationSpeed::Expedited, 7).await.unwrap().started, "it can be asked for anew");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn retention_and_hold_stand_whatever_was_answered() {
    let desk = small_blocks().await;
    let store = desk.again();
    for (i, kind) in passing().into_iter().enumerate() {
        let at = put(&store, &desk, &format!("kept/{i}"), vec![1]).await.unwrap().locator;
        let until = "2040-01-01T00:00:00Z".parse().unwrap();
        let kept = ObjectRetention { mode: ImmutabilityMode::Compliance, until };
        desk.proxy.fault(Fault::on("SetImmutabilityPolicy", kind.clone()));
        desk.proxy.fault(Fault::on("SetLegalHold", kind.clone()));
        store.retention.extend(&at, kept).await.unwrap_or_else(|e| panic!("{kind:?}: {e}"));
        store.retention.set_legal_hold(&at, true).await.unwrap_or_else(|e| panic!("{kind:?}: {e}"));
        let info = store.reader.head(&at).await.unwrap();
        assert_eq!((info.retention, info.legal_hold), (Some(kept), true), "{kind:?}");
    }
    let at = put(&store, &desk, "kept/not", vec![1]).await.unwrap().locator;
    for (op, kind) in
        [("SetLegalHold", FaultKind::CutAfter), ("SetImmutabilityPolicy", FaultKind::OperationTimedOutAfter)]
    {
        desk.proxy.fault(Fault::on(op, kind).times(100));
    }
    let kept =
        ObjectRetention { mode: ImmutabilityMode::Governance, until: "2040-01-01T00:00:00.001Z".parse().unwrap() };
    store.retention.extend(&at, kept).await.unwrap();
    store.retention.set_legal_hold(&at, true).await.unwrap();
    desk.proxy.clear_faults();
    let info = store.reader.head(&at).await.unwrap();
    assert_eq!(info.retention.unwrap().until, "2040-01-01T00:00:01Z".parse().unwrap(), "whole seconds, rounded up");
    desk.proxy.deny("SetLegalHold");
    match store.retention.set_legal_hold(&at, false).await {
        Err(StoreError::Denied { right, .. }) => assert!(right.contains("immutableStorage"), "{right}"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_scope_that_the_container_forces_is_said() {
    let desk = desk(|c| c.encryption_scope = Some("holdfast-scope".to_owned())).await;
    put(&desk.store, &desk, "scoped", vec![1]).await.unwrap();
    put(&desk.store, &desk, "scoped-blocks", noise(9 << 20, 1)).await.unwrap();
    desk.proxy.force_scope(Some("another-scope"));
    match put(&desk.store, &desk, "scoped-otherwise", vec![1]).await {
        Err(StoreError::Key { key, detail }) => {
            assert_eq!(key, "holdfast-scope");
            assert!(detail.contains("another-scope"), "{detail}");
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_without_versions_still_keeps_what_is_written() {
    let desk = small_blocks().await;
    desk.proxy.versioning(false);
    let created = put(&desk.store, &desk, "unversioned", vec![1, 2]).await.unwrap();
    assert_eq!(created.locator.version_id, None, "preflight says so");
    assert_eq!(all(&desk.store, &created.locator).await.unwrap(), [1, 2]);
    assert!(matches!(put(&desk.store, &desk, "unversioned", vec![3]).await, Err(StoreError::AlreadyExists(_))));
}
