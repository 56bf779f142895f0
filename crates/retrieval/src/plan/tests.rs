use super::*;
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
    }
}

fn plan(items: &[PlanInput], deadline: Timestamp, now: Timestamp, prices: &PriceList, choice: Choice) -> PlanBody {
    super::plan(items, Terms { deadline, now, keep_days: 7, choice }, prices)
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
    assert!(why.starts_with("Standard retrieval from DEEP_ARCHIVE may take 12 h") && why.ends_with("in 4 h."), "{why}");
    assert!(!body.totals.meets_deadline);
    assert_eq!(body.totals.cannot_meet, 1);
}

#[test]
fn the_cheapest_that_meets_is_chosen_and_costs_every_part() {
    let list = prices();
    let one = |deadline| plan(&[input(1, "GLACIER", GIB)], deadline, now(), &list, Choice::default()).items[0].clone();
    assert_eq!(one(hours(13)).chosen, Some(RehydrationSpeed::Bulk));
    assert_eq!(one(hours(6)).chosen, Some(RehydrationSpeed::Standard));
    let quick = one(hours(1));
    assert_eq!(quick.chosen, Some(RehydrationSpeed::Expedited));
    // 0.03 a GB + 0.01 the request + 0.023 x 7/30 a GB for the copy + 0.09 a GB out + 0.0000004 the read (rounded up).
    assert_eq!(quick.cost.micros(), 30_000 + 10_000 + 5_367 + 90_000 + 1);
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
    assert_eq!(body.remarks, ["DEEP_ARCHIVE offers no expedited retrieval."]);
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
                    prop_assert_eq!(Some(c.worst_ms), item.options.iter().map(|o| o.worst_ms).min());
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
        if body.totals.meets_deadline {
            prop_assert!(body.totals.worst_at <= deadline && body.totals.cannot_meet == 0);
        }
        prop_assert_eq!(plan(&items, deadline, now(), &prices(), Choice::Cheapest), body);
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
