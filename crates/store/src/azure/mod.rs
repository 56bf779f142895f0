//! Azure Blob Storage. `docs/stores/azure.md` lists the calls, the rights they want, and what is promised.

mod config;
mod create;
mod facts;
mod faults;
mod link;
mod list;
mod names;
mod read;
mod rehydrate;
mod retain;

pub use config::{AzureConfig, AzureTier, RehydrateBy, azure_service};

use crate::{
    ArchiveReader, ArchiveWriter, ByteRange, ByteStream, Capabilities, Created, Link, ObjectInfo, ObjectPage,
    PutOptions, RehydrationOption, Rehydrator, RetentionControl, Store, StoreError, Ticket,
};
use async_trait::async_trait;
use azure_storage_blob::{BlobClient, BlobServiceClient};
use holdfast_model::{Clock, ObjectKey, ObjectLocator, ObjectRetention, RehydrationSpeed, StorageState};
use std::sync::Arc;

/// The archive in containers of one storage account.
pub struct AzureStore {
    service: BlobServiceClient,
    config: AzureConfig,
    clock: Arc<dyn Clock>,
}

/// The seams: each of them wants the store by a handle that outlives the call.
#[derive(Clone)]
struct Seam(Arc<AzureStore>);

impl AzureStore {
    /// Calls nothing yet. `service` comes from [`azure_service`].
    #[must_use]
    pub fn new(service: BlobServiceClient, config: AzureConfig, clock: Arc<dyn Clock>) -> Arc<Self> {
        Arc::new(Self { service, config, clock })
    }

    /// The four seams of this store.
    #[must_use]
    pub fn store(self: &Arc<Self>) -> Store {
        let seam = Arc::new(Seam(self.clone()));
        Store {
            buckets: self.config.buckets.clone(),
            reader: seam.clone(),
            writer: seam.clone(),
            retention: seam.clone(),
            rehydrator: Some(seam),
        }
    }

    /// The client of one version; none where that can be no version of Azure's.
    fn blob_named(&self, container: &str, name: &str, version: Option<&str>) -> Result<Option<BlobClient>, StoreError> {
        let client = self.service.blob_client(container, name);
        let Some(version) = version else { return Ok(Some(client)) };
        if facts::version_time(version).is_none() {
            return Ok(None);
        }
        let versioned = client.with_version(version);
        versioned.map(Some).map_err(|e| StoreError::Io {
            action: format!("addressing a version of {container}/{name}"),
            source: faults::io_error(&e),
        })
    }

    fn blob(&self, at: &ObjectLocator) -> Result<BlobClient, StoreError> {
        let client = self.blob_named(&at.bucket, at.key.as_str(), at.version_id.as_deref())?;
        client.ok_or_else(|| StoreError::NotFound(at.clone()))
    }
}

#[async_trait]
impl ArchiveReader for Seam {
    fn name(&self) -> &str {
        &self.0.config.name
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            versions: true,
            enforced_retention: true,
            cold_tiers: true,
            raise_speed: true,
            links: self.0.makes_links(),
            reads_back_cold_writes: false,
            past_retention: false,
            digest_first: false,
        }
    }

    async fn head(&self, at: &ObjectLocator) -> Result<ObjectInfo, StoreError> {
        self.0.info_of(at).await
    }

    async fn read(&self, at: &ObjectLocator, range: ByteRange) -> Result<ByteStream, StoreError> {
        self.0.stream(at, range).await
    }

    async fn list(
        &self,
        bucket: &str,
        prefix: &str,
        after: Option<&ObjectKey>,
        limit: usize,
    ) -> Result<ObjectPage, StoreError> {
        self.0.list_page(bucket, prefix, after, limit).await
    }

    async fn link(&self, at: &ObjectLocator, valid_s: u32) -> Result<Link, StoreError> {
        self.0.make_link(at, valid_s).await
    }
}

#[async_trait]
impl ArchiveWriter for Seam {
    async fn create(
        &self,
        bucket: &str,
        key: &ObjectKey,
        body: ByteStream,
        options: PutOptions,
    ) -> Result<Created, StoreError> {
        self.0.put(bucket, key, body, options).await
    }
}

#[async_trait]
impl RetentionControl for Seam {
    async fn extend(&self, at: &ObjectLocator, to: ObjectRetention) -> Result<(), StoreError> {
        self.0.retain(at, to).await
    }

    async fn set_legal_hold(&self, at: &ObjectLocator, on: bool) -> Result<(), StoreError> {
        self.0.hold(at, on).await
    }
}

#[async_trait]
impl Rehydrator for Seam {
    fn options(&self, storage_class: &str) -> Vec<RehydrationOption> {
        rehydrate::options(storage_class)
    }

    fn moves(&self, _storage_class: &str) -> bool {
        matches!(self.0.config.rehydrate, RehydrateBy::Tier)
    }

    async fn request(&self, at: &ObjectLocator, speed: RehydrationSpeed, keep_days: u16) -> Result<Ticket, StoreError> {
        self.0.bring_online(at, speed, keep_days).await
    }

    async fn status(&self, of: &[ObjectLocator]) -> Result<Vec<Option<StorageState>>, StoreError> {
        self.0.status_of(of).await
    }
}
