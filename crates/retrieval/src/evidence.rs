//! Collecting what a verification needs; judging it is `holdfast-verify`'s.

use crate::{
    desk::{Desk, passed},
    error::RetrievalError,
    job::{blocking, measure, write_small},
};
use futures_util::TryStreamExt as _;
use holdfast_index::{IndexRow, Query};
use holdfast_ledger::{
    Action, Agent, Checkpoint, EventDraft, EventOutcome, LedgerEntry, LedgerError, LedgerFault, Phase, StoredEntry,
};
use holdfast_model::{
    ArchiveId, Cancel, Fixity, Manifest, MatterId, ObjectLocator, Progress, ProgressSink, RecordKeys, Sha256Digest,
};
use holdfast_store::{BYTE_RANGE_ALL, StoreError};
use holdfast_verify::{
    EntryEvidence, Finding, FindingCode, IndexFacts, LedgerEvidence, ObjectFacts, Observed, ObservedBytes,
    ObservedIndex, Outcome, RememberedCheckpoint, VerificationReport, verify_recording,
};
use sha2::{Digest as _, Sha256};
use std::{
    path::{Path, PathBuf},
    sync::atomic::Ordering,
};

/// What became of verifying a file that somebody has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileVerification {
    /// The recording that it is or claims to be; none where the archive knows nothing like it.
    pub archive_id: Option<ArchiveId>,
    /// As measured.
    pub fixity: Fixity,
    /// What verification said; none where the file belongs to no recording.
    pub report: Option<VerificationReport>,
}

impl Desk {
    /// Verifies an archived recording: its bytes where they can be read (streamed, whatever their size), and every other link.
    ///
    /// # Errors
    /// [`RetrievalError::NoRecording`], [`RetrievalError::Cancelled`], or where store, index or ledger fail.
    pub async fn verify_archived(
        &self,
        id: &ArchiveId,
        by: &Agent,
        progress: &dyn ProgressSink,
        cancel: &Cancel,
    ) -> Result<VerificationReport, RetrievalError> {
        let locator = match self.parts().index.get(id).await? {
            Some(row) => Some(row.locator),
            // A row that somebody removed: the ledger still knows where the original lies.
            None => self.locator_in_ledger(id).await?,
        };
        let Some(locator) = locator else { return Err(RetrievalError::NoRecording(id.clone())) };
        // The ledger is looked at as it is found, before anything is added to it.
        let ledger = self.ledger_evidence(id).await?;
        let draft = self.verification_of(id, by).object(&locator);
        let intent = self.parts().ledger.intend(draft).await?;
        passed("retrieval.archived_verification_intended")?;
        let result = self.measure_object(&locator, progress, cancel).await;
        let bytes = match result {
            Ok(Some(fixity)) => self.observed_bytes(id, fixity).await,
            Ok(None) => Ok(ObservedBytes::Offline),
            Err(e) if is_gone(&e) => Ok(ObservedBytes::Missing),
            Err(e) => Err(e),
        };
        let report = match bytes {
            Ok(bytes) => self.observe_with(id, bytes, ledger).await,
            Err(e) => Err(e),
        };
        self.conclude_verification(&intent, &report).await?;
        report
    }

    /// Says which recording a file is, by its digest or, for a changed one, by the archive id in its name, and verifies it against
    /// everything that is on record. A file that nobody knows is told by an empty report.
    ///
    /// # Errors
    /// [`RetrievalError::Io`] where it can't be read.
    pub async fn verify_file(&self, path: &Path, by: &Agent) -> Result<FileVerification, RetrievalError> {
        let file = path.to_owned();
        let fixity = blocking(move || measure(&file)).await?;
        let named = self.named_in(path).await?;
        let found = match named {
            Some(id) => Some(id),
            None => self.recording_with(fixity.digest).await?,
        };
        let Some(id) = found else {
            return Ok(FileVerification { archive_id: None, fixity, report: None });
        };
        let ledger = self.ledger_evidence(&id).await?;
        let intent = self.parts().ledger.intend(self.verification_of(&id, by).detail("of", "a file")).await?;
        let report = match self.observed_bytes(&id, fixity.clone()).await {
            Ok(bytes) => self.observe_with(&id, bytes, ledger).await,
            Err(e) => Err(e),
        };
        self.conclude_verification(&intent, &report).await?;
        Ok(FileVerification { archive_id: Some(id), fixity, report: Some(report?) })
    }

