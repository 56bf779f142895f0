//! Every fault of the line and of the provider, on every call: what passes is borne, what doesn't is told by its name, and in no case
//! is an object lost, doubled or half made.

use crate::s3::Cloud;
use bytes::Bytes;
use futures_util::{StreamExt as _, future::join_all};
use holdfast_model::{
    Availability, Fault as _, FaultKind as Kind, Fixity, ImmutabilityMode, ObjectKey, ObjectLocator, ObjectRetention,
    RehydrationSpeed, Sha256Digest, StorageTier,
};
use holdfast_store::{BYTE_RANGE_ALL, Created, PutOptions, S3Config, Store, StoreError};
use holdfast_testkit::{
    cloud::aws::{Fault, FaultKind},
    store::{body, noise, options},
};
use std::time::Duration;

const SMALL: u64 = 100_000;
/// Three parts of 5 MiB at most.
const LARGE: u64 = 11 << 20;

/// What passes by itself.
fn passing() -> Vec<FaultKind> {
    vec![
        FaultKind::SlowDown503,
        FaultKind::InternalError500,
        FaultKind::CutBefore,
        FaultKind::CutAfter,
        FaultKind::ResetMidBody(700),
        FaultKind::Delay(Duration::from_millis(300)),
        FaultKind::TimeoutBefore,
        FaultKind::TimeoutAfter,
    ]
}

fn patient(cloud: &Cloud) -> S3Config {
    S3Config {
        part_size_bytes: 5 << 20,
        parallel_parts: 2,
        attempts: 3,
        attempt_timeout: Duration::from_secs(4),
        ..cloud.config()
    }
}

struct Bench {
    cloud: Cloud,
    store: Store,
}

impl Bench {
    async fn start() -> Self {
        let cloud = Cloud::start().await;
        let store = cloud.store_with(patient(&cloud));
        Self { cloud, store }
    }

    async fn create(&self, key: &str, bytes: &[u8]) -> Result<Created, StoreError> {
        let fixity = Fixity::sha256(Sha256Digest::of(bytes), bytes.len() as u64);
        let put = PutOptions { expected: Some(fixity), ..options(StorageTier::Hot) };
        self.store.writer.create(&self.cloud.bucket, &ObjectKey::new(key).unwrap(), body(bytes), put).await
    }

    fn at(&self, key: &str) -> ObjectLocator {
        let key = ObjectKey::new(key).unwrap();
        ObjectLocator { store: "s3".into(), bucket: self.cloud.bucket.clone(), key, version_id: None }
    }

    async fn bytes(&self, at: &ObjectLocator) -> Result<Vec<u8>, StoreError> {
        let mut stream = self.store.reader.read(at, BYTE_RANGE_ALL).await?;
        let mut all = Vec::new();
        while let Some(piece) = stream.next().await {
            all.extend_from_slice(&piece?);
        }
        Ok(all)
    }

    /// Versions and delete markers under a key, by the provider's own account.
    async fn versions(&self, key: &str) -> usize {
        let listed =
            self.cloud.client.list_object_versions().bucket(&self.cloud.bucket).prefix(key).send().await.unwrap();
        listed.versions().len() + listed.delete_markers().len()
    }

    async fn open_uploads(&self, key: &str) -> usize {
        let listed =
            self.cloud.client.list_multipart_uploads().bucket(&self.cloud.bucket).prefix(key).send().await.unwrap();
        listed.uploads().len()
    }

    /// Exactly one object is there: these bytes, with their digest, under the version that was told.
    async fn assert_one(&self, created: &Created, bytes: &[u8], what: &str) {
        let key = created.locator.key.as_str();
        assert_eq!(self.versions(key).await, 1, "{what}");
        let info = self.store.reader.head(&self.at(key)).await.unwrap();
        assert_eq!(info.locator, created.locator, "{what}");
        assert_eq!((info.sha256, info.size_bytes), (Some(Sha256Digest::of(bytes)), bytes.len() as u64), "{what}");
        assert_eq!(created.fixity.digest, Sha256Digest::of(bytes), "{what}");
        assert!(self.bytes(&created.locator).await.unwrap() == bytes, "{what}");
    }

    /// Nothing is there, and the key can be used; or it was made and says so.
    async fn assert_none_or_one(&self, key: &str, bytes: &[u8], what: &str) {
        self.cloud.proxy.clear_faults();
        match self.create(key, bytes).await {
            Ok(created) => self.assert_one(&created, bytes, what).await,
            Err(StoreError::AlreadyExists(there)) => {
                assert_eq!(there.sha256, Some(Sha256Digest::of(bytes)), "{what}");
                assert_eq!(self.versions(key).await, 1, "{what}");
            }
            Err(other) => panic!("{what}: {other}"),
        }
    }
}

