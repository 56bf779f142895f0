//! Documents made from code are compared with it; format vectors are what the code makes.

use crate::support;
use holdfast_model::{IdempotencyKey, Sha256Digest, canonical_json};
use holdfast_verify::{FindingCode, findings_document};
use proptest::prelude::*;
use std::{fs, path::PathBuf};

pub fn formats() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/formats")
}

/// Compares a file with what it should hold; writes it instead where `HOLDFAST_BLESS` is set.
#[track_caller]
pub fn same_as_file(path: &std::path::Path, expected: &[u8]) {
    if std::env::var_os("HOLDFAST_BLESS").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, expected).unwrap();
    }
    let found = fs::read(path).unwrap_or_default();
    assert!(found == expected, "{} is out of date; run with HOLDFAST_BLESS=1", path.display());
}

#[test]
fn the_findings_document_is_made_from_the_codes() {
    same_as_file(&formats().join("findings.md"), findings_document().as_bytes());
}

#[test]
fn codes_are_unique_and_in_sentences() {
    let mut seen = std::collections::BTreeSet::new();
    for code in FindingCode::ALL {
        assert!(seen.insert(code.as_str()), "{code} twice");
        assert_eq!(FindingCode::from_code(code.as_str()), Some(*code));
        assert!(code.as_str().split_once('.').is_some_and(|(a, b)| !a.is_empty() && !b.is_empty()));
        for sentence in [code.meaning(), code.next()] {
            assert!(
                sentence.ends_with(['.', '!']) && sentence.len() > 20 && !sentence.contains('|'),
                "{code}: {sentence}"
            );
        }
    }
}

#[test]
fn the_manifest_vector_is_what_the_code_writes() {
    let folder = formats().join("vectors/manifest-v1");
    let manifest = support::manifest(1, b"original", b"payload", 2);
    let bytes = manifest.to_canonical_bytes().unwrap();
    same_as_file(&folder.join("manifest.json"), &bytes);
    same_as_file(&folder.join("manifest.sha256"), format!("{}  manifest.json\n", Sha256Digest::of(&bytes)).as_bytes());
    let parsed: holdfast_model::Manifest = serde_json::from_slice(&bytes).unwrap();
    assert_eq!(parsed, manifest);
    let cases = fs::read(folder.join("archive-ids.json")).unwrap();
    let cases: Vec<serde_json::Value> = serde_json::from_slice(&cases).unwrap();
    assert!(cases.len() >= 4);
    for case in cases {
        let key: IdempotencyKey = serde_json::from_value(case["key"].clone()).unwrap();
        assert_eq!(key.archive_id().as_str(), case["archive_id"].as_str().unwrap());
    }
}

fn json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        (-(1i64 << 53) + 1..1i64 << 53).prop_map(Into::into),
        ".{0,12}".prop_map(Into::into),
    ];
    leaf.prop_recursive(4, 48, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Into::into),
            prop::collection::btree_map("[a-zA-Zé\u{fb33}\u{1f600}\u{20ac}]{0,4}", inner, 0..6)
                .prop_map(|m| serde_json::Value::Object(m.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn canonical_json_is_what_a_general_implementation_writes(value in json()) {
        prop_assert_eq!(canonical_json(&value).unwrap(), serde_jcs::to_vec(&value).unwrap());
    }
}
