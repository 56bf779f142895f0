//! What is proved through the store's own seams, with the provider's raw calls where the seams cannot even name what must fail.

use super::{
    Provider, Session, Trouble, aws, grant,
    raw::{self, Attempt},
};
use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use holdfast_model::{
    Clock, Fixity, FixityAlgorithm, ImmutabilityMode, ObjectKey, ObjectLocator, ObjectRetention, Sha256Digest,
    StorageTier,
};
use holdfast_store::{BYTE_RANGE_ALL, ByteStream, Created, ObjectInfo, PutOptions, Store, StoreError};
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;

/// The retention of a probe. Longer than any clock difference that is let pass, so that it is still in force when it is tried.
const KEPT_MIN: i64 = 15;

const TAG: (&str, &str) = ("holdfast-preflight", "probe");
const META: (&str, &str) = ("holdfast-preflight", "probe");

/// Bytes of a probe: different each time, so that a stale answer shows.
struct Probe {
    bytes: Bytes,
    fixity: Fixity,
    retention: ObjectRetention,
}

impl Probe {
    fn new(clock: &dyn Clock) -> Self {
        let bytes = Bytes::from(format!("holdfast preflight {}\n", uuid::Uuid::new_v4()));
        let digest = Sha256Digest::of(&bytes);
        let fixity = Fixity { algorithm: FixityAlgorithm::Sha256, digest, size_bytes: bytes.len() as u64 };
        Self {
            bytes,
            fixity,
            retention: ObjectRetention { mode: ImmutabilityMode::Governance, until: after(clock, KEPT_MIN) },
        }
    }

    fn body(&self) -> ByteStream {
        stream::iter([Ok(self.bytes.clone())]).boxed()
    }

    fn options(&self, tags: bool, retention: bool) -> PutOptions {
        let pair = |(k, v): (&str, &str)| BTreeMap::from([(k.to_owned(), v.to_owned())]);
        PutOptions {
            media_type: "text/plain".into(),
            metadata: pair(META),
            tags: if tags { pair(TAG) } else { BTreeMap::new() },
            tier: StorageTier::Hot,
            retention: retention.then_some(self.retention),
            legal_hold: false,
            expected: Some(self.fixity.clone()),
        }
    }
}

/// That many minutes from now, in whole seconds: providers keep no finer ones.
fn after(clock: &dyn Clock, minutes: i64) -> Timestamp {
    let now = Timestamp::from_second(clock.now().as_second()).unwrap_or(Timestamp::MAX);
    now.checked_add(SignedDuration::from_mins(minutes)).unwrap_or(Timestamp::MAX)
}

fn key(s: &Session<'_>, name: &str) -> Result<ObjectKey, Trouble> {
    let text = format!("{}/{name}", s.report.probes);
    ObjectKey::new(text).map_err(|e| Trouble { says: e.to_string(), missing: None, next: None })
}

/// Every check of objects.
pub(super) async fn all(s: &mut Session<'_>, store: &Store, provider: &Provider, clock: &dyn Clock) {
    media(s, store, provider, clock).await;
    let b = &store.buckets;
    written_once(s, store, clock, "preflight.meta", &b.meta, "meta").await;
    written_once(s, store, clock, "preflight.ledger_tiles", &b.meta, "ledger/tile").await;
    written_once(s, store, clock, "preflight.quarantine", &b.quarantine, "quarantine").await;
}

/// What is proved on the object in the bucket of recordings, all of it on the one object.
const ON_THE_OBJECT: &[&str] = &[
    "preflight.once",
    "preflight.version",
    "preflight.read_back",
    "preflight.metadata",
    "preflight.tags",
    "preflight.retention",
    "preflight.delete_refused",
    "preflight.shorten_refused",
    "preflight.extend",
    "preflight.hold",
    "preflight.hold_delete_refused",
    "preflight.hold_lift",
    "preflight.kms",
    "preflight.listing",
    "preflight.restore",
];

