//! Times and durations as vendors write them. Nothing is guessed: a time without an offset needs a zone, and a local time that
//! occurs twice or never is refused unless the mapping says which is meant.

use crate::sidecar::whole_ms;
use jiff::{
    Timestamp,
    civil::DateTime,
    fmt::{strtime::BrokenDownTime, temporal::DateTimeParser},
    tz::{AmbiguousOffset, TimeZone},
};
use serde::Deserialize;

/// How a time is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum TimeFormat {
    /// `2024-03-01T09:30:00.000+01:00`; or without the offset where there is a zone.
    Iso,
    /// Whole seconds since 1970.
    EpochSeconds,
    /// Whole milliseconds since 1970.
    EpochMilliseconds,
    /// As `strptime` reads it.
    Pattern(String),
}

/// Which of two is meant when a clock was set back, and what is meant when one was set forward.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Ambiguous {
    /// Neither: the item goes to quarantine.
    #[default]
    Refuse,
    /// The earlier.
    Earlier,
    /// The later.
    Later,
}

/// The unit of a length of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
pub(super) enum Unit {
    /// Milliseconds.
    #[default]
    #[serde(rename = "ms")]
    Milliseconds,
    /// Seconds, with decimals where there are any.
    #[serde(rename = "s")]
    Seconds,
    /// Minutes, with decimals where there are any.
    #[serde(rename = "min")]
    Minutes,
    /// `1:02:03.5` or `02:03`.
    #[serde(rename = "h:m:s")]
    Clock,
}

impl TimeFormat {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        match text {
            "iso8601" => Ok(Self::Iso),
            "epoch_s" => Ok(Self::EpochSeconds),
            "epoch_ms" => Ok(Self::EpochMilliseconds),
            pattern if pattern.contains('%') => {
                let sample = DateTime::constant(2024, 2, 3, 4, 5, 6, 0).to_zoned(TimeZone::UTC);
                let checked = sample.and_then(|z| BrokenDownTime::from(&z).to_string(pattern));
                checked.map_err(|e| format!("{pattern:?} is no pattern for a time: {e}"))?;
                Ok(Self::Pattern(pattern.to_owned()))
            }
            other => Err(format!(
                "{other:?} is no format for a time; it is iso8601, epoch_s, epoch_ms or a pattern such as %d.%m.%Y %H:%M:%S"
            )),
        }
    }

    /// The time that `text` names, in whole milliseconds.
    pub(super) fn read(&self, text: &str, zone: Option<&TimeZone>, ambiguous: Ambiguous) -> Result<Timestamp, String> {
        let text = text.trim();
        let whole = |t: Timestamp| whole_ms(t).ok_or_else(|| "it lies outside the years 1900 to 2199".to_owned());
        match self {
            Self::EpochSeconds | Self::EpochMilliseconds => {
                let number: i64 = text.parse().map_err(|_| "it is not a whole number".to_owned())?;
                let time = match self {
                    Self::EpochSeconds => Timestamp::from_second(number),
                    _ => Timestamp::from_millisecond(number),
                };
                whole(time.map_err(|_| "it lies outside the years 1900 to 2199".to_owned())?)
            }
            Self::Iso => match text.parse::<Timestamp>() {
                Ok(time) => whole(time),
                Err(_) => {
                    let local = text
                        .parse::<DateTime>()
                        .map_err(|_| "it is not a date and time such as 2024-03-01T09:30:00.000Z".to_owned())?;
                    whole(local_time(local, zone, ambiguous)?)
                }
            },
            Self::Pattern(pattern) => {
                let parts = BrokenDownTime::parse(pattern, text)
                    .map_err(|_| format!("it does not fit the format {pattern:?}"))?;
                if parts.offset().is_some() {
                    let time =
                        parts.to_timestamp().map_err(|_| format!("it is no whole time by the format {pattern:?}"))?;
                    return whole(time);
                }
                let local =
                    parts.to_datetime().map_err(|_| format!("it is no whole time by the format {pattern:?}"))?;
                whole(local_time(local, zone, ambiguous)?)
            }
        }
    }
}

fn local_time(local: DateTime, zone: Option<&TimeZone>, ambiguous: Ambiguous) -> Result<Timestamp, String> {
    let zone = zone.ok_or("it has no offset from UTC, and the mapping gives no time_zone")?;
    let found = zone.to_ambiguous_timestamp(local);
    let word = match found.offset() {
        AmbiguousOffset::Unambiguous { .. } => None,
        AmbiguousOffset::Gap { .. } => Some("does not exist"),
        AmbiguousOffset::Fold { .. } => Some("occurs twice"),
    };
    let time = match (word, ambiguous) {
        (None, _) => found.unambiguous(),
        (Some(_), Ambiguous::Earlier) => found.earlier(),
        (Some(_), Ambiguous::Later) => found.later(),
        (Some(word), Ambiguous::Refuse) => {
            return Err(format!(
                "{local} {word} in this time zone; the mapping can say ambiguous = \"earlier\" or \"later\""
            ));
        }
    };
    time.map_err(|_| "it lies outside the years 1900 to 2199".to_owned())
}

/// A zone by its IANA name or as a fixed offset.
pub(super) fn zone(text: &str) -> Result<TimeZone, String> {
    static PARSER: DateTimeParser = DateTimeParser::new();
    PARSER.parse_time_zone(text).map_err(|_| {
        format!(
            "there is no time zone {text:?}; give an IANA name such as Europe/Vienna, UTC, or an offset such as +02:00"
        )
    })
}

