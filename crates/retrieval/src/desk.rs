use crate::{error::RetrievalError, prices::PriceList};
use futures_util::TryStreamExt as _;
use holdfast_index::{RecordingIndex, UpdateOutcome, Work, WorkKind, WorkStore, refuse_newer};
use holdfast_ledger::{Action, Agent, EventDraft, Ledger, LedgerEntry, Phase};
use holdfast_model::{ArchiveId, Clock, Fault as _, MatterId, ObjectLocator};
use holdfast_store::{BYTE_RANGE_ALL, Store};
use jiff::Timestamp;
use serde::{Serialize, de::DeserializeOwned};
use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    sync::{
        Arc, PoisonError,
        atomic::{AtomicBool, AtomicI64, AtomicU64},
    },
};

/// Largest manifest or payload that is read, in bytes: far above any real one, far below what would hurt.
const SMALL_OBJECT_MAX_BYTES: u64 = 64 << 20;

/// How often a change that others won is tried again.
pub(crate) const CAS_ATTEMPTS: u32 = 64;

/// What a desk is made of.
#[derive(Clone)]
pub struct DeskParts {
    /// The archive.
    pub store: Store,
    /// Finds recordings.
    pub index: Arc<dyn RecordingIndex>,
    /// Keeps matters, plans, retrievals and exports.
    pub work: Arc<dyn WorkStore>,
    /// The chain of custody.
    pub ledger: Ledger,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// The desk's folder, e.g. `<home>/desk`; made where it is not there.
    pub folder: PathBuf,
    /// What bringing back costs.
    pub prices: PriceList,
    /// Who this process acts as when it drives retrievals on its own.
    pub agent: Agent,
    /// Limits.
    pub settings: DeskSettings,
}

/// Limits of a desk. The defaults suit one machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeskSettings {
    /// Days that rehydrated copies are asked to stay.
    pub keep_days: u16,
    /// File outside the ledger's folder that remembers the newest checkpoint seen, so that a ledger put back to an older state is
    /// noticed; `.witness` in the desk's folder where none is named.
    pub witness: Option<PathBuf>,
    /// How long a piece of work belongs to this process without a sign of life, in milliseconds.
    pub lease_ms: u64,
    /// Recordings downloaded at once.
    pub downloads_at_once: usize,
    /// Ranges of one recording read at once.
    pub ranges_at_once: usize,
    /// Length of a range in bytes.
    pub range_bytes: u64,
    /// Rehydrations asked for at once.
    pub requests_at_once: usize,
    /// Longest time between two looks at something under way, in milliseconds.
    pub poll_max_ms: u64,
    /// Shortest time between two looks, in milliseconds.
    pub poll_min_ms: u64,
    /// Bytes that stay free on the desk's disk: a download that would take them is not begun.
    pub spare_bytes: u64,
}

impl Default for DeskSettings {
    fn default() -> Self {
        Self {
            keep_days: 7,
            witness: None,
            lease_ms: 60_000,
            downloads_at_once: 3,
            ranges_at_once: 4,
            range_bytes: 8 << 20,
            requests_at_once: 8,
            poll_max_ms: 15 * 60_000,
            poll_min_ms: 1_000,
            spare_bytes: 64 << 20,
        }
    }
}

/// Where lawyers work: matters, plans, retrievals, verification and export. Cheap to clone. Everything it does is persisted and
/// goes on after a crash, in this process or another, whenever somebody calls [`Desk::drive`].
#[derive(Clone)]
pub struct Desk {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) parts: DeskParts,
    /// Names this process in leases.
    pub(crate) owner: String,
    /// Names this desk, which is its folder, for as long as that is there.
    pub(crate) desk: String,
    /// Bytes that downloads under way have yet to write.
    pub(crate) promised: Arc<AtomicU64>,
    /// Whether verifications that were cut off were looked for.
    pub(crate) looked_back: AtomicBool,
    /// When somebody drove last, so that a clock that goes back is noticed.
    pub(crate) last_pass_ms: AtomicI64,
    /// Who this process is towards the clouds at the moment.
    pub(crate) cloud_identity: std::sync::Mutex<Option<String>>,
    /// Held while the remembered checkpoint is replaced.
    pub(crate) witness: tokio::sync::Mutex<()>,
}

