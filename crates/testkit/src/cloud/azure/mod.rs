//! A proxy before Azurite that speaks https and keeps, under a clock of the test, what Azurite does not: versions, the archive
//! tier and rehydration, retention and hold of versions, encryption scopes. It counts calls and fails on order.
//!
//! A version under policy or hold can be neither deleted nor given other metadata. Writing over it, or deleting without a version
//! id, makes it a previous version that keeps both.
//! <https://learn.microsoft.com/azure/storage/blobs/immutable-version-level-worm-policies>

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::missing_panics_doc)] // for tests

mod answer;
mod call;
mod fault;
mod listing;
mod rules;
mod sas;
mod shelf;
mod tls;
mod upstream;

pub use fault::{Fault, FaultKind};

use crate::Script;
use answer::{EXPIRED, NOT_YOU, Refusal, http_date, set};
use async_trait::async_trait;
use axum::{
    body::{Body, to_bytes},
    http::{Method, Request, Response},
};
use azure_core::{
    credentials::{AccessToken, TokenCredential, TokenRequestOptions},
    http::{Transport, Url},
    time::{Duration as AzureDuration, OffsetDateTime},
};
use azure_storage_blob::BlobServiceClient;
use bytes::Bytes;
use call::Call;
use futures_util::StreamExt as _;
use holdfast_model::Clock;
use hyper_util::rt::TokioIo;
use jiff::SignedDuration;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use shelf::Shelf;
use std::{
    collections::BTreeSet,
    io,
    net::SocketAddr,
    ops::Deref,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// A proxy on loopback. It ends with the last of its clones.
#[derive(Clone)]
pub struct AzureProxy(Arc<Running>);

struct Running {
    at: SocketAddr,
    ca: String,
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
    client: reqwest::Client,
    clock: Arc<dyn Clock>,
    script: Script<FaultKind>,
    state: Mutex<State>,
    /// Held while a blob is written over or taken away.
    turn: tokio::sync::Mutex<()>,
}

struct State {
    versioning: bool,
    forced_scope: Option<String>,
    /// Containers that only the shelf knows.
    pretended: BTreeSet<String>,
    shelf: Shelf,
}

/// How a call ends.
enum End {
    Answer(Response<Body>),
    /// The connection closes without one.
    Cut,
}

impl AzureProxy {
    /// Stands before the account at `upstream` (`https://127.0.0.1:PORT/devstoreaccount1`).
    pub async fn start(upstream: impl AsRef<str>, clock: Arc<dyn Clock>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let at = listener.local_addr().expect("an address");
        let (acceptor, ca) = tls::acceptor();
        let client =
            reqwest::Client::builder().tls_danger_accept_invalid_certs(true).no_proxy().build().expect("a client");
        let state = State { versioning: true, forced_scope: None, pretended: BTreeSet::new(), shelf: Shelf::default() };
        let desk = Arc::new(Desk {
            upstream: upstream.as_ref().trim_end_matches('/').to_owned(),
            client,
            clock,
            script: Script::default(),
            state: Mutex::new(state),
            turn: tokio::sync::Mutex::default(),
        });
        let task = tokio::spawn(accept(listener, acceptor, desk.clone()));
        Self(Arc::new(Running { at, ca, desk, task }))
    }

    /// The account's address: `https://127.0.0.1:PORT/devstoreaccount1`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("https://{}/{}", self.0.at, sas::ACCOUNT)
    }

    /// The authority to trust, PEM.
    #[must_use]
    pub fn ca_pem(&self) -> &str {
        &self.0.ca
    }

    /// An account SAS for everything, to put behind `?`; good for a year of the test's clock.
    #[must_use]
    pub fn account_sas(&self) -> String {
        let end = self.0.desk.clock.now() + SignedDuration::from_hours(365 * 24);
        let sig = utf8_percent_encode(sas::ACCOUNT_SIGNATURE, NON_ALPHANUMERIC);
        let end = end.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        let end = utf8_percent_encode(&end, NON_ALPHANUMERIC);
        format!("sv=2026-04-06&ss=b&srt=sco&sp=rwdxylacuptfi&se={end}&spr=https&sig={sig}")
    }

    /// A shared HTTP client that trusts the proxy and waits no longer than `read_timeout` for an answer.
    #[must_use]
    pub fn transport(&self, read_timeout: Duration) -> Transport {
        let ca = reqwest::Certificate::from_pem(self.ca_pem().as_bytes()).expect("a certificate");
        let client = reqwest::Client::builder().tls_certs_only([ca]).no_proxy().read_timeout(read_timeout).build();
        Transport::new(Arc::new(client.expect("a client")))
    }

    /// A client with a token, whose calls time out after 20 seconds.
    #[must_use]
    pub fn service(&self) -> BlobServiceClient {
        self.service_within(Duration::from_secs(20))
    }

    /// A client with a token that waits so long for an answer.
    #[must_use]
    pub fn service_within(&self, read_timeout: Duration) -> BlobServiceClient {
        let url = Url::parse(&self.url()).expect("an address");
        let transport = self.transport(read_timeout);
        holdfast_store::azure_service(url, Some(Arc::new(AnyToken)), Some(transport)).expect("a client")
    }

    /// Makes a container.
    pub async fn container(&self, name: &str) {
        self.0.desk.make_container(name).await;
    }

    /// Makes a container's listings and heads tell of these blobs of one byte, each in its one version, without the upstream,
    /// which takes minutes for ten thousand. They have no bytes to read.
    pub fn pretend(&self, container: &str, names: impl IntoIterator<Item = String>) {
        let desk = &self.0.desk;
        let mut state = desk.state();
        for name in names {
            state.shelf.add(container, &name, "Hot", &*desk.clock).size = 1;
        }
        state.pretended.insert(container.to_owned());
    }

    /// Whether the account keeps versions (it does).
    pub fn versioning(&self, on: bool) {
        self.0.desk.state().versioning = on;
    }

    /// The scope that the containers force on what is written, whatever it asks for.
    pub fn force_scope(&self, scope: Option<&str>) {
        self.0.desk.state().forced_scope = scope.map(str::to_owned);
    }

    /// What lifecycle does: the current version goes to `tier` in place. Its id and its last modification stay.
    ///
    /// # Panics
    /// Where there is no such blob.
    pub async fn transition(&self, container: &str, blob: &str, tier: &str) {
        let desk = &self.0.desk;
        let pretended = desk.state().pretended.contains(container);
        assert!(pretended || desk.head(container, blob).await.is_success(), "there is no {container}/{blob}");
        let mut state = desk.state();
        let version = state.shelf.current(container, blob, &*desk.clock);
        (version.tier, version.changed_at, version.pending) = (tier.to_owned(), desk.clock.now(), None);
    }

    /// How many versions there are of a blob, the current one included.
    #[must_use]
    pub fn versions(&self, container: &str, blob: &str) -> usize {
        let desk = &self.0.desk;
        desk.state().shelf.versions(container, blob, &*desk.clock).len()
    }
}

