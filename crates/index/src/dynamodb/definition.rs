//! The shape of the table, as data: provisioning renders it, tests make it.

use aws_sdk_dynamodb::{
    Client,
    operation::create_table::builders::CreateTableFluentBuilder,
    types::{
        AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection, ProjectionType,
        ScalarAttributeType,
    },
};

/// Partition key of the table.
pub(super) const PK: &str = "pk";
/// Sort key of the table.
pub(super) const SK: &str = "sk";
/// The index of work by state and the time from which it may be taken. Only items of work carry its keys.
pub(super) const BY_STATE: &str = "by_state";
/// Its partition key.
pub(super) const STATE_KEY: &str = "gk";
/// Its sort key.
pub(super) const TIME_KEY: &str = "gs";
/// What it carries beside the keys: the parent.
pub(super) const PARENT: &str = "p";

/// A table with a partition key and a sort key. All key attributes, those of its indexes included, are strings (`S`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableDefinition {
    /// Name of the partition key.
    pub partition_key: &'static str,
    /// Name of the sort key.
    pub sort_key: &'static str,
    /// Its global secondary indexes.
    pub indexes: Vec<IndexDefinition>,
}

/// A global secondary index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexDefinition {
    /// Its name.
    pub name: &'static str,
    /// Name of its partition key.
    pub partition_key: &'static str,
    /// Name of its sort key.
    pub sort_key: &'static str,
    /// Attributes it carries beside all keys (projection `INCLUDE`).
    pub included: &'static [&'static str],
}

/// The table that [`DynamoIndex`](super::DynamoIndex), [`DynamoWork`](super::DynamoWork) and the head of the ledger share.
#[must_use]
pub fn table_definition() -> TableDefinition {
    TableDefinition {
        partition_key: PK,
        sort_key: SK,
        indexes: vec![IndexDefinition {
            name: BY_STATE,
            partition_key: STATE_KEY,
            sort_key: TIME_KEY,
            included: &[PARENT],
        }],
    }
}

impl TableDefinition {
    /// Names of all key attributes, each once: what `AttributeDefinitions` of the table must list.
    #[must_use]
    pub fn key_attributes(&self) -> Vec<&'static str> {
        let own = [self.partition_key, self.sort_key];
        own.into_iter().chain(self.indexes.iter().flat_map(|i| [i.partition_key, i.sort_key])).collect()
    }

    /// The request that makes it under this name, paid by request. What protects a real one (point-in-time recovery,
    /// deletion protection, keys) is provisioning's to add.
    #[must_use]
    pub fn create(&self, client: &Client, table: &str) -> CreateTableFluentBuilder {
        let attribute = |name: &str| {
            AttributeDefinition::builder().attribute_name(name).attribute_type(ScalarAttributeType::S).build().ok()
        };
        client
            .create_table()
            .table_name(table)
            .billing_mode(BillingMode::PayPerRequest)
            .set_attribute_definitions(self.key_attributes().into_iter().map(attribute).collect())
            .set_key_schema(keys(self.partition_key, self.sort_key))
            .set_global_secondary_indexes(self.indexes.iter().map(IndexDefinition::request).collect())
    }
}

impl IndexDefinition {
    fn request(&self) -> Option<GlobalSecondaryIndex> {
        let carries = Projection::builder()
            .projection_type(ProjectionType::Include)
            .set_non_key_attributes(Some(self.included.iter().map(|a| (*a).to_owned()).collect()))
            .build();
        GlobalSecondaryIndex::builder()
            .index_name(self.name)
            .set_key_schema(keys(self.partition_key, self.sort_key))
            .projection(carries)
            .build()
            .ok()
    }
}

fn keys(partition: &str, sort: &str) -> Option<Vec<KeySchemaElement>> {
    let key = |name, kind| KeySchemaElement::builder().attribute_name(name).key_type(kind).build().ok();
    [key(partition, KeyType::Hash), key(sort, KeyType::Range)].into_iter().collect()
}
