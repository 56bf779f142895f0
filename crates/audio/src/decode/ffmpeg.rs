//! An `ffmpeg` process for what no decoder here knows. It reads the one file, may open nothing else, and writes WAVE with
//! float samples to a pipe; it is killed when the stream is dropped.

use crate::AudioError;
use std::{
    ffi::OsString,
    io::{BufReader, Read},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
    sync::{Arc, Mutex},
    thread::JoinHandle,
};

/// The `ffmpeg` on the search path.
#[must_use]
pub fn find_ffmpeg() -> Option<PathBuf> {
    super::on_path("ffmpeg")
}

const BLOCK_BYTES: usize = 32 << 10;

pub(super) struct FfmpegStream {
    program: PathBuf,
    path: PathBuf,
    format: &'static str,
    /// None behind the end.
    running: Option<Running>,
    rate: u32,
    channels: u16,
    position: u64,
}

struct Running {
    child: Child,
    output: BufReader<ChildStdout>,
    complaint: Arc<Mutex<String>>,
    listener: Option<JoinHandle<()>>,
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail only where the process is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let Some(listener) = self.listener.take() {
            let _ = listener.join();
        }
    }
}

impl Running {
    fn start(program: &Path, path: &Path, format: &str, from_s: u64) -> Result<Self, AudioError> {
        let failed = |e: std::io::Error| AudioError::Ffmpeg { reason: format!("it could not be started: {e}") };
        // `file:` and an absolute path: no name can be taken for an option or for a protocol.
        let mut input = OsString::from("file:");
        input.push(std::path::absolute(path)?);
        let mut command = Command::new(program);
        command.args(["-nostdin", "-hide_banner", "-loglevel", "error", "-protocol_whitelist", "file,pipe"]);
        if from_s > 0 {
            command.args(["-ss", &from_s.to_string()]);
        }
        command.args(["-f", format, "-i"]).arg(input);
        command.args(["-map", "0:a:0", "-vn", "-sn", "-dn", "-c:a", "pcm_f32le", "-f", "wav", "pipe:1"]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(failed)?;
        let (Some(output), Some(errors)) = (child.stdout.take(), child.stderr.take()) else {
            return Err(AudioError::Internal { what: "pipes of ffmpeg" });
        };
        let complaint = Arc::new(Mutex::new(String::new()));
        let listener = listen(errors, complaint.clone());
        Ok(Self { child, output: BufReader::with_capacity(BLOCK_BYTES, output), complaint, listener: Some(listener) })
    }

    /// Reads the WAVE header off the pipe: rate and channels. None where ffmpeg wrote nothing.
    fn header(&mut self) -> Result<Option<(u32, u16)>, AudioError> {
        let mut riff = [0; 12];
        if self.read_full(&mut riff)? < 12 {
            return Ok(None);
        }
        let mut found = None;
        loop {
            let mut head = [0; 8];
            if self.read_full(&mut head)? < 8 {
                return Ok(None);
            }
            if &head[..4] == b"data" {
                return Ok(found);
            }
            let mut body = vec![0; u32::from_le_bytes([head[4], head[5], head[6], head[7]]).min(1 << 16) as usize];
            self.read_full(&mut body)?;
            if &head[..4] == b"fmt " && body.len() >= 8 {
                let channels = u16::from_le_bytes([body[2], body[3]]);
                let rate = u32::from_le_bytes([body[4], body[5], body[6], body[7]]);
                found = (channels > 0 && rate > 0).then_some((rate, channels));
            }
        }
    }

    fn read_full(&mut self, buffer: &mut [u8]) -> Result<usize, AudioError> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.output.read(&mut buffer[filled..]) {
                Ok(0) => break,
                Ok(n) => filled += n,
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e.into()),
            }
        }
        Ok(filled)
    }

    /// Drops so many bytes; false where there are fewer.
    fn skip(&mut self, bytes: u64) -> Result<bool, AudioError> {
        Ok(std::io::copy(&mut self.output.by_ref().take(bytes), &mut std::io::sink())? == bytes)
    }

    fn error(&mut self) -> AudioError {
        let _ = self.child.wait();
        if let Some(listener) = self.listener.take() {
            let _ = listener.join();
        }
        let said = self.complaint.lock().map(|s| s.clone()).unwrap_or_default();
        let reason = said.lines().last().unwrap_or("it wrote no sound").trim().to_owned();
        AudioError::Ffmpeg { reason }
    }
}

/// Keeps the last words of the process, without its file names, and keeps its pipe from filling up.
fn listen(mut errors: impl Read + Send + 'static, complaint: Arc<Mutex<String>>) -> JoinHandle<()> {
    std::thread::spawn(move || {
        let mut buffer = [0; 4_096];
        while let Ok(n) = errors.read(&mut buffer) {
            if n == 0 {
                break;
            }
            let Ok(mut said) = complaint.lock() else { break };
            if said.len() > 16 << 10 {
                said.clear();
            }
            let text = String::from_utf8_lossy(&buffer[..n]);
            for line in text.lines().filter(|l| !l.contains("file:")) {
                said.push_str(line);
                said.push('\n');
            }
        }
    })
}

impl FfmpegStream {
    pub(super) fn open(program: &Path, path: &Path, format: &'static str) -> Result<Self, AudioError> {
        let mut running = Running::start(program, path, format, 0)?;
        let Some((rate, channels)) = running.header()? else { return Err(running.error()) };
        let (program, path, running) = (program.to_owned(), path.to_owned(), Some(running));
        Ok(Self { program, path, format, running, rate, channels, position: 0 })
    }

    pub(super) fn rate(&self) -> u32 {
        self.rate
    }

    pub(super) fn channels(&self) -> u16 {
        self.channels
    }

    pub(super) fn position(&self) -> u64 {
        self.position
    }

    /// Goes to `frame`, over at least half a second that is decoded and dropped: adaptive codecs need it to find their feet.
    pub(super) fn seek(&mut self, frame: u64) -> Result<(), AudioError> {
        self.running = None;
        self.position = frame;
        let rate = u64::from(self.rate);
        let from_s = frame.saturating_sub(rate / 2) / rate;
        let mut running = Running::start(&self.program, &self.path, self.format, from_s)?;
        // Nothing at all is written where the place lies behind the end.
        if running.header()?.is_some() && running.skip((frame - from_s * rate) * self.frame_bytes())? {
            self.running = Some(running);
        }
        Ok(())
    }

    /// Goes behind the end.
    pub(super) fn end(&mut self, frame: u64) {
        (self.running, self.position) = (None, frame);
    }

    fn frame_bytes(&self) -> u64 {
        u64::from(self.channels) * 4
    }

    pub(super) fn next_block(&mut self, block: &mut Vec<f32>) -> Result<bool, AudioError> {
        let frame = self.frame_bytes() as usize;
        let Some(running) = &mut self.running else { return Ok(false) };
        let mut bytes = vec![0; (BLOCK_BYTES / frame).max(1) * frame];
        let n = running.read_full(&mut bytes)?;
        let (samples, _) = bytes[..n / frame * frame].as_chunks::<4>();
        block.extend(samples.iter().map(|s| f32::from_le_bytes(*s)).map(|x| if x.is_finite() { x } else { 0.0 }));
        self.position += (n / frame) as u64;
        Ok(n >= frame)
    }
}
