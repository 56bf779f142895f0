use super::{
    Job, JobState, Row, Stamp,
    download::{Downloaded, forget_record},
    file::{blocking, copy_new, measure, place},
    job_id,
    rehydrate::concluding,
};
use crate::{
    desk::{Desk, draft, passed},
    error::RetrievalError,
    evidence::is_gone,
};
use holdfast_index::Work;
use holdfast_ledger::{Action, Agent, EventDraft, EventOutcome, Phase};
use holdfast_model::{ArchiveId, Cancel, Fault as _, Fixity, MatterId, ProgressSink, Sha256Digest};
use holdfast_store::StoreError;
use holdfast_verify::{ObservedBytes, Outcome};
use std::{
    io,
    path::{Path, PathBuf},
};

/// After so many broken-off reads in a row what came is taken for what there is, and verification says what is missing.
const SHORT_READS_MAX: u32 = 3;

/// A verified copy at the desk that was looked at just now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeskCopy {
    /// The file; read-only.
    pub path: PathBuf,
    /// The matter it was retrieved for.
    pub matter: MatterId,
    /// Exhibit number.
    pub exhibit: String,
    /// What it was verified to be.
    pub fixity: Fixity,
    /// How its verification ended.
    pub outcome: Outcome,
}

impl Desk {
    /// Brings one recording as far as it goes: download, verification, its place at the desk.
    pub(super) async fn fetch(
        &self,
        mut row: Row,
        progress: &dyn ProgressSink,
        cancel: &Cancel,
    ) -> Result<(), RetrievalError> {
        match self.fetch_steps(&mut row, progress, cancel).await {
            Ok(()) => Ok(()),
            Err(e) => self.after_fault(row, e).await,
        }
    }

    async fn fetch_steps(
        &self,
        row: &mut Row,
        progress: &dyn ProgressSink,
        cancel: &Cancel,
    ) -> Result<(), RetrievalError> {
        let measured = if Self::is_fetchable(row) {
            // Before anything is announced: a download that can't end is not begun.
            let _room = self.room_for(row)?;
            self.announce_download(row).await?;
            let bytes = match self.download_whole(row, progress, cancel).await {
                Err(e) if is_gone(&e) => Err(e.code()),
                other => Ok(other?),
            };
            passed("retrieval.downloaded")?;
            row.job.measured = bytes.clone().ok();
            self.conclude_download(row, &bytes).await?;
            bytes.ok().map(|fixity| (self.part_path(row), fixity))
        } else {
            // Another process was at it: the bytes are measured again, wherever it left them.
            let found = self.find_bytes(row).await?;
            if found.is_none() && row.job.measured.is_some() {
                return self.download_afresh(row).await;
            }
            found
        };
        self.announce_verification(row).await?;
        self.judge(row, measured).await
    }

    async fn announce_download(&self, row: &mut Row) -> Result<(), RetrievalError> {
        if row.job.intent.is_none() {
            row.job.downloads += 1;
            let draft = self.job_draft(row, Action::Download, Phase::Intent).moved("archive", "desk");
            row.job.intent = Some(self.note(draft.once(row.token_of("download", row.job.downloads))).await?);
            passed("retrieval.download_announced")?;
        }
        row.set(JobState::Downloading);
        self.keep_one(row).await?;
        passed("retrieval.download_intended")?;
        Ok(())
    }

    /// A mismatch of a download that went on from an earlier one may lie in what was left of that: then all is read again.
    async fn download_whole(
        &self,
        row: &mut Row,
        progress: &dyn ProgressSink,
        cancel: &Cancel,
    ) -> Result<Fixity, RetrievalError> {
        let first = self.download(row, false, progress, cancel).await;
        let done = match first {
            Ok(Downloaded { fixity, resumed }) if resumed && fixity != row.job.fixity => {
                self.download(row, true, progress, cancel).await?
            }
            Err(RetrievalError::Store(StoreError::ShortRead { .. })) if row.job.faults + 1 >= SHORT_READS_MAX => {
                let path = self.part_path(row);
                return blocking(move || measure(&path)).await;
            }
            other => other?,
        };
        Ok(done.fixity)
    }

