use crate::{
    document::{Block, Column, Document},
    format,
};
use holdfast_verify::package::escape_html as escape;
use std::fmt::Write as _;

/// The document as one HTML file: no scripts, nothing loaded from elsewhere, every text escaped, readable by a screen reader
/// and on paper.
#[must_use]
pub fn to_html(document: &Document) -> String {
    let title = escape(&document.title);
    let mut out = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" \
         content=\"width=device-width, initial-scale=1\">\n<meta http-equiv=\"Content-Security-Policy\" content=\"default-src \
         'none'; style-src 'unsafe-inline'\">\n<meta name=\"description\" content=\"{}\">\n<title>{title}</title>\n<style>\n{STYLE}\
         </style>\n</head>\n<body>\n<header>\n<p class=\"head\">{}</p>\n<h1>{title}</h1>\n<p>{}</p>\n</header>\n<main>\n",
        escape(&document.description),
        escape(&document.running_head),
        escape(&document.subtitle),
    );
    for block in &document.blocks {
        write_block(&mut out, block);
    }
    let made = format::time(document.made_at);
    // Writing to a string cannot fail.
    let _ = writeln!(out, "</main>\n<footer><p>{made}</p></footer>\n</body>\n</html>");
    out
}

fn write_block(out: &mut String, block: &Block) {
    let _ = match block {
        Block::Heading { level, text } => writeln!(out, "<h{level}>{}</h{level}>", escape(text)),
        Block::Paragraph(text) => writeln!(out, "<p>{}</p>", lines(text)),
        Block::Notice(text) => writeln!(out, "<p class=\"notice\">{}</p>", lines(text)),
        Block::Numbered(items) => {
            let items: String = items.iter().map(|i| format!("<li>{}</li>\n", lines(i))).collect();
            writeln!(out, "<ol>\n{items}</ol>")
        }
        Block::Facts(facts) => {
            let facts: String =
                facts.iter().map(|(n, v)| format!("<dt>{}</dt><dd>{}</dd>\n", escape(n), lines(v))).collect();
            writeln!(out, "<dl>\n{facts}</dl>")
        }
        Block::Table { caption, columns, rows } => return write_table(out, caption, columns, rows),
        Block::Blanks(labels) => {
            let labels: String =
                labels.iter().map(|l| format!("<p class=\"blank\"><span>{}</span></p>\n", escape(l))).collect();
            out.write_str(&labels)
        }
    };
}

fn write_table(out: &mut String, caption: &str, columns: &[Column], rows: &[Vec<String>]) {
    let caption = escape(caption);
    let _ = writeln!(
        out,
        "<div class=\"table\" role=\"region\" aria-label=\"{caption}\" tabindex=\"0\">\n<table>\n<caption>{caption}</caption>\n<thead><tr>"
    );
    for column in columns {
        let _ = writeln!(out, "<th scope=\"col\">{}</th>", escape(column.title));
    }
    out.push_str("</tr></thead>\n<tbody>\n");
    for row in rows {
        out.push_str("<tr>");
        for (i, (cell, column)) in row.iter().zip(columns).enumerate() {
            let text = lines(cell);
            let _ = match (i, column.fixed) {
                (0, _) => write!(out, "<th scope=\"row\">{text}</th>"),
                (_, true) => write!(out, "<td><code>{text}</code></td>"),
                (_, false) => write!(out, "<td>{text}</td>"),
            };
        }
        out.push_str("</tr>\n");
    }
    if rows.is_empty() {
        let _ = writeln!(out, "<tr><td colspan=\"{}\">none</td></tr>", columns.len());
    }
    out.push_str("</tbody>\n</table>\n</div>\n");
}

fn lines(text: &str) -> String {
    escape(text).replace('\n', "<br>\n")
}

const STYLE: &str = ":root { color-scheme: light; }
body { font: 1rem/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem; padding: 0 1rem; color: #1a1a1a; background: #fff; }
h1 { font-size: 1.7rem; margin: 0.2rem 0; } h2 { font-size: 1.3rem; margin-top: 2.5rem; border-bottom: 1px solid #1a1a1a; }
h3 { font-size: 1.05rem; margin-top: 1.5rem; }
.head { font-weight: 600; color: #5a2d00; margin: 0; }
.notice { border: 2px solid #8a1c1c; background: #fdf3f2; padding: 0.6rem 0.8rem; }
dl { display: grid; grid-template-columns: minmax(9rem, 15rem) 1fr; gap: 0.15rem 1rem; }
dt { font-weight: 600; } dd { margin: 0; overflow-wrap: anywhere; }
.table { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: 0.9rem; }
caption { text-align: left; font-weight: 600; padding: 0.5rem 0; }
th, td { border: 1px solid #9aa3af; padding: 0.3rem 0.5rem; text-align: left; vertical-align: top; overflow-wrap: anywhere; }
thead th { background: #eef1f5; overflow-wrap: normal; } tbody th { font-weight: 600; white-space: nowrap; }
code { font-size: 0.85em; overflow-wrap: anywhere; }
.blank { border-bottom: 1px solid #1a1a1a; height: 3rem; margin: 0; display: flex; align-items: flex-end; }
.blank span { font-size: 0.85rem; color: #444; }
footer { margin-top: 3rem; color: #444; }
@media print { body { max-width: none; margin: 0; font-size: 9pt; } .table { overflow: visible; } tr { break-inside: avoid; } }
";
