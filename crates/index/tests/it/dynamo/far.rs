//! Beyond what one call looks at, and beyond what one item holds.

use super::{client, oracle, table};
use holdfast_index::{IndexRow, Query, RecordingIndex, Sort, dynamodb::DynamoIndex};
use holdfast_testkit::{ManualClock, cloud::Dynoxide, index_suite::RowMaker};
use std::sync::Arc;

async fn index() -> (DynamoIndex, Dynoxide) {
    let server = Dynoxide::start().await;
    let client = client(server.url());
    let table = table(&client).await;
    (DynamoIndex::new(client, table, Arc::new(ManualClock::default())), server)
}

/// Page after page, as a caller goes through them.
async fn all_pages(index: &dyn RecordingIndex, mut q: Query) -> Vec<IndexRow> {
    let mut rows = Vec::new();
    loop {
        let page = index.search(&q).await.unwrap();
        assert!(page.rows.len() <= q.limit);
        rows.extend(page.rows);
        q.cursor = page.next;
        if q.cursor.is_none() {
            return rows;
        }
    }
}

/// Beyond its bounds an index says "at least", and its pages are the same all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_are_right_where_totals_are_bounds() {
    let (index, _server) = index().await;
    let (expected, _dir) = oracle().await;
    let maker = RowMaker::new(31);
    for batch in [0..150, 150..300] {
        let rows: Vec<_> = batch.map(|i| maker.row(i)).collect();
        index.insert_many(rows.clone()).await.unwrap();
        expected.insert_many(rows).await.unwrap();
    }
    let near = index.clone().reaching(40, 100);
    let some = |v: &str| Some(v.to_owned());
    let few = Query { limit: 20, ..Query::default() };
    for q in [
        few.clone(),
        Query { sort: Sort::Oldest, ..few.clone() },
        Query { queue: some("sales"), ..few.clone() },
        Query { agent: some("a-1"), ..few.clone() },
        Query { wrap_up: some("done 0"), codec: some("opus"), ..few.clone() },
        Query { vendor: some("nobody"), ..few.clone() },
        Query { text: some("refund"), from: Some(maker.row(0).0.record.start), ..few.clone() },
        Query { retain_until_from: Some(maker.row(5).0.retention.retention.until), ..few.clone() },
    ] {
        let wanted = all_pages(&*expected, q.clone()).await;
        assert_eq!(all_pages(&near, q.clone()).await, wanted, "{q:?}");
        let page = near.search(&q).await.unwrap();
        assert!(!page.total_is_exact && page.total <= wanted.len() as u64, "{q:?}: {page:?}");
        let told = near.facets(&q).await.unwrap();
        assert!(!told.complete, "{q:?}");
        // The pages after it repeat what the first one counted.
        if page.next.is_some() {
            let second = near.search(&Query { cursor: page.next.clone(), ..q.clone() }).await.unwrap();
            assert_eq!((second.total, second.total_is_exact), (page.total, false));
        }
        let exact = index.search(&q).await.unwrap();
        assert_eq!((exact.total, exact.total_is_exact), (wanted.len() as u64, true), "{q:?}");
    }
    // What leads to few rows is exact however many others there are.
    let one = maker.row(77).0;
    let q = Query { recording_id: Some(one.record.recording_id.clone()), ..Query::default() };
    let page = near.search(&q).await.unwrap();
    assert_eq!((page.rows, page.total_is_exact), (vec![one], true));
}

/// A row and a text that no item can hold come back whole, are found by their last words, and go with a rebuild.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_too_long_for_an_item_is_kept_whole() {
    let (index, _server) = index().await;
    let maker = RowMaker::new(32);
    let mut x = 7u64;
    let mut words = |n: usize| {
        let word = |_| {
            x = x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            format!("{x:016x}")
        };
        (0..n).map(word).collect::<Vec<_>>()
    };
    let (mut row, _) = maker.row(1);
    let (notes, text) = (words(60_000), words(90_000));
    row.record.notes = Some(notes.join(" "));
    index.insert(&row, Some(&text.join(" "))).await.unwrap();
    index.insert(&maker.row(2).0, None).await.unwrap();
    let asked = async |word: &str| {
        let q = Query { text: Some(format!("{word} ")), from: Some(row.record.start), ..Query::default() };
        index.search(&q).await.unwrap().rows
    };
    for _ in 0..2 {
        assert_eq!(index.get(&row.archive_id).await.unwrap().as_ref(), Some(&row));
        for word in [&text[0], &text[89_999], &notes[59_999]] {
            assert_eq!(asked(word).await, std::slice::from_ref(&row), "{word}");
        }
        index.set_holds(&row.archive_id, &["m-1".parse().unwrap()]).await.unwrap();
        row.holds = vec!["m-1".parse().unwrap()];
        let mut sink = index.rebuild().await.unwrap();
        sink.push(row.clone(), Some(text.join(" "))).await.unwrap();
        assert_eq!(sink.finish().await.unwrap(), 1);
    }
}
