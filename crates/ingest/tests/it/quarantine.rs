use crate::support::{Home, agent, sidecar, wav};
use holdfast_connectors::reason;
use holdfast_ingest::{Decision, IngestError, QuarantineCase, aside, state};
use holdfast_ledger::Action;
use holdfast_model::{Cancel, Fault as _, NoProgress};
use serde_json::json;
use std::{collections::BTreeMap, fs, sync::Arc};

async fn cases(home: &Home) -> BTreeMap<String, QuarantineCase> {
    home.archiver.quarantine_list(100).await.unwrap().into_iter().map(|c| (c.name.clone(), c)).collect()
}

async fn resolve(home: &Home, id: &str, decision: Decision) -> Result<QuarantineCase, IngestError> {
    let cancel = Cancel::default();
    home.archiver.quarantine_resolve(id, decision, "as discussed", &agent(), Arc::new(NoProgress), &cancel).await
}

/// The first half of a WAV, whose header still promises all of it.
fn half(ms: u64) -> Vec<u8> {
    let mut bytes = wav(ms, 4);
    bytes.truncate(bytes.len() / 2);
    bytes
}

#[tokio::test]
async fn whatever_does_not_fit_is_kept_with_a_reason() {
    let dir = tempfile::tempdir().unwrap();
    let home = Home::open(dir.path()).await;
    home.voice("good", 1_000);
    home.pair("cut", "wav", &half(10_000), &sidecar("cut", 10_000));
    home.pair("short", "wav", &wav(1_000, 1), &sidecar("short", 9_000));
    home.pair("long", "wav", &wav(9_000, 1), &sidecar("long", 1_000));
    home.pair("page", "wav", b"<html><body>404 not found</body></html>", &sidecar("page", 1_000));
    home.pair("empty", "wav", b"", &sidecar("empty", 1_000));
    fs::write(home.source().join("lonely.wav"), wav(500, 1)).unwrap();
    fs::write(home.source().join("meta.json"), sidecar("meta", 1).to_string()).unwrap();
    let mut bad = sidecar("bad", 1_000);
    bad["start"] = json!("yesterday");
    home.pair("bad", "wav", &wav(1_000, 1), &bad);
    let summary = home.ingest().await;
    assert_eq!((summary.discovered, summary.archived, summary.quarantined), (9, 1, 8), "{summary:?}");
    let cases = cases(&home).await;
    for (name, reason) in [
        ("cut.wav", aside::TRUNCATED),
        ("short.wav", aside::TRUNCATED),
        ("long.wav", aside::DURATION_MISMATCH),
        ("page.wav", aside::KIND_MISMATCH),
        ("empty.wav", aside::EMPTY),
        ("lonely.wav", reason::ORPHAN_MEDIA),
        ("meta.json", reason::ORPHAN_METADATA),
        ("bad.wav", reason::FIELD_INVALID),
    ] {
        let case = &cases[name];
        assert_eq!(case.reason, reason, "{case:?}");
        assert!(case.kept_at.is_some() && !case.sentence.is_empty());
    }
    let short = &cases["short.wav"];
    assert_eq!((short.expected.as_deref(), short.found.as_deref()), (Some("9000 ms"), Some("1000 ms")));
    assert!(cases["bad.wav"].place.is_some_and(|(line, _)| line > 1), "{:?}", cases["bad.wav"]);
    let kept = home.keys("quarantine").await;
    assert_eq!(kept.iter().filter(|k| k.contains("/case-")).count(), 8);
    assert_eq!(kept.iter().filter(|k| k.contains("/media-")).count(), 7);
    let quarantines = home.entries().await.iter().filter(|e| e.event.action == Action::Quarantine).count();
    assert_eq!(quarantines, 8);
    home.check().await;
}

