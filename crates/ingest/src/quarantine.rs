//! Setting aside what does not fit, with everything that belongs to it, and deciding what becomes of it.

use crate::{
    Archiver, IngestError, QUARANTINE_BUCKET, RunSummary,
    bytes::{collect, stream_of, stream_of_bytes},
    item::{Accepted, ItemDoc, item_id, read_doc, state},
    run::{Pass, boundary},
};
use async_trait::async_trait;
use bytes::Bytes;
use holdfast_connectors::{
    ConnectorError, Discovered, Draft, Fetched, FileRole, Payload, Problem, SourceConnector, SourceFile, SourceItem,
    Survey, open_source,
};
use holdfast_index::{ListWork, UpdateOutcome, Work, WorkKind};
use holdfast_ledger::{Action, Agent, EventDraft, EventOutcome, Phase};
use holdfast_model::{
    Cancel, CanonicalRecord, Fixity, ObjectKey, ObjectLocator, ProgressSink, Sha256Digest, SourceRef, StorageTier,
};
use holdfast_store::{BYTE_RANGE_ALL, PutOptions, StoreError};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::{collections::BTreeMap, path::PathBuf, sync::Arc};
use tokio::sync::mpsc;

/// Reasons for which the archiver sets something aside, beside those of [`holdfast_connectors::reason`].
pub mod aside {
    /// Less is there than header or metadata promise.
    pub const TRUNCATED: &str = "truncation_detected";
    /// More is there than the metadata promise.
    pub const DURATION_MISMATCH: &str = "duration_mismatch";
    /// Another kind of media than the metadata say.
    pub const KIND_MISMATCH: &str = "kind_mismatch";
    /// Nothing is there.
    pub const EMPTY: &str = "empty";
    /// The structure contradicts itself.
    pub const MALFORMED_MEDIA: &str = "malformed_media";
    /// The same recording is archived with other bytes.
    pub const CONFLICT: &str = "conflict";
    /// The same recording is archived with the same bytes and other metadata.
    pub const METADATA_CONFLICT: &str = "metadata_conflict";
    /// No rule of the retention policy applies.
    pub const NO_RETENTION_RULE: &str = "no_retention_rule";
    /// The recording may not be stored in this region; nothing of it is kept here.
    pub const RESIDENCY: &str = "residency_refused";
    /// The ids are too long for an object's name.
    pub const NAME_TOO_LONG: &str = "name_too_long";
    /// The file may not be read.
    pub const UNREADABLE: &str = holdfast_connectors::reason::UNREADABLE;
    /// A mandatory field is missing.
    pub const FIELD_MISSING: &str = holdfast_connectors::reason::FIELD_MISSING;
}

/// What a person may accept: the bytes are there, and what is wrong can be written beside them.
/// A conflict is accepted only where no recording is archived yet: the place is taken by bytes that nothing describes.
const ACCEPTABLE: [&str; 6] = [
    aside::TRUNCATED,
    aside::DURATION_MISMATCH,
    aside::KIND_MISMATCH,
    aside::EMPTY,
    aside::MALFORMED_MEDIA,
    aside::CONFLICT,
];

/// First field of a case.
const CASE_FORMAT: &str = "holdfast-quarantine/1";
/// Largest case that is read back: a record and its text.
const CASE_LIMIT: usize = 16 << 20;

/// Why something is set aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reason {
    pub(crate) reason: String,
    pub(crate) sentence: String,
    pub(crate) field: Option<String>,
    pub(crate) line: Option<u64>,
    pub(crate) column: Option<u64>,
    pub(crate) expected: Option<String>,
    pub(crate) found: Option<String>,
}

impl Reason {
    pub(crate) fn new(reason: &str, sentence: impl Into<String>) -> Self {
        Self {
            reason: reason.to_owned(),
            sentence: sentence.into(),
            field: None,
            line: None,
            column: None,
            expected: None,
            found: None,
        }
    }

    pub(crate) fn values(self, expected: impl Into<String>, found: impl Into<String>) -> Self {
        Self { expected: Some(expected.into()), found: Some(found.into()), ..self }
    }
}

impl From<Problem> for Reason {
    fn from(p: Problem) -> Self {
        let Problem { reason, sentence, field, line, column } = p;
        Self { field, line, column, ..Self::new(&reason, sentence) }
    }
}

