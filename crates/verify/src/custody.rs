use holdfast_ledger::{Action, CustodyEvent, EventOutcome, LedgerEntry, Phase};
use holdfast_model::{ArchiveId, MatterId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// One step of a recording's history in words for people, made from a ledger entry. The entry is the evidence; this is how
/// it reads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CustodyStep {
    /// The entry's number.
    pub sequence: u64,
    /// When, UTC.
    pub time: Timestamp,
    /// Which recording, if one.
    pub archive_id: Option<ArchiveId>,
    /// Which matter, if one.
    pub matter: Option<MatterId>,
    /// What was done, as a sentence: `Played: done`.
    pub what: String,
    /// The person.
    pub person: String,
    /// In which role.
    pub role: String,
    /// On which machine, as which user: `user@host`.
    pub place: String,
    /// Why, in the person's words.
    pub reason: Option<String>,
    /// Stable code of an error or finding.
    pub code: Option<String>,
    /// The SHA-256 that the entry states, if one.
    pub digest: Option<String>,
}

impl From<&LedgerEntry> for CustodyStep {
    fn from(entry: &LedgerEntry) -> Self {
        let e = &entry.event;
        let mut what = action_words(e).to_owned();
        what.push_str(match (e.phase, e.outcome) {
            (Phase::Intent, _) => ": announced",
            (_, Some(EventOutcome::Succeeded)) => ": done",
            (_, Some(EventOutcome::Failed)) => ": failed",
            (_, Some(EventOutcome::Refused)) => ": refused",
            (Phase::Outcome, None) => ": ended",
            (Phase::Fact, None) => "",
        });
        match (&e.from, &e.to) {
            (Some(from), Some(to)) => what.push_str(&format!(" (from {from} to {to})")),
            (None, Some(to)) => what.push_str(&format!(" (to {to})")),
            (Some(from), None) => what.push_str(&format!(" (from {from})")),
            (None, None) => {}
        }
        Self {
            sequence: e.sequence,
            time: e.time,
            archive_id: e.archive_id().cloned(),
            matter: e.matter.clone(),
            what,
            person: e.agent.person.clone(),
            role: e.agent.role.clone(),
            place: format!("{}@{}", e.agent.os_user, e.agent.host),
            reason: e.reason.clone(),
            code: e.code.clone(),
            digest: e.digest_after.map(|d| d.to_hex()),
        }
    }
}

fn action_words(e: &CustodyEvent) -> &'static str {
    match e.action {
        Action::LedgerCreated => "Ledger created",
        Action::LedgerUpgrade => "Ledger format upgraded",
        Action::Accession => "Taken into the archive",
        Action::Quarantine => "Set aside in quarantine",
        Action::QuarantineResolution => "Quarantine decided",
        Action::Explanation => "Missing recording explained",
        Action::MatterCreation => "Matter opened",
        Action::MatterItems => "Recordings of the matter changed",
        Action::MatterClosure => "Matter closed",
        Action::LegalHold => "Legal hold placed",
        Action::LegalHoldRelease => "Legal hold lifted",
        Action::RetentionExtension => "Retention extended",
        Action::Plan => "Retrieval planned",
        Action::Approval => "Retrieval approved",
        Action::Rehydration => "Brought online from cold storage",
        Action::Download => "Brought to the desk",
        Action::Verification => "Verified",
        Action::Playback => "Played",
        Action::Export if e.details.contains_key("package") => "Evidence package made",
        Action::Export => "Copied out of the desk",
        Action::IndexRebuild => "Search index rebuilt",
        Action::Display => "Shown on screen",
        Action::Link => "Link that lapses given out",
    }
}
