//! CloudFormation, from the same desired state that `apply` works on.

use super::{
    AwsDesired, AwsSettings, BucketDesired, Encryption, Projection, Role, TableDesired, desired, desired::bucket_arn,
    lifecycle::Rule, policies,
};
use crate::{Document, ProvisionError, yaml};
use holdfast_model::ImmutabilityMode;
use serde_json::{Map, Value, json};

/// The template (YAML and JSON) and a policy for each role, as files to review. Talks to nobody.
///
/// # Errors
/// [`ProvisionError::Invalid`] as [`desired`].
pub fn emit(settings: &AwsSettings) -> Result<Vec<Document>, ProvisionError> {
    let desired = desired(settings)?;
    let template = template(settings, &desired);
    let mut out = vec![
        Document { name: "holdfast.cfn.yaml".into(), text: yaml(&template) },
        Document::json("holdfast.cfn.json", &template),
    ];
    for (role, policy) in policies(settings) {
        out.push(Document::json(&format!("{}.iam.json", role.name()), &policy));
    }
    if settings.replication.is_some() {
        out.push(Document::json("holdfast-replication.iam.json", &replication_policy(settings, &desired)));
    }
    Ok(out)
}

fn template(s: &AwsSettings, d: &AwsDesired) -> Value {
    let mut resources = Map::new();
    for b in &d.buckets {
        let name = logical(b);
        resources.insert(format!("{name}Bucket"), bucket(b));
        let policy = json!({ "Version": "2012-10-17", "Statement": b.statements });
        let properties = json!({ "Bucket": { "Ref": format!("{name}Bucket") }, "PolicyDocument": policy });
        resources.insert(format!("{name}Policy"), json!({ "Type": "AWS::S3::BucketPolicy", "Properties": properties }));
    }
    if let Some(t) = &d.table {
        resources.insert("Index".into(), table(t));
    }
    for (role, document) in policies(s) {
        let (name, principals) = match role {
            Role::Reader => ("Reader", &s.principals.reader),
            Role::Archiver => ("Archiver", &s.principals.archiver),
            Role::Admin => ("Admin", &s.principals.admin),
        };
        let properties = json!({ "Description": describe(role), "PolicyDocument": document });
        resources
            .insert(format!("{name}Rights"), json!({ "Type": "AWS::IAM::ManagedPolicy", "Properties": properties }));
        if !principals.is_empty() {
            let trust = json!({ "Version": "2012-10-17", "Statement": [{
                "Effect": "Allow", "Principal": { "AWS": principals }, "Action": "sts:AssumeRole" }] });
            let properties = json!({
                "Description": describe(role),
                "AssumeRolePolicyDocument": trust,
                "ManagedPolicyArns": [{ "Ref": format!("{name}Rights") }],
            });
            resources.insert(format!("{name}Role"), json!({ "Type": "AWS::IAM::Role", "Properties": properties }));
        }
    }
    json!({
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": "The cloud side of a Holdfast archive: locked buckets, index table, least rights.",
        "Resources": resources,
    })
}

fn describe(role: Role) -> &'static str {
    match role {
        Role::Reader => "Holdfast: read, rehydrate and hold recordings",
        Role::Archiver => "Holdfast: create recordings with their retention, and read them back",
        Role::Admin => "Holdfast: provision the archive",
    }
}

fn logical(b: &BucketDesired) -> &'static str {
    match b.uses.first() {
        Some(&"media") => "Media",
        Some(&"meta") => "Meta",
        _ => "Quarantine",
    }
}

