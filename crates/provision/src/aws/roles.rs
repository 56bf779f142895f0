//! Least rights for the three roles: exactly the calls that the code makes, and an explicit `Deny` of whatever could take evidence
//! away, so that another policy of the same principal cannot allow it by mistake.

use super::{
    AwsSettings,
    desired::{bucket_arn, partition},
};
use crate::{MEDIA_PREFIX, PREFLIGHT_PREFIX};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// Who a policy is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Legal staff and QA managers.
    Reader,
    /// The archiver.
    Archiver,
    /// Who provisions.
    Admin,
}

impl Role {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Reader, Self::Archiver, Self::Admin];

    /// Name of the policy.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Reader => "holdfast-reader",
            Self::Archiver => "holdfast-archiver",
            Self::Admin => "holdfast-admin",
        }
    }
}

/// Reading an object with all its facts, version by version.
const READ: &[&str] = &[
    "s3:GetObject",
    "s3:GetObjectVersion",
    "s3:GetObjectTagging",
    "s3:GetObjectVersionTagging",
    "s3:GetObjectRetention",
    "s3:GetObjectLegalHold",
];

/// Listing and the settings that preflight looks at.
const LOOK: &[&str] = &[
    "s3:ListBucket",
    "s3:ListBucketVersions",
    "s3:GetBucketVersioning",
    "s3:GetBucketObjectLockConfiguration",
    "s3:GetEncryptionConfiguration",
    "s3:GetLifecycleConfiguration",
];

/// Creating an object with tags, retention and hold in its own write, by parts where it is large.
const CREATE: &[&str] = &[
    "s3:PutObject",
    "s3:PutObjectTagging",
    "s3:PutObjectRetention",
    "s3:PutObjectLegalHold",
    "s3:AbortMultipartUpload",
];

/// Everything that could take evidence away or open the way to it.
const NEVER: &[&str] = &[
    "s3:DeleteObject",
    "s3:DeleteObjectVersion",
    "s3:DeleteObjectTagging",
    "s3:DeleteObjectVersionTagging",
    "s3:BypassGovernanceRetention",
    "s3:DeleteBucket",
    "s3:DeleteBucketPolicy",
    "s3:PutObjectAcl",
    "s3:PutObjectVersionAcl",
];

/// The index: reading, conditional writes, transactions; leases end by a conditional delete of their own item.
const TABLE: &[&str] = &[
    "dynamodb:BatchGetItem",
    "dynamodb:BatchWriteItem",
    "dynamodb:ConditionCheckItem",
    "dynamodb:DeleteItem",
    "dynamodb:DescribeContinuousBackups",
    "dynamodb:DescribeTable",
    "dynamodb:DescribeTimeToLive",
    "dynamodb:GetItem",
    "dynamodb:PutItem",
    "dynamodb:Query",
    "dynamodb:UpdateItem",
];

/// What `provision` reads and sets of a bucket.
const SETTINGS: &[&str] = &[
    "s3:CreateBucket",
    "s3:GetBucketOwnershipControls",
    "s3:GetBucketPolicy",
    "s3:GetBucketPublicAccessBlock",
    "s3:GetReplicationConfiguration",
    "s3:PutBucketObjectLockConfiguration",
    "s3:PutBucketOwnershipControls",
    "s3:PutBucketPolicy",
    "s3:PutBucketPublicAccessBlock",
    "s3:PutBucketVersioning",
    "s3:PutEncryptionConfiguration",
    "s3:PutLifecycleConfiguration",
    "s3:PutReplicationConfiguration",
];

/// What `provision` reads and sets of the table.
const TABLE_SETTINGS: &[&str] =
    &["dynamodb:CreateTable", "dynamodb:UpdateContinuousBackups", "dynamodb:UpdateTable", "dynamodb:UpdateTimeToLive"];

/// The three policies. Pure.
#[must_use]
pub fn policies(s: &AwsSettings) -> Vec<(Role, Value)> {
    Role::ALL.into_iter().map(|role| (role, policy(s, role))).collect()
}

