use crate::fixtures::{FORMATS, altered, by_name, fixture, screen, written};
use holdfast_audio::{Defect, probe};
use holdfast_model::MediaKind;

const MS: u64 = 9_137;

#[test]
fn every_format_is_told_by_its_content() {
    for f in FORMATS {
        let found = probe(&fixture(f), MediaKind::Voice, f.file).unwrap();
        let p = &found.probe;
        assert_eq!(found.defects, [], "{}", f.file);
        assert_eq!((p.container.as_str(), p.codec.as_deref()), (f.container, Some(f.codec)), "{}", f.file);
        assert_eq!((found.media_type.as_str(), p.decodable), (f.media_type, f.here), "{}: {p:?}", f.file);
        assert_eq!(p.channels, Some(if f.source == "mono" { 1 } else { 2 }), "{}", f.file);
        assert!(p.sample_rate_hz.is_some() && p.video_codec.is_none(), "{}", f.file);
        let off = p.measured_duration_ms.unwrap().abs_diff(MS);
        assert!(off <= if f.aligned { 50 } else { 260 }, "{}: {} ms off", f.file, off);
        assert!(!(p.duration_from_header && f.here), "{}", f.file);
    }
}

#[test]
fn a_screen_recording_has_a_picture_and_perhaps_sound() {
    for with_sound in [true, false] {
        let found = probe(&screen(with_sound), MediaKind::Screen, "screen.mp4").unwrap();
        assert_eq!(found.defects, []);
        assert_eq!(found.media_type, "video/mp4");
        assert_eq!(found.probe.video_codec.as_deref(), Some("h264"));
        assert_eq!(found.probe.codec.as_deref(), with_sound.then_some("aac"));
        assert!(found.probe.measured_duration_ms.unwrap().abs_diff(9_100) <= 50, "{:?}", found.probe);
    }
}

#[test]
fn names_are_remarked_and_never_believed() {
    let found = probe(&by_name("mulaw.wav"), MediaKind::Voice, "call.mp3").unwrap();
    assert_eq!(found.probe.container, "wav");
    assert!(found.probe.remarks.iter().any(|r| r.contains("named .mp3")), "{:?}", found.probe.remarks);
}

#[test]
fn another_kind_than_the_source_says_is_a_mismatch() {
    let is_mismatch = |path: &std::path::Path, kind| {
        let defects = probe(path, kind, "x").unwrap().defects;
        matches!(defects.as_slice(), [Defect::KindMismatch { declared, .. }] if *declared == kind)
    };
    let text = written(b"Agent: good morning\nCustomer: good morning\n");
    assert!(is_mismatch(text.path(), MediaKind::Voice));
    assert!(is_mismatch(text.path(), MediaKind::Screen));
    assert!(is_mismatch(&by_name("opus.ogg"), MediaKind::Chat));
    assert!(is_mismatch(&by_name("opus.ogg"), MediaKind::Screen));
    assert!(is_mismatch(&screen(false), MediaKind::Voice));
    assert!(!is_mismatch(&screen(true), MediaKind::Voice), "a call with a picture still is a call");
}

#[test]
fn nothing_and_noise_are_named() {
    let empty = written(b"");
    assert_eq!(probe(empty.path(), MediaKind::Voice, "a.wav").unwrap().defects, [Defect::Empty]);
    for noise in [&[0u8; 4_096][..], &[0xFF; 4_096], b"\x7FELF\x02\x01\x01\0\0\0\0\0", b"PK\x03\x04\x14\0\0\0"] {
        let file = written(noise);
        let found = probe(file.path(), MediaKind::Voice, "a.wav").unwrap();
        assert_eq!(found.defects, [Defect::Unrecognised], "{:x?}", &noise[..4]);
        assert_eq!(found.media_type, "application/octet-stream");
    }
}

fn patch(at: usize, with: &[u8]) -> impl FnOnce(&mut Vec<u8>) {
    let with = with.to_vec();
    move |b| b[at..at + with.len()].copy_from_slice(&with)
}

