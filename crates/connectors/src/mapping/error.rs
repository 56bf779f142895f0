use holdfast_model::{Fault, FaultKind};

/// A mapping file that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("mapping file, line {line}, column {column}: {sentence}")]
pub struct MappingError {
    /// Stable code, `mapping.*`.
    pub code: &'static str,
    /// Line, from 1.
    pub line: u64,
    /// Column in characters, from 1.
    pub column: u64,
    /// What is wrong.
    pub sentence: String,
}

impl Fault for MappingError {
    fn code(&self) -> &'static str {
        self.code
    }

    fn kind(&self) -> FaultKind {
        FaultKind::Invalid
    }

    fn next(&self) -> String {
        "Correct that line of the mapping file and run the same command again; docs/formats/mapping.md describes it."
            .into()
    }
}

/// What is wrong and at which byte of the file; becomes a [`MappingError`] once lines are counted.
#[derive(Debug)]
pub(super) struct Wrong {
    pub(super) code: &'static str,
    pub(super) offset: usize,
    pub(super) sentence: String,
}

impl Wrong {
    pub(super) fn new(code: &'static str, offset: usize, sentence: impl Into<String>) -> Self {
        Self { code, offset, sentence: sentence.into() }
    }

    pub(super) fn locate(self, text: &str) -> MappingError {
        let (line, column) = crate::input::line_column(text, self.offset);
        MappingError { code: self.code, line, column, sentence: self.sentence }
    }
}
