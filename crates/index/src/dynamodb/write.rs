//! Inserts, and changes of what follows the storage or the matters.
//!
//! A pointer says where to look, the row says what is true. Pointers are therefore written before the row that they lead to,
//! and the row comes in by one conditional write: a process that dies between the two leaves pointers to nothing, which
//! readers pass over and which the repeated insert makes true.

use super::{
    db::{Expr, Item, Key, b, n, pause, s, token},
    index::Inner,
    keys::Generation,
    meta::Meta,
    row::{Pointer, Prepared, Stored, read_items, read_rows, told},
};
use crate::{IndexError, IndexRow, InsertOutcome};
use aws_sdk_dynamodb::types::{Delete, Put, TransactWriteItem, Update};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use holdfast_model::{ArchiveId, MatterId, StorageState, step};
use std::collections::{HashMap, HashSet};

/// Row items that are written at once.
const AT_ONCE: usize = 16;
/// Rows that are read in one go before some of them are changed.
const READ_AT_ONCE: usize = 1_000;
/// Items that one transaction takes.
const TRANSACTION: usize = 100;
/// How often a change is tried again that another one got ahead of.
const ATTEMPTS: u32 = 30;

/// A part of a row that follows the storage or the matters.
#[derive(Debug, Clone)]
pub(super) enum Told {
    State(StorageState),
    Holds(Vec<MatterId>),
}

impl Told {
    /// The row with it; none where nothing changes.
    fn after(&self, row: &IndexRow) -> Option<IndexRow> {
        let mut after = row.clone();
        match self {
            Self::State(state) => after.set_state(state.clone()),
            Self::Holds(h) => h.clone_into(&mut after.holds),
        }
        (after != *row).then_some(after)
    }

    /// The attribute and its value.
    fn attribute(&self) -> Result<(&'static str, String), IndexError> {
        let (name, json) = match self {
            Self::State(state) => ("a", serde_json::to_string(state)),
            Self::Holds(h) => ("h", serde_json::to_string(h)),
        };
        Ok((name, json.map_err(|e| IndexError::Internal(e.to_string()))?))
    }
}

impl Inner {
    /// Inserts into the generation that answers and into the one that is being built; into one more where the generations
    /// change meanwhile. What is refused in the first must not come in elsewhere.
    pub(super) async fn insert(&self, rows: &[Prepared]) -> Result<Vec<InsertOutcome>, IndexError> {
        let mut done: Vec<Generation> = Vec::new();
        let mut told: Vec<Option<InsertOutcome>> = vec![None; rows.len()];
        loop {
            let meta = self.meta().await?;
            let Some(next) = meta.written().into_iter().find(|g| !done.contains(g)) else {
                return Ok(told.into_iter().map(|o| o.unwrap_or(InsertOutcome::Same)).collect());
            };
            let refused = |o: &Option<InsertOutcome>| matches!(o, Some(InsertOutcome::Conflict { .. }));
            let taken: Vec<usize> = (0..rows.len()).filter(|i| !refused(&told[*i])).collect();
            let these: Vec<&Prepared> = taken.iter().map(|i| &rows[*i]).collect();
            let outcomes = self.insert_in(&next, &meta.salt, &these).await?;
            for (i, outcome) in taken.into_iter().zip(outcomes) {
                // The first that answered says whether it was new; one that answers since can only object.
                if told[i].is_none() || (next == meta.live && matches!(outcome, InsertOutcome::Conflict { .. })) {
                    told[i] = Some(outcome);
                }
            }
            done.push(next);
        }
    }

    /// Inserts into one generation. No recording may come twice.
    pub(super) async fn insert_in(
        &self,
        g: &Generation,
        salt: &[u8],
        rows: &[&Prepared],
    ) -> Result<Vec<InsertOutcome>, IndexError> {
        let there = read_rows(&self.table, g, rows.iter().map(|r| &r.row.archive_id)).await?;
        let new: Vec<&Prepared> = rows.iter().copied().filter(|r| !there.contains_key(&r.row.archive_id)).collect();
        let mut around: Vec<Item> = Vec::new();
        let mut listings: HashSet<Key> = HashSet::new();
        for p in &new {
            around.extend(p.parts(g));
            around.extend(p.pointers().iter().map(|pointer| pointer.key(g, salt, &p.row).item()));
            listings.extend(p.pointers().iter().filter_map(|pointer| pointer.listing(g, &p.row.archive_id)));
        }
        // Same again: where an earlier insert was cut off, what was told of the row may lack its places.
        for p in rows {
            let Some(stored) = there.get(&p.row.archive_id) else { continue };
            let more = Pointer::of(&stored.row).into_iter().filter(|pointer| !p.pointers().contains(pointer));
            if matches!(met(p, stored), InsertOutcome::Same) {
                around.extend(more.map(|pointer| pointer.key(g, salt, &stored.row).item()));
            }
        }
        let unlisted: Vec<Key> = listings.into_iter().filter(|k| !self.is_listed(k)).collect();
        around.extend(unlisted.iter().cloned().map(Key::item));
        self.table.write_all(around, Vec::new()).await?;
        self.now_listed(unlisted);
        step("index.dynamodb.pointers");
        let puts: Vec<_> = new.into_iter().map(|p| self.put_row(g, salt, p)).collect();
        let came: HashMap<&ArchiveId, InsertOutcome> =
            stream::iter(puts).buffer_unordered(AT_ONCE).try_collect().await?;
        let outcome = |p: &&Prepared| match there.get(&p.row.archive_id) {
            Some(existing) => met(p, existing),
            None => came.get(&p.row.archive_id).cloned().unwrap_or(InsertOutcome::Same),
        };
        Ok(rows.iter().map(outcome).collect())
    }

