use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

/// How far something longer than a second has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// What is being done, for people: `Hashing`, `Bringing back 3 of 12`.
    pub stage: String,
    /// Units done so far.
    pub done: u64,
    /// Units in all, where known. The unit is told by `unit`.
    pub total: Option<u64>,
    /// `bytes`, `recordings`, `entries`, ...
    pub unit: &'static str,
}

/// Where progress is told. Called often; implementations throttle.
pub trait ProgressSink: Send + Sync {
    /// Tells one step. Must not block.
    fn report(&self, progress: Progress);
}

/// Tells nobody.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoProgress;

impl ProgressSink for NoProgress {
    fn report(&self, _: Progress) {}
}

/// A flag shared between who may cancel and who does the work; checked between bounded pieces of work.
#[derive(Debug, Clone, Default)]
pub struct Cancel(Arc<AtomicBool>);

impl Cancel {
    /// Asks the work to stop at its next safe point.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether stopping was asked for.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
