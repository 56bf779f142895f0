//! What lies on the disk, what survives a restart, and what was changed by hand.

use crate::{open, subject};
use futures_util::StreamExt as _;
use holdfast_model::{
    Availability, Cancel, Fault as _, FaultKind, ImmutabilityMode, ObjectKey, ObjectLocator, ObjectRetention,
    RehydrationSpeed, Sha256Digest, StorageTier,
};
use holdfast_store::{BYTE_RANGE_ALL, Created, PutOptions, Store, StoreError, hash_file};
use holdfast_testkit::{
    FaultRule, FaultyStore, ManualClock, StoreCall, StoreFault,
    store::{body, noise, options},
};
use std::{collections::BTreeMap, fs, os::unix::fs::PermissionsExt as _, path::Path, time::Duration};

async fn put(store: &Store, key: &str, bytes: &str, tier: StorageTier) -> Result<Created, StoreError> {
    store.writer.create("media", &ObjectKey::new(key).unwrap(), body(bytes), options(tier)).await
}

async fn all(store: &Store, at: &ObjectLocator) -> Result<Vec<u8>, StoreError> {
    let mut pieces = store.reader.read(at, BYTE_RANGE_ALL).await?;
    let mut bytes = Vec::new();
    while let Some(piece) = pieces.next().await {
        bytes.extend_from_slice(&piece?);
    }
    Ok(bytes)
}

/// Changes a record by hand, as someone with access to the disk could.
fn tamper(root: &Path, key: &str, change: impl FnOnce(&mut serde_json::Value)) {
    let path = root.join(".holdfast/facts/media").join(key);
    let mut facts = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    change(&mut facts);
    fs::remove_file(&path).unwrap();
    fs::write(&path, serde_json::to_vec(&facts).unwrap()).unwrap();
}

#[tokio::test]
async fn the_files_lie_where_an_admin_looks_and_cannot_be_written() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path(), &ManualClock::default()).store();
    put(&store, "recordings/c/r.wav", "hot bytes", StorageTier::Hot).await.unwrap();
    put(&store, "recordings/c/s.wav", "cold bytes", StorageTier::Cold).await.unwrap();
    for (path, bytes) in
        [("media/hot/recordings/c/r.wav", "hot bytes"), ("media/cold/recordings/c/s.wav", "cold bytes")]
    {
        let path = folder.path().join(path);
        assert_eq!(fs::read_to_string(&path).unwrap(), bytes);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o444);
        let fixity = hash_file(&path, &Cancel::default(), |_| {}).unwrap();
        assert_eq!((fixity.digest, fixity.size_bytes), (Sha256Digest::of(bytes.as_bytes()), bytes.len() as u64));
    }
    let record = folder.path().join(".holdfast/facts/media/recordings/c/r.wav");
    assert_eq!(fs::metadata(&record).unwrap().permissions().mode() & 0o777, 0o444);
}

#[tokio::test]
async fn everything_survives_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let clock = ManualClock::default();
    let store = open(folder.path(), &clock).store();
    let at = put(&store, "a", "x", StorageTier::Cold).await.unwrap().locator;
    let kept = ObjectRetention { mode: ImmutabilityMode::Compliance, until: "2040-01-01T00:00:00Z".parse().unwrap() };
    store.retention.extend(&at, kept).await.unwrap();
    store.retention.set_legal_hold(&at, true).await.unwrap();
    let ticket = store.rehydrator.unwrap().request(&at, RehydrationSpeed::Standard, 3).await.unwrap();
    let before = store.reader.head(&at).await.unwrap();
    drop((store.reader, store.writer, store.retention));

    let store = open(folder.path(), &clock).store();
    assert_eq!(store.reader.head(&at).await.unwrap(), before);
    assert_eq!((before.retention, before.legal_hold, &before.availability), (Some(kept), true, &ticket.availability));
    clock.advance(Duration::from_secs(30));
    assert_eq!(all(&store, &at).await.unwrap(), b"x");
    // It is now 15 March, just past noon; three days on is the 18th, and the copy stays that day out.
    let Availability::Online { until: Some(until) } = store.reader.head(&at).await.unwrap().availability else {
        panic!()
    };
    assert_eq!(until.to_string(), "2026-03-19T00:00:00Z");

    clock.go_back(Duration::from_secs(86_400));
    assert_eq!(all(&store, &at).await.unwrap(), b"x", "a clock set back does not take the copy away");
}

