//! Test recordings. A test that lacks espeak-ng or ffmpeg fails.

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicU32, Ordering},
};

/// One format: how ffmpeg makes it and what must be found in it.
pub(crate) struct Format {
    pub file: &'static str,
    /// `call` (8 kHz, stereo), `mono` (8 kHz), `wide` (48 kHz, stereo).
    pub source: &'static str,
    pub args: &'static str,
    pub container: &'static str,
    pub codec: &'static str,
    pub media_type: &'static str,
    /// Decoded without another program.
    pub here: bool,
    /// Least correlation with the source.
    pub like: f64,
    /// Whether the beginning is told exactly, so that nothing may be shifted.
    pub aligned: bool,
}

const fn format(
    file: &'static str,
    source: &'static str,
    args: &'static str,
    container: &'static str,
    codec: &'static str,
    like: f64,
) -> Format {
    Format { file, source, args, container, codec, media_type: "", here: true, like, aligned: true }
}

const fn foreign(f: Format) -> Format {
    Format { here: false, ..f }
}

const fn typed(f: Format, media_type: &'static str) -> Format {
    Format { media_type, ..f }
}

const fn shifted(f: Format) -> Format {
    Format { aligned: false, ..f }
}

#[rustfmt::skip]
pub(crate) const FORMATS: &[Format] = &[
    typed(format("u8.wav", "call", "-c:a pcm_u8", "wav", "pcm_u8", 0.99), "audio/wav"),
    typed(format("s16.wav", "call", "-c:a pcm_s16le", "wav", "pcm_s16le", 0.9999), "audio/wav"),
    typed(format("s24.wav", "wide", "-c:a pcm_s24le", "wav", "pcm_s24le", 0.9999), "audio/wav"),
    typed(format("s32.wav", "wide", "-c:a pcm_s32le", "wav", "pcm_s32le", 0.9999), "audio/wav"),
    typed(format("f32.wav", "wide", "-c:a pcm_f32le", "wav", "pcm_f32le", 0.9999), "audio/wav"),
    typed(format("rf64.wav", "call", "-c:a pcm_s16le -rf64 always", "wav", "pcm_s16le", 0.9999), "audio/wav"),
    typed(format("alaw.wav", "call", "-c:a pcm_alaw", "wav", "alaw", 0.99), "audio/wav"),
    typed(format("mulaw.wav", "call", "-c:a pcm_mulaw", "wav", "mulaw", 0.99), "audio/wav"),
    typed(format("ima.wav", "call", "-c:a adpcm_ima_wav -block_size 256", "wav", "adpcm_ima", 0.98), "audio/wav"),
    typed(format("ms.wav", "call", "-c:a adpcm_ms -block_size 256", "wav", "adpcm_ms", 0.98), "audio/wav"),
    typed(foreign(format("gsm.wav", "mono", "-c:a libgsm_ms", "wav", "gsm610", 0.9)), "audio/wav"),
    typed(foreign(format("g726.wav", "mono", "-c:a g726 -b:a 32k", "wav", "g726", 0.9)), "audio/wav"),
    typed(shifted(format("mp3.wav", "call", "-c:a libmp3lame -b:a 32k -f wav", "wav", "mp3", 0.9)), "audio/wav"),
    typed(format("cbr.mp3", "call", "-ar 16000 -c:a libmp3lame -b:a 48k", "mp3", "mp3", 0.9), "audio/mpeg"),
    typed(format("vbr.mp3", "wide", "-c:a libmp3lame -q:a 5", "mp3", "mp3", 0.9), "audio/mpeg"),
    typed(format("low.mp3", "mono", "-c:a libmp3lame -b:a 16k", "mp3", "mp3", 0.9), "audio/mpeg"),
    typed(shifted(format("bare.mp3", "wide", "-c:a libmp3lame -b:a 64k -write_xing 0 -id3v2_version 0", "mp3", "mp3", 0.9)), "audio/mpeg"),
    typed(shifted(format("barevbr.mp3", "wide", "-c:a libmp3lame -q:a 4 -write_xing 0", "mp3", "mp3", 0.9)), "audio/mpeg"),
    typed(format("vorbis.ogg", "wide", "-c:a libvorbis -q:a 3", "ogg", "vorbis", 0.9), "audio/ogg"),
    typed(format("narrow.ogg", "call", "-c:a libvorbis -q:a 4", "ogg", "vorbis", 0.9), "audio/ogg"),
    typed(format("opus.ogg", "wide", "-c:a libopus -b:a 48k", "ogg", "opus", 0.9), "audio/ogg"),
    typed(format("voip.opus", "mono", "-ar 48000 -c:a libopus -b:a 24k -application voip -frame_duration 60", "ogg", "opus", 0.9), "audio/ogg"),
    typed(format("opus.webm", "wide", "-c:a libopus -b:a 48k", "webm", "opus", 0.9), "audio/webm"),
    typed(shifted(format("vorbis.webm", "wide", "-c:a libvorbis -q:a 3", "webm", "vorbis", 0.9)), "audio/webm"),
    typed(format("live.webm", "wide", "-c:a libopus -b:a 48k -live 1 -f webm", "webm", "opus", 0.9), "audio/webm"),
    typed(format("aac.m4a", "wide", "-c:a aac -aac_pns 0 -b:a 96k", "mp4", "aac", 0.9), "audio/mp4"),
    typed(format("fast.m4a", "call", "-c:a aac -aac_pns 0 -b:a 48k -movflags +faststart", "mp4", "aac", 0.9), "audio/mp4"),
    typed(shifted(format("fragmented.m4a", "wide", "-c:a aac -aac_pns 0 -b:a 96k -movflags +frag_keyframe+empty_moov+default_base_moof -frag_duration 1000000", "mp4", "aac", 0.9)), "audio/mp4"),
    typed(format("opus.mp4", "wide", "-c:a libopus -b:a 48k", "mp4", "opus", 0.9), "audio/mp4"),
    typed(format("flac.flac", "wide", "-c:a flac", "flac", "flac", 0.9999), "audio/flac"),
    typed(format("narrow.flac", "call", "-c:a flac", "flac", "flac", 0.9999), "audio/flac"),
    typed(shifted(foreign(format("speex.ogg", "mono", "-c:a libspeex", "ogg", "speex", 0.7))), "audio/ogg"),
];

