//! The index's table.

use super::{Session, Trouble};
use crate::aws::{TableDesired, TableObserved, code, fault, table::TTL, table::observe_table};
use aws_sdk_dynamodb::{Client, types::AttributeValue};
use holdfast_model::Clock;

/// Every check of the table.
pub(super) async fn all(s: &mut Session<'_>, db: &Client, want: &TableDesired, clock: &dyn Clock) {
    let name = want.name.as_str();
    let is = s.check("preflight.table", name, present(db, want)).await;
    let Some(is) = is else {
        for code in
            ["preflight.table_write", "preflight.table_index", "preflight.table_recovery", "preflight.table_protection"]
        {
            s.skip(code, name, "There is no table to try it on.");
        }
        return;
    };
    s.check("preflight.table_write", name, conditional(db, want, clock)).await;
    s.check("preflight.table_index", name, indexes(db, want, &is)).await;
    s.check("preflight.table_recovery", name, async {
        if is.recovery {
            return Ok(((), "On.".into()));
        }
        Err(Trouble::setting(
            "Point-in-time recovery is off.",
            "PointInTimeRecoveryEnabled",
            "Run `holdfast provision apply`.",
        ))
    })
    .await;
    s.check("preflight.table_protection", name, async {
        if is.protected {
            return Ok(((), "On.".into()));
        }
        Err(Trouble::setting(
            "Deletion protection is off.",
            "DeletionProtectionEnabled",
            "Run `holdfast provision apply`.",
        ))
    })
    .await;
}

async fn present(db: &Client, want: &TableDesired) -> Result<(TableObserved, String), Trouble> {
    let make = "Run `holdfast provision apply`, or name the right table in index.dynamodb.table.";
    let Some(is) = observe_table(db, &want.name).await? else {
        return Err(Trouble::setting(
            format!("There is no table {}.", want.name),
            format!("the table {}", want.name),
            make,
        ));
    };
    if is.keys != (want.partition_key.clone(), want.sort_key.clone()) {
        return Err(Trouble::setting("It has other keys than the index needs.", "its key schema", make));
    }
    if is.status != "ACTIVE" {
        let says = format!("It is {}.", is.status);
        return Err(Trouble::setting(says, "an ACTIVE table", "Wait a few minutes and run this again."));
    }
    Ok((is, "There, with the keys that the index needs.".into()))
}

/// A conditional write of an item that lapses by itself in a day, and the same again.
async fn conditional(db: &Client, want: &TableDesired, clock: &dyn Clock) -> Result<((), String), Trouble> {
    let id = format!("preflight#{}", uuid::Uuid::new_v4());
    let sort = want.sort_key.clone().unwrap_or_default();
    let lapses = clock.now().as_second() + 86_400;
    let put = || {
        let mut call = db
            .put_item()
            .table_name(&want.name)
            .item(&want.partition_key, AttributeValue::S(id.clone()))
            .item(TTL, AttributeValue::N(lapses.to_string()))
            .condition_expression("attribute_not_exists(#k)")
            .expression_attribute_names("#k", &want.partition_key);
        if !sort.is_empty() {
            call = call.item(&sort, AttributeValue::S("preflight".into()));
        }
        call.send()
    };
    put().await.map_err(|e| fault("writing to the table", "dynamodb:PutItem", &e))?;
    let second = put().await;
    let mut remove = db.delete_item().table_name(&want.name).key(&want.partition_key, AttributeValue::S(id.clone()));
    if !sort.is_empty() {
        remove = remove.key(&sort, AttributeValue::S("preflight".into()));
    }
    let removed = remove.send().await;
    match second {
        Err(e) if code(&e) == Some("ConditionalCheckFailedException") => {}
        Err(e) => return Err(fault("writing to the table again", "dynamodb:PutItem", &e).into()),
        Ok(_) => {
            return Err(Trouble::setting(
                "A second conditional write was taken.",
                "conditional writes",
                "Use DynamoDB itself, or an endpoint that honours conditions.",
            ));
        }
    }
    removed.map_err(|e| fault("taking preflight's item away", "dynamodb:DeleteItem", &e))?;
    Ok(((), "Written once, the second one refused, taken away again.".into()))
}

async fn indexes(db: &Client, want: &TableDesired, is: &TableObserved) -> Result<((), String), Trouble> {
    for index in &want.indexes {
        let Some(found) = is.indexes.iter().find(|i| i.name == index.name) else {
            let says = format!("The index {} is missing.", index.name);
            return Err(Trouble::setting(
                says,
                format!("GlobalSecondaryIndex {}", index.name),
                "Run `holdfast provision apply`.",
            ));
        };
        if found != index {
            let says = format!("The index {} has other keys or carries other attributes than needed.", index.name);
            return Err(Trouble::setting(
                says,
                format!("GlobalSecondaryIndex {}", index.name),
                "Run `holdfast provision plan`: it says what to do.",
            ));
        }
        if is.indexes_under_way.contains(&index.name) {
            let says = format!("The index {} is still being made.", index.name);
            return Err(Trouble::setting(says, "an ACTIVE index", "Wait until it is filled, and run this again."));
        }
        let asked = db
            .query()
            .table_name(&want.name)
            .index_name(&index.name)
            .key_condition_expression("#k = :none")
            .expression_attribute_names("#k", &index.partition_key)
            .expression_attribute_values(":none", AttributeValue::S("preflight#none".into()))
            .limit(1)
            .send()
            .await;
        asked.map_err(|e| fault(&format!("asking the index {}", index.name), "dynamodb:Query", &e))?;
    }
    Ok(((), format!("{} of {} there and asked.", want.indexes.len(), want.indexes.len())))
}
