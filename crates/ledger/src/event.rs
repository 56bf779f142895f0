use crate::{EventFormat, KeyError, Mac, merkle};
use holdfast_model::{ArchiveId, Fault, FaultKind, MatterId, Sha256Digest};
use jiff::Timestamp;
use serde::{Deserialize, Serialize, de::IntoDeserializer};
use std::collections::BTreeMap;

/// Longest canonical event, in bytes. The ledger says what was done, it does not carry the thing itself.
pub const EVENT_MAX_BYTES: usize = 16 * 1024;

const REASON_MAX_BYTES: usize = 4096;
const TEXT_MAX_BYTES: usize = 1024;
const SHORT_MAX_BYTES: usize = 64;
const DETAILS_MAX: usize = 64;
const DETAIL_KEY_MAX_BYTES: usize = 64;
const DETAIL_VALUE_MAX_BYTES: usize = 2048;
/// Integers above 2^53 do not survive JSON readers that hold numbers as IEEE 754 doubles (RFC 8785, section 3.2.2.3).
const INTEGER_MAX: u64 = (1 << 53) - 1;

/// Where in an action an entry stands. An action on evidence is an intent before it and an outcome after it; what merely
/// happened is a fact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// About to be done. Written before anything is touched.
    Intent,
    /// What came of the intent that the event names.
    Outcome,
    /// Happened, and was not announced.
    Fact,
}

/// What was done, or is about to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// The ledger's first entry: names its id and public key.
    LedgerCreated,
    /// From here on events are written in a later format.
    LedgerUpgrade,
    /// A recording was taken into the archive.
    Accession,
    /// A recording was set aside as it does not fit its description.
    Quarantine,
    /// A person decided what becomes of something quarantined.
    QuarantineResolution,
    /// An interaction without a recording was accounted for.
    Explanation,
    /// A matter was opened.
    MatterCreation,
    /// Recordings were put into a matter or taken out.
    MatterItems,
    /// A matter was closed.
    MatterClosure,
    /// A legal hold was placed.
    LegalHold,
    /// A legal hold was lifted.
    LegalHoldRelease,
    /// A retention date was moved further away.
    RetentionExtension,
    /// A retrieval was planned.
    Plan,
    /// A plan was approved, with its cost.
    Approval,
    /// Bytes were brought from a cold tier.
    Rehydration,
    /// Bytes were brought to the desk.
    Download,
    /// Bytes were compared with everything that is known about them.
    Verification,
    /// A recording was listened to or watched.
    Playback,
    /// An evidence package was made.
    Export,
    /// The index was made anew from manifests and ledger.
    IndexRebuild,
    /// Customer data was shown on a screen.
    Display,
    /// An address was made under which anyone who has it can read a recording for a while. The address itself is never written.
    Link,
}

/// How an action ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventOutcome {
    /// Done.
    Succeeded,
    /// Tried and not done.
    Failed,
    /// Not tried, as a policy forbids it.
    Refused,
}

/// Who did it.
// The fields of everything that is written stand in the order of their names, so that plain JSON is canonical JSON.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Agent {
    /// How the person proved who they are; since `holdfast-event/2`. At most 64 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authentication: Option<String>,
    /// The identity towards a cloud provider, e.g. a role's ARN.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cloud_identity: Option<String>,
    /// The machine's name.
    pub host: String,
    /// Where `person` comes from: `configuration`, `os_account`, `cloud_identity`, `identity_provider`; since `holdfast-event/2`. At
    /// most 64 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name_source: Option<String>,
    /// The operating system's user.
    pub os_user: String,
    /// The person as configured, e.g. a name or mail address.
    pub person: String,
    /// The account at the identity provider; since `holdfast-event/2`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub principal: Option<String>,
    /// In which role: `legal`, `qa`, `admin`, `archiver`, `system`.
    pub role: String,
    /// Whose data the principal may act on; since `holdfast-event/2`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
}

impl Agent {
    /// What an event of the first format can carry.
    fn of_v1(self) -> Self {
        Self { authentication: None, name_source: None, principal: None, tenant: None, ..self }
    }
}

