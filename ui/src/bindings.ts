// Generated from crates/api by `scripts/bindings`. Do not edit.

/**
 * What every shell shows when something did not work: a stable code, what happened, what it means for the evidence, and what
 * to do next. Never carries a secret or a customer's identifier.
 */
export type ApiError = { 
/**
 * Stable, documented in `docs/errors.md`; the part before the dot is where it comes from.
 */
code: string, 
/**
 * What happened, as a sentence.
 */
message: string, 
/**
 * What to do next, as a sentence.
 */
next: string, 
/**
 * What it means for the evidence, as a sentence.
 */
evidence: string, };

/**
 * Tells what is happening; sent to everyone who listens.
 */
export type ApiEvent = { "event": "progress", 
/**
 * Names the task, e.g. `ingest`, `export:M-…`, `ledger_verify`.
 */
task: string, 
/**
 * For people.
 */
stage: string, 
/**
 * Done.
 */
done: number, 
/**
 * In all, where known.
 */
total: number | null, 
/**
 * Unit.
 */
unit: string, 
/**
 * Estimated time left.
 */
left_ms: number | null, } | { "event": "job", 
/**
 * The job.
 */
job: JobView, } | { "event": "matter_ready", 
/**
 * Matter.
 */
matter_id: string, 
/**
 * Recordings verified.
 */
verified: number, 
/**
 * Recordings failed.
 */
failed: number, };

/**
 * Health of the archiver.
 */
export type ArchiverStatus = { 
/**
 * Recordings archived in all.
 */
archived: number, 
/**
 * By state of the items that are not archived: state and count.
 */
open: Array<StateCount>, 
/**
 * Runs, newest first, at most 20.
 */
runs: Array<RunView>, 
/**
 * Configured sources.
 */
sources: Array<SourceView>, };

/**
 * Names a task that is to stop.
 */
export type CancelRequest = { 
/**
 * As in `Progress.task`.
 */
task: string, };

/**
 * Whether there was something to stop.
 */
export type Cancelled = { 
/**
 * True where a running task was told to stop.
 */
stopped: boolean, };

/**
 * One link of the chain.
 */
export type CheckView = { 
/**
 * Which link: `bytes`, `size`, `object metadata`, `manifest`, `index`, `ledger entry`, ...
 */
link: string, 
/**
 * Whether it held.
 */
passed: boolean, 
/**
 * `passed`, `failed`, `not_checked` (nothing is claimed about it).
 */
result: string, };

/**
 * The newest signed checkpoint.
 */
export type CheckpointView = { 
/**
 * The signed note.
 */
text: string, 
/**
 * Entries it covers.
 */
size: number, 
/**
 * Root of the tree, hexadecimal.
 */
root: string, 
/**
 * Public key to check it with, hexadecimal.
 */
key: string, 
/**
 * Fingerprint of that key (its SHA-256), hexadecimal: what people compare.
 */
key_fingerprint: string, };

/**
 * Something wrong in the configuration.
 */
export type ConfigProblem = { 
/**
 * Line, from 1; 0 where it is about no line.
 */
line: number, 
/**
 * Column, from 1.
 */
column: number, 
/**
 * A sentence.
 */
message: string, };

/**
 * One kind in one storage class.
 */
export type CostLineView = { 
/**
 * `recordings`, or `metadata`: what describes and proves them, and what was set aside.
 */
kind: string, 
/**
 * The provider's own name of the class.
 */
storage_class: string, 
/**
 * What people call it.
 */
class_name: string, 
/**
 * Objects.
 */
objects: number, 
/**
 * Their bytes.
 */
size_bytes: number, 
/**
 * Bytes that are billed: small objects count as larger ones, and some classes add to each.
 */
billed_bytes: number, 
/**
 * Keeping them for a month; null where the list has no price.
 */
month: string | null, 
/**
 * Of that, what is billed beyond the objects' own bytes.
 */
month_on_top: string | null, 
/**
 * The same bytes for a month in the provider's standard class; null where there is none.
 */
month_standard: string | null, 
/**
 * What not keeping them there saves in a year; negative where it costs more.
 */
saving_year: string | null, 
/**
 * What moving them here by a lifecycle rule cost once.
 */
moved_once: string | null, 
/**
 * Days that are billed at least.
 */
min_days: number, 
/**
 * What would be billed on top if all of them left the class now.
 */
early_deletion: string | null, };

/**
 * An estimate at list prices. Amounts are decimal numbers in `currency`: whole units from 100 on, cents below. A month is 30 days.
 */
export type CostReportView = { 
/**
 * When the storage was counted.
 */
counted_at: string, 
/**
 * Date of the price list.
 */
prices_dated: string, 
/**
 * Where its figures come from.
 */
prices_source: string, 
/**
 * ISO 4217.
 */
currency: string, 
/**
 * By what is kept and where, recordings first.
 */
lines: Array<CostLineView>, 
/**
 * Recordings by the year of the interaction's end, newest first.
 */
years: Array<CostYearView>, 
/**
 * In sum.
 */
totals: CostTotalsView, 
/**
 * What a reader must know.
 */
remarks: Array<string>, };

/**
 * In sum.
 */
export type CostTotalsView = { 
/**
 * Objects.
 */
objects: number, 
/**
 * Of these recordings.
 */
recordings: number, 
/**
 * Their bytes.
 */
size_bytes: number, 
/**
 * Keeping all for a month.
 */
month: string, 
/**
 * Keeping all for a year.
 */
year: string, 
/**
 * All for a month in the standard class.
 */
month_standard: string, 
/**
 * What that saves in a year.
 */
saving_year: string, 
/**
 * Objects in classes without a price; they are in no amount.
 */
unpriced: number, };

/**
 * Recordings of one year.
 */
export type CostYearView = { 
/**
 * Year; 0 where unknown.
 */
year: number, 
/**
 * Recordings.
 */
objects: number, 
/**
 * Their bytes.
 */
size_bytes: number, 
/**
 * Keeping them for a month.
 */
month: string, 
/**
 * The same in the standard class.
 */
month_standard: string, 
/**
 * What that saves in a year.
 */
saving_year: string, };

/**
 * What keeping the archive costs.
 */
export type CostsAnswer = { 
/**
 * The report; null where nothing was counted yet.
 */
report: CostReportView | null, };

