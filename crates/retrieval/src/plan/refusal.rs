//! What a deadline cannot be answered with, why, and which storage policy would have allowed it.

use super::words;
use crate::prices::{ClassPrices, PriceList};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Why a recording cannot be promised by the deadline. The texts are stable: they stand in stored plans and in JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum RefusalCode {
    /// The deadline is past.
    #[serde(rename = "plan.deadline_past")]
    DeadlinePast,
    /// Nothing that the provider sells brings it out of its class in time.
    #[serde(rename = "plan.class_too_slow")]
    ClassTooSlow,
    /// It usually is there in time, but the provider does not promise it.
    #[serde(rename = "plan.not_promised")]
    NotPromised,
    /// The speed that was asked for is too slow; another is not.
    #[serde(rename = "plan.speed_too_slow")]
    SpeedTooSlow,
    /// The account carries only so much an hour, and others go first.
    #[serde(rename = "plan.queue_too_long")]
    QueueTooLong,
    /// It is on its way at a speed that is too slow and cannot be raised.
    #[serde(rename = "plan.under_way_too_slow")]
    UnderWayTooSlow,
    /// It can be read now, but the line to the desk is too slow.
    #[serde(rename = "plan.download_too_slow")]
    DownloadTooSlow,
    /// The store offers no way back, or the price list has no price for any.
    #[serde(rename = "plan.no_way_back")]
    NoWayBack,
    /// The storage has no such object.
    #[serde(rename = "plan.object_missing")]
    ObjectMissing,
}

impl RefusalCode {
    /// The stable text.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::DeadlinePast => "plan.deadline_past",
            Self::ClassTooSlow => "plan.class_too_slow",
            Self::NotPromised => "plan.not_promised",
            Self::SpeedTooSlow => "plan.speed_too_slow",
            Self::QueueTooLong => "plan.queue_too_long",
            Self::UnderWayTooSlow => "plan.under_way_too_slow",
            Self::DownloadTooSlow => "plan.download_too_slow",
            Self::NoWayBack => "plan.no_way_back",
            Self::ObjectMissing => "plan.object_missing",
        }
    }
}

/// One reason for which a plan's deadline cannot be promised, and all of the plan's recordings that it holds for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// Stable code.
    pub code: RefusalCode,
    /// The provider's class in which they lie.
    pub storage_class: String,
    /// What people call it.
    pub class_name: String,
    /// For how many recordings.
    pub items: u32,
    /// Why, as a sentence; of several recordings the one that takes longest.
    pub reason: String,
    /// What would have allowed it, or what to do, as sentences.
    pub advice: String,
    /// The earliest deadline that could be promised for all of them; none where there is no way at all.
    pub earliest: Option<Timestamp>,
}

/// What is said of one class and code, gathered from its recordings.
#[derive(Debug, Clone)]
pub(super) struct Gathered {
    pub items: u32,
    pub reason: String,
    pub worst_at: Option<Timestamp>,
    /// Age of the oldest in days, where it is known.
    pub oldest_days: Option<i64>,
}

impl Gathered {
    pub(super) fn refusal(
        self,
        code: RefusalCode,
        storage_class: &str,
        window_ms: u64,
        prices: &PriceList,
        deadline: Timestamp,
    ) -> Refusal {
        let class_name = prices.name_of(storage_class).to_owned();
        let advice = match code {
            RefusalCode::ClassTooSlow | RefusalCode::NotPromised => {
                policy(storage_class, self.oldest_days, window_ms, prices)
            }
            RefusalCode::DeadlinePast => "Agree on a later deadline and plan again.".into(),
            RefusalCode::SpeedTooSlow => "Plan again with the cheapest that makes the deadline, or a faster speed.".into(),
            RefusalCode::QueueTooLong => {
                "Plan first for the recordings that matter most: the provider lets one account bring back only so much an hour at \
                 this speed."
                    .into()
            }
            RefusalCode::UnderWayTooSlow => {
                "Somebody asked for it at a slower speed already, and this provider raises none that is under way.".into()
            }
            RefusalCode::DownloadTooSlow => {
                "Retrieve on a machine with a faster line to the storage, or tell the line's true speed in the price list.".into()
            }
            RefusalCode::NoWayBack => {
                "Have an administrator look whether the store is configured for this class and the price list knows it.".into()
            }
            RefusalCode::ObjectMissing => {
                "Have an administrator compare index and storage (`holdfast index check`) and look at the bucket's versions and \
                 replicas before anybody relies on this recording."
                    .into()
            }
        };
        let earliest = self.worst_at.filter(|at| *at > deadline);
        Refusal {
            code,
            storage_class: storage_class.to_owned(),
            class_name,
            items: self.items,
            reason: self.reason,
            advice,
            earliest,
        }
    }
}

/// The rule that would have allowed an answer within `window_ms`, in the words of those who set such rules.
fn policy(storage_class: &str, oldest_days: Option<i64>, window_ms: u64, prices: &PriceList) -> String {
    let own = prices.classes.get(storage_class);
    let family = own.and_then(|c| c.standard_class.as_deref());
    let mut fit: Vec<(&str, &ClassPrices, String)> = prices
        .classes
        .iter()
        .filter(|(name, c)| {
            *name != storage_class && family.is_some() && c.standard_class.as_deref() == family && c.remark.is_none()
        })
        .filter_map(|(name, c)| Some((name.as_str(), c, how_soon(c, window_ms)?)))
        .collect();
    fit.sort_by_key(|(name, c, _)| (c.storage_per_gb_month, *name));
    let here = prices.name_of(storage_class);
    let named: Vec<String> =
        fit.iter().take(2).map(|(name, _, soon)| format!("{} ({soon})", prices.name_of(name))).collect();
    if named.is_empty() {
        return format!("No class that the price list knows beside {here} would have been quick enough.");
    }
    let first =
        oldest_days.map_or_else(|| "for longer".to_owned(), |d| format!("for their first {} days", d.max(0) + 1));
    format!(
        "What would have allowed it: a lifecycle rule that keeps recordings {first} in {}, and only then in {here}. It can be made for \
         recordings to come; it does not make these faster.",
        named.join(" or ")
    )
}

/// How soon a class answers, where it does within `window_ms`.
fn how_soon(class: &ClassPrices, window_ms: u64) -> Option<String> {
    let mut speeds = class.speeds().peekable();
    if speeds.peek().is_none() {
        return class.storage_per_gb_month.map(|_| "readable at once".to_owned());
    }
    speeds
        .filter_map(|(speed, p)| Some((p.worst_minutes?.saturating_mul(60_000), speed)))
        .filter(|(worst, _)| *worst <= window_ms)
        .min()
        .map(|(worst, speed)| {
            format!(
                "{} retrieval within {}",
                words::capitalised(words::speed_word(speed)),
                words::human_duration(worst)
            )
        })
}
