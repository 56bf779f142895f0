use super::db::{Db, Failure, Schema, blocking};
use crate::{
    Claim, CreateOutcome, IndexError, Lease, ListWork, UpdateOutcome, Work, WorkKind, WorkStore,
    work::{after_ms, check},
};
use async_trait::async_trait;
use holdfast_model::Clock;
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, Row, ToSql, params, params_from_iter};
use std::{collections::BTreeMap, path::Path, sync::Arc};

static SCHEMA: Schema = Schema {
    application_id: 0x4846_574b, // "HFWK"
    migrations: &[work, due],
    durable: true,
};

fn work(c: &Connection) -> rusqlite::Result<()> {
    c.execute_batch(include_str!("../../migrations/work/0001_work.sql"))
}

fn due(c: &Connection) -> rusqlite::Result<()> {
    c.execute_batch(include_str!("../../migrations/work/0002_due.sql"))
}

/// Pieces of work that one transaction changes: few enough that other writers wait for moments.
const MOST: usize = 5_000;

/// Columns in the order in which [`read_work`] takes them.
const COLUMNS: &str = "kind, id, parent, state, rev, due_at, lease_owner, lease_until, updated_at, doc";

/// The work store in one SQLite file, for any number of processes at once. Every commit is on the disk when its call returns.
/// Times are kept in whole milliseconds. Cheap to clone.
#[derive(Debug, Clone)]
pub struct SqliteWork {
    db: Arc<Db>,
    clock: Arc<dyn Clock>,
}

impl SqliteWork {
    /// Opens the file at `path`, makes it where there is none (its folder must be there), and brings its schema up to date.
    /// `clock` decides what is due and which leases have lapsed.
    ///
    /// # Errors
    /// `index.newer_schema`, `index.corrupt`, `index.read_only`, `index.busy`, `index.io`.
    pub async fn open(path: impl AsRef<Path>, clock: Arc<dyn Clock>) -> Result<Self, IndexError> {
        let path = path.as_ref().to_owned();
        let db = blocking(move || Db::open(&path, &SCHEMA)).await?;
        Ok(Self { db: Arc::new(db), clock })
    }

    /// This store behind its trait.
    #[must_use]
    pub fn work(&self) -> Arc<dyn WorkStore> {
        Arc::new(self.clone())
    }

    async fn write<T: Send + 'static>(
        &self,
        f: impl FnOnce(&Connection, Timestamp) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, IndexError> {
        let this = self.clone();
        // The time is read under the write lock, so that it does not run behind that of another writer.
        blocking(move || this.db.write(|tx| f(tx, this.clock.now()))).await
    }

    async fn read<T: Send + 'static>(
        &self,
        f: impl FnOnce(&Connection) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, IndexError> {
        let db = Arc::clone(&self.db);
        blocking(move || db.read(f)).await
    }
}

#[async_trait]
impl WorkStore for SqliteWork {
    async fn create_many(&self, new: Vec<Work>) -> Result<Vec<CreateOutcome>, IndexError> {
        new.iter().try_for_each(check)?;
        self.write(move |tx, now| {
            let mut outcomes = Vec::with_capacity(new.len());
            for work in new {
                outcomes.push(match fetch(tx, work.kind, &work.id)? {
                    Some(existing) => CreateOutcome::Exists(existing),
                    None => CreateOutcome::Created(put(tx, work, 1, now)?),
                });
            }
            Ok(outcomes)
        })
        .await
    }

    async fn get(&self, kind: WorkKind, id: &str) -> Result<Option<Work>, IndexError> {
        let id = id.to_owned();
        self.read(move |c| fetch(c, kind, &id)).await
    }

    fn max_updates(&self) -> usize {
        MOST
    }

    async fn update_many(&self, works: Vec<Work>) -> Result<UpdateOutcome, IndexError> {
        works.iter().try_for_each(check)?;
        if works.len() > MOST {
            return Err(IndexError::TooMany { given: works.len(), most: MOST });
        }
        self.write(move |tx, now| {
            // All are looked at before the first is written, so that a conflict leaves nothing behind.
            for (at, work) in works.iter().enumerate() {
                if rev(tx, work.kind, &work.id)? != work.rev {
                    let current = fetch(tx, work.kind, &work.id)?.map(Box::new);
                    return Ok(UpdateOutcome::Conflict { at, current });
                }
            }
            let revs = works.into_iter().map(|work| {
                let rev = work.rev + 1;
                put(tx, work, rev, now).map(|w| w.rev)
            });
            Ok(UpdateOutcome::Updated(revs.collect::<Result<_, _>>()?))
        })
        .await
    }

