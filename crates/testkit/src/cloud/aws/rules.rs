//! Refusals of S3 that the server behind does not know, and small pieces of its XML.

use super::{
    Desk,
    answer::{Refusal, key_denied, key_disabled},
    call::{Call, decoded, header},
    listing::text,
    s3::version_of,
};
use axum::{
    body::{Body, to_bytes},
    http::{HeaderMap, HeaderValue, Method, Response, StatusCode, request::Parts},
};
use bytes::Bytes;
use futures_util::StreamExt as _;
use jiff::{Timestamp, ToSpan as _, tz::TimeZone};
use quick_xml::escape::escape;
use std::collections::BTreeMap;

/// The least size of all parts but the last.
const PART_BYTES: u64 = 5 << 20;

impl Desk {
    /// What the provider refuses before it looks at the body.
    pub(super) async fn s3_refusal(&self, call: &Call, parts: &Parts) -> Option<Refusal> {
        let headers = &parts.headers;
        match call.op.as_str() {
            "PutObject" | "CreateMultipartUpload" | "CopyObject" => {
                if let Some(refusal) = lock_headers(headers, self.clock.now()) {
                    return Some(refusal);
                }
                if let Some(refusal) = self.write_key_refusal(call, headers).await {
                    return Some(refusal);
                }
                self.source_refusal(headers).await
            }
            "UploadPartCopy" => self.source_refusal(headers).await,
            "DeleteObject" => self.lock_refusal(call, headers).await,
            _ => None,
        }
    }

    /// An archived object cannot be copied without a live copy.
    async fn source_refusal(&self, headers: &HeaderMap) -> Option<Refusal> {
        let source = headers.get("x-amz-copy-source")?.to_str().ok()?.trim_start_matches('/');
        let (source, query) = source.split_once('?').unwrap_or((source, ""));
        let source = decoded(source);
        let (bucket, key) = source.split_once('/')?;
        if !self.state().shelf.knows(bucket, key) {
            return None;
        }
        let version = match query.strip_prefix("versionId=") {
            Some(id) => id.to_owned(),
            None => version_of(self.head_current(bucket, key, headers).await.1.headers()),
        };
        let now = self.clock.now();
        let offline =
            self.state().shelf.get(&(bucket.to_owned(), key.to_owned(), version)).is_some_and(|held| held.offline(now));
        let message =
            "The source object of the COPY action is not in the active tier and is only stored in Amazon S3 Glacier.";
        offline.then(|| Refusal::new(403, "ObjectNotInActiveTierError", message))
    }

    /// A version under retention by the test's clock stays, whatever the machine's clock says.
    async fn lock_refusal(&self, call: &Call, headers: &HeaderMap) -> Option<Refusal> {
        let version = call.param("versionId")?;
        let path = format!("{}?retention&versionId={version}", super::s3::path(&call.bucket, &call.key));
        let answer = self.ask(Method::GET, &path, headers, Body::empty()).await.ok()?;
        if !answer.status().is_success() {
            return None;
        }
        let bytes = to_bytes(answer.into_body(), super::SMALL_BYTES).await.ok()?;
        let xml = String::from_utf8_lossy(&bytes);
        let until: Timestamp = text(&xml, "RetainUntilDate")?.parse().ok()?;
        let bypass = header(headers, "x-amz-bypass-governance-retention").eq_ignore_ascii_case("true");
        let open = text(&xml, "Mode").as_deref() == Some("GOVERNANCE") && bypass;
        let message = "Access Denied because object protected by object lock.";
        (until > self.clock.now() && !open).then(|| Refusal::new(403, "AccessDenied", message))
    }

    /// Refuses bytes whose key may not be used; `headers` are those of the object.
    pub(super) fn key_refusal(&self, action: &str, headers: &HeaderMap) -> Option<Refusal> {
        let key = header(headers, "x-amz-server-side-encryption-aws-kms-key-id");
        self.refusal_of_key(action, key).filter(|_| !key.is_empty())
    }

