use crate::package;
use holdfast_ledger::VerifierKey;

/// Reads a public key in any of its forms: 64 hexadecimal digits, PEM (`public-key.pem` of a package), or a verifier line
/// `name+id+key`.
#[must_use]
pub fn parse_public_key(text: &str) -> Option<[u8; 32]> {
    let text = text.trim();
    let mut key = [0; 32];
    if hex::decode_to_slice(text, &mut key).is_ok() {
        return Some(key);
    }
    package::public_key(text.as_bytes()).or_else(|| VerifierKey::from_line(text).ok().map(|k| k.public_key))
}
