//! S3 as the provider has it, where the server behind does not: archive tiers, ranges of versions, what goes with a multipart
//! upload.

use super::{
    Broken, Desk, SMALL_BYTES,
    answer::Refusal,
    call::{Call, header},
    listing::{keys_in_doubt, rewritten, text},
    rules,
    shelf::{Name, Wanted, is_archive},
};
use axum::{
    body::{Body, to_bytes},
    http::{HeaderMap, HeaderValue, Method, Response, StatusCode, request::Parts},
};
use bytes::Bytes;
use futures_util::StreamExt as _;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use std::collections::BTreeMap;

/// What is to hold for the object of a multipart upload once that is complete: the server takes only part of it from
/// `CreateMultipartUpload`.
#[derive(Debug, Clone, Default)]
pub(super) struct Upload {
    class: Option<String>,
    tagging: String,
    mode: String,
    until: String,
    hold: String,
    parts: BTreeMap<u32, u64>,
}

const IN_KEY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// The path of an object.
pub(super) fn path(bucket: &str, key: &str) -> String {
    format!("/{bucket}/{}", utf8_percent_encode(key, IN_KEY))
}

/// The version that an answer speaks of.
pub(super) fn version_of(headers: &HeaderMap) -> String {
    match header(headers, "x-amz-version-id") {
        "" => "null".to_owned(),
        id => id.to_owned(),
    }
}

fn name_of(call: &Call, version: String) -> Name {
    (call.bucket.clone(), call.key.clone(), version)
}

fn put_header(headers: &mut HeaderMap, name: &'static str, value: Option<String>) {
    headers.remove(name);
    if let Some(value) = value.and_then(|v| HeaderValue::from_str(&v).ok()) {
        headers.insert(name, value);
    }
}

impl Desk {
    pub(super) async fn s3(&self, call: &Call, parts: Parts, body: Body) -> Result<Response<Body>, Broken> {
        if let Some(refusal) = self.s3_refusal(call, &parts).await {
            // The body is read to its end, as the server would: a client that is still sending sees the answer.
            let mut rest = body.into_data_stream();
            while let Some(Ok(_)) = rest.next().await {}
            return Ok(refusal.answer(call));
        }
        match call.op.as_str() {
            "RestoreObject" => self.restore(call, &parts, body).await,
            "HeadObject" => Ok(self.with_class(call, self.forward(call, parts, body).await?)),
            "GetObject" => self.get(call, parts, body).await,
            "ListObjects" | "ListObjectsV2" | "ListObjectVersions" | "GetObjectAttributes" => {
                self.list(call, parts, body).await
            }
            "PutObject" | "CopyObject" => self.write(call, parts, body).await,
            "CreateMultipartUpload" => self.begin(call, parts, body).await,
            "UploadPart" => self.part(call, parts, body).await,
            "CompleteMultipartUpload" => self.complete(call, parts, body).await,
            "PutObjectRetention" => {
                let Ok(bytes) = to_bytes(body, SMALL_BYTES).await else { return Err(Broken) };
                match rules::retention_body(&bytes, self.clock.now()) {
                    Some(refusal) => Ok(refusal.answer(call)),
                    None => self.forward(call, parts, Body::from(bytes)).await,
                }
            }
            "PutBucketVersioning" => self.versioning(call, parts, body).await,
            "GetObjectTagging" => self.tags(call, parts, body).await,
            "DeleteObject" => {
                let answer = self.forward(call, parts, body).await?;
                if answer.status().is_success() {
                    self.state().shelf.deleted(&call.bucket, &call.key, call.param("versionId"));
                }
                Ok(answer)
            }
            _ => self.forward(call, parts, body).await,
        }
    }

    /// HEAD and GET tell the class, the archive status and the restore of the version that they speak of.
    fn with_class(&self, call: &Call, mut answer: Response<Body>) -> Response<Body> {
        let name = name_of(call, version_of(answer.headers()));
        let told = self.state().shelf.get(&name).map(|held| held.headers(self.clock.now()));
        if let Some(told) = told.filter(|_| answer.status().is_success()) {
            for (name, value) in told {
                put_header(answer.headers_mut(), name, value);
            }
        }
        answer
    }

    /// An archived version cannot be read without a live copy.
    async fn get(&self, call: &Call, parts: Parts, body: Body) -> Result<Response<Body>, Broken> {
        let range = header(&parts.headers, "range").to_owned();
        let answer = self.forward(call, parts, body).await?;
        if !answer.status().is_success() {
            return Ok(answer);
        }
        let name = name_of(call, version_of(answer.headers()));
        let now = self.clock.now();
        let asleep = self.state().shelf.get(&name).filter(|held| held.offline(now)).map(super::shelf::Held::refusal);
        if let Some(refusal) = asleep.or_else(|| self.key_refusal("kms:Decrypt", answer.headers())) {
            return Ok(refusal.answer(call));
        }
        let answer = self.with_class(call, answer);
        // The server gives a named version whole, whatever range was asked for.
        if !range.is_empty() && answer.status() == StatusCode::OK {
            Ok(rules::cut_to_range(answer, &range, call))
        } else {
            Ok(answer)
        }
    }

