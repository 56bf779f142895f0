//! The main job from end to end: taken in, found, planned, brought back, verified, exported, checked without Holdfast.

use crate::{
    home::{Home, files},
    sample,
};
use serde_json::Value;
use std::{fs, os::unix::fs::PermissionsExt as _, path::PathBuf, process::Command};

/// Settings under which older recordings go cold and come back within a second.
const COLD: &str = "[archive]\ncold_after_days = 30\n[archive.rehydration.expedited]\nexpected_s = 1\nworst_s = 2\n";

fn archive() -> Home {
    let home = Home::new();
    fs::create_dir_all(home.path()).unwrap();
    fs::write(home.path().join("holdfast.toml"), COLD).unwrap();
    let source = home.beside("source");
    sample::put(&source, "call-1", "2024-03-01", 440.0);
    sample::put(&source, "call-2", "2024-03-02", 550.0);
    // Never old enough to go cold.
    sample::put(&source, "call-3", "2099-06-30", 660.0);
    let summary = home.json(&["archiver", "ingest", source.to_str().unwrap()]);
    assert_eq!((&summary["discovered"], &summary["archived"]), (&3.into(), &3.into()), "{summary}");
    assert_eq!(summary["complete"], true);
    home
}

fn ids(page: &Value) -> Vec<String> {
    page["results"].as_array().unwrap().iter().map(|r| r["archive_id"].as_str().unwrap().to_owned()).collect()
}

fn matter(home: &Home, ids: &[String]) -> String {
    let args = [
        "matter",
        "create",
        "--name",
        "Doe v. Acme",
        "--reference",
        "24-CV-1",
        "--justification",
        "Subpoena of 1 May",
        "--deadline",
        "2199-01-01",
    ];
    let created = home.json(&args);
    let matter = created["matter_id"].as_str().unwrap().to_owned();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    home.json(&[&["matter", "add", &matter][..], &ids].concat());
    matter
}

pub(crate) fn verifier() -> PathBuf {
    let path = PathBuf::from(env!("CARGO_BIN_EXE_holdfast")).with_file_name("holdfast-verify");
    assert!(path.exists(), "{} is missing: build the workspace", path.display());
    path
}

#[test]
fn a_subpoena_is_answered() {
    let home = archive();
    let page = home.json(&["search", "--queue", "billing", "--participant", "Jane Doe", "--to", "2024-12-31"]);
    assert_eq!(page["total"], 2, "{page}");
    assert_eq!(page["results"][0]["availability"], "offline");
    assert_eq!(page["next_cursor"], Value::Null);
    let ids = ids(&page);
    let matter = matter(&home, &ids);

    let plan = home.json(&["plan", "--matter", &matter]);
    assert_eq!((&plan["totals"]["items"], &plan["totals"]["to_rehydrate"]), (&2.into(), &2.into()), "{plan}");
    assert_eq!(plan["totals"]["meets_deadline"], true);
    let late = home.json(&["plan", "--matter", &matter, "--deadline", "2020-01-01"]);
    assert_eq!(late["totals"]["cannot_meet"], 2, "{late}");
    let plan = home.json(&["plan", "--matter", &matter, "--speed", "expedited"]);
    let plan_id = plan["plan_id"].as_str().unwrap();

    let out = home.beside("out");
    let to = out.to_str().unwrap();
    let waiting = home.run(&["retrieve", "--matter", &matter, "--plan", plan_id, "--json"]).code(5).json();
    assert_eq!(waiting["items"][0]["state"], "rehydrating", "{waiting}");
    let done = home.json(&["retrieve", "--matter", &matter, "--plan", plan_id, "--wait", "--to", to]);
    for item in done["items"].as_array().unwrap() {
        assert_eq!((&item["state"], &item["outcome"]), (&"verified".into(), &"verified".into()), "{item}");
        let bytes = fs::read(item["path"].as_str().unwrap()).unwrap();
        assert!(bytes.starts_with(b"RIFF"));
        let measured = Command::new("sha256sum").arg(item["path"].as_str().unwrap()).output().unwrap().stdout;
        assert!(String::from_utf8(measured).unwrap().starts_with(item["sha256"].as_str().unwrap()));
        assert!(item["path"].as_str().unwrap().starts_with(to), "copied to the folder that was asked for");
    }

    let export = home.json(&["export", "--matter", &matter, "--to", to]);
    assert_ne!(export["outcome"], "failed", "{export}");
    let package = export["package"].as_str().unwrap();
    assert_eq!(home.json(&["verify", package])["outcome"], export["outcome"]);
    let checked =
        Command::new("sha256sum").args(["--check", "--quiet", "manifest-sha256.txt"]).current_dir(package).status();
    assert!(checked.unwrap().success());
    // Without the archive's key a package can only be shown to agree with itself.
    assert_eq!(Command::new(verifier()).arg(package).output().unwrap().status.code(), Some(3));
    let status = home.json(&["status"]);
    let key = status["ledger_key_fingerprint"].as_str().unwrap();
    assert!(Command::new(verifier()).args([package, "--key", key]).status().unwrap().success());

    // Every action on evidence was announced before it was done, and concluded.
    let entries = home.json(&["ledger", "show", "--limit", "1000"]);
    for action in ["accession", "rehydration", "download", "verification", "export"] {
        let of = |phase: &str| {
            let all = entries["entries"].as_array().unwrap();
            all.iter().filter(|e| e["action"] == action && e["phase"] == phase).count()
        };
        assert!(of("intent") > 0, "{action} was not announced: {entries}");
        assert_eq!(of("intent"), of("outcome"), "{action}: {entries}");
    }

    let original =
        files(&PathBuf::from(package)).into_iter().find(|p| p.extension().is_some_and(|e| e == "wav")).unwrap();
    flip(&original, 100);
    assert_eq!(Command::new(verifier()).arg(package).output().unwrap().status.code(), Some(4));
    let failed = home.run(&["verify", package, "--json"]).code(4).json();
    assert_eq!(failed["outcome"], "failed");
    let ledger = home.json(&["ledger", "verify"]);
    assert_eq!(ledger["outcome"], "verified", "{ledger}");
}

