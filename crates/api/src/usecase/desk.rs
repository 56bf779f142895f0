use super::archive::id;
use crate::{ApiError, Caller, Holdfast, dto::*, words};
use holdfast_model::{ArchiveId, MatterId, PlanId, RehydrationSpeed};
use holdfast_retrieval::{
    Choice, JobState, Matter, Money, NewMatter, Plan, PlanRequest as DeskPlanRequest, PlanState, RetrievalError,
};
use std::{
    collections::{BTreeMap, HashMap},
    path::PathBuf,
};

impl Holdfast {
    /// Opens a matter.
    ///
    /// # Errors
    /// `api.bad_time`, `retrieval.*`.
    pub async fn matter_create(&self, caller: &Caller, r: MatterCreateRequest) -> Result<MatterCreated, ApiError> {
        let new = NewMatter {
            deadline: words::time(&r.deadline, "deadline", true)?,
            name: r.name,
            reference: r.reference,
            justification: r.justification,
            requester: r.requester.filter(|s| !s.trim().is_empty()),
            idempotency: r.idempotency,
        };
        let matter_id = self.desk.create_matter(new, caller.agent()).await?;
        Ok(MatterCreated { matter_id: matter_id.to_string() })
    }

    /// Adds recordings to a matter.
    ///
    /// # Errors
    /// `api.nothing_named`, `api.bad_id`, `retrieval.*`.
    pub async fn matter_add(&self, caller: &Caller, r: MatterAddRequest) -> Result<MatterAdded, ApiError> {
        if r.ids.is_empty() {
            let next = "Select recordings, or name at least one by its id.";
            return Err(ApiError::usage("api.nothing_named", "no recording was named", next));
        }
        let added = self.desk.add_items(&id(&r.matter)?, &ids(&r.ids)?, caller.agent()).await?;
        Ok(MatterAdded { added: added.added, already: added.already })
    }

    /// All matters: open before closed, the next deadline first.
    ///
    /// # Errors
    /// `retrieval.*`.
    pub async fn matters(&self, _: &Caller, _: Nothing) -> Result<Vec<MatterView>, ApiError> {
        let mut matters = self.desk.matters().await?;
        matters.sort_by_key(|m| (!m.is_open(), m.deadline, m.matter_id.clone()));
        let mut out = Vec::with_capacity(matters.len());
        for m in &matters {
            let jobs = self.desk.jobs(Some(&m.matter_id), true).await?;
            out.push(matter_view(m, &jobs));
        }
        Ok(out)
    }

    /// A matter with its recordings, plan and packages.
    ///
    /// # Errors
    /// `retrieval.no_matter`, and what index and work store say.
    pub async fn matter(&self, _: &Caller, r: MatterRequest) -> Result<MatterDetail, ApiError> {
        let matter = self.desk.matter(&id(&r.matter)?).await?;
        let jobs = self.desk.jobs(Some(&matter.matter_id), true).await?;
        let view = matter_view(&matter, &jobs);
        let mut by_id: HashMap<ArchiveId, JobView> =
            jobs.iter().map(|j| (j.job.archive_id.clone(), job_view(j))).collect();
        let (now, mask) = (self.clock.now(), self.loaded.config.policy.mask_customers);
        let mut items = Vec::with_capacity(matter.items.len());
        for item in &matter.items {
            let row = self.row(item.archive_id.as_str()).await?;
            items.push(MatterItemView {
                recording: words::result_row(&row, now, mask),
                job: by_id.remove(&item.archive_id),
                exhibit: item.exhibit.clone(),
            });
        }
        let plan = self.desk.newest_plan(&matter.matter_id).await?;
        let mut exports = self.desk.exports(&matter.matter_id).await?;
        exports.retain(|e| e.report.is_some());
        Ok(MatterDetail {
            matter: view,
            items,
            plan: plan.as_ref().map(plan_view),
            exports: exports.iter().map(export_view).collect(),
        })
    }

    /// Closes a matter.
    ///
    /// # Errors
    /// `retrieval.*`; a reason is needed.
    pub async fn matter_close(&self, caller: &Caller, r: MatterCloseRequest) -> Result<MatterView, ApiError> {
        self.desk.close_matter(&id(&r.matter)?, &r.reason, r.release_holds, caller.agent()).await?;
        self.matter_view_of(&r.matter).await
    }

