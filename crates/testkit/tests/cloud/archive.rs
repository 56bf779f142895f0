use super::{Bench, code, locked, plain};
use aws_sdk_s3::types::{
    ArchiveStatus, GlacierJobParameters, OptionalObjectAttributes, RestoreRequest, StorageClass, Tier,
};
use holdfast_model::Clock as _;
use holdfast_testkit::cloud::aws::restore_time;
use std::time::Duration;

impl Bench {
    async fn restore(&self, key: &str, version: Option<&str>, days: Option<i32>, tier: &str) -> Result<(), String> {
        let speed = GlacierJobParameters::builder().tier(Tier::from(tier)).build().unwrap();
        let wanted = RestoreRequest::builder().set_days(days).glacier_job_parameters(speed).build();
        let call = self.s3.restore_object().bucket(&self.bucket).key(key).set_version_id(version.map(str::to_owned));
        call.restore_request(wanted).send().await.map(|_| ()).map_err(|e| code(&e))
    }

    async fn head(&self, key: &str) -> (Option<StorageClass>, Option<String>) {
        let head = self.s3.head_object().bucket(&self.bucket).key(key).send().await.unwrap();
        (head.storage_class().cloned(), head.restore().map(str::to_owned))
    }
}

#[tokio::test]
async fn an_object_goes_cold_in_place_and_comes_back_for_a_while() {
    let b = locked().await;
    let version = b.put("cold", b"bytes").await;
    assert_eq!(b.head("cold").await, (None, None));
    b.proxy.transition(&b.bucket, "cold", "GLACIER").await;
    assert_eq!(b.head("cold").await, (Some(StorageClass::Glacier), None));
    assert_eq!(b.read("cold").await.unwrap_err(), "InvalidObjectState");
    assert_eq!(b.restore("cold", Some(&version), Some(3), "Standard").await, Ok(()));
    assert_eq!(b.head("cold").await.1.as_deref(), Some("ongoing-request=\"true\""));
    assert_eq!(b.restore("cold", None, Some(3), "Standard").await.unwrap_err(), "RestoreAlreadyInProgress");
    assert_eq!(b.read("cold").await.unwrap_err(), "InvalidObjectState");
    b.clock.advance(restore_time("GLACIER", "Standard").unwrap());
    assert_eq!(b.read("cold").await.unwrap(), b"bytes");
    // Asked for at noon of 15 March, ready at 17:00, three days, the next midnight.
    let told = b.head("cold").await.1.unwrap();
    assert_eq!(told, "ongoing-request=\"false\", expiry-date=\"Thu, 19 Mar 2026 00:00:00 GMT\"");
    assert_eq!(b.restore("cold", None, Some(10), "Standard").await, Ok(()), "a live copy is prolonged");
    assert!(b.head("cold").await.1.unwrap().contains("Thu, 26 Mar 2026"));
    b.clock.advance(Duration::from_secs(11 * 86_400));
    assert_eq!(b.read("cold").await.unwrap_err(), "InvalidObjectState");
    assert_eq!(b.head("cold").await, (Some(StorageClass::Glacier), None));
}

#[tokio::test]
async fn restores_are_refused_as_the_provider_does() {
    let b = locked().await;
    for key in ["hot", "instant", "flexible", "deep"] {
        b.put(key, b"x").await;
    }
    b.proxy.transition(&b.bucket, "instant", "GLACIER_IR").await;
    b.proxy.transition(&b.bucket, "flexible", "GLACIER").await;
    b.proxy.transition(&b.bucket, "deep", "DEEP_ARCHIVE").await;
    assert_eq!(b.read("instant").await.unwrap(), b"x");
    let refused = |key, days, tier| b.restore(key, None, days, tier);
    assert_eq!(refused("hot", Some(1), "Standard").await.unwrap_err(), "InvalidObjectState");
    assert_eq!(refused("instant", Some(1), "Standard").await.unwrap_err(), "InvalidObjectState");
    assert_eq!(refused("deep", Some(1), "Expedited").await.unwrap_err(), "InvalidArgument");
    assert_eq!(refused("flexible", None, "Standard").await.unwrap_err(), "MalformedXML");
    assert_eq!(refused("nobody", Some(1), "Standard").await.unwrap_err(), "NoSuchKey");
    b.proxy.no_expedited_capacity(true);
    assert_eq!(refused("flexible", Some(1), "Expedited").await.unwrap_err(), "GlacierExpeditedRetrievalNotAvailable");
    b.proxy.no_expedited_capacity(false);
    assert_eq!(refused("flexible", Some(1), "Bulk").await, Ok(()));
    assert_eq!(refused("flexible", None, "Expedited").await, Ok(()), "raised");
    b.clock.advance(restore_time("GLACIER", "Expedited").unwrap());
    assert_eq!(b.read("flexible").await.unwrap(), b"x");
}

