//! What people read: the custody report, the draft certification, the load file and the cost report, rendered from plain data.
//!
//! [`CustodyReport`] is the data (and, as JSON, a report of its own); [`Document`] is what a report says, once, and its three
//! renderings are plain text, HTML and PDF/A. Nothing here looks at a clock or a file: the same report gives the same bytes.

mod certification;
mod costs;
mod custody;
mod document;
mod error;
mod format;
mod html;
mod loadfile;
mod pdf;
mod text;

pub use certification::certification;
pub use costs::{COSTS_FORMAT, CostKind, CostLine, CostReport, CostTotals, CostYear, costs, costs_csv};
pub use custody::{CUSTODY_FORMAT, CustodyReport, ExhibitReport, custody};
pub use document::{Block, Column, Document};
pub use error::ReportError;
pub use html::to_html;
pub use loadfile::loadfile;
pub use pdf::to_pdf;
pub use text::to_text;

use holdfast_verify::package::path;

/// A rendered file and its place in an evidence package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RenderedFile {
    /// Path from the package's folder.
    pub path: String,
    /// Content.
    pub bytes: Vec<u8>,
}

/// Every report of an evidence package: custody report as JSON, HTML and PDF/A, the draft certification as text, HTML and
/// PDF/A, and the load file. About 4 ms and 130 KB of memory for each exhibit.
///
/// # Errors
/// [`ReportError`], where a PDF can't be made.
pub fn render_all(report: &CustodyReport) -> Result<Vec<RenderedFile>, ReportError> {
    let custody = custody(report);
    let certification = certification(report);
    let reports = |name: &str| format!("{}/{name}", path::REPORTS);
    let mut json = serde_json::to_vec_pretty(report).map_err(|e| ReportError::Json(e.to_string()))?;
    json.push(b'\n');
    let files = [
        (path::CUSTODY_JSON.to_owned(), json),
        (reports("custody.html"), to_html(&custody).into_bytes()),
        (reports("custody.pdf"), to_pdf(&custody)?),
        (reports("certification.txt"), to_text(&certification).into_bytes()),
        (reports("certification.html"), to_html(&certification).into_bytes()),
        (reports("certification.pdf"), to_pdf(&certification)?),
        (path::LOADFILE.to_owned(), loadfile(report)),
    ];
    Ok(files.into_iter().map(|(path, bytes)| RenderedFile { path, bytes }).collect())
}
