//! Creating an object: in one request where the body is no longer than a part, else in parts (`upload.rs`). The object appears at
//! once and whole, and only where nothing is; what its answer did not tell is looked up (`send.rs`).

use super::{
    S3Store,
    send::{Order, Outcome, pause, with_order},
    timeouts,
};
use crate::{ByteStream, Created, PutOptions, StoreError, metadata::check_metadata};
use aws_sdk_s3::{config::Builder, types::ChecksumAlgorithm};
use aws_smithy_types::base64;
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use holdfast_model::{Fixity, ObjectKey, ObjectLocator, Sha256Digest};
use std::io;

/// Bytes that are hashed between two others' turns; more than that is moved to another thread.
const HASHED_AT_ONCE: usize = 64 << 10;

impl S3Store {
    pub(super) async fn create_object(
        &self,
        bucket: &str,
        key: &ObjectKey,
        body: ByteStream,
        options: PutOptions,
    ) -> Result<Created, StoreError> {
        check_metadata(&options)?;
        let class = self.class_for(options.tier)?.to_owned();
        let at = self.at(bucket, key.clone(), None);
        let order = Order { at, class, options, write_id: random_id()? };
        let mut body = Gather { body, rest: Bytes::new() };
        let ((), first) = tokio::try_join!(self.refuse_existing(&order), body.part(self.config.part_size_bytes))?;
        if body.is_done().await? { self.put(&order, first).await } else { self.upload(&order, first, body).await }
    }

    /// Refuses before the bytes are sent, and where a delete marker would let a second object take the first one's place. Who
    /// may not look is refused by the condition of the write itself.
    async fn refuse_existing(&self, order: &Order) -> Result<(), StoreError> {
        match self.look(&order.at).await {
            Err(StoreError::NotFound(_) | StoreError::Denied { .. }) => Ok(()),
            Ok(there) => Err(self.already(&there.info.locator).await),
            Err(e) => Err(e),
        }
    }

    async fn put(&self, order: &Order, bytes: Bytes) -> Result<Created, StoreError> {
        let digest = digest_of(bytes.clone(), &order.at).await?;
        let fixity = Fixity::sha256(digest, bytes.len() as u64);
        order.expects(&fixity)?;
        for n in 1.. {
            // Its SHA-256 is a signed header that S3 checks, so that the signature need not hash the bytes again.
            let sent = with_order!(self.client.put_object(), self, order, Some(digest))
                .body(bytes.clone().into())
                .checksum_algorithm(ChecksumAlgorithm::Sha256)
                .checksum_sha256(base64::encode(digest.0))
                .if_none_match("*")
                .customize()
                .config_override(Builder::new().timeout_config(timeouts(&self.config, bytes.len())))
                .disable_payload_signing()
                .send()
                .await;
            let error = match sent {
                Ok(out) => {
                    self.check_written(out.server_side_encryption(), out.ssekms_key_id())?;
                    return self.created(order, out.version_id(), fixity).await;
                }
                Err(error) => error,
            };
            match self.settle(order, &error).await? {
                Outcome::Ours(info) => return self.created(order, info.locator.version_id.as_deref(), fixity).await,
                Outcome::Again if n < self.config.attempts => pause(n).await,
                Outcome::Again => break,
            }
        }
        Err(busy(order))
    }
}

/// Others changed the same key all the time.
pub(super) fn busy(order: &Order) -> StoreError {
    let source = io::Error::new(io::ErrorKind::ResourceBusy, "other requests to the same key were under way");
    StoreError::Io { action: format!("storing {}", order.at), source }
}

fn random_id() -> Result<String, StoreError> {
    let mut id = [0u8; 16];
    getrandom::fill(&mut id).map_err(|e| StoreError::Io {
        action: "drawing a random number".to_owned(),
        source: io::Error::other(e.to_string()),
    })?;
    Ok(hex::encode(id))
}

async fn digest_of(bytes: Bytes, at: &ObjectLocator) -> Result<Sha256Digest, StoreError> {
    if bytes.len() <= HASHED_AT_ONCE {
        return Ok(Sha256Digest::of(&bytes));
    }
    off_the_loop(at, move || Sha256Digest::of(&bytes)).await
}

/// Runs what takes milliseconds where blocking is allowed.
pub(super) async fn off_the_loop<T: Send + 'static>(
    at: &ObjectLocator,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, StoreError> {
    let failed = |e| StoreError::Io { action: format!("hashing {at}"), source: io::Error::other(e) };
    tokio::task::spawn_blocking(work).await.map_err(failed)
}

/// A body, cut into parts.
pub(super) struct Gather {
    body: ByteStream,
    /// What came with the last part and belongs to the next.
    rest: Bytes,
}

impl Gather {
    /// The next `length` bytes, fewer only at the end.
    pub(super) async fn part(&mut self, length: usize) -> Result<Bytes, StoreError> {
        let mut part = BytesMut::new();
        while part.len() < length && !self.is_done().await? {
            let fits = self.rest.len().min(length - part.len());
            part.extend_from_slice(&self.rest.split_to(fits));
        }
        Ok(part.freeze())
    }

    /// Whether nothing more comes.
    pub(super) async fn is_done(&mut self) -> Result<bool, StoreError> {
        while self.rest.is_empty() {
            match self.body.next().await {
                Some(piece) => self.rest = piece?,
                None => return Ok(true),
            }
        }
        Ok(false)
    }
}
