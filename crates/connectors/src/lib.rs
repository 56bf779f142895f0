//! Sources of recordings. A connector says what its source holds ([`SourceConnector::discover`]), maps the vendor's metadata
//! to the canonical record, and hands over bytes. It decides nothing: what does not fit is passed on with a [`Problem`], so
//! that the archiver can quarantine it and no recording is ever silently left out.
//!
//! First source: [`FolderSource`], a drop folder or an export bucket's layout on disk.

mod error;
mod folder;
mod input;
mod mapping;
mod name;
mod problem;
mod sidecar;
mod source;
mod text;

pub use error::ConnectorError;
pub use folder::{FolderOptions, FolderSource, Readiness};
pub use mapping::{Mapping, MappingError};
pub use name::{decode_name, encode_name};
pub use problem::{Problem, reason};
pub use sidecar::{SIDECAR_SCHEMA, read_sidecar};
pub use source::{
    Discovered, Draft, Fetched, FileRole, Payload, SourceConnector, SourceFile, SourceItem, Survey, open_source,
};
pub use text::{ExtractedText, TEXT_METHOD, extract_text};

/// Metadata larger than this is not read but quarantined: 8 MiB.
pub const PAYLOAD_LIMIT: u64 = 8 * 1024 * 1024;
