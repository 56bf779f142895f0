use crate::{
    LedgerEvidence, VerificationReport, key_fingerprint,
    package::{
        Exhibit, HowToCheck, LedgerDescription, MatterDescription, PACKAGE_FORMAT, PackageDescription, PackageError,
        VARIES, Withheld, bag, hash::PIECE_BYTES, path, proofs::ProofLine,
    },
};
use holdfast_ledger::{Checkpoint, VerifierKey};
use holdfast_model::{Cancel, Fixity, HOLDFAST_VERSION, Manifest, Sha256Digest};
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

/// What a package says about itself before anything is put in.
#[derive(Debug, Clone)]
pub struct PackageHeader {
    /// The matter.
    pub matter: MatterDescription,
    /// When the package is made.
    pub created_at: Timestamp,
    /// Before each exhibit's number, e.g. `HF` for `HF-0001`; 1 to 16 ASCII letters or digits.
    pub exhibit_prefix: String,
    /// Recordings of the matter that are left out.
    pub withheld: Vec<Withheld>,
}

/// One recording to put in. The readers are read once, to their end.
pub struct ExhibitSource<'a> {
    /// The manifest's bytes, as archived.
    pub manifest: &'a [u8],
    /// The original.
    pub original: &'a mut dyn Read,
    /// The vendor's metadata.
    pub payload: &'a mut dyn Read,
}

/// A package that stands under its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FinishedPackage {
    /// Its folder.
    pub path: PathBuf,
    /// SHA-256 of `tagmanifest-sha256.txt`, and so of everything in the package: what the ledger's export entry carries.
    pub digest: Sha256Digest,
    /// Files in it.
    pub files: u64,
    /// Bytes in them.
    pub size_bytes: u64,
}

/// Writes a package into `<name>.partial` and gives it its name when everything is on the disk. Dropped before that, it
/// leaves the partial folder, which the next writer of the same name clears away.
#[derive(Debug)]
pub struct PackageWriter {
    header: PackageHeader,
    name: String,
    parent: PathBuf,
    partial: PathBuf,
    files: BTreeMap<String, Fixity>,
    folders: BTreeSet<PathBuf>,
    exhibits: Vec<Exhibit>,
    ledger: Option<LedgerDescription>,
    cancel: Cancel,
}

