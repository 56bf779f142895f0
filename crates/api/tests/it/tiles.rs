//! Tiles in the write-once store do what every tile store must.

use holdfast_api::cloud::{MirroredTiles, StoreTiles};
use holdfast_ledger::{
    Action, Agent, EventDraft, FolderTiles, Ledger, LedgerError, LedgerFault, LedgerParts, LocalMac, LocalSigner,
    Phase, SqliteHead, TileStore, conformance,
};
use holdfast_model::{Cancel, NoProgress};
use holdfast_store::{LocalStore, LocalStoreConfig};
use holdfast_testkit::{FaultRule, FaultyStore, ManualClock, StoreCall, StoreFault};
use std::{path::Path, sync::Arc};

const LOG: &str = "holdfast/0011223344556677";

fn archive(root: &Path) -> Arc<FaultyStore> {
    let store = LocalStore::open(LocalStoreConfig::new(root), Arc::new(ManualClock::default())).unwrap();
    FaultyStore::new(store.store())
}

fn far(store: &Arc<FaultyStore>) -> Arc<StoreTiles> {
    Arc::new(StoreTiles::new(store.store(), LOG))
}

async fn ledger(root: &Path, tiles: Arc<dyn TileStore>) -> Ledger {
    Ledger::open(LedgerParts {
        head: Arc::new(SqliteHead::open(&root.join("head.sqlite")).unwrap()),
        tiles,
        signer: Arc::new(LocalSigner::from_seed(&[1; 32])),
        mac: Arc::new(LocalMac::from_seed(&[2; 32])),
        clock: Arc::new(ManualClock::default()),
        agent: agent(),
    })
    .await
    .unwrap()
}

fn agent() -> Agent {
    let text = |t: &str| t.to_owned();
    Agent { host: text("h"), os_user: text("u"), person: text("p"), role: text("r"), ..Agent::default() }
}

fn drafts(numbers: std::ops::Range<u32>) -> Vec<EventDraft> {
    numbers.map(|n| EventDraft::new(Action::Export, Phase::Fact, agent()).once(format!("n:{n}"))).collect()
}

#[tokio::test]
async fn a_store_keeps_tiles() {
    let folder = tempfile::tempdir().unwrap();
    let store = archive(folder.path());
    conformance::tile_store(far(&store)).await.unwrap();
    let other = tempfile::tempdir().unwrap();
    let head = Arc::new(SqliteHead::open(&other.path().join("head.sqlite")).unwrap());
    conformance::ledger(head, far(&archive(&other.path().join("archive")))).await.unwrap();
}

#[tokio::test]
async fn a_mirror_keeps_tiles() {
    let folder = tempfile::tempdir().unwrap();
    let near = Arc::new(FolderTiles::open(&folder.path().join("near")).unwrap());
    let store = archive(&folder.path().join("archive"));
    conformance::tile_store(Arc::new(MirroredTiles::new(near, far(&store)))).await.unwrap();
}

#[tokio::test]
async fn a_write_that_was_done_and_reported_as_failed_is_done() {
    let folder = tempfile::tempdir().unwrap();
    let store = archive(folder.path());
    let tiles = far(&store);
    for fault in [StoreFault::FailAfter, StoreFault::FailBefore] {
        store.add(FaultRule::on(StoreCall::Create, fault).key("ledger/"));
        let path = format!("tile/0/{fault:?}").to_lowercase();
        tiles.put_new(&path, b"tile".as_slice().into()).await.unwrap();
        assert_eq!(tiles.get(&path).await.unwrap().as_deref(), Some(b"tile".as_slice()));
    }
    store.add(FaultRule::on(StoreCall::Create, StoreFault::FailBefore).times(100));
    let failed = tiles.put_new("tile/0/9", b"tile".as_slice().into()).await;
    assert!(matches!(failed, Err(LedgerError::Remote(f)) if f.code == "store.io"));
}

/// The mirror is begun when the ledger is 600 entries long, is away for a while, and catches up.
#[tokio::test]
async fn a_mirror_catches_up_and_holds_the_whole_ledger() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let near: Arc<dyn TileStore> = Arc::new(FolderTiles::open(&root.join("near")).unwrap());
    ledger(root, near.clone()).await.append(drafts(0..600)).await.unwrap();

    let store = archive(&root.join("archive"));
    let mirrored = ledger(root, Arc::new(MirroredTiles::new(near.clone(), far(&store)))).await;
    store.add(FaultRule::on(StoreCall::Create, StoreFault::Full).key("ledger/").times(10_000));
    mirrored.append(drafts(600..900)).await.unwrap();
    assert!(mirrored.publish().await.is_err(), "the archive is away; the entries are kept all the same");
    store.clear();
    let newest = mirrored.publish().await.unwrap();
    assert_eq!(newest.size(), 901);
    assert_eq!(far(&store).published().await.unwrap().as_deref(), Some(newest.text()));

    // What is far is the whole log: with the near place gone, all of it is verified from there.
    std::fs::remove_dir_all(root.join("near")).unwrap();
    let from_far = ledger(root, far(&store)).await;
    let report = from_far.verify(&[newest], &NoProgress, &Cancel::default()).await.unwrap();
    assert!(report.is_intact(), "{:?}", report.faults);
    assert_eq!(report.entries, 901);
}

/// Folder and head are both put back to yesterday: only what can't be taken back tells.
#[tokio::test]
async fn a_ledger_put_back_as_a_whole_is_told_by_the_write_once_store() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let store = archive(&root.join("archive"));
    let open = |at: &'static str| {
        let (store, root) = (store.clone(), root.to_owned());
        async move {
            let near = Arc::new(FolderTiles::open(&root.join(at).join("near")).unwrap());
            ledger(&root.join(at), Arc::new(MirroredTiles::new(near, far(&store)))).await
        }
    };
    let one = open("desk").await;
    one.append(drafts(0..20)).await.unwrap();
    one.publish().await.unwrap();
    drop(one);
    let copy = std::process::Command::new("cp").arg("-r").arg(root.join("desk")).arg(root.join("old")).status();
    assert!(copy.unwrap().success());
    let one = open("desk").await;
    one.append(drafts(20..40)).await.unwrap();
    one.publish().await.unwrap();

    let old = open("old").await;
    let report = old.verify(&[], &NoProgress, &Cancel::default()).await.unwrap();
    assert!(report.faults.contains(&LedgerFault::RolledBack { known_size: 41, size: 21 }), "{:?}", report.faults);
}
