use super::{HeadState, LedgerError, LedgerHead, LookupDigest, LookupKey, Staged};
use crate::{Checkpoint, EventFormat, merkle::Frontier};
use async_trait::async_trait;
use bytes::Bytes;
use holdfast_model::Sha256Digest;
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, Transaction, TransactionBehavior, params};
use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

/// How long one process waits for another's transaction, which takes milliseconds.
const BUSY: Duration = Duration::from_secs(30);
const WAL_PAUSE: Duration = Duration::from_millis(5);
/// The version of the tables is the number of the format in which entries are written, so that a version of Holdfast that can't read
/// them does not open the database.
const NEWEST_VERSION: i64 = EventFormat::NEWEST.number() as i64;
const SCHEMA: &str = "
    CREATE TABLE head (
        id INTEGER PRIMARY KEY CHECK (id = 1), revision INTEGER NOT NULL, checkpoint TEXT NOT NULL,
        peaks BLOB NOT NULL, last_leaf BLOB NOT NULL, last_time_ms INTEGER NOT NULL,
        tiled INTEGER NOT NULL DEFAULT 0, rebuilt INTEGER NOT NULL DEFAULT 0
    ) STRICT;
    CREATE TABLE tail (sequence INTEGER PRIMARY KEY, entry BLOB NOT NULL) STRICT;
    CREATE TABLE lookup (kind INTEGER NOT NULL, key TEXT NOT NULL, sequence INTEGER NOT NULL,
        PRIMARY KEY (kind, key, sequence)) STRICT, WITHOUT ROWID;
    PRAGMA user_version = 1;";
const NEW_LOOKUP: &str = "
    DROP TABLE IF EXISTS lookup_next;
    CREATE TABLE lookup_next (kind INTEGER NOT NULL, key TEXT NOT NULL, sequence INTEGER NOT NULL,
        PRIMARY KEY (kind, key, sequence)) STRICT, WITHOUT ROWID;";

/// The head in a small SQLite database of its own: write-ahead log, every commit synced. Any number of processes on one
/// machine may open it.
#[derive(Clone)]
pub struct SqliteHead {
    writer: Arc<Mutex<Connection>>,
    /// Readers do not wait for a commit's sync.
    reader: Arc<Mutex<Connection>>,
    /// Nor for a walk over the whole lookup.
    scanner: Arc<Mutex<Connection>>,
}

impl SqliteHead {
    /// Opens the database at `path`, or makes it.
    ///
    /// # Errors
    /// [`LedgerError::Database`] when the folder is missing or read-only, or the file is no database of this version.
    pub fn open(path: &Path) -> Result<Self, LedgerError> {
        let mut writer = connect(path)?;
        migrate(&mut writer)?;
        let shared = |db| Arc::new(Mutex::new(db));
        Ok(Self { reader: shared(connect(path)?), scanner: shared(connect(path)?), writer: shared(writer) })
    }
}

fn connect(path: &Path) -> Result<Connection, LedgerError> {
    let failed = LedgerError::database;
    let db = Connection::open(path).map_err(failed("open"))?;
    db.busy_timeout(BUSY).map_err(failed("open"))?;
    let mut attempts = BUSY.as_millis() / WAL_PAUSE.as_millis();
    // Changing the journal's mode needs the database alone for a moment, and SQLite does not wait for that by itself.
    while let Err(e) = db.pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(())) {
        if e.sqlite_error_code() != Some(rusqlite::ErrorCode::DatabaseBusy) || attempts == 0 {
            return Err(failed("open")(e));
        }
        attempts -= 1;
        std::thread::sleep(WAL_PAUSE);
    }
    db.pragma_update(None, "synchronous", "full").map_err(failed("open"))?;
    Ok(db)
}

fn migrate(db: &mut Connection) -> Result<(), LedgerError> {
    let failed = LedgerError::database;
    let tx = db.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed("open"))?;
    let version: i64 = tx.pragma_query_value(None, "user_version", |r| r.get(0)).map_err(failed("open"))?;
    match version {
        0 => tx.execute_batch(SCHEMA).map_err(failed("create tables"))?,
        found => drop(format_of(found)?),
    }
    tx.commit().map_err(failed("create tables"))
}

