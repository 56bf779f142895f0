//! Walking a folder: a bounded number of names is held at once, however large a folder is; symbolic links are looked at but
//! never walked through, so that there are no loops; everything that is found is told, whatever it is.

use super::{
    Inner, Readiness,
    manifest::{self, Rows},
    pair::{self, Class, Set},
};
use crate::{
    ConnectorError, Discovered, Draft, FileRole, PAYLOAD_LIMIT, Payload, Problem, SIDECAR_SCHEMA, SourceFile,
    SourceItem, Survey, encode_name,
    mapping::{ManifestRule, Metadata, Row},
    read_sidecar, reason,
    sidecar::{self, Known},
};
use bytes::Bytes;
use holdfast_model::{Cancel, Sha256Digest, SourceRef};
use jiff::{SignedDuration, Timestamp};
use std::{
    collections::{HashSet, hash_map::DefaultHasher},
    ffi::{OsStr, OsString},
    fs::{self, FileType},
    hash::{Hash as _, Hasher as _},
    io::Read as _,
    os::unix::ffi::OsStrExt as _,
    path::{Component, Path, PathBuf},
};

/// Deeper than any export's layout, shallow enough for the stack and for open files.
const DEPTH: usize = 128;
/// Manifests in one folder; further ones count as media.
const MANIFESTS: usize = 1_000;
/// How long until something without a marker, or still being written, is looked at again: 15 minutes.
const LOOK_AGAIN_MS: i64 = 15 * 60 * 1000;

pub(super) struct Walk<'a> {
    source: &'a Inner,
    cancel: &'a Cancel,
    tell: &'a mut dyn FnMut(Discovered) -> bool,
    /// Files that a manifest names, by the first half of their name's SHA-256: the one thing that grows with a source, by
    /// 16 bytes for each row.
    claimed: HashSet<[u8; 16]>,
    gone: bool,
}

/// A folder while it is walked.
struct Here<'p> {
    path: &'p Path,
    /// Its place inside the source, with a `/` at the end; empty for the source's own folder.
    item: &'p str,
    depth: usize,
}

impl Here<'_> {
    fn item_of(&self, name: &OsStr) -> String {
        format!("{}{}", self.item, encode_name(name.as_bytes()))
    }
}

enum Listing {
    All(Vec<(OsString, FileType)>),
    TooMany { files: usize },
}

impl<'a> Walk<'a> {
    pub(super) fn new(source: &'a Inner, cancel: &'a Cancel, tell: &'a mut dyn FnMut(Discovered) -> bool) -> Self {
        Self { source, cancel, tell, claimed: HashSet::new(), gone: false }
    }

    pub(super) fn run(mut self) -> Result<(), ConnectorError> {
        let root = self.source.root.clone();
        fs::read_dir(&root)
            .map_err(|source| ConnectorError::Source { place: encode_name(root.as_os_str().as_bytes()), source })?;
        self.folder(&Here { path: &root, item: "", depth: 0 });
        if self.cancel.is_cancelled() { Err(ConnectorError::Cancelled) } else { Ok(()) }
    }

    fn stopped(&self) -> bool {
        self.gone || self.cancel.is_cancelled()
    }

    fn tell(&mut self, what: Discovered) {
        if !self.gone && !(self.tell)(what) {
            self.gone = true;
        }
    }

    fn reference(&self, item: String) -> SourceRef {
        SourceRef { source: self.source.options.name.clone(), item }
    }

    /// Something that cannot be archived, without readable files.
    fn refuse(&mut self, item: String, reason: &str, sentence: impl Into<String>) {
        let name = item.trim_end_matches('/').rsplit('/').next().unwrap_or_default().to_owned();
        let draft = Err(Problem::new(reason, sentence));
        let source = self.reference(item);
        self.tell(Discovered::Item(Box::new(SourceItem { source, name, files: Vec::new(), payload: None, draft })));
    }

