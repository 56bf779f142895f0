//! The log in use.

use crate::support::{TestClock, agent, assert_intact, draft, filled, matter, open, parts, recording, verify};
use async_trait::async_trait;
use bytes::Bytes;
use holdfast_ledger::{
    Action, EventDraft, EventError, EventOutcome, FolderTiles, Ledger, LedgerError, LedgerFault, LedgerParts,
    LocalSigner, Phase, SqliteHead, TileStore,
};
use holdfast_model::{Cancel, Fault, FaultKind, NoProgress};
use std::{
    collections::BTreeSet,
    os::unix::fs::PermissionsExt as _,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

#[tokio::test]
async fn a_new_ledger_names_itself_and_opens_again() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path()).await;
    let first = ledger.entry(0).await.unwrap().event;
    assert_eq!((first.action, first.phase, first.sequence), (Action::LedgerCreated, Phase::Fact, 0));
    assert_eq!(first.previous.to_hex(), "0".repeat(64));
    assert_eq!(first.details["public_key"], hex::encode(ledger.public_key()));
    assert_eq!(first.details["ledger"], ledger.id());
    let checkpoint = ledger.checkpoint().await.unwrap();
    let again = open(dir.path()).await;
    assert_eq!(again.checkpoint().await.unwrap(), checkpoint);
    assert_intact(&again).await;
}

#[tokio::test]
async fn entries_come_back_in_order_across_tiles_and_tail() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = filled(dir.path(), 600).await;
    let all = ledger.entries(0, 10_000).await.unwrap();
    assert_eq!(all.len(), 600);
    for (n, pair) in (0..).zip(all.windows(2)) {
        assert_eq!(pair[0].event.sequence, n);
        assert_eq!(pair[1].event.previous, pair[0].leaf_hash());
        assert!(pair[0].event.time <= pair[1].event.time);
    }
    assert_eq!(ledger.entries(250, 10).await.unwrap(), all[250..260]);
    assert_eq!(ledger.entries(600, 10).await.unwrap(), []);
    assert!(matches!(ledger.entry(600).await, Err(LedgerError::NoSuchEntry { sequence: 600, size: 600 })));
    let of: Vec<u64> = ledger.entries_of(&recording(3)).await.unwrap().iter().map(|e| e.event.sequence).collect();
    assert_eq!(of, (1..600).filter(|n| n % 50 == 3).collect::<Vec<_>>());
    let of = ledger.entries_of_matter(&matter(6)).await.unwrap();
    assert_eq!(of.len(), (1..600).filter(|n| n % 7 == 6).count());
    assert!(ledger.mac_holds(&all[77]).unwrap());
    let mut forged = all[77].clone();
    forged.event.reason = Some("another".into());
    assert!(!ledger.mac_holds(&forged).unwrap());
}

#[tokio::test]
async fn every_entry_is_proven_under_old_and_new_checkpoints() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = filled(dir.path(), 300).await;
    let old = ledger.checkpoint().await.unwrap();
    ledger.append((300..530).map(draft).collect()).await.unwrap();
    let new = ledger.checkpoint().await.unwrap();
    let key = ledger.verifier_key();
    for sequence in [0, 1, 2, 100, 254, 255, 256, 257, 299, 300, 511, 512, 529] {
        let proof = ledger.inclusion(sequence).await.unwrap();
        assert_eq!(proof.checkpoint, new);
        assert_eq!(proof.verify(key).unwrap(), ledger.entry(sequence).await.unwrap());
        let under_old = ledger.inclusion_under(sequence, &old).await;
        assert_eq!(under_old.is_ok_and(|p| p.verify(key).is_ok()), sequence < 300);
    }
    for (from, earlier) in [(300, &old), (530, &new)] {
        ledger.consistency(from, 530).await.unwrap().verify(key, earlier, &new).unwrap();
    }
    assert!(ledger.consistency(299, 530).await.unwrap().verify(key, &old, &new).is_err());
    assert!(matches!(ledger.consistency(1, 531).await, Err(LedgerError::NoSuchEntry { .. })));
    for (from, to) in [(0, 530), (1, 529), (255, 256), (256, 512), (257, 400)] {
        assert!(ledger.consistency(from, to).await.is_ok());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_appends_are_committed_together_and_keep_their_batches_whole() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path()).await;
    let tasks: Vec<_> = (0..200u64)
        .map(|task| {
            let ledger = ledger.clone();
            tokio::spawn(async move { ledger.append((0..3).map(|n| draft(1000 * task + n)).collect()).await.unwrap() })
        })
        .collect();
    let mut seen = BTreeSet::new();
    for (task, handle) in (0..).zip(tasks) {
        let entries = handle.await.unwrap();
        let sequences: Vec<u64> = entries.iter().map(|e| e.event.sequence).collect();
        assert_eq!(sequences, [sequences[0], sequences[0] + 1, sequences[0] + 2]);
        assert_eq!(entries[2].event.idempotency, Some(format!("t:{}", 1000 * task + 2)));
        seen.extend(sequences);
    }
    assert_eq!(seen, (1..=600).collect());
    assert_eq!(ledger.size().await.unwrap(), 601);
    assert_intact(&ledger).await;
}

