//! Against an in-process fake of Azure Resource Manager. It checks method, path, version and authorization of every call, and keeps
//! what the real one keeps: an immutability policy that is only lengthened, locked once and for all, and changed with its tag alone.

use async_trait::async_trait;
use azure_core::{
    credentials::{AccessToken, TokenCredential, TokenRequestOptions},
    http::{
        AsyncRawResponse, ClientOptions, HttpClient, Method, Request, StatusCode, Transport,
        headers::{AUTHORIZATION, HeaderName, Headers},
        request::Body,
    },
};
use holdfast_model::{Cancel, ImmutabilityMode, NoProgress};
use holdfast_provision::{
    Applied, DefaultRetention, Kind, Lifecycle, Plan,
    azure::{self, Arm, AzureSettings, Copies, EncryptionScope},
};
use holdfast_store::Buckets;
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

pub(crate) fn settings() -> AzureSettings {
    AzureSettings {
        account: "acmearchive".into(),
        location: "westeurope".into(),
        sku: "Standard_GRS".into(),
        containers: Buckets { media: "media".into(), meta: "meta".into(), quarantine: "aside".into() },
        copies: Some(Copies { container: "rehydrated".into(), prefix: "copies/".into() }),
        encryption_scope: None,
        retention: DefaultRetention::default(),
        lifecycle: Default::default(),
        principals: holdfast_provision::Principals {
            reader: vec!["11111111-2222-3333-4444-555555555555".into()],
            ..Default::default()
        },
    }
}

/// With an encryption scope, and so without the Archive tier.
pub(crate) fn scoped() -> AzureSettings {
    let key_uri = Some("https://acme.vault.azure.net/keys/archive".into());
    AzureSettings {
        encryption_scope: Some(EncryptionScope { name: "holdfast".into(), key_uri }),
        lifecycle: Lifecycle { cold_after_days: None, ..Lifecycle::default() },
        ..settings()
    }
}

const ROOT: &str = "/subscriptions/sub-1/resourceGroups/rg-1/providers/Microsoft.Storage/storageAccounts/acmearchive";

#[derive(Debug, Default)]
struct Fake {
    resources: Mutex<BTreeMap<String, Value>>,
    calls: Mutex<Vec<(String, String)>>,
    tags: Mutex<u32>,
    denied: Mutex<Option<String>>,
    /// Whether what is denied may not even be read.
    unread: Mutex<bool>,
    /// The only management actions that the caller has, where not all.
    actions: Mutex<Option<Vec<String>>>,
    /// Whether the account's identity may read the key.
    granted: Mutex<bool>,
}

impl Fake {
    fn refuse(status: StatusCode, code: &str) -> (StatusCode, Value) {
        (status, json!({ "error": { "code": code, "message": "as the provider says it" } }))
    }

    fn tag(&self) -> String {
        let mut n = self.tags.lock().unwrap();
        *n += 1;
        format!("\"tag-{n}\"")
    }

