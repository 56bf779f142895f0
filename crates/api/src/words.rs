//! Domain to words: how things are told to people and over the edge.

use crate::dto::*;
use holdfast_index::IndexRow;
use holdfast_ledger::{Action, EventOutcome, LedgerEntry, Phase};
use holdfast_model::{Availability, CanonicalRecord, ParticipantRole};
use holdfast_verify::{CheckResult, Severity, VerificationReport};
use jiff::Timestamp;
use serde::Serialize;

/// A domain enum's name on the wire: what serde writes for it.
pub(crate) fn word<T: Serialize>(value: &T) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(s)) => s,
        _ => String::new(),
    }
}

/// Keeps the last two characters, so that two customers can be told apart and neither be called.
pub(crate) fn masked(text: &str) -> String {
    let n = text.chars().count();
    let tail: String = text.chars().skip(n.saturating_sub(2)).collect();
    format!("•••{}", if n > 4 { &tail } else { "" })
}

fn shown(text: &str, role: ParticipantRole, mask: bool) -> String {
    if mask && role == ParticipantRole::Customer { masked(text) } else { text.to_owned() }
}

fn people(record: &CanonicalRecord, role: ParticipantRole, mask: bool) -> Vec<String> {
    let named = record.participants.iter().filter(|p| p.role == role);
    named.filter_map(|p| p.display_name.as_ref().or(p.identifier.as_ref())).map(|n| shown(n, role, mask)).collect()
}

pub(crate) fn participants(record: &CanonicalRecord, mask: bool) -> Vec<ParticipantView> {
    record
        .participants
        .iter()
        .map(|p| ParticipantView {
            role: word(&p.role),
            identifier: p.identifier.as_ref().map(|i| shown(i, p.role, mask)),
            display_name: p.display_name.as_ref().map(|n| shown(n, p.role, mask)),
        })
        .collect()
}

/// A row for lists. A rehydrated copy that has expired is told as offline.
pub(crate) fn result_row(row: &IndexRow, now: Timestamp, mask: bool) -> ResultRow {
    let r = &row.record;
    let (availability, expected_at, online_until) = match &row.availability {
        Availability::Online { until: None } => ("online", None, None),
        Availability::Online { until: Some(u) } if now < *u => ("online", None, Some(u.to_string())),
        Availability::Online { .. } | Availability::Offline => ("offline", None, None),
        Availability::Rehydrating { expected_at, .. } => ("rehydrating", expected_at.map(|t| t.to_string()), None),
    };
    ResultRow {
        archive_id: row.archive_id.to_string(),
        interaction_id: r.interaction_id.clone(),
        recording_id: r.recording_id.clone(),
        vendor: r.vendor.clone(),
        media: word(&r.media),
        start: r.start.to_string(),
        end: r.end.to_string(),
        duration_ms: row.duration_ms(),
        direction: r.direction.map(|d| word(&d)),
        queues: r.queues.clone(),
        agents: people(r, ParticipantRole::Agent, mask),
        customers: people(r, ParticipantRole::Customer, mask),
        tags: r.tags.clone(),
        availability: availability.into(),
        expected_at,
        online_until,
        tier: word(&row.tier_now()),
        size_bytes: row.fixity.size_bytes,
        held: !row.holds.is_empty(),
    }
}

/// Facts for people, in order of interest.
pub(crate) fn facts(row: &IndexRow) -> Vec<Fact> {
    let r = &row.record;
    let mut out = Vec::new();
    let mut add = |label: &str, value: Option<String>| {
        if let Some(value) = value.filter(|v| !v.is_empty()) {
            out.push(Fact { label: label.to_owned(), value });
        }
    };
    add("Interaction", Some(r.interaction_id.clone()));
    add("Recording", Some(r.recording_id.clone()));
    add("Vendor", Some(format!("{} / {}", r.vendor, r.organisation)));
    add("Began (UTC)", Some(r.start.to_string()));
    add("Ended (UTC)", Some(r.end.to_string()));
    add("Length declared", r.declared_duration_ms.map(length));
    add("Length measured", row.probe.measured_duration_ms.map(length));
    add("Pauses", (r.paused_ms() > 0).then(|| length(r.paused_ms())));
    add("Direction", r.direction.map(|d| word(&d)));
    add("Queues", Some(r.queues.join(", ")));
    add("Wrap-up", Some(r.wrap_up_codes.join(", ")));
    add("Divisions", Some(r.divisions.join(", ")));
    add("Tags", Some(r.tags.join(", ")));
    add("Language", r.language.clone());
    add("Notes", r.notes.clone());
    add("Session", r.session_id.clone());
    add("External tag", r.external_tag.clone());
    for (system, id) in &r.external_ids {
        add(&format!("Id in {system}"), Some(id.clone()));
    }
    add("Classification", r.classification.clone());
    add("Region", r.residency_region.clone());
    let p = &row.probe;
    let codec: Vec<&str> =
        [Some(p.container.as_str()), p.codec.as_deref(), p.video_codec.as_deref()].into_iter().flatten().collect();
    add("Format", Some(codec.join(", ")));
    let sound = p.channels.zip(p.sample_rate_hz).map(|(c, hz)| format!("{c} channel(s), {hz} Hz"));
    add("Sound", sound);
    add("Size", Some(format!("{} bytes", row.fixity.size_bytes)));
    add("Kept in", Some(row.storage_class_now().to_owned()));
    add("Taken in", Some(row.ingested_at.to_string()));
    for (name, value) in &r.attributes {
        add(name, Some(value.clone()));
    }
    out
}

fn length(ms: u64) -> String {
    format!("{}:{:02}:{:02}.{:03}", ms / 3_600_000, ms / 60_000 % 60, ms / 1000 % 60, ms % 1000)
}

