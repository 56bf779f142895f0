use super::{
    font::{Fonts, Letter},
    layout::{Layout, Mark, PAGE, Role},
};
use crate::{Document, ReportError};
use holdfast_model::visible;
use jiff::{Timestamp, tz::TimeZone};
use krilla::{
    Document as Pdf, SerializeSettings,
    color::luma,
    configure::{Archival, ConfigurationBuilder},
    destination::XyzDestination,
    geom::{PathBuilder, Point, Rect},
    metadata::{DateTime, Metadata},
    num::NormalizedF32,
    outline::{Outline, OutlineNode},
    page::PageSettings,
    paint::{Fill, FillRule},
    surface::Surface,
    tagging::{
        Artifact, ArtifactType, ContentTag, Identifier, ListNumbering, SpanTag, TableHeaderScope, Tag, TagGroup,
        TagTree,
    },
    text::{GlyphId, KrillaGlyph, TextDirection},
};
use std::num::NonZeroU16;

/// Writes the pages, validated as PDF/A-2b.
pub(super) fn write(layout: &Layout, document: &Document) -> Result<Vec<u8>, ReportError> {
    let configuration = ConfigurationBuilder::new().with_archival_validator(Archival::A2_B).finish();
    let settings = SerializeSettings {
        configuration: configuration.map_err(|e| ReportError::Pdf(format!("{e:?}")))?,
        enable_tagging: true,
        ..SerializeSettings::default()
    };
    let fonts = Fonts::load()?;
    let mut pdf = Pdf::new_with(settings);
    let mut drawn: Vec<Vec<Identifier>> = layout.elements.iter().map(|_| Vec::new()).collect();
    for marks in &layout.pages {
        let size = PageSettings::from_wh(PAGE.0, PAGE.1);
        let mut page = pdf.start_page_with(size.ok_or_else(|| ReportError::Pdf("the page has no size".into()))?);
        let mut surface = page.surface();
        for mark in marks {
            draw(mark, &fonts, &mut surface, &mut drawn);
        }
        surface.finish();
        page.finish();
    }
    let mut outline = Outline::new();
    for (title, page, y) in &layout.sections {
        let target = XyzDestination::new(*page, Point::from_xy(0.0, (y - 12.0).max(0.0)));
        outline.push_child(OutlineNode::new(printable(title), target));
    }
    pdf.set_outline(outline);
    let mut tree = TagTree::new().with_lang(Some("en".into()));
    for root in &layout.roots {
        tree.push(group(layout, *root, &mut drawn));
    }
    pdf.set_tag_tree(tree);
    pdf.set_metadata(metadata(document));
    pdf.finish().map_err(|e| ReportError::Pdf(format!("{e:?}").chars().take(300).collect()))
}

fn fill(grey: u8) -> Option<Fill> {
    Some(Fill { paint: luma::Color::new(grey).into(), opacity: NormalizedF32::ONE, rule: FillRule::default() })
}

fn draw(mark: &Mark, fonts: &Fonts, surface: &mut Surface<'_>, drawn: &mut [Vec<Identifier>]) {
    match mark {
        Mark::Box { x, y, width, height, grey } => {
            let Some(rect) = Rect::from_xywh(*x, *y, *width, *height) else { return };
            let mut path = PathBuilder::new();
            path.push_rect(rect);
            let Some(path) = path.finish() else { return };
            surface.start_tagged(ContentTag::Artifact(Artifact::with_kind(ArtifactType::Layout)));
            surface.set_fill(fill(*grey));
            surface.draw_path(&path);
            surface.end_tagged();
        }
        Mark::Text { x, baseline, line, size, grey, element } => {
            let tag = match element {
                Some(_) => ContentTag::Span(SpanTag::empty()),
                None => ContentTag::Artifact(Artifact::with_kind(ArtifactType::PaginationOther)),
            };
            let identifier = surface.start_tagged(tag);
            if let Some(element) = element {
                drawn[*element].push(identifier);
            }
            surface.set_fill(fill(*grey));
            draw_line(&line.letters, *x, *baseline, *size, fonts, surface);
            surface.end_tagged();
        }
    }
}

