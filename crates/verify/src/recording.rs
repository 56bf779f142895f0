use crate::{
    Finding, FindingCode as Code, LedgerEvidence, Link, VerificationReport,
    index::{ObservedIndex, differences},
    ledger::{ReadEntry, check_history, check_ledger, entry_name},
    report::Collector,
};
use holdfast_ledger::{Action, EventOutcome, LedgerEntry, Phase};
use holdfast_model::{
    ACCESSION_MANIFEST_DETAIL, ArchiveId, Fixity, MANIFEST_FORMAT, Manifest, MatterId, ObjectRetention, Sha256Digest,
    is_newer_format, newer_format,
};
use jiff::Timestamp;

/// What became of reading an object's bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ObservedBytes {
    /// Read whole and measured.
    Read {
        /// As measured.
        fixity: Fixity,
        /// Which other archived recording (or exhibit) has these bytes, where somebody knows.
        belongs_to: Option<String>,
    },
    /// Longer than it is said to be, and so not read: it cannot be what was archived.
    TooLong {
        /// How long.
        size_bytes: u64,
    },
    /// Offline, and so not read.
    Offline,
    /// Looked for, and not there.
    Missing,
}

impl ObservedBytes {
    /// Bytes that were read.
    #[must_use]
    pub fn read(fixity: Fixity) -> Self {
        Self::Read { fixity, belongs_to: None }
    }
}

/// What the store says about the object, as opposed to what was measured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectFacts {
    /// Length as the store says.
    pub size_bytes: u64,
    /// The digest kept as metadata with the object, where there is one.
    pub sha256: Option<Sha256Digest>,
    /// The version that was looked at.
    pub version_id: Option<String>,
    /// Retention as it stands now.
    pub retention: Option<ObjectRetention>,
    /// Whether a legal hold is on it.
    pub legal_hold: bool,
}

/// Everything that was read about one recording. Collecting it is the caller's work; judging it is
/// [`verify_recording`]'s.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observed {
    /// The recording.
    pub archive_id: ArchiveId,
    /// The original's bytes.
    pub bytes: ObservedBytes,
    /// What the store says about the original; none where there is no store to ask (a package).
    pub object: Option<ObjectFacts>,
    /// The manifest's bytes; none where it is missing.
    pub manifest: Option<Vec<u8>>,
    /// The vendor's metadata; none where it was not looked at.
    pub payload: Option<ObservedBytes>,
    /// The search index.
    pub index: ObservedIndex,
    /// The recording's entries, proofs and checkpoint.
    pub ledger: LedgerEvidence,
    /// The matters that hold the recording, as far as the caller knows; holds that the given entries state are added.
    pub holds: Vec<MatterId>,
}

/// Says whether what was read agrees, and which link does not. Pure: no I/O, no clock; the same input gives the same report.
#[must_use]
pub fn verify_recording(observed: &Observed) -> VerificationReport {
    let mut out = Collector::default();
    let entries = check_ledger(&observed.ledger, &mut out);
    let recording = Recording {
        subject: observed.archive_id.as_str(),
        archive_id: &observed.archive_id,
        bytes: &observed.bytes,
        object: observed.object.as_ref(),
        manifest: observed.manifest.as_deref(),
        payload: observed.payload.as_ref(),
        index: &observed.index,
        holds: &observed.holds,
    };
    let own: Vec<_> = entries.iter().filter(|e| e.entry.event.archive_id() == Some(&observed.archive_id)).collect();
    check_history(&own, &mut out);
    check_recording(&recording, &own, &mut out);
    out.finish()
}

/// [`Observed`] without the ledger, which a package shares among its exhibits, and with a name for findings.
pub(crate) struct Recording<'a> {
    pub(crate) subject: &'a str,
    pub(crate) archive_id: &'a ArchiveId,
    pub(crate) bytes: &'a ObservedBytes,
    pub(crate) object: Option<&'a ObjectFacts>,
    pub(crate) manifest: Option<&'a [u8]>,
    pub(crate) payload: Option<&'a ObservedBytes>,
    pub(crate) index: &'a ObservedIndex,
    pub(crate) holds: &'a [MatterId],
}

