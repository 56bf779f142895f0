use crate::{
    CheckResult, CustodyStep, Finding, FindingCode as Code, Link, ObservedBytes, ObservedIndex, Trust,
    VerificationReport, key_fingerprint,
    ledger::{EntryCheck, LEDGER, ReadEntry, check_checkpoint},
    package::{
        Exhibit, PACKAGE_FORMAT, PackageDescription, PackageError,
        bag::{self, Listing},
        hash::{Hashed, PIECE_BYTES, measure_all},
        json, names, path,
        proofs::{self, ReadEntries},
    },
    recording::{Recording, check_recording},
    report::{Collector, Findings},
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use holdfast_model::{Cancel, Fixity, Manifest, PayloadRef, ProgressSink, Sha256Digest};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    io::{BufReader, Read},
    path::{Path, PathBuf},
};

/// Largest list of files.
const LIST_MAX_BYTES: u64 = 48 * 1024 * 1024;
/// Largest description of the package.
const DESCRIPTION_MAX_BYTES: u64 = 32 * 1024 * 1024;
/// Largest custody report that is compared.
const REPORT_MAX_BYTES: u64 = 64 * 1024 * 1024;
/// Largest manifest.
const MANIFEST_MAX_BYTES: u64 = 16 * 1024 * 1024;
/// More values than any manifest has.
const MANIFEST_VALUES_MAX: usize = 100_000;
/// Largest file that is hashed without a statement elsewhere of how large it is: reports, load file, instructions.
const OTHER_MAX_BYTES: u64 = 256 * 1024 * 1024;
/// Longest step of a custody report.
const STEP_MAX_BYTES: usize = 64 * 1024;

/// The subject of findings about the package as a whole.
const PACKAGE: &str = "package";

/// Checks a package by itself: every file against the lists, every original against manifest and ledger, every entry
/// against the signed tree, the signature against the key. `trust` is what the caller knows of the archive's public key from
/// elsewhere; where it knows none, the package's own is used and the outcome is at most that the package agrees with itself.
/// Whatever lies in the folder, this ends with a report.
///
/// # Errors
/// Where there is no folder to read, or the person cancelled.
pub fn verify_package(
    folder: &Path,
    trust: impl Into<Trust>,
    cancel: &Cancel,
    progress: &dyn ProgressSink,
) -> Result<VerificationReport, PackageError> {
    let root = folder.canonicalize().map_err(PackageError::io(folder))?;
    if !root.is_dir() {
        return Err(PackageError::NotAFolder(folder.to_owned()));
    }
    let mut package = Package::open(root)?;
    let description = package.describe();
    package.measure(description.as_ref(), cancel, progress)?;
    let mut out = Collector::default();
    if let Some(description) = &description {
        let entries = package.check_ledger(description, trust.into(), &mut out);
        package.check_exhibits(description, &entries, &mut out);
        package.check_custody_report(description, &entries);
    }
    let oxum = description.and_then(|d| package.check_info(&d));
    package.check_listings();
    package.check_oxum(oxum.as_deref(), &out);
    let mut whole = Collector::default();
    whole.checked(Link::Package, PACKAGE, package.findings);
    whole.extend(out.finish());
    Ok(whole.finish())
}

/// An ordinary file, as far as it was looked at.
#[derive(Debug, Clone, Copy)]
struct SeenFile {
    size_bytes: u64,
    /// None where it was not read, or could not be.
    digest: Option<Sha256Digest>,
}

/// What was found in the folder, and what there is to say of it so far.
struct Package {
    root: PathBuf,
    /// Ordinary files but what an operating system left behind.
    files: BTreeMap<String, SeenFile>,
    /// What the listings say.
    listing: Listing,
    /// Files whose difference was already told by a finding of a link that people understand better.
    explained: BTreeSet<String>,
    findings: Findings,
}

