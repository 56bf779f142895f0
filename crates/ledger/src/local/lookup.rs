use super::{Ledger, LedgerError, Staged, read::EntryReader};
use holdfast_model::{Cancel, Progress, ProgressSink};

/// Entries between two transactions.
const CHUNK: u64 = 4096;

impl Ledger {
    /// Makes the lookup anew from the entries and takes it into use in one piece. Appends go on meanwhile. Answers how many
    /// entries were read.
    ///
    /// # Errors
    /// [`LedgerError::RebuildRunning`], [`LedgerError::EntryUnreadable`] (verify first), [`LedgerError::Cancelled`].
    pub async fn rebuild_lookup(&self, progress: &dyn ProgressSink, cancel: &Cancel) -> Result<u64, LedgerError> {
        let mut from = 0;
        loop {
            let mut reader = EntryReader::new(&self.inner).await?;
            let size = reader.size();
            while from < size {
                if cancel.is_cancelled() {
                    return Err(LedgerError::Cancelled);
                }
                let to = size.min(from + CHUNK);
                let entries = reader.parsed(from..to).await?;
                let staged = entries.iter().map(|e| Staged::of(&e.event, bytes::Bytes::new())).collect();
                let done = self.inner.head.rebuild_lookup(from, to, staged).await?;
                progress.report(Progress {
                    stage: "Indexing the ledger".into(),
                    done: to,
                    total: Some(size),
                    unit: "entries",
                });
                if done {
                    return Ok(to);
                }
                from = to;
            }
        }
    }
}
