use holdfast_model::{Fault, FaultKind};

/// A report that could not be rendered.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ReportError {
    /// The PDF could not be made, or would not be valid PDF/A.
    #[error("the PDF can't be made: {0}")]
    Pdf(String),
    /// The package that is reported on could not be read back.
    #[error("the package can't be reported on: {0}")]
    Package(String),
    /// The JSON could not be made.
    #[error("the JSON can't be made: {0}")]
    Json(String),
}

impl Fault for ReportError {
    fn code(&self) -> &'static str {
        match self {
            Self::Pdf(_) => "reports.pdf",
            Self::Package(_) => "reports.package",
            Self::Json(_) => "reports.json",
        }
    }
    fn kind(&self) -> FaultKind {
        FaultKind::Internal
    }
    fn next(&self) -> String {
        "Please report this with the matter's id; the HTML report says the same.".into()
    }
}
