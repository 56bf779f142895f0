//! Taking in many small recordings and one of 4 GB, against what the system's own tools take for the least that must be done:
//! copying (`cp -r`), making durable (`sync`), and hashing twice (`openssl`). In one run, on the same files and disk.
//!
//! `cargo bench -p holdfast-ingest --bench ingest`. `HOLDFAST_BENCH_FILES`, `HOLDFAST_BENCH_DIR` and `HOLDFAST_BENCH_ROUNDS`
//! change number, place and rounds. Ends with failure where a budget is not kept.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, clippy::disallowed_methods)]

use holdfast_connectors::{FolderOptions, FolderSource, Readiness};
use holdfast_index::{SqliteIndex, SqliteWork};
use holdfast_ingest::{Archiver, ArchiverParts, RunSummary};
use holdfast_ledger::{Agent, FolderTiles, Ledger, LedgerParts, LocalMac, LocalSigner, SqliteHead};
use holdfast_model::{Cancel, NoProgress, SystemClock};
use holdfast_store::{LocalStore, LocalStoreConfig};
use std::{
    fs::{self, File},
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
    sync::Arc,
    time::{Duration, Instant},
};

const MIB: u64 = 1 << 20;
const BUDGET: f64 = 3.0;
const MEMORY_MIB: u64 = 150;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    if let Some(at) = arguments.iter().position(|a| a == "--big") {
        return big(Path::new(&arguments[at + 1]));
    }
    let number = |name: &str, default: u64| std::env::var(name).ok().and_then(|v| v.parse().ok()).unwrap_or(default);
    let files = number("HOLDFAST_BENCH_FILES", 2_000);
    let rounds = number("HOLDFAST_BENCH_ROUNDS", 3);
    let place = std::env::var_os("HOLDFAST_BENCH_DIR").map_or_else(std::env::temp_dir, PathBuf::from);
    let dir = tempfile::tempdir_in(place).unwrap();
    let source = dir.path().join("source");
    println!("writing {files} recordings of 1 MiB ...");
    for i in 0..files {
        recording(&source, i, MIB);
    }
    sync();
    let (mut least, mut ours) = (Vec::new(), Vec::new());
    for round in 0..rounds {
        let copy = dir.path().join(format!("copy-{round}"));
        let parts = baseline(&source, &copy);
        let home = dir.path().join(format!("home-{round}"));
        let (took, summary) = timed(|| ingest(&source, &home));
        assert_eq!((summary.archived, summary.failed, summary.quarantined), (files, 0, 0), "{summary:?}");
        let sum: Duration = parts.iter().map(|(_, d)| *d).sum();
        let row: Vec<String> = parts.iter().map(|(n, d)| format!("{n} {:.2} s", d.as_secs_f64())).collect();
        println!(
            "round {}: {} = {:.2} s; ingest {:.2} s; ratio {:.2}",
            round + 1,
            row.join(" + "),
            sum.as_secs_f64(),
            took.as_secs_f64(),
            took.as_secs_f64() / sum.as_secs_f64()
        );
        least.push(sum.as_secs_f64());
        ours.push(took.as_secs_f64());
        fs::remove_dir_all(copy).unwrap();
        fs::remove_dir_all(home).unwrap();
        sync();
    }
    let (least, ours) = (median(least), median(ours));
    let ratio = ours / least;
    let rate = files as f64 / ours;
    println!("\n| {files} recordings of 1 MiB | seconds |\n|---|---|");
    println!("| cp -r, sync, openssl twice | {least:.2} |\n| ingest ({rate:.0} a second) | {ours:.2} |");
    println!("| ratio (budget {BUDGET}) | {ratio:.2} |");
    println!("| greatest memory (budget {MEMORY_MIB} MiB) | {} MiB |", peak_mib());
    let big = Command::new(std::env::current_exe().unwrap()).arg("--big").arg(dir.path()).status().unwrap();
    if ratio <= BUDGET && peak_mib() <= MEMORY_MIB && big.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// One recording of 4 GB (the most a WAV file holds, sparse), in a process of its own; its greatest memory.
