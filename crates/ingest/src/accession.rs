//! Taking in one recording: look into it, store it, read it back, keep what the source says of it, write the manifest. Every
//! step that is found done already is compared and gone on from.

use crate::{
    IngestError,
    bytes::{collect, measure, stream_of, stream_of_bytes},
    examine::{Examined, judge},
    item::ItemDoc,
    quarantine::{KeptCase, Reason, aside},
    run::{Pass, Task, Ticket, boundary},
};
use bytes::Bytes;
use holdfast_audio::probe;
use holdfast_connectors::{ConnectorError, Draft, Fetched, Payload, SourceItem, TEXT_METHOD, extract_text};
use holdfast_index::{IndexRow, Work};
use holdfast_ledger::Intent;
use holdfast_model::{
    Accession, ArchiveId, CanonicalRecord, Derivative, Fixity, HOLDFAST_VERSION, MANIFEST_FORMAT, Manifest,
    MediaObject, ObjectKey, ObjectLocator, ObjectRetention, PayloadRef, RecordKeys, RetentionDecision, Sha256Digest,
    StorageTier, canonical_json,
};
use holdfast_store::{BYTE_RANGE_ALL, PutOptions, StoreError};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use std::{collections::BTreeMap, io, sync::Arc};

/// Manifests and texts are smaller than this.
const SMALL_OBJECT: usize = 16 << 20;
/// Tags that name a rule for compliance and go with the object.
const COMPLIANCE: [&str; 8] = ["pci", "hipaa", "finra", "sec", "gdpr", "sox", "mifid", "dora"];
const NOT_IN_METADATA: &AsciiSet = &CONTROLS.add(b'%');

/// An item that was worked on, and what is to be written about it.
pub(crate) struct Finished {
    pub(crate) work: Work,
    pub(crate) doc: ItemDoc,
    pub(crate) recovered: bool,
    /// An accession to be concluded: the item's own, or one that was found begun.
    pub(crate) completed: Option<Box<Completed>>,
    /// The item's own intent, where nothing came of it.
    pub(crate) refused: Option<(Intent, String)>,
    pub(crate) end: End,
}

/// How it ended.
pub(crate) enum End {
    Archived,
    Already,
    Aside(Box<(Reason, KeptCase)>),
    Failed(Arc<IngestError>),
}

/// A recording that is stored, read back and described.
pub(crate) struct Completed {
    pub(crate) intent: Option<Intent>,
    pub(crate) manifest: Manifest,
    pub(crate) manifest_key: ObjectKey,
    pub(crate) manifest_sha256: Sha256Digest,
    pub(crate) text: Option<String>,
}

/// What an attempt led to.
enum Outcome {
    Archived(Box<Completed>),
    /// Found begun under another intent, with the same bytes.
    Adopted(Box<Completed>),
    Already,
    Aside(Reason, Option<Box<Completed>>),
}

/// A stored original.
struct Stored {
    locator: ObjectLocator,
    fixity: Fixity,
    storage_class: String,
    tier: StorageTier,
}

impl Pass {
    pub(crate) async fn work(&self, ticket: Ticket) -> Finished {
        let Ticket { item, work, doc, recovered, task } = ticket;
        let intent = match &task {
            Task::Archive(intent) => Some((**intent).clone()),
            _ => None,
        };
        let outcome = if self.stopping() {
            Err(IngestError::Cancelled)
        } else {
            match task {
                Task::Aside(reason) => Ok(Outcome::Aside(*reason, None)),
                Task::Compare(row) => self.compare(&item, &row).await,
                Task::Archive(intent) => self.archive(&item, &doc, *intent).await,
            }
        };
        let mut finished = Finished { work, doc, recovered, completed: None, refused: None, end: End::Already };
        match outcome {
            Ok(Outcome::Archived(completed)) => {
                (finished.completed, finished.end) = (Some(completed), End::Archived);
            }
            Ok(Outcome::Adopted(completed)) => {
                finished.completed = Some(completed);
                finished.refused = intent.map(|i| (i, "ingest.already_archived".into()));
            }
            Ok(Outcome::Already) => finished.refused = intent.map(|i| (i, "ingest.already_archived".into())),
            Ok(Outcome::Aside(reason, completed)) => {
                finished.completed = completed;
                match self.keep(&item, &reason).await {
                    Ok(kept) => {
                        finished.refused = intent.map(|i| (i, reason.reason.clone()));
                        finished.end = End::Aside(Box::new((reason, kept)));
                    }
                    Err(e) => finished.end = End::Failed(Arc::new(e)),
                }
            }
            Err(e) => finished.end = End::Failed(Arc::new(e)),
        }
        finished
    }

