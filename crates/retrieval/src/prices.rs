use crate::money::Money;
use holdfast_model::RehydrationSpeed;
use jiff::{Timestamp, civil::Date, tz::TimeZone};
use serde::Deserialize;
use std::collections::BTreeMap;

/// First line of every price list.
pub const PRICES_FORMAT: &str = "holdfast-prices/1";

const EMBEDDED: &str = include_str!("../data/prices.toml");

/// A dated list of what bringing recordings back costs and how long it takes. One is built in; an admin can replace it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PriceList {
    format: String,
    /// The day the prices were looked up.
    pub dated: Date,
    /// ISO 4217.
    pub currency: String,
    /// Where the figures come from, for people.
    #[serde(default)]
    pub source: String,
    /// Bytes in a gigabyte as billed.
    pub gigabyte_bytes: u64,
    /// What the desk's line carries, in MiB a second.
    pub download_mib_per_second: u64,
    /// By the provider's own name of the class.
    #[serde(rename = "class")]
    pub classes: BTreeMap<String, ClassPrices>,
}

/// One storage class.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ClassPrices {
    /// Reading and sending a gigabyte to the desk.
    pub download_per_gb: Money,
    /// 1,000 read requests.
    pub read_per_1000_requests: Money,
    /// Keeping the rehydrated copy, a gigabyte and 30 days.
    pub copy_per_gb_month: Money,
    /// When the rehydrated copy goes.
    pub copy_expiry: CopyExpiry,
    /// The fastest way back, where there is one.
    pub expedited: Option<SpeedPrices>,
    /// The usual way back.
    pub standard: Option<SpeedPrices>,
    /// The cheapest way back.
    pub bulk: Option<SpeedPrices>,
}

/// How a provider counts the days of a rehydrated copy.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CopyExpiry {
    /// To the second.
    #[default]
    Exact,
    /// Rounded up to the next midnight UTC (S3).
    NextMidnightUtc,
}

/// One way back.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SpeedPrices {
    /// Bringing back a gigabyte.
    pub per_gb: Money,
    /// 1,000 requests; each recording is one.
    pub per_1000_requests: Money,
    /// Usual time; the store's own where absent.
    #[serde(default)]
    pub expected_minutes: Option<u64>,
    /// Time not exceeded; the store's own where absent.
    #[serde(default)]
    pub worst_minutes: Option<u64>,
    /// Rate at which large recordings come back, on top of the times above; no limit where absent.
    #[serde(default)]
    pub mib_per_second: Option<u64>,
    /// What an account carries at this speed; what comes later waits. No limit where absent.
    #[serde(default)]
    pub gib_per_hour: Option<u64>,
}

/// A price list cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PriceListError {
    /// It is not TOML of the expected shape; says line and column.
    #[error("the price list cannot be read: {0}")]
    Malformed(#[from] toml::de::Error),
    /// It is readable but makes no sense.
    #[error("the price list makes no sense: {0}")]
    Senseless(String),
}

impl PriceList {
    /// The list built into this version.
    ///
    /// # Errors
    /// Never, as a test reads it; the type says so that no caller needs a panic.
    pub fn embedded() -> Result<Self, PriceListError> {
        Self::parse(EMBEDDED)
    }

    /// The text of the built-in list, for an admin to start from.
    #[must_use]
    pub fn embedded_text() -> &'static str {
        EMBEDDED
    }

    /// Reads a list.
    ///
    /// # Errors
    /// [`PriceListError`], with line and column where it is not of the expected shape.
    pub fn parse(text: &str) -> Result<Self, PriceListError> {
        let list: Self = toml::from_str(text)?;
        let senseless = |what: &str| Err(PriceListError::Senseless(what.to_owned()));
        if list.format != PRICES_FORMAT {
            return senseless(&format!("its format is {:?}, this version reads {PRICES_FORMAT:?}", list.format));
        }
        if list.gigabyte_bytes == 0 || list.download_mib_per_second == 0 {
            return senseless("gigabyte_bytes and download_mib_per_second must be over zero");
        }
        for (name, class) in &list.classes {
            for (speed, p) in class.speeds() {
                if p.mib_per_second == Some(0) || p.gib_per_hour == Some(0) {
                    return senseless(&format!(
                        "a limit of zero for {name} {speed:?}; leave the line out for no limit"
                    ));
                }
                if p.expected_minutes.is_some() != p.worst_minutes.is_some() || p.expected_minutes > p.worst_minutes {
                    return senseless(&format!(
                        "{name} {speed:?} needs both expected_minutes and worst_minutes, the first not over the second"
                    ));
                }
            }
        }
        Ok(list)
    }
}

impl ClassPrices {
    /// The ways back that have a price, fastest first.
    pub fn speeds(&self) -> impl Iterator<Item = (RehydrationSpeed, &SpeedPrices)> {
        use RehydrationSpeed::{Bulk, Expedited, Standard};
        [(Expedited, &self.expedited), (Standard, &self.standard), (Bulk, &self.bulk)]
            .into_iter()
            .filter_map(|(speed, prices)| prices.as_ref().map(|p| (speed, p)))
    }
}

impl CopyExpiry {
    /// When a copy that is ready at `ready` goes after `keep_days`.
    pub(crate) fn of(self, ready: Timestamp, keep_days: u16) -> Timestamp {
        let exact = ready.saturating_add(jiff::SignedDuration::from_hours(24 * i64::from(keep_days))).unwrap_or(ready);
        match self {
            Self::Exact => exact,
            Self::NextMidnightUtc => {
                let day = exact.to_zoned(TimeZone::UTC).date();
                day.tomorrow().ok().and_then(|d| d.to_zoned(TimeZone::UTC).ok()).map_or(exact, |z| z.timestamp())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_list_is_sound_and_knows_what_is_refused() {
        let list = PriceList::embedded().unwrap();
        let deep = &list.classes["DEEP_ARCHIVE"];
        assert!(deep.expedited.is_none());
        assert_eq!(deep.standard.as_ref().unwrap().worst_minutes, Some(720));
        assert_eq!(list.classes["GLACIER"].expedited.as_ref().unwrap().per_1000_requests.micros(), 10_000_000);
        assert!(list.classes["local-cold"].standard.as_ref().unwrap().expected_minutes.is_none());
    }

    #[test]
    fn a_bad_list_is_explained_with_its_line() {
        let broken = EMBEDDED.replace("per_gb = \"0.03\"", "per_gb = \"-0.03\"");
        let said = PriceList::parse(&broken).unwrap_err().to_string();
        assert!(said.contains("line") && said.contains("amount"), "{said}");
        let unknown = EMBEDDED.replace("gigabyte_bytes =", "gigabytes =");
        assert!(PriceList::parse(&unknown).unwrap_err().to_string().contains("gigabytes"));
        let zero = EMBEDDED.replace("gib_per_hour = 10", "gib_per_hour = 0");
        assert!(matches!(PriceList::parse(&zero), Err(PriceListError::Senseless(_))));
    }

    #[test]
    fn a_copy_in_s3_goes_at_a_midnight() {
        let t = |s: &str| s.parse::<Timestamp>().unwrap();
        let ready = t("2026-11-03T10:30:00Z");
        assert_eq!(CopyExpiry::NextMidnightUtc.of(ready, 7), t("2026-11-11T00:00:00Z"));
        assert_eq!(CopyExpiry::Exact.of(ready, 7), t("2026-11-10T10:30:00Z"));
    }
}