impl Package {
    /// Looks at every name, and reads the lists. Nothing else is opened.
    fn open(root: PathBuf) -> Result<Self, PackageError> {
        let mut findings = Findings::default();
        let tree = bag::walk(&root, &mut findings).map_err(PackageError::io(&root))?;
        let files =
            tree.files.into_iter().map(|(name, size_bytes)| (name, SeenFile { size_bytes, digest: None })).collect();
        let mut package = Self { root, files, listing: Listing::new(), explained: BTreeSet::new(), findings };
        package.check_declaration();
        for (name, in_data) in [(path::MANIFEST, true), (path::TAG_MANIFEST, false)] {
            let Some(bytes) = package.read(name, LIST_MAX_BYTES) else { continue };
            let listing = bag::read_listing(name, &bytes, in_data, &mut package.findings);
            package.listing.extend(listing);
        }
        package.check_names(&tree.empty_folders);
        Ok(package)
    }

    /// Names are judged before anything of that name is opened. What another system left behind is passed over.
    fn check_names(&mut self, empty_folders: &[String]) {
        let listing = &self.listing;
        let litter: Vec<String> =
            self.files.keys().filter(|n| names::is_litter(n) && !listing.contains_key(*n)).cloned().collect();
        for name in litter {
            self.files.remove(&name);
            self.note(Code::PackageLitter, &name, "no such file", "one that an operating system makes");
        }
        names::check_names(self.files.keys().map(String::as_str), &mut self.findings);
        // Where a listed file is gone, that is what there is to say.
        let holds_none = |f: &&String| {
            !self.listing.range(format!("{f}/")..).next().is_some_and(|(n, _)| n.starts_with(&format!("{f}/")))
        };
        names::check_empty_folders(empty_folders.iter().filter(holds_none), &mut self.findings);
        let own = self.root.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if own.ends_with(".partial") {
            self.note(Code::PackageUnfinished, &own, "the name of a finished package", "a name that ends in .partial");
        }
        let other = |n: &&String| *n == "fetch.txt" || bag::is_other_listing(n);
        for name in self.files.keys().filter(other).cloned().collect::<Vec<_>>() {
            let code = if name == "fetch.txt" { Code::PackageFetch } else { Code::PackageListingOther };
            self.note(code, &name, "no such file", "a file");
            self.explained.insert(name);
        }
    }

    /// Hashes every listed file that is no longer than it may be. How long is stated in `package.json` and the manifests; a
    /// longer one is not what was archived, however long it takes to read it. Files that are not listed are not opened.
    fn measure(
        &mut self,
        description: Option<&PackageDescription>,
        cancel: &Cancel,
        progress: &dyn ProgressSink,
    ) -> Result<(), PackageError> {
        let stated = description.map(|d| self.stated_sizes(d)).unwrap_or_default();
        // These two are hashed while they are checked.
        let later = |name: &str| description.is_some() && (name == path::ENTRIES || name == path::PROOFS);
        let mut names: Vec<(u64, String)> = Vec::new();
        for name in self.listing.keys() {
            let Some(seen) = self.files.get(name).filter(|f| f.digest.is_none() && !later(name)) else { continue };
            let limit = stated.get(name).copied();
            if seen.size_bytes <= limit.unwrap_or(OTHER_MAX_BYTES) {
                names.push((seen.size_bytes, name.clone()));
            } else {
                self.explained.insert(name.clone());
                if limit.is_none() {
                    let expected = format!("at most {OTHER_MAX_BYTES} bytes");
                    let found = format!("{} bytes", seen.size_bytes);
                    self.findings.push(Finding::new(Code::PackageTooLarge, name, expected, found));
                }
            }
        }
        // The longest first, so that no core is left with one at the end.
        names.sort_by(|(a, _), (b, _)| b.cmp(a));
        let total_bytes = names.iter().map(|(size, _)| size).fold(0_u64, |sum, size| sum.saturating_add(*size));
        let paths: Vec<(PathBuf, u64)> = names.iter().map(|(size, name)| (self.root.join(name), *size)).collect();
        let measured = measure_all(&paths, total_bytes, cancel, progress)?;
        for ((_, name), answer) in names.into_iter().zip(measured) {
            match answer {
                Ok(fixity) => {
                    let seen = SeenFile { size_bytes: fixity.size_bytes, digest: Some(fixity.digest) };
                    self.files.insert(name, seen);
                }
                Err(error) => self.note(Code::PackageUnreadable, &name, "a file that can be read", error),
            }
        }
        Ok(())
    }

