use crate::Sha256Digest;
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// A string given where an id is expected does not have an id's form.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{found:?} is not {what}; ids are 1 to 64 of the characters a-z A-Z 0-9 . _ -")]
pub struct InvalidId {
    /// What was expected, e.g. `a matter id`.
    pub what: &'static str,
    /// What was given, shortened.
    pub found: String,
}

fn check(what: &'static str, s: &str) -> Result<(), InvalidId> {
    let ok = (1..=64).contains(&s.len())
        && s.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
        && !s.starts_with('.');
    if ok { Ok(()) } else { Err(InvalidId { what, found: s.chars().take(70).collect() }) }
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The id as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
        impl FromStr for $name {
            type Err = InvalidId;
            fn from_str(s: &str) -> Result<Self, InvalidId> {
                check($what, s)?;
                Ok(Self(s.to_owned()))
            }
        }
        impl TryFrom<String> for $name {
            type Error = InvalidId;
            fn try_from(s: String) -> Result<Self, InvalidId> {
                check($what, &s)?;
                Ok(Self(s))
            }
        }
        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

id!(
    /// Names one archived recording for ever. Derived from its [`IdempotencyKey`], so that the same recording arriving twice
    /// has the same id on every machine: `hf-` and 26 characters of lower-case base32 (RFC 4648, no padding).
    ArchiveId,
    "an archive id"
);
id!(
    /// Names one matter (a subpoena, a case, an audit).
    MatterId,
    "a matter id"
);
id!(
    /// Names one retrieval plan.
    PlanId,
    "a plan id"
);
id!(
    /// Names one run of the archiver over one source.
    RunId,
    "a run id"
);

/// What makes a recording the same recording, whoever reports it and how often.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct IdempotencyKey {
    /// The vendor or recorder, e.g. `genesys`.
    pub source_system: String,
    /// The tenant or organisation at that vendor.
    pub organisation: String,
    /// The vendor's interaction (conversation) id.
    pub interaction_id: String,
    /// The vendor's recording id.
    pub recording_id: String,
}

impl IdempotencyKey {
    /// The archive id: the first 16 bytes of SHA-256 over the four parts, each preceded by its length in bytes as a
    /// big-endian u32 (so that no two different keys give the same input).
    #[must_use]
    pub fn archive_id(&self) -> ArchiveId {
        let mut input = Vec::new();
        for part in [&self.source_system, &self.organisation, &self.interaction_id, &self.recording_id] {
            input.extend_from_slice(&u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes());
            input.extend_from_slice(part.as_bytes());
        }
        let digest = Sha256Digest::of(&input);
        ArchiveId(format!("hf-{}", base32(&digest.0[..16])))
    }
}

fn base32(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    let (mut out, mut buffer, mut bits) = (String::new(), 0u32, 0u32);
    for &b in bytes {
        buffer = (buffer << 8) | u32::from(b);
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            out.push(ALPHABET[((buffer >> bits) & 31) as usize] as char);
        }
    }
    if bits > 0 {
        out.push(ALPHABET[((buffer << (5 - bits)) & 31) as usize] as char);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_archive_id_is_stable_and_unambiguous() {
        let key = |a: &str, b: &str| IdempotencyKey {
            source_system: "genesys".into(),
            organisation: a.into(),
            interaction_id: b.into(),
            recording_id: "r1".into(),
        };
        let id = key("acme", "c1").archive_id();
        // A promise: this value is in docs/formats/manifest.md.
        assert_eq!(id.as_str(), "hf-yhu4nltyczo5ubcaws2d7zwo7e");
        assert_ne!(key("ab", "c").archive_id(), key("a", "bc").archive_id());
        assert_eq!(id.as_str().len(), 29);
    }

    #[test]
    fn ids_refuse_paths_and_emptiness() {
        for bad in ["", "../x", "a/b", ".hidden", "a b", &"x".repeat(65)] {
            assert!(bad.parse::<MatterId>().is_err(), "{bad:?}");
        }
    }
}
