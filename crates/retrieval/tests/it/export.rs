use crate::world::{World, agent, bytes, code, files, overwrite};
use holdfast_ledger::{Action, EventOutcome, Phase};
use holdfast_model::{ArchiveId, Cancel, MatterId, NoProgress};
use holdfast_retrieval::{Export, ExportRequest, RetrievalError};
use holdfast_testkit::Sample;
use holdfast_verify::{Outcome, package::verify_package};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};

async fn at_the_desk(w: &World, n: u32) -> (MatterId, Vec<ArchiveId>) {
    let mut ids = Vec::new();
    for number in 1..=n {
        ids.push(w.archive(Sample::new(number, bytes(number)).hot()).await);
    }
    let matter = w.matter_of(&ids).await;
    w.desk.start(&matter, None, None, None, &w.me).await.unwrap();
    w.drive().await;
    (matter, ids)
}

async fn export(w: &World, matter: &MatterId, to: &Path, partial: bool) -> Result<Export, RetrievalError> {
    let request = ExportRequest { to: Some(to.to_owned()), partial };
    w.desk.export(matter, request, &w.me, &NoProgress, &Cancel::default()).await
}

fn tree(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let path = |p: &PathBuf| p.strip_prefix(root).unwrap().to_owned();
    files(root, "").iter().map(|p| (path(p), std::fs::read(p).unwrap())).collect()
}

#[tokio::test]
async fn a_package_is_made_verified_and_noted() {
    let w = World::new().await;
    let (matter, ids) = at_the_desk(&w, 3).await;
    let to = w.root.join("out");
    let made = export(&w, &matter, &to, false).await.unwrap();
    assert_eq!(made.report.as_ref().unwrap().outcome, Outcome::Verified, "{:#?}", made.report);
    assert_eq!((made.items, made.left_out), (3, 0));
    assert_eq!(made.package, to.join("M-2026-0001_evidence"));
    let key = w.ledger.public_key();
    let again = verify_package(&made.package, Some(key), &Cancel::default(), &NoProgress).unwrap();
    assert_eq!(again.outcome, Outcome::Verified);
    let originals = files(&made.package, "data/originals");
    assert_eq!(originals.len(), 3);
    assert_eq!(std::fs::read(&originals[1]).unwrap(), bytes(2));
    assert_eq!(w.desk.exports(&matter).await.unwrap(), std::slice::from_ref(&made));
    let noted = w.ledger.entries_of_matter(&matter).await.unwrap();
    let outcome = noted.iter().rev().find(|e| e.event.phase == Phase::Outcome).unwrap();
    assert_eq!((outcome.event.action, outcome.event.digest_after), (Action::Export, made.seal));
    assert_eq!(w.count(&ids[2], Action::Export, Phase::Fact).await, 1);
    overwrite(&originals[0], |bytes| bytes[3] ^= 1);
    let again = verify_package(&made.package, Some(key), &Cancel::default(), &NoProgress).unwrap();
    assert!(again.has(holdfast_verify::FindingCode::BytesDigestMismatch), "{again:?}");
    w.assert_ledger().await;
}

#[tokio::test]
async fn the_same_matter_gives_the_same_package_but_for_the_named_fields() {
    let w = World::new().await;
    let (matter, _) = at_the_desk(&w, 2).await;
    let first = export(&w, &matter, &w.root.join("a"), false).await.unwrap();
    // The ledger goes on with other things meanwhile.
    w.archive(Sample::new(77, bytes(77))).await;
    let second = export(&w, &matter, &w.root.join("b"), false).await.unwrap();
    assert_eq!(tree(&first.package), tree(&second.package), "the clock stood still, so all is the same");
    w.clock.advance(Duration::from_secs(86_400));
    let third = export(&w, &matter, &w.root.join("c"), false).await.unwrap();
    let (a, c) = (tree(&first.package), tree(&third.package));
    let differ: Vec<&str> = a.keys().filter(|k| a[*k] != c[*k]).map(|k| k.to_str().unwrap()).collect();
    let allowed = ["bag-info.txt", "package.json", "tagmanifest-sha256.txt", "manifest-sha256.txt"];
    for path in &differ {
        assert!(allowed.contains(path) || path.starts_with("data/reports/"), "{differ:?}");
    }
    assert!(differ.contains(&"package.json"));
    let here = export(&w, &matter, &w.root.join("a"), false).await.unwrap();
    assert!(here.package.ends_with("M-2026-0001_evidence_2"), "nothing is replaced: {:?}", here.package);
    assert_eq!(w.desk.exports(&matter).await.unwrap().len(), 4);
}

