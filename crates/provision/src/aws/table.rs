//! The index's table: its shape as data, what differs, and the calls that make it.

use super::{code, fault::fault};
use crate::{ProvisionError, plan::Differences};
use aws_sdk_dynamodb::{
    Client,
    types::{PointInTimeRecoveryStatus, ScalarAttributeType, TableStatus, TimeToLiveStatus},
};

/// What a secondary index carries beside keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Projection {
    /// Every attribute.
    All,
    /// Keys alone.
    KeysOnly,
    /// Keys and these.
    Include(Vec<String>),
}

/// One secondary index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexShape {
    /// Name.
    pub name: String,
    /// Partition key's attribute.
    pub partition_key: String,
    /// Sort key's attribute.
    pub sort_key: Option<String>,
    /// What it carries.
    pub projection: Projection,
}

/// The table as it must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableDesired {
    /// Name.
    pub name: String,
    /// Partition key's attribute.
    pub partition_key: String,
    /// Sort key's attribute.
    pub sort_key: Option<String>,
    /// Attributes that are keys somewhere, with `S`, `N` or `B`.
    pub attributes: Vec<(String, String)>,
    /// Secondary indexes.
    pub indexes: Vec<IndexShape>,
    /// Attribute that holds the time after which an item goes by itself.
    pub ttl_attribute: Option<String>,
    /// ARN of the key; DynamoDB's own where none.
    pub kms_key: Option<String>,
}

/// Attribute after whose time an item goes by itself. Only preflight's own items carry it; nothing of the index, the work or the
/// ledger does, so nothing of those ever lapses.
pub(crate) const TTL: &str = "ttl";

impl TableDesired {
    /// The table that index, work and the ledger's head share, under this name.
    #[must_use]
    pub fn new(name: &str, kms_key: Option<&str>) -> Self {
        let d = holdfast_index::dynamodb::table_definition();
        let index = |i: &holdfast_index::dynamodb::IndexDefinition| {
            let mut included: Vec<String> = i.included.iter().map(|a| (*a).to_owned()).collect();
            included.sort();
            IndexShape {
                name: i.name.into(),
                partition_key: i.partition_key.into(),
                sort_key: Some(i.sort_key.into()),
                projection: if included.is_empty() { Projection::KeysOnly } else { Projection::Include(included) },
            }
        };
        Self {
            name: name.to_owned(),
            partition_key: d.partition_key.into(),
            sort_key: Some(d.sort_key.into()),
            attributes: d.key_attributes().into_iter().map(|a| (a.to_owned(), "S".to_owned())).collect(),
            indexes: d.indexes.iter().map(index).collect(),
            ttl_attribute: Some(TTL.into()),
            kms_key: kms_key.map(str::to_owned),
        }
    }
}

/// The table as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableObserved {
    /// `ACTIVE`, `CREATING`, …
    pub status: String,
    /// Partition and sort key's attribute.
    pub keys: (String, Option<String>),
    /// Secondary indexes.
    pub indexes: Vec<IndexShape>,
    /// Indexes that are not `ACTIVE` yet.
    pub indexes_under_way: Vec<String>,
    /// Deletion protection.
    pub protected: bool,
    /// Point-in-time recovery.
    pub recovery: bool,
    /// Attribute of the time to live, where that is on.
    pub ttl_attribute: Option<String>,
}

/// Steps that mend the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TableStep {
    Create(TableDesired),
    AddIndex(TableDesired, String),
    Protect(String),
    Recovery(String),
    Ttl(String, String),
}

