//! Inserts, and changes of what follows the storage or the matters.

use super::{
    db::Failure,
    entry::Entry,
    fields::{Field, Terms, hold, loose, tier_name},
    seal::{CHUNK, change_posting, seal},
};
use crate::{AvailabilityState, IndexError, IndexRow, InsertOutcome};
use holdfast_model::{ArchiveId, MatterId, StorageState};
use rusqlite::{Connection, OptionalExtension as _, params};
use std::{borrow::Cow, collections::HashMap};

/// The tail is sealed when it reaches this length. Reading goes through the tail document by document, so it must stay short;
/// sealing rewrites the bitmaps of the newest chunk, so it must not be too short either.
pub(super) const TAIL: u32 = 4096;

/// A row ready to be inserted; made before the write lock is taken.
#[derive(Debug)]
pub(super) struct Prepared {
    pub row: IndexRow,
    json: Vec<u8>,
    entry: Entry,
    labels: Vec<(Field, String, String)>,
}

impl Prepared {
    pub(super) fn new(row: IndexRow, text: Option<&str>) -> Result<Self, IndexError> {
        if row.record.idempotency_key().archive_id() != row.archive_id {
            let id = &row.archive_id;
            return Err(IndexError::Invalid(format!("{id} is not the archive id of the record in its row")));
        }
        let json = to_json(&row)?;
        let terms = Terms::of(&row, text);
        let entry = Entry::of(&terms);
        Ok(Self { row, json, entry, labels: terms.labels })
    }
}

fn to_json(row: &IndexRow) -> Result<Vec<u8>, IndexError> {
    serde_json::to_vec(row).map_err(|e| IndexError::Internal(format!("a row cannot be written: {e}")))
}

pub(super) fn from_json(json: &[u8]) -> Result<IndexRow, Failure> {
    serde_json::from_slice(json).map_err(|e| Failure::Damaged(format!("a row cannot be read: {e}")))
}

pub(super) fn read_entry(blob: &[u8]) -> Result<Entry, Failure> {
    Entry::decode(blob).ok_or_else(|| Failure::Damaged("an entry of the tail cannot be read".into()))
}

/// Counters of one generation.
#[derive(Debug, Clone, Copy)]
pub(super) struct Generation {
    pub number: i64,
    pub docs: u32,
    pub sealed: u32,
    pub tail_changes: i64,
}

impl Generation {
    pub(super) fn read(c: &Connection, number: i64) -> Result<Self, Failure> {
        let mut q = c.prepare_cached("SELECT docs, sealed, tail_changes FROM generation WHERE generation = ?1")?;
        Ok(q.query_row([number], |r| Ok(Self { number, docs: r.get(0)?, sealed: r.get(1)?, tail_changes: r.get(2)? }))?)
    }

    fn save(self, c: &Connection) -> Result<(), Failure> {
        c.prepare_cached("UPDATE generation SET docs = ?2, sealed = ?3, tail_changes = ?4 WHERE generation = ?1")?
            .execute(params![self.number, self.docs, self.sealed, self.tail_changes])?;
        Ok(())
    }

    /// The chunks that have sealed documents, each with how many.
    pub(super) fn chunks(self) -> impl DoubleEndedIterator<Item = (u32, u32)> {
        let sealed = self.sealed;
        (0..sealed.div_ceil(CHUNK)).map(move |chunk| (chunk, (sealed - chunk * CHUNK).min(CHUNK)))
    }
}

/// The generation that answers, and the one that a rebuild is filling.
pub(super) fn generations(c: &Connection) -> Result<(i64, Option<i64>), Failure> {
    let mut q = c.prepare_cached("SELECT live, building FROM control WHERE id = 1")?;
    Ok(q.query_row([], |r| Ok((r.get(0)?, r.get(1)?)))?)
}

/// Makes the tables of a generation.
pub(super) fn create_generation(c: &Connection, number: i64) -> rusqlite::Result<()> {
    let sql = include_str!("../../migrations/index/generation.sql").replace("{g}", &number.to_string());
    c.execute_batch(&sql)?;
    c.execute("INSERT INTO generation (generation) VALUES (?1)", [number])?;
    Ok(())
}

