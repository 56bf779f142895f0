use crate::{
    ArchiveId, CanonicalError, CanonicalRecord, Fixity, ObjectKey, RetentionDecision, RunId, StorageTier,
    canonical_json,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The format's name and version, first field of every manifest. `docs/formats/manifest.md` is normative.
pub const MANIFEST_FORMAT: &str = "holdfast-manifest/1";

/// The detail of an accession's outcome entry that carries the manifest's SHA-256, in hexadecimal; the same entry's
/// `digest_after` is the SHA-256 of the original bytes. With both in the ledger, neither can be exchanged unseen.
pub const ACCESSION_MANIFEST_DETAIL: &str = "manifest_sha256";

/// What a recording is, where its bytes lie and what proves them: written once beside each recording, and enough to rebuild
/// the index. The bytes of a manifest are its RFC 8785 canonical JSON, so that its digest can be recomputed from its values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Always [`MANIFEST_FORMAT`] for what this build writes.
    pub format: String,
    /// The recording's name for ever.
    pub archive_id: ArchiveId,
    /// The canonical record.
    pub record: CanonicalRecord,
    /// The original bytes.
    pub object: MediaObject,
    /// The vendor's metadata, byte for byte.
    pub payload: PayloadRef,
    /// Text that can be searched, where there is any: another object, linked by the original's digest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<Derivative>,
    /// What the retention policy decided.
    pub retention: RetentionDecision,
    /// How it came in.
    pub accession: Accession,
}

impl Manifest {
    /// The bytes of the manifest as they are archived: RFC 8785 canonical JSON.
    ///
    /// # Errors
    /// For a number over 2^53 - 1, which no real size or duration reaches.
    pub fn to_canonical_bytes(&self) -> Result<Vec<u8>, CanonicalError> {
        canonical_json(self)
    }
}

/// The original bytes of a recording.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MediaObject {
    /// Bucket role; `media` by default.
    pub bucket: String,
    /// Key in it.
    pub key: ObjectKey,
    /// The version the store gave.
    pub version_id: Option<String>,
    /// Digest and size, made while storing and again from what was read back.
    pub fixity: Fixity,
    /// IANA media type by content, e.g. `audio/wav`.
    pub media_type: String,
    /// The tier it was written to.
    pub tier: StorageTier,
    /// The provider's own name of the class, e.g. `local-cold`.
    pub storage_class: String,
    /// What a probe found in the bytes.
    pub probe: Probe,
    /// File name at the source, for people; never used as a path.
    pub original_name: String,
}

/// What was found by looking into the bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Probe {
    /// Container as found: `wav`, `mp3`, `ogg`, `webm`, `mp4`, `flac`, `eml`, `json`, `txt`, ...
    pub container: String,
    /// Audio (or only) codec as found: `pcm_s16le`, `alaw`, `mulaw`, `adpcm_ima`, `gsm610`, `mp3`, `vorbis`, `opus`, `aac`, ...
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub codec: Option<String>,
    /// Video codec, for screen recordings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub video_codec: Option<String>,
    /// Audio channels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channels: Option<u16>,
    /// Samples a second and channel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sample_rate_hz: Option<u32>,
    /// Length by decoding or by the header.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub measured_duration_ms: Option<u64>,
    /// Whether this build can decode it without another program. What it cannot is archived all the same and marked.
    pub decodable: bool,
    /// Whether the duration comes from the header alone, as the bytes could not be decoded here.
    #[serde(default)]
    pub duration_from_header: bool,
    /// What a person should know: HE-AAC decoded at its core only, decoder missing, ...
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remarks: Vec<String>,
}

/// The vendor's metadata, kept byte for byte as its own object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PayloadRef {
    /// Key in the metadata bucket.
    pub key: ObjectKey,
    /// Digest and size.
    pub fixity: Fixity,
    /// Which schema or mapping read it: `holdfast-sidecar/1`, `mapping:<name>@<sha256 of the mapping file>`.
    pub schema: String,
}

/// Something made from the original.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Derivative {
    /// Key in the metadata bucket.
    pub key: ObjectKey,
    /// Digest and size of the derivative.
    pub fixity: Fixity,
    /// How it was made: `text-extraction/1`.
    pub method: String,
}

/// Where a recording came from, as the connector names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceRef {
    /// The configured source's name.
    pub source: String,
    /// The item inside it, as an opaque, stable text (a path relative to the folder, an export key).
    pub item: String,
}

/// How a recording came in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Accession {
    /// The run that brought it.
    pub run: RunId,
    /// Where from.
    pub source: SourceRef,
    /// When it was taken in.
    pub ingested_at: Timestamp,
    /// Sequence number of the ledger entry that states the intent; the outcome entry carries the original's digest as
    /// `digest_after` and this manifest's as the detail [`ACCESSION_MANIFEST_DETAIL`].
    pub ledger_intent: u64,
    /// Version of the archiver.
    pub archiver_version: String,
}
