use super::{Job, JobState, Problem, Row, rehydrate::concluding};
use crate::{
    desk::{CAS_ATTEMPTS, Desk, draft, passed, read_doc, told, write_doc},
    error::RetrievalError,
};
use futures_util::{FutureExt as _, StreamExt as _, future::BoxFuture, stream::FuturesUnordered};
use holdfast_index::{Claim, Lease, UpdateOutcome, Work, WorkKind};
use holdfast_ledger::{Action, Agent, EventDraft, EventOutcome, LedgerError, Phase};
use holdfast_model::{Cancel, Fault, FaultKind, MatterId, ProgressSink};
use jiff::{SignedDuration, Timestamp};
use std::{collections::BTreeMap, pin::pin, sync::atomic::Ordering, time::Duration};
use tokio::time::Instant;

/// Rows asked for, or looked at, in one go: what one call for their status covers.
const BATCH: usize = 1000;
/// Between two claims of what is to be asked for, while downloads go on.
const ASK_PAUSE: Duration = Duration::from_secs(5);
/// A row that was cancelled while an intent of it stands open; shown as cancelled.
pub(super) const CANCELLING: &str = "cancelling";
/// A clock this far behind a row's last change has gone back.
const CLOCK_BACK_MS: i64 = 5_000;

/// What one pass did and what is left.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DriveSummary {
    /// Rows that were worked on.
    pub worked_on: u32,
    /// How many are in each state now.
    pub states: BTreeMap<JobState, u64>,
    /// When something can next be done; none where nothing is left to do. In the past where another process has it in hand.
    pub next_due: Option<Timestamp>,
    /// How many of those that are not done only another desk can go on with.
    pub elsewhere: u64,
}

impl DriveSummary {
    /// How many are not done that this desk can do something about.
    #[must_use]
    pub fn active(&self) -> u64 {
        let all: u64 = JobState::ACTIVE.iter().filter_map(|s| self.states.get(s)).sum();
        all.saturating_sub(self.elsewhere)
    }
}

/// Downloads under way.
#[derive(Default)]
struct Fetches<'a>(FuturesUnordered<BoxFuture<'a, Result<(), RetrievalError>>>);

impl Fetches<'_> {
    /// Does something else while they go on.
    async fn beside<T>(&mut self, work: impl Future<Output = T>) -> Result<T, RetrievalError> {
        let mut work = pin!(work);
        loop {
            tokio::select! {
                done = &mut work => return Ok(done),
                Some(fetched) = self.0.next() => fetched?,
            }
        }
    }

    /// Waits for the next to end, or until then.
    async fn next_until(&mut self, at: Instant) -> Result<(), RetrievalError> {
        tokio::select! {
            Some(fetched) = self.0.next() => fetched,
            () = tokio::time::sleep_until(at) => Ok(()),
        }
    }

    async fn finish(mut self) -> Result<(), RetrievalError> {
        let mut all = Ok(());
        while let Some(fetched) = self.0.next().await {
            all = all.and(fetched);
        }
        all
    }
}

impl Desk {
    /// One pass over everything that is due, of one matter or all: ends changes that somebody began, asks, looks, downloads,
    /// verifies. Returns when nothing is due any more; call it again at `next_due`. Window, command line and server may all drive
    /// at once: each row is worked on by one of them.
    ///
    /// # Errors
    /// Where ledger or work store fail; what goes wrong with one recording is kept as its problem instead.
    pub async fn drive(
        &self,
        matter: Option<&MatterId>,
        progress: &dyn ProgressSink,
        cancel: &Cancel,
    ) -> Result<DriveSummary, RetrievalError> {
        self.settle_matters().await?;
        self.settle_plans().await?;
        self.settle_cancelled(matter).await?;
        self.settle_exports().await?;
        self.settle_verifications().await?;
        self.notice_clock().await?;
        let mut fetches = Fetches::default();
        let worked_on = self.work_off(matter, &mut fetches, progress, cancel).await;
        // What is under way comes to its end, or to where it was cancelled, whatever stands in the way of the rest.
        let fetched = fetches.finish().await;
        let worked_on = worked_on?;
        fetched?;
        self.summary(matter, worked_on).await
    }

