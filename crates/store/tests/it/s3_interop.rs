//! With others' tools: what Holdfast wrote is read, listed, checked and kept by the AWS CLI and boto3; what boto3 wrote with the
//! metadata of an older archiver is read and checked here.

use crate::s3::Cloud;
use futures_util::StreamExt as _;
use holdfast_model::{Fixity, ImmutabilityMode, ObjectKey, ObjectRetention, Sha256Digest, StorageTier};
use holdfast_store::{BYTE_RANGE_ALL, Created, PutOptions, S3Config, Store};
use holdfast_testkit::store::{body, noise, options};
use std::{
    path::PathBuf,
    process::{Command, Output},
};

/// A program of the Python environment that `scripts/test` installs.
fn installed(name: &str) -> PathBuf {
    let cache = std::env::var_os("HOLDFAST_CACHE")
        .map_or_else(|| PathBuf::from(std::env::var_os("HOME").unwrap()).join(".cache/holdfast"), PathBuf::from);
    let program = cache.join("venv/bin").join(name);
    assert!(program.exists(), "{} is missing: pip install awscli boto3 (scripts/test does it)", program.display());
    program
}

impl Cloud {
    async fn run(&self, program: &str, args: &[&str], key: &str, version: &str) -> Output {
        let mut command = Command::new(installed(program));
        command
            .args(args)
            .env("AWS_ACCESS_KEY_ID", "test")
            .env("AWS_SECRET_ACCESS_KEY", "test")
            .env("AWS_DEFAULT_REGION", "us-east-1")
            .env("AWS_ENDPOINT_URL", self.proxy.url())
            .env("AWS_CONFIG_FILE", "/dev/null")
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("AWS_PAGER", "")
            .env("HOLDFAST_BUCKET", &self.bucket)
            .env("HOLDFAST_KEY", key)
            .env("HOLDFAST_VERSION", version);
        tokio::task::spawn_blocking(move || command.output().expect("it runs")).await.unwrap()
    }

    async fn python(&self, script: &str, key: &str, version: &str) -> String {
        let out = self.run("python", &["-c", script], key, version).await;
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8(out.stdout).unwrap()
    }

    /// `aws s3api …` on one version: standard output, or standard error where it was refused.
    async fn aws(&self, args: &[&str], created: &Created) -> Result<String, String> {
        let (key, version) = (created.locator.key.as_str(), created.locator.version_id.as_deref().unwrap());
        let place = ["--bucket", &self.bucket, "--key", key, "--version-id", version];
        let out = self.run("aws", &[&["s3api"], args, &place].concat(), key, version).await;
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        if out.status.success() { Ok(text(out.stdout)) } else { Err(text(out.stderr)) }
    }
}

const SIZES: [(&str, u64); 2] =
    [("recordings/2026/03/15/c/small.ogg", 70_000), ("recordings/2026/03/15/c/large.wav", 11 << 20)];

async fn written(store: &Store, key: &str, size: u64, kept: Option<ObjectRetention>, held: bool) -> Created {
    let bytes = noise(size, 3);
    let put = PutOptions {
        retention: kept,
        legal_hold: held,
        expected: Some(Fixity::sha256(Sha256Digest::of(&bytes), size)),
        metadata: [("retention-class".to_owned(), "finra-6y".to_owned())].into(),
        tags: [("classification".to_owned(), "restricted".to_owned())].into(),
        ..options(StorageTier::Hot)
    };
    store.writer.create(&store.buckets.media, &ObjectKey::new(key).unwrap(), body(bytes), put).await.unwrap()
}

