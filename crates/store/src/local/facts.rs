//! What the store keeps about one object: the record's shape and every rule that needs no disk.

use super::{RehydrationTime, later};
use crate::{StoreError, Ticket};
use holdfast_model::{
    Availability, ObjectKey, ObjectRetention, RehydrationSpeed, Sha256Digest, StorageState, StorageTier,
};
use jiff::{Timestamp, ToSpan as _, tz::TimeZone};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Names the shape of a record.
pub(super) const FACTS_FORMAT: &str = "holdfast-local-object/1";
/// Class of bytes that are always readable.
pub(super) const CLASS_HOT: &str = "local-hot";
/// Class of bytes that must be rehydrated.
pub(super) const CLASS_COLD: &str = "local-cold";

/// The tiers that the local store has; the folder below a bucket has the same name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum LocalTier {
    Hot,
    Cold,
}

impl LocalTier {
    /// None for a tier that the local store does not have.
    pub(super) fn of(tier: StorageTier) -> Option<Self> {
        match tier {
            StorageTier::Hot => Some(Self::Hot),
            StorageTier::Cold => Some(Self::Cold),
            StorageTier::Cool | StorageTier::DeepCold => None,
        }
    }

    pub(super) fn folder(self) -> &'static str {
        match self {
            Self::Hot => "hot",
            Self::Cold => "cold",
        }
    }

    pub(super) fn class(self) -> &'static str {
        match self {
            Self::Hot => CLASS_HOT,
            Self::Cold => CLASS_COLD,
        }
    }

    pub(super) fn tier(self) -> StorageTier {
        match self {
            Self::Hot => StorageTier::Hot,
            Self::Cold => StorageTier::Cold,
        }
    }
}

/// One change of retention or hold, the first being the creation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Change {
    pub(super) at: Timestamp,
    pub(super) retention: Option<ObjectRetention>,
    pub(super) legal_hold: bool,
}

/// A request for a readable copy. What state it is in follows from the clock alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Rehydration {
    pub(super) requested_at: Timestamp,
    pub(super) speed: RehydrationSpeed,
    pub(super) ready_at: Timestamp,
    pub(super) until: Timestamp,
}

/// The record of one object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Facts {
    pub(super) format: String,
    pub(super) bucket: String,
    pub(super) key: ObjectKey,
    pub(super) version_id: String,
    pub(super) created_at: Timestamp,
    pub(super) tier: LocalTier,
    pub(super) size_bytes: u64,
    pub(super) sha256: Sha256Digest,
    pub(super) media_type: String,
    pub(super) metadata: BTreeMap<String, String>,
    pub(super) tags: BTreeMap<String, String>,
    pub(super) retention: Option<ObjectRetention>,
    pub(super) legal_hold: bool,
    pub(super) history: Vec<Change>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) rehydration: Option<Rehydration>,
}

impl Facts {
    /// Where it is kept and whether it can be read at `now`.
    pub(super) fn state(&self, now: Timestamp) -> StorageState {
        let (tier, storage_class) = (self.tier.tier(), self.tier.class().to_owned());
        StorageState { tier, storage_class, availability: self.availability(now) }
    }

    /// Whether the bytes can be read at `now`.
    ///
    /// The clock may have been set back. Between request and readiness the copy then waits again, never longer than its speed
    /// takes; before the request itself the clock cannot tell how long has passed, and since the bytes are here the copy counts
    /// as ready. So no jump back ever locks evidence away for longer than asking anew would.
    pub(super) fn availability(&self, now: Timestamp) -> Availability {
        match (self.tier, &self.rehydration) {
            (LocalTier::Hot, _) => Availability::Online { until: None },
            (LocalTier::Cold, Some(r)) if now < r.until => {
                if now >= r.ready_at || now < r.requested_at {
                    Availability::Online { until: Some(r.until) }
                } else {
                    Availability::Rehydrating { requested_at: Some(r.requested_at), expected_at: Some(r.ready_at) }
                }
            }
            (LocalTier::Cold, _) => Availability::Offline,
        }
    }

    /// Lengthens retention. Mode and date are compared each for itself: neither may become weaker.
    pub(super) fn extend(&mut self, to: ObjectRetention, now: Timestamp) -> Result<(), StoreError> {
        if let Some(stands) = self.retention
            && (to.until < stands.until || to.mode < stands.mode)
        {
            return Err(StoreError::RetentionShortened { stands, asked: to });
        }
        if self.retention != Some(to) {
            self.retention = Some(to);
            self.remember(now);
        }
        Ok(())
    }

    pub(super) fn set_legal_hold(&mut self, on: bool, now: Timestamp) {
        if self.legal_hold != on {
            self.legal_hold = on;
            self.remember(now);
        }
    }

    fn remember(&mut self, at: Timestamp) {
        self.history.push(Change { at, retention: self.retention, legal_hold: self.legal_hold });
    }

    /// Asks for a readable copy, or for the pending one sooner, or for the present one longer. `time` is what `speed` takes
    /// here, none where it is not offered.
    pub(super) fn rehydrate(
        &mut self,
        speed: RehydrationSpeed,
        time: Option<RehydrationTime>,
        keep_days: u16,
        now: Timestamp,
    ) -> Result<Ticket, StoreError> {
        let unsupported = || StoreError::Unsupported { storage_class: self.tier.class().to_owned(), speed };
        if self.tier == LocalTier::Hot {
            return Ok(Ticket { availability: self.availability(now), started: false });
        }
        let time = time.ok_or_else(unsupported)?;
        let fresh = Rehydration {
            requested_at: now,
            speed,
            ready_at: later(now, time.expected),
            until: expiry(later(now, time.expected), keep_days),
        };
        let before = self.availability(now);
        let started = before == Availability::Offline;
        match (before, &mut self.rehydration) {
            (Availability::Rehydrating { .. }, Some(r)) => {
                if fresh.ready_at < r.ready_at {
                    (r.speed, r.ready_at) = (fresh.speed, fresh.ready_at);
                }
                r.until = r.until.max(expiry(r.ready_at, keep_days));
            }
            (Availability::Online { .. }, Some(r)) => r.until = r.until.max(expiry(now, keep_days)),
            _ => self.rehydration = Some(fresh),
        }
        Ok(Ticket { availability: self.availability(now), started })
    }
}

