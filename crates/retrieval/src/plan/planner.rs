use super::{
    Choice, PlanBody, PlanInput, PlanItem, PlanOption, PlanTotals, RefusalCode, Terms,
    lanes::{self, Lanes},
    refusal::Gathered,
    speed_word, words,
};
use crate::{
    money::Money,
    prices::{ClassPrices, PriceList, SpeedPrices},
};
use holdfast_model::{Availability, RehydrationSpeed};
use holdfast_store::RehydrationOption;
use jiff::{SignedDuration, Timestamp};
use std::collections::{BTreeMap, BTreeSet};

/// The parts of a cost.
#[derive(Debug, Clone, Copy, Default)]
struct Costs {
    requests: Money,
    bytes: Money,
    copies: Money,
    early_deletion: Money,
    download: Money,
}

impl Costs {
    fn total(self) -> Money {
        self.requests + self.bytes + self.copies + self.early_deletion + self.download
    }
}

/// Works out one plan.
pub(super) struct Planner<'a> {
    deadline: Timestamp,
    now: Timestamp,
    keep_days: u16,
    prices: &'a PriceList,
    choice: Choice,
    lanes: Lanes,
    remarks: BTreeSet<String>,
    refused: BTreeMap<(String, RefusalCode), Gathered>,
    /// Recordings that leave their class early, and the most that could be billed for them on top.
    early: (u32, Money),
    /// By class: what was chosen although the provider may refuse it.
    unsure: BTreeMap<String, Unsure>,
}

/// Recordings of one class at a speed that the provider may refuse.
struct Unsure {
    speed: RehydrationSpeed,
    items: u32,
    /// The speed that then remains, how long it takes at the worst, and whether that still makes the deadline for all.
    instead: Option<(RehydrationSpeed, u64, bool)>,
}

/// An option with what choosing it entails.
struct Candidate {
    shown: PlanOption,
    wait_ms: u64,
    gib_per_hour: Option<u64>,
    costs: Costs,
    ready_ms: u64,
}

impl<'a> Planner<'a> {
    pub(super) fn new(terms: Terms, prices: &'a PriceList) -> Self {
        let Terms { deadline, now, keep_days, choice, lanes } = terms;
        Self {
            deadline,
            now,
            keep_days,
            prices,
            choice,
            lanes,
            remarks: BTreeSet::new(),
            refused: BTreeMap::new(),
            early: (0, Money::ZERO),
            unsure: BTreeMap::new(),
        }
    }

