//! The console with an archive in S3 and everything else in DynamoDB, as several machines share them.

use crate::{
    home::{Home, Ran},
    sample,
};
use aws_sdk_dynamodb::types::TableStatus;
use holdfast_model::SystemClock;
use holdfast_testkit::cloud::{Dynoxide, Ministack, aws::AwsProxy, dynamodb_client, dynamodb_table, s3_client};
use serde_json::Value;
use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    process::{Command, Stdio},
    sync::Arc,
};

/// Buckets and a table of its own on shared servers.
struct Cloud {
    s3: String,
    dynamodb: String,
    name: String,
    /// Stands before S3 and keeps what the real one would.
    proxy: AwsProxy,
    client: aws_sdk_s3::Client,
}

impl Cloud {
    async fn new() -> Self {
        let (s3, dynamodb) = (Ministack::start().await, Dynoxide::start().await);
        let proxy = AwsProxy::start(&s3, Arc::new(SystemClock)).await;
        let name = format!("hf-{}", std::process::id());
        let client = aws_sdk_s3::Client::from_conf(s3_client(&proxy.url()).build());
        client.create_bucket().bucket(&name).object_lock_enabled_for_bucket(true).send().await.unwrap();
        let tables = aws_sdk_dynamodb::Client::from_conf(dynamodb_client(dynamodb.url()).build());
        dynamodb_table(&tables, &name).await;
        loop {
            let table = tables.describe_table().table_name(&name).send().await.unwrap().table.unwrap();
            if table.table_status == Some(TableStatus::Active) {
                break;
            }
            tokio::task::yield_now().await;
        }
        Self { s3: s3.url().to_owned(), dynamodb: dynamodb.url().to_owned(), name, proxy, client }
    }

    /// Keys in the bucket below a prefix.
    async fn keys(&self, prefix: &str) -> Vec<String> {
        let listed = self.client.list_objects_v2().bucket(&self.name).prefix(prefix).send().await.unwrap();
        listed.contents().iter().filter_map(|o| o.key.clone()).collect()
    }

    fn configure(&self, home: &Home, index: &str) {
        let Self { s3, dynamodb, name, .. } = self;
        let proxy = self.proxy.url();
        let text = format!(
            "[archive]\nbackend = \"s3\"\n[archive.s3]\nmedia_bucket = \"{name}\"\nforce_path_style = true\n\
             [index]\nbackend = \"{index}\"\n[index.dynamodb]\ntable = \"{name}\"\n\
             [aws]\nregion = \"us-east-1\"\nendpoint_url = \"{s3}\"\ns3_endpoint_url = \"{proxy}\"\ndynamodb_endpoint_url = \"{dynamodb}\"\n"
        );
        std::fs::create_dir_all(home.path()).unwrap();
        std::fs::write(home.path().join("holdfast.toml"), text).unwrap();
    }
}

fn command(home: &Home) -> Command {
    let mut command = home.command();
    command
        .env("AWS_ACCESS_KEY_ID", "test")
        .env("AWS_SECRET_ACCESS_KEY", "test")
        .env("AWS_EC2_METADATA_DISABLED", "true");
    command
}

fn run(home: &Home, args: &[&str]) -> Ran {
    Ran::of(command(home).args(args).arg("--json").output().unwrap())
}

fn run_with(home: &Home, args: &[&str], input: &str) -> Ran {
    let mut child = command(home)
        .args(args)
        .arg("--json")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    Ran::of(child.wait_with_output().unwrap())
}

#[track_caller]
fn refused(ran: Ran, code: &str) {
    let answer = ran.json();
    assert_eq!(answer["error"]["code"], code, "{answer}");
    assert!(answer["error"]["next"].as_str().unwrap().len() > 20, "{answer}");
}