async fn media(s: &mut Session<'_>, store: &Store, provider: &Provider, clock: &dyn Clock) {
    let bucket = store.buckets.media.as_str();
    let probe = Probe::new(clock);
    let made = match key(s, "media") {
        Ok(key) => s.check("preflight.create", bucket, create(store, provider, bucket, &key, &probe)).await,
        Err(_) => None,
    };
    let Some(made) = made else {
        for code in ON_THE_OBJECT {
            s.skip(code, bucket, "No object could be created to try it on.");
        }
        return;
    };
    let at = &made.locator;
    s.check("preflight.once", bucket, twice(store, at, &probe)).await;
    s.check("preflight.version", bucket, version(store, at)).await;
    s.check("preflight.read_back", bucket, read_back(store, at, &probe)).await;
    facts(s, store, at, &probe).await;
    let kept = s.check("preflight.delete_refused", bucket, cannot_delete(provider, at, "its retention")).await;
    if kept.is_none() {
        for code in ON_THE_OBJECT.iter().skip_while(|c| **c != "preflight.delete_refused").skip(1) {
            s.skip(code, bucket, "The object may be gone, as its deletion was not refused.");
        }
        return;
    }
    s.check("preflight.shorten_refused", bucket, cannot_shorten(store, provider, clock, at, &probe)).await;
    s.check("preflight.extend", bucket, extend(store, clock, at, &probe)).await;
    hold(s, store, provider, at).await;
    match provider {
        Provider::Aws(target) => {
            s.check("preflight.kms", bucket, aws::encrypted(target, at)).await;
            s.check("preflight.restore", bucket, aws::may_restore(target, at)).await;
        }
        Provider::Azure(_) => {
            s.skip(
                "preflight.restore",
                bucket,
                "On Azure a tier is set with the right to write, which is proved above.",
            );
        }
        Provider::Local => {}
    }
    s.check("preflight.listing", bucket, listed(store, at)).await;
}

/// The full write. Where it is denied, smaller ones tell which right of it is missing.
async fn create(
    store: &Store,
    provider: &Provider,
    bucket: &str,
    key: &ObjectKey,
    probe: &Probe,
) -> Result<(Created, String), Trouble> {
    match store.writer.create(bucket, key, probe.body(), probe.options(true, true)).await {
        Ok(made) => {
            let says = format!(
                "{} bytes in class {}, with tags, metadata and retention.",
                made.fixity.size_bytes, made.storage_class
            );
            Ok((made, says))
        }
        Err(e @ StoreError::Denied { .. }) if matches!(provider, Provider::Aws(_)) => {
            Err(narrow(store, bucket, key, probe, e).await)
        }
        Err(e) => Err(e.into()),
    }
}

/// S3 denies a write as a whole, and says of which right only to some callers. What it lacks shows when the same write is tried without tags, then without retention.
async fn narrow(store: &Store, bucket: &str, key: &ObjectKey, probe: &Probe, whole: StoreError) -> Trouble {
    let attempt = async |name: &str, tags, retention| {
        let Ok(key) = ObjectKey::new(format!("{key}-{name}")) else { return false };
        store.writer.create(bucket, &key, probe.body(), probe.options(tags, retention)).await.is_ok()
    };
    let lacks = |right: &str, what: &str| Trouble {
        says: format!("Creating an object was refused with {what} and works without: this identity lacks {right}."),
        missing: Some(right.to_owned()),
        next: Some(grant(right)),
    };
    if attempt("untagged", false, true).await {
        return lacks("s3:PutObjectTagging", "tags");
    }
    if attempt("unretained", true, false).await {
        return lacks("s3:PutObjectRetention", "a retention");
    }
    whole.into()
}

async fn twice(store: &Store, at: &ObjectLocator, probe: &Probe) -> Result<((), String), Trouble> {
    let other = Bytes::from_static(b"another");
    let options = PutOptions { expected: None, ..probe.options(true, true) };
    match store.writer.create(&at.bucket, &at.key, stream::iter([Ok(other)]).boxed(), options).await {
        Err(StoreError::AlreadyExists(_)) => Ok(((), "The second write was refused; the first one stands.".into())),
        Ok(_) => Err(Trouble::setting(
            "A second write under the same name was taken.",
            "conditional writes (If-None-Match: *)",
            "Use a storage service that honours conditional writes: without them two archivers can both believe to have archived a recording.",
        )),
        Err(e) => Err(e.into()),
    }
}

