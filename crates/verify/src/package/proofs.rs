//! `entries.jsonl` and `proofs.jsonl`: read side by side, line by line, and brought together where lines were taken away.

use crate::{
    EntryEvidence, Finding, FindingCode as Code,
    ledger::{EntryCheck, ReadEntry, entry_name},
    package::{
        lines::{Line, Lines},
        path,
    },
    report::Findings,
};
use holdfast_ledger::{EVENT_MAX_BYTES, LedgerEntry, merkle};
use holdfast_model::{ArchiveId, Sha256Digest};
use serde::{Deserialize, Serialize};
use std::{collections::HashMap, io, io::BufRead, ops::Range};

/// Longest line of `entries.jsonl`: the largest event with its MAC around it.
const ENTRY_MAX_BYTES: usize = EVENT_MAX_BYTES + 128;
/// No entry is shorter: its mandatory members alone take more.
const ENTRY_MIN_BYTES: usize = 256;
/// Longest line of `proofs.jsonl`: 64 hashes, two numbers, punctuation.
const PROOF_MAX_BYTES: usize = 8 * 1024;
/// No proof is shorter: index and leaf alone take more.
const PROOF_MIN_BYTES: usize = 90;
/// Entries that are kept, in bytes: those of more than ten thousand recordings.
const KEPT_MAX_BYTES: usize = 80 * 1024 * 1024;

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

/// The entries that could be read, in their order. They are kept as bytes and read again when they are asked for: a package may
/// have a hundred thousand.
#[derive(Debug, Default)]
pub(crate) struct ReadEntries {
    bytes: Vec<u8>,
    at: Vec<(Range<usize>, bool)>,
    by_recording: HashMap<ArchiveId, Vec<usize>>,
    by_number: HashMap<u64, usize>,
    /// Entries in the file, also those that could not be read.
    pub(crate) lines: u64,
}

impl ReadEntries {
    fn keep(&mut self, read: &ReadEntry, bytes: &[u8]) {
        if let Some(id) = read.entry.event.archive_id() {
            self.by_recording.entry(id.clone()).or_default().push(self.at.len());
        }
        self.by_number.insert(read.entry.event.sequence, self.at.len());
        let begin = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        self.at.push((begin..self.bytes.len(), read.proven));
    }

    fn get(&self, at: usize) -> Option<ReadEntry> {
        let (range, proven) = self.at.get(at)?;
        // They could be read when they were kept.
        Some(ReadEntry { entry: LedgerEntry::parse(self.bytes.get(range.clone())?).ok()?, proven: *proven })
    }

    /// The one with a number.
    pub(crate) fn numbered(&self, sequence: u64) -> Option<ReadEntry> {
        self.by_number.get(&sequence).and_then(|at| self.get(*at))
    }

    /// Those about a recording.
    pub(crate) fn of(&self, id: &ArchiveId) -> Vec<ReadEntry> {
        self.by_recording.get(id).into_iter().flatten().filter_map(|at| self.get(*at)).collect()
    }
}

/// Reads both files, looks at each entry with its proof, and keeps the entries. An entry goes with the proof that states its hash, or
/// that has its number; a proof without an entry is an entry that was taken away.
pub(crate) fn read(
    entries: impl BufRead,
    proofs: impl BufRead,
    check: &mut EntryCheck<'_>,
    findings: &mut Findings,
) -> io::Result<ReadEntries> {
    let (mut entries, mut proofs) = (Source::entries(entries), Source::proofs(proofs));
    let (mut kept, mut last) = (ReadEntries::default(), None);
    let (mut entry, mut proof) = (entries.next_entry(findings)?, proofs.next_proof(findings)?);
    loop {
        let evidence = match (entry.take(), proof.take()) {
            (None, None) => return Ok(kept),
            (None, Some(p)) => {
                missing(p.index, findings);
                proof = proofs.next_proof(findings)?;
                continue;
            }
            (Some(bytes), None) => {
                entry = entries.next_entry(findings)?;
                unproven(bytes)
            }
            (Some(bytes), Some(p)) => {
                let leaf = Sha256Digest(merkle::leaf_hash(&bytes));
                let claimed = if leaf == p.leaf { Some(p.index) } else { claimed_sequence(&bytes) };
                match claimed {
                    Some(n) if n > p.index => {
                        missing(p.index, findings);
                        (entry, proof) = (Some(bytes), proofs.next_proof(findings)?);
                        continue;
                    }
                    Some(n) if n < p.index => {
                        (entry, proof) = (entries.next_entry(findings)?, Some(p));
                        unproven(bytes)
                    }
                    _ => {
                        (entry, proof) = (entries.next_entry(findings)?, proofs.next_proof(findings)?);
                        EntryEvidence { index: p.index, entry: bytes, leaf: Some(p.leaf), hashes: p.hashes }
                    }
                }
            }
        };
        kept.lines += 1;
        if let Some(last) = last.replace(evidence.index).filter(|last| *last >= evidence.index) {
            let found = entry_name(evidence.index);
            findings.push(Finding::new(
                Code::LedgerEntryOrder,
                path::ENTRIES,
                format!("one after number {last}"),
                found,
            ));
        }
        if let Some(read) = check.look(&evidence) {
            if kept.bytes.len() + evidence.entry.len() > KEPT_MAX_BYTES {
                let expected = format!("at most {KEPT_MAX_BYTES} bytes of entries");
                findings.push(Finding::new(Code::PackageTooLarge, path::ENTRIES, expected, "more"));
                return Ok(kept);
            }
            kept.keep(&read, &evidence.entry);
        }
    }
}

