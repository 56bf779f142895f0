//! `verify_recording`: silent on good evidence, never silent on a changed one, and it names the link.

use crate::support::{Archive, MATTER, time};
use holdfast_ledger::{Action, EventOutcome};
use holdfast_model::{ImmutabilityMode, Sha256Digest};
use holdfast_verify::{
    CheckResult, FindingCode as Code, Link, Observed, ObservedBytes, ObservedIndex, Outcome, RememberedCheckpoint,
    VerificationReport, verify_recording,
};
use proptest::prelude::*;
use std::sync::LazyLock;

static ARCHIVE: LazyLock<Archive> = LazyLock::new(|| Archive::with(5));

fn codes(report: &VerificationReport) -> Vec<Code> {
    report.findings.iter().map(|f| f.code).collect()
}

#[track_caller]
fn finds(observed: &Observed, expected: &[Code]) -> VerificationReport {
    let report = verify_recording(observed);
    assert_eq!(codes(&report), expected, "{:#?}", report.findings);
    report
}

#[test]
fn good_evidence_is_verified_and_every_link_but_the_timestamp_was_looked_at() {
    for i in 0..5 {
        let report = finds(&ARCHIVE.observed(i), &[]);
        assert_eq!(report.outcome, Outcome::Verified);
        let open: Vec<_> = report.checks.iter().filter(|c| c.result != CheckResult::Passed).map(|c| c.link).collect();
        assert_eq!(open, [Link::Timestamp]);
    }
}

#[test]
fn the_same_input_gives_the_same_report_and_it_survives_json() {
    let mut observed = ARCHIVE.observed(1);
    observed.bytes = ObservedBytes::Missing;
    let report = verify_recording(&observed);
    assert_eq!(report, verify_recording(&observed));
    let json = serde_json::to_string(&report).unwrap();
    assert_eq!(serde_json::from_str::<VerificationReport>(&json).unwrap(), report);
}

#[test]
fn one_flipped_bit_in_the_bytes() {
    let mut o = ARCHIVE.observed(1);
    let mut bytes = ARCHIVE.recordings[1].original.clone();
    bytes[4_000] ^= 0x10;
    o.bytes = ObservedBytes::read(crate::support::fixity(&bytes));
    let report = finds(&o, &[Code::BytesDigestMismatch]);
    assert_eq!(report.outcome, Outcome::Failed);
    assert_eq!(report.findings[0].expected, ARCHIVE.recordings[1].manifest.object.fixity.digest.to_hex());
}

#[test]
fn a_swapped_file_names_the_other_recording() {
    let mut o = ARCHIVE.observed(1);
    let other = &ARCHIVE.recordings[2];
    let fixity = crate::support::fixity(&other.original);
    o.bytes = ObservedBytes::Read { fixity, belongs_to: Some(other.archive_id.to_string()) };
    let report = finds(&o, &[Code::BytesDigestMismatch, Code::BytesSwapped, Code::BytesSizeMismatch]);
    assert!(report.findings[1].found.contains(other.archive_id.as_str()));
}

#[test]
fn bytes_cut_short_missing_or_offline() {
    let mut o = ARCHIVE.observed(1);
    let cut = &ARCHIVE.recordings[1].original[..100];
    o.bytes = ObservedBytes::read(crate::support::fixity(cut));
    finds(&o, &[Code::BytesDigestMismatch, Code::BytesSizeMismatch]);
    o.bytes = ObservedBytes::Missing;
    finds(&o, &[Code::BytesMissing]);
    o.bytes = ObservedBytes::Offline;
    assert_eq!(finds(&o, &[Code::BytesNotRead]).outcome, Outcome::VerifiedWithRemarks);
}

#[test]
fn what_the_store_says_is_compared() {
    let mut o = ARCHIVE.observed(1);
    let object = o.object.as_mut().unwrap();
    object.size_bytes += 1;
    object.sha256 = Some(Sha256Digest([0; 32]));
    object.version_id = Some("v2".into());
    finds(&o, &[Code::ObjectMetadataMismatch; 3]);
    // A store that keeps no digest with the object says nothing about it.
    let mut o = ARCHIVE.observed(1);
    o.object.as_mut().unwrap().sha256 = None;
    finds(&o, &[]);
}

