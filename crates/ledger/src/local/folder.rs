use super::{LedgerError, TileStore};
use async_trait::async_trait;
use bytes::Bytes;
use std::{
    fs::{self, File, Permissions},
    io::{self, Write as _},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

/// Tiles in a folder, in the layout of C2SP tlog-tiles, so that any static file server can publish it. Objects are read-only
/// once written.
#[derive(Debug, Clone)]
pub struct FolderTiles {
    root: PathBuf,
}

impl FolderTiles {
    /// In `root`, which is made when it is not there.
    ///
    /// # Errors
    /// [`LedgerError::Io`] when it can't be made.
    pub fn open(root: &Path) -> Result<Self, LedgerError> {
        make_folder(root).map_err(|e| LedgerError::io("make the folder", root.display(), e))?;
        Ok(Self { root: root.to_owned() })
    }
}

/// Makes `folder` and what is missing above it, each durably in its parent.
pub(super) fn make_folder(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    let parent = folder.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    make_folder(parent)?;
    match fs::create_dir(folder) {
        Err(e) if e.kind() != io::ErrorKind::AlreadyExists => Err(e),
        _ => sync_folder(parent),
    }
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    // Windows has no way to sync a folder and needs none: NTFS journals its names.
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

/// Writes a file durably and whole: into a temporary one, synced, renamed, its folder synced.
pub(super) fn write_durably(path: &Path, bytes: &[u8], read_only: bool) -> io::Result<()> {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    let folder = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
    make_folder(folder)?;
    let n = COUNTER.fetch_add(1, Ordering::Relaxed);
    let temporary =
        folder.join(format!(".{}.{}.{n}.tmp", path.file_name().unwrap_or_default().display(), std::process::id()));
    let write = || {
        // Left by a process of the same number that was killed; it may be read-only.
        match fs::remove_file(&temporary) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
            _ => {}
        }
        let mut file = File::create_new(&temporary)?;
        file.write_all(bytes)?;
        if read_only {
            let mut permissions: Permissions = file.metadata()?.permissions();
            permissions.set_readonly(true);
            file.set_permissions(permissions)?;
        }
        file.sync_all()?;
        fs::rename(&temporary, path)
    };
    if let Err(e) = write() {
        let _ = fs::remove_file(&temporary);
        return Err(e);
    }
    sync_folder(folder)
}

fn read(path: &Path) -> io::Result<Option<Bytes>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes.into())),
        Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
        Err(e) => Err(e),
    }
}

impl FolderTiles {
    async fn blocking<T: Send + 'static>(
        &self,
        what: &'static str,
        path: &str,
        work: impl FnOnce(&Path) -> io::Result<T> + Send + 'static,
    ) -> Result<T, LedgerError> {
        let full = self.root.join(path);
        let done = tokio::task::spawn_blocking(move || work(&full)).await;
        done.map_err(|_| LedgerError::Internal("file work panicked"))?.map_err(|e| LedgerError::io(what, path, e))
    }
}

#[async_trait]
impl TileStore for FolderTiles {
    async fn get(&self, path: &str) -> Result<Option<Bytes>, LedgerError> {
        self.blocking("read", path, read).await
    }

    async fn put_new(&self, path: &str, bytes: Bytes) -> Result<(), LedgerError> {
        let write = move |path: &Path| match read(path)? {
            // Whoever wrote it may have died before its name was durable.
            Some(found) if found == bytes => sync_folder(path.parent().unwrap_or(path)).map(|()| true),
            Some(_) => Ok(false),
            None => write_durably(path, &bytes, true).map(|()| true),
        };
        let same = self.blocking("write", path, write).await?;
        if same { Ok(()) } else { Err(LedgerError::TileDiffers { path: path.to_owned() }) }
    }

    async fn forget_partials(&self, path: &str) -> Result<(), LedgerError> {
        let remove = |folder: &Path| match fs::remove_dir_all(folder) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
            _ => Ok(()),
        };
        self.blocking("remove", &format!("{path}.p"), remove).await
    }

    async fn publish(&self, checkpoint: &str) -> Result<(), LedgerError> {
        let bytes = Bytes::copy_from_slice(checkpoint.as_bytes());
        self.blocking("publish", "checkpoint", move |path| write_durably(path, &bytes, false)).await
    }
}
