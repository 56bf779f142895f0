//! Who is told when recordings are here, and how.

use serde::{Deserialize, Serialize};

/// Who is told when a matter's recordings are here, some failed, or a deadline is in danger. Without any channel nobody is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct NotifyConfig {
    /// Whether this machine's desktop shows them.
    pub desktop: bool,
    /// Whether a matter's name and reference are told. Otherwise only its id: names of cases often are names of persons.
    pub matter_names: bool,
    /// Hours before a deadline at which recordings that are still on their way are told; 0 for never.
    pub deadline_warning_h: u32,
    /// Hours before a rehydrated copy lapses at which one that is not at the desk yet is told; 0 for never.
    pub expiry_warning_h: u32,
    /// By e-mail.
    pub email: EmailConfig,
    /// By webhook, signed in the manner of the Standard Webhooks specification.
    pub webhook: Vec<WebhookConfig>,
}

impl Default for NotifyConfig {
    fn default() -> Self {
        Self {
            desktop: false,
            matter_names: false,
            deadline_warning_h: 24,
            expiry_warning_h: 12,
            email: EmailConfig::default(),
            webhook: Vec::new(),
        }
    }
}

/// How the mail server is spoken to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SmtpSecurity {
    /// Begins in the clear and must change to TLS before anything is said (port 587).
    #[default]
    Starttls,
    /// TLS from the first byte (port 465).
    Tls,
    /// None; only to a mail server on this machine.
    None,
}

/// Notifications by e-mail; off where `host` is empty.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct EmailConfig {
    /// Mail server; off where empty.
    pub host: String,
    /// Its port; 587, 465 or 25 by `security` where 0.
    pub port: u16,
    /// `starttls`, `tls`, or `none` (to this machine only).
    pub security: SmtpSecurity,
    /// Account there; its password is entered with `holdfast credentials set smtp-password`. No login where empty.
    pub user: String,
    /// Sender's address.
    pub from: String,
    /// Recipients' addresses.
    pub to: Vec<String>,
}

/// One receiver of webhooks. Its secret is entered with `holdfast credentials set webhook-NAME`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WebhookConfig {
    /// Name, of a-z 0-9 and -.
    pub name: String,
    /// Address: https, or http on this machine.
    pub url: String,
}