    fn answer(&self, method: &str, path: &str, tag: Option<&str>, body: Value) -> (StatusCode, Value) {
        let mut all = self.resources.lock().unwrap();
        if (method != "GET" || *self.unread.lock().unwrap())
            && self.denied.lock().unwrap().as_deref().is_some_and(|d| path.contains(d))
        {
            return Self::refuse(StatusCode::Forbidden, "AuthorizationFailed");
        }
        if self.actions.lock().unwrap().as_ref().is_some_and(|a| !a.contains(&action(method, path))) {
            return Self::refuse(StatusCode::Forbidden, "AuthorizationFailed");
        }
        let policy = path.ends_with("/immutabilityPolicies/default");
        match method {
            "GET" => match all.get(path) {
                Some(r) => (StatusCode::Ok, r.clone()),
                None if path.contains("managementPolicies") => {
                    Self::refuse(StatusCode::NotFound, "ManagementPolicyNotFound")
                }
                None if path.contains("/containers/") => Self::refuse(StatusCode::NotFound, "ContainerNotFound"),
                None => Self::refuse(StatusCode::NotFound, "ResourceNotFound"),
            },
            "PUT" | "PATCH" if policy => {
                let days = |v: &Value| v["properties"]["immutabilityPeriodSinceCreationInDays"].as_u64().unwrap_or(0);
                if let Some(old) = all.get(path) {
                    assert_eq!(tag, old["etag"].as_str(), "a policy is changed with its tag alone");
                    assert_ne!(old["properties"]["state"], "Locked", "a locked policy takes no PUT");
                    assert!(days(&body) >= days(old), "shortened");
                }
                let mut made = body;
                made["properties"]["state"] = json!("Unlocked");
                made["etag"] = json!(self.tag());
                all.insert(path.to_owned(), made.clone());
                (StatusCode::Ok, made)
            }
            "PUT" if body["properties"]["source"] == "Microsoft.KeyVault" && !*self.granted.lock().unwrap() => {
                Self::refuse(StatusCode::BadRequest, "KeyVaultAuthenticationFailure")
            }
            "PUT" | "PATCH" => {
                let made = all.entry(path.to_owned()).or_insert_with(|| json!({}));
                merge(made, &body, method == "PUT" && !path.ends_with("acmearchive"));
                if path == ROOT {
                    made["properties"]["provisioningState"] = json!("Succeeded");
                    if made["identity"]["type"].as_str().is_some_and(|t| t.starts_with("SystemAssigned")) {
                        made["identity"]["principalId"] = json!("principal-1");
                    }
                }
                // The provider answers days as floating-point numbers.
                if path.ends_with("managementPolicies/default") {
                    let text = made.to_string().replace("GreaterThan\":30", "GreaterThan\":30.0");
                    *made = serde_json::from_str(&text).unwrap();
                }
                (StatusCode::Ok, made.clone())
            }
            "POST" => {
                let (at, action) = path.rsplit_once('/').unwrap();
                let found = all.get_mut(at).expect("the policy");
                assert_eq!(tag, found["etag"].as_str());
                match action {
                    "lock" => found["properties"]["state"] = json!("Locked"),
                    "extend" => {
                        assert_eq!(found["properties"]["state"], "Locked");
                        found["properties"]["immutabilityPeriodSinceCreationInDays"] =
                            body["properties"]["immutabilityPeriodSinceCreationInDays"].clone();
                    }
                    other => panic!("{other}"),
                }
                found["etag"] = json!(self.tag());
                (StatusCode::Ok, found.clone())
            }
            other => panic!("{other} {path}"),
        }
    }
}

/// The action that a call takes, as the provider forms its name: the types along the path, and the verb.
fn action(method: &str, path: &str) -> String {
    let below: Vec<&str> = path[ROOT.len()..].split('/').skip(1).collect();
    let (types, verb) = match method {
        "GET" => (below.as_slice(), "read"),
        "POST" => (below.as_slice(), "action"),
        _ => (below.as_slice(), "write"),
    };
    let types =
        types.iter().step_by(2).fold("Microsoft.Storage/storageAccounts".to_owned(), |all, t| format!("{all}/{t}"));
    format!("{types}/{verb}")
}

fn merge(into: &mut Value, from: &Value, replace: bool) {
    match (into, from) {
        (Value::Object(a), Value::Object(b)) if !replace => {
            for (k, v) in b {
                merge(a.entry(k.clone()).or_insert(Value::Null), v, false);
            }
        }
        (a, b) => *a = b.clone(),
    }
}

#[async_trait]
impl HttpClient for Fake {
    async fn execute_request(&self, request: &Request) -> azure_core::Result<AsyncRawResponse> {
        let url = request.url();
        assert_eq!(url.host_str(), Some("management.azure.com"));
        assert_eq!(url.query(), Some("api-version=2023-05-01"), "{url}");
        let header = |n: &HeaderName| request.headers().get_optional_string(n);
        assert_eq!(header(&AUTHORIZATION).as_deref(), Some("Bearer a-token"));
        let path = url.path().to_owned();
        assert!(path.starts_with(ROOT), "{path}");
        let body = match request.body() {
            Body::Bytes(b) if !b.is_empty() => serde_json::from_slice(b).unwrap(),
            _ => Value::Null,
        };
        let method = match request.method() {
            Method::Get => "GET",
            Method::Put => "PUT",
            Method::Patch => "PATCH",
            Method::Post => "POST",
            other => panic!("{other}"),
        };
        self.calls.lock().unwrap().push((method.to_owned(), path[ROOT.len()..].to_owned()));
        let tag = header(&HeaderName::from_static("if-match"));
        let (status, answer) = self.answer(method, &path, tag.as_deref(), body);
        Ok(AsyncRawResponse::from_bytes(status, Headers::new(), answer.to_string().into_bytes()))
    }
}