    async fn list(&self, q: ListWork<'_>) -> Result<Vec<Work>, IndexError> {
        let mut sql = Sql::new(format!("SELECT {COLUMNS} FROM work WHERE kind = ?"), q.kind);
        sql.parent(q.parent);
        sql.states(q.states);
        if let Some(after) = q.after {
            sql.and("id > ?", after.to_owned());
        }
        sql.tail("ORDER BY id LIMIT ?", q.limit);
        self.read(move |c| sql.works(c)).await
    }

    async fn claim(&self, claim: Claim<'_>) -> Result<Vec<Work>, IndexError> {
        if claim.states.is_empty() {
            return Err(IndexError::Invalid("a claim must name the states it works on".into()));
        }
        let mut sql = Sql::new(format!("SELECT {COLUMNS} FROM work WHERE kind = ?"), claim.kind);
        sql.parent(claim.parent);
        sql.states(claim.states);
        let (owner, lease_ms, limit) = (claim.owner.to_owned(), claim.lease_ms, claim.limit);
        self.write(move |tx, now| {
            sql.and("(due_at IS NULL OR due_at <= ?)", now.as_millisecond());
            sql.and("(lease_until IS NULL OR lease_until <= ?)", now.as_millisecond());
            sql.tail("ORDER BY due_at, id LIMIT ?", limit);
            let lease = Lease { owner, until: after_ms(now, lease_ms)? };
            let mut taken = sql.works(tx)?;
            let mut q = tx.prepare_cached(
                "UPDATE work SET rev = ?3, lease_owner = ?4, lease_until = ?5, updated_at = ?6 WHERE kind = ?1 AND id = ?2",
            )?;
            for work in &mut taken {
                work.rev += 1;
                work.updated_at = now;
                let (until, at) = (lease.until.as_millisecond(), now.as_millisecond());
                q.execute(params![work.kind.as_str(), work.id, work.rev.cast_signed(), lease.owner, until, at])?;
                work.lease = Some(lease.clone());
            }
            Ok(taken)
        })
        .await
    }

    async fn renew(&self, kind: WorkKind, id: &str, owner: &str, lease_ms: u64) -> Result<bool, IndexError> {
        let (id, owner) = (id.to_owned(), owner.to_owned());
        self.write(move |tx, now| {
            let until = after_ms(now, lease_ms)?.as_millisecond();
            let sql = "UPDATE work SET lease_until = ?4 WHERE kind = ?1 AND id = ?2 AND lease_owner = ?3";
            Ok(tx.prepare_cached(sql)?.execute(params![kind.as_str(), id, owner, until])? > 0)
        })
        .await
    }

    async fn release(&self, kind: WorkKind, id: &str, owner: &str) -> Result<bool, IndexError> {
        let (id, owner) = (id.to_owned(), owner.to_owned());
        self.write(move |tx, _| {
            let sql = "UPDATE work SET lease_owner = NULL, lease_until = NULL
                       WHERE kind = ?1 AND id = ?2 AND lease_owner = ?3";
            Ok(tx.prepare_cached(sql)?.execute(params![kind.as_str(), id, owner])? > 0)
        })
        .await
    }

    async fn counts(&self, kind: WorkKind, parent: Option<&str>) -> Result<BTreeMap<String, u64>, IndexError> {
        let mut sql = Sql::new("SELECT state, count(*) FROM work WHERE kind = ?".into(), kind);
        sql.parent(parent);
        sql.text.push_str(" GROUP BY state");
        self.read(move |c| {
            let mut q = c.prepare_cached(&sql.text)?;
            let rows =
                q.query_map(params_from_iter(&sql.values), |r| Ok((r.get(0)?, r.get::<_, i64>(1)?.cast_unsigned())))?;
            Ok(rows.collect::<rusqlite::Result<_>>()?)
        })
        .await
    }
}

fn fetch(c: &Connection, kind: WorkKind, id: &str) -> Result<Option<Work>, Failure> {
    let mut q = c.prepare_cached(&format!("SELECT {COLUMNS} FROM work WHERE kind = ?1 AND id = ?2"))?;
    let found = q.query_row([kind.as_str(), id], |r| Ok(read_work(r))).optional()?;
    found.transpose()
}

