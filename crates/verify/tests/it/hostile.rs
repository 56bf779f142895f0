//! Packages that are made to exhaust whoever checks them: the verifier ends with findings, in bounded memory, having read no more
//! than what a package may have.

use crate::tampered::{Fixture, fixture};
use holdfast_ledger::Signer as _;
use holdfast_model::{Cancel, Progress, ProgressSink};
use holdfast_verify::{FindingCode as Code, Outcome, VerificationReport, package::verify_package};
use std::{
    fs::{self, File},
    io::Write as _,
    process::Command,
    sync::atomic::{AtomicU64, Ordering},
};

const PEAK_MAX_BYTES: u64 = 200 * 1024 * 1024;
const TERABYTE: u64 = 1 << 40;

/// Counts what is hashed.
#[derive(Default)]
struct Hashed(AtomicU64);

impl ProgressSink for Hashed {
    fn report(&self, progress: Progress) {
        self.0.fetch_max(progress.done, Ordering::Relaxed);
    }
}

impl Fixture {
    /// Runs the program as a child and looks at its peak memory; the report must be bounded too.
    #[track_caller]
    fn survives(&self, expected: Code) -> VerificationReport {
        const MEASURE: &str = "import resource, subprocess, sys
out = subprocess.run(sys.argv[1:], stdout=subprocess.PIPE)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024, out.returncode)
sys.stdout.flush()
sys.stdout.buffer.write(out.stdout)";
        let out = Command::new("python3")
            .args(["-I", "-c", MEASURE, env!("CARGO_BIN_EXE_holdfast-verify")])
            .arg(&self.path)
            .arg("--json")
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&out.stdout);
        let (first, json) = text.split_once('\n').unwrap();
        let (peak, code) = first.split_once(' ').unwrap();
        assert_eq!(code, "4", "{text:.2000}");
        let peak: u64 = peak.parse().unwrap();
        assert!(peak < PEAK_MAX_BYTES, "{} MiB", peak >> 20);
        let report: VerificationReport = serde_json::from_str(json).unwrap();
        assert_eq!(report.outcome, Outcome::Failed);
        assert!(report.has(expected), "{:#?}", report.findings);
        assert!(report.findings.len() < 1_000, "{} findings", report.findings.len());
        report
    }

    /// Verifies in this process and returns what was hashed, in bytes.
    fn hashed(&self) -> (VerificationReport, u64) {
        let sink = Hashed::default();
        let key = Some(self.archive.signer.public_key());
        let report = verify_package(&self.path, key, &Cancel::default(), &sink).unwrap();
        (report, sink.0.into_inner())
    }

    fn extend(&self, name: &str, length: u64) {
        File::options().create(true).append(true).open(self.at(name)).unwrap().set_len(length).unwrap();
    }

    fn fill(&self, name: &str, head: &str, piece: &str, times: usize, tail: &str) {
        let mut file = std::io::BufWriter::new(File::create(self.at(name)).unwrap());
        file.write_all(head.as_bytes()).unwrap();
        (0..times).for_each(|_| file.write_all(piece.as_bytes()).unwrap());
        file.write_all(tail.as_bytes()).unwrap();
        file.flush().unwrap();
    }
}

#[test]
fn one_line_of_a_hundred_megabytes() {
    for (name, code) in [
        ("data/ledger/entries.jsonl", Code::LedgerEntryMalformed),
        ("data/ledger/proofs.jsonl", Code::LedgerInclusionFailed),
    ] {
        let f = fixture();
        f.extend(name, 100 << 20);
        f.survives(code);
    }
}

#[test]
fn millions_of_lines_that_are_nothing() {
    let f = fixture();
    f.fill("data/ledger/proofs.jsonl", "", "{}\n", 3_000_000, "");
    let report = f.survives(Code::LedgerInclusionFailed);
    assert!(report.findings.iter().any(|f| f.subject.ends_with(" more of this kind")), "{:#?}", report.findings);
    let f = fixture();
    f.fill("data/ledger/entries.jsonl", "", "x\n", 3_000_000, "");
    f.survives(Code::LedgerEntryMalformed);
    let f = fixture();
    f.fill("manifest-sha256.txt", "", "x\n", 3_000_000, "");
    f.survives(Code::PackageListingMalformed);
}

