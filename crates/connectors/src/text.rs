//! Text that can be searched, out of transcripts. Bounded: at most 1 MiB comes out, at most 8 MiB are looked at, and nothing
//! is ever decompressed, so that there is nothing a bomb could do (ADR 0053).

use crate::{PAYLOAD_LIMIT, input};
use mail_parser::{Address, MessageParser};
use serde_json::Value;
use std::io::{self, Read};

/// How text is made, as it stands in a manifest.
pub const TEXT_METHOD: &str = "text-extraction/1";

/// Longest text that is made searchable: 1 MiB.
const LIMIT: usize = 1024 * 1024;

/// What was found in a transcript.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExtractedText {
    /// The text, at most 1 MiB.
    pub text: String,
    /// What was read as: `eml`, `json`, `html`, `txt`; none where it is no text.
    pub container: Option<&'static str>,
    /// What a person should know: cut off, compressed, not text.
    pub remarks: Vec<String>,
}

/// Reads a transcript. `name` is only asked for its ending. Never fails over what the bytes are; they are archived as they are in
/// any case.
///
/// # Errors
/// Where `from` cannot be read.
pub fn extract_text(name: &str, from: impl Read) -> io::Result<ExtractedText> {
    let mut bytes = Vec::new();
    from.take(PAYLOAD_LIMIT + 1).read_to_end(&mut bytes)?;
    let mut remarks = Vec::new();
    if bytes.len() as u64 > PAYLOAD_LIMIT {
        bytes.truncate(PAYLOAD_LIMIT as usize);
        remarks.push("longer than 8 MiB: only the beginning can be searched".to_owned());
    }
    if let Some(archive) = compressed(&bytes) {
        let remark = format!("a compressed file ({archive}): kept as it is, its text cannot be searched");
        return Ok(ExtractedText { remarks: vec![remark], ..ExtractedText::default() });
    }
    let (container, text) = read(name, &bytes);
    let Some(mut text) = text else {
        remarks.push("not a text that Holdfast reads: kept as it is, it cannot be searched".to_owned());
        return Ok(ExtractedText { remarks, ..ExtractedText::default() });
    };
    if text.len() > LIMIT {
        text.truncate(floor_char(&text, LIMIT));
        remarks.push("more than 1 MiB of text: only the beginning can be searched".to_owned());
    }
    Ok(ExtractedText { text, container: Some(container), remarks })
}

fn compressed(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [b'P', b'K', 3 | 5, 4 | 6, ..] => Some("zip"),
        [0x1F, 0x8B, ..] => Some("gzip"),
        [b'B', b'Z', b'h', ..] => Some("bzip2"),
        [0xFD, b'7', b'z', b'X', b'Z', ..] => Some("xz"),
        [b'7', b'z', 0xBC, 0xAF, ..] => Some("7z"),
        [0x28, 0xB5, 0x2F, 0xFD, ..] => Some("zstd"),
        _ => None,
    }
}

fn read(name: &str, bytes: &[u8]) -> (&'static str, Option<String>) {
    let extension = name.rsplit_once('.').map(|(_, e)| e.to_ascii_lowercase()).unwrap_or_default();
    if matches!(extension.as_str(), "eml" | "msg" | "mht") || looks_like_mail(bytes) {
        return ("eml", mail(bytes));
    }
    let lossy = || match input::decode(bytes) {
        Ok(text) => Some(text.into_owned()),
        // A cut in the middle of a character, or an old character set: what can be read is better than nothing.
        Err(_) if !bytes.contains(&0) => Some(String::from_utf8_lossy(bytes).into_owned()),
        Err(_) => None,
    };
    let Some(text) = lossy().filter(|t| !t.contains('\0')) else { return ("txt", None) };
    let start = text.trim_start();
    if start.starts_with(['{', '['])
        && let Ok(value) = serde_json::from_str::<Value>(&text)
    {
        return ("json", Some(chat(&value)));
    }
    let head: String = start.chars().take(15).collect::<String>().to_ascii_lowercase();
    if head.starts_with("<!doctype html") || head.starts_with("<html") {
        return ("html", Some(mail_parser::decoders::html::html_to_text(&text)));
    }
    ("txt", Some(text))
}

