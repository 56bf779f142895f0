//! What bringing recordings back would take and cost: a pure function of facts, prices, deadline and time.

mod lanes;
mod words;

use crate::{
    money::Money,
    prices::{ClassPrices, PriceList, SpeedPrices},
};
use holdfast_model::{ArchiveId, Availability, RehydrationSpeed, StorageTier};
use holdfast_store::RehydrationOption;
use jiff::{SignedDuration, Timestamp};
use lanes::Lanes;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

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
}

/// What a plan is made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// When it is due.
    pub deadline: Timestamp,
    /// The time; everything counts from here.
    pub now: Timestamp,
    /// Days that rehydrated copies are asked to stay.
    pub keep_days: u16,
    /// How speeds are chosen.
    pub choice: Choice,
}

/// How speeds are chosen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Choice {
    /// For each recording the cheapest way whose worst case meets the deadline; where none does, the fastest.
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
    /// Cost of keeping rehydrated copies.
    pub copies_cost: Money,
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
    let Terms { deadline, now, keep_days, choice } = terms;
    let mut planner =
        Planner { deadline, now, keep_days, prices, choice, lanes: Lanes::default(), remarks: BTreeSet::new() };
    if deadline <= now {
        planner.remarks.insert(format!("The deadline {deadline} is past; the plan was made at {now}."));
    }
    let mut order: Vec<usize> = (0..items.len()).collect();
    order.sort_by_key(|&i| (items[i].size_bytes, i));
    let mut planned: Vec<Option<(PlanItem, Costs)>> = vec![None; items.len()];
    for i in order {
        planned[i] = Some(planner.item(&items[i]));
    }
    let planned: Vec<(PlanItem, Costs)> = planned.into_iter().flatten().collect();
    planner.body(planned)
}

/// The parts of a cost.
#[derive(Debug, Clone, Copy, Default)]
struct Costs {
    requests: Money,
    bytes: Money,
    copies: Money,
    download: Money,
}

impl Costs {
    fn total(self) -> Money {
        self.requests + self.bytes + self.copies + self.download
    }
}

struct Planner<'a> {
    deadline: Timestamp,
    now: Timestamp,
    keep_days: u16,
    prices: &'a PriceList,
    choice: Choice,
    lanes: Lanes,
    remarks: BTreeSet<String>,
}

/// An option with what choosing it entails.
struct Candidate {
    shown: PlanOption,
    wait_ms: u64,
    gib_per_hour: Option<u64>,
    costs: Costs,
    ready_ms: u64,
}

