use crate::ProvisionError;
use holdfast_model::{Cancel, Progress, ProgressSink};
use std::future::Future;

/// What a difference is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Not there; `apply` makes it.
    Missing,
    /// There, but otherwise than wanted; `apply` mends it.
    Drifted,
    /// Cannot be changed any more, or only by a person; `apply` leaves it and says so.
    Barred,
    /// Stands firmer than asked, or belongs to someone else and does no harm; nothing is to be done.
    Remark,
}

/// One difference between what is wanted and what is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Where, e.g. `bucket acme-media`.
    pub place: String,
    /// Which setting, by a stable name such as `object_lock`.
    pub setting: String,
    /// What sort of difference.
    pub kind: Kind,
    /// What is there; empty where nothing is.
    pub found: String,
    /// What is wanted.
    pub wanted: String,
    /// A sentence: what will be done, or why nothing can be.
    pub words: String,
}

/// The differences, in the order in which they are mended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// All of them.
    pub entries: Vec<Entry>,
}

impl Plan {
    /// Whether there is nothing that `apply` would do and nothing that a person must.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.iter().all(|e| e.kind == Kind::Remark)
    }

    /// Those that `apply` would mend.
    pub fn to_do(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(|e| matches!(e.kind, Kind::Missing | Kind::Drifted))
    }

    /// Those that only a person can mend.
    pub fn barred(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(|e| e.kind == Kind::Barred)
    }
}

/// What `apply` did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Applied {
    /// What was mended, in order.
    pub done: Vec<Entry>,
    /// What differs still, as observed afterwards.
    pub left: Plan,
}

/// A difference with the step that mends it, where one does.
#[derive(Debug, Clone)]
pub(crate) struct Difference<S> {
    pub(crate) entry: Entry,
    pub(crate) step: Option<S>,
}

/// Builds the differences of one place.
pub(crate) struct Differences<'a, S> {
    pub(crate) place: String,
    pub(crate) all: &'a mut Vec<Difference<S>>,
}

impl<S> Differences<'_, S> {
    fn push(&mut self, kind: Kind, setting: &str, found: &str, wanted: &str, words: &str, step: Option<S>) {
        let entry = Entry {
            place: self.place.clone(),
            setting: setting.to_owned(),
            kind,
            found: found.to_owned(),
            wanted: wanted.to_owned(),
            words: words.to_owned(),
        };
        self.all.push(Difference { entry, step });
    }

    /// Something that is to be made.
    pub(crate) fn missing(&mut self, setting: &str, wanted: &str, words: &str, step: S) {
        self.push(Kind::Missing, setting, "", wanted, words, Some(step));
    }

    /// Something that is to be mended; missing where nothing was found.
    pub(crate) fn drifted(&mut self, setting: &str, found: &str, wanted: &str, words: &str, step: S) {
        let kind = if found.is_empty() { Kind::Missing } else { Kind::Drifted };
        self.push(kind, setting, found, wanted, words, Some(step));
    }

    /// Something that cannot be mended from here.
    pub(crate) fn barred(&mut self, setting: &str, found: &str, wanted: &str, words: &str) {
        self.push(Kind::Barred, setting, found, wanted, words, None);
    }

    /// Something worth saying.
    pub(crate) fn remark(&mut self, setting: &str, found: &str, wanted: &str, words: &str) {
        self.push(Kind::Remark, setting, found, wanted, words, None);
    }
}

/// Mends in order, telling each step as it begins, and gives what was mended. Stops between two steps where `cancel` says so.
pub(crate) async fn mend_each<S, F>(
    differences: Vec<Difference<S>>,
    sink: &dyn ProgressSink,
    cancel: &Cancel,
    mend: impl Fn(S) -> F,
) -> Result<Vec<Entry>, ProvisionError>
where
    F: Future<Output = Result<(), ProvisionError>>,
{
    let steps: Vec<_> = differences.into_iter().filter_map(|d| Some((d.entry, d.step?))).collect();
    let total = steps.len() as u64;
    let mut done = Vec::new();
    for (n, (entry, step)) in steps.into_iter().enumerate() {
        if cancel.is_cancelled() {
            break;
        }
        let stage = format!("{}: {}", entry.place, entry.setting);
        sink.report(Progress { stage, done: n as u64, total: Some(total), unit: "steps" });
        holdfast_model::step("provision.step");
        mend(step).await?;
        tracing::info!(place = entry.place, setting = entry.setting, "provisioned");
        done.push(entry);
    }
    Ok(done)
}

pub(crate) fn plan_of<S>(differences: &[Difference<S>]) -> Plan {
    Plan { entries: differences.iter().map(|d| d.entry.clone()).collect() }
}
