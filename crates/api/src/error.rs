use holdfast_model::{Fault, FaultKind};
use serde::{Deserialize, Serialize};

/// What every shell shows when something did not work: a stable code, what happened, what it means for the evidence, and what
/// to do next. Never carries a secret or a customer's identifier.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ts_rs::TS, thiserror::Error)]
#[error("{message}")]
pub struct ApiError {
    /// Stable, documented in `docs/errors.md`; the part before the dot is where it comes from.
    pub code: String,
    /// What happened, as a sentence.
    pub message: String,
    /// What to do next, as a sentence.
    pub next: String,
    /// What it means for the evidence, as a sentence.
    pub evidence: String,
    /// What sort of thing went wrong; decides the exit code.
    #[serde(skip, default = "internal_kind")]
    #[ts(skip)]
    pub kind: ApiErrorKind,
}

/// Sorts of errors, as far as shells treat them differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ApiErrorKind {
    /// The request or configuration is wrong.
    Usage,
    /// Bytes must be brought back first.
    Awaiting,
    /// Verification failed.
    Evidence,
    /// The person cancelled.
    Interrupted,
    /// Anything else.
    Failure,
}

fn internal_kind() -> ApiErrorKind {
    ApiErrorKind::Failure
}

const UNTOUCHED: &str = "No recording and no proof was changed.";

impl ApiError {
    /// An error of the use-case layer itself.
    #[must_use]
    pub fn new(kind: ApiErrorKind, code: &str, message: impl Into<String>, next: impl Into<String>) -> Self {
        Self { code: code.to_owned(), message: message.into(), next: next.into(), evidence: UNTOUCHED.to_owned(), kind }
    }

    /// The same with another sentence on what it means for the evidence.
    #[must_use]
    pub fn with_evidence(mut self, sentence: &str) -> Self {
        sentence.clone_into(&mut self.evidence);
        self
    }

    /// The same, saying why.
    pub(crate) fn because(mut self, why: &str) -> Self {
        self.message = format!("{}: {why}", self.message);
        self
    }

    pub(crate) fn usage(code: &str, message: impl Into<String>, next: impl Into<String>) -> Self {
        Self::new(ApiErrorKind::Usage, code, message, next)
    }

    /// Something that a newer version wrote; `what` names it.
    pub(crate) fn newer(code: &str, what: &str, format: &str) -> Self {
        Self::usage(
            code,
            format!("{what} was written by a newer version of Holdfast, in the format {format}"),
            "Use the newer version of Holdfast. Nothing is damaged, and nothing was changed.",
        )
    }

    pub(crate) fn bad_request(command: &str, e: &serde_json::Error) -> Self {
        Self::usage(
            "api.bad_request",
            format!("the request `{command}` does not have the expected form: {e}"),
            "Compare it with the documented form of the command.",
        )
    }

    pub(crate) fn unknown_command(command: &str) -> Self {
        let shown: String = command.chars().take(60).collect();
        Self::usage(
            "api.unknown_command",
            format!("there is no command `{shown}`"),
            "Check the spelling and the version.",
        )
    }

    pub(crate) fn internal(e: &dyn std::error::Error) -> Self {
        Self::new(
            ApiErrorKind::Failure,
            "api.internal",
            format!("Holdfast met a defect of its own: {e}"),
            "Report it with the time and this message; trying again is harmless.",
        )
    }
}

impl<F: Fault> From<F> for ApiError {
    fn from(fault: F) -> Self {
        let kind = match fault.kind() {
            FaultKind::Invalid | FaultKind::NotFound => ApiErrorKind::Usage,
            FaultKind::Offline => ApiErrorKind::Awaiting,
            FaultKind::Corrupt => ApiErrorKind::Evidence,
            FaultKind::Cancelled => ApiErrorKind::Interrupted,
            _ => ApiErrorKind::Failure,
        };
        let evidence = match fault.kind() {
            FaultKind::Corrupt => {
                "What was read is not what was archived. Treat it as unproven until this is explained."
            }
            FaultKind::Offline => "The recording is safe in the archive; it only is not readable yet.",
            FaultKind::Full | FaultKind::Denied => {
                "Nothing was lost: what was not written will be written on the next try."
            }
            _ => UNTOUCHED,
        };
        Self {
            code: fault.code().to_owned(),
            message: fault.to_string(),
            next: fault.next(),
            evidence: evidence.to_owned(),
            kind,
        }
    }
}
