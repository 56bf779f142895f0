//! The one table of commands: from it come `dispatch` (window and gateway) and the TypeScript interface of the UI. A command
//! that nobody implements does not compile.

use crate::{ApiError, Caller, Holdfast, dto::*};
use serde_json::Value;

macro_rules! commands {
    ($($(#[doc = $doc:literal])+ $name:ident($request:ty) -> $answer:ty;)+) => {
        impl Holdfast {
            /// Runs the command of that name for `caller`; arguments and answer are JSON.
            ///
            /// # Errors
            /// `api.unknown_command`, `api.bad_request` with what does not fit, or the command's own error.
            pub async fn dispatch(&self, caller: &Caller, command: &str, arguments: Value) -> Result<Value, ApiError> {
                match command {
                    $(stringify!($name) => {
                        let request: $request =
                            serde_json::from_value(arguments).map_err(|e| ApiError::bad_request(command, &e))?;
                        let answer: $answer = self.$name(caller, request).await?;
                        serde_json::to_value(answer).map_err(|e| ApiError::internal(&e))
                    })+
                    _ => Err(ApiError::unknown_command(command)),
                }
            }
        }

        /// The names of all commands.
        pub const COMMANDS: &[&str] = &[$(stringify!($name)),+];

        /// The UI's TypeScript: every DTO and an interface `Commands` from command to request and answer.
        #[must_use]
        pub fn typescript() -> String {
            use ts_rs::TS as _;
            let mut types = crate::bindings::Types::default();
            let mut interface = String::from("export interface Commands {\n");
            $(
                types.visit::<$request>();
                types.visit::<$answer>();
                $(interface.push_str(concat!("  /**", $doc, " */\n"));)+
                interface.push_str(&format!("  {}: {{ request: {}; answer: {} }};\n", stringify!($name),
                    <$request>::name(&types.config), <$answer>::name(&types.config)));
            )+
            interface.push_str("}\n");
            types.visit::<ApiEvent>();
            types.visit::<ApiError>();
            types.render(&interface)
        }
    };
}

commands! {
    /// What this installation is and how it is.
    status(Nothing) -> Status;
    /// Searches the index.
    search(SearchRequest) -> SearchPage;
    /// All there is to know of one recording.
    recording(RecordingRequest) -> RecordingDetail;
    /// Verifies an archived recording, a file against the archive, or a package.
    verify(VerifyRequest) -> VerificationView;
    /// Opens a matter.
    matter_create(MatterCreateRequest) -> MatterCreated;
    /// Adds recordings to a matter.
    matter_add(MatterAddRequest) -> MatterAdded;
    /// All matters, the next deadline first.
    matters(Nothing) -> Vec<MatterView>;
    /// A matter with its recordings, plan and packages.
    matter(MatterRequest) -> MatterDetail;
    /// Closes a matter.
    matter_close(MatterCloseRequest) -> MatterView;
    /// Sets or lifts a matter's hold.
    hold(HoldRequest) -> MatterView;
    /// Makes a plan; nothing is spent.
    plan(PlanRequest) -> PlanView;
    /// Approves a plan and starts it.
    retrieve(RetrieveRequest) -> RetrieveResult;
    /// Recordings on their way back.
    jobs(JobsRequest) -> JobList;
    /// Stops a retrieval.
    job_cancel(JobCancelRequest) -> JobList;
    /// Exports an evidence package.
    export(ExportRequest) -> ExportView;
    /// Begins a playback.
    play(PlayRequest) -> PlaySession;
    /// Steers a playback.
    player(PlayerRequest) -> PlayerState;
    /// Peaks for drawing a waveform.
    waveform(WaveformRequest) -> Waveform;
    /// Takes in a folder.
    ingest(IngestRequest) -> IngestSummary;
    /// Health of the archiver.
    archiver_status(Nothing) -> ArchiverStatus;
    /// What keeping the archive costs.
    costs(CostsRequest) -> CostsAnswer;
    /// The last cost report as a file's text.
    costs_file(CostsFileRequest) -> CostsFile;
    /// Items in quarantine.
    quarantine_list(Nothing) -> QuarantineList;
    /// One item in quarantine.
    quarantine_show(QuarantineRequest) -> QuarantineItem;
    /// Decides on an item in quarantine.
    quarantine_resolve(QuarantineResolveRequest) -> QuarantineItem;
    /// Checks the whole ledger.
    ledger_verify(Nothing) -> LedgerReportView;
    /// Shows ledger entries.
    ledger_show(LedgerShowRequest) -> LedgerEntries;
    /// The newest signed checkpoint.
    ledger_checkpoint(Nothing) -> CheckpointView;
    /// Has entries written in the newest format from now on.
    ledger_upgrade(Nothing) -> LedgerUpgraded;
    /// Compares the index with the manifests.
    index_check(Nothing) -> IndexReport;
    /// Rebuilds the index from the manifests.
    index_rebuild(Nothing) -> IndexReport;
    /// Asks the storage where recordings lie now, and tells the index.
    index_refresh(Nothing) -> RefreshView;
    /// Settings as they are in force.
    settings(Nothing) -> SettingsView;
    /// Makes links that lapse, each in the ledger.
    link_make(LinkRequest) -> LinkList;
    /// Credentials that a person can enter; never their values.
    credentials(Nothing) -> CredentialList;
    /// Enters a credential; it goes into the keyring.
    credential_set(CredentialSetRequest) -> CredentialList;
    /// Takes a credential out of the keyring.
    credential_clear(CredentialClearRequest) -> CredentialList;
    /// What was told to people elsewhere, and what is still to be told.
    notifications(Nothing) -> NotificationList;
    /// A trial over every channel for notifications.
    notify_test(Nothing) -> NotifyTest;
    /// What differs between the cloud side as it must be and as it is.
    provision_plan(Nothing) -> ProvisionPlan;
    /// Makes the cloud side as it must be.
    provision_apply(ProvisionApplyRequest) -> ProvisionApplied;
    /// The cloud side as files for those who review infrastructure.
    provision_emit(Nothing) -> ProvisionDocuments;
    /// Proves the store by acting.
    preflight(Nothing) -> PreflightReport;
    /// Stops a task.
    cancel(CancelRequest) -> Cancelled;
}