    fn not_yet(&mut self, item: String, until: Timestamp, sentence: &str) {
        let source = self.reference(item);
        self.tell(Discovered::NotYet { source, until, sentence: sentence.to_owned() });
    }

    fn look_again(&self) -> Timestamp {
        let now = self.source.options.clock.now();
        now.checked_add(SignedDuration::from_millis(LOOK_AGAIN_MS)).unwrap_or(now)
    }

    fn folder(&mut self, here: &Here<'_>) {
        if self.stopped() {
            return;
        }
        if here.depth > DEPTH {
            self.refuse(here.item.to_owned(), reason::TOO_DEEP, format!("folders are nested more than {DEPTH} deep"));
            return;
        }
        let batch = self.source.batch;
        let listing = match list(here.path, batch) {
            Ok(listing) => listing,
            Err(e) => {
                self.refuse(here.item.to_owned(), reason::UNREADABLE, format!("the folder cannot be read: {e}"));
                return;
            }
        };
        match listing {
            Listing::All(mut entries) => {
                entries.sort_unstable_by(|a, b| a.0.cmp(&b.0));
                let manifests = entries.iter().map(|(n, _)| n.clone()).filter(|n| self.is_manifest(here, n)).collect();
                self.manifests(here, manifests);
                let (folders, files): (Vec<_>, Vec<_>) = entries.into_iter().partition(|(_, kind)| kind.is_dir());
                self.files(here, files);
                for (name, _) in folders {
                    self.subfolder(here, &name);
                }
            }
            Listing::TooMany { files } => self.large_folder(here, files, batch),
        }
    }

    fn subfolder(&mut self, here: &Here<'_>, name: &OsStr) {
        let item = format!("{}/", here.item_of(name));
        self.folder(&Here { path: &here.path.join(name), item: &item, depth: here.depth + 1 });
    }

    /// Several times through the same folder, each time looking at the names of one part only: files that belong together are in
    /// the same part.
    fn large_folder(&mut self, here: &Here<'_>, files: usize, batch: usize) {
        let passes = files.div_ceil(batch).max(1) as u64;
        let manifests = entries(here.path).filter(|(n, _)| self.is_manifest(here, n)).map(|(n, _)| n);
        let manifests = manifests.take(MANIFESTS).collect();
        self.manifests(here, manifests);
        for pass in 0..passes {
            let part = |name: &OsStr| {
                let mut hasher = DefaultHasher::new();
                pair::family(name).hash(&mut hasher);
                hasher.finish() % passes == pass
            };
            let mut these: Vec<_> =
                entries(here.path).filter(|(_, kind)| !kind.is_dir()).filter(|(name, _)| part(name)).collect();
            these.sort_unstable_by(|a, b| a.0.cmp(&b.0));
            self.files(here, these);
        }
        for (name, _) in entries(here.path).filter(|(_, kind)| kind.is_dir()) {
            self.subfolder(here, &name);
        }
    }

    fn files(&mut self, here: &Here<'_>, files: Vec<(OsString, FileType)>) {
        let mut plain = Vec::with_capacity(files.len());
        for (name, kind) in files {
            if self.stopped() {
                return;
            }
            let class = pair::classify(&name).0;
            if class == Class::Furniture || self.is_manifest(here, &name) || self.is_claimed(here, &name) {
                continue;
            }
            if !self.is_plain(here, &name, kind) {
                continue;
            }
            if class == Class::Partial {
                let until = self.look_again();
                self.not_yet(here.item_of(&name), until, "the file's name says that it is still being written");
                continue;
            }
            plain.push(name);
        }
        let xml_first = self.source.mapping.as_ref().is_some_and(crate::Mapping::reads_xml);
        for set in pair::pair(plain, xml_first) {
            if self.stopped() {
                return;
            }
            self.set(here, set);
        }
    }