/**
 * A file's text.
 */
export type CostsFile = { 
/**
 * A name for it.
 */
name: string, 
/**
 * IANA media type.
 */
media_type: string, 
/**
 * Its content.
 */
text: string, };

/**
 * Asks for the last cost report as a file's text.
 */
export type CostsFileRequest = { 
/**
 * `csv`, `html`, `text`.
 */
format: string, };

/**
 * Asks what keeping the archive costs.
 */
export type CostsRequest = { 
/**
 * Count the storage now, which takes a listing call for each thousand objects; otherwise the last count is shown.
 */
count: boolean, };

/**
 * Takes a credential out of the keyring.
 */
export type CredentialClearRequest = { 
/**
 * Name.
 */
name: string, };

/**
 * Credentials that a person can enter.
 */
export type CredentialList = { 
/**
 * In alphabetical order.
 */
credentials: Array<CredentialView>, };

/**
 * Enters a credential; it goes into the operating system's keyring. In force from the next start.
 */
export type CredentialSetRequest = { 
/**
 * Name, e.g. `smtp-password`.
 */
name: string, 
/**
 * The value.
 */
value: SecretText, };

/**
 * One credential; never its value.
 */
export type CredentialView = { 
/**
 * Name as it is typed, e.g. `smtp-password`.
 */
name: string, 
/**
 * What it is for.
 */
meaning: string, 
/**
 * `keyring`, `environment`, `file`; null where there is none.
 */
from: string | null, 
/**
 * When it was entered, where it was.
 */
entered_at: string | null, 
/**
 * Whether the configuration uses it.
 */
used: boolean, };

/**
 * One entry of the custody timeline.
 */
export type CustodyRow = { 
/**
 * Ledger sequence.
 */
sequence: number, 
/**
 * When.
 */
time: string, 
/**
 * What, stable: `accession`, `playback`, ...
 */
action: string, 
/**
 * `intent`, `outcome`, `fact`.
 */
phase: string, 
/**
 * A sentence for people.
 */
sentence: string, 
/**
 * Who.
 */
person: string, 
/**
 * In what role.
 */
role: string, 
/**
 * Who that was towards the clouds, by their own word; null where it was not known.
 */
cloud_identity: string | null, 
/**
 * For which matter.
 */
matter: string | null, 
/**
 * Why.
 */
reason: string | null, 
/**
 * `succeeded`, `failed`, `refused`; null for intents.
 */
outcome: string | null, };

/**
 * Exports an evidence package of the verified recordings of a matter.
 */
export type ExportRequest = { 
/**
 * Matter.
 */
matter: string, 
/**
 * Folder in which the package is made; the desk's export folder where absent.
 */
to?: string, 
/**
 * Whether to leave out recordings that are not verified, rather than refuse. What is left out is listed in the package.
 */
partial: boolean, };

/**
 * A package.
 */
export type ExportView = { 
/**
 * Its folder.
 */
package: string, 
/**
 * Outcome of verifying it right after it was made.
 */
outcome: string, 
/**
 * Recordings in it.
 */
items: number, 
/**
 * Recordings of the matter that were left out; the package lists them.
 */
left_out: number, 
/**
 * SHA-256 of its tag manifest, which seals it.
 */
seal: string, 
/**
 * When.
 */
made_at: string, };

/**
 * Counts by value, most frequent first, at most 20 each.
 */
export type FacetCounts = { 
/**
 * By vendor.
 */
vendor: Array<FacetValue>, 
/**
 * By kind of recording.
 */
media: Array<FacetValue>, 
/**
 * By queue.
 */
queue: Array<FacetValue>, 
/**
 * By agent.
 */
agent: Array<FacetValue>, 
/**
 * By tag.
 */
tag: Array<FacetValue>, 
/**
 * By tier.
 */
tier: Array<FacetValue>, 
/**
 * By direction.
 */
direction: Array<FacetValue>, 
/**
 * By year.
 */
year: Array<FacetValue>, 
/**
 * Whether all that match were counted.
 */
complete: boolean, };

/**
 * One value and how many results have it.
 */
export type FacetValue = { 
/**
 * The value, to be given back as the filter of the facet's name.
 */
value: string, 
/**
 * Results with it.
 */
count: number, };

/**
 * A labelled fact.
 */
export type Fact = { 
/**
 * For people, e.g. `Codec`.
 */
label: string, 
/**
 * For people.
 */
value: string, };

/**
 * One finding.
 */
export type FindingView = { 
/**
 * Stable code, e.g. `bytes.digest_mismatch`.
 */
code: string, 
/**
 * `failure` or `remark`.
 */
severity: string, 
/**
 * What it is about.
 */
subject: string, 
/**
 * What should be.
 */
expected: string, 
/**
 * What is.
 */
found: string, 
/**
 * What it means for the evidence, for people.
 */
meaning: string, };

/**
 * Sets or lifts the matter's hold on all its recordings.
 */
export type HoldRequest = { 
/**
 * Matter.
 */
matter: string, 
/**
 * Set or lift.
 */
on: boolean, 
/**
 * Why; stands in the ledger.
 */
reason: string, };

/**
 * Result of rebuilding or checking the index.
 */
export type IndexReport = { 
/**
 * Rows in the index.
 */
rows: number, 
/**
 * Manifests read.
 */
manifests: number, 
/**
 * Manifests without a row.
 */
missing: number, 
/**
 * Rows without a manifest.
 */
surplus: number, 
/**
 * Rows that differ from their manifest.
 */
different: number, 
/**
 * Manifests of accessions that were announced and not concluded; the archiver's next run goes on with them.
 */
unfinished: number, 
/**
 * Manifests that contradict the ledger or cannot be understood.
 */
damaged: number, 
/**
 * Findings, at most 100.
 */
findings: Array<FindingView>, };

/**
 * Takes in a folder or export bucket layout.
 */
export type IngestRequest = { 
/**
 * Folder on this machine.
 */
path: string, 
/**
 * Mapping file, for metadata that is not canonical.
 */
mapping?: string, };

/**
 * What a run of the archiver did. The sum is checked: discovered = archived + already + quarantined + awaiting + explained + failed.
 */
