//! What keeping the archive costs, as data, as a document and as a table for spreadsheets.

use crate::{
    document::{Block, Column, Document},
    format,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt::Write as _;

/// The format's name and version, first field of the report.
pub const COSTS_FORMAT: &str = "holdfast-costs/1";

/// What keeping the archive costs at list prices. Amounts are decimal texts in `currency`, rounded to what such a sum can mean: whole
/// units from 100 on, cents below. A month is 30 days, a year twelve of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CostReport {
    /// [`COSTS_FORMAT`].
    pub format: String,
    /// When the storage was counted.
    pub counted_at: Timestamp,
    /// The day that the price list bears.
    pub prices_dated: String,
    /// Where the price list says its figures come from.
    pub prices_source: String,
    /// ISO 4217.
    pub currency: String,
    /// By what is kept and where, recordings first.
    pub lines: Vec<CostLine>,
    /// Recordings by the year of the interaction's end, newest first.
    pub years: Vec<CostYear>,
    /// In sum.
    pub totals: CostTotals,
    /// What a reader must know.
    pub remarks: Vec<String>,
}

/// What is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CostKind {
    /// Original recordings.
    Recordings,
    /// What describes and proves them: manifests, payloads, texts, ledger; and what was set aside.
    Metadata,
}

/// One kind in one storage class.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CostLine {
    /// What is kept.
    pub kind: CostKind,
    /// The provider's own name of the class.
    pub storage_class: String,
    /// What people call it.
    pub class_name: String,
    /// Objects.
    pub objects: u64,
    /// Their bytes.
    pub size_bytes: u64,
    /// Bytes that are billed: small objects count as larger ones, and some classes add to each.
    pub billed_bytes: u64,
    /// Keeping them for a month; none where the list has no price.
    pub month: Option<String>,
    /// Of that, what is billed beyond the objects' own bytes.
    pub month_on_top: Option<String>,
    /// The same bytes for a month in the provider's standard class; none where there is none.
    pub month_standard: Option<String>,
    /// What not keeping them there saves in a year; negative where it costs more.
    pub saving_year: Option<String>,
    /// What moving them here by a lifecycle rule cost once.
    pub moved_once: Option<String>,
    /// Days that are billed at least.
    pub min_days: u16,
    /// What would be billed on top if all of them left the class now.
    pub early_deletion: Option<String>,
}

/// Recordings of one year.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CostYear {
    /// Year of the interaction's end; 0 where the key does not say.
    pub year: u16,
    /// Recordings.
    pub objects: u64,
    /// Their bytes.
    pub size_bytes: u64,
    /// Keeping them for a month, as far as their classes have prices.
    pub month: String,
    /// The same in the standard class, as far as there is one.
    pub month_standard: String,
    /// What that saves in a year.
    pub saving_year: String,
}

/// In sum.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CostTotals {
    /// Objects.
    pub objects: u64,
    /// Of these recordings.
    pub recordings: u64,
    /// Their bytes.
    pub size_bytes: u64,
    /// Keeping all for a month.
    pub month: String,
    /// Keeping all for a year.
    pub year: String,
    /// All for a month in the standard class.
    pub month_standard: String,
    /// What that saves in a year.
    pub saving_year: String,
    /// Objects in classes without a price; they are in no amount.
    pub unpriced: u64,
}

