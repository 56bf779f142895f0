use crate::world::{World, bytes, code, files, overwrite};
use holdfast_ledger::{Action, Phase};
use holdfast_model::{Availability, Cancel, NoProgress, Sha256Digest};
use holdfast_retrieval::{Choice, JobState, PlanRequest, PlanState, RetrievalError};
use holdfast_testkit::{FaultRule, ManualClock, Sample, StoreCall, StoreFault};
use holdfast_verify::{FindingCode, Outcome};
use jiff::{SignedDuration, ToSpan as _};
use std::{os::unix::fs::PermissionsExt as _, time::Duration};

#[tokio::test]
async fn from_a_cold_tier_to_a_verified_file() {
    let w = World::new().await;
    let ids = w.cold(3).await;
    let matter = w.matter_of(&ids).await;
    w.begin(&matter).await;
    assert_eq!(w.states(&matter).await, [JobState::Approved; 3]);

    let summary = w.drive().await;
    assert_eq!(w.states(&matter).await, [JobState::Rehydrating; 3]);
    let looks = w.faults.calls(StoreCall::Status);
    let expected = w.now() + SignedDuration::from_mins(1);
    assert_eq!(summary.next_due, Some(expected), "not before the tier can answer");
    w.drive().await;
    assert_eq!(w.faults.calls(StoreCall::Status), looks, "nobody asks before it is due");
    assert_eq!(w.faults.calls(StoreCall::Request), 3);

    w.clock.set(expected);
    let summary = w.drive().await;
    assert_eq!((summary.active(), summary.next_due), (0, None));
    assert_eq!(w.faults.calls(StoreCall::Status), looks + 1, "one look for all of them");
    for (n, id) in ids.iter().enumerate() {
        let job = w.job(&matter, id).await;
        assert_eq!(job.state, JobState::Verified);
        let report = job.job.report.clone().unwrap();
        assert_eq!(report.outcome, Outcome::Verified, "{report:#?}");
        let path = job.path.unwrap();
        assert_eq!(path.file_name().unwrap().to_str().unwrap(), format!("HF-000{}_{id}.wav", n + 1));
        let content = std::fs::read(&path).unwrap();
        assert_eq!(content, bytes(n as u32 + 1));
        assert_eq!(job.sha256, Some(Sha256Digest::of(&content)));
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o444);
        for action in [Action::Rehydration, Action::Download, Action::Verification] {
            assert_eq!(w.count(id, action, Phase::Intent).await, 1, "{action:?}");
            assert_eq!(w.succeeded(id, action).await, 1, "{action:?}");
        }
        assert!(w.index.get(id).await.unwrap().unwrap().availability.is_online_at(w.now()));
    }
    assert!(files(&w.root.join("desk"), ".part").is_empty());
    w.assert_ledger().await;
}

#[tokio::test]
async fn what_is_online_needs_no_plan_and_what_is_not_does() {
    let w = World::new().await;
    let hot = w.archive(Sample::new(1, bytes(1)).hot()).await;
    let matter = w.matter_of(std::slice::from_ref(&hot)).await;
    let to = w.root.join("out");
    let started = w.desk.start(&matter, None, None, Some(to.clone()), &w.me).await.unwrap();
    assert_eq!((started.plan, started.jobs.len()), (None, 1));
    w.drive().await;
    let job = w.job(&matter, &hot).await;
    assert_eq!(job.state, JobState::Verified);
    let copy = job.job.copied.unwrap();
    assert_eq!(copy.parent().unwrap(), to);
    assert_eq!(std::fs::read(copy).unwrap(), bytes(1));
    assert_eq!(w.count(&hot, Action::Rehydration, Phase::Intent).await, 0);

    // Again: nothing is brought twice.
    w.desk.start(&matter, None, None, Some(w.root.join("out2")), &w.me).await.unwrap();
    w.drive().await;
    assert_eq!(w.count(&hot, Action::Download, Phase::Intent).await, 1);
    assert_eq!(files(&w.root, "out2").len(), 1, "a verified one is handed out at once");

    let cold = w.archive(Sample::new(2, bytes(2))).await;
    w.desk.add_items(&matter, &[cold], &w.me).await.unwrap();
    assert_eq!(code(w.desk.start(&matter, None, None, None, &w.me).await), "retrieval.plan_needed");
    w.assert_ledger().await;
}

