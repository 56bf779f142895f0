use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// A SHA-256 digest (FIPS 180-4), written as 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Sha256Digest(pub [u8; 32]);

/// A string that is not 64 hexadecimal digits was given where a SHA-256 digest is expected.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("expected 64 hexadecimal digits (a SHA-256 digest), found {length} characters")]
pub struct ParseDigestError {
    /// Length in characters of what was found.
    pub length: usize,
}

impl Sha256Digest {
    /// Digest of `bytes` held in memory. For files and streams feed a hasher piece by piece instead.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        use sha2::Digest as _;
        Self(sha2::Sha256::digest(bytes).into())
    }

    /// The digest as lower-case hexadecimal.
    #[must_use]
    pub fn to_hex(&self) -> String {
        hex::encode(self.0)
    }
}

impl FromStr for Sha256Digest {
    type Err = ParseDigestError;
    fn from_str(s: &str) -> Result<Self, Self::Err> {
        let mut out = [0u8; 32];
        hex::decode_to_slice(s, &mut out).map_err(|_| ParseDigestError { length: s.chars().count() })?;
        Ok(Self(out))
    }
}

impl fmt::Display for Sha256Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_hex())
    }
}

impl fmt::Debug for Sha256Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{self}")
    }
}

impl Serialize for Sha256Digest {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&self.to_hex())
    }
}

impl<'de> Deserialize<'de> for Sha256Digest {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let s = std::borrow::Cow::<'de, str>::deserialize(d)?;
        s.parse().map_err(serde::de::Error::custom)
    }
}

/// Which digest a fixity value was made with. One today; named so that a format can carry another later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FixityAlgorithm {
    /// SHA-256 (FIPS 180-4).
    Sha256,
}

/// What proves that bytes are the same bytes: algorithm, digest and size.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fixity {
    /// The digest's algorithm.
    pub algorithm: FixityAlgorithm,
    /// The digest of the whole object.
    pub digest: Sha256Digest,
    /// Length of the whole object in bytes.
    pub size_bytes: u64,
}

impl Fixity {
    /// A SHA-256 fixity value.
    #[must_use]
    pub fn sha256(digest: Sha256Digest, size_bytes: u64) -> Self {
        Self { algorithm: FixityAlgorithm::Sha256, digest, size_bytes }
    }
}
