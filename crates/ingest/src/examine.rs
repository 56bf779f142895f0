//! What a recording's bytes say against what its source says of it. Pure.

use crate::quarantine::{Reason, aside};
use holdfast_audio::{Defect, ProbeOutcome};
use holdfast_model::{CanonicalRecord, MediaKind, Probe};

/// What was found, fit for archiving.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Examined {
    pub(crate) probe: Probe,
    pub(crate) media_type: String,
    pub(crate) media: MediaKind,
}

/// Judges what a probe found. `from_content`: the source does not say what kind of media it is. `accepted`: a person said that it
/// is to be archived all the same.
pub(crate) fn judge(
    outcome: ProbeOutcome,
    record: &CanonicalRecord,
    from_content: bool,
    accepted: Option<&str>,
    threshold_ms: u64,
) -> Result<Examined, Box<Reason>> {
    let ProbeOutcome { mut probe, media_type, defects } = outcome;
    let media = if from_content { kind_of(&probe)? } else { record.media };
    if from_content {
        probe.remarks.push("the kind of media was told by the content, not by the metadata".into());
    }
    let record = CanonicalRecord { media, ..record.clone() };
    let mut wrong = Vec::new();
    for defect in &defects {
        match defect {
            // What nobody here can read is kept all the same, and marked as such by the probe.
            Defect::Unrecognised => {}
            Defect::KindMismatch { .. } if from_content => {}
            defect => wrong.push(of_defect(defect)),
        }
    }
    wrong.extend(length(&record, &probe, threshold_ms));
    match (wrong.into_iter().next(), accepted) {
        (None, _) => {}
        (Some(reason), None) => return Err(Box::new(reason)),
        (Some(reason), Some(before)) => {
            let facts = match (&reason.expected, &reason.found) {
                (Some(expected), Some(found)) => format!(": expected {expected}, found {found}"),
                _ => String::new(),
            };
            probe.remarks.push(format!("archived as it is by a person's decision in spite of {before}{facts}"));
        }
    }
    Ok(Examined { probe, media_type, media })
}

fn kind_of(probe: &Probe) -> Result<MediaKind, Box<Reason>> {
    match (&probe.video_codec, &probe.codec, probe.container.as_str()) {
        (Some(_), _, _) => Ok(MediaKind::Screen),
        (None, Some(_), _) => Ok(MediaKind::Voice),
        (None, None, "eml") => Ok(MediaKind::Email),
        _ => {
            let sentence = "neither the metadata nor the content tells what kind of media this is";
            Err(Box::new(Reason::new(aside::FIELD_MISSING, sentence)))
        }
    }
}

fn of_defect(defect: &Defect) -> Reason {
    let sentence = defect.to_string();
    match defect {
        Defect::Empty => Reason::new(aside::EMPTY, sentence),
        Defect::Unrecognised => Reason::new(aside::MALFORMED_MEDIA, sentence),
        Defect::KindMismatch { declared, found } => {
            let declared = serde_json::to_value(declared).ok().and_then(|v| v.as_str().map(str::to_owned));
            Reason::new(aside::KIND_MISMATCH, sentence).values(declared.unwrap_or_default(), found.clone())
        }
        Defect::Truncated { header_says, found } => {
            Reason::new(aside::TRUNCATED, sentence).values(header_says.clone(), found.clone())
        }
        Defect::Malformed { .. } => Reason::new(aside::MALFORMED_MEDIA, sentence),
    }
}

