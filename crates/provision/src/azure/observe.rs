use super::{Arm, AzureDesired};
use crate::{DefaultRetention, ProvisionError};
use holdfast_model::ImmutabilityMode;
use serde_json::Value;

/// One container as it is.
#[derive(Debug, Clone, PartialEq)]
pub struct ContainerObserved {
    /// `None`, `Blob`, `Container`.
    pub public_access: String,
    /// Whether versions can carry their own immutability.
    pub version_level: bool,
    /// Default policy with its entity tag.
    pub policy: Option<(DefaultRetention, String)>,
    /// Encryption scope, where not the account's own.
    pub scope: Option<String>,
}

/// Everything on Azure as it is; none where it is not there.
#[derive(Debug, Clone, PartialEq)]
pub struct AzureObserved {
    /// The account, as the provider says it.
    pub account: Option<Value>,
    /// The blob service, as the provider says it.
    pub service: Value,
    /// Whether the encryption scope is there and enabled; true where none is desired.
    pub scope: bool,
    /// By name.
    pub containers: Vec<(String, Option<ContainerObserved>)>,
    /// Lifecycle rules, also of others.
    pub rules: Vec<Value>,
}

pub(super) const CONTAINERS: &str = "Microsoft.Storage/storageAccounts/blobServices/containers";

/// Reads everything that is desired. Changes nothing.
///
/// # Errors
/// [`ProvisionError`]; [`ProvisionError::Denied`] names the right that reading needs.
pub async fn observe(arm: &Arm, desired: &AzureDesired) -> Result<AzureObserved, ProvisionError> {
    let account = arm.get("", "Microsoft.Storage/storageAccounts/read").await?.map(|r| r.body);
    if account.is_none() {
        let containers = desired.containers.iter().map(|c| (c.name.clone(), None)).collect();
        let scope = desired.scope.is_none();
        return Ok(AzureObserved { account, service: Value::Null, scope, containers, rules: Vec::new() });
    }
    let service = arm.get("/blobServices/default", "Microsoft.Storage/storageAccounts/blobServices/read").await?;
    let scope = match &desired.scope {
        None => true,
        Some(s) => {
            let right = "Microsoft.Storage/storageAccounts/encryptionScopes/read";
            let found = arm.get(&format!("/encryptionScopes/{}", s.name), right).await?;
            found.is_some_and(|r| {
                let p = &r.body["properties"];
                let key = s.key_uri.as_deref();
                p["state"] == "Enabled" && (key.is_none() || p["keyVaultProperties"]["keyUri"].as_str() == key)
            })
        }
    };
    let mut containers = Vec::new();
    for c in &desired.containers {
        containers.push((c.name.clone(), container(arm, &c.name).await?));
    }
    let right = "Microsoft.Storage/storageAccounts/managementPolicies/read";
    let policy = arm.get("/managementPolicies/default", right).await?.map(|r| r.body).unwrap_or_default();
    let rules = policy["properties"]["policy"]["rules"].as_array().cloned().unwrap_or_default();
    Ok(AzureObserved { account, service: service.map(|r| r.body).unwrap_or_default(), scope, containers, rules })
}

async fn container(arm: &Arm, name: &str) -> Result<Option<ContainerObserved>, ProvisionError> {
    let path = format!("/blobServices/default/containers/{name}");
    let Some(found) = arm.get(&path, &format!("{CONTAINERS}/read")).await? else { return Ok(None) };
    let p = &found.body["properties"];
    let right = format!("{CONTAINERS}/immutabilityPolicies/read");
    let policy = arm.get(&format!("{path}/immutabilityPolicies/default"), &right).await?;
    let policy = policy.and_then(|r| {
        let days = r.body["properties"]["immutabilityPeriodSinceCreationInDays"].as_u64().filter(|d| *d > 0)?;
        let mode = match r.body["properties"]["state"].as_str() {
            Some("Locked") => ImmutabilityMode::Compliance,
            _ => ImmutabilityMode::Governance,
        };
        Some((DefaultRetention { mode, days: u32::try_from(days).unwrap_or(u32::MAX) }, r.etag.unwrap_or_default()))
    });
    Ok(Some(ContainerObserved {
        public_access: p["publicAccess"].as_str().unwrap_or("None").to_owned(),
        version_level: p["immutableStorageWithVersioning"]["enabled"] == true,
        policy,
        scope: p["defaultEncryptionScope"].as_str().filter(|s| *s != "$account-encryption-key").map(str::to_owned),
    }))
}
