//! What Azure does and Azurite does not.

use super::{
    Desk,
    answer::{ARCHIVED, BAD_HEADER, NOT_FOUND, REHYDRATING, Refusal, empty, http_date, parse_http_date, set},
    call::{Call, place},
    listing::{self, Wish},
    sas,
    shelf::{Pending, Version, takes},
};
use axum::{
    body::Body,
    http::{Response, StatusCode},
};
use bytes::Bytes;
use jiff::Timestamp;

/// Where previous versions keep their bytes upstream.
pub(super) const ATTIC: &str = "holdfast-proxy-versions";

type Answered = Result<Response<Body>, Refusal>;

/// Retention and hold as a write or a call gives them.
fn policy(call: &Call, now: Timestamp) -> Result<Option<(String, Timestamp)>, Refusal> {
    let Some(until) = call.header("x-ms-immutability-policy-until-date") else { return Ok(None) };
    let until = parse_http_date(until).filter(|until| *until > now).ok_or(BAD_HEADER)?;
    let mode = call.header("x-ms-immutability-policy-mode").unwrap_or("Unlocked");
    match mode.to_ascii_lowercase().as_str() {
        "locked" => Ok(Some(("Locked".to_owned(), until))),
        "unlocked" => Ok(Some(("Unlocked".to_owned(), until))),
        _ => Err(BAD_HEADER),
    }
}

fn tier(call: &Call) -> Result<String, Refusal> {
    match call.header("x-ms-access-tier").unwrap_or("Hot") {
        tier @ ("Hot" | "Cool" | "Cold" | "Archive") => Ok(tier.to_owned()),
        _ => Err(BAD_HEADER),
    }
}

fn high(call: &Call) -> bool {
    call.header("x-ms-rehydrate-priority").is_some_and(|p| p.eq_ignore_ascii_case("high"))
}

impl Desk {
    pub(super) async fn rule(&self, call: &Call, body: Bytes) -> Answered {
        match call.op {
            "PutBlob" | "PutBlockList" | "CopyBlob" => self.create(call, body).await,
            "GetBlob" | "GetBlobProperties" => self.read(call).await,
            "SetBlobTier" => self.set_tier(call).await,
            "SetImmutabilityPolicy" | "DeleteImmutabilityPolicy" => self.set_policy(call).await,
            "SetLegalHold" => {
                let on = call.header("x-ms-legal-hold") == Some("true");
                self.version(call, |v, _| {
                    v.hold = on;
                    Ok(())
                })
                .await?;
                let mut answer = empty(200);
                set(&mut answer, "x-ms-legal-hold", if on { "true" } else { "false" });
                Ok(answer)
            }
            "SetBlobMetadata" | "SetBlobProperties" => {
                self.version(call, |v, now| v.protected(now).map_or(Ok(()), |code| Err(Refusal(409, code)))).await?;
                Ok(self.forward(call, body).await)
            }
            "DeleteBlob" => self.delete(call).await,
            "GetBlobTags" | "SetBlobTags" => {
                let target = self.target(call).await?;
                Ok(self.forward_to(call, &target.0, &target.1, body).await)
            }
            "ListBlobs" => Ok(self.list(call).await),
            "GetUserDelegationKey" => {
                let text = String::from_utf8_lossy(&body).into_owned();
                let get =
                    |tag: &str| listing::between(&text, &format!("<{tag}>"), &format!("</{tag}>")).map(str::to_owned);
                let key = sas::delegation_key(&get("Start").unwrap_or_default(), &get("Expiry").ok_or(BAD_HEADER)?);
                let mut answer = Response::new(Body::from(key));
                set(&mut answer, "content-type", "application/xml");
                Ok(answer)
            }
            "DeleteContainer" => {
                if self.state().shelf.protects(&call.container, self.clock.now()) {
                    return Err(Refusal(409, "ContainerImmutable"));
                }
                let answer = self.forward(call, body).await;
                self.state().shelf.forget_container(&call.container);
                Ok(answer)
            }
            _ => Ok(self.forward(call, body).await),
        }
    }

