use crate::{
    CheckResult, CustodyStep, EntryEvidence, Finding, FindingCode as Code, LedgerEvidence, Link, ObservedBytes,
    ObservedIndex, Trust, VerificationReport, key_fingerprint,
    ledger::{ReadEntry, check_ledger},
    package::{
        Exhibit, PACKAGE_FORMAT, PackageDescription, PackageError,
        bag::{self, Listing},
        hash::measure_all,
        path, proofs,
    },
    recording::{Recording, check_recording},
    report::Collector,
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use holdfast_model::{ArchiveId, Cancel, Fixity, Manifest, ProgressSink, Sha256Digest};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

/// Largest descriptive file that is read into memory; originals and payloads never are.
const TEXT_MAX_BYTES: u64 = 256 * 1024 * 1024;
/// Largest manifest.
const MANIFEST_MAX_BYTES: u64 = 16 * 1024 * 1024;

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
    let mut package = Package::open(root, cancel, progress)?;
    let mut out = Collector::default();
    if let Some(description) = package.describe() {
        let entries = package.check_ledger(&description, trust.into(), &mut out);
        package.check_exhibits(&description, &entries, &mut out);
        package.check_custody_report(&description, &entries);
    }
    package.check_listings();
    let mut whole = Collector::default();
    whole.checked(Link::Package, PACKAGE, package.findings);
    whole.extend(out.finish());
    Ok(whole.finish())
}

/// What was found in the folder, and what there is to say of it so far.
struct Package {
    root: PathBuf,
    /// Ordinary files as they were measured; none where a file could not be read.
    files: BTreeMap<String, Option<Fixity>>,
    /// What the listings say.
    listing: Listing,
    /// Files whose difference was already told by a finding of a link that people understand better.
    explained: BTreeSet<String>,
    findings: Vec<Finding>,
}

