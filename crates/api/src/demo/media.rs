//! The clips that ship with Holdfast, and how each copy is made unlike every other: as a real recorder would, by a comment, an
//! application block or a stream serial number that carries the recording's id. The sound is never touched.

/// A clip.
pub(super) struct Clip {
    /// Which dialogue; indexes [`DIALOGUES`].
    pub(super) dialogue: usize,
    /// Extension as a recorder would name it.
    pub(super) extension: &'static str,
    /// `voice` or `screen`.
    pub(super) media: &'static str,
    /// Length, rounded to milliseconds.
    pub(super) duration_ms: u64,
    bytes: &'static [u8],
    mark: fn(&[u8], &str) -> Vec<u8>,
}

/// A dialogue: its name, and what is said line by line (`Agent: …`, `Customer: …`).
pub(super) const DIALOGUES: [(&str, &str); 4] = [
    ("refund", include_str!("../../demo/refund.txt")),
    ("mortgage", include_str!("../../demo/mortgage.txt")),
    ("fraud", include_str!("../../demo/fraud.txt")),
    ("trade", include_str!("../../demo/trade.txt")),
];

macro_rules! clip {
    ($dialogue:literal, $file:literal, $extension:literal, $media:literal, $ms:literal, $mark:ident) => {
        Clip {
            dialogue: $dialogue,
            extension: $extension,
            media: $media,
            duration_ms: $ms,
            bytes: include_bytes!(concat!("../../demo/", $file)),
            mark: $mark,
        }
    };
}

/// Every format that a recorder writes.
pub(super) const CLIPS: [Clip; 15] = [
    clip!(0, "refund.mulaw.wav", "wav", "voice", 16_552, wav),
    clip!(1, "mortgage.mulaw.wav", "wav", "voice", 15_365, wav),
    clip!(2, "fraud.mulaw.wav", "wav", "voice", 13_317, wav),
    clip!(3, "trade.mulaw.wav", "wav", "voice", 13_580, wav),
    clip!(0, "refund.pcm.wav", "wav", "voice", 16_552, wav),
    clip!(1, "mortgage.alaw.wav", "wav", "voice", 15_365, wav),
    clip!(2, "fraud.adpcm.wav", "wav", "voice", 13_348, wav),
    clip!(3, "trade.gsm.wav", "wav", "voice", 13_600, wav),
    clip!(0, "refund.mp3", "mp3", "voice", 16_552, mp3),
    clip!(1, "mortgage.ogg", "ogg", "voice", 15_365, ogg),
    clip!(2, "fraud.opus", "opus", "voice", 13_317, ogg),
    clip!(3, "trade.webm", "webm", "voice", 13_587, webm),
    clip!(0, "refund.m4a", "m4a", "voice", 16_553, mp4),
    clip!(1, "mortgage.flac", "flac", "voice", 15_365, flac),
    clip!(2, "fraud.screen.mp4", "mp4", "screen", 13_400, mp4),
];

impl Clip {
    /// The clip's bytes, marked with `id`.
    pub(super) fn marked(&self, id: &str) -> Vec<u8> {
        (self.mark)(self.bytes, id)
    }
}

fn le32(n: usize) -> [u8; 4] {
    u32::try_from(n).unwrap_or(u32::MAX).to_le_bytes()
}

/// RIFF: a LIST chunk of type INFO with a comment, after the data; the RIFF size grows.
fn wav(bytes: &[u8], id: &str) -> Vec<u8> {
    let mut text = id.as_bytes().to_vec();
    text.push(0);
    if text.len() % 2 == 1 {
        text.push(0);
    }
    let mut out = bytes.to_vec();
    if out.len() % 2 == 1 {
        out.push(0);
    }
    out.extend_from_slice(b"LIST");
    out.extend_from_slice(&le32(12 + text.len()));
    out.extend_from_slice(b"INFOICMT");
    out.extend_from_slice(&le32(text.len()));
    out.extend_from_slice(&text);
    let size = le32(out.len() - 8);
    out[4..8].copy_from_slice(&size);
    out
}

