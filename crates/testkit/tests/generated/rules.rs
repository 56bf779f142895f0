//! Where in the sources persisted names are that are no members of serde's documents. Who moves or renames what is named here
//! changes it here, and the committed list of names stays as it is.

use crate::picks::{
    Pick::{self, Attribute, Call, Everywhere, Members, Method, SomeCall, SomeMethod, Within},
    Rule, form, word,
};

const fn rule(
    section: &'static str,
    files: &'static [&'static str],
    pick: Pick,
    names: fn(&str) -> Vec<String>,
) -> Rule {
    Rule { section, files, pick, names }
}

const SHIPPED: &[&str] = &["crates/", "src-tauri/"];
const INDEX: &str = "crates/index/src/dynamodb/";
const META: &str = "crates/index/src/dynamodb/meta.rs";
const ROW: &str = "crates/index/src/dynamodb/row.rs";
const WORK: &[&str] = &["crates/index/src/dynamodb/work.rs", "crates/index/src/dynamodb/work_item.rs"];
const HEAD: &str = "crates/ledger/src/local/dynamodb/";
const API: &str = "crates/api/src/";
const RETRIEVAL: &str = "crates/retrieval/src/";
const OPEN: &str = "crates/retrieval/src/matter/open.rs";
const PACKAGE: &str = "crates/verify/src/package/";
const PROVISION: &str = "crates/provision/src/";