#[derive(Debug)]
struct Token;

#[async_trait]
impl TokenCredential for Token {
    async fn get_token(&self, scopes: &[&str], _: Option<TokenRequestOptions<'_>>) -> azure_core::Result<AccessToken> {
        assert_eq!(scopes, ["https://management.azure.com/.default"]);
        Ok(AccessToken::new(
            "a-token",
            azure_core::time::OffsetDateTime::now_utc() + azure_core::time::Duration::hours(1),
        ))
    }
}

pub(crate) struct World {
    fake: Arc<Fake>,
    pub(crate) arm: Arm,
    pub(crate) settings: AzureSettings,
}

impl World {
    pub(crate) fn new() -> Self {
        let fake = Arc::new(Fake::default());
        let options = ClientOptions { transport: Some(Transport::new(fake.clone())), ..ClientOptions::default() };
        let arm = Arm::new("https://management.azure.com/", "sub-1", "rg-1", "acmearchive", Arc::new(Token), options)
            .unwrap();
        Self { fake, arm, settings: settings() }
    }

    async fn plan(&self) -> Plan {
        azure::plan(&self.arm, &azure::desired(&self.settings).unwrap()).await.unwrap()
    }

    pub(crate) async fn apply(&self) -> Applied {
        let desired = azure::desired(&self.settings).unwrap();
        azure::apply(&self.arm, &desired, &NoProgress, &Cancel::default()).await.unwrap()
    }

    /// With the scope's key granted from the start.
    async fn scoped() -> Self {
        let world = Self { settings: scoped(), ..Self::new() };
        *world.fake.granted.lock().unwrap() = true;
        world.apply().await;
        assert!(world.apply().await.left.entries.is_empty());
        world
    }

    /// Takes the right to look at what lies under a path.
    pub(crate) fn blind(&self, path: &str) {
        *self.fake.denied.lock().unwrap() = Some(path.to_owned());
        *self.fake.unread.lock().unwrap() = true;
    }

    /// From now on the caller has these management actions alone.
    pub(crate) fn may(&self, actions: &[String]) {
        *self.fake.actions.lock().unwrap() = Some(actions.to_vec());
    }

    pub(crate) fn set(&self, path: &str, change: impl FnOnce(&mut Value)) {
        change(self.fake.resources.lock().unwrap().get_mut(&format!("{ROOT}{path}")).expect("there"));
    }

    fn writes(&self) -> Vec<String> {
        let calls = self.fake.calls.lock().unwrap();
        calls.iter().filter(|(m, _)| m != "GET").map(|(m, p)| format!("{m} {p}")).collect()
    }

    fn told(&self, plan: &Plan) -> Vec<String> {
        plan.entries.iter().map(|e| format!("{} {} {:?}", e.place, e.setting, e.kind)).collect()
    }
}

