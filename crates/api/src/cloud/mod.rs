//! The way to the clouds: one configuration and one set of credentials for all of Amazon's services, one credential and one
//! transport for Azure, and who one is there. Nothing here creates anything in a cloud.

mod aws;
mod azure;
mod identity;
mod network;
mod stores;
mod tiles;

pub(crate) use aws::Aws;
pub(crate) use azure::Azure;
pub(crate) use identity::Identity;
pub(crate) use network::Network;
pub(crate) use stores::{azure_store, copies_prefix, places, s3_store};
pub use tiles::{MirroredTiles, StoreTiles};

use crate::{
    ApiError,
    config::{Config, IndexBackend, StoreBackend},
    secrets::Secrets,
};

/// What of the clouds this configuration uses.
pub(crate) struct Cloud {
    /// Amazon's services.
    pub(crate) aws: Option<Aws>,
    /// Azure.
    pub(crate) azure: Option<Azure>,
    /// Who this process is towards them.
    pub(crate) identity: Identity,
}

impl Cloud {
    /// Finds credentials for what the configuration names and tells who they are of. Waits a few seconds at most.
    ///
    /// # Errors
    /// `cloud.no_credentials`, `cloud.no_region`, `credentials.*`, `config.invalid`.
    pub(crate) async fn connect(config: &Config, secrets: &Secrets) -> Result<Self, ApiError> {
        let identity = Identity::default();
        let aws_used = config.archive.backend == StoreBackend::S3 || config.index.backend == IndexBackend::Dynamodb;
        let azure_used = config.archive.backend == StoreBackend::Azure;
        let network = Network::new(&config.network)?;
        let aws = async {
            if aws_used { Aws::connect(config, secrets, &network, &identity).await.map(Some) } else { Ok(None) }
        };
        let azure = async {
            if azure_used { Azure::connect(config, secrets, &network, &identity).await.map(Some) } else { Ok(None) }
        };
        let (aws, azure) = tokio::join!(aws, azure);
        Ok(Self { aws: aws?, azure: azure?, identity })
    }
}
