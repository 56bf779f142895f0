use crate::{KeyError, Signer, merkle::Hash};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use ed25519_dalek::{Signature, VerifyingKey};
use holdfast_model::{Fault, FaultKind, Sha256Digest};
use serde::{Deserialize, Serialize};

/// The byte that marks Ed25519 in C2SP signed notes.
const ED25519: u8 = 1;
/// Longest checkpoint that is looked at, in bytes: room for many witnesses' signatures.
const NOTE_MAX_BYTES: usize = 64 * 1024;

/// The public half of a ledger's signing key: all that an outsider needs to trust.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifierKey {
    /// The ledger's id, e.g. `holdfast/0123456789abcdef`.
    pub name: String,
    /// The Ed25519 public key.
    pub public_key: [u8; 32],
}

impl VerifierKey {
    /// The key of `signer`.
    #[must_use]
    pub fn of(signer: &dyn Signer) -> Self {
        Self { name: signer.name().to_owned(), public_key: signer.public_key() }
    }

    /// First four bytes of SHA-256(name || 0x0A || 0x01 || public key), as C2SP signed-note defines it.
    #[must_use]
    pub fn key_id(&self) -> [u8; 4] {
        let input = [self.name.as_bytes(), b"\n", &[ED25519], &self.public_key].concat();
        let [a, b, c, d, ..] = Sha256Digest::of(&input).0;
        [a, b, c, d]
    }

    /// The key as one line, `name+keyid+base64(0x01 || public key)`, as Go's `note` package and its kin read it.
    #[must_use]
    pub fn to_line(&self) -> String {
        let key = BASE64_STANDARD.encode([&[ED25519], self.public_key.as_slice()].concat());
        format!("{}+{}+{key}", self.name, hex::encode(self.key_id()))
    }

    /// Reads what [`VerifierKey::to_line`] writes.
    ///
    /// # Errors
    /// [`CheckpointError::Malformed`].
    pub fn from_line(line: &str) -> Result<Self, CheckpointError> {
        let malformed = CheckpointError::Malformed("not a verifier key of the form name+id+key");
        let mut parts = line.trim().splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(malformed);
        };
        let key = BASE64_STANDARD.decode(key).ok().filter(|k| k.first() == Some(&ED25519));
        let Some(public_key) = key.and_then(|k| k[1..].try_into().ok()) else { return Err(malformed) };
        let key = Self { name: name.to_owned(), public_key };
        if hex::encode(key.key_id()) == id { Ok(key) } else { Err(malformed) }
    }

    /// The key as PEM (RFC 8410), as `openssl` reads it.
    #[must_use]
    pub fn to_pem(&self) -> String {
        const SPKI_HEAD: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
        let body = BASE64_STANDARD.encode([SPKI_HEAD.as_slice(), &self.public_key].concat());
        format!("-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----\n")
    }
}

/// A signed statement that the ledger had this many entries and this root: a C2SP tlog-checkpoint. Reading one checks its
/// form; whether it can be trusted is what [`Checkpoint::verify`] says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Checkpoint {
    text: String,
    origin: String,
    size: u64,
    root: Sha256Digest,
}

impl Checkpoint {
    /// Signs a tree's size and root.
    ///
    /// # Errors
    /// What the keeper of the key says.
    pub fn sign(signer: &dyn Signer, size: u64, root: &Hash) -> Result<Self, KeyError> {
        let key = VerifierKey::of(signer);
        let body = format!("{}\n{size}\n{}\n", key.name, BASE64_STANDARD.encode(root));
        let signature = BASE64_STANDARD.encode([key.key_id().as_slice(), &signer.sign(body.as_bytes())?].concat());
        let text = format!("{body}\n\u{2014} {} {signature}\n", key.name);
        Ok(Self { text, origin: key.name, size, root: Sha256Digest(*root) })
    }