/// What is kept of something set aside, in the item's state.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Aside {
    pub(crate) reason: String,
    pub(crate) sentence: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) field: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) line: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) column: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) expected: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) found: Option<String>,
    pub(crate) since: Timestamp,
    /// The case file; none where nothing may be kept here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) case: Option<ObjectKey>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) resolution: Option<Resolution>,
}

/// What a person decided.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Resolution {
    pub(crate) decision: Decision,
    pub(crate) reason: String,
    pub(crate) person: String,
    pub(crate) at: Timestamp,
}

/// What is to become of an item in quarantine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// The source was mended: look at it again.
    Retry,
    /// Archive it as it is, marked.
    Accept,
    /// There is nothing to archive.
    Explain,
}

/// An item that was set aside, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuarantineCase {
    /// Names it in further calls.
    pub id: String,
    /// Where from.
    pub source: SourceRef,
    /// File name.
    pub name: String,
    /// Stable reason.
    pub reason: String,
    /// A sentence.
    pub sentence: String,
    /// The canonical field concerned.
    pub field: Option<String>,
    /// Line and column in the metadata.
    pub place: Option<(u64, u64)>,
    /// What should be.
    pub expected: Option<String>,
    /// What is.
    pub found: Option<String>,
    /// Since when.
    pub since: Timestamp,
    /// Where its bytes and metadata are kept: the case file's locator.
    pub kept_at: Option<String>,
    /// The item's state now: `quarantined`, `dead_lettered`, or what became of it.
    pub state: String,
    /// What was decided, by whom and why.
    pub resolution: Option<String>,
}

/// A file that was kept.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Kept {
    role: String,
    name: String,
    key: ObjectKey,
    fixity: Fixity,
}

/// The case file: what was known when the item was set aside. The same facts give the same bytes.
#[derive(Debug, Serialize, Deserialize)]
struct Case {
    format: String,
    source: SourceRef,
    name: String,
    reason: String,
    sentence: String,
    field: Option<String>,
    line: Option<u64>,
    column: Option<u64>,
    expected: Option<String>,
    found: Option<String>,
    record: Option<CanonicalRecord>,
    media_from_content: bool,
    transcript: Option<String>,
    payload_schema: Option<String>,
    payload_extension: Option<String>,
    kept: Vec<Kept>,
}

/// What was kept.
pub(crate) struct KeptCase {
    pub(crate) case: Option<ObjectKey>,
    pub(crate) media: Option<Fixity>,
}

impl Pass {
    /// Puts everything that belongs to an item into the quarantine bucket. Safe to repeat: names follow from content.
    pub(crate) async fn keep(&self, item: &SourceItem, reason: &Reason) -> Result<KeptCase, IngestError> {
        if reason.reason == aside::RESIDENCY {
            return Ok(KeptCase { case: None, media: None });
        }
        let id = item_id(&item.source);
        let mut kept = Vec::new();
        for file in &item.files {
            let fetched = match self.connector.fetch(file).await {
                Ok(fetched) => Arc::new(fetched),
                // What cannot be read cannot be kept; the case says that it is not there.
                Err(ConnectorError::File { .. } | ConnectorError::Outside) => continue,
                Err(e) => return Err(e.into()),
            };
            let role = if file.role == FileRole::Media { "media" } else { "metadata" };
            let name = file.item.rsplit('/').next().unwrap_or_default();
            kept.push(self.keep_file(&id, role, name, fetched).await?);
        }
        if let (Some(payload), false) = (&item.payload, item.files.iter().any(|f| f.role == FileRole::Metadata)) {
            let name = format!("payload.{}", payload.extension);
            kept.push(self.keep_bytes(&id, "payload", &name, payload.bytes.clone()).await?);
        }
        let media = kept.iter().find(|k| k.role == "media").map(|k| k.fixity.clone());
        let draft = item.draft.as_ref().ok();
        let case = Case {
            format: CASE_FORMAT.into(),
            source: item.source.clone(),
            name: item.name.clone(),
            reason: reason.reason.clone(),
            sentence: reason.sentence.clone(),
            field: reason.field.clone(),
            line: reason.line,
            column: reason.column,
            expected: reason.expected.clone(),
            found: reason.found.clone(),
            record: draft.map(|d| d.record.clone()),
            media_from_content: draft.is_some_and(|d| d.media_from_content),
            transcript: draft.and_then(|d| d.transcript.clone()),
            payload_schema: item.payload.as_ref().map(|p| p.schema.clone()),
            payload_extension: item.payload.as_ref().map(|p| p.extension.to_owned()),
            kept,
        };
        let bytes = serde_json::to_vec_pretty(&case).map_err(|e| IngestError::Internal(e.to_string()))?;
        let case = self.keep_bytes(&id, "case", "case.json", bytes.into()).await?;
        boundary("ingest.kept")?;
        Ok(KeptCase { case: Some(case.key), media })
    }

