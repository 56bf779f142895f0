//! The main job on each cloud, by the built executable alone: the cloud is set up, recordings are taken in, lifecycle moves them
//! into the cold, a subpoena is answered. The process dies between every two steps, and the rehydration outlasts it by hours:
//! the clock of the process (libfaketime) and that of the cloud (the proxy) are moved together.

use crate::{
    home::{Home, Ran, files},
    sample,
};
use holdfast_model::{Clock as _, SystemClock};
use holdfast_testkit::{
    ManualClock,
    cloud::{Azurite, Ministack, aws::AwsProxy, azure::AzureProxy},
};
use jiff::Timestamp;
use serde_json::Value;
use std::{
    fs, os::unix::fs::PermissionsExt as _, os::unix::process::ExitStatusExt as _, process::Command, sync::Arc,
    time::Duration,
};
use tokio::runtime::Runtime;

pub(crate) const FAKETIME: &str = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1";

/// How many recordings lie in the cold; one more stays online.
const COLD: usize = 3;

/// Every step of taking in, and every step between a subpoena and its answer, in the order in which they come.
const INGEST: [&str; 9] = [
    "ingest.run_started",
    "ingest.discovered",
    "ingest.intended",
    "ingest.stored",
    "ingest.read_back",
    "ingest.payload",
    "ingest.manifest",
    "ingest.outcome",
    "ingest.catalogued",
];
const ASKING: [&str; 5] = [
    "retrieval.approval_noted",
    "retrieval.jobs_approved",
    "retrieval.rehydration_intended",
    "retrieval.rehydration_requested",
    "retrieval.rehydration_recorded",
];
const FETCHING: [&str; 7] = [
    "retrieval.download_intended",
    "retrieval.block_written",
    "retrieval.downloaded",
    "retrieval.download_recorded",
    "retrieval.verification_intended",
    "retrieval.verified",
    "retrieval.placed",
];
const EXPORTING: [&str; 5] = [
    "retrieval.export_intended",
    "retrieval.exhibit_packed",
    "retrieval.export_written",
    "retrieval.export_verified",
    "retrieval.export_recorded",
];

enum Provider {
    Aws { proxy: AwsProxy, class: &'static str },
    Azure { proxy: AzureProxy },
}

/// A customer's cloud and a machine of theirs.
struct Site {
    home: Home,
    provider: Provider,
    media: String,
    clock: Arc<ManualClock>,
    began: Timestamp,
    runtime: Runtime,
}

impl Site {
    fn new(start: impl AsyncFnOnce(Arc<ManualClock>, &Home, &str) -> Provider) -> Self {
        assert!(fs::exists(FAKETIME).unwrap(), "install faketime: the tests move the clock of the built executable");
        let runtime = Runtime::new().unwrap();
        let began = SystemClock.now();
        let clock = Arc::new(ManualClock::at(began));
        let home = Home::new();
        fs::create_dir_all(home.path()).unwrap();
        let media = format!("media-{:x}", began.as_nanosecond() & 0xffff_ffff_ffff);
        let provider = runtime.block_on(start(clock.clone(), &home, &media));
        Self { home, provider, media, clock, began, runtime }
    }

    /// S3 with index, leases and ledger head in DynamoDB; recordings cool down to `class`.
    fn aws(class: &'static str) -> Self {
        Self::new(async |clock, home, media| {
            // Not dynoxide: it has no recovery to a point in time, which provisioning insists on.
            let proxy = AwsProxy::start(Ministack::start().await.url(), clock).await;
            let config = format!(
                "[archive]\nbackend = \"s3\"\n[archive.s3]\nmedia_bucket = \"{media}\"\nmeta_bucket = \"{media}-meta\"\n\
                 force_path_style = true\n[index]\nbackend = \"dynamodb\"\n[index.dynamodb]\ntable = \"{media}\"\n\
                 [aws]\nregion = \"us-east-1\"\nendpoint_url = \"{}\"\n",
                proxy.url()
            );
            fs::write(home.path().join("holdfast.toml"), config).unwrap();
            Provider::Aws { proxy, class }
        })
    }

