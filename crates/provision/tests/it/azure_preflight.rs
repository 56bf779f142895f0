//! Preflight on Azure: the data plane is Azurite behind the proxy, the management plane the fake of `azure.rs`.

use crate::azure::World;
use holdfast_model::{Cancel, Fault, NoProgress, SystemClock};
use holdfast_provision::{
    azure::{self, desired},
    preflight::{AzureTarget, Outcome, Provider, Report, run},
};
use holdfast_store::{AzureConfig, AzureStore, Buckets};
use holdfast_testkit::cloud::{Azurite, azure::AzureProxy};
use serde_json::{Value, json};
use std::sync::Arc;

struct Desk {
    proxy: AzureProxy,
    world: World,
}

impl Desk {
    /// As it was provisioned.
    async fn new() -> Self {
        let proxy = AzureProxy::start(Azurite::start().await.account_url(), Arc::new(SystemClock)).await;
        let name = format!("p{}", uuid::Uuid::new_v4().simple());
        let container = |what| format!("{name}-{what}");
        let mut world = World::new();
        world.settings.containers =
            Buckets { media: container("media"), meta: container("meta"), quarantine: container("aside") };
        assert!(world.apply().await.left.entries.is_empty());
        for c in [container("media"), container("meta"), container("aside")] {
            proxy.container(&c).await;
        }
        Self { proxy, world }
    }

    async fn preflight(&self) -> Report {
        let config = AzureConfig::new(self.world.settings.containers.clone());
        let store = AzureStore::new(self.proxy.service(), config, Arc::new(SystemClock)).store();
        let target = AzureTarget {
            service: Arc::new(self.proxy.service()),
            identity: Some("archiver@acme.example".into()),
            container: store.buckets.media.clone(),
            management: Some((self.world.arm.clone(), desired(&self.world.settings).unwrap())),
        };
        run(&store, &Provider::Azure(Box::new(target)), &SystemClock, &|_| (), &Cancel::default()).await
    }
}

fn of(report: &Report, outcome: Outcome) -> Vec<&str> {
    let all = report.checks.iter().filter(|c| c.outcome == outcome);
    all.map(|c| c.code.trim_start_matches("preflight.")).collect()
}

#[tokio::test]
async fn green_on_what_was_provisioned_and_nothing_else_is_touched() {
    let d = Desk::new().await;
    let report = d.preflight().await;
    assert!(report.is_green(), "{:#?}", report.failed().collect::<Vec<_>>());
    assert_eq!(of(&report, Outcome::Skipped), ["restore"]);
    for code in [
        "account",
        "object_lock",
        "once",
        "retention",
        "delete_refused",
        "hold_delete_refused",
        "hold_lift",
        "quarantine",
    ] {
        assert!(of(&report, Outcome::Passed).contains(&code), "{code}");
    }
    for (op, at) in d.proxy.log() {
        let changes = ["Put", "Set", "Delete", "Copy"].iter().any(|v| op.starts_with(v));
        assert!(!changes || at.contains("/preflight/"), "{op} {at}");
    }
}

#[tokio::test]
async fn every_missing_right_is_named() {
    let d = Desk::new().await;
    for (op, right, fails) in [
        ("PutBlob", "blobs/write", &["create", "meta", "ledger_tiles", "quarantine"] as &[_]),
        ("GetBlob", "blobs/read", &["read_back", "meta", "ledger_tiles", "quarantine"]),
        ("SetImmutabilityPolicy", "immutableStorage/runAsSuperUser/action", &["extend"]),
        ("SetLegalHold", "immutableStorage/runAsSuperUser/action", &["hold"]),
        ("ListBlobs", "blobs/read", &["listing"]),
    ] {
        d.proxy.deny(op);
        let report = d.preflight().await;
        d.proxy.allow(op);
        assert_eq!(of(&report, Outcome::Failed), fails, "without {op}");
        for c in report.failed() {
            assert!(c.missing.as_ref().is_some_and(|m| m.contains(right)), "{c:?}");
        }
    }
}

#[tokio::test]
async fn an_account_without_versions_protects_nothing_and_that_shows() {
    let d = Desk::new().await;
    d.proxy.versioning(false);
    d.world.set("/blobServices/default", |r| r["properties"]["isVersioningEnabled"] = json!(false));
    let failed = d.preflight().await;
    let failed = of(&failed, Outcome::Failed);
    assert!(failed.contains(&"versioning") && failed.contains(&"version"), "{failed:?}");
}

