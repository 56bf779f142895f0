use super::{
    HeadState, LedgerError, LedgerHead, LookupKey, Staged, TileStore,
    tiles::{forget_partials, write_full, write_partial},
};
use crate::{
    Action, Agent, Checkpoint, EventDraft, EventFormat, LedgerEntry, Mac, Phase, Signer, VerifierKey,
    event::{CustodyEvent, History, Position, outcome_token},
    merkle::{self, Frontier},
    tile::WIDTH,
};
use bytes::Bytes;
use holdfast_model::{ArchiveId, Clock, MatterId, Sha256Digest, fail_after, step};
use jiff::Timestamp;
use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::sync::oneshot;

/// How often a swap that others won is tried again. With jitter between 1 and 64 ms this is seconds of bad luck on end.
const ATTEMPTS: u32 = 200;

/// What a ledger is made of.
pub struct LedgerParts {
    /// The compare-and-swap head.
    pub head: Arc<dyn LedgerHead>,
    /// Where tiles go.
    pub tiles: Arc<dyn TileStore>,
    /// Signs checkpoints.
    pub signer: Arc<dyn Signer>,
    /// Makes the MACs.
    pub mac: Arc<dyn Mac>,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Who opens it; named in the first entry when this makes the ledger.
    pub agent: Agent,
}

/// The log. Cheap to clone; all clones in one process commit together. Needs a tokio runtime.
#[derive(Clone)]
pub struct Ledger {
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub(super) head: Arc<dyn LedgerHead>,
    pub(super) tiles: Arc<dyn TileStore>,
    signer: Arc<dyn Signer>,
    pub(super) mac: Arc<dyn Mac>,
    clock: Arc<dyn Clock>,
    pub(super) key: VerifierKey,
    waiting: Mutex<Vec<Request>>,
    /// Held by whoever commits; the others' drafts gather in `waiting` meanwhile and go with the next commit.
    committing: tokio::sync::Mutex<()>,
    /// The furthest checkpoint seen, so that a head that goes back is noticed.
    seen: Mutex<Option<Checkpoint>>,
}

