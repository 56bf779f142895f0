use crate::{CanonicalRecord, Direction, MatterId, MediaKind};
use jiff::{SignedDuration, Span, Timestamp, tz::TimeZone};
use serde::{Deserialize, Serialize};

/// How firmly a store keeps an object until its date.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ImmutabilityMode {
    /// A privileged, recorded command may erase earlier.
    Governance,
    /// Nobody may shorten it.
    Compliance,
}

/// Retention as it stands on one object version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectRetention {
    /// How firmly.
    pub mode: ImmutabilityMode,
    /// Until when, UTC.
    pub until: Timestamp,
}

/// A hold: while any matter holds an object it is kept, whatever its retention says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LegalHold {
    /// The matter that holds.
    pub matter: MatterId,
    /// Since when.
    pub since: Timestamp,
    /// Why.
    pub reason: String,
}

/// A named class of retention and its legal basis.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RetentionClass {
    /// Its name, e.g. `finra-6y`. ASCII, as it becomes object metadata.
    pub name: String,
    /// Calendar years from the interaction's end.
    pub years: u16,
    /// The rule that demands it, e.g. `SEC 17a-4(b)(4)`.
    pub legal_basis: String,
    /// How firmly.
    pub mode: ImmutabilityMode,
}

/// A rule applies when every condition that it names holds; an empty list is no condition.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RetentionRule {
    /// Name written into the decision.
    pub name: String,
    /// Class it gives.
    pub class: String,
    /// Any of these media kinds.
    pub media: Vec<MediaKind>,
    /// Any of these queues.
    pub queues: Vec<String>,
    /// Any of these tags.
    pub tags: Vec<String>,
    /// Any of these vendors.
    pub vendors: Vec<String>,
    /// Any of these residency regions.
    pub regions: Vec<String>,
    /// Any of these directions.
    pub directions: Vec<Direction>,
}

/// Classes and rules in order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RetentionPolicy {
    /// Known classes.
    pub classes: Vec<RetentionClass>,
    /// Rules in order; of those that apply the longest wins, of equals the first.
    pub rules: Vec<RetentionRule>,
}

/// What the policy decided for one recording, and by which rule; stands in the manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetentionDecision {
    /// Class.
    pub class: String,
    /// Rule that won.
    pub rule: String,
    /// The class's legal basis.
    pub legal_basis: String,
    /// What is put on the objects.
    pub retention: ObjectRetention,
}

impl RetentionDecision {
    /// What is put on an object that is stored at `at`: nothing where the retention is over by then, or is within the hour, since
    /// S3 and Azure refuse a date that is past. A bucket's own default still protects such an object.
    #[must_use]
    pub fn to_put_at(&self, at: Timestamp) -> Option<ObjectRetention> {
        let soonest = at.saturating_add(SignedDuration::from_hours(1)).unwrap_or(at);
        (self.retention.until > soonest).then_some(self.retention)
    }
}

impl Default for RetentionPolicy {
    /// Seven calendar years under GOVERNANCE for everything: long enough for the usual rules, and an admin can replace it.
    fn default() -> Self {
        Self {
            classes: vec![RetentionClass {
                name: "standard-7y".into(),
                years: 7,
                legal_basis: "default policy of this installation".into(),
                mode: ImmutabilityMode::Governance,
            }],
            rules: vec![RetentionRule {
                name: "default".into(),
                class: "standard-7y".into(),
                ..RetentionRule::default()
            }],
        }
    }
}

impl RetentionRule {
    fn applies(&self, r: &CanonicalRecord) -> bool {
        fn any<T: PartialEq>(wanted: &[T], mut has: impl FnMut(&T) -> bool) -> bool {
            wanted.is_empty() || wanted.iter().any(&mut has)
        }
        any(&self.media, |m| *m == r.media)
            && any(&self.queues, |q| r.queues.contains(q))
            && any(&self.tags, |t| r.tags.contains(t))
            && any(&self.vendors, |v| *v == r.vendor)
            && any(&self.regions, |x| r.residency_region.as_ref() == Some(x))
            && any(&self.directions, |d| r.direction == Some(*d))
    }
}

