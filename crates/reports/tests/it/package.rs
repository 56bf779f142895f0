//! A whole package with its reports: verified, and its report bound to the ledger.

use crate::support::{Archive, matter, time};
use holdfast_ledger::Signer as _;
use holdfast_model::{Cancel, Fault as _, NoProgress};
use holdfast_reports::{CustodyReport, render_all};
use holdfast_verify::{
    FindingCode, Outcome,
    package::{ExhibitSource, PackageHeader, PackageWriter, verify_package},
    verify_recording,
};
use std::{collections::BTreeMap, fs, path::Path, process::Command};

fn write(archive: &Archive, folder: &Path) -> std::path::PathBuf {
    let header = PackageHeader {
        matter: matter(),
        created_at: time("2026-03-05T12:00:00Z"),
        exhibit_prefix: "HF".into(),
        withheld: vec![],
    };
    let mut writer = PackageWriter::create(folder, "p", header, Cancel::default()).unwrap();
    let mut verifications = BTreeMap::new();
    for (i, r) in archive.recordings.iter().enumerate() {
        let exhibit = writer
            .add_exhibit(ExhibitSource {
                manifest: &r.manifest_bytes,
                original: &mut r.original.as_slice(),
                payload: &mut r.payload.as_slice(),
            })
            .unwrap();
        verifications.insert(exhibit.exhibit, verify_recording(&archive.observed(i)));
    }
    let evidence = archive.evidence(1..archive.entries.len() as u64);
    assert_eq!(CustodyReport::of_package(&writer, &evidence, &verifications).unwrap_err().code(), "reports.package");
    writer.add_ledger(&evidence).unwrap();
    let custody = CustodyReport::of_package(&writer, &evidence, &verifications).unwrap();
    assert_eq!(custody.exhibits[0].holds, [matter().id]);
    assert_eq!(custody.exhibits[1].timeline.len(), archive.recordings[1].sequences.len());
    assert!(custody.timeline.iter().all(|s| s.archive_id.is_none()) && !custody.timeline.is_empty());
    for file in render_all(&custody).unwrap() {
        writer.add(&file.path, &file.bytes).unwrap();
    }
    writer.finish().unwrap().path
}

#[test]
fn a_package_with_reports_verifies_and_a_changed_report_does_not() {
    let (archive, folder) = (Archive::with(3), tempfile::tempdir().unwrap());
    let path = write(&archive, folder.path());
    let verify = || verify_package(&path, Some(archive.signer.public_key()), &Cancel::default(), &NoProgress).unwrap();
    let good = verify();
    assert_eq!(good.outcome, Outcome::Verified, "{:#?}", good.findings);
    // Somebody changes who did it, and makes every list fit again.
    let at = path.join("data/reports/custody.json");
    let text = fs::read_to_string(&at).unwrap();
    fs::write(&at, text.replacen("Ada Møller", "Nobody", 1)).unwrap();
    let script = "find data -type f | xargs -d '\\n' sha256sum > manifest-sha256.txt
        find . -maxdepth 1 -type f ! -name tagmanifest-sha256.txt -printf '%P\\n' | xargs -d '\\n' sha256sum > tagmanifest-sha256.txt";
    assert!(Command::new("sh").args(["-e", "-c", script]).current_dir(&path).status().unwrap().success());
    let codes: Vec<_> = verify().findings.iter().map(|f| f.code).collect();
    assert_eq!(codes, [FindingCode::ReportDiffers]);
}