    /// Reads a checkpoint's form, not its signature.
    ///
    /// # Errors
    /// [`CheckpointError::Malformed`] says what is missing.
    pub fn parse(text: &str) -> Result<Self, CheckpointError> {
        use CheckpointError::Malformed;
        if text.len() > NOTE_MAX_BYTES {
            return Err(Malformed("a checkpoint over 64 KiB"));
        }
        if text.chars().any(|c| c < ' ' && c != '\n') {
            return Err(Malformed("control characters in a checkpoint"));
        }
        let (body, signatures) = text.rsplit_once("\n\n").ok_or(Malformed("no blank line before the signatures"))?;
        if signatures.is_empty() || !signatures.ends_with('\n') {
            return Err(Malformed("no signature, or one cut short"));
        }
        if signatures.lines().any(|line| signature_line(line).is_none()) {
            return Err(Malformed("a signature line that is none"));
        }
        let mut lines = body.split('\n');
        let (Some(origin), Some(size), Some(root)) = (lines.next(), lines.next(), lines.next()) else {
            return Err(Malformed("origin, size and root are not all there"));
        };
        if origin.is_empty() || lines.any(str::is_empty) {
            return Err(Malformed("an empty line in the text"));
        }
        let canonical_size = size.parse().ok().filter(|n: &u64| n.to_string() == size);
        let size = canonical_size.ok_or(Malformed("a size that is not a decimal number"))?;
        let root = BASE64_STANDARD.decode(root).ok().and_then(|r| <[u8; 32]>::try_from(r).ok());
        let root = Sha256Digest(root.ok_or(Malformed("a root that is not 32 bytes of base64"))?);
        Ok(Self { text: text.to_owned(), origin: origin.to_owned(), size, root })
    }

    /// The whole signed note.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The ledger's id.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Entries it speaks of.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The root of the tree of those entries.
    #[must_use]
    pub fn root(&self) -> Sha256Digest {
        self.root
    }

    /// The part that is signed, with its last newline.
    #[must_use]
    pub fn body(&self) -> &str {
        self.text.rfind("\n\n").map_or("", |at| &self.text[..=at])
    }

    /// The raw Ed25519 signature made with `key`, if the note has one.
    #[must_use]
    pub fn signature(&self, key: &VerifierKey) -> Option<[u8; 64]> {
        let signatures = self.text.rsplit_once("\n\n").map_or("", |(_, signatures)| signatures);
        signatures.lines().filter_map(signature_line).find_map(|(name, bytes)| {
            let (id, signature) = bytes.split_first_chunk::<4>()?;
            (name == key.name && *id == key.key_id()).then(|| signature.try_into().ok()).flatten()
        })
    }

    /// Checks that this is a checkpoint of the ledger with `key`, signed by it.
    ///
    /// # Errors
    /// [`CheckpointError::OtherLedger`] or [`CheckpointError::Signature`].
    pub fn verify(&self, key: &VerifierKey) -> Result<(), CheckpointError> {
        if self.origin != key.name {
            return Err(CheckpointError::OtherLedger { expected: key.name.clone(), found: self.origin.clone() });
        }
        let signature = self.signature(key).ok_or(CheckpointError::Signature)?;
        VerifyingKey::from_bytes(&key.public_key)
            .and_then(|k| k.verify_strict(self.body().as_bytes(), &Signature::from_bytes(&signature)))
            .map_err(|_| CheckpointError::Signature)
    }
}

fn signature_line(line: &str) -> Option<(&str, Vec<u8>)> {
    let (name, signature) = line.strip_prefix("\u{2014} ")?.split_once(' ')?;
    let bytes = BASE64_STANDARD.decode(signature).ok().filter(|b| b.len() > 4)?;
    (!name.is_empty() && !name.contains('+') && !name.contains(char::is_whitespace)).then_some((name, bytes))
}

impl TryFrom<String> for Checkpoint {
    type Error = CheckpointError;
    fn try_from(text: String) -> Result<Self, CheckpointError> {
        Self::parse(&text)
    }
}

impl From<Checkpoint> for String {
    fn from(checkpoint: Checkpoint) -> String {
        checkpoint.text
    }
}

/// A checkpoint that cannot be read or trusted.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum CheckpointError {
    /// Not the form of a checkpoint.
    #[error("not a signed checkpoint: {0}")]
    Malformed(&'static str),
    /// Not signed by the key, or changed since.
    #[error("the checkpoint's signature does not verify")]
    Signature,
    /// A checkpoint of another ledger.
    #[error("the checkpoint is of ledger {found}, not of {expected}")]
    OtherLedger {
        /// The key's name.
        expected: String,
        /// The checkpoint's origin.
        found: String,
    },
}

impl Fault for CheckpointError {
    fn code(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "ledger.checkpoint_malformed",
            Self::Signature => "ledger.checkpoint_signature",
            Self::OtherLedger { .. } => "ledger.checkpoint_of_other_ledger",
        }
    }
    fn kind(&self) -> FaultKind {
        match self {
            Self::OtherLedger { .. } => FaultKind::Invalid,
            _ => FaultKind::Corrupt,
        }
    }
    fn next(&self) -> String {
        match self {
            Self::OtherLedger { .. } => "Give the public key of the ledger that the checkpoint names.".into(),
            _ => "Get the checkpoint again from where it was kept, and compare the public key with whom it belongs to."
                .into(),
        }
    }
}
