//! The index is derived: made anew from manifests and ledger, and compared with them. Both go through the archive in pieces, in
//! constant memory.

use crate::{ArchiverParts, IngestError, bytes::collect};
use holdfast_index::{Difference, IndexRow};
use holdfast_ledger::{Action, Agent, EventDraft, EventOutcome, LedgerEntry, Phase};
use holdfast_model::{
    ArchiveId, Cancel, MANIFESTS, Manifest, MatterId, ObjectKey, ObjectLocator, Progress, ProgressSink, Sha256Digest,
};
use holdfast_store::{BYTE_RANGE_ALL, ObjectEntry, StoreError};
use std::collections::BTreeSet;

/// Manifests listed, and rows read, at once.
const PAGE: usize = 500;
/// Larger than any manifest or text.
const LIMIT: usize = 16 << 20;
/// Recordings named in a report; the counts are whole.
const NAMED: usize = 1_000;

/// What a check or a rebuild found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CatalogueReport {
    /// Manifests in the archive.
    pub manifests: u64,
    /// Rows in the index: before a check, after a rebuild.
    pub rows: u64,
    /// Recordings whose row is the same as manifest and ledger say.
    pub equal: u64,
    /// Recordings without a row.
    pub missing: u64,
    /// Recordings whose row differs.
    pub differing: u64,
    /// Rows without a manifest.
    pub surplus: u64,
    /// Manifests whose accession was announced and not concluded: taken up by the next run of the archiver, in no index.
    pub unfinished: u64,
    /// Manifests that contradict the ledger or cannot be understood.
    pub damaged: u64,
    /// What was found, at most 1,000 of them.
    pub findings: Vec<CatalogueFinding>,
}

impl CatalogueReport {
    /// Whether index, manifests and ledger agree.
    #[must_use]
    pub fn agrees(&self) -> bool {
        self.missing + self.differing + self.surplus + self.damaged == 0
    }

    fn name(&mut self, finding: CatalogueFinding) {
        if self.findings.len() < NAMED {
            self.findings.push(finding);
        }
    }
}

/// One disagreement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CatalogueFinding {
    /// No row.
    Missing(ArchiveId),
    /// Another row: field by field, expected by manifest and ledger, found in the index.
    Differs(ArchiveId, Vec<Difference>),
    /// A row without a manifest.
    Surplus(ArchiveId),
    /// Announced, not concluded.
    Unfinished(ArchiveId),
    /// A manifest that cannot be relied on, by its key, and why.
    Damaged(ObjectKey, String),
}

/// What one manifest and its ledger entries say.
struct Derived {
    row: IndexRow,
    manifest: Manifest,
}

enum Read {
    Row(Box<Derived>),
    Unfinished(ArchiveId),
    Damaged(String),
}

/// Compares every row with what manifest and ledger say, and every manifest with the index. Changes nothing.
///
/// # Errors
/// Where store, ledger or index cannot be read; [`IngestError::Cancelled`].
pub async fn check(
    parts: &ArchiverParts,
    progress: &dyn ProgressSink,
    cancel: &Cancel,
) -> Result<CatalogueReport, IngestError> {
    let mut report = CatalogueReport { rows: parts.index.count().await?, ..CatalogueReport::default() };
    let mut found = 0;
    let mut manifests = Manifests::new(parts, progress, cancel, "Comparing with manifests");
    while let Some((key, read)) = manifests.next().await? {
        report.manifests += 1;
        let derived = match read {
            Read::Row(derived) => derived,
            other => {
                note(&mut report, key, other);
                continue;
            }
        };
        let expected = derived.row;
        match parts.index.get(&expected.archive_id).await? {
            None => {
                report.missing += 1;
                report.name(CatalogueFinding::Missing(expected.archive_id));
            }
            Some(row) => {
                found += 1;
                // Where bytes lie and whether they are online follows the storage and is no property of the archive.
                let expected =
                    IndexRow { availability: row.availability.clone(), moved: row.moved.clone(), ..expected };
                let differences = expected.differences(&row);
                if differences.is_empty() {
                    report.equal += 1;
                } else {
                    report.differing += 1;
                    report.name(CatalogueFinding::Differs(expected.archive_id, differences));
                }
            }
        }
    }
    if found < report.rows {
        surplus(parts, cancel, &mut report).await?;
    }
    Ok(report)
}

