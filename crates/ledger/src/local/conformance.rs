//! What every [`LedgerHead`] and every [`TileStore`] must do, as suites to be run against each implementation, the real server
//! included. They panic with what does not hold.

use super::{HeadState, Ledger, LedgerError, LedgerHead, LedgerParts, LookupKey, Staged, TileStore};
use crate::{
    Action, Agent, Checkpoint, EventDraft, EventFormat, EventOutcome, LedgerEntry, LocalMac, LocalSigner, Phase,
    Signer as _,
    event::{CustodyEvent, History, Position},
    merkle::Frontier,
};
use bytes::Bytes;
use holdfast_model::{ArchiveId, Cancel, Clock, NoProgress, Sha256Digest};
use jiff::Timestamp;
use std::sync::Arc;

fn agent() -> Agent {
    let text = |t: &str| t.to_owned();
    Agent { host: text("host"), os_user: text("user"), person: text("person"), role: text("role"), ..Agent::default() }
}

fn recording(n: u64) -> Result<ArchiveId, LedgerError> {
    format!("hf-{n:026}").parse().map_err(|_| LedgerError::Internal("an id that is none"))
}

/// The state after `size` entries, and the entries from `from` on.
fn state(from: u64, size: u64) -> Result<(HeadState, Vec<Staged>), LedgerError> {
    let (mut frontier, mut last_leaf, mut staged) = (Frontier::default(), Sha256Digest([0; 32]), Vec::new());
    for sequence in 0..size {
        let (phase, intent) =
            if sequence % 2 == 0 { (Phase::Intent, None) } else { (Phase::Outcome, Some(sequence - 1)) };
        let draft = EventDraft::new(Action::Download, phase, agent()).about(&recording(sequence / 4)?);
        let draft = EventDraft { intent, ..draft.once(format!("token:{sequence}")) };
        let at = Position {
            sequence,
            time: Timestamp::UNIX_EPOCH,
            time_source: "test".into(),
            previous: last_leaf,
            clock_behind_ms: None,
            format: EventFormat::NEWEST,
            history: History::default(),
        };
        let entry = LedgerEntry::seal(CustodyEvent::new(draft, at), &LocalMac::from_seed(&[2; 32]))?;
        last_leaf = entry.leaf_hash();
        frontier.push(last_leaf.0);
        if sequence >= from {
            staged.push(Staged::of(&entry.event, Bytes::from(entry.bytes())));
        }
    }
    let checkpoint = Checkpoint::sign(&LocalSigner::from_seed(&[1; 32]), size, &frontier.root())?;
    let last_time = Timestamp::UNIX_EPOCH;
    Ok((
        HeadState { revision: 0, checkpoint, frontier, last_leaf, last_time, format: EventFormat::NEWEST, tiled: 0 },
        staged,
    ))
}

/// Runs everything against an empty head.
///
/// # Errors
/// What the head says where it must not fail.
///
/// # Panics
/// With what does not hold.
pub async fn ledger_head(head: Arc<dyn LedgerHead>) -> Result<(), LedgerError> {
    assert!(head.load().await?.is_none() && head.snapshot().await?.is_none(), "a new head is empty");
    let (first, staged) = state(0, 3)?;
    let first = HeadState { revision: 1, ..first };
    assert!(
        !head.compare_and_swap(7, first.clone(), staged.clone()).await?,
        "a revision that is not there does not match"
    );
    assert!(head.compare_and_swap(0, first.clone(), staged.clone()).await?, "the first swap");
    assert!(!head.compare_and_swap(0, first.clone(), staged.clone()).await?, "the same again is refused");
    assert_eq!(head.load().await?, Some(first.clone()), "what was set is loaded");
    let bytes: Vec<Bytes> = staged.iter().map(|s| s.bytes.clone()).collect();
    assert_eq!(head.snapshot().await?, Some((first, bytes)), "entries are kept");

    // Of many who swap the same revision one wins, and only the winner's entries stand.
    let (second, staged) = state(3, 6)?;
    let second = HeadState { revision: 2, ..second };
    let swap = || {
        let (head, second, staged) = (head.clone(), second.clone(), staged.clone());
        tokio::spawn(async move { head.compare_and_swap(1, second, staged).await })
    };
    let swaps: Vec<_> = (0..8).map(|_| swap()).collect();
    let mut won = 0;
    for swap in swaps {
        won += u32::from(swap.await.map_err(|_| LedgerError::Internal("a swap panicked"))??);
    }
    assert_eq!(won, 1, "one of eight swaps wins");
    assert_eq!(head.snapshot().await?.map(|(s, tail)| (s, tail.len())), Some((second.clone(), 6)));

    lookup(head.as_ref()).await?;

    // A head that was told of full tiles keeps what comes after them; telling it less changes nothing.
    let (third, staged) = state(6, 300)?;
    let (third, all) = (HeadState { revision: 3, ..third }, staged.len());
    assert!(head.compare_and_swap(2, third.clone(), staged).await?);
    head.tiled(256).await?;
    head.tiled(0).await?;
    let (found, tail) = head.snapshot().await?.ok_or(LedgerError::HeadLost)?;
    assert_eq!((found.tiled, tail.len(), all), (256, 44, 294), "entries in tiles are dropped");
    assert_eq!(HeadState { tiled: 0, ..found }, third, "all else stays");
    Ok(())
}

