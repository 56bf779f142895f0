use super::dto;

dto! {
    /// Searches the index. Every field narrows; empty finds everything, newest first.
    #[derive(Default)]
    #[serde(default, deny_unknown_fields)]
    pub struct SearchRequest {
        /// Words in transcripts, names, tags and notes; all must occur, the last may be a beginning.
        pub text: Option<String>,
        /// Interactions that began at or after this time (RFC 3339, or a date).
        pub from: Option<String>,
        /// Interactions that began before this time (RFC 3339, or a date: that whole day counts).
        pub to: Option<String>,
        /// Agent's identifier or name.
        pub agent: Option<String>,
        /// Queue.
        pub queue: Option<String>,
        /// Anyone's identifier (telephone number, e-mail address) or name.
        pub participant: Option<String>,
        /// Tag.
        pub tag: Option<String>,
        /// The vendor's interaction id, or any external id.
        pub interaction: Option<String>,
        /// Vendor.
        pub vendor: Option<String>,
        /// `voice`, `screen`, `chat`, `email`, `message`.
        pub media: Option<String>,
        /// `hot` or `cold`.
        pub tier: Option<String>,
        /// `inbound`, `outbound`, `internal`.
        pub direction: Option<String>,
        /// Calendar year of the start, in UTC.
        pub year: Option<i16>,
        /// Only what this matter holds or holds on to.
        pub matter: Option<String>,
        /// Results a page, 1 to 1000; 50 where absent.
        pub limit: Option<u32>,
        /// `next_cursor` of the page before.
        pub cursor: Option<String>,
        /// Whether to count facets too.
        pub facets: bool,
    }

    /// One page of results.
    pub struct SearchPage {
        /// How many match in all.
        #[ts(type = "number")]
        pub total: u64,
        /// Whether `total` is all of them; false where there are at least so many, and narrowing the search would tell.
        pub total_is_exact: bool,
        /// This page, newest first.
        pub results: Vec<ResultRow>,
        /// Give it back as `cursor` for the next page; null after the last.
        pub next_cursor: Option<String>,
        /// Counts by value, where asked for.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[ts(optional)]
        pub facets: Option<FacetCounts>,
    }

    /// One recording in a list.
    pub struct ResultRow {
        /// Its name for ever.
        pub archive_id: String,
        /// The vendor's interaction id.
        pub interaction_id: String,
        /// The vendor's recording id.
        pub recording_id: String,
        /// Vendor.
        pub vendor: String,
        /// `voice`, `screen`, `chat`, `email`, `message`.
        pub media: String,
        /// When it began.
        pub start: String,
        /// When it ended.
        pub end: String,
        /// Length of the recording; null for text.
        #[ts(type = "number | null")]
        pub duration_ms: Option<u64>,
        /// `inbound`, `outbound`, `internal`.
        pub direction: Option<String>,
        /// Queues.
        pub queues: Vec<String>,
        /// Agents by name, else identifier.
        pub agents: Vec<String>,
        /// Customers by name, else identifier, masked where policy says so.
        pub customers: Vec<String>,
        /// Tags.
        pub tags: Vec<String>,
        /// `online`, `rehydrating`, `offline`.
        pub availability: String,
        /// When a copy under way is expected.
        pub expected_at: Option<String>,
        /// Until when a rehydrated copy stays.
        pub online_until: Option<String>,
        /// `hot`, `cool`, `cold`, `deep_cold`.
        pub tier: String,
        /// Size.
        #[ts(type = "number")]
        pub size_bytes: u64,
        /// Whether any matter holds it.
        pub held: bool,
    }

    /// One value and how many results have it.
    pub struct FacetValue {
        /// The value, to be given back as the filter of the facet's name.
        pub value: String,
        /// Results with it.
        #[ts(type = "number")]
        pub count: u64,
    }

    /// Counts by value, most frequent first, at most 20 each.
    pub struct FacetCounts {
        /// By vendor.
        pub vendor: Vec<FacetValue>,
        /// By kind of recording.
        pub media: Vec<FacetValue>,
        /// By queue.
        pub queue: Vec<FacetValue>,
        /// By agent.
        pub agent: Vec<FacetValue>,
        /// By tag.
        pub tag: Vec<FacetValue>,
        /// By tier.
        pub tier: Vec<FacetValue>,
        /// By direction.
        pub direction: Vec<FacetValue>,
        /// By year.
        pub year: Vec<FacetValue>,
        /// Whether all that match were counted.
        pub complete: bool,
    }

    /// Names one recording.
    #[serde(deny_unknown_fields)]
    pub struct RecordingRequest {
        /// Archive id.
        pub id: String,
    }

    /// All there is to know of one recording.
    pub struct RecordingDetail {
        /// As in lists.
        pub row: ResultRow,
        /// Everyone who took part.
        pub participants: Vec<ParticipantView>,
        /// Facts for people, in order of interest: label and value.
        pub facts: Vec<Fact>,
        /// File name at the source.
        pub original_name: String,
        /// IANA media type.
        pub media_type: String,
        /// Audio channels; 0 for text.
        pub channels: u16,
        /// SHA-256 in the manifest.
        pub sha256: String,
        /// Retention class, its basis, until when, and how firmly.
        pub retention: RetentionView,
        /// Matters that hold it.
        pub holds: Vec<String>,
        /// Matters that it belongs to.
        pub matters: Vec<MatterRef>,
        /// Everything that happened to it, oldest first.
        pub custody: Vec<CustodyRow>,
        /// The last verification on record, where there is one.
        pub verification: Option<VerificationView>,
        /// Verified copy at the desk, where there is one.
        pub desk_copy: Option<String>,
        /// Whether playing asks for a reason.
        pub play_needs_reason: bool,
        /// Why it can't be played or shown now; null where it can.
        pub not_playable: Option<String>,
        /// What the prober remarked (decoder missing, ...).
        pub remarks: Vec<String>,
        /// For text: the transcript, at most 64 KiB, from the verified copy or the searchable text.
        pub text: Option<String>,
    }

    /// One participant.
    pub struct ParticipantView {
        /// `agent`, `customer`, `supervisor`, `system`, `other`.
        pub role: String,
        /// Identifier, masked where policy says so.
        pub identifier: Option<String>,
        /// Name.
        pub display_name: Option<String>,
    }

    /// A labelled fact.
    pub struct Fact {
        /// For people, e.g. `Codec`.
        pub label: String,
        /// For people.
        pub value: String,
    }

    /// Retention for people.
    pub struct RetentionView {
        /// Class.
        pub class: String,
        /// Rule that won.
        pub rule: String,
        /// Legal basis.
        pub legal_basis: String,
        /// `governance`, `compliance`.
        pub mode: String,
        /// Until when.
        pub until: String,
    }

    /// A matter's id and name.
    pub struct MatterRef {
        /// Id.
        pub matter_id: String,
        /// Name.
        pub name: String,
    }

    /// One entry of the custody timeline.
    pub struct CustodyRow {
        /// Ledger sequence.
        #[ts(type = "number")]
        pub sequence: u64,
        /// When.
        pub time: String,
        /// What, stable: `accession`, `playback`, ...
        pub action: String,
        /// `intent`, `outcome`, `fact`.
        pub phase: String,
        /// A sentence for people.
        pub sentence: String,
        /// Who.
        pub person: String,
        /// In what role.
        pub role: String,
        /// Who that was towards the clouds, by their own word; null where it was not known.
        pub cloud_identity: Option<String>,
        /// For which matter.
        pub matter: Option<String>,
        /// Why.
        pub reason: Option<String>,
        /// `succeeded`, `failed`, `refused`; null for intents.
        pub outcome: Option<String>,
    }

    /// Verifies an archived recording, a file against the archive, or a package.
    #[serde(deny_unknown_fields)]
    pub struct VerifyRequest {
        /// Archive id, path of a file or folder, in this order of trying.
        pub target: String,
        /// For a package: the fingerprint of the key it must be signed with, as known from elsewhere, or that key in any form.
        /// Where absent, the key of this installation's own ledger.
        #[serde(default)]
        #[ts(optional)]
        pub key: Option<String>,
    }

    /// The result of a verification.
    pub struct VerificationView {
        /// `verified`, `verified_with_remarks`, `self_consistent` (agrees with itself, origin not established), `failed`.
        pub outcome: String,
        /// What is wrong or remarkable, failures first.
        pub findings: Vec<FindingView>,
        /// Each link that was checked and whether it held.
        #[serde(default)]
        pub checks: Vec<CheckView>,
        /// When.
        pub at: String,
        /// What was verified.
        pub subject: String,
    }

    /// One finding.
    pub struct FindingView {
        /// Stable code, e.g. `bytes.digest_mismatch`.
        pub code: String,
        /// `failure` or `remark`.
        pub severity: String,
        /// What it is about.
        pub subject: String,
        /// What should be.
        pub expected: String,
        /// What is.
        pub found: String,
        /// What it means for the evidence, for people.
        #[serde(default)]
        pub meaning: String,
    }

    /// One link of the chain.
    pub struct CheckView {
        /// Which link: `bytes`, `size`, `object metadata`, `manifest`, `index`, `ledger entry`, ...
        pub link: String,
        /// Whether it held.
        pub passed: bool,
        /// `passed`, `failed`, `not_checked` (nothing is claimed about it).
        pub result: String,
    }
}
