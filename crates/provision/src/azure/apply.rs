//! Making it so. Every step can be repeated; a process that dies between two of them leaves what the next run goes on with.

use super::{
    Arm, AzureDesired, ContainerDesired, EncryptionScope,
    diff::{Step, differences},
    observe,
    observe::CONTAINERS,
};
use crate::{
    Applied, Plan, ProvisionError,
    plan::{mend_each, plan_of},
};
use holdfast_model::{Cancel, ProgressSink};
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
    let is = observe(arm, desired).await?;
    if is.account.is_none() && desired.location.is_empty() {
        let detail = format!("it is empty, and the storage account {} is to be made: name its region", desired.account);
        return Err(ProvisionError::Invalid { what: "provision.azure.location".into(), detail });
    }
    let todo = differences(desired, &is);
    let done = mend_each(todo, sink, cancel, |step| async move { mend(arm, &step).await }).await?;
    let left = plan_of(&differences(desired, &observe(arm, desired).await?));
    Ok(Applied { done, left })
}

const ACCOUNT: &str = "Microsoft.Storage/storageAccounts/write";

fn container_path(name: &str) -> String {
    format!("/blobServices/default/containers/{name}")
}

/// Body of a new encryption scope.
pub(crate) fn new_scope(scope: &EncryptionScope) -> Value {
    let properties = match &scope.key_uri {
        Some(uri) => {
            json!({ "source": "Microsoft.KeyVault", "state": "Enabled", "keyVaultProperties": { "keyUri": uri } })
        }
        None => json!({ "source": "Microsoft.Storage", "state": "Enabled" }),
    };
    json!({ "properties": properties })
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
        Step::Scope { scope, grant } => {
            let right = "Microsoft.Storage/storageAccounts/encryptionScopes/write";
            let made = arm.put(&format!("/encryptionScopes/{}", scope.name), &new_scope(scope), None, right).await;
            made.map_err(|e| match (e, grant) {
                (ProvisionError::Refused { action, reason, detail }, Some(grant)) => {
                    ProvisionError::Refused { action, reason, detail: format!("{detail} (If not done yet: {grant}.)") }
                }
                (e, _) => e,
            })
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
