//! The composition root: from configuration and credentials to everything that use-cases are made of. Opening creates nothing in a
//! cloud: buckets and tables are provisioned, and a shared ledger is begun by `holdfast ledger create` on one machine.

use crate::{
    ApiError, ApiErrorKind, Caller, Holdfast,
    cloud::{Cloud, MirroredTiles, StoreTiles, azure_store, s3_store},
    config::{self, Config, IndexBackend, LoadedConfig, StoreBackend},
    holdfast::{OpenOptions, Opened},
    home::{self, Home, HomeLock},
    keys::{self, Keys},
    secrets::Secrets,
    under_way::UnderWay,
};
use holdfast_index::{DynamoIndex, DynamoWork, RecordingIndex, SqliteIndex, SqliteWork, WorkStore};
use holdfast_ingest::{ArchiverParts, TierPolicy};
use holdfast_ledger::{
    Agent, DynamoHead, FolderTiles, Ledger, LedgerError, LedgerHead as _, LedgerParts, LocalMac, LocalSigner, Mac as _,
    Signer as _, SqliteHead, TileStore,
};
use holdfast_model::{Clock, Fault as _, FaultKind, MANIFESTS};
use holdfast_retrieval::{Desk, DeskParts, DeskSettings, PriceList};
use holdfast_store::{LocalStore, LocalStoreConfig, RehydrationTime, Store, StoreError};
use std::{sync::Arc, time::Duration};

/// How long a cloud may take to answer the first question.
const ANSWER: Duration = Duration::from_secs(20);
/// Name of the one log in a table. Not made from the key: a machine with another key must find it, and be refused.
const LOG: &str = "ledger";

/// What an installation is made of, before any of it is opened.
pub(crate) struct Ground {
    pub(crate) home: Home,
    pub(crate) loaded: LoadedConfig,
    pub(crate) secrets: Secrets,
    pub(crate) cloud: Cloud,
    pub(crate) clock: Arc<dyn Clock>,
}

impl Ground {
    /// Home folder, configuration and the way to the clouds.
    ///
    /// # Errors
    /// `home.*`, `config.invalid`, `cloud.*`, `credentials.*`.
    pub(crate) async fn prepare(options: &OpenOptions, clock: Arc<dyn Clock>) -> Result<Self, ApiError> {
        let (home, lock) = Home::open(&options.home)?;
        drop(lock);
        let loaded = config::load(&home.config_file(), std::env::vars(), &options.set)?;
        let secrets = Secrets::of(home.root());
        let cloud = Cloud::connect(&loaded.config, &secrets).await?;
        Ok(Self { home, loaded, secrets, cloud, clock })
    }

    pub(crate) fn config(&self) -> &Config {
        &self.loaded.config
    }

    /// Whether index, work and ledger are shared with other machines.
    pub(crate) fn is_shared(&self) -> bool {
        self.config().index.backend == IndexBackend::Dynamodb
    }

    /// Who acts when nobody in particular does.
    pub(crate) fn agent(&self) -> Agent {
        let person = &self.config().person;
        Caller::local(&person.name, &person.role, "holdfast", self.cloud.identity.now()).agent().clone()
    }

    /// The archive.
    ///
    /// # Errors
    /// `store.*`.
    pub(crate) fn store(&self) -> Result<Store, ApiError> {
        let (archive, clock) = (&self.config().archive, Arc::clone(&self.clock));
        match (archive.backend, &self.cloud.aws, &self.cloud.azure) {
            (StoreBackend::S3, Some(aws), _) => Ok(s3_store(archive, aws, clock)),
            (StoreBackend::Azure, _, Some(azure)) => azure_store(archive, azure, clock),
            _ => self.local_store(clock),
        }
    }