export type IngestSummary = { 
/**
 * Run.
 */
run_id: string, 
/**
 * Recordings the source reports.
 */
discovered: number, 
/**
 * Archived by this run.
 */
archived: number, 
/**
 * Were archived before, byte for byte the same.
 */
already: number, 
/**
 * In quarantine, with a reason.
 */
quarantined: number, 
/**
 * Not ready yet; looked at again later.
 */
awaiting: number, 
/**
 * Explained (no recording was to be expected).
 */
explained: number, 
/**
 * Given up for now after a fault; the next run goes on.
 */
failed: number, 
/**
 * Bytes archived.
 */
bytes: number, 
/**
 * Whether the sum holds.
 */
complete: boolean, 
/**
 * Time taken.
 */
elapsed_ms: number, 
/**
 * The fault that ended it or that items failed with, and what to do, for people.
 */
problem: string | null, };

/**
 * Stops a recording's retrieval.
 */
export type JobCancelRequest = { 
/**
 * Matter.
 */
matter: string, 
/**
 * Recording; all of the matter where absent.
 */
id?: string, };

/**
 * Jobs.
 */
export type JobList = { 
/**
 * Soonest first.
 */
jobs: Array<JobView>, };

/**
 * One recording on its way back.
 */
export type JobView = { 
/**
 * Recording.
 */
archive_id: string, 
/**
 * Matter.
 */
matter_id: string, 
/**
 * `requested`, `planned`, `approved`, `rehydrating`, `available`, `downloading`, `verifying`, `verified`, `failed`, `cancelled`.
 */
state: string, 
/**
 * When the next thing is expected (countdown).
 */
expected_at: string | null, 
/**
 * At the worst.
 */
worst_at: string | null, 
/**
 * Until when the rehydrated copy stays.
 */
available_until: string | null, 
/**
 * Bytes downloaded so far.
 */
done_bytes: number, 
/**
 * Bytes in all.
 */
size_bytes: number, 
/**
 * The verified file, where it is at the desk; for a failed one null (its bytes are kept aside).
 */
path: string | null, 
/**
 * SHA-256 of what was downloaded.
 */
sha256: string | null, 
/**
 * `verified`, `verified_with_remarks`, `failed`; null until verified.
 */
outcome: string | null, 
/**
 * Findings.
 */
findings: Array<FindingView>, 
/**
 * What stands in the way, for people, where something other than verification does.
 */
problem: string | null, 
/**
 * What a person should know of how it went.
 */
remarks: Array<string>, };

/**
 * Asks for jobs.
 */
export type JobsRequest = { 
/**
 * Only this matter's.
 */
matter: string | null, 
/**
 * Also those that are done.
 */
all: boolean, };

/**
 * Ledger entries.
 */
export type LedgerEntries = { 
/**
 * In order.
 */
entries: Array<CustodyRow>, 
/**
 * Entries in all.
 */
size: number, };

/**
 * Result of checking the ledger.
 */
export type LedgerReportView = { 
/**
 * `verified`, `verified_with_remarks`, `failed`.
 */
outcome: string, 
/**
 * Entries checked.
 */
entries: number, 
/**
 * What is wrong.
 */
findings: Array<FindingView>, 
/**
 * Time taken.
 */
elapsed_ms: number, };

/**
 * Asks for ledger entries.
 */
export type LedgerShowRequest = { 
/**
 * First sequence; the last `limit` where absent.
 */
from: number | null, 
/**
 * How many at most, 1 to 1000; 50 where absent.
 */
limit: number | null, 
/**
 * Only those about this recording.
 */
id: string | null, 
/**
 * Only those of this matter.
 */
matter: string | null, };

/**
 * The format in which the ledger's entries are written from now on.
 */
export type LedgerUpgraded = { 
/**
 * The format, e.g. `holdfast-event/2`.
 */
format: string, 
/**
 * The entry that records the upgrade; none where the format was in use already.
 */
entry: number | null, };

/**
 * Links. Each stands in the ledger, without its address.
 */
export type LinkList = { 
/**
 * In the order of the recordings.
 */
links: Array<LinkView>, };

/**
 * Asks for links under which anyone who has them can read recordings for a while: an action on evidence.
 */
export type LinkRequest = { 
/**
 * Recording; all of the matter where absent.
 */
id?: string, 
/**
 * Matter that they are given out for.
 */
matter?: string, 
/**
 * For how many seconds, 60 to 7200; 3600 where absent.
 */
valid_s?: number, 
/**
 * Why; needed where policy says so.
 */
reason?: string, };

/**
 * One link, or why there is none.
 */
export type LinkView = { 
/**
 * Recording.
 */
archive_id: string, 
/**
 * The address; null where none was made.
 */
url: SecretText | null, 
/**
 * When it lapses.
 */
until: string | null, 
/**
 * Number of the ledger entry that says how it ended.
 */
ledger: number, 
/**
 * Code of what stood in the way.
 */
code: string | null, 
/**
 * What stood in the way and what to do, for people.
 */
problem: string | null, };

/**
 * Adds recordings to a matter.
 */
export type MatterAddRequest = { 
/**
 * Matter.
 */
matter: string, 
/**
 * Archive ids; those already in it are no error.
 */
ids: Array<string>, };

/**
 * What adding did.
 */
export type MatterAdded = { 
/**
 * New in the matter.
 */
added: number, 
/**
 * Were in it already.
 */
already: number, };

/**
 * Closes a matter: no more retrievals; holds are lifted only where asked.
 */
export type MatterCloseRequest = { 
/**
 * Matter.
 */
matter: string, 
/**
 * Why; stands in the ledger.
 */
reason: string, 
/**
 * Whether to lift this matter's holds.
 */
release_holds: boolean, };

/**
 * Opens a matter.
 */
export type MatterCreateRequest = { 
/**
 * Name, e.g. `Doe v. Acme`.
 */
name: string, 
/**
 * Court or internal reference, e.g. `24-CV-1182`.
 */
reference: string, 
/**
 * Why recordings are brought back; stands in the ledger.
 */
justification: string, 
/**
 * When they are due (RFC 3339, or a date: its end in UTC).
 */
deadline: string, 
/**
 * Custodian or requester, where it is not the person at the desk.
 */
requester?: string, 
/**
 * Give the same again to make a repeated call harmless.
 */
idempotency?: string, };

/**
 * A new matter.
 */