#[tokio::test]
async fn plans_supersede_each_other_and_are_approved_once() {
    let w = World::new().await;
    let ids = w.cold(2).await;
    let matter = w.matter_of(&ids).await;
    let make = |choice| w.desk.make_plan(&matter, PlanRequest { choice, ..PlanRequest::default() }, &w.me);
    let first = make(Choice::Cheapest).await.unwrap();
    assert_eq!(first.plan_id.as_str(), "M-2026-0001-P1");
    assert_eq!(first.body.items[0].chosen, Some(holdfast_model::RehydrationSpeed::Standard), "9 h: Bulk may take 12");
    assert_eq!(w.states(&matter).await, [JobState::Planned; 2]);
    let second = make(Choice::Speed(holdfast_model::RehydrationSpeed::Expedited)).await.unwrap();
    assert_eq!(w.desk.plan(&first.plan_id).await.unwrap().state, PlanState::Superseded);
    let refused = w.desk.start(&matter, Some(&first.plan_id), None, None, &w.me).await;
    assert!(matches!(refused, Err(RetrievalError::PlanSuperseded { newest, .. }) if newest == second.plan_id));

    w.desk.start(&matter, Some(&second.plan_id), Some(&ids[..1]), None, &w.me).await.unwrap();
    assert_eq!(w.desk.plan(&second.plan_id).await.unwrap().state, PlanState::Approved);
    assert_eq!(w.states(&matter).await.iter().filter(|s| **s == JobState::Approved).count(), 1);
    w.desk.start(&matter, None, None, None, &w.me).await.unwrap();
    assert_eq!(w.states(&matter).await, [JobState::Approved; 2]);
    let noted = w.ledger.entries_of_matter(&matter).await.unwrap();
    assert_eq!(noted.iter().filter(|e| e.event.action == Action::Approval).count(), 1);
    let cost = noted.iter().rev().find(|e| e.event.action == Action::Approval).unwrap().event.details["cost"].clone();
    assert_eq!(cost, format!("{} USD", second.body.totals.cost));
    w.drive_to_the_end().await;
    // A plan of what is at the desk asks for nothing.
    let third = make(Choice::Cheapest).await.unwrap();
    assert_eq!(w.states(&matter).await, [JobState::Verified; 2]);
    assert!(third.body.items.iter().all(|i| i.at_desk && i.chosen.is_none()), "{:#?}", third.body);
    assert_eq!(third.body.totals.cost.micros(), 0);
    w.assert_ledger().await;
}

#[tokio::test]
async fn it_goes_on_after_a_day_with_the_laptop_closed() {
    let w = World::new().await;
    let ids = w.cold(1).await;
    let matter = w.matter_of(&ids).await;
    w.begin(&matter).await;
    w.drive().await;
    let later = ManualClock::at(w.now() + SignedDuration::from_hours(26));
    let next_day = World::at(&w.root, later).await;
    next_day.drive().await;
    assert_eq!(next_day.states(&matter).await, [JobState::Verified]);
    next_day.assert_ledger().await;
}

#[tokio::test]
async fn a_copy_that_went_before_it_was_fetched_is_asked_for_once_more() {
    let w = World::new().await;
    let ids = w.cold(1).await;
    let matter = w.matter_of(&ids).await;
    w.begin(&matter).await;
    w.drive().await;
    w.clock.set(w.now() + SignedDuration::from_hours(24 * 9));
    w.drive().await;
    let job = w.job(&matter, &ids[0]).await;
    assert_eq!(job.state, JobState::Rehydrating);
    assert!(job.job.remarks[0].contains("costs as much again"), "{:?}", job.job.remarks);
    w.clock.set(w.now() + SignedDuration::from_hours(24 * 9));
    w.drive().await;
    let job = w.job(&matter, &ids[0]).await;
    assert_eq!(job.state, JobState::Failed);
    assert_eq!(job.job.problem.unwrap().code, "retrieval.copy_expired");
    assert_eq!(w.count(&ids[0], Action::Rehydration, Phase::Intent).await, 2);
    // A new plan begins it anew.
    w.begin(&matter).await;
    w.drive_to_the_end().await;
    assert_eq!(w.states(&matter).await, [JobState::Verified]);
    w.assert_ledger().await;
}

