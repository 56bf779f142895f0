//! The one TOML configuration: defaults < file < environment < flags. Secrets never stand in it.

mod check;
mod cloud;
mod describe;
mod layers;
mod notify;
mod provision;

pub use cloud::*;
pub(crate) use describe::describe;
pub use describe::schema;
pub use layers::{LoadedConfig, Problem, check, load};
pub use notify::*;
pub use provision::*;

use holdfast_model::{RehydrationSpeed, RetentionPolicy};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, path::PathBuf};

/// Everything that can be set. Every field has a default; an unknown field is an error with its line.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Who acts.
    pub person: PersonConfig,
    /// The archive.
    pub archive: ArchiveConfig,
    /// How long things are kept.
    pub retention: RetentionConfig,
    /// What people may do and see.
    pub policy: PolicyConfig,
    /// Where retrieved recordings and packages go.
    pub desk: DeskConfig,
    /// The headless archiver.
    pub archiver: ArchiverConfig,
    /// Where the ledger's keys are kept.
    pub keys: KeysConfig,
    /// `holdfast serve`.
    pub serve: ServeConfig,
    /// What keeps index, work and the ledger's head.
    pub index: IndexConfig,
    /// How Amazon's services are spoken to.
    pub aws: AwsConfig,
    /// How Azure is spoken to.
    pub azure: AzureConfig,
    /// The way to the network.
    pub network: NetworkConfig,
    /// Who is told when recordings are here.
    pub notify: NotifyConfig,
    /// The cloud side of the archive as `holdfast provision` makes it.
    pub provision: ProvisionConfig,
}

/// Who acts, as it is written into the ledger.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PersonConfig {
    /// Name of the person; the operating system's account where empty.
    pub name: String,
    /// Role: `legal`, `qa`, `admin`, or your own word.
    pub role: String,
}

impl Default for PersonConfig {
    fn default() -> Self {
        Self { name: String::new(), role: "legal".into() }
    }
}

/// The archive: where recordings lie and how cold ones come back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ArchiveConfig {
    /// Where recordings lie: `local`, `s3` or `azure`.
    pub backend: StoreBackend,
    /// The archive in Amazon S3.
    pub s3: S3Section,
    /// The archive in Azure Blob Storage.
    pub azure: AzureSection,
    /// Folder of a local archive; `archive` in the home folder where empty.
    pub folder: PathBuf,
    /// Recordings whose interaction ended more than this many days before they are taken in go to the cold tier. Absent:
    /// everything stays hot.
    pub cold_after_days: Option<u32>,
    /// Residency regions that may be stored here; a recording of another region is refused and set aside. Absent: any.
    pub regions: Option<Vec<String>>,
    /// How long a local archive's cold tier takes, by speed.
    pub rehydration: BTreeMap<Speed, SpeedConfig>,
    /// How many days a copy that was brought back stays.
    pub keep_days: u16,
}

/// A rehydration speed, as written in the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Speed {
    /// Fastest, dearest.
    Expedited,
    /// The usual one.
    Standard,
    /// Slowest, cheapest.
    Bulk,
}

impl From<Speed> for RehydrationSpeed {
    fn from(s: Speed) -> Self {
        match s {
            Speed::Expedited => Self::Expedited,
            Speed::Standard => Self::Standard,
            Speed::Bulk => Self::Bulk,
        }
    }
}

/// How long one speed takes.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SpeedConfig {
    /// Usual time in seconds.
    pub expected_s: u64,
    /// Time not exceeded, in seconds.
    pub worst_s: u64,
}

impl Default for ArchiveConfig {
    fn default() -> Self {
        let speed = |expected_s, worst_s| SpeedConfig { expected_s, worst_s };
        Self {
            backend: StoreBackend::default(),
            s3: S3Section::default(),
            azure: AzureSection::default(),
            folder: PathBuf::new(),
            cold_after_days: None,
            regions: None,
            rehydration: BTreeMap::from([
                (Speed::Expedited, speed(60, 300)),
                (Speed::Standard, speed(900, 1_800)),
                (Speed::Bulk, speed(3_600, 7_200)),
            ]),
            keep_days: 7,
        }
    }
}

/// Retention classes and rules, in this file.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RetentionConfig {
    /// Classes and rules; seven years under GOVERNANCE for everything where absent.
    #[schemars(with = "Option<serde_json::Value>")]
    pub policy: Option<RetentionPolicy>,
}

/// When playing asks for a reason.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReasonPolicy {
    /// Always.
    Always,
    /// Only for recordings under a legal hold or in a matter.
    #[default]
    Matters,
    /// Never.
    Never,
}

/// What people may do and see.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PolicyConfig {
    /// When playing asks for a reason.
    pub play_reason: ReasonPolicy,
    /// Whether customers' identifiers and names are masked in lists and reports.
    pub mask_customers: bool,
    /// Seconds by which the declared length (less the pauses) may differ from the measured one.
    pub truncation_threshold_s: f64,
}

impl Default for PolicyConfig {
    fn default() -> Self {
        Self { play_reason: ReasonPolicy::default(), mask_customers: false, truncation_threshold_s: 2.0 }
    }
}

/// Where retrieved recordings and packages go, and what bringing back costs.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DeskConfig {
    /// Folder of verified copies; `desk` in the home folder where empty.
    pub folder: PathBuf,
    /// A price list that replaces the built-in one.
    pub prices: Option<PathBuf>,
}

/// The headless archiver.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ArchiverConfig {
    /// Organisation of recordings whose metadata names none.
    pub organisation: String,
    /// How many recordings are worked on at once; 0 chooses by the machine.
    pub parallel: usize,
    /// Seconds between two looks at the sources in `archiver run`.
    pub interval_s: u64,
    /// Sources of `archiver run`.
    pub sources: Vec<SourceConfig>,
}

impl Default for ArchiverConfig {
    fn default() -> Self {
        Self { organisation: "local".into(), parallel: 0, interval_s: 60, sources: Vec::new() }
    }
}

/// One source: a drop folder or an export bucket's layout on disk.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SourceConfig {
    /// Name, stands in manifests.
    pub name: String,
    /// Folder.
    pub folder: PathBuf,
    /// Mapping file, for metadata that is not canonical.
    #[serde(default)]
    pub mapping: Option<PathBuf>,
    /// Seconds for which a file must not have changed.
    #[serde(default = "two_minutes")]
    pub stable_s: u64,
    /// Organisation, where not the archiver's.
    #[serde(default)]
    pub organisation: Option<String>,
}

fn two_minutes() -> u64 {
    120
}

/// Where the ledger's keys are kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum KeyPlace {
    /// The operating system's keyring where there is one, else a file that only this account can read.
    #[default]
    Auto,
    /// The keyring, or refuse.
    Keyring,
    /// A file that only this account can read.
    File,
}

/// Where the ledger's keys are kept. Decided when a home folder is made; later changes do not move them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct KeysConfig {
    /// `auto`: the operating system's keyring where one answers, else a key file; `keyring`; `file`.
    pub place: KeyPlace,
}

/// `holdfast serve`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ServeConfig {
    /// Port on 127.0.0.1; 0 takes a free one.
    pub port: u16,
}