/// What it was done to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Subject {
    /// The recording.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub archive_id: Option<ArchiveId>,
    /// Which copy of the recording, by the name of its store; since `holdfast-event/2`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub copy: Option<String>,
    /// The object's locator as text, with its version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<String>,
}

/// Everything about an event that its author knows; the ledger adds sequence, time, the previous entry's hash and the MAC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventDraft {
    /// What.
    pub action: Action,
    /// Before, after, or neither.
    pub phase: Phase,
    /// Who.
    pub agent: Agent,
    /// To what.
    pub subject: Option<Subject>,
    /// For which matter.
    pub matter: Option<MatterId>,
    /// Why, in the words of the person. At most 4 KiB.
    pub reason: Option<String>,
    /// Where it was, or the state it had.
    pub from: Option<String>,
    /// Where it is going, or the state it has.
    pub to: Option<String>,
    /// The digest before.
    pub digest_before: Option<Sha256Digest>,
    /// The digest after.
    pub digest_after: Option<Sha256Digest>,
    /// How it ended; for [`Phase::Outcome`] and facts.
    pub outcome: Option<EventOutcome>,
    /// Stable code of an error or a finding.
    pub code: Option<String>,
    /// The sequence of the intent that an outcome concludes.
    pub intent: Option<u64>,
    /// A token that makes appending safe to repeat: a draft whose token stands in the log already is not appended again,
    /// the entry that stands is returned instead. E.g. `accession:<archive id>:<run>`. An outcome that names its intent gets
    /// `outcome:<intent>` by itself, so that an intent has one outcome unless its author says otherwise.
    pub idempotency: Option<String>,
    /// What else a reader needs: at most 64 pairs, keys of `a-z 0-9 _ . -`. Never a customer's identifier.
    pub details: BTreeMap<String, String>,
}

impl EventDraft {
    /// A draft with nothing but what every event has. Fill in the rest with struct update syntax or the methods below.
    #[must_use]
    pub fn new(action: Action, phase: Phase, agent: Agent) -> Self {
        Self {
            action,
            phase,
            agent,
            subject: None,
            matter: None,
            reason: None,
            from: None,
            to: None,
            digest_before: None,
            digest_after: None,
            outcome: None,
            code: None,
            intent: None,
            idempotency: None,
            details: BTreeMap::new(),
        }
    }

    /// The recording it is about, if any.
    #[must_use]
    pub fn archive_id(&self) -> Option<&ArchiveId> {
        self.subject.as_ref().and_then(|s| s.archive_id.as_ref())
    }

    /// Names the recording.
    #[must_use]
    pub fn about(mut self, archive_id: &ArchiveId) -> Self {
        self.subject.get_or_insert_default().archive_id = Some(archive_id.clone());
        self
    }

    /// Names the object, by its locator.
    #[must_use]
    pub fn object(mut self, locator: impl std::fmt::Display) -> Self {
        self.subject.get_or_insert_default().object = Some(locator.to_string());
        self
    }

    /// Names the matter.
    #[must_use]
    pub fn matter(mut self, matter: &MatterId) -> Self {
        self.matter = Some(matter.clone());
        self
    }

    /// Says why.
    #[must_use]
    pub fn reason(mut self, reason: impl Into<String>) -> Self {
        self.reason = Some(reason.into());
        self
    }

    /// Says from where to where.
    #[must_use]
    pub fn moved(mut self, from: impl Into<String>, to: impl Into<String>) -> Self {
        (self.from, self.to) = (Some(from.into()), Some(to.into()));
        self
    }

    /// Says how it ended.
    #[must_use]
    pub fn outcome(mut self, outcome: EventOutcome) -> Self {
        self.outcome = Some(outcome);
        self
    }

    /// Makes appending it safe to repeat.
    #[must_use]
    pub fn once(mut self, token: impl Into<String>) -> Self {
        self.idempotency = Some(token.into());
        self
    }

    /// Adds a detail.
    #[must_use]
    pub fn detail(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.details.insert(key.into(), value.into());
        self
    }