/// The next midnight UTC after `keep_days` (at least one) from `ready`, as S3 rounds the expiry of a restored copy.
fn expiry(ready: Timestamp, keep_days: u16) -> Timestamp {
    let whole = ready
        .to_zoned(TimeZone::UTC)
        .checked_add(i64::from(keep_days.max(1)).days())
        .and_then(|z| if z.start_of_day()? == z { Ok(z) } else { z.checked_add(1.day())?.start_of_day() });
    whole.map_or(Timestamp::MAX, |z| z.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;
    use holdfast_model::ImmutabilityMode;
    use std::time::Duration;

    fn t(s: &str) -> Timestamp {
        s.parse().unwrap()
    }

    fn cold() -> Facts {
        Facts {
            format: FACTS_FORMAT.into(),
            bucket: "media".into(),
            key: ObjectKey::new("a").unwrap(),
            version_id: "v".into(),
            created_at: t("2024-01-01T00:00:00Z"),
            tier: LocalTier::Cold,
            size_bytes: 0,
            sha256: Sha256Digest::of(b""),
            media_type: "audio/wav".into(),
            metadata: BTreeMap::new(),
            tags: BTreeMap::new(),
            retention: None,
            legal_hold: false,
            history: vec![],
            rehydration: None,
        }
    }

    fn time(s: u64) -> Option<RehydrationTime> {
        Some(RehydrationTime { expected: Duration::from_secs(s), worst: Duration::from_secs(2 * s) })
    }

    #[test]
    fn the_copy_stays_whole_days_and_ends_at_midnight() {
        assert_eq!(expiry(t("2024-02-28T13:00:00Z"), 1), t("2024-03-01T00:00:00Z"));
        assert_eq!(expiry(t("2024-02-28T00:00:00Z"), 1), t("2024-02-29T00:00:00Z"));
        assert_eq!(expiry(t("2024-02-28T00:00:00Z"), 0), t("2024-02-29T00:00:00Z"));
        assert_eq!(expiry(Timestamp::MAX, 9), Timestamp::MAX);
    }

    #[test]
    fn a_clock_that_goes_back_never_locks_the_copy_away() {
        let mut facts = cold();
        let asked = t("2024-05-01T12:00:00Z");
        assert!(facts.rehydrate(RehydrationSpeed::Standard, time(60), 1, asked).unwrap().started);
        assert!(!facts.availability(t("2024-05-01T12:00:59Z")).is_online_at(asked));
        assert!(facts.availability(t("2024-05-01T12:01:00Z")).is_online_at(asked));
        // Set back to before the request: ready. Set forward: gone. Back again: there.
        assert!(facts.availability(t("2023-05-01T12:00:00Z")).is_online_at(asked));
        assert_eq!(facts.availability(t("2031-01-01T00:00:00Z")), Availability::Offline);
        assert!(facts.availability(t("2024-05-02T23:59:59.999Z")).is_online_at(asked));
        assert_eq!(facts.availability(t("2024-05-03T00:00:00Z")), Availability::Offline);
    }

    #[test]
    fn raising_the_speed_never_delays_and_a_longer_stay_never_shortens() {
        let mut facts = cold();
        let asked = t("2024-05-01T12:00:00Z");
        facts.rehydrate(RehydrationSpeed::Standard, time(60), 9, asked).unwrap();
        let until = facts.rehydration.as_ref().unwrap().until;
        // Half a minute later Bulk would be slower and Expedited faster.
        let now = t("2024-05-01T12:00:30Z");
        let pending = |s: &str| Availability::Rehydrating { requested_at: Some(asked), expected_at: Some(t(s)) };
        let ticket = facts.rehydrate(RehydrationSpeed::Bulk, time(600), 1, now).unwrap();
        assert_eq!(ticket, Ticket { availability: pending("2024-05-01T12:01:00Z"), started: false });
        let ticket = facts.rehydrate(RehydrationSpeed::Expedited, time(5), 1, now).unwrap();
        assert_eq!(ticket, Ticket { availability: pending("2024-05-01T12:00:35Z"), started: false });
        assert_eq!(facts.rehydration.as_ref().unwrap().until, until);
    }

    #[test]
    fn retention_grows_in_date_and_mode_only() {
        let (g, c) = (ImmutabilityMode::Governance, ImmutabilityMode::Compliance);
        let r = |mode, s: &str| ObjectRetention { mode, until: t(s) };
        let mut facts = cold();
        let now = t("2024-01-01T00:00:00Z");
        facts.extend(r(g, "2030-01-01T00:00:00Z"), now).unwrap();
        facts.extend(r(c, "2030-01-01T00:00:00Z"), now).unwrap();
        facts.extend(r(c, "2030-01-01T00:00:00Z"), now).unwrap();
        for weaker in [r(c, "2029-12-31T00:00:00Z"), r(g, "2040-01-01T00:00:00Z")] {
            assert!(matches!(facts.extend(weaker, now), Err(StoreError::RetentionShortened { .. })));
        }
        assert_eq!(facts.history.len(), 2, "setting the same again is no change");
    }
}