struct Names {
    buckets: Vec<String>,
    objects: Vec<String>,
    media_objects: Vec<String>,
    ledger: Vec<String>,
    condition: Value,
}

fn names(s: &AwsSettings) -> Names {
    let b = s.buckets.as_ref();
    let mut all: Vec<&String> = b.into_iter().flat_map(|b| [&b.media, &b.meta, &b.quarantine]).collect();
    all.sort();
    all.dedup();
    let mut condition = Map::from_iter([("Bool".to_owned(), json!({ "aws:SecureTransport": "true" }))]);
    if let Some(account) = &s.account {
        // A bucket of that name in another account is not ours, whoever owns it some day.
        condition.insert("StringEquals".into(), json!({ "aws:ResourceAccount": account }));
    }
    Names {
        buckets: all.iter().map(|b| bucket_arn(&s.region, b)).collect(),
        objects: all.iter().map(|b| format!("{}/*", bucket_arn(&s.region, b))).collect(),
        media_objects: b.iter().map(|b| format!("{}/{MEDIA_PREFIX}*", bucket_arn(&s.region, &b.media))).collect(),
        ledger: b.iter().map(|b| format!("{}/ledger/*", bucket_arn(&s.region, &b.meta))).collect(),
        condition: Value::Object(condition),
    }
}

fn allow(sid: &str, actions: &[&str], resources: Value, condition: &Value) -> Value {
    json!({ "Sid": sid, "Effect": "Allow", "Action": actions, "Resource": resources, "Condition": condition })
}

fn policy(s: &AwsSettings, role: Role) -> Value {
    let n = names(s);
    let mut statements = if s.buckets.is_some() { objects(s, &n, role) } else { Vec::new() };
    if let Some(table) = &s.table {
        let account = s.account.as_deref().unwrap_or("*");
        let arn = format!("arn:{}:dynamodb:{}:{account}:table/{table}", partition(&s.region), s.region);
        let tls = json!({ "Bool": { "aws:SecureTransport": "true" } });
        statements.push(allow("Index", TABLE, json!([arn, format!("{arn}/index/*")]), &tls));
        if role == Role::Admin {
            statements.push(allow("IndexSettings", TABLE_SETTINGS, json!(arn), &tls));
        }
    }
    if let Some(key) = &s.kms_key {
        // Only through the services that keep the data: nobody decrypts anything beside them.
        let via = json!({ "StringEquals": { "kms:ViaService": [
            format!("s3.{}.amazonaws.com", s.region), format!("dynamodb.{}.amazonaws.com", s.region) ] } });
        statements.push(allow("Key", &["kms:Decrypt", "kms:GenerateDataKey"], json!(key), &via));
        let tls = json!({ "Bool": { "aws:SecureTransport": "true" } });
        statements.push(allow("KeyState", &["kms:DescribeKey"], json!(key), &tls));
        if role == Role::Admin && s.table.is_some() {
            // DynamoDB takes a grant on the key when a table is made with it.
            statements.push(allow(
                "KeyGrant",
                &["kms:CreateGrant"],
                json!(key),
                &json!({ "Bool": { "kms:GrantIsForAWSResource": "true" } }),
            ));
        }
    }
    if s.buckets.is_some() {
        statements.push(never(&n, role));
    }
    json!({ "Version": "2012-10-17", "Statement": statements })
}

