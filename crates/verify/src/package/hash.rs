//! Hashing of many files on all cores, each in small pieces.

use crate::package::PackageError;
use holdfast_model::{Cancel, Fixity, Progress, ProgressSink, Sha256Digest};
use sha2::{Digest as _, Sha256};
use std::{
    fs::File,
    io::{self, Read},
    path::PathBuf,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

pub(crate) const PIECE_BYTES: usize = 256 * 1024;

/// Measures each file; the answers stand in the order of the files.
pub(crate) fn measure_all(
    files: &[PathBuf],
    total_bytes: u64,
    cancel: &Cancel,
    progress: &dyn ProgressSink,
) -> Result<Vec<io::Result<Fixity>>, PackageError> {
    let (next, done) = (AtomicUsize::new(0), AtomicU64::new(0));
    let answers: Mutex<Vec<(usize, io::Result<Fixity>)>> = Mutex::new(Vec::with_capacity(files.len()));
    let work = || {
        let mut piece = vec![0; PIECE_BYTES];
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(path) = files.get(at).filter(|_| !cancel.is_cancelled()) else { return };
            let answer = measure(path, &mut piece, cancel, &|n| {
                let done = done.fetch_add(n, Ordering::Relaxed) + n;
                progress.report(Progress { stage: "Hashing".into(), done, total: Some(total_bytes), unit: "bytes" });
            });
            answers.lock().unwrap_or_else(PoisonError::into_inner).push((at, answer));
        }
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from).min(files.len().max(1));
    std::thread::scope(|scope| {
        (1..cores).for_each(|_| drop(scope.spawn(work)));
        work();
    });
    if cancel.is_cancelled() {
        return Err(PackageError::Cancelled);
    }
    let mut answers = answers.into_inner().unwrap_or_else(PoisonError::into_inner);
    answers.sort_by_key(|(at, _)| *at);
    Ok(answers.into_iter().map(|(_, answer)| answer).collect())
}

fn measure(path: &PathBuf, piece: &mut [u8], cancel: &Cancel, tell: &dyn Fn(u64)) -> io::Result<Fixity> {
    let mut file = File::open(path)?;
    let (mut hasher, mut size) = (Sha256::new(), 0);
    loop {
        let n = match file.read(piece) {
            Ok(0) => return Ok(Fixity::sha256(Sha256Digest(hasher.finalize().into()), size)),
            Ok(n) => n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Err(e) => return Err(e),
        };
        if cancel.is_cancelled() {
            return Err(io::ErrorKind::Interrupted.into());
        }
        hasher.update(&piece[..n]);
        size += n as u64;
        tell(n as u64);
    }
}
