use super::{
    JobState, Row,
    file::{blocking, free_bytes, make_folder, measure, write_small},
};
use crate::{
    desk::{Desk, passed},
    error::RetrievalError,
};
use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, TryStreamExt as _, stream};
use holdfast_model::{Cancel, Fixity, ObjectLocator, Progress, ProgressSink, Sha256Digest};
use holdfast_store::{ByteRange, ByteStream, StoreError};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::{
    fs::{self, File},
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};
use tokio::task::JoinSet;

/// Bytes of one write. Of much more, Linux makes pages so large that memory for them has to be found first, at twice the time.
const WRITE_BYTES: usize = 256 << 10;
/// Bytes written between two syncs: at most so many are downloaded again after a power cut.
const SYNC_BYTES: u64 = 64 << 20;

/// What the bytes beside it are, and how many of them are certainly on the disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PartRecord {
    locator: ObjectLocator,
    expected: Fixity,
    size_bytes: u64,
    durable_bytes: u64,
}

/// A file being filled, with the digest of what is in it.
struct Part {
    path: PathBuf,
    file: File,
    hasher: Sha256,
    written: u64,
    /// Bytes that a sync was begun for.
    durable: u64,
    /// The sync that is under way while more is written.
    syncing: Option<JoinHandle<Result<(), RetrievalError>>>,
    record: PartRecord,
}

/// Bytes of the disk that a download is promised while it runs.
pub(super) struct Room {
    bytes: u64,
    promised: Arc<AtomicU64>,
}

impl Drop for Room {
    fn drop(&mut self) {
        self.promised.fetch_sub(self.bytes, Ordering::AcqRel);
    }
}

/// What was downloaded.
pub(super) struct Downloaded {
    pub(super) fixity: Fixity,
    /// Whether it goes on from an earlier download, so that a mismatch may lie in what was left of that.
    pub(super) resumed: bool,
}

impl Part {
    /// Takes up what an earlier download left, or begins. Bytes that are taken up are hashed again. A file that has its whole length is
    /// left as it is, noted or not: a process that was only slow may be about to put it in its place.
    fn open(path: PathBuf, record: PartRecord, fresh: bool) -> Result<Self, RetrievalError> {
        if let Some(folder) = path.parent() {
            make_folder(folder)?;
        }
        let note = record_path(&path);
        let noted = fs::read(&note).ok();
        let known: Option<PartRecord> = noted.as_deref().and_then(|b| serde_json::from_slice(b).ok());
        let same = |r: &PartRecord| PartRecord { durable_bytes: 0, ..r.clone() } == record;
        let known_durable = match &known {
            Some(r) if same(r) => Some(r.durable_bytes),
            Some(_) => None,
            None => Some(0),
        };
        let io = |what| RetrievalError::io(what, path.clone());
        let options = |f: &mut fs::OpenOptions| f.read(true).write(true).create(true).truncate(false).open(&path);
        let mut file = options(&mut File::options()).map_err(io("open"))?;
        let length = file.metadata().map_err(io("look at"))?.len();
        let keep = match known_durable {
            Some(_) if length == record.size_bytes && !fresh => length,
            Some(durable) if length >= durable && !fresh => durable,
            _ => 0,
        };
        file.set_len(keep).map_err(io("cut"))?;
        let mut hasher = Sha256::new();
        let mut piece = vec![0u8; 1 << 20];
        loop {
            let n = file.read(&mut piece).map_err(io("read"))?;
            if n == 0 {
                break;
            }
            hasher.update(&piece[..n]);
        }
        file.seek(SeekFrom::End(0)).map_err(io("read"))?;
        let mut part = Self { path, file, hasher, written: keep, durable: keep, syncing: None, record };
        // An old note must not speak of bytes that were cut off. Where there is none, none is needed yet: most recordings are
        // shorter than what is downloaded between two syncs, and a note costs three.
        if noted.is_some() {
            part.sync()?;
        }
        Ok(part)
    }

    /// Hashes and writes at once: each takes about as long as the other.
    fn write(mut self, pieces: Vec<Bytes>) -> Result<Self, RetrievalError> {
        let (file, hasher) = (&mut self.file, &mut self.hasher);
        let written = thread::scope(|scope| {
            let hashing = scope.spawn(|| pieces.iter().for_each(|piece| hasher.update(piece)));
            let written = write_all(file, &pieces);
            let hashed = hashing.join().map_err(|_| io::Error::other("a thread panicked"));
            written.and_then(|n| hashed.map(|()| n))
        });
        self.written += written.map_err(RetrievalError::io("write", &self.path))?;
        if self.written - self.durable >= SYNC_BYTES {
            self.begin_sync()?;
        }
        Ok(self)
    }