impl PackageWriter {
    /// Begins a package named `name` in the folder `parent`, which is made where it is missing. Two writers must not write
    /// the same name at once.
    ///
    /// # Errors
    /// [`PackageError::Exists`] where the name is taken; [`PackageError::Invalid`] for a name that is no plain file name;
    /// [`PackageError::Io`].
    pub fn create(parent: &Path, name: &str, header: PackageHeader, cancel: Cancel) -> Result<Self, PackageError> {
        check_names(name, &header.exhibit_prefix)?;
        fs::create_dir_all(parent).map_err(PackageError::io(parent))?;
        let target = parent.join(name);
        if fs::symlink_metadata(&target).is_ok() {
            return Err(PackageError::Exists(target));
        }
        let partial = parent.join(format!("{name}.partial"));
        match fs::remove_dir_all(&partial) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(PackageError::io(&partial)(e)),
            _ => {}
        }
        fs::create_dir(&partial).map_err(PackageError::io(&partial))?;
        Ok(Self {
            header,
            name: name.to_owned(),
            parent: parent.to_owned(),
            folders: BTreeSet::from([partial.clone()]),
            partial,
            files: BTreeMap::new(),
            exhibits: Vec::new(),
            ledger: None,
            cancel,
        })
    }

    /// Puts a recording in and gives it the next number. Its bytes are measured on the way and compared with the manifest.
    ///
    /// # Errors
    /// [`PackageError::ExhibitDiffers`] where they are not what the manifest says: such a recording is withheld, not
    /// exported; [`PackageError::Invalid`] for a manifest that can't be read.
    pub fn add_exhibit(&mut self, source: ExhibitSource<'_>) -> Result<Exhibit, PackageError> {
        let number = format!("{}-{:04}", self.header.exhibit_prefix, self.exhibits.len() + 1);
        self.add_exhibit_as(number, source)
    }

    /// The same under a number that was given before, so that a recording has the same one in every package of its matter.
    ///
    /// # Errors
    /// As [`PackageWriter::add_exhibit`], and [`PackageError::Invalid`] for a number that is no plain name or is taken.
    pub fn add_exhibit_as(&mut self, number: String, source: ExhibitSource<'_>) -> Result<Exhibit, PackageError> {
        let plain = number.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        if !plain || !(1..=40).contains(&number.len()) || self.exhibits.iter().any(|e| e.exhibit == number) {
            return Err(PackageError::Invalid { what: number, problem: "is not a new exhibit number".into() });
        }
        let manifest: Manifest = serde_json::from_slice(source.manifest)
            .map_err(|e| PackageError::Invalid { what: format!("manifest of {number}"), problem: e.to_string() })?;
        let extension = extension(manifest.payload.key.as_str());
        let mut exhibit = Exhibit {
            original: format!("{}/{number}_{}", path::ORIGINALS, safe_name(&manifest.object.original_name)),
            fixity: manifest.object.fixity.clone(),
            manifest: format!("{}/{number}_{}.json", path::MANIFESTS, manifest.archive_id),
            manifest_sha256: Sha256Digest::of(source.manifest),
            payload: format!("{}/{number}_{}{extension}", path::PAYLOADS, manifest.archive_id),
            exhibit: number,
            archive_id: manifest.archive_id.clone(),
        };
        if let Err(error) = self.write_exhibit(&mut exhibit, &manifest, source) {
            // The caller may withhold the recording and go on: nothing of it stays.
            for at in [&exhibit.original, &exhibit.payload, &exhibit.manifest] {
                self.files.remove(at);
                let _ = fs::remove_file(self.partial.join(at));
            }
            return Err(error);
        }
        self.exhibits.push(exhibit.clone());
        Ok(exhibit)
    }

    fn write_exhibit(
        &mut self,
        exhibit: &mut Exhibit,
        manifest: &Manifest,
        source: ExhibitSource<'_>,
    ) -> Result<(), PackageError> {
        let original = self.write(&exhibit.original, source.original)?;
        same(&exhibit.exhibit, "original", &manifest.object.fixity, &original)?;
        let payload = self.write(&exhibit.payload, source.payload)?;
        same(&exhibit.exhibit, "vendor metadata", &manifest.payload.fixity, &payload)?;
        exhibit.fixity = original;
        exhibit.manifest_sha256 = self.write(&exhibit.manifest, &mut &*source.manifest)?.digest;
        Ok(())
    }

    /// Puts the ledger's part in: entries of every exhibit and of the matter in the order of their sequence, their proofs,
    /// the checkpoint and the public key.
    ///
    /// # Errors
    /// [`PackageError::Invalid`] without a checkpoint or with an entry that is no single line; [`PackageError::Io`].
    pub fn add_ledger(&mut self, evidence: &LedgerEvidence) -> Result<(), PackageError> {
        let invalid = |problem: String| PackageError::Invalid { what: "ledger".into(), problem };
        let text = evidence.checkpoint.as_deref().ok_or_else(|| invalid("there is no checkpoint".into()))?;
        let checkpoint = Checkpoint::parse(text).map_err(|e| invalid(e.to_string()))?;
        let (mut entries, mut proofs) = (Vec::new(), Vec::new());
        for e in &evidence.entries {
            if e.entry.contains(&b'\n') {
                return Err(invalid(format!("entry {} is not one line", e.index)));
            }
            entries.extend_from_slice(&e.entry);
            entries.push(b'\n');
            // The fields stand in the order of their names and hold no other numbers than whole ones: canonical JSON.
            serde_json::to_writer(&mut proofs, &ProofLine::from(e)).map_err(|e| invalid(e.to_string()))?;
            proofs.push(b'\n');
        }
        let key = VerifierKey { name: checkpoint.origin().to_owned(), public_key: evidence.public_key };
        self.add(path::ENTRIES, &entries)?;
        self.add(path::PROOFS, &proofs)?;
        self.add(path::CHECKPOINT, text.as_bytes())?;
        self.add(path::PUBLIC_KEY, key.to_pem().as_bytes())?;
        self.ledger = Some(LedgerDescription {
            id: checkpoint.origin().to_owned(),
            key_fingerprint: key_fingerprint(&evidence.public_key),
            size: checkpoint.size(),
            root: checkpoint.root(),
        });
        Ok(())
    }

    /// Puts in what Holdfast's own verification said of each exhibit.
    ///
    /// # Errors
    /// [`PackageError::Io`].
    pub fn add_verification(&mut self, reports: &BTreeMap<String, VerificationReport>) -> Result<(), PackageError> {
        self.write(path::VERIFICATION, &mut json(path::VERIFICATION, reports)?.as_slice()).map(drop)
    }

    /// Puts in another file, a report or a load file: `at` is its path from the package's folder, under `data/`.
    ///
    /// # Errors
    /// [`PackageError::Invalid`] for a path that is not below `data/` or is taken; [`PackageError::Io`].
    pub fn add(&mut self, at: &str, bytes: &[u8]) -> Result<(), PackageError> {
        if !at.starts_with("data/") {
            return Err(PackageError::Invalid { what: at.into(), problem: "is not below data/".into() });
        }
        self.write(at, &mut &*bytes).map(drop)
    }

    /// What the package says about itself.
    #[must_use]
    pub fn header(&self) -> &PackageHeader {
        &self.header
    }

    /// The exhibits that were put in so far.
    #[must_use]
    pub fn exhibits(&self) -> &[Exhibit] {
        &self.exhibits
    }

    /// The manifest of an exhibit that was put in.
    ///
    /// # Errors
    /// [`PackageError::Io`] or [`PackageError::Invalid`] where it can't be read back.
    pub fn manifest(&self, exhibit: &Exhibit) -> Result<Manifest, PackageError> {
        let at = self.partial.join(&exhibit.manifest);
        let bytes = fs::read(&at).map_err(PackageError::io(&at))?;
        serde_json::from_slice(&bytes)
            .map_err(|e| PackageError::Invalid { what: exhibit.manifest.clone(), problem: e.to_string() })
    }

    /// The ledger's description, once [`PackageWriter::add_ledger`] was called.
    #[must_use]
    pub fn ledger(&self) -> Option<&LedgerDescription> {
        self.ledger.as_ref()
    }

    /// Writes lists and descriptions, waits until everything is on the disk, and gives the package its name.
    ///
    /// # Errors
    /// [`PackageError::Invalid`] without exhibits' ledger; [`PackageError::Exists`] where the name was taken meanwhile;
    /// [`PackageError::Io`].
    pub fn finish(mut self) -> Result<FinishedPackage, PackageError> {
        let Some(ledger) = self.ledger.take() else {
            return Err(PackageError::Invalid {
                what: "package".into(),
                problem: "the ledger's part was not put in".into(),
            });
        };
        let description = PackageDescription {
            format: PACKAGE_FORMAT.into(),
            name: self.name.clone(),
            software: format!("holdfast/{HOLDFAST_VERSION}"),
            created_at: self.header.created_at,
            matter: self.header.matter.clone(),
            exhibits: std::mem::take(&mut self.exhibits),
            withheld: std::mem::take(&mut self.header.withheld),
            ledger,
            varies: VARIES.iter().map(|v| (*v).to_owned()).collect(),
        };
        let payload = self.files.clone();
        let how = HowToCheck::of(&description);
        let tags: [(&str, Vec<u8>); 6] = [
            (path::PACKAGE, json(path::PACKAGE, &description)?),
            (path::BAGIT, bag::DECLARATION.into()),
            (path::BAG_INFO, bag_info(&description, &payload).into_bytes()),
            (path::MANIFEST, listing(&payload).into_bytes()),
            (path::HOW_TO_CHECK_TXT, how.to_text().into_bytes()),
            (path::HOW_TO_CHECK_HTML, how.to_html().into_bytes()),
        ];
        for (at, bytes) in tags {
            self.write(at, &mut bytes.as_slice())?;
        }
        let tags = self.files.iter().filter(|(at, _)| !payload.contains_key(*at));
        let tags: BTreeMap<_, _> = tags.map(|(at, f)| (at.clone(), f.clone())).collect();
        let digest = self.write(path::TAG_MANIFEST, &mut listing(&tags).as_bytes())?.digest;
        self.settle()?;
        let target = self.parent.join(&self.name);
        if fs::symlink_metadata(&target).is_ok() {
            return Err(PackageError::Exists(target));
        }
        fs::rename(&self.partial, &target).map_err(PackageError::io(&target))?;
        sync_folder(&self.parent)?;
        let size_bytes = self.files.values().map(|f| f.size_bytes).sum();
        Ok(FinishedPackage { path: target, digest, files: self.files.len() as u64, size_bytes })
    }

    /// Copies in pieces, measuring, and waits for the disk.
    fn write(&mut self, at: &str, from: &mut dyn Read) -> Result<Fixity, PackageError> {
        if !bag::is_safe(at) || self.files.contains_key(at) {
            return Err(PackageError::Invalid { what: at.into(), problem: "is not a new path in the package".into() });
        }
        let file_path = self.partial.join(at);
        if let Some(folder) = file_path.parent() {
            fs::create_dir_all(folder).map_err(PackageError::io(folder))?;
            let inside = folder.ancestors().take_while(|f| f.starts_with(&self.partial));
            self.folders.extend(inside.map(Path::to_owned));
        }
        let mut file = File::create_new(&file_path).map_err(PackageError::io(&file_path))?;
        let (mut piece, mut hasher, mut size) = (vec![0; PIECE_BYTES], Sha256::new(), 0u64);
        loop {
            if self.cancel.is_cancelled() {
                return Err(PackageError::Cancelled);
            }
            let n = match from.read(&mut piece) {
                Ok(0) => break,
                Ok(n) => n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(e) => return Err(PackageError::io(&file_path)(e)),
            };
            hasher.update(&piece[..n]);
            file.write_all(&piece[..n]).map_err(PackageError::io(&file_path))?;
            size += n as u64;
        }
        file.sync_all().map_err(PackageError::io(&file_path))?;
        let fixity = Fixity::sha256(Sha256Digest(hasher.finalize().into()), size);
        self.files.insert(at.to_owned(), fixity.clone());
        Ok(fixity)
    }

    /// Waits until every folder's entries are on the disk, the deepest first.
    fn settle(&self) -> Result<(), PackageError> {
        self.folders.iter().rev().try_for_each(|f| sync_folder(f))
    }
}

