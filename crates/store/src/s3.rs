//! Amazon S3 and what speaks its protocol: every seam on one client. What it asks of the bucket and of the identity, what holds
//! and what doesn't stands in `docs/stores/s3.md`.

mod class;
mod create;
mod fault;
mod head;
mod list;
mod read;
mod rehydrate;
mod retain;
mod send;
mod status;
mod upload;

use crate::{
    ArchiveReader, ArchiveWriter, Buckets, ByteRange, ByteStream, Capabilities, Created, Link, ObjectInfo, ObjectPage,
    PutOptions, RehydrationOption, Rehydrator, RetentionControl, Store, StoreError, Ticket,
};
use async_trait::async_trait;
use aws_sdk_s3::{
    Client,
    config::{StalledStreamProtectionConfig, retry::RetryConfig, timeout::TimeoutConfig},
};
use holdfast_model::{Clock, ObjectKey, ObjectLocator, ObjectRetention, RehydrationSpeed, StorageState, StorageTier};
use std::{sync::Arc, time::Duration};

/// One archive on S3. [`S3Config::new`] has defaults for all but the buckets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct S3Config {
    /// Name as it stands in locators.
    pub name: String,
    /// Names of buckets, or ARNs of access points. All have versioning and Object Lock.
    pub buckets: Buckets,
    /// Storage class for [`StorageTier::Hot`]: `STANDARD`, `INTELLIGENT_TIERING`, `GLACIER_IR`, or any other that reads at once.
    pub hot_class: String,
    /// Storage class for [`StorageTier::Cool`].
    pub cool_class: String,
    /// Id, ARN or alias of the KMS key with which everything is encrypted. None: the bucket's default, unchecked.
    pub kms_key: Option<String>,
    /// Keys that [`Self::kms_key`] once was: what they encrypted is still read. Not needed for a key that KMS rotates itself.
    pub earlier_kms_keys: Vec<String>,
    /// Length of an uploaded part in bytes, 5 MiB at least; what is no longer goes up in one request. Doubles every 2,000 parts.
    pub part_size_bytes: usize,
    /// Parts of one object that are on their way at once. With one more that is being filled, they are all the memory it takes.
    pub parallel_parts: usize,
    /// How often a request is tried in all.
    pub attempts: u32,
    /// How long one try may take until it is answered; moving bytes is given the time that 64 KiB/s needs on top.
    pub attempt_timeout: Duration,
}

impl S3Config {
    /// The store `s3`: STANDARD, Instant Retrieval for what is cool, the bucket's own key, four parts of 8 MiB at once, five
    /// tries of at most 60 s.
    #[must_use]
    pub fn new(buckets: Buckets) -> Self {
        Self {
            name: "s3".to_owned(),
            buckets,
            hot_class: "STANDARD".to_owned(),
            cool_class: "GLACIER_IR".to_owned(),
            kms_key: None,
            earlier_kms_keys: Vec::new(),
            part_size_bytes: 8 << 20,
            parallel_parts: 4,
            attempts: 5,
            attempt_timeout: Duration::from_secs(60),
        }
    }
}

/// A store on S3. Clones share everything.
#[derive(Debug, Clone)]
pub struct S3Store {
    client: Client,
    config: Arc<S3Config>,
    clock: Arc<dyn Clock>,
}

impl S3Store {
    /// Takes the client with its region, endpoint, credentials and proxies; time-outs and retries are the store's own. Does no
    /// I/O.
    #[must_use]
    pub fn new(client: Client, config: S3Config, clock: Arc<dyn Clock>) -> Arc<Self> {
        let retry = RetryConfig::standard()
            .with_max_attempts(config.attempts.max(1))
            .with_max_backoff(Duration::from_secs(10).min(config.attempt_timeout));
        let stalled = StalledStreamProtectionConfig::enabled()
            .grace_period(Duration::from_secs(20).min(config.attempt_timeout))
            .build();
        let own = client
            .config()
            .to_builder()
            .retry_config(retry)
            .timeout_config(timeouts(&config, 0))
            .stalled_stream_protection(stalled)
            .build();
        Arc::new(Self { client: Client::from_conf(own), config: Arc::new(config), clock })
    }

