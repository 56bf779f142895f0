use aws_sdk_dynamodb::Client;
use holdfast_model::Clock;
use std::sync::Arc;

/// The index in a DynamoDB table, for any number of processes at once. Cheap to clone.
#[derive(Debug, Clone)]
pub struct DynamoIndex {
    _client: Client,
    _table: String,
    _clock: Arc<dyn Clock>,
}

impl DynamoIndex {
    /// The index in `table`, which must be there and be as [`table_definition`](super::table_definition) says. Nothing is
    /// asked of it before the first call.
    #[must_use]
    pub fn new(client: Client, table: impl Into<String>, clock: Arc<dyn Clock>) -> Self {
        Self { _client: client, _table: table.into(), _clock: clock }
    }
}