    /// Checks every bound, so that a draft that passes can be appended whatever sequence and time it gets.
    ///
    /// # Errors
    /// [`EventError::Field`] names the field; [`EventError::TooLarge`] when the whole is over [`EVENT_MAX_BYTES`].
    pub fn check(&self) -> Result<(), EventError> {
        let worst = CustodyEvent::new(
            self.clone(),
            Position {
                sequence: INTEGER_MAX,
                time: Timestamp::MAX,
                time_source: "x".repeat(64),
                previous: Sha256Digest([0; 32]),
                clock_behind_ms: Some(i64::MAX),
                format: EventFormat::NEWEST,
                history: History {
                    matter: self.matter.as_ref().map(|_| INTEGER_MAX - 1),
                    recording: self.subject.as_ref().and_then(|s| s.archive_id.as_ref()).map(|_| INTEGER_MAX - 1),
                },
            },
        );
        worst.check()?;
        let size_bytes = worst.canonical().len();
        if size_bytes > EVENT_MAX_BYTES { Err(EventError::TooLarge { size_bytes }) } else { Ok(()) }
    }
}

/// The token of an intent's outcome, of which there is one unless its author says otherwise.
#[cfg(feature = "local")]
pub(crate) fn outcome_token(intent: u64) -> String {
    format!("outcome:{intent}")
}

/// What the ledger adds to a draft.
pub(crate) struct Position {
    pub(crate) sequence: u64,
    pub(crate) time: Timestamp,
    pub(crate) time_source: String,
    pub(crate) previous: Sha256Digest,
    /// How far the clock had gone back behind the previous entry, if it had.
    pub(crate) clock_behind_ms: Option<i64>,
    pub(crate) format: EventFormat,
    pub(crate) history: History,
}

/// The entries before of the same matter and of the same recording, by their sequences; none where there was none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct History {
    pub(crate) matter: Option<u64>,
    pub(crate) recording: Option<u64>,
}

/// One thing that was done, as it is written. Its fields are those of [`EventDraft`] and what the ledger adds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)] // the fields of EventDraft, which documents them
pub struct CustodyEvent {
    pub action: Action,
    pub agent: Agent,
    /// The program and its version, e.g. `holdfast/0.1.0`.
    pub application: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub details: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest_after: Option<Sha256Digest>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest_before: Option<Sha256Digest>,
    /// The name of an [`EventFormat`].
    pub format: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intent: Option<u64>,
    /// Which key made the MAC, where a ledger has had more than one; since `holdfast-event/2`. At most 128 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mac_key_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub matter: Option<MatterId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<EventOutcome>,
    pub phase: Phase,
    /// The RFC 6962 leaf hash of the entry before; 64 zeros in the first entry.
    pub previous: Sha256Digest,
    /// Sequence of the entry before with the same `matter`; since `holdfast-event/2`, and absent in the matter's first entry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous_of_matter: Option<u64>,
    /// Sequence of the entry before about the same recording; since `holdfast-event/2`, and absent in the recording's first entry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous_of_recording: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Position in the log, from 0; the leaf index.
    pub sequence: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Subject>,
    /// When, in UTC. Never before the previous entry's.
    pub time: Timestamp,
    /// What told the time, e.g. `system`; `system;clock_went_back` when the clock was behind the previous entry, whose time
    /// was then taken instead.
    pub time_source: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
}

impl CustodyEvent {
    pub(crate) fn new(draft: EventDraft, at: Position) -> Self {
        let mut details = draft.details;
        let mut time_source = at.time_source;
        if let Some(behind) = at.clock_behind_ms {
            time_source.push_str(";clock_went_back");
            details.insert("clock_behind_ms".into(), behind.to_string());
        }
        let (agent, mut subject) = (draft.agent, draft.subject);
        let later = at.format >= EventFormat::V2;
        if let Some(subject) = subject.as_mut().filter(|_| !later) {
            subject.copy = None;
        }
        Self {
            action: draft.action,
            agent: if later { agent } else { agent.of_v1() },
            application: concat!("holdfast/", env!("CARGO_PKG_VERSION")).into(),
            code: draft.code,
            details,
            digest_after: draft.digest_after,
            digest_before: draft.digest_before,
            format: at.format.as_str().into(),
            from: draft.from,
            idempotency: draft.idempotency,
            intent: draft.intent,
            mac_key_id: None,
            matter: draft.matter,
            outcome: draft.outcome,
            phase: draft.phase,
            previous: at.previous,
            previous_of_matter: at.history.matter.filter(|_| later),
            previous_of_recording: at.history.recording.filter(|_| later),
            reason: draft.reason,
            sequence: at.sequence,
            subject,
            time: at.time,
            time_source,
            to: draft.to,
        }
    }

