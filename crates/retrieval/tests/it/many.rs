use crate::{counted::Many, world::dawn};
use holdfast_model::RehydrationSpeed;
use holdfast_retrieval::PlanRequest;
use holdfast_testkit::ManualClock;
use std::{collections::BTreeMap, sync::Arc};

/// What makes a plan of many quick is how seldom anybody is asked: never once for each recording.
#[tokio::test]
async fn a_plan_of_thousands_asks_storage_once_and_nobody_for_each() {
    const N: u32 = 3_000;
    // Rows are read and written a hundred at a time, as DynamoDB takes them, and a few calls are for the matter and the plan.
    let few = |calls: &BTreeMap<&str, usize>| calls.values().sum::<usize>() <= 20 + 3 * N as usize / 100;
    let dir = tempfile::tempdir().unwrap();
    let many = Many::of(N, dir.path(), Arc::new(ManualClock::at(dawn()))).await;
    let plan = many.desk.make_plan(&many.matter, PlanRequest::default(), &many.me).await.unwrap();
    assert_eq!((plan.body.totals.items, plan.body.totals.to_rehydrate, plan.body.totals.cannot_meet), (N, N, 0));
    // The class that the storage says, not the one that it was archived in.
    assert!(plan.body.items.iter().all(|i| i.storage_class == "DEEP_ARCHIVE"));
    assert!(plan.body.items.iter().all(|i| i.chosen == Some(RehydrationSpeed::Standard)));
    let first = many.calls.taken();
    assert_eq!(first["store.status"], 1, "{first:?}");
    assert_eq!(first["index.set_states"], 1, "what was seen is noted together: {first:?}");
    assert!(!first.contains_key("index.get") && !first.contains_key("index.set_state"), "{first:?}");
    assert!(few(&first), "{first:?}");

    // Again, with all rows there already.
    many.desk.make_plan(&many.matter, PlanRequest::default(), &many.me).await.unwrap();
    let again = many.calls.taken();
    assert_eq!(again["store.status"], 1);
    assert!(few(&again), "{again:?}");

    let started = many.desk.start(&many.matter, None, None, None, &many.me).await.unwrap();
    assert_eq!(started.jobs.len(), N as usize);
    let begun = many.calls.taken();
    assert!(few(&begun) && !begun.contains_key("index.get"), "{begun:?}");
}
