//! An S3 server in memory that is faster than its clients, to time them against: GET with ranges, HEAD, listings, PUT and multipart,
//! with TLS or without. Signatures, conditions, locks and checksums are ignored, so that it proves nothing about an S3 client but its speed.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::missing_panics_doc)] // for benchmarks

use super::servers::certificates;
use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, request::Parts},
};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use hyper_util::rt::TokioIo;
use percent_encoding::percent_decode_str;
use quick_xml::escape::escape;
use std::{
    collections::BTreeMap,
    convert::Infallible,
    net::SocketAddr,
    path::Path,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    },
};

/// What is handed to a connection at once.
const PIECE: usize = 128 << 10;
const MODIFIED: &str = "Sun, 15 Mar 2026 12:00:00 GMT";
const MODIFIED_ISO: &str = "2026-03-15T12:00:00.000Z";

/// The server. It ends with the process.
#[derive(Clone)]
pub struct FastS3 {
    at: SocketAddr,
    scheme: &'static str,
    shelf: Arc<Shelf>,
}

#[derive(Default)]
struct Shelf {
    objects: Mutex<BTreeMap<(String, String), Arc<Object>>>,
    uploads: Mutex<BTreeMap<String, Upload>>,
    next_upload: AtomicU64,
}

struct Upload {
    metadata: HeaderMap,
    parts: BTreeMap<u32, Bytes>,
}

struct Object {
    pieces: Vec<Bytes>,
    size: u64,
    /// User metadata.
    metadata: HeaderMap,
}

impl FastS3 {
    /// Starts it on a free port of loopback; the authority that signed its certificate is written to `folder` as `ca.pem`.
    pub async fn start(folder: &Path) -> Self {
        certificates(folder);
        let chain = CertificateDer::pem_file_iter(folder.join("leaf.pem")).expect("a certificate");
        let chain = chain.collect::<Result<Vec<_>, _>>().expect("a certificate");
        let key = PrivateKeyDer::from_pem_file(folder.join("leaf.key")).expect("a key");
        let provider = Arc::new(tokio_rustls::rustls::crypto::aws_lc_rs::default_provider());
        let tls = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().expect("TLS");
        let tls = tls.with_no_client_auth().with_single_cert(chain, key).expect("a certificate and its key");
        Self::listen("https", Some(TlsAcceptor::from(Arc::new(tls)))).await
    }

    /// As [`Self::start`], without TLS.
    pub async fn start_plain() -> Self {
        Self::listen("http", None).await
    }

    async fn listen(scheme: &'static str, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let at = listener.local_addr().expect("an address");
        let shelf = Arc::new(Shelf::default());
        tokio::spawn(accept(listener, tls, shelf.clone()));
        Self { at, scheme, shelf }
    }

    /// Where it listens.
    #[must_use]
    pub fn url(&self) -> String {
        format!("{}://{}", self.scheme, self.at)
    }

    /// Puts an object there without a request.
    pub fn put(&self, bucket: &str, key: &str, bytes: Bytes) {
        let size = bytes.len() as u64;
        self.shelf.insert(bucket, key, Object { pieces: vec![bytes], size, metadata: HeaderMap::new() });
    }
}

async fn accept(listener: TcpListener, tls: Option<TlsAcceptor>, shelf: Arc<Shelf>) {
    while let Ok((stream, _)) = listener.accept().await {
        let (tls, shelf) = (tls.clone(), shelf.clone());
        let _ = stream.set_nodelay(true);
        tokio::spawn(async move {
            match tls {
                None => connection(stream, shelf).await,
                Some(tls) => {
                    if let Ok(stream) = tls.accept(stream).await {
                        connection(stream, shelf).await;
                    }
                }
            }
        });
    }
}

