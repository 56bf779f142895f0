use std::borrow::Cow;

/// Text from outside as it may be shown on one line: control characters, and characters that no eye sees and that change how the
/// text around them is shown (bidirectional controls, zero-width marks, tags), become `[U+202E]`. What is written from the right,
/// and joiners that scripts need, stay.
#[must_use]
pub fn visible(text: &str) -> Cow<'_, str> {
    escaped(text, is_deceptive)
}

/// The same for text of several lines: line breaks and tabs stay.
#[must_use]
pub fn visible_lines(text: &str) -> Cow<'_, str> {
    escaped(text, |c| is_deceptive(c) && !matches!(c, '\n' | '\t'))
}

/// Whether a character could make a text look like another, or steer what shows it.
#[must_use]
pub fn is_deceptive(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

fn escaped(text: &str, is_bad: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.chars().any(&is_bad) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_bad(c) {
            out.push_str(&format!("[U+{:04X}]", u32::from(c)));
        } else {
            out.push(c);
        }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_deceive_is_shown_as_what_it_is_and_all_else_stays() {
        for (text, want) in [
            ("exe.\u{202e}gpj", "exe.[U+202E]gpj"),
            ("a\u{1b}[31m\u{7}", "a[U+001B][31m[U+0007]"),
            ("a\u{2066}b\u{2069}\u{200b}\u{feff}", "a[U+2066]b[U+2069][U+200B][U+FEFF]"),
            ("Jürgen Groß 山田太郎 שלום نص\u{200c}", "Jürgen Groß 山田太郎 שלום نص\u{200c}"),
        ] {
            assert_eq!(visible(text), want);
        }
        assert_eq!(visible_lines("a\n\tb\r\u{202e}"), "a\n\tb[U+000D][U+202E]");
        assert_eq!(visible("a\nb"), "a[U+000A]b");
    }
}