    /// The draft of a verification outside any matter. It names the process that does it, so that one that was cut off is told from
    /// one that goes on.
    pub(crate) fn verification_of(&self, id: &ArchiveId, by: &Agent) -> EventDraft {
        EventDraft::new(Action::Verification, Phase::Intent, by.clone())
            .about(id)
            .detail("desk", &self.inner.desk)
            .detail("process", &self.inner.owner)
    }

    /// Concludes verifications of this desk whose process is gone. Looked for once, as whoever looks later is a process of its own.
    pub(crate) async fn settle_verifications(&self) -> Result<(), RetrievalError> {
        if self.inner.looked_back.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
        let ended = self.end_verifications().await;
        if ended.is_err() {
            self.inner.looked_back.store(false, Ordering::Release);
        }
        ended
    }

    async fn end_verifications(&self) -> Result<(), RetrievalError> {
        for entry in self.parts().ledger.open_intents().await? {
            let event = &entry.event;
            let here = event.details.get("desk").is_some_and(|desk| *desk == self.inner.desk);
            let process = event.details.get("process").filter(|_| here && event.action == Action::Verification);
            if process.is_none_or(|p| *p == self.inner.owner || runs_here(p, &self.parts().agent.host)) {
                continue;
            }
            let intent = self.parts().ledger.intent(event.sequence).await?;
            let concluded = intent
                .conclude(&self.parts().ledger, EventOutcome::Failed, |mut d| {
                    d.code = Some("retrieval.interrupted".into());
                    d.detail("outcome", "not done")
                })
                .await;
            match concluded {
                // Another process was quicker.
                Ok(_) | Err(LedgerError::TokenReused { .. }) => {}
                Err(e) => return Err(e.into()),
            }
        }
        Ok(())
    }

    pub(crate) async fn conclude_verification(
        &self,
        intent: &holdfast_ledger::Intent,
        report: &Result<VerificationReport, RetrievalError>,
    ) -> Result<(), RetrievalError> {
        use holdfast_model::Fault as _;
        let (ending, code, word) = match report {
            Ok(r) => {
                let ending = if r.outcome == Outcome::Failed { EventOutcome::Failed } else { EventOutcome::Succeeded };
                (ending, r.findings.first().map(|f| f.code.as_str().to_owned()), r.outcome.as_str())
            }
            Err(e) => (EventOutcome::Failed, Some(e.code().to_owned()), "not done"),
        };
        intent
            .conclude(&self.parts().ledger, ending, |mut d| {
                d.code = code;
                d.detail("outcome", word)
            })
            .await?;
        passed("retrieval.archived_verification_recorded")?;
        Ok(())
    }

    /// An archive id in a file's name, where the archive has that recording.
    async fn named_in(&self, path: &Path) -> Result<Option<ArchiveId>, RetrievalError> {
        let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        let words = name.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'));
        for word in words.filter(|w| w.starts_with("hf-")) {
            if let Ok(id) = word.parse::<ArchiveId>()
                && self.parts().index.get(&id).await?.is_some()
            {
                return Ok(Some(id));
            }
        }
        Ok(None)
    }

    /// The recording whose original has this digest.
    async fn recording_with(&self, digest: Sha256Digest) -> Result<Option<ArchiveId>, RetrievalError> {
        let query = Query { sha256: Some(digest), limit: 8, ..Query::default() };
        let rows = self.parts().index.search(&query).await?.rows;
        Ok(rows.into_iter().find(|r| r.fixity.digest == digest).map(|r| r.archive_id))
    }

