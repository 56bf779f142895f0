use crate::{
    fixtures::{FORMATS, by_name, fixture},
    signal::{correlation, decode},
};
use holdfast_audio::{Channels, Resolution, WavView, peaks, probe};
use holdfast_model::{Cancel, MediaKind, NoProgress};
use std::io::{Read, Seek, SeekFrom};

fn whole(view: &mut WavView) -> Vec<u8> {
    let mut all = Vec::new();
    view.read_range(0, u64::MAX, &mut |piece| all.extend_from_slice(piece)).unwrap();
    all
}

#[test]
fn the_virtual_file_is_a_wave_file_of_the_promised_length() {
    for f in FORMATS {
        let mut view = WavView::open(&fixture(f), Channels::Both).unwrap();
        let bytes = whole(&mut view);
        assert_eq!(bytes.len() as u64, view.len_bytes(), "{}", f.file);
        let file = crate::fixtures::written(&bytes);
        let found = probe(file.path(), MediaKind::Voice, "v.wav").unwrap();
        assert_eq!(found.defects, [], "{}", f.file);
        assert_eq!(found.probe.codec.as_deref(), Some("pcm_s16le"));
        let (a, b) = (decode(&fixture(f)), decode(file.path()));
        let n = a.frames().min(b.frames());
        assert!(correlation(&a.channels[0][..n], &b.channels[0][..n]) > 0.999, "{}", f.file);
    }
}

#[test]
fn ranges_are_the_same_bytes_wherever_they_begin() {
    for f in FORMATS {
        let all = whole(&mut WavView::open(&fixture(f), Channels::Both).unwrap());
        let mut view = WavView::open(&fixture(f), Channels::Both).unwrap();
        let n = all.len() as u64;
        for (start, len) in
            [(n - 700, 5_000), (n / 2 + 1, 9_999), (0, 50), (43, 3), (n / 3, 40_001), (n, 10), (n / 2, 1)]
        {
            let mut range = Vec::new();
            view.read_range(start, len, &mut |piece| range.extend_from_slice(piece)).unwrap();
            let end = (start + len).min(n) as usize;
            assert!(range == all[start as usize..end], "{} at {start}", f.file);
        }
        view.seek(SeekFrom::End(-100)).unwrap();
        let mut tail = Vec::new();
        view.read_to_end(&mut tail).unwrap();
        assert!(tail == all[all.len() - 100..], "{}", f.file);
    }
}

#[test]
fn one_channel_alone_is_a_mono_file() {
    let path = by_name("mulaw.wav");
    let source = decode(&path);
    for (choice, channel) in [(Channels::Left, 0), (Channels::Right, 1)] {
        let file = crate::fixtures::written(&whole(&mut WavView::open(&path, choice).unwrap()));
        let one = decode(file.path());
        assert_eq!(one.channels.len(), 1);
        assert!(correlation(&source.channels[channel], &one.channels[0]) > 0.9999);
        assert!(correlation(&source.channels[1 - channel], &one.channels[0]) < 0.5);
    }
    let mut mono = WavView::open(&by_name("gsm.wav"), Channels::Right).unwrap();
    assert!(whole(&mut mono).iter().skip(44).any(|b| *b != 0), "one channel is heard whatever is chosen");
}

#[test]
fn peaks_bound_every_sample() {
    for file in ["mulaw.wav", "opus.webm", "aac.m4a", "vbr.mp3"] {
        let path = by_name(file);
        let sound = decode(&path);
        for resolution in [Resolution::Buckets(500), Resolution::PerSecond(100)] {
            let drawn = peaks(&path, resolution, &Cancel::default(), &NoProgress).unwrap();
            assert_eq!((drawn.channels.len(), drawn.frames as usize), (2, sound.frames()));
            let n = drawn.channels[0].min.len();
            match resolution {
                Resolution::Buckets(want) => assert_eq!(n, want as usize, "{file}"),
                Resolution::PerSecond(_) => assert!(n.abs_diff(914) <= 5, "{file}: {n}"),
            }
            for (channel, drawn) in sound.channels.iter().zip(&drawn.channels) {
                let scaled = |x: f32| (x.clamp(-1.0, 1.0) * 32_767.0) as i16;
                let (low, high) = channel.iter().fold((0f32, 0f32), |(l, h), x| (l.min(*x), h.max(*x)));
                assert_eq!(drawn.min.iter().min(), Some(&scaled(low)), "{file}");
                assert_eq!(drawn.max.iter().max(), Some(&scaled(high)), "{file}");
                // The loudest sample lies in the bucket that it should.
                let loudest = channel.iter().position(|x| *x == high).unwrap();
                let bucket = drawn.max.iter().position(|x| *x == scaled(high)).unwrap();
                assert!((loudest * n / channel.len()).abs_diff(bucket) <= 2, "{file}");
            }
        }
    }
}

#[test]
fn drawing_can_be_cancelled() {
    let cancel = Cancel::default();
    cancel.cancel();
    let error = peaks(&by_name("s16.wav"), Resolution::Buckets(10), &cancel, &NoProgress).unwrap_err();
    assert_eq!(holdfast_model::Fault::code(&error), "audio.cancelled");
}