/// Reads the table; none where there is none.
pub(crate) async fn observe_table(db: &Client, name: &str) -> Result<Option<TableObserved>, ProvisionError> {
    let action = format!("reading the table {name}");
    let table = match db.describe_table().table_name(name).send().await {
        Ok(answer) => answer.table,
        Err(e) if code(&e) == Some("ResourceNotFoundException") => return Ok(None),
        Err(e) => return Err(fault(&action, "dynamodb:DescribeTable", &e)),
    };
    let Some(table) = table else { return Ok(None) };
    let recovery = db.describe_continuous_backups().table_name(name).send().await;
    let recovery = recovery.map_err(|e| fault(&action, "dynamodb:DescribeContinuousBackups", &e))?;
    let recovery = recovery
        .continuous_backups_description
        .and_then(|d| d.point_in_time_recovery_description)
        .and_then(|d| d.point_in_time_recovery_status);
    let ttl = db.describe_time_to_live().table_name(name).send().await;
    let ttl = ttl.map_err(|e| fault(&action, "dynamodb:DescribeTimeToLive", &e))?.time_to_live_description;
    let on = |s: &TimeToLiveStatus| matches!(s, TimeToLiveStatus::Enabled | TimeToLiveStatus::Enabling);
    let gsis = table.global_secondary_indexes();
    let under_way = gsis.iter().filter(|g| g.index_status.as_ref().is_some_and(|s| s.as_str() != "ACTIVE"));
    Ok(Some(TableObserved {
        status: table.table_status.as_ref().map(|s| s.as_str().to_owned()).unwrap_or_default(),
        keys: keys_of(table.key_schema()),
        indexes_under_way: under_way.filter_map(|g| g.index_name.clone()).collect(),
        indexes: gsis
            .iter()
            .map(|g| {
                let (partition_key, sort_key) = keys_of(g.key_schema());
                let name = g.index_name.clone().unwrap_or_default();
                IndexShape { name, partition_key, sort_key, projection: projection_of(g.projection.as_ref()) }
            })
            .collect(),
        protected: table.deletion_protection_enabled == Some(true),
        recovery: recovery == Some(PointInTimeRecoveryStatus::Enabled),
        ttl_attribute: ttl.filter(|t| t.time_to_live_status.as_ref().is_some_and(on)).and_then(|t| t.attribute_name),
    }))
}

fn keys_of(schema: &[aws_sdk_dynamodb::types::KeySchemaElement]) -> (String, Option<String>) {
    let name =
        |t: aws_sdk_dynamodb::types::KeyType| schema.iter().find(|k| k.key_type == t).map(|k| k.attribute_name.clone());
    (name(aws_sdk_dynamodb::types::KeyType::Hash).unwrap_or_default(), name(aws_sdk_dynamodb::types::KeyType::Range))
}

fn projection_of(p: Option<&aws_sdk_dynamodb::types::Projection>) -> Projection {
    use aws_sdk_dynamodb::types::ProjectionType;
    match p.and_then(|p| p.projection_type.as_ref()) {
        Some(ProjectionType::KeysOnly) => Projection::KeysOnly,
        Some(ProjectionType::Include) => {
            let mut names = p.map(|p| p.non_key_attributes().to_vec()).unwrap_or_default();
            names.sort();
            Projection::Include(names)
        }
        _ => Projection::All,
    }
}

/// Sentences of the plan.
const MAKES: &str = "The table is made, billed by request, with its indexes and deletion protection.";
const RECOVERS: &str = "It can be put back to any second of the last 35 days.";
const LAPSES: &str = "What preflight leaves behind goes by itself; nothing else carries the attribute.";
const OTHER_KEYS: &str =
    "A table's keys cannot be changed. Name another table; the index is made anew from the manifests.";
const OTHER_INDEX: &str =
    "An index cannot be changed. Delete it by hand, then run this again: it is added and filled anew.";
const OTHER_TTL: &str = "DynamoDB changes the attribute only after time to live was off for an hour. Switch it off by hand, \
                         wait, run this again.";

fn keys_words(partition: &str, sort: Option<&str>) -> String {
    format!("keys {partition} / {}", sort.unwrap_or("none"))
}

/// What differs. A table's own keys cannot be changed; an index's neither, only a new one added.
pub(crate) fn differences(want: &TableDesired, is: Option<&TableObserved>, out: &mut Differences<'_, TableStep>) {
    let name = || want.name.clone();
    let shape = keys_words(&want.partition_key, want.sort_key.as_deref());
    let Some(is) = is else {
        out.missing("table", &shape, MAKES, TableStep::Create(want.clone()));
        out.missing("point_in_time_recovery", "on", RECOVERS, TableStep::Recovery(name()));
        if let Some(a) = &want.ttl_attribute {
            out.missing("ttl", a, LAPSES, TableStep::Ttl(name(), a.clone()));
        }
        return;
    };
    if is.keys != (want.partition_key.clone(), want.sort_key.clone()) {
        out.barred("table", &keys_words(&is.keys.0, is.keys.1.as_deref()), &shape, OTHER_KEYS);
        return;
    }
    indexes(want, is, out);
    if !is.protected {
        let words = "Nobody deletes the table by mistake.";
        out.drifted("deletion_protection", "off", "on", words, TableStep::Protect(name()));
    }
    if !is.recovery {
        out.drifted("point_in_time_recovery", "off", "on", RECOVERS, TableStep::Recovery(name()));
    }
    match (&want.ttl_attribute, &is.ttl_attribute) {
        (Some(want), Some(is)) if want != is => out.barred("ttl", is, want, OTHER_TTL),
        (Some(want), None) => out.drifted("ttl", "off", want, LAPSES, TableStep::Ttl(name(), want.clone())),
        _ => {}
    }
}

