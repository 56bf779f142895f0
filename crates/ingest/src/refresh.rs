//! Lifecycle rules move recordings between storage classes and rehydrated copies lapse, and nobody tells the index: it is asked
//! for here, a thousand recordings in one or two listings.

use crate::{ArchiverParts, IngestError};
use holdfast_index::{MAX_LIMIT, Query, Sort};
use holdfast_model::{Cancel, Progress, ProgressSink};

/// What a refresh found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RefreshReport {
    /// Recordings whose bytes were looked for.
    pub looked_at: u64,
    /// Those that lie elsewhere, or are more or less readable, than the index said.
    pub changed: u64,
    /// Those whose bytes are not there: verify them.
    pub missing: u64,
}

/// Asks the storage where each recording lies now and tells the index. In order of time, so that those asked for together lie
/// together. Safe to stop and to repeat.
///
/// # Errors
/// Where store or index cannot be read; [`IngestError::Cancelled`].
pub async fn refresh(
    parts: &ArchiverParts,
    progress: &dyn ProgressSink,
    cancel: &Cancel,
) -> Result<RefreshReport, IngestError> {
    let mut report = RefreshReport::default();
    let Some(rehydrator) = &parts.store.rehydrator else { return Ok(report) };
    let total = parts.index.count().await?;
    let mut query = Query { sort: Sort::Oldest, limit: MAX_LIMIT, ..Query::default() };
    loop {
        if cancel.is_cancelled() {
            return Err(IngestError::Cancelled);
        }
        let page = parts.index.search(&query).await?;
        report.looked_at += page.rows.len() as u64;
        let at: Vec<_> = page.rows.iter().map(|row| row.locator.clone()).collect();
        let mut changed = Vec::new();
        for (row, now) in page.rows.iter().zip(rehydrator.status(&at).await?) {
            match now {
                None => {
                    tracing::warn!(object = %row.locator, "the index names an object that is not there");
                    report.missing += 1;
                }
                Some(now) if row.state() != now => changed.push((row.archive_id.clone(), now)),
                Some(_) => {}
            }
        }
        parts.index.set_states(&changed).await?;
        report.changed += changed.len() as u64;
        progress.report(Progress {
            stage: "Asking where recordings lie".into(),
            done: report.looked_at,
            total: Some(total),
            unit: "recordings",
        });
        match page.next {
            Some(next) => query.cursor = Some(next),
            None => return Ok(report),
        }
    }
}