    /// The index has it: the same bytes and the same metadata, or a conflict.
    async fn compare(&self, item: &SourceItem, row: &IndexRow) -> Result<Outcome, IngestError> {
        let Some(media) = item.media() else { return Ok(Outcome::Aside(no_media(), None)) };
        let fetched = match self.fetch(media).await? {
            Ok(fetched) => fetched,
            Err(reason) => return Ok(Outcome::Aside(reason, None)),
        };
        let found = self.measure_source(&fetched).await?;
        if found != row.fixity {
            return Ok(Outcome::Aside(conflict(&row.fixity, &found), None));
        }
        let (manifest, _) = self.manifest_at(&row.manifest_key).await?;
        let payload = item.payload.as_ref().map(|p| Sha256Digest::of(&p.bytes));
        let record =
            item.draft.as_ref().ok().map(|d| CanonicalRecord { media: manifest.record.media, ..d.record.clone() });
        if payload == Some(manifest.payload.fixity.digest) || record.as_ref() == Some(&manifest.record) {
            return Ok(Outcome::Already);
        }
        let sentence = "the same recording is archived with the same bytes but other metadata";
        let digest = payload.map(|d| d.to_hex()).unwrap_or_default();
        let reason =
            Reason::new(aside::METADATA_CONFLICT, sentence).values(manifest.payload.fixity.digest.to_hex(), digest);
        Ok(Outcome::Aside(reason, None))
    }

    async fn archive(&self, item: &SourceItem, doc: &ItemDoc, intent: Intent) -> Result<Outcome, IngestError> {
        let (Ok(draft), Some(media), Some(payload)) = (&item.draft, item.media(), &item.payload) else {
            return Ok(Outcome::Aside(no_media(), None));
        };
        if let Some(reason) = self.refuse_region(&draft.record) {
            return Ok(Outcome::Aside(reason, None));
        }
        let fetched = match self.fetch(media).await? {
            Ok(fetched) => fetched,
            Err(reason) => return Ok(Outcome::Aside(reason, None)),
        };
        let (examined, text) = match self.examine(item, draft, doc, &fetched).await? {
            Ok(found) => found,
            Err(reason) => return Ok(Outcome::Aside(reason, None)),
        };
        boundary("ingest.probed")?;
        let record = CanonicalRecord { media: examined.media, ..draft.record.clone() };
        let Some(retention) = self.parts.policy.decide(&record) else {
            let sentence = "no rule of the retention policy applies, so it would be stored unprotected";
            return Ok(Outcome::Aside(Reason::new(aside::NO_RETENTION_RULE, sentence), None));
        };
        let extension = extension(&item.name, &examined.probe.container);
        let keys = match RecordKeys::of(&record, &extension, payload.extension) {
            Ok(keys) => keys,
            Err(e) => return Ok(Outcome::Aside(Reason::new(aside::NAME_TOO_LONG, e.to_string()), None)),
        };
        let go_round = doc.accepted.as_ref().is_some_and(|a| a.reason == aside::CONFLICT);
        let plan = Plan { item, payload, record, examined, text, retention, keys, go_round };
        self.store(plan, fetched, intent).await
    }

    async fn store(&self, mut plan: Plan<'_>, fetched: Arc<Fetched>, intent: Intent) -> Result<Outcome, IngestError> {
        let mut stored = self.store_media(&plan, &fetched).await?;
        if let Err((stands, found)) = stored {
            match self.conflict_in_store(&plan, &stands, &found).await? {
                Outcome::Aside(_, None) if plan.go_round => plan.go_round(&stands, &found)?,
                conflict => return Ok(conflict),
            }
            stored = self.store_media(&plan, &fetched).await?;
        }
        let stored = match stored {
            Ok(stored) => stored,
            Err((stands, found)) => return Ok(Outcome::Aside(conflict(&stands, &found), None)),
        };
        let text = plan.text.clone();
        let payload = self.store_payload(&plan);
        let derivative = self.store_text(&plan, text.clone());
        let (payload, derivative) = tokio::try_join!(payload, derivative)?;
        let Some(payload) = payload else {
            return Ok(Outcome::Aside(
                Reason::new(aside::METADATA_CONFLICT, "other metadata of the same recording are stored already"),
                None,
            ));
        };
        let manifest = self.manifest(&plan, &stored, payload, derivative, intent.sequence());
        let completed = self.store_manifest(&plan, manifest, text).await?;
        if completed.manifest.object.fixity != stored.fixity {
            let reason = conflict(&completed.manifest.object.fixity, &stored.fixity);
            return Ok(Outcome::Aside(reason, Some(Box::new(completed))));
        }
        boundary("ingest.manifest")?;
        if completed.manifest.accession.ledger_intent == intent.sequence() {
            Ok(Outcome::Archived(Box::new(Completed { intent: Some(intent), ..completed })))
        } else {
            Ok(Outcome::Adopted(Box::new(completed)))
        }
    }

