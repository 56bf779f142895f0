//! Secrets that a person enters: keys of cloud accounts, the mail server's password, what webhooks are signed with. They go into
//! the operating system's keyring and nowhere else. A server without one gives them through its environment or through files that
//! the environment names (`HOLDFAST_SECRET_SMTP_PASSWORD`, `HOLDFAST_SECRET_SMTP_PASSWORD_FILE`).
//!
//! `credentials.json` in the home folder says which were entered, so that a keyring that answers "no entry" (as a locked one does)
//! is told rather than taken for nothing entered.

use crate::{
    ApiError, ApiErrorKind,
    home::{HomeLock, write_atomic},
    keys::{KeyringSecrets, SecretStore as _, aside, home_id, keyring_error, unreadable},
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    ffi::OsString,
    path::{Path, PathBuf},
};
use zeroize::Zeroizing;

const RECORD: &str = "credentials.json";
const RECORD_FORMAT: &str = "holdfast-credentials/1";
const SECRET_MAX_BYTES: usize = 16 * 1024;

/// A secret that a person enters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum SecretName {
    /// Access key id and secret access key of AWS (and a session token), on two or three lines.
    Aws,
    /// Secret of the Azure service principal.
    AzureSecret,
    /// Shared access signature for the Azure account.
    AzureSas,
    /// Password at the mail server.
    SmtpPassword,
    /// What a webhook is signed with: `whsec_` and base64, or any text.
    Webhook(String),
}

impl SecretName {
    /// The name as it is typed.
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Aws => "aws".into(),
            Self::AzureSecret => "azure-secret".into(),
            Self::AzureSas => "azure-sas".into(),
            Self::SmtpPassword => "smtp-password".into(),
            Self::Webhook(name) => format!("webhook-{name}"),
        }
    }

    /// What it is for, as a sentence for people.
    pub(crate) fn meaning(&self) -> String {
        match self {
            Self::Aws => "Access key for Amazon's services: its id, then its secret, each on a line of its own.".into(),
            Self::AzureSecret => "Secret of the service principal that azure.client_id names.".into(),
            Self::AzureSas => "Shared access signature for archive.azure.account_url.".into(),
            Self::SmtpPassword => "Password of notify.email.user at the mail server.".into(),
            Self::Webhook(name) => format!("What messages to the webhook `{name}` are signed with."),
        }
    }

    /// # Errors
    /// `credentials.unknown`.
    pub(crate) fn parse(text: &str) -> Result<Self, ApiError> {
        let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        match text {
            "aws" => Ok(Self::Aws),
            "azure-secret" => Ok(Self::AzureSecret),
            "azure-sas" => Ok(Self::AzureSas),
            "smtp-password" => Ok(Self::SmtpPassword),
            _ => match text.strip_prefix("webhook-") {
                Some(name) if (1..=32).contains(&name.len()) && name.bytes().all(fits) => {
                    Ok(Self::Webhook(name.into()))
                }
                _ => {
                    let shown: String = text.chars().take(40).collect();
                    let next = "Choose one of aws, azure-secret, azure-sas, smtp-password, webhook-NAME.";
                    Err(ApiError::usage("credentials.unknown", format!("there is no credential `{shown}`"), next))
                }
            },
        }
    }

    fn variable(&self) -> String {
        format!("HOLDFAST_SECRET_{}", self.text().to_ascii_uppercase().replace('-', "_"))
    }
}

/// What was entered and when, as kept beside the configuration; never the values.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Record {
    format: String,
    entered: BTreeMap<String, Timestamp>,
}

/// Where a secret comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum From {
    Environment,
    File,
    Keyring,
}

impl From {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Environment => "environment",
            Self::File => "file",
            Self::Keyring => "keyring",
        }
    }
}

/// The secrets of one home folder.
#[derive(Clone)]
pub(crate) struct Secrets {
    home: PathBuf,
    /// Secrets that a test gives in place of a keyring.
    #[cfg(test)]
    fixed: BTreeMap<String, String>,
}

