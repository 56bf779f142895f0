use std::fmt::Write as _;

/// A name from a file system as text that is stable, lossless and safe to show: bytes that are no UTF-8, control characters,
/// the percent sign, and characters that change how text around them is shown (bidirectional controls, invisible ones, line
/// separators) are percent-encoded byte by byte; everything else stays as it is.
#[must_use]
pub fn encode_name(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            if deceptive(c) {
                let mut buffer = [0; 4];
                escape(&mut out, c.encode_utf8(&mut buffer).as_bytes());
            } else {
                out.push(c);
            }
        }
        escape(&mut out, chunk.invalid());
    }
    out
}

/// The bytes that [`encode_name`] was given. Text that was not made by it is taken as it is, stray percent signs included.
#[must_use]
pub fn decode_name(text: &str) -> Vec<u8> {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut i = 0;
    while i < bytes.len() {
        let hex = |b: Option<&u8>| b.and_then(|b| char::from(*b).to_digit(16));
        if bytes[i] == b'%'
            && let (Some(high), Some(low)) = (hex(bytes.get(i + 1)), hex(bytes.get(i + 2)))
        {
            out.push(u8::try_from(high * 16 + low).unwrap_or(b'%'));
            i += 3;
        } else {
            out.push(bytes[i]);
            i += 1;
        }
    }
    out
}

fn escape(out: &mut String, bytes: &[u8]) {
    for b in bytes {
        let _ = write!(out, "%{b:02X}"); // writing to a String cannot fail
    }
}

fn deceptive(c: char) -> bool {
    c == '%'
        || c.is_control()
        || matches!(c, '\u{00AD}' | '\u{034F}' | '\u{061C}' | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}')
        || matches!(c, '\u{180B}'..='\u{180F}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}')
        || matches!(c, '\u{3164}' | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}' | '\u{FFA0}' | '\u{FFF9}'..='\u{FFFB}')
        || matches!(c, '\u{E0000}'..='\u{E0FFF}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_are_safe_to_show() {
        for (bytes, want) in [
            (&b"call 1.wav"[..], "call 1.wav"),
            ("Gespr\u{e4}ch.wav".as_bytes(), "Gespr\u{e4}ch.wav"),
            (b"a\nb", "a%0Ab"),
            (b"100%", "100%25"),
            (b"\xff\xfe.wav", "%FF%FE.wav"),
            ("evil\u{202e}vaw.exe".as_bytes(), "evil%E2%80%AEvaw.exe"),
        ] {
            assert_eq!(encode_name(bytes), want);
        }
    }

    proptest! {
        #[test]
        fn any_bytes_come_back(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let text = encode_name(&bytes);
            prop_assert!(!text.chars().any(|c| c.is_control()));
            prop_assert_eq!(decode_name(&text), bytes);
        }

        #[test]
        fn decoding_anything_does_not_panic(text in ".{0,200}") {
            let _ = decode_name(&text);
        }
    }
}
