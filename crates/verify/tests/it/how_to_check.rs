//! The page that tells a stranger how to check a package: its blocks are pasted into shells as they stand, on honest packages and on
//! forged ones.

use crate::{
    documents::{formats, same_as_file},
    package::{verify, write},
    support::Archive,
    tampered::{Fixture, fixture},
};
use holdfast_ledger::{Checkpoint, LocalSigner, Signer as _, VerifierKey};
use holdfast_verify::{Outcome, key_fingerprint, package::HowToCheck};
use std::{
    fs,
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
};

const SHELLS: &[&[&str]] = &[&["bash", "--norc", "--noprofile", "-i"], &["bash"], &["dash"]];

/// The blocks of the text form, from mark to mark.
fn blocks(page: &str) -> Vec<String> {
    let mut out = Vec::new();
    for part in page.split("---- copy from the next line ----\n").skip(1) {
        out.push(part.split("---- to the line above ----\n").next().unwrap().to_owned());
    }
    out
}

/// What a reader does: pastes every block of a page, and completes the line with the fingerprint.
fn paste(page: &str, fingerprint: &str, shell: &[&str], folder: &Path) -> String {
    let script = blocks(page).concat().replace("TYPE IT HERE", fingerprint);
    let mut child = Command::new(shell[0])
        .args(&shell[1..])
        .current_dir(folder)
        .env("HISTFILE", "/dev/null")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    // A shell that has ended reads no more.
    let writer = std::thread::spawn(move || drop(input.write_all(script.as_bytes())));
    let out = child.wait_with_output().unwrap();
    writer.join().unwrap();
    format!("{}\n{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr))
}

/// Which steps passed.
fn passed(said: &str) -> Vec<u32> {
    (1..=3).filter(|n| said.lines().any(|l| l.ends_with(&format!("STEP {n} PASSED")))).collect()
}

impl Fixture {
    fn page(&self) -> String {
        fs::read_to_string(self.at("HOW-TO-CHECK.txt")).unwrap()
    }

    fn fingerprint(&self) -> String {
        key_fingerprint(&self.archive.signer.public_key())
    }

    #[track_caller]
    fn steps(&self, expected: &[u32]) -> String {
        let mut last = String::new();
        for shell in SHELLS {
            last = paste(&self.page(), &self.fingerprint(), shell, self.folder.path());
            assert_eq!(passed(&last), expected, "{shell:?}\n{last}");
        }
        last
    }
}

#[test]
fn pasted_as_they_stand_the_blocks_pass_on_an_honest_package() {
    let f = fixture();
    let said = f.steps(&[1, 2, 3]);
    for n in 1..=3 {
        assert!(said.contains(&format!("'HF-000{n}' is what was archived")), "{said}");
    }
    // As people write fingerprints down.
    let upper = f.fingerprint().to_uppercase();
    let pairs: Vec<&str> = (0..32).map(|i| &upper[2 * i..2 * i + 2]).collect();
    assert_eq!(passed(&paste(&f.page(), &pairs.join(":"), &["dash"], f.folder.path())), [1, 2, 3]);
    // Nothing was changed by checking.
    assert_eq!(verify(&f.path, Some(f.archive.signer.public_key())).outcome, Outcome::Verified);
}

#[test]
fn both_forms_hold_the_same_blocks_and_nothing_that_a_terminal_would_change() {
    let f = fixture();
    let (text, html) = (f.page(), fs::read_to_string(f.at("HOW-TO-CHECK.html")).unwrap());
    let blocks = blocks(&text);
    assert_eq!(blocks.len(), 5, "{text}");
    for block in &blocks {
        let shown = holdfast_verify::package::escape_html(block.trim_end());
        assert!(html.contains(&format!("<pre><code>{shown}</code></pre>")), "{block}");
        assert!(!block.contains(['!', '\t']) && block.is_ascii(), "{block}");
        assert!(block.lines().all(|l| !l.trim().is_empty() && l.len() < 200), "{block}");
    }
    same_as_file(&formats().join("how-to-check.txt"), HowToCheck::published().to_text().as_bytes());
}

#[test]
fn a_full_forgery_fails_at_the_fingerprint_that_the_reader_knows() {
    let (real, forger, folder) = (Archive::with(0), Archive::seeded(2, 8), tempfile::tempdir().unwrap());
    let path = write(&forger, folder.path(), "p").unwrap().path;
    let page = fs::read_to_string(path.join("HOW-TO-CHECK.txt")).unwrap();
    for shell in SHELLS {
        let known = key_fingerprint(&real.signer.public_key());
        let said = paste(&page, &known, shell, folder.path());
        assert_eq!(passed(&said), [1, 3], "{said}");
        assert!(said.contains("which is not what you typed"), "{said}");
        // Where nothing was typed, nothing is claimed; and the page itself does not tell what to type.
        assert!(!passed(&paste(&page, "TYPE IT HERE", shell, folder.path())).contains(&2));
        assert!(!passed(&paste(&page, "", shell, folder.path())).contains(&2));
        assert!(!page.contains(&key_fingerprint(&forger.signer.public_key())));
    }
}

#[test]
fn changed_originals_manifests_payloads_and_entries_are_found_though_the_lists_were_made_to_fit() {
    let f = fixture();
    let payload = fs::read_dir(f.at("data/payloads")).unwrap().next().unwrap().unwrap().path();
    fs::write(payload, b"{\"call\":9}").unwrap();
    assert!(!passed(&paste(&f.page(), &f.fingerprint(), &["dash"], f.folder.path())).contains(&1));
    f.relist();
    assert!(f.steps(&[1, 2]).contains("other metadata of the source"));

    let f = fixture();
    f.edit("data/originals/HF-0001_call_0__M_ller_.wav", |b| b[7] ^= 1);
    f.relist();
    assert!(f.steps(&[1, 2]).contains("is not what was archived"));

    let f = fixture();
    f.replace(&f.manifest("HF-0002"), "\"claims\"", "\"sales\"");
    f.relist();
    f.steps(&[1, 2]);

    let f = fixture();
    f.replace("data/ledger/entries.jsonl", "archive-1", "archive-2");
    f.relist();
    assert!(f.steps(&[1, 2]).contains("is not in the signed ledger"));

    let f = fixture();
    f.replace("data/ledger/checkpoint", "\n", "x\n");
    f.relist();
    assert!(f.steps(&[1, 3]).contains("STEP 2 FAILED"));
}

#[test]
fn entries_in_another_order_and_files_that_were_added_are_found() {
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
    assert!(f.steps(&[1, 2]).contains("not in their order"));
    let f = fixture();
    fs::write(f.at("data/added"), "x").unwrap();
    assert!(f.steps(&[1, 2]).contains("'data/added' is not listed"));
}

#[test]
fn the_signature_of_a_witness_before_the_ledgers_does_no_harm() {
    let f = fixture();
    let text = fs::read_to_string(f.at("data/ledger/checkpoint")).unwrap();
    let note = Checkpoint::parse(&text).unwrap();
    // A witness signs the same body under its own name, and one more claims the ledger's name with another key.
    let witness = LocalSigner::from_seed(&[3; 32]);
    let line = |name: &str| {
        let key = VerifierKey { name: name.into(), public_key: witness.public_key() };
        let signature = [key.key_id().as_slice(), &witness.sign(note.body().as_bytes()).unwrap()].concat();
        let base64 = base64::Engine::encode(&base64::prelude::BASE64_STANDARD, signature);
        format!("\u{2014} {name} {base64}\n")
    };
    let witnesses = line("witness.example") + &line(note.origin());
    fs::write(f.at("data/ledger/checkpoint"), text.replacen("\n\n", &format!("\n\n{witnesses}"), 1)).unwrap();
    f.relist();
    f.steps(&[1, 2, 3]);
    assert_eq!(verify(&f.path, Some(f.archive.signer.public_key())).outcome, Outcome::Verified);
}

#[cfg(unix)]
#[test]
fn nothing_in_the_package_is_run_wherever_the_reader_stands() {
    use std::os::unix::fs::PermissionsExt as _;
    let f = fixture();
    let mark = f.folder.path().join("PWNED");
    let python = format!("open({:?}, 'w').write('x')\nraise SystemExit('hijacked')\n", mark.to_str().unwrap());
    for module in ["hashlib", "base64", "json", "os", "re", "sitecustomize", "usercustomize"] {
        fs::write(f.at(&format!("{module}.py")), &python).unwrap();
    }
    for tool in ["sha256sum", "openssl", "python3", "mktemp", "cd", "test", "echo", "rm"] {
        fs::write(f.at(tool), format!("#!/bin/sh\ntouch {}\n", mark.display())).unwrap();
        fs::set_permissions(f.at(tool), fs::Permissions::from_mode(0o755)).unwrap();
    }
    f.relist();
    f.steps(&[1, 2, 3]);
    // Also for a reader who stands in the package, against the advice.
    for shell in SHELLS {
        let page = f.page().replace("PACKAGE='p'", "PACKAGE=.");
        assert_eq!(passed(&paste(&page, &f.fingerprint(), shell, &f.path)), [1, 2, 3]);
    }
    assert!(!mark.exists(), "something out of the package was run");
}

#[test]
fn in_the_wrong_folder_there_is_an_error_and_no_answer() {
    let (f, elsewhere) = (fixture(), tempfile::tempdir().unwrap());
    for shell in SHELLS {
        let said = paste(&f.page(), &f.fingerprint(), shell, elsewhere.path());
        assert!(passed(&said).is_empty() && !said.contains("e3b0c442"), "{said}");
        assert!(said.contains("STEP 1 FAILED") && said.contains("public-key.pem is missing"), "{said}");
    }
}
