//! A small archive made by hand with the ledger's real pure core: recordings, manifests, entries, proofs, a checkpoint.

use holdfast_ledger::{
    Action, Agent, Checkpoint, CustodyEvent, EventFormat, EventOutcome, LedgerEntry, LocalMac, LocalSigner, Phase,
    Signer, Subject, merkle,
};
use holdfast_model::{
    Accession, ArchiveId, CanonicalRecord, Fixity, ImmutabilityMode, MANIFEST_FORMAT, Manifest, MediaObject, ObjectKey,
    ObjectRetention, PayloadRef, Probe, RetentionDecision, Sha256Digest, SourceRef, StorageTier,
};
use holdfast_verify::{
    EntryEvidence, IndexFacts, LedgerEvidence, ObjectFacts, Observed, ObservedBytes, ObservedIndex,
    RememberedCheckpoint, package::MatterDescription,
};
use jiff::Timestamp;
use std::collections::BTreeMap;

pub const MATTER: &str = "matter-2031";

pub fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// One recording of the archive.
pub struct Recording {
    pub archive_id: ArchiveId,
    pub original: Vec<u8>,
    pub payload: Vec<u8>,
    pub manifest: Manifest,
    pub manifest_bytes: Vec<u8>,
    pub sequences: Vec<u64>,
}

/// The archive: recordings and one ledger.
pub struct Archive {
    pub signer: LocalSigner,
    mac: LocalMac,
    pub entries: Vec<LedgerEntry>,
    pub recordings: Vec<Recording>,
}

pub fn event(action: Action, phase: Phase) -> CustodyEvent {
    CustodyEvent {
        action,
        agent: Agent {
            host: "archive-1".into(),
            os_user: "holdfast".into(),
            person: "Ada Møller <script>".into(),
            role: "archiver".into(),
            ..Agent::default()
        },
        application: "holdfast/0.1.0".into(),
        code: None,
        details: BTreeMap::new(),
        digest_after: None,
        digest_before: None,
        format: EventFormat::V1.as_str().into(),
        from: None,
        idempotency: None,
        intent: None,
        mac_key_id: None,
        matter: None,
        outcome: None,
        phase,
        previous: Sha256Digest([0; 32]),
        previous_of_matter: None,
        previous_of_recording: None,
        reason: None,
        sequence: 0,
        subject: None,
        time: time("2026-03-01T10:00:00Z"),
        time_source: "system".into(),
        to: None,
    }
}

impl Archive {
    /// `n` recordings, each taken in, some events between, one legal hold on the first.
    pub fn with(n: usize) -> Self {
        Self::seeded(n, 7)
    }

    pub fn seeded(n: usize, seed: u8) -> Self {
        let mut archive = Self {
            signer: LocalSigner::from_seed(&[seed; 32]),
            mac: LocalMac::from_seed(&[9; 32]),
            entries: Vec::new(),
            recordings: Vec::new(),
        };
        archive.append(event(Action::LedgerCreated, Phase::Fact));
        let mut matter = event(Action::MatterCreation, Phase::Fact);
        matter.matter = Some(MATTER.parse().unwrap());
        matter.outcome = Some(EventOutcome::Succeeded);
        matter.reason = Some("Subpoena 2026-117, In re Example".into());
        archive.append(matter);
        for i in 0..n {
            archive.take_in(i);
        }
        if n > 0 {
            let id = archive.recordings[0].archive_id.clone();
            archive.pair(Action::LegalHold, &id, |_| {});
            for i in 0..n {
                let id = archive.recordings[i].archive_id.clone();
                archive.pair(Action::Download, &id, |_| {});
            }
        }
        archive
    }

    pub fn append(&mut self, mut event: CustodyEvent) -> u64 {
        event.sequence = self.entries.len() as u64;
        event.previous = self.entries.last().map_or(Sha256Digest([0; 32]), LedgerEntry::leaf_hash);
        event.time = time("2026-03-01T10:00:00Z") + jiff::SignedDuration::from_secs(event.sequence as i64 * 61);
        self.entries.push(LedgerEntry::seal(event, &self.mac).unwrap());
        self.entries.len() as u64 - 1
    }

