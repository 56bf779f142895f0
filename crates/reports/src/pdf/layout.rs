use super::{
    font::{Face, Repertoire},
    line::{Line, Style, break_lines},
};
use crate::{
    document::{Block, Document},
    format,
};

/// US Letter, in points. Printed on A4 it loses nothing but margin.
pub(super) const PAGE: (f32, f32) = (612.0, 792.0);
pub(super) const LEFT: f32 = 54.0;
pub(super) const WIDTH: f32 = PAGE.0 - 2.0 * LEFT;
const TOP: f32 = 66.0;
pub(super) const BOTTOM: f32 = PAGE.1 - 60.0;

pub(super) const BODY: Style = Style::new(Face::Regular, 9.5);
pub(super) const CELL: Style = Style::new(Face::Regular, 8.0);
pub(super) const CELL_BOLD: Style = Style::new(Face::Bold, 8.0);
pub(super) const CELL_FIXED: Style = Style::new(Face::Fixed, 7.5);
const TITLE: Style = Style::new(Face::Bold, 19.0);
const SUBTITLE: Style = Style::new(Face::Regular, 11.0);
const SECTION: Style = Style::new(Face::Bold, 13.0);
const PART: Style = Style::new(Face::Bold, 10.5);
const SMALL: Style = Style::new(Face::Regular, 7.5);

pub(super) const BLACK: u8 = 20;
pub(super) const GREY: u8 = 90;

/// What a piece of the page is to a screen reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Heading(u16),
    Paragraph,
    Table,
    Caption,
    Head,
    Body,
    Row,
    ColumnHeader,
    RowHeader,
    Cell,
    List,
    Item,
    ItemBody,
}

/// A node of the tree of meaning; nodes with children draw nothing themselves.
#[derive(Debug)]
pub(super) struct Element {
    pub(super) role: Role,
    pub(super) children: Vec<usize>,
}

/// Something that is drawn. Without an element it is decoration.
#[derive(Debug)]
pub(super) enum Mark {
    Text { x: f32, baseline: f32, line: Line, size: f32, grey: u8, element: Option<usize> },
    Box { x: f32, y: f32, width: f32, height: f32, grey: u8 },
}

/// A document on pages.
pub(super) struct Layout {
    pub(super) pages: Vec<Vec<Mark>>,
    pub(super) elements: Vec<Element>,
    /// Elements at the top of the tree, in reading order.
    pub(super) roots: Vec<usize>,
    /// Title, page and height of each section.
    pub(super) sections: Vec<(String, usize, f32)>,
    pub(super) repertoire: Repertoire,
    /// Where the next thing goes on the last page.
    pub(super) y: f32,
}

impl Layout {
    pub(super) fn of(document: &Document, repertoire: Repertoire) -> Self {
        let mut layout = Self {
            pages: vec![Vec::new()],
            elements: Vec::new(),
            roots: Vec::new(),
            sections: Vec::new(),
            repertoire,
            y: TOP,
        };
        layout.heading(1, &document.title, TITLE);
        layout.space(4.0);
        layout.paragraph(&document.subtitle, SUBTITLE);
        layout.space(10.0);
        for (i, block) in document.blocks.iter().enumerate() {
            layout.block(block, document.blocks.get(i + 1));
        }
        layout.number_pages(document);
        layout
    }

    pub(super) fn element(&mut self, role: Role, parent: Option<usize>) -> usize {
        let index = self.elements.len();
        self.elements.push(Element { role, children: Vec::new() });
        match parent {
            Some(parent) => self.elements[parent].children.push(index),
            None => self.roots.push(index),
        }
        index
    }

    pub(super) fn mark(&mut self, mark: Mark) {
        if let Some(page) = self.pages.last_mut() {
            page.push(mark);
        }
    }

    pub(super) fn left(&self) -> f32 {
        BOTTOM - self.y
    }

    pub(super) fn new_page(&mut self) {
        self.pages.push(Vec::new());
        self.y = TOP;
    }

    fn at_top(&self) -> bool {
        self.y <= TOP
    }

    fn space(&mut self, points: f32) {
        if !self.at_top() {
            self.y += points;
        }
    }

    pub(super) fn lines(&self, text: &str, style: Style, width: f32) -> Vec<Line> {
        break_lines(text, style, width, self.repertoire)
    }

    /// Draws lines downwards from `y`, going on to new pages as needed.
    fn flow(&mut self, lines: Vec<Line>, style: Style, x: f32, element: usize) {
        for line in lines {
            if self.left() < style.leading {
                self.new_page();
            }
            self.put(line, style, x, self.y, Some(element), BLACK);
            self.y += style.leading;
        }
    }

    /// Draws one line whose top is at `y`.
    pub(super) fn put(&mut self, line: Line, style: Style, x: f32, y: f32, element: Option<usize>, grey: u8) {
        let baseline = y + style.size * 0.98;
        self.mark(Mark::Text { x, baseline, line, size: style.size, grey, element });
    }

    fn paragraph(&mut self, text: &str, style: Style) {
        let element = self.element(Role::Paragraph, None);
        let lines = self.lines(text, style, WIDTH);
        self.flow(lines, style, LEFT, element);
    }

