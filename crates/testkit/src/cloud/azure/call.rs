use axum::http::{HeaderMap, Method, request::Parts};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// What is kept as it is in a path.
const PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b'/');

/// One request, read as Azure reads it.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub(super) op: &'static str,
    pub(super) method: Method,
    pub(super) container: String,
    pub(super) blob: String,
    pub(super) version: Option<String>,
    pub(super) query: Vec<(String, String)>,
    pub(super) headers: HeaderMap,
}

fn decode(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

pub(super) fn encode_path(text: &str) -> String {
    utf8_percent_encode(text, PATH).to_string()
}

pub(super) fn pairs(query: &str) -> Vec<(String, String)> {
    let pair = |part: &str| {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        (decode(name), decode(&value.replace('+', " ")))
    };
    query.split('&').filter(|p| !p.is_empty()).map(pair).collect()
}

pub(super) fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|v| v.to_str().ok())
}

/// Container and blob of a path below the account.
pub(super) fn place(path: &str) -> (String, String) {
    let below = path.trim_start_matches('/').split_once('/').map_or("", |(_, below)| below);
    let (container, blob) = below.split_once('/').unwrap_or((below, ""));
    (decode(container), decode(blob))
}

impl Call {
    pub(super) fn of(parts: &Parts) -> Self {
        let (container, blob) = place(parts.uri.path());
        let query = pairs(parts.uri.query().unwrap_or(""));
        let get = |name: &str| query.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str());
        let op = op(&parts.method, &container, &blob, get("comp"), get("restype"), &parts.headers);
        let version = get("versionid").map(str::to_owned);
        Self { op, method: parts.method.clone(), container, blob, version, query, headers: parts.headers.clone() }
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        header(&self.headers, name)
    }

    pub(super) fn subject(&self) -> String {
        format!("{}/{}", self.container, self.blob)
    }
}

fn op(
    method: &Method,
    container: &str,
    blob: &str,
    comp: Option<&str>,
    restype: Option<&str>,
    headers: &HeaderMap,
) -> &'static str {
    let copies = headers.contains_key("x-ms-copy-source");
    match (method.as_str(), comp, restype) {
        ("POST", Some("userdelegationkey"), _) => "GetUserDelegationKey",
        ("GET", Some("list"), _) if container.is_empty() => "ListContainers",
        ("GET", Some("list"), _) => "ListBlobs",
        _ if blob.is_empty() && restype == Some("container") => match method.as_str() {
            "PUT" if comp.is_none() => "CreateContainer",
            "DELETE" => "DeleteContainer",
            "GET" | "HEAD" => "GetContainerProperties",
            _ => "Other",
        },
        _ if blob.is_empty() => "Other",
        ("PUT", None, _) if copies => "CopyBlob",
        ("PUT", None, _) => "PutBlob",
        ("PUT", Some("block"), _) => "PutBlock",
        ("PUT", Some("blocklist"), _) => "PutBlockList",
        ("PUT", Some("tier"), _) => "SetBlobTier",
        ("PUT", Some("tags"), _) => "SetBlobTags",
        ("PUT", Some("metadata"), _) => "SetBlobMetadata",
        ("PUT", Some("properties"), _) => "SetBlobProperties",
        ("PUT", Some("immutabilityPolicies"), _) => "SetImmutabilityPolicy",
        ("PUT", Some("legalhold"), _) => "SetLegalHold",
        ("DELETE", Some("immutabilityPolicies"), _) => "DeleteImmutabilityPolicy",
        ("DELETE", None, _) => "DeleteBlob",
        ("GET", Some("tags"), _) => "GetBlobTags",
        ("GET", None, _) => "GetBlob",
        ("HEAD", None, _) => "GetBlobProperties",
        _ => "Other",
    }
}
