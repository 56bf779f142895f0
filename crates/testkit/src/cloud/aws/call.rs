//! What a request asks for: service, operation and object, by the rules of each protocol.

use axum::http::{HeaderMap, Method, request::Parts};
use percent_encoding::percent_decode_str;

/// How a service words its answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    /// Paths and XML.
    S3,
    /// `X-Amz-Target` and JSON: DynamoDB, KMS, SQS.
    Json,
    /// `Action=` forms and XML: STS, IAM.
    Query,
}

/// One call.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub(super) protocol: Protocol,
    /// `s3`, `dynamodb`, `kms`, ... as in IAM actions.
    pub(super) service: String,
    /// As the API names it: `PutObject`, `TransactWriteItems`.
    pub(super) op: String,
    pub(super) bucket: String,
    pub(super) key: String,
    /// Decoded names and values.
    pub(super) query: Vec<(String, String)>,
    /// What fault rules look at: `bucket/key`, or the body of the other protocols.
    pub(super) subject: String,
}

impl Call {
    /// Reads a request; `body` is empty for S3, whose bodies stream.
    pub(super) fn of(parts: &Parts, body: &[u8]) -> Self {
        let query: Vec<_> =
            parts.uri.query().unwrap_or_default().split('&').filter(|p| !p.is_empty()).map(pair).collect();
        let (protocol, service) = service_of(&parts.headers, &query);
        let mut call = Self {
            protocol,
            service,
            op: String::new(),
            bucket: String::new(),
            key: String::new(),
            query,
            subject: String::from_utf8_lossy(body).into_owned(),
        };
        match protocol {
            Protocol::Json => {
                let target = header(&parts.headers, "x-amz-target");
                target.rsplit('.').next().unwrap_or_default().clone_into(&mut call.op);
            }
            Protocol::Query => {
                let form: Vec<_> = call.subject.split('&').map(pair).collect();
                let named = form.iter().chain(&call.query).find(|(n, _)| n == "Action");
                call.op = named.map(|(_, v)| v.clone()).unwrap_or_default();
            }
            Protocol::S3 => {
                let path = parts.uri.path().trim_start_matches('/');
                let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
                call.bucket = decoded(bucket);
                call.key = decoded(key);
                call.op = s3_operation(&parts.method, &parts.headers, &call).to_owned();
                call.subject = format!("{}/{}", call.bucket, call.key);
            }
        }
        call
    }

    /// The protocol of a request whose body was not read yet.
    pub(super) fn protocol_of(parts: &Parts) -> Protocol {
        let query: Vec<_> = parts.uri.query().unwrap_or_default().split('&').map(pair).collect();
        service_of(&parts.headers, &query).0
    }

    /// A parameter of the query; the empty string for one without a value.
    pub(super) fn param(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    fn has(&self, name: &str) -> bool {
        self.param(name).is_some()
    }

    /// Whether the request's body is what matters, rather than the answer's.
    pub(super) fn uploads(&self) -> bool {
        matches!(self.op.as_str(), "PutObject" | "UploadPart")
    }

    /// The right that IAM wants for it.
    pub(super) fn action(&self) -> String {
        let versioned = self.has("versionId");
        let right = match self.op.as_str() {
            "HeadObject" | "GetObject" if versioned => "GetObjectVersion",
            "HeadObject" | "GetObjectAttributes" => "GetObject",
            "HeadBucket" | "ListObjects" | "ListObjectsV2" => "ListBucket",
            "ListObjectVersions" => "ListBucketVersions",
            "ListBuckets" => "ListAllMyBuckets",
            "CreateMultipartUpload" | "UploadPart" | "CompleteMultipartUpload" | "CopyObject" | "UploadPartCopy" => {
                "PutObject"
            }
            "ListParts" => "ListMultipartUploadParts",
            "ListMultipartUploads" => "ListBucketMultipartUploads",
            "DeleteObject" if versioned => "DeleteObjectVersion",
            "DeleteObjects" => "DeleteObject",
            "GetObjectLockConfiguration" => "GetBucketObjectLockConfiguration",
            "PutObjectLockConfiguration" => "PutBucketObjectLockConfiguration",
            "GetBucketLifecycleConfiguration" => "GetLifecycleConfiguration",
            "PutBucketLifecycleConfiguration" => "PutLifecycleConfiguration",
            "GetBucketEncryption" => "GetEncryptionConfiguration",
            "PutBucketEncryption" => "PutEncryptionConfiguration",
            "GetBucketReplication" => "GetReplicationConfiguration",
            "PutBucketReplication" => "PutReplicationConfiguration",
            "GetPublicAccessBlock" => "GetBucketPublicAccessBlock",
            "PutPublicAccessBlock" => "PutBucketPublicAccessBlock",
            other => other,
        };
        format!("{}:{right}", self.service)
    }
}

/// What a write needs beside the right to write, by what it carries.
pub(super) fn rights_of_headers(headers: &HeaderMap) -> Vec<String> {
    let rights = [
        ("x-amz-tagging", "s3:PutObjectTagging"),
        ("x-amz-object-lock-mode", "s3:PutObjectRetention"),
        ("x-amz-object-lock-legal-hold", "s3:PutObjectLegalHold"),
    ];
    rights.into_iter().filter(|(name, _)| headers.contains_key(*name)).map(|(_, right)| right.to_owned()).collect()
}

pub(super) fn header<'h>(headers: &'h HeaderMap, name: &str) -> &'h str {
    headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default()
}