struct Request {
    drafts: Vec<EventDraft>,
    reply: oneshot::Sender<Result<Vec<LedgerEntry>, LedgerError>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Ledger {
    /// Opens the log, or makes it with a first entry that names its id and public key.
    ///
    /// # Errors
    /// [`LedgerError::Checkpoint`] when the head was signed by another key, [`LedgerError::HeadLost`] when there are tiles
    /// without a head, [`LedgerError::HeadDamaged`], and what head and store say.
    pub async fn open(parts: LedgerParts) -> Result<Self, LedgerError> {
        let inner = Inner {
            key: VerifierKey::of(parts.signer.as_ref()),
            head: parts.head,
            tiles: parts.tiles,
            signer: parts.signer,
            mac: parts.mac,
            clock: parts.clock,
            waiting: Mutex::default(),
            committing: tokio::sync::Mutex::default(),
            seen: Mutex::default(),
        };
        let ledger = Self { inner: Arc::new(inner) };
        if ledger.inner.load().await?.is_none() {
            // The head is read again after the tiles: another process may have begun the ledger between the two first reads.
            if ledger.inner.tiles.published().await?.is_some() && ledger.inner.load().await?.is_none() {
                return Err(LedgerError::HeadLost);
            }
            let key = &ledger.inner.key;
            let first = EventDraft::new(Action::LedgerCreated, Phase::Fact, parts.agent)
                .detail("ledger", &key.name)
                .detail("public_key", hex::encode(key.public_key))
                // Two processes may both find nothing; one entry comes of it.
                .once("ledger-created");
            ledger.append(vec![first]).await?;
            // From now on a lost head shows: the tiles say that there was one.
            ledger.publish().await?;
        }
        Ok(ledger)
    }

    /// Appends all of `drafts` in one piece and returns their entries, durable and signed, in the same order. A draft whose
    /// token stands in the log already is answered with the entry that stands. Calls from many tasks are committed together;
    /// dropping the future does not undo the append.
    ///
    /// # Errors
    /// After [`LedgerError::Event`], [`LedgerError::TokenReused`], [`LedgerError::NotAnIntent`] (an outcome of something that
    /// is no intent) and [`LedgerError::Contended`] nothing was appended. After others the entry may stand: append
    /// again with the same token.
    pub async fn append(&self, drafts: Vec<EventDraft>) -> Result<Vec<LedgerEntry>, LedgerError> {
        if drafts.is_empty() {
            return Ok(Vec::new());
        }
        let mut drafts = drafts;
        for draft in &mut drafts {
            draft.check()?;
            if let Some(intent) = concludes(draft) {
                draft.idempotency.get_or_insert_with(|| outcome_token(intent));
            }
        }
        let (reply, answer) = oneshot::channel();
        lock(&self.inner.waiting).push(Request { drafts, reply });
        let inner = self.inner.clone();
        tokio::spawn(async move { inner.commit_waiting().await });
        answer.await.map_err(|_| LedgerError::Internal("a commit ended without an answer"))?
    }

    /// Has entries written in the newest format from now on; the entry that records it, or none where they are already. Every version
    /// of Holdfast that shares the ledger must read that format: older ones refuse to open it from here on.
    ///
    /// # Errors
    /// As [`Ledger::append`].
    pub async fn upgrade(&self, agent: Agent) -> Result<Option<LedgerEntry>, LedgerError> {
        let before = self.format().await?;
        if before == EventFormat::NEWEST {
            return Ok(None);
        }
        let draft = EventDraft::new(Action::LedgerUpgrade, Phase::Fact, agent)
            .moved(before.as_str(), EventFormat::NEWEST.as_str())
            .once(format!("ledger-upgrade:{}", EventFormat::NEWEST));
        Ok(self.append(vec![draft]).await?.pop())
    }

    /// The format in which the next entry is written.
    ///
    /// # Errors
    /// What the head says.
    pub async fn format(&self) -> Result<EventFormat, LedgerError> {
        Ok(self.inner.load().await?.ok_or(LedgerError::HeadLost)?.format)
    }

    /// Makes the folder of tiles complete for the present checkpoint and publishes that, so that an outsider who is given the
    /// folder can check the whole log. Appending does so by itself each time a tile fills.
    ///
    /// # Errors
    /// What the store and the head say. Entries are durable all the same.
    pub async fn publish(&self) -> Result<Checkpoint, LedgerError> {
        self.inner.publish().await
    }

    /// The ledger's id, the origin of its checkpoints.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.inner.key.name
    }

    /// The Ed25519 public key that checkpoints are verified with.
    #[must_use]
    pub fn public_key(&self) -> [u8; 32] {
        self.inner.key.public_key
    }

    /// Id and public key.
    #[must_use]
    pub fn verifier_key(&self) -> &VerifierKey {
        &self.inner.key
    }
}

impl Inner {
    /// The head, checked: signed by our key, whole, and not behind what was seen before.
    pub(super) async fn load(&self) -> Result<Option<HeadState>, LedgerError> {
        let known = lock(&self.seen).clone();
        let state = self.head.load().await?;
        self.check(known, state.as_ref())?;
        Ok(state)
    }

    /// The head and the entries that it keeps, checked in the same way.
    pub(super) async fn snapshot(&self) -> Result<(HeadState, Vec<Bytes>), LedgerError> {
        let known = lock(&self.seen).clone();
        let snapshot = self.head.snapshot().await?;
        self.check(known, snapshot.as_ref().map(|(state, _)| state))?;
        snapshot.ok_or(LedgerError::HeadLost)
    }

