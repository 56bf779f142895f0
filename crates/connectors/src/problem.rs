use serde::{Deserialize, Serialize};
use std::fmt;

/// Stable reasons for which an item of a source goes to quarantine before anything is archived.
pub mod reason {
    /// A media file without metadata.
    pub const ORPHAN_MEDIA: &str = "orphan_media";
    /// Metadata without a media file.
    pub const ORPHAN_METADATA: &str = "orphan_metadata";
    /// Several media files for one set of metadata.
    pub const AMBIGUOUS_MEDIA: &str = "ambiguous_media";
    /// Several sets of metadata for one media file.
    pub const AMBIGUOUS_METADATA: &str = "ambiguous_metadata";
    /// The metadata is larger than Holdfast reads.
    pub const METADATA_TOO_LARGE: &str = "metadata_too_large";
    /// The metadata is not what its format demands (JSON, XML, CSV, character set).
    pub const METADATA_MALFORMED: &str = "metadata_malformed";
    /// A mandatory field is missing.
    pub const FIELD_MISSING: &str = "field_missing";
    /// A field has a value that cannot be used.
    pub const FIELD_INVALID: &str = "field_invalid";
    /// The metadata needs a mapping file, or no rule of the mapping file applies to it.
    pub const NO_RULE: &str = "no_mapping_rule";
    /// A symbolic link that leads out of the folder.
    pub const SYMLINK_OUTSIDE: &str = "symlink_outside";
    /// A symbolic link that leads nowhere.
    pub const SYMLINK_BROKEN: &str = "symlink_broken";
    /// A device, pipe or socket.
    pub const NOT_A_FILE: &str = "not_a_file";
    /// A file or folder that cannot be read.
    pub const UNREADABLE: &str = "unreadable";
    /// Folders nested more deeply than Holdfast walks.
    pub const TOO_DEEP: &str = "too_deep";
    /// A manifest names a file outside its folder.
    pub const PATH_OUTSIDE: &str = "path_outside";
}

/// Why an item cannot be archived as it is: a stable reason, a sentence, and where in the metadata. Never carries a customer's
/// data beyond the name of the field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// One of [`reason`].
    pub reason: String,
    /// A sentence for people.
    pub sentence: String,
    /// The canonical field concerned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// Line in the metadata, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// Column in the metadata in characters, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<u64>,
}

impl Problem {
    pub(crate) fn new(reason: &str, sentence: impl Into<String>) -> Self {
        Self { reason: reason.to_owned(), sentence: sentence.into(), field: None, line: None, column: None }
    }

    pub(crate) fn field(reason: &str, field: &str, sentence: impl Into<String>) -> Self {
        Self { field: Some(field.to_owned()), ..Self::new(reason, sentence) }
    }

    /// With a place, where it is known and none is set yet.
    pub(crate) fn at(mut self, place: Option<(u64, u64)>) -> Self {
        if let (None, Some((line, column))) = (self.line, place) {
            (self.line, self.column) = (Some(line), Some(column));
        }
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sentence)?;
        match (self.line, self.column) {
            (Some(line), Some(column)) => write!(f, " (metadata line {line}, column {column})"),
            (Some(line), None) => write!(f, " (metadata line {line})"),
            _ => Ok(()),
        }
    }
}