/// A ledger entry for the custody timeline.
pub(crate) fn custody(entry: &LedgerEntry) -> CustodyRow {
    let e = &entry.event;
    CustodyRow {
        sequence: e.sequence,
        time: e.time.to_string(),
        action: word(&e.action),
        phase: word(&e.phase),
        sentence: sentence(entry),
        person: e.agent.person.clone(),
        role: e.agent.role.clone(),
        cloud_identity: e.agent.cloud_identity.clone(),
        matter: e.matter.as_ref().map(ToString::to_string),
        reason: e.reason.clone(),
        outcome: e.outcome.map(|o| word(&o)),
    }
}

fn sentence(entry: &LedgerEntry) -> String {
    let e = &entry.event;
    let what = match e.action {
        Action::LedgerCreated => "The ledger was begun",
        Action::LedgerUpgrade => "The ledger goes on in a later format",
        Action::Accession => "Taking into the archive",
        Action::Quarantine => "Set aside in quarantine",
        Action::QuarantineResolution => "Decision on an item in quarantine",
        Action::Explanation => "An interaction without a recording was explained",
        Action::MatterCreation => "Opening of a matter",
        Action::MatterItems => "Recordings of a matter",
        Action::MatterClosure => "Closing of a matter",
        Action::LegalHold => "Legal hold",
        Action::LegalHoldRelease => "Lifting of a legal hold",
        Action::RetentionExtension => "Longer retention",
        Action::Plan => "Plan for bringing back",
        Action::Approval => "Approval of a plan",
        Action::Rehydration => "Bringing back from the cold tier",
        Action::Download => "Copying to the desk",
        Action::Verification => "Verification",
        Action::Playback => "Playing",
        Action::Export if e.details.contains_key("package") => "Export of an evidence package",
        Action::Export => "Copying out of the desk",
        Action::IndexRebuild => "Rebuilding of the index",
        Action::Display => "The transcript was shown",
        Action::Link => "Making a link that lapses",
    };
    let how = match (e.phase, e.outcome) {
        (Phase::Intent, _) => " was begun".to_owned(),
        (_, Some(EventOutcome::Succeeded)) => ": done".to_owned(),
        (_, Some(EventOutcome::Failed)) => ": FAILED".to_owned(),
        (_, Some(EventOutcome::Refused)) => ": refused".to_owned(),
        (Phase::Outcome, None) => ": ended".to_owned(),
        (Phase::Fact, None) => String::new(),
    };
    let mut out = format!("{what}{how}");
    if let Some(code) = &e.code {
        out.push_str(&format!(" ({code})"));
    }
    if let (Some(from), Some(to)) = (&e.from, &e.to) {
        out.push_str(&format!(", {from} to {to}"));
    }
    out
}

pub(crate) fn findings(report: &VerificationReport) -> Vec<FindingView> {
    report.findings.iter().map(finding).collect()
}

pub(crate) fn finding(f: &holdfast_verify::Finding) -> FindingView {
    FindingView {
        code: f.code.as_str().to_owned(),
        severity: match f.severity {
            Severity::Failure => "failure",
            Severity::Remark => "remark",
        }
        .to_owned(),
        subject: f.subject.clone(),
        expected: f.expected.clone(),
        found: f.found.clone(),
        meaning: f.code.meaning().to_owned(),
    }
}

pub(crate) fn verification(report: &VerificationReport, subject: String, at: Timestamp) -> VerificationView {
    VerificationView {
        outcome: report.outcome.as_str().to_owned(),
        findings: findings(report),
        checks: report
            .checks
            .iter()
            .map(|c| CheckView {
                link: c.link.title().to_owned(),
                passed: c.result == CheckResult::Passed,
                result: word(&c.result),
            })
            .collect(),
        at: at.to_string(),
        subject,
    }
}

/// Reads a time as people write it: RFC 3339, or a date, which is its beginning in UTC, or its end where `end_of_day`.
pub(crate) fn time(text: &str, field: &str, end_of_day: bool) -> Result<Timestamp, crate::ApiError> {
    let bad = |_| {
        crate::ApiError::usage(
            "api.bad_time",
            format!("`{field}` is not a time: {}", text.chars().take(40).collect::<String>()),
            "Write it as 2026-03-31 or 2026-03-31T17:00:00Z (with Z or an offset such as -05:00).",
        )
    };
    let t = text.trim();
    if t.len() == 10 {
        let mut date: jiff::civil::Date = t.parse().map_err(bad)?;
        if end_of_day {
            date = date.tomorrow().map_err(bad)?;
        }
        return Ok(date.to_zoned(jiff::tz::TimeZone::UTC).map_err(bad)?.timestamp());
    }
    let at: Timestamp = t.parse().map_err(bad)?;
    Timestamp::from_millisecond(at.as_millisecond()).map_err(bad)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_people_write_them() {
        assert_eq!(time("2026-03-31", "to", false).unwrap().to_string(), "2026-03-31T00:00:00Z");
        assert_eq!(time("2026-03-31", "to", true).unwrap().to_string(), "2026-04-01T00:00:00Z");
        assert_eq!(time("2026-03-31T12:00:00-05:00", "to", true).unwrap().to_string(), "2026-03-31T17:00:00Z");
        for bad in ["", "soon", "31.3.2026", "2026-02-30", "9999-12-31"] {
            let got = time(bad, "to", true);
            assert!(got.is_err(), "{bad} {got:?}");
        }
    }

    #[test]
    fn masking_leaves_no_number() {
        assert_eq!(masked("+12025550123"), "•••23");
        assert_eq!(masked("Jo"), "•••");
    }
}
