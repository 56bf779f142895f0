//! Plans as they are kept: made, superseded by newer ones, approved once.

use crate::{
    desk::{CAS_ATTEMPTS, Desk, draft, passed, read_doc, told, write_doc},
    error::RetrievalError,
    job::{Job, JobState, job_id},
    matter::Matter,
    plan::{Choice, PlanBody, PlanInput, PlanItem, Terms, plan},
};
use holdfast_index::{CreateOutcome, IndexRow, UpdateOutcome, Work, WorkKind};
use holdfast_ledger::{Action, Agent, EventOutcome, Phase};
use holdfast_model::{ArchiveId, Availability, MatterId, ObjectLocator, PlanId, RehydrationSpeed, Sha256Digest};
use holdfast_store::RehydrationOption;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, HashSet};

/// Being noted in the ledger; being approved; the three that rest.
const PROPOSING: &str = "proposing";
const APPROVING: &str = "approving";
const PROPOSED: &str = "proposed";
const APPROVED: &str = "approved";
const SUPERSEDED: &str = "superseded";

/// Where a plan stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PlanState {
    /// Waits for approval.
    Proposed,
    /// Approved; what it says is being done.
    Approved,
    /// A newer plan stands.
    Superseded,
}

/// A plan of a matter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Id: the matter's, and the number of the plan.
    pub plan_id: PlanId,
    /// Matter.
    pub matter: MatterId,
    /// Who asked for it.
    pub made_by: Agent,
    /// What it says.
    pub body: PlanBody,
    /// Who approved it and when, where somebody did.
    pub approval: Option<PlanApproval>,
    /// Where it stands; kept as the row's state.
    #[serde(skip, default = "proposed")]
    pub state: PlanState,
}

fn proposed() -> PlanState {
    PlanState::Proposed
}

/// Somebody agreed to a plan's cost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanApproval {
    /// Who.
    pub by: Agent,
    /// When.
    pub at: Timestamp,
    /// What was to be started with it; all where none.
    pub only: Option<Vec<ArchiveId>>,
    /// Folder that verified files are copied to, where one was named.
    pub copy_to: Option<std::path::PathBuf>,
    /// The desk that asked, to which the bytes go; none in rows of older versions.
    #[serde(default)]
    pub desk: Option<String>,
}

/// Whether recordings that failed or were cancelled begin again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Again {
    /// They don't.
    No,
    /// With a new plan, so that settling its approval twice does not begin them twice.
    OncePerPlan,
    /// A person named them.
    Yes,
}

/// What to plan.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PlanRequest {
    /// Other than the matter's.
    pub deadline: Option<Timestamp>,
    /// Only these of its recordings.
    pub only: Option<Vec<ArchiveId>>,
    /// How speeds are chosen.
    pub choice: Choice,
}

impl Desk {
    /// Makes a plan and supersedes earlier ones that were not approved. Nothing is spent.
    ///
    /// # Errors
    /// [`RetrievalError::MatterEmpty`], [`RetrievalError::MatterClosed`], [`RetrievalError::NotInMatter`].
    pub async fn make_plan(&self, matter: &MatterId, request: PlanRequest, by: &Agent) -> Result<Plan, RetrievalError> {
        let matter = self.matter(matter).await?;
        let ids = chosen_items(&matter, request.only.as_deref())?;
        let inputs = self.plan_inputs(&matter.matter_id, &ids).await?;
        let deadline = request.deadline.unwrap_or(matter.deadline);
        let body = plan(
            &inputs,
            Terms {
                deadline,
                now: self.now(),
                keep_days: self.parts().settings.keep_days,
                choice: request.choice,
                lanes: self.busy_lanes(&inputs).await?,
            },
            &self.parts().prices,
        );
        let mut number = 1 + self.plans_made(&matter.matter_id).await?;
        loop {
            let text = format!("{}-P{number}", matter.matter_id);
            let plan_id: PlanId = text.parse().map_err(|e: holdfast_model::InvalidId| RetrievalError::Damaged {
                what: text.clone(),
                detail: e.to_string(),
            })?;
            let made = Plan {
                plan_id: plan_id.clone(),
                matter: matter.matter_id.clone(),
                made_by: by.clone(),
                body: body.clone(),
                approval: None,
                state: PlanState::Proposed,
            };
            let work = Work::new(WorkKind::Plan, plan_id.as_str(), PROPOSING, write_doc(plan_id.as_str(), &made)?)
                .of(matter.matter_id.as_str());
            match self.parts().work.create(work).await? {
                CreateOutcome::Created(work) => {
                    passed("retrieval.plan_noted")?;
                    self.settle_proposing(work).await?;
                    return Ok(made);
                }
                CreateOutcome::Exists(_) => number += 1,
            }
        }
    }

