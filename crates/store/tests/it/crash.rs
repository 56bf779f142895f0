//! Kills, several processes at once, and states that only a power cut leaves.

use crate::{child, open};
use futures_util::StreamExt as _;
use holdfast_model::{Availability, Cancel, ObjectKey, Sha256Digest, StorageTier};
use holdfast_store::{ArchiveReader as _, BYTE_RANGE_ALL, Store, StoreError, hash_file};
use holdfast_testkit::{
    ManualClock, sampled,
    store::{body, options},
};
use std::{
    collections::BTreeSet,
    fs,
    io::{BufRead as _, BufReader, Read as _},
    path::{Path, PathBuf},
    time::Duration,
};

async fn all(store: &Store, at: &holdfast_model::ObjectLocator) -> Vec<u8> {
    let mut pieces = store.reader.read(at, BYTE_RANGE_ALL).await.expect("readable");
    let mut bytes = Vec::new();
    while let Some(piece) = pieces.next().await {
        bytes.extend_from_slice(&piece.expect("bytes"));
    }
    bytes
}

/// Every file below `folder`, relative to it.
fn files(folder: &Path) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(next) = folders.pop() {
        let Ok(entries) = fs::read_dir(&next) else { continue };
        for entry in entries {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.insert(path.strip_prefix(folder).unwrap().to_path_buf());
            }
        }
    }
    found
}

/// What must hold in any archive that was opened after its writers died.
async fn assert_whole(root: &Path, store: &Store) -> usize {
    assert_eq!(files(&root.join(".holdfast/incoming")), BTreeSet::new(), "drafts are swept");
    let records = files(&root.join(".holdfast/facts/media"));
    let mut bytes = files(&root.join("media/hot"));
    bytes.append(&mut files(&root.join("media/cold")));
    assert_eq!(records, bytes, "each record has its bytes and each file its record");
    let (mut after, mut count) = (None, 0);
    loop {
        let page = store.reader.list("media", "", after.as_ref(), 100).await.unwrap();
        for object in &page.objects {
            let tier = if object.tier == StorageTier::Hot { "hot" } else { "cold" };
            let path = root.join("media").join(tier).join(object.locator.key.as_str());
            let fixity = hash_file(&path, &Cancel::default(), |_| {}).unwrap();
            let stated = store.reader.head(&object.locator).await.unwrap().sha256;
            assert_eq!((Some(fixity.digest), fixity.size_bytes), (stated, object.size_bytes));
            count += 1;
        }
        after = page.objects.last().map(|o| o.locator.key.clone());
        if !page.more {
            break;
        }
    }
    assert_eq!(count, records.len(), "the listing has every record");
    count
}

/// Lines of a child that was killed in the midst of its work: after so many acknowledgements, and a moment more, as `run`
/// decides; each fifth at a moment after its start, which may be before its first.
fn killed_writer(root: &Path, run: u64) -> Vec<String> {
    let mut writer = child::command("write", root, run).spawn().unwrap();
    let random = (run + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut said = BufReader::new(writer.stdout.take().unwrap());
    let mut output = Vec::new();
    let moment = if run % 5 == 4 {
        Duration::from_millis(random >> 57)
    } else {
        for _ in 0..5 + (random >> 58) {
            assert!(said.read_until(b'\n', &mut output).unwrap() > 0, "the writer ended by itself");
        }
        Duration::from_micros(random >> 32 & 0xfff)
    };
    std::thread::sleep(moment);
    writer.kill().unwrap();
    said.read_to_end(&mut output).unwrap();
    writer.wait().unwrap();
    child::said(&output)
}

#[test]
fn a_killed_writer_loses_nothing_that_it_acknowledged_and_leaves_nothing_half_made() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (mut acknowledged, mut found) = (0, 0);
    for run in 0..sampled(24, 400) {
        // The next writer itself sweeps what the one before left, and is killed at that too; each fourth time we look.
        let said = killed_writer(root, run);
        let clock = ManualClock::default();
        let store = open(root, &clock).store();
        runtime.block_on(async {
            if run % 4 == 3 {
                found = assert_whole(root, &store).await;
            }
            for line in &said {
                let (what, n) = line.split_once(' ').unwrap();
                let n: u64 = n.parse().unwrap();
                let at = holdfast_model::ObjectLocator {
                    store: "local".to_owned(),
                    bucket: "media".to_owned(),
                    key: child::key(run, n),
                    version_id: None,
                };
                let info = store.reader.head(&at).await.unwrap();
                match what {
                    "created" => {
                        acknowledged += 1;
                        assert_eq!(info.sha256, Some(Sha256Digest::of(&child::content(run, n))));
                    }
                    "extended" => assert!(info.retention.is_some()),
                    "requested" => assert!(matches!(info.availability, Availability::Rehydrating { .. })),
                    other => panic!("{other}"),
                }
            }
        });
    }
    assert!(acknowledged > 100, "only {acknowledged} objects were acknowledged in all, so little was tested");
    assert!(found >= acknowledged);
}