/// One fault of each kind that passes, on `op`, while an object of `size` bytes is made.
async fn creates_in_spite_of_faults_on(op: &str, size: u64) {
    let bench = Bench::start().await;
    bench.cloud.proxy.set_patience(Duration::from_secs(8));
    let kinds = passing().into_iter().chain([FaultKind::Conflict("OperationAborted")]);
    let runs = kinds.enumerate().map(|(i, kind)| {
        let bench = &bench;
        async move {
            // HEAD and the like cannot be told to conflict.
            if matches!(kind, FaultKind::Conflict(_)) && !matches!(op, "PutObject" | "CompleteMultipartUpload") {
                return;
            }
            let (key, what) = (format!("faults/{op}/{i}/r"), format!("{kind:?} on {op}"));
            bench.cloud.proxy.fault(Fault::on(op, kind.clone()).key(&key));
            let bytes = noise(size, i as u64);
            let created = bench.create(&key, &bytes).await.unwrap_or_else(|e| panic!("{what}: {e}"));
            bench.assert_one(&created, &bytes, &what).await;
            // One that began twice, since the first answer was lost, is lifecycle's to sweep.
            let lost = op == "CreateMultipartUpload";
            assert!(lost || bench.open_uploads(&key).await == 0, "{what}");
        }
    });
    join_all(runs).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_request_creates_in_spite_of_faults() {
    for op in ["HeadObject", "PutObject"] {
        creates_in_spite_of_faults_on(op, SMALL).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parts_are_sent_in_spite_of_faults() {
    creates_in_spite_of_faults_on("UploadPart", LARGE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_begins_and_ends_in_spite_of_faults() {
    for op in ["CreateMultipartUpload", "CompleteMultipartUpload"] {
        creates_in_spite_of_faults_on(op, LARGE).await;
    }
}

/// What does not pass is told by its name, and nothing half made stays.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_does_not_pass_has_a_name() {
    let table: [(&str, FaultKind, u64, &str); 18] = [
        ("*", FaultKind::SlowDown503, SMALL, "store.throttled"),
        ("PutObject", FaultKind::SlowDown503, SMALL, "store.throttled"),
        ("UploadPart", FaultKind::SlowDown503, LARGE, "store.throttled"),
        ("PutObject", FaultKind::InternalError500, SMALL, "store.io"),
        ("UploadPart", FaultKind::InternalError500, LARGE, "store.io"),
        ("CompleteMultipartUpload", FaultKind::InternalError500, LARGE, "store.io"),
        ("PutObject", FaultKind::CutBefore, SMALL, "store.io"),
        ("UploadPart", FaultKind::ResetMidBody(90_000), LARGE, "store.io"),
        ("CompleteMultipartUpload", FaultKind::CutBefore, LARGE, "store.io"),
        ("*", FaultKind::ExpiredToken, SMALL, "store.credentials"),
        ("PutObject", FaultKind::ExpiredToken, SMALL, "store.credentials"),
        ("UploadPart", FaultKind::ExpiredToken, LARGE, "store.credentials"),
        ("*", FaultKind::ClockSkew, SMALL, "store.clock_skew"),
        ("PutObject", FaultKind::KmsDenied, SMALL, "store.key"),
        ("CreateMultipartUpload", FaultKind::KmsDisabled, LARGE, "store.key"),
        ("PutObject", FaultKind::Conflict("ConditionalRequestConflict"), SMALL, "store.io"),
        ("CompleteMultipartUpload", FaultKind::Conflict("ConditionalRequestConflict"), LARGE, "store.io"),
        ("PutObject", FaultKind::Answer(507, "SomethingNew"), SMALL, "store.io"),
    ];
    let bench = Bench::start().await;
    for (i, (op, kind, size, code)) in table.into_iter().enumerate() {
        let (key, what) = (format!("named/{i}/r"), format!("{kind:?} on every {op}"));
        bench.cloud.proxy.fault(Fault::on(op, kind).key(&key).times(10_000));
        let bytes = noise(size, 3);
        let error = bench.create(&key, &bytes).await.expect_err(&what);
        assert_eq!(error.code(), code, "{what}: {error}");
        bench.cloud.proxy.clear_faults();
        assert_eq!(bench.versions(&key).await, 0, "{what}");
        assert_eq!(bench.open_uploads(&key).await, 0, "{what}");
        bench.assert_none_or_one(&key, &bytes, &what).await;
    }
}

/// Its answer is lost each time, and so is every look after it: the caller hears of the fault, and finds one object later.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_whose_answer_never_comes_is_there_once() {
    let bench = Bench::start().await;
    for (op, size) in [("PutObject", SMALL), ("CompleteMultipartUpload", LARGE)] {
        let (key, bytes) = (format!("lost/{op}/r"), noise(size, 8));
        bench.cloud.proxy.fault(Fault::on(op, FaultKind::CutAfter).key(&key).times(10_000));
        // The first look, before the write, is answered.
        bench.cloud.proxy.fault(Fault::on("HeadObject", FaultKind::CutBefore).key(&key).after(1).times(10_000));
        let error = bench.create(&key, &bytes).await.expect_err("no answer ever came");
        assert_eq!(error.kind(), Kind::Io, "{error}");
        bench.cloud.proxy.clear_faults();
        assert_eq!(bench.versions(&key).await, 1);
        match bench.create(&key, &bytes).await {
            Err(StoreError::AlreadyExists(there)) => assert_eq!(there.sha256, Some(Sha256Digest::of(&bytes))),
            other => panic!("{other:?}"),
        }
    }
}

/// Two writers bring the same bytes, and each loses its first answer: one made the object, and only that one says so.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_writers_of_the_same_bytes_one_created() {
    let bench = Bench::start().await;
    for round in 0..4 {
        let (key, bytes) = (format!("twins/{round}"), noise(SMALL, 1));
        bench.cloud.proxy.fault(Fault::on("PutObject", FaultKind::CutAfter).key(&key).times(2));
        let (a, b) = tokio::join!(bench.create(&key, &bytes), bench.create(&key, &bytes));
        let (won, lost) = if a.is_ok() { (a, b) } else { (b, a) };
        let created = won.unwrap();
        match lost {
            Err(StoreError::AlreadyExists(there)) => assert_eq!(there.locator, created.locator),
            other => panic!("{other:?}"),
        }
        bench.assert_one(&created, &bytes, &key).await;
    }
}

/// Bytes that changed on the way are refused by the provider and sent again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bytes_that_change_on_the_way_are_not_stored() {
    let bench = Bench::start().await;
    for (op, size) in [("PutObject", SMALL), ("UploadPart", LARGE)] {
        let (key, bytes) = (format!("bent/{op}"), noise(size, 2));
        bench.cloud.proxy.fault(Fault::on(op, FaultKind::WrongBytes(5_000)).key(&key));
        match bench.create(&key, &bytes).await {
            Ok(created) => bench.assert_one(&created, &bytes, op).await,
            Err(e) => {
                assert_eq!(e.kind(), Kind::Io, "{e}");
                assert_eq!(bench.versions(&key).await, 0);
                bench.assert_none_or_one(&key, &bytes, op).await;
            }
        }
    }
}

/// A caller who leaves in the middle of an upload leaves no parts behind.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_who_leaves_leaves_no_parts() {
    let bench = Bench::start().await;
    let (writer, bucket) = (bench.store.writer.clone(), bench.cloud.bucket.clone());
    let stalled = body(noise(LARGE, 5)).chain(futures_util::stream::pending()).boxed();
    let key = ObjectKey::new("left").unwrap();
    let task = tokio::spawn(async move { writer.create(&bucket, &key, stalled, options(StorageTier::Hot)).await });
    while bench.cloud.proxy.calls("UploadPart") < 2 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    task.abort();
    assert!(task.await.unwrap_err().is_cancelled());
    while bench.open_uploads("left").await > 0 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(bench.versions("left").await, 0);
}

