use super::{
    TableDesired,
    lifecycle::{self, Rule},
    replication,
};
use crate::{DefaultRetention, Lifecycle, Principals, ProvisionError, Replication};
use holdfast_store::Buckets;
use serde_json::{Value, json};

/// What a configuration says about the cloud side on AWS.
#[derive(Debug, Clone, PartialEq)]
pub struct AwsSettings {
    /// Region of everything.
    pub region: String,
    /// The account, twelve digits, where it is known: makes policies narrower.
    pub account: Option<String>,
    /// Buckets; they may be one and the same. None where only the table lies on AWS.
    pub buckets: Option<Buckets>,
    /// ARN of the key; without one S3's own keys encrypt.
    pub kms_key: Option<String>,
    /// What the buckets put on objects without a retention of their own.
    pub retention: DefaultRetention,
    /// When recordings move.
    pub lifecycle: Lifecycle,
    /// Where everything is copied to.
    pub replication: Option<Replication>,
    /// The index's table.
    pub table: Option<String>,
    /// Who may take each role.
    pub principals: Principals,
}

impl AwsSettings {
    /// Each bucket with what it is for.
    pub(crate) fn uses(&self) -> Vec<(&String, &'static str)> {
        let Some(b) = &self.buckets else { return Vec::new() };
        vec![(&b.media, "media"), (&b.meta, "meta"), (&b.quarantine, "quarantine")]
    }
}

/// How a bucket encrypts what comes without a word on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Encryption {
    /// S3's own keys (`AES256`).
    S3,
    /// A key of KMS by its ARN, with a bucket key.
    Kms(String),
}

impl Encryption {
    pub(crate) fn words(&self) -> String {
        match self {
            Self::S3 => "AES256".into(),
            Self::Kms(key) => format!("aws:kms with {key} and a bucket key"),
        }
    }
}

/// One bucket as it must be.
#[derive(Debug, Clone, PartialEq)]
pub struct BucketDesired {
    /// Name.
    pub name: String,
    /// Region.
    pub region: String,
    /// What it is for: some of `media`, `meta`, `quarantine`.
    pub uses: Vec<&'static str>,
    /// Object Lock's default.
    pub retention: DefaultRetention,
    /// Default encryption.
    pub encryption: Encryption,
    /// Our statements of the bucket policy, each with a `Sid` that starts with `Holdfast`.
    pub statements: Vec<Value>,
    /// Our lifecycle rules.
    pub(crate) rules: Vec<Rule>,
    /// Our replication rule.
    pub(crate) replication: Option<replication::Rule>,
}

/// Everything on AWS as it must be.
#[derive(Debug, Clone, PartialEq)]
pub struct AwsDesired {
    /// Each bucket once.
    pub buckets: Vec<BucketDesired>,
    /// The table.
    pub table: Option<TableDesired>,
}

/// `aws`, `aws-cn`, `aws-us-gov`.
pub(crate) fn partition(region: &str) -> &'static str {
    match region {
        r if r.starts_with("cn-") => "aws-cn",
        r if r.starts_with("us-gov-") => "aws-us-gov",
        _ => "aws",
    }
}

pub(crate) fn bucket_arn(region: &str, bucket: &str) -> String {
    format!("arn:{}:s3:::{bucket}", partition(region))
}

