//! What keeping the archive costs. The storage is counted, not the index: lifecycle rules move objects to other classes without
//! telling anybody, and a bill follows the storage.

use crate::{
    desk::Desk,
    error::RetrievalError,
    money::Money,
    prices::{ClassPrices, PriceList},
};
use holdfast_model::{Cancel, ObjectKey, Progress, ProgressSink, RECORDINGS};
use holdfast_reports::{COSTS_FORMAT, CostKind, CostLine, CostReport, CostTotals, CostYear};
use holdfast_store::ObjectEntry;
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// Objects of one listing call; what S3 gives at the most.
const PAGE: usize = 1000;

impl Desk {
    /// Counts everything that the storage keeps and says what that costs at list prices. One listing call for each thousand objects;
    /// nothing is changed.
    ///
    /// # Errors
    /// What store and index say; [`RetrievalError::Cancelled`].
    pub async fn costs(&self, sink: &dyn ProgressSink, cancel: &Cancel) -> Result<CostReport, RetrievalError> {
        let parts = self.parts();
        let indexed = parts.index.count().await?;
        let buckets = &parts.store.buckets;
        let mut tally = Tally::new(&parts.prices, self.now());
        for bucket in BTreeSet::from([&buckets.media, &buckets.meta, &buckets.quarantine]) {
            let mut after: Option<ObjectKey> = None;
            loop {
                if cancel.is_cancelled() {
                    return Err(RetrievalError::Cancelled);
                }
                let page = parts.store.reader.list(bucket, "", after.as_ref(), PAGE).await?;
                page.objects.iter().for_each(|entry| tally.add(entry));
                let done = tally.recordings();
                let total = (*bucket == buckets.media).then_some(indexed.max(done));
                sink.report(Progress { stage: "Counting what is kept".into(), done, total, unit: "recordings" });
                match page.objects.last().filter(|_| page.more) {
                    Some(last) => after = Some(last.locator.key.clone()),
                    None => break,
                }
            }
        }
        Ok(tally.report(indexed))
    }
}

/// What is counted of one kind, class and year. Few numbers, however many objects.
#[derive(Debug, Default, Clone, Copy)]
struct Sum {
    objects: u64,
    bytes: u64,
    /// Bytes that small objects are billed on top of their own.
    minimum: u64,
    /// Objects that are watched.
    monitored: u64,
    /// Bytes times days that would still be billed if all left now.
    early_byte_days: u128,
}

/// Counts objects.
struct Tally<'a> {
    prices: &'a PriceList,
    now: Timestamp,
    sums: BTreeMap<(CostKind, String, u16), Sum>,
}

/// What a sum costs in a month, in millionths.
#[derive(Debug, Default, Clone, Copy)]
struct Cost {
    month: u64,
    on_top: u64,
    standard: Option<u64>,
    moved_once: u64,
    early: u64,
}

impl<'a> Tally<'a> {
    fn new(prices: &'a PriceList, now: Timestamp) -> Self {
        Self { prices, now, sums: BTreeMap::new() }
    }

    fn add(&mut self, entry: &ObjectEntry) {
        let key = entry.locator.key.as_str();
        let (kind, year) = match key.strip_prefix(RECORDINGS) {
            Some(rest) => (CostKind::Recordings, rest.split('/').next().and_then(|y| y.parse().ok()).unwrap_or(0)),
            None => (CostKind::Metadata, 0),
        };
        let class = self.prices.classes.get(&entry.storage_class);
        let sum = self.sums.entry((kind, entry.storage_class.clone(), year)).or_default();
        sum.objects += 1;
        sum.bytes = sum.bytes.saturating_add(entry.size_bytes);
        let Some(class) = class else { return };
        let billed = entry.size_bytes.max(class.min_object_bytes);
        sum.minimum = sum.minimum.saturating_add(billed - entry.size_bytes);
        let watched =
            !class.monitoring_per_1000_objects_month.is_zero() && entry.size_bytes >= class.monitored_from_bytes;
        sum.monitored += u64::from(watched);
        let age = (self.now.as_millisecond() - entry.created_at.as_millisecond()).max(0) / 86_400_000;
        let left = u64::try_from(i64::from(class.min_days) - age).unwrap_or(0);
        let bytes = billed.saturating_add(class.overhead_bytes);
        sum.early_byte_days = sum.early_byte_days.saturating_add(u128::from(bytes) * u128::from(left));
    }

    fn recordings(&self) -> u64 {
        self.sums.iter().filter(|((kind, ..), _)| *kind == CostKind::Recordings).map(|(_, s)| s.objects).sum()
    }

