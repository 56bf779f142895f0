//! The published test vectors of `docs/formats/ledger.md`: made again and compared, and checked by a script that shares no
//! code with Holdfast. After a change to the format: `HOLDFAST_BLESS=1 cargo test -p holdfast-ledger --features local`.

use crate::support::{MAC_SEED, SIGNER_SEED, filled};
use holdfast_ledger::{
    Checkpoint, ConsistencyProof, InclusionProof, LedgerEntry, LocalMac, LocalSigner, Signer as _, VerifierKey,
    merkle::{self, Frontier, Hash},
    tile,
};
use holdfast_model::Sha256Digest;
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, HashMap},
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

fn formats() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/formats")
}

/// Seven events that between them have every field, every kind of escape and a clock that went back.
fn events(key: &VerifierKey) -> Vec<Value> {
    let archiver = json!({"person": "Archiver", "os_user": "holdfast", "host": "archive-1", "role": "archiver",
        "cloud_identity": "arn:aws:iam::000000000000:role/archiver"});
    let person = json!({"person": "Zoë Müller", "os_user": "zmueller", "host": "desk-7", "role": "legal"});
    let recording = "hf-yhu4nltyczo5ubcaws2d7zwo7e";
    let object = "local:media/recordings/2026/01/02/c-1/r-1.wav@000001b2c3d4-1-1";
    let digest = Sha256Digest::of(b"the recording").to_hex();
    let manifest = Sha256Digest::of(b"the manifest").to_hex();
    let subject = json!({"archive_id": recording, "object": object});
    vec![
        json!({"action": "ledger_created", "phase": "fact", "agent": archiver, "time": "2026-01-02T03:04:05Z",
            "details": {"ledger": key.name, "public_key": hex::encode(key.public_key)}, "idempotency": "ledger-created"}),
        json!({"action": "accession", "phase": "intent", "agent": archiver, "time": "2026-01-02T03:04:05.6Z",
            "subject": subject, "to": object, "idempotency": "accession:hf-yhu4nltyczo5ubcaws2d7zwo7e:run-1"}),
        json!({"action": "accession", "phase": "outcome", "agent": archiver, "time": "2026-01-02T03:04:06.789Z",
            "subject": subject, "to": object, "intent": 1, "outcome": "succeeded", "idempotency": "outcome:1",
            "digest_before": digest, "digest_after": manifest}),
        json!({"action": "matter_creation", "phase": "fact", "agent": person, "time": "2026-01-02T09:00:00Z",
            "matter": "m-2026-017", "reason": "Subpoena \"Öztürk ./. ACME\":\n\tcalls of 1\u{a0}March — \u{1f4de} \\ \u{7f} \u{1}"}),
        json!({"action": "legal_hold", "phase": "fact", "agent": person, "time": "2026-01-02T09:00:00Z",
            "matter": "m-2026-017", "subject": {"archive_id": recording}, "time_source": "system;clock_went_back",
            "details": {"clock_behind_ms": "3599000"}, "outcome": "succeeded"}),
        json!({"action": "rehydration", "phase": "intent", "agent": person, "time": "2026-01-02T09:05:00Z",
            "matter": "m-2026-017", "subject": subject, "from": "cold", "to": "hot", "reason": "deadline 2026-01-05"}),
        json!({"action": "rehydration", "phase": "outcome", "agent": person, "time": "2026-01-02T09:05:01Z",
            "matter": "m-2026-017", "subject": subject, "from": "cold", "to": "hot", "intent": 5, "outcome": "refused",
            "code": "retrieval.not_approved", "idempotency": "outcome:5"}),
    ]
}

