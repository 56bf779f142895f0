//! Listings: up to 5,000 blobs a call, with tier and archive status, so that thousands are asked for in few calls.

use super::{
    AzureStore,
    facts::{self, Seen},
    faults::{Call, Place},
};
use crate::{ObjectPage, StoreError};
use azure_storage_blob::models::{BlobContainerClientListBlobsOptions, ListBlobsIncludeItem};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use holdfast_model::{ObjectKey, ObjectLocator};
use std::collections::HashMap;

/// What the service gives at once.
const PAGE: usize = 5_000;
/// Fewer hits than this in a page, and a HEAD for each would have been quicker.
const FEW: usize = 16;
/// How many are then asked one by one before listing is tried again.
const APART: usize = 256;

/// One page, and where the next begins.
struct Page {
    seen: Vec<Seen>,
    marker: Option<String>,
}

/// A blob that is looked for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Wanted {
    pub(super) name: String,
    pub(super) version: Option<String>,
}

impl AzureStore {
    async fn page(
        &self,
        container: &str,
        prefix: &str,
        start_from: Option<&str>,
        marker: Option<String>,
        most: usize,
    ) -> Result<Page, StoreError> {
        let fault = |e: azure_core::Error| self.fault(Call::List, Place::Container(container), &e);
        let mut include = vec![ListBlobsIncludeItem::Versions];
        if self.copies().is_some_and(|c| c.container == container) {
            include.extend([ListBlobsIncludeItem::Metadata, ListBlobsIncludeItem::Copy]);
        }
        let options = BlobContainerClientListBlobsOptions {
            include: Some(include),
            maxresults: i32::try_from(most.clamp(1, PAGE)).ok(),
            prefix: (!prefix.is_empty()).then(|| prefix.to_owned()),
            // A marker holds its own place.
            start_from: if marker.is_none() { start_from.map(str::to_owned) } else { None },
            marker,
            ..Default::default()
        };
        let mut pages =
            self.service.blob_container_client(container).list_blobs(Some(options)).map_err(fault)?.into_pages();
        let Some(answer) = pages.try_next().await.map_err(fault)? else {
            return Ok(Page { seen: Vec::new(), marker: None });
        };
        let page = answer.into_model().map_err(fault)?;
        Ok(Page {
            seen: page.blob_items.into_iter().filter_map(facts::listed).collect(),
            marker: page.next_marker.filter(|m| !m.is_empty()),
        })
    }

    pub(super) async fn list_page(
        &self,
        container: &str,
        prefix: &str,
        after: Option<&ObjectKey>,
        limit: usize,
    ) -> Result<ObjectPage, StoreError> {
        let (mut found, mut marker): (Vec<(ObjectLocator, Seen)>, _) = (Vec::new(), None);
        loop {
            // One more than asked tells whether there are more; one more again for the one to start after.
            let most = limit.saturating_add(2);
            let page = self.page(container, prefix, after.map(ObjectKey::as_str), marker.take(), most).await?;
            marker = page.marker;
            for seen in page.seen {
                let past = after.is_none_or(|after| seen.name.as_str() > after.as_str());
                if past && seen.current && !self.is_copy(container, &seen.name) {
                    // What others put there under names that are no keys of ours is none of an archive's objects.
                    found.extend(self.locator(container, &seen).map(|at| (at, seen)));
                }
            }
            if found.len() > limit || marker.is_none() {
                break;
            }
        }
        let more = found.len() > limit;
        found.truncate(limit);
        let availability =
            self.availability_of_all(found.iter().map(|(at, seen)| (at.clone(), seen)).collect()).await?;
        let objects = found.into_iter().zip(availability).map(|((at, seen), now)| self.entry(at, &seen, now)).collect();
        Ok(ObjectPage { objects, more })
    }

    /// What is there of `wanted`, in few calls: pages where they lie close together, one by one where they lie apart.
    pub(super) async fn look(
        &self,
        container: &str,
        mut wanted: Vec<Wanted>,
    ) -> Result<HashMap<Wanted, Option<Seen>>, StoreError> {
        wanted.sort_unstable();
        wanted.dedup();
        let (mut found, mut rest, mut apart) = (HashMap::with_capacity(wanted.len()), wanted.as_slice(), 0usize);
        while let (Some(first), Some(last)) = (rest.first(), rest.last()) {
            if rest.len() <= FEW || apart > 0 {
                let (now, later) = rest.split_at(rest.len().min(FEW));
                found.extend(self.look_one_by_one(container, now).await?);
                (rest, apart) = (later, apart.saturating_sub(now.len()));
                continue;
            }
            let prefix = common_prefix(&first.name, &last.name);
            let page = self.page(container, prefix, Some(&first.name), None, PAGE).await?;
            // Of the last name of a page there may be more versions in the next.
            let whole = page.seen.last().filter(|_| page.marker.is_some()).map(|s| s.name.clone());
            let covered = |w: &Wanted| whole.as_ref().is_none_or(|last| w.name < *last);
            let (now, later) = rest.split_at(rest.partition_point(covered));
            apart = if now.len() < FEW { APART } else { 0 };
            found.extend(pick(now, page.seen));
            rest = later;
        }
        Ok(found)
    }

    async fn look_one_by_one(
        &self,
        container: &str,
        wanted: &[Wanted],
    ) -> Result<Vec<(Wanted, Option<Seen>)>, StoreError> {
        stream::iter(wanted.to_vec())
            .map(|w| async move {
                let client = self.blob_named(container, &w.name, w.version.as_deref())?;
                let answer = match client {
                    Some(client) => client.get_properties(None).await.and_then(|p| facts::head(&w.name, &p)).map(Some),
                    None => Ok(None),
                };
                match answer {
                    Ok(head) => Ok((w, head.map(|h| h.seen))),
                    Err(e) if super::faults::meaning_of(&e) == Some(super::faults::Meaning::NotFound) => Ok((w, None)),
                    Err(e) => Err(self.fault(Call::Head, Place::Container(container), &e)),
                }
            })
            .buffered(FEW)
            .try_collect()
            .await
    }
}

/// Each of `wanted`, which are sorted, with what `seen` has of it.
fn pick(wanted: &[Wanted], seen: Vec<Seen>) -> Vec<(Wanted, Option<Seen>)> {
    let mut by_name: HashMap<String, Vec<Seen>> = HashMap::new();
    for one in seen {
        by_name.entry(one.name.clone()).or_default().push(one);
    }
    let find = |w: &Wanted| {
        let versions = by_name.get(&w.name)?;
        versions.iter().find(|s| if w.version.is_some() { s.version == w.version } else { s.current }).cloned()
    };
    wanted.iter().map(|w| (w.clone(), find(w))).collect()
}

fn common_prefix<'a>(a: &'a str, b: &str) -> &'a str {
    let mut end = a.bytes().zip(b.bytes()).take_while(|(a, b)| a == b).count();
    while !a.is_char_boundary(end) {
        end -= 1;
    }
    &a[..end]
}