    fn heading(&mut self, level: u16, text: &str, style: Style) {
        let element = self.element(Role::Heading(level), None);
        let lines = self.lines(text, style, WIDTH);
        self.flow(lines, style, LEFT, element);
    }

    fn block(&mut self, block: &Block, next: Option<&Block>) {
        match block {
            Block::Heading { level: 2, text } => {
                self.space(16.0);
                // A section does not begin at the foot of a page, and its part neither.
                let needed = if matches!(next, Some(Block::Heading { .. })) { 110.0 } else { 90.0 };
                if self.left() < needed {
                    self.new_page();
                }
                self.sections.push((text.clone(), self.pages.len() - 1, self.y));
                self.heading(2, text, SECTION);
                self.mark(Mark::Box { x: LEFT, y: self.y + 1.0, width: WIDTH, height: 0.8, grey: BLACK });
                self.y += 8.0;
            }
            Block::Heading { text, .. } => {
                self.space(10.0);
                if self.left() < 70.0 {
                    self.new_page();
                }
                self.heading(3, text, PART);
                self.y += 3.0;
            }
            Block::Paragraph(text) => {
                self.paragraph(text, BODY);
                self.space(6.0);
            }
            Block::Notice(text) => self.notice(text),
            Block::Numbered(items) => self.numbered(items),
            Block::Facts(facts) => self.facts(facts),
            Block::Table { caption, columns, rows } => self.table(caption, columns, rows),
            Block::Blanks(labels) => self.blanks(labels),
        }
    }

    /// A frame with a bar at its left; in parts where a page is too short for it.
    fn notice(&mut self, text: &str) {
        const PAD: f32 = 6.0;
        let style = Style::new(Face::Bold, 8.5);
        let element = self.element(Role::Paragraph, None);
        let mut lines = self.lines(text, style, WIDTH - 2.0 * PAD - 4.0);
        while !lines.is_empty() {
            let fit = ((self.left() - 2.0 * PAD) / style.leading).floor().max(0.0) as usize;
            if fit < lines.len().min(3) {
                self.new_page();
                continue;
            }
            let rest = lines.split_off(fit.min(lines.len()));
            let height = lines.len() as f32 * style.leading + 2.0 * PAD;
            self.mark(Mark::Box { x: LEFT, y: self.y, width: WIDTH, height, grey: 236 });
            self.mark(Mark::Box { x: LEFT, y: self.y, width: 3.0, height, grey: BLACK });
            for (i, line) in lines.into_iter().enumerate() {
                let y = self.y + PAD + i as f32 * style.leading;
                self.put(line, style, LEFT + PAD + 4.0, y, Some(element), BLACK);
            }
            self.y += height;
            lines = rest;
        }
        self.space(8.0);
    }

    fn numbered(&mut self, items: &[String]) {
        let list = self.element(Role::List, None);
        for (i, text) in items.iter().enumerate() {
            let item = self.element(Role::Item, Some(list));
            let body = self.element(Role::ItemBody, Some(item));
            if self.left() < 2.0 * BODY.leading {
                self.new_page();
            }
            let number = self.lines(&format!("{}.", i + 1), BODY, 22.0);
            for line in number {
                self.put(line, BODY, LEFT, self.y, Some(body), BLACK);
            }
            let lines = self.lines(text, BODY, WIDTH - 22.0);
            self.flow(lines, BODY, LEFT + 22.0, body);
            self.space(5.0);
        }
    }

    /// Lines to write on, each with its label below.
    fn blanks(&mut self, labels: &[String]) {
        for label in labels {
            if self.left() < 46.0 {
                self.new_page();
            }
            self.y += 26.0;
            self.mark(Mark::Box { x: LEFT, y: self.y, width: WIDTH * 0.7, height: 0.7, grey: BLACK });
            self.y += 2.0;
            let element = self.element(Role::Paragraph, None);
            let lines = self.lines(label, SMALL, WIDTH * 0.7);
            self.flow(lines, SMALL, LEFT, element);
        }
        self.space(8.0);
    }

    fn number_pages(&mut self, document: &Document) {
        let count = self.pages.len();
        let made = format::time(document.made_at);
        for at in 0..count {
            let page = format!("Page {} of {count}", at + 1);
            let mut marks = Vec::new();
            for (text, y, right) in
                [(&document.running_head, 34.0, false), (&made, BOTTOM + 22.0, false), (&page, BOTTOM + 22.0, true)]
            {
                let line = self.lines(text, SMALL, WIDTH).into_iter().next();
                let Some(line) = line else { continue };
                let x = if right { LEFT + WIDTH - line.width } else { LEFT };
                let baseline = y + SMALL.size;
                marks.push(Mark::Text { x, baseline, line, size: SMALL.size, grey: GREY, element: None });
            }
            marks.push(Mark::Box { x: LEFT, y: BOTTOM + 16.0, width: WIDTH, height: 0.5, grey: GREY });
            self.pages[at].extend(marks);
        }
    }
}
