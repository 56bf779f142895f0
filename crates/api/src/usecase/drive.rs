//! Driving retrievals, and telling what came of them: listeners here, and people elsewhere.
//!
//! A look reads what is under way, and what was under way and no longer is. What ended long ago is read where its matter comes to
//! its end, and once at the first look, in open matters: it may have ended when nobody was there to tell.

#[cfg(test)]
mod tests;

use super::{archive::id, desk::job_view};
use crate::{ApiError, Holdfast, dto::ApiEvent, task::lock, under_way::JobKey};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use holdfast_model::{Fault as _, MatterId};
use holdfast_retrieval::{JobState, JobView, Matter, RetrievalError};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    slice::from_ref,
    sync::Arc,
    time::Duration,
};
use tokio::sync::Notify;

/// Longest that the driver sleeps: another process may have begun something meanwhile.
const DRIVER_REST: Duration = Duration::from_secs(5);
/// Between two looks at how retrievals go.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// How often it is looked whether a deadline is in danger or a copy about to lapse, which are matters of hours.
const WARN_EVERY_MS: i64 = 15_000;
/// Retrievals that ended and are read one by one; of more in one matter the whole matter is read.
const ONE_BY_ONE: usize = 100;
/// How many of them at once.
const AT_ONCE: usize = 8;

/// What was told.
#[derive(Default)]
pub(super) struct Told {
    begun: bool,
    /// Retrievals that were under way at the last look, and how they were. Gone with their end.
    jobs: HashMap<JobKey, Seen>,
    /// Those that this process had under way since.
    since: HashSet<JobKey>,
    /// Matters whose end people elsewhere have yet to be told of.
    ended: BTreeSet<MatterId>,
    /// When it was last looked for warnings.
    warned_at: Option<i64>,
}

/// What of a retrieval is worth telling when it changes.
type Seen = (JobState, u64, bool);

fn key(j: &JobView) -> JobKey {
    (j.job.matter.clone(), j.job.archive_id.clone())
}

fn seen(j: &JobView) -> Seen {
    (j.state, j.job.done_bytes, j.job.problem.is_some())
}

impl Holdfast {
    /// Does what is due now for every retrieval, once.
    ///
    /// # Errors
    /// `retrieval.*`; what stands in the way of one recording is told in its job.
    pub async fn drive_once(&self) -> Result<(), ApiError> {
        self.before_driving().await?;
        let (sink, cancel) = self.task("retrieve");
        self.desk.drive(None, sink.as_ref(), &cancel).await?;
        drop(sink);
        self.tell_elsewhere(None, &[], &mut Told::default()).await;
        Ok(())
    }

    /// What is so already is no news, and events are in the name of whoever this is now.
    async fn before_driving(&self) -> Result<(), ApiError> {
        self.desk.set_cloud_identity(self.identity.now());
        if self.outbox.is_prepared() {
            return Ok(());
        }
        if self.outbox.has_new_channel().await? {
            for matter in self.open_matters(None).await? {
                let jobs = self.desk.jobs(Some(&matter.matter_id), true).await?;
                self.outbox.pass_over(from_ref(&matter), &jobs).await?;
            }
        }
        self.outbox.prepare(&[], &[]).await
    }

    async fn open_matters(&self, only: Option<&MatterId>) -> Result<Vec<Matter>, RetrievalError> {
        let mut matters = match only {
            Some(matter) => vec![self.desk.matter(matter).await?],
            None => self.desk.matters().await?,
        };
        matters.retain(Matter::is_open);
        Ok(matters)
    }

    /// Drives retrievals until those of `matter` (or all) are done.
    ///
    /// # Errors
    /// As [`Self::drive_once`].
    pub async fn drive_until_done(&self, matter: Option<&str>) -> Result<(), ApiError> {
        let matter: Option<MatterId> = matter.map(id).transpose()?;
        let mut told = Told::default();
        self.under_way.take();
        loop {
            self.before_driving().await?;
            let (sink, cancel) = self.task("retrieve");
            let summary = self.desk.drive(matter.as_ref(), sink.as_ref(), &cancel).await?;
            drop(sink);
            let under_way = self.look(matter.as_ref(), &mut told).await?;
            if under_way.iter().all(|j| !JobState::ACTIVE.contains(&j.state)) || cancel.is_cancelled() {
                return Ok(());
            }
            tokio::time::sleep(self.until(summary.next_due)).await;
        }
    }

