use axum::{
    body::Body,
    http::{HeaderValue, Response},
};

/// An error as Azure answers it: the code in a header, and in a body that HEAD goes without.
#[derive(Debug, Clone, Copy)]
pub(super) struct Refusal(pub(super) u16, pub(super) &'static str);

pub(super) const ARCHIVED: Refusal = Refusal(409, "BlobArchived");
pub(super) const REHYDRATING: Refusal = Refusal(409, "BlobBeingRehydrated");
pub(super) const NOT_FOUND: Refusal = Refusal(404, "BlobNotFound");
pub(super) const BAD_HEADER: Refusal = Refusal(400, "InvalidHeaderValue");
pub(super) const EXPIRED: Refusal = Refusal(401, "InvalidAuthenticationInfo");
pub(super) const UNKNOWN: Refusal = Refusal(401, "NoAuthenticationInformation");
pub(super) const NOT_YOU: Refusal = Refusal(403, "AuthenticationFailed");

impl Refusal {
    pub(super) fn answer(self, head: bool) -> Response<Body> {
        let Self(status, code) = self;
        let text = format!(
            "\u{feff}<?xml version=\"1.0\" encoding=\"utf-8\"?><Error><Code>{code}</Code><Message>{code}\n\
             RequestId:00000000-0000-0000-0000-000000000000</Message></Error>"
        );
        let mut answer = Response::new(if head { Body::empty() } else { Body::from(text) });
        *answer.status_mut() = status.try_into().expect("a status");
        answer.headers_mut().insert("x-ms-error-code", HeaderValue::from_static(code));
        answer.headers_mut().insert("content-type", HeaderValue::from_static("application/xml"));
        answer
    }
}

pub(super) fn empty(status: u16) -> Response<Body> {
    let mut answer = Response::new(Body::empty());
    *answer.status_mut() = status.try_into().expect("a status");
    answer
}

pub(super) fn set(answer: &mut Response<Body>, name: &'static str, value: &str) {
    answer.headers_mut().insert(name, HeaderValue::from_str(value).expect("a header's value"));
}

pub(super) fn http_date(at: jiff::Timestamp) -> String {
    at.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

/// A date as it stands in headers and listings.
pub(super) fn parse_http_date(text: &str) -> Option<jiff::Timestamp> {
    jiff::fmt::rfc2822::parse(text).ok().map(|z| z.timestamp())
}
