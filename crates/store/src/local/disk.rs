//! Durable steps on the disk, and reading and changing records.

use super::{
    Facts,
    facts::FACTS_FORMAT,
    layout::{Layout, OWN, check_bucket, check_key, draft_facts},
    session::Session,
};
use crate::{ObjectInfo, StoreError};
use holdfast_model::{ObjectKey, ObjectLocator};
use jiff::Timestamp;
use std::{
    collections::HashSet,
    fs::{self, File, Permissions},
    io::{self, Read as _, Write as _},
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Names the layout of the whole folder.
const STORE_FORMAT: &str = "holdfast-local-store/1";
/// A record longer than this is not one of ours.
const FACTS_MAX_BYTES: u64 = 1 << 20;
/// Folders remembered as durable; forgotten all at once when there are more, which costs a few fsyncs.
const DURABLE_MAX: usize = 8192;

/// One archive folder.
#[derive(Debug)]
pub(super) struct Disk {
    pub(super) layout: Layout,
    pub(super) store: String,
    /// Folders whose own name, and all names above, this process has made durable.
    durable: Mutex<HashSet<PathBuf>>,
    session: Mutex<Option<Arc<Session>>>,
}

/// A fault while writing, named for what a person can do about it.
pub(super) fn write_fault(at: &Path, action: &str, source: io::Error) -> StoreError {
    match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => StoreError::Full(at.display().to_string()),
        io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied => {
            StoreError::ReadOnly(at.display().to_string())
        }
        _ => StoreError::Io { action: format!("{action} in {}", at.display()), source },
    }
}

/// A lock that a panicking thread left is still good here: each guarded value is replaced whole.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Writes a new file that nobody may change, durable but for its name.
pub(super) fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create_new(path)?;
    file.write_all(bytes)?;
    file.set_permissions(Permissions::from_mode(0o444))?;
    file.sync_all()
}

impl Disk {
    pub(super) fn open(root: &Path, store: &str) -> Result<Self, StoreError> {
        let fault = |e| write_fault(root, "opening the archive", e);
        fs::create_dir_all(root).map_err(fault)?;
        // Absolute, so that a later change of the working directory moves nothing.
        let layout = Layout { root: root.canonicalize().map_err(fault)? };
        let disk = Self { layout, store: store.to_owned(), durable: Mutex::default(), session: Mutex::default() };
        let marker = disk.layout.own("store.json");
        match fs::read_to_string(&marker) {
            Ok(found) => disk.check_marker(&found)?,
            Err(e) if e.kind() == io::ErrorKind::NotFound => disk.make_marker(&marker).map_err(fault)?,
            Err(e) => return Err(fault(e)),
        }
        Ok(disk)
    }

    fn check_marker(&self, found: &str) -> Result<(), StoreError> {
        let marker: Result<serde_json::Value, _> = serde_json::from_str(found);
        match marker.as_ref().ok().and_then(|m| m["format"].as_str()) {
            Some(STORE_FORMAT) => Ok(()),
            other => Err(StoreError::Damaged {
                what: self.layout.root.display().to_string(),
                detail: format!("store.json says {other:?}; this version reads {STORE_FORMAT}"),
            }),
        }
    }

    fn make_marker(&self, marker: &Path) -> io::Result<()> {
        fs::create_dir_all(self.layout.own("facts"))?;
        fs::create_dir_all(self.layout.incoming())?;
        let text = format!("{}\n", serde_json::json!({ "format": STORE_FORMAT }));
        let draft = marker.with_extension(format!("{}.new", std::process::id()));
        let _ = fs::remove_file(&draft);
        write_new(&draft, text.as_bytes())?;
        fs::rename(&draft, marker)?;
        sync_folder(&self.layout.root.join(OWN))?;
        sync_folder(&self.layout.root)?;
        // The root and folders above may be new too; one that may not be opened was there before.
        for above in self.layout.root.ancestors().skip(1) {
            let _ = sync_folder(above);
        }
        Ok(())
    }

    /// The folder for this process's drafts, made at the first write.
    pub(super) fn session(&self) -> Result<Arc<Session>, StoreError> {
        let mut session = locked(&self.session);
        match &*session {
            Some(session) => Ok(session.clone()),
            None => {
                let new = Session::begin(&self.layout)
                    .map_err(|e| write_fault(&self.layout.root, "preparing to write", e))?;
                Ok(session.insert(Arc::new(new)).clone())
            }
        }
    }

    /// Makes the folder of `file` with all above it.
    pub(super) fn make_folder_of(&self, file: &Path) -> io::Result<()> {
        file.parent().map_or(Ok(()), fs::create_dir_all)
    }

    /// Makes the names of `files` durable, with those of all folders above. A folder that someone else has just made may not be
    /// durable yet, so each is synced once by this process too before it is relied upon.
    pub(super) fn sync_names(&self, files: [&Path; 2]) -> io::Result<()> {
        let root = &self.layout.root;
        for folder in files.into_iter().filter_map(Path::parent) {
            let new: Vec<&Path> = {
                let known = locked(&self.durable);
                folder.ancestors().take_while(|f| *f != root && !known.contains(*f)).collect()
            };
            sync_folder(folder)?;
            for parent in new.iter().filter_map(|f| f.parent()) {
                sync_folder(parent)?;
            }
            let mut known = locked(&self.durable);
            if known.len() > DURABLE_MAX {
                known.clear();
            }
            known.extend(new.into_iter().map(Path::to_path_buf));
        }
        Ok(())
    }

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
            // The writer finished in the meantime, or someone else did.
            Err(e) if matches!(e.kind(), io::ErrorKind::AlreadyExists | io::ErrorKind::NotFound) => {
                if !bytes.is_file() || (draft.exists() && !same_file(draft, &bytes).map_err(fault)?) {
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

    /// Finishes or removes what dead writers left. A fault here must not keep anyone from reading, so it is told and the next
    /// open tries again.
    pub(super) fn sweep(&self) {
        if let Err(error) = super::session::sweep(self) {
            tracing::warn!(%error, "leftovers of an earlier writer were not swept");
        }
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