    /// Measured bytes of a recording; where they are not its own, with whose they are.
    pub(crate) async fn observed_bytes(&self, id: &ArchiveId, fixity: Fixity) -> Result<ObservedBytes, RetrievalError> {
        let own = self.parts().index.get(id).await?.is_some_and(|r| r.fixity.digest == fixity.digest);
        let belongs_to = if own { None } else { self.recording_with(fixity.digest).await?.filter(|other| other != id) };
        Ok(ObservedBytes::Read { fixity, belongs_to: belongs_to.map(|id| id.to_string()) })
    }

    /// Measures an object as it streams by; none where it is offline.
    async fn measure_object(
        &self,
        at: &ObjectLocator,
        progress: &dyn ProgressSink,
        cancel: &Cancel,
    ) -> Result<Option<Fixity>, RetrievalError> {
        let total = self.parts().store.reader.head(at).await?.size_bytes;
        let mut stream = match self.parts().store.reader.read(at, BYTE_RANGE_ALL).await {
            Err(StoreError::Offline(_)) => return Ok(None),
            other => other?,
        };
        let (mut hasher, mut done) = (Sha256::new(), 0u64);
        loop {
            let piece = match stream.try_next().await {
                Ok(Some(piece)) => piece,
                // Fewer bytes than promised: what there is, is what is judged.
                Ok(None) | Err(StoreError::ShortRead { .. }) => break,
                Err(e) => return Err(e.into()),
            };
            done += piece.len() as u64;
            hasher = blocking(move || {
                hasher.update(&piece);
                Ok(hasher)
            })
            .await?;
            progress.report(Progress { stage: "Verifying".into(), done, total: Some(total), unit: "bytes" });
            if cancel.is_cancelled() {
                return Err(RetrievalError::Cancelled);
            }
        }
        Ok(Some(Fixity::sha256(Sha256Digest(hasher.finalize().into()), done)))
    }

    /// Collects every link of a recording and has it judged.
    pub(crate) async fn observe(
        &self,
        id: &ArchiveId,
        bytes: ObservedBytes,
    ) -> Result<VerificationReport, RetrievalError> {
        let ledger = self.ledger_evidence(id).await?;
        self.observe_with(id, bytes, ledger).await
    }

    pub(crate) async fn observe_with(
        &self,
        id: &ArchiveId,
        bytes: ObservedBytes,
        ledger: LedgerEvidence,
    ) -> Result<VerificationReport, RetrievalError> {
        let row = self.parts().index.get(id).await?;
        let media = match &row {
            Some(row) => Some(row.locator.clone()),
            None => self.locator_in_ledger(id).await?,
        };
        let object = match &media {
            Some(at) => self.object_facts(at).await?,
            None => None,
        };
        let manifest = self.manifest_of(row.as_ref(), media.as_ref()).await?;
        let payload = match manifest.as_deref().map(serde_json::from_slice::<Manifest>) {
            Some(Ok(m)) => {
                let store = media.as_ref().map_or("", |at| at.store.as_str());
                Some(self.observed_small(&self.meta_locator(store, &m.payload.key)).await?)
            }
            _ => None,
        };
        let holds: Vec<MatterId> =
            self.holders(std::slice::from_ref(id)).await?.remove(id).unwrap_or_default().into_iter().collect();
        let observed = Observed {
            archive_id: id.clone(),
            bytes,
            object,
            manifest,
            payload,
            index: row.as_ref().map_or(ObservedIndex::Missing, |r| ObservedIndex::Row(Box::new(index_facts(r)))),
            ledger,
            holds,
        };
        Ok(verify_recording(&observed))
    }

    async fn object_facts(&self, at: &ObjectLocator) -> Result<Option<ObjectFacts>, RetrievalError> {
        match self.parts().store.reader.head(at).await {
            Ok(info) => Ok(Some(ObjectFacts {
                size_bytes: info.size_bytes,
                sha256: info.sha256,
                version_id: info.locator.version_id,
                retention: info.retention,
                legal_hold: info.legal_hold,
            })),
            Err(StoreError::NotFound(_) | StoreError::Damaged { .. }) => Ok(None),
            Err(e) => Err(e.into()),
        }
    }

