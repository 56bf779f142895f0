use super::{Job, JobState, JobView, job_id};
use crate::{
    desk::{Desk, read_doc},
    error::RetrievalError,
    plans::{Again, Plan, PlanApproval, PlanState, chosen_items},
};
use holdfast_index::{UpdateOutcome, Work, WorkKind};
use holdfast_ledger::Agent;
use holdfast_model::{ArchiveId, MatterId, PlanId};
use std::{
    collections::{HashMap, HashSet},
    path::PathBuf,
};

/// What starting a retrieval did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Started {
    /// The plan that is followed; none where everything is online.
    pub plan: Option<PlanId>,
    /// Where each recording is now.
    pub jobs: Vec<JobView>,
}

impl Desk {
    /// Approves a plan (the matter's newest where none is named) and lets its recordings begin. Where everything is online no plan
    /// is needed. Calling it again begins nothing twice; recordings that failed or were cancelled begin again only where `only`
    /// names them, or with a new plan. Somebody must [`Desk::drive`] then.
    ///
    /// # Errors
    /// [`RetrievalError::PlanNeeded`], [`RetrievalError::PlanSuperseded`], [`RetrievalError::NoPlan`],
    /// [`RetrievalError::MatterClosed`], [`RetrievalError::MatterEmpty`], [`RetrievalError::NotInMatter`].
    pub async fn start(
        &self,
        matter: &MatterId,
        plan: Option<&PlanId>,
        only: Option<&[ArchiveId]>,
        copy_to: Option<PathBuf>,
        by: &Agent,
    ) -> Result<Started, RetrievalError> {
        let at_rest = self.matter(matter).await?;
        let ids = chosen_items(&at_rest, only)?;
        let plan = match plan {
            Some(id) => Some(self.plan(id).await?),
            None => self.newest_plan(matter).await?,
        };
        if let Some(other) = plan.as_ref().filter(|p| p.matter != *matter) {
            return Err(RetrievalError::NoPlan(format!("{} of matter {matter}", other.plan_id)));
        }
        let approval = PlanApproval {
            by: by.clone(),
            at: self.now(),
            only: only.map(<[_]>::to_vec),
            copy_to: copy_to.clone(),
            desk: Some(self.inner.desk.clone()),
        };
        if only.is_some() {
            self.take_over(matter, &ids, by).await?;
        }
        let covered = |p: &Plan| {
            let planned: HashSet<&ArchiveId> = p.body.items.iter().map(|i| &i.archive_id).collect();
            ids.iter().filter(|id| !planned.contains(id)).cloned().collect::<Vec<_>>()
        };
        let (followed, outside) = match plan {
            Some(p) if p.state == PlanState::Approved => {
                let again = if only.is_some() { Again::Yes } else { Again::No };
                self.start_jobs(&p, &approval, Some(&ids), again).await?;
                let outside = covered(&p);
                (Some(p.plan_id), outside)
            }
            Some(p) => {
                let p = self.approve(&p.plan_id, approval).await?;
                let outside = covered(&p);
                (Some(p.plan_id), outside)
            }
            None => (None, ids.clone()),
        };
        self.start_online(matter, &outside, only.is_some(), by, copy_to.as_ref()).await?;
        if let Some(folder) = &copy_to {
            self.copy_what_is_verified(matter, &ids, folder, by).await?;
        }
        self.hurry(matter).await?;
        let wanted: HashSet<&ArchiveId> = ids.iter().collect();
        let jobs = self.jobs(Some(matter), true).await?;
        Ok(Started { plan: followed, jobs: jobs.into_iter().filter(|j| wanted.contains(&j.job.archive_id)).collect() })
    }

    /// Lets recordings begin that no plan covers: those that can be read cost nothing to bring back.
    async fn start_online(
        &self,
        matter: &MatterId,
        ids: &[ArchiveId],
        again: bool,
        by: &Agent,
        copy_to: Option<&PathBuf>,
    ) -> Result<(), RetrievalError> {
        if ids.is_empty() {
            return Ok(());
        }
        let offline = self.count_offline(matter, ids).await?;
        if offline > 0 {
            return Err(RetrievalError::PlanNeeded { offline });
        }
        let at_rest = self.matter(matter).await?;
        let mut stored = self.jobs_by_id(matter).await?;
        let new: Vec<ArchiveId> = ids.iter().filter(|id| !stored.contains_key(&job_id(matter, id))).cloned().collect();
        let mut new_rows = self.rows(&new).await?.into_iter();
        let mut rows: Vec<Work> = Vec::new();
        for id in ids {
            let (mut job, rev, state) = match stored.remove(&job_id(matter, id)) {
                None => {
                    let row = new_rows.next().ok_or_else(|| RetrievalError::NoRecording(id.clone()))?;
                    (self.new_job(&at_rest, row)?, 0, JobState::Requested)
                }
                Some(work) => {
                    let state = JobState::parse(&work.state).unwrap_or(JobState::Requested);
                    (read_doc::<Job>(&work)?, work.rev, state)
                }
            };
            let begins = match state {
                JobState::Requested | JobState::Planned => true,
                JobState::Failed | JobState::Cancelled => again,
                JobState::Verified => again && self.elsewhere(&job).is_some(),
                _ => false,
            };
            if begins {
                job.begin(None, by, copy_to.cloned(), &self.inner.desk);
                let mut row = job.into_work(JobState::Approved, None)?;
                row.rev = rev;
                rows.push(row);
            }
        }
        for batch in rows.chunks(self.parts().work.max_updates()) {
            if let UpdateOutcome::Conflict { .. } = self.parts().work.update_many(batch.to_vec()).await? {
                return Err(RetrievalError::Contended(matter.to_string()));
            }
        }
        Ok(())
    }

