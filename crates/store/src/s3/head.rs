//! Facts of one object: HeadObject, and GetObjectTagging for the tags, which HEAD does not carry.

use super::{
    S3Store, class,
    fault::{self, Doing},
    send::WRITE_ID,
};
use crate::{Link, ObjectInfo, StoreError};
use aws_sdk_s3::{
    error::SdkError,
    operation::head_object::{HeadObjectError, HeadObjectOutput},
    presigning::PresigningConfig,
    primitives::DateTime,
    types::{ObjectLockLegalHoldStatus, ObjectLockMode},
};
use holdfast_model::{Availability, ImmutabilityMode, ObjectLocator, ObjectRetention, Sha256Digest};
use jiff::{Timestamp, fmt::rfc2822};
use std::{collections::BTreeMap, time::Duration};

/// Metadata under which an older archiver kept the digest.
const OLDER_DIGEST: &str = "sha256-hash";

/// What HEAD says, without tags.
pub(super) struct Head {
    pub(super) info: ObjectInfo,
    /// Identifies the call that created it, where one of ours did.
    pub(super) write_id: Option<String>,
    /// Whether it says itself that it has no tags.
    pub(super) untagged: bool,
}

impl S3Store {
    pub(super) fn doing<'a>(&'a self, what: &'static str, right: &'static str, at: &'a ObjectLocator) -> Doing<'a> {
        Doing { what, right, at, kms_key: self.config.kms_key.as_deref() }
    }

    /// All facts.
    pub(super) async fn info(&self, at: &ObjectLocator) -> Result<ObjectInfo, StoreError> {
        let Head { mut info, untagged, .. } = self.look(at).await?;
        if untagged {
            return Ok(info);
        }
        let tags = self
            .client
            .get_object_tagging()
            .bucket(&at.bucket)
            .key(at.key.as_str())
            .set_version_id(info.locator.version_id.clone())
            .send()
            .await
            .map_err(|e| fault::of(&self.doing("reading the tags of", "s3:GetObjectVersionTagging", at), &e))?;
        info.tags = tags.tag_set().iter().map(|t| (t.key().to_owned(), t.value().to_owned())).collect();
        Ok(info)
    }

    /// One HEAD. Where a delete marker hides the newest version, that version is what is meant: a marker deletes nothing.
    pub(super) async fn look(&self, at: &ObjectLocator) -> Result<Head, StoreError> {
        let first = self.head_request(at).await;
        let hidden = matches!(&first, Err(e) if at.version_id.is_none() && is_hidden(e));
        if !hidden {
            return match first {
                Ok(out) => self.facts(at, &out),
                Err(e) => Err(self.explain(at, &e).await),
            };
        }
        let Some(version_id) = self.newest_version(at).await? else { return Err(StoreError::NotFound(at.clone())) };
        let at = ObjectLocator { version_id: Some(version_id), ..at.clone() };
        match self.head_request(&at).await {
            Ok(out) => self.facts(&at, &out),
            Err(e) => Err(self.explain(&at, &e).await),
        }
    }

    async fn head_request(
        &self,
        at: &ObjectLocator,
    ) -> Result<HeadObjectOutput, SdkError<HeadObjectError, aws_sdk_s3::config::http::HttpResponse>> {
        let request = self.client.head_object().bucket(&at.bucket).key(at.key.as_str());
        request.set_version_id(at.version_id.clone()).send().await
    }

    /// The fault behind a failed HEAD. Its answer has no body, so that "expired", "wrong clock" and "denied" look alike: a GET
    /// of the first byte is asked for the code.
    async fn explain(
        &self,
        at: &ObjectLocator,
        error: &SdkError<HeadObjectError, aws_sdk_s3::config::http::HttpResponse>,
    ) -> StoreError {
        let doing = self.doing("looking at", "s3:GetObjectVersion", at);
        let unclear = error.raw_response().is_some_and(|r| matches!(r.status().as_u16(), 400 | 403));
        if !unclear || fault::code(error).is_some_and(|c| c != "NotFound" && c != "Forbidden") {
            return fault::of(&doing, error);
        }
        let get = self.client.get_object().bucket(&at.bucket).key(at.key.as_str()).range("bytes=0-0");
        match get.set_version_id(at.version_id.clone()).send().await {
            Err(told) if fault::code(&told).is_some() => match fault::of(&doing, &told) {
                // So the credentials are good, and it is HEAD that was refused.
                StoreError::Offline(_) => fault::of(&doing, error),
                told => told,
            },
            _ => fault::of(&doing, error),
        }
    }

    fn facts(&self, at: &ObjectLocator, out: &HeadObjectOutput) -> Result<Head, StoreError> {
        let odd = |detail: &str| StoreError::odd_answer(at, detail);
        let version_id = out.version_id().map(str::to_owned);
        if at.version_id.is_some() && version_id.is_some() && at.version_id != version_id {
            return Err(odd("the provider answered for another version than asked for"));
        }
        let mut metadata: BTreeMap<String, String> =
            out.metadata().map(|m| m.iter().map(|(k, v)| (k.clone(), v.clone())).collect()).unwrap_or_default();
        let write_id = metadata.remove(WRITE_ID);
        let digest = metadata.get("sha256").or_else(|| metadata.get(OLDER_DIGEST));
        let storage_class = class::name(out.storage_class().map(|c| c.as_str()), out.archive_status());
        let size_bytes = out.content_length().and_then(|n| u64::try_from(n).ok());
        let info = ObjectInfo {
            locator: self.at(&at.bucket, at.key.clone(), version_id.or_else(|| at.version_id.clone())),
            size_bytes: size_bytes.ok_or_else(|| odd("the provider does not say its length"))?,
            sha256: digest.and_then(|d| d.trim().parse::<Sha256Digest>().ok()),
            media_type: out.content_type().unwrap_or("application/octet-stream").to_owned(),
            tags: BTreeMap::new(),
            tier: class::tier(&storage_class),
            availability: availability(&storage_class, out.restore().map(restore_header), self.clock.now()),
            storage_class,
            retention: retention(out.object_lock_mode(), out.object_lock_retain_until_date()),
            legal_hold: out.object_lock_legal_hold_status() == Some(&ObjectLockLegalHoldStatus::On),
            created_at: out.last_modified().and_then(whole_seconds).ok_or_else(|| odd("it has no date"))?,
            metadata,
        };
        Ok(Head { info, write_id, untagged: out.tag_count() == Some(0) })
    }

