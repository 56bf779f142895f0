use ed25519_dalek::Signer as _;
use hmac::Mac as _;
use holdfast_model::{Fault, FaultKind};
use std::fmt;
use zeroize::Zeroizing;

/// Signs checkpoints with Ed25519. The key itself stays behind this trait (a file, the keyring, an HSM).
pub trait Signer: Send + Sync {
    /// The ledger's id, which is the name of its key and the origin line of its checkpoints: `holdfast/<16 hex digits>`.
    fn name(&self) -> &str;
    /// The Ed25519 public key.
    fn public_key(&self) -> [u8; 32];
    /// An Ed25519 signature over `message`.
    ///
    /// # Errors
    /// When the keeper of the key refuses or can't be reached.
    fn sign(&self, message: &[u8]) -> Result<[u8; 64], KeyError>;
}

/// Makes the MAC of each entry. The key stays behind this trait.
pub trait Mac: Send + Sync {
    /// HMAC-SHA256 over `message`.
    ///
    /// # Errors
    /// When the keeper of the key refuses or can't be reached.
    fn mac(&self, message: &[u8]) -> Result<[u8; 32], KeyError>;
}

/// A key could not be used.
#[derive(Debug, thiserror::Error, Clone)]
#[error("the ledger's key can't be used: {0}")]
pub struct KeyError(pub String);

impl Fault for KeyError {
    fn code(&self) -> &'static str {
        "ledger.key"
    }
    fn kind(&self) -> FaultKind {
        FaultKind::Denied
    }
    fn next(&self) -> String {
        "Unlock the keyring or connect the HSM that keeps the ledger's key, then try again.".into()
    }
}

/// A signing key held in memory, zeroed when dropped.
pub struct LocalSigner {
    name: String,
    key: ed25519_dalek::SigningKey,
}

impl LocalSigner {
    /// From the 32-byte seed (RFC 8032 private key). The name is made from the public key, so that it can't be claimed by
    /// another: `holdfast/` and the first 16 hexadecimal digits of the public key's SHA-256.
    #[must_use]
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        let key = ed25519_dalek::SigningKey::from_bytes(seed);
        let digest = holdfast_model::Sha256Digest::of(key.verifying_key().as_bytes()).to_hex();
        Self { name: format!("holdfast/{}", &digest[..16]), key }
    }
}

impl Signer for LocalSigner {
    fn name(&self) -> &str {
        &self.name
    }
    fn public_key(&self) -> [u8; 32] {
        self.key.verifying_key().to_bytes()
    }
    fn sign(&self, message: &[u8]) -> Result<[u8; 64], KeyError> {
        Ok(self.key.sign(message).to_bytes())
    }
}

impl fmt::Debug for LocalSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalSigner").field("name", &self.name).finish_non_exhaustive()
    }
}

/// A MAC key held in memory, zeroed when dropped.
pub struct LocalMac(Zeroizing<[u8; 32]>);

impl LocalMac {
    /// From the 32-byte key.
    #[must_use]
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(Zeroizing::new(*seed))
    }
}

impl Mac for LocalMac {
    fn mac(&self, message: &[u8]) -> Result<[u8; 32], KeyError> {
        let mac = hmac::Hmac::<sha2::Sha256>::new_from_slice(self.0.as_slice());
        let mut mac = mac.map_err(|e| KeyError(e.to_string()))?;
        mac.update(message);
        Ok(mac.finalize().into_bytes().into())
    }
}

impl fmt::Debug for LocalMac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LocalMac(..)")
    }
}
