use super::font::{Face, Letter, Repertoire, letters};

/// How a piece of text looks.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Style {
    pub(super) face: Face,
    /// In points.
    pub(super) size: f32,
    /// From baseline to baseline, in points.
    pub(super) leading: f32,
}

impl Style {
    pub(super) const fn new(face: Face, size: f32) -> Self {
        Self { face, size, leading: size * 1.36 }
    }
}

/// One line, broken to fit.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Line {
    pub(super) letters: Vec<Letter>,
    /// In points, without the spaces at its end.
    pub(super) width: f32,
}

/// Whether a line may be broken after this letter.
fn breaks_after(l: &Letter) -> bool {
    l.c == ' ' || l.face == Face::Fallback || matches!(l.c, '/' | '\\' | '_' | ';' | ',' | '@' | '–' | '—')
}

/// Breaks text into lines no wider than `width` points: between words, after separators, between ideographs, and inside a word
/// only where it is wider than a line.
pub(super) fn break_lines(text: &str, style: Style, width: f32, repertoire: Repertoire) -> Vec<Line> {
    let mut out = Vec::new();
    for paragraph in text.split('\n') {
        let letters = letters(paragraph.trim_end(), style.face, repertoire);
        let mut start = 0;
        while start < letters.len() {
            let end = line_end(&letters[start..], style.size, width) + start;
            out.push(line(&letters[start..end], style.size));
            start = end;
            while letters.get(start).is_some_and(|l| l.c == ' ') {
                start += 1;
            }
        }
        if letters.is_empty() {
            out.push(Line { letters: Vec::new(), width: 0.0 });
        }
    }
    out
}

/// How many of the letters fit on one line; at least one.
fn line_end(letters: &[Letter], size: f32, width: f32) -> usize {
    let (mut used, mut last_break) = (0.0, 0);
    for (i, l) in letters.iter().enumerate() {
        used += l.advance * size;
        if used > width && l.c != ' ' {
            return if last_break > 0 { last_break } else { i.max(1) };
        }
        if breaks_after(l) {
            last_break = i + 1;
        }
    }
    letters.len()
}

fn line(letters: &[Letter], size: f32) -> Line {
    let visible = letters.iter().rposition(|l| l.c != ' ').map_or(0, |i| i + 1);
    let width = letters[..visible].iter().map(|l| l.advance).sum::<f32>() * size;
    Line { letters: letters.to_vec(), width }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str, width: f32) -> Vec<String> {
        let style = Style::new(Face::Regular, 10.0);
        let lines = break_lines(text, style, width, Repertoire::Full);
        assert!(lines.iter().all(|l| l.width <= width + 0.01), "{text}");
        lines.iter().map(|l| l.letters.iter().map(|l| l.c).collect::<String>().trim_end().to_owned()).collect()
    }

    #[test]
    fn words_digests_and_ideographs_break_where_they_may() {
        assert_eq!(lines("one two three", 45.0), ["one two", "three"]);
        assert_eq!(lines("aaaaaaaaaaaaaaaa", 62.0), ["aaaaaaaaaa", "aaaaaa"]);
        assert_eq!(lines("a\n\nb", 62.0), ["a", "", "b"]);
        assert!(lines("東京特許許可局東京特許許可局", 60.0).len() > 1);
        assert_eq!(lines("", 60.0), [""]);
    }

    #[test]
    fn what_can_not_be_seen_or_drawn_is_printed_as_code_points() {
        assert_eq!(lines("a\u{202e}b", 200.0), ["a[U+202E]b"]);
        assert_eq!(lines("\u{905}", 200.0), ["[U+0905]"]);
        assert_eq!(lines("\u{7}", 200.0), ["[U+0007]"]);
    }
}
