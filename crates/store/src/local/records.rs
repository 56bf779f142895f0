//! The records: finding, finishing and changing them.

use super::{
    Facts,
    disk::{Disk, write_fault, write_new},
    facts::FACTS_FORMAT,
    layout::{check_bucket, check_key, draft_facts},
};
use crate::{ObjectInfo, StoreError};
use holdfast_model::{ObjectKey, ObjectLocator};
use jiff::Timestamp;
use std::{
    fs::{self, File},
    io::{self, Read as _},
    os::unix::fs::MetadataExt as _,
    path::Path,
};

/// A record longer than this is not one of ours.
const FACTS_MAX_BYTES: u64 = 1 << 20;

impl Disk {
    /// The record at a path; none where there is none.
    pub(super) fn read_facts(&self, path: &Path) -> Result<Option<Facts>, StoreError> {
        let damaged = |detail: String| StoreError::Damaged { what: path.display().to_string(), detail };
        let mut text = Vec::new();
        let read = File::open(path).and_then(|f| f.take(FACTS_MAX_BYTES + 1).read_to_end(&mut text));
        match read {
            Ok(_) if text.len() as u64 > FACTS_MAX_BYTES => return Err(damaged("it is longer than 1 MiB".to_owned())),
            Ok(_) => {}
            Err(e)
                if matches!(
                    e.kind(),
                    io::ErrorKind::NotFound
                        | io::ErrorKind::NotADirectory
                        | io::ErrorKind::IsADirectory
                        | io::ErrorKind::InvalidFilename
                ) =>
            {
                return Ok(None);
            }
            Err(e) => return Err(StoreError::Io { action: format!("reading {}", path.display()), source: e }),
        }
        if let Some(format) = holdfast_model::newer_format(&text, FACTS_FORMAT) {
            return Err(StoreError::FormatUnknown { what: path.display().to_string(), format });
        }
        let facts: Facts = serde_json::from_slice(&text).map_err(|e| damaged(e.to_string()))?;
        if facts.format != FACTS_FORMAT {
            return Err(damaged(format!("its format is {:?}; this version reads {FACTS_FORMAT}", facts.format)));
        }
        Ok(Some(facts))
    }

    /// The record under a key; none where there is none. On a file system that folds case the record of another key may lie
    /// there, which is no record of this one.
    pub(super) fn find(&self, bucket: &str, key: &ObjectKey) -> Result<Option<Facts>, StoreError> {
        let path = self.layout.facts(bucket, key);
        let Some(facts) = self.read_facts(&path)? else { return Ok(None) };
        let same = facts.bucket == bucket && facts.key == *key;
        if !same && !facts.key.as_str().eq_ignore_ascii_case(key.as_str()) {
            return Err(StoreError::Damaged {
                what: path.display().to_string(),
                detail: format!("it is the record of {}/{}", facts.bucket, facts.key),
            });
        }
        Ok(same.then_some(facts))
    }

    /// The record that a locator names, version included. Where its writer has not finished, it is finished here first, so that
    /// nobody relies on an object that a power cut could still take away.
    pub(super) fn load(&self, at: &ObjectLocator) -> Result<Facts, StoreError> {
        check_bucket(&at.bucket)?;
        check_key(&at.key)?;
        let facts = self.find(&at.bucket, &at.key)?;
        let facts = facts
            .filter(|f| at.version_id.as_ref().is_none_or(|v| *v == f.version_id))
            .ok_or_else(|| StoreError::NotFound(at.clone()))?;
        self.finish_other(&facts)?;
        Ok(facts)
    }

    /// Finishes an object whose writer is still between its two names, or died there.
    pub(super) fn finish_other(&self, facts: &Facts) -> Result<(), StoreError> {
        let Some(draft) = self.layout.draft(&facts.version_id).filter(|d| d.exists()) else { return Ok(()) };
        match self.finish(facts, &draft) {
            // On a medium that takes nothing more the bytes are read where they are.
            Err(StoreError::ReadOnly(_) | StoreError::Full(_)) => Ok(()),
            other => other,
        }
    }

    /// Gives the bytes of an elected record their final name and makes both names durable. Safe to repeat, by anybody.
    pub(super) fn finish(&self, facts: &Facts, draft: &Path) -> Result<(), StoreError> {
        let fault = |e| write_fault(&self.layout.root, "storing", e);
        let bytes = self.layout.bytes(&facts.bucket, facts.tier, &facts.key);
        self.make_folder_of(&bytes).map_err(fault)?;
        match fs::hard_link(draft, &bytes) {
            Ok(()) => {}
            // The writer finished in the meantime, or someone else did; the draft may go at any moment.
            Err(e) if matches!(e.kind(), io::ErrorKind::AlreadyExists | io::ErrorKind::NotFound) => {
                let there = match same_file(draft, &bytes) {
                    Err(e) if e.kind() == io::ErrorKind::NotFound => bytes.is_file(),
                    other => other.map_err(fault)?,
                };
                if !there {
                    return Err(StoreError::Damaged {
                        what: bytes.display().to_string(),
                        detail: "something that is not the archived file lies there".to_owned(),
                    });
                }
            }
            Err(e) => return Err(fault(e)),
        }
        self.sync_names([&self.layout.facts(&facts.bucket, &facts.key), &bytes]).map_err(fault)
    }

