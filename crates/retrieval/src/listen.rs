//! Copies for listening: what is heard are verified bytes, of recordings in a matter and of those that are merely reviewed.

use crate::{
    desk::Desk,
    error::RetrievalError,
    job::{Stamp, blocking, make_folder, place, write_small},
};
use futures_util::TryStreamExt as _;
use holdfast_ledger::Agent;
use holdfast_model::{ArchiveId, Cancel, Fixity, ObjectLocator, Progress, ProgressSink, Sha256Digest};
use holdfast_store::{BYTE_RANGE_ALL, StoreError};
use holdfast_verify::Outcome;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::{
    fs::{self, File},
    io::Write as _,
    path::{Path, PathBuf},
};

/// Copies for listening that are kept; the longest unused go first. Those of a matter lie elsewhere and stay.
const KEPT_MAX: usize = 32;
const KEPT_MAX_BYTES: u64 = 8 << 30;

/// A copy that may be opened by a player, where its outcome is not [`Outcome::Failed`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlayableCopy {
    /// The file; read-only. Where verification failed nothing is there.
    pub path: PathBuf,
    /// How its verification ended.
    pub outcome: Outcome,
}

/// What is remembered beside a copy.
#[derive(Serialize, Deserialize)]
struct Kept {
    stamp: Stamp,
    outcome: Outcome,
}

impl Desk {
    /// A verified copy to listen to: the one at the desk, one that was made for listening before and has not been written to
    /// since, or a new one, brought from the archive and verified link by link.
    ///
    /// # Errors
    /// [`StoreError::Offline`] where it must be brought back first; [`RetrievalError::DeskCopyChanged`];
    /// [`RetrievalError::Cancelled`].
    pub async fn playable_copy(
        &self,
        id: &ArchiveId,
        by: &Agent,
        progress: &dyn ProgressSink,
        cancel: &Cancel,
    ) -> Result<PlayableCopy, RetrievalError> {
        if let Some(copy) = self.desk_copy(id).await? {
            return Ok(PlayableCopy { path: copy.path, outcome: copy.outcome });
        }
        let row = self.row(id).await?;
        let folder = self.parts().folder.join(".listening");
        let ext = row.locator.key.as_str().rsplit('.').next().filter(|e| e.len() <= 8).unwrap_or("bin");
        let path = folder.join(format!("{id}.{ext}"));
        let note = folder.join(format!("{id}.json"));
        let (looked, noted, digest) = (path.clone(), note.clone(), row.fixity.digest);
        if let Some(outcome) = blocking(move || Ok(kept(&looked, &noted, digest))).await? {
            return Ok(PlayableCopy { path, outcome });
        }
        let draft = self.verification_of(id, by).object(&row.locator);
        let ledger = self.ledger_evidence(id).await?;
        let intent = self.parts().ledger.intend(draft.detail("for", "listening")).await?;
        let temp = folder.join(format!(".{id}.{}", intent.sequence()));
        let result = match self.bring(&row.locator, &temp, progress, cancel).await {
            Ok(fixity) => match self.observed_bytes(id, fixity).await {
                Ok(bytes) => self.observe_with(id, bytes, ledger).await,
                Err(e) => Err(e),
            },
            Err(e) => Err(e),
        };
        self.conclude_verification(&intent, &result).await?;
        let outcome = result.inspect_err(|_| drop(fs::remove_file(&temp)))?.outcome;
        let (to, kept_at) = (path.clone(), folder);
        blocking(move || {
            if outcome == Outcome::Failed {
                // The archive still has these bytes; they are evidence there, not here.
                return fs::remove_file(&temp).map_err(RetrievalError::io("remove", &temp));
            }
            place(&temp, &to)?;
            let kept = Kept { stamp: Stamp::of(&to, digest)?, outcome };
            write_small(&note, &serde_json::to_vec(&kept).unwrap_or_default())?;
            sweep(&kept_at, &to);
            Ok(())
        })
        .await?;
        Ok(PlayableCopy { path, outcome })
    }

    /// Streams an object into a file, hashing on the way.
    async fn bring(
        &self,
        at: &ObjectLocator,
        to: &Path,
        progress: &dyn ProgressSink,
        cancel: &Cancel,
    ) -> Result<Fixity, RetrievalError> {
        let reader = &self.parts().store.reader;
        let total = reader.head(at).await?.size_bytes;
        let mut stream = reader.read(at, BYTE_RANGE_ALL).await?;
        let path = to.to_owned();
        let mut file = blocking(move || {
            path.parent().map_or(Ok(()), make_folder)?;
            File::create(&path).map_err(RetrievalError::io("write", &path))
        })
        .await?;
        let (mut hasher, mut done) = (Sha256::new(), 0u64);
        loop {
            let piece = match stream.try_next().await {
                Ok(Some(piece)) => piece,
                // Fewer bytes than promised: what there is, is what is judged.
                Ok(None) | Err(StoreError::ShortRead { .. }) => break,
                Err(e) => return Err(e.into()),
            };
            done += piece.len() as u64;
            let path = to.to_owned();
            (hasher, file) = blocking(move || {
                hasher.update(&piece);
                file.write_all(&piece).map_err(RetrievalError::io("write", &path))?;
                Ok((hasher, file))
            })
            .await?;
            progress.report(Progress { stage: "Verifying".into(), done, total: Some(total), unit: "bytes" });
            if cancel.is_cancelled() {
                return Err(RetrievalError::Cancelled);
            }
        }
        Ok(Fixity::sha256(Sha256Digest(hasher.finalize().into()), done))
    }
}

/// The outcome that was remembered, where the copy still is what it was then.
fn kept(path: &Path, note: &Path, digest: Sha256Digest) -> Option<Outcome> {
    let kept: Kept = serde_json::from_slice(&fs::read(note).ok()?).ok()?;
    (Stamp::of(path, digest).ok()? == kept.stamp).then_some(kept.outcome)
}

/// Removes the longest unused copies over the limits, never the one that is about to be heard.
fn sweep(folder: &Path, but: &Path) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    let mut copies: Vec<_> = entries
        .filter_map(|e| {
            let path = e.ok()?.path();
            let meta = fs::metadata(&path).ok()?;
            let is_copy = path.extension().is_some_and(|e| e != "json") && path != but;
            is_copy.then(|| (meta.accessed().or(meta.modified()).ok(), meta.len(), path))
        })
        .collect();
    copies.sort();
    let mut bytes: u64 = copies.iter().map(|c| c.1).sum();
    let mut count = copies.len();
    for (_, size, path) in copies {
        if count < KEPT_MAX && bytes <= KEPT_MAX_BYTES {
            break;
        }
        let _ = fs::remove_file(path.with_extension("json"));
        let _ = fs::remove_file(&path);
        count -= 1;
        bytes -= size;
    }
}
