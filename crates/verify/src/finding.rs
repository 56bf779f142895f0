use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use std::fmt;

/// How much a finding weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Something does not agree: the evidence must not be relied on as it is.
    Failure,
    /// Something was not looked at or not shown, or derived data (the search index) is not as it must be. What the evidence rests
    /// on and was looked at agrees.
    Remark,
}

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident, $code:literal, $severity:ident, $meaning:literal, $next:literal;)*) => {
        /// Everything that a verification can say. The codes are stable; `docs/formats/findings.md` is made from this table.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[allow(missing_docs)] // meaning() says it, in words for people
        pub enum FindingCode {
            $($(#[$doc])* $name,)*
        }

        impl FindingCode {
            /// Every code, in the order of the documentation.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The stable code, `<what>.<how>`.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $code,)* }
            }

            /// How much it weighs. A code always weighs the same.
            #[must_use]
            pub fn severity(self) -> Severity {
                match self { $(Self::$name => Severity::$severity,)* }
            }

            /// What it means for the evidence, in a sentence for people of law.
            #[must_use]
            pub fn meaning(self) -> &'static str {
                match self { $(Self::$name => $meaning,)* }
            }

            /// What to do next, in a sentence.
            #[must_use]
            pub fn next(self) -> &'static str {
                match self { $(Self::$name => $next,)* }
            }
        }
    };
}