pub(crate) const RULES: &[Rule] = &[
    // Codes.
    rule("error code", SHIPPED, Within(&["code"]), dotted),
    rule("error code", SHIPPED, SomeCall(&["ApiError::new"], 1), dotted),
    rule("error code", SHIPPED, SomeCall(&["ApiError::usage"], 0), dotted),
    rule("error code", &["crates/retrieval/src/job/turn.rs"], Within(&["LANE_BUSY"]), dotted),
    rule("finding code", &["crates/verify/src/finding.rs"], Everywhere, dotted),
    rule("preflight check", &["crates/provision/src/preflight/mod.rs"], Within(&["CHECKS"]), dotted),
    rule("quarantine reason", &["crates/connectors/src/problem.rs"], Within(&["reason"]), word),
    rule("quarantine reason", &["crates/ingest/src/quarantine/mod.rs"], Within(&["aside"]), word),
    // The ledger.
    rule("event details", SHIPPED, Method(&["detail", "details.insert"], 0), word),
    rule("event token", SHIPPED, Method(&["once"], 0), form),
    rule("event token", &["crates/ledger/src/event.rs"], Within(&["outcome_token"]), form),
    rule("event token", &["crates/ingest/src/run.rs"], Within(&["intent_token"]), form),
    rule("event token", &["crates/retrieval/src/job/mod.rs"], Within(&["token_of"]), form),
    rule("event token", &[RETRIEVAL], Method(&["token_of"], 0), form),
    rule("ledger file", &["crates/ledger/src/tile.rs"], Within(&["path", "bundle_path", "indexed"]), form),
    rule("ledger file", &["crates/ledger/src/local/folder.rs"], Within(&["forget_partials"]), slashed),
    rule("ledger file", &["crates/ledger/src/local/tiles.rs"], Within(&["published"]), form),
    rule("ledger file", &["crates/api/src/cloud/tiles.rs"], Within(&["publish", "newest", "at"]), slashed),
    // Work.
    rule("work kind", &["crates/index/src/work.rs"], Within(&["WorkKind::as_str"]), word),
    rule("work matter_item", &["crates/retrieval/src/matter/settle.rs"], Members, word),
    rule("work ingest_run source", &["crates/connectors/src/folder/mod.rs"], Members, word),
    rule("work ingest_run source", &["crates/ingest/src/quarantine/source.rs"], Members, word),
    rule("work state export", &["crates/retrieval/src/export.rs"], Within(&["MAKING", "MADE", "FAILED"]), word),
    rule("work state ingest", &["crates/ingest/src/item.rs"], Within(&["state"]), word),
    rule("work state matter", &[OPEN], Within(&["OPENING", "CHANGING", "OPEN", "CLOSED"]), word),
    rule("work state matter_item", &["crates/retrieval/src/matter/settle.rs"], Call(&["Work::new"], 2), word),
    rule("work state notification", &["crates/api/src/notify/outbox.rs"], Within(&["State::as_str", "IN_USE"]), word),
    rule(
        "work state plan",
        &["crates/retrieval/src/plans.rs"],
        Within(&["PROPOSING", "APPROVING", "PROPOSED", "APPROVED", "SUPERSEDED"]),
        word,
    ),
    rule(
        "work state retrieval",
        &["crates/retrieval/src/job/mod.rs"],
        Within(&["JobState::as_str", "state_name"]),
        form,
    ),
    rule("work state retrieval", &["crates/retrieval/src/job/drive.rs"], Within(&["CANCELLING"]), word),
    rule("work state turn", &["crates/retrieval/src/job/turn.rs"], Within(&["ASKING"]), word),
    rule("id", &["crates/model/src/id.rs"], Within(&["archive_id"]), form),
    rule("id", &["crates/ingest/src/item.rs"], Within(&["item_id"]), form),
    rule("id", &[OPEN], Within(&["matter_id"]), path),
    rule("id", &["crates/retrieval/src/matter/mod.rs"], Within(&["exhibit"]), form),
    rule("id", &["crates/retrieval/src/matter/settle.rs"], Call(&["Work::new"], 1), form),
    rule("id", &["crates/retrieval/src/plans.rs"], Within(&["plan_numbered", "make_plan"]), filled),
    rule("id", &["crates/retrieval/src/job/mod.rs"], Within(&["job_id"]), form),
    rule("id", &["crates/api/src/notify/outbox.rs"], Within(&["row_id", "in_use", "keep"]), form),
    rule("id", &["crates/api/src/notify/notice.rs"], Within(&["notices"]), path),
    // DynamoDB. That each attribute is in the format's document is checked beside (`persisted.rs`).
    rule("dynamodb attribute", &[INDEX], Within(&["PK", "SK", "STATE_KEY", "TIME_KEY", "PARENT"]), word),
    rule("dynamodb attribute", &["crates/provision/src/aws/table.rs"], Within(&["TTL"]), word),
    rule("dynamodb attribute of META", &[META], SomeMethod(&["item.insert", "item.get"], 0), word),
    rule("dynamodb attribute of META", &[META], SomeCall(&["text", "number", "bytes"], 1), word),
    rule("dynamodb attribute of a row", &[ROW], SomeMethod(&["item.insert", "i.contains_key"], 0), word),
    rule("dynamodb attribute of a row", &[ROW], SomeCall(&["told"], 0), word),
    rule("dynamodb attribute of a row", &[ROW], SomeCall(&["text", "number", "bytes"], 1), word),
    rule("dynamodb attribute of work", WORK, SomeMethod(&["part.insert"], 0), word),
    rule("dynamodb attribute of work", WORK, SomeCall(&["set", "owned", "time"], 0), word),
    rule("dynamodb attribute of work", WORK, SomeCall(&["text", "number", "bytes"], 1), word),
    rule("dynamodb attribute of the ledger", &[HEAD], SomeMethod(&["item.insert"], 0), word),
    rule("dynamodb attribute of the ledger", &[HEAD], SomeCall(&["text", "number", "blob", "text_of_number"], 1), word),
    rule("dynamodb attribute of the ledger", &[HEAD], Within(&["CONDITIONED"]), word),
    rule("dynamodb index", &[INDEX], Within(&["BY_STATE"]), word),
    rule("dynamodb key", &[INDEX, HEAD], Everywhere, partition),
    rule("dynamodb key", &[INDEX], Within(&["Generation::value", "Calendar::letter"]), capitals),
    rule("dynamodb key", &[META], Within(&["key"]), word),
    rule("dynamodb key", &["crates/ledger/src/local/dynamodb/calls.rs"], Within(&["HEAD"]), word),
    // Objects.
    rule("object metadata", &["crates/ingest/src/accession.rs"], Within(&["options"]), word),
    rule("object metadata", &["crates/provision/src/preflight/objects.rs"], Within(&["META"]), dashed),
    rule("object metadata azure", &["crates/store/src/azure/names.rs"], Within(&["WRITE", "UNTIL"]), word),
    rule("object metadata azure", &["crates/store/src/azure/names.rs"], Within(&["claimed_digest"]), word),
    rule("object metadata azure", &["crates/store/src/azure/names.rs"], SomeCall(&["encode"], 0), word),
    rule(
        "object metadata s3",
        &["crates/store/src/s3/"],
        Within(&["WRITE_ID", "OLDER_DIGEST", "Order::metadata"]),
        word,
    ),
    rule("object tag", &["crates/ingest/src/accession.rs"], Within(&["options"]), tag),
    rule("object tag", &["crates/ingest/src/quarantine/keep.rs"], Within(&["create_kept"]), tag),
    rule("object tag", &["crates/provision/src/preflight/objects.rs"], Within(&["TAG"]), dashed),
    rule(
        "key",
        &["crates/model/src/key.rs"],
        Within(&["RECORDINGS", "MANIFESTS", "PAYLOADS", "DERIVATIVES", "LEDGER", "RecordKeys::of", "manifest_of"]),
        form,
    ),
    rule("key", &["crates/ingest/src/quarantine/keep.rs"], Within(&["kept_key"]), path),
    rule("key", &["crates/api/src/cloud/tiles.rs"], Within(&["StoreTiles::new"]), form),
    rule(
        "key of provisioning",
        &["crates/provision/src/lib.rs"],
        Within(&["PREFLIGHT_PREFIX", "MEDIA_PREFIX", "META_PREFIXES"]),
        form,
    ),
    rule("storage class", &["crates/store/src/local/facts.rs"], Within(&["CLASS_HOT", "CLASS_COLD"]), word),
    rule("local store file", &["crates/store/src/local/layout.rs"], Within(&["OWN", "draft_facts"]), word),
    rule("local store file", &["crates/store/src/local/"], Method(&["own"], 0), word),
    rule("local store file", &["crates/store/src/local/session.rs"], Within(&["draft", "draft_of_update"]), form),
    rule("local store file", &["crates/store/src/local/facts.rs"], Within(&["folder"]), word),
    rule("local store file store.json", &["crates/store/src/local/disk.rs"], Members, word),
    // Files of a home, of a desk and of the window.
    rule("file", &[API, RETRIEVAL, "src-tauri/"], SomeMethod(&["join"], 0), path),
    rule("file", &["crates/api/src/home.rs"], Within(&["MARKER"]), word),
    rule("file", &["crates/api/src/keys/mod.rs"], Within(&["RECORD"]), word),
    rule("file", &["crates/api/src/keys/mod.rs"], Within(&["keep"]), filled),
    rule("file", &["crates/api/src/secrets.rs"], Within(&["RECORD"]), word),
    rule("file", &["crates/api/src/demo/mod.rs"], Within(&["MARKER"]), word),
    rule("file", &["crates/retrieval/src/job/"], Within(&["file_name", "aside_path", "record_path"]), form),
    rule("keyring entry", &["crates/api/src/keys/store.rs"], Within(&["SERVICE"]), word),
    rule("keyring entry", &["crates/api/src/keys/mod.rs"], Within(&["keep"]), filled),
    rule("keyring entry", &["crates/api/src/secrets.rs"], Within(&["account"]), form),
    rule("keyring entry", &["crates/api/src/secrets.rs"], Within(&["SecretName::text"]), form),
    // Packages and what is read and written for others.
    rule("package file", &["crates/verify/src/package/mod.rs"], Within(&["path"]), form),
    rule("package file", &["crates/verify/src/package/write.rs"], Within(&["add_exhibit_as"]), filled),
    rule("package file", &["crates/verify/src/package/write.rs"], Within(&["create"]), filled),
    rule("package bag-info.txt", &["crates/verify/src/package/bag.rs"], Within(&["info", "OXUM"]), dashed),
    rule("package bagit.txt", &["crates/verify/src/package/bag.rs"], Within(&["DECLARATION"]), labels),
    rule("package differences", &[PACKAGE], Within(&["VARIES"]), form),
    rule("load file column", &["crates/reports/src/loadfile.rs"], Within(&["FIELDS"]), capitals),
    rule("cost report column", &["crates/reports/src/costs.rs"], Within(&["costs_csv"]), columns),
    rule("sidecar", &["crates/connectors/src/sidecar.rs"], Within(&["assemble", "duration", "participants"]), word),
    rule("sidecar", &["crates/connectors/src/sidecar.rs"], Within(&["pauses", "transcript", "into_attributes"]), word),
    rule("csv manifest column", &["crates/connectors/src/folder/manifest.rs"], Within(&["canonical"]), word),
    rule(
        "mapping file field",
        &["crates/connectors/src/mapping/file.rs"],
        Within(&["FIELDS", "PARTICIPANT", "PAUSE"]),
        word,
    ),
    rule("webhook", &["crates/api/src/notify/webhook.rs"], Members, word),
    rule("webhook", &["crates/api/src/notify/webhook.rs"], SomeMethod(&["header"], 0), dashed),
    rule("format", SHIPPED, Everywhere, format),
    // Shells.
    rule("answer of cli", &["crates/cli/src/run.rs"], Members, word),
    rule("answer of the gateway", &["crates/gateway/src/answer.rs"], Members, word),
    rule("answer of the verifier", &["crates/verify/src/main.rs"], Members, word),
    rule("http route", &["crates/gateway/src/"], Method(&["route"], 0), form),
    rule("cloud resource", &[PROVISION], Everywhere, resource),
    rule("environment", SHIPPED, Call(&["var", "var_os", "trigger"], 0), word),
    rule("environment", SHIPPED, Everywhere, variable),
    rule("environment of cli", SHIPPED, Attribute("env"), word),
    rule("environment", &["crates/api/src/cloud/azure.rs"], Call(&["set"], 0), word),
    // Tests.
    rule("crash point", SHIPPED, Call(&["step", "fail_after", "passed", "boundary"], 0), word),
];

