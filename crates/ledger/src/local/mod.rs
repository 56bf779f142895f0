//! The log: where its head and its tiles are kept, how it is appended to and how it is verified.

mod append;
pub mod conformance;
#[cfg(feature = "dynamodb")]
mod dynamodb;
mod error;
mod evidence;
mod folder;
mod head;
mod intent;
mod lookup;
mod read;
mod sqlite;
mod tiles;
mod verify;

pub use append::{Ledger, LedgerParts};
#[cfg(feature = "dynamodb")]
pub use dynamodb::DynamoHead;
pub use error::{LedgerError, RemoteFault};
pub use evidence::StoredEntry;
pub use folder::FolderTiles;
pub use head::{HeadState, LedgerHead, LookupDigest, LookupKey, Staged};
pub use intent::Intent;
pub use sqlite::SqliteHead;
pub use tiles::TileStore;
pub use verify::{LedgerFault, LedgerReport};