    fn local_store(&self, clock: Arc<dyn Clock>) -> Result<Store, ApiError> {
        let archive = &self.config().archive;
        let root = if archive.folder.as_os_str().is_empty() { self.home.archive() } else { archive.folder.clone() };
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

    fn shared_head(&self) -> Option<DynamoHead> {
        let aws = self.cloud.aws.as_ref().filter(|_| self.is_shared())?;
        Some(DynamoHead::new(aws.dynamodb(), self.config().index.dynamodb.table.clone(), LOG))
    }

    /// The ledger's keys. Made only for a ledger that this machine begins.
    fn keys(&self, begins: bool) -> Result<Keys, ApiError> {
        let local = self.home.ledger().join("head.sqlite").exists();
        if self.is_shared() && local {
            let message = "this home folder has a ledger of its own, so it cannot take part in a shared one";
            let next = "Name a new folder with --home DIR, or set index.backend back to \"sqlite\".";
            return Err(ApiError::new(ApiErrorKind::Usage, "home.own_ledger", message, next));
        }
        if self.is_shared() && !begins && !keys::are_here(self.home.root()) {
            return Err(keys_elsewhere());
        }
        keys::open(self.home.root(), self.config().keys.place, if self.is_shared() { begins } else { !local })
    }

    fn parts(&self, keys: &Keys, head: Arc<dyn holdfast_ledger::LedgerHead>, tiles: Arc<dyn TileStore>) -> LedgerParts {
        LedgerParts {
            head,
            tiles,
            signer: Arc::new(LocalSigner::from_seed(&keys.signing_seed)),
            mac: Arc::new(LocalMac::from_seed(&keys.mac_key)),
            clock: Arc::clone(&self.clock),
            agent: self.agent(),
        }
    }

    /// The ledger and the keys it was opened with. A local one is made where there is none; a shared one must be there.
    ///
    /// # Errors
    /// `keys.*`, `ledger.*`, `home.*`.
    pub(crate) async fn ledger(&self, store: &Store) -> Result<(Ledger, Keys), ApiError> {
        let lock = HomeLock::take(self.home.root())?;
        let keys = self.keys(false)?;
        let Some(head) = self.shared_head() else {
            std::fs::create_dir_all(self.home.ledger()).map_err(|e| home::cannot(&self.home.ledger(), &e))?;
            let head = Arc::new(SqliteHead::open(&self.home.ledger().join("head.sqlite"))?);
            let near: Arc<dyn TileStore> = Arc::new(FolderTiles::open(&self.home.ledger())?);
            if head.load().await?.is_none() {
                // Made without the cloud, in which opening creates nothing; the first entry that is published takes it along.
                Ledger::open(self.parts(&keys, head.clone(), Arc::clone(&near))).await?;
            }
            let tiles = match self.config().archive.backend {
                StoreBackend::Local => near,
                _ => Arc::new(MirroredTiles::new(near, self.shared_tiles(&keys, store))),
            };
            let ledger = Ledger::open(self.parts(&keys, head, tiles)).await?;
            drop(lock);
            return Ok((ledger, keys));
        };
        drop(lock);
        let table = &self.config().index.dynamodb.table;
        if head.load().await?.is_none() {
            return Err(ApiError::new(
                ApiErrorKind::Usage,
                "ledger.none_yet",
                format!("the table {table} holds no ledger yet"),
                "On the first machine run `holdfast ledger create`; the others then take over its keys with `holdfast keys import`.",
            ));
        }
        let tiles = self.shared_tiles(&keys, store);
        let ledger =
            Ledger::open(self.parts(&keys, Arc::new(head), tiles)).await.map_err(|e| other_key(e, &keys, table))?;
        check_mac(&ledger, &keys).await?;
        Ok((ledger, keys))
    }

    /// Begins the shared ledger, with new keys where this home folder has none.
    ///
    /// # Errors
    /// `ledger.not_shared`, `ledger.there_already`, `keys.*`, `ledger.*`.
    pub(crate) async fn create_ledger(&self) -> Result<(Ledger, Keys), ApiError> {
        let Some(head) = self.shared_head() else {
            let message = "a ledger of this machine alone is made by itself; this command begins one that is shared";
            return Err(ApiError::usage(
                "ledger.not_shared",
                message,
                "Set index.backend to \"dynamodb\" for a shared one.",
            ));
        };
        if head.load().await?.is_some() {
            let message = format!("the table {} holds a ledger already", self.config().index.dynamodb.table);
            let next = "Take over its keys with `holdfast keys import FILE`; nothing was changed.";
            return Err(ApiError::usage("ledger.there_already", message, next));
        }
        let store = self.store()?;
        let lock = HomeLock::take(self.home.root())?;
        let keys = self.keys(true)?;
        drop(lock);
        let tiles = self.shared_tiles(&keys, &store);
        let table = self.config().index.dynamodb.table.clone();
        let opened = Ledger::open(self.parts(&keys, Arc::new(head), tiles)).await;
        let ledger = opened.map_err(|e| other_key(e, &keys, &table))?;
        Ok((ledger, keys))
    }

    /// Index and work.
    ///
    /// # Errors
    /// `index.*`.
    pub(crate) async fn index(&self) -> Result<(Arc<dyn RecordingIndex>, Arc<dyn WorkStore>), ApiError> {
        if let (true, Some(aws)) = (self.is_shared(), &self.cloud.aws) {
            let (client, table) = (aws.dynamodb(), &self.config().index.dynamodb.table);
            let index = DynamoIndex::new(client.clone(), table, Arc::clone(&self.clock));
            let work = DynamoWork::new(client, table, Arc::clone(&self.clock));
            return Ok((Arc::new(index), Arc::new(work)));
        }
        let index = SqliteIndex::open(self.home.index_db()).await?.index();
        let work = SqliteWork::open(self.home.work_db(), Arc::clone(&self.clock)).await?;
        Ok((index, Arc::new(work)))
    }

    /// Asks a cloud's store one cheap question, so that what is wrong is told now and by name.
    ///
    /// # Errors
    /// `cloud.unreachable`, `cloud.no_bucket`, `store.*`.
    pub(crate) async fn reach(&self, store: &Store) -> Result<(), ApiError> {
        if self.config().archive.backend == StoreBackend::Local {
            return Ok(());
        }
        let bucket = &store.buckets.meta;
        // Where work goes on without it, nobody waits long for it.
        let wait = if self.is_shared() { ANSWER } else { ANSWER / 4 };
        let asked = tokio::time::timeout(wait, store.reader.list(bucket, MANIFESTS, None, 1)).await;
        match asked.map_err(|_| unreachable(&format!("the store {}", store.reader.name())))? {
            Ok(_) => Ok(()),
            // A role that may not list can do other things all the same.
            Err(e @ StoreError::Denied { .. }) => {
                tracing::warn!(code = e.code(), "{e}");
                Ok(())
            }
            Err(e @ (StoreError::NotFound(_) | StoreError::Invalid { .. })) => {
                Err(no_bucket(store.reader.name(), bucket).because(&e.to_string()))
            }
            Err(e) if e.kind() == FaultKind::Io => {
                Err(unreachable(&format!("the store {}", store.reader.name())).because(&e.to_string()))
            }
            Err(e) => Err(e.into()),
        }
    }

    /// Everything the archiver needs.
    pub(crate) fn archiver(
        &self,
        store: Store,
        index: Arc<dyn RecordingIndex>,
        work: Arc<dyn WorkStore>,
        ledger: Ledger,
    ) -> ArchiverParts {
        let c = self.config();
        let mut archiver = ArchiverParts::new(store, index, work, ledger, Arc::clone(&self.clock));
        archiver.policy = c.retention.policy.clone().unwrap_or_default();
        archiver.settings.tiers = TierPolicy { cold_after_days: c.archive.cold_after_days };
        archiver.settings.regions.clone_from(&c.archive.regions);
        archiver.settings.truncation_threshold_ms = (c.policy.truncation_threshold_s * 1000.0) as u64;
        if c.archiver.parallel > 0 {
            archiver.settings.parallel = c.archiver.parallel;
        }
        archiver
    }

    /// The desk, whose folder is made where it is not there.
    ///
    /// # Errors
    /// `prices.*`, `retrieval.io`.
    pub(crate) fn desk(
        &self,
        store: Store,
        index: Arc<dyn RecordingIndex>,
        work: Arc<dyn WorkStore>,
        ledger: Ledger,
    ) -> Result<Desk, ApiError> {
        let c = self.config();
        let parts = DeskParts {
            store,
            index,
            work,
            ledger,
            clock: Arc::clone(&self.clock),
            folder: if c.desk.folder.as_os_str().is_empty() { self.home.desk() } else { c.desk.folder.clone() },
            prices: prices(c.desk.prices.as_deref())?,
            agent: self.agent(),
            settings: DeskSettings {
                keep_days: c.archive.keep_days,
                witness: Some(self.home.witness()),
                ..DeskSettings::default()
            },
        };
        Ok(Desk::new(parts)?)
    }

    fn shared_tiles(&self, keys: &Keys, store: &Store) -> Arc<dyn TileStore> {
        let signer = LocalSigner::from_seed(&keys.signing_seed);
        Arc::new(StoreTiles::new(store.clone(), signer.name()))
    }
}

/// The MAC key goes with the signing key; one that does not fit would make entries that nobody can check.
async fn check_mac(ledger: &Ledger, keys: &Keys) -> Result<(), ApiError> {
    let Some(last) = ledger.size().await?.checked_sub(1) else { return Ok(()) };
    let entry = ledger.entry(last).await?;
    let mac = LocalMac::from_seed(&keys.mac_key).mac(&entry.event.canonical())?;
    if mac == entry.mac { Ok(()) } else { Err(wrong_key("its entries have another MAC than this machine's key makes")) }
}

fn other_key(e: LedgerError, keys: &Keys, table: &str) -> ApiError {
    match e {
        LedgerError::Checkpoint(_) => {
            let ours = LocalSigner::from_seed(&keys.signing_seed);
            let why = format!("the ledger in {table} is signed by another key than this machine's ({})", ours.name());
            wrong_key(&why)
        }
        e => e.into(),
    }
}

fn wrong_key(why: &str) -> ApiError {
    ApiError::new(
        ApiErrorKind::Failure,
        "keys.not_this_ledger",
        format!("this machine's keys are not those of the ledger: {why}"),
        "On a machine that has them run `holdfast keys export FILE`; here, in a new home folder, `holdfast keys import FILE`.",
    )
    .with_evidence("Nothing was written: an entry under another key would break the chain of custody.")
}

fn keys_elsewhere() -> ApiError {
    ApiError::new(
        ApiErrorKind::Usage,
        "keys.not_here",
        "this machine does not have the keys of the shared ledger",
        "Where the ledger was begun run `holdfast keys export FILE`, then here `holdfast keys import FILE`. To begin a new \
         ledger run `holdfast ledger create`.",
    )
}

fn unreachable(what: &str) -> ApiError {
    ApiError::new(
        ApiErrorKind::Failure,
        "cloud.unreachable",
        format!("{what} does not answer"),
        "Check the network, the proxy (HTTPS_PROXY) and the address in the configuration; then run the same command again.",
    )
    .with_evidence("What is archived is safe; it only cannot be reached from here at the moment.")
}

fn no_bucket(store: &str, bucket: &str) -> ApiError {
    let next = "Correct its name, or the region or account that it is looked for in; `holdfast provision plan` shows what is missing.";
    ApiError::new(
        ApiErrorKind::Usage,
        "cloud.no_bucket",
        format!("the store {store} has no `{bucket}`, or this identity does not see it"),
        next,
    )
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

/// Opens everything.
pub(crate) async fn open(options: &OpenOptions, clock: Arc<dyn Clock>) -> Result<Arc<Holdfast>, ApiError> {
    let ground = Ground::prepare(options, clock).await?;
    let store = ground.store()?;
    let opened = async {
        let opening = async { tokio::try_join!(ground.ledger(&store), ground.index()) };
        if !ground.is_shared() {
            return opening.await;
        }
        let table = format!("DynamoDB (table {})", ground.config().index.dynamodb.table);
        tokio::time::timeout(ANSWER, opening).await.map_err(|_| unreachable(&table))?
    };
    let (opened, reached) = tokio::join!(opened, ground.reach(&store));
    let ((ledger, keys), (index, work)) = opened?;
    let trouble = match reached {
        Err(e) if ground.is_shared() => return Err(e),
        // What lies at the desk can be worked with while the archive is out of reach.
        Err(e) => {
            tracing::warn!(code = e.code, "{e}");
            Some(e)
        }
        Ok(()) => None,
    };
    let archiver = ground.archiver(store.clone(), Arc::clone(&index), Arc::clone(&work), ledger.clone());
    let under_way = UnderWay::default();
    let desk = ground.desk(store.clone(), Arc::clone(&index), under_way.over(Arc::clone(&work)), ledger.clone())?;
    let opened = Opened { store, index, work, ledger, keys, archiver, desk, under_way, trouble };
    Holdfast::assemble(ground, opened)
}