    async fn keep_file(&self, id: &str, role: &str, name: &str, file: Arc<Fetched>) -> Result<Kept, IngestError> {
        let cancel = self.cancel.clone();
        let quiet = || stream_of(file.clone(), cancel.clone(), |_| {});
        let fixity = crate::bytes::measure(quiet(), &self.cancel).await.map_err(|e| self.of_source(&file, e))?;
        let key = kept_key(id, role, name, &fixity)?;
        self.create_kept(&key, quiet(), fixity.clone()).await.map_err(|e| match e {
            IngestError::Store(e) => self.of_source(&file, e),
            other => other,
        })?;
        Ok(Kept { role: role.into(), name: name.into(), key, fixity })
    }

    async fn keep_bytes(&self, id: &str, role: &str, name: &str, bytes: Bytes) -> Result<Kept, IngestError> {
        let fixity = Fixity::sha256(Sha256Digest::of(&bytes), bytes.len() as u64);
        let key = kept_key(id, role, name, &fixity)?;
        self.create_kept(&key, stream_of_bytes(bytes), fixity.clone()).await?;
        Ok(Kept { role: role.into(), name: name.into(), key, fixity })
    }

    async fn create_kept(
        &self,
        key: &ObjectKey,
        body: holdfast_store::ByteStream,
        fixity: Fixity,
    ) -> Result<(), IngestError> {
        let options = PutOptions {
            media_type: "application/octet-stream".into(),
            metadata: BTreeMap::new(),
            tags: BTreeMap::from([("holdfast".to_owned(), "quarantine".to_owned())]),
            tier: StorageTier::Hot,
            retention: None,
            legal_hold: false,
            expected: Some(fixity.clone()),
        };
        let at = match self.parts.store.writer.create(QUARANTINE_BUCKET, key, body, options).await {
            Ok(created) => created.locator,
            // Named by its content: it was kept before.
            Err(StoreError::AlreadyExists(info)) => info.locator,
            Err(e) => return Err(e.into()),
        };
        self.read_back(&at, &fixity).await
    }
}

fn kept_key(id: &str, role: &str, name: &str, fixity: &Fixity) -> Result<ObjectKey, IngestError> {
    let extension = name
        .rsplit_once('.')
        .map(|(_, e)| e.to_ascii_lowercase())
        .filter(|e| (1..=8).contains(&e.len()) && e.bytes().all(|b| b.is_ascii_alphanumeric()));
    let extension = extension.unwrap_or_else(|| "bin".into());
    let text = format!("items/{id}/{role}-{}.{extension}", &fixity.digest.to_hex()[..32]);
    ObjectKey::new(text).map_err(|e| IngestError::Internal(e.to_string()))
}

impl Archiver {
    /// How many items wait for a decision.
    ///
    /// # Errors
    /// What the work store says.
    pub async fn quarantined(&self) -> Result<u64, IngestError> {
        let counts = self.parts.work.counts(WorkKind::IngestItem, None).await?;
        Ok([state::QUARANTINED, state::DEAD_LETTERED].iter().filter_map(|s| counts.get(*s)).sum())
    }

    /// Items that wait for a decision, newest first, at most `limit`.
    ///
    /// # Errors
    /// What the work store says.
    pub async fn quarantine_list(&self, limit: usize) -> Result<Vec<QuarantineCase>, IngestError> {
        let (mut out, mut after) = (Vec::new(), None::<String>);
        loop {
            let query = ListWork {
                kind: WorkKind::IngestItem,
                parent: None,
                states: &[state::QUARANTINED, state::DEAD_LETTERED],
                after: after.as_deref(),
                limit: 500,
            };
            let page = self.parts.work.list(query).await?;
            after = page.last().map(|w| w.id.clone());
            let full = page.len() == 500;
            for work in page {
                out.push(self.case_of(&work)?);
            }
            out.sort_by(|a, b| b.since.cmp(&a.since).then_with(|| a.id.cmp(&b.id)));
            out.truncate(limit);
            if !full {
                return Ok(out);
            }
        }
    }

