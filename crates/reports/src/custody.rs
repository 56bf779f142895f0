use crate::{
    ReportError,
    document::{Block, Column, Document},
    format,
};
use holdfast_model::{
    ArchiveId, CanonicalRecord, HOLDFAST_VERSION, Manifest, MatterId, Probe, RetentionDecision, Sha256Digest,
};
use holdfast_verify::{
    Check, CheckResult, CustodyStep, Finding, LedgerEvidence, Link, Outcome, Severity, VerificationReport,
    package::{Exhibit, LedgerDescription, MatterDescription, PackageWriter, Withheld},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The format's name and version, first field of `custody.json`.
pub const CUSTODY_FORMAT: &str = "holdfast-custody/1";

/// Everything that the custody report of a matter says. As JSON it is the report for programs, `custody.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CustodyReport {
    /// [`CUSTODY_FORMAT`].
    pub format: String,
    /// When the report was made: given by the caller, the one field that differs between two reports of the same state.
    pub made_at: Timestamp,
    /// What made it: `holdfast/<version>`.
    pub software: String,
    /// The matter.
    pub matter: MatterDescription,
    /// The ledger that the steps come from.
    pub ledger: LedgerDescription,
    /// Steps of the matter itself: opened, planned, approved, held.
    pub timeline: Vec<CustodyStep>,
    /// The recordings that are handed over.
    pub exhibits: Vec<ExhibitReport>,
    /// Those that are not, and why.
    pub withheld: Vec<Withheld>,
}

/// One recording in the report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExhibitReport {
    /// Its number.
    pub exhibit: String,
    /// The recording.
    pub archive_id: ArchiveId,
    /// Path in the package.
    pub path: String,
    /// SHA-256 of the original.
    pub sha256: Sha256Digest,
    /// Length of the original.
    pub size_bytes: u64,
    /// SHA-256 of the manifest.
    pub manifest_sha256: Sha256Digest,
    /// Name at the source.
    pub original_name: String,
    /// Media type.
    pub media_type: String,
    /// The facts of the interaction as the source gave them.
    pub record: CanonicalRecord,
    /// What a probe found in the bytes.
    pub probe: Probe,
    /// When it was taken into the archive.
    pub ingested_at: Timestamp,
    /// The source that it was taken from.
    pub source: String,
    /// Retention as decided at accession.
    pub retention: RetentionDecision,
    /// The matters that hold it.
    pub holds: Vec<MatterId>,
    /// What verification said when the package was made.
    pub verification: VerificationReport,
    /// Its ledger entries, in words.
    pub timeline: Vec<CustodyStep>,
}

impl CustodyReport {
    /// A report made by this version. `timeline` holds the steps that are about the matter and no single recording.
    #[must_use]
    pub fn new(
        matter: MatterDescription,
        ledger: LedgerDescription,
        made_at: Timestamp,
        timeline: Vec<CustodyStep>,
        exhibits: Vec<ExhibitReport>,
        withheld: Vec<Withheld>,
    ) -> Self {
        let software = format!("holdfast/{HOLDFAST_VERSION}");
        Self { format: CUSTODY_FORMAT.into(), made_at, software, matter, ledger, timeline, exhibits, withheld }
    }

    /// The report of a package whose exhibits and ledger were put in already. `verifications` are by exhibit; an exhibit
    /// without one is reported with nothing checked.
    ///
    /// # Errors
    /// [`ReportError::Package`] where a manifest can't be read back or the ledger is not in yet.
    pub fn of_package(
        writer: &PackageWriter,
        evidence: &LedgerEvidence,
        verifications: &BTreeMap<String, VerificationReport>,
    ) -> Result<Self, ReportError> {
        let missing = || ReportError::Package("the ledger's part was not put in".into());
        let (ledger, header) = (writer.ledger().ok_or_else(missing)?.clone(), writer.header());
        let mut own: BTreeMap<ArchiveId, Vec<CustodyStep>> = BTreeMap::new();
        let (mut timeline, mut held) = (Vec::new(), evidence.holds());
        for step in evidence.steps() {
            match step.archive_id.clone() {
                Some(id) => own.entry(id).or_default().push(step),
                None => timeline.push(step),
            }
        }
        let mut exhibits = Vec::new();
        for exhibit in writer.exhibits() {
            let manifest = writer.manifest(exhibit).map_err(|e| ReportError::Package(e.to_string()))?;
            let verification = verifications.get(&exhibit.exhibit).cloned();
            let verification = verification.unwrap_or_else(|| VerificationReport::new(vec![], vec![]));
            let holds = held.remove(&exhibit.archive_id).unwrap_or_default();
            let steps = own.remove(&exhibit.archive_id).unwrap_or_default();
            exhibits.push(ExhibitReport::of(exhibit, &manifest, holds, verification, steps));
        }
        let matter = header.matter.clone();
        Ok(Self::new(matter, ledger, header.created_at, timeline, exhibits, header.withheld.clone()))
    }
}