/// Flips one bit of a read-only file.
fn flip(path: &std::path::Path, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at] ^= 1;
    fs::set_permissions(path, fs::Permissions::from_mode(0o644)).unwrap();
    fs::write(path, bytes).unwrap();
}

#[test]
fn one_flipped_bit_is_named_and_not_played() {
    let home = archive();
    let page = home.json(&["search", "--interaction", "call-3"]);
    let id = &ids(&page)[0];
    home.json(&["verify", id]);
    let stored = files(&home.path().join("archive"))
        .into_iter()
        .find(|p| p.to_string_lossy().contains("call-3-r0.wav"))
        .unwrap();
    // The facts lie under the same name; the original is the one with bytes.
    let stored = files(&home.path().join("archive"))
        .into_iter()
        .find(|p| p.file_name() == stored.file_name() && fs::read(p).unwrap().starts_with(b"RIFF"))
        .unwrap();
    flip(&stored, 1000);
    let report = home.run(&["verify", id, "--json"]).code(4).json();
    let codes: Vec<&str> = report["findings"].as_array().unwrap().iter().map(|f| f["code"].as_str().unwrap()).collect();
    assert_eq!(codes, ["bytes.digest_mismatch"], "{report}");
    let stranger = home.beside("stranger.wav");
    fs::write(&stranger, sample::wav(123.0, 100)).unwrap();
    let unknown = home.run(&["verify", stranger.to_str().unwrap(), "--json"]).code(4).json();
    assert_eq!(unknown["findings"][0]["code"], "bytes.unknown", "{unknown}");
    let refused = home.run(&["play", id, "--json"]).code(4).json();
    assert_eq!(refused["error"]["code"], "play.not_verified", "{refused}");
    let shown = home.json(&["ledger", "show", "--id", id]);
    let last = shown["entries"].as_array().unwrap().last().unwrap();
    assert_eq!((&last["action"], &last["outcome"]), (&"playback".into(), &"refused".into()), "{shown}");
}

#[test]
fn the_index_can_be_thrown_away() {
    let home = archive();
    let before = home.json(&["search", "--limit", "10"]);
    for suffix in ["", "-wal", "-shm"] {
        let _ = fs::remove_file(home.path().join(format!("index.sqlite{suffix}")));
    }
    assert_eq!(home.run(&["index", "check", "--json"]).code(4).json()["missing"], 3);
    let rebuilt = home.json(&["index", "rebuild"]);
    assert_eq!(rebuilt["rows"], 3, "{rebuilt}");
    assert_eq!(home.json(&["index", "check"])["different"], 0);
    assert_eq!(home.json(&["search", "--limit", "10"]), before);
}

#[test]
fn secrets_lie_in_their_file_and_nowhere_else() {
    let home = archive();
    home.json(&["ledger", "checkpoint"]);
    let key = files(&home.path().join("keys")).pop().unwrap();
    let text = fs::read_to_string(&key).unwrap();
    assert_eq!(text.len(), 128);
    let raw: Vec<u8> = (0..64).map(|i| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).unwrap()).collect();
    for path in files(&home.path()).into_iter().filter(|p| *p != key) {
        let bytes = fs::read(&path).unwrap();
        for half in [&text.as_bytes()[..64], &text.as_bytes()[64..], &raw[..32], &raw[32..]] {
            assert!(!bytes.windows(half.len()).any(|w| w == half), "a key stands in {}", path.display());
        }
    }
    // Nor does a customer's number or name stand in the ledger.
    for path in files(&home.path().join("ledger")) {
        let bytes = fs::read(&path).unwrap();
        for personal in [&b"+12025550123"[..], b"Jane Doe"] {
            assert!(!bytes.windows(personal.len()).any(|w| w == personal), "{} has personal data", path.display());
        }
    }
}

#[test]
fn taking_in_twice_adds_nothing() {
    let home = archive();
    let source = home.beside("source");
    let again = home.json(&["archiver", "ingest", source.to_str().unwrap()]);
    assert_eq!((&again["archived"], &again["already"]), (&0.into(), &3.into()), "{again}");
    sample::put(&source, "call-1", "2024-03-01", 441.0);
    let changed = home.run(&["archiver", "ingest", source.to_str().unwrap(), "--json"]).code(3).json();
    assert_eq!(changed["quarantined"], 1, "{changed}");
    let list = home.json(&["archiver", "quarantine", "list"]);
    assert_eq!(list["items"][0]["reason"], "conflict", "{list}");
}

#[test]
fn a_watched_folder_is_taken_in() {
    let home = Home::new();
    let source = home.beside("drop");
    sample::put(&source, "call-1", "2099-01-05", 440.0);
    fs::create_dir_all(home.path()).unwrap();
    let config =
        format!("[[archiver.sources]]\nname = \"drop\"\nfolder = {:?}\nstable_s = 0\n", source.display().to_string());
    fs::write(home.path().join("holdfast.toml"), config).unwrap();
    let runs = home.json(&["archiver", "run", "--once"]);
    assert_eq!((&runs[0]["archived"], &runs[0]["complete"]), (&1.into(), &true.into()), "{runs}");
    let status = home.json(&["archiver", "status"]);
    assert_eq!((&status["archived"], &status["sources"][0]["name"]), (&1.into(), &"drop".into()), "{status}");
}
