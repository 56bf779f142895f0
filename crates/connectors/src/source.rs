use crate::{ConnectorError, FolderSource, Problem};
use async_trait::async_trait;
use bytes::Bytes;
use holdfast_model::{Cancel, CanonicalRecord, Clock, SourceRef};
use jiff::Timestamp;
use serde_json::Value;
use std::{fs::File, io, path::PathBuf, sync::Arc, time::SystemTime};
use tokio::sync::mpsc;

/// A source of recordings.
#[async_trait]
pub trait SourceConnector: Send + Sync {
    /// The configured name, as it stands in [`SourceRef::source`].
    fn name(&self) -> &str;
    /// What [`open_source`] needs to open this source again after a crash. Holds no secrets.
    fn describe(&self) -> Value;
    /// Tells everything that the source holds, item by item; waits while the receiver is busy, so that memory stays bounded.
    /// Ends quietly where the receiver is gone.
    ///
    /// # Errors
    /// Where the source as a whole cannot be read. What is wrong with one item is told with the item.
    async fn discover(&self, found: mpsc::Sender<Discovered>, cancel: &Cancel) -> Result<(), ConnectorError>;
    /// How much there is, roughly and cheaply, so that progress can be estimated.
    ///
    /// # Errors
    /// As [`Self::discover`].
    async fn survey(&self, cancel: &Cancel) -> Result<Survey, ConnectorError>;
    /// A local file with the bytes of one file of an item: the file itself, or a staged copy where the source is remote.
    ///
    /// # Errors
    /// [`ConnectorError::File`], or [`ConnectorError::Outside`] where it turned into a link that leads out of the source.
    async fn fetch(&self, file: &SourceFile) -> Result<Fetched, ConnectorError>;
}

/// What a source tells.
#[derive(Debug)]
pub enum Discovered {
    /// Something to archive, or something that cannot be and says why.
    Item(Box<SourceItem>),
    /// Something that is still being written.
    NotYet {
        /// What.
        source: SourceRef,
        /// When to look again.
        until: Timestamp,
        /// Why, as a sentence.
        sentence: String,
    },
}

/// One recording as its source holds it.
#[derive(Debug, Clone)]
pub struct SourceItem {
    /// Names it, stable from run to run.
    pub source: SourceRef,
    /// File name for people, safe to show; never used as a path.
    pub name: String,
    /// All files that belong to it.
    pub files: Vec<SourceFile>,
    /// The vendor's metadata, byte for byte, where it could be read and is not too large.
    pub payload: Option<Payload>,
    /// The canonical record, or why there is none.
    pub draft: Result<Draft, Problem>,
}

impl SourceItem {
    /// The file with the recording itself, where there is exactly one.
    #[must_use]
    pub fn media(&self) -> Option<&SourceFile> {
        let mut media = self.files.iter().filter(|f| f.role == FileRole::Media);
        media.next().filter(|_| media.next().is_none())
    }
}

/// What a file is to its item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileRole {
    /// The recording.
    Media,
    /// What describes it.
    Metadata,
}

/// A file inside a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFile {
    /// What it is.
    pub role: FileRole,
    /// Its place inside the source, as [`crate::encode_name`] writes it.
    pub item: String,
    /// Length in bytes when it was discovered.
    pub size_bytes: u64,
    /// When it was last written to, in milliseconds since 1970, where known.
    pub modified_ms: Option<i64>,
}

/// The vendor's metadata, byte for byte.
#[derive(Debug, Clone)]
pub struct Payload {
    /// At most [`crate::PAYLOAD_LIMIT`] bytes.
    pub bytes: Bytes,
    /// `json`, `xml` or `csv`.
    pub extension: &'static str,
    /// `holdfast-sidecar/1` or `mapping:<name>@<sha256 of the mapping file>`.
    pub schema: String,
}

/// A canonical record that only lacks what the bytes themselves can tell.
#[derive(Debug, Clone, PartialEq)]
pub struct Draft {
    /// The record. Where `media_from_content` is set, its `media` is a guess that the archiver replaces after looking.
    pub record: CanonicalRecord,
    /// The metadata does not say what kind of media this is.
    pub media_from_content: bool,
    /// Text to make searchable that came with the metadata.
    pub transcript: Option<String>,
}

/// How much there is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Survey {
    /// Files that may be recordings.
    pub files: u64,
    /// Their length together.
    pub bytes: u64,
}

/// A local file to read from, and what it was when it was opened.
#[derive(Debug)]
pub struct Fetched {
    file: File,
    size_bytes: u64,
    modified: Option<SystemTime>,
}

impl Fetched {
    /// Takes an open file.
    ///
    /// # Errors
    /// Where the operating system does not tell its length.
    pub fn new(file: File) -> io::Result<Self> {
        let facts = file.metadata()?;
        Ok(Self { size_bytes: facts.len(), modified: facts.modified().ok(), file })
    }

    /// Length in bytes when it was opened.
    #[must_use]
    pub fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// The open file. Its position is shared by all who hold it: read by offset.
    #[must_use]
    pub fn file(&self) -> &File {
        &self.file
    }

    /// A path that leads to this very file, even where its name was given to another meanwhile; good while this lives.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        use std::os::fd::AsRawFd as _;
        let folder = if cfg!(target_os = "linux") { "/proc/self/fd" } else { "/dev/fd" };
        PathBuf::from(format!("{folder}/{}", self.file.as_raw_fd()))
    }

    /// Whether the file still is what it was when it was opened.
    ///
    /// # Errors
    /// [`ConnectorError::Changed`].
    pub fn unchanged(&self) -> Result<(), ConnectorError> {
        let facts = self.file.metadata().map_err(|source| ConnectorError::File { source })?;
        if facts.len() != self.size_bytes {
            return Err(ConnectorError::Changed { what: "its length" });
        }
        if facts.modified().ok() != self.modified {
            return Err(ConnectorError::Changed { what: "the time of its last change" });
        }
        Ok(())
    }
}

/// Opens the source that [`SourceConnector::describe`] described.
///
/// # Errors
/// [`ConnectorError::Description`], or as the source's own `open`.
pub fn open_source(description: &Value, clock: Arc<dyn Clock>) -> Result<Arc<dyn SourceConnector>, ConnectorError> {
    match description.get("kind").and_then(Value::as_str) {
        Some("folder") => Ok(Arc::new(FolderSource::from_description(description, clock)?)),
        other => Err(ConnectorError::Description { detail: format!("there is no kind of source called {other:?}") }),
    }
}