    /// Whether it can be read as a plain file; tells about it where it cannot.
    fn is_plain(&mut self, here: &Here<'_>, name: &OsStr, kind: FileType) -> bool {
        let path = here.path.join(name);
        let mut kind = kind;
        if self.source.mapping_path.as_deref() == Some(&path) {
            return false;
        }
        if kind.is_symlink() {
            let Ok(target) = path.canonicalize() else {
                self.refuse(here.item_of(name), reason::SYMLINK_BROKEN, "a symbolic link that leads nowhere");
                return false;
            };
            if !target.starts_with(&self.source.root) {
                let sentence = "a symbolic link that leads out of the folder is not followed";
                self.refuse(here.item_of(name), reason::SYMLINK_OUTSIDE, sentence);
                return false;
            }
            match fs::metadata(&target) {
                // What it holds is found where it lies.
                Ok(facts) if facts.is_dir() => return false,
                Ok(facts) => kind = facts.file_type(),
                Err(_) => {}
            }
        }
        if !kind.is_file() {
            let sentence = "a device, pipe or socket is no recording and is not opened";
            self.refuse(here.item_of(name), reason::NOT_A_FILE, sentence);
        }
        kind.is_file()
    }

    fn set(&mut self, here: &Here<'_>, set: Set) {
        let files = |names: &[OsString], role| names.iter().map(|n| self.file(here, n, role)).collect::<Vec<_>>();
        let (mut all, metadata) = (files(&set.media, FileRole::Media), files(&set.metadata, FileRole::Metadata));
        all.extend(metadata);
        let Some(first) = all.first() else { return };
        let item = first.item.clone();
        if let Some((until, sentence)) = self.unready(&all, set.done) {
            self.not_yet(item, until, sentence);
            return;
        }
        let name = item.rsplit('/').next().unwrap_or_default().to_owned();
        let mut whole = SourceItem {
            source: self.reference(item),
            name,
            files: all,
            payload: None,
            draft: Err(Problem::new(reason::ORPHAN_MEDIA, "there is no metadata for this file")),
        };
        match &set.metadata[..] {
            [] => {}
            [metadata] => match self.payload(here, metadata) {
                Ok(Some(payload)) => {
                    whole.draft = self.draft(here, metadata, &set.media, &payload, &mut whole.files);
                    whole.payload = Some(payload);
                }
                Ok(None) => {
                    let until = self.look_again();
                    let SourceRef { item, .. } = whole.source;
                    self.not_yet(item, until, "the metadata changed while it was being read");
                    return;
                }
                Err(problem) => whole.draft = Err(problem),
            },
            several => {
                let sentence = format!("there are {} sets of metadata for one stem", several.len());
                whole.draft = Err(Problem::new(reason::AMBIGUOUS_METADATA, sentence));
            }
        }
        self.tell(Discovered::Item(Box::new(whole)));
    }

    fn draft(
        &self,
        here: &Here<'_>,
        metadata: &OsStr,
        media: &[OsString],
        payload: &Payload,
        files: &mut [SourceFile],
    ) -> Result<Draft, Problem> {
        let item = here.item_of(metadata);
        let format = match payload.extension {
            "xml" => Metadata::Xml(&payload.bytes),
            _ => Metadata::Json(&payload.bytes),
        };
        let media = match media {
            [one] => one.to_string_lossy().into_owned(),
            [] if self.is_recording(&item, &format) => {
                files.iter_mut().for_each(|f| f.role = FileRole::Media);
                metadata.to_string_lossy().into_owned()
            }
            [] => return Err(Problem::new(reason::ORPHAN_METADATA, "there is no media file for this metadata")),
            several => {
                let sentence = format!("there are {} files that could be the recording", several.len());
                return Err(Problem::new(reason::AMBIGUOUS_MEDIA, sentence));
            }
        };
        let known = self.known(Some(&media));
        match (&self.source.mapping, &format) {
            (Some(mapping), format) => mapping.apply(&item, format, known),
            (None, Metadata::Json(bytes)) => read_sidecar(bytes, known.organisation, known.media_name),
            (None, Metadata::Xml(_)) => {
                Err(Problem::new(reason::NO_RULE, "the metadata is XML: it needs a mapping file (--mapping)"))
            }
        }
    }

