//! The implementation on SQLite. `docs/adr/0020-index-engine.md` says why it is built this way.

mod best;
mod cache;
mod db;
mod entry;
mod fields;
mod index;
mod plan;
mod read;
mod rebuild;
mod seal;
mod text;
mod work;
mod write;

pub use index::SqliteIndex;
pub use work::SqliteWork;
