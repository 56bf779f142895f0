//! Packages as they are written: reproducible, accepted by common tools, and checkable by the page they carry.

use crate::support::{Archive, matter, time};
use holdfast_ledger::Signer as _;
use holdfast_model::{Cancel, Fault as _, NoProgress};
use holdfast_verify::{
    FindingCode as Code, LedgerEvidence, Outcome, VerificationReport, key_fingerprint,
    package::{
        ExhibitSource, FinishedPackage, PackageDescription, PackageError, PackageHeader, PackageWriter, Withheld,
        verify_package,
    },
    verify_recording,
};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

pub fn header() -> PackageHeader {
    PackageHeader {
        matter: matter(),
        created_at: time("2026-03-05T12:00:00Z"),
        exhibit_prefix: "HF".into(),
        withheld: vec![Withheld {
            archive_id: "hf-aaaaaaaaaaaaaaaaaaaaaaaaaa".parse().unwrap(),
            reason: "its content could not be verified".into(),
        }],
    }
}

/// The entries of all recordings and of the matter.
pub fn evidence(archive: &Archive) -> LedgerEvidence {
    archive.evidence(1..archive.entries.len() as u64)
}

pub fn write(archive: &Archive, parent: &Path, name: &str) -> Result<FinishedPackage, PackageError> {
    write_with(archive, parent, name, &evidence(archive))
}

pub fn write_with(
    archive: &Archive,
    parent: &Path,
    name: &str,
    evidence: &LedgerEvidence,
) -> Result<FinishedPackage, PackageError> {
    let mut writer = PackageWriter::create(parent, name, header(), Cancel::default())?;
    let mut reports = BTreeMap::new();
    for (i, r) in archive.recordings.iter().enumerate() {
        let exhibit = writer.add_exhibit(ExhibitSource {
            manifest: &r.manifest_bytes,
            original: &mut r.original.as_slice(),
            payload: &mut r.payload.as_slice(),
        })?;
        reports.insert(exhibit.exhibit, verify_recording(&archive.observed(i)));
    }
    writer.add_ledger(evidence)?;
    writer.add_verification(&reports)?;
    writer.add("data/reports/custody.html", b"<!doctype html><title>Custody</title>")?;
    writer.finish()
}

pub fn verify(folder: &Path, key: Option<[u8; 32]>) -> VerificationReport {
    verify_package(folder, key, &Cancel::default(), &NoProgress).unwrap()
}

/// A Python with `bagit`: what `scripts/test` prepared, or the one that is named.
fn python() -> PathBuf {
    let named = std::env::var_os("HOLDFAST_PYTHON").map(PathBuf::from);
    let home = std::env::var_os("HOME").map(|h| PathBuf::from(h).join(".cache/holdfast/venv/bin/python"));
    named.into_iter().chain(home.filter(|p| p.exists())).next().unwrap_or_else(|| "python3".into())
}

#[track_caller]
fn run(command: &mut Command) -> Output {
    let out = command.output().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    let text = |b: &[u8]| String::from_utf8_lossy(b).into_owned();
    assert!(out.status.success(), "{command:?}\n{}\n{}", text(&out.stdout), text(&out.stderr));
    out
}

#[test]
fn a_package_verifies_with_its_key_and_says_so_without() {
    let (archive, folder) = (Archive::with(3), tempfile::tempdir().unwrap());
    let done = write(&archive, folder.path(), "matter-2031").unwrap();
    let report = verify(&done.path, Some(archive.signer.public_key()));
    assert_eq!(report.outcome, Outcome::Verified, "{:#?}", report.findings);
    let report = verify(&done.path, None);
    assert_eq!(report.outcome, Outcome::SelfConsistent);
    assert_eq!(report.findings.len(), 1);
    assert_eq!(report.findings[0].code, Code::KeyNotPinned);
    assert_eq!(report.findings[0].found, key_fingerprint(&archive.signer.public_key()));
    assert!(!folder.path().join("matter-2031.partial").exists());
}

#[test]
fn the_same_state_gives_the_same_bytes_but_for_named_fields() {
    let (archive, folder) = (Archive::with(3), tempfile::tempdir().unwrap());
    let first = write(&archive, &folder.path().join("a"), "p").unwrap();
    let second = write(&archive, &folder.path().join("b"), "p").unwrap();
    assert_eq!(first.digest, second.digest);
    run(Command::new("diff").arg("-r").args([&first.path, &second.path]));
    let bytes = fs::read(first.path.join("package.json")).unwrap();
    let description: PackageDescription = serde_json::from_slice(&bytes).unwrap();
    assert!(description.varies.iter().any(|v| v == "package.json: created_at"));
    assert_eq!(description.exhibits[1].original, "data/originals/HF-0002_call_1__M_ller_.wav");
}

