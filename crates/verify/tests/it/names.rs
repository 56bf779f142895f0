//! The bag's own facts and the names in it: what contradicts, deceives, or was left behind by another system has its own finding.

use crate::{package::verify, tampered::fixture};
use holdfast_ledger::Signer as _;
use holdfast_verify::{FindingCode as Code, Outcome};
use std::fs;

const BAG_INFO: &str = "bag-info.txt";

#[test]
fn facts_of_the_bag_that_contradict_its_content() {
    let change = |from: &str, to: &str| {
        let f = fixture();
        f.replace(BAG_INFO, from, to);
        f.relist_as_it_is();
        f.finds_first(Code::PackageBagInfoDiffers).findings[0].subject.clone()
    };
    assert_eq!(change("Payload-Oxum: ", "Payload-Oxum: 1"), "bag-info.txt: Payload-Oxum");
    assert_eq!(change("Payload-Oxum: ", "Payload-Size: "), "bag-info.txt: Payload-Oxum");
    assert_eq!(change("In re Example", "In re Other"), "bag-info.txt: External-Description");
    assert_eq!(change("matter-2031", "matter-2032"), "bag-info.txt: External-Identifier");
    assert_eq!(change("2026-03-05", "2025-03-05"), "bag-info.txt: Bagging-Date");
    assert_eq!(change("holdfast/", "other/"), "bag-info.txt: Bag-Software-Agent");
    assert_eq!(change("Bagging-Date", "Contact-Name: Mallory\nBagging-Date"), "bag-info.txt: Contact-Name");
    let f = fixture();
    fs::remove_file(f.at(BAG_INFO)).unwrap();
    f.finds(&[Code::PackageFileMissing]);
    f.relist();
    f.finds(&[Code::PackageFileMissing]);
}

#[test]
fn lists_and_fetches_beside_those_of_the_format() {
    for (name, code) in [
        ("fetch.txt", Code::PackageFetch),
        ("manifest-md5.txt", Code::PackageListingOther),
        ("manifest-sha512.txt", Code::PackageListingOther),
        ("tagmanifest-md5.txt", Code::PackageListingOther),
    ] {
        let f = fixture();
        fs::write(f.at(name), "d41d8cd98f00b204e9800998ecf8427e  data/originals/HF-0001.wav\n").unwrap();
        assert!(f.finds_first(code).failures().count() >= 1);
        f.relist();
        f.finds_first(code);
    }
}

#[test]
fn names_that_deceive_are_named_and_shown_as_what_they_are() {
    let f = fixture();
    fs::write(f.at("data/reports/custody\u{202e}fdp.exe"), "x").unwrap();
    f.relist();
    let report = f.finds_first(Code::PackageNameUnsafe);
    assert_eq!(report.findings[0].found, "U+202E");
    let (_, out) = crate::tampered::program(&f.path, &[]);
    assert!(out.contains("custody[U+202E]fdp.exe") && !out.contains('\u{202e}'), "{out}");

    // Twins: by case, and by Unicode's forms, which are letters that no name of a package has.
    let f = fixture();
    fs::write(f.at("data/reports/CUSTODY.html"), "x").unwrap();
    f.relist();
    f.finds_first(Code::PackageNameTwin);
    let f = fixture();
    fs::write(f.at("data/reports/caf\u{e9}"), "x").unwrap();
    fs::write(f.at("data/reports/cafe\u{301}"), "x").unwrap();
    f.relist();
    assert_eq!(
        f.finds_first(Code::PackageNameUnsafe).findings.iter().filter(|f| f.code == Code::PackageNameUnsafe).count(),
        2
    );
    for name in ["data/reports/CON.pdf", "data/reports/aux", "data/reports/x."] {
        let f = fixture();
        fs::write(f.at(name), "x").unwrap();
        f.relist();
        assert!(verify(&f.path, Some(f.archive.signer.public_key())).has(Code::PackageNameNotPortable), "{name}");
    }
}

#[test]
fn litter_of_other_systems_is_named_and_is_no_forgery() {
    let f = fixture();
    fs::create_dir(f.at("__MACOSX")).unwrap();
    let litter =
        [".DS_Store", "data/originals/Thumbs.db", "data/desktop.ini", "data/reports/._custody.html", "__MACOSX/._p"];
    for name in litter {
        fs::write(f.at(name), "x").unwrap();
    }
    let report = verify(&f.path, Some(f.archive.signer.public_key()));
    assert_eq!(report.outcome, Outcome::VerifiedWithRemarks, "{:#?}", report.findings);
    let found: Vec<_> = report.findings.iter().map(|f| (f.code, f.subject.as_str())).collect();
    assert_eq!(found.len(), litter.len());
    assert!(litter.iter().all(|name| found.contains(&(Code::PackageLitter, *name))), "{found:?}");
    // Not even its permissions matter: it is not opened. A link of that name is still a link.
    fs::remove_file(f.at(".DS_Store")).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", f.at(".DS_Store")).unwrap();
    assert!(verify(&f.path, None).has(Code::PackageLink));
}

#[test]
fn folders_that_are_empty_or_unfinished() {
    let f = fixture();
    fs::create_dir_all(f.at("data/more/and")).unwrap();
    let report = verify(&f.path, Some(f.archive.signer.public_key()));
    assert_eq!(report.outcome, Outcome::VerifiedWithRemarks);
    assert_eq!(
        (report.findings[0].code, report.findings[0].subject.as_str()),
        (Code::PackageFolderEmpty, "data/more/and")
    );
    let f = fixture();
    let partial = f.folder.path().join("p.partial");
    fs::rename(&f.path, &partial).unwrap();
    let report = verify(&partial, Some(f.archive.signer.public_key()));
    assert_eq!(report.findings.iter().map(|f| f.code).collect::<Vec<_>>(), [Code::PackageUnfinished]);
}

#[test]
fn what_proofs_and_descriptions_say_beyond_their_format() {
    let f = fixture();
    f.replace("data/ledger/proofs.jsonl", "{\"hashes\"", "{\"forged\":true,\"hashes\"");
    f.relist();
    f.finds_first(Code::LedgerProofMalformed);
    let f = fixture();
    f.replace("data/ledger/proofs.jsonl", "{\"hashes\":", "{ \"hashes\":");
    f.relist();
    f.finds_first(Code::LedgerProofMalformed);
    // The manifest's digest in package.json is compared with the manifest.
    let f = fixture();
    let digest = holdfast_model::Sha256Digest::of(&f.archive.recordings[0].manifest_bytes).to_hex();
    f.replace("package.json", &digest, &"0".repeat(64));
    f.relist();
    assert!(f.finds_first(Code::PackageDescriptionDiffers).findings[0].subject.ends_with("manifest_sha256"));
}

#[test]
fn entries_in_another_order_are_named() {
    let f = fixture();
    for file in ["data/ledger/entries.jsonl", "data/ledger/proofs.jsonl"] {
        f.edit(file, |b| {
            let text = String::from_utf8(b.clone()).unwrap();
            let mut lines: Vec<&str> = text.lines().collect();
            lines.swap(2, 5);
            *b = (lines.join("\n") + "\n").into_bytes();
        });
    }
    f.relist();
    assert!(f.finds_first(Code::LedgerEntryOrder).failures().all(|x| x.code == Code::LedgerEntryOrder));
}
