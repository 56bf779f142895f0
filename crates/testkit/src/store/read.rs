use super::{Subject, key, noise, options};
use holdfast_model::{Availability, Sha256Digest, StorageTier};
use holdfast_store::{ByteRange, PutOptions, StoreError};
use std::collections::BTreeMap;

fn text(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|&(k, v)| (k.to_owned(), v.to_owned())).collect()
}

/// All facts given at the write come back, and the bytes are the bytes.
pub async fn tells_what_it_was_told(s: &Subject) {
    let bytes = noise(3_000_001, 1);
    let put = PutOptions {
        media_type: "audio/ogg".to_owned(),
        metadata: text(&[("retention-class", "finra-6y"), ("residency", "eu")]),
        tags: text(&[("classification", "restricted")]),
        ..options(StorageTier::Hot)
    };
    let created = s.put_with("recordings/2026/03/15/c-1/r-1.ogg", bytes.clone(), put).await.unwrap();
    let digest = Sha256Digest::of(&bytes);
    assert_eq!((created.fixity.digest, created.fixity.size_bytes), (digest, bytes.len() as u64));
    assert_eq!(created.locator.bucket, s.bucket);
    assert_eq!(created.locator.store, s.store.reader.name());
    assert_eq!(created.locator.version_id.is_some(), s.store.reader.capabilities().versions);

    let info = s.store.reader.head(&created.locator).await.unwrap();
    assert_eq!(info.locator, created.locator);
    assert_eq!(info.size_bytes, bytes.len() as u64);
    assert_eq!(info.sha256, Some(digest));
    assert_eq!(info.media_type, "audio/ogg");
    assert_eq!(
        info.metadata,
        text(&[("retention-class", "finra-6y"), ("residency", "eu"), ("sha256", &digest.to_hex())])
    );
    assert_eq!(info.tags, text(&[("classification", "restricted")]));
    assert_eq!((info.tier, &info.storage_class), (StorageTier::Hot, &created.storage_class));
    assert_eq!(info.availability, Availability::Online { until: None });
    assert_eq!((info.retention, info.legal_hold), (None, false));

    assert_eq!(s.all(&created.locator).await.unwrap(), bytes);
    // Without a version the newest is meant.
    assert_eq!(s.store.reader.head(&s.at("recordings/2026/03/15/c-1/r-1.ogg")).await.unwrap(), info);
}

/// A range gives just its bytes; one that goes past the end gives what there is.
pub async fn reads_ranges(s: &Subject) {
    let bytes = noise(2_500_000, 2);
    let at = s.put("a/ranges", bytes.clone()).await.unwrap().locator;
    for (start, end) in [
        (0, Some(1)),
        (0, Some(0)),
        (1_048_575, Some(1_048_577)),
        (2_499_999, None),
        (7, Some(2_200_000)),
        (1_000, None),
    ] {
        let want = &bytes[start as usize..end.unwrap_or(2_500_000) as usize];
        assert_eq!(s.bytes(&at, ByteRange { start, end }).await.unwrap(), want, "{start}..{end:?}");
    }
    assert_eq!(s.bytes(&at, ByteRange { start: 2_499_990, end: Some(9_999_999) }).await.unwrap(), &bytes[2_499_990..]);
}

/// Pages follow one another without gap or double, in the order of the keys as bytes.
pub async fn lists_in_key_order_by_pages(s: &Subject) {
    // A walk over folders that sorts names only would put `a/c` before `a-b`.
    let mut keys: Vec<String> =
        ["a-b", "a.b", "a/c", "a/c-d/e", "a/c/d", "a0", "a~", "b%2Fc/d", "B/x"].map(|k| format!("list/{k}")).to_vec();
    // `a/c` is an object and a folder: a store on a file system refuses one of the two.
    keys.retain(|k| k != "list/a/c/d");
    for k in &keys {
        s.put(k, k.as_str()).await.unwrap();
    }
    keys.sort_unstable();
    for limit in [1, 2, 3, 8, 100] {
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let page = s.store.reader.list(&s.bucket, "list/", after.as_ref(), limit).await.unwrap();
            assert!(page.objects.len() <= limit);
            found.extend(page.objects.iter().map(|o| o.locator.key.to_string()));
            after = page.objects.last().map(|o| o.locator.key.clone());
            assert!(!page.more || after.is_some(), "a page that says more has something");
            if !page.more {
                break;
            }
        }
        assert_eq!(found, keys, "pages of {limit}");
    }
    let one = &s.store.reader.list(&s.bucket, "list/a0", None, 10).await.unwrap().objects[0];
    assert_eq!(*one, s.store.reader.head(&s.at("list/a0")).await.unwrap().into(), "a listing tells what head tells");
    // The key to start after need not be there.
    let page = s.store.reader.list(&s.bucket, "list/", Some(&key("list/a/zzz")), 1).await.unwrap();
    assert_eq!(page.objects[0].locator.key.as_str(), "list/a0");
}

