use super::dto;

dto! {
    /// No arguments.
    #[derive(Default)]
    #[serde(default, deny_unknown_fields)]
    pub struct Nothing {}

    /// What this installation is and how it is.
    pub struct Status {
        /// Version.
        pub version: String,
        /// Home folder.
        pub home: String,
        /// Who acts, as it is written into the ledger.
        pub person: String,
        /// In what role.
        pub role: String,
        /// Who this is towards the clouds; null where they do not say, or none is used.
        pub cloud_identity: Option<String>,
        /// Where recordings lie: `local`, `s3`, `azure`.
        pub archive: String,
        /// What keeps index, work and ledger: `sqlite`, `dynamodb`.
        pub index: String,
        /// Why the archive could not be reached when this was opened; null where it could.
        pub trouble: Option<String>,
        /// Recordings in the index.
        #[ts(type = "number")]
        pub recordings: u64,
        /// Entries in the ledger.
        #[ts(type = "number")]
        pub ledger_entries: u64,
        /// Open matters.
        pub open_matters: u32,
        /// Items in quarantine.
        #[ts(type = "number")]
        pub quarantined: u64,
        /// Where the keys are, in a clear sentence.
        pub keys: String,
        /// `keyring` or `file`.
        pub keys_in: String,
        /// Public key of the ledger, hexadecimal.
        pub ledger_key: String,
        /// Fingerprint of that key (its SHA-256), hexadecimal: what people compare.
        #[serde(default)]
        pub ledger_key_fingerprint: String,
        /// The ledger's name.
        pub ledger_id: String,
        /// Whether this is the demonstration archive.
        pub demo: bool,
        /// Whether `ffmpeg` is there for formats that need it.
        pub ffmpeg: bool,
    }

    /// Settings as they are in force.
    pub struct SettingsView {
        /// The configuration file, where there is one.
        pub file: Option<String>,
        /// Setting, value in force, where it comes from (`default`, `file`, `environment`, `flag`).
        pub values: Vec<SettingValue>,
        /// What is wrong with the file.
        pub problems: Vec<ConfigProblem>,
    }

    /// One setting.
    pub struct SettingValue {
        /// Dotted name.
        pub name: String,
        /// Value; secrets are never here.
        pub value: String,
        /// Where it comes from.
        pub from: String,
        /// What it does.
        pub meaning: String,
    }

    /// Something wrong in the configuration.
    pub struct ConfigProblem {
        /// Line, from 1; 0 where it is about no line.
        pub line: u32,
        /// Column, from 1.
        pub column: u32,
        /// A sentence.
        pub message: String,
    }

    /// Result of checking the ledger.
    pub struct LedgerReportView {
        /// `verified`, `verified_with_remarks`, `failed`.
        pub outcome: String,
        /// Entries checked.
        #[ts(type = "number")]
        pub entries: u64,
        /// What is wrong.
        pub findings: Vec<super::FindingView>,
        /// Time taken.
        #[ts(type = "number")]
        pub elapsed_ms: u64,
    }

    /// Asks for ledger entries.
    #[derive(Default)]
    #[serde(default, deny_unknown_fields)]
    pub struct LedgerShowRequest {
        /// First sequence; the last `limit` where absent.
        #[ts(type = "number | null")]
        pub from: Option<u64>,
        /// How many at most, 1 to 1000; 50 where absent.
        pub limit: Option<u32>,
        /// Only those about this recording.
        pub id: Option<String>,
        /// Only those of this matter.
        pub matter: Option<String>,
    }

    /// Ledger entries.
    pub struct LedgerEntries {
        /// In order.
        pub entries: Vec<super::CustodyRow>,
        /// Entries in all.
        #[ts(type = "number")]
        pub size: u64,
    }

    /// The newest signed checkpoint.
    pub struct CheckpointView {
        /// The signed note.
        pub text: String,
        /// Entries it covers.
        #[ts(type = "number")]
        pub size: u64,
        /// Root of the tree, hexadecimal.
        pub root: String,
        /// Public key to check it with, hexadecimal.
        pub key: String,
        /// Fingerprint of that key (its SHA-256), hexadecimal: what people compare.
        #[serde(default)]
        pub key_fingerprint: String,
    }

    /// The format in which the ledger's entries are written from now on.
    pub struct LedgerUpgraded {
        /// The format, e.g. `holdfast-event/2`.
        pub format: String,
        /// The entry that records the upgrade; none where the format was in use already.
        #[ts(type = "number | null")]
        pub entry: Option<u64>,
    }

    /// Result of asking the storage where recordings lie.
    pub struct RefreshView {
        /// Recordings looked at.
        #[ts(type = "number")]
        pub looked_at: u64,
        /// Those that lie elsewhere, or are more or less readable, than the index said.
        #[ts(type = "number")]
        pub changed: u64,
        /// Those whose bytes are not there.
        #[ts(type = "number")]
        pub missing: u64,
    }

    /// Result of rebuilding or checking the index.
    pub struct IndexReport {
        /// Rows in the index.
        #[ts(type = "number")]
        pub rows: u64,
        /// Manifests read.
        #[ts(type = "number")]
        pub manifests: u64,
        /// Manifests without a row.
        #[ts(type = "number")]
        pub missing: u64,
        /// Rows without a manifest.
        #[ts(type = "number")]
        pub surplus: u64,
        /// Rows that differ from their manifest.
        #[ts(type = "number")]
        pub different: u64,
        /// Manifests of accessions that were announced and not concluded; the archiver's next run goes on with them.
        #[ts(type = "number")]
        pub unfinished: u64,
        /// Manifests that contradict the ledger or cannot be understood.
        #[ts(type = "number")]
        pub damaged: u64,
        /// Findings, at most 100.
        pub findings: Vec<super::FindingView>,
    }

    /// Tells what is happening; sent to everyone who listens.
    #[serde(tag = "event")]
    pub enum ApiEvent {
        /// Something longer than a second goes on. Where `done` reaches `total`, a stage is over; `total` 0 ends the task.
        Progress {
            /// Names the task, e.g. `ingest`, `export:M-…`, `ledger_verify`.
            task: String,
            /// For people.
            stage: String,
            /// Done.
            #[ts(type = "number")]
            done: u64,
            /// In all, where known.
            #[ts(type = "number | null")]
            total: Option<u64>,
            /// Unit.
            unit: String,
            /// Estimated time left.
            #[ts(type = "number | null")]
            left_ms: Option<u64>,
        },
        /// A job changed its state.
        Job {
            /// The job.
            job: super::JobView,
        },
        /// A matter's retrieval came to its end.
        MatterReady {
            /// Matter.
            matter_id: String,
            /// Recordings verified.
            verified: u32,
            /// Recordings failed.
            failed: u32,
        },
    }

    /// Names a task that is to stop.
    #[serde(deny_unknown_fields)]
    pub struct CancelRequest {
        /// As in `Progress.task`.
        pub task: String,
    }

    /// Whether there was something to stop.
    pub struct Cancelled {
        /// True where a running task was told to stop.
        pub stopped: bool,
    }
}