impl Planner<'_> {
    fn item(&mut self, input: &PlanInput) -> (PlanItem, Costs) {
        let mut item = PlanItem {
            archive_id: input.archive_id.clone(),
            tier: input.tier,
            storage_class: input.storage_class.clone(),
            availability: input.availability.clone(),
            at_desk: input.at_desk,
            size_bytes: input.size_bytes,
            options: Vec::new(),
            chosen: None,
            wait_ms: 0,
            cannot_meet: None,
            expected_at: None,
            worst_at: None,
            copy_expires_at: None,
            cost: Money::ZERO,
        };
        if input.at_desk {
            (item.expected_at, item.worst_at) = (Some(self.now), Some(self.now));
            return (item, Costs::default());
        }
        let class = self.prices.classes.get(&input.storage_class);
        if class.is_none() {
            self.remarks.insert(format!(
                "The price list of {} has no prices for {}; what lies there is not in the cost.",
                self.prices.dated, input.storage_class
            ));
        }
        let fallback = ClassPrices::default();
        let class = class.unwrap_or(&fallback);
        let costs = match &input.availability {
            Availability::Online { until } if until.is_none_or(|u| self.after(self.download_ms(input)) < u) => {
                self.online(&mut item, class, *until)
            }
            Availability::Rehydrating { requested_at, expected_at } => {
                self.under_way(&mut item, input, class, *requested_at, *expected_at)
            }
            Availability::Online { .. } | Availability::Offline => self.offline(&mut item, input, class),
        };
        item.cost = costs.total();
        (item, costs)
    }

    fn online(&self, item: &mut PlanItem, class: &ClassPrices, until: Option<Timestamp>) -> Costs {
        self.timed(item, 0, 0);
        item.copy_expires_at = until;
        self.base_costs(item.size_bytes, class)
    }

    fn under_way(
        &mut self,
        item: &mut PlanItem,
        input: &PlanInput,
        class: &ClassPrices,
        requested_at: Option<Timestamp>,
        expected_at: Option<Timestamp>,
    ) -> Costs {
        // Nobody says at which speed it was asked for: the slowest that is offered is assumed at the worst.
        let slowest = self.candidates(input, class).into_iter().map(|c| c.ready_ms).max().unwrap_or(0);
        // Nor, on some, when: then it may have been asked for just now.
        let requested_at = requested_at.unwrap_or(self.now);
        let worst = requested_at.saturating_add(ms(slowest)).unwrap_or(requested_at);
        let left = |t: Timestamp| u64::try_from(t.as_millisecond() - self.now.as_millisecond()).unwrap_or(0);
        let worst = expected_at.map_or(worst, |e| e.max(worst));
        let worst_ms = left(worst) + self.download_ms(input);
        if self.meets(worst_ms) || !input.can_raise {
            self.timed(item, left(expected_at.unwrap_or(worst)), left(worst));
            if !self.meets(worst_ms) {
                item.cannot_meet = Some(format!(
                    "It is on its way and may take until {worst}; {}.",
                    words::left(self.deadline, self.now)
                ));
            }
            return self.base_costs(input.size_bytes, class);
        }
        self.offline(item, input, class)
    }

    fn offline(&mut self, item: &mut PlanItem, input: &PlanInput, class: &ClassPrices) -> Costs {
        let candidates = self.candidates(input, class);
        item.options = candidates.iter().map(|c| c.shown.clone()).collect();
        let wanted = match self.choice {
            Choice::Speed(speed) => {
                let found = candidates.iter().find(|c| c.shown.speed == speed);
                if found.is_none() {
                    let class = &input.storage_class;
                    self.remarks.insert(format!("{class} offers no {} retrieval.", speed_word(speed)));
                }
                found
            }
            Choice::Cheapest => None,
        };
        let cheapest = candidates
            .iter()
            .filter(|c| c.shown.meets_deadline)
            .min_by_key(|c| (c.shown.cost, c.shown.worst_ms, c.shown.expected_ms));
        let fastest = candidates.iter().min_by_key(|c| (c.shown.worst_ms, c.shown.cost));
        let Some(chosen) = wanted.or(cheapest).or(fastest) else {
            item.cannot_meet = Some(words::no_way(&input.storage_class, &self.prices.dated.to_string()));
            return Costs::default();
        };
        if !chosen.shown.meets_deadline {
            item.cannot_meet = Some(words::too_slow(&input.storage_class, &chosen.shown, self.deadline, self.now));
        }
        item.chosen = Some(chosen.shown.speed);
        item.wait_ms = chosen.wait_ms;
        let download_ms = self.download_ms(input);
        let expected_ready = chosen.shown.expected_ms.saturating_sub(download_ms);
        self.timed(item, expected_ready, chosen.shown.worst_ms.saturating_sub(download_ms));
        item.copy_expires_at = Some(class.copy_expiry.of(self.after(expected_ready), self.keep_days));
        if let Some(rate) = chosen.gib_per_hour {
            self.lanes.take(&input.storage_class, chosen.shown.speed, input.size_bytes, rate);
        }
        chosen.costs
    }

    /// What both the store offers and the list prices, fastest first.
    fn candidates(&self, input: &PlanInput, class: &ClassPrices) -> Vec<Candidate> {
        class
            .speeds()
            .filter_map(|(speed, p)| {
                let offered = input.offered.iter().find(|o| o.speed == speed)?;
                Some(self.candidate(input, class, speed, p, offered))
            })
            .collect()
    }

    fn candidate(
        &self,
        input: &PlanInput,
        class: &ClassPrices,
        speed: RehydrationSpeed,
        p: &SpeedPrices,
        offered: &RehydrationOption,
    ) -> Candidate {
        let by_store = |d: std::time::Duration| u64::try_from(d.as_millis()).unwrap_or(u64::MAX);
        let minutes = |m: Option<u64>, d| m.map_or(by_store(d), |m| m.saturating_mul(60_000));
        let wait_ms = p.gib_per_hour.map_or(0, |_| self.lanes.wait_ms(&input.storage_class, speed));
        let size = input.size_bytes;
        let extra = wait_ms
            .saturating_add(p.mib_per_second.map_or(0, |r| mib_ms(size, r)))
            .saturating_add(p.gib_per_hour.map_or(0, |r| lanes::gib_ms(size, r)));
        let download = self.download_ms(input);
        let ready = minutes(p.worst_minutes, offered.worst).saturating_add(extra);
        let worst_ms = ready.saturating_add(download);
        let gb = self.prices.gigabyte_bytes;
        let base = self.base_costs(size, class);
        let days = u64::from(self.keep_days);
        let costs = Costs {
            requests: base.requests + p.per_1000_requests.of(1, 1000),
            bytes: p.per_gb.of(size, gb),
            copies: class.copy_per_gb_month.of(size.saturating_mul(days), gb.saturating_mul(30)),
            download: base.download,
        };
        Candidate {
            shown: PlanOption {
                speed,
                expected_ms: minutes(p.expected_minutes, offered.expected)
                    .saturating_add(extra)
                    .saturating_add(download),
                worst_ms,
                cost: costs.total(),
                meets_deadline: self.meets(worst_ms),
            },
            wait_ms,
            gib_per_hour: p.gib_per_hour,
            costs,
            ready_ms: ready,
        }
    }

    fn base_costs(&self, size: u64, class: &ClassPrices) -> Costs {
        Costs {
            requests: class.read_per_1000_requests.of(1, 1000),
            download: class.download_per_gb.of(size, self.prices.gigabyte_bytes),
            ..Costs::default()
        }
    }

    fn download_ms(&self, input: &PlanInput) -> u64 {
        mib_ms(input.size_bytes, self.prices.download_mib_per_second)
    }

    fn after(&self, millis: u64) -> Timestamp {
        self.now.saturating_add(ms(millis)).unwrap_or(self.now)
    }

    fn meets(&self, worst_ms: u64) -> bool {
        self.deadline > self.now && self.now.checked_add(ms(worst_ms)).is_ok_and(|t| t <= self.deadline)
    }

    fn timed(&self, item: &mut PlanItem, expected_ready_ms: u64, worst_ready_ms: u64) {
        let download = mib_ms(item.size_bytes, self.prices.download_mib_per_second);
        item.expected_at = Some(self.after(expected_ready_ms.saturating_add(download)));
        let worst_ms = worst_ready_ms.saturating_add(download);
        item.worst_at = Some(self.after(worst_ms));
        if !self.meets(worst_ms) && item.cannot_meet.is_none() {
            item.cannot_meet = Some(words::late(worst_ms, self.deadline, self.now));
        }
    }

    fn body(self, planned: Vec<(PlanItem, Costs)>) -> PlanBody {
        let mut t = PlanTotals { currency: self.prices.currency.clone(), ..PlanTotals::default() };
        (t.expected_at, t.worst_at) = (self.now, self.now);
        let mut to_download = 0u64;
        for (item, costs) in &planned {
            t.items += 1;
            t.size_bytes = t.size_bytes.saturating_add(item.size_bytes);
            t.to_rehydrate += u32::from(item.chosen.is_some());
            t.online += u32::from(item.at_desk || (item.chosen.is_none() && item.availability.is_online_at(self.now)));
            t.cannot_meet += u32::from(item.cannot_meet.is_some());
            t.requests_cost = t.requests_cost + costs.requests;
            t.bytes_cost = t.bytes_cost + costs.bytes;
            t.copies_cost = t.copies_cost + costs.copies;
            t.download_cost = t.download_cost + costs.download;
            t.expected_at = t.expected_at.max(item.expected_at.unwrap_or(self.now));
            t.worst_at = t.worst_at.max(item.worst_at.unwrap_or(self.now));
            to_download = to_download.saturating_add(if item.at_desk { 0 } else { item.size_bytes });
        }
        // Jobs run at once, but all downloads share one line: the last can't be there before all bytes could be.
        let line = mib_ms(to_download, self.prices.download_mib_per_second);
        let largest = planned.iter().map(|(i, _)| i.size_bytes).max().unwrap_or(0);
        let queue = ms(line.saturating_sub(mib_ms(largest, self.prices.download_mib_per_second)));
        t.expected_at = t.expected_at.max(self.after(line));
        t.worst_at = t.worst_at.saturating_add(queue).unwrap_or(t.worst_at);
        t.cost = t.requests_cost + t.bytes_cost + t.copies_cost + t.download_cost;
        t.meets_deadline = t.cannot_meet == 0 && t.worst_at <= self.deadline && self.deadline > self.now;
        let mut remarks: Vec<String> = self.remarks.into_iter().collect();
        if !t.meets_deadline && t.cannot_meet == 0 && self.deadline > self.now {
            remarks.push(format!(
                "Each recording alone makes the deadline, but downloading all of them one after another may take until {}.",
                t.worst_at
            ));
        }
        PlanBody {
            deadline: self.deadline,
            made_at: self.now,
            prices_dated: self.prices.dated.to_string(),
            keep_days: self.keep_days,
            items: planned.into_iter().map(|(item, _)| item).collect(),
            totals: t,
            remarks,
        }
    }
}

/// Milliseconds that `bytes` take at so many MiB a second, rounded up.
fn mib_ms(bytes: u64, mib_per_second: u64) -> u64 {
    let ms = (u128::from(bytes) * 1000).div_ceil(u128::from(mib_per_second.max(1)) << 20);
    u64::try_from(ms).unwrap_or(u64::MAX)
}

/// A duration; what no calendar can hold becomes the longest that can.
fn ms(millis: u64) -> SignedDuration {
    SignedDuration::from_millis(i64::try_from(millis).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests;
