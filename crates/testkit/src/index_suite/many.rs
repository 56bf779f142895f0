use super::rows::{Made, RowMaker, at};
use holdfast_index::{AvailabilityState, Query, RecordingIndex};
use holdfast_model::{ArchiveId, Availability, Fault as _, StorageState, StorageTier};
use std::sync::Arc;

/// More than a backend reads in one call of its own.
const ROWS: u32 = 130;

fn made(seed: u64) -> Vec<Made> {
    (0..ROWS).map(|i| RowMaker::new(seed).row(i)).collect()
}

fn id(of: &Made) -> ArchiveId {
    of.0.archive_id.clone()
}

fn deep(availability: Availability) -> StorageState {
    StorageState { tier: StorageTier::DeepCold, storage_class: "DEEP_ARCHIVE".into(), availability }
}

async fn total(index: &dyn RecordingIndex, state: AvailabilityState) -> u64 {
    index.search(&Query { availability: Some(state), ..Query::default() }).await.unwrap().total
}

/// Many rows at once are what one call for each gives: in the order asked, one named twice twice, none for what is not there.
pub async fn gets_many_as_one_by_one(index: Arc<dyn RecordingIndex>) {
    let made = made(40);
    index.insert_many(made.clone()).await.unwrap();
    let mut ids: Vec<ArchiveId> = made.iter().rev().map(id).collect();
    ids.insert(7, "hf-nobody".parse().unwrap());
    ids.push(ids[3].clone());
    let mut singles = Vec::new();
    for id in &ids {
        singles.push(index.get(id).await.unwrap());
    }
    assert_eq!((singles[7].is_none(), singles.iter().flatten().count()), (true, ids.len() - 1));
    assert_eq!(index.get_many(&ids).await.unwrap(), singles);
    assert_eq!(index.get_many(&[]).await.unwrap(), []);
}

/// Many states told at once are what telling one after the other makes of them: the last one for a recording counts, what does
/// not change stays, filters follow. Of one that is not there it is said, and without it the rest goes through.
pub async fn notes_many_states_as_one_by_one(index: Arc<dyn RecordingIndex>) {
    let made = made(41);
    index.insert_many(made.clone()).await.unwrap();
    let (offline, coming) = (
        deep(Availability::Offline),
        deep(Availability::Rehydrating { requested_at: Some(at(5)), expected_at: Some(at(9)) }),
    );
    // Half of them become other than they are, one of them twice, and every fourth is told what it is.
    let changed: Vec<&Made> = made.iter().step_by(2).collect();
    let mut seen: Vec<_> = changed.iter().map(|m| (id(m), offline.clone())).collect();
    seen.extend(made.iter().skip(1).step_by(4).map(|m| (id(m), m.0.state())));
    seen.insert(0, (id(changed[5]), offline.clone()));
    seen.push((id(changed[5]), coming.clone()));
    let expected = |i: usize| match i {
        10 => coming.clone(),
        i if i % 2 == 0 => offline.clone(),
        i => made[i].0.state(),
    };
    for _ in 0..2 {
        index.set_states(&seen).await.unwrap();
        for (i, m) in made.iter().enumerate() {
            assert_eq!(index.get(&id(m)).await.unwrap().unwrap().state(), expected(i), "{i}");
        }
        let all = |wanted: AvailabilityState| {
            (0..made.len()).filter(|i| AvailabilityState::from(&expected(*i).availability) == wanted).count() as u64
        };
        for state in [AvailabilityState::Online, AvailabilityState::Offline, AvailabilityState::Rehydrating] {
            assert_eq!(total(&*index, state).await, all(state), "{state:?}");
        }
    }
    let mut odd: Vec<_> = made.iter().map(|m| (id(m), coming.clone())).collect();
    odd.insert(3, ("hf-nobody".parse().unwrap(), coming.clone()));
    assert_eq!(index.set_states(&odd).await.unwrap_err().code(), "index.not_found");
    for m in &made {
        let now = index.get(&id(m)).await.unwrap().unwrap().state();
        assert!(now == coming || seen.iter().any(|(_, s)| *s == now) || now == m.0.state(), "{now:?}");
    }
    odd.remove(3);
    index.set_states(&odd).await.unwrap();
    assert_eq!(total(&*index, AvailabilityState::Rehydrating).await, u64::from(ROWS));
    index.set_states(&[]).await.unwrap();
}

/// States told together while an index is rebuilt are in the new one, whether the rebuild had come to a row or not.
pub async fn a_rebuild_takes_up_states_told_together(index: Arc<dyn RecordingIndex>) {
    let made = made(42);
    index.insert_many(made.clone()).await.unwrap();
    let mut sink = index.rebuild().await.unwrap();
    // These are in both already: what comes in meanwhile stands in both.
    let early: Vec<Made> = (ROWS..ROWS + 20).map(|i| RowMaker::new(42).row(i)).collect();
    index.insert_many(early.clone()).await.unwrap();
    let offline = deep(Availability::Offline);
    let seen: Vec<_> = made.iter().chain(&early).map(|m| (id(m), offline.clone())).collect();
    index.set_states(&seen).await.unwrap();
    for (row, text) in made.iter().chain(&early).cloned() {
        sink.push(row, text).await.unwrap();
    }
    assert_eq!(sink.finish().await.unwrap(), u64::from(ROWS) + 20);
    let ids: Vec<ArchiveId> = seen.iter().map(|(id, _)| id.clone()).collect();
    for row in index.get_many(&ids).await.unwrap() {
        assert_eq!(row.unwrap().state(), offline);
    }
    assert_eq!(total(&*index, AvailabilityState::Offline).await, u64::from(ROWS) + 20);
}
