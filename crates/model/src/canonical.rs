use serde::Serialize;
use serde_json::Value;

/// Integers above this do not survive readers that hold numbers as IEEE 754 doubles (RFC 8785, section 3.2.2.3).
const INTEGER_MAX: u64 = (1 << 53) - 1;

/// A value that has no canonical JSON here: no fraction stands in any of our formats, and integers end at 2^53 - 1.
#[derive(Debug, thiserror::Error)]
pub enum CanonicalError {
    /// The number can't be written so that every reader reads the same one.
    #[error("the number {0} can't stand in canonical JSON; whole numbers up to 2^53 - 1 can")]
    Number(String),
    /// The value is no JSON at all (a map with keys that are not text).
    #[error("the value can't be written as JSON: {0}")]
    Unwritable(#[from] serde_json::Error),
}

/// RFC 8785 canonical JSON: no white space, members in the order of their names' UTF-16 code units, shortest escapes.
/// The one form whose digest can be made again from the values.
///
/// # Errors
/// [`CanonicalError`], for a number with a fraction or over 2^53 - 1.
pub fn canonical_json<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, CanonicalError> {
    let mut out = Vec::new();
    write(&serde_json::to_value(value)?, &mut out)?;
    Ok(out)
}

fn write(value: &Value, out: &mut Vec<u8>) -> Result<(), CanonicalError> {
    match value {
        Value::Array(items) => {
            out.push(b'[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push(b',');
                }
                write(item, out)?;
            }
            out.push(b']');
        }
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            members.sort_by(|(a, _), (b, _)| a.encode_utf16().cmp(b.encode_utf16()));
            out.push(b'{');
            for (i, (name, member)) in members.into_iter().enumerate() {
                if i > 0 {
                    out.push(b',');
                }
                serde_json::to_writer(&mut *out, name)?;
                out.push(b':');
                write(member, out)?;
            }
            out.push(b'}');
        }
        Value::Number(n) => {
            let fits = n.as_u64().is_some_and(|u| u <= INTEGER_MAX)
                || n.as_i64().is_some_and(|i| i.unsigned_abs() <= INTEGER_MAX);
            if !fits {
                return Err(CanonicalError::Number(n.to_string()));
            }
            out.extend_from_slice(n.to_string().as_bytes());
        }
        // serde_json writes strings as RFC 8785 wants them: \b \t \n \f \r \" \\, other controls as \u00xx in lower case.
        Value::String(_) | Value::Bool(_) | Value::Null => serde_json::to_writer(out, value)?,
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn members_stand_in_the_order_of_utf_16() {
        // RFC 8785, section 3.2.3: U+1F600 is written with surrogates from U+D83D and so comes before U+FB33.
        let value = json!({"\u{fb33}": 1, "\u{1f600}": 2, "\u{20ac}": 3, "1": 4, "\r": 5, "\u{80}": 6, "\u{f6}": 7});
        let text = String::from_utf8(canonical_json(&value).unwrap()).unwrap();
        assert_eq!(text, "{\"\\r\":5,\"1\":4,\"\u{80}\":6,\"\u{f6}\":7,\"\u{20ac}\":3,\"\u{1f600}\":2,\"\u{fb33}\":1}");
    }

    #[test]
    fn strings_have_the_shortest_escapes() {
        let value = json!({"s": "\u{20ac}$\u{f}\nA'B\"\\/\u{7f}\u{2028}"});
        let want = "{\"s\":\"\u{20ac}$\\u000f\\nA'B\\\"\\\\/\u{7f}\u{2028}\"}";
        assert_eq!(String::from_utf8(canonical_json(&value).unwrap()).unwrap(), want);
    }

    #[test]
    fn what_not_every_reader_can_hold_is_refused() {
        assert_eq!(
            canonical_json(&json!([9_007_199_254_740_991_u64, -1, null, true])).unwrap(),
            b"[9007199254740991,-1,null,true]"
        );
        assert!(canonical_json(&json!(9_007_199_254_740_992_u64)).is_err());
        assert!(canonical_json(&json!(0.5)).is_err());
    }
}
