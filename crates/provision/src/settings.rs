use holdfast_model::ImmutabilityMode;

/// What a bucket puts on objects that come without a retention of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DefaultRetention {
    /// How firmly.
    pub mode: ImmutabilityMode,
    /// For how many days.
    pub days: u32,
}

impl Default for DefaultRetention {
    /// A year under GOVERNANCE. The archiver puts each recording's own, longer retention on it in the same write.
    fn default() -> Self {
        Self { mode: ImmutabilityMode::Governance, days: 365 }
    }
}

/// When recordings move to cheaper tiers. Nothing else ever moves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lifecycle {
    /// Days until a recording goes to the class that is cheaper and still online; never where absent.
    pub cool_after_days: Option<u32>,
    /// That class: `GLACIER_IR` or `STANDARD_IA`; `Cool` or `Cold` on Azure. The provider's usual one where absent.
    pub cool_class: Option<String>,
    /// Days until it goes to the class that must be rehydrated; never where absent.
    pub cold_after_days: Option<u32>,
    /// That class: `DEEP_ARCHIVE` or `GLACIER`; `Archive` on Azure. The provider's coldest where absent.
    pub cold_class: Option<String>,
    /// Days until a recording's earlier versions follow to the cold class. They are never expired.
    pub noncurrent_after_days: u32,
    /// Days until what was uploaded of an unfinished upload is dropped.
    pub abort_uploads_after_days: u32,
    /// Days until rehydrated copies are dropped (Azure, where they are objects of their own).
    pub rehydrated_copies_days: u32,
}

impl Default for Lifecycle {
    /// 30 days, then online and cheaper; 120 days, then cold: so that the 90 days that Glacier Instant Retrieval bills at least
    /// are over. Both clouds bill their coldest class for 180 days at least.
    fn default() -> Self {
        Self {
            cool_after_days: Some(30),
            cool_class: None,
            cold_after_days: Some(120),
            cold_class: None,
            noncurrent_after_days: 30,
            abort_uploads_after_days: 7,
            rehydrated_copies_days: 14,
        }
    }
}

/// Where every object and delete marker is copied to (S3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replication {
    /// ARN of the role that copies.
    pub role_arn: String,
    /// Destination bucket of media.
    pub media_bucket: String,
    /// Destination bucket of metadata.
    pub meta_bucket: String,
    /// Destination bucket of what was set aside; it is not copied where absent.
    pub quarantine_bucket: Option<String>,
    /// ARN of the key in the destination's region; needed where a key is configured.
    pub kms_key: Option<String>,
    /// Account that owns the destination, where another.
    pub account: Option<String>,
}

/// Who may take each role: ARNs on AWS, object ids on Azure. A role without principals is emitted as a policy only.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Principals {
    /// Legal staff and QA managers: read, rehydrate, hold.
    pub reader: Vec<String>,
    /// The archiver: create, read back, retention.
    pub archiver: Vec<String>,
    /// Who runs `holdfast provision`.
    pub admin: Vec<String>,
}
