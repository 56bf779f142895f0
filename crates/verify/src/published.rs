//! A whole ledger as it is published (`docs/formats/ledger.md`, section 6), checked from outside: every entry, bundle, tile and
//! signed root. No secret, no network; memory does not grow with the ledger but for the names of its files.

use crate::{
    Finding, FindingCode as Code, Link, Trust, VerificationReport,
    ledger::{LEDGER, check_checkpoint, entry_name},
    package::{PackageError, walk},
    report::{Collector, Findings},
};
use holdfast_ledger::{
    Checkpoint, EVENT_MAX_BYTES, LedgerEntry, VerifierKey,
    merkle::{self, Frontier, Hash},
    tile::{self, Tile, WIDTH},
};
use holdfast_model::{Cancel, Progress, ProgressSink, Sha256Digest};
use jiff::Timestamp;
use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

/// Longest bundle: 256 of the longest entries, each after its length.
const BUNDLE_MAX_BYTES: u64 = WIDTH * (EVENT_MAX_BYTES as u64 + 128);
/// Longest tile.
const TILE_MAX_BYTES: u64 = WIDTH * 32;
/// Files of the ledger's head on SQLite.
const HEAD: [&str; 3] = ["head.sqlite", "head.sqlite-wal", "head.sqlite-shm"];
/// Stands for the hash of an entry of which nothing is there.
const UNKNOWN: Hash = [0; 32];
/// Longest checkpoint.
const NOTE_MAX_BYTES: u64 = 64 * 1024;

/// Checks a published ledger: the folder with `checkpoint` and `tile/`, or one of a write-once store, where each checkpoint that was
/// ever published is kept under `checkpoint/`. Whatever is in the folder, this ends with a report.
///
/// # Errors
/// Where there is no folder to read, or the person cancelled.
pub fn verify_ledger(
    folder: &Path,
    trust: impl Into<Trust>,
    cancel: &Cancel,
    progress: &dyn ProgressSink,
) -> Result<VerificationReport, PackageError> {
    let root = folder.canonicalize().map_err(PackageError::io(folder))?;
    if !root.is_dir() {
        return Err(PackageError::NotAFolder(folder.to_owned()));
    }
    let mut other = Findings::default();
    let files = walk(&root, &mut other).map_err(PackageError::io(&root))?.files;
    let mut log = Published { root, files, other, ..Published::default() };
    let mut out = Collector::default();
    let (text, earlier) = log.checkpoints();
    let key = log.key(&trust.into(), text.as_deref(), &mut out);
    if let Some(checkpoint) = check_checkpoint(text.as_deref(), &key, &mut out) {
        let roots = log.earlier_roots(&checkpoint, &earlier, &key);
        log.check(&checkpoint, roots, cancel, progress)?;
        log.leftovers(checkpoint.size());
    }
    log.finish(&mut out);
    Ok(out.finish())
}

/// The folder, and what there is to say of it so far.
#[derive(Default)]
struct Published {
    root: PathBuf,
    /// Files that were not looked at yet, and their lengths.
    files: BTreeMap<String, u64>,
    entries: Findings,
    chain: Findings,
    tiles: Findings,
    rollback: Findings,
    other: Findings,
    /// Whether entries and roots were looked at, and whether an earlier checkpoint was.
    looked: bool,
    compared: bool,
    /// Rows of hashes that do not fill a tile yet, from level 1 up.
    upper: Vec<Vec<Hash>>,
    /// Blocks of entries of which nothing is there.
    lost: u64,
    frontier: Frontier,
    last: Option<Last>,
}

/// The entry before.
struct Last {
    leaf: Hash,
    time: Option<Timestamp>,
}

impl Published {
    /// A file whole; none where it is missing, longer than `max_bytes` or cannot be read.
    fn read(&mut self, path: &str, max_bytes: u64) -> Option<Vec<u8>> {
        let length = self.files.remove(path).filter(|length| *length <= max_bytes)?;
        let mut bytes = Vec::with_capacity(usize::try_from(length).ok()? + 1);
        let read = File::open(self.root.join(path)).and_then(|f| f.take(length + 1).read_to_end(&mut bytes));
        read.ok().filter(|n| *n as u64 == length).map(|_| bytes)
    }