impl Desk {
    /// Opens a desk, making its folder where it is not there, and sweeps what an export that died left behind.
    ///
    /// # Errors
    /// [`RetrievalError::Io`] where the folder can't be made.
    pub fn new(parts: DeskParts) -> Result<Self, RetrievalError> {
        std::fs::create_dir_all(&parts.folder).map_err(RetrievalError::io("make the folder", &parts.folder))?;
        let owner = owner_name(&parts.agent)?;
        let cloud_identity = parts.agent.cloud_identity.clone();
        let desk = desk_name(&parts.folder, &parts.agent)?;
        Ok(Self {
            inner: Arc::new(Inner {
                parts,
                owner,
                desk,
                promised: Arc::default(),
                looked_back: AtomicBool::new(false),
                last_pass_ms: AtomicI64::new(i64::MAX),
                cloud_identity: std::sync::Mutex::new(cloud_identity),
                witness: tokio::sync::Mutex::default(),
            }),
        })
    }

    /// Tells who this process is towards the clouds from now on; events that are in nobody else's name say so.
    pub fn set_cloud_identity(&self, identity: Option<String>) {
        *self.inner.cloud_identity.lock().unwrap_or_else(PoisonError::into_inner) = identity;
    }

    /// Who this process acts as.
    pub(crate) fn agent(&self) -> Agent {
        let cloud_identity = self.inner.cloud_identity.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Agent { cloud_identity, ..self.parts().agent.clone() }
    }

    /// The desk's name, which rows carry that are its alone.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.inner.desk
    }

    pub(crate) fn parts(&self) -> &DeskParts {
        &self.inner.parts
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.inner.parts.clock.now()
    }

    pub(crate) async fn append(&self, drafts: Vec<EventDraft>) -> Result<Vec<LedgerEntry>, RetrievalError> {
        Ok(self.parts().ledger.append(drafts).await?)
    }

    /// Appends one draft and tells its number.
    pub(crate) async fn note(&self, draft: EventDraft) -> Result<u64, RetrievalError> {
        let entries = self.append(vec![draft]).await?;
        entries.first().map(|e| e.event.sequence).ok_or_else(|| RetrievalError::Damaged {
            what: "the ledger".into(),
            detail: "an append returned no entry".into(),
        })
    }

    /// The row of a recording.
    pub(crate) async fn row(&self, id: &ArchiveId) -> Result<holdfast_index::IndexRow, RetrievalError> {
        self.parts().index.get(id).await?.ok_or_else(|| RetrievalError::NoRecording(id.clone()))
    }

    /// The rows of recordings, in the order asked.
    pub(crate) async fn rows(&self, ids: &[ArchiveId]) -> Result<Vec<holdfast_index::IndexRow>, RetrievalError> {
        let rows = self.parts().index.get_many(ids).await?;
        rows.into_iter().zip(ids).map(|(row, id)| row.ok_or_else(|| RetrievalError::NoRecording(id.clone()))).collect()
    }

    /// A small object, whole.
    pub(crate) async fn read_small(&self, at: &ObjectLocator) -> Result<Vec<u8>, RetrievalError> {
        let mut stream = self.parts().store.reader.read(at, BYTE_RANGE_ALL).await?;
        let mut bytes = Vec::new();
        while let Some(piece) = stream.try_next().await? {
            if bytes.len() as u64 + piece.len() as u64 > SMALL_OBJECT_MAX_BYTES {
                return Err(RetrievalError::Damaged { what: at.to_string(), detail: "it is far too large".into() });
            }
            bytes.extend_from_slice(&piece);
        }
        Ok(bytes)
    }

    /// Where an object of the metadata bucket lies, beside `media`.
    pub(crate) fn meta_locator(&self, store: &str, key: &holdfast_model::ObjectKey) -> ObjectLocator {
        ObjectLocator {
            store: store.to_owned(),
            bucket: self.parts().store.buckets.meta.clone(),
            key: key.clone(),
            version_id: None,
        }
    }

    /// Changes one persisted thing by compare-and-swap: `change` sees the present document and says what to store, or nothing
    /// to leave it. Returns the work as stored.
    pub(crate) async fn change<D, F>(
        &self,
        kind: WorkKind,
        id: &str,
        mut change: F,
    ) -> Result<Option<Work>, RetrievalError>
    where
        D: DeserializeOwned + Serialize,
        F: FnMut(&mut Work, &mut D) -> Result<bool, RetrievalError> + Send,
    {
        for _ in 0..CAS_ATTEMPTS {
            let Some(mut work) = self.parts().work.get(kind, id).await? else { return Ok(None) };
            let mut doc: D = read_doc(&work)?;
            if !change(&mut work, &mut doc)? {
                return Ok(Some(work));
            }
            work.doc = write_doc(&work.id, &doc)?;
            match self.parts().work.update(work.clone()).await? {
                UpdateOutcome::Updated(revs) => {
                    work.rev = revs.first().copied().unwrap_or(work.rev + 1);
                    return Ok(Some(work));
                }
                UpdateOutcome::Conflict { .. } => tokio::task::yield_now().await,
            }
        }
        Err(RetrievalError::Contended(id.to_owned()))
    }
}

