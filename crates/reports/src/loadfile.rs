use crate::{
    custody::{CustodyReport, ExhibitReport},
    format,
};
use holdfast_model::{ParticipantRole, visible_lines};

/// Between fields (ASCII 20).
const DELIMITER: char = '\u{14}';
/// Around each field.
const QUOTE: char = '\u{fe}';
/// Stands for a line break inside a field.
const NEWLINE: char = '\u{ae}';

type Field = (&'static str, fn(&CustodyReport, &ExhibitReport) -> String);

/// The columns. Names are in the usual manner of review platforms; the mapping is chosen on import anyway.
const FIELDS: &[Field] = &[
    ("BEGDOC", |_, e| e.exhibit.clone()),
    ("ENDDOC", |_, e| e.exhibit.clone()),
    ("ARCHIVEID", |_, e| e.archive_id.to_string()),
    ("MATTER", |r, _| r.matter.id.to_string()),
    ("REFERENCE", |r, _| r.matter.reference.clone()),
    ("FILENAME", |_, e| e.original_name.clone()),
    ("FILESIZE", |_, e| e.size_bytes.to_string()),
    ("SHA256", |_, e| e.sha256.to_hex()),
    ("MEDIATYPE", |_, e| e.media_type.clone()),
    ("RECORDTYPE", |_, e| format::words(&e.record.media)),
    ("VENDOR", |_, e| e.record.vendor.clone()),
    ("ORGANISATION", |_, e| e.record.organisation.clone()),
    ("INTERACTIONID", |_, e| e.record.interaction_id.clone()),
    ("RECORDINGID", |_, e| e.record.recording_id.clone()),
    ("DATESTART", |_, e| e.record.start.to_string()),
    ("DATEEND", |_, e| e.record.end.to_string()),
    ("DURATIONMS", |_, e| e.probe.measured_duration_ms.map(|d| d.to_string()).unwrap_or_default()),
    ("DIRECTION", |_, e| e.record.direction.map(|d| format::words(&d)).unwrap_or_default()),
    ("QUEUES", |_, e| list(&e.record.queues)),
    ("AGENTS", |_, e| list(&format::named(&e.record, ParticipantRole::Agent))),
    ("PARTICIPANTS", |_, e| list(&format::participants(&e.record))),
    ("TAGS", |_, e| list(&e.record.tags)),
    ("LANGUAGE", |_, e| e.record.language.clone().unwrap_or_default()),
    ("DATEARCHIVED", |_, e| e.ingested_at.to_string()),
    ("RETAINUNTIL", |_, e| e.retention.retention.until.to_string()),
    ("VERIFICATION", |_, e| e.verification.outcome.as_str().to_owned()),
    ("MANIFESTSHA256", |_, e| e.manifest_sha256.to_hex()),
    // From the load file's folder, in the manner of Windows, where review platforms live.
    ("NATIVELINK", |_, e| e.path.replacen("data/", "..\\", 1).replace('/', "\\")),
];

/// Several values of one field are separated by semicolons.
fn list(values: &[String]) -> String {
    values.iter().map(|v| v.replace(';', ",")).collect::<Vec<_>>().join("; ")
}

/// A Concordance load file: UTF-8 with byte order mark, fields in U+00FE separated by U+0014, lines ended by CR LF, one line
/// for each exhibit after the header.
#[must_use]
pub fn loadfile(report: &CustodyReport) -> Vec<u8> {
    let mut out = String::from("\u{feff}");
    line(&mut out, FIELDS.iter().map(|(name, _)| (*name).to_owned()));
    for exhibit in &report.exhibits {
        line(&mut out, FIELDS.iter().map(|(_, value)| value(report, exhibit)));
    }
    out.into_bytes()
}

fn line(out: &mut String, values: impl Iterator<Item = String>) {
    for (i, value) in values.enumerate() {
        if i > 0 {
            out.push(DELIMITER);
        }
        out.push(QUOTE);
        // A review platform shows what it is given: names that would be shown in another order have their code points instead.
        for c in visible_lines(&value.replace("\r\n", "\n").replace('\r', "\n")).chars() {
            match c {
                '\n' => out.push(NEWLINE),
                // The format has no escape for its own marks. The letter thorn is written out; the report has it unchanged.
                QUOTE => out.push_str("th"),
                '\t' => out.push(' '),
                c => out.push(c),
            }
        }
        out.push(QUOTE);
    }
    out.push_str("\r\n");
}