fn note(report: &mut CatalogueReport, key: ObjectKey, read: Read) {
    match read {
        Read::Row(_) => {}
        Read::Unfinished(id) => {
            report.unfinished += 1;
            report.name(CatalogueFinding::Unfinished(id));
        }
        Read::Damaged(why) => {
            report.damaged += 1;
            report.name(CatalogueFinding::Damaged(key, why));
        }
    }
}

/// Rows whose manifest is not there.
async fn surplus(parts: &ArchiverParts, cancel: &Cancel, report: &mut CatalogueReport) -> Result<(), IngestError> {
    let mut after: Option<ArchiveId> = None;
    loop {
        let rows = parts.index.scan(after.as_ref(), PAGE).await?;
        let Some(last) = rows.last() else { return Ok(()) };
        after = Some(last.archive_id.clone());
        for row in rows {
            if cancel.is_cancelled() {
                return Err(IngestError::Cancelled);
            }
            match parts.store.reader.head(&meta(parts, &row.manifest_key)).await {
                Ok(_) => {}
                Err(StoreError::NotFound(_)) => {
                    report.surplus += 1;
                    report.name(CatalogueFinding::Surplus(row.archive_id));
                }
                Err(e) => return Err(e.into()),
            }
        }
    }
}

/// Makes the index anew from manifests and ledger, beside the old one, and puts it in its place at the end. Announced and
/// concluded in the ledger.
///
/// # Errors
/// Where store, ledger or index cannot be read or written; [`IngestError::Cancelled`]. The old index then goes on.
pub async fn rebuild(
    parts: &ArchiverParts,
    agent: &Agent,
    progress: &dyn ProgressSink,
    cancel: &Cancel,
) -> Result<CatalogueReport, IngestError> {
    let intent = parts.ledger.intend(EventDraft::new(Action::IndexRebuild, Phase::Intent, agent.clone())).await?;
    let made = fill(parts, progress, cancel).await;
    let outcome = if made.is_ok() { EventOutcome::Succeeded } else { EventOutcome::Failed };
    let entry = intent.conclude(&parts.ledger, outcome, |mut draft| {
        match &made {
            Ok(report) => {
                draft.details.insert("rows".into(), report.rows.to_string());
                draft.details.insert("damaged".into(), report.damaged.to_string());
            }
            Err(e) => draft.code = Some(holdfast_model::Fault::code(e).to_owned()),
        }
        draft
    });
    entry.await?;
    made
}

async fn fill(
    parts: &ArchiverParts,
    progress: &dyn ProgressSink,
    cancel: &Cancel,
) -> Result<CatalogueReport, IngestError> {
    let mut report = CatalogueReport::default();
    let mut sink = parts.index.rebuild().await?;
    let mut manifests = Manifests::new(parts, progress, cancel, "Reading manifests");
    while let Some((key, read)) = manifests.next().await? {
        report.manifests += 1;
        match read {
            Read::Row(derived) => {
                let text = match &derived.manifest.text {
                    Some(text) => read_text(parts, &text.key).await?,
                    None => None,
                };
                let mut row = derived.row;
                match parts.store.reader.head(&row.locator).await {
                    Ok(info) => row.set_state(info.state()),
                    // Missing bytes are for verification to find; the recording stays findable.
                    Err(StoreError::NotFound(_)) => {}
                    Err(e) => return Err(e.into()),
                }
                report.equal += 1;
                sink.push(row, text).await?;
            }
            other => note(&mut report, key, other),
        }
    }
    report.rows = sink.finish().await?;
    Ok(report)
}

async fn read_text(parts: &ArchiverParts, key: &ObjectKey) -> Result<Option<String>, IngestError> {
    match parts.store.reader.read(&meta(parts, key), BYTE_RANGE_ALL).await {
        Ok(stream) => Ok(Some(String::from_utf8_lossy(&collect(stream, LIMIT).await?).into_owned())),
        Err(StoreError::NotFound(_)) => Ok(None),
        Err(e) => Err(e.into()),
    }
}

