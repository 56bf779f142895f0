//! What every work store promises, as functions to run against each one. `work_conformance!` makes a named test of each.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::missing_panics_doc)] // these are tests

use crate::ManualClock;
use holdfast_index::{Claim, CreateOutcome, ListWork, MAX_UPDATES, UpdateOutcome, Work, WorkKind, WorkStore};
use holdfast_model::{Clock as _, Fault as _};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

/// An empty store and the clock it goes by.
pub struct Subject {
    /// The store.
    pub store: Arc<dyn WorkStore>,
    /// Its clock.
    pub clock: ManualClock,
}

/// Makes one `#[tokio::test]` of each promise. `$make` is an async function without parameters that returns a fresh
/// [`Subject`] and whatever must outlive it.
#[macro_export]
macro_rules! work_conformance {
    ($make:path) => {
        $crate::work_conformance!($make =>
            creates_once, updates_by_rev, updates_all_or_none, lists_by_id_in_pages, claims_what_is_due_and_free,
            a_lease_lapses_and_its_owner_is_shut_out, renews_and_releases, a_clock_that_jumps_back_makes_no_second_owner,
            of_many_claimants_each_gets_its_own, counts_by_state, keeps_every_field, keeps_long_documents,
            takes_its_most_in_one_step, refuses_odd_requests
        );
    };
    ($make:path => $($promise:ident),+) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $promise() {
                let (subject, _alive) = $make().await;
                $crate::work_suite::$promise(&subject).await;
            }
        )+
    };
}

const KIND: WorkKind = WorkKind::Retrieval;

fn new(id: &str, state: &str) -> Work {
    Work::new(KIND, id, state, json!({"n": id}))
}

impl Subject {
    async fn create(&self, work: Work) -> Work {
        match self.store.create(work).await.unwrap() {
            CreateOutcome::Created(work) => work,
            CreateOutcome::Exists(work) => panic!("{} is there already", work.id),
        }
    }

    async fn get(&self, id: &str) -> Work {
        self.store.get(KIND, id).await.unwrap().unwrap()
    }

    async fn claim(&self, owner: &str, limit: usize) -> Vec<Work> {
        let claim = Claim { kind: KIND, states: &["ready", "again"], parent: None, owner, lease_ms: 60_000, limit };
        self.store.claim(claim).await.unwrap()
    }

    async fn claimed_ids(&self, owner: &str) -> Vec<String> {
        self.claim(owner, 100).await.into_iter().map(|w| w.id).collect()
    }

    async fn list(&self, states: &[&str], parent: Option<&str>, after: Option<&str>, limit: usize) -> Vec<String> {
        let found = self.store.list(ListWork { kind: KIND, parent, states, after, limit }).await.unwrap();
        found.into_iter().map(|w| w.id).collect()
    }
}

fn later(t: Timestamp, seconds: i64) -> Timestamp {
    t + SignedDuration::from_secs(seconds)
}

/// A second create of the same kind and id changes nothing and tells what is there; another kind is another thing.
pub async fn creates_once(s: &Subject) {
    let first = s.create(new("a", "ready")).await;
    assert_eq!((first.rev, first.updated_at), (1, s.clock.now()));
    assert_eq!(s.get("a").await, first);
    s.clock.advance(Duration::from_secs(5));
    let mut other = new("a", "done");
    other.kind = WorkKind::Plan;
    let outcomes =
        s.store.create_many(vec![new("a", "done"), other, new("b", "ready"), new("b", "done")]).await.unwrap();
    assert_eq!(outcomes[0], CreateOutcome::Exists(first.clone()));
    assert!(matches!(&outcomes[1], CreateOutcome::Created(w) if w.kind == WorkKind::Plan));
    assert!(matches!(&outcomes[2], CreateOutcome::Created(w) if w.state == "ready"));
    assert!(matches!(&outcomes[3], CreateOutcome::Exists(w) if w.state == "ready"));
    assert_eq!(s.get("a").await, first);
    assert_eq!(s.store.get(KIND, "c").await.unwrap(), None);
}

/// An update needs the rev that is stored; the loser is told what is there.
pub async fn updates_by_rev(s: &Subject) {
    let first = s.create(new("a", "ready")).await;
    s.clock.advance(Duration::from_secs(1));
    let next = Work { state: "done".into(), doc: json!([1]), ..first.clone() };
    assert_eq!(s.store.update(next.clone()).await.unwrap().rev(), Some(2));
    let stored = s.get("a").await;
    assert_eq!(stored, Work { rev: 2, updated_at: s.clock.now(), ..next });
    let lost = s.store.update(Work { state: "lost".into(), ..first }).await.unwrap();
    assert_eq!(lost, UpdateOutcome::Conflict { at: 0, current: Some(Box::new(stored.clone())) });
    assert_eq!(s.get("a").await, stored);
    let absent = s.store.update(Work { rev: 3, ..new("nobody", "x") }).await.unwrap();
    assert_eq!(absent, UpdateOutcome::Conflict { at: 0, current: None });
}