    /// One item that is or was set aside.
    ///
    /// # Errors
    /// [`IngestError::NoSuchItem`].
    pub async fn quarantine_show(&self, id: &str) -> Result<QuarantineCase, IngestError> {
        self.case_of(&self.set_aside(id).await?)
    }

    async fn set_aside(&self, id: &str) -> Result<Work, IngestError> {
        let work = self.parts.work.get(WorkKind::IngestItem, id).await?;
        let was_aside = |w: &Work| w.doc.get("aside").is_some() || w.doc.get("failure").is_some();
        work.filter(was_aside).ok_or_else(|| IngestError::NoSuchItem(id.to_owned()))
    }

    fn case_of(&self, work: &Work) -> Result<QuarantineCase, IngestError> {
        let doc: ItemDoc = read_doc("the state of an item", &work.doc)?;
        let failure = doc.failure.as_ref();
        let aside = doc.aside.unwrap_or_else(|| Aside {
            reason: failure.map(|f| f.code.clone()).unwrap_or_default(),
            sentence: failure.map(|f| format!("{} {}", f.sentence, f.next)).unwrap_or_default(),
            field: None,
            line: None,
            column: None,
            expected: None,
            found: None,
            since: work.updated_at,
            case: None,
            resolution: None,
        });
        let store = self.parts.store.reader.name();
        Ok(QuarantineCase {
            id: work.id.clone(),
            source: doc.source,
            name: doc.name,
            reason: aside.reason,
            sentence: aside.sentence,
            field: aside.field,
            place: aside.line.map(|l| (l, aside.column.unwrap_or(1))),
            expected: aside.expected,
            found: aside.found,
            since: aside.since,
            kept_at: aside.case.map(|key| format!("{store}:{QUARANTINE_BUCKET}/{key}")),
            state: work.state.clone(),
            resolution: aside.resolution.map(|r| {
                let decision = serde_json::to_value(r.decision).ok();
                let word = decision.as_ref().and_then(Value::as_str).unwrap_or_default().to_owned();
                format!("{word} by {} on {}: {}", r.person, r.at, r.reason)
            }),
        })
    }

    /// Decides on an item in quarantine; the decision and its reason stand in the ledger before anything is done. `retry` and
    /// `accept` take the item up at once; what came of it is in the answer's state.
    ///
    /// # Errors
    /// [`IngestError::ReasonMissing`], [`IngestError::NoSuchItem`], [`IngestError::NotQuarantined`],
    /// [`IngestError::CannotAccept`], [`IngestError::GoneFromSource`], and what the parts of the archive say.
    pub async fn quarantine_resolve(
        &self,
        id: &str,
        decision: Decision,
        reason: &str,
        agent: &Agent,
        progress: Arc<dyn ProgressSink>,
        cancel: &Cancel,
    ) -> Result<QuarantineCase, IngestError> {
        let reason = reason.trim();
        if reason.is_empty() || reason.len() > 4_000 {
            return Err(IngestError::ReasonMissing);
        }
        let work = self.set_aside(id).await?;
        if ![state::QUARANTINED, state::DEAD_LETTERED].contains(&work.state.as_str()) {
            return Err(IngestError::NotQuarantined { id: id.to_owned(), state: work.state });
        }
        let doc: ItemDoc = read_doc("the state of an item", &work.doc)?;
        let connector = match decision {
            Decision::Retry => Some(self.source_of(&work, &doc, cancel).await?),
            Decision::Accept => Some(self.kept_source(&doc).await?),
            Decision::Explain => None,
        };
        self.note_resolution(id, &doc, decision, reason, agent).await?;
        self.resolve_state(work, doc, decision, reason, agent).await?;
        if let Some(connector) = connector {
            self.ingest(connector, agent, progress, cancel).await?;
        }
        self.quarantine_show(id).await
    }

    async fn note_resolution(
        &self,
        id: &str,
        doc: &ItemDoc,
        decision: Decision,
        reason: &str,
        agent: &Agent,
    ) -> Result<(), IngestError> {
        let word = serde_json::to_value(decision).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default();
        let mut draft = EventDraft::new(Action::QuarantineResolution, Phase::Fact, agent.clone())
            .reason(reason)
            .moved(state::QUARANTINED, word.as_str())
            .outcome(EventOutcome::Succeeded)
            .detail("item", id)
            .once(format!("resolution:{id}:{}:{word}:{}", doc.attempt, Sha256Digest::of(reason.as_bytes())));
        if let Some(archive_id) = &doc.archive_id {
            draft = draft.about(archive_id);
        }
        draft.code = doc.aside.as_ref().map(|a| a.reason.clone());
        self.parts.ledger.append(vec![draft]).await?;
        boundary("ingest.resolved")
    }