    /// Checks a state that was loaded after `known` had been seen.
    fn check(&self, known: Option<Checkpoint>, state: Option<&HeadState>) -> Result<(), LedgerError> {
        let known_size = known.as_ref().map_or(0, Checkpoint::size);
        let Some(HeadState { checkpoint, frontier, .. }) = state else {
            return if known_size == 0 { Ok(()) } else { Err(LedgerError::RolledBack { known_size, size: 0 }) };
        };
        if known.as_ref() != Some(checkpoint) {
            checkpoint.verify(&self.key).map_err(|e| LedgerError::Checkpoint(Arc::new(e)))?;
        }
        let size = checkpoint.size();
        if size != frontier.size() || checkpoint.root().0 != frontier.root() {
            return Err(LedgerError::HeadDamaged { problem: "its right edge does not lead to the signed root" });
        }
        if size < known_size || size == known_size && known.is_some_and(|k| k.root() != checkpoint.root()) {
            return Err(LedgerError::RolledBack { known_size, size });
        }
        self.remember(checkpoint);
        Ok(())
    }

    fn remember(&self, checkpoint: &Checkpoint) {
        let mut seen = lock(&self.seen);
        if seen.as_ref().is_none_or(|s| s.size() < checkpoint.size()) {
            *seen = Some(checkpoint.clone());
        }
    }

    async fn commit_waiting(&self) {
        let _committing = self.committing.lock().await;
        let requests = std::mem::take(&mut *lock(&self.waiting));
        if requests.is_empty() {
            return; // somebody else's commit took ours along
        }
        match self.commit(&requests).await {
            Ok(answers) => {
                for (request, answer) in requests.into_iter().zip(answers) {
                    let _ = request.reply.send(answer);
                }
            }
            Err(e) => {
                for request in requests {
                    let _ = request.reply.send(Err(e.clone()));
                }
            }
        }
    }

    /// Commits all requests with one swap; each has an answer of its own.
    async fn commit(&self, requests: &[Request]) -> Result<Vec<Result<Vec<LedgerEntry>, LedgerError>>, LedgerError> {
        for attempt in 0..ATTEMPTS {
            if attempt > 0 {
                jitter(attempt).await?;
            }
            let state = self.load().await?;
            let mut batch = Batch::after(state.as_ref(), self.clock.as_ref());
            let mut answers = Vec::with_capacity(requests.len());
            // After the state: if anyone appends from here on, the swap fails and all this is done again.
            let mut found = self.look_up(requests).await?.into_iter();
            batch.history = self.histories(requests, &batch).await?;
            for request in requests {
                let found: Vec<_> = found.by_ref().take(request.drafts.len()).collect();
                answers.push(self.place(&mut batch, &request.drafts, &found).await);
            }
            if batch.entries.is_empty() {
                return Ok(answers);
            }
            let new = batch.state(self.signer.as_ref())?;
            if self.swap(&new, batch.staged()).await? {
                self.after_swap(&new).await?;
                return Ok(answers);
            }
        }
        Err(LedgerError::Contended { attempts: ATTEMPTS })
    }

    /// Asks the lookup about each draft of all requests, in order.
    async fn look_up(&self, requests: &[Request]) -> Result<Vec<Found>, LedgerError> {
        let drafts = || requests.iter().flat_map(|r| &r.drafts);
        let mut questions = Vec::new();
        for draft in drafts() {
            questions.extend(draft.idempotency.clone().map(|token| (LookupKey::Token(token), None)));
            questions.extend(concludes(draft).map(|intent| (LookupKey::OpenIntent, intent.checked_sub(1))));
        }
        if questions.is_empty() {
            return Ok(drafts().map(|_| Found::default()).collect());
        }
        let mut answers = self.head.first_of(questions).await?.into_iter();
        let found = drafts().map(|draft| Found {
            token: draft.idempotency.as_ref().and_then(|_| answers.next().flatten()),
            is_open: concludes(draft).is_some_and(|intent| answers.next().flatten() == Some(intent)),
        });
        Ok(found.collect())
    }

