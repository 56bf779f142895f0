use super::dto;
use std::fmt;

/// A text that is a secret: it is shown once to whoever asked, and never in logs.
#[derive(Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize, ts_rs::TS)]
#[serde(transparent)]
#[ts(type = "string")]
pub struct SecretText(pub String);

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretText(..)")
    }
}

dto! {
    /// Asks for links under which anyone who has them can read recordings for a while: an action on evidence.
    #[serde(deny_unknown_fields)]
    pub struct LinkRequest {
        /// Recording; all of the matter where absent.
        #[serde(default)]
        #[ts(optional)]
        pub id: Option<String>,
        /// Matter that they are given out for.
        #[serde(default)]
        #[ts(optional)]
        pub matter: Option<String>,
        /// For how many seconds, 60 to 7200; 3600 where absent.
        #[serde(default)]
        #[ts(optional)]
        pub valid_s: Option<u32>,
        /// Why; needed where policy says so.
        #[serde(default)]
        #[ts(optional)]
        pub reason: Option<String>,
    }

    /// Links. Each stands in the ledger, without its address.
    pub struct LinkList {
        /// In the order of the recordings.
        pub links: Vec<LinkView>,
    }

    /// One link, or why there is none.
    pub struct LinkView {
        /// Recording.
        pub archive_id: String,
        /// The address; null where none was made.
        pub url: Option<SecretText>,
        /// When it lapses.
        pub until: Option<String>,
        /// Number of the ledger entry that says how it ended.
        #[ts(type = "number")]
        pub ledger: u64,
        /// Code of what stood in the way.
        pub code: Option<String>,
        /// What stood in the way and what to do, for people.
        pub problem: Option<String>,
    }

    /// Credentials that a person can enter.
    pub struct CredentialList {
        /// In alphabetical order.
        pub credentials: Vec<CredentialView>,
    }

    /// One credential; never its value.
    pub struct CredentialView {
        /// Name as it is typed, e.g. `smtp-password`.
        pub name: String,
        /// What it is for.
        pub meaning: String,
        /// `keyring`, `environment`, `file`; null where there is none.
        pub from: Option<String>,
        /// When it was entered, where it was.
        pub entered_at: Option<String>,
        /// Whether the configuration uses it.
        pub used: bool,
    }

    /// Enters a credential; it goes into the operating system's keyring. In force from the next start.
    #[serde(deny_unknown_fields)]
    pub struct CredentialSetRequest {
        /// Name, e.g. `smtp-password`.
        pub name: String,
        /// The value.
        pub value: SecretText,
    }

    /// Takes a credential out of the keyring.
    #[serde(deny_unknown_fields)]
    pub struct CredentialClearRequest {
        /// Name.
        pub name: String,
    }

    /// What was told to people elsewhere, and what is still to be told.
    pub struct NotificationList {
        /// Channels in use.
        pub channels: Vec<String>,
        /// The newest first, at most 200.
        pub notifications: Vec<NotificationView>,
    }

    /// One notification over one channel.
    pub struct NotificationView {
        /// The id that the receiver sees, the same each time.
        pub id: String,
        /// Channel.
        pub channel: String,
        /// `ready`, `failed`, `deadline`, `expiring`.
        pub kind: String,
        /// Matter.
        pub matter_id: Option<String>,
        /// One line.
        pub subject: String,
        /// `pending`, `sent` (the channel took it, which is no receipt), `given_up`.
        pub state: String,
        /// How often it was tried.
        pub attempts: u32,
        /// What went wrong last.
        pub problem: Option<String>,
        /// When it came up.
        pub created_at: String,
        /// When it changed last.
        pub updated_at: String,
        /// When it is tried next.
        pub due_at: Option<String>,
    }

    /// Outcome of a trial over every channel.
    pub struct NotifyTest {
        /// In the order of the configuration.
        pub channels: Vec<NotifyTestView>,
    }

    /// Outcome of a trial over one channel.
    pub struct NotifyTestView {
        /// Channel.
        pub channel: String,
        /// Whether the channel took it.
        pub sent: bool,
        /// What went wrong.
        pub problem: Option<String>,
    }

    /// A shared ledger that was begun.
    pub struct LedgerCreated {
        /// Its name.
        pub ledger_id: String,
        /// Its public key, hexadecimal.
        pub ledger_key: String,
        /// Fingerprint of that key (its SHA-256), hexadecimal: what people compare.
        #[serde(default)]
        pub ledger_key_fingerprint: String,
        /// Where its secret keys are, as a sentence.
        pub keys: String,
    }

    /// Keys that were carried from one machine to another.
    pub struct KeysMoved {
        /// The ledger that they are of.
        pub ledger_id: String,
        /// A sentence.
        pub note: String,
    }
}