fn bucket(b: &BucketDesired) -> Value {
    let mode = match b.retention.mode {
        ImmutabilityMode::Governance => "GOVERNANCE",
        ImmutabilityMode::Compliance => "COMPLIANCE",
    };
    let by = match &b.encryption {
        Encryption::S3 => json!({ "SSEAlgorithm": "AES256" }),
        Encryption::Kms(key) => json!({ "SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key }),
    };
    let mut properties = json!({
        "BucketName": b.name,
        "ObjectLockEnabled": true,
        "ObjectLockConfiguration": {
            "ObjectLockEnabled": "Enabled",
            "Rule": { "DefaultRetention": { "Mode": mode, "Days": b.retention.days } },
        },
        "VersioningConfiguration": { "Status": "Enabled" },
        "OwnershipControls": { "Rules": [{ "ObjectOwnership": "BucketOwnerEnforced" }] },
        "PublicAccessBlockConfiguration": {
            "BlockPublicAcls": true, "IgnorePublicAcls": true, "BlockPublicPolicy": true, "RestrictPublicBuckets": true,
        },
        "BucketEncryption": { "ServerSideEncryptionConfiguration": [{
            "ServerSideEncryptionByDefault": by,
            "BucketKeyEnabled": matches!(b.encryption, Encryption::Kms(_)),
        }] },
        "LifecycleConfiguration": { "Rules": b.rules.iter().map(rule).collect::<Vec<_>>() },
    });
    if let Some(r) = &b.replication {
        let mut destination = json!({
            "Bucket": r.destination,
            "ReplicationTime": { "Status": "Enabled", "Time": { "Minutes": 15 } },
            "Metrics": { "Status": "Enabled", "EventThreshold": { "Minutes": 15 } },
        });
        let mut rule = json!({
            "Id": super::replication::ID,
            "Priority": 1,
            "Status": "Enabled",
            "Filter": { "Prefix": "" },
            "DeleteMarkerReplication": { "Status": "Enabled" },
        });
        if let Some(account) = &r.account {
            destination["Account"] = json!(account);
        }
        if let Some(key) = &r.kms_key {
            destination["EncryptionConfiguration"] = json!({ "ReplicaKmsKeyID": key });
            rule["SourceSelectionCriteria"] = json!({ "SseKmsEncryptedObjects": { "Status": "Enabled" } });
        }
        rule["Destination"] = destination;
        properties["ReplicationConfiguration"] = json!({ "Role": r.role, "Rules": [rule] });
    }
    // A stack that is deleted or rebuilt leaves the evidence where it is.
    json!({ "Type": "AWS::S3::Bucket", "DeletionPolicy": "Retain", "UpdateReplacePolicy": "Retain", "Properties": properties })
}

fn rule(r: &Rule) -> Value {
    let mut v = json!({ "Id": r.id, "Status": "Enabled" });
    if !r.prefix.is_empty() {
        v["Prefix"] = json!(r.prefix);
    }
    if !r.transitions.is_empty() {
        let all: Vec<Value> =
            r.transitions.iter().map(|(n, c)| json!({ "TransitionInDays": n, "StorageClass": c })).collect();
        v["Transitions"] = json!(all);
    }
    if !r.noncurrent_transitions.is_empty() {
        let all: Vec<Value> =
            r.noncurrent_transitions.iter().map(|(n, c)| json!({ "TransitionInDays": n, "StorageClass": c })).collect();
        v["NoncurrentVersionTransitions"] = json!(all);
    }
    if let Some(n) = r.expire_days {
        v["ExpirationInDays"] = json!(n);
    }
    if let Some(n) = r.noncurrent_expire_days {
        v["NoncurrentVersionExpiration"] = json!({ "NoncurrentDays": n });
    }
    if let Some(n) = r.abort_uploads_days {
        v["AbortIncompleteMultipartUpload"] = json!({ "DaysAfterInitiation": n });
    }
    v
}

fn keys(partition: &str, sort: Option<&str>) -> Value {
    let mut all = vec![json!({ "AttributeName": partition, "KeyType": "HASH" })];
    all.extend(sort.map(|s| json!({ "AttributeName": s, "KeyType": "RANGE" })));
    json!(all)
}

fn table(t: &TableDesired) -> Value {
    let indexes: Vec<Value> = t
        .indexes
        .iter()
        .map(|i| {
            let projection = match &i.projection {
                Projection::All => json!({ "ProjectionType": "ALL" }),
                Projection::KeysOnly => json!({ "ProjectionType": "KEYS_ONLY" }),
                Projection::Include(names) => json!({ "ProjectionType": "INCLUDE", "NonKeyAttributes": names }),
            };
            json!({ "IndexName": i.name, "KeySchema": keys(&i.partition_key, i.sort_key.as_deref()), "Projection": projection })
        })
        .collect();
    let attributes: Vec<Value> =
        t.attributes.iter().map(|(n, k)| json!({ "AttributeName": n, "AttributeType": k })).collect();
    let mut properties = json!({
        "TableName": t.name,
        "BillingMode": "PAY_PER_REQUEST",
        "DeletionProtectionEnabled": true,
        "PointInTimeRecoverySpecification": { "PointInTimeRecoveryEnabled": true },
        "AttributeDefinitions": attributes,
        "KeySchema": keys(&t.partition_key, t.sort_key.as_deref()),
    });
    if !indexes.is_empty() {
        properties["GlobalSecondaryIndexes"] = json!(indexes);
    }
    if let Some(a) = &t.ttl_attribute {
        properties["TimeToLiveSpecification"] = json!({ "AttributeName": a, "Enabled": true });
    }
    if let Some(key) = &t.kms_key {
        properties["SSESpecification"] = json!({ "SSEEnabled": true, "SSEType": "KMS", "KMSMasterKeyId": key });
    }
    json!({ "Type": "AWS::DynamoDB::Table", "DeletionPolicy": "Retain", "UpdateReplacePolicy": "Retain", "Properties": properties })
}

/// What the role that copies needs, with its retention and tags.
fn replication_policy(s: &AwsSettings, d: &AwsDesired) -> Value {
    let copied: Vec<&BucketDesired> = d.buckets.iter().filter(|b| b.replication.is_some()).collect();
    let arns: Vec<String> = copied.iter().map(|b| bucket_arn(&s.region, &b.name)).collect();
    let objects: Vec<String> = arns.iter().map(|a| format!("{a}/*")).collect();
    let targets: Vec<String> =
        copied.iter().filter_map(|b| Some(format!("{}/*", b.replication.as_ref()?.destination))).collect();
    let mut statements = vec![
        json!({ "Sid": "Source", "Effect": "Allow", "Action": ["s3:GetReplicationConfiguration", "s3:ListBucket"], "Resource": arns }),
        json!({ "Sid": "Versions", "Effect": "Allow", "Resource": objects, "Action": ["s3:GetObjectVersionForReplication",
            "s3:GetObjectVersionAcl", "s3:GetObjectVersionTagging", "s3:GetObjectRetention", "s3:GetObjectLegalHold"] }),
        json!({ "Sid": "Copies", "Effect": "Allow", "Resource": targets,
            "Action": ["s3:ReplicateObject", "s3:ReplicateDelete", "s3:ReplicateTags"] }),
    ];
    if let Some(key) = &s.kms_key {
        statements.push(json!({ "Sid": "Decrypt", "Effect": "Allow", "Action": ["kms:Decrypt"], "Resource": key }));
    }
    if let Some(key) = s.replication.as_ref().and_then(|r| r.kms_key.as_ref()) {
        let actions = ["kms:Encrypt", "kms:GenerateDataKey"];
        statements.push(json!({ "Sid": "Encrypt", "Effect": "Allow", "Action": actions, "Resource": key }));
    }
    json!({ "Version": "2012-10-17", "Statement": statements })
}
