//! Creating a blob. What fits one block goes in one call; more goes as blocks that nobody sees until their list is committed.
//! The one call that makes the object visible carries the condition that there be none, all metadata, tags, tier, retention and
//! hold: no rule of the account ever sees it without them. Blocks that are never committed are thrown away by Azure after a week.

use super::{
    AzureStore, AzureTier, facts,
    faults::{Call, Meaning, Place, effect_unknown, meaning_of},
    names, retain,
};
use crate::{ByteStream, Created, PutOptions, StoreError};
use azure_core::http::Body;
use azure_storage_blob::models::{
    BlockBlobClientCommitBlockListOptions, BlockBlobClientCommitBlockListResultHeaders as _,
    BlockBlobClientStageBlockOptions, BlockBlobClientUploadOptions, BlockLookupList,
};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use holdfast_model::{Fixity, ObjectKey, ObjectLocator, Sha256Digest, StorageTier};
use sha2::{Digest as _, Sha256};
use std::{io, num::NonZero, sync::Arc};
use tokio::task::JoinSet;

/// What Azure takes a blob.
const MOST_BLOCKS: usize = 50_000;

/// What one create is about.
struct Order {
    at: ObjectLocator,
    tier: AzureTier,
    options: PutOptions,
    /// Random, in the metadata and in each block's id.
    write: [u8; 16],
}

/// Blocks on their way.
struct Blocks {
    ids: Vec<Vec<u8>>,
    staging: JoinSet<Result<(), StoreError>>,
}

/// What the visible write was answered.
struct Written {
    version: Option<String>,
    scope: Option<String>,
}

impl AzureStore {
    pub(super) async fn put(
        self: &Arc<Self>,
        bucket: &str,
        key: &ObjectKey,
        mut body: ByteStream,
        options: PutOptions,
    ) -> Result<Created, StoreError> {
        let order = Arc::new(self.order(bucket, key, options)?);
        let size = self.config.block_bytes.max(1);
        let (mut hash, mut size_bytes, mut block) = (Sha256::new(), 0u64, BytesMut::new());
        let mut blocks = Blocks { ids: Vec::new(), staging: JoinSet::new() };
        while let Some(piece) = body.next().await {
            let piece = piece?;
            hash.update(&piece);
            size_bytes += piece.len() as u64;
            block.extend_from_slice(&piece);
            drop(piece);
            while block.len() > size {
                if blocks.ids.is_empty() {
                    self.refuse_existing(&order.at).await?;
                }
                let full = block.split_to(size).freeze();
                self.stage(&order, full, &mut blocks).await?;
            }
        }
        let fixity = Fixity::sha256(Sha256Digest(hash.finalize().into()), size_bytes);
        if let Some(expected) = order.options.expected.clone().filter(|e| *e != fixity) {
            return Err(StoreError::Mismatch { expected, found: fixity });
        }
        let answer = if blocks.ids.is_empty() {
            self.put_whole(&order, block.freeze(), &fixity).await
        } else {
            self.stage(&order, block.freeze(), &mut blocks).await?;
            while let Some(staged) = blocks.staging.join_next().await {
                joined(staged)?;
            }
            self.commit(&order, blocks.ids, &fixity).await
        };
        self.settle_write(&order, fixity, answer).await
    }

    fn order(&self, bucket: &str, key: &ObjectKey, options: PutOptions) -> Result<Order, StoreError> {
        names::check(&options)?;
        let tier = match (options.tier, self.config.tier) {
            (StorageTier::Hot, hot) => hot,
            (StorageTier::Cool, AzureTier::Hot) => AzureTier::Cool,
            (StorageTier::Cool, cooler) => cooler,
            // Nobody could read it back there: lifecycle rules move it once it was.
            (tier, _) => return Err(StoreError::NoTier { store: self.config.name.clone(), tier }),
        };
        if options.retention.is_some_and(|r| r.until <= self.clock.now()) {
            return Err(StoreError::Invalid {
                what: format!("the retention of {key}"),
                detail: "it is over already, and Azure takes none that is".to_owned(),
            });
        }
        let mut write = [0u8; 16];
        getrandom::fill(&mut write).map_err(|e| StoreError::Io {
            action: format!("storing {key}"),
            source: io::Error::other(e.to_string()),
        })?;
        let store = self.config.name.clone();
        let at = ObjectLocator { store, bucket: bucket.to_owned(), key: key.clone(), version_id: None };
        Ok(Order { at, tier, options, write })
    }

    /// Before much is sent in vain; the write itself has the condition.
    async fn refuse_existing(&self, at: &ObjectLocator) -> Result<(), StoreError> {
        match self.info_of(at).await {
            Ok(there) => Err(StoreError::AlreadyExists(Box::new(there))),
            Err(StoreError::NotFound(_)) => Ok(()),
            Err(e) => Err(e),
        }
    }

    /// Sends a block as soon as fewer than `parallel` are on their way.
    async fn stage(self: &Arc<Self>, order: &Arc<Order>, bytes: Bytes, blocks: &mut Blocks) -> Result<(), StoreError> {
        if blocks.ids.len() >= MOST_BLOCKS {
            return Err(StoreError::Invalid {
                what: format!("{}", order.at),
                detail: format!("it is longer than {MOST_BLOCKS} blocks of {} bytes", self.config.block_bytes),
            });
        }
        while blocks.staging.len() >= self.config.parallel.max(1) {
            if let Some(staged) = blocks.staging.join_next().await {
                joined(staged)?;
            }
        }
        let mut id = order.write.to_vec();
        id.extend_from_slice(&u32::try_from(blocks.ids.len()).unwrap_or(u32::MAX).to_be_bytes());
        blocks.ids.push(id.clone());
        let (store, order) = (self.clone(), order.clone());
        blocks.staging.spawn(async move {
            let client = store.blob(&order.at)?.block_blob_client();
            let options = BlockBlobClientStageBlockOptions {
                encryption_scope: store.config.encryption_scope.clone(),
                ..Default::default()
            };
            let length = bytes.len() as u64;
            let answer = client.stage_block(&id, length, Body::Bytes(bytes).into(), Some(options)).await;
            answer.map(|_| ()).map_err(|e| store.fault(Call::Write, Place::Object(&order.at), &e))
        });
        Ok(())
    }