    /// Begins to make what was written so far durable, and then the note of it, while more is written. One at a time, so that at
    /// most twice [`SYNC_BYTES`] wait for the disk. The note's folder is the part's, so that both names are durable too.
    fn begin_sync(&mut self) -> Result<(), RetrievalError> {
        self.end_sync()?;
        self.durable = self.written;
        self.record.durable_bytes = self.durable;
        let bytes = serde_json::to_vec(&self.record)
            .map_err(|e| RetrievalError::Damaged { what: self.path.display().to_string(), detail: e.to_string() })?;
        let (path, note) = (self.path.clone(), record_path(&self.path));
        let file = self.file.try_clone().map_err(RetrievalError::io("sync", &path))?;
        self.syncing = Some(thread::spawn(move || {
            file.sync_all().map_err(RetrievalError::io("sync", &path))?;
            write_small(&note, &bytes)
        }));
        Ok(())
    }

    /// Waits for the sync that is under way.
    fn end_sync(&mut self) -> Result<(), RetrievalError> {
        match self.syncing.take().map(JoinHandle::join) {
            None => Ok(()),
            Some(Ok(done)) => done,
            Some(Err(_)) => Err(RetrievalError::io("sync", &self.path)(io::Error::other("a thread panicked"))),
        }
    }

    fn sync(&mut self) -> Result<(), RetrievalError> {
        self.begin_sync()?;
        self.end_sync()
    }

    /// The whole, durable.
    fn finish(mut self) -> Result<Fixity, RetrievalError> {
        self.end_sync()?;
        self.file.sync_all().map_err(RetrievalError::io("sync", &self.path))?;
        Ok(Fixity::sha256(Sha256Digest(self.hasher.finalize().into()), self.written))
    }
}

/// Writes the pieces one after the other; tells how many bytes they are.
fn write_all(file: &mut File, pieces: &[Bytes]) -> io::Result<u64> {
    pieces.iter().flat_map(|piece| piece.chunks(WRITE_BYTES)).try_for_each(|bytes| file.write_all(bytes))?;
    Ok(pieces.iter().map(|piece| piece.len() as u64).sum())
}

/// What a stream brings, in blocks of about `length` bytes.
fn in_blocks(from: ByteStream, length: u64) -> impl Stream<Item = Result<Vec<Bytes>, RetrievalError>> + Send {
    stream::try_unfold(from, move |mut from| async move {
        let (mut pieces, mut bytes) = (Vec::new(), 0);
        while bytes < length
            && let Some(piece) = from.try_next().await?
        {
            bytes += piece.len() as u64;
            pieces.push(piece);
        }
        Ok((!pieces.is_empty()).then_some((pieces, from)))
    })
}

fn record_path(part: &Path) -> PathBuf {
    let mut name = part.as_os_str().to_owned();
    name.push(".json");
    PathBuf::from(name)
}

/// Removes what belongs to a download that is over.
pub(super) fn forget_record(part: &Path) {
    // Nothing breaks where it stays: it names a file that is not there.
    let _ = fs::remove_file(record_path(part));
}

impl Desk {
    /// Where a row's bytes gather.
    pub(super) fn part_path(&self, row: &Row) -> PathBuf {
        self.matter_folder(&row.job.matter).join(".part").join(format!("{}.part", row.job.file_name()))
    }

    /// Makes sure that there is room for what is still to come, beside what other downloads of this process have yet to write.
    pub(super) fn room_for(&self, row: &Row) -> Result<Room, RetrievalError> {
        let folder = &self.parts().folder;
        let there = fs::metadata(self.part_path(row)).map_or(0, |m| m.len());
        let bytes = row.job.fixity.size_bytes.saturating_sub(there);
        let promised = &self.inner.promised;
        let before = promised.fetch_add(bytes, Ordering::AcqRel);
        let room = Room { bytes, promised: promised.clone() };
        let needed_bytes = before.saturating_add(bytes).saturating_add(self.parts().settings.spare_bytes);
        let free_bytes = free_bytes(folder)?;
        if bytes > 0 && free_bytes < needed_bytes {
            return Err(RetrievalError::NoRoom { folder: folder.clone(), free_bytes, needed_bytes });
        }
        Ok(room)
    }

