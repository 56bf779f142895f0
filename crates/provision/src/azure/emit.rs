//! Bicep and ARM JSON, both from one list of resources, which comes from the same desired state that `apply` works on.

use super::{
    AzureDesired, AzureSettings,
    apply::{new_container, new_scope},
    arm::API_VERSION,
    desired,
    desired::KEY_ROLE,
    diff::new_account,
    roles::{RoleShape, roles},
};
use crate::{Document, ProvisionError};
use holdfast_model::ImmutabilityMode;
use serde_json::{Map, Value, json};
use std::fmt::Write as _;

const AUTHORIZATION: &str = "2022-04-01";

/// One resource. Its parent is another one's symbol, and then its name is the last segment only. A string value that starts with `=`
/// is an expression, the same in both languages.
struct Resource {
    symbol: String,
    kind: String,
    version: &'static str,
    name: String,
    parent: Option<String>,
    after: Vec<String>,
    body: Map<String, Value>,
}

/// The template (Bicep and ARM JSON) and each role's definition, as files to review. Talks to nobody.
///
/// # Errors
/// [`ProvisionError::Invalid`] as [`desired`].
pub fn emit(settings: &AzureSettings) -> Result<Vec<Document>, ProvisionError> {
    let desired = desired(settings)?;
    let (resources, notes) = (resources(settings, &desired), notes(settings, &desired));
    let mut out = vec![
        Document { name: "holdfast.bicep".into(), text: bicep(&resources, &notes) },
        Document::json("holdfast.arm.json", &arm(&resources, &notes)),
    ];
    for role in roles() {
        let p = role.permissions();
        let definition = json!({
            "Name": role_name(&role, &settings.account),
            "IsCustom": true,
            "Description": role.description,
            "Actions": p[0]["actions"],
            "NotActions": [],
            "DataActions": p[0]["dataActions"],
            "NotDataActions": p[0]["notDataActions"],
            "AssignableScopes": ["/subscriptions/SUBSCRIPTION/resourceGroups/RESOURCE-GROUP"],
        });
        out.push(Document::json(&format!("{}.role.json", role.name), &definition));
    }
    Ok(out)
}

/// A custom role's name is unique in its directory, where several archives may be.
fn role_name(role: &RoleShape, account: &str) -> String {
    format!("{} ({account})", role.name)
}

/// What a template cannot do and its reader must know.
fn notes(s: &AzureSettings, d: &AzureDesired) -> Vec<String> {
    let mut out = Vec::new();
    if s.retention.mode == ImmutabilityMode::Compliance {
        out.push(
            "The configuration says mode = \"compliance\". This template does not lock the default policies, since nobody can undo that: \
             `holdfast provision apply` locks them."
                .to_owned(),
        );
    }
    if d.reads_a_key() {
        out.push(format!(
            "The encryption scope reads its key as the storage account's identity, which the first deployment makes: that one ends at \
             the scope. Then grant the identity \"{KEY_ROLE}\" on the key vault and deploy again."
        ));
    }
    out
}

