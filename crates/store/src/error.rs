use crate::ObjectInfo;
use holdfast_model::{Fault, FaultKind, Fixity, ObjectLocator, ObjectRetention, RehydrationSpeed, StorageTier};
use std::io;

/// What can go wrong in a store. Decided by the provider's own error code, never by an HTTP status.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// No such object or version.
    #[error("there is no object {0}")]
    NotFound(ObjectLocator),
    /// Create-if-absent found something.
    #[error("there is already an object {}", .0.locator)]
    AlreadyExists(Box<ObjectInfo>),
    /// The bytes must be rehydrated first.
    #[error("{0} lies in a cold tier and must be brought back first")]
    Offline(ObjectLocator),
    /// The streamed bytes were not the expected ones; nothing was created.
    #[error("the bytes are not the expected ones: expected {} ({} bytes), found {} ({} bytes)",
        .expected.digest, .expected.size_bytes, .found.digest, .found.size_bytes)]
    Mismatch {
        /// What the caller said.
        expected: Fixity,
        /// What streamed by.
        found: Fixity,
    },
    /// Fewer (or more) bytes came than the object has.
    #[error("{at} ended after {found} of {expected} bytes")]
    ShortRead {
        /// What was read.
        at: ObjectLocator,
        /// Bytes promised.
        expected: u64,
        /// Bytes delivered.
        found: u64,
    },
    /// Retention can only be lengthened.
    #[error("retention until {} ({:?}) cannot be shortened to {} ({:?})", .stands.until, .stands.mode, .asked.until, .asked.mode)]
    RetentionShortened {
        /// What stands.
        stands: ObjectRetention,
        /// What was asked.
        asked: ObjectRetention,
    },
    /// This class has no such speed.
    #[error("{storage_class} offers no {speed:?} retrieval")]
    Unsupported {
        /// The class.
        storage_class: String,
        /// The speed asked for.
        speed: RehydrationSpeed,
    },
    /// This store has no such tier; nothing was created.
    #[error("the store {store} has no {tier:?} tier")]
    NoTier {
        /// The store's name.
        store: String,
        /// The tier asked for.
        tier: StorageTier,
    },
    /// A bucket, key or metadata that this store cannot take; nothing was created.
    #[error("{what} cannot be used: {detail}")]
    Invalid {
        /// What was given.
        what: String,
        /// Why not.
        detail: String,
    },
    /// The store makes no links.
    #[error("the store {0} makes no links")]
    NoLinks(String),
    /// The provider asks for patience; nothing was done.
    #[error("{action} was put off by the provider: too many requests at once")]
    Throttled {
        /// What was being done, with the place.
        action: String,
    },
    /// The provider has no capacity for this speed at the moment; nothing was started and nothing is charged.
    #[error("the provider has no capacity for {speed:?} retrieval at the moment")]
    NoCapacity {
        /// The speed asked for.
        speed: RehydrationSpeed,
    },
    /// This identity may not do this.
    #[error("{action} was refused: this identity lacks {right}")]
    Denied {
        /// What was being done, with the place.
        action: String,
        /// The missing right by the provider's own name, e.g. `s3:GetObject`.
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
    /// The encryption key cannot be used: disabled, deleted, or not permitted.
    #[error("the encryption key {key} cannot be used: {detail}")]
    Key {
        /// Its id or address.
        key: String,
        /// What is wrong: disabled, pending deletion, denied, or another key than configured.
        detail: String,
    },
    /// This machine's clock differs too much from the provider's.
    #[error("{action} was refused: this machine's clock differs too much from the provider's")]
    ClockSkew {
        /// What was being done, with the place.
        action: String,
    },
    /// The provider forbids it: retention, a hold, a policy, or a setting of the bucket.
    #[error("{action} was refused by the provider ({reason}): {detail}")]
    Refused {
        /// What was being done, with the place.
        action: String,
        /// The provider's own code, e.g. `BlobImmutableDueToLegalHold`.
        reason: String,
        /// What that means.
        detail: String,
    },
    /// No room left; nothing was created.
    #[error("there is no room left in {0}")]
    Full(String),
    /// The place cannot be written to.
    #[error("{0} cannot be written to")]
    ReadOnly(String),
    /// What the store keeps about an object cannot be read.
    #[error("the store's record of {what} is damaged: {detail}")]
    Damaged {
        /// Object or file.
        what: String,
        /// What is wrong.
        detail: String,
    },
    /// A newer Holdfast wrote it.
    #[error("{what} was written by a newer version of Holdfast, in the format {format}")]
    FormatUnknown {
        /// Store, object or file.
        what: String,
        /// The format it names.
        format: String,
    },
    /// The operating system or network failed.
    #[error("{action} failed: {source}")]
    Io {
        /// What was being done, with the place.
        action: String,
        /// Why.
        source: io::Error,
    },
}

impl StoreError {
    /// An answer that does not fit the question, of which nothing follows for what is stored: asked again it may fit.
    pub(crate) fn odd_answer(at: &ObjectLocator, detail: &str) -> Self {
        Self::Io { action: format!("reading {at}"), source: io::Error::new(io::ErrorKind::InvalidData, detail) }
    }
}