    /// The event's RFC 8785 canonical JSON: what the MAC is made over.
    #[must_use]
    pub fn canonical(&self) -> Vec<u8> {
        canonical(self)
    }

    /// The recording it is about, if any.
    #[must_use]
    pub fn archive_id(&self) -> Option<&ArchiveId> {
        self.subject.as_ref().and_then(|s| s.archive_id.as_ref())
    }

    fn check(&self) -> Result<(), EventError> {
        self.check_format()?;
        let texts: [(&'static str, Option<&str>, usize); 19] = [
            ("agent.authentication", self.agent.authentication.as_deref(), SHORT_MAX_BYTES),
            ("agent.name_source", self.agent.name_source.as_deref(), SHORT_MAX_BYTES),
            ("agent.principal", self.agent.principal.as_deref(), TEXT_MAX_BYTES),
            ("agent.tenant", self.agent.tenant.as_deref(), TEXT_MAX_BYTES),
            ("mac_key_id", self.mac_key_id.as_deref(), 2 * SHORT_MAX_BYTES),
            ("subject.copy", self.subject.as_ref().and_then(|s| s.copy.as_deref()), SHORT_MAX_BYTES),
            ("agent.cloud_identity", self.agent.cloud_identity.as_deref(), TEXT_MAX_BYTES),
            ("agent.host", Some(&self.agent.host), TEXT_MAX_BYTES),
            ("agent.os_user", Some(&self.agent.os_user), TEXT_MAX_BYTES),
            ("agent.person", Some(&self.agent.person), TEXT_MAX_BYTES),
            ("agent.role", Some(&self.agent.role), TEXT_MAX_BYTES),
            ("application", Some(&self.application), TEXT_MAX_BYTES),
            ("code", self.code.as_deref(), TEXT_MAX_BYTES),
            ("from", self.from.as_deref(), TEXT_MAX_BYTES),
            ("idempotency", self.idempotency.as_deref(), TEXT_MAX_BYTES),
            ("reason", self.reason.as_deref(), REASON_MAX_BYTES),
            ("subject.object", self.subject.as_ref().and_then(|s| s.object.as_deref()), 2 * TEXT_MAX_BYTES),
            ("time_source", Some(&self.time_source), TEXT_MAX_BYTES),
            ("to", self.to.as_deref(), TEXT_MAX_BYTES),
        ];
        for (field, text, max) in texts {
            if text.is_some_and(|t| t.len() > max) {
                return Err(EventError::Field { field, problem: "is too long" });
            }
        }
        let numbers = [Some(self.sequence), self.intent, self.previous_of_matter, self.previous_of_recording];
        if numbers.into_iter().flatten().any(|n| n > INTEGER_MAX) {
            return Err(EventError::Field { field: "sequence or intent", problem: "is over 2^53 - 1" });
        }
        if self.details.len() > DETAILS_MAX + 1 {
            return Err(EventError::Field { field: "details", problem: "has more than 64 pairs" });
        }
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'.' | b'-');
        for (key, value) in &self.details {
            if key.is_empty() || key.len() > DETAIL_KEY_MAX_BYTES || !key.bytes().all(allowed) {
                return Err(EventError::Field {
                    field: "details",
                    problem: "has a key that is not 1 to 64 of a-z 0-9 _ . -",
                });
            }
            if value.len() > DETAIL_VALUE_MAX_BYTES {
                return Err(EventError::Field { field: "details", problem: "has a value over 2 KiB" });
            }
        }
        Ok(())
    }
}