#[tokio::test]
async fn a_dropped_append_stands_or_not_but_never_halves() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path()).await;
    for n in 0..20 {
        let append = ledger.append(vec![draft(2 * n), draft(2 * n + 1)]);
        let _ = tokio::time::timeout(std::time::Duration::from_micros(n * 100), append).await;
    }
    for n in 0..40 {
        ledger.append(vec![draft(n)]).await.unwrap();
    }
    assert_eq!(ledger.size().await.unwrap(), 41);
    assert_intact(&ledger).await;
}

#[tokio::test]
async fn an_append_with_a_known_token_returns_what_stands() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = filled(dir.path(), 300).await;
    let stands = ledger.entry(7).await.unwrap();
    let again = ledger.append(vec![draft(7), draft(300), draft(300), draft(299)]).await.unwrap();
    assert_eq!(again.iter().map(|e| e.event.sequence).collect::<Vec<_>>(), [7, 300, 300, 299]);
    assert_eq!(again[0], stands);
    assert_eq!(ledger.size().await.unwrap(), 301);
    // Only repeats: nothing to commit.
    ledger.append(vec![draft(8)]).await.unwrap();
    assert_eq!(ledger.size().await.unwrap(), 301);
    assert_eq!(ledger.entry_with_token("t:7").await.unwrap(), Some(stands));
    assert_eq!(ledger.entry_with_token("t:9999").await.unwrap(), None);
    // The same token for something else is refused, with all of its batch and nothing of others'.
    let other = EventDraft { action: Action::Export, ..draft(7) };
    let (refused, fine) = tokio::join!(ledger.append(vec![draft(500), other]), ledger.append(vec![draft(501)]));
    let refused = refused.unwrap_err();
    assert_eq!((refused.code(), refused.kind()), ("ledger.token_reused", FaultKind::Conflict));
    assert_eq!(fine.unwrap()[0].event.sequence, 301);
    assert_eq!(ledger.entry_with_token("t:500").await.unwrap(), None);
    assert_eq!(ledger.append(vec![draft(500)]).await.unwrap()[0].event.sequence, 302);
    assert_intact(&ledger).await;
}

#[tokio::test]
async fn an_event_out_of_bounds_is_refused_and_nothing_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path()).await;
    let large = (0..10).fold(draft(1), |d, n| d.detail(format!("k{n}"), "v".repeat(2000)));
    let refused = ledger.append(vec![draft(2), large]).await.unwrap_err();
    assert!(matches!(&refused, LedgerError::Event(e) if matches!(**e, EventError::TooLarge { .. })));
    assert_eq!(refused.kind(), FaultKind::Invalid);
    assert_eq!(ledger.size().await.unwrap(), 1);
    assert_eq!(ledger.append(vec![]).await.unwrap(), []);
}

