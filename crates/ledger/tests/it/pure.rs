//! Formats and proofs, without a log: against published vectors, against other implementations, and exhaustively for small
//! trees.

use crate::support::{MAC_SEED, SIGNER_SEED, agent, draft, matter, recording};
use holdfast_ledger::{
    Action, Checkpoint, CheckpointError, CustodyEvent, EventDraft, EventError, EventOutcome, InclusionProof,
    LedgerEntry, LocalMac, LocalSigner, Mac, Phase, ProofError, VerifierKey,
    merkle::{self, EMPTY_ROOT, Frontier, Hash},
    tile::{self, Tile},
};
use holdfast_model::{Fault, Sha256Digest};
use proptest::prelude::*;
use std::collections::{BTreeMap, HashMap};
use tlog_tiles::tlog;

/// Leaves and roots that Certificate Transparency implementations share for RFC 6962.
const CT_LEAVES: [&str; 8] =
    ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"];
const CT_ROOTS: [&str; 8] = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
];

fn leaves(n: u64) -> Vec<Hash> {
    (0..n).map(|i| merkle::leaf_hash(format!("leaf {i}").as_bytes())).collect()
}

/// MTH of RFC 6962, section 2.1, word for word.
fn naive_root(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => EMPTY_ROOT,
        [leaf] => *leaf,
        _ => {
            let mut k = 1;
            while k * 2 < leaves.len() {
                k *= 2;
            }
            merkle::node_hash(&naive_root(&leaves[..k]), &naive_root(&leaves[k..]))
        }
    }
}

/// Reads complete subtrees from leaves held in memory.
fn folded(leaves: &[Hash], ranges: &[Vec<merkle::Node>]) -> Vec<Hash> {
    let node =
        |n: &merkle::Node| naive_root(&leaves[(n.index << n.height) as usize..((n.index + 1) << n.height) as usize]);
    ranges.iter().map(|range| merkle::fold(&range.iter().map(node).collect::<Vec<_>>())).collect()
}

fn inclusion(leaves: &[Hash], index: u64) -> Vec<Hash> {
    folded(leaves, &merkle::inclusion_nodes(index, leaves.len() as u64).unwrap())
}

fn consistency(leaves: &[Hash], from: u64) -> Vec<Hash> {
    folded(leaves, &merkle::consistency_nodes(from, leaves.len() as u64).unwrap())
}

#[test]
fn the_tree_is_that_of_rfc_6962() {
    let mut frontier = Frontier::default();
    assert_eq!(frontier.root(), EMPTY_ROOT);
    assert_eq!(EMPTY_ROOT, Sha256Digest::of(b"").0);
    for (leaf, root) in CT_LEAVES.iter().zip(CT_ROOTS) {
        frontier.push(merkle::leaf_hash(&hex::decode(leaf).unwrap()));
        assert_eq!(hex::encode(frontier.root()), root);
    }
    let leaves: Vec<Hash> = CT_LEAVES.iter().map(|l| merkle::leaf_hash(&hex::decode(l).unwrap())).collect();
    let path: Vec<String> = inclusion(&leaves, 5).iter().map(hex::encode).collect();
    assert_eq!(
        path,
        [
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ]
    );
}

#[test]
fn frontiers_survive_storage_and_match_the_definition() {
    let leaves = leaves(300);
    let mut frontier = Frontier::default();
    for n in 0..leaves.len() {
        assert_eq!(frontier.root(), naive_root(&leaves[..n]));
        assert_eq!(Frontier::from_parts(n as u64, &frontier.peaks()), Some(frontier.clone()));
        assert_eq!(Frontier::from_parts(n as u64, &[frontier.peaks(), vec![0]].concat()), None);
        assert_eq!(Frontier::from_parts(n as u64, &[frontier.peaks(), vec![0; 32]].concat()), None);
        frontier.push(leaves[n]);
    }
}

