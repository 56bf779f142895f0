use crate::support::{World, told};
use aws_sdk_s3::types::{
    BucketLifecycleConfiguration, BucketVersioningStatus, DefaultRetention, ExpirationStatus, LifecycleExpiration,
    LifecycleRule, LifecycleRuleFilter, ObjectLockConfiguration, ObjectLockEnabled, ObjectLockRetentionMode,
    ObjectLockRule, PublicAccessBlockConfiguration, ServerSideEncryption, ServerSideEncryptionByDefault,
    ServerSideEncryptionConfiguration, ServerSideEncryptionRule, Transition, TransitionStorageClass,
    VersioningConfiguration,
};
use holdfast_provision::Kind;
use holdfast_testkit::cloud::aws::{Fault, FaultKind};
use serde_json::{Value, json};

fn retention(mode: ObjectLockRetentionMode, days: i32) -> ObjectLockConfiguration {
    let default = DefaultRetention::builder().mode(mode).days(days).build();
    ObjectLockConfiguration::builder()
        .object_lock_enabled(ObjectLockEnabled::Enabled)
        .rule(ObjectLockRule::builder().default_retention(default).build())
        .build()
}

fn rule(id: &str, prefix: &str) -> aws_sdk_s3::types::builders::LifecycleRuleBuilder {
    LifecycleRule::builder()
        .id(id)
        .filter(LifecycleRuleFilter::builder().prefix(prefix).build())
        .status(ExpirationStatus::Enabled)
}

async fn put_rules(w: &World, bucket: &str, rules: Vec<LifecycleRule>) {
    let c = BucketLifecycleConfiguration::builder().set_rules(Some(rules)).build().unwrap();
    w.other.s3.put_bucket_lifecycle_configuration().bucket(bucket).lifecycle_configuration(c).send().await.unwrap();
}

#[tokio::test]
async fn what_others_loosened_is_reported_and_mended_and_theirs_is_kept() {
    let w = World::provisioned().await;
    let (s3, b) = (&w.other.s3, w.buckets().media.as_str());
    let open = PublicAccessBlockConfiguration::builder().block_public_acls(true).build();
    s3.put_public_access_block().bucket(b).public_access_block_configuration(open).send().await.unwrap();
    let weak = retention(ObjectLockRetentionMode::Governance, 1);
    s3.put_object_lock_configuration().bucket(b).object_lock_configuration(weak).send().await.unwrap();
    let suspended = VersioningConfiguration::builder().status(BucketVersioningStatus::Suspended).build();
    s3.put_bucket_versioning().bucket(b).versioning_configuration(suspended).send().await.unwrap();
    let by = ServerSideEncryptionByDefault::builder().sse_algorithm(ServerSideEncryption::Aes256).build().unwrap();
    let by = ServerSideEncryptionRule::builder().apply_server_side_encryption_by_default(by).build();
    let plain = ServerSideEncryptionConfiguration::builder().rules(by).build().unwrap();
    s3.put_bucket_encryption().bucket(b).server_side_encryption_configuration(plain).send().await.unwrap();
    let theirs = json!({ "Sid": "Theirs", "Effect": "Allow", "Principal": { "AWS": "arn:aws:iam::000000000000:root" },
        "Action": "s3:ListBucket", "Resource": format!("arn:aws:s3:::{b}") });
    let policy = json!({ "Version": "2012-10-17", "Statement": [theirs] });
    s3.put_bucket_policy().bucket(b).policy(policy.to_string()).send().await.unwrap();
    let reports =
        rule("reports", "reports/").expiration(LifecycleExpiration::builder().days(9).build()).build().unwrap();
    put_rules(&w, b, vec![reports]).await;
    let table = w.settings.table.clone().unwrap();
    w.other.dynamodb.update_table().table_name(&table).deletion_protection_enabled(false).send().await.unwrap();

    let plan = w.plan().await;
    assert_eq!(
        told(&plan, w.name()),
        [
            "bucket media versioning drifted",
            "bucket media default_retention drifted",
            "bucket media public_access_block drifted",
            "bucket media encryption drifted",
            "bucket media policy drifted",
            "bucket media lifecycle missing",
            "table index deletion_protection drifted",
        ]
    );
    assert!(w.apply().await.left.entries.is_empty());

    let policy = s3.get_bucket_policy().bucket(b).send().await.unwrap().policy.unwrap();
    let policy: Value = serde_json::from_str(&policy).unwrap();
    let sids: Vec<_> = policy["Statement"].as_array().unwrap().iter().map(|s| s["Sid"].as_str().unwrap()).collect();
    assert!(sids.contains(&"Theirs") && sids.contains(&"HoldfastTlsOnly") && sids.contains(&"HoldfastKey"), "{sids:?}");
    let rules = s3.get_bucket_lifecycle_configuration().bucket(b).send().await.unwrap();
    assert!(
        rules.rules().iter().any(|r| r.id() == Some("reports") && r.expiration().and_then(|e| e.days()) == Some(9))
    );
}

