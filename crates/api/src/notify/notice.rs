use holdfast_model::{MatterId, Sha256Digest};
use holdfast_retrieval::{JobState, JobView, Matter};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoticeKind {
    /// All recordings of a matter are here and verified.
    Ready,
    /// A matter's retrieval came to its end, and some recordings failed.
    Failed,
    /// Recordings are still on their way and the deadline is near, or will not be met.
    Deadline,
    /// A rehydrated copy is about to lapse before it is at the desk.
    Expiring,
    /// A trial.
    Test,
}

/// Something to tell. Carries ids and counts; a matter's name and reference only where the configuration wants them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// What.
    pub kind: NoticeKind,
    /// Matter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub matter_id: Option<MatterId>,
    /// The matter's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The matter's reference.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// Recordings verified.
    pub verified: u32,
    /// Recordings failed.
    pub failed: u32,
    /// Recordings on their way.
    pub under_way: u32,
    /// The matter's deadline.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Timestamp>,
    /// When the first copy lapses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
}

impl Notice {
    /// A trial.
    #[must_use]
    pub fn test() -> Self {
        Self {
            kind: NoticeKind::Test,
            matter_id: None,
            name: None,
            reference: None,
            verified: 0,
            failed: 0,
            under_way: 0,
            deadline: None,
            expires_at: None,
        }
    }

    /// One line.
    #[must_use]
    pub fn subject(&self) -> String {
        let matter = match (&self.name, &self.matter_id) {
            (Some(name), Some(id)) => format!("{name} ({id})"),
            (_, Some(id)) => format!("matter {id}"),
            _ => String::new(),
        };
        let line = match self.kind {
            NoticeKind::Ready => format!("Holdfast: the recordings of {matter} are here"),
            NoticeKind::Failed => format!("Holdfast: {matter}: {} not usable", recordings(self.failed)),
            NoticeKind::Deadline => format!("Holdfast: {matter}: the deadline is in danger"),
            NoticeKind::Expiring => format!("Holdfast: {matter}: copies are about to lapse"),
            NoticeKind::Test => "Holdfast: a test of notifications".into(),
        };
        // A line break in a name must not begin another header or line.
        line.chars().map(|c| if c.is_control() { ' ' } else { c }).take(200).collect()
    }

    /// A few sentences.
    #[must_use]
    pub fn body(&self) -> String {
        let time = |t: Option<Timestamp>| t.map(|t| t.to_string()).unwrap_or_default();
        let (verified, under_way) = (recordings(self.verified), recordings(self.under_way));
        let mut text = match self.kind {
            NoticeKind::Ready => {
                format!("{verified} verified and at the desk. Export the evidence package when you like.")
            }
            NoticeKind::Failed => format!(
                "{verified} verified, {} not: open the matter to read why. What failed verification is kept aside and is \
                 not to be used.",
                self.failed
            ),
            NoticeKind::Deadline => format!(
                "{under_way} still on the way; the deadline is {}. Open the matter: a faster retrieval may be offered.",
                time(self.deadline)
            ),
            NoticeKind::Expiring => format!(
                "{under_way} brought online but not at the desk yet; the first copy lapses at {}. After that it has to be \
                 brought back (and paid) again. Start Holdfast so that it can download.",
                time(self.expires_at)
            ),
            NoticeKind::Test => "Notifications arrive over this channel. Nothing else happened.".into(),
        };
        if let Some(reference) = &self.reference {
            text.push_str(&format!("\nReference: {reference}"));
        }
        text
    }

    /// What it is called in machine-readable forms.
    #[must_use]
    pub fn event(&self) -> &'static str {
        match self.kind {
            NoticeKind::Ready => "matter.ready",
            NoticeKind::Failed => "matter.failed",
            NoticeKind::Deadline => "matter.deadline_in_danger",
            NoticeKind::Expiring => "matter.copies_expiring",
            NoticeKind::Test => "test",
        }
    }
}

fn recordings(n: u32) -> String {
    if n == 1 { "1 recording".into() } else { format!("{n} recordings") }
}

/// From when on things are told.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Warn {
    pub(crate) names: bool,
    pub(crate) deadline: SignedDuration,
    pub(crate) expiry: SignedDuration,
}

/// Everything that is to be told in this state of things, each under a token that stands for just that: the same state gives the
/// same tokens, on every machine and after every crash.
pub(crate) fn notices(matters: &[Matter], jobs: &[JobView], now: Timestamp, warn: Warn) -> Vec<(String, Notice)> {
    let mut by_matter: BTreeMap<&MatterId, Vec<&JobView>> = BTreeMap::new();
    for job in jobs {
        by_matter.entry(&job.job.matter).or_default().push(job);
    }
    let mut out = Vec::new();
    for matter in matters.iter().filter(|m| m.is_open()) {
        let Some(jobs) = by_matter.get(&matter.matter_id) else { continue };
        let notice = notice_of(matter, jobs, warn.names);
        if jobs.iter().all(|j| j.state.is_final()) {
            if notice.verified + notice.failed > 0 {
                let kind = if notice.failed > 0 { NoticeKind::Failed } else { NoticeKind::Ready };
                out.push((format!("end:{}:{}", matter.matter_id, fingerprint(jobs)), Notice { kind, ..notice }));
            }
            continue;
        }
        let active = || jobs.iter().filter(|j| !j.state.is_final());
        let late = active().any(|j| j.job.expected_at.is_some_and(|t| t > matter.deadline));
        if warn.deadline.is_positive() && (late || matter.deadline.duration_since(now) < warn.deadline) {
            let token = format!("deadline:{}:{}", matter.matter_id, matter.deadline);
            out.push((token, Notice { kind: NoticeKind::Deadline, ..notice.clone() }));
        }
        let waiting = active().filter_map(|j| j.job.available_until.map(|t| (t, j)));
        let near: Vec<_> = waiting.filter(|(t, _)| t.duration_since(now) < warn.expiry).collect();
        if let Some(first) = near.iter().map(|(t, _)| *t).min().filter(|_| warn.expiry.is_positive()) {
            let under_way = u32::try_from(near.len()).unwrap_or(u32::MAX);
            let token = format!("expiring:{}:{first}", matter.matter_id);
            let notice = Notice { kind: NoticeKind::Expiring, expires_at: Some(first), under_way, ..notice };
            out.push((token, notice));
        }
    }
    out
}

fn notice_of(matter: &Matter, jobs: &[&JobView], names: bool) -> Notice {
    let count = |f: fn(JobState) -> bool| u32::try_from(jobs.iter().filter(|j| f(j.state)).count()).unwrap_or(u32::MAX);
    Notice {
        kind: NoticeKind::Ready,
        matter_id: Some(matter.matter_id.clone()),
        name: names.then(|| matter.name.clone()),
        reference: names.then(|| matter.reference.clone()),
        verified: count(|s| s == JobState::Verified),
        failed: count(|s| s == JobState::Failed),
        under_way: count(|s| !s.is_final()),
        deadline: Some(matter.deadline),
        expires_at: None,
    }
}

/// Stands for how a retrieval ended: another recording, or another try, gives another.
fn fingerprint(jobs: &[&JobView]) -> String {
    let mut lines: Vec<String> = jobs
        .iter()
        .map(|j| {
            let at = j.job.verified_at.map(|t| t.to_string()).unwrap_or_default();
            format!("{} {} {at}\n", j.job.archive_id, j.state.as_str())
        })
        .collect();
    lines.sort();
    Sha256Digest::of(lines.concat().as_bytes()).to_hex()[..24].to_owned()
}