#[test]
fn every_inclusion_proof_up_to_70_holds_and_no_other() {
    for size in 1..=70 {
        let leaves = leaves(size);
        let root = naive_root(&leaves);
        for index in 0..size {
            let proof = inclusion(&leaves, index);
            let (leaf, holds) = (leaves[index as usize], merkle::verify_inclusion);
            assert!(holds(index, size, &leaf, &proof, &root), "{index} of {size}");
            assert!(!holds(index, size, &merkle::leaf_hash(b"x"), &proof, &root));
            assert!(!holds(index, size, &leaf, &proof, &EMPTY_ROOT));
            for other in (0..size + 3).filter(|o| *o != index) {
                assert!(!holds(other, size, &leaf, &proof, &root), "{index} as {other} of {size}");
            }
            assert!(!holds(index, size, &leaf, &[proof.clone(), vec![leaf]].concat(), &root));
            for at in 0..proof.len() {
                let mut bad = proof.clone();
                bad[at][31] ^= 1;
                assert!(!holds(index, size, &leaf, &bad, &root));
                bad.remove(at);
                assert!(!holds(index, size, &leaf, &bad, &root));
            }
        }
        assert_eq!(merkle::inclusion_nodes(size, size), None);
    }
}

#[test]
fn every_consistency_proof_up_to_70_holds_and_no_other() {
    for to in 0..=70 {
        let leaves = leaves(to);
        let root = naive_root(&leaves);
        for from in 0..=to {
            let proof = consistency(&leaves, from);
            let old = naive_root(&leaves[..from as usize]);
            let holds = merkle::verify_consistency;
            assert!(holds(from, &old, to, &root, &proof), "{from} to {to}");
            assert!(!holds(from, &merkle::leaf_hash(b"x"), to, &root, &proof));
            assert!(from == 0 || !holds(from, &old, to, &merkle::leaf_hash(b"x"), &proof));
            assert!(!holds(from, &old, to, &root, &[proof.clone(), vec![root]].concat()));
            assert!(from == to || !holds(to, &root, from, &old, &proof));
            for at in 0..proof.len() {
                let mut bad = proof.clone();
                bad[at][0] ^= 1;
                assert!(!holds(from, &old, to, &root, &bad));
                bad.remove(at);
                assert!(!holds(from, &old, to, &root, &bad));
            }
        }
        assert_eq!(merkle::consistency_nodes(to + 1, to), None);
    }
}

/// The reader that `tlog_tiles` wants: all hashes in its own order.
struct Stored(Vec<tlog::Hash>);

impl tlog::HashReader for Stored {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<tlog::Hash>, tlog::Error> {
        Ok(indexes.iter().map(|i| self.0[*i as usize]).collect())
    }
}

#[test]
fn another_implementation_makes_the_same_roots_and_proofs() {
    let leaves = leaves(70);
    let mut stored = Stored(Vec::new());
    for (n, leaf) in (0..).zip(&leaves) {
        let hashes = tlog::stored_hashes_for_record_hash(n, tlog::Hash(*leaf), &stored).unwrap();
        stored.0.extend(hashes);
        let size = n + 1;
        assert_eq!(tlog::tree_hash(size, &stored).unwrap().0, naive_root(&leaves[..=n as usize]));
        for index in 0..size {
            let theirs: Vec<Hash> = tlog::prove_record(size, index, &stored).unwrap().iter().map(|h| h.0).collect();
            assert_eq!(theirs, inclusion(&leaves[..size as usize], index));
            let theirs: Vec<Hash> = tlog::prove_tree(size, index + 1, &stored).unwrap().iter().map(|h| h.0).collect();
            assert_eq!(theirs, consistency(&leaves[..size as usize], index + 1));
        }
    }
}