#[test]
fn a_changed_manifest_is_not_the_one_in_the_ledger() {
    let mut o = ARCHIVE.observed(1);
    let mut manifest = ARCHIVE.recordings[1].manifest.clone();
    manifest.record.queues = vec!["sales".into()];
    o.manifest = Some(manifest.to_canonical_bytes().unwrap());
    o.index = ObservedIndex::NotConsulted;
    finds(&o, &[Code::ManifestDigestMismatch]);
    // The same values in another form.
    o.manifest = Some(serde_json::to_vec_pretty(&ARCHIVE.recordings[1].manifest).unwrap());
    finds(&o, &[Code::ManifestDigestMismatch, Code::ManifestMalformed]);
    // One that a newer version wrote is not called malformed, whether or not it has members that this version does not know.
    for later in ["{\"a_later_member\":1,", "{"] {
        let text = String::from_utf8(ARCHIVE.recordings[1].manifest_bytes.clone()).unwrap();
        let text = text.replace("holdfast-manifest/1", "holdfast-manifest/2").replacen('{', later, 1);
        o.manifest = Some(text.into_bytes());
        let found = codes(&verify_recording(&o));
        assert!(found.contains(&Code::ManifestFormatUnknown) && !found.contains(&Code::ManifestMalformed), "{found:?}");
    }
    o.manifest = Some(ARCHIVE.recordings[2].manifest_bytes.clone());
    let report = verify_recording(&o);
    assert!(report.has(Code::ManifestDigestMismatch) && report.has(Code::ManifestIdentityMismatch));
    o.manifest = None;
    assert!(codes(&verify_recording(&o)).contains(&Code::ManifestMissing));
}

#[test]
fn a_changed_index_row_names_the_field() {
    let mut o = ARCHIVE.observed(1);
    let ObservedIndex::Row(row) = &mut o.index else { unreachable!() };
    row.record.participants[0].display_name = Some("Somebody else".into());
    row.fixity.size_bytes = 1;
    let report = finds(&o, &[Code::IndexRowDiffers, Code::IndexRowDiffers]);
    assert_eq!(report.outcome, Outcome::VerifiedWithRemarks);
    assert!(report.findings[0].subject.ends_with(": /fixity/size_bytes"), "{}", report.findings[0]);
    assert!(report.findings[1].subject.ends_with(": /record/participants"), "{}", report.findings[1]);
    o.index = ObservedIndex::Missing;
    let report = finds(&o, &[Code::IndexRowMissing]);
    assert_eq!(report.outcome, Outcome::VerifiedWithRemarks, "what is derived never makes a verification fail");
}

#[test]
fn retention_and_hold() {
    let mut o = ARCHIVE.observed(0);
    let retention = o.object.as_mut().unwrap().retention.as_mut().unwrap();
    retention.until = time("2030-01-01T00:00:00Z");
    finds(&o, &[Code::RetentionShortened]);
    o.object.as_mut().unwrap().retention.as_mut().unwrap().until = time("2040-01-01T00:00:00Z");
    finds(&o, &[]);
    o.object.as_mut().unwrap().retention = None;
    finds(&o, &[Code::RetentionMissing]);
    let mut o = ARCHIVE.observed(0);
    o.object.as_mut().unwrap().legal_hold = false;
    let report = finds(&o, &[Code::HoldMissing]);
    assert!(report.findings[0].expected.contains(MATTER));
    // The ledger knows of the hold even where the caller does not.
    o.holds.clear();
    finds(&o, &[Code::HoldMissing]);
}

#[test]
fn an_extension_in_the_ledger_moves_the_demanded_date() {
    let mut archive = Archive::with(1);
    let id = archive.recordings[0].archive_id.clone();
    archive.pair(Action::RetentionExtension, &id, |e| e.to = Some("2035-01-01T00:00:00Z".into()));
    let mut o = archive.observed(0);
    finds(&o, &[Code::RetentionShortened]);
    o.object.as_mut().unwrap().retention.as_mut().unwrap().until = time("2035-01-01T00:00:00Z");
    finds(&o, &[]);
}

#[test]
fn compliance_is_not_replaced_by_governance() {
    let mut archive = Archive::with(0);
    let mut manifest = crate::support::manifest(0, b"x", b"y", archive.entries.len() as u64);
    manifest.retention.retention.mode = ImmutabilityMode::Compliance;
    let bytes = manifest.to_canonical_bytes().unwrap();
    let digest = Sha256Digest::of(&bytes).to_hex();
    let (a, b) = archive.pair(Action::Accession, &manifest.archive_id, |e| {
        e.digest_after = Some(Sha256Digest::of(b"x"));
        e.details.insert("manifest_sha256".into(), digest.clone());
    });
    let mut o = ARCHIVE.observed(1);
    o.archive_id = manifest.archive_id.clone();
    o.manifest = Some(bytes);
    o.bytes = ObservedBytes::read(crate::support::fixity(b"x"));
    o.payload = None;
    o.index = ObservedIndex::NotConsulted;
    o.ledger = archive.evidence([a, b]);
    let object = o.object.as_mut().unwrap();
    (object.size_bytes, object.sha256) = (1, None);
    finds(&o, &[Code::RetentionWeakened]);
}

