//! A proxy before a server that speaks AWS' protocols. It keeps storage classes and restores under a clock of the test, adds
//! what the server gets wrong against the provider, counts calls, and fails on order.
//!
//! It runs inside the test's process, streams both ways and keeps `Host` and every signed header, so that what the client
//! signed is what the server sees. What it adds stands in `s3.rs`, with the provider's rule beside it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::missing_panics_doc)] // for tests

mod answer;
mod body;
mod call;
mod fault;
mod listing;
mod rules;
mod s3;
mod shelf;

pub use fault::{Fault, FaultKind};
pub use shelf::restore_time;

use crate::Script;
use answer::{Refusal, broken, denied, expired, key_denied, key_disabled, skewed, throttled};
use axum::{
    body::{Body, to_bytes},
    http::{HeaderMap, HeaderValue, Method, Request, Response, Uri, request::Parts},
};
use body::{Bend, bent};
use call::{Call, Protocol, header};
use futures_util::StreamExt as _;
use holdfast_model::{Clock, SystemClock};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioIo},
};
use jiff::SignedDuration;
use shelf::{Held, Shelf};
use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    net::SocketAddr,
    ops::Deref,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::net::{TcpListener, TcpStream};

/// Bodies of calls that are no uploads are read whole up to here.
const SMALL_BYTES: usize = 32 << 20;

/// A proxy on loopback. It ends with the last of its clones.
#[derive(Clone)]
pub struct AwsProxy(Arc<Running>);

struct Running {
    at: SocketAddr,
    desk: Arc<Desk>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What all connections share.
struct Desk {
    upstream: String,
    dynamodb: String,
    client: Client<HttpConnector, Body>,
    clock: Arc<dyn Clock>,
    script: Script<FaultKind>,
    state: Mutex<State>,
}

struct State {
    disabled_keys: BTreeSet<String>,
    skew: SignedDuration,
    shelf: Shelf,
    /// Multipart uploads under way.
    uploads: BTreeMap<String, s3::Upload>,
    /// Names the account to the server when the test asks for something itself.
    authorization: Option<HeaderValue>,
}

/// How a call ends.
enum End {
    Answer(Response<Body>),
    /// The connection closes without one; `reset` as by a router, otherwise in order.
    Cut {
        reset: bool,
    },
}

impl AwsProxy {
    /// Stands before `upstream` (plain http), for all services.
    pub async fn start(upstream: impl AsRef<str>, clock: Arc<dyn Clock>) -> Self {
        let upstream = upstream.as_ref();
        Self::start_pair(upstream, upstream, clock).await
    }

    /// Stands before two servers: DynamoDB's calls go to `dynamodb`, all others to `upstream`.
    pub async fn start_pair(upstream: impl AsRef<str>, dynamodb: impl AsRef<str>, clock: Arc<dyn Clock>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let at = listener.local_addr().expect("an address");
        let state = State {
            disabled_keys: BTreeSet::new(),
            skew: SignedDuration::ZERO,
            shelf: Shelf::default(),
            uploads: BTreeMap::new(),
            authorization: None,
        };
        let plain = |url: &str| url.trim_end_matches('/').to_owned();
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let desk = Arc::new(Desk {
            upstream: plain(upstream.as_ref()),
            dynamodb: plain(dynamodb.as_ref()),
            // An answer that is lost must be lost for the client too, so nothing is sent twice.
            client: Client::builder(TokioExecutor::new()).retry_canceled_requests(false).build(connector),
            clock,
            script: Script::default(),
            state: Mutex::new(state),
        });
        let task = tokio::spawn(accept(listener, desk.clone()));
        Self(Arc::new(Running { at, desk, task }))
    }

    /// Where it listens.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.0.at)
    }

    /// Whether expedited restores find no capacity.
    pub fn no_expedited_capacity(&self, none: bool) {
        self.0.desk.state().shelf.no_expedited = none;
    }

    /// Objects under this key (ARN or id) can be neither written nor read.
    pub fn disable_key(&self, arn: &str) {
        self.0.desk.state().disabled_keys.insert(arn.to_owned());
    }

    /// Takes [`Self::disable_key`] back.
    pub fn enable_key(&self, arn: &str) {
        self.0.desk.state().disabled_keys.remove(arn);
    }

    /// Sets the provider's clock so far ahead of the machine's: requests signed more than 15 minutes off are refused, and the
    /// `Date` of answers tells the provider's time.
    pub fn skew(&self, by: SignedDuration) {
        self.0.desk.state().skew = by;
    }

    /// What lifecycle does: the current version goes to `class` in place, keeping its id. `class` is a storage class, or
    /// `ARCHIVE_ACCESS` / `DEEP_ARCHIVE_ACCESS` for the archive tiers of Intelligent-Tiering.
    ///
    /// # Panics
    /// Where there is no such object.
    pub async fn transition(&self, bucket: &str, key: &str, class: &str) {
        let desk = &self.0.desk;
        let (_, head) = desk.head_current(bucket, key, &desk.own_headers()).await;
        assert!(head.status().is_success(), "no object {bucket}/{key} to move to {class}: {}", head.status());
        let version = s3::version_of(head.headers());
        self.transition_version(bucket, key, &version, class);
    }