async fn version(store: &Store, at: &ObjectLocator) -> Result<((), String), Trouble> {
    match (&at.version_id, store.reader.capabilities().versions) {
        (Some(v), _) if v != "null" => Ok(((), format!("Version {v}."))),
        (_, false) => Ok(((), "This store replaces nothing and keeps no versions.".into())),
        _ => Err(Trouble::setting(
            "What was created has no version of its own.",
            "versioning",
            "Switch versioning on for the bucket (`holdfast provision apply`).",
        )),
    }
}

async fn bytes_of(store: &Store, at: &ObjectLocator) -> Result<Sha256Digest, StoreError> {
    let mut all = Vec::new();
    let mut body = store.reader.read(at, BYTE_RANGE_ALL).await?;
    while let Some(piece) = body.try_next().await? {
        all.extend_from_slice(&piece);
    }
    Ok(Sha256Digest::of(&all))
}

async fn read_back(store: &Store, at: &ObjectLocator, probe: &Probe) -> Result<((), String), Trouble> {
    let found = bytes_of(store, at).await?;
    if found == probe.fixity.digest {
        return Ok(((), format!("SHA-256 {found}, as written.")));
    }
    Err(Trouble::setting(
        format!("What was read has SHA-256 {found}, what was written {}.", probe.fixity.digest),
        "unchanged bytes",
        "Look for a proxy or gateway between this machine and the store that changes what passes through.",
    ))
}

/// Metadata, tags and retention as the store tells them.
async fn facts(s: &mut Session<'_>, store: &Store, at: &ObjectLocator, probe: &Probe) {
    let bucket = at.bucket.as_str();
    let mut info: Option<ObjectInfo> = None;
    s.check("preflight.metadata", bucket, async {
        let found = info.insert(store.reader.head(at).await?);
        let has = found.metadata.get(META.0).is_some_and(|v| v == META.1) && found.sha256 == Some(probe.fixity.digest);
        let lost = || {
            Trouble::setting(
                "The object's metadata is not what was written.",
                "user metadata",
                "Look for a gateway that drops x-amz-meta or x-ms-meta headers.",
            )
        };
        if has { Ok(((), "As written, with the object's SHA-256.".into())) } else { Err(lost()) }
    })
    .await;
    let Some(info) = info else {
        s.skip("preflight.tags", bucket, "The object's facts could not be read.");
        s.skip("preflight.retention", bucket, "The object's facts could not be read.");
        return;
    };
    s.check("preflight.tags", bucket, async {
        let has = info.tags.get(TAG.0).is_some_and(|v| v == TAG.1);
        let lost = || {
            Trouble::setting(
                "The object's tags are not what was written.",
                "object tags",
                grant("s3:PutObjectTagging and s3:GetObjectVersionTagging"),
            )
        };
        if has { Ok(((), "As written.".into())) } else { Err(lost()) }
    })
    .await;
    s.check("preflight.retention", bucket, async {
        match info.retention {
            Some(r) if r.until >= probe.retention.until => Ok(((), format!("{:?} until {}.", r.mode, r.until))),
            Some(r) => Err(Trouble::setting(
                format!("Asked until {}, found until {}.", probe.retention.until, r.until),
                "retention as asked",
                "Look whether a gateway or a policy changes the retention of what is written.",
            )),
            None => Err(Trouble::setting(
                "The object has no retention: nothing keeps it from being deleted.",
                "Object Lock (S3), version-level immutability (Azure)",
                "A bucket gets it when it is made: `holdfast provision plan` says what can still be done.",
            )),
        }
    })
    .await;
}

/// True where the provider refused; false where its interface has no such call at all.
async fn cannot_delete(provider: &Provider, at: &ObjectLocator, why: &str) -> Result<(bool, String), Trouble> {
    match raw::delete(provider, at).await {
        Attempt::Refused(words) => Ok((true, format!("Refused ({words})."))),
        Attempt::NoSuchCall => Ok((false, "This store has no way to delete at all.".into())),
        Attempt::Unclear(t) => Err(t),
        Attempt::Done => Err(Trouble::setting(
            format!("The version was deleted, in spite of {why}."),
            "Object Lock (S3), version-level immutability (Azure); or the identity holds s3:BypassGovernanceRetention",
            "Switch it on (`holdfast provision plan`), and take every right to delete from this identity. Only preflight's own object is gone.",
        )),
    }
}