fn keep(text: &str, is_it: bool) -> Vec<String> {
    if is_it { vec![text.to_owned()] } else { Vec::new() }
}

/// `a.b`
fn dotted(text: &str) -> Vec<String> {
    let part = |p: &str| !p.is_empty() && p.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    keep(text, text.contains('.') && text.split('.').all(part))
}

/// `a-b`
fn dashed(text: &str) -> Vec<String> {
    word(text).into_iter().filter(|t| t.contains('-')).collect()
}

/// `AB`
fn capitals(text: &str) -> Vec<String> {
    keep(text, text.len() > 1 && text.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit()))
}

/// What could be a file's name or a path: no sentence, no separator of a list.
fn path(text: &str) -> Vec<String> {
    let no_path = |c: char| matches!(c, ' ' | ',' | ';' | '&' | '+' | '|');
    let has_letters = text.chars().any(|c| c.is_ascii_alphanumeric());
    form(text).into_iter().filter(|t| has_letters && !t.contains(no_path)).collect()
}

/// A path that has a folder or of which something is filled in.
fn slashed(text: &str) -> Vec<String> {
    path(text).into_iter().filter(|t| t.contains(['/', '{'])).collect()
}

/// A path of which something is filled in.
fn filled(text: &str) -> Vec<String> {
    path(text).into_iter().filter(|t| t.contains('{')).collect()
}

