//! Files at the desk: every write is temp, fsync, rename, fsync of the folder; what is verified is read-only.

use crate::error::RetrievalError;
use holdfast_model::{Fixity, Sha256Digest};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::{
    fs::{self, File, Permissions},
    io::{self, Read as _, Write as _},
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::Path,
};

const PIECE: usize = 1 << 20;

/// What a verified file looked like right after it was verified. While it looks the same nobody wrote to it: a write changes
/// the change time, which no program can set back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    size_bytes: u64,
    modified_ns: i128,
    changed_ns: i128,
    inode: u64,
    device: u64,
    digest: Sha256Digest,
}

impl Stamp {
    pub(crate) fn of(path: &Path, digest: Sha256Digest) -> Result<Self, RetrievalError> {
        let m = fs::symlink_metadata(path).map_err(RetrievalError::io("look at", path))?;
        let ns = |s: i64, n: i64| i128::from(s) * 1_000_000_000 + i128::from(n);
        Ok(Self {
            size_bytes: m.len(),
            modified_ns: ns(m.mtime(), m.mtime_nsec()),
            changed_ns: ns(m.ctime(), m.ctime_nsec()),
            inode: m.ino(),
            device: m.dev(),
            digest,
        })
    }
}

/// Bytes that may be written on the disk of `folder`.
pub(crate) fn free_bytes(folder: &Path) -> Result<u64, RetrievalError> {
    let found = rustix::fs::statvfs(folder).map_err(std::io::Error::from);
    let found = found.map_err(RetrievalError::io("look at the disk of", folder))?;
    Ok(found.f_bavail.saturating_mul(found.f_frsize))
}

/// Measures a file in small pieces.
pub(crate) fn measure(path: &Path) -> Result<Fixity, RetrievalError> {
    let mut file = File::open(path).map_err(RetrievalError::io("open", path))?;
    let (mut hasher, mut size, mut piece) = (Sha256::new(), 0u64, vec![0u8; PIECE]);
    loop {
        let n = match file.read(&mut piece) {
            Ok(0) => return Ok(Fixity::sha256(Sha256Digest(hasher.finalize().into()), size)),
            Ok(n) => n,
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(e) => return Err(RetrievalError::io("read", path)(e)),
        };
        hasher.update(&piece[..n]);
        size += n as u64;
    }
}

/// Makes names in a folder durable.
pub(crate) fn sync_folder(folder: &Path) -> Result<(), RetrievalError> {
    File::open(folder).and_then(|f| f.sync_all()).map_err(RetrievalError::io("sync the folder", folder))
}

pub(crate) fn make_folder(folder: &Path) -> Result<(), RetrievalError> {
    fs::create_dir_all(folder).map_err(RetrievalError::io("make the folder", folder))
}

/// Writes a small file so that either the old or the new one is there whatever happens.
pub(crate) fn write_small(path: &Path, bytes: &[u8]) -> Result<(), RetrievalError> {
    // Named by process, as another one may write the same file at the same moment.
    let mut temp = path.as_os_str().to_owned();
    temp.push(format!(".{}.new", std::process::id()));
    let temp = Path::new(&temp).to_owned();
    let mut file = File::create(&temp).map_err(RetrievalError::io("write", &temp))?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(RetrievalError::io("write", &temp))?;
    fs::rename(&temp, path).map_err(RetrievalError::io("rename to", path))?;
    path.parent().map_or(Ok(()), sync_folder)
}

/// Puts a complete, durable file under its final name, read-only. That it has its old name no more need not be durable: under both
/// it is the same file.
pub(crate) fn place(from: &Path, to: &Path) -> Result<(), RetrievalError> {
    if let Some(folder) = to.parent() {
        make_folder(folder)?;
    }
    fs::set_permissions(from, Permissions::from_mode(0o444)).map_err(RetrievalError::io("make read-only", from))?;
    fs::rename(from, to).map_err(RetrievalError::io("rename to", to))?;
    to.parent().map_or(Ok(()), sync_folder)
}

