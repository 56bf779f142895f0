//! A bound on JSON before it is read: what it holds takes many times the memory of its text.

/// More values than this have no descriptive file of a package that one person could look at.
pub(crate) const VALUES_MAX: usize = 600_000;

/// Whether `bytes` hold at most about `max` JSON values. Only counts what begins or separates values outside of texts; whether it is JSON at all is the
/// parser's to say.
pub(crate) fn is_within(bytes: &[u8], max: usize) -> bool {
    let (mut values, mut in_text, mut escaped) = (1, false, false);
    for b in bytes {
        match b {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            b',' | b'[' | b'{' if !in_text => values += 1,
            _ => {}
        }
        if values > max {
            return false;
        }
    }
    true
}

/// The members of the object that `json` is, one after the other: name as written, value as written. Of what is no JSON it returns
/// what there is.
pub(crate) fn members(json: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let mut cursor = Cursor::enter(json, b'{');
    std::iter::from_fn(move || {
        let name = cursor.value()?.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
        cursor.pass(b':')?;
        Some((name, cursor.value()?))
    })
}

/// The elements of the array that `json` is, as written.
pub(crate) fn elements(json: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut cursor = Cursor::enter(json, b'[');
    std::iter::from_fn(move || cursor.value())
}

/// Goes over the values of one array or object.
struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    fn enter(json: &'a [u8], opening: u8) -> Self {
        let mut cursor = Self { rest: json };
        if cursor.pass(opening).is_none() {
            cursor.rest = &[];
        }
        cursor
    }

    fn pass(&mut self, wanted: u8) -> Option<()> {
        self.rest = self.rest.trim_ascii_start().strip_prefix(&[wanted])?;
        Some(())
    }

    /// The next value, and the comma before it passed over.
    fn value(&mut self) -> Option<&'a [u8]> {
        let rest = self.rest.trim_ascii_start();
        let rest = rest.strip_prefix(b",").unwrap_or(rest).trim_ascii_start();
        let (value, rest) = rest.split_at(length(rest)?);
        self.rest = rest;
        Some(value)
    }
}

/// Length of the value that `json` begins with; none where none begins.
fn length(json: &[u8]) -> Option<usize> {
    let (mut depth, mut in_text, mut escaped) = (0_usize, false, false);
    for (at, b) in json.iter().enumerate() {
        match b {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => {
                in_text = !in_text;
                if !in_text && depth == 0 {
                    return Some(at + 1);
                }
            }
            _ if in_text => {}
            b'[' | b'{' => depth += 1,
            b']' | b'}' if depth > 1 => depth -= 1,
            b']' | b'}' if depth == 1 => return Some(at + 1),
            // A number or word ends where its surroundings go on.
            b']' | b'}' | b',' | b':' | b' ' | b'\n' | b'\r' | b'\t' if depth == 0 => return (at > 0).then_some(at),
            _ => {}
        }
    }
    (depth == 0 && !in_text && !json.is_empty()).then_some(json.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_and_elements_are_found_as_they_are_written() {
        let json = br#" { "a" : [1, "x\"],{", {"b":[]} , null ] ,"n":-1.5e3,"t":"\\","o":{} }"#;
        let found: Vec<_> =
            members(json).map(|(n, v)| (String::from_utf8_lossy(n), String::from_utf8_lossy(v))).collect();
        let shown: Vec<_> = found.iter().map(|(n, v)| format!("{n}={v}")).collect();
        assert_eq!(shown, [r#"a=[1, "x\"],{", {"b":[]} , null ]"#, "n=-1.5e3", r#"t="\\""#, "o={}"]);
        let inner: Vec<_> = elements(found[0].1.as_bytes()).map(String::from_utf8_lossy).collect();
        assert_eq!(inner, ["1", r#""x\"],{""#, r#"{"b":[]}"#, "null"]);
        for bad in [&b""[..], b"[", b"{\"a", b"{\"a\":", b"]", b"{]", b"[1", b"[\"\\"] {
            assert!(members(bad).count() <= 1 && elements(bad).count() <= 1, "{bad:?}");
        }
        assert_eq!((elements(b"[]").count(), members(b"{}").count(), elements(b"{}").count()), (0, 0, 0));
    }

    #[test]
    fn values_are_counted_outside_of_texts_only() {
        let json = br#"{"a,[{": [1, "\",,\\", {}], "b": null}"#;
        assert!(is_within(json, 7) && !is_within(json, 6));
        assert!(is_within(b"", 1) && !is_within(b"[[[", 3));
    }
}
