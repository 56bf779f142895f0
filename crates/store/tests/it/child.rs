//! Work done in a process of its own, so that it can be killed, measured, or given a small disk. The child is this same
//! executable; what it does is named by `HOLDFAST_STORE_CHILD`.

use crate::open;
use futures_util::StreamExt as _;
use holdfast_model::{ImmutabilityMode, ObjectKey, ObjectRetention, RehydrationSpeed, StorageTier};
use holdfast_store::{BYTE_RANGE_ALL, StoreError};
use holdfast_testkit::{
    ManualClock,
    store::{body, noise, options},
};
use std::{
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
};

/// A command that runs `role` on `root`. Its standard output is what the role says, one line each, among the lines of the
/// test harness.
pub(crate) fn command(role: &str, root: &Path, argument: u64) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("this executable"));
    command.args(["--exact", "child::works_when_it_is_the_child", "--nocapture", "--test-threads=1"]);
    command.env("HOLDFAST_STORE_CHILD", role).env("HOLDFAST_STORE_ROOT", root);
    command.env("HOLDFAST_STORE_ARGUMENT", argument.to_string()).stdout(Stdio::piped()).stdin(Stdio::null());
    command
}

/// The lines that a child said, without the harness's own.
pub(crate) fn said(output: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(output);
    text.lines().filter_map(|l| l.split_once("child: ").map(|(_, said)| said.to_owned())).collect()
}

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    // A line cut off by the kill is one that was never said.
    out.write_all(format!("child: {line}\n").as_bytes()).expect("the parent listens");
    out.flush().expect("the parent listens");
}

#[test]
fn works_when_it_is_the_child() {
    // In the parent's own run there is no role, and nothing to do.
    let Ok(role) = std::env::var("HOLDFAST_STORE_CHILD") else { return };
    let root = std::env::var("HOLDFAST_STORE_ROOT").expect("a root");
    let argument: u64 = std::env::var("HOLDFAST_STORE_ARGUMENT").expect("an argument").parse().expect("a number");
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    runtime.block_on(async {
        match role.as_str() {
            "write" => write_for_ever(Path::new(&root), argument).await,
            "race" => race(Path::new(&root), argument).await,
            "large" => large(Path::new(&root), argument).await,
            "fill" => fill(Path::new(&root)).await,
            "read-only" => read_only(Path::new(&root)).await,
            other => panic!("no such role: {other}"),
        }
    });
}

/// What key number `n` of run `run` holds. Lengths go from nothing to several pieces.
pub(crate) fn content(run: u64, n: u64) -> Vec<u8> {
    noise((n % 17) * (n % 17) * 1_200, run << 32 | n)
}

pub(crate) fn key(run: u64, n: u64) -> ObjectKey {
    ObjectKey::new(format!("run-{run}/c-{}/r-{n}.wav", n / 3)).expect("a key")
}

/// Creates without end, four at a time, and says each key that was acknowledged. Every other object is then changed too.
async fn write_for_ever(root: &Path, run: u64) {
    let store = open(root, &ManualClock::default()).store();
    let create = |n: u64| {
        let store = store.clone();
        async move {
            let tier = if n.is_multiple_of(2) { StorageTier::Hot } else { StorageTier::Cold };
            let created = store.writer.create("media", &key(run, n), body(content(run, n)), options(tier)).await;
            let at = created.unwrap_or_else(|e| panic!("create {n}: {e}")).locator;
            say(&format!("created {n}"));
            if n % 2 == 1 {
                let to = ObjectRetention {
                    mode: ImmutabilityMode::Governance,
                    until: "2040-01-01T00:00:00Z".parse().expect("a date"),
                };
                store.retention.extend(&at, to).await.expect("extended");
                say(&format!("extended {n}"));
                let rehydrator = store.rehydrator.clone().expect("a cold tier");
                rehydrator.request(&at, RehydrationSpeed::Bulk, 1).await.expect("requested");
                say(&format!("requested {n}"));
            }
        }
    };
    futures_util::stream::iter(0..).for_each_concurrent(4, create).await;
}

/// Tries to create the same 200 keys as other processes do at the same moment; says which it got.
async fn race(root: &Path, me: u64) {
    let store = open(root, &ManualClock::default()).store();
    for n in 0..200 {
        match store.writer.create("media", &key(0, n), body(content(me, n)), options(StorageTier::Hot)).await {
            Ok(_) => say(&format!("won {n}")),
            Err(StoreError::AlreadyExists(there)) => {
                // What the winner wrote can be read the moment one hears of it.
                let mut pieces = store.reader.read(&there.locator, BYTE_RANGE_ALL).await.expect("readable");
                let mut size = 0;
                while let Some(piece) = pieces.next().await {
                    size += piece.expect("bytes").len();
                }
                assert_eq!(size, content(0, n).len());
                say(&format!("lost {n}"));
            }
            Err(e) => panic!("{e}"),
        }
    }
}

/// Creates and reads one object of `mib` MiB; says its peak of memory in KiB before and after.
async fn large(root: &Path, mib: u64) {
    let store = open(root, &ManualClock::default()).store();
    say(&peak_kib());
    let one = Arc::new(noise(1 << 20, 7));
    let pieces = futures_util::stream::iter(0..mib).map(move |_| Ok(one.to_vec().into())).boxed();
    let key = ObjectKey::new("large").expect("a key");
    let at = store.writer.create("media", &key, pieces, options(StorageTier::Hot)).await.expect("created").locator;
    let mut pieces = store.reader.read(&at, BYTE_RANGE_ALL).await.expect("readable");
    let mut size = 0;
    while let Some(piece) = pieces.next().await {
        size += piece.expect("bytes").len() as u64;
    }
    assert_eq!(size, mib << 20);
    say(&peak_kib());
}

fn peak_kib() -> String {
    let status = std::fs::read_to_string("/proc/self/status").expect("procfs");
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:")).expect("VmHWM");
    line.trim().trim_end_matches(" kB").to_owned()
}

/// Fills a small disk until it is full; says the error's code and that nothing half-made is there.
async fn fill(root: &Path) {
    let store = open(root, &ManualClock::default()).store();
    for n in 0.. {
        let key = key(0, n);
        let put = store.writer.create("media", &key, body(noise(300_000, n)), options(StorageTier::Hot)).await;
        let Err(e) = put else { continue };
        say(&format!("error {}", holdfast_model::Fault::code(&e)));
        let page = store.reader.list("media", "", None, 1_000).await.expect("a full disk can be read");
        say(&format!("complete {}", page.objects.iter().all(|o| o.size_bytes == 300_000)));
        say(&format!("count {}", page.objects.len() as u64 == n));
        let at = page.objects[0].locator.clone();
        assert!(store.reader.read(&at, BYTE_RANGE_ALL).await.is_ok());
        return;
    }
}

/// Works on a store that can be read only.
async fn read_only(root: &Path) {
    use holdfast_model::Fault as _;
    let store = open(root, &ManualClock::default()).store();
    let page = store.reader.list("media", "", None, 10).await.expect("readable");
    say(&format!("found {}", page.objects.len()));
    let at = &page.objects[0].locator;
    assert!(store.reader.read(at, BYTE_RANGE_ALL).await.is_ok());
    let put = store.writer.create("media", &key(9, 9), body("x"), options(StorageTier::Hot)).await;
    say(&format!("create {}", put.expect_err("read-only").code()));
    let held = store.retention.set_legal_hold(at, true).await;
    say(&format!("hold {}", held.expect_err("read-only").code()));
}
