use super::{Subject, options};
use holdfast_model::{Fault as _, FaultKind, ImmutabilityMode, ObjectRetention, StorageTier};
use holdfast_store::{PutOptions, StoreError};
use jiff::Timestamp;

/// Dates far from now, so that a store with a real clock takes them too.
fn until(mode: ImmutabilityMode, year: i16) -> ObjectRetention {
    let until = format!("{year}-06-01T00:00:00Z").parse::<Timestamp>().expect("a date");
    ObjectRetention { mode, until }
}

/// Retention can be set and lengthened, never shortened or weakened.
pub async fn lengthens_retention_only(s: &Subject) {
    use ImmutabilityMode::{Compliance, Governance};
    let at = s.put("kept", "x").await.unwrap().locator;
    for stronger in [until(Governance, 2060), until(Governance, 2060), until(Governance, 2061), until(Compliance, 2061)]
    {
        s.store.retention.extend(&at, stronger).await.unwrap();
        assert_eq!(s.store.reader.head(&at).await.unwrap().retention, Some(stronger));
    }
    let stands = until(Compliance, 2061);
    for weaker in [until(Compliance, 2060), until(Governance, 2061), until(Governance, 2070)] {
        match s.store.retention.extend(&at, weaker).await {
            Err(e @ StoreError::RetentionShortened { .. }) => assert_eq!(e.kind(), FaultKind::Refused),
            other => panic!("{other:?}"),
        }
        assert_eq!(s.store.reader.head(&at).await.unwrap().retention, Some(stands));
    }
}

/// A hold can be set and lifted, each more than once, and leaves retention alone.
pub async fn sets_and_lifts_hold(s: &Subject) {
    let kept = until(ImmutabilityMode::Governance, 2060);
    let put = PutOptions { retention: Some(kept), ..options(StorageTier::Hot) };
    let at = s.put_with("held", "x", put).await.unwrap().locator;
    for on in [true, true, false, false, true] {
        s.store.retention.set_legal_hold(&at, on).await.unwrap();
        let info = s.store.reader.head(&at).await.unwrap();
        assert_eq!((info.legal_hold, info.retention), (on, Some(kept)));
    }
}

/// Retention and hold given with the write stand from the start, and in the listing.
pub async fn protects_from_the_first_write(s: &Subject) {
    let kept = until(ImmutabilityMode::Compliance, 2060);
    let put = PutOptions { retention: Some(kept), legal_hold: true, ..options(StorageTier::Hot) };
    let at = s.put_with("protected", "x", put).await.unwrap().locator;
    let info = s.store.reader.head(&at).await.unwrap();
    assert_eq!((info.retention, info.legal_hold), (Some(kept), true));
    let shorter = s.store.retention.extend(&at, until(ImmutabilityMode::Compliance, 2059)).await;
    assert!(matches!(shorter, Err(StoreError::RetentionShortened { .. })));
}
