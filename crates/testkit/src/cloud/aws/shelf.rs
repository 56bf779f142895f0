//! Storage classes and restores under a clock of our own. Pure: what the provider's documentation says about `RestoreObject`.

use super::answer::Refusal;
use jiff::{SignedDuration, Timestamp, ToSpan as _, tz::TimeZone};
use std::{collections::BTreeMap, time::Duration};

/// Bucket, key, version id (`null` where the bucket keeps no versions).
pub(super) type Name = (String, String, String);

/// What is known of a version beyond what the server keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Held {
    pub(super) class: String,
    /// The archive tier of an Intelligent-Tiering object: `ARCHIVE_ACCESS` or `DEEP_ARCHIVE_ACCESS`.
    pub(super) tier: Option<String>,
    restore: Option<Restore>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Restore {
    ready: Timestamp,
    /// Unset for Intelligent-Tiering, whose objects move back for good.
    days: Option<i64>,
    speed: Speed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Speed {
    Bulk,
    Standard,
    Expedited,
}

/// Where a restore stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    None,
    Ongoing,
    Live { until: Timestamp },
}

/// What `RestoreObject` asks for.
#[derive(Debug, Clone, Default)]
pub(super) struct Wanted {
    pub(super) days: Option<i64>,
    pub(super) speed: Option<String>,
}

/// Everything that is kept here instead of at the server.
#[derive(Debug, Default)]
pub(super) struct Shelf {
    held: BTreeMap<Name, Held>,
    /// The version that is current, where it is known.
    latest: BTreeMap<(String, String), String>,
    pub(super) no_expedited: bool,
}

impl Held {
    /// As lifecycle would leave it in `class`, which may be a storage class or an Intelligent-Tiering archive tier.
    pub(super) fn in_class(class: &str) -> Self {
        let tier = matches!(class, "ARCHIVE_ACCESS" | "DEEP_ARCHIVE_ACCESS").then(|| class.to_owned());
        let class = if tier.is_some() { "INTELLIGENT_TIERING" } else { class };
        Self { class: class.to_owned(), tier, restore: None }
    }

    fn asleep(&self) -> bool {
        self.tier.is_some() || is_archive(&self.class)
    }

    pub(super) fn phase(&self, now: Timestamp) -> Phase {
        let Some(restore) = &self.restore else { return Phase::None };
        if now < restore.ready {
            return Phase::Ongoing;
        }
        match restore.days.map(|days| midnight_after(restore.ready, days)) {
            Some(until) if now < until => Phase::Live { until },
            _ => Phase::None,
        }
    }

    /// Whether its bytes cannot be read now.
    pub(super) fn offline(&self, now: Timestamp) -> bool {
        self.asleep() && !matches!(self.phase(now), Phase::Live { .. }) && !self.back(now)
    }

    /// An Intelligent-Tiering object that was restored is in the frequent tier again.
    fn back(&self, now: Timestamp) -> bool {
        self.tier.is_some() && self.restore.as_ref().is_some_and(|r| now >= r.ready)
    }

