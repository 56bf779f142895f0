//! The home folder: where everything of one installation lies, and how it is made.

use crate::{ApiError, ApiErrorKind};
use std::{
    fs::{self, File},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

/// Marks a folder as a home of Holdfast.
const MARKER: &str = "holdfast-home.json";
const MARKER_TEXT: &str = "{\"format\":\"holdfast-home/1\"}\n";
const HOME_FORMAT: &str = "holdfast-home/1";

/// The paths inside a home folder.
#[derive(Debug, Clone)]
pub struct Home {
    root: PathBuf,
}

impl Home {
    /// The home folder that is used where none is named: `$XDG_DATA_HOME/holdfast`, else `~/.local/share/holdfast`.
    ///
    /// # Errors
    /// `home.unknown` where the environment has neither.
    pub fn default_root() -> Result<PathBuf, ApiError> {
        let var = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
        var("XDG_DATA_HOME")
            .or_else(|| var("HOME").map(|h| h.join(".local/share")))
            .map(|d| d.join("holdfast"))
            .ok_or_else(|| {
                let message = "neither XDG_DATA_HOME nor HOME is set, so there is no default home folder";
                ApiError::new(
                    ApiErrorKind::Usage,
                    "home.unknown",
                    message,
                    "Name one with --home DIR or HOLDFAST_HOME.",
                )
            })
    }

    /// Opens the home folder, making it (mode 0700) where it is not there. Returns it with its lock, held until dropped, under
    /// which keys and databases may be made.
    ///
    /// # Errors
    /// `home.*`: it is a file, belongs to something else, cannot be written to, or the disk is full.
    pub(crate) fn open(root: &Path) -> Result<(Self, HomeLock), ApiError> {
        let root = std::path::absolute(root).map_err(|e| cannot(root, &e))?;
        if !root.exists() {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(&root).map_err(|e| cannot(&root, &e))?;
        }
        if !root.is_dir() {
            let message = format!("{} is not a folder", root.display());
            return Err(ApiError::new(
                ApiErrorKind::Usage,
                "home.not_a_folder",
                message,
                "Name a folder with --home DIR.",
            ));
        }
        let home = Self { root };
        let marker = home.root.join(MARKER);
        match fs::read_to_string(&marker) {
            Ok(text) if text == MARKER_TEXT => {}
            Ok(text) => {
                return Err(match holdfast_model::newer_format(text.as_bytes(), HOME_FORMAT) {
                    Some(format) => ApiError::newer("home.newer", &home.root.display().to_string(), &format),
                    None => ApiError::usage(
                        "home.marker",
                        format!("{} is damaged: it does not name the format of a home folder", marker.display()),
                        "Put the file back from a backup of this folder. Nothing else in it was looked at.",
                    ),
                });
            }
            Err(e) if e.kind() == io::ErrorKind::NotFound => home.claim()?,
            Err(e) => return Err(cannot(&home.root, &e)),
        }
        let lock = HomeLock::take(&home.root)?;
        Ok((home, lock))
    }

    /// Writes the marker into an empty folder; a folder with other things in it is not taken over.
    fn claim(&self) -> Result<(), ApiError> {
        let ours = ["holdfast.toml", ".lock", "holdfast.lock"];
        let mut entries = fs::read_dir(&self.root).map_err(|e| cannot(&self.root, &e))?;
        let foreign = entries.find_map(|e| {
            let name = e.ok()?.file_name();
            let name = name.to_string_lossy();
            (!ours.contains(&&*name) && !name.starts_with('.')).then(|| name.into_owned())
        });
        // Another process may be claiming it at this moment.
        if let Some(name) = foreign
            && !self.root.join(MARKER).exists()
        {
            let message = format!("{} holds other things ({name}) and is not a home of Holdfast", self.root.display());
            let next = "Name an empty or new folder with --home DIR; nothing was changed.";
            return Err(ApiError::new(ApiErrorKind::Usage, "home.foreign", message, next));
        }
        write_atomic(&self.root.join(MARKER), MARKER_TEXT.as_bytes())
    }

    /// The folder itself.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// `holdfast.toml`.
    #[must_use]
    pub fn config_file(&self) -> PathBuf {
        self.root.join("holdfast.toml")
    }

    pub(crate) fn archive(&self) -> PathBuf {
        self.root.join("archive")
    }
    pub(crate) fn ledger(&self) -> PathBuf {
        self.root.join("ledger")
    }
    pub(crate) fn index_db(&self) -> PathBuf {
        self.root.join("index.sqlite")
    }
    pub(crate) fn work_db(&self) -> PathBuf {
        self.root.join("work.sqlite")
    }
    pub(crate) fn desk(&self) -> PathBuf {
        self.root.join("desk")
    }
    pub(crate) fn exports(&self) -> PathBuf {
        self.root.join("exports")
    }
    pub(crate) fn witness(&self) -> PathBuf {
        self.root.join("witness.checkpoint")
    }
    pub(crate) fn peaks(&self) -> PathBuf {
        self.root.join("cache").join("peaks")
    }
}

/// Held while a home folder is set up, so that two processes starting at once make one set of keys.
pub(crate) struct HomeLock(#[allow(dead_code)] File);

impl HomeLock {
    pub(crate) fn take(root: &Path) -> Result<Self, ApiError> {
        let path = root.join(".lock");
        let file = fs::OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(|e| cannot(root, &e))?;
        rustix::fs::flock(&file, rustix::fs::FlockOperation::LockExclusive).map_err(|e| cannot(root, &e.into()))?;
        Ok(Self(file))
    }
}

pub(crate) fn cannot(place: &Path, e: &io::Error) -> ApiError {
    let (code, what, next) = match e.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => (
            "home.read_only",
            "cannot be written to",
            "Give this account write access to it, or choose another with --home DIR.",
        ),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            ("home.full", "has no room left", "Free space on its disk, then run the same command again.")
        }
        _ => ("home.unusable", "cannot be used", "Check the disk and the rights of the folder."),
    };
    ApiError::new(ApiErrorKind::Failure, code, format!("the home folder {} {what}: {e}", place.display()), next)
        .with_evidence("Nothing was lost: what was not written will be written on the next try.")
}

/// Replaces a small file durably: temporary file, fsync, rename, fsync of the folder. Mode 0600.
pub(crate) fn write_atomic(path: &Path, bytes: &[u8]) -> Result<(), ApiError> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let write = || -> io::Result<()> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let temp = folder.join(format!(".{name}.{}.{:?}", std::process::id(), std::thread::current().id()));
        let mut file = File::create(&temp)?;
        file.set_permissions(fs::Permissions::from_mode(0o600))?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&temp, path)?;
        File::open(folder)?.sync_all()
    };
    write().map_err(|e| cannot(folder, &e))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_with_other_things_is_not_taken_over() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("letter.txt"), "x").unwrap();
        assert_eq!(Home::open(dir.path()).err().unwrap().code, "home.foreign");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "nothing was made");
        assert_eq!(Home::open(&dir.path().join("letter.txt")).err().unwrap().code, "home.not_a_folder");
        let new = dir.path().join("new/home");
        drop(Home::open(&new).unwrap());
        drop(Home::open(&new).unwrap());
        assert_eq!(fs::metadata(&new).unwrap().permissions().mode() & 0o777, 0o700);
    }
}
