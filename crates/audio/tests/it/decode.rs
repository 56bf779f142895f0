use crate::{
    fixtures::{FORMATS, altered, by_name, fixture, screen, source, written},
    signal::{at_rate, best_shift, correlation, decode, rest, split},
};
use holdfast_audio::{AudioError, Decoder, DecoderKind};
use holdfast_model::Fault as _;

#[test]
fn every_format_sounds_like_its_source() {
    for f in FORMATS {
        let sound = decode(&fixture(f));
        let original = at_rate(&source(f.source), sound.rate);
        for (channel, (a, b)) in original.channels.iter().zip(&sound.channels).enumerate() {
            let most = if f.aligned { sound.rate as usize / 100 } else { 1_800 };
            let (shift, like) = best_shift(&a[..a.len() / 3], &b[..b.len() / 3], most);
            let ms = shift.unsigned_abs() * 1_000 / u64::from(sound.rate);
            assert!(like > f.like, "{} channel {channel}: correlates {like:.4} at {shift}", f.file);
            assert!(ms <= 1 || !f.aligned, "{} channel {channel}: shifted by {shift} samples", f.file);
            let b = &b[usize::try_from(shift).unwrap_or(0)..];
            let whole = correlation(&a[usize::try_from(-shift).unwrap_or(0)..], b);
            assert!(whole > f.like, "{} channel {channel}: correlates {whole:.4} in all", f.file);
        }
        let ms = sound.frames() as u64 * 1_000 / u64::from(sound.rate);
        assert!(ms.abs_diff(9_137) <= if f.aligned { 50 } else { 260 }, "{}: {ms} ms", f.file);
    }
}

#[test]
fn each_codec_goes_to_the_decoder_that_is_named() {
    for f in FORMATS {
        let expected = match f.codec {
            c if c.starts_with("pcm_") || c.ends_with("law") => DecoderKind::Pcm,
            "opus" => DecoderKind::Libopus,
            "gsm610" | "g726" | "speex" => DecoderKind::Ffmpeg,
            _ => DecoderKind::Symphonia,
        };
        let decoder = Decoder::open(&fixture(f)).unwrap();
        assert_eq!(decoder.kind(), expected, "{}", f.file);
        assert_eq!(decoder.spec().codec, f.codec);
        assert!(
            decoder.spec().duration_ms().unwrap().abs_diff(9_137) <= if f.aligned { 50 } else { 260 },
            "{}",
            f.file
        );
    }
}

#[test]
fn a_seek_lands_on_the_very_sample() {
    for f in FORMATS {
        let path = fixture(f);
        let whole = decode(&path);
        let channels = whole.channels.len();
        let mut decoder = Decoder::open(&path).unwrap();
        for ms in [4_321, 0, 8_900, 17, 1_000, 6_003] {
            decoder.seek(ms).unwrap();
            let at = (ms * u64::from(whole.rate) / 1_000) as usize;
            assert_eq!(decoder.position(), at as u64, "{}", f.file);
            let mut block = Vec::new();
            let mut here = Vec::new();
            while here.len() < 4_000 * channels && decoder.next_block(&mut block).unwrap() {
                here.extend_from_slice(&block);
            }
            let n = (here.len() / channels).min(4_000);
            assert!(n > 500, "{} at {ms} ms: {n} frames", f.file);
            for (c, found) in split(&here[..n * channels], channels).iter().enumerate() {
                let expected = &whole.channels[c][at..at + n];
                let loud = expected.iter().map(|x| x * x).sum::<f32>() / n as f32 > 1e-5;
                let like = correlation(expected, found);
                assert!(!loud || like > 0.98, "{} at {ms} ms channel {c}: correlates {like:.4}", f.file);
            }
        }
    }
}