export type MatterCreated = { 
/**
 * Id.
 */
matter_id: string, };

/**
 * A matter with all that belongs to it.
 */
export type MatterDetail = { 
/**
 * As in lists.
 */
matter: MatterView, 
/**
 * Its recordings with where each is in the retrieval.
 */
items: Array<MatterItemView>, 
/**
 * Its newest plan.
 */
plan: PlanView | null, 
/**
 * Packages exported.
 */
exports: Array<ExportView>, };

/**
 * A recording of a matter.
 */
export type MatterItemView = { 
/**
 * The recording.
 */
recording: ResultRow, 
/**
 * Where its retrieval is, where one was started.
 */
job: JobView | null, 
/**
 * Exhibit number, e.g. `HF-0001`.
 */
exhibit: string, };

/**
 * A matter's id and name.
 */
export type MatterRef = { 
/**
 * Id.
 */
matter_id: string, 
/**
 * Name.
 */
name: string, };

/**
 * Names a matter.
 */
export type MatterRequest = { 
/**
 * Id.
 */
matter: string, };

/**
 * A matter in a list.
 */
export type MatterView = { 
/**
 * Id.
 */
matter_id: string, 
/**
 * Name.
 */
name: string, 
/**
 * Reference.
 */
reference: string, 
/**
 * Justification.
 */
justification: string, 
/**
 * Requester.
 */
requester: string, 
/**
 * Deadline.
 */
deadline: string, 
/**
 * `open`, `closed`.
 */
state: string, 
/**
 * Recordings in it.
 */
items: number, 
/**
 * Of these verified at the desk.
 */
verified: number, 
/**
 * Of these failed.
 */
failed: number, 
/**
 * Of these on their way.
 */
under_way: number, 
/**
 * Whether it holds its recordings.
 */
held: boolean, 
/**
 * When it was opened.
 */
created_at: string, };

/**
 * No arguments.
 */
export type Nothing = Record<symbol, never>;

/**
 * What was told to people elsewhere, and what is still to be told.
 */
export type NotificationList = { 
/**
 * Channels in use.
 */
channels: Array<string>, 
/**
 * The newest first, at most 200.
 */
notifications: Array<NotificationView>, };

/**
 * One notification over one channel.
 */
export type NotificationView = { 
/**
 * The id that the receiver sees, the same each time.
 */
id: string, 
/**
 * Channel.
 */
channel: string, 
/**
 * `ready`, `failed`, `deadline`, `expiring`.
 */
kind: string, 
/**
 * Matter.
 */
matter_id: string | null, 
/**
 * One line.
 */
subject: string, 
/**
 * `pending`, `sent` (the channel took it, which is no receipt), `given_up`.
 */
state: string, 
/**
 * How often it was tried.
 */
attempts: number, 
/**
 * What went wrong last.
 */
problem: string | null, 
/**
 * When it came up.
 */
created_at: string, 
/**
 * When it changed last.
 */
updated_at: string, 
/**
 * When it is tried next.
 */
due_at: string | null, };

/**
 * Outcome of a trial over every channel.
 */
export type NotifyTest = { 
/**
 * In the order of the configuration.
 */
channels: Array<NotifyTestView>, };

/**
 * Outcome of a trial over one channel.
 */
export type NotifyTestView = { 
/**
 * Channel.
 */
channel: string, 
/**
 * Whether the channel took it.
 */
sent: boolean, 
/**
 * What went wrong.
 */
problem: string | null, };

/**
 * One participant.
 */
export type ParticipantView = { 
/**
 * `agent`, `customer`, `supervisor`, `system`, `other`.
 */
role: string, 
/**
 * Identifier, masked where policy says so.
 */
identifier: string | null, 
/**
 * Name.
 */
display_name: string | null, };

/**
 * One recording's part of a plan.
 */
export type PlanItem = { 
/**
 * Recording.
 */
archive_id: string, 
/**
 * Tier now.
 */
tier: string, 
/**
 * The provider's class.
 */
storage_class: string, 
/**
 * `online`, `rehydrating`, `offline`.
 */
availability: string, 
/**
 * Size.
 */
size_bytes: number, 
/**
 * What can be asked for, fastest first; empty where it is online.
 */
options: Array<PlanOption>, 
/**
 * The chosen speed; null where it is online, or nothing can be chosen.
 */
chosen: string | null, 
/**
 * Why it cannot make the deadline; null where it can.
 */
cannot_meet: string | null, 
/**
 * The same as a stable code; one of the plan's refusals says more.
 */
refused: string | null, 
/**
 * Cost as chosen, as a decimal number, six places.
 */
cost: string, 
/**
 * Until when the copy stays, if asked for now.
 */
copy_expires_at: string | null, };

/**
 * What is chosen for the recordings of one class.
 */
export type PlanMix = { 
/**
 * The provider's class.
 */
storage_class: string, 
/**
 * The speed; null where nothing is to be asked for.
 */
speed: string | null, 
/**
 * Recordings.
 */
items: number, 
/**
 * Bytes.
 */
size_bytes: number, 
/**
 * Cost as a decimal number, six places.
 */
cost: string, };

/**
 * One way to bring one recording back.
 */
export type PlanOption = { 
/**
 * `expedited`, `standard`, `bulk`.
 */
speed: string, 
/**
 * Usual time.
 */
expected_ms: number, 
/**
 * Time not exceeded by the provider's promise.
 */
worst_ms: number, 
/**
 * Cost as a decimal number in the plan's currency, six places.
 */
cost: string, 
/**
 * Whether even the worst case meets the deadline.
 */
meets_deadline: boolean, 
/**
 * Whether the provider may refuse it when demand is high.
 */
may_be_refused: boolean, };

/**
 * One reason for which the deadline cannot be promised, with all recordings that it holds for.
 */
export type PlanRefusal = { 
/**
 * Stable: `plan.class_too_slow`, `plan.not_promised`, `plan.speed_too_slow`, `plan.queue_too_long`, `plan.under_way_too_slow`,
 * `plan.download_too_slow`, `plan.no_way_back`, `plan.object_missing`, `plan.deadline_past`.
 */
code: string, 
/**
 * The provider's class in which they lie.
 */
storage_class: string, 
/**
 * What people call it.
 */
class_name: string, 
/**
 * For how many recordings.
 */
items: number, 
/**
 * Why, as a sentence.
 */
reason: string, 
/**
 * What policy would have allowed it, or what to do, as sentences.
 */
advice: string, 
/**
 * The earliest deadline that could be promised for them; null where there is no way at all.
 */
earliest: string | null, };

