//! Whatever is changed behind Holdfast's back has its own name.

use crate::world::{World, bytes, files, overwrite};
use holdfast_ledger::{Action, EventDraft, LedgerEntry, Phase, tile};
use holdfast_model::{ArchiveId, Cancel, Manifest, NoProgress};
use holdfast_testkit::{ManualClock, Sample};
use holdfast_verify::{FindingCode as Code, Outcome, VerificationReport};
use jiff::SignedDuration;
use std::path::{Path, PathBuf};

async fn verify(w: &World, id: &ArchiveId) -> VerificationReport {
    w.desk.verify_archived(id, &w.me, &NoProgress, &Cancel::default()).await.unwrap()
}

/// Two archived recordings that verify.
async fn archive() -> (World, ArchiveId, ArchiveId) {
    let w = World::new().await;
    let a = w.archive(Sample::new(1, bytes(1)).hot()).await;
    let b = w.archive(Sample::new(2, bytes(2)).hot()).await;
    for id in [&a, &b] {
        let report = verify(&w, id).await;
        assert_eq!(report.outcome, Outcome::Verified, "{report:#?}");
    }
    (w, a, b)
}

fn codes(report: &VerificationReport) -> Vec<&'static str> {
    report.findings.iter().map(|f| f.code.as_str()).collect()
}

fn file(w: &World, part: &str) -> PathBuf {
    let found = files(&w.root.join("archive"), part);
    let plain: Vec<PathBuf> = found.into_iter().filter(|p| !p.to_string_lossy().contains(".holdfast")).collect();
    assert_eq!(plain.len(), 1, "{part}: {plain:?}");
    plain[0].clone()
}

fn sql(w: &World, statement: &str, parameters: impl rusqlite::Params) {
    let db = rusqlite::Connection::open(w.root.join("ledger/head.sqlite")).unwrap();
    assert_eq!(db.execute(statement, parameters).unwrap(), 1, "{statement}");
}

/// The accession's outcome.
async fn accession(w: &World, id: &ArchiveId) -> LedgerEntry {
    let entries = w.entries(id).await;
    entries.into_iter().find(|e| e.event.action == Action::Accession && e.event.phase == Phase::Outcome).unwrap()
}

/// The same installation, opened anew.
async fn reopened(w: &World) -> World {
    World::at(&w.root, ManualClock::at(w.now() + SignedDuration::from_mins(1))).await
}

#[tokio::test]
async fn one_flipped_bit() {
    let (w, a, b) = archive().await;
    overwrite(&file(&w, "r-1.wav"), |bytes| bytes[100_000] ^= 0x10);
    let report = verify(&w, &a).await;
    assert_eq!(codes(&report), ["bytes.digest_mismatch"], "{report:#?}");
    assert_eq!(verify(&w, &b).await.outcome, Outcome::Verified, "the other one is as it was");
}

#[tokio::test]
async fn two_files_exchanged() {
    let (w, a, b) = archive().await;
    let (one, two) = (file(&w, "r-1.wav"), file(&w, "r-2.wav"));
    let (first, second) = (std::fs::read(&one).unwrap(), std::fs::read(&two).unwrap());
    overwrite(&one, |bytes| *bytes = second);
    overwrite(&two, |bytes| *bytes = first);
    for (id, other) in [(&a, &b), (&b, &a)] {
        let report = verify(&w, id).await;
        let swapped = report.findings.iter().find(|f| f.code == Code::BytesSwapped).expect("swapped");
        assert!(swapped.found.contains(other.as_str()), "{swapped}");
    }
}

#[tokio::test]
async fn bytes_cut_off_added_or_gone() {
    let (w, a, b) = archive().await;
    overwrite(&file(&w, "r-1.wav"), |bytes| bytes.truncate(1000));
    assert!(verify(&w, &a).await.has(Code::BytesSizeMismatch));
    overwrite(&file(&w, "r-2.wav"), |bytes| bytes.push(0));
    assert!(verify(&w, &b).await.has(Code::BytesSizeMismatch));
    std::fs::remove_file(file(&w, "r-1.wav")).unwrap();
    assert!(verify(&w, &a).await.has(Code::BytesMissing));
}