#[test]
fn recorders_that_stream_leave_the_length_open() {
    let plain = by_name("s16.wav");
    let bytes = std::fs::read(&plain).unwrap();
    let data = bytes.windows(4).position(|w| w == b"data").unwrap() + 4;
    for (riff, size) in [(0u32, 0u32), (u32::MAX, u32::MAX), (36, 0), (u32::MAX, 0)] {
        let file = altered(&plain, |b| {
            patch(4, &riff.to_le_bytes())(b);
            patch(data, &size.to_le_bytes())(b);
        });
        let found = probe(file.path(), MediaKind::Voice, "a.wav").unwrap();
        assert_eq!(found.defects, [], "{riff:x} {size:x}");
        assert!(found.probe.measured_duration_ms.unwrap().abs_diff(MS) <= 5, "{:?}", found.probe);
        assert!(found.probe.remarks.iter().any(|r| r.contains("file's size")), "{:?}", found.probe);
    }
}

#[test]
fn a_header_with_no_sound_behind_it_is_empty() {
    let mut wav = std::fs::read(by_name("mulaw.wav")).unwrap();
    let data = wav.windows(4).position(|w| w == b"data").unwrap() + 8;
    wav.truncate(data);
    wav[data - 4..].fill(0);
    let riff = (data as u32 - 8).to_le_bytes();
    wav[4..8].copy_from_slice(&riff);
    let file = written(&wav);
    assert_eq!(probe(file.path(), MediaKind::Voice, "a.wav").unwrap().defects, [Defect::Empty]);
}

#[test]
fn codecs_nobody_here_decodes_keep_their_header_s_length() {
    // G.729 at 8 kbit/s: 1,000 bytes a second by the header.
    let mut wav = b"RIFF\0\0\0\0WAVEfmt \x12\0\0\0\x83\0\x01\0".to_vec();
    wav.extend(8_000u32.to_le_bytes());
    wav.extend(1_000u32.to_le_bytes());
    wav.extend([10, 0, 0, 0, 0, 0]);
    wav.extend(b"data");
    wav.extend(12_340u32.to_le_bytes());
    wav.extend(std::iter::repeat_n(7u8, 12_340));
    let riff = (wav.len() as u32 - 8).to_le_bytes();
    wav[4..8].copy_from_slice(&riff);
    let file = written(&wav);
    let found = probe(file.path(), MediaKind::Voice, "a.wav").unwrap();
    let p = &found.probe;
    assert_eq!((p.codec.as_deref(), p.decodable, p.duration_from_header), (Some("g729"), false, true));
    assert_eq!((p.measured_duration_ms, found.defects.len()), (Some(12_340), 0));
    assert!(p.remarks.iter().any(|r| r.contains("ffmpeg")), "{:?}", p.remarks);
}

#[test]
fn high_efficiency_aac_is_remarked() {
    // No free encoder makes HE-AAC here, so the configuration of an LC file is rewritten to announce it.
    let file = altered(&by_name("aac.m4a"), |b| {
        let at = b.windows(4).position(|w| w == [0x11, 0x90, 0x56, 0xE5]).expect("LC at 48 kHz with sync extension");
        b[at + 4] = 0xA0; // SBR present
    });
    let found = probe(file.path(), MediaKind::Voice, "a.m4a").unwrap();
    assert!(found.probe.remarks.iter().any(|r| r.contains("HE-AAC")), "{:?}", found.probe);
}

#[test]
fn outcomes_can_be_stored_and_read_in_words() {
    let cut = altered(&by_name("mulaw.wav"), |b| b.truncate(b.len() / 2));
    let found = probe(cut.path(), MediaKind::Voice, "a.wav").unwrap();
    let json = serde_json::to_string(&found).unwrap();
    assert_eq!(serde_json::from_str::<holdfast_audio::ProbeOutcome>(&json).unwrap(), found);
    assert!(json.contains(r#""defect":"truncated","header_says":""#), "{json}");
    let words = found.defects[0].to_string();
    assert!(words.starts_with("cut short:") && words.contains("bytes"), "{words}");
}
