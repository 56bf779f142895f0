//! Figures of the ledger on the machine at hand: `cargo bench -p holdfast-ledger --features local [-- ENTRIES]`.
//! Prints appends one by one and in company, then makes a log of ENTRIES (a million by default), verifies all of it and
//! proves some.

#![allow(clippy::print_stdout, clippy::unwrap_used, missing_docs)]

use holdfast_ledger::{
    Action, Agent, EventDraft, FolderTiles, Ledger, LedgerParts, LocalMac, LocalSigner, Phase, SqliteHead,
};
use holdfast_model::{Cancel, NoProgress, Sha256Digest, SystemClock};
use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

/// An event of usual length.
fn draft(n: u64) -> EventDraft {
    let agent = Agent {
        host: "archiver-1".into(),
        os_user: "holdfast".into(),
        person: "Archiver".into(),
        role: "archiver".into(),
        ..Agent::default()
    };
    EventDraft {
        digest_after: Some(Sha256Digest::of(&n.to_le_bytes())),
        ..EventDraft::new(Action::Accession, Phase::Intent, agent)
            .about(&format!("hf-{n:026}").parse().unwrap())
            .object(format_args!("local:media/recordings/2026/01/02/{n:08}/{n:08}.wav@v1"))
            .once(format!("accession:{n}"))
            .detail("run", "2026-01-02-a")
    }
}

async fn open(folder: &Path) -> Ledger {
    Ledger::open(LedgerParts {
        head: Arc::new(SqliteHead::open(&folder.join("ledger.db")).unwrap()),
        tiles: Arc::new(FolderTiles::open(&folder.join("tiles")).unwrap()),
        signer: Arc::new(LocalSigner::from_seed(&[1; 32])),
        mac: Arc::new(LocalMac::from_seed(&[2; 32])),
        clock: Arc::new(SystemClock),
        agent: draft(0).agent,
    })
    .await
    .unwrap()
}

/// Processor time of this process so far, in seconds.
fn processor_s() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<f64> =
        stat.rsplit(')').next().unwrap_or_default().split(' ').filter_map(|f| f.parse().ok()).collect();
    // utime and stime, fields 14 and 15 of which the first three are not numbers here, in ticks of 10 ms.
    fields.get(10).zip(fields.get(11)).map_or(0.0, |(user, system)| (user + system) / 100.0)
}

/// Begins to measure the most memory anew.
fn reset_memory() {
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}

fn most_memory_kib() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status.lines().find_map(|l| l.strip_prefix("VmHWM:")).unwrap_or("?").trim().to_owned()
}

struct Watch(Instant, f64);

impl Watch {
    fn start() -> Self {
        reset_memory();
        Self(Instant::now(), processor_s())
    }

    fn tell(&self, what: &str, n: u64) {
        let took = self.0.elapsed().as_secs_f64();
        println!(
            "{what}: {n} in {took:.2} s ({:.2} s of processors), {:.0} a second, {:.3} ms each, at most {}",
            processor_s() - self.1,
            n as f64 / took,
            took * 1e3 / n as f64,
            most_memory_kib()
        );
    }
}

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, verify, folder] = arguments.as_slice()
        && verify == "verify"
    {
        let ledger = open(Path::new(folder)).await;
        let watch = Watch::start();
        let report = ledger.verify(&[], &NoProgress, &Cancel::default()).await.unwrap();
        assert!(report.is_intact(), "{:?}", report.faults);
        watch.tell("verified", report.entries);
        return;
    }
    let entries = std::env::args().skip(1).find_map(|a| a.parse().ok()).unwrap_or(1_000_000u64);
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path()).await;

    let watch = Watch::start();
    for n in 0..1000 {
        ledger.append(vec![draft(n)]).await.unwrap();
    }
    watch.tell("appends one after another", 1000);

    let watch = Watch::start();
    let tasks: Vec<_> = (0..32u64)
        .map(|task| {
            let ledger = ledger.clone();
            tokio::spawn(async move {
                for n in 0..250 {
                    ledger.append(vec![draft(10_000 + 250 * task + n)]).await.unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    watch.tell("appends by 32 tasks at once", 8000);

    let watch = Watch::start();
    let (first, mut size) = (ledger.size().await.unwrap(), ledger.size().await.unwrap());
    while size < entries {
        let to = entries.min(size + 10_000);
        ledger.append((size..to).map(|n| draft(1_000_000_000 + n)).collect()).await.unwrap();
        size = to;
    }
    watch.tell("appends in batches of 10,000", size - first);
    ledger.publish().await.unwrap();

    // In a process of its own, whose memory is that of verifying alone.
    for _ in 0..2 {
        let mut child = std::process::Command::new(std::env::current_exe().unwrap());
        assert!(child.arg("verify").arg(dir.path()).status().unwrap().success());
    }

    let mut slowest = Duration::ZERO;
    let watch = Watch::start();
    for n in 0..1000 {
        let one = Instant::now();
        ledger.inclusion(n * 7919 % size).await.unwrap();
        slowest = slowest.max(one.elapsed());
    }
    watch.tell("inclusion proofs", 1000);
    println!("slowest inclusion proof: {:.3} ms", slowest.as_secs_f64() * 1e3);

    let watch = Watch::start();
    ledger.rebuild_lookup(&NoProgress, &Cancel::default()).await.unwrap();
    watch.tell("lookup made anew", size);
}