impl ExhibitReport {
    /// From what the package and the archive say of it.
    #[must_use]
    pub fn of(
        exhibit: &Exhibit,
        manifest: &Manifest,
        holds: Vec<MatterId>,
        verification: VerificationReport,
        timeline: Vec<CustodyStep>,
    ) -> Self {
        Self {
            exhibit: exhibit.exhibit.clone(),
            archive_id: exhibit.archive_id.clone(),
            path: exhibit.original.clone(),
            sha256: exhibit.fixity.digest,
            size_bytes: exhibit.fixity.size_bytes,
            manifest_sha256: exhibit.manifest_sha256,
            original_name: manifest.object.original_name.clone(),
            media_type: manifest.object.media_type.clone(),
            record: manifest.record.clone(),
            probe: manifest.object.probe.clone(),
            ingested_at: manifest.accession.ingested_at,
            source: manifest.accession.source.source.clone(),
            retention: manifest.retention.clone(),
            holds,
            verification,
            timeline,
        }
    }

    /// What came of looking at a link; not checked where the report does not mention it.
    #[must_use]
    pub fn checked(&self, link: Link) -> CheckResult {
        let results = || self.verification.checks.iter().filter(|c| c.link == link).map(|c| c.result);
        if results().any(|r| r == CheckResult::Failed) {
            CheckResult::Failed
        } else if results().any(|r| r == CheckResult::Passed) {
            CheckResult::Passed
        } else {
            CheckResult::NotChecked
        }
    }
}

/// The custody report as a document.
#[must_use]
pub fn custody(report: &CustodyReport) -> Document {
    let mut blocks = matter_blocks(report);
    blocks.extend(summary_blocks(report));
    for exhibit in &report.exhibits {
        blocks.extend(exhibit_blocks(exhibit));
    }
    blocks.push(Block::section("History of the matter"));
    blocks.push(timeline_table("Ledger entries of the matter", &report.timeline));
    blocks.extend(ledger_blocks(report));
    Document {
        title: "Chain of custody report".into(),
        subtitle: format!("{} ({})", report.matter.name, report.matter.id),
        description: format!("Chain of custody of {} recordings, matter {}", report.exhibits.len(), report.matter.id),
        running_head: format!("Chain of custody · {}", report.matter.id),
        made_at: report.made_at,
        blocks,
    }
}

fn fact(name: &str, value: impl Into<String>) -> (String, String) {
    (name.to_owned(), value.into())
}

fn matter_blocks(report: &CustodyReport) -> Vec<Block> {
    let matter = &report.matter;
    let mut facts = vec![
        fact("Matter", &matter.name),
        fact("Matter id", matter.id.as_str()),
        fact("Reference", &matter.reference),
        fact("Requested by", &matter.requested_by),
        fact("Justification", &matter.justification),
    ];
    if let Some(deadline) = matter.deadline {
        facts.push(fact("Deadline", format::time(deadline)));
    }
    facts.push(fact("Report made", format::time(report.made_at)));
    facts.push(fact("Made by", &report.software));
    facts.push(fact("Ledger", format!("{}, {} entries", report.ledger.id, report.ledger.size)));
    vec![Block::Facts(facts)]
}

fn summary_blocks(report: &CustodyReport) -> Vec<Block> {
    let failed = report.exhibits.iter().filter(|e| e.verification.outcome == Outcome::Failed).count();
    let mut blocks = vec![Block::section("Exhibits")];
    if failed > 0 {
        let text =
            format!("{failed} of {} exhibits FAILED verification. They must not be relied on.", report.exhibits.len());
        blocks.push(Block::Notice(text));
    }
    let row = |e: &ExhibitReport| {
        let length = e.probe.measured_duration_ms.map_or_else(|| format::bytes(e.size_bytes), format::duration);
        let interaction =
            format!("{} {} of {}", e.record.vendor, format::words(&e.record.media), e.record.interaction_id);
        vec![
            e.exhibit.clone(),
            interaction,
            format::time(e.record.start),
            length,
            e.sha256.to_hex(),
            format::words(&e.verification.outcome),
        ]
    };
    blocks.push(Block::Table {
        caption: "Recordings that are handed over".into(),
        columns: vec![
            Column::words("Exhibit", 0.8),
            Column::words("Recording", 1.35),
            Column::words("Begun", 1.2),
            Column::words("Length", 1.15),
            Column::fixed("SHA-256", 2.45),
            Column::words("Verification", 1.1),
        ],
        rows: report.exhibits.iter().map(row).collect(),
    });
    if !report.withheld.is_empty() {
        blocks.push(Block::Table {
            caption: "Recordings of the matter that are not handed over".into(),
            columns: vec![Column::fixed("Recording", 1.0), Column::words("Why", 2.0)],
            rows: report.withheld.iter().map(|w| vec![w.archive_id.to_string(), w.reason.clone()]).collect(),
        });
    }
    blocks
}