/// GET of an address on the loopback, whole.
fn get(url: &str) -> Vec<u8> {
    let (host, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let mut stream = TcpStream::connect(host).unwrap();
    write!(stream, "GET /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer[..answer.len().min(400)]));
    let end = answer.windows(4).position(|w| w == b"\r\n\r\n").unwrap();
    answer.split_off(end + 4)
}

fn ingest(home: &Home, interaction: &str) -> String {
    let folder = home.beside(&format!("drop-{interaction}"));
    sample::put(&folder, interaction, "2026-03-01", 440.0);
    let done = run(home, &["archiver", "ingest", folder.to_str().unwrap()]).code(0).json();
    assert_eq!(done["archived"], 1, "{done}");
    let found = run(home, &["search", "--interaction", interaction]).code(0).json();
    found["results"][0]["archive_id"].as_str().unwrap().to_owned()
}

/// A link opens the very bytes, stands in the ledger with the cloud's word for who made it, and its address stands nowhere.
fn link_and_look(home: &Home, id: &str) {
    refused(run(home, &["link", id, "--for", "3h", "--reason", "x"]).code(2), "link.bad_time");
    let links = run(home, &["link", id, "--for", "30m", "--reason", "for counsel"]).code(0).json();
    let link = &links["links"][0];
    let url = link["url"].as_str().unwrap();
    assert_eq!(get(url), sample::wav(440.0, 2_000));

    let status = run(home, &["status"]).code(0).json();
    let arn = status["cloud_identity"].as_str().unwrap();
    assert!(arn.starts_with("arn:aws:"), "{status}");
    let shown = run(home, &["ledger", "show", "--id", id]).code(0).json();
    let entries = shown["entries"].as_array().unwrap();
    let made: Vec<&Value> = entries.iter().filter(|e| e["action"] == "link").collect();
    assert_eq!(made.len(), 2, "{shown}");
    assert_eq!(
        (made[0]["phase"].as_str(), made[1]["outcome"].as_str()),
        (Some("intent"), Some("succeeded")),
        "{shown}"
    );
    assert_eq!(made[1]["sequence"], link["ledger"], "the outcome stands before the link is shown");
    let everything = files_of(home);
    assert!(everything.contains(arn), "the identity stands in the ledger");
    let signature = url.split("X-Amz-Signature=").nth(1).unwrap().split('&').next().unwrap();
    assert!(!everything.contains(signature) && !shown.to_string().contains(signature), "the address stands nowhere");
}

/// The local ledger as text, and what the command shows of a shared one.
fn files_of(home: &Home) -> String {
    let mut all = String::new();
    for file in crate::home::files(&home.path()) {
        all.push_str(&String::from_utf8_lossy(&std::fs::read(file).unwrap()));
    }
    all.push_str(&run(home, &["ledger", "show", "--limit", "200"]).code(0).json().to_string());
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archive_in_s3_with_its_ledger_here() {
    let (cloud, home) = (Cloud::new().await, Home::new());
    cloud.configure(&home, "sqlite");
    run(&home, &["status"]).code(0);
    assert_eq!(cloud.keys("").await, [""; 0], "opening creates nothing");
    let id = ingest(&home, "i-1");
    link_and_look(&home, &id);
    let verified = run(&home, &["verify", &id]).code(0).json();
    assert_eq!(verified["outcome"], "verified", "{verified}");
    let report = run(&home, &["ledger", "verify"]).code(0).json();
    assert_eq!(report["outcome"], "verified", "{report}");

    // Lifecycle made it cold: a link would open nothing.
    let keys = cloud.keys("recordings/").await;
    cloud.proxy.transition(&cloud.name, &keys[0], "GLACIER").await;
    let answer = run(&home, &["link", &id, "--reason", "for counsel"]).code(1).json();
    assert_eq!(
        (&answer["links"][0]["code"], &answer["links"][0]["url"]),
        (&"store.offline".into(), &Value::Null),
        "{answer}"
    );
    let shown = run(&home, &["ledger", "show", "--id", &id]).code(0).json();
    let last = shown["entries"].as_array().unwrap().iter().rfind(|e| e["action"] == "link").unwrap();
    assert_eq!((&last["outcome"], &last["sequence"]), (&"refused".into(), &answer["links"][0]["ledger"]), "{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn machines_share_one_ledger_under_one_key() {
    let (cloud, first, second) = (Cloud::new().await, Home::new(), Home::new());
    cloud.configure(&first, "dynamodb");
    cloud.configure(&second, "dynamodb");
    refused(run(&first, &["status"]).code(2), "keys.not_here");
    let made = run(&first, &["ledger", "create"]).code(0).json();
    refused(run(&first, &["ledger", "create"]).code(2), "ledger.there_already");
    let id = ingest(&first, "i-1");
    link_and_look(&first, &id);

    // The second machine has no keys; then others; then the right ones.
    refused(run(&second, &["status"]).code(2), "keys.not_here");
    let stranger = Home::new();
    cloud.configure(&stranger, "sqlite");
    run(&stranger, &["status"]).code(0);
    let (wrong, right) = (first.beside("wrong.json"), first.beside("right.json"));
    let (wrong, right) = (wrong.to_str().unwrap(), right.to_str().unwrap());
    run_with(&stranger, &["keys", "export", wrong], "a long enough passphrase\n").code(0);
    run_with(&first, &["keys", "export", right], "a long enough passphrase\n").code(0);
    refused(run_with(&first, &["keys", "export", right], "a long enough passphrase\n").code(2), "keys.not_exported");
    let other = Home::new();
    cloud.configure(&other, "dynamodb");
    run_with(&other, &["keys", "import", wrong], "a long enough passphrase\n").code(0);
    let before = run(&first, &["status"]).code(0).json()["ledger_entries"].clone();
    refused(run(&other, &["status"]).code(1), "keys.not_this_ledger");
    assert_eq!(run(&first, &["status"]).code(0).json()["ledger_entries"], before, "nothing was appended");

    refused(run_with(&second, &["keys", "import", right], "not this passphrase\n").code(2), "keys.passphrase");
    run_with(&second, &["keys", "import", right], "a long enough passphrase\n").code(0);
    let status = run(&second, &["status"]).code(0).json();
    assert_eq!(status["ledger_id"], made["ledger_id"]);
    assert_eq!(status["recordings"], 1, "{status}");
    let other_id = ingest(&second, "i-2");
    assert_ne!(id, other_id);
    let report = run(&first, &["ledger", "verify"]).code(0).json();
    assert_eq!(report["outcome"], "verified", "{report}");
    assert_eq!(run(&first, &["status"]).code(0).json()["recordings"], 2);
    // A home that has a ledger of its own takes no part.
    cloud.configure(&stranger, "dynamodb");
    refused(run(&stranger, &["status"]).code(2), "home.own_ledger");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_cloud_is_told_by_name_at_opening() {
    let (cloud, home) = (Cloud::new().await, Home::new());
    cloud.configure(&home, "dynamodb");
    run(&home, &["ledger", "create"]).code(0);
    let set = |name: &str, value: &str| run(&home, &["status", "--set", &format!("{name}={value}")]);
    refused(set("index.dynamodb.table", "holdfast-nowhere"), "ledger.no_table");
    refused(set("archive.s3.media_bucket", "holdfast-nowhere"), "cloud.no_bucket");
    refused(set("aws.s3_endpoint_url", "http://127.0.0.1:9"), "cloud.unreachable");
    let none =
        Ran::of(home.command().args(["status", "--json"]).env("AWS_EC2_METADATA_DISABLED", "true").output().unwrap());
    refused(none.code(1), "cloud.no_credentials");
}
