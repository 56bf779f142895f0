use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use holdfast_api::{ApiError, ApiErrorKind};
use serde::Serialize;

/// Any value as JSON.
pub(crate) fn json(status: StatusCode, value: &impl Serialize) -> Response {
    match serde_json::to_vec(value) {
        Ok(body) => {
            let mut answer = (status, body).into_response();
            answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
            answer
        }
        Err(e) => {
            tracing::error!("an answer could not be written as JSON: {e}");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// A use-case's error. The status is for tools; people read the body.
pub(crate) fn error(e: &ApiError) -> Response {
    let status = match e.kind {
        _ if e.code == "api.unknown_command" || e.code == "play.no_session" => StatusCode::NOT_FOUND,
        ApiErrorKind::Usage => StatusCode::BAD_REQUEST,
        ApiErrorKind::Awaiting | ApiErrorKind::Interrupted => StatusCode::CONFLICT,
        ApiErrorKind::Evidence => StatusCode::UNPROCESSABLE_ENTITY,
        ApiErrorKind::Failure => StatusCode::INTERNAL_SERVER_ERROR,
    };
    json(status, &serde_json::json!({ "error": e }))
}

/// An error of the gateway itself.
pub(crate) fn refuse(status: StatusCode, code: &str, message: &str, next: &str) -> Response {
    json(status, &serde_json::json!({ "error": ApiError::new(ApiErrorKind::Usage, code, message, next) }))
}
