use crate::{
    ApiError, Caller,
    cloud::Identity,
    config::{self, LoadedConfig},
    dto::{ApiEvent, ConfigProblem},
    home::Home,
    keys::Keys,
    notify::{self, Outbox},
    open::Ground,
    secrets::Secrets,
    task::{Running, Task, lock},
    under_way::UnderWay,
    usecase::Players,
};
use holdfast_index::{RecordingIndex, WorkStore};
use holdfast_ingest::{Archiver, ArchiverParts};
use holdfast_ledger::Ledger;
use holdfast_model::{Cancel, Clock, SystemClock};
use holdfast_retrieval::Desk;
use holdfast_store::Store;
use std::{
    path::PathBuf,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{sync::broadcast, task::JoinHandle};

/// How Holdfast is opened.
#[derive(Debug, Clone)]
pub struct OpenOptions {
    /// Home folder.
    pub home: PathBuf,
    /// Settings that override file and environment: `policy.play_reason=always`.
    pub set: Vec<String>,
}

/// One open installation: the composition root, and the use-cases as methods. Every shell calls these and nothing below them.
/// Several processes may have the same home folder open at once.
pub struct Holdfast {
    pub(crate) home: Home,
    pub(crate) loaded: LoadedConfig,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) store: Store,
    pub(crate) index: Arc<dyn RecordingIndex>,
    pub(crate) ledger: Ledger,
    pub(crate) archiver: Archiver,
    /// What the archiver is made of, for comparing the index with manifests and ledger.
    pub(crate) catalogue: ArchiverParts,
    pub(crate) desk: Desk,
    /// Retrievals that this process has under way.
    pub(crate) under_way: UnderWay,
    pub(crate) players: Players,
    /// What is to be told to people elsewhere.
    pub(crate) outbox: Outbox,
    /// What a person entered.
    pub(crate) secrets: Secrets,
    /// Who this process is towards the clouds.
    pub(crate) identity: Identity,
    /// What kept the archive out of reach when this was opened.
    pub(crate) trouble: Option<ApiError>,
    pub(crate) keys_sentence: String,
    pub(crate) keys_place: &'static str,
    pub(crate) ffmpeg: bool,
    /// When this process opened it; makes tokens of this session.
    pub(crate) started: i64,
    pub(crate) events: broadcast::Sender<ApiEvent>,
    running: Running,
    /// When this process asked the storage where recordings lie.
    pub(crate) refreshed: Mutex<Option<jiff::Timestamp>>,
    pub(crate) driver: Mutex<Option<JoinHandle<()>>>,
}

/// The pieces of an installation, opened.
pub(crate) struct Opened {
    pub(crate) store: Store,
    pub(crate) index: Arc<dyn RecordingIndex>,
    pub(crate) work: Arc<dyn WorkStore>,
    pub(crate) ledger: Ledger,
    pub(crate) keys: Keys,
    pub(crate) archiver: ArchiverParts,
    pub(crate) desk: Desk,
    pub(crate) under_way: UnderWay,
    pub(crate) trouble: Option<ApiError>,
}

/// What is wrong in the configuration that these options lead to; empty where nothing is. Opens nothing.
#[must_use]
pub fn check_config(options: &OpenOptions) -> Vec<ConfigProblem> {
    let file = options.home.join("holdfast.toml");
    let shown = |p: config::Problem| ConfigProblem {
        line: p.line,
        column: p.column,
        message: format!("{}: {}", p.place, p.message),
    };
    config::check(&file, std::env::vars(), &options.set).into_iter().map(shown).collect()
}

impl Holdfast {
    /// Opens the home folder, making it where it is new.
    ///
    /// # Errors
    /// `home.*`, `config.invalid`, `keys.*`, and what store, index and ledger say.
    pub async fn open(options: OpenOptions) -> Result<Arc<Self>, ApiError> {
        Self::open_with(options, Arc::new(SystemClock)).await
    }

    /// The same with another clock.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub async fn open_with(options: OpenOptions, clock: Arc<dyn Clock>) -> Result<Arc<Self>, ApiError> {
        crate::open::open(&options, clock).await
    }

    /// Puts together what was opened.
    pub(crate) fn assemble(ground: Ground, o: Opened) -> Result<Arc<Self>, ApiError> {
        let Ground { home, loaded, secrets, cloud, clock } = ground;
        let config = &loaded.config.notify;
        let network = crate::cloud::Network::new(&loaded.config.network)?;
        let channels = notify::channels(config, &secrets, &network, &clock, &crate::caller::host())?;
        let outbox = Outbox::new(o.work, Arc::clone(&clock), channels, config);
        let started = clock.now().as_millisecond();
        Ok(Arc::new(Self {
            outbox,
            secrets,
            identity: cloud.identity,
            trouble: o.trouble,
            home,
            loaded,
            clock,
            store: o.store,
            index: o.index,
            ledger: o.ledger,
            archiver: Archiver::new(o.archiver.clone()),
            catalogue: o.archiver,
            desk: o.desk,
            under_way: o.under_way,
            players: Players::default(),
            keys_sentence: o.keys.sentence,
            keys_place: o.keys.place,
            ffmpeg: holdfast_audio::find_ffmpeg().is_some(),
            started,
            events: broadcast::channel(1024).0,
            running: Running::default(),
            refreshed: Mutex::default(),
            driver: Mutex::default(),
        }))
    }

    /// The person at this machine, coming through `via` (`cli`, `window`, `http`).
    #[must_use]
    pub fn local_caller(&self, via: &'static str) -> Caller {
        let person = &self.loaded.config.person;
        Caller::local(&person.name, &person.role, via, self.identity.now())
    }

    /// The configuration in force.
    #[must_use]
    pub fn config(&self) -> &config::Config {
        &self.loaded.config
    }

    /// The home folder.
    #[must_use]
    pub fn home(&self) -> &Home {
        &self.home
    }

    /// Hears what is happening, from now on. A listener that is too slow misses events and is told so.
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<ApiEvent> {
        self.events.subscribe()
    }

    /// Begins a task under a name by which it can be stopped.
    pub(crate) fn task(&self, name: &str) -> (Arc<Task>, Cancel) {
        Task::begin(name, &self.running, &self.events)
    }

    pub(crate) fn cancel_task(&self, name: &str) -> bool {
        lock(&self.running).get(name).map(Cancel::cancel).is_some()
    }

    /// Tells every task under way to stop at its next safe point.
    pub fn cancel_everything(&self) {
        lock(&self.running).values().for_each(Cancel::cancel);
    }

    /// Ends what goes on in the background: playbacks are concluded in the ledger, the driver stops between two steps.
    pub async fn close(&self) {
        if let Some(driver) = lock(&self.driver).take() {
            driver.abort();
        }
        self.stop_players().await;
        self.remember_checkpoint().await;
    }

    /// Remembers the newest checkpoint outside the ledger's folder, so that a ledger put back to an older state is noticed.
    pub(crate) async fn remember_checkpoint(&self) {
        if let Err(e) = self.desk.remember_ledger().await {
            tracing::warn!(
                code = holdfast_model::Fault::code(&e),
                "the newest checkpoint could not be remembered: {e}"
            );
        }
    }

    /// How long `archiver run` waits between two looks.
    #[must_use]
    pub fn archiver_interval(&self) -> Duration {
        Duration::from_secs(self.loaded.config.archiver.interval_s.max(1))
    }
}
