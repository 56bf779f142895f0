use super::{
    LedgerError,
    folder::{make_folder, write_durably},
};
use crate::Checkpoint;
use std::{
    fs,
    path::{Path, PathBuf},
};

/// Checkpoints that are given back: the newest ones.
const KNOWN_MAX: usize = 64;

/// A memory of checkpoints in another place than the ledger (another disk, a share, a stick), so that a ledger that was set
/// back or rewritten as a whole is found out. One file for each, named by size, never changed.
#[derive(Debug, Clone)]
pub struct Witness {
    folder: PathBuf,
}

impl Witness {
    /// In `folder`, which is made when it is not there.
    ///
    /// # Errors
    /// [`LedgerError::Io`] when it can't be made.
    pub fn open(folder: &Path) -> Result<Self, LedgerError> {
        make_folder(folder).map_err(|e| LedgerError::io("make the folder", folder.display(), e))?;
        Ok(Self { folder: folder.to_owned() })
    }

    /// Remembers a checkpoint, durably. Two of one size with different roots are both kept: that is the proof of a fork.
    ///
    /// # Errors
    /// [`LedgerError::Io`].
    pub fn remember(&self, checkpoint: &Checkpoint) -> Result<(), LedgerError> {
        let name = format!("{:020}-{}.checkpoint", checkpoint.size(), &checkpoint.root().to_hex()[..16]);
        let path = self.folder.join(&name);
        if path.exists() {
            return Ok(());
        }
        write_durably(&path, checkpoint.text().as_bytes(), true).map_err(|e| LedgerError::io("remember", name, e))
    }

    /// The newest remembered checkpoints, for [`crate::Ledger::verify`]. Their signatures are checked there.
    ///
    /// # Errors
    /// [`LedgerError::Io`], or [`LedgerError::Checkpoint`] for a file that is none.
    pub fn known(&self) -> Result<Vec<Checkpoint>, LedgerError> {
        let failed = |e| LedgerError::io("read", self.folder.display(), e);
        let mut paths = Vec::new();
        for entry in fs::read_dir(&self.folder).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            paths.extend(path.extension().is_some_and(|e| e == "checkpoint").then_some(path));
        }
        paths.sort_unstable();
        let newest = paths.into_iter().rev().take(KNOWN_MAX).map(|path| {
            let text = fs::read_to_string(&path).map_err(failed)?;
            Checkpoint::parse(&text).map_err(|e| LedgerError::Checkpoint(e.into()))
        });
        newest.collect()
    }
}
