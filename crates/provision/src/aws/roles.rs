//! Least rights for the three roles: what the calls of each need, and an explicit `Deny` of whatever could take evidence away, so
//! that another policy of the same principal cannot allow it by mistake.

use super::{
    AwsSettings,
    desired::{bucket_arn, partition},
};
use crate::{MEDIA_PREFIX, PREFLIGHT_PREFIX};
use serde_json::{Map, Value, json};

/// Who a policy is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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

/// Creating an object with tags and retention in its own write, by parts where it is large. Nothing is created under a hold.
const CREATE: &[&str] = &["s3:PutObject", "s3:PutObjectTagging", "s3:PutObjectRetention", "s3:AbortMultipartUpload"];

/// What preflight tries beside creating and reading.
const PROBE: &[&str] = &["s3:PutObjectLegalHold", "s3:RestoreObject"];

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

/// The index, the work and the ledger's head: reading, conditional writes, transactions. Transactions take pointers away, and
/// preflight its own item; that is what `DeleteItem` is for.
const TABLE: &[&str] = &[
    "dynamodb:BatchGetItem",
    "dynamodb:BatchWriteItem",
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
        statements.push(allow(
            "Key",
            &["kms:Decrypt", "kms:GenerateDataKey"],
            json!(key),
            &via(s, &["s3", "dynamodb"]),
        ));
        let tls = json!({ "Bool": { "aws:SecureTransport": "true" } });
        statements.push(allow("KeyState", &["kms:DescribeKey"], json!(key), &tls));
        if role == Role::Admin && s.table.is_some() {
            // DynamoDB checks these of whoever makes a table with the key, and takes a grant on it.
            // https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/encryption.usagenotes.html
            let of_table =
                ["kms:Encrypt", "kms:GenerateDataKeyWithoutPlaintext", "kms:ReEncryptFrom", "kms:ReEncryptTo"];
            statements.push(allow("KeyOfTable", &of_table, json!(key), &via(s, &["dynamodb"])));
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

/// That the key is used through these services alone. In China both endings are named: its endpoints end in `.com.cn`, and which
/// of the two KMS compares there is not documented.
fn via(s: &AwsSettings, services: &[&str]) -> Value {
    let endings: &[&str] =
        if partition(&s.region) == "aws-cn" { &["amazonaws.com.cn", "amazonaws.com"] } else { &["amazonaws.com"] };
    let all: Vec<String> =
        services.iter().flat_map(|v| endings.iter().map(move |e| format!("{v}.{}.{e}", s.region))).collect();
    json!({ "StringEquals": { "kms:ViaService": all } })
}

/// What each role may do with buckets and objects.
fn objects(s: &AwsSettings, n: &Names, role: Role) -> Vec<Value> {
    let ledger = probes(n, &n.ledger);
    let mut out = vec![allow("Look", LOOK, json!(n.buckets), &n.condition)];
    match role {
        Role::Reader => {
            out.push(allow("Read", READ, json!(n.objects), &n.condition));
            out.push(allow("Rehydrate", &["s3:RestoreObject"], probes(n, &n.media_objects), &n.condition));
            out.push(allow("Hold", &["s3:PutObjectLegalHold"], json!(n.objects), &n.condition));
            // Tiles and checkpoints of the ledger, which every action on evidence adds to; and preflight.
            out.push(allow("Ledger", CREATE, ledger, &n.condition));
        }
        Role::Archiver => {
            out.push(allow("Read", READ, json!(n.objects), &n.condition));
            out.push(allow("Create", CREATE, json!(n.objects), &n.condition));
            // What it took in it can neither release nor order back.
            out.push(allow("Probe", PROBE, probes(n, &[]), &n.condition));
        }
        Role::Admin => {
            // No recording is read or changed with this one.
            out.push(allow("Read", READ, ledger.clone(), &n.condition));
            out.push(allow("Probe", PROBE, probes(n, &[]), &n.condition));
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
    }

    fn statement(s: &AwsSettings, role: Role, sid: &str) -> Option<Value> {
        let (_, policy) = policies(s).into_iter().find(|(r, _)| *r == role)?;
        policy["Statement"].as_array()?.iter().find(|v| v["Sid"] == sid).cloned()
    }

    #[test]
    fn a_table_with_a_key_can_be_made_by_the_admin_through_dynamodb_alone() {
        let mut s = super::super::desired::tests_settings();
        let of_table = statement(&s, Role::Admin, "KeyOfTable").unwrap();
        for right in ["Encrypt", "ReEncryptFrom", "ReEncryptTo", "GenerateDataKeyWithoutPlaintext"] {
            assert!(of_table["Action"].to_string().contains(&format!("\"kms:{right}\"")), "{of_table}");
        }
        let via = |v: &Value| v["Condition"]["StringEquals"]["kms:ViaService"].clone();
        assert_eq!(via(&of_table), json!(["dynamodb.eu-central-1.amazonaws.com"]));
        assert!(statement(&s, Role::Archiver, "KeyOfTable").is_none());
        s.region = "cn-north-1".into();
        let china = via(&statement(&s, Role::Reader, "Key").unwrap()).to_string();
        assert!(china.contains("\"s3.cn-north-1.amazonaws.com.cn\""), "{china}");
        s.table = None;
        assert!(statement(&s, Role::Admin, "KeyOfTable").is_none());
    }

    #[test]
    fn without_an_account_nothing_is_narrowed_to_one() {
        let mut s = super::super::desired::tests_settings();
        s.account = None;
        for (role, policy) in policies(&s) {
            assert!(!policy.to_string().contains("aws:ResourceAccount"), "{role:?}");
        }
    }
}
