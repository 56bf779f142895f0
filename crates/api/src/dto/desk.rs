use super::{FindingView, ResultRow, dto};

dto! {
    /// Opens a matter.
    #[serde(deny_unknown_fields)]
    pub struct MatterCreateRequest {
        /// Name, e.g. `Doe v. Acme`.
        pub name: String,
        /// Court or internal reference, e.g. `24-CV-1182`.
        pub reference: String,
        /// Why recordings are brought back; stands in the ledger.
        pub justification: String,
        /// When they are due (RFC 3339, or a date: its end in UTC).
        pub deadline: String,
        /// Custodian or requester, where it is not the person at the desk.
        #[serde(default)]
        #[ts(optional)]
        pub requester: Option<String>,
        /// Give the same again to make a repeated call harmless.
        #[serde(default)]
        #[ts(optional)]
        pub idempotency: Option<String>,
    }

    /// A new matter.
    pub struct MatterCreated {
        /// Id.
        pub matter_id: String,
    }

    /// Names a matter.
    #[serde(deny_unknown_fields)]
    pub struct MatterRequest {
        /// Id.
        pub matter: String,
    }

    /// Adds recordings to a matter.
    #[serde(deny_unknown_fields)]
    pub struct MatterAddRequest {
        /// Matter.
        pub matter: String,
        /// Archive ids; those already in it are no error.
        pub ids: Vec<String>,
    }

    /// What adding did.
    pub struct MatterAdded {
        /// New in the matter.
        pub added: u32,
        /// Were in it already.
        pub already: u32,
    }

    /// Closes a matter: no more retrievals; holds are lifted only where asked.
    #[serde(deny_unknown_fields)]
    pub struct MatterCloseRequest {
        /// Matter.
        pub matter: String,
        /// Why; stands in the ledger.
        pub reason: String,
        /// Whether to lift this matter's holds.
        #[serde(default)]
        pub release_holds: bool,
    }

    /// Sets or lifts the matter's hold on all its recordings.
    #[serde(deny_unknown_fields)]
    pub struct HoldRequest {
        /// Matter.
        pub matter: String,
        /// Set or lift.
        pub on: bool,
        /// Why; stands in the ledger.
        pub reason: String,
    }

    /// A matter in a list.
    pub struct MatterView {
        /// Id.
        pub matter_id: String,
        /// Name.
        pub name: String,
        /// Reference.
        pub reference: String,
        /// Justification.
        pub justification: String,
        /// Requester.
        pub requester: String,
        /// Deadline.
        pub deadline: String,
        /// `open`, `closed`.
        pub state: String,
        /// Recordings in it.
        pub items: u32,
        /// Of these verified at the desk.
        pub verified: u32,
        /// Of these failed.
        pub failed: u32,
        /// Of these on their way.
        pub under_way: u32,
        /// Whether it holds its recordings.
        pub held: bool,
        /// When it was opened.
        pub created_at: String,
    }

    /// A matter with all that belongs to it.
    pub struct MatterDetail {
        /// As in lists.
        pub matter: MatterView,
        /// Its recordings with where each is in the retrieval.
        pub items: Vec<MatterItemView>,
        /// Its newest plan.
        pub plan: Option<PlanView>,
        /// Packages exported.
        pub exports: Vec<ExportView>,
    }

    /// A recording of a matter.
    pub struct MatterItemView {
        /// The recording.
        pub recording: ResultRow,
        /// Where its retrieval is, where one was started.
        pub job: Option<JobView>,
        /// Exhibit number, e.g. `HF-0001`.
        pub exhibit: String,
    }

    /// Makes a plan; nothing is spent.
    #[serde(deny_unknown_fields)]
    pub struct PlanRequest {
        /// Matter.
        pub matter: String,
        /// Other than the matter's (RFC 3339, or a date).
        #[serde(default)]
        #[ts(optional)]
        pub deadline: Option<String>,
        /// Only these of its recordings.
        #[serde(default)]
        #[ts(optional)]
        pub ids: Option<Vec<String>>,
        /// Choose this speed for all that offer it, rather than the cheapest that meets the deadline.
        #[serde(default)]
        #[ts(optional)]
        pub speed: Option<String>,
    }

    /// What bringing a matter back would cost and take.
    pub struct PlanView {
        /// Id.
        pub plan_id: String,
        /// Matter.
        pub matter_id: String,
        /// Deadline it was made for.
        pub deadline: String,
        /// When it was made; times in it count from the approval, costs from the price list of `prices_dated`.
        pub made_at: String,
        /// Date of the price list.
        pub prices_dated: String,
        /// `proposed`, `approved`, `superseded`.
        pub state: String,
        /// Per recording.
        pub items: Vec<PlanItem>,
        /// In sum.
        pub totals: PlanTotals,
        /// What a person must know before approving.
        pub remarks: Vec<String>,
        /// What cannot be answered by the deadline, each reason once; empty where all can.
        pub refusals: Vec<PlanRefusal>,
        /// What is chosen, by storage class and speed.
        pub mix: Vec<PlanMix>,
        /// Days that copies are asked to stay.
        pub keep_days: u16,
    }

    /// One reason for which the deadline cannot be promised, with all recordings that it holds for.
    pub struct PlanRefusal {
        /// Stable: `plan.class_too_slow`, `plan.not_promised`, `plan.speed_too_slow`, `plan.queue_too_long`, `plan.under_way_too_slow`,
        /// `plan.download_too_slow`, `plan.no_way_back`, `plan.object_missing`, `plan.deadline_past`.
        pub code: String,
        /// The provider's class in which they lie.
        pub storage_class: String,
        /// What people call it.
        pub class_name: String,
        /// For how many recordings.
        pub items: u32,
        /// Why, as a sentence.
        pub reason: String,
        /// What policy would have allowed it, or what to do, as sentences.
        pub advice: String,
        /// The earliest deadline that could be promised for them; null where there is no way at all.
        pub earliest: Option<String>,
    }

    /// What is chosen for the recordings of one class.
    pub struct PlanMix {
        /// The provider's class.
        pub storage_class: String,
        /// The speed; null where nothing is to be asked for.
        pub speed: Option<String>,
        /// Recordings.
        pub items: u32,
        /// Bytes.
        #[ts(type = "number")]
        pub size_bytes: u64,
        /// Cost as a decimal number, six places.
        pub cost: String,
    }

    /// One recording's part of a plan.
    pub struct PlanItem {
        /// Recording.
        pub archive_id: String,
        /// Tier now.
        pub tier: String,
        /// The provider's class.
        pub storage_class: String,
        /// `online`, `rehydrating`, `offline`.
        pub availability: String,
        /// Size.
        #[ts(type = "number")]
        pub size_bytes: u64,
        /// What can be asked for, fastest first; empty where it is online.
        pub options: Vec<PlanOption>,
        /// The chosen speed; null where it is online, or nothing can be chosen.
        pub chosen: Option<String>,
        /// Why it cannot make the deadline; null where it can.
        pub cannot_meet: Option<String>,
        /// The same as a stable code; one of the plan's refusals says more.
        pub refused: Option<String>,
        /// Cost as chosen, as a decimal number, six places.
        pub cost: String,
        /// Until when the copy stays, if asked for now.
        pub copy_expires_at: Option<String>,
    }

    /// One way to bring one recording back.
    pub struct PlanOption {
        /// `expedited`, `standard`, `bulk`.
        pub speed: String,
        /// Usual time.
        #[ts(type = "number")]
        pub expected_ms: u64,
        /// Time not exceeded by the provider's promise.
        #[ts(type = "number")]
        pub worst_ms: u64,
        /// Cost as a decimal number in the plan's currency, six places.
        pub cost: String,
        /// Whether even the worst case meets the deadline.
        pub meets_deadline: bool,
        /// Whether the provider may refuse it when demand is high.
        pub may_be_refused: bool,
    }

    /// A plan in sum.
    pub struct PlanTotals {
        /// Recordings.
        pub items: u32,
        /// Readable already.
        pub online: u32,
        /// To be brought back.
        pub to_rehydrate: u32,
        /// That cannot make the deadline.
        pub cannot_meet: u32,
        /// Bytes in all.
        #[ts(type = "number")]
        pub size_bytes: u64,
        /// Cost as a decimal number.
        pub cost: String,
        /// Of it: requests.
        pub requests_cost: String,
        /// Of it: bringing bytes back.
        pub bytes_cost: String,
        /// Of it: keeping the copies beside what is archived (double storage).
        pub copies_cost: String,
        /// Of it: leaving a storage class before its minimum days are over.
        pub early_deletion_cost: String,
        /// Of it: sending bytes to the desk.
        pub download_cost: String,
        /// ISO 4217.
        pub currency: String,
        /// When the last is expected.
        pub expected_at: String,
        /// When the last is there at the worst.
        pub worst_at: String,
        /// Whether all make the deadline even at the worst.
        pub meets_deadline: bool,
    }

    /// Approves a plan and starts it. A matter whose recordings are all online needs no plan.
    #[serde(deny_unknown_fields)]
    pub struct RetrieveRequest {
        /// Matter.
        pub matter: String,
        /// The plan that is approved by this call; the matter's newest where absent.
        #[serde(default)]
        #[ts(optional)]
        pub plan: Option<String>,
        /// Only these recordings.
        #[serde(default)]
        #[ts(optional)]
        pub ids: Option<Vec<String>>,
        /// Also copy the verified files to this folder of the machine that Holdfast runs on.
        #[serde(default)]
        #[ts(optional)]
        pub to: Option<String>,
    }

    /// Where each recording of a retrieval is.
    pub struct RetrieveResult {
        /// Per recording.
        pub items: Vec<JobView>,
    }

    /// Asks for jobs.
    #[derive(Default)]
    #[serde(default, deny_unknown_fields)]
    pub struct JobsRequest {
        /// Only this matter's.
        pub matter: Option<String>,
        /// Also those that are done.
        pub all: bool,
    }

    /// Jobs.
    pub struct JobList {
        /// Soonest first.
        pub jobs: Vec<JobView>,
    }

    /// One recording on its way back.
    pub struct JobView {
        /// Recording.
        pub archive_id: String,
        /// Matter.
        pub matter_id: String,
        /// `requested`, `planned`, `approved`, `rehydrating`, `available`, `downloading`, `verifying`, `verified`, `failed`, `cancelled`.
        pub state: String,
        /// When the next thing is expected (countdown).
        pub expected_at: Option<String>,
        /// At the worst.
        pub worst_at: Option<String>,
        /// Until when the rehydrated copy stays.
        pub available_until: Option<String>,
        /// Bytes downloaded so far.
        #[ts(type = "number")]
        pub done_bytes: u64,
        /// Bytes in all.
        #[ts(type = "number")]
        pub size_bytes: u64,
        /// The verified file, where it is at the desk; for a failed one null (its bytes are kept aside).
        pub path: Option<String>,
        /// SHA-256 of what was downloaded.
        pub sha256: Option<String>,
        /// `verified`, `verified_with_remarks`, `failed`; null until verified.
        pub outcome: Option<String>,
        /// Findings.
        pub findings: Vec<FindingView>,
        /// What stands in the way, for people, where something other than verification does.
        pub problem: Option<String>,
        /// What a person should know of how it went.
        pub remarks: Vec<String>,
    }

    /// Stops a recording's retrieval.
    #[serde(deny_unknown_fields)]
    pub struct JobCancelRequest {
        /// Matter.
        pub matter: String,
        /// Recording; all of the matter where absent.
        #[serde(default)]
        #[ts(optional)]
        pub id: Option<String>,
    }

    /// Exports an evidence package of the verified recordings of a matter.
    #[serde(deny_unknown_fields)]
    pub struct ExportRequest {
        /// Matter.
        pub matter: String,
        /// Folder in which the package is made; the desk's export folder where absent.
        #[serde(default)]
        #[ts(optional)]
        pub to: Option<String>,
        /// Whether to leave out recordings that are not verified, rather than refuse. What is left out is listed in the package.
        #[serde(default)]
        pub partial: bool,
    }

    /// A package.
    pub struct ExportView {
        /// Its folder.
        pub package: String,
        /// Outcome of verifying it right after it was made.
        pub outcome: String,
        /// Recordings in it.
        pub items: u32,
        /// Recordings of the matter that were left out; the package lists them.
        pub left_out: u32,
        /// SHA-256 of its tag manifest, which seals it.
        pub seal: String,
        /// When.
        pub made_at: String,
    }
}
