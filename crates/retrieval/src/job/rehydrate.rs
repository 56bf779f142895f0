use super::{
    JobState, Problem, Row, job_id,
    turn::{LANE_BUSY, Turn},
};
use crate::{
    desk::{Desk, draft, passed},
    error::RetrievalError,
    plan::{PlanOption, speed_word},
    plans::Plan,
};
use futures_util::{FutureExt as _, StreamExt as _, TryStreamExt as _, future::BoxFuture, stream};
use holdfast_index::WorkKind;
use holdfast_ledger::{Action, EventDraft, EventOutcome, Phase};
use holdfast_model::{ArchiveId, Availability, Fault as _, PlanId, RehydrationSpeed, StorageState, fail_after};
use holdfast_store::StoreError;
use jiff::{SignedDuration, Timestamp};
use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::{Mutex, PoisonError},
};

/// Requests between two signs of life.
const REQUESTS: usize = 64;
/// Matters that are looked up at once.
const LOOKUPS_AT_ONCE: usize = 16;
/// Looks are at most so far from when they would be due by themselves.
const GRID_MAX_MS: u64 = 60_000;

impl Desk {
    /// One step for recordings that may have to be asked for.
    pub(super) async fn ask(&self, rows: Vec<Row>) -> Result<(), RetrievalError> {
        let (rows, to_look): (Vec<Row>, Vec<Row>) =
            rows.into_iter().partition(|row| row.job.speed.is_some() || row.job.intent.is_some());
        if !to_look.is_empty() {
            self.look(to_look).await?;
        }
        if rows.is_empty() {
            return Ok(());
        }
        let Some(mut turn) = self.take_turn().await? else {
            // Another process asks just now, maybe for the same.
            let due = self.after_ms(self.parts().settings.lease_ms / 8);
            return self.save(rows.into_iter().map(|row| row.to(JobState::Approved, Some(due))).collect()).await;
        };
        let asked = self.ask_in_turn(rows, &mut turn).await;
        let ended = self.end_turn(turn).await;
        asked.and(ended)
    }

    /// Recordings that nobody approved asking for: they are online, or on their way, or fail.
    async fn look(&self, mut rows: Vec<Row>) -> Result<(), RetrievalError> {
        let availability = match self.availability(&mut rows).await {
            Ok(found) => found,
            Err(e) => return self.postpone(rows, &e).await,
        };
        let (mut moved, mut coming) = (Vec::with_capacity(rows.len()), Vec::new());
        for (row, now) in rows.into_iter().zip(availability) {
            match now {
                Some(Availability::Offline) => moved.push(no_speed(row)),
                Some(now @ Availability::Rehydrating { .. }) => coming.push((row, now)),
                now => moved.push(self.arrived(row, now.as_ref())),
            }
        }
        moved.extend(self.found_on_their_way(coming).await?);
        self.save(moved).await
    }

    async fn found_on_their_way(&self, found: Vec<(Row, Availability)>) -> Result<Vec<Row>, RetrievalError> {
        let found: Vec<BoxFuture<'_, _>> = found
            .into_iter()
            .map(|(mut row, now)| {
                async move {
                    row.job.remarks.push(self.asked_by(&row).await?);
                    Ok(self.on_its_way(row, &now))
                }
                .boxed()
            })
            .collect();
        stream::iter(found).buffered(LOOKUPS_AT_ONCE).try_collect().await
    }

