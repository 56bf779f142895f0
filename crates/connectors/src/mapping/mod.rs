//! The declarative mapping: which place of a vendor's metadata becomes which canonical field. `docs/formats/mapping.md` is
//! normative. A mapping file is checked as a whole when it is read; every error names line and column.

mod apply;
mod document;
mod error;
mod file;
mod glob;
mod path;
mod time;

pub use error::MappingError;

use crate::{Draft, Problem, reason, sidecar::Known};
use document::Document;
use file::{Format, Rule};
use holdfast_model::Sha256Digest;

/// A mapping file that was read and checked.
#[derive(Debug, Clone)]
pub struct Mapping {
    name: String,
    digest: Sha256Digest,
    rules: Vec<Rule>,
}

/// One row of a manifest with the manifest's heading.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) heading: Vec<String>,
    pub(crate) cells: Vec<String>,
    /// Line in the manifest, from 1.
    pub(crate) line: u64,
}

/// How a manifest is read: the rule that applies to it.
pub(crate) struct ManifestRule<'a> {
    pub(crate) file_column: &'a str,
    pub(crate) delimiter: u8,
    rule: &'a Rule,
}

/// Metadata in one of the formats a rule can read.
pub(crate) enum Metadata<'a> {
    /// Bytes of a JSON file.
    Json(&'a [u8]),
    /// Bytes of an XML file.
    Xml(&'a [u8]),
}

impl Mapping {
    /// Reads and checks a mapping file.
    ///
    /// # Errors
    /// [`MappingError`] with line, column and a sentence.
    pub fn parse(text: &str) -> Result<Self, MappingError> {
        let (name, rules) = file::parse(text)?;
        Ok(Self { name, digest: Sha256Digest::of(text.as_bytes()), rules })
    }

    /// What a manifest says read the payload: `mapping:<name>@<sha256 of the mapping file>`.
    #[must_use]
    pub fn schema(&self) -> String {
        format!("mapping:{}@{}", self.name, self.digest)
    }

    /// Whether any rule reads XML.
    pub(crate) fn reads_xml(&self) -> bool {
        self.rules.iter().any(|r| r.format == Format::Xml)
    }

    /// The rule for a manifest of that place inside the source, where one is for it.
    pub(crate) fn manifest_rule(&self, item: &str) -> Option<ManifestRule<'_>> {
        let rule = self.rules.iter().find(|r| r.format == Format::Csv && r.matches(item))?;
        Some(ManifestRule { file_column: rule.file_column.as_deref()?, delimiter: rule.delimiter, rule })
    }

    /// Maps a file that lies at `item` inside the source.
    pub(crate) fn apply(&self, item: &str, metadata: &Metadata<'_>, known: Known<'_>) -> Result<Draft, Problem> {
        let (format, bytes) = match metadata {
            Metadata::Json(bytes) => (Format::Json, bytes),
            Metadata::Xml(bytes) => (Format::Xml, bytes),
        };
        let rule = self.rules.iter().find(|r| r.format == format && r.matches(item)).ok_or_else(|| {
            Problem::new(reason::NO_RULE, format!("no rule of the mapping {:?} applies to this metadata", self.name))
        })?;
        let text = crate::input::decode(bytes)?;
        let document = match format {
            Format::Json => Document::json(&text)?,
            Format::Xml => Document::xml(&text)?,
            Format::Csv => return Err(Problem::new(reason::NO_RULE, "a manifest is mapped row by row")),
        };
        apply::apply(rule, &document, item, known)
    }

    /// Whether a lone metadata file at `item` is the recording itself.
    pub(crate) fn is_recording(&self, item: &str, metadata: &Metadata<'_>) -> bool {
        let format = match metadata {
            Metadata::Json(_) => Format::Json,
            Metadata::Xml(_) => Format::Xml,
        };
        self.rules.iter().find(|r| r.format == format && r.matches(item)).is_some_and(|r| r.is_recording)
    }
}

impl ManifestRule<'_> {
    /// Maps one row of the manifest at `item`.
    pub(crate) fn apply(&self, row: &Row, item: &str, known: Known<'_>) -> Result<Draft, Problem> {
        apply::apply(self.rule, &Document::Row(row), item, known)
    }
}

#[cfg(test)]
mod tests;