#[test]
fn tiles_lie_where_tlog_tiles_says() {
    assert_eq!(Tile { level: 0, index: 1_234_067, width: 256 }.path(), "tile/0/x001/x234/067");
    assert_eq!(Tile { level: 2, index: 0, width: 1 }.path(), "tile/2/000.p/1");
    assert_eq!(tile::bundle_path(999, 256), "tile/entries/999");
    assert_eq!(tile::bundle_path(1000, 17), "tile/entries/x001/000.p/17");
    for (level, index, width) in [(0, 0, 1), (0, 1000, 256), (1, 999_999, 255), (3, 1_000_000, 256)] {
        // Go's layout, which that library follows, names the height of tiles as well.
        let theirs = tlog_tiles::Tile::new(8, level, index, width, false).path().replacen("tile/8/", "tile/", 1);
        assert_eq!(Tile { level, index, width: width as u16 }.path(), theirs);
    }
    // The specification's example: a tree of 70,000.
    assert_eq!(Tile::of_size(0, 273, 70_000).unwrap().width, 112);
    assert_eq!(Tile::of_size(0, 274, 70_000), None);
    assert_eq!(Tile::of_size(1, 1, 70_000).unwrap().width, 17);
    assert_eq!(Tile::of_size(2, 0, 70_000).unwrap().width, 1);
    assert_eq!(
        tile::upper_edge(70_000).iter().map(Tile::path).collect::<Vec<_>>(),
        ["tile/1/001.p/17", "tile/2/000.p/1"]
    );
}

#[test]
fn tiles_built_in_steps_hold_every_subtree() {
    let leaves = leaves(66_200);
    let mut store: HashMap<Tile, Vec<Hash>> = HashMap::new();
    let mut size = 0;
    // From one multiple of 256 to the next ones, over the edge of a level-1 tile at 65,536.
    for next in [256, 512, 1280, 65_280, 65_792, 66_048] {
        let edge = tile::upper_edge(size).iter().map(|t| (t.level, store[t].clone())).collect();
        for (tile, bytes) in tile::hash_tiles(size, &leaves[size as usize..next as usize], &edge) {
            store.insert(tile, tile.hashes(&bytes).unwrap());
        }
        size = next;
    }
    for (tile, bytes) in tile::hash_tiles(size, &leaves[size as usize..], &HashMap::new()) {
        store.insert(tile, tile.hashes(&bytes).unwrap());
    }
    let total = leaves.len() as u64;
    let mut hashes = Vec::new();
    for node in merkle::range_nodes(0, total) {
        let (tile, range) = Tile::of_node(node, total).unwrap();
        hashes.push(tile::subtree_root(&store[&tile][range]));
    }
    assert_eq!(merkle::fold(&hashes), naive_root(&leaves));
    assert_eq!(store[&Tile { level: 1, index: 0, width: 256 }][3], naive_root(&leaves[768..1024]));
    assert_eq!(store[&Tile { level: 2, index: 0, width: 1 }], [naive_root(&leaves[..65_536])]);
}

#[test]
fn bundles_are_read_back_and_cut_ones_noticed() {
    let entries: [&[u8]; 3] = [b"a", b"", b"ccc"];
    let bytes = tile::write_bundle(&entries).unwrap();
    assert_eq!(bytes, b"\0\x01a\0\0\0\x03ccc");
    assert_eq!(tile::read_bundle(&bytes), (entries.to_vec(), true));
    assert_eq!(tile::read_bundle(&bytes[..bytes.len() - 1]), (entries[..2].to_vec(), false));
    assert_eq!(tile::write_bundle(&[vec![0; 65_536]]), None);
}

fn sealed(draft: EventDraft) -> LedgerEntry {
    let event = serde_json::json!({
        "action": "verification", "agent": agent(), "application": "holdfast/0.0.0", "format": "holdfast-event/2",
        "phase": "fact", "previous": "00".repeat(32), "sequence": 0, "time": "2026-01-02T03:04:05Z", "time_source": "test",
    });
    let mut event: CustodyEvent = serde_json::from_value(event).unwrap();
    (event.reason, event.details, event.matter) = (draft.reason, draft.details, draft.matter);
    LedgerEntry::seal(event, &LocalMac::from_seed(&MAC_SEED)).unwrap()
}

