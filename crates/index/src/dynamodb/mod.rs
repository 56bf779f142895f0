//! The implementations on one DynamoDB table. `docs/formats/dynamodb.md` lists its keys and access patterns,
//! `docs/adr/0080-dynamodb-index.md` says why it is built this way.

mod definition;
mod index;
mod work;

pub use definition::{IndexDefinition, TableDefinition, table_definition};
pub use index::DynamoIndex;
pub use work::DynamoWork;