/// Inserts into one generation. `building`: rows take up the states that were told before they came.
pub(super) fn insert(
    c: &Connection,
    generation: i64,
    rows: &[&Prepared],
    building: bool,
) -> Result<Vec<InsertOutcome>, Failure> {
    let mut g = Generation::read(c, generation)?;
    let mut outcomes = Vec::with_capacity(rows.len());
    let mut fresh: Vec<(u32, Cow<'_, Entry>)> = Vec::new();
    let mut labels: HashMap<(u8, &str), &str> = HashMap::new();
    let mut insert = c.prepare_cached(&format!("INSERT INTO doc_{generation} VALUES (?1, ?2, ?3)"))?;
    for p in rows {
        if let Some((_, existing)) = find(c, generation, &p.row.archive_id)? {
            outcomes.push(if existing.manifest_sha256 == p.row.manifest_sha256 {
                InsertOutcome::Same
            } else {
                InsertOutcome::Conflict { existing: Box::new(existing) }
            });
            continue;
        }
        let told = if building { take_pending(c, generation, p)? } else { None };
        match told {
            Some((json, entry)) => {
                insert.execute(params![g.docs, p.row.archive_id.as_str(), json])?;
                fresh.push((g.docs, Cow::Owned(entry)));
            }
            None => {
                insert.execute(params![g.docs, p.row.archive_id.as_str(), p.json])?;
                fresh.push((g.docs, Cow::Borrowed(&p.entry)));
            }
        }
        for (field, value, label) in &p.labels {
            labels.entry((*field as u8, value)).and_modify(|l| *l = (*l).min(label.as_str())).or_insert(label.as_str());
        }
        g.docs = g.docs.checked_add(1).ok_or_else(|| IndexError::Internal("more documents than 2^32".into()))?;
        outcomes.push(InsertOutcome::Inserted);
    }
    save_labels(c, generation, labels)?;
    append(c, &mut g, fresh)?;
    g.save(c)?;
    Ok(outcomes)
}

fn save_labels(c: &Connection, generation: i64, labels: HashMap<(u8, &str), &str>) -> Result<(), Failure> {
    let mut q = c.prepare_cached(&format!(
        "INSERT INTO label_{generation} VALUES (?1, ?2, ?3)
         ON CONFLICT DO UPDATE SET label = excluded.label WHERE excluded.label < label"
    ))?;
    for ((field, value), label) in labels {
        q.execute(params![field, value, label])?;
    }
    Ok(())
}

/// Puts new documents into the tail, or seals them together with it where it would grow too long.
fn append(c: &Connection, g: &mut Generation, fresh: Vec<(u32, Cow<'_, Entry>)>) -> Result<(), Failure> {
    if g.docs - g.sealed < TAIL {
        let mut q = c.prepare_cached(&format!("INSERT INTO tail_{} VALUES (?1, ?2)", g.number))?;
        for (doc, entry) in &fresh {
            q.execute(params![doc, entry.encode()])?;
        }
        return Ok(());
    }
    let mut all = Vec::new();
    let mut q = c.prepare_cached(&format!("SELECT doc, entry FROM tail_{} ORDER BY doc", g.number))?;
    let mut rows = q.query([])?;
    while let Some(row) = rows.next()? {
        all.push((row.get(0)?, Cow::Owned(read_entry(row.get_ref(1)?.as_blob().unwrap_or_default())?)));
    }
    all.extend(fresh);
    let sealed = all.len();
    let mut expected = g.sealed..;
    if !all.iter().all(|(doc, _)| expected.next() == Some(*doc)) {
        return Err(Failure::Damaged("the tail has a gap".into()));
    }
    let mut rest = all.as_slice();
    while let Some((first, _)) = rest.first() {
        let chunk = first / CHUNK;
        let (these, others) = rest.split_at(rest.partition_point(|(doc, _)| doc / CHUNK == chunk));
        seal(c, g.number, chunk, these)?;
        rest = others;
    }
    c.execute(&format!("DELETE FROM tail_{}", g.number), [])?;
    g.sealed = g.docs;
    tracing::debug!(documents = sealed, "sealed the tail of the index");
    Ok(())
}

/// The document and row of a recording.
pub(super) fn find(c: &Connection, generation: i64, id: &ArchiveId) -> Result<Option<(u32, IndexRow)>, Failure> {
    let mut q = c.prepare_cached(&format!("SELECT doc, row FROM doc_{generation} WHERE archive_id = ?1"))?;
    let mut rows = q.query([id.as_str()])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    Ok(Some((row.get(0)?, from_json(row.get_ref(1)?.as_blob().unwrap_or_default())?)))
}

/// A part of a row that follows the storage or the matters.
#[derive(Debug, Clone)]
pub(super) enum Told {
    State(StorageState),
    Holds(Vec<MatterId>),
}

impl Told {
    fn fields(&self) -> &'static [Field] {
        match self {
            Self::State(_) => &[Field::Availability, Field::Tier],
            Self::Holds(_) => &[Field::Hold],
        }
    }

    fn apply(self, row: &mut IndexRow) {
        match self {
            Self::State(state) => row.set_state(state),
            Self::Holds(h) => row.holds = h,
        }
    }
}

fn values_of(row: &IndexRow, field: Field) -> Vec<String> {
    match field {
        Field::Hold => row.holds.iter().map(|m| hold(m).1).collect(),
        Field::Tier => vec![loose(tier_name(row.tier_now()))],
        _ => vec![AvailabilityState::from(&row.availability).as_str().to_owned()],
    }
}

/// Changes a row and what is indexed of it. False where there is no such row.
pub(super) fn tell(c: &Connection, generation: i64, id: &ArchiveId, told: Told) -> Result<bool, Failure> {
    let Some((doc, mut row)) = find(c, generation, id)? else { return Ok(false) };
    let (fields, was) = (told.fields(), row.clone());
    told.apply(&mut row);
    if row == was {
        return Ok(true);
    }
    c.prepare_cached(&format!("UPDATE doc_{generation} SET row = ?2 WHERE doc = ?1"))?
        .execute(params![doc, to_json(&row)?])?;
    for &field in fields {
        reindex(c, generation, doc, field, &values_of(&was, field), &values_of(&row, field))?;
    }
    let tier = tier_name(row.tier_now());
    save_labels(c, generation, HashMap::from([((Field::Tier as u8, loose(tier).as_str()), tier)]))?;
    Ok(true)
}

/// Changes what is indexed of one field of a document.
fn reindex(
    c: &Connection,
    generation: i64,
    doc: u32,
    field: Field,
    before: &[String],
    after: &[String],
) -> Result<(), Failure> {
    if before == after {
        return Ok(());
    }
    let mut g = Generation::read(c, generation)?;
    if doc < g.sealed {
        let gone = before.iter().filter(|v| !after.contains(v)).map(|v| (v, false));
        let come = after.iter().filter(|v| !before.contains(v)).map(|v| (v, true));
        for (value, present) in gone.chain(come) {
            change_posting(c, generation, doc, (field, value), present)?;
        }
    } else {
        let blob: Vec<u8> = c
            .prepare_cached(&format!("SELECT entry FROM tail_{generation} WHERE doc = ?1"))?
            .query_row([doc], |r| r.get(0))?;
        let entry = read_entry(&blob)?.with(field, after);
        c.prepare_cached(&format!("UPDATE tail_{generation} SET entry = ?2 WHERE doc = ?1"))?
            .execute(params![doc, entry.encode()])?;
        g.tail_changes += 1;
        g.save(c)?;
    }
    Ok(())
}

/// Keeps a state for a row that the rebuild has not reached yet.
pub(super) fn remember(c: &Connection, generation: i64, id: &ArchiveId, told: &Told) -> Result<(), Failure> {
    let json = |v: serde_json::Result<String>| v.map_err(|e| IndexError::Internal(e.to_string()));
    let (state, holds) = match told {
        Told::State(state) => (Some(json(serde_json::to_string(state))?), None),
        Told::Holds(h) => (None, Some(json(serde_json::to_string(h))?)),
    };
    c.prepare_cached(
        "INSERT INTO pending VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO UPDATE SET
         availability = coalesce(excluded.availability, availability), holds = coalesce(excluded.holds, holds)",
    )?
    .execute(params![generation, id.as_str(), state, holds])?;
    Ok(())
}

/// The row with the states that were told before it came, as JSON and entry; none where nothing was told.
fn take_pending(c: &Connection, generation: i64, p: &Prepared) -> Result<Option<(Vec<u8>, Entry)>, Failure> {
    let told: Option<(Option<String>, Option<String>)> = c
        .prepare_cached("DELETE FROM pending WHERE generation = ?1 AND archive_id = ?2 RETURNING availability, holds")?
        .query_row(params![generation, p.row.archive_id.as_str()], |r| Ok((r.get(0)?, r.get(1)?)))
        .optional()?;
    let Some((state, holds)) = told else { return Ok(None) };
    let damaged = |e: serde_json::Error| Failure::Damaged(format!("a pending state cannot be read: {e}"));
    let (mut row, mut entry) = (p.row.clone(), p.entry.clone());
    let state = state.map(|s| serde_json::from_str::<StorageState>(&s)).transpose().map_err(damaged)?;
    let holds = holds.map(|h| serde_json::from_str::<Vec<MatterId>>(&h)).transpose().map_err(damaged)?;
    for told in state.map(Told::State).into_iter().chain(holds.map(Told::Holds)) {
        let fields = told.fields();
        told.apply(&mut row);
        for &field in fields {
            entry = entry.with(field, &values_of(&row, field));
        }
    }
    Ok(Some((to_json(&row)?, entry)))
}
