use super::{planner::ms, *};
use jiff::SignedDuration;
use proptest::prelude::*;
use std::time::Duration;

const HOUR_MS: u64 = 3_600_000;
const GIB: u64 = 1 << 30;

fn now() -> Timestamp {
    "2026-11-03T09:00:00Z".parse().unwrap()
}

fn hours(n: i64) -> Timestamp {
    now() + SignedDuration::from_hours(n)
}

fn all_speeds() -> Vec<RehydrationOption> {
    use RehydrationSpeed::{Bulk, Expedited, Standard};
    [(Expedited, 60, 300), (Standard, 3_600, 7_200), (Bulk, 36_000, 72_000)]
        .map(|(speed, expected, worst)| RehydrationOption {
            speed,
            expected: Duration::from_secs(expected),
            worst: Duration::from_secs(worst),
        })
        .into()
}

fn input(n: usize, class: &str, size_bytes: u64) -> PlanInput {
    PlanInput {
        archive_id: format!("hf-{n:026}").parse().unwrap(),
        size_bytes,
        tier: StorageTier::Cold,
        storage_class: class.into(),
        availability: Availability::Offline,
        at_desk: false,
        offered: all_speeds(),
        can_raise: false,
        stored_at: Some(hours(-24 * 800)),
        moves: false,
        missing: false,
    }
}

fn plan(items: &[PlanInput], deadline: Timestamp, now: Timestamp, prices: &PriceList, choice: Choice) -> PlanBody {
    super::plan(items, Terms { deadline, now, keep_days: 7, choice, lanes: super::Lanes::default() }, prices)
}

fn prices() -> PriceList {
    PriceList::embedded().unwrap()
}

#[test]
fn a_four_hour_answer_out_of_deep_archive_is_impossible_and_said() {
    let body = plan(&[input(1, "DEEP_ARCHIVE", 1 << 20)], hours(4), now(), &prices(), Choice::default());
    let item = &body.items[0];
    // The store (wrongly) offers Expedited; the provider refuses it, so it is no option.
    assert_eq!(
        item.options.iter().map(|o| o.speed).collect::<Vec<_>>(),
        [RehydrationSpeed::Standard, RehydrationSpeed::Bulk]
    );
    assert_eq!(item.chosen, Some(RehydrationSpeed::Standard));
    let why = item.cannot_meet.as_deref().unwrap();
    assert!(why.starts_with("The fastest way back from S3 Glacier Deep Archive (Standard) may take 12 h"), "{why}");
    assert!(why.ends_with("the deadline is in 4 h."), "{why}");
    assert_eq!(item.refused, Some(RefusalCode::ClassTooSlow));
    assert!(!body.totals.meets_deadline);
    assert_eq!(body.totals.cannot_meet, 1);
    // What policy would have allowed it, cheapest first, and what can be promised instead.
    let [refusal] = body.refusals.as_slice() else { panic!("{:?}", body.refusals) };
    assert_eq!((refusal.code.as_str(), refusal.items), ("plan.class_too_slow", 1));
    assert_eq!(
        refusal.advice,
        "What would have allowed it: a lifecycle rule that keeps recordings for their first 801 days in S3 Glacier Flexible Retrieval \
         (Expedited retrieval within 5 min) or S3 Glacier Instant Retrieval (readable at once), and only then in S3 Glacier Deep \
         Archive. It can be made for recordings to come; it does not make these faster."
    );
    assert_eq!(refusal.earliest, item.worst_at);
    let json = serde_json::to_value(&body).unwrap();
    assert_eq!(json["items"][0]["refused"], "plan.class_too_slow");
    assert_eq!(json["refusals"][0]["code"], "plan.class_too_slow");
}

#[test]
fn a_refusal_is_said_once_for_all_that_it_holds_for() {
    let mut items: Vec<PlanInput> = (0..100).map(|n| input(n, "DEEP_ARCHIVE", 1 << 20)).collect();
    items[7].stored_at = Some(hours(-24 * 2000));
    items.push(input(100, "GLACIER", 1 << 20));
    items.push(PlanInput { missing: true, ..input(101, "GLACIER", 1) });
    let body = plan(&items, hours(4), now(), &prices(), Choice::default());
    let said: Vec<(&str, u32)> = body.refusals.iter().map(|r| (r.code.as_str(), r.items)).collect();
    assert_eq!(said, [("plan.class_too_slow", 100), ("plan.object_missing", 1)]);
    assert!(body.refusals[0].advice.contains("first 2001 days"), "{}", body.refusals[0].advice);
    assert_eq!(body.items[100].refused, None, "Expedited makes it");
    assert!(body.items[101].chosen.is_none() && body.items[101].cost.is_zero());
}