/// The same ledger in the second format, which its entry 4 takes into use: every member that this format adds occurs.
fn later_events(key: &VerifierKey) -> Vec<Value> {
    let mut events = events(key);
    let person = events[3]["agent"].clone();
    events.insert(
        4,
        json!({"action": "ledger_upgrade", "phase": "fact", "agent": person, "time": "2026-01-02T09:00:00Z",
            "from": "holdfast-event/1", "to": "holdfast-event/2", "idempotency": "ledger-upgrade:holdfast-event/2"}),
    );
    for (sequence, matter, recording) in [(5, 3, 2), (6, 5, 5), (7, 6, 6)] {
        let event = &mut events[sequence];
        event["previous_of_matter"] = json!(matter);
        event["previous_of_recording"] = json!(recording);
        event["agent"]["name_source"] = json!("identity_provider");
        event["agent"]["authentication"] = json!("oidc");
        event["agent"]["principal"] = json!("zmueller@acme.example");
        event["agent"]["tenant"] = json!("acme");
        event["mac_key_id"] = json!("mac-2026");
        event["subject"]["copy"] = json!("eu-media");
    }
    // One more sequence in front of them.
    events[7]["intent"] = json!(6);
    events[7]["idempotency"] = json!("outcome:6");
    events
}

fn entries(events: Vec<Value>) -> Vec<LedgerEntry> {
    let mut previous = "0".repeat(64);
    let mut entries = Vec::new();
    let mut format = "holdfast-event/1";
    for (sequence, mut event) in events.into_iter().enumerate() {
        let fields = event.as_object_mut().unwrap();
        if fields["action"] == "ledger_upgrade" {
            format = "holdfast-event/2";
        }
        fields.insert("format".into(), json!(format));
        fields.insert("application".into(), json!("holdfast/0.1.0"));
        fields.insert("sequence".into(), json!(sequence));
        fields.insert("previous".into(), json!(previous));
        fields.entry("time_source").or_insert(json!("system"));
        let event = serde_json::from_value(event).unwrap();
        let entry = LedgerEntry::seal(event, &LocalMac::from_seed(&MAC_SEED)).unwrap();
        previous = entry.leaf_hash().to_hex();
        entries.push(entry);
    }
    entries
}

fn lines(hashes: &[Hash]) -> Vec<u8> {
    hashes.iter().map(|h| hex::encode(h) + "\n").collect::<String>().into_bytes()
}

fn proof(leaves: &[Hash], ranges: &[Vec<merkle::Node>]) -> Vec<Sha256Digest> {
    let node = |n: &merkle::Node| {
        tile::subtree_root(&leaves[(n.index << n.height) as usize..((n.index + 1) << n.height) as usize])
    };
    let hash = |range: &Vec<merkle::Node>| merkle::fold(&range.iter().map(node).collect::<Vec<_>>());
    ranges.iter().map(|range| Sha256Digest(hash(range))).collect()
}

/// Every file of the vectors, by path.
fn vectors(events: impl FnOnce(&VerifierKey) -> Vec<Value>) -> BTreeMap<String, Vec<u8>> {
    let signer = LocalSigner::from_seed(&SIGNER_SEED);
    let key = VerifierKey::of(&signer);
    let entries = entries(events(&key));
    let bytes: Vec<Vec<u8>> = entries.iter().map(LedgerEntry::bytes).collect();
    let leaves: Vec<Hash> = entries.iter().map(|e| e.leaf_hash().0).collect();
    let mut frontier = Frontier::default();
    let mut roots = vec![frontier.root()];
    for leaf in &leaves {
        frontier.push(*leaf);
        roots.push(frontier.root());
    }
    let size = leaves.len() as u64;
    let checkpoint = |size: u64| Checkpoint::sign(&signer, size, &roots[size as usize]).unwrap();

    let mut files = BTreeMap::new();
    let mut file = |path: String, content: Vec<u8>| assert!(files.insert(path, content).is_none());
    let keys = json!({"ledger": signer.name(), "signing_seed": hex::encode(SIGNER_SEED),
        "public_key": hex::encode(signer.public_key()), "verifier_key": key.to_line(), "mac_key": hex::encode(MAC_SEED)});
    file("keys.json".into(), (serde_json::to_string_pretty(&keys).unwrap() + "\n").into_bytes());
    file("public.pem".into(), key.to_pem().into_bytes());
    file("leaves.txt".into(), lines(&leaves));
    file("roots.txt".into(), lines(&roots));
    for (n, entry) in (0..).zip(&bytes) {
        file(format!("entry-{n}.json"), entry.clone());
        let hashes = proof(&leaves, &merkle::inclusion_nodes(n, size).unwrap());
        let entry = String::from_utf8(entry.clone()).unwrap();
        let proof = InclusionProof { checkpoint: checkpoint(size), entry, hashes, index: n };
        assert_eq!(proof.verify(&key).unwrap(), entries[n as usize]);
        file(format!("entry-{n}.tlog-proof"), proof.to_text().into_bytes());
    }
    for from in 1..=size {
        let hashes = proof(&leaves, &merkle::consistency_nodes(from, size).unwrap());
        let proof = ConsistencyProof { from, hashes, to: size };
        proof.verify(&key, &checkpoint(from), &checkpoint(size)).unwrap();
        file(
            format!("consistency-{from}-{size}.json"),
            (serde_json::to_string_pretty(&proof).unwrap() + "\n").into_bytes(),
        );
    }
    file("checkpoint-4".into(), checkpoint(4).text().into());
    file("log/checkpoint".into(), checkpoint(size).text().into());
    file(format!("log/{}", tile::bundle_path(0, size as u16)), tile::write_bundle(&bytes).unwrap());
    for (tile, hashes) in tile::hash_tiles(0, &leaves, &HashMap::new()) {
        file(format!("log/{}", tile.path()), hashes);
    }
    files
}

