//! The demonstration archive: several hundred invented interactions over some years, taken in by the real archiver from a folder
//! of recordings and sidecars, as a customer's would be. Made in steps that are each harmless to repeat, so that one that was
//! broken off goes on where it was.

mod media;
mod people;
mod source;

use crate::{ApiError, Holdfast, Home, OpenOptions, dto::*, home};
use holdfast_model::MatterId;
use serde::{Deserialize, Serialize};
use std::{path::Path, sync::Arc};

/// Marks a home folder as a demonstration and says when it was begun; its dates count back from then.
const MARKER: &str = "demo.json";

/// The configuration that a demonstration starts with: quick cold tier, older calls cold, prices like a cloud's.
const CONFIG: &str = include_str!("../../demo/holdfast.toml");
const PRICES: &str = include_str!("../../demo/prices.toml");

/// Interaction ids that people are pointed to.
pub const TAMPERED: &str = "sample-tampered";
/// The recording whose source file was cut short.
pub const TRUNCATED: &str = "sample-truncated";

#[derive(Serialize, Deserialize)]
struct Marker {
    format: String,
    /// Milliseconds since the epoch.
    begun_ms: i64,
    interactions: u32,
    done: bool,
}

/// What there is to see in a demonstration.
#[derive(Debug, Clone, Serialize)]
pub struct Demo {
    /// Home folder.
    pub home: String,
    /// Recordings in the archive.
    pub recordings: u64,
    /// The matter with a deadline.
    pub matter_id: String,
    /// Archive id of the recording that was tampered with after archiving.
    pub tampered: String,
    /// Items in quarantine, the truncated one among them.
    pub quarantined: u64,
}

impl Demo {
    /// For people.
    #[must_use]
    pub fn sentence(&self) -> String {
        format!(
            "Sample archive with {} recordings in {}.\nMatter {} waits with its deadline; {} was tampered with ({}); {} in quarantine \
             (one was cut short at its source). All people in it are invented.",
            self.recordings, self.home, self.matter_id, TAMPERED, self.tampered, self.quarantined
        )
    }
}

/// Whether the home folder holds a demonstration.
pub(crate) fn is_demo(home: &Home) -> bool {
    home.root().join(MARKER).exists()
}

/// Opens a home folder for a demonstration. A new folder gets the demonstration's configuration first; one that holds a real archive
/// is refused.
///
/// # Errors
/// `demo.not_a_demo`, and as [`Holdfast::open`].
pub async fn open(options: OpenOptions) -> Result<Arc<Holdfast>, ApiError> {
    let (home, lock) = Home::open(&options.home)?;
    if !is_demo(&home) {
        if home.config_file().exists() || home.archive().exists() {
            let message = format!("{} holds a real archive", home.root().display());
            let next = "Name another folder with --home DIR; the demonstration never mixes with real recordings.";
            return Err(ApiError::usage("demo.not_a_demo", message, next));
        }
        home::write_atomic(&home.root().join("prices.toml"), PRICES.as_bytes())?;
        let prices = toml::Value::String(home.root().join("prices.toml").display().to_string());
        home::write_atomic(&home.config_file(), CONFIG.replace("@PRICES@", &prices.to_string()).as_bytes())?;
        let marker = Marker {
            format: "holdfast-demo/1".into(),
            begun_ms: holdfast_model::Clock::now(&holdfast_model::SystemClock).as_millisecond(),
            interactions: 0,
            done: false,
        };
        write_marker(&home, &marker)?;
    }
    drop(lock);
    Holdfast::open(options).await
}

fn write_marker(home: &Home, marker: &Marker) -> Result<(), ApiError> {
    let bytes = serde_json::to_vec_pretty(marker).map_err(|e| ApiError::internal(&e))?;
    home::write_atomic(&home.root().join(MARKER), &bytes)
}

fn read_marker(home: &Home) -> Result<Marker, ApiError> {
    let bytes = std::fs::read(home.root().join(MARKER)).map_err(|e| home::cannot(home.root(), &e))?;
    serde_json::from_slice(&bytes).map_err(|e| ApiError::internal(&e))
}