#[tokio::test]
async fn an_intent_has_one_outcome_and_is_found_until_it_has() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path()).await;
    let draft = EventDraft::new(Action::Download, Phase::Fact, agent()).about(&recording(1)).matter(&matter(1));
    let intent = ledger.intend(draft.clone().once("download:1")).await.unwrap();
    let other = ledger.intend(draft).await.unwrap();
    assert_eq!(intent.entry().event.phase, Phase::Intent);
    let open_intents =
        |l: Ledger| async move { l.open_intents().await.unwrap().iter().map(|e| e.event.sequence).collect::<Vec<_>>() };
    assert_eq!(open_intents(ledger.clone()).await, [intent.sequence(), other.sequence()]);
    let outcome = intent.conclude(&ledger, EventOutcome::Succeeded, |d| d.detail("attempts", "1")).await.unwrap();
    assert_eq!((outcome.event.intent, outcome.event.phase), (Some(intent.sequence()), Phase::Outcome));
    assert_eq!((outcome.event.archive_id(), &outcome.event.matter), (Some(&recording(1)), &Some(matter(1))));
    // Again, as after a crash: the same outcome; and no other one.
    let taken_up = ledger.intent(intent.sequence()).await.unwrap();
    assert_eq!(taken_up.conclude(&ledger, EventOutcome::Succeeded, |d| d).await.unwrap(), outcome);
    let refused = taken_up.conclude(&ledger, EventOutcome::Failed, |d| d).await.unwrap_err();
    assert_eq!(refused.code(), "ledger.token_reused");
    assert_eq!(open_intents(ledger.clone()).await, [other.sequence()]);
    assert!(matches!(ledger.intent(outcome.event.sequence).await, Err(LedgerError::NotAnIntent { .. })));
    // Two processes may end one action differently; who gives the second ending a token of its own has both.
    let second = EventDraft { idempotency: Some("late".into()), ..taken_up.draft(EventOutcome::Failed) };
    assert_eq!(ledger.append(vec![second]).await.unwrap()[0].event.intent, Some(intent.sequence()));
    // An outcome needs an intent; its token comes by itself.
    let loose = EventDraft { intent: Some(0), ..EventDraft::new(Action::Download, Phase::Outcome, agent()) };
    assert_eq!(ledger.append(vec![loose.clone()]).await.unwrap_err().code(), "ledger.not_an_intent");
    let beyond = EventDraft { intent: Some(999), ..loose };
    assert_eq!(ledger.append(vec![beyond]).await.unwrap_err().code(), "ledger.not_an_intent");
    let next = ledger.size().await.unwrap();
    let both = [
        EventDraft::new(Action::Plan, Phase::Intent, agent()),
        EventDraft { intent: Some(next), ..EventDraft::new(Action::Plan, Phase::Outcome, agent()) },
    ];
    let both = ledger.append(both.into()).await.unwrap();
    assert_eq!(both[1].event.idempotency, Some(format!("outcome:{next}")));
    other.conclude(&ledger, EventOutcome::Refused, |d| d).await.unwrap();
    assert_intact(&ledger).await;
    ledger.rebuild_lookup(&NoProgress, &Cancel::default()).await.unwrap();
    assert_eq!(open_intents(ledger.clone()).await, [0u64; 0]);
}

#[tokio::test]
async fn time_never_goes_backwards_and_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(TestClock::default());
    let ledger = Ledger::open(parts(dir.path(), clock.clone()).unwrap()).await.unwrap();
    let before = ledger.append(vec![draft(1)]).await.unwrap().remove(0).event;
    assert_eq!(before.time_source, "test");
    clock.0.fetch_sub(3_600_000, Ordering::SeqCst);
    let behind = ledger.append(vec![draft(2), draft(3)]).await.unwrap();
    for entry in &behind {
        assert_eq!(entry.event.time, before.time);
        assert_eq!(entry.event.time_source, "test;clock_went_back");
        // One reading of the clock after the last: an hour less a second.
        assert_eq!(entry.event.details["clock_behind_ms"], "3599000");
    }
    clock.0.fetch_add(7_200_000, Ordering::SeqCst);
    let after = ledger.append(vec![draft(4)]).await.unwrap().remove(0).event;
    assert!(after.time > before.time);
    assert_eq!((after.time_source.as_str(), after.details.len()), ("test", 0));
    assert_intact(&ledger).await;
}