    async fn list(&self, call: &Call, mut parts: Parts, body: Body) -> Result<Response<Body>, Broken> {
        let wants_status = header(&parts.headers, "x-amz-optional-object-attributes").contains("RestoreStatus");
        parts.headers.remove("accept-encoding");
        let headers = parts.headers.clone();
        let answer = self.forward(call, parts, body).await?;
        if !answer.status().is_success() {
            return Ok(answer);
        }
        let (mut head, body) = answer.into_parts();
        let bytes = to_bytes(body, SMALL_BYTES).await.map_err(|_| Broken)?;
        let xml = String::from_utf8_lossy(&bytes).into_owned();
        let doubts = keys_in_doubt(&xml, call, &self.state().shelf);
        for key in doubts {
            let (_, head) = self.head_current(&call.bucket, &key, &headers).await;
            if head.status().is_success() {
                let version = version_of(head.headers());
                self.state().shelf.learn_latest(&call.bucket, &key, &version);
            }
        }
        let now = self.clock.now();
        let xml = if call.op == "GetObjectAttributes" {
            let state = self.state();
            match state.shelf.get(&name_of(call, version_of(&head.headers))) {
                Some(held) => rules::replace_class(&xml, &held.class),
                None => xml,
            }
        } else {
            rewritten(&xml, call, &self.state().shelf, wants_status, now)
        };
        head.headers.insert("content-length", HeaderValue::from(xml.len()));
        Ok(Response::from_parts(head, Body::from(xml)))
    }

    /// Takes the class of an archive tier to itself: the server would keep a clock of its own for it.
    fn take_class(headers: &mut HeaderMap) -> Option<String> {
        let class = header(headers, "x-amz-storage-class").to_owned();
        if !is_archive(&class) {
            return None;
        }
        headers.insert("x-amz-storage-class", HeaderValue::from_static("STANDARD"));
        Some(class)
    }

    async fn write(&self, call: &Call, mut parts: Parts, body: Body) -> Result<Response<Body>, Broken> {
        let class = Self::take_class(&mut parts.headers);
        let answer = self.forward(call, parts, body).await?;
        if answer.status().is_success() {
            let name = name_of(call, version_of(answer.headers()));
            self.state().shelf.written(name, class);
        }
        Ok(answer)
    }

    async fn begin(&self, call: &Call, mut parts: Parts, body: Body) -> Result<Response<Body>, Broken> {
        let take = |name| header(&parts.headers, name).to_owned();
        let mut upload = Upload {
            class: None,
            tagging: take("x-amz-tagging"),
            mode: take("x-amz-object-lock-mode"),
            until: take("x-amz-object-lock-retain-until-date"),
            hold: take("x-amz-object-lock-legal-hold"),
            parts: BTreeMap::new(),
        };
        upload.class = Self::take_class(&mut parts.headers);
        let answer = self.forward(call, parts, body).await?;
        if !answer.status().is_success() {
            return Ok(answer);
        }
        let (head, body) = answer.into_parts();
        let bytes = to_bytes(body, SMALL_BYTES).await.map_err(|_| Broken)?;
        if let Some(id) = text(&String::from_utf8_lossy(&bytes), "UploadId") {
            self.state().uploads.insert(id, upload);
        }
        Ok(Response::from_parts(head, Body::from(bytes)))
    }

    async fn part(&self, call: &Call, parts: Parts, body: Body) -> Result<Response<Body>, Broken> {
        let size = match header(&parts.headers, "x-amz-decoded-content-length") {
            "" => header(&parts.headers, "content-length").parse().unwrap_or(0),
            decoded => decoded.parse().unwrap_or(0),
        };
        let answer = self.forward(call, parts, body).await?;
        if answer.status().is_success()
            && let Some(number) = call.param("partNumber").and_then(|n| n.parse().ok())
            && let Some(upload) = self.state().uploads.get_mut(call.param("uploadId").unwrap_or_default())
        {
            upload.parts.insert(number, size);
        }
        Ok(answer)
    }

