use crate::{Buckets, StoreError};
use azure_core::{
    credentials::TokenCredential,
    http::{ClientOptions, ExponentialRetryOptions, RetryOptions, Transport, Url},
    time::Duration,
};
use azure_storage_blob::{BlobServiceClient, BlobServiceClientOptions};
use std::sync::Arc;

/// The online access tiers of a block blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AzureTier {
    /// Dear to keep, cheap to read.
    Hot,
    /// For at least 30 days.
    Cool,
    /// For at least 90 days.
    Cold,
}

/// How an archived blob is brought online.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RehydrateBy {
    /// The blob itself changes its tier. A lifecycle rule that looks at the last modification can archive it again before it is
    /// fetched, since a tier change is none; nothing is stored twice, and it stays online until such a rule comes.
    Tier,
    /// A copy is made in an online tier and the archived blob stays as it is. Stored twice for as long as the copy lives; a
    /// lifecycle rule on `prefix` must take copies away again.
    Copy {
        /// Container of the copies, in the same account. It must put no retention on new blobs, or copies would stay for years.
        container: String,
        /// What the name of each copy starts with, e.g. `rehydrated/`.
        prefix: String,
    },
}

/// How Azure Blob Storage is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AzureConfig {
    /// Name as it stands in locators.
    pub name: String,
    /// Containers.
    pub buckets: Buckets,
    /// The account's name, where the address does not tell (a domain of one's own); links are signed for it.
    pub account: Option<String>,
    /// Where [`holdfast_model::StorageTier::Hot`] goes.
    pub tier: AzureTier,
    /// Encryption scope for what is written; without one the account's own key is used.
    pub encryption_scope: Option<String>,
    /// How archived blobs are brought online.
    pub rehydrate: RehydrateBy,
    /// Size of a block in bytes. Azure takes 50,000 blocks a blob: 8 MiB make 390 GiB.
    pub block_bytes: usize,
    /// Blocks or ranges under way at once, each of which is held in memory.
    pub parallel: usize,
}

impl AzureConfig {
    /// A store named `azure` in these containers: tier Hot, rehydration by tier change, 8 MiB blocks, four at once.
    #[must_use]
    pub fn new(buckets: Buckets) -> Self {
        Self {
            name: "azure".to_owned(),
            buckets,
            account: None,
            tier: AzureTier::Hot,
            encryption_scope: None,
            rehydrate: RehydrateBy::Tier,
            block_bytes: 8 << 20,
            parallel: 4,
        }
    }
}

/// A client as [`super::AzureStore`] wants it: three retries that back off, and no proxying of what the service says.
///
/// `url` is the account's blob endpoint (`https://ACCOUNT.blob.core.windows.net/`); with a SAS as its query there is no
/// `credential`. `transport` is the shared HTTP client (`Transport::new(Arc::new(reqwest_client))`) with its own trusted roots,
/// connect and read time-outs; without one the SDK makes its own.
///
/// # Errors
/// [`StoreError::Invalid`] where the address is none, or is not https while there is a credential.
pub fn azure_service(
    url: Url,
    credential: Option<Arc<dyn TokenCredential>>,
    transport: Option<Transport>,
) -> Result<BlobServiceClient, StoreError> {
    let retry = RetryOptions::exponential(ExponentialRetryOptions {
        initial_delay: Duration::milliseconds(200),
        max_retries: 3,
        max_total_elapsed: Duration::seconds(60),
        max_delay: Duration::seconds(10),
    });
    let client_options = ClientOptions { retry, transport, ..ClientOptions::default() };
    // A SAS in the address is a secret: only the host may be named.
    let host = url.host_str().unwrap_or("?").to_owned();
    BlobServiceClient::new(url, credential, Some(BlobServiceClientOptions { client_options, ..Default::default() }))
        .map_err(|_| StoreError::Invalid {
            what: format!("the address of {host}"),
            detail: "it must be the https address of a storage account's blob endpoint".to_owned(),
        })
}
