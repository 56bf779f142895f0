//! Credentials that a person enters, and what is told to people elsewhere.

use crate::{
    ApiError, Caller, Holdfast,
    config::{AzureCredential, Config, IndexBackend, StoreBackend},
    dto::*,
    notify::State,
    secrets::{SecretName, Secrets},
};

/// What a credential that was entered is good for here.
fn is_used(name: &SecretName, c: &Config) -> bool {
    let azure = c.archive.backend == StoreBackend::Azure;
    let auto = c.azure.credential == AzureCredential::Auto;
    match name {
        SecretName::Aws => c.archive.backend == StoreBackend::S3 || c.index.backend == IndexBackend::Dynamodb,
        SecretName::AzureSecret => azure && (auto || c.azure.credential == AzureCredential::ServicePrincipal),
        SecretName::AzureSas => azure && (auto || c.azure.credential == AzureCredential::Sas),
        SecretName::SmtpPassword => !c.notify.email.host.is_empty() && !c.notify.email.user.is_empty(),
        SecretName::Webhook(name) => c.notify.webhook.iter().any(|w| w.name == *name),
    }
}

/// Every credential that can be entered, where it is, and whether the configuration uses it.
pub(crate) fn credential_list(secrets: &Secrets, config: &Config) -> Result<CredentialList, ApiError> {
    let mut names = vec![SecretName::Aws, SecretName::AzureSecret, SecretName::AzureSas, SecretName::SmtpPassword];
    names.extend(config.notify.webhook.iter().map(|w| SecretName::Webhook(w.name.clone())));
    names.extend(secrets.entered()?);
    names.sort_by_key(SecretName::text);
    names.dedup();
    let mut credentials = Vec::with_capacity(names.len());
    for name in names {
        let origin = secrets.origin(&name)?;
        credentials.push(CredentialView {
            name: name.text(),
            meaning: name.meaning(),
            from: origin.map(|(from, _)| from.as_str().into()),
            entered_at: origin.and_then(|(_, at)| at).map(|t| t.to_string()),
            used: is_used(&name, config),
        });
    }
    Ok(CredentialList { credentials })
}

impl Holdfast {
    /// Credentials that a person can enter; never their values.
    ///
    /// # Errors
    /// `credentials.record`.
    pub async fn credentials(&self, _: &Caller, _: Nothing) -> Result<CredentialList, ApiError> {
        credential_list(&self.secrets, &self.loaded.config)
    }

    /// Enters a credential. In force for notifications at once, for the clouds from the next start.
    ///
    /// # Errors
    /// `credentials.*`.
    pub async fn credential_set(&self, _: &Caller, r: CredentialSetRequest) -> Result<CredentialList, ApiError> {
        self.secrets.set(&SecretName::parse(&r.name)?, &r.value.0, self.clock.now())?;
        credential_list(&self.secrets, &self.loaded.config)
    }

    /// Takes a credential out of the keyring.
    ///
    /// # Errors
    /// `credentials.*`.
    pub async fn credential_clear(&self, _: &Caller, r: CredentialClearRequest) -> Result<CredentialList, ApiError> {
        self.secrets.clear(&SecretName::parse(&r.name)?)?;
        credential_list(&self.secrets, &self.loaded.config)
    }

    /// What was told to people elsewhere, and what is still to be told.
    ///
    /// # Errors
    /// `index.*`.
    pub async fn notifications(&self, _: &Caller, _: Nothing) -> Result<NotificationList, ApiError> {
        let listed = self.outbox.list().await?;
        let view = |l: crate::notify::Listed| NotificationView {
            id: l.delivery.id,
            channel: l.delivery.channel,
            kind: crate::words::word(&l.delivery.notice.kind),
            subject: l.delivery.notice.subject(),
            matter_id: l.delivery.notice.matter_id.map(|m| m.to_string()),
            state: l.state.as_str().into(),
            attempts: l.delivery.attempts,
            problem: l.delivery.problem,
            created_at: l.delivery.created_at.to_string(),
            updated_at: l.updated_at.to_string(),
            due_at: l.due_at.filter(|_| l.state == State::Pending).map(|t| t.to_string()),
        };
        Ok(NotificationList {
            channels: self.outbox.channels().map(str::to_owned).collect(),
            notifications: listed.into_iter().map(view).collect(),
        })
    }

    /// A trial over every channel, now.
    ///
    /// # Errors
    /// `notify.no_channel`.
    pub async fn notify_test(&self, _: &Caller, _: Nothing) -> Result<NotifyTest, ApiError> {
        if self.outbox.is_silent() {
            let next = "Set notify.desktop, notify.email or notify.webhook in the configuration.";
            return Err(ApiError::usage("notify.no_channel", "no channel for notifications is configured", next));
        }
        let view =
            |(channel, problem): (String, Option<String>)| NotifyTestView { channel, sent: problem.is_none(), problem };
        Ok(NotifyTest { channels: self.outbox.test().await.into_iter().map(view).collect() })
    }
}
