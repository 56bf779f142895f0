//! `docs/cli.md` is what `--help` says.

use std::{fmt::Write as _, path::Path, process::Command};

fn help(words: &[String]) -> String {
    let out =
        Command::new(env!("CARGO_BIN_EXE_holdfast")).args(words).arg("--help").env("COLUMNS", "110").output().unwrap();
    assert!(out.status.success());
    String::from_utf8(out.stdout).unwrap()
}

/// The names under `Commands:`.
fn commands(help: &str) -> Vec<String> {
    let list = help.lines().skip_while(|l| *l != "Commands:").skip(1).take_while(|l| !l.is_empty());
    let names = list.filter(|l| l.starts_with("  ") && !l.starts_with("   "));
    names.filter_map(|l| l.split_whitespace().next()).filter(|n| *n != "help").map(str::to_owned).collect()
}

fn describe(words: &[String], out: &mut String) {
    let text = help(words);
    let title = [&["holdfast".to_owned()], words].concat().join(" ");
    let text: Vec<&str> = text.lines().map(str::trim_end).collect();
    writeln!(out, "{} `{title}`\n\n```text\n{}\n```\n", "#".repeat(words.len() + 2), text.join("\n")).unwrap();
    for name in commands(&text.join("\n")) {
        describe(&[words, &[name]].concat(), out);
    }
}

#[test]
fn generated_reference_is_current() {
    let mut text =
        String::from("# The commands\n\nMade from `holdfast --help` by `scripts/bindings`. Do not edit.\n\n");
    describe(&[], &mut text);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/cli.md");
    if std::env::var_os("HOLDFAST_WRITE_GENERATED").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == text, "docs/cli.md has drifted from the help; run scripts/bindings");
}
