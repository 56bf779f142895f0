//! PDF/A-2b: fonts embedded, tagged for screen readers, checked by the writer's own validator.

mod emit;
mod font;
mod layout;
mod line;
mod table;

use crate::{Document, ReportError};
use font::Repertoire;

/// The document as PDF/A-2b in US Letter format with page numbers, bookmarks and tags. The same document gives the same bytes.
/// Scripts that the embedded fonts do not cover are printed as code points, such as `[U+0905]`.
///
/// # Errors
/// [`ReportError::Pdf`] where the writer refuses; no text that can stand in a report leads to that.
pub fn to_pdf(document: &Document) -> Result<Vec<u8>, ReportError> {
    // Shaping of right-to-left scripts may ask for a glyph that a font lacks, which PDF/A forbids; then their letters are
    // printed as code points too.
    emit::write(&layout::Layout::of(document, Repertoire::Full), document)
        .or_else(|_| emit::write(&layout::Layout::of(document, Repertoire::LeftToRight), document))
}
