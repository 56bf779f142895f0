use jiff::Timestamp;

/// What a report says, independent of how it looks.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// Its title.
    pub title: String,
    /// A line below the title.
    pub subtitle: String,
    /// What it is about, for a reader's catalogue.
    pub description: String,
    /// Short text at the head of each page, e.g. `DRAFT – for review`.
    pub running_head: String,
    /// The date it bears: given, never looked up.
    pub made_at: Timestamp,
    /// Its content.
    pub blocks: Vec<Block>,
}

/// A piece of a document.
#[derive(Debug, Clone, PartialEq)]
pub enum Block {
    /// A heading; level 2 begins a section, 3 a part of one.
    Heading {
        /// 2 or 3.
        level: u8,
        /// Its words.
        text: String,
    },
    /// A paragraph.
    Paragraph(String),
    /// A paragraph that must not be overlooked, set in a frame.
    Notice(String),
    /// Paragraphs with running numbers.
    Numbered(Vec<String>),
    /// Names and values.
    Facts(Vec<(String, String)>),
    /// A table; its header stands again on every page.
    Table {
        /// What it shows.
        caption: String,
        /// Its columns.
        columns: Vec<Column>,
        /// Its rows, each as long as `columns`.
        rows: Vec<Vec<String>>,
    },
    /// Lines to be filled in by hand, each with what goes there.
    Blanks(Vec<String>),
}

/// A column of a table.
#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    /// Its header.
    pub title: &'static str,
    /// Its width against those of the others.
    pub weight: f32,
    /// Whether it holds digests or codes, to be set in a fixed width.
    pub fixed: bool,
}

impl Column {
    /// A column of words.
    #[must_use]
    pub fn words(title: &'static str, weight: f32) -> Self {
        Self { title, weight, fixed: false }
    }

    /// A column of digests or codes.
    #[must_use]
    pub fn fixed(title: &'static str, weight: f32) -> Self {
        Self { title, weight, fixed: true }
    }
}

impl Block {
    pub(crate) fn section(text: impl Into<String>) -> Self {
        Self::Heading { level: 2, text: text.into() }
    }

    pub(crate) fn part(text: impl Into<String>) -> Self {
        Self::Heading { level: 3, text: text.into() }
    }

    pub(crate) fn paragraph(text: impl Into<String>) -> Self {
        Self::Paragraph(text.into())
    }
}
