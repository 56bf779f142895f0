//! `entries.jsonl` and `proofs.jsonl`, and how their lines are brought together when lines were taken away.

use crate::{EntryEvidence, Finding, FindingCode as Code, ledger::entry_name, package::path};
use holdfast_ledger::merkle;
use holdfast_model::Sha256Digest;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One line of `proofs.jsonl`. The names stand in canonical order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ProofLine {
    /// RFC 6962 audit path, from the leaf's sibling upwards.
    pub(crate) hashes: Vec<Sha256Digest>,
    /// The leaf's index, which is the entry's sequence.
    pub(crate) index: u64,
    /// The leaf's hash.
    pub(crate) leaf: Sha256Digest,
}

impl From<&EntryEvidence> for ProofLine {
    fn from(e: &EntryEvidence) -> Self {
        let leaf = e.leaf.unwrap_or_else(|| Sha256Digest(merkle::leaf_hash(&e.entry)));
        Self { hashes: e.hashes.clone(), index: e.index, leaf }
    }
}

/// Reads proofs, naming lines that are none.
pub(crate) fn read_proofs(bytes: &[u8], findings: &mut Vec<Finding>) -> Vec<ProofLine> {
    let mut proofs = Vec::new();
    for (i, line) in lines(bytes).enumerate() {
        match serde_json::from_slice::<ProofLine>(line) {
            Ok(proof) if proof.hashes.len() <= 64 => proofs.push(proof),
            Ok(_) => findings.push(bad_line(i, "a proof with over 64 hashes".into())),
            Err(error) => findings.push(bad_line(i, error.to_string())),
        }
    }
    proofs
}

fn bad_line(at: usize, found: String) -> Finding {
    let subject = format!("{}, line {}", path::PROOFS, at + 1);
    Finding::new(Code::LedgerInclusionFailed, subject, "an inclusion proof", found)
}

fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.split(|b| *b == b'\n').filter(|l| !l.is_empty())
}

/// Brings each entry's line together with its proof: by the leaf's hash where the entry is unchanged, else by the sequence
/// it claims, else by what is left, in order. A proof without an entry is an entry that was taken away.
pub(crate) fn join(entries: &[u8], proofs: Vec<ProofLine>, findings: &mut Vec<Finding>) -> Vec<EntryEvidence> {
    let entries: Vec<&[u8]> = lines(entries).collect();
    let mut by_leaf: BTreeMap<Sha256Digest, usize> = proofs.iter().enumerate().map(|(i, p)| (p.leaf, i)).collect();
    let mut taken: Vec<Option<usize>> =
        entries.iter().map(|entry| by_leaf.remove(&Sha256Digest(merkle::leaf_hash(entry)))).collect();
    let mut free: BTreeMap<u64, usize> = by_leaf.values().map(|i| (proofs[*i].index, *i)).collect();
    for (entry, slot) in entries.iter().zip(&mut taken).filter(|(_, slot)| slot.is_none()) {
        *slot = claimed_sequence(entry).and_then(|n| free.remove(&n));
    }
    for (entry, slot) in entries.iter().zip(&mut taken).filter(|(_, slot)| slot.is_none()) {
        if claimed_sequence(entry).is_none() {
            *slot = free.pop_first().map(|(_, i)| i);
        }
    }
    for index in free.into_keys() {
        let expected = "the entry that the package has a proof for";
        findings.push(Finding::new(Code::LedgerEntryMissing, entry_name(index), expected, "none"));
    }
    let evidence = |(entry, slot): (&&[u8], Option<usize>)| match slot.and_then(|i| proofs.get(i)) {
        Some(p) => {
            EntryEvidence { index: p.index, entry: entry.to_vec(), leaf: Some(p.leaf), hashes: p.hashes.clone() }
        }
        None => EntryEvidence {
            index: claimed_sequence(entry).unwrap_or(u64::MAX),
            entry: entry.to_vec(),
            leaf: None,
            hashes: Vec::new(),
        },
    };
    entries.iter().zip(taken).map(evidence).collect()
}

fn claimed_sequence(entry: &[u8]) -> Option<u64> {
    serde_json::from_slice::<serde_json::Value>(entry).ok()?.pointer("/event/sequence")?.as_u64()
}
