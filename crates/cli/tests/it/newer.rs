//! What a newer version of Holdfast wrote: it is said to be newer, never damaged, and stays as it is.

use crate::{home::Home, sample};
use rusqlite::Connection;
use std::{fs, path::Path};

/// Puts `to` in the place of `from` in a file, read-only or not.
fn replace(path: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(path).unwrap();
    assert!(text.contains(from), "{}: {text}", path.display());
    fs::remove_file(path).unwrap();
    fs::write(path, text.replace(from, to)).unwrap();
}

fn code_of(home: &Home, args: &[&str]) -> String {
    let ran = home.run(&[args, &["--json"]].concat());
    let document = ran.json();
    assert!(matches!(ran.code, 1 | 2), "{args:?} ended with {}: {document}", ran.code);
    let message = document["error"]["message"].as_str().unwrap().to_lowercase();
    assert!(message.contains("newer") && !message.contains("damaged") && !message.contains("malformed"), "{message}");
    document["error"]["code"].as_str().unwrap().to_owned()
}

fn made() -> Home {
    let home = Home::new();
    let source = home.beside("source");
    sample::put(&source, "i-1", "2024-03-01", 440.0);
    home.run(&["archiver", "ingest", source.to_str().unwrap()]).code(0);
    let create = ["matter", "create", "--name", "Doe v. Acme", "--reference", "24-1", "--justification", "subpoena"];
    home.run(&[&create[..], &["--deadline", "2030-01-01"]].concat()).code(0);
    home
}

#[test]
fn files_of_a_newer_version_are_left_as_they_are() {
    for (file, from, to, code) in [
        ("holdfast-home.json", "holdfast-home/1", "holdfast-home/2", "home.newer"),
        ("keys.json", "holdfast-keys/1", "holdfast-keys/2", "keys.format_unknown"),
        ("archive/.holdfast/store.json", "holdfast-local-store/1", "holdfast-local-store/2", "store.format_unknown"),
    ] {
        let home = made();
        replace(&home.path().join(file), from, to);
        let before = fs::read(home.path().join(file)).unwrap();
        assert_eq!(code_of(&home, &["matter", "list"]), code, "{file}");
        assert_eq!(fs::read(home.path().join(file)).unwrap(), before, "{file}");
    }
}

#[test]
fn databases_of_a_newer_version_are_left_as_they_are() {
    for (file, code) in [
        ("ledger/head.sqlite", "ledger.format_unknown"),
        ("work.sqlite", "index.newer_schema"),
        ("index.sqlite", "index.newer_schema"),
    ] {
        let home = made();
        let version = |db: &Connection| db.pragma_query_value(None, "user_version", |r| r.get::<_, i64>(0)).unwrap();
        let db = Connection::open(home.path().join(file)).unwrap();
        let later = version(&db) + 1;
        db.pragma_update(None, "user_version", later).unwrap();
        drop(db);
        assert_eq!(code_of(&home, &["search", "billing"]), code, "{file}");
        assert_eq!(version(&Connection::open(home.path().join(file)).unwrap()), later);
    }
}

#[test]
fn a_matter_of_a_newer_version_is_not_written_back() {
    let home = made();
    let listed = home.json(&["matter", "list"]).to_string();
    let id = listed.split('"').find(|t| t.starts_with("M-2")).unwrap().to_owned();
    let db = Connection::open(home.path().join("work.sqlite")).unwrap();
    let doc = || db.query_row("SELECT doc FROM work WHERE kind = 'matter'", [], |r| r.get::<_, String>(0)).unwrap();
    let changed = db.execute(
        "UPDATE work SET doc = json_set(doc, '$.format', 'holdfast-work/2', '$.later', 1) WHERE kind = 'matter'",
        [],
    );
    assert_eq!(changed.unwrap(), 1);
    let before = doc();
    assert_eq!(code_of(&home, &["matter", "hold", &id, "--reason", "x"]), "index.newer_document");
    assert_eq!(doc(), before);
}