    /// One plan.
    ///
    /// # Errors
    /// [`RetrievalError::NoPlan`].
    pub async fn plan(&self, id: &PlanId) -> Result<Plan, RetrievalError> {
        let work = self.parts().work.get(WorkKind::Plan, id.as_str()).await?.filter(|w| w.state != PROPOSING);
        read_plan(&work.ok_or_else(|| RetrievalError::NoPlan(id.to_string()))?)
    }

    /// The newest plan of a matter.
    ///
    /// # Errors
    /// What the work store says.
    pub async fn newest_plan(&self, matter: &MatterId) -> Result<Option<Plan>, RetrievalError> {
        // Plans are numbered without gaps, and one of 10,000 recordings is megabytes: the others are not read.
        let mut number = self.plans_made(matter).await?;
        let mut newest = None;
        while let Some(work) = self.plan_numbered(matter, number + 1).await? {
            (number, newest) = (number + 1, Some(work));
        }
        loop {
            if let Some(work) = newest.filter(|w| w.state != PROPOSING) {
                return read_plan(&work).map(Some);
            }
            if number == 0 {
                return Ok(None);
            }
            newest = self.plan_numbered(matter, number).await?;
            number -= 1;
        }
    }

    /// About how many plans of a matter there are; others may be being made.
    async fn plans_made(&self, matter: &MatterId) -> Result<u64, RetrievalError> {
        Ok(self.parts().work.counts(WorkKind::Plan, Some(matter.as_str())).await?.values().sum())
    }

    async fn plan_numbered(&self, matter: &MatterId, number: u64) -> Result<Option<Work>, RetrievalError> {
        Ok(self.parts().work.get(WorkKind::Plan, &format!("{matter}-P{number}")).await?)
    }

    /// Approves a plan: from then on what it says is done by whoever drives. Approving an approved plan again changes nothing.
    ///
    /// # Errors
    /// [`RetrievalError::NoPlan`], [`RetrievalError::PlanSuperseded`], [`RetrievalError::MatterClosed`].
    pub(crate) async fn approve(&self, id: &PlanId, approval: PlanApproval) -> Result<Plan, RetrievalError> {
        let plan = self.plan(id).await?;
        let matter = self.matter(&plan.matter).await?;
        if !matter.is_open() {
            return Err(RetrievalError::MatterClosed(plan.matter));
        }
        let mut superseded = false;
        let work = self
            .change(WorkKind::Plan, id.as_str(), |work, doc: &mut Plan| {
                superseded = work.state == SUPERSEDED;
                if work.state != PROPOSED {
                    return Ok(false);
                }
                doc.approval = Some(approval.clone());
                APPROVING.clone_into(&mut work.state);
                Ok(true)
            })
            .await?
            .ok_or_else(|| RetrievalError::NoPlan(id.to_string()))?;
        if superseded {
            let newest = self.newest_plan(&plan.matter).await?.map_or_else(|| id.clone(), |p| p.plan_id);
            return Err(RetrievalError::PlanSuperseded { plan: id.clone(), newest });
        }
        passed("retrieval.approval_noted")?;
        if work.state == APPROVING {
            self.settle_approving(&work).await?;
        }
        self.plan(id).await
    }

    /// Ends what somebody began with plans and did not end.
    pub(crate) async fn settle_plans(&self) -> Result<(), RetrievalError> {
        for work in self.all_work(WorkKind::Plan, None, &[PROPOSING, APPROVING]).await? {
            let id = work.id.clone();
            let ended = match work.state.as_str() {
                PROPOSING => self.settle_proposing(work).await,
                _ => self.settle_approving(&work).await,
            };
            told("a plan", &id, ended);
        }
        Ok(())
    }

