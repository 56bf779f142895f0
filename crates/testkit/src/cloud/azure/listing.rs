//! List Blobs, rewritten: what the shelf knows goes into each entry, and previous versions go between them.

use super::{
    answer::http_date,
    shelf::{Shelf, Version},
};
use holdfast_model::Clock;
use std::fmt::Write as _;

/// The text between two marks.
pub(super) fn between<'a>(text: &'a str, open: &str, close: &str) -> Option<&'a str> {
    let start = text.find(open)? + open.len();
    Some(&text[start..start + text[start..].find(close)?])
}

fn without(mut text: String, tags: &[&str]) -> String {
    for tag in tags {
        let (open, close) = (format!("<{tag}>"), format!("</{tag}>"));
        if let (Some(start), Some(end)) = (text.find(&open), text.find(&close)) {
            text.replace_range(start..end + close.len(), "");
        }
        text = text.replace(&format!("<{tag}/>"), "");
    }
    text
}

fn unescaped(name: &str) -> String {
    name.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&apos;", "'").replace("&amp;", "&")
}

fn escaped(name: &str) -> String {
    name.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// The properties that the shelf keeps.
fn properties(v: &Version) -> String {
    let mut out = format!(
        "<AccessTier>{}</AccessTier><AccessTierChangeTime>{}</AccessTierChangeTime>",
        v.tier,
        http_date(v.changed_at)
    );
    if let Some(p) = &v.pending {
        let _ = write!(out, "<ArchiveStatus>rehydrate-pending-to-{}</ArchiveStatus>", p.to.to_lowercase());
        let _ = write!(out, "<RehydratePriority>{}</RehydratePriority>", if p.high { "High" } else { "Standard" });
        if p.copy {
            out.push_str("<CopyStatus>pending</CopyStatus>");
        }
    }
    if let Some((mode, until)) = &v.policy {
        let _ = write!(out, "<ImmutabilityPolicyUntilDate>{}</ImmutabilityPolicyUntilDate>", http_date(*until));
        let _ = write!(out, "<ImmutabilityPolicyMode>{}</ImmutabilityPolicyMode>", mode.to_lowercase());
    }
    if v.hold {
        out.push_str("<LegalHold>true</LegalHold>");
    }
    if let Some(scope) = &v.scope {
        let _ = write!(out, "<EncryptionScope>{scope}</EncryptionScope>");
    }
    out
}

fn identity(v: &Version, versioning: bool) -> String {
    if !versioning {
        return String::new();
    }
    let current = if v.current { "<IsCurrentVersion>true</IsCurrentVersion>" } else { "" };
    format!("<VersionId>{}</VersionId>{current}", v.id)
}

/// A listing of blobs that only the shelf knows. One more than `most` in `page` says that there are more; its name is the marker.
pub(super) fn pretended(page: &[(String, Version)], most: usize) -> String {
    let entry = |(name, v): &(String, Version)| {
        format!(
            "<Blob><Name>{}</Name>{}<Properties><Content-Length>{}</Content-Length><BlobType>BlockBlob</BlobType>{}\
             </Properties></Blob>",
            escaped(name),
            identity(v, true),
            v.size,
            properties(v)
        )
    };
    let blobs: String = page.iter().take(most).map(entry).collect();
    let next = page.get(most).map_or("", |(name, _)| name.as_str());
    format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?><EnumerationResults><Blobs>{blobs}</Blobs><NextMarker>{}</NextMarker>\
         </EnumerationResults>",
        escaped(next)
    )
}

/// What a listing is to show.
pub(super) struct Wish<'a> {
    pub(super) container: &'a str,
    pub(super) prefix: &'a str,
    pub(super) from: &'a str,
    pub(super) previous: bool,
    pub(super) versioning: bool,
}

/// The upstream's answer with what it lacks.
pub(super) fn rewrite(xml: &str, wish: &Wish<'_>, shelf: &mut Shelf, clock: &dyn Clock) -> String {
    let Some(list) = between(xml, "<Blobs>", "</Blobs>") else { return xml.to_owned() };
    let mut entries: Vec<(String, String, String)> = Vec::new();
    for entry in list.split("<Blob>").skip(1) {
        let Some(entry) = entry.split("</Blob>").next() else { continue };
        let name = unescaped(between(entry, "<Name>", "</Name>").unwrap_or(""));
        let v = shelf.current(wish.container, &name, clock).clone();
        let mut drop =
            vec!["AccessTier", "AccessTierInferred", "AccessTierChangeTime", "VersionId", "IsCurrentVersion"];
        if v.pending.as_ref().is_some_and(|p| p.copy) {
            drop.push("CopyStatus");
        }
        let plain = without(entry.to_owned(), &drop);
        let full = plain.replacen("</Properties>", &format!("{}</Properties>", properties(&v)), 1);
        let id = identity(&v, wish.versioning);
        let full = full.replacen("</Name>", &format!("</Name>{id}"), 1);
        entries.push((name, v.id, full));
    }
    if wish.previous {
        let last = between(xml, "<NextMarker>", "</NextMarker>").filter(|m| !m.is_empty());
        let end = last.and(entries.last().map(|e| e.0.clone()));
        for (name, v) in shelf.previous(wish.container, wish.prefix) {
            if name.as_str() < wish.from || end.as_ref().is_some_and(|end| name > *end) {
                continue;
            }
            let entry = format!(
                "<Name>{}</Name>{}<Properties><Content-Length>{}</Content-Length><BlobType>BlockBlob</BlobType>{}</Properties>",
                escaped(&name),
                identity(&v, true),
                v.size,
                properties(&v)
            );
            entries.push((name, v.id, entry));
        }
        entries.sort();
    }
    let list_now: String = entries.into_iter().map(|(_, _, e)| format!("<Blob>{e}</Blob>")).collect();
    xml.replacen(&format!("<Blobs>{list}</Blobs>"), &format!("<Blobs>{list_now}</Blobs>"), 1)
}
