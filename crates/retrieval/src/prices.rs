use crate::money::Money;
use holdfast_model::{RehydrationSpeed, is_newer_format};
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

/// One storage class. What a list does not state is nothing or none, so that a list written for an earlier version stays readable.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ClassPrices {
    /// What people call it; the provider's own name where absent.
    pub name: Option<String>,
    /// Where its figures were looked up, for people.
    pub source: String,
    /// What could not be confirmed, as a sentence; shown beside every figure made from it.
    pub unconfirmed: Option<String>,
    /// What a person must know of figures made from it, as a sentence.
    pub remark: Option<String>,
    /// Keeping a gigabyte for 30 days; none where the list does not say.
    pub storage_per_gb_month: Option<Money>,
    /// The class that its cost is compared with; none where there is nothing to compare.
    pub standard_class: Option<String>,
    /// Days that are billed even where an object goes, or is moved to another class, sooner.
    pub min_days: u16,
    /// Smaller objects are billed as if they had this size, in bytes.
    pub min_object_bytes: u64,
    /// Bytes billed at this class for each object on top of its own.
    pub overhead_bytes: u64,
    /// Bytes billed at `standard_class` for each object on top of its own.
    pub standard_overhead_bytes: u64,
    /// Watching 1,000 objects for 30 days.
    pub monitoring_per_1000_objects_month: Money,
    /// Objects smaller than this, in bytes, are not watched.
    pub monitored_from_bytes: u64,
    /// 1,000 requests that write.
    pub write_per_1000_requests: Money,
    /// 1,000 moves into this class by a lifecycle rule.
    pub transition_per_1000_requests: Money,
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
    /// Whether the provider may refuse it when demand is high, without having broken a promise.
    #[serde(default)]
    pub may_be_refused: bool,
}

/// A price list cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PriceListError {
    /// It is not TOML of the expected shape; says line and column.
    #[error("the price list cannot be read: {0}")]
    Malformed(#[from] toml::de::Error),
    /// It was written for a newer Holdfast.
    #[error("the price list was written for a newer version of Holdfast, in the format {0}")]
    FormatUnknown(String),
    /// It is readable but makes no sense.
    #[error("the price list makes no sense: {0}")]
    Senseless(String),
}

