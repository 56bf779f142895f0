//! Names of files in a package: which are the format's, which another operating system left behind, and which are made to deceive.

use crate::{Finding, FindingCode as Code, package::path, report::Findings};
use std::collections::HashSet;

/// Folders that a package may have without a file in them: every exhibit may be withheld.
const MAY_BE_EMPTY: [&str; 3] = [path::ORIGINALS, path::MANIFESTS, path::PAYLOADS];

/// Whether an operating system or file manager puts files of this name into folders that a person looks at. Such a file says
/// nothing about the evidence and nothing about who sent it.
pub(crate) fn is_litter(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default();
    let lower = name.to_ascii_lowercase();
    name.starts_with("._")
        || matches!(
            lower.as_str(),
            ".ds_store" | "thumbs.db" | "ehthumbs.db" | "desktop.ini" | ".directory" | ".localized"
        )
}

/// Looks at every name. `names` are the ordinary files of the package without litter, in any order.
pub(crate) fn check_names<'a>(names: impl IntoIterator<Item = &'a str>, findings: &mut Findings) {
    let mut seen: HashSet<String> = HashSet::new();
    for name in names {
        if let Some(c) = name.chars().find(|c| !is_plain(*c)) {
            let found = format!("U+{:04X}", u32::from(c));
            findings.push(Finding::new(
                Code::PackageNameUnsafe,
                name,
                "letters and digits of ASCII, `.`, `-`, `_`",
                found,
            ));
        }
        if let Some(part) = name.split('/').find(|part| !is_portable(part)) {
            findings.push(Finding::new(Code::PackageNameNotPortable, name, "a name that every system can hold", part));
        }
        if !seen.insert(name.to_lowercase()) {
            let expected = "names that differ in more than upper and lower case";
            findings.push(Finding::new(Code::PackageNameTwin, name, expected, "another file of the same name"));
        }
    }
}

/// Every name that Holdfast writes is of these: two names that look alike are then equal.
fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '/')
}

/// Whether Windows can hold a name: not that of a device, and without a dot or space at its end.
fn is_portable(part: &str) -> bool {
    let stem = part.split('.').next().unwrap_or_default().trim_end().to_ascii_uppercase();
    let numbered =
        |device: &str| stem.strip_prefix(device).is_some_and(|n| n.len() == 1 && n.as_bytes()[0].is_ascii_digit());
    let device = matches!(stem.as_str(), "CON" | "PRN" | "AUX" | "NUL" | "CONIN$" | "CONOUT$");
    !(device || numbered("COM") || numbered("LPT") || part.ends_with(['.', ' ']))
}

/// Folders in which nothing lies.
pub(crate) fn check_empty_folders<'a>(folders: impl Iterator<Item = &'a String>, findings: &mut Findings) {
    for folder in folders.filter(|f| !MAY_BE_EMPTY.contains(&f.as_str()) && f.split('/').next() != Some("__MACOSX")) {
        findings.push(Finding::new(Code::PackageFolderEmpty, folder, "files", "none"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn litter_is_what_systems_leave_and_nothing_else() {
        for litter in [".DS_Store", "data/Thumbs.db", "data/reports/desktop.ini", "data/._x.wav", "__MACOSX/data/._x"] {
            assert!(is_litter(litter), "{litter}");
        }
        for own in ["data/x.wav", "data/DS_Store", "README", "__MACOSX/readme.txt", "data/thumbs.db.exe"] {
            assert!(!is_litter(own), "{own}");
        }
    }

    #[test]
    fn names_that_windows_cannot_hold_are_known() {
        for bad in ["CON", "con.pdf", "Aux.txt", "nul", "COM1", "lpt9.wav", "x.", "x ", "CONIN$"] {
            assert!(!is_portable(bad), "{bad:?}");
        }
        for good in ["CONTRACT.pdf", "COM10", "COMX", "HF-0001_con.wav", ".x", "x"] {
            assert!(is_portable(good), "{good:?}");
        }
    }
}
