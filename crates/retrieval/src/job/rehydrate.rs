use super::{JobState, Problem, Row};
use crate::{
    desk::{Desk, draft, passed},
    error::RetrievalError,
    plan::speed_word,
};
use futures_util::{FutureExt as _, StreamExt as _, future::BoxFuture, stream};
use holdfast_ledger::{Action, EventDraft, EventOutcome, Phase};
use holdfast_model::{ArchiveId, Availability, Fault as _, Retry, StorageState, fail_after};
use jiff::{SignedDuration, Timestamp};

/// A copy that went before it was fetched is asked for once more, not again and again: it costs money.
const ASKED_MAX: u32 = 2;

impl Desk {
    /// One step for recordings that may have to be asked for.
    pub(super) async fn ask(&self, rows: Vec<Row>) -> Result<(), RetrievalError> {
        let availability = match self.availability(&rows).await {
            Ok(found) => found,
            Err(e) => return self.postpone(rows, &e).await,
        };
        let (mut to_ask, mut asked, mut moved) = (Vec::new(), Vec::new(), Vec::new());
        for (mut row, now) in rows.into_iter().zip(availability) {
            let online_or_coming = !matches!(now, Availability::Offline);
            match (row.job.intent, &now) {
                // It was asked for and the answer was never noted.
                (Some(_), _) if online_or_coming && !row.job.raise => asked.push((row, Ok(now))),
                (Some(_), _) => to_ask.push(row),
                (None, Availability::Online { .. }) => moved.push(self.arrived(row, &now)),
                (None, Availability::Rehydrating { .. }) if !row.job.raise => {
                    row.job.remarks.push("It was on its way already when its turn came.".into());
                    moved.push(self.on_its_way(row, &now));
                }
                (None, _) if row.job.speed.is_none() => moved.push(no_speed(row)),
                (None, _) => to_ask.push(row),
            }
        }
        self.save(moved).await?;
        let to_ask = self.intend_rehydration(to_ask).await?;
        if !to_ask.is_empty() {
            passed("retrieval.rehydration_intended")?;
            asked.extend(self.request(to_ask).await);
            passed("retrieval.rehydration_requested")?;
        }
        self.note_asked(asked).await
    }

    /// One look at recordings that are on their way.
    pub(super) async fn poll(&self, rows: Vec<Row>) -> Result<(), RetrievalError> {
        let availability = match self.availability(&rows).await {
            Ok(found) => found,
            Err(e) => return self.postpone(rows, &e).await,
        };
        let mut moved = Vec::with_capacity(rows.len());
        for (row, now) in rows.into_iter().zip(availability) {
            moved.push(match &now {
                Availability::Online { .. } => self.arrived(row, &now),
                Availability::Rehydrating { .. } => self.on_its_way(row, &now),
                Availability::Offline => self.ask_again(row),
            });
        }
        self.save(moved).await
    }

    /// What the store says now, for all at once. The index is told.
    async fn availability(&self, rows: &[Row]) -> Result<Vec<Availability>, RetrievalError> {
        let Some(rehydrator) = &self.parts().store.rehydrator else {
            return Ok(vec![Availability::Online { until: None }; rows.len()]);
        };
        let at: Vec<_> = rows.iter().map(|r| r.job.locator.clone()).collect();
        let states = rehydrator.status(&at).await?;
        for (row, state) in rows.iter().zip(&states) {
            // The index is derived: a retrieval does not stop for it.
            if let Err(e) = self.parts().index.set_state(&row.job.archive_id, state).await {
                tracing::warn!(archive_id = %row.job.archive_id, code = e.code(), "the index could not be told");
            }
        }
        Ok(states.into_iter().map(|state| state.availability).collect())
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

    /// Asks the store for each; where that fails, asks whether it took effect all the same.
    async fn request(&self, rows: Vec<Row>) -> Vec<(Row, Result<Availability, RetrievalError>)> {
        let requests: Vec<BoxFuture<'_, _>> = rows
            .into_iter()
            .map(|row| {
                async move {
                    let result = self.request_one(&row).await;
                    (row, result)
                }
                .boxed()
            })
            .collect();
        stream::iter(requests).buffer_unordered(self.parts().settings.requests_at_once.max(1)).collect().await
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
            Err(e) => match self.availability(std::slice::from_ref(row)).await.as_deref() {
                Ok([now]) if *now != Availability::Offline && !row.job.raise => Ok(now.clone()),
                _ => Err(e),
            },
        }
    }