/// A prefix is text, not a folder.
pub async fn lists_by_prefix(s: &Subject) {
    for k in ["p/2026/03/15/x/1", "p/2026/03/15/xy/1", "p/2026/03/16/x/1", "q/1"] {
        s.put(k, k).await.unwrap();
    }
    for (prefix, count) in
        [("", 4), ("p/2026/03/15/x", 2), ("p/2026/03/15/x/", 1), ("p/2026/03/1", 3), ("q/1", 1), ("q/1/", 0), ("zz", 0)]
    {
        let page = s.store.reader.list(&s.bucket, prefix, None, 100).await.unwrap();
        assert_eq!((page.objects.len(), page.more), (count, false), "{prefix:?}");
    }
}

/// What is not there is said to be not there, by every call.
pub async fn finds_nothing_where_nothing_is(s: &Subject) {
    s.put("there/one", "1").await.unwrap();
    // A part of a key, and something below an object, are no objects.
    for missing in ["nowhere", "there", "there/one/below"] {
        let at = s.at(missing);
        let not_found = |e: StoreError| matches!(e, StoreError::NotFound(_));
        assert!(not_found(s.store.reader.head(&at).await.unwrap_err()));
        assert!(not_found(s.all(&at).await.unwrap_err()));
        assert!(not_found(s.store.retention.set_legal_hold(&at, true).await.unwrap_err()));
        if let Some(rehydrator) = &s.store.rehydrator {
            assert_eq!(rehydrator.status(&[at]).await.unwrap(), [None]);
        }
    }
}

/// A version is that version or nothing.
pub async fn refuses_a_wrong_version(s: &Subject) {
    if !s.store.reader.capabilities().versions {
        return;
    }
    let (one, two) = (s.put("v/1", "one").await.unwrap().locator, s.put("v/2", "two").await.unwrap().locator);
    assert_ne!(one.version_id, two.version_id);
    for wrong in [two.version_id.clone().unwrap(), "none-of-ours".to_owned(), "../v".to_owned()] {
        let mut at = one.clone();
        at.version_id = Some(wrong);
        assert!(matches!(s.store.reader.head(&at).await, Err(StoreError::NotFound(_))), "{at}");
        assert!(matches!(s.all(&at).await, Err(StoreError::NotFound(_))), "{at}");
        assert!(matches!(s.store.retention.set_legal_hold(&at, true).await, Err(StoreError::NotFound(_))), "{at}");
    }
    assert!(!s.store.reader.head(&one).await.unwrap().legal_hold);
}

/// Keys come back as they were given, and none is taken for another.
pub async fn takes_odd_keys(s: &Subject) {
    let long = format!("odd/{}/{}", "x".repeat(200), "y".repeat(200));
    let full = format!("odd/{}", vec!["z".repeat(200); 5].join("/"));
    let keys = [
        "odd/%00",
        "odd/%2E%2E/x",
        "odd/%2e%2e",
        "odd/a%2Fb",
        "odd/a%252Fb",
        "odd/a/b",
        "odd/~",
        "odd/-",
        "odd/...",
        "odd/.hidden",
        "odd/a.facts",
        "odd/CON.txt",
        "odd/%",
        &long,
        &full,
    ];
    for k in keys {
        s.put(k, k).await.unwrap_or_else(|e| panic!("{k}: {e}"));
    }
    for k in keys {
        assert_eq!(s.all(&s.at(k)).await.unwrap(), k.as_bytes());
    }
    let page = s.store.reader.list(&s.bucket, "odd/", None, 100).await.unwrap();
    let mut want = keys.map(str::to_owned);
    want.sort_unstable();
    assert_eq!(page.objects.iter().map(|o| o.locator.key.to_string()).collect::<Vec<_>>(), want);
}