async fn cannot_shorten(
    store: &Store,
    provider: &Provider,
    clock: &dyn Clock,
    at: &ObjectLocator,
    probe: &Probe,
) -> Result<((), String), Trouble> {
    let earlier = after(clock, KEPT_MIN - 5);
    let asked = ObjectRetention { until: earlier, ..probe.retention };
    let by_store = store.retention.extend(at, asked).await;
    let done = || {
        Trouble::setting(
            "The retention was shortened.",
            "retention that cannot be shortened; or the identity holds s3:BypassGovernanceRetention",
            "Take that right from this identity, and run `holdfast provision plan`.",
        )
    };
    match raw::shorten(provider, at, probe.retention, earlier).await {
        Attempt::Done => return Err(done()),
        Attempt::Unclear(t) => return Err(t),
        Attempt::Refused(words) => return Ok(((), format!("Refused ({words})."))),
        Attempt::NoSuchCall => {}
    }
    match by_store {
        Err(StoreError::RetentionShortened { .. } | StoreError::Refused { .. }) => Ok(((), "Refused.".into())),
        Err(e) => Err(e.into()),
        Ok(()) => Err(done()),
    }
}

async fn extend(store: &Store, clock: &dyn Clock, at: &ObjectLocator, probe: &Probe) -> Result<((), String), Trouble> {
    let until = after(clock, KEPT_MIN + 5);
    store.retention.extend(at, ObjectRetention { until, ..probe.retention }).await?;
    Ok(((), format!("Lengthened to {until}.")))
}

async fn hold(s: &mut Session<'_>, store: &Store, provider: &Provider, at: &ObjectLocator) {
    let bucket = at.bucket.as_str();
    let set = s.check("preflight.hold", bucket, async {
        store.retention.set_legal_hold(at, true).await?;
        if store.reader.head(at).await?.legal_hold {
            return Ok(((), "Set, and seen.".into()));
        }
        Err(Trouble::setting(
            "The hold was taken and does not show.",
            "legal hold",
            "Use a storage service that keeps legal holds.",
        ))
    });
    if set.await.is_none() {
        s.skip("preflight.hold_delete_refused", bucket, "No hold could be set.");
        s.skip("preflight.hold_lift", bucket, "No hold could be set.");
        return;
    }
    s.check("preflight.hold_delete_refused", bucket, cannot_delete(provider, at, "the hold")).await;
    s.check("preflight.hold_lift", bucket, async {
        store.retention.set_legal_hold(at, false).await?;
        if store.reader.head(at).await?.legal_hold {
            return Err(Trouble::setting(
                "The hold still shows.",
                "legal hold",
                "Lift it by hand, or the probe stays.",
            ));
        }
        Ok(((), "Lifted, and seen.".into()))
    })
    .await;
}

async fn listed(store: &Store, at: &ObjectLocator) -> Result<((), String), Trouble> {
    let page = store.reader.list(&at.bucket, at.key.as_str(), None, 10).await?;
    let same =
        |found: &ObjectLocator| found.key == at.key && (at.version_id.is_none() || found.version_id == at.version_id);
    match page.objects.iter().find(|o| same(&o.locator)) {
        Some(found) => Ok(((), format!("Listed in class {} as {}.", found.storage_class, words(&found.availability)))),
        None => Err(Trouble::setting(
            "What was just written is not in the listing.",
            "s3:ListBucketVersions (S3), blobs/read (Azure)",
            "Grant it; a listing that lags behind is no listing to reconcile an archive with.",
        )),
    }
}

fn words(a: &holdfast_model::Availability) -> &'static str {
    match a {
        holdfast_model::Availability::Online { .. } => "readable",
        holdfast_model::Availability::Rehydrating { .. } => "on its way back",
        _ => "offline",
    }
}

/// Create, refuse the second, read back: for the buckets beside the recordings'.
async fn written_once(s: &mut Session<'_>, store: &Store, clock: &dyn Clock, code: &str, bucket: &str, name: &str) {
    let probe = Probe::new(clock);
    let key = key(s, name);
    s.check(code, bucket, async {
        let key = key?;
        let made = store.writer.create(bucket, &key, probe.body(), probe.options(true, true)).await?;
        twice(store, &made.locator, &probe).await?;
        read_back(store, &made.locator, &probe).await?;
        Ok(((), "Written once, the second write refused, read back.".into()))
    })
    .await;
}
