//! The other way round: the Azure SDK for Python reads, checks and fails to delete what Holdfast wrote, and what it wrote with
//! the metadata of an older archiver is read and checked by Holdfast.

use crate::azure::desk;
use futures_util::StreamExt as _;
use holdfast_model::{
    Availability, ImmutabilityMode, ObjectKey, ObjectLocator, ObjectRetention, RehydrationSpeed, Sha256Digest,
    StorageTier,
};
use holdfast_store::{BYTE_RANGE_ALL, PutOptions};
use holdfast_testkit::store::{body, noise, options};
use serde_json::{Value, json};
use std::{env, io::Write as _, path::PathBuf, process::Stdio, time::Duration};

/// The interpreter that `scripts/test` prepares.
fn python() -> PathBuf {
    let cache = env::var_os("HOLDFAST_CACHE").map(PathBuf::from);
    let home = env::var_os("HOME").map(|h| PathBuf::from(h).join(".cache")).unwrap_or_default();
    let base = env::var_os("XDG_CACHE_HOME").map(PathBuf::from).unwrap_or(home);
    let python = cache.unwrap_or_else(|| base.join("holdfast")).join("venv/bin/python");
    assert!(python.exists(), "{} is missing: scripts/test packages makes it", python.display());
    python
}

async fn run(order: Value) -> Value {
    let output = tokio::task::spawn_blocking(move || {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/azure_interop.py");
        let mut child = std::process::Command::new(python())
            .arg(script)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(order.to_string().as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    })
    .await
    .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_sdk_for_python_reads_checks_and_cannot_delete_and_what_it_wrote_is_read() {
    let desk = desk(|c| c.block_bytes = 64 << 10).await;
    let until = "2040-05-06T07:08:09Z";
    let kept = ObjectRetention { mode: ImmutabilityMode::Compliance, until: until.parse().unwrap() };
    let plain = PutOptions {
        metadata: [("retention-class", "finra-6y"), ("a_B", "odd")].map(|(k, v)| (k.to_owned(), v.to_owned())).into(),
        tags: [("classification".to_owned(), "a b/c".to_owned())].into(),
        ..options(StorageTier::Hot)
    };
    let mut written = Vec::new();
    for (name, length, put) in [
        ("holdfast/plain.wav", 200_000, plain.clone()),
        ("holdfast/a%2Fb.wav", 10, plain.clone()),
        ("holdfast/kept.wav", 200_000, PutOptions { retention: Some(kept), ..plain.clone() }),
        ("holdfast/held.wav", 10, PutOptions { legal_hold: true, ..plain.clone() }),
    ] {
        let key = ObjectKey::new(name).unwrap();
        let bytes = body(noise(length, 4));
        let protected = put.retention.is_some() || put.legal_hold;
        let created = desk.store.writer.create(&desk.bucket, &key, bytes, put).await.unwrap();
        written.push(
            json!({"name": name, "version": created.locator.version_id, "sha256": created.fixity.digest.to_hex(),
            "protected": protected}),
        );
    }
    let cold = desk.at("holdfast/cold.wav");
    desk.store.writer.create(&desk.bucket, &cold.key, body("cold"), options(StorageTier::Hot)).await.unwrap();
    desk.proxy.transition(&desk.bucket, cold.key.as_str(), "Archive").await;
    let ca = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(ca.path(), desk.proxy.ca_pem()).unwrap();

    let order = json!({"url": desk.proxy.url(), "ca": ca.path(), "container": desk.bucket, "written": written,
        "cold": "holdfast/cold.wav"});
    let found = run(order).await;

    let read = &found["read"]["holdfast/kept.wav"];
    assert_eq!((read["policy"].as_str(), read["hold"].as_bool()), (Some("locked"), None));
    assert_eq!(read["until"], "2040-05-06T07:08:09+00:00");
    assert_eq!(
        (read["metadata"]["retention_class"].as_str(), read["type"].as_str()),
        (Some("finra-6y"), Some("audio/wav"))
    );
    assert_eq!((read["tags"]["classification"].as_str(), read["tier"].as_str()), (Some("a b/c"), Some("Hot")));
    assert_eq!(found["read"]["holdfast/held.wav"]["hold"], true);
    for (name, code) in [("kept", "BlobImmutableDueToPolicy"), ("held", "BlobImmutableDueToLegalHold")] {
        let codes = found["refused"][format!("holdfast/{name}.wav")].as_array().unwrap();
        assert!(codes.len() == 2 && codes.iter().all(|c| c == code), "{codes:?}");
    }
    // Written over and deleted by other tools, each is still what its locator names, under retention and hold.
    for (i, wrote) in written.iter().enumerate().skip(2) {
        let version_id = wrote["version"].as_str().map(str::to_owned);
        let at = ObjectLocator { version_id, ..desk.at(wrote["name"].as_str().unwrap()) };
        let info = desk.store.reader.head(&at).await.unwrap();
        assert_eq!((info.retention.is_some(), info.legal_hold), (i == 2, i == 3));
        assert_eq!(info.sha256.unwrap().to_hex(), wrote["sha256"].as_str().unwrap());
        assert!(desk.store.reader.read(&at, BYTE_RANGE_ALL).await.is_ok());
    }

    for (name, wrote) in found["wrote"].as_object().unwrap() {
        let at = ObjectLocator { version_id: wrote["version"].as_str().map(str::to_owned), ..desk.at(name) };
        let info = desk.store.reader.head(&at).await.unwrap();
        let mut stream = desk.store.reader.read(&at, BYTE_RANGE_ALL).await.unwrap();
        let mut bytes = Vec::new();
        while let Some(piece) = stream.next().await {
            bytes.extend_from_slice(&piece.unwrap());
        }
        assert_eq!(info.sha256, Some(Sha256Digest::of(&bytes)), "{name}");
        assert_eq!((info.size_bytes, info.tier), (wrote["size"].as_u64().unwrap(), StorageTier::Cool));
        assert_eq!(info.metadata["retention-class"], "finra-6y");
        assert_eq!(info.metadata["conversation-id"], "c-77");
        assert_eq!(info.tags["classification"], "restricted");
    }
    let listed = desk.store.reader.list(&desk.bucket, "python/", None, 10).await.unwrap();
    assert_eq!(listed.objects.len(), 2);

    // What Python asked for is seen as under way, and is made faster, not started again.
    let rehydrator = desk.store.rehydrator.clone().unwrap();
    let state = rehydrator.status(std::slice::from_ref(&cold)).await.unwrap().remove(0).unwrap();
    assert!(matches!(state.availability, Availability::Rehydrating { .. }));
    assert!(!rehydrator.request(&cold, RehydrationSpeed::Expedited, 1).await.unwrap().started);
    desk.clock.advance(Duration::from_secs(3_600));
    assert!(desk.store.reader.read(&cold, BYTE_RANGE_ALL).await.is_ok());
}