/// Several updates and creates (rev 0) are one step: a single conflict leaves everything as it was.
pub async fn updates_all_or_none(s: &Subject) {
    let a = s.create(new("a", "ready")).await;
    let b = s.create(new("b", "ready")).await;
    let done = |w: &Work| Work { state: "done".into(), ..w.clone() };
    let outcome = s.store.update_many(vec![done(&a), new("c", "ready"), Work { rev: 9, ..b.clone() }]).await.unwrap();
    assert_eq!(outcome, UpdateOutcome::Conflict { at: 2, current: Some(Box::new(b.clone())) });
    assert_eq!((s.get("a").await, s.store.get(KIND, "c").await.unwrap()), (a.clone(), None));
    let outcome = s.store.update_many(vec![done(&a), new("c", "ready"), done(&b)]).await.unwrap();
    assert_eq!(outcome, UpdateOutcome::Updated(vec![2, 1, 2]));
    assert_eq!(s.list(&["done"], None, None, 9).await, ["a", "b"]);
    let outcome = s.store.update_many(vec![new("d", "ready"), new("c", "ready")]).await.unwrap();
    assert!(matches!(outcome, UpdateOutcome::Conflict { at: 1, current: Some(_) }));
    assert_eq!(s.store.get(KIND, "d").await.unwrap(), None);
}

/// By ascending id, after the last one seen, filtered by parent and states.
pub async fn lists_by_id_in_pages(s: &Subject) {
    for i in 0..20 {
        let parent = if i % 2 == 0 { "even" } else { "odd" };
        s.create(new(&format!("w{i:02}"), if i % 5 == 0 { "five" } else { "other" }).of(parent)).await;
    }
    let (mut seen, mut after) = (Vec::new(), None::<String>);
    loop {
        let page = s.list(&[], None, after.as_deref(), 6).await;
        let Some(last) = page.last() else { break };
        after = Some(last.clone());
        seen.extend(page);
    }
    assert_eq!(seen, (0..20).map(|i| format!("w{i:02}")).collect::<Vec<_>>());
    assert_eq!(s.list(&["five"], Some("odd"), None, 9).await, ["w05", "w15"]);
    assert_eq!(s.list(&["five", "other"], Some("even"), Some("w14"), 9).await, ["w16", "w18"]);
    assert_eq!(s.list(&["none"], None, None, 9).await, Vec::<String>::new());
}

/// In the named states, due, free; first what is always due, then the longest due.
pub async fn claims_what_is_due_and_free(s: &Subject) {
    let now = s.clock.now();
    let due = |id: &str, state: &str, seconds: i64| Work { due_at: Some(later(now, seconds)), ..new(id, state) };
    s.store
        .create_many(vec![
            due("just", "ready", 0),
            due("long", "again", -60),
            due("later", "ready", 1),
            new("always", "ready"),
            due("done", "done", -99),
        ])
        .await
        .unwrap();
    let first = s.claim("me", 2).await;
    assert_eq!(first.iter().map(|w| w.id.as_str()).collect::<Vec<_>>(), ["always", "long"]);
    let lease = first[0].lease.clone().unwrap();
    assert_eq!((lease.owner.as_str(), lease.until, first[0].rev), ("me", later(now, 60), 2));
    assert_eq!(s.get("always").await, first[0]);
    assert_eq!(s.claimed_ids("you").await, ["just"]);
    assert_eq!(s.claimed_ids("you").await, Vec::<String>::new());
    s.clock.advance(Duration::from_secs(1));
    assert_eq!(s.claimed_ids("you").await, ["later"]);
    let of_parent = Claim { kind: KIND, states: &["done"], parent: Some("p"), owner: "x", lease_ms: 1, limit: 9 };
    assert_eq!(s.store.claim(of_parent).await.unwrap(), []);
    let of_all = Claim { parent: None, ..of_parent };
    assert_eq!(s.store.claim(of_all).await.unwrap().len(), 1);
}