    async fn manifest_of(
        &self,
        row: Option<&IndexRow>,
        media: Option<&ObjectLocator>,
    ) -> Result<Option<Vec<u8>>, RetrievalError> {
        let at = match (row, media) {
            (Some(row), _) => Some(self.meta_locator(&row.locator.store, &row.manifest_key)),
            (None, Some(media)) => RecordKeys::manifest_of(&media.key).map(|key| self.meta_locator(&media.store, &key)),
            (None, None) => None,
        };
        let Some(at) = at else { return Ok(None) };
        match self.read_small(&at).await {
            Ok(bytes) => Ok(Some(bytes)),
            Err(e) if is_gone(&e) => Ok(None),
            Err(RetrievalError::Store(StoreError::Offline(at))) => Err(RetrievalError::ManifestOffline(at)),
            Err(e) => Err(e),
        }
    }

    async fn observed_small(&self, at: &ObjectLocator) -> Result<ObservedBytes, RetrievalError> {
        match self.read_small(at).await {
            Ok(bytes) => Ok(ObservedBytes::read(Fixity::sha256(Sha256Digest::of(&bytes), bytes.len() as u64))),
            Err(e) if is_gone(&e) => Ok(ObservedBytes::Missing),
            Err(RetrievalError::Store(StoreError::Offline(_))) => Ok(ObservedBytes::Offline),
            Err(e) => Err(e),
        }
    }

    /// Where the ledger says that the original was put.
    async fn locator_in_ledger(&self, id: &ArchiveId) -> Result<Option<ObjectLocator>, RetrievalError> {
        let entries = self.parts().ledger.entries_of(id).await?;
        let accession = entries
            .iter()
            .rev()
            .map(|e| &e.event)
            .find(|e| e.action == Action::Accession && e.outcome == Some(EventOutcome::Succeeded));
        Ok(accession.and_then(|e| e.subject.as_ref()?.object.as_deref()).and_then(parse_locator))
    }

    /// The recording's entries as they lie there, with their proofs and what is remembered of the ledger.
    pub(crate) async fn ledger_evidence(&self, id: &ArchiveId) -> Result<LedgerEvidence, RetrievalError> {
        // An entry that the lookup does not name any more is still looked for where the index says that it stood.
        let stated = self.parts().index.get(id).await?.map(|r| r.accession_sequence);
        // What is remembered is read first: the ledger may go on meanwhile, but never back.
        let known = self.known_checkpoint()?;
        let (checkpoint, stored) = self.parts().ledger.evidence_of(id, stated.as_slice()).await?;
        let remembered = self.remembered(known, &checkpoint).await?;
        Ok(LedgerEvidence { remembered, ..self.evidence_from(&checkpoint, stored)? })
    }

    /// Entries and their proofs under one checkpoint.
    pub(crate) fn evidence_from(
        &self,
        checkpoint: &Checkpoint,
        stored: Vec<StoredEntry>,
    ) -> Result<LedgerEvidence, RetrievalError> {
        let ledger = &self.parts().ledger;
        let mut mac_failures = Vec::new();
        for entry in &stored {
            let Some(parsed) = entry.bytes.as_deref().and_then(|b| LedgerEntry::parse(b).ok()) else { continue };
            if !ledger.mac_holds(&parsed)? {
                mac_failures.push(entry.index);
            }
        }
        Ok(LedgerEvidence {
            entries: stored
                .into_iter()
                .map(|e| EntryEvidence {
                    index: e.index,
                    entry: e.bytes.unwrap_or_default(),
                    leaf: e.leaf,
                    hashes: e.hashes,
                })
                .collect(),
            checkpoint: Some(checkpoint.text().to_owned()),
            public_key: ledger.public_key(),
            mac_failures: Some(mac_failures),
            remembered: None,
            timestamp_expected: false,
        })
    }