#[tokio::test]
async fn what_is_not_verified_is_refused_or_left_out_by_name() {
    let w = World::new().await;
    let (matter, ids) = at_the_desk(&w, 2).await;
    let cold = w.archive(Sample::new(7, bytes(7))).await;
    w.desk.add_items(&matter, std::slice::from_ref(&cold), &w.me).await.unwrap();
    let to = w.root.join("out");
    let refused = export(&w, &matter, &to, false).await;
    assert!(
        matches!(&refused, Err(RetrievalError::Unverified { count: 1, of: 3, first }) if *first == cold),
        "{refused:?}"
    );
    assert!(!to.exists());
    // A copy that was changed at the desk is not packed either.
    let copy = w.desk.desk_copy(&ids[0]).await.unwrap().unwrap();
    overwrite(&copy.path, |bytes| bytes[0] ^= 1);
    let made = export(&w, &matter, &to, true).await.unwrap();
    assert_eq!((made.items, made.left_out), (1, 2));
    assert_eq!(made.report.unwrap().outcome, Outcome::Verified);
    let described = std::fs::read_to_string(made.package.join("package.json")).unwrap();
    assert!(described.contains("It was not retrieved.") && described.contains("was changed after it was verified"));
    assert!(described.contains("\"HF-0002\"") && !described.contains("\"HF-0001\""), "numbers stay: {described}");
    let empty = w.desk.create_matter(crate::world::new_matter("empty"), &w.me).await.unwrap();
    assert_eq!(code(export(&w, &empty, &to, true).await), "retrieval.matter_empty");
    w.assert_ledger().await;
}

#[tokio::test]
async fn cancelling_leaves_nothing_behind() {
    let w = World::new().await;
    let (matter, _) = at_the_desk(&w, 2).await;
    struct Stop(Cancel);
    impl holdfast_model::ProgressSink for Stop {
        fn report(&self, _: holdfast_model::Progress) {
            self.0.cancel();
        }
    }
    let cancel = Cancel::default();
    let request = ExportRequest { to: Some(w.root.join("out")), partial: false };
    let made = w.desk.export(&matter, request, &agent("legal"), &Stop(cancel.clone()), &cancel).await;
    assert_eq!(code(made), "retrieval.cancelled");
    assert!(files(&w.root.join("out"), "").is_empty());
    let noted = w.ledger.entries_of_matter(&matter).await.unwrap();
    assert_eq!(noted.last().unwrap().event.outcome, Some(EventOutcome::Failed));
    let made = export(&w, &matter, &w.root.join("out"), false).await.unwrap();
    assert!(made.package.ends_with("M-2026-0001_evidence"));
    w.assert_ledger().await;
}

/// Far enough that most entries lie in tiles.
#[tokio::test]
async fn a_matter_of_many_is_packed_with_every_proof() {
    let w = World::new().await;
    let (matter, ids) = at_the_desk(&w, 60).await;
    w.desk.hold(&matter, "litigation", &w.me).await.unwrap();
    assert!(w.ledger.size().await.unwrap() > 512);
    let made = export(&w, &matter, &w.root.join("out"), false).await.unwrap();
    assert_eq!(made.items, 60);
    let key = w.ledger.public_key();
    let report = verify_package(&made.package, Some(key), &Cancel::default(), &NoProgress).unwrap();
    assert_eq!(report.outcome, Outcome::Verified, "{:#?}", report.findings);
    let custody = std::fs::read_to_string(made.package.join("data/reports/custody.json")).unwrap();
    assert!(ids.iter().all(|id| custody.contains(id.as_str())));
    w.assert_ledger().await;
}