    /// The newest checkpoint as it is, and the earlier ones.
    fn checkpoints(&mut self) -> (Option<String>, Vec<(String, Checkpoint)>) {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).ok();
        if self.files.contains_key("checkpoint") {
            return (self.read("checkpoint", NOTE_MAX_BYTES).and_then(text), Vec::new());
        }
        let names: Vec<String> = self.files.keys().filter(|n| n.starts_with("checkpoint/")).cloned().collect();
        let mut found = Vec::new();
        for name in names {
            match self.read(&name, NOTE_MAX_BYTES).and_then(text).map(|t| Checkpoint::parse(&t)) {
                Some(Ok(checkpoint)) => found.push((name, checkpoint)),
                _ => {
                    let finding = Finding::new(Code::LedgerCheckpointMalformed, name, "a signed checkpoint", "none");
                    self.rollback.push(finding);
                }
            }
        }
        found.sort_by_key(|(_, c)| c.size());
        let newest = found.pop().map(|(_, c)| c.text().to_owned());
        (newest, found)
    }

    /// The key that the ledger says in its first entry is its own, judged by what the caller knows.
    fn key(&self, trust: &Trust, checkpoint: Option<&str>, out: &mut Collector) -> [u8; 32] {
        let own = self.first_entry().and_then(|first| {
            let mut key = [0; 32];
            hex::decode_to_slice(first.event.details.get("public_key")?, &mut key).ok().map(|()| key)
        });
        let origin = checkpoint.and_then(|c| c.lines().next());
        if let Some(finding) = own.and_then(|own| trust.judge(&own, origin)) {
            out.remark(finding);
        }
        own.or(trust.bytes()).unwrap_or([0; 32])
    }

    fn first_entry(&self) -> Option<LedgerEntry> {
        let paths = self.files.keys().filter(|n| *n == "tile/entries/000" || n.starts_with("tile/entries/000.p/"));
        paths.into_iter().find_map(|path| {
            let mut bytes = vec![0; 2 + EVENT_MAX_BYTES + 128];
            let mut file = File::open(self.root.join(path)).ok()?;
            let length = read_up_to(&mut file, &mut bytes).ok()?;
            let (entries, _) = tile::read_bundle(&bytes[..length]);
            LedgerEntry::parse(entries.first()?).ok()
        })
    }

    /// Sizes and roots that the entries must lead to beside the newest, by rising size.
    fn earlier_roots(
        &mut self,
        newest: &Checkpoint,
        earlier: &[(String, Checkpoint)],
        key: &[u8; 32],
    ) -> Vec<(u64, Hash)> {
        let verifier = VerifierKey { name: newest.origin().to_owned(), public_key: *key };
        let mut roots = Vec::new();
        for (name, checkpoint) in earlier {
            self.compared = true;
            match checkpoint.verify(&verifier) {
                Ok(()) => roots.push((checkpoint.size(), checkpoint.root().0)),
                Err(error) => {
                    let expected = "a signature by the ledger's key";
                    self.rollback.push(Finding::new(Code::LedgerCheckpointSignature, name, expected, error));
                }
            }
        }
        roots
    }

    fn check(
        &mut self,
        checkpoint: &Checkpoint,
        mut roots: Vec<(u64, Hash)>,
        cancel: &Cancel,
        progress: &dyn ProgressSink,
    ) -> Result<(), PackageError> {
        self.looked = true;
        let size = checkpoint.size();
        roots.push((size, checkpoint.root().0));
        let mut roots = roots.into_iter().peekable();
        // The tree without entries has a root too.
        self.compare(&mut roots);
        while self.frontier.size() < size {
            if cancel.is_cancelled() {
                return Err(PackageError::Cancelled);
            }
            let (index, width) = (self.frontier.size() / WIDTH, (size - self.frontier.size()).min(WIDTH));
            let leaves = self.block(index, width as u16).unwrap_or_else(|| {
                self.lost += 1;
                let (first, last) = (index * WIDTH, index * WIDTH + width - 1);
                let subject = format!("ledger entries {first} to {last}");
                let finding =
                    Finding::new(Code::LedgerEntryMissing, subject, "entries at their places in the ledger", "nothing");
                self.entries.push(finding);
                self.last = None;
                vec![UNKNOWN; width as usize]
            });
            // A signed size far beyond all that is there keeps nobody busy.
            if self.lost > self.files.len() as u64 + 1 {
                return Ok(());
            }
            for leaf in &leaves {
                self.frontier.push(*leaf);
                self.compare(&mut roots);
            }
            if leaves.len() as u64 == WIDTH {
                self.rise(if leaves.contains(&UNKNOWN) { UNKNOWN } else { tile::subtree_root(&leaves) });
            }
            let done = self.frontier.size();
            progress.report(Progress { stage: "Checking the ledger".into(), done, total: Some(size), unit: "entries" });
        }
        self.edge(size);
        Ok(())
    }

    /// Compares the tree with what was signed for its present size.
    fn compare(&mut self, roots: &mut std::iter::Peekable<impl Iterator<Item = (u64, Hash)>>) {
        while let Some((size, root)) = roots.next_if(|(size, _)| *size == self.frontier.size()) {
            let found = self.frontier.root();
            // Where entries are lost, no root can be made; they were named.
            if found != root && self.lost == 0 {
                let expected = format!("{size} entries with root {}", Sha256Digest(root));
                self.tiles.push(Finding::new(Code::LedgerInconsistent, LEDGER, expected, Sha256Digest(found)));
            }
        }
    }

    /// Looks at up to 256 entries and their hashes. Returns the hashes that the tree has of them; none where both files are gone.
    fn block(&mut self, index: u64, width: u16) -> Option<Vec<Hash>> {
        let stored = self.tile(Tile { level: 0, index, width });
        let bundle = self.bundle(index, width);
        if stored.is_none() && bundle.is_none() {
            return None;
        }
        let first = index * WIDTH;
        let entries: Vec<Option<&[u8]>> = match &bundle {
            Some(bytes) => {
                let (entries, _) = tile::read_bundle(bytes);
                (0..usize::from(width)).map(|at| entries.get(at).copied()).collect()
            }
            None => vec![None; usize::from(width)],
        };
        let mut leaves = Vec::with_capacity(entries.len());
        for (at, (sequence, bytes)) in (first..).zip(entries).enumerate() {
            let stated = stored.as_ref().map(|hashes| hashes[at]);
            leaves.push(self.entry(sequence, bytes, stated));
        }
        Some(leaves)
    }

    /// Looks at one entry and returns the hash that the tree has of it.
    fn entry(&mut self, sequence: u64, bytes: Option<&[u8]>, stated: Option<Hash>) -> Hash {
        let (name, before) = (entry_name(sequence), self.last.take());
        let Some(bytes) = bytes.filter(|b| !b.is_empty()) else {
            self.entries.push(Finding::new(
                Code::LedgerEntryMissing,
                name,
                "an entry at its place in the ledger",
                "nothing",
            ));
            let leaf = stated.unwrap_or_default();
            self.last = Some(Last { leaf, time: before.and_then(|b| b.time) });
            return leaf;
        };
        let found = merkle::leaf_hash(bytes);
        let leaf = stated.unwrap_or(found);
        let altered = leaf != found;
        if altered {
            let (expected, found) = (format!("leaf {}", Sha256Digest(leaf)), format!("leaf {}", Sha256Digest(found)));
            self.entries.push(Finding::new(Code::LedgerEntryAltered, &name, expected, found));
        }
        let mut time = None;
        match LedgerEntry::parse(bytes) {
            Ok(entry) => {
                time = Some(entry.event.time);
                if entry.event.sequence != sequence {
                    let found = format!("number {}", entry.event.sequence);
                    self.entries.push(Finding::new(
                        Code::LedgerEntryAltered,
                        &name,
                        format!("number {sequence}"),
                        found,
                    ));
                }
                // The first entry names zeros; one after an entry that is lost without a trace cannot be compared.
                let previous = before.as_ref().map_or(UNKNOWN, |b| b.leaf);
                if entry.event.previous.0 != previous && (sequence == 0 || previous != UNKNOWN) {
                    let finding =
                        Finding::new(Code::LedgerChainBroken, &name, Sha256Digest(previous), entry.event.previous);
                    self.chain.push(finding);
                }
                if let Some(earlier) = before.as_ref().and_then(|b| b.time).filter(|t| *t > entry.event.time) {
                    let expected = format!("not before {earlier}");
                    self.entries.push(Finding::new(Code::LedgerTimeWentBack, &name, expected, entry.event.time));
                }
            }
            Err(_) if altered => {}
            Err(error) => {
                let expected = "an entry in its canonical form";
                self.entries.push(Finding::new(Code::LedgerEntryMalformed, &name, expected, error));
            }
        }
        self.last = Some(Last { leaf, time: time.or(before.and_then(|b| b.time)) });
        leaf
    }

    /// The hashes of a tile, from the partial one or the full one that took its place.
    fn tile(&mut self, tile: Tile) -> Option<Vec<Hash>> {
        let full = Tile { width: WIDTH as u16, ..tile };
        let now = if self.files.contains_key(&tile.path()) { tile } else { full };
        // A partial tile is as long as its width says, and one that took its place is full.
        let bytes = self.read(&now.path(), TILE_MAX_BYTES).filter(|b| b.len() == 32 * usize::from(now.width));
        let hashes = bytes.and_then(|bytes| tile.hashes(&bytes));
        if hashes.is_none() {
            self.damaged(&tile.path(), &format!("{} hashes", tile.width));
        }
        hashes
    }

    fn bundle(&mut self, index: u64, width: u16) -> Option<Vec<u8>> {
        let (own, full) = (tile::bundle_path(index, width), tile::bundle_path(index, WIDTH as u16));
        let path = if self.files.contains_key(&own) { own.clone() } else { full.clone() };
        let bytes = self.read(&path, BUNDLE_MAX_BYTES);
        let holds = bytes.as_deref().is_some_and(|bytes| {
            let (entries, whole) = tile::read_bundle(bytes);
            whole && (entries.len() == usize::from(width) || path == full && entries.len() as u64 == WIDTH)
        });
        if !holds {
            self.damaged(&own, &format!("{width} entries"));
        }
        bytes
    }

    fn damaged(&mut self, path: &str, expected: &str) {
        self.tiles.push(Finding::new(Code::LedgerTileDamaged, path, expected, "nothing, or something else"));
    }

    /// Takes over the root of a full tile into the level above, and compares each tile that becomes full there.
    fn rise(&mut self, root: Hash) {
        let (mut level, mut hash) = (1_u8, root);
        loop {
            let row = usize::from(level) - 1;
            if self.upper.len() <= row {
                self.upper.push(Vec::new());
            }
            self.upper[row].push(hash);
            if (self.upper[row].len() as u64) < WIDTH {
                return;
            }
            let hashes = std::mem::take(&mut self.upper[row]);
            let index = (self.frontier.size() >> (8 * u32::from(level) + 8)) - 1;
            self.compare_tile(Tile { level, index, width: WIDTH as u16 }, &hashes);
            hash = if hashes.contains(&UNKNOWN) { UNKNOWN } else { tile::subtree_root(&hashes) };
            level += 1;
        }
    }

    /// The partial tiles at the end of the levels above 0.
    fn edge(&mut self, size: u64) {
        for tile in tile::upper_edge(size) {
            let hashes = self.upper.get(usize::from(tile.level) - 1).cloned().unwrap_or_default();
            self.compare_tile(tile, &hashes);
        }
    }

    fn compare_tile(&mut self, tile: Tile, hashes: &[Hash]) {
        // A tile that is not there was noted as damaged.
        let known = self.lost == 0 || !hashes.contains(&UNKNOWN);
        if self.tile(tile).is_some_and(|stored| stored != hashes) && known {
            self.damaged(&tile.path(), "the roots of the tiles below");
        }
    }

    /// Files that the signed tree does not need: partial ones from before, later ones, and strangers.
    fn leftovers(&mut self, size: u64) {
        let (mut beyond, mut first) = (0_u64, None);
        for (path, length) in std::mem::take(&mut self.files) {
            match TilePath::of(&path) {
                // The archive's own folder has its head there too, which is not published.
                None if HEAD.contains(&path.as_str()) => {}
                None => self.other.push(Finding::new(Code::LedgerFileUnknown, path, "no such file", "a file")),
                Some(place) if place.is_within(size) => {
                    if !self.is_prefix(&path, length, place, size) {
                        self.damaged(&path, "the beginning of the one that took its place");
                    }
                }
                Some(_) => {
                    beyond += 1;
                    first.get_or_insert(path);
                }
            }
        }
        if let Some(first) = first {
            let found = format!("{beyond} files beyond them, such as {first}");
            self.other.push(Finding::new(
                Code::LedgerBeyondCheckpoint,
                LEDGER,
                format!("files of {size} entries"),
                found,
            ));
        }
    }

    /// Whether an older partial file is the beginning of the one that the tree of `size` entries has in its place.
    fn is_prefix(&self, path: &str, length: u64, place: TilePath, size: u64) -> bool {
        let max = if place.level.is_some() { TILE_MAX_BYTES } else { BUNDLE_MAX_BYTES };
        let Some(now) = Tile::of_size(place.level.unwrap_or(0), place.index, size) else { return false };
        let name = |width: u16| match place.level {
            Some(_) => Tile { width, ..now }.path(),
            None => tile::bundle_path(place.index, width),
        };
        let read = |path: &str| {
            let mut bytes = Vec::new();
            let file = File::open(self.root.join(path)).ok()?;
            file.take(max + 1).read_to_end(&mut bytes).ok().filter(|n| *n as u64 <= max).map(|_| bytes)
        };
        let Some(whole) = read(&name(now.width)).or_else(|| read(&name(WIDTH as u16))) else { return false };
        if length > max {
            return false;
        }
        let Some(part) = read(path) else { return false };
        let count = match place.level {
            Some(_) => part.len() / 32,
            None => tile::read_bundle(&part).0.len(),
        };
        whole.starts_with(&part) && count == usize::from(place.width)
    }

    fn finish(self, out: &mut Collector) {
        if self.looked {
            out.checked(Link::LedgerEntry, LEDGER, self.entries);
            out.checked(Link::Chain, LEDGER, self.chain);
            out.checked(Link::Inclusion, LEDGER, self.tiles);
        } else {
            [Link::LedgerEntry, Link::Chain, Link::Inclusion].iter().for_each(|l| out.not_checked(*l, LEDGER));
        }
        if self.compared || self.rollback.failed() {
            out.checked(Link::Rollback, LEDGER, self.rollback);
        } else {
            out.not_checked(Link::Rollback, LEDGER);
        }
        for link in [Link::Mac, Link::Timestamp] {
            out.not_checked(link, LEDGER);
        }
        self.other.into_iter().for_each(|f| out.remark(f));
    }
}

