//! What `holdfast provision` makes beside what the sections of archive and index name.

use holdfast_model::ImmutabilityMode;
use serde::{Deserialize, Serialize};

/// The cloud side of the archive as `holdfast provision` makes and checks it. Names, keys and regions are those of `archive`, `index`
/// and `aws`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ProvisionConfig {
    /// Account that owns the archive on AWS, twelve digits: makes policies narrower. Where absent, they name no
    /// account.
    pub account: Option<String>,
    /// What buckets put on objects that come without a retention of their own.
    pub retention: ProvisionRetention,
    /// When recordings move to cheaper classes.
    pub lifecycle: ProvisionLifecycle,
    /// Where everything is copied to (S3); nowhere where absent.
    pub replication: Option<ProvisionReplication>,
    /// Who may take each role.
    pub principals: ProvisionPrincipals,
    /// The storage account on Azure.
    pub azure: ProvisionAzure,
}

/// How firmly a bucket's default keeps objects.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ProvisionMode {
    /// A privileged, recorded command may erase earlier. On Azure: the policy stays unlocked.
    #[default]
    Governance,
    /// Nobody may shorten it. On Azure: the policy is locked, for good.
    Compliance,
}

/// A bucket's default retention. The archiver puts each recording's own one on it in the same write.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ProvisionRetention {
    /// `governance` or `compliance`.
    pub mode: ProvisionMode,
    /// Days for which new recordings are kept by default, whatever their own retention says.
    pub days: u32,
}

impl Default for ProvisionRetention {
    fn default() -> Self {
        let d = holdfast_provision::DefaultRetention::default();
        let mode = match d.mode {
            ImmutabilityMode::Governance => ProvisionMode::Governance,
            ImmutabilityMode::Compliance => ProvisionMode::Compliance,
        };
        Self { mode, days: d.days }
    }
}

/// When recordings move. Manifests, payloads, texts and the ledger never do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ProvisionLifecycle {
    /// Days until a recording goes to the cheaper class that is still online; 0 is never.
    pub cool_after_days: u32,
    /// That class: GLACIER_IR, STANDARD_IA or INTELLIGENT_TIERING; on Azure Cool or Cold. The usual one where absent.
    pub cool_class: Option<String>,
    /// Days until it goes to the class that must be rehydrated; 0 is never.
    pub cold_after_days: u32,
    /// That class: DEEP_ARCHIVE or GLACIER; on Azure Archive. The coldest where absent.
    pub cold_class: Option<String>,
    /// Days until earlier versions of a recording follow. They are never expired.
    pub noncurrent_after_days: u32,
    /// Days until what was uploaded of an unfinished upload is dropped (S3).
    pub abort_uploads_after_days: u32,
    /// Days until rehydrated copies are dropped, and for which a blob that was brought back is not archived again (Azure). At least
    /// `archive.keep_days` and two more.
    pub rehydrated_copies_days: u32,
}

impl Default for ProvisionLifecycle {
    fn default() -> Self {
        let d = holdfast_provision::Lifecycle::default();
        Self {
            cool_after_days: d.cool_after_days.unwrap_or(0),
            cool_class: None,
            cold_after_days: d.cold_after_days.unwrap_or(0),
            cold_class: None,
            noncurrent_after_days: d.noncurrent_after_days,
            abort_uploads_after_days: d.abort_uploads_after_days,
            rehydrated_copies_days: d.rehydrated_copies_days,
        }
    }
}

/// Where every object and delete marker is copied to, under replication time control.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProvisionReplication {
    /// ARN of the role that copies.
    pub role_arn: String,
    /// Destination of the media bucket.
    pub media_bucket: String,
    /// Destination of the metadata bucket.
    pub meta_bucket: String,
    /// Destination of what was set aside; it is not copied where absent.
    #[serde(default)]
    pub quarantine_bucket: Option<String>,
    /// ARN of the key in the destination's region; needed where `archive.s3.kms_key` is set.
    #[serde(default)]
    pub kms_key: Option<String>,
    /// Account that owns the destination, where another.
    #[serde(default)]
    pub account: Option<String>,
}

/// Who may take each role: ARNs on AWS, object ids on Azure. Where none are named, the role's policy is emitted alone.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ProvisionPrincipals {
    /// Legal staff and QA managers: read, rehydrate, hold.
    pub reader: Vec<String>,
    /// The archiver: create, read back.
    pub archiver: Vec<String>,
    /// Who runs `holdfast provision`.
    pub admin: Vec<String>,
}

/// The storage account on Azure, for its management plane.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ProvisionAzure {
    /// Subscription id.
    pub subscription: String,
    /// Resource group.
    pub resource_group: String,
    /// Region, e.g. `westeurope`; used where the account is made. Empty: the templates take the resource group's, and apply makes no
    /// account.
    pub location: String,
    /// Redundancy, used where the account is made: `Standard_LRS`, `Standard_GRS` or `Standard_RAGRS` for the Archive tier.
    pub sku: String,
    /// Address of the key in Key Vault for the encryption scope that `archive.azure.encryption_scope` names; Microsoft's own key where
    /// absent. With a scope `provision.lifecycle.cold_after_days` must be 0.
    pub key_uri: Option<String>,
    /// Address of the management plane: national clouds have their own.
    pub management_url: String,
}

impl Default for ProvisionAzure {
    fn default() -> Self {
        Self {
            subscription: String::new(),
            resource_group: String::new(),
            location: String::new(),
            sku: "Standard_GRS".into(),
            key_uri: None,
            management_url: "https://management.azure.com/".into(),
        }
    }
}