    /// The headers that HEAD and GET carry: storage class, archive status, restore.
    pub(super) fn headers(&self, now: Timestamp) -> [(&'static str, Option<String>); 3] {
        let class = (self.class != "STANDARD").then(|| self.class.clone());
        let tier = self.tier.clone().filter(|_| !self.back(now));
        let restore = match self.phase(now) {
            Phase::None => None,
            Phase::Ongoing => Some("ongoing-request=\"true\"".to_owned()),
            Phase::Live { until } => {
                let until = until.strftime("%a, %d %b %Y %H:%M:%S GMT");
                Some(format!("ongoing-request=\"false\", expiry-date=\"{until}\""))
            }
        };
        [("x-amz-storage-class", class), ("x-amz-archive-status", tier), ("x-amz-restore", restore)]
    }

    /// The element of listings, where it was asked for.
    pub(super) fn status_xml(&self, now: Timestamp) -> Option<String> {
        let text = match self.phase(now) {
            Phase::None => return None,
            Phase::Ongoing => "<IsRestoreInProgress>true</IsRestoreInProgress>".to_owned(),
            Phase::Live { until } => format!(
                "<IsRestoreInProgress>false</IsRestoreInProgress><RestoreExpiryDate>{}</RestoreExpiryDate>",
                until.strftime("%Y-%m-%dT%H:%M:%S.000Z")
            ),
        };
        Some(format!("<RestoreStatus>{text}</RestoreStatus>"))
    }

    /// 403 `InvalidObjectState`, as GET answers.
    pub(super) fn refusal(&self) -> Refusal {
        let message = "The operation is not valid for the object's storage class";
        let refusal = Refusal::new(403, "InvalidObjectState", message).with("StorageClass", &self.class);
        match &self.tier {
            Some(tier) => refusal.with("AccessTier", tier),
            None => refusal,
        }
    }

    /// Answers `RestoreObject` with the status to send.
    pub(super) fn restore(&mut self, wanted: &Wanted, no_expedited: bool, now: Timestamp) -> Result<u16, Refusal> {
        if !self.asleep() || self.back(now) {
            let message = "Restore is not allowed for the object's current storage class.";
            return Err(Refusal::new(403, "InvalidObjectState", message).with("StorageClass", &self.class));
        }
        let malformed = "The XML you provided was not well-formed or did not validate against our published schema";
        let speed = match wanted.speed.as_deref().unwrap_or("Standard") {
            "Expedited" => Speed::Expedited,
            "Standard" => Speed::Standard,
            "Bulk" => Speed::Bulk,
            _ => return Err(Refusal::new(400, "MalformedXML", malformed)),
        };
        let phase = self.phase(now);
        let pending = self.restore.as_ref().filter(|_| phase == Phase::Ongoing).map(|r| (r.speed, r.days));
        match (self.tier.is_some(), wanted.days) {
            (true, Some(_)) => {
                let message = "Days cannot be specified for objects of the Intelligent-Tiering archive tiers";
                return Err(Refusal::new(400, "InvalidArgument", message));
            }
            // Raising the speed of a pending restore needs no days.
            (false, None) if pending.is_none() => return Err(Refusal::new(400, "MalformedXML", malformed)),
            (_, Some(days)) if days < 1 => return Err(Refusal::new(400, "MalformedXML", malformed)),
            _ => {}
        }
        let class = self.tier.as_deref().unwrap_or(&self.class);
        let Some(takes) = takes(class, speed) else {
            let message = "Retrieval option is not supported by this storage class";
            return Err(Refusal::new(400, "InvalidArgument", message));
        };
        if speed == Speed::Expedited && no_expedited {
            let message = "Glacier expedited retrievals are currently not available, please try again later";
            return Err(Refusal::new(503, "GlacierExpeditedRetrievalNotAvailable", message));
        }
        if let Phase::Live { .. } = phase {
            // Only the expiry moves, relative to now.
            self.restore = Some(Restore { ready: now, days: wanted.days, speed });
            return Ok(200);
        }
        let days = match pending {
            Some((old, _)) if old >= speed => {
                return Err(Refusal::new(409, "RestoreAlreadyInProgress", "Object restore is already in progress"));
            }
            Some((_, days)) => days,
            None => wanted.days,
        };
        self.restore = Some(Restore { ready: now + takes, days, speed });
        Ok(202)
    }
}

/// Whether objects of this storage class must be restored before they are read.
pub(super) fn is_archive(class: &str) -> bool {
    matches!(class, "GLACIER" | "DEEP_ARCHIVE")
}

/// How long a restore takes here: the longest that the provider's documentation names.
#[must_use]
pub fn restore_time(class: &str, speed: &str) -> Option<Duration> {
    let speed = match speed {
        "Expedited" => Speed::Expedited,
        "Bulk" => Speed::Bulk,
        _ => Speed::Standard,
    };
    takes(class, speed).map(SignedDuration::unsigned_abs)
}

fn takes(class: &str, speed: Speed) -> Option<SignedDuration> {
    Some(match (class, speed) {
        ("GLACIER" | "ARCHIVE_ACCESS", Speed::Expedited) => SignedDuration::from_mins(5),
        ("GLACIER" | "ARCHIVE_ACCESS", Speed::Standard) => SignedDuration::from_hours(5),
        ("GLACIER" | "ARCHIVE_ACCESS", Speed::Bulk) => SignedDuration::from_hours(12),
        ("DEEP_ARCHIVE" | "DEEP_ARCHIVE_ACCESS", Speed::Standard) => SignedDuration::from_hours(12),
        ("DEEP_ARCHIVE" | "DEEP_ARCHIVE_ACCESS", Speed::Bulk) => SignedDuration::from_hours(48),
        _ => return None,
    })
}

/// `days` after `from`, rounded up to the next midnight UTC.
fn midnight_after(from: Timestamp, days: i64) -> Timestamp {
    let end = from + SignedDuration::from_hours(24 * days);
    let day = end.to_zoned(TimeZone::UTC).start_of_day();
    day.and_then(|d| d.checked_add(1.day())).map_or(end, |d| d.timestamp())
}

impl Shelf {
    pub(super) fn get(&self, name: &Name) -> Option<&Held> {
        self.held.get(name)
    }

    pub(super) fn put(&mut self, name: Name, held: Held) {
        self.held.insert(name, held);
    }

    /// A version was written and is the current one now, in `class` where the server was told another.
    pub(super) fn written(&mut self, name: Name, class: Option<String>) {
        self.latest.insert((name.0.clone(), name.1.clone()), name.2.clone());
        match class {
            Some(class) => self.held.insert(name, Held::in_class(&class)),
            None => self.held.remove(&name),
        };
    }

    /// A version or a marker came or went by a delete.
    pub(super) fn deleted(&mut self, bucket: &str, key: &str, version: Option<&str>) {
        self.latest.remove(&(bucket.to_owned(), key.to_owned()));
        let gone = version.unwrap_or("null");
        self.held.remove(&(bucket.to_owned(), key.to_owned(), gone.to_owned()));
    }

    pub(super) fn latest(&self, bucket: &str, key: &str) -> Option<&String> {
        self.latest.get(&(bucket.to_owned(), key.to_owned()))
    }

    pub(super) fn learn_latest(&mut self, bucket: &str, key: &str, version: &str) {
        self.latest.insert((bucket.to_owned(), key.to_owned()), version.to_owned());
    }

    /// Whether anything is known of any version of the key.
    pub(super) fn knows(&self, bucket: &str, key: &str) -> bool {
        let from = (bucket.to_owned(), key.to_owned(), String::new());
        self.held.range(from..).next().is_some_and(|((b, k, _), _)| b == bucket && k == key)
    }

    /// Answers `RestoreObject` for a version that the server knows in `class`.
    pub(super) fn restore(&mut self, name: Name, class: &str, wanted: &Wanted, now: Timestamp) -> Result<u16, Refusal> {
        let held = self.held.get(&name).cloned();
        let mut held = held.unwrap_or_else(|| Held::in_class(class));
        let answer = held.restore(wanted, self.no_expedited, now);
        if answer.is_ok() {
            self.held.insert(name, held);
        }
        answer
    }
}
