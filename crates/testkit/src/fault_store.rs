//! A store that fails on order.

use crate::{Fault, Script};
use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use holdfast_model::{Fixity, ObjectKey, ObjectLocator, ObjectRetention, RehydrationSpeed, Sha256Digest, StorageState};
use holdfast_store::{
    ArchiveReader, ArchiveWriter, ByteRange, ByteStream, Capabilities, Created, Link, ObjectInfo, ObjectPage,
    PutOptions, RehydrationOption, Rehydrator, RetentionControl, Store, StoreError, Ticket,
};
use sha2::{Digest as _, Sha256};
use std::{
    fmt, io,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

/// The calls of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)] // named as the seams name them
pub enum StoreCall {
    Head,
    Read,
    List,
    Link,
    Create,
    Extend,
    SetLegalHold,
    Request,
    Status,
}

impl fmt::Display for StoreCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreFault {
    /// Nothing is done and a passing fault is reported.
    FailBefore,
    /// It is done, and a passing fault is reported all the same.
    FailAfter,
    /// The body ends after so many bytes, and nobody says so. On create the store still claims the whole.
    ShortBody(u64),
    /// The body breaks off with a passing fault after so many bytes.
    BrokenBody(u64),
    /// The lowest bit of the byte at this offset is turned over. On create the store still claims the true digest.
    FlippedBit(u64),
    /// It is done, later.
    Delay(Duration),
    /// There is no room left.
    Full,
    /// The provider asks for patience.
    Throttled,
    /// The provider has no capacity at Expedited speed; requests at other speeds pass.
    NoCapacity,
    /// The credentials have expired.
    Credentials,
    /// The encryption key is disabled.
    Key,
    /// This machine's clock is wrong.
    ClockSkew,
    /// A right is missing.
    Denied,
}

/// What the provider says to a refused call.
fn refusal(fault: StoreFault, call: StoreCall) -> Option<StoreError> {
    let action = format!("{call:?}");
    Some(match fault {
        StoreFault::Throttled => StoreError::Throttled { action },
        StoreFault::NoCapacity => StoreError::NoCapacity { speed: RehydrationSpeed::Expedited },
        StoreFault::Credentials => StoreError::Credentials { action, detail: "the token has expired".to_owned() },
        StoreFault::Key => StoreError::Key { key: "key/of-this-test".to_owned(), detail: "it is disabled".to_owned() },
        StoreFault::ClockSkew => StoreError::ClockSkew { action },
        StoreFault::Denied => StoreError::Denied { action, right: "s3:RestoreObject".to_owned() },
        _ => return None,
    })
}

/// Which calls a fault befalls.
pub type FaultRule = Fault<StoreFault>;

/// Wraps a store. Without rules it changes nothing.
pub struct FaultyStore {
    inner: Store,
    script: Script<StoreFault>,
}

impl FaultyStore {
    /// Wraps `inner`.
    #[must_use]
    pub fn new(inner: Store) -> Arc<Self> {
        Arc::new(Self { inner, script: Script::default() })
    }

    /// The four seams, through this one. A store without rehydration stays without.
    #[must_use]
    pub fn store(self: &Arc<Self>) -> Store {
        Store {
            buckets: self.inner.buckets.clone(),
            reader: self.clone(),
            writer: self.clone(),
            retention: self.clone(),
            rehydrator: self.inner.rehydrator.is_some().then(|| self.clone() as Arc<dyn Rehydrator>),
        }
    }

    /// Adds a rule. Of several that apply the first that was added befalls.
    pub fn add(&self, rule: FaultRule) {
        self.script.fault(rule);
    }

    /// Forgets all rules.
    pub fn clear(&self) {
        self.script.clear_faults();
    }

    /// How often this was called, failed calls included.
    #[must_use]
    pub fn calls(&self, call: StoreCall) -> usize {
        self.script.calls(call)
    }

    fn next(&self, call: StoreCall, bucket: &str, key: &str) -> Option<StoreFault> {
        let name = format!("{bucket}/{key}");
        self.script.next(call, &name, &name)
    }

    /// Runs `work` with what the script has for this call. Faults of the body mean nothing to calls without one.
    async fn run<T>(
        &self,
        call: StoreCall,
        bucket: &str,
        key: &str,
        work: impl Future<Output = Result<T, StoreError>> + Send,
    ) -> Result<T, StoreError> {
        before(self.next(call, bucket, key), call, work).await
    }
}

async fn before<T>(
    fault: Option<StoreFault>,
    call: StoreCall,
    work: impl Future<Output = Result<T, StoreError>> + Send,
) -> Result<T, StoreError> {
    if let Some(refused) = fault.and_then(|f| refusal(f, call)) {
        return Err(refused);
    }
    match fault {
        Some(StoreFault::FailBefore) => Err(broken(call, "before")),
        Some(StoreFault::Full) => Err(StoreError::Full("the store of this test".to_owned())),
        Some(StoreFault::FailAfter) => {
            work.await?;
            Err(broken(call, "after"))
        }
        Some(StoreFault::Delay(by)) => {
            tokio::time::sleep(by).await;
            work.await
        }
        _ => work.await,
    }
}

fn broken(call: StoreCall, when: &str) -> StoreError {
    StoreError::Io {
        action: format!("{call:?}"),
        source: io::Error::new(io::ErrorKind::ConnectionReset, format!("fault of this test, {when} the effect")),
    }
}

/// The body as the fault makes it.
fn bent(body: ByteStream, fault: StoreFault, call: StoreCall) -> ByteStream {
    let mut seen = 0u64;
    let pieces = body.map(move |piece| {
        let piece = piece?;
        let start = seen;
        seen += piece.len() as u64;
        let until = |limit: u64| usize::try_from(limit.saturating_sub(start)).unwrap_or(usize::MAX).min(piece.len());
        Ok(match fault {
            StoreFault::ShortBody(limit) => piece.slice(..until(limit)),
            StoreFault::BrokenBody(limit) if start >= limit => return Err(broken(call, "in the body, before")),
            StoreFault::BrokenBody(limit) => piece.slice(..until(limit)),
            StoreFault::FlippedBit(at) if (start..seen).contains(&at) => {
                let mut bytes = BytesMut::from(piece.as_ref());
                bytes[until(at)] ^= 1;
                bytes.freeze()
            }
            _ => piece,
        })
    });
    let end: ByteStream = match fault {
        StoreFault::BrokenBody(_) => {
            futures_util::stream::once(async move { Err(broken(call, "in the body, before")) }).boxed()
        }
        _ => futures_util::stream::empty().boxed(),
    };
    pieces.chain(end).boxed()
}

#[async_trait]
impl ArchiveReader for FaultyStore {
    fn name(&self) -> &str {
        self.inner.reader.name()
    }

    fn capabilities(&self) -> Capabilities {
        self.inner.reader.capabilities()
    }

    async fn head(&self, at: &ObjectLocator) -> Result<ObjectInfo, StoreError> {
        self.run(StoreCall::Head, &at.bucket, at.key.as_str(), self.inner.reader.head(at)).await
    }

    async fn read(&self, at: &ObjectLocator, range: ByteRange) -> Result<ByteStream, StoreError> {
        let fault = self.next(StoreCall::Read, &at.bucket, at.key.as_str());
        let body = before(fault, StoreCall::Read, self.inner.reader.read(at, range)).await?;
        Ok(match fault {
            Some(fault) => bent(body, fault, StoreCall::Read),
            None => body,
        })
    }

    async fn list(
        &self,
        bucket: &str,
        prefix: &str,
        after: Option<&ObjectKey>,
        limit: usize,
    ) -> Result<ObjectPage, StoreError> {
        self.run(StoreCall::List, bucket, prefix, self.inner.reader.list(bucket, prefix, after, limit)).await
    }

    async fn link(&self, at: &ObjectLocator, valid_s: u32) -> Result<Link, StoreError> {
        self.run(StoreCall::Link, &at.bucket, at.key.as_str(), self.inner.reader.link(at, valid_s)).await
    }
}

#[async_trait]
impl ArchiveWriter for FaultyStore {
    async fn create(
        &self,
        bucket: &str,
        key: &ObjectKey,
        body: ByteStream,
        options: PutOptions,
    ) -> Result<Created, StoreError> {
        let fault = self.next(StoreCall::Create, bucket, key.as_str());
        let writer = &self.inner.writer;
        let Some(fault @ (StoreFault::ShortBody(_) | StoreFault::FlippedBit(_) | StoreFault::BrokenBody(_))) = fault
        else {
            return before(fault, StoreCall::Create, writer.create(bucket, key, body, options)).await;
        };
        // The store believes that it wrote what it was given: it checks and reports the digest of the true bytes.
        let truth = Arc::new(Mutex::new((Sha256::new(), 0u64)));
        let hashed = measured(body, truth.clone());
        let expected = options.expected.clone();
        let silent = PutOptions { expected: None, ..options };
        let created = writer.create(bucket, key, bent(hashed, fault, StoreCall::Create), silent).await?;
        let (hash, size_bytes) = truth.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let found = Fixity::sha256(Sha256Digest(hash.finalize().into()), size_bytes);
        match expected {
            Some(expected) if expected != found => Err(StoreError::Mismatch { expected, found }),
            _ => Ok(Created { fixity: found, ..created }),
        }
    }
}

fn measured(body: ByteStream, truth: Arc<Mutex<(Sha256, u64)>>) -> ByteStream {
    body.map(move |piece: Result<Bytes, StoreError>| {
        if let Ok(bytes) = &piece {
            let mut truth = truth.lock().unwrap_or_else(PoisonError::into_inner);
            truth.0.update(bytes);
            truth.1 += bytes.len() as u64;
        }
        piece
    })
    .boxed()
}

#[async_trait]
impl RetentionControl for FaultyStore {
    async fn extend(&self, at: &ObjectLocator, to: ObjectRetention) -> Result<(), StoreError> {
        self.run(StoreCall::Extend, &at.bucket, at.key.as_str(), self.inner.retention.extend(at, to)).await
    }

    async fn set_legal_hold(&self, at: &ObjectLocator, on: bool) -> Result<(), StoreError> {
        self.run(StoreCall::SetLegalHold, &at.bucket, at.key.as_str(), self.inner.retention.set_legal_hold(at, on))
            .await
    }
}

#[async_trait]
impl Rehydrator for FaultyStore {
    fn options(&self, storage_class: &str) -> Vec<RehydrationOption> {
        self.inner.rehydrator.as_ref().map(|r| r.options(storage_class)).unwrap_or_default()
    }

    fn moves(&self, storage_class: &str) -> bool {
        self.inner.rehydrator.as_ref().is_some_and(|r| r.moves(storage_class))
    }

    async fn request(&self, at: &ObjectLocator, speed: RehydrationSpeed, keep_days: u16) -> Result<Ticket, StoreError> {
        let Some(inner) = &self.inner.rehydrator else { return Err(broken(StoreCall::Request, "before")) };
        let fault = self.next(StoreCall::Request, &at.bucket, at.key.as_str());
        let fault = fault.filter(|f| *f != StoreFault::NoCapacity || speed == RehydrationSpeed::Expedited);
        before(fault, StoreCall::Request, inner.request(at, speed, keep_days)).await
    }

    async fn status(&self, of: &[ObjectLocator]) -> Result<Vec<Option<StorageState>>, StoreError> {
        let Some(inner) = &self.inner.rehydrator else { return Err(broken(StoreCall::Status, "before")) };
        let (bucket, key) = of.first().map_or(("", ""), |at| (at.bucket.as_str(), at.key.as_str()));
        self.run(StoreCall::Status, bucket, key, inner.status(of)).await
    }
}