impl Secrets {
    pub(crate) fn of(home: &Path) -> Self {
        Self {
            home: home.to_owned(),
            #[cfg(test)]
            fixed: BTreeMap::new(),
        }
    }

    /// The same with these secrets.
    #[cfg(test)]
    pub(crate) fn with(mut self, fixed: &[(&str, &str)]) -> Self {
        self.fixed = fixed.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        self
    }

    /// The secret, where one was entered or given.
    ///
    /// # Errors
    /// `credentials.locked` where one was entered and the keyring does not give it; `credentials.file`; `credentials.form`, as
    /// what cannot be used is never taken for nothing given.
    pub(crate) fn get(&self, name: &SecretName) -> Result<Option<Zeroizing<String>>, ApiError> {
        let found = self.read(name)?;
        if let Some(value) = &found {
            check_form(name, value)?;
        }
        Ok(found)
    }

    fn read(&self, name: &SecretName) -> Result<Option<Zeroizing<String>>, ApiError> {
        #[cfg(test)]
        if let Some(found) = self.fixed.get(&name.text()) {
            return Ok(Some(Zeroizing::new(found.clone())));
        }
        if let Some(found) = given(name, |v| std::env::var_os(v))? {
            return Ok(Some(found));
        }
        if !self.record()?.entered.contains_key(&name.text()) {
            return Ok(None);
        }
        let account = self.account(name);
        let found = aside(move || KeyringSecrets::connect().map_err(|e| keyring_error(&e))?.get(&account));
        let locked = |why: &str| {
            let (next, name) = (
                "Unlock the keyring (log in to the session), or enter it again with `holdfast credentials set`.",
                name.text(),
            );
            ApiError::new(
                ApiErrorKind::Failure,
                "credentials.locked",
                format!("the credential `{name}` was entered, but the keyring does not give it{why}"),
                next,
            )
        };
        let bytes = found.map_err(|e| locked(&format!(": {}", e.message)))?.ok_or_else(|| locked(""))?;
        let text = std::str::from_utf8(&bytes).map_err(|_| locked(": it is no text"))?;
        Ok(Some(Zeroizing::new(text.to_owned())))
    }

    /// Puts a secret into the keyring, in place of an earlier one.
    ///
    /// # Errors
    /// `credentials.form`, `credentials.no_keyring`, `home.*`.
    pub(crate) fn set(&self, name: &SecretName, value: &str, now: Timestamp) -> Result<(), ApiError> {
        let value = value.trim_end_matches(['\n', '\r']);
        check_form(name, value)?;
        let account = self.account(name);
        aside(|| connected()?.replace(&account, value.as_bytes()))?;
        // After the value: what is on record was entered.
        self.change(|r| {
            r.entered.insert(name.text(), now);
        })
    }

    /// Takes a secret out of the keyring; one that is not there is no error.
    ///
    /// # Errors
    /// `credentials.no_keyring`, `home.*`.
    pub(crate) fn clear(&self, name: &SecretName) -> Result<(), ApiError> {
        let account = self.account(name);
        aside(|| connected()?.remove(&account))?;
        self.change(|r| {
            r.entered.remove(&name.text());
        })
    }

    /// Where the secret comes from, and when it was entered; none where there is none. Does not ask the keyring.
    pub(crate) fn origin(&self, name: &SecretName) -> Result<Option<(From, Option<Timestamp>)>, ApiError> {
        let variable = name.variable();
        if std::env::var_os(&variable).is_some() {
            return Ok(Some((From::Environment, None)));
        }
        if std::env::var_os(format!("{variable}_FILE")).is_some() {
            return Ok(Some((From::File, None)));
        }
        Ok(self.record()?.entered.get(&name.text()).map(|t| (From::Keyring, Some(*t))))
    }

    /// Names that were entered.
    pub(crate) fn entered(&self) -> Result<Vec<SecretName>, ApiError> {
        Ok(self.record()?.entered.keys().filter_map(|n| SecretName::parse(n).ok()).collect())
    }

