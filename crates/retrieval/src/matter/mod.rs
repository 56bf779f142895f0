//! Matters: what recordings are brought back for. A change of a matter is first noted in its own row, then stands in the ledger
//! as an intent, takes effect, stands there as an outcome, and only then shows. Whoever finds a change that was begun and not
//! ended ends it: ledger entries carry tokens, effects can be repeated, and the row is swapped by revision. So nothing needs a lock.

mod holds;
mod open;
mod settle;

use holdfast_ledger::Agent;
use holdfast_model::{ArchiveId, MatterId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Opens a matter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewMatter {
    /// Name, e.g. `Doe v. Acme`.
    pub name: String,
    /// Court or internal reference.
    pub reference: String,
    /// Why recordings are brought back; stands in the ledger.
    pub justification: String,
    /// When they are due.
    pub deadline: Timestamp,
    /// Custodian or requester; the person at the desk where none.
    pub requester: Option<String>,
    /// The same again makes a repeated call harmless.
    pub idempotency: Option<String>,
}

/// A matter as it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Matter {
    /// Id.
    pub matter_id: MatterId,
    /// Name.
    pub name: String,
    /// Court or internal reference.
    pub reference: String,
    /// Why.
    pub justification: String,
    /// When it is due.
    pub deadline: Timestamp,
    /// For whom.
    pub requester: String,
    /// When it was opened.
    pub created_at: Timestamp,
    /// Its recordings in exhibit order.
    pub items: Vec<MatterItem>,
    /// Since when and why it holds its recordings, where it does.
    pub hold: Option<MatterHold>,
    /// When and why it was closed, where it was.
    pub closed: Option<Closure>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    idempotency: Option<String>,
    /// The change that was begun and is not ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    change: Option<Change>,
    /// Counts the changes; part of their ledger tokens.
    changes: u64,
}

/// One recording in a matter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MatterItem {
    /// Which.
    pub archive_id: ArchiveId,
    /// When it was added.
    pub added_at: Timestamp,
    /// Its exhibit number, e.g. `HF-0001`; assigned in order and never changed.
    pub exhibit: String,
}

/// A hold of a whole matter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MatterHold {
    /// Since when.
    pub since: Timestamp,
    /// Why.
    pub reason: String,
}

/// How a matter ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Closure {
    /// When.
    pub at: Timestamp,
    /// Why.
    pub reason: String,
}

/// What adding did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Added {
    /// New in the matter.
    pub added: u32,
    /// Were in it already.
    pub already: u32,
}

/// A change under way, with who asked for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Change {
    by: Agent,
    at: Timestamp,
    what: What,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "do")]
enum What {
    Open,
    Add { items: Vec<MatterItem> },
    Hold { reason: String },
    Release { reason: String },
    Close { reason: String, release_holds: bool },
}

impl Matter {
    /// Whether it takes part in anything any more.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.closed.is_none()
    }

    /// The item of a recording.
    #[must_use]
    pub fn item(&self, id: &ArchiveId) -> Option<&MatterItem> {
        self.items.iter().find(|i| i.archive_id == *id)
    }
}

/// `HF-0001` for the first.
fn exhibit(number: usize) -> String {
    format!("HF-{number:04}")
}
