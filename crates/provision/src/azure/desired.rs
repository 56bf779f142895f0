use crate::{DefaultRetention, Lifecycle, MEDIA_PREFIX, PREFLIGHT_PREFIX, Principals, ProvisionError};
use holdfast_store::Buckets;
use serde_json::{Value, json};

/// Names of our own lifecycle rules start so; others are never touched.
pub(crate) const OURS: &str = "holdfast";

/// Where rehydrated copies lie, where rehydration is by copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copies {
    /// A container of their own, without immutability, or they would stay for years.
    pub container: String,
    /// What their names start with.
    pub prefix: String,
}

/// What encrypts what is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncryptionScope {
    /// Its name.
    pub name: String,
    /// Address of the key in Key Vault; Microsoft's own key where none. The account reads it as its own (system-assigned) identity.
    pub key_uri: Option<String>,
}

/// The role that the account's identity needs where the key is.
pub(crate) const KEY_ROLE: &str = "Key Vault Crypto Service Encryption User";

/// What a configuration says about the cloud side on Azure.
#[derive(Debug, Clone, PartialEq)]
pub struct AzureSettings {
    /// The storage account's name.
    pub account: String,
    /// Its region; only used where it is made. Where empty, templates take the resource group's and `apply` makes no account.
    pub location: String,
    /// Its redundancy, e.g. `Standard_GRS`; only used where it is made. Archive exists on `Standard_LRS`, `Standard_GRS` and
    /// `Standard_RAGRS` alone.
    pub sku: String,
    /// Containers; they may be one and the same.
    pub containers: Buckets,
    /// Rehydration by copy.
    pub copies: Option<Copies>,
    /// Encryption scope of the containers. Excludes the Archive tier.
    pub encryption_scope: Option<EncryptionScope>,
    /// What containers put on blobs without a policy of their own. COMPLIANCE locks the policy, which cannot be undone.
    pub retention: DefaultRetention,
    /// When recordings move.
    pub lifecycle: Lifecycle,
    /// Who may take each role, as object ids.
    pub principals: Principals,
}

/// One container as it must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerDesired {
    /// Name.
    pub name: String,
    /// Version-level immutability with this default; none for rehydrated copies.
    pub retention: Option<DefaultRetention>,
    /// Encryption scope that nobody may override.
    pub scope: Option<String>,
}

/// Everything on Azure as it must be.
#[derive(Debug, Clone, PartialEq)]
pub struct AzureDesired {
    /// The account's name.
    pub account: String,
    /// The region of a new account.
    pub location: String,
    /// Redundancy of a new account.
    pub sku: String,
    /// Encryption scope.
    pub scope: Option<EncryptionScope>,
    /// Each container once.
    pub containers: Vec<ContainerDesired>,
    /// Our lifecycle rules, in the provider's form.
    pub rules: Vec<Value>,
    /// Whether recordings go to the Archive tier.
    pub(crate) archives: bool,
    /// Containers that hold evidence, for judging rules of others.
    pub(crate) evidence: Vec<String>,
    /// The container of recordings.
    pub(crate) media: String,
    /// Whether that holds metadata too.
    pub(crate) shared: bool,
}

impl AzureDesired {
    /// Whether the account reads a key of Key Vault, for which it needs an identity of its own.
    pub(crate) fn reads_a_key(&self) -> bool {
        self.scope.as_ref().is_some_and(|s| s.key_uri.is_some())
    }
}

fn invalid(what: &str, detail: impl Into<String>) -> ProvisionError {
    ProvisionError::Invalid { what: what.into(), detail: detail.into() }
}

/// Redundancies under which there is an Archive tier. <https://learn.microsoft.com/azure/storage/blobs/access-tiers-overview>
pub(crate) fn knows_archive(sku: &str) -> bool {
    ["Standard_LRS", "Standard_GRS", "Standard_RAGRS"].contains(&sku)
}