/**
 * Makes a plan; nothing is spent.
 */
export type PlanRequest = { 
/**
 * Matter.
 */
matter: string, 
/**
 * Other than the matter's (RFC 3339, or a date).
 */
deadline?: string, 
/**
 * Only these of its recordings.
 */
ids?: Array<string>, 
/**
 * Choose this speed for all that offer it, rather than the cheapest that meets the deadline.
 */
speed?: string, };

/**
 * A plan in sum.
 */
export type PlanTotals = { 
/**
 * Recordings.
 */
items: number, 
/**
 * Readable already.
 */
online: number, 
/**
 * To be brought back.
 */
to_rehydrate: number, 
/**
 * That cannot make the deadline.
 */
cannot_meet: number, 
/**
 * Bytes in all.
 */
size_bytes: number, 
/**
 * Cost as a decimal number.
 */
cost: string, 
/**
 * Of it: requests.
 */
requests_cost: string, 
/**
 * Of it: bringing bytes back.
 */
bytes_cost: string, 
/**
 * Of it: keeping the copies beside what is archived (double storage).
 */
copies_cost: string, 
/**
 * Of it: leaving a storage class before its minimum days are over.
 */
early_deletion_cost: string, 
/**
 * Of it: sending bytes to the desk.
 */
download_cost: string, 
/**
 * ISO 4217.
 */
currency: string, 
/**
 * When the last is expected.
 */
expected_at: string, 
/**
 * When the last is there at the worst.
 */
worst_at: string, 
/**
 * Whether all make the deadline even at the worst.
 */
meets_deadline: boolean, };

/**
 * What bringing a matter back would cost and take.
 */
export type PlanView = { 
/**
 * Id.
 */
plan_id: string, 
/**
 * Matter.
 */
matter_id: string, 
/**
 * Deadline it was made for.
 */
deadline: string, 
/**
 * When it was made; times in it count from the approval, costs from the price list of `prices_dated`.
 */
made_at: string, 
/**
 * Date of the price list.
 */
prices_dated: string, 
/**
 * `proposed`, `approved`, `superseded`.
 */
state: string, 
/**
 * Per recording.
 */
items: Array<PlanItem>, 
/**
 * In sum.
 */
totals: PlanTotals, 
/**
 * What a person must know before approving.
 */
remarks: Array<string>, 
/**
 * What cannot be answered by the deadline, each reason once; empty where all can.
 */
refusals: Array<PlanRefusal>, 
/**
 * What is chosen, by storage class and speed.
 */
mix: Array<PlanMix>, 
/**
 * Days that copies are asked to stay.
 */
keep_days: number, };

/**
 * Asks to play (or show) a recording: an action on evidence.
 */
export type PlayRequest = { 
/**
 * Recording.
 */
id: string, 
/**
 * Why; needed where policy says so.
 */
reason?: string, 
/**
 * For which matter.
 */
matter?: string, 
/**
 * Whether this machine's loudspeaker plays it (window, CLI); otherwise the caller fetches `media_path`.
 */
here: boolean, };

/**
 * A playback that stands in the ledger.
 */
export type PlaySession = { 
/**
 * Names it in further calls.
 */
session: string, 
/**
 * Recording.
 */
archive_id: string, 
/**
 * `audio`, `video`, `text`.
 */
kind: string, 
/**
 * Path below the gateway from which a browser plays it: 16-bit PCM WAV made on the fly for audio, the original for
 * video. Takes `?channels=both|agent|customer`.
 */
media_path: string, 
/**
 * Length.
 */
duration_ms: number | null, 
/**
 * Channels.
 */
channels: number, 
/**
 * Outcome of the verification that let it be played.
 */
outcome: string, };

/**
 * An action of the player.
 */
export type PlayerAction = { "do": "play" } | { "do": "pause" } | { "do": "seek", 
/**
 * From the beginning.
 */
to_ms: number, } | { "do": "speed", 
/**
 * 0.5 to 2.0.
 */
factor: number, } | { "do": "volume", 
/**
 * 0.0 to 1.0.
 */
level: number, } | { "do": "channels", 
/**
 * The choice.
 */
who: string, } | { "do": "stop" } | { "do": "state" };

/**
 * What to do with a playback on this machine's loudspeaker.
 */
export type PlayerRequest = { 
/**
 * Session.
 */
session: string, 
/**
 * The action.
 */
action: PlayerAction, };

/**
 * Where a player is.
 */
export type PlayerState = { 
/**
 * Session.
 */
session: string, 
/**
 * `playing`, `paused`, `ended`, `stopped`.
 */
state: string, 
/**
 * From the beginning.
 */
position_ms: number, 
/**
 * Length.
 */
duration_ms: number | null, 
/**
 * Speed.
 */
speed: number, 
/**
 * Volume.
 */
volume: number, 
/**
 * `both`, `agent`, `customer`.
 */
channels: string, };

/**
 * One check.
 */
export type PreflightCheck = { 
/**
 * A stable code such as `preflight.object_lock`.
 */
code: string, 
/**
 * What it proves.
 */
title: string, 
/**
 * Where; empty where it is about no place.
 */
place: string, 
/**
 * `passed`, `failed`, `skipped`.
 */
outcome: string, 
/**
 * What was found, as a sentence.
 */
says: string, 
/**
 * The missing right or setting by the provider's own name.
 */
missing: string | null, 
/**
 * What to do, as a sentence.
 */
next: string | null, 
/**
 * Time taken.
 */
elapsed_ms: number, };

/**
 * What preflight found.
 */
export type PreflightReport = { 
/**
 * In the order in which they were done.
 */
checks: Array<PreflightCheck>, 
/**
 * Whether every check that applies passed.
 */
green: boolean, 
/**
 * How many passed.
 */
passed: number, 
/**
 * How many failed.
 */
failed: number, 
/**
 * How many do not apply, or could not be tried.
 */
skipped: number, 
/**
 * What the names of everything that it wrote start with.
 */
probes: string, 
/**
 * Whether it was stopped before its end.
 */
stopped: boolean, };