    fn known<'k>(&'k self, media_name: Option<&'k str>) -> Known<'k> {
        Known { organisation: self.source.options.organisation.as_deref(), media_name }
    }

    fn is_recording(&self, item: &str, metadata: &Metadata<'_>) -> bool {
        match (&self.source.mapping, metadata) {
            (Some(mapping), metadata) => mapping.is_recording(item, metadata),
            (None, Metadata::Json(bytes)) => crate::input::decode(bytes)
                .and_then(|text| sidecar::parse_object(&text))
                .is_ok_and(|map| sidecar::is_self_contained(&map)),
            (None, Metadata::Xml(_)) => false,
        }
    }

    fn schema(&self) -> String {
        self.source.mapping.as_ref().map_or_else(|| SIDECAR_SCHEMA.to_owned(), crate::Mapping::schema)
    }

    /// The metadata's bytes; none where they changed while they were read.
    fn payload(&self, here: &Here<'_>, name: &OsStr) -> Result<Option<Payload>, Problem> {
        let unreadable =
            |e: &dyn std::fmt::Display| Problem::new(reason::UNREADABLE, format!("the metadata cannot be read: {e}"));
        let file = self.source.open_path(&here.path.join(name)).map_err(|e| unreadable(&e))?;
        let fetched = crate::Fetched::new(file).map_err(|e| unreadable(&e))?;
        let mut bytes = Vec::new();
        fetched.file().take(PAYLOAD_LIMIT + 1).read_to_end(&mut bytes).map_err(|e| unreadable(&e))?;
        if bytes.len() as u64 > PAYLOAD_LIMIT {
            let sentence = format!("the metadata is larger than {} MiB", PAYLOAD_LIMIT >> 20);
            return Err(Problem::new(reason::METADATA_TOO_LARGE, sentence));
        }
        if fetched.unchanged().is_err() {
            return Ok(None);
        }
        let is_xml = name.as_bytes().to_ascii_lowercase().ends_with(b".xml");
        let extension = if is_xml { "xml" } else { "json" };
        Ok(Some(Payload { bytes: Bytes::from(bytes), extension, schema: self.schema() }))
    }

    fn file(&self, here: &Here<'_>, name: &OsStr, role: FileRole) -> SourceFile {
        let facts = fs::metadata(here.path.join(name)).ok();
        let modified = facts.as_ref().and_then(|f| f.modified().ok()).and_then(|t| Timestamp::try_from(t).ok());
        SourceFile {
            role,
            item: here.item_of(name),
            size_bytes: facts.map_or(0, |f| f.len()),
            modified_ms: modified.map(Timestamp::as_millisecond),
        }
    }

    /// Until when to wait, where something is not complete yet. A time in the future (a clock that jumped) never makes the wait
    /// longer than it is meant to be.
    fn unready(&self, files: &[SourceFile], done: bool) -> Option<(Timestamp, &'static str)> {
        match self.source.options.readiness {
            Readiness::Now => None,
            Readiness::Marker if done => None,
            Readiness::Marker => Some((self.look_again(), "there is no .done file beside it yet")),
            Readiness::SettledForMs(wait) => {
                let now = self.source.options.clock.now().as_millisecond();
                let wait = i64::try_from(wait).unwrap_or(i64::MAX / 4);
                let newest = files.iter().filter_map(|f| f.modified_ms).max()?;
                let until = newest.saturating_add(wait).min(now.saturating_add(wait));
                let until = (until > now).then(|| Timestamp::from_millisecond(until).ok()).flatten()?;
                Some((until, "it was written to a short while ago"))
            }
        }
    }