    /// `bytes`: what came, or the code of why there is nothing to come.
    async fn conclude_download(&self, row: &mut Row, bytes: &Result<Fixity, &str>) -> Result<(), RetrievalError> {
        let mut outcome = self.job_draft(row, Action::Download, Phase::Outcome).moved("archive", "desk");
        match bytes {
            Ok(fixity) => {
                outcome.digest_after = Some(fixity.digest);
                outcome = outcome.outcome(EventOutcome::Succeeded).detail("size_bytes", fixity.size_bytes.to_string());
            }
            Err(code) => {
                outcome.code = Some((*code).to_owned());
                outcome = outcome.outcome(EventOutcome::Failed);
            }
        }
        let outcome = concluding(row, outcome);
        self.conclude(vec![outcome]).await?;
        // From here on it is not downloaded again, whatever happens.
        row.set(JobState::Verifying);
        passed("retrieval.download_recorded")
    }

    async fn announce_verification(&self, row: &mut Row) -> Result<(), RetrievalError> {
        if row.job.intent.is_some() {
            return Ok(()); // by the process that was at it before
        }
        let intent = self.job_draft(row, Action::Verification, Phase::Intent);
        row.job.intent = Some(self.note(intent.once(row.token_of("verification", row.job.downloads))).await?);
        passed("retrieval.verification_announced")?;
        self.keep_one(row).await?;
        passed("retrieval.verification_intended")?;
        Ok(())
    }

    /// The bytes that were to be verified are gone from the desk: they are brought again.
    async fn download_afresh(&self, row: &mut Row) -> Result<(), RetrievalError> {
        if row.job.intent.is_some() {
            let mut outcome = self.job_draft(row, Action::Verification, Phase::Outcome).outcome(EventOutcome::Failed);
            outcome.code = Some("retrieval.bytes_gone".into());
            let outcome = concluding(row, outcome);
            self.conclude(vec![outcome]).await?;
        }
        row.job.measured = None;
        row.job
            .remarks
            .push("Its bytes were gone from the desk before they were verified; they were brought again.".into());
        self.save(vec![row.clone().to(JobState::Available, None)]).await
    }

    /// Verifies, puts the bytes where they belong, and says so in the ledger before the row shows it.
    async fn judge(&self, row: &mut Row, bytes: Option<(PathBuf, Fixity)>) -> Result<(), RetrievalError> {
        let observed = match &bytes {
            Some((_, fixity)) => self.observed_bytes(&row.job.archive_id, fixity.clone()).await?,
            None => ObservedBytes::Missing,
        };
        let report = self.observe(&row.job.archive_id, observed).await?;
        passed("retrieval.verified")?;
        let good = report.outcome != Outcome::Failed;
        if let Some((from, fixity)) = bytes {
            // Only under a lease that still is this process's: another one may be at the same file.
            self.keep_one(row).await?;
            let to = if good { self.final_path(row) } else { self.aside_path(row) };
            row.job.stamp = Some(self.put(from, &to, fixity.digest).await?);
            row.job.measured = Some(fixity);
            if good {
                row.job.file = Some(row.job.file_name());
            } else {
                row.job.aside = Some(to);
            }
            passed("retrieval.placed")?;
        }
        let mut outcome =
            self.job_draft(row, Action::Verification, Phase::Outcome).detail("outcome", report.outcome.as_str());
        outcome.digest_before = Some(row.job.fixity.digest);
        outcome.digest_after = row.job.measured.as_ref().map(|f| f.digest);
        outcome.code = report.findings.first().map(|f| f.code.as_str().to_owned());
        let outcome = outcome.outcome(if good { EventOutcome::Succeeded } else { EventOutcome::Failed });
        let outcome = concluding(row, outcome);
        self.conclude(vec![outcome]).await?;
        passed("retrieval.verification_recorded")?;
        row.job.report = Some(report);
        row.job.verified_at = Some(self.now());
        (row.job.problem, row.job.faults) = (None, 0);
        if good && let Some(folder) = row.job.copy_to.clone() {
            match self.hand_out(&row.job, &folder, &self.agent()).await? {
                Ok(copy) => row.job.was_copied(copy),
                Err(e) => row.job.remarks.push(format!("It could not be copied to {}: {e}.", folder.display())),
            }
        }
        let state = if good { JobState::Verified } else { JobState::Failed };
        self.save(vec![row.clone().to(state, None)]).await
    }

    /// Puts a file in its place and tells what it looks like there. One that is there already was put there before a crash, or by a
    /// process that took this one for dead.
    async fn put(&self, from: PathBuf, to: &Path, digest: Sha256Digest) -> Result<Stamp, RetrievalError> {
        let to = to.to_owned();
        blocking(move || {
            if from != to {
                match place(&from, &to) {
                    Err(RetrievalError::Io { source, .. })
                        if source.kind() == io::ErrorKind::NotFound
                            && std::fs::symlink_metadata(&to).is_ok_and(|m| m.is_file())
                            && measure(&to)?.digest == digest => {}
                    placed => placed?,
                }
                forget_record(&from);
            }
            Stamp::of(&to, digest)
        })
        .await
    }