    /// The last entry of each matter and recording that the drafts are about. Formats that do not carry it cost no question.
    async fn histories(&self, requests: &[Request], batch: &Batch) -> Result<HashMap<LookupKey, u64>, LedgerError> {
        let drafts = || requests.iter().flat_map(|r| &r.drafts);
        let carried = batch.end.format >= EventFormat::V2 || drafts().any(|d| d.action == Action::LedgerUpgrade);
        if !carried || batch.end.frontier.size() == 0 {
            return Ok(HashMap::new());
        }
        let keys: HashSet<LookupKey> = drafts().flat_map(|d| subjects(d.archive_id(), d.matter.as_ref())).collect();
        let keys: Vec<LookupKey> = keys.into_iter().collect();
        if keys.is_empty() {
            return Ok(HashMap::new());
        }
        let last = self.head.last_of(keys.clone()).await?;
        Ok(keys.into_iter().zip(last).filter_map(|(key, last)| Some((key, last?))).collect())
    }

    /// Places one request's drafts behind what the batch has already, all or none.
    async fn place(
        &self,
        batch: &mut Batch,
        drafts: &[EventDraft],
        found: &[Found],
    ) -> Result<Vec<LedgerEntry>, LedgerError> {
        let before = batch.end.clone();
        let mut answer = Vec::with_capacity(drafts.len());
        for (draft, found) in drafts.iter().zip(found) {
            match self.place_one(batch, draft, found).await {
                Ok(entry) => answer.push(entry),
                Err(e) => {
                    batch.rewind(before);
                    return Err(e);
                }
            }
        }
        Ok(answer)
    }

    async fn place_one(
        &self,
        batch: &mut Batch,
        draft: &EventDraft,
        found: &Found,
    ) -> Result<LedgerEntry, LedgerError> {
        if let Some(token) = &draft.idempotency {
            let standing = match (batch.tokens.get(token), found.token) {
                (Some(entry), _) => Some(entry.as_ref().clone()),
                (None, Some(sequence)) => Some(self.entry(sequence).await?),
                (None, None) => None,
            };
            if let Some(entry) = standing {
                let refused = || LedgerError::TokenReused { token: token.clone(), sequence: entry.event.sequence };
                return if repeats(&entry.event, draft) { Ok(entry) } else { Err(refused()) };
            }
        }
        if let Some(intent) = concludes(draft).filter(|intent| !found.is_open && !batch.has_intent(*intent)) {
            // Concluded before, or none at all.
            match self.entry(intent).await {
                Ok(entry) if entry.event.phase == Phase::Intent => {}
                Ok(_) | Err(LedgerError::NoSuchEntry { .. }) => {
                    return Err(LedgerError::NotAnIntent { sequence: intent });
                }
                Err(e) => return Err(e),
            }
        }
        batch.push(draft.clone(), self.mac.as_ref(), self.clock.source())
    }

    /// Swaps the head. When the head reports failure, looks whether it happened all the same.
    async fn swap(&self, new: &HeadState, staged: Vec<Staged>) -> Result<bool, LedgerError> {
        match self.head.compare_and_swap(new.revision - 1, new.clone(), staged).await {
            Ok(swapped) => Ok(swapped),
            Err(e) => match self.stands(new).await {
                Ok(true) => Ok(true),
                Ok(false) | Err(_) => Err(e),
            },
        }
    }

    async fn stands(&self, new: &HeadState) -> Result<bool, LedgerError> {
        let Some(found) = self.load().await? else { return Ok(false) };
        if found.revision <= new.revision {
            return Ok(found.revision == new.revision && found.checkpoint == new.checkpoint);
        }
        // Another has appended since: to our state, or in its place.
        Ok(self.entry(new.checkpoint.size() - 1).await?.leaf_hash() == new.last_leaf)
    }

    /// What follows a swap. The entries are durable by now, so that trouble with tiles is told in the log and made good by
    /// whoever appends next.
    async fn after_swap(&self, new: &HeadState) -> Result<(), LedgerError> {
        self.remember(&new.checkpoint);
        passed("ledger.head_swapped")?;
        if new.checkpoint.size() - new.tiled < WIDTH {
            return Ok(());
        }
        match self.publish().await {
            Err(e @ LedgerError::Interrupted { .. }) => Err(e),
            Err(e) => {
                tracing::warn!(error = %e, code = holdfast_model::Fault::code(&e), "entries are kept by the head, tiles could not be written");
                Ok(())
            }
            Ok(_) => Ok(()),
        }
    }

