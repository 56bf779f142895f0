//! Reading: one ranged GET of one version. Where the line breaks it is taken up again at the next byte, of the very same bytes (ETag),
//! a bounded number of times.

use super::{S3Store, fault, send::pause};
use crate::{ByteRange, ByteStream, StoreError};
use aws_sdk_s3::{
    config::{Builder, ResponseChecksumValidation},
    operation::get_object::GetObjectOutput,
    primitives::ByteStream as Body,
};
use bytes::Bytes;
use futures_util::StreamExt as _;
use holdfast_model::{Availability, ObjectLocator};

/// The largest piece that a read yields, in bytes.
const PIECE: usize = 1 << 20;
/// For each of these many bytes one more break is borne.
const BYTES_PER_BREAK: u64 = 64 << 20;

/// What a GET was answered with.
struct Answer {
    body: Body,
    e_tag: Option<String>,
    version_id: Option<String>,
    /// The bytes that it promises.
    start: u64,
    end: u64,
}

/// Why there is no answer.
enum Failed {
    /// The range lies past the end.
    Range,
    /// Nothing is there, unless a delete marker hides it.
    Hidden,
    Told(StoreError),
}

/// A read that is under way.
struct Reading {
    store: S3Store,
    at: ObjectLocator,
    answer: Answer,
    next: u64,
    /// What came and was not yielded yet.
    rest: Bytes,
    breaks: u32,
    breaks_left: u64,
}

impl S3Store {
    pub(super) async fn stream(&self, at: &ObjectLocator, range: ByteRange) -> Result<ByteStream, StoreError> {
        if range.end.is_some_and(|end| end <= range.start) {
            return self.nothing(at).await;
        }
        let mut at = at.clone();
        let mut answer = self.get(&at, range, None).await;
        if matches!(answer, Err(Failed::Hidden)) {
            at = self.look(&at).await?.info.locator;
            answer = self.get(&at, range, None).await;
        }
        let answer = match answer {
            Ok(answer) => answer,
            Err(Failed::Range) => return self.nothing(&at).await,
            Err(Failed::Hidden) => return Err(StoreError::NotFound(at)),
            Err(Failed::Told(e)) => return Err(e),
        };
        at.version_id = at.version_id.or_else(|| answer.version_id.clone());
        let breaks_left = u64::from(self.config.attempts) + (answer.end - answer.start) / BYTES_PER_BREAK;
        let (store, next, rest) = (self.clone(), answer.start, Bytes::new());
        let reading = Reading { store, at, answer, next, rest, breaks: 0, breaks_left };
        Ok(futures_util::stream::try_unfold(reading, Reading::piece).boxed())
    }

    /// No bytes, of an object that is there and can be read.
    async fn nothing(&self, at: &ObjectLocator) -> Result<ByteStream, StoreError> {
        match self.look(at).await?.info.availability {
            Availability::Online { .. } => Ok(futures_util::stream::empty().boxed()),
            _ => Err(StoreError::Offline(at.clone())),
        }
    }

    /// One GET. Its checksums are not compared here: a range has none, and whoever reads the whole hashes it anyway.
    async fn get(&self, at: &ObjectLocator, range: ByteRange, same: Option<&str>) -> Result<Answer, Failed> {
        let bytes = match range.end {
            Some(end) => Some(format!("bytes={}-{}", range.start, end.saturating_sub(1))),
            None => (range.start > 0).then(|| format!("bytes={}-", range.start)),
        };
        let ranged = bytes.is_some();
        let sent = self
            .client
            .get_object()
            .bucket(&at.bucket)
            .key(at.key.as_str())
            .set_version_id(at.version_id.clone())
            .set_range(bytes)
            .set_if_match(same.map(str::to_owned))
            .customize()
            .config_override(Builder::new().response_checksum_validation(ResponseChecksumValidation::WhenRequired))
            .send()
            .await;
        let out = sent.map_err(|e| match fault::code(&e) {
            Some(fault::INVALID_RANGE) => Failed::Range,
            Some("NoSuchKey") if at.version_id.is_none() => Failed::Hidden,
            Some(fault::CONDITION_FAILED) => {
                Failed::Told(StoreError::odd_answer(at, "its bytes are others than a moment ago"))
            }
            _ => Failed::Told(fault::of(&self.doing("reading", "s3:GetObjectVersion", at), &e)),
        })?;
        self.check_read(out.server_side_encryption(), out.ssekms_key_id()).map_err(Failed::Told)?;
        answer(at, range, ranged, out).map_err(Failed::Told)
    }
}

