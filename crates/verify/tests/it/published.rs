//! A whole ledger as it is published, checked from outside: honest ones of every shape, and one damage of each kind.

use crate::{support::Archive, tampered::program};
use holdfast_ledger::{Action, Checkpoint, LedgerEntry, Phase, Signer as _, merkle::Frontier, tile};
use holdfast_model::{Cancel, NoProgress};
use holdfast_verify::{FindingCode as Code, Outcome, Trust, VerificationReport, key_fingerprint, verify_ledger};
use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
    sync::LazyLock,
};
use tempfile::TempDir;

/// Entries of the largest ledger: two full blocks and a part of a third.
const SIZE: usize = 520;

/// One chain that all tests take their ledgers from.
static CHAIN: LazyLock<Archive> = LazyLock::new(|| {
    let mut archive = Archive::with(0);
    archive.entries.clear();
    let mut first = crate::support::event(Action::LedgerCreated, Phase::Fact);
    first.details.insert("public_key".into(), hex::encode(archive.signer.public_key()));
    archive.append(first);
    while archive.entries.len() < SIZE {
        archive.append(crate::support::event(Action::Display, Phase::Fact));
    }
    archive
});

struct Log {
    folder: TempDir,
}

fn checkpoint(size: usize) -> Checkpoint {
    let mut tree = Frontier::default();
    CHAIN.entries[..size].iter().for_each(|e| tree.push(e.leaf_hash().0));
    Checkpoint::sign(&CHAIN.signer, size as u64, &tree.root()).unwrap()
}

/// A ledger of the first `size` entries, as it is published.
fn log(size: usize) -> Log {
    let log = Log { folder: tempfile::tempdir().unwrap() };
    log.write_tiles(size);
    log.write("checkpoint", checkpoint(size).text().as_bytes());
    log
}

impl Log {
    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        fs::create_dir_all(self.at(name).parent().unwrap()).unwrap();
        fs::write(self.at(name), bytes).unwrap();
    }

    fn write_tiles(&self, size: usize) {
        let leaves: Vec<_> = CHAIN.entries[..size].iter().map(|e| e.leaf_hash().0).collect();
        for (tile, bytes) in tile::hash_tiles(0, &leaves, &HashMap::new()) {
            self.write(&tile.path(), &bytes);
        }
        let bytes: Vec<_> = CHAIN.entries[..size].iter().map(LedgerEntry::bytes).collect();
        for (index, bundle) in bytes.chunks(256).enumerate() {
            self.write(&tile::bundle_path(index as u64, bundle.len() as u16), &tile::write_bundle(bundle).unwrap());
        }
    }

    fn edit(&self, name: &str, change: impl FnOnce(&mut Vec<u8>)) {
        let mut bytes = fs::read(self.at(name)).unwrap();
        change(&mut bytes);
        fs::write(self.at(name), bytes).unwrap();
    }

    fn verify(&self) -> VerificationReport {
        verify(self.folder.path(), Trust::from(Some(CHAIN.signer.public_key())))
    }

    /// The codes of all findings.
    #[track_caller]
    fn finds(&self, expected: &[Code]) -> VerificationReport {
        let report = self.verify();
        assert_eq!(report.findings.iter().map(|f| f.code).collect::<Vec<_>>(), expected, "{:#?}", report.findings);
        report
    }
}

fn verify(folder: &Path, trust: Trust) -> VerificationReport {
    verify_ledger(folder, trust, &Cancel::default(), &NoProgress).unwrap()
}

#[test]
fn honest_ledgers_of_every_shape_hold() {
    for size in [1, 2, 255, 256, 257, 511, 512, SIZE] {
        assert_eq!(log(size).verify().outcome, Outcome::Verified, "{size} entries");
    }
    let log = log(SIZE);
    let fingerprint = key_fingerprint(&CHAIN.signer.public_key());
    let folder = log.folder.path();
    let (code, out) = program(folder, &["--ledger", "--key", &fingerprint]);
    assert!(code == 0 && out.ends_with("\nVERIFIED\n"), "{out}");
    let (code, out) = program(folder, &["--ledger"]);
    assert!(code == 3 && out.contains("key.not_pinned") && out.contains(&fingerprint), "{out}");
    assert_eq!(program(folder, &["--ledger", "--key", &"ab".repeat(32)]).0, 4);
    // The published vector too, whose key is beside it.
    let vector = crate::documents::formats().join("vectors/ledger-v1");
    let pem = vector.join("public.pem");
    let (code, out) = program(&vector.join("log"), &["--ledger", "--key", pem.to_str().unwrap()]);
    assert!(code == 0, "{out}");
}