/// The stored rev, without the document; 0 where it is not there.
fn rev(c: &Connection, kind: WorkKind, id: &str) -> Result<u64, Failure> {
    let mut q = c.prepare_cached("SELECT rev FROM work WHERE kind = ?1 AND id = ?2")?;
    let rev: Option<i64> = q.query_row([kind.as_str(), id], |r| r.get(0)).optional()?;
    Ok(rev.unwrap_or_default().cast_unsigned())
}

/// Stores `work` whole, with this rev and time.
fn put(c: &Connection, work: Work, rev: u64, now: Timestamp) -> Result<Work, Failure> {
    let doc = serde_json::to_string(&work.doc).map_err(|e| IndexError::Internal(e.to_string()))?;
    let work = Work { rev, updated_at: now, ..work };
    c.prepare_cached(&format!(
        "INSERT INTO work ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
         ON CONFLICT DO UPDATE SET parent = excluded.parent, state = excluded.state, rev = excluded.rev,
         due_at = excluded.due_at, lease_owner = excluded.lease_owner, lease_until = excluded.lease_until,
         updated_at = excluded.updated_at, doc = excluded.doc"
    ))?
    .execute(params![
        work.kind.as_str(),
        work.id,
        work.parent,
        work.state,
        rev.cast_signed(),
        work.due_at.map(Timestamp::as_millisecond),
        work.lease.as_ref().map(|l| &l.owner),
        work.lease.as_ref().map(|l| l.until.as_millisecond()),
        now.as_millisecond(),
        doc,
    ])?;
    Ok(work)
}

fn read_work(r: &Row<'_>) -> Result<Work, Failure> {
    let damaged = |what: &str| Failure::Damaged(format!("a row of work has a wrong {what}"));
    let time = |ms: i64| Timestamp::from_millisecond(ms).map_err(|_| damaged("time"));
    let kind: String = r.get(0)?;
    let (owner, until): (Option<String>, Option<i64>) = (r.get(6)?, r.get(7)?);
    let doc: String = r.get(9)?;
    Ok(Work {
        kind: WorkKind::ALL.into_iter().find(|k| k.as_str() == kind).ok_or_else(|| damaged("kind"))?,
        id: r.get(1)?,
        parent: r.get(2)?,
        state: r.get(3)?,
        rev: r.get::<_, i64>(4)?.cast_unsigned(),
        due_at: r.get::<_, Option<i64>>(5)?.map(time).transpose()?,
        lease: match (owner, until) {
            (Some(owner), Some(until)) => Some(Lease { owner, until: time(until)? }),
            _ => None,
        },
        updated_at: time(r.get(8)?)?,
        doc: serde_json::from_str(&doc).map_err(|_| damaged("document"))?,
    })
}

/// A query put together from the conditions that are set.
struct Sql {
    text: String,
    values: Vec<Box<dyn ToSql + Send>>,
}

impl Sql {
    fn new(text: String, kind: WorkKind) -> Self {
        Self { text, values: vec![Box::new(kind.as_str())] }
    }

    fn and(&mut self, condition: &str, value: impl ToSql + Send + 'static) {
        self.text.push_str(" AND ");
        self.text.push_str(condition);
        self.values.push(Box::new(value));
    }

    fn parent(&mut self, parent: Option<&str>) {
        if let Some(parent) = parent {
            self.and("parent = ?", parent.to_owned());
        }
    }

    fn states(&mut self, states: &[&str]) {
        if !states.is_empty() {
            let marks = vec!["?"; states.len()].join(", ");
            self.text.push_str(&format!(" AND state IN ({marks})"));
            self.values.extend(states.iter().map(|s| Box::new((*s).to_owned()) as Box<dyn ToSql + Send>));
        }
    }

    fn tail(&mut self, tail: &str, limit: usize) {
        self.text.push(' ');
        self.text.push_str(tail);
        self.values.push(Box::new(i64::try_from(limit).unwrap_or(i64::MAX)));
    }

    fn works(&self, c: &Connection) -> Result<Vec<Work>, Failure> {
        let mut q = c.prepare_cached(&self.text)?;
        let mut rows = q.query(params_from_iter(&self.values))?;
        let mut out = Vec::new();
        while let Some(row) = rows.next()? {
            out.push(read_work(row)?);
        }
        Ok(out)
    }
}
