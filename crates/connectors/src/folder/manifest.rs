//! Manifests: one CSV that describes many recordings, row by row, in constant memory.

use crate::{Payload, Problem, mapping::Row, reason};
use bytes::Bytes;
use csv::{ByteRecord, ReaderBuilder};
use serde_json::{Map, Value, json};
use std::{
    fs::File,
    io::{self, Read},
    os::unix::fs::FileExt as _,
};

/// A row longer than this ends the reading of a manifest: an open quotation mark would otherwise swallow the rest of it.
const ROW_LIMIT: u64 = 1024 * 1024;

/// Reads rows with their bytes as they stand in the file.
pub(super) struct Rows<'f> {
    file: &'f File,
    reader: csv::Reader<Bounded<&'f File>>,
    heading: Vec<String>,
    heading_bytes: Bytes,
}

/// One row.
pub(super) struct RawRow {
    pub(super) row: Row,
    /// The heading's line and the row's own, byte for byte.
    pub(super) payload: Bytes,
}

struct Bounded<R> {
    inner: R,
    since: u64,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.since > ROW_LIMIT {
            return Err(io::Error::other("a row is longer than 1 MiB; a quotation mark may not be closed"));
        }
        let n = self.inner.read(buffer)?;
        self.since += n as u64;
        Ok(n)
    }
}

impl<'f> Rows<'f> {
    /// Reads the heading.
    pub(super) fn open(file: &'f File, delimiter: u8) -> Result<Self, Problem> {
        let reader = ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .delimiter(delimiter)
            .from_reader(Bounded { inner: file, since: 0 });
        let mut rows = Self { file, reader, heading: Vec::new(), heading_bytes: Bytes::new() };
        match rows.read()? {
            Some((cells, _, bytes)) => {
                rows.heading = cells.into_iter().map(|c| c.trim_start_matches('\u{feff}').trim().to_owned()).collect();
                rows.heading_bytes = bytes;
                Ok(rows)
            }
            None => Err(Problem::new(reason::METADATA_MALFORMED, "the manifest is empty").at(Some((1, 1)))),
        }
    }

    pub(super) fn heading(&self) -> &[String] {
        &self.heading
    }

    /// The next row. After an error that concerns one row only, reading goes on; an error that ends it comes once, then none.
    pub(super) fn next(&mut self) -> Option<Result<RawRow, Problem>> {
        match self.read() {
            Ok(None) => None,
            Ok(Some((cells, line, bytes))) => {
                let row = Row { heading: self.heading.clone(), cells, line };
                let payload = [self.heading_bytes.as_ref(), bytes.as_ref()].concat().into();
                Some(Ok(RawRow { row, payload }))
            }
            Err(problem) => Some(Err(problem)),
        }
    }

    fn read(&mut self) -> Result<Option<(Vec<String>, u64, Bytes)>, Problem> {
        self.reader.get_mut().since = 0;
        let start = self.reader.position().clone();
        let mut record = ByteRecord::new();
        let malformed =
            |sentence: String, line: u64| Problem::new(reason::METADATA_MALFORMED, sentence).at(Some((line, 1)));
        let more = self.reader.read_byte_record(&mut record).map_err(|e| {
            // After an input error the reader says that it is at the end.
            malformed(format!("the manifest cannot be read on: {e}"), start.line())
        })?;
        if !more {
            return Ok(None);
        }
        let length = self.reader.position().byte().saturating_sub(start.byte());
        let mut bytes = vec![0; usize::try_from(length.min(ROW_LIMIT + 65_536)).unwrap_or(0)];
        self.file
            .read_exact_at(&mut bytes, start.byte())
            .map_err(|e| malformed(format!("the manifest cannot be read: {e}"), start.line()))?;
        // The second half of CR LF, and empty lines, come with the row that follows.
        let before = bytes.iter().take_while(|b| matches!(b, b'\r' | b'\n'));
        let line = start.line() + before.filter(|b| **b == b'\n').count() as u64;
        let cells: Result<Vec<String>, _> = record.iter().map(|c| std::str::from_utf8(c).map(str::to_owned)).collect();
        let cells = cells.map_err(|_| malformed("a row of the manifest is not UTF-8 text".into(), line))?;
        Ok(Some((cells, line, bytes.into())))
    }
}

