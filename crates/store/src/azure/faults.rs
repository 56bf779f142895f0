//! What the service's error codes mean. 409 alone is "archived", "under hold", "under policy", "already there" and "being
//! rehydrated", and HEAD has no body: only `x-ms-error-code` is looked at, and the status where there is none.

use super::AzureStore;
use crate::StoreError;
use azure_core::{
    error::ErrorKind,
    http::{
        RawResponse,
        headers::{ERROR_CODE, HeaderName},
    },
    time::parse_rfc7231,
};
use holdfast_model::ObjectLocator;
use std::{error::Error as _, io};

/// The data actions of Azure's role-based access, by the provider's own names.
mod rights {
    pub(super) const READ: &str = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read";
    pub(super) const WRITE: &str = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/write";
    /// Put Blob wants one right for the blob and one for each kind of thing that goes with it; the service does not say which is
    /// missing.
    pub(super) const CREATE: &str = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/write (or for its tags \
                                     .../blobs/tags/write, for retention and hold .../blobs/immutableStorage/runAsSuperUser/action)";
    pub(super) const TAGS: &str = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/tags/read";
    pub(super) const PROTECT: &str =
        "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/immutableStorage/runAsSuperUser/action";
    pub(super) const LINK: &str = "Microsoft.Storage/storageAccounts/blobServices/generateUserDelegationKey/action";
}

/// What is being asked of the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Call {
    Head,
    Read,
    Tags,
    List,
    Write,
    Tier,
    Copy,
    Policy,
    Hold,
    LinkKey,
}

impl Call {
    fn verb(self) -> &'static str {
        match self {
            Self::Head => "looking at",
            Self::Read => "reading",
            Self::Tags => "reading the tags of",
            Self::List => "listing",
            Self::Write => "storing",
            Self::Tier => "changing the tier of",
            Self::Copy => "copying to an online tier",
            Self::Policy => "setting the retention of",
            Self::Hold => "setting the hold of",
            Self::LinkKey => "making a link to",
        }
    }

    fn right(self) -> &'static str {
        match self {
            Self::Head | Self::Read | Self::List => rights::READ,
            Self::Tags => rights::TAGS,
            Self::Write => rights::CREATE,
            Self::Tier | Self::Copy => rights::WRITE,
            Self::Policy | Self::Hold => rights::PROTECT,
            Self::LinkKey => rights::LINK,
        }
    }
}