/**
 * What was mended, and what is left.
 */
export type ProvisionApplied = { 
/**
 * In order.
 */
done: Array<ProvisionEntry>, 
/**
 * As looked at afterwards.
 */
left: ProvisionPlan, };

/**
 * Makes the cloud side as it must be.
 */
export type ProvisionApplyRequest = { 
/**
 * The plan's `confirm`, as typed by a person.
 */
confirm: string, };

/**
 * One of them.
 */
export type ProvisionDocument = { 
/**
 * File name.
 */
name: string, 
/**
 * Text.
 */
text: string, };

/**
 * Files for those who review infrastructure in their own way.
 */
export type ProvisionDocuments = { 
/**
 * Each with its name.
 */
documents: Array<ProvisionDocument>, };

/**
 * One difference between the cloud side as it must be and as it is.
 */
export type ProvisionEntry = { 
/**
 * Where, e.g. `bucket acme-media`.
 */
place: string, 
/**
 * Which setting, by a stable name such as `object_lock`.
 */
setting: string, 
/**
 * `missing` and `drifted`: apply mends it; `barred`: cannot be changed any more, or only by a person; `remark`: nothing is to be
 * done.
 */
kind: string, 
/**
 * What is there; empty where nothing is.
 */
found: string, 
/**
 * What is wanted.
 */
wanted: string, 
/**
 * A sentence: what will be done, or why nothing can be.
 */
words: string, };

/**
 * What differs. Making it changed nothing.
 */
export type ProvisionPlan = { 
/**
 * In the order in which they are mended.
 */
entries: Array<ProvisionEntry>, 
/**
 * How many apply would mend.
 */
to_do: number, 
/**
 * How many only a person can mend.
 */
barred: number, 
/**
 * What must be typed for apply: the name of the place of recordings.
 */
confirm: string, };

/**
 * One item in quarantine.
 */
export type QuarantineItem = { 
/**
 * Names it in further calls.
 */
id: string, 
/**
 * Source.
 */
source: string, 
/**
 * The item's name at the source.
 */
item: string, 
/**
 * Stable reason, e.g. `truncation_detected`.
 */
reason: string, 
/**
 * A sentence for people.
 */
sentence: string, 
/**
 * What should be.
 */
expected: string | null, 
/**
 * What is.
 */
found: string | null, 
/**
 * Since when.
 */
since: string, 
/**
 * Where its bytes and metadata are kept.
 */
kept_at: string | null, 
/**
 * `quarantined`, `dead_lettered` (failed too often), `resolved`.
 */
state: string, 
/**
 * What was decided, by whom and why.
 */
resolution: string | null, };

/**
 * Items in quarantine.
 */
export type QuarantineList = { 
/**
 * Newest first.
 */
items: Array<QuarantineItem>, };

/**
 * Names an item in quarantine.
 */
export type QuarantineRequest = { 
/**
 * Id.
 */
id: string, };

/**
 * Decides on an item in quarantine.
 */
export type QuarantineResolveRequest = { 
/**
 * Id.
 */
id: string, 
/**
 * `retry` (the source was mended), `accept` (archive as it is, marked), `explain` (there is nothing to archive).
 */
decision: string, 
/**
 * Why; stands in the ledger.
 */
reason: string, };

/**
 * All there is to know of one recording.
 */
export type RecordingDetail = { 
/**
 * As in lists.
 */
row: ResultRow, 
/**
 * Everyone who took part.
 */
participants: Array<ParticipantView>, 
/**
 * Facts for people, in order of interest: label and value.
 */
facts: Array<Fact>, 
/**
 * File name at the source.
 */
original_name: string, 
/**
 * IANA media type.
 */
media_type: string, 
/**
 * Audio channels; 0 for text.
 */
channels: number, 
/**
 * SHA-256 in the manifest.
 */
sha256: string, 
/**
 * Retention class, its basis, until when, and how firmly.
 */
retention: RetentionView, 
/**
 * Matters that hold it.
 */
holds: Array<string>, 
/**
 * Matters that it belongs to.
 */
matters: Array<MatterRef>, 
/**
 * Everything that happened to it, oldest first.
 */
custody: Array<CustodyRow>, 
/**
 * The last verification on record, where there is one.
 */
verification: VerificationView | null, 
/**
 * Verified copy at the desk, where there is one.
 */
desk_copy: string | null, 
/**
 * Whether playing asks for a reason.
 */
play_needs_reason: boolean, 
/**
 * Why it can't be played or shown now; null where it can.
 */
not_playable: string | null, 
/**
 * What the prober remarked (decoder missing, ...).
 */
remarks: Array<string>, 
/**
 * For text: the transcript, at most 64 KiB, from the verified copy or the searchable text.
 */
text: string | null, };

/**
 * Names one recording.
 */
export type RecordingRequest = { 
/**
 * Archive id.
 */
id: string, };

/**
 * Result of asking the storage where recordings lie.
 */
export type RefreshView = { 
/**
 * Recordings looked at.
 */
looked_at: number, 
/**
 * Those that lie elsewhere, or are more or less readable, than the index said.
 */
changed: number, 
/**
 * Those whose bytes are not there.
 */
missing: number, };

/**
 * One recording in a list.
 */
export type ResultRow = { 
/**
 * Its name for ever.
 */
archive_id: string, 
/**
 * The vendor's interaction id.
 */
interaction_id: string, 
/**
 * The vendor's recording id.
 */
recording_id: string, 
/**
 * Vendor.
 */
vendor: string, 
/**
 * `voice`, `screen`, `chat`, `email`, `message`.
 */
media: string, 
/**
 * When it began.
 */
start: string, 
/**
 * When it ended.
 */
end: string, 
/**
 * Length of the recording; null for text.
 */
duration_ms: number | null, 
/**
 * `inbound`, `outbound`, `internal`.
 */
direction: string | null, 
/**
 * Queues.
 */
queues: Array<string>, 
/**
 * Agents by name, else identifier.
 */
agents: Array<string>, 
/**
 * Customers by name, else identifier, masked where policy says so.
 */
customers: Array<string>, 
/**
 * Tags.
 */
tags: Array<string>, 
/**
 * `online`, `rehydrating`, `offline`.
 */
availability: string, 
/**
 * When a copy under way is expected.
 */
expected_at: string | null, 
/**
 * Until when a rehydrated copy stays.
 */
online_until: string | null, 
/**
 * `hot`, `cool`, `cold`, `deep_cold`.
 */
tier: string, 
/**
 * Size.
 */
size_bytes: number, 
/**
 * Whether any matter holds it.
 */
held: boolean, };

