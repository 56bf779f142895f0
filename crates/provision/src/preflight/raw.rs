//! What the seams of a store cannot even name, tried on preflight's own objects: that it is refused is the proof.

use super::{Provider, Trouble};
use aws_sdk_s3::primitives::DateTime;
use azure_storage_blob::models::BlobClientDeleteOptions;
use holdfast_model::{ImmutabilityMode, ObjectLocator, ObjectRetention};
use jiff::Timestamp;

/// How an attempt that must not succeed ended.
pub(crate) enum Attempt {
    /// Refused, in the provider's own words.
    Refused(String),
    /// It was done.
    Done,
    /// Neither: no answer.
    Unclear(Trouble),
    /// This store's interface has no such call.
    NoSuchCall,
}

/// The codes by which a provider says that something is protected, or that this identity may not.
const PROTECTED: &[&str] = &[
    "AccessDenied",
    "InvalidRequest",
    "ObjectLockConfigurationError",
    "BlobImmutableDueToLegalHold",
    "BlobImmutableDueToPolicy",
    "AuthorizationPermissionMismatch",
    "ImmutabilityPolicyDeleteOnLockedPolicy",
];

fn judge(code: Option<&str>, words: String) -> Attempt {
    match code {
        Some(code) if PROTECTED.contains(&code) => Attempt::Refused(format!("{code}: {words}")),
        _ => Attempt::Unclear(Trouble {
            says: format!("The provider gave no clear answer: {words}."),
            missing: None,
            next: None,
        }),
    }
}

/// Tries to delete exactly this version, for good.
pub(crate) async fn delete(provider: &Provider, at: &ObjectLocator) -> Attempt {
    match provider {
        Provider::Local => Attempt::NoSuchCall,
        Provider::Aws(t) => {
            let call = t.clients.s3.delete_object().bucket(&at.bucket).key(at.key.as_str());
            match call.set_version_id(at.version_id.clone()).send().await {
                Ok(_) => Attempt::Done,
                Err(e) => {
                    let words = e.as_service_error().and_then(|e| e.meta().message()).unwrap_or("no answer").to_owned();
                    judge(crate::aws::code(&e), words)
                }
            }
        }
        Provider::Azure(t) => {
            let blob = t.service.blob_client(&at.bucket, at.key.as_str());
            let options = BlobClientDeleteOptions { version_id: at.version_id.clone(), ..Default::default() };
            match blob.delete(Some(options)).await {
                Ok(_) => Attempt::Done,
                Err(e) => judge(azure_code(&e), e.to_string()),
            }
        }
    }
}

fn azure_code(e: &azure_core::Error) -> Option<&str> {
    match e.kind() {
        azure_core::error::ErrorKind::HttpResponse { error_code, .. } => error_code.as_deref(),
        _ => None,
    }
}

/// Tries to shorten retention to `until`, past the store's own check.
pub(crate) async fn shorten(
    provider: &Provider,
    at: &ObjectLocator,
    stands: ObjectRetention,
    until: Timestamp,
) -> Attempt {
    let Provider::Aws(t) = provider else { return Attempt::NoSuchCall };
    let mode = match stands.mode {
        ImmutabilityMode::Governance => aws_sdk_s3::types::ObjectLockRetentionMode::Governance,
        ImmutabilityMode::Compliance => aws_sdk_s3::types::ObjectLockRetentionMode::Compliance,
    };
    let retention = aws_sdk_s3::types::ObjectLockRetention::builder()
        .mode(mode)
        .retain_until_date(DateTime::from_secs(until.as_second()))
        .build();
    let call = t.clients.s3.put_object_retention().bucket(&at.bucket).key(at.key.as_str());
    match call.set_version_id(at.version_id.clone()).retention(retention).send().await {
        Ok(_) => Attempt::Done,
        Err(e) => {
            let words = e.as_service_error().and_then(|e| e.meta().message()).unwrap_or("no answer").to_owned();
            judge(crate::aws::code(&e), words)
        }
    }
}