/// ID3v2.3 with one TXXX frame, in front.
fn mp3(bytes: &[u8], id: &str) -> Vec<u8> {
    let body = [&b"\0recording\0"[..], id.as_bytes()].concat();
    let mut frame = b"TXXX".to_vec();
    frame.extend_from_slice(&u32::try_from(body.len()).unwrap_or(0).to_be_bytes());
    frame.extend_from_slice(&[0, 0]);
    frame.extend_from_slice(&body);
    let n = frame.len();
    let mut out = b"ID3\x03\0\0".to_vec();
    out.extend([21, 14, 7, 0].map(|shift| ((n >> shift) & 0x7f) as u8));
    out.extend_from_slice(&frame);
    out.extend_from_slice(bytes);
    out
}

/// An APPLICATION block after STREAMINFO (RFC 9639, section 8).
fn flac(bytes: &[u8], id: &str) -> Vec<u8> {
    let body = [&b"hfst"[..], id.as_bytes()].concat();
    let mut out = bytes[..42].to_vec();
    out.push(2);
    out.extend_from_slice(&u32::try_from(body.len()).unwrap_or(0).to_be_bytes()[1..]);
    out.extend_from_slice(&body);
    out.extend_from_slice(&bytes[42..]);
    out
}

/// A `free` box at the end (ISO/IEC 14496-12, section 8.1.2).
fn mp4(bytes: &[u8], id: &str) -> Vec<u8> {
    let mut out = bytes.to_vec();
    out.extend_from_slice(&u32::try_from(8 + id.len()).unwrap_or(8).to_be_bytes());
    out.extend_from_slice(b"free");
    out.extend_from_slice(id.as_bytes());
    out
}

/// A Void element at the end (RFC 8794, section 11.3.1); its content means nothing to a player.
fn webm(bytes: &[u8], id: &str) -> Vec<u8> {
    let mut out = bytes.to_vec();
    out.extend_from_slice(&[0xEC, 0x80 | u8::try_from(id.len()).unwrap_or(0)]);
    out.extend_from_slice(id.as_bytes());
    out
}

/// Another stream serial number on every page, with its checksum made anew (RFC 3533, section 6).
fn ogg(bytes: &[u8], id: &str) -> Vec<u8> {
    let digest = holdfast_model::Sha256Digest::of(id.as_bytes());
    let mut out = bytes.to_vec();
    let mut at = 0;
    while out.get(at..at + 4) == Some(b"OggS") {
        let segments = usize::from(out[at + 26]);
        let body: usize = out[at + 27..at + 27 + segments].iter().map(|b| usize::from(*b)).sum();
        let end = at + 27 + segments + body;
        out[at + 14..at + 18].copy_from_slice(&digest.0[..4]);
        out[at + 22..at + 26].fill(0);
        let mut crc = 0u32;
        for byte in &out[at..end] {
            crc ^= u32::from(*byte) << 24;
            for _ in 0..8 {
                crc = if crc & 0x8000_0000 == 0 { crc << 1 } else { (crc << 1) ^ 0x04c1_1db7 };
            }
        }
        out[at + 22..at + 26].copy_from_slice(&crc.to_le_bytes());
        at = end;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_differ_and_keep_the_sound() {
        for clip in &CLIPS {
            let (a, b) = (clip.marked("hf-a"), clip.marked("hf-b"));
            assert_ne!(a, b, "{}", clip.extension);
            let folder = tempfile::tempdir().unwrap();
            for (name, bytes) in [("plain", clip.bytes), ("marked", &a)] {
                std::fs::write(folder.path().join(name), bytes).unwrap();
            }
            let kind = if clip.media == "screen" {
                holdfast_model::MediaKind::Screen
            } else {
                holdfast_model::MediaKind::Voice
            };
            let probe = |name: &str| holdfast_audio::probe(&folder.path().join(name), kind, clip.extension).unwrap();
            let (plain, marked) = (probe("plain"), probe("marked"));
            assert!(marked.defects.is_empty(), "{}: {:?}", clip.extension, marked.defects);
            assert_eq!(plain.probe.measured_duration_ms, marked.probe.measured_duration_ms, "{}", clip.extension);
            let measured = plain.probe.measured_duration_ms.unwrap();
            assert!(measured.abs_diff(clip.duration_ms) < 120, "{} {measured}", clip.extension);
        }
    }
}