    /// The server forgets tags, retention and hold of a multipart upload; the provider has them on the object from its first
    /// moment, so they are set before anyone hears that it exists.
    async fn complete(&self, call: &Call, parts: Parts, body: Body) -> Result<Response<Body>, Broken> {
        let id = call.param("uploadId").unwrap_or_default().to_owned();
        let Ok(bytes) = to_bytes(body, SMALL_BYTES).await else { return Err(Broken) };
        let upload = self.state().uploads.get(&id).cloned();
        if let Some(refusal) = upload.as_ref().and_then(|u| rules::small_part(&bytes, &u.parts)) {
            return Ok(refusal.answer(call));
        }
        let headers = parts.headers.clone();
        let answer = self.forward(call, parts, Body::from(bytes)).await?;
        let (Some(upload), true) = (upload, answer.status().is_success()) else { return Ok(answer) };
        // Asked for again, the server gives the first answer again: everything here can be done twice.
        let version = version_of(answer.headers());
        let at = |sub: &str| match version.as_str() {
            "null" => format!("{}?{sub}", path(&call.bucket, &call.key)),
            id => format!("{}?{sub}&versionId={id}", path(&call.bucket, &call.key)),
        };
        let mut more = Vec::new();
        if !upload.tagging.is_empty() {
            more.push((at("tagging"), rules::tagging_xml(&upload.tagging)));
        }
        if !upload.mode.is_empty() {
            more.push((at("retention"), rules::retention_xml(&upload.mode, &upload.until)));
        } else if let Some((mode, until)) = self.default_retention(&call.bucket, &headers).await {
            more.push((at("retention"), rules::retention_xml(&mode, &until)));
        }
        if upload.hold == "ON" {
            more.push((at("legal-hold"), "<LegalHold><Status>ON</Status></LegalHold>".to_owned()));
        }
        for (path, xml) in more {
            let done = self.ask(Method::PUT, &path, &headers, Body::from(xml)).await?;
            assert!(done.status().is_success(), "the server refused {path}: {}", done.status());
        }
        self.state().shelf.written(name_of(call, version), upload.class);
        Ok(answer)
    }

    async fn default_retention(&self, bucket: &str, headers: &HeaderMap) -> Option<(String, String)> {
        let answer = self.ask(Method::GET, &format!("/{bucket}?object-lock"), headers, Body::empty()).await.ok()?;
        let bytes = to_bytes(answer.into_body(), SMALL_BYTES).await.ok()?;
        rules::default_retention(&String::from_utf8_lossy(&bytes), self.clock.now())
    }

    async fn restore(&self, call: &Call, parts: &Parts, body: Body) -> Result<Response<Body>, Broken> {
        let bytes = to_bytes(body, SMALL_BYTES).await.map_err(|_| Broken)?;
        let xml = String::from_utf8_lossy(&bytes);
        let wanted = Wanted { days: text(&xml, "Days").and_then(|d| d.trim().parse().ok()), speed: text(&xml, "Tier") };
        let version = call.param("versionId").filter(|v| !v.is_empty());
        let query = version.map(|v| format!("?versionId={v}")).unwrap_or_default();
        let at = path(&call.bucket, &call.key) + &query;
        let head = self.ask(Method::HEAD, &at, &parts.headers, Body::empty()).await?;
        if !head.status().is_success() {
            let code = if version.is_some() { "NoSuchVersion" } else { "NoSuchKey" };
            return Ok(Refusal::new(404, code, "The specified key does not exist.").answer(call));
        }
        let class = match header(head.headers(), "x-amz-storage-class") {
            "" => "STANDARD",
            class => class,
        };
        let name = name_of(call, version.map_or_else(|| version_of(head.headers()), str::to_owned));
        let now = self.clock.now();
        Ok(match self.state().shelf.restore(name, class, &wanted, now) {
            Ok(status) => Response::builder().status(status).body(Body::empty()).map_err(|_| Broken)?,
            Err(refusal) => refusal.answer(call),
        })
    }

    /// The server has no tags of a version under a delete marker; the provider has. Those of tests have none.
    async fn tags(&self, call: &Call, parts: Parts, body: Body) -> Result<Response<Body>, Broken> {
        let headers = parts.headers.clone();
        let answer = self.forward(call, parts, body).await?;
        let version = call.param("versionId").filter(|_| answer.status() == StatusCode::NOT_FOUND);
        let Some(version) = version else { return Ok(answer) };
        let at = format!("{}?versionId={version}", path(&call.bucket, &call.key));
        if !self.ask(Method::HEAD, &at, &headers, Body::empty()).await?.status().is_success() {
            return Ok(answer);
        }
        let none = rules::tagging_xml("");
        Response::builder().header("content-type", "application/xml").body(none.into()).map_err(|_| Broken)
    }

    /// Versioning of a bucket with Object Lock cannot be suspended.
    async fn versioning(&self, call: &Call, parts: Parts, body: Body) -> Result<Response<Body>, Broken> {
        let bytes: Bytes = to_bytes(body, SMALL_BYTES).await.map_err(|_| Broken)?;
        if text(&String::from_utf8_lossy(&bytes), "Status").as_deref() == Some("Suspended") {
            let path = format!("/{}?object-lock", call.bucket);
            if self.ask(Method::GET, &path, &parts.headers, Body::empty()).await?.status().is_success() {
                let message = "An Object Lock configuration is present on this bucket, so the versioning state cannot be changed.";
                return Ok(Refusal::new(409, "InvalidBucketState", message).answer(call));
            }
        }
        self.forward(call, parts, Body::from(bytes)).await
    }
}
