//! The words that `docs/glossary.md` replaces are counted in `docs/private-words.txt`, and their number only falls.
//!
//! A line of that file is a count, a tab and a phrase. A phrase is found where it is spelt exactly so, between characters that
//! continue no word. A new phrase is added with `?` for its count. `HOLDFAST_WRITE_GENERATED=1` writes lower counts, never higher
//! ones.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::{
    collections::HashMap,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

const WORDS: &str = "docs/private-words.txt";
const GLOSSARY: &str = "docs/glossary.md";
/// Made from sources that are counted themselves, or lists of the words.
const NOT_COUNTED: [&str; 6] = [
    GLOSSARY,
    "docs/cli.md",
    "docs/errors.md",
    "docs/formats/findings.md",
    "docs/formats/vectors",
    "ui/src/bindings.ts",
];
const ENDINGS: [&str; 7] = ["rs", "md", "ts", "svelte", "css", "html", "toml"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// Files below `path`, by their path from the root.
fn files(path: &Path, out: &mut Vec<String>) {
    let from_root = path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
    if NOT_COUNTED.contains(&from_root.as_str()) {
        return;
    }
    if path.is_dir() {
        fs::read_dir(path).unwrap().for_each(|entry| files(&entry.unwrap().path(), out));
    } else if path.extension().is_some_and(|e| ENDINGS.iter().any(|known| e == *known)) {
        out.push(from_root);
    }
}

fn counted_files() -> Vec<String> {
    let root = root();
    let mut out = Vec::new();
    for entry in fs::read_dir(root.join("crates")).unwrap() {
        files(&entry.unwrap().path().join("src"), &mut out);
    }
    for place in ["src-tauri", "ui/src", "docs", "README.md", "ARCHITECTURE.md"] {
        files(&root.join(place), &mut out);
    }
    out.sort();
    out
}

/// A text with the places at which each of its words begins.
struct Text<'t> {
    text: &'t str,
    words: HashMap<&'t str, Vec<usize>>,
}

