//! The key that is known from elsewhere: in every form that people have it, and what is said where there is none.

use crate::{package::write, support::Archive, tampered::program};
use holdfast_ledger::{Signer as _, VerifierKey};
use holdfast_model::{Cancel, NoProgress};
use holdfast_verify::{FindingCode as Code, Outcome, Trust, TrustedKey, key_fingerprint, package::verify_package};
use std::fs;

#[test]
fn every_form_of_the_archives_key_is_taken_and_another_is_named_with_what_was_compared() {
    let (archive, folder) = (Archive::with(1), tempfile::tempdir().unwrap());
    let path = write(&archive, folder.path(), "p").unwrap().path;
    let key = archive.signer.public_key();
    let fingerprint = key_fingerprint(&key);
    let pairs = |t: &str| t.as_bytes().chunks(2).map(|c| String::from_utf8_lossy(c).into_owned()).collect::<Vec<_>>();
    let forms = [
        fingerprint.clone(),
        fingerprint.to_uppercase(),
        pairs(&fingerprint).join(":"),
        pairs(&fingerprint).join(" "),
        hex::encode(key),
        base64::Engine::encode(&base64::prelude::BASE64_STANDARD, key),
        VerifierKey::of(&archive.signer).to_line(),
        VerifierKey::of(&archive.signer).to_pem(),
    ];
    let file = folder.path().join("key");
    for form in &forms {
        let (code, out) = program(&path, &["--key", form]);
        assert!(code == 0 && out.ends_with("\nVERIFIED\n"), "{form}: {out}");
        fs::write(&file, format!("{form}\n")).unwrap();
        assert_eq!(program(&path, &["--key", file.to_str().unwrap()]).0, 0, "{form} in a file");
    }
    let other = "ab".repeat(32);
    let (code, out) = program(&path, &["--key", &other]);
    assert_eq!(code, 4);
    assert!(out.contains("key.mismatch"), "{out}");
    for compared in [&other, &key_fingerprint(&[0xab; 32]), &fingerprint, &hex::encode(key)] {
        assert!(out.contains(compared.as_str()), "{compared} is not shown\n{out}");
    }
}

#[test]
fn without_a_key_a_package_is_at_most_consistent_with_itself() {
    let (archive, folder) = (Archive::with(1), tempfile::tempdir().unwrap());
    let path = write(&archive, folder.path(), "p").unwrap().path;
    let (code, out) = program(&path, &[]);
    assert_eq!(code, 3);
    assert!(out.contains("key.not_pinned") && out.contains(&key_fingerprint(&archive.signer.public_key())), "{out}");
    assert!(out.contains("CONSISTENT WITH ITSELF; ORIGIN NOT ESTABLISHED") && !out.contains("VERIFIED"), "{out}");
    // What was not looked at is named, with what it would need.
    assert!(
        out.contains("Not checked") && out.contains("the ledger's secret key") && out.contains("the archive's storage"),
        "{out}"
    );
    let (code, out) = program(&path, &["--json"]);
    assert!(code == 3 && out.contains("\"outcome\": \"self_consistent\""), "{out}");
    // A failure weighs more.
    fs::write(path.join("data/added"), "x").unwrap();
    assert_eq!(program(&path, &[]).0, 4);
}

#[test]
fn an_installation_takes_its_own_packages_as_given_and_others_as_unknown() {
    let (own, stranger, folder) = (Archive::with(1), Archive::seeded(1, 8), tempfile::tempdir().unwrap());
    let (own_key, trust) = (own.signer.public_key(), Trust::Own(own.signer.public_key()));
    let verify =
        |name: &str, trust| verify_package(&folder.path().join(name), trust, &Cancel::default(), &NoProgress).unwrap();
    write(&own, folder.path(), "own").unwrap();
    write(&stranger, folder.path(), "stranger").unwrap();
    assert_eq!(verify("own", trust).outcome, Outcome::Verified);
    assert_eq!(verify("stranger", trust).outcome, Outcome::SelfConsistent);
    let given = Trust::Given(TrustedKey::parse(&key_fingerprint(&stranger.signer.public_key())).unwrap());
    assert_eq!(verify("stranger", given).outcome, Outcome::Verified);
    // One that claims to be of the own ledger with another key is forged.
    let checkpoint = folder.path().join("stranger/data/ledger/checkpoint");
    let forged = fs::read_to_string(&checkpoint)
        .unwrap()
        .replace(VerifierKey::of(&stranger.signer).name.as_str(), VerifierKey::of(&own.signer).name.as_str());
    fs::write(&checkpoint, forged).unwrap();
    let report = verify("stranger", trust);
    assert!(report.has(Code::KeyMismatch), "{:#?}", report.findings);
    assert_eq!(verify("own", Trust::from(Some(own_key))).outcome, Outcome::Verified);
}
