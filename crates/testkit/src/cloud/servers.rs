//! Starts the real servers. One of each is shared by all test processes of a run: whoever comes first starts it, whoever comes
//! next finds it by its file and asks whether it answers, and a watchdog ends it when nobody has touched it for a minute.
//! Each test makes its own bucket, table or container.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::missing_panics_doc)] // these are tests

mod azurite;
mod rgw;

pub use azurite::Azurite;
pub(super) use azurite::certificates;
pub use rgw::Rgw;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::{
    collections::BTreeSet,
    env, fs,
    net::TcpListener,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{Mutex, PoisonError},
    thread,
    time::Duration,
};

/// Ends a server that no test has touched for so long, s. Long enough for a test binary to be linked between two runs.
const IDLE_S: u64 = 60;
const WATCHDOG: &str = include_str!("servers/watchdog.py");

/// One program of a server.
struct Program {
    argv: Vec<String>,
    env: Vec<(&'static str, String)>,
}

/// A server that is not running yet. What is in it decides which running one can be shared.
struct Recipe {
    name: &'static str,
    /// Changes with whatever makes an older server unfit.
    version: &'static str,
    /// Asked until it answers with any status.
    url: fn(u16) -> String,
    /// Prepares the folder and says what to run in it.
    programs: fn(&Path, u16) -> Vec<Program>,
    /// Run once when it answers.
    settle: fn(&Path),
    /// How long it may take until it answers.
    patience: Duration,
}

/// A server that answers.
#[derive(Debug, Clone)]
struct Running {
    url: String,
    folder: PathBuf,
}

/// Where servers keep their files: the same for all processes of a run.
fn root() -> PathBuf {
    env::var_os("HOLDFAST_TEST_SERVERS").map_or_else(|| env::temp_dir().join("holdfast-test-servers"), PathBuf::from)
}

/// Where `scripts/test` installs what the tests need.
fn cache() -> PathBuf {
    let home = || env::var_os("HOME").map(|h| PathBuf::from(h).join(".cache"));
    env::var_os("HOLDFAST_CACHE").map(PathBuf::from).unwrap_or_else(|| {
        env::var_os("XDG_CACHE_HOME").map(PathBuf::from).or_else(home).unwrap_or_default().join("holdfast")
    })
}

/// An installed program. A missing one fails the test: nothing is skipped.
fn installed(path: PathBuf, how: &str) -> String {
    assert!(path.exists(), "{} is missing: {how}", path.display());
    path.into_os_string().into_string().expect("a path in UTF-8")
}

fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).and_then(|l| l.local_addr()).expect("a free port").port()
}

impl Recipe {
    /// The running server, or a new one.
    async fn start(self) -> Running {
        let hash = hex(&Sha256::digest(format!("{}{IDLE_S}{WATCHDOG}", self.version)));
        let folder = root().join(format!("{}-{}", self.name, &hash[..8]));
        fs::create_dir_all(&folder).expect("a folder for test servers");
        let at = folder.join("lock");
        let lock = tokio::task::spawn_blocking(move || {
            let file =
                fs::File::options().create(true).truncate(false).write(true).open(at).expect("the lock of a server");
            file.lock().expect("the lock of a server");
            file
        })
        .await
        .expect("the lock of a server");
        let running = match self.found(&folder).await {
            Some(running) => running,
            None => self.run(&folder).await,
        };
        keep_alive(&running.folder);
        drop(lock);
        running
    }

    async fn found(&self, folder: &Path) -> Option<Running> {
        let note: Value = serde_json::from_slice(&fs::read(folder.join("server.json")).ok()?).ok()?;
        if !Path::new("/proc").join(note["pid"].as_u64()?.to_string()).exists() {
            return None;
        }
        let running =
            Running { url: note["url"].as_str()?.to_owned(), folder: note["folder"].as_str().map(PathBuf::from)? };
        // Under load a request can be slow; a server that is gone refuses at once.
        answers(&running.url, Duration::from_secs(20)).await.then_some(running)
    }

    #[allow(clippy::zombie_processes)] // the watchdog outlives this process on purpose
    async fn run(&self, folder: &Path) -> Running {
        let port = free_port();
        let running = Running { url: (self.url)(port), folder: folder.join(port.to_string()) };
        let _ = fs::remove_dir_all(&running.folder);
        fs::create_dir_all(&running.folder).expect("a folder for a test server");
        touch(&running.folder);
        let programs = (self.programs)(&running.folder, port);
        let programs: Vec<_> = programs
            .into_iter()
            .map(|p| json!({"argv": p.argv, "env": p.env.into_iter().collect::<std::collections::BTreeMap<_, _>>()}))
            .collect();
        let plan = json!({"folder": running.folder, "lock": folder.join("lock"), "note": folder.join("server.json"),
            "idle_s": IDLE_S, "programs": programs});
        fs::write(running.folder.join("plan.json"), plan.to_string()).expect("the plan of a test server");
        let log = fs::File::create(running.folder.join("watchdog.log")).expect("a log");
        // Away from this test's process group and output: the server outlives the test, and nobody waits for its pipes.
        let mut watchdog = Command::new("python3")
            .args(["-c", WATCHDOG])
            .arg(running.folder.join("plan.json"))
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a log"))
            .stderr(log)
            .process_group(0)
            .spawn()
            .expect("python3 is missing: install the Debian package python3-venv (scripts/test does it)");
        let note = json!({"pid": watchdog.id(), "url": running.url, "folder": running.folder});
        let mut waited = Duration::ZERO;
        while !answers(&running.url, Duration::from_secs(2)).await {
            let ended = watchdog.try_wait().expect("a child").is_some();
            assert!(!ended && waited < self.patience, "{} does not start: {}", self.name, logs(&running.folder));
            touch(&running.folder);
            tokio::time::sleep(Duration::from_millis(100)).await;
            waited += Duration::from_millis(100);
        }
        let (at, settle) = (running.folder.clone(), self.settle);
        tokio::task::spawn_blocking(move || settle(&at)).await.expect("the server was made ready");
        fs::write(folder.join("server.json"), note.to_string()).expect("the note of a test server");
        running
    }
}