#[derive(Deserialize)]
struct Named {
    format: String,
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
        // By itself first: a newer list may have members that this version does not know.
        if let Ok(Named { format }) = toml::from_str(text)
            && is_newer_format(&format, PRICES_FORMAT)
        {
            return Err(PriceListError::FormatUnknown(format));
        }
        let list: Self = toml::from_str(text)?;
        let senseless = |what: &str| Err(PriceListError::Senseless(what.to_owned()));
        if list.format != PRICES_FORMAT {
            return senseless(&format!("its format is {:?}, this version reads {PRICES_FORMAT:?}", list.format));
        }
        if list.gigabyte_bytes == 0 || list.download_mib_per_second == 0 {
            return senseless("gigabyte_bytes and download_mib_per_second must be over zero");
        }
        for (name, class) in &list.classes {
            if let Some(other) = class.standard_class.as_ref().filter(|o| !list.classes.contains_key(*o)) {
                return senseless(&format!("{name} is compared with {other}, which the list does not have"));
            }
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

impl PriceList {
    /// What people call a class: the list's name for it, else the provider's own.
    #[must_use]
    pub fn name_of<'a>(&'a self, storage_class: &'a str) -> &'a str {
        self.classes.get(storage_class).and_then(|c| c.name.as_deref()).unwrap_or(storage_class)
    }
}

impl ClassPrices {
    /// What keeping `size_bytes` for `days` costs at this class's price; nothing where the list does not say.
    #[must_use]
    pub fn storage(&self, size_bytes: u64, days: u64, gigabyte_bytes: u64) -> Money {
        let price = self.storage_per_gb_month.unwrap_or_default();
        price.of(size_bytes.saturating_mul(days), gigabyte_bytes.saturating_mul(30))
    }

    /// The ways back that have a price, fastest first.
    pub fn speeds(&self) -> impl Iterator<Item = (RehydrationSpeed, &SpeedPrices)> {
        use RehydrationSpeed::{Bulk, Expedited, Standard};
        [(Expedited, &self.expedited), (Standard, &self.standard), (Bulk, &self.bulk)]
            .into_iter()
            .filter_map(|(speed, prices)| prices.as_ref().map(|p| (speed, p)))
    }
}

impl CopyExpiry {
    /// The most days that a copy which was asked to stay `keep_days` is billed for.
    pub(crate) fn most_days(self, keep_days: u16) -> u64 {
        u64::from(keep_days) + u64::from(self == Self::NextMidnightUtc)
    }

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

    /// The figures that people were told: each as its public source had it on the day that the list bears.
    #[test]
    fn the_built_in_list_says_what_keeping_costs_and_what_was_not_confirmed() {
        let list = PriceList::embedded().unwrap();
        let month = |class: &str| list.classes[class].storage_per_gb_month.unwrap().micros();
        for (class, micros, days) in [
            ("STANDARD", 23_000, 0),
            ("STANDARD_IA", 12_500, 30),
            ("GLACIER_IR", 4_000, 90),
            ("GLACIER", 3_600, 90),
            ("DEEP_ARCHIVE", 990, 180),
            ("INTELLIGENT_TIERING", 23_000, 0),
            ("Hot", 18_400, 0),
            ("Cool", 10_000, 30),
            ("Cold", 3_600, 90),
            ("Archive", 2_000, 180),
        ] {
            assert_eq!((month(class), list.classes[class].min_days), (micros, days), "{class}");
            assert!(!list.classes[class].source.is_empty(), "{class} says where its figures come from");
        }
        for class in ["GLACIER", "DEEP_ARCHIVE"] {
            let c = &list.classes[class];
            assert_eq!((c.overhead_bytes, c.standard_overhead_bytes), (32 << 10, 8 << 10));
        }
        assert!(list.classes["Archive"].unconfirmed.is_some() && list.classes["GLACIER_IR"].unconfirmed.is_some());
        assert!(list.classes["GLACIER"].expedited.as_ref().unwrap().may_be_refused);
        assert_eq!(list.name_of("DEEP_ARCHIVE"), "S3 Glacier Deep Archive");
        assert_eq!(list.name_of("TAPE"), "TAPE");
    }

    #[test]
    fn a_list_of_a_newer_version_is_said_to_be_one() {
        let newer = EMBEDDED.replace(PRICES_FORMAT, "holdfast-prices/2").replace("dated =", "later = 1\ndated =");
        assert!(matches!(PriceList::parse(&newer), Err(PriceListError::FormatUnknown(f)) if f == "holdfast-prices/2"));
    }

    #[test]
    fn a_list_of_the_first_version_is_still_read() {
        let first = r#"
            format = "holdfast-prices/1"
            dated = "2026-11-01"
            currency = "EUR"
            gigabyte_bytes = 1000000000
            download_mib_per_second = 10
            [class.COLD]
            download_per_gb = "0.09"
            read_per_1000_requests = "0.0004"
            copy_per_gb_month = "0.023"
            copy_expiry = "next_midnight_utc"
            [class.COLD.standard]
            per_gb = "0.01"
            per_1000_requests = "0.05"
        "#;
        let class = &PriceList::parse(first).unwrap().classes["COLD"];
        assert_eq!((class.storage_per_gb_month, class.min_days, class.overhead_bytes), (None, 0, 0));
        assert!(!class.standard.as_ref().unwrap().may_be_refused);
        let compared = first.replace("copy_expiry", "standard_class = \"WARM\"\ncopy_expiry");
        assert!(PriceList::parse(&compared).unwrap_err().to_string().contains("WARM"));
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