    async fn put_whole(&self, order: &Order, bytes: Bytes, fixity: &Fixity) -> azure_core::Result<Written> {
        let options = BlockBlobClientUploadOptions {
            blob_content_type: Some(order.options.media_type.clone()),
            encryption_scope: self.config.encryption_scope.clone(),
            immutability_policy_expiry: order.options.retention.and_then(|r| retain::expiry(r.until)),
            immutability_policy_mode: order.options.retention.map(|r| retain::mode(r.mode)),
            legal_hold: order.options.legal_hold.then_some(true),
            metadata: Some(order.metadata(fixity)),
            // One call, whatever the length.
            partition_size: Some(NonZero::<u64>::MAX),
            tier: Some(facts::access_tier(order.tier)),
            ..Default::default()
        };
        let options = match order.tags() {
            Some(tags) => options.with_tags(tags),
            None => options,
        };
        let client = self.blob(&order.at).map_err(no_client)?.block_blob_client();
        let answer = client.upload(Body::Bytes(bytes).into(), Some(options.if_not_exists())).await?;
        Ok(Written { version: answer.version_id, scope: answer.encryption_scope })
    }

    async fn commit(&self, order: &Order, ids: Vec<Vec<u8>>, fixity: &Fixity) -> azure_core::Result<Written> {
        let options = BlockBlobClientCommitBlockListOptions {
            blob_content_type: Some(order.options.media_type.clone()),
            encryption_scope: self.config.encryption_scope.clone(),
            if_none_match: Some("*".into()),
            immutability_policy_expiry: order.options.retention.and_then(|r| retain::expiry(r.until)),
            immutability_policy_mode: order.options.retention.map(|r| retain::mode(r.mode)),
            legal_hold: order.options.legal_hold.then_some(true),
            metadata: Some(order.metadata(fixity)),
            tier: Some(facts::access_tier(order.tier)),
            ..Default::default()
        };
        let options = match order.tags() {
            Some(tags) => options.with_tags(tags),
            None => options,
        };
        let client = self.blob(&order.at).map_err(no_client)?.block_blob_client();
        let list = BlockLookupList { latest: Some(ids), ..Default::default() };
        let answer = client.commit_block_list(list.try_into()?, Some(options)).await?;
        Ok(Written { version: answer.version_id()?, scope: answer.encryption_scope()? })
    }

    /// What stands now. A write whose answer was lost, or was repeated by the client underneath and then met itself, is told by
    /// its mark.
    async fn settle_write(
        &self,
        order: &Order,
        fixity: Fixity,
        answer: azure_core::Result<Written>,
    ) -> Result<Created, StoreError> {
        let version = match answer {
            Ok(Written { version, scope }) => {
                self.check_scope(scope)?;
                version
            }
            Err(e) => {
                let there = matches!(
                    meaning_of(&e),
                    Some(
                        Meaning::Exists | Meaning::Changed | Meaning::Offline | Meaning::Pending | Meaning::Refused(_)
                    )
                );
                let fault = || self.fault(Call::Write, Place::Object(&order.at), &e);
                if !there && !effect_unknown(&e) {
                    return Err(fault());
                }
                let Ok(head) = self.head_of(&order.at).await else { return Err(fault()) };
                if names::mark(&head.seen.metadata, names::WRITE) != Some(hex::encode(order.write).as_str()) {
                    return Err(StoreError::AlreadyExists(Box::new(self.info_of(&order.at).await?)));
                }
                tracing::info!(object = %order.at, "a write whose answer was lost had been done");
                head.seen.version
            }
        };
        let locator = ObjectLocator { version_id: version, ..order.at.clone() };
        Ok(Created { locator, fixity, storage_class: facts::access_tier(order.tier).to_string() })
    }

    /// A container may force a scope of its own: what was written stands, under another key than configured.
    fn check_scope(&self, found: Option<String>) -> Result<(), StoreError> {
        match &self.config.encryption_scope {
            Some(scope) if found.as_ref() != Some(scope) => Err(StoreError::Key {
                key: scope.clone(),
                detail: format!(
                    "the container encrypts with {} instead",
                    found.as_deref().unwrap_or("the account's key")
                ),
            }),
            _ => Ok(()),
        }
    }
}

impl Order {
    fn metadata(&self, fixity: &Fixity) -> std::collections::HashMap<String, String> {
        names::write_metadata(&self.options, &fixity.digest, &hex::encode(self.write))
    }

    fn tags(&self) -> Option<std::collections::HashMap<String, String>> {
        let tags = &self.options.tags;
        (!tags.is_empty()).then(|| tags.iter().map(|(k, v)| (k.clone(), v.clone())).collect())
    }
}

/// There is always a client for a locator without a version.
fn no_client(e: StoreError) -> azure_core::Error {
    azure_core::Error::with_message(azure_core::error::ErrorKind::Other, e.to_string())
}

fn joined(staged: Result<Result<(), StoreError>, tokio::task::JoinError>) -> Result<(), StoreError> {
    staged.unwrap_or_else(|e| {
        Err(StoreError::Io { action: "sending a block".to_owned(), source: io::Error::other(e.to_string()) })
    })
}
