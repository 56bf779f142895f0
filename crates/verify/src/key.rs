//! The one public key that authenticity rests on, in the forms in which people keep it.

use crate::{Finding, FindingCode as Code, key_fingerprint, package};
use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use holdfast_ledger::VerifierKey;
use std::fmt;

/// A public key, or its fingerprint, as somebody knows it from elsewhere than the package or ledger that is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TrustedKey(Form);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// The 32 bytes of the key.
    Key([u8; 32]),
    /// 64 hexadecimal digits, which both a fingerprint and a key are. It cannot be seen which was meant. To profit from that,
    /// a forger would have to find the private key of a given public one, or invert SHA-256.
    Digits([u8; 32]),
}

impl From<[u8; 32]> for TrustedKey {
    fn from(key: [u8; 32]) -> Self {
        Self(Form::Key(key))
    }
}

impl TrustedKey {
    /// Reads a key in any of its forms: the fingerprint or the key itself as 64 hexadecimal digits (in either case, with
    /// white space or colons between them), the key in base64, PEM (`public-key.pem` of a package), or the verifier line
    /// `name+id+key` of a signed note.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim().trim_start_matches('\u{feff}').trim();
        let digits: String = text.chars().filter(|c| !c.is_whitespace() && *c != ':').collect();
        let mut key = [0; 32];
        if hex::decode_to_slice(&digits, &mut key).is_ok() {
            return Some(Self(Form::Digits(key)));
        }
        package::public_key(text.as_bytes())
            .or_else(|| VerifierKey::from_line(text).ok().map(|k| k.public_key))
            .or_else(|| base64_key(text))
            .map(Self::from)
    }

    /// Whether this is `key`, or its fingerprint.
    #[must_use]
    pub fn is(&self, key: &[u8; 32]) -> bool {
        match &self.0 {
            Form::Key(own) => own == key,
            Form::Digits(own) => own == key || hex::encode(own) == key_fingerprint(key),
        }
    }

    /// The bytes of the key where they are known, or could be.
    pub(crate) fn bytes(&self) -> [u8; 32] {
        match self.0 {
            Form::Key(key) | Form::Digits(key) => key,
        }
    }
}

/// What is compared, so that a person sees which form was taken for which.
impl fmt::Display for TrustedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Form::Key(key) => write!(f, "the key with the fingerprint {}", key_fingerprint(key)),
            Form::Digits(digits) => {
                let (given, as_key) = (hex::encode(digits), key_fingerprint(digits));
                write!(f, "the key with the fingerprint {given} or, if those are the key itself, {as_key}")
            }
        }
    }
}

/// A key in words, in the two forms that people may hold against each other.
pub(crate) fn describe(key: &[u8; 32]) -> String {
    format!("the key with the fingerprint {} (the key itself: {})", key_fingerprint(key), hex::encode(key))
}

fn base64_key(text: &str) -> Option<[u8; 32]> {
    const ENGINE: GeneralPurpose = GeneralPurpose::new(
        &alphabet::STANDARD,
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
    );
    ENGINE.decode(text).ok()?.try_into().ok()
}

/// On what the origin of a package or ledger is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trust {
    /// No key is known from elsewhere: at most, what is checked agrees with itself.
    Unknown,
    /// The key that the caller knows. Another one is a failure.
    Given(TrustedKey),
    /// The key of the caller's own ledger. A package by another key that does not claim to be of this ledger is a stranger's:
    /// judged as with no key known.
    Own([u8; 32]),
}

impl From<Option<[u8; 32]>> for Trust {
    fn from(key: Option<[u8; 32]>) -> Self {
        key.map_or(Self::Unknown, |key| Self::Given(key.into()))
    }
}

impl Trust {
    /// What there is to say of a package or ledger that is signed with `found` and calls its ledger `origin`.
    pub(crate) fn judge(&self, found: &[u8; 32], origin: Option<&str>) -> Option<Finding> {
        let mismatch =
            |expected: &dyn fmt::Display| Some(Finding::new(Code::KeyMismatch, KEY, expected, describe(found)));
        match self {
            Self::Given(key) if key.is(found) => None,
            Self::Given(key) => mismatch(key),
            Self::Own(key) if key == found => None,
            Self::Own(key) if origin == Some(&ledger_id(key)) => mismatch(&TrustedKey::from(*key)),
            Self::Own(_) => {
                let expected = "the key of this installation's own ledger, or one that is known from elsewhere";
                Some(Finding::new(Code::KeyNotPinned, KEY, expected, key_fingerprint(found)))
            }
            Self::Unknown => {
                let expected = "a key that is known from elsewhere";
                Some(Finding::new(Code::KeyNotPinned, KEY, expected, key_fingerprint(found)))
            }
        }
    }

    /// A key to go on with where what is checked has none itself.
    pub(crate) fn bytes(&self) -> Option<[u8; 32]> {
        match self {
            Self::Unknown => None,
            Self::Given(key) => Some(key.bytes()),
            Self::Own(key) => Some(*key),
        }
    }
}

/// The subject of findings about the key.
const KEY: &str = "public key";

/// The id of a ledger that began with `key`.
fn ledger_id(key: &[u8; 32]) -> String {
    format!("holdfast/{}", &key_fingerprint(key)[..16])
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::prelude::BASE64_STANDARD;

    #[test]
    fn every_form_of_a_key_is_that_key_and_no_other() {
        let (key, other) = ([7; 32], [8; 32]);
        let line = VerifierKey { name: "holdfast/0123456789abcdef".into(), public_key: key };
        let fingerprint = key_fingerprint(&key);
        let pairs: Vec<String> =
            fingerprint.as_bytes().chunks(2).map(|c| String::from_utf8_lossy(c).to_uppercase()).collect();
        let base64 = BASE64_STANDARD.encode(key);
        let forms = [
            fingerprint.clone(),
            fingerprint.to_uppercase(),
            pairs.join(":"),
            format!(" {}\r\n", pairs.join(" ")),
            format!("\u{feff}{}\n{}\n", &fingerprint[..32], &fingerprint[32..]),
            hex::encode(key),
            base64.trim_end_matches('=').to_owned(),
            base64,
            line.to_pem(),
            line.to_line(),
        ];
        for form in &forms {
            let parsed = TrustedKey::parse(form).unwrap_or_else(|| panic!("{form:?} is not read"));
            assert!(parsed.is(&key), "{form:?}");
            assert!(!parsed.is(&other), "{form:?}");
            assert!(parsed.to_string().contains(&fingerprint), "{form:?}: {parsed}");
        }
        for bad in ["", "nonsense", &fingerprint[1..], &format!("{fingerprint}00"), "-----BEGIN PUBLIC KEY-----"] {
            assert_eq!(TrustedKey::parse(bad), None, "{bad:?}");
        }
    }
}
