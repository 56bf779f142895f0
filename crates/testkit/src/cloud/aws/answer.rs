//! Refusals in the words of each protocol.

use super::call::{Call, Protocol};
use axum::{
    body::Body,
    http::{HeaderValue, Response, StatusCode},
};
use quick_xml::escape::escape;
use serde_json::{Value, json};

/// A refusal.
#[derive(Debug, Clone)]
pub(super) struct Refusal {
    pub(super) status: u16,
    pub(super) code: String,
    pub(super) message: String,
    /// More elements of an S3 error.
    pub(super) more: Vec<(&'static str, String)>,
}

impl Refusal {
    pub(super) fn new(status: u16, code: &str, message: &str) -> Self {
        Self { status, code: code.to_owned(), message: message.to_owned(), more: Vec::new() }
    }

    pub(super) fn with(mut self, name: &'static str, value: &str) -> Self {
        self.more.push((name, value.to_owned()));
        self
    }

    /// As the service of `call` would send it. An answer to HEAD has no body, so that its code is lost, as it is with S3.
    pub(super) fn answer(&self, call: &Call) -> Response<Body> {
        let (kind, body) = match call.protocol {
            Protocol::S3 => ("application/xml", self.xml(call)),
            Protocol::Json => ("application/x-amz-json-1.0", self.json(call).to_string()),
            Protocol::Query => ("text/xml", self.query()),
        };
        let body = if call.op.starts_with("Head") { Body::empty() } else { Body::from(body) };
        let mut answer = Response::new(body);
        *answer.status_mut() = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = answer.headers_mut();
        headers.insert("content-type", HeaderValue::from_static(kind));
        headers.insert("x-amz-request-id", HeaderValue::from_static("TESTREQUEST00001"));
        headers.insert("x-amzn-requestid", HeaderValue::from_static("TESTREQUEST00001"));
        answer
    }

    fn xml(&self, call: &Call) -> String {
        let mut text = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{}</Code><Message>{}</Message>",
            escape(&self.code),
            escape(&self.message)
        );
        for (name, value) in &self.more {
            text += &format!("<{name}>{}</{name}>", escape(value));
        }
        text + &format!(
            "<Resource>/{}</Resource><RequestId>TESTREQUEST00001</RequestId></Error>",
            escape(&call.subject)
        )
    }

    fn json(&self, call: &Call) -> Value {
        let space = if call.service == "dynamodb" { "com.amazonaws.dynamodb.v20120810#" } else { "" };
        if call.service == "dynamodb" && call.op == "TransactWriteItems" && self.code == "TransactionConflict" {
            let asked: Value = serde_json::from_str(&call.subject).unwrap_or_default();
            let items = asked["TransactItems"].as_array().map_or(1, Vec::len);
            // The first item is the one in conflict.
            let reasons: Vec<_> = (0..items)
                .map(|n| match n {
                    0 => json!({"Code": "TransactionConflict", "Message": "Transaction is ongoing for the item"}),
                    _ => json!({"Code": "None"}),
                })
                .collect();
            return json!({"__type": format!("{space}TransactionCanceledException"), "CancellationReasons": reasons,
                "Message": "Transaction cancelled, please refer cancellation reasons for specific reasons \
                            [TransactionConflict]"});
        }
        let code = if self.code == "TransactionConflict" { "TransactionConflictException" } else { &self.code };
        json!({"__type": format!("{space}{code}"), "message": self.message, "Message": self.message})
    }

    fn query(&self) -> String {
        format!(
            "<ErrorResponse><Error><Type>Sender</Type><Code>{}</Code><Message>{}</Message></Error>\
             <RequestId>TESTREQUEST00001</RequestId></ErrorResponse>",
            escape(&self.code),
            escape(&self.message)
        )
    }
}

/// What a fault that does nothing answers.
pub(super) fn throttled(call: &Call) -> Refusal {
    match call.protocol {
        Protocol::S3 => Refusal::new(503, "SlowDown", "Please reduce your request rate."),
        _ => Refusal::new(400, "ThrottlingException", "Rate exceeded"),
    }
}

pub(super) fn broken(call: &Call) -> Refusal {
    match call.protocol {
        Protocol::S3 => Refusal::new(500, "InternalError", "We encountered an internal error. Please try again."),
        Protocol::Json => Refusal::new(500, "InternalServerError", "The request processing has failed"),
        Protocol::Query => Refusal::new(500, "InternalFailure", "The request processing has failed"),
    }
}

pub(super) fn expired(call: &Call) -> Refusal {
    let message = "The provided token has expired.";
    match call.protocol {
        Protocol::S3 => Refusal::new(400, "ExpiredToken", message),
        Protocol::Json => Refusal::new(400, "ExpiredTokenException", message),
        Protocol::Query => Refusal::new(403, "ExpiredToken", message),
    }
}

pub(super) fn skewed(call: &Call) -> Refusal {
    match call.protocol {
        Protocol::S3 => Refusal::new(
            403,
            "RequestTimeTooSkewed",
            "The difference between the request time and the current time is too large.",
        )
        .with("MaxAllowedSkewMilliseconds", "900000"),
        Protocol::Json => Refusal::new(400, "InvalidSignatureException", "Signature not yet current"),
        Protocol::Query => Refusal::new(403, "SignatureDoesNotMatch", "Signature not yet current"),
    }
}

pub(super) fn denied(call: &Call, action: &str) -> Refusal {
    let message = format!("User: arn:aws:iam::000000000000:user/test is not authorized to perform: {action}");
    match call.protocol {
        Protocol::Json => Refusal::new(400, "AccessDeniedException", &message),
        _ => Refusal::new(403, "AccessDenied", &message),
    }
}

pub(super) fn key_denied(action: &str, key: &str) -> Refusal {
    let message = format!(
        "User: arn:aws:iam::000000000000:user/test is not authorized to perform: {action} on resource: {key} because no \
         identity-based policy allows the {action} action"
    );
    Refusal::new(403, "AccessDenied", &message)
}

pub(super) fn key_disabled(key: &str) -> Refusal {
    Refusal::new(400, "KMS.DisabledException", &format!("{key} is disabled."))
}
