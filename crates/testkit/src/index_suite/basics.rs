use super::rows::{Made, Random, RowMaker, at, derive};
use holdfast_index::{AvailabilityState, IndexError, InsertOutcome, MAX_LIMIT, Query, RecordingIndex};
use holdfast_model::{Availability, CanonicalRecord, Fault as _, MatterId, Sha256Digest, StorageState, StorageTier};
use serde_json::json;
use std::sync::Arc;

/// A row whose record has these fields beside the mandatory ones.
fn with(number: u32, fields: serde_json::Value) -> Made {
    let mut json = json!({
        "vendor": "v", "organisation": "o", "interaction_id": format!("c{number}"), "recording_id": "r", "media": "voice",
        "start": "2024-01-01T00:00:00Z", "end": "2024-01-01T00:01:00Z",
    });
    json.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    let record: CanonicalRecord = serde_json::from_value(json).unwrap();
    (derive(record, &number.to_string(), &mut Random(u64::from(number))), None)
}

async fn total(index: &dyn RecordingIndex, q: Query) -> u64 {
    index.search(&q).await.unwrap().total
}

async fn total_of(index: &dyn RecordingIndex, text: &str) -> u64 {
    total(index, Query { text: Some(text.into()), ..Query::default() }).await
}

/// The same row twice is one recording; the same recording with another manifest is a conflict that changes nothing.
pub async fn inserts_each_recording_once(index: Arc<dyn RecordingIndex>) {
    let (row, text) = RowMaker::new(2).row(0);
    assert_eq!(index.insert(&row, text.as_deref()).await.unwrap(), InsertOutcome::Inserted);
    assert_eq!(index.insert(&row, None).await.unwrap(), InsertOutcome::Same);
    let mut other = row.clone();
    other.manifest_sha256 = Sha256Digest::of(b"another manifest");
    other.fixity.size_bytes += 1;
    let conflict = InsertOutcome::Conflict { existing: Box::new(row.clone()) };
    assert_eq!(index.insert(&other, None).await.unwrap(), conflict);
    assert_eq!(index.get(&row.archive_id).await.unwrap(), Some(row.clone()));
    assert_eq!(index.count().await.unwrap(), 1);
    // What was told about it since does not make it another.
    let availability = Availability::Online { until: Some(at(1)) };
    index.set_state(&row.archive_id, &StorageState { availability, ..row.state() }).await.unwrap();
    assert_eq!(index.insert(&row, None).await.unwrap(), InsertOutcome::Same);
}

/// A batch is one transaction with one outcome each, a repeat within it included.
pub async fn inserts_a_batch_at_once(index: Arc<dyn RecordingIndex>) {
    let maker = RowMaker::new(2);
    index.insert_many(vec![maker.row(1)]).await.unwrap();
    let outcomes = index.insert_many(vec![maker.row(0), maker.row(1), maker.row(2), maker.row(0)]).await.unwrap();
    use InsertOutcome::{Inserted, Same};
    assert_eq!(outcomes, [Inserted, Same, Inserted, Same]);
    assert_eq!(index.count().await.unwrap(), 3);
    assert_eq!(index.insert_many(Vec::new()).await.unwrap(), []);

    let mut wrong = maker.row(4);
    wrong.0.archive_id = maker.row(5).0.archive_id;
    assert!(index.insert_many(vec![maker.row(3), wrong]).await.is_err());
    assert_eq!(index.get(&maker.row(3).0.archive_id).await.unwrap(), None);
}

/// The archive id is made from the idempotency key, so a row under another one is refused.
pub async fn refuses_a_row_under_a_wrong_id(index: Arc<dyn RecordingIndex>) {
    let maker = RowMaker::new(2);
    let (mut row, _) = maker.row(0);
    row.archive_id = maker.row(1).0.archive_id;
    let e = index.insert(&row, None).await.unwrap_err();
    assert_eq!(e.code(), "index.invalid");
    assert_eq!(index.count().await.unwrap(), 0);
}

/// By archive id, by idempotency key, by another system's id.
pub async fn finds_by_id_key_and_external_id(index: Arc<dyn RecordingIndex>) {
    let a = with(1, json!({"external_ids": {"crm": "b=7", "legacy": "7"}})).0;
    let b = with(2, json!({"external_ids": {"crm=b": "7"}})).0;
    for row in [&a, &b] {
        index.insert(row, None).await.unwrap();
    }
    assert_eq!(index.get(&a.archive_id).await.unwrap().as_ref(), Some(&a));
    assert_eq!(index.get(&"hf-none".parse().unwrap()).await.unwrap(), None);
    let mut key = b.record.idempotency_key();
    assert_eq!(index.get_by_key(&key).await.unwrap().as_ref(), Some(&b));
    key.recording_id = "R".into();
    assert_eq!(index.get_by_key(&key).await.unwrap(), None);
    assert_eq!(index.find_external("crm", "b=7").await.unwrap().as_slice(), std::slice::from_ref(&a));
    assert_eq!(index.find_external("crm=b", "7").await.unwrap(), [b]);
    assert_eq!(index.find_external("legacy", "7").await.unwrap(), [a]);
    assert_eq!(index.find_external("legacy", "8").await.unwrap(), []);
}

