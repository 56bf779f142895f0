use crate::StoreError;
use bytes::Bytes;
use futures_util::stream::BoxStream;
use holdfast_model::{
    Availability, Fixity, ObjectLocator, ObjectRetention, RehydrationSpeed, Sha256Digest, StorageState, StorageTier,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, time::Duration};

/// Pieces of an object's bytes, in order.
pub type ByteStream = BoxStream<'static, Result<Bytes, StoreError>>;

/// A half-open range of bytes; `end` none reads to the end of the object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ByteRange {
    /// First byte.
    pub start: u64,
    /// One past the last byte.
    pub end: Option<u64>,
}

/// The whole object.
pub const BYTE_RANGE_ALL: ByteRange = ByteRange { start: 0, end: None };

/// The buckets (containers) of one store. They may be one and the same: keys never collide.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Buckets {
    /// Where original bytes lie.
    pub media: String,
    /// Where manifests, payloads and texts lie: apart, so that no lifecycle rule for media ever moves them into a cold tier.
    pub meta: String,
    /// Where bytes and metadata lie of what was set aside.
    pub quarantine: String,
}

/// An address under which anyone who has it can read one object for a while. Its text is a secret until it lapses: it is shown
/// once and goes into no log and no ledger.
#[derive(Clone, PartialEq, Eq)]
pub struct Link {
    /// The address.
    pub url: String,
    /// When it lapses.
    pub until: Timestamp,
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Link").field("until", &self.until).finish_non_exhaustive()
    }
}

/// What a backend can do; what it can't is declared, never faked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capabilities {
    /// Versions every object.
    pub versions: bool,
    /// Enforces retention and hold itself, against everyone who has only its interface.
    pub enforced_retention: bool,
    /// Has tiers that must be rehydrated.
    pub cold_tiers: bool,
    /// Can raise the speed of a pending rehydration.
    pub raise_speed: bool,
    /// Takes a retention that is over already; S3 and Azure refuse a date that is past.
    pub past_retention: bool,
    /// Makes links that lapse.
    pub links: bool,
    /// Reads back and hashes again what it creates in a tier that must be rehydrated, before it counts as created: nobody else
    /// could, since such bytes are not readable. Without it nothing may be created there directly.
    pub reads_back_cold_writes: bool,
    /// Must be told the digest of a large object before its first byte ([`PutOptions::expected`]), or no `sha256` metadata stands
    /// beside it: such a provider takes metadata when an upload begins, never when it ends.
    pub digest_first: bool,
}

/// Facts of one object version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectInfo {
    /// Where it lies, with its version.
    pub locator: ObjectLocator,
    /// Length in bytes, as the backend says now.
    pub size_bytes: u64,
    /// The SHA-256 that was written with it as metadata, where there is one. A claim, not a measurement.
    pub sha256: Option<Sha256Digest>,
    /// IANA media type.
    pub media_type: String,
    /// User metadata (ASCII keys and values).
    pub metadata: BTreeMap<String, String>,
    /// Object tags.
    pub tags: BTreeMap<String, String>,
    /// How far away.
    pub tier: StorageTier,
    /// The provider's own name of the class.
    pub storage_class: String,
    /// Whether it can be read now.
    pub availability: Availability,
    /// Retention, where there is one.
    pub retention: Option<ObjectRetention>,
    /// Legal hold flag.
    pub legal_hold: bool,
    /// When this version was created.
    pub created_at: Timestamp,
}

/// What a listing says of one object: no metadata, tags or retention, for which providers want a call each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectEntry {
    /// Where it lies, with its version.
    pub locator: ObjectLocator,
    /// Length in bytes.
    pub size_bytes: u64,
    /// How far away.
    pub tier: StorageTier,
    /// The provider's own name of the class.
    pub storage_class: String,
    /// Whether it can be read now.
    pub availability: Availability,
    /// When this version was created.
    pub created_at: Timestamp,
}

impl ObjectInfo {
    /// Where it is kept and whether it can be read.
    #[must_use]
    pub fn state(&self) -> StorageState {
        let (tier, storage_class, availability) = (self.tier, self.storage_class.clone(), self.availability.clone());
        StorageState { tier, storage_class, availability }
    }
}

impl ObjectEntry {
    /// Where it is kept and whether it can be read.
    #[must_use]
    pub fn state(&self) -> StorageState {
        let (tier, storage_class, availability) = (self.tier, self.storage_class.clone(), self.availability.clone());
        StorageState { tier, storage_class, availability }
    }
}

impl From<ObjectInfo> for ObjectEntry {
    fn from(info: ObjectInfo) -> Self {
        let ObjectInfo { locator, size_bytes, tier, storage_class, availability, created_at, .. } = info;
        Self { locator, size_bytes, tier, storage_class, availability, created_at }
    }
}

/// One page of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectPage {
    /// In key order.
    pub objects: Vec<ObjectEntry>,
    /// Whether there may be more after the last one.
    pub more: bool,
}

/// What goes in with an object's own write.
#[derive(Debug, Clone)]
pub struct PutOptions {
    /// IANA media type.
    pub media_type: String,
    /// User metadata; keys and values ASCII. The digest is added by the store as `sha256` once known.
    pub metadata: BTreeMap<String, String>,
    /// Object tags.
    pub tags: BTreeMap<String, String>,
    /// Where to put it.
    pub tier: StorageTier,
    /// Retention from the start.
    pub retention: Option<ObjectRetention>,
    /// Hold from the start.
    pub legal_hold: bool,
    /// What the bytes must turn out to be, where the caller knows.
    pub expected: Option<Fixity>,
}

/// A new object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Created {
    /// Where, with the version.
    pub locator: ObjectLocator,
    /// Measured on the way in. Reading back is the caller's duty.
    pub fixity: Fixity,
    /// The provider's own name of the class it was put in.
    pub storage_class: String,
}

/// One way to bring a class online.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RehydrationOption {
    /// How quickly.
    pub speed: RehydrationSpeed,
    /// Usual time.
    pub expected: Duration,
    /// Time the provider promises not to exceed.
    pub worst: Duration,
}

/// The answer to a rehydration request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ticket {
    /// State right after the request.
    pub availability: Availability,
    /// Whether this call started it; false where it was under way or online already.
    pub started: bool,
}
