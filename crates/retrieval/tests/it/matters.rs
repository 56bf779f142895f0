use crate::world::{World, agent, bytes, code, new_matter};
use holdfast_index::{SqliteWork, Work, WorkKind, WorkStore as _};
use holdfast_ledger::{Action, EventOutcome, Phase};
use holdfast_model::ArchiveId;
use holdfast_retrieval::{NewMatter, RetrievalError};
use holdfast_store::StoreError;
use holdfast_testkit::{FaultRule, Sample, StoreCall, StoreFault};
use std::sync::Arc;

#[tokio::test]
async fn matters_are_numbered_by_year_and_need_a_justification() {
    let w = World::new().await;
    for (n, id) in [(1, "M-2026-0001"), (2, "M-2026-0002"), (3, "M-2026-0003")] {
        let made = w.desk.create_matter(new_matter(&format!("Matter {n}")), &w.me).await.unwrap();
        assert_eq!(made.as_str(), id);
    }
    let blank = NewMatter { justification: " \n".into(), ..new_matter("x") };
    assert_eq!(code(w.desk.create_matter(blank, &w.me).await), "retrieval.blank");
    let long = NewMatter { justification: "x".repeat(5000), ..new_matter("x") };
    assert_eq!(code(w.desk.create_matter(long, &w.me).await), "retrieval.too_long");
    assert_eq!(w.desk.matters().await.unwrap().len(), 3);
    let first = &w.desk.matters().await.unwrap()[0];
    assert_eq!((first.requester.as_str(), first.is_open()), ("Lee Legal", true));
    let noted = w.ledger.entries_of_matter(&first.matter_id).await.unwrap();
    assert_eq!(noted[0].event.action, Action::MatterCreation);
    assert_eq!(noted[0].event.reason.as_deref(), Some("subpoena of 2 November"));
    w.clock.set("2027-01-01T00:00:00Z".parse().unwrap());
    assert_eq!(w.desk.create_matter(new_matter("y"), &w.me).await.unwrap().as_str(), "M-2027-0001");
}

#[tokio::test]
async fn creating_again_with_the_same_key_gives_the_same_matter() {
    let w = World::new().await;
    let new = || NewMatter { idempotency: Some("form-17".into()), ..new_matter("Doe") };
    let both = futures_util::future::join_all((0..8).map(|_| w.desk.create_matter(new(), &w.me))).await;
    let ids: std::collections::BTreeSet<String> = both.into_iter().map(|r| r.unwrap().to_string()).collect();
    assert_eq!(ids.len(), 1, "{ids:?}");
    assert_eq!(w.desk.create_matter(new(), &w.me).await.unwrap().to_string(), *ids.first().unwrap());
    let noted = w.ledger.entries_of_matter(&ids.first().unwrap().parse().unwrap()).await.unwrap();
    assert_eq!(noted.iter().filter(|e| e.event.action == Action::MatterCreation).count(), 1);
}

#[tokio::test]
async fn exhibits_are_numbered_in_order_and_keep_their_numbers() {
    let w = World::new().await;
    let ids = w.cold(4).await;
    let matter = w.matter_of(&[ids[2].clone(), ids[0].clone()]).await;
    let again = w.desk.add_items(&matter, &[ids[0].clone(), ids[1].clone(), ids[1].clone()], &w.me).await.unwrap();
    assert_eq!((again.added, again.already), (1, 2));
    let unknown: ArchiveId = "hf-nosuchrecording".parse().unwrap();
    let refused = w.desk.add_items(&matter, &[ids[3].clone(), unknown], &w.me).await;
    assert_eq!(code(refused), "retrieval.no_recording");
    let shown = w.desk.matter(&matter).await.unwrap();
    let numbers: Vec<(&str, &ArchiveId)> = shown.items.iter().map(|i| (i.exhibit.as_str(), &i.archive_id)).collect();
    assert_eq!(numbers, [("HF-0001", &ids[2]), ("HF-0002", &ids[0]), ("HF-0003", &ids[1])]);
    assert_eq!(w.desk.matters_of(&ids[0]).await.unwrap(), std::slice::from_ref(&matter));
    assert!(w.desk.matters_of(&ids[3]).await.unwrap().is_empty());
    assert_eq!(w.count(&ids[0], Action::MatterItems, Phase::Fact).await, 1);
}

