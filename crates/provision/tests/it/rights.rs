//! The emitted policies, held against a server that evaluates them: each role can do all that it must, and nothing that takes
//! evidence away. The server is this test's own, as it refuses what the shared one lets through.

use crate::support::{REGION, clients_of, settings};
use aws_credential_types::Credentials;
use aws_sdk_s3::{
    config::{ConfigBag, Intercept, RuntimeComponents, interceptors::BeforeTransmitInterceptorContextMut},
    error::ProvideErrorMetadata,
    primitives::ByteStream,
    types::{ObjectLockLegalHold, ObjectLockLegalHoldStatus, RestoreRequest},
};
use holdfast_model::{Cancel, NoProgress, SystemClock};
use holdfast_provision::{
    aws::{self, AwsClients, AwsSettings},
    preflight::{AwsTarget, Provider, run},
};
use holdfast_store::{S3Config, S3Store};
use serde_json::{Value, json};
use std::{
    io::Write as _,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::Duration,
};

/// The server believes that a request came through TLS where a proxy says so.
#[derive(Debug, Clone)]
pub(crate) struct Tls;

impl Intercept for Tls {
    fn name(&self) -> &'static str {
        "Tls"
    }

    fn modify_before_transmit(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), aws_sdk_s3::error::BoxError> {
        context.request_mut().headers_mut().insert("x-forwarded-proto", "https");
        Ok(())
    }
}

fn python() -> String {
    let cache = std::env::var("HOLDFAST_CACHE")
        .unwrap_or_else(|_| format!("{}/.cache/holdfast", std::env::var("HOME").unwrap()));
    format!("{cache}/venv/bin/python")
}