    /// Azure Blob Storage with index, leases and ledger head on this machine.
    fn azure(rehydrate: &'static str) -> Self {
        Self::new(async |clock, home, media| {
            let azurite = Azurite::start().await;
            let proxy = AzureProxy::start(azurite.account_url(), clock).await;
            let ca = home.beside("ca.pem");
            fs::write(&ca, proxy.ca_pem()).unwrap();
            let config = format!(
                "[archive]\nbackend = \"azure\"\n[archive.azure]\naccount_url = \"{}\"\naccount = \"devstoreaccount1\"\nmedia_container = \"{media}\"\n\
                 meta_container = \"{media}-meta\"\nquarantine_container = \"{media}-meta\"\nrehydrate = \"{rehydrate}\"\n\
                 copy_container = \"{media}-copies\"\n[azure]\ncredential = \"cli\"\n[network]\nca_file = {:?}\n",
                proxy.url(),
                ca.display().to_string(),
            );
            fs::write(home.path().join("holdfast.toml"), config).unwrap();
            // The Azure CLI as far as a credential needs it.
            let bin = home.beside("bin");
            fs::create_dir_all(&bin).unwrap();
            let part = |json: &str| base64url(json.as_bytes());
            let token = format!(
                "{}.{}.{}",
                part(r#"{"alg":"none","typ":"JWT"}"#),
                part(
                    r#"{"aud":"https://storage.azure.com","iss":"https://sts.windows.net/tenant/","oid":"0d1e","tid":"tenant",
                        "upn":"dana@acme.example","nbf":1700000000,"iat":1700000000,"exp":4102444800}"#
                ),
                base64url(b"signature"),
            );
            let answer = format!(
                r#"{{"accessToken":"{token}","expiresOn":"2100-01-01 00:00:00.000000","expires_on":4102444800,"subscription":"s","tenant":"tenant","tokenType":"Bearer"}}"#
            );
            fs::write(bin.join("az"), format!("#!/bin/sh\ncat <<'X'\n{answer}\nX\n")).unwrap();
            fs::set_permissions(bin.join("az"), fs::Permissions::from_mode(0o755)).unwrap();
            Provider::Azure { proxy }
        })
    }

    /// The executable, at the time that it is in this cloud.
    fn command(&self) -> Command {
        let mut command = self.home.command();
        let path = std::env::var("PATH").unwrap_or_default();
        let ahead = self.clock.now().as_second() - self.began.as_second();
        command
            .env("PATH", format!("{}:{path}", self.home.beside("bin").display()))
            .env("AWS_ACCESS_KEY_ID", "test")
            .env("AWS_SECRET_ACCESS_KEY", "test")
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("LD_PRELOAD", FAKETIME)
            .env("FAKETIME", format!("+{ahead}s"))
            .env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        command
    }

    fn run(&self, args: &[&str]) -> Ran {
        Ran::of(self.command().args(args).arg("--json").output().unwrap())
    }

    #[track_caller]
    fn json(&self, args: &[&str]) -> Value {
        self.run(args).code(0).json()
    }

    /// Runs with a death at each of `steps` in turn, so that the job comes forward from one to the next.
    fn dying(&self, args: &[&str], steps: &[&str]) {
        for step in steps {
            let died = self.command().args(args).arg("--json").env("HOLDFAST_KILL_AT", step).output().unwrap();
            assert_eq!(
                died.status.signal(),
                Some(9),
                "{step} was never reached: {}",
                String::from_utf8_lossy(&died.stdout)
            );
            // What the dead one held lapses.
            self.pass(Duration::from_secs(11 * 60));
        }
    }

    fn pass(&self, time: Duration) {
        self.clock.advance(time);
    }

    fn cool(&self) {
        let keys: Vec<String> = self.keys("recordings/");
        assert_eq!(keys.len(), COLD + 1);
        for key in keys.iter().filter(|k| !k.contains("call-online")) {
            self.runtime.block_on(async {
                match &self.provider {
                    Provider::Aws { proxy, class } => proxy.transition(&self.media, key, class).await,
                    Provider::Azure { proxy } => proxy.transition(&self.media, key, "Archive").await,
                }
            });
        }
    }