impl Package {
    /// Looks at every file, opening ordinary ones only.
    fn open(root: PathBuf, cancel: &Cancel, progress: &dyn ProgressSink) -> Result<Self, PackageError> {
        let mut findings = Vec::new();
        let sizes = bag::walk(&root, &mut findings).map_err(PackageError::io(&root))?;
        let total_bytes = sizes.values().sum();
        // The longest first, so that no core is left with one at the end.
        let mut names: Vec<(u64, String)> = sizes.into_iter().map(|(name, size)| (size, name)).collect();
        names.sort_by(|(a, _), (b, _)| b.cmp(a));
        let paths: Vec<PathBuf> = names.iter().map(|(_, name)| root.join(name)).collect();
        let measured = measure_all(&paths, total_bytes, cancel, progress)?;
        let mut files = BTreeMap::new();
        for ((_, name), answer) in names.into_iter().zip(measured) {
            if let Err(error) = &answer {
                findings.push(Finding::new(Code::PackageUnreadable, &name, "a file that can be read", error));
            }
            files.insert(name, answer.ok());
        }
        let mut package = Self { root, files, listing: Listing::new(), explained: BTreeSet::new(), findings };
        package.check_declaration();
        for (name, in_data) in [(path::MANIFEST, true), (path::TAG_MANIFEST, false)] {
            let Some(bytes) = package.read(name, TEXT_MAX_BYTES) else { continue };
            let listing = bag::read_listing(name, &bytes, in_data, &mut package.findings);
            package.listing.extend(listing);
        }
        Ok(package)
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

    /// A small file whole, if it is there, is not too large, and is what was measured.
    fn read(&mut self, name: &str, max_bytes: u64) -> Option<Vec<u8>> {
        let Some(measured) = self.files.get(name).cloned() else {
            self.note(Code::PackageFileMissing, name, "a file", "none");
            self.explained.insert(name.to_owned());
            return None;
        };
        let measured = measured?;
        if measured.size_bytes > max_bytes {
            let (expected, found) = (format!("at most {max_bytes} bytes"), format!("{} bytes", measured.size_bytes));
            self.note(Code::PackageTooLarge, name, expected, found);
            return None;
        }
        let mut bytes = Vec::new();
        let read = File::open(self.root.join(name)).and_then(|f| f.take(max_bytes).read_to_end(&mut bytes));
        if let Err(error) = read {
            self.note(Code::PackageUnreadable, name, "a file that can be read", error);
            return None;
        }
        if Sha256Digest::of(&bytes) != measured.digest {
            self.note(Code::PackageFileAltered, name, "the same content twice", "another, while it was being checked");
            return None;
        }
        Some(bytes)
    }

    fn describe(&mut self) -> Option<PackageDescription> {
        let bytes = self.read(path::PACKAGE, TEXT_MAX_BYTES)?;
        let format = serde_json::from_slice::<serde_json::Value>(&bytes)
            .ok()
            .and_then(|v| v.get("format").and_then(|f| f.as_str().map(str::to_owned)));
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

    fn check_ledger(&mut self, description: &PackageDescription, trust: Trust, out: &mut Collector) -> Vec<ReadEntry> {
        let mut findings = Vec::new();
        let own = self.read(path::PUBLIC_KEY, 4096).and_then(|pem| public_key(&pem));
        if own.is_none() && self.files.contains_key(path::PUBLIC_KEY) {
            self.note(Code::PackageMalformed, path::PUBLIC_KEY, "an Ed25519 public key as PEM", "something else");
        }
        let checkpoint = self.read(path::CHECKPOINT, 64 * 1024).and_then(|b| String::from_utf8(b).ok());
        let origin = checkpoint.as_deref().and_then(|c| c.lines().next());
        findings.extend(own.and_then(|own| trust.judge(&own, origin)));
        let entries = self.read(path::ENTRIES, TEXT_MAX_BYTES).unwrap_or_default();
        let proofs = self.read(path::PROOFS, TEXT_MAX_BYTES).unwrap_or_default();
        let proofs = proofs::read_proofs(&proofs, &mut findings);
        let joined: Vec<EntryEvidence> = proofs::join(&entries, proofs, &mut findings);
        let mut ledger = Collector::default();
        findings.into_iter().for_each(|f| ledger.remark(f));
        let evidence = LedgerEvidence {
            entries: joined,
            checkpoint,
            // With the wrong key pinned the package is still compared with itself, so that the finding stands alone.
            public_key: own.or(trust.bytes()).unwrap_or([0; 32]),
            mac_failures: None,
            remembered: None,
            timestamp_expected: false,
        };
        let read = check_ledger(&evidence, &mut ledger);
        let report = ledger.finish();
        if report.failures().next().is_some() {
            let files = [path::ENTRIES, path::PROOFS, path::CHECKPOINT, path::PUBLIC_KEY];
            self.explained.extend(files.map(str::to_owned));
        }
        out.extend(report);
        self.check_ledger_description(description, &evidence);
        read
    }

    fn check_ledger_description(&mut self, description: &PackageDescription, evidence: &LedgerEvidence) {
        let Some(Ok(checkpoint)) = evidence.checkpoint.as_deref().map(holdfast_ledger::Checkpoint::parse) else {
            return;
        };
        let said = &description.ledger;
        let fingerprint = key_fingerprint(&evidence.public_key);
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

    fn check_exhibits(&mut self, description: &PackageDescription, entries: &[ReadEntry], out: &mut Collector) {
        let digests: BTreeMap<Sha256Digest, &str> =
            description.exhibits.iter().map(|e| (e.fixity.digest, e.exhibit.as_str())).collect();
        let mut own: BTreeMap<&ArchiveId, Vec<&ReadEntry>> = BTreeMap::new();
        for e in entries {
            if let Some(id) = e.entry.event.archive_id() {
                own.entry(id).or_default().push(e);
            }
        }
        let mut numbers = BTreeSet::new();
        for exhibit in &description.exhibits {
            if !numbers.insert(exhibit.exhibit.as_str()) {
                self.note(Code::PackageDescriptionDiffers, "package.json", "each exhibit once", &exhibit.exhibit);
            }
            let own = own.get(&exhibit.archive_id).map(Vec::as_slice).unwrap_or_default();
            self.check_exhibit(exhibit, &digests, own, out);
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
        own: &[&ReadEntry],
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
        let manifest = if self.files.contains_key(&exhibit.manifest) {
            self.read(&exhibit.manifest, MANIFEST_MAX_BYTES)
        } else {
            None
        };
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
        check_recording(&recording, own, &mut part);
        let report = part.finish();
        for check in report.checks.iter().filter(|c| c.result == CheckResult::Failed) {
            match check.link {
                Link::Bytes | Link::Size => self.explained.insert(exhibit.original.clone()),
                Link::Manifest => self.explained.insert(exhibit.manifest.clone()),
                Link::Payload => self.explained.insert(exhibit.payload.clone()),
                _ => false,
            };
        }
        out.extend(report);
    }

    fn observed(&self, at: &str, digests: &BTreeMap<Sha256Digest, &str>, own: &str) -> ObservedBytes {
        match self.files.get(at) {
            Some(Some(fixity)) => ObservedBytes::Read {
                fixity: fixity.clone(),
                belongs_to: digests.get(&fixity.digest).filter(|e| **e != own).map(|e| format!("exhibit {e}")),
            },
            _ => ObservedBytes::Missing,
        }
    }

    /// The custody report restates entries; each step must be what its entry reads like, and each exhibit's digest its own.
    fn check_custody_report(&mut self, description: &PackageDescription, entries: &[ReadEntry]) {
        if !self.files.contains_key(path::CUSTODY_JSON) {
            return;
        }
        let Some(bytes) = self.read(path::CUSTODY_JSON, TEXT_MAX_BYTES) else { return };
        let Ok(report) = serde_json::from_slice::<serde_json::Value>(&bytes) else {
            return self.note(Code::PackageMalformed, path::CUSTODY_JSON, "JSON", "something else");
        };
        let steps: BTreeMap<u64, CustodyStep> =
            entries.iter().map(|e| (e.entry.event.sequence, CustodyStep::from(&e.entry))).collect();
        for step in custody_steps(&report) {
            let Ok(step) = serde_json::from_value::<CustodyStep>(step.clone()) else {
                self.note(Code::ReportDiffers, path::CUSTODY_JSON, "a step made from a ledger entry", step);
                continue;
            };
            if steps.get(&step.sequence) != Some(&step) {
                let subject = format!("{}: step {}", path::CUSTODY_JSON, step.sequence);
                let expected = steps.get(&step.sequence).map_or("no such entry", |s| s.what.as_str()).to_owned();
                self.note(Code::ReportDiffers, &subject, expected, step.what);
            }
        }
        let stated = |e: &Exhibit| {
            let own = report
                .get("exhibits")?
                .as_array()?
                .iter()
                .find(|x| x.get("exhibit") == Some(&e.exhibit.as_str().into()))?;
            own.get("sha256")?.as_str().map(str::to_owned)
        };
        for e in &description.exhibits {
            let found = stated(e).unwrap_or_else(|| "nothing".into());
            if found != e.fixity.digest.to_hex() {
                let subject = format!("{}: {}", path::CUSTODY_JSON, e.exhibit);
                self.note(Code::ReportDiffers, &subject, e.fixity.digest, found);
            }
        }
    }

    /// Every file against its line and every line against its file, apart from what was told better already.
    fn check_listings(&mut self) {
        let mut findings = Vec::new();
        for (name, digest) in self.listing.iter().filter(|(name, _)| !self.explained.contains(*name)) {
            match self.files.get(name) {
                None => findings.push(Finding::new(Code::PackageFileMissing, name, digest, "none")),
                Some(Some(f)) if f.digest != *digest => {
                    findings.push(Finding::new(Code::PackageFileAltered, name, digest, f.digest));
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

/// The steps of every exhibit and of the matter in a custody report.
fn custody_steps(report: &serde_json::Value) -> Vec<&serde_json::Value> {
    let exhibits = report.get("exhibits").and_then(|e| e.as_array()).into_iter().flatten();
    let parts = std::iter::once(report).chain(exhibits);
    parts.filter_map(|part| part.get("timeline")?.as_array()).flatten().collect()
}

/// The 32 bytes of an Ed25519 public key in PEM (RFC 8410).
pub(crate) fn public_key(pem: &[u8]) -> Option<[u8; 32]> {
    const SPKI_HEAD: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
    let pem = std::str::from_utf8(pem).ok()?;
    let body = pem.split_once("-----BEGIN PUBLIC KEY-----")?.1.split_once("-----END PUBLIC KEY-----")?.0;
    let body: String = body.split_whitespace().collect();
    BASE64_STANDARD.decode(body).ok()?.strip_prefix(SPKI_HEAD.as_slice())?.try_into().ok()
}
