//! Figures for twelve-hour recordings: how soon the first sound is heard, how long a seek takes, how much memory a waveform
//! takes, how fast each format is decoded beside ffmpeg. Needs ffmpeg, espeak-ng, pulseaudio and parec, and about 4 GB of
//! room in the temporary folder. Run with `cargo bench -p holdfast-audio`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

use holdfast_audio::{Channels, Decoder, Player, Resolution, WavView, peaks, probe};
use holdfast_model::{Cancel, MediaKind, NoProgress};
use std::{
    io::Read,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc,
    time::{Duration, Instant},
};

const HOURS: u64 = 12;
const FORMATS: [(&str, &str); 10] = [
    ("mulaw.wav", "-ar 8000 -c:a pcm_mulaw"),
    ("pcm.wav", "-ar 8000 -c:a pcm_s16le"),
    ("ima.wav", "-ar 8000 -c:a adpcm_ima_wav"),
    ("cbr.mp3", "-ar 16000 -c:a libmp3lame -b:a 32k"),
    ("vbr.mp3", "-ar 16000 -c:a libmp3lame -q:a 6"),
    ("opus.ogg", "-ar 48000 -c:a libopus -b:a 24k"),
    ("vorbis.ogg", "-ar 16000 -c:a libvorbis -q:a 1"),
    ("opus.webm", "-ar 48000 -c:a libopus -b:a 24k"),
    ("aac.m4a", "-ar 16000 -c:a aac -b:a 32k"),
    ("flac.flac", "-ar 8000 -c:a flac"),
];

fn main() {
    let args: Vec<String> = std::env::args().collect();
    match args.get(1).map(String::as_str) {
        Some("peaks") => return peaks_in_child(args[2].as_ref()),
        Some("play") => return play_in_child(args[2].as_ref()),
        _ => {}
    }
    // Names of formats may be given; cargo itself gives `--bench`.
    let wanted = |name: &str| args.iter().skip(1).all(|a| a.starts_with('-')) || args.iter().any(|a| a == name);
    let formats = || FORMATS.into_iter().filter(|(name, _)| wanted(name));
    let dir = std::env::temp_dir().join("holdfast-audio-bench");
    std::fs::create_dir_all(&dir).unwrap();
    println!("{HOURS} hours, two channels; times in ms; seek is to the first decoded block\n");
    println!(
        "{:<11} {:>6} {:>6} {:>7} {:>8} {:>8} {:>8} {:>8} {:>9} {:>8} {:>8}",
        "format", "MB", "open", "probe", "1st seek", "median", "worst", "range", "peaks s", "RSS MB", "x ffmpeg"
    );
    for (name, codec) in formats() {
        figures(&long(&dir, name, codec), name);
    }
    let server = Server::start(&dir);
    println!("\nfirst sound, from the call of play to the recorder behind the sound server (ms)");
    for (name, codec) in formats() {
        let out = server.child("play", &long(&dir, name, codec));
        println!("{name:<11} {}", out.trim());
    }
}

fn ffmpeg(args: &[&str]) {
    let status = Command::new("ffmpeg").args(["-v", "fatal", "-y"]).args(args).status().expect("ffmpeg");
    assert!(status.success(), "ffmpeg {args:?}");
}

/// A minute of speech, coded once and copied 720 times: real packets without twelve hours of coding.
fn long(dir: &Path, name: &str, codec: &str) -> PathBuf {
    let path = dir.join(name);
    if path.exists() {
        return path;
    }
    let speech = dir.join("speech.wav");
    if !speech.exists() {
        let words = "This call is recorded. The amount was booked on the third of March, and the details were sent. "
            .repeat(12);
        let raw = dir.join("raw.wav");
        let status = Command::new("espeak-ng").args(["-w", raw.to_str().unwrap(), &words]).status().expect("espeak-ng");
        assert!(status.success());
        ffmpeg(&["-i", raw.to_str().unwrap(), "-af", "apad", "-t", "60", "-ac", "2", speech.to_str().unwrap()]);
    }
    let minute = dir.join(format!("minute-{name}"));
    let mut args = vec!["-i", speech.to_str().unwrap()];
    args.extend(codec.split(' '));
    args.push(minute.to_str().unwrap());
    ffmpeg(&args);
    let (times, seconds) = ((HOURS * 60 - 1).to_string(), (HOURS * 3_600).to_string());
    let part = dir.join(format!("part-{name}"));
    let from = minute.to_str().unwrap();
    let (part_name, mut args) = (part.to_str().unwrap(), vec!["-stream_loop", &times, "-i", from, "-t", &seconds]);
    // FLAC numbers its frames, so that copies of them are no FLAC file.
    args.extend(if name.ends_with("flac") { codec.split(' ').collect() } else { vec!["-c", "copy"] });
    args.push(part_name);
    ffmpeg(&args);
    std::fs::rename(&part, &path).unwrap();
    path
}

fn ms(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1_000.0
}