/// A key of DynamoDB: its parts are separated by `#`. In expressions `#` begins a name.
fn partition(text: &str) -> Vec<String> {
    let is_expression = text.contains([' ', '=']) || text.starts_with('#');
    path(text).into_iter().filter(|t| t.contains('#') && !is_expression).collect()
}

/// A tag's name: metadata but the archive id; of a tag with its value the name.
fn tag(text: &str) -> Vec<String> {
    word(text).into_iter().filter(|t| !["archive-id", "quarantine"].contains(&t.as_str())).collect()
}

/// `Label: value` on lines.
fn labels(text: &str) -> Vec<String> {
    text.lines().filter_map(|l| l.split_once(": ")).flat_map(|(label, _)| word(label)).collect()
}

/// The heading of a table of comma-separated values.
fn columns(text: &str) -> Vec<String> {
    if text.matches(',').count() > 5 { text.trim().split(',').flat_map(word).collect() } else { Vec::new() }
}

/// `holdfast-event/1`
fn format(text: &str) -> Vec<String> {
    let name = |t: &str| t.len() > 3 && t.bytes().all(|b| b.is_ascii_lowercase() || b == b'-');
    keep(text, text.split_once('/').is_some_and(|(t, n)| name(t) && n.parse::<u32>().is_ok()))
}

/// A name in the customer's cloud.
fn resource(text: &str) -> Vec<String> {
    word(text).into_iter().filter(|t| t.to_ascii_lowercase().starts_with("holdfast")).collect()
}

/// `HOLDFAST_HOME`, `HOLDFAST_SECRET_{}`
fn variable(text: &str) -> Vec<String> {
    form(text).into_iter().filter(|t| t.starts_with("HOLDFAST_") && !t.contains([' ', '=', '<'])).collect()
}
