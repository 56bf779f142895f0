use crate::{ApiError, Caller, Holdfast, config::ReasonPolicy, dto::*, words};
use holdfast_index::{IndexRow, Page, Query};
use holdfast_ledger::{Action, EventDraft, EventOutcome, LedgerEntry, Phase};
use holdfast_model::{ArchiveId, Manifest, MatterId, ObjectLocator, StorageTier};
use holdfast_store::BYTE_RANGE_ALL;
use holdfast_verify::{Finding, FindingCode, Trust, TrustedKey, VerificationReport};
use serde::de::DeserializeOwned;

/// How much of a transcript is shown.
const TEXT_SHOWN_BYTES: usize = 64 * 1024;

impl Holdfast {
    /// Searches the index.
    ///
    /// # Errors
    /// `api.bad_*` for a field that cannot be read, `index.*`.
    pub async fn search(&self, _caller: &Caller, request: SearchRequest) -> Result<SearchPage, ApiError> {
        let want_facets = request.facets;
        let (query, page) = self.find(request).await?;
        let facets = match want_facets {
            true => Some(facet_counts(self.index.facets(&query).await?)),
            false => None,
        };
        let (now, mask) = (self.clock.now(), self.loaded.config.policy.mask_customers);
        Ok(SearchPage {
            total: page.total,
            total_is_exact: page.total_is_exact,
            results: page.rows.iter().map(|r| words::result_row(r, now, mask)).collect(),
            next_cursor: page.next.map(|c| c.to_string()),
            facets,
        })
    }

    async fn find(&self, request: SearchRequest) -> Result<(Query, Page), ApiError> {
        let any_id = request.interaction.clone();
        let matter = request.matter.as_deref().map(id::<MatterId>).transpose()?;
        let mut query = query(request)?;
        if let Some(matter) = matter {
            query.ids = self.desk.matter(&matter).await?.items.into_iter().map(|i| i.archive_id).collect();
            if query.ids.is_empty() {
                return Ok((query, Page { rows: Vec::new(), total: 0, total_is_exact: true, next: None }));
            }
        }
        let page = self.index.search(&query).await?;
        if let (0, Some(any_id)) = (page.total, any_id) {
            // People paste whatever id they were given: the vendor's, or another system's.
            let other = Query { interaction: None, external_id: Some(any_id), ..query };
            let page = self.index.search(&other).await?;
            return Ok((other, page));
        }
        Ok((query, page))
    }

    /// All there is to know of one recording. Where a transcript is shown, that stands in the ledger.
    ///
    /// # Errors
    /// `api.not_found` and what index, store and ledger say.
    pub async fn recording(&self, caller: &Caller, request: RecordingRequest) -> Result<RecordingDetail, ApiError> {
        let row = self.row(&request.id).await?;
        let row = self.refreshed(row).await?;
        let entries = self.ledger.entries_of(&row.archive_id).await?;
        let matters = self.desk.matters_of(&row.archive_id).await?;
        let desk_copy = self.desk.desk_copy(&row.archive_id).await;
        let text = self.transcript(caller, &row).await?;
        let mask = self.loaded.config.policy.mask_customers;
        let verification = last_verification(&entries, &row);
        Ok(RecordingDetail {
            participants: words::participants(&row.record, mask),
            facts: words::facts(&row),
            original_name: self.manifest(&row).await?.object.original_name,
            media_type: row.media_type.clone(),
            channels: row.probe.channels.unwrap_or(0),
            sha256: row.fixity.digest.to_hex(),
            retention: RetentionView {
                class: row.retention.class.clone(),
                rule: row.retention.rule.clone(),
                legal_basis: row.retention.legal_basis.clone(),
                mode: words::word(&row.retention.retention.mode),
                until: row.retention.retention.until.to_string(),
            },
            holds: row.holds.iter().map(ToString::to_string).collect(),
            play_needs_reason: self.needs_reason(&row, !matters.is_empty()),
            not_playable: self.not_playable(&row, verification.as_ref()),
            matters: self.named(&matters).await?,
            custody: entries.iter().map(words::custody).collect(),
            verification,
            // A copy that was changed has been put aside; the timeline says so.
            desk_copy: desk_copy.ok().flatten().map(|c| c.path.display().to_string()),
            remarks: row.probe.remarks.clone(),
            text,
            row: words::result_row(&row, self.clock.now(), mask),
        })
    }