fn continues(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn first_word(text: &str) -> &str {
    &text[..text.find(|c| !continues(c)).unwrap_or(text.len())]
}

impl<'t> Text<'t> {
    fn new(text: &'t str) -> Self {
        let mut words: HashMap<&str, Vec<usize>> = HashMap::new();
        let mut inside = false;
        for (at, c) in text.char_indices() {
            if continues(c) && !inside {
                words.entry(first_word(&text[at..])).or_default().push(at);
            }
            inside = continues(c);
        }
        Self { text, words }
    }

    /// How often `phrase` is in the text.
    fn count(&self, phrase: &str) -> usize {
        let starts = self.words.get(first_word(phrase)).map_or(&[][..], Vec::as_slice);
        let whole = |at: &&usize| {
            let rest = self.text[**at..].strip_prefix(phrase);
            rest.is_some_and(|rest| !(rest.starts_with(continues) && phrase.ends_with(continues)))
        };
        starts.iter().filter(whole).count()
    }
}

/// The listed phrases with their counts; none where the phrase is new.
fn listed(text: &str) -> Vec<(Option<usize>, &str)> {
    let lines = text.lines().filter(|l| !l.is_empty() && !l.starts_with('#'));
    lines
        .map(|line| {
            let (count, phrase) = line.split_once('\t').unwrap_or_else(|| panic!("{WORDS}: no tab in `{line}`"));
            let known = || count.trim().parse().unwrap_or_else(|_| panic!("{WORDS}: no count in `{line}`"));
            assert!(phrase.starts_with(continues), "{WORDS}: `{phrase}` does not begin with a word");
            ((count.trim() != "?").then(known), phrase)
        })
        .collect()
}

fn git(arguments: &[&str]) -> Option<String> {
    let out = Command::new("git").arg("-C").arg(root()).args(arguments).output().ok()?;
    out.status.success().then(|| String::from_utf8_lossy(&out.stdout).into_owned())
}

/// Lines that came after the list was last written, as `file:line: text`; none where git cannot tell.
fn added_lines() -> Option<Vec<String>> {
    let written = git(&["log", "-1", "--format=%H", "--", WORDS])?;
    let diff = git(&["diff", "--unified=0", "--no-color", "--no-ext-diff", written.trim()])?;
    let (mut file, mut number, mut out) = ("", 0, Vec::new());
    for line in diff.lines() {
        if let Some(name) = line.strip_prefix("+++ b/") {
            file = name;
        } else if let Some(hunk) = line.strip_prefix("@@ ") {
            let begin = hunk.split('+').nth(1).and_then(|h| h.split([',', ' ']).next());
            number = begin.and_then(|n| n.parse().ok()).unwrap_or(0);
        } else if let Some(text) = line.strip_prefix('+') {
            out.push(format!("{file}:{number}: {}", text.trim()));
            number += 1;
        }
    }
    for file in git(&["ls-files", "--others", "--exclude-standard"])?.lines() {
        let text = fs::read_to_string(root().join(file)).unwrap_or_default();
        out.extend(text.lines().zip(1..).map(|(line, n)| format!("{file}:{n}: {}", line.trim())));
    }
    Some(out)
}

/// Where the phrase was added, as far as git can tell.
fn places(phrase: &str, counted: &[String]) -> String {
    let Some(added) = added_lines() else { return "\n    (git cannot tell where)".to_owned() };
    let of_counted = |line: &&String| counted.iter().any(|f| line.starts_with(&format!("{f}:")));
    let here: Vec<_> = added.iter().filter(of_counted).filter(|line| Text::new(line).count(phrase) > 0).collect();
    let mut out = String::new();
    here.iter().take(20).for_each(|line| write!(out, "\n    {line}").unwrap());
    if here.is_empty() { "\n    (not in a line that is new)".to_owned() } else { out }
}

#[test]
fn generated_counts_of_private_words_only_fall() {
    let path = root().join(WORDS);
    let list = fs::read_to_string(&path).unwrap();
    let counted = counted_files();
    assert!(counted.len() > 400, "only {} files were found", counted.len());
    let read: Vec<String> = counted.iter().map(|f| fs::read_to_string(root().join(f)).unwrap()).collect();
    let texts: Vec<Text<'_>> = read.iter().map(|text| Text::new(text)).collect();
    let total = |phrase: &str| texts.iter().map(|text| text.count(phrase)).sum::<usize>();

    let (mut new, mut risen) = (String::new(), String::new());
    list.lines().take_while(|l| l.starts_with('#')).for_each(|l| writeln!(new, "{l}").unwrap());
    for (known, phrase) in listed(&list) {
        let now = total(phrase);
        if known.is_some_and(|known| now > known) {
            write!(risen, "\n  `{phrase}`: {} -> {now}{}", known.unwrap(), places(phrase, &counted)).unwrap();
        }
        writeln!(new, "{}\t{phrase}", known.unwrap_or(now).min(now)).unwrap();
    }
    assert!(risen.is_empty(), "words that {GLOSSARY} replaces are used more often; write what it says there:{risen}");
    if std::env::var_os("HOLDFAST_WRITE_GENERATED").is_some() {
        return fs::write(&path, &new).unwrap();
    }
    let uncounted: Vec<_> = listed(&list).into_iter().filter(|(known, _)| known.is_none()).map(|(_, p)| p).collect();
    assert!(uncounted.is_empty(), "{WORDS}: run scripts/bindings for {uncounted:?}");
}

#[test]
fn each_private_word_has_its_replacement_in_the_glossary() {
    let glossary = fs::read_to_string(root().join(GLOSSARY)).unwrap();
    let replaced = glossary.split("## Words that are replaced").nth(1).unwrap();
    let list = fs::read_to_string(root().join(WORDS)).unwrap();
    let phrases = listed(&list);
    assert!(phrases.len() > 40, "only {} phrases are listed", phrases.len());
    let replaced = Text::new(replaced);
    for (_, phrase) in phrases {
        let word = ["fn ", "struct ", "enum ", "type "].iter().find_map(|k| phrase.strip_prefix(k)).unwrap_or(phrase);
        assert!(replaced.count(word) > 0, "{GLOSSARY} has no replacement for `{word}`");
    }
}

#[test]
fn a_phrase_is_found_as_a_whole() {
    let text = Text::new("it is told; told_apart, retold, fn told(x), fn told_of, stands in the ledger");
    let phrases = ["told", "fn told", "stands in", "tand", "the ledger", "ledger is"];
    assert_eq!(phrases.map(|phrase| text.count(phrase)), [2, 1, 1, 0, 1, 0]);
}