/// Nothing that a person can type is an error, and nothing in it is syntax.
pub async fn takes_any_text(index: Arc<dyn RecordingIndex>) {
    let (row, _) = with(1, json!({"notes": "it's a 50% refund, NOT a NEAR miss; naïve co-operation \u{1F600}"}));
    index.insert(&row, None).await.unwrap();
    let hostile = [
        "\"",
        "'",
        "\"\"\"",
        "*",
        "a*",
        "^a",
        "NEAR(",
        "NEAR/2",
        "a NEAR b",
        "AND",
        "OR OR",
        "NOT",
        "-a",
        "col:a",
        "{a}",
        "(a",
        "a)",
        "a+b",
        "%",
        "_",
        "\\",
        "\0",
        "a\0b",
        "\u{202e}a",
        "; DROP TABLE doc_1; --",
        "\u{1F600}",
        "ﬁ",
        "\u{10ffff}",
        "\u{301}",
        "😀😀😀",
        "a\nb\tc",
    ];
    for text in hostile {
        for text in [text.to_owned(), format!("refund {text}"), format!("{text} refund"), text.repeat(3_000)] {
            let q = Query { text: Some(text.clone()), ..Query::default() };
            index.search(&q).await.unwrap_or_else(|e| panic!("{text:?}: {e}"));
            index.facets(&q).await.unwrap_or_else(|e| panic!("{text:?}: {e}"));
        }
    }
    for (text, found) in [
        ("50% refund", 1),
        ("not near", 1),
        ("NOT refund", 1),
        ("\"refund\"", 1),
        ("refund -miss", 1),
        ("refund OR card", 0),
        ("it's", 1),
        ("NAIVE coop", 0),
        ("co-op", 1),
        ("", 1),
        ("  ", 1),
        ("\"*\"", 1),
    ] {
        assert_eq!(total_of(&*index, text).await, found, "{text:?}");
    }
}

/// A filter that cannot hold by its own form is refused with a sentence, not answered with nothing.
pub async fn refuses_what_contradicts_itself(index: Arc<dyn RecordingIndex>) {
    let bad = [
        Query { from: Some(at(2)), to: Some(at(1)), ..Query::default() },
        Query { retain_until_from: Some(at(2)), retain_until_to: Some(at(1)), ..Query::default() },
        Query { ingested_from: Some(at(2)), ingested_to: Some(at(1)), ..Query::default() },
        Query { duration_min_ms: Some(2), duration_max_ms: Some(1), ..Query::default() },
        Query { queue: Some(" ".into()), ..Query::default() },
        Query { attribute: Some("skill".into()), ..Query::default() },
    ];
    for q in bad {
        for e in [index.search(&q).await.unwrap_err(), index.facets(&q).await.unwrap_err()] {
            assert!(matches!(e, IndexError::Invalid(_)), "{q:?}: {e}");
            assert!(!e.next().is_empty());
        }
    }
}

/// Times from are included, times to are not; durations are included at both ends; text has no duration.
pub async fn keeps_the_bounds_of_ranges(index: Arc<dyn RecordingIndex>) {
    let call = with(1, json!({"declared_duration_ms": 60_000})).0;
    let call = holdfast_index::IndexRow {
        probe: holdfast_model::Probe { measured_duration_ms: Some(60_000), ..call.probe },
        ..call
    };
    let chat = with(2, json!({"media": "chat", "start": "2023-12-31T23:59:59.999Z"})).0;
    for row in [&call, &chat] {
        index.insert(row, None).await.unwrap();
    }
    let start = call.record.start;
    let us = |n| start + jiff::SignedDuration::from_micros(n);
    let d = Query::default;
    for (q, found) in [
        (Query { from: Some(start), ..d() }, 1),
        (Query { to: Some(start), ..d() }, 1),
        (Query { from: Some(us(-1_000)), to: Some(us(1_000)), ..d() }, 2),
        (Query { from: Some(us(-999)), ..d() }, 1),
        (Query { to: Some(us(1)), ..d() }, 2),
        (Query { from: Some(us(1)), ..d() }, 0),
        (Query { duration_min_ms: Some(60_000), duration_max_ms: Some(60_000), ..d() }, 1),
        (Query { duration_min_ms: Some(60_001), ..d() }, 0),
        (Query { duration_max_ms: Some(59_999), ..d() }, 0),
        (Query { duration_max_ms: Some(u64::MAX), ..d() }, 1),
        (Query { retain_until_from: Some(call.retention.retention.until), ..d() }, 2),
        (Query { retain_until_to: Some(call.retention.retention.until), ..d() }, 0),
        (Query { from: Some(start), limit: 0, ..d() }, 1),
        (Query { limit: MAX_LIMIT * 2, ..d() }, 2),
    ] {
        let page = index.search(&q).await.unwrap();
        assert_eq!(page.total, found, "{q:?}");
        assert_eq!(page.rows.len() as u64, if q.limit == 0 { 0 } else { found }, "{q:?}");
    }
}