    fn refusal_of_key(&self, action: &str, key: &str) -> Option<Refusal> {
        if self.script.denies(action) {
            return Some(key_denied(action, key));
        }
        // One may name it by ARN, the other by id.
        let id = |k: &str| k.rsplit('/').next().unwrap_or_default().to_owned();
        self.state().disabled_keys.iter().any(|k| id(k) == id(key)).then(|| key_disabled(key))
    }

    /// The key of the request, or of the bucket's default.
    async fn write_key_refusal(&self, call: &Call, headers: &HeaderMap) -> Option<Refusal> {
        let action = "kms:GenerateDataKey";
        if self.state().disabled_keys.is_empty() && !self.script.denies(action) {
            return None;
        }
        let named = header(headers, "x-amz-server-side-encryption-aws-kms-key-id");
        if !named.is_empty() {
            return self.refusal_of_key(action, named);
        }
        let path = format!("/{}?encryption", call.bucket);
        let answer = self.ask(Method::GET, &path, headers, Body::empty()).await.ok()?;
        let bytes = to_bytes(answer.into_body(), super::SMALL_BYTES).await.ok()?;
        let key = text(&String::from_utf8_lossy(&bytes), "KMSMasterKeyID")?;
        self.refusal_of_key(action, &key)
    }
}

/// Mode and date go together, and the date lies ahead.
fn lock_headers(headers: &HeaderMap, now: Timestamp) -> Option<Refusal> {
    let mode = header(headers, "x-amz-object-lock-mode");
    let until = header(headers, "x-amz-object-lock-retain-until-date");
    match (mode, until) {
        ("", "") => None,
        ("", _) | (_, "") => {
            let message = "x-amz-object-lock-retain-until-date and x-amz-object-lock-mode must both be supplied";
            Some(Refusal::new(400, "InvalidArgument", message))
        }
        ("GOVERNANCE" | "COMPLIANCE", until) => ahead(until, now),
        _ => Some(Refusal::new(400, "InvalidArgument", "Unknown wormMode directive.")),
    }
}

fn ahead(until: &str, now: Timestamp) -> Option<Refusal> {
    match until.parse::<Timestamp>() {
        Ok(at) if at > now => None,
        Ok(_) => Some(Refusal::new(400, "InvalidArgument", "The retain until date must be in the future!")),
        Err(_) => {
            Some(Refusal::new(400, "InvalidArgument", "The retain until date must be provided in ISO 8601 format"))
        }
    }
}

/// The same for `PutObjectRetention`.
pub(super) fn retention_body(body: &[u8], now: Timestamp) -> Option<Refusal> {
    let xml = String::from_utf8_lossy(body);
    match (text(&xml, "Mode"), text(&xml, "RetainUntilDate")) {
        (Some(_), Some(until)) => ahead(&until, now),
        _ => Some(Refusal::new(400, "MalformedXML", "The XML you provided was not well-formed")),
    }
}

/// `EntityTooSmall` where a part other than the last is under 5 MiB.
pub(super) fn small_part(body: &[u8], sizes: &BTreeMap<u32, u64>) -> Option<Refusal> {
    let xml = String::from_utf8_lossy(body);
    let mut numbers: Vec<u32> =
        xml.split("<Part>").skip(1).filter_map(|p| text(p, "PartNumber")?.trim().parse().ok()).collect();
    numbers.sort_unstable();
    numbers.pop();
    let small = numbers.iter().find_map(|n| sizes.get(n).filter(|size| **size < PART_BYTES).map(|size| (n, size)))?;
    let refusal = Refusal::new(400, "EntityTooSmall", "Your proposed upload is smaller than the minimum allowed size");
    Some(refusal.with("ProposedSize", &small.1.to_string()).with("PartNumber", &small.0.to_string()))
}

