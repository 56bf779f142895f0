//! The implementation on SQLite. `docs/adr/0020-index-engine.md` says why it is built this way.

mod best;
mod cache;
mod db;
mod index;
mod read;
mod rebuild;
mod seal;
mod work;
mod write;

use crate::terms::{entry, fields, plan};

pub use index::SqliteIndex;
pub use work::SqliteWork;