    /// The place is taken by other bytes. Where those were already described, their accession is concluded: it was broken off just
    /// before its end.
    async fn conflict_in_store(
        &self,
        plan: &Plan<'_>,
        stands: &Fixity,
        found: &Fixity,
    ) -> Result<Outcome, IngestError> {
        let reason = conflict(stands, found);
        let completed = match self.manifest_at(&plan.keys.manifest).await {
            Ok((manifest, digest)) if manifest.object.fixity == *stands => {
                let text = self.text_of(&manifest).await?;
                let manifest_key = plan.keys.manifest.clone();
                Some(Box::new(Completed { intent: None, manifest, manifest_key, manifest_sha256: digest, text }))
            }
            Ok(_) | Err(IngestError::Store(StoreError::NotFound(_))) => None,
            Err(e) => return Err(e),
        };
        Ok(Outcome::Aside(reason, completed))
    }

    /// The file, or why it cannot be had.
    async fn fetch(&self, file: &holdfast_connectors::SourceFile) -> Result<Result<Arc<Fetched>, Reason>, IngestError> {
        match self.connector.fetch(file).await {
            Ok(fetched) => Ok(Ok(Arc::new(fetched))),
            Err(ConnectorError::File { source }) if source.kind() == io::ErrorKind::PermissionDenied => {
                Ok(Err(Reason::new(aside::UNREADABLE, "the file may not be read by this account")))
            }
            Err(e @ ConnectorError::Outside) => {
                Ok(Err(Reason::new(holdfast_connectors::reason::SYMLINK_OUTSIDE, e.to_string())))
            }
            Err(e) => Err(e.into()),
        }
    }

    fn refuse_region(&self, record: &CanonicalRecord) -> Option<Reason> {
        let (allowed, region) = (self.parts.settings.regions.as_ref()?, record.residency_region.as_ref()?);
        let sentence =
            "this recording may not leave its region, and this archive is not in it; nothing of it was stored";
        (!allowed.contains(region))
            .then(|| Reason::new(aside::RESIDENCY, sentence).values(allowed.join(", "), region.clone()))
    }

    /// Looks into the bytes on a thread of its own.
    async fn examine(
        &self,
        item: &SourceItem,
        draft: &Draft,
        doc: &ItemDoc,
        fetched: &Arc<Fetched>,
    ) -> Result<Result<(Examined, Option<String>), Reason>, IngestError> {
        let (file, name, draft) = (fetched.clone(), item.name.clone(), draft.clone());
        let (accepted, threshold) = (doc.accepted.clone(), self.parts.settings.truncation_threshold_ms);
        let look = move || -> Result<_, IngestError> {
            let outcome = probe(&file.path(), draft.record.media, &name)?;
            let accepted = accepted.as_ref().map(|a| a.reason.as_str());
            let mut examined = match judge(outcome, &draft.record, draft.media_from_content, accepted, threshold) {
                Ok(examined) => examined,
                Err(reason) => return Ok(Err(*reason)),
            };
            let mut texts: Vec<String> = draft.transcript.into_iter().collect();
            if !examined.media.is_timed() {
                // Opened anew, as the position of the open file is everybody's.
                let again = std::fs::File::open(file.path()).map_err(|source| ConnectorError::File { source })?;
                let found = extract_text(&name, again).map_err(|source| ConnectorError::File { source })?;
                examined.probe.remarks.extend(found.remarks);
                texts.insert(0, found.text);
            }
            texts.retain(|t| !t.trim().is_empty());
            Ok(Ok((examined, (!texts.is_empty()).then(|| texts.join("\n")))))
        };
        let found = tokio::task::spawn_blocking(look).await.map_err(|e| IngestError::Internal(e.to_string()))?;
        found.map_err(|e| match fetched.unchanged() {
            Err(changed) => changed.into(),
            Ok(()) => e,
        })
    }

