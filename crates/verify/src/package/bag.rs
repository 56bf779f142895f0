//! BagIt 1.0 (RFC 8493): listings, paths, and a walk over a folder that may be hostile.

use crate::{
    Finding, FindingCode as Code,
    package::{PackageDescription, path},
    report::Findings,
};
use holdfast_model::Sha256Digest;
use jiff::tz::TimeZone;
use std::{collections::BTreeMap, fs, io, path::Path};

/// `bagit.txt`, byte for byte.
pub(crate) const DECLARATION: &str = "BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n";

/// More files and folders than any honest package has.
const FILES_MAX: usize = 250_000;
/// All their names together, in bytes.
const NAMES_MAX_BYTES: usize = 32 * 1024 * 1024;
/// Deeper than any honest package is.
const DEPTH_MAX: usize = 32;

/// What a listing (`manifest-sha256.txt`, `tagmanifest-sha256.txt`) says: path -> digest.
pub(crate) type Listing = BTreeMap<String, Sha256Digest>;

/// Writes a listing. Paths that this crate makes hold nothing that would need BagIt's percent-encoding.
pub(crate) fn listing_text<'a>(files: impl IntoIterator<Item = (&'a String, &'a Sha256Digest)>) -> String {
    files.into_iter().map(|(path, digest)| format!("{digest}  {path}\n")).collect()
}

/// Reads a listing. `in_data` tells whether it may list files under `data/` only, or none of them.
pub(crate) fn read_listing(name: &str, bytes: &[u8], in_data: bool, findings: &mut Findings) -> Listing {
    let mut listing = Listing::new();
    for (i, line) in bytes.split(|b| *b == b'\n').enumerate() {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() {
            continue;
        }
        let subject = format!("{name}, line {}", i + 1);
        let Some((digest, path)) = listing_line(line) else {
            findings.push_with(Code::PackageListingMalformed, || {
                let expected = "a SHA-256, white space and a path";
                Finding::new(Code::PackageListingMalformed, &subject, expected, String::from_utf8_lossy(line))
            });
            continue;
        };
        if !is_safe(&path) || path.starts_with("data/") != in_data {
            let expected = if in_data { "a path under data/" } else { "a path beside data/" };
            findings.push(Finding::new(Code::PackagePathUnsafe, subject, expected, path));
            continue;
        }
        if listing.contains_key(&path) {
            findings.push(Finding::new(Code::PackageListingDuplicate, subject, "each file once", path));
            continue;
        }
        if listing.len() >= FILES_MAX {
            findings.push(Finding::new(Code::PackageTooLarge, name, format!("{FILES_MAX} lines"), "more"));
            break;
        }
        listing.insert(path, digest);
    }
    listing
}

fn listing_line(line: &[u8]) -> Option<(Sha256Digest, String)> {
    let line = std::str::from_utf8(line).ok()?;
    let (digest, path) = line.split_once([' ', '\t'])?;
    // RFC 8493, section 2.1.3: one or more spaces or tabs; some tools write a `*` for binary mode as md5sum does.
    let path = path.trim_start_matches([' ', '\t']);
    let path = path.strip_prefix('*').unwrap_or(path);
    let decoded = path.replace("%0A", "\n").replace("%0a", "\n").replace("%0D", "\r").replace("%0d", "\r");
    Some((digest.parse().ok()?, decoded.replace("%25", "%")))
}

/// Whether a path stays inside the package on every operating system.
pub(crate) fn is_safe(path: &str) -> bool {
    !path.is_empty()
        && path.len() <= 1024
        && !path.starts_with('~')
        && !path.contains(|c: char| c == '\\' || c == ':' || c.is_control())
        && path.split('/').all(|s| !s.is_empty() && s != "." && s != "..")
}

/// What lies in a folder.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    /// Path -> length of every ordinary file.
    pub(crate) files: BTreeMap<String, u64>,
    /// Folders without anything in them.
    pub(crate) empty_folders: Vec<String>,
}

