//! Turning metadata bytes into text, and offsets into lines and columns.

use crate::{Problem, reason};
use std::borrow::Cow;

/// Metadata as text: UTF-8, or UTF-16 where it says so by its byte order mark; the mark is taken off.
///
/// # Errors
/// `metadata_malformed` with the place of the first byte that is no text.
pub(crate) fn decode(bytes: &[u8]) -> Result<Cow<'_, str>, Problem> {
    match bytes {
        [0xFF, 0xFE, rest @ ..] => utf16(rest, u16::from_le_bytes).map(Cow::Owned),
        [0xFE, 0xFF, rest @ ..] => utf16(rest, u16::from_be_bytes).map(Cow::Owned),
        _ => {
            let body = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
            std::str::from_utf8(body).map(Cow::Borrowed).map_err(|e| {
                let good = String::from_utf8_lossy(&body[..e.valid_up_to()]);
                Problem::new(reason::METADATA_MALFORMED, "the metadata is not UTF-8 text")
                    .at(Some(line_column(&good, good.len())))
            })
        }
    }
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Result<String, Problem> {
    let (pairs, rest) = bytes.as_chunks::<2>();
    let text: Result<String, _> = char::decode_utf16(pairs.iter().map(|p| unit(*p))).collect();
    match text {
        Ok(text) if rest.is_empty() => Ok(text),
        _ => Err(Problem::new(reason::METADATA_MALFORMED, "the metadata says that it is UTF-16 but is not")),
    }
}

/// Line and column (both from 1; the column in characters) of a byte offset.
pub(crate) fn line_column(text: &str, offset: usize) -> (u64, u64) {
    let mut end = offset.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let before = &text[..end];
    let line_start = before.rfind('\n').map_or(0, |i| i + 1);
    let line = before.bytes().filter(|b| *b == b'\n').count() as u64 + 1;
    (line, before[line_start..].chars().count() as u64 + 1)
}

/// Where in a JSON text the value lies to which `path` leads (names of members, or numbers of elements).
pub(crate) fn locate_json(text: &str, path: &[String]) -> Option<(u64, u64)> {
    use serde_json::value::RawValue;
    use std::collections::BTreeMap;
    let mut here: &str = text;
    for step in path {
        let raw: &RawValue = if here.trim_start().starts_with('[') {
            let list: Vec<&RawValue> = serde_json::from_str(here).ok()?;
            list.get(step.parse::<usize>().ok()?).copied()?
        } else {
            let map: BTreeMap<Cow<'_, str>, &RawValue> = serde_json::from_str(here).ok()?;
            map.get(step.as_str()).copied()?
        };
        here = raw.get();
    }
    let offset = (here.as_ptr() as usize).checked_sub(text.as_ptr() as usize)?;
    let blank = here.len() - here.trim_start().len();
    Some(line_column(text, offset + blank))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn places_are_found() {
        let text = "{\n  \"a\": [1,\n    {\"b\": \"x\"}]\n}";
        assert_eq!(locate_json(text, &["a".into(), "1".into(), "b".into()]), Some((3, 11)));
        assert_eq!(locate_json(text, &["a".into(), "7".into()]), None);
        assert_eq!(line_column("é\nüx", 5), (2, 2));
    }

    #[test]
    fn byte_order_marks_are_understood() {
        assert_eq!(decode(b"\xEF\xBB\xBF{}").unwrap(), "{}");
        assert_eq!(decode(b"\xFF\xFE{\0}\0").unwrap(), "{}");
        assert_eq!(decode(b"\xFE\xFF\0{\0}").unwrap(), "{}");
        let problem = decode(b"ok\nab\xff").unwrap_err();
        assert_eq!((problem.line, problem.column), (Some(2), Some(3)));
    }

    proptest! {
        #[test]
        fn nothing_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300), path in proptest::collection::vec("[a-c0-9]{0,2}", 0..4)) {
            if let Ok(text) = decode(&bytes) {
                let _ = locate_json(&text, &path);
            }
        }
    }
}
