//! `docs/formats/persisted-names.txt` lists every name that data, files, clouds, shells and configurations of customers may carry.
//! It is generated from the code, and a test fails on a removal: a rename in the code must not reach what is persisted.

use crate::{
    contracts::{commands, settings},
    documents::Types,
    errors,
    literals::Literals,
    picks::find,
    roots::{NOT_PERSISTED, ROOTS, SHELLS},
    rules::RULES,
    source, sqlite,
};
use std::{collections::BTreeSet, fmt::Write as _, fs};

/// Section and name.
type Names = BTreeSet<(String, String)>;

const FILE: &str = "docs/formats/persisted-names.txt";

const HEADER: &str = "\
# Every name that is persisted or that others rely on, one a line: the section, a tab, the name. Members of documents are named by
# their path (`items[].archive_id`; `{}` is any key of a map), values out of a fixed list as `member=value`. In texts that are
# filled in, `{}` is what is filled in.
#
# Generated from the code by `scripts/bindings`, which adds names and never takes one away. A test fails when a name in this file is no
# longer in the code: data that was written before carries it. Keep the name, or go on reading it beside the new one
# (`#[serde(alias = \"...\")]`). A line may be taken out by hand only where no version that customers have has written the name, or
# where everything that carries it is still read in another way; the commit says which.

";

/// What the schema of the configuration does not describe.
const NOT_IN_SCHEMA: [&str; 2] = ["archive.rehydration.{}=", "retention.policy."];

fn pair(section: &str, name: &str) -> (String, String) {
    (section.to_owned(), name.to_owned())
}

/// All names that the code has, and what is wrong with the lists that lead to them.
fn produced() -> (Names, Vec<String>) {
    let sources = source::shipped();
    let literals: Vec<Literals> = sources.iter().map(Literals::of).collect();
    let mut found = find(RULES, &literals);
    let codes: Names = errors::all(&sources).into_keys().map(|code| pair("error code", &code)).collect();
    let codes_found = found.names.iter().filter(|(section, _)| section == "error code");
    found
        .problems
        .extend(codes_found.filter(|c| !codes.contains(c)).map(|(_, code)| format!("errors.rs lists no {code}")));
    found.names.extend(codes);
    found.names.extend(sqlite::names());
    let mut types = Types::of(&sources);
    for (section, package, root) in ROOTS.iter().chain(SHELLS) {
        match types.document(package, root) {
            Ok(names) => found.names.extend(names.iter().map(|name| pair(section, name))),
            Err(problem) => found.problems.push(format!("{section}: {problem}")),
        }
    }
    match commands(&sources, &mut types) {
        Ok(names) => found.names.extend(names),
        Err(problem) => found.problems.push(problem),
    }
    let settings = settings();
    // The one document whose members are known in another way too.
    let seen = types.document("api", "Config").unwrap_or_default();
    let differs =
        seen.symmetric_difference(&settings).filter(|name| !NOT_IN_SCHEMA.iter().any(|n| name.starts_with(n)));
    found.problems.extend(differs.map(|name| format!("documents.rs and the configuration's schema differ on {name}")));
    found.names.extend(seen.union(&settings).map(|name| pair("configuration", name)));
    found.problems.extend(unlisted(&types));
    (found.names, found.problems)
}

/// Types that serde knows and that are neither part of a document nor listed as not persisted, and the reverse.
fn unlisted(types: &Types) -> Vec<String> {
    let listed: Names = NOT_PERSISTED.iter().map(|(package, name, _)| pair(package, name)).collect();
    let unreached = types.unreached();
    let new = unreached.difference(&listed).map(|(package, name)| {
        format!("{package}::{name} is written or read by serde and is part of no document in roots.rs")
    });
    let old = listed.difference(&unreached).map(|(package, name)| {
        format!("roots.rs lists {package}::{name} as not persisted, but a document has it or there is no such type")
    });
    new.chain(old).collect()
}

fn parse(text: &str) -> Names {
    let lines = text.lines().filter(|l| !l.is_empty() && !l.starts_with('#'));
    lines
        .map(|l| l.split_once('\t').unwrap_or_else(|| panic!("{FILE}: no tab in {l:?}")))
        .map(|(s, n)| pair(s, n))
        .collect()
}

fn render(names: &Names) -> String {
    let mut text = String::from(HEADER);
    for (section, name) in names {
        writeln!(text, "{section}\t{name}").unwrap();
    }
    text
}

/// What the file is to say: what it says already, and what is new.
fn updated(committed: &Names, produced: &Names) -> String {
    render(&committed.union(produced).cloned().collect())
}

