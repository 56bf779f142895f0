//! What S3's errors mean to us, in one table: by error code, never by status, and only where S3 gives one code for several things by
//! what its message names.

use crate::StoreError;
use aws_sdk_s3::{
    config::http::HttpResponse,
    error::{ConnectorError, ProvideErrorMetadata, SdkError},
};
use holdfast_model::{ObjectLocator, causes};
use std::{error::Error, io};

/// What was being done when it failed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Doing<'a> {
    /// As in "reading".
    pub(super) what: &'static str,
    /// The right it needs, by S3's name, where S3 doesn't name one itself.
    pub(super) right: &'static str,
    /// The place.
    pub(super) at: &'a ObjectLocator,
    /// The configured key.
    pub(super) kms_key: Option<&'a str>,
}

impl Doing<'_> {
    fn action(&self) -> String {
        format!("{} {}", self.what, self.at)
    }
}

/// The provider's code, where it answered with one. HEAD has no body and so none, but for the few that the SDK tells by status.
pub(super) fn code<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> Option<&str> {
    error.as_service_error().and_then(ProvideErrorMetadata::code)
}

/// Whether the request may have had its effect although it failed: no answer came, or one that blames the server itself.
pub(super) fn is_ambiguous<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> bool {
    match error {
        SdkError::ConstructionFailure(_) => false,
        SdkError::ServiceError(service) => {
            let throttled = service.err().code().is_some_and(|c| THROTTLES.contains(&c) || c == NO_CAPACITY);
            service.raw().status().as_u16() >= 500 && !throttled
        }
        SdkError::DispatchFailure(failure) => !is_about_credentials(failure.as_connector_error()),
        _ => true,
    }
}

pub(super) const ALREADY_RESTORING: &str = "RestoreAlreadyInProgress";
pub(super) const CONDITION_FAILED: &str = "PreconditionFailed";
pub(super) const NO_SUCH_UPLOAD: &str = "NoSuchUpload";
pub(super) const INVALID_RANGE: &str = "InvalidRange";
const NO_CAPACITY: &str = "GlacierExpeditedRetrievalNotAvailable";

const THROTTLES: [&str; 9] = [
    "SlowDown",
    "ServiceUnavailable",
    "Throttling",
    "ThrottlingException",
    "ThrottledException",
    "RequestThrottled",
    "RequestLimitExceeded",
    "TooManyRequests",
    "BandwidthLimitExceeded",
];