/// Looks at a folder once, bounded in depth, number and names. Nothing is opened and no link is followed.
pub(crate) fn walk(root: &Path, findings: &mut Findings) -> io::Result<Tree> {
    let mut tree = Tree::default();
    let (mut seen, mut names_bytes) = (0, 0);
    let mut folders = vec![(root.to_path_buf(), String::new(), 0)];
    while let Some((folder, prefix, depth)) = folders.pop() {
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(e) if depth == 0 => return Err(e),
            Err(e) => {
                findings.push(Finding::new(Code::PackageUnreadable, prefix, "a folder", e));
                continue;
            }
        };
        let before = seen;
        for entry in entries {
            let entry = entry?;
            let name = entry.file_name();
            (seen, names_bytes) = (seen + 1, names_bytes + prefix.len() + name.len());
            if seen > FILES_MAX || names_bytes > NAMES_MAX_BYTES {
                let expected = format!("{FILES_MAX} files and folders, {NAMES_MAX_BYTES} bytes of names");
                findings.push(Finding::new(Code::PackageTooLarge, "package", expected, "more"));
                return Ok(tree);
            }
            let Some(name) = name.to_str() else {
                let subject = format!("{prefix}{}", name.to_string_lossy());
                findings.push(Finding::new(Code::PackageNameNotText, subject, "UTF-8", "other bytes"));
                continue;
            };
            let path = format!("{prefix}{name}");
            let metadata = entry.metadata()?;
            if metadata.is_dir() && depth >= DEPTH_MAX {
                findings.push(Finding::new(Code::PackageTooLarge, path, "fewer folders in folders", "more"));
            } else if metadata.is_dir() {
                folders.push((entry.path(), format!("{path}/"), depth + 1));
            } else if metadata.is_file() {
                tree.files.insert(path, metadata.len());
            } else {
                let found = if metadata.is_symlink() { "a symbolic link" } else { "a special file" };
                findings.push(Finding::new(Code::PackageLink, path, "an ordinary file", found));
            }
        }
        if seen == before && depth > 0 {
            tree.empty_folders.push(prefix.trim_end_matches('/').to_owned());
        }
    }
    Ok(tree)
}

/// Whether a file at the top of a bag is a list of files other than the two of the format.
pub(crate) fn is_other_listing(path: &str) -> bool {
    let listing =
        |prefix: &str| path.strip_prefix(prefix).is_some_and(|rest| rest.to_ascii_lowercase().ends_with(".txt"));
    (listing("manifest-") && path != path::MANIFEST) || (listing("tagmanifest-") && path != path::TAG_MANIFEST)
}

/// What `bag-info.txt` states of a package but its size, by label.
pub(crate) fn info(description: &PackageDescription) -> [(&'static str, String); 4] {
    // A value is one line (RFC 8493, section 2.2.2).
    let line = |text: &str| text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect::<String>();
    [
        ("Bag-Software-Agent", line(&description.software)),
        ("Bagging-Date", description.created_at.to_zoned(TimeZone::UTC).date().to_string()),
        ("External-Description", line(&description.matter.name)),
        ("External-Identifier", description.matter.id.to_string()),
    ]
}

/// The label of the number of bytes and files under `data/`.
pub(crate) const OXUM: &str = "Payload-Oxum";

/// Compares `bag-info.txt` with the package's description. Returns the `Payload-Oxum` that it states.
pub(crate) fn check_info(bytes: &[u8], description: &PackageDescription, findings: &mut Findings) -> Option<String> {
    let text = String::from_utf8_lossy(bytes);
    let mut stated: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for line in text.lines().filter(|l| !l.is_empty()).take(1_000) {
        let (label, value) = line.split_once(':').unwrap_or((line, ""));
        // One space after the colon is not the value's; spaces at its end may be.
        stated.entry(label).or_default().push(value.strip_prefix(' ').unwrap_or(value));
    }
    let mut differs = |label: &str, expected: &str, found: &[&str]| {
        let subject = format!("{}: {label}", path::BAG_INFO);
        let found = if found.is_empty() { "none".to_owned() } else { found.join("; ") };
        findings.push(Finding::new(Code::PackageBagInfoDiffers, subject, expected, found));
    };
    for (label, expected) in info(description) {
        let found = stated.remove(label).unwrap_or_default();
        if found != [expected.as_str()] {
            differs(label, &expected, &found);
        }
    }
    let oxum = stated.remove(OXUM).unwrap_or_default();
    if oxum.len() != 1 {
        differs(OXUM, "the number of bytes and of files, once", &oxum);
    }
    for (label, found) in &stated {
        differs(label, "no such label", found);
    }
    oxum.first().map(|o| (*o).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listings_name_each_bad_line() {
        let good = "a".repeat(64);
        let text = format!(
            "{good}  data/a b\n{good} *data/%25x\n{good}  data/a b\n{good}  ../x\nnonsense\n{good}  tag\n\u{0}\n"
        );
        let mut findings = Findings::default();
        let listing = read_listing("m", text.as_bytes(), true, &mut findings);
        assert_eq!(listing.keys().collect::<Vec<_>>(), ["data/%x", "data/a b"]);
        let findings = findings.into_vec();
        let codes: Vec<_> = findings.iter().map(|f| (f.code, f.subject.as_str())).collect();
        assert_eq!(
            codes,
            [
                (Code::PackageListingDuplicate, "m, line 3"),
                (Code::PackagePathUnsafe, "m, line 4"),
                (Code::PackageListingMalformed, "m, line 5"),
                (Code::PackagePathUnsafe, "m, line 6"),
                (Code::PackageListingMalformed, "m, line 7"),
            ]
        );
    }

    #[test]
    fn paths_that_could_climb_are_unsafe() {
        for bad in ["", "/etc/passwd", "..", "data/../x", "data//x", "data/.", "~root/x", "data\\x", "c:x", "data/x\ny"]
        {
            assert!(!is_safe(bad), "{bad:?}");
        }
        assert!(is_safe("data/originals/HF-0001_call.wav"));
    }
}
