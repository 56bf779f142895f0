//! Wrong use and bad input: a clear sentence, a stable code, the documented exit code, nothing lost.

use crate::{home::Home, sample};
use std::{fs, os::unix::fs::symlink};

#[test]
fn wrong_use_is_told_in_the_form_asked_for() {
    let home = Home::new();
    let text = home.run(&["serach"]).code(2);
    assert!(text.stderr.contains("serach") && text.stdout.is_empty());
    let json = home.run(&["serach", "--json"]).code(2).json();
    assert_eq!(json["error"]["code"], "cli.usage", "{json}");
    for (args, code) in [
        (&["show", "hf-nothing"][..], "api.not_found"),
        (&["show", "../etc/passwd"], "api.bad_id"),
        (&["search", "--from", "yesterday"], "api.bad_time"),
        (&["search", "--media", "fax"], "api.bad_choice"),
        (&["search", "--limit", "0"], "api.bad_limit"),
        (&["search", "--cursor", "nonsense"], "index.bad_cursor"),
        (&["verify", "no-such-thing"], "api.not_found"),
        (&["plan", "--matter", "M-0"], "retrieval.no_matter"),
        (&["archiver", "run", "--once"], "api.no_sources"),
        (&["archiver", "ingest", "/no/such/folder"], "connectors.source_unavailable"),
    ] {
        let ran = home.run(&[args, &["--json"]].concat());
        let error = ran.json()["error"].clone();
        assert_eq!(error["code"], code, "{args:?}: {error}");
        assert!(matches!(ran.code, 1 | 2), "{args:?} ended with {}", ran.code);
        for field in ["message", "next"] {
            assert!(error[field].as_str().unwrap().len() > 10, "{error}");
        }
    }
}

#[test]
fn a_wrong_configuration_names_its_line() {
    let home = Home::new();
    fs::create_dir_all(home.path()).unwrap();
    fs::write(home.path().join("holdfast.toml"), "[policy]\nplay_reason = \"sometimes\"\n").unwrap();
    let ran = home.run(&["config", "check", "--json"]).code(2).json();
    assert_eq!(ran["problems"][0]["line"], 2, "{ran}");
    let error = home.run(&["status", "--json"]).code(2).json();
    assert_eq!(error["error"]["code"], "config.invalid", "{error}");
    assert!(!home.path().join("ledger").exists(), "nothing was made under a wrong configuration");
}

#[test]
fn a_folder_that_is_not_ours_is_left_alone() {
    let home = Home::new();
    fs::create_dir_all(home.path()).unwrap();
    fs::write(home.path().join("thesis.docx"), "x").unwrap();
    assert_eq!(home.run(&["status", "--json"]).code(2).json()["error"]["code"], "home.foreign");
    assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1);
}

#[test]
fn nothing_of_a_hostile_folder_is_dropped() {
    use std::os::unix::ffi::OsStrExt as _;
    let home = Home::new();
    let source = home.beside("source");
    sample::put(&source, "good", "2026-01-05", 440.0);
    fs::write(source.join("orphan.wav"), sample::wav(500.0, 500)).unwrap();
    fs::write(source.join("lonely.json"), sample::sidecar("lonely", "2026-01-05", 500).to_string()).unwrap();
    sample::put(&source, "cut", "2026-01-05", 470.0);
    let half = fs::read(source.join("cut.wav")).unwrap();
    fs::write(source.join("cut.wav"), &half[..half.len() / 2]).unwrap();
    let outside = home.beside("outside.wav");
    fs::write(&outside, sample::wav(480.0, 500)).unwrap();
    symlink(&outside, source.join("link.wav")).unwrap();
    let odd = source.join(std::ffi::OsStr::from_bytes(b"b\xffd \n\x1b[31m.wav"));
    fs::write(odd, sample::wav(490.0, 500)).unwrap();
    let summary = home.run(&["archiver", "ingest", source.to_str().unwrap(), "--json"]).code(3).json();
    assert_eq!(summary["archived"], 1, "{summary}");
    assert_eq!(summary["complete"], true, "{summary}");
    let list = home.json(&["archiver", "quarantine", "list"]);
    let reasons: Vec<&str> = list["items"].as_array().unwrap().iter().map(|i| i["reason"].as_str().unwrap()).collect();
    assert_eq!(reasons.len() as u64, summary["quarantined"].as_u64().unwrap());
    for reason in ["truncation_detected", "orphan_media", "orphan_metadata", "symlink_outside"] {
        assert!(reasons.contains(&reason), "{reason} is missing in {reasons:?}");
    }
    // What a terminal would obey never reaches it.
    let text = home.run(&["archiver", "quarantine", "list"]).code(0).stdout;
    assert!(!text.contains('\u{1b}'), "{text:?}");
    // The person decides; the decision stands in the ledger.
    let orphan = list["items"].as_array().unwrap().iter().find(|i| i["reason"] == "orphan_media").unwrap();
    let id = orphan["id"].as_str().unwrap();
    let args =
        ["archiver", "quarantine", "resolve", id, "--decision", "explain", "--reason", "Test tone of the recorder."];
    assert_eq!(home.json(&args)["state"], "resolved");
    let ledger = home.json(&["ledger", "show"]);
    let stands = ledger["entries"].as_array().unwrap().iter().any(|e| e["reason"] == "Test tone of the recorder.");
    assert!(stands, "{ledger}");
}

#[test]
fn a_mapping_that_does_not_fit_is_told_with_line_and_column() {
    let home = Home::new();
    let source = home.beside("source");
    sample::put(&source, "a", "2026-01-05", 440.0);
    let mapping = home.beside("mapping.toml");
    fs::write(&mapping, "name = \"x\"\nformat = \n").unwrap();
    let args = ["archiver", "ingest", source.to_str().unwrap(), "--mapping", mapping.to_str().unwrap(), "--json"];
    let ran = home.run(&args);
    let error = ran.json()["error"].clone();
    assert!(error["code"].as_str().unwrap().starts_with("mapping."), "{error}");
    assert!(error["message"].as_str().unwrap().contains("line 2"), "{error}");
    assert!(matches!(ran.code, 1 | 2));
}
