//! Names of formats, such as `holdfast-manifest/1`: a name, a slash, a version number.

use serde::Deserialize;
use std::borrow::Cow;

/// Whether `found` names a later version of the format that `known` names. Such a document was written by a newer Holdfast: it is
/// neither damaged nor malformed, and must be left as it is.
#[must_use]
pub fn is_newer_format(found: &str, known: &str) -> bool {
    fn parts(format: &str) -> Option<(&str, u32)> {
        let (name, version) = format.rsplit_once('/')?;
        let digits = !version.is_empty() && version.bytes().all(|b| b.is_ascii_digit());
        Some((name, version.parse().ok().filter(|_| digits && !version.starts_with('0'))?))
    }
    match (parts(found), parts(known)) {
        (Some((found, its)), Some((known, ours))) => found == known && its > ours,
        _ => false,
    }
}

/// The format of a JSON document that a newer version wrote, by its member `format`; none for every other text. Nothing else of
/// the document is interpreted, so that members which this version does not know do not matter.
#[must_use]
pub fn newer_format(json: &[u8], known: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Named<'a> {
        #[serde(borrow)]
        format: Cow<'a, str>,
    }
    let named: Named<'_> = serde_json::from_slice(json).ok()?;
    is_newer_format(&named.format, known).then(|| named.format.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_higher_number_of_the_same_name_is_newer() {
        let known = "holdfast-manifest/1";
        for newer in ["holdfast-manifest/2", "holdfast-manifest/10"] {
            assert!(is_newer_format(newer, known), "{newer}");
        }
        for other in [
            "holdfast-manifest/1",
            "holdfast-manifest/0",
            "holdfast-manifest/02",
            "holdfast-manifest/+2",
            "holdfast-manifest/",
            "holdfast-manifest/x",
            "holdfast-manifest",
            "holdfast-event/2",
            "",
        ] {
            assert!(!is_newer_format(other, known), "{other}");
        }
    }

    #[test]
    fn the_rest_of_a_newer_document_does_not_matter() {
        let known = "holdfast-case/1";
        let newer = br#"{"copies":[{"x":1}],"format":"holdfast-case/2","z":null}"#;
        assert_eq!(newer_format(newer, known).as_deref(), Some("holdfast-case/2"));
        for other in
            [&b"{\"format\":\"holdfast-case/1\"}"[..], b"{\"format\":2}", b"{}", b"[]", b"", b"{\"format\":\"holdf"]
        {
            assert_eq!(newer_format(other, known), None, "{}", String::from_utf8_lossy(other));
        }
    }
}
