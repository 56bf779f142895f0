//! The local store: original bytes as plain files, facts in small records beside them. `docs/formats/local-store.md` is the
//! description for people; the order of steps that makes it crash-safe is in `create.rs`.

mod create;
mod disk;
mod facts;
mod layout;
mod list;
mod records;
mod session;

use crate::{
    ArchiveReader, ArchiveWriter, Buckets, ByteRange, ByteStream, Capabilities, Created, Link, ObjectInfo, ObjectPage,
    PutOptions, RehydrationOption, Rehydrator, RetentionControl, Store, StoreError, Ticket,
};
use async_trait::async_trait;
use disk::Disk;
use facts::{CLASS_COLD, Facts};
use futures_util::StreamExt as _;
use holdfast_model::{Clock, ObjectKey, ObjectLocator, ObjectRetention, RehydrationSpeed, StorageState};
use jiff::Timestamp;
use std::{collections::BTreeMap, fs::File, io, os::unix::fs::FileExt as _, path::PathBuf, sync::Arc, time::Duration};

/// The largest piece that a read yields, in bytes.
const PIECE: u64 = 1 << 20;

/// How long one speed takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RehydrationTime {
    /// Time after which the local store makes the bytes readable.
    pub expected: Duration,
    /// What it promises not to exceed; shown in plans.
    pub worst: Duration,
}

/// Where the local store lies and how its cold tier behaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalStoreConfig {
    /// Folder of the archive; made where it is not there.
    pub root: PathBuf,
    /// Name as it stands in locators.
    pub name: String,
    /// Speeds that the cold tier offers. One that is missing is refused.
    pub speeds: BTreeMap<RehydrationSpeed, RehydrationTime>,
}

impl LocalStoreConfig {
    /// A store named `local` whose cold tier answers within seconds to minutes: Expedited 5 s, Standard 30 s, Bulk 2 min, each
    /// at worst twice that.
    #[must_use]
    pub fn new(root: impl Into<PathBuf>) -> Self {
        let time = |seconds| RehydrationTime {
            expected: Duration::from_secs(seconds),
            worst: Duration::from_secs(2 * seconds),
        };
        Self {
            root: root.into(),
            name: "local".to_owned(),
            speeds: BTreeMap::from([
                (RehydrationSpeed::Expedited, time(5)),
                (RehydrationSpeed::Standard, time(30)),
                (RehydrationSpeed::Bulk, time(120)),
            ]),
        }
    }
}

/// A store in one folder. Several processes may have the same folder open at once.
#[derive(Debug)]
pub struct LocalStore {
    name: String,
    speeds: BTreeMap<RehydrationSpeed, RehydrationTime>,
    clock: Arc<dyn Clock>,
    disk: Arc<Disk>,
}

impl LocalStore {
    /// Opens the folder, making it where it is not there, and finishes or sweeps what writers that died left behind. A folder
    /// that can be read but not written opens for reading; each write then says [`StoreError::ReadOnly`]. Blocks on the disk.
    ///
    /// # Errors
    /// [`StoreError::ReadOnly`] or [`StoreError::Full`] where the folder cannot be made; [`StoreError::Damaged`] where it holds
    /// a format of another version.
    pub fn open(config: LocalStoreConfig, clock: Arc<dyn Clock>) -> Result<Arc<Self>, StoreError> {
        let disk = Arc::new(Disk::open(&config.root, &config.name)?);
        disk.sweep();
        Ok(Arc::new(Self { name: config.name, speeds: config.speeds, clock, disk }))
    }

    /// The four seams of this store.
    #[must_use]
    pub fn store(self: &Arc<Self>) -> Store {
        Store {
            buckets: Buckets { media: "media".into(), meta: "meta".into(), quarantine: "quarantine".into() },
            reader: self.clone(),
            writer: self.clone(),
            retention: self.clone(),
            rehydrator: Some(self.clone() as Arc<dyn Rehydrator>),
        }
    }

    /// Runs `work` where blocking is allowed.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Disk) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let disk = self.disk.clone();
        joined(tokio::task::spawn_blocking(move || work(&disk)).await)
    }
}

/// The result of a blocking task; one that panicked or was cut off by shutdown is a fault of the system.
fn joined<T>(result: Result<Result<T, StoreError>, tokio::task::JoinError>) -> Result<T, StoreError> {
    result.unwrap_or_else(|e| {
        Err(StoreError::Io { action: "working on the disk".to_owned(), source: io::Error::other(e.to_string()) })
    })
}