    fn is_manifest(&self, here: &Here<'_>, name: &OsStr) -> bool {
        match &self.source.mapping {
            Some(mapping) => {
                name.as_bytes().to_ascii_lowercase().ends_with(b".csv")
                    && mapping.manifest_rule(&here.item_of(name)).is_some()
            }
            None => name == "manifest.csv",
        }
    }

    fn is_claimed(&self, here: &Here<'_>, name: &OsStr) -> bool {
        !self.claimed.is_empty() && self.claimed.contains(&short(&here.item_of(name)))
    }

    fn manifests(&mut self, here: &Here<'_>, names: Vec<OsString>) {
        for name in names {
            if self.stopped() {
                return;
            }
            let item = here.item_of(&name);
            if let Err(problem) = self.manifest(here, &name, &item) {
                let source = self.reference(item.clone());
                let files = vec![self.file(here, &name, FileRole::Metadata)];
                let name = encode_name(name.as_bytes());
                let whole = SourceItem { source, name, files, payload: None, draft: Err(problem) };
                self.tell(Discovered::Item(Box::new(whole)));
            }
        }
    }

    fn manifest(&mut self, here: &Here<'_>, name: &OsStr, item: &str) -> Result<(), Problem> {
        let unreadable =
            |e: ConnectorError| Problem::new(reason::UNREADABLE, format!("the manifest cannot be read: {e}"));
        let file = self.source.open_path(&here.path.join(name)).map_err(unreadable)?;
        let source = self.source;
        let rule = source.mapping.as_ref().and_then(|m| m.manifest_rule(item));
        let mut rows = Rows::open(&file, rule.as_ref().map_or(b',', |r| r.delimiter))?;
        let column = rule.as_ref().map_or("file", |r| r.file_column);
        let Some(index) = rows.heading().iter().position(|h| h == column) else {
            let sentence = format!("the manifest has no column {column:?} that names the media file");
            return Err(Problem::new(reason::METADATA_MALFORMED, sentence).at(Some((1, 1))));
        };
        while let Some(row) = rows.next() {
            if self.stopped() {
                break;
            }
            match row {
                Ok(raw) => self.row(here, item, rule.as_ref(), index, raw),
                Err(problem) => {
                    let at = format!("{item}#line-{}", problem.line.unwrap_or_default());
                    let (reason, sentence) = (problem.reason.clone(), problem.to_string());
                    self.refuse(at, &reason, sentence);
                }
            }
        }
        Ok(())
    }

    fn row(
        &mut self,
        here: &Here<'_>,
        manifest: &str,
        rule: Option<&ManifestRule<'_>>,
        index: usize,
        raw: manifest::RawRow,
    ) {
        let manifest::RawRow { row, payload } = raw;
        let named = row.cells.get(index).map(|c| c.trim()).unwrap_or_default();
        if named.is_empty() && row.cells.iter().all(|c| c.trim().is_empty()) {
            return; // an empty line
        }
        let at_line = format!("{manifest}#line-{}", row.line);
        let place = (row.line, 1);
        let problem = |reason, sentence: &str| Problem::new(reason, sentence).at(Some(place));
        let payload = manifest::payload(payload, &self.schema());
        let found = media_of(here, named).map_err(|r| match r {
            reason::PATH_OUTSIDE => problem(r, "the row names a file outside the manifest's folder"),
            _ => problem(reason::ORPHAN_METADATA, "the file that the row names is not there"),
        });
        let (item, name, files, draft) = match found {
            Ok((path, item)) => {
                let media = path.file_name().map(OsStr::to_string_lossy).unwrap_or_default().into_owned();
                let draft = if self.claimed.insert(short(&item)) {
                    self.row_draft(rule, &row, manifest, &media)
                } else {
                    Err(problem(reason::AMBIGUOUS_METADATA, "several rows of a manifest name the same file"))
                };
                let here = Here { path: path.parent().unwrap_or(here.path), item: folder_of(&item), depth: here.depth };
                let name = path.file_name().unwrap_or_default();
                let repeated = matches!(&draft, Err(p) if p.reason == reason::AMBIGUOUS_METADATA);
                let files = if repeated { Vec::new() } else { vec![self.file(&here, name, FileRole::Media)] };
                (if repeated { at_line } else { item }, encode_name(name.as_bytes()), files, draft)
            }
            Err(problem) => (at_line, encode_name(named.as_bytes()), Vec::new(), Err(problem)),
        };
        if draft.is_ok()
            && let Some((until, sentence)) = self.unready(&files, self.has_marker(&item))
        {
            self.not_yet(item, until, sentence);
            return;
        }
        let source = self.reference(item);
        self.tell(Discovered::Item(Box::new(SourceItem { source, name, files, payload: Some(payload), draft })));
    }

