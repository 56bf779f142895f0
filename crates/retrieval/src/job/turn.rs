//! Whose turn it is to ask a store. Rehydrations are asked for by one process at a time, of all that share the work store, so
//! that what one of them has asked for is seen by the next before it asks, whatever the matter: nothing is brought back twice.
//! The row that says so also keeps how much each limited speed of the account has to do.

use super::{JobState, Row};
use crate::{
    desk::{Desk, read_doc, write_doc},
    error::RetrievalError,
    plan::{self, PlanInput, gib_ms},
};
use holdfast_index::{Claim, UpdateOutcome, Work, WorkKind};
use holdfast_model::{ArchiveId, RehydrationSpeed};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashSet};

const ASKING: &str = "asking";
/// Code of what waits for its place in a limited lane.
pub(super) const LANE_BUSY: &str = "retrieval.waits_its_turn";
/// How far ahead a lane is filled, so that small recordings are not asked for one by one.
const AHEAD_MS: i64 = 60_000;

/// Until when each limited speed of a class is busy with what was asked for.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Lanes(BTreeMap<String, Timestamp>);

impl Lanes {
    /// Puts so many bytes into a lane, or says when there is room for them.
    pub(super) fn take(
        &mut self,
        class: &str,
        speed: RehydrationSpeed,
        busy_ms: u64,
        now: Timestamp,
    ) -> Result<(), Timestamp> {
        let busy = self.0.entry(plan::Lanes::name(class, speed)).or_insert(now);
        let from = (*busy).max(now);
        let ahead = SignedDuration::from_millis(AHEAD_MS);
        if from.as_millisecond() - now.as_millisecond() > AHEAD_MS {
            return Err(from.saturating_sub(ahead).unwrap_or(from));
        }
        let by = SignedDuration::from_millis(i64::try_from(busy_ms).unwrap_or(i64::MAX));
        *busy = from.saturating_add(by).unwrap_or(Timestamp::MAX);
        Ok(())
    }

    /// Takes bytes out again that were not asked for after all.
    pub(super) fn give_back(&mut self, class: &str, speed: RehydrationSpeed, busy_ms: u64) {
        if let Some(busy) = self.0.get_mut(&plan::Lanes::name(class, speed)) {
            let by = SignedDuration::from_millis(i64::try_from(busy_ms).unwrap_or(i64::MAX));
            *busy = busy.saturating_sub(by).unwrap_or(*busy);
        }
    }
}

/// The right to ask, for as long as its lease.
pub(super) struct Turn {
    work: Work,
    pub(super) lanes: Lanes,
}

impl Desk {
    /// None while another process has it.
    pub(super) async fn take_turn(&self) -> Result<Option<Turn>, RetrievalError> {
        let work = &self.parts().work;
        let id = self.parts().store.reader.name();
        let claim = Claim {
            kind: WorkKind::Turn,
            states: &[ASKING],
            parent: Some(id),
            owner: &self.inner.owner,
            lease_ms: self.parts().settings.lease_ms,
            limit: 1,
        };
        let mut claimed = work.claim(claim).await?;
        if claimed.is_empty() && work.get(WorkKind::Turn, id).await?.is_none() {
            let doc = write_doc(id, &Lanes::default())?;
            work.create(Work::new(WorkKind::Turn, id, ASKING, doc).of(id)).await?;
            claimed = work.claim(claim).await?;
        }
        let turn = |work: Work| Ok(Turn { lanes: read_doc(&work)?, work });
        claimed.pop().map(turn).transpose()
    }

    /// Notes how busy the lanes are, before anything is asked for. False where the turn was lost.
    pub(super) async fn note_lanes(&self, turn: &mut Turn) -> Result<bool, RetrievalError> {
        turn.work.doc = write_doc(&turn.work.id, &turn.lanes)?;
        match self.parts().work.update(turn.work.clone()).await? {
            UpdateOutcome::Updated(revs) => {
                turn.work.rev = revs.first().copied().unwrap_or(turn.work.rev + 1);
                Ok(true)
            }
            UpdateOutcome::Conflict { .. } => Ok(false),
        }
    }

    /// Whether the turn still is this process's, for a while to come.
    pub(super) async fn keep_turn(&self, turn: &Turn) -> Result<bool, RetrievalError> {
        let work = &self.parts().work;
        Ok(work.renew(WorkKind::Turn, &turn.work.id, &self.inner.owner, self.parts().settings.lease_ms).await?)
    }

    /// Lets others ask. Where that fails they wait for the lease to lapse.
    pub(super) async fn end_turn(&self, mut turn: Turn) -> Result<(), RetrievalError> {
        turn.work.lease = None;
        if !self.note_lanes(&mut turn).await? {
            tracing::info!("the turn to ask was taken over");
        }
        Ok(())
    }

    /// What the limited speeds that these recordings could take have to do before them: what was asked for, and what was approved and
    /// waits, for whatever matter.
    pub(crate) async fn busy_lanes(&self, inputs: &[PlanInput]) -> Result<plan::Lanes, RetrievalError> {
        let mut busy = plan::Lanes::default();
        let classes = &self.parts().prices.classes;
        let is_limited = |i: &PlanInput| {
            let class = classes.get(&i.storage_class);
            class.is_some_and(|c| c.speeds().any(|(_, prices)| prices.gib_per_hour.is_some()))
        };
        if !inputs.iter().any(is_limited) {
            return Ok(busy);
        }
        let now = self.now().as_millisecond();
        if let Some(turn) = self.parts().work.get(WorkKind::Turn, self.parts().store.reader.name()).await? {
            for (name, until) in read_doc::<Lanes>(&turn)?.0 {
                busy.add(name, u64::try_from(until.as_millisecond() - now).unwrap_or(0));
            }
        }
        let planned: HashSet<&ArchiveId> = inputs.iter().map(|i| &i.archive_id).collect();
        for work in self.job_rows(None, |state| state == JobState::Approved).await? {
            let row = Row::read(work)?;
            if let Some((speed, busy_ms)) = self.lane_ms(&row).filter(|_| !planned.contains(&row.job.archive_id)) {
                busy.add(plan::Lanes::name(&row.job.storage_class, speed), busy_ms);
            }
        }
        Ok(busy)
    }

    /// How long a row keeps its lane busy; none where its speed is not limited.
    pub(super) fn lane_ms(&self, row: &Row) -> Option<(RehydrationSpeed, u64)> {
        let speed = row.job.speed?;
        let class = self.parts().prices.classes.get(&row.job.storage_class)?;
        let rate = class.speeds().find(|(of, _)| *of == speed)?.1.gib_per_hour?;
        Some((speed, gib_ms(row.job.fixity.size_bytes, rate)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lane_is_filled_a_minute_ahead_and_no_further() {
        let now: Timestamp = "2026-11-03T08:00:00Z".parse().unwrap();
        let mut lanes = Lanes::default();
        let speed = RehydrationSpeed::Expedited;
        // Six of 10 s fill the minute; the one that begins at its end is let in, the next waits.
        for _ in 0..7 {
            lanes.take("Archive", speed, 10_000, now).unwrap();
        }
        let later = lanes.take("Archive", speed, 10_000, now).unwrap_err();
        assert_eq!(later, now + SignedDuration::from_secs(10));
        lanes.take("Archive", RehydrationSpeed::Standard, 1, now).unwrap();
        lanes.take("Archive", speed, 10_000, later).unwrap();
        lanes.give_back("Archive", speed, 10_000);
        lanes.take("Archive", speed, 3_600_000, later).unwrap();
        assert!(lanes.take("Archive", speed, 1, later).is_err(), "an hour's worth fills an hour");
    }
}
