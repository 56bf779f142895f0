//! Bodies as faults make them.

use super::{fault::FaultKind, reset_on_close};
use axum::body::Body;
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use std::{io, net::TcpStream, sync::Arc};

/// How a body is bent.
#[derive(Debug, Clone, Copy)]
pub(super) enum Bend {
    /// Breaks off after so many bytes; by a reset, or by a close in order.
    Break { after: u64, reset: bool },
    /// Turns the lowest bit of the byte at this offset.
    Flip { at: u64 },
}

impl Bend {
    pub(super) fn of(kind: &FaultKind) -> Option<Self> {
        Some(match kind {
            FaultKind::ResetMidBody(n) => Self::Break { after: *n, reset: true },
            FaultKind::ShortBody(n) => Self::Break { after: *n, reset: false },
            FaultKind::WrongBytes(at) => Self::Flip { at: *at },
            _ => return None,
        })
    }
}

/// The bent body. `client` is the connection to reset.
pub(super) fn bent(body: Body, bend: Bend, client: Option<Arc<TcpStream>>) -> Body {
    let pieces = body.into_data_stream();
    let bent = futures_util::stream::unfold((pieces, 0u64, false), move |(mut pieces, seen, over)| {
        let client = client.clone();
        async move {
            if over {
                // Gives what was sent before time to arrive: a reset throws away what the peer has not read.
                if let (Bend::Break { reset: true, .. }, Some(client)) = (bend, &client) {
                    tokio::time::sleep(std::time::Duration::from_millis(20)).await;
                    reset_on_close(client);
                }
                let broken = io::Error::from(io::ErrorKind::ConnectionAborted);
                return Some((Err(broken), (pieces, seen, true)));
            }
            let piece = match pieces.next().await? {
                Ok(piece) => piece,
                Err(e) => return Some((Err(io::Error::other(e)), (pieces, seen, true))),
            };
            let end = seen + piece.len() as u64;
            let within = |n: u64| usize::try_from(n.saturating_sub(seen)).unwrap_or(usize::MAX).min(piece.len());
            let (piece, over): (Bytes, bool) = match bend {
                Bend::Break { after, .. } if end > after => (piece.slice(..within(after)), true),
                Bend::Flip { at } if (seen..end).contains(&at) => {
                    let mut bytes = BytesMut::from(piece.as_ref());
                    bytes[within(at)] ^= 1;
                    (bytes.freeze(), false)
                }
                _ => (piece, false),
            };
            Some((Ok(piece), (pieces, end, over)))
        }
    });
    Body::from_stream(bent)
}