/// What a call is about.
#[derive(Debug, Clone, Copy)]
pub(super) enum Place<'a> {
    Object(&'a ObjectLocator),
    Container(&'a str),
}

/// The sorts of answers that differ in what to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    /// No such blob or version.
    NotFound,
    /// No such container.
    NoContainer,
    /// Create-if-absent found one.
    Exists,
    /// In the archive tier.
    Offline,
    /// On its way out of the archive tier: nothing else is taken meanwhile.
    Pending,
    /// Not the one that was meant any more.
    Changed,
    /// Past the end of the blob.
    PastEnd,
    /// Asks for patience.
    Busy,
    /// Failed in itself; may have done it.
    Passing,
    /// Not allowed.
    Denied,
    /// Who are you.
    Credentials(&'static str),
    /// The encryption key, with what is wrong with it.
    Key(&'static str),
    /// Protected, or not set up for this.
    Refused(&'static str),
    /// A name or value that the service does not take.
    Invalid(&'static str),
}

const EXPIRED: &str = "the token or SAS is not valid, or no longer";
const TABLE: &[(&str, Meaning)] = &[
    ("BlobNotFound", Meaning::NotFound),
    ("ResourceNotFound", Meaning::NotFound),
    ("ContainerNotFound", Meaning::NoContainer),
    ("BlobAlreadyExists", Meaning::Exists),
    ("UnauthorizedBlobOverwrite", Meaning::Exists),
    ("BlobArchived", Meaning::Offline),
    ("BlobBeingRehydrated", Meaning::Pending),
    ("PendingCopyOperation", Meaning::Pending),
    ("ConditionNotMet", Meaning::Changed),
    ("InvalidRange", Meaning::PastEnd),
    ("ServerBusy", Meaning::Busy),
    ("TooManyRequests", Meaning::Busy),
    ("AccountBeingCreated", Meaning::Busy),
    ("InternalError", Meaning::Passing),
    ("OperationTimedOut", Meaning::Passing),
    ("BlobOverwritten", Meaning::Passing),
    ("InvalidBlockList", Meaning::Passing),
    ("Md5Mismatch", Meaning::Passing),
    ("Crc64Mismatch", Meaning::Passing),
    ("AuthorizationFailure", Meaning::Denied),
    ("AuthorizationPermissionMismatch", Meaning::Denied),
    ("AuthorizationProtocolMismatch", Meaning::Denied),
    ("AuthorizationResourceTypeMismatch", Meaning::Denied),
    ("AuthorizationServiceMismatch", Meaning::Denied),
    ("AuthorizationSourceIPMismatch", Meaning::Denied),
    ("InsufficientAccountPermissions", Meaning::Denied),
    ("AuthenticationFailed", Meaning::Credentials(EXPIRED)),
    ("InvalidAuthenticationInfo", Meaning::Credentials(EXPIRED)),
    ("NoAuthenticationInformation", Meaning::Credentials("there are none")),
    ("PublicAccessNotPermitted", Meaning::Credentials("there are none")),
    ("KeyVaultEncryptionKeyNotFound", Meaning::Key("the key vault has no such key, or it is disabled")),
    ("KeyVaultVaultNotFound", Meaning::Key("the key vault is gone")),
    ("KeyVaultAccessTokenCannotBeAcquired", Meaning::Key("the account may not sign in to the key vault")),
    ("KeyVaultPermissionDenied", Meaning::Key("the key vault denies the account wrapping and unwrapping")),
    ("CannotAccessKeyVault", Meaning::Key("the account cannot reach the key vault, or is denied there")),
    ("EncryptionScopeNotFound", Meaning::Key("there is no such encryption scope")),
    ("EncryptionScopeDisabled", Meaning::Key("the encryption scope is disabled")),
    ("BlobUsesCustomerSpecifiedEncryption", Meaning::Key("it was stored with a key that only its writer has")),
    ("BlobImmutableDueToPolicy", Meaning::Refused("a retention policy protects it")),
    ("BlobImmutableDueToLegalHold", Meaning::Refused("a legal hold protects it")),
    ("ContainerImmutable", Meaning::Refused("a policy of the container protects it")),
    ("ImmutabilityPolicyNotSupported", Meaning::Refused("the container does not support retention of single versions")),
    ("FeatureNotSupportedForAccount", Meaning::Refused("the account is not set up for this")),
    ("ContainerBeingDeleted", Meaning::Refused("the container is being deleted")),
    ("AccountIsDisabled", Meaning::Refused("the account is disabled")),
    ("BlobAccessTierNotSupportedForAccountType", Meaning::Refused("this kind of account has no such tier")),
    ("InvalidBlobTier", Meaning::Refused("this kind of blob has no such tier")),
    ("LeaseIdMissing", Meaning::Refused("someone holds a lease on it")),
    ("InvalidBlobType", Meaning::Refused("it is not a block blob")),
    ("InvalidResourceName", Meaning::Invalid("the service does not take this name")),
    ("OutOfRangeInput", Meaning::Invalid("the name is too short or too long")),
    ("InvalidMetadata", Meaning::Invalid("the service does not take this metadata")),
    ("MetadataTooLarge", Meaning::Invalid("all metadata together may have 8 KB")),
    ("InvalidTags", Meaning::Invalid("the service does not take these tags")),
    ("InvalidHeaderValue", Meaning::Invalid("the service does not take one of the values")),
    ("RequestBodyTooLarge", Meaning::Invalid("the service does not take so much at once")),
];

/// What a code means, where it is known.
pub(super) fn meaning(code: &str) -> Option<Meaning> {
    TABLE.iter().find(|(known, _)| *known == code).map(|(_, meaning)| *meaning).or_else(|| {
        // New codes about keys come and go with Key Vault's own.
        code.contains("KeyVault").then_some(Meaning::Key("the key vault refuses it"))
    })
}

fn response(e: &azure_core::Error) -> Option<&RawResponse> {
    match e.kind() {
        ErrorKind::HttpResponse { raw_response, .. } => raw_response.as_deref(),
        _ => None,
    }
}

/// The service's own error code.
pub(super) fn code(e: &azure_core::Error) -> Option<String> {
    let header = response(e).and_then(|r| r.headers().get_optional_string(&ERROR_CODE));
    header.or_else(|| match e.kind() {
        ErrorKind::HttpResponse { error_code, .. } => error_code.clone(),
        _ => None,
    })
}

/// What an error means, where the service gave a code that is known.
pub(super) fn meaning_of(e: &azure_core::Error) -> Option<Meaning> {
    meaning(&code(e)?)
}

/// Whether the call may have been done all the same.
pub(super) fn effect_unknown(e: &azure_core::Error) -> bool {
    match e.kind() {
        ErrorKind::Connection | ErrorKind::Credential => false,
        ErrorKind::HttpResponse { status, .. } => {
            meaning_of(e).map_or(status.is_server_error(), |m| m == Meaning::Passing)
        }
        _ => true,
    }
}

impl AzureStore {
    /// An error in the words of the seams.
    pub(super) fn fault(&self, call: Call, place: Place<'_>, e: &azure_core::Error) -> StoreError {
        let action = match place {
            Place::Object(at) => format!("{} {at}", call.verb()),
            Place::Container(name) => format!("{} {}:{name}", call.verb(), self.config.name),
        };
        let code = code(e);
        if let Some(meaning) = code.as_deref().and_then(meaning) {
            return self.said(meaning, code.unwrap_or_default(), call, place, action, e);
        }
        match e.kind() {
            ErrorKind::HttpResponse { status, .. } if status.is_client_error() => {
                let reason = code.unwrap_or_else(|| status.to_string());
                StoreError::Refused { action, reason, detail: "Azure Blob Storage gives no other reason".to_owned() }
            }
            ErrorKind::Credential => StoreError::Credentials {
                action,
                detail: "no token could be had from the configured credential".to_owned(),
            },
            _ => StoreError::Io { action, source: io_error(e) },
        }
    }

    fn said(
        &self,
        meaning: Meaning,
        reason: String,
        call: Call,
        place: Place<'_>,
        action: String,
        e: &azure_core::Error,
    ) -> StoreError {
        match (meaning, place) {
            (Meaning::NotFound, Place::Object(at)) => StoreError::NotFound(at.clone()),
            (Meaning::Offline | Meaning::Pending, Place::Object(at)) => StoreError::Offline(at.clone()),
            (Meaning::NoContainer, _) => {
                let name = match place {
                    Place::Object(at) => &at.bucket,
                    Place::Container(name) => name,
                };
                StoreError::Invalid { what: format!("the container {name}"), detail: "there is none".to_owned() }
            }
            (Meaning::Busy, _) => StoreError::Throttled { action },
            (Meaning::Denied, _) => StoreError::Denied { action, right: call.right().to_owned() },
            (Meaning::Credentials(detail), _) if !self.clock_differs(e) => {
                StoreError::Credentials { action, detail: detail.to_owned() }
            }
            (Meaning::Credentials(_), _) => StoreError::ClockSkew { action },
            (Meaning::Key(detail), _) => {
                let key = self.config.encryption_scope.clone().unwrap_or_else(|| "of the storage account".to_owned());
                StoreError::Key { key, detail: format!("{detail} ({reason})") }
            }
            (Meaning::Refused(detail), _) => StoreError::Refused { action, reason, detail: detail.to_owned() },
            (Meaning::Invalid(detail), Place::Object(at)) => {
                StoreError::Invalid { what: format!("{at}"), detail: format!("{detail} ({reason})") }
            }
            // Conditions that only their callers can judge, and failures of the service itself: may help to do again.
            _ => StoreError::Io { action, source: io::Error::other(reason) },
        }
    }

    /// Whether this machine's clock and the service's differ by more than what Azure allows for (15 minutes for signatures,
    /// 5 for tokens).
    fn clock_differs(&self, e: &azure_core::Error) -> bool {
        let date = response(e).and_then(|r| r.headers().get_optional_string(&HeaderName::from_static("date")));
        let there = date.and_then(|date| parse_rfc7231(&date).ok()).map(|t| t.unix_timestamp());
        there.is_some_and(|there| there.abs_diff(self.clock.now().as_second()) > 300)
    }
}

/// The innermost cause. What stands around it names the address, and in the address there may be a SAS.
pub(super) fn io_error(e: &azure_core::Error) -> io::Error {
    if let ErrorKind::HttpResponse { status, .. } = e.kind() {
        return io::Error::other(format!("Azure Blob Storage answered {status}"));
    }
    let mut cause = e.source();
    while let Some(inner) = cause.and_then(|c| c.source()) {
        cause = Some(inner);
    }
    match cause.and_then(|c| c.downcast_ref::<io::Error>()) {
        Some(inner) => io::Error::new(inner.kind(), inner.to_string()),
        None => match cause.map(ToString::to_string) {
            Some(text) if !text.contains("://") => io::Error::other(text),
            _ => io::Error::other("the connection failed"),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_code_stands_once_and_has_its_own_meaning() {
        for (i, (code, meant)) in TABLE.iter().enumerate() {
            assert_eq!(meaning(code), Some(*meant), "{code}");
            assert!(TABLE[..i].iter().all(|(other, _)| other != code), "{code} stands twice");
        }
        // All of these are 409: told apart by code alone.
        let conflicts = [
            "BlobArchived",
            "BlobBeingRehydrated",
            "BlobAlreadyExists",
            "BlobImmutableDueToPolicy",
            "BlobImmutableDueToLegalHold",
        ];
        for (i, one) in conflicts.iter().enumerate() {
            assert!(conflicts[..i].iter().all(|other| meaning(other) != meaning(one)), "{one}");
        }
        assert_eq!(meaning("KeyVaultSomethingNew"), Some(Meaning::Key("the key vault refuses it")));
        assert_eq!(meaning("SomethingNew"), None);
    }
}