/// What is ordered of it, and the calls that it saw.
impl Deref for AzureProxy {
    type Target = Script<FaultKind>;

    fn deref(&self) -> &Self::Target {
        &self.0.desk.script
    }
}

/// A credential whose token the proxy takes.
#[derive(Debug)]
struct AnyToken;

#[async_trait]
impl TokenCredential for AnyToken {
    async fn get_token(&self, _: &[&str], _: Option<TokenRequestOptions<'_>>) -> azure_core::Result<AccessToken> {
        // The SDK looks at the real clock for when to ask again.
        #[allow(clippy::disallowed_methods)]
        let later = OffsetDateTime::now_utc() + AzureDuration::hours(24);
        Ok(AccessToken::new("a-token-of-tests", later))
    }
}

async fn accept(listener: TcpListener, acceptor: TlsAcceptor, desk: Arc<Desk>) {
    // Connections end with the proxy.
    let mut connections = tokio::task::JoinSet::new();
    loop {
        tokio::select! {
            incoming = listener.accept() => {
                if let Ok((stream, _)) = incoming {
                    connections.spawn(connection(stream, acceptor.clone(), desk.clone()));
                }
            }
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
        }
    }
}

async fn connection(stream: TcpStream, acceptor: TlsAcceptor, desk: Arc<Desk>) {
    let _ = stream.set_nodelay(true);
    let Ok(stream) = acceptor.accept(stream).await else { return };
    let service = hyper::service::service_fn(move |request: Request<hyper::body::Incoming>| {
        let desk = desk.clone();
        async move {
            // In a task of its own: what the server did is remembered though the client dies meanwhile.
            match tokio::spawn(async move { desk.serve(request.map(Body::new)).await }).await {
                Ok(End::Answer(answer)) => Ok(answer),
                Ok(End::Cut) | Err(_) => Err(io::Error::from(io::ErrorKind::ConnectionAborted)),
            }
        }
    });
    // A fault of the connection is the client's to see.
    let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

impl Desk {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn serve(&self, request: Request<Body>) -> End {
        let (parts, body) = request.into_parts();
        let call = Call::of(&parts);
        let Ok(body) = to_bytes(body, usize::MAX).await else { return End::Cut };
        let subject = call.subject();
        let (fault, patience) = (self.script.next(call.op, &subject, &subject), self.script.patience());
        let head = call.method == Method::HEAD;
        let mut now = self.clock.now();
        let refusal = match &fault {
            Some(FaultKind::ServerBusy) => Some(Refusal(503, "ServerBusy")),
            Some(FaultKind::OperationTimedOut) => Some(Refusal(500, "OperationTimedOut")),
            Some(FaultKind::InternalError) => Some(Refusal(500, "InternalError")),
            Some(FaultKind::ExpiredToken) => Some(EXPIRED),
            Some(FaultKind::AuthenticationFailed) => Some(NOT_YOU),
            Some(FaultKind::ClockSkew(by)) => {
                now = now.saturating_add(SignedDuration::try_from(*by).expect("a short time")).expect("in range");
                Some(NOT_YOU)
            }
            Some(FaultKind::Answer(status, code)) => Some(Refusal(*status, code)),
            Some(FaultKind::TimeoutBefore) => {
                tokio::time::sleep(patience).await;
                return End::Cut;
            }
            Some(FaultKind::CutBefore) => return End::Cut,
            Some(FaultKind::Delay(by)) => {
                tokio::time::sleep(*by).await;
                None
            }
            _ => None,
        };
        let refusal = refusal.or_else(|| self.refused(&call));
        let mut answer = match refusal {
            Some(refusal) => refusal.answer(head),
            None => self.rule(&call, body).await.unwrap_or_else(|refusal| refusal.answer(head)),
        };
        set(&mut answer, "date", &http_date(now));
        match fault {
            Some(FaultKind::TimeoutAfter) => {
                tokio::time::sleep(patience).await;
                End::Cut
            }
            Some(FaultKind::CutAfter) => End::Cut,
            Some(FaultKind::OperationTimedOutAfter) => End::Answer(Refusal(500, "OperationTimedOut").answer(head)),
            Some(FaultKind::ResetMidBody(n)) => {
                End::Answer(bent(answer, move |b| b.slice(..n.min(b.len())), true).await)
            }
            Some(FaultKind::ShortBody(n)) => End::Answer(bent(answer, move |b| b.slice(..n.min(b.len())), false).await),
            Some(FaultKind::WrongBytes(at)) => End::Answer(bent(answer, move |b| flipped(&b, at), false).await),
            _ => End::Answer(answer),
        }
    }

    fn refused(&self, call: &Call) -> Option<Refusal> {
        let (denied, expired) = (self.script.denies(call.op), self.script.tokens_expired());
        if let Err(refusal) = sas::check(call, self.clock.now()) {
            return Some(refusal);
        }
        if call.method == Method::PUT && call.header("content-length").is_none() {
            return Some(Refusal(411, "MissingContentLengthHeader"));
        }
        let token = call.header("authorization").is_some();
        if expired && token { Some(EXPIRED) } else { denied.then_some(Refusal(403, "AuthorizationPermissionMismatch")) }
    }
}

fn flipped(bytes: &Bytes, at: usize) -> Bytes {
    let mut bytes = bytes.to_vec();
    if let Some(byte) = bytes.get_mut(at) {
        *byte ^= 1;
    }
    Bytes::from(bytes)
}

/// The answer with another body under the same headers.
async fn bent(answer: Response<Body>, bend: impl FnOnce(Bytes) -> Bytes, reset: bool) -> Response<Body> {
    let (parts, body) = answer.into_parts();
    let bytes = to_bytes(body, usize::MAX).await.expect("a body");
    let mut parts = parts;
    parts.headers.insert("content-length", bytes.len().into());
    let end = reset.then(|| Err(io::Error::from(io::ErrorKind::ConnectionReset)));
    let pieces = futures_util::stream::iter([Ok(bend(bytes))]).chain(futures_util::stream::iter(end));
    Response::from_parts(parts, Body::from_stream(pieces))
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;

    #[test]
    fn dates_go_both_ways() {
        let at: Timestamp = "2026-03-15T12:00:00Z".parse().unwrap();
        assert_eq!(http_date(at), "Sun, 15 Mar 2026 12:00:00 GMT");
        assert_eq!(answer::parse_http_date(&http_date(at)), Some(at));
    }
}