    /// Remembers the ledger's newest checkpoint, where it continues the one remembered before.
    ///
    /// # Errors
    /// Where the ledger or the memory cannot be read or written.
    pub async fn remember_ledger(&self) -> Result<(), RetrievalError> {
        // What is remembered is read first: the ledger may go on meanwhile, but never back.
        let known = self.known_checkpoint()?;
        let now = self.parts().ledger.checkpoint().await?;
        self.remembered(known, &now).await?;
        Ok(())
    }

    /// The newest checkpoint that was seen before, for a verification of the whole ledger. One that cannot be read is none.
    ///
    /// # Errors
    /// [`RetrievalError::Io`].
    pub fn remembered_checkpoint(&self) -> Result<Option<Checkpoint>, RetrievalError> {
        Ok(self.known_checkpoint()?.and_then(|text| Checkpoint::parse(&text).ok()))
    }

    fn witness(&self) -> PathBuf {
        let named = self.parts().settings.witness.clone();
        named.unwrap_or_else(|| self.parts().folder.join(".witness"))
    }

    /// The newest checkpoint that was seen before.
    fn known_checkpoint(&self) -> Result<Option<String>, RetrievalError> {
        let path = self.witness();
        match std::fs::read_to_string(&path) {
            Ok(text) => Ok(Some(text)),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(RetrievalError::io("read", &path)(e)),
        }
    }

    /// What is remembered, with the proof that the ledger continues it, where it does. A ledger that goes on as it should is
    /// remembered in its turn; one that does not never replaces what is remembered.
    async fn remembered(
        &self,
        known: Option<String>,
        now: &Checkpoint,
    ) -> Result<Option<RememberedCheckpoint>, RetrievalError> {
        let key = self.parts().ledger.verifier_key();
        let Some(text) = known else {
            if now.verify(key).is_ok() {
                self.remember(now).await?;
            }
            return Ok(None);
        };
        let before = Checkpoint::parse(&text).ok();
        let proof = match &before {
            Some(before) if before.size() <= now.size() => {
                self.parts().ledger.stored_consistency(before.size(), now.size()).await?
            }
            _ => None,
        };
        let continues = match (&before, &proof) {
            (Some(before), Some(proof)) => proof.verify(key, before, now).is_ok(),
            _ => false,
        };
        if continues && before.as_ref().is_some_and(|b| b.size() < now.size()) {
            self.remember(now).await?;
        }
        Ok(Some(RememberedCheckpoint { checkpoint: text, consistency: proof.map(|p| p.hashes) }))
    }

    async fn remember(&self, checkpoint: &Checkpoint) -> Result<(), RetrievalError> {
        let _turn = self.inner.witness.lock().await;
        let newest = self.known_checkpoint()?.and_then(|text| Checkpoint::parse(&text).ok());
        if newest.is_some_and(|n| n.size() >= checkpoint.size()) {
            return Ok(()); // another task was here with a newer one
        }
        let (path, text) = (self.witness(), checkpoint.text().to_owned());
        blocking(move || write_small(&path, text.as_bytes())).await
    }
}

/// Whether the process of this name (host, number, a random part) still runs. Of one on another host nothing is known: it is taken
/// to run.
fn runs_here(process: &str, host: &str) -> bool {
    let pid = process.strip_prefix("desk:").and_then(|p| p.strip_prefix(host)?.strip_prefix(':')?.split(':').next());
    let pid = pid.and_then(|p| rustix::process::Pid::from_raw(p.parse().ok()?));
    pid.is_none_or(|pid| rustix::process::test_kill_process(pid) != Err(rustix::io::Errno::SRCH))
}

/// Whether an object is not there, or there in name only.
pub(crate) fn is_gone(e: &RetrievalError) -> bool {
    matches!(e, RetrievalError::Store(StoreError::NotFound(_) | StoreError::Damaged { .. }))
}

