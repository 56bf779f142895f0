//! Hashing of many files on all cores, each in small pieces.

use crate::package::PackageError;
use holdfast_model::{Cancel, Fixity, Progress, ProgressSink, Sha256Digest};
use sha2::{Digest as _, Sha256};
use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

pub(crate) const PIECE_BYTES: usize = 256 * 1024;

/// Measures each file of a known length; the answers stand in the order of the files.
pub(crate) fn measure_all(
    files: &[(PathBuf, u64)],
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
            let Some((path, size_bytes)) = files.get(at).filter(|_| !cancel.is_cancelled()) else { return };
            let answer = measure(path, *size_bytes, &mut piece, cancel, &|n| {
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

fn measure(path: &Path, length: u64, piece: &mut [u8], cancel: &Cancel, tell: &dyn Fn(u64)) -> io::Result<Fixity> {
    let mut file = File::open(path)?;
    let (mut hasher, mut size) = (Sha256::new(), 0);
    loop {
        let n = match file.read(piece) {
            Ok(0) => return Ok(Fixity::sha256(Sha256Digest(hasher.finalize().into()), size)),
            Ok(n) => n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Err(e) => return Err(e),
        };
        if size + n as u64 > length {
            return Err(io::Error::other("it grew while it was read"));
        }
        if cancel.is_cancelled() {
            return Err(io::ErrorKind::Interrupted.into());
        }
        hasher.update(&piece[..n]);
        size += n as u64;
        tell(n as u64);
    }
}

/// A file of a known length that is hashed while it is read.
pub(crate) struct Hashed {
    file: Option<io::Take<File>>,
    hasher: Sha256,
    size_bytes: u64,
}

impl Hashed {
    /// Opens a file. Of one that grew meanwhile one byte more than its length is read, so that it shows.
    pub(crate) fn open(path: &Path, length: u64) -> io::Result<Self> {
        let file = File::open(path)?.take(length.saturating_add(1));
        Ok(Self { file: Some(file), hasher: Sha256::new(), size_bytes: 0 })
    }

    /// Stands for a file that is not there.
    pub(crate) fn nothing() -> Self {
        Self { file: None, hasher: Sha256::new(), size_bytes: 0 }
    }

    /// Reads what is left, and says what the whole was; none where there was no file.
    pub(crate) fn finish(mut self) -> io::Result<Option<(Sha256Digest, u64)>> {
        if self.file.is_none() {
            return Ok(None);
        }
        io::copy(&mut self, &mut io::sink())?;
        Ok(Some((Sha256Digest(self.hasher.finalize().into()), self.size_bytes)))
    }
}

impl Read for Hashed {
    fn read(&mut self, piece: &mut [u8]) -> io::Result<usize> {
        let Some(file) = &mut self.file else { return Ok(0) };
        let n = file.read(piece)?;
        self.hasher.update(&piece[..n]);
        self.size_bytes += n as u64;
        Ok(n)
    }
}
