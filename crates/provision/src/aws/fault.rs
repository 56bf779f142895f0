use crate::ProvisionError;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use holdfast_model::{AwsRefusal, causes};
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
    let code = service.code().unwrap_or_default();
    match AwsRefusal::of_code(code) {
        Some(AwsRefusal::Denied) => {
            ProvisionError::Denied { right: AwsRefusal::right_in(&detail).unwrap_or(right).to_owned(), action }
        }
        Some(AwsRefusal::Credentials) => {
            ProvisionError::Credentials { action, detail: format!("the credentials are not accepted ({detail})") }
        }
        Some(AwsRefusal::Signature) => ProvisionError::Credentials {
            action,
            detail: format!("the signature is not accepted: the secret is wrong, or this machine's clock ({detail})"),
        },
        Some(AwsRefusal::Throttled | AwsRefusal::Contended | AwsRefusal::Unavailable) => {
            ProvisionError::Unreachable { action, detail: format!("the provider asks for patience ({detail})") }
        }
        Some(AwsRefusal::Missing) | None => ProvisionError::Refused { action, reason: code.to_owned(), detail },
    }
}

/// A call that never got an answer. Missing credentials come out here too, as the SDK finds that out before it sends.
fn unreachable<E: Error + 'static, R: std::fmt::Debug>(action: String, e: &SdkError<E, R>) -> ProvisionError {
    let mut source = e.source();
    while let Some(inner) = source {
        if inner.is::<aws_credential_types::provider::error::CredentialsError>() {
            return ProvisionError::Credentials {
                action,
                detail: format!("there are no usable credentials ({inner})"),
            };
        }
        source = inner.source();
    }
    ProvisionError::Unreachable { action, detail: causes(e) }
}