fn index_facts(row: &IndexRow) -> IndexFacts {
    IndexFacts {
        archive_id: row.archive_id.clone(),
        record: row.record.clone(),
        bucket: row.locator.bucket.clone(),
        key: row.locator.key.clone(),
        version_id: row.locator.version_id.clone(),
        manifest_sha256: row.manifest_sha256,
        fixity: row.fixity.clone(),
        media_type: row.media_type.clone(),
        probe: row.probe.clone(),
        tier: row.tier,
        storage_class: row.storage_class.clone(),
        retention: row.retention.clone(),
        ingested_at: row.ingested_at,
        accession_sequence: Some(row.accession_sequence),
    }
}

/// `store:bucket/key@version`, as locators are written.
fn parse_locator(text: &str) -> Option<ObjectLocator> {
    let (store, rest) = text.split_once(':')?;
    let (bucket, rest) = rest.split_once('/')?;
    let (key, version) = rest.rsplit_once('@').map_or((rest, None), |(k, v)| (k, Some(v.to_owned())));
    Some(ObjectLocator {
        store: store.to_owned(),
        bucket: bucket.to_owned(),
        key: holdfast_model::ObjectKey::new(key).ok()?,
        version_id: version,
    })
}

/// A fault of the ledger in the words of a verification.
#[must_use]
pub fn ledger_finding(fault: &LedgerFault) -> Finding {
    use LedgerFault as F;
    let entry = |n: &u64| format!("ledger entry {n}");
    let (code, subject, expected) = match fault {
        F::EntryMissing { sequence } => {
            (FindingCode::LedgerEntryMissing, entry(sequence), "the entry that was written")
        }
        F::EntryAltered { sequence } => {
            (FindingCode::LedgerEntryAltered, entry(sequence), "the entry that was written")
        }
        F::FormatUnknown { sequence } => {
            (FindingCode::LedgerFormatUnknown, entry(sequence), "an entry of a format that this version reads")
        }
        F::MacMismatch { sequence } => {
            (FindingCode::LedgerMacMismatch, entry(sequence), "an HMAC made with the ledger's key")
        }
        F::ChainBroken { sequence } => {
            (FindingCode::LedgerChainBroken, entry(sequence), "the hash of the entry before it")
        }
        F::HistoryBroken { sequence } => (
            FindingCode::LedgerHistoryBroken,
            entry(sequence),
            "the entry before it about the same matter or recording",
        ),
        F::TimeWentBack { sequence } => {
            (FindingCode::LedgerChainBroken, entry(sequence), "a time not before that of the entry before it")
        }
        F::CheckpointSignature { which } => (
            FindingCode::LedgerCheckpointSignature,
            format!("the {which} checkpoint"),
            "a signature by the ledger's key",
        ),
        F::Inconsistent { .. } => {
            (FindingCode::LedgerInconsistent, "ledger".into(), "the entries that were signed for")
        }
        F::RolledBack { .. } => (FindingCode::LedgerRolledBack, "ledger".into(), "at least as many entries as before"),
        F::TileDamaged { path } => (FindingCode::LedgerInclusionFailed, path.clone(), "the hashes that were written"),
        F::LookupDiffers => {
            (FindingCode::LedgerEntryMissing, "the ledger's lookup".into(), "every entry under its recording")
        }
        F::HeadDamaged { .. } => {
            (FindingCode::LedgerCheckpointMalformed, "the ledger's head".into(), "a head that fits")
        }
    };
    Finding::new(code, subject, expected, fault)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locators_are_read_as_they_are_written() {
        let at = ObjectLocator {
            store: "local".into(),
            bucket: "media".into(),
            key: holdfast_model::ObjectKey::new("recordings/2024/01/02/a/b.wav").unwrap(),
            version_id: Some("v1".into()),
        };
        assert_eq!(parse_locator(&at.to_string()), Some(at.clone()));
        assert_eq!(parse_locator("nonsense"), None);
    }
}
