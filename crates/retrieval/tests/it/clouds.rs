//! What providers do to a rehydration: each has its own handling and words.

use crate::world::{World, bytes};
use holdfast_ledger::{Action, Phase};
use holdfast_model::{ArchiveId, Cancel, MatterId, NoProgress, RehydrationSpeed};
use holdfast_retrieval::{Choice, Desk, DeskSettings, JobState, PlanRequest, PriceList};
use holdfast_testkit::{FaultRule, ManualClock, Sample, StoreCall, StoreFault};
use jiff::{SignedDuration, Timestamp};
use std::time::Duration;

/// Plans at Expedited speed for a deadline so many hours from now, and starts.
async fn expedited(w: &World, desk: &Desk, matter: &MatterId, hours: i64) {
    let choice = Choice::Speed(RehydrationSpeed::Expedited);
    let deadline = Some(w.now() + SignedDuration::from_hours(hours));
    let plan = desk.make_plan(matter, PlanRequest { deadline, choice, ..PlanRequest::default() }, &w.me).await.unwrap();
    desk.start(matter, Some(&plan.plan_id), None, None, &w.me).await.unwrap();
}

async fn problem(w: &World, matter: &MatterId, id: &ArchiveId) -> (JobState, String, String) {
    let job = w.job(matter, id).await;
    let problem = job.job.problem.unwrap();
    (job.state, problem.code, problem.message)
}

/// Stop with words, go on after the repair, under the same intent and with nothing asked for twice.
async fn waits_for_a_repair(fault: StoreFault, code: &str, says: &str) {
    let w = World::new().await;
    let ids = w.cold(3).await;
    let matter = w.matter_of(&ids).await;
    w.begin(&matter).await;
    w.faults.add(FaultRule::on(StoreCall::Request, fault).times(1000));
    w.drive().await;
    for id in &ids {
        let (state, found, message) = problem(&w, &matter, id).await;
        assert_eq!((state, found.as_str()), (JobState::Approved, code));
        assert!(message.contains(says), "{message}");
        assert!(w.job(&matter, id).await.due_at.unwrap() > w.now());
    }
    // A day later it still waits.
    w.clock.advance(Duration::from_secs(86_400));
    w.drive().await;
    assert_eq!(w.states(&matter).await, [JobState::Approved; 3]);
    w.faults.clear();
    // Repaired: whoever says so need not wait for the next attempt.
    w.desk.start(&matter, None, None, None, &w.me).await.unwrap();
    w.drive().await;
    assert_eq!(w.states(&matter).await, [JobState::Rehydrating; 3]);
    w.drive_to_the_end().await;
    assert_eq!(w.states(&matter).await, [JobState::Verified; 3]);
    for id in &ids {
        assert_eq!(w.count(id, Action::Rehydration, Phase::Intent).await, 1);
    }
    w.assert_ledger().await;
}

#[tokio::test]
async fn a_disabled_key_is_waited_for() {
    waits_for_a_repair(StoreFault::Key, "store.key", "key/of-this-test").await;
}

#[tokio::test]
async fn expired_credentials_are_waited_for() {
    waits_for_a_repair(StoreFault::Credentials, "store.credentials", "token has expired").await;
}

#[tokio::test]
async fn a_wrong_clock_is_waited_for() {
    waits_for_a_repair(StoreFault::ClockSkew, "store.clock_skew", "clock differs").await;
}

#[tokio::test]
async fn a_missing_right_is_waited_for() {
    waits_for_a_repair(StoreFault::Denied, "store.denied", "s3:RestoreObject").await;
}

#[tokio::test]
async fn a_key_disabled_between_request_and_download_is_waited_for() {
    let w = World::new().await;
    let ids = w.cold(1).await;
    let matter = w.matter_of(&ids).await;
    w.begin(&matter).await;
    w.drive().await;
    w.faults.add(FaultRule::on(StoreCall::Read, StoreFault::Key).key("recordings/").times(1000));
    w.clock.advance(Duration::from_secs(120));
    w.drive().await;
    assert_eq!(problem(&w, &matter, &ids[0]).await.1, "store.key");
    assert_eq!(w.states(&matter).await, [JobState::Available]);
    w.faults.clear();
    w.drive_to_the_end().await;
    assert_eq!(w.states(&matter).await, [JobState::Verified]);
    assert_eq!(w.count(&ids[0], Action::Download, Phase::Intent).await, 1);
    w.assert_ledger().await;
}