/// Whether original, manifest and payload carry the flag, and which matters the index names.
async fn held(w: &World, id: &ArchiveId) -> (Vec<bool>, Vec<String>) {
    let row = w.index.get(id).await.unwrap().unwrap();
    let meta = |top: &str| {
        let mut at = row.locator.clone();
        at.bucket = "meta".into();
        at.version_id = None;
        let key = at.key.as_str().replace("recordings/", &format!("{top}/")).replace(".wav", ".json");
        at.key = holdfast_model::ObjectKey::new(key).unwrap();
        at
    };
    let mut flags = Vec::new();
    for at in [row.locator.clone(), meta("manifests"), meta("payloads")] {
        flags.push(w.store.reader.head(&at).await.unwrap().legal_hold);
    }
    (flags, row.holds.iter().map(ToString::to_string).collect())
}

#[tokio::test]
async fn a_hold_stays_while_another_matter_holds() {
    let w = World::new().await;
    let ids = w.cold(2).await;
    let (a, b) = (w.matter_of(&ids).await, w.matter_of(&ids[..1]).await);
    assert_eq!(code(w.desk.hold(&a, "  ", &w.me).await), "retrieval.blank");
    w.desk.hold(&a, "litigation", &w.me).await.unwrap();
    w.desk.hold(&b, "audit", &w.me).await.unwrap();
    assert_eq!(held(&w, &ids[0]).await, (vec![true; 3], vec![a.to_string(), b.to_string()]));
    assert_eq!(held(&w, &ids[1]).await, (vec![true; 3], vec![a.to_string()]));

    w.desk.release_hold(&a, "settled", &w.me).await.unwrap();
    assert_eq!(held(&w, &ids[0]).await, (vec![true; 3], vec![b.to_string()]));
    assert_eq!(held(&w, &ids[1]).await, (vec![false; 3], vec![]));
    w.desk.release_hold(&b, "done", &w.me).await.unwrap();
    assert_eq!(held(&w, &ids[0]).await, (vec![false; 3], vec![]));
    for (action, times) in [(Action::LegalHold, 2), (Action::LegalHoldRelease, 2)] {
        assert_eq!(w.count(&ids[0], action, Phase::Intent).await, times);
        assert_eq!(w.succeeded(&ids[0], action).await, times);
    }
    w.assert_ledger().await;
}

#[tokio::test]
async fn a_hold_is_not_lifted_while_another_matter_cannot_be_read() {
    let w = World::new().await;
    let ids = w.cold(1).await;
    let (a, b) = (w.matter_of(&ids).await, w.matter_of(&ids).await);
    w.desk.hold(&a, "litigation", &w.me).await.unwrap();
    w.desk.hold(&b, "audit", &w.me).await.unwrap();
    // As a newer version might write it, or a disk might leave it.
    let work = SqliteWork::open(w.root.join("work.sqlite"), Arc::new(w.clock.clone())).await.unwrap();
    let whole = work.get(WorkKind::Matter, b.as_str()).await.unwrap().unwrap();
    let mut unreadable = whole.clone();
    unreadable.doc["change"] = serde_json::json!({ "do": "transfer" });
    let rev = work.update(unreadable).await.unwrap().rev().unwrap();
    assert!(w.desk.release_hold(&a, "settled", &w.me).await.is_err());
    assert_eq!(held(&w, &ids[0]).await.0, vec![true; 3], "the other matter's hold is not lost");
    assert_eq!(w.succeeded(&ids[0], Action::LegalHoldRelease).await, 0);

    // Once it can be read again, the release is ended by asking again, and the other matter goes on holding.
    work.update(Work { rev, ..whole }).await.unwrap().rev().unwrap();
    w.desk.release_hold(&a, "settled", &w.me).await.unwrap();
    assert_eq!(held(&w, &ids[0]).await, (vec![true; 3], vec![b.to_string()]));
    w.assert_ledger().await;
}

#[tokio::test]
async fn what_comes_into_a_held_matter_is_held_too() {
    let w = World::new().await;
    let ids = w.cold(2).await;
    let matter = w.matter_of(&ids[..1]).await;
    w.desk.hold(&matter, "litigation", &w.me).await.unwrap();
    w.desk.add_items(&matter, &ids[1..], &w.me).await.unwrap();
    assert_eq!(held(&w, &ids[1]).await, (vec![true; 3], vec![matter.to_string()]));
    w.desk.close_matter(&matter, "moved to another firm", false, &w.me).await.unwrap();
    assert_eq!(held(&w, &ids[1]).await.0, vec![true; 3], "closing alone lifts nothing");
    assert_eq!(code(w.desk.add_items(&matter, &ids, &w.me).await), "retrieval.matter_closed");
    assert_eq!(code(w.desk.close_matter(&matter, "again", true, &w.me).await), "retrieval.matter_closed");
    w.desk.release_hold(&matter, "judgment", &w.me).await.unwrap();
    assert_eq!(held(&w, &ids[1]).await, (vec![false; 3], vec![]));
    w.assert_ledger().await;
}

