use super::rows::{Made, RowMaker, at};
use holdfast_index::{Cursor, IndexError, Query, RecordingIndex, Sort};
use holdfast_model::ArchiveId;
use std::{collections::BTreeSet, sync::Arc};

/// Going from page to page, every row that was there at the beginning comes exactly once and in order, whatever is inserted
/// meanwhile.
pub async fn pages_cover_all_once_while_rows_come(index: Arc<dyn RecordingIndex>) {
    let maker = RowMaker::new(4);
    let rows = if index.limits().exact_within.is_none() { 900 } else { 250 };
    let before: Vec<Made> = (0..rows).map(|i| maker.row(i)).collect();
    let ids: BTreeSet<ArchiveId> = before.iter().map(|(row, _)| row.archive_id.clone()).collect();
    index.insert_many(before).await.unwrap();
    let mut next = rows;
    for sort in [Sort::Newest, Sort::Oldest] {
        let mut q = Query { sort, limit: 13, ..Query::default() };
        let (mut seen, mut places) = (BTreeSet::new(), Vec::new());
        loop {
            let page = index.search(&q).await.unwrap();
            assert!(page.rows.len() <= 13);
            for row in &page.rows {
                assert!(seen.insert(row.archive_id.clone()), "{} came twice", row.archive_id);
                let ms = row.record.start.as_millisecond();
                places.push((if sort == Sort::Newest { -ms } else { ms }, row.archive_id.clone()));
            }
            index.insert_many((next..next + 11).map(|i| maker.row(i)).collect()).await.unwrap();
            next += 11;
            // The size of a page may change on the way.
            q.limit = 9 + places.len() % 5;
            q.cursor = page.next;
            if q.cursor.is_none() {
                break;
            }
        }
        assert!(places.is_sorted(), "pages are not in order");
        assert!(seen.is_superset(&ids), "{} rows did not come", ids.difference(&seen).count());
    }
}

/// Rows with the same start follow each other by archive id, over the joint of pages too.
pub async fn orders_equal_starts_by_id(index: Arc<dyn RecordingIndex>) {
    let maker = RowMaker::new(5);
    let rows = (0..50).map(|i| {
        let (mut row, text) = maker.row(i);
        row.record.start = at(1_700_000_000_000);
        (row, text)
    });
    let rows: Vec<Made> = rows.collect();
    let ids: BTreeSet<ArchiveId> = rows.iter().map(|(row, _)| row.archive_id.clone()).collect();
    index.insert_many(rows).await.unwrap();
    let mut q = Query { limit: 7, ..Query::default() };
    let mut seen = Vec::new();
    loop {
        let page = index.search(&q).await.unwrap();
        assert_eq!(page.total, 50);
        seen.extend(page.rows.into_iter().map(|r| r.archive_id));
        q.cursor = page.next;
        if q.cursor.is_none() {
            break;
        }
    }
    assert_eq!(seen, ids.into_iter().collect::<Vec<_>>());
}

/// A cursor is for the query it came from, and for what this index gave.
pub async fn refuses_a_cursor_that_is_not_its_own(index: Arc<dyn RecordingIndex>) {
    let maker = RowMaker::new(6);
    index.insert_many((0..5).map(|i| maker.row(i)).collect()).await.unwrap();
    let q = Query { limit: 2, ..Query::default() };
    let cursor = index.search(&q).await.unwrap().next.unwrap();
    let with = |q: Query, c: Cursor| Query { cursor: Some(c), ..q };
    assert!(index.search(&with(q.clone(), cursor.clone())).await.is_ok());
    let others = [
        Query { sort: Sort::Oldest, ..q.clone() },
        Query { text: Some("x".into()), ..q.clone() },
        Query { from: Some(at(0)), ..q.clone() },
    ];
    for other in others {
        let e = index.search(&with(other, cursor.clone())).await.unwrap_err();
        assert!(matches!(e, IndexError::BadCursor(_)), "{e}");
    }
    let cut = &cursor.as_str()[..cursor.as_str().len() - 1];
    for bad in ["", "0", "not a cursor", "é", cut, &format!("{cursor}0"), &cursor.as_str().replace(|c| c > '4', "4")] {
        let e = index.search(&with(q.clone(), Cursor::new(bad))).await.unwrap_err();
        assert!(matches!(e, IndexError::BadCursor(_)), "{bad:?}: {e}");
    }
}

/// Going through all rows in pieces gives each once, by ascending id.
pub async fn scans_in_order_of_ids(index: Arc<dyn RecordingIndex>) {
    let maker = RowMaker::new(7);
    let rows: Vec<Made> = (0..100).map(|i| maker.row(i)).collect();
    let mut expected: Vec<_> = rows.iter().map(|(row, _)| row.clone()).collect();
    expected.sort_by(|a, b| a.archive_id.cmp(&b.archive_id));
    index.insert_many(rows).await.unwrap();
    let mut all = Vec::new();
    loop {
        let after = all.last().map(|r: &holdfast_index::IndexRow| r.archive_id.clone());
        let piece = index.scan(after.as_ref(), 7).await.unwrap();
        if piece.is_empty() {
            break;
        }
        assert!(piece.len() <= 7);
        all.extend(piece);
    }
    assert_eq!(all, expected);
}