    /// Does something with the version that the call names. One that nobody has seen yet is looked up first.
    async fn version<T>(
        &self,
        call: &Call,
        work: impl FnOnce(&mut Version, Timestamp) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        self.target(call).await?;
        let now = self.clock.now();
        let mut state = self.state();
        let version = state.shelf.find(&call.container, &call.blob, call.version.as_deref(), &*self.clock);
        work(version.ok_or(NOT_FOUND)?, now)
    }

    /// Container and name upstream of the version that the call names.
    async fn target(&self, call: &Call) -> Result<(String, String), Refusal> {
        let known = {
            let mut state = self.state();
            let found = state.shelf.find(&call.container, &call.blob, call.version.as_deref(), &*self.clock);
            found.map(|v| (v.id.clone(), v.current))
        };
        match known {
            Some((_, true)) => Ok((call.container.clone(), call.blob.clone())),
            Some((id, false)) => Ok((ATTIC.to_owned(), format!("{}/{}@{id}", call.container, call.blob))),
            None if call.version.is_some() => Err(NOT_FOUND),
            None => {
                if !self.head(&call.container, &call.blob).await.is_success() {
                    return Err(NOT_FOUND);
                }
                self.state().shelf.current(&call.container, &call.blob, &*self.clock);
                Ok((call.container.clone(), call.blob.clone()))
            }
        }
    }

    /// Adds what the shelf knows to an answer about a version.
    fn describe(&self, answer: &mut Response<Body>, v: &Version) {
        set(answer, "x-ms-access-tier", &v.tier);
        set(answer, "x-ms-access-tier-change-time", &http_date(v.changed_at));
        if self.state().versioning {
            set(answer, "x-ms-version-id", &v.id);
            if v.current {
                set(answer, "x-ms-is-current-version", "true");
            }
        }
        if let Some(p) = &v.pending {
            set(answer, "x-ms-archive-status", &format!("rehydrate-pending-to-{}", p.to.to_lowercase()));
            set(answer, "x-ms-rehydrate-priority", if p.high { "High" } else { "Standard" });
            if p.copy {
                set(answer, "x-ms-copy-status", "pending");
            }
        }
        if let Some((mode, until)) = &v.policy {
            set(answer, "x-ms-immutability-policy-mode", &mode.to_lowercase());
            set(answer, "x-ms-immutability-policy-until-date", &http_date(*until));
        }
        if v.hold {
            set(answer, "x-ms-legal-hold", "true");
        }
        if let Some(scope) = &v.scope {
            set(answer, "x-ms-encryption-scope", scope);
        }
    }

    async fn read(&self, call: &Call) -> Answered {
        let target = self.target(call).await?;
        let seen = self.version(call, |v, _| Ok(v.clone())).await?;
        if call.op == "GetBlob" && (seen.archived() || seen.pending.is_some()) {
            return Err(ARCHIVED);
        }
        let pretended = self.state().pretended.contains(&call.container);
        let mut answer = match pretended {
            true => empty(200),
            false => self.forward_to(call, &target.0, &target.1, Bytes::new()).await,
        };
        if pretended {
            set(&mut answer, "content-length", &seen.size.to_string());
        }
        if answer.status().is_success() {
            answer.headers_mut().remove("x-ms-access-tier-inferred");
            self.describe(&mut answer, &seen);
        }
        Ok(answer)
    }

