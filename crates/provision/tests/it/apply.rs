use crate::support::{World, told};
use holdfast_provision::{Kind, Replication};
use holdfast_store::Buckets;
use holdfast_testkit::cloud::aws::{Fault, FaultKind};

#[tokio::test]
async fn from_nothing_to_all_and_then_nothing_more() {
    let w = World::new().await;
    let plan = w.plan().await;
    assert!(plan.entries.iter().all(|e| e.kind == Kind::Missing), "{plan:#?}");
    let media: Vec<_> =
        told(&plan, w.name()).into_iter().filter_map(|t| Some(t.strip_prefix("bucket media ")?.to_owned())).collect();
    assert_eq!(
        media,
        ["bucket", "default_retention", "public_access_block", "encryption", "policy", "lifecycle"]
            .map(|s| format!("{s} missing"))
    );
    assert_eq!(w.writes(), Vec::<String>::new(), "a plan changes nothing");

    let applied = w.apply().await;
    assert_eq!(applied.done, plan.entries);
    assert!(applied.left.entries.is_empty(), "{:#?}", applied.left);
    let before = w.writes();
    let again = w.apply().await;
    assert!(again.done.is_empty() && again.left.entries.is_empty(), "{again:#?}");
    assert_eq!(w.writes(), before, "a second apply writes nothing");
}

#[tokio::test]
async fn one_bucket_for_all_keeps_metadata_warm() {
    let mut w = World::new().await;
    let one = w.buckets().media.clone();
    w.settings.buckets = Some(Buckets { media: one.clone(), meta: one.clone(), quarantine: one.clone() });
    assert_eq!(w.desired().buckets.len(), 1);
    assert!(w.apply().await.left.is_empty());
    let rules = w.other.s3.get_bucket_lifecycle_configuration().bucket(&one).send().await.unwrap();
    let moving: Vec<_> = rules.rules().iter().filter(|r| !r.transitions().is_empty()).collect();
    assert_eq!(moving.len(), 1);
    assert_eq!(moving[0].filter().and_then(|f| f.prefix()), Some("recordings/"));
}

#[tokio::test]
async fn replication_copies_delete_markers_in_time() {
    let mut w = World::provisioned().await;
    let copies = World::provisioned().await;
    w.settings.replication = Some(Replication {
        role_arn: "arn:aws:iam::000000000000:role/copier".into(),
        media_bucket: copies.buckets().media.clone(),
        meta_bucket: copies.buckets().meta.clone(),
        quarantine_bucket: None,
        kms_key: copies.settings.kms_key.clone(),
        account: None,
    });
    assert_eq!(
        told(&w.plan().await, w.name()),
        ["bucket media replication missing", "bucket meta replication missing"]
    );
    assert!(w.apply().await.left.is_empty());
    let found = w.other.s3.get_bucket_replication().bucket(&w.buckets().media).send().await.unwrap();
    let rule = &found.replication_configuration().unwrap().rules()[0];
    assert_eq!(rule.delete_marker_replication().unwrap().status().unwrap().as_str(), "Enabled");
    assert_eq!(rule.destination().unwrap().replication_time().unwrap().status().as_str(), "Enabled");
    assert_eq!(w.apply().await.done, []);
}

/// Each call takes effect, and its answer is lost.
#[tokio::test]
async fn what_was_done_and_reported_as_failed_is_not_done_otherwise() {
    let w = World::new().await;
    for op in [
        "CreateBucket",
        "PutObjectLockConfiguration",
        "PutPublicAccessBlock",
        "PutBucketOwnershipControls",
        "PutBucketEncryption",
        "PutBucketPolicy",
        "PutBucketLifecycleConfiguration",
        "CreateTable",
        "UpdateContinuousBackups",
        "UpdateTimeToLive",
    ] {
        w.proxy.fault(Fault::on(op, FaultKind::CutAfter));
    }
    let applied = w.apply().await;
    assert!(applied.left.entries.is_empty(), "{:#?}", applied.left);
    assert!(w.plan().await.entries.is_empty());
}

#[tokio::test]
async fn a_missing_right_is_named_and_what_was_done_stays() {
    let w = World::new().await;
    w.proxy.deny("s3:PutBucketPolicy");
    let e = holdfast_provision::aws::apply(
        &w.clients,
        &w.desired(),
        &holdfast_model::NoProgress,
        &holdfast_model::Cancel::default(),
    )
    .await
    .unwrap_err();
    assert_eq!(holdfast_model::Fault::code(&e), "provision.denied");
    assert!(e.to_string().contains("s3:PutBucketPolicy"), "{e}");
    w.proxy.allow("s3:PutBucketPolicy");
    assert!(w.apply().await.left.is_empty());
}

/// For minutes after a table was made backups are being enabled for it.
#[tokio::test]
async fn recovery_is_switched_on_as_soon_as_the_new_table_takes_it() {
    let w = World::new().await;
    let busy = FaultKind::Answer(400, "ContinuousBackupsUnavailableException");
    w.proxy.fault(Fault::on("UpdateContinuousBackups", busy).times(2));
    assert!(w.apply().await.left.entries.is_empty());
    assert_eq!(w.proxy.calls("UpdateContinuousBackups"), 3);
}
