//! Telling people elsewhere: a matter's recordings are here, some failed, a deadline is in danger, a copy is about to lapse. What is
//! to be told is persisted before it is told, so that a crash at any instant loses nothing; a receiver may be told twice, under the
//! same id.

mod desktop;
mod email;
mod notice;
mod outbox;
#[cfg(test)]
mod tests;
mod webhook;

pub use notice::{Notice, NoticeKind};
pub(crate) use outbox::{Listed, Outbox, State};

use crate::{ApiError, cloud::Network, config::NotifyConfig, secrets::Secrets};
use async_trait::async_trait;
use holdfast_model::Clock;
use std::{sync::Arc, time::Duration};

/// One way to tell people.
#[async_trait]
pub trait Notifier: Send + Sync {
    /// Names the channel, e.g. `email`, `webhook-cases`, `desktop@host`: what was told over it is remembered under this name.
    fn channel(&self) -> &str;
    /// Tells. `id` is the same each time that the same thing is told, so that a receiver can drop what it has.
    ///
    /// # Errors
    /// [`NotSent`], also where it may have arrived all the same.
    async fn send(&self, id: &str, notice: &Notice) -> Result<(), NotSent>;
}

/// Why something was not told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotSent {
    /// A sentence; never a secret.
    pub why: String,
    /// Not to be tried before, as the receiver says.
    pub retry_after: Option<Duration>,
    /// Whether the receiver wants no more of it.
    pub forever: bool,
}

impl NotSent {
    pub(crate) fn because(why: impl Into<String>) -> Self {
        Self { why: why.into(), retry_after: None, forever: false }
    }
}

/// The configured channels.
///
/// # Errors
/// `cloud.ca_file`, `notify.channel` where one cannot be made.
pub(crate) fn channels(
    config: &NotifyConfig,
    secrets: &Secrets,
    network: &Network,
    clock: &Arc<dyn Clock>,
    host: &str,
) -> Result<Vec<Arc<dyn Notifier>>, ApiError> {
    let mut all: Vec<Arc<dyn Notifier>> = Vec::new();
    if config.desktop {
        all.push(Arc::new(desktop::Desktop::new(host)));
    }
    if !config.email.host.is_empty() {
        all.push(Arc::new(email::Email::new(&config.email, secrets.clone(), network, Arc::clone(clock))?));
    }
    if !config.webhook.is_empty() {
        let client = network.reqwest()?;
        for w in &config.webhook {
            let hook = webhook::Webhook::new(w, secrets.clone(), client.clone(), Arc::clone(clock))?;
            all.push(Arc::new(hook));
        }
    }
    Ok(all)
}

/// A channel that cannot be made of its configuration.
fn unusable(channel: &str, why: &dyn std::fmt::Display) -> ApiError {
    let message = format!("notifications over {channel} cannot be set up: {why}");
    ApiError::usage(
        "notify.channel",
        message,
        "Correct [notify] in the configuration; `holdfast config check` shows the line.",
    )
}

/// A secret, read where blocking does no harm.
async fn secret_of(
    secrets: &Secrets,
    name: crate::secrets::SecretName,
) -> Result<Option<zeroize::Zeroizing<String>>, NotSent> {
    let secrets = secrets.clone();
    let read = tokio::task::spawn_blocking(move || secrets.get(&name)).await;
    read.map_err(|_| NotSent::because("the keyring's client broke down"))?.map_err(|e| NotSent::because(e.message))
}