    /// Small recordings go first where an account carries only so much, so that as many as can be make the deadline.
    pub(super) fn plan(mut self, items: &[PlanInput]) -> PlanBody {
        if self.deadline <= self.now {
            self.remarks.insert(format!("The deadline {} is past; the plan was made at {}.", self.deadline, self.now));
        }
        let mut order: Vec<usize> = (0..items.len()).collect();
        order.sort_by_key(|&i| (items[i].size_bytes, i));
        let mut planned: Vec<Option<(PlanItem, Costs)>> = vec![None; items.len()];
        for i in order {
            planned[i] = Some(self.item(&items[i]));
        }
        let planned: Vec<(PlanItem, Costs)> = planned.into_iter().flatten().collect();
        self.body(planned)
    }

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
            refused: None,
            expected_at: None,
            worst_at: None,
            copy_expires_at: None,
            cost: Money::ZERO,
        };
        if input.at_desk {
            (item.expected_at, item.worst_at) = (Some(self.now), Some(self.now));
            return (item, Costs::default());
        }
        if input.missing {
            refuse(&mut item, RefusalCode::ObjectMissing, words::missing(self.prices.name_of(&input.storage_class)));
            self.gather(&item, input);
            return (item, Costs::default());
        }
        let class = self.prices.classes.get(&input.storage_class);
        if class.is_none() {
            self.remarks.insert(format!(
                "The price list of {} has no prices for {}; what lies there is not in the cost.",
                self.prices.dated, input.storage_class
            ));
        }
        if let Some(unconfirmed) = class.and_then(|c| c.unconfirmed.as_deref()) {
            self.remarks.insert(format!("Not confirmed: {unconfirmed}"));
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
        if item.cannot_meet.is_some() {
            if self.deadline <= self.now {
                item.refused = Some(RefusalCode::DeadlinePast);
            }
            self.gather(&item, input);
        }
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
                let left = words::left(self.deadline, self.now);
                let said = format!("It is on its way and may take until {worst}; {left}.");
                refuse(item, RefusalCode::UnderWayTooSlow, said);
            }
            return self.base_costs(input.size_bytes, class);
        }
        self.offline(item, input, class)
    }

    fn offline(&mut self, item: &mut PlanItem, input: &PlanInput, class: &ClassPrices) -> Costs {
        let candidates = self.candidates(input, class);
        item.options = candidates.iter().map(|c| c.shown.clone()).collect();
        let Some(chosen) = self.choose(&candidates, input) else {
            let said = words::no_way(self.prices.name_of(&input.storage_class), &self.prices.dated.to_string());
            refuse(item, RefusalCode::NoWayBack, said);
            return Costs::default();
        };
        if !chosen.shown.meets_deadline {
            let (code, said) = self.why_late(chosen, &candidates, input);
            refuse(item, code, said);
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
        if chosen.shown.may_be_refused {
            self.note_unsure(&candidates, chosen.shown.speed, &input.storage_class);
        }
        let costs = chosen.costs;
        if !costs.early_deletion.is_zero() {
            let most = class.storage(input.size_bytes, u64::from(class.min_days), self.prices.gigabyte_bytes);
            let on_top = most.micros().saturating_sub(costs.early_deletion.micros());
            self.early = (self.early.0 + 1, self.early.1 + Money::from_micros(on_top));
        }
        costs
    }

    /// The wanted speed where it is offered, else the cheapest that meets the deadline at the worst, else the cheapest that usually
    /// does, else the fastest.
    fn choose<'c>(&mut self, candidates: &'c [Candidate], input: &PlanInput) -> Option<&'c Candidate> {
        if let Choice::Speed(speed) = self.choice {
            let found = candidates.iter().find(|c| c.shown.speed == speed);
            if found.is_some() {
                return found;
            }
            let class = self.prices.name_of(&input.storage_class);
            self.remarks.insert(format!("{class} offers no {} retrieval.", speed_word(speed)));
        }
        let price = |c: &&Candidate| (c.shown.cost, c.shown.worst_ms, c.shown.expected_ms);
        let promised = candidates.iter().filter(|c| c.shown.meets_deadline).min_by_key(price);
        let usual = || candidates.iter().filter(|c| self.meets(c.shown.expected_ms)).min_by_key(price);
        let fastest = || candidates.iter().min_by_key(|c| (c.shown.worst_ms, c.shown.expected_ms, c.shown.cost));
        promised.or_else(usual).or_else(fastest)
    }

    fn why_late(&self, chosen: &Candidate, all: &[Candidate], input: &PlanInput) -> (RefusalCode, String) {
        let (class, deadline, now) = (self.prices.name_of(&input.storage_class), self.deadline, self.now);
        let shown = &chosen.shown;
        if all.iter().any(|c| c.shown.meets_deadline) {
            return (RefusalCode::SpeedTooSlow, words::speed_too_slow(class, shown, deadline, now));
        }
        if self.meets(shown.worst_ms.saturating_sub(chosen.wait_ms)) {
            let said = words::queue_too_long(class, chosen.wait_ms, shown, deadline, now);
            return (RefusalCode::QueueTooLong, said);
        }
        if self.meets(shown.expected_ms) {
            return (RefusalCode::NotPromised, words::not_promised(class, shown, deadline, now));
        }
        let fastest = all.iter().min_by_key(|c| c.shown.worst_ms).map_or(shown, |c| &c.shown);
        (RefusalCode::ClassTooSlow, words::class_too_slow(class, fastest, deadline, now))
    }

    fn note_unsure(&mut self, all: &[Candidate], speed: RehydrationSpeed, storage_class: &str) {
        let next = all.iter().filter(|c| !c.shown.may_be_refused).min_by_key(|c| c.shown.worst_ms);
        let next = next.map(|c| (c.shown.speed, c.shown.worst_ms, c.shown.meets_deadline));
        let Some(u) = self.unsure.get_mut(storage_class) else {
            self.unsure.insert(storage_class.to_owned(), Unsure { speed, items: 1, instead: next });
            return;
        };
        u.items += 1;
        u.instead = u.instead.zip(next).map(|(a, b)| (a.0, a.1.max(b.1), a.2 && b.2));
    }

    fn may_be_refused(&self, storage_class: &str, u: &Unsure) -> String {
        let class = self.prices.name_of(storage_class);
        let named = |speed| words::capitalised(speed_word(speed));
        let instead = u.instead.map_or_else(String::new, |(speed, worst_ms, meets)| {
            let meets = if meets { "still makes" } else { "no longer makes" };
            let worst = words::human_duration(worst_ms);
            format!(" {} then remains, which may take {worst} and {meets} the deadline.", named(speed))
        });
        format!(
            "The provider may refuse {} retrieval from {class} ({} here) for want of capacity, unless provisioned capacity was bought.\
             {instead}",
            named(u.speed),
            u.items
        )
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
        let costs = self.costs(input, class, p);
        Candidate {
            shown: PlanOption {
                speed,
                expected_ms: minutes(p.expected_minutes, offered.expected)
                    .saturating_add(extra)
                    .saturating_add(download),
                worst_ms,
                cost: costs.total(),
                meets_deadline: self.meets(worst_ms),
                may_be_refused: p.may_be_refused,
            },
            wait_ms,
            gib_per_hour: p.gib_per_hour,
            costs,
            ready_ms: ready,
        }
    }

    fn costs(&self, input: &PlanInput, class: &ClassPrices, p: &SpeedPrices) -> Costs {
        let (gb, size) = (self.prices.gigabyte_bytes, input.size_bytes);
        let base = self.base_costs(size, class);
        Costs {
            requests: base.requests + p.per_1000_requests.of(1, 1000),
            bytes: p.per_gb.of(size, gb),
            copies: class
                .copy_per_gb_month
                .of(size.saturating_mul(class.copy_expiry.most_days(self.keep_days)), gb.saturating_mul(30)),
            early_deletion: class.storage(size, self.days_missing(input, class), gb),
            download: base.download,
        }
    }

    /// Days that are billed although the object is no longer in the class. A copy leaves the archived object where it is.
    fn days_missing(&self, input: &PlanInput, class: &ClassPrices) -> u64 {
        if !input.moves {
            return 0;
        }
        let age = input.stored_at.map_or(0, |at| age_days(at, self.now));
        u64::try_from(i64::from(class.min_days) - age).unwrap_or(0)
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
            refuse(item, RefusalCode::DownloadTooSlow, words::late(worst_ms, self.deadline, self.now));
        }
    }

    /// Notes a recording that is refused with the others of its class and reason.
    fn gather(&mut self, item: &PlanItem, input: &PlanInput) {
        let (Some(code), Some(reason)) = (item.refused, &item.cannot_meet) else { return };
        let days = input.stored_at.map(|at| age_days(at, self.now));
        let key = (item.storage_class.clone(), code);
        let Some(g) = self.refused.get_mut(&key) else {
            let new = Gathered { items: 1, reason: reason.clone(), worst_at: item.worst_at, oldest_days: days };
            self.refused.insert(key, new);
            return;
        };
        g.items += 1;
        g.oldest_days = g.oldest_days.max(days);
        if item.worst_at > g.worst_at {
            g.worst_at = item.worst_at;
            g.reason.clone_from(reason);
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
            t.early_deletion_cost = t.early_deletion_cost + costs.early_deletion;
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
        t.cost = t.requests_cost + t.bytes_cost + t.copies_cost + t.early_deletion_cost + t.download_cost;
        t.meets_deadline = t.cannot_meet == 0 && t.worst_at <= self.deadline && self.deadline > self.now;
        let remarks = self.all_remarks(&t);
        let window = u64::try_from(self.deadline.as_millisecond() - self.now.as_millisecond()).unwrap_or(0);
        PlanBody {
            deadline: self.deadline,
            made_at: self.now,
            prices_dated: self.prices.dated.to_string(),
            keep_days: self.keep_days,
            items: planned.into_iter().map(|(item, _)| item).collect(),
            totals: t,
            remarks,
            refusals: self
                .refused
                .into_iter()
                .map(|((class, code), g)| g.refusal(code, &class, window, self.prices, self.deadline))
                .collect(),
        }
    }

    fn all_remarks(&self, t: &PlanTotals) -> Vec<String> {
        let mut remarks: Vec<String> = self.remarks.iter().cloned().collect();
        remarks.extend(self.unsure.iter().map(|(class, u)| self.may_be_refused(class, u)));
        let (early, on_top) = self.early;
        if early > 0 {
            let currency = &self.prices.currency;
            remarks.push(format!(
                "Bringing back moves {early} of the recordings out of their class before its minimum days are over, which costs \
                 {currency} {} on top. It is counted from the day that they were archived; where a lifecycle rule moved them later, the \
                 provider bills up to {currency} {on_top} more.",
                t.early_deletion_cost
            ));
        }
        if !t.meets_deadline && t.cannot_meet == 0 && self.deadline > self.now {
            remarks.push(format!(
                "Each recording alone makes the deadline, but downloading all of them one after another may take until {}.",
                t.worst_at
            ));
        }
        remarks
    }
}

fn refuse(item: &mut PlanItem, code: RefusalCode, said: String) {
    (item.refused, item.cannot_meet) = (Some(code), Some(said));
}

/// Whole days from `at` to `now`; none where `at` lies ahead.
fn age_days(at: Timestamp, now: Timestamp) -> i64 {
    (now.as_millisecond() - at.as_millisecond()).max(0) / 86_400_000
}

/// Milliseconds that `bytes` take at so many MiB a second, rounded up.
fn mib_ms(bytes: u64, mib_per_second: u64) -> u64 {
    let ms = (u128::from(bytes) * 1000).div_ceil(u128::from(mib_per_second.max(1)) << 20);
    u64::try_from(ms).unwrap_or(u64::MAX)
}

/// A duration; what no calendar can hold becomes the longest that can.
pub(super) fn ms(millis: u64) -> SignedDuration {
    SignedDuration::from_millis(i64::try_from(millis).unwrap_or(i64::MAX))
}
