//! One recording on its way to the desk: `requested -> planned -> approved -> rehydrating -> available -> downloading ->
//! verifying -> verified | failed`, or `cancelled`. Each state is a row; whoever holds the row's lease does the next step. Every
//! effect can be repeated, and every entry in the ledger carries a token made of the job and its attempt, so that a step that was
//! done and not noted is found and not done again.

mod download;
mod drive;
mod file;
mod gone;
mod rehydrate;
mod start;
mod turn;
mod verify;

pub use drive::DriveSummary;
pub use file::Stamp;
pub(crate) use file::{blocking, make_folder, measure, place, write_small};
pub use start::Started;
pub use verify::DeskCopy;

use crate::{
    desk::{Desk, read_doc, write_doc},
    error::RetrievalError,
    matter::Matter,
    plan::PlanItem,
    plans::{Plan, times_of},
};
use holdfast_index::{Work, WorkKind};
use holdfast_ledger::Agent;
use holdfast_model::{
    ArchiveId, Availability, Fault, Fixity, MatterId, ObjectLocator, PlanId, RehydrationSpeed, Sha256Digest,
};
use holdfast_verify::VerificationReport;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// Where a recording is on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)] // the words of the module's documentation
pub enum JobState {
    Requested,
    Planned,
    Approved,
    Rehydrating,
    Available,
    Downloading,
    Verifying,
    Verified,
    Failed,
    Cancelled,
}

impl JobState {
    /// All states in order.
    pub const ALL: [Self; 10] = [
        Self::Requested,
        Self::Planned,
        Self::Approved,
        Self::Rehydrating,
        Self::Available,
        Self::Downloading,
        Self::Verifying,
        Self::Verified,
        Self::Failed,
        Self::Cancelled,
    ];

    /// The states in which somebody has to do something.
    pub const ACTIVE: [Self; 5] =
        [Self::Approved, Self::Rehydrating, Self::Available, Self::Downloading, Self::Verifying];

    /// The state's stable name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::Planned => "planned",
            Self::Approved => "approved",
            Self::Rehydrating => "rehydrating",
            Self::Available => "available",
            Self::Downloading => "downloading",
            Self::Verifying => "verifying",
            Self::Verified => "verified",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether nothing more will happen by itself.
    #[must_use]
    pub fn is_final(self) -> bool {
        matches!(self, Self::Verified | Self::Failed | Self::Cancelled)
    }

    /// Whether it is the business of one desk alone: the bytes are, or will be, in that desk's folder.
    #[must_use]
    pub fn is_at_a_desk(self) -> bool {
        matches!(self, Self::Available | Self::Downloading | Self::Verifying)
    }

    /// The state with this name, whichever desk it is at.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        let name = name.split_once('@').map_or(name, |(state, _)| state);
        let known = Self::ALL.into_iter().find(|s| s.as_str() == name);
        known.or((name == drive::CANCELLING).then_some(Self::Cancelled))
    }
}

/// Something that stands in the way, for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// Stable code.
    pub code: String,
    /// What is wrong, as a sentence.
    pub message: String,
    /// What to do next, as a sentence.
    pub next: String,
}

impl Problem {
    /// The problem that an error is.
    pub fn of(error: &dyn Fault) -> Self {
        let text = error.to_string();
        Self { code: error.code().into(), message: sentence(&text), next: error.next() }
    }
}

/// Begins with a capital and ends with a full stop.
fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    let first = chars.next().map(|c| c.to_uppercase().to_string()).unwrap_or_default();
    let end = if text.ends_with(['.', '!', '?']) { "" } else { "." };
    format!("{first}{}{end}", chars.as_str())
}