    async fn resolve_state(
        &self,
        mut work: Work,
        mut doc: ItemDoc,
        decision: Decision,
        reason: &str,
        agent: &Agent,
    ) -> Result<(), IngestError> {
        let before = doc.aside.as_ref().map(|a| a.reason.clone()).unwrap_or_default();
        let resolution = Resolution {
            decision,
            reason: reason.to_owned(),
            person: agent.person.clone(),
            at: self.parts.clock.now(),
        };
        let aside = doc.aside.get_or_insert_with(|| Aside {
            reason: doc.failure.as_ref().map(|f| f.code.clone()).unwrap_or_default(),
            sentence: doc.failure.as_ref().map(|f| f.sentence.clone()).unwrap_or_default(),
            field: None,
            line: None,
            column: None,
            expected: None,
            found: None,
            since: work.updated_at,
            case: None,
            resolution: None,
        });
        aside.resolution = Some(resolution);
        doc.failures = 0;
        work.state = match decision {
            Decision::Explain => state::EXPLAINED,
            Decision::Retry | Decision::Accept => {
                doc.attempt += 1;
                state::DISCOVERED
            }
        }
        .to_owned();
        doc.accepted = (decision == Decision::Accept).then_some(Accepted { reason: before });
        work.lease = None;
        work.due_at = None;
        work.doc = doc.to_value();
        let id = work.id.clone();
        match self.parts.work.update(work).await? {
            UpdateOutcome::Updated(_) => Ok(()),
            UpdateOutcome::Conflict { current, .. } => {
                let state = current.map(|w| w.state).unwrap_or_default();
                Err(IngestError::NotQuarantined { id, state })
            }
        }
    }

    /// The item's own source, reduced to the item; an error where the source does not have it any more.
    async fn source_of(
        &self,
        work: &Work,
        doc: &ItemDoc,
        cancel: &Cancel,
    ) -> Result<Arc<dyn SourceConnector>, IngestError> {
        let run = match &work.parent {
            Some(run) => self.parts.work.get(WorkKind::IngestRun, run).await?,
            None => None,
        };
        let description = run.map(|r| r.doc["source"].clone()).unwrap_or(Value::Null);
        let inner = open_source(&description, self.parts.clock.clone())?;
        let only = OnlyItem { inner, item: doc.source.clone() };
        let (tell, mut told) = mpsc::channel(1);
        let (walked, first) = tokio::join!(only.discover(tell, cancel), async {
            let first = told.recv().await;
            told.close();
            first
        });
        walked?;
        match first {
            Some(_) => Ok(Arc::new(only)),
            None => Err(IngestError::GoneFromSource(work.id.clone())),
        }
    }

    /// What was kept of an item, as a source of that one item.
    pub(crate) async fn kept_source(&self, doc: &ItemDoc) -> Result<Arc<dyn SourceConnector>, IngestError> {
        let reason = doc.aside.as_ref().map(|a| a.reason.clone()).unwrap_or_default();
        let refused = || IngestError::CannotAccept { reason: reason.clone() };
        let key = doc.aside.as_ref().and_then(|a| a.case.clone()).ok_or_else(refused)?;
        if !ACCEPTABLE.contains(&reason.as_str()) {
            return Err(refused());
        }
        let bytes = collect(self.read_kept(&key).await?, CASE_LIMIT).await?;
        let case: Case = serde_json::from_slice(&bytes)
            .map_err(|e| IngestError::Damaged { what: "a case in quarantine".into(), detail: e.to_string() })?;
        let (Some(record), Some(media)) = (case.record, case.kept.iter().find(|k| k.role == "media").cloned()) else {
            return Err(refused());
        };
        let metadata = case.kept.iter().find(|k| k.role != "media");
        // A transcript that is its own metadata was kept once.
        let payload_key = metadata.map_or(&media.key, |m| &m.key);
        let payload = collect(self.read_kept(payload_key).await?, CASE_LIMIT).await?;
        let extension = match case.payload_extension.as_deref() {
            Some("xml") => "xml",
            Some("csv") => "csv",
            _ => "json",
        };
        let item = SourceItem {
            source: case.source,
            name: case.name,
            files: vec![SourceFile {
                role: FileRole::Media,
                item: media.key.to_string(),
                size_bytes: media.fixity.size_bytes,
                modified_ms: None,
            }],
            payload: Some(Payload {
                bytes: payload.into(),
                extension,
                schema: case.payload_schema.unwrap_or_default(),
            }),
            draft: Ok(Draft { record, media_from_content: case.media_from_content, transcript: case.transcript }),
        };
        Ok(Arc::new(KeptSource { archiver: self.clone(), item }))
    }