fn json<T: serde::Serialize>(at: &str, value: &T) -> Result<Vec<u8>, PackageError> {
    let invalid = |e: serde_json::Error| PackageError::Invalid { what: at.into(), problem: e.to_string() };
    let mut bytes = serde_json::to_vec_pretty(value).map_err(invalid)?;
    bytes.push(b'\n');
    Ok(bytes)
}

fn sync_folder(folder: &Path) -> Result<(), PackageError> {
    // Only Unix lets a folder be opened and synced; elsewhere the rename is all there is.
    if cfg!(unix) { File::open(folder).and_then(|f| f.sync_all()).map_err(PackageError::io(folder)) } else { Ok(()) }
}

fn check_names(name: &str, prefix: &str) -> Result<(), PackageError> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    let good = (1..=100).contains(&name.len()) && name.bytes().all(plain) && !name.starts_with('.');
    if !good || name.ends_with(".partial") {
        let problem = "a package's name is 1 to 100 of the characters a-z A-Z 0-9 . _ -".into();
        return Err(PackageError::Invalid { what: name.into(), problem });
    }
    if !(1..=16).contains(&prefix.len()) || !prefix.bytes().all(|b| b.is_ascii_alphanumeric()) {
        let problem = "an exhibit prefix is 1 to 16 letters or digits".into();
        return Err(PackageError::Invalid { what: prefix.into(), problem });
    }
    Ok(())
}