#[tokio::test]
async fn a_provider_that_wants_patience_gets_it() {
    let w = World::new().await;
    let ids = w.cold(40).await;
    let matter = w.matter_of(&ids).await;
    w.begin(&matter).await;
    w.faults.add(FaultRule::on(StoreCall::Request, StoreFault::Throttled).after(4).times(1000));
    w.drive().await;
    let asked = w.faults.calls(StoreCall::Request);
    // Four passed; at most the eight that were under way at once were refused, and then nobody asked any more.
    assert!((5..=12).contains(&asked), "{asked} requests");
    let waiting: Vec<_> = w.desk.jobs(Some(&matter), false).await.unwrap();
    let throttled: Vec<_> = waiting.iter().filter(|j| j.state == JobState::Approved).collect();
    assert_eq!(throttled.len(), 36);
    for job in throttled {
        assert_eq!(job.job.problem.as_ref().unwrap().code, "store.throttled");
        assert!(job.due_at.unwrap() >= w.now() + SignedDuration::from_secs(10), "not at once again");
    }
    w.faults.clear();
    w.drive_to_the_end().await;
    assert_eq!(w.states(&matter).await, [JobState::Verified; 40]);
    for id in &ids {
        assert_eq!(w.count(id, Action::Rehydration, Phase::Intent).await, 1);
    }
    w.assert_ledger().await;
}

#[tokio::test]
async fn without_expedited_capacity_standard_is_taken_where_it_holds_the_deadline() {
    let w = World::new().await;
    let ids = w.cold(2).await;
    let matter = w.matter_of(&ids).await;
    expedited(&w, &w.desk, &matter, 6).await; // standard takes five hours at the worst
    w.faults.add(FaultRule::on(StoreCall::Request, StoreFault::NoCapacity).times(1000));
    w.drive().await;
    for id in &ids {
        let job = w.job(&matter, id).await;
        assert_eq!((job.state, job.job.speed), (JobState::Rehydrating, Some(RehydrationSpeed::Standard)));
        assert_eq!(job.job.problem, None);
        assert!(job.job.remarks[0].contains("no capacity for expedited"), "{:?}", job.job.remarks);
        assert_eq!(job.job.expected_at, Some(w.now() + SignedDuration::from_hours(3)));
        assert_eq!(w.count(id, Action::Rehydration, Phase::Intent).await, 2);
        assert_eq!(w.succeeded(id, Action::Rehydration).await, 1);
        let refused = w.entries(id).await.into_iter().find(|e| e.event.code.as_deref() == Some("store.no_capacity"));
        assert_eq!(refused.unwrap().event.phase, Phase::Outcome);
    }
    w.drive_to_the_end().await;
    assert_eq!(w.states(&matter).await, [JobState::Verified; 2]);
    w.assert_ledger().await;
}

#[tokio::test]
async fn without_expedited_capacity_it_goes_on_asking_where_standard_is_too_late() {
    let w = World::new().await;
    let ids = w.cold(1).await;
    let matter = w.matter_of(&ids).await;
    expedited(&w, &w.desk, &matter, 4).await;
    w.faults.add(FaultRule::on(StoreCall::Request, StoreFault::NoCapacity).times(3));
    w.drive().await;
    let (state, code, message) = problem(&w, &matter, &ids[0]).await;
    assert_eq!((state, code.as_str()), (JobState::Approved, "retrieval.no_capacity"));
    assert!(message.contains("after the deadline 2026-11-03T12:00:00Z"), "{message}");
    w.drive_to_the_end().await;
    assert_eq!(w.states(&matter).await, [JobState::Verified]);
    assert_eq!(w.faults.calls(StoreCall::Request), 4);
    assert_eq!(w.job(&matter, &ids[0]).await.job.speed, Some(RehydrationSpeed::Expedited));
    assert_eq!(w.count(&ids[0], Action::Rehydration, Phase::Intent).await, 1);
    w.assert_ledger().await;
}

