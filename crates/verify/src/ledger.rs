//! The ledger's part of a verification: entries, their proofs, their neighbours, the checkpoint, and what was known before.

use crate::{
    CustodyStep, Finding, FindingCode as Code, Link,
    recording::holds_by_ledger,
    report::{Collector, Findings},
};
use holdfast_ledger::{
    Checkpoint, CheckpointError, EventError, EventFormat, InclusionProof, LedgerEntry, VerifierKey, merkle,
};
use holdfast_model::{ArchiveId, MatterId, Sha256Digest};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One ledger entry as it was read, with what shows that it stands in the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryEvidence {
    /// Its place in the log, as the reader was told; the entry's own sequence must be the same.
    pub index: u64,
    /// The leaf's bytes as read; empty where they are gone.
    pub entry: Vec<u8>,
    /// The leaf's hash as it stands in the tree (a tile, or the proof's own statement), where known. With it, an entry that
    /// was changed can be told from a proof that is broken.
    pub leaf: Option<Sha256Digest>,
    /// RFC 6962 audit path in the tree of [`LedgerEvidence::checkpoint`], from the leaf's sibling upwards.
    pub hashes: Vec<Sha256Digest>,
}

impl From<InclusionProof> for EntryEvidence {
    fn from(proof: InclusionProof) -> Self {
        Self { index: proof.index, entry: proof.entry.into_bytes(), leaf: None, hashes: proof.hashes }
    }
}

/// A checkpoint that was kept from an earlier look at the same ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RememberedCheckpoint {
    /// The signed note.
    pub checkpoint: String,
    /// RFC 6962 consistency proof from it to the present checkpoint; none where none could be had, as when the ledger got
    /// shorter.
    pub consistency: Option<Vec<Sha256Digest>>,
}

/// Everything that was read from the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerEvidence {
    /// The entries of the recording (or package), in their order. Where an outcome is given, its intent is given too.
    pub entries: Vec<EntryEvidence>,
    /// The checkpoint that the proofs lead to; none where it is missing.
    pub checkpoint: Option<String>,
    /// The ledger's Ed25519 public key.
    pub public_key: [u8; 32],
    /// Sequences of the given entries whose MAC is wrong, where a holder of the key looked; none where nobody did.
    pub mac_failures: Option<Vec<u64>>,
    /// What was known of the ledger before, where anything was.
    pub remembered: Option<RememberedCheckpoint>,
    /// Whether checkpoints are to carry a timestamp of an independent authority.
    pub timestamp_expected: bool,
}

impl LedgerEvidence {
    /// The entries that can be read.
    fn read(&self) -> Vec<LedgerEntry> {
        self.entries.iter().filter_map(|e| LedgerEntry::parse(&e.entry).ok()).collect()
    }

    /// The entries in words, in their order; those that can't be read are left out.
    #[must_use]
    pub fn steps(&self) -> Vec<CustodyStep> {
        self.read().iter().map(CustodyStep::from).collect()
    }

    /// The matters that hold each recording according to the entries.
    #[must_use]
    pub fn holds(&self) -> BTreeMap<ArchiveId, Vec<MatterId>> {
        let mut by_recording: BTreeMap<ArchiveId, Vec<LedgerEntry>> = BTreeMap::new();
        for entry in self.read() {
            if let Some(id) = entry.event.archive_id().cloned() {
                by_recording.entry(id).or_default().push(entry);
            }
        }
        by_recording.into_iter().map(|(id, entries)| (id, holds_by_ledger(&entries))).collect()
    }
}

/// The SHA-256 of a public key's 32 bytes, in hexadecimal: what people compare over the telephone. The ledger's id begins
/// with its first 16 digits.
#[must_use]
pub fn key_fingerprint(public_key: &[u8; 32]) -> String {
    Sha256Digest::of(public_key).to_hex()
}

/// The subject of findings about the ledger as a whole.
pub(crate) const LEDGER: &str = "ledger";
/// The subject of findings about the entries of one recording.
const HISTORY: &str = "ledger entries of the recording";

/// An entry that could be read, and whether the signed tree has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ReadEntry {
    pub(crate) entry: LedgerEntry,
    pub(crate) proven: bool,
}

