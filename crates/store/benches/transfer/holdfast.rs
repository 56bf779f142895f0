//! Holdfast's side: a process that downloads or uploads as the product does.

use crate::{Item, Job};
use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore, rustls_provider::CryptoMode};
use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use holdfast_model::{Fixity, ObjectKey, ObjectLocator, Sha256Digest, StorageTier, SystemClock};
use holdfast_store::{BYTE_RANGE_ALL, Buckets, ByteRange, ByteStream, PutOptions, S3Config, S3Store, Store};
use sha2::{Digest as _, Sha256};
use std::{
    collections::BTreeMap,
    env,
    fs::{self, File, Permissions},
    io::{Read as _, Write as _},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    sync::Arc,
    thread::{self, JoinHandle},
};

/// The desk's limits.
const DOWNLOADS_AT_ONCE: usize = 3;
const RANGES_AT_ONCE: usize = 4;
const RANGE_BYTES: u64 = 8 << 20;
const SYNC_BYTES: u64 = 64 << 20;
const WRITE_BYTES: usize = 256 << 10;
/// The archiver's limit on a machine of two cores.
const UPLOADS_AT_ONCE: usize = 4;

#[derive(Debug, Clone, Copy)]
pub(crate) enum Way {
    Download,
    Upload { read_back: bool },
}

pub(crate) fn run(way: Way) {
    let job = fs::read(env::var_os("HOLDFAST_TRANSFER_JOB").expect("a job")).expect("a job");
    let job: Job = serde_json::from_slice(&job).expect("a job");
    let store = store(&job);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let job = Arc::new(job);
        let at_once = if matches!(way, Way::Download) { DOWNLOADS_AT_ONCE } else { UPLOADS_AT_ONCE };
        stream::iter(job.items.clone())
            .for_each_concurrent(at_once, |item| {
                let (store, job) = (store.clone(), job.clone());
                async move {
                    let one = async move {
                        match way {
                            Way::Download => download(&store, &job, &item).await,
                            Way::Upload { read_back } => upload(&store, &job, &item, read_back).await,
                        }
                    };
                    tokio::spawn(one).await.expect("moved");
                }
            })
            .await;
    });
}

fn store(job: &Job) -> Store {
    let trust = TrustStore::empty().with_pem_certificate(fs::read(&job.ca).expect("the authority"));
    let tls = TlsContext::builder().with_trust_store(trust).build().expect("TLS");
    let http =
        aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::AwsLc)).tls_context(tls);
    let config = aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url(&job.url)
        .force_path_style(true)
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("test", "test", None, None, "test"))
        .http_client(http.build_https())
        .build();
    let name = || job.bucket.clone();
    let buckets = Buckets { media: name(), meta: name(), quarantine: name() };
    S3Store::new(aws_sdk_s3::Client::from_conf(config), S3Config::new(buckets), Arc::new(SystemClock)).store()
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.expect("done")
}

fn sync_folder(folder: &Path) {
    File::open(folder).and_then(|f| f.sync_all()).expect("a durable folder");
}

/// What the desk keeps beside a download, so that it can be taken up after a power cut.
struct Part {
    path: PathBuf,
    file: File,
    hash: Sha256,
    written: u64,
    durable: u64,
    syncing: Option<JoinHandle<()>>,
}

impl Part {
    fn open(path: PathBuf) -> Self {
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        let file = File::create(&path).expect("a file");
        Self { path, file, hash: Sha256::new(), written: 0, durable: 0, syncing: None }
    }

    fn begin_sync(&mut self) {
        self.end_sync();
        self.durable = self.written;
        let (path, durable) = (self.path.clone(), self.durable);
        let file = self.file.try_clone().expect("a file");
        self.syncing = Some(thread::spawn(move || {
            file.sync_all().expect("durable");
            let (new, note) = (path.with_extension("new"), path.with_extension("json"));
            let mut file = File::create(&new).expect("a file");
            let text = format!("{{\"durable_bytes\":{durable},\"what\":{path:?}}}");
            file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).expect("durable");
            fs::rename(&new, &note).expect("renamed");
            sync_folder(path.parent().expect("a folder"));
        }));
    }

    fn end_sync(&mut self) {
        if let Some(syncing) = self.syncing.take() {
            syncing.join().expect("durable");
        }
    }

    fn write(mut self, pieces: Vec<Bytes>) -> Self {
        let (file, hash) = (&mut self.file, &mut self.hash);
        thread::scope(|scope| {
            let hashing = scope.spawn(|| pieces.iter().for_each(|piece| hash.update(piece)));
            for bytes in pieces.iter().flat_map(|piece| piece.chunks(WRITE_BYTES)) {
                file.write_all(bytes).expect("room for the bytes");
            }
            hashing.join().expect("hashed");
        });
        self.written += pieces.iter().map(|piece| piece.len() as u64).sum::<u64>();
        if self.written - self.durable >= SYNC_BYTES {
            self.begin_sync();
        }
        self
    }

    fn finish(mut self, to: &Path, expected: &Fixity) {
        self.end_sync();
        self.file.sync_all().expect("durable");
        let found = Fixity::sha256(Sha256Digest(self.hash.finalize().into()), self.written);
        assert_eq!(found, *expected, "verified");
        self.file.set_permissions(Permissions::from_mode(0o444)).expect("read-only");
        fs::rename(&self.path, to).expect("renamed");
        sync_folder(to.parent().expect("a folder"));
        let _ = fs::remove_file(self.path.with_extension("json"));
    }
}

