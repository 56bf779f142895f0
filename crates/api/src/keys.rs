//! Where the ledger's two keys live: one secret of 64 bytes (Ed25519 seed, HMAC key) in the operating system's keyring, or in a
//! file that only this account can read. `keys.json` in the home folder says which, so that a keyring that answers "no entry"
//! (as a locked one does) is never mistaken for a new installation.

use crate::{ApiError, ApiErrorKind, config::KeyPlace};
use holdfast_model::Sha256Digest;
use serde::{Deserialize, Serialize};
use std::{
    io::Write as _,
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};
use zeroize::Zeroizing;

/// Keeps secrets. Implementations say plainly where.
pub trait SecretStore: Send + Sync {
    /// `keyring` or `file`.
    fn place(&self) -> &'static str;
    /// A sentence for people about where the secrets are and what that means.
    fn sentence(&self) -> String;
    /// The secret of that name, where there is one.
    ///
    /// # Errors
    /// `keys.*`; a locked keyring may answer none rather than an error.
    fn get(&self, name: &str) -> Result<Option<Zeroizing<Vec<u8>>>, ApiError>;
    /// Stores a secret under a name that has none; durable when it returns.
    ///
    /// # Errors
    /// `keys.*`.
    fn create(&self, name: &str, secret: &[u8]) -> Result<(), ApiError>;
}

/// A file a secret, mode 0600, in a folder of mode 0700.
struct FileSecrets(PathBuf);

impl SecretStore for FileSecrets {
    fn place(&self) -> &'static str {
        "file"
    }

    fn sentence(&self) -> String {
        format!(
            "The keys are in files under {} that only this account can read (mode 0600). Whoever can act as this account \
             or as root can read them; a keyring or an HSM protects them better.",
            self.0.display()
        )
    }

    fn get(&self, name: &str) -> Result<Option<Zeroizing<Vec<u8>>>, ApiError> {
        let path = self.0.join(name);
        let meta = match std::fs::metadata(&path) {
            Ok(meta) => meta,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(unreadable(&path, &e)),
        };
        if meta.permissions().mode() & 0o077 != 0 {
            return Err(ApiError::new(
                ApiErrorKind::Failure,
                "keys.too_open",
                format!(
                    "the key file {} can be read by others (mode {:o})",
                    path.display(),
                    meta.permissions().mode() & 0o777
                ),
                "Find out who had access, then set its mode to 0600.",
            ));
        }
        let text = Zeroizing::new(std::fs::read_to_string(&path).map_err(|e| unreadable(&path, &e))?);
        let secret = hex::decode(text.trim()).map_err(|_| damaged(&path.display().to_string()))?;
        Ok(Some(Zeroizing::new(secret)))
    }

    fn create(&self, name: &str, secret: &[u8]) -> Result<(), ApiError> {
        let path = self.0.join(name);
        let write = || -> std::io::Result<()> {
            std::fs::create_dir_all(&self.0)?;
            std::fs::set_permissions(&self.0, std::fs::Permissions::from_mode(0o700))?;
            let temp = self.0.join(format!(".{name}.{}", std::process::id()));
            let mut file =
                std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temp)?;
            file.write_all(Zeroizing::new(hex::encode(secret)).as_bytes())?;
            file.sync_all()?;
            // A link, not a rename: it refuses to replace.
            std::fs::hard_link(&temp, &path)?;
            std::fs::remove_file(&temp)?;
            std::fs::File::open(&self.0)?.sync_all()
        };
        write().map_err(|e| {
            ApiError::new(
                ApiErrorKind::Failure,
                "keys.not_stored",
                format!("the key file {} could not be written: {e}", path.display()),
                "Give this account write access to the home folder, or choose another with --home.",
            )
        })
    }
}

fn unreadable(path: &Path, e: &std::io::Error) -> ApiError {
    let message = format!("the key file {} cannot be read: {e}", path.display());
    ApiError::new(
        ApiErrorKind::Failure,
        "keys.unreadable",
        message,
        "Run Holdfast under the account that made the archive.",
    )
}

fn damaged(what: &str) -> ApiError {
    let message = format!("the key in {what} does not have the form of a key");
    ApiError::new(ApiErrorKind::Failure, "keys.damaged", message, "Restore it from your backup; do not make a new one.")
}

