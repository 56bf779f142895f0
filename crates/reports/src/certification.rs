use crate::{
    custody::{CustodyReport, ExhibitReport},
    document::{Block, Column, Document},
    format,
};
use holdfast_verify::{CheckResult, Link};

/// A draft certification in the manner of Federal Rules of Evidence 902(13) and 902(14) and 28 U.S.C. 1746, filled from what
/// is on record. It says of each exhibit what was compared and what was not, and attests nothing: a qualified person reviews,
/// completes and signs it.
#[must_use]
pub fn certification(report: &CustodyReport) -> Document {
    let mut blocks = vec![
        Block::Notice(
            "DRAFT – for review and signature of a qualified person. It was filled by software from what is on record; nobody has \
             attested anything in it yet. Strike what you cannot say of your own knowledge or qualification, complete the blanks, \
             and have counsel review it. Rules 902(13) and 902(14) refer to Rule 902(11), which asks for reasonable written notice \
             to the adverse party before the trial or hearing, with the records and the certification made available for inspection."
                .into(),
        ),
        Block::section("The person who certifies"),
        Block::Blanks(
            ["Name", "Title", "Employer", "Training and experience that qualify me for this certification"].map(str::to_owned).to_vec(),
        ),
        Block::section("Statements"),
        Block::Numbered(statements(report)),
        Block::section("Exhibits"),
        exhibit_table(report),
    ];
    if !report.withheld.is_empty() {
        let list: Vec<_> = report.withheld.iter().map(|w| format!("{} ({})", w.archive_id, w.reason)).collect();
        blocks.push(Block::paragraph(format!("Not part of this certification: {}.", list.join("; "))));
    }
    blocks.extend([
        Block::section("Declaration (28 U.S.C. § 1746)"),
        Block::paragraph(
            "If executed within the United States, its territories, possessions, or commonwealths: I declare under penalty of \
             perjury that the foregoing is true and correct.",
        ),
        Block::paragraph(
            "If executed without the United States: I declare under penalty of perjury under the laws of the United States of \
             America that the foregoing is true and correct.",
        ),
        Block::Blanks(["Executed on (date)", "At (place)", "Signature"].map(str::to_owned).to_vec()),
    ]);
    let matter = &report.matter;
    Document {
        title: "Draft certification of recordings".into(),
        subtitle: format!(
            "in the manner of Federal Rules of Evidence 902(13) and 902(14) and 28 U.S.C. § 1746 · {} ({})",
            matter.name, matter.id
        ),
        description: format!("Draft certification for matter {}, unsigned", matter.id),
        running_head: format!("DRAFT – for review and signature of a qualified person · {}", matter.id),
        made_at: report.made_at,
        blocks,
    }
}

fn statements(report: &CustodyReport) -> Vec<String> {
    let (matter, ledger) = (&report.matter, &report.ledger);
    let mut out = vec![
        format!(
            "This certification concerns {} listed below, put together on {} for the matter {:?}, reference {:?}, by {}.",
            count(report.exhibits.len(), "recording"),
            format::time(report.made_at),
            matter.name,
            matter.reference,
            report.software
        ),
        "The archive's process, as its published description states it: when a recording is taken in, the software computes the \
         SHA-256 value of its bytes, stores it, reads the stored copy back, and computes the value again; only if both are equal \
         does it record the recording as archived. It then writes the value into an entry of an append-only ledger, together with \
         the SHA-256 value of the recording's description (its manifest)."
            .into(),
        format!(
            "The ledger {} had {} entries when the evidence package was made. Its state was signed with the Ed25519 key with the \
             fingerprint {}. Each entry in the package carries a proof that it stands in that state.",
            ledger.id, ledger.size, ledger.key_fingerprint
        ),
        "SHA-256 is a published function (FIPS 180-4) that gives a value of 256 bits for a file. No two different files with the \
         same value are publicly known; a change of even one bit gives another value."
            .into(),
    ];
    out.extend(comparisons(&report.exhibits));
    out.push(unchecked(&report.exhibits));
    out
}