    /// Outcomes in the ledger, then the rows.
    async fn note_asked(&self, asked: Vec<(Row, Result<Availability, RetrievalError>)>) -> Result<(), RetrievalError> {
        let (mut outcomes, mut moved, mut later, mut seen) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for (mut row, result) in asked {
            let mut outcome = self.rehydration_draft(&row, Phase::Outcome);
            match result {
                Ok(now) => {
                    seen.push((row.job.archive_id.clone(), now.clone()));
                    if let Availability::Rehydrating { expected_at: Some(at), .. } = &now {
                        outcome = outcome.detail("expected_at", at.to_string());
                    }
                    outcomes.push(concluding(&mut row, outcome.outcome(EventOutcome::Succeeded)));
                    row.job.raise = false;
                    moved.push(match &now {
                        Availability::Online { .. } => self.arrived(row, &now),
                        _ => self.on_its_way(row, &now),
                    });
                }
                // What may pass keeps its intent and is tried again.
                Err(e) if e.retry() != Retry::Never => later.push((row, e)),
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
        for (row, e) in later {
            self.postpone(vec![row], &e).await?;
        }
        Ok(())
    }

    fn arrived(&self, mut row: Row, now: &Availability) -> Row {
        row.job.available_until = match now {
            Availability::Online { until } => *until,
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
            // Where the provider doesn't say when it was asked, the first look counts, and later ones move nothing.
            let asked = |kept: Option<Timestamp>, ms| match requested_at {
                Some(from) => after(from, ms),
                None => kept.or_else(|| after(&time, ms)),
            };
            row.job.expected_at =
                expected_at.or_else(|| asked(row.job.expected_at, expected_ms)).or(row.job.expected_at);
            row.job.worst_at = asked(row.job.worst_at, worst_ms).max(row.job.expected_at);
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
        let soonest = now.saturating_add(SignedDuration::from_millis(i64::try_from(pause).unwrap_or(i64::MAX)));
        match expected {
            Some(at) if at > now => at,
            _ => soonest.unwrap_or(now),
        }
    }

    /// The copy is gone (or the request was lost): asks once more and says so.
    pub(super) fn ask_again(&self, mut row: Row) -> Row {
        let at = self.now();
        row.job.available_until = None;
        if row.job.asked >= ASKED_MAX || row.job.speed.is_none() {
            let problem = Problem {
                code: "retrieval.copy_gone".into(),
                message: "The rehydrated copy was gone before it could be fetched, and was asked for before.".into(),
                next: "Make a new plan; keep Holdfast running, or ask for a longer stay of the copy.".into(),
            };
            return failed(row, problem);
        }
        row.job.remarks.push(format!(
            "At {at} the rehydrated copy was gone before it was fetched; it is asked for once more, which costs as much again."
        ));
        row.to(JobState::Approved, None)
    }

    /// Tells the index what was seen. It is derived: a retrieval does not stop for it.
    async fn note_availability(&self, seen: Vec<(ArchiveId, Availability)>) {
        for (id, availability) in seen {
            let told = async {
                let Some(row) = self.parts().index.get(&id).await? else { return Ok(()) };
                self.parts().index.set_state(&id, &StorageState { availability, ..row.state() }).await
            };
            if let Err(e) = told.await {
                tracing::warn!(archive_id = %id, code = e.code(), "the index could not be told");
            }
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

fn no_speed(row: Row) -> Row {
    let problem = Problem {
        code: "retrieval.plan_needed".into(),
        message: "It lies in a cold tier now and nobody approved bringing it back.".into(),
        next: "Make a plan, look at its cost and times, and approve it.".into(),
    };
    failed(row, problem)
}
