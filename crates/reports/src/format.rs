//! Times, lengths and sizes in words that mean the same everywhere.

use holdfast_model::{CanonicalRecord, Participant, ParticipantRole};
use jiff::{Timestamp, tz::TimeZone};

/// `2026-03-05 12:00:00 UTC`, with milliseconds where there are any.
pub(crate) fn time(t: Timestamp) -> String {
    let utc = t.to_zoned(TimeZone::UTC);
    let millis = utc.subsec_nanosecond() / 1_000_000;
    let fraction = if millis == 0 { String::new() } else { format!(".{millis:03}") };
    format!("{} {:02}:{:02}:{:02}{fraction} UTC", utc.date(), utc.hour(), utc.minute(), utc.second())
}

/// `4 min 10 s`.
pub(crate) fn duration(ms: u64) -> String {
    let (h, m, s, ms) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1_000 % 60, ms % 1_000);
    let seconds = if ms == 0 { format!("{s} s") } else { format!("{s}.{ms:03} s") };
    match (h, m) {
        (0, 0) => seconds,
        (0, m) => format!("{m} min {seconds}"),
        (h, m) => format!("{h} h {m} min {seconds}"),
    }
}

/// `1,234,567 bytes`.
pub(crate) fn bytes(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    format!("{out} bytes")
}

/// A serde name in words: `verified_with_remarks` -> `verified with remarks`.
pub(crate) fn words<T: serde::Serialize>(value: &T) -> String {
    let value = serde_json::to_value(value).unwrap_or_default();
    value.as_str().unwrap_or_default().replace('_', " ")
}

pub(crate) fn participants(record: &CanonicalRecord) -> Vec<String> {
    record.participants.iter().map(participant).collect()
}

fn participant(p: &Participant) -> String {
    let name = match (&p.display_name, &p.identifier) {
        (Some(name), Some(id)) => format!("{name} ({id})"),
        (Some(one), None) | (None, Some(one)) => one.clone(),
        (None, None) => "unnamed".into(),
    };
    format!("{}: {name}", words(&p.role))
}

/// Names of those with a role.
pub(crate) fn named(record: &CanonicalRecord, role: ParticipantRole) -> Vec<String> {
    let own = record.participants.iter().filter(|p| p.role == role);
    own.filter_map(|p| p.display_name.clone().or_else(|| p.identifier.clone())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_lengths_and_sizes() {
        assert_eq!(time("2026-03-05T12:00:00.250Z".parse().unwrap()), "2026-03-05 12:00:00.250 UTC");
        assert_eq!(time("0001-01-01T00:00:00Z".parse().unwrap()), "0001-01-01 00:00:00 UTC");
        assert_eq!(
            [0, 999, 61_000, 3_600_000 * 12 + 5].map(duration),
            ["0 s", "0.999 s", "1 min 1 s", "12 h 0 min 0.005 s"]
        );
        assert_eq!([0, 999, 1_000, 12_345_678].map(bytes), ["0 bytes", "999 bytes", "1,000 bytes", "12,345,678 bytes"]);
    }
}
