use crate::Gateway;
use axum::{
    extract::State,
    response::{
        IntoResponse as _, Response, Sse,
        sse::{Event, KeepAlive},
    },
};
use futures_util::stream;
use std::{convert::Infallible, sync::Arc};

/// Everything that happens, as server-sent events. A listener too slow to follow is cut off: it connects again and reads the
/// state anew, rather than going on with a gap that it does not know of.
pub(crate) async fn events(State(gateway): State<Arc<Gateway>>) -> Response {
    let receiver = gateway.holdfast.subscribe();
    let stop = gateway.stop.clone();
    let stream = stream::unfold((receiver, stop), async |(mut receiver, stop)| {
        let event = tokio::select! {
            () = stop.cancelled() => return None,
            event = receiver.recv() => event.ok()?,
        };
        let event = Event::default().json_data(&event).ok()?;
        Some((Ok::<_, Infallible>(event), (receiver, stop)))
    });
    Sse::new(stream).keep_alive(KeepAlive::default()).into_response()
}
