use crate::support::{Home, sidecar};
use holdfast_index::Query;
use holdfast_model::MediaKind;
use serde_json::json;
use std::{collections::BTreeMap, process::Command};

fn ffmpeg(arguments: &[&str], out: &std::path::Path) -> Vec<u8> {
    let done = Command::new("ffmpeg")
        .args(["-hide_banner", "-loglevel", "error", "-y"])
        .args(arguments)
        .arg(out)
        .output()
        .expect("ffmpeg is needed for this test");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    std::fs::read(out).unwrap()
}

#[tokio::test]
async fn every_format_goes_in_as_what_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let home = Home::open(dir.path()).await;
    let speech = dir.path().join("speech.wav");
    let said = Command::new("espeak-ng")
        .args([
            "-w",
            speech.to_str().unwrap(),
            "Thank you for calling, how may I help you today? Please hold the line.",
        ])
        .status()
        .expect("espeak-ng is needed for this test");
    assert!(said.success());
    let speech = speech.to_str().unwrap();
    let sound = ["-t", "3", "-i", speech];
    let formats: [(&str, &str, &[&str]); 12] = [
        ("pcm", "wav", &["-ar", "8000", "-c:a", "pcm_s16le"]),
        ("alaw", "wav", &["-ar", "8000", "-c:a", "pcm_alaw"]),
        ("mulaw", "wav", &["-ar", "8000", "-c:a", "pcm_mulaw"]),
        ("adpcm", "wav", &["-ar", "8000", "-c:a", "adpcm_ima_wav"]),
        ("gsm", "wav", &["-ar", "8000", "-c:a", "libgsm_ms"]),
        ("mp3", "mp3", &["-c:a", "libmp3lame"]),
        ("vorbis", "ogg", &["-c:a", "libvorbis"]),
        ("opus", "ogg", &["-c:a", "libopus"]),
        ("webm", "webm", &["-c:a", "libopus"]),
        ("aac", "m4a", &["-c:a", "aac"]),
        ("flac", "flac", &["-c:a", "flac"]),
        ("stereo", "wav", &["-ac", "2", "-ar", "48000", "-c:a", "pcm_s16le"]),
    ];
    for (name, extension, codec) in formats {
        let bytes = ffmpeg(&[&sound[..], codec].concat(), &dir.path().join(format!("{name}.{extension}")));
        let mut record = sidecar(name, 3_000);
        record["transcript"] = json!(null);
        // Half of them do not say what they are.
        if name.len() == 4 {
            record["media"] = json!(null);
        }
        home.pair(name, extension, &bytes, &record);
    }
    let screen = [
        "-f",
        "lavfi",
        "-i",
        "testsrc=size=160x120:rate=5:duration=3",
        "-i",
        speech,
        "-t",
        "3",
        "-c:v",
        "libx264",
        "-pix_fmt",
        "yuv420p",
        "-c:a",
        "aac",
    ];
    let mut record = sidecar("screen", 3_000);
    record["media"] = json!(null);
    home.pair("screen", "mp4", &ffmpeg(&screen, &dir.path().join("screen.mp4")), &record);
    let text = |name: &str, media: &str| {
        let mut record = sidecar(name, 3_000);
        record["media"] = json!(media);
        record["transcript"] = json!(null);
        record
    };
    home.pair("note", "txt", b"Bob: the parcel never came\n", &text("note", "message"));
    home.pair(
        "mail",
        "eml",
        b"From: ann@example.test\r\nTo: bob@example.test\r\nSubject: your tortoise\r\n\r\nIt is well.\r\n",
        &text("mail", "email"),
    );
    std::fs::write(home.source().join("talk_metadata.json"), text("talk", "chat").to_string()).unwrap();
    std::fs::write(
        home.source().join("talk.json"),
        r#"{"messages":[{"sender":"Ann","text":"the zeppelin has landed"}]}"#,
    )
    .unwrap();
    home.pair("bomb", "txt", b"PK\x03\x04 this claims to be an archive", &text("bomb", "chat"));

    let summary = home.ingest().await;
    assert_eq!(
        (summary.discovered, summary.archived),
        (17, 17),
        "{summary:?} {:?}",
        home.archiver.quarantine_list(20).await
    );
    home.check().await;
    let rows: BTreeMap<_, _> = home.rows().await.into_iter().map(|r| (r.record.recording_id.clone(), r)).collect();
    for (name, ..) in formats {
        let row = &rows[name];
        assert_eq!(row.record.media, MediaKind::Voice, "{name}");
        let ms = row.probe.measured_duration_ms.unwrap_or_else(|| panic!("{name} has no length: {:?}", row.probe));
        assert!(ms.abs_diff(3_000) < 200, "{name}: {ms} ms");
    }
    assert!(!rows["gsm"].probe.decodable || rows["gsm"].probe.codec.is_some());
    assert_eq!(rows["screen"].record.media, MediaKind::Screen);
    assert!(rows["screen"].probe.remarks.iter().any(|r| r.contains("content")));
    assert!(rows["bomb"].probe.remarks.iter().any(|r| r.contains("compressed")), "{:?}", rows["bomb"].probe);
    for (word, name) in [("parcel", "note"), ("tortoise", "mail"), ("zeppelin", "talk")] {
        let found = home.parts.index.search(&Query { text: Some(word.into()), ..Query::default() }).await.unwrap();
        let ids: Vec<_> = found.rows.iter().map(|r| r.record.recording_id.as_str()).collect();
        assert_eq!(ids, [name], "{word}");
    }
    assert_eq!(home.ingest().await.already, 17);
}