/// The name in a desk's folder, or a new one: host and a random part. The folder is the desk, whoever opens it.
fn desk_name(folder: &Path, agent: &Agent) -> Result<String, RetrievalError> {
    let path = folder.join(".desk");
    let known = || match fs::read_to_string(&path) {
        Ok(name) if !name.trim().is_empty() => Ok(Some(name.trim().to_owned())),
        Ok(_) => Err(RetrievalError::Damaged { what: path.display().to_string(), detail: "it is empty".into() }),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(RetrievalError::io("read", &path)(e)),
    };
    if let Some(name) = known()? {
        return Ok(name);
    }
    let host: String = agent.host.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').take(40).collect();
    let name = format!("{host}-{}", hex::encode(random()?));
    // Of two processes that open a new desk at once the first one names it; nobody ever sees half a name.
    let temp = folder.join(format!(".desk.{}", hex::encode(random()?)));
    let mut file = fs::File::create_new(&temp).map_err(RetrievalError::io("write", &temp))?;
    file.write_all(name.as_bytes()).and_then(|()| file.sync_all()).map_err(RetrievalError::io("write", &temp))?;
    let linked = fs::hard_link(&temp, &path);
    let _ = fs::remove_file(&temp);
    match linked {
        Ok(()) => {
            fs::File::open(folder).and_then(|f| f.sync_all()).map_err(RetrievalError::io("sync the folder", folder))?;
            Ok(name)
        }
        Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => Ok(known()?.unwrap_or(name)),
        Err(e) => Err(RetrievalError::io("name the desk in", &path)(e)),
    }
}

fn random() -> Result<[u8; 6], RetrievalError> {
    let mut random = [0u8; 6];
    getrandom::fill(&mut random).map_err(|e| RetrievalError::Io {
        what: "get random bytes from",
        path: "the operating system".into(),
        source: std::io::Error::other(e.to_string()),
    })?;
    Ok(random)
}

/// Host, process and a random part: unique among all that share the work store.
fn owner_name(agent: &Agent) -> Result<String, RetrievalError> {
    Ok(format!("desk:{}:{}:{}", agent.host, std::process::id(), hex::encode(random()?)))
}

pub(crate) fn read_doc<D: DeserializeOwned>(work: &Work) -> Result<D, RetrievalError> {
    refuse_newer(&work.id, &work.doc)?;
    D::deserialize(&work.doc).map_err(|e| RetrievalError::Damaged { what: work.id.clone(), detail: e.to_string() })
}

pub(crate) fn write_doc<D: Serialize>(what: &str, doc: &D) -> Result<serde_json::Value, RetrievalError> {
    serde_json::to_value(doc).map_err(|e| RetrievalError::Damaged { what: what.to_owned(), detail: e.to_string() })
}

/// One row that cannot be ended must not keep all the others from going on: it is told and met again on the next pass.
pub(crate) fn told<T>(what: &'static str, id: &str, result: Result<T, RetrievalError>) -> Option<T> {
    result.inspect_err(|e| tracing::warn!(id, code = e.code(), "{what} could not be ended: {e}")).ok()
}

/// Tells that a named step was reached. A test may stop the process there, or have it take what was done for failed.
pub(crate) fn passed(name: &'static str) -> Result<(), RetrievalError> {
    holdfast_model::step(name);
    if holdfast_model::fail_after(name) { Err(RetrievalError::Interrupted(name)) } else { Ok(()) }
}

/// A draft about a recording of a matter.
pub(crate) fn draft(
    action: Action,
    phase: Phase,
    agent: &Agent,
    matter: &MatterId,
    id: Option<&ArchiveId>,
) -> EventDraft {
    let draft = EventDraft::new(action, phase, agent.clone()).matter(matter);
    match id {
        Some(id) => draft.about(id),
        None => draft,
    }
}
