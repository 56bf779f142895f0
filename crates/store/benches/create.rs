//! 2,000 files of 1 MiB into the local store and read back, against `cp`, `sync` and hashing them twice with openssl, in one
//! run: `cargo bench -p holdfast-store --bench create`. Prints both times and their ratio, and fails above 3.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)] // a benchmark

use futures_util::StreamExt as _;
use holdfast_model::{ObjectKey, StorageTier, SystemClock};
use holdfast_store::{BYTE_RANGE_ALL, ByteStream, LocalStore, LocalStoreConfig, PutOptions, Store, StoreError};
use sha2::{Digest as _, Sha256};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    time::Instant,
};

const FILES: usize = 2_000;
const AT_ONCE: usize = 8;
const ALLOWED: f64 = 3.0;

fn main() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let source = folder.path().join("source");
    fs::create_dir(&source).expect("a folder");
    let paths: Vec<PathBuf> = (0..FILES).map(|i| source.join(format!("{i}.wav"))).collect();
    for (i, path) in paths.iter().enumerate() {
        let mut bytes = vec![0u8; 1 << 20];
        bytes[..8].copy_from_slice(&(i as u64).to_be_bytes());
        fs::write(path, bytes).expect("room for the files");
    }
    run("sync", &[]);
    let start = Instant::now();
    let copy = folder.path().join("copy");
    run("cp", &["-r", &source.display().to_string(), &copy.display().to_string()]);
    run("sync", &[]);
    let copies: Vec<String> =
        paths.iter().map(|p| copy.join(p.file_name().unwrap_or_default()).display().to_string()).collect();
    for _ in 0..2 {
        let mut arguments = vec!["dgst", "-sha256"];
        arguments.extend(copies.iter().map(String::as_str));
        run("openssl", &arguments);
    }
    let common = start.elapsed().as_secs_f64();

    let start = Instant::now();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(archive(&folder.path().join("archive"), &paths));
    let ours = start.elapsed().as_secs_f64();
    let ratio = ours / common;
    println!(
        "{FILES} x 1 MiB  cp+sync+2 hashes {common:.2} s  create+read back {ours:.2} s  ratio {ratio:.2} (allowed {ALLOWED})"
    );
    assert!(ratio <= ALLOWED, "creating is slower than allowed");
}

fn run(program: &str, arguments: &[&str]) {
    let output = Command::new(program).args(arguments).output();
    assert!(output.is_ok_and(|o| o.status.success()), "{program} failed");
}

async fn archive(root: &Path, paths: &[PathBuf]) {
    let store = LocalStore::open(LocalStoreConfig::new(root), Arc::new(SystemClock)).expect("the store opens").store();
    futures_util::stream::iter(paths.iter().enumerate())
        .for_each_concurrent(AT_ONCE, |(i, path)| {
            let (store, path) = (store.clone(), path.clone());
            async move {
                tokio::spawn(one(store, i, path)).await.expect("archived");
            }
        })
        .await;
}

/// One recording: a folder of its own, as each interaction has.
async fn one(store: Store, i: usize, path: PathBuf) {
    let key = ObjectKey::new(format!("recordings/2026/03/15/c-{i}/r.wav")).expect("a key");
    let read = tokio::task::spawn_blocking(move || fs::read(path).map(Into::into).expect("readable"));
    let piece: bytes::Bytes = read.await.expect("read");
    let body: ByteStream = futures_util::stream::iter([Ok::<_, StoreError>(piece)]).boxed();
    let put = PutOptions {
        media_type: "audio/wav".to_owned(),
        metadata: BTreeMap::new(),
        tags: BTreeMap::new(),
        tier: StorageTier::Hot,
        retention: None,
        legal_hold: false,
        expected: None,
    };
    let created = store.writer.create("media", &key, body, put).await.expect("created");
    let mut pieces = store.reader.read(&created.locator, BYTE_RANGE_ALL).await.expect("readable");
    let mut hash = Sha256::new();
    while let Some(piece) = pieces.next().await {
        hash.update(piece.expect("bytes"));
    }
    assert_eq!(created.fixity.digest.0, <[u8; 32]>::from(hash.finalize()));
}