#[test]
fn partial_tiles_before_and_beyond_the_checkpoint() {
    // Kept from before: the beginning of what took its place.
    let log = log(SIZE);
    log.write_tiles(100);
    log.write_tiles(300);
    assert_eq!(log.verify().outcome, Outcome::Verified, "{:#?}", log.verify().findings);
    log.edit("tile/0/000.p/100", |b| b[5] ^= 1);
    assert_eq!(log.finds(&[Code::LedgerTileDamaged]).findings[0].subject, "tile/0/000.p/100");
    log.edit("tile/0/000.p/100", |b| b[5] ^= 1);
    log.edit("tile/entries/001.p/44", |b| b.truncate(50));
    assert_eq!(log.finds(&[Code::LedgerTileDamaged]).findings[0].subject, "tile/entries/001.p/44");
    // The ledger went on after the checkpoint was signed.
    let log = self::log(300);
    log.write_tiles(SIZE);
    let report = log.finds(&[Code::LedgerBeyondCheckpoint]);
    assert_eq!(report.outcome, Outcome::VerifiedWithRemarks);
    // One of the partial tile's length in the full one's place is none.
    fs::rename(log.at("tile/0/001"), log.at("full")).unwrap();
    fs::rename(log.at("tile/0/001.p/44"), log.at("tile/0/001")).unwrap();
    assert!(log.verify().has(Code::LedgerTileDamaged));
    fs::rename(log.at("full"), log.at("tile/0/001")).unwrap();
    // The full tile took the partial one's place.
    fs::remove_dir_all(log.at("tile/0/001.p")).unwrap();
    fs::remove_dir_all(log.at("tile/entries/001.p")).unwrap();
    assert_eq!(log.verify().outcome, Outcome::VerifiedWithRemarks, "{:#?}", log.verify().findings);
}

#[test]
fn an_entry_that_was_altered_is_named() {
    let log = log(SIZE);
    log.edit("tile/entries/001", |b| {
        let at = b.windows(9).position(|w| w == b"archive-1").unwrap();
        b[at + 8] = b'2';
    });
    let report = log.finds(&[Code::LedgerEntryAltered]);
    assert_eq!((report.outcome, report.findings[0].subject.as_str()), (Outcome::Failed, "ledger entry 256"));
}

#[test]
fn tiles_and_bundles_that_are_damaged_or_gone() {
    let codes = |name: &str, change: &dyn Fn(&Log)| {
        let log = log(SIZE);
        change(&log);
        let report = log.verify();
        assert_eq!(report.outcome, Outcome::Failed, "{name}: {:#?}", report.findings);
        report
    };
    for name in ["tile/0/000", "tile/0/002.p/8", "tile/1/000.p/2"] {
        let report = codes(name, &|log| log.edit(name, |b| b[3] ^= 1));
        assert!(!report.findings.is_empty(), "{name}");
        for change in [
            |log: &Log, name: &str| fs::remove_file(log.at(name)).unwrap(),
            |log: &Log, name: &str| log.edit(name, |b| b.truncate(40)),
        ] {
            let report = codes(name, &|log| change(log, name));
            assert!(
                report.findings.iter().any(|f| f.code == Code::LedgerTileDamaged && f.subject == name),
                "{name}: {:#?}",
                report.findings
            );
            assert!(!report.has(Code::LedgerInconsistent), "the entries still lead to the root: {name}");
        }
    }
    for name in ["tile/entries/000", "tile/entries/002.p/8"] {
        let report = codes(name, &|log| fs::remove_file(log.at(name)).unwrap());
        assert!(
            report.has(Code::LedgerTileDamaged) && report.has(Code::LedgerEntryMissing),
            "{name}: {:#?}",
            report.findings
        );
        let report = codes(name, &|log| log.edit(name, |b| b.truncate(b.len() - 3)));
        assert!(
            report.has(Code::LedgerTileDamaged) && report.has(Code::LedgerEntryMissing),
            "{name}: {:#?}",
            report.findings
        );
    }
    // A whole block is gone; the blocks after it are still looked at.
    let report = codes("block", &|log| {
        fs::remove_file(log.at("tile/0/001")).unwrap();
        fs::remove_file(log.at("tile/entries/001")).unwrap();
        log.edit("tile/entries/002.p/8", |b| b[20] ^= 1);
    });
    assert!(report.findings.iter().any(|f| f.subject == "ledger entries 256 to 511"), "{:#?}", report.findings);
    assert!(report.findings.iter().any(|f| f.subject == "ledger entry 512"), "{:#?}", report.findings);
}