#[tokio::test]
async fn closing_can_lift_the_holds() {
    let w = World::new().await;
    let ids = w.cold(1).await;
    let matter = w.matter_of(&ids).await;
    w.desk.hold(&matter, "litigation", &w.me).await.unwrap();
    w.desk.close_matter(&matter, "settled", true, &w.me).await.unwrap();
    assert_eq!(held(&w, &ids[0]).await, (vec![false; 3], vec![]));
    let shown = w.desk.matter(&matter).await.unwrap();
    assert!(!shown.is_open() && shown.hold.is_none());
    assert_eq!(shown.closed.unwrap().reason, "settled");
    w.assert_ledger().await;
}

#[tokio::test]
async fn a_hold_that_a_passing_fault_broke_off_is_finished_by_whoever_comes_next() {
    let w = World::new().await;
    let ids = w.cold(3).await;
    let matter = w.matter_of(&ids).await;
    w.faults.add(FaultRule::on(StoreCall::SetLegalHold, StoreFault::FailAfter).after(4));
    let broken = w.desk.hold(&matter, "litigation", &w.me).await;
    assert!(matches!(broken, Err(RetrievalError::Store(StoreError::Io { .. }))), "{broken:?}");
    w.drive().await;
    for id in &ids {
        assert_eq!(held(&w, id).await, (vec![true; 3], vec![matter.to_string()]));
    }
    assert!(w.desk.matter(&matter).await.unwrap().hold.is_some());
    w.assert_ledger().await;
}

#[tokio::test]
async fn holds_are_told_to_a_new_index() {
    let w = World::new().await;
    let ids = w.cold(2).await;
    let matter = w.matter_of(&ids).await;
    w.desk.hold(&matter, "litigation", &w.me).await.unwrap();
    for id in &ids {
        w.index.set_holds(id, &[]).await.unwrap(); // as after a rebuild
    }
    assert_eq!(w.desk.restate_holds().await.unwrap(), 2);
    assert_eq!(held(&w, &ids[0]).await.1, [matter.to_string()]);
}

#[tokio::test]
async fn a_matter_of_many_is_held_at_once() {
    let w = World::new().await;
    let mut ids = Vec::new();
    for n in 0..40 {
        ids.push(w.archive(Sample::new(n, bytes(n)[..64].to_vec()).hot()).await);
    }
    let matter = w.matter_of(&ids).await;
    w.desk.hold(&matter, "litigation", &agent("admin")).await.unwrap();
    let whole = w.ledger.entries_of_matter(&matter).await.unwrap();
    let held = whole.iter().filter(|e| e.event.action == Action::LegalHold && e.event.archive_id().is_some()).count();
    assert_eq!(held, 80);
    w.assert_ledger().await;
}

#[tokio::test]
async fn a_hold_that_cannot_be_set_everywhere_says_so_and_holds_the_rest() {
    let w = World::new().await;
    let ids = w.cold(2).await;
    let matter = w.matter_of(&ids).await;
    let manifest = crate::world::files(&w.root.join("archive/meta"), "manifests/2024/03/01/genesys.acme.c-1/");
    std::fs::remove_file(&manifest[0]).unwrap();
    let incomplete = w.desk.hold(&matter, "litigation", &w.me).await;
    assert!(
        matches!(&incomplete, Err(RetrievalError::HoldIncomplete { failed: 1, of: 2, first, .. }) if *first == ids[0]),
        "{incomplete:?}"
    );
    assert_eq!(held(&w, &ids[1]).await, (vec![true; 3], vec![matter.to_string()]));
    assert!(w.desk.matter(&matter).await.unwrap().hold.is_some(), "it is wanted all the same");
    let last = w.entries(&ids[0]).await.pop().unwrap();
    assert_eq!((last.event.action, last.event.outcome), (Action::LegalHold, Some(EventOutcome::Failed)));
    w.assert_ledger().await;
}
