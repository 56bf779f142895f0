use crate::support::World;
use aws_sdk_s3::types::{
    BucketLifecycleConfiguration, ExpirationStatus, LifecycleRule, LifecycleRuleFilter, Transition,
    TransitionStorageClass,
};
use holdfast_model::{Cancel, SystemClock};
use holdfast_provision::preflight::{AwsTarget, CHECKS, Outcome, Provider, Report, run};
use holdfast_store::{S3Config, S3Store, Store};
use holdfast_testkit::cloud::aws::{Fault, FaultKind};
use std::sync::{Arc, Mutex};

fn store(w: &World) -> Store {
    let config = S3Config { kms_key: w.settings.kms_key.clone(), ..S3Config::new(w.buckets().clone()) };
    S3Store::new(w.clients.s3.clone(), config, Arc::new(SystemClock)).store()
}

async fn preflight(w: &World) -> Report {
    let target = AwsTarget::new(w.clients.clone(), &w.settings).unwrap();
    let provider = Provider::Aws(Box::new(target));
    let heard = Mutex::new(Vec::new());
    let hear = |c: &holdfast_provision::preflight::Check| heard.lock().unwrap().push(c.clone());
    let report = run(&store(w), &provider, &SystemClock, &hear, &Cancel::default()).await;
    assert_eq!(*heard.lock().unwrap(), report.checks, "each check is told as it ends");
    report
}

/// Code, place without the test's prefix, and the missing right or setting.
fn failed(w: &World, r: &Report) -> Vec<(String, String)> {
    let short = |s: &str| s.replace(&format!("{}-", w.name()), "");
    r.failed()
        .map(|c| {
            (
                format!("{} {}", c.code.trim_start_matches("preflight."), short(&c.place)),
                short(c.missing.as_deref().unwrap_or("?")),
            )
        })
        .collect()
}

fn pairs(all: &[(&str, &str)]) -> Vec<(String, String)> {
    all.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect()
}

#[tokio::test]
async fn green_on_what_was_provisioned_and_nothing_else_is_touched() {
    let w = World::provisioned().await;
    let report = preflight(&w).await;
    assert!(report.is_green(), "{:#?}", report.failed().collect::<Vec<_>>());
    assert!(report.checks.iter().all(|c| c.outcome == Outcome::Passed), "{:#?}", report.checks);
    let done: std::collections::BTreeSet<_> = report.checks.iter().map(|c| c.code.as_str()).collect();
    let missing: Vec<_> =
        CHECKS.iter().map(|(c, _)| *c).filter(|c| !done.contains(c) && *c != "preflight.account").collect();
    assert_eq!(missing, Vec::<&str>::new());
    for (op, at) in w.proxy.log() {
        if ["PutObject", "DeleteObject", "PutObjectRetention", "PutObjectLegalHold", "RestoreObject"]
            .contains(&op.as_str())
        {
            assert!(at.contains("/preflight/"), "{op} {at}");
        }
    }
    // The shortest retention: over within half an hour.
    let probe = format!("{}/media", report.probes);
    let head = w.other.s3.head_object().bucket(&w.buckets().media).key(&probe).send().await.unwrap();
    let until = head.object_lock_retain_until_date().unwrap().secs();
    assert!(until - holdfast_model::Clock::now(&SystemClock).as_second() < 1800);
}

#[tokio::test]
async fn every_missing_right_is_named() {
    let w = World::provisioned().await;
    for (right, fails) in [
        ("s3:PutObjectTagging", &["create media", "meta meta", "ledger_tiles meta", "quarantine aside"] as &[_]),
        ("s3:PutObjectRetention", &["create media", "meta meta", "ledger_tiles meta", "quarantine aside"]),
        ("s3:PutObjectLegalHold", &["hold media"]),
        ("s3:RestoreObject", &["restore media"]),
        ("s3:ListBucketVersions", &["listing media"]),
        ("s3:GetLifecycleConfiguration", &["lifecycle_media media", "lifecycle_meta meta"]),
        ("s3:GetBucketObjectLockConfiguration", &["object_lock media", "object_lock meta", "object_lock aside"]),
        ("dynamodb:PutItem", &["table_write index"]),
        ("dynamodb:Query", &["table_index index"]),
        ("dynamodb:DescribeContinuousBackups", &["table index"]),
        ("sts:GetCallerIdentity", &["identity "]),
    ] {
        w.proxy.deny(right);
        let report = preflight(&w).await;
        w.proxy.allow(right);
        let wanted: Vec<_> = fails.iter().map(|f| ((*f).to_owned(), right.to_owned())).collect();
        assert_eq!(failed(&w, &report), wanted, "without {right}");
        for c in report.failed() {
            assert!(c.next.as_ref().is_some_and(|n| n.contains(right)), "{c:?}");
        }
    }
}

