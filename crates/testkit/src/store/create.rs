use super::{Alive, Subject, body, key, noise, options};
use bytes::Bytes;
use futures_util::{StreamExt as _, future::join_all};
use holdfast_model::{Fault as _, FaultKind, Fixity, Sha256Digest, StorageTier};
use holdfast_store::{BYTE_RANGE_ALL, PutOptions, StoreError};
use std::{io, sync::atomic::Ordering};

/// Nothing is too small.
pub async fn takes_an_empty_object(s: &Subject) {
    let created = s.put("empty", "").await.unwrap();
    assert_eq!(created.fixity, Fixity::sha256(Sha256Digest::of(b""), 0));
    assert_eq!(s.all(&created.locator).await.unwrap(), b"");
    assert_eq!(s.store.reader.head(&created.locator).await.unwrap().size_bytes, 0);
}

/// 64 MiB go in with no more than 16 pieces of 1 MiB alive at once, and come out in pieces of at most 1 MiB.
pub async fn takes_a_large_object_in_little_memory(s: &Subject) {
    let alive = Alive::default();
    let counter = alive.clone();
    let one = noise(1 << 20, 3);
    let pieces = futures_util::stream::iter(0..64u8).map(move |i| {
        let mut piece = one.clone();
        piece[0] = i;
        Ok(counter.piece(piece))
    });
    let created =
        s.store.writer.create(&s.bucket, &key("large"), pieces.boxed(), options(StorageTier::Hot)).await.unwrap();
    assert_eq!(created.fixity.size_bytes, 64 << 20);
    let most = alive.most.load(Ordering::SeqCst);
    assert!(most <= 16, "{most} pieces of 1 MiB were held at once");
    let mut stream = s.store.reader.read(&created.locator, BYTE_RANGE_ALL).await.unwrap();
    let (one, mut at) = (noise(1 << 20, 3), 0usize);
    while let Some(piece) = stream.next().await {
        let piece = piece.unwrap();
        assert!(piece.len() <= 1 << 20);
        for &byte in &piece {
            let want = if at % (1 << 20) == 0 { (at >> 20) as u8 } else { one[at % (1 << 20)] };
            assert_eq!(byte, want, "byte {at}");
            at += 1;
        }
    }
    assert_eq!(at, 64 << 20);
}

/// An object stays what it is, whatever is offered under its key; the refusal tells what is there.
pub async fn never_replaces(s: &Subject) {
    let first = s.put("once", "first").await.unwrap();
    for offered in ["second", "first"] {
        match s.put("once", offered).await {
            Err(StoreError::AlreadyExists(there)) => {
                assert_eq!(there.locator, first.locator);
                assert_eq!(there.sha256, Some(first.fixity.digest));
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(s.all(&first.locator).await.unwrap(), b"first");
}

/// Of eight writers at once exactly one creates, and all others are told what it created.
pub async fn elects_one_of_many_writers(s: &Subject) {
    for round in 0..8 {
        let k = format!("race/{round}/r");
        let offers: Vec<Vec<u8>> = (0..8).map(|i| noise(100_000, i)).collect();
        let results = join_all(offers.iter().map(|bytes| s.put(&k, bytes.clone()))).await;
        let mut won = None;
        for (result, bytes) in results.iter().zip(&offers) {
            if let Ok(created) = result {
                assert!(won.is_none(), "two writers created the same key");
                assert_eq!(created.fixity.digest, Sha256Digest::of(bytes));
                won = Some((created.locator.clone(), bytes));
            }
        }
        let (at, bytes) = won.expect("one writer creates");
        assert_eq!(s.all(&at).await.unwrap(), *bytes);
        for result in results.into_iter().filter_map(Result::err) {
            match result {
                StoreError::AlreadyExists(there) => assert_eq!(there.locator, at),
                other => panic!("{other}"),
            }
        }
    }
}

/// Bytes other than expected are not stored, be it the digest or the length that differs.
pub async fn creates_nothing_on_a_mismatch(s: &Subject) {
    let right = Fixity::sha256(Sha256Digest::of(b"right"), 5);
    let expecting = |f: &Fixity| PutOptions { expected: Some(f.clone()), ..options(StorageTier::Hot) };
    let mut long = right.clone();
    long.size_bytes = 6;
    for (bytes, expected) in [("wrong", &right), ("right", &long), ("", &right)] {
        match s.put_with("expected/a", bytes, expecting(expected)).await {
            Err(StoreError::Mismatch { expected: e, found }) => {
                assert_eq!(e, *expected);
                assert_eq!(found, Fixity::sha256(Sha256Digest::of(bytes.as_bytes()), bytes.len() as u64));
            }
            other => panic!("{other:?}"),
        }
    }
    s.assert_free("expected/a").await;
    s.put_with("expected/b", "right", expecting(&right)).await.unwrap();
}

/// A source that fails half-way leaves nothing behind, and its own error is what the caller hears.
pub async fn creates_nothing_when_the_source_breaks(s: &Subject) {
    for pieces_before in [0, 1, 40] {
        let broken = Err(StoreError::Io { action: "fetching".to_owned(), source: io::Error::other("the line broke") });
        let pieces = (0..pieces_before).map(|_| Ok(Bytes::from(noise(65_536, 4)))).chain([broken]);
        let stream = futures_util::stream::iter(pieces.collect::<Vec<_>>()).boxed();
        let error = s
            .store
            .writer
            .create(&s.bucket, &key("broken"), stream, options(StorageTier::Hot))
            .await
            .expect_err("the source broke");
        assert!(error.to_string().contains("the line broke"), "{error}");
    }
    s.assert_free("broken").await;
}

/// A caller that goes away half-way leaves nothing behind either.
pub async fn creates_nothing_when_the_caller_leaves(s: &Subject) {
    let (writer, bucket) = (s.store.writer.clone(), s.bucket.clone());
    let (started, begun) = tokio::sync::oneshot::channel();
    let mut started = Some(started);
    let stalled = body(noise(300_000, 5))
        .chain(futures_util::stream::poll_fn(move |_| {
            started.take().map(|s| s.send(()));
            std::task::Poll::Pending
        }))
        .boxed();
    let task =
        tokio::spawn(async move { writer.create(&bucket, &key("left"), stalled, options(StorageTier::Hot)).await });
    begun.await.unwrap();
    task.abort();
    assert!(task.await.unwrap_err().is_cancelled());
    s.assert_free("left").await;
}

/// Each tier is there, or refused before anything is stored.
pub async fn has_each_tier_or_says_so(s: &Subject) {
    for tier in [StorageTier::Hot, StorageTier::Cool, StorageTier::Cold, StorageTier::DeepCold] {
        let k = format!("tier/{tier:?}");
        match s.put_with(&k, "x", options(tier)).await {
            Ok(created) => {
                let info = s.store.reader.head(&created.locator).await.unwrap();
                assert_eq!((info.tier, info.storage_class), (tier, created.storage_class));
                let can = s.store.reader.capabilities();
                assert!(!tier.needs_rehydration() || (can.cold_tiers && can.reads_back_cold_writes));
            }
            Err(e) => {
                assert_eq!(e.kind(), FaultKind::Unsupported, "{e}");
                s.assert_free(&k).await;
            }
        }
    }
}