    fn until(&self, due: Option<jiff::Timestamp>) -> Duration {
        let ms = due.map_or(1000, |d| d.as_millisecond() - self.clock.now().as_millisecond());
        Duration::from_millis(u64::try_from(ms).unwrap_or(0)).clamp(Duration::from_millis(50), DRIVER_REST)
    }

    /// Drives retrievals in the background until closed; those begun before this process started go on.
    pub fn start_driver(self: &Arc<Self>) {
        let mut driver = lock(&self.driver);
        if driver.is_some() {
            return;
        }
        let me = Arc::clone(self);
        *driver = Some(tokio::spawn(async move {
            me.under_way.take();
            // A pass lasts as long as its downloads, and what it has done is told meanwhile.
            let passed = Notify::new();
            tokio::join!(me.drive_on(&passed), me.tell_on(&passed));
        }));
    }

    async fn drive_on(&self, passed: &Notify) {
        loop {
            if let Err(e) = self.before_driving().await {
                tracing::warn!(code = e.code, "notifications: {e}");
            }
            let (sink, cancel) = self.task("retrieve");
            let due = match self.desk.drive(None, sink.as_ref(), &cancel).await {
                Ok(summary) => summary.next_due,
                Err(e) => {
                    tracing::warn!(code = e.code(), "driving retrievals: {e}");
                    None
                }
            };
            drop(sink);
            passed.notify_one();
            tokio::time::sleep(self.until(due).min(LOOK_EVERY)).await;
        }
    }

    async fn tell_on(&self, passed: &Notify) {
        let mut told = Told::default();
        loop {
            // Where a pass takes longer, sooner.
            let _ = tokio::time::timeout(LOOK_EVERY, passed.notified()).await;
            if !self.outbox.is_prepared() {
                continue;
            }
            if let Err(e) = self.look(None, &mut told).await {
                tracing::warn!(code = e.code, "telling how retrievals go: {e}");
            }
        }
    }

    /// Tells what changed since the last look, of one matter or all; what cannot be read is told at the next. Gives what is under
    /// way.
    async fn look(&self, matter: Option<&MatterId>, told: &mut Told) -> Result<Vec<JobView>, ApiError> {
        told.since.extend(self.under_way.take());
        let under_way = self.desk.jobs(matter, false).await?;
        let ended = self.ended(matter, &under_way, told).await?;
        self.tell(&under_way, &ended, told);
        self.tell_elsewhere(matter, &under_way, told).await;
        Ok(under_way)
    }

    /// Retrievals that were under way and no longer are, by matter, as they are now; of a matter that came to its end all that it
    /// has.
    async fn ended(
        &self,
        matter: Option<&MatterId>,
        under_way: &[JobView],
        told: &Told,
    ) -> Result<BTreeMap<MatterId, Ended>, RetrievalError> {
        let now: HashSet<JobKey> = under_way.iter().map(key).collect();
        let going_on: HashSet<&MatterId> = under_way.iter().map(|j| &j.job.matter).collect();
        let mut gone: BTreeMap<&MatterId, HashSet<&JobKey>> = BTreeMap::new();
        for key in told.jobs.keys().chain(&told.since).filter(|k| !now.contains(k)) {
            if matter.is_none_or(|m| *m == key.0) {
                gone.entry(&key.0).or_default().insert(key);
            }
        }
        let mut out = BTreeMap::new();
        for (matter, keys) in gone {
            let over = !going_on.contains(matter);
            let jobs = if over || keys.len() > ONE_BY_ONE {
                self.desk.jobs(Some(matter), true).await?
            } else {
                let reads: Vec<_> = keys.iter().map(|(matter, id)| self.desk.job(matter, id)).collect();
                let read: Vec<Option<JobView>> = stream::iter(reads).buffer_unordered(AT_ONCE).try_collect().await?;
                read.into_iter().flatten().collect()
            };
            let gone = keys.into_iter().cloned().collect();
            out.insert(matter.clone(), Ended { gone, over: over && jobs.iter().all(|j| j.state.is_final()), jobs });
        }
        Ok(out)
    }

