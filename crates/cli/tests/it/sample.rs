//! Small recordings with canonical sidecars, made in the test.

use serde_json::{Value, json};
use std::{f64::consts::TAU, fs, path::Path};

/// A WAVE file with 16-bit PCM, mono, 8 kHz: a tone of `hz` for `ms`.
pub(crate) fn wav(hz: f64, ms: u32) -> Vec<u8> {
    let frames = 8 * ms;
    let data = frames * 2;
    let mut out = Vec::new();
    out.extend_from_slice(b"RIFF");
    out.extend_from_slice(&(36 + data).to_le_bytes());
    out.extend_from_slice(b"WAVEfmt ");
    for field in [16u32, 0x0001_0001, 8000, 16_000, 0x0010_0002] {
        out.extend_from_slice(&field.to_le_bytes());
    }
    out.extend_from_slice(b"data");
    out.extend_from_slice(&data.to_le_bytes());
    for n in 0..frames {
        let sample = (TAU * hz * f64::from(n) / 8000.0).sin() * 12_000.0;
        out.extend_from_slice(&(sample as i16).to_le_bytes());
    }
    out
}

/// A canonical sidecar.
pub(crate) fn sidecar(interaction: &str, day: &str, ms: u32) -> Value {
    let (minutes, seconds) = (ms / 60_000, ms / 1000 % 60);
    json!({
        "vendor": "genesys", "organisation": "acme", "interaction_id": interaction, "recording_id": format!("{interaction}-r0"),
        "media": "voice", "start": format!("{day}T10:00:00.000Z"), "end": format!("{day}T10:{minutes:02}:{seconds:02}.{:03}Z", ms % 1000),
        "direction": "inbound", "queue": "billing", "tags": ["pci"],
        "participants": [
            { "role": "agent", "identifier": "dana", "display_name": "Dana Whitfield" },
            { "role": "customer", "identifier": "+12025550123", "display_name": "Jane Doe" },
        ],
    })
}

/// Puts a recording and its sidecar into a folder.
pub(crate) fn put(folder: &Path, interaction: &str, day: &str, hz: f64) {
    fs::create_dir_all(folder).unwrap();
    fs::write(folder.join(format!("{interaction}.wav")), wav(hz, 2_000)).unwrap();
    let text = serde_json::to_vec(&sidecar(interaction, day, 2_000)).unwrap();
    fs::write(folder.join(format!("{interaction}.json")), text).unwrap();
}
