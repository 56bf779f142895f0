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
use holdfast_model::{ArchiveId, MatterId, StorageState};
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

    /// All of them in one transaction.
    async fn tell(&self, all: Vec<(ArchiveId, Told)>) -> Result<(), IndexError> {
        let inner = Arc::clone(&self.0);
        blocking(move || {
            inner.db.write(|tx| {
                let (live, building) = generations(tx)?;
                for (id, told) in &all {
                    if !tell(tx, live, id, told.clone())? {
                        return Err(IndexError::NotFound(id.clone()).into());
                    }
                    if let Some(building) = building
                        && !tell(tx, building, id, told.clone())?
                    {
                        remember(tx, building, id, told)?;
                    }
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
            let rows: Vec<&Prepared> = rows.iter().collect();
            inner.db.write(|tx| {
                let (live, building) = generations(tx)?;
                let outcomes = insert(tx, live, &rows, false)?;
                if let Some(building) = building {
                    // What was refused here must not come in there.
                    let refused = |o: &InsertOutcome| matches!(o, InsertOutcome::Conflict { .. });
                    let both = rows.iter().zip(&outcomes);
                    let taken: Vec<&Prepared> = both.filter(|(_, o)| !refused(o)).map(|(row, _)| *row).collect();
                    insert(tx, building, &taken, true)?;
                }
                Ok(outcomes)
            })
        })
        .await
    }

    async fn get(&self, id: &ArchiveId) -> Result<Option<IndexRow>, IndexError> {
        let id = id.clone();
        self.read(move |s| s.get(&id)).await
    }

    async fn get_many(&self, ids: &[ArchiveId]) -> Result<Vec<Option<IndexRow>>, IndexError> {
        let ids = ids.to_vec();
        self.read(move |s| ids.iter().map(|id| s.get(id)).collect()).await
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

    async fn set_state(&self, id: &ArchiveId, state: &StorageState) -> Result<(), IndexError> {
        self.tell(vec![(id.clone(), Told::State(state.clone()))]).await
    }

    async fn set_states(&self, seen: &[(ArchiveId, StorageState)]) -> Result<(), IndexError> {
        let told = |(id, state): &(ArchiveId, StorageState)| (id.clone(), Told::State(state.clone()));
        self.tell(seen.iter().map(told).collect()).await
    }

    async fn set_holds(&self, id: &ArchiveId, matters: &[MatterId]) -> Result<(), IndexError> {
        let mut matters = matters.to_vec();
        matters.sort();
        matters.dedup();
        self.tell(vec![(id.clone(), Told::Holds(matters))]).await
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

#[cfg(test)]
mod tests {
    use super::*;
    use holdfast_model::{
        Accession, Fault as _, Fixity, ImmutabilityMode, Manifest, MediaObject, ObjectKey, ObjectRetention, PayloadRef,
        Probe, RetentionDecision, Sha256Digest, SourceRef, StorageTier,
    };

    fn row(n: u32) -> (IndexRow, Option<String>) {
        let record: holdfast_model::CanonicalRecord = serde_json::from_value(serde_json::json!({
            "vendor": "v", "organisation": "o", "interaction_id": n.to_string(), "recording_id": "r", "media": "voice",
            "start": "2024-01-01T00:00:00Z", "end": "2024-01-01T00:01:00Z", "notes": "x".repeat(2_000),
        }))
        .unwrap();
        let (key, digest) = (ObjectKey::new("k").unwrap(), Sha256Digest([0; 32]));
        let fixity = Fixity::sha256(digest, 1);
        let manifest = Manifest {
            format: holdfast_model::MANIFEST_FORMAT.into(),
            archive_id: record.idempotency_key().archive_id(),
            object: MediaObject {
                bucket: "media".into(),
                key: key.clone(),
                version_id: None,
                fixity: fixity.clone(),
                media_type: "audio/wav".into(),
                tier: StorageTier::Hot,
                storage_class: "local".into(),
                probe: Probe::default(),
                original_name: "a".into(),
            },
            payload: PayloadRef { key: key.clone(), fixity, schema: "s".into() },
            text: None,
            retention: RetentionDecision {
                class: "c".into(),
                rule: "r".into(),
                legal_basis: "b".into(),
                retention: ObjectRetention { mode: ImmutabilityMode::Governance, until: record.end },
            },
            accession: Accession {
                run: "run".parse().unwrap(),
                source: SourceRef { source: "s".into(), item: "i".into() },
                ingested_at: record.end,
                ledger_intent: 0,
                archiver_version: "1".into(),
            },
            record,
        };
        (IndexRow::derive(&manifest, key, digest, "local", 1), None)
    }

    /// The connection is given the limit that a full disk or a read-only file would impose; a real one needs rights that a
    /// test does not have.
    #[tokio::test]
    async fn no_space_and_no_right_to_write_are_said_and_change_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let index = SqliteIndex::open(dir.path().join("index.db")).await.unwrap();
        index.insert_many(vec![row(0)]).await.unwrap();
        let pragma = |name: &str, value: i64| index.0.db.writer().pragma_update(None, name, value).unwrap();

        pragma("max_page_count", 60);
        let e = index.insert_many((1..1_000).map(row).collect()).await.unwrap_err();
        assert_eq!((e.code(), e.kind()), ("index.full", holdfast_model::FaultKind::Full));
        pragma("max_page_count", 1 << 30);

        pragma("query_only", 1);
        let e = index.insert_many(vec![row(1)]).await.unwrap_err();
        assert_eq!(e.code(), "index.read_only");
        pragma("query_only", 0);

        assert_eq!(index.count().await.unwrap(), 1);
        index.insert_many((1..1_000).map(row).collect()).await.unwrap();
        assert_eq!(index.search(&Query::default()).await.unwrap().total, 1_000);
    }
}