/// A header line such as `From:` or `Received:` right at the beginning.
fn looks_like_mail(bytes: &[u8]) -> bool {
    const HEADERS: [&str; 8] =
        ["from:", "return-path:", "received:", "mime-version:", "message-id:", "date:", "subject:", "delivered-to:"];
    let head = String::from_utf8_lossy(&bytes[..bytes.len().min(2048)]).to_ascii_lowercase();
    let lines: Vec<&str> = head.lines().take(3).collect();
    lines.len() > 1
        && HEADERS.iter().any(|h| lines[0].starts_with(h))
        && head.matches("\n").count() > 2
        && HEADERS.iter().filter(|h| head.contains(&format!("\n{h}")) || head.starts_with(**h)).count() > 1
}

fn mail(bytes: &[u8]) -> Option<String> {
    let message = MessageParser::default().parse(bytes)?;
    let mut out = String::new();
    if let Some(subject) = message.subject() {
        push_line(&mut out, subject);
    }
    for address in [message.from(), message.to(), message.cc()].into_iter().flatten() {
        push_line(&mut out, &addresses(address));
    }
    for part in 0..message.text_body_count().min(64) {
        if out.len() > LIMIT {
            break;
        }
        if let Some(body) = message.body_text(part) {
            push_line(&mut out, &body);
        }
    }
    Some(out)
}

fn addresses(of: &Address<'_>) -> String {
    let one = |a: &mail_parser::Addr<'_>| match (a.name(), a.address()) {
        (Some(name), Some(address)) => format!("{name} <{address}>"),
        (Some(one), None) | (None, Some(one)) => one.to_owned(),
        (None, None) => String::new(),
    };
    of.iter().take(100).map(one).collect::<Vec<_>>().join(", ")
}

/// A chat as any vendor writes it: wherever an object has a text member, one line `sender: text`; where none has, all strings.
pub(crate) fn chat(value: &Value) -> String {
    let mut out = String::new();
    messages(value, &mut out);
    if out.is_empty() {
        strings(value, &mut out);
    }
    out
}

const TEXTS: [&str; 8] = ["text", "body", "message", "content", "utterance", "textBody", "messageText", "subject"];
const SENDERS: [&str; 10] =
    ["sender", "from", "author", "name", "displayName", "display_name", "participant", "user", "role", "fromName"];

fn messages(value: &Value, out: &mut String) {
    if out.len() > LIMIT {
        return;
    }
    match value {
        Value::Array(list) => list.iter().for_each(|v| messages(v, out)),
        Value::Object(map) => {
            let sender = SENDERS.iter().find_map(|k| map.get(*k)).and_then(sender);
            for key in TEXTS {
                match map.get(key) {
                    Some(Value::String(text)) if !text.trim().is_empty() => match &sender {
                        Some(sender) => push_line(out, &format!("{sender}: {text}")),
                        None => push_line(out, text),
                    },
                    _ => {}
                }
            }
            map.values().filter(|v| v.is_array() || v.is_object()).for_each(|v| messages(v, out));
        }
        _ => {}
    }
}

fn sender(value: &Value) -> Option<String> {
    match value {
        Value::String(s) => Some(s.clone()),
        Value::Object(map) => SENDERS.iter().find_map(|k| map.get(*k)).and_then(Value::as_str).map(str::to_owned),
        _ => None,
    }
}

fn strings(value: &Value, out: &mut String) {
    match value {
        _ if out.len() > LIMIT => {}
        Value::String(s) => push_line(out, s),
        Value::Array(list) => list.iter().for_each(|v| strings(v, out)),
        Value::Object(map) => map.values().for_each(|v| strings(v, out)),
        _ => {}
    }
}