#[tokio::test]
async fn from_nothing_to_all_and_then_nothing_more() {
    let w = World::new();
    let plan = w.plan().await;
    assert!(plan.entries.iter().all(|e| e.kind == Kind::Missing));
    assert!(w.writes().is_empty(), "a plan changes nothing");
    let applied = w.apply().await;
    assert!(applied.left.entries.is_empty(), "{:#?}", applied.left);
    let containers = "/blobServices/default/containers";
    let mut wanted = vec!["PUT ".to_owned(), "PUT /blobServices/default".into()];
    for c in ["aside", "media", "meta"] {
        wanted.push(format!("PUT {containers}/{c}"));
        wanted.push(format!("PUT {containers}/{c}/immutabilityPolicies/default"));
    }
    wanted.push(format!("PUT {containers}/rehydrated"));
    wanted.push("PUT /managementPolicies/default".into());
    assert_eq!(w.writes(), wanted);
    assert!(w.apply().await.done.is_empty());
    assert_eq!(w.writes(), wanted, "a second apply writes nothing");

    let all = w.fake.resources.lock().unwrap();
    let media = &all[&format!("{ROOT}{containers}/media")]["properties"];
    assert_eq!(media["immutableStorageWithVersioning"]["enabled"], true);
    assert!(media["defaultEncryptionScope"].is_null());
    assert!(all[ROOT]["identity"].is_null(), "nobody needs an identity that reads nothing");
    assert!(all[&format!("{ROOT}{containers}/rehydrated")]["properties"]["immutableStorageWithVersioning"].is_null());
    let rules = &all[&format!("{ROOT}/managementPolicies/default")]["properties"]["policy"]["rules"];
    let archive = &rules[0]["definition"]["actions"]["baseBlob"]["tierToArchive"];
    assert_eq!(archive["daysAfterModificationGreaterThan"], 120);
    assert!(
        archive["daysAfterLastTierChangeGreaterThan"].as_u64().unwrap() >= 7,
        "what was just brought back stays a while"
    );
    assert_eq!(rules[0]["definition"]["filters"]["prefixMatch"], json!(["media/recordings/"]));
}

#[tokio::test]
async fn what_others_loosened_is_reported_and_mended_and_theirs_is_kept() {
    let w = World::new();
    w.apply().await;
    w.set("", |r| {
        r["properties"]["allowBlobPublicAccess"] = json!(true);
        r["properties"]["minimumTlsVersion"] = json!("TLS1_0");
    });
    w.set("/blobServices/default", |r| {
        r["properties"]["isVersioningEnabled"] = json!(false);
        r["properties"]["changeFeed"] = json!({ "enabled": true });
    });
    w.set("/blobServices/default/containers/media", |r| r["properties"]["publicAccess"] = json!("Blob"));
    w.set("/managementPolicies/default", |r| {
        let theirs = json!({ "enabled": true, "name": "logs", "type": "Lifecycle", "definition": {
            "filters": { "blobTypes": ["blockBlob"], "prefixMatch": ["logs/"] },
            "actions": { "baseBlob": { "delete": { "daysAfterModificationGreaterThan": 9 } } } } });
        r["properties"]["policy"]["rules"] = json!([theirs]);
    });
    assert_eq!(
        w.told(&w.plan().await),
        [
            "storage account account Drifted",
            "storage account versioning Drifted",
            "container media public_access Drifted",
            "storage account lifecycle Missing",
        ]
    );
    assert!(w.apply().await.left.entries.is_empty());
    let all = w.fake.resources.lock().unwrap();
    assert_eq!(
        all[&format!("{ROOT}/blobServices/default")]["properties"]["changeFeed"]["enabled"],
        true,
        "theirs is kept"
    );
    let rules = all[&format!("{ROOT}/managementPolicies/default")]["properties"]["policy"]["rules"].as_array().unwrap();
    assert_eq!(rules.len(), 4);
    assert_eq!(rules[0]["name"], "logs");
}

#[tokio::test]
async fn what_cannot_be_changed_any_more_is_said_and_left() {
    let w = World::scoped().await;
    w.set("/blobServices/default/containers/media", |r| {
        r["properties"]["immutableStorageWithVersioning"] = json!({ "enabled": false });
    });
    w.set("/blobServices/default/containers/meta", |r| {
        r["properties"]["defaultEncryptionScope"] = json!("$account-encryption-key")
    });
    w.set("/managementPolicies/default", |r| {
        let bad = json!({ "enabled": true, "name": "cheap", "type": "Lifecycle", "definition": {
            "filters": { "blobTypes": ["blockBlob"] },
            "actions": { "baseBlob": { "tierToArchive": { "daysAfterModificationGreaterThan": 9 } } } } });
        r["properties"]["policy"]["rules"].as_array_mut().unwrap().push(bad);
    });
    let before = w.writes();
    let applied = w.apply().await;
    assert_eq!(
        w.told(&applied.left),
        [
            "container media immutability Barred",
            "container meta encryption_scope Barred",
            "storage account lifecycle Barred"
        ]
    );
    assert!(applied.done.is_empty());
    assert_eq!(w.writes(), before);
}