    /// How long originals and the source's metadata are said to be.
    fn stated_sizes(&mut self, description: &PackageDescription) -> BTreeMap<String, u64> {
        #[derive(serde::Deserialize)]
        struct Described {
            payload: PayloadRef,
        }
        let mut sizes = BTreeMap::new();
        let longest = description.exhibits.iter().map(|e| e.fixity.size_bytes).max().unwrap_or_default();
        for exhibit in &description.exhibits {
            // Of two exhibits with one file, the second is not looked at.
            if sizes.contains_key(&exhibit.original) || sizes.contains_key(&exhibit.payload) {
                continue;
            }
            // Two originals may have been exchanged, which shows only where both were read.
            sizes.insert(exhibit.original.clone(), longest);
            let manifest = if self.files.contains_key(&exhibit.manifest) { self.manifest(exhibit) } else { None };
            let payload = manifest.and_then(|m| serde_json::from_slice::<Described>(&m).ok());
            if let Some(described) = payload {
                sizes.insert(exhibit.payload.clone(), described.payload.fixity.size_bytes);
            }
        }
        sizes
    }

    fn note(&mut self, code: Code, subject: &str, expected: impl std::fmt::Display, found: impl std::fmt::Display) {
        self.findings.push(Finding::new(code, subject, expected, found));
    }

    fn check_declaration(&mut self) {
        let bytes = if self.files.contains_key(path::BAGIT) { self.read(path::BAGIT, 4096) } else { None };
        let text = bytes.as_deref().map(|b| String::from_utf8_lossy(b).replace("\r\n", "\n"));
        if text.as_deref() != Some(bag::DECLARATION) {
            let found = text.unwrap_or_else(|| "none".into());
            self.note(Code::PackageNotABag, path::BAGIT, "BagIt-Version: 1.0 and UTF-8", found.trim_end());
        }
    }

    /// A small file whole, if it is there, is not too large, and is the same each time that it is read.
    fn read(&mut self, name: &str, max_bytes: u64) -> Option<Vec<u8>> {
        let Some(seen) = self.files.get(name).copied() else {
            self.note(Code::PackageFileMissing, name, "a file", "none");
            self.explained.insert(name.to_owned());
            return None;
        };
        if seen.size_bytes > max_bytes {
            let (expected, found) = (format!("at most {max_bytes} bytes"), format!("{} bytes", seen.size_bytes));
            if self.explained.insert(name.to_owned()) {
                self.note(Code::PackageTooLarge, name, expected, found);
            }
            return None;
        }
        let mut bytes = Vec::with_capacity(usize::try_from(seen.size_bytes).ok()? + 1);
        let read = File::open(self.root.join(name)).and_then(|f| f.take(seen.size_bytes + 1).read_to_end(&mut bytes));
        if let Err(error) = read {
            self.note(Code::PackageUnreadable, name, "a file that can be read", error);
            return None;
        }
        if self.saw(name, Sha256Digest::of(&bytes), bytes.len() as u64) { Some(bytes) } else { None }
    }

    /// Notes what was read of a file, and whether it is what was there before.
    fn saw(&mut self, name: &str, digest: Sha256Digest, length: u64) -> bool {
        let Some(seen) = self.files.get_mut(name) else { return false };
        let same = seen.size_bytes == length && seen.digest.is_none_or(|d| d == digest);
        seen.digest = Some(digest);
        if !same {
            self.note(Code::PackageFileAltered, name, "the same content twice", "another, while it was being checked");
        }
        same
    }