impl Fault for StoreError {
    fn code(&self) -> &'static str {
        match self {
            Self::NotFound(_) => "store.not_found",
            Self::AlreadyExists(_) => "store.already_exists",
            Self::Offline(_) => "store.offline",
            Self::Mismatch { .. } => "store.mismatch",
            Self::ShortRead { .. } => "store.short_read",
            Self::RetentionShortened { .. } => "store.retention_shortened",
            Self::Unsupported { .. } => "store.speed_unsupported",
            Self::NoTier { .. } => "store.no_tier",
            Self::Invalid { .. } => "store.invalid",
            Self::NoLinks(_) => "store.no_links",
            Self::Throttled { .. } => "store.throttled",
            Self::NoCapacity { .. } => "store.no_capacity",
            Self::Denied { .. } => "store.denied",
            Self::Credentials { .. } => "store.credentials",
            Self::Key { .. } => "store.key",
            Self::ClockSkew { .. } => "store.clock_skew",
            Self::Refused { .. } => "store.refused",
            Self::Full(_) => "store.full",
            Self::ReadOnly(_) => "store.read_only",
            Self::Damaged { .. } => "store.damaged",
            Self::FormatUnknown { .. } => "store.format_unknown",
            Self::Io { .. } => "store.io",
        }
    }

    fn kind(&self) -> FaultKind {
        match self {
            Self::NotFound(_) => FaultKind::NotFound,
            Self::AlreadyExists(_) => FaultKind::AlreadyExists,
            Self::Offline(_) => FaultKind::Offline,
            Self::Mismatch { .. } | Self::Damaged { .. } => FaultKind::Corrupt,
            Self::RetentionShortened { .. } | Self::Refused { .. } => FaultKind::Refused,
            Self::Unsupported { .. } | Self::NoTier { .. } | Self::NoLinks(_) | Self::FormatUnknown { .. } => {
                FaultKind::Unsupported
            }
            Self::Throttled { .. } | Self::NoCapacity { .. } => FaultKind::Throttled,
            Self::Denied { .. } | Self::Credentials { .. } | Self::Key { .. } | Self::ClockSkew { .. } => {
                FaultKind::Denied
            }
            Self::Invalid { .. } => FaultKind::Invalid,
            Self::Full(_) => FaultKind::Full,
            Self::ReadOnly(_) => FaultKind::Denied,
            Self::ShortRead { .. } | Self::Io { .. } => FaultKind::Io,
        }
    }

    fn next(&self) -> String {
        match self {
            Self::NotFound(_) => "Check the id; if the index names an object that is gone, run `holdfast index check`.",
            Self::AlreadyExists(_) => "Nothing was replaced. Compare both with `holdfast verify`.",
            Self::Offline(_) => "Add it to a matter and retrieve it, or wait until its rehydration is done.",
            Self::Mismatch { .. } => "Nothing was stored. Fetch the recording from its source again.",
            Self::ShortRead { .. } => "Try again; if it happens again, run `holdfast verify` on the recording.",
            Self::RetentionShortened { .. } => "Choose a later date; retention can only be lengthened.",
            Self::Unsupported { .. } => "Choose another speed; `holdfast plan` lists those that are offered.",
            Self::NoTier { .. } => "Choose a tier that the store has; the local store has hot and cold.",
            Self::Invalid { .. } => "Nothing was stored. Choose another name, or take away what is in its place.",
            Self::NoLinks(_) => "Retrieve the recording and hand over the file or an evidence package instead.",
            Self::Throttled { .. } => "Nothing is lost; it is tried again by itself, more slowly.",
            Self::NoCapacity { .. } => "Choose Standard, or let Holdfast go on asking; nothing is charged meanwhile.",
            Self::Denied { right, .. } => {
                return format!("Ask the administrator of the cloud account for {right}; `holdfast preflight` shows all that is missing.");
            }
            Self::Credentials { .. } => "Sign in again (for example `aws sso login` or `az login`), then run the same command again.",
            Self::Key { .. } => "Ask the administrator of the encryption key to enable it for this identity; the recordings are intact.",
            Self::ClockSkew { .. } => "Set this machine's clock (enable time synchronisation), then run the same command again.",
            Self::Refused { .. } => "Nothing was changed. The provider protects this object; `holdfast preflight` shows how the bucket is set up.",
            Self::Full(_) => "Free space or move the archive to a larger disk, then run the same command again.",
            Self::ReadOnly(_) => "Give this account write access to the folder, or choose another with --home.",
            Self::Damaged { .. } => "Do not repair it by hand. Run `holdfast verify` and keep the folder as it is.",
            Self::FormatUnknown { .. } => "Use the newer version of Holdfast. Nothing is damaged, and nothing was changed.",
            Self::Io { .. } => "Try again; if it stays, check the network, or the disk and the rights of the folder.",
        }
        .to_owned()
    }
}
