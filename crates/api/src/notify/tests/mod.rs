//! The outbox against real receivers on this machine: a mail server and a webhook receiver made in the test, which fail in every
//! way that receivers do.

mod mail;
mod sinks;

use super::{
    NotSent, Notice, NoticeKind, Notifier, Outbox, State, channels,
    notice::{Warn, notices},
    webhook::Webhook,
};
use crate::{
    cloud::Network,
    config::{NetworkConfig, NotifyConfig, WebhookConfig},
    secrets::Secrets,
};
use async_trait::async_trait;
use base64::{Engine as _, prelude::BASE64_STANDARD};
use hmac::Mac as _;
use holdfast_index::{SqliteWork, WorkStore};
use holdfast_model::{Clock, Sha256Digest};
use holdfast_retrieval::{JobState, JobView, Matter};
use holdfast_testkit::ManualClock;
use jiff::SignedDuration;
use serde_json::json;
use sinks::{Answer, HttpSink};
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

const MATTER: &str = "M-7";
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const HOUR: Duration = Duration::from_secs(3600);

/// A work store on disk, which outlives any outbox, and a clock.
pub(super) struct Bench {
    pub(super) folder: tempfile::TempDir,
    pub(super) clock: ManualClock,
    pub(super) work: Arc<dyn WorkStore>,
}

impl Bench {
    pub(super) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = ManualClock::default();
        let work = SqliteWork::open(folder.path().join("work.sqlite"), Arc::new(clock.clone())).await.unwrap();
        Self { work: Arc::new(work), clock, folder }
    }

    pub(super) fn clock(&self) -> Arc<dyn Clock> {
        Arc::new(self.clock.clone())
    }

    fn outbox(&self, channels: Vec<Arc<dyn Notifier>>) -> Outbox {
        Outbox::new(Arc::clone(&self.work), self.clock(), channels, &NotifyConfig::default())
    }

    /// A webhook whose secret comes as the keyring's would, and which waits a tenth of a second for an answer.
    fn hook(&self, sink: &HttpSink) -> Arc<dyn Notifier> {
        let config = WebhookConfig { name: "desk".into(), url: sink.url() };
        let network = Network::new(&NetworkConfig::default()).unwrap();
        let secrets = Secrets::of(self.folder.path()).with(&[("webhook-desk", SECRET)]);
        let hook = Webhook::new(&config, secrets, network.reqwest().unwrap(), self.clock()).unwrap();
        Arc::new(hook.patient_for(Duration::from_millis(100)))
    }

    pub(super) fn matter(&self) -> Matter {
        serde_json::from_value(json!({
            "matter_id": MATTER, "name": "Doe v. Acme", "reference": "24-CV-1182", "justification": "subpoena",
            "deadline": self.clock.now() + SignedDuration::from_hours(100), "requester": "Kim", "created_at": self.clock.now(),
            "items": [], "changes": 0,
        }))
        .unwrap()
    }

    pub(super) fn job(&self, id: &str, state: JobState) -> JobView {
        let digest = Sha256Digest::of(id.as_bytes()).to_hex();
        let job = json!({
            "archive_id": id, "matter": MATTER, "exhibit": "HF-0001",
            "fixity": { "algorithm": "sha256", "digest": digest, "size_bytes": 9 },
            "locator": { "store": "s3", "bucket": "media", "key": "k", "version_id": "v" },
            "storage_class": "GLACIER", "ext": "wav", "keep_days": 7, "done_bytes": 0, "remarks": [],
            "attempt": 1, "asked": 0, "downloads": 0, "faults": 0, "raise": false,
            "verified_at": (state == JobState::Verified).then(|| self.clock.now()),
        });
        JobView {
            state,
            job: serde_json::from_value(job).unwrap(),
            due_at: None,
            path: None,
            sha256: None,
            elsewhere: None,
        }
    }

    pub(super) fn done(&self) -> (Vec<Matter>, Vec<JobView>) {
        (vec![self.matter()], vec![self.job("a", JobState::Verified), self.job("b", JobState::Verified)])
    }
}

