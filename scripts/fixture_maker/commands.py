"""The commands of which the output is kept."""


def commands(story):
    """Every command of which the output is kept, with its name. Each runs over a copy of its own, so they may write."""
    ids, matters = story.ids, story.matters
    yield "status", "status"
    yield "config-show", "config", "show"
    yield "config-check", "config", "check"
    yield "credentials-list", "credentials", "list"
    yield from searches(matters)
    voice = ("cold-1", "cold-3", "cold-4", "cold-6", "hot-1", "hot-2", "hot-3", "hot-4", "longer", "tampered")
    for name in (*voice, "chat-1", "email-1", "message-1", "screen-1"):
        yield f"show-{name}", "show", ids[name]
    yield "show-unknown", "show", "hf-nothing"
    yield "matter-list", "matter", "list"
    for name, matter in matters.items():
        yield f"matter-show-{name.lower()}", "matter", "show", matter
    yield "matter-show-unknown", "matter", "show", "M-0"
    yield "jobs", "jobs"
    yield "jobs-all", "jobs", "--all"
    yield "jobs-matter", "jobs", "--all", "--matter", matters["Partial"]
    yield "notify-list", "notify", "list"
    yield "notify-test", "notify", "test"
    yield "archiver-status", "archiver", "status"
    yield "quarantine-list", "archiver", "quarantine", "list"
    for n, item in enumerate(story.quarantine):
        yield f"quarantine-show-{n}-{item['reason']}", "archiver", "quarantine", "show", item["id"]
    yield "quarantine-show-unknown", "archiver", "quarantine", "show", "it-0"
    yield "ledger-show", "ledger", "show"
    yield "ledger-show-first", "ledger", "show", "--from", "0", "--limit", "100"
    yield "ledger-show-recording", "ledger", "show", "--id", ids["tampered"]
    yield "ledger-show-matter", "ledger", "show", "--matter", matters["Whole"]
    yield "ledger-verify", "ledger", "verify"
    yield "ledger-checkpoint", "ledger", "checkpoint"
    yield "ledger-create", "ledger", "create"
    yield "index-check", "index", "check"
    yield "index-rebuild", "index", "rebuild"
    yield "index-refresh", "index", "refresh"
    yield "costs", "costs"
    yield "costs-last", "costs", "--last"
    for what in ("plan", "apply", "emit"):
        yield f"provision-{what}", "provision", what
    yield "preflight", "preflight"
    yield from acts(story)


def searches(matters):
    yield "search-all", "search", "--limit", "100", "--facets"
    for option, value in (
        *(("agent", "dana"), ("queue", "trading"), ("participant", "Jane Doe"), ("tag", "finra"), ("interaction", "hot-1")),
        *(("vendor", "nice"), ("media", "screen"), ("tier", "cold"), ("direction", "outbound"), ("matter", matters["Held"])),
        *(("from", "2026-10-10"), ("to", "2024-03-04"), ("limit", "3"), ("cursor", "nonsense")),
    ):
        yield f"search-{option}", "search", f"--{option}", value
    yield "search-external", "search", "--interaction", "C-77"
    yield "search-text", "search", "dispute", "charge"
    yield "search-mail", "search", "mortgage"
    yield "search-nothing", "search", "zeppelin"


def acts(story):
    """Commands that do something, and some that are refused."""
    ids, matters = story.ids, story.matters
    for name in ("hot-1", "cold-1", "cold-3", "tampered", "chat-1", "screen-1"):
        yield f"verify-{name}", "verify", ids[name]
    yield "verify-file", "verify", "@ROOT@/drop/hot-1.wav"
    yield "verify-stranger", "verify", "@ROOT@/drop/orphan.wav"
    yield "verify-package", "verify", f"@ROOT@/home/exports/{matters['Whole']}_evidence"
    yield "verify-unknown", "verify", "no-such-thing"
    yield "play-tampered", "play", ids["tampered"], "--reason", "To hear what is wrong."
    yield "play-no-reason", "play", ids["hot-1"]
    yield "link", "link", ids["hot-1"], "--reason", "For counsel."
    yield "plan", "plan", "--matter", matters["Planned"]
    yield "plan-late", "plan", "--matter", matters["Planned"], "--deadline", "2026-11-01"
    yield "plan-expedited", "plan", "--matter", matters["Held"], "--speed", "expedited"
    yield "plan-unknown", "plan", "--matter", "M-0"
    create = ("matter", "create", "--name", "New v. Acme", "--reference", "26-CV-99", "--justification", "Subpoena.")
    yield "matter-create", *create, "--deadline", "2026-12-24"
    yield "matter-create-bad", *create, "--deadline", "soon"
    yield "matter-add", "matter", "add", matters["Empty"], ids["hot-1"], ids["cold-1"]
    yield "matter-add-closed", "matter", "add", matters["Closed"], ids["hot-1"]
    yield "matter-hold", "matter", "hold", matters["Planned"], "--reason", "Duty to preserve."
    yield "matter-release", "matter", "hold", matters["Held"], "--release", "--reason", "Withdrawn."
    yield "matter-close", "matter", "close", matters["Held"], "--reason", "Settled.", "--release-holds"
    yield "retrieve", "retrieve", "--matter", matters["Planned"]
    yield "retrieve-one", "retrieve", "--matter", matters["Planned"], ids["hot-1"]
    yield "retrieve-closed", "retrieve", "--matter", matters["Closed"]
    yield "jobs-cancel", "jobs", "--matter", matters["Partial"], "--cancel"
    yield "export", "export", "--matter", matters["Whole"], "--to", "@ROOT@/out/again"
    yield "export-refused", "export", "--matter", matters["Mismatch"]
    yield "export-partial", "export", "--matter", matters["Mismatch"], "--partial", "--to", "@ROOT@/out/again"
    yield "archiver-run", "archiver", "run", "--once"
    yield "archiver-ingest-unknown", "archiver", "ingest", "@ROOT@/nowhere"
    items = {i["reason"]: i["id"] for i in story.quarantine}
    for decision, reason in (
        *(("explain", "orphan_metadata"), ("accept", "truncation_detected"), ("accept", "field_missing")),
        ("retry", "conflict"),
    ):
        resolve = ("archiver", "quarantine", "resolve", items[reason], "--decision", decision, "--reason", "Looked into.")
        yield f"quarantine-{decision}-{reason}", *resolve
    yield "demo", "demo", "--no-open"


def with_input():
    """Commands that read standard input: name, input, arguments."""
    yield "keys-export", "a long enough passphrase\n", "keys", "export", "@ROOT@/keys.json"
    yield "keys-export-short", "short\n", "keys", "export", "@ROOT@/keys.json"
    yield "credentials-set-unknown", "secret\n", "credentials", "set", "nothing"
    yield "credentials-set", "a password\n", "credentials", "set", "smtp-password"