    fn account(&self, name: &SecretName) -> String {
        format!("{}-{}", name.text(), home_id(&self.home))
    }

    fn record(&self) -> Result<Record, ApiError> {
        let path = self.home.join(RECORD);
        match std::fs::read(&path) {
            Ok(bytes) if let Some(format) = holdfast_model::newer_format(&bytes, RECORD_FORMAT) => {
                Err(ApiError::newer("credentials.format_unknown", &path.display().to_string(), &format))
            }
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|e| {
                let next = "Take the file away and enter the credentials again; they only say what was entered.";
                ApiError::new(
                    ApiErrorKind::Failure,
                    "credentials.record",
                    format!("{} cannot be understood: {e}", path.display()),
                    next,
                )
            }),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(Record::default()),
            Err(e) => Err(unreadable(&path, &e)),
        }
    }

    fn change(&self, change: impl FnOnce(&mut Record)) -> Result<(), ApiError> {
        let _lock = HomeLock::take(&self.home)?;
        let mut record = self.record()?;
        RECORD_FORMAT.clone_into(&mut record.format);
        change(&mut record);
        let bytes = serde_json::to_vec_pretty(&record).map_err(|e| ApiError::internal(&e))?;
        write_atomic(&self.home.join(RECORD), &bytes)
    }
}

fn connected() -> Result<KeyringSecrets, ApiError> {
    KeyringSecrets::connect().map_err(|e| {
        let next = "Log in to a session with a keyring; a server without one gives it through its environment: \
                    HOLDFAST_SECRET_<NAME>, or HOLDFAST_SECRET_<NAME>_FILE with the path of a file.";
        ApiError::new(
            ApiErrorKind::Failure,
            "credentials.no_keyring",
            format!("there is no keyring that could keep the credential: {e}"),
            next,
        )
    })
}

/// What the environment gives, itself or through a file.
fn given(
    name: &SecretName,
    environment: impl Fn(&str) -> Option<OsString>,
) -> Result<Option<Zeroizing<String>>, ApiError> {
    let variable = name.variable();
    let line = |text: String| Zeroizing::new(text.trim_end_matches(['\n', '\r']).to_owned());
    if let Some(value) = environment(&variable) {
        return value.into_string().map(|v| Some(line(v))).map_err(|_| wrong_form(name, "it is not UTF-8"));
    }
    let Some(path) = environment(&format!("{variable}_FILE")) else { return Ok(None) };
    let text = std::fs::read_to_string(&path).map_err(|e| {
        let message = format!("{variable}_FILE names {}, which cannot be read: {e}", Path::new(&path).display());
        ApiError::new(ApiErrorKind::Failure, "credentials.file", message, "Check the path and the rights of the file.")
    })?;
    Ok(Some(line(text)))
}

fn check_form(name: &SecretName, value: &str) -> Result<(), ApiError> {
    if value.is_empty() || value.len() > SECRET_MAX_BYTES {
        return Err(wrong_form(name, "it is empty or longer than 16 KiB"));
    }
    match name {
        SecretName::Aws => aws_keys(value).map(drop),
        SecretName::AzureSas if !value.contains("sig=") => {
            Err(wrong_form(name, "a shared access signature has sig= in it"))
        }
        SecretName::Webhook(_) => webhook_key(name, value).map(drop),
        _ => Ok(()),
    }
}

/// Never with the value.
fn wrong_form(name: &SecretName, what: &str) -> ApiError {
    ApiError::usage("credentials.form", format!("this is no value for `{}`: {what}", name.text()), name.meaning())
}

/// Id, secret and session token of an access key.
pub(crate) type AwsKeys = (String, String, Option<String>);