/// A row whose columns already have canonical names, as a canonical sidecar would write it: `queues`, `tags`, `wrap_up_codes`
/// and `divisions` are split at `;`, and `agent`, `agent_name`, `customer`, `customer_name` become participants.
pub(super) fn canonical(row: &Row, file_column: &str) -> Map<String, Value> {
    let mut out = Map::new();
    let mut people = [("agent", Map::new()), ("customer", Map::new())];
    for (name, cell) in row.heading.iter().zip(&row.cells) {
        let cell = cell.trim();
        if cell.is_empty() || name == file_column || name.is_empty() {
            continue;
        }
        match name.as_str() {
            "agent" | "customer" | "agent_name" | "customer_name" => {
                let person = &mut people[usize::from(name.starts_with('c'))].1;
                let key = if name.ends_with("_name") { "display_name" } else { "identifier" };
                person.insert(key.into(), json!(cell));
            }
            "queues" | "tags" | "wrap_up_codes" | "divisions" => {
                out.insert(name.clone(), cell.split(';').map(str::trim).map(Value::from).collect());
            }
            _ => {
                out.insert(name.clone(), json!(cell));
            }
        }
    }
    let people: Vec<Value> = people
        .into_iter()
        .filter(|(_, p)| !p.is_empty())
        .map(|(role, mut p)| {
            p.insert("role".into(), json!(role));
            Value::Object(p)
        })
        .collect();
    if !people.is_empty() {
        out.insert("participants".into(), Value::Array(people));
    }
    out
}

/// A row's payload.
pub(super) fn payload(bytes: Bytes, schema: &str) -> Payload {
    Payload { bytes, extension: "csv", schema: schema.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::Write as _;

    fn file(bytes: &[u8]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        use std::io::Seek as _;
        file.rewind().unwrap();
        file
    }

    #[test]
    fn rows_keep_their_bytes() {
        let file = file(b"\xEF\xBB\xBFfile,notes\r\na.wav,\"two\nlines\"\r\nb.wav,x\n");
        let mut rows = Rows::open(&file, b',').unwrap();
        assert_eq!(rows.heading(), ["file", "notes"]);
        let a = rows.next().unwrap().unwrap();
        assert_eq!((a.row.line, a.row.cells[1].as_str()), (2, "two\nlines"));
        assert!(a.payload.starts_with(b"\xEF\xBB\xBFfile,notes") && a.payload.windows(9).any(|w| w == b"two\nlines"));
        let b = rows.next().unwrap().unwrap();
        assert_eq!((b.row.line, b.row.cells.as_slice()), (4, &["b.wav".to_owned(), "x".to_owned()][..]));
        assert!(!b.payload.windows(5).any(|w| w == b"lines"), "a row's payload holds no other row");
        assert!(rows.next().is_none());
    }

    #[test]
    fn a_row_that_is_no_text_is_told_and_reading_goes_on() {
        let file = file(b"file\n\xff\xfe\nb.wav\n");
        let mut rows = Rows::open(&file, b',').unwrap();
        assert_eq!(rows.next().unwrap().err().unwrap().line, Some(2));
        assert_eq!(rows.next().unwrap().unwrap().row.cells, ["b.wav"]);
    }

    #[test]
    fn an_open_quotation_mark_ends_the_reading_in_bounded_memory() {
        let mut bytes = b"file\n\"".to_vec();
        bytes.resize(8 * 1024 * 1024, b'x');
        let file = file(&bytes);
        let mut rows = Rows::open(&file, b',').unwrap();
        assert!(rows.next().unwrap().err().unwrap().sentence.contains("1 MiB"));
        assert!(rows.next().is_none());
    }

    proptest! {
        #[test]
        fn no_csv_panics_or_loops(bytes in "[a-c,\";\r\n\u{feff}é]{0,120}", delimiter in "[,;\t]") {
            let file = file(bytes.as_bytes());
            if let Ok(mut rows) = Rows::open(&file, delimiter.as_bytes()[0]) {
                let mut n = 0;
                while let Some(row) = rows.next() {
                    if let Ok(row) = row { let _ = canonical(&row.row, "file"); }
                    n += 1;
                    prop_assert!(n <= bytes.len() + 1);
                }
            }
        }
    }
}