#[tokio::test]
async fn a_changed_manifest_or_payload() {
    let (w, a, b) = archive().await;
    overwrite(&file(&w, "manifests/2024/03/01/genesys.acme.c-1/"), |bytes| {
        let mut manifest: Manifest = serde_json::from_slice(bytes).unwrap();
        manifest.record.queues = vec!["other".into()];
        *bytes = manifest.to_canonical_bytes().unwrap();
    });
    let report = verify(&w, &a).await;
    assert!(report.has(Code::ManifestDigestMismatch), "{report:#?}");
    overwrite(&file(&w, "payloads/2024/03/01/genesys.acme.c-2/"), |bytes| bytes[2] ^= 1);
    let report = verify(&w, &b).await;
    assert!(report.has(Code::PayloadDigestMismatch), "{report:#?}");
    overwrite(&file(&w, "manifests/2024/03/01/genesys.acme.c-2/"), |bytes| *bytes = b"{}".to_vec());
    assert!(verify(&w, &b).await.has(Code::ManifestMalformed));
}

#[tokio::test]
async fn a_removed_ledger_entry() {
    let (w, a, b) = archive().await;
    let sequence = accession(&w, &a).await.event.sequence;
    sql(&w, "DELETE FROM tail WHERE sequence = ?1", [sequence as i64]);
    let report = verify(&w, &a).await;
    assert!(report.has(Code::LedgerEntryMissing), "{report:#?}");
    assert_eq!(verify(&w, &b).await.outcome, Outcome::Verified, "other entries are proven still");
}

#[tokio::test]
async fn an_altered_ledger_entry() {
    let (w, a, b) = archive().await;
    let entry = accession(&w, &a).await;
    let forged = String::from_utf8(entry.bytes()).unwrap().replace("Lee Legal", "Eve Other");
    sql(&w, "UPDATE tail SET entry = ?2 WHERE sequence = ?1", (entry.event.sequence as i64, forged.as_bytes()));
    let report = verify(&w, &a).await;
    assert!(report.has(Code::LedgerEntryAltered), "{report:#?}");
    assert!(report.has(Code::LedgerMacMismatch));
    assert!(!report.has(Code::LedgerInclusionFailed), "the one that was changed is named: {report:#?}");
    assert_eq!(verify(&w, &b).await.outcome, Outcome::Verified);
}

/// Entries that lie in tiles already.
#[tokio::test]
async fn an_altered_or_removed_tile() {
    let (w, a, b) = archive().await;
    let noise = (0..300).map(|_| EventDraft::new(Action::Display, Phase::Fact, w.me.clone())).collect();
    w.ledger.append(noise).await.unwrap();
    assert_eq!(verify(&w, &a).await.outcome, Outcome::Verified);
    let bundle = w.root.join("ledger").join(tile::bundle_path(0, 256));
    let bundle = if bundle.exists() { bundle } else { files(&w.root.join("ledger"), "entries/000")[0].clone() };
    let sequence = accession(&w, &a).await.event.sequence as usize;
    overwrite(&bundle, |bytes| {
        let mut entries: Vec<Vec<u8>> = tile::read_bundle(bytes).0.iter().map(|e| e.to_vec()).collect();
        let at = entries[sequence].windows(3).position(|w| w == b"Lee").unwrap();
        entries[sequence][at] = b'M';
        *bytes = tile::write_bundle(&entries).unwrap();
    });
    let w = reopened(&w).await;
    let report = verify(&w, &a).await;
    assert!(report.has(Code::LedgerEntryAltered), "{report:#?}");
    assert_eq!(verify(&w, &b).await.outcome, Outcome::Verified);
    std::fs::remove_file(&bundle).unwrap();
    let report = verify(&w, &b).await;
    assert!(report.has(Code::LedgerEntryMissing), "{report:#?}");
}

fn copy_folder(from: &Path, to: &Path) {
    let _ = std::fs::remove_dir_all(to);
    for path in files(from, "") {
        let target = to.join(path.strip_prefix(from).unwrap());
        std::fs::create_dir_all(target.parent().unwrap()).unwrap();
        std::fs::copy(path, target).unwrap();
    }
}

#[tokio::test]
async fn a_ledger_put_back_to_an_older_state() {
    let (w, a, b) = archive().await;
    let backup = w.root.join("backup");
    copy_folder(&w.root.join("ledger"), &backup);
    for _ in 0..5 {
        verify(&w, &b).await;
    }
    let root = w.root.clone();
    let clock = w.clock.clone();
    let World { ledger, desk, _folder, .. } = w;
    drop((ledger, desk));
    copy_folder(&backup, &root.join("ledger"));
    let w = World::at(&root, clock).await;
    let report = verify(&w, &a).await;
    assert!(report.has(Code::LedgerRolledBack), "{report:#?}");
    // It goes on and on, and is never forgotten.
    for _ in 0..12 {
        verify(&w, &b).await;
    }
    let report = verify(&w, &a).await;
    assert!(report.has(Code::LedgerInconsistent), "{report:#?}");
    drop(_folder);
}