    async fn ask_in_turn(&self, mut rows: Vec<Row>, turn: &mut Turn) -> Result<(), RetrievalError> {
        let availability = match self.availability(&mut rows).await {
            Ok(found) => found,
            Err(e) => return self.postpone(rows, &e).await,
        };
        // Asking where each lies may have taken long.
        if !self.keep_turn(turn).await? {
            return self.postpone(rows, &lost_turn()).await;
        }
        let (mut to_ask, mut asked, mut moved, mut coming) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let mut objects = HashSet::new();
        for (mut row, now) in rows.into_iter().zip(availability) {
            let Some(now) = now else {
                match row.job.intent {
                    Some(_) => {
                        let gone = StoreError::NotFound(row.job.locator.clone());
                        asked.push((row, Err(gone.into())));
                    }
                    None => moved.push(self.arrived(row, None)),
                }
                continue;
            };
            let online_or_coming = now != Availability::Offline;
            match (row.job.intent, &now) {
                // It was asked for and the answer was never noted.
                (Some(_), _) if online_or_coming && !row.job.raise => asked.push((row, Ok(now))),
                (None, Availability::Online { .. }) => {
                    row.job.remarks.push("It was online already when its turn came; nothing was asked for.".into());
                    moved.push(self.arrived(row, Some(&now)));
                }
                (None, Availability::Rehydrating { .. }) if !row.job.raise => coming.push((row, now)),
                // The same object for another matter: that one asks, this one finds it on its way.
                _ if !objects.insert(row.job.locator.clone()) => {
                    let due = self.after_ms(self.parts().settings.poll_min_ms);
                    moved.push(row.to(JobState::Approved, Some(due)));
                }
                _ => match self.place_in_lane(row, turn) {
                    Ok(row) => to_ask.push(row),
                    Err(row) => moved.push(*row),
                },
            }
        }
        moved.extend(self.found_on_their_way(coming).await?);
        self.save(moved).await?;
        if !to_ask.is_empty() && !self.note_lanes(turn).await? {
            self.postpone(to_ask, &lost_turn()).await?;
            return self.note_asked(asked, turn).await;
        }
        let to_ask = self.intend_rehydration(to_ask).await?;
        if !to_ask.is_empty() {
            passed("retrieval.rehydration_intended")?;
            asked.extend(self.request(to_ask, turn).await);
            passed("retrieval.rehydration_requested")?;
        }
        self.note_asked(asked, turn).await
    }

    /// Where an account carries only so much an hour at this speed, over all its matters, the row waits until there is room.
    fn place_in_lane(&self, mut row: Row, turn: &mut Turn) -> Result<Row, Box<Row>> {
        let Some((speed, busy_ms)) = self.lane_ms(&row) else { return Ok(row) };
        let Err(at) = turn.lanes.take(&row.job.storage_class, speed, busy_ms, self.now()) else { return Ok(row) };
        row.job.problem = Some(Problem {
            code: LANE_BUSY.into(),
            message: format!(
                "The account brings back only so much an hour at {} speed, and earlier recordings fill that; its turn comes at {at}.",
                speed_word(speed)
            ),
            next: "Nothing to do; it is asked for by itself when its turn comes.".into(),
        });
        Err(Box::new(row.to(JobState::Approved, Some(at))))
    }

    /// Who asked for something that is on its way, as far as that is known.
    async fn asked_by(&self, row: &Row) -> Result<String, RetrievalError> {
        for matter in self.matters_of(&row.job.archive_id).await? {
            let id = job_id(&matter, &row.job.archive_id);
            let other = self.parts().work.get(WorkKind::Retrieval, &id).await?.filter(|w| w.id != row.work.id);
            if other.is_some_and(|w| JobState::parse(&w.state) == Some(JobState::Rehydrating)) {
                return Ok(format!(
                    "It was on its way already for matter {matter} when its turn came; nothing more was asked for."
                ));
            }
        }
        Ok("It was on its way already when its turn came, asked for by somebody else; nothing more was asked for."
            .into())
    }

    /// One look at recordings that are on their way.
    pub(super) async fn poll(&self, mut rows: Vec<Row>) -> Result<(), RetrievalError> {
        let availability = match self.availability(&mut rows).await {
            Ok(found) => found,
            Err(e) => return self.postpone(rows, &e).await,
        };
        let mut moved = Vec::with_capacity(rows.len());
        for (row, now) in rows.into_iter().zip(availability) {
            moved.push(match &now {
                Some(Availability::Offline) => self.ask_again(row),
                Some(now @ Availability::Rehydrating { .. }) => self.on_its_way(row, now),
                now => self.arrived(row, now.as_ref()),
            });
        }
        self.save(moved).await
    }