/// The report as a document.
#[must_use]
pub fn costs(report: &CostReport) -> Document {
    let t = &report.totals;
    let money = |amount: &str| format!("{} {amount}", report.currency);
    let optional = |amount: &Option<String>| amount.clone().unwrap_or_else(|| "–".into());
    let mut blocks = vec![
        Block::Facts(vec![
            ("Keeping the archive costs".into(), format!("{} a month, {} a year", money(&t.month), money(&t.year))),
            ("In the standard class it would cost".into(), format!("{} a month", money(&t.month_standard))),
            ("Saving a year".into(), money(&t.saving_year)),
            (
                "Kept".into(),
                format!("{} recordings, {} objects in all, {}", t.recordings, t.objects, format::bytes(t.size_bytes)),
            ),
            ("Prices".into(), format!("of {}. {}", report.prices_dated, report.prices_source)),
        ]),
        Block::section("By storage class"),
        Block::Table {
            caption: format!("What is kept where ({} a month of 30 days)", report.currency),
            columns: vec![
                Column::words("What", 1.3),
                Column::words("Kept in", 2.4),
                Column::words("Objects", 1.0),
                Column::words("Size", 1.6),
                Column::words("A month", 1.0),
                Column::words("of it on top", 1.0),
                Column::words("In standard", 1.0),
                Column::words("Saving a year", 1.1),
                Column::words("Moved in once", 1.1),
                Column::words("If all left now", 1.1),
            ],
            rows: report
                .lines
                .iter()
                .map(|l| {
                    vec![
                        kind(l.kind).to_owned(),
                        l.class_name.clone(),
                        l.objects.to_string(),
                        format::bytes(l.size_bytes),
                        optional(&l.month),
                        optional(&l.month_on_top),
                        optional(&l.month_standard),
                        optional(&l.saving_year),
                        optional(&l.moved_once),
                        optional(&l.early_deletion),
                    ]
                })
                .collect(),
        },
        Block::section("Recordings by year"),
        Block::Table {
            caption: format!("By the year in which the interaction ended ({})", report.currency),
            columns: vec![
                Column::words("Year", 1.0),
                Column::words("Recordings", 1.0),
                Column::words("Size", 1.6),
                Column::words("A month", 1.0),
                Column::words("In standard", 1.0),
                Column::words("Saving a year", 1.0),
            ],
            rows: report
                .years
                .iter()
                .map(|y| {
                    let year = if y.year == 0 { "unknown".into() } else { y.year.to_string() };
                    let (objects, size) = (y.objects.to_string(), format::bytes(y.size_bytes));
                    vec![year, objects, size, y.month.clone(), y.month_standard.clone(), y.saving_year.clone()]
                })
                .collect(),
        },
        Block::section("How this was worked out"),
    ];
    blocks.push(Block::Numbered(report.remarks.clone()));
    Document {
        title: "What the archive costs".into(),
        subtitle: format!("Counted in the storage at {}", format::time(report.counted_at)),
        description:
            "Storage costs of the archive by class and year, and what the provider's standard class would cost.".into(),
        running_head: "Estimate at list prices – not a bill".into(),
        made_at: report.counted_at,
        blocks,
    }
}

fn kind(kind: CostKind) -> &'static str {
    match kind {
        CostKind::Recordings => "Recordings",
        CostKind::Metadata => "Metadata",
    }
}

/// The lines as comma-separated values (RFC 4180), one for each kind and class.
#[must_use]
pub fn costs_csv(report: &CostReport) -> String {
    let mut out = String::from(
        "what,storage_class,class_name,objects,size_bytes,billed_bytes,month,month_on_top,month_standard,saving_year,moved_once,\
         min_days,early_deletion,currency,prices_dated,counted_at\r\n",
    );
    let text = |amount: &Option<String>| amount.clone().unwrap_or_default();
    for l in &report.lines {
        let fields = [
            kind(l.kind).to_lowercase(),
            quoted(&l.storage_class),
            quoted(&l.class_name),
            l.objects.to_string(),
            l.size_bytes.to_string(),
            l.billed_bytes.to_string(),
            text(&l.month),
            text(&l.month_on_top),
            text(&l.month_standard),
            text(&l.saving_year),
            text(&l.moved_once),
            l.min_days.to_string(),
            text(&l.early_deletion),
            quoted(&report.currency),
            quoted(&report.prices_dated),
            report.counted_at.to_string(),
        ];
        // Writing to a string cannot fail.
        let _ = write!(out, "{}\r\n", fields.join(","));
    }
    out
}

