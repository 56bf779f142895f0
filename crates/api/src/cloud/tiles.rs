//! The ledger's tiles in the write-once store, where no one can take them back.

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use holdfast_ledger::{LedgerError, RemoteFault, TileStore, tile};
use holdfast_model::{Fault, Fixity, LEDGER, ObjectKey, ObjectLocator, Retry, Sha256Digest, StorageTier};
use holdfast_store::{BYTE_RANGE_ALL, PutOptions, Store, StoreError};
use std::{collections::BTreeMap, sync::Arc, time::Duration};

/// Largest object that is read: a bundle of 256 entries of 16 KiB is four MiB.
const MAX_BYTES: usize = 32 << 20;
/// How often a write is tried whose outcome is open.
const ATTEMPTS: u32 = 5;

/// Tiles and checkpoints as objects below `ledger/<log>/` in the bucket for metadata.
///
/// A write-once store replaces nothing, so each published checkpoint is an object of its own,
/// `checkpoint/<2^64-1 - size>-<size>`: the newest comes first in a listing. Partial tiles stay; a lifecycle rule of the bucket may
/// expire what has `.p/` in its key once it may go. Retention is what the bucket gives by default.
#[derive(Clone)]
pub struct StoreTiles {
    store: Store,
    /// `ledger/<log>`
    prefix: String,
}

impl StoreTiles {
    /// The tiles of the log named `log` (a ledger's id) in `store`.
    #[must_use]
    pub fn new(store: Store, log: &str) -> Self {
        Self { store, prefix: format!("{LEDGER}{log}") }
    }

    fn at(&self, path: &str) -> Result<ObjectLocator, LedgerError> {
        let key = ObjectKey::new(format!("{}/{path}", self.prefix));
        Ok(ObjectLocator {
            store: self.store.reader.name().to_owned(),
            bucket: self.store.buckets.meta.clone(),
            key: key.map_err(|_| LedgerError::Internal("a ledger's name that is no part of a key"))?,
            version_id: None,
        })
    }

    async fn read(&self, path: &str) -> Result<Option<Bytes>, LedgerError> {
        let mut body = match self.store.reader.read(&self.at(path)?, BYTE_RANGE_ALL).await {
            Ok(body) => body,
            Err(StoreError::NotFound(_)) => return Ok(None),
            Err(e) => return Err(fault("read", path, &e)),
        };
        let mut bytes = BytesMut::new();
        while let Some(piece) = body.try_next().await.map_err(|e| fault("read", path, &e))? {
            if bytes.len() + piece.len() > MAX_BYTES {
                return Err(LedgerError::TileDamaged { path: path.to_owned() });
            }
            bytes.extend_from_slice(&piece);
        }
        Ok(Some(bytes.freeze()))
    }

    async fn create(&self, path: &str, bytes: &Bytes) -> Result<(), StoreError> {
        let at = self.at(path).map_err(|e| StoreError::Invalid { what: path.to_owned(), detail: e.to_string() })?;
        let digest = Sha256Digest::of(bytes);
        let options = PutOptions {
            media_type: "application/octet-stream".into(),
            metadata: BTreeMap::new(),
            tags: BTreeMap::new(),
            tier: StorageTier::Hot,
            retention: None,
            legal_hold: false,
            expected: Some(Fixity::sha256(digest, bytes.len() as u64)),
        };
        let body = stream::iter([Ok(bytes.clone())]).boxed();
        self.store.writer.create(&at.bucket, &at.key, body, options).await.map(drop)
    }

    /// The newest checkpoint's path.
    async fn newest(&self) -> Result<Option<String>, LedgerError> {
        let below = format!("{}/checkpoint/", self.prefix);
        let page = self.store.reader.list(&self.store.buckets.meta, &below, None, 1).await;
        let page = page.map_err(|e| fault("list", "checkpoint/", &e))?;
        let key = page.objects.first().map(|o| o.locator.key.as_str().to_owned());
        Ok(key.and_then(|k| k.strip_prefix(&format!("{}/", self.prefix)).map(str::to_owned)))
    }
}

/// The entries that a checkpoint covers, as its text says.
fn size_of(checkpoint: &str) -> Option<u64> {
    checkpoint.lines().nth(1)?.parse().ok()
}

fn fault(what: &str, path: &str, error: &StoreError) -> LedgerError {
    RemoteFault {
        what: format!("{what} {path} of the ledger in the archive"),
        detail: error.to_string(),
        code: error.code(),
        kind: error.kind(),
        next: error.next(),
    }
    .into()
}