    /// What the store says now, for all at once, none of what it does not have. The index and the rows are told.
    async fn availability(&self, rows: &mut [Row]) -> Result<Vec<Option<Availability>>, RetrievalError> {
        let Some(rehydrator) = &self.parts().store.rehydrator else {
            return Ok(vec![Some(Availability::Online { until: None }); rows.len()]);
        };
        let at: Vec<_> = rows.iter().map(|r| r.job.locator.clone()).collect();
        let states = rehydrator.status(&at).await?;
        let mut seen = Vec::with_capacity(rows.len());
        for (row, state) in rows.iter_mut().zip(&states) {
            if let Some(state) = state {
                row.job.storage_class.clone_from(&state.storage_class);
                seen.push((row.job.archive_id.clone(), state.clone()));
            }
        }
        self.tell_index(&seen).await;
        Ok(states.into_iter().map(|state| state.map(|s| s.availability)).collect())
    }

    /// Writes the intents of those that have none and keeps their numbers; those that somebody took over are left out.
    async fn intend_rehydration(&self, rows: Vec<Row>) -> Result<Vec<Row>, RetrievalError> {
        let (mut rows, mut kept): (Vec<Row>, Vec<Row>) = rows.into_iter().partition(|r| r.job.intent.is_none());
        if !rows.is_empty() {
            for row in &mut rows {
                row.job.asked += 1;
            }
            let drafts = rows
                .iter()
                .map(|r| self.rehydration_draft(r, Phase::Intent).once(r.token_of("rehydration", r.job.asked)));
            let entries = self.append(drafts.collect()).await?;
            for (row, entry) in rows.iter_mut().zip(entries) {
                row.job.intent = Some(entry.event.sequence);
            }
            passed("retrieval.rehydration_announced")?;
            kept.extend(self.keep(rows).await?);
        }
        Ok(kept)
    }

    fn rehydration_draft(&self, row: &Row, phase: Phase) -> EventDraft {
        let job = &row.job;
        let speed = job.speed.map_or("none", speed_word);
        let mut d = draft(Action::Rehydration, phase, &self.agent(), &job.matter, Some(&job.archive_id))
            .object(&job.locator)
            .moved(&job.storage_class, "online")
            .detail("speed", speed)
            .detail("keep_days", job.keep_days.to_string());
        if let Some(plan) = &job.plan {
            d = d.detail("plan", plan.as_str());
        }
        match &job.approved_by {
            Some(by) => d.detail("approved_by", &by.person),
            None => d,
        }
    }

    /// Asks the store for each; where that fails, asks whether it took effect all the same. A refusal that all would meet ends
    /// the asking, so that a provider who wants patience gets it.
    async fn request(&self, rows: Vec<Row>, turn: &Turn) -> Vec<(Row, Result<Availability, RetrievalError>)> {
        let stopped: Mutex<Option<(String, Stop)>> = Mutex::new(None);
        let stop = || stopped.lock().unwrap_or_else(PoisonError::into_inner);
        let mut answers = Vec::with_capacity(rows.len());
        let mut rows = rows.into_iter().peekable();
        while rows.peek().is_some() {
            let requests: Vec<BoxFuture<'_, _>> = rows
                .by_ref()
                .take(REQUESTS)
                .map(|row| {
                    async {
                        let stopped = stop().clone();
                        let result = match stopped {
                            Some((action, why)) => Err(why.error(action)),
                            None => self.request_one(&row).await,
                        };
                        if let Err(e) = &result
                            && let Some(why) = Stop::of(e)
                        {
                            *stop() = Some((row.job.locator.to_string(), why));
                        }
                        (row, result)
                    }
                    .boxed()
                })
                .collect();
            let at_once = self.parts().settings.requests_at_once.max(1);
            answers.extend(stream::iter(requests).buffer_unordered(at_once).collect::<Vec<_>>().await);
            if rows.peek().is_some() && !self.keep_turn(turn).await.unwrap_or(false) {
                *stop() = Some(("the turn to ask the store".into(), Stop::Lost));
            }
        }
        answers
    }

