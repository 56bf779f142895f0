use aws_sdk_s3::{Client, config::Credentials, primitives::DateTime, types::ObjectLockMode};
use holdfast_model::Clock as _;
use holdfast_testkit::cloud::{Azurite, Dynoxide, FastS3, Ministack, Rgw};
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

#[tokio::test]
async fn the_fast_server_gives_what_it_took() {
    let folder = tempfile::tempdir().unwrap();
    let server = FastS3::start(folder.path()).await;
    let ca = std::fs::read(folder.path().join("ca.pem")).unwrap();
    let ca = reqwest::Certificate::from_pem(&ca).unwrap();
    let http = reqwest::Client::builder().tls_certs_only([ca]).no_proxy().build().unwrap();
    let at = |path: &str| format!("{}/b/{path}", server.url());
    let text = async |request: reqwest::RequestBuilder| request.send().await.unwrap().text().await.unwrap();
    let framed = "5;chunk-signature=00\r\nhello\r\n6\r\n world\r\n0\r\nx-amz-checksum-crc32:AAAA\r\n\r\n";
    let put = http.put(at("framed")).header("x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER");
    text(put.body(framed)).await;
    assert_eq!(text(http.get(at("framed"))).await, "hello world");
    let begun = text(http.post(at("parts?uploads"))).await;
    let id = begun.split("<UploadId>").nth(1).unwrap().split('<').next().unwrap().to_owned();
    for (number, part) in [(2, "cdef"), (1, "ab")] {
        text(http.put(at(&format!("parts?partNumber={number}&uploadId={id}"))).body(part)).await;
    }
    text(http.post(at(&format!("parts?uploadId={id}")))).await;
    assert_eq!(text(http.get(at("parts")).header("range", "bytes=1-3")).await, "bcd");
    for n in 0..5 {
        server.put("b", &format!("list/{n}/x"), vec![0u8; 3].into());
    }
    let (mut after, mut found) = (String::new(), Vec::new());
    loop {
        let page =
            text(http.get(at(&format!("?list-type=2&prefix=list/&max-keys=2&continuation-token={after}")))).await;
        found.extend(page.split("<Key>").skip(1).map(|k| k.split('<').next().unwrap().to_owned()));
        match page.split("<NextContinuationToken>").nth(1) {
            Some(next) => next.split('<').next().unwrap().clone_into(&mut after),
            None => break,
        }
    }
    assert_eq!(found, (0..5).map(|n| format!("list/{n}/x")).collect::<Vec<_>>());
    let folders = text(http.get(at("?list-type=2&delimiter=/"))).await;
    assert!(folders.contains("<CommonPrefixes><Prefix>list/</Prefix></CommonPrefixes>"), "{folders}");
    assert_eq!(folders.matches("<CommonPrefixes>").count(), 1);
}
