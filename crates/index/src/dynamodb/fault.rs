//! What DynamoDB's errors mean here, decided by their code.

use crate::IndexError;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use holdfast_model::{AwsRefusal, causes};

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
        match AwsRefusal::of_code(code)? {
            AwsRefusal::Throttled => Some(Self::Throttled),
            AwsRefusal::Contended => Some(Self::Contended),
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

/// `action` is the call, e.g. `dynamodb:Query`; where a right is missing it is the right, unless the provider names another.
pub(super) fn error<E, R>(e: &SdkError<E, R>, table: &str, action: &'static str) -> IndexError
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
    R: std::fmt::Debug + 'static,
{
    let table = table.to_owned();
    let Some(service) = e.as_service_error() else {
        let detail = causes(e);
        if matches!(e, SdkError::DispatchFailure(_)) && detail.to_ascii_lowercase().contains("credential") {
            return IndexError::Credentials { table, detail: "no credentials were found".into() };
        }
        return IndexError::Unreachable { table, detail };
    };
    let message = service.message().unwrap_or("no reason was given");
    let code = service.code().unwrap_or_default();
    match AwsRefusal::of_code(code) {
        Some(AwsRefusal::Throttled) => Again::Throttled.error(&table, action),
        Some(AwsRefusal::Contended) => Again::Contended.error(&table, action),
        Some(AwsRefusal::Missing) => IndexError::NoTable { table },
        Some(AwsRefusal::Denied) => {
            let right = AwsRefusal::right_in(message).unwrap_or(match action {
                // A transaction needs the rights of what it does.
                "dynamodb:TransactWriteItems" => "dynamodb:PutItem, dynamodb:UpdateItem or dynamodb:DeleteItem",
                _ => action,
            });
            IndexError::Denied { table, right: right.to_owned() }
        }
        Some(AwsRefusal::Credentials | AwsRefusal::Signature) => {
            IndexError::Credentials { table, detail: code.to_owned() }
        }
        Some(AwsRefusal::Unavailable) => IndexError::Unreachable { table, detail: code.to_owned() },
        None if code.is_empty() => IndexError::Unreachable { table, detail: "no answer".into() },
        // Messages of validation name attributes of ours, not what people typed.
        None => IndexError::Internal(format!("{action} on the table {table}: {code}: {message}")),
    }
}