    async fn request_one(&self, row: &Row) -> Result<Availability, RetrievalError> {
        let (Some(rehydrator), Some(speed)) = (&self.parts().store.rehydrator, row.job.speed) else {
            return Ok(Availability::Online { until: None });
        };
        let mut result = rehydrator.request(&row.job.locator, speed, row.job.keep_days).await.map_err(Into::into);
        if fail_after("retrieval.rehydration_asked") {
            result = Err(RetrievalError::Interrupted("retrieval.rehydration_asked"));
        }
        match result {
            Ok(ticket) => Ok(ticket.availability),
            Err(e @ (RetrievalError::Interrupted(_) | RetrievalError::Store(StoreError::Io { .. }))) => {
                match self.availability(&mut [row.clone()]).await.as_deref() {
                    Ok([Some(now)]) if *now != Availability::Offline && !row.job.raise => Ok(now.clone()),
                    _ => Err(e),
                }
            }
            // A refusal in words was no effect.
            Err(e) => Err(e),
        }
    }

    /// Outcomes in the ledger, then the rows.
    async fn note_asked(
        &self,
        asked: Vec<(Row, Result<Availability, RetrievalError>)>,
        turn: &mut Turn,
    ) -> Result<(), RetrievalError> {
        let (mut outcomes, mut moved, mut seen) = (Vec::new(), Vec::new(), Vec::new());
        let mut later: BTreeMap<&'static str, (RetrievalError, Vec<Row>)> = BTreeMap::new();
        let mut without_capacity = Vec::new();
        for (mut row, result) in asked {
            let mut outcome = self.rehydration_draft(&row, Phase::Outcome);
            if let (Err(_), Some((speed, busy_ms))) = (&result, self.lane_ms(&row)) {
                turn.lanes.give_back(&row.job.storage_class, speed, busy_ms);
            }
            match result {
                Ok(now) => {
                    seen.push((row.job.archive_id.clone(), now.clone()));
                    if let Availability::Rehydrating { expected_at: Some(at), .. } = &now {
                        outcome = outcome.detail("expected_at", at.to_string());
                    }
                    outcomes.push(concluding(&mut row, outcome.outcome(EventOutcome::Succeeded)));
                    row.job.raise = false;
                    row.job.requested_at = Some(self.now());
                    moved.push(match &now {
                        Availability::Online { .. } => self.arrived(row, Some(&now)),
                        _ => self.on_its_way(row, &now),
                    });
                }
                Err(RetrievalError::Store(e @ StoreError::NotFound(_))) => {
                    outcome.code = Some(e.code().into());
                    outcomes.push(concluding(&mut row, outcome.outcome(EventOutcome::Failed)));
                    moved.push(self.arrived(row, None));
                }
                Err(RetrievalError::Store(StoreError::NoCapacity { .. })) => without_capacity.push(row),
                // What may pass, or be repaired, keeps its intent and is tried again.
                Err(e) if e.waits() => later.entry(e.code()).or_insert_with(|| (e, Vec::new())).1.push(row),
                Err(e) => {
                    outcome.code = Some(e.code().into());
                    outcomes.push(concluding(&mut row, outcome.outcome(EventOutcome::Failed)));
                    moved.push(failed(row, Problem::of(&e)));
                }
            }
        }
        self.conclude(outcomes).await?;
        if !moved.is_empty() {
            passed("retrieval.rehydration_recorded")?;
        }
        self.note_availability(seen).await;
        self.save(moved).await?;
        for (e, rows) in later.into_values() {
            self.postpone(rows, &e).await?;
        }
        self.without_capacity(without_capacity).await
    }

