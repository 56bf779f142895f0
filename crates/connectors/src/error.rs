use crate::MappingError;
use holdfast_model::{Fault, FaultKind};

/// What stops a connector as a whole, or the reading of one file. What is wrong with one item is a [`crate::Problem`].
#[derive(Debug, thiserror::Error)]
pub enum ConnectorError {
    /// The folder of a source is not there or is no folder.
    #[error("the source folder {place} cannot be opened: {source}")]
    Source {
        /// Folder, safe to show.
        place: String,
        /// Why.
        source: std::io::Error,
    },
    /// One file of a source cannot be read.
    #[error("a file of the source cannot be read: {source}")]
    File {
        /// Why.
        source: std::io::Error,
    },
    /// A file was written to while it was being read.
    #[error("the file changed while it was being read: {what}")]
    Changed {
        /// What differs.
        what: &'static str,
    },
    /// A name that leads out of the source.
    #[error("a file of the source lies outside its folder")]
    Outside,
    /// The mapping file is wrong.
    #[error(transparent)]
    Mapping(#[from] MappingError),
    /// A source's description, kept with a run, cannot be understood.
    #[error("the description of the source cannot be understood: {detail}")]
    Description {
        /// What is wrong.
        detail: String,
    },
    /// The person cancelled.
    #[error("cancelled")]
    Cancelled,
    /// A defect in Holdfast.
    #[error("internal error while reading the source: {detail}")]
    Internal {
        /// Where.
        detail: String,
    },
}

impl Fault for ConnectorError {
    fn code(&self) -> &'static str {
        match self {
            Self::Source { .. } => "connectors.source_unavailable",
            Self::File { .. } => "connectors.unreadable",
            Self::Changed { .. } => "connectors.changed_while_reading",
            Self::Outside => "connectors.outside",
            Self::Mapping(e) => e.code(),
            Self::Description { .. } => "connectors.description",
            Self::Cancelled => "connectors.cancelled",
            Self::Internal { .. } => "connectors.internal",
        }
    }

    fn kind(&self) -> FaultKind {
        match self {
            Self::Source { source, .. } | Self::File { source } => match source.kind() {
                std::io::ErrorKind::NotFound => FaultKind::NotFound,
                std::io::ErrorKind::PermissionDenied => FaultKind::Denied,
                _ => FaultKind::Io,
            },
            Self::Changed { .. } => FaultKind::Conflict,
            Self::Outside => FaultKind::Refused,
            Self::Mapping(e) => e.kind(),
            Self::Description { .. } => FaultKind::Invalid,
            Self::Cancelled => FaultKind::Cancelled,
            Self::Internal { .. } => FaultKind::Internal,
        }
    }

    fn next(&self) -> String {
        match self {
            Self::Source { .. } => "Check that the folder exists and that this account may read it.".into(),
            Self::File { .. } => "Check the rights of the file and the disk, then ingest the folder again.".into(),
            Self::Changed { .. } => "Wait until the file is complete, then ingest the folder again.".into(),
            Self::Outside => "Copy the file into the folder instead of linking to it.".into(),
            Self::Mapping(e) => e.next(),
            Self::Description { .. } => "Ingest the folder again by naming it.".into(),
            Self::Cancelled => "Start it again when you wish; it goes on where it stopped.".into(),
            Self::Internal { .. } => "Report this with the log.".into(),
        }
    }
}
