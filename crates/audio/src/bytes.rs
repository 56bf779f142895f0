use std::{fs::File, io, path::Path, sync::Arc};

/// The most that one look into a file may ask for. Nothing in the formats read here needs more in one piece, and a
/// hostile length field must not become an allocation.
pub(crate) const MAX_LOOK: usize = 8 << 20;

/// A file that is looked into at any place through one bounded window. Every parser here reads this way, so that none
/// holds more of a recording than the window, and none has a file position to get wrong.
#[derive(Debug)]
pub(crate) struct Bytes {
    file: Arc<File>,
    len: u64,
    start: u64,
    filled: usize,
    buffer: Vec<u8>,
    window: usize,
}

impl Bytes {
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let meta = file.metadata()?;
        if !meta.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "this is not a regular file"));
        }
        let window = 64 << 10;
        Ok(Self { file: Arc::new(file), len: meta.len(), start: 0, filled: 0, buffer: Vec::new(), window })
    }

    /// Another window on the same file, for tables that lie far from what is read beside them.
    pub(crate) fn window(&self, size: usize) -> Self {
        Self { file: self.file.clone(), len: self.len, start: 0, filled: 0, buffer: Vec::new(), window: size }
    }

    /// The file's length as it was when it was opened.
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// `n` bytes at `pos`; fewer only where the file ends.
    pub(crate) fn at(&mut self, pos: u64, n: usize) -> io::Result<&[u8]> {
        if n > MAX_LOOK {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "a length field asks for more than any real file has",
            ));
        }
        let n = usize::try_from(self.len.saturating_sub(pos)).unwrap_or(usize::MAX).min(n);
        if n == 0 {
            return Ok(&[]);
        }
        let have = pos >= self.start && pos - self.start + n as u64 <= self.filled as u64;
        if !have {
            self.fill(pos, n.max(self.window))?;
        }
        let from = usize::try_from(pos - self.start).unwrap_or(usize::MAX).min(self.filled);
        let to = from.saturating_add(n).min(self.filled);
        Ok(&self.buffer[from..to])
    }

    fn fill(&mut self, pos: u64, size: usize) -> io::Result<()> {
        self.buffer.resize(size, 0);
        (self.start, self.filled) = (pos, 0);
        while self.filled < size {
            match read_at(&self.file, &mut self.buffer[self.filled..size], pos + self.filled as u64) {
                Ok(0) => break,
                Ok(n) => self.filled += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }

    /// Exactly `N` bytes at `pos`, or none where the file ends before.
    pub(crate) fn array<const N: usize>(&mut self, pos: u64) -> io::Result<Option<[u8; N]>> {
        Ok(self.at(pos, N)?.try_into().ok())
    }

    pub(crate) fn u32_be(&mut self, pos: u64) -> io::Result<Option<u32>> {
        Ok(self.array(pos)?.map(u32::from_be_bytes))
    }

    pub(crate) fn u64_be(&mut self, pos: u64) -> io::Result<Option<u64>> {
        Ok(self.array(pos)?.map(u64::from_be_bytes))
    }

    /// Where `needle` first stands in `from..to`.
    pub(crate) fn find(&mut self, mut from: u64, to: u64, needle: &[u8]) -> io::Result<Option<u64>> {
        let to = to.min(self.len);
        while from + needle.len() as u64 <= to {
            // What is in the window already is looked through first: short steps must not read it again each time.
            let held = (self.start + self.filled as u64).checked_sub(from).filter(|_| from >= self.start).unwrap_or(0);
            let reach = if held >= needle.len() as u64 { held } else { self.window as u64 };
            let n = usize::try_from((to - from).min(reach)).unwrap_or(self.window);
            let look = self.at(from, n)?;
            if look.len() < needle.len() {
                return Ok(None);
            }
            if let Some(i) = memchr::memmem::find(look, needle) {
                return Ok(Some(from + i as u64));
            }
            from += (look.len() - needle.len() + 1) as u64;
        }
        Ok(None)
    }
}

#[cfg(unix)]
fn read_at(file: &File, buffer: &mut [u8], pos: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, buffer, pos)
}

#[cfg(windows)]
fn read_at(file: &File, buffer: &mut [u8], pos: u64) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, buffer, pos)
}

/// Finds the last sync point in `from..to` whose time is at most `target`. `sync` gives the first sync point at or after a
/// place: where it begins and its time. Times must not fall along the file; where they do, a wrong point is found, never an
/// endless loop.
pub(crate) fn bisect(
    from: u64,
    to: u64,
    target: i64,
    mut sync: impl FnMut(u64) -> io::Result<Option<(u64, i64)>>,
) -> io::Result<Option<(u64, i64)>> {
    let (mut low, mut high, mut best) = (from, to, None);
    while low < high {
        let middle = low + (high - low) / 2;
        match sync(middle)? {
            Some((pos, time)) if pos >= middle && pos < high && time <= target => {
                best = Some((pos, time));
                low = pos + 1;
            }
            _ => high = middle,
        }
    }
    Ok(best)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bisect_finds_the_last_point_not_after_the_target() {
        let points: Vec<(u64, i64)> = (0..100).map(|i| (i * 37 + 5, i as i64 * 10)).collect();
        for target in [-1, 0, 5, 10, 555, 990, 5_000] {
            let found = bisect(0, 4_000, target, |p| Ok(points.iter().copied().find(|x| x.0 >= p))).unwrap();
            assert_eq!(found, points.iter().copied().rfind(|x| x.1 <= target), "target {target}");
        }
    }

    #[test]
    fn a_window_reads_across_its_own_borders_and_stops_at_the_end() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        let data: Vec<u8> = (0..200_000u32).map(|i| (i / 7) as u8).collect();
        std::fs::write(&path, &data).unwrap();
        let mut b = Bytes::open(&path).unwrap();
        for pos in [0usize, 65_530, 199_990, 3, 131_072] {
            let n = 20.min(data.len() - pos);
            assert_eq!(b.at(pos as u64, 20).unwrap(), &data[pos..pos + n]);
        }
        assert_eq!(b.at(500_000, 4).unwrap(), b"");
        assert_eq!(b.at(u64::MAX, 4).unwrap(), b"");
        assert!(b.at(0, MAX_LOOK + 1).is_err());
        let needle = &data[150_000..150_040];
        let first = data.windows(40).position(|w| w == needle).unwrap() as u64;
        assert_eq!(b.find(0, u64::MAX, needle).unwrap(), Some(first));
    }
}