/// A field that holds a separator, a quote or a line end is quoted; one that a spreadsheet would take for a formula is made a text.
fn quoted(field: &str) -> String {
    let formula = field.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let field = if formula { format!("'{field}") } else { field.to_owned() };
    if field.contains([',', '"', '\n', '\r']) { format!("\"{}\"", field.replace('"', "\"\"")) } else { field }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{to_html, to_pdf, to_text};

    fn report() -> CostReport {
        let some = |s: &str| Some(s.to_owned());
        CostReport {
            format: COSTS_FORMAT.into(),
            counted_at: "2026-11-20T08:00:00Z".parse().unwrap(),
            prices_dated: "2026-11-01".into(),
            prices_source: "List prices.".into(),
            currency: "USD".into(),
            lines: vec![
                CostLine {
                    kind: CostKind::Recordings,
                    storage_class: "DEEP_ARCHIVE".into(),
                    class_name: "S3 Glacier Deep Archive".into(),
                    objects: 1_000_000,
                    size_bytes: 2 << 40,
                    billed_bytes: 3 << 40,
                    month: some("2.12"),
                    month_on_top: some("0.21"),
                    month_standard: some("47.10"),
                    saving_year: some("540"),
                    moved_once: some("50.00"),
                    min_days: 180,
                    early_deletion: some("0.00"),
                },
                CostLine {
                    kind: CostKind::Metadata,
                    storage_class: "=cmd".into(),
                    class_name: "tape, \"blue\"".into(),
                    objects: 1,
                    size_bytes: 5,
                    billed_bytes: 5,
                    month: None,
                    month_on_top: None,
                    month_standard: None,
                    saving_year: None,
                    moved_once: None,
                    min_days: 0,
                    early_deletion: None,
                },
            ],
            years: vec![CostYear {
                year: 2024,
                objects: 1_000_000,
                size_bytes: 2 << 40,
                month: "2.12".into(),
                month_standard: "47.10".into(),
                saving_year: "540".into(),
            }],
            totals: CostTotals {
                objects: 1_000_001,
                recordings: 1_000_000,
                size_bytes: 2 << 40,
                month: "2.12".into(),
                year: "25.44".into(),
                month_standard: "47.10".into(),
                saving_year: "540".into(),
                unpriced: 1,
            },
            remarks: vec!["List prices, no discounts.".into()],
        }
    }

    #[test]
    fn the_report_says_its_sums_in_every_form_and_comes_back_from_json() {
        let document = costs(&report());
        let (text, html) = (to_text(&document), to_html(&document));
        for said in [
            "USD 2.12 a month, USD 25.44 a year",
            "S3 Glacier Deep Archive",
            "not a bill",
            "List prices, no discounts.",
        ] {
            assert!(text.replace("\n    ", " ").contains(said), "{said}\n{text}");
            assert!(html.contains(said), "{said}");
        }
        assert!(to_pdf(&document).unwrap().starts_with(b"%PDF"));
        let json = serde_json::to_string(&report()).unwrap();
        assert_eq!(serde_json::from_str::<CostReport>(&json).unwrap(), report());
    }

    #[test]
    fn the_table_is_safe_for_spreadsheets() {
        let csv = costs_csv(&report());
        let lines: Vec<&str> = csv.split_terminator("\r\n").collect();
        assert_eq!(lines.len(), 3);
        assert!(lines[1].starts_with(
            "recordings,DEEP_ARCHIVE,S3 Glacier Deep Archive,1000000,2199023255552,3298534883328,2.12,0.21,"
        ));
        assert!(lines[2].starts_with("metadata,'=cmd,\"tape, \"\"blue\"\"\",1,5,5,,,,,,0,,USD,"), "{}", lines[2]);
        assert_eq!(lines[0].split(',').count(), lines[1].split(',').count());
    }
}