    /// Sets or lifts a matter's hold.
    ///
    /// # Errors
    /// `retrieval.*`; a reason is needed.
    pub async fn hold(&self, caller: &Caller, r: HoldRequest) -> Result<MatterView, ApiError> {
        let matter = id(&r.matter)?;
        if r.on {
            self.desk.hold(&matter, &r.reason, caller.agent()).await?;
        } else {
            self.desk.release_hold(&matter, &r.reason, caller.agent()).await?;
        }
        self.matter_view_of(&r.matter).await
    }

    async fn matter_view_of(&self, matter: &str) -> Result<MatterView, ApiError> {
        let matter = self.desk.matter(&id(matter)?).await?;
        let jobs = self.desk.jobs(Some(&matter.matter_id), true).await?;
        Ok(matter_view(&matter, &jobs))
    }

    /// Makes a plan; nothing is spent.
    ///
    /// # Errors
    /// `api.bad_*`, `retrieval.*`.
    pub async fn plan(&self, caller: &Caller, r: PlanRequest) -> Result<PlanView, ApiError> {
        let request = DeskPlanRequest {
            deadline: r.deadline.as_deref().map(|t| words::time(t, "deadline", true)).transpose()?,
            only: r.ids.as_deref().map(ids).transpose()?,
            choice: r.speed.as_deref().map(speed).transpose()?.map_or(Choice::Cheapest, Choice::Speed),
        };
        Ok(plan_view(&self.desk.make_plan(&id(&r.matter)?, request, caller.agent()).await?))
    }

    /// Approves a plan (the matter's newest; one is made where there is none) and starts it.
    ///
    /// # Errors
    /// `api.bad_id`, `retrieval.*`; `retrieval.deadline_refused` where no plan is named and some recording cannot make the deadline.
    pub async fn retrieve(&self, caller: &Caller, r: RetrieveRequest) -> Result<RetrieveResult, ApiError> {
        let matter: MatterId = id(&r.matter)?;
        let plan: Option<PlanId> = r.plan.as_deref().map(id).transpose()?;
        let only = r.ids.as_deref().map(ids).transpose()?;
        let to = r.to.map(PathBuf::from);
        // What misses the deadline is begun only where the plan that says so is named.
        if plan.is_none()
            && let Some(newest) = self.desk.newest_plan(&matter).await?.filter(|p| p.state == PlanState::Proposed)
        {
            in_time(&newest)?;
        }
        let begin = async |plan: Option<&PlanId>| {
            self.desk.start(&matter, plan, only.as_deref(), to.clone(), caller.agent()).await
        };
        let started = match begin(plan.as_ref()).await {
            // Whoever asks to retrieve approves; where nothing was planned yet, the plan is made now and stands on record.
            Err(RetrievalError::PlanNeeded { .. }) if plan.is_none() => {
                let request = DeskPlanRequest { only: only.clone(), ..DeskPlanRequest::default() };
                let made = self.desk.make_plan(&matter, request, caller.agent()).await?;
                in_time(&made)?;
                begin(Some(&made.plan_id)).await?
            }
            other => other?,
        };
        Ok(RetrieveResult { items: started.jobs.iter().map(job_view).collect() })
    }

    /// Recordings on their way back, the soonest first.
    ///
    /// # Errors
    /// `api.bad_id`, `retrieval.*`.
    pub async fn jobs(&self, _: &Caller, r: JobsRequest) -> Result<JobList, ApiError> {
        let matter: Option<MatterId> = r.matter.as_deref().map(id).transpose()?;
        if let Some(matter) = &matter {
            self.desk.matter(matter).await?;
        }
        let mut jobs = self.desk.jobs(matter.as_ref(), r.all).await?;
        jobs.sort_by_key(|j| (j.state.is_final(), j.job.expected_at, j.job.exhibit.clone()));
        Ok(JobList { jobs: jobs.iter().map(job_view).collect() })
    }

    /// Stops a retrieval; what was asked of the storage goes on there, but nothing is downloaded.
    ///
    /// # Errors
    /// `api.bad_id`, `retrieval.*`.
    pub async fn job_cancel(&self, caller: &Caller, r: JobCancelRequest) -> Result<JobList, ApiError> {
        let matter: MatterId = id(&r.matter)?;
        match r.id.as_deref() {
            Some(one) => drop(self.desk.cancel(&matter, &id(one)?, caller.agent()).await?),
            None => drop(self.desk.cancel_all(&matter, caller.agent()).await?),
        }
        self.jobs(caller, JobsRequest { matter: Some(r.matter), all: true }).await
    }

