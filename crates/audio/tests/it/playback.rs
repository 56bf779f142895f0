//! What comes out of the sound system, recorded behind it.

use crate::{
    fixtures::{alone, by_name, source},
    signal::{Sound, at_rate, best_shift, correlation, split},
};
use holdfast_audio::{Channels, Player, PlayerState};
use holdfast_model::Fault as _;
use std::{
    io::Read,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

const CHILD: &str = "HOLDFAST_TEST_SOUND";
const RATE: u32 = 48_000;

/// Runs the named test of this binary once more with the sound server in its environment, which a process can't safely
/// change for itself. True in the process that shall do the work.
fn inside(test: &str, server: &str) -> bool {
    if std::env::var_os(CHILD).is_some() {
        return true;
    }
    let _alone = alone();
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture", "--test-threads", "1"])
        .envs([(CHILD, "1"), ("PULSE_SERVER", server), ("ALSA_CONFIG_PATH", "/dev/null")])
        .output()
        .unwrap();
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
    text.lines().filter(|l| l.contains("correlates")).for_each(|l| println!("{l}"));
    false
}

/// A PulseAudio server of our own with a sink that plays into nothing.
struct Server {
    child: Child,
    dir: tempfile::TempDir,
}

impl Server {
    fn start() -> Self {
        let dir = tempfile::Builder::new().prefix("holdfast-sound").tempdir().unwrap();
        let socket = dir.path().join("native");
        let home = dir.path().to_str().unwrap().to_owned();
        let native = format!("module-native-protocol-unix socket={} auth-anonymous=1", socket.display());
        let child = Command::new("pulseaudio")
            .args(["-n", "--system=false", "--daemonize=no", "--use-pid-file=no", "--exit-idle-time=-1"])
            .args(["--disallow-exit", "--log-level=error", "--realtime=no"])
            .args(["-L", "module-null-sink sink_name=out rate=48000 channels=2 format=float32le", "-L", &native])
            .envs([
                ("HOME", &home),
                ("XDG_RUNTIME_DIR", &home),
                ("PULSE_RUNTIME_PATH", &home),
                ("PULSE_STATE_PATH", &home),
            ])
            .env_remove("PULSE_SERVER")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("pulseaudio is needed for these tests");
        let server = Self { child, dir };
        let deadline = Instant::now() + Duration::from_secs(30);
        while !socket.exists() {
            assert!(Instant::now() < deadline, "pulseaudio did not open its socket");
            std::thread::sleep(Duration::from_millis(20));
        }
        server
    }

    fn address(&self) -> String {
        format!("unix:{}/native", self.dir.path().display())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Records what the sink plays.
struct Recorder {
    child: Child,
    reader: std::thread::JoinHandle<Vec<u8>>,
}

impl Recorder {
    fn start() -> Self {
        let mut child = Command::new("parec")
            .args(["--device=out.monitor", "--format=float32le", "--rate=48000", "--channels=2", "--raw"])
            .args(["--latency-msec=20"])
            .stdout(Stdio::piped())
            .spawn()
            .expect("parec is needed for these tests");
        let mut output = child.stdout.take().unwrap();
        let (started, ready) = std::sync::mpsc::channel();
        let reader = std::thread::spawn(move || {
            let (mut all, mut buffer) = (Vec::new(), [0; 4_096]);
            while let Ok(n) = output.read(&mut buffer) {
                if n == 0 {
                    break;
                }
                all.extend_from_slice(&buffer[..n]);
                let _ = started.send(());
            }
            all
        });
        ready.recv_timeout(Duration::from_secs(30)).expect("parec records nothing");
        Self { child, reader }
    }

    /// What was heard, from the first sound to the last.
    fn finish(mut self) -> Sound {
        std::thread::sleep(Duration::from_millis(300));
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        let bytes = self.reader.join().unwrap();
        let samples: Vec<f32> = bytes.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect();
        let first = samples.iter().position(|x| *x != 0.0).unwrap_or(samples.len()) / 2 * 2;
        let last = samples.iter().rposition(|x| *x != 0.0).map_or(first, |i| i / 2 * 2 + 2);
        Sound { rate: RATE, channels: split(&samples[first..last], 2) }
    }
}

fn until(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !done() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Plays from `from_ms` to the end and records it, until `good` is content. A machine that is too busy to feed its sound
/// server gets pauses inserted or sound dropped by the server, which is not what is tested; wrong sound stays wrong however
/// often it is played.
fn recorded(path: &Path, from_ms: u64, prepare: impl Fn(&Player), good: impl Fn(&Sound) -> Result<(), String>) {
    let mut tries = Vec::new();
    for _ in 0..15 {
        let recorder = Recorder::start();
        let player = Player::new();
        player.load(path).unwrap();
        player.seek(from_ms).unwrap();
        assert_eq!(player.position_ms(), from_ms);
        prepare(&player);
        player.play().unwrap();
        until("the recording does not end", || player.state() == PlayerState::Ended);
        match good(&recorder.finish()) {
            Ok(()) => return,
            Err(e) => tries.push(e),
        }
    }
    panic!("not once in 15 times: {tries:?}");
}

/// Whether each ear hears what it should.
fn alike(expected: [&[f32]; 2], heard: &Sound) -> Result<(), String> {
    let like = [0, 1].map(|c| likeness(expected[c], &heard.channels[c]));
    println!("left correlates {:.5}, right {:.5}", like[0], like[1]);
    if like.iter().all(|l| *l > 0.99) { Ok(()) } else { Err(format!("correlates {like:?}")) }
}

/// How alike the heard sound is to what should be heard, at the best shift within a second: coarsely first, then exactly.
fn likeness(expected: &[f32], heard: &[f32]) -> f64 {
    const COARSE: usize = 8;
    let thin = |x: &[f32]| x.iter().step_by(COARSE).copied().take(4 * RATE as usize / COARSE).collect::<Vec<_>>();
    let (coarse, _) = best_shift(&thin(expected), &thin(heard), RATE as usize / COARSE);
    let coarse = coarse * COARSE as i64;
    let cut = |x: &'_ [f32], n: i64| x[usize::try_from(n).unwrap_or(0).min(x.len())..].to_vec();
    let (expected, heard) = (cut(expected, -coarse), cut(heard, coarse));
    let n = (3 * RATE as usize).min(expected.len()).min(heard.len());
    let (fine, _) = best_shift(&expected[..n], &heard[..n], 2 * COARSE);
    correlation(&cut(&expected, -fine), &cut(&heard, fine))
}

fn server() -> Option<Server> {
    std::env::var_os(CHILD).is_none().then(Server::start)
}

fn with_server(test: &str) -> bool {
    let server = server();
    inside(test, &server.as_ref().map_or_else(String::new, Server::address))
}

fn heard_as_recorded(file: &str, from: &str) {
    let expected = at_rate(&source(from), RATE);
    let expected = [0, 1].map(|c: usize| &expected.channels[c][4 * RATE as usize..]);
    recorded(&by_name(file), 4_000, |_| {}, |heard| alike(expected, heard));
}

#[test]
fn telephone_sound_is_heard_as_recorded() {
    if with_server("playback::telephone_sound_is_heard_as_recorded") {
        heard_as_recorded("mulaw.wav", "call");
    }
}

#[test]
fn wide_stereo_sound_is_heard_as_recorded() {
    if with_server("playback::wide_stereo_sound_is_heard_as_recorded") {
        heard_as_recorded("s16.wav", "call");
        heard_as_recorded("s24.wav", "wide");
    }
}

#[test]
fn a_seek_is_heard_at_its_place_and_one_channel_in_both_ears() {
    if !with_server("playback::a_seek_is_heard_at_its_place_and_one_channel_in_both_ears") {
        return;
    }
    let expected = at_rate(&source("call"), RATE);
    for (choice, channel) in [(Channels::Left, 0), (Channels::Right, 1)] {
        let both = [&expected.channels[channel][6 * RATE as usize..]; 2];
        recorded(&by_name("mulaw.wav"), 6_000, |p| p.set_channels(choice), |heard| alike(both, heard));
    }
}

#[test]
fn speed_shortens_what_is_heard() {
    if !with_server("playback::speed_shortens_what_is_heard") {
        return;
    }
    let ends = Arc::new(AtomicU32::new(0));
    let prepare = |p: &Player| {
        let ends = ends.clone();
        p.on_end(move || _ = ends.fetch_add(1, Ordering::SeqCst)).unwrap();
        p.set_speed(2.0).unwrap();
    };
    recorded(&by_name("mulaw.wav"), 0, prepare, |heard| {
        let seconds = heard.frames() as f64 / f64::from(RATE);
        if (4.3..4.75).contains(&seconds) { Ok(()) } else { Err(format!("9.1 s at double speed took {seconds:.2} s")) }
    });
    assert!(ends.load(Ordering::SeqCst) >= 1);
}

#[test]
fn pause_seek_stop_and_volume_do_what_they_say() {
    if !with_server("playback::pause_seek_stop_and_volume_do_what_they_say") {
        return;
    }
    let player = Player::new();
    assert_eq!(player.state(), PlayerState::Empty);
    assert_eq!(player.play().unwrap_err().code(), "audio.nothing_loaded");
    let spec = player.load(&by_name("opus.ogg")).unwrap();
    assert_eq!((spec.sample_rate_hz, player.state()), (48_000, PlayerState::Stopped));
    assert!(player.status().duration_ms.unwrap().abs_diff(9_137) < 50);
    player.set_volume(0.0);
    let recorder = Recorder::start();
    player.play().unwrap();
    until("it does not go on", || player.position_ms() > 300);
    player.pause().unwrap();
    std::thread::sleep(Duration::from_millis(100));
    let held = player.position_ms();
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!((player.position_ms(), player.state()), (held, PlayerState::Paused));
    player.seek(8_000).unwrap();
    assert_eq!((player.position_ms(), player.state()), (8_000, PlayerState::Paused));
    player.play().unwrap();
    until("it does not end", || player.state() == PlayerState::Ended);
    assert!(player.position_ms() > 9_000);
    player.play().unwrap();
    until("it does not begin again", || (100..4_000).contains(&player.position_ms()));
    player.stop().unwrap();
    assert_eq!((player.position_ms(), player.state()), (0, PlayerState::Stopped));
    assert_eq!(recorder.finish().frames(), 0, "nothing is heard at volume 0");
    player.seek(u64::MAX).unwrap();
    player.play().unwrap();
    until("beyond the end is the end", || player.state() == PlayerState::Ended);
    let missing = player.load(&PathBuf::from("/nonexistent")).unwrap_err();
    assert_eq!((missing.code(), player.state()), ("audio.io", PlayerState::Empty));
}

#[test]
fn without_a_device_there_is_a_sentence_and_no_panic() {
    if !inside("playback::without_a_device_there_is_a_sentence_and_no_panic", "unix:/nonexistent/holdfast") {
        return;
    }
    let player = Player::new();
    player.load(&by_name("mulaw.wav")).unwrap();
    let error = player.play().unwrap_err();
    assert_eq!(error.code(), "audio.no_device");
    assert!(error.to_string().contains("no sound device") && !error.next().is_empty(), "{error}");
    let status = player.status();
    assert_eq!(status.state, PlayerState::Failed);
    assert_eq!(status.fault.map(|f| f.0).as_deref(), Some("audio.no_device"));
    player.seek(1_000).unwrap();
    assert_eq!(player.position_ms(), 1_000);
}

#[test]
fn a_sound_server_that_dies_is_told() {
    if std::env::var_os(CHILD).is_none() {
        let server = Server::start();
        let kill = server.child.id().to_string();
        let _held = std::fs::write(server.dir.path().join("pid"), &kill);
        inside("playback::a_sound_server_that_dies_is_told", &server.address());
        return;
    }
    let address = std::env::var("PULSE_SERVER").unwrap();
    let dir = Path::new(address.strip_prefix("unix:").unwrap()).parent().unwrap().to_owned();
    let pid = std::fs::read_to_string(dir.join("pid")).unwrap();
    let player = Player::new();
    player.load(&by_name("mulaw.wav")).unwrap();
    player.play().unwrap();
    until("it does not go on", || player.position_ms() > 200);
    assert!(Command::new("kill").args(["-9", &pid]).status().unwrap().success());
    until("the loss is not noticed", || player.state() == PlayerState::Failed);
    assert_eq!(player.status().fault.map(|f| f.0).as_deref(), Some("audio.no_device"));
    assert_eq!(player.play().unwrap_err().code(), "audio.no_device");
}
