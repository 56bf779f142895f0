use crate::{
    ApiError, ApiErrorKind, Caller,
    config::{self, LoadedConfig},
    dto::{ApiEvent, ConfigProblem},
    home::{self, Home},
    keys,
    task::{Running, Task, lock},
    usecase::Players,
};
use holdfast_index::{RecordingIndex, SqliteIndex, SqliteWork, WorkStore};
use holdfast_ingest::{Archiver, ArchiverParts, TierPolicy};
use holdfast_ledger::{FolderTiles, Ledger, LedgerParts, LocalMac, LocalSigner, SqliteHead};
use holdfast_model::{Cancel, Clock, SystemClock};
use holdfast_retrieval::{Desk, DeskParts, DeskSettings, PriceList};
use holdfast_store::{LocalStore, LocalStoreConfig, RehydrationTime, Store};
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
    pub(crate) players: Players,
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
        let (home, lock) = Home::open(&options.home)?;
        let loaded = config::load(&home.config_file(), std::env::vars(), &options.set)?;
        let caller = Caller::local(&loaded.config.person.name, &loaded.config.person.role, "holdfast");
        let fresh = !home.ledger().join("head.sqlite").exists();
        let keys = keys::open(home.root(), loaded.config.keys.place, fresh)?;
        let store = open_store(&home, &loaded, Arc::clone(&clock))?;
        let index = SqliteIndex::open(home.index_db()).await?.index();
        let work: Arc<dyn WorkStore> = Arc::new(SqliteWork::open(home.work_db(), Arc::clone(&clock)).await?);
        std::fs::create_dir_all(home.ledger()).map_err(|e| home::cannot(&home.ledger(), &e))?;
        let ledger = Ledger::open(LedgerParts {
            head: Arc::new(SqliteHead::open(&home.ledger().join("head.sqlite"))?),
            tiles: Arc::new(FolderTiles::open(&home.ledger())?),
            signer: Arc::new(LocalSigner::from_seed(&keys.signing_seed)),
            mac: Arc::new(LocalMac::from_seed(&keys.mac_key)),
            clock: Arc::clone(&clock),
            agent: caller.agent().clone(),
        })
        .await?;
        drop(lock);
        let c = &loaded.config;
        let mut archiver = ArchiverParts::new(
            store.clone(),
            Arc::clone(&index),
            Arc::clone(&work),
            ledger.clone(),
            Arc::clone(&clock),
        );
        archiver.policy = c.retention.policy.clone().unwrap_or_default();
        archiver.settings.tiers = TierPolicy { cold_after_days: c.archive.cold_after_days };
        archiver.settings.regions.clone_from(&c.archive.regions);
        archiver.settings.truncation_threshold_ms = (c.policy.truncation_threshold_s * 1000.0) as u64;
        if c.archiver.parallel > 0 {
            archiver.settings.parallel = c.archiver.parallel;
        }
        let desk = Desk::new(DeskParts {
            store: store.clone(),
            index: Arc::clone(&index),
            work,
            ledger: ledger.clone(),
            clock: Arc::clone(&clock),
            folder: if c.desk.folder.as_os_str().is_empty() { home.desk() } else { c.desk.folder.clone() },
            prices: prices(c.desk.prices.as_deref())?,
            agent: caller.agent().clone(),
            settings: DeskSettings {
                keep_days: c.archive.keep_days,
                witness: Some(home.witness()),
                ..DeskSettings::default()
            },
        })?;
        let started = clock.now().as_millisecond();
        Ok(Arc::new(Self {
            home,
            loaded,
            clock,
            store,
            index,
            ledger,
            archiver: Archiver::new(archiver.clone()),
            catalogue: archiver,
            desk,
            players: Players::default(),
            keys_sentence: keys.sentence,
            keys_place: keys.place,
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
        Caller::local(&self.loaded.config.person.name, &self.loaded.config.person.role, via)
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

fn open_store(home: &Home, loaded: &LoadedConfig, clock: Arc<dyn Clock>) -> Result<Store, ApiError> {
    let archive = &loaded.config.archive;
    let root = if archive.folder.as_os_str().is_empty() { home.archive() } else { archive.folder.clone() };
    let mut config = LocalStoreConfig::new(root);
    config.speeds = archive
        .rehydration
        .iter()
        .map(|(speed, t)| {
            let time = RehydrationTime {
                expected: Duration::from_secs(t.expected_s),
                worst: Duration::from_secs(t.worst_s.max(t.expected_s)),
            };
            ((*speed).into(), time)
        })
        .collect();
    Ok(LocalStore::open(config, clock)?.store())
}

fn prices(file: Option<&std::path::Path>) -> Result<PriceList, ApiError> {
    let Some(file) = file else { return PriceList::embedded().map_err(|e| bad_prices(&e)) };
    let text = std::fs::read_to_string(file).map_err(|e| {
        let message = format!("the price list {} cannot be read: {e}", file.display());
        ApiError::new(ApiErrorKind::Usage, "prices.unreadable", message, "Check desk.prices in the configuration.")
    })?;
    PriceList::parse(&text).map_err(|e| bad_prices(&e))
}

fn bad_prices(e: &holdfast_retrieval::PriceListError) -> ApiError {
    ApiError::new(ApiErrorKind::Usage, "prices.invalid", e.to_string(), "Mend the price list that desk.prices names.")
}