#[test]
fn entries_are_read_only_in_their_canonical_form() {
    let bytes = sealed(draft(1)).bytes();
    let entry = LedgerEntry::parse(&bytes).unwrap();
    assert_eq!(LedgerEntry::maced(&bytes), entry.event.canonical());
    assert_eq!(LocalMac::from_seed(&MAC_SEED).mac(LedgerEntry::maced(&bytes)).unwrap(), entry.mac);
    let text = String::from_utf8(bytes).unwrap();
    for (from, to) in [("{\"event\"", "{ \"event\""), ("\"sequence\":0", "\"sequence\":0.0"), ("check", "\\u0063heck")]
    {
        let changed = text.replace(from, to);
        assert_ne!(changed, text);
        assert!(LedgerEntry::parse(changed.as_bytes()).is_err(), "{to}");
    }
    for (other, code) in [
        (text.replace("holdfast-event/2", "holdfast-event/3"), "ledger.format_unknown"),
        (text.replace("holdfast-event/2", "holdfast-event/0"), "ledger.entry_malformed"),
        // It would name itself as the entry before.
        (text.replace("\"sequence\":0", "\"previous_of_matter\":0,\"sequence\":0"), "ledger.event_field"),
    ] {
        assert_ne!(other, text);
        assert_eq!(LedgerEntry::parse(other.as_bytes()).unwrap_err().code(), code, "{other}");
    }
    // What the second format added is no member of the first.
    let later =
        text.replace("holdfast-event/2", "holdfast-event/1").replace("\"phase\"", "\"mac_key_id\":\"k\",\"phase\"");
    assert_eq!(LedgerEntry::parse(later.as_bytes()).unwrap_err().code(), "ledger.event_field");
    let extra = text.replace("{\"event\":{", "{\"event\":{\"aaa\":1,");
    assert_eq!(LedgerEntry::parse(extra.as_bytes()).unwrap_err().code(), "ledger.entry_malformed");
    for cut in 0..text.len() {
        assert!(LedgerEntry::parse(&text.as_bytes()[..cut]).is_err());
    }
}

#[test]
fn drafts_are_bounded() {
    let base = || EventDraft::new(Action::Export, Phase::Outcome, agent());
    assert_eq!(base().check(), Ok(()));
    assert_eq!(base().reason("r".repeat(4096)).check(), Ok(()));
    let field = |d: EventDraft| match d.check() {
        Err(EventError::Field { field, .. }) => field,
        other => panic!("{other:?}"),
    };
    assert_eq!(field(base().reason("r".repeat(4097))), "reason");
    assert_eq!(field(base().once("t".repeat(1025))), "idempotency");
    assert_eq!(field(base().detail("Key", "v")), "details");
    assert_eq!(field(base().detail("", "v")), "details");
    assert_eq!(field(base().detail("k", "v".repeat(2049))), "details");
    assert_eq!(field((0..70).fold(base(), |d, n| d.detail(format!("k{n}"), "v"))), "details");
    assert_eq!(field(EventDraft { intent: Some(1 << 53), ..base() }), "sequence or intent");
    let large = (0..10).fold(base(), |d, n| d.detail(format!("k{n}"), "v".repeat(2000)));
    assert!(matches!(large.check(), Err(EventError::TooLarge { size_bytes }) if size_bytes > 16_384));
    // What is escaped counts as it is written.
    assert!(matches!(base().reason("\u{1}".repeat(3000)).check(), Err(EventError::TooLarge { .. })));
}

fn checkpoint(size: u64) -> Checkpoint {
    Checkpoint::sign(&LocalSigner::from_seed(&SIGNER_SEED), size, &naive_root(&leaves(size))).unwrap()
}

fn key() -> VerifierKey {
    VerifierKey::of(&LocalSigner::from_seed(&SIGNER_SEED))
}

#[test]
fn checkpoints_are_notes_that_others_verify() {
    use signed_note::{Note, StandardVerifier, VerifierList};
    let checkpoint = checkpoint(5);
    assert_eq!(checkpoint.verify(&key()), Ok(()));
    assert_eq!(Checkpoint::parse(checkpoint.text()).unwrap(), checkpoint);

    let verifier = StandardVerifier::new(&key().to_line()).unwrap();
    let note = Note::from_bytes(checkpoint.text().as_bytes()).unwrap();
    let (good, unknown) = note.verify(&VerifierList::new(vec![Box::new(verifier)])).unwrap();
    assert_eq!((good.len(), unknown.len()), (1, 0));
    assert_eq!(note.text(), checkpoint.body().as_bytes());
    let text = tlog_tiles::Checkpoint::from_bytes(note.text()).unwrap();
    assert_eq!((text.origin(), text.size(), text.hash().0), (key().name.as_str(), 5, checkpoint.root().0));

    assert_eq!(VerifierKey::from_line(&key().to_line()).unwrap(), key());
    assert!(VerifierKey::from_line(&key().to_line().replace("holdfast/", "other/")).is_err());
}