#[tokio::test]
async fn a_mended_source_is_taken_in_at_the_next_run_or_by_retry() {
    let dir = tempfile::tempdir().unwrap();
    let home = Home::open(dir.path()).await;
    home.pair("a", "wav", &half(10_000), &sidecar("a", 10_000));
    home.pair("b", "wav", &half(10_000), &sidecar("b", 10_000));
    assert_eq!(home.ingest().await.quarantined, 2);
    let id = cases(&home).await["b.wav"].id.clone();
    // Nothing was mended yet: it comes back.
    let case = resolve(&home, &id, Decision::Retry).await.unwrap();
    assert_eq!((case.state.as_str(), case.reason.as_str()), (state::QUARANTINED, aside::TRUNCATED));
    home.pair("b", "wav", &wav(10_000, 4), &sidecar("b", 10_000));
    let case = resolve(&home, &id, Decision::Retry).await.unwrap();
    assert_eq!(case.state, state::ARCHIVED, "{case:?}");
    assert_eq!(cases(&home).await.len(), 1, "a retry concerns one item only");
    home.pair("a", "wav", &wav(10_000, 5), &sidecar("a", 10_000));
    assert_eq!(home.ingest().await.archived, 1);
    assert!(cases(&home).await.is_empty());
    assert_eq!(home.rows().await.len(), 2);
    home.check().await;
}

#[tokio::test]
async fn a_truncated_recording_can_be_accepted_even_when_the_source_is_gone() {
    let dir = tempfile::tempdir().unwrap();
    let home = Home::open(dir.path()).await;
    home.pair("a", "wav", &half(10_000), &sidecar("a", 10_000));
    home.ingest().await;
    let id = cases(&home).await["a.wav"].id.clone();
    for name in ["a.wav", "a.json"] {
        fs::remove_file(home.source().join(name)).unwrap();
    }
    let gone = resolve(&home, &id, Decision::Retry).await.unwrap_err();
    assert_eq!(gone.code(), "ingest.gone_from_source");
    assert_eq!(cases(&home).await.len(), 1, "nothing was changed");
    let case = resolve(&home, &id, Decision::Accept).await.unwrap();
    assert_eq!(case.state, state::ARCHIVED, "{case:?}");
    assert!(case.resolution.unwrap().contains("as discussed"));
    let row = home.rows().await.remove(0);
    assert!(row.probe.remarks.iter().any(|r| r.contains("truncation_detected")), "{:?}", row.probe);
    assert_eq!(row.record.recording_id, "a");
    home.check().await;
    let again = resolve(&home, &id, Decision::Accept).await.unwrap_err();
    assert_eq!(again.code(), "ingest.not_quarantined");
}

#[tokio::test]
async fn what_is_explained_stays_explained() {
    let dir = tempfile::tempdir().unwrap();
    let home = Home::open(dir.path()).await;
    fs::write(home.source().join("readme.wav"), "not a call").unwrap();
    home.ingest().await;
    let id = cases(&home).await["readme.wav"].id.clone();
    let refused = resolve(&home, &id, Decision::Accept).await.unwrap_err();
    assert_eq!(refused.code(), "ingest.cannot_accept");
    let cancel = Cancel::default();
    let silent = home
        .archiver
        .quarantine_resolve(&id, Decision::Explain, " ", &agent(), Arc::new(NoProgress), &cancel)
        .await
        .unwrap_err();
    assert_eq!(silent.code(), "ingest.reason_missing");
    assert_eq!(resolve(&home, &id, Decision::Explain).await.unwrap().state, state::EXPLAINED);
    let summary = home.ingest().await;
    assert_eq!((summary.explained, summary.quarantined), (1, 0));
    let said: Vec<_> =
        home.entries().await.into_iter().filter(|e| e.event.action == Action::QuarantineResolution).collect();
    assert_eq!((said.len(), said[0].event.reason.as_deref()), (1, Some("as discussed")));
    assert_eq!(home.archiver.quarantine_show("it-nothing").await.unwrap_err().code(), "ingest.no_such_item");
    home.check().await;
}
