//! What the service says when it does not do what it was asked, told apart by its own code.

use super::item::Item;
use crate::local::{LedgerError, RemoteFault};
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use holdfast_model::{AwsRefusal, FaultKind, causes};
use std::error::Error;

/// A conditional write that was not done.
pub(super) enum Problem {
    /// The condition does not hold; what stands there, where the service said.
    Condition(Option<Item>),
    Other(LedgerError),
}

impl Problem {
    pub(super) fn of(what: &'static str, error: SdkError<UpdateItemError>) -> Self {
        match error.as_service_error() {
            Some(UpdateItemError::ConditionalCheckFailedException(e)) => {
                Self::Condition(e.item().filter(|i| !i.is_empty()).cloned())
            }
            _ => Self::Other(problem(what, error)),
        }
    }
}

const THROTTLED: &str = "Nothing is lost; it is tried again by itself. If it stays, raise the table's capacity.";

pub(super) fn throttled(what: &'static str) -> LedgerError {
    fault(
        what,
        "the table is asked for more than its capacity".into(),
        "ledger.throttled",
        FaultKind::Throttled,
        THROTTLED,
    )
}

/// Any other error of a call.
pub(super) fn problem<E>(what: &'static str, error: SdkError<E>) -> LedgerError
where
    E: ProvideErrorMetadata + Error + 'static,
{
    let Some(service) = error.as_service_error() else {
        let chain = causes(&error);
        // The SDK tells missing credentials in words only.
        return if chain.to_ascii_lowercase().contains("credentials") {
            credentials(what, chain)
        } else {
            let next = "Check the network and try again; what was committed stays.";
            fault(what, chain, "ledger.unreachable", FaultKind::Io, next)
        };
    };
    let code = service.code().unwrap_or("an error without a code");
    let detail = format!("{code}: {}", service.message().unwrap_or("no details"));
    match AwsRefusal::of_code(code) {
        Some(AwsRefusal::Throttled) => fault(what, detail, "ledger.throttled", FaultKind::Throttled, THROTTLED),
        Some(AwsRefusal::Denied) => {
            let next = "Ask the administrator of the cloud account for the right that the message names.";
            fault(what, detail, "ledger.denied", FaultKind::Denied, next)
        }
        Some(AwsRefusal::Credentials) => credentials(what, detail),
        Some(AwsRefusal::Signature) => {
            let next = "Set this machine's clock (enable time synchronisation) and sign in again, then try again.";
            fault(what, detail, "ledger.signature", FaultKind::Denied, next)
        }
        Some(AwsRefusal::Missing) => {
            let next = "Check the table's name and region; `holdfast provision` makes the table.";
            fault(what, detail, "ledger.no_table", FaultKind::NotFound, next)
        }
        Some(AwsRefusal::Contended | AwsRefusal::Unavailable) | None => fault(
            what,
            detail,
            "ledger.remote",
            FaultKind::Io,
            "Try again; if it stays, see the provider's status page.",
        ),
    }
}

fn credentials(what: &'static str, detail: String) -> LedgerError {
    let next = "Sign in again (for example `aws sso login`), then run the same command again.";
    fault(what, detail, "ledger.credentials", FaultKind::Denied, next)
}

fn fault(what: &'static str, detail: String, code: &'static str, kind: FaultKind, next: &str) -> LedgerError {
    RemoteFault { what: format!("{what} of the ledger"), detail, code, kind, next: next.to_owned() }.into()
}