    /// What becomes of a row when a step failed.
    async fn after_fault(&self, mut row: Row, error: RetrievalError) -> Result<(), RetrievalError> {
        match &error {
            // Whoever took it over goes on.
            RetrievalError::LostLease(_) => return Ok(()),
            RetrievalError::Cancelled => {
                let state = JobState::parse(&row.work.state).unwrap_or(JobState::Available);
                return self.save(vec![row.to(state, None)]).await;
            }
            RetrievalError::Store(StoreError::Offline(at))
                if Self::is_fetchable(&row)
                    && (&at.bucket, &at.key) == (&row.job.locator.bucket, &row.job.locator.key) =>
            {
                let mut outcome = self.job_draft(&row, Action::Download, Phase::Outcome).moved("archive", "desk");
                outcome.code = Some(error.code().into());
                if row.job.intent.is_some() {
                    let outcome = concluding(&mut row, outcome.outcome(EventOutcome::Failed));
                    self.conclude(vec![outcome]).await?;
                }
                let row = self.ask_again(row);
                return self.save(vec![row]).await;
            }
            _ => {}
        }
        if error.waits() || matches!(error, RetrievalError::Ledger(_) | RetrievalError::Index(_)) {
            if JobState::parse(&row.work.state) == Some(JobState::Downloading) {
                row.set(JobState::Available);
            }
            return self.postpone(vec![row], &error).await;
        }
        let action = if Self::is_fetchable(&row) { Action::Download } else { Action::Verification };
        let mut outcome = self.job_draft(&row, action, Phase::Outcome);
        if action == Action::Download {
            outcome = outcome.moved("archive", "desk");
        }
        outcome.code = Some(error.code().into());
        if row.job.intent.is_some() {
            let outcome = concluding(&mut row, outcome.outcome(EventOutcome::Failed));
            self.conclude(vec![outcome]).await?;
        }
        self.save(vec![super::rehydrate::failed(row, super::Problem::of(&error))]).await
    }

    /// A verified copy of a recording at the desk, looked at again: cheaply where nothing wrote to it, by hashing otherwise.
    ///
    /// # Errors
    /// [`RetrievalError::DeskCopyChanged`] where it is not what was verified any more; it is put aside then.
    pub async fn desk_copy(&self, id: &ArchiveId) -> Result<Option<DeskCopy>, RetrievalError> {
        for matter in self.matters_of(id).await? {
            let key = job_id(&matter, id);
            let Some(work) = self.parts().work.get(holdfast_index::WorkKind::Retrieval, &key).await? else { continue };
            if JobState::parse(&work.state) != Some(JobState::Verified) {
                continue;
            }
            let job: Job = crate::desk::read_doc(&work)?;
            if let Some(copy) = self.check_desk_copy(&job, &work).await? {
                return Ok(Some(copy));
            }
        }
        Ok(None)
    }

