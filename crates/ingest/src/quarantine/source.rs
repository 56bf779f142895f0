//! One item as a source: in its own source, or as it was kept. So that a decision takes effect in the same way in which everything
//! is taken in.

use super::{ACCEPTABLE, CASE_LIMIT, Case};
use crate::{
    Archiver, IngestError,
    bytes::collect,
    item::{ItemDoc, item_id},
};
use async_trait::async_trait;
use holdfast_connectors::{
    ConnectorError, Discovered, Draft, Fetched, FileRole, Payload, SourceConnector, SourceFile, SourceItem, Survey,
    open_source,
};
use holdfast_index::{Work, WorkKind};
use holdfast_model::{Cancel, ObjectKey, ObjectLocator, SourceRef};
use holdfast_store::BYTE_RANGE_ALL;
use serde_json::{Value, json};
use std::{path::PathBuf, sync::Arc};
use tokio::sync::mpsc;

impl Archiver {
    /// The item's own source, reduced to the item; an error where the source does not have it any more.
    pub(super) async fn source_of(
        &self,
        work: &Work,
        doc: &ItemDoc,
        cancel: &Cancel,
    ) -> Result<Arc<dyn SourceConnector>, IngestError> {
        let run = match &work.parent {
            Some(run) => self.parts.work.get(WorkKind::IngestRun, run).await?,
            None => None,
        };
        let description = run.map(|r| r.doc["source"].clone()).unwrap_or(Value::Null);
        let inner = open_source(&description, self.parts.clock.clone())?;
        let only = OnlyItem { inner, item: doc.source.clone() };
        let (tell, mut told) = mpsc::channel(1);
        let (walked, first) = tokio::join!(only.discover(tell, cancel), async {
            let first = told.recv().await;
            told.close();
            first
        });
        walked?;
        match first {
            Some(_) => Ok(Arc::new(only)),
            None => Err(IngestError::GoneFromSource(work.id.clone())),
        }
    }

    /// What was kept of an item, as a source of that one item.
    pub(crate) async fn kept_source(&self, doc: &ItemDoc) -> Result<Arc<dyn SourceConnector>, IngestError> {
        let reason = doc.aside.as_ref().map(|a| a.reason.clone()).unwrap_or_default();
        let refused = || IngestError::CannotAccept { reason: reason.clone() };
        let key = doc.aside.as_ref().and_then(|a| a.case.clone()).ok_or_else(refused)?;
        if !ACCEPTABLE.contains(&reason.as_str()) {
            return Err(refused());
        }
        let bytes = collect(self.read_kept(&key).await?, CASE_LIMIT).await?;
        let case: Case = serde_json::from_slice(&bytes)
            .map_err(|e| IngestError::Damaged { what: "a case in quarantine".into(), detail: e.to_string() })?;
        let (Some(record), Some(media)) = (case.record, case.kept.iter().find(|k| k.role == "media").cloned()) else {
            return Err(refused());
        };
        let metadata = case.kept.iter().find(|k| k.role != "media");
        // A transcript that is its own metadata was kept once.
        let payload_key = metadata.map_or(&media.key, |m| &m.key);
        let payload = collect(self.read_kept(payload_key).await?, CASE_LIMIT).await?;
        let extension = match case.payload_extension.as_deref() {
            Some("xml") => "xml",
            Some("csv") => "csv",
            _ => "json",
        };
        let item = SourceItem {
            source: case.source,
            name: case.name,
            files: vec![SourceFile {
                role: FileRole::Media,
                item: media.key.to_string(),
                size_bytes: media.fixity.size_bytes,
                modified_ms: None,
            }],
            payload: Some(Payload {
                bytes: payload.into(),
                extension,
                schema: case.payload_schema.unwrap_or_default(),
            }),
            draft: Ok(Draft { record, media_from_content: case.media_from_content, transcript: case.transcript }),
        };
        Ok(Arc::new(KeptSource { archiver: self.clone(), item }))
    }

    async fn read_kept(&self, key: &ObjectKey) -> Result<holdfast_store::ByteStream, IngestError> {
        let reader = &self.parts.store.reader;
        let at = ObjectLocator {
            store: reader.name().to_owned(),
            bucket: self.parts.store.buckets.quarantine.clone(),
            key: key.clone(),
            version_id: None,
        };
        Ok(reader.read(&at, BYTE_RANGE_ALL).await?)
    }
}

/// One item of another source.
struct OnlyItem {
    inner: Arc<dyn SourceConnector>,
    item: SourceRef,
}

#[async_trait]
impl SourceConnector for OnlyItem {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn describe(&self) -> Value {
        self.inner.describe()
    }

    async fn discover(&self, found: mpsc::Sender<Discovered>, cancel: &Cancel) -> Result<(), ConnectorError> {
        let (tell, mut told) = mpsc::channel(64);
        let pick = async {
            while let Some(one) = told.recv().await {
                let source = match &one {
                    Discovered::Item(item) => &item.source,
                    Discovered::NotYet { source, .. } => source,
                };
                if *source == self.item {
                    let _ = found.send(one).await; // nobody listens any more: nothing is left to do
                    break;
                }
            }
            told.close();
        };
        let (walked, ()) = tokio::join!(self.inner.discover(tell, cancel), pick);
        walked
    }

    async fn survey(&self, _: &Cancel) -> Result<Survey, ConnectorError> {
        Ok(Survey::default())
    }

    async fn fetch(&self, file: &SourceFile) -> Result<Fetched, ConnectorError> {
        self.inner.fetch(file).await
    }
}

/// An item as it was kept in quarantine.
struct KeptSource {
    archiver: Archiver,
    item: SourceItem,
}

impl KeptSource {
    /// The kept bytes in a file without a name.
    async fn stage(&self, file: &SourceFile) -> Result<Fetched, IngestError> {
        use futures_util::StreamExt as _;
        use std::io::Write as _;
        let internal = |e: std::io::Error| IngestError::Source(ConnectorError::File { source: e });
        let key = ObjectKey::new(file.item.clone()).map_err(|e| IngestError::Internal(e.to_string()))?;
        let folder: PathBuf = self.archiver.parts.settings.staging.clone();
        let mut staged = tempfile::tempfile_in(folder).map_err(internal)?;
        let mut stream = self.archiver.read_kept(&key).await?;
        while let Some(piece) = stream.next().await {
            let piece = piece?;
            staged = tokio::task::spawn_blocking(move || staged.write_all(&piece).map(|()| staged))
                .await
                .map_err(|e| IngestError::Internal(e.to_string()))?
                .map_err(internal)?;
        }
        Fetched::new(staged).map_err(internal)
    }
}

#[async_trait]
impl SourceConnector for KeptSource {
    fn name(&self) -> &str {
        &self.item.source.source
    }

    fn describe(&self) -> Value {
        json!({"kind": "quarantine", "item": item_id(&self.item.source)})
    }

    async fn discover(&self, found: mpsc::Sender<Discovered>, _: &Cancel) -> Result<(), ConnectorError> {
        let _ = found.send(Discovered::Item(Box::new(self.item.clone()))).await; // as above
        Ok(())
    }

    async fn survey(&self, _: &Cancel) -> Result<Survey, ConnectorError> {
        Ok(Survey { files: 1, bytes: self.item.files.iter().map(|f| f.size_bytes).sum() })
    }

    async fn fetch(&self, file: &SourceFile) -> Result<Fetched, ConnectorError> {
        self.stage(file).await.map_err(|e| match e {
            IngestError::Source(e) => e,
            other => ConnectorError::Internal { detail: other.to_string() },
        })
    }
}