    /// What is put on the objects. A clock that has jumped ahead takes nothing away where the store takes any date.
    fn retention_of(&self, plan: &Plan<'_>) -> Option<ObjectRetention> {
        match self.parts.store.reader.capabilities().past_retention {
            true => Some(plan.retention.retention),
            false => plan.retention.to_put_at(self.parts.clock.now()),
        }
    }

    /// Stores the original and reads it back; or says what is in its place already, and what the source has.
    async fn store_media(
        &self,
        plan: &Plan<'_>,
        fetched: &Arc<Fetched>,
    ) -> Result<Result<Stored, (Fixity, Fixity)>, IngestError> {
        let mut tier = self.parts.settings.tiers.tier(plan.record.end, self.parts.clock.now());
        // Where nobody could read it back, it is not put there directly.
        if tier.needs_rehydration() && !self.parts.store.reader.capabilities().reads_back_cold_writes {
            tier = StorageTier::Hot;
        }
        let expected = match self.parts.store.reader.capabilities().digest_first {
            true => Some(self.measure_source(fetched).await?),
            false => None,
        };
        let options = PutOptions { tier, expected, ..plan.options(&plan.examined.media_type, self.retention_of(plan)) };
        let body = stream_of(fetched.clone(), self.cancel.clone(), self.counter());
        let stored = match self
            .parts
            .store
            .writer
            .create(&self.parts.store.buckets.media, &plan.keys.media, body, options)
            .await
        {
            Ok(created) => {
                Stored { locator: created.locator, fixity: created.fixity, storage_class: created.storage_class, tier }
            }
            Err(StoreError::AlreadyExists(info)) => {
                let found = self.measure_source(fetched).await?;
                let stands = match info.sha256 {
                    Some(digest) => Fixity::sha256(digest, info.size_bytes),
                    // Nobody claims a digest: what is there says so itself.
                    None => {
                        measure(self.parts.store.reader.read(&info.locator, BYTE_RANGE_ALL).await?, &self.cancel)
                            .await?
                    }
                };
                if stands != found {
                    return Ok(Err((stands, found)));
                }
                let (storage_class, tier) = (info.storage_class, info.tier);
                Stored { locator: info.locator, fixity: found, storage_class, tier }
            }
            Err(e) => return Err(self.of_source(fetched, e)),
        };
        boundary("ingest.stored")?;
        // What lies in a cold tier was read back by the store before it existed there.
        if !stored.tier.needs_rehydration() {
            self.read_back(&stored.locator, &stored.fixity).await?;
        }
        boundary("ingest.read_back")?;
        Ok(Ok(stored))
    }

    async fn measure_source(&self, fetched: &Arc<Fetched>) -> Result<Fixity, IngestError> {
        let body = stream_of(fetched.clone(), self.cancel.clone(), self.counter());
        measure(body, &self.cancel).await.map_err(|e| self.of_source(fetched, e))
    }

    /// A store's fault as what it was: the source changed, a person cancelled, or the store failed.
    pub(crate) fn of_source(&self, fetched: &Fetched, error: StoreError) -> IngestError {
        if self.cancel.is_cancelled() {
            return IngestError::Cancelled;
        }
        match (fetched.unchanged(), error) {
            (Err(changed), _) => changed.into(),
            (Ok(()), StoreError::Io { action, source }) if action == "reading the source" => {
                ConnectorError::File { source }.into()
            }
            (Ok(()), e) => e.into(),
        }
    }

    /// None where other bytes are there already.
    async fn store_payload(&self, plan: &Plan<'_>) -> Result<Option<PayloadRef>, IngestError> {
        let bytes = plan.payload.bytes.clone();
        let media_type = match plan.payload.extension {
            "xml" => "application/xml",
            "csv" => "text/csv",
            _ => "application/json",
        };
        let fixity =
            self.store_small(&plan.keys.payload, bytes, plan.options(media_type, self.retention_of(plan))).await?;
        boundary("ingest.payload")?;
        let (key, schema) = (plan.keys.payload.clone(), plan.payload.schema.clone());
        Ok(fixity.map(|fixity| PayloadRef { key, fixity, schema }))
    }

    async fn store_text(&self, plan: &Plan<'_>, text: Option<String>) -> Result<Option<Derivative>, IngestError> {
        let Some(text) = text else { return Ok(None) };
        let options = plan.options("text/plain; charset=utf-8", self.retention_of(plan));
        let fixity = self.store_small(&plan.keys.text, text.into(), options).await?;
        boundary("ingest.text")?;
        let key = plan.keys.text.clone();
        // Another text of the same recording stands: it is only for searching, so this one goes without.
        Ok(fixity.map(|fixity| Derivative { key, fixity, method: TEXT_METHOD.into() }))
    }