/// A lapsed lease can be taken by another, and then whatever the first one still writes is refused.
pub async fn a_lease_lapses_and_its_owner_is_shut_out(s: &Subject) {
    s.create(new("a", "ready")).await;
    let mine = s.claim("me", 1).await.remove(0);
    s.clock.advance(Duration::from_millis(59_999));
    assert_eq!(s.claimed_ids("you").await, Vec::<String>::new());
    s.clock.advance(Duration::from_millis(1));
    let yours = s.claim("you", 1).await.remove(0);
    assert!(matches!(s.store.update(mine).await.unwrap(), UpdateOutcome::Conflict { .. }));
    assert!(!s.store.renew(KIND, "a", "me", 60_000).await.unwrap());
    assert!(!s.store.release(KIND, "a", "me").await.unwrap());
    let done = Work { state: "done".into(), lease: None, ..yours };
    assert!(s.store.update(done).await.unwrap().rev().is_some());
    assert_eq!(s.get("a").await.lease, None);
}

/// Renewing prolongs, releasing frees at once; neither changes the rev.
pub async fn renews_and_releases(s: &Subject) {
    s.create(new("a", "ready")).await;
    let mine = s.claim("me", 1).await.remove(0);
    s.clock.advance(Duration::from_secs(50));
    assert!(s.store.renew(KIND, "a", "me", 60_000).await.unwrap());
    s.clock.advance(Duration::from_secs(50));
    assert_eq!(s.claimed_ids("you").await, Vec::<String>::new());
    assert!(s.store.release(KIND, "a", "me").await.unwrap());
    assert!(!s.store.release(KIND, "a", "me").await.unwrap());
    assert_eq!(s.get("a").await.rev, mine.rev);
    assert_eq!(s.claimed_ids("you").await, ["a"]);
    assert!(!s.store.renew(KIND, "nobody", "me", 1).await.unwrap());
}

/// A lease lasts longer when the clock jumps back; nobody else gets in.
pub async fn a_clock_that_jumps_back_makes_no_second_owner(s: &Subject) {
    s.create(new("a", "ready")).await;
    let mine = s.claim("me", 1).await.remove(0);
    s.clock.go_back(Duration::from_secs(3_600));
    assert_eq!(s.claimed_ids("you").await, Vec::<String>::new());
    s.clock.advance(Duration::from_secs(3_600));
    assert_eq!(s.claimed_ids("you").await, Vec::<String>::new());
    assert_eq!(s.store.update(mine).await.unwrap().rev(), Some(3));
}

/// Whoever claims at the same time, no piece of work goes to two.
pub async fn of_many_claimants_each_gets_its_own(s: &Subject) {
    s.store.create_many((0..200).map(|i| new(&format!("w{i:03}"), "ready")).collect()).await.unwrap();
    let claimant = |n: usize| {
        let store = Arc::clone(&s.store);
        tokio::spawn(async move {
            let owner = format!("o{n}");
            let mut mine = Vec::new();
            loop {
                let claim =
                    Claim { kind: KIND, states: &["ready"], parent: None, owner: &owner, lease_ms: 60_000, limit: 3 };
                let got = store.claim(claim).await.unwrap();
                if got.is_empty() {
                    return mine;
                }
                mine.extend(got.into_iter().map(|w| w.id));
            }
        })
    };
    let mut all = Vec::new();
    for task in (0..8).map(claimant).collect::<Vec<_>>() {
        all.extend(task.await.unwrap());
    }
    assert_eq!(all.len(), 200);
    assert_eq!(all.into_iter().collect::<BTreeSet<_>>().len(), 200);
}

/// By kind, and by parent where one is named.
pub async fn counts_by_state(s: &Subject) {
    for i in 0..9 {
        s.create(new(&i.to_string(), ["x", "y", "x"][i % 3]).of(["p", "q"][i % 2])).await;
    }
    let counts = |list: &[(&str, u64)]| list.iter().map(|(k, n)| ((*k).to_owned(), *n)).collect::<BTreeMap<_, _>>();
    assert_eq!(s.store.counts(KIND, None).await.unwrap(), counts(&[("x", 6), ("y", 3)]));
    assert_eq!(s.store.counts(KIND, Some("q")).await.unwrap(), counts(&[("x", 2), ("y", 2)]));
    assert_eq!(s.store.counts(WorkKind::Export, None).await.unwrap(), counts(&[]));
}