    /// Notes a plan in the ledger, makes rows for its recordings, and puts it in the place of earlier ones.
    async fn settle_proposing(&self, mut work: Work) -> Result<(), RetrievalError> {
        let plan = read_plan(&work)?;
        let t = &plan.body.totals;
        let draft = draft(Action::Plan, Phase::Fact, &plan.made_by, &plan.matter, None)
            .outcome(EventOutcome::Succeeded)
            .detail("plan", plan.plan_id.as_str())
            .detail("plan_sha256", digest_of(&plan.body)?)
            .detail("deadline", plan.body.deadline.to_string())
            .detail("recordings", t.items.to_string())
            .detail("to_rehydrate", t.to_rehydrate.to_string())
            .detail("cannot_meet", t.cannot_meet.to_string())
            .detail("cost", format!("{} {}", t.cost, t.currency))
            .detail("prices_dated", &plan.body.prices_dated)
            .once(format!("plan:{}", plan.plan_id));
        self.note(draft).await?;
        passed("retrieval.plan_recorded")?;
        self.plan_jobs(&plan).await?;
        for _ in 0..CAS_ATTEMPTS {
            let older = self.all_work(WorkKind::Plan, Some(plan.matter.as_str()), &[PROPOSED]).await?;
            let mut rows: Vec<Work> = older
                .into_iter()
                .filter(|w| number_of(&w.id) < number_of(&work.id))
                .map(|w| Work { state: SUPERSEDED.into(), ..w })
                .take(self.parts().work.max_updates() - 1)
                .collect();
            rows.push(Work { state: PROPOSED.into(), ..work.clone() });
            if let UpdateOutcome::Updated(_) = self.parts().work.update_many(rows).await? {
                return Ok(());
            }
            match self.parts().work.get(WorkKind::Plan, &work.id).await? {
                Some(now) if now.state == PROPOSING => work = now,
                _ => return Ok(()), // somebody else ended it
            }
        }
        Err(RetrievalError::Contended(work.id))
    }

    async fn settle_approving(&self, work: &Work) -> Result<(), RetrievalError> {
        let plan = read_plan(work)?;
        let Some(approval) = &plan.approval else { return Ok(()) };
        let t = &plan.body.totals;
        let draft = draft(Action::Approval, Phase::Fact, &approval.by, &plan.matter, None)
            .outcome(EventOutcome::Succeeded)
            .detail("plan", plan.plan_id.as_str())
            .detail("plan_sha256", digest_of(&plan.body)?)
            .detail("cost", format!("{} {}", t.cost, t.currency))
            .detail("cannot_meet", t.cannot_meet.to_string())
            .once(format!("approval:{}", plan.plan_id));
        self.note(draft).await?;
        passed("retrieval.approval_recorded")?;
        self.start_jobs(&plan, approval, approval.only.as_deref(), Again::OncePerPlan).await?;
        passed("retrieval.jobs_approved")?;
        self.change(WorkKind::Plan, work.id.as_str(), |work, _: &mut Plan| {
            let begun = work.state == APPROVING;
            APPROVED.clone_into(&mut work.state);
            Ok(begun)
        })
        .await?;
        Ok(())
    }

    /// Rows for the recordings of a plan, in state `planned`; those under way or at the desk are left alone.
    async fn plan_jobs(&self, plan: &Plan) -> Result<(), RetrievalError> {
        let matter = self.matter(&plan.matter).await?;
        let exhibits: HashMap<&ArchiveId, &String> = matter.items.iter().map(|i| (&i.archive_id, &i.exhibit)).collect();
        let mut stored = self.jobs_by_id(&plan.matter).await?;
        for batch in plan.body.items.chunks(self.parts().work.max_updates()) {
            let mut waiting = Vec::new();
            let mut new = Vec::new();
            for item in batch {
                match stored.remove(&job_id(&plan.matter, &item.archive_id)) {
                    Some(there) => waiting.extend(adopted(there, plan, item)?),
                    None => new.push(item),
                }
            }
            if !new.is_empty() {
                let ids: Vec<ArchiveId> = new.iter().map(|i| i.archive_id.clone()).collect();
                let mut rows = Vec::with_capacity(new.len());
                for (row, item) in self.rows(&ids).await?.into_iter().zip(&new) {
                    let exhibit = exhibits.get(&row.archive_id).ok_or_else(|| RetrievalError::NotInMatter {
                        archive_id: row.archive_id.clone(),
                        matter: matter.matter_id.clone(),
                    })?;
                    let mut job = self.job_of(&matter.matter_id, (*exhibit).clone(), row);
                    job.adopt(plan, item);
                    rows.push(job.into_work(JobState::Planned, None)?);
                }
                for (outcome, item) in self.parts().work.create_many(rows).await?.into_iter().zip(&new) {
                    if let CreateOutcome::Exists(there) = outcome {
                        waiting.extend(adopted(there, plan, item)?);
                    }
                }
            }
            if waiting.is_empty() {
                continue;
            }
            if let UpdateOutcome::Updated(_) = self.parts().work.update_many(waiting.clone()).await? {
                continue;
            }
            // Somebody was quicker with one of them, which then has a newer plan or is under way: the others one by one.
            for row in waiting {
                self.parts().work.update(row).await?;
            }
        }
        Ok(())
    }