async fn download(store: &Store, job: &Job, item: &Item) {
    let key = ObjectKey::new(item.key.clone()).expect("a key");
    let at = ObjectLocator { store: "s3".into(), bucket: job.bucket.clone(), key, version_id: None };
    let to = job.folder.join(&item.key);
    let path = job.folder.join(".part").join(format!("{}.part", item.key));
    let mut part = blocking(move || Part::open(path)).await;
    let mut blocks = if item.size_bytes <= RANGE_BYTES {
        // A short one is read whole without asking first.
        let whole = store.reader.read(&at, BYTE_RANGE_ALL).await.expect("readable");
        stream::once(whole.map(|piece| piece.expect("bytes")).collect::<Vec<Bytes>>()).boxed()
    } else {
        let size = store.reader.head(&at).await.expect("there").size_bytes;
        let (store, at) = (store.clone(), at.clone());
        let starts = (0..size).step_by(usize::try_from(RANGE_BYTES).expect("a length"));
        let ranges = starts.map(move |start| {
            let (store, at) = (store.clone(), at.clone());
            async move {
                let read = tokio::spawn(async move {
                    let range = ByteRange { start, end: Some(size.min(start + RANGE_BYTES)) };
                    let pieces = store.reader.read(&at, range).await.expect("readable");
                    pieces.try_collect::<Vec<Bytes>>().await.expect("bytes")
                });
                read.await.expect("read")
            }
        });
        stream::iter(ranges).buffered(RANGES_AT_ONCE).boxed()
    };
    let mut next = blocks.next().await;
    while let Some(pieces) = next {
        (part, next) = tokio::join!(blocking(move || part.write(pieces)), blocks.next());
    }
    let expected = Fixity::sha256(item.digest, item.size_bytes);
    blocking(move || part.finish(&to, &expected)).await;
}

/// A file in pieces of 1 MiB, as the archiver reads what it fetched.
fn pieces_of(path: PathBuf) -> ByteStream {
    let file = None::<File>;
    stream::try_unfold((file, path), |(file, path)| async move {
        let (piece, file, path) = blocking(move || {
            let mut file = file.unwrap_or_else(|| File::open(&path).expect("readable"));
            let mut piece = BytesMut::zeroed(1 << 20);
            let n = file.read(&mut piece).expect("readable");
            piece.truncate(n);
            (piece.freeze(), file, path)
        })
        .await;
        Ok((!piece.is_empty()).then_some((piece, (Some(file), path))))
    })
    .boxed()
}

async fn upload(store: &Store, job: &Job, item: &Item, read_back: bool) {
    let key = ObjectKey::new(item.key.clone()).expect("a key");
    let expected = Fixity::sha256(item.digest, item.size_bytes);
    let options = PutOptions {
        media_type: "audio/wav".to_owned(),
        metadata: BTreeMap::new(),
        tags: BTreeMap::new(),
        tier: StorageTier::Hot,
        retention: None,
        legal_hold: false,
        expected: Some(expected.clone()),
    };
    let body = pieces_of(job.folder.join(&item.key));
    let created = store.writer.create(&job.bucket, &key, body, options).await.expect("created");
    assert_eq!(created.fixity, expected);
    if !read_back {
        return;
    }
    let mut pieces = store.reader.read(&created.locator, BYTE_RANGE_ALL).await.expect("readable");
    let (mut hash, mut size) = (Sha256::new(), 0u64);
    while let Some(piece) = pieces.next().await {
        let piece = piece.expect("bytes");
        size += piece.len() as u64;
        hash = blocking(move || {
            hash.update(&piece);
            hash
        })
        .await;
    }
    assert_eq!(Fixity::sha256(Sha256Digest(hash.finalize().into()), size), expected, "read back");
}