#[tokio::test]
async fn a_bucket_without_lock_is_found_out_by_acting() {
    let w = World::new().await;
    for b in [&w.buckets().media, &w.buckets().meta, &w.buckets().quarantine] {
        w.plain_bucket(b, true).await;
    }
    let report = preflight(&w).await;
    let found = failed(&w, &report);
    for (check, missing) in pairs(&[
        ("object_lock media", "Object Lock"),
        ("object_lock meta", "Object Lock"),
        ("encryption media", "default encryption"),
        ("lifecycle_media media", "lifecycle rule of recordings"),
        ("table index", "the table index"),
    ]) {
        assert!(found.contains(&(check.clone(), missing)), "{check}: {found:#?}");
    }
    // The write with a retention is refused, or it is taken and the version can be deleted: either is found.
    let by_acting = ["create media", "delete_refused media", "retention media"];
    assert!(found.iter().any(|(c, _)| by_acting.contains(&c.as_str())), "{found:#?}");
}

#[tokio::test]
async fn a_key_that_is_disabled_is_named() {
    let w = World::provisioned().await;
    let key = w.settings.kms_key.clone().unwrap();
    w.proxy.disable_key(&key);
    let report = preflight(&w).await;
    w.proxy.enable_key(&key);
    let create = report.failed().find(|c| c.code == "preflight.create").unwrap();
    assert_eq!(create.missing.as_deref(), Some(format!("the key {key}").as_str()), "{create:?}");
    // Disabled a moment ago, and S3 has a data key of it in its cache still.
    w.other.kms.disable_key().key_id(&key).send().await.unwrap();
    let report = preflight(&w).await;
    let kms = report.checks.iter().find(|c| c.code == "preflight.kms" && c.outcome == Outcome::Failed);
    let create = report.checks.iter().find(|c| c.code == "preflight.create" && c.outcome == Outcome::Failed);
    let told = kms.or(create).unwrap_or_else(|| panic!("{:#?}", report.checks));
    assert!(told.missing.as_ref().is_some_and(|m| m.contains(&key)), "{told:?}");
}

#[tokio::test]
async fn metadata_that_would_go_cold_is_told() {
    let w = World::provisioned().await;
    let b = &w.buckets().meta;
    let rule = LifecycleRule::builder()
        .id("save-money")
        .filter(LifecycleRuleFilter::builder().prefix("").build())
        .status(ExpirationStatus::Enabled)
        .transitions(Transition::builder().days(30).storage_class(TransitionStorageClass::DeepArchive).build())
        .build()
        .unwrap();
    let c = BucketLifecycleConfiguration::builder().rules(rule).build().unwrap();
    w.other.s3.put_bucket_lifecycle_configuration().bucket(b).lifecycle_configuration(c).send().await.unwrap();
    let report = preflight(&w).await;
    assert_eq!(failed(&w, &report), pairs(&[("lifecycle_meta meta", "a lifecycle that leaves metadata alone")]));
}

#[tokio::test]
async fn a_clock_that_is_off_is_told_before_it_does_harm() {
    let w = World::provisioned().await;
    w.proxy.skew(jiff::SignedDuration::from_mins(10));
    let report = preflight(&w).await;
    assert_eq!(failed(&w, &report), pairs(&[("clock ", "time synchronisation")]));
    let clock = report.failed().next().unwrap();
    assert!(clock.says.contains("min behind"), "{}", clock.says);
}

