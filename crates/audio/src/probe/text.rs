//! Transcripts: JSON, e-mail, plain text. Read to the end, a window at a time.

use super::{Defect, Draft, Found, unrecognised};
use crate::{AudioError, bytes::Bytes};
use std::{
    fs::File,
    io::{self, BufReader, Read},
    path::Path,
};

/// Deeper nesting than this is no transcript; the limit keeps the parser's own stack bounded.
const DEEPEST: u32 = 512;
const BOM: &[u8] = b"\xEF\xBB\xBF";

pub(super) fn probe(path: &Path, bytes: &mut Bytes, declared_name: &str) -> Result<Draft, AudioError> {
    let head = bytes.at(0, 64 << 10)?.to_vec();
    let whole = head.len() as u64 == bytes.len();
    if !looks_like_text(&head, whole) {
        return Ok(unrecognised());
    }
    let body = head.strip_prefix(BOM).unwrap_or(&head);
    let first = body.iter().find(|b| !b.is_ascii_whitespace());
    let named = |e: &str| declared_name.to_ascii_lowercase().ends_with(e);
    if first.is_none() {
        let mut draft = Draft::new("txt", "text/plain", Found::Text);
        if whole {
            draft.outcome.defects.push(Defect::Empty);
        }
        return Ok(draft);
    }
    if matches!(first, Some(b'{' | b'[')) && !named(".txt") {
        return json(path);
    }
    if matches!(first, Some(b'{' | b'[')) {
        let draft = json(path)?;
        return if draft.outcome.defects.is_empty() { Ok(draft) } else { plain(bytes) };
    }
    if let Some(header_end) = mail_headers(body) {
        return mail(bytes, body, header_end);
    }
    plain(bytes)
}

/// No zero bytes or stray control characters, and valid UTF-8 or UTF-16 with its mark. Latin-1 passes where it has no
/// control characters beyond the usual.
fn looks_like_text(head: &[u8], whole: bool) -> bool {
    if head.starts_with(&[0xFF, 0xFE]) || head.starts_with(&[0xFE, 0xFF]) {
        return head.len().is_multiple_of(2) || !whole;
    }
    let control = |b: &u8| (*b < 0x20 && !matches!(b, b'\t' | b'\n' | b'\r' | 0x0C | 0x1B)) || *b == 0x7F;
    if head.iter().any(control) {
        return false;
    }
    let utf8 = match std::str::from_utf8(head) {
        Ok(_) => true,
        Err(e) => e.error_len().is_none() && head.len() - e.valid_up_to() < 4,
    };
    // Another 8-bit encoding: mostly ASCII still.
    utf8 || head.iter().filter(|b| !b.is_ascii()).count() * 10 < head.len() * 3
}

/// Watches how deep a JSON text is nested while it is read.
struct Nesting<R> {
    inner: R,
    depth: u32,
    in_string: bool,
    escaped: bool,
}

impl<R: Read> Read for Nesting<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        for b in &buffer[..n] {
            match (self.in_string, self.escaped, b) {
                (true, true, _) => self.escaped = false,
                (true, false, b'\\') => self.escaped = true,
                (_, false, b'"') => self.in_string = !self.in_string,
                (false, _, b'{' | b'[') => self.depth += 1,
                (false, _, b'}' | b']') => self.depth = self.depth.saturating_sub(1),
                _ => {}
            }
            if self.depth > DEEPEST {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "nested too deeply"));
            }
        }
        Ok(n)
    }
}