#[tokio::test]
async fn what_lifecycle_archived_again_is_told_from_what_expired() {
    let w = World::new().await;
    let ids = w.cold(1).await;
    let matter = w.matter_of(&ids).await;
    w.begin(&matter).await;
    w.drive().await;
    w.archive_again();
    w.clock.advance(Duration::from_secs(60));
    w.drive().await;
    let job = w.job(&matter, &ids[0]).await;
    assert_eq!(job.state, JobState::Rehydrating, "asked for once more");
    assert!(job.job.remarks[0].contains("lifecycle rule"), "{:?}", job.job.remarks);
    w.archive_again();
    w.clock.set(job.due_at.unwrap());
    w.drive().await;
    let (state, code, message) = problem(&w, &matter, &ids[0]).await;
    assert_eq!((state, code.as_str()), (JobState::Failed, "retrieval.archived_again"));
    assert!(message.contains("asked for twice"), "{message}");
    assert_eq!(w.count(&ids[0], Action::Rehydration, Phase::Intent).await, 2);
    w.assert_ledger().await;
}

#[tokio::test]
async fn what_is_archived_again_between_the_look_and_the_read_is_asked_for_again() {
    let w = World::new().await;
    let ids = w.cold(1).await;
    let matter = w.matter_of(&ids).await;
    w.begin(&matter).await;
    w.drive().await;
    w.clock.advance(Duration::from_secs(60));
    w.faults.add(FaultRule::on(StoreCall::Read, StoreFault::FailBefore).key("recordings/").times(1000));
    w.drive().await;
    assert_eq!(w.states(&matter).await, [JobState::Available]);
    w.faults.clear();
    w.archive_again();
    w.drive_to_the_end().await;
    let job = w.job(&matter, &ids[0]).await;
    assert_eq!(job.state, JobState::Verified);
    assert!(job.job.remarks[0].contains("lifecycle rule"), "{:?}", job.job.remarks);
    let failed = w.entries(&ids[0]).await.into_iter().find(|e| e.event.code.as_deref() == Some("store.offline"));
    assert_eq!(failed.unwrap().event.action, Action::Download);
    w.assert_ledger().await;
}

#[tokio::test]
async fn one_recording_of_two_matters_is_asked_for_once() {
    let w = World::new().await;
    let ids = w.cold(4).await;
    let one = w.matter_of(&ids).await;
    let two = w.matter_of(&ids).await;
    let slow = PlanRequest { choice: Choice::Speed(RehydrationSpeed::Standard), ..PlanRequest::default() };
    w.desk.make_plan(&one, slow, &w.me).await.unwrap();
    w.begin(&two).await;
    w.desk.start(&one, None, None, None, &w.me).await.unwrap();
    let looks = w.faults.calls(StoreCall::Status);
    w.drive().await;
    assert_eq!(w.faults.calls(StoreCall::Status), looks + 1, "one look for all of both matters");
    w.drive_to_the_end().await;
    assert_eq!(w.faults.calls(StoreCall::Request), 4);
    let mut remarked = 0;
    for id in &ids {
        for matter in [&one, &two] {
            let job = w.job(matter, id).await;
            assert_eq!(job.state, JobState::Verified);
            remarked += usize::from(job.job.remarks.iter().any(|r| r.contains("on its way already for matter")));
        }
        assert_eq!(w.count(id, Action::Rehydration, Phase::Intent).await, 1);
    }
    assert_eq!(remarked, 4);
    w.assert_ledger().await;
}

/// Prices under which the account carries 1 GiB an hour at Expedited speed.
fn narrow() -> PriceList {
    let text = PriceList::embedded_text().replacen(
        "[class.local-cold.expedited]\nper_gb = \"0\"\n",
        "[class.local-cold.expedited]\ngib_per_hour = 1\nper_gb = \"0\"\n",
        1,
    );
    assert!(text.contains("gib_per_hour = 1\n"));
    PriceList::parse(&text).unwrap()
}

