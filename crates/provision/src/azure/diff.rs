//! What differs between what is wanted and what is. Pure.

use super::{
    AzureDesired, AzureObserved, ContainerDesired, ContainerObserved, EncryptionScope,
    desired::{KEY_ROLE, OURS, knows_archive},
};
use crate::{
    DefaultRetention, MEDIA_PREFIX,
    plan::{Difference, Differences},
};
use holdfast_model::ImmutabilityMode;
use serde_json::{Value, json};

/// One thing that `apply` does.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Step {
    Account(Value),
    Harden(Value),
    Service(Value),
    /// With what must be granted for it first, in words.
    Scope {
        scope: EncryptionScope,
        grant: Option<String>,
    },
    Container(ContainerDesired),
    Private(String),
    Retention {
        container: String,
        days: u32,
        etag: Option<String>,
    },
    Extend {
        container: String,
        days: u32,
        etag: String,
    },
    Lock {
        container: String,
    },
    Rules(Vec<Value>),
}

/// Every difference, in the order in which it is to be mended.
pub(crate) fn differences(want: &AzureDesired, is: &AzureObserved) -> Vec<Difference<Step>> {
    let mut all = Vec::new();
    let mut out = Differences { place: "storage account".into(), all: &mut all };
    if !account(want, is, &mut out) {
        return all;
    }
    // A container's scope is set when it is made, so none is made before its scope can be.
    let scoped = scope(want, is, &mut out);
    for c in &want.containers {
        let found = is.containers.iter().find(|(name, _)| *name == c.name).and_then(|(_, c)| c.as_ref());
        if found.is_none() && !scoped {
            continue;
        }
        let mut out = Differences { place: format!("container {}", c.name), all: &mut all };
        container(c, found, &mut out);
    }
    let mut out = Differences { place: "storage account".into(), all: &mut all };
    lifecycle(want, &is.rules, &mut out);
    all
}

/// Whether the scope is there or can be made. With a key of Key Vault that takes the account's identity, and a right that somebody
/// gives it there.
fn scope(want: &AzureDesired, is: &AzureObserved, out: &mut Differences<'_, Step>) -> bool {
    let Some(scope) = want.scope.as_ref().filter(|_| !is.scope) else { return true };
    let made = Step::Scope { scope: scope.clone(), grant: None };
    if scope.key_uri.is_none() {
        out.missing("encryption_scope", &scope.name, "What is written is encrypted in this scope.", made);
        return true;
    }
    match is.account.as_ref().and_then(principal) {
        Some(principal) => {
            let grant =
                format!("grant \"{KEY_ROLE}\" on the key vault to the account's identity, principal {principal}");
            let words =
                format!("What is written is encrypted in this scope. Its key is the account's to read: first {grant}.");
            let step = Step::Scope { scope: scope.clone(), grant: Some(grant) };
            out.missing("encryption_scope", &scope.name, &words, step);
            true
        }
        None => {
            let why = format!(
                "The account has no identity yet that could read the key; apply gives it one. Then grant that identity \"{KEY_ROLE}\" on \
                 the key vault (the next plan names its principal) and run apply again, which makes the scope and the containers."
            );
            out.barred("encryption_scope", "", &scope.name, &why);
            false
        }
    }
}

/// The principal of the account's own identity.
fn principal(account: &Value) -> Option<&str> {
    account["identity"]["principalId"].as_str().filter(|p| !p.is_empty())
}

/// The account's own identity, beside those that somebody gave it.
fn identity(found: &Value) -> Value {
    let others = found["identity"]["userAssignedIdentities"].as_object().filter(|o| !o.is_empty());
    match others {
        None => json!({ "type": "SystemAssigned" }),
        Some(others) => {
            let kept: serde_json::Map<_, _> = others.keys().map(|id| (id.clone(), json!({}))).collect();
            json!({ "type": "SystemAssigned,UserAssigned", "userAssignedIdentities": kept })
        }
    }
}

fn hardened() -> Value {
    json!({ "minimumTlsVersion": "TLS1_2", "supportsHttpsTrafficOnly": true, "allowBlobPublicAccess": false })
}

/// Body of a new account.
pub(crate) fn new_account(want: &AzureDesired) -> Value {
    let mut properties = hardened();
    properties["accessTier"] = json!("Hot");
    let mut body = json!({ "kind": "StorageV2", "location": want.location, "sku": { "name": want.sku }, "properties": properties });
    if want.reads_a_key() {
        body["identity"] = identity(&Value::Null);
    }
    body
}

