//! Strangers' bytes: cut anywhere, flipped anywhere. Nothing may panic, and everything must come to an end.

use crate::fixtures::{FORMATS, alone, fixture, screen, written};
use holdfast_audio::{Channels, Decoder, WavView, probe};
use holdfast_model::MediaKind;
use proptest::prelude::*;
use std::{path::PathBuf, sync::mpsc, time::Duration};

/// The `sample` of the ordinary suite, or `every` one in a soak (`scripts/soak`). Not the test kit's, which brings the clouds' SDKs.
fn sampled<T>(sample: T, every: T) -> T {
    if std::env::var_os("HOLDFAST_SOAK").is_some_and(|v| v == "1") { every } else { sample }
}

fn all() -> Vec<PathBuf> {
    let mut all: Vec<_> = FORMATS.iter().map(fixture).collect();
    all.extend([screen(true), screen(false)]);
    all
}

/// Looks, decodes, seeks and serves; fails where that takes longer than any real work does.
fn survives(bytes: &[u8], what: &str) {
    let file = written(bytes);
    let path = file.path().to_owned();
    let (done, finished) = mpsc::channel();
    let work = std::thread::spawn(move || {
        let _ = probe(&path, MediaKind::Voice, "x.wav");
        if let Ok(mut decoder) = Decoder::open_with(&path, None) {
            let mut block = Vec::new();
            // Packets without end are no hang as long as each comes: a listener can stop. Here it stops.
            for _ in 0..400 {
                if !matches!(decoder.next_block(&mut block), Ok(true)) {
                    break;
                }
            }
            for ms in [5_000, u64::MAX, 0, 3_600_000] {
                if decoder.seek(ms).is_ok() {
                    let _ = decoder.next_block(&mut block);
                }
            }
            if decoder.kind() != holdfast_audio::DecoderKind::Ffmpeg
                && let Ok(mut view) = WavView::open(&path, Channels::Both)
            {
                let _ = view.read_range(view.len_bytes() / 2, 2_000, &mut |_| {});
            }
        }
        let _ = done.send(());
    });
    match finished.recv_timeout(Duration::from_secs(60)) {
        Ok(()) => work.join().unwrap(),
        Err(mpsc::RecvTimeoutError::Disconnected) => panic!("{what}: panicked: {:?}", work.join()),
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("{what}: does not come to an end"),
    }
}

#[test]
fn cut_anywhere() {
    let _alone = alone();
    for path in all() {
        let bytes = std::fs::read(&path).unwrap();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let near_start = (0..200).step_by(sampled(7, 1));
        let parts = sampled(8, 256);
        let spread = (1..parts).map(|i| bytes.len() * i / parts + i);
        for len in near_start.chain(spread).filter(|n| *n < bytes.len()) {
            survives(&bytes[..len], &format!("{name} cut at {len}"));
        }
    }
}

#[test]
fn heads_with_flipped_bits() {
    let _alone = alone();
    for path in all() {
        let bytes = std::fs::read(&path).unwrap();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        // Tables of contents at the end are heads too.
        let tail = bytes.windows(4).rposition(|w| w == b"moov").unwrap_or(0);
        let step = sampled(2, 1);
        for at in (0..160).step_by(step).chain((tail..tail + 100).step_by(step)).filter(|n| *n < bytes.len()) {
            let head = &bytes[..bytes.len().min(60_000).max(tail + 4_000).min(bytes.len())];
            let mut changed = head.to_vec();
            for bit in sampled(vec![at / 2 % 8], (0..8).collect()) {
                changed[at] = head[at] ^ 1 << bit;
                survives(&changed, &format!("{name} bit {bit} of byte {at} flipped"));
            }
            if at % sampled(4, 1) == 0 {
                changed[at] = 0xFF;
                survives(&changed, &format!("{name} byte {at} set to 255"));
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn mutilated_anyhow(
        which in any::<prop::sample::Index>(),
        cut in 0.2f64..1.0,
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), any::<bool>()), 1..40),
    ) {
        let _alone = alone();
        let all = all();
        let path = which.get(&all);
        let mut bytes = std::fs::read(path).unwrap();
        bytes.truncate((bytes.len() as f64 * cut) as usize);
        for (place, value, near_head) in edits {
            let room = if near_head { bytes.len().min(4_096) } else { bytes.len() };
            let at = place.index(room);
            bytes[at] = value;
        }
        survives(&bytes, &path.display().to_string());
    }

    #[test]
    fn noise_behind_a_real_beginning(
        which in any::<prop::sample::Index>(),
        keep in 4usize..600,
        noise in prop::collection::vec(any::<u8>(), 0..5_000),
    ) {
        let _alone = alone();
        let all = all();
        let path = which.get(&all);
        let mut bytes = std::fs::read(path).unwrap();
        bytes.truncate(keep);
        bytes.extend(noise);
        survives(&bytes, &path.display().to_string());
    }
}
