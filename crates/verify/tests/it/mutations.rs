//! Packages and ledgers changed at random: verification ends with a bounded report and no panic, and what a signature covers is never
//! found verified when a byte of it differs. Each case is made from its number alone, so that a number is all there is to keep of one.
//! `scripts/soak 60 verify` runs many more.

use crate::{
    package::{verify, write},
    support::Archive,
};
use holdfast_ledger::Signer as _;
use holdfast_model::{Cancel, NoProgress, Sha256Digest};
use holdfast_verify::{FindingCode, Outcome, Trust, VerificationReport, verify_ledger};
use std::{collections::BTreeMap, fs, path::Path, sync::LazyLock};

/// Cases in every run, and in a soak.
const CASES: [u64; 2] = [300, 400_000];
/// Cases that once found something.
const CORPUS: &[u64] = &[18_343];

type Files = BTreeMap<String, Vec<u8>>;

/// SplitMix64: small, and the same everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: usize) -> usize {
        if n == 0 { 0 } else { (self.next() % n as u64) as usize }
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }
}

/// What parsers stumble over.
const PIECES: &[&str] = &[
    "\n",
    "\r\n",
    "\0",
    "\u{202e}",
    "\u{feff}",
    "null",
    "{}",
    "[]",
    "[[[[[[[[[[[[[[[[",
    "{\"a\":",
    "\"",
    "\\",
    "\\u0000",
    "\\ud800",
    "-1",
    "1e999",
    "9007199254740993",
    "18446744073709551616",
    ",",
    "../../",
    "data/",
    "%0A",
    "\u{2014} ",
    "holdfast-package/1",
    "holdfast-package/2",
    "holdfast-seal/1\n",
    "succeeded",
    "\"exhibits\":",
    "\"index\":0,",
    "2026-13-45T99:99:99Z",
];

const NAMES: &[&str] = &[
    "fetch.txt",
    "manifest-md5.txt",
    "seal.txt",
    "data/originals/HF-0001_x.wav",
    "CON",
    "data/x/../y",
    ".DS_Store",
    "data/\u{202e}gpj.exe",
    "tile/0/000",
    "tile/entries/000.p/3",
    "tile/7/x001/000",
    "checkpoint",
    "a/b/c/d/e/f",
    "data/reports/custody.json",
];

fn change(files: &mut Files, random: &mut Random) {
    let names: Vec<String> = files.keys().cloned().collect();
    let Some(name) = names.get(random.below(names.len())) else { return };
    let mut bytes = files.get(name).cloned().unwrap_or_default();
    let at = random.below(bytes.len() + 1);
    match random.below(12) {
        0..=2 if at < bytes.len() => bytes[at] ^= 1 << random.below(8),
        3 => bytes.truncate(at),
        4 => drop(bytes.splice(at..at, random.pick(PIECES).bytes())),
        5 => {
            let end = (at + random.below(200)).min(bytes.len());
            bytes.splice(at..end, random.pick(PIECES).bytes());
        }
        6 => {
            let end = (at + random.below(3_000)).min(bytes.len());
            let again = bytes[at..end].to_vec();
            bytes.splice(at..at, again);
        }
        7 => {
            let mut lines: Vec<Vec<u8>> = bytes.split_inclusive(|b| *b == b'\n').map(<[u8]>::to_vec).collect();
            let (a, b) = (random.below(lines.len()), random.below(lines.len()));
            if !lines.is_empty() {
                lines.swap(a, b);
            }
            bytes = lines.concat();
        }
        8 => {
            files.remove(name);
            return;
        }
        9 => {
            let other = random.pick(&names).clone();
            if let Some(theirs) = files.insert(other, bytes.clone()) {
                bytes = theirs;
            }
        }
        10 => {
            let added = (*random.pick(NAMES)).to_owned();
            files.insert(added, bytes);
            return;
        }
        _ => bytes = (0..random.below(300)).map(|_| random.next() as u8).collect(),
    }
    files.insert(name.clone(), bytes);
}

/// The lists as a forger makes them anew.
fn relist(files: &mut Files) {
    let list = |files: &Files, in_data: bool| -> Vec<u8> {
        let own = |name: &&String| {
            name.starts_with("data/") == in_data && !name.starts_with("tagmanifest-") && *name != "seal.txt"
        };
        let lines = files.iter().filter(|(n, _)| own(n)).map(|(n, b)| format!("{}  {n}\n", Sha256Digest::of(b)));
        lines.collect::<String>().into_bytes()
    };
    let payload = list(files, true);
    files.insert("manifest-sha256.txt".into(), payload);
    let tags = list(files, false);
    files.insert("tagmanifest-sha256.txt".into(), tags);
}

