//! What only the provider's own calls tell, on AWS.

use super::{Session, Trouble, grant};
use crate::ProvisionError;
use crate::aws::{
    self, AwsClients, AwsSettings, BucketDesired, Encryption, Lock, TableDesired, Versioning, code, desired, fault,
    holes_in_lifecycle, identity, observe, rules_of, same_key,
};
use aws_sdk_s3::config::{
    ConfigBag, Intercept, RuntimeComponents, interceptors::BeforeDeserializationInterceptorContextRef,
};
use holdfast_model::{Clock, ObjectLocator};
use holdfast_store::Store;
use jiff::Timestamp;
use std::sync::{Arc, Mutex, PoisonError};

/// Difference of the clocks that is let pass. S3 itself refuses at 15 minutes; at five, somebody has time to look.
const SKEW_S: i64 = 300;

/// What preflight needs on AWS beside the store.
#[derive(Debug, Clone)]
pub struct AwsTarget {
    /// Clients, of the same configuration as the store's.
    pub clients: AwsClients,
    /// Buckets as they must be, or why their settings are not checked.
    buckets: Result<Vec<BucketDesired>, &'static str>,
    encryption: Encryption,
    pub(super) table: Option<TableDesired>,
}

impl AwsTarget {
    /// What these settings name. The store also takes access points and a key's bare id, whose settings provisioning cannot compare:
    /// then those checks are skipped, and the others done.
    ///
    /// # Errors
    /// [`ProvisionError::Invalid`] as [`desired`], for everything else.
    pub fn new(clients: AwsClients, settings: &AwsSettings) -> Result<Self, ProvisionError> {
        let buckets = match beyond_settings(settings) {
            Some(why) => Err(why),
            None => Ok(desired(settings)?.buckets),
        };
        let table = settings.table.as_ref().map(|name| TableDesired::new(name, settings.kms_key.as_deref()));
        let encryption = settings.kms_key.clone().map_or(Encryption::S3, Encryption::Kms);
        Ok(Self { clients, buckets, encryption, table })
    }
}

fn beyond_settings(s: &AwsSettings) -> Option<&'static str> {
    if s.uses().iter().any(|(name, _)| name.starts_with("arn:")) {
        return Some(
            "The configuration names an access point, which tells nothing of its bucket's settings; what can be proved by acting is \
             proved below.",
        );
    }
    let bare = |key: &str| !key.contains([':', '/']);
    s.kms_key.as_deref().is_some_and(bare).then_some(
        "The configuration names the key by its id alone, and settings are compared by ARN; what can be proved by acting is proved below.",
    )
}

/// Checks of a bucket's settings.
const SETTINGS: [&str; 5] = [
    "preflight.versioning",
    "preflight.object_lock",
    "preflight.encryption",
    "preflight.lifecycle_media",
    "preflight.lifecycle_meta",
];

/// Hears the `Date` of an answer.
#[derive(Debug, Clone, Default)]
struct Date(Arc<Mutex<Option<String>>>);

impl Intercept for Date {
    fn name(&self) -> &'static str {
        "Date"
    }

    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), aws_sdk_s3::error::BoxError> {
        let date = context.response().headers().get("date").map(str::to_owned);
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = date;
        Ok(())
    }
}

/// Identity, clock, and the settings of each bucket.
pub(super) async fn settings(s: &mut Session<'_>, store: &Store, t: &AwsTarget, clock: &dyn Clock) {
    s.check("preflight.identity", "", async {
        let who = identity(&t.clients).await?;
        Ok(((), format!("{}.", who.arn)))
    })
    .await;
    s.check("preflight.clock", "", clocks(t, &store.buckets.media, clock)).await;
    let buckets = match &t.buckets {
        Ok(buckets) => buckets,
        Err(why) => {
            for code in SETTINGS {
                s.skip(code, "", why);
            }
            return;
        }
    };
    for b in buckets {
        let name = b.name.as_str();
        s.check("preflight.versioning", name, versioning(t, name)).await;
        s.check("preflight.object_lock", name, object_lock(t, name)).await;
        s.check("preflight.encryption", name, default_encryption(t, b)).await;
        if b.uses.contains(&"media") {
            s.check("preflight.lifecycle_media", name, moves(t, b)).await;
        }
        if b.uses.contains(&"meta") {
            s.check("preflight.lifecycle_meta", name, stays(t, name)).await;
        }
    }
}