/// Checks that the answer is one to the question: this version, and bytes from where they were asked for.
fn answer(at: &ObjectLocator, range: ByteRange, ranged: bool, out: GetObjectOutput) -> Result<Answer, StoreError> {
    let version_id = out.version_id().map(str::to_owned);
    if at.version_id.is_some() && version_id.is_some() && at.version_id != version_id {
        return Err(StoreError::odd_answer(at, "the provider answered with another version than asked for"));
    }
    let length = out.content_length().and_then(|n| u64::try_from(n).ok());
    let (start, end) = match (ranged, out.content_range().and_then(content_range)) {
        (false, _) => (0, length.ok_or_else(|| StoreError::odd_answer(at, "the provider does not say its length"))?),
        (true, Some((start, end))) if start == range.start && range.end.is_none_or(|e| end <= e) => (start, end),
        (true, _) => return Err(StoreError::odd_answer(at, "the provider answered with other bytes than asked for")),
    };
    if length.is_some_and(|n| n != end - start) {
        return Err(StoreError::odd_answer(at, "the provider gives two lengths"));
    }
    Ok(Answer { e_tag: out.e_tag().map(str::to_owned), version_id, start, end, body: out.body })
}

/// `bytes 5-9/20` as the half-open 5..10.
fn content_range(header: &str) -> Option<(u64, u64)> {
    let (first, last) = header.strip_prefix("bytes ")?.split_once('/')?.0.split_once('-')?;
    let (first, last) = (first.parse().ok()?, last.parse::<u64>().ok()?);
    (first <= last).then_some((first, last + 1))
}

impl Reading {
    /// The next piece; none at the end.
    async fn piece(mut self) -> Result<Option<(Bytes, Self)>, StoreError> {
        loop {
            if !self.rest.is_empty() {
                let piece = self.rest.split_to(self.rest.len().min(PIECE));
                self.next += piece.len() as u64;
                return Ok(Some((piece, self)));
            }
            if self.next == self.answer.end {
                return Ok(None);
            }
            let fault = match self.answer.body.next().await {
                Some(Ok(bytes)) => {
                    let left = usize::try_from(self.answer.end - self.next).unwrap_or(usize::MAX);
                    if bytes.len() > left {
                        return Err(self.short(bytes.len() as u64));
                    }
                    self.rest = bytes;
                    continue;
                }
                Some(Err(e)) => fault::of_body(&self.store.doing("reading", "s3:GetObjectVersion", &self.at), &e),
                None => self.short(0),
            };
            self.take_up(fault).await?;
        }
    }

    /// More or fewer bytes than promised.
    fn short(&self, more: u64) -> StoreError {
        let Answer { start, end, .. } = self.answer;
        StoreError::ShortRead { at: self.at.clone(), expected: end - start, found: self.next - start + more }
    }

    /// Asks for the rest, or gives up with `fault`.
    async fn take_up(&mut self, fault: StoreError) -> Result<(), StoreError> {
        if self.breaks_left == 0 {
            return Err(fault);
        }
        self.breaks_left -= 1;
        self.breaks += 1;
        pause(self.breaks).await;
        let rest = ByteRange { start: self.next, end: Some(self.answer.end) };
        match self.store.get(&self.at, rest, self.answer.e_tag.as_deref()).await {
            Ok(answer) if answer.end == self.answer.end => {
                self.answer.body = answer.body;
                Ok(())
            }
            Ok(_) => Err(StoreError::odd_answer(&self.at, "it is shorter than a moment ago")),
            Err(Failed::Told(e)) => Err(e),
            Err(Failed::Range | Failed::Hidden) => Err(fault),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::content_range;

    #[test]
    fn a_content_range_is_read() {
        assert_eq!(content_range("bytes 5-9/20"), Some((5, 10)));
        for bad in ["bytes */20", "5-9/20", "bytes 9-5/20", "bytes -5/20"] {
            assert_eq!(content_range(bad), None, "{bad}");
        }
    }
}