fn folder() -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("holdfast-audio-fixtures-5");
    std::fs::create_dir_all(&dir).unwrap();
    dir
}

/// A file in the fixtures' folder, made once; several tests (and processes) may ask at once.
pub(crate) fn made(name: &str, make: impl FnOnce(&Path)) -> PathBuf {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let path = folder().join(name);
    if !path.exists() {
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        let temporary = folder().join(format!("making-{}-{n}-{name}", std::process::id()));
        make(&temporary);
        std::fs::rename(&temporary, &path).unwrap();
    }
    path
}

/// Holds the machine for one test at a time, over all processes: sound that is played while the machine is busy has gaps.
pub(crate) fn alone() -> std::fs::File {
    let lock = std::fs::File::create(Path::new(env!("CARGO_TARGET_TMPDIR")).join("holdfast-sound.lock")).unwrap();
    lock.lock().unwrap();
    lock
}

pub(crate) fn run(program: &str, args: &[&str]) -> Vec<u8> {
    let output = Command::new(program).args(args).output();
    let output = output.unwrap_or_else(|e| panic!("{program} is needed for these tests: {e}"));
    assert!(output.status.success(), "{program} {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

fn say(voice: &str, words: &str) -> PathBuf {
    made(&format!("{voice}.wav"), |to| {
        run("espeak-ng", &["-v", voice, "-s", "150", "-w", to.to_str().unwrap(), words]);
    })
}

/// The source sound: two voices, one on each channel, or mixed.
pub(crate) fn source(name: &str) -> PathBuf {
    let agent = "Thank you for calling. This call is recorded. My name is Martha, how may I help you this morning? \
                 I see. Let me look that up for you at once. The amount was booked on the third of March.";
    let customer = "Good morning. I have a question about my last statement, there is a payment that I do not know. \
                    It says four hundred and twelve dollars. Yes please, and could you send me the details?";
    let (agent, customer) = (say("en-us", agent), say("en-gb", customer));
    let (rate, mix) = match name {
        "call" => ("8000", "[0:a]apad[a];[1:a]adelay=700[b];[a][b]join=inputs=2:channel_layout=stereo"),
        "wide" => ("48000", "[0:a]apad[a];[1:a]adelay=700[b];[a][b]join=inputs=2:channel_layout=stereo"),
        "mono" => ("8000", "[0:a]apad[a];[1:a]adelay=700[b];[a][b]amix=inputs=2"),
        other => panic!("no source {other}"),
    };
    made(&format!("source-{name}.wav"), |to| {
        let (a, c) = (agent.to_str().unwrap(), customer.to_str().unwrap());
        let to = to.to_str().unwrap();
        run(
            "ffmpeg",
            &[
                "-v",
                "error",
                "-i",
                a,
                "-i",
                c,
                "-filter_complex",
                mix,
                "-ar",
                rate,
                "-t",
                "9.137",
                "-c:a",
                "pcm_s16le",
                to,
            ],
        );
    })
}

pub(crate) fn fixture(f: &Format) -> PathBuf {
    let source = source(f.source);
    made(f.file, |to| {
        let mut args = vec!["-v", "error", "-i", source.to_str().unwrap(), "-map_metadata", "-1"];
        args.extend(f.args.split(' '));
        args.push(to.to_str().unwrap());
        run("ffmpeg", &args);
    })
}

pub(crate) fn by_name(file: &str) -> PathBuf {
    fixture(FORMATS.iter().find(|f| f.file == file).unwrap())
}

/// A screen recording of five seconds.
pub(crate) fn screen(with_sound: bool) -> PathBuf {
    let name = if with_sound { "screen-sound.mp4" } else { "screen-silent.mp4" };
    let sound = source("wide");
    made(name, |to| {
        let mut args = vec!["-v", "error", "-f", "lavfi", "-i", "testsrc=size=320x240:rate=10:duration=9.1"];
        if with_sound {
            args.extend(["-i", sound.to_str().unwrap(), "-c:a", "aac"]);
        }
        args.extend(["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", to.to_str().unwrap()]);
        run("ffmpeg", &args);
    })
}

/// A copy that a test may change.
pub(crate) fn altered(from: &Path, change: impl FnOnce(&mut Vec<u8>)) -> tempfile::NamedTempFile {
    let mut bytes = std::fs::read(from).unwrap();
    change(&mut bytes);
    written(&bytes)
}

pub(crate) fn written(bytes: &[u8]) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), bytes).unwrap();
    file
}