#[test]
fn changed_checkpoints_are_refused() {
    let good = checkpoint(5);
    let other = VerifierKey::of(&LocalSigner::from_seed(&[8; 32]));
    assert!(matches!(good.verify(&other), Err(CheckpointError::OtherLedger { .. })));
    let impostor = VerifierKey { name: key().name, ..other };
    assert_eq!(good.verify(&impostor), Err(CheckpointError::Signature));
    for at in 0..good.text().len() {
        let mut bytes = good.text().as_bytes().to_vec();
        bytes[at] ^= 1;
        let Ok(text) = String::from_utf8(bytes) else { continue };
        let refused = Checkpoint::parse(&text).map_err(|_| ()).and_then(|c| c.verify(&key()).map_err(|_| ()));
        assert!(refused.is_err(), "byte {at}");
    }
    for bad in ["", "\n", "a\n1\n", "a\n01\nAA==\n\n\u{2014} a AAAAAAA=\n", "a\n1\n\n\u{2014} a AAAAAAA=\n"] {
        assert!(Checkpoint::parse(bad).is_err(), "{bad:?}");
    }
    // A witness's signature beside ours does no harm.
    let cosigned = format!("{}\u{2014} witness.example AAAAAAAA\n", good.text());
    assert_eq!(Checkpoint::parse(&cosigned).unwrap().verify(&key()), Ok(()));
}

#[test]
fn proofs_carry_everything_and_name_the_link_that_fails() {
    let entry = sealed(draft(1));
    let tree = [entry.leaf_hash().0, merkle::leaf_hash(b"b"), merkle::leaf_hash(b"c")];
    let checkpoint = Checkpoint::sign(&LocalSigner::from_seed(&SIGNER_SEED), 3, &naive_root(&tree)).unwrap();
    let hashes = inclusion(&tree, 0).into_iter().map(Sha256Digest).collect();
    let proof = InclusionProof { checkpoint, entry: String::from_utf8(entry.bytes()).unwrap(), hashes, index: 0 };
    assert_eq!(proof.verify(&key()).unwrap(), entry);

    let text = proof.to_text();
    assert_eq!(InclusionProof::from_text(&proof.entry, &text).unwrap(), proof);
    let with_extra = text.replacen("index", "extra AAAA\nindex", 1);
    assert_eq!(InclusionProof::from_text(&proof.entry, &with_extra).unwrap(), proof);
    assert!(InclusionProof::from_text(&proof.entry, &text.replacen("index 0", "index 00", 1)).is_err());
    assert!(InclusionProof::from_text(&proof.entry, &text.replacen("v1", "v2", 1)).is_err());
    let json = serde_json::to_string(&proof).unwrap();
    assert_eq!(serde_json::from_str::<InclusionProof>(&json).unwrap(), proof);

    let altered = InclusionProof { entry: proof.entry.replace("check 1", "check 2"), ..proof.clone() };
    assert_eq!(altered.verify(&key()), Err(ProofError::NotIncluded { index: 0 }));
    let elsewhere = InclusionProof { index: 1, ..proof.clone() };
    assert_eq!(elsewhere.verify(&key()), Err(ProofError::NotIncluded { index: 1 }));
    let other = InclusionProof { checkpoint: self::checkpoint(3), ..proof.clone() };
    assert_eq!(other.verify(&key()), Err(ProofError::NotIncluded { index: 0 }));
    let unsigned = proof.checkpoint.text().replace("\n3\n", "\n4\n");
    let unsigned = InclusionProof { checkpoint: Checkpoint::parse(&unsigned).unwrap(), ..proof };
    assert_eq!(unsigned.verify(&key()), Err(ProofError::Checkpoint(CheckpointError::Signature)));

    // In the tree, but at another place than it claims.
    let tree = [merkle::leaf_hash(b"b"), entry.leaf_hash().0];
    let checkpoint = Checkpoint::sign(&LocalSigner::from_seed(&SIGNER_SEED), 2, &naive_root(&tree)).unwrap();
    let hashes = vec![Sha256Digest(tree[0])];
    let moved = InclusionProof { checkpoint, entry: String::from_utf8(entry.bytes()).unwrap(), hashes, index: 1 };
    assert_eq!(moved.verify(&key()), Err(ProofError::Sequence { index: 1, sequence: 0 }));
}

