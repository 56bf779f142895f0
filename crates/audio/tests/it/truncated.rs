use crate::fixtures::{FORMATS, altered, by_name, fixture, screen};
use holdfast_audio::{Decoder, Defect, probe};
use holdfast_model::MediaKind;

/// Streams that end between two packets and whose container announces no length can't tell that more was meant to come.
const CANNOT_TELL: [&str; 3] = ["bare.mp3", "barevbr.mp3", "live.webm"];

#[test]
fn half_a_recording_is_told_from_a_whole_one() {
    for f in FORMATS {
        for percent in [30, 50, 90] {
            let cut = altered(&fixture(f), |b| b.truncate(b.len() * percent / 100));
            let found = probe(cut.path(), MediaKind::Voice, f.file).unwrap();
            let told = found.defects.iter().any(|d| matches!(d, Defect::Truncated { .. }));
            assert!(told || CANNOT_TELL.contains(&f.file), "{} at {percent} %: {found:?}", f.file);
            if let Some(ms) = found.probe.measured_duration_ms.filter(|_| f.here) {
                assert!(ms < 9_137 * (percent as u64 + 15) / 100, "{} at {percent} %: {ms} ms measured", f.file);
            }
        }
    }
}

#[test]
fn streams_cut_inside_a_packet_are_told_even_without_a_length() {
    for file in CANNOT_TELL {
        let whole = by_name(file);
        let told = (0..40).any(|i| {
            let cut = altered(&whole, |b| b.truncate(b.len() / 2 + i * 7));
            let found = probe(cut.path(), MediaKind::Voice, file).unwrap();
            found.defects.iter().any(|d| matches!(d, Defect::Truncated { .. }))
        });
        assert!(told, "{file}");
    }
}

#[test]
fn a_screen_recording_without_its_table_of_contents_is_cut_short() {
    for with_sound in [true, false] {
        let cut = altered(&screen(with_sound), |b| b.truncate(b.len() * 2 / 3));
        let found = probe(cut.path(), MediaKind::Screen, "s.mp4").unwrap();
        assert!(matches!(found.defects.as_slice(), [Defect::Truncated { .. }]), "{found:?}");
    }
}

#[test]
fn the_last_byte_alone_is_missed() {
    for f in FORMATS.iter().filter(|f| f.container != "mp3" && f.file != "live.webm") {
        let cut = altered(&fixture(f), |b| b.truncate(b.len() - 1));
        let defects = probe(cut.path(), MediaKind::Voice, f.file).unwrap().defects;
        let told = defects.iter().any(|d| matches!(d, Defect::Truncated { .. }));
        // A WAVE file may end with a padding byte; the end of a WebM or MP4 file may be an index that is not sound.
        assert!(told || f.container == "wav" || f.container == "flac", "{}: {defects:?}", f.file);
    }
}

#[test]
fn what_is_left_of_a_recording_can_still_be_heard() {
    for f in FORMATS.iter().filter(|f| f.here) {
        let cut = altered(&fixture(f), |b| b.truncate(b.len() * 6 / 10));
        let Ok(mut decoder) = Decoder::open(cut.path()) else {
            assert_eq!(f.container, "mp4", "{}: only a missing table of contents hides everything", f.file);
            continue;
        };
        let (mut block, mut frames) = (Vec::new(), 0);
        while decoder.next_block(&mut block).unwrap() {
            frames += block.len() as u64 / u64::from(decoder.spec().channels);
        }
        let ms = frames * 1_000 / u64::from(decoder.spec().sample_rate_hz);
        assert!(ms > 3_000, "{}: {ms} ms", f.file);
    }
}
