//! The item that says which generation of the index answers, which is being built, and which are to be removed.

use super::{
    db::{Expr, Item, Key, Table, b, bytes, number, s, text, token},
    keys::Generation,
};
use crate::IndexError;
use uuid::Uuid;

/// The form in which items are written. A table with a greater number is left alone.
const FORMAT: u32 = 1;
/// Partitions over which a day or a value of a new generation is spread. Each takes about 1,000 writes a second.
const SHARDS: u32 = 8;

fn key() -> Key {
    Key::new("META", "META")
}

/// What the item says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Meta {
    pub live: Generation,
    pub building: Option<Generation>,
    pub dead: Vec<Generation>,
    next: u64,
    pub salt: Vec<u8>,
}

impl Meta {
    /// Reads it; makes it where there is none.
    pub(super) async fn read(table: &Table) -> Result<Self, IndexError> {
        if let Some(item) = table.get(&key()).await? {
            return Self::of(table, &item);
        }
        let live = Generation { number: 1, shards: SHARDS, token: token() };
        let mut item = key().item();
        item.insert("fmt".into(), super::db::n(FORMAT));
        item.insert("live".into(), s(live.write()));
        item.insert("nxt".into(), super::db::n(2));
        item.insert("salt".into(), b(Uuid::new_v4().as_bytes().to_vec()));
        table.put(item, &Expr::new("attribute_not_exists(pk)")).await?;
        match table.get(&key()).await? {
            Some(item) => Self::of(table, &item),
            None => Err(table.damaged("the item META does not stay")),
        }
    }

    fn of(table: &Table, item: &Item) -> Result<Self, IndexError> {
        let damaged = || table.damaged("the item META cannot be read");
        let format: u32 = number(item, "fmt").ok_or_else(damaged)?;
        if format > FORMAT {
            return Err(IndexError::NewerSchema {
                path: table.name.to_string().into(),
                found: i64::from(format),
                known: i64::from(FORMAT),
            });
        }
        let dead = item.get("dead").and_then(|d| d.as_ss().ok()).map(Vec::as_slice).unwrap_or_default();
        let parse = |t: &str| Generation::parse(t).ok_or_else(damaged);
        Ok(Self {
            live: parse(text(item, "live").ok_or_else(damaged)?)?,
            building: text(item, "bld").map(parse).transpose()?,
            dead: dead.iter().map(|d| parse(d)).collect::<Result<_, _>>()?,
            next: number(item, "nxt").ok_or_else(damaged)?,
            salt: bytes(item, "salt").ok_or_else(damaged)?.to_vec(),
        })
    }

    /// Those that take writes.
    pub(super) fn written(&self) -> Vec<Generation> {
        std::iter::once(&self.live).chain(&self.building).cloned().collect()
    }

    /// Begins a generation; one that was being built is given up.
    pub(super) async fn begin(table: &Table) -> Result<Generation, IndexError> {
        loop {
            let meta = Self::read(table).await?;
            let new = Generation { number: meta.next, shards: SHARDS, token: token() };
            let mut change = Expr::new("SET bld = :new, nxt = nxt + :one")
                .with(":new", s(new.write()))
                .with(":one", super::db::n(1))
                .with(":next", super::db::n(meta.next));
            if let Some(given_up) = &meta.building {
                change.text.push_str(" ADD dead :dead");
                change = change.with(":dead", set(given_up));
            }
            // A refusal may be the echo of one's own success.
            if table.update(&key(), &change, "nxt = :next").await?.is_some()
                || Self::read(table).await?.building.as_ref() == Some(&new)
            {
                return Ok(new);
            }
        }
    }

    /// Puts a generation in the place of the one that answers.
    pub(super) async fn switch(table: &Table, new: &Generation) -> Result<(), IndexError> {
        loop {
            let meta = Self::read(table).await?;
            if meta.live == *new {
                return Ok(());
            }
            if meta.building.as_ref() != Some(new) {
                return Err(IndexError::RebuildSuperseded);
            }
            let change = Expr::new("SET live = :new REMOVE bld ADD dead :dead")
                .with(":new", s(new.write()))
                .with(":old", s(meta.live.write()))
                .with(":dead", set(&meta.live));
            if table.update(&key(), &change, "bld = :new AND live = :old").await?.is_some() {
                return Ok(());
            }
        }
    }

    /// Gives up a generation that is being built, so that nothing more is put into it.
    pub(super) async fn give_up(table: &Table, new: &Generation) -> Result<(), IndexError> {
        let change = Expr::new("REMOVE bld ADD dead :dead").with(":new", s(new.write())).with(":dead", set(new));
        table.update(&key(), &change, "bld = :new").await.map(drop)
    }

    /// Notes that nothing is left of a generation.
    pub(super) async fn buried(table: &Table, dead: &Generation) -> Result<(), IndexError> {
        table.update(&key(), &Expr::new("DELETE dead :dead").with(":dead", set(dead)), "").await.map(drop)
    }
}

fn set(g: &Generation) -> aws_sdk_dynamodb::types::AttributeValue {
    aws_sdk_dynamodb::types::AttributeValue::Ss(vec![g.write()])
}