#[tokio::test]
async fn an_object_and_a_folder_cannot_have_the_same_name() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path(), &ManualClock::default()).store();
    put(&store, "a/b", "x", StorageTier::Hot).await.unwrap();
    put(&store, "c/d/e", "x", StorageTier::Cold).await.unwrap();
    for (key, tier) in [
        ("a/b/c", StorageTier::Hot),
        ("a/b/c/d", StorageTier::Cold),
        ("c/d", StorageTier::Hot),
        ("c", StorageTier::Cold),
        (&"n".repeat(256), StorageTier::Hot),
    ] {
        let e = put(&store, key, "y", tier).await.unwrap_err();
        assert_eq!((e.code(), e.kind()), ("store.invalid", FaultKind::Invalid), "{key}: {e}");
    }
    assert_eq!(store.reader.list("media", "", None, 10).await.unwrap().objects.len(), 2);
}

#[tokio::test]
async fn a_file_that_somebody_else_put_there_is_neither_taken_nor_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path(), &ManualClock::default()).store();
    fs::create_dir_all(folder.path().join("media/hot")).unwrap();
    fs::write(folder.path().join("media/hot/mine"), "mine").unwrap();
    assert!(store.reader.list("media", "", None, 10).await.unwrap().objects.is_empty());
    assert_eq!(put(&store, "mine", "x", StorageTier::Hot).await.unwrap_err().code(), "store.invalid");
    assert_eq!(fs::read_to_string(folder.path().join("media/hot/mine")).unwrap(), "mine");
}

#[tokio::test]
async fn names_that_could_climb_are_refused_by_every_call() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder.path().join("root"), &ManualClock::default()).store();
    let key = ObjectKey::new("a").unwrap();
    for bucket in ["..", ".holdfast", "x/../..", ""] {
        let at = ObjectLocator { store: "local".into(), bucket: bucket.into(), key: key.clone(), version_id: None };
        let created = store.writer.create(bucket, &key, body("x"), options(StorageTier::Hot)).await;
        assert_eq!(created.unwrap_err().code(), "store.invalid");
        assert_eq!(store.reader.head(&at).await.unwrap_err().code(), "store.invalid");
        assert_eq!(store.reader.list(bucket, "", None, 1).await.unwrap_err().code(), "store.invalid");
    }
    let metadata = BTreeMap::from([("name".to_owned(), "Zoë\n".to_owned())]);
    let bad = PutOptions { metadata, ..options(StorageTier::Hot) };
    assert_eq!(store.writer.create("media", &key, body("x"), bad).await.unwrap_err().code(), "store.invalid");
}

#[tokio::test]
async fn what_was_changed_by_hand_is_told_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let store = open(root, &ManualClock::default()).store();
    let kept = ObjectRetention { mode: ImmutabilityMode::Compliance, until: "2040-01-01T00:00:00Z".parse().unwrap() };
    let at = put(&store, "a", "bytes", StorageTier::Hot).await.unwrap().locator;
    store.retention.extend(&at, kept).await.unwrap();

    // Shortened retention: what stands is told, and the history still has the truth.
    tamper(root, "a", |f| f["retention"]["until"] = "2030-01-01T00:00:00Z".into());
    let told = store.reader.head(&at).await.unwrap().retention.unwrap().until.to_string();
    assert_eq!(told, "2030-01-01T00:00:00Z");
    let record = fs::read_to_string(root.join(".holdfast/facts/media/a")).unwrap();
    assert!(record.contains("2040-01-01T00:00:00Z"));

    // A longer file: its length as it is now, beside the digest as it was written.
    let path = root.join("media/hot/a");
    fs::remove_file(&path).unwrap();
    fs::write(&path, "longer bytes").unwrap();
    let info = store.reader.head(&at).await.unwrap();
    assert_eq!((info.size_bytes, info.sha256), (12, Some(Sha256Digest::of(b"bytes"))));
    assert_eq!(all(&store, &at).await.unwrap(), b"longer bytes");

    // No file: named as damage, and not in the listing.
    fs::remove_file(&path).unwrap();
    assert_eq!(store.reader.head(&at).await.unwrap_err().code(), "store.damaged");
    assert!(store.reader.list("media", "", None, 10).await.unwrap().objects.is_empty());
}

