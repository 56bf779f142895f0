use crate::answer;
use axum::{
    http::{Method, StatusCode, Uri, header},
    response::{IntoResponse as _, Response},
};

include!(concat!(env!("OUT_DIR"), "/assets.rs"));

/// The pages. Names are looked up in a fixed table: there is no folder that a path could leave.
pub(crate) async fn asset(method: Method, uri: Uri) -> Response {
    let path = if uri.path() == "/" { "/index.html" } else { uri.path() };
    let Some((name, bytes)) = FILES.iter().find(|(name, _)| *name == path) else {
        return answer::refuse(
            StatusCode::NOT_FOUND,
            "gateway.not_found",
            "there is nothing at this address",
            "Begin at /.",
        );
    };
    if method != Method::GET && method != Method::HEAD {
        return answer::refuse(StatusCode::METHOD_NOT_ALLOWED, "gateway.method", "pages are only read", "Use GET.");
    }
    let media_type = match name.rsplit('.').next() {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        _ => "application/octet-stream",
    };
    ([(header::CONTENT_TYPE, media_type), (header::CACHE_CONTROL, "no-cache")], *bytes).into_response()
}