/// What the ledger says of how the recording came in; digests only from an entry that stands in the signed tree.
struct AccessionFacts {
    outcome_sequence: Option<u64>,
    original: Option<Sha256Digest>,
    manifest: Option<Sha256Digest>,
}

/// Looks at every link of a recording but the ledger's; `own` are its entries.
pub(crate) fn check_recording(r: &Recording<'_>, own: &[&ReadEntry], out: &mut Collector) {
    let manifest = r.manifest.map(serde_json::from_slice::<Manifest>);
    let parsed = manifest.as_ref().and_then(|m| m.as_ref().ok());

    let accession = check_accession(r, own, parsed, out);
    check_manifest(r, manifest.as_ref(), &accession, out);
    check_bytes(r, parsed, &accession, out);
    check_payload(r, parsed, out);
    let Some(manifest) = parsed else {
        for link in [Link::ObjectMetadata, Link::Index, Link::Retention, Link::Hold] {
            out.not_checked(link, r.subject);
        }
        return;
    };
    match r.index {
        ObservedIndex::NotConsulted => out.not_checked(Link::Index, r.subject),
        ObservedIndex::Missing => {
            let finding = Finding::new(Code::IndexRowMissing, r.subject, "a row in the index", "none");
            out.checked(Link::Index, r.subject, vec![finding]);
        }
        ObservedIndex::Row(row) => {
            let digest = Sha256Digest::of(r.manifest.unwrap_or_default());
            let found = differences(r.subject, row, manifest, digest, accession.outcome_sequence);
            out.checked(Link::Index, r.subject, found);
        }
    }
    match r.object {
        None => [Link::ObjectMetadata, Link::Retention, Link::Hold].iter().for_each(|l| out.not_checked(*l, r.subject)),
        Some(object) => {
            out.checked(Link::ObjectMetadata, r.subject, object_findings(r.subject, object, manifest));
            out.checked(Link::Retention, r.subject, retention_findings(r.subject, object, manifest, own));
            out.checked(Link::Hold, r.subject, hold_findings(r, object, own));
        }
    }
}

fn check_accession(
    r: &Recording<'_>,
    own: &[&ReadEntry],
    manifest: Option<&Manifest>,
    out: &mut Collector,
) -> AccessionFacts {
    let mut findings = Vec::new();
    let is_accession = |e: &LedgerEntry, phase: Phase| e.event.action == Action::Accession && e.event.phase == phase;
    let stated = manifest.map(|m| m.accession.ledger_intent);
    let succeeded = |e: &&&ReadEntry| {
        is_accession(&e.entry, Phase::Outcome) && e.entry.event.outcome == Some(EventOutcome::Succeeded)
    };
    let outcome = own
        .iter()
        .rfind(|e| succeeded(e) && e.entry.event.intent == stated && stated.is_some())
        .or_else(|| own.iter().rfind(succeeded));
    if outcome.is_none() {
        let expected = "the entry that says how the recording was taken into the archive";
        findings.push(Finding::new(Code::LedgerEntryMissing, r.subject, expected, "none"));
    }
    if let Some(n) = stated
        && !own.iter().any(|e| e.entry.event.sequence == n && is_accession(&e.entry, Phase::Intent))
    {
        let expected = "the entry that announced taking the recording into the archive";
        findings.push(Finding::new(Code::LedgerEntryMissing, entry_name(n), expected, "none"));
    }
    for e in own.iter().filter(|e| e.entry.event.phase == Phase::Outcome) {
        let Some(intent) = e.entry.event.intent.filter(|n| Some(*n) != stated) else { continue };
        if !own.iter().any(|i| i.entry.event.sequence == intent) {
            let expected = format!("the entry whose outcome is {}", entry_name(e.entry.event.sequence));
            findings.push(Finding::new(Code::LedgerEntryMissing, entry_name(intent), expected, "none"));
        }
    }
    findings.extend(open_outcomes(own));
    out.checked(Link::LedgerEntry, r.subject, findings);
    let event = outcome.filter(|e| e.proven).map(|e| &e.entry.event);
    AccessionFacts {
        outcome_sequence: outcome.map(|e| e.entry.event.sequence),
        original: event.and_then(|e| e.digest_after),
        manifest: event.and_then(|e| e.details.get(ACCESSION_MANIFEST_DETAIL)).and_then(|d| d.parse().ok()),
    }
}

