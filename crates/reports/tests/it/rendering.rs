//! Each form of each report: complete, escaped, valid, the same every time, and honest about what was not checked.

use crate::{sample::report, support::Archive};
use holdfast_reports::{
    Block, Column, CustodyReport, Document, certification, custody, loadfile, render_all, to_html, to_pdf, to_text,
};
use holdfast_verify::{Finding, FindingCode, ObservedBytes, verify_recording};
use proptest::prelude::*;
use std::{fs, path::PathBuf, process::Command};

/// Text of a PDF as `pdftotext` reads it, after `qpdf` found nothing wrong with the file.
fn read_pdf(bytes: &[u8]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.pdf");
    fs::write(&path, bytes).unwrap();
    let check = Command::new("qpdf").arg("--check").arg(&path).output().expect("qpdf is installed");
    let said = String::from_utf8_lossy(&check.stdout).into_owned();
    assert!(check.status.success() && said.contains("No syntax or stream encoding errors"), "{said}");
    let text =
        Command::new("pdftotext").args(["-layout"]).arg(&path).arg("-").output().expect("pdftotext is installed");
    assert!(text.status.success());
    String::from_utf8(text.stdout).unwrap()
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn the_custody_report_names_every_exhibit_in_every_form() {
    let archive = Archive::with(40);
    let report = report(&archive);
    let document = custody(&report);
    let pdf = read_pdf(&to_pdf(&document).unwrap());
    let forms = [to_html(&document), to_text(&document), pdf.clone()];
    for form in &forms {
        let squeezed: String = form.split_whitespace().collect();
        for e in &report.exhibits {
            assert!(form.contains(&e.exhibit), "{} is missing", e.exhibit);
            assert!(squeezed.contains(&e.sha256.to_hex()) || form.contains(&e.sha256.to_hex()[..16]), "{}", e.exhibit);
        }
        assert!(squeezed.contains(&report.ledger.key_fingerprint));
        assert!(form.contains("2026-117") && form.contains("Ruth Adler"));
        assert!(form.contains("could not be verified"));
        assert!(one_line(form).contains("山田太郎") && form.contains("Jürgen Groß"), "names of other scripts are kept");
    }
    // The table's header stands again on its second page; pages are numbered.
    let pages: Vec<&str> = pdf.split('\u{c}').collect();
    let count = pages.len() - 1;
    assert!(count > 20, "{count} pages");
    assert!(pages[1].contains("Exhibit") && pages[1].contains("SHA-256") && pages[1].contains("Verification"));
    for (i, page) in pages[..count].iter().enumerate() {
        assert!(page.contains(&format!("Page {} of {count}", i + 1)), "page {}", i + 1);
    }
}

#[test]
fn the_same_report_gives_the_same_bytes_and_pdfs_are_archival() {
    let archive = Archive::with(3);
    let (first, second) = (render_all(&report(&archive)).unwrap(), render_all(&report(&archive)).unwrap());
    assert_eq!(first, second);
    assert_eq!(first.len(), 7);
    for pdf in first.iter().filter(|f| f.path.ends_with(".pdf")) {
        let text = String::from_utf8_lossy(&pdf.bytes);
        assert!(
            text.contains("<pdfaid:part>2</pdfaid:part>")
                && text.contains("<pdfaid:conformance>B</pdfaid:conformance>")
        );
        assert!(text.contains("/StructTreeRoot") && text.contains("/Marked true"), "tagged");
        assert!(text.contains("/Lang"), "a screen reader knows the language");
        assert!(text.contains("2026-03-05T12:00:00"), "the given date, not today's");
    }
    let json = &first.iter().find(|f| f.path == "data/reports/custody.json").unwrap().bytes;
    assert_eq!(serde_json::from_slice::<CustodyReport>(json).unwrap(), report(&archive));
}

#[test]
fn html_escapes_everything_and_loads_nothing() {
    let archive = Archive::with(2);
    let mut report = report(&archive);
    report.matter.name = "</title><script>alert(1)</script>".into();
    report.exhibits[0].original_name = "\"onload=alert(1) <img src=x>\u{202e}".into();
    report.exhibits[0].record.queues = vec!["a&b".into()];
    report.withheld[0].reason = "' onmouseover='x".into();
    for page in [to_html(&custody(&report)), to_html(&certification(&report))] {
        let lower = page.to_lowercase();
        for bad in ["<script", "<img", "</title><", "src=", "href=", "' onmouseover"] {
            assert!(!lower.contains(bad) || (bad == "src=" && lower.contains("&lt;img src=x&gt;")), "{bad}");
        }
        assert!(page.contains("default-src 'none'") && page.contains("<html lang=\"en\">") && page.contains("<h1>"));
        let (open, close) = (page.matches("<table>").count(), page.matches("</table>").count());
        assert!(open == close && page.matches("<caption>").count() == open && page.contains("<th scope=\"col\">"));
    }
    assert!(to_html(&custody(&report)).contains("a&amp;b"));
}

#[test]
fn failures_stand_out() {
    let archive = Archive::with(2);
    let mut report = report(&archive);
    let mut observed = archive.observed(1);
    observed.bytes = ObservedBytes::Missing;
    report.exhibits[1].verification = verify_recording(&observed);
    let text = one_line(&to_text(&custody(&report)));
    assert!(text.contains("1 of 2 exhibits FAILED verification"), "{text}");
    assert!(
        text.contains("FAILURE bytes.missing")
            && text.contains(FindingCode::BytesMissing.meaning().split(' ').next().unwrap())
    );
    let pdf = one_line(&read_pdf(&to_pdf(&custody(&report)).unwrap()));
    assert!(pdf.contains("FAILURE bytes.missing"));
}

#[test]
fn the_certification_is_a_draft_and_claims_only_what_was_checked() {
    let archive = Archive::with(3);
    let mut report = report(&archive);
    let mut observed = archive.observed(1);
    observed.bytes = ObservedBytes::Offline;
    report.exhibits[1].verification = verify_recording(&observed);
    let mut bytes = archive.recordings[2].original.clone();
    bytes[0] ^= 1;
    let mut observed = archive.observed(2);
    observed.bytes = ObservedBytes::read(crate::support::fixity(&bytes));
    report.exhibits[2].verification = verify_recording(&observed);
    let document = certification(&report);
    for form in [to_text(&document), to_html(&document), read_pdf(&to_pdf(&document).unwrap())] {
        let text = one_line(&form.replace("*** ", ""));
        assert!(text.contains("DRAFT – for review and signature of a qualified person"), "{text}");
        assert!(text.contains("28 U.S.C. § 1746") && text.contains("under penalty of perjury"));
        let statement = |start: &str| {
            let at = text.find(start).unwrap_or_else(|| panic!("{start:?} is not in {text}"));
            text[at..].chars().take(260).collect::<String>()
        };
        let agreed = statement("The bytes of these exhibits were read, and their SHA-256 value was found equal");
        assert!(agreed.contains("archived: HF-0001."), "{agreed}");
        assert!(statement("DIFFERENT").contains("HF-0003"));
        assert!(statement("were NOT compared").contains("HF-0002"));
        assert!(text.contains("not attested by an independent authority"), "no timestamp was checked");
        assert!(text.contains("could not be verified"), "what is withheld is named");
    }
}

#[test]
fn the_load_file_has_one_line_for_each_exhibit_and_equal_columns() {
    let archive = Archive::with(3);
    let mut report = report(&archive);
    report.exhibits[0].record.queues = vec!["a;b".into(), "c".into()];
    report.exhibits[1].original_name = "two\nlines þorn \u{14}\u{202e}.wav".into();
    let bytes = loadfile(&report);
    assert!(bytes.starts_with(b"\xef\xbb\xbf\xc3\xbeBEGDOC\xc3\xbe\x14"));
    let text = String::from_utf8(bytes).unwrap();
    let text = text.strip_prefix('\u{feff}').unwrap();
    let rows: Vec<Vec<&str>> = text
        .split_terminator("\r\n")
        .map(|l| l.split('\u{14}').map(|f| f.strip_prefix('þ').and_then(|f| f.strip_suffix('þ')).unwrap()).collect())
        .collect();
    assert_eq!(rows.len(), 4);
    assert!(rows.iter().all(|r| r.len() == rows[0].len() && r.iter().all(|f| !f.contains('þ'))));
    let column = |name: &str| rows[0].iter().position(|f| *f == name).unwrap();
    assert_eq!(rows[1][column("QUEUES")], "a,b; c");
    assert_eq!(rows[2][column("FILENAME")], "two®lines thorn [U+0014][U+202E].wav");
    assert_eq!(rows[3][column("NATIVELINK")], "..\\originals\\HF-0003_call_2.wav");
    assert_eq!(rows[3][column("SHA256")], report.exhibits[2].sha256.to_hex());
    assert_eq!(rows[1][column("AGENTS")], "Jürgen Groß");
    // A review platform takes fields as text: identifiers stay exact, whatever they begin with.
    report.exhibits[0].record.interaction_id = "+436649998877".into();
    report.matter.reference = "=1+1".into();
    let text = String::from_utf8(loadfile(&report)).unwrap();
    assert!(text.contains("þ+436649998877þ") && text.contains("þ=1+1þ"), "{text}");
}

#[test]
fn characters_that_deceive_are_written_out_in_every_form() {
    let archive = Archive::with(1);
    let mut report = report(&archive);
    report.exhibits[0].original_name = "invoice\u{202e}fdp.exe\u{7}".into();
    report.matter.name = "In re\u{2066} Example".into();
    let document = custody(&report);
    for text in [
        to_html(&document),
        to_text(&document),
        read_pdf(&to_pdf(&document).unwrap()),
        String::from_utf8(loadfile(&report)).unwrap(),
    ] {
        assert!(text.contains("[U+202E]") && text.contains("[U+0007]"), "{text}");
        assert!(!text.contains(['\u{202e}', '\u{2066}', '\u{7}']));
    }
}

/// Pages as pictures, for people who change the layout: `HOLDFAST_REPORT_DIR=/tmp/x cargo test -p holdfast-reports pictures`.
#[test]
fn long_rows_go_on_on_the_next_page_and_pictures_can_be_made() {
    let archive = Archive::with(12);
    let mut report = report(&archive);
    report.exhibits[0].timeline[1].reason = Some("A very long reason that goes on and on. ".repeat(150));
    report.exhibits[2].verification.findings.push(Finding::new(FindingCode::BytesNotRead, "HF-0003", "x", "y"));
    let pdf = to_pdf(&custody(&report)).unwrap();
    let text = one_line(&read_pdf(&pdf));
    assert!(text.matches("goes").count() >= 150, "{}", text.matches("goes").count());
    if let Some(folder) = std::env::var_os("HOLDFAST_REPORT_DIR").map(PathBuf::from) {
        fs::create_dir_all(&folder).unwrap();
        for file in render_all(&report).unwrap() {
            fs::write(folder.join(file.path.rsplit('/').next().unwrap()), file.bytes).unwrap();
        }
    }
}

fn hostile() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[\u{590}-\u{6ff} a-z\u{4e00}-\u{4fff}\u{300}-\u{36f}]{0,80}",
        prop::collection::vec(any::<char>(), 0..60).prop_map(|c| c.into_iter().collect()),
    ]
}