#[tokio::test]
async fn a_copy_that_goes_between_the_look_and_the_read_is_asked_for_again() {
    let w = World::new().await;
    let ids = w.cold(1).await;
    let matter = w.matter_of(&ids).await;
    w.begin(&matter).await;
    w.drive().await;
    w.clock.advance(Duration::from_secs(120));
    // The look says online; every read of the first pass fails, so that it waits in `available` until the copy is gone.
    w.faults.add(FaultRule::on(StoreCall::Read, StoreFault::FailBefore).key("recordings/").times(1000));
    w.drive().await;
    assert_eq!(w.states(&matter).await, [JobState::Available]);
    assert_eq!(w.job(&matter, &ids[0]).await.job.problem.unwrap().code, "store.io");
    w.faults.clear();
    w.clock.set(w.now() + SignedDuration::from_hours(24 * 9));
    w.drive_to_the_end().await;
    let job = w.job(&matter, &ids[0]).await;
    assert_eq!(job.state, JobState::Verified);
    assert_eq!(job.job.remarks.len(), 1);
    assert_eq!(w.succeeded(&ids[0], Action::Rehydration).await, 2);
    w.assert_ledger().await;
}

#[tokio::test]
async fn what_is_on_its_way_already_is_not_asked_for() {
    let w = World::new().await;
    let ids = w.cold(1).await;
    let matter = w.matter_of(&ids).await;
    let at = w.index.get(&ids[0]).await.unwrap().unwrap().locator;
    w.begin(&matter).await;
    let other = w.store.rehydrator.as_ref().unwrap();
    other.request(&at, holdfast_model::RehydrationSpeed::Expedited, 3).await.unwrap();
    w.drive_to_the_end().await;
    let job = w.job(&matter, &ids[0]).await;
    assert_eq!(job.state, JobState::Verified);
    assert!(job.job.remarks[0].contains("on its way already"), "{:?}", job.job.remarks);
    assert_eq!(w.count(&ids[0], Action::Rehydration, Phase::Intent).await, 0);
    w.assert_ledger().await;
}

#[tokio::test]
async fn a_request_that_failed_but_was_done_is_not_made_again() {
    let w = World::new().await;
    let ids = w.cold(2).await;
    let matter = w.matter_of(&ids).await;
    w.begin(&matter).await;
    w.faults.add(FaultRule::on(StoreCall::Request, StoreFault::FailAfter).times(2));
    w.drive().await;
    assert_eq!(w.states(&matter).await, [JobState::Rehydrating; 2]);
    assert_eq!(w.faults.calls(StoreCall::Request), 2);
    w.drive_to_the_end().await;
    assert_eq!(w.succeeded(&ids[0], Action::Rehydration).await, 1);
    w.assert_ledger().await;
}

#[tokio::test]
async fn a_request_that_failed_is_made_again_later_under_the_same_intent() {
    let w = World::new().await;
    let ids = w.cold(1).await;
    let matter = w.matter_of(&ids).await;
    w.begin(&matter).await;
    w.faults.add(FaultRule::on(StoreCall::Request, StoreFault::FailBefore).times(3));
    w.drive().await;
    let job = w.job(&matter, &ids[0]).await;
    assert_eq!((job.state, job.job.problem.unwrap().code.as_str()), (JobState::Approved, "store.io"));
    assert!(job.due_at.unwrap() > w.now());
    w.drive_to_the_end().await;
    assert_eq!(w.states(&matter).await, [JobState::Verified]);
    assert_eq!(w.faults.calls(StoreCall::Request), 4);
    assert_eq!(w.count(&ids[0], Action::Rehydration, Phase::Intent).await, 1);
    w.assert_ledger().await;
}

#[tokio::test]
async fn a_download_that_broke_off_goes_on_where_it_stopped() {
    let w = World::new().await;
    let hot = w.archive(Sample::new(9, bytes(9)).hot()).await;
    let matter = w.matter_of(std::slice::from_ref(&hot)).await;
    w.desk.start(&matter, None, None, None, &w.me).await.unwrap();
    // Ranges are 64 KiB and four are read at once: the third breaks off, and so do its repeats.
    w.faults.add(FaultRule::on(StoreCall::Read, StoreFault::BrokenBody(1000)).key("recordings/").after(2));
    w.drive().await;
    let job = w.job(&matter, &hot).await;
    assert_eq!((job.state, job.job.done_bytes), (JobState::Available, 2 << 16));
    assert_eq!(files(&w.root.join("desk"), ".part").len(), 2, "the bytes so far and what they are");
    let before = w.faults.calls(StoreCall::Read);
    w.drive_to_the_end().await;
    assert_eq!(w.states(&matter).await, [JobState::Verified]);
    // 209,000 bytes are four ranges, of which two were there; the other two calls read manifest and payload.
    assert_eq!(w.faults.calls(StoreCall::Read) - before, 2 + 2);
    assert_eq!(w.count(&hot, Action::Download, Phase::Intent).await, 1);
    w.assert_ledger().await;
}

