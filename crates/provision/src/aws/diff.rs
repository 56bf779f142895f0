//! What differs between what is wanted and what is. Pure.

use super::{
    AwsDesired, AwsObserved, BucketDesired, BucketFound, BucketObserved, Encryption, Lock, Versioning, lifecycle,
    replication, rules_of,
    table::{self, TableStep},
};
use crate::{
    DefaultRetention,
    plan::{Difference, Differences},
};
use aws_sdk_s3::types::{LifecycleRule, ReplicationRule, TransitionDefaultMinimumObjectSize};
use holdfast_model::ImmutabilityMode;
use serde_json::{Value, json};

/// One thing that `apply` does. Carries all that it needs, so that doing it twice is doing it once.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Step {
    Create { bucket: String, region: String },
    Version { bucket: String },
    Lock { bucket: String, retention: DefaultRetention },
    Own { bucket: String },
    BlockPublic { bucket: String },
    Encrypt { bucket: String, encryption: Encryption },
    Policy { bucket: String, policy: Value },
    Lifecycle { bucket: String, rules: LifecycleRules },
    Replicate { bucket: String, rule: replication::Rule, others: Vec<ReplicationRule> },
    Table(TableStep),
}

/// All rules of a bucket, as they are put.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct LifecycleRules {
    pub(crate) ours: Vec<lifecycle::Rule>,
    pub(crate) others: Vec<LifecycleRule>,
    /// A call without it would put the provider's default in its place.
    pub(crate) smallest_moved: Option<TransitionDefaultMinimumObjectSize>,
}

/// Every difference, in the order in which it is to be mended: what closes a bucket comes before what fills it.
pub(crate) fn differences(want: &AwsDesired, is: &AwsObserved) -> Vec<Difference<Step>> {
    let mut all = Vec::new();
    for b in &want.buckets {
        let found =
            is.buckets.iter().find(|(name, _)| *name == b.name).map_or(&BucketFound::Nowhere, |(_, found)| found);
        let mut out = Differences { place: format!("bucket {}", b.name), all: &mut all };
        bucket(b, found, &mut out);
    }
    if let Some(t) = &want.table {
        let mut own = Vec::new();
        let mut out = Differences { place: format!("table {}", t.name), all: &mut own };
        table::differences(t, is.table.as_ref(), &mut out);
        all.extend(own.into_iter().map(|d| Difference { entry: d.entry, step: d.step.map(Step::Table) }));
    }
    all
}

fn bucket(want: &BucketDesired, found: &BucketFound, out: &mut Differences<'_, Step>) {
    let is = match found {
        BucketFound::Elsewhere { region } => {
            let why = "A bucket cannot be moved. Name another bucket, or the region in which this one lies.";
            out.barred("region", region, &want.region, why);
            return;
        }
        BucketFound::Nowhere => {
            out.missing(
                "bucket",
                &format!("in {} with Object Lock", want.region),
                "The bucket is made with Object Lock and versioning from its first moment.",
                Step::Create { bucket: want.name.clone(), region: want.region.clone() },
            );
            object_lock(want, Versioning::Enabled, &Lock::On(None), out);
            None
        }
        BucketFound::Here(is) => {
            // Of a bucket that Object Lock cannot protect any more nothing else is mended either: it is the wrong bucket.
            if !object_lock(want, is.versioning, &is.lock, out) {
                return;
            }
            Some(is.as_ref())
        }
    };
    public_access(want, is, out);
    encryption(want, is.and_then(|b| b.encryption.as_ref()), out);
    policy(want, is.and_then(|b| b.policy.as_ref()), out);
    lifecycle_rules(want, is, out);
    replicate(want, is, out);
}

fn words(r: &DefaultRetention) -> String {
    let mode = match r.mode {
        ImmutabilityMode::Governance => "GOVERNANCE",
        ImmutabilityMode::Compliance => "COMPLIANCE",
    };
    format!("{mode} for {} days", r.days)
}

/// The firmer of both in each respect.
fn firmer(a: DefaultRetention, b: DefaultRetention) -> DefaultRetention {
    DefaultRetention { mode: a.mode.max(b.mode), days: a.days.max(b.days) }
}