    /// The bytes of an exhibit's manifest, where they are not more than a manifest has.
    fn manifest(&mut self, exhibit: &Exhibit) -> Option<Vec<u8>> {
        let bytes = self.read(&exhibit.manifest, MANIFEST_MAX_BYTES)?;
        if json::is_within(&bytes, MANIFEST_VALUES_MAX) {
            return Some(bytes);
        }
        let expected = format!("at most {MANIFEST_VALUES_MAX} values");
        self.note(Code::PackageTooLarge, &exhibit.manifest, expected, "more");
        None
    }

    fn describe(&mut self) -> Option<PackageDescription> {
        #[derive(serde::Deserialize)]
        struct Format {
            format: String,
        }
        let bytes = self.read(path::PACKAGE, DESCRIPTION_MAX_BYTES)?;
        if !json::is_within(&bytes, json::VALUES_MAX) {
            self.note(Code::PackageTooLarge, path::PACKAGE, format!("at most {} values", json::VALUES_MAX), "more");
            return None;
        }
        let format = serde_json::from_slice::<Format>(&bytes).ok().map(|f| f.format);
        if let Some(format) = format.filter(|f| f != PACKAGE_FORMAT) {
            self.note(Code::PackageFormatUnknown, path::PACKAGE, PACKAGE_FORMAT, format);
            return None;
        }
        match serde_json::from_slice(&bytes) {
            Ok(description) => Some(description),
            Err(error) => {
                self.note(Code::PackageMalformed, path::PACKAGE, "a description of the package", error);
                None
            }
        }
    }

    fn check_ledger(&mut self, description: &PackageDescription, trust: Trust, out: &mut Collector) -> ReadEntries {
        let mut findings = Findings::default();
        let own = self.read(path::PUBLIC_KEY, 4096).and_then(|pem| public_key(&pem));
        if own.is_none() && self.files.contains_key(path::PUBLIC_KEY) {
            self.note(Code::PackageMalformed, path::PUBLIC_KEY, "an Ed25519 public key as PEM", "something else");
        }
        let checkpoint = self.read(path::CHECKPOINT, 64 * 1024).and_then(|b| String::from_utf8(b).ok());
        let origin = checkpoint.as_deref().and_then(|c| c.lines().next());
        findings.extend(own.and_then(|own| trust.judge(&own, origin)));
        let mut ledger = Collector::default();
        std::mem::take(&mut findings).into_iter().for_each(|f| ledger.remark(f));
        // With the wrong key pinned the package is still compared with itself, so that the finding stands alone.
        let public_key = own.or(trust.bytes()).unwrap_or([0; 32]);
        let signed = check_checkpoint(checkpoint.as_deref(), &public_key, &mut ledger);
        let mut check = EntryCheck::new(signed.as_ref());
        let read = self.read_entries(&mut check, &mut findings);
        check.finish(&mut ledger);
        for link in [Link::Mac, Link::Rollback, Link::Timestamp] {
            ledger.not_checked(link, LEDGER);
        }
        findings.into_iter().for_each(|f| ledger.remark(f));
        let report = ledger.finish();
        if report.failures().next().is_some() {
            let files = [path::ENTRIES, path::PROOFS, path::CHECKPOINT, path::PUBLIC_KEY];
            self.explained.extend(files.map(str::to_owned));
        }
        out.extend(report);
        self.check_ledger_description(description, checkpoint.as_deref(), &public_key);
        read
    }

    /// Reads entries and proofs side by side, hashing both on the way.
    fn read_entries(&mut self, check: &mut EntryCheck<'_>, findings: &mut Findings) -> ReadEntries {
        let (mut entries, mut proofs) = (self.stream(path::ENTRIES), self.stream(path::PROOFS));
        let read = proofs::read(&mut entries, &mut proofs, check, findings);
        for (name, stream) in [(path::ENTRIES, entries), (path::PROOFS, proofs)] {
            match stream.into_inner().finish() {
                Ok(Some((digest, length))) => drop(self.saw(name, digest, length)),
                Ok(None) => {}
                Err(error) => self.note(Code::PackageUnreadable, name, "a file that can be read", error),
            }
        }
        // That a file can't be read was noted with its digest.
        read.unwrap_or_default()
    }