#[tokio::test]
async fn a_table_without_recovery_or_protection_is_told() {
    let w = World::new().await;
    w.apply().await;
    let table = w.settings.table.as_deref().unwrap();
    w.other.dynamodb.update_table().table_name(table).deletion_protection_enabled(false).send().await.unwrap();
    let off = aws_sdk_dynamodb::types::PointInTimeRecoverySpecification::builder()
        .point_in_time_recovery_enabled(false)
        .build()
        .unwrap();
    let call = w.other.dynamodb.update_continuous_backups().table_name(table);
    call.point_in_time_recovery_specification(off).send().await.unwrap();
    assert_eq!(
        failed(&w, &preflight(&w).await),
        pairs(&[
            ("table_recovery index", "PointInTimeRecoveryEnabled"),
            ("table_protection index", "DeletionProtectionEnabled"),
        ])
    );
}

#[tokio::test]
async fn bytes_that_change_on_the_way_are_told() {
    let w = World::provisioned().await;
    w.proxy.fault(Fault::on("GetObject", FaultKind::WrongBytes(3)).times(9));
    let report = preflight(&w).await;
    assert!(report.failed().any(|c| c.code == "preflight.read_back"), "{:#?}", report.checks);
}

#[tokio::test]
async fn told_to_stop_it_stops_and_is_not_green() {
    let w = World::provisioned().await;
    let target = AwsTarget::new(w.clients.clone(), &w.settings).unwrap();
    let cancel = Cancel::default();
    let stop = cancel.clone();
    let hear = move |_: &holdfast_provision::preflight::Check| stop.cancel();
    let report = run(&store(&w), &Provider::Aws(Box::new(target)), &SystemClock, &hear, &cancel).await;
    assert_eq!(report.checks.len(), 1);
    assert!(report.stopped && !report.is_green());
}

/// What the store takes and provisioning cannot compare: the rest is proved all the same.
#[tokio::test]
async fn a_keys_bare_id_and_an_access_point_leave_out_the_settings_alone() {
    let mut w = World::provisioned().await;
    let arn = w.settings.kms_key.clone().unwrap();
    w.settings.kms_key = arn.rsplit_once('/').map(|(_, id)| id.to_owned());
    let report = preflight(&w).await;
    assert!(report.is_green(), "{:#?}", report.failed().collect::<Vec<_>>());
    let skipped = |r: &Report| {
        let skipped = r.checks.iter().filter(|c| c.outcome == Outcome::Skipped);
        skipped.map(|c| (c.code.trim_start_matches("preflight.").to_owned(), c.says.clone())).collect::<Vec<_>>()
    };
    let codes = ["versioning", "object_lock", "encryption", "lifecycle_media", "lifecycle_meta"];
    assert_eq!(skipped(&report).iter().map(|(c, _)| c.as_str()).collect::<Vec<_>>(), codes);
    assert!(skipped(&report).iter().all(|(_, says)| says.contains("the key by its id alone")));
    let of_key = report.checks.iter().find(|c| c.code == "preflight.kms").unwrap();
    assert!(of_key.outcome == Outcome::Passed && of_key.says.contains("enabled"), "{of_key:?}");

    let point = "arn:aws:s3:eu-central-1:000000000000:accesspoint/media";
    w.settings.buckets.as_mut().unwrap().media = point.into();
    let report = preflight(&w).await;
    let settings: Vec<_> = skipped(&report).into_iter().filter(|(c, _)| codes.contains(&c.as_str())).collect();
    assert_eq!(settings.len(), codes.len());
    assert!(settings.iter().all(|(_, says)| says.contains("access point")), "{settings:?}");
    assert!(report.checks.iter().any(|c| c.code == "preflight.meta" && c.outcome == Outcome::Passed));
    // What nobody takes is refused as before.
    w.settings.kms_key = Some("alias/archive".into());
    w.settings.buckets.as_mut().unwrap().media = "media".into();
    assert!(AwsTarget::new(w.clients.clone(), &w.settings).is_err());
}