fn kept(mode: ImmutabilityMode) -> Option<ObjectRetention> {
    Some(ObjectRetention { mode, until: "2060-06-01T00:00:00Z".parse().unwrap() })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_aws_cli_reads_checks_and_cannot_delete() {
    let cloud = Cloud::start().await;
    let store = cloud.store_with(S3Config { part_size_bytes: 5 << 20, ..cloud.config() });
    let folder = tempfile::tempdir().unwrap();
    for (i, (key, size)) in SIZES.into_iter().enumerate() {
        let mode = [ImmutabilityMode::Governance, ImmutabilityMode::Compliance][i];
        let created = written(&store, key, size, kept(mode), false).await;
        let head: serde_json::Value =
            serde_json::from_str(&cloud.aws(&["head-object"], &created).await.unwrap()).unwrap();
        assert_eq!(head["Metadata"]["sha256"], created.fixity.digest.to_hex());
        assert_eq!(head["ContentLength"], size);
        assert!(head["ObjectLockRetainUntilDate"].as_str().unwrap().starts_with("2060-06-01T00:00:00"));
        let tags = cloud.aws(&["get-object-tagging"], &created).await.unwrap();
        assert!(tags.contains("restricted"), "{tags}");

        // With the provider's own checksum compared by the CLI.
        let file = folder.path().join(i.to_string());
        let version = created.locator.version_id.as_deref().unwrap();
        let get = ["s3api", "get-object", "--checksum-mode", "ENABLED", "--bucket", &cloud.bucket, "--key", key];
        let to = ["--version-id", version, file.to_str().unwrap()];
        let got = cloud.run("aws", &[&get[..], &to[..]].concat(), key, version).await;
        assert!(got.status.success(), "{}", String::from_utf8_lossy(&got.stderr));
        assert_eq!(Sha256Digest::of(&std::fs::read(&file).unwrap()), created.fixity.digest);

        let listed = ["s3api", "list-object-versions", "--bucket", &cloud.bucket, "--prefix", key];
        let listed = String::from_utf8(cloud.run("aws", &listed, key, version).await.stdout).unwrap();
        assert!(listed.contains(version), "{listed}");

        let refused = cloud.aws(&["delete-object"], &created).await.expect_err("it is under retention");
        assert!(refused.contains("AccessDenied"), "{refused}");
        assert_eq!(store.reader.head(&created.locator).await.unwrap().retention, kept(mode));
    }
    let held = written(&store, "held", 10, None, true).await;
    let refused = cloud.aws(&["delete-object"], &held).await.expect_err("it is under hold");
    assert!(refused.contains("AccessDenied"), "{refused}");
    store.retention.set_legal_hold(&held.locator, false).await.unwrap();
    cloud.aws(&["delete-object"], &held).await.expect("nothing holds it any more");
}

const CHECK: &str = r#"
import boto3, hashlib, json, os
from botocore.exceptions import ClientError
import datetime
s3 = boto3.client("s3")
at = dict(Bucket=os.environ["HOLDFAST_BUCKET"], Key=os.environ["HOLDFAST_KEY"])
version = dict(VersionId=os.environ["HOLDFAST_VERSION"])
got = s3.get_object(**at, **version, ChecksumMode="ENABLED")
digest = hashlib.sha256()
for piece in got["Body"].iter_chunks():
    digest.update(piece)
listed = s3.list_object_versions(Bucket=at["Bucket"], Prefix=at["Key"])
refused = []
def attempt(what, call, **more):
    try:
        call(**at, **more)
    except ClientError as e:
        refused.append([what, e.response["Error"]["Code"]])
attempt("delete", s3.delete_object, **version)
shorter = dict(Mode=got["ObjectLockMode"], RetainUntilDate=datetime.datetime(2050, 1, 1)) if "ObjectLockMode" in got else None
if shorter:
    attempt("shorten", s3.put_object_retention, **version, Retention=shorter)
attempt("replace", s3.put_object, Body=b"other", IfNoneMatch="*")
print(json.dumps(dict(
    metadata=got["Metadata"], digest=digest.hexdigest(), versions=[v["VersionId"] for v in listed["Versions"]],
    mode=got.get("ObjectLockMode"), hold=got.get("ObjectLockLegalHoldStatus"), refused=refused)))
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn boto3_reads_checks_and_cannot_delete() {
    let cloud = Cloud::start().await;
    let store = cloud.store_with(S3Config { part_size_bytes: 5 << 20, ..cloud.config() });
    let cases = [
        ("a", 70_000, kept(ImmutabilityMode::Governance), false, vec!["delete", "shorten", "replace"]),
        ("b", 11 << 20, kept(ImmutabilityMode::Compliance), true, vec!["delete", "shorten", "replace"]),
        ("c", 500, None, true, vec!["delete", "replace"]),
    ];
    for (key, size, kept, held, refusals) in cases {
        let created = written(&store, key, size, kept, held).await;
        let version = created.locator.version_id.clone().unwrap();
        let said: serde_json::Value = serde_json::from_str(&cloud.python(CHECK, key, &version).await).unwrap();
        assert_eq!(said["digest"], created.fixity.digest.to_hex());
        assert_eq!(said["metadata"]["sha256"], created.fixity.digest.to_hex());
        assert_eq!(said["metadata"]["retention-class"], "finra-6y");
        assert_eq!(said["versions"], serde_json::json!([version]));
        assert_eq!(said["hold"] == "ON", held);
        let refused: Vec<_> = said["refused"].as_array().unwrap().iter().map(|r| r[0].as_str().unwrap()).collect();
        assert_eq!(refused, refusals, "{said}");
        let info = store.reader.head(&created.locator).await.unwrap();
        assert_eq!((info.retention, info.legal_hold), (kept, held));
    }
}

const OLDER: &str = r#"
import boto3, hashlib, os
s3 = boto3.client("s3")
body = bytes(range(256)) * 4000
for key in ("older/one.wav", "older/two words.wav"):
    s3.put_object(Bucket=os.environ["HOLDFAST_BUCKET"], Key=key, Body=body, ContentType="audio/wav", Metadata={
        "sha256-hash": hashlib.sha256(body).hexdigest(), "retention-class": "sec-17a-4", "conversation-id": "c-1"})
print(hashlib.sha256(body).hexdigest(), end="")
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_older_archiver_wrote_is_read_and_checked() {
    let cloud = Cloud::start().await;
    let digest = cloud.python(OLDER, "", "").await;
    let store = cloud.store();
    // A key that is not of Holdfast's form is left out; the other is there with all that it says.
    let page = store.reader.list(&cloud.bucket, "older/", None, 10).await.unwrap();
    assert_eq!((page.objects.len(), page.more), (1, false));
    let info = store.reader.head(&page.objects[0].locator).await.unwrap();
    assert_eq!(info.sha256.map(|d| d.to_hex()).as_deref(), Some(digest.as_str()));
    assert_eq!(info.metadata["retention-class"], "sec-17a-4");
    assert_eq!(info.metadata["conversation-id"], "c-1");
    assert_eq!((info.size_bytes, info.media_type.as_str()), (1_024_000, "audio/wav"));
    let mut stream = store.reader.read(&info.locator, BYTE_RANGE_ALL).await.unwrap();
    let mut bytes = Vec::new();
    while let Some(piece) = stream.next().await {
        bytes.extend_from_slice(&piece.unwrap());
    }
    assert_eq!(Some(Sha256Digest::of(&bytes)), info.sha256);
}