/// A channel that remembers what it was given, and then does as it is told.
struct Fake {
    heard: Mutex<Vec<String>>,
    hangs: bool,
}

#[async_trait]
impl Notifier for Fake {
    fn channel(&self) -> &str {
        "fake"
    }
    async fn send(&self, id: &str, _: &Notice) -> Result<(), NotSent> {
        self.heard.lock().unwrap().push(id.to_owned());
        if self.hangs {
            std::future::pending::<()>().await;
        }
        Ok(())
    }
}

#[tokio::test]
async fn a_webhook_is_tried_until_it_is_taken_always_under_one_id() {
    let bench = Bench::new().await;
    let sink = HttpSink::start(vec![
        Answer::Status(500, None),
        Answer::Status(429, Some("7200")),
        Answer::Silence,
        Answer::Reset,
        Answer::Status(204, None),
    ])
    .await;
    let outbox = bench.outbox(vec![bench.hook(&sink)]);
    let (matters, jobs) = bench.done();
    assert_eq!(outbox.watch(&matters, &jobs).await.unwrap(), 1);

    assert_eq!(outbox.deliver().await.unwrap(), 0, "500");
    assert_eq!(outbox.deliver().await.unwrap(), 0, "not due yet");
    assert_eq!(sink.heard().len(), 1);
    bench.clock.advance(Duration::from_secs(11));
    assert_eq!(outbox.deliver().await.unwrap(), 0, "429");
    // Longer than its own pause would be, and shorter than the receiver asked for.
    bench.clock.advance(HOUR);
    assert_eq!(outbox.deliver().await.unwrap(), 0);
    assert_eq!(sink.heard().len(), 2, "Retry-After is obeyed");
    for round in 0..3 {
        bench.clock.advance(2 * HOUR);
        assert_eq!(outbox.deliver().await.unwrap(), usize::from(round == 2), "round {round}");
    }
    bench.clock.advance(2 * HOUR);
    assert_eq!(outbox.deliver().await.unwrap(), 0, "told once");

    let heard = sink.heard();
    assert_eq!(heard.len(), 5);
    let key = BASE64_STANDARD.decode(SECRET.strip_prefix("whsec_").unwrap()).unwrap();
    for request in &heard {
        assert_eq!(request.header("webhook-id"), heard[0].header("webhook-id"), "a receiver can drop what it has");
        let signed =
            format!("{}.{}.{}", request.header("webhook-id"), request.header("webhook-timestamp"), request.body);
        let mut mac = hmac::Hmac::<sha2::Sha256>::new_from_slice(&key).unwrap();
        mac.update(signed.as_bytes());
        let expected = format!("v1,{}", BASE64_STANDARD.encode(mac.finalize().into_bytes()));
        assert_eq!(request.header("webhook-signature"), expected);
    }
    assert_ne!(heard[0].header("webhook-timestamp"), heard[4].header("webhook-timestamp"));
    let body: serde_json::Value = serde_json::from_str(&heard[4].body).unwrap();
    assert_eq!((&body["type"], &body["data"]["matter_id"]), (&json!("matter.ready"), &json!(MATTER)));
    assert_eq!(body["data"]["verified"], 2);
    assert!(!heard[4].body.contains("Doe") && !heard[4].body.contains("1182"), "{}", heard[4].body);
    let listed = outbox.list().await.unwrap();
    assert_eq!((listed.len(), listed[0].state, listed[0].delivery.attempts), (1, State::Sent, 5));
}