#[async_trait]
impl TileStore for StoreTiles {
    async fn get(&self, path: &str) -> Result<Option<Bytes>, LedgerError> {
        self.read(path).await
    }

    async fn put_new(&self, path: &str, bytes: Bytes) -> Result<(), LedgerError> {
        for attempt in 1.. {
            let Err(e) = self.create(path, &bytes).await else { return Ok(()) };
            // Whatever was said, and whoever wrote it: what counts is what is there.
            match self.read(path).await {
                Ok(Some(found)) if found == bytes => return Ok(()),
                Ok(Some(_)) => return Err(LedgerError::TileDiffers { path: path.to_owned() }),
                _ if attempt < ATTEMPTS && (e.retry() == Retry::Soon || matches!(e, StoreError::AlreadyExists(_))) => {
                    tokio::time::sleep(Duration::from_millis(50 << attempt)).await;
                }
                _ => return Err(fault("write", path, &e)),
            }
        }
        Err(LedgerError::Internal("a write that was tried without end"))
    }

    /// Nothing can be removed from a write-once store.
    async fn forget_partials(&self, _: &str) -> Result<(), LedgerError> {
        Ok(())
    }

    async fn publish(&self, checkpoint: &str) -> Result<(), LedgerError> {
        let size = size_of(checkpoint).ok_or(LedgerError::Internal("a checkpoint that is none"))?;
        let path = format!("checkpoint/{:020}-{size}", u64::MAX - size);
        self.put_new(&path, Bytes::copy_from_slice(checkpoint.as_bytes())).await
    }

    async fn published(&self) -> Result<Option<String>, LedgerError> {
        let Some(path) = self.newest().await? else { return Ok(None) };
        let bytes = self.read(&path).await?;
        Ok(bytes.map(|b| String::from_utf8_lossy(&b).into_owned()))
    }
}

/// Tiles in two places: near, where they are read, and in the write-once store, where they can't be taken back. For a head in
/// SQLite beside a cloud, or beside a local archive: entries leave the head when both have them.
#[derive(Clone)]
pub struct MirroredTiles {
    near: Arc<dyn TileStore>,
    far: Arc<dyn TileStore>,
}

impl MirroredTiles {
    /// Reads from `near` and writes to both.
    #[must_use]
    pub fn new(near: Arc<dyn TileStore>, far: Arc<dyn TileStore>) -> Self {
        Self { near, far }
    }

    /// Copies to the far place what it lacks for a reader of `size` entries: after the mirror was begun, or after a time without it.
    async fn catch_up(&self, size: u64) -> Result<(), LedgerError> {
        let known = self.far.published().await?.as_deref().and_then(size_of).unwrap_or(0);
        for path in tile::objects(known.min(size), size) {
            // A partial one may have been replaced by the full one, which is copied in its own turn.
            if let Some(bytes) = self.near.get(&path).await? {
                self.far.put_new(&path, bytes).await?;
            }
        }
        Ok(())
    }
}

#[async_trait]
impl TileStore for MirroredTiles {
    async fn get(&self, path: &str) -> Result<Option<Bytes>, LedgerError> {
        match self.near.get(path).await? {
            Some(bytes) => Ok(Some(bytes)),
            None => self.far.get(path).await,
        }
    }

    async fn put_new(&self, path: &str, bytes: Bytes) -> Result<(), LedgerError> {
        // Near first: what is far can't be taken back.
        self.near.put_new(path, bytes.clone()).await?;
        self.far.put_new(path, bytes).await
    }

    async fn forget_partials(&self, path: &str) -> Result<(), LedgerError> {
        self.near.forget_partials(path).await?;
        self.far.forget_partials(path).await
    }

    async fn publish(&self, checkpoint: &str) -> Result<(), LedgerError> {
        if let Some(size) = size_of(checkpoint) {
            self.catch_up(size).await?;
        }
        self.far.publish(checkpoint).await?;
        self.near.publish(checkpoint).await
    }

    /// The one that goes further. So a ledger that was put back to an older state as a whole, folder and head, is told by what
    /// stands in the write-once store. Where that can't be reached now the near one has to do.
    async fn published(&self) -> Result<Option<String>, LedgerError> {
        let near = self.near.published().await?;
        let far = match self.far.published().await {
            Ok(far) => far,
            Err(e) if near.is_some() && e.retry() != Retry::Never => {
                tracing::warn!(code = e.code(), "the archive can't be asked for the ledger's newest checkpoint");
                None
            }
            Err(e) => return Err(e),
        };
        let size = |text: &Option<String>| text.as_deref().and_then(size_of);
        Ok(if size(&far) > size(&near) { far } else { near })
    }
}