    async fn publish(&self) -> Result<Checkpoint, LedgerError> {
        let (mut state, mut tail) = self.snapshot().await?;
        let tiles = self.tiles.as_ref();
        if tail.len() as u64 >= WIDTH {
            let tiled = write_full(tiles, &state, &tail).await?;
            passed("ledger.tiles_written")?;
            self.head.tiled(tiled).await?;
            passed("ledger.tiles_told")?;
            forget_partials(tiles, state.tiled, tiled).await?;
            tail.drain(..(tiled - state.tiled) as usize);
            state.tiled = tiled;
        }
        write_partial(tiles, &state, &tail).await?;
        passed("ledger.partial_tiles_written")?;
        let published = tiles.published().await?.and_then(|text| Checkpoint::parse(&text).ok());
        if published.is_none_or(|p| p.size() < state.checkpoint.size()) {
            tiles.publish(state.checkpoint.text()).await?;
            passed("ledger.checkpoint_published")?;
        }
        Ok(state.checkpoint)
    }
}

/// A named step of the protocol: a test may end the process here, or have the step report failure though it was done.
fn passed(name: &'static str) -> Result<(), LedgerError> {
    step(name);
    if fail_after(name) { Err(LedgerError::Interrupted { step: name }) } else { Ok(()) }
}

/// Waits a random time, longer with each attempt, up to 64 ms.
async fn jitter(attempt: u32) -> Result<(), LedgerError> {
    let mut random = [0; 8];
    getrandom::fill(&mut random).map_err(|_| LedgerError::Internal("the system gives no random numbers"))?;
    let micros = u64::from_le_bytes(random) % (1000 << attempt.min(6));
    tokio::time::sleep(Duration::from_micros(micros)).await;
    Ok(())
}

/// What the log has for a draft already.
#[derive(Default)]
struct Found {
    /// The entry with its token.
    token: Option<u64>,
    /// Whether the intent that it concludes stands and has no outcome.
    is_open: bool,
}

/// The matter and the recording that an event is about, as what their entries are found under.
fn subjects(recording: Option<&ArchiveId>, matter: Option<&MatterId>) -> impl Iterator<Item = LookupKey> {
    let recording = recording.cloned().map(LookupKey::Recording);
    recording.into_iter().chain(matter.cloned().map(LookupKey::Matter))
}

/// The intent that a draft concludes.
fn concludes(draft: &EventDraft) -> Option<u64> {
    draft.intent.filter(|_| draft.phase == Phase::Outcome)
}

/// Whether an event says the same as `draft`, time and place in the log apart.
fn repeats(event: &CustodyEvent, draft: &EventDraft) -> bool {
    event.action == draft.action
        && event.phase == draft.phase
        && event.subject == draft.subject
        && event.matter == draft.matter
        && event.intent == draft.intent
        && event.outcome == draft.outcome
}

/// New entries that are being put behind a head.
struct Batch {
    revision: u64,
    tiled: u64,
    now: Timestamp,
    end: End,
    entries: Vec<(Arc<LedgerEntry>, Bytes)>,
    tokens: HashMap<String, Arc<LedgerEntry>>,
    /// The last entry of each matter and recording, those of the batch included.
    history: HashMap<LookupKey, u64>,
    /// What was in `history` before each change, so that it can be taken back.
    changes: Vec<(LookupKey, Option<u64>)>,
}

/// The end of the log, which the next entry continues.
#[derive(Clone)]
struct End {
    frontier: Frontier,
    last_leaf: Sha256Digest,
    /// None before the first entry.
    last_time: Option<Timestamp>,
    format: EventFormat,
    /// How many changes of the history led here.
    changes: usize,
}