#[test]
fn what_azure_promises_no_better_is_tried_at_high_priority_and_said_not_to_be_promised() {
    let items = [input(1, "Archive", GIB)];
    let body = plan(&items, hours(4), now(), &prices(), Choice::default());
    assert_eq!(body.items[0].chosen, Some(RehydrationSpeed::Expedited));
    assert_eq!(body.items[0].refused, Some(RefusalCode::NotPromised));
    let advice = &body.refusals[0].advice;
    assert!(advice.contains("in Azure Cold (readable at once) or Azure Cool (readable at once)"), "{advice}");
    // Too short even for that: the class is too slow, and the one that may be there first is taken.
    let body = plan(&items, now() + SignedDuration::from_mins(20), now(), &prices(), Choice::default());
    assert_eq!(body.items[0].refused, Some(RefusalCode::ClassTooSlow));
}

#[test]
fn leaving_a_class_early_is_in_the_sum_where_the_object_itself_moves() {
    let young = PlanInput { moves: true, stored_at: Some(hours(-24 * 60)), ..input(1, "Archive", GIB) };
    let body = plan(std::slice::from_ref(&young), hours(20), now(), &prices(), Choice::default());
    // 120 days of 0.002 a gigabyte and 30 days.
    assert_eq!(body.totals.early_deletion_cost.micros(), 8_000);
    let parts = &body.totals;
    let sum =
        parts.requests_cost + parts.bytes_cost + parts.copies_cost + parts.early_deletion_cost + parts.download_cost;
    assert_eq!(parts.cost, sum);
    let remark = body.remarks.iter().find(|r| r.contains("minimum days")).unwrap();
    assert!(remark.contains("USD 0.008000") && remark.contains("USD 0.004000 more"), "{remark}");
    for other in
        [PlanInput { moves: false, ..young.clone() }, PlanInput { stored_at: Some(hours(-24 * 180)), ..young.clone() }]
    {
        let body = plan(&[other], hours(20), now(), &prices(), Choice::default());
        assert!(body.totals.early_deletion_cost.is_zero(), "by copy, or old enough");
        assert!(!body.totals.copies_cost.is_zero(), "a copy is billed beside the archived one");
    }
    let unknown = PlanInput { stored_at: None, ..young };
    let body = plan(&[unknown], hours(20), now(), &prices(), Choice::default());
    assert_eq!(body.totals.early_deletion_cost.micros(), 12_000, "all of it where nobody knows");
}

#[test]
fn that_expedited_may_be_refused_is_said_with_what_then_remains() {
    let items: Vec<PlanInput> = (0..50).map(|n| input(n, "GLACIER", (n as u64 + 1) << 20)).collect();
    let body = plan(&items, hours(1), now(), &prices(), Choice::default());
    let said: Vec<&String> = body.remarks.iter().filter(|r| r.contains("capacity")).collect();
    let [said] = said.as_slice() else { panic!("once: {said:?}") };
    assert!(said.contains("Expedited retrieval from S3 Glacier Flexible Retrieval (50 here)"), "{said}");
    assert!(said.contains("Standard then remains, which may take 5 h") && said.contains("no longer makes"), "{said}");
    assert!(body.items[0].options[0].may_be_refused && !body.items[0].options[1].may_be_refused);
}

#[test]
fn the_cheapest_that_meets_is_chosen_and_costs_every_part() {
    let list = prices();
    let one = |deadline| plan(&[input(1, "GLACIER", GIB)], deadline, now(), &list, Choice::default()).items[0].clone();
    assert_eq!(one(hours(13)).chosen, Some(RehydrationSpeed::Bulk));
    assert_eq!(one(hours(6)).chosen, Some(RehydrationSpeed::Standard));
    let quick = one(hours(1));
    assert_eq!(quick.chosen, Some(RehydrationSpeed::Expedited));
    // 0.03 a GB + 0.01 the request + 0.023 x 8/30 a GB for the copy (7 days and up to the next midnight) + 0.09 a GB out + 0.0000004
    // the read (rounded up).
    assert_eq!(quick.cost.micros(), 30_000 + 10_000 + 6_134 + 90_000 + 1);
    assert_eq!(quick.cannot_meet, None);
    // Expected after 5 min + 1 GiB at 286 MiB/s; kept 7 days, rounded up to midnight UTC.
    assert_eq!(quick.copy_expires_at, Some("2026-11-11T00:00:00Z".parse().unwrap()));
}