    /// Brings the object's bytes to the part file: one that is no longer than a range in one read, a longer one in ranges read at
    /// once and written in order.
    pub(super) async fn download(
        &self,
        row: &mut Row,
        fresh: bool,
        progress: &dyn ProgressSink,
        cancel: &Cancel,
    ) -> Result<Downloaded, RetrievalError> {
        let at = row.job.locator.clone();
        let settings = &self.parts().settings;
        let range_bytes = settings.range_bytes.max(1 << 16);
        // What the store has, not what the index says: bytes that are too many must be seen too. Of a short one all is read,
        // however much that is, without asking first.
        let short = row.job.fixity.size_bytes <= range_bytes;
        let size = if short { row.job.fixity.size_bytes } else { self.size_in_store(&at).await? };
        let record =
            PartRecord { locator: at.clone(), expected: row.job.fixity.clone(), size_bytes: size, durable_bytes: 0 };
        let path = self.part_path(row);
        let mut part = blocking(move || Part::open(path, record, fresh)).await?;
        let resumed = part.written > 0;
        let starts = (part.written..size).step_by(usize::try_from(range_bytes).unwrap_or(usize::MAX));
        let mut blocks = if short {
            let rest = ByteRange { start: part.written, end: None };
            in_blocks(self.parts().store.reader.read(&at, rest).await?, range_bytes).boxed()
        } else {
            let (desk, at) = (self.clone(), at.clone());
            let read = move |start| desk.reading(&at, start, size.min(start + range_bytes));
            stream::iter(starts).map(read).buffered(settings.ranges_at_once.max(1)).boxed()
        };
        let mut sign_of_life = Instant::now();
        let beat = Duration::from_millis(settings.lease_ms / 4);
        let mut fault = None;
        let mut next = blocks.next().await;
        while let Some(pieces) = next {
            let pieces = match pieces {
                Ok(pieces) => pieces,
                Err(e) => {
                    fault = Some(e);
                    break;
                }
            };
            // The next is waited for meanwhile, so that another one is begun in its place.
            let (written, following) = tokio::join!(blocking(move || part.write(pieces)), blocks.next());
            (part, next) = (written?, following);
            passed("retrieval.block_written")?;
            row.job.done_bytes = part.written;
            progress.report(Progress {
                stage: format!("Downloading {}", row.job.exhibit),
                done: part.written,
                total: Some(size),
                unit: "bytes",
            });
            if cancel.is_cancelled() {
                fault = Some(RetrievalError::Cancelled);
                break;
            }
            if sign_of_life.elapsed() >= beat {
                self.keep_one(row).await?;
                sign_of_life = Instant::now();
            }
        }
        drop(blocks);
        if fault.is_none() && part.written < size {
            // Either that is all there is, and verification says what is missing, or the line broke and nobody said so.
            let there = self.size_in_store(&at).await?;
            if part.written < there {
                fault = Some(StoreError::ShortRead { at: at.clone(), expected: there, found: part.written }.into());
            }
        }
        if let Some(fault) = fault {
            // What came so far is kept for the next attempt.
            blocking(move || part.sync()).await?;
            return Err(fault);
        }
        let fixity = blocking(move || part.finish()).await?;
        Ok(Downloaded { fixity, resumed })
    }

    async fn size_in_store(&self, at: &ObjectLocator) -> Result<u64, RetrievalError> {
        Ok(self.parts().store.reader.head(at).await?.size_bytes)
    }

    /// Reads a range in a task of its own, so that it goes on while the one before is hashed and written.
    fn reading(
        &self,
        at: &ObjectLocator,
        start: u64,
        end: u64,
    ) -> impl Future<Output = Result<Vec<Bytes>, RetrievalError>> + Send + use<> {
        let (desk, at) = (self.clone(), at.clone());
        let mut task = JoinSet::new(); // stops with the download
        task.spawn(async move { desk.read_range(&at, start, end).await });
        async move {
            match task.join_next().await {
                Some(Ok(pieces)) => pieces,
                failed => {
                    let why = failed.and_then(Result::err).map_or_else(String::new, |e| e.to_string());
                    Err(RetrievalError::io("read a range for", Path::new("the desk"))(io::Error::other(why)))
                }
            }
        }
    }

    async fn read_range(&self, at: &ObjectLocator, start: u64, end: u64) -> Result<Vec<Bytes>, RetrievalError> {
        let range = ByteRange { start, end: Some(end) };
        let mut stream = self.parts().store.reader.read(at, range).await?;
        let (mut pieces, mut length) = (Vec::new(), 0u64);
        while let Some(piece) = stream.try_next().await? {
            length += piece.len() as u64;
            pieces.push(piece);
        }
        if length == end - start {
            Ok(pieces)
        } else {
            Err(StoreError::ShortRead { at: at.clone(), expected: end - start, found: length }.into())
        }
    }

    /// The bytes of a row that was being verified, wherever the process that did so left them, measured again.
    pub(super) async fn find_bytes(&self, row: &Row) -> Result<Option<(PathBuf, Fixity)>, RetrievalError> {
        let places = [self.part_path(row), self.final_path(row), self.aside_path(row)];
        for path in places {
            if fs::symlink_metadata(&path).is_ok_and(|m| m.is_file()) {
                let measured = path.clone();
                let fixity = blocking(move || measure(&measured)).await?;
                return Ok(Some((path, fixity)));
            }
        }
        Ok(None)
    }

    pub(super) fn final_path(&self, row: &Row) -> PathBuf {
        self.matter_folder(&row.job.matter).join(row.job.file_name())
    }

    /// Where bytes that failed verification are kept as evidence of that.
    pub(super) fn aside_path(&self, row: &Row) -> PathBuf {
        let job = &row.job;
        let name = format!("{}_{}_{}.{}", job.matter, job.attempt, job.downloads, job.file_name());
        self.parts().folder.join("mismatch").join(name)
    }

    pub(super) fn is_fetchable(row: &Row) -> bool {
        matches!(JobState::parse(&row.work.state), Some(JobState::Available | JobState::Downloading))
    }
}
