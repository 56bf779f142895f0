//! What is done before an installation can be opened: entering credentials, beginning a shared ledger, carrying its keys.

use crate::{
    ApiError, ApiErrorKind, OpenOptions,
    config::{self, LoadedConfig},
    dto::*,
    home::{Home, HomeLock},
    keys,
    open::Ground,
    secrets::{SecretName, Secrets},
    usecase::credential_list,
};
use holdfast_model::{Clock as _, SystemClock};
use std::{io::Write as _, os::unix::fs::OpenOptionsExt as _, path::Path, sync::Arc};

/// A key export is a kilobyte.
const EXPORT_MAX_BYTES: u64 = 64 * 1024;

pub(crate) fn home_and_config(options: &OpenOptions) -> Result<(Home, LoadedConfig), ApiError> {
    let (home, lock) = Home::open(&options.home)?;
    drop(lock);
    let loaded = config::load(&home.config_file(), std::env::vars(), &options.set)?;
    Ok((home, loaded))
}

/// Credentials that a person can enter; never their values.
///
/// # Errors
/// `home.*`, `config.invalid`, `credentials.record`.
pub fn credentials(options: &OpenOptions) -> Result<CredentialList, ApiError> {
    let (home, loaded) = home_and_config(options)?;
    credential_list(&Secrets::of(home.root()), &loaded.config)
}

/// Enters a credential; it goes into the operating system's keyring.
///
/// # Errors
/// `home.*`, `config.invalid`, `credentials.*`.
pub fn credential_set(options: &OpenOptions, r: &CredentialSetRequest) -> Result<CredentialList, ApiError> {
    let (home, loaded) = home_and_config(options)?;
    let secrets = Secrets::of(home.root());
    secrets.set(&SecretName::parse(&r.name)?, &r.value.0, SystemClock.now())?;
    credential_list(&secrets, &loaded.config)
}

/// Takes a credential out of the keyring.
///
/// # Errors
/// `home.*`, `config.invalid`, `credentials.*`.
pub fn credential_clear(options: &OpenOptions, name: &str) -> Result<CredentialList, ApiError> {
    let (home, loaded) = home_and_config(options)?;
    let secrets = Secrets::of(home.root());
    secrets.clear(&SecretName::parse(name)?)?;
    credential_list(&secrets, &loaded.config)
}

/// Begins the ledger that machines share, once. Makes its keys where this home folder has none.
///
/// # Errors
/// `ledger.not_shared`, `ledger.there_already`, `cloud.*`, `keys.*`, `ledger.*`.
pub async fn ledger_create(options: &OpenOptions) -> Result<LedgerCreated, ApiError> {
    let ground = Ground::prepare(options, Arc::new(SystemClock)).await?;
    let (ledger, keys) = ground.create_ledger().await?;
    Ok(LedgerCreated {
        ledger_id: ledger.id().to_owned(),
        ledger_key: hex::encode(ledger.public_key()),
        ledger_key_fingerprint: holdfast_verify::key_fingerprint(&ledger.public_key()),
        keys: keys.sentence,
    })
}

/// Writes this machine's ledger keys to a new file that only the passphrase opens.
///
/// # Errors
/// `keys.*`; a file that is there is not replaced.
pub fn keys_export(options: &OpenOptions, file: &Path, passphrase: &SecretText) -> Result<KeysMoved, ApiError> {
    let (home, _) = home_and_config(options)?;
    let sealed = keys::export(home.root(), &passphrase.0)?;
    let mut text = serde_json::to_vec_pretty(&sealed).map_err(|e| ApiError::internal(&e))?;
    text.push(b'\n');
    let write = || -> std::io::Result<()> {
        let mut out = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(file)?;
        out.write_all(&text)?;
        out.sync_all()
    };
    write().map_err(|e| {
        let message = format!("the keys could not be written to {}: {e}", file.display());
        ApiError::new(ApiErrorKind::Usage, "keys.not_exported", message, "Name a file that is not there yet.")
    })?;
    let note =
        "Carry the file and the passphrase by two different ways, and destroy the file when the other machine has it.";
    Ok(KeysMoved { ledger_id: sealed.ledger, note: note.into() })
}

/// Takes over ledger keys that another machine exported.
///
/// # Errors
/// `keys.*`.
pub fn keys_import(options: &OpenOptions, file: &Path, passphrase: &SecretText) -> Result<KeysMoved, ApiError> {
    let (home, loaded) = home_and_config(options)?;
    let unreadable = |why: &dyn std::fmt::Display| {
        let message = format!("{} cannot be read: {why}", file.display());
        ApiError::new(ApiErrorKind::Usage, "keys.no_file", message, "Name the file that `holdfast keys export` made.")
    };
    let size = std::fs::metadata(file).map_err(|e| unreadable(&e))?.len();
    if size > EXPORT_MAX_BYTES {
        return Err(unreadable(&"it is far too large for exported keys"));
    }
    let sealed = keys::parse(&std::fs::read_to_string(file).map_err(|e| unreadable(&e))?)?;
    let _lock = HomeLock::take(home.root())?;
    let taken = keys::import(home.root(), loaded.config.keys.place, &sealed, &passphrase.0)?;
    Ok(KeysMoved { ledger_id: sealed.ledger, note: taken.sentence })
}