    /// Intent and outcome of an action on a recording.
    pub fn pair(&mut self, action: Action, id: &ArchiveId, more: impl Fn(&mut CustodyEvent)) -> (u64, u64) {
        let mut intent = event(action, Phase::Intent);
        intent.subject = Some(Subject { archive_id: Some(id.clone()), ..Subject::default() });
        if action != Action::Accession {
            intent.matter = Some(MATTER.parse().unwrap());
        }
        let mut outcome = intent.clone();
        let first = self.append(intent);
        outcome.phase = Phase::Outcome;
        outcome.intent = Some(first);
        outcome.outcome = Some(EventOutcome::Succeeded);
        more(&mut outcome);
        let second = self.append(outcome);
        if let Some(r) = self.recordings.iter_mut().find(|r| r.archive_id == *id) {
            r.sequences.extend([first, second]);
        }
        (first, second)
    }

    fn take_in(&mut self, i: usize) {
        let original: Vec<u8> = (0..5_000 + i * 17).map(|b| (b as u8).wrapping_mul(31) ^ i as u8).collect();
        let payload = format!("{{\"call\":{i}}}").into_bytes();
        let intent = self.entries.len() as u64;
        let manifest = manifest(i, &original, &payload, intent);
        let manifest_bytes = manifest.to_canonical_bytes().unwrap();
        let (archive_id, digest) = (manifest.archive_id.clone(), Sha256Digest::of(&manifest_bytes));
        let of = Sha256Digest::of(&original);
        let (a, b) = self.pair(Action::Accession, &archive_id, |e| {
            e.digest_after = Some(of);
            e.details.insert("manifest_sha256".into(), digest.to_hex());
        });
        assert_eq!(a, intent);
        self.recordings.push(Recording {
            archive_id,
            original,
            payload,
            manifest,
            manifest_bytes,
            sequences: vec![a, b],
        });
    }

    pub fn root(&self, size: u64) -> merkle::Hash {
        let mut tree = merkle::Frontier::default();
        self.entries.iter().take(size as usize).for_each(|e| tree.push(e.leaf_hash().0));
        tree.root()
    }

    pub fn checkpoint(&self, size: u64) -> Checkpoint {
        Checkpoint::sign(&self.signer, size, &self.root(size)).unwrap()
    }

    fn node(&self, node: merkle::Node) -> merkle::Hash {
        let (from, count) = (node.index << node.height, 1usize << node.height);
        let mut tree = merkle::Frontier::default();
        self.entries[from as usize..][..count].iter().for_each(|e| tree.push(e.leaf_hash().0));
        tree.root()
    }

    fn hashes(&self, nodes: Vec<Vec<merkle::Node>>) -> Vec<Sha256Digest> {
        let fold = |n: Vec<merkle::Node>| merkle::fold(&n.into_iter().map(|n| self.node(n)).collect::<Vec<_>>());
        nodes.into_iter().map(|n| Sha256Digest(fold(n))).collect()
    }

    pub fn proven(&self, sequence: u64) -> EntryEvidence {
        let entry = self.entries[sequence as usize].bytes();
        let nodes = merkle::inclusion_nodes(sequence, self.entries.len() as u64).unwrap();
        let leaf = Some(Sha256Digest(merkle::leaf_hash(&entry)));
        EntryEvidence { index: sequence, entry, leaf, hashes: self.hashes(nodes) }
    }

    pub fn evidence(&self, sequences: impl IntoIterator<Item = u64>) -> LedgerEvidence {
        LedgerEvidence {
            entries: sequences.into_iter().map(|s| self.proven(s)).collect(),
            checkpoint: Some(self.checkpoint(self.entries.len() as u64).text().to_owned()),
            public_key: self.signer.public_key(),
            mac_failures: None,
            remembered: None,
            timestamp_expected: false,
        }
    }