/// The Secret Service (GNOME Keyring, KWallet) over D-Bus.
struct KeyringSecrets(std::sync::Arc<keyring_core::CredentialStore>);

const SERVICE: &str = "holdfast";

impl KeyringSecrets {
    /// Connects; fails where no keyring answers.
    fn connect() -> Result<Self, String> {
        if std::env::var_os("DBUS_SESSION_BUS_ADDRESS").is_none() && std::env::var_os("XDG_RUNTIME_DIR").is_none() {
            return Err("there is no session bus".into());
        }
        let store = zbus_secret_service_keyring_store::Store::new().map_err(|e| e.to_string())?;
        let store: std::sync::Arc<keyring_core::CredentialStore> = store;
        // Reading something that is not there tells whether the service answers at all.
        match store.build(SERVICE, "probe", None).and_then(|e| e.get_secret()) {
            Ok(_) | Err(keyring_core::Error::NoEntry) => Ok(Self(store)),
            Err(e) => Err(e.to_string()),
        }
    }
}

impl SecretStore for KeyringSecrets {
    fn place(&self) -> &'static str {
        "keyring"
    }

    fn sentence(&self) -> String {
        "The keys are in the operating system's keyring (Secret Service), unlocked with your session.".into()
    }

    fn get(&self, name: &str) -> Result<Option<Zeroizing<Vec<u8>>>, ApiError> {
        match self.0.build(SERVICE, name, None).and_then(|e| e.get_secret()) {
            Ok(secret) => Ok(Some(Zeroizing::new(secret))),
            Err(keyring_core::Error::NoEntry) => Ok(None),
            Err(e) => Err(keyring_error(&e.to_string())),
        }
    }

    fn create(&self, name: &str, secret: &[u8]) -> Result<(), ApiError> {
        let entry = self.0.build(SERVICE, name, None);
        entry.and_then(|e| e.set_secret(secret)).map_err(|e| keyring_error(&e.to_string()))
    }
}

fn keyring_error(e: &str) -> ApiError {
    let message = format!("the operating system's keyring did not answer: {e}");
    ApiError::new(
        ApiErrorKind::Failure,
        "keys.keyring",
        message,
        "Unlock the keyring (log in to the session) and try again.",
    )
}

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
///
/// Everything happens on a thread of its own: the keyring's client blocks on a runtime of its own, also when it is dropped, which
/// must not happen inside another.
pub(crate) fn open(home: &Path, wanted: KeyPlace, fresh: bool) -> Result<Keys, ApiError> {
    let broke_down = || Err(keyring_error("its client broke down"));
    std::thread::scope(|s| s.spawn(|| open_here(home, wanted, fresh)).join().unwrap_or_else(|_| broke_down()))
}

fn open_here(home: &Path, wanted: KeyPlace, fresh: bool) -> Result<Keys, ApiError> {
    let record_path = home.join("keys.json");
    let record = match std::fs::read(&record_path) {
        Ok(bytes) => Some(serde_json::from_slice::<KeyRecord>(&bytes).map_err(|_| damaged("keys.json"))?),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => None,
        Err(e) => return Err(unreadable(&record_path, &e)),
    };
    match record {
        Some(record) => {
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
            split(&secret, store.as_ref())
        }
        None if !fresh => Err(missing("keys.json")),
        None => {
            let store = choose(home, wanted)?;
            // Named after the folder, so that several archives share one keyring; the folder's own name is not secret.
            let id = Sha256Digest::of(home.as_os_str().as_encoded_bytes()).to_hex();
            let name = format!("ledger-{}", &id[..16]);
            let secret = match store.get(&name)? {
                Some(secret) => secret, // a process died between storing the key and writing keys.json
                None => {
                    let mut secret = Zeroizing::new(vec![0u8; 64]);
                    getrandom::fill(&mut secret).map_err(|e| ApiError::internal(&e))?;
                    store.create(&name, &secret)?;
                    secret
                }
            };
            let record = KeyRecord {
                format: "holdfast-keys/1".into(),
                place: store.place().into(),
                name,
                check: check_of(&secret),
            };
            let bytes = serde_json::to_vec_pretty(&record).map_err(|e| ApiError::internal(&e))?;
            crate::home::write_atomic(&record_path, &bytes)?;
            split(&secret, store.as_ref())
        }
    }
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