fn read(folder: &Path, prefix: &str, files: &mut Files) {
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = format!("{prefix}{}", entry.file_name().to_str().unwrap());
        if entry.path().is_dir() {
            read(&entry.path(), &format!("{name}/"), files);
        } else {
            files.insert(name, fs::read(entry.path()).unwrap());
        }
    }
}

fn put(folder: &Path, files: &Files) {
    for (name, bytes) in files {
        let at = folder.join(name);
        // A file may be in the place of a folder, and a name may lead out of it: such a file is left out.
        if !name.contains("..") && fs::create_dir_all(at.parent().unwrap()).is_ok() && !at.is_dir() {
            let _ = fs::write(at, bytes);
        }
    }
}

fn is_bounded(report: &VerificationReport) -> bool {
    let text = serde_json::to_string(report).unwrap();
    report.findings.len() <= 101 * FindingCode::ALL.len()
        && serde_json::from_str::<VerificationReport>(&text).unwrap() == *report
}

/// What the ledger's signature covers, by whatever chain, as far as its bytes carry meaning.
fn covered(files: &Files) -> Vec<(&str, &[u8])> {
    let is = |name: &str| {
        ["data/originals/", "data/manifests/", "data/payloads/"].iter().any(|f| name.starts_with(f))
            || matches!(name, "data/ledger/entries.jsonl" | "data/ledger/proofs.jsonl")
    };
    files.iter().filter(|(n, _)| is(n)).map(|(n, b)| (n.as_str(), b.strip_suffix(b"\n").unwrap_or(b))).collect()
}

fn cases() -> impl Iterator<Item = u64> {
    let count = CASES[usize::from(std::env::var_os("HOLDFAST_SOAK").is_some())];
    CORPUS.iter().copied().chain(0..count)
}

static PACKAGE: LazyLock<(Files, [u8; 32])> = LazyLock::new(|| {
    let (archive, folder) = (Archive::with(2), tempfile::tempdir().unwrap());
    let mut files = Files::new();
    read(&write(&archive, folder.path(), "p").unwrap().path, "", &mut files);
    (files, archive.signer.public_key())
});

#[test]
fn packages_changed_at_random_end_in_a_bounded_report() {
    let (honest, key) = &*PACKAGE;
    for case in cases() {
        let (mut random, mut files) = (Random(case), honest.clone());
        (0..=random.below(4)).for_each(|_| change(&mut files, &mut random));
        if random.below(3) > 0 {
            relist(&mut files);
        }
        let folder = tempfile::tempdir().unwrap();
        put(folder.path(), &files);
        let mut found = Files::new();
        read(folder.path(), "", &mut found);
        for key in [Some(*key), None] {
            let report = verify(folder.path(), key);
            assert!(is_bounded(&report), "case {case}");
            let same = covered(&found) == covered(honest);
            assert!(same || report.outcome == Outcome::Failed, "case {case}: {:#?}", report.findings);
        }
    }
}

#[test]
fn ledgers_changed_at_random_end_in_a_bounded_report() {
    let vector = crate::documents::formats().join("vectors/ledger-v1");
    let key = holdfast_verify::TrustedKey::parse(&fs::read_to_string(vector.join("public.pem")).unwrap()).unwrap();
    let mut honest = Files::new();
    read(&vector.join("log"), "", &mut honest);
    for case in cases() {
        let (mut random, mut files) = (Random(!case), honest.clone());
        (0..=random.below(3)).for_each(|_| change(&mut files, &mut random));
        let folder = tempfile::tempdir().unwrap();
        put(folder.path(), &files);
        let mut found = Files::new();
        read(folder.path(), "", &mut found);
        let report = verify_ledger(folder.path(), Trust::Given(key), &Cancel::default(), &NoProgress).unwrap();
        assert!(is_bounded(&report), "case {case}");
        // All that the tree is made of is as it was, or the report says so. The checkpoint may be written in other ways.
        let same = honest.iter().all(|(name, bytes)| name == "checkpoint" || found.get(name) == Some(bytes));
        assert!(same || report.outcome == Outcome::Failed, "case {case}: {:#?}", report.findings);
    }
}