/// Whether the bucket is locked, or can be.
fn object_lock(want: &BucketDesired, versioning: Versioning, lock: &Lock, out: &mut Differences<'_, Step>) -> bool {
    let bucket = || want.name.clone();
    let wanted = words(&want.retention);
    match (lock, versioning) {
        (Lock::Off, Versioning::Enabled) => {
            let step = Step::Lock { bucket: bucket(), retention: want.retention };
            out.drifted(
                "object_lock",
                "off",
                &wanted,
                "Object Lock is switched on, for good. What already lies in the bucket gets no retention by that.",
                step,
            );
        }
        (Lock::Off, found) => {
            let found =
                if found == Versioning::Never { "never versioned, no lock" } else { "versioning suspended, no lock" };
            let why = "The bucket exists without Object Lock and without versions: what was overwritten in it is gone and nothing in it was \
                       ever protected, so it cannot become an archive. Name a new bucket; it is made with Object Lock, and what lies here \
                       can be copied there.";
            out.barred("object_lock", found, &wanted, why);
            return false;
        }
        (Lock::On(found), versioning) => {
            if versioning != Versioning::Enabled {
                let step = Step::Version { bucket: bucket() };
                out.drifted("versioning", "suspended", "enabled", "Versions are kept again.", step);
            }
            let aim = found.map_or(want.retention, |f| firmer(f, want.retention));
            if *found != Some(aim) {
                let step = Step::Lock { bucket: bucket(), retention: aim };
                let found = found.as_ref().map(words).unwrap_or_default();
                out.drifted(
                    "default_retention",
                    &found,
                    &words(&aim),
                    "What comes without a retention of its own gets this one.",
                    step,
                );
            } else if aim != want.retention {
                out.remark("default_retention", &words(&aim), &wanted, "It stands firmer than asked and stays so.");
            }
        }
    }
    true
}

fn public_access(want: &BucketDesired, is: Option<&BucketObserved>, out: &mut Differences<'_, Step>) {
    let blocks = is.map_or(0, |b| b.public_blocks);
    if blocks < 4 {
        let found = if is.is_some() { format!("{blocks} of 4") } else { String::new() };
        let step = Step::BlockPublic { bucket: want.name.clone() };
        out.drifted(
            "public_access_block",
            &found,
            "4 of 4",
            "No policy and no ACL can make anything here public.",
            step,
        );
    }
    let ownership = is.and_then(|b| b.ownership.as_deref());
    // A bucket that is made has it from its first moment.
    if is.is_some() && ownership != Some("BucketOwnerEnforced") {
        let step = Step::Own { bucket: want.name.clone() };
        out.drifted(
            "ownership",
            ownership.unwrap_or_default(),
            "BucketOwnerEnforced",
            "ACLs are off; the account owns every object.",
            step,
        );
    }
}

fn encryption(want: &BucketDesired, is: Option<&(Encryption, bool)>, out: &mut Differences<'_, Step>) {
    let fits = match (&want.encryption, is) {
        (Encryption::Kms(key), Some((Encryption::Kms(found), bucket_key))) => *bucket_key && same_key(key, found),
        // Nothing was asked for: whatever key is the default stays.
        (Encryption::S3, Some(_)) => true,
        _ => false,
    };
    if !fits {
        let found = is.map_or(String::new(), |(e, bucket_key)| match e {
            Encryption::Kms(key) if !bucket_key => format!("aws:kms with {key}, no bucket key"),
            e => e.words(),
        });
        let step = Step::Encrypt { bucket: want.name.clone(), encryption: want.encryption.clone() };
        out.drifted(
            "encryption",
            &found,
            &want.encryption.words(),
            "What comes without a word on encryption gets this key.",
            step,
        );
    }
}

/// The same key, each named by ARN or by its bare id.
pub(crate) fn same_key(want: &str, found: &str) -> bool {
    let of_arn = |arn: &str, id: &str| arn.ends_with(&format!(":key/{id}"));
    want == found || of_arn(want, found) || of_arn(found, want)
}

/// Sorted, with lists of one as their only item, so that two ways to say the same are equal.
fn normal(value: &Value) -> Value {
    match value {
        Value::Array(items) => {
            let mut items: Vec<Value> = items.iter().map(normal).collect();
            items.sort_by_key(Value::to_string);
            if items.len() == 1 { items.swap_remove(0) } else { Value::Array(items) }
        }
        Value::Object(map) => Value::Object(map.iter().map(|(k, v)| (k.clone(), normal(v))).collect()),
        Value::Bool(b) => json!(b.to_string()),
        other => other.clone(),
    }
}

fn sid(statement: &Value) -> &str {
    statement.get("Sid").and_then(Value::as_str).unwrap_or_default()
}

fn policy(want: &BucketDesired, is: Option<&Value>, out: &mut Differences<'_, Step>) {
    let found: Vec<Value> = match is.and_then(|p| p.get("Statement")) {
        Some(Value::Array(all)) => all.clone(),
        Some(one @ Value::Object(_)) => vec![one.clone()],
        _ => Vec::new(),
    };
    let (ours, mut all): (Vec<Value>, Vec<Value>) = found.into_iter().partition(|s| sid(s).starts_with("Holdfast"));
    let lacks: Vec<&str> =
        want.statements.iter().filter(|w| !ours.iter().any(|o| normal(o) == normal(w))).map(sid).collect();
    if lacks.is_empty() && ours.len() == want.statements.len() {
        return;
    }
    let found = if is.is_none() {
        String::new()
    } else {
        format!("{} of {} statements as wanted", want.statements.len() - lacks.len(), want.statements.len())
    };
    all.extend(want.statements.iter().cloned());
    let policy = json!({ "Version": "2012-10-17", "Statement": all });
    let names: Vec<&str> = want.statements.iter().map(sid).collect();
    let step = Step::Policy { bucket: want.name.clone(), policy };
    out.drifted(
        "policy",
        &found,
        &names.join(", "),
        "TLS and the right key are demanded; statements of others stay.",
        step,
    );
}

