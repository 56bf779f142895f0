use crate::IdempotencyKey;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What kind of recording this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MediaKind {
    /// A recorded call.
    Voice,
    /// A recorded screen, with or without sound.
    Screen,
    /// A chat transcript.
    Chat,
    /// An e-mail.
    Email,
    /// A message thread (SMS, social).
    Message,
}

impl MediaKind {
    /// Whether the recording has a length in time (voice, screen) rather than being text.
    #[must_use]
    pub fn is_timed(self) -> bool {
        matches!(self, Self::Voice | Self::Screen)
    }
}

/// Which way an interaction began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// The customer contacted the centre.
    Inbound,
    /// The centre contacted the customer.
    Outbound,
    /// Between employees.
    Internal,
}

/// The part somebody plays in an interaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ParticipantRole {
    /// An employee of the contact centre.
    Agent,
    /// The person outside.
    Customer,
    /// Someone listening in or coaching.
    Supervisor,
    /// An IVR, bot or other machine.
    System,
    /// Anyone else (transfer target, conference guest).
    Other,
}

/// Somebody who took part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Participant {
    /// The part played.
    pub role: ParticipantRole,
    /// Agent id, telephone number, e-mail address. For customers: personal data, masked by policy, never in the ledger.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identifier: Option<String>,
    /// Name as the vendor shows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
}

/// Why the recording has a gap against the interaction's length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PauseKind {
    /// The customer was on hold.
    Hold,
    /// Recording paused while card or health data was said.
    SecurePause,
    /// Recording paused for another reason.
    Pause,
    /// Content masked by the vendor.
    Mask,
}

/// A stretch that is missing from (or masked in) the media.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pause {
    /// Why.
    pub kind: PauseKind,
    /// Milliseconds from the interaction's start.
    pub start_ms: u64,
    /// Milliseconds from the interaction's start; not before `start_ms`.
    pub end_ms: u64,
    /// Whether the stretch is absent from the media, so that it shortens it. Masked sound keeps its length.
    #[serde(default = "yes")]
    pub shortens_media: bool,
}

fn yes() -> bool {
    true
}

/// One recording with the facts of its interaction, as every source is mapped to it and as it stands in the manifest.
/// Vendor values are never corrected; a difference is recorded beside them. The JSON form is `docs/formats/manifest.md`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CanonicalRecord {
    /// The recorder or platform: `genesys`, `cxone`, `avaya`, ... Part of the idempotency key.
    pub vendor: String,
    /// Tenant at the vendor. Part of the idempotency key.
    pub organisation: String,
    /// The vendor's interaction (conversation, contact) id. Part of the idempotency key.
    pub interaction_id: String,
    /// The vendor's recording id. Part of the idempotency key.
    pub recording_id: String,
    /// The vendor's session or segment id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_id: Option<String>,
    /// Other systems' ids for the same thing (`crm_case`, `legacy_inum`, ...), looked up both ways.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub external_ids: BTreeMap<String, String>,

    /// What kind of recording.
    pub media: MediaKind,
    /// When the interaction began, UTC, milliseconds.
    pub start: Timestamp,
    /// When the interaction ended, UTC, milliseconds. Its date decides where the objects lie.
    pub end: Timestamp,
    /// Length the vendor declares, where it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub declared_duration_ms: Option<u64>,
    /// When the vendor captured the recording, where it tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub captured_at: Option<Timestamp>,

    /// Who took part.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub participants: Vec<Participant>,
    /// Queues it went through, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub queues: Vec<String>,
    /// Which way it began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub direction: Option<Direction>,
    /// Wrap-up (disposition) codes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub wrap_up_codes: Vec<String>,
    /// Divisions or business units.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub divisions: Vec<String>,
    /// The vendor's free external tag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_tag: Option<String>,
    /// Vendor attributes, as text.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub attributes: BTreeMap<String, String>,
    /// Language as BCP 47, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// Free notes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notes: Option<String>,

    /// Tags, compliance tags (`pci`, `hipaa`, `finra`) among them; lower case by convention, kept as given.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Data classification, e.g. `confidential`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub classification: Option<String>,
    /// Region the data may not leave, e.g. `eu`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub residency_region: Option<String>,
    /// When the vendor will delete its copy, where it tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vendor_deletes_at: Option<Timestamp>,
    /// Holds, pauses and masks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pauses: Vec<Pause>,
}