proptest! {
    // A fifth of the ordinary 256, which `scripts/soak` raises: each makes a PDF.
    #![proptest_config(ProptestConfig {
        cases: ProptestConfig::default().cases / 5,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    /// Whatever text a source puts into its metadata, the PDF is made and is valid.
    #[test]
    fn any_text_makes_a_pdf(texts in prop::collection::vec(hostile(), 4..10)) {
        let document = Document {
            title: texts[0].clone(),
            subtitle: texts[1].clone(),
            description: texts[2].clone(),
            running_head: texts[3].clone(),
            made_at: "2026-03-05T12:00:00Z".parse().unwrap(),
            blocks: vec![
                Block::Heading { level: 2, text: texts[0].clone() },
                Block::Notice(texts[1].clone()),
                Block::Numbered(texts.clone()),
                Block::Facts(texts.iter().map(|t| (t.clone(), t.clone())).collect()),
                Block::Table {
                    caption: texts[2].clone(),
                    columns: vec![Column::words("a", 1.0), Column::fixed("b", 0.3), Column::words("c", 0.1)],
                    rows: texts.iter().map(|t| vec![t.clone(), t.clone(), t.clone()]).collect(),
                },
                Block::Blanks(texts.clone()),
            ],
        };
        read_pdf(&to_pdf(&document).unwrap());
        prop_assert!(!to_html(&document).contains("<script"));
        prop_assert!(to_text(&document).ends_with("UTC\n"));
    }
}