#[tokio::test]
async fn a_torn_part_file_does_not_make_a_mismatch() {
    let w = World::new().await;
    let hot = w.archive(Sample::new(9, bytes(9)).hot()).await;
    let matter = w.matter_of(std::slice::from_ref(&hot)).await;
    w.desk.start(&matter, None, None, None, &w.me).await.unwrap();
    w.faults.add(FaultRule::on(StoreCall::Read, StoreFault::BrokenBody(0)).key("recordings/").after(2));
    w.drive().await;
    let part = files(&w.root.join("desk"), ".part").into_iter().find(|p| p.extension().unwrap() == "part").unwrap();
    overwrite(&part, |bytes| bytes[17] ^= 1);
    w.drive_to_the_end().await;
    assert_eq!(w.states(&matter).await, [JobState::Verified], "all of it was read again");
    w.assert_ledger().await;
}

#[tokio::test]
async fn bytes_that_are_not_the_archived_ones_are_kept_aside_and_never_shown() {
    let w = World::new().await;
    let hot = w.archive(Sample::new(1, bytes(1)).hot()).await;
    let other = w.archive(Sample::new(2, bytes(2)).hot()).await;
    let matter = w.matter_of(&[hot.clone(), other.clone()]).await;
    w.desk.start(&matter, None, None, None, &w.me).await.unwrap();
    w.faults.add(FaultRule::on(StoreCall::Read, StoreFault::FlippedBit(77)).key("r-1.wav"));
    w.drive_to_the_end().await;
    let job = w.job(&matter, &hot).await;
    assert_eq!((job.state, job.path), (JobState::Failed, None));
    let report = job.job.report.unwrap();
    assert_eq!(report.outcome, Outcome::Failed);
    assert!(report.has(FindingCode::BytesDigestMismatch), "{report:?}");
    let aside = job.job.aside.unwrap();
    assert!(aside.starts_with(w.root.join("desk/mismatch")));
    let mut changed = bytes(1);
    changed[77] ^= 1;
    assert_eq!(std::fs::read(aside).unwrap(), changed);
    assert_eq!(w.desk.desk_copy(&hot).await.unwrap(), None);
    assert!(w.desk.desk_copy(&other).await.unwrap().is_some());
    // Asked for by name it is brought again, and is good.
    w.desk.start(&matter, None, Some(std::slice::from_ref(&hot)), None, &w.me).await.unwrap();
    w.drive_to_the_end().await;
    assert_eq!(w.job(&matter, &hot).await.state, JobState::Verified);
    w.assert_ledger().await;
}

#[tokio::test]
async fn a_copy_changed_at_the_desk_is_noticed_before_it_is_played() {
    let w = World::new().await;
    let hot = w.archive(Sample::new(1, bytes(1)).hot()).await;
    let matter = w.matter_of(std::slice::from_ref(&hot)).await;
    w.desk.start(&matter, None, None, None, &w.me).await.unwrap();
    w.drive().await;
    let copy = w.desk.desk_copy(&hot).await.unwrap().unwrap();
    assert_eq!((copy.exhibit.as_str(), copy.outcome), ("HF-0001", Outcome::Verified));
    // Touched but the same: still good, and cheap again afterwards.
    overwrite(&copy.path, |_| {});
    assert_eq!(w.desk.desk_copy(&hot).await.unwrap().unwrap().path, copy.path);
    overwrite(&copy.path, |bytes| bytes[5] ^= 4);
    assert_eq!(code(w.desk.desk_copy(&hot).await), "retrieval.desk_copy_changed");
    assert!(!copy.path.exists(), "it is put aside");
    let job = w.job(&matter, &hot).await;
    assert_eq!(job.state, JobState::Failed);
    assert!(job.job.report.unwrap().has(FindingCode::BytesDigestMismatch));
    assert_eq!(w.desk.desk_copy(&hot).await.unwrap(), None);
    let again = std::slice::from_ref(&hot);
    w.desk.start(&matter, None, Some(again), None, &w.me).await.unwrap();
    w.drive().await;
    let copy = w.desk.desk_copy(&hot).await.unwrap().unwrap();
    std::fs::remove_file(&copy.path).unwrap();
    assert_eq!(w.desk.desk_copy(&hot).await.unwrap(), None);
    assert_eq!(w.job(&matter, &hot).await.job.problem.unwrap().code, "retrieval.desk_copy_gone");
    w.assert_ledger().await;
}

