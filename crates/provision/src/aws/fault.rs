use crate::ProvisionError;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use std::error::Error;

/// The provider's own error code, where it gave one.
pub(crate) fn code<E: ProvideErrorMetadata, R>(e: &SdkError<E, R>) -> Option<&str> {
    e.as_service_error().and_then(ProvideErrorMetadata::code)
}

/// What an SDK's error means here. `right` is what the call needs.
pub(crate) fn fault<E, R>(action: &str, right: &str, e: &SdkError<E, R>) -> ProvisionError
where
    E: ProvideErrorMetadata + Error + 'static,
    R: std::fmt::Debug,
{
    let action = action.to_owned();
    let Some(service) = e.as_service_error() else {
        return unreachable(action, e);
    };
    let detail = service.message().unwrap_or_default().to_owned();
    match service.code().unwrap_or_default() {
        "AccessDenied" | "AccessDeniedException" | "AllAccessDisabled" | "UnauthorizedOperation" | "Forbidden" => {
            // Where the provider names the right itself, that is the better word.
            let named = detail.split("to perform: ").nth(1).and_then(|t| t.split_whitespace().next());
            ProvisionError::Denied { action, right: named.unwrap_or(right).to_owned() }
        }
        "ExpiredToken"
        | "ExpiredTokenException"
        | "InvalidAccessKeyId"
        | "InvalidClientTokenId"
        | "InvalidToken"
        | "SignatureDoesNotMatch"
        | "UnrecognizedClientException"
        | "IncompleteSignature" => {
            ProvisionError::Credentials { action, detail: format!("the credentials are not accepted ({detail})") }
        }
        "RequestTimeTooSkewed" => ProvisionError::Credentials {
            action,
            detail: "this machine's clock differs too much from the provider's".into(),
        },
        "SlowDown"
        | "ThrottlingException"
        | "Throttling"
        | "RequestLimitExceeded"
        | "ServiceUnavailable"
        | "InternalError"
        | "InternalServerError"
        | "LimitExceededException" => {
            ProvisionError::Unreachable { action, detail: format!("the provider asks for patience ({detail})") }
        }
        other => ProvisionError::Refused { action, reason: other.to_owned(), detail },
    }
}

/// A call that never got an answer. Missing credentials come out here too, as the SDK finds that out before it sends.
fn unreachable<E: Error + 'static, R: std::fmt::Debug>(action: String, e: &SdkError<E, R>) -> ProvisionError {
    let mut detail = e.to_string();
    let mut source = e.source();
    while let Some(inner) = source {
        let text = inner.to_string();
        if inner.is::<aws_credential_types::provider::error::CredentialsError>() {
            return ProvisionError::Credentials { action, detail: format!("there are no usable credentials ({text})") };
        }
        if !detail.contains(&text) {
            detail = format!("{detail}: {text}");
        }
        source = inner.source();
    }
    ProvisionError::Unreachable { action, detail }
}