/// Whether the account can be an archive at all.
fn account(want: &AzureDesired, is: &AzureObserved, out: &mut Differences<'_, Step>) -> bool {
    match &is.account {
        None => {
            let location =
                if want.location.is_empty() { "(provision.azure.location is empty)" } else { &want.location };
            let wanted = format!("{} in {location}", want.sku);
            out.missing(
                "account",
                &wanted,
                "The account is made: TLS 1.2, nothing public.",
                Step::Account(new_account(want)),
            );
        }
        Some(found) => {
            let p = &found["properties"];
            if p["isHnsEnabled"] == true {
                let why = "An account with a hierarchical namespace (Data Lake) keeps no versions, so nothing in it can be immutable by \
                           version, and the namespace cannot be switched off. Name another account.";
                out.barred("hierarchical_namespace", "on", "off", why);
                return false;
            }
            let sku = found["sku"]["name"].as_str().unwrap_or_default();
            if want.archives && !sku.is_empty() && !knows_archive(sku) {
                let why = "Under this redundancy there is no Archive tier, so recordings would stay online for good. Have the account converted to \
                           GRS, RA-GRS or LRS, name another account, or set provision.lifecycle.cold_after_days to 0.";
                out.barred("sku", sku, "Standard_GRS, Standard_RAGRS or Standard_LRS", why);
                return false;
            }
            if want.reads_a_key() && principal(found).is_none() {
                let words = "The account gets an identity of its own, as which it reads the key.";
                let step = Step::Harden(json!({ "identity": identity(found) }));
                out.missing("identity", "SystemAssigned", words, step);
            }
            let lacks: Vec<&str> = [
                ("minimumTlsVersion", !matches!(p["minimumTlsVersion"].as_str(), Some("TLS1_2" | "TLS1_3"))),
                ("supportsHttpsTrafficOnly", p["supportsHttpsTrafficOnly"] != true),
                // Absent means that containers may be made public.
                ("allowBlobPublicAccess", p["allowBlobPublicAccess"] != false),
            ]
            .into_iter()
            .filter_map(|(name, lacks)| lacks.then_some(name))
            .collect();
            if !lacks.is_empty() {
                let found: Vec<String> = lacks.iter().map(|n| format!("{n} = {}", p[*n])).collect();
                let step = Step::Harden(json!({ "properties": hardened() }));
                out.drifted(
                    "account",
                    &found.join(", "),
                    "TLS 1.2, HTTPS only, nothing public",
                    "Access without TLS 1.2 ends, and nothing can be made public.",
                    step,
                );
            }
        }
    }
    if is.service["properties"]["isVersioningEnabled"] != true {
        let mut properties = is.service["properties"].as_object().cloned().unwrap_or_default();
        properties.insert("isVersioningEnabled".into(), json!(true));
        let found = if is.service.is_null() { "" } else { "off" };
        let step = Step::Service(json!({ "properties": properties }));
        out.drifted("versioning", found, "on", "Every change of a blob keeps the version before it.", step);
    }
    true
}

fn words(r: &DefaultRetention) -> String {
    let mode = match r.mode {
        ImmutabilityMode::Governance => "unlocked",
        ImmutabilityMode::Compliance => "locked",
    };
    format!("{} days, {mode}", r.days)
}

fn container(want: &ContainerDesired, is: Option<&ContainerObserved>, out: &mut Differences<'_, Step>) {
    match is {
        None => {
            let wanted = if want.retention.is_some() { "private, immutable by version" } else { "private" };
            out.missing("container", wanted, "The container is made.", Step::Container(want.clone()));
        }
        Some(is) => {
            if is.public_access != "None" {
                let words = "Nobody reads it without an account.";
                out.drifted("public_access", &is.public_access, "None", words, Step::Private(want.name.clone()));
            }
            if want.scope.is_some() && is.scope != want.scope {
                let found = is.scope.as_deref().unwrap_or("the account's own key");
                let why = "A container's encryption scope is set when it is made. What Holdfast writes names the scope all the same; for the \
                           container to enforce it, name a new one.";
                out.barred("encryption_scope", found, want.scope.as_deref().unwrap_or_default(), why);
            }
            match (&want.retention, is.version_level) {
                (Some(_), false) => {
                    let why = "The container exists without version-level immutability, which is switched on when one is made. Name a new \
                               container, or migrate this one by hand (az storage container-rm migrate-vlw), which takes a policy of \
                               its own first.";
                    out.barred("immutability", "off", "by version", why);
                    return;
                }
                (None, true) => {
                    let why = "Rehydrated copies in a container with immutability may not be deleted for as long as its default says. Name another \
                               container in archive.azure.";
                    out.barred("immutability", "by version", "off", why);
                }
                _ => {}
            }
        }
    }
    if let Some(retention) = &want.retention {
        policy(&want.name, retention, is.and_then(|c| c.policy.as_ref()), out);
    }
}

