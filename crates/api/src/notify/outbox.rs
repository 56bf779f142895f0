use super::{
    NotSent, Notice, Notifier,
    notice::{Warn, notices},
};
use crate::{ApiError, config::NotifyConfig, task::lock};
use holdfast_index::{Claim, CreateOutcome, ListWork, UpdateOutcome, Work, WorkKind, WorkStore, refuse_newer};
use holdfast_model::{Clock, Sha256Digest, step};
use holdfast_retrieval::{JobView, Matter};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
    time::Duration,
};

/// After this long it is given up.
const GIVE_UP: SignedDuration = SignedDuration::from_hours(24);
/// First pause after a failure, doubled each time; the pause taken is a random part of it.
const PAUSE: Duration = Duration::from_secs(10);
const PAUSE_MAX: Duration = Duration::from_secs(3600);
/// How long one is with a process that tells it: longer than [`LONGEST`], so that nobody else tells it meanwhile.
const LEASE_MS: u64 = 120_000;
/// How long telling one may take, however slowly a receiver answers step by step.
const LONGEST: Duration = Duration::from_secs(60);
/// How often it is asked what is due where nothing new came up: each asking costs a query.
const ASK_EVERY_MS: i64 = 15_000;
/// How many are told over a channel in one turn.
const A_TURN: usize = 16;
/// Most that a list shows.
const SHOWN: usize = 200;
const PAGE: usize = 500;

/// Where a notification is, as kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// To be told.
    Pending,
    /// Told: the channel took it.
    Sent,
    /// Given up.
    GivenUp,
    /// Was so already when notifications were turned on.
    Skipped,
}

impl State {
    pub(crate) const ALL: [Self; 4] = [Self::Pending, Self::Sent, Self::GivenUp, Self::Skipped];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Sent => "sent",
            Self::GivenUp => "given_up",
            Self::Skipped => "skipped",
        }
    }
}

/// The state of the row that says that a channel is in use.
const IN_USE: &str = "in_use";

/// One notice over one channel, as kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Delivery {
    pub(crate) notice: Notice,
    pub(crate) channel: String,
    /// The id that the receiver sees.
    pub(crate) id: String,
    pub(crate) created_at: Timestamp,
    pub(crate) attempts: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) problem: Option<String>,
}

/// A delivery with where it is.
#[derive(Debug, Clone)]
pub(crate) struct Listed {
    pub(crate) delivery: Delivery,
    pub(crate) state: State,
    pub(crate) updated_at: Timestamp,
    pub(crate) due_at: Option<Timestamp>,
}

/// What is to be told, kept where matters and jobs are kept. Several processes may share it: each telling is leased, and only those
/// that have a channel tell over it.
pub(crate) struct Outbox {
    work: Arc<dyn WorkStore>,
    clock: Arc<dyn Clock>,
    channels: Vec<Arc<dyn Notifier>>,
    warn: Warn,
    owner: String,
    prepared: AtomicBool,
    /// What this process knows to be kept, so that it need not be asked each time.
    kept: Mutex<HashSet<String>>,
    /// When it was last asked for what is due, in milliseconds.
    asked_at: AtomicI64,
}

impl Outbox {
    pub(crate) fn new(
        work: Arc<dyn WorkStore>,
        clock: Arc<dyn Clock>,
        channels: Vec<Arc<dyn Notifier>>,
        config: &NotifyConfig,
    ) -> Self {
        let warn = Warn {
            names: config.matter_names,
            deadline: SignedDuration::from_hours(config.deadline_warning_h.into()),
            expiry: SignedDuration::from_hours(config.expiry_warning_h.into()),
        };
        let owner = format!("notify-{}", uuid::Uuid::new_v4());
        Self {
            work,
            clock,
            channels,
            warn,
            owner,
            prepared: AtomicBool::new(false),
            kept: Mutex::default(),
            asked_at: AtomicI64::new(i64::MIN / 2),
        }
    }

    /// Whether anybody is told anything.
    pub(crate) fn is_silent(&self) -> bool {
        self.channels.is_empty()
    }

    /// Whether [`Self::prepare`] has something to do.
    pub(crate) fn is_prepared(&self) -> bool {
        self.is_silent() || self.prepared.load(Ordering::Acquire)
    }

    /// Names of the channels.
    pub(crate) fn channels(&self) -> impl Iterator<Item = &str> {
        self.channels.iter().map(|c| c.channel())
    }