impl Batch {
    fn after(state: Option<&HeadState>, clock: &dyn Clock) -> Self {
        let now = clock.now();
        let end = match state {
            Some(s) => End {
                frontier: s.frontier.clone(),
                last_leaf: s.last_leaf,
                last_time: Some(s.last_time),
                format: s.format,
                changes: 0,
            },
            None => End {
                frontier: Frontier::default(),
                last_leaf: Sha256Digest([0; 32]),
                last_time: None,
                format: EventFormat::NEWEST,
                changes: 0,
            },
        };
        Self {
            revision: state.map_or(0, |s| s.revision),
            tiled: state.map_or(0, |s| s.tiled),
            now: Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now),
            end,
            entries: Vec::new(),
            tokens: HashMap::new(),
            history: HashMap::new(),
            changes: Vec::new(),
        }
    }

    /// The entries before one about these subjects, which it takes the place of.
    fn take_place(&mut self, draft: &EventDraft, sequence: u64) -> History {
        let mut before = |key: LookupKey| {
            let before = self.history.insert(key.clone(), sequence);
            self.changes.push((key, before));
            before
        };
        let history = History {
            matter: draft.matter.clone().map(LookupKey::Matter).and_then(&mut before),
            recording: draft.archive_id().cloned().map(LookupKey::Recording).and_then(&mut before),
        };
        self.end.changes = self.changes.len();
        history
    }

    fn push(&mut self, draft: EventDraft, mac: &dyn Mac, source: &str) -> Result<LedgerEntry, LedgerError> {
        let behind = self.end.last_time.filter(|last| self.now < *last);
        let time = behind.unwrap_or(self.now);
        if draft.action == Action::LedgerUpgrade {
            self.end.format = EventFormat::NEWEST;
        }
        let history = self.take_place(&draft, self.end.frontier.size());
        let event = CustodyEvent::new(
            draft,
            Position {
                sequence: self.end.frontier.size(),
                time,
                time_source: source.chars().take(64).collect(),
                previous: self.end.last_leaf,
                clock_behind_ms: behind.map(|last| last.as_millisecond() - self.now.as_millisecond()),
                format: self.end.format,
                history,
            },
        );
        let entry = Arc::new(LedgerEntry::seal(event, mac)?);
        let bytes = Bytes::from(entry.bytes());
        let leaf = merkle::leaf_hash(&bytes);
        self.end.frontier.push(leaf);
        self.end.last_leaf = Sha256Digest(leaf);
        self.end.last_time = Some(time);
        if let Some(token) = &entry.event.idempotency {
            self.tokens.insert(token.clone(), entry.clone());
        }
        self.entries.push((entry.clone(), bytes));
        Ok(entry.as_ref().clone())
    }

    /// Whether an intent is among the new entries.
    fn has_intent(&self, sequence: u64) -> bool {
        self.entries.iter().any(|(e, _)| e.event.sequence == sequence && e.event.phase == Phase::Intent)
    }

    /// Takes back what was pushed since the log ended at `end`.
    fn rewind(&mut self, end: End) {
        let undone = self.end.frontier.size() - end.frontier.size();
        for (entry, _) in self.entries.drain(self.entries.len() - undone as usize..) {
            entry.event.idempotency.as_ref().map(|token| self.tokens.remove(token));
        }
        for (key, before) in self.changes.drain(end.changes..).rev() {
            match before {
                Some(sequence) => self.history.insert(key, sequence),
                None => self.history.remove(&key),
            };
        }
        self.end = end;
    }

    fn state(&self, signer: &dyn Signer) -> Result<HeadState, LedgerError> {
        let End { frontier, last_leaf, last_time, format, .. } = self.end.clone();
        Ok(HeadState {
            revision: self.revision + 1,
            checkpoint: Checkpoint::sign(signer, frontier.size(), &frontier.root())?,
            frontier,
            last_leaf,
            last_time: last_time.unwrap_or(self.now),
            format,
            tiled: self.tiled,
        })
    }

    fn staged(&self) -> Vec<Staged> {
        self.entries.iter().map(|(entry, bytes)| Staged::of(&entry.event, bytes.clone())).collect()
    }
}