    /// The object's file as it is now, with its length.
    pub(super) fn open_bytes(&self, facts: &Facts) -> Result<(File, u64), StoreError> {
        let path = self.layout.bytes(&facts.bucket, facts.tier, &facts.key);
        let file = File::open(&path).or_else(|e| match self.layout.draft(&facts.version_id) {
            Some(draft) if e.kind() == io::ErrorKind::NotFound => File::open(draft).map_err(|_| e),
            _ => Err(e),
        });
        let opened = file.and_then(|f| Ok((f.metadata()?, f)));
        match opened {
            Ok((meta, file)) if meta.is_file() => Ok((file, meta.len())),
            Ok(_) => Err(StoreError::Damaged {
                what: path.display().to_string(),
                detail: "there is something else where the file should be".to_owned(),
            }),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Err(StoreError::Damaged {
                what: path.display().to_string(),
                detail: "the record is there but the file is gone".to_owned(),
            }),
            Err(e) => Err(StoreError::Io { action: format!("opening {}", path.display()), source: e }),
        }
    }

    pub(super) fn locator(&self, facts: &Facts) -> ObjectLocator {
        ObjectLocator {
            store: self.store.clone(),
            bucket: facts.bucket.clone(),
            key: facts.key.clone(),
            version_id: Some(facts.version_id.clone()),
        }
    }

    /// The facts as the seam tells them. The length is that of the file as it lies there now.
    pub(super) fn info(&self, facts: &Facts, now: Timestamp) -> Result<ObjectInfo, StoreError> {
        let (_, size_bytes) = self.open_bytes(facts)?;
        let mut metadata = facts.metadata.clone();
        metadata.insert("sha256".to_owned(), facts.sha256.to_hex());
        Ok(ObjectInfo {
            locator: self.locator(facts),
            size_bytes,
            sha256: Some(facts.sha256),
            media_type: facts.media_type.clone(),
            metadata,
            tags: facts.tags.clone(),
            tier: facts.tier.tier(),
            storage_class: facts.tier.class().to_owned(),
            availability: facts.availability(now),
            retention: facts.retention,
            legal_hold: facts.legal_hold,
            created_at: facts.created_at,
        })
    }

    /// Changes a record as a whole. The folder's lock keeps two processes from losing each other's change; a reader sees the
    /// record before or after, never between.
    pub(super) fn update<T>(
        &self,
        at: &ObjectLocator,
        change: impl FnOnce(&mut Facts) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let before_lock = self.load(at)?;
        let path = self.layout.facts(&before_lock.bucket, &before_lock.key);
        let folder = path.parent().unwrap_or(&self.layout.root);
        let fault = |e| write_fault(&self.layout.root, "changing a record", e);
        let lock = File::open(folder).map_err(fault)?;
        lock.lock().map_err(fault)?;
        let mut facts = self.load(at)?;
        let before = facts.clone();
        let answer = change(&mut facts)?;
        if facts != before {
            let draft = self.session()?.draft_of_update();
            let written = write_new(&draft, &facts_text(&facts)?)
                .and_then(|()| fs::rename(&draft, &path))
                .and_then(|()| lock.sync_all());
            if let Err(e) = written {
                let _ = fs::remove_file(&draft);
                return Err(fault(e));
            }
        }
        Ok(answer)
    }

    /// Finishes the draft at `draft` where its record was elected, otherwise takes it away.
    pub(super) fn settle(&self, draft: &Path) -> Result<(), StoreError> {
        let fault = |e| write_fault(&self.layout.root, "sweeping", e);
        let beside = draft_facts(draft);
        let record = match self.read_facts(&beside) {
            // Cut off by a power cut before it had a second name, so it was never elected.
            Err(StoreError::Damaged { .. }) if fs::metadata(&beside).is_ok_and(|m| m.nlink() == 1) => None,
            other => other?,
        };
        if let Some(facts) = record {
            let elected = self.find(&facts.bucket, &facts.key)?.is_some_and(|f| f.version_id == facts.version_id);
            let bytes = self.layout.bytes(&facts.bucket, facts.tier, &facts.key);
            if elected && draft.exists() {
                self.finish(&facts, draft)?;
            } else if !elected && draft.exists() && same_file(draft, &bytes).unwrap_or(false) {
                // A power cut kept the second name and lost the first.
                fs::remove_file(&bytes).map_err(fault)?;
            }
        }
        for leftover in [draft, &beside] {
            match fs::remove_file(leftover) {
                Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(fault(e)),
                _ => {}
            }
        }
        Ok(())
    }
}

/// A record as it is written: indented, as people read it too.
pub(super) fn facts_text(facts: &Facts) -> Result<Vec<u8>, StoreError> {
    let mut text = serde_json::to_vec_pretty(facts)
        .map_err(|e| StoreError::Damaged { what: facts.key.to_string(), detail: e.to_string() })?;
    text.push(b'\n');
    Ok(text)
}

fn same_file(a: &Path, b: &Path) -> io::Result<bool> {
    let (a, b) = (fs::symlink_metadata(a)?, fs::symlink_metadata(b)?);
    Ok((a.dev(), a.ino()) == (b.dev(), b.ino()))
}