fn lifecycle_rules(want: &BucketDesired, bucket: Option<&BucketObserved>, out: &mut Differences<'_, Step>) {
    let is = bucket.map_or(&[][..], |b| b.lifecycle.as_slice());
    let found = rules_of(is);
    let ours: Vec<&lifecycle::Rule> = found.iter().filter(|r| r.is_ours()).collect();
    let same = ours.len() == want.rules.len() && want.rules.iter().all(|w| ours.contains(&w));
    if !same {
        let others =
            is.iter().filter(|r| !r.id.as_deref().unwrap_or_default().starts_with(lifecycle::OURS)).cloned().collect();
        let list = |rules: &mut dyn Iterator<Item = &lifecycle::Rule>| {
            rules.map(lifecycle::Rule::words).collect::<Vec<_>>().join("; ")
        };
        let (found, wanted) = (list(&mut ours.into_iter()), list(&mut want.rules.iter()));
        let step = Step::Lifecycle {
            bucket: want.name.clone(),
            rules: LifecycleRules {
                ours: want.rules.clone(),
                others,
                smallest_moved: bucket.and_then(|b| b.smallest_moved.clone()),
            },
        };
        out.drifted("lifecycle", &found, &wanted, "Rules of others stay.", step);
    }
    for (rule, why) in holes_in_lifecycle(&found) {
        out.barred("lifecycle", &rule, "no such rule", why);
    }
}

/// Rules of others that work against the archive, with the sentence why. They are a person's to take away.
pub(crate) fn holes_in_lifecycle(rules: &[lifecycle::Rule]) -> Vec<(String, &'static str)> {
    let of_others = rules.iter().filter(|r| !r.is_ours());
    of_others
        .filter_map(|r| {
            let why = if r.chills_metadata() {
                "This rule, which is not Holdfast's, moves manifests and the ledger to a class from which they cannot be read for \
                 hours. Take it away or narrow it to `recordings/`."
            } else if r.expires_evidence() {
                "This rule, which is not Holdfast's, takes recordings or manifests away as soon as their retention ends, whether a \
                 matter still needs them or not. Take it away or narrow it to other prefixes."
            } else {
                return None;
            };
            Some((r.words(), why))
        })
        .collect()
}

fn replicate(want: &BucketDesired, is: Option<&BucketObserved>, out: &mut Differences<'_, Step>) {
    let Some(rule) = &want.replication else { return };
    let found = is.and_then(|b| b.replication.as_ref());
    let ours = found.and_then(replication::Rule::of);
    if ours.as_ref() == Some(rule) {
        return;
    }
    let others = replication::others(found);
    if !others.is_empty() && found.is_some_and(|f| f.role != rule.role) {
        // One role serves all rules of a bucket.
        let role = found.map(|f| f.role.clone()).unwrap_or_default();
        out.barred("replication", &role, &rule.role, "Other rules of this bucket copy as another role, and a bucket has one. Use that role in provision.replication.role_arn.");
        return;
    }
    let step = Step::Replicate { bucket: want.name.clone(), rule: rule.clone(), others };
    let found = ours.map(|r| r.words()).unwrap_or_default();
    out.drifted(
        "replication",
        &found,
        &rule.words(),
        "Everything written from now on is copied; what already lies here is not (S3 Batch Replication does that).",
        step,
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    fn retention(mode: ImmutabilityMode, days: u32) -> DefaultRetention {
        DefaultRetention { mode, days }
    }

    #[test]
    fn the_firmer_of_both_stands_in_each_respect() {
        use ImmutabilityMode::{Compliance, Governance};
        let (a, b) = (retention(Compliance, 10), retention(Governance, 400));
        assert_eq!(firmer(a, b), retention(Compliance, 400));
        assert_eq!(firmer(b, a), retention(Compliance, 400));
    }

    #[test]
    fn two_ways_to_say_the_same_policy_are_equal() {
        let a = json!({ "Action": ["s3:*"], "Resource": ["b", "a"], "Condition": { "Bool": { "aws:SecureTransport": false } } });
        let b = json!({ "Resource": ["a", "b"], "Action": "s3:*", "Condition": { "Bool": { "aws:SecureTransport": ["false"] } } });
        assert_eq!(normal(&a), normal(&b));
        assert_ne!(normal(&a), normal(&json!({ "Action": "s3:Get*" })));
    }
}
