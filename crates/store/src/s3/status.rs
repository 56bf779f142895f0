//! The state of many objects in few calls: what lies close together is listed, a thousand a call; what lies alone is asked for by
//! itself. How densely they lie is learnt on the way.

use super::{
    S3Store,
    list::{AT_ONCE, Marker, PAGE, next},
};
use crate::{ObjectEntry, StoreError};
use futures_util::{StreamExt as _, TryStreamExt as _};
use holdfast_model::{ObjectKey, ObjectLocator, StorageState};
use std::collections::BTreeMap;

/// A listing pays where it tells of this many at least. A LIST costs about twelve times as much as a HEAD.
const WORTH_IT: usize = 12;

/// Those of one bucket that are not answered yet, by key, with their places in the question.
type Open<'a> = BTreeMap<&'a ObjectKey, Vec<usize>>;

impl S3Store {
    pub(super) async fn states(&self, of: &[ObjectLocator]) -> Result<Vec<Option<StorageState>>, StoreError> {
        let mut buckets: BTreeMap<&str, Open<'_>> = BTreeMap::new();
        for (place, at) in of.iter().enumerate() {
            buckets.entry(&at.bucket).or_default().entry(&at.key).or_default().push(place);
        }
        let mut found: Vec<Option<StorageState>> = vec![None; of.len()];
        for (bucket, open) in buckets {
            self.of_bucket(bucket, of, open, &mut found).await?;
        }
        Ok(found)
    }

    async fn of_bucket(
        &self,
        bucket: &str,
        of: &[ObjectLocator],
        mut open: Open<'_>,
        found: &mut [Option<StorageState>],
    ) -> Result<(), StoreError> {
        // How many are asked for one by one before a listing is tried again; grows while listings tell little.
        let mut alone = 2 * WORTH_IT;
        while !open.is_empty() {
            if open.len() >= WORTH_IT {
                let told = self.sweep(bucket, of, &mut open, found).await?;
                alone = if told >= WORTH_IT { 2 * WORTH_IT } else { alone * 2 };
            }
            let ask: Vec<usize> = open.values().take(alone).flatten().copied().collect();
            for key in open.keys().take(alone).copied().collect::<Vec<_>>() {
                open.remove(key);
            }
            let looks = ask.into_iter().map(|i| async move {
                match self.look(&of[i]).await {
                    Ok(seen) => Ok((i, Some(seen.info.state()))),
                    Err(StoreError::NotFound(_)) => Ok((i, None)),
                    Err(e) => Err(e),
                }
            });
            let looks: Vec<(usize, Option<StorageState>)> =
                futures_util::stream::iter(looks).buffer_unordered(AT_ONCE).try_collect().await?;
            for (i, state) in looks {
                found[i] = state;
            }
        }
        Ok(())
    }

    /// Lists from the first open key on, jumping over gaps, for as long as it pays. Tells how many the last call told of; what
    /// was passed and not there is answered by nobody.
    async fn sweep(
        &self,
        bucket: &str,
        of: &[ObjectLocator],
        open: &mut Open<'_>,
        found: &mut [Option<StorageState>],
    ) -> Result<usize, StoreError> {
        let mut marker = Marker::default();
        while let Some(first) = open.keys().next().copied() {
            let start = just_before(first.as_str());
            if marker.key.as_ref().is_none_or(|k| *k < start) {
                marker = Marker { key: Some(start), version_id: None };
            }
            let out = self.versions(bucket, "", &marker, PAGE).await?;
            let mut told = 0;
            let mut entries: Vec<(ObjectEntry, bool)> = Vec::new();
            let mut last = String::new();
            for version in out.versions() {
                let (key, newest) = (version.key().unwrap_or_default(), version.key() != Some(&last));
                key.clone_into(&mut last);
                let wanted = ObjectKey::new(key).is_ok_and(|k| open.contains_key(&k));
                if wanted && let Some(entry) = self.entry(bucket, version)? {
                    entries.push((entry, newest));
                }
            }
            let (entries, newest): (Vec<_>, Vec<_>) = entries.into_iter().unzip();
            for (entry, newest) in self.ask_tiering(entries).await?.into_iter().zip(newest) {
                for &i in open.get(&entry.locator.key).into_iter().flatten() {
                    let meant =
                        of[i].version_id.as_ref().map_or(newest, |v| Some(v) == entry.locator.version_id.as_ref());
                    if meant && found[i].is_none() {
                        found[i] = Some(entry.state());
                        told += 1;
                    }
                }
            }
            let more = next(bucket, &out, &mut marker)?;
            // What was passed is answered, or is not there. The last key may go on in the next page.
            let end = marker.key.clone().filter(|_| more);
            open.retain(|key, places| {
                let passed = end.as_ref().is_none_or(|end| key.as_str() < end.as_str());
                !passed && places.iter().any(|&i| found[i].is_none())
            });
            if told < WORTH_IT {
                return Ok(told);
            }
        }
        Ok(WORTH_IT)
    }
}

/// A text that sorts before `key` and after most of what does too: listings go on after a marker, never from it.
fn just_before(key: &str) -> String {
    let mut bytes = key.as_bytes().to_vec();
    // A key of Holdfast's form is never empty, and its characters are over 0x20 and below 0x7f, where `~` is the last.
    if let Some(last) = bytes.pop() {
        bytes.push(last - 1);
        bytes.extend_from_slice(b"~~~~~~~~");
    }
    String::from_utf8(bytes).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marker_lies_just_before_its_key() {
        for (key, before) in [("a/r-2", "a/r-1999"), ("a/0", "a/"), ("b", "a/zz~"), ("x~", "x}")] {
            let marker = just_before(key);
            assert!(before < marker.as_str() && marker.as_str() < key, "{before} {marker} {key}");
        }
    }
}
