//! Proves by acting, against the customer's real store, that it is as an archive needs it. Everything written goes under
//! `preflight/<date>/<uuid>` with the shortest retention that can be told apart from none; nothing of the archive is touched.

mod aws;
mod azure;
mod objects;
mod raw;
mod table;

pub use aws::AwsTarget;
pub use azure::AzureTarget;

use crate::ProvisionError;
use holdfast_model::{Cancel, Clock, Fault};
use holdfast_store::{Store, StoreError};
use std::{future::Future, time::Instant};

/// Every check there is, with what it proves. A store that a check does not apply to has it as skipped or not at all.
pub const CHECKS: &[(&str, &str)] = &[
    ("preflight.identity", "Who the credentials belong to"),
    ("preflight.clock", "This machine's clock against the provider's, within 5 minutes"),
    ("preflight.versioning", "The bucket keeps versions"),
    ("preflight.object_lock", "Object Lock is on, with a default"),
    ("preflight.encryption", "The bucket's default is the configured key"),
    ("preflight.create", "Creating an object with tags, metadata and retention in its own write"),
    ("preflight.once", "A second write under the same name is refused"),
    ("preflight.version", "What is created has a version of its own"),
    ("preflight.read_back", "What was written is read back, with the same SHA-256"),
    ("preflight.metadata", "Metadata went in with the write"),
    ("preflight.tags", "Tags went in with the write"),
    ("preflight.retention", "Retention is in force as it was asked for"),
    ("preflight.delete_refused", "Deleting that version is refused"),
    ("preflight.shorten_refused", "Shortening its retention is refused"),
    ("preflight.extend", "Its retention can be lengthened"),
    ("preflight.hold", "A legal hold can be set, and is seen"),
    ("preflight.hold_delete_refused", "Deleting under the hold is refused"),
    ("preflight.hold_lift", "The hold can be lifted"),
    ("preflight.kms", "The configured key encrypted it, and is enabled"),
    ("preflight.listing", "It is listed with its version and restore status"),
    ("preflight.restore", "Rehydration may be asked for"),
    ("preflight.meta", "Metadata can be written and read at once"),
    ("preflight.ledger_tiles", "The ledger's tiles can be written once, and only once"),
    ("preflight.quarantine", "What is set aside can be written"),
    ("preflight.lifecycle_media", "Recordings move to the colder classes"),
    ("preflight.lifecycle_meta", "Metadata never moves to a cold class"),
    ("preflight.table", "The index's table is there with its keys"),
    ("preflight.table_write", "A conditional write works, and a second one is refused"),
    ("preflight.table_index", "The table's secondary indexes are there and can be asked"),
    ("preflight.table_recovery", "The table can be put back to any second"),
    ("preflight.table_protection", "The table cannot be deleted by mistake"),
    ("preflight.account", "The storage account keeps versions, wants TLS 1.2, and nothing in it is public"),
];

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// As it must be.
    Passed,
    /// Not as it must be.
    Failed,
    /// It does not apply to this store, or one before it failed.
    Skipped,
}

/// One check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// A stable code out of [`CHECKS`].
    pub code: String,
    /// What it proves.
    pub title: String,
    /// Where, e.g. a bucket.
    pub place: String,
    /// How it ended.
    pub outcome: Outcome,
    /// What was found, as a sentence.
    pub says: String,
    /// The missing right or setting by the provider's own name.
    pub missing: Option<String>,
    /// What to do, as a sentence.
    pub next: Option<String>,
    /// Time taken.
    pub elapsed_ms: u64,
}

/// What preflight found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// In the order in which they were done.
    pub checks: Vec<Check>,
    /// What the probes' names start with. The lifecycle rule of `preflight/` takes them away.
    pub probes: String,
    /// Whether it was stopped before its end.
    pub stopped: bool,
}

impl Report {
    /// Those that failed.
    pub fn failed(&self) -> impl Iterator<Item = &Check> {
        self.checks.iter().filter(|c| c.outcome == Outcome::Failed)
    }

    /// Whether every check that applies passed.
    #[must_use]
    pub fn is_green(&self) -> bool {
        !self.stopped && self.failed().next().is_none()
    }
}

/// Whose store it is, with what is needed beside the store itself.
#[derive(Clone)]
pub enum Provider {
    /// This machine's.
    Local,
    /// Amazon's, or one that speaks S3.
    Aws(Box<AwsTarget>),
    /// Microsoft's.
    Azure(Box<AzureTarget>),
}

/// Does every check that applies and tells each as it ends. Checks that fail are in the report; nothing here is an error.
pub async fn run(
    store: &Store,
    provider: &Provider,
    clock: &dyn Clock,
    hear: &(dyn Fn(&Check) + Send + Sync),
    cancel: &Cancel,
) -> Report {
    let date = clock.now().to_zoned(jiff::tz::TimeZone::UTC).date();
    let probes = format!("{}{date}/{}", crate::PREFLIGHT_PREFIX, uuid::Uuid::new_v4());
    let report = Report { probes, ..Report::default() };
    let mut s = Session { report, hear, cancel };
    match provider {
        Provider::Local => {}
        Provider::Aws(target) => aws::settings(&mut s, store, target, clock).await,
        Provider::Azure(target) => azure::settings(&mut s, target, clock).await,
    }
    objects::all(&mut s, store, provider, clock).await;
    if let Provider::Aws(target) = provider
        && let Some(wanted) = &target.table
    {
        table::all(&mut s, &target.clients.dynamodb, wanted, clock).await;
    }
    s.report
}