    /// Verifies an archived recording, a file against the archive, or a package. A package by the key of this installation's
    /// own ledger, or by the one that is given, can be verified; one by another key can only agree with itself.
    ///
    /// # Errors
    /// `api.bad_key`; `api.not_found` where the target is none of these; what went wrong while reading. A failed verification is no error.
    pub async fn verify(&self, caller: &Caller, request: VerifyRequest) -> Result<VerificationView, ApiError> {
        let path = std::path::PathBuf::from(&request.target);
        let trust = trust(request.key.as_deref(), self.ledger.public_key())?;
        let task = format!("verify:{}", request.target);
        let (sink, cancel) = self.task(&task);
        let report = if let Ok(id) = request.target.parse::<ArchiveId>()
            && self.index.get(&id).await?.is_some()
        {
            self.desk.verify_archived(&id, caller.agent(), sink.as_ref(), &cancel).await?
        } else if path.is_dir() {
            let target = path.clone();
            let packaged = tokio::task::spawn_blocking(move || {
                holdfast_verify::package::verify_package(&target, trust, &cancel, sink.as_ref())
            });
            packaged.await.map_err(|e| ApiError::internal(&e))??
        } else if path.is_file() {
            let of_file = self.desk.verify_file(&path, caller.agent()).await?;
            of_file.report.unwrap_or_else(|| {
                let (expected, found) = ("the bytes of an archived recording", of_file.fixity.digest);
                let unknown = Finding::new(FindingCode::BytesUnknown, path.display(), expected, found);
                VerificationReport::new(vec![unknown], Vec::new())
            })
        } else {
            return Err(not_found("recording, file or package", &request.target));
        };
        self.remember_checkpoint().await;
        Ok(words::verification(&report, request.target, self.clock.now()))
    }

    /// The index row of an id as people typed it.
    pub(crate) async fn row(&self, text: &str) -> Result<IndexRow, ApiError> {
        self.index.get(&id::<ArchiveId>(text)?).await?.ok_or_else(|| not_found("recording", text))
    }

    /// The row with the store's own word on availability, which the index only remembers.
    async fn refreshed(&self, mut row: IndexRow) -> Result<IndexRow, ApiError> {
        if let Some(rehydrator) = &self.store.rehydrator
            && let Some(Some(now)) = rehydrator.status(std::slice::from_ref(&row.locator)).await?.pop()
            && now != row.state()
        {
            self.index.set_state(&row.archive_id, &now).await?;
            row.set_state(now);
        }
        Ok(row)
    }

    async fn named(&self, matters: &[MatterId]) -> Result<Vec<MatterRef>, ApiError> {
        let mut out = Vec::with_capacity(matters.len());
        for id in matters {
            out.push(MatterRef { matter_id: id.to_string(), name: self.desk.matter(id).await?.name });
        }
        Ok(out)
    }

    async fn small_object(&self, key: &holdfast_model::ObjectKey) -> Result<Vec<u8>, ApiError> {
        let at = ObjectLocator {
            store: self.store.reader.name().to_owned(),
            bucket: self.store.buckets.meta.clone(),
            key: key.clone(),
            version_id: None,
        };
        let mut stream = self.store.reader.read(&at, BYTE_RANGE_ALL).await?;
        let mut bytes = Vec::new();
        while let Some(piece) = futures_util::StreamExt::next(&mut stream).await {
            bytes.extend_from_slice(&piece?);
            if bytes.len() > 16 << 20 {
                break; // manifests and texts are bounded when written
            }
        }
        Ok(bytes)
    }

