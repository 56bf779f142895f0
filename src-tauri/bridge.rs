//! What the page can ask of the window: one command for every use-case, one channel for what happens, and access to media.

use holdfast_api::{ApiError, ApiErrorKind, Holdfast, dto::ApiEvent};
use holdfast_gateway::{Running, ServeOptions};
use serde::Serialize;
use serde_json::Value;
use std::sync::{Arc, Mutex, PoisonError};
use tauri::{State, ipc::Channel};
use tokio::{
    sync::{OnceCell, broadcast::error::RecvError},
    task::JoinHandle,
};

/// What the window works on. Where the home folder could not be opened, the page shows why.
pub(crate) struct Desktop {
    holdfast: Result<Arc<Holdfast>, ApiError>,
    gateway: OnceCell<Running>,
    listener: Mutex<Option<JoinHandle<()>>>,
}

impl Desktop {
    pub(crate) fn new(holdfast: Result<Arc<Holdfast>, ApiError>) -> Self {
        Self { holdfast, gateway: OnceCell::new(), listener: Mutex::default() }
    }

    fn holdfast(&self) -> Result<Arc<Holdfast>, ApiError> {
        self.holdfast.clone()
    }

    /// Ends playbacks and background work, so that their outcomes stand in the ledger.
    pub(crate) async fn close(&self) {
        if let Ok(holdfast) = &self.holdfast {
            holdfast.close().await;
        }
    }
}

/// Where screen recordings are fetched from, and the key that opens nothing else.
#[derive(Serialize)]
pub(crate) struct MediaAccess {
    origin: String,
    key: String,
}

#[tauri::command]
pub(crate) async fn api(desktop: State<'_, Desktop>, command: String, request: Value) -> Result<Value, ApiError> {
    let holdfast = desktop.holdfast()?;
    let caller = holdfast.local_caller("window");
    // On its own, so that a page that is gone cannot break off between an intent and its outcome.
    let running = tokio::spawn(async move { holdfast.dispatch(&caller, &command, request).await });
    running.await.map_err(|e| broken_off(&e))?
}

#[tauri::command]
pub(crate) async fn events(desktop: State<'_, Desktop>, channel: Channel<ApiEvent>) -> Result<(), ApiError> {
    let mut receiver = desktop.holdfast()?.subscribe();
    let task = tokio::spawn(async move {
        loop {
            match receiver.recv().await {
                Ok(event) => {
                    if channel.send(event).is_err() {
                        break;
                    }
                }
                // What was missed is followed by something newer, upon which the page reads the state anew.
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => break,
            }
        }
    });
    // A page that was loaded again listens anew: nobody hears the old channel.
    let before = desktop.listener.lock().unwrap_or_else(PoisonError::into_inner).replace(task);
    before.inspect(JoinHandle::abort);
    Ok(())
}

/// Media over loopback: WebKit plays them from nowhere else. Served from the first screen recording on, not before.
#[tauri::command]
pub(crate) async fn media_access(desktop: State<'_, Desktop>) -> Result<MediaAccess, ApiError> {
    let holdfast = desktop.holdfast()?;
    let running =
        desktop.gateway.get_or_try_init(|| holdfast_gateway::serve(holdfast, ServeOptions::default())).await?;
    Ok(MediaAccess { origin: format!("http://{}", running.address), key: running.media_key.clone() })
}

fn broken_off(e: &tokio::task::JoinError) -> ApiError {
    let next = "Look at the recording's custody for what was done, then try again.";
    ApiError::new(ApiErrorKind::Failure, "window.broken_off", format!("the command broke off: {e}"), next)
}