#[tokio::test]
async fn a_limited_speed_is_kept_to_across_matters_and_desks() {
    let w = World::new().await;
    // 24 MiB take 84 s of a lane of 1 GiB an hour.
    let big = |n: u32| -> Vec<u8> { (0..24u32 << 20).map(|i| (i.wrapping_mul(n + 3) >> 9) as u8).collect() };
    let mut matters = Vec::new();
    let desks = [w.another_desk("one", |p| p.prices = narrow()), w.another_desk("two", |p| p.prices = narrow())];
    for (n, desk) in (0u32..).zip(&desks) {
        let mut ids = Vec::new();
        for k in 0..2 {
            ids.push(w.archive(Sample::new(10 * n + k, big(10 * n + k))).await);
        }
        let matter = w.matter_of(&ids).await;
        expedited(&w, desk, &matter, 1).await;
        let plan = desk.newest_plan(&matter).await.unwrap().unwrap();
        let waits: Vec<u64> = plan.body.items.iter().map(|i| i.wait_ms).collect();
        let before = u64::from(n) * 2 * 84_375;
        assert_eq!(waits, [before, before + 84_375], "what was approved for other matters comes first");
        matters.push(matter);
    }
    // When each was asked for, over all.
    let mut asked: Vec<Timestamp> = Vec::new();
    let mut requests = 0;
    for _ in 0..60 {
        let mut due = Vec::new();
        for desk in &desks {
            let summary = desk.drive(None, &NoProgress, &Cancel::default()).await.unwrap();
            due.extend(summary.next_due);
            let now = w.faults.calls(StoreCall::Request);
            asked.extend(std::iter::repeat_n(w.now(), now - requests));
            requests = now;
        }
        let Some(next) = due.into_iter().min() else { break };
        w.clock.set(next.max(w.now()));
    }
    assert_eq!(asked.len(), 4, "{asked:?}");
    for (n, at) in asked.iter().enumerate() {
        let busy = SignedDuration::from_millis(n as i64 * 84_375);
        assert!(*at >= asked[0] + busy - SignedDuration::from_mins(1), "{n}: {asked:?}");
    }
    for matter in &matters {
        assert!(w.states(matter).await.iter().all(|s| *s == JobState::Verified), "{:?}", w.states(matter).await);
    }
    w.assert_ledger().await;
}

#[tokio::test]
async fn times_count_from_the_request_and_not_from_the_plan() {
    let w = World::new().await;
    let ids = w.cold(1).await;
    let matter = w.matter_of(&ids).await;
    let slow = PlanRequest { choice: Choice::Speed(RehydrationSpeed::Standard), ..PlanRequest::default() };
    let plan = w.desk.make_plan(&matter, slow, &w.me).await.unwrap();
    w.clock.advance(Duration::from_secs(20 * 3600));
    let looks = w.faults.calls(StoreCall::Status);
    w.desk.start(&matter, Some(&plan.plan_id), None, None, &w.me).await.unwrap();
    w.drive().await;
    let job = w.job(&matter, &ids[0]).await;
    assert_eq!(job.state, JobState::Rehydrating);
    assert_eq!(job.job.requested_at, Some(w.now()));
    assert_eq!(job.due_at, Some(w.now() + SignedDuration::from_hours(3)), "three hours are usual");
    w.clock.advance(Duration::from_secs(2 * 3600));
    w.drive().await;
    assert_eq!(w.faults.calls(StoreCall::Status), looks + 1, "nobody looks before the tier can answer");
    w.drive_to_the_end().await;
    assert_eq!(w.states(&matter).await, [JobState::Verified]);
    w.assert_ledger().await;
}

#[tokio::test]
async fn a_download_without_room_is_not_begun() {
    let folder = tempfile::tempdir().unwrap();
    let tight = |s| DeskSettings { spare_bytes: u64::MAX / 2, ..s };
    let w = World::with(folder.path(), ManualClock::at(crate::world::dawn()), tight).await;
    let hot = w.archive(Sample::new(1, bytes(1)).hot()).await;
    let matter = w.matter_of(std::slice::from_ref(&hot)).await;
    w.desk.start(&matter, None, None, None, &w.me).await.unwrap();
    w.drive().await;
    let (state, code, message) = problem(&w, &matter, &hot).await;
    assert_eq!((state, code.as_str()), (JobState::Available, "retrieval.full"));
    assert!(message.contains("bytes free"), "{message}");
    assert_eq!(w.faults.calls(StoreCall::Read), 0);
    assert_eq!(w.count(&hot, Action::Download, Phase::Intent).await, 0, "nothing is announced that can't be done");
    // Room was made.
    let roomy = World::at(folder.path(), ManualClock::at(w.now() + SignedDuration::from_hours(1))).await;
    roomy.drive_to_the_end().await;
    assert_eq!(roomy.states(&matter).await, [JobState::Verified]);
    roomy.assert_ledger().await;
}