/// The tags of a header as the body of `PutObjectTagging`.
pub(super) fn tagging_xml(header: &str) -> String {
    let tags = header.split('&').filter(|t| !t.is_empty()).map(|tag| {
        let (key, value) = tag.split_once('=').unwrap_or((tag, ""));
        let plain = |t: &str| decoded(&t.replace('+', " "));
        format!("<Tag><Key>{}</Key><Value>{}</Value></Tag>", escape(plain(key)), escape(plain(value)))
    });
    format!("<Tagging><TagSet>{}</TagSet></Tagging>", tags.collect::<String>())
}

pub(super) fn retention_xml(mode: &str, until: &str) -> String {
    format!("<Retention><Mode>{mode}</Mode><RetainUntilDate>{until}</RetainUntilDate></Retention>")
}

/// Mode and date of a bucket's default retention for an object made now.
pub(super) fn default_retention(xml: &str, now: Timestamp) -> Option<(String, String)> {
    let mode = text(xml, "Mode")?;
    let number = |name| text(xml, name).and_then(|n| n.parse::<i32>().ok());
    let span = number("Days").map(jiff::ToSpan::days).or_else(|| number("Years").map(|y| y.years()))?;
    let until = now.to_zoned(TimeZone::UTC).checked_add(span).ok()?.timestamp();
    Some((mode, until.strftime("%Y-%m-%dT%H:%M:%S.000Z").to_string()))
}

pub(super) fn replace_class(xml: &str, class: &str) -> String {
    match xml.split_once("<StorageClass>").and_then(|(a, b)| Some((a, b.split_once("</StorageClass>")?.1))) {
        Some((before, after)) => format!("{before}<StorageClass>{class}</StorageClass>{after}"),
        None => xml.to_owned(),
    }
}

/// Cuts a whole answer to the range that was asked for (RFC 9110, 14.2: one range of bytes).
pub(super) fn cut_to_range(answer: Response<Body>, range: &str, call: &Call) -> Response<Body> {
    let size: u64 = header(answer.headers(), "content-length").parse().unwrap_or(0);
    let Some((start, end)) = bounds(range, size) else {
        let refusal = Refusal::new(416, "InvalidRange", "The requested range is not satisfiable");
        return refusal.with("ActualObjectSize", &size.to_string()).answer(call);
    };
    let (mut head, body) = answer.into_parts();
    head.status = StatusCode::PARTIAL_CONTENT;
    head.headers.insert("content-length", HeaderValue::from(end - start));
    let told = format!("bytes {start}-{}/{size}", end - 1);
    head.headers.insert("content-range", HeaderValue::from_str(&told).unwrap_or(HeaderValue::from_static("bytes")));
    // A digest of the whole says nothing about a part.
    for name in ["sha256", "sha1", "crc32", "crc32c", "crc64nvme"] {
        head.headers.remove(format!("x-amz-checksum-{name}"));
    }
    let mut seen = 0u64;
    let pieces = body.into_data_stream().map(move |piece| {
        let piece: Bytes = piece?;
        let (from, to) = (seen, seen + piece.len() as u64);
        seen = to;
        let cut = |at: u64| usize::try_from(at.clamp(from, to) - from).unwrap_or(piece.len());
        Ok::<_, axum::Error>(piece.slice(cut(start)..cut(end)))
    });
    Response::from_parts(head, Body::from_stream(pieces))
}

/// Start and end (exclusive) of `bytes=a-b`, `bytes=a-` or `bytes=-n`.
fn bounds(range: &str, size: u64) -> Option<(u64, u64)> {
    let (from, to) = range.trim().strip_prefix("bytes=")?.split_once('-')?;
    let (start, end) = match (from.trim(), to.trim()) {
        ("", last) => (size.saturating_sub(last.parse().ok()?), size),
        (from, "") => (from.parse().ok()?, size),
        (from, to) => (from.parse().ok()?, to.parse::<u64>().ok()?.saturating_add(1).min(size)),
    };
    (start < end).then_some((start, end))
}