#[test]
fn nothing_is_replaced_and_what_a_crash_left_is_cleared() {
    let (archive, folder) = (Archive::with(1), tempfile::tempdir().unwrap());
    let left = folder.path().join("p.partial/data");
    fs::create_dir_all(&left).unwrap();
    fs::write(left.join("half"), b"x").unwrap();
    let done = write(&archive, folder.path(), "p").unwrap();
    assert_eq!(verify(&done.path, Some(archive.signer.public_key())).outcome, Outcome::Verified);
    let again = write(&archive, folder.path(), "p").unwrap_err();
    assert_eq!(again.code(), "verify.package_exists");
    for bad in ["", "../p", "a/b", ".p", "p.partial"] {
        let error = write(&archive, folder.path(), bad).unwrap_err();
        assert_eq!(error.code(), "verify.package_invalid", "{bad}");
    }
}

#[test]
fn a_recording_that_is_not_what_its_manifest_says_is_withheld_and_leaves_nothing() {
    let (archive, folder) = (Archive::with(2), tempfile::tempdir().unwrap());
    let mut writer = PackageWriter::create(folder.path(), "p", header(), Cancel::default()).unwrap();
    let mut add = |i: usize, number: &str, cut: usize, payload: &[u8]| {
        let r = &archive.recordings[i];
        let (mut original, mut payload) = (&r.original[cut..], payload);
        let source = ExhibitSource { manifest: &r.manifest_bytes, original: &mut original, payload: &mut payload };
        writer.add_exhibit_as(number.into(), source).map_err(|e| e.code())
    };
    let payload = archive.recordings[0].payload.clone();
    assert_eq!(add(0, "HF-0001", 1, &payload).unwrap_err(), "verify.exhibit_differs");
    assert_eq!(add(0, "HF-0001", 0, b"other").unwrap_err(), "verify.exhibit_differs");
    assert_eq!(add(0, "../x", 0, &payload).unwrap_err(), "verify.package_invalid");
    let payload = archive.recordings[1].payload.clone();
    assert_eq!(add(1, "HF-0007", 0, &payload).unwrap().exhibit, "HF-0007");
    assert_eq!(add(1, "HF-0007", 0, &payload).unwrap_err(), "verify.package_invalid");
    writer.add_ledger(&evidence(&archive)).unwrap();
    let done = writer.finish().unwrap();
    let report = verify(&done.path, Some(archive.signer.public_key()));
    assert_eq!(report.outcome, Outcome::Verified, "{:#?}", report.findings);
    assert_eq!(fs::read_dir(done.path.join("data/originals")).unwrap().count(), 1);
}

#[test]
fn a_cancelled_package_gets_no_name() {
    let folder = tempfile::tempdir().unwrap();
    let cancel = Cancel::default();
    cancel.cancel();
    let mut writer = PackageWriter::create(folder.path(), "p", header(), cancel).unwrap();
    assert!(matches!(writer.add("data/x", b"x"), Err(PackageError::Cancelled)));
    assert!(!folder.path().join("p").exists());
}

#[test]
fn bagit_and_sha256sum_accept_it() {
    let (archive, folder) = (Archive::with(2), tempfile::tempdir().unwrap());
    let done = write(&archive, folder.path(), "p").unwrap();
    let check = "import sys, bagit; bagit.Bag(sys.argv[1]).validate(); print('valid', bagit.VERSION)";
    let out = run(Command::new(python()).args(["-c", check]).arg(&done.path));
    assert!(String::from_utf8_lossy(&out.stdout).starts_with("valid"));
    for list in ["manifest-sha256.txt", "tagmanifest-sha256.txt"] {
        run(Command::new("sha256sum").args(["--strict", "-c", list]).current_dir(&done.path));
    }
}

#[test]
fn the_published_vector_verifies_and_is_what_is_written() {
    let archive = Archive::with(2);
    let vector = crate::documents::formats().join("vectors/package-v1");
    if std::env::var_os("HOLDFAST_BLESS").is_some() {
        let _ = fs::remove_dir_all(vector.join("p"));
        write(&archive, &vector, "p").unwrap();
    }
    let folder = tempfile::tempdir().unwrap();
    let done = write(&archive, folder.path(), "p").unwrap();
    run(Command::new("diff").arg("-r").args([&vector.join("p"), &done.path]));
    let report = verify(&vector.join("p"), Some(archive.signer.public_key()));
    assert_eq!(report.outcome, Outcome::Verified, "{:#?}", report.findings);
}
