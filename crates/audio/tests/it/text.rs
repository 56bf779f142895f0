use crate::fixtures::written;
use holdfast_audio::{Defect, ProbeOutcome, probe};
use holdfast_model::MediaKind;

fn look(bytes: &[u8], kind: MediaKind, name: &str) -> ProbeOutcome {
    probe(written(bytes).path(), kind, name).unwrap()
}

const MAIL: &str = "Return-Path: <a@example.com>\r\nFrom: Ann <a@example.com>\r\nTo: b@example.com\r\nSubject: Order\r\n\
    MIME-Version: 1.0\r\nContent-Type: multipart/mixed;\r\n boundary=\"=_x1\"\r\n\r\n--=_x1\r\nContent-Type: text/plain\r\n\
    \r\nHello\r\n--=_x1--\r\n";

#[test]
fn transcripts_are_told_apart() {
    let cases: [(&[u8], MediaKind, &str, &str, &str); 7] = [
        (br#"{"messages":[{"from":"agent","text":"hi"}]}"#, MediaKind::Chat, "c.json", "json", "application/json"),
        (b"\xEF\xBB\xBF[1, 2]", MediaKind::Message, "c.json", "json", "application/json"),
        (MAIL.as_bytes(), MediaKind::Email, "m.eml", "eml", "message/rfc822"),
        ("Agent: guten Tag, schönes Wetter\n".as_bytes(), MediaKind::Chat, "c.txt", "txt", "text/plain"),
        (b"Agent: sch\xF6nes Wetter heute, nicht wahr\n", MediaKind::Chat, "c.txt", "txt", "text/plain"),
        (b"\xFF\xFEh\0i\0", MediaKind::Chat, "c.txt", "txt", "text/plain"),
        (b"[10:02] Agent: hello\n", MediaKind::Chat, "c.txt", "txt", "text/plain"),
    ];
    for (bytes, kind, name, container, media_type) in cases {
        let found = look(bytes, kind, name);
        assert_eq!((found.probe.container.as_str(), found.media_type.as_str()), (container, media_type));
        assert_eq!(found.defects, [], "{}", String::from_utf8_lossy(bytes));
        assert_eq!((found.probe.measured_duration_ms, found.probe.codec), (None, None));
    }
}

#[test]
fn half_a_transcript_is_told_from_a_whole_one() {
    let cut = look(br#"{"messages":[{"from":"agent","te"#, MediaKind::Chat, "c.json");
    assert!(matches!(cut.defects.as_slice(), [Defect::Truncated { .. }]), "{cut:?}");
    let broken = look(br#"{"messages":[}"#, MediaKind::Chat, "c.json");
    assert!(matches!(broken.defects.as_slice(), [Defect::Malformed { .. }]), "{broken:?}");
    let cut = look(&MAIL.as_bytes()[..MAIL.len() - 12], MediaKind::Email, "m.eml");
    assert!(matches!(cut.defects.as_slice(), [Defect::Truncated { .. }]), "{cut:?}");
    let header = MAIL.split("\r\n\r\n").next().unwrap();
    let cut = look(header.as_bytes(), MediaKind::Email, "m.eml");
    assert!(matches!(cut.defects.as_slice(), [Defect::Truncated { .. }]), "{cut:?}");
    let mut zeros = b"Agent: hello\n".repeat(8_000);
    let at = zeros.len();
    zeros.extend([0; 512]);
    let cut = look(&zeros, MediaKind::Chat, "c.txt");
    assert_eq!(cut.defects, [Defect::Malformed { what: format!("zero bytes in the text from byte {at} on") }]);
    assert_eq!(look(b" \n\n", MediaKind::Chat, "c.txt").defects, [Defect::Empty]);
}

#[test]
fn nesting_without_end_does_not_exhaust_memory_or_stack() {
    let deep = "[".repeat(3_000_000);
    let found = look(deep.as_bytes(), MediaKind::Chat, "c.json");
    assert!(matches!(found.defects.as_slice(), [Defect::Malformed { .. }]), "{found:?}");
}