/// Looks at every link of the ledger and gives back the entries that can be read.
pub(crate) fn check_ledger(evidence: &LedgerEvidence, out: &mut Collector) -> Vec<ReadEntry> {
    let checkpoint = check_checkpoint(evidence.checkpoint.as_deref(), &evidence.public_key, out);
    let mut entries = EntryCheck::new(checkpoint.as_ref());
    let read = evidence.entries.iter().filter_map(|e| entries.look(e)).collect();
    entries.finish(out);
    match &evidence.mac_failures {
        None => out.not_checked(Link::Mac, LEDGER),
        Some(bad) => {
            let finding = |n: &u64| {
                Finding::new(
                    Code::LedgerMacMismatch,
                    entry_name(*n),
                    "an HMAC made with the ledger's key",
                    "another one",
                )
            };
            out.checked(Link::Mac, LEDGER, bad.iter().map(finding));
        }
    }
    check_remembered(evidence, checkpoint.as_ref(), out);
    if evidence.timestamp_expected {
        let finding = Finding::new(Code::TimestampAbsent, LEDGER, "a timestamp of an independent authority", "none");
        out.remark(finding);
    }
    out.not_checked(Link::Timestamp, LEDGER);
    read
}

pub(crate) fn entry_name(sequence: u64) -> String {
    format!("ledger entry {sequence}")
}

/// The checkpoint when it is signed by the key.
pub(crate) fn check_checkpoint(text: Option<&str>, public_key: &[u8; 32], out: &mut Collector) -> Option<Checkpoint> {
    let mut findings = Vec::new();
    let good = match text.map(Checkpoint::parse) {
        None => {
            findings.push(Finding::new(Code::LedgerCheckpointMalformed, "checkpoint", "a signed checkpoint", "none"));
            None
        }
        Some(Err(error)) => {
            findings.push(Finding::new(Code::LedgerCheckpointMalformed, "checkpoint", "a signed checkpoint", error));
            None
        }
        Some(Ok(checkpoint)) => match checkpoint.verify(&key_of(public_key, &checkpoint)) {
            Ok(()) => Some(checkpoint),
            Err(error) => {
                let expected = format!("a signature by the key {}", key_fingerprint(public_key));
                findings.push(Finding::new(Code::LedgerCheckpointSignature, "checkpoint", expected, error));
                None
            }
        },
    };
    out.checked(Link::CheckpointSignature, LEDGER, findings);
    good
}

/// The checkpoint names its ledger itself; the name is under the signature, and it is the key that is trusted.
fn key_of(public_key: &[u8; 32], checkpoint: &Checkpoint) -> VerifierKey {
    VerifierKey { name: checkpoint.origin().to_owned(), public_key: *public_key }
}

/// Looks at entries one after the other, keeping nothing but what joins one to the next.
pub(crate) struct EntryCheck<'a> {
    checkpoint: Option<&'a Checkpoint>,
    inclusion: Findings,
    chain: Findings,
    any: bool,
    neighbours: bool,
    /// Place and leaf hash of the entry before; no hash where it is gone.
    before: Option<(u64, Option<Sha256Digest>)>,
}

impl<'a> EntryCheck<'a> {
    pub(crate) fn new(checkpoint: Option<&'a Checkpoint>) -> Self {
        let (inclusion, chain) = (Findings::default(), Findings::default());
        Self { checkpoint, inclusion, chain, any: false, neighbours: false, before: None }
    }

    /// The next entry; returned where it can be read and claims its own place.
    pub(crate) fn look(&mut self, e: &EntryEvidence) -> Option<ReadEntry> {
        self.any = true;
        let leaf = (!e.entry.is_empty()).then(|| Sha256Digest(merkle::leaf_hash(&e.entry)));
        let before = self.before.replace((e.index, leaf));
        let name = entry_name(e.index);
        let Some(leaf) = leaf else {
            let expected = "an entry at its place in the ledger";
            self.inclusion.push(Finding::new(Code::LedgerEntryMissing, name, expected, "nothing"));
            return None;
        };
        let proof = prove(e, leaf, self.checkpoint);
        let altered = matches!(&proof, Err(Some(f)) if f.code == Code::LedgerEntryAltered);
        let proven = proof.is_ok();
        self.inclusion.extend(proof.err().flatten());
        let entry = match LedgerEntry::parse(&e.entry) {
            Ok(entry) => entry,
            Err(error) => {
                if !altered {
                    self.inclusion.push(match error {
                        EventError::FormatUnknown { format } => {
                            Finding::new(Code::LedgerFormatUnknown, name, EventFormat::NEWEST, format)
                        }
                        other => {
                            Finding::new(Code::LedgerEntryMalformed, name, "an entry in its canonical form", other)
                        }
                    });
                }
                return None;
            }
        };
        if let Some((at, Some(before))) = before
            && at.checked_add(1) == Some(e.index)
        {
            self.neighbours = true;
            if entry.event.previous != before {
                let subject = format!("ledger entries {at} and {}", e.index);
                self.chain.push(Finding::new(Code::LedgerChainBroken, subject, entry.event.previous, before));
            }
        }
        if entry.event.sequence == e.index {
            return Some(ReadEntry { entry, proven });
        }
        let found = format!("number {}", entry.event.sequence);
        self.inclusion.push(Finding::new(Code::LedgerInclusionFailed, name, format!("number {}", e.index), found));
        None
    }