codes! {
    BytesDigestMismatch, "bytes.digest_mismatch", Failure,
        "The recording's content is not what was archived: its SHA-256 fingerprint differs, so at least one bit was changed.",
        "Do not use this copy. Bring the recording back from the archive again; if it differs again, the archived object itself was changed.";
    BytesSwapped, "bytes.swapped", Failure,
        "The bytes found here are those of another archived recording: two files were exchanged.",
        "Do not use this copy. Look at the other recording named here too; one of the two was put in the other's place.";
    BytesUnknown, "bytes.unknown", Failure,
        "No recording in this archive has these bytes, so the archive proves nothing about this file.",
        "Put the recording's archive id into the file's name, or verify the id itself, to see what differs.";
    BytesSizeMismatch, "bytes.size_mismatch", Failure,
        "The recording is longer or shorter than what was archived; a shorter one was cut off.",
        "Do not use this copy. Bring the recording back again; a transfer may have been broken off.";
    BytesMissing, "bytes.missing", Failure,
        "The recording's bytes are not where the records say they are.",
        "Look for the object by its key and version in the store, and for who removed it.";
    BytesNotRead, "bytes.not_read", Remark,
        "The recording lies in an offline tier and was not read, so its content was not compared. Everything else was.",
        "Rehydrate the recording and verify it again to have its content compared.";
    ObjectMetadataMismatch, "object.metadata_mismatch", Failure,
        "What the store says about the object (its size, its stored fingerprint or its version) differs from the manifest.",
        "Compare the object's versions in the store; another version may have been put above the archived one.";
    ManifestMissing, "manifest.missing", Failure,
        "The manifest, which describes the recording and states its fingerprint, is not there.",
        "Look for the manifest by its key in the metadata bucket; without it the recording has no description to rely on.";
    ManifestFormatUnknown, "manifest.format_unknown", Failure,
        "The manifest was written by a newer version of Holdfast, so this version cannot check it. Nothing shows that it was changed.",
        "Verify again with the newer version of Holdfast.";
    ManifestMalformed, "manifest.malformed", Failure,
        "The manifest can't be read in its published format, or is not written in its one canonical form.",
        "Do not rely on what the manifest says. Fetch it again from the archive.";
    ManifestDigestMismatch, "manifest.digest_mismatch", Failure,
        "The manifest is not the one whose fingerprint was written into the ledger when the recording was archived: its description was changed afterwards.",
        "Do not rely on dates, names and numbers in this manifest. Fetch it again from the archive and compare the two.";
    ManifestIdentityMismatch, "manifest.identity_mismatch", Failure,
        "The manifest belongs to another recording than the one it is filed under.",
        "Look for the manifest of the recording by its archive id; two manifests may have been exchanged.";
    PayloadDigestMismatch, "payload.digest_mismatch", Failure,
        "The vendor's own metadata is not byte for byte what was archived.",
        "Do not rely on the vendor metadata in this copy. Fetch it again from the archive.";
    PayloadMissing, "payload.missing", Failure,
        "The vendor's own metadata, which was archived beside the recording, is not there.",
        "Fetch the vendor metadata again from the archive by the key in the manifest.";
    IndexRowDiffers, "index.row_differs", Remark,
        "The search index says something else than the archived manifest. The evidence itself is not affected, but what a search shows is wrong.",
        "Run `holdfast index rebuild`, and look for who wrote to the index.";
    IndexRowMissing, "index.row_missing", Remark,
        "The search index does not know the recording, so a search would not find it. The evidence itself is not affected.",
        "Run `holdfast index rebuild`.";
    LedgerEntryMissing, "ledger.entry_missing", Failure,
        "An entry that the chain of custody must have is not there: a step of the recording's history was removed.",
        "Run `holdfast ledger verify`, and compare with an earlier checkpoint or package.";
    LedgerOutcomeOpen, "ledger.outcome_open", Remark,
        "A hold or a retention date was about to be changed, and the ledger does not say how that ended.",
        "Look whether the action is still under way; if not, find out what became of it and record the outcome.";
    LedgerEntryAltered, "ledger.entry_altered", Failure,
        "An entry of the chain of custody is not the one that was written: its content was changed afterwards.",
        "Do not rely on this entry. Run `holdfast ledger verify`, and compare with the copy in the write-once store.";
    LedgerEntryMalformed, "ledger.entry_malformed", Failure,
        "An entry of the chain of custody can't be read in its published format.",
        "Run `holdfast ledger verify`, and compare with the copy in the write-once store.";
    LedgerFormatUnknown, "ledger.format_unknown", Failure,
        "An entry of the chain of custody was written by a newer version of Holdfast, so this version cannot check it. Nothing shows that it was changed.",
        "Verify again with the newer version of Holdfast.";
    LedgerMacMismatch, "ledger.mac_mismatch", Failure,
        "An entry was not written by the holder of the ledger's secret key: it was forged or changed.",
        "Do not rely on this entry. Find out who could write to the ledger's files.";
    LedgerChainBroken, "ledger.chain_broken", Failure,
        "Two entries that follow each other do not name each other: something was removed, inserted or exchanged between them.",
        "Run `holdfast ledger verify`, and compare with an earlier checkpoint or package.";
    LedgerHistoryBroken, "ledger.history_broken", Failure,
        "An entry names another entry as the one before it about the same matter or recording than the one that is there: a step of that history was removed or hidden.",
        "Run `holdfast ledger verify`, and ask for every entry of the matter and of the recording.";
    LedgerInclusionFailed, "ledger.inclusion_failed", Failure,
        "The proof that an entry stands in the signed ledger does not hold, or there is none.",
        "Ask for a new package. If its proofs fail too, the entry is not in the ledger that was signed.";
    LedgerCheckpointMalformed, "ledger.checkpoint_malformed", Failure,
        "The signed statement of the ledger's content (the checkpoint) is missing or can't be read.",
        "Ask for the checkpoint again; without it no entry can be shown to stand in the ledger.";
    LedgerCheckpointSignature, "ledger.checkpoint_signature", Failure,
        "The signature under the checkpoint is not by the key that is expected.",
        "Make sure that you have the right public key from a source you trust. If you have, the checkpoint is forged.";
    LedgerRolledBack, "ledger.rolled_back", Failure,
        "The ledger is shorter than it was known to be before: entries at its end were removed, as by putting back an old copy.",
        "Find the newest copy of the ledger, in the write-once store too, and find out who put back the old one.";
    LedgerInconsistent, "ledger.inconsistent", Failure,
        "The ledger is not a continuation of the one known before: its history was rewritten.",
        "Keep both checkpoints: two signed statements that contradict each other are proof of the rewriting.";
    RetentionMissing, "retention.missing", Failure,
        "The archived object is not protected by a retention date, though its manifest demands one.",
        "Put retention on the object again, and find out who removed it.";
    RetentionShortened, "retention.shortened", Failure,
        "The archived object may be deleted earlier than its manifest and the ledger demand.",
        "Extend the object's retention to the demanded date, and find out who shortened it.";
    RetentionWeakened, "retention.weakened", Failure,
        "The archived object is protected less firmly than demanded: a privileged user could erase it.",
        "Put the object under the demanded mode again, and find out who changed it.";
    HoldMissing, "hold.missing", Failure,
        "A matter holds the recording, but the archived object carries no legal hold.",
        "Place the hold again at once, and find out who released it.";
    TimestampAbsent, "timestamp.absent", Remark,
        "A timestamp by an independent authority is configured, but there is none for this checkpoint.",
        "Ask for a timestamp again, or explain its absence.";
    KeyNotPinned, "key.not_pinned", Remark,
        "The public key came with the package or ledger itself. What was checked agrees with itself, but it is not established that it comes from the named archive: anyone could have made it with a key of their own.",
        "Ask the archive for its key's fingerprint over another way (telephone, letterhead), then verify again with --key and that fingerprint.";
    KeyMismatch, "key.mismatch", Failure,
        "The package or ledger has another public key than the one you trust: it was not made by the archive that you expect.",
        "Make sure that what you gave with --key is the archive's fingerprint, as it tells it over another way. If it is, what was checked is forged.";
    PackageNotABag, "package.not_a_bag", Failure,
        "The folder is not an evidence package: the BagIt declaration is missing or not version 1.0.",
        "Make sure that you named the package's own folder, unpacked as it was.";
    PackageMalformed, "package.malformed", Failure,
        "A file that describes the package can't be read in its published format.",
        "Ask for the package again; it was damaged or not made by Holdfast.";
    PackageDescriptionDiffers, "package.description_differs", Failure,
        "The package's table of contents says something else than the manifest, the ledger or itself.",
        "Do not rely on package.json; the manifest and the ledger count. Ask for the package again.";
    PackageFormatUnknown, "package.format_unknown", Failure,
        "The package says that it is of a format this verifier does not know.",
        "Use the verifier of the version that made the package, or a newer one.";
    PackageFileMissing, "package.file_missing", Failure,
        "A file that the package lists is not in it.",
        "Ask for the package again.";
    PackageFileAltered, "package.file_altered", Failure,
        "A file in the package is not the one that was put in: its fingerprint differs.",
        "Do not rely on this file. Ask for the package again.";
    PackageFileExtra, "package.file_extra", Failure,
        "The package contains a file that it does not list: it was added afterwards.",
        "Do not rely on this file. Ask for the package again.";
    PackagePathUnsafe, "package.path_unsafe", Failure,
        "The package lists a path that leads out of its folder. No honest package does.",
        "Do not open anything in this package.";
    PackageLink, "package.link", Failure,
        "The package contains a link or a special file instead of an ordinary one. No honest package does.",
        "Do not open anything in this package.";
    PackageNameNotText, "package.name_not_text", Failure,
        "The package contains a file whose name is not valid text. No honest package does.",
        "Do not open anything in this package.";
    PackageListingMalformed, "package.listing_malformed", Failure,
        "The list of files contains a line that is not a fingerprint and a path.",
        "Ask for the package again.";
    PackageListingDuplicate, "package.listing_duplicate", Failure,
        "The list of files names the same file twice.",
        "Ask for the package again.";
    PackageTooLarge, "package.too_large", Failure,
        "A descriptive file is larger, or there are more files, than any honest package has; it was not read.",
        "Ask for the package again.";
    PackageUnreadable, "package.unreadable", Failure,
        "A file of the package could not be read, so it could not be checked.",
        "Copy the package to another disk and verify it again.";
    PackageBagInfoDiffers, "package.bag_info_differs", Failure,
        "The package's description of itself as a bag (bag-info.txt) says something else than its content: its size, number of files, matter or date.",
        "Do not rely on bag-info.txt. Ask for the package again.";
    PackageFetch, "package.fetch", Failure,
        "The package asks for files to be fetched from elsewhere. No honest package does: everything is in it.",
        "Do not fetch anything. Ask for the package again.";
    PackageListingOther, "package.listing_other", Failure,
        "The package has another list of files than the two of its format, which may contradict them.",
        "Do not rely on that list. Ask for the package again.";
    PackageNameUnsafe, "package.name_unsafe", Failure,
        "A file's name holds characters that no package's names have: it may be shown as another name than it is.",
        "Do not open that file. Ask for the package again.";
    PackageNameTwin, "package.name_twin", Failure,
        "Two files have names that differ in upper and lower case only: on many systems one would take the other's place.",
        "Do not copy the package to another system before you know which of the two is meant. Ask for the package again.";
    PackageNameNotPortable, "package.name_not_portable", Remark,
        "A file's name cannot be held by every system (Windows keeps it for a device, or it ends in a dot): it may be missing in a copy.",
        "Check the package where it came from, and ask for it again where the file is missing.";
    PackageUnfinished, "package.unfinished", Failure,
        "The folder's name says that the package was never finished: it is what was left of making one.",
        "Ask for the finished package.";
    PackageFolderEmpty, "package.folder_empty", Remark,
        "There is an empty folder, which no package of this format has. It says nothing about the evidence.",
        "Remove it from your copy, or leave it.";
    PackageLitter, "package.litter", Remark,
        "An operating system or file manager left a file here that does not belong to the package. It was not read; all else was checked.",
        "Remove it from your copy, or leave it. It is no sign of a forgery.";
    LedgerTileDamaged, "ledger.tile_damaged", Failure,
        "A file of the published ledger (a tile or a bundle of entries) is missing or holds other bytes than it must.",
        "Get the file again from where the ledger is published, or from the copy in the write-once store.";
    LedgerTimeWentBack, "ledger.time_went_back", Failure,
        "An entry of the chain of custody has a time before that of the entry before it, which the ledger never writes.",
        "Do not rely on the times of these entries. Run `holdfast ledger verify`, and compare with the copy in the write-once store.";
    LedgerFileUnknown, "ledger.file_unknown", Remark,
        "There is a file in the folder of the ledger that does not belong to it. Nothing relies on it.",
        "Remove it from your copy, or ask who put it there.";
    LedgerBeyondCheckpoint, "ledger.beyond_checkpoint", Remark,
        "There are entries that the checkpoint does not cover yet: the ledger went on after it was signed, or an older checkpoint was put in its place.",
        "Ask for the newest checkpoint and check again.";
    LedgerEntryOrder, "ledger.entry_order", Failure,
        "The ledger entries do not follow each other in the order of their numbers: lines were exchanged after the package was made.",
        "Read the entries by their numbers and times, not in the order of the lines. Ask for the package again.";
    LedgerProofMalformed, "ledger.proof_malformed", Failure,
        "A proof holds more than a proof has, or is not written in its one form: something was added to it.",
        "Do not rely on what was added. Ask for the package again.";
    PackageExhibitTwice, "package.exhibit_twice", Failure,
        "Two exhibits name the same file, or the same recording is there under two numbers.",
        "Do not rely on package.json. Ask for the package again.";
    PackageExhibitUnlisted, "package.exhibit_unlisted", Failure,
        "The package contains a recording that is none of its exhibits.",
        "Do not rely on this file. Ask for the package again.";
    ReportDiffers, "report.differs", Failure,
        "The custody report says something else than the ledger entries and manifests that it restates.",
        "Do not rely on the report; read the entries themselves. Ask for the package again.";
}