    /// A file to be read in order; nothing where it is missing, which is noted.
    fn stream(&mut self, name: &str) -> BufReader<Hashed> {
        let hashed = match self.files.get(name).copied() {
            None => {
                self.note(Code::PackageFileMissing, name, "a file", "none");
                self.explained.insert(name.to_owned());
                Hashed::nothing()
            }
            Some(seen) => Hashed::open(&self.root.join(name), seen.size_bytes).unwrap_or_else(|error| {
                self.note(Code::PackageUnreadable, name, "a file that can be read", error);
                Hashed::nothing()
            }),
        };
        BufReader::with_capacity(PIECE_BYTES, hashed)
    }

    fn check_ledger_description(
        &mut self,
        description: &PackageDescription,
        checkpoint: Option<&str>,
        public_key: &[u8; 32],
    ) {
        let Some(Ok(checkpoint)) = checkpoint.map(holdfast_ledger::Checkpoint::parse) else { return };
        let said = &description.ledger;
        let fingerprint = key_fingerprint(public_key);
        let pairs = [
            (checkpoint.origin().to_owned(), said.id.clone()),
            (checkpoint.size().to_string(), said.size.to_string()),
            (checkpoint.root().to_hex(), said.root.to_hex()),
            (fingerprint, said.key_fingerprint.clone()),
        ];
        for (expected, found) in pairs.into_iter().filter(|(e, f)| e != f) {
            self.note(Code::PackageDescriptionDiffers, "package.json: ledger", expected, found);
        }
    }

    fn check_exhibits(&mut self, description: &PackageDescription, entries: &ReadEntries, out: &mut Collector) {
        let digests: BTreeMap<Sha256Digest, &str> =
            description.exhibits.iter().map(|e| (e.fixity.digest, e.exhibit.as_str())).collect();
        let (mut numbers, mut recordings, mut paths) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        for exhibit in &description.exhibits {
            if !numbers.insert(exhibit.exhibit.as_str()) {
                self.note(Code::PackageDescriptionDiffers, "package.json", "each exhibit once", &exhibit.exhibit);
            }
            let own_paths = [&exhibit.original, &exhibit.manifest, &exhibit.payload];
            let again = own_paths.iter().find(|at| paths.contains(at.as_str()));
            if let Some(at) = again.map(|at| at.as_str()).or_else(|| {
                let id = exhibit.archive_id.as_str();
                (!recordings.insert(id)).then_some(id)
            }) {
                let subject = format!("package.json: {}", exhibit.exhibit);
                self.note(Code::PackageExhibitTwice, &subject, "files and a recording of its own", at);
                continue;
            }
            paths.extend(own_paths.map(String::as_str));
            self.check_exhibit(exhibit, &digests, &entries.of(&exhibit.archive_id), out);
        }
        let listed: BTreeSet<&str> = description.exhibits.iter().map(|e| e.original.as_str()).collect();
        let originals = format!("{}/", path::ORIGINALS);
        let extra = |p: &&String| p.starts_with(&originals) && !listed.contains(p.as_str());
        for name in self.files.keys().filter(extra).cloned().collect::<Vec<_>>() {
            self.note(Code::PackageExhibitUnlisted, &name, "an exhibit of package.json", "none");
            self.explained.insert(name);
        }
    }