    /// Lets the recordings of an approved plan begin.
    pub(crate) async fn start_jobs(
        &self,
        plan: &Plan,
        approval: &PlanApproval,
        only: Option<&[ArchiveId]>,
        again: Again,
    ) -> Result<(), RetrievalError> {
        let matter = self.matter(&plan.matter).await?;
        let wanted: Option<HashSet<&ArchiveId>> = only.map(|ids| ids.iter().collect());
        let items = plan.body.items.iter().filter(|i| wanted.as_ref().is_none_or(|w| w.contains(&i.archive_id)));
        let mut stored = self.jobs_by_id(&plan.matter).await?;
        for batch in items.collect::<Vec<&PlanItem>>().chunks(self.parts().work.max_updates()) {
            let mut rows = Vec::with_capacity(batch.len());
            for item in batch {
                let there = stored.remove(&job_id(&plan.matter, &item.archive_id));
                let (mut job, work) = match there {
                    None => (self.new_job(&matter, self.row(&item.archive_id).await?)?, None),
                    Some(work) => (read_doc::<Job>(&work)?, Some(work)),
                };
                let state = work.as_ref().and_then(|w| JobState::parse(&w.state)).unwrap_or(JobState::Requested);
                let begins = match state {
                    JobState::Requested | JobState::Planned => true,
                    JobState::Failed | JobState::Cancelled => match again {
                        Again::No => false,
                        Again::OncePerPlan => job.started_by.as_ref() != Some(&plan.plan_id),
                        Again::Yes => true,
                    },
                    JobState::Verified => again == Again::Yes && self.elsewhere(&job).is_some(),
                    _ => false,
                };
                if !begins {
                    continue;
                }
                job.adopt(plan, item);
                let desk = approval.desk.as_ref().unwrap_or(&self.inner.desk);
                job.begin(Some(plan.plan_id.clone()), &approval.by, approval.copy_to.clone(), desk);
                let not_before = approval
                    .at
                    .saturating_add(jiff::SignedDuration::from_millis(i64::try_from(item.wait_ms).unwrap_or(i64::MAX)));
                let due = (item.wait_ms > 0).then(|| not_before.unwrap_or(approval.at));
                let mut row = job.into_work(JobState::Approved, due)?;
                row.rev = work.map_or(0, |w| w.rev);
                rows.push(row);
            }
            // A conflict means that somebody else settles the same plan; what they leave is found on the next pass.
            if let UpdateOutcome::Conflict { .. } = self.parts().work.update_many(rows).await? {
                return Err(RetrievalError::Contended(plan.plan_id.to_string()));
            }
        }
        Ok(())
    }

    /// The facts of a plan: the index says what each recording is, the storage where it lies now.
    async fn plan_inputs(&self, matter: &MatterId, ids: &[ArchiveId]) -> Result<Vec<PlanInput>, RetrievalError> {
        let jobs = self.all_work(WorkKind::Retrieval, Some(matter.as_str()), &[JobState::Verified.as_str()]).await?;
        let mut at_desk: HashSet<String> = HashSet::new();
        for work in jobs {
            if self.elsewhere(&read_doc::<Job>(&work)?).is_none() {
                at_desk.insert(work.id);
            }
        }
        let store = &self.parts().store;
        let can_raise = store.reader.capabilities().raise_speed;
        let mut by_class: HashMap<String, (Vec<RehydrationOption>, bool)> = HashMap::new();
        let mut rows = self.rows(ids).await?;
        let missing = self.ask_states(&mut rows).await?;
        let input = |row: IndexRow| {
            let state = row.state();
            let (offered, moves) = by_class.entry(state.storage_class.clone()).or_insert_with_key(|class| {
                store.rehydrator.as_ref().map(|r| (r.options(class), r.moves(class))).unwrap_or_default()
            });
            PlanInput {
                at_desk: at_desk.contains(&job_id(matter, &row.archive_id)),
                missing: missing.contains(&row.locator),
                archive_id: row.archive_id,
                size_bytes: row.fixity.size_bytes,
                tier: state.tier,
                storage_class: state.storage_class,
                availability: state.availability,
                offered: offered.clone(),
                can_raise,
                stored_at: Some(row.ingested_at),
                moves: *moves,
            }
        };
        Ok(rows.into_iter().map(input).collect())
    }