/**
 * Retention for people.
 */
export type RetentionView = { 
/**
 * Class.
 */
class: string, 
/**
 * Rule that won.
 */
rule: string, 
/**
 * Legal basis.
 */
legal_basis: string, 
/**
 * `governance`, `compliance`.
 */
mode: string, 
/**
 * Until when.
 */
until: string, };

/**
 * Approves a plan and starts it. A matter whose recordings are all online needs no plan.
 */
export type RetrieveRequest = { 
/**
 * Matter.
 */
matter: string, 
/**
 * The plan that is approved by this call; the matter's newest where absent.
 */
plan?: string, 
/**
 * Only these recordings.
 */
ids?: Array<string>, 
/**
 * Also copy the verified files to this folder of the machine that Holdfast runs on.
 */
to?: string, };

/**
 * Where each recording of a retrieval is.
 */
export type RetrieveResult = { 
/**
 * Per recording.
 */
items: Array<JobView>, };

/**
 * A run.
 */
export type RunView = { 
/**
 * When it began.
 */
started_at: string, 
/**
 * When it ended; null where it is under way or was broken off.
 */
ended_at: string | null, 
/**
 * Source.
 */
source: string, 
/**
 * Whether a process works on it now.
 */
running: boolean, 
/**
 * What it did.
 */
summary: IngestSummary, };

/**
 * One page of results.
 */
export type SearchPage = { 
/**
 * How many match in all.
 */
total: number, 
/**
 * Whether `total` is all of them; false where there are at least so many, and narrowing the search would tell.
 */
total_is_exact: boolean, 
/**
 * This page, newest first.
 */
results: Array<ResultRow>, 
/**
 * Give it back as `cursor` for the next page; null after the last.
 */
next_cursor: string | null, 
/**
 * Counts by value, where asked for.
 */
facets?: FacetCounts, };

/**
 * Searches the index. Every field narrows; empty finds everything, newest first.
 */
export type SearchRequest = { 
/**
 * Words in transcripts, names, tags and notes; all must occur, the last may be a beginning.
 */
text: string | null, 
/**
 * Interactions that began at or after this time (RFC 3339, or a date).
 */
from: string | null, 
/**
 * Interactions that began before this time (RFC 3339, or a date: that whole day counts).
 */
to: string | null, 
/**
 * Agent's identifier or name.
 */
agent: string | null, 
/**
 * Queue.
 */
queue: string | null, 
/**
 * Anyone's identifier (telephone number, e-mail address) or name.
 */
participant: string | null, 
/**
 * Tag.
 */
tag: string | null, 
/**
 * The vendor's interaction id, or any external id.
 */
interaction: string | null, 
/**
 * Vendor.
 */
vendor: string | null, 
/**
 * `voice`, `screen`, `chat`, `email`, `message`.
 */
media: string | null, 
/**
 * `hot` or `cold`.
 */
tier: string | null, 
/**
 * `inbound`, `outbound`, `internal`.
 */
direction: string | null, 
/**
 * Calendar year of the start, in UTC.
 */
year: number | null, 
/**
 * Only what this matter holds or holds on to.
 */
matter: string | null, 
/**
 * Results a page, 1 to 1000; 50 where absent.
 */
limit: number | null, 
/**
 * `next_cursor` of the page before.
 */
cursor: string | null, 
/**
 * Whether to count facets too.
 */
facets: boolean, };

/**
 * A text that is a secret: it is shown once to whoever asked, and never in logs.
 */
export type SecretText = string;

/**
 * One setting.
 */
export type SettingValue = { 
/**
 * Dotted name.
 */
name: string, 
/**
 * Value; secrets are never here.
 */
value: string, 
/**
 * Where it comes from.
 */
from: string, 
/**
 * What it does.
 */
meaning: string, };

/**
 * Settings as they are in force.
 */
export type SettingsView = { 
/**
 * The configuration file, where there is one.
 */
file: string | null, 
/**
 * Setting, value in force, where it comes from (`default`, `file`, `environment`, `flag`).
 */
values: Array<SettingValue>, 
/**
 * What is wrong with the file.
 */
problems: Array<ConfigProblem>, };

/**
 * A configured source.
 */
export type SourceView = { 
/**
 * Name.
 */
name: string, 
/**
 * Kind, e.g. `folder`.
 */
kind: string, 
/**
 * Where.
 */
place: string, };

/**
 * A state and how many are in it.
 */
export type StateCount = { 
/**
 * State.
 */
state: string, 
/**
 * Items.
 */
count: number, };

/**
 * What this installation is and how it is.
 */
export type Status = { 
/**
 * Version.
 */
version: string, 
/**
 * Home folder.
 */
home: string, 
/**
 * Who acts, as it is written into the ledger.
 */
person: string, 
/**
 * In what role.
 */
role: string, 
/**
 * Who this is towards the clouds; null where they do not say, or none is used.
 */
cloud_identity: string | null, 
/**
 * Where recordings lie: `local`, `s3`, `azure`.
 */
archive: string, 
/**
 * What keeps index, work and ledger: `sqlite`, `dynamodb`.
 */
index: string, 
/**
 * Why the archive could not be reached when this was opened; null where it could.
 */
trouble: string | null, 
/**
 * Recordings in the index.
 */
recordings: number, 
/**
 * Entries in the ledger.
 */
ledger_entries: number, 
/**
 * Open matters.
 */
open_matters: number, 
/**
 * Items in quarantine.
 */
quarantined: number, 
/**
 * Where the keys are, in a clear sentence.
 */
keys: string, 
/**
 * `keyring` or `file`.
 */
keys_in: string, 
/**
 * Public key of the ledger, hexadecimal.
 */
ledger_key: string, 
/**
 * Fingerprint of that key (its SHA-256), hexadecimal: what people compare.
 */
ledger_key_fingerprint: string, 
/**
 * The ledger's name.
 */
ledger_id: string, 
/**
 * Whether this is the demonstration archive.
 */
demo: boolean, 
/**
 * Whether `ffmpeg` is there for formats that need it.
 */
ffmpeg: boolean, };

