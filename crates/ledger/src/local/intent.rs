use super::{Ledger, LedgerError};
use crate::{EventDraft, EventOutcome, LedgerEntry, Phase, event::outcome_token};

/// An action that was announced in the ledger and must be concluded there, whatever comes of it. One that a dead process left
/// is found again by [`Ledger::open_intents`] and [`Ledger::intent`].
#[derive(Debug, Clone)]
#[must_use = "an intent stands in the ledger until it is concluded"]
pub struct Intent {
    entry: LedgerEntry,
}

impl Intent {
    /// Takes up an intent that was appended together with others.
    ///
    /// # Errors
    /// [`LedgerError::NotAnIntent`].
    pub fn of(entry: LedgerEntry) -> Result<Self, LedgerError> {
        if entry.event.phase == Phase::Intent {
            Ok(Self { entry })
        } else {
            Err(LedgerError::NotAnIntent { sequence: entry.event.sequence })
        }
    }

    /// Number of the intent's entry.
    #[must_use]
    pub fn sequence(&self) -> u64 {
        self.entry.event.sequence
    }

    /// The intent's entry.
    #[must_use]
    pub fn entry(&self) -> &LedgerEntry {
        &self.entry
    }

    /// Appends what came of it. Who, what, which matter and the rest are the intent's; `fill` adds to them. Safe to repeat:
    /// an intent has one outcome, and the one that stands is returned.
    ///
    /// # Errors
    /// [`LedgerError::TokenReused`] when another outcome stands already, and what [`Ledger::append`] says.
    pub async fn conclude(
        &self,
        ledger: &Ledger,
        outcome: EventOutcome,
        fill: impl FnOnce(EventDraft) -> EventDraft,
    ) -> Result<LedgerEntry, LedgerError> {
        let draft = fill(self.draft(outcome));
        let entry = ledger.append(vec![draft]).await?.pop();
        entry.ok_or(LedgerError::Internal("appended one entry, got none"))
    }

    /// The outcome's draft, for who appends several at once.
    #[must_use]
    pub fn draft(&self, outcome: EventOutcome) -> EventDraft {
        let intent = &self.entry.event;
        EventDraft {
            subject: intent.subject.clone(),
            matter: intent.matter.clone(),
            from: intent.from.clone(),
            to: intent.to.clone(),
            digest_before: intent.digest_before,
            intent: Some(intent.sequence),
            outcome: Some(outcome),
            idempotency: Some(outcome_token(intent.sequence)),
            ..EventDraft::new(intent.action, Phase::Outcome, intent.agent.clone())
        }
    }
}

impl Ledger {
    /// Announces an action before anything is touched. Give the draft a token ([`EventDraft::once`]) when the action may be
    /// taken up again after a crash.
    ///
    /// # Errors
    /// As [`Ledger::append`]; without its intent in the ledger an action must not begin.
    pub async fn intend(&self, mut draft: EventDraft) -> Result<Intent, LedgerError> {
        draft.phase = Phase::Intent;
        let entry = self.append(vec![draft]).await?.pop();
        Ok(Intent { entry: entry.ok_or(LedgerError::Internal("appended one entry, got none"))? })
    }

    /// Takes up an intent that stands in the ledger.
    ///
    /// # Errors
    /// [`LedgerError::NotAnIntent`], and as [`Ledger::entry`].
    pub async fn intent(&self, sequence: u64) -> Result<Intent, LedgerError> {
        Intent::of(self.entry(sequence).await?)
    }
}
