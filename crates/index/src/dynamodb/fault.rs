//! What DynamoDB's errors mean here, decided by their code.

use crate::IndexError;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_types::error::display::DisplayErrorContext;

/// Whether nothing was done and the same call may be repeated at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Again {
    /// Too many requests, for the table, a partition or the account.
    Throttled,
    /// Another transaction is at one of the items.
    Contended,
}

impl Again {
    pub(super) fn of_code(code: &str) -> Option<Self> {
        match code {
            "ProvisionedThroughputExceededException"
            | "ProvisionedThroughputExceeded"
            | "ThrottlingException"
            | "ThrottlingError"
            | "Throttling"
            | "RequestLimitExceeded"
            | "LimitExceededException"
            | "SlowDown" => Some(Self::Throttled),
            "TransactionConflictException"
            | "TransactionConflict"
            | "TransactionInProgressException"
            | "ReplicatedWriteConflictException" => Some(Self::Contended),
            _ => None,
        }
    }

    pub(super) fn error(self, table: &str, action: &'static str) -> IndexError {
        let table = table.to_owned();
        match self {
            Self::Throttled => IndexError::Throttled { table, action },
            Self::Contended => IndexError::Contended { table, action },
        }
    }
}

pub(super) fn code<E: ProvideErrorMetadata, R>(e: &SdkError<E, R>) -> &str {
    e.as_service_error().and_then(ProvideErrorMetadata::code).unwrap_or_default()
}

/// `action` is the right that the call needs, e.g. `dynamodb:Query`.
pub(super) fn error<E, R>(e: &SdkError<E, R>, table: &str, action: &'static str) -> IndexError
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
    R: std::fmt::Debug + 'static,
{
    let table = table.to_owned();
    let Some(service) = e.as_service_error() else {
        let detail = DisplayErrorContext(e).to_string();
        if matches!(e, SdkError::DispatchFailure(_)) && detail.to_ascii_lowercase().contains("credential") {
            return IndexError::Credentials { table, detail: "no credentials were found".into() };
        }
        return IndexError::Unreachable { table, detail: brief(&detail) };
    };
    let message = || service.message().unwrap_or("no reason was given").to_owned();
    let code = service.code().unwrap_or_default();
    if let Some(again) = Again::of_code(code) {
        return again.error(&table, action);
    }
    match code {
        "ResourceNotFoundException" | "TableNotFoundException" | "IndexNotFoundException" => {
            IndexError::NoTable { table }
        }
        "AccessDeniedException"
        | "AccessDenied"
        | "KMSAccessDeniedException"
        | "InaccessibleEncryptionCredentialsException" => IndexError::Denied { table, right: action },
        "ExpiredTokenException"
        | "ExpiredToken"
        | "UnrecognizedClientException"
        | "InvalidSignatureException"
        | "IncompleteSignatureException"
        | "MissingAuthenticationTokenException"
        | "MissingAuthenticationToken"
        | "InvalidClientTokenId"
        | "RequestExpired" => IndexError::Credentials { table, detail: code.to_owned() },
        "InternalServerError" | "InternalFailure" | "ServiceUnavailable" | "ServiceUnavailableException" | "" => {
            IndexError::Unreachable {
                table,
                detail: if code.is_empty() { "no answer".into() } else { code.to_owned() },
            }
        }
        // Messages of validation name attributes of ours, not what people typed.
        _ => IndexError::Internal(format!("{action} on the table {table}: {code}: {}", message())),
    }
}

/// The first sentence of a chain of errors, which goes on with types and addresses of no use to anyone.
fn brief(detail: &str) -> String {
    detail.split(" (").next().unwrap_or(detail).chars().take(200).collect()
}