fn same(number: &str, what: &str, expected: &Fixity, found: &Fixity) -> Result<(), PackageError> {
    if expected == found {
        return Ok(());
    }
    let text = |f: &Fixity| format!("{} ({} bytes)", f.digest, f.size_bytes);
    let exhibit = format!("{what} of {number}");
    Err(PackageError::ExhibitDiffers { exhibit, expected: text(expected), found: text(found) })
}

/// A file name that every system can hold: letters and digits of ASCII, `.`, `-`, `_`; at most 80 bytes, the ending kept.
fn safe_name(name: &str) -> String {
    let name = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let plain: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_') { c } else { '_' }).collect();
    let plain = plain.trim_matches('.');
    let (stem, ending) = plain.rsplit_once('.').map_or((plain, String::new()), |(s, e)| (s, format!(".{e}")));
    let ending = if ending.len() <= 10 { ending } else { String::new() };
    let stem: String = stem.chars().take(80 - ending.len()).collect();
    let stem = if stem.is_empty() { "recording" } else { &stem };
    format!("{stem}{ending}")
}

/// `.json` of `a/b.json`; nothing where there is no short, plain ending.
fn extension(key: &str) -> String {
    let name = key.rsplit('/').next().unwrap_or_default();
    match name.rsplit_once('.') {
        Some((_, e)) if (1..=9).contains(&e.len()) && e.bytes().all(|b| b.is_ascii_alphanumeric()) => format!(".{e}"),
        _ => String::new(),
    }
}

fn listing(files: &BTreeMap<String, Fixity>) -> String {
    bag::listing_text(files.iter().map(|(at, f)| (at, &f.digest)))
}

fn bag_info(description: &PackageDescription, payload: &BTreeMap<String, Fixity>) -> String {
    let bytes: u64 = payload.values().map(|f| f.size_bytes).sum();
    let lines: String = bag::info(description).iter().map(|(label, value)| format!("{label}: {value}\n")).collect();
    format!("{lines}{}: {bytes}.{}\n", bag::OXUM, payload.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_plain_and_keep_their_ending() {
        for (name, want) in [
            ("call 17 (Müller).wav", "call_17__M_ller_.wav"),
            ("../../etc/passwd", "passwd"),
            ("C:\\x\\con.mp3", "con.mp3"),
            ("", "recording"),
            ("...", "recording"),
            (".wav", "wav"),
        ] {
            assert_eq!(safe_name(name), want, "{name:?}");
        }
        let long = safe_name(&format!("{}.m4a", "x".repeat(300)));
        assert!(long.len() == 80 && long.ends_with(".m4a"));
    }
}