    /// Before anything is driven for the first time: what is so already when a channel is turned on is not news.
    ///
    /// # Errors
    /// `index.*`.
    pub(crate) async fn prepare(&self, matters: &[Matter], jobs: &[JobView]) -> Result<(), ApiError> {
        if self.is_prepared() {
            return Ok(());
        }
        self.pass_over(matters, jobs).await?;
        for channel in self.new_channels().await? {
            let id = in_use(channel);
            let row = Work::new(WorkKind::Notification, id, IN_USE, serde_json::Value::Null).of(channel);
            self.work.create(row).await?;
        }
        self.prepared.store(true, Ordering::Release);
        Ok(())
    }

    /// A part of [`Self::prepare`] that comes before it: where there are many matters, one after the other.
    ///
    /// # Errors
    /// `index.*`.
    pub(crate) async fn pass_over(&self, matters: &[Matter], jobs: &[JobView]) -> Result<(), ApiError> {
        for channel in self.new_channels().await? {
            self.keep(matters, jobs, channel, State::Skipped).await?;
        }
        Ok(())
    }

    /// Whether there is something to pass over.
    ///
    /// # Errors
    /// `index.*`.
    pub(crate) async fn has_new_channel(&self) -> Result<bool, ApiError> {
        Ok(!self.new_channels().await?.is_empty())
    }

    /// Channels that nobody has used here.
    async fn new_channels(&self) -> Result<Vec<&str>, ApiError> {
        let mut new = Vec::new();
        for channel in self.channels() {
            if self.work.get(WorkKind::Notification, &in_use(channel)).await?.is_none() {
                new.push(channel);
            }
        }
        Ok(new)
    }

    /// Whether there is something to tell in this state of things that this process does not know to be kept. Of a matter with
    /// something under way only that is needed.
    pub(crate) fn has_news(&self, matters: &[Matter], jobs: &[JobView]) -> bool {
        let kept = lock(&self.kept);
        let notices = notices(matters, jobs, self.clock.now(), self.warn);
        notices.iter().any(|(token, _)| self.channels().any(|c| !kept.contains(&row_id(c, token))))
    }

    /// Keeps what is to be told in this state of things. Doing it again, here or elsewhere, keeps nothing twice. Gives how many
    /// are new.
    ///
    /// # Errors
    /// `index.*`.
    pub(crate) async fn watch(&self, matters: &[Matter], jobs: &[JobView]) -> Result<usize, ApiError> {
        let mut new = 0;
        for channel in &self.channels {
            new += self.keep(matters, jobs, channel.channel(), State::Pending).await?;
        }
        Ok(new)
    }

    async fn keep(&self, matters: &[Matter], jobs: &[JobView], channel: &str, state: State) -> Result<usize, ApiError> {
        let now = self.clock.now();
        let mut rows = Vec::new();
        for (token, notice) in notices(matters, jobs, now, self.warn) {
            let row_id = row_id(channel, &token);
            if lock(&self.kept).contains(&row_id) {
                continue;
            }
            let id = format!("hf_{}", &Sha256Digest::of(row_id.as_bytes()).to_hex()[..32]);
            let delivery =
                Delivery { notice, channel: channel.to_owned(), id, created_at: now, attempts: 0, problem: None };
            let doc = serde_json::to_value(&delivery).map_err(|e| ApiError::internal(&e))?;
            rows.push(Work::new(WorkKind::Notification, row_id, state.as_str(), doc).of(channel));
        }
        if rows.is_empty() {
            return Ok(0);
        }
        let ids: Vec<String> = rows.iter().map(|r| r.id.clone()).collect();
        let outcomes = self.work.create_many(rows).await?;
        lock(&self.kept).extend(ids);
        Ok(outcomes.iter().filter(|o| matches!(o, CreateOutcome::Created(_))).count())
    }

    /// Keeps what is to be told, and tells what is due: at once where there is news, else not more often than is worth asking.
    ///
    /// # Errors
    /// `index.*`.
    pub(crate) async fn turn(&self, matters: &[Matter], jobs: &[JobView]) -> Result<(), ApiError> {
        let new = self.watch(matters, jobs).await?;
        step("notify.kept");
        let (now, last) = (self.clock.now().as_millisecond(), self.asked_at.load(Ordering::Acquire));
        if new > 0 || !(0..ASK_EVERY_MS).contains(&(now - last)) {
            self.asked_at.store(now, Ordering::Release);
            self.deliver().await?;
        }
        Ok(())
    }

    /// Tells what is due. Gives how many were told. Each is claimed when its turn comes, as those waiting behind slow ones would
    /// outlive a lease; a channel that failed is left alone until the next asking.
    ///
    /// # Errors
    /// `index.*`; that a channel fails is no error but is kept and tried again.
    pub(crate) async fn deliver(&self) -> Result<usize, ApiError> {
        let mut told = 0;
        for channel in &self.channels {
            for _ in 0..A_TURN {
                let claim = Claim {
                    kind: WorkKind::Notification,
                    states: &[State::Pending.as_str()],
                    parent: Some(channel.channel()),
                    owner: &self.owner,
                    lease_ms: LEASE_MS,
                    limit: 1,
                };
                let Some(work) = self.work.claim(claim).await?.pop() else { break };
                if !self.tell(channel.as_ref(), work).await? {
                    break;
                }
                told += 1;
            }
        }
        Ok(told)
    }

