//! Media of a playback under way, with byte ranges (RFC 9110 section 14), read piece by piece.

use crate::{Gateway, answer};
use axum::{
    body::{Body, Bytes},
    extract::{Path, Query, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use futures_util::stream;
use holdfast_api::Media;
use std::{io, sync::Arc};
use tokio::sync::mpsc;

/// Pieces read ahead of the listener.
const AHEAD: usize = 4;

#[derive(serde::Deserialize)]
pub(crate) struct Choice {
    #[serde(default)]
    channels: String,
}

/// What part of the whole is asked for.
#[derive(Debug, PartialEq, Eq)]
enum Part {
    Whole,
    /// First byte and length.
    Range(u64, u64),
    Unsatisfiable,
}

pub(crate) async fn media(
    State(gateway): State<Arc<Gateway>>,
    Path(session): Path<String>,
    Query(choice): Query<Choice>,
    method: Method,
    headers: HeaderMap,
) -> Response {
    let holdfast = Arc::clone(&gateway.holdfast);
    let tag = format!("\"{session}-{}\"", choice.channels);
    let opened = tokio::task::spawn_blocking(move || holdfast.media(&session, &choice.channels)).await;
    let media = match opened {
        Ok(Ok(media)) => media,
        Ok(Err(e)) => return answer::error(&e),
        Err(e) => {
            tracing::error!("opening media broke off: {e}");
            return StatusCode::INTERNAL_SERVER_ERROR.into_response();
        }
    };
    let whole = media.len_bytes();
    let (status, start, len) = match part(&headers, &tag, whole) {
        Part::Whole => (StatusCode::OK, 0, whole),
        Part::Range(start, len) => (StatusCode::PARTIAL_CONTENT, start, len),
        Part::Unsatisfiable => {
            let mut refused = answer::refuse(
                StatusCode::RANGE_NOT_SATISFIABLE,
                "gateway.range",
                "there are no such bytes",
                "Ask for a range inside the length.",
            );
            set(&mut refused, header::CONTENT_RANGE, &format!("bytes */{whole}"));
            return refused;
        }
    };
    let media_type = media.media_type().to_owned();
    let body = if method == Method::HEAD { Body::empty() } else { stream(media, start, len) };
    let mut answer = (status, body).into_response();
    set(&mut answer, header::CONTENT_TYPE, &media_type);
    set(&mut answer, header::CONTENT_LENGTH, &len.to_string());
    set(&mut answer, header::ACCEPT_RANGES, "bytes");
    set(&mut answer, header::ETAG, &tag);
    if status == StatusCode::PARTIAL_CONTENT {
        set(&mut answer, header::CONTENT_RANGE, &format!("bytes {start}-{}/{whole}", start + len - 1));
    }
    answer
}

fn set(answer: &mut Response, name: header::HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        answer.headers_mut().insert(name, value);
    }
}

/// Reads on a thread that may block, at the listener's pace, a few pieces ahead.
fn stream(media: Media, start: u64, len: u64) -> Body {
    let (sender, receiver) = mpsc::channel::<io::Result<Bytes>>(AHEAD);
    tokio::task::spawn_blocking(move || {
        let read = media.read(start, len, &mut |piece| sender.blocking_send(Ok(piece)).is_ok());
        if let Err(e) = read {
            tracing::warn!(code = e.code, "media broke off: {e}");
            // Breaks the connection, so that half is never taken for the whole.
            let _ = sender.blocking_send(Err(io::Error::other(e.to_string())));
        }
    });
    Body::from_stream(stream::unfold(receiver, async |mut r| r.recv().await.map(|piece| (piece, r))))
}

/// One range is served as such; several, or what is no range, as the whole, which RFC 9110 allows.
fn part(headers: &HeaderMap, tag: &str, whole: u64) -> Part {
    if headers.get(header::IF_RANGE).is_some_and(|v| v.as_bytes() != tag.as_bytes()) {
        return Part::Whole;
    }
    let spec = headers.get(header::RANGE).and_then(|v| v.to_str().ok()).and_then(|v| v.strip_prefix("bytes="));
    let Some((first, last)) = spec.filter(|s| !s.contains(',')).and_then(|s| s.trim().split_once('-')) else {
        return Part::Whole;
    };
    let range = match (first.parse::<u64>(), last.parse::<u64>()) {
        (Ok(first), Ok(last)) if first <= last => first..last.saturating_add(1).min(whole),
        (Ok(first), Err(_)) if last.is_empty() => first..whole,
        (Err(_), Ok(suffix)) if first.is_empty() => whole.saturating_sub(suffix)..whole,
        _ => return Part::Whole,
    };
    if range.is_empty() { Part::Unsatisfiable } else { Part::Range(range.start, range.end - range.start) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(range: &str, if_range: Option<&str>) -> Part {
        let mut headers = HeaderMap::new();
        headers.insert(header::RANGE, HeaderValue::from_str(range).unwrap());
        if let Some(tag) = if_range {
            headers.insert(header::IF_RANGE, HeaderValue::from_str(tag).unwrap());
        }
        part(&headers, "\"t\"", 1000)
    }

    #[test]
    fn ranges_are_read_as_rfc_9110_says() {
        assert_eq!(asked("bytes=0-0", None), Part::Range(0, 1));
        assert_eq!(asked("bytes=200-299", None), Part::Range(200, 100));
        assert_eq!(asked("bytes=990-", None), Part::Range(990, 10));
        assert_eq!(asked("bytes=990-5000", None), Part::Range(990, 10));
        assert_eq!(asked("bytes=-10", None), Part::Range(990, 10));
        assert_eq!(asked("bytes=-5000", None), Part::Range(0, 1000));
        assert_eq!(asked("bytes=0-18446744073709551615", None), Part::Range(0, 1000));
        assert_eq!(asked("bytes=1000-", None), Part::Unsatisfiable);
        assert_eq!(asked("bytes=-0", None), Part::Unsatisfiable);
        for odd in ["bytes=5-2", "bytes=a-b", "bytes=-", "bytes=", "items=0-1", "bytes=0-1,5-6", "bytes=--1"] {
            assert_eq!(asked(odd, None), Part::Whole, "{odd}");
        }
    }

    #[test]
    fn a_range_of_something_else_gives_the_whole() {
        assert_eq!(asked("bytes=0-0", Some("\"t\"")), Part::Range(0, 1));
        assert_eq!(asked("bytes=0-0", Some("\"other\"")), Part::Whole);
    }
}