/// Where a file belongs by its path; `level` is none for a bundle of entries.
#[derive(Clone, Copy)]
struct TilePath {
    level: Option<u8>,
    index: u64,
    width: u16,
}

impl TilePath {
    fn of(path: &str) -> Option<Self> {
        let (kind, rest) = path.strip_prefix("tile/")?.split_once('/')?;
        let level = if kind == "entries" { None } else { Some(kind.parse().ok().filter(|l: &u8| *l < 8)?) };
        let (number, width) = match rest.split_once(".p/") {
            Some((number, width)) => (number, width.parse().ok().filter(|w: &u16| (1..256).contains(w))?),
            None => (rest, WIDTH as u16),
        };
        let digits: String = number.split('/').map(|part| part.trim_start_matches('x')).collect();
        let place = Self { level, index: digits.parse().ok()?, width };
        let own = match level {
            Some(level) => Tile { level, index: place.index, width }.path(),
            None => tile::bundle_path(place.index, width),
        };
        (own == path).then_some(place)
    }

    /// Whether the tree of `size` entries has all of it.
    fn is_within(self, size: u64) -> bool {
        Tile::of_size(self.level.unwrap_or(0), self.index, size).is_some_and(|now| now.width >= self.width)
    }
}

fn read_up_to(file: &mut File, buffer: &mut [u8]) -> io::Result<usize> {
    let mut length = 0;
    while length < buffer.len() {
        match file.read(&mut buffer[length..]) {
            Ok(0) => break,
            Ok(n) => length += n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(length)
}