#[tokio::test]
async fn a_data_lake_account_is_no_archive() {
    let w = World::new();
    w.apply().await;
    w.set("", |r| r["properties"]["isHnsEnabled"] = json!(true));
    assert_eq!(w.told(&w.plan().await), ["storage account hierarchical_namespace Barred"]);
}

#[tokio::test]
async fn retention_is_lengthened_and_locked_and_never_less() {
    let mut w = World::new();
    w.apply().await;
    w.settings.retention = DefaultRetention { mode: ImmutabilityMode::Governance, days: 400 };
    assert_eq!(w.apply().await.done.len(), 3);
    w.settings.retention = DefaultRetention { mode: ImmutabilityMode::Compliance, days: 400 };
    assert_eq!(w.apply().await.done.len(), 3);
    assert!(w.plan().await.entries.is_empty());
    w.settings.retention.days = 500;
    assert!(w.apply().await.left.entries.is_empty());
    assert_eq!(w.writes().iter().filter(|c| c.ends_with("/extend")).count(), 3);
    w.settings.retention = DefaultRetention { mode: ImmutabilityMode::Governance, days: 10 };
    let plan = w.plan().await;
    assert!(
        plan.is_empty() && plan.entries.iter().all(|e| e.kind == Kind::Remark && e.words.contains("firmer")),
        "{plan:#?}"
    );
    assert!(w.apply().await.done.is_empty());
}

#[tokio::test]
async fn locked_from_the_start_where_it_is_asked_for() {
    let mut w = World::new();
    w.settings.retention.mode = ImmutabilityMode::Compliance;
    assert!(w.apply().await.left.entries.is_empty());
    assert_eq!(w.writes().iter().filter(|c| c.ends_with("/lock")).count(), 3);
}

#[tokio::test]
async fn a_missing_right_is_named_and_what_was_done_stays() {
    let w = World::new();
    *w.fake.denied.lock().unwrap() = Some("immutabilityPolicies".into());
    let desired = azure::desired(&w.settings).unwrap();
    let e = azure::apply(&w.arm, &desired, &NoProgress, &Cancel::default()).await.unwrap_err();
    assert!(
        e.to_string().contains("Microsoft.Storage/storageAccounts/blobServices/containers/immutabilityPolicies/write"),
        "{e}"
    );
    *w.fake.denied.lock().unwrap() = None;
    assert!(w.apply().await.left.entries.is_empty());
}

#[test]
fn settings_that_no_cloud_takes_are_refused_by_name() {
    for (change, named) in [
        ((|s: &mut AzureSettings| s.account = "Acme-Archive".into()) as fn(&mut _), "archive.azure.account"),
        (|s| s.containers.media = "a--b".into(), "archive.azure"),
        (|s| s.copies.as_mut().unwrap().container = "media".into(), "archive.azure.rehydrate"),
        (|s| s.lifecycle.cold_class = Some("DEEP_ARCHIVE".into()), "provision.lifecycle.cold_class"),
        (|s| s.retention.days = 0, "provision.retention.days"),
        (|s| s.sku = "Standard_ZRS".into(), "provision.azure.sku"),
        (|s| s.sku = "Standard_GZRS".into(), "provision.azure.sku"),
        (|s| s.encryption_scope = scoped().encryption_scope, "archive.azure.encryption_scope"),
    ] {
        let mut s = settings();
        change(&mut s);
        let e = azure::desired(&s).unwrap_err().to_string();
        assert!(e.contains(named), "{e}");
    }
}