fn exhibit_blocks(e: &ExhibitReport) -> Vec<Block> {
    let r = &e.record;
    let mut facts = vec![
        fact("Recording", e.archive_id.as_str()),
        fact("File in the package", &e.path),
        fact("Name at the source", &e.original_name),
        fact("SHA-256", e.sha256.to_hex()),
        fact("Size", format::bytes(e.size_bytes)),
        fact("SHA-256 of the manifest", e.manifest_sha256.to_hex()),
        fact("Recorded by", format!("{}, organisation {}", r.vendor, r.organisation)),
        fact("Interaction", format!("{}, recording {}", r.interaction_id, r.recording_id)),
        fact("Begun and ended", format!("{} to {}", format::time(r.start), format::time(r.end))),
    ];
    if let Some(ms) = e.probe.measured_duration_ms {
        facts.push(fact("Length", format::duration(ms)));
    }
    let codec = e.probe.codec.as_deref().unwrap_or("none");
    facts.push(fact("Format", format!("{}, {}, codec {codec}", e.media_type, e.probe.container)));
    let lists = [("Taking part", format::participants(r)), ("Queues", r.queues.clone()), ("Tags", r.tags.clone())];
    for (name, list) in lists.into_iter().filter(|(_, list)| !list.is_empty()) {
        facts.push(fact(name, list.join("; ")));
    }
    facts.push(fact("Taken into the archive", format!("{}, from {}", format::time(e.ingested_at), e.source)));
    let retention = &e.retention;
    let until = format::time(retention.retention.until);
    facts.push(fact("Kept until", format!("{until} ({}, {})", retention.class, retention.legal_basis)));
    if !e.holds.is_empty() {
        facts.push(fact("Held for", e.holds.iter().map(MatterId::as_str).collect::<Vec<_>>().join(", ")));
    }
    let mut blocks = vec![Block::section(format!("Exhibit {}", e.exhibit)), Block::Facts(facts)];
    blocks.extend(verification_blocks(&e.verification));
    blocks.push(Block::part("Chain of custody"));
    blocks.push(timeline_table(&format!("Ledger entries of exhibit {}", e.exhibit), &e.timeline));
    blocks
}

fn verification_blocks(report: &VerificationReport) -> Vec<Block> {
    let outcome = format::words(&report.outcome);
    let mut blocks = vec![Block::part(format!("Verification: {outcome}"))];
    let titles = |result: CheckResult| {
        let of = |c: &&Check| c.result == result;
        report.checks.iter().filter(of).map(|c| c.link.title()).collect::<Vec<_>>().join("; ")
    };
    let mut facts = vec![fact("Compared, and agrees", titles(CheckResult::Passed))];
    facts.push(fact("Compared, and does not agree", titles(CheckResult::Failed)));
    facts.push(fact("Not compared", titles(CheckResult::NotChecked)));
    facts.retain(|(_, v)| !v.is_empty());
    blocks.push(Block::Facts(facts));
    for finding in &report.findings {
        blocks.push(finding_block(finding));
    }
    blocks
}

fn finding_block(f: &Finding) -> Block {
    let weight = if f.severity == Severity::Failure { "FAILURE" } else { "Remark" };
    Block::Notice(format!(
        "{weight} {}: {} Concerns {}: expected {}, found {}. Next: {}",
        f.code,
        f.code.meaning(),
        f.subject,
        f.expected,
        f.found,
        f.code.next()
    ))
}

fn timeline_table(caption: &str, steps: &[CustodyStep]) -> Block {
    let row = |s: &CustodyStep| {
        let mut why = s.reason.clone().unwrap_or_default();
        if let Some(code) = &s.code {
            why = if why.is_empty() { code.clone() } else { format!("{why} [{code}]") };
        }
        vec![
            s.sequence.to_string(),
            format::time(s.time),
            s.what.clone(),
            format!("{}, {}, {}", s.person, s.role, s.place),
            why,
        ]
    };
    Block::Table {
        caption: caption.to_owned(),
        columns: vec![
            Column::words("Entry", 0.5),
            Column::words("When", 1.2),
            Column::words("What", 1.6),
            Column::words("Who, in which role, where", 1.8),
            Column::words("Why", 1.6),
        ],
        rows: steps.iter().map(row).collect(),
    }
}

fn ledger_blocks(report: &CustodyReport) -> Vec<Block> {
    let ledger = &report.ledger;
    vec![
        Block::section("The ledger, and how to check this report"),
        Block::Facts(vec![
            fact("Ledger", &ledger.id),
            fact("Entries covered by the checkpoint", ledger.size.to_string()),
            fact("Root of the Merkle tree", ledger.root.to_hex()),
            fact("Fingerprint of the public key", &ledger.key_fingerprint),
        ]),
        Block::paragraph(
            "Each step above restates an entry of an append-only ledger. The entries are in the evidence package with proofs that \
             they stand in the signed tree. The page HOW-TO-CHECK.html of the package tells how anybody can check the recordings \
             and the entries with common tools, without Holdfast and without a network. Compare the fingerprint of the public key \
             with the archive over another way.",
        ),
        Block::paragraph(
            "This report shows the entries that are in the package. It makes no statement on what is listed as not compared.",
        ),
    ]
}