#[test]
fn a_deadline_in_the_past_is_said() {
    let body = plan(&[input(1, "local-cold", 10)], hours(-1), now(), &prices(), Choice::default());
    assert!(body.remarks[0].contains("is past"), "{:?}", body.remarks);
    assert!(body.items[0].cannot_meet.as_deref().unwrap().ends_with("the deadline is past."));
    assert!(!body.totals.meets_deadline);
    let mut online = input(1, "local-hot", 10);
    online.availability = Availability::Online { until: None };
    assert!(plan(&[online], hours(-1), now(), &prices(), Choice::default()).items[0].cannot_meet.is_some());
}

#[test]
fn what_has_no_price_is_no_option_and_said() {
    let body = plan(&[input(1, "TAPE", 10)], hours(100), now(), &prices(), Choice::default());
    assert!(body.items[0].options.is_empty() && body.items[0].chosen.is_none());
    assert!(body.items[0].cannot_meet.as_deref().unwrap().contains("no way back from TAPE"));
    assert!(body.remarks[0].contains("no prices for TAPE"));
}

#[test]
fn a_limited_lane_makes_later_ones_wait_and_small_ones_go_first() {
    // 10 GiB an hour and account: with 17 h left (worst case 15 h), two hours' worth of High fits at the most.
    let mut list = prices();
    let archive = list.classes.get_mut("Archive").unwrap();
    archive.standard = None;
    let items = [input(0, "Archive", 15 * GIB), input(1, "Archive", 5 * GIB), input(2, "Archive", 10 * GIB)];
    let body = plan(&items, hours(17), now(), &list, Choice::default());
    let waits: Vec<u64> = body.items.iter().map(|i| i.wait_ms).collect();
    assert_eq!(waits, [HOUR_MS * 3 / 2, 0, HOUR_MS / 2]);
    let fits: Vec<bool> = body.items.iter().map(|i| i.cannot_meet.is_none()).collect();
    assert_eq!(fits, [false, true, true]);
}

#[test]
fn what_a_lane_carries_already_comes_first() {
    let list = prices();
    let mut lanes = super::Lanes::default();
    lanes.add(super::Lanes::name("Archive", RehydrationSpeed::Expedited), 3 * HOUR_MS);
    let (deadline, choice) = (hours(3), Choice::Speed(RehydrationSpeed::Expedited));
    let terms = Terms { deadline, now: now(), keep_days: 7, choice, lanes };
    let items = [input(0, "Archive", GIB)];
    let free = plan(&items, deadline, now(), &list, choice);
    let busy = super::plan(&items, terms, &list);
    assert_eq!((free.items[0].wait_ms, busy.items[0].wait_ms), (0, 3 * HOUR_MS));
    assert_eq!(busy.items[0].worst_at.unwrap(), free.items[0].worst_at.unwrap() + SignedDuration::from_hours(3));
}

#[test]
fn what_is_online_under_way_or_at_the_desk_is_not_asked_for_again() {
    let mut online = input(1, "GLACIER", 1000);
    online.availability = Availability::Online { until: Some(hours(5)) };
    let mut expiring = input(2, "GLACIER", 1000);
    expiring.availability = Availability::Online { until: Some(now()) };
    let mut pending = input(3, "GLACIER", 1000);
    pending.availability = Availability::Rehydrating { requested_at: Some(hours(-11)), expected_at: None };
    let mut late = input(4, "GLACIER", 1000);
    late.availability = Availability::Rehydrating { requested_at: Some(now()), expected_at: None };
    let mut raised = late.clone();
    raised.can_raise = true;
    let mut desk = input(5, "GLACIER", 1000);
    desk.at_desk = true;
    let body = plan(&[online, expiring, pending, late, raised, desk], hours(2), now(), &prices(), Choice::default());
    let chosen: Vec<bool> = body.items.iter().map(|i| i.chosen.is_some()).collect();
    assert_eq!(chosen, [false, true, false, false, true, false]);
    let late: Vec<bool> = body.items.iter().map(|i| i.cannot_meet.is_some()).collect();
    assert_eq!(late, [false, false, false, true, false, false]);
    assert_eq!(body.items[5].cost, Money::ZERO);
    assert_eq!(body.totals.online, 2);
}

#[test]
fn a_named_speed_is_taken_where_it_is_offered() {
    let items = [input(1, "GLACIER", 10), input(2, "DEEP_ARCHIVE", 10)];
    let body = plan(&items, hours(100), now(), &prices(), Choice::Speed(RehydrationSpeed::Expedited));
    assert_eq!(body.items[0].chosen, Some(RehydrationSpeed::Expedited));
    assert_eq!(body.items[1].chosen, Some(RehydrationSpeed::Bulk));
    assert_eq!(body.remarks[0], "S3 Glacier Deep Archive offers no expedited retrieval.");
}

