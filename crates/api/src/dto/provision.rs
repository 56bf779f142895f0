use super::dto;

dto! {
    /// One difference between the cloud side as it must be and as it is.
    pub struct ProvisionEntry {
        /// Where, e.g. `bucket acme-media`.
        pub place: String,
        /// Which setting, by a stable name such as `object_lock`.
        pub setting: String,
        /// `missing` and `drifted`: apply mends it; `barred`: cannot be changed any more, or only by a person; `remark`: nothing is to be
        /// done.
        pub kind: String,
        /// What is there; empty where nothing is.
        pub found: String,
        /// What is wanted.
        pub wanted: String,
        /// A sentence: what will be done, or why nothing can be.
        pub words: String,
    }

    /// What differs. Making it changed nothing.
    pub struct ProvisionPlan {
        /// In the order in which they are mended.
        pub entries: Vec<ProvisionEntry>,
        /// How many apply would mend.
        pub to_do: u32,
        /// How many only a person can mend.
        pub barred: u32,
        /// What must be typed for apply: the name of the place of recordings.
        pub confirm: String,
    }

    /// Makes the cloud side as it must be.
    #[serde(deny_unknown_fields)]
    pub struct ProvisionApplyRequest {
        /// The plan's `confirm`, as typed by a person.
        pub confirm: String,
    }

    /// What was mended, and what is left.
    pub struct ProvisionApplied {
        /// In order.
        pub done: Vec<ProvisionEntry>,
        /// As looked at afterwards.
        pub left: ProvisionPlan,
    }

    /// Files for those who review infrastructure in their own way.
    pub struct ProvisionDocuments {
        /// Each with its name.
        pub documents: Vec<ProvisionDocument>,
    }

    /// One of them.
    pub struct ProvisionDocument {
        /// File name.
        pub name: String,
        /// Text.
        pub text: String,
    }

    /// What preflight found.
    pub struct PreflightReport {
        /// In the order in which they were done.
        pub checks: Vec<PreflightCheck>,
        /// Whether every check that applies passed.
        pub green: bool,
        /// How many passed.
        pub passed: u32,
        /// How many failed.
        pub failed: u32,
        /// How many do not apply, or could not be tried.
        pub skipped: u32,
        /// What the names of everything that it wrote start with.
        pub probes: String,
        /// Whether it was stopped before its end.
        pub stopped: bool,
    }

    /// One check.
    pub struct PreflightCheck {
        /// A stable code such as `preflight.object_lock`.
        pub code: String,
        /// What it proves.
        pub title: String,
        /// Where; empty where it is about no place.
        pub place: String,
        /// `passed`, `failed`, `skipped`.
        pub outcome: String,
        /// What was found, as a sentence.
        pub says: String,
        /// The missing right or setting by the provider's own name.
        pub missing: Option<String>,
        /// What to do, as a sentence.
        pub next: Option<String>,
        /// Time taken.
        #[ts(type = "number")]
        pub elapsed_ms: u64,
    }
}