#[tokio::test]
async fn a_damaged_or_foreign_record_is_never_taken_for_an_object() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let store = open(root, &ManualClock::default()).store();
    let (a, b) = (
        put(&store, "a", "x", StorageTier::Hot).await.unwrap().locator,
        put(&store, "b", "y", StorageTier::Hot).await.unwrap().locator,
    );
    let facts = root.join(".holdfast/facts/media");
    fs::copy(facts.join("a"), facts.join("moved")).unwrap();
    fs::rename(facts.join("moved"), facts.join("b")).unwrap();
    let any_b = ObjectLocator { version_id: None, ..b };
    assert_eq!(store.reader.head(&any_b).await.unwrap_err().code(), "store.damaged");
    fs::remove_file(facts.join("b")).unwrap();
    tamper(root, "a", |f| f["format"] = "holdfast-local-object/2".into());
    // A newer version's record is whole and stays as it is, whatever else it has.
    tamper(root, "a", |f| f["copies"] = serde_json::json!([{}]));
    let newer = fs::read(facts.join("a")).unwrap();
    assert_eq!(store.reader.head(&a).await.unwrap_err().code(), "store.format_unknown");
    assert_eq!(put(&store, "a", "z", StorageTier::Hot).await.unwrap_err().code(), "store.format_unknown");
    assert_eq!(fs::read(facts.join("a")).unwrap(), newer);
    tamper(root, "a", |f| f["format"] = "holdfast-local-object/x".into());
    assert_eq!(store.reader.head(&a).await.unwrap_err().kind(), FaultKind::Corrupt);
    assert_eq!(put(&store, "a", "z", StorageTier::Hot).await.unwrap_err().code(), "store.damaged");
    fs::remove_file(facts.join("a")).unwrap();
    fs::write(facts.join("a"), "").unwrap();
    assert_eq!(store.reader.list("media", "", None, 10).await.unwrap_err().code(), "store.damaged");
}

#[test]
fn a_root_of_another_format_is_not_opened() {
    let folder = tempfile::tempdir().unwrap();
    drop(open(folder.path(), &ManualClock::default()));
    let marker = folder.path().join(".holdfast/store.json");
    for (text, code) in [
        (r#"{"format":"holdfast-local-store/2","zone":"eu"}"#, "store.format_unknown"),
        (r#"{"format":"holdfast-other-store/2"}"#, "store.damaged"),
        ("", "store.damaged"),
    ] {
        fs::remove_file(&marker).unwrap();
        fs::write(&marker, text).unwrap();
        let config = holdfast_store::LocalStoreConfig::new(folder.path());
        let error = holdfast_store::LocalStore::open(config, std::sync::Arc::new(ManualClock::default())).unwrap_err();
        assert_eq!(error.code(), code, "{text}");
    }
}

#[test]
fn hashing_a_file_can_be_cancelled_and_tells_how_far_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("f");
    let bytes = noise(3_500_000, 8);
    fs::write(&path, &bytes).unwrap();
    let (cancel, mut seen) = (Cancel::default(), Vec::new());
    let fixity = hash_file(&path, &cancel, |n| seen.push(n)).unwrap();
    assert_eq!((fixity.digest, fixity.size_bytes), (Sha256Digest::of(&bytes), 3_500_000));
    assert_eq!(seen.iter().sum::<u64>(), 3_500_000);
    let error = hash_file(&path, &cancel, |_| cancel.cancel()).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::Interrupted);
}

