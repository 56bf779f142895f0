use crate::{Checkpoint, CheckpointError, EventError, LedgerEntry, VerifierKey, merkle};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use holdfast_model::{Fault, FaultKind, Sha256Digest};
use serde::{Deserialize, Serialize};

const PROOF_HEAD: &str = "c2sp.org/tlog-proof@v1";

/// Everything that shows offline that one entry stands in the ledger: the entry's bytes, its index, the hashes up to the
/// root, and the signed checkpoint with that root. What is missing to check it is the ledger's public key alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InclusionProof {
    /// The checkpoint, a signed note.
    pub checkpoint: Checkpoint,
    /// The entry's bytes, which are JSON text: [`LedgerEntry::bytes`].
    pub entry: String,
    /// RFC 6962 audit path, from the leaf's sibling upwards.
    pub hashes: Vec<Sha256Digest>,
    /// The leaf's index, which is the event's sequence.
    pub index: u64,
}

impl InclusionProof {
    /// Checks every link: the checkpoint's signature, that the entry is in its tree at the index, and that the entry is one.
    /// The MAC needs the ledger's secret and is left to its owner.
    ///
    /// # Errors
    /// The first link that does not hold.
    pub fn verify(&self, key: &VerifierKey) -> Result<LedgerEntry, ProofError> {
        self.checkpoint.verify(key)?;
        let hashes: Vec<_> = self.hashes.iter().map(|h| h.0).collect();
        let leaf = merkle::leaf_hash(self.entry.as_bytes());
        let root = self.checkpoint.root();
        if !merkle::verify_inclusion(self.index, self.checkpoint.size(), &leaf, &hashes, &root.0) {
            return Err(ProofError::NotIncluded { index: self.index });
        }
        let entry = LedgerEntry::parse(self.entry.as_bytes())?;
        if entry.event.sequence != self.index {
            return Err(ProofError::Sequence { index: self.index, sequence: entry.event.sequence });
        }
        Ok(entry)
    }

    /// The proof without the entry as C2SP tlog-proof text, the content of a `.tlog-proof` file.
    #[must_use]
    pub fn to_text(&self) -> String {
        let hashes: String = self.hashes.iter().map(|h| BASE64_STANDARD.encode(h.0) + "\n").collect();
        format!("{PROOF_HEAD}\nindex {}\n{hashes}\n{}", self.index, self.checkpoint.text())
    }

    /// Reads a C2SP tlog-proof beside the bytes of its entry.
    ///
    /// # Errors
    /// [`ProofError::Malformed`], or what is wrong with the checkpoint's form.
    pub fn from_text(entry: &str, text: &str) -> Result<Self, ProofError> {
        let malformed = || ProofError::Malformed("not a C2SP tlog-proof");
        let (head, checkpoint) = text.split_once("\n\n").ok_or_else(malformed)?;
        let mut lines = head.split('\n').peekable();
        if lines.next() != Some(PROOF_HEAD) {
            return Err(malformed());
        }
        lines.next_if(|line| line.starts_with("extra "));
        let index = lines.next().and_then(|line| line.strip_prefix("index "));
        let index = index.and_then(|i| i.parse().ok().filter(|n: &u64| n.to_string() == i)).ok_or_else(malformed)?;
        let hash = |line: &str| Some(Sha256Digest(BASE64_STANDARD.decode(line).ok()?.try_into().ok()?));
        let hashes = lines.map(hash).collect::<Option<Vec<_>>>().ok_or_else(malformed)?;
        if hashes.len() > 64 {
            return Err(malformed());
        }
        Ok(Self { checkpoint: Checkpoint::parse(checkpoint)?, entry: entry.to_owned(), hashes, index })
    }
}

/// What shows that one checkpoint's ledger is the beginning of another's: that nothing was taken away or changed between.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConsistencyProof {
    /// Size of the earlier tree.
    pub from: u64,
    /// RFC 6962 consistency proof.
    pub hashes: Vec<Sha256Digest>,
    /// Size of the later tree.
    pub to: u64,
}

impl ConsistencyProof {
    /// Checks it between two checkpoints of the ledger with `key`.
    ///
    /// # Errors
    /// A signature that does not verify, sizes that are not those of the proof, or [`ProofError::Inconsistent`].
    pub fn verify(&self, key: &VerifierKey, earlier: &Checkpoint, later: &Checkpoint) -> Result<(), ProofError> {
        earlier.verify(key)?;
        later.verify(key)?;
        let hashes: Vec<_> = self.hashes.iter().map(|h| h.0).collect();
        let (old, new) = (earlier.root(), later.root());
        let sizes_fit = (earlier.size(), later.size()) == (self.from, self.to);
        if sizes_fit && merkle::verify_consistency(self.from, &old.0, self.to, &new.0, &hashes) {
            Ok(())
        } else {
            Err(ProofError::Inconsistent { from: earlier.size(), to: later.size() })
        }
    }
}

/// A proof that does not prove.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ProofError {
    /// Not the form of a proof.
    #[error("{0}")]
    Malformed(&'static str),
    /// The checkpoint is not good.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The entry is in the tree but is no entry of this format.
    #[error(transparent)]
    Entry(#[from] EventError),
    /// The entry is not the leaf that the checkpoint covers.
    #[error("the entry is not the one at index {index} of the checkpoint's tree")]
    NotIncluded {
        /// The leaf's index.
        index: u64,
    },
    /// The entry claims another place than the one it has.
    #[error("the entry at index {index} claims to be number {sequence}")]
    Sequence {
        /// Its place.
        index: u64,
        /// Its claim.
        sequence: u64,
    },
    /// The earlier tree is not a prefix of the later one.
    #[error("the ledger of {to} entries does not continue the ledger of {from} entries")]
    Inconsistent {
        /// The earlier size.
        from: u64,
        /// The later size.
        to: u64,
    },
}

impl Fault for ProofError {
    fn code(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "ledger.proof_malformed",
            Self::Checkpoint(e) => e.code(),
            Self::Entry(e) => e.code(),
            Self::NotIncluded { .. } | Self::Sequence { .. } => "ledger.inclusion_failed",
            Self::Inconsistent { .. } => "ledger.inconsistent",
        }
    }
    fn kind(&self) -> FaultKind {
        match self {
            Self::Checkpoint(e) => e.kind(),
            _ => FaultKind::Corrupt,
        }
    }
    fn next(&self) -> String {
        match self {
            Self::Checkpoint(e) => e.next(),
            _ => "Keep what you were given as it is and ask its sender for the ledger's own copy; one of the two was changed.".into(),
        }
    }
}