#[tokio::test]
async fn cancelling_stops_what_is_under_way_and_closes_its_intent() {
    let w = World::new().await;
    let ids = w.cold(2).await;
    let matter = w.matter_of(&ids).await;
    w.begin(&matter).await;
    w.faults.add(FaultRule::on(StoreCall::Request, StoreFault::FailBefore).times(2));
    w.drive().await; // both have an open intent now
    let view = w.desk.cancel(&matter, &ids[0], &w.me).await.unwrap();
    assert_eq!(view.state, JobState::Cancelled);
    w.drive_to_the_end().await;
    assert_eq!(w.job(&matter, &ids[0]).await.state, JobState::Cancelled);
    assert_eq!(w.job(&matter, &ids[1]).await.state, JobState::Verified);
    assert_eq!(w.desk.cancel(&matter, &ids[1], &w.me).await.unwrap().state, JobState::Verified, "done is done");
    let entries = w.entries(&ids[0]).await;
    assert_eq!(entries.last().unwrap().event.code.as_deref(), Some("retrieval.cancelled"));
    w.desk.start(&matter, None, None, None, &w.me).await.unwrap();
    assert_eq!(w.job(&matter, &ids[0]).await.state, JobState::Cancelled, "only by name does it begin again");
    w.desk.start(&matter, None, Some(&ids[..1]), None, &w.me).await.unwrap();
    w.drive_to_the_end().await;
    assert_eq!(w.states(&matter).await, [JobState::Verified; 2]);
    w.assert_ledger().await;
}

#[tokio::test]
async fn a_cancelled_driver_leaves_the_download_to_be_gone_on_with() {
    let w = World::new().await;
    let hot = w.archive(Sample::new(3, bytes(3)).hot()).await;
    let matter = w.matter_of(std::slice::from_ref(&hot)).await;
    w.desk.start(&matter, None, None, None, &w.me).await.unwrap();
    struct StopAtOnce(Cancel);
    impl holdfast_model::ProgressSink for StopAtOnce {
        fn report(&self, p: holdfast_model::Progress) {
            assert!(p.done > 0 && p.total == Some(203_000));
            self.0.cancel();
        }
    }
    let cancel = Cancel::default();
    w.desk.drive(None, &StopAtOnce(cancel.clone()), &cancel).await.unwrap();
    let job = w.job(&matter, &hot).await;
    assert!(!job.state.is_final() && job.job.problem.is_none(), "{job:?}");
    w.drive_to_the_end().await;
    assert_eq!(w.states(&matter).await, [JobState::Verified]);
    w.assert_ledger().await;
}

#[tokio::test]
async fn a_clock_that_jumps_back_does_not_make_anyone_wait_for_days() {
    let w = World::new().await;
    let ids = w.cold(1).await;
    let matter = w.matter_of(&ids).await;
    w.begin(&matter).await;
    w.drive().await;
    let before = w.now();
    w.clock.set(before - SignedDuration::from_hours(24 * 3));
    for _ in 0..20 {
        let summary = w.drive().await;
        let Some(due) = summary.next_due else { break };
        assert!(due <= w.now() + SignedDuration::from_hours(1), "waits until {due}, it is {}", w.now());
        w.clock.set(due.max(w.now()));
    }
    assert_eq!(w.states(&matter).await, [JobState::Verified]);
    assert_eq!(w.count(&ids[0], Action::Rehydration, Phase::Intent).await, 1);
    w.assert_ledger().await;
}