    fn check_exhibit(
        &mut self,
        exhibit: &Exhibit,
        digests: &BTreeMap<Sha256Digest, &str>,
        own: &[ReadEntry],
        out: &mut Collector,
    ) {
        let subject = format!("{} ({})", exhibit.exhibit, exhibit.archive_id);
        for (at, folder) in [
            (&exhibit.original, path::ORIGINALS),
            (&exhibit.manifest, path::MANIFESTS),
            (&exhibit.payload, path::PAYLOADS),
        ] {
            if !bag::is_safe(at) || !at.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/')) {
                return self.note(
                    Code::PackagePathUnsafe,
                    &format!("package.json: {subject}"),
                    format!("{folder}/..."),
                    at,
                );
            }
        }
        let manifest = if self.files.contains_key(&exhibit.manifest) { self.manifest(exhibit) } else { None };
        if let Some(m) = manifest.as_deref().and_then(|m| serde_json::from_slice::<Manifest>(m).ok())
            && m.object.fixity != exhibit.fixity
        {
            let at = format!("package.json: {subject}");
            self.note(Code::PackageDescriptionDiffers, &at, m.object.fixity.digest, exhibit.fixity.digest);
        }
        let bytes = self.observed(&exhibit.original, digests, &exhibit.exhibit);
        let payload = self.observed(&exhibit.payload, digests, &exhibit.exhibit);
        let recording = Recording {
            subject: &subject,
            archive_id: &exhibit.archive_id,
            bytes: &bytes,
            object: None,
            manifest: manifest.as_deref(),
            payload: Some(&payload),
            index: &ObservedIndex::NotConsulted,
            holds: &[],
        };
        let mut part = Collector::default();
        check_recording(&recording, &own.iter().collect::<Vec<_>>(), &mut part);
        let report = part.finish();
        for check in report.checks.iter().filter(|c| c.result == CheckResult::Failed) {
            match check.link {
                Link::Bytes | Link::Size => self.explained.insert(exhibit.original.clone()),
                Link::Manifest => self.explained.insert(exhibit.manifest.clone()),
                Link::Payload => self.explained.insert(exhibit.payload.clone()),
                _ => false,
            };
        }
        // A manifest that is not the archived one has its own finding.
        let failed = report.checks.iter().any(|c| c.link == Link::Manifest && c.result == CheckResult::Failed);
        if let Some(digest) = manifest.as_deref().map(Sha256Digest::of)
            && digest != exhibit.manifest_sha256
            && !failed
        {
            let at = format!("package.json: {subject}: manifest_sha256");
            self.note(Code::PackageDescriptionDiffers, &at, digest, exhibit.manifest_sha256);
        }
        out.extend(report);
    }

    fn observed(&self, at: &str, digests: &BTreeMap<Sha256Digest, &str>, own: &str) -> ObservedBytes {
        match self.files.get(at) {
            Some(SeenFile { size_bytes, digest: Some(digest) }) => ObservedBytes::Read {
                fixity: Fixity::sha256(*digest, *size_bytes),
                belongs_to: digests.get(digest).filter(|e| **e != own).map(|e| format!("exhibit {e}")),
            },
            // Longer than stated, and so not read.
            Some(SeenFile { size_bytes, digest: None }) if self.explained.contains(at) => {
                ObservedBytes::TooLong { size_bytes: *size_bytes }
            }
            _ => ObservedBytes::Missing,
        }
    }

    /// The custody report restates entries; each step must be what its entry reads like, and each exhibit's digest its own.
    fn check_custody_report(&mut self, description: &PackageDescription, entries: &ReadEntries) {
        if !self.files.contains_key(path::CUSTODY_JSON) {
            return;
        }
        let Some(bytes) = self.read(path::CUSTODY_JSON, REPORT_MAX_BYTES) else { return };
        if serde_json::from_slice::<serde::de::IgnoredAny>(&bytes).is_err() {
            return self.note(Code::PackageMalformed, path::CUSTODY_JSON, "JSON", "something else");
        }
        let mut stated: BTreeMap<String, String> = BTreeMap::new();
        for (name, value) in json::members(&bytes) {
            match name {
                b"timeline" => self.check_steps(value, entries),
                b"exhibits" => {
                    for exhibit in json::elements(value) {
                        let (mut number, mut sha256) = (None, None);
                        for (name, value) in json::members(exhibit) {
                            match name {
                                b"timeline" => self.check_steps(value, entries),
                                b"exhibit" => number = serde_json::from_slice::<String>(value).ok(),
                                b"sha256" => sha256 = serde_json::from_slice::<String>(value).ok(),
                                _ => {}
                            }
                        }
                        if let (Some(number), Some(sha256)) = (number, sha256) {
                            stated.entry(number).or_insert(sha256);
                        }
                    }
                }
                _ => {}
            }
        }
        for e in &description.exhibits {
            let found = stated.get(&e.exhibit).map_or("nothing", String::as_str);
            if found != e.fixity.digest.to_hex() {
                let subject = format!("{}: {}", path::CUSTODY_JSON, e.exhibit);
                self.note(Code::ReportDiffers, &subject, e.fixity.digest, found);
            }
        }
    }

    /// Each step is what its entry reads like.
    fn check_steps(&mut self, steps: &[u8], entries: &ReadEntries) {
        for text in json::elements(steps) {
            let step =
                if text.len() <= STEP_MAX_BYTES { serde_json::from_slice::<CustodyStep>(text).ok() } else { None };
            let Some(step) = step else {
                let found = String::from_utf8_lossy(&text[..text.len().min(300)]).into_owned();
                self.note(Code::ReportDiffers, path::CUSTODY_JSON, "a step made from a ledger entry", found);
                continue;
            };
            let own = entries.numbered(step.sequence).map(|e| CustodyStep::from(&e.entry));
            if own.as_ref() != Some(&step) {
                let subject = format!("{}: step {}", path::CUSTODY_JSON, step.sequence);
                let expected = own.map_or_else(|| "no such entry".into(), |s| s.what);
                self.note(Code::ReportDiffers, &subject, expected, step.what);
            }
        }
    }

    /// `bag-info.txt` against the description. Returns the size of the payload that it states.
    fn check_info(&mut self, description: &PackageDescription) -> Option<String> {
        let bytes = self.read(path::BAG_INFO, 64 * 1024)?;
        bag::check_info(&bytes, description, &mut self.findings)
    }

    /// The stated size of the payload, where nothing else explains that it is another.
    fn check_oxum(&mut self, stated: Option<&str>, rest: &Collector) {
        let Some(stated) = stated.filter(|_| !self.findings.failed() && !rest.failed()) else { return };
        let sizes = self.files.iter().filter(|(name, _)| name.starts_with("data/")).map(|(_, f)| f.size_bytes);
        let (bytes, count) = sizes.fold((0_u64, 0_u64), |(sum, n), size| (sum.saturating_add(size), n + 1));
        let found = format!("{bytes}.{count}");
        if stated != found {
            let subject = format!("{}: {}", path::BAG_INFO, bag::OXUM);
            self.note(Code::PackageBagInfoDiffers, &subject, found, stated);
        }
    }

    /// Every file against its line and every line against its file, apart from what was told better already.
    fn check_listings(&mut self) {
        let mut findings = Findings::default();
        for (name, digest) in self.listing.iter().filter(|(name, _)| !self.explained.contains(*name)) {
            match self.files.get(name) {
                None => findings.push(Finding::new(Code::PackageFileMissing, name, digest, "none")),
                Some(SeenFile { digest: Some(found), .. }) if found != digest => {
                    findings.push(Finding::new(Code::PackageFileAltered, name, digest, found));
                }
                _ => {}
            }
        }
        let unlisted = |n: &&String| *n != path::TAG_MANIFEST && !self.listing.contains_key(*n);
        for name in self.files.keys().filter(unlisted).filter(|n| !self.explained.contains(*n)) {
            findings.push(Finding::new(Code::PackageFileExtra, name, "a line in the lists", "none"));
        }
        self.findings.extend(findings);
    }
}

/// The 32 bytes of an Ed25519 public key in PEM (RFC 8410).
pub(crate) fn public_key(pem: &[u8]) -> Option<[u8; 32]> {
    const SPKI_HEAD: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
    let pem = std::str::from_utf8(pem).ok()?;
    let body = pem.split_once("-----BEGIN PUBLIC KEY-----")?.1.split_once("-----END PUBLIC KEY-----")?.0;
    let body: String = body.split_whitespace().collect();
    BASE64_STANDARD.decode(body).ok()?.strip_prefix(SPKI_HEAD.as_slice())?.try_into().ok()
}