#[test]
fn the_published_vectors_are_what_this_code_makes() {
    let first = vectors(events).into_iter().map(|(path, content)| (format!("ledger-v1/{path}"), content));
    let later = vectors(later_events).into_iter().map(|(path, content)| (format!("ledger-v2/{path}"), content));
    for (path, content) in first.chain(later) {
        let path = formats().join("vectors").join(path);
        if std::env::var_os("HOLDFAST_BLESS").is_some() {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, &content).unwrap();
        }
        let found = fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        assert_eq!(String::from_utf8_lossy(&found), String::from_utf8_lossy(&content), "{}", path.display());
        assert_eq!(found, content);
    }
}

fn script(arguments: &[&Path]) -> Output {
    Command::new("python3")
        .arg(formats().join("vectors/check_ledger.py"))
        .args(arguments)
        .output()
        .expect("python3 runs")
}

#[test]
fn a_stranger_with_python_and_openssl_comes_to_the_same_answers() {
    let output = script(&[Path::new("vectors"), &formats().join("vectors/ledger-v1")]);
    assert!(output.status.success(), "{output:?}");
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(
        said.contains("7 entries") && said.contains("7 inclusion proofs") && said.contains("7 consistency proofs"),
        "{said}"
    );
    let output = script(&[Path::new("vectors"), &formats().join("vectors/ledger-v2")]);
    assert!(output.status.success(), "{output:?}");
}

#[tokio::test]
async fn a_stranger_checks_a_published_log_and_a_single_proof() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = filled(dir.path(), 600).await;
    ledger.publish().await.unwrap();
    let at = |name: &str| dir.path().join(name);
    fs::write(at("public.pem"), ledger.verifier_key().to_pem()).unwrap();
    let (log, tiles, pem) = (Path::new("log"), at("tiles"), at("public.pem"));
    let output = script(&[log, &tiles, &pem]);
    assert!(output.status.success(), "{output:?}");
    assert!(String::from_utf8(output.stdout).unwrap().contains("600 entries"));

    let proof = ledger.inclusion(300).await.unwrap();
    fs::write(at("entry.json"), &proof.entry).unwrap();
    fs::write(at("entry.tlog-proof"), proof.to_text()).unwrap();
    let arguments = [Path::new("proof"), &at("entry.json"), &at("entry.tlog-proof"), &pem];
    assert!(script(&arguments).status.success());
    fs::write(at("entry.json"), proof.entry.replace("check 300", "check 301")).unwrap();
    assert_eq!(script(&arguments).status.code(), Some(1));

    // One letter anywhere, and the stranger sees it too.
    let bundle = tiles.join("tile/entries/001");
    let text = fs::read(&bundle).unwrap();
    let at = text.windows(9).position(|w| w == b"check 400").unwrap();
    fs::remove_file(&bundle).unwrap();
    fs::write(&bundle, [&text[..at], b"C", &text[at + 1..]].concat()).unwrap();
    let output = script(&[log, &tiles, &pem]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stderr).unwrap().contains("entry 400"));
}