    async fn create(&self, call: &Call, body: Bytes) -> Answered {
        let (policy, tier) = (policy(call, self.clock.now())?, tier(call)?);
        let source = if call.op == "CopyBlob" { Some(self.source(call).await?) } else { None };
        // One at a time, so that what is looked at here is what is written over.
        let _turn = self.turn.lock().await;
        let here = Call { version: None, ..call.clone() };
        let there = match self.target(&here).await {
            Ok(_) => Some(self.version(&here, |v, _| Ok(v.clone())).await?),
            Err(_) => None,
        };
        if call.header("if-none-match") == Some("*") && there.is_some() {
            return Err(Refusal(409, "BlobAlreadyExists"));
        }
        if let Some(v) = &there {
            // With versions, what is written over stays as a previous version, under its own policy and hold.
            if let Some(code) = v.protected(self.clock.now()).filter(|_| !self.state().versioning) {
                return Err(Refusal(409, code));
            }
            if let Some(p) = &v.pending {
                return Err(if p.copy { Refusal(409, "PendingCopyOperation") } else { REHYDRATING });
            }
            self.retire(&here, v).await;
        }
        let archived_source = source.as_ref().is_some_and(|s| s.2.archived());
        if archived_source && (call.header("x-ms-access-tier").is_none() || tier == "Archive") {
            return Err(ARCHIVED);
        }
        let mut answer = match &source {
            Some((container, blob, _)) => self.copy(call, container, blob).await,
            None => self.forward(call, body).await,
        };
        if !answer.status().is_success() {
            return Ok(answer);
        }
        let seen = {
            let mut state = self.state();
            let now = self.clock.now();
            let v = state.shelf.add(&call.container, &call.blob, &tier, &*self.clock);
            v.policy = policy;
            v.hold = call.header("x-ms-legal-hold") == Some("true");
            v.scope = call.header("x-ms-encryption-scope").map(str::to_owned);
            if archived_source {
                let ready_at = now + takes(high(call));
                v.pending = Some(Pending { to: tier, high: high(call), ready_at, copy: true });
                v.tier = "Archive".to_owned();
            }
            v.clone()
        };
        if self.state().versioning {
            set(&mut answer, "x-ms-version-id", &seen.id);
        }
        if let Some(scope) = self.state().forced_scope.clone().or(seen.scope) {
            set(&mut answer, "x-ms-encryption-scope", &scope);
        }
        if archived_source {
            *answer.status_mut() = StatusCode::ACCEPTED;
            set(&mut answer, "x-ms-copy-status", "pending");
        }
        Ok(answer)
    }

    /// Where a copy comes from: container and name upstream, and what the shelf knows of it.
    async fn source(&self, call: &Call) -> Result<(String, String, Version), Refusal> {
        let url = reqwest::Url::parse(call.header("x-ms-copy-source").unwrap_or("")).map_err(|_| BAD_HEADER)?;
        let (container, blob) = place(url.path());
        let version = url.query_pairs().find(|(n, _)| n == "versionid").map(|(_, v)| v.into_owned());
        let source = Call { container, blob, version, ..call.clone() };
        let (container, blob) = self.target(&source).await.map_err(|_| Refusal(404, "CannotVerifyCopySource"))?;
        let seen = self.version(&source, |v, _| Ok(v.clone())).await?;
        Ok((container, blob, seen))
    }

    /// Keeps the bytes of a version that is no longer current.
    async fn retire(&self, call: &Call, v: &Version) {
        if !self.state().versioning {
            self.state().shelf.forget(&call.container, &call.blob, &v.id);
            return;
        }
        self.make_container(ATTIC).await;
        let kept = Call {
            container: ATTIC.to_owned(),
            blob: format!("{}/{}@{}", call.container, call.blob, v.id),
            ..call.clone()
        };
        let size = self.size(&call.container, &call.blob).await;
        let plain = Call { headers: axum::http::HeaderMap::new(), ..kept };
        let copied = self.copy(&plain, &call.container, &call.blob).await;
        assert!(copied.status().is_success(), "a version could not be kept: {}", copied.status());
        let mut state = self.state();
        if let Some(v) = state.shelf.find(&call.container, &call.blob, Some(&v.id), &*self.clock) {
            (v.current, v.size) = (false, size);
        }
    }

    async fn delete(&self, call: &Call) -> Answered {
        let _turn = self.turn.lock().await;
        let target = self.target(call).await?;
        // Deleting without a version makes the current one a previous one, protected or not.
        let retires = call.version.is_none() && self.state().versioning;
        let may = |v: &mut Version, now| match v.protected(now) {
            Some(code) if !retires => Err(Refusal(409, code)),
            _ => Ok(v.clone()),
        };
        let seen = self.version(call, may).await?;
        if call.version.is_none() {
            self.retire(call, &seen).await;
        }
        let answer = self.forward_to(call, &target.0, &target.1, Bytes::new()).await;
        if answer.status().is_success() && call.version.is_some() {
            self.state().shelf.forget(&call.container, &call.blob, &seen.id);
        }
        Ok(answer)
    }

