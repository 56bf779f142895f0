//! Reports made from a small archive.

use crate::support::{Archive, matter, time};
use holdfast_ledger::Signer as _;
use holdfast_model::{MatterId, Sha256Digest};
use holdfast_reports::{CustodyReport, ExhibitReport};
use holdfast_verify::{
    CustodyStep, key_fingerprint,
    package::{Exhibit, LedgerDescription, Withheld},
    verify_recording,
};

pub fn exhibit(archive: &Archive, i: usize) -> Exhibit {
    let r = &archive.recordings[i];
    Exhibit {
        exhibit: format!("HF-{:04}", i + 1),
        archive_id: r.archive_id.clone(),
        original: format!("data/originals/HF-{:04}_call_{i}.wav", i + 1),
        fixity: r.manifest.object.fixity.clone(),
        manifest: format!("data/manifests/HF-{:04}_{}.json", i + 1, r.archive_id),
        manifest_sha256: Sha256Digest::of(&r.manifest_bytes),
        payload: format!("data/payloads/HF-{:04}_{}.json", i + 1, r.archive_id),
    }
}

pub fn exhibit_report(archive: &Archive, i: usize, exhibit: &Exhibit) -> ExhibitReport {
    let r = &archive.recordings[i];
    let steps = r.sequences.iter().map(|s| CustodyStep::from(&archive.entries[*s as usize])).collect();
    let holds: Vec<MatterId> = if i == 0 { vec![matter().id] } else { vec![] };
    ExhibitReport::of(exhibit, &r.manifest, holds, verify_recording(&archive.observed(i)), steps)
}

pub fn report(archive: &Archive) -> CustodyReport {
    let size = archive.entries.len() as u64;
    let exhibits = (0..archive.recordings.len()).map(|i| exhibit_report(archive, i, &exhibit(archive, i))).collect();
    let ledger = LedgerDescription {
        id: archive.checkpoint(size).origin().to_owned(),
        key_fingerprint: key_fingerprint(&archive.signer.public_key()),
        size,
        root: archive.checkpoint(size).root(),
    };
    let withheld = vec![Withheld {
        archive_id: "hf-aaaaaaaaaaaaaaaaaaaaaaaaaa".parse().unwrap(),
        reason: "its content could not be verified".into(),
    }];
    let timeline = vec![CustodyStep::from(&archive.entries[1])];
    CustodyReport::new(matter(), ledger, time("2026-03-05T12:00:00Z"), timeline, exhibits, withheld)
}
