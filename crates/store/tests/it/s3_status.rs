//! The state of thousands in few calls.

use crate::s3::{Cloud, client};
use futures_util::{StreamExt as _, TryStreamExt as _};
use holdfast_model::{Availability, ObjectKey, ObjectLocator};
use holdfast_testkit::cloud::Ministack;

/// Puts empty objects past the proxy, and tells where they lie.
async fn fill(cloud: &Cloud, keys: Vec<String>) -> Vec<ObjectLocator> {
    let direct = client(Ministack::start().await.url(), None);
    let put = |key: String| {
        let (direct, bucket) = (direct.clone(), cloud.bucket.clone());
        async move {
            let put = direct.put_object().bucket(&bucket).key(&key).send().await?;
            let key = ObjectKey::new(key).unwrap();
            let version_id = put.version_id().map(str::to_owned);
            Ok::<_, aws_sdk_s3::Error>(ObjectLocator { store: "s3".into(), bucket, key, version_id })
        }
    };
    futures_util::stream::iter(keys).map(put).buffered(16).try_collect().await.unwrap()
}

fn calls(cloud: &Cloud) -> (usize, usize) {
    (cloud.proxy.calls("ListObjectVersions"), cloud.proxy.calls("HeadObject"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_take_twelve_listings_at_most() {
    let cloud = Cloud::start().await;
    let keys = (0..10_000).map(|i| format!("recordings/2026/03/{:02}/c-{i}/r.ogg", 1 + i % 28)).collect();
    let began = std::time::Instant::now();
    let mut all = fill(&cloud, keys).await;
    println!("filled {:?}", began.elapsed());
    for (i, at) in all.iter().enumerate().filter(|(i, _)| i % 100 == 0) {
        let class = if i % 200 == 0 { "GLACIER" } else { "DEEP_ARCHIVE" };
        cloud.proxy.transition_version(&at.bucket, at.key.as_str(), at.version_id.as_ref().unwrap(), class);
    }
    let rehydrator = cloud.store().rehydrator.unwrap();
    rehydrator.request(&all[200], holdfast_model::RehydrationSpeed::Standard, 1).await.unwrap();

    let before = calls(&cloud);
    let states: Vec<_> = rehydrator.status(&all).await.unwrap().into_iter().map(Option::unwrap).collect();
    println!("asked {:?}", began.elapsed());
    let (lists, heads) = calls(&cloud);
    assert!(lists - before.0 <= 12, "{} listings", lists - before.0);
    assert_eq!(heads, before.1, "and nothing one by one");
    for (i, state) in states.iter().enumerate() {
        match i {
            200 => assert!(matches!(state.availability, Availability::Rehydrating { .. })),
            i if i % 100 == 0 => assert_eq!(state.availability, Availability::Offline, "{i}"),
            _ => assert_eq!(state.availability, Availability::Online { until: None }, "{i}"),
        }
    }

    // In any order, some twice, some by their newest version.
    all.reverse();
    all[7].version_id = None;
    let twice = [all.clone(), all[..50].to_vec()].concat();
    let again: Vec<_> = rehydrator.status(&twice).await.unwrap().into_iter().map(Option::unwrap).collect();
    assert!(again[..10_000].iter().eq(states.iter().rev()));
    assert_eq!(again[10_000..], again[..50]);

    // Every tenth, and then a few far apart: never more calls than one each.
    let tenth: Vec<_> = all.iter().step_by(10).cloned().collect();
    let before = calls(&cloud);
    assert_eq!(rehydrator.status(&tenth).await.unwrap().len(), 1_000);
    let after = calls(&cloud);
    assert!(after.0 - before.0 <= 12 && after.1 == before.1, "{before:?} {after:?}");
    let few: Vec<_> = all.iter().step_by(999).cloned().collect();
    assert_eq!(rehydrator.status(&few).await.unwrap().len(), 11);
    let last = calls(&cloud);
    assert_eq!((last.0 - after.0, last.1 - after.1), (0, 11));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sparse_ones_are_not_listed_for() {
    let cloud = Cloud::start().await;
    let all = fill(&cloud, (0..2_000).map(|i| format!("a/{i:05}")).collect()).await;
    let rehydrator = cloud.store().rehydrator.unwrap();
    // One in a hundred: a listing tells of ten.
    let sparse: Vec<_> = all.iter().step_by(100).cloned().collect();
    assert_eq!(rehydrator.status(&sparse).await.unwrap().len(), 20);
    let (lists, heads) = calls(&cloud);
    assert!(lists <= 2 && heads <= 20, "{lists} listings, {heads} single");

    // One that is not there, in the midst of those that are.
    let mut lost = all[..500].to_vec();
    lost[250].version_id = Some("another".to_owned());
    let lost_alone = async |lost: &[ObjectLocator]| {
        let states = rehydrator.status(lost).await.unwrap();
        states.iter().enumerate().all(|(i, state)| state.is_none() == (i == 250))
    };
    assert!(lost_alone(&lost).await);
    lost[250] = ObjectLocator { key: ObjectKey::new("a/00250x").unwrap(), ..all[250].clone() };
    assert!(lost_alone(&lost).await);
    assert!(rehydrator.status(&[]).await.unwrap().is_empty());
}

/// Many versions and markers of one key do not hide the keys after it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn versions_of_one_key_are_passed_over() {
    let cloud = Cloud::start().await;
    let mut all = fill(&cloud, (0..30).map(|i| format!("v/{i:02}")).collect()).await;
    let first = all[5].clone();
    // A first version that others were put above, past Holdfast.
    let above = fill(&cloud, vec!["v/05".to_owned(); 1_200]).await;
    for _ in 0..3 {
        cloud.client.delete_object().bucket(&cloud.bucket).key("v/06").send().await.unwrap();
    }
    let store = cloud.store();
    cloud.proxy.transition_version(&cloud.bucket, "v/05", first.version_id.as_ref().unwrap(), "GLACIER");
    all.push(ObjectLocator { version_id: None, ..first.clone() });
    let states: Vec<_> =
        store.rehydrator.unwrap().status(&all).await.unwrap().into_iter().map(Option::unwrap).collect();
    assert_eq!(states[5].availability, Availability::Offline, "the version that was named");
    assert_eq!(states[30].availability, Availability::Online { until: None }, "the newest");
    assert!(states[6..30].iter().all(|s| s.availability == Availability::Online { until: None }));

    let page = store.reader.list(&cloud.bucket, "v/", None, 100).await.unwrap();
    assert_eq!((page.objects.len(), page.more), (30, false));
    let newest = page.objects[5].locator.version_id.clone().unwrap();
    assert!(above.iter().any(|at| at.version_id.as_ref() == Some(&newest)) && Some(newest) != first.version_id);
    assert_eq!(page.objects[6].locator.version_id, all[6].version_id);
}
