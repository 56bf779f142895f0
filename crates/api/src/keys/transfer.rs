//! Keys on their way from one machine to another: a small file that only a passphrase opens. The form is described in
//! `docs/configuration.md`, so that a person could open it without Holdfast.

use super::SECRET_BYTES;
use crate::{ApiError, ApiErrorKind};
use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, RandomizedNonceKey},
    pbkdf2,
};
use serde::{Deserialize, Serialize};
use std::num::NonZeroU32;
use zeroize::Zeroizing;

const FORMAT: &str = "holdfast-keys-export/1";
/// OWASP's figure for PBKDF2-HMAC-SHA256 (Password Storage Cheat Sheet, 2023).
const ITERATIONS: u32 = 600_000;
/// A file that asks for more is none of ours, and would only keep the machine busy.
const ITERATIONS_MAX: u32 = 10_000_000;
const PASSPHRASE_MIN: usize = 12;

/// The keys, sealed: AES-256-GCM under a key that PBKDF2-HMAC-SHA256 makes of the passphrase. All bytes are hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Sealed {
    format: String,
    /// The ledger that they are of, for people; sealed with them, so that it cannot be changed.
    pub(crate) ledger: String,
    iterations: u32,
    salt: String,
    nonce: String,
    /// Cipher text and, in its last 16 bytes, the tag.
    sealed: String,
}

fn wrong_passphrase() -> ApiError {
    ApiError::new(
        ApiErrorKind::Usage,
        "keys.passphrase",
        "the passphrase does not open this file, or the file was changed",
        "Check the passphrase and the way the file came; nothing was taken over.",
    )
}

fn no_export() -> ApiError {
    ApiError::new(
        ApiErrorKind::Usage,
        "keys.no_export",
        "this file does not hold exported keys",
        "Make one with `holdfast keys export FILE` on a machine that has the keys.",
    )
}

fn key_of(passphrase: &str, salt: &[u8], iterations: u32) -> Result<Zeroizing<[u8; 32]>, ApiError> {
    let iterations = NonZeroU32::new(iterations).filter(|i| i.get() <= ITERATIONS_MAX).ok_or_else(no_export)?;
    let mut key = Zeroizing::new([0u8; 32]);
    pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, iterations, salt, passphrase.as_bytes(), key.as_mut_slice());
    Ok(key)
}

fn aad_of(ledger: &str) -> Aad<Vec<u8>> {
    Aad::from(format!("{FORMAT}\n{ledger}").into_bytes())
}

/// Seals a secret.
///
/// # Errors
/// `keys.passphrase_short`.
pub(crate) fn seal(secret: &[u8], passphrase: &str) -> Result<Sealed, ApiError> {
    if passphrase.chars().count() < PASSPHRASE_MIN {
        let message = format!("the passphrase must have at least {PASSPHRASE_MIN} characters");
        let next = "Choose a longer one: whoever guesses it can write into the ledger.";
        return Err(ApiError::new(ApiErrorKind::Usage, "keys.passphrase_short", message, next));
    }
    let seed = <[u8; 32]>::try_from(secret.get(..32).unwrap_or_default()).map(Zeroizing::new);
    let seed = seed.map_err(|_| super::damaged("the keys"))?;
    let signer = holdfast_ledger::LocalSigner::from_seed(&seed);
    let ledger = holdfast_ledger::Signer::name(&signer).to_owned();
    let mut salt = [0u8; 16];
    getrandom::fill(&mut salt).map_err(|e| ApiError::internal(&e))?;
    let key = key_of(passphrase, &salt, ITERATIONS)?;
    let broken = |_| ApiError::internal(&std::io::Error::other("the cipher refused"));
    let cipher = RandomizedNonceKey::new(&AES_256_GCM, key.as_slice()).map_err(broken)?;
    let mut text = secret.to_vec();
    let nonce = cipher.seal_in_place_append_tag(aad_of(&ledger), &mut text).map_err(broken)?;
    Ok(Sealed {
        format: FORMAT.into(),
        ledger,
        iterations: ITERATIONS,
        salt: hex::encode(salt),
        nonce: hex::encode(nonce.as_ref()),
        sealed: hex::encode(&text),
    })
}

/// Opens what [`seal`] sealed.
///
/// # Errors
/// `keys.passphrase`, `keys.no_export`.
pub(crate) fn unseal(sealed: &Sealed, passphrase: &str) -> Result<Zeroizing<Vec<u8>>, ApiError> {
    if sealed.format != FORMAT {
        return Err(no_export());
    }
    let bytes = |text: &str| hex::decode(text).map_err(|_| no_export());
    let key = key_of(passphrase, &bytes(&sealed.salt)?, sealed.iterations)?;
    let nonce = <[u8; 12]>::try_from(bytes(&sealed.nonce)?).map_err(|_| no_export())?;
    let mut text = Zeroizing::new(bytes(&sealed.sealed)?);
    let cipher = RandomizedNonceKey::new(&AES_256_GCM, key.as_slice()).map_err(|_| no_export())?;
    let opened = cipher.open_in_place((&nonce).into(), aad_of(&sealed.ledger), &mut text);
    let secret = Zeroizing::new(opened.map_err(|_| wrong_passphrase())?.to_vec());
    if secret.len() == SECRET_BYTES { Ok(secret) } else { Err(no_export()) }
}

/// Reads the file's text.
///
/// # Errors
/// `keys.no_export`.
pub(crate) fn parse(text: &str) -> Result<Sealed, ApiError> {
    if let Some(format) = holdfast_model::newer_format(text.as_bytes(), FORMAT) {
        return Err(ApiError::newer("keys.format_unknown", "the exported keys", &format));
    }
    serde_json::from_str(text).map_err(|_| no_export())
}