    async fn tell(&self, channel: &dyn Notifier, mut work: Work) -> Result<bool, ApiError> {
        refuse_newer(&work.id, &work.doc)?;
        let mut delivery: Delivery = serde_json::from_value(work.doc).map_err(|e| ApiError::internal(&e))?;
        step("notify.claimed");
        let sent = tokio::time::timeout(LONGEST, channel.send(&delivery.id, &delivery.notice)).await;
        let sent = sent.unwrap_or_else(|_| Err(NotSent::because("it took longer than a minute")));
        step("notify.sent");
        delivery.attempts += 1;
        let now = self.clock.now();
        let told = sent.is_ok();
        let (state, due_at) = match sent {
            Ok(()) => (State::Sent, None),
            Err(NotSent { why, retry_after, forever }) => {
                tracing::warn!(channel = channel.channel(), why, "a notification was not sent");
                delivery.problem = Some(why);
                let next = now + pause(delivery.attempts, retry_after);
                let over = forever || next.duration_since(delivery.created_at) >= GIVE_UP;
                if over { (State::GivenUp, None) } else { (State::Pending, Some(next)) }
            }
        };
        if told {
            delivery.problem = None;
        }
        state.as_str().clone_into(&mut work.state);
        (work.due_at, work.lease) = (due_at, None);
        work.doc = serde_json::to_value(&delivery).map_err(|e| ApiError::internal(&e))?;
        if let UpdateOutcome::Conflict { .. } = self.work.update(work).await? {
            // Somebody else took it up while the channel was slow, and goes on with it.
            tracing::info!(channel = channel.channel(), "a notification went on elsewhere");
        }
        Ok(told)
    }

    /// A trial over every channel, now and not kept: channel, and what went wrong.
    pub(crate) async fn test(&self) -> Vec<(String, Option<String>)> {
        let id = format!("hf_test_{}", uuid::Uuid::new_v4().simple());
        let mut out = Vec::new();
        for channel in &self.channels {
            let sent = channel.send(&id, &Notice::test()).await;
            out.push((channel.channel().to_owned(), sent.err().map(|e| e.why)));
        }
        out
    }

    /// The newest notifications first.
    ///
    /// # Errors
    /// `index.*`.
    pub(crate) async fn list(&self) -> Result<Vec<Listed>, ApiError> {
        let mut out = Vec::new();
        for state in State::ALL.into_iter().filter(|s| *s != State::Skipped) {
            let mut after: Option<String> = None;
            loop {
                let states = [state.as_str()];
                let query = ListWork {
                    kind: WorkKind::Notification,
                    parent: None,
                    states: &states,
                    after: after.as_deref(),
                    limit: PAGE,
                };
                let page = self.work.list(query).await?;
                let more = page.len() == PAGE;
                after = page.last().map(|w| w.id.clone());
                for work in page {
                    let (updated_at, due_at) = (work.updated_at, work.due_at);
                    if let Ok(delivery) = serde_json::from_value(work.doc) {
                        out.push(Listed { delivery, state, updated_at, due_at });
                    }
                }
                if !more {
                    break;
                }
            }
        }
        out.sort_by_key(|l| (std::cmp::Reverse(l.updated_at), l.delivery.id.clone()));
        out.truncate(SHOWN);
        Ok(out)
    }
}

fn row_id(channel: &str, token: &str) -> String {
    format!("{channel}/{token}")
}

fn in_use(channel: &str) -> String {
    row_id(channel, "in-use")
}

/// How long to wait after so many attempts: full jitter (a random part of a doubling pause), and never less than the receiver asked
/// for.
fn pause(attempts: u32, asked: Option<Duration>) -> SignedDuration {
    let most = PAUSE.saturating_mul(1 << attempts.saturating_sub(1).min(16)).min(PAUSE_MAX);
    let mut random = [0u8; 8];
    // Without randomness the longest pause is as good.
    let part = match getrandom::fill(&mut random) {
        Ok(()) => u64::from_le_bytes(random) as f64 / u64::MAX as f64,
        Err(_) => 1.0,
    };
    let drawn = most.mul_f64(part).max(Duration::from_secs(1));
    SignedDuration::try_from(drawn.max(asked.unwrap_or_default())).unwrap_or(SignedDuration::from_hours(1))
}
