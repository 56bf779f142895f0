//! Listing by versions: ListObjectVersions tells the version ids and, with RestoreStatus, who is online. What is listed of a key is its
//! newest version that is an object. A delete marker above it hides it from others, not here: what is retained is still there.

use super::{
    S3Store, class, fault,
    head::{Restore, availability, whole_seconds},
};
use crate::{ObjectEntry, ObjectPage, StoreError};
use aws_sdk_s3::{
    operation::list_object_versions::ListObjectVersionsOutput,
    types::{ObjectVersion, OptionalObjectAttributes},
};
use futures_util::{StreamExt as _, TryStreamExt as _};
use holdfast_model::{ObjectKey, ObjectLocator};
use jiff::Timestamp;

/// Entries in one answer, at most; S3's own limit.
pub(super) const PAGE: usize = 1_000;
/// Single objects asked for at once.
pub(super) const AT_ONCE: usize = 16;

/// Where a listing goes on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Marker {
    pub(super) key: Option<String>,
    pub(super) version_id: Option<String>,
}

impl S3Store {
    pub(super) async fn page(
        &self,
        bucket: &str,
        prefix: &str,
        after: Option<&ObjectKey>,
        limit: usize,
    ) -> Result<ObjectPage, StoreError> {
        let mut marker = Marker { key: after.map(|k| k.as_str().to_owned()), version_id: None };
        // Some servers begin with the marker's own key, some after it.
        let (mut objects, mut last, mut more) = (Vec::new(), marker.key.clone().unwrap_or_default(), true);
        while more && objects.len() < limit {
            let most = (limit - objects.len()).min(PAGE);
            let out = self.versions(bucket, prefix, &marker, most).await?;
            for version in out.versions() {
                let key = version.key().unwrap_or_default();
                if key != last {
                    key.clone_into(&mut last);
                    objects.extend(self.entry(bucket, version)?);
                }
            }
            more = next(bucket, &out, &mut marker)?;
        }
        let objects = self.ask_tiering(objects).await?;
        Ok(ObjectPage { objects, more })
    }

    /// One call.
    pub(super) async fn versions(
        &self,
        bucket: &str,
        prefix: &str,
        marker: &Marker,
        most: usize,
    ) -> Result<ListObjectVersionsOutput, StoreError> {
        let request = self
            .client
            .list_object_versions()
            .bucket(bucket)
            .prefix(prefix)
            .set_key_marker(marker.key.clone())
            .set_version_id_marker(marker.version_id.clone())
            .max_keys(i32::try_from(most).unwrap_or(i32::MAX))
            .optional_object_attributes(OptionalObjectAttributes::RestoreStatus);
        request.send().await.map_err(|e| {
            // No object is named: any key will do to say where.
            let place = ObjectKey::new(if prefix.is_empty() { "-" } else { prefix.trim_end_matches('/') });
            match place.or_else(|_| ObjectKey::new("-")) {
                Ok(key) => {
                    let at = self.at(bucket, key, None);
                    fault::of(&self.doing("listing", "s3:ListBucketVersions", &at), &e)
                }
                Err(invalid) => StoreError::Invalid { what: "the prefix".to_owned(), detail: invalid.to_string() },
            }
        })
    }

    /// What a listing says of one version; none for a key that is not of Holdfast's form.
    pub(super) fn entry(&self, bucket: &str, version: &ObjectVersion) -> Result<Option<ObjectEntry>, StoreError> {
        let key = version.key().unwrap_or_default();
        let Ok(key) = ObjectKey::new(key) else {
            tracing::debug!(bucket, "an object whose key is none of ours is left out of a listing");
            return Ok(None);
        };
        let at = self.at(bucket, key, version.version_id().map(str::to_owned));
        let odd = |detail: &str| StoreError::odd_answer(&at, detail);
        let size_bytes = version.size().and_then(|n| u64::try_from(n).ok()).ok_or_else(|| odd("no length"))?;
        let created_at = version.last_modified().and_then(whole_seconds).ok_or_else(|| odd("no date"))?;
        let storage_class = class::name(version.storage_class().map(|c| c.as_str()), None);
        let availability = availability(&storage_class, restore_status(version), self.clock.now());
        let tier = class::tier(&storage_class);
        Ok(Some(ObjectEntry { locator: at, size_bytes, tier, storage_class, availability, created_at }))
    }

    /// A listing doesn't tell whether Intelligent-Tiering has archived an object: those are asked one by one.
    pub(super) async fn ask_tiering(&self, objects: Vec<ObjectEntry>) -> Result<Vec<ObjectEntry>, StoreError> {
        if objects.iter().all(|o| o.storage_class != class::INTELLIGENT_TIERING) {
            return Ok(objects);
        }
        let ask = |o: ObjectEntry| async move {
            match o.storage_class.as_str() {
                class::INTELLIGENT_TIERING => Ok(self.look(&o.locator).await?.info.into()),
                _ => Ok(o),
            }
        };
        futures_util::stream::iter(objects).map(ask).buffered(AT_ONCE).try_collect().await
    }

    /// The id of the newest version of a key that is an object.
    pub(super) async fn newest_version(&self, at: &ObjectLocator) -> Result<Option<String>, StoreError> {
        let mut marker = Marker::default();
        loop {
            let out = self.versions(&at.bucket, at.key.as_str(), &marker, PAGE).await?;
            // Keys come in order, and of all that start with this one it is the first.
            if let Some(first) = out.versions().first() {
                let own = first.key() == Some(at.key.as_str());
                return Ok(first.version_id().filter(|_| own).map(str::to_owned));
            }
            if !next(&at.bucket, &out, &mut marker)? {
                return Ok(None);
            }
        }
    }
}

/// Moves the marker on; false at the end.
pub(super) fn next(bucket: &str, out: &ListObjectVersionsOutput, marker: &mut Marker) -> Result<bool, StoreError> {
    if out.is_truncated() != Some(true) {
        return Ok(false);
    }
    let to = Marker {
        key: out.next_key_marker().map(str::to_owned),
        version_id: out.next_version_id_marker().map(str::to_owned),
    };
    if to.key.is_none() || to == *marker {
        let source = std::io::Error::other("the provider says that there is more, but not where");
        return Err(StoreError::Io { action: format!("listing {bucket}"), source });
    }
    *marker = to;
    Ok(true)
}

fn restore_status(version: &ObjectVersion) -> Option<Restore> {
    let status = version.restore_status()?;
    let expiry = status.restore_expiry_date().and_then(|d| Timestamp::from_second(d.secs()).ok());
    Some((status.is_restore_in_progress() == Some(true), expiry))
}
