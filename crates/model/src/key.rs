use crate::{CanonicalRecord, InvalidId};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Everything outside `A-Z a-z 0-9 - _ . ~` is percent-encoded in a key's segments (RFC 3986 unreserved characters stay),
/// so that no vendor id can climb out of its folder or surprise a file system.
const SEGMENT: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'!')
    .add(b'"')
    .add(b'#')
    .add(b'$')
    .add(b'%')
    .add(b'&')
    .add(b'\'')
    .add(b'(')
    .add(b')')
    .add(b'*')
    .add(b'+')
    .add(b',')
    .add(b'/')
    .add(b':')
    .add(b';')
    .add(b'<')
    .add(b'=')
    .add(b'>')
    .add(b'?')
    .add(b'@')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// The name of an object inside a bucket: `/`-separated, non-empty segments of RFC 3986 unreserved characters and `%`, no
/// segment `.` or `..`, at most 1,024 bytes (S3's limit).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ObjectKey(String);

impl ObjectKey {
    /// Checks and takes a key.
    ///
    /// # Errors
    /// Where a segment is empty, `.` or `..`, a character is not allowed, or the key is longer than 1,024 bytes.
    pub fn new(key: impl Into<String>) -> Result<Self, InvalidId> {
        let key = key.into();
        let ok = !key.is_empty()
            && key.len() <= 1024
            && key.split('/').all(|s| !s.is_empty() && s != "." && s != "..")
            && key.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'-' | b'_' | b'.' | b'~' | b'%'));
        if ok { Ok(Self(key)) } else { Err(InvalidId { what: "an object key", found: key.chars().take(70).collect() }) }
    }

    /// The key as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for ObjectKey {
    type Error = InvalidId;
    fn try_from(s: String) -> Result<Self, InvalidId> {
        Self::new(s)
    }
}

impl From<ObjectKey> for String {
    fn from(k: ObjectKey) -> String {
        k.0
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One segment of a key from any text. `.` and `..` are encoded too, and a segment over 180 encoded bytes keeps its first 100
/// and is made unique by the SHA-256 of the whole (file systems allow 255 bytes a name).
fn segment(text: &str) -> String {
    let encoded = utf8_percent_encode(text, SEGMENT).to_string();
    match encoded.as_str() {
        "" => "%".to_owned() + "00",
        "." => "%2E".into(),
        ".." => "%2E%2E".into(),
        e if e.len() > 180 => {
            let digest = crate::Sha256Digest::of(text.as_bytes()).to_hex();
            // Cut before an escape that would be split.
            let mut cut = 100;
            while e[..cut].ends_with('%') || e[..cut - 1].ends_with('%') {
                cut -= 1;
            }
            format!("{}~{digest}", &e[..cut])
        }
        _ => encoded,
    }
}

/// Folder of the original recordings, the only objects that ever move to a cold tier.
pub const RECORDINGS: &str = "recordings/";
/// Folder of the manifests.
pub const MANIFESTS: &str = "manifests/";
/// Folder of the vendors' metadata.
pub const PAYLOADS: &str = "payloads/";
/// Folder of what was derived from recordings.
pub const DERIVATIVES: &str = "derivatives/";
/// Folder of the ledgers' tiles and checkpoints.
pub const LEDGER: &str = "ledger/";

/// The keys of everything that belongs to one recording. The date is the UTC date of the interaction's END, so that one that
/// spans midnight lies whole in one day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordKeys {
    /// `recordings/yyyy/mm/dd/<interaction>/<recording>.<ext>`: the original bytes.
    pub media: ObjectKey,
    /// `manifests/yyyy/mm/dd/<interaction>/<recording>.json`.
    pub manifest: ObjectKey,
    /// `payloads/yyyy/mm/dd/<interaction>/<recording>.<ext>`: the vendor's metadata, byte for byte.
    pub payload: ObjectKey,
    /// `derivatives/yyyy/mm/dd/<interaction>/<recording>.txt`: the text that can be searched.
    pub text: ObjectKey,
}

impl RecordKeys {
    /// Keys for `record`. `media_ext` and `payload_ext` are without the dot and are themselves encoded. So that two vendors or
    /// organisations with equal interaction ids never meet, the interaction's segment is preceded by both.
    ///
    /// # Errors
    /// Where the four parts together are longer than a key may be.
    pub fn of(record: &CanonicalRecord, media_ext: &str, payload_ext: &str) -> Result<Self, InvalidId> {
        let date = record.end.to_zoned(jiff::tz::TimeZone::UTC).date();
        let day = format!("{:04}/{:02}/{:02}", date.year(), date.month(), date.day());
        let interaction = segment(&format!("{}.{}.{}", record.vendor, record.organisation, record.interaction_id));
        let recording = segment(&record.recording_id);
        let key =
            |top: &str, ext: &str| ObjectKey::new(format!("{top}{day}/{interaction}/{recording}.{}", segment(ext)));
        Ok(Self {
            media: key(RECORDINGS, media_ext)?,
            manifest: key(MANIFESTS, "json")?,
            payload: key(PAYLOADS, payload_ext)?,
            text: key(DERIVATIVES, "txt")?,
        })
    }

    /// The key of the manifest that belongs to the original recording at `media`; none where that is no key of one.
    #[must_use]
    pub fn manifest_of(media: &ObjectKey) -> Option<ObjectKey> {
        let rest = media.as_str().strip_prefix(RECORDINGS)?;
        let stem = rest.rsplit_once('.').map_or(rest, |(stem, _)| stem);
        ObjectKey::new(format!("{MANIFESTS}{stem}.json")).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_ids_stay_inside_their_segment() {
        for (text, want) in [("..", "%2E%2E"), ("a/b", "a%2Fb"), ("", "%00"), ("C:\\x", "C%3A%5Cx"), ("é", "%C3%A9")] {
            assert_eq!(segment(text), want);
        }
        let long = segment(&"é".repeat(400));
        assert!(long.len() <= 180 && long != segment(&"é".repeat(401)));
        assert!(ObjectKey::new(long).is_ok());
    }

    #[test]
    fn a_manifest_is_found_from_its_recording() {
        let of = |key: &str| RecordKeys::manifest_of(&ObjectKey::new(key.to_owned()).unwrap()).map(String::from);
        assert_eq!(of("recordings/2024/01/02/a/b.wav").as_deref(), Some("manifests/2024/01/02/a/b.json"));
        assert_eq!(of("elsewhere/b.wav"), None);
    }

    #[test]
    fn keys_refuse_what_could_climb() {
        for bad in ["", "/a", "a/", "a//b", "../a", "a/./b", "a b", "a\0b"] {
            assert!(ObjectKey::new(bad).is_err(), "{bad:?}");
        }
    }
}