#[test]
fn downloads_share_one_line() {
    let items: Vec<PlanInput> = (0..10)
        .map(|n| {
            let mut i = input(n, "local-hot", 25 << 20);
            i.availability = Availability::Online { until: None };
            i
        })
        .collect();
    let deadline = now() + SignedDuration::from_secs(5);
    let body = plan(&items, deadline, now(), &prices(), Choice::default());
    assert_eq!(body.totals.worst_at, now() + SignedDuration::from_secs(10));
    assert!(body.totals.cannot_meet == 0 && !body.totals.meets_deadline);
    assert!(body.remarks[0].contains("one after another"), "{:?}", body.remarks);
}

fn inputs() -> impl Strategy<Value = Vec<PlanInput>> {
    let class = prop_oneof![
        Just("GLACIER"),
        Just("DEEP_ARCHIVE"),
        Just("Archive"),
        Just("local-cold"),
        Just("STANDARD"),
        Just("TAPE")
    ];
    let availability = prop_oneof![
        3 => Just(Availability::Offline),
        1 => Just(Availability::Online { until: None }),
        1 => (-50i64..50).prop_map(|h| Availability::Online { until: Some(hours(h)) }),
        1 => (-50i64..0).prop_map(|h| Availability::Rehydrating { requested_at: Some(hours(h)), expected_at: None }),
    ];
    let one = (class, availability, any::<bool>(), any::<bool>(), 0u64..40 * GIB);
    prop::collection::vec(one, 0..40).prop_map(|all| {
        all.into_iter()
            .enumerate()
            .map(|(n, (class, availability, at_desk, can_raise, size))| PlanInput {
                availability,
                at_desk: at_desk && n % 5 == 0,
                can_raise,
                ..input(n, class, size)
            })
            .collect()
    })
}

/// Whether it meets the deadline at the worst, and its cost in millionths, for each way back.
fn naive(i: &PlanInput, list: &PriceList, deadline: Timestamp) -> Vec<(bool, u64)> {
    let class = &list.classes[&i.storage_class];
    let gb = u128::from(list.gigabyte_bytes);
    let up = |price: Money, quantity: u128, unit: u128| {
        u64::try_from((u128::from(price.micros()) * quantity).div_ceil(unit)).unwrap()
    };
    let size = u128::from(i.size_bytes);
    let seconds = |bytes: u128, mib_s: u64| (bytes * 1000).div_ceil(u128::from(mib_s) << 20);
    let midnight = u128::from(class.copy_expiry == crate::prices::CopyExpiry::NextMidnightUtc);
    let age = (now().as_second() - i.stored_at.unwrap().as_second()) / 86_400;
    let early = if i.moves { u128::try_from(i64::from(class.min_days) - age).unwrap_or(0) } else { 0 };
    class
        .speeds()
        .map(|(speed, p)| {
            let offered = i.offered.iter().find(|o| o.speed == speed).unwrap();
            let worst = p.worst_minutes.map_or(offered.worst.as_millis(), |m| u128::from(m) * 60_000)
                + p.mib_per_second.map_or(0, |r| seconds(size, r))
                + seconds(size, list.download_mib_per_second);
            let left = u128::try_from(deadline.as_millisecond() - now().as_millisecond()).unwrap();
            let cost = up(p.per_gb, size, gb)
                + up(p.per_1000_requests, 1, 1000)
                + up(class.read_per_1000_requests, 1, 1000)
                + up(class.download_per_gb, size, gb)
                + up(class.copy_per_gb_month, size * (7 + midnight), gb * 30)
                + up(class.storage_per_gb_month.unwrap(), size * early, gb * 30);
            (worst <= left, cost)
        })
        .collect()
}