/// The fault behind an SDK error.
pub(super) fn of<E>(doing: &Doing<'_>, error: &SdkError<E, HttpResponse>) -> StoreError
where
    E: ProvideErrorMetadata + Error + 'static,
{
    let io = |kind, text: String| StoreError::Io { action: doing.action(), source: io::Error::new(kind, text) };
    match error {
        SdkError::ServiceError(service) => {
            let (status, err) = (service.raw().status().as_u16(), service.err());
            match err.code() {
                Some(code) => of_code(doing, code, err.message().unwrap_or_default(), status),
                None => of_status(doing, status, service.raw().headers().get("x-amz-bucket-region")),
            }
        }
        SdkError::TimeoutError(_) => io(io::ErrorKind::TimedOut, "no answer in time".to_owned()),
        SdkError::DispatchFailure(failure) if is_about_credentials(failure.as_connector_error()) => {
            no_credentials(doing)
        }
        SdkError::ConstructionFailure(_) if causes(error).contains("credential") => no_credentials(doing),
        SdkError::DispatchFailure(failure) if failure.is_timeout() => io(io::ErrorKind::TimedOut, causes(error)),
        SdkError::ResponseError(_) => io(io::ErrorKind::InvalidData, causes(error)),
        _ => io(io::ErrorKind::ConnectionAborted, causes(error)),
    }
}

/// A fault for the body of an answer, after its headers came.
pub(super) fn of_body(doing: &Doing<'_>, error: &dyn Error) -> StoreError {
    StoreError::Io { action: doing.action(), source: io::Error::new(io::ErrorKind::ConnectionReset, causes(error)) }
}

fn no_credentials(doing: &Doing<'_>) -> StoreError {
    StoreError::Credentials { action: doing.action(), detail: "no valid credentials were found".to_owned() }
}

fn is_about_credentials(error: Option<&ConnectorError>) -> bool {
    error.is_some_and(|e| causes(e).to_ascii_lowercase().contains("credential"))
}

/// Only for answers without a code, as HEAD's are: see `S3Store::explain`, which asks for the code where this cannot tell.
fn of_status(doing: &Doing<'_>, status: u16, region: Option<&str>) -> StoreError {
    let code = match status {
        301 | 307 | 308 => {
            return StoreError::Invalid {
                what: format!("the bucket {}", doing.at.bucket),
                detail: region.map_or_else(
                    || "it lies in another region than configured".to_owned(),
                    |r| format!("it lies in the region {r}, which is not the configured one"),
                ),
            };
        }
        403 => "AccessDenied",
        404 | 405 => "NoSuchKey",
        412 => CONDITION_FAILED,
        503 => "ServiceUnavailable",
        _ => "",
    };
    of_code(doing, code, &format!("it answered with status {status} and no code"), status)
}

/// The table.
fn of_code(doing: &Doing<'_>, code: &str, message: &str, status: u16) -> StoreError {
    let (at, action) = (doing.at, doing.action());
    let io = |kind| StoreError::Io {
        action: doing.action(),
        source: io::Error::new(kind, format!("the provider says {code}: {message}")),
    };
    let invalid = |what: String| StoreError::Invalid { what, detail: format!("the provider says {code}: {message}") };
    let named = message.to_ascii_lowercase();
    match code {
        "NoSuchKey" | "NotFound" | "NoSuchVersion" | "MethodNotAllowed" => StoreError::NotFound(at.clone()),
        // A version id that is none of S3's own form is an argument to it.
        "InvalidArgument" if at.version_id.is_some() && named.contains("version") => StoreError::NotFound(at.clone()),
        "InvalidObjectState" => StoreError::Offline(at.clone()),
        _ if code.starts_with("KMS.") => key_fault(doing, message, key_detail(code)),
        "AccessDenied" | "AccessDeniedException" | "AllAccessDisabled" | "AccountProblem" | "Forbidden" => {
            denied(doing, code, message, &named)
        }
        "ExpiredToken" | "ExpiredTokenException" | "TokenRefreshRequired" | "RequestExpired" => {
            StoreError::Credentials { action, detail: "the session has expired".to_owned() }
        }
        "InvalidAccessKeyId" | "InvalidToken" | "InvalidClientTokenId" | "UnrecognizedClientException" => {
            StoreError::Credentials { action, detail: "these credentials are not known to the provider".to_owned() }
        }
        "SignatureDoesNotMatch" | "NotSignedUp" | "InvalidSecurity" | "AuthorizationHeaderMalformed"
            if !named.contains("region") =>
        {
            StoreError::Credentials { action, detail: format!("the provider says {code}") }
        }
        "RequestTimeTooSkewed" | "RequestInTheFuture" => StoreError::ClockSkew { action },
        _ if THROTTLES.contains(&code) => StoreError::Throttled { action },
        "NoSuchBucket" => StoreError::Invalid {
            what: format!("the bucket {}", at.bucket),
            detail: "there is no such bucket".to_owned(),
        },
        "PermanentRedirect"
        | "TemporaryRedirect"
        | "AuthorizationHeaderMalformed"
        | "IllegalLocationConstraintException" => invalid(format!("the bucket {}", at.bucket)),
        "InvalidRequest" | "InvalidBucketState" if named.contains("lock") => refused(action, code, message),
        "InvalidRequest"
        | "InvalidArgument"
        | "InvalidTag"
        | "InvalidBucketName"
        | "InvalidStorageClass"
        | "MalformedXML"
        | "MetadataTooLarge"
        | "KeyTooLongError"
        | "EntityTooLarge"
        | "InvalidURI"
        | "InvalidEncryptionAlgorithmError" => invalid(at.to_string()),
        // The bytes changed on the way: they are sent again.
        "BadDigest"
        | "InvalidDigest"
        | "XAmzContentSHA256Mismatch"
        | "XAmzContentChecksumMismatch"
        | "IncompleteBody" => io(io::ErrorKind::InvalidData),
        "ConditionalRequestConflict" | "OperationAborted" => io(io::ErrorKind::ResourceBusy),
        "RequestTimeout" => io(io::ErrorKind::TimedOut),
        "QuotaExceeded" | "ServiceQuotaExceeded" => StoreError::Full(at.bucket.clone()),
        _ if !(400..500).contains(&status) => io(io::ErrorKind::Other),
        _ => refused(action, code, message),
    }
}

fn refused(action: String, code: &str, message: &str) -> StoreError {
    StoreError::Refused { action, reason: code.to_owned(), detail: message.to_owned() }
}

/// S3 says AccessDenied for a missing right, for a key that may not be used, and for an object that is locked.
fn denied(doing: &Doing<'_>, code: &str, message: &str, named: &str) -> StoreError {
    let right = named_right(message);
    if right.is_some_and(|r| r.starts_with("kms:")) || named.contains("kms:") {
        let right = right.unwrap_or("kms:Decrypt");
        return key_fault(doing, message, format!("this identity may not use it (it lacks {right})"));
    }
    if named.contains("object lock") || named.contains("objectlock") || named.contains("worm") {
        return refused(doing.action(), code, "the object is locked");
    }
    StoreError::Denied { action: doing.action(), right: right.unwrap_or(doing.right).to_owned() }
}

/// The right in "… is not authorized to perform: s3:PutObject on resource …".
fn named_right(message: &str) -> Option<&str> {
    let rest = message.split_once("to perform: ")?.1;
    let right = rest.split([' ', ',', ';']).next()?;
    (right.contains(':') && right.bytes().all(|b| b.is_ascii_alphanumeric() || b == b':')).then_some(right)
}

fn key_detail(code: &str) -> String {
    match code {
        "KMS.DisabledException" => "it is disabled".to_owned(),
        "KMS.NotFoundException" => "there is no such key (any more)".to_owned(),
        "KMS.InvalidStateException" | "KMS.KMSInvalidStateException" => {
            "it is waiting for its deletion, or for its material".to_owned()
        }
        "KMS.AccessDeniedException" => "this identity may not use it".to_owned(),
        "KMS.ThrottlingException" => "too many requests to KMS at once".to_owned(),
        other => format!("the provider says {other}"),
    }
}

fn key_fault(doing: &Doing<'_>, message: &str, detail: String) -> StoreError {
    if detail.starts_with("too many") {
        return StoreError::Throttled { action: doing.action() };
    }
    let of_message = message.split([' ', '"', '\'', ',']).find(|w| w.starts_with("arn:") && w.contains(":kms:"));
    let key = of_message.map(|a| a.trim_end_matches(['.', ')'])).or(doing.kms_key);
    StoreError::Key { key: key.map_or_else(|| format!("of {}", doing.at), str::to_owned), detail }
}

#[cfg(test)]
mod tests;
