use crate::{Facets, IndexError, IndexRow, Page, Query};
use async_trait::async_trait;
use holdfast_model::{ArchiveId, IdempotencyKey, MatterId, StorageState};

/// What came of an insert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InsertOutcome {
    /// The row is now in the index.
    Inserted,
    /// The index already has this recording with the same manifest; nothing was changed.
    Same,
    /// The index already has this recording with another manifest; nothing was changed.
    Conflict {
        /// The row that is there.
        existing: Box<IndexRow>,
    },
}

/// How far an index goes to answer one question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IndexLimits {
    /// Totals and facets are exact while so many recordings or fewer have to be looked at one by one; none: always.
    pub exact_within: Option<usize>,
}

impl IndexLimits {
    /// An index that has everything at hand.
    pub const NONE: Self = Self { exact_within: None };
}

/// Finds recordings. Derived from manifests and ledger; never evidence.
#[async_trait]
pub trait RecordingIndex: Send + Sync {
    /// What this index cannot do as well as one with everything at hand.
    fn limits(&self) -> IndexLimits {
        IndexLimits::NONE
    }

    /// Inserts rows with the texts to be searched, conditionally on the archive id (and so on the idempotency key); one
    /// outcome each, in order. A row that its id does not fit is refused before any is written.
    ///
    /// Each row comes in whole or not at all, is found by every filter once it is there, and may be inserted again. Whether
    /// all of a call come in at one instant is the backend's: SQLite writes one transaction, DynamoDB (which takes 100 items
    /// in one) row by row, so that a call that is cut off by a crash or an error may have written some of them. Callers
    /// repeat the whole call until it returns; what was written is then `Same`.
    async fn insert_many(&self, rows: Vec<(IndexRow, Option<String>)>) -> Result<Vec<InsertOutcome>, IndexError>;

    /// Inserts one row.
    async fn insert(&self, row: &IndexRow, text: Option<&str>) -> Result<InsertOutcome, IndexError> {
        let outcomes = self.insert_many(vec![(row.clone(), text.map(str::to_owned))]).await?;
        outcomes.into_iter().next().ok_or_else(|| IndexError::Internal("an insert had no outcome".into()))
    }

    /// The row of one recording.
    async fn get(&self, id: &ArchiveId) -> Result<Option<IndexRow>, IndexError>;

    /// The rows of these recordings, in the order asked; none for one that is not there: what as many calls of [`Self::get`]
    /// give, one named twice included, in few calls of the backend where it can. All are of one index: where a rebuild takes its
    /// place meanwhile, all are of the old one or all of the new one.
    async fn get_many(&self, ids: &[ArchiveId]) -> Result<Vec<Option<IndexRow>>, IndexError> {
        let mut rows = Vec::with_capacity(ids.len());
        for id in ids {
            rows.push(self.get(id).await?);
        }
        Ok(rows)
    }

    /// The row of the recording with this key.
    async fn get_by_key(&self, key: &IdempotencyKey) -> Result<Option<IndexRow>, IndexError> {
        Ok(self.get(&key.archive_id()).await?.filter(|row| row.record.idempotency_key() == *key))
    }

    /// All rows that carry this id of another system, by archive id, at most [`crate::MAX_LIMIT`].
    async fn find_external(&self, system: &str, id: &str) -> Result<Vec<IndexRow>, IndexError>;

    /// One page of what matches, and how many match in all.
    async fn search(&self, query: &Query) -> Result<Page, IndexError>;

    /// How many of what matches have which value. Sort, limit and cursor play no part.
    async fn facets(&self, query: &Query) -> Result<Facets, IndexError>;

    /// Notes what was seen of the bytes in the storage: where they lie and whether they can be read.
    ///
    /// # Errors
    /// `index.not_found` where there is no such recording.
    async fn set_state(&self, id: &ArchiveId, state: &StorageState) -> Result<(), IndexError>;

    /// The same for many: when it returns, everything is as after as many calls of [`Self::set_state`] one after the other (the
    /// last one counts for a recording named twice; a rebuild begun before or meanwhile takes all of them up), in few calls of
    /// the backend where it can.
    ///
    /// # Errors
    /// As [`Self::set_state`], `index.not_found` where one of them is not there. Whether others were then noted is the backend's
    /// (SQLite: none; DynamoDB: some or none), and each is noted whole or not at all. It may be repeated.
    async fn set_states(&self, seen: &[(ArchiveId, StorageState)]) -> Result<(), IndexError> {
        for (id, state) in seen {
            self.set_state(id, state).await?;
        }
        Ok(())
    }

    /// Notes which matters hold the recording: all of them, replacing what was noted.
    ///
    /// # Errors
    /// `index.not_found` where there is no such recording.
    async fn set_holds(&self, id: &ArchiveId, matters: &[MatterId]) -> Result<(), IndexError>;

    /// Rows in ascending order of archive id, after `after`, at most `limit`: for going through all of them in pieces.
    async fn scan(&self, after: Option<&ArchiveId>, limit: usize) -> Result<Vec<IndexRow>, IndexError>;

    /// How many recordings the index has.
    async fn count(&self) -> Result<u64, IndexError>;

    /// Begins to fill a new index beside this one, which goes on answering (and taking inserts, which then stand in both)
    /// until [`RebuildSink::finish`] puts the new one in its place. A rebuild begun later ends an earlier one.
    async fn rebuild(&self) -> Result<Box<dyn RebuildSink>, IndexError>;
}

/// Where a rebuild puts its rows. Dropped unfinished, it changes nothing.
#[async_trait]
pub trait RebuildSink: Send {
    /// Adds one row and its text; a row that is already there is left as it is. Rows are written in batches.
    ///
    /// # Errors
    /// `index.rebuild_superseded` where another rebuild was begun since.
    async fn push(&mut self, row: IndexRow, text: Option<String>) -> Result<(), IndexError>;

    /// Writes what is left and puts the new index in the place of the old one, in one transaction. The number of recordings
    /// in it.
    async fn finish(self: Box<Self>) -> Result<u64, IndexError>;
}