fn indexes(want: &TableDesired, is: &TableObserved, out: &mut Differences<'_, TableStep>) {
    let words = |i: &IndexShape| format!("{}, {}", i.name, keys_words(&i.partition_key, i.sort_key.as_deref()));
    for index in &want.indexes {
        match is.indexes.iter().find(|i| i.name == index.name) {
            None => {
                let step = TableStep::AddIndex(want.clone(), index.name.clone());
                out.missing("index", &index.name, "The secondary index is added and filled.", step);
            }
            Some(found) if found != index => out.barred("index", &words(found), &words(index), OTHER_INDEX),
            Some(_) => {}
        }
    }
}

fn build(action: &str, e: &impl std::fmt::Display) -> ProvisionError {
    ProvisionError::Invalid { what: "index.dynamodb.table".into(), detail: format!("{action}: {e}") }
}

/// Does one step; doing it again changes nothing.
pub(crate) async fn mend(db: &Client, step: &TableStep) -> Result<(), ProvisionError> {
    match step {
        TableStep::Create(t) => create(db, t).await,
        TableStep::AddIndex(t, index) => add_index(db, t, index).await,
        TableStep::Protect(name) => {
            let done = db.update_table().table_name(name).deletion_protection_enabled(true).send().await;
            done.map(drop).map_err(|e| fault(&format!("protecting the table {name}"), "dynamodb:UpdateTable", &e))?;
            active(db, name).await
        }
        TableStep::Recovery(name) => {
            let spec = aws_sdk_dynamodb::types::PointInTimeRecoverySpecification::builder()
                .point_in_time_recovery_enabled(true)
                .build()
                .map_err(|e| build("point-in-time recovery", &e))?;
            recoverable(db, name, &spec).await
        }
        TableStep::Ttl(name, attribute) => {
            let spec = aws_sdk_dynamodb::types::TimeToLiveSpecification::builder()
                .enabled(true)
                .attribute_name(attribute)
                .build()
                .map_err(|e| build("time to live", &e))?;
            let done = db.update_time_to_live().table_name(name).time_to_live_specification(spec).send().await;
            done.map(drop)
                .map_err(|e| fault(&format!("switching on time to live of {name}"), "dynamodb:UpdateTimeToLive", &e))
        }
    }
}

/// Switches recovery on. For minutes after a table was made DynamoDB refuses that, as it is still enabling backups: about four
/// minutes are waited, with ever longer pauses.
async fn recoverable(
    db: &Client,
    name: &str,
    spec: &aws_sdk_dynamodb::types::PointInTimeRecoverySpecification,
) -> Result<(), ProvisionError> {
    for attempt in 0..30_u64 {
        let call = db.update_continuous_backups().table_name(name);
        match call.point_in_time_recovery_specification(spec.clone()).send().await {
            Ok(_) => return Ok(()),
            Err(e) if code(&e) == Some("ContinuousBackupsUnavailableException") => {
                tokio::time::sleep(std::time::Duration::from_millis(((attempt + 1) * 500).min(15_000))).await;
            }
            Err(e) => {
                return Err(fault(&format!("switching on recovery of {name}"), "dynamodb:UpdateContinuousBackups", &e));
            }
        }
    }
    Err(ProvisionError::NotReady {
        what: format!("recovery of the table {name}"),
        state: "backups are being enabled".into(),
    })
}

fn keys(t: &str, s: Option<&str>) -> Result<Vec<aws_sdk_dynamodb::types::KeySchemaElement>, ProvisionError> {
    use aws_sdk_dynamodb::types::{KeySchemaElement, KeyType};
    let one = |name: &str, kind| KeySchemaElement::builder().attribute_name(name).key_type(kind).build();
    let all = [Some(one(t, KeyType::Hash)), s.map(|s| one(s, KeyType::Range))];
    all.into_iter().flatten().collect::<Result<_, _>>().map_err(|e| build("keys", &e))
}