    pub(crate) async fn manifest(&self, row: &IndexRow) -> Result<Manifest, ApiError> {
        let bytes = self.small_object(&row.manifest_key).await?;
        serde_json::from_slice(&bytes).map_err(|e| {
            ApiError::new(
                crate::ApiErrorKind::Evidence,
                "api.manifest_damaged",
                format!("the manifest of {} cannot be read: {e}", row.archive_id),
                "Run `holdfast verify` on the recording and keep the archive as it is.",
            )
            .with_evidence(
                "The manifest is not what was archived. Treat the recording as unproven until this is explained.",
            )
        })
    }

    async fn transcript(&self, caller: &Caller, row: &IndexRow) -> Result<Option<String>, ApiError> {
        let Some(text) = self.manifest(row).await?.text else { return Ok(None) };
        let shown = EventDraft::new(Action::Display, Phase::Fact, caller.agent().clone())
            .about(&row.archive_id)
            .outcome(EventOutcome::Succeeded)
            .detail("via", caller.via())
            .once(format!("display:{}:{}:{}", row.archive_id, caller.agent().person, self.started));
        self.ledger.append(vec![shown]).await?;
        let bytes = self.small_object(&text.key).await?;
        let cut = bytes.len().min(TEXT_SHOWN_BYTES);
        Ok(Some(String::from_utf8_lossy(&bytes[..cut]).into_owned()))
    }

    pub(crate) fn needs_reason(&self, row: &IndexRow, in_matter: bool) -> bool {
        match self.loaded.config.policy.play_reason {
            ReasonPolicy::Always => true,
            ReasonPolicy::Matters => in_matter || !row.holds.is_empty(),
            ReasonPolicy::Never => false,
        }
    }

    fn not_playable(&self, row: &IndexRow, last: Option<&VerificationView>) -> Option<String> {
        if last.is_some_and(|v| v.outcome == "failed") {
            return Some("Its last verification failed, so it is not played as evidence.".into());
        }
        if !row.availability.is_online_at(self.clock.now()) {
            return Some("It lies in the cold tier. Add it to a matter and bring it back.".into());
        }
        (!row.probe.decodable && row.record.media.is_timed() && !self.ffmpeg).then(|| {
            let codec = row.probe.codec.as_deref().unwrap_or("its format");
            format!("Playing {codec} needs the program ffmpeg, which is not on this machine.")
        })
    }
}

/// The last verification that the ledger knows of, in short: the entry carries outcome and codes.
fn last_verification(entries: &[LedgerEntry], row: &IndexRow) -> Option<VerificationView> {
    // Facts tell of a desk's copy that was changed after it was verified.
    let is_one = |e: &&LedgerEntry| {
        e.event.action == Action::Verification
            && e.event.phase != Phase::Intent
            && e.event.details.contains_key("outcome")
    };
    let event = &entries.iter().rev().find(is_one)?.event;
    let findings: Vec<FindingView> = event
        .code
        .as_deref()
        .and_then(holdfast_verify::FindingCode::from_code)
        .map(|code| FindingView {
            code: code.as_str().into(),
            severity: words::word(&code.severity()),
            subject: row.archive_id.to_string(),
            expected: String::new(),
            found: String::new(),
            meaning: code.meaning().into(),
        })
        .into_iter()
        .collect();
    let outcome = event.details.get("outcome").map_or("failed", String::as_str);
    Some(VerificationView {
        outcome: outcome.into(),
        findings,
        checks: Vec::new(),
        at: event.time.to_string(),
        subject: row.archive_id.to_string(),
    })
}