    /// Asks, looks and fetches until nothing is due. Downloads, which may take hours, go on beside the asking: another matter's
    /// recordings wait for no one's.
    async fn work_off<'a>(
        &'a self,
        matter: Option<&MatterId>,
        fetches: &mut Fetches<'a>,
        progress: &'a dyn ProgressSink,
        cancel: &'a Cancel,
    ) -> Result<u32, RetrievalError> {
        let at_once = self.parts().settings.downloads_at_once.max(1);
        let fetchable = [JobState::Verifying, JobState::Downloading, JobState::Available];
        let mut worked_on = 0;
        let mut ask_at = Instant::now();
        while !cancel.is_cancelled() {
            let mut found = 0;
            let asked = Instant::now() >= ask_at || fetches.0.is_empty();
            if asked {
                found = fetches.beside(self.ask_and_look(matter)).await??;
                ask_at = Instant::now() + if found == 0 { ASK_PAUSE } else { Duration::ZERO };
            }
            // Free places are filled one by one, and each download begins as soon as it is claimed, under a fresh lease.
            while fetches.0.len() < at_once
                && let Some(row) = fetches.beside(self.claim(&fetchable, matter, 1)).await??.pop()
            {
                found += 1;
                fetches.0.push(self.fetch(row, progress, cancel).boxed());
            }
            worked_on += u32::try_from(found).unwrap_or(u32::MAX);
            if fetches.0.is_empty() {
                if asked && found == 0 {
                    break;
                }
            } else if found == 0 || fetches.0.len() == at_once {
                fetches.next_until(ask_at).await?;
            }
        }
        Ok(worked_on)
    }

    /// Asks for what is to be asked for and looks at what is on its way; how many there were.
    async fn ask_and_look(&self, matter: Option<&MatterId>) -> Result<usize, RetrievalError> {
        let to_ask = self.claim(&[JobState::Approved], matter, BATCH).await?;
        let to_poll = self.claim(&[JobState::Rehydrating], matter, BATCH).await?;
        let found = to_ask.len() + to_poll.len();
        if !to_ask.is_empty() {
            self.ask(to_ask).await?;
        }
        if !to_poll.is_empty() {
            self.poll(to_poll).await?;
        }
        Ok(found)
    }

    async fn summary(&self, matter: Option<&MatterId>, worked_on: u32) -> Result<DriveSummary, RetrievalError> {
        let counts = self.parts().work.counts(WorkKind::Retrieval, matter.map(MatterId::as_str)).await?;
        let mut summary = DriveSummary { worked_on, ..DriveSummary::default() };
        for (name, count) in counts {
            *summary.states.entry(JobState::parse(&name).unwrap_or(JobState::Cancelled)).or_default() += count;
        }
        if summary.active() > 0 {
            let now = self.now();
            let (rows, theirs): (Vec<Work>, Vec<Work>) =
                self.job_rows(matter, is_active).await?.into_iter().partition(|w| self.may_work_on(&w.state));
            let due =
                |w: &Work| w.lease.as_ref().filter(|l| l.until > now).map_or(w.due_at.unwrap_or(now), |l| l.until);
            summary.elsewhere = theirs.len() as u64;
            summary.next_due = rows.iter().map(due).min();
        }
        Ok(summary)
    }

    /// Whether a row in the state of this name is this desk's, or anybody's.
    fn may_work_on(&self, state: &str) -> bool {
        state.split_once('@').is_none_or(|(_, desk)| desk == self.inner.desk)
    }

    async fn claim(
        &self,
        states: &[JobState],
        matter: Option<&MatterId>,
        limit: usize,
    ) -> Result<Vec<Row>, RetrievalError> {
        let here = |s: &JobState| format!("{}@{}", s.as_str(), self.inner.desk);
        let here: Vec<String> = states.iter().filter(|s| s.is_at_a_desk()).map(here).collect();
        let states: Vec<&str> = states.iter().map(|s| s.as_str()).chain(here.iter().map(String::as_str)).collect();
        let claim = Claim {
            kind: WorkKind::Retrieval,
            states: &states,
            parent: matter.map(MatterId::as_str),
            owner: &self.inner.owner,
            lease_ms: self.parts().settings.lease_ms,
            limit,
        };
        let works = self.parts().work.claim(claim).await?;
        if !works.is_empty() {
            passed("retrieval.claimed")?;
        }
        works.into_iter().map(Row::read).collect()
    }

    /// Stores rows that moved on. One that somebody took over or cancelled meanwhile is left as they left it.
    pub(super) async fn save(&self, rows: Vec<Row>) -> Result<(), RetrievalError> {
        self.store_rows(rows).await?;
        Ok(())
    }

    /// Stores rows that are still worked on; gives back those that are still ours, with their new revision.
    pub(super) async fn keep(&self, mut rows: Vec<Row>) -> Result<Vec<Row>, RetrievalError> {
        let until = self.lease_end();
        for row in &mut rows {
            row.work.lease = Some(Lease { owner: self.inner.owner.clone(), until });
        }
        self.store_rows(rows).await
    }

    fn lease_end(&self) -> Timestamp {
        self.after_ms(self.parts().settings.lease_ms)
    }

    async fn store_rows(&self, rows: Vec<Row>) -> Result<Vec<Row>, RetrievalError> {
        let (mut rows, mut kept) = (rows.into_iter(), Vec::new());
        loop {
            let some: Vec<Row> = rows.by_ref().take(self.parts().work.max_updates()).collect();
            if some.is_empty() {
                return Ok(kept);
            }
            kept.extend(self.store_some(some).await?);
        }
    }

    async fn store_some(&self, mut rows: Vec<Row>) -> Result<Vec<Row>, RetrievalError> {
        for row in &mut rows {
            row.work.doc = write_doc(&row.work.id, &row.job)?;
        }
        while !rows.is_empty() {
            match self.parts().work.update_many(rows.iter().map(|r| r.work.clone()).collect()).await? {
                UpdateOutcome::Updated(revs) => {
                    rows.iter_mut().zip(revs).for_each(|(row, rev)| row.work.rev = rev);
                    return Ok(rows);
                }
                UpdateOutcome::Conflict { at, .. } => {
                    let lost = rows.remove(at.min(rows.len() - 1));
                    tracing::info!(job = lost.work.id, "was taken over or cancelled");
                }
            }
        }
        Ok(rows)
    }

    /// Stores one row that is still worked on.
    pub(super) async fn keep_one(&self, row: &mut Row) -> Result<(), RetrievalError> {
        let kept = self.keep(vec![row.clone()]).await?.pop();
        *row = kept.ok_or_else(|| RetrievalError::LostLease(row.work.id.clone()))?;
        Ok(())
    }

    /// A passing fault: the rows stay where they are, say what is wrong, and come again later, ever more slowly.
    pub(super) async fn postpone(&self, rows: Vec<Row>, error: &dyn Fault) -> Result<(), RetrievalError> {
        tracing::warn!(code = error.code(), rows = rows.len(), "a step of a retrieval has to be tried again");
        let slow = matches!(error.kind(), FaultKind::Full | FaultKind::Throttled | FaultKind::Denied);
        self.put_off(rows, &Problem::of(error), slow).await
    }

    /// The same with words of its own. The pauses are not all alike, or all who were refused together would come again together.
    pub(super) async fn put_off(&self, rows: Vec<Row>, problem: &Problem, slow: bool) -> Result<(), RetrievalError> {
        let s = &self.parts().settings;
        let share = random_share();
        let mut later = Vec::with_capacity(rows.len());
        for mut row in rows {
            row.job.faults = row.job.faults.saturating_add(1);
            row.job.problem = Some(problem.clone());
            let base = if slow { 10 * s.poll_min_ms } else { s.poll_min_ms };
            let pause = base.saturating_mul(1 << row.job.faults.min(20)).min(s.poll_max_ms.max(base));
            let pause = pause / 4 * 3 + (pause / 4).saturating_mul(share) / 256;
            let state = JobState::parse(&row.work.state).unwrap_or(JobState::Approved);
            later.push(row.to(state, Some(self.after_ms(pause))));
        }
        self.save(later).await
    }

    /// So many milliseconds from now.
    pub(super) fn after_ms(&self, ms: u64) -> Timestamp {
        let by = SignedDuration::from_millis(i64::try_from(ms).unwrap_or(i64::MAX));
        self.now().saturating_add(by).unwrap_or(Timestamp::MAX)
    }

    /// Appends outcomes. An intent that another process concluded otherwise in the meantime keeps that outcome and gets this one
    /// as well: both are true.
    pub(crate) async fn conclude(&self, drafts: Vec<EventDraft>) -> Result<(), RetrievalError> {
        match self.parts().ledger.append(drafts.clone()).await {
            Ok(_) => Ok(()),
            Err(LedgerError::TokenReused { .. }) => {
                for mut draft in drafts {
                    let again = self.parts().ledger.append(vec![draft.clone()]).await;
                    if matches!(again, Err(LedgerError::TokenReused { .. })) {
                        draft.idempotency = draft.idempotency.map(|t| format!("{t}:{:?}", draft.outcome));
                        self.note(draft).await?;
                    } else {
                        again?;
                    }
                }
                Ok(())
            }
            Err(e) => Err(e.into()),
        }
    }

    /// Cancels a row, whoever works on it: their next write finds that it changed.
    pub(super) async fn cancel_row(&self, id: &str, by: &Agent) -> Result<Option<Work>, RetrievalError> {
        let mut open = false;
        let work = self
            .change(WorkKind::Retrieval, id, |work, job: &mut Job| {
                if JobState::parse(&work.state).is_none_or(JobState::is_final) {
                    return Ok(false);
                }
                job.cancelled_by = Some(by.clone());
                open = job.intent.is_some();
                (work.due_at, work.lease) = (None, None);
                if open { CANCELLING } else { JobState::Cancelled.as_str() }.clone_into(&mut work.state);
                Ok(true)
            })
            .await?;
        passed("retrieval.cancelled")?;
        match work {
            Some(work) if open => {
                self.settle_cancelling(work).await?;
                Ok(self.parts().work.get(WorkKind::Retrieval, id).await?)
            }
            other => Ok(other),
        }
    }

    async fn settle_cancelled(&self, matter: Option<&MatterId>) -> Result<(), RetrievalError> {
        for work in self.all_work(WorkKind::Retrieval, matter.map(MatterId::as_str), &[CANCELLING]).await? {
            let id = work.id.clone();
            told("a cancellation", &id, self.settle_cancelling(work).await);
        }
        Ok(())
    }

    /// Concludes the intent that a cancelled row left open.
    async fn settle_cancelling(&self, work: Work) -> Result<(), RetrievalError> {
        let mut row = Row::read(work)?;
        if let Some(sequence) = row.job.intent {
            let intent = self.parts().ledger.entry(sequence).await?;
            let by = row.job.cancelled_by.clone().unwrap_or_else(|| self.agent());
            let mut outcome =
                draft(intent.event.action, Phase::Outcome, &by, &row.job.matter, Some(&row.job.archive_id))
                    .outcome(EventOutcome::Failed);
            outcome.subject = intent.event.subject;
            outcome.code = Some("retrieval.cancelled".into());
            let outcome = concluding(&mut row, outcome);
            self.conclude(vec![outcome]).await?;
        }
        self.save(vec![row.to(JobState::Cancelled, None)]).await
    }

    /// A clock that went back would make due times lie far ahead: rows that were changed "in the future" are due now. Looked for
    /// on the first pass and whenever the clock is behind the pass before.
    async fn notice_clock(&self) -> Result<(), RetrievalError> {
        let now = self.now();
        let before = self.inner.last_pass_ms.swap(now.as_millisecond(), Ordering::Relaxed);
        if before <= now.as_millisecond() {
            return Ok(());
        }
        let rows = self.job_rows(None, is_active).await?;
        for mut work in rows {
            let ahead = work.updated_at.as_millisecond() - now.as_millisecond() > CLOCK_BACK_MS;
            if ahead && work.due_at.is_some_and(|due| due > now) {
                tracing::warn!(job = work.id, "the clock went back; looking at it now");
                (work.due_at, work.lease) = (None, None);
                // Where somebody else was quicker it is in hand.
                self.parts().work.update(work).await?;
            }
        }
        Ok(())
    }

    /// The draft of an entry about a job's recording.
    pub(super) fn job_draft(&self, row: &Row, action: Action, phase: Phase) -> EventDraft {
        let job = &row.job;
        draft(action, phase, &self.agent(), &job.matter, Some(&job.archive_id))
            .object(&job.locator)
            .detail("exhibit", &job.exhibit)
    }

    /// Changes a job's row in any state, without a lease.
    pub(super) async fn amend(&self, id: &str, mut amend: impl FnMut(&mut Job) + Send) -> Result<(), RetrievalError> {
        for _ in 0..CAS_ATTEMPTS {
            let Some(mut work) = self.parts().work.get(WorkKind::Retrieval, id).await? else { return Ok(()) };
            let mut job: Job = read_doc(&work)?;
            amend(&mut job);
            work.doc = write_doc(id, &job)?;
            if self.parts().work.update(work).await?.rev().is_some() {
                return Ok(());
            }
        }
        Err(RetrievalError::Contended(id.to_owned()))
    }
}

fn is_active(state: JobState) -> bool {
    JobState::ACTIVE.contains(&state)
}

/// 0 to 255. Where the system gives no random numbers all pauses are alike, which does no harm but to the provider.
fn random_share() -> u64 {
    let mut random = [0; 1];
    getrandom::fill(&mut random).map_or(128, |()| u64::from(random[0]))
}