async fn connection(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, shelf: Arc<Shelf>) {
    let service = hyper::service::service_fn(move |request: Request<hyper::body::Incoming>| {
        let shelf = shelf.clone();
        async move { Ok::<_, Infallible>(shelf.answer(request.map(Body::new)).await) }
    });
    let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

fn locked<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

fn refused(status: u16, code: &str) -> Response<Body> {
    let body = format!("<Error><Code>{code}</Code><Message>{code}</Message></Error>");
    xml(status, body)
}

fn xml(status: u16, body: String) -> Response<Body> {
    let mut answer = Response::new(Body::from(body));
    *answer.status_mut() = StatusCode::from_u16(status).expect("a status");
    answer.headers_mut().insert("content-type", HeaderValue::from_static("application/xml"));
    answer
}

fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

/// The whole body, without the frames of `aws-chunked`.
async fn whole(headers: &HeaderMap, body: Body) -> Bytes {
    let text = |name: &str| headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let length = text("content-length").parse().unwrap_or(1 << 20);
    let mut all = BytesMut::with_capacity(length);
    let mut pieces = body.into_data_stream();
    while let Some(Ok(piece)) = pieces.next().await {
        all.extend_from_slice(&piece);
    }
    let all = all.freeze();
    if !text("x-amz-content-sha256").starts_with("STREAMING-") {
        return all;
    }
    let (mut rest, mut out) = (all, BytesMut::with_capacity(length));
    // `SIZE[;chunk-signature=...]\r\n BYTES \r\n ... 0\r\n trailers`
    while let Some(end) = rest.windows(2).position(|w| w == b"\r\n") {
        let line = String::from_utf8_lossy(&rest[..end]).into_owned();
        let size = usize::from_str_radix(line.split(';').next().unwrap_or_default(), 16).unwrap_or(0);
        if size == 0 {
            break;
        }
        let start = end + 2;
        out.extend_from_slice(&rest[start..start + size]);
        rest = rest.slice(start + size + 2..);
    }
    out.freeze()
}

fn metadata(headers: &HeaderMap) -> HeaderMap {
    let kept = headers.iter().filter(|(n, _)| n.as_str().starts_with("x-amz-meta-") || *n == "content-type");
    kept.map(|(n, v)| (n.clone(), v.clone())).collect()
}

impl Shelf {
    fn insert(&self, bucket: &str, key: &str, object: Object) {
        locked(&self.objects).insert((bucket.to_owned(), key.to_owned()), Arc::new(object));
    }

    async fn answer(&self, request: Request<Body>) -> Response<Body> {
        let (parts, body) = request.into_parts();
        let query: BTreeMap<String, String> = parts
            .uri
            .query()
            .unwrap_or_default()
            .split('&')
            .map(|p| p.split_once('=').unwrap_or((p, "")))
            .map(|(n, v)| (decoded(n), decoded(&v.replace('+', " "))))
            .collect();
        let path = parts.uri.path().trim_start_matches('/');
        let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
        let (bucket, key) = (decoded(bucket), decoded(key));
        match (&parts.method, key.is_empty()) {
            (&Method::GET, true) => self.list(&bucket, &query),
            (&Method::HEAD, true) => Response::new(Body::empty()),
            (&Method::PUT, true) => Response::new(Body::empty()),
            // Not as S3 does: all that is in it goes with it.
            (&Method::DELETE, true) => {
                locked(&self.objects).retain(|(b, _), _| *b != bucket);
                xml(204, String::new())
            }
            (&Method::GET, _) if query.contains_key("tagging") => {
                xml(200, "<Tagging><TagSet></TagSet></Tagging>".into())
            }
            (&Method::GET | &Method::HEAD, _) => self.get(&bucket, &key, &parts),
            (&Method::PUT | &Method::POST, _) => self.write(&bucket, &key, &query, &parts, body).await,
            (&Method::DELETE, _) => xml(204, String::new()),
            _ => refused(405, "MethodNotAllowed"),
        }
    }

    fn get(&self, bucket: &str, key: &str, parts: &Parts) -> Response<Body> {
        let Some(object) = locked(&self.objects).get(&(bucket.to_owned(), key.to_owned())).cloned() else {
            return refused(404, "NoSuchKey");
        };
        let range = parts.headers.get("range").and_then(|v| v.to_str().ok()).and_then(|r| r.strip_prefix("bytes="));
        let range = range.and_then(|r| r.split_once('-')).and_then(|(a, b)| {
            let end = b.parse::<u64>().map_or(object.size, |b| (b + 1).min(object.size));
            a.parse::<u64>().ok().filter(|a| *a < end).map(|a| (a, end))
        });
        let (start, end) = range.unwrap_or((0, object.size));
        let head = parts.method == Method::HEAD;
        let body = if head {
            Body::empty()
        } else {
            Body::from_stream(futures_util::stream::iter(slices(object.clone(), start, end)))
        };
        let mut answer = Response::new(body);
        let headers = answer.headers_mut();
        headers.extend(object.metadata.clone());
        headers.insert("content-length", HeaderValue::from(end - start));
        headers.insert("accept-ranges", HeaderValue::from_static("bytes"));
        // Of the form that says nothing about the bytes, so that no client compares it with an MD5.
        headers.insert("etag", HeaderValue::from_static("\"00000000000000000000000000000000-2\""));
        headers.insert("last-modified", HeaderValue::from_static(MODIFIED));
        headers.insert("x-amz-version-id", HeaderValue::from_static("v1"));
        if range.is_some() {
            let told = format!("bytes {start}-{}/{}", end - 1, object.size);
            headers.insert("content-range", HeaderValue::from_str(&told).expect("digits"));
            *answer.status_mut() = StatusCode::PARTIAL_CONTENT;
        }
        answer
    }

    async fn write(
        &self,
        bucket: &str,
        key: &str,
        query: &BTreeMap<String, String>,
        parts: &Parts,
        body: Body,
    ) -> Response<Body> {
        let bytes = whole(&parts.headers, body).await;
        let id = query.get("uploadId");
        if query.contains_key("uploads") {
            let id = self.next_upload.fetch_add(1, Ordering::Relaxed).to_string();
            locked(&self.uploads)
                .insert(id.clone(), Upload { metadata: metadata(&parts.headers), parts: BTreeMap::new() });
            return xml(
                200,
                format!("<InitiateMultipartUploadResult><UploadId>{id}</UploadId></InitiateMultipartUploadResult>"),
            );
        }
        let number = query.get("partNumber").and_then(|n| n.parse().ok());
        if let (Some(id), Some(number)) = (id, number) {
            let mut uploads = locked(&self.uploads);
            let Some(upload) = uploads.get_mut(id) else { return refused(404, "NoSuchUpload") };
            upload.parts.insert(number, bytes);
            return stored();
        }
        if let Some(id) = id {
            let upload = locked(&self.uploads).remove(id);
            let Some(Upload { metadata, parts }) = upload else { return refused(404, "NoSuchUpload") };
            let pieces: Vec<_> = parts.into_values().collect();
            let size = pieces.iter().map(|p| p.len() as u64).sum();
            self.insert(bucket, key, Object { pieces, size, metadata });
            let mut answer = xml(
                200,
                format!(
                    "<CompleteMultipartUploadResult><Bucket>{}</Bucket><Key>{}</Key><ETag>\"0-2\"</ETag></CompleteMultipartUploadResult>",
                    escape(bucket),
                    escape(key)
                ),
            );
            answer.headers_mut().insert("x-amz-version-id", HeaderValue::from_static("v1"));
            return answer;
        }
        let size = bytes.len() as u64;
        self.insert(bucket, key, Object { pieces: vec![bytes], size, metadata: metadata(&parts.headers) });
        stored()
    }

    fn list(&self, bucket: &str, query: &BTreeMap<String, String>) -> Response<Body> {
        let param = |name: &str| query.get(name).map(String::as_str).unwrap_or_default();
        let (prefix, delimiter) = (param("prefix"), param("delimiter"));
        let most = param("max-keys").parse().unwrap_or(1000).min(1000);
        let after = [param("continuation-token"), param("start-after"), param("marker")];
        let after = after.into_iter().max().unwrap_or_default().to_owned();
        let from = (bucket.to_owned(), after.as_str().max(prefix).to_owned());
        let (mut out, mut prefixes, mut found, mut more) = (String::new(), Vec::new(), 0, None);
        let objects = locked(&self.objects);
        let mut last = String::new();
        for ((b, key), object) in objects.range(from..) {
            if b != bucket || !key.starts_with(prefix) {
                break;
            }
            if *key <= after {
                continue;
            }
            let common = (!delimiter.is_empty())
                .then(|| {
                    key[prefix.len()..].find(delimiter).map(|at| key[..prefix.len() + at + delimiter.len()].to_owned())
                })
                .flatten();
            if common.as_ref().is_some_and(|c| prefixes.last() == Some(c) || *c <= after) {
                continue;
            }
            if found == most {
                more = Some(last);
                break;
            }
            found += 1;
            last = common.clone().map_or_else(|| key.clone(), |c| c + "\u{10ffff}");
            match common {
                Some(common) => prefixes.push(common),
                None => {
                    out += &format!(
                        "<Contents><Key>{}</Key><LastModified>{MODIFIED_ISO}</LastModified><ETag>\"0-2\"</ETag>\
                         <Size>{}</Size><StorageClass>STANDARD</StorageClass></Contents>",
                        escape(key),
                        object.size
                    );
                }
            }
        }
        let common: String = prefixes
            .iter()
            .map(|p| format!("<CommonPrefixes><Prefix>{}</Prefix></CommonPrefixes>", escape(p)))
            .collect();
        let next = more.as_deref().map_or(String::new(), |m| {
            let m = escape(m);
            format!("<NextContinuationToken>{m}</NextContinuationToken><NextMarker>{m}</NextMarker>")
        });
        xml(
            200,
            format!(
                "<?xml version=\"1.0\" encoding=\"UTF-8\"?><ListBucketResult><Name>{}</Name><Prefix>{}</Prefix>\
                 <KeyCount>{found}</KeyCount><MaxKeys>{most}</MaxKeys><IsTruncated>{}</IsTruncated>{out}{common}{next}\
                 </ListBucketResult>",
                escape(bucket),
                escape(prefix),
                more.is_some()
            ),
        )
    }
}

fn stored() -> Response<Body> {
    let mut answer = Response::new(Body::empty());
    answer.headers_mut().insert("etag", HeaderValue::from_static("\"00000000000000000000000000000000\""));
    answer.headers_mut().insert("x-amz-version-id", HeaderValue::from_static("v1"));
    answer
}

/// The bytes from `start` to `end` in pieces that a connection takes at once; nothing is copied.
fn slices(
    object: Arc<Object>,
    start: u64,
    end: u64,
) -> impl Iterator<Item = Result<Bytes, Infallible>> + Send + 'static {
    let (mut piece, mut offset) = (0, usize::try_from(start).expect("a length in memory"));
    let mut left = usize::try_from(end - start).expect("a length in memory");
    std::iter::from_fn(move || {
        while left > 0 && offset >= object.pieces[piece].len() {
            offset -= object.pieces[piece].len();
            piece += 1;
        }
        if left == 0 {
            return None;
        }
        let take = PIECE.min(left).min(object.pieces[piece].len() - offset);
        let slice = object.pieces[piece].slice(offset..offset + take);
        offset += take;
        left -= take;
        Some(Ok(slice))
    })
}
