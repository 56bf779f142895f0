//! Listing: a walk over the tree of records in key order, which never holds more than one folder's names for each level.

use super::disk::Disk;
use super::layout::check_bucket;
use crate::{ObjectPage, StoreError};
use holdfast_model::ObjectKey;
use jiff::Timestamp;
use std::{fs, io, path::Path};

/// What is being listed, and what was found.
struct Walk<'a> {
    disk: &'a Disk,
    bucket: &'a str,
    prefix: &'a str,
    after: &'a str,
    limit: usize,
    now: Timestamp,
    page: ObjectPage,
}

impl Disk {
    pub(super) fn list(
        &self,
        bucket: &str,
        prefix: &str,
        after: Option<&ObjectKey>,
        limit: usize,
        now: Timestamp,
    ) -> Result<ObjectPage, StoreError> {
        check_bucket(bucket)?;
        let after = after.map_or("", ObjectKey::as_str);
        let page = ObjectPage { objects: Vec::new(), more: false };
        let mut walk = Walk { disk: self, bucket, prefix, after, limit, now, page };
        walk.folder(&self.layout.facts_of(bucket), "")?;
        Ok(walk.page)
    }
}

impl Walk<'_> {
    /// Walks one folder, whose keys all start with `path`. False once the page is full.
    fn folder(&mut self, folder: &Path, path: &str) -> Result<bool, StoreError> {
        for name in names(folder)? {
            let key = format!("{path}{name}");
            let wanted = match key.strip_suffix('/') {
                // A subtree is entered unless all of it lies outside the prefix or before the start.
                Some(_) => {
                    (key.starts_with(self.prefix) || self.prefix.starts_with(&key))
                        && (key.as_str() > self.after || self.after.starts_with(&key))
                }
                None => key.starts_with(self.prefix) && key.as_str() > self.after,
            };
            let go_on = match (wanted, key.ends_with('/')) {
                (false, _) => true,
                (true, true) => self.folder(&folder.join(&name), &key)?,
                (true, false) => self.object(&key)?,
            };
            if !go_on {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn object(&mut self, key: &str) -> Result<bool, StoreError> {
        // A name that is no key was not put there by the store.
        let Ok(key) = ObjectKey::new(key) else { return Ok(true) };
        let Some(facts) = self.disk.find(self.bucket, &key)? else { return Ok(true) };
        if self.page.objects.len() == self.limit {
            self.page.more = true;
            return Ok(false);
        }
        match self.disk.info(&facts, self.now) {
            Ok(info) => self.page.objects.push(info.into()),
            // The object is gone, and a listing tells what is there; [`head`] tells what is wrong.
            Err(error @ StoreError::Damaged { .. }) => tracing::warn!(%error, "left out of a listing"),
            Err(other) => return Err(other),
        }
        Ok(true)
    }
}

/// The names in a folder in the order of the keys below them: a folder counts with its slash, so that `a-b` comes before
/// `a/c`.
fn names(folder: &Path) -> Result<Vec<String>, StoreError> {
    let fault = |e| StoreError::Io { action: format!("listing {}", folder.display()), source: e };
    let entries = match fs::read_dir(folder) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.map_err(fault)?,
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(fault)?;
        // A name that is not UTF-8 was not put there by the store.
        let Ok(mut name) = entry.file_name().into_string() else { continue };
        if entry.file_type().map_err(fault)?.is_dir() {
            name.push('/');
        }
        names.push(name);
    }
    names.sort_unstable();
    Ok(names)
}
