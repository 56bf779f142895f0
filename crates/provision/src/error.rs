use holdfast_model::{Fault, FaultKind};

/// What can go wrong in provisioning. Decided by the provider's own error code.
#[derive(Debug, thiserror::Error)]
pub enum ProvisionError {
    /// A setting cannot be used as it is.
    #[error("the setting {what} cannot be used: {detail}")]
    Invalid {
        /// Dotted name of the setting.
        what: String,
        /// Why not.
        detail: String,
    },
    /// This identity may not do this.
    #[error("{action} was refused: this identity lacks {right}")]
    Denied {
        /// What was being done, with the place.
        action: String,
        /// The missing right by the provider's own name, e.g. `s3:PutBucketPolicy`.
        right: String,
    },
    /// There are no credentials, or they have expired or are not valid.
    #[error("{action} was refused: {detail}")]
    Credentials {
        /// What was being done, with the place.
        action: String,
        /// What is wrong with them; never the credentials themselves.
        detail: String,
    },
    /// The provider refuses, for a reason of its own.
    #[error("{action} was refused by the provider ({reason}): {detail}")]
    Refused {
        /// What was being done, with the place.
        action: String,
        /// The provider's own code.
        reason: String,
        /// Its words.
        detail: String,
    },
    /// The provider could not be reached, or asks for patience.
    #[error("{action} did not succeed: {detail}")]
    Unreachable {
        /// What was being done, with the place.
        action: String,
        /// Why.
        detail: String,
    },
    /// What was made is not ready in time.
    #[error("{what} is not ready yet ({state})")]
    NotReady {
        /// What.
        what: String,
        /// The provider's own word for its state.
        state: String,
    },
}

impl Fault for ProvisionError {
    fn code(&self) -> &'static str {
        match self {
            Self::Invalid { .. } => "provision.invalid",
            Self::Denied { .. } => "provision.denied",
            Self::Credentials { .. } => "provision.credentials",
            Self::Refused { .. } => "provision.refused",
            Self::Unreachable { .. } => "provision.unreachable",
            Self::NotReady { .. } => "provision.not_ready",
        }
    }

    fn kind(&self) -> FaultKind {
        match self {
            Self::Invalid { .. } => FaultKind::Invalid,
            Self::Denied { .. } | Self::Credentials { .. } => FaultKind::Denied,
            Self::Refused { .. } => FaultKind::Refused,
            Self::Unreachable { .. } | Self::NotReady { .. } => FaultKind::Io,
        }
    }

    fn next(&self) -> String {
        match self {
            Self::Invalid { .. } => "Mend it in the configuration and run `holdfast config check`.".into(),
            Self::Denied { right, .. } => {
                format!(
                    "Ask the administrator of the cloud account for {right}, or run this with the administrator's role."
                )
            }
            Self::Credentials { .. } => {
                "Sign in again (for example `aws sso login` or `az login`), then run the same command again.".into()
            }
            Self::Refused { .. } => {
                "Nothing was weakened. Read the provider's words, then run the same command again.".into()
            }
            Self::Unreachable { .. } => "Run the same command again; it goes on where it was.".into(),
            Self::NotReady { .. } => "Wait a few minutes and run the same command again.".into(),
        }
    }
}