impl RetentionPolicy {
    /// Decides for `record`. None where no rule applies: the record is then quarantined, never stored unprotected.
    #[must_use]
    pub fn decide(&self, record: &CanonicalRecord) -> Option<RetentionDecision> {
        let mut best: Option<RetentionDecision> = None;
        for rule in self.rules.iter().filter(|r| r.applies(record)) {
            let Some(class) = self.classes.iter().find(|c| c.name == rule.class) else { continue };
            let until = add_calendar_years(record.end, class.years)?;
            if best.as_ref().is_none_or(|b| until > b.retention.until) {
                best = Some(RetentionDecision {
                    class: class.name.clone(),
                    rule: rule.name.clone(),
                    legal_basis: class.legal_basis.clone(),
                    retention: ObjectRetention { mode: class.mode, until },
                });
            }
        }
        best
    }

    /// The first rule that names a class that is not there, for `config check`.
    #[must_use]
    pub fn unknown_class(&self) -> Option<&RetentionRule> {
        self.rules.iter().find(|r| !self.classes.iter().any(|c| c.name == r.class))
    }
}

/// Calendar years in UTC; 29 February becomes 1 March in a common year, so that nothing is kept a day too short.
fn add_calendar_years(from: Timestamp, years: u16) -> Option<Timestamp> {
    let from = from.to_zoned(TimeZone::UTC);
    let to = from.checked_add(Span::new().try_years(i32::from(years)).ok()?).ok()?;
    let to = if to.day() < from.day() { to.checked_add(Span::new().days(1)).ok()? } else { to };
    Some(to.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_over_is_not_put_on_an_object() {
        let t = |s: &str| s.parse::<Timestamp>().unwrap();
        let retention = ObjectRetention { mode: ImmutabilityMode::Governance, until: t("2024-05-01T00:00:00Z") };
        let decision = RetentionDecision { class: "c".into(), rule: "r".into(), legal_basis: "b".into(), retention };
        assert_eq!(decision.to_put_at(t("2024-04-30T22:59:59Z")), Some(retention));
        assert_eq!(decision.to_put_at(t("2024-04-30T23:00:00Z")), None);
        assert_eq!(decision.to_put_at(t("2026-01-01T00:00:00Z")), None);
    }

    #[test]
    fn years_are_calendar_years_and_never_short() {
        let t = |s: &str| s.parse::<Timestamp>().unwrap();
        assert_eq!(add_calendar_years(t("2020-02-29T12:00:00Z"), 7), Some(t("2027-03-01T12:00:00Z")));
        assert_eq!(add_calendar_years(t("2020-02-29T12:00:00Z"), 4), Some(t("2024-02-29T12:00:00Z")));
        assert_eq!(add_calendar_years(t("2019-05-05T00:00:00.123Z"), 10), Some(t("2029-05-05T00:00:00.123Z")));
    }

    #[test]
    fn the_longest_rule_that_applies_wins_and_is_recorded() {
        let mut policy = RetentionPolicy::default();
        policy.classes.push(RetentionClass {
            name: "finra-10y".into(),
            years: 10,
            legal_basis: "test".into(),
            mode: ImmutabilityMode::Compliance,
        });
        policy.rules.push(RetentionRule {
            name: "trading".into(),
            class: "finra-10y".into(),
            queues: vec!["trading".into()],
            ..RetentionRule::default()
        });
        let mut record: CanonicalRecord = serde_json::from_value(serde_json::json!({
            "vendor": "v", "organisation": "o", "interaction_id": "c", "recording_id": "r", "media": "voice",
            "start": "2024-01-01T00:00:00Z", "end": "2024-01-01T00:01:00Z", "queues": ["trading"],
        }))
        .unwrap();
        assert_eq!(policy.decide(&record).unwrap().rule, "trading");
        record.queues = vec!["sales".into()];
        assert_eq!(policy.decide(&record).unwrap().rule, "default");
        policy.rules.remove(0);
        assert_eq!(policy.decide(&record), None);
    }
}