/// The format that a version of the tables stands for.
fn format_of(version: i64) -> Result<EventFormat, LedgerError> {
    if version > NEWEST_VERSION {
        let what = "the ledger's database".to_owned();
        return Err(LedgerError::FormatUnknown { what, found: version, known: NEWEST_VERSION });
    }
    let format = u32::try_from(version).ok().and_then(EventFormat::of_number);
    format.ok_or(LedgerError::HeadDamaged { problem: "its database has a version that never was" })
}

/// SQLite's integers are signed; no log comes near their end.
fn int(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

fn read_state(db: &Connection) -> Result<Option<HeadState>, LedgerError> {
    type Row = (i64, String, Vec<u8>, [u8; 32], i64, i64);
    let row: Option<Row> = db
        .query_row("SELECT revision, checkpoint, peaks, last_leaf, last_time_ms, tiled FROM head", [], |r| {
            Ok((r.get(0)?, r.get(1)?, r.get(2)?, r.get(3)?, r.get(4)?, r.get(5)?))
        })
        .optional()
        .map_err(LedgerError::database("read the head"))?;
    let Some((revision, checkpoint, peaks, last_leaf, last_time_ms, tiled)) = row else { return Ok(None) };
    let version =
        db.pragma_query_value(None, "user_version", |r| r.get(0)).map_err(LedgerError::database("read the head"))?;
    let damaged = |problem| LedgerError::HeadDamaged { problem };
    let checkpoint = Checkpoint::parse(&checkpoint).map_err(|e| LedgerError::Checkpoint(Arc::new(e)))?;
    Ok(Some(HeadState {
        revision: revision.try_into().map_err(|_| damaged("negative revision"))?,
        frontier: Frontier::from_parts(checkpoint.size(), &peaks).ok_or(damaged("right edge of another size"))?,
        last_leaf: Sha256Digest(last_leaf),
        last_time: Timestamp::from_millisecond(last_time_ms).map_err(|_| damaged("impossible time"))?,
        tiled: tiled.try_into().map_err(|_| damaged("negative size"))?,
        format: format_of(version)?,
        checkpoint,
    }))
}

fn insert_keys(tx: &Transaction<'_>, table: &str, staged: &[Staged]) -> rusqlite::Result<()> {
    let mut insert = tx.prepare(&format!("INSERT OR IGNORE INTO {table} (kind, key, sequence) VALUES (?1, ?2, ?3)"))?;
    let mut conclude = tx.prepare(&format!("DELETE FROM {table} WHERE kind = ?1 AND key = ?2 AND sequence = ?3"))?;
    for entry in staged {
        for (kind, key) in entry.keys.iter().map(LookupKey::parts) {
            insert.execute(params![kind, key, int(entry.sequence)])?;
        }
        if let Some(intent) = entry.concludes {
            let (kind, key) = LookupKey::OpenIntent.parts();
            conclude.execute(params![kind, key, int(intent)])?;
        }
    }
    Ok(())
}

fn swap(db: &mut Connection, expected: u64, new: &HeadState, staged: &[Staged]) -> Result<bool, LedgerError> {
    let failed = LedgerError::database;
    let tx = db.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed("begin"))?;
    let found: Option<i64> =
        tx.query_row("SELECT revision FROM head", [], |r| r.get(0)).optional().map_err(failed("read the head"))?;
    if found.unwrap_or(0) != int(expected) {
        return Ok(false);
    }
    let write = |tx: &Transaction<'_>| {
        let mut insert = tx.prepare("INSERT INTO tail (sequence, entry) VALUES (?1, ?2)")?;
        for entry in staged {
            insert.execute(params![int(entry.sequence), entry.bytes.as_ref()])?;
        }
        insert_keys(tx, "lookup", staged)?;
        tx.pragma_update(None, "user_version", i64::from(new.format.number()))?;
        tx.execute(
            "INSERT INTO head (id, revision, checkpoint, peaks, last_leaf, last_time_ms) VALUES (1, ?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (id) DO UPDATE SET revision = ?1, checkpoint = ?2, peaks = ?3, last_leaf = ?4, last_time_ms = ?5",
            params![
                int(new.revision),
                new.checkpoint.text(),
                new.frontier.peaks(),
                new.last_leaf.0,
                new.last_time.as_millisecond()
            ],
        )
    };
    write(&tx).map_err(failed("append"))?;
    holdfast_model::step("ledger.staged");
    if holdfast_model::fail_after("ledger.staged") {
        return Err(LedgerError::Interrupted { step: "ledger.staged" });
    }
    tx.commit().map_err(failed("commit"))?;
    if holdfast_model::fail_after("ledger.committed") {
        return Err(LedgerError::Interrupted { step: "ledger.committed" });
    }
    Ok(true)
}