fn big(dir: &Path) -> ExitCode {
    let source = dir.join("big-source");
    recording(&source, 0, 4_000_000_000);
    let (took, summary) = timed(|| ingest(&source, &dir.join("big-home")));
    assert_eq!((summary.archived, summary.bytes), (1, 4_000_000_000), "{summary:?}");
    let peak = peak_mib();
    println!(
        "| one recording of 4 GB | {:.1} s |\n| greatest memory (budget {MEMORY_MIB} MiB) | {peak} MiB |",
        took.as_secs_f64()
    );
    if peak <= MEMORY_MIB { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The greatest memory that this process has had.
fn peak_mib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|l| l.strip_prefix("VmHWM:")).unwrap();
    peak.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1024
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn timed<T>(work: impl FnOnce() -> T) -> (Duration, T) {
    let start = Instant::now();
    let out = work();
    (start.elapsed(), out)
}

fn sync() {
    assert!(Command::new("sync").status().unwrap().success());
}

fn baseline(source: &Path, copy: &Path) -> Vec<(&'static str, Duration)> {
    let run = |command: &mut Command| assert!(command.output().unwrap().status.success());
    let hash = || {
        let files = fs::read_dir(copy).unwrap().map(|e| e.unwrap().path());
        let files: Vec<PathBuf> = files.filter(|p| p.extension().is_some_and(|e| e == "wav")).collect();
        for some in files.chunks(500) {
            run(Command::new("openssl").args(["dgst", "-sha256"]).args(some));
        }
    };
    vec![
        ("cp -r", timed(|| run(Command::new("cp").arg("-r").arg(source).arg(copy))).0),
        ("sync", timed(sync).0),
        ("openssl", timed(hash).0),
        ("openssl", timed(hash).0),
    ]
}

/// A WAV of so many bytes in all and its sidecar. Small ones differ from each other; large ones are silence and sparse.
fn recording(folder: &Path, n: u64, bytes: u64) {
    fs::create_dir_all(folder).unwrap();
    let data = u32::try_from(bytes - 44).unwrap();
    let mut file = File::create(folder.join(format!("r{n:05}.wav"))).unwrap();
    let mut head = Vec::new();
    head.extend(b"RIFF");
    head.extend((data + 36).to_le_bytes());
    head.extend(b"WAVEfmt \x10\0\0\0\x01\0\x01\0");
    head.extend(8_000u32.to_le_bytes());
    head.extend(16_000u32.to_le_bytes());
    head.extend(b"\x02\0\x10\0data");
    head.extend(data.to_le_bytes());
    file.write_all(&head).unwrap();
    if bytes == MIB {
        let mut state = n.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        let noise: Vec<u8> = (0..data)
            .map(|_| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                (state >> 32) as u8
            })
            .collect();
        file.write_all(&noise).unwrap();
    } else {
        file.set_len(bytes).unwrap();
    }
    let start: jiff::Timestamp = "2024-03-01T09:00:00Z".parse().unwrap();
    let end = start + jiff::SignedDuration::from_millis(i64::from(data) / 16);
    let sidecar = serde_json::json!({
        "vendor": "bench", "organisation": "acme", "interaction_id": format!("c{n}"), "recording_id": format!("r{n}"),
        "media": "voice", "start": start.to_string(), "end": end.to_string(), "direction": "inbound", "queue": "sales",
        "participants": [{"role": "agent", "identifier": format!("a{}", n % 40)}],
    });
    fs::write(folder.join(format!("r{n:05}.json")), sidecar.to_string()).unwrap();
}

#[tokio::main]
async fn ingest(source: &Path, home: &Path) -> RunSummary {
    fs::create_dir_all(home.join("ledger")).unwrap();
    let clock = Arc::new(SystemClock);
    let agent = Agent {
        host: "bench".into(),
        os_user: "bench".into(),
        person: "bench".into(),
        role: "archiver".into(),
        ..Agent::default()
    };
    let store = LocalStore::open(LocalStoreConfig::new(home.join("archive")), clock.clone()).unwrap();
    let ledger = Ledger::open(LedgerParts {
        head: Arc::new(SqliteHead::open(&home.join("ledger/head.sqlite")).unwrap()),
        tiles: Arc::new(FolderTiles::open(&home.join("ledger/tiles")).unwrap()),
        signer: Arc::new(LocalSigner::from_seed(&[1; 32])),
        mac: Arc::new(LocalMac::from_seed(&[2; 32])),
        clock: clock.clone(),
        agent: agent.clone(),
    })
    .await
    .unwrap();
    let index = SqliteIndex::open(home.join("index.sqlite")).await.unwrap();
    let work = SqliteWork::open(home.join("work.sqlite"), clock.clone()).await.unwrap();
    let parts = ArchiverParts::new(store.store(), index.index(), work.work(), ledger, clock.clone());
    let connector = FolderSource::open(FolderOptions {
        name: "bench".into(),
        root: source.to_owned(),
        mapping: None,
        mapping_path: None,
        organisation: None,
        readiness: Readiness::Now,
        clock,
    })
    .unwrap();
    let quiet = Arc::new(NoProgress);
    Archiver::new(parts).ingest(Arc::new(connector), &agent, quiet, &Cancel::default()).await.unwrap()
}