    /// None where the file is gone; that is noted then.
    pub(crate) async fn check_desk_copy(&self, job: &Job, work: &Work) -> Result<Option<DeskCopy>, RetrievalError> {
        if self.elsewhere(job).is_some() {
            return Ok(None); // that desk's folder is not here to be looked at
        }
        let (Some(name), Some(fixity), Some(stamp), Some(report)) = (&job.file, &job.measured, &job.stamp, &job.report)
        else {
            return Ok(None);
        };
        let path = self.matter_folder(&job.matter).join(name);
        let copy = DeskCopy {
            path: path.clone(),
            matter: job.matter.clone(),
            exhibit: job.exhibit.clone(),
            fixity: fixity.clone(),
            outcome: report.outcome,
        };
        let (digest, looked) = (fixity.digest, path.clone());
        let found = blocking(move || match std::fs::symlink_metadata(&looked) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
            _ => Stamp::of(&looked, digest).map(Some),
        })
        .await?;
        let Some(found) = found else {
            self.desk_copy_gone(job, work).await?;
            return Ok(None);
        };
        if found == *stamp {
            return Ok(Some(copy));
        }
        let measured = {
            let path = path.clone();
            blocking(move || measure(&path)).await?
        };
        if measured == *fixity {
            self.amend(&work.id, |job| job.stamp = Some(found.clone())).await?;
            return Ok(Some(copy));
        }
        let aside = self.desk_copy_changed(job, work, &path, &measured).await?;
        Err(RetrievalError::DeskCopyChanged { archive_id: job.archive_id.clone(), aside })
    }

    async fn desk_copy_gone(&self, job: &Job, work: &Work) -> Result<(), RetrievalError> {
        tracing::warn!(archive_id = %job.archive_id, "a verified copy is gone from the desk");
        let mut row = Row::read(work.clone())?;
        row.job.file = None;
        let problem = super::Problem {
            code: "retrieval.desk_copy_gone".into(),
            message: "The verified copy is gone from the desk.".into(),
            next: "Retrieve it again; the archive's own copy is not affected.".into(),
        };
        self.save(vec![super::rehydrate::failed(row, problem)]).await
    }

    /// Notes in the ledger that a verified copy was changed, puts it aside, and shows it as failed.
    async fn desk_copy_changed(
        &self,
        job: &Job,
        work: &Work,
        path: &Path,
        found: &Fixity,
    ) -> Result<PathBuf, RetrievalError> {
        let mut row = Row::read(work.clone())?;
        row.job.downloads += 1; // so that nothing that was put aside before is in the way
        let aside = self.aside_path(&row);
        let mut fact = self.job_draft(&row, Action::Verification, Phase::Fact).outcome(EventOutcome::Failed);
        (fact.digest_before, fact.digest_after) = (Some(job.fixity.digest), Some(found.digest));
        fact.code = Some("retrieval.desk_copy_changed".into());
        self.note(fact.detail("outcome", Outcome::Failed.as_str())).await?;
        let (from, to) = (path.to_owned(), aside.clone());
        blocking(move || place(&from, &to)).await?;
        let error = RetrievalError::DeskCopyChanged { archive_id: job.archive_id.clone(), aside: aside.clone() };
        let bytes = ObservedBytes::read(found.clone());
        row.job.report = Some(self.observe(&job.archive_id, bytes).await?);
        (row.job.file, row.job.stamp, row.job.aside) = (None, None, Some(aside.clone()));
        row.job.measured = Some(found.clone());
        self.save(vec![super::rehydrate::failed(row, super::Problem::of(&error))]).await?;
        Ok(aside)
    }

    /// Copies a verified file to a folder of the person's choice, under a name that says what it is. The ledger says that a copy left
    /// the desk, not where to: a path may name people. The inner result is that of copying, noted already; after an outer error the
    /// same is to be done again, which makes no second entry until [`Job::was_copied`].
    pub(super) async fn hand_out(
        &self,
        job: &Job,
        folder: &Path,
        by: &Agent,
    ) -> Result<Result<PathBuf, RetrievalError>, RetrievalError> {
        let (Some(name), Some(fixity)) = (&job.file, &job.measured) else {
            return Ok(Err(RetrievalError::NoRecording(job.archive_id.clone())));
        };
        let place = Sha256Digest::of(folder.as_os_str().as_encoded_bytes()).to_hex();
        let id = job_id(&job.matter, &job.archive_id);
        let mut announced = draft(Action::Export, Phase::Intent, by, &job.matter, Some(&job.archive_id))
            .object(&job.locator)
            .moved("desk", "a folder outside")
            .detail("exhibit", &job.exhibit);
        announced.digest_before = Some(fixity.digest);
        let mut outcome = EventDraft { phase: Phase::Outcome, ..announced.clone() };
        announced.idempotency = Some(format!("copy:{id}:{}:{}:{}", job.attempt, job.copies, &place[..16]));
        let intent = self.note(announced).await?;
        passed("retrieval.copy_intended")?;
        let from = self.matter_folder(&job.matter).join(name);
        let (to, digest) = (folder.join(name), fixity.digest);
        let copied = blocking(move || copy_new(&from, &to, digest).map(|()| to)).await;
        passed("retrieval.copied")?;
        outcome.digest_after = copied.is_ok().then_some(digest);
        outcome.code = copied.as_ref().err().map(|e| e.code().to_owned());
        outcome.outcome = Some(if copied.is_ok() { EventOutcome::Succeeded } else { EventOutcome::Failed });
        outcome.intent = Some(intent);
        outcome.idempotency = Some(format!("outcome:{intent}"));
        self.conclude(vec![outcome]).await?;
        Ok(copied)
    }
}
