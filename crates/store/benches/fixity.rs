//! Hashing many local files against what openssl says the machine can do, in one run: `cargo bench -p holdfast-store`.
//! Prints both rates and their ratio, and fails below 0.85.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)] // a benchmark

use holdfast_model::Cancel;
use std::{
    fs,
    process::Command,
    sync::atomic::{AtomicUsize, Ordering},
    time::Instant,
};

const FILES: usize = 512;
const FILE_BYTES: usize = 1 << 20;
const WANTED: f64 = 0.85;

fn main() {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let paths: Vec<_> = (0..FILES).map(|i| folder.path().join(i.to_string())).collect();
    for (i, path) in paths.iter().enumerate() {
        fs::write(path, vec![u8::try_from(i % 251).unwrap_or(0); FILE_BYTES]).expect("room for the files");
    }
    let rounds: Vec<(f64, f64)> = (0..3).map(|_| (openssl(threads), ours(threads, &paths))).collect();
    let best = |of: fn(&(f64, f64)) -> f64| rounds.iter().map(of).fold(0.0, f64::max);
    let (openssl, ours) = (best(|r| r.0), best(|r| r.1));
    let ratio = ours / openssl;
    println!(
        "threads {threads}  openssl {openssl:.0} MB/s  hash_file {ours:.0} MB/s  ratio {ratio:.3} (wanted {WANTED})"
    );
    assert!(ratio >= WANTED, "hashing is slower than wanted");
}

/// Sum over `threads` processes at once, MB/s.
fn openssl(threads: usize) -> f64 {
    let output = Command::new("openssl")
        .args(["speed", "-mr", "-seconds", "2", "-bytes", "1048576", "-multi", &threads.to_string(), "-evp", "sha256"])
        .output()
        .expect("openssl is installed");
    let text = String::from_utf8_lossy(&output.stdout);
    // The last line of the sum is `+F:22:sha256:<bytes per second>`.
    let rate = text.lines().rev().find_map(|l| l.strip_prefix("+F:")?.rsplit(':').next()?.parse::<f64>().ok());
    rate.unwrap_or_else(|| panic!("openssl said {text}")) / 1e6
}

/// All files on `threads` threads, four times over, MB/s.
fn ours(threads: usize, paths: &[std::path::PathBuf]) -> f64 {
    const TIMES: usize = 4;
    let (next, start) = (AtomicUsize::new(0), Instant::now());
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let i = next.fetch_add(1, Ordering::Relaxed);
                    if i >= TIMES * paths.len() {
                        break;
                    }
                    let fixity = holdfast_store::hash_file(&paths[i % paths.len()], &Cancel::default(), |_| {});
                    assert_eq!(fixity.expect("a readable file").size_bytes, FILE_BYTES as u64);
                }
            });
        }
    });
    (TIMES * paths.len() * FILE_BYTES) as f64 / 1e6 / start.elapsed().as_secs_f64()
}