#[tokio::test]
async fn what_stands_firmer_stays() {
    let w = World::provisioned().await;
    let b = w.buckets().meta.as_str();
    let firm = retention(ObjectLockRetentionMode::Compliance, 4000);
    w.other.s3.put_object_lock_configuration().bucket(b).object_lock_configuration(firm).send().await.unwrap();
    let plan = w.plan().await;
    assert_eq!(told(&plan, w.name()), ["bucket meta default_retention remark"]);
    assert!(plan.is_empty());
    assert!(w.apply().await.done.is_empty());
    let c = w.other.s3.get_object_lock_configuration().bucket(b).send().await.unwrap();
    let d = c.object_lock_configuration.unwrap().rule.unwrap().default_retention.unwrap();
    assert_eq!((d.mode.unwrap().as_str().to_owned(), d.days), ("COMPLIANCE".into(), Some(4000)));
}

#[tokio::test]
async fn a_firmer_mode_keeps_its_mode_when_days_grow() {
    let w = World::provisioned().await;
    let b = w.buckets().meta.as_str();
    let firm = retention(ObjectLockRetentionMode::Compliance, 10);
    w.other.s3.put_object_lock_configuration().bucket(b).object_lock_configuration(firm).send().await.unwrap();
    w.apply().await;
    let c = w.other.s3.get_object_lock_configuration().bucket(b).send().await.unwrap();
    let d = c.object_lock_configuration.unwrap().rule.unwrap().default_retention.unwrap();
    assert_eq!((d.mode.unwrap().as_str().to_owned(), d.days), ("COMPLIANCE".into(), Some(365)));
}

#[tokio::test]
async fn an_unversioned_bucket_is_no_archive_and_is_left_as_it_is() {
    let w = World::new().await;
    let b = w.buckets().media.as_str();
    w.plain_bucket(b, false).await;
    let plan = w.plan().await;
    let media: Vec<_> = plan.entries.iter().filter(|e| e.place.ends_with(b)).collect();
    assert!(media.iter().all(|e| e.kind == Kind::Barred), "{media:#?}");
    let lock = media.iter().find(|e| e.setting == "object_lock").unwrap();
    assert!(lock.words.contains("Name a new bucket"), "{}", lock.words);
    let applied = w.apply().await;
    assert!(applied.done.iter().all(|e| !e.place.ends_with(b)));
    assert!(!applied.left.is_empty() && applied.left.to_do().next().is_none(), "{:#?}", applied.left);
    let writes = w.proxy.log().into_iter().filter(|(op, at)| op.starts_with("Put") && at.starts_with(b)).count();
    assert_eq!(writes, 0);
}

#[tokio::test]
async fn a_versioned_bucket_without_lock_gets_it() {
    let mut w = World::new().await;
    w.settings.table = None;
    let b = w.buckets().media.clone();
    w.plain_bucket(&b, true).await;
    assert!(told(&w.plan().await, w.name()).contains(&"bucket media object_lock drifted".into()));
    assert!(!w.apply().await.left.entries.iter().any(|e| e.setting == "object_lock"));
}

#[tokio::test]
async fn rules_of_others_that_work_against_the_archive_are_a_persons_to_take_away() {
    let w = World::provisioned().await;
    for (bucket, bad, word) in [
        (
            &w.buckets().meta,
            rule("chill", "")
                .transitions(Transition::builder().days(1).storage_class(TransitionStorageClass::Glacier).build()),
            "cannot be read for hours",
        ),
        (
            &w.buckets().media,
            rule("tidy", "rec").expiration(LifecycleExpiration::builder().days(400).build()),
            "whether a matter still needs them",
        ),
    ] {
        let found = w.other.s3.get_bucket_lifecycle_configuration().bucket(bucket).send().await.unwrap();
        let mut rules = found.rules().to_vec();
        rules.push(bad.build().unwrap());
        put_rules(&w, bucket, rules.clone()).await;
        let plan = w.plan().await;
        let barred: Vec<_> = plan.barred().filter(|e| e.place.ends_with(bucket.as_str())).collect();
        assert_eq!(barred.len(), 1, "{plan:#?}");
        let words = barred[0].words.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(words.contains(word), "{words}");
        assert!(w.apply().await.done.is_empty(), "it is not ours to take away");
        let kept = w.other.s3.get_bucket_lifecycle_configuration().bucket(bucket).send().await.unwrap();
        assert_eq!(kept.rules().len(), rules.len());
    }
}

#[tokio::test]
async fn a_bucket_of_another_region_is_told_and_not_asked_further() {
    let mut w = World::new().await;
    w.settings.table = None;
    let b = w.buckets().media.clone();
    w.plain_bucket(&b, true).await;
    w.settings.region = "eu-west-1".into();
    w.proxy.fault(Fault::on("GetBucketVersioning", FaultKind::Answer(301, "PermanentRedirect")).key(&b).times(9));
    let plan = w.plan().await;
    let media: Vec<_> = told(&plan, w.name()).into_iter().filter(|t| t.starts_with("bucket media")).collect();
    assert_eq!(media, ["bucket media region barred"]);
}
