//! Where the ledger's two keys live: one secret of 64 bytes (Ed25519 seed, HMAC key) in the operating system's keyring, or in a
//! file that only this account can read. `keys.json` in the home folder says which, so that a keyring that answers "no entry"
//! (as a locked one does) is never mistaken for a new installation.

mod store;
mod transfer;

pub use store::SecretStore;
pub(crate) use store::{FileSecrets, KeyringSecrets, keyring_error, unreadable};
pub(crate) use transfer::{Sealed, parse};

use crate::{ApiError, ApiErrorKind, config::KeyPlace};
use holdfast_model::Sha256Digest;
use serde::{Deserialize, Serialize};
use std::path::Path;
use store::damaged;
use transfer::{seal, unseal};
use zeroize::Zeroizing;

/// Seed of the signing key, then the MAC key.
const SECRET_BYTES: usize = 64;
const RECORD: &str = "keys.json";
const RECORD_FORMAT: &str = "holdfast-keys/1";

/// What is public about the keys, in `keys.json` of the home folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct KeyRecord {
    format: String,
    place: String,
    /// Name of the secret in its store.
    name: String,
    /// SHA-256 of `holdfast key check` followed by the secret: tells a wrong key from the right one.
    check: Sha256Digest,
}

/// The ledger's keys, opened.
pub(crate) struct Keys {
    /// Seed of the Ed25519 key that signs checkpoints.
    pub(crate) signing_seed: Zeroizing<[u8; 32]>,
    /// HMAC-SHA256 key.
    pub(crate) mac_key: Zeroizing<[u8; 32]>,
    /// `keyring` or `file`.
    pub(crate) place: &'static str,
    /// For people.
    pub(crate) sentence: String,
}

fn check_of(secret: &[u8]) -> Sha256Digest {
    let mut input = Zeroizing::new(b"holdfast key check".to_vec());
    input.extend_from_slice(secret);
    Sha256Digest::of(&input)
}

/// Opens the keys of the home folder, or makes them where the home folder is new. The caller holds the home's lock. `fresh` says
/// that there is no ledger yet.
pub(crate) fn open(home: &Path, wanted: KeyPlace, fresh: bool) -> Result<Keys, ApiError> {
    aside(|| match existing(home)? {
        Some((secret, store)) => split(&secret, store.as_ref()),
        None if !fresh => Err(missing("keys.json")),
        None => {
            let mut secret = Zeroizing::new(vec![0u8; SECRET_BYTES]);
            getrandom::fill(&mut secret).map_err(|e| ApiError::internal(&e))?;
            keep(home, wanted, secret, true)
        }
    })
}

/// Whether the home folder has keys, without opening them.
pub(crate) fn are_here(home: &Path) -> bool {
    home.join(RECORD).exists()
}

/// The home folder's keys, sealed with a passphrase, to be carried to another machine.
pub(crate) fn export(home: &Path, passphrase: &str) -> Result<Sealed, ApiError> {
    aside(|| {
        let (secret, _) = existing(home)?.ok_or_else(|| missing(RECORD))?;
        seal(&secret, passphrase)
    })
}

/// Takes over keys that another machine exported. The caller holds the home's lock. Doing it twice is no error.
///
/// # Errors
/// `keys.others` where the home folder has other keys; `keys.passphrase`.
pub(crate) fn import(home: &Path, wanted: KeyPlace, sealed: &Sealed, passphrase: &str) -> Result<Keys, ApiError> {
    aside(|| {
        let secret = unseal(sealed, passphrase)?;
        match existing(home)? {
            Some((there, store)) if *there == *secret => split(&secret, store.as_ref()),
            Some(_) => Err(ApiError::new(
                ApiErrorKind::Usage,
                "keys.others",
                "this home folder has the keys of another ledger already",
                "Name a new folder with --home DIR; the keys that are here were not touched.",
            )),
            None => keep(home, wanted, secret, false),
        }
    })
}