impl FindingCode {
    /// The code with this text.
    #[must_use]
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|c| c.as_str() == code)
    }
}

impl fmt::Display for FindingCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for FindingCode {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for FindingCode {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let code = String::deserialize(d)?;
        Self::from_code(&code).ok_or_else(|| D::Error::custom(format!("{code:?} is no finding's code")))
    }
}

/// One thing that does not agree, or was not looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// Which.
    pub code: FindingCode,
    /// How much it weighs; always the code's own severity.
    pub severity: Severity,
    /// What it is about: an archive id, an exhibit, a file, `ledger entry 17`.
    pub subject: String,
    /// What should have been there.
    pub expected: String,
    /// What was there.
    pub found: String,
}

/// Longest text quoted in a finding, in characters: what is quoted may come from a hostile file.
const QUOTE_MAX: usize = 300;

fn quoted(text: impl fmt::Display) -> String {
    let text = text.to_string();
    if text.chars().count() <= QUOTE_MAX {
        return text;
    }
    text.chars().take(QUOTE_MAX).chain(['…']).collect()
}

impl Finding {
    /// A finding; long texts are shortened.
    #[must_use]
    pub fn new(
        code: FindingCode,
        subject: impl fmt::Display,
        expected: impl fmt::Display,
        found: impl fmt::Display,
    ) -> Self {
        Self {
            code,
            severity: code.severity(),
            subject: quoted(subject),
            expected: quoted(expected),
            found: quoted(found),
        }
    }
}