    /// The provider has no room for the speed asked for. Where standard speed holds the deadline even at its worst, and costs no
    /// more than what was approved, that is asked for instead; else it goes on asking.
    async fn without_capacity(&self, rows: Vec<Row>) -> Result<(), RetrievalError> {
        let now = self.now();
        let mut plans: HashMap<PlanId, Option<Plan>> = HashMap::new();
        let (mut outcomes, mut instead, mut later) = (Vec::new(), Vec::new(), Vec::new());
        for mut row in rows {
            if let Some(id) = row.job.plan.clone()
                && !plans.contains_key(&id)
            {
                plans.insert(id.clone(), self.plan(&id).await.ok());
            }
            let plan = row.job.plan.as_ref().and_then(|id| plans.get(id)?.as_ref());
            match standard_of(plan, &row, now) {
                Standard::Holds { worst_at, option } => {
                    let mut outcome = self.rehydration_draft(&row, Phase::Outcome).outcome(EventOutcome::Failed);
                    outcome.code = Some("store.no_capacity".into());
                    outcomes.push(concluding(&mut row, outcome));
                    row.job.remarks.push(format!(
                        "At {now} the provider had no capacity for expedited retrieval; it is asked for at standard speed instead, which has it at the desk by {worst_at} at the latest, in time, and for no more than was approved."
                    ));
                    row.job.speed = Some(RehydrationSpeed::Standard);
                    (row.job.expected_ms, row.job.worst_ms) = (Some(option.expected_ms), Some(option.worst_ms));
                    (row.job.expected_at, row.job.worst_at) = (None, None);
                    (row.job.problem, row.job.faults) = (None, 0);
                    instead.push(row.to(JobState::Approved, None));
                }
                Standard::TooLate(why) => later.push((row, why)),
            }
        }
        self.conclude(outcomes).await?;
        self.save(instead).await?;
        for (row, why) in later {
            let problem = Problem {
                code: "retrieval.no_capacity".into(),
                message: format!(
                    "The provider has no capacity for expedited retrieval at the moment. {why} So it goes on asking; nothing is charged meanwhile."
                ),
                next: "Nothing to do; or make a plan with a later deadline, which standard speed can hold.".into(),
            };
            self.put_off(vec![row], &problem, true).await?;
        }
        Ok(())
    }

    /// It can be fetched. So can one that the storage does not have: fetching it ends with a verification that says so.
    fn arrived(&self, mut row: Row, now: Option<&Availability>) -> Row {
        row.job.available_until = match now {
            Some(Availability::Online { until }) => *until,
            _ => None,
        };
        (row.job.problem, row.job.faults) = (None, 0);
        row.to(JobState::Available, None)
    }

    fn on_its_way(&self, mut row: Row, now: &Availability) -> Row {
        let time = self.now();
        if let Availability::Rehydrating { requested_at, expected_at } = now {
            let (expected_ms, worst_ms) = (row.job.expected_ms, row.job.worst_ms);
            let after = |from: &Timestamp, ms: Option<u64>| {
                ms.and_then(|ms| from.checked_add(SignedDuration::from_millis(i64::try_from(ms).ok()?)).ok())
            };
            // Where the provider doesn't say when it was asked, our own request counts, or the first look.
            let from = requested_at.or(row.job.requested_at).unwrap_or(time);
            row.job.requested_at = Some(from);
            row.job.expected_at = expected_at.or_else(|| after(&from, expected_ms)).or(row.job.expected_at);
            row.job.worst_at = after(&from, worst_ms).or(row.job.worst_at).max(row.job.expected_at);
        }
        (row.job.problem, row.job.faults) = (None, 0);
        let due = self.next_look(time, row.job.expected_at, row.job.worst_at);
        row.to(JobState::Rehydrating, Some(due))
    }

    /// Not before it is expected, and then in steps that suit the tier.
    fn next_look(&self, now: Timestamp, expected: Option<Timestamp>, worst: Option<Timestamp>) -> Timestamp {
        let s = &self.parts().settings;
        let spread = match (expected, worst) {
            (Some(e), Some(w)) => u64::try_from(w.as_millisecond() - e.as_millisecond()).unwrap_or(0) / 10,
            _ => s.poll_max_ms,
        };
        let pause = spread.clamp(s.poll_min_ms, s.poll_max_ms.max(s.poll_min_ms));
        let at = expected.filter(|at| *at > now).unwrap_or_else(|| self.after_ms(pause));
        // Those that come at about the same time are looked at together.
        let grid = i64::try_from((pause / 4).clamp(s.poll_min_ms, GRID_MAX_MS.max(s.poll_min_ms)).max(1)).unwrap_or(1);
        let due = at.as_millisecond().saturating_add(grid - 1).div_euclid(grid) * grid;
        Timestamp::from_millisecond(due).unwrap_or(at)
    }

