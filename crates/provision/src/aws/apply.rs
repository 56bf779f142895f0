//! Making it so. Every step can be repeated; a process that dies between two of them leaves what the next run goes on with.

use super::{
    AwsClients, AwsDesired, Encryption, code,
    diff::{Step, differences},
    fault::fault,
    observe, table,
};
use crate::{
    Applied, DefaultRetention, Plan, ProvisionError,
    plan::{mend_each, plan_of},
};
use aws_sdk_s3::{
    error::BuildError,
    types::{
        BucketLifecycleConfiguration, BucketLocationConstraint, BucketVersioningStatus, CreateBucketConfiguration,
        DefaultRetention as S3Retention, ObjectLockConfiguration, ObjectLockEnabled, ObjectLockRetentionMode,
        ObjectLockRule, ObjectOwnership, OwnershipControls, OwnershipControlsRule, PublicAccessBlockConfiguration,
        ServerSideEncryption, ServerSideEncryptionByDefault, ServerSideEncryptionConfiguration,
        ServerSideEncryptionRule, VersioningConfiguration,
    },
};
use holdfast_model::{Cancel, ImmutabilityMode, ProgressSink};

/// What differs now. Changes nothing.
///
/// # Errors
/// [`ProvisionError`]; [`ProvisionError::Denied`] names the right that reading needs.
pub async fn plan(clients: &AwsClients, desired: &AwsDesired) -> Result<Plan, ProvisionError> {
    Ok(plan_of(&differences(desired, &observe(clients, desired).await?)))
}

/// Mends what differs, and says what was done and what is left. Doing it again changes nothing. Stops between two steps where
/// `cancel` says so.
///
/// # Errors
/// [`ProvisionError`] of the step that did not work; those before it stay done.
pub async fn apply(
    clients: &AwsClients,
    desired: &AwsDesired,
    sink: &dyn ProgressSink,
    cancel: &Cancel,
) -> Result<Applied, ProvisionError> {
    let todo = differences(desired, &observe(clients, desired).await?);
    let done = mend_each(todo, sink, cancel, |step| async move { mend(clients, &step).await }).await?;
    let left = plan_of(&differences(desired, &observe(clients, desired).await?));
    Ok(Applied { done, left })
}

async fn mend(clients: &AwsClients, step: &Step) -> Result<(), ProvisionError> {
    let s3 = &clients.s3;
    match step {
        Step::Create { bucket, region } => create(s3, bucket, region).await,
        Step::Version { bucket } => {
            let c = VersioningConfiguration::builder().status(BucketVersioningStatus::Enabled).build();
            let done = s3.put_bucket_versioning().bucket(bucket).versioning_configuration(c).send().await;
            done.map(drop).map_err(|e| fault(&format!("keeping versions in {bucket}"), "s3:PutBucketVersioning", &e))
        }
        Step::Lock { bucket, retention } => {
            let done = s3.put_object_lock_configuration().bucket(bucket).object_lock_configuration(lock(*retention));
            done.send().await.map(drop).map_err(|e| {
                fault(&format!("setting Object Lock of {bucket}"), "s3:PutBucketObjectLockConfiguration", &e)
            })
        }
        Step::Own { bucket } => {
            let rule = OwnershipControlsRule::builder().object_ownership(ObjectOwnership::BucketOwnerEnforced).build();
            let c = OwnershipControls::builder().rules(rule.map_err(|e| bad(&e))?).build().map_err(|e| bad(&e))?;
            let done = s3.put_bucket_ownership_controls().bucket(bucket).ownership_controls(c).send().await;
            done.map(drop)
                .map_err(|e| fault(&format!("setting the ownership of {bucket}"), "s3:PutBucketOwnershipControls", &e))
        }
        Step::BlockPublic { bucket } => {
            let c = PublicAccessBlockConfiguration::builder()
                .block_public_acls(true)
                .ignore_public_acls(true)
                .block_public_policy(true)
                .restrict_public_buckets(true)
                .build();
            let done = s3.put_public_access_block().bucket(bucket).public_access_block_configuration(c).send().await;
            done.map(drop)
                .map_err(|e| fault(&format!("blocking public access to {bucket}"), "s3:PutBucketPublicAccessBlock", &e))
        }
        Step::Encrypt { bucket, encryption } => {
            let c = encrypted(encryption).map_err(|e| bad(&e))?;
            let done = s3.put_bucket_encryption().bucket(bucket).server_side_encryption_configuration(c).send().await;
            done.map(drop)
                .map_err(|e| fault(&format!("setting the encryption of {bucket}"), "s3:PutEncryptionConfiguration", &e))
        }
        Step::Policy { bucket, policy } => {
            let done = s3.put_bucket_policy().bucket(bucket).policy(policy.to_string()).send().await;
            done.map(drop).map_err(|e| fault(&format!("setting the policy of {bucket}"), "s3:PutBucketPolicy", &e))
        }
        Step::Lifecycle { bucket, rules } => {
            let ours = rules.ours.iter().map(super::lifecycle::Rule::rule);
            let all: Result<Vec<_>, _> = rules.others.iter().cloned().map(Ok).chain(ours).collect();
            let all = Some(all.map_err(|e| bad(&e))?);
            let c = BucketLifecycleConfiguration::builder().set_rules(all).build().map_err(|e| bad(&e))?;
            let put = s3.put_bucket_lifecycle_configuration().bucket(bucket).lifecycle_configuration(c);
            let done = put.set_transition_default_minimum_object_size(rules.smallest_moved.clone()).send().await;
            done.map(drop)
                .map_err(|e| fault(&format!("setting the lifecycle of {bucket}"), "s3:PutLifecycleConfiguration", &e))
        }
        Step::Replicate { bucket, rule, others } => {
            let c = rule.configuration(others).map_err(|e| bad(&e))?;
            let done = s3.put_bucket_replication().bucket(bucket).replication_configuration(c).send().await;
            done.map(drop).map_err(|e| {
                fault(&format!("setting the replication of {bucket}"), "s3:PutReplicationConfiguration", &e)
            })
        }
        Step::Table(step) => table::mend(&clients.dynamodb, step).await,
    }
}

