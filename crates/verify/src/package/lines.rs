//! Lines of a file that may have any length: none is held beyond its bound.

use std::io::{self, BufRead};

/// One line, without its end.
pub(crate) enum Line<'a> {
    Whole(&'a [u8]),
    /// Longer than allowed; its length in bytes.
    TooLong(u64),
}

impl Line<'_> {
    pub(crate) fn length(&self) -> u64 {
        match self {
            Self::Whole(bytes) => bytes.len() as u64,
            Self::TooLong(length) => *length,
        }
    }
}

/// Reads lines of at most `max_bytes`.
pub(crate) struct Lines<R> {
    reader: R,
    max_bytes: usize,
    buffer: Vec<u8>,
    number: u64,
}

impl<R: BufRead> Lines<R> {
    pub(crate) fn new(reader: R, max_bytes: usize) -> Self {
        Self { reader, max_bytes, buffer: Vec::new(), number: 0 }
    }

    /// The number of the line that was returned last, from 1.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// The next line; none at the end.
    pub(crate) fn next_line(&mut self) -> io::Result<Option<Line<'_>>> {
        self.buffer.clear();
        let (mut length, mut ended) = (0u64, false);
        while !ended {
            let piece = match self.reader.fill_buf() {
                Ok([]) => break,
                Ok(piece) => piece,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(e) => return Err(e),
            };
            let end = piece.iter().position(|b| *b == b'\n');
            ended = end.is_some();
            let part = &piece[..end.unwrap_or(piece.len())];
            let room = self.max_bytes.saturating_sub(self.buffer.len());
            self.buffer.extend_from_slice(&part[..part.len().min(room)]);
            length += part.len() as u64;
            let used = part.len() + usize::from(ended);
            self.reader.consume(used);
        }
        if length == 0 && !ended {
            return Ok(None);
        }
        self.number += 1;
        let whole = length <= self.max_bytes as u64;
        Ok(Some(if whole { Line::Whole(&self.buffer) } else { Line::TooLong(length) }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::BufReader;

    #[test]
    fn lines_are_bounded_and_counted() {
        let text = format!("one\n\n{}\nfour\n{}", "x".repeat(1_000), "12345678");
        // Pieces smaller than the lines, so that lines span them.
        let mut lines = Lines::new(BufReader::with_capacity(3, text.as_bytes()), 8);
        let mut found = Vec::new();
        while let Some(line) = lines.next_line().unwrap() {
            found.push(match line {
                Line::Whole(bytes) => String::from_utf8(bytes.to_vec()).unwrap(),
                Line::TooLong(length) => format!("too long: {length}"),
            });
        }
        assert_eq!(found, ["one", "", "too long: 1000", "four", "12345678"]);
        assert_eq!(lines.number(), 5);
    }
}