    /// Stores a small object and reads it back. None where other bytes are there already.
    async fn store_small(
        &self,
        key: &ObjectKey,
        bytes: Bytes,
        options: PutOptions,
    ) -> Result<Option<Fixity>, IngestError> {
        let fixity = Fixity::sha256(Sha256Digest::of(&bytes), bytes.len() as u64);
        let options = PutOptions { expected: Some(fixity.clone()), ..options };
        let at = match self
            .parts
            .store
            .writer
            .create(&self.parts.store.buckets.meta, key, stream_of_bytes(bytes), options)
            .await
        {
            Ok(created) => created.locator,
            Err(StoreError::AlreadyExists(info)) if info.sha256 == Some(fixity.digest) => info.locator,
            Err(StoreError::AlreadyExists(_)) => return Ok(None),
            Err(e) => return Err(e.into()),
        };
        self.read_back(&at, &fixity).await?;
        Ok(Some(fixity))
    }

    fn manifest(
        &self,
        plan: &Plan<'_>,
        stored: &Stored,
        payload: PayloadRef,
        text: Option<Derivative>,
        intent: u64,
    ) -> Manifest {
        Manifest {
            format: MANIFEST_FORMAT.into(),
            archive_id: plan.record.idempotency_key().archive_id(),
            record: plan.record.clone(),
            object: MediaObject {
                bucket: self.parts.store.buckets.media.clone(),
                key: plan.keys.media.clone(),
                version_id: stored.locator.version_id.clone(),
                fixity: stored.fixity.clone(),
                media_type: plan.examined.media_type.clone(),
                tier: stored.tier,
                storage_class: stored.storage_class.clone(),
                probe: plan.examined.probe.clone(),
                original_name: plan.item.name.clone(),
            },
            payload,
            text,
            retention: plan.retention.clone(),
            accession: Accession {
                run: self.run_id.clone(),
                source: plan.item.source.clone(),
                ingested_at: self.parts.clock.now(),
                ledger_intent: intent,
                archiver_version: HOLDFAST_VERSION.into(),
            },
        }
    }

    /// Writes the manifest; where one stands already, that one counts.
    async fn store_manifest(
        &self,
        plan: &Plan<'_>,
        manifest: Manifest,
        text: Option<String>,
    ) -> Result<Completed, IngestError> {
        let bytes = canonical_json(&manifest).map_err(|e| IngestError::Internal(e.to_string()))?;
        let digest = Sha256Digest::of(&bytes);
        let manifest_key = plan.keys.manifest.clone();
        match self
            .store_small(&manifest_key, bytes.into(), plan.options("application/json", self.retention_of(plan)))
            .await?
        {
            Some(_) => Ok(Completed { intent: None, manifest, manifest_key, manifest_sha256: digest, text }),
            None => {
                let (manifest, digest) = self.manifest_at(&manifest_key).await?;
                let text = self.text_of(&manifest).await?;
                Ok(Completed { intent: None, manifest, manifest_key, manifest_sha256: digest, text })
            }
        }
    }

    async fn manifest_at(&self, key: &ObjectKey) -> Result<(Manifest, Sha256Digest), IngestError> {
        let bytes = self.read_meta(key).await?;
        let manifest = serde_json::from_slice(&bytes)
            .map_err(|e| IngestError::Damaged { what: format!("the manifest {key}"), detail: e.to_string() })?;
        Ok((manifest, Sha256Digest::of(&bytes)))
    }

    async fn text_of(&self, manifest: &Manifest) -> Result<Option<String>, IngestError> {
        let Some(text) = &manifest.text else { return Ok(None) };
        Ok(Some(String::from_utf8_lossy(&self.read_meta(&text.key).await?).into_owned()))
    }

    async fn read_meta(&self, key: &ObjectKey) -> Result<Vec<u8>, IngestError> {
        let reader = &self.parts.store.reader;
        let at = ObjectLocator {
            store: reader.name().to_owned(),
            bucket: self.parts.store.buckets.meta.clone(),
            key: key.clone(),
            version_id: None,
        };
        Ok(collect(reader.read(&at, BYTE_RANGE_ALL).await?, SMALL_OBJECT).await?)
    }

