//! One archive folder: opening it, and the steps that make names durable.

use super::{
    layout::{Layout, OWN},
    session::Session,
};
use crate::StoreError;
use std::{
    collections::HashSet,
    fs::{self, File, Permissions},
    io::{self, Write as _},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Names the layout of the whole folder.
const STORE_FORMAT: &str = "holdfast-local-store/1";
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
            Some(newer) if holdfast_model::is_newer_format(newer, STORE_FORMAT) => Err(StoreError::FormatUnknown {
                what: self.layout.root.display().to_string(),
                format: newer.to_owned(),
            }),
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

    /// Finishes or removes what dead writers left. A fault here must not keep anyone from reading, so it is told and the next
    /// open tries again.
    pub(super) fn sweep(&self) {
        if let Err(error) = super::session::sweep(self) {
            tracing::warn!(%error, "leftovers of an earlier writer were not swept");
        }
    }
}