/// Broken lines are taken up where they broke; a line that breaks for ever ends with an error, never with fewer bytes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reads_go_on_where_the_line_broke() {
    let bench = Bench::start().await;
    bench.cloud.proxy.set_patience(Duration::from_secs(8));
    let bytes = noise(3_000_000, 4);
    let at = bench.create("read", &bytes).await.unwrap().locator;
    let kinds = [FaultKind::ResetMidBody(1_234_567), FaultKind::ShortBody(2_000_001), FaultKind::ShortBody(0)];
    for kind in passing().into_iter().chain(kinds) {
        bench.cloud.proxy.fault(Fault::on("GetObject", kind.clone()).times(2));
        assert!(bench.bytes(&at).await.unwrap_or_else(|e| panic!("{kind:?}: {e}")) == bytes, "{kind:?}");
        bench.cloud.proxy.clear_faults();
    }
    for kind in [FaultKind::ResetMidBody(1_000), FaultKind::ShortBody(1_000)] {
        bench.cloud.proxy.fault(Fault::on("GetObject", kind).times(10_000));
        let error = bench.bytes(&at).await.expect_err("the line breaks for ever");
        assert_eq!(error.kind(), Kind::Io, "{error}");
        bench.cloud.proxy.clear_faults();
    }
    // Whoever hashes finds wrong bytes of the right length: the store promises the line, not the disk.
    bench.cloud.proxy.fault(Fault::on("GetObject", FaultKind::WrongBytes(77)));
    let wrong = bench.bytes(&at).await.unwrap();
    assert_eq!(wrong.len(), bytes.len());
    assert_ne!(Some(Sha256Digest::of(&wrong)), bench.store.reader.head(&at).await.unwrap().sha256);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn facts_lists_and_locks_bear_what_passes() {
    let bench = Bench::start().await;
    bench.cloud.proxy.set_patience(Duration::from_secs(8));
    let at = bench.create("facts", b"x").await.unwrap().locator;
    for (i, kind) in (1i16..).zip(passing()) {
        let until = format!("20{}-01-01T00:00:00Z", 30 + i).parse().unwrap();
        let kept = ObjectRetention { mode: ImmutabilityMode::Governance, until };
        for op in ["HeadObject", "GetObjectTagging", "ListObjectVersions", "PutObjectRetention", "PutObjectLegalHold"] {
            bench.cloud.proxy.fault(Fault::on(op, kind.clone()));
        }
        let what = format!("{kind:?}");
        bench.store.retention.extend(&at, kept).await.expect(&what);
        bench.store.retention.set_legal_hold(&at, i % 2 == 0).await.expect(&what);
        assert_eq!(bench.store.reader.list(&at.bucket, "", None, 9).await.expect(&what).objects.len(), 1);
        let info = bench.store.reader.head(&at).await.expect(&what);
        assert_eq!((info.retention, info.legal_hold), (Some(kept), i % 2 == 0), "{what}");
    }
}

