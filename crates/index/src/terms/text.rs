//! How texts are compared and cut into words. Rows and queries go through the same functions, so that they meet.

use holdfast_model::Sha256Digest;
use unicode_normalization::{UnicodeNormalization as _, char::is_combining_mark};

/// Values longer than this many bytes are kept as their beginning and their digest.
const LONGEST_BYTES: usize = 200;

/// Without case and diacritics: compatibility decomposition (NFKD), marks dropped, lower case.
pub(crate) fn fold(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    let mut out = String::with_capacity(text.len());
    for c in text.nfkd().filter(|c| !is_combining_mark(*c)).flat_map(char::to_lowercase) {
        match c {
            'ß' => out.push_str("ss"),
            'ς' => out.push('σ'),
            c => out.push(c),
        }
    }
    out
}

/// Keeps a value short enough to be a key, and different from every other.
pub(crate) fn bounded(value: String) -> String {
    if value.len() <= LONGEST_BYTES {
        return value;
    }
    let digest = Sha256Digest::of(value.as_bytes());
    format!("{}~{digest}", &value[..value.floor_char_boundary(LONGEST_BYTES / 2)])
}

/// The words of a folded text: runs of letters and digits; each Chinese or Japanese character is one.
pub(crate) fn words(folded: &str) -> impl Iterator<Item = &str> {
    let mut rest = folded;
    std::iter::from_fn(move || {
        rest = rest.trim_start_matches(|c: char| !c.is_alphanumeric());
        let first = rest.chars().next()?;
        let end = if stands_alone(first) {
            first.len_utf8()
        } else {
            rest.find(|c: char| !c.is_alphanumeric() || stands_alone(c)).unwrap_or(rest.len())
        };
        let (word, tail) = rest.split_at(end);
        rest = tail;
        Some(word)
    })
}

/// Scripts written without spaces between words.
fn stands_alone(c: char) -> bool {
    matches!(c, '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}'
        | '\u{20000}'..='\u{3ffff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(text: &str) -> Vec<String> {
        words(&fold(text)).map(str::to_owned).collect()
    }

    #[test]
    fn words_are_without_case_and_diacritics() {
        assert_eq!(
            cut("Müller, JOSÉ-María ﬁled STRASSE/Straße"),
            ["muller", "jose", "maria", "filed", "strasse", "strasse"]
        );
        assert_eq!(cut("ΟΔΟΣ οδος"), ["οδοσ", "οδοσ"]);
        assert_eq!(cut("東京 call"), ["東", "京", "call"]);
        assert_eq!(cut(" --\"'*() "), Vec::<String>::new());
    }

    #[test]
    fn long_values_stay_different() {
        let (a, b) = ("é".repeat(300), "é".repeat(301));
        assert_ne!(bounded(a.clone()), bounded(b));
        assert!(bounded(a).len() <= LONGEST_BYTES);
    }
}