proptest! {
    #[test]
    fn the_planner_chooses_the_cheapest_that_meets_and_never_promises_too_much(
        items in inputs(),
        deadline in -5i64..100,
    ) {
        let deadline = hours(deadline);
        let body = plan(&items, deadline, now(), &prices(), Choice::Cheapest);
        prop_assert_eq!(body.items.len(), items.len());
        for (item, input) in body.items.iter().zip(&items) {
            prop_assert_eq!(&item.archive_id, &input.archive_id);
            for o in &item.options {
                let worst_at = now() + ms(o.worst_ms);
                prop_assert_eq!(o.meets_deadline, worst_at <= deadline && deadline > now());
                prop_assert!(o.expected_ms <= o.worst_ms);
            }
            let chosen = item.options.iter().find(|o| Some(o.speed) == item.chosen);
            let cheapest = item.options.iter().filter(|o| o.meets_deadline).map(|o| o.cost).min();
            match (chosen, cheapest) {
                (Some(c), Some(cost)) => {
                    prop_assert!(c.meets_deadline && c.cost == cost);
                    prop_assert_eq!(item.cost, cost);
                }
                (Some(c), None) => {
                    let usual = |o: &&PlanOption| deadline > now() && now() + ms(o.expected_ms) <= deadline;
                    match item.options.iter().filter(usual).map(|o| o.cost).min() {
                        Some(cost) => prop_assert_eq!(c.cost, cost),
                        None => prop_assert_eq!(Some(c.worst_ms), item.options.iter().map(|o| o.worst_ms).min()),
                    }
                    prop_assert!(item.cannot_meet.is_some());
                }
                (None, _) => prop_assert!(item.options.is_empty()),
            }
            // Never said to meet where the worst case does not, and nothing is left unsaid.
            let worst = item.worst_at;
            if item.cannot_meet.is_none() {
                prop_assert!(item.at_desk || worst.is_some_and(|w| w <= deadline));
            } else {
                prop_assert!(worst.is_none_or(|w| w > deadline || deadline <= now()));
            }
        }
        let sum: Money = body.items.iter().map(|i| i.cost).sum();
        prop_assert_eq!(body.totals.cost, sum);
        prop_assert!(body.items.iter().all(|i| i.refused.is_some() == i.cannot_meet.is_some()));
        prop_assert_eq!(body.refusals.iter().map(|r| r.items).sum::<u32>(), body.totals.cannot_meet);
        prop_assert!(body.refusals.len() <= 40 && body.remarks.len() <= 20);
        if body.totals.meets_deadline {
            prop_assert!(body.totals.worst_at <= deadline && body.totals.cannot_meet == 0);
        }
        prop_assert_eq!(plan(&items, deadline, now(), &prices(), Choice::Cheapest), body);
    }

    /// All mixes of ways back are tried: no other has fewer late recordings, and none with as few costs less. Costs and times are
    /// worked out here anew, from the price list alone.
    #[test]
    fn no_other_mix_is_as_much_in_time_and_cheaper(
        some in prop::collection::vec((0usize..4, 0u64..40 * GIB, any::<bool>(), 0i64..400), 1..6),
        deadline in 1i64..60,
    ) {
        let list = prices();
        let classes = ["GLACIER", "DEEP_ARCHIVE", "INTELLIGENT_TIERING", "local-cold"];
        let items: Vec<PlanInput> = some
            .iter()
            .enumerate()
            .map(|(n, &(class, size, moves, age))| PlanInput {
                moves,
                stored_at: Some(hours(-24 * age)),
                ..input(n, classes[class], size)
            })
            .collect();
        let body = plan(&items, hours(deadline), now(), &list, Choice::Cheapest);
        let ways: Vec<Vec<(bool, u64)>> = items.iter().map(|i| naive(i, &list, hours(deadline))).collect();
        let mut best: Vec<(usize, u64)> = vec![(0, 0)];
        for options in &ways {
            best = best
                .iter()
                .flat_map(|&(late, cost)| options.iter().map(move |&(meets, c)| (late + usize::from(!meets), cost + c)))
                .collect();
        }
        let late = body.totals.cannot_meet as usize;
        let least = best.iter().map(|(late, _)| *late).min().unwrap();
        prop_assert_eq!(late, least);
        if late == 0 {
            let cheapest = best.iter().filter(|(l, _)| *l == 0).map(|(_, c)| *c).min().unwrap();
            prop_assert_eq!(body.totals.cost.micros(), cheapest);
        }
    }

    #[test]
    fn a_lane_never_carries_more_than_its_limit(sizes in prop::collection::vec(1u64..8 * GIB, 1..30)) {
        let items: Vec<PlanInput> = sizes.iter().enumerate().map(|(n, s)| input(n, "Archive", *s)).collect();
        let body = plan(&items, hours(200), now(), &prices(), Choice::Speed(RehydrationSpeed::Expedited));
        let mut turns: Vec<(u64, u64)> = body.items.iter().map(|i| (i.wait_ms, i.size_bytes)).collect();
        turns.sort_unstable();
        for pair in turns.windows(2) {
            prop_assert!(pair[1].0 >= pair[0].0 + lanes::gib_ms(pair[0].1, 10));
        }
    }
}
