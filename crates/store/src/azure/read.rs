//! Reading by ranges: several under way at once, in order, each resumed where a connection broke, all of one version.

use super::{
    AzureStore,
    facts::{self, Head},
    faults::{Call, Meaning, Place, meaning_of},
};
use crate::{ByteRange, ByteStream, ObjectInfo, StoreError};
use azure_core::http::{Etag, headers::HeaderName};
use azure_storage_blob::{
    BlobClient,
    models::{BlobClientDownloadOptions, BlobTag, HttpRange},
};
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use holdfast_model::{Availability, ObjectLocator};
use std::{collections::BTreeMap, num::NonZero, sync::Arc};

/// The largest piece that a read yields, in bytes.
const PIECE: usize = 1 << 20;
/// How often one range is taken up again after its connection broke, without a single byte in between.
const TRIES: u32 = 4;
/// The SDK must not cut ranges itself: it does not take them up again.
const WHOLE: NonZero<usize> = NonZero::<usize>::MIN.saturating_add(1 << 40);

/// One blob to read from.
struct Source {
    store: Arc<AzureStore>,
    client: BlobClient,
    at: ObjectLocator,
}

/// What a first range tells of the whole.
struct First {
    pieces: Vec<Bytes>,
    etag: Option<Etag>,
    /// Length of the whole blob.
    size: u64,
}

impl AzureStore {
    /// HEAD on one version, in the service's own words.
    pub(super) async fn head_of(&self, at: &ObjectLocator) -> Result<Head, StoreError> {
        let client = self.blob(at)?;
        let answer = client.get_properties(None).await.and_then(|p| facts::head(at.key.as_str(), &p));
        answer.map_err(|e| self.fault(Call::Head, Place::Object(at), &e))
    }

    pub(super) async fn info_of(&self, at: &ObjectLocator) -> Result<ObjectInfo, StoreError> {
        let head = self.head_of(at).await?;
        let tags = if head.tags { self.tags_of(at).await? } else { BTreeMap::new() };
        let availability = self.availability_of(at, &head.seen).await?;
        self.info(at, head, tags, availability)
    }

    async fn tags_of(&self, at: &ObjectLocator) -> Result<BTreeMap<String, String>, StoreError> {
        let answer = match self.blob(at)?.get_tags(None).await {
            Ok(response) => response.into_model(),
            Err(e) => Err(e),
        };
        let tags = answer.map_err(|e| self.fault(Call::Tags, Place::Object(at), &e))?.blob_tag_set.unwrap_or_default();
        Ok(tags.into_iter().filter_map(|BlobTag { key, value, .. }| Some((key?, value?))).collect())
    }

    pub(super) async fn stream(
        self: &Arc<Self>,
        at: &ObjectLocator,
        range: ByteRange,
    ) -> Result<ByteStream, StoreError> {
        match self.stream_of(self.blob(at)?, at, range).await {
            // The archived blob stays archived where copies are brought online.
            Err(StoreError::Offline(_)) if self.copies().is_some() => {
                let seen = self.head_of(at).await?.seen;
                let version = ObjectLocator { version_id: seen.version.clone(), ..at.clone() };
                match self.availability_of(&version, &seen).await? {
                    Availability::Online { .. } => self.stream_of(self.copy_client(&version)?, at, range).await,
                    _ => Err(StoreError::Offline(at.clone())),
                }
            }
            other => other,
        }
    }

    async fn stream_of(
        self: &Arc<Self>,
        client: BlobClient,
        at: &ObjectLocator,
        range: ByteRange,
    ) -> Result<ByteStream, StoreError> {
        let source = Arc::new(Source { store: self.clone(), client, at: at.clone() });
        let end = range.end.unwrap_or(u64::MAX);
        if range.start >= end {
            self.head_of(at).await?;
            return Ok(stream::empty().boxed());
        }
        // The first is small, so that a listener does not wait for a whole block.
        let first_end = end.min(range.start.saturating_add(PIECE as u64));
        let Some(first) = source.first(range.start, first_end).await? else { return Ok(stream::empty().boxed()) };
        let (end, etag) = (end.min(first.size), first.etag);
        let step = self.config.block_bytes.max(PIECE) as u64;
        let starts = stream::iter((first_end.min(end)..end).step_by(usize::try_from(step).unwrap_or(PIECE)));
        let rest = starts
            .map(move |from| {
                let (source, etag) = (source.clone(), etag.clone());
                async move { source.range(from, end.min(from + step), etag).await }
            })
            .buffered(self.config.parallel.max(1))
            .flat_map(|range| stream::iter(unzip(range)));
        let all = stream::iter(first.pieces.into_iter().map(Ok)).chain(rest);
        // The first error is the last item.
        let until_error = all.scan(false, |failed, piece| {
            let item = (!*failed).then_some(piece);
            *failed |= matches!(item, Some(Err(_)));
            std::future::ready(item)
        });
        Ok(until_error.boxed())
    }
}