fn snapshot(db: &mut Connection) -> Result<Option<(HeadState, Vec<Bytes>)>, LedgerError> {
    let failed = LedgerError::database;
    let tx = db.transaction().map_err(failed("begin"))?;
    let Some(state) = read_state(&tx)? else { return Ok(None) };
    let mut select = tx
        .prepare("SELECT sequence, entry FROM tail WHERE sequence >= ?1 ORDER BY sequence")
        .map_err(failed("read"))?;
    let rows = select.query_map([int(state.tiled)], |r| Ok((r.get::<_, i64>(0)?, r.get::<_, Vec<u8>>(1)?)));
    let mut entries = Vec::new();
    let mut next = int(state.tiled);
    for row in rows.map_err(failed("read"))? {
        let (sequence, entry) = row.map_err(failed("read"))?;
        // A hole shows as an empty entry, so that what comes after it keeps its place.
        while next < sequence.min(int(state.checkpoint.size())) {
            entries.push(Bytes::new());
            next += 1;
        }
        if next == sequence {
            entries.push(Bytes::from(entry));
            next += 1;
        }
    }
    Ok(Some((state, entries)))
}

fn rebuild(db: &mut Connection, from: u64, to: u64, entries: &[Staged]) -> Result<bool, LedgerError> {
    let failed = LedgerError::database;
    let tx = db.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed("begin"))?;
    if from == 0 {
        tx.execute_batch(NEW_LOOKUP).map_err(failed("begin a lookup"))?;
        tx.execute("UPDATE head SET rebuilt = 0", []).map_err(failed("begin a lookup"))?;
    }
    let rebuilt: i64 = tx.query_row("SELECT rebuilt FROM head", [], |r| r.get(0)).map_err(failed("read the head"))?;
    if rebuilt != int(from) {
        return Err(LedgerError::RebuildRunning);
    }
    insert_keys(&tx, "lookup_next", entries).map_err(failed("fill the lookup"))?;
    tx.execute("UPDATE head SET rebuilt = ?1", [int(to)]).map_err(failed("fill the lookup"))?;
    let done = read_state(&tx)?.is_some_and(|s| s.checkpoint.size() == to);
    if done {
        tx.execute_batch("DROP TABLE lookup; ALTER TABLE lookup_next RENAME TO lookup; UPDATE head SET rebuilt = 0")
            .map_err(failed("swap the lookup"))?;
    }
    tx.commit().map_err(failed("commit"))?;
    Ok(done)
}

fn lookup_digest(db: &mut Connection, size: u64) -> Result<Option<LookupDigest>, LedgerError> {
    let failed = LedgerError::database;
    let tx = db.transaction().map_err(failed("begin"))?;
    if read_state(&tx)?.is_none_or(|s| s.checkpoint.size() != size) {
        return Ok(None);
    }
    let mut digest = LookupDigest::default();
    let mut select =
        tx.prepare("SELECT kind, key, sequence FROM lookup WHERE kind <> ?1").map_err(failed("read the lookup"))?;
    let mut rows = select.query([LookupKey::OpenIntent.parts().0]).map_err(failed("read the lookup"))?;
    while let Some(row) = rows.next().map_err(failed("read the lookup"))? {
        let mut add = || {
            digest.add(row.get(0)?, row.get_ref(1)?.as_str()?, row.get::<_, i64>(2)?.max(0) as u64);
            Ok::<_, rusqlite::Error>(())
        };
        add().map_err(failed("read the lookup"))?;
    }
    Ok(Some(digest))
}

async fn with<T: Send + 'static>(
    db: &Arc<Mutex<Connection>>,
    work: impl FnOnce(&mut Connection) -> Result<T, LedgerError> + Send + 'static,
) -> Result<T, LedgerError> {
    let db = db.clone();
    tokio::task::spawn_blocking(move || work(&mut db.lock().unwrap_or_else(PoisonError::into_inner)))
        .await
        .map_err(|_| LedgerError::Internal("database work panicked"))?
}