    /// What the store says now: lifecycle rules move recordings, and the index only knows what was last seen. All are asked for
    /// together, so that the store can list them. Answers with those that it does not have.
    async fn ask_states(&self, rows: &mut [IndexRow]) -> Result<HashSet<ObjectLocator>, RetrievalError> {
        let mut missing = HashSet::new();
        let Some(rehydrator) = &self.parts().store.rehydrator else { return Ok(missing) };
        let at: Vec<ObjectLocator> = rows.iter().map(|row| row.locator.clone()).collect();
        let mut changed = Vec::new();
        for (row, now) in rows.iter_mut().zip(rehydrator.status(&at).await?) {
            match now {
                None => {
                    tracing::warn!(object = %row.locator, "the storage does not have an object of a plan");
                    missing.insert(row.locator.clone());
                }
                Some(now) if row.state() != now => {
                    changed.push((row.archive_id.clone(), now.clone()));
                    row.set_state(now);
                }
                Some(_) => {}
            }
        }
        self.tell_index(&changed).await;
        Ok(missing)
    }

    /// How many of these recordings can't be read now.
    pub(crate) async fn count_offline(&self, matter: &MatterId, ids: &[ArchiveId]) -> Result<usize, RetrievalError> {
        let now = self.now();
        let inputs = self.plan_inputs(matter, ids).await?;
        let offline = |i: &&PlanInput| !i.at_desk && !i.availability.is_online_at(now);
        Ok(inputs
            .iter()
            .filter(offline)
            .filter(|i| !matches!(i.availability, Availability::Rehydrating { .. }))
            .count())
    }
}

/// The matter's recordings, or those of them that were asked for.
pub(crate) fn chosen_items(matter: &Matter, only: Option<&[ArchiveId]>) -> Result<Vec<ArchiveId>, RetrievalError> {
    if !matter.is_open() {
        return Err(RetrievalError::MatterClosed(matter.matter_id.clone()));
    }
    let Some(only) = only else {
        if matter.items.is_empty() {
            return Err(RetrievalError::MatterEmpty(matter.matter_id.clone()));
        }
        return Ok(matter.items.iter().map(|i| i.archive_id.clone()).collect());
    };
    let known: HashSet<&ArchiveId> = matter.items.iter().map(|i| &i.archive_id).collect();
    let mut seen = HashSet::new();
    only.iter()
        .filter(|id| seen.insert(*id))
        .map(|id| match known.contains(id) {
            true => Ok(id.clone()),
            false => Err(RetrievalError::NotInMatter { archive_id: id.clone(), matter: matter.matter_id.clone() }),
        })
        .collect()
}

/// The row of a recording that nobody brings back yet, as this plan has it; none for one that is under way or done.
fn adopted(there: Work, plan: &Plan, item: &PlanItem) -> Result<Option<Work>, RetrievalError> {
    let waits = [JobState::Requested, JobState::Planned].map(JobState::as_str);
    if !waits.contains(&there.state.as_str()) {
        return Ok(None);
    }
    let mut job: Job = read_doc(&there)?;
    job.adopt(plan, item);
    let doc = write_doc(&there.id, &job)?;
    Ok(Some(Work { state: JobState::Planned.as_str().into(), doc, ..there }))
}

fn read_plan(work: &Work) -> Result<Plan, RetrievalError> {
    let mut plan: Plan = read_doc(work)?;
    plan.state = match work.state.as_str() {
        APPROVED | APPROVING => PlanState::Approved,
        SUPERSEDED => PlanState::Superseded,
        _ => PlanState::Proposed,
    };
    Ok(plan)
}

fn number_of(plan_id: &str) -> u64 {
    plan_id.rsplit_once("-P").and_then(|(_, n)| n.parse().ok()).unwrap_or(0)
}

/// So that the ledger names exactly what was approved.
fn digest_of(body: &PlanBody) -> Result<String, RetrievalError> {
    let bytes = serde_json::to_vec(body)
        .map_err(|e| RetrievalError::Damaged { what: "the plan".into(), detail: e.to_string() })?;
    Ok(Sha256Digest::of(&bytes).to_hex())
}

/// The slowest and fastest times that a plan gave for an item, for countdowns.
pub(crate) fn times_of(item: &PlanItem, speed: Option<RehydrationSpeed>) -> (Option<u64>, Option<u64>) {
    let option = item.options.iter().find(|o| Some(o.speed) == speed);
    (option.map(|o| o.expected_ms), option.map(|o| o.worst_ms))
}
