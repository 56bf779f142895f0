//! What every write has in common: its headers, the key it must come back encrypted with, and finding out what became of it where
//! the answer is lost.

use super::{
    S3Store,
    fault::{self, CONDITION_FAILED, NO_SUCH_UPLOAD},
};
use crate::{Created, ObjectInfo, PutOptions, StoreError};
use aws_sdk_s3::{
    config::http::HttpResponse,
    error::{ProvideErrorMetadata, SdkError},
    types::ServerSideEncryption,
};
use holdfast_model::{Fixity, ObjectLocator, Sha256Digest};
use std::{collections::HashMap, error::Error, fmt::Write as _, time::Duration};

/// Metadata that tells whose write made an object: 16 random bytes, new with each create. Without it, a write whose answer was
/// lost could not be told from another writer's of the same bytes. It is not shown as metadata of the object.
pub(super) const WRITE_ID: &str = "holdfast-write";

/// One create.
pub(super) struct Order {
    pub(super) at: ObjectLocator,
    pub(super) class: String,
    pub(super) options: PutOptions,
    pub(super) write_id: String,
}

/// Sets the headers that go in with an object's own write; `PutObject` and `CreateMultipartUpload` take the same.
macro_rules! with_order {
    ($request:expr, $store:expr, $order:expr, $digest:expr) => {{
        let options = &$order.options;
        let mut request = $request
            .bucket(&$order.at.bucket)
            .key($order.at.key.as_str())
            .content_type(&options.media_type)
            .set_metadata(Some($order.metadata($digest)))
            .set_tagging($order.tagging())
            .storage_class($order.class.as_str().into());
        if let Some(retention) = options.retention {
            request = request
                .object_lock_mode(crate::s3::retain::lock_mode(retention.mode))
                .object_lock_retain_until_date(crate::s3::retain::whole_second_after(retention));
        }
        if options.legal_hold {
            request = request.object_lock_legal_hold_status(aws_sdk_s3::types::ObjectLockLegalHoldStatus::On);
        }
        if let Some(key) = &$store.config.kms_key {
            request =
                request.server_side_encryption(aws_sdk_s3::types::ServerSideEncryption::AwsKms).ssekms_key_id(key);
        }
        request
    }};
}
pub(super) use with_order;

impl Order {
    pub(super) fn metadata(&self, digest: Option<Sha256Digest>) -> HashMap<String, String> {
        let mut all: HashMap<String, String> =
            self.options.metadata.iter().map(|(k, v)| (k.clone(), v.clone())).collect();
        all.insert(WRITE_ID.to_owned(), self.write_id.clone());
        if let Some(digest) = digest {
            all.insert("sha256".to_owned(), digest.to_hex());
        }
        all
    }

    /// Tags as a query string.
    pub(super) fn tagging(&self) -> Option<String> {
        let pairs = self.options.tags.iter().map(|(k, v)| format!("{}={}", encoded(k), encoded(v)));
        (!self.options.tags.is_empty()).then(|| pairs.collect::<Vec<_>>().join("&"))
    }

    pub(super) fn expects(&self, found: &Fixity) -> Result<(), StoreError> {
        match &self.options.expected {
            Some(expected) if expected != found => {
                Err(StoreError::Mismatch { expected: expected.clone(), found: found.clone() })
            }
            _ => Ok(()),
        }
    }
}

fn encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, b| {
        match b {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(b.into()),
            _ => drop(write!(out, "%{b:02X}")),
        }
        out
    })
}

/// What became of a write that failed, or seemed to.
pub(super) enum Outcome {
    /// It was made, by this very call.
    Ours(Box<ObjectInfo>),
    /// Nothing is there, and it was another's change to the same key that stood in the way: the same again.
    Again,
}

