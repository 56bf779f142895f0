//! Making it so. Every step can be repeated; a process that dies between two of them leaves what the next run goes on with.

use super::{
    Arm, AzureDesired, ContainerDesired,
    diff::{Step, differences},
    observe,
    observe::CONTAINERS,
};
use crate::{Applied, Plan, ProvisionError, plan::plan_of};
use holdfast_model::{Cancel, Progress, ProgressSink};
use serde_json::{Value, json};
use std::time::Duration;

/// What differs now. Changes nothing.
///
/// # Errors
/// [`ProvisionError`]; [`ProvisionError::Denied`] names the right that reading needs.
pub async fn plan(arm: &Arm, desired: &AzureDesired) -> Result<Plan, ProvisionError> {
    Ok(plan_of(&differences(desired, &observe(arm, desired).await?)))
}

/// Mends what differs, and says what was done and what is left. Doing it again changes nothing. Stops between two steps where
/// `cancel` says so.
///
/// # Errors
/// [`ProvisionError`] of the step that did not work; those before it stay done.
pub async fn apply(
    arm: &Arm,
    desired: &AzureDesired,
    sink: &dyn ProgressSink,
    cancel: &Cancel,
) -> Result<Applied, ProvisionError> {
    let todo = differences(desired, &observe(arm, desired).await?);
    let steps: Vec<_> = todo.into_iter().filter_map(|d| Some((d.entry, d.step?))).collect();
    let total = steps.len() as u64;
    let mut done = Vec::new();
    for (n, (entry, step)) in steps.into_iter().enumerate() {
        if cancel.is_cancelled() {
            break;
        }
        let stage = format!("{}: {}", entry.place, entry.setting);
        sink.report(Progress { stage, done: n as u64, total: Some(total), unit: "steps" });
        holdfast_model::step("provision.step");
        mend(arm, &step).await?;
        tracing::info!(place = entry.place, setting = entry.setting, "provisioned");
        done.push(entry);
    }
    let left = plan_of(&differences(desired, &observe(arm, desired).await?));
    Ok(Applied { done, left })
}

const ACCOUNT: &str = "Microsoft.Storage/storageAccounts/write";

fn container_path(name: &str) -> String {
    format!("/blobServices/default/containers/{name}")
}

/// Body of a new container.
pub(crate) fn new_container(c: &ContainerDesired) -> Value {
    let mut properties = json!({ "publicAccess": "None" });
    if c.retention.is_some() {
        properties["immutableStorageWithVersioning"] = json!({ "enabled": true });
    }
    if let Some(scope) = &c.scope {
        properties["defaultEncryptionScope"] = json!(scope);
        properties["denyEncryptionScopeOverride"] = json!(true);
    }
    properties
}

async fn mend(arm: &Arm, step: &Step) -> Result<(), ProvisionError> {
    match step {
        Step::Account(body) => {
            arm.put("", body, None, ACCOUNT).await?;
            ready(arm).await
        }
        Step::Harden(body) => arm.patch("", body, ACCOUNT).await,
        Step::Service(body) => {
            arm.put("/blobServices/default", body, None, "Microsoft.Storage/storageAccounts/blobServices/write").await
        }
        Step::Scope(s) => {
            let mut properties = json!({ "source": "Microsoft.Storage", "state": "Enabled" });
            if let Some(uri) = &s.key_uri {
                properties["source"] = json!("Microsoft.KeyVault");
                properties["keyVaultProperties"] = json!({ "keyUri": uri });
            }
            let right = "Microsoft.Storage/storageAccounts/encryptionScopes/write";
            arm.put(&format!("/encryptionScopes/{}", s.name), &json!({ "properties": properties }), None, right).await
        }
        Step::Container(c) => {
            let body = json!({ "properties": new_container(c) });
            arm.put(&container_path(&c.name), &body, None, &format!("{CONTAINERS}/write")).await
        }
        Step::Private(name) => {
            let body = json!({ "properties": { "publicAccess": "None" } });
            arm.patch(&container_path(name), &body, &format!("{CONTAINERS}/write")).await
        }
        Step::Retention { container, days, etag } => {
            let path = format!("{}/immutabilityPolicies/default", container_path(container));
            let body = json!({ "properties": { "immutabilityPeriodSinceCreationInDays": days } });
            arm.put(&path, &body, etag.as_deref(), &format!("{CONTAINERS}/immutabilityPolicies/write")).await
        }
        Step::Extend { container, days, etag } => {
            let path = format!("{}/immutabilityPolicies/default/extend", container_path(container));
            let body = json!({ "properties": { "immutabilityPeriodSinceCreationInDays": days } });
            arm.post(&path, Some(&body), Some(etag), &format!("{CONTAINERS}/immutabilityPolicies/extend/action")).await
        }
        Step::Lock { container } => lock(arm, container).await,
        Step::Rules(rules) => {
            let body = json!({ "properties": { "policy": { "rules": rules } } });
            arm.put(
                "/managementPolicies/default",
                &body,
                None,
                "Microsoft.Storage/storageAccounts/managementPolicies/write",
            )
            .await
        }
    }
}

/// Locks the policy in the very state that is read now: the step before may have changed its tag.
async fn lock(arm: &Arm, container: &str) -> Result<(), ProvisionError> {
    let path = format!("{}/immutabilityPolicies/default", container_path(container));
    let found = arm.get(&path, &format!("{CONTAINERS}/immutabilityPolicies/read")).await?;
    let Some(found) = found else {
        return Err(ProvisionError::NotReady { what: format!("the policy of {container}"), state: "not there".into() });
    };
    if found.body["properties"]["state"] == "Locked" {
        return Ok(());
    }
    let right = format!("{CONTAINERS}/immutabilityPolicies/lock/action");
    arm.post(&format!("{path}/lock"), None, found.etag.as_deref(), &right).await
}

/// Waits until a new account takes the next change: two minutes at most, with ever longer pauses.
async fn ready(arm: &Arm) -> Result<(), ProvisionError> {
    let mut state = String::from("not there");
    for attempt in 0..20_u32 {
        if let Some(found) = arm.get("", "Microsoft.Storage/storageAccounts/read").await? {
            state = found.body["properties"]["provisioningState"].as_str().unwrap_or("Succeeded").to_owned();
            if state == "Succeeded" {
                return Ok(());
            }
        }
        tokio::time::sleep(Duration::from_millis(u64::from((attempt + 1) * 500).min(10_000))).await;
    }
    Err(ProvisionError::NotReady { what: "the storage account".into(), state })
}