    async fn set_tier(&self, call: &Call) -> Answered {
        let (to, high) = (tier(call)?, high(call));
        let status = self
            .version(call, |v, now| {
                if let Some(p) = &mut v.pending {
                    // The only change that is taken meanwhile: Standard to High, to the same tier.
                    if p.to == to && high && !p.high {
                        (p.high, p.ready_at) = (true, p.ready_at.min(now + takes(true)));
                        return Ok(202);
                    }
                    return Err(REHYDRATING);
                }
                if v.archived() && to != "Archive" {
                    v.pending = Some(Pending { to, high, ready_at: now + takes(high), copy: false });
                    return Ok(202);
                }
                (v.tier, v.changed_at) = (to, now);
                Ok(200)
            })
            .await?;
        Ok(empty(status))
    }

    async fn set_policy(&self, call: &Call) -> Answered {
        let new = policy(call, self.clock.now())?;
        if call.op == "SetImmutabilityPolicy" && new.is_none() {
            return Err(BAD_HEADER);
        }
        let set_now = self
            .version(call, |v, _| {
                if let Some(("Locked", until)) = v.policy.as_ref().map(|(m, u)| (m.as_str(), *u)) {
                    let longer = new.as_ref().is_some_and(|(mode, to)| mode == "Locked" && *to >= until);
                    if !longer {
                        return Err(Refusal(409, "BlobImmutableDueToPolicy"));
                    }
                }
                v.policy.clone_from(&new);
                Ok(v.policy.clone())
            })
            .await?;
        let mut answer = empty(200);
        if let Some((mode, until)) = set_now {
            set(&mut answer, "x-ms-immutability-policy-mode", &mode.to_lowercase());
            set(&mut answer, "x-ms-immutability-policy-until-date", &http_date(until));
        }
        Ok(answer)
    }

    /// Of blobs that only the shelf knows.
    fn list_pretended(&self, call: &Call) -> Response<Body> {
        let most = call.get("maxresults").and_then(|n| n.parse().ok()).unwrap_or(5_000);
        let from = call.get("marker").or(call.get("startFrom")).unwrap_or("");
        let prefix = call.get("prefix").unwrap_or("");
        let page = self.state().shelf.page(&call.container, prefix, from, most + 1, &*self.clock);
        Response::new(Body::from(listing::pretended(&page, most)))
    }

    async fn list(&self, call: &Call) -> Response<Body> {
        if self.state().pretended.contains(&call.container) {
            return self.list_pretended(call);
        }
        let include = call.get("include").unwrap_or("").to_owned();
        let mut plain = call.clone();
        plain.query.retain(|(n, _)| n != "include");
        let kept: Vec<_> = include.split(',').filter(|i| matches!(*i, "metadata" | "tags" | "copy")).collect();
        if !kept.is_empty() {
            plain.query.push(("include".to_owned(), kept.join(",")));
        }
        let answer = self.forward(&plain, Bytes::new()).await;
        if !answer.status().is_success() {
            return answer;
        }
        let (mut parts, body) = answer.into_parts();
        let bytes = axum::body::to_bytes(body, usize::MAX).await.expect("a listing");
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let mut state = self.state();
        let wish = Wish {
            container: &call.container,
            prefix: call.get("prefix").unwrap_or(""),
            from: call.get("startFrom").or(call.get("marker")).unwrap_or(""),
            previous: include.contains("versions") && state.versioning,
            versioning: state.versioning,
        };
        let rewritten = listing::rewrite(&text, &wish, &mut state.shelf, &*self.clock);
        parts.headers.remove("content-length");
        Response::from_parts(parts, Body::from(rewritten))
    }
}
