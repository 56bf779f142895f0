//! Files of another version, of something else, or damaged.

use holdfast_index::{
    CreateOutcome, IndexError, Query, RecordingIndex, SqliteIndex, SqliteWork, Work, WorkKind, WorkStore,
};
use holdfast_model::{Fault as _, SystemClock};
use holdfast_testkit::index_suite::RowMaker;
use std::{path::Path, sync::Arc};

async fn open(path: &Path) -> Result<SqliteIndex, IndexError> {
    SqliteIndex::open(path).await
}

async fn open_work(path: &Path) -> Result<SqliteWork, IndexError> {
    SqliteWork::open(path, Arc::new(SystemClock)).await
}

fn sql(path: &Path, statements: &str) {
    rusqlite::Connection::open(path).unwrap().execute_batch(statements).unwrap();
}

/// The first version of each schema, with rows, as it was.
fn first_version(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name);
    std::fs::read_to_string(path).unwrap()
}

#[tokio::test]
async fn an_index_of_the_first_version_is_brought_up_to_date() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("index.db");
    sql(&path, &first_version("index-1.sql"));
    let index = open(&path).await.unwrap();
    assert_eq!(index.count().await.unwrap(), 1);
    let page = index.search(&Query { text: Some("refund".into()), ..Query::default() }).await.unwrap();
    assert_eq!(page.rows[0].record.interaction_id, "c-1");
    // The new table is there: a rebuild uses it.
    let mut sink = index.rebuild().await.unwrap();
    index.set_holds(&page.rows[0].archive_id, &["m-1".parse().unwrap()]).await.unwrap();
    sink.push(page.rows[0].clone(), None).await.unwrap();
    sink.finish().await.unwrap();
    assert_eq!(index.get(&page.rows[0].archive_id).await.unwrap().unwrap().holds.len(), 1);
}

#[tokio::test]
async fn a_work_store_of_the_first_version_is_brought_up_to_date() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("work.db");
    sql(&path, &first_version("work-1.sql"));
    let store = open_work(&path).await.unwrap();
    let work = store.get(WorkKind::Matter, "m-1").await.unwrap().unwrap();
    assert_eq!((work.state.as_str(), work.rev, work.doc["name"].as_str()), ("open", 4, Some("Smith")));
    let c = rusqlite::Connection::open(&path).unwrap();
    let there: i64 =
        c.query_row("SELECT count(*) FROM sqlite_schema WHERE name = 'work_due'", [], |r| r.get(0)).unwrap();
    assert_eq!(there, 1);
}

/// An update goes by the rev alone: it neither reads nor needs the document that it replaces.
#[tokio::test]
async fn an_update_does_not_read_the_document_that_it_replaces() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("work.db");
    let store = open_work(&path).await.unwrap();
    let new = Work::new(WorkKind::Plan, "p-1", "proposed", serde_json::json!({"items": 10_000}));
    let CreateOutcome::Created(work) = store.create(new).await.unwrap() else { panic!("it was there") };
    sql(&path, "UPDATE work SET doc = 'no JSON'");
    assert_eq!(store.get(WorkKind::Plan, "p-1").await.unwrap_err().code(), "index.corrupt");
    assert_eq!(store.update(work.clone()).await.unwrap().rev(), Some(2));
    assert_eq!(store.get(WorkKind::Plan, "p-1").await.unwrap().unwrap().doc, work.doc);
}

#[tokio::test]
async fn a_newer_schema_is_refused_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let (a, b) = (dir.path().join("index.db"), dir.path().join("work.db"));
    drop((open(&a).await.unwrap(), open_work(&b).await.unwrap()));
    for path in [&a, &b] {
        sql(path, "PRAGMA user_version = 99");
    }
    for e in [open(&a).await.unwrap_err(), open_work(&b).await.unwrap_err()] {
        assert_eq!(e.code(), "index.newer_schema");
        assert!(e.to_string().contains("99"), "{e}");
    }
    let c = rusqlite::Connection::open(&a).unwrap();
    assert_eq!(c.pragma_query_value(None, "user_version", |r| r.get::<_, i64>(0)).unwrap(), 99);
}

#[tokio::test]
async fn another_database_is_not_taken_for_ours() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("other.db");
    sql(&path, "CREATE TABLE t (x); INSERT INTO t VALUES (1)");
    for e in [open(&path).await.unwrap_err(), open_work(&path).await.unwrap_err()] {
        assert_eq!(e.code(), "index.corrupt");
        assert!(e.to_string().contains("something else"), "{e}");
    }
    let path = dir.path().join("work.db");
    drop(open_work(&path).await.unwrap());
    assert_eq!(open(&path).await.unwrap_err().code(), "index.corrupt");
}

#[tokio::test]
async fn what_is_no_database_is_said_to_be_damaged() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("index.db");
    std::fs::write(&path, vec![b'x'; 20_000]).unwrap();
    let e = open(&path).await.unwrap_err();
    assert_eq!(e.code(), "index.corrupt");
    assert!(e.next().contains("rebuild"), "{}", e.next());
    let e = open(&dir.path().join("no/such/folder/index.db")).await.unwrap_err();
    assert_eq!(e.code(), "index.io");
    assert_eq!(open(dir.path()).await.unwrap_err().code(), "index.io");
}

/// Bytes overwritten all over the file: every call answers, right or with an error, and none panics or hangs.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_damaged_anywhere_gives_errors_and_no_panic() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("index.db");
    let maker = RowMaker::new(1);
    let index = open(&path).await.unwrap();
    index.insert_many((0..6_000).map(|i| maker.row(i)).collect()).await.unwrap();
    index.insert_many((6_000..6_100).map(|i| maker.row(i)).collect()).await.unwrap();
    drop(index);
    sql(&path, "PRAGMA wal_checkpoint(TRUNCATE)");
    let good = std::fs::read(&path).unwrap();
    let more: Vec<_> = (7_000..11_000).map(|i| maker.row(i)).collect(); // enough to seal the tail
    let mut failed = 0;
    for n in 0..20 {
        let mut bad = good.clone();
        let from = good.len() * n / 20;
        for byte in bad.iter_mut().skip(from).take(12_000) {
            *byte = byte.wrapping_mul(31).wrapping_add(7);
        }
        let path = dir.path().join(format!("bad-{n}.db"));
        std::fs::write(&path, &bad).unwrap();
        let mut errors = Vec::new();
        match open(&path).await {
            Err(e) => errors.push(e),
            Ok(index) => {
                let q = Query { text: Some("refund".into()), limit: 1_000, ..Query::default() };
                errors.extend(index.search(&Query::default()).await.err());
                errors.extend(index.search(&q).await.err());
                errors.extend(index.facets(&q).await.err());
                errors.extend(index.scan(None, usize::MAX).await.err());
                errors.extend(index.insert_many(more.clone()).await.err());
            }
        }
        for e in &errors {
            assert_eq!(e.code(), "index.corrupt", "{e}");
        }
        failed += usize::from(!errors.is_empty());
    }
    assert!(failed > 15, "only {failed} of 20 damaged files were noticed");
}