/// Makes the sample archive, or goes on making it; does nothing where it is made.
///
/// # Errors
/// What archiver, desk and disk say.
pub async fn make(holdfast: &Arc<Holdfast>, interactions: u32) -> Result<Demo, ApiError> {
    let caller = holdfast.local_caller("demo");
    let mut marker = read_marker(&holdfast.home)?;
    if !marker.done {
        if marker.interactions == 0 {
            marker.interactions = interactions.clamp(20, 5_000);
            write_marker(&holdfast.home, &marker)?;
        }
        let folder = holdfast.home.root().join("demo-source");
        let (begun_ms, count, target) = (marker.begun_ms, marker.interactions, folder.clone());
        let written = tokio::task::spawn_blocking(move || source::write(&target, begun_ms, count)).await;
        written.map_err(|e| ApiError::internal(&e))?.map_err(|e| home::cannot(&folder, &e))?;
        holdfast.ingest(&caller, IngestRequest { path: folder.display().to_string(), mapping: None }).await?;
        open_matter(holdfast, marker.begun_ms).await?;
        tamper(holdfast).await?;
        marker.done = true;
        write_marker(&holdfast.home, &marker)?;
    }
    let tampered = find(holdfast, |r| r.interaction = Some(TAMPERED.into())).await?;
    let matters = holdfast.desk.matters().await?;
    Ok(Demo {
        home: holdfast.home.root().display().to_string(),
        recordings: holdfast.index.count().await?,
        matter_id: matters.first().map(|m| m.matter_id.to_string()).unwrap_or_default(),
        tampered: tampered.first().cloned().unwrap_or_default(),
        quarantined: holdfast.archiver.quarantined().await?,
    })
}

async fn find(holdfast: &Holdfast, fill: impl FnOnce(&mut SearchRequest)) -> Result<Vec<String>, ApiError> {
    let mut request = SearchRequest { limit: Some(1000), ..SearchRequest::default() };
    fill(&mut request);
    let page = holdfast.search(&holdfast.local_caller("demo"), request).await?;
    Ok(page.results.into_iter().map(|r| r.archive_id).collect())
}

/// One matter under hold with a deadline: everything of one customer in the fraud queue, cold and hot.
async fn open_matter(holdfast: &Holdfast, begun_ms: i64) -> Result<(), ApiError> {
    let caller = holdfast.local_caller("demo");
    let due = jiff::Timestamp::from_millisecond(begun_ms + 2 * 86_400_000).map_err(|e| ApiError::internal(&e))?;
    let matter = holdfast
        .matter_create(
            &caller,
            MatterCreateRequest {
                name: "Doe v. Acme Bank (sample)".into(),
                reference: "24-CV-1182".into(),
                justification: "Subpoena of 2 November: every recorded contact of the claimant with the fraud desk."
                    .into(),
                deadline: due.to_string(),
                requester: Some("Office of the General Counsel (sample)".into()),
                idempotency: Some("demo".into()),
            },
        )
        .await?
        .matter_id;
    let ids = find(holdfast, |r| {
        r.participant = Some(people::CUSTOMERS[0].into());
        r.queue = Some("fraud".into());
    })
    .await?;
    // Spread over the years, so that some lie in the cold tier and some do not.
    let every = ids.len().div_ceil(12).max(1);
    let ids: Vec<String> = ids.into_iter().step_by(every).collect();
    // A very small sample may have none.
    if !ids.is_empty() {
        holdfast.matter_add(&caller, MatterAddRequest { matter: matter.clone(), ids }).await?;
    }
    let id = crate::usecase::id::<MatterId>(&matter)?;
    if holdfast.desk.matter(&id).await?.hold.is_none() {
        let reason = "Duty to preserve from receipt of the subpoena.".into();
        holdfast.hold(&caller, HoldRequest { matter, on: true, reason }).await?;
    }
    Ok(())
}

/// Flips one bit of one archived recording behind Holdfast's back, as somebody with access to the disk could.
async fn tamper(holdfast: &Holdfast) -> Result<(), ApiError> {
    for id in find(holdfast, |r| r.interaction = Some(TAMPERED.into())).await? {
        let row = holdfast.row(&id).await?;
        let root = &holdfast.loaded.config.archive.folder;
        let root = if root.as_os_str().is_empty() { holdfast.home.archive() } else { root.clone() };
        let path = root.join(&row.locator.bucket).join("hot").join(row.locator.key.as_str());
        flip(&path, 4_000).map_err(|e| home::cannot(&path, &e))?;
    }
    Ok(())
}

/// Flips the lowest bit of the byte at `at`, once: a file that is changed already (its write bit is set) is left.
fn flip(path: &Path, at: u64) -> std::io::Result<()> {
    use std::os::unix::fs::{FileExt as _, PermissionsExt as _};
    if std::fs::metadata(path)?.permissions().mode() & 0o200 != 0 {
        return Ok(());
    }
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o644))?;
    let file = std::fs::OpenOptions::new().read(true).write(true).open(path)?;
    let mut byte = [0u8];
    file.read_exact_at(&mut byte, at)?;
    file.write_all_at(&[byte[0] ^ 1], at)?;
    file.sync_all()
}