/// Changes of protection that were announced and not concluded. Reading actions are left out: the verification itself is one
/// that is under way.
fn open_outcomes(own: &[&ReadEntry]) -> Vec<Finding> {
    let changes = [Action::LegalHold, Action::LegalHoldRelease, Action::RetentionExtension];
    let open = |e: &&&ReadEntry| {
        let event = &e.entry.event;
        event.phase == Phase::Intent
            && changes.contains(&event.action)
            && !own.iter().any(|o| o.entry.event.intent == Some(event.sequence))
    };
    own.iter()
        .filter(open)
        .map(|e| {
            Finding::new(
                Code::LedgerOutcomeOpen,
                entry_name(e.entry.event.sequence),
                "an entry with its outcome",
                "none",
            )
        })
        .collect()
}

fn check_manifest(
    r: &Recording<'_>,
    manifest: Option<&Result<Manifest, serde_json::Error>>,
    accession: &AccessionFacts,
    out: &mut Collector,
) {
    let mut findings = Vec::new();
    let mut add = |code, expected: String, found: String| findings.push(Finding::new(code, r.subject, expected, found));
    let Some(manifest) = manifest else {
        add(Code::ManifestMissing, "a manifest".into(), "none".into());
        return out.checked(Link::Manifest, r.subject, findings);
    };
    let bytes = r.manifest.unwrap_or_default();
    let digest = Sha256Digest::of(bytes);
    if let Some(expected) = accession.manifest.filter(|d| *d != digest) {
        add(Code::ManifestDigestMismatch, expected.to_hex(), digest.to_hex());
    }
    match manifest {
        Err(error) => match newer_format(bytes, MANIFEST_FORMAT) {
            Some(format) => add(Code::ManifestFormatUnknown, MANIFEST_FORMAT.into(), format),
            None => add(Code::ManifestMalformed, MANIFEST_FORMAT.into(), error.to_string()),
        },
        Ok(m) => {
            if is_newer_format(&m.format, MANIFEST_FORMAT) {
                add(Code::ManifestFormatUnknown, MANIFEST_FORMAT.into(), m.format.clone());
            } else if m.format != MANIFEST_FORMAT {
                add(Code::ManifestMalformed, MANIFEST_FORMAT.into(), m.format.clone());
            }
            if m.to_canonical_bytes().ok().as_deref() != Some(bytes) {
                let found = "the same values written differently";
                add(Code::ManifestMalformed, "canonical JSON (RFC 8785)".into(), found.into());
            }
            if m.archive_id != *r.archive_id {
                add(Code::ManifestIdentityMismatch, r.archive_id.to_string(), m.archive_id.to_string());
            }
            let derived = m.record.idempotency_key().archive_id();
            if derived != m.archive_id {
                add(Code::ManifestIdentityMismatch, derived.to_string(), m.archive_id.to_string());
            }
            let stated = m.object.fixity.digest;
            if let Some(expected) = accession.original.filter(|d| *d != stated) {
                add(Code::ManifestDigestMismatch, format!("an original with {expected}"), format!("one with {stated}"));
            }
        }
    }
    if accession.manifest.is_none() && findings.is_empty() {
        // The missing or altered entry has its own finding; without it, nothing vouches for the manifest.
        return out.not_checked(Link::Manifest, r.subject);
    }
    out.checked(Link::Manifest, r.subject, findings);
}