/// Runs on a thread of its own: the keyring's client blocks on a runtime of its own, also when it is dropped, which must not happen
/// inside another.
pub(crate) fn aside<T: Send>(work: impl FnOnce() -> Result<T, ApiError> + Send) -> Result<T, ApiError> {
    let broke_down = || Err(keyring_error("its client broke down"));
    std::thread::scope(|s| s.spawn(work).join().unwrap_or_else(|_| broke_down()))
}

/// A secret and where it was found.
type Held = (Zeroizing<Vec<u8>>, Box<dyn SecretStore>);

/// The secret that `keys.json` speaks of and where it was found; none where the home folder has none.
fn existing(home: &Path) -> Result<Option<Held>, ApiError> {
    let record_path = home.join(RECORD);
    let record = match std::fs::read(&record_path) {
        Ok(bytes) => match holdfast_model::newer_format(&bytes, RECORD_FORMAT) {
            Some(format) => return Err(ApiError::newer("keys.format_unknown", RECORD, &format)),
            None => serde_json::from_slice::<KeyRecord>(&bytes).map_err(|_| damaged(RECORD))?,
        },
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(unreadable(&record_path, &e)),
    };
    let store = store_named(home, &record.place)?;
    let secret = store.get(&record.name)?.ok_or_else(|| missing(store.place()))?;
    if check_of(&secret) != record.check {
        return Err(ApiError::new(
            ApiErrorKind::Failure,
            "keys.wrong",
            "the key found is not the one this archive was made with",
            "Run Holdfast with the account or keyring that made the archive. No new key was made.",
        ));
    }
    Ok(Some((secret, store)))
}

/// Keeps a secret as the home folder's. `made` says that it was made just now, so that one which a process left that died before
/// it wrote `keys.json` is as good.
fn keep(home: &Path, wanted: KeyPlace, secret: Zeroizing<Vec<u8>>, made: bool) -> Result<Keys, ApiError> {
    let store = choose(home, wanted)?;
    let name = format!("ledger-{}", home_id(home));
    let secret = match store.get(&name)? {
        Some(found) if made || *found == *secret => found,
        Some(_) => return Err(in_the_way(store.place())),
        None => {
            store.create(&name, &secret)?;
            secret
        }
    };
    let record =
        KeyRecord { format: RECORD_FORMAT.into(), place: store.place().into(), name, check: check_of(&secret) };
    let bytes = serde_json::to_vec_pretty(&record).map_err(|e| ApiError::internal(&e))?;
    crate::home::write_atomic(&home.join(RECORD), &bytes)?;
    split(&secret, store.as_ref())
}

/// Stands for the home folder in the keyring, which several archives share; the folder's own name is not secret.
pub(crate) fn home_id(home: &Path) -> String {
    Sha256Digest::of(home.as_os_str().as_encoded_bytes()).to_hex()[..16].to_owned()
}

fn in_the_way(place: &str) -> ApiError {
    let message = format!("the {place} holds other keys under the name of this home folder");
    ApiError::new(
        ApiErrorKind::Failure,
        "keys.in_the_way",
        message,
        "Find out what they are of, or name another folder with --home DIR; nothing was replaced.",
    )
}

fn missing(place: &str) -> ApiError {
    ApiError::new(
        ApiErrorKind::Failure,
        "keys.missing",
        format!("the archive's key is not in the {place} where it was put"),
        "Unlock the keyring, or restore the key from your backup. Holdfast never makes a second key for an archive.",
    )
}

fn split(secret: &[u8], store: &dyn SecretStore) -> Result<Keys, ApiError> {
    let (seed, mac) = secret.split_at_checked(32).ok_or_else(|| damaged(store.place()))?;
    let array = |s: &[u8]| <[u8; 32]>::try_from(s).map(Zeroizing::new).map_err(|_| damaged(store.place()));
    Ok(Keys { signing_seed: array(seed)?, mac_key: array(mac)?, place: store.place(), sentence: store.sentence() })
}