#[tokio::test]
async fn what_nobody_takes_is_given_up_after_a_day_and_shown() {
    let bench = Bench::new().await;
    let sink = HttpSink::start(vec![]).await;
    let outbox = bench.outbox(vec![bench.hook(&sink)]);
    let (matters, jobs) = bench.done();
    outbox.watch(&matters, &jobs).await.unwrap();
    for _ in 0..30 {
        outbox.deliver().await.unwrap();
        bench.clock.advance(HOUR);
    }
    let listed = outbox.list().await.unwrap();
    assert_eq!(listed[0].state, State::GivenUp, "{listed:?}");
    assert_eq!(listed[0].delivery.problem.as_deref(), Some("the receiver answered 503"));
    let tries = sink.heard().len();
    assert!((20..=26).contains(&tries), "{tries}");
    outbox.watch(&matters, &jobs).await.unwrap();
    bench.clock.advance(HOUR);
    outbox.deliver().await.unwrap();
    assert_eq!(sink.heard().len(), tries, "given up is given up");

    let gone = HttpSink::start(vec![Answer::Status(410, None)]).await;
    let other = Bench::new().await;
    let outbox = other.outbox(vec![other.hook(&gone)]);
    outbox.watch(&matters, &jobs).await.unwrap();
    outbox.deliver().await.unwrap();
    assert_eq!(outbox.list().await.unwrap()[0].state, State::GivenUp, "410 wants no more");
}

#[tokio::test]
async fn dying_between_sending_and_marking_tells_again_under_the_same_id() {
    let bench = Bench::new().await;
    let dying = Arc::new(Fake { heard: Mutex::default(), hangs: true });
    let (matters, jobs) = bench.done();
    let first = bench.outbox(vec![dying.clone()]);
    first.watch(&matters, &jobs).await.unwrap();
    let task = tokio::spawn(async move { first.deliver().await });
    while dying.heard.lock().unwrap().is_empty() {
        tokio::task::yield_now().await;
    }
    task.abort();
    assert!(task.await.unwrap_err().is_cancelled());

    let living = Arc::new(Fake { heard: Mutex::default(), hangs: false });
    let second = bench.outbox(vec![living.clone()]);
    assert_eq!(second.watch(&matters, &jobs).await.unwrap(), 0, "it was kept before it was told");
    assert_eq!(second.deliver().await.unwrap(), 0, "the dead one's lease still runs");
    bench.clock.advance(Duration::from_secs(121));
    assert_eq!(second.deliver().await.unwrap(), 1);
    assert_eq!(*living.heard.lock().unwrap(), *dying.heard.lock().unwrap());
    bench.clock.advance(HOUR);
    assert_eq!(second.deliver().await.unwrap(), 0);
}

/// A channel that takes twenty seconds for each, while another process looks for what is due.
struct Slow {
    clock: ManualClock,
    heard: Arc<Fake>,
    rival: Outbox,
}

#[async_trait]
impl Notifier for Slow {
    fn channel(&self) -> &str {
        self.heard.channel()
    }
    async fn send(&self, id: &str, notice: &Notice) -> Result<(), NotSent> {
        self.clock.advance(Duration::from_secs(20));
        self.heard.send(id, notice).await?;
        if self.heard.heard.lock().unwrap().len() == 8 {
            self.rival.deliver().await.unwrap();
        }
        Ok(())
    }
}

#[tokio::test]
async fn many_over_a_slow_channel_are_told_once_each() {
    let bench = Bench::new().await;
    let heard = Arc::new(Fake { heard: Mutex::default(), hangs: false });
    let (mut matters, mut jobs) = (Vec::new(), Vec::new());
    for n in 0..12 {
        let (mut matter, mut job) = (bench.matter(), bench.job("a", JobState::Verified));
        matter.matter_id = format!("M-{n}").parse().unwrap();
        job.job.matter = matter.matter_id.clone();
        matters.push(matter);
        jobs.push(job);
    }
    let rival = bench.outbox(vec![heard.clone()]);
    let slow = Slow { clock: bench.clock.clone(), heard: heard.clone(), rival };
    let outbox = bench.outbox(vec![Arc::new(slow)]);
    assert_eq!(outbox.watch(&matters, &jobs).await.unwrap(), 12);
    // 160 seconds in, longer than a lease, the other takes what nobody has taken yet.
    assert_eq!(outbox.deliver().await.unwrap(), 8);
    assert!(outbox.list().await.unwrap().iter().all(|l| l.state == State::Sent));
    let mut ids = heard.heard.lock().unwrap().clone();
    ids.sort();
    ids.dedup();
    assert_eq!((ids.len(), heard.heard.lock().unwrap().len()), (12, 12), "nothing is told twice");
}

