use super::{code, locked};
use aws_sdk_s3::{
    primitives::{ByteStream, DateTime},
    types::{
        BucketVersioningStatus, ChecksumAlgorithm, CompletedMultipartUpload, CompletedPart, ObjectLockLegalHoldStatus,
        ObjectLockMode, ObjectLockRetention, ObjectLockRetentionMode, VersioningConfiguration,
    },
};
use holdfast_model::Clock as _;

#[tokio::test]
async fn retention_must_lie_ahead_and_have_a_mode() {
    let b = locked().await;
    let now = b.clock.now().as_second();
    let put = || b.s3.put_object().bucket(&b.bucket).key("k").body(ByteStream::from_static(b"x"));
    let past = put().object_lock_mode(ObjectLockMode::Governance);
    let past = past.object_lock_retain_until_date(DateTime::from_secs(now - 1)).send().await.unwrap_err();
    assert_eq!(code(&past), "InvalidArgument");
    let lone = put().object_lock_mode(ObjectLockMode::Compliance).send().await.unwrap_err();
    assert_eq!(code(&lone), "InvalidArgument");
    let ahead = put().object_lock_mode(ObjectLockMode::Governance);
    ahead.object_lock_retain_until_date(DateTime::from_secs(now + 3600)).send().await.unwrap();
    let later = |secs| {
        let to = ObjectLockRetention::builder().mode(ObjectLockRetentionMode::Governance);
        let to = to.retain_until_date(DateTime::from_secs(secs)).build();
        b.s3.put_object_retention().bucket(&b.bucket).key("k").retention(to).send()
    };
    assert_eq!(code(&later(now - 5).await.unwrap_err()), "InvalidArgument");
    later(now + 7200).await.unwrap();
    let version = b.s3.head_object().bucket(&b.bucket).key("k").send().await.unwrap().version_id().unwrap().to_owned();
    let delete = || b.s3.delete_object().bucket(&b.bucket).key("k").version_id(&version);
    assert_eq!(code(&delete().send().await.unwrap_err()), "AccessDenied", "by the clock of the test");
    delete().bypass_governance_retention(true).send().await.unwrap();
}

#[tokio::test]
async fn versioning_of_a_locked_bucket_stays_on() {
    let b = locked().await;
    let off = VersioningConfiguration::builder().status(BucketVersioningStatus::Suspended).build();
    let answer = b.s3.put_bucket_versioning().bucket(&b.bucket).versioning_configuration(off).send().await;
    assert_eq!(code(&answer.unwrap_err()), "InvalidBucketState");
}

#[tokio::test]
async fn a_digest_is_checked_on_the_way_in() {
    let b = locked().await;
    let put = |digest: &str| {
        let body = ByteStream::from_static(b"hello");
        b.s3.put_object().bucket(&b.bucket).key("k").checksum_sha256(digest).body(body).send()
    };
    let answer = put("LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCT=").await.unwrap_err();
    assert!(["BadDigest", "InvalidRequest"].contains(&code(&answer).as_str()), "{answer:?}");
    put("LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=").await.unwrap();
}

#[tokio::test]
async fn a_multipart_upload_brings_all_that_it_was_begun_with() {
    let b = locked().await;
    let until = b.clock.now().as_second() + 86_400;
    let begun =
        b.s3.create_multipart_upload()
            .bucket(&b.bucket)
            .key("big")
            .checksum_algorithm(ChecksumAlgorithm::Sha256)
            .metadata("sha256", "abc")
            .tagging("class=sec%2017a&x=1")
            .object_lock_mode(ObjectLockMode::Compliance)
            .object_lock_retain_until_date(DateTime::from_secs(until))
            .object_lock_legal_hold_status(ObjectLockLegalHoldStatus::On)
            .send()
            .await
            .unwrap();
    let id = begun.upload_id().unwrap();
    let upload = |number: i32, size: usize| {
        let call = b.s3.upload_part().bucket(&b.bucket).key("big").upload_id(id).part_number(number);
        let call = call.checksum_algorithm(ChecksumAlgorithm::Sha256).body(ByteStream::from(vec![7u8; size]));
        async move {
            let part = call.send().await.unwrap();
            let done = CompletedPart::builder().part_number(number).set_e_tag(part.e_tag().map(str::to_owned));
            done.set_checksum_sha256(part.checksum_sha256().map(str::to_owned)).build()
        }
    };
    let complete = |parts: Vec<CompletedPart>| {
        let parts = CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
        b.s3.complete_multipart_upload().bucket(&b.bucket).key("big").upload_id(id).multipart_upload(parts).send()
    };
    let (small, last) = (upload(1, 1 << 20).await, upload(2, 100).await);
    assert_eq!(code(&complete(vec![small, last.clone()]).await.unwrap_err()), "EntityTooSmall");
    let first = upload(1, 5 << 20).await;
    complete(vec![first, last]).await.unwrap();
    let head = b.s3.head_object().bucket(&b.bucket).key("big").send().await.unwrap();
    assert_eq!(head.content_length(), Some((5 << 20) + 100));
    assert_eq!(head.object_lock_mode(), Some(&ObjectLockMode::Compliance));
    assert_eq!(head.object_lock_retain_until_date().unwrap().secs(), until);
    assert_eq!(head.object_lock_legal_hold_status(), Some(&ObjectLockLegalHoldStatus::On));
    assert_eq!(head.metadata().unwrap()["sha256"], "abc");
    let tags = b.s3.get_object_tagging().bucket(&b.bucket).key("big").send().await.unwrap();
    let tags: Vec<_> = tags.tag_set().iter().map(|t| (t.key(), t.value())).collect();
    assert_eq!(tags, [("class", "sec 17a"), ("x", "1")]);
}

#[tokio::test]
async fn a_range_of_a_version_is_a_range() {
    let b = locked().await;
    let version = b.put("k/a..b/../c", b"0123456789").await;
    for (range, wanted) in [("bytes=2-4", "234"), ("bytes=8-", "89"), ("bytes=-3", "789"), ("bytes=5-99", "56789")] {
        let call = b.s3.get_object().bucket(&b.bucket).key("k/a..b/../c").version_id(&version).range(range);
        let got = call.send().await.unwrap();
        assert_eq!(got.content_length(), Some(wanted.len() as i64));
        assert_eq!(got.body.collect().await.unwrap().to_vec(), wanted.as_bytes());
    }
    let beyond = b.s3.get_object().bucket(&b.bucket).key("k/a..b/../c").version_id(&version).range("bytes=10-");
    assert_eq!(code(&beyond.send().await.unwrap_err()), "InvalidRange");
}
