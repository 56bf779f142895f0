//! Everything that can be done to a log behind its back, and how each is named.

use crate::support::{MAC_SEED, TestClock, assert_intact, draft, filled, open, parts, verify};
use holdfast_ledger::{
    Checkpoint, EventFormat, Ledger, LedgerEntry, LedgerError, LedgerFault as F, LocalMac, SqliteHead, merkle, tile,
};
use holdfast_model::{Cancel, Fault, NoProgress};
use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};

/// Two full tiles and a tail.
const SIZE: u64 = 600;

struct Log {
    dir: tempfile::TempDir,
}

impl Log {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let ledger = filled(dir.path(), SIZE).await;
        ledger.publish().await.unwrap();
        assert_intact(&ledger).await;
        Self { dir }
    }

    fn tile(&self, path: &str) -> PathBuf {
        self.dir.path().join("tiles").join(path)
    }

    /// Changes a file, read-only or not.
    fn change(&self, path: &str, change: impl FnOnce(&mut Vec<u8>)) {
        let path = self.tile(path);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let mut bytes = fs::read(&path).unwrap();
        change(&mut bytes);
        fs::write(&path, bytes).unwrap();
    }

    /// Changes one entry of a bundle.
    fn change_entry(&self, sequence: u64, change: impl FnOnce(&mut Vec<u8>)) {
        self.change(&tile::bundle_path(sequence / 256, 256), |bytes| {
            let mut entries: Vec<Vec<u8>> = tile::read_bundle(bytes).0.iter().map(|e| e.to_vec()).collect();
            change(&mut entries[(sequence % 256) as usize]);
            *bytes = tile::write_bundle(&entries).unwrap();
        });
    }

    /// Makes the hash tile fit the bundle again, as a forger would.
    fn change_hash(&self, sequence: u64, leaf: merkle::Hash) {
        let at = (sequence % 256) as usize * 32;
        self.change(&format!("tile/0/{:03}", sequence / 256), |bytes| bytes[at..at + 32].copy_from_slice(&leaf));
    }

    fn sql(&self, sql: &str, parameters: impl rusqlite::Params) -> usize {
        rusqlite::Connection::open(self.dir.path().join("ledger.db")).unwrap().execute(sql, parameters).unwrap()
    }

    fn tail(&self, sequence: u64) -> Vec<u8> {
        let db = rusqlite::Connection::open(self.dir.path().join("ledger.db")).unwrap();
        db.query_row("SELECT entry FROM tail WHERE sequence = ?1", [sequence as i64], |r| r.get(0)).unwrap()
    }

    fn set_tail(&self, sequence: u64, entry: &[u8]) {
        assert_eq!(
            self.sql("UPDATE tail SET entry = ?2 WHERE sequence = ?1", rusqlite::params![sequence as i64, entry]),
            1
        );
    }

    async fn faults(&self) -> Vec<F> {
        verify(&open(self.dir.path()).await).await.faults
    }
}

/// Another entry in its place: with a reason that was never given, and a MAC made with `key`.
fn forged(bytes: &[u8], key: &[u8; 32]) -> Vec<u8> {
    let mut event = LedgerEntry::parse(bytes).unwrap().event;
    event.reason = Some("nothing to see here".into());
    LedgerEntry::seal(event, &LocalMac::from_seed(key)).unwrap().bytes()
}