/// Declared (or end minus start) less the pauses, against measured.
fn length(record: &CanonicalRecord, probe: &Probe, threshold_ms: u64) -> Option<Reason> {
    let (expected, found) = (record.expected_media_ms()?, probe.measured_duration_ms?);
    if expected.abs_diff(found) <= threshold_ms {
        return None;
    }
    let (reason, word) =
        if found < expected { (aside::TRUNCATED, "shorter") } else { (aside::DURATION_MISMATCH, "longer") };
    let by = expected.abs_diff(found);
    let sentence = format!("the recording is {by} ms {word} than its source says (pauses taken off)");
    Some(Reason::new(reason, sentence).values(format!("{expected} ms"), format!("{found} ms")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn record() -> CanonicalRecord {
        serde_json::from_value(json!({
            "vendor": "v", "organisation": "o", "interaction_id": "c", "recording_id": "r", "media": "voice",
            "start": "2024-01-01T00:00:00Z", "end": "2024-01-01T00:01:00Z",
            "pauses": [{"kind": "hold", "start_ms": 0, "end_ms": 10_000}],
        }))
        .unwrap()
    }

    fn sound(ms: u64, defects: Vec<Defect>) -> ProbeOutcome {
        let probe = Probe {
            container: "wav".into(),
            codec: Some("pcm_s16le".into()),
            measured_duration_ms: Some(ms),
            decodable: true,
            ..Probe::default()
        };
        ProbeOutcome { probe, media_type: "audio/wav".into(), defects }
    }

    fn reason(outcome: ProbeOutcome) -> String {
        judge(outcome, &record(), false, None, 2_000).unwrap_err().reason
    }

    #[test]
    fn pauses_count_before_a_length_is_judged() {
        for ms in [48_000, 50_000, 52_000] {
            assert!(judge(sound(ms, vec![]), &record(), false, None, 2_000).is_ok(), "{ms}");
        }
        assert_eq!(reason(sound(47_999, vec![])), "truncation_detected");
        assert_eq!(reason(sound(52_001, vec![])), "duration_mismatch");
        let kept = judge(sound(10_000, vec![]), &record(), false, None, 2_000).unwrap_err();
        assert_eq!((kept.expected.as_deref(), kept.found.as_deref()), (Some("50000 ms"), Some("10000 ms")));
    }

    #[test]
    fn defects_have_reasons_and_what_cannot_be_read_is_kept() {
        let truncated = Defect::Truncated { header_says: "9 bytes".into(), found: "5 bytes".into() };
        assert_eq!(reason(sound(50_000, vec![truncated.clone()])), "truncation_detected");
        assert_eq!(reason(sound(50_000, vec![Defect::Empty])), "empty");
        assert_eq!(reason(sound(50_000, vec![Defect::Malformed { what: "x".into() }])), "malformed_media");
        let text = Defect::KindMismatch { declared: MediaKind::Voice, found: "text".into() };
        assert_eq!(reason(sound(50_000, vec![text])), "kind_mismatch");
        let unknown = ProbeOutcome {
            probe: Probe { container: "unknown".into(), ..Probe::default() },
            media_type: "application/octet-stream".into(),
            defects: vec![Defect::Unrecognised],
        };
        assert!(judge(unknown, &record(), false, None, 2_000).is_ok());
        let accepted =
            judge(sound(1_000, vec![truncated]), &record(), false, Some("truncation_detected"), 2_000).unwrap();
        assert!(accepted.probe.remarks[0].contains("expected 9 bytes, found 5 bytes"), "{accepted:?}");
    }

    #[test]
    fn the_content_tells_the_kind_where_the_metadata_does_not() {
        let judge = |outcome| judge(outcome, &record(), true, None, 2_000);
        let voice = judge(sound(50_000, vec![])).unwrap();
        assert_eq!((voice.media, voice.probe.remarks.len()), (MediaKind::Voice, 1));
        let mut video = sound(50_000, vec![]);
        video.probe.video_codec = Some("h264".into());
        assert_eq!(judge(video).unwrap().media, MediaKind::Screen);
        let text = |container: &str| ProbeOutcome {
            probe: Probe { container: container.into(), ..Probe::default() },
            media_type: "text/plain".into(),
            defects: vec![Defect::KindMismatch { declared: MediaKind::Voice, found: "text".into() }],
        };
        assert_eq!(judge(text("eml")).unwrap().media, MediaKind::Email);
        assert_eq!(judge(text("txt")).unwrap_err().reason, "field_missing");
    }
}