impl CustodyEvent {
    /// The members of each format, and what they may point to.
    fn check_format(&self) -> Result<(), EventError> {
        let later = [
            ("agent.authentication", self.agent.authentication.is_some()),
            ("agent.name_source", self.agent.name_source.is_some()),
            ("agent.principal", self.agent.principal.is_some()),
            ("agent.tenant", self.agent.tenant.is_some()),
            ("mac_key_id", self.mac_key_id.is_some()),
            ("previous_of_matter", self.previous_of_matter.is_some()),
            ("previous_of_recording", self.previous_of_recording.is_some()),
            ("subject.copy", self.subject.as_ref().is_some_and(|s| s.copy.is_some())),
        ];
        let first = EventFormat::parse(&self.format) == Some(EventFormat::V1);
        if let Some((field, _)) = later.into_iter().find(|(_, there)| first && *there) {
            return Err(EventError::Field { field, problem: "is no member of holdfast-event/1" });
        }
        let points = [
            ("previous_of_matter", self.previous_of_matter, self.matter.is_some()),
            ("previous_of_recording", self.previous_of_recording, self.archive_id().is_some()),
        ];
        match points.into_iter().find(|(_, to, of)| to.is_some_and(|to| !of || to >= self.sequence)) {
            Some((field, ..)) => Err(EventError::Field { field, problem: "names no entry before of the same subject" }),
            None => Ok(()),
        }
    }
}

/// An event and its MAC: one leaf of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LedgerEntry {
    /// The event.
    pub event: CustodyEvent,
    /// HMAC-SHA256 over [`CustodyEvent::canonical`], in JSON as hexadecimal.
    #[serde(with = "hex_mac")]
    pub mac: [u8; 32],
}

const ENTRY_HEAD: &[u8] = b"{\"event\":";
/// Length of `,"mac":"<64 digits>"}`.
const ENTRY_TAIL_BYTES: usize = 8 + 64 + 2;

impl LedgerEntry {
    /// Seals an event.
    ///
    /// # Errors
    /// What the key's keeper says.
    pub fn seal(event: CustodyEvent, mac: &dyn Mac) -> Result<Self, KeyError> {
        let mac = mac.mac(&event.canonical())?;
        Ok(Self { event, mac })
    }

    /// The entry's RFC 8785 canonical JSON, `{"event":{...},"mac":"..."}`: the bytes of the leaf.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        canonical(self)
    }

    /// The RFC 6962 hash of the leaf.
    #[must_use]
    pub fn leaf_hash(&self) -> Sha256Digest {
        Sha256Digest(merkle::leaf_hash(&self.bytes()))
    }

    /// Reads an entry, and refuses bytes that are not exactly what [`LedgerEntry::bytes`] would write.
    ///
    /// # Errors
    /// [`EventError::FormatUnknown`] when a newer version wrote it, [`EventError::Malformed`] when it is no entry,
    /// [`EventError::NotCanonical`] when it is one written differently, [`EventError::Field`] and [`EventError::TooLarge`] when a
    /// bound is passed.
    pub fn parse(bytes: &[u8]) -> Result<Self, EventError> {
        let malformed = |problem: String| match newer_format(bytes) {
            Some(format) => EventError::FormatUnknown { format },
            None => EventError::Malformed { problem },
        };
        let entry: Self = serde_json::from_slice(bytes).map_err(|e| malformed(e.to_string()))?;
        if EventFormat::parse(&entry.event.format).is_none() {
            return Err(malformed(format!("format is not {} or an earlier one", EventFormat::NEWEST)));
        }
        entry.event.check()?;
        if entry.bytes() != bytes {
            return Err(EventError::NotCanonical);
        }
        let size_bytes = Self::maced(bytes).len();
        if size_bytes > EVENT_MAX_BYTES { Err(EventError::TooLarge { size_bytes }) } else { Ok(entry) }
    }

    /// The part of an entry's canonical bytes that the MAC is made over: the event.
    #[must_use]
    pub fn maced(bytes: &[u8]) -> &[u8] {
        bytes.get(ENTRY_HEAD.len()..bytes.len().saturating_sub(ENTRY_TAIL_BYTES)).unwrap_or_default()
    }
}

