//! S3, KMS and DynamoDB.

mod apply;
mod desired;
mod diff;
mod emit;
mod fault;
mod identity;
mod lifecycle;
pub(crate) mod observe;
mod replication;
mod roles;
pub(crate) mod table;

pub use apply::{apply, plan};
pub use desired::{AwsDesired, AwsSettings, BucketDesired, Encryption, desired};
pub(crate) use diff::{holes_in_lifecycle, same_key};
pub use emit::emit;
pub(crate) use fault::{code, fault};
pub use identity::{Identity, identity};
pub(crate) use lifecycle::rules_of;
pub use observe::{AwsObserved, BucketFound, BucketObserved, Lock, Versioning, observe};
pub use roles::{Role, policies};
pub use table::{IndexShape, Projection, TableDesired, TableObserved};

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