pub(super) fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

fn pair(text: &str) -> (String, String) {
    let (name, value) = text.split_once('=').unwrap_or((text, ""));
    (decoded(name), decoded(&value.replace('+', " ")))
}

fn service_of(headers: &HeaderMap, query: &[(String, String)]) -> (Protocol, String) {
    let target = header(headers, "x-amz-target");
    let of_target = match target.split_once('_').or_else(|| target.split_once('.')).map_or(target, |t| t.0) {
        "" => None,
        "DynamoDB" => Some("dynamodb"),
        "TrentService" => Some("kms"),
        "AmazonSQS" => Some("sqs"),
        _ => Some("other"),
    };
    if let Some(service) = of_target {
        return (Protocol::Json, service.to_owned());
    }
    // `AWS4-HMAC-SHA256 Credential=KEY/20260315/us-east-1/s3/aws4_request, ...`; V4a has no region.
    let signed = header(headers, "authorization");
    let credential = signed.split_once("Credential=").map(|(_, c)| c.split(',').next().unwrap_or(c).to_owned());
    let credential = credential
        .or_else(|| query.iter().find(|(n, _)| n.eq_ignore_ascii_case("x-amz-credential")).map(|(_, v)| v.clone()));
    let service = credential.as_deref().and_then(|c| c.rsplit('/').nth(1)).unwrap_or("s3");
    if service == "s3" || service == "s3express" {
        (Protocol::S3, "s3".to_owned())
    } else if header(headers, "content-type").starts_with("application/x-www-form-urlencoded") {
        (Protocol::Query, service.to_owned())
    } else {
        (Protocol::Json, service.to_owned())
    }
}

/// Sub-resources of a bucket with the part of the operation's name that they stand for.
const OF_BUCKET: &[(&str, &str)] = &[
    ("versioning", "BucketVersioning"),
    ("object-lock", "ObjectLockConfiguration"),
    ("lifecycle", "BucketLifecycleConfiguration"),
    ("replication", "BucketReplication"),
    ("encryption", "BucketEncryption"),
    ("policy", "BucketPolicy"),
    ("policyStatus", "BucketPolicyStatus"),
    ("publicAccessBlock", "PublicAccessBlock"),
    ("ownershipControls", "BucketOwnershipControls"),
    ("notification", "BucketNotificationConfiguration"),
    ("intelligent-tiering", "BucketIntelligentTieringConfiguration"),
    ("inventory", "BucketInventoryConfiguration"),
    ("location", "BucketLocation"),
    ("logging", "BucketLogging"),
    ("tagging", "BucketTagging"),
    ("cors", "BucketCors"),
    ("acl", "BucketAcl"),
];
const OF_OBJECT: &[(&str, &str)] = &[
    ("retention", "ObjectRetention"),
    ("legal-hold", "ObjectLegalHold"),
    ("tagging", "ObjectTagging"),
    ("attributes", "ObjectAttributes"),
    ("acl", "ObjectAcl"),
];

fn s3_operation(method: &Method, headers: &HeaderMap, call: &Call) -> String {
    let verb = match *method {
        Method::GET => "Get",
        Method::PUT => "Put",
        Method::DELETE => "Delete",
        _ => "",
    };
    let table = if call.key.is_empty() { OF_BUCKET } else { OF_OBJECT };
    if let Some((_, part)) = table.iter().find(|(name, _)| call.has(name)).filter(|_| !verb.is_empty()) {
        return format!("{verb}{part}");
    }
    let copies = headers.contains_key("x-amz-copy-source");
    let upload = call.has("uploadId");
    match (method, call.bucket.is_empty(), call.key.is_empty()) {
        (&Method::GET, true, _) => "ListBuckets",
        (&Method::GET, _, true) if call.has("versions") => "ListObjectVersions",
        (&Method::GET, _, true) if call.has("uploads") => "ListMultipartUploads",
        (&Method::GET, _, true) if call.param("list-type") == Some("2") => "ListObjectsV2",
        (&Method::GET, _, true) => "ListObjects",
        (&Method::GET, ..) if upload => "ListParts",
        (&Method::GET, ..) => "GetObject",
        (&Method::HEAD, _, true) => "HeadBucket",
        (&Method::HEAD, ..) => "HeadObject",
        (&Method::PUT, _, true) => "CreateBucket",
        (&Method::PUT, ..) if upload && copies => "UploadPartCopy",
        (&Method::PUT, ..) if upload => "UploadPart",
        (&Method::PUT, ..) if copies => "CopyObject",
        (&Method::PUT, ..) => "PutObject",
        (&Method::DELETE, _, true) => "DeleteBucket",
        (&Method::DELETE, ..) if upload => "AbortMultipartUpload",
        (&Method::DELETE, ..) => "DeleteObject",
        (&Method::POST, _, true) if call.has("delete") => "DeleteObjects",
        (&Method::POST, ..) if call.has("uploads") => "CreateMultipartUpload",
        (&Method::POST, ..) if upload => "CompleteMultipartUpload",
        (&Method::POST, ..) if call.has("restore") => "RestoreObject",
        _ => "Other",
    }
    .to_owned()
}