#[test]
fn without_the_archive_tier_any_redundancy_and_any_key_will_do() {
    let mut s = scoped();
    s.sku = "Standard_ZRS".into();
    let desired = azure::desired(&s).unwrap();
    assert!(!serde_json::to_string(&desired.rules).unwrap().contains("tierToArchive"));
    assert!(azure::desired(&settings()).is_ok(), "what is configured by default can be made");
}

#[tokio::test]
async fn an_account_that_has_no_archive_tier_is_told_and_left() {
    let w = World::new();
    w.apply().await;
    w.set("", |r| r["sku"]["name"] = json!("Standard_ZRS"));
    let before = w.writes();
    assert_eq!(w.told(&w.apply().await.left), ["storage account sku Barred"]);
    assert_eq!(w.writes(), before);
    w.set("", |r| r["sku"]["name"] = json!("Standard_RAGRS"));
    assert!(w.plan().await.entries.is_empty());
}

/// The account first, with an identity; then a person's grant; then the scope and what is encrypted in it.
#[tokio::test]
async fn a_key_of_ones_own_takes_a_grant_between_two_applies() {
    let w = World { settings: scoped(), ..World::new() };
    let applied = w.apply().await;
    assert_eq!(
        applied.done.iter().map(|e| e.setting.as_str()).collect::<Vec<_>>(),
        ["account", "versioning", "lifecycle"]
    );
    let scope = applied.left.entries.iter().find(|e| e.setting == "encryption_scope").unwrap();
    assert_eq!(scope.kind, Kind::Missing);
    for part in ["principal-1", "Key Vault Crypto Service Encryption User"] {
        assert!(scope.words.contains(part), "{}", scope.words);
    }
    let desired = azure::desired(&w.settings).unwrap();
    let e = azure::apply(&w.arm, &desired, &NoProgress, &Cancel::default()).await.unwrap_err().to_string();
    assert!(e.contains("KeyVaultAuthenticationFailure") && e.contains("principal-1"), "{e}");
    assert!(!w.writes().iter().any(|c| c.contains("/containers/")), "no container is made without its scope");
    *w.fake.granted.lock().unwrap() = true;
    assert!(w.apply().await.left.entries.is_empty());
    let all = w.fake.resources.lock().unwrap();
    let media = &all[&format!("{ROOT}/blobServices/default/containers/media")]["properties"];
    assert_eq!(
        (&media["defaultEncryptionScope"], &media["denyEncryptionScopeOverride"]),
        (&json!("holdfast"), &json!(true))
    );
}

#[tokio::test]
async fn an_account_without_an_identity_gets_one_beside_those_it_has() {
    let w = World::scoped().await;
    let id =
        "/subscriptions/sub-1/resourceGroups/rg-1/providers/Microsoft.ManagedIdentity/userAssignedIdentities/theirs";
    w.set("", |r| {
        r["identity"] = json!({ "type": "UserAssigned", "userAssignedIdentities": { id: { "clientId": "c" } } })
    });
    w.fake.resources.lock().unwrap().remove(&format!("{ROOT}/encryptionScopes/holdfast"));
    let plan = w.plan().await;
    assert_eq!(w.told(&plan), ["storage account identity Missing", "storage account encryption_scope Barred"]);
    w.apply().await;
    assert!(w.apply().await.left.entries.is_empty());
    let identity = w.fake.resources.lock().unwrap()[ROOT]["identity"].clone();
    assert_eq!(identity["type"], "SystemAssigned,UserAssigned");
    assert!(identity["userAssignedIdentities"][id].is_object(), "{identity}");
}

#[tokio::test]
async fn no_account_is_made_nowhere() {
    let mut w = World::new();
    w.settings.location = String::new();
    let desired = azure::desired(&w.settings).unwrap();
    let e = azure::apply(&w.arm, &desired, &NoProgress, &Cancel::default()).await.unwrap_err();
    assert_eq!(holdfast_model::Fault::code(&e), "provision.invalid");
    assert!(e.to_string().contains("provision.azure.location"), "{e}");
    assert!(w.writes().is_empty());
    // Where there is one, its region is nobody's question.
    w.settings.location = "westeurope".into();
    w.apply().await;
    w.settings.location = String::new();
    assert!(w.apply().await.left.entries.is_empty());
}
