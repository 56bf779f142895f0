//! Lifecycle rules move recordings between storage classes and rehydrated copies lapse, and nobody tells the index: it is asked
//! for here, a thousand recordings in one or two listings.

use crate::{ArchiverParts, IngestError};
use holdfast_index::{IndexRow, MAX_LIMIT, Query, Sort};
use holdfast_model::{Cancel, Progress, ProgressSink, StorageState};
use holdfast_store::{Rehydrator, StoreError};

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
        for (row, now) in states(rehydrator.as_ref(), page.rows, &mut report).await? {
            if row.state() != now {
                parts.index.set_state(&row.archive_id, &now).await?;
                report.changed += 1;
            }
        }
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

/// What the storage says of each; those that are not there are counted and left out.
async fn states(
    rehydrator: &dyn Rehydrator,
    mut rows: Vec<IndexRow>,
    report: &mut RefreshReport,
) -> Result<Vec<(IndexRow, StorageState)>, IngestError> {
    loop {
        let at: Vec<_> = rows.iter().map(|row| row.locator.clone()).collect();
        match rehydrator.status(&at).await {
            Ok(states) => return Ok(rows.into_iter().zip(states).collect()),
            Err(StoreError::NotFound(gone)) if at.contains(&gone) => {
                tracing::warn!(object = %gone, "the index names an object that is not there");
                report.missing += 1;
                rows.retain(|row| row.locator != gone);
            }
            Err(e) => return Err(e.into()),
        }
    }
}