fn projection(p: &Projection) -> aws_sdk_dynamodb::types::Projection {
    use aws_sdk_dynamodb::types::{Projection as P, ProjectionType};
    match p {
        Projection::All => P::builder().projection_type(ProjectionType::All),
        Projection::KeysOnly => P::builder().projection_type(ProjectionType::KeysOnly),
        Projection::Include(names) => {
            P::builder().projection_type(ProjectionType::Include).set_non_key_attributes(Some(names.clone()))
        }
    }
    .build()
}

fn attributes(t: &TableDesired) -> Result<Vec<aws_sdk_dynamodb::types::AttributeDefinition>, ProvisionError> {
    let one = |(name, kind): &(String, String)| {
        aws_sdk_dynamodb::types::AttributeDefinition::builder()
            .attribute_name(name)
            .attribute_type(ScalarAttributeType::from(kind.as_str()))
            .build()
    };
    t.attributes.iter().map(one).collect::<Result<_, _>>().map_err(|e| build("attributes", &e))
}

async fn create(db: &Client, t: &TableDesired) -> Result<(), ProvisionError> {
    use aws_sdk_dynamodb::types::{BillingMode, GlobalSecondaryIndex, SseSpecification, SseType};
    let mut call = db
        .create_table()
        .table_name(&t.name)
        .billing_mode(BillingMode::PayPerRequest)
        .deletion_protection_enabled(true)
        .set_attribute_definitions(Some(attributes(t)?))
        .set_key_schema(Some(keys(&t.partition_key, t.sort_key.as_deref())?));
    for i in &t.indexes {
        let gsi = GlobalSecondaryIndex::builder()
            .index_name(&i.name)
            .set_key_schema(Some(keys(&i.partition_key, i.sort_key.as_deref())?))
            .projection(projection(&i.projection))
            .build()
            .map_err(|e| build("index", &e))?;
        call = call.global_secondary_indexes(gsi);
    }
    if let Some(key) = &t.kms_key {
        call = call.sse_specification(
            SseSpecification::builder().enabled(true).sse_type(SseType::Kms).kms_master_key_id(key).build(),
        );
    }
    match call.send().await {
        Ok(_) => {}
        // Made by an earlier try that died, or by another process just now.
        Err(e) if code(&e) == Some("ResourceInUseException") => {}
        Err(e) => return Err(fault(&format!("making the table {}", t.name), "dynamodb:CreateTable", &e)),
    }
    active(db, &t.name).await
}

async fn add_index(db: &Client, t: &TableDesired, index: &str) -> Result<(), ProvisionError> {
    use aws_sdk_dynamodb::types::{CreateGlobalSecondaryIndexAction, GlobalSecondaryIndexUpdate};
    let Some(i) = t.indexes.iter().find(|i| i.name == index) else { return Ok(()) };
    let create = CreateGlobalSecondaryIndexAction::builder()
        .index_name(&i.name)
        .set_key_schema(Some(keys(&i.partition_key, i.sort_key.as_deref())?))
        .projection(projection(&i.projection))
        .build()
        .map_err(|e| build("index", &e))?;
    let call = db
        .update_table()
        .table_name(&t.name)
        .set_attribute_definitions(Some(attributes(t)?))
        .global_secondary_index_updates(GlobalSecondaryIndexUpdate::builder().create(create).build());
    call.send()
        .await
        .map_err(|e| fault(&format!("adding the index {index} to {}", t.name), "dynamodb:UpdateTable", &e))?;
    active(db, &t.name).await
}

/// Waits until the table takes the next change: a minute at most, with ever longer pauses.
async fn active(db: &Client, name: &str) -> Result<(), ProvisionError> {
    let mut state = String::new();
    for attempt in 0..20_u32 {
        let answer = db.describe_table().table_name(name).send().await;
        let answer = answer.map_err(|e| fault(&format!("reading the table {name}"), "dynamodb:DescribeTable", &e))?;
        let status = answer.table.and_then(|t| t.table_status);
        if status == Some(TableStatus::Active) {
            return Ok(());
        }
        state = status.map(|s| s.as_str().to_owned()).unwrap_or_default();
        tokio::time::sleep(std::time::Duration::from_millis(u64::from((attempt + 1) * 300).min(5_000))).await;
    }
    Err(ProvisionError::NotReady { what: format!("the table {name}"), state })
}
