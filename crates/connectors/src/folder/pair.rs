//! Which files of a folder belong together, decided by their names alone. Pure.

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    os::unix::ffi::OsStrExt as _,
};

/// What a name says that a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    /// `<stem>_metadata.json`: metadata for certain.
    Certain,
    /// `<stem>.json`: metadata, or a transcript.
    Json,
    /// `<stem>.xml`: metadata, or a transcript.
    Xml,
    /// `<stem>.done`: the others are complete.
    Marker,
    /// Being written under another name.
    Partial,
    /// Put there by a desktop, never a recording.
    Furniture,
    /// Anything else: a recording.
    Media,
}

const PARTIAL: [&[u8]; 7] = [b"part", b"partial", b"tmp", b"temp", b"filepart", b"crdownload", b"writing"];
const FURNITURE: [&[u8]; 3] = [b".DS_Store", b"Thumbs.db", b"desktop.ini"];
/// `a.json` describes `a.<one of these>.json`.
const TRANSCRIPT: [&str; 9] =
    ["transcript", "chat", "email", "message", "messages", "media", "recording", "text", "conversation"];

/// The class of a name, and its stem: what it shares with the files that belong to it.
pub(super) fn classify(name: &OsStr) -> (Class, &[u8]) {
    let bytes = name.as_bytes();
    if FURNITURE.contains(&bytes) || bytes.starts_with(b"._") {
        return (Class::Furniture, bytes);
    }
    if bytes.starts_with(b".") || bytes.ends_with(b"~") {
        return (Class::Partial, bytes);
    }
    if let Some(stem) = bytes.strip_suffix(b"_metadata.json").filter(|s| !s.is_empty()) {
        return (Class::Certain, stem);
    }
    let Some(dot) = bytes.iter().rposition(|b| *b == b'.').filter(|d| *d > 0) else { return (Class::Media, bytes) };
    let extension = bytes[dot + 1..].to_ascii_lowercase();
    let class = match extension.as_slice() {
        b"json" => Class::Json,
        b"xml" => Class::Xml,
        b"done" => Class::Marker,
        e if PARTIAL.contains(&e) => Class::Partial,
        _ => Class::Media,
    };
    (class, &bytes[..dot])
}

/// What decides in which part of a very large folder a name is looked at: files that belong together have it in common.
pub(super) fn family(name: &OsStr) -> &[u8] {
    let (_, stem) = classify(name);
    let end = stem.iter().position(|b| *b == b'.').filter(|d| *d > 0).unwrap_or(stem.len());
    &stem[..end]
}

/// Files that belong together.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Set {
    pub(super) metadata: Vec<OsString>,
    pub(super) media: Vec<OsString>,
    pub(super) done: bool,
}

#[derive(Default)]
struct Stem {
    certain: Vec<OsString>,
    json: Vec<OsString>,
    xml: Vec<OsString>,
    media: Vec<OsString>,
}

/// Puts names together, in the order of their stems. `xml_first` says which of `a.json` and `a.xml` is the metadata when there is
/// nothing else that could be the recording. Partial files, furniture and markers without files are not among the result.
pub(super) fn pair(names: impl IntoIterator<Item = OsString>, xml_first: bool) -> Vec<Set> {
    let mut stems: BTreeMap<Vec<u8>, Stem> = BTreeMap::new();
    let mut markers: Vec<Vec<u8>> = Vec::new();
    for name in names {
        let (class, stem) = classify(&name);
        let stem = stem.to_vec();
        let of = |s: &mut Stem, class| match class {
            Class::Certain => s.certain.push(name.clone()),
            Class::Json => s.json.push(name.clone()),
            Class::Xml => s.xml.push(name.clone()),
            _ => s.media.push(name.clone()),
        };
        match class {
            Class::Marker => markers.push(stem),
            Class::Partial | Class::Furniture => {}
            class => of(stems.entry(stem).or_default(), class),
        }
    }
    let mut sets: BTreeMap<Vec<u8>, Set> = stems.into_iter().map(|(k, s)| (k, decide(s, xml_first))).collect();
    adopt(&mut sets);
    for (stem, set) in &mut sets {
        let named = |m: &Vec<u8>| m == stem || set.media.iter().any(|f| f.as_bytes() == m.as_slice());
        set.done = markers.iter().any(named);
    }
    sets.into_values().collect()
}

fn decide(s: Stem, xml_first: bool) -> Set {
    let Stem { certain, mut json, mut xml, mut media } = s;
    if !certain.is_empty() {
        media.append(&mut json);
        media.append(&mut xml);
        return Set { metadata: certain, media, done: false };
    }
    if media.is_empty() && !json.is_empty() && !xml.is_empty() {
        let (metadata, media) = if xml_first { (xml, json) } else { (json, xml) };
        return Set { metadata, media, done: false };
    }
    json.append(&mut xml);
    Set { metadata: json, media, done: false }
}