fn meta(parts: &ArchiverParts, key: &ObjectKey) -> ObjectLocator {
    ObjectLocator {
        store: parts.store.reader.name().to_owned(),
        bucket: parts.store.buckets.meta.clone(),
        key: key.clone(),
        version_id: None,
    }
}

/// Every manifest of the archive, one after the other.
struct Manifests<'a> {
    parts: &'a ArchiverParts,
    progress: &'a dyn ProgressSink,
    cancel: &'a Cancel,
    stage: &'static str,
    page: std::vec::IntoIter<ObjectEntry>,
    after: Option<ObjectKey>,
    more: bool,
    done: u64,
}

impl<'a> Manifests<'a> {
    fn new(parts: &'a ArchiverParts, progress: &'a dyn ProgressSink, cancel: &'a Cancel, stage: &'static str) -> Self {
        Self { parts, progress, cancel, stage, page: Vec::new().into_iter(), after: None, more: true, done: 0 }
    }

    async fn next(&mut self) -> Result<Option<(ObjectKey, Read)>, IngestError> {
        if self.cancel.is_cancelled() {
            return Err(IngestError::Cancelled);
        }
        let info = match self.page.next() {
            Some(info) => info,
            None if !self.more => return Ok(None),
            None => {
                let reader = &self.parts.store.reader;
                let page = reader.list(&self.parts.store.buckets.meta, MANIFESTS, self.after.as_ref(), PAGE).await?;
                self.more = page.more;
                self.after = page.objects.last().map(|o| o.locator.key.clone());
                self.page = page.objects.into_iter();
                match self.page.next() {
                    Some(info) => info,
                    None => return Ok(None),
                }
            }
        };
        self.done += 1;
        self.progress.report(Progress { stage: self.stage.into(), done: self.done, total: None, unit: "recordings" });
        let key = info.locator.key.clone();
        let bytes = collect(self.parts.store.reader.read(&info.locator, BYTE_RANGE_ALL).await?, LIMIT).await?;
        Ok(Some((key.clone(), self.derive(key, &bytes).await?)))
    }

    async fn derive(&self, key: ObjectKey, bytes: &[u8]) -> Result<Read, IngestError> {
        let manifest: Manifest = match serde_json::from_slice(bytes) {
            Ok(manifest) => manifest,
            Err(e) => {
                return Ok(Read::Damaged(match holdfast_model::newer_format(bytes, holdfast_model::MANIFEST_FORMAT) {
                    Some(format) => format!("it was written by a newer version of Holdfast, in the format {format}"),
                    None => format!("it cannot be understood: {e}"),
                }));
            }
        };
        let digest = Sha256Digest::of(bytes);
        let entries = self.parts.ledger.entries_of(&manifest.archive_id).await?;
        let outcome = entries.iter().map(|e| &e.event).find(|e| {
            e.action == Action::Accession
                && e.phase == Phase::Outcome
                && e.outcome == Some(EventOutcome::Succeeded)
                && e.intent == Some(manifest.accession.ledger_intent)
        });
        let Some(outcome) = outcome else { return Ok(Read::Unfinished(manifest.archive_id)) };
        let stated = outcome.details.get(crate::ACCESSION_MANIFEST_DETAIL).and_then(|d| d.parse::<Sha256Digest>().ok());
        if stated != Some(digest) {
            return Ok(Read::Damaged("its digest is not the one that the ledger states".into()));
        }
        let store = self.parts.store.reader.name();
        let mut row = IndexRow::derive(&manifest, key, digest, store, outcome.sequence);
        row.holds = holds(&entries);
        Ok(Read::Row(Box::new(Derived { row, manifest })))
    }
}

/// Matters that hold a recording, by its own entries: placed and not lifted since.
fn holds(entries: &[LedgerEntry]) -> Vec<MatterId> {
    let mut held = BTreeSet::new();
    for event in entries.iter().map(|e| &e.event) {
        let Some(matter) = event.matter.as_ref().filter(|_| event.outcome == Some(EventOutcome::Succeeded)) else {
            continue;
        };
        match event.action {
            Action::LegalHold => {
                held.insert(matter.clone());
            }
            Action::LegalHoldRelease => {
                held.remove(matter);
            }
            _ => {}
        }
    }
    held.into_iter().collect()
}