#[async_trait]
impl LedgerHead for SqliteHead {
    async fn load(&self) -> Result<Option<HeadState>, LedgerError> {
        with(&self.reader, |db| read_state(db)).await
    }

    async fn compare_and_swap(&self, expected: u64, new: HeadState, staged: Vec<Staged>) -> Result<bool, LedgerError> {
        with(&self.writer, move |db| swap(db, expected, &new, &staged)).await
    }

    async fn snapshot(&self) -> Result<Option<(HeadState, Vec<Bytes>)>, LedgerError> {
        with(&self.reader, snapshot).await
    }

    async fn tiled(&self, size: u64) -> Result<(), LedgerError> {
        with(&self.writer, move |db| {
            let failed = LedgerError::database;
            let tx = db.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed("begin"))?;
            tx.execute("UPDATE head SET tiled = max(tiled, ?1)", [int(size)]).map_err(failed("tell what is tiled"))?;
            tx.execute("DELETE FROM tail WHERE sequence < ?1", [int(size)]).map_err(failed("drop what is tiled"))?;
            tx.commit().map_err(failed("commit"))
        })
        .await
    }

    async fn find(&self, key: &LookupKey, after: Option<u64>, limit: usize) -> Result<Vec<u64>, LedgerError> {
        let key = key.clone();
        with(&self.reader, move |db| {
            let (kind, key) = key.parts();
            let mut select = db
                .prepare("SELECT sequence FROM lookup WHERE kind = ?1 AND key = ?2 AND sequence > ?3 ORDER BY sequence LIMIT ?4")
                .map_err(LedgerError::database("look up"))?;
            let (after, limit) = (after.map_or(-1, int), i64::try_from(limit).unwrap_or(i64::MAX));
            select
                .query_map(params![kind, key, after, limit], |r| r.get::<_, i64>(0))
                .and_then(|rows| rows.map(|r| r.map(|n| n.max(0) as u64)).collect())
                .map_err(LedgerError::database("look up"))
        })
        .await
    }

    async fn first_of(&self, questions: Vec<(LookupKey, Option<u64>)>) -> Result<Vec<Option<u64>>, LedgerError> {
        with(&self.reader, move |db| {
            let failed = LedgerError::database;
            let tx = db.transaction().map_err(failed("begin"))?;
            let mut select = tx
                .prepare("SELECT sequence FROM lookup WHERE kind = ?1 AND key = ?2 AND sequence > ?3 ORDER BY sequence LIMIT 1")
                .map_err(failed("look up"))?;
            let mut first = |(key, after): &(LookupKey, Option<u64>)| {
                let (kind, key) = key.parts();
                let row = select.query_row(params![kind, key, after.map_or(-1, int)], |r| r.get::<_, i64>(0)).optional()?;
                Ok(row.map(|n| n.max(0) as u64))
            };
            questions.iter().map(&mut first).collect::<rusqlite::Result<_>>().map_err(failed("look up"))
        })
        .await
    }

    async fn last_of(&self, keys: Vec<LookupKey>) -> Result<Vec<Option<u64>>, LedgerError> {
        with(&self.reader, move |db| {
            let failed = LedgerError::database;
            let tx = db.transaction().map_err(failed("begin"))?;
            let mut select = tx
                .prepare("SELECT max(sequence) FROM lookup WHERE kind = ?1 AND key = ?2")
                .map_err(failed("look up"))?;
            let mut last = |key: &LookupKey| {
                let (kind, key) = key.parts();
                let row = select.query_row(params![kind, key], |r| r.get::<_, Option<i64>>(0))?;
                Ok(row.map(|n| n.max(0) as u64))
            };
            keys.iter().map(&mut last).collect::<rusqlite::Result<_>>().map_err(failed("look up"))
        })
        .await
    }

    async fn lookup_digest(&self, size: u64) -> Result<Option<LookupDigest>, LedgerError> {
        with(&self.scanner, move |db| lookup_digest(db, size)).await
    }

    async fn rebuild_lookup(&self, from: u64, to: u64, entries: Vec<Staged>) -> Result<bool, LedgerError> {
        with(&self.writer, move |db| rebuild(db, from, to, &entries)).await
    }
}
