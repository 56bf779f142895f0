//! What the service says of a blob, in the words of the seams.

use super::{AzureStore, AzureTier, names};
use crate::{ObjectEntry, ObjectInfo, StoreError};
use azure_core::{
    http::{NoFormat, Response},
    time::OffsetDateTime,
};
use azure_storage_blob::models::{
    AccessTier, BlobClientGetPropertiesResult, BlobClientGetPropertiesResultHeaders as _, BlobItem, CopyStatus,
    ImmutabilityPolicyMode, RehydratePriority,
};
use holdfast_model::{
    Availability, ImmutabilityMode, ObjectKey, ObjectLocator, ObjectRetention, RehydrationSpeed, StorageTier,
};
use jiff::Timestamp;
use std::collections::{BTreeMap, HashMap};

/// The provider's own name of the tier that must be rehydrated.
pub(super) const ARCHIVE: &str = "Archive";

/// One version of one blob, as HEAD or a listing shows it.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    pub(super) name: String,
    pub(super) version: Option<String>,
    /// Whether a name without a version means this one.
    pub(super) current: bool,
    pub(super) size_bytes: u64,
    /// The provider's name of the tier.
    pub(super) class: String,
    /// On its way to an online tier: `class` is still Archive, or it is being copied.
    pub(super) pending: bool,
    pub(super) high_priority: bool,
    /// It was to be a copy, and that failed: there are no bytes to read.
    pub(super) failed_copy: bool,
    pub(super) created_at: Timestamp,
    pub(super) metadata: HashMap<String, String>,
}

impl Seen {
    pub(super) fn archived(&self) -> bool {
        self.class == ARCHIVE
    }

    /// Until when a copy is to be used.
    pub(super) fn until(&self) -> Option<Timestamp> {
        names::mark(&self.metadata, names::UNTIL)?.parse().ok()
    }

    pub(super) fn speed(&self) -> RehydrationSpeed {
        if self.high_priority { RehydrationSpeed::Expedited } else { RehydrationSpeed::Standard }
    }
}

pub(super) fn tier_of(class: &str) -> StorageTier {
    match class {
        ARCHIVE => StorageTier::Cold,
        "Cool" | "Cold" => StorageTier::Cool,
        // Premium accounts have no tiers, and are read at once.
        _ => StorageTier::Hot,
    }
}

pub(super) fn access_tier(tier: AzureTier) -> AccessTier {
    match tier {
        AzureTier::Hot => AccessTier::Hot,
        AzureTier::Cool => AccessTier::Cool,
        AzureTier::Cold => AccessTier::Cold,
    }
}

/// A time of the service, in whole milliseconds.
pub(super) fn time(at: OffsetDateTime) -> Option<Timestamp> {
    Timestamp::from_millisecond(i64::try_from(at.unix_timestamp_nanos() / 1_000_000).ok()?).ok()
}

/// A version id is the time of the version's making, in steps of 100 ns. Anything else is no version of Azure's.
pub(super) fn version_time(id: &str) -> Option<Timestamp> {
    let plain =
        id.len() <= 40 && id.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'-' | b':' | b'T' | b'Z' | b'.'));
    let at: Timestamp = plain.then(|| id.parse().ok()).flatten()?;
    Timestamp::from_millisecond(at.as_millisecond()).ok()
}