/// The access key in the text that was entered.
///
/// # Errors
/// `credentials.form`.
pub(crate) fn aws_keys(text: &str) -> Result<AwsKeys, ApiError> {
    let mut lines = text.lines().map(str::trim).filter(|l| !l.is_empty());
    let fits = |id: &&str| (16..=128).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric());
    match (lines.next().filter(fits), lines.next(), lines.next(), lines.next()) {
        (Some(id), Some(secret), token, None) => Ok((id.to_owned(), secret.to_owned(), token.map(str::to_owned))),
        _ => Err(wrong_form(&SecretName::Aws, "expected the key's id and its secret on two lines")),
    }
}

/// The key that messages to a webhook are signed with: the bytes behind `whsec_`, or those of the text itself.
///
/// # Errors
/// `credentials.form`, also where what stands behind `whsec_` is no base64: a receiver would decode it, and agree with nothing that
/// was signed with the text.
pub(crate) fn webhook_key(name: &SecretName, text: &str) -> Result<Zeroizing<Vec<u8>>, ApiError> {
    if text.len() < 24 {
        return Err(wrong_form(name, "it must have at least 24 characters"));
    }
    let key = match text.strip_prefix("whsec_") {
        Some(coded) => BASE64_STANDARD.decode(coded).map_err(|_| wrong_form(name, "no base64 stands behind whsec_"))?,
        None => text.as_bytes().to_vec(),
    };
    Ok(Zeroizing::new(key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_forms() {
        for text in ["aws", "azure-secret", "azure-sas", "smtp-password", "webhook-case-desk"] {
            assert_eq!(SecretName::parse(text).unwrap().text(), text);
        }
        for text in ["", "webhook-", "webhook-A", "password"] {
            assert_eq!(SecretName::parse(text).err().unwrap().code, "credentials.unknown");
        }
        assert!(check_form(&SecretName::Aws, "AKIAIOSFODNN7EXAMPLE\nsecret").is_ok());
        let hook = || SecretName::Webhook("desk".into());
        for (name, value) in [
            (SecretName::Aws, "AKIAIOSFODNN7EXAMPLE"),
            (SecretName::Aws, "no id at all\nsecret"),
            (SecretName::AzureSas, "sv=1"),
            (SecretName::SmtpPassword, ""),
            (hook(), "too short to sign with"),
            (hook(), "whsec_this is no base64 at all"),
        ] {
            let e = check_form(&name, value).unwrap_err();
            assert_eq!(e.code, "credentials.form");
            assert!(value.is_empty() || !format!("{e:?}").contains(value), "values are never repeated: {e:?}");
        }
    }

    #[test]
    fn what_is_given_and_cannot_be_used_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("secret");
        let hook = SecretName::Webhook("desk".into());
        for (name, value) in [(&hook, ""), (&hook, "\n"), (&SecretName::SmtpPassword, ""), (&SecretName::Aws, "AKIA")] {
            std::fs::write(&file, value).unwrap();
            let variable = name.variable();
            let direct = given(name, |v| (v == variable).then(|| value.into())).unwrap().unwrap();
            let in_file = given(name, |v| (v == format!("{variable}_FILE")).then(|| file.clone().into())).unwrap();
            for found in [direct, in_file.unwrap()] {
                let secrets = Secrets::of(folder.path()).with(&[(&name.text(), found.as_str())]);
                assert_eq!(secrets.get(name).unwrap_err().code, "credentials.form", "{name:?} {value:?}");
            }
        }
        let kept = given(&hook, |v| v.ends_with("_DESK").then(|| "thirty characters to sign with\n".into()));
        assert_eq!(kept.unwrap().unwrap().as_str(), "thirty characters to sign with");
    }

    #[test]
    fn nothing_entered_is_no_secret() {
        let home = tempfile::tempdir().unwrap();
        let secrets = Secrets::of(home.path());
        assert!(secrets.get(&SecretName::SmtpPassword).unwrap().is_none());
        assert!(secrets.origin(&SecretName::SmtpPassword).unwrap().is_none());
        std::fs::write(home.path().join(RECORD), "{").unwrap();
        assert_eq!(secrets.get(&SecretName::SmtpPassword).err().unwrap().code, "credentials.record");
    }
}