async fn clocks(t: &AwsTarget, bucket: &str, clock: &dyn Clock) -> Result<((), String), Trouble> {
    let date = Date::default();
    let before = clock.now();
    let answer = t.clients.s3.head_bucket().bucket(bucket).customize().interceptor(date.clone()).send().await;
    let heard = date.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
    match (heard, answer) {
        (Some(text), _) => skew(&text, before),
        (None, Err(e)) => Err(fault("asking for the time", "s3:ListBucket", &e).into()),
        (None, Ok(_)) => Err(Trouble::setting(
            "The provider's answer has no time.",
            "the header Date",
            "Look for a proxy that drops it.",
        )),
    }
}

/// Compares an HTTP date with this machine's time.
pub(super) fn skew(date: &str, now: Timestamp) -> Result<((), String), Trouble> {
    let theirs = jiff::fmt::rfc2822::parse(date)
        .map_err(|_| Trouble {
            says: format!("The provider's time `{date}` cannot be read."),
            missing: None,
            next: None,
        })?
        .timestamp();
    let seconds = now.as_second() - theirs.as_second();
    if seconds.abs() <= SKEW_S {
        return Ok(((), format!("{} s apart.", seconds.abs())));
    }
    let word = if seconds > 0 { "ahead of" } else { "behind" };
    Err(Trouble::setting(
        format!("This machine's clock is {} min {word} the provider's.", seconds.abs() / 60),
        "time synchronisation",
        "Set this machine's clock and enable time synchronisation (timedatectl set-ntp true): retention dates and the ledger rest on it.",
    ))
}

async fn versioning(t: &AwsTarget, bucket: &str) -> Result<((), String), Trouble> {
    match observe::versioning(&t.clients.s3, bucket).await? {
        Versioning::Enabled => Ok(((), "Enabled.".into())),
        _ => Err(Trouble::setting("Versions are not kept.", "bucket versioning", "Run `holdfast provision apply`.")),
    }
}

async fn object_lock(t: &AwsTarget, bucket: &str) -> Result<((), String), Trouble> {
    let next = "Run `holdfast provision plan`: it says whether it can still be switched on.";
    match observe::lock(&t.clients.s3, bucket).await? {
        Lock::On(Some(r)) => Ok(((), format!("On; {:?} for {} days by default.", r.mode, r.days))),
        Lock::On(None) => Err(Trouble::setting(
            "Object Lock is on without a default.",
            "default retention",
            "Run `holdfast provision apply`.",
        )),
        Lock::Off => Err(Trouble::setting("Object Lock is off.", "Object Lock", next)),
    }
}

async fn default_encryption(t: &AwsTarget, b: &BucketDesired) -> Result<((), String), Trouble> {
    let found = observe::default_encryption(&t.clients.s3, &b.name).await?;
    let fits = match (&b.encryption, &found) {
        (Encryption::S3, found) => found.is_some(),
        (Encryption::Kms(want), Some((Encryption::Kms(found), _))) => same_key(want, found),
        _ => false,
    };
    let says = found.map_or_else(|| "none".to_owned(), |(e, _)| e.words());
    if fits {
        return Ok(((), format!("{says}.")));
    }
    let wanted = b.encryption.words();
    Err(Trouble::setting(
        format!("Found {says}, configured {wanted}."),
        "default encryption",
        "Run `holdfast provision apply`.",
    ))
}

async fn moves(t: &AwsTarget, b: &BucketDesired) -> Result<((), String), Trouble> {
    let wanted: Vec<_> = b.rules.iter().filter(|r| !r.transitions.is_empty()).collect();
    let found = rules_of(&observe::lifecycle(&t.clients.s3, &b.name).await?.0);
    if let Some((rule, why)) = holes_in_lifecycle(&found).into_iter().next() {
        return Err(Trouble::setting(
            format!("{rule}: {why}"),
            "a lifecycle that leaves evidence alone",
            "Take that rule away or narrow it.",
        ));
    }
    if wanted.is_empty() {
        return Ok(((), "None configured: recordings stay in the class they are written to.".into()));
    }
    let lacks = wanted.iter().find(|w| !found.contains(w));
    match lacks {
        None => Ok(((), wanted.iter().map(|w| w.words()).collect::<Vec<_>>().join("; "))),
        Some(rule) => Err(Trouble::setting(
            format!("There is no rule as configured: {}.", rule.words()),
            "lifecycle rule of recordings",
            "Run `holdfast provision apply`; until then nothing gets cheaper.",
        )),
    }
}

