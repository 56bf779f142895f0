//! A home folder that cannot be written to, and a disk that is full: in a mount namespace of their own.

use crate::{
    home::{Home, Ran},
    sample,
};
use serde_json::Value;
use std::{fs, process::Command};

/// Runs `holdfast` after `prepare` has changed the mounts, in a namespace that ends with it.
fn in_own_mounts(home: &Home, prepare: &str, args: &[&str]) -> Ran {
    let inner = home.command();
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--mount", "sh", "-ec", &format!("{prepare}; exec \"$@\""), "sh"]);
    command.arg(inner.get_program()).args(args).env_clear();
    command.envs(inner.get_envs().filter_map(|(k, v)| Some((k, v?))));
    Ran::of(command.output().unwrap())
}

#[test]
fn a_read_only_home_is_told_and_left_as_it_is() {
    let home = Home::new();
    home.json(&["status"]);
    let folder = home.path().display().to_string();
    let prepare = format!("mount --bind '{folder}' '{folder}'; mount -o remount,ro,bind '{folder}'");
    let ran = in_own_mounts(&home, &prepare, &["archiver", "status", "--json"]);
    let error = ran.json()["error"].clone();
    assert_eq!(error["code"], "home.read_only", "{error}");
    assert_eq!(ran.code, 1);
}

#[test]
fn a_full_disk_loses_nothing() {
    let home = Home::new();
    let source = home.beside("source");
    for n in 0..40 {
        sample::put(&source, &format!("call-{n:02}"), "2026-01-05", 400.0 + f64::from(n));
        fs::write(source.join(format!("call-{n:02}.wav")), sample::wav(400.0 + f64::from(n), 2_000)).unwrap();
    }
    fs::create_dir_all(home.path()).unwrap();
    let kept = home.beside("kept");
    let (folder, kept) = (home.path().display().to_string(), kept.display().to_string());
    // What the disk held when it was full is copied out before the namespace ends.
    let holdfast = env!("CARGO_BIN_EXE_holdfast");
    let prepare = format!(
        "mount -t tmpfs -o size=2m tmpfs '{folder}'; '{holdfast}' archiver ingest '{}' --json >'{kept}.json' || true; cp -a '{folder}' '{kept}'",
        source.display()
    );
    in_own_mounts(&home, &prepare, &["--version"]).code(0);
    let first: Value = serde_json::from_str(&fs::read_to_string(format!("{kept}.json")).unwrap()).unwrap();
    let full = first["error"]["code"].as_str().is_some_and(|c| c.contains("full") || c.contains("index"))
        || first["failed"].as_u64().is_some_and(|n| n > 0);
    assert!(full, "the disk was not full: {first}");
    // With room again, the same command goes on and ends well.
    fs::remove_dir_all(home.path()).unwrap();
    fs::rename(&kept, home.path()).unwrap();
    let done = home.json(&["archiver", "ingest", source.to_str().unwrap()]);
    assert_eq!(done["archived"].as_u64().unwrap() + done["already"].as_u64().unwrap(), 40, "{done}");
    assert_eq!(home.json(&["ledger", "verify"])["outcome"], "verified");
    assert_eq!(home.json(&["index", "check"])["different"], 0);
    assert_eq!(home.json(&["search"])["total"], 40);
}
