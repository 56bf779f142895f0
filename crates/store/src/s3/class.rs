//! What S3's storage classes mean. Times are those of "Archive retrieval options" in the Amazon S3 User Guide, as of November 2026.

use crate::RehydrationOption;
use aws_sdk_s3::types::{ArchiveStatus, Tier};
use holdfast_model::{RehydrationSpeed, StorageTier};
use std::time::Duration;

pub(super) const STANDARD: &str = "STANDARD";
pub(super) const INTELLIGENT_TIERING: &str = "INTELLIGENT_TIERING";
/// What Intelligent-Tiering put into its Archive Access tier. S3 has no name for the two together; class and tier are both its own.
pub(super) const ARCHIVE_ACCESS: &str = "INTELLIGENT_TIERING/ARCHIVE_ACCESS";
/// The same for its Deep Archive Access tier.
pub(super) const DEEP_ARCHIVE_ACCESS: &str = "INTELLIGENT_TIERING/DEEP_ARCHIVE_ACCESS";

/// The class as it is told to callers. `None` for the class is how HEAD says STANDARD.
pub(super) fn name(class: Option<&str>, archived: Option<&ArchiveStatus>) -> String {
    match (class.unwrap_or(STANDARD), archived) {
        (INTELLIGENT_TIERING, Some(ArchiveStatus::ArchiveAccess)) => ARCHIVE_ACCESS,
        (INTELLIGENT_TIERING, Some(ArchiveStatus::DeepArchiveAccess)) => DEEP_ARCHIVE_ACCESS,
        (class, _) => class,
    }
    .to_owned()
}

/// How far away a class is. A class that isn't known reads at once until a read says otherwise.
pub(super) fn tier(class: &str) -> StorageTier {
    match class {
        "STANDARD_IA" | "ONEZONE_IA" | "GLACIER_IR" => StorageTier::Cool,
        "GLACIER" | ARCHIVE_ACCESS => StorageTier::Cold,
        "DEEP_ARCHIVE" | DEEP_ARCHIVE_ACCESS => StorageTier::DeepCold,
        _ => StorageTier::Hot,
    }
}

/// Whether what is brought back is a copy that lapses. From Intelligent-Tiering the object itself moves, and stays.
pub(super) fn gives_a_copy(class: &str) -> bool {
    matches!(class, "GLACIER" | "DEEP_ARCHIVE")
}

/// What can be asked for, fastest first. S3 says what is typical, not what is certain: the worst is its upper figure with room
/// for Expedited (objects of many GB come at about 300 MB/s), and its "within" where it says so.
pub(super) fn options(class: &str) -> Vec<RehydrationOption> {
    use RehydrationSpeed::{Bulk, Expedited, Standard};
    let option = |speed, expected_min: u64, worst_min: u64| RehydrationOption {
        speed,
        expected: Duration::from_secs(expected_min * 60),
        worst: Duration::from_secs(worst_min * 60),
    };
    match tier(class) {
        StorageTier::Cold => vec![option(Expedited, 5, 30), option(Standard, 240, 300), option(Bulk, 480, 720)],
        StorageTier::DeepCold => vec![option(Standard, 720, 720), option(Bulk, 2_880, 2_880)],
        StorageTier::Hot | StorageTier::Cool => Vec::new(),
    }
}

/// S3's own name of a speed.
pub(super) fn sdk_tier(speed: RehydrationSpeed) -> Tier {
    match speed {
        RehydrationSpeed::Expedited => Tier::Expedited,
        RehydrationSpeed::Standard => Tier::Standard,
        RehydrationSpeed::Bulk => Tier::Bulk,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deep_classes_have_no_expedited_and_online_classes_nothing() {
        for (class, speeds) in [
            ("GLACIER", 3),
            (ARCHIVE_ACCESS, 3),
            ("DEEP_ARCHIVE", 2),
            (DEEP_ARCHIVE_ACCESS, 2),
            ("GLACIER_IR", 0),
            ("STANDARD", 0),
            ("INTELLIGENT_TIERING", 0),
        ] {
            let options = options(class);
            assert_eq!(options.len(), speeds, "{class}");
            assert!(options.is_sorted_by_key(|o| o.expected) && options.iter().all(|o| o.expected <= o.worst));
            assert_eq!(tier(class).needs_rehydration(), speeds > 0);
        }
        assert!(options("DEEP_ARCHIVE").iter().all(|o| o.speed != RehydrationSpeed::Expedited));
    }

    #[test]
    fn an_archived_object_of_intelligent_tiering_says_which_tier() {
        assert_eq!(name(Some("INTELLIGENT_TIERING"), Some(&ArchiveStatus::ArchiveAccess)), ARCHIVE_ACCESS);
        assert_eq!(name(Some("INTELLIGENT_TIERING"), None), INTELLIGENT_TIERING);
        assert_eq!(name(None, None), STANDARD);
    }
}
