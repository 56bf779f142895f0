//! Listings as the provider gives them for what the shelf knows.

use super::{
    call::{Call, decoded},
    shelf::Shelf,
};
use jiff::Timestamp;
use quick_xml::escape::unescape;

/// The element that stands for an object: one name in `ListObjectsV2`, another in `ListObjectVersions`.
fn element(xml: &str) -> &'static str {
    if xml.contains("<Contents>") { "Contents" } else { "Version" }
}

/// Keys without a version id whose current version the shelf must know before [`rewritten`].
pub(super) fn keys_in_doubt(xml: &str, call: &Call, shelf: &Shelf) -> Vec<String> {
    let keys = entries(xml).filter(|e| text(e, "VersionId").is_none()).filter_map(|e| key_of(e, call));
    keys.filter(|k| shelf.knows(&call.bucket, k) && shelf.latest(&call.bucket, k).is_none()).collect()
}

/// The listing with the storage classes of the shelf, and restore status where it was asked for.
pub(super) fn rewritten(xml: &str, call: &Call, shelf: &Shelf, with_status: bool, now: Timestamp) -> String {
    let mut out = String::with_capacity(xml.len());
    let mut rest = xml;
    let name = element(xml);
    while let Some((start, end)) = next_entry(rest, name) {
        out.push_str(&rest[..start]);
        out.push_str(&entry(&rest[start..end], call, shelf, with_status, now));
        rest = &rest[end..];
    }
    out + rest
}

fn entry(xml: &str, call: &Call, shelf: &Shelf, with_status: bool, now: Timestamp) -> String {
    let held = key_of(xml, call).and_then(|key| {
        let version = text(xml, "VersionId").or_else(|| shelf.latest(&call.bucket, &key).cloned())?;
        shelf.get(&(call.bucket.clone(), key, version))
    });
    let Some(held) = held else { return xml.to_owned() };
    let mut xml =
        match xml.split_once("<StorageClass>").and_then(|(a, b)| Some((a, b.split_once("</StorageClass>")?.1))) {
            Some((before, after)) => format!("{before}<StorageClass>{}</StorageClass>{after}", held.class),
            None => xml.to_owned(),
        };
    if let Some(status) = held.status_xml(now).filter(|_| with_status) {
        let at = xml.rfind("</").unwrap_or(xml.len());
        xml.insert_str(at, &status);
    }
    xml
}

fn entries(xml: &str) -> impl Iterator<Item = &str> {
    let mut rest = xml;
    let name = element(xml);
    std::iter::from_fn(move || {
        let (start, end) = next_entry(rest, name)?;
        let found = &rest[start..end];
        rest = &rest[end..];
        Some(found)
    })
}

fn next_entry(xml: &str, name: &str) -> Option<(usize, usize)> {
    let start = xml.find(&format!("<{name}>"))?;
    let end = format!("</{name}>");
    Some((start, start + xml[start..].find(&end)? + end.len()))
}

fn key_of(xml: &str, call: &Call) -> Option<String> {
    let key = text(xml, "Key")?;
    Some(if call.param("encoding-type") == Some("url") { decoded(&key) } else { key })
}

/// The text of the first element of this name, without what escapes.
pub(super) fn text(xml: &str, name: &str) -> Option<String> {
    let open = xml.find(&format!("<{name}>"))? + name.len() + 2;
    let close = open + xml[open..].find(&format!("</{name}>"))?;
    unescape(&xml[open..close]).ok().map(std::borrow::Cow::into_owned)
}
