use super::dto;

dto! {
    /// Takes in a folder or export bucket layout.
    #[serde(deny_unknown_fields)]
    pub struct IngestRequest {
        /// Folder on this machine.
        pub path: String,
        /// Mapping file, for metadata that is not canonical.
        #[serde(default)]
        #[ts(optional)]
        pub mapping: Option<String>,
    }

    /// What a run of the archiver did. The sum is checked: discovered = archived + already + quarantined + awaiting + explained + failed.
    pub struct IngestSummary {
        /// Run.
        pub run_id: String,
        /// Recordings the source reports.
        #[ts(type = "number")]
        pub discovered: u64,
        /// Archived by this run.
        #[ts(type = "number")]
        pub archived: u64,
        /// Were archived before, byte for byte the same.
        #[ts(type = "number")]
        pub already: u64,
        /// In quarantine, with a reason.
        #[ts(type = "number")]
        pub quarantined: u64,
        /// Not ready yet; looked at again later.
        #[ts(type = "number")]
        pub awaiting: u64,
        /// Explained (no recording was to be expected).
        #[ts(type = "number")]
        pub explained: u64,
        /// Given up for now after a fault; the next run goes on.
        #[ts(type = "number")]
        pub failed: u64,
        /// Bytes archived.
        #[ts(type = "number")]
        pub bytes: u64,
        /// Whether the sum holds.
        pub complete: bool,
        /// Time taken.
        #[ts(type = "number")]
        pub elapsed_ms: u64,
        /// The fault that ended it or that items failed with, and what to do, for people.
        pub problem: Option<String>,
    }

    /// Health of the archiver.
    pub struct ArchiverStatus {
        /// Recordings archived in all.
        #[ts(type = "number")]
        pub archived: u64,
        /// By state of the items that are not archived: state and count.
        pub open: Vec<StateCount>,
        /// Runs, newest first, at most 20.
        pub runs: Vec<RunView>,
        /// Configured sources.
        pub sources: Vec<SourceView>,
    }

    /// A state and how many are in it.
    pub struct StateCount {
        /// State.
        pub state: String,
        /// Items.
        #[ts(type = "number")]
        pub count: u64,
    }

    /// A run.
    pub struct RunView {
        /// When it began.
        pub started_at: String,
        /// When it ended; null where it is under way or was broken off.
        pub ended_at: Option<String>,
        /// Source.
        pub source: String,
        /// Whether a process works on it now.
        pub running: bool,
        /// What it did.
        pub summary: IngestSummary,
    }

    /// A configured source.
    pub struct SourceView {
        /// Name.
        pub name: String,
        /// Kind, e.g. `folder`.
        pub kind: String,
        /// Where.
        pub place: String,
    }

    /// One item in quarantine.
    pub struct QuarantineItem {
        /// Names it in further calls.
        pub id: String,
        /// Source.
        pub source: String,
        /// The item's name at the source.
        pub item: String,
        /// Stable reason, e.g. `truncation_detected`.
        pub reason: String,
        /// A sentence for people.
        pub sentence: String,
        /// What should be.
        pub expected: Option<String>,
        /// What is.
        pub found: Option<String>,
        /// Since when.
        pub since: String,
        /// Where its bytes and metadata are kept.
        pub kept_at: Option<String>,
        /// `quarantined`, `dead_lettered` (failed too often), `resolved`.
        pub state: String,
        /// What was decided, by whom and why.
        pub resolution: Option<String>,
    }

    /// Items in quarantine.
    pub struct QuarantineList {
        /// Newest first.
        pub items: Vec<QuarantineItem>,
    }

    /// Names an item in quarantine.
    #[serde(deny_unknown_fields)]
    pub struct QuarantineRequest {
        /// Id.
        pub id: String,
    }

    /// Decides on an item in quarantine.
    #[serde(deny_unknown_fields)]
    pub struct QuarantineResolveRequest {
        /// Id.
        pub id: String,
        /// `retry` (the source was mended), `accept` (archive as it is, marked), `explain` (there is nothing to archive).
        pub decision: String,
        /// Why; stands in the ledger.
        pub reason: String,
    }
}