struct Server {
    child: Child,
    url: String,
    _folder: tempfile::TempDir,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    async fn start() -> Self {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let folder = tempfile::tempdir().unwrap();
        let child = Command::new(python())
            .args(["-m", "ministack"])
            .env_remove("AWS_ACCESS_KEY_ID")
            .env("BIND_HOST", "127.0.0.1")
            .env("GATEWAY_PORT", port.to_string())
            .env("SERVICES", "s3,dynamodb,kms,sts,iam")
            .env("AUTH", "true")
            .env("LOG_LEVEL", "WARNING")
            .env("TMPDIR", folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("ministack: pip install ministack==1.5.33 into $HOLDFAST_CACHE/venv (scripts/test does it)");
        // Owned at once, so that it ends with this test however that ends.
        let server = Self { child, url: format!("http://127.0.0.1:{port}"), _folder: folder };
        for _ in 0..600 {
            if tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
                return server;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("ministack did not start within a minute");
    }

    /// A user for each policy, with the keys of each.
    fn users(&self, policies: &[(&str, Value)]) -> Value {
        let program = r#"
import boto3, json, sys
iam = boto3.client("iam", endpoint_url=sys.argv[1], region_name=sys.argv[2], aws_access_key_id="test", aws_secret_access_key="test")
out = {}
for name, policy in json.load(sys.stdin):
    iam.create_user(UserName=name)
    arn = iam.create_policy(PolicyName=name, PolicyDocument=json.dumps(policy, separators=(",", ":")))["Policy"]["Arn"]
    iam.attach_user_policy(UserName=name, PolicyArn=arn)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    out[name] = [key["AccessKeyId"], key["SecretAccessKey"]]
print(json.dumps(out))
"#;
        let mut child = Command::new(python())
            .args(["-c", program, &self.url, REGION])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python with boto3 in $HOLDFAST_CACHE/venv (scripts/test does it)");
        child.stdin.take().unwrap().write_all(json!(policies).to_string().as_bytes()).unwrap();
        let out = child.wait_with_output().unwrap();
        assert!(out.status.success());
        serde_json::from_slice(&out.stdout).unwrap()
    }
}

async fn green(who: &str, clients: &AwsClients, settings: &AwsSettings) {
    let config = S3Config { kms_key: settings.kms_key.clone(), ..S3Config::new(settings.buckets.clone().unwrap()) };
    let store = S3Store::new(clients.s3.clone(), config, Arc::new(SystemClock)).store();
    let provider = Provider::Aws(Box::new(AwsTarget::new(clients.clone(), settings).unwrap()));
    let report = run(&store, &provider, &SystemClock, &|_| (), &Cancel::default()).await;
    assert!(report.is_green(), "{who}: {:#?}", report.failed().collect::<Vec<_>>());
}

#[tokio::test]
async fn each_role_can_do_what_it_must_and_nothing_that_takes_evidence_away() {
    let server = Server::start().await;
    let root = clients_of(&server.url, Credentials::new("test", "test", None, None, "root"), Some(Tls));
    let key = root.kms.create_key().send().await.unwrap().key_metadata.unwrap().arn.unwrap();
    let s = settings("acme-rights", Some(key));
    let policies: Vec<_> = aws::policies(&s).into_iter().map(|(role, p)| (role.name(), p)).collect();
    for (name, policy) in &policies {
        // A managed policy's limit, without white space (IAM quotas).
        assert!(policy.to_string().len() <= 6_144, "{name} is too long: {}", policy.to_string().len());
    }
    let users = server.users(&policies);
    let user = |name: &str| {
        let part = |i: usize| users[name][i].as_str().unwrap().to_owned();
        Credentials::new(part(0), part(1), None, None, "user")
    };
    let of = |name: &str| clients_of(&server.url, user(name), Some(Tls));
    let (admin, archiver, reader) = (of("holdfast-admin"), of("holdfast-archiver"), of("holdfast-reader"));

    let desired = aws::desired(&s).unwrap();
    let refused = aws::apply(&archiver, &desired, &NoProgress, &Cancel::default()).await.unwrap_err();
    assert_eq!(holdfast_model::Fault::code(&refused), "provision.denied", "{refused}");
    let applied = aws::apply(&admin, &desired, &NoProgress, &Cancel::default()).await.unwrap();
    assert!(applied.left.entries.is_empty(), "{:#?}", applied.left);
    for (who, clients) in [("admin", &admin), ("archiver", &archiver), ("reader", &reader)] {
        green(who, clients, &s).await;
    }

    let b = s.buckets.as_ref().unwrap().media.as_str();
    let put =
        |c: &AwsClients, key: &str| c.s3.put_object().bucket(b).key(key).body(ByteStream::from_static(b"x")).send();
    let made = put(&archiver, "recordings/a").await.unwrap();
    let version = made.version_id().unwrap();
    assert!(put(&reader, "recordings/b").await.is_err(), "a reader writes no recording");
    assert!(put(&admin, "recordings/b").await.is_err(), "an admin writes no recording");
    reader.s3.get_object().bucket(b).key("recordings/a").version_id(version).send().await.unwrap();
    assert!(admin.s3.get_object().bucket(b).key("recordings/a").send().await.is_err(), "an admin reads no recording");
    let held = |c: &AwsClients, on: bool| {
        let status = if on { ObjectLockLegalHoldStatus::On } else { ObjectLockLegalHoldStatus::Off };
        let hold = ObjectLockLegalHold::builder().status(status).build();
        c.s3.put_object_legal_hold().bucket(b).key("recordings/a").version_id(version).legal_hold(hold).send()
    };
    held(&reader, true).await.unwrap();
    assert!(held(&archiver, false).await.is_err(), "the archiver lifts no hold");
    let restored = |c: &AwsClients| {
        let request = RestoreRequest::builder().days(1).build();
        c.s3.restore_object().bucket(b).key("recordings/a").version_id(version).restore_request(request).send()
    };
    let code = |e: &dyn ProvideErrorMetadata| e.code().unwrap_or_default().to_owned();
    assert_eq!(code(&restored(&archiver).await.unwrap_err()), "AccessDenied", "the archiver orders nothing back");
    assert_ne!(restored(&reader).await.map_or_else(|e| code(&e), |_| String::new()), "AccessDenied");
    let plain = clients_of(&server.url, user("holdfast-reader"), None);
    let e = plain.s3.get_object().bucket(b).key("recordings/a").send().await.unwrap_err();
    assert_eq!(e.raw_response().map(|r| r.status().as_u16()), Some(403), "without TLS nothing is read");
    for (who, c) in [("admin", &admin), ("archiver", &archiver), ("reader", &reader)] {
        let at = |key: &str| c.s3.delete_object().bucket(b).key(key);
        assert!(
            at("recordings/a").version_id(version).bypass_governance_retention(true).send().await.is_err(),
            "{who}"
        );
        assert!(at("recordings/a").send().await.is_err(), "{who} puts no delete marker");
        assert!(c.s3.delete_bucket_policy().bucket(b).send().await.is_err(), "{who}");
    }
    for (who, c) in [("archiver", &archiver), ("reader", &reader)] {
        let policy = json!({ "Version": "2012-10-17", "Statement": [] }).to_string();
        assert!(c.s3.put_bucket_policy().bucket(b).policy(policy).send().await.is_err(), "{who}");
    }
}