fn missing(index: u64, findings: &mut Findings) {
    let expected = "the entry that the package has a proof for";
    findings.push(Finding::new(Code::LedgerEntryMissing, entry_name(index), expected, "none"));
}

fn unproven(entry: Vec<u8>) -> EntryEvidence {
    let index = claimed_sequence(&entry).unwrap_or(u64::MAX);
    EntryEvidence { index, entry, leaf: None, hashes: Vec::new() }
}

fn claimed_sequence(entry: &[u8]) -> Option<u64> {
    #[derive(Deserialize)]
    struct Event {
        sequence: u64,
    }
    #[derive(Deserialize)]
    struct Entry {
        event: Event,
    }
    serde_json::from_slice::<Entry>(entry).ok().map(|e| e.event.sequence)
}

/// The lines of one of the two files.
struct Source<R> {
    lines: Lines<R>,
}

impl<R: BufRead> Source<R> {
    fn entries(reader: R) -> Self {
        Self { lines: Lines::new(reader, ENTRY_MAX_BYTES) }
    }

    fn proofs(reader: R) -> Self {
        Self { lines: Lines::new(reader, PROOF_MAX_BYTES) }
    }

    /// The next line that could be an entry; what could not is named.
    fn next_entry(&mut self, findings: &mut Findings) -> io::Result<Option<Vec<u8>>> {
        while let Some(line) = self.lines.next_line()? {
            match line {
                Line::Whole(bytes) if bytes.len() >= ENTRY_MIN_BYTES => return Ok(Some(bytes.to_vec())),
                line => {
                    let (length, number) = (line.length(), self.lines.number());
                    findings.push_with(Code::LedgerEntryMalformed, || {
                        let expected = format!("{ENTRY_MIN_BYTES} to {ENTRY_MAX_BYTES} bytes");
                        let (subject, found) =
                            (format!("{}, line {number}", path::ENTRIES), format!("a line of {length} bytes"));
                        Finding::new(Code::LedgerEntryMalformed, subject, expected, found)
                    });
                }
            }
        }
        Ok(None)
    }

    /// The next proof; lines that are none are named.
    fn next_proof(&mut self, findings: &mut Findings) -> io::Result<Option<ProofLine>> {
        while let Some(line) = self.lines.next_line()? {
            let (problem, code): (Box<dyn std::fmt::Display>, _) = match line {
                Line::Whole(bytes) if bytes.len() < PROOF_MIN_BYTES => {
                    (Box::new("too few bytes"), Code::LedgerInclusionFailed)
                }
                Line::Whole(bytes) => match serde_json::from_slice::<ProofLine>(bytes) {
                    Ok(proof) if proof.hashes.len() <= 64 => {
                        if serde_json::to_vec(&proof).ok().as_deref() != Some(bytes) {
                            self.bad_proof(Code::LedgerProofMalformed, "other members, or another form", findings);
                        }
                        return Ok(Some(proof));
                    }
                    Ok(_) => (Box::new("a proof with over 64 hashes"), Code::LedgerInclusionFailed),
                    Err(error) => (Box::new(error), Code::LedgerInclusionFailed),
                },
                Line::TooLong(length) => (Box::new(format!("a line of {length} bytes")), Code::LedgerInclusionFailed),
            };
            self.bad_proof(code, problem, findings);
        }
        Ok(None)
    }

    fn bad_proof(&self, code: Code, found: impl std::fmt::Display, findings: &mut Findings) {
        findings.push_with(code, || {
            let subject = format!("{}, line {}", path::PROOFS, self.lines.number());
            Finding::new(code, subject, "an inclusion proof in its one form", found)
        });
    }
}