#[test]
fn lossless_formats_give_the_same_samples_after_a_seek() {
    for file in
        ["s16.wav", "s24.wav", "mulaw.wav", "ima.wav", "ms.wav", "flac.flac", "cbr.mp3", "vbr.mp3", "vorbis.ogg"]
    {
        let path = by_name(file);
        let mut decoder = Decoder::open(&path).unwrap();
        let channels = usize::from(decoder.spec().channels);
        let whole = rest(&mut decoder);
        for ms in [5_555, 1, 2_718] {
            decoder.seek(ms).unwrap();
            let at = decoder.position() as usize * channels;
            let here = rest(&mut decoder);
            assert_eq!(here.len(), whole.len() - at, "{file} at {ms} ms");
            let worst = here.iter().zip(&whole[at..]).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(worst < 1e-5, "{file} at {ms} ms: {worst}");
        }
    }
}

#[test]
fn behind_the_end_is_nothing() {
    for f in FORMATS {
        let mut decoder = Decoder::open(&fixture(f)).unwrap();
        decoder.seek(3_600_000).unwrap();
        let mut block = vec![1.0];
        assert!(!decoder.next_block(&mut block).unwrap(), "{}", f.file);
        assert!(block.is_empty());
        decoder.seek(0).unwrap();
        assert!(decoder.next_block(&mut block).unwrap(), "{}", f.file);
    }
}

#[test]
fn the_sound_of_a_screen_recording_is_found() {
    let sound = decode(&screen(true));
    let original = decode(&source("wide"));
    let n = sound.frames().min(original.frames());
    assert!(correlation(&original.channels[0][..n], &sound.channels[0][..n]) > 0.9);
    let silent = Decoder::open(&screen(false)).unwrap_err();
    assert_eq!(silent.code(), "audio.no_sound");
}

#[test]
fn without_ffmpeg_the_message_is_plain() {
    let error = Decoder::open_with(&by_name("gsm.wav"), None).unwrap_err();
    assert!(matches!(&error, AudioError::NeedsFfmpeg { codec } if codec == "gsm610"), "{error}");
    assert_eq!(error.code(), "audio.needs_ffmpeg");
    assert!(error.to_string().contains("ffmpeg") && error.next().contains("Install ffmpeg"), "{error}");
    assert!(Decoder::open_with(&by_name("mp3.wav"), None).is_ok(), "MP3 in WAVE needs none");
}

#[test]
fn a_program_that_is_no_ffmpeg_is_an_error() {
    let error = Decoder::open_with(&by_name("gsm.wav"), Some("/bin/true".as_ref())).unwrap_err();
    assert_eq!(error.code(), "audio.ffmpeg");
    let error = Decoder::open_with(&by_name("gsm.wav"), Some("/nonexistent/ffmpeg".as_ref())).unwrap_err();
    assert_eq!(error.code(), "audio.ffmpeg");
}

#[test]
fn high_efficiency_aac_without_ffmpeg_is_played_at_its_core_with_a_remark() {
    let file = altered(&by_name("aac.m4a"), |b| {
        let at = b.windows(4).position(|w| w == [0x11, 0x90, 0x56, 0xE5]).expect("LC at 48 kHz with sync extension");
        b[at + 4] = 0xA0;
    });
    let mut decoder = Decoder::open_with(file.path(), None).unwrap();
    assert_eq!(decoder.kind(), DecoderKind::Symphonia);
    assert!(decoder.remarks()[0].contains("HE-AAC"));
    assert!(rest(&mut decoder).len() > 100_000);
}

#[test]
fn text_has_no_sound() {
    let text = written(b"Agent: hello\n");
    assert_eq!(Decoder::open(text.path()).unwrap_err().code(), "audio.no_sound");
    assert_eq!(Decoder::open("/nonexistent".as_ref()).unwrap_err().code(), "audio.io");
}

#[test]
fn a_damaged_packet_is_silence_and_time_stays_true() {
    let whole = decode(&by_name("cbr.mp3"));
    let file = altered(&by_name("cbr.mp3"), |b| {
        let n = b.len();
        b[n / 2 + 10..n / 2 + 60].fill(0);
    });
    let mut decoder = Decoder::open(file.path()).unwrap();
    let here = split(&rest(&mut decoder), 2);
    let tail = whole.frames() * 3 / 4;
    assert!(here[0].len().abs_diff(whole.frames()) <= 1_200);
    assert!(correlation(&whole.channels[0][tail..], &here[0][tail..]) > 0.99);
}
