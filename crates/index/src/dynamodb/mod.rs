//! The implementations on one DynamoDB table. `docs/formats/dynamodb.md` lists its keys and access patterns,
//! `docs/adr/0080-dynamodb-index.md` says why it is built this way.

mod db;
mod definition;
mod fault;
mod index;
mod keys;
mod lane;
mod meta;
mod read;
mod rebuild;
mod row;
mod walk;
mod work;
mod work_item;
mod write;

pub use definition::{IndexDefinition, TableDefinition, table_definition};
pub use index::DynamoIndex;
pub use work::DynamoWork;