    /// As [`Self::transition`], for a version that need not be the current one.
    pub fn transition_version(&self, bucket: &str, key: &str, version_id: &str, class: &str) {
        let name = (bucket.to_owned(), key.to_owned(), version_id.to_owned());
        self.0.desk.state().shelf.put(name, Held::in_class(class));
    }
}

/// What is ordered of it, and the calls that it saw.
impl Deref for AwsProxy {
    type Target = Script<FaultKind>;

    fn deref(&self) -> &Self::Target {
        &self.0.desk.script
    }
}

async fn accept(listener: TcpListener, desk: Arc<Desk>) {
    // Connections end with the proxy.
    let mut connections = tokio::task::JoinSet::new();
    loop {
        tokio::select! {
            incoming = listener.accept() => {
                if let Ok((stream, _)) = incoming {
                    connections.spawn(connection(stream, desk.clone()));
                }
            }
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
        }
    }
}

async fn connection(stream: TcpStream, desk: Arc<Desk>) {
    let Ok((stream, twin)) = twins(stream) else { return };
    let twin = Arc::new(twin);
    let service = hyper::service::service_fn(move |request: Request<hyper::body::Incoming>| {
        let (desk, twin) = (desk.clone(), twin.clone());
        async move {
            // In a task of its own: what the server did is remembered though the client dies meanwhile.
            let served = tokio::spawn({
                let twin = twin.clone();
                async move { desk.serve(request.map(Body::new), &twin).await }
            });
            match served.await {
                Ok(End::Answer(answer)) => Ok(answer),
                Ok(End::Cut { reset: true }) => {
                    reset_on_close(&twin);
                    Err(io::Error::from(io::ErrorKind::ConnectionAborted))
                }
                Ok(End::Cut { reset: false }) | Err(_) => Err(io::Error::from(io::ErrorKind::ConnectionAborted)),
            }
        }
    });
    let mut http = hyper::server::conn::http1::Builder::new();
    // A fault of the connection is the client's to see.
    let _ = http.half_close(true).serve_connection(TokioIo::new(stream), service).await;
}

/// The stream, and a second handle that can tell the socket to reset.
fn twins(stream: TcpStream) -> io::Result<(TcpStream, std::net::TcpStream)> {
    stream.set_nodelay(true)?;
    let stream = stream.into_std()?;
    let twin = stream.try_clone()?;
    Ok((TcpStream::from_std(stream)?, twin))
}

/// Makes the coming close a reset, as when a router gives up.
fn reset_on_close(twin: &std::net::TcpStream) {
    if let Ok(stream) = twin.try_clone().and_then(TcpStream::from_std) {
        let _ = stream.set_zero_linger();
    }
}

impl Desk {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn serve(&self, request: Request<Body>, twin: &Arc<std::net::TcpStream>) -> End {
        let (parts, body) = request.into_parts();
        let (call, body) = match Call::protocol_of(&parts) {
            Protocol::S3 => (Call::of(&parts, &[]), body),
            _ => match to_bytes(body, SMALL_BYTES).await {
                Ok(bytes) => (Call::of(&parts, &bytes), Body::from(bytes)),
                Err(_) => return End::Cut { reset: false },
            },
        };
        let shown = if call.protocol == Protocol::S3 { call.subject.as_str() } else { "" };
        let (fault, patience) = (self.script.next(&call.op, &call.subject, shown), self.script.patience());
        if call.protocol == Protocol::S3 && parts.headers.contains_key("authorization") {
            self.state().authorization = parts.headers.get("authorization").cloned();
        }
        let refusal = self.refused(&call, &parts).or_else(|| fault.as_ref().and_then(|f| refusal_of(f, &call)));
        if let Some(refusal) = refusal {
            // Read to its end: a client that is still sending would see a broken pipe and not the answer.
            let mut rest = body.into_data_stream();
            while let Some(Ok(_)) = rest.next().await {}
            return End::Answer(self.dated(refusal.answer(&call)));
        }
        let mut body = body;
        match &fault {
            Some(FaultKind::TimeoutBefore) => {
                tokio::time::sleep(patience).await;
                return End::Cut { reset: false };
            }
            Some(FaultKind::CutBefore) => return End::Cut { reset: false },
            Some(FaultKind::Delay(by)) => tokio::time::sleep(*by).await,
            Some(kind) if call.uploads() => {
                if let Some(bend) = Bend::of(kind) {
                    body = bent(body, bend, None);
                }
            }
            _ => {}
        }
        let answer = match call.protocol {
            Protocol::S3 => self.s3(&call, parts, body).await,
            _ => self.forward(&call, parts, body).await,
        };
        let answer = match answer {
            Ok(answer) => self.dated(answer),
            // The server's fault, or an upload that this proxy broke off.
            Err(Broken) => return End::Cut { reset: true },
        };
        match fault {
            Some(FaultKind::TimeoutAfter) => {
                let _ = to_bytes(answer.into_body(), usize::MAX).await;
                tokio::time::sleep(patience).await;
                End::Cut { reset: false }
            }
            Some(FaultKind::CutAfter) => {
                let _ = to_bytes(answer.into_body(), usize::MAX).await;
                End::Cut { reset: false }
            }
            Some(kind) if !call.uploads() => End::Answer(match Bend::of(&kind) {
                Some(bend) => answer.map(|body| bent(body, bend, Some(twin.clone()))),
                None => answer,
            }),
            _ => End::Answer(answer),
        }
    }