/// Every field comes back as it was given, for every kind.
pub async fn keeps_every_field(s: &Subject) {
    for kind in WorkKind::ALL {
        let now = s.clock.now();
        let work = Work {
            kind,
            id: "ä/ \u{1F600}'\"".into(),
            parent: Some("p".into()),
            state: "s".into(),
            rev: 0,
            due_at: Some(later(now, -7)),
            lease: Some(holdfast_index::Lease { owner: "o".into(), until: later(now, 9) }),
            updated_at: now,
            doc: json!({"deep": [null, true, 1.5, "\u{0}x", {"": i64::MAX}]}),
        };
        let stored = s.create(work.clone()).await;
        assert_eq!(stored, Work { rev: 1, ..work.clone() });
        assert_eq!(s.store.get(kind, &work.id).await.unwrap(), Some(stored.clone()));
        let bare = Work { parent: None, due_at: None, lease: None, ..stored };
        assert_eq!(s.store.update(bare.clone()).await.unwrap().rev(), Some(2));
        assert_eq!(s.store.get(kind, &work.id).await.unwrap(), Some(Work { rev: 2, ..bare }));
    }
}

/// A document may be long, longer than what a backend keeps in one place, and change; alone and in one step with others.
pub async fn keeps_long_documents(s: &Subject) {
    let long = |seed: u64| {
        let mut x = seed;
        let mut word = || {
            x = x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            format!("{x:016x}")
        };
        json!((0..60_000).map(|_| word()).collect::<Vec<_>>())
    };
    let first = s.create(Work { doc: long(1), ..new("a", "ready") }.of("p")).await;
    assert_eq!(s.get("a").await, first);
    let again = s.store.create(new("a", "ready")).await.unwrap();
    assert_eq!(again, CreateOutcome::Exists(first.clone()));
    let second = Work { doc: long(2), ..first.clone() };
    assert_eq!(s.store.update(second.clone()).await.unwrap().rev(), Some(2));
    let lost = s.store.update(Work { doc: long(3), ..first }).await.unwrap();
    assert!(matches!(&lost, UpdateOutcome::Conflict { current: Some(now), .. } if now.doc == second.doc));
    let third = Work { doc: long(4), rev: 2, ..second };
    let outcome = s.store.update_many(vec![new("b", "ready"), third.clone()]).await.unwrap();
    assert_eq!(outcome, UpdateOutcome::Updated(vec![1, 3]));
    assert_eq!(s.claim("me", 9).await.into_iter().filter(|w| w.doc == third.doc).count(), 1);
    let list = ListWork { kind: KIND, parent: Some("p"), states: &[], after: None, limit: 9 };
    assert_eq!(s.store.list(list).await.unwrap().into_iter().map(|w| w.doc).collect::<Vec<_>>(), [third.doc]);
}

/// The most that one step may change, and one more.
pub async fn takes_its_most_in_one_step(s: &Subject) {
    let most = s.store.max_updates();
    assert!(most >= MAX_UPDATES, "{most}");
    let all = |n: usize| (0..n).map(|i| new(&format!("w{i:05}"), "ready").of("p")).collect::<Vec<_>>();
    let e = s.store.update_many(all(most + 1)).await.unwrap_err();
    assert_eq!(e.code(), "index.too_many");
    assert_eq!(s.list(&[], None, None, 9).await, Vec::<String>::new());
    let outcome = s.store.update_many(all(most)).await.unwrap();
    assert_eq!(outcome, UpdateOutcome::Updated(vec![1; most]));
    let list = ListWork { kind: KIND, parent: Some("p"), states: &["ready"], after: None, limit: most + 1 };
    let mut second = s.store.list(list).await.unwrap();
    assert_eq!(second.len(), most);
    second.iter_mut().for_each(|w| "done".clone_into(&mut w.state));
    let odd = most - 30;
    second[odd].rev = 7;
    let outcome = s.store.update_many(second.clone()).await.unwrap();
    assert!(matches!(outcome, UpdateOutcome::Conflict { at, current: Some(_) } if at == odd));
    assert_eq!(s.list(&["done"], Some("p"), None, 9).await, Vec::<String>::new());
    second[odd].rev = 1;
    assert_eq!(s.store.update_many(second).await.unwrap(), UpdateOutcome::Updated(vec![2; most]));
    assert_eq!(s.store.update_many(Vec::new()).await.unwrap(), UpdateOutcome::Updated(Vec::new()));
}

/// What makes no sense is refused with a sentence.
pub async fn refuses_odd_requests(s: &Subject) {
    for id in [String::new(), "x".repeat(513)] {
        assert_eq!(s.store.create(new(&id, "s")).await.unwrap_err().code(), "index.invalid");
    }
    let all = Claim { kind: KIND, states: &[], parent: None, owner: "me", lease_ms: 1, limit: 1 };
    assert_eq!(s.store.claim(all).await.unwrap_err().code(), "index.invalid");
    let eternal = Claim { states: &["ready"], lease_ms: u64::MAX, ..all };
    assert_eq!(s.store.claim(eternal).await.unwrap_err().code(), "index.invalid");
}