    /// Exports an evidence package and verifies it right after.
    ///
    /// # Errors
    /// `retrieval.*`: nothing verified, or something not verified without `partial`.
    pub async fn export(&self, caller: &Caller, r: ExportRequest) -> Result<ExportView, ApiError> {
        let (sink, cancel) = self.task(&format!("export:{}", r.matter));
        let to = Some(r.to.map_or_else(|| self.home.exports(), PathBuf::from));
        let request = holdfast_retrieval::ExportRequest { to, partial: r.partial };
        let made = self.desk.export(&id(&r.matter)?, request, caller.agent(), sink.as_ref(), &cancel).await?;
        self.remember_checkpoint().await;
        Ok(export_view(&made))
    }
}

fn ids(texts: &[String]) -> Result<Vec<ArchiveId>, ApiError> {
    texts.iter().map(|t| id(t)).collect()
}

fn speed(text: &str) -> Result<RehydrationSpeed, ApiError> {
    match text {
        "expedited" => Ok(RehydrationSpeed::Expedited),
        "standard" => Ok(RehydrationSpeed::Standard),
        "bulk" => Ok(RehydrationSpeed::Bulk),
        _ => {
            let shown: String = text.chars().take(40).collect();
            let next = "Choose one of expedited, standard, bulk.";
            Err(ApiError::usage("api.bad_choice", format!("`{shown}` is no speed"), next))
        }
    }
}

fn matter_view(m: &Matter, jobs: &[holdfast_retrieval::JobView]) -> MatterView {
    let count = |f: fn(JobState) -> bool| u32::try_from(jobs.iter().filter(|j| f(j.state)).count()).unwrap_or(u32::MAX);
    MatterView {
        matter_id: m.matter_id.to_string(),
        name: m.name.clone(),
        reference: m.reference.clone(),
        justification: m.justification.clone(),
        requester: m.requester.clone(),
        deadline: m.deadline.to_string(),
        state: if m.is_open() { "open" } else { "closed" }.into(),
        items: u32::try_from(m.items.len()).unwrap_or(u32::MAX),
        verified: count(|s| s == JobState::Verified),
        failed: count(|s| s == JobState::Failed),
        under_way: count(|s| JobState::ACTIVE.contains(&s)),
        held: m.hold.is_some(),
        created_at: m.created_at.to_string(),
    }
}

fn plan_view(p: &Plan) -> PlanView {
    let b = &p.body;
    PlanView {
        plan_id: p.plan_id.to_string(),
        matter_id: p.matter.to_string(),
        deadline: b.deadline.to_string(),
        made_at: b.made_at.to_string(),
        prices_dated: b.prices_dated.clone(),
        state: words::word(&p.state),
        remarks: b.remarks.clone(),
        refusals: b.refusals.iter().map(refusal).collect(),
        mix: mix(&b.items),
        keep_days: b.keep_days,
        items: b
            .items
            .iter()
            .map(|i| PlanItem {
                archive_id: i.archive_id.to_string(),
                tier: words::word(&i.tier),
                storage_class: i.storage_class.clone(),
                availability: if i.at_desk { "online".into() } else { availability(&i.availability, b.made_at) },
                size_bytes: i.size_bytes,
                options: i
                    .options
                    .iter()
                    .map(|o| PlanOption {
                        speed: words::word(&o.speed),
                        expected_ms: o.expected_ms,
                        worst_ms: o.worst_ms,
                        cost: o.cost.to_string(),
                        meets_deadline: o.meets_deadline,
                        may_be_refused: o.may_be_refused,
                    })
                    .collect(),
                chosen: i.chosen.map(|s| words::word(&s)),
                cannot_meet: i.cannot_meet.clone(),
                refused: i.refused.map(|code| code.as_str().into()),
                cost: i.cost.to_string(),
                copy_expires_at: i.copy_expires_at.map(|t| t.to_string()),
            })
            .collect(),
        totals: PlanTotals {
            items: b.totals.items,
            online: b.totals.online,
            to_rehydrate: b.totals.to_rehydrate,
            cannot_meet: b.totals.cannot_meet,
            size_bytes: b.totals.size_bytes,
            cost: b.totals.cost.to_string(),
            requests_cost: b.totals.requests_cost.to_string(),
            bytes_cost: b.totals.bytes_cost.to_string(),
            copies_cost: b.totals.copies_cost.to_string(),
            early_deletion_cost: b.totals.early_deletion_cost.to_string(),
            download_cost: b.totals.download_cost.to_string(),
            currency: b.totals.currency.clone(),
            expected_at: b.totals.expected_at.to_string(),
            worst_at: b.totals.worst_at.to_string(),
            meets_deadline: b.totals.meets_deadline,
        },
    }
}

