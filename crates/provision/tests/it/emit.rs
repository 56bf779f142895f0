use crate::support::settings;
use holdfast_provision::{Document, Principals, Replication, aws, azure, yaml};
use holdfast_store::Buckets;
use serde_json::{Value, json};
use std::process::Command;

fn full() -> aws::AwsSettings {
    let key = "arn:aws:kms:eu-central-1:123456789012:key/00000000-1111-2222-3333-444444444444";
    let mut s = settings("acme", Some(key.into()));
    s.account = Some("123456789012".into());
    s.principals = Principals {
        reader: vec!["arn:aws:iam::123456789012:role/legal".into()],
        archiver: vec!["arn:aws:iam::123456789012:role/ingest".into()],
        admin: vec![],
    };
    s.replication = Some(Replication {
        role_arn: "arn:aws:iam::123456789012:role/copier".into(),
        media_bucket: "acme-media-copy".into(),
        meta_bucket: "acme-meta-copy".into(),
        quarantine_bucket: None,
        kms_key: Some("arn:aws:kms:eu-west-1:123456789012:key/00000000-1111-2222-3333-555555555555".into()),
        account: None,
    });
    s
}

fn text<'a>(documents: &'a [Document], name: &str) -> &'a str {
    &documents.iter().find(|d| d.name == name).unwrap_or_else(|| panic!("no {name}")).text
}

fn linted(documents: &[Document]) {
    let folder = tempfile::tempdir().unwrap();
    for name in ["holdfast.cfn.yaml", "holdfast.cfn.json"] {
        let path = folder.path().join(name);
        std::fs::write(&path, text(documents, name)).unwrap();
        let cache = std::env::var("HOLDFAST_CACHE")
            .unwrap_or_else(|_| format!("{}/.cache/holdfast", std::env::var("HOME").unwrap()));
        let lint = format!("{cache}/venv/bin/cfn-lint");
        let out = Command::new(&lint).args(["--region", "eu-central-1", "--template"]).arg(&path).output();
        let out = out.unwrap_or_else(|e| {
            panic!("{lint}: {e}: pip install cfn-lint into $HOLDFAST_CACHE/venv (scripts/test does it)")
        });
        let said = String::from_utf8_lossy(&out.stdout);
        assert!(
            out.status.success() && said.trim().is_empty(),
            "{name}: {said}{}",
            String::from_utf8_lossy(&out.stderr)
        );
    }
}

#[test]
fn the_template_passes_cfn_lint_and_retains_everything() {
    let documents = aws::emit(&full()).unwrap();
    linted(&documents);
    let template: Value = serde_json::from_str(text(&documents, "holdfast.cfn.json")).unwrap();
    for (name, r) in template["Resources"].as_object().unwrap() {
        if ["AWS::S3::Bucket", "AWS::DynamoDB::Table"].contains(&r["Type"].as_str().unwrap()) {
            assert_eq!(
                (&r["DeletionPolicy"], &r["UpdateReplacePolicy"]),
                (&json!("Retain"), &json!("Retain")),
                "{name}"
            );
        }
        if r["Type"] == "AWS::S3::Bucket" {
            assert_eq!(r["Properties"]["ObjectLockEnabled"], true, "{name}");
        }
    }
    let metadata = template["Resources"]["MetaBucket"]["Properties"]["LifecycleConfiguration"].to_string();
    assert!(!metadata.contains("Transitions"), "{metadata}");
    let media = template["Resources"]["MediaBucket"]["Properties"]["LifecycleConfiguration"].to_string();
    assert!(media.contains("DEEP_ARCHIVE") && media.contains("GLACIER_IR"));
}

#[test]
fn without_key_copy_or_table_it_passes_too() {
    let mut s = full();
    (s.kms_key, s.replication, s.table) = (None, None, None);
    s.buckets = Some(Buckets { media: "one".into(), meta: "one".into(), quarantine: "one".into() });
    linted(&aws::emit(&s).unwrap());
    // An index beside an archive on Azure.
    (s.buckets, s.table) = (None, Some("holdfast".into()));
    let documents = aws::emit(&s).unwrap();
    linted(&documents);
    assert!(!documents.iter().any(|d| d.text.contains("s3:")));
}

#[test]
fn erasure_is_never_emitted() {
    for d in aws::emit(&full()).unwrap() {
        let text = &d.text;
        if !d.name.ends_with(".json") {
            continue;
        }
        let value: Value = serde_json::from_str(text).unwrap();
        walk(&value, &mut |v| {
            let named = v["Action"].to_string();
            if v["Effect"] == "Allow" {
                assert!(!named.contains("s3:Delete") && !named.contains("Bypass"), "{}: {v}", d.name);
            }
        });
    }
}

fn walk(v: &Value, each: &mut impl FnMut(&Value)) {
    match v {
        Value::Object(m) => {
            each(v);
            m.values().for_each(|v| walk(v, each));
        }
        Value::Array(a) => a.iter().for_each(|v| walk(v, each)),
        _ => {}
    }
}

#[test]
fn yaml_reads_back_as_what_it_was() {
    let value = json!({ "a": "no", "b": [1, { "c": "x: y\n'\"" }, [], {}, ["2026-11-20"]], "on": true, "x y": null });
    let program = "import sys, json, yaml; print(json.dumps(yaml.safe_load(sys.stdin.read())))";
    let cache = std::env::var("HOLDFAST_CACHE")
        .unwrap_or_else(|_| format!("{}/.cache/holdfast", std::env::var("HOME").unwrap()));
    let mut child = Command::new(format!("{cache}/venv/bin/python"))
        .args(["-c", program])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), yaml(&value).as_bytes()).unwrap();
    let out = child.wait_with_output().unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&out.stdout).unwrap(), value, "{}", yaml(&value));
}

