//! Answers as text for people.

use holdfast_api::dto::*;
use std::fmt::Write as _;

/// Lines up columns by their longest cell; cells of the last column run on.
fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let mut widths: Vec<usize> = head.iter().map(|h| h.chars().count()).collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut out = String::new();
    let mut line = |cells: &mut dyn Iterator<Item = &str>| {
        let mut text = String::new();
        for (i, cell) in cells.enumerate() {
            let pad = widths.get(i).copied().unwrap_or(0).saturating_sub(cell.chars().count());
            let _ = write!(text, "{cell}{}  ", " ".repeat(pad));
        }
        let _ = writeln!(out, "{}", text.trim_end());
    };
    line(&mut head.iter().copied());
    for row in rows {
        line(&mut row.iter().map(String::as_str));
    }
    out
}

/// `1:02:03`, `2:03`.
pub(crate) fn clock(ms: u64) -> String {
    let s = ms / 1000;
    if s >= 3600 {
        format!("{}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60)
    } else {
        format!("{}:{:02}", s / 60, s % 60)
    }
}

/// `3 days`, `4 h`, `15 min`, `20 s`.
fn span(ms: u64) -> String {
    match ms / 1000 {
        s if s >= 2 * 86_400 => format!("{} days", s / 86_400),
        s if s >= 2 * 3_600 => format!("{} h", s / 3_600),
        s if s >= 120 => format!("{} min", s / 60),
        s => format!("{s} s"),
    }
}

fn bytes(n: u64) -> String {
    indicatif::HumanBytes(n).to_string()
}

/// Control characters of outside data never reach the terminal, nor those that show a text in another order.
fn safe(text: &str) -> String {
    holdfast_api::visible(text).into_owned()
}

fn day_time(t: &str) -> String {
    t.get(..16).unwrap_or(t).replace('T', " ")
}

pub(crate) fn search(page: &SearchPage) -> String {
    let rows: Vec<Vec<String>> = page
        .results
        .iter()
        .map(|r| {
            vec![
                r.archive_id.clone(),
                day_time(&r.start),
                r.media.clone(),
                r.duration_ms.map(clock).unwrap_or_default(),
                r.availability.clone(),
                safe(&r.queues.join(", ")),
                safe(&r.agents.join(", ")),
                safe(&r.interaction_id),
            ]
        })
        .collect();
    let mut out = table(&["ID", "BEGAN (UTC)", "KIND", "LENGTH", "NOW", "QUEUE", "AGENT", "INTERACTION"], &rows);
    let more = if page.total_is_exact { "" } else { "+" };
    let _ = writeln!(out, "{} of {}{more} found.", page.results.len(), page.total);
    if let Some(cursor) = &page.next_cursor {
        let _ = writeln!(out, "More with --cursor {cursor}");
    }
    if let Some(f) = &page.facets {
        let named = [
            ("vendor", &f.vendor),
            ("kind", &f.media),
            ("queue", &f.queue),
            ("agent", &f.agent),
            ("tag", &f.tag),
            ("tier", &f.tier),
            ("direction", &f.direction),
            ("year", &f.year),
        ];
        for (name, values) in named {
            let list: Vec<String> = values.iter().map(|v| format!("{} {}", safe(&v.value), v.count)).collect();
            let _ = writeln!(out, "{name}: {}", list.join(", "));
        }
    }
    out
}

pub(crate) fn recording(r: &RecordingDetail) -> String {
    let mut out = format!("{}  {}  {}\n", r.row.archive_id, r.row.media, r.row.availability);
    for fact in &r.facts {
        let _ = writeln!(out, "  {:<22} {}", fact.label, safe(&fact.value));
    }
    for p in &r.participants {
        let who: Vec<String> = [&p.display_name, &p.identifier].into_iter().flatten().map(|s| safe(s)).collect();
        let _ = writeln!(out, "  {:<22} {}", p.role, who.join(", "));
    }
    let _ = writeln!(out, "  {:<22} {}", "SHA-256", r.sha256);
    let _ = writeln!(
        out,
        "  {:<22} {} until {} ({}, by rule {}: {})",
        "Retention", r.retention.class, r.retention.until, r.retention.mode, r.retention.rule, r.retention.legal_basis
    );
    if !r.holds.is_empty() {
        let _ = writeln!(out, "  {:<22} {}", "Held by", r.holds.join(", "));
    }
    for remark in &r.remarks {
        let _ = writeln!(out, "  {:<22} {}", "Remark", safe(remark));
    }
    if let Some(v) = &r.verification {
        out.push_str(&verification(v));
    }
    out.push_str("Chain of custody\n");
    out.push_str(&custody(&r.custody));
    out
}

pub(crate) fn custody(rows: &[CustodyRow]) -> String {
    let mut out = String::new();
    for c in rows {
        let (sentence, person, role) = (safe(&c.sentence), safe(&c.person), safe(&c.role));
        let _ = writeln!(out, "  {:>6}  {}  {sentence}  ({person}, {role})", c.sequence, c.time);
        if let Some(reason) = &c.reason {
            let _ = writeln!(out, "          because: {}", safe(reason));
        }
    }
    out
}

pub(crate) fn verification(v: &VerificationView) -> String {
    let word = match v.outcome.as_str() {
        "verified" => "VERIFIED: these are the bytes that were archived.",
        "verified_with_remarks" => "VERIFIED WITH REMARKS",
        "self_consistent" => {
            "CONSISTENT WITH ITSELF; ORIGIN NOT ESTABLISHED: verify again with --key and the archive's fingerprint."
        }
        _ => "FAILED: this must not be used as evidence until it is explained.",
    };
    let mut out = format!("{word}  [{}]\n", safe(&v.subject));
    for f in &v.findings {
        let _ = writeln!(out, "  {} {} {}", f.severity, f.code, safe(&f.subject));
        if !f.expected.is_empty() || !f.found.is_empty() {
            let _ = writeln!(out, "      expected {}\n      found    {}", safe(&f.expected), safe(&f.found));
        }
        if !f.meaning.is_empty() {
            let _ = writeln!(out, "      {}", f.meaning);
        }
    }
    let count = |result: &str| v.checks.iter().filter(|c| c.result == result).count();
    if !v.checks.is_empty() {
        let _ = writeln!(
            out,
            "  Links of the chain: {} hold, {} do not, {} could not be looked at.",
            count("passed"),
            count("failed"),
            count("not_checked")
        );
        let mut open: Vec<&str> =
            v.checks.iter().filter(|c| c.result == "not_checked").map(|c| c.link.as_str()).collect();
        open.sort_unstable();
        open.dedup();
        if !open.is_empty() {
            let _ = writeln!(out, "  Not looked at, as what it needs is not at hand here: {}.", open.join("; "));
        }
    }
    out
}

pub(crate) fn matters(list: &[MatterView]) -> String {
    let rows: Vec<Vec<String>> = list
        .iter()
        .map(|m| {
            let held = if m.held { "held" } else { "" };
            vec![
                m.matter_id.clone(),
                m.state.clone(),
                day_time(&m.deadline),
                format!("{}/{}", m.verified, m.items),
                held.to_owned(),
                safe(&m.reference),
                safe(&m.name),
            ]
        })
        .collect();
    table(&["MATTER", "STATE", "DUE (UTC)", "VERIFIED", "HOLD", "REFERENCE", "NAME"], &rows)
}

pub(crate) fn matter(d: &MatterDetail) -> String {
    let mut out = matters(std::slice::from_ref(&d.matter));
    let _ = writeln!(out, "Justification: {}", safe(&d.matter.justification));
    let rows: Vec<Vec<String>> = d
        .items
        .iter()
        .map(|i| {
            let state = i.job.as_ref().map_or(i.recording.availability.clone(), |j| j.state.clone());
            vec![
                i.exhibit.clone(),
                i.recording.archive_id.clone(),
                day_time(&i.recording.start),
                i.recording.media.clone(),
                state,
            ]
        })
        .collect();
    out.push_str(&table(&["EXHIBIT", "ID", "BEGAN (UTC)", "KIND", "STATE"], &rows));
    if let Some(p) = &d.plan {
        out.push_str(&plan(p));
    }
    for e in &d.exports {
        let _ = writeln!(out, "Package {} ({}, {} recordings)", e.package, e.outcome, e.items);
    }
    out
}

pub(crate) fn plan(p: &PlanView) -> String {
    let rows: Vec<Vec<String>> = p
        .items
        .iter()
        .map(|i| {
            let chosen = i.chosen.as_deref().and_then(|c| i.options.iter().find(|o| o.speed == c));
            let (expected, worst, cost) =
                chosen.map_or_else(Default::default, |o| (span(o.expected_ms), span(o.worst_ms), o.cost.clone()));
            vec![
                i.archive_id.clone(),
                i.storage_class.clone(),
                bytes(i.size_bytes),
                i.chosen.clone().unwrap_or_else(|| i.availability.clone()),
                expected,
                worst,
                cost,
                i.cannot_meet.clone().unwrap_or_default(),
            ]
        })
        .collect();
    let mut out = format!("Plan {} for {} ({}), due {}\n", p.plan_id, p.matter_id, p.state, p.deadline);
    out.push_str(&table(&["ID", "KEPT IN", "SIZE", "SPEED", "EXPECTED", "AT WORST", "COST", "CANNOT MAKE IT"], &rows));
    let t = &p.totals;
    let _ = writeln!(
        out,
        "{} recordings, {}: {} readable now, {} to bring back, {} cannot make the deadline.\nCosts {} {} (prices of {}). \
         Expected complete {}, at worst {}.",
        t.items,
        bytes(t.size_bytes),
        t.online,
        t.to_rehydrate,
        t.cannot_meet,
        t.cost,
        t.currency,
        p.prices_dated,
        t.expected_at,
        t.worst_at
    );
    let parts = [
        ("requests", &t.requests_cost),
        ("bringing back", &t.bytes_cost),
        ("copies beside what is archived", &t.copies_cost),
        ("leaving a class early", &t.early_deletion_cost),
        ("download", &t.download_cost),
    ];
    let parts: Vec<String> = parts
        .iter()
        .filter(|(_, c)| c.bytes().any(|b| (b'1'..=b'9').contains(&b)))
        .map(|(n, c)| format!("{n} {c}"))
        .collect();
    if !parts.is_empty() {
        let _ = writeln!(out, "Of it: {}.", parts.join(", "));
    }
    for m in &p.mix {
        let speed = m.speed.as_deref().unwrap_or("nothing to ask for");
        let _ = writeln!(
            out,
            "  {}: {} x {speed}, {}, {} {}",
            m.storage_class,
            m.items,
            bytes(m.size_bytes),
            m.cost,
            t.currency
        );
    }
    for r in &p.refusals {
        let _ = writeln!(out, "REFUSED for {} of {} ({}): {} {}", r.items, t.items, r.code, r.reason, r.advice);
        if let Some(earliest) = &r.earliest {
            let _ = writeln!(out, "  The earliest that can be promised: {earliest}");
        }
    }
    for remark in &p.remarks {
        let _ = writeln!(out, "Remark: {}", safe(remark));
    }
    out
}

pub(crate) fn costs(answer: &CostsAnswer) -> String {
    let Some(r) = &answer.report else {
        return "Nothing was counted yet; `holdfast costs` counts it.\n".into();
    };
    let t = &r.totals;
    let optional = |amount: &Option<String>| amount.clone().unwrap_or_else(|| "-".into());
    let mut out = format!(
        "Keeping the archive costs {c} {} a month, {c} {} a year; in the standard class {c} {} a month. Saving a year: {c} {}.\n",
        t.month,
        t.year,
        t.month_standard,
        t.saving_year,
        c = r.currency
    );
    let lines: Vec<Vec<String>> = r
        .lines
        .iter()
        .map(|l| {
            vec![
                l.kind.clone(),
                safe(&l.class_name),
                l.objects.to_string(),
                bytes(l.size_bytes),
                optional(&l.month),
                optional(&l.month_on_top),
                optional(&l.month_standard),
                optional(&l.saving_year),
                optional(&l.early_deletion),
            ]
        })
        .collect();
    out.push_str(&table(
        &["WHAT", "KEPT IN", "OBJECTS", "SIZE", "A MONTH", "ON TOP", "STANDARD", "SAVED/YEAR", "IF ALL LEFT"],
        &lines,
    ));
    let years: Vec<Vec<String>> = r
        .years
        .iter()
        .map(|y| {
            let year = if y.year == 0 { "unknown".into() } else { y.year.to_string() };
            let size = bytes(y.size_bytes);
            vec![year, y.objects.to_string(), size, y.month.clone(), y.month_standard.clone(), y.saving_year.clone()]
        })
        .collect();
    out.push_str(&table(&["YEAR", "RECORDINGS", "SIZE", "A MONTH", "STANDARD", "SAVED/YEAR"], &years));
    let _ = writeln!(out, "Counted {}. Prices of {}: {}", r.counted_at, r.prices_dated, safe(&r.prices_source));
    for remark in &r.remarks {
        let _ = writeln!(out, "- {}", safe(remark));
    }
    out
}

pub(crate) fn jobs(items: &[JobView]) -> String {
    let rows: Vec<Vec<String>> = items
        .iter()
        .map(|j| {
            let note = j.problem.as_deref().or(j.path.as_deref()).or(j.expected_at.as_deref()).unwrap_or_default();
            vec![
                j.archive_id.clone(),
                j.matter_id.clone(),
                j.state.clone(),
                format!("{}/{}", bytes(j.done_bytes), bytes(j.size_bytes)),
                safe(note),
            ]
        })
        .collect();
    let mut out = table(&["ID", "MATTER", "STATE", "BYTES", "EXPECTED, PATH OR PROBLEM"], &rows);
    for j in items {
        for f in &j.findings {
            let _ = writeln!(
                out,
                "  {} {}: expected {}, found {}",
                j.archive_id,
                f.code,
                safe(&f.expected),
                safe(&f.found)
            );
        }
    }
    out
}

pub(crate) fn export(e: &ExportView) -> String {
    format!(
        "{}\n{} recordings, {}. Seal (SHA-256 of tagmanifest-sha256.txt): {}\nAnyone can check it: see HOW-TO-CHECK.txt in it, or run \
         `holdfast-verify`.\n",
        e.package, e.items, e.outcome, e.seal
    )
}

pub(crate) fn ingest(s: &IngestSummary) -> String {
    format!(
        "Run {}: {} discovered = {} archived + {} already archived + {} in quarantine + {} awaited + {} explained + {} failed{}\n\
         {} in {}.{}\n",
        s.run_id,
        s.discovered,
        s.archived,
        s.already,
        s.quarantined,
        s.awaiting,
        s.explained,
        s.failed,
        if s.complete { "; the sum holds." } else { "; THE SUM DOES NOT HOLD." },
        bytes(s.bytes),
        clock(s.elapsed_ms),
        s.problem.as_ref().map(|p| format!("\n{}", safe(p))).unwrap_or_default()
    )
}

pub(crate) fn archiver(s: &ArchiverStatus) -> String {
    let mut out = format!("{} recordings archived.\n", s.archived);
    for c in &s.open {
        let _ = writeln!(out, "  {:<14} {}", c.state, c.count);
    }
    for source in &s.sources {
        let _ = writeln!(out, "Source {} ({}): {}", source.name, source.kind, source.place);
    }
    for r in &s.runs {
        let _ = write!(out, "{}  {}  {}", r.started_at, safe(&r.source), ingest(&r.summary));
    }
    out
}

pub(crate) fn quarantine(items: &[QuarantineItem]) -> String {
    let mut out = String::new();
    for q in items {
        let _ = writeln!(out, "{}  {}  {}  {}", q.id, q.state, q.reason, safe(&q.item));
        let _ = writeln!(out, "    {}", safe(&q.sentence));
        if let (Some(e), Some(f)) = (&q.expected, &q.found) {
            let _ = writeln!(out, "    expected {}, found {}", safe(e), safe(f));
        }
        if let Some(k) = &q.kept_at {
            let _ = writeln!(out, "    kept at {}", safe(k));
        }
    }
    if items.is_empty() {
        out.push_str("Nothing is in quarantine.\n");
    }
    out
}

pub(crate) fn ledger_report(r: &LedgerReportView) -> String {
    let mut out = format!("{} entries checked in {} ms: {}\n", r.entries, r.elapsed_ms, r.outcome);
    for f in &r.findings {
        let _ = writeln!(out, "  {} {}: expected {}, found {}", f.code, f.subject, f.expected, f.found);
    }
    out
}

pub(crate) fn refresh(r: &RefreshView) -> String {
    let mut out = format!("{} recordings looked at, {} lie elsewhere than was noted.\n", r.looked_at, r.changed);
    if r.missing > 0 {
        let _ = writeln!(out, "The bytes of {} are not in the storage: run `holdfast verify` on them.", r.missing);
    }
    out
}

pub(crate) fn index_report(r: &IndexReport) -> String {
    let mut out = format!(
        "{} rows, {} manifests: {} missing, {} surplus, {} different, {} unfinished, {} damaged.\n",
        r.rows, r.manifests, r.missing, r.surplus, r.different, r.unfinished, r.damaged
    );
    for f in &r.findings {
        let _ = writeln!(out, "  {} {}: expected {}, found {}", f.code, f.subject, safe(&f.expected), safe(&f.found));
    }
    out
}

pub(crate) fn settings(s: &SettingsView) -> String {
    let mut out = format!("File: {}\n", s.file.as_deref().unwrap_or("none; everything is at its default"));
    for p in &s.problems {
        let _ = writeln!(out, "PROBLEM line {} column {}: {}", p.line, p.column, p.message);
    }
    let rows: Vec<Vec<String>> =
        s.values.iter().map(|v| vec![v.name.clone(), v.value.clone(), v.from.clone(), v.meaning.clone()]).collect();
    out.push_str(&table(&["SETTING", "VALUE", "FROM", "MEANING"], &rows));
    out
}

/// Where the archive lies, who one is there, and what keeps it out of reach.
fn cloud(s: &Status) -> String {
    if s.archive == "local" && s.index == "sqlite" {
        return "nothing; all is on this machine".into();
    }
    let who = s.cloud_identity.as_deref().unwrap_or("unknown to the cloud's own word");
    let trouble = s.trouble.as_deref().map(|t| format!("\n                NOT REACHED: {t}")).unwrap_or_default();
    format!("archive {}, index {}, as {who}{trouble}", s.archive, s.index)
}

/// The note, and the two forms of its key under their own names.
pub(crate) fn checkpoint(p: &CheckpointView) -> String {
    format!("{}\nKey fingerprint {}\nPublic key      {}", p.text, p.key_fingerprint, p.key)
}

pub(crate) fn status(s: &Status) -> String {
    format!(
        "Holdfast {}{}\nHome            {}\nYou             {} ({})\nRecordings      {}\nLedger          {} entries, {}\nKey fingerprint {}\nPublic key      {}\n\
         Keys            {}\nIn the cloud    {}\nOpen matters    {}\nIn quarantine   {}\nffmpeg          {}\n",
        s.version,
        if s.demo { "  DEMONSTRATION ARCHIVE" } else { "" },
        s.home,
        s.person,
        s.role,
        s.recordings,
        s.ledger_entries,
        s.ledger_id,
        s.ledger_key_fingerprint,
        s.ledger_key,
        s.keys,
        cloud(s),
        s.open_matters,
        s.quarantined,
        if s.ffmpeg { "found" } else { "not found; some formats cannot be played here" }
    )
}