#[test]
fn keys_do_not_show() {
    let (signer, mac) = (LocalSigner::from_seed(&[0x41; 32]), LocalMac::from_seed(&[0x42; 32]));
    let shown = format!("{signer:?} {mac:?}");
    for secret in ["41, 41", "65, 65", "4141", "4242", "66, 66"] {
        assert!(!shown.contains(secret), "{shown}");
    }
    assert!(shown.contains("holdfast/"));
}

#[test]
fn the_mac_is_hmac_sha256() {
    // RFC 4231, test case 2, with its key padded by zeros as HMAC does.
    let mut key = [0; 32];
    key[..4].copy_from_slice(b"Jefe");
    let mac = LocalMac::from_seed(&key).mac(b"what do ya want for nothing?").unwrap();
    assert_eq!(hex::encode(mac), "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

fn any_draft() -> impl Strategy<Value = EventDraft> {
    let text = proptest::option::of(any::<String>());
    let details = proptest::collection::btree_map("[a-z0-9_.-]{1,20}", any::<String>(), 0..8);
    (text.clone(), text.clone(), text, details, any::<Option<u32>>(), any::<bool>()).prop_map(
        |(reason, from, to, details, intent, known)| EventDraft {
            reason,
            from,
            to,
            details,
            intent: intent.map(|n| u64::from(n) << 21),
            subject: None,
            outcome: known.then_some(EventOutcome::Refused),
            ..draft(1).about(&recording(3)).matter(&matter(2))
        },
    )
}

proptest! {
    #[test]
    fn what_is_written_is_canonical_json(draft in any_draft()) {
        let entry = sealed(draft.clone());
        let mut event = entry.event.clone();
        (event.from, event.to, event.intent, event.outcome) = (draft.from, draft.to, draft.intent, draft.outcome);
        let entry = LedgerEntry::seal(event, &LocalMac::from_seed(&MAC_SEED)).unwrap();
        prop_assert_eq!(entry.bytes(), serde_jcs::to_vec(&entry).unwrap());
        prop_assert_eq!(entry.event.canonical(), serde_jcs::to_vec(&entry.event).unwrap());
        let parsed = LedgerEntry::parse(&entry.bytes()).unwrap();
        prop_assert_eq!(&parsed, &entry);
        let keys: BTreeMap<String, serde_json::Value> = serde_json::from_slice(&entry.event.canonical()).unwrap();
        prop_assert!(keys.contains_key("previous"));
    }

    #[test]
    fn random_trees_prove_their_leaves_and_pasts(size in 1u64..5000, at in any::<u64>(), from in any::<u64>()) {
        let leaves = leaves(size);
        let (root, index, from) = (naive_root(&leaves), at % size, from % (size + 1));
        prop_assert!(merkle::verify_inclusion(index, size, &leaves[index as usize], &inclusion(&leaves, index), &root));
        let old = naive_root(&leaves[..from as usize]);
        prop_assert!(merkle::verify_consistency(from, &old, size, &root, &consistency(&leaves, from)));
    }

    #[test]
    fn hostile_input_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300), n in any::<u64>(), m in any::<u64>()) {
        let _ = LedgerEntry::parse(&bytes);
        let _ = tile::read_bundle(&bytes);
        let text = String::from_utf8_lossy(&bytes);
        let _ = Checkpoint::parse(&text);
        let _ = InclusionProof::from_text("", &text);
        let hashes = vec![[1; 32]; bytes.len()];
        prop_assert!(!merkle::verify_inclusion(n, m, &[2; 32], &hashes, &[3; 32]));
        prop_assert!(!merkle::verify_consistency(n, &[4; 32], m, &[3; 32], &hashes));
    }
}