/// One recording of a matter on its way to the desk, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// Recording.
    pub archive_id: ArchiveId,
    /// Matter.
    pub matter: MatterId,
    /// Exhibit number.
    pub exhibit: String,
    /// What the archive says its bytes are.
    pub fixity: Fixity,
    /// Where they lie.
    pub locator: ObjectLocator,
    /// The provider's class.
    pub storage_class: String,
    /// Ending of the file's name at the desk, from the media type.
    pub ext: String,
    /// The plan that it follows; none where everything was online.
    pub plan: Option<PlanId>,
    /// The speed to ask for, where one must be.
    pub speed: Option<RehydrationSpeed>,
    /// Days that the rehydrated copy is asked to stay.
    pub keep_days: u16,
    /// How long the plan says it takes, usually and at the worst, from the request to the desk.
    pub expected_ms: Option<u64>,
    /// At the worst.
    pub worst_ms: Option<u64>,
    /// Who had it begun.
    pub approved_by: Option<Agent>,
    /// When it is expected to be online, while it is rehydrating.
    pub expected_at: Option<Timestamp>,
    /// The same at the worst.
    pub worst_at: Option<Timestamp>,
    /// Until when the rehydrated copy stays.
    pub available_until: Option<Timestamp>,
    /// Bytes downloaded so far.
    pub done_bytes: u64,
    /// What was downloaded, as measured.
    pub measured: Option<Fixity>,
    /// What verification said.
    pub report: Option<VerificationReport>,
    /// When it was verified.
    pub verified_at: Option<Timestamp>,
    /// Name of the verified file in the matter's folder.
    pub file: Option<String>,
    /// What the verified file looked like right after.
    pub stamp: Option<Stamp>,
    /// Where bytes that failed verification were put.
    pub aside: Option<PathBuf>,
    /// The desk whose folder the bytes go to; others leave them alone. None in rows of older versions, which are anybody's.
    #[serde(default)]
    pub desk: Option<String>,
    /// When the plan's answer is due.
    #[serde(default)]
    pub deadline: Option<Timestamp>,
    /// When it was asked for, as far as is known.
    #[serde(default)]
    pub requested_at: Option<Timestamp>,
    /// Folder that the verified file is copied to.
    pub copy_to: Option<PathBuf>,
    /// The copy that was made there.
    pub copied: Option<PathBuf>,
    /// What stands in the way, while something does.
    pub problem: Option<Problem>,
    /// What a person should know of how it went.
    pub remarks: Vec<String>,
    /// The plan whose approval began it last.
    pub(crate) started_by: Option<PlanId>,
    /// Counts copies that left the desk; part of ledger tokens.
    #[serde(default)]
    pub(crate) copies: u32,
    /// Counts beginnings; part of ledger tokens.
    pub(crate) attempt: u32,
    /// Counts requests for rehydration within the attempt.
    pub(crate) asked: u32,
    /// Counts copies that went before they were fetched, within the attempt.
    #[serde(default)]
    pub(crate) gone: u32,
    /// Counts downloads within the attempt.
    pub(crate) downloads: u32,
    /// Passing faults in a row, for the back-off.
    pub(crate) faults: u32,
    /// Whether one that is on its way already is asked for again at a higher speed.
    pub(crate) raise: bool,
    /// Who cancelled it, where somebody did.
    pub(crate) cancelled_by: Option<Agent>,
    /// The intent that stands in the ledger without an outcome.
    pub(crate) intent: Option<u64>,
}

/// Id of a job's row.
pub(crate) fn job_id(matter: &MatterId, id: &ArchiveId) -> String {
    format!("{matter}/{id}")
}

/// A job with its row, as it is worked on.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) work: Work,
    pub(crate) job: Job,
}

impl Row {
    pub(crate) fn read(work: Work) -> Result<Self, RetrievalError> {
        Ok(Self { job: read_doc(&work)?, work })
    }

    /// Token of a ledger entry that stands once for this attempt and number.
    pub(crate) fn token_of(&self, what: &str, number: u32) -> String {
        format!("{what}:{}:{}:{number}", self.work.id, self.job.attempt)
    }

    /// Puts it in another state.
    pub(crate) fn set(&mut self, state: JobState) {
        self.work.state = self.job.state_name(state);
    }

    /// The same in another state, due then; the lease is given back.
    pub(crate) fn to(mut self, state: JobState, due_at: Option<jiff::Timestamp>) -> Self {
        self.set(state);
        (self.work.due_at, self.work.lease) = (due_at, None);
        self
    }
}

impl Job {
    /// Takes over what a plan says of it.
    pub(crate) fn adopt(&mut self, plan: &Plan, item: &PlanItem) {
        self.plan = Some(plan.plan_id.clone());
        self.storage_class.clone_from(&item.storage_class);
        self.speed = item.chosen;
        self.raise = item.chosen.is_some() && matches!(item.availability, Availability::Rehydrating { .. });
        self.keep_days = plan.body.keep_days;
        self.deadline = Some(plan.body.deadline);
        (self.expected_ms, self.worst_ms) = times_of(item, item.chosen);
        (self.expected_at, self.worst_at) = (item.expected_at, item.worst_at);
    }