/// A restore may cost: it is not sent again before a look, and lost answers start nothing twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restore_is_never_sent_blindly_again() {
    let bench = Bench::start().await;
    bench.cloud.proxy.set_patience(Duration::from_secs(8));
    let rehydrator = bench.store.rehydrator.clone().unwrap();
    let table = [
        (FaultKind::CutAfter, 1),
        (FaultKind::TimeoutAfter, 1),
        (FaultKind::CutBefore, 2),
        (FaultKind::TimeoutBefore, 2),
        (FaultKind::SlowDown503, 2),
        (FaultKind::InternalError500, 2),
    ];
    for (i, (kind, calls)) in table.into_iter().enumerate() {
        let key = format!("restore/{i}");
        let at = bench.create(&key, b"x").await.unwrap().locator;
        bench.cloud.proxy.transition(&at.bucket, &key, "GLACIER").await;
        let before = bench.cloud.proxy.calls("RestoreObject");
        bench.cloud.proxy.fault(Fault::on("RestoreObject", kind.clone()).key(&key));
        let ticket = rehydrator.request(&at, RehydrationSpeed::Standard, 2).await.unwrap();
        assert!(ticket.started && matches!(ticket.availability, Availability::Rehydrating { .. }), "{kind:?}");
        assert_eq!(bench.cloud.proxy.calls("RestoreObject") - before, calls, "{kind:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refused_restores_have_their_own_words() {
    let bench = Bench::start().await;
    let rehydrator = bench.store.rehydrator.clone().unwrap();
    let at = bench.create("cold", b"x").await.unwrap().locator;
    bench.cloud.proxy.transition(&at.bucket, "cold", "GLACIER").await;

    bench.cloud.proxy.no_expedited_capacity(true);
    let none = rehydrator.request(&at, RehydrationSpeed::Expedited, 1).await.expect_err("no capacity");
    assert_eq!((none.code(), none.kind()), ("store.no_capacity", Kind::Throttled));
    assert_eq!(bench.cloud.proxy.calls("RestoreObject"), 1, "it is not asked for again at once");
    bench.cloud.proxy.no_expedited_capacity(false);

    bench.cloud.proxy.deny("s3:RestoreObject");
    match rehydrator.request(&at, RehydrationSpeed::Standard, 1).await {
        Err(StoreError::Denied { right, .. }) => assert_eq!(right, "s3:RestoreObject"),
        other => panic!("{other:?}"),
    }
    bench.cloud.proxy.allow("s3:RestoreObject");

    bench.cloud.proxy.fault(Fault::on("RestoreObject", FaultKind::Conflict("RestoreAlreadyInProgress")));
    assert!(!rehydrator.request(&at, RehydrationSpeed::Standard, 1).await.unwrap().started, "another began it");

    let deep = bench.create("deep", b"x").await.unwrap().locator;
    bench.cloud.proxy.transition(&deep.bucket, "deep", "DEEP_ARCHIVE").await;
    let calls = bench.cloud.proxy.calls("RestoreObject");
    let never = rehydrator.request(&deep, RehydrationSpeed::Expedited, 1).await;
    assert!(matches!(never, Err(StoreError::Unsupported { .. })), "{never:?}");
    assert_eq!(bench.cloud.proxy.calls("RestoreObject"), calls);
}

/// A session that ends is told as such by every call, also by those whose refusals carry no code.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_that_ends_is_told_by_every_call() {
    let cloud = Cloud::start_with(Some("a-token")).await;
    let bench = Bench { store: cloud.store_with(patient(&cloud)), cloud };
    let at = bench.create("before", b"x").await.unwrap().locator;
    bench.cloud.proxy.expire_tokens(true);
    let rehydrator = bench.store.rehydrator.clone().unwrap();
    let kept = ObjectRetention { mode: ImmutabilityMode::Governance, until: "2060-01-01T00:00:00Z".parse().unwrap() };
    let errors = [
        bench.create("after", b"y").await.map(drop),
        bench.bytes(&at).await.map(drop),
        bench.store.reader.head(&at).await.map(drop),
        bench.store.reader.list(&at.bucket, "", None, 9).await.map(drop),
        bench.store.reader.link(&at, 60).await.map(drop),
        bench.store.retention.extend(&at, kept).await,
        bench.store.retention.set_legal_hold(&at, true).await,
        rehydrator.request(&at, RehydrationSpeed::Bulk, 1).await.map(drop),
        rehydrator.status(std::slice::from_ref(&at)).await.map(drop),
    ];
    for (i, result) in errors.into_iter().enumerate() {
        let error = result.expect_err("the session is over");
        assert_eq!(error.code(), "store.credentials", "call {i}: {error}");
        assert!(!error.to_string().contains("a-token"), "{error}");
    }
    bench.cloud.proxy.expire_tokens(false);
    assert_eq!(bench.versions("after").await, 0);
}

