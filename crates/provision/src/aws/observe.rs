//! What is there now. Each setting is read by a function of its own, so that preflight can say which one may not be read.

use super::{
    AwsClients, AwsDesired, BucketDesired, Encryption, code,
    fault::fault,
    table::{TableObserved, observe_table},
};
use crate::{DefaultRetention, ProvisionError};
use aws_sdk_s3::types::{
    BucketVersioningStatus, LifecycleRule, ObjectLockEnabled, ObjectLockRetentionMode, ReplicationConfiguration,
    ServerSideEncryption, TransitionDefaultMinimumObjectSize,
};
use holdfast_model::ImmutabilityMode;
use serde_json::Value;

/// Whether versions are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Versioning {
    /// Kept.
    Enabled,
    /// Were kept once.
    Suspended,
    /// Never were.
    Never,
}

/// Object Lock of a bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lock {
    /// There is none.
    Off,
    /// On, with its default where it has one.
    On(Option<DefaultRetention>),
}

/// Whether a bucket of that name is where it is wanted.
#[derive(Debug, Clone, PartialEq)]
pub enum BucketFound {
    /// There is none.
    Nowhere,
    /// It lies in this other region, whose settings are not asked: S3 answers such a call with `PermanentRedirect`.
    Elsewhere {
        /// That region.
        region: String,
    },
    /// It is here.
    Here(Box<BucketObserved>),
}

/// One bucket as it is.
#[derive(Debug, Clone, PartialEq)]
pub struct BucketObserved {
    /// Whether versions are kept.
    pub versioning: Versioning,
    /// Object Lock.
    pub lock: Lock,
    /// Default encryption with the bucket key's state.
    pub encryption: Option<(Encryption, bool)>,
    /// How many of the four public access blocks are on.
    pub public_blocks: u8,
    /// Object ownership.
    pub ownership: Option<String>,
    /// The bucket policy.
    pub policy: Option<Value>,
    /// Lifecycle rules, also of others.
    pub lifecycle: Vec<LifecycleRule>,
    /// Smallest size that moves, where it was set.
    pub smallest_moved: Option<TransitionDefaultMinimumObjectSize>,
    /// Replication, also of others.
    pub replication: Option<ReplicationConfiguration>,
}

/// Everything on AWS as it is, in the order of what is desired.
#[derive(Debug, Clone, PartialEq)]
pub struct AwsObserved {
    /// By name.
    pub buckets: Vec<(String, BucketFound)>,
    /// The table; none where it is not there.
    pub table: Option<TableObserved>,
}

/// Reads everything that is desired. Changes nothing.
///
/// # Errors
/// [`ProvisionError`]; [`ProvisionError::Denied`] names the right that reading needs.
pub async fn observe(clients: &AwsClients, desired: &AwsDesired) -> Result<AwsObserved, ProvisionError> {
    let mut buckets = Vec::new();
    for b in &desired.buckets {
        buckets.push((b.name.clone(), bucket(&clients.s3, b).await?));
    }
    let table = match &desired.table {
        Some(t) => observe_table(&clients.dynamodb, &t.name).await?,
        None => None,
    };
    Ok(AwsObserved { buckets, table })
}

async fn bucket(s3: &aws_sdk_s3::Client, want: &BucketDesired) -> Result<BucketFound, ProvisionError> {
    let name = want.name.as_str();
    match region(s3, name).await? {
        None => return Ok(BucketFound::Nowhere),
        Some(region) if !region.is_empty() && region != want.region => return Ok(BucketFound::Elsewhere { region }),
        Some(_) => {}
    }
    let (lifecycle, smallest_moved) = lifecycle(s3, name).await?;
    Ok(BucketFound::Here(Box::new(BucketObserved {
        versioning: versioning(s3, name).await?,
        lock: lock(s3, name).await?,
        encryption: default_encryption(s3, name).await?,
        public_blocks: public_blocks(s3, name).await?,
        ownership: ownership(s3, name).await?,
        policy: policy(s3, name).await?,
        lifecycle,
        smallest_moved,
        replication: replication(s3, name).await?,
    })))
}

/// The bucket's region; none where there is no such bucket. HEAD has no body and so no error code: here alone the status decides.
pub(crate) async fn region(s3: &aws_sdk_s3::Client, name: &str) -> Result<Option<String>, ProvisionError> {
    let action = format!("looking for the bucket {name}");
    match s3.head_bucket().bucket(name).send().await {
        Ok(answer) => Ok(Some(answer.bucket_region.unwrap_or_default())),
        Err(e) => match e.raw_response().map(|r| r.status().as_u16()) {
            Some(404) => Ok(None),
            Some(403) => Err(ProvisionError::Denied {
                action,
                right: format!("s3:ListBucket on {name} (or the name belongs to another account)"),
            }),
            Some(301 | 400) => {
                let header = e.raw_response().and_then(|r| r.headers().get("x-amz-bucket-region")).map(str::to_owned);
                header.map(Some).ok_or_else(|| fault(&action, "s3:ListBucket", &e))
            }
            _ => Err(fault(&action, "s3:ListBucket", &e)),
        },
    }
}

/// Reads one setting; a code that means that it was never set gives none.
macro_rules! setting {
    ($call:expr, $name:expr, $what:literal, $right:literal, $unset:pat) => {
        match $call.bucket($name).send().await {
            Ok(answer) => Some(answer),
            Err(e) if matches!(code(&e).unwrap_or_default(), $unset) => None,
            Err(e) => return Err(fault(&format!("reading {} of the bucket {}", $what, $name), $right, &e)),
        }
    };
}