    /// Tells listeners which jobs changed, and which matters came to their end.
    fn tell(&self, under_way: &[JobView], ended: &BTreeMap<MatterId, Ended>, told: &mut Told) {
        let first = !std::mem::replace(&mut told.begun, true);
        let before = std::mem::take(&mut told.jobs);
        // At the first look how things stand is no news, but for what this process has changed before it: somebody may have read it since.
        let own = std::mem::take(&mut told.since);
        let gone = ended.values().flat_map(|e| e.jobs.iter().filter(|j| e.gone.contains(&key(j))));
        for j in under_way.iter().chain(gone) {
            if before.get(&key(j)) != Some(&seen(j)) && (!first || own.contains(&key(j))) {
                // Nobody listening is no error.
                let _ = self.events.send(ApiEvent::Job { job: job_view(j) });
            }
            if !j.state.is_final() {
                told.jobs.insert(key(j), seen(j));
            }
        }
        for (matter, e) in ended.iter().filter(|(_, e)| e.over) {
            told.ended.insert(matter.clone());
            let count = |s| u32::try_from(e.jobs.iter().filter(|j| j.state == s).count()).unwrap_or(u32::MAX);
            let (verified, failed) = (count(JobState::Verified), count(JobState::Failed));
            let _ = self.events.send(ApiEvent::MatterReady { matter_id: matter.to_string(), verified, failed });
        }
    }

    /// Keeps what is to be told to people elsewhere, and tells what is due. Trouble with it never stands in the way of a retrieval,
    /// and it is tried again at the next look.
    async fn tell_elsewhere(&self, matter: Option<&MatterId>, under_way: &[JobView], told: &mut Told) {
        if self.outbox.is_silent() {
            told.ended.clear();
            return;
        }
        if let Err(e) = self.turn_outbox(matter, under_way, told).await {
            tracing::warn!(code = e.code, "notifications: {e}");
        }
    }

    async fn turn_outbox(
        &self,
        only: Option<&MatterId>,
        under_way: &[JobView],
        told: &mut Told,
    ) -> Result<(), ApiError> {
        let now = self.clock.now().as_millisecond();
        let Some(warned_at) = told.warned_at else {
            for matter in self.open_matters(only).await? {
                self.turn_matter(&matter).await?;
            }
            told.ended.clear();
            told.warned_at = Some(now);
            return self.outbox.turn(&[], &[]).await;
        };
        while let Some(ended) = told.ended.first().cloned() {
            self.turn_matter(&self.desk.matter(&ended).await?).await?;
            told.ended.remove(&ended);
        }
        if !(0..WARN_EVERY_MS).contains(&(now - warned_at)) {
            let mut by_matter: BTreeMap<&MatterId, Vec<JobView>> = BTreeMap::new();
            for j in under_way {
                by_matter.entry(&j.job.matter).or_default().push(j.clone());
            }
            for (matter, jobs) in by_matter {
                let matter = self.desk.matter(matter).await?;
                // Warnings depend on what is under way; only where there is one, it tells of the others too.
                if self.outbox.has_news(from_ref(&matter), &jobs) {
                    self.turn_matter(&matter).await?;
                }
            }
            told.warned_at = Some(now);
        }
        self.outbox.turn(&[], &[]).await
    }

    async fn turn_matter(&self, matter: &Matter) -> Result<(), ApiError> {
        let jobs = self.desk.jobs(Some(&matter.matter_id), true).await?;
        self.outbox.turn(from_ref(matter), &jobs).await
    }
}

/// What ended in one matter.
struct Ended {
    gone: HashSet<JobKey>,
    /// Nothing of it is under way any more.
    over: bool,
    /// Those that are gone at least; all of the matter where it is over.
    jobs: Vec<JobView>,
}