    /// Begins anew; without a plan nothing is asked for.
    pub(crate) fn begin(&mut self, plan: Option<PlanId>, by: &Agent, copy_to: Option<PathBuf>, desk: &str) {
        if plan.is_none() {
            // What another plan proposed, nobody approved.
            (self.plan, self.speed, self.raise) = (None, None, false);
            (self.expected_ms, self.worst_ms, self.expected_at, self.worst_at) = (None, None, None, None);
        }
        self.started_by = plan;
        self.desk = Some(desk.to_owned());
        self.approved_by = Some(by.clone());
        self.copy_to = copy_to;
        self.attempt += 1;
        (self.asked, self.downloads, self.faults, self.gone, self.done_bytes) = (0, 0, 0, 0, 0);
        self.requested_at = None;
        (self.measured, self.report, self.verified_at) = (None, None, None);
        (self.file, self.stamp, self.aside, self.copied) = (None, None, None, None);
        (self.problem, self.intent, self.available_until, self.cancelled_by) = (None, None, None, None);
        self.remarks.clear();
    }

    /// A copy left the desk.
    pub(crate) fn was_copied(&mut self, to: PathBuf) {
        self.copied = Some(to);
        self.copies += 1;
    }

    pub(crate) fn into_work(self, state: JobState, due_at: Option<Timestamp>) -> Result<Work, RetrievalError> {
        let id = job_id(&self.matter, &self.archive_id);
        let doc = write_doc(&id, &self)?;
        let mut work = Work::new(WorkKind::Retrieval, id, self.state_name(state), doc).of(self.matter.as_str());
        work.due_at = due_at;
        Ok(work)
    }

    /// A state as it stands in the row. It names the desk where only that one may go on, so that only that one claims it.
    pub(crate) fn state_name(&self, state: JobState) -> String {
        match &self.desk {
            Some(desk) if state.is_at_a_desk() => format!("{}@{desk}", state.as_str()),
            _ => state.as_str().to_owned(),
        }
    }

    /// Name of its file at the desk: exhibit and archive id, never the source's own name.
    pub(crate) fn file_name(&self) -> String {
        format!("{}_{}.{}", self.exhibit, self.archive_id, self.ext)
    }
}

/// A job for people and shells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobView {
    /// Where it is.
    pub state: JobState,
    /// Everything else that is kept.
    pub job: Job,
    /// When something can next happen, while something can.
    pub due_at: Option<Timestamp>,
    /// The verified file at the desk, for one that is verified.
    pub path: Option<PathBuf>,
    /// SHA-256 of what was downloaded.
    pub sha256: Option<Sha256Digest>,
    /// The desk that it is, or was, brought to, where that is another one.
    pub elsewhere: Option<String>,
}

impl JobView {
    pub(crate) fn of(desk: &Desk, work: &Work) -> Result<Self, RetrievalError> {
        let job: Job = read_doc(work)?;
        let state = JobState::parse(&work.state).ok_or_else(|| RetrievalError::Damaged {
            what: work.id.clone(),
            detail: format!("it has the unknown state {:?}", work.state),
        })?;
        let elsewhere = desk.elsewhere(&job).cloned();
        let path = job.file.as_ref().filter(|_| state == JobState::Verified && elsewhere.is_none());
        Ok(Self {
            path: path.map(|name| desk.matter_folder(&job.matter).join(name)),
            sha256: job.measured.as_ref().map(|f| f.digest),
            due_at: work.due_at.filter(|_| !state.is_final()),
            elsewhere,
            state,
            job,
        })
    }
}

impl Desk {
    /// Where a matter's verified files lie.
    pub(crate) fn matter_folder(&self, matter: &MatterId) -> PathBuf {
        self.parts().folder.join(matter.as_str())
    }