    async fn put_row<'p>(
        &self,
        g: &Generation,
        salt: &[u8],
        p: &'p Prepared,
    ) -> Result<(&'p ArchiveId, InsertOutcome), IndexError> {
        let key = g.row(&p.row.archive_id);
        let (first, row_parts, word_parts) = p.inline();
        let (_, state) = Told::State(p.row.state()).attribute()?;
        let (_, holds) = Told::Holds(p.row.holds.clone()).attribute()?;
        let change = Expr::new(
            "SET d = :d, dn = :dn, tn = :tn, w = :w, a = if_not_exists(a, :a), h = if_not_exists(h, :h),
             n = if_not_exists(n, :zero)",
        )
        .with(":d", b(first))
        .with(":dn", n(row_parts))
        .with(":tn", n(word_parts))
        .with(":w", s(&p.token))
        .with(":a", s(state))
        .with(":h", s(holds))
        .with(":zero", n(0));
        let put = self.table.update(&key, &change, "attribute_not_exists(d)").await?;
        step("index.dynamodb.row");
        let now = match put {
            Some(item) => item,
            None => {
                self.table.get(&key).await?.ok_or_else(|| self.table.damaged("a row was refused, but is not there"))?
            }
        };
        let Some(stored) = read_items(&self.table, g, vec![now]).await?.pop() else {
            return Err(self.table.damaged("a row was refused, but is not there"));
        };
        // What was told of it before it came has places of its own.
        let more = Pointer::of(&stored.row).into_iter().filter(|pointer| !p.pointers().contains(pointer));
        if stored.token == p.token {
            let more = more.map(|pointer| pointer.key(g, salt, &stored.row).item()).collect();
            self.table.write_all(more, Vec::new()).await?;
        }
        Ok((&p.row.archive_id, met(p, &stored)))
    }

    /// Changes rows wherever they stand, as changing one after the other does: the last one for a row counts. They are read
    /// together, and only those that really change are written. Like an insert it looks at `META` when it is done, so that a
    /// generation that was begun meanwhile gets all of them too.
    pub(super) async fn tell(&self, all: &[(ArchiveId, Told)]) -> Result<(), IndexError> {
        let mut named = HashSet::new();
        let mut last: Vec<(&ArchiveId, &Told)> =
            all.iter().rev().map(|(id, told)| (id, told)).filter(|(id, _)| named.insert(*id)).collect();
        last.reverse();
        if last.is_empty() {
            return Ok(());
        }
        let (mut meta, mut done): (Meta, Vec<Generation>) = (self.meta().await?, Vec::new());
        while let Some(next) = meta.written().into_iter().find(|g| !done.contains(g)) {
            let told = self.tell_in(&next, next == meta.live, &meta.salt, &last).await;
            let now = self.meta().await?;
            match told {
                // What is missing there was taken away: another generation answers, and is told next.
                Err(IndexError::NotFound(_)) if now.live != meta.live => {}
                told => told?,
            }
            done.push(next);
            meta = now;
        }
        Ok(())
    }

    async fn tell_in(
        &self,
        g: &Generation,
        live: bool,
        salt: &[u8],
        all: &[(&ArchiveId, &Told)],
    ) -> Result<(), IndexError> {
        for piece in all.chunks(READ_AT_ONCE) {
            let mut there = read_rows(&self.table, g, piece.iter().map(|(id, _)| *id)).await?;
            if let Some((id, _)) = piece.iter().find(|(id, _)| live && !there.contains_key(id)) {
                return Err(IndexError::NotFound((*id).clone()));
            }
            let open = piece.iter().map(|(id, told)| (there.remove(id), *id, *told));
            let open = open.filter(|(row, _, told)| row.as_ref().is_none_or(|r| told.after(&r.row).is_some()));
            let changes: Vec<_> = open.map(|(row, id, told)| self.tell_row(g, live, salt, (id, told), row)).collect();
            stream::iter(changes).buffer_unordered(AT_ONCE).try_collect::<()>().await?;
        }
        Ok(())
    }

    /// Changes one row, `stored` as it was read; read again where another change got ahead.
    async fn tell_row(
        &self,
        g: &Generation,
        live: bool,
        salt: &[u8],
        (id, what): (&ArchiveId, &Told),
        mut stored: Option<Stored>,
    ) -> Result<(), IndexError> {
        let (key, mine) = (g.row(id), token());
        let (attribute, json) = what.attribute()?;
        for attempt in 0..ATTEMPTS {
            let done = match stored {
                None if live => return Err(IndexError::NotFound(id.clone())),
                None => {
                    // The rebuild has yet to come to it, and then takes this up.
                    let change = Expr::new(format!("SET {attribute} = :v ADD n :one")).with(":v", s(&json));
                    self.table.update(&key, &change.with(":one", n(1)), "attribute_not_exists(d)").await?.is_some()
                }
                Some(stored) if stored.told_by.as_ref() == Some(&mine) => return Ok(()),
                Some(stored) => {
                    let Some(after) = what.after(&stored.row) else { return Ok(()) };
                    let change = Expr::new(format!("SET {attribute} = :v, n = :next, tw = :me"))
                        .with(":v", s(&json))
                        .with(":next", told(stored.told + 1))
                        .with(":was", told(stored.told))
                        .with(":me", s(&mine));
                    self.change_row(g, salt, &key, (&stored, &after), change, &mine).await?
                }
            };
            step("index.dynamodb.told");
            if done {
                return Ok(());
            }
            pause(attempt).await;
            stored = read_rows(&self.table, g, [id]).await?.remove(id);
        }
        Err(IndexError::Contended { table: self.table.name.to_string(), action: "dynamodb:TransactWriteItems" })
    }

    /// The row and its pointers in one transaction, as long as nobody else has told it anything since.
    async fn change_row(
        &self,
        g: &Generation,
        salt: &[u8],
        key: &Key,
        (before, after): (&Stored, &IndexRow),
        change: Expr,
        mine: &str,
    ) -> Result<bool, IndexError> {
        const UNTOLD: &str = "n = :was";
        let (was, is) = (Pointer::of(&before.row), Pointer::of(after));
        let come: Vec<Key> = is.difference(&was).map(|p| p.key(g, salt, after)).collect();
        let mut gone: Vec<Key> = was.difference(&is).map(|p| p.key(g, salt, after)).collect();
        if come.is_empty() && gone.is_empty() {
            return Ok(self.table.update(key, &change, UNTOLD).await?.is_some());
        }
        // More than one transaction takes: new pointers may come early, old ones may stay; the row decides.
        let early = come.len() + 1 > TRANSACTION;
        if early {
            self.table.write_all(come.iter().cloned().map(Key::item).collect(), Vec::new()).await?;
        }
        let come = if early { Vec::new() } else { come };
        gone.truncate(TRANSACTION - 1 - come.len());
        let built = |e: aws_sdk_dynamodb::error::BuildError| IndexError::Internal(e.to_string());
        let table = &*self.table.name;
        let row = Update::builder()
            .table_name(table)
            .set_key(Some(key.clone().item()))
            .update_expression(&change.text)
            .condition_expression(UNTOLD)
            .set_expression_attribute_values(change.values())
            .build()
            .map_err(built)?;
        let mut all = vec![TransactWriteItem::builder().update(row).build()];
        for key in come {
            let put = Put::builder().table_name(table).set_item(Some(key.item())).build().map_err(built)?;
            all.push(TransactWriteItem::builder().put(put).build());
        }
        for key in gone {
            let delete = Delete::builder().table_name(table).set_key(Some(key.item())).build().map_err(built)?;
            all.push(TransactWriteItem::builder().delete(delete).build());
        }
        Ok(self.table.transact(mine, all).await?.is_none())
    }
}

/// What it means that the row is there.
fn met(p: &Prepared, stored: &Stored) -> InsertOutcome {
    if stored.token == p.token {
        InsertOutcome::Inserted
    } else if stored.row.manifest_sha256 == p.row.manifest_sha256 {
        InsertOutcome::Same
    } else {
        InsertOutcome::Conflict { existing: Box::new(stored.row.clone()) }
    }
}