fn created(version: Option<&str>, creation: Option<OffsetDateTime>) -> Timestamp {
    version.and_then(version_time).or_else(|| creation.and_then(time)).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// All that HEAD tells.
pub(super) struct Head {
    pub(super) seen: Seen,
    pub(super) media_type: String,
    pub(super) retention: Option<ObjectRetention>,
    pub(super) legal_hold: bool,
    pub(super) tags: bool,
}

type Properties = Response<BlobClientGetPropertiesResult, NoFormat>;

fn retention(mode: Option<ImmutabilityPolicyMode>, until: Option<OffsetDateTime>) -> Option<ObjectRetention> {
    let mode = match mode? {
        ImmutabilityPolicyMode::Locked => ImmutabilityMode::Compliance,
        _ => ImmutabilityMode::Governance,
    };
    Some(ObjectRetention { mode, until: time(until?)? })
}

pub(super) fn head(name: &str, p: &Properties) -> azure_core::Result<Head> {
    let version = p.version_id()?;
    let metadata = p.metadata()?;
    let copy = p.copy_status()?;
    let seen = Seen {
        name: name.to_owned(),
        current: p.is_current_version()?.unwrap_or(version.is_none()),
        size_bytes: p.content_length()?.unwrap_or(0),
        class: p.access_tier()?.unwrap_or_else(|| "Hot".to_owned()),
        pending: p.archive_status()?.is_some() || copy == Some(CopyStatus::Pending),
        high_priority: p.rehydrate_priority()? == Some(RehydratePriority::High),
        failed_copy: matches!(copy, Some(CopyStatus::Failed | CopyStatus::Aborted)),
        created_at: created(version.as_deref(), p.creation_time()?),
        version,
        metadata,
    };
    Ok(Head {
        seen,
        media_type: p.content_type()?.unwrap_or_default(),
        retention: retention(p.immutability_policy_mode()?, p.immutability_policy_expires_on()?),
        legal_hold: p.legal_hold()?.unwrap_or(false),
        tags: p.tag_count()?.is_some_and(|n| n > 0),
    })
}

/// A listed blob; none where the service left out what makes it one.
pub(super) fn listed(item: BlobItem) -> Option<Seen> {
    let (name, p) = (item.name?, item.properties?);
    Some(Seen {
        name,
        current: item.is_current_version.unwrap_or(item.version_id.is_none()),
        size_bytes: p.content_length.unwrap_or(0),
        class: p.access_tier.map_or_else(|| "Hot".to_owned(), |t| t.to_string()),
        pending: p.archive_status.is_some() || p.copy_status == Some(CopyStatus::Pending),
        high_priority: p.rehydrate_priority == Some(RehydratePriority::High),
        failed_copy: matches!(p.copy_status, Some(CopyStatus::Failed | CopyStatus::Aborted)),
        created_at: created(item.version_id.as_deref(), p.creation_time),
        version: item.version_id,
        metadata: item.metadata.and_then(|m| m.values).unwrap_or_default(),
    })
}

impl AzureStore {
    pub(super) fn locator(&self, container: &str, seen: &Seen) -> Option<ObjectLocator> {
        Some(ObjectLocator {
            store: self.config.name.clone(),
            bucket: container.to_owned(),
            key: ObjectKey::new(seen.name.clone()).ok()?,
            version_id: seen.version.clone(),
        })
    }

    pub(super) fn info(
        &self,
        at: &ObjectLocator,
        head: Head,
        tags: BTreeMap<String, String>,
        availability: Availability,
    ) -> Result<ObjectInfo, StoreError> {
        let Head { seen, media_type, retention, legal_hold, .. } = head;
        let metadata = names::read_metadata(seen.metadata);
        Ok(ObjectInfo {
            locator: ObjectLocator { store: self.config.name.clone(), version_id: seen.version, ..at.clone() },
            size_bytes: seen.size_bytes,
            sha256: names::claimed_digest(&metadata),
            media_type,
            metadata,
            tags,
            tier: tier_of(&seen.class),
            storage_class: seen.class,
            availability,
            retention,
            legal_hold,
            created_at: seen.created_at,
        })
    }

    pub(super) fn entry(&self, locator: ObjectLocator, seen: &Seen, availability: Availability) -> ObjectEntry {
        ObjectEntry {
            locator,
            size_bytes: seen.size_bytes,
            tier: tier_of(&seen.class),
            storage_class: seen.class.clone(),
            availability,
            created_at: seen.created_at,
        }
    }
}
