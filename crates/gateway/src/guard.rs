//! Who may ask. A page of any site can make a browser on this machine send requests to 127.0.0.1, so that listening there alone
//! protects nothing:
//! - every route but the pages themselves wants the token of this start (bearer), or the cookie that it was traded for;
//! - the `Host` must be ours: a name that was made to point here (DNS rebinding) is refused;
//! - a request with the cookie must say that it comes from our own pages: cookies and `SameSite` do not tell one port of this
//!   machine from another, `Origin` and `Sec-Fetch-Site` do.

use crate::{Gateway, answer};
use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use std::sync::Arc;
use subtle::ConstantTimeEq as _;

/// Stands in the extensions of a request that was let through; handlers that act ask for it.
#[derive(Clone, Copy)]
pub(crate) struct Trusted;

/// The pages load nothing from anywhere else and are shown in nobody's frame.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; media-src 'self'; \
connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const AGAIN: &str = "Open the address that Holdfast printed when it started.";

fn cookie_name(port: u16) -> String {
    // Cookies know no ports: two gateways on one machine must not overwrite each other's.
    format!("holdfast_{port}")
}

fn same(a: &str, b: &str) -> bool {
    a.as_bytes().ct_eq(b.as_bytes()).into()
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|v| v.to_str().ok())
}

fn is_ours(authority: &str, port: u16) -> bool {
    authority.rsplit_once(':').is_some_and(|(name, p)| {
        p.parse() == Ok(port) && (name == "127.0.0.1" || name.eq_ignore_ascii_case("localhost"))
    })
}

/// Refuses requests that were meant for another name.
pub(crate) async fn host(State(gateway): State<Arc<Gateway>>, request: Request, next: Next) -> Response {
    let named = text(request.headers(), "host").is_some_and(|h| is_ours(h, gateway.port));
    let in_uri = request.uri().authority().is_none_or(|a| is_ours(a.as_str(), gateway.port));
    if !named || !in_uri || request.headers().get_all(header::HOST).iter().count() != 1 {
        return answer::refuse(
            StatusCode::MISDIRECTED_REQUEST,
            "gateway.host",
            "this is not the name of this gateway",
            "Use 127.0.0.1 and the port.",
        );
    }
    next.run(request).await
}

/// Lets through who holds the token, the cookie on our own pages, or for media alone the media key.
pub(crate) async fn token(State(gateway): State<Arc<Gateway>>, mut request: Request, next: Next) -> Response {
    if let Some(refused) = refused(&gateway, &request) {
        return refused;
    }
    request.extensions_mut().insert(Trusted);
    next.run(request).await
}

fn refused(gateway: &Gateway, request: &Request) -> Option<Response> {
    let headers = request.headers();
    let by_token = bearer(headers).is_some_and(|t| same(t, &gateway.token));
    let by_cookie = cookie(headers, gateway.port).is_some_and(|t| same(t, &gateway.token));
    let from_elsewhere = by_cookie && !by_token && !from_our_pages(headers, gateway.port);
    if origin_is_foreign(headers, gateway.port) || from_elsewhere {
        return Some(foreign());
    }
    let by_key =
        request.uri().path().starts_with("/media/") && media_key(request).is_some_and(|k| same(k, &gateway.media_key));
    let known = by_token || by_cookie || by_key;
    (!known).then(|| {
        answer::refuse(
            StatusCode::UNAUTHORIZED,
            "gateway.token",
            "this request does not carry the token of this start",
            AGAIN,
        )
    })
}

fn media_key(request: &Request) -> Option<&str> {
    request.uri().query()?.split('&').find_map(|p| p.strip_prefix("key="))
}

/// Trades the token for a cookie that scripts cannot read.
pub(crate) async fn session(State(gateway): State<Arc<Gateway>>, headers: HeaderMap) -> Response {
    if origin_is_foreign(&headers, gateway.port) {
        return foreign();
    }
    if !bearer(&headers).is_some_and(|t| same(t, &gateway.token)) {
        return answer::refuse(StatusCode::UNAUTHORIZED, "gateway.token", "this is not the token of this start", AGAIN);
    }
    let cookie = format!("{}={}; HttpOnly; SameSite=Strict; Path=/", cookie_name(gateway.port), gateway.token);
    match HeaderValue::from_str(&cookie) {
        Ok(cookie) => (StatusCode::NO_CONTENT, [(header::SET_COOKIE, cookie)]).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// What every answer says to the browser.
pub(crate) async fn headers(request: Request, next: Next) -> Response {
    let keyed = request.uri().path().starts_with("/media/") && media_key(&request).is_some();
    let mut answer = next.run(request).await;
    let fixed = [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (header::HeaderName::from_static("permissions-policy"), "camera=(), microphone=(), geolocation=()"),
        // The window's page has another origin and shows media from here; whoever has no key gets nothing anyway.
        (
            header::HeaderName::from_static("cross-origin-resource-policy"),
            if keyed { "cross-origin" } else { "same-origin" },
        ),
    ];
    for (name, value) in fixed {
        answer.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    answer.headers_mut().entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    answer
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    text(headers, "authorization")?.strip_prefix("Bearer ")
}

fn cookie(headers: &HeaderMap, port: u16) -> Option<&str> {
    let name = cookie_name(port);
    text(headers, "cookie")?.split(';').find_map(|c| c.trim().strip_prefix(name.as_str())?.strip_prefix('='))
}

fn origin_is_foreign(headers: &HeaderMap, port: u16) -> bool {
    headers.contains_key(header::ORIGIN) && !origin_is_ours(headers, port)
}

fn origin_is_ours(headers: &HeaderMap, port: u16) -> bool {
    text(headers, "origin").and_then(|o| o.strip_prefix("http://")).is_some_and(|a| is_ours(a, port))
}

fn from_our_pages(headers: &HeaderMap, port: u16) -> bool {
    match text(headers, "sec-fetch-site") {
        Some(site) => site == "same-origin",
        None => origin_is_ours(headers, port),
    }
}

fn foreign() -> Response {
    answer::refuse(
        StatusCode::FORBIDDEN,
        "gateway.origin",
        "this request comes from a page that is not Holdfast's",
        AGAIN,
    )
}
