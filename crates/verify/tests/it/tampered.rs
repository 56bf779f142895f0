//! Damaged and hostile packages, one for each kind of tampering: each ends in its own finding and exit code 4.

use crate::{
    package::{evidence, verify, write, write_with},
    support::Archive,
};
use holdfast_ledger::{LedgerEntry, Signer as _};
use holdfast_model::Sha256Digest;
use holdfast_verify::{FindingCode as Code, Outcome, VerificationReport, package::PackageDescription};
use proptest::prelude::*;
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::LazyLock,
};
use tempfile::TempDir;

pub struct Fixture {
    pub archive: Archive,
    pub folder: TempDir,
    pub path: PathBuf,
}

pub fn fixture() -> Fixture {
    let (archive, folder) = (Archive::with(3), tempfile::tempdir().unwrap());
    let path = write(&archive, folder.path(), "p").unwrap().path;
    Fixture { archive, folder, path }
}

const FIRST: &str = "data/originals/HF-0001_call_0__M_ller_.wav";
const SECOND: &str = "data/originals/HF-0002_call_1__M_ller_.wav";

impl Fixture {
    pub fn at(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    pub fn edit(&self, name: &str, change: impl FnOnce(&mut Vec<u8>)) {
        let mut bytes = fs::read(self.at(name)).unwrap();
        let before = bytes.clone();
        change(&mut bytes);
        assert_ne!(bytes, before, "nothing was changed");
        fs::write(self.at(name), bytes).unwrap();
    }

    pub fn replace(&self, name: &str, from: &str, to: &str) {
        self.edit(name, |b| *b = String::from_utf8(b.clone()).unwrap().replacen(from, to, 1).into_bytes());
    }

    pub fn manifest(&self, exhibit: &str) -> String {
        let description: PackageDescription =
            serde_json::from_slice(&fs::read(self.at("package.json")).unwrap()).unwrap();
        description.exhibits.into_iter().find(|e| e.exhibit == exhibit).unwrap().manifest
    }

    /// Makes lists and size fit again, as a forger with `sha256sum` would.
    pub fn relist(&self) {
        let script = "oxum=$(find data -type f -printf '%s\\n' | awk '{bytes += $1} END {print bytes \".\" NR}')
            if [ -f bag-info.txt ]; then sed -i \"s/^Payload-Oxum: .*/Payload-Oxum: $oxum/\" bag-info.txt; fi";
        self.shell(script);
        self.relist_as_it_is();
    }

    /// Makes the lists fit again and leaves `bag-info.txt` as it is.
    pub fn relist_as_it_is(&self) {
        let script = "find data -type f | LC_ALL=C sort | xargs -d '\\n' sha256sum > manifest-sha256.txt
            find . -maxdepth 1 -type f ! -name tagmanifest-sha256.txt -printf '%P\\n' | LC_ALL=C sort | xargs -d '\\n' sha256sum > tagmanifest-sha256.txt";
        self.shell(script);
    }

    fn shell(&self, script: &str) {
        assert!(Command::new("sh").args(["-e", "-c", script]).current_dir(&self.path).status().unwrap().success());
    }

    /// The package fails, and the first finding has this code; a rule of another kind may name the same thing too.
    #[track_caller]
    pub fn finds_first(&self, expected: Code) -> VerificationReport {
        let mut report = verify(&self.path, Some(self.archive.signer.public_key()));
        assert_eq!(report.outcome, Outcome::Failed, "{:#?}", report.findings);
        assert!(report.has(expected), "{:#?}", report.findings);
        report.findings.sort_by_key(|f| f.code != expected);
        report
    }

    #[track_caller]
    pub fn finds(&self, expected: &[Code]) -> VerificationReport {
        let report = verify(&self.path, Some(self.archive.signer.public_key()));
        let codes: Vec<_> = report.findings.iter().map(|f| f.code).collect();
        assert_eq!(codes, expected, "{:#?}", report.findings);
        assert_eq!(report.outcome, Outcome::Failed);
        let (code, out) = program(&self.path, &["--key", &hex::encode(self.archive.signer.public_key())]);
        assert_eq!(code, 4);
        assert!(expected.iter().all(|c| out.contains(c.as_str()) && out.contains(c.meaning())), "{out}");
        report
    }
}

pub fn program(package: &Path, more: &[&str]) -> (i32, String) {
    let out = Command::new(env!("CARGO_BIN_EXE_holdfast-verify")).arg(package).args(more).output().unwrap();
    (out.status.code().unwrap(), String::from_utf8_lossy(&out.stdout).into_owned())
}

#[test]
fn one_flipped_bit_in_an_original() {
    let f = fixture();
    f.edit(FIRST, |b| b[1_000] ^= 1);
    let report = f.finds(&[Code::BytesDigestMismatch]);
    assert!(report.findings[0].subject.starts_with("HF-0001"));
    // A forger who makes the lists fit is found just the same.
    f.relist();
    f.finds(&[Code::BytesDigestMismatch]);
}

#[test]
fn two_swapped_originals() {
    let f = fixture();
    fs::rename(f.at(FIRST), f.at("x")).unwrap();
    fs::rename(f.at(SECOND), f.at(FIRST)).unwrap();
    fs::rename(f.at("x"), f.at(SECOND)).unwrap();
    let one = [Code::BytesDigestMismatch, Code::BytesSwapped, Code::BytesSizeMismatch];
    let report = f.finds(&[one, one].concat());
    assert_eq!(report.findings[1].found, "the bytes of exhibit HF-0002");
}

#[test]
fn an_original_cut_short_or_taken_away() {
    let f = fixture();
    f.edit(SECOND, |b| b.truncate(100));
    f.finds(&[Code::BytesDigestMismatch, Code::BytesSizeMismatch]);
    fs::remove_file(f.at(SECOND)).unwrap();
    f.relist();
    f.finds(&[Code::BytesMissing]);
}

#[test]
fn a_changed_manifest() {
    let f = fixture();
    let manifest = f.manifest("HF-0002");
    f.replace(&manifest, "\"claims\"", "\"sales\"");
    f.finds(&[Code::ManifestDigestMismatch]);
    f.relist();
    f.finds(&[Code::ManifestDigestMismatch]);
    fs::remove_file(f.at(&manifest)).unwrap();
    f.relist();
    f.finds(&[Code::ManifestMissing]);
}

#[test]
fn changed_vendor_metadata() {
    let f = fixture();
    let payload = fs::read_dir(f.at("data/payloads")).unwrap().next().unwrap().unwrap().path();
    fs::write(payload, b"{\"call\":9}").unwrap();
    f.finds(&[Code::PayloadDigestMismatch]);
}

#[test]
fn an_altered_ledger_entry() {
    let f = fixture();
    f.edit("data/ledger/entries.jsonl", |b| {
        let text = String::from_utf8(b.clone()).unwrap();
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        let n = lines.len() - 1;
        lines[n] = lines[n].replace("archive-1", "archive-9");
        *b = (lines.join("\n") + "\n").into_bytes();
    });
    f.finds(&[Code::LedgerEntryAltered]);
    f.relist();
    f.finds(&[Code::LedgerEntryAltered]);
}

#[test]
fn a_removed_ledger_entry() {
    // Without its proof's removal the proof tells; with it, the outcome that names it does.
    let f = fixture();
    let drop_line = |name: &str, at: usize| {
        f.edit(name, |b| {
            let text = String::from_utf8(b.clone()).unwrap();
            let kept: Vec<_> = text.lines().enumerate().filter(|(i, _)| *i != at).map(|(_, l)| l).collect();
            *b = (kept.join("\n") + "\n").into_bytes();
        });
    };
    let sequence = f.archive.recordings[1].sequences[0];
    let at = sequence as usize - 1;
    drop_line("data/ledger/entries.jsonl", at);
    f.finds(&[Code::LedgerEntryMissing, Code::LedgerEntryMissing]);
    drop_line("data/ledger/proofs.jsonl", at);
    f.relist();
    let report = f.finds(&[Code::LedgerEntryMissing]);
    assert_eq!(report.findings[0].subject, format!("ledger entry {sequence}"));
}

#[test]
fn entries_that_were_never_in_the_ledger() {
    // Written by a forger who has a recording, can write entries, and has everything but the key.
    let (archive, folder) = (Archive::with(1), tempfile::tempdir().unwrap());
    let mut forged = evidence(&archive);
    let mut entry = LedgerEntry::parse(&forged.entries[1].entry).unwrap();
    entry.event.reason = Some("nothing to see".into());
    forged.entries[1].entry = entry.bytes();
    forged.entries[1].leaf = None;
    let path = write_with(&archive, folder.path(), "p", &forged).unwrap().path;
    let report = verify(&path, Some(archive.signer.public_key()));
    assert!(report.has(Code::LedgerInclusionFailed), "{:#?}", report.findings);
    assert_eq!(report.outcome, Outcome::Failed);
}

#[test]
fn a_changed_checkpoint_and_an_older_one() {
    let f = fixture();
    let size = f.archive.entries.len().to_string();
    f.replace("data/ledger/checkpoint", &format!("\n{size}\n"), "\n3\n");
    f.finds(&[Code::PackageDescriptionDiffers, Code::LedgerCheckpointSignature]);
    // A rolled-back one, truly signed: the proofs do not lead to it.
    fs::write(f.at("data/ledger/checkpoint"), f.archive.checkpoint(5).text()).unwrap();
    let report = verify(&f.path, Some(f.archive.signer.public_key()));
    assert!(report.has(Code::LedgerInclusionFailed), "{:#?}", report.findings);
    fs::write(f.at("data/ledger/checkpoint"), "nonsense").unwrap();
    f.finds(&[Code::LedgerCheckpointMalformed]);
    fs::remove_file(f.at("data/ledger/checkpoint")).unwrap();
    f.finds(&[Code::PackageFileMissing, Code::LedgerCheckpointMalformed]);
}

#[test]
fn another_archives_key() {
    // Consistent in itself, but by somebody else: only the pinned key tells.
    let (forger, folder) = (Archive::seeded(2, 8), tempfile::tempdir().unwrap());
    let path = write(&forger, folder.path(), "p").unwrap().path;
    let real = Archive::with(0).signer.public_key();
    let report = verify(&path, Some(real));
    assert_eq!(report.findings.iter().map(|f| f.code).collect::<Vec<_>>(), [Code::KeyMismatch]);
    assert_eq!(verify(&path, None).outcome, Outcome::SelfConsistent);
    let f = fixture();
    fs::copy(path.join("data/ledger/public-key.pem"), f.at("data/ledger/public-key.pem")).unwrap();
    let report = verify(&f.path, None);
    assert!(report.has(Code::LedgerCheckpointSignature), "{:#?}", report.findings);
    fs::write(f.at("data/ledger/public-key.pem"), "no key").unwrap();
    f.finds(&[Code::PackageMalformed, Code::PackageFileAltered]);
}

#[test]
fn files_added_taken_away_and_changed() {
    let f = fixture();
    fs::write(f.at("data/reports/extra.html"), "x").unwrap();
    f.finds(&[Code::PackageFileExtra]);
    fs::remove_file(f.at("data/reports/extra.html")).unwrap();
    fs::write(f.at("README"), "x").unwrap();
    f.finds(&[Code::PackageFileExtra]);
    fs::remove_file(f.at("README")).unwrap();
    f.edit("data/reports/custody.html", |b| b.push(b'!'));
    f.finds(&[Code::PackageFileAltered]);
    fs::remove_file(f.at("data/reports/custody.html")).unwrap();
    f.finds(&[Code::PackageFileMissing]);
    let f = fixture();
    fs::write(f.at("data/originals/HF-0009_extra.wav"), "x").unwrap();
    f.finds(&[Code::PackageExhibitUnlisted]);
    f.relist();
    f.finds(&[Code::PackageExhibitUnlisted]);
}

#[test]
fn lists_with_bad_lines() {
    let f = fixture();
    let digest = "0".repeat(64);
    f.edit("manifest-sha256.txt", |b| {
        b.extend_from_slice(format!("{digest}  ../../etc/passwd\n{digest}  /etc/passwd\nnonsense\n").as_bytes());
        b.extend_from_slice(b"\xff\xfe\n");
    });
    let (escape, bad) = (Code::PackagePathUnsafe, Code::PackageListingMalformed);
    f.finds(&[escape, escape, bad, bad, Code::PackageFileAltered]);
    let f = fixture();
    f.edit("manifest-sha256.txt", |b| {
        let first = b.split_inclusive(|c| *c == b'\n').next().unwrap().to_vec();
        b.extend(first);
    });
    f.finds(&[Code::PackageListingDuplicate, Code::PackageFileAltered]);
}

#[test]
fn descriptions_that_lie_or_climb() {
    let f = fixture();
    f.replace("package.json", "data/originals/HF-0001", "data/originals/../../../../etc/HF-0001");
    f.relist();
    f.finds(&[Code::PackagePathUnsafe, Code::PackageExhibitUnlisted]);
    let f = fixture();
    let digest = f.archive.recordings[0].manifest.object.fixity.digest.to_hex();
    f.replace("package.json", &digest, &Sha256Digest([3; 32]).to_hex());
    f.relist();
    f.finds(&[Code::PackageDescriptionDiffers]);
    f.replace("package.json", "holdfast-package/1", "holdfast-package/9");
    f.relist();
    f.finds(&[Code::PackageFormatUnknown]);
    fs::write(f.at("package.json"), "{").unwrap();
    f.relist();
    f.finds(&[Code::PackageMalformed]);
    fs::remove_file(f.at("package.json")).unwrap();
    f.relist();
    f.finds(&[Code::PackageFileMissing]);
    fs::remove_file(f.at("bagit.txt")).unwrap();
    assert!(verify(&f.path, None).has(Code::PackageNotABag));
}

#[test]
fn a_report_that_says_something_else_than_the_ledger() {
    let f = fixture();
    let step = holdfast_verify::CustodyStep::from(&f.archive.entries[3]);
    let shas: Vec<_> = f.archive.recordings.iter().map(|r| r.manifest.object.fixity.digest.to_hex()).collect();
    let exhibit = |n: usize, timeline: serde_json::Value| serde_json::json!({"exhibit": format!("HF-000{n}"), "sha256": shas[n - 1], "timeline": timeline});
    let write = |step: &holdfast_verify::CustodyStep| {
        let report = serde_json::json!({"exhibits": [exhibit(1, serde_json::json!([step])), exhibit(2, serde_json::json!([])), exhibit(3, serde_json::json!([]))]});
        fs::write(f.at("data/reports/custody.json"), report.to_string()).unwrap();
        f.relist();
    };
    write(&step);
    assert_eq!(verify(&f.path, Some(f.archive.signer.public_key())).outcome, Outcome::Verified);
    let mut lie = step.clone();
    lie.person = "Nobody".into();
    write(&lie);
    f.finds(&[Code::ReportDiffers]);
    lie.sequence = 9_999;
    write(&lie);
    f.finds(&[Code::ReportDiffers]);
}

#[cfg(unix)]
#[test]
fn links_pipes_and_names_that_are_no_text() {
    use std::os::unix::{ffi::OsStrExt as _, fs::symlink};
    let f = fixture();
    fs::remove_file(f.at(FIRST)).unwrap();
    symlink("/etc/passwd", f.at(FIRST)).unwrap();
    f.finds(&[Code::PackageLink, Code::BytesMissing]);
    let f = fixture();
    symlink("/", f.at("data/everything")).unwrap();
    f.finds(&[Code::PackageLink]);
    fs::remove_file(f.at("data/everything")).unwrap();
    assert!(Command::new("mkfifo").arg(f.at("data/pipe")).status().unwrap().success());
    f.finds(&[Code::PackageLink]);
    fs::remove_file(f.at("data/pipe")).unwrap();
    fs::write(f.path.join(std::ffi::OsStr::from_bytes(b"data/\xff\xfe")), "x").unwrap();
    f.finds(&[Code::PackageNameNotText]);
}

#[test]
fn descriptive_files_of_monstrous_size_are_not_read() {
    let f = fixture();
    let file = fs::File::options().write(true).open(f.at(&f.manifest("HF-0001"))).unwrap();
    file.set_len(40 * 1024 * 1024).unwrap();
    let report = f.finds(&[Code::PackageTooLarge, Code::ManifestMissing]);
    assert!(report.findings[0].expected.contains("16777216"));
    let f = fixture();
    let mut deep = f.at("data");
    (0..40).for_each(|_| deep.push("d"));
    fs::create_dir_all(&deep).unwrap();
    f.finds(&[Code::PackageTooLarge]);
}

#[test]
fn the_program_and_its_exit_codes() {
    let f = fixture();
    let (code, out) = program(&f.path, &["--json"]);
    let report: VerificationReport = serde_json::from_str(&out).unwrap();
    assert_eq!((code, report.outcome), (3, Outcome::SelfConsistent));
    let pem = f.at("data/ledger/public-key.pem");
    let (code, out) = program(&f.path, &["--key", pem.to_str().unwrap()]);
    assert!(code == 0 && out.ends_with("\nVERIFIED\n"), "{out}");
    let key = format!("--key={}", hex::encode(f.archive.signer.public_key()));
    assert_eq!(program(&f.path, &[&key]).0, 0);
    for usage in [&["--nonsense"] as &[&str], &["second"], &["--key"], &["--key", "/nowhere"], &["--key", FIRST]] {
        assert_eq!(program(&f.path, usage).0, 2, "{usage:?}");
    }
    assert_eq!(program(Path::new("/nowhere"), &[]).0, 1);
    let (code, out) = program(Path::new("/nowhere"), &["--json"]);
    assert!(code == 1 && out.contains("verify.package_io"), "{out}");
    assert_eq!(program(&pem, &[]).0, 1);
    let (code, out) = program(Path::new("--version"), &[]);
    assert!(code == 0 && out.starts_with("holdfast-verify 0."));
    assert!(program(Path::new("--help"), &[]).1.contains("Exit codes"));
}

static PACKAGE: LazyLock<Fixture> = LazyLock::new(fixture);
static FILES: LazyLock<Vec<String>> = LazyLock::new(|| {
    let list =
        Command::new("find").args([".", "-type", "f", "-printf", "%P\\n"]).current_dir(&PACKAGE.path).output().unwrap();
    let mut files: Vec<_> = String::from_utf8(list.stdout).unwrap().lines().map(str::to_owned).collect();
    files.sort();
    files
});

fn copy(name: &str, bytes: Option<Vec<u8>>) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("p");
    assert!(Command::new("cp").arg("-r").args([&PACKAGE.path, &path]).status().unwrap().success());
    match bytes {
        Some(bytes) => fs::write(path.join(name), bytes).unwrap(),
        None => fs::remove_file(path.join(name)).unwrap(),
    }
    (folder, path)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever is done to one file, the verifier ends with a failure and never panics.
    #[test]
    fn any_change_of_any_file_fails(file in 0usize..1_000, how in 0usize..5, at in 0usize..100_000, junk in prop::collection::vec(any::<u8>(), 1..200)) {
        let name = &FILES[file % FILES.len()];
        let before = fs::read(PACKAGE.at(name)).unwrap();
        let at = at % before.len();
        let mut bytes = before.clone();
        let after = match how {
            0 => { bytes[at] ^= 1 << (junk[0] % 8); Some(bytes) }
            1 => { bytes.truncate(at); Some(bytes) }
            2 => { bytes.splice(at..at, junk); Some(bytes) }
            3 => Some(junk),
            _ => None,
        };
        prop_assume!(after.as_ref() != Some(&before));
        let (_folder, path) = copy(name, after.clone());
        let report = verify(&path, Some(PACKAGE.archive.signer.public_key()));
        // The list of lists is not itself listed: a byte that leaves its meaning as it was (white space) changes nothing.
        let meaningless = name == "tagmanifest-sha256.txt"
            && after.is_some_and(|a| words(&a) == words(&before));
        prop_assert!(report.outcome == Outcome::Failed || meaningless, "{} {} at {}: {:?}", name, how, at, report.findings);
    }
}

fn words(text: &[u8]) -> Vec<String> {
    String::from_utf8_lossy(text).split_whitespace().map(|w| w.trim_start_matches('*').to_lowercase()).collect()
}
