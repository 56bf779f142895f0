use crate::ObjectKey;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Where exactly one version of one object lies.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ObjectLocator {
    /// The configured store's name, e.g. `local`.
    pub store: String,
    /// Bucket or container; `media` and `meta` on the local store.
    pub bucket: String,
    /// Key inside the bucket.
    pub key: ObjectKey,
    /// The version as the store names it. Always present on what Holdfast archived.
    pub version_id: Option<String>,
}

impl fmt::Display for ObjectLocator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}/{}", self.store, self.bucket, self.key)?;
        self.version_id.as_ref().map_or(Ok(()), |v| write!(f, "@{v}"))
    }
}

/// How far away bytes are kept. The provider's own name of the class stands beside it as `storage_class`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StorageTier {
    /// Readable at once, priced for frequent reading (S3 Standard, Azure Hot).
    Hot,
    /// Readable at once, priced for rare reading (S3 Standard-IA, Glacier Instant Retrieval, Azure Cool and Cold).
    Cool,
    /// Must be rehydrated (S3 Glacier Flexible Retrieval, Azure Archive, the local cold tier).
    Cold,
    /// Must be rehydrated and never quickly (S3 Glacier Deep Archive).
    DeepCold,
}

impl StorageTier {
    /// Whether bytes here must be rehydrated before they can be read.
    #[must_use]
    pub fn needs_rehydration(self) -> bool {
        matches!(self, Self::Cold | Self::DeepCold)
    }
}

/// Whether the bytes can be read now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Availability {
    /// Can be read. `until` is set for a rehydrated copy that expires.
    Online {
        /// When the rehydrated copy goes; none for bytes that are always online.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<Timestamp>,
    },
    /// Asked for and under way.
    Rehydrating {
        /// When the request was made, where the provider tells (S3 and Azure don't).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        requested_at: Option<Timestamp>,
        /// When the provider expects to be done, where it can tell.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        expected_at: Option<Timestamp>,
    },
    /// In a cold tier; nobody asked for it yet.
    Offline,
}

impl Availability {
    /// Whether the bytes can be read at `now` (a rehydrated copy that has expired cannot).
    #[must_use]
    pub fn is_online_at(&self, now: Timestamp) -> bool {
        matches!(self, Self::Online { until } if until.is_none_or(|u| now < u))
    }
}

/// What a store says of one object now: where it keeps it and whether it can be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StorageState {
    /// How far away.
    pub tier: StorageTier,
    /// The provider's own name of the class.
    pub storage_class: String,
    /// Whether it can be read.
    pub availability: Availability,
}

/// How quickly a tier is asked to bring bytes back; each provider offers some of these for some classes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RehydrationSpeed {
    /// Fastest, dearest (S3 Expedited, Azure High).
    Expedited,
    /// The usual one (S3 Standard, Azure Standard).
    Standard,
    /// Slowest, cheapest (S3 Bulk).
    Bulk,
}
