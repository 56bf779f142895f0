//! A folder of media with metadata beside it: a drop folder, or an export bucket's layout on disk.

mod manifest;
mod pair;
mod walk;

use crate::{
    ConnectorError, Discovered, Fetched, Mapping, SourceConnector, SourceFile, Survey, decode_name, encode_name,
};
use async_trait::async_trait;
use holdfast_model::{Cancel, Clock};
use rustix::fs::{Mode, OFlags};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::{
    ffi::OsString,
    fs::File,
    io,
    os::unix::ffi::{OsStrExt as _, OsStringExt as _},
    path::{Path, PathBuf},
    sync::Arc,
};
use tokio::sync::mpsc;

/// When a file counts as complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Readiness {
    /// At once: for a folder that a person names.
    #[default]
    Now,
    /// When nothing was written to it for so many milliseconds.
    SettledForMs(u64),
    /// When a file `<stem>.done` or `<file>.done` lies beside it.
    Marker,
}

/// What a folder source is made of.
#[derive(Debug, Clone)]
pub struct FolderOptions {
    /// The source's name, as it stands in every manifest.
    pub name: String,
    /// The folder.
    pub root: PathBuf,
    /// Text of the mapping file; none for canonical sidecars.
    pub mapping: Option<String>,
    /// Where the mapping file lies, so that it is not taken for a recording.
    pub mapping_path: Option<PathBuf>,
    /// Stands in where metadata names no organisation.
    pub organisation: Option<String>,
    /// When a file counts as complete.
    pub readiness: Readiness,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
}

/// A folder, opened.
#[derive(Debug, Clone)]
pub struct FolderSource {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    options: FolderOptions,
    /// Without symbolic links.
    root: PathBuf,
    mapping: Option<Mapping>,
    mapping_path: Option<PathBuf>,
    /// Names that are held at once from one folder.
    batch: usize,
}

/// Names that are held at once from one folder; a larger folder is gone through several times.
const BATCH: usize = 20_000;

impl FolderSource {
    /// Opens a folder and reads its mapping.
    ///
    /// # Errors
    /// [`ConnectorError::Source`] where the folder is not there or is none, [`ConnectorError::Mapping`].
    pub fn open(options: FolderOptions) -> Result<Self, ConnectorError> {
        let unavailable =
            |source| ConnectorError::Source { place: encode_name(options.root.as_os_str().as_bytes()), source };
        let root = options.root.canonicalize().map_err(unavailable)?;
        if !root.is_dir() {
            return Err(unavailable(io::Error::from(io::ErrorKind::NotADirectory)));
        }
        let mapping = options.mapping.as_deref().map(Mapping::parse).transpose()?;
        let mapping_path = options.mapping_path.as_ref().and_then(|p| p.canonicalize().ok());
        Ok(Self { inner: Arc::new(Inner { options, root, mapping, mapping_path, batch: BATCH }) })
    }

    /// The name of a source that a person names by its folder alone: the folder's whole path, safe to show. Items are told apart
    /// by their source's name, so that two folders need two names.
    #[must_use]
    pub fn name_of(root: &Path) -> String {
        let whole = root.canonicalize().unwrap_or_else(|_| root.to_owned());
        encode_name(whole.as_os_str().as_bytes())
    }

    /// Opens what [`SourceConnector::describe`] described.
    ///
    /// # Errors
    /// [`ConnectorError::Description`], or as [`Self::open`].
    pub fn from_description(description: &Value, clock: Arc<dyn Clock>) -> Result<Self, ConnectorError> {
        let wrong = |what: &str| ConnectorError::Description { detail: format!("{what} is missing or wrong") };
        let text = |name: &str| description.get(name).and_then(Value::as_str);
        let path = |text: &str| PathBuf::from(OsString::from_vec(decode_name(text)));
        Self::open(FolderOptions {
            name: text("name").ok_or_else(|| wrong("name"))?.to_owned(),
            root: path(text("root").ok_or_else(|| wrong("root"))?),
            mapping: text("mapping").map(str::to_owned),
            mapping_path: text("mapping_path").map(path),
            organisation: text("organisation").map(str::to_owned),
            readiness: serde_json::from_value(description["readiness"].clone()).map_err(|_| wrong("readiness"))?,
            clock,
        })
    }

    #[cfg(test)]
    fn with_batch(self, batch: usize) -> Self {
        let inner = Arc::into_inner(self.inner).unwrap();
        Self { inner: Arc::new(Inner { batch, ..inner }) }
    }
}

impl Inner {
    /// Opens a file of the source, which must be a plain file inside it: checked when it is opened, not when it was found.
    fn open_file(&self, item: &str) -> Result<File, ConnectorError> {
        let path = self.root.join(OsString::from_vec(decode_name(item)));
        self.open_path(&path)
    }

    fn open_path(&self, path: &Path) -> Result<File, ConnectorError> {
        let failed = |source| ConnectorError::File { source };
        let real = path.canonicalize().map_err(failed)?;
        if !real.starts_with(&self.root) {
            return Err(ConnectorError::Outside);
        }
        // Not blocking, so that a pipe put in its place meanwhile is found out by its kind.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = File::from(rustix::fs::open(&real, flags, Mode::empty()).map_err(|e| failed(e.into()))?);
        if !file.metadata().map_err(failed)?.is_file() {
            return Err(failed(io::Error::new(io::ErrorKind::InvalidInput, "not a plain file")));
        }
        Ok(file)
    }
}

#[async_trait]
impl SourceConnector for FolderSource {
    fn name(&self) -> &str {
        &self.inner.options.name
    }

    fn describe(&self) -> Value {
        let options = &self.inner.options;
        let path = |p: &PathBuf| encode_name(p.as_os_str().as_bytes());
        json!({
            "kind": "folder", "name": options.name, "root": path(&self.inner.root), "mapping": options.mapping,
            "mapping_path": self.inner.mapping_path.as_ref().map(path), "organisation": options.organisation,
            "readiness": options.readiness,
        })
    }

    async fn discover(&self, found: mpsc::Sender<Discovered>, cancel: &Cancel) -> Result<(), ConnectorError> {
        let (inner, cancel) = (self.inner.clone(), cancel.clone());
        let walk = move || walk::Walk::new(&inner, &cancel, &mut |d| found.blocking_send(d).is_ok()).run();
        tokio::task::spawn_blocking(walk).await.map_err(|e| ConnectorError::Internal { detail: e.to_string() })?
    }

    async fn survey(&self, cancel: &Cancel) -> Result<Survey, ConnectorError> {
        let (inner, cancel) = (self.inner.clone(), cancel.clone());
        let count = move || {
            let mut survey = Survey::default();
            walk::survey(&inner.root, &cancel, 0, &mut survey);
            survey
        };
        tokio::task::spawn_blocking(count).await.map_err(|e| ConnectorError::Internal { detail: e.to_string() })
    }

    async fn fetch(&self, file: &SourceFile) -> Result<Fetched, ConnectorError> {
        let (inner, item) = (self.inner.clone(), file.item.clone());
        let open = move || Fetched::new(inner.open_file(&item)?).map_err(|source| ConnectorError::File { source });
        tokio::task::spawn_blocking(open).await.map_err(|e| ConnectorError::Internal { detail: e.to_string() })?
    }
}

#[cfg(test)]
mod tests;