fn figures(path: &Path, name: &str) {
    let start = Instant::now();
    let mut decoder = Decoder::open(path).unwrap();
    let open = ms(start);
    let start = Instant::now();
    let found = probe(path, MediaKind::Voice, name).unwrap();
    let probed = ms(start);
    assert!(found.probe.measured_duration_ms.unwrap().abs_diff(HOURS * 3_600_000) < 120_000, "{found:?}");
    let mut block = Vec::new();
    let mut seeks: Vec<f64> = Vec::new();
    for i in 1..=40u64 {
        let target = i * 7_919 % (HOURS * 3_600) * 1_000 + 137;
        let start = Instant::now();
        decoder.seek(target).unwrap();
        assert!(decoder.next_block(&mut block).unwrap());
        seeks.push(ms(start));
    }
    let first = seeks[0];
    seeks.sort_by(f64::total_cmp);
    let mut view = WavView::open(path, Channels::Both).unwrap();
    let start = Instant::now();
    view.read_range(view.len_bytes() / 3 * 2, 64 << 10, &mut |_| {}).unwrap();
    let range = ms(start);
    let child = Command::new(std::env::current_exe().unwrap()).args(["peaks"]).arg(path).output().unwrap();
    assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stderr));
    let text = String::from_utf8(child.stdout).unwrap();
    let mut parts = text.split_whitespace();
    let (seconds, rss) = (parts.next().unwrap().parse::<f64>().unwrap(), parts.next().unwrap());
    let start = Instant::now();
    ffmpeg(&["-threads", "1", "-i", path.to_str().unwrap(), "-f", "null", "-"]);
    let theirs = start.elapsed().as_secs_f64();
    let size = std::fs::metadata(path).unwrap().len() >> 20;
    println!(
        "{name:<11} {size:>6} {open:>6.1} {probed:>7.0} {first:>8.1} {:>8.1} {:>8.1} {range:>8.1} {seconds:>9.1} {rss:>8} {:>8.2}",
        seeks[seeks.len() / 2],
        seeks[seeks.len() - 1],
        theirs / seconds
    );
}

/// In a process of its own, so that its peak of memory is its own.
fn peaks_in_child(path: &Path) {
    let start = Instant::now();
    let drawn = peaks(path, Resolution::Buckets(2_000), &Cancel::default(), &NoProgress).unwrap();
    assert_eq!(drawn.channels[0].min.len(), 2_000);
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|l| l.strip_prefix("VmHWM:")).unwrap();
    let kb: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    println!("{:.2} {}", start.elapsed().as_secs_f64(), kb >> 10);
}

struct Server(Child, String);

impl Server {
    fn start(dir: &Path) -> Self {
        let socket = dir.join("pulse.sock");
        let _ = std::fs::remove_file(&socket);
        let native = format!("module-native-protocol-unix socket={} auth-anonymous=1", socket.display());
        let child = Command::new("pulseaudio")
            .args([
                "-n",
                "--system=false",
                "--daemonize=no",
                "--use-pid-file=no",
                "--exit-idle-time=-1",
                "--disallow-exit",
            ])
            .args(["-L", "module-null-sink sink_name=out rate=48000 channels=2", "-L", &native])
            .envs([("HOME", dir), ("XDG_RUNTIME_DIR", dir), ("PULSE_RUNTIME_PATH", dir), ("PULSE_STATE_PATH", dir)])
            .stderr(Stdio::null())
            .spawn()
            .expect("pulseaudio");
        while !socket.exists() {
            std::thread::sleep(Duration::from_millis(20));
        }
        Self(child, format!("unix:{}", socket.display()))
    }

    fn child(&self, what: &str, path: &Path) -> String {
        let mut command = Command::new(std::env::current_exe().unwrap());
        let output = command.arg(what).arg(path).env("PULSE_SERVER", &self.1).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// First sound of a player just made, after a seek while playing, and after a pause.
fn play_in_child(path: &Path) {
    let mut recorder = Command::new("parec")
        .args(["--device=out.monitor", "--format=s16le", "--rate=48000", "--channels=2", "--raw", "--latency-msec=5"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("parec");
    let mut output = recorder.stdout.take().unwrap();
    let (heard, sound) = mpsc::channel();
    std::thread::spawn(move || {
        let mut buffer = [0u8; 960];
        while output.read_exact(&mut buffer).is_ok() {
            // The mu-law and A-law codes for silence are not quite zero; sound is louder than that.
            let loud = buffer.chunks_exact(2).any(|s| i16::from_le_bytes([s[0], s[1]]).unsigned_abs() > 64);
            let _ = heard.send((Instant::now(), loud));
        }
    });
    let first_after = |start: Instant| {
        let at = sound.iter().find(|(at, loud)| *loud && *at >= start).unwrap().0;
        at.duration_since(start).as_secs_f64() * 1_000.0
    };
    sound.recv().unwrap();
    let start = Instant::now();
    let player = Player::new();
    player.load(path).unwrap();
    player.seek(200).unwrap();
    player.play().unwrap();
    let answered = ms(start);
    let fresh = first_after(start);
    player.pause().unwrap();
    std::thread::sleep(Duration::from_millis(400));
    while sound.try_recv().is_ok() {}
    let start = Instant::now();
    player.seek(6 * 3_600_000 + 200).unwrap();
    player.play().unwrap();
    let again = first_after(start);
    println!(
        "load and play {fresh:>4.0} (the call returned after {answered:.0}), seek by six hours and play {again:>4.0}"
    );
    drop(player);
    recorder.kill().unwrap();
    recorder.wait().unwrap();
}
