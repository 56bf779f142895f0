//! Azure Blob Storage. `docs/stores/azure.md` lists the calls, the rights they want, and what is promised.

mod config;

pub use config::{AzureConfig, AzureTier, RehydrateBy, azure_service};

use azure_storage_blob::BlobServiceClient;
use holdfast_model::Clock;
use std::sync::Arc;

/// The archive in containers of one storage account.
pub struct AzureStore {
    service: BlobServiceClient,
    config: AzureConfig,
    clock: Arc<dyn Clock>,
}

impl AzureStore {
    /// Calls nothing yet. `service` comes from [`azure_service`].
    #[must_use]
    pub fn new(service: BlobServiceClient, config: AzureConfig, clock: Arc<dyn Clock>) -> Arc<Self> {
        Arc::new(Self { service, config, clock })
    }

    /// The account's endpoint, without a SAS.
    #[must_use]
    pub fn endpoint(&self) -> String {
        let mut url = self.service.url().clone();
        url.set_query(None);
        tracing::debug!(store = self.config.name, now = %self.clock.now(), "asked for its endpoint");
        url.into()
    }
}
