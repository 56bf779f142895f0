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

/// The commands of the page, taken out of its text form.
fn commands(page: &str) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    let mut inside = false;
    for line in page.lines() {
        match line.strip_prefix("    ") {
            Some(command) if inside => out.last_mut().unwrap().push_str(&format!("\n{command}")),
            Some(command) => out.push(command.to_owned()),
            None => {}
        }
        inside = line.starts_with("    ");
    }
    out
}

fn answers(page: &str) -> Vec<&str> {
    page.lines().filter_map(|l| l.strip_prefix("It must say: ")).collect()
}

fn shell(command: &str, folder: &Path) -> Output {
    Command::new("sh").args(["-e", "-c", command]).current_dir(folder).output().unwrap()
}

#[test]
fn the_page_that_tells_how_to_check_is_true() {
    let (archive, folder) = (Archive::with(4), tempfile::tempdir().unwrap());
    let done = write(&archive, folder.path(), "p").unwrap();
    let page = fs::read_to_string(done.path.join("HOW-TO-CHECK.txt")).unwrap();
    let commands = commands(&page);
    assert_eq!(commands.len(), 4, "{page}");
    for (command, answer) in commands.iter().zip(answers(&page)).take(3) {
        let out = shell(command, &done.path);
        let said = String::from_utf8_lossy(&out.stdout);
        assert!(out.status.success() && said.contains(answer), "{command}\nsaid {said}, not {answer}");
    }
    let out = shell(&commands[3], &done.path);
    let said = String::from_utf8_lossy(&out.stdout);
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    for n in 1..=4 {
        assert!(said.contains(&format!("HF-000{n} is what was archived")), "{said}");
    }
    // The page for browsers holds the same commands.
    let html = fs::read_to_string(done.path.join("HOW-TO-CHECK.html")).unwrap();
    for command in &commands {
        assert!(html.contains(&holdfast_verify::package::escape_html(command)));
    }
    // Nothing was changed by checking.
    assert_eq!(verify(&done.path, Some(archive.signer.public_key())).outcome, Outcome::Verified);
}

#[test]
fn the_page_finds_what_it_says_it_finds() {
    let (archive, folder) = (Archive::with(2), tempfile::tempdir().unwrap());
    let done = write(&archive, folder.path(), "p").unwrap();
    let page = fs::read_to_string(done.path.join("HOW-TO-CHECK.txt")).unwrap();
    let commands = commands(&page);
    let change = |file: &str, from: &str, to: &str| {
        let at = done.path.join(file);
        let before = fs::read(&at).unwrap();
        let text = String::from_utf8_lossy(&before).replacen(from, to, 1);
        assert_ne!(text.as_bytes(), before);
        fs::write(&at, text).unwrap();
        before
    };
    let entries = change("data/ledger/entries.jsonl", "archive-1", "archive-2");
    assert!(!shell(&commands[0], &done.path).status.success());
    assert!(!shell(&commands[3], &done.path).status.success());
    fs::write(done.path.join("data/ledger/entries.jsonl"), entries).unwrap();
    let checkpoint = change("data/ledger/checkpoint", "\n", "x\n");
    assert!(!shell(&commands[1], &done.path).status.success());
    fs::write(done.path.join("data/ledger/checkpoint"), checkpoint).unwrap();
    fs::write(done.path.join("data/originals/HF-0001_call_0__M_ller_.wav"), b"other").unwrap();
    assert!(!shell(&commands[3], &done.path).status.success());
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