#[tokio::test]
async fn faults_come_when_they_are_ordered() {
    let folder = tempfile::tempdir().unwrap();
    let inner = subject(folder.path(), &ManualClock::default()).store;
    let faulty = FaultyStore::new(inner.clone());
    let store = faulty.store();

    faulty.add(FaultRule::on(StoreCall::Create, StoreFault::FailBefore).key("media/a").after(1));
    put(&store, "a/1", "x", StorageTier::Hot).await.unwrap();
    assert_eq!(put(&store, "a/2", "x", StorageTier::Hot).await.unwrap_err().kind(), FaultKind::Io);
    let created = put(&store, "a/2", "x", StorageTier::Hot).await.expect("nothing had been done");

    faulty.add(FaultRule::on(StoreCall::Create, StoreFault::FailAfter));
    assert_eq!(put(&store, "b", "x", StorageTier::Hot).await.unwrap_err().kind(), FaultKind::Io);
    let again = put(&store, "b", "x", StorageTier::Hot).await.unwrap_err();
    assert_eq!(again.kind(), FaultKind::AlreadyExists, "it had been done");

    faulty.add(FaultRule::on(StoreCall::Create, StoreFault::Full).times(2));
    for _ in 0..2 {
        assert_eq!(put(&store, "full", "x", StorageTier::Hot).await.unwrap_err().kind(), FaultKind::Full);
    }

    // A store that wrote something else and does not know it.
    for (key, fault, stored) in [("flip", StoreFault::FlippedBit(1), "ahc"), ("short", StoreFault::ShortBody(2), "ab")]
    {
        faulty.add(FaultRule::on(StoreCall::Create, fault));
        let lied = put(&store, key, if key == "flip" { "aic" } else { "abc" }, StorageTier::Hot).await.unwrap();
        assert_eq!(lied.fixity.size_bytes, 3);
        assert_eq!(all(&inner, &lied.locator).await.unwrap(), stored.as_bytes());
    }
    // A store that reads something else and does not know it, and one that breaks off.
    for (fault, read) in [
        (StoreFault::FlippedBit(0), Some("y")),
        (StoreFault::ShortBody(0), Some("")),
        (StoreFault::BrokenBody(0), None),
        (StoreFault::Delay(Duration::from_millis(1)), Some("x")),
    ] {
        faulty.add(FaultRule::on(StoreCall::Read, fault));
        assert_eq!(all(&store, &created.locator).await.ok().as_deref(), read.map(str::as_bytes), "{fault:?}");
    }
    assert_eq!(all(&store, &created.locator).await.unwrap(), b"x", "each came once");
    assert_eq!(faulty.calls(StoreCall::Read), 5);
}

#[tokio::test]
async fn a_key_that_is_taken_is_refused_before_the_source_is_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path(), &ManualClock::default()).store();
    put(&store, "a", "x", StorageTier::Hot).await.unwrap();
    let never = futures_util::stream::pending().boxed();
    let key = ObjectKey::new("a").unwrap();
    let refused = store.writer.create("media", &key, never, options(StorageTier::Cold)).await;
    assert_eq!(refused.unwrap_err().code(), "store.already_exists");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_made_at_once_through_two_opens_are_all_kept() {
    let folder = tempfile::tempdir().unwrap();
    let clock = ManualClock::default();
    let (one, two) = (open(folder.path(), &clock).store(), open(folder.path(), &clock).store());
    let at = put(&one, "a/b", "x", StorageTier::Cold).await.unwrap().locator;
    let extend = async {
        for year in 2030..2080 {
            let until = format!("{year}-01-01T00:00:00Z").parse().unwrap();
            let to = ObjectRetention { mode: ImmutabilityMode::Governance, until };
            one.retention.extend(&at, to).await.unwrap();
        }
    };
    let hold = async {
        for n in 0..51 {
            two.retention.set_legal_hold(&at, n % 2 == 0).await.unwrap();
        }
    };
    let ask = async { one.rehydrator.clone().unwrap().request(&at, RehydrationSpeed::Bulk, 1).await.unwrap() };
    let ((), (), ticket) = tokio::join!(extend, hold, ask);
    let info = two.reader.head(&at).await.unwrap();
    assert_eq!(info.retention.unwrap().until.to_string(), "2079-01-01T00:00:00Z");
    assert_eq!((info.legal_hold, info.availability), (true, ticket.availability));
    let record = fs::read(folder.path().join(".holdfast/facts/media/a/b")).unwrap();
    let record: serde_json::Value = serde_json::from_slice(&record).unwrap();
    assert_eq!(record["history"].as_array().unwrap().len(), 1 + 50 + 51, "no change was lost");
}
