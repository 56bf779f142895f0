use holdfast_model::StorageTier;
use jiff::{Span, Timestamp, tz::TimeZone};
use std::{num::NonZero, path::PathBuf};

/// The detail of an accession's outcome that states the SHA-256 of the manifest.
pub const ACCESSION_MANIFEST_DETAIL: &str = "manifest_sha256";

/// The named steps of ingest, in order: a test stops the process at each of them.
pub const STEPS: [&str; 15] = [
    "ingest.run_started",
    "ingest.discovered",
    "ingest.intended",
    "ingest.probed",
    "ingest.stored",
    "ingest.read_back",
    "ingest.payload",
    "ingest.text",
    "ingest.manifest",
    "ingest.kept",
    "ingest.outcome",
    "ingest.catalogued",
    "ingest.archived",
    "ingest.run_ended",
    "ingest.resolved",
];

/// How the archiver works.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Which recordings go straight into a cold tier.
    pub tiers: TierPolicy,
    /// How far measured and expected length may lie apart, in milliseconds.
    pub truncation_threshold_ms: u64,
    /// Large recordings in the works at once; eight times as many small ones (up to 2 MiB).
    pub parallel: usize,
    /// How long another process leaves an item alone that a process holds whose end cannot be seen (on another machine).
    pub lease_ms: u64,
    /// How often an item may fail before it is put aside as a dead letter.
    pub attempts: u32,
    /// Residency regions that may be stored here; none for any. A recording without a region is allowed everywhere.
    pub regions: Option<Vec<String>>,
    /// Where a recording is staged that does not come from a local file.
    pub staging: PathBuf,
}

impl Default for Settings {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(2, NonZero::get);
        Self {
            tiers: TierPolicy::default(),
            truncation_threshold_ms: 2_000,
            parallel: (2 * cores).max(4),
            lease_ms: 10 * 60 * 1_000,
            attempts: 3,
            regions: None,
            staging: std::env::temp_dir(),
        }
    }
}

/// Which recordings go straight into a cold tier.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TierPolicy {
    /// Those whose interaction ended so many days ago or more; none for no recording.
    pub cold_after_days: Option<u32>,
}

impl TierPolicy {
    /// The tier for an interaction that ended at `end`.
    #[must_use]
    pub fn tier(&self, end: Timestamp, now: Timestamp) -> StorageTier {
        let cold = self.cold_after_days.and_then(|days| {
            let days = Span::new().try_days(i64::from(days)).ok()?;
            let limit = now.to_zoned(TimeZone::UTC).checked_sub(days).ok()?;
            Some(end <= limit.timestamp())
        });
        if cold == Some(true) { StorageTier::Cold } else { StorageTier::Hot }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn age_decides_the_tier() {
        let t = |s: &str| s.parse::<Timestamp>().unwrap();
        let now = t("2026-01-31T12:00:00Z");
        let policy = TierPolicy { cold_after_days: Some(30) };
        assert_eq!(policy.tier(t("2026-01-01T12:00:00Z"), now), StorageTier::Cold);
        assert_eq!(policy.tier(t("2026-01-01T12:00:01Z"), now), StorageTier::Hot);
        assert_eq!(policy.tier(t("2027-01-01T00:00:00Z"), now), StorageTier::Hot);
        assert_eq!(TierPolicy::default().tier(t("1990-01-01T00:00:00Z"), now), StorageTier::Hot);
        assert_eq!(TierPolicy { cold_after_days: Some(u32::MAX) }.tier(now, now), StorageTier::Hot);
    }
}