    fn has_marker(&self, item: &str) -> bool {
        use std::os::unix::ffi::OsStringExt as _;
        let path = self.source.root.join(OsString::from_vec(crate::decode_name(item)));
        let mut whole = path.clone().into_os_string();
        whole.push(".done");
        path.with_extension("done").is_file() || Path::new(&whole).is_file()
    }

    fn row_draft(&self, rule: Option<&ManifestRule<'_>>, row: &Row, item: &str, media: &str) -> Result<Draft, Problem> {
        let known = self.known(Some(media));
        match rule {
            Some(rule) => rule.apply(row, item, known),
            None => sidecar::assemble(manifest::canonical(row, "file"), known, &|_| Some((row.line, 1))),
        }
        .map_err(|p| p.at(Some((row.line, 1))))
    }
}

/// The plain file that a row names, and its place inside the source.
fn media_of(here: &Here<'_>, named: &str) -> Result<(PathBuf, String), &'static str> {
    let named = named.replace('\\', "/");
    let named = Path::new(named.trim_start_matches("./"));
    let inside = named.components().all(|c| matches!(c, Component::Normal(_)));
    if !inside || named.as_os_str().is_empty() {
        return Err(reason::PATH_OUTSIDE);
    }
    let path = here.path.join(named);
    // A link that leads out is refused when it is opened.
    if !path.is_file() {
        return Err(reason::ORPHAN_METADATA);
    }
    Ok((path, format!("{}{}", here.item, encode_name(named.as_os_str().as_bytes()))))
}

fn folder_of(item: &str) -> &str {
    item.rfind('/').map_or("", |i| &item[..=i])
}

fn short(item: &str) -> [u8; 16] {
    let digest = Sha256Digest::of(item.as_bytes()).0;
    std::array::from_fn(|i| digest[i])
}

fn entries(path: &Path) -> impl Iterator<Item = (OsString, FileType)> {
    let entries = fs::read_dir(path).into_iter().flatten().filter_map(Result::ok);
    entries.filter_map(|e| Some((e.file_name(), e.file_type().ok()?)))
}

fn list(path: &Path, batch: usize) -> std::io::Result<Listing> {
    let mut all = Vec::new();
    let mut count = 0;
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        count += 1;
        if count <= batch {
            all.push((entry.file_name(), entry.file_type()?));
        }
    }
    Ok(if count <= batch { Listing::All(all) } else { Listing::TooMany { files: count } })
}

/// Counts what may be recordings, without reading any.
pub(super) fn survey(path: &Path, cancel: &Cancel, depth: usize, sum: &mut Survey) {
    if depth > DEPTH || cancel.is_cancelled() {
        return;
    }
    for (name, kind) in entries(path) {
        if kind.is_dir() {
            survey(&path.join(&name), cancel, depth + 1, sum);
        } else if kind.is_file() && matches!(pair::classify(&name).0, Class::Media) {
            sum.files += 1;
            sum.bytes += fs::metadata(path.join(&name)).map_or(0, |f| f.len());
        }
    }
}