/// Why the file does not fit the code.
fn complaints(committed: &Names, produced: &Names) -> Vec<String> {
    let gone = committed.difference(produced).map(|(section, name)| {
        format!("removed or renamed, but data that was written before carries it (see the head of {FILE}): {section}: {name}")
    });
    let new =
        produced.difference(committed).map(|(section, name)| format!("new, run scripts/bindings: {section}: {name}"));
    gone.chain(new).collect()
}

#[test]
fn generated_list_of_persisted_names_is_current() {
    let path = source::root().join(FILE);
    let (produced, problems) = produced();
    if std::env::var_os("HOLDFAST_WRITE_GENERATED").is_some() {
        let committed = parse(&fs::read_to_string(&path).unwrap_or_default());
        fs::write(&path, updated(&committed, &produced)).unwrap();
    }
    let text = fs::read_to_string(&path).unwrap_or_default();
    let committed = parse(&text);
    let all = [problems, complaints(&committed, &produced)].concat();
    assert!(all.is_empty(), "{} problems:\n{}", all.len(), all.join("\n"));
    assert!(text == render(&committed), "{FILE} is out of order; run scripts/bindings");
}

/// One or more names of every kind that must be found: a rule that silently finds too little does not pass unseen.
const WELL_KNOWN: &[(&str, &[&str])] = &[
    ("answer of cli", &["address", "problems"]),
    ("answer of cli demo", &["matter_id"]),
    ("answer of cli error", &["error.code"]),
    ("answer matter", &["items[].recording.archive_id", "plan.totals.cost"]),
    ("answer search", &["results[].archive_id", "facets.vendor[].count"]),
    ("api event", &["event=progress"]),
    ("cloud resource", &["holdfast-archiver", "holdfast.cfn.yaml"]),
    ("command", &["search", "quarantine_resolve"]),
    ("configuration", &["archive.s3.media_bucket", "archive.backend=azure", "archiver.sources[].folder"]),
    ("cost report", &["lines[].storage_class"]),
    ("cost report column", &["storage_class", "counted_at"]),
    ("crash point", &["ingest.stored", "ledger.staged", "retrieval.rehydration_asked", "link.made"]),
    ("csv manifest column", &["agent_name", "wrap_up_codes"]),
    ("custody report", &["exhibits[].sha256"]),
    ("dynamodb attribute", &["pk", "gs", "ttl"]),
    ("dynamodb attribute of META", &["salt", "dead"]),
    ("dynamodb attribute of a row", &["d", "dn", "h", "tw"]),
    ("dynamodb attribute of work", &["dn", "lw", "st", "ut"]),
    ("dynamodb attribute of the ledger", &["chunk_count", "entry", "key", "tiled"]),
    ("dynamodb index", &["by_state"]),
    ("dynamodb key", &["META", "head", "WHO", "UNTIL", "G#{}#R#{}", "L#{}", "e#{:020}"]),
    ("environment", &["HOLDFAST_SECRET_{}", "HOLDFAST_SET_", "LC_ALL", "XDG_DATA_HOME"]),
    ("environment of cli", &["HOLDFAST_HOME"]),
    ("error code", &["connectors.outside", "home.foreign", "ledger.head_lost", "retrieval.unverified"]),
    (
        "event",
        &["event.action=legal_hold_release", "event.details", "event.outcome=refused", "event.phase=intent", "mac"],
    ),
    ("event details", &["package", "manifest_sha256", "clock_behind_ms", "heard_to_ms", "rows"]),
    ("event token", &["ledger-created", "accession:{}:{}:{}", "matter:{}:{}", "outcome:{}"]),
    ("file", &["holdfast.toml", "index.sqlite", "keys.json", "credentials.json", "window-lock", ".part"]),
    ("file keys export", &["iterations"]),
    ("file of a download", &["durable_bytes"]),
    ("finding code", &["bytes.digest_mismatch"]),
    ("format", &["holdfast-event/1", "holdfast-manifest/1", "holdfast-local-object/1", "holdfast-package/1"]),
    ("http route", &["/api/{}"]),
    ("id", &["M-{:04}-{:04}", "HF-{:04}", "hf-{}", "it-{}"]),
    ("index row", &["record.participants[].role=agent", "accession_sequence"]),
    ("key", &["recordings/", "ledger/", "items/{}/{}-{}.{}"]),
    ("keyring entry", &["holdfast", "ledger-{}", "smtp-password"]),
    ("ledger file", &["tile/{}/{}", "tile/entries/{}", "checkpoint", "checkpoint/{:020}-{}"]),
    ("load file column", &["BEGDOC", "NATIVELINK"]),
    ("local store file", &["facts", "incoming", "store.json", "hot"]),
    ("local store record", &["history[].legal_hold", "rehydration.ready_at", "tier=cold"]),
    ("manifest", &["object.fixity.digest", "record.pauses[].kind=secure_pause", "accession.ledger_intent"]),
    ("mapping file", &["rule[].match", "rule[].fields.{}.at"]),
    ("mapping file field", &["wrap_up_codes"]),
    ("object metadata", &["archive-id", "retention-class", "residency"]),
    ("object metadata azure", &["holdfast_write", "holdfast_until", "sha256"]),
    ("object metadata s3", &["holdfast-write", "sha256", "sha256-hash"]),
    ("object tag", &["retention-class", "holdfast"]),
    ("package bag-info.txt", &["Payload-Oxum"]),
    ("package file", &["package.json", "data/loadfile/holdfast.dat"]),
    ("package package.json", &["exhibits[].manifest_sha256", "withheld[].reason"]),
    ("package proofs.jsonl", &["leaf"]),
    ("package verification.json of an exhibit", &["checks[].link=inclusion"]),
    ("preflight check", &["preflight.object_lock"]),
    ("price list", &["class.{}.expedited.per_gb"]),
    ("quarantine case", &["kept[].fixity.digest"]),
    ("quarantine reason", &["orphan_media", "truncation_detected"]),
    ("request retrieve", &["plan"]),
    ("sidecar", &["interaction_id", "wrap_up_code", "duration_ms", "transcript"]),
    ("sqlite index", &["doc_{}.archive_id", "control.live", "pending.holds"]),
    ("sqlite ledger head", &["head.checkpoint", "lookup.key", "tail.entry"]),
    ("sqlite work", &["work.doc"]),
    ("webhook", &["data", "webhook-signature"]),
    ("webhook data", &["matter_id", "kind=expiring"]),
    ("work export", &["seal"]),
    ("work ingest_item", &["aside.resolution.decision=accept"]),
    ("work ingest_run", &["summary.fault.code"]),
    ("work ingest_run source", &["mapping_path", "readiness"]),
    ("work kind", &["matter_item", "turn"]),
    ("work matter", &["items[].archive_id", "change.what.do=release", "closed.reason"]),
    ("work matter_item", &["exhibit"]),
    ("work notification", &["notice.kind=ready"]),
    ("work plan", &["body.items[].options[].speed=bulk", "body.refusals[].code=plan.deadline_past"]),
    ("work retrieval", &["report.findings[].code", "stamp"]),
    ("work state ingest", &["dead_lettered"]),
    ("work state matter", &["changing"]),
    ("work state plan", &["superseded"]),
    ("work state retrieval", &["verified", "cancelling", "{}@{}"]),
    ("work turn", &["{}"]),
];