#[test]
fn histories_that_were_rewritten() {
    // An entry exchanged together with its hash in every tile: only the signed root tells.
    let log = log(300);
    let mut forged = CHAIN.entries[..300].to_vec();
    forged[299].event.reason = Some("forged".into());
    let leaves: Vec<_> = forged.iter().map(|e| e.leaf_hash().0).collect();
    for (tile, bytes) in tile::hash_tiles(0, &leaves, &HashMap::new()) {
        log.write(&tile.path(), &bytes);
    }
    let bytes: Vec<_> = forged[256..].iter().map(LedgerEntry::bytes).collect();
    log.write("tile/entries/001.p/44", &tile::write_bundle(&bytes).unwrap());
    log.finds(&[Code::LedgerInconsistent]);
    // Two neighbours that do not name each other, and a time that goes back, under a root that fits them.
    let log = self::log(3);
    let mut forged = CHAIN.entries[..3].to_vec();
    forged[2].event.previous = forged[0].leaf_hash();
    forged[2].event.time = "2020-01-01T00:00:00Z".parse().unwrap();
    let leaves: Vec<_> = forged.iter().map(|e| e.leaf_hash().0).collect();
    for (tile, bytes) in tile::hash_tiles(0, &leaves, &HashMap::new()) {
        log.write(&tile.path(), &bytes);
    }
    let bytes: Vec<_> = forged.iter().map(LedgerEntry::bytes).collect();
    log.write("tile/entries/000.p/3", &tile::write_bundle(&bytes).unwrap());
    let mut tree = Frontier::default();
    leaves.iter().for_each(|l| tree.push(*l));
    log.write("checkpoint", Checkpoint::sign(&CHAIN.signer, 3, &tree.root()).unwrap().text().as_bytes());
    log.finds(&[Code::LedgerTimeWentBack, Code::LedgerChainBroken]);
}

#[test]
fn checkpoints_that_are_missing_forged_or_many() {
    let log = log(SIZE);
    let good = fs::read(log.at("checkpoint")).unwrap();
    fs::remove_file(log.at("checkpoint")).unwrap();
    assert!(log.verify().has(Code::LedgerCheckpointMalformed));
    log.write("checkpoint", b"nonsense");
    assert!(log.verify().has(Code::LedgerCheckpointMalformed));
    log.write("checkpoint", String::from_utf8(good.clone()).unwrap().replace("\n520\n", "\n519\n").as_bytes());
    log.finds(&[Code::LedgerCheckpointSignature]);
    // Signed for more entries than there are: each is missing, and nobody counts to a billion.
    let far = Checkpoint::sign(&CHAIN.signer, 1 << 50, &[7; 32]).unwrap();
    log.write("checkpoint", far.text().as_bytes());
    let report = log.verify();
    assert!(report.has(Code::LedgerEntryMissing), "{:#?}", report.findings);
    // A write-once store keeps every checkpoint; each is held against the entries.
    fs::remove_file(log.at("checkpoint")).unwrap();
    let name = |size: u64| format!("checkpoint/{:020}-{size}", u64::MAX - size);
    for size in [5, 300, SIZE] {
        log.write(&name(size as u64), checkpoint(size).text().as_bytes());
    }
    let report = log.verify();
    assert_eq!(report.outcome, Outcome::Verified, "{:#?}", report.findings);
    log.write(&name(400), Checkpoint::sign(&CHAIN.signer, 400, &[7; 32]).unwrap().text().as_bytes());
    log.finds(&[Code::LedgerInconsistent]);
}

#[test]
fn strangers_are_named_and_nothing_of_them_is_believed() {
    let log = log(SIZE);
    for name in ["README", "tile/9/000", "tile/0/x", "tile/0/.000.17.0.tmp", "tile/entries/000.p/256"] {
        log.write(name, b"x");
    }
    log.write("head.sqlite", b"of the archive's own folder");
    let report = log.verify();
    assert_eq!(report.outcome, Outcome::VerifiedWithRemarks);
    assert_eq!(report.findings.len(), 5, "{:#?}", report.findings);
    assert!(report.findings.iter().all(|f| f.code == Code::LedgerFileUnknown));
}