    /// None where the list has no storage price for the class.
    fn cost(&self, class: &str, sum: &Sum) -> Option<Cost> {
        let (class, gb) = (self.prices.classes.get(class)?, self.prices.gigabyte_bytes);
        let price = class.storage_per_gb_month?;
        let standard = class.standard_class.as_ref().and_then(|name| self.prices.classes.get(name));
        let month = |c: &ClassPrices, bytes: u64| c.storage(bytes, 30, gb);
        let own = month(class, sum.bytes);
        let on_top = month(class, sum.minimum.saturating_add(sum.objects.saturating_mul(class.overhead_bytes)))
            + standard.map_or(Money::ZERO, |s| month(s, sum.objects.saturating_mul(class.standard_overhead_bytes)))
            + class.monitoring_per_1000_objects_month.of(sum.monitored, 1000);
        let byte_months = u64::try_from(sum.early_byte_days / 30).unwrap_or(u64::MAX);
        Some(Cost {
            month: (own + on_top).micros(),
            on_top: on_top.micros(),
            standard: standard.map(|s| month(s, sum.bytes).micros()),
            moved_once: class.transition_per_1000_requests.of(sum.objects, 1000).micros(),
            early: price.of(byte_months, gb).micros(),
        })
    }

    fn report(self, indexed: u64) -> CostReport {
        let recordings = self.recordings();
        let mut lines: BTreeMap<(CostKind, &str), Sum> = BTreeMap::new();
        let mut years: BTreeMap<u16, BTreeMap<&str, Sum>> = BTreeMap::new();
        for ((kind, class, year), sum) in &self.sums {
            lines.entry((*kind, class)).or_default().join(sum);
            if *kind == CostKind::Recordings {
                years.entry(*year).or_default().entry(class).or_default().join(sum);
            }
        }
        let mut total = Total::default();
        let out = lines.iter().map(|(&(kind, class), sum)| self.line(kind, class, sum, &mut total)).collect();
        CostReport {
            format: COSTS_FORMAT.into(),
            counted_at: self.now,
            prices_dated: self.prices.dated.to_string(),
            prices_source: self.prices.source.clone(),
            currency: self.prices.currency.clone(),
            lines: out,
            years: years.iter().rev().map(|(year, classes)| self.year(*year, classes)).collect(),
            totals: CostTotals {
                objects: lines.values().map(|s| s.objects).sum(),
                recordings,
                size_bytes: lines.values().map(|s| s.bytes).fold(0, u64::saturating_add),
                month: rounded(total.month.into()),
                year: rounded(i128::from(total.month) * 12),
                month_standard: rounded(total.standard.into()),
                saving_year: rounded(total.saving_year()),
                unpriced: total.unpriced,
            },
            remarks: self.remarks(&lines, &total, recordings, indexed),
        }
    }

    fn line(&self, kind: CostKind, class: &str, sum: &Sum, total: &mut Total) -> CostLine {
        let cost = self.cost(class, sum);
        total.add(sum, cost);
        let prices = self.prices.classes.get(class);
        let overhead = prices.map_or(0, |c| c.overhead_bytes + c.standard_overhead_bytes).saturating_mul(sum.objects);
        let amount = |of: fn(&Cost) -> u64| cost.as_ref().map(|c| rounded(of(c).into()));
        let standard = cost.and_then(|c| Some((c.standard?, c.month)));
        CostLine {
            kind,
            storage_class: class.to_owned(),
            class_name: self.prices.name_of(class).to_owned(),
            objects: sum.objects,
            size_bytes: sum.bytes,
            billed_bytes: sum.bytes.saturating_add(sum.minimum).saturating_add(overhead),
            month: amount(|c| c.month),
            month_on_top: amount(|c| c.on_top),
            month_standard: standard.map(|(s, _)| rounded(s.into())),
            saving_year: standard.map(|(s, month)| rounded((i128::from(s) - i128::from(month)) * 12)),
            moved_once: amount(|c| c.moved_once),
            min_days: prices.map_or(0, |c| c.min_days),
            early_deletion: amount(|c| c.early),
        }
    }

    fn year(&self, year: u16, classes: &BTreeMap<&str, Sum>) -> CostYear {
        let mut total = Total::default();
        for (class, sum) in classes {
            total.add(sum, self.cost(class, sum));
        }
        CostYear {
            year,
            objects: classes.values().map(|s| s.objects).sum(),
            size_bytes: classes.values().map(|s| s.bytes).fold(0, u64::saturating_add),
            month: rounded(total.month.into()),
            month_standard: rounded(total.standard.into()),
            saving_year: rounded(total.saving_year()),
        }
    }

