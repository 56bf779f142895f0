//! Which type is the root of which document. Only this file, `rules.rs` and `by_hand.rs` name types: whoever renames a type changes its
//! name here, and the committed list of names stays as it is.

/// The root of a document: section, crate and type.
pub(crate) type Root = (&'static str, &'static str, &'static str);

/// Documents that are kept, handed over or read.
pub(crate) const ROOTS: &[Root] = &[
    ("custody report", "reports", "CustodyReport"),
    ("cost report", "reports", "CostReport"),
    ("event", "ledger", "LedgerEntry"),
    ("file credentials.json", "api", "Record"),
    ("file demo.json", "api", "Marker"),
    ("file keys export", "api", "Sealed"),
    ("file keys.json", "api", "KeyRecord"),
    ("file of a copy for listening", "retrieval", "Kept"),
    ("file of a download", "retrieval", "PartRecord"),
    ("file of a waveform", "api", "Waveform"),
    ("index row", "index", "IndexRow"),
    ("index row availability", "model", "StorageState"),
    ("local store record", "store", "Facts"),
    ("manifest", "model", "Manifest"),
    ("mapping file", "connectors", "RawFile"),
    ("package package.json", "verify", "PackageDescription"),
    ("package proofs.jsonl", "verify", "ProofLine"),
    ("package verification.json of an exhibit", "verify", "VerificationReport"),
    ("price list", "retrieval", "PriceList"),
    ("quarantine case", "ingest", "Case"),
    ("sidecar pauses[]", "model", "Pause"),
    ("verifier answer", "verify", "VerificationReport"),
    ("webhook data", "api", "Notice"),
    ("work export", "retrieval", "Export"),
    ("work ingest_item", "ingest", "ItemDoc"),
    ("work ingest_run", "ingest", "RunDoc"),
    ("work ingest_run source.readiness", "connectors", "Readiness"),
    ("work matter", "retrieval", "Matter"),
    ("work notification", "api", "Delivery"),
    ("work plan", "retrieval", "Plan"),
    ("work retrieval", "retrieval", "Job"),
    ("work turn", "retrieval", "Lanes"),
];

/// What shells answer and are asked beside the table of commands.
pub(crate) const SHELLS: &[Root] = &[
    ("answer of cli config check", "api", "ConfigProblem"),
    ("answer of cli demo", "api", "Demo"),
    ("answer of cli error", "cli", "Wrapped"),
    ("answer of cli keys", "api", "KeysMoved"),
    ("answer of cli ledger create", "api", "LedgerCreated"),
    ("api event", "api", "ApiEvent"),
    ("api media request", "gateway", "Choice"),
    ("api error", "api", "ApiError"),
    ("api window media", "app", "MediaAccess"),
];

/// Types that serde knows and that no document has, each with the reason. A new type is either part of a document or is listed
/// here: nothing is persisted unseen.
pub(crate) const NOT_PERSISTED: &[(&str, &str, &str)] = &[
    ("connectors", "Named", "the format of a mapping alone, read before the rest of it"),
    ("retrieval", "Named", "the format of a price list alone, read before the rest of it"),
    ("audio", "ChannelPeaks", "in memory; the waveform that is cached is the DTO"),
    ("audio", "Channels", "in memory"),
    ("audio", "DecoderKind", "in memory"),
    ("audio", "Defect", "in memory; its reason is persisted in words of the quarantine"),
    ("audio", "Peaks", "in memory"),
    ("audio", "PlayerState", "in memory"),
    ("audio", "ProbeOutcome", "in memory; the manifest has a probe of its own"),
    ("audio", "Resolution", "in memory"),
    ("audio", "Spec", "in memory"),
    ("audio", "Status", "in memory"),
    ("connectors", "Problem", "in memory; persisted as members of the quarantined item"),
    ("index", "AvailabilityState", "part of a query"),
    ("index", "Cursor", "one text, valid while an index answers"),
    ("index", "Facets", "in memory"),
    ("index", "Lease", "columns and attributes, which have sections of their own"),
    ("index", "Query", "hashed into a cursor"),
    ("index", "Sort", "part of a query"),
    ("index", "Work", "columns and attributes, which have sections of their own"),
    ("index", "WorkKind", "a text in columns and keys; see the section `work kind`"),
    ("ledger", "Checkpoint", "a signed note, which is text"),
    ("ledger", "ConsistencyProof", "in memory"),
    ("ledger", "InclusionProof", "in memory; packages have proofs of their own form"),
    ("ledger", "LedgerFault", "in memory; shown as a finding"),
    ("model", "IdempotencyKey", "hashed into the archive id"),
    ("model", "LegalHold", "in memory"),
    ("retrieval", "Choice", "in memory"),
    ("retrieval", "JobState", "the state of a row; see the section `work state retrieval`"),
    ("retrieval", "PlanState", "the state of a row; see the section `work state plan`"),
    ("store", "Capabilities", "in memory"),
    ("store", "ObjectInfo", "in memory"),
    ("verify", "IndexFacts", "compared in memory"),
    ("verify", "ReadEntry", "in memory"),
];
