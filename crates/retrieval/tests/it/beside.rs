//! What one recording meets, or one person plans, holds up no other and decides nothing for it.

use crate::world::{World, bytes, files, new_matter, overwrite};
use holdfast_ledger::{Action, Phase};
use holdfast_model::{Cancel, NoProgress, RehydrationSpeed};
use holdfast_retrieval::{Choice, JobState, PlanRequest};
use holdfast_testkit::{FaultRule, Sample, StoreCall, StoreFault};
use jiff::SignedDuration;
use std::time::Duration;

/// Takes an object away, as somebody with rights to the storage could.
fn lose(w: &World, name: &str) {
    let gone = files(&w.root.join("archive"), name);
    assert!(gone.len() >= 2, "the bytes and what is known of them: {gone:?}");
    gone.iter().for_each(|path| std::fs::remove_file(path).unwrap());
}

#[tokio::test]
async fn an_object_that_is_gone_holds_up_no_other() {
    let w = World::new().await;
    let mut ids = w.cold(3).await;
    for n in 10..13 {
        ids.push(w.archive(Sample::new(n, bytes(n)).hot()).await);
    }
    let matter = w.matter_of(&ids).await;
    // One was gone before the plan was made, one goes before it is asked for, one while it is on its way.
    lose(&w, "r-11.wav");
    let deadline = Some(w.now() + SignedDuration::from_hours(1));
    let plan = w.desk.make_plan(&matter, PlanRequest { deadline, ..PlanRequest::default() }, &w.me).await.unwrap();
    w.desk.start(&matter, Some(&plan.plan_id), None, None, &w.me).await.unwrap();
    lose(&w, "r-2.wav");
    w.drive().await;
    lose(&w, "r-1.wav");
    w.drive_to_the_end().await;
    for (n, id) in ids.iter().enumerate() {
        let job = w.job(&matter, id).await;
        if [0, 1, 4].contains(&n) {
            assert_eq!(job.state, JobState::Failed, "{n}");
            let report = job.job.report.unwrap();
            assert!(report.findings.iter().any(|f| f.code.as_str() == "bytes.missing"), "{n}: {report:#?}");
        } else {
            assert_eq!(job.state, JobState::Verified, "{n}");
        }
    }
    w.assert_ledger().await;
}

#[tokio::test]
async fn a_plan_tells_what_is_gone_and_plans_the_rest() {
    let w = World::new().await;
    let ids = w.cold(40).await;
    let matter = w.matter_of(&ids).await;
    for n in 1..=35 {
        lose(&w, &format!("r-{n}.wav"));
    }
    let looks = w.faults.calls(StoreCall::Status);
    let plan = w.desk.make_plan(&matter, PlanRequest::default(), &w.me).await.unwrap();
    assert_eq!(w.faults.calls(StoreCall::Status), looks + 1);
    assert_eq!((plan.body.totals.items, plan.body.totals.to_rehydrate), (40, 5));
}

