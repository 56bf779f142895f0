//! The promises of index and work store, kept by SQLite and by DynamoDB; and what only a file shared by processes, or a network,
//! can break.

#![allow(clippy::unwrap_used)] // these are tests

mod damage;
mod dynamo;
mod processes;

use holdfast_index::{RecordingIndex, SqliteIndex, SqliteWork};
use holdfast_testkit::{ManualClock, work_suite::Subject};
use std::sync::Arc;
use tempfile::TempDir;

async fn index() -> (Arc<dyn RecordingIndex>, TempDir) {
    let dir = tempfile::tempdir().unwrap();
    (SqliteIndex::open(dir.path().join("index.db")).await.unwrap().index(), dir)
}

async fn work() -> (Subject, TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let clock = ManualClock::default();
    let store = SqliteWork::open(dir.path().join("work.db"), Arc::new(clock.clone())).await.unwrap();
    (Subject { store: store.work(), clock }, dir)
}

mod keeps {
    holdfast_testkit::index_conformance!(super::index);
}

mod works {
    holdfast_testkit::work_conformance!(super::work);
}