    /// Notes what was looked at.
    pub(crate) fn finish(self, out: &mut Collector) {
        // Without a checkpoint there is nothing that entries could be shown to stand in; that was said already.
        if self.checkpoint.is_some() && self.any {
            out.checked(Link::Inclusion, LEDGER, self.inclusion);
        } else {
            out.not_checked(Link::Inclusion, LEDGER);
            self.inclusion.into_iter().for_each(|f| out.remark(f));
        }
        if self.neighbours {
            out.checked(Link::Chain, LEDGER, self.chain);
        } else {
            out.not_checked(Link::Chain, LEDGER);
        }
    }
}

/// Whether the entry stands in the signed tree; `Err(None)` where there is no tree to look at.
fn prove(e: &EntryEvidence, found: Sha256Digest, checkpoint: Option<&Checkpoint>) -> Result<(), Option<Finding>> {
    let name = entry_name(e.index);
    let stated = e.leaf.unwrap_or(found);
    if let Some(checkpoint) = checkpoint {
        let hashes: Vec<_> = e.hashes.iter().map(|h| h.0).collect();
        let root = checkpoint.root().0;
        if !merkle::verify_inclusion(e.index, checkpoint.size(), &stated.0, &hashes, &root) {
            let expected = format!("a proof to the root of the checkpoint over {} entries", checkpoint.size());
            let found = format!("{} hashes that do not lead there", e.hashes.len());
            return Err(Some(Finding::new(Code::LedgerInclusionFailed, name, expected, found)));
        }
    }
    if stated != found {
        let found = format!("leaf {found}");
        return Err(Some(Finding::new(Code::LedgerEntryAltered, name, format!("leaf {stated}"), found)));
    }
    if checkpoint.is_some() { Ok(()) } else { Err(None) }
}

/// Looks whether each of a recording's entries names the one before. `own` are all of them that could be read, in their order.
/// Entries of the first format name none: where there are no others, the check is not part of the report.
pub(crate) fn check_history(own: &[&ReadEntry], out: &mut Collector) {
    let (mut findings, mut looked) = (Vec::new(), false);
    let mut before: Option<u64> = None;
    for entry in own.iter().map(|e| &e.entry.event) {
        if EventFormat::parse(&entry.format).is_some_and(|f| f >= EventFormat::V2) {
            looked = true;
            if entry.previous_of_recording != before {
                let name = |n: Option<u64>| n.map_or_else(|| "none".to_owned(), entry_name);
                let subject = entry_name(entry.sequence);
                let (stated, found) = (name(entry.previous_of_recording), name(before));
                findings.push(Finding::new(Code::LedgerHistoryBroken, subject, stated, found));
            }
        }
        before = Some(entry.sequence);
    }
    if looked {
        out.checked(Link::Chain, HISTORY, findings);
    }
}

fn check_remembered(evidence: &LedgerEvidence, now: Option<&Checkpoint>, out: &mut Collector) {
    let (Some(remembered), Some(now)) = (&evidence.remembered, now) else {
        return out.not_checked(Link::Rollback, LEDGER);
    };
    let before = match Checkpoint::parse(&remembered.checkpoint).and_then(|c| {
        c.verify(&key_of(&evidence.public_key, now))?;
        Ok(c)
    }) {
        Ok(before) => before,
        Err(error @ CheckpointError::OtherLedger { .. }) => {
            let finding = Finding::new(Code::LedgerInconsistent, LEDGER, "the ledger known before", error);
            return out.checked(Link::Rollback, LEDGER, vec![finding]);
        }
        Err(error) => {
            let subject = "remembered checkpoint";
            let finding =
                Finding::new(Code::LedgerCheckpointSignature, subject, "a signature by the ledger's key", error);
            return out.checked(Link::Rollback, LEDGER, vec![finding]);
        }
    };
    out.checked(Link::Rollback, LEDGER, compare(&before, now, remembered.consistency.as_deref()));
}

fn compare(before: &Checkpoint, now: &Checkpoint, proof: Option<&[Sha256Digest]>) -> Vec<Finding> {
    if now.size() < before.size() {
        let (expected, found) = (format!("at least {} entries", before.size()), format!("{} entries", now.size()));
        return vec![Finding::new(Code::LedgerRolledBack, LEDGER, expected, found)];
    }
    let hashes: Vec<_> = proof.unwrap_or_default().iter().map(|h| h.0).collect();
    if merkle::verify_consistency(before.size(), &before.root().0, now.size(), &now.root().0, &hashes) {
        return Vec::new();
    }
    let expected = format!("a continuation of the {} entries with root {}", before.size(), before.root());
    let found = format!("{} entries with root {} and no proof that they continue them", now.size(), now.root());
    vec![Finding::new(Code::LedgerInconsistent, LEDGER, expected, found)]
}
