//! Several desks on one work store: asking and looking is anybody's, the bytes are each desk's own.

use crate::world::World;
use holdfast_ledger::{Action, Phase};
use holdfast_model::{Cancel, NoProgress};
use holdfast_retrieval::{Desk, DriveSummary, JobState, PlanRequest};
use holdfast_testkit::StoreCall;
use jiff::SignedDuration;
use std::time::Duration;

async fn drive(desk: &Desk) -> DriveSummary {
    desk.drive(None, &NoProgress, &Cancel::default()).await.unwrap()
}

#[tokio::test]
async fn a_desk_keeps_its_name_and_its_folder_is_what_names_it() {
    let w = World::new().await;
    let two = w.another_desk("desk-2", |_| {});
    assert_ne!(w.desk.id(), two.id());
    assert!(two.id().starts_with("desk-2-"));
    assert_eq!(w.another_desk("desk-2", |_| {}).id(), two.id());
}

#[tokio::test]
async fn any_desk_asks_and_looks_and_only_the_one_that_wanted_it_fetches() {
    let w = World::new().await;
    let two = w.another_desk("desk-2", |_| {});
    let ids = w.cold(3).await;
    let matter = w.matter_of(&ids).await;
    w.begin(&matter).await;
    // The laptop that began is closed: the other desk asks, and looks when it is due.
    let summary = drive(&two).await;
    assert_eq!(w.states(&matter).await, [JobState::Rehydrating; 3]);
    w.clock.set(summary.next_due.unwrap());
    let summary = drive(&two).await;
    assert_eq!(w.states(&matter).await, [JobState::Available; 3]);
    assert_eq!((summary.active(), summary.elsewhere, summary.next_due), (0, 3, None), "nothing left to do there");
    let reads = w.faults.calls(StoreCall::Read);
    drive(&two).await;
    assert_eq!(w.faults.calls(StoreCall::Read), reads);

    w.drive().await;
    assert_eq!(w.states(&matter).await, [JobState::Verified; 3]);
    for id in &ids {
        let (here, there) = (w.job(&matter, id).await, two.job(&matter, id).await.unwrap().unwrap());
        assert!(here.path.unwrap().exists() && here.elsewhere.is_none());
        assert_eq!((there.path, there.elsewhere.as_deref()), (None, Some(w.desk.id())));
        for action in [Action::Rehydration, Action::Download, Action::Verification] {
            assert_eq!(w.count(id, action, Phase::Intent).await, 1, "{action:?}");
        }
        // What is not in that folder is not missing from it.
        assert_eq!(two.desk_copy(id).await.unwrap(), None);
        assert!(w.desk.desk_copy(id).await.unwrap().is_some());
    }
    assert_eq!(w.states(&matter).await, [JobState::Verified; 3]);
    w.assert_ledger().await;
}

#[tokio::test]
async fn a_desk_brings_by_name_what_another_has() {
    let w = World::new().await;
    let two = w.another_desk("desk-2", |_| {});
    let ids = w.cold(2).await;
    let matter = w.matter_of(&ids).await;
    w.begin(&matter).await;
    w.drive_to_the_end().await;
    two.start(&matter, None, None, None, &w.me).await.unwrap();
    assert_eq!(w.states(&matter).await, [JobState::Verified; 2], "unasked nothing is brought twice");
    two.start(&matter, None, Some(&ids[..1]), None, &w.me).await.unwrap();
    drive(&two).await;
    let brought = two.job(&matter, &ids[0]).await.unwrap().unwrap();
    assert!(brought.path.unwrap().starts_with(w.root.join("desk-2")), "the copy was still online");
    assert_eq!(w.faults.calls(StoreCall::Request), 2);
    w.assert_ledger().await;
}

#[tokio::test]
async fn what_a_lost_desk_was_to_fetch_is_taken_over_by_name() {
    let w = World::new().await;
    let two = w.another_desk("desk-2", |_| {});
    let ids = w.cold(1).await;
    let matter = w.matter_of(&ids).await;
    w.begin(&matter).await;
    drive(&two).await;
    w.clock.advance(Duration::from_secs(120));
    drive(&two).await;
    assert_eq!(w.states(&matter).await, [JobState::Available]);
    two.start(&matter, None, Some(&ids), None, &w.me).await.unwrap();
    drive(&two).await;
    let brought = two.job(&matter, &ids[0]).await.unwrap().unwrap();
    assert_eq!(brought.state, JobState::Verified);
    assert_eq!(brought.elsewhere, None);
    w.assert_ledger().await;
}

/// Four desks drive two matters of the same recordings at once, planned at different speeds.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn desks_that_drive_at_once_ask_for_nothing_twice() {
    let w = World::new().await;
    let ids = w.cold(24).await;
    let (one, two) = (w.matter_of(&ids).await, w.matter_of(&ids).await);
    let desks: Vec<Desk> = (0..4).map(|n| w.another_desk(&format!("desk-{n}"), |_| {})).collect();
    let plan = desks[0].make_plan(&one, PlanRequest::default(), &w.me).await.unwrap();
    let deadline = Some(w.now() + SignedDuration::from_hours(1));
    let fast = PlanRequest { deadline, ..PlanRequest::default() };
    let fast = desks[1].make_plan(&two, fast, &w.me).await.unwrap();
    assert_ne!(plan.body.items[0].chosen, fast.body.items[0].chosen, "slow for one, fast for the other");
    desks[0].start(&one, None, None, None, &w.me).await.unwrap();
    desks[1].start(&two, None, None, None, &w.me).await.unwrap();
    for _ in 0..400 {
        let drives: Vec<_> = desks
            .iter()
            .map(|desk| {
                let desk = desk.clone();
                tokio::spawn(async move { drive(&desk).await })
            })
            .collect();
        let mut next = None;
        for one in drives {
            let due = one.await.unwrap().next_due;
            next = next.min(due).or(due).or(next);
        }
        let Some(due) = next else { break };
        w.clock.set(due.max(w.now() + SignedDuration::from_secs(1)));
    }
    for matter in [&one, &two] {
        assert_eq!(w.states(matter).await, [JobState::Verified; 24]);
    }
    assert_eq!(w.faults.calls(StoreCall::Request), 24, "each object once, whichever matter was first");
    w.assert_ledger().await;
}

#[tokio::test]
async fn a_thousand_rows_are_looked_at_in_one_call() {
    let w = World::new().await;
    let ids = w.cold(300).await;
    let matter = w.matter_of(&ids).await;
    w.begin(&matter).await;
    let looks = w.faults.calls(StoreCall::Status);
    let summary = w.drive().await;
    assert_eq!(w.faults.calls(StoreCall::Status), looks + 1, "one look before asking");
    w.clock.set(summary.next_due.unwrap());
    let two = w.another_desk("desk-2", |_| {});
    drive(&two).await;
    assert_eq!(w.faults.calls(StoreCall::Status), looks + 2, "and one when they are due");
    assert_eq!(w.states(&matter).await, vec![JobState::Available; 300]);
}