async fn stays(t: &AwsTarget, bucket: &str) -> Result<((), String), Trouble> {
    let found = rules_of(&observe::lifecycle(&t.clients.s3, bucket).await?.0);
    match found.iter().find(|r| r.chills_metadata()) {
        None => Ok((
            (),
            "No rule moves manifests, payloads, texts or the ledger to a class that must be rehydrated.".into(),
        )),
        Some(rule) => Err(Trouble::setting(
            format!("This rule would make metadata unreadable for hours: {}.", rule.words()),
            "a lifecycle that leaves metadata alone",
            "Take the rule away, or narrow it to recordings/.",
        )),
    }
}

/// The probe's own encryption, and the key's state where this identity may ask.
pub(super) async fn encrypted(t: &AwsTarget, at: &ObjectLocator) -> Result<((), String), Trouble> {
    let call = t.clients.s3.head_object().bucket(&at.bucket).key(at.key.as_str());
    let found = call.set_version_id(at.version_id.clone()).send().await;
    let found = found.map_err(|e| fault("reading the object's encryption", "s3:GetObjectVersion", &e))?;
    let algorithm = found.server_side_encryption.as_ref().map_or("none", |a| a.as_str()).to_owned();
    let Encryption::Kms(key) = &t.encryption else {
        return Ok(((), format!("{algorithm}; no key of KMS is configured.")));
    };
    let used = found.ssekms_key_id.unwrap_or_default();
    if !algorithm.starts_with("aws:kms") || !same_key(key, &used) {
        return Err(Trouble::setting(
            format!("The object is encrypted by {algorithm} {used}, configured is {key}."),
            "encryption with the configured key",
            "Run `holdfast provision apply`; recordings written meanwhile keep the other key.",
        ));
    }
    let state = match t.clients.kms.describe_key().key_id(key).send().await {
        Ok(d) => d.key_metadata.and_then(|m| m.key_state).map(|s| s.as_str().to_owned()).unwrap_or_default(),
        // The write and the read back have proved that it can be used.
        Err(e) if code(&e) == Some("AccessDeniedException") => {
            return Ok(((), format!("{key}; its state may not be asked (kms:DescribeKey).")));
        }
        Err(e) => return Err(fault("asking for the key's state", "kms:DescribeKey", &e).into()),
    };
    if state == "Enabled" {
        return Ok(((), format!("{key}, enabled.")));
    }
    Err(Trouble::setting(
        format!("The key {key} is {state}. What was cached lets it work for some minutes more."),
        format!("the key {key}"),
        "Enable it, or cancel its deletion, at once: without it no recording can be read.",
    ))
}

/// Asks for a restore of an object that lies online: refused for its class where the right is there, for the right where it is
/// not; and it costs nothing either way.
pub(super) async fn may_restore(t: &AwsTarget, at: &ObjectLocator) -> Result<((), String), Trouble> {
    let tier = aws_sdk_s3::types::GlacierJobParameters::builder().tier(aws_sdk_s3::types::Tier::Bulk).build();
    let tier = tier.map_err(|e| Trouble { says: e.to_string(), missing: None, next: None })?;
    let request = aws_sdk_s3::types::RestoreRequest::builder().days(1).glacier_job_parameters(tier).build();
    let call = t.clients.s3.restore_object().bucket(&at.bucket).key(at.key.as_str());
    match call.set_version_id(at.version_id.clone()).restore_request(request).send().await {
        Ok(_) => Ok(((), "Taken: the class of new objects is one that must be rehydrated.".into())),
        Err(e) => match aws::code(&e) {
            Some(c @ ("InvalidObjectState" | "ObjectAlreadyInActiveTierError")) => {
                Ok(((), format!("This identity may ask; refused for an object that is online ({c}), as it must be.")))
            }
            Some("AccessDenied") => Err(Trouble::setting(
                "Asking for a restore was refused: nothing could be brought back from Glacier.",
                "s3:RestoreObject",
                grant("s3:RestoreObject"),
            )),
            _ => Err(fault("asking for a restore", "s3:RestoreObject", &e).into()),
        },
    }
}