fn check_bytes(r: &Recording<'_>, manifest: Option<&Manifest>, accession: &AccessionFacts, out: &mut Collector) {
    let expected = accession.original.or(manifest.map(|m| m.object.fixity.digest));
    let (fixity, belongs_to) = match r.bytes {
        ObservedBytes::Read { fixity, belongs_to } => (fixity, belongs_to),
        ObservedBytes::Offline => {
            out.remark(Finding::new(
                Code::BytesNotRead,
                r.subject,
                "the recording's bytes",
                "an object that is offline",
            ));
            out.not_checked(Link::Bytes, r.subject);
            return out.not_checked(Link::Size, r.subject);
        }
        ObservedBytes::TooLong { size_bytes } => {
            let expected = manifest.map_or_else(
                || "the length that the package states".into(),
                |m| format!("{} bytes", m.object.fixity.size_bytes),
            );
            let finding = Finding::new(Code::BytesSizeMismatch, r.subject, expected, format!("{size_bytes} bytes"));
            out.not_checked(Link::Bytes, r.subject);
            return out.checked(Link::Size, r.subject, vec![finding]);
        }
        ObservedBytes::Missing => {
            let expected = expected.map_or_else(|| "the recording's bytes".into(), |d| format!("bytes with {d}"));
            let finding = Finding::new(Code::BytesMissing, r.subject, expected, "nothing");
            out.checked(Link::Bytes, r.subject, vec![finding]);
            return out.not_checked(Link::Size, r.subject);
        }
    };
    match expected {
        None => out.not_checked(Link::Bytes, r.subject),
        Some(expected) => {
            let mut findings = Vec::new();
            if expected != fixity.digest {
                findings.push(Finding::new(Code::BytesDigestMismatch, r.subject, expected, fixity.digest));
                if let Some(other) = belongs_to {
                    let found = format!("the bytes of {other}");
                    findings.push(Finding::new(Code::BytesSwapped, r.subject, "its own bytes", found));
                }
            }
            out.checked(Link::Bytes, r.subject, findings);
        }
    }
    match manifest.map(|m| m.object.fixity.size_bytes) {
        None => out.not_checked(Link::Size, r.subject),
        Some(size) => {
            let (expected, found) = (format!("{size} bytes"), format!("{} bytes", fixity.size_bytes));
            let finding = Finding::new(Code::BytesSizeMismatch, r.subject, expected, found);
            out.checked(Link::Size, r.subject, if size == fixity.size_bytes { vec![] } else { vec![finding] });
        }
    }
}

fn check_payload(r: &Recording<'_>, manifest: Option<&Manifest>, out: &mut Collector) {
    let (Some(payload), Some(manifest)) = (r.payload, manifest) else {
        return out.not_checked(Link::Payload, r.subject);
    };
    let expected = &manifest.payload.fixity;
    let findings = match payload {
        ObservedBytes::Read { fixity, .. } if fixity == expected => vec![],
        ObservedBytes::Read { fixity, .. } => {
            vec![Finding::new(Code::PayloadDigestMismatch, r.subject, expected.digest, fixity.digest)]
        }
        ObservedBytes::TooLong { size_bytes } => {
            let (expected, found) = (format!("{} bytes", expected.size_bytes), format!("{size_bytes} bytes"));
            vec![Finding::new(Code::PayloadDigestMismatch, r.subject, expected, found)]
        }
        ObservedBytes::Offline => return out.not_checked(Link::Payload, r.subject),
        ObservedBytes::Missing => vec![Finding::new(Code::PayloadMissing, r.subject, expected.digest, "nothing")],
    };
    out.checked(Link::Payload, r.subject, findings);
}