impl Unit {
    /// Milliseconds; fractions of one are cut off.
    pub(super) fn read(self, text: &str) -> Result<u64, String> {
        let text = text.trim();
        let wrong = || "it is not a length of time in the unit that the mapping names".to_owned();
        let decimal = |text: &str, unit_ms: f64| {
            let plain = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
            let value = text.parse::<f64>().ok().filter(|v| plain && *v < 1e12).ok_or_else(wrong)?;
            // below 2^53 by the bound above, and not negative
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
            Ok((value * unit_ms).round() as u64)
        };
        match self {
            Self::Milliseconds => text.parse().map_err(|_| wrong()),
            Self::Seconds => decimal(text, 1_000.0),
            Self::Minutes => decimal(text, 60_000.0),
            Self::Clock => {
                let parts: Vec<&str> = text.split(':').collect();
                let (hours, minutes, seconds) = match parts[..] {
                    [m, s] => (0, m.parse::<u64>().map_err(|_| wrong())?, s),
                    [h, m, s] => (h.parse::<u64>().map_err(|_| wrong())?, m.parse().map_err(|_| wrong())?, s),
                    _ => return Err(wrong()),
                };
                if hours > 1_000_000 || minutes > 59 && parts.len() == 3 || minutes > 1_000_000 {
                    return Err(wrong());
                }
                Ok((hours * 60 + minutes) * 60_000 + decimal(seconds, 1_000.0)?)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(format: &str, text: &str, tz: &str, ambiguous: Ambiguous) -> Result<String, String> {
        let zone = (!tz.is_empty()).then(|| zone(tz).unwrap());
        TimeFormat::parse(format)?.read(text, zone.as_ref(), ambiguous).map(|t| t.to_string())
    }

    #[test]
    fn times_are_read_as_written() {
        for (format, text, tz, want) in [
            ("iso8601", "2024-03-01T09:30:00+01:00", "", "2024-03-01T08:30:00Z"),
            ("iso8601", "2024-03-01T09:30:00", "Europe/Vienna", "2024-03-01T08:30:00Z"),
            ("iso8601", "2024-07-01 09:30:00.125", "+02:00", "2024-07-01T07:30:00.125Z"),
            ("%d.%m.%Y %H:%M:%S", "01.07.2024 09:30:00", "Europe/Vienna", "2024-07-01T07:30:00Z"),
            ("%m/%d/%Y %I:%M:%S %p %z", "07/01/2024 09:30:00 PM -0500", "", "2024-07-02T02:30:00Z"),
            ("epoch_s", "1700000000", "", "2023-11-14T22:13:20Z"),
            ("epoch_ms", "1700000000123", "", "2023-11-14T22:13:20.123Z"),
        ] {
            assert_eq!(read(format, text, tz, Ambiguous::Refuse).as_deref(), Ok(want), "{format} {text}");
        }
    }

    #[test]
    fn nothing_is_guessed() {
        for (format, text, tz, word) in [
            ("iso8601", "2024-03-01T09:30:00", "", "no offset"),
            ("iso8601", "yesterday", "UTC", "not a date"),
            ("iso8601", "2024-10-27T02:30:00", "Europe/Vienna", "occurs twice"),
            ("iso8601", "2024-03-31T02:30:00", "Europe/Vienna", "does not exist"),
            ("%d.%m.%Y", "31.02.2024", "UTC", "format"),
            ("epoch_s", "1700000000123", "", "1900"),
            ("%Q%!", "x", "", "no pattern"),
            ("rfc", "x", "", "no format"),
        ] {
            let error = read(format, text, tz, Ambiguous::Refuse).unwrap_err();
            assert!(error.contains(word), "{format} {text}: {error}");
        }
        let night = "2024-10-27T02:30:00";
        assert_eq!(read("iso8601", night, "Europe/Vienna", Ambiguous::Earlier).unwrap(), "2024-10-27T00:30:00Z");
        assert_eq!(read("iso8601", night, "Europe/Vienna", Ambiguous::Later).unwrap(), "2024-10-27T01:30:00Z");
    }

    #[test]
    fn durations_have_units() {
        for (unit, text, want) in [
            (Unit::Milliseconds, "1234", 1_234),
            (Unit::Seconds, "61.5", 61_500),
            (Unit::Minutes, "2", 120_000),
            (Unit::Clock, "1:02:03.5", 3_723_500),
            (Unit::Clock, "62:03", 3_723_000),
        ] {
            assert_eq!(unit.read(text), Ok(want), "{text}");
        }
        for (unit, text) in [
            (Unit::Milliseconds, "1.5"),
            (Unit::Seconds, "-1"),
            (Unit::Seconds, "1e3"),
            (Unit::Seconds, "nan"),
            (Unit::Clock, "1:99:00"),
            (Unit::Clock, "5"),
        ] {
            assert!(unit.read(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn nothing_panics(format in "(iso8601|epoch_s|epoch_ms|%[a-zA-Z%]{1,3}.{0,10})", text in ".{0,40}") {
            let _ = read(&format, &text, "Europe/Vienna", Ambiguous::Later);
            for unit in [Unit::Milliseconds, Unit::Seconds, Unit::Minutes, Unit::Clock] {
                let _ = unit.read(&text);
            }
        }
    }
}