#[tokio::test]
async fn the_published_folder_is_complete_read_only_and_free_of_leftovers() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = filled(dir.path(), 200).await;
    ledger.publish().await.unwrap();
    let list = || {
        let mut names = Vec::new();
        let mut folders = vec![dir.path().join("tiles")];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    let name = path.strip_prefix(dir.path().join("tiles")).unwrap().to_str().unwrap().to_owned();
                    let writable = std::fs::metadata(&path).unwrap().permissions().mode() & 0o222 != 0;
                    assert_eq!(writable, name == "checkpoint", "{name}");
                    names.push(name);
                }
            }
        }
        names.sort();
        names
    };
    let partial =
        ["checkpoint", "tile/0/000.p/1", "tile/0/000.p/200", "tile/entries/000.p/1", "tile/entries/000.p/200"];
    assert_eq!(list(), partial);
    ledger.append((200..515).map(draft).collect()).await.unwrap();
    let full = [
        "checkpoint",
        "tile/0/000",
        "tile/0/001",
        "tile/0/002.p/3",
        "tile/1/000.p/2",
        "tile/entries/000",
        "tile/entries/001",
        "tile/entries/002.p/3",
    ];
    assert_eq!(list(), full);
    let published = std::fs::read_to_string(dir.path().join("tiles/checkpoint")).unwrap();
    assert_eq!(published, ledger.checkpoint().await.unwrap().text());
    assert_intact(&ledger).await;
}

#[tokio::test]
async fn the_lookup_is_rebuilt_while_appends_go_on() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = filled(dir.path(), 700).await;
    let before = ledger.entries_of(&recording(9)).await.unwrap();
    let db = rusqlite::Connection::open(dir.path().join("ledger.db")).unwrap();
    db.execute("DELETE FROM lookup WHERE key LIKE '%9'", []).unwrap();
    drop(db);
    assert_eq!(ledger.entries_of(&recording(9)).await.unwrap(), []);
    assert_eq!(verify(&ledger).await.faults, [LedgerFault::LookupDiffers]);
    let (cancel, writer) = (Cancel::default(), ledger.clone());
    let append = tokio::spawn(async move {
        for n in 700..720 {
            writer.append(vec![draft(n)]).await.unwrap();
        }
    });
    let rebuilt = ledger.rebuild_lookup(&NoProgress, &cancel).await.unwrap();
    append.await.unwrap();
    assert!((700..=720).contains(&rebuilt));
    let after = ledger.entries_of(&recording(9)).await.unwrap();
    assert_eq!(after[..before.len()], before);
    assert_eq!(ledger.append(vec![draft(719)]).await.unwrap()[0].event.sequence, 719);
    assert_eq!(ledger.size().await.unwrap(), 720);
    assert_intact(&ledger).await;
    cancel.cancel();
    assert!(matches!(ledger.rebuild_lookup(&NoProgress, &cancel).await, Err(LedgerError::Cancelled)));
    assert!(matches!(ledger.verify(&[], &NoProgress, &cancel).await, Err(LedgerError::Cancelled)));
}

/// Tiles of which the first question is asked while another process begins the ledger.
struct BegunMeanwhile {
    tiles: FolderTiles,
    folder: PathBuf,
    first: AtomicBool,
}

#[async_trait]
impl TileStore for BegunMeanwhile {
    async fn get(&self, path: &str) -> Result<Option<Bytes>, LedgerError> {
        if self.first.swap(false, Ordering::SeqCst) {
            open(&self.folder).await;
        }
        self.tiles.get(path).await
    }
    async fn put_new(&self, path: &str, bytes: Bytes) -> Result<(), LedgerError> {
        self.tiles.put_new(path, bytes).await
    }
    async fn forget_partials(&self, path: &str) -> Result<(), LedgerError> {
        self.tiles.forget_partials(path).await
    }
    async fn publish(&self, checkpoint: &str) -> Result<(), LedgerError> {
        self.tiles.publish(checkpoint).await
    }
}

