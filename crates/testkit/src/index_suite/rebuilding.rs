use super::rows::{Made, RowMaker, at};
use holdfast_index::{IndexRow, InsertOutcome, Query, RecordingIndex};
use holdfast_model::{Availability, Fault as _, Sha256Digest, StorageState, StorageTier};
use std::sync::Arc;

async fn all(index: &dyn RecordingIndex) -> Vec<IndexRow> {
    index.scan(None, usize::MAX).await.unwrap()
}

async fn total(index: &dyn RecordingIndex, text: &str) -> u64 {
    index.search(&Query { text: Some(text.into()), ..Query::default() }).await.unwrap().total
}

fn sorted(rows: impl Iterator<Item = Made>) -> Vec<IndexRow> {
    let mut rows: Vec<IndexRow> = rows.map(|(row, _)| row).collect();
    rows.sort_by(|a, b| a.archive_id.cmp(&b.archive_id));
    rows
}

/// Until it is finished the old rows answer, then the new ones, and they equal what was put in; a cursor lives on.
pub async fn a_rebuild_takes_the_place_of_what_was(index: Arc<dyn RecordingIndex>) {
    let maker = RowMaker::new(8);
    index.insert_many((0..60).map(|i| maker.row(i)).collect()).await.unwrap();
    let mut q = Query { limit: 20, ..Query::default() };
    let first = index.search(&q).await.unwrap();
    let facets = index.facets(&q).await.unwrap();

    let mut sink = index.rebuild().await.unwrap();
    // In another order, one of them twice, one gone, one new.
    for i in (1..60).rev().chain([30, 60]) {
        let (row, text) = maker.row(i);
        sink.push(row, text).await.unwrap();
    }
    assert_eq!(index.facets(&q).await.unwrap(), facets);
    assert_eq!(all(&*index).await, sorted((0..60).map(|i| maker.row(i))));
    assert_eq!(sink.finish().await.unwrap(), 60);

    assert_eq!(all(&*index).await, sorted((1..=60).map(|i| maker.row(i))));
    assert_eq!(index.count().await.unwrap(), 60);
    assert_eq!(index.get(&maker.row(0).0.archive_id).await.unwrap(), None);
    q.cursor = first.next;
    let second = index.search(&q).await.unwrap();
    assert!(second.rows.iter().all(|r| !first.rows.contains(r)));
    // And once more, over what a rebuild left.
    let mut sink = index.rebuild().await.unwrap();
    let (row, text) = maker.row(3);
    sink.push(row.clone(), text).await.unwrap();
    assert_eq!(sink.finish().await.unwrap(), 1);
    assert_eq!(all(&*index).await, [row]);
}

/// Inserts and states told during a rebuild are in the new index, whichever comes first.
pub async fn a_rebuild_loses_nothing_that_comes_meanwhile(index: Arc<dyn RecordingIndex>) {
    let maker = RowMaker::new(9);
    let of = |i| maker.row(i).0;
    index.insert_many((0..10).map(|i| maker.row(i)).collect()).await.unwrap();
    let mut sink = index.rebuild().await.unwrap();
    index.insert(&of(10), Some("unmistakable")).await.unwrap();
    let until = Availability::Online { until: Some(at(77)) };
    let holds = ["m-5".parse().unwrap()];
    // Told before the rebuild reaches it.
    let state = StorageState { tier: StorageTier::DeepCold, storage_class: "deep".into(), availability: until };
    index.set_state(&of(4).archive_id, &state).await.unwrap();
    index.set_holds(&of(4).archive_id, &holds).await.unwrap();
    // What conflicts with a row that the rebuild has yet to reach stays out of the new index too.
    let other = IndexRow { manifest_sha256: Sha256Digest::of(b"another"), ..of(12) };
    index.insert(&of(12), None).await.unwrap();
    assert!(matches!(index.insert(&other, None).await.unwrap(), InsertOutcome::Conflict { .. }));
    let other = IndexRow { manifest_sha256: Sha256Digest::of(b"another"), ..of(9) };
    assert!(matches!(index.insert(&other, None).await.unwrap(), InsertOutcome::Conflict { .. }));
    for i in 0..10 {
        let (row, text) = maker.row(i);
        sink.push(row, text).await.unwrap();
    }
    // The rebuild comes to the new one too; it is there already.
    sink.push(of(10), None).await.unwrap();
    assert_eq!(index.insert(&of(11), None).await.unwrap(), InsertOutcome::Inserted);
    index.set_holds(&of(11).archive_id, &holds).await.unwrap();
    assert_eq!(sink.finish().await.unwrap(), 13);

    assert_eq!(index.get(&of(9).archive_id).await.unwrap(), Some(of(9)));
    let four = index.get(&of(4).archive_id).await.unwrap().unwrap();
    assert_eq!((four.state(), four.holds.as_slice()), (state, holds.as_slice()));
    assert_eq!(total(&*index, "unmistakable").await, 1);
    let q = Query { hold: Some(holds[0].clone()), ..Query::default() };
    assert_eq!(index.search(&q).await.unwrap().total, 2);
    assert_eq!(index.count().await.unwrap(), 13);
}

/// Of two rebuilds the later one wins; the earlier one is told and changes nothing.
pub async fn a_later_rebuild_ends_an_earlier_one(index: Arc<dyn RecordingIndex>) {
    let maker = RowMaker::new(10);
    let mut first = index.rebuild().await.unwrap();
    let (row, text) = maker.row(0);
    first.push(row, text).await.unwrap();
    let mut second = index.rebuild().await.unwrap();
    let (row, text) = maker.row(1);
    second.push(row.clone(), text).await.unwrap();
    assert_eq!(first.finish().await.unwrap_err().code(), "index.rebuild_superseded");
    assert_eq!(second.finish().await.unwrap(), 1);
    assert_eq!(all(&*index).await, [row]);
}

/// Dropped before it is finished, a rebuild leaves the index as it was.
pub async fn an_unfinished_rebuild_changes_nothing(index: Arc<dyn RecordingIndex>) {
    let maker = RowMaker::new(11);
    index.insert_many((0..5).map(|i| maker.row(i)).collect()).await.unwrap();
    let mut sink = index.rebuild().await.unwrap();
    let (row, text) = maker.row(9);
    sink.push(row, text).await.unwrap();
    drop(sink);
    assert_eq!(all(&*index).await, sorted((0..5).map(|i| maker.row(i))));
    index.insert_many(vec![maker.row(5)]).await.unwrap();
    assert_eq!(index.rebuild().await.unwrap().finish().await.unwrap(), 0);
    assert_eq!(index.count().await.unwrap(), 0);
}