#[tokio::test]
async fn two_processes_tell_once_and_old_news_is_not_told() {
    let bench = Bench::new().await;
    let fake = Arc::new(Fake { heard: Mutex::default(), hangs: false });
    let (one, two) = (bench.outbox(vec![fake.clone()]), bench.outbox(vec![fake.clone()]));
    let (matters, mut jobs) = bench.done();
    one.prepare(&matters, &jobs).await.unwrap();
    two.prepare(&matters, &jobs).await.unwrap();
    for outbox in [&one, &two] {
        assert_eq!(outbox.watch(&matters, &jobs).await.unwrap(), 0, "it was so when this was turned on");
    }
    // One more recording came later.
    bench.clock.advance(HOUR);
    jobs.push(bench.job("c", JobState::Failed));
    let (a, b) = tokio::join!(one.watch(&matters, &jobs), two.watch(&matters, &jobs));
    assert_eq!(a.unwrap() + b.unwrap(), 1);
    let (a, b) = tokio::join!(one.deliver(), two.deliver());
    assert_eq!(a.unwrap() + b.unwrap(), 1);
    assert_eq!(fake.heard.lock().unwrap().len(), 1);
    let listed = one.list().await.unwrap();
    assert_eq!((listed.len(), listed[0].delivery.notice.kind), (1, NoticeKind::Failed));

    // Who comes later with its preparation does not swallow what is news by then.
    let late = bench.outbox(vec![fake.clone()]);
    jobs.push(bench.job("d", JobState::Verified));
    late.prepare(&matters, &jobs).await.unwrap();
    assert_eq!(late.watch(&matters, &jobs).await.unwrap(), 1);
}

#[tokio::test]
async fn deadlines_and_lapsing_copies_are_told_in_time() {
    let bench = Bench::new().await;
    let now = bench.clock.now();
    let warn = Warn { names: false, deadline: SignedDuration::from_hours(24), expiry: SignedDuration::from_hours(12) };
    let mut matter = bench.matter();
    let mut job = bench.job("a", JobState::Rehydrating);
    let of = |m: &Matter, j: &JobView| notices(std::slice::from_ref(m), std::slice::from_ref(j), now, warn);
    assert_eq!(of(&matter, &job), [], "all in good time");
    job.job.expected_at = Some(matter.deadline + SignedDuration::from_secs(1));
    assert_eq!(of(&matter, &job)[0].1.kind, NoticeKind::Deadline, "it will not be met");
    job.job.expected_at = None;
    matter.deadline = now + SignedDuration::from_hours(23);
    assert_eq!(of(&matter, &job)[0].1.kind, NoticeKind::Deadline, "it is near");
    matter.deadline = now + SignedDuration::from_hours(100);
    job.job.available_until = Some(now + SignedDuration::from_hours(11));
    let told = of(&matter, &job);
    assert_eq!((told[0].1.kind, told[0].1.under_way), (NoticeKind::Expiring, 1));
    job.state = JobState::Verified;
    assert_eq!(of(&matter, &job)[0].1.kind, NoticeKind::Ready, "at the desk it may lapse");
    job.state = JobState::Cancelled;
    assert_eq!(of(&matter, &job), [], "who cancelled knows");
}

#[tokio::test]
async fn names_are_told_only_where_wanted_and_begin_no_line_of_their_own() {
    let bench = Bench::new().await;
    let (mut matters, jobs) = bench.done();
    matters[0].name = "Doe\r\nBcc: x@example.test".into();
    let warn = |names| Warn { names, deadline: SignedDuration::ZERO, expiry: SignedDuration::ZERO };
    let quiet = &notices(&matters, &jobs, bench.clock.now(), warn(false))[0].1;
    assert!(!format!("{quiet:?}{}{}", quiet.subject(), quiet.body()).contains("Doe"));
    let named = &notices(&matters, &jobs, bench.clock.now(), warn(true))[0].1;
    assert!(named.subject().contains("Doe  Bcc") && named.body().contains("24-CV-1182"), "{}", named.subject());
}