#[tokio::test]
async fn a_ledger_that_another_process_begins_at_the_same_moment_is_not_taken_for_one_without_a_head() {
    let dir = tempfile::tempdir().unwrap();
    let mut parts = parts(dir.path(), Arc::new(TestClock::default())).unwrap();
    parts.tiles = Arc::new(BegunMeanwhile {
        tiles: FolderTiles::open(&dir.path().join("tiles")).unwrap(),
        folder: dir.path().to_owned(),
        first: AtomicBool::new(true),
    });
    let ledger = Ledger::open(parts).await.unwrap();
    assert_eq!(ledger.size().await.unwrap(), 1, "one entry begins it, whoever was first");
    assert_intact(&ledger).await;
}

/// The sequences that the entries of a matter and a recording name as the ones before.
async fn histories(ledger: &Ledger) -> Vec<(u64, Option<u64>, Option<u64>)> {
    let entries = ledger.entries(0, usize::MAX).await.unwrap();
    entries.iter().map(|e| (e.event.sequence, e.event.previous_of_matter, e.event.previous_of_recording)).collect()
}

#[tokio::test]
async fn every_entry_names_the_one_before_of_its_matter_and_recording() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path()).await;
    let about = |n: u64| EventDraft::new(Action::Verification, Phase::Fact, agent()).about(&recording(n));
    // Two in one batch, one of which is refused whole and leaves no trace.
    ledger.append(vec![about(1).matter(&matter(1)), about(1)]).await.unwrap();
    let mut outcome = about(1).matter(&matter(1));
    (outcome.phase, outcome.intent) = (Phase::Outcome, Some(0));
    assert!(ledger.append(vec![about(1).matter(&matter(1)), outcome]).await.is_err());
    let (one, two) = tokio::join!(ledger.append(vec![about(2)]), ledger.append(vec![about(1).matter(&matter(2))]));
    one.unwrap();
    two.unwrap();
    drop(ledger);
    let ledger = open(dir.path()).await;
    ledger.append(vec![about(1).matter(&matter(1))]).await.unwrap();
    let found = histories(&ledger).await;
    assert_eq!(found[..3], [(0, None, None), (1, None, None), (2, None, Some(1))]);
    let of_one: Vec<u64> = ledger.entries_of(&recording(1)).await.unwrap().iter().map(|e| e.event.sequence).collect();
    let named: Vec<u64> = of_one[1..].iter().map(|n| found[*n as usize].2.unwrap()).collect();
    assert_eq!(named, of_one[..of_one.len() - 1]);
    assert_eq!(found[5], (5, Some(1), Some(of_one[of_one.len() - 2])));
    assert_intact(&ledger).await;
}

#[tokio::test]
async fn a_lookup_row_that_was_hidden_while_entries_were_appended_leaves_a_broken_history() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = filled(dir.path(), 60).await;
    let db = rusqlite::Connection::open(dir.path().join("ledger.db")).unwrap();
    let row: (i64, String, i64) = db
        .query_row("SELECT kind, key, max(sequence) FROM lookup WHERE kind = 2 AND key = 'm-1'", [], |r| {
            Ok((r.get(0)?, r.get(1)?, r.get(2)?))
        })
        .unwrap();
    db.execute(
        "DELETE FROM lookup WHERE kind = ?1 AND key = ?2 AND sequence = ?3",
        rusqlite::params![row.0, row.1, row.2],
    )
    .unwrap();
    let draft = EventDraft::new(Action::Plan, Phase::Fact, agent()).matter(&matter(1));
    ledger.append(vec![draft]).await.unwrap();
    // Put back, as whoever hid it would.
    db.execute("INSERT INTO lookup VALUES (?1, ?2, ?3)", rusqlite::params![row.0, row.1, row.2]).unwrap();
    assert_eq!(verify(&ledger).await.faults, [LedgerFault::HistoryBroken { sequence: 60 }]);
}