#[tokio::test]
async fn listings_tell_classes_and_restores_where_asked() {
    let b = locked().await;
    for key in ["a/hot", "a/pending & <odd>", "a/ready", "a/old"] {
        b.put(key, b"x").await;
    }
    let old = b.put("a/old", b"older").await;
    for key in ["a/pending & <odd>", "a/ready", "a/old"] {
        b.proxy.transition(&b.bucket, key, "DEEP_ARCHIVE").await;
    }
    // A newer version is not cold because an older one is.
    b.put("a/old", b"newer").await;
    b.restore("a/ready", None, Some(2), "Standard").await.unwrap();
    b.clock.advance(restore_time("DEEP_ARCHIVE", "Standard").unwrap());
    b.restore("a/pending & <odd>", None, Some(2), "Bulk").await.unwrap();
    let list = || b.s3.list_objects_v2().bucket(&b.bucket).prefix("a/");
    let page = list().optional_object_attributes(OptionalObjectAttributes::RestoreStatus).send().await.unwrap();
    let told: Vec<_> = page
        .contents()
        .iter()
        .map(|o| {
            let status =
                o.restore_status().map(|s| (s.is_restore_in_progress(), s.restore_expiry_date().map(|d| d.secs())));
            (o.key().unwrap(), o.storage_class().unwrap().as_str(), status)
        })
        .collect();
    let midnight = "2026-03-19T00:00:00Z".parse::<jiff::Timestamp>().unwrap().as_second();
    assert!(b.clock.now().as_second() < midnight);
    assert_eq!(
        told,
        [
            ("a/hot", "STANDARD", None),
            ("a/old", "STANDARD", None),
            ("a/pending & <odd>", "DEEP_ARCHIVE", Some((Some(true), None))),
            ("a/ready", "DEEP_ARCHIVE", Some((Some(false), Some(midnight)))),
        ]
    );
    let page = list().send().await.unwrap();
    assert!(page.contents().iter().all(|o| o.restore_status().is_none()), "not asked for, not told");
    let versions = b.s3.list_object_versions().bucket(&b.bucket).prefix("a/old").send().await.unwrap();
    let cold: Vec<_> =
        versions.versions().iter().filter(|v| v.storage_class().unwrap().as_str() == "DEEP_ARCHIVE").collect();
    assert_eq!(cold.iter().map(|v| v.version_id().unwrap()).collect::<Vec<_>>(), [old.as_str()]);
}

#[tokio::test]
async fn a_class_may_be_written_and_a_copy_takes_a_live_source_only() {
    let b = plain().await;
    let put = b.s3.put_object().bucket(&b.bucket).key("deep").storage_class(StorageClass::DeepArchive);
    put.body(b"x".to_vec().into()).send().await.unwrap();
    assert_eq!(b.head("deep").await.0, Some(StorageClass::DeepArchive));
    let copy = || b.s3.copy_object().bucket(&b.bucket).key("copy").copy_source(format!("{}/deep", b.bucket)).send();
    assert_eq!(code(&copy().await.unwrap_err()), "ObjectNotInActiveTierError");
    b.restore("deep", None, Some(1), "Bulk").await.unwrap();
    b.clock.advance(restore_time("DEEP_ARCHIVE", "Bulk").unwrap());
    copy().await.unwrap();
    assert_eq!(b.read("copy").await.unwrap(), b"x");
    b.put("deep", b"new").await;
    assert_eq!((b.head("deep").await.0, b.read("deep").await.unwrap()), (None, b"new".to_vec()));
}

#[tokio::test]
async fn the_archive_tiers_of_intelligent_tiering_come_back_for_good() {
    let b = locked().await;
    b.put("it", b"x").await;
    b.proxy.transition(&b.bucket, "it", "DEEP_ARCHIVE_ACCESS").await;
    let head = b.s3.head_object().bucket(&b.bucket).key("it").send().await.unwrap();
    assert_eq!(head.storage_class(), Some(&StorageClass::IntelligentTiering));
    assert_eq!(head.archive_status(), Some(&ArchiveStatus::DeepArchiveAccess));
    assert_eq!(b.read("it").await.unwrap_err(), "InvalidObjectState");
    assert_eq!(b.restore("it", None, Some(1), "Standard").await.unwrap_err(), "InvalidArgument");
    b.restore("it", None, None, "Standard").await.unwrap();
    b.clock.advance(Duration::from_secs(12 * 3600));
    assert_eq!(b.read("it").await.unwrap(), b"x");
    b.clock.advance(Duration::from_secs(90 * 86_400));
    assert_eq!(b.read("it").await.unwrap(), b"x");
    assert!(b.s3.head_object().bucket(&b.bucket).key("it").send().await.unwrap().archive_status().is_none());
}