impl S3Store {
    /// Looks what a failed write did before telling.
    pub(super) async fn settle<E>(
        &self,
        order: &Order,
        error: &SdkError<E, HttpResponse>,
    ) -> Result<Outcome, StoreError>
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        let code = fault::code(error);
        // Ours may have been made by a try whose answer never came, and the next one met it.
        let met = matches!(code, Some(CONDITION_FAILED | NO_SUCH_UPLOAD));
        let raced = matches!(code, Some("ConditionalRequestConflict" | "OperationAborted"));
        let told = fault::of(&self.doing("storing", "s3:PutObject", &order.at), error);
        if !met && !raced && !fault::is_ambiguous(error) {
            return Err(told);
        }
        match self.look(&order.at).await {
            Ok(head) if head.write_id.as_ref() == Some(&order.write_id) => Ok(Outcome::Ours(Box::new(head.info))),
            Ok(head) => Err(self.already(&head.info.locator).await),
            Err(StoreError::NotFound(_)) if raced || code == Some(CONDITION_FAILED) => Ok(Outcome::Again),
            Err(_) => Err(told),
        }
    }

    /// The refusal to replace what is there, with all of its facts.
    pub(super) async fn already(&self, at: &ObjectLocator) -> StoreError {
        self.info(at).await.map_or_else(|e| e, |info| StoreError::AlreadyExists(Box::new(info)))
    }

    /// The new object, once its write was answered. A server that leaves the version out is asked for it.
    pub(super) async fn created(
        &self,
        order: &Order,
        version_id: Option<&str>,
        fixity: Fixity,
    ) -> Result<Created, StoreError> {
        let version_id = match version_id {
            Some(id) => Some(id.to_owned()),
            None => self.look(&order.at).await?.info.locator.version_id,
        };
        if version_id.is_none() {
            tracing::warn!(bucket = order.at.bucket, "this bucket keeps no versions; nothing in it is protected");
        }
        let locator = ObjectLocator { version_id, ..order.at.clone() };
        Ok(Created { locator, fixity, storage_class: order.class.clone() })
    }

    /// What was written must have been encrypted with the configured key.
    pub(super) fn check_written(
        &self,
        encryption: Option<&ServerSideEncryption>,
        key: Option<&str>,
    ) -> Result<(), StoreError> {
        self.check_key(encryption, key, &[])
    }

    /// What is read must be encrypted with the configured key or one of those it once was.
    pub(super) fn check_read(
        &self,
        encryption: Option<&ServerSideEncryption>,
        key: Option<&str>,
    ) -> Result<(), StoreError> {
        self.check_key(encryption, key, &self.config.earlier_kms_keys)
    }

    fn check_key(
        &self,
        encryption: Option<&ServerSideEncryption>,
        found: Option<&str>,
        also: &[String],
    ) -> Result<(), StoreError> {
        let Some(configured) = &self.config.kms_key else { return Ok(()) };
        let with_kms = matches!(encryption, Some(ServerSideEncryption::AwsKms | ServerSideEncryption::AwsKmsDsse));
        let known = |found: &str| same_key(configured, found) || also.iter().any(|k| same_key(k, found));
        if with_kms && found.is_some_and(known) {
            return Ok(());
        }
        let detail = match found {
            Some(found) => format!(
                "the object is encrypted with {found} instead; if that is an earlier key of this archive, name it in earlier_kms_keys"
            ),
            None => "the object is not encrypted with a KMS key at all".to_owned(),
        };
        Err(StoreError::Key { key: configured.clone(), detail })
    }
}

/// Whether the key that S3 names by its ARN is the configured one. Which key an alias stands for, only KMS knows: it passes.
fn same_key(configured: &str, found: &str) -> bool {
    let id = |k: &str| k.rsplit('/').next().unwrap_or_default().to_owned();
    configured.contains("alias/") || id(configured) == id(found)
}

/// A pause before try `n` (from 1), with jitter: half of it is chance.
pub(super) async fn pause(n: u32) {
    let longest = Duration::from_millis(50 << n.min(7));
    let mut byte = [0u8; 1];
    let share = getrandom::fill(&mut byte).map_or(255, |()| u32::from(byte[0]));
    tokio::time::sleep(longest / 2 + longest * share / 512).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_known_by_id_or_arn_and_never_by_a_part_of_it() {
        let arn = "arn:aws:kms:eu-central-1:1:key/aa-bb";
        for (configured, same) in
            [("aa-bb", true), (arn, true), ("alias/holdfast", true), ("bb", false), ("arn:aws:kms:x:1:key/cc", false)]
        {
            assert_eq!(same_key(configured, arn), same, "{configured}");
        }
    }

    #[test]
    fn tags_are_encoded() {
        assert_eq!(encoded("a b+c=ü/~"), "a%20b%2Bc%3D%C3%BC%2F~");
    }
}
