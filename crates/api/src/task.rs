//! Tasks that take longer than a second: they tell how far they are, with an estimate, and can be stopped by name.

use crate::dto::ApiEvent;
use holdfast_model::{Cancel, Progress, ProgressSink};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};
use tokio::sync::broadcast;

/// Most often that one task is told about.
const PACE: Duration = Duration::from_millis(100);

/// Locks, also after another thread broke down while it held the lock: what is inside is a map of flags.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Tasks under way, by name.
pub(crate) type Running = Arc<Mutex<HashMap<String, Cancel>>>;

/// Tells the progress of one task to everyone who listens; the task is over when the last clone is dropped.
pub(crate) struct Task {
    name: String,
    running: Running,
    events: broadcast::Sender<ApiEvent>,
    told: Mutex<Told>,
}

struct Told {
    stage: String,
    stage_began: Instant,
    last: Option<Instant>,
}

impl Task {
    pub(crate) fn begin(name: &str, running: &Running, events: &broadcast::Sender<ApiEvent>) -> (Arc<Self>, Cancel) {
        let cancel = Cancel::default();
        lock(running).insert(name.to_owned(), cancel.clone());
        let told = Mutex::new(Told { stage: String::new(), stage_began: Instant::now(), last: None });
        (Arc::new(Self { name: name.to_owned(), running: running.clone(), events: events.clone(), told }), cancel)
    }
}

impl ProgressSink for Task {
    fn report(&self, p: Progress) {
        let now = Instant::now();
        let mut told = lock(&self.told);
        if told.stage != p.stage {
            *told = Told { stage: p.stage.clone(), stage_began: now, last: None };
        }
        let over = p.total == Some(p.done);
        if !over && told.last.is_some_and(|l| now - l < PACE) {
            return;
        }
        told.last = Some(now);
        let left_ms = p.total.filter(|_| p.done > 0).map(|total| {
            let spent = (now - told.stage_began).as_secs_f64();
            (spent / p.done as f64 * total.saturating_sub(p.done) as f64 * 1000.0) as u64
        });
        // Nobody listening is no error.
        let _ = self.events.send(ApiEvent::Progress {
            task: self.name.clone(),
            stage: p.stage,
            done: p.done,
            total: p.total,
            unit: p.unit.to_owned(),
            left_ms,
        });
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        lock(&self.running).remove(&self.name);
        let told = lock(&self.told);
        if told.last.is_some() {
            // The end, for whoever shows it as under way: a last stage need not know its total.
            let _ = self.events.send(ApiEvent::Progress {
                task: self.name.clone(),
                stage: told.stage.clone(),
                done: 0,
                total: Some(0),
                unit: String::new(),
                left_ms: None,
            });
        }
    }
}