    /// Tells the index what was answered to requests.
    async fn note_availability(&self, seen: Vec<(ArchiveId, Availability)>) {
        let ids: Vec<ArchiveId> = seen.iter().map(|(id, _)| id.clone()).collect();
        match self.parts().index.get_many(&ids).await {
            Ok(rows) => {
                let states = rows
                    .into_iter()
                    .zip(seen)
                    .filter_map(|(row, (id, availability))| Some((id, StorageState { availability, ..row?.state() })));
                self.tell_index(&states.collect::<Vec<_>>()).await;
            }
            Err(e) => tracing::warn!(code = e.code(), "the index could not be asked"),
        }
    }

    /// Tells the index what was seen. It is derived: nothing stops for it.
    pub(crate) async fn tell_index(&self, seen: &[(ArchiveId, StorageState)]) {
        if !seen.is_empty()
            && let Err(e) = self.parts().index.set_states(seen).await
        {
            tracing::warn!(recordings = seen.len(), code = e.code(), "the index could not be told");
        }
    }
}

/// The outcome that concludes the row's intent, which the row then no longer has.
pub(super) fn concluding(row: &mut Row, mut draft: EventDraft) -> EventDraft {
    draft.intent = row.job.intent.take();
    let token = draft.intent.map(|n| format!("outcome:{n}"));
    draft.idempotency = token;
    draft
}

pub(super) fn failed(mut row: Row, problem: Problem) -> Row {
    row.job.problem = Some(problem);
    row.to(JobState::Failed, None)
}

fn lost_turn() -> RetrievalError {
    RetrievalError::Contended("the turn to ask the store".into())
}

fn no_speed(row: Row) -> Row {
    let problem = Problem {
        code: "retrieval.plan_needed".into(),
        message: "It lies in a cold tier now and nobody approved bringing it back.".into(),
        next: "Make a plan, look at its cost and times, and approve it.".into(),
    };
    failed(row, problem)
}

/// A refusal that every request would meet now.
#[derive(Debug, Clone)]
enum Stop {
    Throttled,
    Credentials(String),
    ClockSkew,
    /// Another process asks now.
    Lost,
}

impl Stop {
    fn of(e: &RetrievalError) -> Option<Self> {
        match e {
            RetrievalError::Store(StoreError::Throttled { .. }) => Some(Self::Throttled),
            RetrievalError::Store(StoreError::Credentials { detail, .. }) => Some(Self::Credentials(detail.clone())),
            RetrievalError::Store(StoreError::ClockSkew { .. }) => Some(Self::ClockSkew),
            _ => None,
        }
    }

    fn error(self, action: String) -> RetrievalError {
        match self {
            Self::Throttled => StoreError::Throttled { action }.into(),
            Self::Credentials(detail) => StoreError::Credentials { action, detail }.into(),
            Self::ClockSkew => StoreError::ClockSkew { action }.into(),
            Self::Lost => RetrievalError::Contended(action),
        }
    }
}

/// Whether standard speed would do where there is no capacity for expedited.
enum Standard<'a> {
    Holds {
        worst_at: Timestamp,
        option: &'a PlanOption,
    },
    /// A sentence why not.
    TooLate(String),
}

fn standard_of<'a>(plan: Option<&'a Plan>, row: &Row, now: Timestamp) -> Standard<'a> {
    let item = plan.and_then(|p| p.body.items.iter().find(|i| i.archive_id == row.job.archive_id));
    let of = |speed| item.and_then(|i| i.options.iter().find(|o| o.speed == speed));
    let (Some(option), Some(deadline)) = (of(RehydrationSpeed::Standard), row.job.deadline) else {
        return Standard::TooLate("The plan knows no other speed for it.".into());
    };
    let worst = SignedDuration::from_millis(i64::try_from(option.worst_ms).unwrap_or(i64::MAX));
    let worst_at = now.saturating_add(worst).unwrap_or(Timestamp::MAX);
    if worst_at > deadline {
        return Standard::TooLate(format!(
            "At standard speed it may take until {worst_at}, after the deadline {deadline}."
        ));
    }
    match of(RehydrationSpeed::Expedited).filter(|approved| approved.cost < option.cost) {
        Some(_) => Standard::TooLate("Standard speed would cost more than what was approved.".into()),
        None => Standard::Holds { worst_at, option },
    }
}