    /// The intent of the item's last attempt, where it stands in the ledger without an outcome.
    pub(crate) async fn open_intent(&self, item: &str, doc: &ItemDoc) -> Result<Option<Intent>, IngestError> {
        let Some(archive_id) = &doc.archive_id else { return Ok(None) };
        let token = crate::run::intent_token(item, archive_id, doc.attempt);
        let Some(entry) = self.parts.ledger.entry_with_token(&token).await? else { return Ok(None) };
        if self.outcome_of(entry.event.sequence).await?.is_some() {
            return Ok(None);
        }
        Ok(Some(Intent::of(entry)?))
    }
}

/// Everything that is known of a recording before it is stored.
struct Plan<'a> {
    item: &'a SourceItem,
    payload: &'a Payload,
    record: CanonicalRecord,
    examined: Examined,
    text: Option<String>,
    retention: RetentionDecision,
    keys: RecordKeys,
    /// A person said to store it beside bytes that lie in its place and that nothing describes.
    go_round: bool,
}

impl Plan<'_> {
    /// Another name for the original, made unique by its digest.
    fn go_round(&mut self, stands: &Fixity, found: &Fixity) -> Result<(), IngestError> {
        let key = self.keys.media.as_str();
        let (stem, extension) = key.rsplit_once('.').unwrap_or((key, "bin"));
        let key = format!("{stem}~{}.{extension}", &found.digest.to_hex()[..16]);
        self.keys.media = ObjectKey::new(key).map_err(|e| IngestError::Internal(e.to_string()))?;
        let remark =
            format!("stored beside other bytes that lie in its place ({}), by a person's decision", stands.digest);
        self.examined.probe.remarks.push(remark);
        Ok(())
    }

    /// Tags, metadata and retention: in the object's own write, so that no rule of the store ever sees it without.
    fn options(&self, media_type: &str, retention: Option<ObjectRetention>) -> PutOptions {
        let r = &self.record;
        let compliance: Vec<&str> = r
            .tags
            .iter()
            .map(String::as_str)
            .filter(|t| COMPLIANCE.contains(&t.to_ascii_lowercase().as_str()))
            .collect();
        let archive_id: ArchiveId = r.idempotency_key().archive_id();
        let facts = [
            ("archive-id", Some(archive_id.to_string())),
            ("retention-class", Some(self.retention.class.clone())),
            ("compliance-level", (!compliance.is_empty()).then(|| compliance.join("+"))),
            ("residency", r.residency_region.clone()),
            ("classification", r.classification.clone()),
        ];
        let metadata: BTreeMap<String, String> =
            facts.into_iter().filter_map(|(k, v)| Some((k.to_owned(), ascii(&v?)))).collect();
        let mut tags = metadata.clone();
        tags.remove("archive-id");
        PutOptions {
            media_type: media_type.to_owned(),
            metadata,
            tags,
            tier: StorageTier::Hot,
            retention,
            legal_hold: false,
            expected: None,
        }
    }
}

/// Metadata of objects is ASCII; everything else is percent-encoded. At most 256 characters, the limit of a tag.
fn ascii(text: &str) -> String {
    let mut out = utf8_percent_encode(text, NOT_IN_METADATA).to_string();
    out.truncate(256);
    out
}

/// The ending of the stored file: the source's own where it is plain, else that of the container.
fn extension(name: &str, container: &str) -> String {
    let plain = |e: &str| (1..=8).contains(&e.len()) && e.bytes().all(|b| b.is_ascii_alphanumeric());
    let own = name.rsplit_once('.').map(|(_, e)| e.to_ascii_lowercase()).filter(|e| plain(e));
    own.unwrap_or_else(|| if plain(container) { container.to_owned() } else { "bin".to_owned() })
}

fn conflict(expected: &Fixity, found: &Fixity) -> Reason {
    let show = |f: &Fixity| format!("{} ({} bytes)", f.digest, f.size_bytes);
    Reason::new(
        aside::CONFLICT,
        "other bytes lie in this recording's place in the archive already; nothing was replaced",
    )
    .values(show(expected), show(found))
}

fn no_media() -> Reason {
    Reason::new(holdfast_connectors::reason::ORPHAN_METADATA, "there is no media file for this metadata")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endings_and_metadata_are_safe() {
        assert_eq!(extension("a.WAV", "wav"), "wav");
        assert_eq!(extension("a", "ogg"), "ogg");
        assert_eq!(extension("a.%2E%2E", "x/y"), "bin");
        assert_eq!(ascii("Z\u{fc}rich 100%\n"), "Z%C3%BCrich 100%25%0A");
        assert!(ascii(&"x".repeat(1000)).len() == 256);
    }
}