#[async_trait]
impl ArchiveReader for LocalStore {
    fn name(&self) -> &str {
        &self.name
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            versions: true,
            enforced_retention: true,
            cold_tiers: true,
            raise_speed: true,
            past_retention: true,
            links: false,
            reads_back_cold_writes: true,
            digest_first: false,
        }
    }

    async fn head(&self, at: &ObjectLocator) -> Result<ObjectInfo, StoreError> {
        let (at, now) = (at.clone(), self.clock.now());
        self.blocking(move |disk| disk.info(&disk.load(&at)?, now)).await
    }

    async fn read(&self, at: &ObjectLocator, range: ByteRange) -> Result<ByteStream, StoreError> {
        let (at, now) = (at.clone(), self.clock.now());
        self.blocking(move |disk| {
            let facts = disk.load(&at)?;
            if !facts.availability(now).is_online_at(now) {
                return Err(StoreError::Offline(at));
            }
            let (file, size) = disk.open_bytes(&facts)?;
            let end = range.end.unwrap_or(size).min(size);
            Ok(pieces(file, at, range.start.min(end), end))
        })
        .await
    }

    async fn list(
        &self,
        bucket: &str,
        prefix: &str,
        after: Option<&ObjectKey>,
        limit: usize,
    ) -> Result<ObjectPage, StoreError> {
        let (bucket, prefix, after, now) = (bucket.to_owned(), prefix.to_owned(), after.cloned(), self.clock.now());
        self.blocking(move |disk| disk.list(&bucket, &prefix, after.as_ref(), limit, now)).await
    }

    async fn link(&self, _: &ObjectLocator, _: u32) -> Result<Link, StoreError> {
        Err(StoreError::NoLinks(self.name.clone()))
    }
}

/// The bytes from `start` to `end`. Two pieces are read ahead, so that a reader who hashes does not wait for the disk.
fn pieces(file: File, at: ObjectLocator, start: u64, end: u64) -> ByteStream {
    let file = Arc::new(file);
    let step = usize::try_from(PIECE).unwrap_or(usize::MAX);
    futures_util::stream::iter((start..end).step_by(step))
        .map(move |from| {
            let (file, at) = (file.clone(), at.clone());
            async move {
                let read = move || {
                    let length = usize::try_from((end - from).min(PIECE)).unwrap_or(0);
                    let mut piece = vec![0; length];
                    file.read_exact_at(&mut piece, from).map_err(|e| match e.kind() {
                        io::ErrorKind::UnexpectedEof => {
                            StoreError::ShortRead { at: at.clone(), expected: end - start, found: from - start }
                        }
                        _ => StoreError::Io { action: format!("reading {at}"), source: e },
                    })?;
                    Ok(piece.into())
                };
                joined(tokio::task::spawn_blocking(read).await)
            }
        })
        .buffered(2)
        // The first error is the last item.
        .scan(false, |failed, piece| {
            let item = (!*failed).then_some(piece);
            *failed |= matches!(item, Some(Err(_)));
            std::future::ready(item)
        })
        .boxed()
}

#[async_trait]
impl ArchiveWriter for LocalStore {
    async fn create(
        &self,
        bucket: &str,
        key: &ObjectKey,
        body: ByteStream,
        options: PutOptions,
    ) -> Result<Created, StoreError> {
        create::create(self.disk.clone(), self.clock.clone(), bucket, key, body, options).await
    }
}

#[async_trait]
impl RetentionControl for LocalStore {
    async fn extend(&self, at: &ObjectLocator, to: ObjectRetention) -> Result<(), StoreError> {
        let (at, now) = (at.clone(), self.clock.now());
        self.blocking(move |disk| disk.update(&at, |facts| facts.extend(to, now))).await
    }

    async fn set_legal_hold(&self, at: &ObjectLocator, on: bool) -> Result<(), StoreError> {
        let (at, now) = (at.clone(), self.clock.now());
        self.blocking(move |disk| {
            disk.update(&at, |facts| {
                facts.set_legal_hold(on, now);
                Ok(())
            })
        })
        .await
    }
}

#[async_trait]
impl Rehydrator for LocalStore {
    fn options(&self, storage_class: &str) -> Vec<RehydrationOption> {
        if storage_class != CLASS_COLD {
            return Vec::new();
        }
        let option = |(&speed, time): (_, &RehydrationTime)| RehydrationOption {
            speed,
            expected: time.expected,
            worst: time.worst,
        };
        let mut options: Vec<_> = self.speeds.iter().map(option).collect();
        options.sort_by_key(|o| (o.expected, o.speed));
        options
    }

    async fn request(&self, at: &ObjectLocator, speed: RehydrationSpeed, keep_days: u16) -> Result<Ticket, StoreError> {
        let (at, now) = (at.clone(), self.clock.now());
        let time = self.speeds.get(&speed).copied();
        self.blocking(move |disk| disk.update(&at, |facts| facts.rehydrate(speed, time, keep_days, now))).await
    }

    async fn status(&self, of: &[ObjectLocator]) -> Result<Vec<Option<StorageState>>, StoreError> {
        let (of, now) = (of.to_vec(), self.clock.now());
        let state = move |disk: &Disk, at: &ObjectLocator| match disk.load(at) {
            Ok(facts) => Ok(Some(facts.state(now))),
            Err(StoreError::NotFound(_)) => Ok(None),
            Err(e) => Err(e),
        };
        self.blocking(move |disk| of.iter().map(|at| state(disk, at)).collect()).await
    }
}

/// `from` and a span of real time; the end of time where it does not fit.
fn later(from: Timestamp, by: Duration) -> Timestamp {
    jiff::SignedDuration::try_from(by).ok().and_then(|by| from.checked_add(by).ok()).unwrap_or(Timestamp::MAX)
}
