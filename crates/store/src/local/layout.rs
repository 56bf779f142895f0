//! Where things lie below the root. The same key has the same path in the tree of bytes and in the tree of records.

use super::facts::LocalTier;
use crate::StoreError;
use holdfast_model::ObjectKey;
use std::path::{Path, PathBuf};

/// What the store keeps for itself; no bucket can have this name.
pub(super) const OWN: &str = ".holdfast";
/// Longest name of a file that common file systems take, in bytes.
const NAME_MAX: usize = 255;

/// The paths of one archive.
#[derive(Debug, Clone)]
pub(super) struct Layout {
    pub(super) root: PathBuf,
}

impl Layout {
    /// `<root>/<bucket>/<hot|cold>/<key>`: the original bytes.
    pub(super) fn bytes(&self, bucket: &str, tier: LocalTier, key: &ObjectKey) -> PathBuf {
        self.root.join(bucket).join(tier.folder()).join(key.as_str())
    }

    /// `<root>/.holdfast/facts/<bucket>`: the records of a bucket.
    pub(super) fn facts_of(&self, bucket: &str) -> PathBuf {
        self.own("facts").join(bucket)
    }

    /// `<root>/.holdfast/facts/<bucket>/<key>`: the record. It has no extension of its own, so that two keys collide here exactly
    /// where their bytes would (`a` and `a/b`).
    pub(super) fn facts(&self, bucket: &str, key: &ObjectKey) -> PathBuf {
        self.facts_of(bucket).join(key.as_str())
    }

    /// `<root>/.holdfast/<name>`.
    pub(super) fn own(&self, name: &str) -> PathBuf {
        self.root.join(OWN).join(name)
    }

    /// `<root>/.holdfast/incoming`: one folder for each process that writes.
    pub(super) fn incoming(&self) -> PathBuf {
        self.own("incoming")
    }

    /// `<root>/.holdfast/incoming/<session>/<version>`: bytes on their way in. None where `version_id` is not one of ours, so
    /// that a record changed by hand cannot point elsewhere.
    pub(super) fn draft(&self, version_id: &str) -> Option<PathBuf> {
        let session = version_id.split('-').nth(1)?;
        let ours = version_id.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-') && !session.is_empty();
        ours.then(|| self.incoming().join(session).join(version_id))
    }
}

/// The record that lies beside a draft's bytes.
pub(super) fn draft_facts(draft: &Path) -> PathBuf {
    draft.with_extension("facts")
}

/// S3's rule for names, so that what works here works there: 3 to 63 of `a-z 0-9 . -`, starting and ending with a letter or
/// digit.
pub(super) fn check_bucket(bucket: &str) -> Result<(), StoreError> {
    let edge = |b: Option<&u8>| b.is_some_and(u8::is_ascii_alphanumeric);
    let ok = (3..=63).contains(&bucket.len())
        && bucket.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'-'))
        && !bucket.contains("..")
        && edge(bucket.as_bytes().first())
        && edge(bucket.as_bytes().last());
    if ok {
        return Ok(());
    }
    Err(StoreError::Invalid {
        what: format!("the bucket name {:?}", bucket.chars().take(70).collect::<String>()),
        detail: "names are 3 to 63 of a-z 0-9 . - and start and end with a letter or digit".to_owned(),
    })
}

/// Refuses what no file system could hold.
pub(super) fn check_key(key: &ObjectKey) -> Result<(), StoreError> {
    match key.as_str().split('/').find(|s| s.len() > NAME_MAX) {
        None => Ok(()),
        Some(long) => Err(StoreError::Invalid {
            what: format!("the key {key}"),
            detail: format!("one segment has {} bytes, and a file's name has at most {NAME_MAX}", long.len()),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bucket_names_cannot_climb_or_hide() {
        for good in ["media", "meta", "acme-eu.recordings"] {
            check_bucket(good).unwrap();
        }
        for bad in ["", "..", "a", ".holdfast", "Media", "a/b", "a..b", "-ab", "ab-", &"x".repeat(64), "mé"] {
            assert!(check_bucket(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_version_points_into_incoming_or_nowhere() {
        let layout = Layout { root: "/r".into() };
        assert_eq!(layout.draft("01-ab-1"), Some("/r/.holdfast/incoming/ab/01-ab-1".into()));
        for bad in ["", "ab", "01--1", "01-../../x-1", "01-a/b-1"] {
            assert_eq!(layout.draft(bad), None, "{bad:?}");
        }
    }
}
