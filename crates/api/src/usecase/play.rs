use crate::{ApiError, ApiErrorKind, Caller, Holdfast, dto::*, task::lock};
use bytes::Bytes;
use holdfast_audio::{Channels, Player, Resolution, WavView, peaks};
use holdfast_index::IndexRow;
use holdfast_ledger::{Action, EventDraft, EventOutcome, Intent, Phase};
use holdfast_model::{MatterId, MediaKind};
use holdfast_retrieval::RetrievalError;
use std::{
    collections::HashMap,
    io::{Read as _, Seek as _, SeekFrom},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

/// Pieces that media are given out in.
const PIECE_BYTES: usize = 64 * 1024;

/// Playbacks under way in this process.
#[derive(Default)]
pub(crate) struct Players {
    sessions: Mutex<HashMap<String, Arc<Session>>>,
}

/// One playback: announced in the ledger when it begins, concluded there when it ends.
struct Session {
    id: String,
    row: IndexRow,
    path: PathBuf,
    kind: &'static str,
    intent: Intent,
    player: Option<Player>,
    channels: Mutex<Channels>,
    /// Furthest place that was given out, in milliseconds of the recording or bytes of the file.
    reached: AtomicU64,
}

/// Something that a browser plays or shows, opened for one request.
pub struct Media {
    source: Source,
    media_type: String,
    len_bytes: u64,
    session: Arc<Session>,
}

enum Source {
    /// 16-bit PCM made while it is read.
    Wav(Box<WavView>),
    /// The original.
    File(std::fs::File),
}

impl Media {
    /// Length of the whole, in bytes.
    #[must_use]
    pub fn len_bytes(&self) -> u64 {
        self.len_bytes
    }

    /// IANA media type.
    #[must_use]
    pub fn media_type(&self) -> &str {
        &self.media_type
    }

    /// Gives out `len` bytes from `start` in pieces; ends early where `take` says that nobody wants more. Blocks on disk and
    /// decoder.
    ///
    /// # Errors
    /// `audio.*`, or what the disk says.
    pub fn read(mut self, start: u64, len: u64, take: &mut dyn FnMut(Bytes) -> bool) -> Result<(), ApiError> {
        let end = start.saturating_add(len).min(self.len_bytes);
        let mut at = start;
        let mut piece = vec![0u8; PIECE_BYTES];
        match &mut self.source {
            Source::Wav(view) => view.seek(SeekFrom::Start(start)),
            Source::File(file) => file.seek(SeekFrom::Start(start)),
        }
        .map_err(|e| unreadable(&self.session.path, &e))?;
        while at < end {
            let want = usize::try_from(end - at).unwrap_or(PIECE_BYTES).min(PIECE_BYTES);
            let got = match &mut self.source {
                Source::Wav(view) => view.read(&mut piece[..want]),
                Source::File(file) => file.read(&mut piece[..want]),
            }
            .map_err(|e| unreadable(&self.session.path, &e))?;
            if got == 0 {
                break;
            }
            at += got as u64;
            self.session.reached.fetch_max(at, Ordering::Relaxed);
            if !take(Bytes::copy_from_slice(&piece[..got])) {
                break;
            }
        }
        Ok(())
    }
}

fn unreadable(path: &Path, e: &std::io::Error) -> ApiError {
    let message = format!("the verified copy {} cannot be read: {e}", path.display());
    ApiError::new(ApiErrorKind::Failure, "play.unreadable", message, "Close the player and open the recording again.")
}

/// The store names an object; people know a recording.
fn plainly(e: RetrievalError) -> ApiError {
    let mut error = ApiError::from(e);
    if error.code == "store.offline" {
        error.message = "this recording lies in the cold tier and must be brought back first".into();
    }
    error
}

fn no_session() -> ApiError {
    ApiError::usage(
        "play.no_session",
        "this playback has ended",
        "Press play again; it will be recorded as another playback.",
    )
}

impl Holdfast {
    /// Begins a playback. The copy that will be heard is verified first; one that was verified before and has not changed since is
    /// not read again.
    ///
    /// # Errors
    /// `play.reason_needed`, `play.not_verified`, `store.offline`, `audio.*`.
    pub async fn play(&self, caller: &Caller, r: PlayRequest) -> Result<PlaySession, ApiError> {
        let row = self.row(&r.id).await?;
        let matter: Option<MatterId> = r.matter.as_deref().map(super::id).transpose()?;
        let reason = r.reason.filter(|s| !s.trim().is_empty());
        let in_matter = !self.desk.matters_of(&row.archive_id).await?.is_empty();
        if reason.is_none() && self.needs_reason(&row, in_matter) {
            let message = "playing this recording needs a reason, which is kept in the ledger";
            let next = "Say why you play it (--reason \"...\").";
            return Err(ApiError::usage("play.reason_needed", message, next));
        }
        let mut draft = EventDraft::new(Action::Playback, Phase::Intent, caller.agent().clone())
            .about(&row.archive_id)
            .object(&row.locator)
            .detail("via", caller.via());
        draft.digest_before = Some(row.fixity.digest);
        draft.reason = reason;
        draft.matter = matter;
        let intent = self.ledger.intend(draft).await?;
        match self.begin_playback(caller, row, &intent, r.here).await {
            Ok(session) => Ok(session),
            Err(e) => {
                let refused = e.code == "play.not_verified";
                let outcome = if refused { EventOutcome::Refused } else { EventOutcome::Failed };
                let code = e.code.clone();
                intent
                    .conclude(&self.ledger, outcome, |mut d| {
                        d.code = Some(code);
                        d
                    })
                    .await?;
                Err(e)
            }
        }
    }

    async fn begin_playback(
        &self,
        caller: &Caller,
        row: IndexRow,
        intent: &Intent,
        here: bool,
    ) -> Result<PlaySession, ApiError> {
        let (sink, cancel) = self.task(&format!("verify:{}", row.archive_id));
        let copy =
            self.desk.playable_copy(&row.archive_id, caller.agent(), sink.as_ref(), &cancel).await.map_err(plainly)?;
        drop(sink);
        if copy.outcome == holdfast_verify::Outcome::Failed {
            let message = "its verification failed, so it is not played as evidence";
            let next = "Read the findings with `holdfast verify`, and keep the archive as it is.";
            return Err(ApiError::new(ApiErrorKind::Evidence, "play.not_verified", message, next)
                .with_evidence("These are not provably the bytes that were archived."));
        }
        let kind = match row.record.media {
            MediaKind::Screen if row.probe.video_codec.is_some() => "video",
            m if m.is_timed() => "audio",
            _ => "text",
        };
        let id = format!("play-{}", intent.sequence());
        let mut duration_ms = row.duration_ms().filter(|_| kind != "text");
        let mut channels = row.probe.channels.unwrap_or(0);
        let player = if here && kind != "text" {
            let path = copy.path.clone();
            let loaded = tokio::task::spawn_blocking(move || {
                let player = Player::new();
                player.load(&path).map(|spec| (player, spec))
            });
            let (player, spec) = loaded.await.map_err(|e| ApiError::internal(&e))??;
            duration_ms = spec.duration_ms().or(duration_ms);
            channels = spec.channels;
            Some(player)
        } else {
            None
        };
        let answer = PlaySession {
            session: id.clone(),
            archive_id: row.archive_id.to_string(),
            kind: kind.into(),
            media_path: format!("/media/{id}"),
            duration_ms,
            channels,
            outcome: copy.outcome.as_str().into(),
        };
        let session = Session {
            id: id.clone(),
            row,
            path: copy.path,
            kind,
            intent: intent.clone(),
            player,
            channels: Mutex::new(Channels::Both),
            reached: AtomicU64::new(0),
        };
        lock(&self.players.sessions).insert(id, Arc::new(session));
        Ok(answer)
    }

    /// Steers a playback.
    ///
    /// # Errors
    /// `play.no_session`, `audio.*` (no loudspeaker, say).
    pub async fn player(&self, _: &Caller, r: PlayerRequest) -> Result<PlayerState, ApiError> {
        let session = lock(&self.players.sessions).get(&r.session).cloned().ok_or_else(no_session)?;
        if matches!(r.action, PlayerAction::Stop) {
            let state = session.state("stopped");
            self.end(&session).await?;
            return Ok(state);
        }
        let steered = Arc::clone(&session);
        let done = tokio::task::spawn_blocking(move || steered.steer(&r.action)).await;
        done.map_err(|e| ApiError::internal(&e))??;
        Ok(session.state("playing"))
    }

    async fn end(&self, session: &Arc<Session>) -> Result<(), ApiError> {
        lock(&self.players.sessions).remove(&session.id);
        let state = session.state("stopped");
        if session.player.is_some() {
            let stopping = Arc::clone(session);
            let done = tokio::task::spawn_blocking(move || stopping.player.as_ref().map(Player::stop)).await;
            done.map_err(|e| ApiError::internal(&e))?;
        }
        let (what, reached) = match session.player {
            Some(_) => ("heard_to_ms", state.position_ms),
            None => ("read_to_byte", session.reached.load(Ordering::Relaxed)),
        };
        session
            .intent
            .conclude(&self.ledger, EventOutcome::Succeeded, |d| {
                d.detail(what, reached.to_string()).detail("channels", state.channels)
            })
            .await?;
        Ok(())
    }

    /// Ends every playback of this process, so that its outcome stands in the ledger.
    pub(crate) async fn stop_players(&self) {
        let all: Vec<Arc<Session>> = lock(&self.players.sessions).values().cloned().collect();
        for session in all {
            if let Err(e) = self.end(&session).await {
                tracing::warn!(code = e.code, "a playback could not be concluded: {e}");
            }
        }
    }

    /// Opens what a playback's `media_path` names. `channels` is `both`, `agent` or `customer`. Blocks on the disk.
    ///
    /// # Errors
    /// `play.no_session`, `audio.*`.
    pub fn media(&self, session: &str, channels: &str) -> Result<Media, ApiError> {
        let session = lock(&self.players.sessions).get(session).cloned().ok_or_else(no_session)?;
        let (source, media_type, len_bytes) = if session.kind == "audio" {
            let view = WavView::open(&session.path, parse_channels(channels)?)?;
            let len = view.len_bytes();
            (Source::Wav(Box::new(view)), "audio/wav".to_owned(), len)
        } else {
            let file = std::fs::File::open(&session.path).map_err(|e| unreadable(&session.path, &e))?;
            let len = file.metadata().map_err(|e| unreadable(&session.path, &e))?.len();
            // Transcripts are shown as text whatever they are: an e-mail's HTML must not run here.
            let media_type = if session.kind == "text" { "text/plain; charset=utf-8" } else { &session.row.media_type };
            (Source::File(file), media_type.to_owned(), len)
        };
        Ok(Media { source, media_type, len_bytes, session })
    }

    /// Peaks for drawing a waveform, from a verified copy only. Kept beside the home's other caches; never evidence.
    ///
    /// # Errors
    /// `play.not_verified`, `store.offline`, `audio.*`.
    pub async fn waveform(&self, caller: &Caller, r: WaveformRequest) -> Result<Waveform, ApiError> {
        let row = self.row(&r.id).await?;
        let (sink, cancel) = self.task(&format!("waveform:{}", row.archive_id));
        let copy =
            self.desk.playable_copy(&row.archive_id, caller.agent(), sink.as_ref(), &cancel).await.map_err(plainly)?;
        if copy.outcome == holdfast_verify::Outcome::Failed {
            let message = "its verification failed, so no waveform is drawn";
            let next = "Read the findings with `holdfast verify`.";
            return Err(ApiError::new(ApiErrorKind::Evidence, "play.not_verified", message, next));
        }
        let columns = r.columns.clamp(1, 20_000);
        let cache = self.home.peaks().join(format!("{}-{columns}.json", row.fixity.digest));
        if let Some(kept) = std::fs::read(&cache).ok().and_then(|b| serde_json::from_slice::<Waveform>(&b).ok()) {
            return Ok(kept);
        }
        let drawn = tokio::task::spawn_blocking(move || {
            peaks(&copy.path, Resolution::Buckets(columns), &cancel, sink.as_ref())
        });
        let drawn = drawn.await.map_err(|e| ApiError::internal(&e))??;
        let scale = |v: i16| f32::from(v) / 32_767.0;
        let waveform = Waveform {
            duration_ms: drawn.duration_ms,
            channels: drawn
                .channels
                .iter()
                .map(|c| c.min.iter().zip(&c.max).flat_map(|(lo, hi)| [scale(*lo), scale(*hi)]).collect())
                .collect(),
        };
        // A cache that cannot be written is no reason to show nothing.
        if std::fs::create_dir_all(self.home.peaks()).is_ok()
            && let Ok(bytes) = serde_json::to_vec(&waveform)
        {
            let _ = crate::home::write_atomic(&cache, &bytes);
        }
        Ok(waveform)
    }
}

fn parse_channels(who: &str) -> Result<Channels, ApiError> {
    match who {
        "" | "both" => Ok(Channels::Both),
        "agent" => Ok(Channels::Left),
        "customer" => Ok(Channels::Right),
        _ => {
            let shown: String = who.chars().take(40).collect();
            let next = "Choose one of both, agent, customer.";
            Err(ApiError::usage("api.bad_choice", format!("`{shown}` is nobody who can be heard"), next))
        }
    }
}

impl Session {
    fn steer(&self, action: &PlayerAction) -> Result<(), ApiError> {
        if let PlayerAction::Channels { who } = action {
            *lock(&self.channels) = parse_channels(who)?;
        }
        let Some(player) = &self.player else { return Ok(()) };
        match action {
            PlayerAction::Play => player.play()?,
            PlayerAction::Pause => player.pause()?,
            PlayerAction::Seek { to_ms } => player.seek(*to_ms)?,
            PlayerAction::Speed { factor } => player.set_speed(*factor)?,
            PlayerAction::Volume { level } => player.set_volume(level.clamp(0.0, 1.0)),
            PlayerAction::Channels { .. } => player.set_channels(*lock(&self.channels)),
            PlayerAction::Stop | PlayerAction::State => {}
        }
        Ok(())
    }

    /// Where it is; `elsewhere` is told where a browser plays and only it knows.
    fn state(&self, elsewhere: &str) -> PlayerState {
        let channels = match *lock(&self.channels) {
            Channels::Both => "both",
            Channels::Left => "agent",
            Channels::Right => "customer",
        };
        let status = self.player.as_ref().map(Player::status);
        let word = status.as_ref().map_or(elsewhere, |s| {
            use holdfast_audio::PlayerState as S;
            match s.state {
                S::Playing => "playing",
                S::Paused | S::Stopped => "paused",
                S::Ended => "ended",
                S::Empty | S::Failed => "stopped",
            }
        });
        PlayerState {
            session: self.id.clone(),
            state: if elsewhere == "stopped" { "stopped" } else { word }.into(),
            position_ms: status.as_ref().map_or(0, |s| s.position_ms),
            duration_ms: status.as_ref().map_or(self.row.duration_ms(), |s| s.duration_ms),
            speed: status.as_ref().map_or(1.0, |s| s.speed),
            volume: status.as_ref().map_or(1.0, |s| s.volume),
            channels: channels.into(),
        }
    }
}
