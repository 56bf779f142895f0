//! The head on DynamoDB: a real server, processes that die, answers that get lost.

use crate::support::{MAC_SEED, SIGNER_SEED, TestClock, agent, assert_intact, draft, verify};
use aws_sdk_dynamodb::{
    Client,
    config::{BehaviorVersion, Credentials, Region},
    types::{AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType},
};
use holdfast_ledger::{
    DynamoHead, EventOutcome, FolderTiles, Ledger, LedgerHead as _, LedgerParts, LocalMac, LocalSigner, LookupKey,
    conformance,
};
use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::Duration,
};

/// A server of this test's own; it starts in 20 ms.
struct Server {
    child: Child,
    url: String,
    folder: tempfile::TempDir,
}

impl Server {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
        let child = Command::new("dynoxide")
            .args(["serve", "--log", "quiet", "--port", &port.to_string()])
            .current_dir(folder.path())
            .stdout(Stdio::null())
            .spawn()
            .expect("dynoxide is missing: `scripts/test` installs it (cargo install dynoxide-rs)");
        for _ in 0..500 {
            if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
                break;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Self { child, url: format!("http://127.0.0.1:{port}"), folder }
    }

    /// A server with a table.
    async fn with_table() -> Self {
        let server = Self::start();
        let key = |name: &str, kind: KeyType| {
            KeySchemaElement::builder().attribute_name(name).key_type(kind).build().unwrap()
        };
        let text = |name: &str| {
            let text = AttributeDefinition::builder().attribute_name(name);
            text.attribute_type(ScalarAttributeType::S).build().unwrap()
        };
        let create = client(&server.url).create_table().table_name("archive").billing_mode(BillingMode::PayPerRequest);
        let create = create.attribute_definitions(text("pk")).attribute_definitions(text("sk"));
        create.key_schema(key("pk", KeyType::Hash)).key_schema(key("sk", KeyType::Range)).send().await.unwrap();
        server
    }

    fn head(&self) -> Arc<DynamoHead> {
        head(&self.url)
    }

    async fn ledger(&self) -> Ledger {
        open(&self.url, self.folder.path()).await
    }

    fn tiles(&self) -> PathBuf {
        self.folder.path().join("tiles")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn client(url: &str) -> Client {
    let config = aws_sdk_dynamodb::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-central-1"))
        .credentials_provider(Credentials::new("test", "test", None, None, "test"))
        .endpoint_url(url);
    Client::from_conf(config.build())
}

fn head(url: &str) -> Arc<DynamoHead> {
    Arc::new(DynamoHead::new(client(url), "archive".into(), "test"))
}

async fn open(url: &str, folder: &Path) -> Ledger {
    let parts = LedgerParts {
        head: head(url),
        tiles: Arc::new(FolderTiles::open(&folder.join("tiles")).unwrap()),
        signer: Arc::new(LocalSigner::from_seed(&SIGNER_SEED)),
        mac: Arc::new(LocalMac::from_seed(&MAC_SEED)),
        clock: Arc::new(TestClock::default()),
        agent: agent(),
    };
    Ledger::open(parts).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn does_what_every_head_must() {
    let server = Server::with_table().await;
    conformance::ledger_head(server.head()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_ledger_works_on_it() {
    let server = Server::with_table().await;
    let tiles = Arc::new(FolderTiles::open(&server.tiles()).unwrap());
    conformance::ledger(server.head(), tiles).await.unwrap();
}