fn unzip(range: Result<Vec<Bytes>, StoreError>) -> Vec<Result<Bytes, StoreError>> {
    match range {
        Ok(pieces) => pieces.into_iter().map(Ok).collect(),
        Err(e) => vec![Err(e)],
    }
}

impl Source {
    /// The first range; none where there is not a byte in it.
    async fn first(&self, start: u64, end: u64) -> Result<Option<First>, StoreError> {
        let mut got = Vec::new();
        let (mut etag, mut size) = (None, None);
        match self.fetch(start, end, &mut etag, &mut size, &mut got).await {
            Err(Fetch::PastEnd) => Ok(None),
            Err(Fetch::Failed(e)) => Err(e),
            // Taken up again from where it broke; by now it is known which version this is.
            Err(Fetch::Broken(e)) => {
                let Some(size) = size else { return Err(e) };
                let done = got.iter().map(|b: &Bytes| b.len() as u64).sum::<u64>();
                got.extend(self.range(start + done, end.min(size), etag.clone()).await?);
                Ok(Some(First { pieces: got, etag, size }))
            }
            Ok(()) => Ok(size.map(|size| First { pieces: got, etag, size })),
        }
    }

    /// All bytes from `start` to `end`, of the version that `etag` names.
    async fn range(&self, start: u64, end: u64, mut etag: Option<Etag>) -> Result<Vec<Bytes>, StoreError> {
        let (mut got, mut tries) = (Vec::new(), 0);
        loop {
            let before = got.len();
            let done = got.iter().map(|b: &Bytes| b.len() as u64).sum::<u64>();
            if start + done >= end {
                return Ok(got);
            }
            match self.fetch(start + done, end, &mut etag, &mut None, &mut got).await {
                Ok(()) => return Ok(got),
                Err(Fetch::PastEnd) => return Err(self.short(end - start, done)),
                Err(Fetch::Failed(e)) => return Err(e),
                Err(Fetch::Broken(e)) => {
                    tries = if got.len() > before { 0 } else { tries + 1 };
                    if tries >= TRIES {
                        return Err(e);
                    }
                }
            }
        }
    }

    fn short(&self, expected: u64, found: u64) -> StoreError {
        StoreError::ShortRead { at: self.at.clone(), expected, found }
    }

    /// One GET. What came before it broke stands in `got`.
    async fn fetch(
        &self,
        start: u64,
        end: u64,
        etag: &mut Option<Etag>,
        size: &mut Option<u64>,
        got: &mut Vec<Bytes>,
    ) -> Result<(), Fetch> {
        let place = Place::Object(&self.at);
        let options = BlobClientDownloadOptions {
            range: Some(HttpRange::new(start, end - start)),
            parallel: Some(NonZero::<usize>::MIN),
            partition_size: Some(WHOLE),
            if_match: etag.clone(),
            ..Default::default()
        };
        let answer = self.client.download(Some(options)).await.map_err(|e| match meaning_of(&e) {
            Some(Meaning::PastEnd) => Fetch::PastEnd,
            _ => Fetch::Failed(self.store.fault(Call::Read, place, &e)),
        })?;
        let content_range = answer.headers.get_optional_string(&HeaderName::from_static("content-range"));
        let whole = content_range.and_then(|r| r.rsplit('/').next()?.parse().ok());
        let whole = whole.or(answer.properties.content_length).unwrap_or(0);
        *size = Some(whole);
        if etag.is_none() {
            etag.clone_from(&answer.properties.etag);
        }
        let (expected, mut found) = (end.min(whole).saturating_sub(start), 0);
        let mut body = answer.body;
        while let Some(piece) = body.next().await {
            let mut piece = piece.map_err(|e| Fetch::Broken(self.store.fault(Call::Read, place, &e)))?;
            found += piece.len() as u64;
            while !piece.is_empty() {
                got.push(piece.split_to(piece.len().min(PIECE)));
            }
        }
        // More than was asked for is no better than less: the service did not understand the range.
        if found > expected {
            return Err(Fetch::Failed(self.short(expected, found)));
        }
        if found < expected { Err(Fetch::Broken(self.short(expected, found))) } else { Ok(()) }
    }
}

enum Fetch {
    PastEnd,
    Failed(StoreError),
    Broken(StoreError),
}