/// Whether a real request gets any answer.
async fn answers(url: &str, within: Duration) -> bool {
    let client = reqwest::Client::builder().tls_danger_accept_invalid_certs(true).no_proxy().timeout(within).build();
    match client {
        Ok(client) => client.get(url).send().await.is_ok(),
        Err(_) => false,
    }
}

/// The last words of a server's programs.
fn logs(folder: &Path) -> String {
    let files = fs::read_dir(folder).into_iter().flatten().flatten().map(|f| f.path());
    files
        .filter(|p| p.extension().is_some_and(|e| e == "log"))
        .map(|p| {
            let text = String::from_utf8_lossy(&fs::read(&p).unwrap_or_default()).into_owned();
            let tail: Vec<_> = text.lines().rev().take(15).collect();
            format!("\n{}:\n{}", p.display(), tail.into_iter().rev().collect::<Vec<_>>().join("\n"))
        })
        .collect()
}

fn touch(folder: &Path) {
    // Nothing breaks where this fails: the server ends early and the next test starts another.
    let _ = fs::write(folder.join("touched"), b".");
}

/// Touches the server as long as this process lives.
fn keep_alive(folder: &Path) {
    static KEPT: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());
    touch(folder);
    if KEPT.lock().unwrap_or_else(PoisonError::into_inner).insert(folder.to_owned()) {
        let folder = folder.to_owned();
        thread::spawn(move || {
            loop {
                thread::sleep(Duration::from_secs(10));
                touch(&folder);
            }
        });
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// S3, DynamoDB, KMS, SQS, STS and IAM (ministack 1.5.33). It takes any credentials, but presigned addresses are checked: sign
/// with `test` and `test`. [`super::aws::AwsProxy`] stands before it.
#[derive(Debug, Clone)]
pub struct Ministack(Running);

impl Ministack {
    /// The shared server.
    ///
    /// # Panics
    /// Where it is not installed, with the words what to do.
    pub async fn start() -> Self {
        let programs = |folder: &Path, port: u16| {
            let how = "pip install ministack==1.5.33 into $HOLDFAST_CACHE/venv (scripts/test does it)";
            installed(cache().join("venv/bin/ministack"), how);
            let python = installed(cache().join("venv/bin/python"), how);
            vec![Program {
                argv: vec![python, "-m".to_owned(), "ministack".to_owned()],
                env: vec![
                    ("BIND_HOST", "127.0.0.1".to_owned()),
                    ("GATEWAY_PORT", port.to_string()),
                    ("SERVICES", "s3,dynamodb,kms,sqs,sts,iam".to_owned()),
                    ("LOG_LEVEL", "WARNING".to_owned()),
                    ("TMPDIR", folder.display().to_string()),
                ],
            }]
        };
        let url = |port| format!("http://127.0.0.1:{port}");
        let patience = Duration::from_secs(120);
        Self(Recipe { name: "ministack", version: "1.5.33", url, programs, settle: |_| {}, patience }.start().await)
    }

    /// Where it listens.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.0.url
    }
}

impl AsRef<str> for Ministack {
    fn as_ref(&self) -> &str {
        self.url()
    }
}

/// DynamoDB on `SQLite` (dynoxide-rs 3.2.0).
#[derive(Debug, Clone)]
pub struct Dynoxide(Running);

impl Dynoxide {
    /// The shared server.
    ///
    /// # Panics
    /// Where it is not installed, with the words what to do.
    pub async fn start() -> Self {
        let programs = |folder: &Path, port: u16| {
            let how = "cargo install dynoxide-rs@3.2.0 --no-default-features --features native-sqlite,http-server,cli \
                       --root $HOLDFAST_CACHE/tools (scripts/test does it)";
            let program = installed(cache().join("tools/bin/dynoxide"), how);
            let data = folder.join("dynamodb.sqlite").display().to_string();
            let port = port.to_string();
            let argv = [&program, "serve", "--host", "127.0.0.1", "--port", &port, "--db-path", &data];
            vec![Program { argv: argv.map(str::to_owned).to_vec(), env: vec![] }]
        };
        let url = |port| format!("http://127.0.0.1:{port}");
        let patience = Duration::from_secs(30);
        Self(Recipe { name: "dynoxide", version: "3.2.0", url, programs, settle: |_| {}, patience }.start().await)
    }

    /// Where it listens.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.0.url
    }
}

impl AsRef<str> for Dynoxide {
    fn as_ref(&self) -> &str {
        self.url()
    }
}