    fn remarks(
        &self,
        lines: &BTreeMap<(CostKind, &str), Sum>,
        total: &Total,
        recordings: u64,
        indexed: u64,
    ) -> Vec<String> {
        let mut out = vec![
            "An estimate at list prices, not a bill: storage of the newest version of each object, a month of 30 days, a year of twelve. \
             Volume and contract discounts, requests, retrieval, data transfer, replicas, older versions, unfinished uploads and taxes \
             are not in it."
                .to_owned(),
        ];
        let mut classes: BTreeMap<&str, u64> = BTreeMap::new();
        for ((_, class), sum) in lines {
            *classes.entry(class).or_default() += sum.objects;
        }
        for (class, objects) in classes {
            let prices = self.prices.classes.get(class);
            match prices.and_then(|c| c.storage_per_gb_month) {
                None => out.push(format!(
                    "The price list of {} has no storage price for {class}: its {objects} objects are counted, but in no amount.",
                    self.prices.dated
                )),
                Some(_) => {
                    out.extend(prices.and_then(|c| c.remark.clone()));
                    out.extend(prices.and_then(|c| c.unconfirmed.as_ref()).map(|u| format!("Not confirmed: {u}")));
                }
            }
        }
        for ((kind, class), sum) in lines {
            let dearer = self.cost(class, sum).filter(|c| c.standard.is_some_and(|s| s < c.month));
            if dearer.is_some() {
                let what = if *kind == CostKind::Recordings { "recordings" } else { "metadata" };
                out.push(format!(
                    "The {what} in {} cost more than they would in the standard class: {} objects of {} bytes on average are too small \
                     for what this class bills on top of each.",
                    self.prices.name_of(class),
                    sum.objects,
                    sum.bytes / sum.objects.max(1)
                ));
            }
        }
        if total.early > 0 {
            out.push(
                "“If all left now” counts minimum days from the day that each object was created; where a lifecycle rule moved it later, \
                 more days are billed."
                    .to_owned(),
            );
        }
        if recordings != indexed {
            out.push(format!(
                "The storage has {recordings} original recordings, the index knows {indexed}. Where nothing is being taken in at this \
                 moment, compare them with `holdfast index check`."
            ));
        }
        out
    }
}

impl Sum {
    fn join(&mut self, other: &Self) {
        self.objects += other.objects;
        self.bytes = self.bytes.saturating_add(other.bytes);
        self.minimum = self.minimum.saturating_add(other.minimum);
        self.monitored += other.monitored;
        self.early_byte_days = self.early_byte_days.saturating_add(other.early_byte_days);
    }
}

/// Sums of what has prices, in millionths.
#[derive(Debug, Default)]
struct Total {
    month: u64,
    /// Of what has a standard class to be compared with; the rest counts as it is, so that it saves nothing.
    standard: u64,
    early: u64,
    unpriced: u64,
}

impl Total {
    fn add(&mut self, sum: &Sum, cost: Option<Cost>) {
        let Some(c) = cost else {
            self.unpriced += sum.objects;
            return;
        };
        self.month = self.month.saturating_add(c.month);
        self.standard = self.standard.saturating_add(c.standard.unwrap_or(c.month));
        self.early = self.early.saturating_add(c.early);
    }

    fn saving_year(&self) -> i128 {
        (i128::from(self.standard) - i128::from(self.month)) * 12
    }
}

/// An amount in millionths as people should read it: whole units from 100 on, cents below, and never nothing where it is something.
fn rounded(micros: i128) -> String {
    let (sign, micros) = (if micros < 0 { "-" } else { "" }, micros.unsigned_abs());
    if micros >= 100_000_000 {
        return format!("{sign}{}", (micros + 500_000) / 1_000_000);
    }
    let cents = ((micros + 5_000) / 10_000).max(u128::from(micros > 0));
    format!("{sign}{}.{:02}", cents / 100, cents % 100)
}

#[cfg(test)]
mod tests {
    use super::*;
    use holdfast_model::{Availability, ObjectLocator, StorageTier};

    const GIB: u64 = 1 << 30;

    fn now() -> Timestamp {
        "2026-11-20T00:00:00Z".parse().unwrap()
    }

    fn entry(key: &str, class: &str, size_bytes: u64, age_days: i64) -> ObjectEntry {
        ObjectEntry {
            locator: ObjectLocator {
                store: "s".into(),
                bucket: "b".into(),
                key: ObjectKey::new(key).unwrap(),
                version_id: None,
            },
            size_bytes,
            tier: StorageTier::Hot,
            storage_class: class.into(),
            availability: Availability::Online { until: None },
            created_at: now() - jiff::SignedDuration::from_hours(24 * age_days),
        }
    }

    fn report(entries: &[ObjectEntry], indexed: u64) -> CostReport {
        let list = PriceList::embedded().unwrap();
        let mut tally = Tally::new(&list, now());
        entries.iter().for_each(|e| tally.add(e));
        tally.report(indexed)
    }

    #[test]
    fn amounts_are_said_as_exactly_as_they_can_be_meant() {
        for (micros, text) in [
            (0, "0.00"),
            (1, "0.01"),
            (12_345_678, "12.35"),
            (99_994_999, "99.99"),
            (100_000_000, "100"),
            (1_234_567_890, "1235"),
            (-3_000_000, "-3.00"),
        ] {
            assert_eq!(rounded(micros), text);
        }
    }