pub(crate) fn not_found(what: &str, text: &str) -> ApiError {
    let shown: String = text.chars().take(80).collect();
    ApiError::usage(
        "api.not_found",
        format!("there is no {what} `{shown}`"),
        "Check the spelling; `holdfast search` and `holdfast matter list` show what there is.",
    )
}

/// Reads an id as people typed it.
pub(crate) fn id<T: std::str::FromStr<Err = holdfast_model::InvalidId>>(text: &str) -> Result<T, ApiError> {
    text.parse().map_err(|e: holdfast_model::InvalidId| {
        ApiError::usage("api.bad_id", e.to_string(), "Copy the id from `holdfast search` or `holdfast matter list`.")
    })
}

/// A word of a closed list.
fn choice<T: DeserializeOwned>(field: &str, text: Option<String>, list: &str) -> Result<Option<T>, ApiError> {
    let Some(text) = text else { return Ok(None) };
    serde_json::from_value(serde_json::Value::String(text.trim().to_lowercase())).map(Some).map_err(|_| {
        let shown: String = text.chars().take(40).collect();
        ApiError::usage("api.bad_choice", format!("`{shown}` is no {field}"), format!("Choose one of {list}."))
    })
}

fn query(r: SearchRequest) -> Result<Query, ApiError> {
    let mut from = r.from.as_deref().map(|t| words::time(t, "from", false)).transpose()?;
    let mut to = r.to.as_deref().map(|t| words::time(t, "to", true)).transpose()?;
    if let Some(year) = r.year {
        let begin = words::time(&format!("{year:04}-01-01"), "year", false)?;
        let end = words::time(&format!("{year:04}-12-31"), "year", true)?;
        from = Some(from.map_or(begin, |f| f.max(begin)));
        to = Some(to.map_or(end, |t| t.min(end)));
    }
    let limit = r.limit.unwrap_or(50);
    if !(1..=1000).contains(&limit) {
        return Err(ApiError::usage(
            "api.bad_limit",
            format!("{limit} results a page are not offered"),
            "Choose 1 to 1000.",
        ));
    }
    let text = |v: Option<String>| v.filter(|s| !s.trim().is_empty());
    Ok(Query {
        text: text(r.text),
        from,
        to,
        agent: text(r.agent),
        queue: text(r.queue),
        participant: text(r.participant),
        tag: text(r.tag),
        interaction: text(r.interaction),
        vendor: text(r.vendor),
        media: choice("kind of recording", text(r.media), "voice, screen, chat, email, message")?,
        tier: choice::<StorageTier>("tier", text(r.tier), "hot, cool, cold, deep_cold")?,
        direction: choice("direction", text(r.direction), "inbound, outbound, internal")?,
        limit: limit as usize,
        cursor: text(r.cursor).map(holdfast_index::Cursor::new),
        ..Query::default()
    })
}

fn facet_counts(f: holdfast_index::Facets) -> FacetCounts {
    let list = |v: Vec<(String, u64)>| v.into_iter().map(|(value, count)| FacetValue { value, count }).collect();
    FacetCounts {
        vendor: list(f.vendor),
        media: list(f.media),
        queue: list(f.queue),
        agent: list(f.agent),
        tag: list(f.tag),
        tier: list(f.tier),
        direction: list(f.direction),
        year: list(f.year),
        complete: f.complete,
    }
}

/// The key that a package must be signed with: as given, else the own ledger's.
fn trust(given: Option<&str>, own: [u8; 32]) -> Result<Trust, ApiError> {
    let Some(text) = given.map(str::trim).filter(|t| !t.is_empty()) else { return Ok(Trust::Own(own)) };
    let key = TrustedKey::parse(text).ok_or_else(|| {
        let shown: String = text.chars().take(100).collect();
        let next = "Give the fingerprint of the archive's key, 64 hexadecimal digits, or the public key itself.";
        ApiError::usage("api.bad_key", format!("`{shown}` is neither the fingerprint of a public key nor one"), next)
    })?;
    Ok(Trust::Given(key))
}
