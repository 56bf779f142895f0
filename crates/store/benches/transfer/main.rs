//! One file of 1 GiB and 2,000 of 1 MiB from and to an S3 server in memory on this machine, against `s5cmd`, `aws s3 cp` and
//! `rclone`, which only copy: `cargo bench -p holdfast-store --bench transfer`. Prints seconds by the clock, the same until the bytes are
//! on the disk (`TMPDIR` says on which), processor seconds and peak memory of each client.
//!
//! Holdfast's download is the desk's, step by step (`retrieval/src/job/download.rs`, with the desk's own limits): ranges in order,
//! SHA-256 on the way, fsync, digest compared, rename, fsync of the folder. Its upload is the store's `create`
//! with the digest that is expected, each part with a SHA-256 for S3 to check; once alone, and once read back whole and compared, as the
//! archiver does it. Each client is a process of its own; the server is one more.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)] // a benchmark

mod holdfast;
mod peers;

use holdfast_model::Sha256Digest;
use holdfast_testkit::cloud::FastS3;
use serde::{Deserialize, Serialize};
use std::{
    env,
    fs::{self, File},
    io::{BufRead as _, BufReader, Read as _, Write as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Instant,
};

const BIG_BYTES: usize = 1 << 30;
const SMALL_BYTES: usize = 1 << 20;
const SMALL_FILES: usize = 2_000;

/// What there is to move.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Item {
    key: String,
    size_bytes: u64,
    digest: Sha256Digest,
}

/// What a client is told.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Job {
    url: String,
    ca: PathBuf,
    bucket: String,
    /// Where files come from or go to.
    folder: PathBuf,
    items: Vec<Item>,
}

/// What running a client took.
#[derive(Debug, Clone, Copy, Deserialize)]
struct Took {
    wall_s: f64,
    /// With what it takes then until the bytes are on the disk; not so of uploads.
    #[serde(default)]
    on_disk_s: f64,
    processor_s: f64,
    peak_mb: f64,
}

fn main() {
    match env::var("HOLDFAST_TRANSFER").as_deref() {
        Ok("serve") => serve(),
        Ok("download") => holdfast::run(holdfast::Way::Download),
        Ok("upload") => holdfast::run(holdfast::Way::Upload { read_back: false }),
        Ok("upload, read back") => holdfast::run(holdfast::Way::Upload { read_back: true }),
        _ => compare(),
    }
}

/// Bytes that repeat nowhere within 8.
fn noise(buffer: &mut [u8]) {
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    for chunk in buffer.chunks_mut(8) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        chunk.copy_from_slice(&state.to_le_bytes()[..chunk.len()]);
    }
}

/// The server's process: tells its address, ends with its standard input.
fn serve() {
    let folder = PathBuf::from(env::var_os("HOLDFAST_TRANSFER_FOLDER").expect("a folder"));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let plain = env::var("HOLDFAST_TRANSFER_TLS").as_deref() == Ok("0");
    let server =
        runtime.block_on(async { if plain { FastS3::start_plain().await } else { FastS3::start(&folder).await } });
    let mut all = vec![0u8; BIG_BYTES];
    noise(&mut all);
    let all = bytes::Bytes::from(all);
    server.put("big", "file.wav", all.clone());
    for (i, item) in small_items(&[]).iter().enumerate() {
        server.put("small", &item.key, all.slice(small_range(i)));
    }
    println!("{}", server.url());
    let _ = std::io::stdin().read(&mut [0u8]);
}

/// The small files are cut out of the big one, each elsewhere.
fn small_range(i: usize) -> std::ops::Range<usize> {
    let start = i * (BIG_BYTES - SMALL_BYTES) / SMALL_FILES;
    start..start + SMALL_BYTES
}

fn small_items(all: &[u8]) -> Vec<Item> {
    let item = |i: usize| Item {
        key: format!("c-{i:04}.wav"),
        size_bytes: SMALL_BYTES as u64,
        digest: Sha256Digest::of(all.get(small_range(i)).unwrap_or_default()),
    };
    (0..SMALL_FILES).map(item).collect()
}

struct Server(Child, String);

