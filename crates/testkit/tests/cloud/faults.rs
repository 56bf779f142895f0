use super::{Bench, client_with, code, locked};
use aws_sdk_s3::{presigning::PresigningConfig, primitives::ByteStream, types::ServerSideEncryption};
use holdfast_testkit::cloud::aws::{AwsProxy, Fault, FaultKind};
use holdfast_testkit::{ManualClock, cloud::Dynoxide};
use jiff::SignedDuration;
use std::{sync::Arc, time::Duration};

const KEY: &str = "arn:aws:kms:us-east-1:000000000000:key/0f0f0f0f-1111-2222-3333-444444444444";

async fn put(b: &Bench, key: &str) -> Result<(), String> {
    let call = b.s3.put_object().bucket(&b.bucket).key(key).body(ByteStream::from_static(b"0123456789"));
    call.send().await.map(|_| ()).map_err(|e| code(&e))
}

#[tokio::test]
async fn refusals_come_with_their_codes_and_do_nothing() {
    let b = locked().await;
    let kinds = [
        (FaultKind::SlowDown503, "SlowDown"),
        (FaultKind::InternalError500, "InternalError"),
        (FaultKind::ExpiredToken, "ExpiredToken"),
        (FaultKind::ClockSkew, "RequestTimeTooSkewed"),
        (FaultKind::KmsDenied, "AccessDenied"),
        (FaultKind::KmsDisabled, "KMS.DisabledException"),
        (FaultKind::Conflict("ConditionalRequestConflict"), "ConditionalRequestConflict"),
        (FaultKind::Answer(507, "Odd"), "Odd"),
    ];
    for (kind, wanted) in kinds {
        b.proxy.fault(Fault::on("PutObject", kind).key("/k"));
        assert_eq!(put(&b, "other").await, Ok(()), "only the key that was named");
        assert_eq!(put(&b, "k").await.unwrap_err(), wanted);
    }
    assert_eq!(b.read("k").await.unwrap_err(), "NoSuchKey");
    assert_eq!(b.proxy.calls("PutObject"), 16);
    assert!(b.proxy.log().contains(&("GetObject".to_owned(), format!("{}/k", b.bucket))));
}

#[tokio::test]
async fn rules_wait_and_wear_off() {
    let b = locked().await;
    b.proxy.fault(Fault::on("*", FaultKind::SlowDown503).key("/k").after(1).times(2));
    let codes = [put(&b, "k").await, put(&b, "k").await, put(&b, "k").await, put(&b, "k").await];
    assert_eq!(codes.map(|c| c.is_ok()), [true, false, false, true]);
    b.proxy.fault(Fault::on("PutObject", FaultKind::InternalError500).times(9));
    b.proxy.clear_faults();
    assert_eq!(put(&b, "k").await, Ok(()));
}

#[tokio::test]
async fn a_lost_answer_is_not_a_lost_write() {
    let b = locked().await;
    b.proxy.set_patience(Duration::from_millis(50));
    for (kind, written) in [
        (FaultKind::TimeoutBefore, false),
        (FaultKind::CutBefore, false),
        (FaultKind::TimeoutAfter, true),
        (FaultKind::CutAfter, true),
        (FaultKind::ResetMidBody(4), false),
    ] {
        let key = format!("{kind:?}");
        b.proxy.fault(Fault::on("PutObject", kind));
        let failed = put(&b, &key).await.unwrap_err();
        assert!(["dispatch", "response"].contains(&failed.as_str()), "{key}: {failed}");
        assert_eq!(b.read(&key).await.is_ok(), written, "{key}");
    }
}

#[tokio::test]
async fn bodies_break_off_or_lie() {
    let b = locked().await;
    b.put("k", &[b'a'; 100_000]).await;
    for kind in [FaultKind::ResetMidBody(70_000), FaultKind::ShortBody(70_000), FaultKind::ShortBody(0)] {
        b.proxy.fault(Fault::on("GetObject", kind.clone()));
        assert!(b.read("k").await.is_err(), "{kind:?}");
    }
    // A range, so that no digest of the whole gives it away.
    b.proxy.fault(Fault::on("GetObject", FaultKind::WrongBytes(3)));
    let got = b.s3.get_object().bucket(&b.bucket).key("k").range("bytes=0-9").send().await.unwrap();
    assert_eq!(got.body.collect().await.unwrap().to_vec(), b"aaa`aaaaaa");
    b.proxy.fault(Fault::on("PutObject", FaultKind::WrongBytes(0)));
    assert!(put(&b, "bent").await.is_err(), "the digest that came along does not match");
    assert!(b.read("bent").await.is_err());
}