    /// One TiB in a thousand objects a year old: what the calculators of the providers say.
    #[test]
    fn each_class_costs_its_price_and_what_it_bills_on_top() {
        let of = |class: &str| {
            let entries: Vec<ObjectEntry> =
                (0..1024).map(|n| entry(&format!("recordings/2025/01/02/c/{n}.wav"), class, GIB, 400)).collect();
            let r = report(&entries, 1024);
            assert_eq!(r.lines.len(), 1);
            let l = r.lines[0].clone();
            (l.month.unwrap(), l.month_standard.unwrap(), l.saving_year.unwrap(), l.moved_once.unwrap())
        };
        let line = |m: &str, s: &str, y: &str, o: &str| (m.to_owned(), s.to_owned(), y.to_owned(), o.to_owned());
        assert_eq!(of("STANDARD"), line("23.55", "23.55", "0.00", "0.00"));
        assert_eq!(of("STANDARD_IA"), line("12.80", "23.55", "129", "0.01"));
        assert_eq!(of("GLACIER_IR"), line("4.10", "23.55", "233", "0.02"));
        // 1024 x 32 KiB at 0.0036 and 1024 x 8 KiB at 0.023 are too little to be seen beside a TiB.
        assert_eq!(of("GLACIER"), line("3.69", "23.55", "238", "0.03"));
        assert_eq!(of("DEEP_ARCHIVE"), line("1.01", "23.55", "270", "0.05"));
        assert_eq!(of("INTELLIGENT_TIERING"), line("23.55", "23.55", "-0.03", "0.01"));
        assert_eq!(of("Archive"), line("2.05", "18.84", "202", "0.01"));
    }

    #[test]
    fn small_objects_in_cold_classes_cost_more_and_that_is_said() {
        let entries: Vec<ObjectEntry> = (0..1_000_000)
            .map(|n| entry(&format!("recordings/2025/01/02/c/{n}.json"), "DEEP_ARCHIVE", 2048, 10))
            .collect();
        let r = report(&entries, 1_000_000);
        let l = &r.lines[0];
        // 1.9 GiB are 0.04 in Standard; the 40 KiB on top of each are 30.5 GiB and 7.6 GiB.
        assert_eq!((l.month.as_deref(), l.month_standard.as_deref()), (Some("0.21"), Some("0.04")));
        assert_eq!(l.saving_year.as_deref(), Some("-1.96"));
        assert!(r.remarks.iter().any(|r| r.contains("cost more") && r.contains("2048 bytes")), "{:?}", r.remarks);
        // 170 days of (2 + 32) KiB each.
        assert_eq!(l.early_deletion.as_deref(), Some("0.18"));
        assert_eq!(l.min_days, 180);
        let ia: Vec<ObjectEntry> =
            (0..8192).map(|n| entry(&format!("recordings/2025/1/2/{n}"), "STANDARD_IA", 1, 99)).collect();
        assert_eq!(report(&ia, 8192).lines[0].billed_bytes, GIB, "each counts as 128 KiB");
    }

    #[test]
    fn kinds_and_years_are_told_apart_and_the_sums_agree() {
        let entries = [
            entry("recordings/2024/12/31/c/1.wav", "DEEP_ARCHIVE", 100 * GIB, 700),
            entry("recordings/2025/01/01/c/2.wav", "GLACIER", 50 * GIB, 500),
            entry("recordings/2025/06/01/c/3.wav", "STANDARD", 10 * GIB, 5),
            entry("manifests/2025/06/01/c/3.json", "STANDARD", GIB, 5),
            entry("recordings/2025/06/01/c/4.wav", "TAPE", 7, 5),
        ];
        let r = report(&entries, 9);
        assert_eq!(r.years.iter().map(|y| (y.year, y.objects)).collect::<Vec<_>>(), [(2025, 3), (2024, 1)]);
        assert_eq!((r.totals.objects, r.totals.recordings, r.totals.unpriced), (5, 4, 1));
        // 0.099 + 0.18 + 0.23 + 0.023, and the little on top.
        assert_eq!((r.totals.month.as_str(), r.totals.month_standard.as_str()), ("0.53", "3.70"));
        assert_eq!(r.totals.saving_year, "38.05");
        let tape = r.lines.iter().find(|l| l.storage_class == "TAPE").unwrap();
        assert_eq!((tape.month.as_deref(), tape.objects), (None, 1));
        assert!(r.remarks.iter().any(|t| t.contains("no storage price for TAPE")));
        assert!(r.remarks.iter().any(|t| t.contains("has 4 original recordings, the index knows 9")));
        assert_eq!(report(&[], 0).totals.month, "0.00");
    }
}