/// What shows that a newer version wrote an entry: a later format, or an action that this version does not know, as the format
/// allows later versions to add some.
fn newer_format(bytes: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Entry {
        event: Named,
    }
    #[derive(Deserialize)]
    struct Named {
        action: String,
        format: String,
    }
    let Entry { event } = serde_json::from_slice(bytes).ok()?;
    if holdfast_model::is_newer_format(&event.format, EventFormat::NEWEST.as_str()) {
        return Some(event.format);
    }
    let known = Action::deserialize(IntoDeserializer::<serde::de::value::Error>::into_deserializer(&*event.action));
    let plain =
        (1..=64).contains(&event.action.len()) && event.action.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    (EventFormat::parse(&event.format).is_some() && known.is_err() && plain)
        .then(|| format!("{} with the action {}", event.format, event.action))
}

mod hex_mac {
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    pub(super) fn serialize<S: Serializer>(mac: &[u8; 32], s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&hex::encode(mac))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<[u8; 32], D::Error> {
        let mut mac = [0; 32];
        let text = std::borrow::Cow::<'de, str>::deserialize(d)?;
        hex::decode_to_slice(text.as_bytes(), &mut mac).map_err(D::Error::custom)?;
        Ok(mac)
    }
}

/// RFC 8785 for the types of this file: their fields are declared in the order of their names, keys of maps are ASCII,
/// integers are below 2^53 and there are no other numbers, so that compact JSON is the canonical form. A property test
/// compares it with a general implementation.
fn canonical<T: Serialize>(value: &T) -> Vec<u8> {
    // Writing these types into memory cannot fail: no map has a key that is not a string.
    serde_json::to_vec(value).unwrap_or_default()
}

/// An event that cannot be appended, or an entry that cannot be read.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum EventError {
    /// A field is out of bounds.
    #[error("the event's {field} {problem}")]
    Field {
        /// Which.
        field: &'static str,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The whole is too large.
    #[error("the event takes {size_bytes} bytes; the limit is {EVENT_MAX_BYTES}")]
    TooLarge {
        /// Its size.
        size_bytes: usize,
    },
    /// Not an entry of this format.
    #[error("not a ledger entry: {problem}")]
    Malformed {
        /// What the reader says.
        problem: String,
    },
    /// An entry of a later format.
    #[error("the ledger entry was written by a newer version of Holdfast, in the format {format}")]
    FormatUnknown {
        /// The format it names.
        format: String,
    },
    /// An entry, but not byte for byte its canonical form.
    #[error("the ledger entry is not in canonical form (RFC 8785)")]
    NotCanonical,
}

impl Fault for EventError {
    fn code(&self) -> &'static str {
        match self {
            Self::Field { .. } => "ledger.event_field",
            Self::TooLarge { .. } => "ledger.event_too_large",
            Self::Malformed { .. } => "ledger.entry_malformed",
            Self::FormatUnknown { .. } => "ledger.format_unknown",
            Self::NotCanonical => "ledger.entry_not_canonical",
        }
    }
    fn kind(&self) -> FaultKind {
        match self {
            Self::Field { .. } | Self::TooLarge { .. } => FaultKind::Invalid,
            Self::Malformed { .. } | Self::NotCanonical => FaultKind::Corrupt,
            Self::FormatUnknown { .. } => FaultKind::Unsupported,
        }
    }
    fn next(&self) -> String {
        match self {
            Self::Field { .. } | Self::TooLarge { .. } => {
                "Shorten what was given, such as the reason, and try again.".into()
            }
            Self::Malformed { .. } | Self::NotCanonical => {
                "Run `holdfast ledger verify`; the entry was not written by Holdfast or was changed since.".into()
            }
            Self::FormatUnknown { .. } => "Use the newer version of Holdfast that wrote it. Nothing is damaged.".into(),
        }
    }
}
