//! From nothing to an archive in the cloud: planned, made, proven, opened, by the console alone.

use crate::{
    home::{Home, Ran},
    stop::tell,
};
use holdfast_model::SystemClock;
use holdfast_testkit::cloud::{
    Ministack,
    aws::{AwsProxy, Fault, FaultKind},
};
use serde_json::Value;
use std::{
    process::{Command, Stdio},
    sync::Arc,
    time::Duration,
};

fn configure(home: &Home, url: &str, name: &str, role: &str) {
    let text = format!(
        "[person]\nrole = \"{role}\"\n[archive]\nbackend = \"s3\"\n[archive.s3]\nmedia_bucket = \"{name}-media\"\n\
         meta_bucket = \"{name}-meta\"\nforce_path_style = true\n[index]\nbackend = \"dynamodb\"\n[index.dynamodb]\n\
         table = \"{name}\"\n[aws]\nregion = \"eu-central-1\"\nendpoint_url = \"{url}\"\n\
         [provision.lifecycle]\ncold_class = \"GLACIER\"\n"
    );
    std::fs::create_dir_all(home.path()).unwrap();
    std::fs::write(home.path().join("holdfast.toml"), text).unwrap();
}

fn command(home: &Home, args: &[&str]) -> Command {
    let mut command = home.command();
    command
        .env("AWS_ACCESS_KEY_ID", "test")
        .env("AWS_SECRET_ACCESS_KEY", "test")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .args(args)
        .arg("--json");
    command
}

fn run(home: &Home, args: &[&str]) -> Ran {
    Ran::of(command(home, args).output().unwrap())
}

fn count(v: &Value, name: &str) -> u64 {
    v[name].as_u64().unwrap_or_else(|| panic!("{v}"))
}

#[tokio::test]
async fn an_archive_in_the_cloud_from_nothing() {
    let server = Ministack::start().await;
    let (home, name) = (Home::new(), format!("cli-{}", std::process::id()));
    configure(&home, server.url(), &name, "legal");
    let plan = run(&home, &["provision", "plan"]).code(3).json();
    assert!(count(&plan, "to_do") > 10 && count(&plan, "barred") == 0, "{plan}");
    assert_eq!(plan["confirm"], format!("{name}-media"));
    assert_eq!(run(&home, &["provision", "apply", "--yes"]).code(1).json()["error"]["code"], "provision.not_admin");
    configure(&home, server.url(), &name, "admin");
    // Nobody at the terminal: nothing is confirmed.
    assert_eq!(run(&home, &["provision", "apply"]).code(2).json()["error"]["code"], "cli.not_confirmed");
    assert_eq!(run(&home, &["provision", "plan"]).code(3).json(), plan, "nothing was changed");
    let failed = run(&home, &["preflight"]).code(1).json();
    assert!(count(&failed, "failed") > 0);

    let applied = run(&home, &["provision", "apply", "--yes"]).code(0).json();
    assert_eq!(applied["done"].as_array().map(Vec::len), plan["entries"].as_array().map(Vec::len));
    assert!(run(&home, &["provision", "apply", "--yes"]).code(0).json()["done"].as_array().unwrap().is_empty());
    assert_eq!(count(&run(&home, &["provision", "plan"]).code(0).json(), "to_do"), 0);
    let proven = run(&home, &["preflight"]).code(0).json();
    assert_eq!((&proven["green"], count(&proven, "failed")), (&Value::from(true), 0), "{proven}");
    run(&home, &["ledger", "create"]).code(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn stopped_between_two_steps_it_says_so_and_goes_on_where_it_was() {
    let proxy = AwsProxy::start(Ministack::start().await, Arc::new(SystemClock)).await;
    let (home, name) = (Home::new(), format!("cli-stop-{}", std::process::id()));
    configure(&home, &proxy.url(), &name, "admin");
    proxy.fault(Fault::on("CreateBucket", FaultKind::Delay(Duration::from_secs(2))));
    let apply = ["provision", "apply", "--yes"];
    let child = command(&home, &apply).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    while proxy.calls("CreateBucket") == 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    tell(&child, "-INT");
    let stopped = Ran::of(child.wait_with_output().unwrap()).code(130).json();
    assert_eq!(stopped["done"].as_array().map(Vec::len), Some(1), "the step under way was done: {stopped}");
    assert!(count(&stopped["left"], "to_do") > 0, "{stopped}");
    run(&home, &apply).code(0);
}

#[test]
fn written_out_without_a_cloud_and_never_over_another_file() {
    let home = Home::new();
    configure(&home, "http://127.0.0.1:9", "acme", "admin");
    let to = home.beside("review");
    let to = to.to_str().unwrap();
    run(&home, &["provision", "emit", "--to", to]).code(0);
    let file = home.beside("review").join("holdfast.cfn.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(
        text.contains("\"acme-media\"") && text.contains("\"GLACIER\"") && !text.contains("DEEP_ARCHIVE"),
        "{text}"
    );
    run(&home, &["provision", "emit", "--to", to]).code(0);
    std::fs::write(&file, "mine").unwrap();
    assert_eq!(run(&home, &["provision", "emit", "--to", to]).code(2).json()["error"]["code"], "provision.not_written");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "mine");
    let one = home.run(&["provision", "emit", "--only", "holdfast-reader.iam.json"]).code(0).stdout;
    assert!(serde_json::from_str::<Value>(&one).unwrap()["Statement"].is_array());
    assert_eq!(run(&home, &["provision", "emit", "--only", "x"]).code(2).json()["error"]["code"], "cli.no_document");
}

#[test]
fn a_local_archive_is_proven_and_not_provisioned() {
    let home = Home::new();
    let refused = home.run(&["provision", "plan", "--json"]).code(2).json();
    assert_eq!(refused["error"]["code"], "provision.nothing");
    let proven = home.json(&["preflight"]);
    assert_eq!(proven["green"], true, "{proven}");
    let told = home.run(&["preflight"]).code(0);
    assert!(told.stderr.contains("ok     Creating an object"), "{}", told.stderr);
    assert!(told.stdout.contains("0 failed"), "{}", told.stdout);
}
