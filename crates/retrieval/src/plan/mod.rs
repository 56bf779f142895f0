//! What bringing recordings back would take and cost: a pure function of facts, prices, deadline and time.

mod lanes;
mod planner;
mod refusal;
mod words;

use crate::{money::Money, prices::PriceList};
use holdfast_model::{ArchiveId, Availability, RehydrationSpeed, StorageTier};
use holdfast_store::RehydrationOption;
use jiff::Timestamp;
use planner::Planner;
use serde::{Deserialize, Serialize};

pub use refusal::{Refusal, RefusalCode};

pub use lanes::Lanes;

pub(crate) use lanes::gib_ms;
pub(crate) use words::speed_word;

/// What the planner needs to know of one recording.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanInput {
    /// Which.
    pub archive_id: ArchiveId,
    /// Its size.
    pub size_bytes: u64,
    /// How far away it lies.
    pub tier: StorageTier,
    /// The provider's own name of the class.
    pub storage_class: String,
    /// Whether it can be read now.
    pub availability: Availability,
    /// Whether a verified copy is at the desk already.
    pub at_desk: bool,
    /// What the store offers for this class.
    pub offered: Vec<RehydrationOption>,
    /// Whether the store can raise the speed of a rehydration under way.
    pub can_raise: bool,
    /// When it was put into the storage, as far as is known; what is billed for leaving a class too soon counts from here.
    pub stored_at: Option<Timestamp>,
    /// Whether bringing it back moves the object out of its class, rather than making a copy beside it.
    pub moves: bool,
    /// Whether the storage has no such object.
    pub missing: bool,
}

/// What a plan is made for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// When it is due.
    pub deadline: Timestamp,
    /// The time; everything counts from here.
    pub now: Timestamp,
    /// Days that rehydrated copies are asked to stay.
    pub keep_days: u16,
    /// How speeds are chosen.
    pub choice: Choice,
    /// What limited speeds already have to do.
    pub lanes: Lanes,
}

/// How speeds are chosen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Choice {
    /// For each recording the cheapest way whose worst case meets the deadline; where none does, the cheapest that usually meets
    /// it; where none does even that, the fastest.
    #[default]
    Cheapest,
    /// This speed for all that offer it; the others as [`Choice::Cheapest`].
    Speed(RehydrationSpeed),
}

/// What a plan says, item by item and in sum. Times count from `made_at`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanBody {
    /// When it is due.
    pub deadline: Timestamp,
    /// When this was worked out.
    pub made_at: Timestamp,
    /// Date of the price list, `yyyy-mm-dd`.
    pub prices_dated: String,
    /// Days that rehydrated copies are asked to stay.
    pub keep_days: u16,
    /// In the order given.
    pub items: Vec<PlanItem>,
    /// In sum.
    pub totals: PlanTotals,
    /// What a person must know before approving: a deadline that is past, a class without a price, a speed not offered.
    pub remarks: Vec<String>,
    /// What cannot be answered by the deadline, each reason once, with what would have allowed it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refusals: Vec<Refusal>,
}

/// One recording in a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanItem {
    /// Which.
    pub archive_id: ArchiveId,
    /// How far away it lies.
    pub tier: StorageTier,
    /// The provider's own name of the class.
    pub storage_class: String,
    /// Whether it could be read when the plan was made.
    pub availability: Availability,
    /// Whether a verified copy was at the desk when the plan was made; nothing will be done for it then.
    pub at_desk: bool,
    /// Its size.
    pub size_bytes: u64,
    /// What can be asked for, fastest first; empty where nothing need be.
    pub options: Vec<PlanOption>,
    /// The chosen speed, where one is to be asked for.
    pub chosen: Option<RehydrationSpeed>,
    /// Milliseconds to wait before asking, where an account carries only so much at that speed.
    pub wait_ms: u64,
    /// Why it can't make the deadline.
    pub cannot_meet: Option<String>,
    /// The same as a stable code; one of [`PlanBody::refusals`] says more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<RefusalCode>,
    /// When it usually is at the desk.
    pub expected_at: Option<Timestamp>,
    /// When it is at the desk at the worst.
    pub worst_at: Option<Timestamp>,
    /// Until when the rehydrated copy then stays.
    pub copy_expires_at: Option<Timestamp>,
    /// What it costs in all, as chosen.
    pub cost: Money,
}

/// One way to bring one recording back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanOption {
    /// How quickly.
    pub speed: RehydrationSpeed,
    /// Usual time until it is at the desk, its download and its turn in a limited lane included.
    pub expected_ms: u64,
    /// The same at the worst.
    pub worst_ms: u64,
    /// Requests, retrieved bytes, keeping the copy, download.
    pub cost: Money,
    /// Whether even the worst case meets the deadline.
    pub meets_deadline: bool,
    /// Whether the provider may refuse it when demand is high.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub may_be_refused: bool,
}

/// A plan in sum.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanTotals {
    /// Recordings.
    pub items: u32,
    /// Readable already, or at the desk.
    pub online: u32,
    /// To be asked for.
    pub to_rehydrate: u32,
    /// That cannot make the deadline.
    pub cannot_meet: u32,
    /// Bytes in all.
    pub size_bytes: u64,
    /// Cost of requests, rehydration and reading.
    pub requests_cost: Money,
    /// Cost of bytes brought back.
    pub bytes_cost: Money,
    /// Cost of keeping rehydrated copies, beside what the archived ones cost anyway.
    pub copies_cost: Money,
    /// Cost of leaving a class before its minimum days are over.
    #[serde(default, skip_serializing_if = "Money::is_zero")]
    pub early_deletion_cost: Money,
    /// Cost of sending bytes to the desk.
    pub download_cost: Money,
    /// All of it.
    pub cost: Money,
    /// ISO 4217.
    pub currency: String,
    /// When the last usually is at the desk.
    pub expected_at: Timestamp,
    /// When the last is at the desk at the worst: jobs run at once, downloads share one line.
    pub worst_at: Timestamp,
    /// Whether all make the deadline even at the worst.
    pub meets_deadline: bool,
}

/// Works out a plan. Pure; 10,000 recordings take milliseconds.
///
/// Where an account carries only so much an hour at some speed, small recordings go first there, so that as many as can be make
/// the deadline.
#[must_use]
pub fn plan(items: &[PlanInput], terms: Terms, prices: &PriceList) -> PlanBody {
    Planner::new(terms, prices).plan(items)
}

#[cfg(test)]
mod tests;
