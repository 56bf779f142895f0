//! Tables and columns, read from databases that the code makes: new ones, brought to their newest schema.

use holdfast_index::{SqliteIndex, SqliteWork};
use holdfast_ledger::SqliteHead;
use holdfast_testkit::ManualClock;
use rusqlite::Connection;
use std::{collections::BTreeSet, path::Path, sync::Arc};

/// Section and name of every table and column.
pub(crate) fn names() -> BTreeSet<(String, String)> {
    let folder = tempfile::tempdir().unwrap();
    let [index, work, head] = ["index", "work", "head"].map(|name| folder.path().join(name));
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        SqliteIndex::open(&index).await.unwrap();
        SqliteWork::open(&work, Arc::new(ManualClock::default())).await.unwrap();
    });
    SqliteHead::open(&head).unwrap();
    let mut all = BTreeSet::new();
    for (section, file) in [("sqlite index", index), ("sqlite work", work), ("sqlite ledger head", head)] {
        all.extend(columns(&file).into_iter().map(|name| (section.to_owned(), name)));
    }
    all
}

/// `table` and `table.column`. Of tables that are made again for each generation of the index the number is left out.
fn columns(file: &Path) -> BTreeSet<String> {
    let db = Connection::open(file).unwrap();
    let sql =
        "SELECT t.name, c.name FROM sqlite_schema t, pragma_table_info(t.name) c WHERE t.type IN ('table', 'view')";
    let mut statement = db.prepare(sql).unwrap();
    let rows = statement.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?))).unwrap();
    let mut all = BTreeSet::new();
    for row in rows {
        let (table, column) = row.unwrap();
        let table = match table.rsplit_once('_') {
            Some((name, number)) if number.bytes().all(|b| b.is_ascii_digit()) => format!("{name}_{{}}"),
            _ => table,
        };
        all.insert(format!("{table}.{column}"));
        all.insert(table);
    }
    all
}
