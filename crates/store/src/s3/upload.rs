//! Creating an object in parts. Several are on their way at once, each with its own SHA-256, which S3 checks; the whole is hashed as
//! it passes. Nothing exists before the last call; on any fault, and where the caller leaves, the parts are thrown away. What a
//! process that died left is thrown away by the bucket's lifecycle (`holdfast provision`).
//!
//! S3 takes metadata with the first call. The digest stands in it where the caller knew it (`PutOptions::expected`); where not,
//! the object has no `sha256` metadata: to write it later means a second object, and under retention the first one stays.

use super::{
    S3Store,
    create::{Gather, busy, off_the_loop},
    fault,
    send::{Order, Outcome, pause, with_order},
    timeouts,
};
use crate::{Created, StoreError};
use aws_sdk_s3::{
    Client,
    config::Builder,
    error::BuildError,
    types::{ChecksumAlgorithm, CompletedMultipartUpload, CompletedPart, Tag, Tagging},
};
use aws_smithy_types::base64;
use bytes::Bytes;
use holdfast_model::{Fixity, ObjectLocator, Sha256Digest};
use sha2::{Digest as _, Sha256};
use tokio::{runtime::Handle, task::JoinSet};

/// S3's own limit.
const MOST_PARTS: i32 = 10_000;
/// After so many parts they double in length, so that 10,000 of them are enough for 496 GiB.
const DOUBLES_AFTER: i32 = 2_000;

impl S3Store {
    pub(super) async fn upload(&self, order: &Order, first: Bytes, body: Gather) -> Result<Created, StoreError> {
        let digest = order.options.expected.as_ref().map(|f| f.digest);
        let begun = with_order!(self.client.create_multipart_upload(), self, order, digest)
            .checksum_algorithm(ChecksumAlgorithm::Sha256)
            .send()
            .await
            .map_err(|e| fault::of(&self.doing("storing", "s3:PutObject", &order.at), &e))?;
        let id = begun.upload_id().unwrap_or_default().to_owned();
        let mut upload = Upload { client: self.client.clone(), order, id, open: true };
        let made = match self.check_written(begun.server_side_encryption(), begun.ssekms_key_id()) {
            Ok(()) => self.send_all(&upload, first, body).await,
            Err(e) => Err(e),
        };
        match made {
            Ok(created) => {
                upload.open = false;
                self.assure(order, &created.locator).await?;
                Ok(created)
            }
            Err(e) => {
                upload.abort().await;
                Err(e)
            }
        }
    }

    async fn send_all(&self, upload: &Upload<'_>, first: Bytes, mut body: Gather) -> Result<Created, StoreError> {
        let order = upload.order;
        let (mut whole, mut size_bytes, mut number) = (Sha256::new(), 0u64, 1);
        let (mut on_their_way, mut parts) = (JoinSet::new(), Vec::new());
        let mut next = Some(first);
        while let Some(part) = next {
            size_bytes += part.len() as u64;
            if on_their_way.len() >= self.config.parallel_parts.max(1) {
                parts.extend(arrived(on_their_way.join_next().await)?);
            }
            // A part that cannot be sent is heard of before the next is fetched.
            while let Some(sent) = on_their_way.try_join_next() {
                parts.extend(arrived(Some(sent))?);
            }
            on_their_way.spawn(self.send_part(upload, number, part.clone()));
            let hash = move || {
                whole.update(&part);
                whole
            };
            number += 1;
            let (hashed, fetched) =
                tokio::join!(off_the_loop(&order.at, hash), self.next_part(order, &mut body, number));
            (whole, next) = (hashed?, fetched?);
        }
        let fixity = Fixity::sha256(Sha256Digest(whole.finalize().into()), size_bytes);
        order.expects(&fixity)?;
        while let Some(sent) = on_their_way.join_next().await {
            parts.extend(arrived(Some(sent))?);
        }
        parts.sort_by_key(CompletedPart::part_number);
        self.complete(upload, parts, fixity).await
    }

    /// The part with this number; none where there is no more.
    async fn next_part(&self, order: &Order, body: &mut Gather, number: i32) -> Result<Option<Bytes>, StoreError> {
        if body.is_done().await? {
            return Ok(None);
        }
        if number > MOST_PARTS {
            let what = order.at.to_string();
            return Err(StoreError::Invalid { what, detail: "it is longer than an object can be".to_owned() });
        }
        body.part(self.config.part_size_bytes << (number / DOUBLES_AFTER)).await.map(Some)
    }