/// What must be, from what is configured. Pure.
///
/// # Errors
/// [`ProvisionError::Invalid`] for a setting that no cloud would take, or that would leave evidence unprotected.
pub fn desired(s: &AwsSettings) -> Result<AwsDesired, ProvisionError> {
    check(s)?;
    let encryption = s.kms_key.clone().map_or(Encryption::S3, Encryption::Kms);
    let mut buckets: Vec<BucketDesired> = Vec::new();
    for (name, r#use) in s.uses() {
        match buckets.iter_mut().find(|b| b.name == *name) {
            Some(b) => b.uses.push(r#use),
            None => buckets.push(BucketDesired {
                name: name.clone(),
                region: s.region.clone(),
                uses: vec![r#use],
                retention: s.retention,
                encryption: encryption.clone(),
                statements: statements(&s.region, name, &encryption),
                rules: Vec::new(),
                replication: None,
            }),
        }
    }
    for b in &mut buckets {
        b.rules = lifecycle::rules(&s.lifecycle, b.uses.contains(&"media"));
        b.replication = s.replication.as_ref().and_then(|r| replication::rule(r, &s.region, &b.uses));
    }
    let table = s.table.as_ref().map(|name| TableDesired::new(name, s.kms_key.as_deref()));
    Ok(AwsDesired { buckets, table })
}

fn invalid(what: &str, detail: impl Into<String>) -> ProvisionError {
    ProvisionError::Invalid { what: what.into(), detail: detail.into() }
}

fn check(s: &AwsSettings) -> Result<(), ProvisionError> {
    if s.region.is_empty() {
        return Err(invalid("aws.region", "it is empty; name the region in which the archive lies"));
    }
    for (name, _) in s.uses() {
        let fits = (3..=63).contains(&name.len())
            && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'.'))
            && name.starts_with(|c: char| c.is_ascii_alphanumeric())
            && name.ends_with(|c: char| c.is_ascii_alphanumeric());
        if !fits {
            let detail =
                format!("`{name}` is no bucket name: 3 to 63 of a-z, 0-9, `-` and `.`, a letter or digit at both ends");
            return Err(invalid("archive.s3", detail));
        }
    }
    if s.kms_key.as_deref().is_some_and(|k| !(k.starts_with("arn:") && k.contains(":kms:") && k.contains(":key/"))) {
        let detail = "write the key's full ARN (arn:aws:kms:…:key/…): policies compare it, and an alias can be pointed at another key";
        return Err(invalid("archive.s3.kms_key", detail));
    }
    if s.retention.days == 0 || s.retention.days > 36_500 {
        return Err(invalid("provision.retention.days", "between 1 and 36500"));
    }
    if let Some(r) = &s.replication
        && s.kms_key.is_some()
        && r.kms_key.is_none()
    {
        let detail = "objects encrypted with a key of KMS are only copied where the destination's key is named";
        return Err(invalid("provision.replication.kms_key", detail));
    }
    lifecycle::check(&s.lifecycle)
}

/// Denies whatever would reach the bucket without TLS 1.2 or put an object there under another key. A request without a word on
/// encryption is let through, as the bucket's default then encrypts it with the right key. (In a `Deny`, a negated operator also
/// matches where its key is absent; hence the `Null` beside each.)
fn statements(region: &str, bucket: &str, encryption: &Encryption) -> Vec<Value> {
    let bucket_arn = bucket_arn(region, bucket);
    let objects = format!("{bucket_arn}/*");
    let deny = |sid: &str, action: &str, resource: Value, condition: Value| json!({ "Sid": sid, "Effect": "Deny", "Principal": "*", "Action": action, "Resource": resource, "Condition": condition });
    let all = json!([bucket_arn, objects]);
    let algorithm = if matches!(encryption, Encryption::S3) { "AES256" } else { "aws:kms" };
    let mut out = vec![
        deny("HoldfastTlsOnly", "s3:*", all.clone(), json!({ "Bool": { "aws:SecureTransport": "false" } })),
        deny("HoldfastTls12", "s3:*", all, json!({ "NumericLessThan": { "s3:TlsVersion": "1.2" } })),
        deny(
            "HoldfastEncryption",
            "s3:PutObject",
            json!(objects),
            json!({
                "Null": { "s3:x-amz-server-side-encryption": "false" },
                "StringNotEquals": { "s3:x-amz-server-side-encryption": algorithm },
            }),
        ),
        deny(
            "HoldfastNoForeignKeys",
            "s3:PutObject",
            json!(objects),
            json!({ "Null": { "s3:x-amz-server-side-encryption-customer-algorithm": "false" } }),
        ),
    ];
    if let Encryption::Kms(key) = encryption {
        out.push(deny(
            "HoldfastKey",
            "s3:PutObject",
            json!(objects),
            json!({
                "Null": { "s3:x-amz-server-side-encryption-aws-kms-key-id": "false" },
                "StringNotEquals": { "s3:x-amz-server-side-encryption-aws-kms-key-id": key },
            }),
        ));
    }
    out
}

#[cfg(test)]
pub(crate) fn tests_settings() -> AwsSettings {
    AwsSettings {
        region: "eu-central-1".into(),
        account: Some("123456789012".into()),
        buckets: Some(Buckets {
            media: "acme-media".into(),
            meta: "acme-meta".into(),
            quarantine: "acme-aside".into(),
        }),
        kms_key: Some("arn:aws:kms:eu-central-1:123456789012:key/00000000-1111-2222-3333-444444444444".into()),
        retention: DefaultRetention::default(),
        lifecycle: Lifecycle::default(),
        replication: None,
        table: Some("holdfast".into()),
        principals: Principals::default(),
    }
}