impl Server {
    fn start(folder: &Path, tls: &str) -> Self {
        let mut child = Command::new(env::current_exe().expect("this program"))
            .env("HOLDFAST_TRANSFER", "serve")
            .env("HOLDFAST_TRANSFER_FOLDER", folder)
            .env("HOLDFAST_TRANSFER_TLS", tls)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the server");
        let mut url = String::new();
        BufReader::new(child.stdout.take().expect("a pipe")).read_line(&mut url).expect("its address");
        Self(child, url.trim().to_owned())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

fn compare() {
    let rounds = env::var("HOLDFAST_BENCH_ROUNDS").ok().and_then(|r| r.parse().ok()).unwrap_or(3);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut all = vec![0u8; BIG_BYTES];
    noise(&mut all);
    let big = vec![Item { key: "file.wav".into(), size_bytes: BIG_BYTES as u64, digest: Sha256Digest::of(&all) }];
    let small = small_items(&all);
    let source = folder.path().join("source");
    for (bucket, items) in [("big", &big), ("small", &small)] {
        fs::create_dir_all(source.join(bucket)).expect("a folder");
        for (i, item) in items.iter().enumerate() {
            let bytes = if bucket == "big" { &all[..] } else { &all[small_range(i)] };
            fs::write(source.join(bucket).join(&item.key), bytes).expect("room for the files");
        }
    }
    drop(all);
    assert!(Command::new("sync").status().is_ok_and(|s| s.success()), "sync");
    // With TLS as in the cloud; without as for a store in the house.
    let only = env::var("HOLDFAST_BENCH_ONLY").unwrap_or_default();
    for (tls, scheme) in [("1", "https"), ("0", "http")] {
        for (bucket, items) in [("big", &big), ("small", &small)] {
            if format!("{scheme} {bucket}").contains(&only) {
                let server = Server::start(folder.path(), tls);
                let job = Job {
                    url: server.1.clone(),
                    ca: folder.path().join("ca.pem"),
                    bucket: bucket.to_owned(),
                    folder: folder.path().join("into"),
                    items: items.clone(),
                };
                downloads(&job, rounds, folder.path()).print(&format!("download, {scheme}, {bucket}"));
                let job = Job { bucket: "uploaded".to_owned(), folder: source.join(bucket), ..job };
                uploads(&job, rounds, folder.path()).print(&format!("upload, {scheme}, {bucket}"));
            }
        }
    }
}

fn empty_folder(at: &Path) {
    let _ = fs::remove_dir_all(at);
    fs::create_dir_all(at).expect("a folder");
}

fn downloads(job: &Job, rounds: usize, scratch: &Path) -> Table {
    let mut table = Table::default();
    for round in 0..rounds {
        for client in peers::DOWNLOADERS {
            // Nothing is removed between two runs: ext4 looks long for a name's place where much was removed just now.
            let into = Job { folder: job.folder.join(format!("{client} {round}").replace(' ', "-")), ..job.clone() };
            empty_folder(&into.folder);
            let mut took = peers::run(client, &into, scratch);
            let began = Instant::now();
            assert!(Command::new("sync").arg("-f").arg(&into.folder).status().is_ok_and(|s| s.success()), "sync");
            took.on_disk_s = took.wall_s + began.elapsed().as_secs_f64();
            arrived(&into.folder, &into.items, client);
            table.add(client, took);
        }
    }
    empty_folder(&job.folder);
    table
}

fn uploads(job: &Job, rounds: usize, scratch: &Path) -> Table {
    let mut table = Table::default();
    for _ in 0..rounds {
        for client in peers::UPLOADERS {
            table.add(client, peers::run(client, job, scratch));
            // What was uploaded is fetched by another client and compared.
            let back = Job { folder: scratch.join("into"), ..job.clone() };
            empty_folder(&back.folder);
            peers::run("s5cmd", &back, scratch);
            arrived(&back.folder, &job.items, client);
            peers::empty(job);
        }
    }
    table
}

/// Each file is there with the right bytes.
fn arrived(folder: &Path, items: &[Item], client: &str) {
    let mut buffer = vec![0u8; 1 << 20];
    for item in items {
        use sha2::Digest as _;
        let mut file = File::open(folder.join(&item.key)).unwrap_or_else(|e| panic!("{client}: {}: {e}", item.key));
        let mut hash = sha2::Sha256::new();
        loop {
            match file.read(&mut buffer).expect("readable") {
                0 => break,
                n => hash.update(&buffer[..n]),
            }
        }
        assert_eq!(Sha256Digest(hash.finalize().into()), item.digest, "{client}: {}", item.key);
    }
}

/// Times of all clients.
#[derive(Default)]
struct Table(Vec<(&'static str, Vec<Took>)>);

impl Table {
    fn add(&mut self, client: &'static str, took: Took) {
        match self.0.iter_mut().find(|(c, _)| *c == client) {
            Some((_, all)) => all.push(took),
            None => self.0.push((client, vec![took])),
        }
        let _ = std::io::stderr().write_all(b".");
    }

    fn print(&self, what: &str) {
        println!(
            "\n{what:24} {:>9} {:>9} {:>9} {:>11} {:>9}",
            "wall s", "fastest", "on disk s", "processor s", "peak MB"
        );
        for (client, all) in &self.0 {
            let middle = |of: fn(&Took) -> f64| {
                let mut values: Vec<_> = all.iter().map(of).collect();
                values.sort_by(f64::total_cmp);
                values[values.len() / 2]
            };
            let fastest = all.iter().map(|t| t.wall_s).fold(f64::INFINITY, f64::min);
            let (wall, processor, peak) = (middle(|t| t.wall_s), middle(|t| t.processor_s), middle(|t| t.peak_mb));
            let on_disk = middle(|t| t.on_disk_s);
            println!("{client:24} {wall:9.2} {fastest:9.2} {on_disk:9.2} {processor:11.2} {peak:9.0}");
        }
    }
}