/// The container's default: lengthened or locked, never shortened or unlocked.
fn policy(
    container: &str,
    want: &DefaultRetention,
    is: Option<&(DefaultRetention, String)>,
    out: &mut Differences<'_, Step>,
) {
    let container = container.to_owned();
    let lock_words =
        "The policy is locked. That cannot be undone by anyone, Microsoft included; it can be lengthened five times.";
    match is {
        None => {
            let step = Step::Retention { container: container.clone(), days: want.days, etag: None };
            let unlocked = DefaultRetention { mode: ImmutabilityMode::Governance, days: want.days };
            out.missing(
                "default_retention",
                &words(&unlocked),
                "What comes without a policy of its own gets this one.",
                step,
            );
            if want.mode == ImmutabilityMode::Compliance {
                out.missing("retention_lock", &words(want), lock_words, Step::Lock { container });
            }
        }
        Some((found, etag)) => {
            if found.days < want.days {
                let step = match found.mode {
                    ImmutabilityMode::Governance => {
                        Step::Retention { container: container.clone(), days: want.days, etag: Some(etag.clone()) }
                    }
                    ImmutabilityMode::Compliance => {
                        Step::Extend { container: container.clone(), days: want.days, etag: etag.clone() }
                    }
                };
                out.drifted("default_retention", &words(found), &words(want), "The period is lengthened.", step);
            }
            if found.mode < want.mode {
                out.drifted("retention_lock", "unlocked", "locked", lock_words, Step::Lock { container });
            }
            if found.days > want.days || found.mode > want.mode {
                out.remark(
                    "default_retention",
                    &words(found),
                    &words(want),
                    "It stands firmer than asked and stays so.",
                );
            }
        }
    }
}

/// Without what the provider adds of its own, sorted.
fn normal(value: &Value) -> Value {
    match value {
        Value::Array(items) => {
            let mut items: Vec<Value> = items.iter().map(normal).collect();
            items.sort_by_key(Value::to_string);
            Value::Array(items)
        }
        Value::Object(map) => {
            let kept = map.iter().filter(|(_, v)| !v.is_null() && **v != json!(-1.0));
            Value::Object(kept.map(|(k, v)| (k.clone(), normal(v))).collect())
        }
        // The provider answers days as 30.0.
        Value::Number(n) => n.as_f64().map_or_else(|| value.clone(), |f| json!(f)),
        other => other.clone(),
    }
}

fn name(rule: &Value) -> &str {
    rule["name"].as_str().unwrap_or_default()
}

fn lifecycle(want: &AzureDesired, is: &[Value], out: &mut Differences<'_, Step>) {
    let (ours, others): (Vec<&Value>, Vec<&Value>) = is.iter().partition(|r| name(r).starts_with(OURS));
    let same = ours.len() == want.rules.len() && want.rules.iter().all(|w| ours.iter().any(|o| normal(o) == normal(w)));
    if !same {
        let all: Vec<Value> = others.iter().map(|r| (*r).clone()).chain(want.rules.iter().cloned()).collect();
        let list = |rules: &mut dyn Iterator<Item = &Value>| rules.map(name).collect::<Vec<_>>().join(", ");
        let (found, wanted) = (list(&mut ours.into_iter()), list(&mut want.rules.iter()));
        out.drifted(
            "lifecycle",
            &found,
            &wanted,
            "Recordings move, nothing else does; rules of others stay.",
            Step::Rules(all),
        );
    }
    for rule in others {
        if let Some(why) = hole(want, rule) {
            out.barred("lifecycle", name(rule), "no such rule", why);
        }
    }
}

/// Why a rule of others works against the archive.
fn hole(want: &AzureDesired, rule: &Value) -> Option<&'static str> {
    if rule["enabled"] == false {
        return None;
    }
    let prefixes: Vec<&str> = rule["definition"]["filters"]["prefixMatch"]
        .as_array()
        .map(|a| a.iter().filter_map(Value::as_str).collect())
        .unwrap_or_default();
    let touches = |at: &str| prefixes.is_empty() || prefixes.iter().any(|p| p.starts_with(at) || at.starts_with(p));
    let actions = rule["definition"]["actions"].as_object()?;
    let has = |action: &str| actions.values().any(|kind| kind.get(action).is_some());
    let recordings = format!("{}/{MEDIA_PREFIX}", want.media);
    let metadata = want.evidence.iter().any(|c| {
        if *c == want.media && !want.shared {
            return false;
        }
        // In a shared container only what lies beside the recordings is metadata.
        let only_recordings = !prefixes.is_empty() && prefixes.iter().all(|p| p.starts_with(&recordings));
        touches(&format!("{c}/")) && !only_recordings
    });
    if has("tierToArchive") && metadata {
        return Some(
            "This rule, which is not Holdfast's, moves manifests and the ledger to the archive tier, from which they cannot be read \
             for hours. Take it away or narrow it to recordings.",
        );
    }
    let evidence = metadata || touches(&recordings);
    (has("delete") && evidence).then_some(
        "This rule, which is not Holdfast's, deletes recordings or manifests as soon as their policy ends, whether a matter still needs \
         them or not. Take it away or narrow it to other prefixes.",
    )
}
