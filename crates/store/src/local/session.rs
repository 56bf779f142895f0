//! One process's drafts, and what happens to those of a process that died.

use super::{disk::Disk, layout::Layout};
use crate::StoreError;
use jiff::Timestamp;
use std::{
    fs::{self, File, TryLockError},
    io,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

/// A folder below `incoming` that belongs to one open store of one process. Its lock ends with the process, however that
/// ends, so a folder that can be locked has no writer any more.
#[derive(Debug)]
pub(super) struct Session {
    folder: PathBuf,
    id: String,
    next: AtomicU64,
    lock: File,
}

/// Held while a session is made and while the dead ones are swept, so that no sweep meets a folder not yet locked.
fn door(layout: &Layout) -> io::Result<File> {
    let door = File::open(layout.incoming())?;
    door.lock()?;
    Ok(door)
}

impl Session {
    pub(super) fn begin(layout: &Layout) -> io::Result<Self> {
        let _door = door(layout)?;
        let mut random = [0u8; 6];
        getrandom::fill(&mut random).map_err(|e| io::Error::other(e.to_string()))?;
        let id = hex::encode(random);
        let folder = layout.incoming().join(&id);
        fs::create_dir(&folder)?;
        let lock = File::open(&folder)?;
        lock.lock()?;
        // Drafts must be found after a power cut, so their folder is durable before the first.
        File::open(layout.incoming())?.sync_all()?;
        Ok(Self { folder, id, next: AtomicU64::new(0), lock })
    }

    fn number(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    /// A version id that nobody else has and the draft's place: milliseconds since 1970, session, number, each hexadecimal.
    /// Later ones sort behind earlier ones.
    pub(super) fn draft(&self, now: Timestamp) -> (String, PathBuf) {
        let version = format!("{:012x}-{}-{:08x}", now.as_millisecond().max(0), self.id, self.number());
        let path = self.folder.join(&version);
        (version, path)
    }

    /// A place for a record that will replace another; swept like a draft.
    pub(super) fn draft_of_update(&self) -> PathBuf {
        self.folder.join(format!("update-{:08x}", self.number()))
    }

    /// Makes the names of all drafts durable.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.lock.sync_all()
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // Not empty only where a fault left something for the next sweep.
        let _ = fs::remove_dir(&self.folder);
    }
}

/// Settles the drafts of every session without a living process.
pub(super) fn sweep(disk: &Disk) -> Result<(), StoreError> {
    let incoming = disk.layout.incoming();
    let fault = |e| super::disk::write_fault(&incoming, "sweeping", e);
    let _door = door(&disk.layout).map_err(fault)?;
    for entry in fs::read_dir(&incoming).map_err(fault)? {
        let folder = entry.map_err(fault)?.path();
        // A file here is not ours; a folder that is gone was given back by its owner just now.
        let Ok(lock) = File::open(&folder) else { continue };
        match lock.try_lock() {
            Ok(()) => settle_all(disk, &folder)?,
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(e)) => return Err(fault(e)),
        }
    }
    Ok(())
}

fn settle_all(disk: &Disk, folder: &Path) -> Result<(), StoreError> {
    let fault = |e| super::disk::write_fault(folder, "sweeping", e);
    let Ok(entries) = fs::read_dir(folder) else { return Ok(()) };
    let mut drafts = 0;
    for entry in entries {
        let path = entry.map_err(fault)?.path();
        // The record is settled with its bytes; on its own it is a bytes file's remnant and settles the same way.
        disk.settle(&path.with_extension(""))?;
        drafts += 1;
    }
    if drafts > 0 {
        tracing::info!(drafts, "settled what a writer that died had left");
    }
    let _ = fs::remove_dir(folder);
    Ok(())
}