fn push_line(out: &mut String, line: &str) {
    if !line.trim().is_empty() {
        let room = (LIMIT + 8).saturating_sub(out.len());
        out.push_str(&line[..floor_char(line, room)]);
        out.push('\n');
    }
}

fn floor_char(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(name: &str, bytes: &[u8]) -> ExtractedText {
        extract_text(name, bytes).unwrap()
    }

    #[test]
    fn a_mail_gives_subject_people_and_body() {
        let eml = b"From: Ann Agent <ann@example.test>\r\nTo: bob@example.test\r\nSubject: =?utf-8?q?R=C3=BCckruf?=\r\n\
            MIME-Version: 1.0\r\nContent-Type: multipart/alternative; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\n\
            the invoice\r\n--b\r\nContent-Type: text/html\r\n\r\n<p>the <b>invoice</b></p>\r\n--b--\r\n";
        for name in ["a.eml", "a.dat"] {
            let found = text(name, eml);
            assert_eq!(found.container, Some("eml"), "{name}");
            for part in ["R\u{fc}ckruf", "Ann Agent <ann@example.test>", "the invoice"] {
                assert!(found.text.contains(part), "{part} in {}", found.text);
            }
        }
    }

    #[test]
    fn a_chat_gives_who_said_what() {
        let json = br#"{"id":"x1","messages":[{"sender":"Ann","time":"2024","text":"hello"},
            {"from":{"name":"Bob"},"body":"I want a refund"}]}"#;
        assert_eq!(text("c.json", json).text, "Ann: hello\nBob: I want a refund\n");
        assert_eq!(text("c.json", br#"["a",{"b":"c"}]"#).text, "a\nc\n");
        assert_eq!(text("c.json", b"{broken").container, Some("txt"));
    }

    #[test]
    fn html_loses_its_tags() {
        let found = text("c.html", b"<!DOCTYPE html><html><body><p>hello <b>you</b></p></body></html>");
        assert!(found.text.contains("hello you") && !found.text.contains('<'), "{found:?}");
    }

    #[test]
    fn compressed_and_binary_transcripts_are_opaque() {
        for (bytes, word) in
            [(&b"PK\x03\x04aaaa"[..], "zip"), (b"\x1f\x8b\x08aaa", "gzip"), (b"a\0b\0\xff", "not a text")]
        {
            let found = text("t.txt", bytes);
            assert_eq!((found.text.as_str(), found.container), ("", None));
            assert!(found.remarks[0].contains(word), "{found:?}");
        }
    }

    #[test]
    fn long_texts_are_cut_and_say_so() {
        let found = text("t.txt", "é".repeat(2 * LIMIT).as_bytes());
        assert!(found.text.len() <= LIMIT && found.remarks.len() == 1);
        let found = extract_text("t.txt", io::repeat(b'x').take(PAYLOAD_LIMIT * 4)).unwrap();
        assert_eq!((found.text.len(), found.remarks.len()), (LIMIT, 2));
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        assert_eq!(text("t.json", deep.as_bytes()).container, Some("txt"));
        let nested = "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n".repeat(50_000);
        assert!(text("t.eml", nested.as_bytes()).text.len() <= LIMIT);
    }

    proptest! {
        #[test]
        fn nothing_panics_and_all_is_bounded(name in "[a-z]{1,3}\\.(eml|json|txt|html)", bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            prop_assert!(text(&name, &bytes).text.len() <= LIMIT);
        }

        #[test]
        fn mail_like_input_does_not_panic(body in "(From|To|Subject|Content-Type|Content-Transfer-Encoding): [ -~]{0,60}\r\n(\r\n)?[ -~\r\n=]{0,300}") {
            let _ = text("a.eml", body.as_bytes());
        }
    }
}
