use super::{
    cache::Cache,
    db::{Db, Failure, Schema, blocking},
    fields::{Field, external},
    read::Snapshot,
    rebuild::Rebuild,
    write::{Prepared, Told, create_generation, generations, insert, remember, tell},
};
use crate::{Facets, IndexError, IndexRow, InsertOutcome, MAX_LIMIT, Page, Query, RebuildSink, RecordingIndex};
use async_trait::async_trait;
use holdfast_model::{ArchiveId, Availability, MatterId};
use rusqlite::Connection;
use std::{
    path::Path,
    sync::{Arc, Mutex},
};

/// Memory for decoded columns and facets, at most about so much; 1,000,000 recordings need about 60 MB of it.
const CACHE_BYTES: usize = 256 << 20;

static SCHEMA: Schema = Schema {
    application_id: 0x4846_4958, // "HFIX"
    migrations: &[control, pending],
    // Derived: what a power cut takes can be put in again from manifests and ledger.
    durable: false,
};

fn control(c: &Connection) -> rusqlite::Result<()> {
    c.execute_batch(include_str!("../../migrations/index/0001_control.sql"))?;
    create_generation(c, 1)?;
    c.execute("INSERT INTO control VALUES (1, 1, NULL, 2)", [])?;
    Ok(())
}

fn pending(c: &Connection) -> rusqlite::Result<()> {
    c.execute_batch(include_str!("../../migrations/index/0002_pending.sql"))
}

/// The index in one SQLite file, for any number of processes at once. Cheap to clone.
///
/// A commit survives the end of the process at any instant; a power cut may take the last ones, which a check against the
/// manifests finds.
#[derive(Debug, Clone)]
pub struct SqliteIndex(pub(super) Arc<Inner>);

#[derive(Debug)]
pub(super) struct Inner {
    pub db: Db,
    cache: Mutex<Cache>,
}

impl SqliteIndex {
    /// Opens the file at `path`, makes it where there is none (its folder must be there), and brings its schema up to date.
    ///
    /// # Errors
    /// `index.newer_schema`, `index.corrupt`, `index.read_only`, `index.busy`, `index.io`.
    pub async fn open(path: impl AsRef<Path>) -> Result<Self, IndexError> {
        let path = path.as_ref().to_owned();
        blocking(move || Self::open_blocking(&path)).await
    }

    pub(super) fn open_blocking(path: &Path) -> Result<Self, IndexError> {
        let db = Db::open(path, &SCHEMA)?;
        Ok(Self(Arc::new(Inner { db, cache: Mutex::new(Cache::new(CACHE_BYTES)) })))
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.0.db.path()
    }

    /// This index behind its trait.
    #[must_use]
    pub fn index(&self) -> Arc<dyn RecordingIndex> {
        Arc::new(self.clone())
    }

    async fn read<T: Send + 'static>(
        &self,
        f: impl FnOnce(Snapshot<'_>) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, IndexError> {
        let inner = Arc::clone(&self.0);
        blocking(move || inner.db.read(|c| f(Snapshot::take(c, &inner.cache)?))).await
    }

    async fn tell(&self, id: &ArchiveId, told: Told) -> Result<(), IndexError> {
        let (inner, id) = (Arc::clone(&self.0), id.clone());
        blocking(move || {
            inner.db.write(|tx| {
                let (live, building) = generations(tx)?;
                if !tell(tx, live, &id, told.clone())? {
                    return Err(IndexError::NotFound(id).into());
                }
                if let Some(building) = building
                    && !tell(tx, building, &id, told.clone())?
                {
                    remember(tx, building, &id, &told)?;
                }
                Ok(())
            })
        })
        .await
    }
}

#[async_trait]
impl RecordingIndex for SqliteIndex {
    async fn insert_many(&self, rows: Vec<(IndexRow, Option<String>)>) -> Result<Vec<InsertOutcome>, IndexError> {
        let inner = Arc::clone(&self.0);
        blocking(move || {
            let prepare = |(row, text): (IndexRow, Option<String>)| Prepared::new(row, text.as_deref());
            let rows: Vec<Prepared> = rows.into_iter().map(prepare).collect::<Result<_, _>>()?;
            inner.db.write(|tx| {
                let (live, building) = generations(tx)?;
                if let Some(building) = building {
                    insert(tx, building, &rows, true)?;
                }
                insert(tx, live, &rows, false)
            })
        })
        .await
    }

    async fn get(&self, id: &ArchiveId) -> Result<Option<IndexRow>, IndexError> {
        let id = id.clone();
        self.read(move |s| s.get(&id)).await
    }

    async fn find_external(&self, system: &str, id: &str) -> Result<Vec<IndexRow>, IndexError> {
        let (system, id) = (system.to_owned(), id.to_owned());
        self.read(move |s| {
            let mut rows = s.with_value(Field::ExternalId, external(&system, &id))?;
            // `a=b=c` can be read in two ways.
            rows.retain(|row| row.record.external_ids.get(&system) == Some(&id));
            rows.sort_by(|a, b| a.archive_id.cmp(&b.archive_id));
            rows.truncate(MAX_LIMIT);
            Ok(rows)
        })
        .await
    }

    async fn search(&self, query: &Query) -> Result<Page, IndexError> {
        let query = query.clone();
        self.read(move |s| s.search(&query)).await
    }

    async fn facets(&self, query: &Query) -> Result<Facets, IndexError> {
        let query = query.clone();
        self.read(move |s| s.facets(&query)).await
    }

    async fn set_tier_state(&self, id: &ArchiveId, availability: &Availability) -> Result<(), IndexError> {
        self.tell(id, Told::Availability(availability.clone())).await
    }

    async fn set_holds(&self, id: &ArchiveId, matters: &[MatterId]) -> Result<(), IndexError> {
        let mut matters = matters.to_vec();
        matters.sort();
        matters.dedup();
        self.tell(id, Told::Holds(matters)).await
    }

    async fn scan(&self, after: Option<&ArchiveId>, limit: usize) -> Result<Vec<IndexRow>, IndexError> {
        let after = after.cloned();
        self.read(move |s| s.scan(after.as_ref(), limit)).await
    }

    async fn count(&self) -> Result<u64, IndexError> {
        self.read(|s| Ok(s.count())).await
    }

    async fn rebuild(&self) -> Result<Box<dyn RebuildSink>, IndexError> {
        Ok(Box::new(Rebuild::begin(Arc::clone(&self.0)).await?))
    }
}