fn bad(e: &BuildError) -> ProvisionError {
    ProvisionError::Invalid { what: "provision".into(), detail: e.to_string() }
}

async fn create(s3: &aws_sdk_s3::Client, bucket: &str, region: &str) -> Result<(), ProvisionError> {
    let mut call = s3
        .create_bucket()
        .bucket(bucket)
        .object_lock_enabled_for_bucket(true)
        .object_ownership(ObjectOwnership::BucketOwnerEnforced);
    // us-east-1 is the only region that must not be named.
    if region != "us-east-1" {
        let place = BucketLocationConstraint::from(region);
        call =
            call.create_bucket_configuration(CreateBucketConfiguration::builder().location_constraint(place).build());
    }
    match call.send().await {
        Ok(_) => Ok(()),
        // Made by a try whose answer was lost.
        Err(e) if code(&e) == Some("BucketAlreadyOwnedByYou") => Ok(()),
        Err(e) if code(&e) == Some("BucketAlreadyExists") => Err(ProvisionError::Refused {
            action: format!("making the bucket {bucket}"),
            reason: "BucketAlreadyExists".into(),
            detail:
                "another account has a bucket of that name; bucket names are unique in the world, so choose another"
                    .into(),
        }),
        Err(e) => Err(fault(&format!("making the bucket {bucket}"), "s3:CreateBucket", &e)),
    }
}

fn lock(r: DefaultRetention) -> ObjectLockConfiguration {
    let mode = match r.mode {
        ImmutabilityMode::Governance => ObjectLockRetentionMode::Governance,
        ImmutabilityMode::Compliance => ObjectLockRetentionMode::Compliance,
    };
    let default = S3Retention::builder().mode(mode).days(i32::try_from(r.days).unwrap_or(i32::MAX)).build();
    ObjectLockConfiguration::builder()
        .object_lock_enabled(ObjectLockEnabled::Enabled)
        .rule(ObjectLockRule::builder().default_retention(default).build())
        .build()
}

fn encrypted(e: &Encryption) -> Result<ServerSideEncryptionConfiguration, BuildError> {
    let by = match e {
        Encryption::S3 => ServerSideEncryptionByDefault::builder().sse_algorithm(ServerSideEncryption::Aes256),
        Encryption::Kms(key) => {
            ServerSideEncryptionByDefault::builder().sse_algorithm(ServerSideEncryption::AwsKms).kms_master_key_id(key)
        }
    };
    let rule = ServerSideEncryptionRule::builder()
        .apply_server_side_encryption_by_default(by.build()?)
        .bucket_key_enabled(matches!(e, Encryption::Kms(_)))
        .build();
    ServerSideEncryptionConfiguration::builder().rules(rule).build()
}