    /// Sends one part with its digest; the same part again replaces it, so that the SDK may try as often as it likes.
    fn send_part(
        &self,
        upload: &Upload<'_>,
        number: i32,
        bytes: Bytes,
    ) -> impl Future<Output = Result<CompletedPart, StoreError>> + Send + 'static {
        let at = upload.order.at.clone();
        let kms_key = self.config.kms_key.clone();
        let request = self
            .client
            .upload_part()
            .bucket(&at.bucket)
            .key(at.key.as_str())
            .upload_id(&upload.id)
            .part_number(number)
            .checksum_algorithm(ChecksumAlgorithm::Sha256);
        let times = Builder::new().timeout_config(timeouts(&self.config, bytes.len()));
        async move {
            let part = bytes.clone();
            let digest = off_the_loop(&at, move || Sha256::digest(&part)).await?;
            let request = request.checksum_sha256(base64::encode(digest)).body(bytes.into());
            let sent = request.customize().config_override(times).disable_payload_signing().send().await;
            let doing = fault::Doing { what: "storing", right: "s3:PutObject", at: &at, kms_key: kms_key.as_deref() };
            let sent = sent.map_err(|e| fault::of(&doing, &e))?;
            Ok(CompletedPart::builder()
                .part_number(number)
                .set_e_tag(sent.e_tag().map(str::to_owned))
                .set_checksum_sha256(sent.checksum_sha256().map(str::to_owned))
                .build())
        }
    }

    async fn complete(
        &self,
        upload: &Upload<'_>,
        parts: Vec<CompletedPart>,
        fixity: Fixity,
    ) -> Result<Created, StoreError> {
        let order = upload.order;
        let all = CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
        // S3 puts the object together before it answers, which may take minutes.
        let times = timeouts(&self.config, usize::try_from(fixity.size_bytes / 16).unwrap_or(usize::MAX));
        for n in 1.. {
            let sent = self
                .client
                .complete_multipart_upload()
                .bucket(&order.at.bucket)
                .key(order.at.key.as_str())
                .upload_id(&upload.id)
                .multipart_upload(all.clone())
                .mpu_object_size(i64::try_from(fixity.size_bytes).unwrap_or(i64::MAX))
                .if_none_match("*")
                .customize()
                .config_override(Builder::new().timeout_config(times.clone()))
                .send()
                .await;
            let error = match sent {
                Ok(out) => return self.created(order, out.version_id(), fixity).await,
                Err(error) => error,
            };
            match self.settle(order, &error).await {
                Ok(Outcome::Ours(info)) => {
                    return self.created(order, info.locator.version_id.as_deref(), fixity).await;
                }
                Ok(Outcome::Again) if n < self.config.attempts => pause(n).await,
                Ok(Outcome::Again) => break,
                Err(told) => return self.last_look(upload, fixity, told).await,
            }
        }
        Err(busy(order))
    }

    /// Not every server keeps what the first call said: Ceph's gateway (16.2) forgets lock, hold and tags of what is made in parts.
    /// What is missing is set before anyone hears of the object.
    async fn assure(&self, order: &Order, at: &ObjectLocator) -> Result<(), StoreError> {
        let options = &order.options;
        if options.retention.is_none() && !options.legal_hold && options.tags.is_empty() {
            return Ok(());
        }
        let head = self.look(at).await?;
        if let Some(retention) = options.retention.filter(|_| head.info.retention.is_none()) {
            tracing::warn!(%at, "the server forgot the retention of an upload; it was set afterwards");
            self.extend_retention(at, retention).await?;
        }
        if options.legal_hold && !head.info.legal_hold {
            self.put_legal_hold(at, true).await?;
        }
        if !options.tags.is_empty() && head.untagged {
            let invalid = |e: BuildError| StoreError::Invalid { what: "a tag".to_owned(), detail: e.to_string() };
            let tag = |(k, v)| Tag::builder().key(k).value(v).build().map_err(invalid);
            let tags = options.tags.iter().map(tag).collect::<Result<Vec<_>, _>>()?;
            let tagging = Tagging::builder().set_tag_set(Some(tags)).build().map_err(invalid)?;
            let request = self.client.put_object_tagging().bucket(&at.bucket).key(at.key.as_str()).tagging(tagging);
            let sent = request.set_version_id(at.version_id.clone()).send().await;
            sent.map_err(|e| fault::of(&self.doing("tagging", "s3:PutObjectVersionTagging", at), &e))?;
        }
        Ok(())
    }

    /// An upload that was thrown away can make nothing any more; one that cannot be was completed, and the object is there.
    async fn last_look(&self, upload: &Upload<'_>, fixity: Fixity, told: StoreError) -> Result<Created, StoreError> {
        if !matches!(told, StoreError::Io { .. }) {
            return Err(told);
        }
        upload.throw_away().await;
        match self.look(&upload.order.at).await {
            Ok(head) if head.write_id.as_ref() == Some(&upload.order.write_id) => {
                self.created(upload.order, head.info.locator.version_id.as_deref(), fixity).await
            }
            _ => Err(told),
        }
    }
}

fn arrived(
    sent: Option<Result<Result<CompletedPart, StoreError>, tokio::task::JoinError>>,
) -> Result<Option<CompletedPart>, StoreError> {
    let failed = |e| StoreError::Io { action: "storing a part".to_owned(), source: std::io::Error::other(e) };
    sent.map(|s| s.map_err(failed).and_then(|part| part)).transpose()
}

/// Parts that are no object yet. They are thrown away unless it was completed.
struct Upload<'a> {
    client: Client,
    order: &'a Order,
    id: String,
    open: bool,
}

impl Upload<'_> {
    fn throw_away(&self) -> impl Future<Output = ()> + Send + 'static {
        let at = self.order.at.clone();
        let request = self.client.abort_multipart_upload().bucket(&at.bucket).key(at.key.as_str()).upload_id(&self.id);
        async move {
            if let Err(error) = request.send().await
                && fault::code(&error) != Some(fault::NO_SUCH_UPLOAD)
            {
                // The bucket's lifecycle does it later.
                tracing::warn!(%at, code = fault::code(&error), "the parts of an upload could not be thrown away");
            }
        }
    }

    async fn abort(mut self) {
        self.open = false;
        self.throw_away().await;
    }
}

impl Drop for Upload<'_> {
    /// The caller left.
    fn drop(&mut self) {
        if self.open
            && let Ok(runtime) = Handle::try_current()
        {
            drop(runtime.spawn(self.throw_away()));
        }
    }
}
