use super::{Aws, Azure};
use crate::{
    ApiError,
    config::{ArchiveConfig, AzureSection, RehydrateBy, S3Section},
};
use holdfast_model::Clock;
use holdfast_store::{AzureConfig, AzureStore, AzureTier, Buckets, S3Config, S3Store, Store, azure_service};
use std::sync::Arc;

/// What the name of each copy of an archived blob starts with.
const COPIES: &str = "rehydrated/";

/// What the name of each copy of an archived blob starts with.
pub(crate) fn copies_prefix() -> &'static str {
    COPIES
}

/// The archive in S3. Does no I/O.
pub(crate) fn s3_store(archive: &ArchiveConfig, aws: &Aws, clock: Arc<dyn Clock>) -> Store {
    let S3Section { media_bucket, meta_bucket, quarantine_bucket, storage_class, kms_key, earlier_kms_keys, .. } =
        &archive.s3;
    let mut config = S3Config::new(places(media_bucket, meta_bucket, quarantine_bucket));
    config.hot_class.clone_from(storage_class);
    config.kms_key.clone_from(kms_key);
    config.earlier_kms_keys.clone_from(earlier_kms_keys);
    S3Store::new(aws.s3(), config, clock).store()
}

/// The archive in Azure Blob Storage. Does no I/O.
///
/// # Errors
/// `store.invalid` where the address is none.
pub(crate) fn azure_store(archive: &ArchiveConfig, azure: &Azure, clock: Arc<dyn Clock>) -> Result<Store, ApiError> {
    let AzureSection { media_container, meta_container, quarantine_container, tier, rehydrate, .. } = &archive.azure;
    let mut config = AzureConfig::new(places(media_container, meta_container, quarantine_container));
    config.account.clone_from(&archive.azure.account);
    config.encryption_scope.clone_from(&archive.azure.encryption_scope);
    config.tier = match tier.as_str() {
        "Cool" => AzureTier::Cool,
        "Cold" => AzureTier::Cold,
        _ => AzureTier::Hot,
    };
    config.rehydrate = match rehydrate {
        RehydrateBy::Tier => holdfast_store::RehydrateBy::Tier,
        RehydrateBy::Copy => {
            holdfast_store::RehydrateBy::Copy { container: archive.azure.copy_container.clone(), prefix: COPIES.into() }
        }
    };
    let service = azure_service(azure.url.clone(), azure.credential.clone(), Some(azure.transport.clone()))?;
    Ok(AzureStore::new(service, config, clock).store())
}

/// Where metadata and what was set aside have no place of their own, they lie with the recordings.
pub(crate) fn places(media: &str, meta: &str, quarantine: &str) -> Buckets {
    let or = |name: &str| if name.is_empty() { media } else { name }.to_owned();
    Buckets { media: media.to_owned(), meta: or(meta), quarantine: or(quarantine) }
}
