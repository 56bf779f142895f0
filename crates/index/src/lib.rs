//! The index of recordings and the store of persisted work.
//!
//! [`RecordingIndex`] answers "which recordings", [`WorkStore`] keeps the state machines that ingest and retrieval are. Both
//! are on SQLite (one machine) and on DynamoDB (shared by many). The index is derived: it can be rebuilt from manifests and ledger, nothing in it
//! is evidence. The work store is not derived and is therefore durable at every commit.

pub mod dynamodb;
mod error;
mod query;
mod recording_index;
mod row;
mod sqlite;
mod terms;
mod work;

pub use dynamodb::{DynamoIndex, DynamoWork};
pub use error::IndexError;
pub use query::{AvailabilityState, Cursor, Facets, MAX_LIMIT, Page, Query, Sort};
pub use recording_index::{IndexLimits, InsertOutcome, RebuildSink, RecordingIndex};
pub use row::{Difference, IndexRow, Moved};
pub use sqlite::{SqliteIndex, SqliteWork};
pub use work::{
    Claim, CreateOutcome, Lease, ListWork, MAX_UPDATES, UpdateOutcome, WORK_FORMAT, Work, WorkKind, WorkStore,
    refuse_newer,
};