pub(crate) async fn versioning(s3: &aws_sdk_s3::Client, name: &str) -> Result<Versioning, ProvisionError> {
    let answer = setting!(s3.get_bucket_versioning(), name, "the versioning", "s3:GetBucketVersioning", "-");
    Ok(match answer.and_then(|a| a.status) {
        Some(BucketVersioningStatus::Enabled) => Versioning::Enabled,
        Some(_) => Versioning::Suspended,
        None => Versioning::Never,
    })
}

pub(crate) async fn lock(s3: &aws_sdk_s3::Client, name: &str) -> Result<Lock, ProvisionError> {
    let answer = setting!(
        s3.get_object_lock_configuration(),
        name,
        "Object Lock",
        "s3:GetBucketObjectLockConfiguration",
        "ObjectLockConfigurationNotFoundError"
    );
    let Some(c) = answer.and_then(|a| a.object_lock_configuration) else { return Ok(Lock::Off) };
    if c.object_lock_enabled != Some(ObjectLockEnabled::Enabled) {
        return Ok(Lock::Off);
    }
    let default = c.rule.and_then(|r| r.default_retention).and_then(|d| {
        let days = d.days.or(d.years.map(|y| y.saturating_mul(365)))?;
        let mode = match d.mode? {
            ObjectLockRetentionMode::Compliance => ImmutabilityMode::Compliance,
            _ => ImmutabilityMode::Governance,
        };
        Some(DefaultRetention { mode, days: u32::try_from(days).unwrap_or(0) })
    });
    Ok(Lock::On(default))
}

pub(crate) async fn default_encryption(
    s3: &aws_sdk_s3::Client,
    name: &str,
) -> Result<Option<(Encryption, bool)>, ProvisionError> {
    let answer = setting!(
        s3.get_bucket_encryption(),
        name,
        "the default encryption",
        "s3:GetEncryptionConfiguration",
        "ServerSideEncryptionConfigurationNotFoundError"
    );
    let rule = answer.and_then(|a| a.server_side_encryption_configuration).and_then(|c| c.rules.into_iter().next());
    Ok(rule.and_then(|r| {
        let bucket_key = r.bucket_key_enabled.unwrap_or(false);
        let by = r.apply_server_side_encryption_by_default?;
        let encryption = match by.sse_algorithm {
            ServerSideEncryption::AwsKms | ServerSideEncryption::AwsKmsDsse => {
                Encryption::Kms(by.kms_master_key_id.unwrap_or_else(|| "the account's own key aws/s3".into()))
            }
            _ => Encryption::S3,
        };
        Some((encryption, bucket_key))
    }))
}

async fn public_blocks(s3: &aws_sdk_s3::Client, name: &str) -> Result<u8, ProvisionError> {
    let answer = setting!(
        s3.get_public_access_block(),
        name,
        "the public access block",
        "s3:GetBucketPublicAccessBlock",
        "NoSuchPublicAccessBlockConfiguration"
    );
    let Some(c) = answer.and_then(|a| a.public_access_block_configuration) else { return Ok(0) };
    let all = [c.block_public_acls, c.ignore_public_acls, c.block_public_policy, c.restrict_public_buckets];
    Ok(all.into_iter().map(|on| u8::from(on == Some(true))).sum())
}

async fn ownership(s3: &aws_sdk_s3::Client, name: &str) -> Result<Option<String>, ProvisionError> {
    let answer = setting!(
        s3.get_bucket_ownership_controls(),
        name,
        "the object ownership",
        "s3:GetBucketOwnershipControls",
        "OwnershipControlsNotFoundError"
    );
    let rules = answer.and_then(|a| a.ownership_controls).map(|c| c.rules).unwrap_or_default();
    Ok(rules.into_iter().next().map(|r| r.object_ownership.as_str().to_owned()))
}

async fn policy(s3: &aws_sdk_s3::Client, name: &str) -> Result<Option<Value>, ProvisionError> {
    let answer = setting!(s3.get_bucket_policy(), name, "the policy", "s3:GetBucketPolicy", "NoSuchBucketPolicy");
    let Some(text) = answer.and_then(|a| a.policy) else { return Ok(None) };
    serde_json::from_str(&text).map(Some).map_err(|e| ProvisionError::Refused {
        action: format!("reading the policy of the bucket {name}"),
        reason: "NotJson".into(),
        detail: e.to_string(),
    })
}

/// The rules, and the smallest size that moves.
pub(crate) async fn lifecycle(
    s3: &aws_sdk_s3::Client,
    name: &str,
) -> Result<(Vec<LifecycleRule>, Option<TransitionDefaultMinimumObjectSize>), ProvisionError> {
    let answer = setting!(
        s3.get_bucket_lifecycle_configuration(),
        name,
        "the lifecycle",
        "s3:GetLifecycleConfiguration",
        "NoSuchLifecycleConfiguration"
    );
    Ok(answer.map(|a| (a.rules.unwrap_or_default(), a.transition_default_minimum_object_size)).unwrap_or_default())
}

async fn replication(s3: &aws_sdk_s3::Client, name: &str) -> Result<Option<ReplicationConfiguration>, ProvisionError> {
    let answer = setting!(
        s3.get_bucket_replication(),
        name,
        "the replication",
        "s3:GetReplicationConfiguration",
        "ReplicationConfigurationNotFoundError"
    );
    Ok(answer.and_then(|a| a.replication_configuration))
}
