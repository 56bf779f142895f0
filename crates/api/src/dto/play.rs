use super::dto;

dto! {
    /// Asks to play (or show) a recording: an action on evidence.
    #[serde(deny_unknown_fields)]
    pub struct PlayRequest {
        /// Recording.
        pub id: String,
        /// Why; needed where policy says so.
        #[serde(default)]
        #[ts(optional)]
        pub reason: Option<String>,
        /// For which matter.
        #[serde(default)]
        #[ts(optional)]
        pub matter: Option<String>,
        /// Whether this machine's loudspeaker plays it (window, CLI); otherwise the caller fetches `media_path`.
        #[serde(default)]
        pub here: bool,
    }

    /// A playback that stands in the ledger.
    pub struct PlaySession {
        /// Names it in further calls.
        pub session: String,
        /// Recording.
        pub archive_id: String,
        /// `audio`, `video`, `text`.
        pub kind: String,
        /// Path below the gateway from which a browser plays it: 16-bit PCM WAV made on the fly for audio, the original for
        /// video. Takes `?channels=both|agent|customer`.
        pub media_path: String,
        /// Length.
        #[ts(type = "number | null")]
        pub duration_ms: Option<u64>,
        /// Channels.
        pub channels: u16,
        /// Outcome of the verification that let it be played.
        pub outcome: String,
    }

    /// What to do with a playback on this machine's loudspeaker.
    #[serde(deny_unknown_fields)]
    pub struct PlayerRequest {
        /// Session.
        pub session: String,
        /// The action.
        pub action: PlayerAction,
    }

    /// An action of the player.
    #[serde(tag = "do")]
    pub enum PlayerAction {
        /// Goes on.
        Play,
        /// Pauses.
        Pause,
        /// Jumps.
        Seek {
            /// From the beginning.
            #[ts(type = "number")]
            to_ms: u64,
        },
        /// Sets the speed.
        Speed {
            /// 0.5 to 2.0.
            factor: f32,
        },
        /// Sets the volume.
        Volume {
            /// 0.0 to 1.0.
            level: f32,
        },
        /// Chooses who is heard: `both`, `agent`, `customer`.
        Channels {
            /// The choice.
            who: String,
        },
        /// Ends the session; its outcome goes to the ledger.
        Stop,
        /// Changes nothing; asks for the state.
        State,
    }

    /// Where a player is.
    pub struct PlayerState {
        /// Session.
        pub session: String,
        /// `playing`, `paused`, `ended`, `stopped`.
        pub state: String,
        /// From the beginning.
        #[ts(type = "number")]
        pub position_ms: u64,
        /// Length.
        #[ts(type = "number | null")]
        pub duration_ms: Option<u64>,
        /// Speed.
        pub speed: f32,
        /// Volume.
        pub volume: f32,
        /// `both`, `agent`, `customer`.
        pub channels: String,
    }

    /// Asks for a waveform. It is drawn from the verified copy at the desk only.
    #[serde(deny_unknown_fields)]
    pub struct WaveformRequest {
        /// Recording.
        pub id: String,
        /// How many columns at most.
        pub columns: u32,
    }

    /// Peaks for drawing.
    pub struct Waveform {
        /// Length.
        #[ts(type = "number")]
        pub duration_ms: u64,
        /// Per channel, pairs of lowest and highest sample of a column, each from -1 to 1.
        pub channels: Vec<Vec<f32>>,
    }
}
