//! Keeping what was set aside: bytes and metadata, write-once, named by their content.

use super::{CASE_FORMAT, Case, Kept, KeptCase, Reason, aside};
use crate::{
    IngestError,
    bytes::{measure, stream_of, stream_of_bytes},
    item::item_id,
    run::{Pass, boundary},
};
use bytes::Bytes;
use holdfast_connectors::{ConnectorError, Fetched, FileRole, SourceItem};
use holdfast_model::{Fixity, ObjectKey, Sha256Digest, StorageTier};
use holdfast_store::{PutOptions, StoreError};
use std::{collections::BTreeMap, sync::Arc};

impl Pass {
    /// Puts everything that belongs to an item into the quarantine bucket. Safe to repeat: names follow from content.
    pub(crate) async fn keep(&self, item: &SourceItem, reason: &Reason) -> Result<KeptCase, IngestError> {
        if reason.reason == aside::RESIDENCY {
            return Ok(KeptCase { case: None, media: None });
        }
        let id = item_id(&item.source);
        let mut kept = Vec::new();
        for file in &item.files {
            let fetched = match self.connector.fetch(file).await {
                Ok(fetched) => Arc::new(fetched),
                // What cannot be read cannot be kept; the case says that it is not there.
                Err(ConnectorError::File { .. } | ConnectorError::Outside) => continue,
                Err(e) => return Err(e.into()),
            };
            let role = if file.role == FileRole::Media { "media" } else { "metadata" };
            let name = file.item.rsplit('/').next().unwrap_or_default();
            kept.push(self.keep_file(&id, role, name, fetched).await?);
        }
        if let (Some(payload), false) = (&item.payload, item.files.iter().any(|f| f.role == FileRole::Metadata)) {
            let name = format!("payload.{}", payload.extension);
            kept.push(self.keep_bytes(&id, "payload", &name, payload.bytes.clone()).await?);
        }
        let media = kept.iter().find(|k| k.role == "media").map(|k| k.fixity.clone());
        let draft = item.draft.as_ref().ok();
        let case = Case {
            format: CASE_FORMAT.into(),
            source: item.source.clone(),
            name: item.name.clone(),
            reason: reason.reason.clone(),
            sentence: reason.sentence.clone(),
            field: reason.field.clone(),
            line: reason.line,
            column: reason.column,
            expected: reason.expected.clone(),
            found: reason.found.clone(),
            record: draft.map(|d| d.record.clone()),
            media_from_content: draft.is_some_and(|d| d.media_from_content),
            transcript: draft.and_then(|d| d.transcript.clone()),
            payload_schema: item.payload.as_ref().map(|p| p.schema.clone()),
            payload_extension: item.payload.as_ref().map(|p| p.extension.to_owned()),
            kept,
        };
        let bytes = serde_json::to_vec_pretty(&case).map_err(|e| IngestError::Internal(e.to_string()))?;
        let case = self.keep_bytes(&id, "case", "case.json", bytes.into()).await?;
        boundary("ingest.kept")?;
        Ok(KeptCase { case: Some(case.key), media })
    }

    async fn keep_file(&self, id: &str, role: &str, name: &str, file: Arc<Fetched>) -> Result<Kept, IngestError> {
        let cancel = self.cancel.clone();
        let quiet = || stream_of(file.clone(), cancel.clone(), |_| {});
        let fixity = measure(quiet(), &self.cancel).await.map_err(|e| self.of_source(&file, e))?;
        let key = kept_key(id, role, name, &fixity)?;
        self.create_kept(&key, quiet(), fixity.clone()).await.map_err(|e| match e {
            IngestError::Store(e) => self.of_source(&file, e),
            other => other,
        })?;
        Ok(Kept { role: role.into(), name: name.into(), key, fixity })
    }

    async fn keep_bytes(&self, id: &str, role: &str, name: &str, bytes: Bytes) -> Result<Kept, IngestError> {
        let fixity = Fixity::sha256(Sha256Digest::of(&bytes), bytes.len() as u64);
        let key = kept_key(id, role, name, &fixity)?;
        self.create_kept(&key, stream_of_bytes(bytes), fixity.clone()).await?;
        Ok(Kept { role: role.into(), name: name.into(), key, fixity })
    }

    async fn create_kept(
        &self,
        key: &ObjectKey,
        body: holdfast_store::ByteStream,
        fixity: Fixity,
    ) -> Result<(), IngestError> {
        let options = PutOptions {
            media_type: "application/octet-stream".into(),
            metadata: BTreeMap::new(),
            tags: BTreeMap::from([("holdfast".to_owned(), "quarantine".to_owned())]),
            tier: StorageTier::Hot,
            retention: None,
            legal_hold: false,
            expected: Some(fixity.clone()),
        };
        let at = match self.parts.store.writer.create(&self.parts.store.buckets.quarantine, key, body, options).await {
            Ok(created) => created.locator,
            // Named by its content: it was kept before.
            Err(StoreError::AlreadyExists(info)) => info.locator,
            Err(e) => return Err(e.into()),
        };
        self.read_back(&at, &fixity).await
    }
}

fn kept_key(id: &str, role: &str, name: &str, fixity: &Fixity) -> Result<ObjectKey, IngestError> {
    let extension = name
        .rsplit_once('.')
        .map(|(_, e)| e.to_ascii_lowercase())
        .filter(|e| (1..=8).contains(&e.len()) && e.bytes().all(|b| b.is_ascii_alphanumeric()));
    let extension = extension.unwrap_or_else(|| "bin".into());
    let text = format!("items/{id}/{role}-{}.{extension}", &fixity.digest.to_hex()[..32]);
    ObjectKey::new(text).map_err(|e| IngestError::Internal(e.to_string()))
}