fn flip(bytes: &mut [u8]) {
    let at = bytes.windows(6).position(|w| w == b"check ").unwrap();
    bytes[at] = b'C';
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[tokio::test]
async fn one_changed_letter_in_one_entry() {
    for sequence in [0, 1, 100, 255, 256, 511] {
        let log = Log::new().await;
        log.change_entry(sequence, |e| match sequence {
            0 => *e = String::from_utf8(e.clone()).unwrap().replace("Jo Doe", "Jo Dot").into_bytes(),
            _ => flip(e),
        });
        assert_eq!(log.faults().await, [F::EntryAltered { sequence }, F::MacMismatch { sequence }]);
    }
}

#[tokio::test]
async fn one_changed_letter_in_an_entry_that_the_head_keeps() {
    for sequence in [512, 550, 599] {
        let log = Log::new().await;
        let mut entry = log.tail(sequence);
        flip(&mut entry);
        log.set_tail(sequence, &entry);
        assert_eq!(log.faults().await, [F::EntryAltered { sequence }, F::MacMismatch { sequence }]);
    }
}

#[tokio::test]
async fn an_entry_that_is_no_entry() {
    let log = Log::new().await;
    log.change_entry(42, |e| *e = b"{}".to_vec());
    assert_eq!(log.faults().await, [F::EntryAltered { sequence: 42 }, F::MacMismatch { sequence: 42 }]);
    let refused = open(log.dir.path()).await.entry(42).await.unwrap_err();
    assert_eq!(refused.code(), "ledger.entry_unreadable");
}

/// The same entry as a newer version might write it: another format, and a member that this version does not know.
fn newer(bytes: &[u8]) -> Vec<u8> {
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    text.replace(EventFormat::NEWEST.as_str(), "holdfast-event/9")
        .replacen("{\"event\":{", "{\"event\":{\"a_later_member\":1,", 1)
        .into_bytes()
}

/// The same entry with an action that a later version added.
fn with_a_later_action(bytes: &[u8]) -> Vec<u8> {
    String::from_utf8(bytes.to_vec()).unwrap().replace("\"verification\"", "\"audit\"").into_bytes()
}

/// Changes an entry and the hash that its tile has for it, as if it had been written so.
fn rewrite(log: &Log, sequence: u64, change: impl FnOnce(&[u8]) -> Vec<u8>) {
    let mut leaf = [0; 32];
    log.change_entry(sequence, |e| {
        *e = change(e);
        leaf = merkle::leaf_hash(e);
    });
    log.change_hash(sequence, leaf);
}

#[tokio::test]
async fn an_entry_of_a_newer_version_is_said_to_be_one_and_not_to_be_damaged() {
    for change in [newer, with_a_later_action] {
        let log = Log::new().await;
        rewrite(&log, 42, change);
        let faults = log.faults().await;
        assert!(faults.contains(&F::FormatUnknown { sequence: 42 }), "{faults:?}");
        let accused = |f: &F| matches!(f, F::EntryAltered { sequence: 42 } | F::MacMismatch { sequence: 42 });
        assert!(!faults.iter().any(accused), "{faults:?}");
        assert_eq!(open(log.dir.path()).await.entry(42).await.unwrap_err().code(), "ledger.format_unknown");
    }

    // Where the tile says that something else was written, the claim to be newer excuses nothing.
    let log = Log::new().await;
    log.change_entry(42, |e| *e = newer(e));
    assert_eq!(log.faults().await, [F::EntryAltered { sequence: 42 }, F::MacMismatch { sequence: 42 }]);
}

#[tokio::test]
async fn a_head_of_a_newer_version_is_left_alone() {
    let log = Log::new().await;
    let db = rusqlite::Connection::open(log.dir.path().join("ledger.db")).unwrap();
    db.pragma_update(None, "user_version", 9).unwrap();
    drop(db);
    let refused = SqliteHead::open(&log.dir.path().join("ledger.db")).err().unwrap();
    assert_eq!(refused.code(), "ledger.format_unknown");
}

#[tokio::test]
async fn a_removed_entry() {
    let log = Log::new().await;
    log.change("tile/entries/001", |bytes| {
        let mut entries = tile::read_bundle(bytes).0;
        entries.remove(44);
        *bytes = tile::write_bundle(&entries).unwrap();
    });
    let damaged = F::TileDamaged { path: "tile/entries/001".into() };
    assert_eq!(log.faults().await, [damaged, F::EntryMissing { sequence: 300 }]);

    let log = Log::new().await;
    assert_eq!(log.sql("DELETE FROM tail WHERE sequence = 555", []), 1);
    assert_eq!(log.faults().await, [F::EntryMissing { sequence: 555 }]);

    let log = Log::new().await;
    assert_eq!(log.sql("DELETE FROM tail WHERE sequence >= 598", []), 2);
    let faults = log.faults().await;
    assert_eq!(faults[..2], [F::EntryMissing { sequence: 598 }, F::EntryMissing { sequence: 599 }]);
    assert!(matches!(open(log.dir.path()).await.entry(599).await, Err(LedgerError::EntryUnreadable { .. })));
}

#[tokio::test]
async fn a_removed_bundle() {
    let log = Log::new().await;
    fs::remove_file(log.tile("tile/entries/000")).unwrap();
    let faults = log.faults().await;
    assert_eq!(faults[0], F::TileDamaged { path: "tile/entries/000".into() });
    assert_eq!(faults[1..], (0..256).map(|sequence| F::EntryMissing { sequence }).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_cut_bundle_and_one_with_something_behind() {
    let log = Log::new().await;
    log.change("tile/entries/000", |bytes| bytes.truncate(bytes.len() - 1));
    let damaged = F::TileDamaged { path: "tile/entries/000".into() };
    assert_eq!(log.faults().await, [damaged.clone(), F::EntryMissing { sequence: 255 }]);
    let log = Log::new().await;
    log.change("tile/entries/000", |bytes| bytes.push(0));
    assert_eq!(log.faults().await, [damaged]);
}

#[tokio::test]
async fn two_swapped_entries() {
    let log = Log::new().await;
    log.change("tile/entries/000", |bytes| {
        let mut entries = tile::read_bundle(bytes).0;
        entries.swap(10, 20);
        *bytes = tile::write_bundle(&entries).unwrap();
    });
    let faults = log.faults().await;
    assert!(faults.contains(&F::EntryAltered { sequence: 10 }) && faults.contains(&F::EntryAltered { sequence: 20 }));
    let log = Log::new().await;
    let (a, b) = (log.tail(520), log.tail(530));
    log.set_tail(520, &b);
    log.set_tail(530, &a);
    let faults = log.faults().await;
    assert!(faults.contains(&F::EntryAltered { sequence: 520 }) && faults.contains(&F::EntryAltered { sequence: 530 }));
}

#[tokio::test]
async fn a_forged_entry_without_the_key() {
    let log = Log::new().await;
    log.change_entry(300, |e| *e = forged(e, &[1; 32]));
    assert_eq!(log.faults().await, [F::EntryAltered { sequence: 300 }, F::MacMismatch { sequence: 300 }]);
}

#[tokio::test]
async fn a_forged_entry_with_a_fitting_hash() {
    for key in [[1; 32], MAC_SEED] {
        let log = Log::new().await;
        let mut leaf = [0; 32];
        log.change_entry(300, |e| {
            *e = forged(e, &key);
            leaf = merkle::leaf_hash(e);
        });
        log.change_hash(300, leaf);
        let faults = log.faults().await;
        assert_eq!(faults.contains(&F::MacMismatch { sequence: 300 }), key != MAC_SEED);
        assert!(faults.contains(&F::ChainBroken { sequence: 301 }));
        assert!(faults.contains(&F::Inconsistent { size: SIZE }));
        // The node above the tile is not that of the tile any more.
        assert!(faults.contains(&F::TileDamaged { path: "tile/1/000.p/2".into() }));
    }
}

#[tokio::test]
async fn a_forged_entry_with_the_mac_key_alone() {
    let log = Log::new().await;
    log.change_entry(300, |e| *e = forged(e, &MAC_SEED));
    assert_eq!(log.faults().await, [F::EntryAltered { sequence: 300 }]);
    let log = Log::new().await;
    log.set_tail(550, &forged(&log.tail(550), &MAC_SEED));
    assert_eq!(log.faults().await, [F::ChainBroken { sequence: 551 }, F::Inconsistent { size: SIZE }]);
}

#[tokio::test]
async fn damaged_tiles_of_hashes() {
    for path in ["tile/0/000", "tile/0/001", "tile/1/000.p/2"] {
        let damaged = [F::TileDamaged { path: path.into() }];
        let log = Log::new().await;
        log.change(path, |bytes| bytes[40] ^= 1);
        assert_eq!(log.faults().await, damaged);
        let log = Log::new().await;
        log.change(path, |bytes| bytes.truncate(33));
        assert_eq!(log.faults().await, damaged);
        let log = Log::new().await;
        fs::remove_file(log.tile(path)).unwrap();
        assert_eq!(log.faults().await, damaged);
    }
}

#[tokio::test]
async fn a_proof_from_damaged_tiles_is_not_handed_out() {
    let log = Log::new().await;
    log.change("tile/0/000", |bytes| bytes[40] ^= 1);
    let ledger = open(log.dir.path()).await;
    assert!(matches!(ledger.inclusion(0).await, Err(LedgerError::EntryUnreadable { sequence: 0, .. })));
}

#[tokio::test]
async fn a_changed_checkpoint() {
    let log = Log::new().await;
    log.change("checkpoint", |bytes| {
        let at = bytes.len() - 20;
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
    });
    assert_eq!(log.faults().await, [F::CheckpointSignature { which: "published".into() }]);

    let log = Log::new().await;
    let ledger = open(log.dir.path()).await;
    let text = ledger.checkpoint().await.unwrap().text().replace("\n600\n", "\n599\n");
    log.sql("UPDATE head SET checkpoint = ?1", [&text]);
    let report = verify(&ledger).await;
    assert_eq!(report.faults[0].code(), "ledger.head_damaged"); // its edge is of another size
    let refused = ledger.append(vec![draft(9999)]).await.unwrap_err();
    assert_eq!(refused.code(), "ledger.head_damaged");

    let log = Log::new().await;
    let ledger = open(log.dir.path()).await;
    let checkpoint = ledger.checkpoint().await.unwrap();
    let (body, signature) = checkpoint.text().rsplit_once(' ').unwrap();
    let signature = if signature.contains('A') { signature.replace('A', "B") } else { signature.replace('B', "A") };
    log.sql("UPDATE head SET checkpoint = ?1", [format!("{body} {signature}")]);
    assert_eq!(verify(&ledger).await.faults, [F::CheckpointSignature { which: "head".into() }]);
    let refused = Ledger::open(parts(log.dir.path(), Arc::new(TestClock::default())).unwrap()).await.err().unwrap();
    assert_eq!(refused.code(), "ledger.checkpoint_signature");
}

#[tokio::test]
async fn a_changed_head() {
    for (sql, appends) in [
        ("UPDATE head SET peaks = zeroblob(length(peaks))", false),
        ("UPDATE head SET last_leaf = zeroblob(32)", true),
        ("UPDATE head SET last_time_ms = last_time_ms + 1", true),
        ("UPDATE head SET tiled = 1024", true),
        ("UPDATE head SET tiled = 511", true),
        ("INSERT INTO tail SELECT sequence + 88, entry FROM tail WHERE sequence = 512", true),
        ("DELETE FROM head", false),
    ] {
        let log = Log::new().await;
        let ledger = open(log.dir.path()).await;
        log.sql(sql, []);
        let faults = verify(&ledger).await.faults;
        assert!(faults.iter().any(|f| matches!(f, F::HeadDamaged { .. })), "{sql}: {faults:?}");
        if !appends {
            assert!(ledger.append(vec![draft(9999)]).await.is_err(), "{sql}");
        }
    }
}

#[tokio::test]
async fn a_lost_head_is_not_replaced_by_a_new_ledger() {
    let log = Log::new().await;
    for file in ["ledger.db", "ledger.db-wal", "ledger.db-shm"] {
        let _ = fs::remove_file(log.dir.path().join(file));
    }
    let refused = Ledger::open(parts(log.dir.path(), Arc::new(TestClock::default())).unwrap()).await.err().unwrap();
    assert!(matches!(refused, LedgerError::HeadLost));
}

#[tokio::test]
async fn the_whole_folder_rolled_back() {
    let log = Log::new().await;
    let old = tempfile::tempdir().unwrap();
    copy(log.dir.path(), old.path());
    let ledger = open(log.dir.path()).await;
    ledger.append((SIZE..650).map(draft).collect()).await.unwrap();
    let remembered = ledger.checkpoint().await.unwrap();
    drop(ledger);

    let rolled_back = open(old.path()).await;
    // By itself it is a good log of the past; only who remembers can tell.
    assert_intact(&rolled_back).await;
    let known = |c: &Checkpoint| vec![c.clone()];
    let against = |l: Ledger, c: Vec<Checkpoint>| async move {
        l.verify(&c, &NoProgress, &Cancel::default()).await.unwrap().faults
    };
    let faults = against(rolled_back.clone(), known(&remembered)).await;
    assert_eq!(faults, [F::RolledBack { known_size: 650, size: SIZE }]);

    // Grown again to the same size and beyond, with other entries.
    rolled_back.append((1000..1050).map(draft).collect()).await.unwrap();
    assert_eq!(against(rolled_back.clone(), known(&remembered)).await, [F::Inconsistent { size: 650 }]);
    rolled_back.append((1050..1300).map(draft).collect()).await.unwrap();
    assert_intact(&rolled_back).await;
    assert_eq!(against(rolled_back.clone(), known(&remembered)).await, [F::Inconsistent { size: 650 }]);
    // No proof of consistency can be made between the two.
    let newer = rolled_back.checkpoint().await.unwrap();
    let proof = rolled_back.consistency(650, newer.size()).await.unwrap();
    assert!(proof.verify(rolled_back.verifier_key(), &remembered, &newer).is_err());
    // A remembered checkpoint that is none is told as well.
    let text = remembered.text().replace("\n650\n", "\n649\n");
    let faults = against(rolled_back, vec![Checkpoint::parse(&text).unwrap()]).await;
    assert_eq!(faults, [F::CheckpointSignature { which: "remembered".into() }]);
}

#[tokio::test]
async fn a_head_rolled_back_under_a_running_process() {
    let log = Log::new().await;
    let before = tempfile::tempdir().unwrap();
    copy(log.dir.path(), before.path());
    let ledger = open(log.dir.path()).await;
    ledger.append(vec![draft(700)]).await.unwrap();
    let earlier = rusqlite::Connection::open(before.path().join("ledger.db")).unwrap();
    let (checkpoint, peaks): (String, Vec<u8>) =
        earlier.query_row("SELECT checkpoint, peaks FROM head", [], |r| Ok((r.get(0)?, r.get(1)?))).unwrap();
    log.sql("UPDATE head SET checkpoint = ?1, peaks = ?2", rusqlite::params![checkpoint, peaks]);
    let refused = ledger.append(vec![draft(701)]).await.unwrap_err();
    assert!(matches!(refused, LedgerError::RolledBack { known_size: 601, size: 600 }), "{refused:?}");
}

#[tokio::test]
async fn damaged_entries_are_never_made_immutable() {
    let log = Log::new().await;
    let mut entry = log.tail(520);
    flip(&mut entry);
    log.set_tail(520, &entry);
    let ledger = open(log.dir.path()).await;
    ledger.append((SIZE..800).map(draft).collect()).await.unwrap();
    assert!(!log.tile("tile/entries/002").exists());
    assert_eq!(ledger.publish().await.unwrap_err().code(), "ledger.head_damaged");
    assert_eq!(verify(&ledger).await.faults, [F::EntryAltered { sequence: 520 }, F::MacMismatch { sequence: 520 }]);
    // The last of 256 that the head keeps, before others.
    let mut entry = log.tail(767);
    flip(&mut entry);
    log.set_tail(767, &entry);
    let faults = verify(&ledger).await.faults;
    assert_eq!(faults[2..], [F::EntryAltered { sequence: 767 }, F::MacMismatch { sequence: 767 }]);
}

#[tokio::test]
async fn evidence_is_handed_out_as_it_lies_there() {
    let log = Log::new().await;
    let ledger = open(log.dir.path()).await;
    let good = ledger.evidence([3, 300, 301, 599].into_iter()).await.unwrap();
    for stored in &good.1 {
        let (bytes, leaf) = (stored.bytes.as_ref().unwrap(), stored.leaf.unwrap());
        assert_eq!(merkle::leaf_hash(bytes), leaf.0);
        let hashes: Vec<_> = stored.hashes.iter().map(|h| h.0).collect();
        assert!(merkle::verify_inclusion(stored.index, SIZE, &leaf.0, &hashes, &good.0.root().0));
    }
    // One changed, one removed, one of the tail changed: each shows, and the proofs of the others still hold.
    log.change("tile/entries/001", |bytes| {
        let mut entries: Vec<Vec<u8>> = tile::read_bundle(bytes).0.iter().map(|e| e.to_vec()).collect();
        entries.remove(44);
        *bytes = tile::write_bundle(&entries).unwrap();
    });
    log.change_entry(3, |e| flip(e));
    log.set_tail(599, &forged(&log.tail(599), &[1; 32]));
    let (_, bad) = ledger.evidence([3, 300, 301, 599].into_iter()).await.unwrap();
    assert_eq!((bad[1].bytes.clone(), &bad[2]), (None, &good.1[2]));
    for (at, stored) in bad.iter().enumerate() {
        assert_eq!((stored.leaf, &stored.hashes), (good.1[at].leaf, &good.1[at].hashes));
        let same = stored.bytes.as_ref().is_some_and(|b| merkle::leaf_hash(b) == stored.leaf.unwrap().0);
        assert_eq!(same, at == 2);
    }
    let (_, of) = ledger.evidence_of(&crate::support::recording(3), &[0]).await.unwrap();
    assert_eq!(of.iter().map(|e| e.index).collect::<Vec<_>>()[..3], [0, 3, 53]);
}
