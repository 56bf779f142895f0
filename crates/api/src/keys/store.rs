//! Where secrets lie: the operating system's keyring, or files that only this account can read.

use crate::{ApiError, ApiErrorKind};
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
pub(crate) struct FileSecrets(pub(crate) PathBuf);

impl SecretStore for FileSecrets {
    fn place(&self) -> &'static str {
        "file"
    }

    fn sentence(&self) -> String {
        format!(
            "The keys are in files under {} that only this account can read (mode 0600). Whoever can act as this account \
             or as root can read them; a keyring protects them better.",
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

pub(crate) fn unreadable(path: &Path, e: &std::io::Error) -> ApiError {
    let message = format!("the key file {} cannot be read: {e}", path.display());
    ApiError::new(
        ApiErrorKind::Failure,
        "keys.unreadable",
        message,
        "Run Holdfast under the account that made the archive.",
    )
}

pub(crate) fn damaged(what: &str) -> ApiError {
    let message = format!("the key in {what} does not have the form of a key");
    ApiError::new(ApiErrorKind::Failure, "keys.damaged", message, "Restore it from your backup; do not make a new one.")
}

/// The Secret Service (GNOME Keyring, KWallet) over D-Bus.
pub(crate) struct KeyringSecrets(std::sync::Arc<keyring_core::CredentialStore>);

const SERVICE: &str = "holdfast";

impl KeyringSecrets {
    /// Connects; fails where no keyring answers.
    pub(crate) fn connect() -> Result<Self, String> {
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

impl KeyringSecrets {
    /// Stores a secret in place of what was there.
    pub(crate) fn replace(&self, name: &str, secret: &[u8]) -> Result<(), ApiError> {
        let entry = self.0.build(SERVICE, name, None);
        entry.and_then(|e| e.set_secret(secret)).map_err(|e| keyring_error(&e.to_string()))
    }

    /// Takes a secret out; one that is not there is no error.
    pub(crate) fn remove(&self, name: &str) -> Result<(), ApiError> {
        match self.0.build(SERVICE, name, None).and_then(|e| e.delete_credential()) {
            Ok(()) | Err(keyring_core::Error::NoEntry) => Ok(()),
            Err(e) => Err(keyring_error(&e.to_string())),
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
        self.replace(name, secret)
    }
}

pub(crate) fn keyring_error(e: &str) -> ApiError {
    let message = format!("the operating system's keyring did not answer: {e}");
    ApiError::new(
        ApiErrorKind::Failure,
        "keys.keyring",
        message,
        "Unlock the keyring (log in to the session) and try again.",
    )
}