/// Draws runs of one font and direction one after the other. Words from the right are shaped by the writer; all else is set
/// letter by letter, so that it takes exactly the room that was measured.
fn draw_line(letters: &[Letter], x: f32, baseline: f32, size: f32, fonts: &Fonts, surface: &mut Surface<'_>) {
    let mut x = x;
    for run in letters.chunk_by(|a, b| a.face == b.face && a.rtl == b.rtl) {
        let Some(first) = run.first() else { continue };
        let text: String = run.iter().map(|l| l.c).collect();
        let start = Point::from_xy(x, baseline);
        if first.rtl {
            surface.draw_text(start, fonts.get(first.face), size, &text, false, TextDirection::RightToLeft);
        } else {
            let mut at = 0;
            let glyph = |l: &Letter| {
                let range = at..at + l.c.len_utf8();
                at = range.end;
                KrillaGlyph::new(GlyphId::new(u32::from(l.glyph)), l.advance, 0.0, 0.0, 0.0, range, None)
            };
            let glyphs: Vec<_> = run.iter().map(glyph).collect();
            surface.draw_glyphs(start, &glyphs, fonts.get(first.face), &text, size, false);
        }
        x += run.iter().map(|l| l.advance).sum::<f32>() * size;
    }
}

fn group(layout: &Layout, index: usize, drawn: &mut [Vec<Identifier>]) -> TagGroup {
    let element = &layout.elements[index];
    let mut group = match element.role {
        Role::Heading(level) => TagGroup::new(Tag::Hn(NonZeroU16::new(level).unwrap_or(NonZeroU16::MIN), None)),
        Role::Paragraph => TagGroup::new(Tag::P),
        Role::Table => TagGroup::new(Tag::Table),
        Role::Caption => TagGroup::new(Tag::Caption),
        Role::Head => TagGroup::new(Tag::THead),
        Role::Body => TagGroup::new(Tag::TBody),
        Role::Row => TagGroup::new(Tag::TR),
        Role::ColumnHeader => TagGroup::new(Tag::TH(TableHeaderScope::Column)),
        Role::RowHeader => TagGroup::new(Tag::TH(TableHeaderScope::Row)),
        Role::Cell => TagGroup::new(Tag::TD),
        Role::List => TagGroup::new(Tag::L(ListNumbering::Decimal)),
        Role::Item => TagGroup::new(Tag::LI),
        Role::ItemBody => TagGroup::new(Tag::LBody),
    };
    for child in &element.children {
        group.push(self::group(layout, *child, drawn));
    }
    for identifier in std::mem::take(&mut drawn[index]) {
        group.push(identifier);
    }
    group
}

fn metadata(document: &Document) -> Metadata {
    Metadata::new()
        .title(printable(&document.title))
        .description(printable(&document.description))
        .language("en".into())
        .producer(concat!("Holdfast ", env!("CARGO_PKG_VERSION")).into())
        .creator(concat!("Holdfast ", env!("CARGO_PKG_VERSION")).into())
        .creation_date(date(document.made_at))
}

/// A short text without what XML or a PDF string could not hold.
fn printable(text: &str) -> String {
    visible(text).chars().filter(|c| !matches!(c, '\u{fffe}' | '\u{ffff}')).take(500).collect()
}

fn date(t: Timestamp) -> DateTime {
    let utc = t.to_zoned(TimeZone::UTC);
    let small = |n: i8| u8::try_from(n).unwrap_or_default();
    DateTime::new(u16::try_from(utc.year()).unwrap_or(1))
        .month(small(utc.month()))
        .day(small(utc.day()))
        .hour(small(utc.hour()))
        .minute(small(utc.minute()))
        .second(small(utc.second()))
        .utc_offset_hour(0)
        .utc_offset_minute(0)
}