    /// Keys of the media bucket that were written.
    fn keys(&self, prefix: &str) -> Vec<String> {
        let log = match &self.provider {
            Provider::Aws { proxy, .. } => proxy.log(),
            Provider::Azure { proxy } => proxy.log(),
        };
        let bucket = format!("{}/", self.media);
        let mut keys: Vec<String> = log
            .iter()
            .filter(|(op, _)| {
                ["PutObject", "CompleteMultipartUpload", "PutBlob", "PutBlockList"].contains(&op.as_str())
            })
            .filter_map(|(_, at)| at.trim_start_matches('/').strip_prefix(&bucket))
            .filter(|key| key.starts_with(prefix))
            .map(str::to_owned)
            .collect();
        keys.sort();
        keys.dedup();
        keys
    }

    /// Makes what must be there, as an administrator would. Azure's management plane is none of the proxy's: containers are made
    /// directly there.
    fn set_up(&self) {
        match &self.provider {
            Provider::Aws { .. } => {
                let missing = self.run(&["provision", "plan"]).code(3).json();
                assert!(missing["to_do"].as_u64().unwrap() > 0, "nothing is there yet: {missing}");
                self.json(&["provision", "apply", "--yes", "--set", "person.role=admin"]);
                self.json(&["ledger", "create"]);
            }
            Provider::Azure { proxy } => self.runtime.block_on(async {
                for name in ["", "-meta", "-copies"] {
                    proxy.container(&format!("{}{name}", self.media)).await;
                }
            }),
        }
    }

    fn asked(&self) -> usize {
        match &self.provider {
            Provider::Aws { proxy, .. } => proxy.calls("RestoreObject"),
            Provider::Azure { proxy } => proxy.calls("SetBlobTier") + proxy.calls("CopyBlob"),
        }
    }
}

fn base64url(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let n = chunk.iter().fold(0u32, |n, b| n << 8 | u32::from(*b)) << (8 * (3 - chunk.len()));
        for i in 0..=chunk.len() {
            out.push(char::from(ALPHABET[(n >> (18 - 6 * i)) as usize & 63]));
        }
    }
    out
}