/// Around the number of findings that are not shown.
const MORE: (&str, &str) = ("and ", " more of this kind");

impl Finding {
    /// Stands for findings of a code that are too many to be shown one by one.
    pub(crate) fn and_more(code: FindingCode, count: u64) -> Self {
        Self::new(code, format!("{}{count}{}", MORE.0, MORE.1), "", "")
    }

    /// How many findings this stands for, where it is of the kind that [`Finding::and_more`] makes.
    pub(crate) fn more(&self) -> Option<u64> {
        let count = self.subject.strip_prefix(MORE.0)?.strip_suffix(MORE.1)?;
        count.parse().ok().filter(|_| self.expected.is_empty() && self.found.is_empty())
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} (expected {}, found {})", self.code, self.subject, self.expected, self.found)
    }
}

/// The text of `docs/formats/findings.md`.
#[must_use]
pub fn findings_document() -> String {
    use std::fmt::Write as _;
    let mut out = String::from(
        "# Findings\n\nEvery verification by Holdfast ends in one of four outcomes and says what it found. The exit code is that of \
         `holdfast-verify`\nand of `holdfast verify`.\n\n| outcome | exit code | meaning |\n|---|---|---|\n\
         | `verified` | 0 | everything agrees, and everything that should be looked at was |\n\
         | `verified_with_remarks` | 0 | everything that was looked at agrees; something was not looked at or not shown |\n\
         | `self_consistent` | 3 | everything agrees with itself; its origin is not established, as no public key was given that is \
         known from elsewhere |\n\
         | `failed` | 4 | something does not agree |\n\n\
         A *failure* is something that does not agree; a *remark* is something that was not looked at or not shown. The codes \
         are stable:\nprograms may rely on them.\n\nThis page is made from the verifier's own \
         table (`FindingCode` in `crates/verify/src/finding.rs`); a test compares the two.\nAfter a change there run \
         `HOLDFAST_BLESS=1 cargo test -p holdfast-verify`.\n\n| code | weight | what it means for the evidence | what to do next \
         |\n|---|---|---|---|\n",
    );
    for code in FindingCode::ALL {
        let weight = match code.severity() {
            Severity::Failure => "failure",
            Severity::Remark => "remark",
        };
        // Writing to a string cannot fail.
        let _ = writeln!(out, "| `{code}` | {weight} | {} | {} |", code.meaning(), code.next());
    }
    out
}