/// Words in any order, the last one by its beginning, ids and numbers as they are pasted.
pub async fn finds_words_and_their_beginnings(index: Arc<dyn RecordingIndex>) {
    let fields = json!({
        "interaction_id": "3F2A-77b0-c1d2", "queues": ["Claims Süd"], "tags": ["pci"], "notes": "asked twice",
        "participants": [{"role": "customer", "identifier": "+49 30 1234567"},
                         {"role": "agent", "identifier": "jo@acme.example", "display_name": "José Ángel"}],
        "external_ids": {"crm": "CASE-0042"},
    });
    let (row, _) = with(1, fields);
    index.insert(&row, Some("I want a Rückerstattung, please.")).await.unwrap();
    for (text, found) in [
        ("please want", 1),
        ("WANT ruckerst", 1),
        ("ruckerst want", 0),
        ("ruckerst ", 0),
        ("3f2a-77B0-c1d2", 1),
        ("3f2a-77", 1),
        ("77b0", 0),
        ("claims sud", 1),
        ("pci twice jose", 1),
        ("angel@", 1),
        ("jo@acme.example", 1),
        ("acme", 1),
        ("1234567", 1),
        ("+49", 1),
        ("case-0042", 1),
        ("case-004 ", 0),
        ("c1", 0),
    ] {
        assert_eq!(total_of(&*index, text).await, found, "{text:?}");
    }
}

/// Availability and holds can be told at any time and are what filters see.
pub async fn follows_availability_and_holds(index: Arc<dyn RecordingIndex>) {
    let (mut row, text) = RowMaker::new(3).row(0);
    row.tier = StorageTier::Cold;
    row.holds = Vec::new();
    index.insert(&row, text.as_deref()).await.unwrap();
    let rehydrating = Availability::Rehydrating { requested_at: Some(at(5)), expected_at: Some(at(9)) };
    let state = StorageState {
        tier: StorageTier::DeepCold,
        storage_class: "DEEP_ARCHIVE".into(),
        availability: rehydrating.clone(),
    };
    index.set_state(&row.archive_id, &state).await.unwrap();
    let ids: [MatterId; 3] = ["m-9", "m-1", "m-9"].map(|m| m.parse().unwrap());
    index.set_holds(&row.archive_id, &ids).await.unwrap();
    let by = |state| Query { availability: Some(state), ..Query::default() };
    let held = |m: &str| Query { hold: Some(m.parse().unwrap()), ..Query::default() };
    assert_eq!(total(&*index, by(AvailabilityState::Rehydrating)).await, 1);
    assert_eq!(total(&*index, by(AvailabilityState::Online)).await, 0);
    assert_eq!(total(&*index, held("m-1")).await, 1);
    let now = index.get(&row.archive_id).await.unwrap().unwrap();
    assert_eq!((now.state(), now.tier), (state, StorageTier::Cold), "moved, and still archived where it was");
    let in_tier = |t| Query { tier: Some(t), ..Query::default() };
    assert_eq!(total(&*index, in_tier(StorageTier::DeepCold)).await, 1);
    assert_eq!(total(&*index, in_tier(StorageTier::Cold)).await, 0);
    assert_eq!(index.facets(&Query::default()).await.unwrap().tier, [("deep_cold".to_owned(), 1)]);
    index.set_state(&row.archive_id, &StorageState { availability: rehydrating, ..row.state() }).await.unwrap();
    let now = index.get(&row.archive_id).await.unwrap().unwrap();
    assert_eq!(now.moved, None, "back where it was archived");
    assert_eq!(now.holds, [ids[1].clone(), ids[0].clone()]);
    let changed: Vec<String> = row.differences(&now).into_iter().map(|d| d.field).collect();
    assert!(changed.contains(&"holds".to_owned()) && changed.iter().all(|f| f == "holds" || f.starts_with("availab")));

    index.set_holds(&row.archive_id, &ids[..1]).await.unwrap();
    assert_eq!(total(&*index, held("m-1")).await, 0);
    assert_eq!(total(&*index, held("m-9")).await, 1);
    let nobody = "hf-nobody".parse().unwrap();
    for e in
        [index.set_holds(&nobody, &ids).await.unwrap_err(), index.set_state(&nobody, &row.state()).await.unwrap_err()]
    {
        assert_eq!(e.code(), "index.not_found");
    }
}