#[test]
fn every_kind_of_name_is_found() {
    let committed = parse(&fs::read_to_string(source::root().join(FILE)).unwrap());
    let mut missing = Vec::new();
    for (section, names) in WELL_KNOWN {
        missing
            .extend(names.iter().filter(|name| !committed.contains(&pair(section, name))).map(|name| (section, name)));
    }
    assert!(missing.is_empty(), "{missing:#?}");
    // Each kind of work has a document.
    let kinds = committed.iter().filter(|(section, _)| section == "work kind");
    for (_, kind) in kinds {
        assert!(committed.iter().any(|(section, _)| *section == format!("work {kind}")), "work {kind}");
    }
    let document = fs::read_to_string(source::root().join("docs/formats/dynamodb.md")).unwrap();
    for (_, attribute) in committed.iter().filter(|(section, _)| section.starts_with("dynamodb attribute")) {
        assert!(document.contains(&format!("`{attribute}`")), "docs/formats/dynamodb.md does not have `{attribute}`");
    }
}

#[test]
fn a_name_that_is_gone_is_named_and_never_dropped() {
    let committed = parse("# head\n\nmanifest\tarchive_id\nwork matter\titems[].exhibit\n");
    let mut produced = committed.clone();
    assert!(complaints(&committed, &produced).is_empty());
    assert!(produced.remove(&pair("work matter", "items[].exhibit")));
    produced.insert(pair("work matter", "items[].number"));
    let [gone, new] = complaints(&committed, &produced).try_into().unwrap();
    assert!(gone.starts_with("removed or renamed") && gone.ends_with(": work matter: items[].exhibit"), "{gone}");
    assert_eq!(new, "new, run scripts/bindings: work matter: items[].number");
    let text = updated(&committed, &produced);
    assert_eq!(parse(&text), committed.union(&produced).cloned().collect());
    assert_eq!(complaints(&parse(&text), &produced).len(), 1, "writing adds names and takes none away: {text}");
}