fn json(path: &Path) -> Result<Draft, AudioError> {
    let mut draft = Draft::new("json", "application/json", Found::Text);
    let mut file = File::open(path)?;
    let mut mark = [0; 3];
    let marked = file.read(&mut mark)? == 3 && mark == *BOM;
    if !marked {
        file = File::open(path)?;
    }
    let reader =
        Nesting { inner: BufReader::with_capacity(64 << 10, file), depth: 0, in_string: false, escaped: false };
    let reader = BufReader::with_capacity(64 << 10, reader);
    // A stream of documents (JSON lines) is accepted, one after the other; nothing of them is kept.
    let mut documents = 0u64;
    for document in serde_json::Deserializer::from_reader(reader).into_iter::<serde::de::IgnoredAny>() {
        match document {
            Ok(_) => documents += 1,
            Err(e) if e.is_eof() => {
                let at = format!("its end at line {}, column {}", e.line(), e.column());
                draft.outcome.defects.push(Defect::truncated("a complete JSON document", at));
                break;
            }
            Err(e) => {
                let what = format!("not valid JSON at line {}, column {}", e.line(), e.column());
                draft.outcome.defects.push(Defect::malformed(what));
                break;
            }
        }
    }
    if documents > 1 {
        draft.remark(format!("{documents} JSON documents, one after the other"));
    }
    Ok(draft)
}

/// Where the header of an e-mail (RFC 5322) ends; none where the text does not begin with one. At least one header that
/// only mail has must be there.
fn mail_headers(body: &[u8]) -> Option<usize> {
    const KNOWN: [&str; 9] =
        ["from", "to", "date", "subject", "message-id", "received", "mime-version", "return-path", "delivered-to"];
    let (mut at, mut known) = (0, 0);
    for line in body.split_inclusive(|b| *b == b'\n') {
        let text = line.strip_suffix(b"\n").unwrap_or(line);
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        if text.is_empty() {
            break;
        }
        at += line.len();
        if text.starts_with(b" ") || text.starts_with(b"\t") || text.starts_with(b"From ") {
            continue;
        }
        let name = text.split(|b| *b == b':').next().unwrap_or_default();
        let is_name = name.len() < text.len() && !name.is_empty() && name.iter().all(|b| b.is_ascii_graphic());
        if !is_name {
            return None;
        }
        let name = String::from_utf8_lossy(name).to_ascii_lowercase();
        known += usize::from(KNOWN.contains(&name.as_str()));
    }
    (known >= 2).then_some(at)
}

fn mail(bytes: &mut Bytes, body: &[u8], header_end: usize) -> Result<Draft, AudioError> {
    let mut draft = Draft::new("eml", "message/rfc822", Found::Text);
    if header_end >= body.len() && body.len() as u64 + 3 >= bytes.len() {
        draft.outcome.defects.push(Defect::truncated("a message behind its header", "the header alone"));
        return Ok(draft);
    }
    let header = String::from_utf8_lossy(&body[..header_end]);
    if let Some(boundary) = boundary(&header) {
        let mark = format!("--{boundary}--");
        if bytes.find(header_end as u64, bytes.len(), mark.as_bytes())?.is_none() {
            draft.outcome.defects.push(Defect::truncated("a last part with its closing boundary", "none"));
        }
    }
    Ok(draft)
}

/// The boundary of a multipart message, by its `Content-Type` header.
fn boundary(header: &str) -> Option<String> {
    let unfolded = header.replace("\r\n", "\n").replace("\n ", " ").replace("\n\t", " ");
    let line = unfolded.lines().find(|l| l.to_ascii_lowercase().starts_with("content-type:"))?;
    let lower = line.to_ascii_lowercase();
    if !lower.contains("multipart/") {
        return None;
    }
    let value = line.get(lower.find("boundary=")? + 9..)?;
    let value = match value.strip_prefix('"') {
        Some(quoted) => quoted.split('"').next()?,
        None => value.split([';', ' ', '\t']).next()?,
    };
    (!value.is_empty() && value.len() <= 200).then(|| value.to_owned())
}

fn plain(bytes: &mut Bytes) -> Result<Draft, AudioError> {
    let mut draft = Draft::new("txt", "text/plain", Found::Text);
    let wide = matches!(bytes.at(0, 2)?, [0xFF, 0xFE] | [0xFE, 0xFF]);
    // A copy that was cut off on a full disk often ends in zeros.
    if !wide && let Some(at) = bytes.find(0, bytes.len(), &[0])? {
        draft.outcome.defects.push(Defect::malformed(format!("zero bytes in the text from byte {at} on")));
    }
    Ok(draft)
}