#[tokio::test]
async fn a_pending_one_is_raised_where_the_plan_says_so() {
    let w = World::new().await;
    let ids = w.cold(1).await;
    let matter = w.matter_of(&ids).await;
    let at = w.index.get(&ids[0]).await.unwrap().unwrap().locator;
    let slow = holdfast_model::RehydrationSpeed::Bulk;
    w.store.rehydrator.as_ref().unwrap().request(&at, slow, 3).await.unwrap();
    let deadline = Some(w.now() + 1.hours());
    let plan = w.desk.make_plan(&matter, PlanRequest { deadline, ..PlanRequest::default() }, &w.me).await.unwrap();
    assert!(matches!(plan.body.items[0].availability, Availability::Rehydrating { .. }));
    assert_eq!(plan.body.items[0].chosen, Some(holdfast_model::RehydrationSpeed::Expedited));
    w.desk.start(&matter, None, None, None, &w.me).await.unwrap();
    w.drive().await;
    assert_eq!(w.faults.calls(StoreCall::Request), 1);
    w.clock.advance(Duration::from_secs(60));
    w.drive().await;
    assert_eq!(w.states(&matter).await, [JobState::Verified]);
    w.assert_ledger().await;
}

#[tokio::test]
async fn closing_a_matter_stops_its_retrievals() {
    let w = World::new().await;
    let ids = w.cold(1).await;
    let matter = w.matter_of(&ids).await;
    w.begin(&matter).await;
    w.desk.close_matter(&matter, "settled", false, &w.me).await.unwrap();
    assert_eq!(w.states(&matter).await, [JobState::Cancelled]);
    let refused = w.desk.make_plan(&matter, PlanRequest::default(), &w.me).await;
    assert_eq!(code(refused), "retrieval.matter_closed");
    let summary = w.desk.drive(Some(&matter), &NoProgress, &Cancel::default()).await.unwrap();
    assert_eq!(summary.active(), 0);
    w.assert_ledger().await;
}

/// Shells drive from tasks of their own.
#[tokio::test]
async fn a_desk_is_driven_and_asked_from_spawned_tasks() {
    let w = World::new().await;
    let ids = w.cold(1).await;
    let matter = w.matter_of(&ids).await;
    w.begin(&matter).await;
    let (desk, me, of) = (w.desk.clone(), w.me.clone(), matter.clone());
    let begun = tokio::spawn(async move {
        desk.hold(&of, "litigation", &me).await.unwrap();
        desk.verify_archived(&ids[0], &me, &NoProgress, &Cancel::default()).await.unwrap();
        desk.drive(None, &NoProgress, &Cancel::default()).await.unwrap();
        let request = holdfast_retrieval::ExportRequest { to: None, partial: true };
        desk.export(&of, request, &me, &NoProgress, &Cancel::default()).await.unwrap_err()
    });
    assert!(matches!(begun.await.unwrap(), RetrievalError::Unverified { count: 1, of: 1, .. }));
    w.drive_to_the_end().await;
    assert_eq!(w.states(&matter).await, [JobState::Verified]);
    w.assert_ledger().await;
}

#[tokio::test]
async fn an_original_that_is_gone_fails_with_its_own_finding() {
    let w = World::new().await;
    let hot = w.archive(Sample::new(1, bytes(1)).hot()).await;
    let matter = w.matter_of(std::slice::from_ref(&hot)).await;
    w.desk.start(&matter, None, None, None, &w.me).await.unwrap();
    std::fs::remove_file(&files(&w.root.join("archive/media"), "r-1.wav")[0]).unwrap();
    w.drive_to_the_end().await;
    let job = w.job(&matter, &hot).await;
    assert_eq!((job.state, job.path), (JobState::Failed, None));
    assert!(job.job.report.unwrap().has(FindingCode::BytesMissing));
    assert_eq!(w.succeeded(&hot, Action::Download).await, 0);
    w.assert_ledger().await;
}

#[tokio::test]
async fn an_original_cut_off_in_the_archive_fails_with_its_own_finding() {
    let w = World::new().await;
    let hot = w.archive(Sample::new(1, bytes(1)).hot()).await;
    let matter = w.matter_of(std::slice::from_ref(&hot)).await;
    w.desk.start(&matter, None, None, None, &w.me).await.unwrap();
    overwrite(&files(&w.root.join("archive/media"), "r-1.wav")[0], |bytes| bytes.truncate(70_000));
    w.drive_to_the_end().await;
    let job = w.job(&matter, &hot).await;
    assert_eq!(job.state, JobState::Failed);
    assert!(job.job.report.unwrap().has(FindingCode::BytesSizeMismatch));
    assert_eq!(std::fs::metadata(job.job.aside.unwrap()).unwrap().len(), 70_000, "what there was is kept");
    w.assert_ledger().await;
}