/**
 * The result of a verification.
 */
export type VerificationView = { 
/**
 * `verified`, `verified_with_remarks`, `self_consistent` (agrees with itself, origin not established), `failed`.
 */
outcome: string, 
/**
 * What is wrong or remarkable, failures first.
 */
findings: Array<FindingView>, 
/**
 * Each link that was checked and whether it held.
 */
checks: Array<CheckView>, 
/**
 * When.
 */
at: string, 
/**
 * What was verified.
 */
subject: string, };

/**
 * Verifies an archived recording, a file against the archive, or a package.
 */
export type VerifyRequest = { 
/**
 * Archive id, path of a file or folder, in this order of trying.
 */
target: string, 
/**
 * For a package: the fingerprint of the key it must be signed with, as known from elsewhere, or that key in any form.
 * Where absent, the key of this installation's own ledger.
 */
key?: string, };

/**
 * Peaks for drawing.
 */
export type Waveform = { 
/**
 * Length.
 */
duration_ms: number, 
/**
 * Per channel, pairs of lowest and highest sample of a column, each from -1 to 1.
 */
channels: Array<Array<number>>, };

/**
 * Asks for a waveform. It is drawn from the verified copy at the desk only.
 */
export type WaveformRequest = { 
/**
 * Recording.
 */
id: string, 
/**
 * How many columns at most.
 */
columns: number, };

export interface Commands {
  /** What this installation is and how it is. */
  status: { request: Nothing; answer: Status };
  /** Searches the index. */
  search: { request: SearchRequest; answer: SearchPage };
  /** All there is to know of one recording. */
  recording: { request: RecordingRequest; answer: RecordingDetail };
  /** Verifies an archived recording, a file against the archive, or a package. */
  verify: { request: VerifyRequest; answer: VerificationView };
  /** Opens a matter. */
  matter_create: { request: MatterCreateRequest; answer: MatterCreated };
  /** Adds recordings to a matter. */
  matter_add: { request: MatterAddRequest; answer: MatterAdded };
  /** All matters, the next deadline first. */
  matters: { request: Nothing; answer: Array<MatterView> };
  /** A matter with its recordings, plan and packages. */
  matter: { request: MatterRequest; answer: MatterDetail };
  /** Closes a matter. */
  matter_close: { request: MatterCloseRequest; answer: MatterView };
  /** Sets or lifts a matter's hold. */
  hold: { request: HoldRequest; answer: MatterView };
  /** Makes a plan; nothing is spent. */
  plan: { request: PlanRequest; answer: PlanView };
  /** Approves a plan and starts it. */
  retrieve: { request: RetrieveRequest; answer: RetrieveResult };
  /** Recordings on their way back. */
  jobs: { request: JobsRequest; answer: JobList };
  /** Stops a retrieval. */
  job_cancel: { request: JobCancelRequest; answer: JobList };
  /** Exports an evidence package. */
  export: { request: ExportRequest; answer: ExportView };
  /** Begins a playback. */
  play: { request: PlayRequest; answer: PlaySession };
  /** Steers a playback. */
  player: { request: PlayerRequest; answer: PlayerState };
  /** Peaks for drawing a waveform. */
  waveform: { request: WaveformRequest; answer: Waveform };
  /** Takes in a folder. */
  ingest: { request: IngestRequest; answer: IngestSummary };
  /** Health of the archiver. */
  archiver_status: { request: Nothing; answer: ArchiverStatus };
  /** What keeping the archive costs. */
  costs: { request: CostsRequest; answer: CostsAnswer };
  /** The last cost report as a file's text. */
  costs_file: { request: CostsFileRequest; answer: CostsFile };
  /** Items in quarantine. */
  quarantine_list: { request: Nothing; answer: QuarantineList };
  /** One item in quarantine. */
  quarantine_show: { request: QuarantineRequest; answer: QuarantineItem };
  /** Decides on an item in quarantine. */
  quarantine_resolve: { request: QuarantineResolveRequest; answer: QuarantineItem };
  /** Checks the whole ledger. */
  ledger_verify: { request: Nothing; answer: LedgerReportView };
  /** Shows ledger entries. */
  ledger_show: { request: LedgerShowRequest; answer: LedgerEntries };
  /** The newest signed checkpoint. */
  ledger_checkpoint: { request: Nothing; answer: CheckpointView };
  /** Has entries written in the newest format from now on. */
  ledger_upgrade: { request: Nothing; answer: LedgerUpgraded };
  /** Compares the index with the manifests. */
  index_check: { request: Nothing; answer: IndexReport };
  /** Rebuilds the index from the manifests. */
  index_rebuild: { request: Nothing; answer: IndexReport };
  /** Asks the storage where recordings lie now, and tells the index. */
  index_refresh: { request: Nothing; answer: RefreshView };
  /** Settings as they are in force. */
  settings: { request: Nothing; answer: SettingsView };
  /** Makes links that lapse, each in the ledger. */
  link_make: { request: LinkRequest; answer: LinkList };
  /** Credentials that a person can enter; never their values. */
  credentials: { request: Nothing; answer: CredentialList };
  /** Enters a credential; it goes into the keyring. */
  credential_set: { request: CredentialSetRequest; answer: CredentialList };
  /** Takes a credential out of the keyring. */
  credential_clear: { request: CredentialClearRequest; answer: CredentialList };
  /** What was told to people elsewhere, and what is still to be told. */
  notifications: { request: Nothing; answer: NotificationList };
  /** A trial over every channel for notifications. */
  notify_test: { request: Nothing; answer: NotifyTest };
  /** What differs between the cloud side as it must be and as it is. */
  provision_plan: { request: Nothing; answer: ProvisionPlan };
  /** Makes the cloud side as it must be. */
  provision_apply: { request: ProvisionApplyRequest; answer: ProvisionApplied };
  /** The cloud side as files for those who review infrastructure. */
  provision_emit: { request: Nothing; answer: ProvisionDocuments };
  /** Proves the store by acting. */
  preflight: { request: Nothing; answer: PreflightReport };
  /** Stops a task. */
  cancel: { request: CancelRequest; answer: Cancelled };
}