    /// The matter's jobs under their ids.
    pub(crate) async fn jobs_by_id(&self, matter: &MatterId) -> Result<HashMap<String, Work>, RetrievalError> {
        let stored = self.all_work(WorkKind::Retrieval, Some(matter.as_str()), &[]).await?;
        Ok(stored.into_iter().map(|w| (w.id.clone(), w)).collect())
    }

    /// A person names recordings that another desk was to fetch, and that nobody is at now: they are taken from it.
    async fn take_over(&self, matter: &MatterId, ids: &[ArchiveId], by: &Agent) -> Result<(), RetrievalError> {
        let now = self.now();
        let mut stored = self.jobs_by_id(matter).await?;
        for id in ids {
            let Some(work) = stored.remove(&job_id(matter, id)) else { continue };
            let idle = work.lease.as_ref().is_none_or(|l| l.until <= now);
            let fetching = JobState::parse(&work.state).is_some_and(JobState::is_at_a_desk);
            if idle && fetching && self.elsewhere(&read_doc::<Job>(&work)?).is_some() {
                self.cancel_row(&work.id, by).await?;
            }
        }
        Ok(())
    }

    /// A person says go on: what waits for a repair or a better time is tried at once. What waits for its place in a limited lane
    /// goes on waiting.
    async fn hurry(&self, matter: &MatterId) -> Result<(), RetrievalError> {
        let now = self.now();
        for work in self.job_rows(Some(matter), |s| JobState::ACTIVE.contains(&s)).await? {
            let waits = |w: &Work, job: &Job| {
                w.lease.as_ref().is_none_or(|l| l.until <= now)
                    && w.due_at.is_some_and(|due| due > now)
                    && job.problem.as_ref().is_some_and(|p| p.code != super::turn::LANE_BUSY)
            };
            if !waits(&work, &read_doc(&work)?) {
                continue;
            }
            self.change(WorkKind::Retrieval, &work.id, |work, job: &mut Job| {
                if !waits(work, job) {
                    return Ok(false);
                }
                (work.due_at, job.faults) = (None, 0);
                Ok(true)
            })
            .await?;
        }
        Ok(())
    }

    async fn copy_what_is_verified(
        &self,
        matter: &MatterId,
        ids: &[ArchiveId],
        folder: &std::path::Path,
        by: &Agent,
    ) -> Result<(), RetrievalError> {
        let mut stored = self.jobs_by_id(matter).await?;
        for id in ids {
            let Some(work) = stored.remove(&job_id(matter, id)) else { continue };
            let state = JobState::parse(&work.state);
            if state.is_some_and(|s| JobState::ACTIVE.contains(&s)) {
                // On its way already: it is copied there too once it is verified.
                self.amend(&work.id, |job| job.copy_to = Some(folder.to_owned())).await?;
            }
            if state != Some(JobState::Verified) {
                continue;
            }
            let job: Job = read_doc(&work)?;
            if self.elsewhere(&job).is_some() {
                continue;
            }
            self.check_desk_copy(&job, &work).await?;
            let copied = self.hand_out(&job, folder, by).await??;
            self.change(WorkKind::Retrieval, &work.id, |_, doc: &mut Job| {
                doc.was_copied(copied.clone());
                Ok(true)
            })
            .await?;
        }
        Ok(())
    }

    /// Stops the retrieval of one recording. What was downloaded so far is kept for a later attempt. Nothing happens to one that is
    /// done.
    ///
    /// # Errors
    /// [`RetrievalError::NotInMatter`] where there is no such job.
    pub async fn cancel(&self, matter: &MatterId, id: &ArchiveId, by: &Agent) -> Result<JobView, RetrievalError> {
        let row = self.cancel_row(&job_id(matter, id), by).await?;
        let work = row.ok_or_else(|| RetrievalError::NotInMatter { archive_id: id.clone(), matter: matter.clone() })?;
        JobView::of(self, &work)
    }

    /// Stops all retrievals of a matter that are not done; how many.
    ///
    /// # Errors
    /// What the work store says.
    pub async fn cancel_all(&self, matter: &MatterId, by: &Agent) -> Result<u32, RetrievalError> {
        let mut stopped = 0;
        for job in self.jobs(Some(matter), false).await? {
            self.cancel_row(&job_id(matter, &job.job.archive_id), by).await?;
            stopped += 1;
        }
        Ok(stopped)
    }
}