#[test]
fn of_three_processes_exactly_one_creates_each_key() {
    let folder = tempfile::tempdir().unwrap();
    let children: Vec<_> = (0..3).map(|me| child::command("race", folder.path(), me).spawn().unwrap()).collect();
    let mut won = BTreeSet::new();
    let mut said_in_all = 0;
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let outputs: Vec<_> = children.into_iter().map(|c| c.wait_with_output().unwrap()).collect();
    let store = open(folder.path(), &ManualClock::default()).store();
    for (me, output) in outputs.into_iter().enumerate() {
        assert!(output.status.success());
        for line in child::said(&output.stdout) {
            said_in_all += 1;
            let Some(n) = line.strip_prefix("won ") else { continue };
            let n: u64 = n.parse().unwrap();
            assert!(won.insert(n), "{n} was created twice");
            runtime.block_on(async {
                let page = store.reader.list("media", child::key(0, n).as_str(), None, 1).await.unwrap();
                assert_eq!(all(&store, &page.objects[0].locator).await, child::content(me as u64, n));
            });
        }
    }
    assert_eq!((won.len(), said_in_all), (200, 600));
    runtime.block_on(assert_whole(folder.path(), &store));
}

/// Creates `key` and takes its parts back to where they were in the midst of it.
struct Midway {
    folder: tempfile::TempDir,
    draft: PathBuf,
    facts: PathBuf,
    bytes: PathBuf,
}

impl Midway {
    async fn of(key: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = open(folder.path(), &ManualClock::default()).store();
        let name = ObjectKey::new(key).unwrap();
        let created = store.writer.create("media", &name, body("bytes"), options(StorageTier::Hot)).await.unwrap();
        drop(store);
        let version = created.locator.version_id.unwrap();
        let session = folder.path().join(".holdfast/incoming").join(version.split('-').nth(1).unwrap());
        fs::create_dir_all(&session).unwrap();
        let draft = session.join(version);
        let facts = folder.path().join(".holdfast/facts/media").join(key);
        let bytes = folder.path().join("media/hot").join(key);
        fs::hard_link(&bytes, &draft).unwrap();
        fs::hard_link(&facts, draft.with_extension("facts")).unwrap();
        Self { folder, draft, facts, bytes }
    }

    fn open(&self) -> Store {
        open(self.folder.path(), &ManualClock::default()).store()
    }

    async fn count(&self) -> usize {
        assert_whole(self.folder.path(), &self.open()).await
    }
}

#[tokio::test]
async fn a_draft_that_was_not_elected_is_taken_away() {
    let midway = Midway::of("a/b").await;
    fs::remove_file(&midway.facts).unwrap();
    fs::remove_file(&midway.bytes).unwrap();
    assert_eq!(midway.count().await, 0);
    let midway = Midway::of("a/b").await;
    fs::remove_file(&midway.facts).unwrap();
    fs::remove_file(&midway.bytes).unwrap();
    fs::remove_file(midway.draft.with_extension("facts")).unwrap();
    fs::write(midway.draft.with_extension("facts"), "{\"form").unwrap();
    assert_eq!(midway.count().await, 0);
}

#[tokio::test]
async fn an_elected_draft_is_finished_at_the_next_open() {
    let midway = Midway::of("a/b").await;
    fs::remove_file(&midway.bytes).unwrap();
    assert_eq!(midway.count().await, 1);
    assert!(midway.bytes.is_file() && !midway.draft.exists());
}

#[tokio::test]
async fn bytes_that_a_power_cut_left_without_their_record_are_taken_away() {
    let midway = Midway::of("a/b").await;
    fs::remove_file(&midway.facts).unwrap();
    assert_eq!(midway.count().await, 0);
    assert!(!midway.bytes.exists());
}

#[tokio::test]
async fn who_meets_an_elected_draft_finishes_it() {
    let midway = Midway::of("a/b").await;
    // Opened before the writer dies: there is no sweep between.
    let held = fs::rename(midway.draft.parent().unwrap(), midway.folder.path().join("aside"));
    held.unwrap();
    let store = midway.open();
    fs::rename(midway.folder.path().join("aside"), midway.draft.parent().unwrap()).unwrap();
    fs::remove_file(&midway.bytes).unwrap();
    let key = ObjectKey::new("a/b").unwrap();
    match store.writer.create("media", &key, body("other"), options(StorageTier::Hot)).await {
        Err(StoreError::AlreadyExists(there)) => assert_eq!(all(&store, &there.locator).await, b"bytes"),
        other => panic!("{other:?}"),
    }
    assert!(midway.bytes.is_file());
    fs::remove_file(&midway.bytes).unwrap();
    let listed = store.reader.list("media", "", None, 1).await.unwrap().objects.remove(0);
    assert_eq!(all(&store, &listed.locator).await, b"bytes");
    assert!(midway.bytes.is_file());
}

#[tokio::test]
async fn a_living_writer_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let clock = ManualClock::default();
    let store = open(folder.path(), &clock).store();
    let (go, gone) = tokio::sync::oneshot::channel::<()>();
    let slow = body("first half, ")
        .chain(futures_util::stream::once(async move {
            gone.await.unwrap();
            Ok("second half".into())
        }))
        .boxed();
    let key = ObjectKey::new("slow").unwrap();
    let writer = store.writer.clone();
    let task = tokio::spawn(async move { writer.create("media", &key, slow, options(StorageTier::Hot)).await });
    while files(&folder.path().join(".holdfast/incoming")).is_empty() {
        tokio::task::yield_now().await;
    }
    let other = open(folder.path(), &clock);
    assert_eq!(files(&folder.path().join(".holdfast/incoming")).len(), 1, "the sweep of another open leaves it");
    go.send(()).unwrap();
    let at = task.await.unwrap().unwrap().locator;
    assert_eq!(all(&other.store(), &at).await, b"first half, second half");
    assert!(other.head(&at).await.is_ok());
}