#[test]
fn settings_that_no_cloud_takes_are_refused_by_name() {
    for (change, named) in [
        (
            (|s: &mut aws::AwsSettings| s.buckets.as_mut().unwrap().media = "Not_A_Bucket".into()) as fn(&mut _),
            "archive.s3",
        ),
        (|s| s.kms_key = Some("alias/archive".into()), "archive.s3.kms_key"),
        (|s| s.retention.days = 0, "provision.retention.days"),
        (|s| s.lifecycle.cold_class = Some("STANDARD_IA".into()), "provision.lifecycle.cold_class"),
        (|s| s.lifecycle.cold_after_days = Some(10), "provision.lifecycle.cold_after_days"),
        (
            |s| (s.lifecycle.cool_class, s.lifecycle.cold_after_days) = (Some("STANDARD_IA".into()), Some(59)),
            "provision.lifecycle.cold_after_days",
        ),
        (|s| s.replication.as_mut().unwrap().kms_key = None, "provision.replication.kms_key"),
        (|s| s.region = String::new(), "aws.region"),
    ] {
        let mut s = full();
        change(&mut s);
        let e = aws::desired(&s).unwrap_err().to_string();
        assert!(e.contains(named), "{e}");
    }
}

#[test]
fn arm_and_bicep_say_the_same() {
    for settings in [crate::azure::settings(), crate::azure::scoped()] {
        the_same(&azure::emit(&settings).unwrap());
    }
}

fn the_same(documents: &[Document]) {
    let template: Value = serde_json::from_str(text(documents, "holdfast.arm.json")).unwrap();
    let resources = template["resources"].as_array().unwrap();
    let bicep = text(documents, "holdfast.bicep");
    assert_eq!(bicep.matches("\nresource ").count(), resources.len());
    for r in resources {
        let kind = format!("'{}@{}'", r["type"].as_str().unwrap(), r["apiVersion"].as_str().unwrap());
        assert!(bicep.contains(&kind), "{kind}");
        let segments = r["name"].as_str().unwrap().split('/').count();
        if !r["name"].as_str().unwrap().starts_with('[') {
            assert_eq!(segments, r["type"].as_str().unwrap().split('/').count() - 1, "{r}");
        }
    }
    // What one depends on is there.
    let ids: Vec<String> = resources
        .iter()
        .map(|r| {
            let name = r["name"].as_str().unwrap();
            let name = match name.strip_prefix('[') {
                Some(e) => e.trim_end_matches(']').to_owned(),
                None => name.split('/').map(|n| format!("'{n}'")).collect::<Vec<_>>().join(", "),
            };
            format!("[resourceId('{}', {name})]", r["type"].as_str().unwrap())
        })
        .collect();
    for r in resources {
        for d in r["dependsOn"].as_array().into_iter().flatten() {
            assert!(ids.iter().any(|i| i == d), "{d} in {ids:#?}");
        }
    }
    let opened = |c| bicep.matches(c).count();
    assert_eq!((opened('{'), opened('[')), (opened('}'), opened(']')));
    assert!(bicep.contains("parent: blobs") && bicep.contains("immutableStorageWithVersioning: {"));
}

#[test]
fn what_a_template_leaves_to_a_person_stands_at_its_top() {
    let plain = azure::emit(&crate::azure::settings()).unwrap();
    assert!(
        !text(&plain, "holdfast.bicep").contains("provision apply")
            && !text(&plain, "holdfast.arm.json").contains("metadata")
    );
    let mut s = crate::azure::scoped();
    s.retention.mode = holdfast_model::ImmutabilityMode::Compliance;
    let documents = azure::emit(&s).unwrap();
    let arm: Value = serde_json::from_str(text(&documents, "holdfast.arm.json")).unwrap();
    let bicep = text(&documents, "holdfast.bicep").split_once("targetScope").unwrap().0;
    for said in [bicep, arm["metadata"]["comments"].as_str().unwrap()] {
        assert!(said.contains("`holdfast provision apply` locks them"), "{said}");
        assert!(said.contains("Key Vault Crypto Service Encryption User"), "{said}");
    }
    assert_eq!(arm["resources"][0]["identity"]["type"], "SystemAssigned");
}

#[test]
fn two_archives_of_one_directory_have_roles_of_their_own() {
    let mut s = crate::azure::settings();
    let names = |s: &azure::AzureSettings| {
        let documents = azure::emit(s).unwrap();
        let arm: Value = serde_json::from_str(text(&documents, "holdfast.arm.json")).unwrap();
        let definitions =
            arm["resources"].as_array().unwrap().iter().filter(|r| r["properties"]["roleName"].is_string());
        let mut all: Vec<_> =
            definitions.flat_map(|r| [r["name"].clone(), r["properties"]["roleName"].clone()]).collect();
        let role: Value = serde_json::from_str(text(&documents, "holdfast-reader.role.json")).unwrap();
        all.push(role["Name"].clone());
        all
    };
    let ours = names(&s);
    s.account = "otherarchive".into();
    let theirs = names(&s);
    assert_eq!((ours.len(), ours.iter().filter(|n| theirs.contains(n)).count()), (7, 0), "{ours:?} {theirs:?}");
    s.location = String::new();
    let documents = azure::emit(&s).unwrap();
    assert!(text(&documents, "holdfast.bicep").contains("location: resourceGroup().location"));
    assert!(text(&documents, "holdfast.arm.json").contains("\"[resourceGroup().location]\""));
}