    /// Everything about a recording as a live archive shows it: all links can be looked at.
    pub fn observed(&self, i: usize) -> Observed {
        let r = &self.recordings[i];
        let mut ledger = self.evidence(r.sequences.iter().copied());
        ledger.mac_failures = Some(vec![]);
        let before = self.entries.len() as u64 - 2;
        let nodes = merkle::consistency_nodes(before, self.entries.len() as u64).unwrap();
        ledger.remembered = Some(RememberedCheckpoint {
            checkpoint: self.checkpoint(before).text().to_owned(),
            consistency: Some(self.hashes(nodes)),
        });
        let digest = Sha256Digest::of(&r.manifest_bytes);
        Observed {
            archive_id: r.archive_id.clone(),
            bytes: ObservedBytes::read(fixity(&r.original)),
            object: Some(ObjectFacts {
                size_bytes: r.original.len() as u64,
                sha256: Some(Sha256Digest::of(&r.original)),
                version_id: Some("v1".into()),
                retention: Some(r.manifest.retention.retention),
                legal_hold: i == 0,
            }),
            manifest: Some(r.manifest_bytes.clone()),
            payload: Some(ObservedBytes::read(fixity(&r.payload))),
            index: ObservedIndex::Row(Box::new(IndexFacts::derive(&r.manifest, digest, Some(r.sequences[1])))),
            ledger,
            holds: if i == 0 { vec![MATTER.parse().unwrap()] } else { vec![] },
        }
    }
}

pub fn fixity(bytes: &[u8]) -> Fixity {
    Fixity::sha256(Sha256Digest::of(bytes), bytes.len() as u64)
}

pub fn record(i: usize) -> CanonicalRecord {
    serde_json::from_value(serde_json::json!({
        "vendor": "genesys", "organisation": "acme", "interaction_id": format!("c{i}"), "recording_id": "r1", "media": "voice",
        "start": "2024-03-01T09:30:00.250Z", "end": "2024-03-01T09:34:10Z", "direction": "inbound", "queues": ["claims"],
        "participants": [
            {"role": "agent", "identifier": "a-17", "display_name": "Jürgen Groß"},
            {"role": "customer", "display_name": "山田太郎"},
        ],
        "attributes": {"\u{fb33}": "after", "\u{1f600}": "before"}, "tags": ["pci"],
    }))
    .unwrap()
}

pub fn manifest(i: usize, original: &[u8], payload: &[u8], intent: u64) -> Manifest {
    let record = record(i);
    let key = |text: String| ObjectKey::new(text).unwrap();
    Manifest {
        format: MANIFEST_FORMAT.into(),
        archive_id: record.idempotency_key().archive_id(),
        object: MediaObject {
            bucket: "media".into(),
            key: key(format!("recordings/2024/03/01/genesys.acme.c{i}/r1.wav")),
            version_id: Some("v1".into()),
            fixity: fixity(original),
            media_type: "audio/wav".into(),
            tier: StorageTier::Cold,
            storage_class: "local-cold".into(),
            probe: Probe {
                container: "wav".into(),
                codec: Some("mulaw".into()),
                channels: Some(2),
                sample_rate_hz: Some(8_000),
                measured_duration_ms: Some(249_750),
                decodable: true,
                ..Probe::default()
            },
            original_name: format!("call {i} (Müller).wav"),
        },
        payload: PayloadRef {
            key: key(format!("payloads/2024/03/01/genesys.acme.c{i}/r1.json")),
            fixity: fixity(payload),
            schema: "holdfast-sidecar/1".into(),
        },
        text: None,
        retention: RetentionDecision {
            class: "standard-7y".into(),
            rule: "default".into(),
            legal_basis: "default policy".into(),
            retention: ObjectRetention { mode: ImmutabilityMode::Governance, until: time("2031-03-01T09:34:10Z") },
        },
        accession: Accession {
            run: "run-1".parse().unwrap(),
            source: SourceRef { source: "folder".into(), item: format!("2024/call {i}.wav") },
            ingested_at: time("2026-03-01T10:00:00Z"),
            ledger_intent: intent,
            archiver_version: "0.1.0".into(),
        },
        record,
    }
}

pub fn matter() -> MatterDescription {
    MatterDescription {
        id: MATTER.parse().unwrap(),
        name: "In re Example".into(),
        reference: "2026-117".into(),
        justification: "Subpoena of 2 March 2026".into(),
        requested_by: "Ruth Adler".into(),
        deadline: Some(time("2026-03-20T17:00:00Z")),
    }
}