    async fn read_kept(&self, key: &ObjectKey) -> Result<holdfast_store::ByteStream, IngestError> {
        let reader = &self.parts.store.reader;
        let at = ObjectLocator {
            store: reader.name().to_owned(),
            bucket: QUARANTINE_BUCKET.into(),
            key: key.clone(),
            version_id: None,
        };
        Ok(reader.read(&at, BYTE_RANGE_ALL).await?)
    }
}

/// One item of another source.
struct OnlyItem {
    inner: Arc<dyn SourceConnector>,
    item: SourceRef,
}

#[async_trait]
impl SourceConnector for OnlyItem {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn describe(&self) -> Value {
        self.inner.describe()
    }

    async fn discover(&self, found: mpsc::Sender<Discovered>, cancel: &Cancel) -> Result<(), ConnectorError> {
        let (tell, mut told) = mpsc::channel(64);
        let pick = async {
            while let Some(one) = told.recv().await {
                let source = match &one {
                    Discovered::Item(item) => &item.source,
                    Discovered::NotYet { source, .. } => source,
                };
                if *source == self.item {
                    let _ = found.send(one).await; // nobody listens any more: nothing is left to do
                    break;
                }
            }
            told.close();
        };
        let (walked, ()) = tokio::join!(self.inner.discover(tell, cancel), pick);
        walked
    }

    async fn survey(&self, _: &Cancel) -> Result<Survey, ConnectorError> {
        Ok(Survey::default())
    }

    async fn fetch(&self, file: &SourceFile) -> Result<Fetched, ConnectorError> {
        self.inner.fetch(file).await
    }
}

/// An item as it was kept in quarantine.
struct KeptSource {
    archiver: Archiver,
    item: SourceItem,
}

impl KeptSource {
    /// The kept bytes in a file without a name.
    async fn stage(&self, file: &SourceFile) -> Result<Fetched, IngestError> {
        use futures_util::StreamExt as _;
        use std::io::Write as _;
        let internal = |e: std::io::Error| IngestError::Source(ConnectorError::File { source: e });
        let key = ObjectKey::new(file.item.clone()).map_err(|e| IngestError::Internal(e.to_string()))?;
        let folder: PathBuf = self.archiver.parts.settings.staging.clone();
        let mut staged = tempfile::tempfile_in(folder).map_err(internal)?;
        let mut stream = self.archiver.read_kept(&key).await?;
        while let Some(piece) = stream.next().await {
            let piece = piece?;
            staged = tokio::task::spawn_blocking(move || staged.write_all(&piece).map(|()| staged))
                .await
                .map_err(|e| IngestError::Internal(e.to_string()))?
                .map_err(internal)?;
        }
        Fetched::new(staged).map_err(internal)
    }
}

#[async_trait]
impl SourceConnector for KeptSource {
    fn name(&self) -> &str {
        &self.item.source.source
    }

    fn describe(&self) -> Value {
        json!({"kind": "quarantine", "item": item_id(&self.item.source)})
    }

    async fn discover(&self, found: mpsc::Sender<Discovered>, _: &Cancel) -> Result<(), ConnectorError> {
        let _ = found.send(Discovered::Item(Box::new(self.item.clone()))).await; // as above
        Ok(())
    }

    async fn survey(&self, _: &Cancel) -> Result<Survey, ConnectorError> {
        Ok(Survey { files: 1, bytes: self.item.files.iter().map(|f| f.size_bytes).sum() })
    }

    async fn fetch(&self, file: &SourceFile) -> Result<Fetched, ConnectorError> {
        self.stage(file).await.map_err(|e| match e {
            IngestError::Source(e) => e,
            other => ConnectorError::Internal { detail: other.to_string() },
        })
    }
}

/// Whether a run was only a person's decision taking effect.
pub(crate) fn is_resolution(summary: &RunSummary) -> bool {
    summary.kind == "quarantine"
}
