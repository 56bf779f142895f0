//! A ledger in a temporary folder.

use holdfast_ledger::{
    Action, Agent, EventDraft, FolderTiles, Ledger, LedgerError, LedgerHead, LedgerParts, LedgerReport, LocalMac,
    LocalSigner, Phase, SqliteHead, TileStore,
};
use holdfast_model::{ArchiveId, Cancel, Clock, MatterId, NoProgress};
use jiff::Timestamp;
use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};

pub(crate) const SIGNER_SEED: [u8; 32] = [7; 32];
pub(crate) const MAC_SEED: [u8; 32] = [9; 32];

/// A clock that goes on by one second each time it is asked, from 2026-01-02T03:04:05Z, and can be set.
#[derive(Debug)]
pub(crate) struct TestClock(pub(crate) AtomicI64);

impl Default for TestClock {
    fn default() -> Self {
        Self(AtomicI64::new(1_767_323_045_000))
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millisecond(self.0.fetch_add(1000, Ordering::SeqCst)).unwrap()
    }
    fn source(&self) -> &'static str {
        "test"
    }
}

pub(crate) fn agent() -> Agent {
    Agent {
        host: "desk-7".into(),
        os_user: "jdoe".into(),
        person: "Jo Doe".into(),
        role: "legal".into(),
        ..Agent::default()
    }
}

pub(crate) fn recording(n: u64) -> ArchiveId {
    format!("hf-{n:026}").parse().unwrap()
}

pub(crate) fn matter(n: u64) -> MatterId {
    format!("m-{n}").parse().unwrap()
}

/// The `n`-th of many drafts, with its token.
pub(crate) fn draft(n: u64) -> EventDraft {
    EventDraft::new(Action::Verification, Phase::Fact, agent())
        .about(&recording(n % 50))
        .matter(&matter(n % 7))
        .reason(format!("check {n}"))
        .once(format!("t:{n}"))
}

pub(crate) fn parts(folder: &Path, clock: Arc<dyn Clock>) -> Result<LedgerParts, LedgerError> {
    Ok(LedgerParts {
        head: Arc::new(SqliteHead::open(&folder.join("ledger.db"))?) as Arc<dyn LedgerHead>,
        tiles: Arc::new(FolderTiles::open(&folder.join("tiles"))?) as Arc<dyn TileStore>,
        signer: Arc::new(LocalSigner::from_seed(&SIGNER_SEED)),
        mac: Arc::new(LocalMac::from_seed(&MAC_SEED)),
        clock,
        agent: agent(),
    })
}

pub(crate) async fn open(folder: &Path) -> Ledger {
    Ledger::open(parts(folder, Arc::new(TestClock::default())).unwrap()).await.unwrap()
}

/// A ledger of `size` entries, the first of which is its creation.
pub(crate) async fn filled(folder: &Path, size: u64) -> Ledger {
    let ledger = open(folder).await;
    ledger.append((1..size).map(draft).collect()).await.unwrap();
    assert_eq!(ledger.size().await.unwrap(), size);
    ledger
}

pub(crate) async fn verify(ledger: &Ledger) -> LedgerReport {
    ledger.verify(&[], &NoProgress, &Cancel::default()).await.unwrap()
}

pub(crate) async fn assert_intact(ledger: &Ledger) {
    let report = verify(ledger).await;
    assert_eq!(report.faults, []);
    assert!(report.is_intact() && report.roots_compared > 0);
    assert_eq!(report.entries, ledger.size().await.unwrap());
}
