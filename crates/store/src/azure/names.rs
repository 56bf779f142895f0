//! What Azure takes as names. Metadata names must be C# identifiers, so that the names of the other stores
//! (`retention-class`) are written in another alphabet and come back as they were.

use crate::{PutOptions, StoreError};
use holdfast_model::Sha256Digest;
use std::{collections::BTreeMap, collections::HashMap, fmt::Write as _};

/// Tells writes apart: random, given by each create. When the answer to a write was lost, it says whose the object is.
pub(super) const WRITE: &str = "holdfast_write";
/// Until when a copy is to be used; on copies of archived blobs only.
pub(super) const UNTIL: &str = "holdfast_until";

/// A metadata name in Azure's alphabet: letters and digits stay, `-` becomes `_`, everything else `__` and two hexadecimal
/// digits. Capitals are written like that too, since HTTP has none.
pub(super) fn encode(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for (i, byte) in name.bytes().enumerate() {
        match byte {
            b'a'..=b'z' => out.push(char::from(byte)),
            b'0'..=b'9' if i > 0 => out.push(char::from(byte)),
            // Never two bare ones in a row, nor one before an escape, or it could not be read back.
            b'-' if i > 0 && !out.ends_with('_') && next_is_plain(name, i) => out.push('_'),
            _ => {
                let _ = write!(out, "__{byte:02x}");
            }
        }
    }
    out
}

fn next_is_plain(name: &str, i: usize) -> bool {
    name.as_bytes().get(i + 1).is_none_or(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9'))
}

/// The name that [`encode`] was given. Names that others chose read as if they had been written that way, so that
/// `sha256_hash` is `sha256-hash`, as it is on S3.
pub(super) fn decode(name: &str) -> String {
    let name = name.to_ascii_lowercase();
    let bytes = name.as_bytes();
    let (mut out, mut i) = (String::with_capacity(name.len()), 0);
    while i < bytes.len() {
        let escaped = (bytes[i] == b'_' && bytes.get(i + 1) == Some(&b'_'))
            .then(|| name.get(i + 2..i + 4))
            .flatten()
            .and_then(|digits| u8::from_str_radix(digits, 16).ok())
            .filter(u8::is_ascii);
        match escaped {
            Some(byte) => {
                out.push(char::from(byte));
                i += 4;
            }
            None => {
                out.push(if bytes[i] == b'_' { '-' } else { char::from(bytes[i]) });
                i += 1;
            }
        }
    }
    out
}

/// What Holdfast says about an object, out of what Azure has: without its own marks.
pub(super) fn read_metadata(raw: HashMap<String, String>) -> BTreeMap<String, String> {
    let ours = |name: &str| name.eq_ignore_ascii_case(WRITE) || name.eq_ignore_ascii_case(UNTIL);
    raw.into_iter().filter(|(name, _)| !ours(name)).map(|(name, value)| (decode(&name), value)).collect()
}

/// One of Holdfast's own marks, whatever case the service gives names in.
pub(super) fn mark<'a>(raw: &'a HashMap<String, String>, name: &str) -> Option<&'a str> {
    raw.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
}

/// The digest that was written with the object, by Holdfast (`sha256`) or by archivers before it (`sha256-hash`, `sha256hash`).
pub(super) fn claimed_digest(metadata: &BTreeMap<String, String>) -> Option<Sha256Digest> {
    ["sha256", "sha256-hash", "sha256hash"].iter().find_map(|name| metadata.get(*name)?.parse().ok())
}

/// Metadata for a write. The digest is known by then.
pub(super) fn write_metadata(options: &PutOptions, digest: &Sha256Digest, write: &str) -> HashMap<String, String> {
    let mut all: HashMap<_, _> = options.metadata.iter().map(|(k, v)| (encode(k), v.clone())).collect();
    all.insert(encode("sha256"), digest.to_hex());
    all.insert(WRITE.to_owned(), write.to_owned());
    all
}

fn invalid(what: String, detail: &str) -> StoreError {
    StoreError::Invalid { what, detail: detail.to_owned() }
}

/// Refuses what Azure would refuse, or would quietly change, before the first byte.
pub(super) fn check(options: &PutOptions) -> Result<(), StoreError> {
    let visible = |s: &str| s.bytes().all(|b| (b' '..=b'~').contains(&b));
    // A header's value is trimmed on its way, and would come back as another.
    let kept = |s: &str| s.trim() == s && !s.is_empty();
    for (name, value) in &options.metadata {
        if name.is_empty() || !visible(name) || !visible(value) {
            return Err(invalid(format!("the metadata {name:?}"), "names and values are visible ASCII characters"));
        }
        if !kept(value) {
            return Err(invalid(format!("the metadata {name:?}"), "a value can't be empty, begin or end with a space"));
        }
    }
    let size: usize = options.metadata.iter().map(|(k, v)| encode(k).len() + v.len()).sum();
    if size > 8_000 {
        return Err(invalid("the metadata".to_owned(), "all of it together may have 8 KB"));
    }
    if options.tags.len() > 10 {
        return Err(invalid("the tags".to_owned(), "a blob has at most 10"));
    }
    let tag = |s: &str| s.chars().all(|c| c.is_ascii_alphanumeric() || " +-./:=_".contains(c));
    match options.tags.iter().find(|(k, v)| k.is_empty() || k.len() > 128 || v.len() > 256 || !tag(k) || !tag(v)) {
        None => Ok(()),
        Some((name, _)) => Err(invalid(
            format!("the tag {name:?}"),
            "names have 1 to 128 and values up to 256 characters: letters, digits, space and + - . / : = _",
        )),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn names_come_back_and_are_identifiers() {
        for name in [
            "sha256",
            "retention-class",
            "a--b",
            "-a",
            "a-",
            "a_b",
            "a__b",
            "A-b",
            "1st",
            "a.b",
            "x-",
            "a-_b",
            "a-B",
            "a _",
            "__2d",
            "a__2d",
            "-",
            "--",
            "_",
            "conversation-id",
            "a-__",
        ] {
            let encoded = encode(name);
            let identifier = encoded.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
            assert!(identifier && !encoded.as_bytes()[0].is_ascii_digit(), "{name} -> {encoded}");
            assert_eq!(decode(&encoded), name, "{encoded}");
        }
        assert_eq!(encode("retention-class"), "retention_class");
    }

    #[test]
    fn names_of_others_read_like_those_on_s3() {
        for (there, here) in [
            ("sha256_hash", "sha256-hash"),
            ("sha256hash", "sha256hash"),
            ("Retention_Class", "retention-class"),
            ("a__zz", "a--zz"),
            ("end_", "end-"),
            ("end__4", "end--4"),
        ] {
            assert_eq!(decode(there), here);
        }
        let digest = Sha256Digest::of(b"x");
        for name in ["sha256", "sha256_hash", "sha256hash", "Sha256_Hash"] {
            let raw = HashMap::from([(name.to_owned(), digest.to_hex()), (WRITE.to_owned(), "1".to_owned())]);
            let read = read_metadata(raw);
            assert_eq!((claimed_digest(&read), read.len()), (Some(digest), 1));
        }
    }
}