fn map(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

fn resources(s: &AzureSettings, d: &AzureDesired) -> Vec<Resource> {
    let storage = |symbol: &str, kind: &str, name: &str, parent: Option<&str>, body: Value| Resource {
        symbol: symbol.to_owned(),
        kind: format!("Microsoft.Storage/storageAccounts{kind}"),
        version: API_VERSION,
        name: name.to_owned(),
        parent: parent.map(str::to_owned),
        after: Vec::new(),
        body: map(body),
    };
    let versioned = json!({ "properties": { "isVersioningEnabled": true } });
    let mut account = new_account(d);
    if s.location.is_empty() {
        account["location"] = json!("=resourceGroup().location");
    }
    let mut out = vec![
        storage("account", "", &s.account, None, account),
        storage("blobs", "/blobServices", "default", Some("account"), versioned),
    ];
    if let Some(scope) = &d.scope {
        out.push(storage("scope", "/encryptionScopes", &scope.name, Some("account"), new_scope(scope)));
    }
    let mut containers = Vec::new();
    for (n, c) in d.containers.iter().enumerate() {
        let symbol = format!("container{n}");
        let mut container = storage(
            &symbol,
            "/blobServices/containers",
            &c.name,
            Some("blobs"),
            json!({ "properties": new_container(c) }),
        );
        container.after.extend(c.scope.iter().map(|_| "scope".to_owned()));
        out.push(container);
        if let Some(r) = &c.retention {
            let body = json!({ "properties": { "immutabilityPeriodSinceCreationInDays": r.days } });
            let kind = "/blobServices/containers/immutabilityPolicies";
            out.push(storage(&format!("retention{n}"), kind, "default", Some(&symbol), body));
        }
        containers.push(symbol);
    }
    let mut policy = storage(
        "lifecycle",
        "/managementPolicies",
        "default",
        Some("account"),
        json!({ "properties": { "policy": { "rules": d.rules } } }),
    );
    policy.after = ["blobs".to_owned()].into_iter().chain(containers).collect();
    out.push(policy);
    let principals = [&s.principals.reader, &s.principals.archiver, &s.principals.admin];
    for (role, principals) in roles().iter().zip(principals) {
        out.extend(authorization(role, principals, &s.account));
    }
    out
}

fn authorization(role: &RoleShape, principals: &[String], account: &str) -> Vec<Resource> {
    let symbol = role.name.replace("holdfast-", "role_");
    let id = format!("guid(resourceGroup().id, '{account}', '{}')", role.name);
    let mut out = vec![Resource {
        symbol: symbol.clone(),
        kind: "Microsoft.Authorization/roleDefinitions".into(),
        version: AUTHORIZATION,
        name: format!("={id}"),
        parent: None,
        after: Vec::new(),
        body: map(json!({ "properties": {
            "roleName": role_name(role, account),
            "description": role.description,
            "type": "CustomRole",
            "permissions": role.permissions(),
            "assignableScopes": ["=resourceGroup().id"],
        } })),
    }];
    for (n, principal) in principals.iter().enumerate() {
        out.push(Resource {
            symbol: format!("{symbol}_{n}"),
            kind: "Microsoft.Authorization/roleAssignments".into(),
            version: AUTHORIZATION,
            name: format!("=guid(resourceGroup().id, '{account}', '{}', '{principal}')", role.name),
            parent: None,
            after: vec![symbol.clone()],
            body: map(json!({ "properties": {
                "principalId": principal,
                "roleDefinitionId": format!("=resourceId('Microsoft.Authorization/roleDefinitions', {id})"),
            } })),
        });
    }
    out
}

/// Names from the top, without expressions: only resources of the account have parents.
fn full_name(all: &[Resource], r: &Resource) -> String {
    match r.parent.as_ref().and_then(|p| all.iter().find(|o| o.symbol == *p)) {
        Some(parent) => format!("{}/{}", full_name(all, parent), r.name),
        None => r.name.clone(),
    }
}

fn expression(text: &str) -> Option<&str> {
    text.strip_prefix('=')
}

fn reference(all: &[Resource], symbol: &str) -> Option<Value> {
    let r = all.iter().find(|r| r.symbol == symbol)?;
    let name = match expression(&r.name) {
        Some(e) => e.to_owned(),
        None => full_name(all, r).split('/').map(|n| format!("'{n}'")).collect::<Vec<_>>().join(", "),
    };
    Some(json!(format!("[resourceId('{}', {name})]", r.kind)))
}

fn arm_value(value: &Value) -> Value {
    match value {
        Value::String(s) => match expression(s) {
            Some(e) => json!(format!("[{e}]")),
            // A literal that starts like an expression is escaped by doubling.
            None if s.starts_with('[') => json!(format!("[{s}")),
            None => value.clone(),
        },
        Value::Array(items) => items.iter().map(arm_value).collect(),
        Value::Object(map) => Value::Object(map.iter().map(|(k, v)| (k.clone(), arm_value(v))).collect()),
        other => other.clone(),
    }
}

fn arm(all: &[Resource], notes: &[String]) -> Value {
    let one = |r: &Resource| {
        let mut out = Map::new();
        out.insert("type".into(), json!(r.kind));
        out.insert("apiVersion".into(), json!(r.version));
        out.insert("name".into(), arm_value(&json!(full_name(all, r))));
        let depends: Vec<Value> = r.parent.iter().chain(&r.after).filter_map(|s| reference(all, s)).collect();
        if !depends.is_empty() {
            out.insert("dependsOn".into(), Value::Array(depends));
        }
        out.extend(r.body.iter().map(|(k, v)| (k.clone(), arm_value(v))));
        Value::Object(out)
    };
    let mut template = json!({
        "$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
        "contentVersion": "1.0.0.0",
        "resources": all.iter().map(one).collect::<Vec<_>>(),
    });
    if !notes.is_empty() {
        template["metadata"] = json!({ "comments": notes.join(" ") });
    }
    template
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'").replace("${", "\\${").replace('\n', "\\n"))
}

fn bicep_value(value: &Value, depth: usize) -> String {
    let pad = "  ".repeat(depth + 1);
    let end = "  ".repeat(depth);
    match value {
        Value::String(s) => expression(s).map_or_else(|| quoted(s), str::to_owned),
        Value::Array(items) if items.is_empty() => "[]".into(),
        Value::Array(items) => {
            let lines: String = items.iter().map(|v| format!("{pad}{}\n", bicep_value(v, depth + 1))).collect();
            format!("[\n{lines}{end}]")
        }
        Value::Object(map) if map.is_empty() => "{}".into(),
        Value::Object(map) => {
            let lines: String = map.iter().map(|(k, v)| format!("{pad}{k}: {}\n", bicep_value(v, depth + 1))).collect();
            format!("{{\n{lines}{end}}}")
        }
        other => other.to_string(),
    }
}

fn bicep(all: &[Resource], notes: &[String]) -> String {
    let mut out = String::from(
        "// The cloud side of a Holdfast archive: private containers that are immutable by version, lifecycle, least rights.\n",
    );
    for note in notes {
        let _ = writeln!(out, "// {note}");
    }
    out.push_str("targetScope = 'resourceGroup'\n");
    for r in all {
        let _ = writeln!(out, "\nresource {} '{}@{}' = {{", r.symbol, r.kind, r.version);
        if let Some(parent) = &r.parent {
            let _ = writeln!(out, "  parent: {parent}");
        }
        let _ = writeln!(out, "  name: {}", bicep_value(&json!(r.name), 1));
        for (k, v) in &r.body {
            let _ = writeln!(out, "  {k}: {}", bicep_value(v, 1));
        }
        if !r.after.is_empty() {
            let _ = writeln!(
                out,
                "  dependsOn: [\n{}  ]",
                r.after.iter().map(|a| format!("    {a}\n")).collect::<String>()
            );
        }
        out.push_str("}\n");
    }
    out
}