#[test]
fn entries_and_proofs_of_their_form_in_great_number() {
    let f = fixture();
    let entry = String::from_utf8(f.archive.entries[1].bytes()).unwrap() + "\n";
    let proof = format!(
        "{{\"hashes\":[{}],\"index\":1,\"leaf\":\"{}\"}}\n",
        vec![format!("\"{}\"", "ab".repeat(32)); 64].join(","),
        "0".repeat(64)
    );
    f.fill("data/ledger/entries.jsonl", "", &entry, 20_000, "");
    f.fill("data/ledger/proofs.jsonl", "", &proof, 5_000, "");
    f.survives(Code::LedgerInclusionFailed);
}

#[test]
fn descriptions_that_would_fill_the_memory() {
    // By their size alone, without reading.
    let f = fixture();
    f.extend("package.json", 120 << 20);
    f.survives(Code::PackageTooLarge);
    let f = fixture();
    f.extend("data/reports/custody.json", 70 << 20);
    f.survives(Code::PackageTooLarge);
    // By what is in them: a value takes many times its text.
    let f = fixture();
    f.fill("package.json", "{\"varies\":[\"\"", ",\"\"", 2_000_000, "]}");
    f.survives(Code::PackageTooLarge);
    let f = fixture();
    f.fill("data/reports/custody.json", "{\"timeline\":[{}", ",{}", 3_000_000, "]}");
    f.survives(Code::ReportDiffers);
    let f = fixture();
    f.fill(
        "data/reports/custody.json",
        "{\"exhibits\":[{\"exhibit\":\"HF-0001\",\"timeline\":[[",
        "[],",
        3_000_000,
        "1]]}]}",
    );
    f.survives(Code::ReportDiffers);
    let f = fixture();
    f.fill(&f.manifest("HF-0001"), "{\"record\":{\"attributes\":{\"a\":\"\"", ",\"a\":\"\"", 200_000, "}}}");
    f.survives(Code::PackageTooLarge);
}

#[test]
fn many_exhibits_that_name_one_file() {
    let f = fixture();
    let manifest = f.manifest("HF-0001");
    f.fill(&manifest, "{\"x\":\"", &"y".repeat(1 << 20), 15, "\"}");
    f.edit("package.json", |b| {
        let mut description: serde_json::Value = serde_json::from_slice(b).unwrap();
        let first = description["exhibits"][0].clone();
        for n in 0..200 {
            let mut again = first.clone();
            again["exhibit"] = format!("HF-1{n:03}").into();
            description["exhibits"].as_array_mut().unwrap().push(again);
        }
        *b = serde_json::to_vec(&description).unwrap();
    });
    f.relist();
    let report = f.survives(Code::PackageExhibitTwice);
    let more =
        |r: &VerificationReport| r.findings.iter().find(|f| f.subject == "and 100 more of this kind").map(|f| f.code);
    assert_eq!(more(&report), Some(Code::PackageExhibitTwice));
    let (_, hashed) = f.hashed();
    assert!(hashed < 1 << 20, "{hashed} bytes were hashed beside what was read to be checked");
}

#[test]
fn sparse_files_that_would_take_days() {
    let f = fixture();
    f.extend("data/unlisted", TERABYTE);
    let (report, hashed) = f.hashed();
    assert!(report.has(Code::PackageFileExtra) && hashed < 1 << 20, "{hashed}");
    f.survives(Code::PackageFileExtra);
    // Listed, and longer than it is said to be.
    let f = fixture();
    f.extend("data/originals/HF-0001_call_0__M_ller_.wav", TERABYTE);
    let payload = fs::read_dir(f.at("data/payloads")).unwrap().next().unwrap().unwrap().file_name();
    f.extend(&format!("data/payloads/{}", payload.to_str().unwrap()), TERABYTE);
    f.extend("data/reports/custody.html", TERABYTE);
    let (report, hashed) = f.hashed();
    for code in [Code::BytesSizeMismatch, Code::PayloadDigestMismatch, Code::PackageTooLarge] {
        assert!(report.has(code), "{code}: {:#?}", report.findings);
    }
    assert!(hashed < 1 << 20, "{hashed}");
    f.survives(Code::BytesSizeMismatch);
}