/// What was compared for which exhibits, in groups, so that nothing is said of an exhibit that does not hold for it.
fn comparisons(exhibits: &[ExhibitReport]) -> Vec<String> {
    let with = |result: CheckResult| {
        exhibits.iter().filter(|e| e.checked(Link::Bytes) == result).map(|e| e.exhibit.as_str()).collect::<Vec<_>>()
    };
    let mut out = Vec::new();
    let agreed = with(CheckResult::Passed);
    if !agreed.is_empty() {
        out.push(format!(
            "The bytes of these exhibits were read, and their SHA-256 value was found equal to the one on record from when they \
             were archived: {}.",
            agreed.join(", ")
        ));
    }
    let failed = with(CheckResult::Failed);
    if !failed.is_empty() {
        out.push(format!(
            "The bytes of these exhibits were read, and their SHA-256 value was found DIFFERENT from the one on record: {}. They \
             cannot be certified.",
            failed.join(", ")
        ));
    }
    let open = with(CheckResult::NotChecked);
    if !open.is_empty() {
        let text = "The bytes of these exhibits were NOT compared; nothing is stated about their content";
        out.push(format!("{text}: {}.", open.join(", ")));
    }
    for link in [Link::Manifest, Link::LedgerEntry, Link::Inclusion, Link::CheckpointSignature, Link::Retention] {
        let passed: Vec<_> =
            exhibits.iter().filter(|e| e.checked(link) == CheckResult::Passed).map(|e| e.exhibit.as_str()).collect();
        if passed.len() == exhibits.len() && !passed.is_empty() {
            out.push(format!("Checked for every exhibit, and found in order: {}.", link.title()));
        } else if !passed.is_empty() {
            out.push(format!("Checked and found in order for {} only: {}.", passed.join(", "), link.title()));
        }
    }
    out
}

fn unchecked(exhibits: &[ExhibitReport]) -> String {
    let nowhere =
        |link: &&Link| **link != Link::Package && exhibits.iter().all(|e| e.checked(**link) == CheckResult::NotChecked);
    let titles: Vec<_> = Link::ALL.iter().filter(nowhere).map(|l| l.title()).collect();
    let mut text = String::from(
        "This certification makes no statement on how the recordings were made before they reached the archive",
    );
    if !exhibits.iter().any(|e| e.checked(Link::Timestamp) == CheckResult::Passed) {
        text.push_str("; the times in the ledger are those of the archive's own clock and were not attested by an independent authority");
    }
    if !titles.is_empty() {
        text.push_str(&format!("; not checked for any exhibit: {}", titles.join(", ")));
    }
    text.push('.');
    text
}

fn exhibit_table(report: &CustodyReport) -> Block {
    let row = |e: &ExhibitReport| {
        let compared = match e.checked(Link::Bytes) {
            CheckResult::Passed => "agrees",
            CheckResult::Failed => "DOES NOT AGREE",
            CheckResult::NotChecked => "not compared",
        };
        vec![
            e.exhibit.clone(),
            e.path.rsplit('/').next().unwrap_or_default().to_owned(),
            format::bytes(e.size_bytes),
            format::time(e.ingested_at),
            e.sha256.to_hex(),
            compared.to_owned(),
        ]
    };
    Block::Table {
        caption: "Recordings and their SHA-256 values".into(),
        columns: vec![
            Column::words("Exhibit", 0.8),
            Column::words("File", 1.5),
            Column::words("Size", 1.0),
            Column::words("Archived", 1.2),
            Column::fixed("SHA-256", 2.45),
            Column::words("Bytes", 0.9),
        ],
        rows: report.exhibits.iter().map(row).collect(),
    }
}

fn count(n: usize, what: &str) -> String {
    if n == 1 { format!("the one {what}") } else { format!("the {n} {what}s") }
}