/// What each role may do with buckets and objects.
fn objects(s: &AwsSettings, n: &Names, role: Role) -> Vec<Value> {
    let ledger = probes(n, &n.ledger);
    let restore = ["s3:RestoreObject"];
    let mut out = vec![allow("Look", LOOK, json!(n.buckets), &n.condition)];
    match role {
        Role::Reader => {
            out.push(allow("Read", READ, json!(n.objects), &n.condition));
            out.push(allow("Rehydrate", &restore, probes(n, &n.media_objects), &n.condition));
            out.push(allow("Hold", &["s3:PutObjectLegalHold"], json!(n.objects), &n.condition));
            // Tiles and checkpoints of the ledger, which every action on evidence adds to; and preflight.
            out.push(allow("Ledger", CREATE, ledger, &n.condition));
        }
        Role::Archiver => {
            out.push(allow("Read", READ, json!(n.objects), &n.condition));
            out.push(allow("Rehydrate", &restore, probes(n, &n.media_objects), &n.condition));
            out.push(allow("Create", CREATE, json!(n.objects), &n.condition));
        }
        Role::Admin => {
            // No recording is read or changed with this one.
            out.push(allow("Read", READ, ledger.clone(), &n.condition));
            out.push(allow("Rehydrate", &restore, probes(n, &[]), &n.condition));
            out.push(allow("Ledger", CREATE, ledger, &n.condition));
            out.push(allow("Settings", SETTINGS, json!(n.buckets), &n.condition));
            if let Some(r) = &s.replication {
                let service = json!({ "StringEquals": { "iam:PassedToService": "s3.amazonaws.com" } });
                out.push(allow("Replicate", &["iam:PassRole"], json!(r.role_arn), &service));
            }
        }
    }
    out
}

/// These resources, and preflight's own prefix in every bucket.
fn probes(n: &Names, own: &[String]) -> Value {
    json!(own.iter().cloned().chain(n.buckets.iter().map(|b| format!("{b}/{PREFLIGHT_PREFIX}*"))).collect::<Vec<_>>())
}

fn never(n: &Names, role: Role) -> Value {
    let mut actions: Vec<&str> = NEVER.to_vec();
    if role != Role::Admin {
        actions.extend(SETTINGS.iter().filter(|a| a.starts_with("s3:Put") || **a == "s3:CreateBucket"));
    }
    let all: Vec<&String> = n.buckets.iter().chain(&n.objects).collect();
    json!({ "Sid": "Never", "Effect": "Deny", "Action": actions, "Resource": all })
}

/// The policy of the separate erasure command, for GOVERNANCE alone. It is never emitted with the others: a person asks for it by
/// name, attaches it to a principal of its own, with multi-factor authentication, and takes it away afterwards.
#[must_use]
pub fn erasure_policy(s: &AwsSettings) -> Value {
    let n = names(s);
    let mut condition = n.condition.clone();
    if let Some(bools) = condition.get_mut("Bool").and_then(Value::as_object_mut) {
        bools.insert("aws:MultiFactorAuthPresent".into(), json!("true"));
    }
    json!({ "Version": "2012-10-17", "Statement": [
        allow("Find", &["s3:ListBucketVersions", "s3:GetBucketObjectLockConfiguration"], json!(n.buckets), &n.condition),
        allow("Erase", &["s3:GetObjectVersion", "s3:GetObjectRetention", "s3:GetObjectLegalHold", "s3:DeleteObjectVersion",
            "s3:BypassGovernanceRetention"], json!(n.objects), &condition),
    ] })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_role_may_erase_or_bypass_and_none_says_star() {
        let s = super::super::desired::tests_settings();
        for (role, policy) in policies(&s) {
            for statement in policy["Statement"].as_array().unwrap() {
                let actions: Vec<&str> =
                    statement["Action"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
                assert!(actions.iter().all(|a| !a.contains('*')), "{role:?}");
                assert_ne!(statement["Resource"], json!("*"));
                if statement["Effect"] == "Allow" {
                    for a in NEVER {
                        assert!(!actions.contains(a), "{role:?} {a}");
                    }
                    assert!(statement["Condition"].is_object(), "{role:?}: every right has its condition");
                } else {
                    assert!(NEVER.iter().all(|a| actions.contains(a)), "{role:?}");
                }
            }
        }
        assert!(erasure_policy(&s).to_string().contains("s3:BypassGovernanceRetention"));
    }
}