    /// The four seams of this store.
    #[must_use]
    pub fn store(self: &Arc<Self>) -> Store {
        Store {
            buckets: self.config.buckets.clone(),
            reader: self.clone(),
            writer: self.clone(),
            retention: self.clone(),
            rehydrator: Some(self.clone() as Arc<dyn Rehydrator>),
        }
    }

    /// The class for `tier`. What must be rehydrated is refused: nobody could read back what was written there.
    fn class_for(&self, tier: StorageTier) -> Result<&str, StoreError> {
        match tier {
            StorageTier::Hot => Ok(&self.config.hot_class),
            StorageTier::Cool => Ok(&self.config.cool_class),
            StorageTier::Cold | StorageTier::DeepCold => {
                Err(StoreError::NoTier { store: self.config.name.clone(), tier })
            }
        }
    }

    fn at(&self, bucket: &str, key: ObjectKey, version_id: Option<String>) -> ObjectLocator {
        ObjectLocator { store: self.config.name.clone(), bucket: bucket.to_owned(), key, version_id }
    }
}

/// Time-outs for a request that moves `bytes`. The total is bounded by the tries and the pauses between them.
fn timeouts(config: &S3Config, bytes: usize) -> TimeoutConfig {
    let attempt = config.attempt_timeout + Duration::from_secs(bytes as u64 / (64 << 10));
    TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(5).min(attempt))
        .read_timeout(attempt)
        .operation_attempt_timeout(attempt)
        .operation_timeout(attempt.saturating_mul(config.attempts.max(1)) + Duration::from_secs(60))
        .build()
}

#[async_trait]
impl ArchiveReader for S3Store {
    fn name(&self) -> &str {
        &self.config.name
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            versions: true,
            enforced_retention: true,
            cold_tiers: true,
            raise_speed: true,
            links: true,
            reads_back_cold_writes: false,
            past_retention: false,
            digest_first: true,
        }
    }

    async fn head(&self, at: &ObjectLocator) -> Result<ObjectInfo, StoreError> {
        self.info(at).await
    }

    async fn read(&self, at: &ObjectLocator, range: ByteRange) -> Result<ByteStream, StoreError> {
        self.stream(at, range).await
    }

    async fn list(
        &self,
        bucket: &str,
        prefix: &str,
        after: Option<&ObjectKey>,
        limit: usize,
    ) -> Result<ObjectPage, StoreError> {
        self.page(bucket, prefix, after, limit).await
    }

    async fn link(&self, at: &ObjectLocator, valid_s: u32) -> Result<Link, StoreError> {
        self.presigned(at, valid_s).await
    }
}

#[async_trait]
impl ArchiveWriter for S3Store {
    async fn create(
        &self,
        bucket: &str,
        key: &ObjectKey,
        body: ByteStream,
        options: PutOptions,
    ) -> Result<Created, StoreError> {
        self.create_object(bucket, key, body, options).await
    }
}

#[async_trait]
impl RetentionControl for S3Store {
    async fn extend(&self, at: &ObjectLocator, to: ObjectRetention) -> Result<(), StoreError> {
        self.extend_retention(at, to).await
    }

    async fn set_legal_hold(&self, at: &ObjectLocator, on: bool) -> Result<(), StoreError> {
        self.put_legal_hold(at, on).await
    }
}

#[async_trait]
impl Rehydrator for S3Store {
    fn options(&self, storage_class: &str) -> Vec<RehydrationOption> {
        class::options(storage_class)
    }

    async fn request(&self, at: &ObjectLocator, speed: RehydrationSpeed, keep_days: u16) -> Result<Ticket, StoreError> {
        self.rehydrate(at, speed, keep_days).await
    }

    async fn status(&self, of: &[ObjectLocator]) -> Result<Vec<Option<StorageState>>, StoreError> {
        self.states(of).await
    }
}