#[test]
fn removed_entries_are_missed() {
    // The accession's intent, its outcome, and the intent of a later outcome.
    for (i, at) in [(1, 0), (1, 1), (1, 2)] {
        let mut o = ARCHIVE.observed(i);
        let removed = o.ledger.entries.remove(at);
        o.index = ObservedIndex::NotConsulted;
        let report = finds(&o, &[Code::LedgerEntryMissing]);
        if at != 1 {
            assert_eq!(report.findings[0].subject, format!("ledger entry {}", removed.index));
        }
    }
}

#[test]
fn a_place_in_the_log_without_its_entry() {
    let mut o = ARCHIVE.observed(1);
    let at = o.ledger.entries.len() - 1;
    o.ledger.entries[at].entry.clear();
    finds(&o, &[Code::LedgerEntryMissing]);
}

#[test]
fn a_hold_whose_outcome_is_gone_is_remarked() {
    let mut o = ARCHIVE.observed(0);
    let intent = o.ledger.entries[2].index;
    o.ledger.entries.remove(3);
    let report = finds(&o, &[Code::LedgerOutcomeOpen]);
    assert_eq!(report.findings[0].subject, format!("ledger entry {intent}"));
    assert_eq!(report.outcome, Outcome::VerifiedWithRemarks);
}

#[test]
fn an_altered_entry_is_told_from_a_broken_proof() {
    let mut o = ARCHIVE.observed(1);
    let text = String::from_utf8(o.ledger.entries[3].entry.clone()).unwrap();
    o.ledger.entries[3].entry = text.replace("archive-1", "archive-2").into_bytes();
    let report = finds(&o, &[Code::LedgerEntryAltered]);
    assert_eq!(report.findings[0].subject, format!("ledger entry {}", o.ledger.entries[3].index));
    // Where the tree's own hash of the leaf is not known, all that can be said is that the proof does not hold.
    o.ledger.entries[3].leaf = None;
    finds(&o, &[Code::LedgerInclusionFailed]);
    let mut o = ARCHIVE.observed(1);
    o.ledger.entries[3].hashes[0] = Sha256Digest([1; 32]);
    finds(&o, &[Code::LedgerInclusionFailed]);
    let mut o = ARCHIVE.observed(1);
    o.ledger.entries[3].entry.truncate(40);
    finds(&o, &[Code::LedgerEntryAltered]);
}

#[test]
fn neighbours_that_do_not_name_each_other() {
    let mut o = ARCHIVE.observed(1);
    let text = String::from_utf8(o.ledger.entries[0].entry.clone()).unwrap();
    o.ledger.entries[0].entry = text.replace("archive-1", "archive-2").into_bytes();
    finds(&o, &[Code::LedgerEntryAltered, Code::LedgerChainBroken]);
}

#[test]
fn macs_where_a_key_holder_looked() {
    let mut o = ARCHIVE.observed(1);
    o.ledger.mac_failures = Some(vec![4]);
    finds(&o, &[Code::LedgerMacMismatch]);
    o.ledger.mac_failures = None;
    finds(&o, &[]);
}

#[test]
fn checkpoints_by_another_key_missing_or_malformed() {
    let other = Archive::seeded(5, 8);
    let mut o = ARCHIVE.observed(1);
    o.ledger.remembered = None;
    o.ledger.checkpoint = Some(other.checkpoint(3).text().to_owned());
    finds(&o, &[Code::LedgerCheckpointSignature]);
    o.ledger.checkpoint = Some("nonsense".into());
    finds(&o, &[Code::LedgerCheckpointMalformed]);
    o.ledger.checkpoint = None;
    finds(&o, &[Code::LedgerCheckpointMalformed]);
}

#[test]
fn a_rolled_back_and_a_rewritten_ledger() {
    let mut archive = Archive::with(2);
    let mut o = archive.observed(0);
    let id = archive.recordings[1].archive_id.clone();
    archive.pair(Action::Playback, &id, |_| {});
    let later = archive.checkpoint(archive.entries.len() as u64).text().to_owned();
    o.ledger.remembered = Some(RememberedCheckpoint { checkpoint: later, consistency: None });
    finds(&o, &[Code::LedgerRolledBack]);

    // Same size, other history, signed with the same key.
    let mut rewritten = Archive::with(2);
    rewritten.pair(Action::Playback, &id, |e| e.outcome = Some(EventOutcome::Refused));
    let now = archive.observed(0);
    let mut o = now;
    let fork = rewritten.checkpoint(rewritten.entries.len() as u64).text().to_owned();
    o.ledger.remembered = Some(RememberedCheckpoint { checkpoint: fork, consistency: Some(vec![]) });
    finds(&o, &[Code::LedgerInconsistent]);

    let mut o = archive.observed(0);
    o.ledger.remembered.as_mut().unwrap().consistency = None;
    finds(&o, &[Code::LedgerInconsistent]);
    let other = Archive::seeded(2, 8).checkpoint(2).text().to_owned();
    o.ledger.remembered = Some(RememberedCheckpoint { checkpoint: other, consistency: None });
    assert_eq!(verify_recording(&o).outcome, Outcome::Failed);
}