/// A missing right is named, whatever the call.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_missing_right_is_named() {
    let bench = Bench::start().await;
    let at = bench.create("rights", b"x").await.unwrap().locator;
    let kept = ObjectRetention { mode: ImmutabilityMode::Governance, until: "2060-01-01T00:00:00Z".parse().unwrap() };
    for right in
        ["s3:PutObject", "s3:GetObject", "s3:ListBucketVersions", "s3:PutObjectRetention", "s3:PutObjectLegalHold"]
    {
        bench.cloud.proxy.deny(right);
        let result = match right {
            "s3:PutObject" => bench.create("new", b"y").await.map(drop),
            "s3:GetObject" => bench.bytes(&bench.at("rights")).await.map(drop),
            "s3:ListBucketVersions" => bench.store.reader.list(&at.bucket, "", None, 9).await.map(drop),
            "s3:PutObjectRetention" => bench.store.retention.extend(&at, kept).await,
            _ => bench.store.retention.set_legal_hold(&at, true).await,
        };
        match result {
            Err(StoreError::Denied { right: named, .. }) => assert_eq!(named, right),
            other => panic!("{right}: {other:?}"),
        }
        bench.cloud.proxy.allow(right);
    }
    assert_eq!(bench.versions("new").await, 0);
}

/// An expected digest that is wrong is found with the last byte; no part of it stays.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_mismatch_leaves_nothing() {
    let bench = Bench::start().await;
    let expected = Fixity::sha256(Sha256Digest::of(b"other"), LARGE);
    let put = PutOptions { expected: Some(expected), ..options(StorageTier::Hot) };
    let key = ObjectKey::new("wrong").unwrap();
    let made = bench.store.writer.create(&bench.cloud.bucket, &key, body(noise(LARGE, 6)), put).await;
    assert!(matches!(made, Err(StoreError::Mismatch { .. })), "{made:?}");
    assert_eq!((bench.versions("wrong").await, bench.open_uploads("wrong").await), (0, 0));
    // Without an expected digest a long body has none in its metadata, and says so.
    let stream = futures_util::stream::iter((0..11u8).map(|i| Ok(Bytes::from(vec![i; 1 << 20])))).boxed();
    let put = options(StorageTier::Hot);
    let created = bench.store.writer.create(&bench.cloud.bucket, &key, stream, put).await.unwrap();
    let info = bench.store.reader.head(&created.locator).await.unwrap();
    assert_eq!((info.sha256, info.size_bytes), (None, 11 << 20));
    assert!(bench.store.reader.capabilities().digest_first);
}