    /// What is refused whatever is asked for.
    fn refused(&self, call: &Call, parts: &Parts) -> Option<Refusal> {
        let token = parts.headers.contains_key("x-amz-security-token") || call.param("X-Amz-Security-Token").is_some();
        if self.script.tokens_expired() && token {
            return Some(expired(call));
        }
        let signed = header(&parts.headers, "x-amz-date");
        let signed = jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", signed).ok();
        let signed = signed.and_then(|d| d.to_zoned(jiff::tz::TimeZone::UTC).ok());
        let skew = self.state().skew;
        if let Some(signed) = signed.filter(|_| !skew.is_zero()) {
            let off = signed.timestamp().duration_since(SystemClock.now() + skew).abs();
            if off > SignedDuration::from_mins(15) {
                return Some(skewed(call));
            }
        }
        let mut needs = vec![call.action()];
        if matches!(call.op.as_str(), "PutObject" | "CreateMultipartUpload") {
            needs.extend(call::rights_of_headers(&parts.headers));
        }
        needs.into_iter().find(|action| self.script.denies(action)).map(|action| denied(call, &action))
    }

    /// With the provider's time where that was moved.
    fn dated(&self, mut answer: Response<Body>) -> Response<Body> {
        let skew = self.state().skew;
        if !skew.is_zero() {
            let now = (SystemClock.now() + skew).strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
            if let Ok(now) = HeaderValue::from_str(&now) {
                answer.headers_mut().insert("date", now);
            }
        }
        answer
    }

    /// Sends the request on as it is, but for what belongs to a connection.
    async fn forward(&self, call: &Call, mut parts: Parts, body: Body) -> Result<Response<Body>, Broken> {
        let base = if call.service == "dynamodb" { &self.dynamodb } else { &self.upstream };
        let path = parts.uri.path_and_query().map_or("/", |p| p.as_str());
        parts.uri = format!("{base}{path}").parse::<Uri>().map_err(|_| Broken)?;
        parts.version = axum::http::Version::HTTP_11;
        strip(&mut parts.headers);
        let mut request = Request::from_parts(parts, body);
        request.extensions_mut().clear();
        let mut answer = self.client.request(request).await.map_err(|_| Broken)?.map(Body::new);
        strip(answer.headers_mut());
        Ok(answer)
    }

    /// A request of the proxy's own, for the account of `headers`.
    async fn ask(&self, method: Method, path: &str, headers: &HeaderMap, body: Body) -> Result<Response<Body>, Broken> {
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.upstream));
        if let Some(authorization) = headers.get("authorization") {
            request = request.header("authorization", authorization);
        }
        let request = request.body(body).map_err(|_| Broken)?;
        Ok(self.client.request(request).await.map_err(|_| Broken)?.map(Body::new))
    }

    fn own_headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        if let Some(authorization) = self.state().authorization.clone() {
            headers.insert("authorization", authorization);
        }
        headers
    }

    /// HEAD of the current version.
    async fn head_current(&self, bucket: &str, key: &str, headers: &HeaderMap) -> (String, Response<Body>) {
        let path = s3::path(bucket, key);
        let answer = self.ask(Method::HEAD, &path, headers, Body::empty()).await;
        (path, answer.unwrap_or_else(|_| Response::builder().status(502).body(Body::empty()).expect("an answer")))
    }
}

/// The server did not answer, or the client broke off.
struct Broken;

/// Headers that belong to one connection, not to the message (RFC 9110, 7.6.1), and the one that hyper answers itself.
fn strip(headers: &mut HeaderMap) {
    for name in ["connection", "keep-alive", "proxy-connection", "te", "transfer-encoding", "upgrade", "expect"] {
        headers.remove(name);
    }
}

fn refusal_of(fault: &FaultKind, call: &Call) -> Option<Refusal> {
    let key = "arn:aws:kms:us-east-1:000000000000:key/11111111-2222-3333-4444-555555555555";
    Some(match fault {
        FaultKind::SlowDown503 => throttled(call),
        FaultKind::InternalError500 => broken(call),
        FaultKind::ExpiredToken => expired(call),
        FaultKind::ClockSkew => skewed(call),
        FaultKind::KmsDenied => key_denied("kms:Decrypt", key),
        FaultKind::KmsDisabled => key_disabled(key),
        FaultKind::Conflict(code) => {
            let status = if call.protocol == Protocol::S3 { 409 } else { 400 };
            Refusal::new(status, code, "A conflicting operation is in progress. Please try again.")
        }
        FaultKind::Answer(status, code) => Refusal::new(*status, code, "A fault of this test."),
        _ => return None,
    })
}