    /// The desk that a job belongs to, where it is not this one.
    pub(crate) fn elsewhere<'a>(&self, job: &'a Job) -> Option<&'a String> {
        job.desk.as_ref().filter(|desk| **desk != self.inner.desk)
    }

    /// The names of states, as they stand in rows now, whose state is one of those wanted.
    pub(crate) async fn state_names(
        &self,
        matter: Option<&MatterId>,
        wanted: impl Fn(JobState) -> bool,
    ) -> Result<Vec<String>, RetrievalError> {
        let counts = self.parts().work.counts(WorkKind::Retrieval, matter.map(MatterId::as_str)).await?;
        Ok(counts.into_keys().filter(|name| JobState::parse(name).is_some_and(&wanted)).collect())
    }

    /// The rows in one of the wanted states.
    pub(crate) async fn job_rows(
        &self,
        matter: Option<&MatterId>,
        wanted: impl Fn(JobState) -> bool,
    ) -> Result<Vec<Work>, RetrievalError> {
        let names = self.state_names(matter, wanted).await?;
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        self.all_work(WorkKind::Retrieval, matter.map(MatterId::as_str), &names).await
    }

    pub(crate) fn new_job(&self, matter: &Matter, row: holdfast_index::IndexRow) -> Result<Job, RetrievalError> {
        let id = &row.archive_id;
        let item = matter
            .item(id)
            .ok_or_else(|| RetrievalError::NotInMatter { archive_id: id.clone(), matter: matter.matter_id.clone() })?;
        Ok(self.job_of(&matter.matter_id, item.exhibit.clone(), row))
    }

    pub(crate) fn job_of(&self, matter: &MatterId, exhibit: String, row: holdfast_index::IndexRow) -> Job {
        Job {
            storage_class: row.storage_class_now().to_owned(),
            archive_id: row.archive_id,
            matter: matter.clone(),
            exhibit,
            ext: extension(row.locator.key.as_str()),
            fixity: row.fixity,
            locator: row.locator,
            plan: None,
            speed: None,
            keep_days: self.parts().settings.keep_days,
            expected_ms: None,
            worst_ms: None,
            approved_by: None,
            expected_at: None,
            worst_at: None,
            available_until: None,
            done_bytes: 0,
            measured: None,
            report: None,
            verified_at: None,
            file: None,
            stamp: None,
            aside: None,
            desk: None,
            deadline: None,
            requested_at: None,
            copy_to: None,
            copied: None,
            copies: 0,
            problem: None,
            remarks: Vec::new(),
            started_by: None,
            attempt: 0,
            asked: 0,
            gone: 0,
            downloads: 0,
            faults: 0,
            raise: false,
            cancelled_by: None,
            intent: None,
        }
    }

    /// The jobs of a matter, or of all; `all` also gives those that are done.
    ///
    /// # Errors
    /// What the work store says.
    pub async fn jobs(&self, matter: Option<&MatterId>, all: bool) -> Result<Vec<JobView>, RetrievalError> {
        let works = self.job_rows(matter, |s| all || !s.is_final()).await?;
        works.iter().map(|w| JobView::of(self, w)).collect()
    }

    /// One job.
    ///
    /// # Errors
    /// What the work store says.
    pub async fn job(&self, matter: &MatterId, id: &ArchiveId) -> Result<Option<JobView>, RetrievalError> {
        let work = self.parts().work.get(WorkKind::Retrieval, &job_id(matter, id)).await?;
        work.as_ref().map(|w| JobView::of(self, w)).transpose()
    }
}

/// The ending of a key, where it is one that is safe in a file name.
fn extension(key: &str) -> String {
    Path::new(key)
        .extension()
        .and_then(|e| e.to_str())
        .filter(|e| (1..=8).contains(&e.len()) && e.bytes().all(|b| b.is_ascii_alphanumeric()))
        .map_or_else(|| "bin".to_owned(), str::to_ascii_lowercase)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endings_are_safe() {
        for (key, ext) in [("a/b.WAV", "wav"), ("a/b", "bin"), ("a/b.%2E", "bin"), ("a.b/c.toolongending", "bin")] {
            assert_eq!(extension(key), ext);
        }
    }

    #[test]
    fn states_have_one_name_each() {
        for state in JobState::ALL {
            assert_eq!(JobState::parse(state.as_str()), Some(state));
            assert_eq!(JobState::parse(&format!("{}@desk-7", state.as_str())), Some(state));
        }
    }
}
