//! The sections that say where the archive and its index lie, and how the clouds are spoken to. None of them holds a secret.

use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Where recordings lie.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StoreBackend {
    /// A folder of this machine.
    #[default]
    Local,
    /// Amazon S3 or a store that speaks its protocol.
    S3,
    /// Azure Blob Storage.
    Azure,
}

/// The archive in Amazon S3; in force with `archive.backend = "s3"`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct S3Section {
    /// Bucket of the recordings, or the ARN of an access point to it.
    pub media_bucket: String,
    /// Bucket of manifests, payloads and the ledger's tiles, which no lifecycle rule may make cold; the media bucket where empty.
    pub meta_bucket: String,
    /// Bucket of what was set aside; the media bucket where empty.
    pub quarantine_bucket: String,
    /// Class that new recordings are put in; lifecycle rules move them on: STANDARD, STANDARD_IA, INTELLIGENT_TIERING or
    /// GLACIER_IR.
    pub storage_class: String,
    /// KMS key that objects are encrypted with, as its ARN or id; the bucket's default encryption where absent.
    pub kms_key: Option<String>,
    /// Keys that `kms_key` was before: what they encrypted is still read without a remark. Not needed where KMS rotates a key itself.
    pub earlier_kms_keys: Vec<String>,
    /// Whether the bucket's name is a part of the path, as most stores other than Amazon's want it.
    pub force_path_style: bool,
}

impl Default for S3Section {
    fn default() -> Self {
        Self {
            media_bucket: String::new(),
            meta_bucket: String::new(),
            quarantine_bucket: String::new(),
            storage_class: "STANDARD".into(),
            kms_key: None,
            earlier_kms_keys: Vec::new(),
            force_path_style: false,
        }
    }
}

/// How an archived blob is brought online in Azure.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RehydrateBy {
    /// By changing its tier. Lifecycle can send it back before it is fetched.
    #[default]
    Tier,
    /// By copying it to an online tier, which lifecycle leaves alone; the copy is stored twice meanwhile.
    Copy,
}

/// The archive in Azure Blob Storage; in force with `archive.backend = "azure"`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AzureSection {
    /// Address of the storage account, e.g. `https://account.blob.core.windows.net`.
    pub account_url: String,
    /// Container of the recordings.
    pub media_container: String,
    /// Container of manifests, payloads and the ledger's tiles, which no lifecycle rule may make cold; the media container where
    /// empty.
    pub meta_container: String,
    /// Container of what was set aside; the media container where empty.
    pub quarantine_container: String,
    /// Tier that new recordings are put in; lifecycle rules move them on: Hot, Cool or Cold.
    pub tier: String,
    /// How an archived blob is brought online: `tier` or `copy`.
    pub rehydrate: RehydrateBy,
    /// With `copy`: container of the copies, which must put no retention on new blobs.
    pub copy_container: String,
    /// Name of the account, where the address does not tell it (a domain of one's own).
    pub account: Option<String>,
    /// Encryption scope of new blobs; the container's default where absent.
    pub encryption_scope: Option<String>,
}

impl Default for AzureSection {
    fn default() -> Self {
        Self {
            account_url: String::new(),
            media_container: String::new(),
            meta_container: String::new(),
            quarantine_container: String::new(),
            tier: "Hot".into(),
            rehydrate: RehydrateBy::default(),
            copy_container: String::new(),
            account: None,
            encryption_scope: None,
        }
    }
}

/// What keeps index, work and the ledger's head.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum IndexBackend {
    /// SQLite in the home folder: one machine.
    #[default]
    Sqlite,
    /// One table in DynamoDB, shared by any number of machines.
    Dynamodb,
}

/// What keeps index, work and the ledger's head.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct IndexConfig {
    /// `sqlite`: in the home folder, for one machine. `dynamodb`: one table for any number of machines; the ledger's tiles then lie
    /// in the store under `ledger/`.
    pub backend: IndexBackend,
    /// The table.
    pub dynamodb: DynamodbSection,
}

/// The table in DynamoDB; in force with `index.backend = "dynamodb"`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DynamodbSection {
    /// Name of the table.
    pub table: String,
}

/// How Amazon's services are spoken to. Credentials come from the SDK's own chain (environment, profile, SSO, web identity,
/// container, instance), or from `holdfast credentials set aws`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AwsConfig {
    /// Profile of the shared configuration files; `AWS_PROFILE` or `default` where absent.
    pub profile: Option<String>,
    /// Region, e.g. `eu-central-1`; what the SDK's chain finds where absent.
    pub region: Option<String>,
    /// Address of all services, in place of Amazon's own.
    pub endpoint_url: Option<String>,
    /// Address of S3 alone.
    pub s3_endpoint_url: Option<String>,
    /// Address of DynamoDB alone.
    pub dynamodb_endpoint_url: Option<String>,
    /// Address of STS alone, which tells who one is.
    pub sts_endpoint_url: Option<String>,
    /// Role that is taken on with the credentials found, as its ARN.
    pub role_arn: Option<String>,
    /// External id that the role asks for.
    pub external_id: Option<String>,
    /// Whether endpoints validated under FIPS 140 are used.
    pub use_fips: bool,
    /// Whether endpoints that answer over IPv6 too are used.
    pub use_dualstack: bool,
}

/// Where the credential for Azure comes from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AzureCredential {
    /// The first of: shared access signature, service principal (both where entered), workload identity, managed identity (where
    /// the environment names one), Azure CLI.
    #[default]
    Auto,
    /// The account that `az login` signed in.
    Cli,
    /// The identity of this machine.
    ManagedIdentity,
    /// The identity of this workload in Kubernetes, from the environment.
    WorkloadIdentity,
    /// An application with a secret, entered with `holdfast credentials set azure-secret`.
    ServicePrincipal,
    /// A shared access signature, entered with `holdfast credentials set azure-sas`.
    Sas,
}

/// How Azure is spoken to.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AzureConfig {
    /// Where the credential comes from: `auto`, `cli`, `managed_identity`, `workload_identity`, `service_principal` or `sas`.
    pub credential: AzureCredential,
    /// Directory (tenant) id.
    pub tenant_id: Option<String>,
    /// Application (client) id of the service principal, or of a managed identity that a user assigned.
    pub client_id: Option<String>,
    /// Where tokens are asked for, in place of `https://login.microsoftonline.com`: national clouds have their own.
    pub authority_host: Option<String>,
}

/// The way to the network. Proxies are taken from the environment (`HTTPS_PROXY`, `NO_PROXY`), as the clouds' own tools do.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct NetworkConfig {
    /// File of further root certificates (PEM) that are trusted, e.g. of a proxy that inspects traffic.
    pub ca_file: Option<PathBuf>,
}
