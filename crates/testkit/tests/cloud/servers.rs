use aws_sdk_s3::{Client, config::Credentials, primitives::DateTime, types::ObjectLockMode};
use holdfast_model::Clock as _;
use holdfast_testkit::cloud::{Azurite, Dynoxide, Ministack, Rgw};
use std::process::Command;

#[tokio::test]
async fn a_server_is_started_once_and_shared() {
    let (one, two) = tokio::join!(Ministack::start(), Ministack::start());
    assert_eq!(one.url(), two.url());
    let health = reqwest::get(format!("{}/_ministack/health", one.url())).await.unwrap().text().await.unwrap();
    assert!(health.contains("1.5.33") && health.contains("dynamodb"), "{health}");
}

#[tokio::test]
async fn dynoxide_speaks_dynamodb() {
    let server = Dynoxide::start().await;
    let aws = Command::new("aws")
        .args(["--endpoint-url", server.url(), "--region", "us-east-1", "dynamodb", "list-tables"])
        .envs([("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test")])
        .output()
        .expect("aws is missing: scripts/test installs it");
    assert!(aws.status.success(), "{}", String::from_utf8_lossy(&aws.stderr));
    assert!(String::from_utf8_lossy(&aws.stdout).contains("TableNames"));
}

#[tokio::test]
async fn azurite_has_a_certificate_of_its_authority() {
    let server = Azurite::start().await;
    let ca = reqwest::Certificate::from_pem(server.ca_pem().as_bytes()).unwrap();
    let trusting = reqwest::Client::builder().tls_certs_only([ca]).no_proxy().build().unwrap();
    let answer = trusting.get(format!("{}?comp=list", server.account_url())).send().await.unwrap();
    assert_eq!(answer.status(), 403, "no token, no list");
    let doubting = reqwest::Client::builder().no_proxy().build().unwrap();
    assert!(doubting.get(server.account_url()).send().await.is_err(), "nobody else trusts it");
}

#[tokio::test]
async fn ceph_checks_signatures_and_locks() {
    let server = Rgw::start().await;
    let s3 = super::client_with(server.url(), None);
    let bucket = super::name();
    s3.create_bucket().bucket(&bucket).object_lock_enabled_for_bucket(true).send().await.unwrap();
    let until = holdfast_model::SystemClock.now().as_second() + 3600;
    let put = s3.put_object().bucket(&bucket).key("k").body(b"x".to_vec().into());
    let put =
        put.object_lock_mode(ObjectLockMode::Compliance).object_lock_retain_until_date(DateTime::from_secs(until));
    let version = put.send().await.unwrap().version_id().unwrap().to_owned();
    let delete = s3.delete_object().bucket(&bucket).key("k").version_id(version).send().await;
    assert_eq!(super::code(&delete.unwrap_err()), "AccessDenied");
    let stranger = s3.config().to_builder().credentials_provider(Credentials::new("test", "other", None, None, "test"));
    let answer = Client::from_conf(stranger.build()).list_objects_v2().bucket(&bucket).send().await;
    assert_eq!(super::code(&answer.unwrap_err()), "SignatureDoesNotMatch");
}