/// `call.wav` with `call.wav.json`, and `chat.transcript.json` with `chat.json`: lone files that name each other.
fn adopt(sets: &mut BTreeMap<Vec<u8>, Set>) {
    let lone = |s: &Set| s.metadata.len() + s.media.len() == 1;
    let keys: Vec<Vec<u8>> = sets.iter().filter(|(_, s)| lone(s)).map(|(k, _)| k.clone()).collect();
    for key in keys {
        let Some(set) = sets.get(&key).filter(|s| lone(s)) else { continue };
        let (file, is_media) = match (set.media.first(), set.metadata.first()) {
            (Some(m), _) => (m.clone(), true),
            (None, Some(m)) => (m.clone(), false),
            (None, None) => continue,
        };
        let dot = key.iter().rposition(|b| *b == b'.');
        let suffix = dot.and_then(|d| std::str::from_utf8(&key[d + 1..]).ok()).map(str::to_ascii_lowercase);
        let parent = match (is_media, dot) {
            (true, _) if sets.contains_key(file.as_bytes()) => file.as_bytes().to_vec(),
            (_, Some(d)) if suffix.is_some_and(|s| TRANSCRIPT.contains(&s.as_str())) => key[..d].to_vec(),
            _ => continue,
        };
        if let Some(owner) = sets.get_mut(&parent).filter(|s| s.media.is_empty() && s.metadata.len() == 1) {
            owner.media.push(file);
            sets.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn show(names: &[&str], xml_first: bool) -> Vec<String> {
        let join = |v: &[OsString]| v.iter().map(|n| n.to_string_lossy().into_owned()).collect::<Vec<_>>().join(",");
        let sets = pair(names.iter().map(OsString::from), xml_first);
        sets.iter()
            .map(|s| format!("{}|{}{}", join(&s.metadata), join(&s.media), if s.done { "!" } else { "" }))
            .collect()
    }

    #[test]
    fn files_find_each_other() {
        for (names, want) in [
            (&["a.wav", "a.json", "a.done"][..], &["a.json|a.wav!"][..]),
            (&["a.wav", "a.json", "a.wav.done"], &["a.json|a.wav!"]),
            (&["a.b.wav", "a.b.xml"], &["a.b.xml|a.b.wav"]),
            (&["r_metadata.json", "r.webm"], &["r_metadata.json|r.webm"]),
            (&["r_metadata.json", "r.json"], &["r_metadata.json|r.json"]),
            (&["c.json", "c.eml"], &["c.json|c.eml"]),
            (&["a.wav", "b.json"], &["|a.wav", "b.json|"]),
            (&["a.wav", "a.mp3", "a.json"], &["a.json|a.wav,a.mp3"]),
            (&["a.wav", "a.json", "a.xml"], &["a.json,a.xml|a.wav"]),
            (&["a.wav", "a.wav.json"], &["a.wav.json|a.wav"]),
            (&["c.transcript.json", "c.json"], &["c.json|c.transcript.json"]),
            (&["c.chat.txt", "c.json"], &["c.json|c.chat.txt"]),
            (&["2024.01.json", "2024.json"], &["2024.json|", "2024.01.json|"]),
            (&["noext", ".hidden", "x.part", ".DS_Store", "y.done"], &["|noext"]),
        ] {
            assert_eq!(show(names, false), want, "{names:?}");
        }
        assert_eq!(show(&["a.json", "a.xml"], false), ["a.json|a.xml"]);
        assert_eq!(show(&["a.json", "a.xml"], true), ["a.xml|a.json"]);
    }

    proptest! {
        #[test]
        fn no_file_is_lost_or_doubled(names in proptest::collection::btree_set("[ab]{1,2}(\\.(transcript|a|wav))?(\\.(json|xml|wav|mp3|txt)|_metadata\\.json)?", 0..8)) {
            let sets = pair(names.iter().map(OsString::from), false);
            let mut out: Vec<_> = sets.into_iter().flat_map(|s| s.metadata.into_iter().chain(s.media)).collect();
            out.sort();
            let want: Vec<OsString> = names.iter().map(OsString::from).collect();
            prop_assert_eq!(out, want);
        }

        #[test]
        fn what_is_put_together_is_looked_at_together(names in proptest::collection::btree_set("[ab]{1,2}(\\.(transcript|wav))?(\\.(json|xml|wav|txt)|_metadata\\.json)", 0..8)) {
            for set in pair(names.iter().map(OsString::from), false) {
                let all: Vec<_> = set.metadata.iter().chain(&set.media).collect();
                prop_assert!(all.windows(2).all(|w| family(w[0]) == family(w[1])), "{:?}", all);
            }
        }
    }
}
