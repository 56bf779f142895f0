use super::{
    layout::{BLACK, BODY, BOTTOM, CELL, CELL_BOLD, CELL_FIXED, LEFT, Layout, Mark, Role, WIDTH},
    line::{Line, Style},
};
use crate::document::Column;

const PAD: f32 = 3.0;
/// Fewest lines of a row that are set at the foot of a page when the row goes on on the next.
const ORPHANS: usize = 3;

/// A row ready to be set: each cell's lines, style and element.
struct Row {
    cells: Vec<Cell>,
}

struct Cell {
    x: f32,
    lines: Vec<Line>,
    style: Style,
    element: Option<usize>,
}

impl Row {
    fn lines(&self) -> usize {
        self.cells.iter().map(|c| c.lines.len()).max().unwrap_or(0)
    }

    fn leading(&self) -> f32 {
        self.cells.iter().map(|c| c.style.leading).fold(0.0, f32::max)
    }
}

impl Layout {
    /// Names in bold at the left, values at the right, a fine rule between.
    pub(super) fn facts(&mut self, facts: &[(String, String)]) {
        const NAMES: f32 = 132.0;
        let table = self.element(Role::Table, None);
        let body = self.element(Role::Body, Some(table));
        for (name, value) in facts {
            let row = self.element(Role::Row, Some(body));
            let named = self.element(Role::RowHeader, Some(row));
            let valued = self.element(Role::Cell, Some(row));
            let digest = value.len() == 64 && value.bytes().all(|b| b.is_ascii_hexdigit());
            let style = if digest { Style::new(CELL_FIXED.face, 8.5) } else { Style::new(BODY.face, 9.0) };
            let bold = Style::new(CELL_BOLD.face, 8.5);
            let cells = vec![
                Cell { x: LEFT, lines: self.lines(name, bold, NAMES - 8.0), style: bold, element: Some(named) },
                Cell {
                    x: LEFT + NAMES,
                    lines: self.lines(shown(value), style, WIDTH - NAMES),
                    style,
                    element: Some(valued),
                },
            ];
            self.row(Row { cells }, None, 215);
        }
        self.y += 6.0;
    }

    pub(super) fn table(&mut self, caption: &str, columns: &[Column], rows: &[Vec<String>]) {
        let table = self.element(Role::Table, None);
        let widths = widths(columns);
        let captioned = self.element(Role::Caption, Some(table));
        let lines = self.lines(caption, CELL_BOLD, WIDTH);
        let needed = CELL_BOLD.leading * (lines.len() + 1) as f32 + 40.0;
        if self.left() < needed {
            self.new_page();
        }
        for line in lines {
            self.put(line, CELL_BOLD, LEFT, self.y, Some(captioned), BLACK);
            self.y += CELL_BOLD.leading;
        }
        self.y += 2.0;
        let head = self.element(Role::Head, Some(table));
        let head_row = self.element(Role::Row, Some(head));
        let elements: Vec<_> = columns.iter().map(|_| self.element(Role::ColumnHeader, Some(head_row))).collect();
        let header = Header { columns, widths: &widths };
        self.header(&header, Some(&elements));
        let body = self.element(Role::Body, Some(table));
        for values in rows {
            let row = self.element(Role::Row, Some(body));
            let mut x = LEFT;
            let mut cells = Vec::new();
            for (i, ((value, column), width)) in values.iter().zip(columns).zip(&widths).enumerate() {
                let role = if i == 0 { Role::RowHeader } else { Role::Cell };
                let element = Some(self.element(role, Some(row)));
                let style = match (i, column.fixed) {
                    (0, _) => CELL_BOLD,
                    (_, true) => CELL_FIXED,
                    (_, false) => CELL,
                };
                let lines = self.lines(shown(value), style, width - 2.0 * PAD);
                cells.push(Cell { x: x + PAD, lines, style, element });
                x += width;
            }
            self.row(Row { cells }, Some(&header), 190);
        }
        if rows.is_empty() {
            let row = self.element(Role::Row, Some(body));
            let element = Some(self.element(Role::Cell, Some(row)));
            let cells = vec![Cell { x: LEFT + PAD, lines: self.lines("none", CELL, WIDTH), style: CELL, element }];
            self.row(Row { cells }, None, 190);
        }
        self.y += 8.0;
    }

    /// The header row; a repeated one is decoration to a screen reader, which knows the headers already.
    fn header(&mut self, header: &Header<'_>, elements: Option<&[usize]>) {
        let mut x = LEFT;
        let mut cells = Vec::new();
        for (i, (column, width)) in header.columns.iter().zip(header.widths).enumerate() {
            let lines = self.lines(column.title, CELL_BOLD, width - 2.0 * PAD);
            cells.push(Cell { x: x + PAD, lines, style: CELL_BOLD, element: elements.map(|e| e[i]) });
            x += width;
        }
        let row = Row { cells };
        let height = row.lines() as f32 * row.leading() + 2.0 * PAD;
        self.mark(Mark::Box { x: LEFT, y: self.y, width: WIDTH, height, grey: 228 });
        self.set(row, PAD);
        self.mark(Mark::Box { x: LEFT, y: self.y - 0.7, width: WIDTH, height: 0.7, grey: BLACK });
    }

    /// Sets a row, on the next page where it does not fit, in parts where it is longer than a page.
    fn row(&mut self, mut row: Row, header: Option<&Header<'_>>, rule: u8) {
        loop {
            let leading = row.leading();
            let fit = ((self.left() - 2.0 * PAD) / leading).floor().max(0.0) as usize;
            let lines = row.lines();
            let whole_page = (BOTTOM - 140.0) / leading;
            let keep_whole = lines as f32 <= whole_page.min(24.0);
            if fit < lines && (keep_whole || fit < ORPHANS) {
                self.new_page();
                if let Some(header) = header {
                    self.header(header, None);
                }
                continue;
            }
            let rest: Vec<Cell> =
                row.cells.iter_mut().map(|c| Cell { lines: c.lines.split_off(fit.min(c.lines.len())), ..*c }).collect();
            self.set(row, PAD);
            self.mark(Mark::Box { x: LEFT, y: self.y - 0.4, width: WIDTH, height: 0.4, grey: rule });
            row = Row { cells: rest };
            if row.lines() == 0 {
                return;
            }
        }
    }

    /// Draws a row that fits.
    fn set(&mut self, row: Row, pad: f32) {
        let height = row.lines() as f32 * row.leading() + 2.0 * pad;
        let leading = row.leading();
        for cell in row.cells {
            for (i, line) in cell.lines.into_iter().enumerate() {
                let y = self.y + pad + i as f32 * leading;
                self.put(line, cell.style, cell.x, y, cell.element, BLACK);
            }
        }
        self.y += height;
    }
}

struct Header<'a> {
    columns: &'a [Column],
    widths: &'a [f32],
}

fn widths(columns: &[Column]) -> Vec<f32> {
    let sum: f32 = columns.iter().map(|c| c.weight).sum();
    columns.iter().map(|c| c.weight / sum * WIDTH).collect()
}

/// An empty cell says so; a screen reader and the tag tree need something in it.
fn shown(value: &str) -> &str {
    if value.trim().is_empty() { "–" } else { value }
}
