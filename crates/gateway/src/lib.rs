//! The use-cases over HTTP, on this machine only: `POST /api/{command}`, `GET /events`, `GET /media/{session}`, and the pages
//! that use them. Whoever asks must hold the token of this start; see [`guard`] for what is refused and why.

mod answer;
mod assets;
mod events;
mod guard;
mod media;

use axum::{
    Extension, Router,
    body::Bytes,
    extract::{DefaultBodyLimit, Path, State, rejection::BytesRejection},
    http::{HeaderMap, StatusCode, header},
    middleware,
    response::Response,
    routing::{get, post},
};
use holdfast_api::{ApiError, ApiErrorKind, Holdfast};
use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Largest request: lists of some ten thousand archive ids fit, nothing larger is ever asked.
pub const BODY_LIMIT_BYTES: usize = 2 * 1024 * 1024;

/// How long commands under way may take to come to their end when the gateway is shut down.
const GRACE: Duration = Duration::from_secs(10);

/// How long their answers may take to be written then. Listeners to media may take any time.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// How the gateway is served.
#[derive(Debug, Clone, Default)]
pub struct ServeOptions {
    /// Port on 127.0.0.1; 0 takes a free one.
    pub port: u16,
}

/// A gateway that answers.
#[derive(Debug)]
pub struct Running {
    /// Where; always 127.0.0.1.
    pub address: SocketAddr,
    /// The token of this start, for all routes: as `Authorization: Bearer`, or traded for a cookie at `/session`.
    pub token: String,
    /// A key that opens media of playbacks under way and nothing else, as `?key=`: for a page of another origin that cannot
    /// send headers with a media element (the window).
    pub media_key: String,
    stop: CancellationToken,
    commands: TaskTracker,
    server: JoinHandle<()>,
}

impl Running {
    /// The address to open in a browser. The token stands behind `#`, so that no server or log sees it.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}/#token={}", self.address, self.token)
    }

    /// Stops accepting, lets commands under way come to their end and be answered (for at most eleven seconds), closes all
    /// connections.
    pub async fn shutdown(mut self) {
        self.stop.cancel();
        self.commands.close();
        if tokio::time::timeout(GRACE, self.commands.wait()).await.is_err() {
            tracing::warn!(left = self.commands.len(), "commands were still under way when the gateway closed");
        }
        // It ends with its last connection; neither how it ended nor that it did not is news.
        let _ = tokio::time::timeout(LAST_WORDS, &mut self.server).await;
        self.server.abort();
    }
}

/// What every handler shares.
pub(crate) struct Gateway {
    pub(crate) holdfast: Arc<Holdfast>,
    pub(crate) token: String,
    pub(crate) media_key: String,
    pub(crate) port: u16,
    pub(crate) stop: CancellationToken,
    commands: TaskTracker,
}

/// Serves `holdfast` on 127.0.0.1 until [`Running::shutdown`].
///
/// # Errors
/// `gateway.port` where the port cannot be had, `gateway.random` where the system gives no randomness.
pub async fn serve(holdfast: Arc<Holdfast>, options: ServeOptions) -> Result<Running, ApiError> {
    let listener =
        TcpListener::bind((Ipv4Addr::LOCALHOST, options.port)).await.map_err(|e| no_port(options.port, &e))?;
    let address = listener.local_addr().map_err(|e| no_port(options.port, &e))?;
    let (stop, commands) = (CancellationToken::new(), TaskTracker::new());
    let gateway = Arc::new(Gateway {
        holdfast,
        token: secret()?,
        media_key: secret()?,
        port: address.port(),
        stop: stop.clone(),
        commands: commands.clone(),
    });
    let (token, media_key) = (gateway.token.clone(), gateway.media_key.clone());
    let stopping = stop.clone();
    let server = tokio::spawn(async move {
        let served = axum::serve(listener, router(gateway)).with_graceful_shutdown(stopping.cancelled_owned()).await;
        if let Err(e) = served {
            tracing::error!("the gateway ended: {e}");
        }
    });
    tracing::info!(%address, "the gateway answers");
    Ok(Running { address, token, media_key, stop, commands, server })
}

fn router(gateway: Arc<Gateway>) -> Router {
    let guarded = Router::new()
        .route("/api/{command}", post(command))
        .route("/events", get(events::events))
        .route("/media/{session}", get(media::media))
        .layer(middleware::from_fn_with_state(Arc::clone(&gateway), guard::token));
    Router::new()
        .route("/session", post(guard::session))
        .merge(guarded)
        .fallback(assets::asset)
        .method_not_allowed_fallback(async || {
            answer::refuse(
                StatusCode::METHOD_NOT_ALLOWED,
                "gateway.method",
                "this address is asked another way",
                "See the documentation of the gateway.",
            )
        })
        .layer(DefaultBodyLimit::max(BODY_LIMIT_BYTES))
        .layer(middleware::from_fn_with_state(Arc::clone(&gateway), guard::host))
        .layer(middleware::from_fn(guard::headers))
        .with_state(gateway)
}

/// Runs one command. It runs to its end even when the asker is gone: an intent in the ledger must find its outcome.
async fn command(
    State(gateway): State<Arc<Gateway>>,
    Path(command): Path<String>,
    Extension(guard::Trusted): Extension<guard::Trusted>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let json = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).and_then(|v| v.split(';').next());
    if json.map(str::trim) != Some("application/json") {
        return answer::refuse(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "gateway.media_type",
            "requests are JSON",
            "Send Content-Type: application/json.",
        );
    }
    let body = match body {
        Ok(body) => body,
        Err(e) if e.status() == StatusCode::PAYLOAD_TOO_LARGE => {
            return answer::refuse(
                e.status(),
                "gateway.too_large",
                "the request is larger than 2 MiB",
                "Ask for less at once.",
            );
        }
        Err(e) => return answer::refuse(e.status(), "gateway.body", "the request broke off", "Send it again."),
    };
    let arguments = match serde_json::from_slice(&body) {
        Ok(arguments) => arguments,
        Err(e) => {
            return answer::refuse(
                StatusCode::BAD_REQUEST,
                "gateway.json",
                &format!("the request is no JSON: {e}"),
                "Send a JSON object, {} where there are no arguments.",
            );
        }
    };
    let holdfast = Arc::clone(&gateway.holdfast);
    let running = gateway.commands.spawn(async move {
        let caller = holdfast.local_caller("http");
        holdfast.dispatch(&caller, &command, arguments).await
    });
    match running.await {
        Ok(Ok(value)) => answer::json(StatusCode::OK, &value),
        Ok(Err(e)) => answer::error(&e),
        Err(e) => answer::refuse(
            StatusCode::INTERNAL_SERVER_ERROR,
            "gateway.broken_off",
            &format!("the command broke off: {e}"),
            "Look at the recording's custody for what was done, then try again.",
        ),
    }
}

/// 256 random bits, hexadecimal.
fn secret() -> Result<String, ApiError> {
    let mut bytes = [0u8; 32];
    getrandom::fill(&mut bytes).map_err(|e| {
        let message = format!("the system gives no random numbers: {e}");
        ApiError::new(
            ApiErrorKind::Failure,
            "gateway.random",
            message,
            "Start again; without them no safe token can be made.",
        )
    })?;
    Ok(hex::encode(bytes))
}

fn no_port(port: u16, e: &std::io::Error) -> ApiError {
    let message = format!("port {port} of this machine cannot be had: {e}");
    ApiError::new(ApiErrorKind::Usage, "gateway.port", message, "Choose another port, or 0 for any that is free.")
}