/// The whole job; `outlasts` is how long the rehydration takes in this class at the speed that the plan chooses.
fn answers_a_subpoena(site: &Site, deadline_hours: u64, outlasts: Duration) {
    site.set_up();
    let source = site.home.beside("source");
    for n in 0..COLD {
        sample::put(&source, &format!("call-{n}"), "2024-03-01", 440.0 + n as f64);
    }
    sample::put(&source, "call-online", "2024-03-02", 660.0);
    let ingest = ["archiver", "ingest", source.to_str().unwrap()];
    site.json(&["status"]);
    site.dying(&ingest, &INGEST);
    let done = site.json(&ingest);
    assert_eq!(done["complete"], true, "{done}");
    assert_eq!(site.json(&["search"])["total"], COLD + 1);

    site.cool();
    site.pass(Duration::from_secs(86_400));
    assert_eq!(site.json(&["index", "refresh"])["changed"], COLD);
    let page = site.json(&["search", "--queue", "billing"]);
    let rows = page["results"].as_array().unwrap();
    let offline = rows.iter().filter(|r| r["availability"] == "offline").count();
    assert_eq!((rows.len(), offline), (COLD + 1, COLD), "{page}");
    let ids: Vec<&str> = rows.iter().map(|r| r["archive_id"].as_str().unwrap()).collect();

    let deadline = site.clock.now().checked_add(jiff::SignedDuration::from_hours(deadline_hours as i64)).unwrap();
    let create =
        ["matter", "create", "--name", "Doe v. Acme", "--reference", "24-CV-1", "--justification", "Subpoena of 1 May"];
    let matter = site.json(&[&create[..], &["--deadline", &deadline.to_string()]].concat());
    let matter = matter["matter_id"].as_str().unwrap();
    site.json(&[&["matter", "add", matter][..], &ids].concat());
    let plan = site.json(&["plan", "--matter", matter]);
    let totals = &plan["totals"];
    assert_eq!((&totals["to_rehydrate"], &totals["meets_deadline"]), (&COLD.into(), &true.into()), "{plan}");
    let plan_id = plan["plan_id"].as_str().unwrap();

    // Asked for, with a death after every step; then nobody runs at all until it is there.
    let out = site.home.beside("out");
    let retrieve = ["retrieve", "--matter", matter, "--plan", plan_id, "--to", out.to_str().unwrap()];
    site.dying(&retrieve, &ASKING);
    let waiting = site.run(&retrieve).code(5).json();
    let states: Vec<&str> = waiting["items"].as_array().unwrap().iter().map(|i| i["state"].as_str().unwrap()).collect();
    assert_eq!(states.iter().filter(|s| **s == "rehydrating").count(), COLD, "{waiting}");
    assert_eq!(site.asked(), COLD, "each was asked for once");
    site.pass(outlasts);
    site.dying(&retrieve, &FETCHING);
    let done = site.json(&retrieve);
    for item in done["items"].as_array().unwrap() {
        assert_eq!((&item["state"], &item["outcome"]), (&"verified".into(), &"verified".into()), "{item}");
        let measured = Command::new("sha256sum").arg(item["path"].as_str().unwrap()).output().unwrap().stdout;
        assert!(String::from_utf8(measured).unwrap().starts_with(item["sha256"].as_str().unwrap()), "{item}");
    }
    assert_eq!(site.asked(), COLD, "and never again");

    let export = ["export", "--matter", matter, "--to", out.to_str().unwrap()];
    site.dying(&export, &EXPORTING);
    let exported = site.json(&export);
    let package = exported["package"].as_str().unwrap();
    let checked =
        Command::new("sha256sum").args(["--check", "--quiet", "manifest-sha256.txt"]).current_dir(package).status();
    assert!(checked.unwrap().success());
    assert_eq!(site.json(&["verify", package])["outcome"], "verified");

    // Nothing lost, nothing doubled, everything told.
    assert_eq!(site.json(&["ledger", "verify"])["outcome"], "verified");
    let check = site.json(&["index", "check"]);
    assert_eq!((&check["manifests"], &check["rows"]), (&(COLD + 1).into(), &(COLD + 1).into()), "{check}");
    let entries = site.json(&["ledger", "show", "--limit", "1000"]);
    let entries = entries["entries"].as_array().unwrap();
    for (action, each) in
        [("accession", COLD + 1), ("rehydration", COLD), ("download", COLD + 1), ("verification", 0), ("export", 0)]
    {
        let of = |phase: &str| entries.iter().filter(|e| e["action"] == action && e["phase"] == phase).count();
        assert!(of("intent") >= each.max(1), "{action} was not announced");
        assert_eq!(of("intent"), of("outcome"), "{action}: each intent has its outcome");
        let succeeded = |e: &&Value| e["action"] == action && e["phase"] == "outcome" && e["outcome"] == "succeeded";
        if each > 0 {
            assert_eq!(entries.iter().filter(succeeded).count(), each, "{action}: once each");
        }
    }
    assert!(
        entries.iter().all(|e| e["cloud_identity"].is_string() || e["agent"]["cloud_identity"].is_string()),
        "{:?}",
        entries[0]
    );
    // No credential stands anywhere on this machine.
    for path in files(&site.home.path()) {
        let bytes = fs::read(&path).unwrap();
        for secret in [&b"AWS_SECRET"[..], b"eyJhbGciOiJub25lI"] {
            assert!(!bytes.windows(secret.len()).any(|w| w == secret), "{} holds a credential", path.display());
        }
    }
}

#[test]
fn from_glacier_flexible_retrieval() {
    answers_a_subpoena(&Site::aws("GLACIER"), 7 * 24, Duration::from_secs(13 * 3600));
}

#[test]
fn from_deep_archive() {
    answers_a_subpoena(&Site::aws("DEEP_ARCHIVE"), 7 * 24, Duration::from_secs(49 * 3600));
}

#[test]
fn from_azure_archive_by_tier() {
    answers_a_subpoena(&Site::azure("tier"), 7 * 24, Duration::from_secs(16 * 3600));
}

#[test]
fn from_azure_archive_by_copy() {
    answers_a_subpoena(&Site::azure("copy"), 7 * 24, Duration::from_secs(16 * 3600));
}
