use crate::{
    document::{Block, Document},
    format,
};
use holdfast_model::visible;
use std::fmt::Write as _;

const WIDTH: usize = 96;

/// The document as plain text, in lines of at most 96 characters where words allow.
#[must_use]
pub fn to_text(document: &Document) -> String {
    let mut out = format!("{}\n\n{}\n", plain(&document.running_head), plain(&document.title));
    out.push_str(&"=".repeat(document.title.chars().count()));
    out.push('\n');
    out.push_str(&wrap(&document.subtitle, "", ""));
    for block in &document.blocks {
        out.push('\n');
        write_block(&mut out, block);
    }
    // Writing to a string cannot fail.
    let _ = writeln!(out, "\n{}", format::time(document.made_at));
    out
}

fn write_block(out: &mut String, block: &Block) {
    match block {
        Block::Heading { text, .. } => {
            let text = plain(text);
            let _ = writeln!(out, "{text}\n{}", "-".repeat(text.chars().count()));
        }
        Block::Paragraph(text) => out.push_str(&wrap(text, "", "")),
        Block::Notice(text) => out.push_str(&wrap(text, "*** ", "*** ")),
        Block::Numbered(items) => {
            for (i, item) in items.iter().enumerate() {
                out.push_str(&wrap(item, &format!("{:>3}. ", i + 1), "     "));
            }
        }
        Block::Facts(facts) => {
            for (name, value) in facts {
                out.push_str(&wrap(value, &format!("{name}: "), "    "));
            }
        }
        Block::Table { caption, columns, rows } => {
            let _ = writeln!(out, "{}", plain(caption));
            for row in rows {
                let mut cells = row.iter().zip(columns);
                if let Some((first, _)) = cells.next() {
                    let _ = writeln!(out, "  {}", plain(first));
                }
                for (cell, column) in cells.filter(|(cell, _)| !cell.is_empty()) {
                    out.push_str(&wrap(cell, &format!("      {}: ", column.title), "        "));
                }
            }
            if rows.is_empty() {
                out.push_str("  none\n");
            }
        }
        Block::Blanks(labels) => {
            for label in labels {
                let line = "_".repeat(WIDTH.saturating_sub(label.chars().count() + 2).max(20));
                let _ = writeln!(out, "\n{label}: {line}");
            }
        }
    }
}

fn plain(text: &str) -> String {
    // White space becomes a space when words are wrapped; other controls are shown as what they are.
    let spaced: String = text.chars().map(|c| if c.is_whitespace() { ' ' } else { c }).collect();
    visible(&spaced).into_owned()
}

fn wrap(text: &str, first: &str, rest: &str) -> String {
    let (mut out, mut line) = (String::new(), first.to_owned());
    let mut empty = true;
    for word in plain(text).split_whitespace() {
        if !empty && line.chars().count() + 1 + word.chars().count() > WIDTH {
            out.push_str(line.trim_end());
            out.push('\n');
            line = rest.to_owned();
            empty = true;
        }
        if !empty {
            line.push(' ');
        }
        line.push_str(word);
        empty = false;
    }
    out.push_str(line.trim_end());
    out.push('\n');
    out
}