fn store_named(home: &Path, place: &str) -> Result<Box<dyn SecretStore>, ApiError> {
    match place {
        "keyring" => Ok(Box::new(KeyringSecrets::connect().map_err(|e| keyring_error(&e))?)),
        _ => Ok(Box::new(FileSecrets(home.join("keys")))),
    }
}

fn choose(home: &Path, wanted: KeyPlace) -> Result<Box<dyn SecretStore>, ApiError> {
    let file = || Box::new(FileSecrets(home.join("keys")));
    match wanted {
        KeyPlace::File => Ok(file()),
        KeyPlace::Keyring => Ok(Box::new(KeyringSecrets::connect().map_err(|e| keyring_error(&e))?)),
        KeyPlace::Auto => match KeyringSecrets::connect() {
            Ok(keyring) => Ok(Box::new(keyring)),
            Err(why) => {
                tracing::info!(why, "no keyring; the keys go to a file");
                Ok(file())
            }
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn keys_travel_sealed_and_never_replace_others() {
        let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let made = open(first.path(), KeyPlace::File, true).unwrap();
        let sealed = export(first.path(), "correct horse battery").unwrap();
        let text = serde_json::to_string(&sealed).unwrap();
        assert!(!text.contains(&hex::encode(*made.mac_key)) && !text.contains(&hex::encode(*made.signing_seed)));

        let refused = import(second.path(), KeyPlace::File, &sealed, "correct horse batterz").err().unwrap();
        assert_eq!(refused.code, "keys.passphrase");
        assert!(!are_here(second.path()), "nothing was kept");
        for _ in 0..2 {
            let taken = import(second.path(), KeyPlace::File, &sealed, "correct horse battery").unwrap();
            assert_eq!((*taken.signing_seed, *taken.mac_key), (*made.signing_seed, *made.mac_key));
        }
        let third = tempfile::tempdir().unwrap();
        let own = open(third.path(), KeyPlace::File, true).unwrap();
        let refused = import(third.path(), KeyPlace::File, &sealed, "correct horse battery").err().unwrap();
        assert_eq!(refused.code, "keys.others");
        assert_eq!(*open(third.path(), KeyPlace::File, false).unwrap().mac_key, *own.mac_key);

        let mut other: Sealed = serde_json::from_str(&text).unwrap();
        other.ledger = "holdfast/0000000000000000".into();
        assert_eq!(
            import(second.path(), KeyPlace::File, &other, "correct horse battery").err().unwrap().code,
            "keys.passphrase"
        );
        assert_eq!(export(first.path(), "short").err().unwrap().code, "keys.passphrase_short");
        let newer = text.replace("holdfast-keys-export/1", "holdfast-keys-export/2").replacen('{', "{\"later\":1,", 1);
        assert_eq!(parse(&newer).err().unwrap().code, "keys.format_unknown");
    }

    #[test]
    fn a_key_is_made_once_and_never_again() {
        let home = tempfile::tempdir().unwrap();
        let first = open(home.path(), KeyPlace::File, true).unwrap();
        let again = open(home.path(), KeyPlace::File, false).unwrap();
        assert_eq!(*first.signing_seed, *again.signing_seed);
        assert_ne!(*first.signing_seed, *first.mac_key);
        let key = std::fs::read_dir(home.path().join("keys")).unwrap().next().unwrap().unwrap().path();
        assert_eq!(std::fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);

        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert_eq!(open(home.path(), KeyPlace::File, false).err().unwrap().code, "keys.too_open");
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();

        std::fs::write(&key, "00".repeat(64)).unwrap();
        assert_eq!(open(home.path(), KeyPlace::File, false).err().unwrap().code, "keys.wrong");
        std::fs::remove_file(&key).unwrap();
        assert_eq!(open(home.path(), KeyPlace::File, false).err().unwrap().code, "keys.missing");
        assert!(!key.exists(), "no second key");
        std::fs::remove_file(home.path().join("keys.json")).unwrap();
        assert_eq!(open(home.path(), KeyPlace::File, false).err().unwrap().code, "keys.missing");
    }
}