fn check(s: &AzureSettings) -> Result<(), ProvisionError> {
    let account =
        (3..=24).contains(&s.account.len()) && s.account.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    if !account {
        return Err(invalid(
            "archive.azure.account",
            format!("`{}` is no account name: 3 to 24 of a-z and 0-9", s.account),
        ));
    }
    let copies = s.copies.as_ref().map(|c| &c.container);
    let c = &s.containers;
    for name in [&c.media, &c.meta, &c.quarantine].into_iter().chain(copies) {
        let fits = (3..=63).contains(&name.len())
            && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            && !name.starts_with('-')
            && !name.ends_with('-')
            && !name.contains("--");
        if !fits {
            return Err(invalid(
                "archive.azure",
                format!("`{name}` is no container name: 3 to 63 of a-z, 0-9 and single `-`"),
            ));
        }
    }
    if copies.is_some_and(|n| [&c.media, &c.meta, &c.quarantine].contains(&n)) {
        let detail = "rehydrated copies need a container of their own: in the archive's they would be kept for years";
        return Err(invalid("archive.azure.rehydrate", detail));
    }
    if s.retention.days == 0 || s.retention.days > 146_000 {
        return Err(invalid("provision.retention.days", "between 1 and 146000"));
    }
    let l = &s.lifecycle;
    if l.cool_class.as_deref().is_some_and(|c| !["Cool", "Cold"].contains(&c)) {
        return Err(invalid("provision.lifecycle.cool_class", "Cool or Cold"));
    }
    if l.cold_class.as_deref().is_some_and(|c| c != "Archive") {
        return Err(invalid("provision.lifecycle.cold_class", "Archive"));
    }
    if let (Some(cool), Some(cold)) = (l.cool_after_days, l.cold_after_days)
        && cold <= cool
    {
        return Err(invalid("provision.lifecycle.cold_after_days", "must be later than cool_after_days"));
    }
    if l.cold_after_days.is_some() {
        if !knows_archive(&s.sku) {
            let detail = format!(
                "under {} there is no Archive tier: take Standard_GRS, Standard_RAGRS or Standard_LRS, or set \
                 provision.lifecycle.cold_after_days to 0",
                s.sku
            );
            return Err(invalid("provision.azure.sku", detail));
        }
        // https://learn.microsoft.com/azure/storage/blobs/encryption-scope-overview
        if s.encryption_scope.is_some() {
            let detail = "Azure moves no blob with an encryption scope to the Archive tier: set provision.lifecycle.cold_after_days to 0, or \
                          leave the scope out and give the storage account a key of its own";
            return Err(invalid("archive.azure.encryption_scope", detail));
        }
    }
    Ok(())
}

/// What must be, from what is configured. Pure.
///
/// # Errors
/// [`ProvisionError::Invalid`] for a setting that no cloud would take, or that would leave evidence unprotected.
pub fn desired(s: &AzureSettings) -> Result<AzureDesired, ProvisionError> {
    check(s)?;
    let scope = s.encryption_scope.as_ref().map(|e| e.name.clone());
    let mut evidence = vec![s.containers.media.clone(), s.containers.meta.clone(), s.containers.quarantine.clone()];
    evidence.sort();
    evidence.dedup();
    let mut containers: Vec<_> = evidence
        .iter()
        .map(|name| ContainerDesired { name: name.clone(), retention: Some(s.retention), scope: scope.clone() })
        .collect();
    let copies =
        s.copies.iter().map(|c| ContainerDesired { name: c.container.clone(), retention: None, scope: scope.clone() });
    containers.extend(copies);
    Ok(AzureDesired {
        account: s.account.clone(),
        archives: s.lifecycle.cold_after_days.is_some(),
        location: s.location.clone(),
        sku: s.sku.clone(),
        scope: s.encryption_scope.clone(),
        containers,
        rules: rules(s, &evidence),
        media: s.containers.media.clone(),
        shared: s.containers.media == s.containers.meta,
        evidence,
    })
}

/// Only recordings move; nothing but preflight's own blobs and rehydrated copies is ever deleted.
fn rules(s: &AzureSettings, evidence: &[String]) -> Vec<Value> {
    let l = &s.lifecycle;
    let rule = |name: &str, prefixes: Vec<String>, actions: Value| {
        json!({
            "enabled": true,
            "name": format!("{OURS}{name}"),
            "type": "Lifecycle",
            "definition": { "filters": { "blobTypes": ["blockBlob"], "prefixMatch": prefixes }, "actions": actions },
        })
    };
    let mut base = serde_json::Map::new();
    let mut version = serde_json::Map::new();
    if let Some(n) = l.cool_after_days {
        let action = if l.cool_class.as_deref() == Some("Cold") { "tierToCold" } else { "tierToCool" };
        base.insert(action.into(), json!({ "daysAfterModificationGreaterThan": n }));
    }
    if let Some(n) = l.cold_after_days {
        // A tier change leaves the modification time as it was: without the second condition the rule would archive again what
        // was just brought back, before anyone fetched it.
        let again = l.rehydrated_copies_days.max(7);
        base.insert(
            "tierToArchive".into(),
            json!({ "daysAfterModificationGreaterThan": n, "daysAfterLastTierChangeGreaterThan": again }),
        );
        version.insert(
            "tierToArchive".into(),
            json!({ "daysAfterCreationGreaterThan": l.noncurrent_after_days,
            "daysAfterLastTierChangeGreaterThan": again }),
        );
    }
    let mut out = Vec::new();
    if !base.is_empty() {
        let mut actions = json!({ "baseBlob": base });
        if !version.is_empty() {
            actions["version"] = Value::Object(version);
        }
        out.push(rule("Recordings", vec![format!("{}/{MEDIA_PREFIX}", s.containers.media)], actions));
    }
    let gone = |days: u32| {
        json!({
            "baseBlob": { "delete": { "daysAfterCreationGreaterThan": days } },
            "version": { "delete": { "daysAfterCreationGreaterThan": days } },
        })
    };
    out.push(rule("Preflight", evidence.iter().map(|c| format!("{c}/{PREFLIGHT_PREFIX}")).collect(), gone(1)));
    if let Some(c) = &s.copies {
        out.push(rule("Copies", vec![format!("{}/{}", c.container, c.prefix)], gone(l.rehydrated_copies_days)));
    }
    out
}
