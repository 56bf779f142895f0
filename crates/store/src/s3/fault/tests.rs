use super::*;
use holdfast_model::{Fault as _, FaultKind, ObjectKey};

fn at() -> ObjectLocator {
    ObjectLocator {
        store: "s3".into(),
        bucket: "b".into(),
        key: ObjectKey::new("k").unwrap(),
        version_id: Some("v".into()),
    }
}

fn told(code: &str, message: &str, status: u16) -> StoreError {
    let at = at();
    let doing = Doing { what: "reading", right: "s3:GetObjectVersion", at: &at, kms_key: Some("alias/holdfast") };
    of_code(&doing, code, message, status)
}

#[test]
fn every_code_has_its_own_meaning_whatever_the_status() {
    let table = [
        ("NoSuchKey", "", 404, "store.not_found"),
        ("NoSuchVersion", "", 404, "store.not_found"),
        ("InvalidArgument", "Invalid version id specified", 400, "store.not_found"),
        ("InvalidArgument", "The retain until date must be in the future!", 400, "store.invalid"),
        ("InvalidObjectState", "The operation is not valid for the object's storage class", 403, "store.offline"),
        ("AccessDenied", "Access Denied", 403, "store.denied"),
        ("AccessDenied", "Access Denied because object protected by object lock.", 403, "store.refused"),
        (
            "AccessDenied",
            "User: arn:aws:iam::1:user/u is not authorized to perform: kms:Decrypt on …",
            403,
            "store.key",
        ),
        ("KMS.DisabledException", "arn:aws:kms:eu-central-1:1:key/k is disabled.", 400, "store.key"),
        ("KMS.KMSInvalidStateException", "arn:aws:kms:eu-central-1:1:key/k is pending deletion.", 400, "store.key"),
        ("KMS.NotFoundException", "Invalid keyId", 400, "store.key"),
        ("KMS.ThrottlingException", "", 400, "store.throttled"),
        ("ExpiredToken", "The provided token has expired.", 400, "store.credentials"),
        ("InvalidAccessKeyId", "", 403, "store.credentials"),
        ("SignatureDoesNotMatch", "", 403, "store.credentials"),
        ("RequestTimeTooSkewed", "", 403, "store.clock_skew"),
        ("SlowDown", "Please reduce your request rate.", 503, "store.throttled"),
        ("ServiceUnavailable", "", 503, "store.throttled"),
        ("NoSuchBucket", "", 404, "store.invalid"),
        ("AuthorizationHeaderMalformed", "the region 'x' is wrong; expecting 'y'", 400, "store.invalid"),
        ("InvalidRequest", "Bucket is missing Object Lock Configuration", 400, "store.refused"),
        ("InvalidTag", "", 400, "store.invalid"),
        ("BadDigest", "", 400, "store.io"),
        ("ConditionalRequestConflict", "", 409, "store.io"),
        ("InternalError", "", 500, "store.io"),
        ("QuotaExceeded", "", 403, "store.full"),
        ("SomethingNew", "", 409, "store.refused"),
        ("SomethingNew", "", 500, "store.io"),
    ];
    for (code, message, status, ours) in table {
        assert_eq!(told(code, message, status).code(), ours, "{code}: {message}");
    }
}

#[test]
fn a_missing_right_is_named_as_the_provider_names_it() {
    let named = "User: arn:aws:sts::1:assumed-role/reader/x is not authorized to perform: s3:GetObjectVersion on \
                 resource: \"arn:aws:s3:::b/k\" because no identity-based policy allows it";
    for (message, right) in [(named, "s3:GetObjectVersion"), ("Access Denied", "s3:GetObjectVersion")] {
        match told("AccessDenied", message, 403) {
            StoreError::Denied { right: found, .. } => assert_eq!(found, right),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_key_is_named_and_its_fault_is_in_words() {
    match told("KMS.DisabledException", "arn:aws:kms:eu-central-1:1:key/k is disabled.", 400) {
        StoreError::Key { key, detail } => {
            assert_eq!((key.as_str(), detail.as_str()), ("arn:aws:kms:eu-central-1:1:key/k", "it is disabled"));
        }
        other => panic!("{other:?}"),
    }
    assert!(told("KMS.NotFoundException", "", 400).to_string().contains("alias/holdfast"));
}

#[test]
fn an_answer_without_a_code_is_not_taken_for_more_than_it_says() {
    let at = at();
    let doing = Doing { what: "looking at", right: "s3:GetObjectVersion", at: &at, kms_key: None };
    assert_eq!(of_status(&doing, 404, None).kind(), FaultKind::NotFound);
    assert_eq!(of_status(&doing, 403, None).kind(), FaultKind::Denied);
    assert!(of_status(&doing, 301, Some("eu-west-1")).to_string().contains("eu-west-1"));
    assert_eq!(of_status(&doing, 500, None).kind(), FaultKind::Io);
}
