use super::{Subject, noise, options};
use holdfast_model::{Availability, ObjectKey, ObjectLocator, RehydrationSpeed, StorageTier};
use holdfast_store::{Created, RehydrationOption, Rehydrator, StoreError};
use std::{sync::Arc, time::Duration};

/// The rehydrator, where the store has cold tiers. A store that says it has none must have no rehydrator either.
fn cold(s: &Subject) -> Option<Arc<dyn Rehydrator>> {
    assert_eq!(s.store.reader.capabilities().cold_tiers, s.store.rehydrator.is_some());
    s.store.rehydrator.clone()
}

async fn put_cold(s: &Subject, key: &str) -> Created {
    let Some(cool) = &s.cool else {
        return s.put_with(key, noise(5_000, 6), options(StorageTier::Cold)).await.unwrap();
    };
    let created = s.put(key, noise(5_000, 6)).await.unwrap();
    cool(created.locator.clone()).await;
    let info = s.store.reader.head(&created.locator).await.unwrap();
    assert!(info.tier.needs_rehydration(), "{info:?}");
    assert_eq!(info.locator, created.locator, "the same version, in another class");
    Created { storage_class: info.storage_class, ..created }
}

async fn state(s: &Subject, at: &ObjectLocator) -> Availability {
    let status =
        s.store.rehydrator.as_ref().unwrap().status(std::slice::from_ref(at)).await.unwrap().remove(0).unwrap();
    assert_eq!(s.store.reader.head(at).await.unwrap().state(), status, "head tells what status tells");
    let listed = s.store.reader.list(&at.bucket, at.key.as_str(), None, 1).await.unwrap().objects.remove(0);
    assert_eq!(listed.state(), status, "a listing tells what status tells");
    status.availability
}

/// Offered speeds, the first being the fastest.
fn offered(rehydrator: &dyn Rehydrator, class: &str) -> Vec<RehydrationOption> {
    let options = rehydrator.options(class);
    assert!(!options.is_empty(), "{class} must be rehydrated but offers no speed");
    assert!(options.is_sorted_by_key(|o| o.expected), "fastest first");
    assert!(options.iter().all(|o| o.expected <= o.worst));
    options
}

/// Cold bytes cannot be read, before or during rehydration; their facts can.
pub async fn refuses_a_cold_read(s: &Subject) {
    let Some(rehydrator) = cold(s) else { return };
    let created = put_cold(s, "cold/a").await;
    let at = &created.locator;
    assert_eq!(state(s, at).await, Availability::Offline);
    assert!(matches!(s.all(at).await, Err(StoreError::Offline(_))));
    let info = s.store.reader.head(at).await.unwrap();
    assert_eq!((info.sha256, info.size_bytes), (Some(created.fixity.digest), 5_000));

    let slowest = offered(&*rehydrator, &created.storage_class).pop().unwrap();
    rehydrator.request(at, slowest.speed, 1).await.unwrap();
    assert!(matches!(s.all(at).await, Err(StoreError::Offline(_))), "not before it is ready");
}

/// Asked for, under way, readable, gone again, and asked for anew.
pub async fn rehydrates_for_a_while(s: &Subject) {
    let Some(rehydrator) = cold(s) else { return };
    let created = put_cold(s, "cold/b").await;
    let (at, fastest) = (&created.locator, offered(&*rehydrator, &created.storage_class).remove(0));
    for _ in 0..2 {
        let ticket = rehydrator.request(at, fastest.speed, 1).await.unwrap();
        assert!(ticket.started);
        assert!(matches!(ticket.availability, Availability::Rehydrating { .. }), "{ticket:?}");
        assert_eq!(state(s, at).await, ticket.availability);

        (s.advance)(fastest.worst).await;
        let Availability::Online { until } = state(s, at).await else { panic!("not online in time") };
        assert_eq!(s.all(at).await.unwrap(), noise(5_000, 6));
        let again = rehydrator.request(at, fastest.speed, 1).await.unwrap();
        assert!(!again.started, "it is online already");

        let Some(until) = until else {
            // It was moved, not copied: it stays until lifecycle takes it back.
            (s.advance)(Duration::from_secs(2 * 86_400)).await;
            assert_eq!(state(s, at).await, Availability::Online { until: None });
            s.cool.as_ref().expect("what stays can be cooled again")(at.clone()).await;
            assert_eq!(state(s, at).await, Availability::Offline);
            continue;
        };
        // A copy for one day is gone after two: expiry is rounded up to a midnight.
        (s.advance)(Duration::from_secs(2 * 86_400)).await;
        assert_eq!(state(s, at).await, Availability::Offline, "until was {until}");
        assert!(matches!(s.all(at).await, Err(StoreError::Offline(_))));
    }
}

/// Asking again while it is under way starts nothing and delays nothing.
pub async fn keeps_one_rehydration(s: &Subject) {
    let Some(rehydrator) = cold(s) else { return };
    let created = put_cold(s, "cold/c").await;
    let (at, fastest) = (&created.locator, offered(&*rehydrator, &created.storage_class).remove(0));
    let first = rehydrator.request(at, fastest.speed, 1).await.unwrap();
    (s.advance)(fastest.expected / 2).await;
    let second = rehydrator.request(at, fastest.speed, 1).await.unwrap();
    assert!(first.started && !second.started);
    assert_eq!(first.availability, second.availability);
    let other = put_cold(s, "cold/other").await.locator;
    let nowhere = ObjectLocator { key: ObjectKey::new("cold/nowhere".to_owned()).unwrap(), ..other.clone() };
    let asked = rehydrator.status(&[other.clone(), nowhere, at.clone()]).await.unwrap();
    let told: Vec<_> = asked.into_iter().map(|state| state.map(|s| s.availability)).collect();
    let wanted = [Some(Availability::Offline), None, Some(first.availability)];
    assert_eq!(told, wanted, "in the order asked, and one that is not there hides none of the others");
}

/// Where the store can, a faster request makes a pending one faster; a slower one never makes it slower.
pub async fn raises_a_pending_rehydration(s: &Subject) {
    let Some(rehydrator) = cold(s) else { return };
    if !s.store.reader.capabilities().raise_speed {
        return;
    }
    let created = put_cold(s, "cold/d").await;
    let at = &created.locator;
    let speeds = offered(&*rehydrator, &created.storage_class);
    let (fast, slow) = (speeds.first().unwrap(), speeds.last().unwrap());
    assert!(fast.expected < slow.expected, "raising needs two speeds");
    assert!(rehydrator.request(at, slow.speed, 1).await.unwrap().started);
    assert!(!rehydrator.request(at, fast.speed, 1).await.unwrap().started);
    assert!(!rehydrator.request(at, slow.speed, 1).await.unwrap().started);
    (s.advance)(fast.worst.min(slow.expected - Duration::from_millis(1))).await;
    assert!(matches!(state(s, at).await, Availability::Online { .. }));
}

/// Hot bytes are simply there: nothing is offered and asking starts nothing.
pub async fn has_nothing_to_rehydrate_when_hot(s: &Subject) {
    let Some(rehydrator) = cold(s) else { return };
    let created = s.put("hot", "x").await.unwrap();
    assert!(rehydrator.options(&created.storage_class).is_empty());
    let ticket = rehydrator.request(&created.locator, RehydrationSpeed::Standard, 1).await.unwrap();
    assert_eq!((ticket.availability, ticket.started), (Availability::Online { until: None }, false));
}