    pub(super) async fn presigned(&self, at: &ObjectLocator, valid_s: u32) -> Result<Link, StoreError> {
        let info = self.look(at).await?.info;
        let now = self.clock.now();
        let Availability::Online { until: copy_until } = info.availability else {
            return Err(StoreError::Offline(at.clone()));
        };
        let left_s = copy_until
            .map_or(u32::MAX, |u| u32::try_from((u.as_second() - now.as_second()).max(0)).unwrap_or(u32::MAX));
        let valid_s = valid_s.min(left_s);
        let invalid = |detail: String| StoreError::Invalid { what: "the time asked for".to_owned(), detail };
        let times = PresigningConfig::builder()
            .start_time(now.into())
            .expires_in(Duration::from_secs(valid_s.into()))
            .build()
            .map_err(|e| invalid(e.to_string()))?;
        let at = &info.locator;
        let get =
            self.client.get_object().bucket(&at.bucket).key(at.key.as_str()).set_version_id(at.version_id.clone());
        let signed = get
            .presigned(times)
            .await
            .map_err(|e| fault::of(&self.doing("making a link to", "s3:GetObjectVersion", at), &e))?;
        // The signature counts whole seconds.
        let until = Timestamp::from_second(now.as_second() + i64::from(valid_s)).unwrap_or(now);
        Ok(Link { url: signed.uri().to_owned(), until })
    }
}

fn is_hidden(error: &SdkError<HeadObjectError, aws_sdk_s3::config::http::HttpResponse>) -> bool {
    error.raw_response().is_some_and(|r| r.headers().get("x-amz-delete-marker") == Some("true"))
}

/// Whether it is being restored, and until when a restored copy stays.
pub(super) type Restore = (bool, Option<Timestamp>);

/// `ongoing-request="true"`, or `ongoing-request="false", expiry-date="Fri, 21 Dec 2012 00:00:00 GMT"`.
fn restore_header(header: &str) -> Restore {
    let expiry = header.split_once("expiry-date=\"").and_then(|(_, rest)| rest.split('"').next());
    let expiry = expiry.and_then(|e| rfc2822::DateTimeParser::new().parse_timestamp(e).ok());
    (header.contains("ongoing-request=\"true\""), expiry)
}

/// A copy that has lapsed counts as gone, though S3 may take a while to take it away.
pub(super) fn availability(class: &str, restore: Option<Restore>, now: Timestamp) -> Availability {
    let pending = Availability::Rehydrating { requested_at: None, expected_at: None };
    match restore {
        _ if !class::tier(class).needs_rehydration() => Availability::Online { until: None },
        Some((true, _)) => pending,
        Some((false, Some(until))) if now < until => Availability::Online { until: Some(until) },
        _ => Availability::Offline,
    }
}

pub(super) fn retention(mode: Option<&ObjectLockMode>, until: Option<&DateTime>) -> Option<ObjectRetention> {
    let mode = match mode? {
        ObjectLockMode::Compliance => ImmutabilityMode::Compliance,
        _ => ImmutabilityMode::Governance,
    };
    let until = Timestamp::from_millisecond(until?.to_millis().ok()?).ok()?;
    Some(ObjectRetention { mode, until })
}

/// HEAD counts in seconds and listings in milliseconds: both are told in seconds.
pub(super) fn whole_seconds(time: &DateTime) -> Option<Timestamp> {
    Timestamp::from_second(time.secs()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn t(s: &str) -> Timestamp {
        s.parse().unwrap()
    }

    #[test]
    fn the_restore_header_is_read_as_s3_writes_it() {
        assert_eq!(restore_header("ongoing-request=\"true\""), (true, None));
        let done = "ongoing-request=\"false\", expiry-date=\"Fri, 21 Dec 2012 00:00:00 GMT\"";
        assert_eq!(restore_header(done), (false, Some(t("2012-12-21T00:00:00Z"))));
    }

    #[test]
    fn a_copy_that_has_lapsed_is_offline() {
        let until = t("2026-11-20T00:00:00Z");
        let at = |now| availability("GLACIER", Some((false, Some(until))), t(now));
        assert_eq!(at("2026-11-19T23:59:59Z"), Availability::Online { until: Some(until) });
        assert_eq!(at("2026-11-20T00:00:00Z"), Availability::Offline);
        assert_eq!(availability("GLACIER", None, until), Availability::Offline);
        assert_eq!(availability("GLACIER_IR", None, until), Availability::Online { until: None });
        assert_eq!(availability("INTELLIGENT_TIERING/ARCHIVE_ACCESS", None, until), Availability::Offline);
    }
}