/// With six entries: 0, 2, 4 are intents, 1, 3, 5 their outcomes; four of a recording.
async fn lookup(head: &dyn LedgerHead) -> Result<(), LedgerError> {
    let recording = LookupKey::Recording(recording(0)?);
    assert_eq!(head.find(&recording, None, 10).await?, [0, 1, 2, 3], "a recording's entries");
    assert_eq!(head.find(&recording, Some(0), 2).await?, [1, 2], "a page of them");
    assert_eq!(head.find(&LookupKey::OpenIntent, None, 10).await?, [0u64; 0], "every intent has its outcome");
    let questions = vec![
        (LookupKey::Token("token:4".into()), None),
        (LookupKey::Token("x".into()), None),
        (recording.clone(), Some(2)),
    ];
    assert_eq!(head.first_of(questions).await?, [Some(4), None, Some(3)]);
    let keys = vec![recording.clone(), LookupKey::Token("token:4".into()), LookupKey::Token("x".into())];
    assert_eq!(head.last_of(keys).await?, [Some(3), Some(4), None], "the last under each key");
    assert_eq!(head.lookup_digest(5).await?, None, "no digest of another size");
    let before = head.lookup_digest(6).await?;
    assert!(before.is_some(), "a digest of this size");
    let entries = |from, to: u64| state(from, to).map(|(_, staged)| staged);
    assert!(!head.rebuild_lookup(0, 4, entries(0, 4)?).await?, "not there yet");
    let out_of_turn = head.rebuild_lookup(5, 6, entries(5, 6)?).await;
    assert!(matches!(out_of_turn, Err(LedgerError::RebuildRunning)), "a gap is refused");
    assert!(head.rebuild_lookup(4, 6, entries(4, 6)?).await?, "rebuilt");
    assert_eq!(head.lookup_digest(6).await?, before, "as it was");
    Ok(())
}

/// Runs everything against an empty store.
///
/// # Errors
/// What the store says where it must not fail.
///
/// # Panics
/// With what does not hold.
pub async fn tile_store(tiles: Arc<dyn TileStore>) -> Result<(), LedgerError> {
    let path = "tile/entries/x001/000.p/7";
    assert_eq!(tiles.get(path).await?, None, "a new store is empty");
    assert_eq!(tiles.published().await?, None);
    let writes: Vec<_> = (0..8)
        .map(|_| {
            let tiles = tiles.clone();
            tokio::spawn(async move { tiles.put_new(path, Bytes::from_static(b"seven")).await })
        })
        .collect();
    for write in writes {
        write.await.map_err(|_| LedgerError::Internal("a write panicked"))??;
    }
    assert_eq!(tiles.get(path).await?.as_deref(), Some(b"seven".as_slice()), "what was written is read");
    let other = tiles.put_new(path, Bytes::from_static(b"eight")).await;
    assert!(matches!(other, Err(LedgerError::TileDiffers { .. })), "other bytes are refused");
    assert_eq!(tiles.get(path).await?.as_deref(), Some(b"seven".as_slice()), "and change nothing");
    // The full one beside its partial forerunners, which may go then.
    let full = "tile/entries/x001/000";
    tiles.put_new(full, Bytes::from_static(b"full")).await?;
    tiles.forget_partials(full).await?;
    tiles.forget_partials("tile/0/999").await?;
    assert_eq!(tiles.get(full).await?.as_deref(), Some(b"full".as_slice()));
    for size in [1, 2, 300] {
        let checkpoint = state(0, size)?.0.checkpoint;
        tiles.publish(checkpoint.text()).await?;
        tiles.publish(checkpoint.text()).await?;
        assert_eq!(tiles.published().await?.as_deref(), Some(checkpoint.text()), "the newest is published");
    }
    Ok(())
}

#[derive(Debug)]
struct StoppedClock;

impl Clock for StoppedClock {
    fn now(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH
    }
    fn source(&self) -> &'static str {
        "test"
    }
}

/// Runs a whole ledger on an empty head and an empty store: appends over the edge of tiles, concluded intents, proofs,
/// verification.
///
/// # Errors
/// What the ledger says where it must not fail.
///
/// # Panics
/// With what does not hold.
pub async fn ledger(head: Arc<dyn LedgerHead>, tiles: Arc<dyn TileStore>) -> Result<(), LedgerError> {
    let signer = LocalSigner::from_seed(&[1; 32]);
    let name = signer.name().to_owned();
    let ledger = Ledger::open(LedgerParts {
        head,
        tiles,
        signer: Arc::new(signer),
        mac: Arc::new(LocalMac::from_seed(&[2; 32])),
        clock: Arc::new(StoppedClock),
        agent: agent(),
    })
    .await?;
    let draft = |n: u64| EventDraft::new(Action::Export, Phase::Fact, agent()).once(format!("n:{n}"));
    ledger.append((0..600).map(draft).collect()).await?;
    let intent = ledger.intend(EventDraft::new(Action::Export, Phase::Intent, agent())).await?;
    intent.conclude(&ledger, EventOutcome::Succeeded, |d| d).await?;
    let earlier = ledger.checkpoint().await?;
    ledger.append((590..700).map(draft).collect()).await?;
    let later = ledger.publish().await?;
    assert_eq!((ledger.id(), earlier.size(), later.size()), (name.as_str(), 603, 703), "ten were there already");
    let report = ledger.verify(std::slice::from_ref(&earlier), &NoProgress, &Cancel::default()).await?;
    assert!(report.is_intact(), "{:?}", report.faults);
    for sequence in [0, 255, 256, 511, 512, 702] {
        ledger.inclusion(sequence).await?;
    }
    let proof = ledger.consistency(earlier.size(), later.size()).await?;
    assert!(proof.verify(ledger.verifier_key(), &earlier, &later).is_ok(), "the log only grows");
    Ok(())
}
