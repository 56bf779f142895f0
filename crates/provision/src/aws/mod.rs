//! S3, KMS and DynamoDB.

mod apply;
mod desired;
mod diff;
mod emit;
mod fault;
mod identity;
mod lifecycle;
mod observe;
mod replication;
mod roles;
mod table;

pub use apply::{apply, plan};
pub(crate) use diff::{differences, holes_in_lifecycle};
pub use desired::{AwsDesired, AwsSettings, BucketDesired, Encryption, desired};
pub use emit::emit;
pub(crate) use fault::{code, fault};
pub use identity::{Identity, identity};
pub(crate) use lifecycle::rules_of;
pub use observe::{AwsObserved, BucketObserved, Lock, Versioning, observe};
pub(crate) use observe::{default_encryption, lifecycle, lock, versioning};
pub use roles::{Role, erasure_policy, policies};
pub use table::{IndexShape, Projection, TableDesired, TableObserved};
pub(crate) use table::observe_table;

/// The clients that provisioning and preflight use, all of one configuration.
#[derive(Debug, Clone)]
pub struct AwsClients {
    /// Buckets and objects.
    pub s3: aws_sdk_s3::Client,
    /// The index's table.
    pub dynamodb: aws_sdk_dynamodb::Client,
    /// The encryption key.
    pub kms: aws_sdk_kms::Client,
    /// Who this is.
    pub sts: aws_sdk_sts::Client,
}

impl AwsClients {
    /// Every client from one configuration; endpoints of single services are the caller's to set.
    #[must_use]
    pub fn new(
        s3: aws_sdk_s3::Client,
        dynamodb: aws_sdk_dynamodb::Client,
        kms: aws_sdk_kms::Client,
        sts: aws_sdk_sts::Client,
    ) -> Self {
        Self { s3, dynamodb, kms, sts }
    }
}
