use crate::IndexError;
use holdfast_model::step;
use rusqlite::{Connection, ErrorCode, OpenFlags, Transaction, TransactionBehavior};
use std::{
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// How long a connection waits for another process's write lock. Write transactions are short (the longest seals some
/// thousand documents, well under two seconds).
const BUSY_MS: u64 = 20_000;
/// Idle read connections kept.
const READERS: usize = 4;

/// An error inside a transaction, before the file's name is put to it.
#[derive(Debug)]
pub(super) enum Failure {
    Sql(rusqlite::Error),
    Index(IndexError),
    /// What was read does not fit together.
    Damaged(String),
}

impl From<rusqlite::Error> for Failure {
    fn from(e: rusqlite::Error) -> Self {
        Self::Sql(e)
    }
}

impl From<IndexError> for Failure {
    fn from(e: IndexError) -> Self {
        Self::Index(e)
    }
}

/// What a database is: its identity, its history, how durable a commit is.
pub(super) struct Schema {
    /// Written into the file, so that another database is not taken for this one.
    pub application_id: i32,
    /// `user_version` n means that the first n have run.
    pub migrations: &'static [Migration],
    /// Whether a commit survives a power cut (`synchronous=FULL`).
    pub durable: bool,
}

/// One step of a schema: takes the database from the version before.
pub(super) type Migration = fn(&Connection) -> rusqlite::Result<()>;

/// A database file: one connection that writes, some that read.
pub(super) struct Db {
    path: PathBuf,
    durable: bool,
    writer: Mutex<Connection>,
    readers: Mutex<Vec<Connection>>,
}

impl std::fmt::Debug for Db {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Db").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Db {
    /// Opens the file, makes it where there is none, and brings its schema up to date. Several processes may do so at once.
    pub(super) fn open(path: &Path, schema: &Schema) -> Result<Self, IndexError> {
        let named = |e| name_failure(path, e);
        let mut writer = connect(path, schema.durable).map_err(named)?;
        prepare_file(&writer).map_err(named)?;
        migrate(path, &mut writer, schema).map_err(named)?;
        Ok(Self {
            path: path.to_owned(),
            durable: schema.durable,
            writer: Mutex::new(writer),
            readers: Mutex::new(Vec::new()),
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Runs `f` in one write transaction, which no other process's write can come between. An error rolls it back.
    pub(super) fn write<T>(&self, f: impl FnOnce(&Transaction<'_>) -> Result<T, Failure>) -> Result<T, IndexError> {
        let mut writer = lock(&self.writer);
        let run = || {
            let tx = writer.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let done = f(&tx)?;
            step("index.staged");
            tx.commit()?;
            step("index.committed");
            Ok(done)
        };
        run().map_err(|e| name_failure(&self.path, e))
    }

    /// Runs `f` on one consistent state of the database.
    pub(super) fn read<T>(&self, f: impl FnOnce(&Connection) -> Result<T, Failure>) -> Result<T, IndexError> {
        let idle = lock(&self.readers).pop();
        let run = || {
            let mut reader = match idle {
                Some(c) => c,
                None => connect(&self.path, self.durable)?,
            };
            let tx = reader.transaction_with_behavior(TransactionBehavior::Deferred)?;
            let done = f(&tx)?;
            drop(tx);
            let mut readers = lock(&self.readers);
            if readers.len() < READERS {
                readers.push(reader);
            }
            Ok(done)
        };
        run().map_err(|e| name_failure(&self.path, e))
    }

    #[cfg(test)]
    pub(super) fn writer(&self) -> MutexGuard<'_, Connection> {
        lock(&self.writer)
    }
}

/// A lock whose holder panicked guards nothing half-done here: SQLite rolls the transaction back.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs blocking work off the async threads.
pub(super) async fn blocking<T: Send + 'static>(
    f: impl FnOnce() -> Result<T, IndexError> + Send + 'static,
) -> Result<T, IndexError> {
    match tokio::task::spawn_blocking(f).await {
        Ok(done) => done,
        Err(e) => Err(IndexError::Internal(format!("the database thread ended: {e}"))),
    }
}

fn connect(path: &Path, durable: bool) -> Result<Connection, Failure> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(path, flags)?;
    conn.busy_timeout(Duration::from_millis(BUSY_MS))?;
    conn.set_prepared_statement_cache_capacity(64);
    conn.pragma_update(None, "synchronous", if durable { "FULL" } else { "NORMAL" })?;
    conn.pragma_update(None, "cache_size", -32_768)?;
    conn.pragma_update(None, "journal_size_limit", 64 << 20)?;
    Ok(conn)
}

/// Pages of 8 KiB suit bitmaps of up to 8 KiB; WAL lets readers go on while one process writes.
fn prepare_file(conn: &Connection) -> Result<(), Failure> {
    conn.pragma_update(None, "page_size", 8192)?;
    // Switching to WAL needs the file alone and does not always wait for the busy time-out, so it is tried again.
    let mut tries = 0;
    loop {
        let mode = conn.pragma_update_and_check(None, "journal_mode", "WAL", |r| r.get::<_, String>(0));
        match mode {
            Ok(mode) if mode.eq_ignore_ascii_case("wal") => return Ok(()),
            Ok(mode) => return Err(Failure::Damaged(format!("its journal mode stays {mode}, WAL is needed"))),
            Err(e) if is_busy(&e) && tries < 400 => {
                tries += 1;
                std::thread::sleep(Duration::from_millis(25));
            }
            Err(e) => return Err(e.into()),
        }
    }
}

fn migrate(path: &Path, conn: &mut Connection, schema: &Schema) -> Result<(), Failure> {
    let known = i64::try_from(schema.migrations.len()).unwrap_or(i64::MAX);
    if versions(conn)? == (known, schema.application_id) {
        return Ok(());
    }
    // Under the write lock, so that of two processes that start at once one migrates and the other finds it done.
    let tx = conn.transaction_with_behavior(TransactionBehavior::Exclusive)?;
    let (found, application) = versions(&tx)?;
    let empty: bool = tx.query_row("SELECT count(*) = 0 FROM sqlite_schema", [], |r| r.get(0))?;
    if application != schema.application_id && !empty {
        return Err(Failure::Damaged("it is a database of something else".into()));
    }
    if found > known {
        return Err(IndexError::NewerSchema { path: path.to_owned(), found, known }.into());
    }
    for migration in schema.migrations.iter().skip(usize::try_from(found).unwrap_or(0)) {
        migration(&tx)?;
        step("index.migrating");
    }
    tx.pragma_update(None, "application_id", schema.application_id)?;
    tx.pragma_update(None, "user_version", known)?;
    tx.commit()?;
    Ok(())
}

fn versions(conn: &Connection) -> rusqlite::Result<(i64, i32)> {
    let version = conn.pragma_query_value(None, "user_version", |r| r.get(0))?;
    let application = conn.pragma_query_value(None, "application_id", |r| r.get(0))?;
    Ok((version, application))
}

fn is_busy(e: &rusqlite::Error) -> bool {
    matches!(e.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}

fn name_failure(path: &Path, failure: Failure) -> IndexError {
    let path = path.to_owned();
    let e = match failure {
        Failure::Index(e) => return e,
        Failure::Damaged(detail) => return IndexError::Corrupt { path, detail },
        Failure::Sql(e) => e,
    };
    let detail = e.to_string();
    match e.sqlite_error_code() {
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => IndexError::Corrupt { path, detail },
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => IndexError::ReadOnly { path, detail },
        Some(ErrorCode::DiskFull) => IndexError::Full { path },
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => IndexError::Busy { path },
        Some(ErrorCode::CannotOpen | ErrorCode::SystemIoFailure | ErrorCode::FileLockingProtocolFailed) => {
            IndexError::Io { path, detail }
        }
        // A column of another type, a missing row or table: the file is not what we wrote.
        _ if !matches!(e, rusqlite::Error::SqliteFailure(..)) => IndexError::Corrupt { path, detail },
        Some(ErrorCode::Unknown) => IndexError::Corrupt { path, detail },
        _ => IndexError::Internal(detail),
    }
}