#[tokio::test]
async fn a_changed_or_removed_index_row() {
    let (w, a, b) = archive().await;
    let rows = w.index.scan(None, 10).await.unwrap();
    let mut sink = w.index.rebuild().await.unwrap();
    for mut row in rows {
        if row.archive_id == a {
            row.record.queues = vec!["sales".into()];
            sink.push(row, None).await.unwrap();
        }
    }
    sink.finish().await.unwrap();
    let report = verify(&w, &a).await;
    assert_eq!(codes(&report), ["index.row_differs"], "{report:#?}");
    assert!(report.findings[0].subject.contains("/record/queues"));
    let report = verify(&w, &b).await;
    assert_eq!(codes(&report), ["index.row_missing"], "found by the ledger: {report:#?}");
    assert_eq!(report.outcome, Outcome::VerifiedWithRemarks, "the index is derived and decides nothing");
}

/// Changes the store's own record of the original of `r-1`.
fn change_record(w: &World, change: impl FnOnce(String) -> String) {
    let records = files(&w.root.join("archive/.holdfast"), "r-1.wav");
    assert_eq!(records.len(), 1, "{records:?}");
    overwrite(&records[0], |bytes| *bytes = change(String::from_utf8(bytes.clone()).unwrap()).into_bytes());
}

#[tokio::test]
async fn shortened_removed_or_weakened_retention() {
    let (w, a, _) = archive().await;
    change_record(&w, |text| text.replace("2031-03-01", "2027-03-01"));
    let report = verify(&reopened(&w).await, &a).await;
    assert_eq!(codes(&report), ["retention.shortened"], "{report:#?}");
}

#[tokio::test]
async fn a_hold_lifted_behind_the_back() {
    let (w, a, _) = archive().await;
    let matter = w.matter_of(std::slice::from_ref(&a)).await;
    w.desk.hold(&matter, "litigation", &w.me).await.unwrap();
    assert_eq!(verify(&w, &a).await.outcome, Outcome::Verified);
    let at = w.index.get(&a).await.unwrap().unwrap().locator;
    w.store.retention.set_legal_hold(&at, false).await.unwrap();
    let report = verify(&w, &a).await;
    assert_eq!(codes(&report), ["hold.missing"], "{report:#?}");
    assert!(report.findings[0].expected.contains(matter.as_str()));
}

#[tokio::test]
async fn a_digest_changed_in_the_objects_own_record() {
    let (w, a, _) = archive().await;
    let digest = holdfast_model::Sha256Digest::of(&bytes(1)).to_hex();
    change_record(&w, |text| text.replace(&digest, &"0".repeat(64)));
    let report = verify(&reopened(&w).await, &a).await;
    assert!(report.has(Code::ObjectMetadataMismatch), "{report:#?}");
}

#[tokio::test]
async fn what_is_offline_is_verified_with_a_remark() {
    let w = World::new().await;
    let cold = w.cold(1).await.remove(0);
    let report = verify(&w, &cold).await;
    assert_eq!(report.outcome, Outcome::VerifiedWithRemarks);
    assert_eq!(codes(&report), ["bytes.not_read"]);
    w.assert_ledger().await;
}

#[tokio::test]
async fn a_file_is_known_by_its_bytes_or_by_its_name() {
    let (w, a, b) = archive().await;
    let put = |name: &str, bytes: &[u8]| {
        let path = w.root.join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    };
    let same = put("holiday.wav", &bytes(1));
    let found = w.desk.verify_file(&same, &w.me).await.unwrap();
    assert_eq!(found.archive_id.as_ref(), Some(&a));
    assert_eq!(found.report.unwrap().outcome, Outcome::Verified);
    let mut changed = bytes(1);
    changed[9] ^= 1;
    let found = w.desk.verify_file(&put(&format!("HF-0001_{a}.wav"), &changed), &w.me).await.unwrap();
    assert_eq!(codes(&found.report.unwrap()), ["bytes.digest_mismatch"]);
    let found = w.desk.verify_file(&put(&format!("copy of {a}.wav"), &bytes(2)), &w.me).await.unwrap();
    let report = found.report.unwrap();
    assert!(report.findings.iter().any(|f| f.code == Code::BytesSwapped && f.found.contains(b.as_str())));
    let found = w.desk.verify_file(&put("x.wav", b"nobody knows this"), &w.me).await.unwrap();
    assert_eq!((found.archive_id, found.report), (None, None));
    let gone = w.desk.verify_file(&w.root.join("gone"), &w.me).await;
    assert_eq!(crate::world::code(gone), "retrieval.io");
    w.assert_ledger().await;
}