/// Copies a file to a name that is not taken, durably; the digest of what was copied is checked on the way. A file of the same
/// bytes that is there already is as good.
pub(crate) fn copy_new(from: &Path, to: &Path, digest: Sha256Digest) -> Result<(), RetrievalError> {
    if let Some(folder) = to.parent() {
        make_folder(folder)?;
    }
    if fs::symlink_metadata(to).is_ok() {
        let same = fs::symlink_metadata(to).is_ok_and(|m| m.is_file()) && measure(to)?.digest == digest;
        return if same { Ok(()) } else { Err(RetrievalError::InTheWay(to.to_owned())) };
    }
    // A name of its own: another process may copy the same file to the same place.
    let mut random = [0; 8];
    getrandom::fill(&mut random).map_err(|e| RetrievalError::io("name a copy beside", to)(io::Error::other(e)))?;
    let name = to.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let temp = to.with_file_name(format!(".{name}.{}.partial", hex::encode(random)));
    let placed = copy_hashing(from, &temp).and_then(|fixity| {
        if fixity.digest != digest {
            return Err(RetrievalError::Damaged {
                what: from.display().to_string(),
                detail: "it is not what was verified any more".into(),
            });
        }
        place_new(&temp, to)
    });
    match placed {
        // Whoever was quicker may have put the very same there.
        Err(RetrievalError::InTheWay(_)) => {
            let _ = fs::remove_file(&temp);
            let same = fs::symlink_metadata(to).is_ok_and(|m| m.is_file()) && measure(to)?.digest == digest;
            if same { Ok(()) } else { Err(RetrievalError::InTheWay(to.to_owned())) }
        }
        placed => placed.inspect_err(|_| drop(fs::remove_file(&temp))),
    }
}

/// As [`place`] within one folder, but never in the place of something else.
fn place_new(from: &Path, to: &Path) -> Result<(), RetrievalError> {
    fs::set_permissions(from, Permissions::from_mode(0o444)).map_err(RetrievalError::io("make read-only", from))?;
    rustix::fs::renameat_with(rustix::fs::CWD, from, rustix::fs::CWD, to, rustix::fs::RenameFlags::NOREPLACE)
        .map_err(io::Error::from)
        .or_else(|e| match e.kind() {
            // Some file systems, of sticks and network shares above all, know no such rename.
            io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported if fs::symlink_metadata(to).is_err() => {
                fs::rename(from, to)
            }
            io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported => Err(io::ErrorKind::AlreadyExists.into()),
            _ => Err(e),
        })
        .map_err(|e| match e.kind() {
            io::ErrorKind::AlreadyExists => RetrievalError::InTheWay(to.to_owned()),
            _ => RetrievalError::io("rename to", to)(e),
        })?;
    to.parent().map_or(Ok(()), sync_folder)
}

fn copy_hashing(from: &Path, to: &Path) -> Result<Fixity, RetrievalError> {
    let mut source = File::open(from).map_err(RetrievalError::io("open", from))?;
    let mut target = File::create(to).map_err(RetrievalError::io("write", to))?;
    let (mut hasher, mut size, mut piece) = (Sha256::new(), 0u64, vec![0u8; PIECE]);
    loop {
        let n = source.read(&mut piece).map_err(RetrievalError::io("read", from))?;
        if n == 0 {
            break;
        }
        hasher.update(&piece[..n]);
        target.write_all(&piece[..n]).map_err(RetrievalError::io("write", to))?;
        size += n as u64;
    }
    target.sync_all().map_err(RetrievalError::io("write", to))?;
    Ok(Fixity::sha256(Sha256Digest(hasher.finalize().into()), size))
}

/// Runs `work` where blocking is allowed.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, RetrievalError> + Send + 'static,
) -> Result<T, RetrievalError> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|e| {
        Err(RetrievalError::Io {
            what: "finish work on",
            path: "the disk".into(),
            source: std::io::Error::other(e.to_string()),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_notices_every_write() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        fs::write(&path, b"abc").unwrap();
        let digest = measure(&path).unwrap().digest;
        let before = Stamp::of(&path, digest).unwrap();
        assert_eq!(Stamp::of(&path, digest).unwrap(), before);
        let times = fs::FileTimes::new().set_modified(fs::metadata(&path).unwrap().modified().unwrap());
        fs::write(&path, b"abd").unwrap();
        File::options().write(true).open(&path).unwrap().set_times(times).unwrap();
        assert_ne!(Stamp::of(&path, digest).unwrap(), before, "the change time tells although the rest was set back");
    }

    #[test]
    fn copies_never_replace_anything() {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("a"), folder.path().join("out/b"));
        fs::write(&from, b"abc").unwrap();
        let digest = measure(&from).unwrap().digest;
        copy_new(&from, &to, digest).unwrap();
        copy_new(&from, &to, digest).unwrap();
        assert!(fs::metadata(&to).unwrap().permissions().readonly());
        let other = folder.path().join("out/c");
        fs::write(&other, b"mine").unwrap();
        assert!(matches!(copy_new(&from, &other, digest), Err(RetrievalError::InTheWay(_))));
        assert_eq!(fs::read(&other).unwrap(), b"mine");
        let fresh = folder.path().join("out/d");
        assert!(copy_new(&from, &fresh, Sha256Digest([0; 32])).is_err());
        assert!(!fresh.exists(), "what is not the verified bytes gets no name");
    }
}