/// The checks of the table alone, for an index beside an archive that is not on AWS.
pub async fn table(
    target: &AwsTarget,
    clock: &dyn Clock,
    hear: &(dyn Fn(&Check) + Send + Sync),
    cancel: &Cancel,
) -> Report {
    let mut s = Session { report: Report::default(), hear, cancel };
    if let Some(wanted) = &target.table {
        table::all(&mut s, &target.clients.dynamodb, wanted, clock).await;
    }
    s.report
}

/// What is wrong, by the name that the provider's administrator knows.
#[derive(Debug)]
pub(crate) struct Trouble {
    pub(crate) says: String,
    pub(crate) missing: Option<String>,
    pub(crate) next: Option<String>,
}

impl Trouble {
    /// A setting that is not as it must be.
    pub(crate) fn setting(says: impl Into<String>, missing: impl Into<String>, next: impl Into<String>) -> Self {
        Self { says: says.into(), missing: Some(missing.into()), next: Some(next.into()) }
    }
}

impl From<StoreError> for Trouble {
    fn from(e: StoreError) -> Self {
        let missing = match &e {
            StoreError::Denied { right, .. } => Some(right.clone()),
            StoreError::Key { key, .. } => Some(format!("the key {key}")),
            StoreError::Refused { reason, .. } => Some(reason.clone()),
            StoreError::Credentials { .. } => Some("valid credentials".into()),
            StoreError::ClockSkew { .. } => Some("time synchronisation".into()),
            _ => None,
        };
        // The usual advice for a missing right is to run preflight: this is preflight.
        let next = match &e {
            StoreError::Denied { right, .. } => grant(right),
            StoreError::Key { key, .. } => {
                format!("Enable the key {key}, and let this identity use it (kms:GenerateDataKey, kms:Decrypt).")
            }
            e => e.next(),
        };
        Self { says: format!("{e}."), missing, next: Some(next) }
    }
}

impl From<ProvisionError> for Trouble {
    fn from(e: ProvisionError) -> Self {
        let missing = match &e {
            ProvisionError::Denied { right, .. } => Some(right.clone()),
            ProvisionError::Refused { reason, .. } => Some(reason.clone()),
            ProvisionError::Credentials { .. } => Some("valid credentials".into()),
            _ => None,
        };
        let next = match &e {
            ProvisionError::Denied { right, .. } => grant(right),
            e => e.next(),
        };
        Self { says: format!("{e}."), missing, next: Some(next) }
    }
}

/// What to do about a missing right.
pub(crate) fn grant(right: &str) -> String {
    format!("Grant {right} to this identity; `holdfast provision emit` writes the policy of each role.")
}

/// Collects checks, and tells each.
pub(crate) struct Session<'a> {
    pub(crate) report: Report,
    hear: &'a (dyn Fn(&Check) + Send + Sync),
    cancel: &'a Cancel,
}

impl Session<'_> {
    /// Whether to go on.
    pub(crate) fn goes_on(&mut self) -> bool {
        self.report.stopped |= self.cancel.is_cancelled();
        !self.report.stopped
    }

    /// Does a check; gives what it found out where it passed.
    pub(crate) async fn check<T>(
        &mut self,
        code: &str,
        place: &str,
        act: impl Future<Output = Result<(T, String), Trouble>>,
    ) -> Option<T> {
        if !self.goes_on() {
            return None;
        }
        let began = Instant::now();
        let done = act.await;
        let (found, outcome, says, missing, next) = match done {
            Ok((found, says)) => (Some(found), Outcome::Passed, says, None, None),
            Err(t) => (None, Outcome::Failed, t.says, t.missing, t.next),
        };
        let elapsed_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.tell(code, place, outcome, says, missing, next, elapsed_ms);
        found
    }

    /// Says that a check was not done, and why.
    pub(crate) fn skip(&mut self, code: &str, place: &str, why: &str) {
        if self.goes_on() {
            self.tell(code, place, Outcome::Skipped, why.to_owned(), None, None, 0);
        }
    }

    #[allow(clippy::too_many_arguments)] // the fields of a check, in their order
    fn tell(
        &mut self,
        code: &str,
        place: &str,
        outcome: Outcome,
        says: String,
        missing: Option<String>,
        next: Option<String>,
        elapsed_ms: u64,
    ) {
        let title = CHECKS.iter().find(|(c, _)| *c == code).map(|(_, t)| *t).unwrap_or_default();
        let (code, title, place) = (code.to_owned(), title.to_owned(), place.to_owned());
        let check = Check { code, title, place, outcome, says, missing, next, elapsed_ms };
        (self.hear)(&check);
        self.report.checks.push(check);
    }
}