fn object_findings(subject: &str, object: &ObjectFacts, manifest: &Manifest) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut add = |what: &str, expected: String, found: String| {
        let subject = format!("{subject}: {what}");
        findings.push(Finding::new(Code::ObjectMetadataMismatch, subject, expected, found));
    };
    let expected = &manifest.object.fixity;
    if object.size_bytes != expected.size_bytes {
        add("size", format!("{} bytes", expected.size_bytes), format!("{} bytes", object.size_bytes));
    }
    if let Some(digest) = object.sha256.filter(|d| *d != expected.digest) {
        add("sha256", expected.digest.to_hex(), digest.to_hex());
    }
    if object.version_id != manifest.object.version_id {
        let text = |v: &Option<String>| v.clone().unwrap_or_else(|| "no version".into());
        add("version", text(&manifest.object.version_id), text(&object.version_id));
    }
    findings
}

/// What the manifest demands, moved on by extensions that the ledger records (`to` is the new date).
fn demanded_retention(manifest: &Manifest, own: &[&ReadEntry]) -> ObjectRetention {
    let mut demanded = manifest.retention.retention;
    for e in own.iter().filter(|e| e.proven).map(|e| &e.entry.event) {
        let done = e.action == Action::RetentionExtension && e.outcome == Some(EventOutcome::Succeeded);
        if let Some(until) = e.to.as_deref().filter(|_| done).and_then(|t| t.parse::<Timestamp>().ok()) {
            demanded.until = demanded.until.max(until);
        }
    }
    demanded
}

fn retention_findings(subject: &str, object: &ObjectFacts, manifest: &Manifest, own: &[&ReadEntry]) -> Vec<Finding> {
    let demanded = demanded_retention(manifest, own);
    // What was over when it was taken in was never put on it.
    let extended = demanded != manifest.retention.retention;
    if !extended && manifest.retention.to_put_at(manifest.accession.ingested_at).is_none() {
        return Vec::new();
    }
    let Some(found) = object.retention else {
        let expected = format!("retention until {}", demanded.until);
        return vec![Finding::new(Code::RetentionMissing, subject, expected, "none")];
    };
    let mut findings = Vec::new();
    if found.until < demanded.until {
        findings.push(Finding::new(Code::RetentionShortened, subject, demanded.until, found.until));
    }
    if found.mode < demanded.mode {
        let (expected, found) = (format!("{:?}", demanded.mode), format!("{:?}", found.mode));
        findings.push(Finding::new(Code::RetentionWeakened, subject, expected, found));
    }
    findings
}

fn hold_findings(r: &Recording<'_>, object: &ObjectFacts, own: &[&ReadEntry]) -> Vec<Finding> {
    let mut holds = r.holds.to_vec();
    for matter in holds_by_ledger(own.iter().map(|e| &e.entry)) {
        if !holds.contains(&matter) {
            holds.push(matter);
        }
    }
    if holds.is_empty() || object.legal_hold {
        return vec![];
    }
    let holds = holds.iter().map(MatterId::as_str).collect::<Vec<_>>().join(", ");
    vec![Finding::new(Code::HoldMissing, r.subject, format!("a legal hold for {holds}"), "none")]
}

/// The matters that hold a recording according to its entries: held and not released since.
pub fn holds_by_ledger<'a>(entries: impl IntoIterator<Item = &'a LedgerEntry>) -> Vec<MatterId> {
    let mut holds: Vec<MatterId> = Vec::new();
    for event in entries.into_iter().map(|e| &e.event) {
        let Some(matter) = &event.matter else { continue };
        if event.outcome != Some(EventOutcome::Succeeded) {
            continue;
        }
        match event.action {
            Action::LegalHold if !holds.contains(matter) => holds.push(matter.clone()),
            Action::LegalHoldRelease => holds.retain(|m| m != matter),
            _ => {}
        }
    }
    holds
}
