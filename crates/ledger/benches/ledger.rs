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
        cloud_identity: None,
        host: "archiver-1".into(),
        os_user: "holdfast".into(),
        person: "Archiver".into(),
        role: "archiver".into(),
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

fn each(what: &str, n: u64, took: Duration) {
    let rate = n as f64 / took.as_secs_f64();
    println!(
        "{what}: {n} in {:.3} s, {rate:.0} a second, {:.3} ms each",
        took.as_secs_f64(),
        took.as_secs_f64() * 1e3 / n as f64
    );
}

#[tokio::main]
async fn main() {
    let entries = std::env::args().skip(1).find_map(|a| a.parse().ok()).unwrap_or(1_000_000u64);
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path()).await;

    let begun = Instant::now();
    for n in 0..1000 {
        ledger.append(vec![draft(n)]).await.unwrap();
    }
    each("appends one after another", 1000, begun.elapsed());

    let begun = Instant::now();
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
    each("appends by 32 tasks at once", 8000, begun.elapsed());

    let begun = Instant::now();
    let (first, mut size) = (ledger.size().await.unwrap(), ledger.size().await.unwrap());
    while size < entries {
        let to = entries.min(size + 10_000);
        ledger.append((size..to).map(|n| draft(1_000_000_000 + n)).collect()).await.unwrap();
        size = to;
    }
    each("appends in batches of 10,000", size - first, begun.elapsed());
    ledger.publish().await.unwrap();

    for round in ["cold", "warm"] {
        let ledger = open(dir.path()).await;
        let begun = Instant::now();
        let report = ledger.verify(&[], &NoProgress, &Cancel::default()).await.unwrap();
        assert!(report.is_intact() && report.entries == size, "{:?}", report.faults);
        each(&format!("verified, {round}"), size, begun.elapsed());
    }

    let mut slowest = Duration::ZERO;
    let begun = Instant::now();
    for n in 0..1000 {
        let one = Instant::now();
        ledger.inclusion(n * 7919 % size).await.unwrap();
        slowest = slowest.max(one.elapsed());
    }
    each("inclusion proofs", 1000, begun.elapsed());
    println!("slowest inclusion proof: {:.3} ms", slowest.as_secs_f64() * 1e3);

    let begun = Instant::now();
    ledger.rebuild_lookup(&NoProgress, &Cancel::default()).await.unwrap();
    each("lookup made anew", size, begun.elapsed());
    if let Ok(status) = std::fs::read_to_string("/proc/self/status") {
        status.lines().filter(|l| l.starts_with("VmHWM")).for_each(|l| println!("most memory: {}", l[6..].trim()));
    }
}
