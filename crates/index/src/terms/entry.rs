use super::fields::{Field, NUMBERS, Number, Terms};

/// One document as it is indexed: its numbers and its terms, a term being a field's number and the value's bytes, ascending
/// and each once. The same form in memory and (encoded) in the tail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    numbers: [i64; NUMBERS.len()],
    bytes: Vec<u8>,
    /// Where each term ends in `bytes`.
    ends: Vec<u32>,
}

impl Entry {
    pub(crate) fn of(terms: &Terms) -> Self {
        let mut sorted: Vec<(u8, &str)> = terms.values.iter().map(|(f, v)| (*f as u8, v.as_str())).collect();
        sorted.sort_unstable();
        sorted.dedup();
        Self::from_sorted(terms.numbers, sorted.into_iter())
    }

    fn from_sorted<'a>(numbers: [i64; NUMBERS.len()], terms: impl Iterator<Item = (u8, &'a str)>) -> Self {
        let (mut bytes, mut ends) = (Vec::new(), Vec::new());
        for (field, value) in terms {
            bytes.push(field);
            bytes.extend_from_slice(value.as_bytes());
            ends.push(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
        }
        Self { numbers, bytes, ends }
    }

    /// The same with other values of one field.
    pub(crate) fn with(&self, field: Field, values: &[String]) -> Self {
        let mut terms: Vec<(u8, &str)> = self.terms().filter(|(f, _)| *f != field as u8).collect();
        terms.extend(values.iter().map(|v| (field as u8, v.as_str())));
        terms.sort_unstable();
        terms.dedup();
        Self::from_sorted(self.numbers, terms.into_iter())
    }

    pub(crate) fn number(&self, n: Number) -> i64 {
        self.numbers[n as usize]
    }

    fn raw(&self, i: usize) -> &[u8] {
        let from = if i == 0 { 0 } else { self.ends[i - 1] as usize };
        &self.bytes[from..self.ends[i] as usize]
    }

    /// Position of the first term that is not before `key`.
    fn first_from(&self, key: &[u8]) -> usize {
        let (mut low, mut high) = (0, self.ends.len());
        while low < high {
            let middle = (low + high) / 2;
            if self.raw(middle) < key {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }

    /// Field number and value of every term, ascending.
    pub(crate) fn terms(&self) -> impl Iterator<Item = (u8, &str)> {
        (0..self.ends.len()).map(|i| split(self.raw(i)))
    }

    pub(crate) fn values(&self, field: Field) -> impl Iterator<Item = &str> {
        (self.first_from(&[field as u8])..self.ends.len())
            .map(|i| split(self.raw(i)))
            .take_while(move |(f, _)| *f == field as u8)
            .map(|(_, v)| v)
    }

    pub(crate) fn has(&self, key: &[u8]) -> bool {
        let i = self.first_from(key);
        i < self.ends.len() && self.raw(i) == key
    }

    pub(crate) fn has_beginning(&self, key: &[u8]) -> bool {
        let i = self.first_from(key);
        i < self.ends.len() && self.raw(i).starts_with(key)
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(40 + 4 + self.ends.len() * 4 + self.bytes.len());
        self.numbers.iter().for_each(|n| out.extend_from_slice(&n.to_le_bytes()));
        out.extend_from_slice(&u32::try_from(self.ends.len()).unwrap_or(u32::MAX).to_le_bytes());
        self.ends.iter().for_each(|e| out.extend_from_slice(&e.to_le_bytes()));
        out.extend_from_slice(&self.bytes);
        out
    }

    /// None where the bytes are not what [`encode`](Self::encode) wrote.
    pub(crate) fn decode(blob: &[u8]) -> Option<Self> {
        let (head, mut rest) = blob.split_at_checked(NUMBERS.len() * 8)?;
        let mut numbers = [0; NUMBERS.len()];
        for (n, b) in numbers.iter_mut().zip(head.chunks_exact(8)) {
            *n = i64::from_le_bytes(b.try_into().ok()?);
        }
        let (count, tail) = rest.split_at_checked(4)?;
        rest = tail;
        let count = u32::from_le_bytes(count.try_into().ok()?) as usize;
        let (ends, bytes) = rest.split_at_checked(count.checked_mul(4)?)?;
        let ends: Vec<u32> = ends.chunks_exact(4).filter_map(|b| b.try_into().ok()).map(u32::from_le_bytes).collect();
        let mut before = 0;
        for end in &ends {
            let term = bytes.get(before..*end as usize)?;
            std::str::from_utf8(term.get(1..)?).ok()?;
            before = *end as usize;
        }
        (before == bytes.len()).then(|| Self { numbers, bytes: bytes.to_vec(), ends })
    }
}

/// A term's bytes, as [`Entry::has`] takes them.
pub(crate) fn key(field: Field, value: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(value.len() + 1);
    out.push(field as u8);
    out.extend_from_slice(value.as_bytes());
    out
}

/// Checked to be UTF-8 when it was made.
fn split(term: &[u8]) -> (u8, &str) {
    term.split_first().map_or((0, ""), |(f, v)| (*f, std::str::from_utf8(v).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry() -> Entry {
        let terms = Terms {
            values: vec![
                (Field::Word, "refund".into()),
                (Field::Hold, "m1".into()),
                (Field::Word, "card".into()),
                (Field::Word, "card".into()),
            ],
            numbers: [1, 2, 3, 4, i64::MIN],
            ..Terms::default()
        };
        Entry::of(&terms)
    }

    #[test]
    fn an_entry_survives_its_encoding_and_finds_its_terms() {
        let e = Entry::decode(&entry().encode()).unwrap();
        assert_eq!(e, entry());
        assert_eq!(e.values(Field::Word).collect::<Vec<_>>(), ["card", "refund"]);
        assert!(e.has(&key(Field::Word, "card")) && !e.has(&key(Field::Word, "car")));
        assert!(e.has_beginning(&key(Field::Word, "re")) && !e.has_beginning(&key(Field::Word, "x")));
        assert!(e.with(Field::Hold, &[]).values(Field::Hold).next().is_none());
        assert!(e.with(Field::Hold, &["m0".into(), "m2".into()]).has(&key(Field::Hold, "m2")));
    }

    #[test]
    fn a_damaged_entry_is_refused() {
        let good = entry().encode();
        for cut in 0..good.len() {
            assert!(Entry::decode(&good[..cut]).is_none(), "{cut}");
        }
        let mut bad = good.clone();
        bad[44] = 200;
        assert!(Entry::decode(&bad).is_none());
    }
}
