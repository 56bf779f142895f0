//! The way to Azurite: what it does not know is taken off, and it is asked with a SAS of its own.

use super::{
    Desk,
    answer::{empty, set},
    call::{self, Call, encode_path},
};
use axum::{
    body::{Body, to_bytes},
    http::{HeaderMap, Method, Response, StatusCode},
};
use bytes::Bytes;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

/// The upstream takes this from anyone: Azurite's well-known key signed it, for everything, until 2099.
const UPSTREAM_SAS: &str = "st=2020-01-01T00%3A00%3A00Z&se=2099-01-01T00%3A00%3A00Z&sp=rwdlacupft&sv=2026-10-06&ss=b&srt=sco\
                            &sig=MnQqwOEaIC1kvO7UZHNftcPyE0Qb4y1vv5dr6n%2F8J6w%3D";
/// What the shelf keeps must not reach the upstream, which would ignore or refuse it.
const KEPT: [&str; 6] = [
    "x-ms-access-tier",
    "x-ms-immutability-policy-until-date",
    "x-ms-immutability-policy-mode",
    "x-ms-legal-hold",
    "x-ms-encryption-scope",
    "x-ms-rehydrate-priority",
];

impl Desk {
    fn upstream_url(&self, container: &str, blob: &str, query: &str) -> String {
        let path = if blob.is_empty() {
            encode_path(container)
        } else {
            format!("{}/{}", encode_path(container), encode_path(blob))
        };
        let query = if query.is_empty() { String::new() } else { format!("{query}&") };
        format!("{}/{path}?{query}{UPSTREAM_SAS}", self.upstream)
    }

    pub(super) async fn forward(&self, call: &Call, body: Bytes) -> Response<Body> {
        self.forward_to(call, &call.container, &call.blob, body).await
    }

    pub(super) async fn forward_to(&self, call: &Call, container: &str, blob: &str, body: Bytes) -> Response<Body> {
        // A SAS was checked here; the upstream has its own. Versions lie under names of their own.
        const OURS: [&str; 16] = [
            "versionid",
            "sv",
            "ss",
            "srt",
            "sp",
            "se",
            "st",
            "spr",
            "sig",
            "sr",
            "skoid",
            "sktid",
            "skt",
            "ske",
            "sks",
            "skv",
        ];
        let encode = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let query: Vec<_> = call.query.iter().filter(|(n, _)| !OURS.contains(&n.as_str())).collect();
        let query: Vec<_> = query.iter().map(|(n, v)| format!("{}={}", encode(n), encode(v))).collect();
        let mut headers = call.headers.clone();
        for name in ["host", "authorization", "content-length", "connection", "accept-encoding", "transfer-encoding"] {
            headers.remove(name);
        }
        for name in KEPT {
            headers.remove(name);
        }
        if body.is_empty() && call.method == Method::PUT {
            headers.insert("content-length", 0.into());
        }
        let request = self
            .client
            .request(call.method.clone(), self.upstream_url(container, blob, &query.join("&")))
            .headers(headers)
            .body(body);
        let answer = request.send().await.expect("the upstream answers");
        let mut out = empty(answer.status().as_u16());
        for (name, value) in answer.headers() {
            if !matches!(name.as_str(), "connection" | "keep-alive" | "transfer-encoding" | "date") {
                out.headers_mut().insert(name.clone(), value.clone());
            }
        }
        if call.method != Method::HEAD {
            *out.body_mut() = Body::from(answer.bytes().await.expect("the upstream's body"));
        }
        out
    }

    /// Copies bytes upstream as a copy does: type and metadata of the source, unless the call has metadata of its own.
    pub(super) async fn copy(&self, call: &Call, container: &str, blob: &str) -> Response<Body> {
        let got = self.forward(&Self::bare(Method::GET, container, blob), Bytes::new()).await;
        if !got.status().is_success() {
            return got;
        }
        let (parts, body) = got.into_parts();
        let bytes = to_bytes(body, usize::MAX).await.expect("a body");
        let mut copy = Call { method: Method::PUT, query: Vec::new(), ..call.clone() };
        let own = copy.headers.keys().any(|n| n.as_str().starts_with("x-ms-meta-"));
        for (name, value) in &parts.headers {
            if name.as_str().starts_with("x-ms-meta-") && !own {
                copy.headers.insert(name.clone(), value.clone());
            }
        }
        if let Some(media_type) = parts.headers.get("content-type") {
            copy.headers.insert("x-ms-blob-content-type", media_type.clone());
        }
        copy.headers.remove("x-ms-copy-source");
        copy.headers.insert("x-ms-blob-type", "BlockBlob".parse().expect("a value"));
        let mut answer = self.forward(&copy, bytes).await;
        set(&mut answer, "x-ms-copy-id", "00000000-0000-0000-0000-00000000000c");
        set(&mut answer, "x-ms-copy-status", "success");
        answer
    }

    pub(super) fn bare(method: Method, container: &str, blob: &str) -> Call {
        let (container, blob) = (container.to_owned(), blob.to_owned());
        Call { op: "Own", method, container, blob, version: None, query: Vec::new(), headers: HeaderMap::new() }
    }

    /// Whether the upstream has a blob.
    pub(super) async fn head(&self, container: &str, blob: &str) -> StatusCode {
        self.forward(&Self::bare(Method::HEAD, container, blob), Bytes::new()).await.status()
    }

    pub(super) async fn size(&self, container: &str, blob: &str) -> u64 {
        let answer = self.forward(&Self::bare(Method::HEAD, container, blob), Bytes::new()).await;
        call::header(answer.headers(), "content-length").and_then(|n| n.parse().ok()).unwrap_or(0)
    }

    pub(super) async fn make_container(&self, name: &str) {
        let mut call = Self::bare(Method::PUT, name, "");
        call.query.push(("restype".to_owned(), "container".to_owned()));
        let status = self.forward(&call, Bytes::new()).await.status();
        assert!(status.is_success() || status == StatusCode::CONFLICT, "{name} could not be made: {status}");
    }
}