#[tokio::test]
async fn who_may_not_look_at_settings_is_told_so_and_not_failed() {
    let d = Desk::new().await;
    d.world.blind("managementPolicies");
    let report = d.preflight().await;
    assert!(report.is_green(), "{:#?}", report.failed().collect::<Vec<_>>());
    let skipped: Vec<_> = report.checks.iter().filter(|c| c.outcome == Outcome::Skipped).collect();
    assert_eq!(
        of(&report, Outcome::Skipped),
        ["account", "versioning", "object_lock", "encryption", "lifecycle_meta", "restore"]
    );
    assert!(skipped[0].says.contains("managementPolicies/read"), "{}", skipped[0].says);
}

#[tokio::test]
async fn an_account_that_cannot_be_the_archive_is_not_praised_for_the_rest() {
    let d = Desk::new().await;
    d.world.set("", |r| r["sku"]["name"] = json!("Standard_ZRS"));
    let report = d.preflight().await;
    assert_eq!(of(&report, Outcome::Failed), ["account"]);
    assert_eq!(of(&report, Outcome::Skipped), ["versioning", "object_lock", "encryption", "lifecycle_meta", "restore"]);
}

/// What an emitted role may, management actions and data actions.
fn role(d: &Desk, name: &str) -> (Vec<String>, Vec<String>) {
    let documents = azure::emit(&d.world.settings).unwrap();
    let text = &documents.iter().find(|d| d.name == format!("{name}.role.json")).unwrap().text;
    let role: Value = serde_json::from_str(text).unwrap();
    let list = |of: &str| role[of].as_array().unwrap().iter().map(|a| a.as_str().unwrap().to_owned()).collect();
    (list("Actions"), list("DataActions"))
}

/// What each call of preflight and of the store takes: "Permissions for calling data operations" in Microsoft's "Authorize with
/// Microsoft Entra ID".
const TAKES: &[(&str, &[&str])] = &[
    ("PutBlob", &["write", "add/action", "tags/write", "immutableStorage/runAsSuperUser/action"]),
    ("GetBlob", &["read"]),
    ("GetBlobProperties", &["read"]),
    ("GetBlobTags", &["tags/read"]),
    ("ListBlobs", &["read"]),
    ("SetBlobTier", &["write"]),
    ("SetImmutabilityPolicy", &["immutableStorage/runAsSuperUser/action"]),
    ("SetLegalHold", &["immutableStorage/runAsSuperUser/action"]),
    ("DeleteBlob", &["delete"]),
];

impl Desk {
    fn becomes(&self, (actions, data): &(Vec<String>, Vec<String>)) {
        self.world.may(actions);
        for (op, takes) in TAKES {
            let has = |a: &&str| data.iter().any(|d| d.ends_with(&format!("/containers/blobs/{a}")));
            if takes.iter().all(has) { self.proxy.allow(op) } else { self.proxy.deny(op) }
        }
    }
}

#[tokio::test]
async fn archiver_and_reader_prove_the_store_with_what_is_emitted_for_them() {
    let d = Desk::new().await;
    for name in ["holdfast-archiver", "holdfast-reader"] {
        d.becomes(&role(&d, name));
        let report = d.preflight().await;
        assert!(report.is_green(), "{name}: {:#?}", report.failed().collect::<Vec<_>>());
        assert_eq!(of(&report, Outcome::Skipped), ["restore"], "{name}");
    }
    let wanted = desired(&d.world.settings).unwrap();
    d.world.set("", |r| r["properties"]["minimumTlsVersion"] = json!("TLS1_0"));
    let cancel = Cancel::default();
    let apply = || azure::apply(&d.world.arm, &wanted, &NoProgress, &cancel);
    assert_eq!(apply().await.unwrap_err().code(), "provision.denied", "who reads provisions nothing");
    d.becomes(&role(&d, "holdfast-admin"));
    assert!(apply().await.unwrap().left.entries.is_empty());
    let report = d.preflight().await;
    let create = report.failed().find(|c| c.code == "preflight.create").expect("an admin writes nothing");
    assert!(create.missing.as_ref().is_some_and(|m| m.contains("blobs/write")), "{create:?}");
}

#[tokio::test]
async fn the_admins_rights_make_all_from_nothing() {
    let world = World::new();
    let documents = azure::emit(&world.settings).unwrap();
    let admin = documents.iter().find(|d| d.name == "holdfast-admin.role.json").unwrap();
    let admin: Value = serde_json::from_str(&admin.text).unwrap();
    assert_eq!(admin["DataActions"], json!([]));
    let actions: Vec<_> = admin["Actions"].as_array().unwrap().iter().map(|a| a.as_str().unwrap().to_owned()).collect();
    world.may(&actions);
    assert!(world.apply().await.left.entries.is_empty());
}