#[tokio::test]
async fn a_reset_arrives_as_a_reset() {
    let b = locked().await;
    b.put("k", &[b'a'; 100_000]).await;
    b.proxy.fault(Fault::on("GetObject", FaultKind::ResetMidBody(10)));
    let signed = b.s3.get_object().bucket(&b.bucket).key("k");
    let signed = signed.presigned(PresigningConfig::expires_in(Duration::from_secs(60)).unwrap()).await.unwrap();
    let answer = reqwest::get(signed.uri()).await.unwrap();
    assert_eq!(answer.content_length(), Some(100_000));
    let mut why = Vec::new();
    let error = answer.bytes().await.unwrap_err();
    let mut cause: Option<&dyn std::error::Error> = Some(&error);
    while let Some(e) = cause {
        why.push(e.to_string());
        cause = e.source();
    }
    assert!(why.iter().any(|w| w.contains("reset")), "{why:?}");
    let whole = reqwest::get(signed.uri()).await.unwrap().bytes().await.unwrap();
    assert_eq!(whole.len(), 100_000, "a presigned address holds through the proxy");
}

#[tokio::test]
async fn rights_keys_tokens_and_clocks() {
    let b = locked().await;
    put(&b, "k").await.unwrap();
    b.proxy.deny("s3:GetObject");
    assert_eq!(b.read("k").await.unwrap_err(), "AccessDenied");
    b.proxy.allow("s3:GetObject");

    let seal = || {
        let call = b.s3.put_object().bucket(&b.bucket).key("sealed").ssekms_key_id(KEY);
        call.server_side_encryption(ServerSideEncryption::AwsKms).body(ByteStream::from_static(b"x")).send()
    };
    seal().await.unwrap();
    b.proxy.disable_key(KEY);
    assert_eq!(b.read("sealed").await.unwrap_err(), "KMS.DisabledException");
    assert_eq!(code(&seal().await.unwrap_err()), "KMS.DisabledException");
    b.proxy.enable_key(KEY);
    b.proxy.deny("kms:GenerateDataKey");
    assert_eq!(code(&seal().await.unwrap_err()), "AccessDenied");
    assert_eq!(b.read("sealed").await.unwrap(), b"x");
    assert_eq!(b.read("k").await.unwrap(), b"0123456789", "an object without a key needs no right to it");

    b.proxy.expire_tokens(true);
    assert_eq!(b.read("k").await.unwrap(), b"0123456789", "long-lived keys do not expire");
    let session = client_with(&b.proxy.url(), Some("a-session"));
    let answer = session.get_object().bucket(&b.bucket).key("k").send().await;
    assert_eq!(code(&answer.unwrap_err()), "ExpiredToken");

    b.proxy.skew(SignedDuration::from_mins(20));
    assert_eq!(b.read("k").await.unwrap_err(), "RequestTimeTooSkewed");
    b.proxy.skew(SignedDuration::from_mins(10));
    assert_eq!(b.read("k").await.unwrap(), b"0123456789");
}

#[tokio::test]
async fn dynamodb_passes_and_fails_in_its_own_words() {
    let b = locked().await;
    let dynoxide = Dynoxide::start().await;
    let proxy = AwsProxy::start_pair(b.proxy.url(), &dynoxide, Arc::new(ManualClock::default())).await;
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let call = |op: &str, body: serde_json::Value| {
        let credential = "AWS4-HMAC-SHA256 Credential=test/20260315/us-east-1/dynamodb/aws4_request, \
                          SignedHeaders=host, Signature=00";
        let request = http.post(proxy.url()).header("x-amz-target", format!("DynamoDB_20120810.{op}"));
        let request = request.header("authorization", credential).header("content-type", "application/x-amz-json-1.0");
        let request = request.header("x-amz-date", "20260315T120000Z").body(body.to_string());
        async move {
            let answer = request.send().await.unwrap();
            (answer.status().as_u16(), answer.text().await.unwrap())
        }
    };
    let tables = call("ListTables", serde_json::json!({})).await;
    assert!(tables.0 == 200 && tables.1.contains("TableNames"), "{tables:?}");
    let items = serde_json::json!({"TransactItems": [{}, {}, {}]});
    proxy.fault(Fault::on("TransactWriteItems", FaultKind::Conflict("TransactionConflict")));
    let (status, text) = call("TransactWriteItems", items).await;
    let answer: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(status, 400);
    assert!(answer["__type"].as_str().unwrap().ends_with("#TransactionCanceledException"));
    assert_eq!(answer["CancellationReasons"].as_array().unwrap().len(), 3);
    proxy.fault(Fault::on("PutItem", FaultKind::Answer(400, "ProvisionedThroughputExceededException")).key("T1"));
    let (status, text) = call("PutItem", serde_json::json!({"TableName": "T1", "Item": {}})).await;
    assert!(status == 400 && text.contains("ProvisionedThroughputExceededException"));
    proxy.deny("dynamodb:PutItem");
    let (_, text) = call("PutItem", serde_json::json!({"TableName": "T1", "Item": {}})).await;
    assert!(text.contains("AccessDeniedException"), "{text}");
    assert_eq!(proxy.calls("PutItem"), 2);
}