#[tokio::test]
async fn a_ledger_of_the_first_format_goes_on_in_it_until_it_is_upgraded() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = filled(dir.path(), 20).await;
    drop(ledger);
    // As a version before wrote it: the head without a later format. Its entries stay as they are.
    let db = rusqlite::Connection::open(dir.path().join("ledger.db")).unwrap();
    db.pragma_update(None, "user_version", 1).unwrap();
    let ledger = open(dir.path()).await;
    let fact = || EventDraft::new(Action::Export, Phase::Fact, agent()).about(&recording(1)).matter(&matter(1));
    let entry = ledger.append(vec![fact()]).await.unwrap().remove(0).event;
    assert_eq!(
        (entry.format.as_str(), entry.previous_of_matter, entry.previous_of_recording),
        ("holdfast-event/1", None, None)
    );

    let upgrade = ledger.upgrade(agent()).await.unwrap().unwrap().event;
    assert_eq!((upgrade.format.as_str(), upgrade.from.as_deref()), ("holdfast-event/2", Some("holdfast-event/1")));
    assert_eq!(ledger.upgrade(agent()).await.unwrap(), None, "once");
    drop(ledger);
    let ledger = open(dir.path()).await;
    let entry = ledger.append(vec![fact()]).await.unwrap().remove(0).event;
    assert_eq!((entry.sequence, entry.previous_of_matter, entry.previous_of_recording), (22, Some(20), Some(20)));
    assert_intact(&ledger).await;
}

#[tokio::test]
async fn another_ledgers_key_does_not_open_it() {
    let dir = tempfile::tempdir().unwrap();
    drop(filled(dir.path(), 3).await);
    let mut other = parts(dir.path(), Arc::new(TestClock::default())).unwrap();
    other.signer = Arc::new(LocalSigner::from_seed(&[1; 32]));
    let refused = Ledger::open(other).await.err().unwrap();
    assert_eq!(refused.code(), "ledger.checkpoint_of_other_ledger");
}

#[tokio::test]
async fn a_place_that_cannot_be_written_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let missing = SqliteHead::open(&dir.path().join("no/such/ledger.db")).err().unwrap();
    assert_eq!((missing.code(), missing.kind()), ("ledger.database", FaultKind::Denied));
    std::fs::write(dir.path().join("ledger.db"), b"this is no database, whatever it is called....................")
        .unwrap();
    let strange = SqliteHead::open(&dir.path().join("ledger.db")).err().unwrap();
    assert_eq!((strange.code(), strange.kind()), ("ledger.database", FaultKind::Corrupt));
}

#[tokio::test]
async fn tiles_that_cannot_be_written_hold_nothing_up() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = filled(dir.path(), 250).await;
    // A file where a folder must be: works for root too, whom no permission stops.
    let blocked = dir.path().join("tiles/tile/1");
    std::fs::write(&blocked, b"").unwrap();
    for n in 250..600 {
        ledger.append(vec![draft(n)]).await.unwrap();
    }
    assert_eq!(ledger.size().await.unwrap(), 600);
    assert_intact(&ledger).await;
    ledger.inclusion(599).await.unwrap().verify(ledger.verifier_key()).unwrap();
    let failed = ledger.publish().await.unwrap_err();
    assert_eq!(failed.code(), "ledger.io");
    std::fs::remove_file(&blocked).unwrap();
    ledger.append(vec![draft(600)]).await.unwrap();
    assert!(dir.path().join("tiles/tile/entries/001").exists());
    assert_intact(&ledger).await;
}

#[tokio::test]
async fn every_remembered_checkpoint_is_compared() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = filled(dir.path(), 10).await;
    let mut all = Vec::new();
    for n in 10..14 {
        ledger.append(vec![draft(n)]).await.unwrap();
        all.insert(0, ledger.checkpoint().await.unwrap());
    }
    let report = ledger.verify(&all, &NoProgress, &Cancel::default()).await.unwrap();
    assert!(report.is_intact());
    assert_eq!(report.roots_compared, 5); // the published one, of the ledger's creation, and four
    assert!(verify(&ledger).await.is_intact());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_head_and_the_store_do_what_every_one_must() {
    use holdfast_ledger::conformance::{ledger, ledger_head, tile_store};
    for case in ["head", "store", "ledger"] {
        let dir = tempfile::tempdir().unwrap();
        let LedgerParts { head, tiles, .. } = parts(dir.path(), Arc::new(TestClock::default())).unwrap();
        match case {
            "head" => ledger_head(head).await.unwrap(),
            "store" => tile_store(tiles).await.unwrap(),
            _ => ledger(head, tiles).await.unwrap(),
        }
    }
}
