//! Bytes on their way: from a file into a stream, and through a hasher.

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use holdfast_connectors::Fetched;
use holdfast_model::{Cancel, Fixity, Sha256Digest};
use holdfast_store::{ByteStream, StoreError};
use sha2::{Digest as _, Sha256};
use std::{io, os::unix::fs::FileExt as _, sync::Arc};

/// Bytes read at once.
const PIECE: u64 = 1024 * 1024;

/// The file's bytes. The stream ends with an error instead of its end where the file changed while it was read, where it is cut
/// off, or where the person cancelled, so that nothing is created of it. Two pieces are read ahead.
pub(crate) fn stream_of(
    fetched: Arc<Fetched>,
    cancel: Cancel,
    read: impl Fn(u64) + Send + Sync + 'static,
) -> ByteStream {
    let size = fetched.size_bytes();
    let read = Arc::new(read);
    let (last_file, last_cancel) = (fetched.clone(), cancel.clone());
    let pieces = stream::iter((0..size).step_by(PIECE as usize))
        .map(move |from| {
            let (fetched, cancel, read) = (fetched.clone(), cancel.clone(), read.clone());
            async move {
                let length = (size - from).min(PIECE);
                let piece = move || {
                    if cancel.is_cancelled() {
                        return Err(io::Error::new(io::ErrorKind::Interrupted, "cancelled"));
                    }
                    let mut piece = vec![0; usize::try_from(length).unwrap_or(0)];
                    fetched.file().read_exact_at(&mut piece, from)?;
                    Ok(Bytes::from(piece))
                };
                let piece = tokio::task::spawn_blocking(piece).await.map_err(io::Error::other).and_then(|p| p);
                read(length);
                piece.map_err(fault)
            }
        })
        .buffered(2);
    // Looked at after the last piece was read and before the store may call the object complete.
    let check = stream::once(async move {
        match (last_cancel.is_cancelled(), last_file.unchanged()) {
            (true, _) => Err(fault(io::Error::new(io::ErrorKind::Interrupted, "cancelled"))),
            (false, Err(e)) => Err(fault(io::Error::other(e.to_string()))),
            (false, Ok(())) => Ok(Bytes::new()),
        }
    });
    pieces.chain(check).filter(|p| std::future::ready(!matches!(p, Ok(b) if b.is_empty()))).boxed()
}

fn fault(source: io::Error) -> StoreError {
    StoreError::Io { action: "reading the source".to_owned(), source }
}

/// Bytes held in memory, as a stream.
pub(crate) fn stream_of_bytes(bytes: Bytes) -> ByteStream {
    stream::iter((!bytes.is_empty()).then_some(Ok(bytes))).boxed()
}

/// Reads a stream to its end and measures it.
pub(crate) async fn measure(mut stream: ByteStream, cancel: &Cancel) -> Result<Fixity, StoreError> {
    let (mut hash, mut size_bytes) = (Sha256::new(), 0u64);
    while let Some(piece) = stream.next().await {
        let piece = piece?;
        if cancel.is_cancelled() {
            return Err(fault(io::Error::new(io::ErrorKind::Interrupted, "cancelled")));
        }
        hash.update(&piece);
        size_bytes += piece.len() as u64;
    }
    Ok(Fixity::sha256(Sha256Digest(hash.finalize().into()), size_bytes))
}

/// Reads a small stream to its end; refuses more than `limit` bytes.
pub(crate) async fn collect(mut stream: ByteStream, limit: usize) -> Result<Vec<u8>, StoreError> {
    let mut out = Vec::new();
    while let Some(piece) = stream.next().await {
        out.extend_from_slice(&piece?);
        if out.len() > limit {
            let detail = format!("it is longer than {limit} bytes");
            return Err(StoreError::Damaged { what: "a small object".to_owned(), detail });
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    fn fetched(bytes: &[u8]) -> (tempfile::NamedTempFile, Arc<Fetched>) {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(bytes).unwrap();
        let open = std::fs::File::open(file.path()).unwrap();
        (file, Arc::new(Fetched::new(open).unwrap()))
    }

    #[tokio::test]
    async fn a_file_streams_whole() {
        let bytes: Vec<u8> = (0..2_500_000u32).map(|i| (i % 251) as u8).collect();
        let (_file, fetched) = fetched(&bytes);
        let found = measure(stream_of(fetched, Cancel::default(), |_| {}), &Cancel::default()).await.unwrap();
        assert_eq!(found, Fixity::sha256(Sha256Digest::of(&bytes), bytes.len() as u64));
        let (_file, empty) = self::fetched(b"");
        let found = measure(stream_of(empty, Cancel::default(), |_| {}), &Cancel::default()).await.unwrap();
        assert_eq!(found.size_bytes, 0);
    }

    #[tokio::test]
    async fn a_change_or_a_cancel_never_ends_as_a_whole() {
        let (mut file, fetched) = fetched(b"first");
        file.write_all(b"more").unwrap();
        assert!(measure(stream_of(fetched.clone(), Cancel::default(), |_| {}), &Cancel::default()).await.is_err());
        file.as_file().set_len(2).unwrap();
        assert!(measure(stream_of(fetched.clone(), Cancel::default(), |_| {}), &Cancel::default()).await.is_err());
        let cancel = Cancel::default();
        cancel.cancel();
        let (_file, fetched) = self::fetched(b"");
        assert!(measure(stream_of(fetched, cancel, |_| {}), &Cancel::default()).await.is_err());
    }
}