#[test]
fn a_timestamp_is_a_remark_only_where_one_is_expected() {
    let mut o = ARCHIVE.observed(1);
    o.ledger.timestamp_expected = true;
    assert_eq!(finds(&o, &[Code::TimestampAbsent]).outcome, Outcome::VerifiedWithRemarks);
}

/// Every way in which one thing of good evidence can be another. `at` chooses the place.
fn mutate(o: &mut Observed, kind: usize, at: usize, bit: u8) {
    fn flip(bytes: &mut [u8], at: usize, bit: u8) {
        let at = at % bytes.len();
        bytes[at] ^= 1 << bit;
    }
    let entries = o.ledger.entries.len();
    match kind {
        0..=1 => {
            let bytes = if kind == 0 { &mut o.bytes } else { o.payload.as_mut().unwrap() };
            let ObservedBytes::Read { fixity, .. } = bytes else { unreachable!() };
            if at.is_multiple_of(2) { flip(&mut fixity.digest.0, at / 2, bit) } else { fixity.size_bytes ^= 1 << bit }
        }
        2 => flip(o.manifest.as_mut().unwrap(), at, bit),
        3 => flip(&mut o.ledger.entries[at % entries].entry, at / entries, bit),
        4 => {
            let e = &mut o.ledger.entries[at % entries];
            let n = e.hashes.len();
            flip(&mut e.hashes[at % n].0, at / 7, bit);
        }
        5 => o.ledger.entries[at % entries].index ^= 1 << bit,
        6 => flip(&mut o.ledger.entries[at % entries].leaf.as_mut().unwrap().0, at, bit),
        7 => {
            let mut text = o.ledger.checkpoint.take().unwrap().into_bytes();
            flip(&mut text, at, bit);
            o.ledger.checkpoint = String::from_utf8(text).ok();
        }
        8 => flip(&mut o.ledger.public_key, at, bit),
        9 => {
            let mut text = o.ledger.remembered.take().unwrap();
            let n = text.consistency.as_ref().unwrap().len();
            flip(&mut text.consistency.as_mut().unwrap()[at % n].0, at, bit);
            o.ledger.remembered = Some(text);
        }
        10 => {
            // An intent, or the accession's outcome. That another outcome is gone only the whole ledger can tell.
            let at = at % (entries / 2 + 1);
            o.ledger.entries.remove(if at == entries / 2 { 1 } else { at * 2 });
        }
        11 => o.object.as_mut().unwrap().size_bytes ^= 1 << bit,
        12 => flip(&mut o.object.as_mut().unwrap().sha256.as_mut().unwrap().0, at, bit),
        13 => {
            let until = &mut o.object.as_mut().unwrap().retention.as_mut().unwrap().until;
            *until -= jiff::SignedDuration::from_millis(1 + at as i64);
        }
        14 => o.object.as_mut().unwrap().legal_hold = false,
        15 => {
            let ObservedIndex::Row(row) = &mut o.index else { unreachable!() };
            match at % 6 {
                0 => flip(&mut row.manifest_sha256.0, at, bit),
                1 => row.record.interaction_id.push('x'),
                2 => row.version_id = None,
                3 => row.probe.channels = None,
                4 => row.accession_sequence = Some(u64::from(bit) + 100),
                _ => row.retention.class.push('x'),
            }
        }
        16 => o.archive_id = format!("hf-{at}").parse().unwrap(),
        17 => o.bytes = ObservedBytes::Missing,
        18 => o.manifest = None,
        19 => o.object.as_mut().unwrap().version_id = None,
        _ => o.payload = Some(ObservedBytes::Missing),
    }
}

proptest! {
    // Six times the ordinary 256, which `scripts/soak` raises.
    #![proptest_config(ProptestConfig {
        cases: 6 * ProptestConfig::default().cases,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn any_single_change_fails(kind in 0usize..=20, at in 0usize..100_000, bit in 0u8..8) {
        let mut o = ARCHIVE.observed(0);
        mutate(&mut o, kind, at, bit);
        let report = verify_recording(&o);
        if matches!(kind, 15) {
            // The index is derived: a difference is named, and decides nothing.
            prop_assert!(report.has(Code::IndexRowDiffers), "at {} bit {}: {:?}", at, bit, report);
            prop_assert_eq!(report.outcome, Outcome::VerifiedWithRemarks);
            return Ok(());
        }
        prop_assert!(report.failures().next().is_some(), "kind {} at {} bit {}: {:?}", kind, at, bit, report);
        prop_assert_eq!(report.outcome, Outcome::Failed);
    }
}