#[tokio::test]
async fn another_matter_is_asked_for_while_a_download_goes_on() {
    let w = World::new().await;
    let hot = w.archive(Sample::new(100, bytes(100)).hot()).await;
    let first = w.matter_of(std::slice::from_ref(&hot)).await;
    w.faults.add(FaultRule::on(StoreCall::Read, StoreFault::Delay(Duration::from_secs(600))).key("r-100.wav"));
    w.desk.start(&first, None, None, None, &w.me).await.unwrap();
    let desk = w.desk.clone();
    let driving = tokio::spawn(async move { desk.drive(None, &NoProgress, &Cancel::default()).await });
    while w.faults.calls(StoreCall::Read) == 0 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let cold = w.cold(1).await;
    let second = w.desk.create_matter(new_matter("Roe v. Acme"), &w.me).await.unwrap();
    w.desk.add_items(&second, &cold, &w.me).await.unwrap();
    w.begin(&second).await;
    while w.states(&second).await != [JobState::Rehydrating] {
        assert!(!driving.is_finished());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(w.states(&first).await, [JobState::Downloading]);
    driving.abort();
}

#[tokio::test]
async fn a_speed_that_nobody_approved_is_not_asked_for() {
    let w = World::new().await;
    let ids = w.cold(2).await;
    // For one matter it is on its way, slowly.
    let slow = w.matter_of(&ids[..1]).await;
    let bulk = PlanRequest { choice: Choice::Speed(RehydrationSpeed::Bulk), ..PlanRequest::default() };
    let plan = w.desk.make_plan(&slow, bulk, &w.me).await.unwrap();
    w.desk.start(&slow, Some(&plan.plan_id), None, None, &w.me).await.unwrap();
    w.drive().await;
    assert_eq!(w.faults.calls(StoreCall::Request), 1);
    // For another one a plan would raise it. Nobody approves that; the plan that is approved is of the other recording.
    let matter = w.desk.create_matter(new_matter("Roe v. Acme"), &w.me).await.unwrap();
    w.desk.add_items(&matter, &ids, &w.me).await.unwrap();
    let hurried = |only| PlanRequest {
        choice: Choice::Speed(RehydrationSpeed::Expedited),
        deadline: Some(w.now() + SignedDuration::from_hours(1)),
        only,
    };
    let proposed = w.desk.make_plan(&matter, hurried(None), &w.me).await.unwrap();
    assert_eq!(proposed.body.items[0].chosen, Some(RehydrationSpeed::Expedited), "else this proves nothing");
    let other = w.desk.make_plan(&matter, hurried(Some(ids[1..].to_vec())), &w.me).await.unwrap();
    assert_eq!(w.desk.newest_plan(&matter).await.unwrap().unwrap().plan_id, other.plan_id);
    w.desk.start(&matter, None, None, None, &w.me).await.unwrap();
    w.drive().await;
    assert_eq!(w.faults.calls(StoreCall::Request), 2, "the other recording alone");
    let job = w.job(&matter, &ids[0]).await;
    assert_eq!((job.state, job.job.speed, job.job.plan), (JobState::Rehydrating, None, None));
    w.drive_to_the_end().await;
    assert_eq!(w.states(&matter).await, [JobState::Verified; 2]);
    w.assert_ledger().await;
}

#[tokio::test]
async fn copies_that_leave_the_desk_stand_in_the_ledger() {
    let w = World::new().await;
    let id = w.archive(Sample::new(1, bytes(1)).hot()).await;
    let matter = w.matter_of(std::slice::from_ref(&id)).await;
    w.desk.start(&matter, None, None, Some(w.root.join("stick")), &w.me).await.unwrap();
    w.drive().await;
    assert_eq!((w.count(&id, Action::Export, Phase::Intent).await, w.succeeded(&id, Action::Export).await), (1, 1));
    w.desk.start(&matter, None, None, Some(w.root.join("other")), &w.me).await.unwrap();
    assert_eq!(w.succeeded(&id, Action::Export).await, 2);
    // One that could not be made, too.
    let taken = w.root.join("taken");
    std::fs::create_dir(&taken).unwrap();
    let name = files(&w.root.join("stick"), "HF-0001")[0].file_name().unwrap().to_owned();
    std::fs::write(taken.join(name), b"something else").unwrap();
    w.desk.start(&matter, None, None, Some(taken), &w.me).await.unwrap_err();
    assert_eq!((w.count(&id, Action::Export, Phase::Intent).await, w.succeeded(&id, Action::Export).await), (3, 2));
    for entry in w.entries(&id).await {
        assert!(!format!("{entry:?}").contains("stick"), "paths may name people");
    }
    w.assert_ledger().await;
}

#[tokio::test]
async fn a_manifest_in_a_cold_tier_is_no_lapsed_copy_of_the_recording() {
    let w = World::new().await;
    let id = w.archive(Sample::new(1, bytes(1)).hot()).await;
    let matter = w.matter_of(std::slice::from_ref(&id)).await;
    let set_tier = |tier: &str| {
        let notes = files(&w.root.join("archive"), "manifests/");
        let mut changed = 0;
        for path in notes.iter().filter(|p| p.to_string_lossy().contains(".holdfast")) {
            let Ok(text) = std::fs::read_to_string(path) else { continue };
            let Ok(mut facts) = serde_json::from_str::<serde_json::Value>(&text) else { continue };
            facts["tier"] = tier.into();
            overwrite(path, |bytes| *bytes = serde_json::to_vec(&facts).unwrap());
            changed += 1;
        }
        assert_eq!(changed, 1);
    };
    set_tier("cold");
    w.desk.start(&matter, None, None, None, &w.me).await.unwrap();
    w.drive().await;
    let job = w.job(&matter, &id).await;
    assert_eq!(job.state, JobState::Verifying);
    assert_eq!(job.job.problem.unwrap().code, "retrieval.manifest_offline");
    assert_eq!(w.succeeded(&id, Action::Download).await, 1, "the recording came");
    set_tier("hot");
    w.drive_to_the_end().await;
    assert_eq!(w.states(&matter).await, [JobState::Verified]);
    assert_eq!(w.count(&id, Action::Download, Phase::Intent).await, 1, "and is not brought again");
    w.assert_ledger().await;
}
