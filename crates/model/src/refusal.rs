use std::error::Error;

/// What a service of AWS means by an error code. The services spell the same thing in several ways, and DynamoDB spells some of them
/// unlike S3; the store keeps its own table for what only S3 says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AwsRefusal {
    /// Asked too much; later it may do it.
    Throttled,
    /// Another transaction is at the same item.
    Contended,
    /// The identity has not the right, or not that to the key of what is encrypted.
    Denied,
    /// The identity is not accepted, or no longer.
    Credentials,
    /// The signature is not accepted: a wrong secret, or a clock that is off.
    Signature,
    /// What it is asked about does not exist.
    Missing,
    /// The service itself fails.
    Unavailable,
}

impl AwsRefusal {
    /// The meaning of `code`; none where it is about the request itself.
    #[must_use]
    pub fn of_code(code: &str) -> Option<Self> {
        Some(match code {
            "LimitExceededException"
            | "ProvisionedThroughputExceeded"
            | "ProvisionedThroughputExceededException"
            | "RequestLimitExceeded"
            | "SlowDown"
            | "Throttling"
            | "ThrottlingError"
            | "ThrottlingException" => Self::Throttled,
            "ReplicatedWriteConflictException"
            | "TransactionConflict"
            | "TransactionConflictException"
            | "TransactionInProgressException" => Self::Contended,
            "AccessDenied"
            | "AccessDeniedException"
            | "AllAccessDisabled"
            | "Forbidden"
            | "InaccessibleEncryptionCredentialsException"
            | "KMSAccessDeniedException"
            | "UnauthorizedOperation" => Self::Denied,
            "ExpiredToken"
            | "ExpiredTokenException"
            | "InvalidAccessKeyId"
            | "InvalidClientTokenId"
            | "InvalidToken"
            | "MissingAuthenticationToken"
            | "MissingAuthenticationTokenException"
            | "UnrecognizedClientException" => Self::Credentials,
            "IncompleteSignature"
            | "IncompleteSignatureException"
            | "InvalidSignatureException"
            | "RequestExpired"
            | "RequestTimeTooSkewed"
            | "SignatureDoesNotMatch" => Self::Signature,
            "IndexNotFoundException" | "ResourceNotFoundException" | "TableNotFoundException" => Self::Missing,
            "InternalError"
            | "InternalFailure"
            | "InternalServerError"
            | "ServiceUnavailable"
            | "ServiceUnavailableException" => Self::Unavailable,
            _ => return None,
        })
    }

    /// The right that a message of [`Self::Denied`] names, where it does.
    #[must_use]
    pub fn right_in(message: &str) -> Option<&str> {
        message.split("to perform: ").nth(1)?.split_whitespace().next()
    }
}

/// An error and its causes in one line of at most 400 characters, none of them twice: the text of an SDK's outermost error says
/// nothing, that of its innermost says it all.
#[must_use]
pub fn causes(error: &dyn Error) -> String {
    let (mut text, mut at) = (error.to_string(), error.source());
    while let Some(cause) = at {
        let part = cause.to_string();
        if !text.ends_with(&part) {
            text = format!("{text}: {part}");
        }
        at = cause.source();
    }
    text.chars().take(400).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_code_has_one_meaning() {
        for (code, meaning) in [
            ("SlowDown", Some(AwsRefusal::Throttled)),
            ("ThrottlingError", Some(AwsRefusal::Throttled)),
            ("InaccessibleEncryptionCredentialsException", Some(AwsRefusal::Denied)),
            ("InvalidSignatureException", Some(AwsRefusal::Signature)),
            ("TableNotFoundException", Some(AwsRefusal::Missing)),
            ("ValidationException", None),
            ("", None),
        ] {
            assert_eq!(AwsRefusal::of_code(code), meaning, "{code}");
        }
    }

    #[test]
    fn the_right_is_what_the_provider_names() {
        let said = "User: arn:aws:iam::1:user/dana is not authorized to perform: dynamodb:PutItem on resource: t";
        assert_eq!(AwsRefusal::right_in(said), Some("dynamodb:PutItem"));
        assert_eq!(AwsRefusal::right_in("Access Denied"), None);
    }

    #[test]
    fn causes_are_told_once() {
        let inner = std::io::Error::other("the line broke");
        assert_eq!(causes(&std::io::Error::other(inner)), "the line broke");
    }
}