/// A field without which a record is quarantined: nothing is silently defaulted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{problem}")]
pub struct MissingField {
    /// Name of the field in the canonical record.
    pub field: &'static str,
    /// What is wrong with it, as a sentence.
    pub problem: String,
}

impl CanonicalRecord {
    /// The key that makes this recording this recording.
    #[must_use]
    pub fn idempotency_key(&self) -> IdempotencyKey {
        IdempotencyKey {
            source_system: self.vendor.clone(),
            organisation: self.organisation.clone(),
            interaction_id: self.interaction_id.clone(),
            recording_id: self.recording_id.clone(),
        }
    }

    /// Milliseconds the media should be long: the declared duration, else end minus start; less the pauses that shorten it.
    /// None for recordings that are text.
    #[must_use]
    pub fn expected_media_ms(&self) -> Option<u64> {
        if !self.media.is_timed() {
            return None;
        }
        let span = u64::try_from(self.end.as_millisecond() - self.start.as_millisecond()).ok()?;
        let total = self.declared_duration_ms.unwrap_or(span);
        Some(total.saturating_sub(self.paused_ms()))
    }

    /// Milliseconds of pauses that shorten the media; overlapping pauses count once.
    #[must_use]
    pub fn paused_ms(&self) -> u64 {
        let mut spans: Vec<(u64, u64)> = self
            .pauses
            .iter()
            .filter(|p| p.shortens_media && p.end_ms > p.start_ms)
            .map(|p| (p.start_ms, p.end_ms))
            .collect();
        spans.sort_unstable();
        let (mut sum, mut reached) = (0, 0);
        for (start, end) in spans {
            let from = start.max(reached);
            sum += end.saturating_sub(from);
            reached = reached.max(end);
        }
        sum
    }

    /// Names the first mandatory field that is empty or contradicts another.
    ///
    /// # Errors
    /// With the field's name and a sentence.
    pub fn check(&self) -> Result<(), MissingField> {
        let parts: [(&'static str, &str); 4] = [
            ("vendor", &self.vendor),
            ("organisation", &self.organisation),
            ("interaction_id", &self.interaction_id),
            ("recording_id", &self.recording_id),
        ];
        for (field, value) in parts {
            if value.trim().is_empty() {
                return Err(MissingField { field, problem: format!("the field {field} is empty") });
            }
            if value.len() > 512 {
                return Err(MissingField { field, problem: format!("the field {field} is longer than 512 bytes") });
            }
        }
        if self.end < self.start {
            let problem = format!("the interaction ends ({}) before it starts ({})", self.end, self.start);
            return Err(MissingField { field: "end", problem });
        }
        if let Some(p) = self.pauses.iter().find(|p| p.end_ms < p.start_ms) {
            let problem = format!("a pause ends ({} ms) before it starts ({} ms)", p.end_ms, p.start_ms);
            return Err(MissingField { field: "pauses", problem });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> CanonicalRecord {
        serde_json::from_value(serde_json::json!({
            "vendor": "genesys", "organisation": "acme", "interaction_id": "c1", "recording_id": "r1", "media": "voice",
            "start": "2024-03-01T23:59:00Z", "end": "2024-03-02T00:01:00Z",
        }))
        .unwrap()
    }

    #[test]
    fn overlapping_pauses_count_once() {
        let mut r = record();
        let pause = |s, e, shortens| Pause { kind: PauseKind::Hold, start_ms: s, end_ms: e, shortens_media: shortens };
        r.pauses = vec![pause(1_000, 3_000, true), pause(2_000, 4_000, true), pause(9_000, 10_000, false)];
        assert_eq!(r.paused_ms(), 3_000);
        assert_eq!(r.expected_media_ms(), Some(117_000));
        r.media = MediaKind::Chat;
        assert_eq!(r.expected_media_ms(), None);
    }

    #[test]
    fn an_interaction_over_midnight_lies_in_the_day_of_its_end() {
        let keys = crate::RecordKeys::of(&record(), "wav", "json").unwrap();
        assert_eq!(keys.media.as_str(), "recordings/2024/03/02/genesys.acme.c1/r1.wav");
    }

    #[test]
    fn what_is_mandatory_is_named() {
        let mut r = record();
        r.recording_id = " ".into();
        assert_eq!(r.check().unwrap_err().field, "recording_id");
        let mut r = record();
        r.end = r.start - jiff::SignedDuration::from_millis(1);
        assert_eq!(r.check().unwrap_err().field, "end");
    }
}
