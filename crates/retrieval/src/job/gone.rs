//! What becomes of a recording whose rehydrated copy is not there any more when it is to be fetched.

use super::{JobState, Problem, Row, rehydrate::failed};
use crate::desk::Desk;
use jiff::{SignedDuration, Timestamp};

/// A copy that went before it was fetched is asked for once more, not again and again: it costs money.
const GONE_MAX: u32 = 1;

/// Why it is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Gone {
    /// The days it was asked to stay are over.
    Expired,
    /// It went before that, or never came: a lifecycle rule or a person moved it, or the provider dropped the request.
    ArchivedAgain,
}

impl Gone {
    fn of(row: &Row, now: Timestamp) -> Self {
        let job = &row.job;
        let stays = SignedDuration::from_hours(24 * i64::from(job.keep_days));
        // One that nobody looked at while it was online is taken to have come when it was expected.
        let until = job.available_until.or_else(|| job.expected_at.or(job.worst_at)?.checked_add(stays).ok());
        if until.is_some_and(|until| until <= now) { Self::Expired } else { Self::ArchivedAgain }
    }

    fn code(self) -> &'static str {
        match self {
            Self::Expired => "retrieval.copy_expired",
            Self::ArchivedAgain => "retrieval.archived_again",
        }
    }

    fn what(self) -> &'static str {
        match self {
            Self::Expired => "the rehydrated copy expired before it was fetched",
            Self::ArchivedAgain => {
                "it is in its cold tier again before it was fetched and before its copy was due to expire: a lifecycle rule or a person put it back, or the provider dropped the request"
            }
        }
    }

    fn next(self) -> &'static str {
        match self {
            Self::Expired => {
                "Keep Holdfast running, or let copies stay longer (archive.keep_days), and make a new plan."
            }
            Self::ArchivedAgain => {
                "Exclude it from the lifecycle rule, or rehydrate by copy (archive.azure.rehydrate = \"copy\"), and make a new plan."
            }
        }
    }
}

impl Desk {
    /// Asks once more, and says so and why; the second time a person decides.
    pub(super) fn ask_again(&self, mut row: Row) -> Row {
        let now = self.now();
        let gone = Gone::of(&row, now);
        row.job.available_until = None;
        row.job.requested_at = None;
        if row.job.gone >= GONE_MAX || row.job.speed.is_none() {
            let problem = Problem {
                code: gone.code().into(),
                message: format!(
                    "At {now} {}. {}",
                    gone.what(),
                    if row.job.gone > 0 { "It was asked for twice." } else { "Nobody approved asking for it." }
                ),
                next: gone.next().into(),
            };
            return failed(row, problem);
        }
        row.job.gone += 1;
        row.job
            .remarks
            .push(format!("At {now} {}; it is asked for once more, which costs as much again.", gone.what()));
        row.to(JobState::Approved, None)
    }
}
