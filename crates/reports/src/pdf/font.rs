use crate::ReportError;
use krilla::text::Font;
use std::sync::LazyLock;
use ttf_parser::Face as Outline;

static REGULAR: &[u8] = include_bytes!("../../assets/DejaVuSans.ttf");
static BOLD: &[u8] = include_bytes!("../../assets/DejaVuSans-Bold.ttf");
static FIXED: &[u8] = include_bytes!("../../assets/DejaVuSansMono.ttf");
static FALLBACK: &[u8] = include_bytes!("../../assets/DroidSansFallback.ttf");

/// One of the embedded fonts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Face {
    Regular,
    Bold,
    Fixed,
    /// Chinese, Japanese, Korean.
    Fallback,
}

/// Which characters may be drawn as themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Repertoire {
    /// All that the fonts have.
    Full,
    /// Without right-to-left scripts.
    LeftToRight,
}

/// A font's measures.
struct Measures {
    outline: Outline<'static>,
    per_em: f32,
}

fn measures(bytes: &'static [u8]) -> Option<Measures> {
    let outline = Outline::parse(bytes, 0).ok()?;
    let per_em = f32::from(outline.units_per_em());
    Some(Measures { outline, per_em })
}

static MEASURES: LazyLock<[Option<Measures>; 4]> = LazyLock::new(|| [REGULAR, BOLD, FIXED, FALLBACK].map(measures));

impl Face {
    /// Glyph and advance (in ems) of a character, where the font has it.
    pub(super) fn glyph(self, c: char) -> Option<(u16, f32)> {
        let m = MEASURES[self as usize].as_ref()?;
        let glyph = m.outline.glyph_index(c).filter(|g| g.0 != 0)?;
        let advance = m.outline.glyph_hor_advance(glyph)?;
        Some((glyph.0, f32::from(advance) / m.per_em))
    }
}

/// The fonts as the PDF writer takes them.
pub(super) struct Fonts([Font; 4]);

impl Fonts {
    pub(super) fn load() -> Result<Self, ReportError> {
        let font = |bytes: &'static [u8]| {
            Font::new(bytes.into(), 0).ok_or_else(|| ReportError::Pdf("an embedded font can't be read".into()))
        };
        Ok(Self([font(REGULAR)?, font(BOLD)?, font(FIXED)?, font(FALLBACK)?]))
    }

    pub(super) fn get(&self, face: Face) -> Font {
        self.0[face as usize].clone()
    }
}

/// Whether a character belongs to a script that is written from the right.
pub(super) fn is_rtl(c: char) -> bool {
    matches!(c, '\u{590}'..='\u{8ff}' | '\u{fb1d}'..='\u{fdff}' | '\u{fe70}'..='\u{feff}' | '\u{10800}'..='\u{10fff}' | '\u{1e800}'..='\u{1efff}')
}

/// Characters that no eye sees and that can make text look like another: always printed as code points.
fn is_invisible(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{fffe}' | '\u{ffff}' | '\u{e000}'..='\u{f8ff}' | '\u{e0000}'..='\u{10ffff}')
}

/// A character to be drawn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Letter {
    pub(super) c: char,
    pub(super) face: Face,
    pub(super) glyph: u16,
    /// In ems.
    pub(super) advance: f32,
    pub(super) rtl: bool,
}

/// The letters of one line of text; white space becomes a space, what can't be drawn becomes its code point.
pub(super) fn letters(text: &str, face: Face, repertoire: Repertoire) -> Vec<Letter> {
    let mut out = Vec::with_capacity(text.len());
    for c in text.chars() {
        let c = if c.is_whitespace() { ' ' } else { c };
        match letter(c, face, repertoire) {
            Some(letter) => out.push(letter),
            None => out.extend(format!("[U+{:04X}]", u32::from(c)).chars().filter_map(|c| letter_of(c, face))),
        }
    }
    // A space between two words written from the right belongs to them.
    for i in 1..out.len().saturating_sub(1) {
        out[i].rtl |= out[i].c == ' ' && out[i - 1].rtl && out[i + 1].rtl;
    }
    out
}

fn letter(c: char, face: Face, repertoire: Repertoire) -> Option<Letter> {
    let drawable = !is_invisible(c) && (repertoire == Repertoire::Full || !is_rtl(c));
    if drawable { letter_of(c, face) } else { None }
}

fn letter_of(c: char, face: Face) -> Option<Letter> {
    [face, Face::Regular, Face::Fallback].into_iter().find_map(|face| {
        let (glyph, advance) = face.glyph(c)?;
        Some(Letter { c, face, glyph, advance, rtl: is_rtl(c) })
    })
}