/// Refuses a plan that nobody named and that misses its deadline.
fn in_time(plan: &Plan) -> Result<(), RetrievalError> {
    let (b, t) = (&plan.body, &plan.body.totals);
    let Some(first) = b.refusals.first() else { return Ok(()) };
    Err(RetrievalError::DeadlineRefused {
        plan: plan.plan_id.clone(),
        late: t.cannot_meet,
        of: t.items,
        why: first.reason.clone(),
        advice: first.advice.clone(),
    })
}

fn refusal(r: &holdfast_retrieval::Refusal) -> PlanRefusal {
    PlanRefusal {
        code: r.code.as_str().into(),
        storage_class: r.storage_class.clone(),
        class_name: r.class_name.clone(),
        items: r.items,
        reason: r.reason.clone(),
        advice: r.advice.clone(),
        earliest: r.earliest.map(|t| t.to_string()),
    }
}

/// By class and speed, in the order of their names; what is to be asked for before what is not.
fn mix(items: &[holdfast_retrieval::PlanItem]) -> Vec<PlanMix> {
    let mut by: BTreeMap<_, Vec<&holdfast_retrieval::PlanItem>> = BTreeMap::new();
    for i in items {
        by.entry((i.chosen.is_none(), &i.storage_class, i.chosen)).or_default().push(i);
    }
    by.into_iter()
        .map(|((_, class, speed), items)| PlanMix {
            storage_class: class.clone(),
            speed: speed.map(|s| words::word(&s)),
            items: u32::try_from(items.len()).unwrap_or(u32::MAX),
            size_bytes: items.iter().fold(0, |sum: u64, i| sum.saturating_add(i.size_bytes)),
            cost: items.iter().fold(Money::default(), |sum, i| sum + i.cost).to_string(),
        })
        .collect()
}

fn availability(a: &holdfast_model::Availability, now: jiff::Timestamp) -> String {
    use holdfast_model::Availability;
    match a {
        Availability::Rehydrating { .. } => "rehydrating",
        a if a.is_online_at(now) => "online",
        _ => "offline",
    }
    .into()
}

pub(super) fn job_view(j: &holdfast_retrieval::JobView) -> JobView {
    let time = |t: Option<jiff::Timestamp>| t.map(|t| t.to_string());
    let job = &j.job;
    JobView {
        archive_id: job.archive_id.to_string(),
        matter_id: job.matter.to_string(),
        state: j.state.as_str().into(),
        expected_at: time(job.expected_at).filter(|_| !j.state.is_final()),
        worst_at: time(job.worst_at).filter(|_| !j.state.is_final()),
        available_until: time(job.available_until),
        done_bytes: job.done_bytes,
        size_bytes: job.fixity.size_bytes,
        path: job.copied.as_ref().or(j.path.as_ref()).map(|p| p.display().to_string()),
        sha256: j.sha256.map(|d| d.to_hex()),
        outcome: job.report.as_ref().map(|r| r.outcome.as_str().into()),
        findings: job.report.as_ref().map(words::findings).unwrap_or_default(),
        problem: job.problem.as_ref().map(|p| format!("{} {}", p.message, p.next)),
        remarks: job.remarks.clone(),
    }
}

fn export_view(e: &holdfast_retrieval::Export) -> ExportView {
    ExportView {
        package: e.package.display().to_string(),
        // One without a report is being made by another process.
        outcome: e.report.as_ref().map_or("failed", |r| r.outcome.as_str()).into(),
        items: e.items,
        left_out: e.left_out,
        seal: e.seal.map(|s| s.to_hex()).unwrap_or_default(),
        made_at: e.made_at.to_string(),
    }
}
