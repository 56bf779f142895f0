//! Lifecycle rules as plain data: what we want, and what of a provider's rules says the same.

use crate::{Lifecycle, MEDIA_PREFIX, META_PREFIXES, PREFLIGHT_PREFIX, ProvisionError};
use aws_sdk_s3::types::{
    AbortIncompleteMultipartUpload, ExpirationStatus, LifecycleExpiration, LifecycleRule, LifecycleRuleFilter,
    NoncurrentVersionExpiration, NoncurrentVersionTransition, Transition, TransitionStorageClass,
};

/// Ids of our own rules start so; others are never touched.
pub(crate) const OURS: &str = "holdfast-";

/// One rule by prefix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rule {
    pub(crate) id: String,
    pub(crate) enabled: bool,
    pub(crate) prefix: String,
    /// Days and class, in order of days.
    pub(crate) transitions: Vec<(i32, String)>,
    pub(crate) noncurrent_transitions: Vec<(i32, String)>,
    pub(crate) expire_days: Option<i32>,
    pub(crate) noncurrent_expire_days: Option<i32>,
    pub(crate) abort_uploads_days: Option<i32>,
    /// It expires on a date.
    pub(crate) expires_on_date: bool,
    /// It has something that is not modelled here (a tag, a size, a date): then it is never equal to one of ours.
    pub(crate) other: bool,
}

fn days(n: u32) -> i32 {
    i32::try_from(n).unwrap_or(i32::MAX)
}

fn plain(id: &str, prefix: &str) -> Rule {
    Rule {
        id: format!("{OURS}{id}"),
        enabled: true,
        prefix: prefix.to_owned(),
        transitions: Vec::new(),
        noncurrent_transitions: Vec::new(),
        expire_days: None,
        noncurrent_expire_days: None,
        abort_uploads_days: None,
        expires_on_date: false,
        other: false,
    }
}

/// The rules of a bucket. Only recordings move; nothing but preflight's own objects ever expires.
pub(crate) fn rules(l: &Lifecycle, media: bool) -> Vec<Rule> {
    let mut out = vec![Rule { abort_uploads_days: Some(days(l.abort_uploads_after_days)), ..plain("uploads", "") }];
    if media {
        let cold = l.cold_class.clone().unwrap_or_else(|| "DEEP_ARCHIVE".into());
        let mut rule = plain("recordings", MEDIA_PREFIX);
        if let Some(n) = l.cool_after_days {
            rule.transitions.push((days(n), l.cool_class.clone().unwrap_or_else(|| "GLACIER_IR".into())));
        }
        if let Some(n) = l.cold_after_days {
            rule.transitions.push((days(n), cold.clone()));
            rule.noncurrent_transitions.push((days(l.noncurrent_after_days), cold));
        }
        if !rule.transitions.is_empty() {
            out.push(rule);
        }
    }
    // Expiry only marks; the versions go a day later, once their short retention is over. S3 drops the marker itself.
    out.push(Rule { expire_days: Some(1), noncurrent_expire_days: Some(1), ..plain("preflight", PREFLIGHT_PREFIX) });
    out
}

pub(crate) fn check(l: &Lifecycle) -> Result<(), ProvisionError> {
    let invalid = |what: &str, detail: &str| {
        Err(ProvisionError::Invalid { what: format!("provision.lifecycle.{what}"), detail: detail.into() })
    };
    if l.abort_uploads_after_days == 0 || l.noncurrent_after_days == 0 {
        return invalid("abort_uploads_after_days", "and noncurrent_after_days must be at least 1");
    }
    let known = |c: &Option<String>, of: &[&str]| c.as_deref().is_none_or(|c| of.contains(&c));
    if !known(&l.cool_class, &["GLACIER_IR", "STANDARD_IA", "INTELLIGENT_TIERING"]) {
        return invalid("cool_class", "GLACIER_IR, STANDARD_IA or INTELLIGENT_TIERING");
    }
    if !known(&l.cold_class, &["GLACIER", "DEEP_ARCHIVE"]) {
        return invalid("cold_class", "GLACIER or DEEP_ARCHIVE");
    }
    if l.cool_class.as_deref() == Some("STANDARD_IA") && l.cool_after_days.is_some_and(|n| n < 30) {
        return invalid("cool_after_days", "S3 moves nothing to STANDARD_IA before 30 days");
    }
    match (l.cool_after_days, l.cold_after_days) {
        (Some(cool), Some(cold)) if cold <= cool => invalid("cold_after_days", "must be later than cool_after_days"),
        // S3 User Guide, "Transitioning objects", minimum 30-day storage charge: not in one rule.
        (Some(cool), Some(cold))
            if l.cool_class.as_deref() == Some("STANDARD_IA") && cold < cool.saturating_add(30) =>
        {
            invalid("cold_after_days", "out of STANDARD_IA S3 moves nothing on before 30 days more")
        }
        _ => Ok(()),
    }
}

impl Rule {
    /// What the provider's rule says.
    pub(crate) fn of(r: &LifecycleRule) -> Self {
        let filter = r.filter.as_ref();
        let and = filter.and_then(|f| f.and.as_ref());
        #[allow(deprecated)] // rules of old are still given with a prefix of their own
        let prefix = filter
            .and_then(|f| f.prefix.clone())
            .or_else(|| and.and_then(|a| a.prefix.clone()))
            .or_else(|| r.prefix.clone());
        let size = |n: Option<i64>| n.is_some_and(|n| n > 0);
        let narrower = filter
            .is_some_and(|f| f.tag.is_some() || size(f.object_size_greater_than) || size(f.object_size_less_than))
            || and.is_some_and(|a| {
                !a.tags().is_empty() || size(a.object_size_greater_than) || size(a.object_size_less_than)
            });
        let expiration = r.expiration.as_ref();
        let dated = r.transitions().iter().any(|t| t.date.is_some()) || expiration.is_some_and(|e| e.date.is_some());
        let class = |c: Option<&TransitionStorageClass>| c.map(|c| c.as_str().to_owned()).unwrap_or_default();
        let mut transitions: Vec<_> =
            r.transitions().iter().map(|t| (t.days.unwrap_or(0), class(t.storage_class.as_ref()))).collect();
        transitions.sort();
        let mut noncurrent_transitions: Vec<_> = r
            .noncurrent_version_transitions()
            .iter()
            .map(|t| (t.noncurrent_days.unwrap_or(0), class(t.storage_class.as_ref())))
            .collect();
        noncurrent_transitions.sort();
        Self {
            id: r.id.clone().unwrap_or_default(),
            enabled: r.status == ExpirationStatus::Enabled,
            prefix: prefix.unwrap_or_default(),
            transitions,
            noncurrent_transitions,
            expire_days: expiration.and_then(|e| e.days),
            noncurrent_expire_days: r.noncurrent_version_expiration.as_ref().and_then(|e| e.noncurrent_days),
            abort_uploads_days: r.abort_incomplete_multipart_upload.as_ref().and_then(|a| a.days_after_initiation),
            expires_on_date: expiration.is_some_and(|e| e.date.is_some()),
            other: narrower || dated,
        }
    }

    /// The provider's form.
    pub(crate) fn rule(&self) -> Result<LifecycleRule, aws_sdk_s3::error::BuildError> {
        let class = |c: &str| TransitionStorageClass::from(c);
        let mut b = LifecycleRule::builder()
            .id(&self.id)
            .filter(LifecycleRuleFilter::builder().prefix(&self.prefix).build())
            .status(if self.enabled { ExpirationStatus::Enabled } else { ExpirationStatus::Disabled });
        for (n, c) in &self.transitions {
            b = b.transitions(Transition::builder().days(*n).storage_class(class(c)).build());
        }
        for (n, c) in &self.noncurrent_transitions {
            let t = NoncurrentVersionTransition::builder().noncurrent_days(*n).storage_class(class(c)).build();
            b = b.noncurrent_version_transitions(t);
        }
        if let Some(n) = self.expire_days {
            b = b.expiration(LifecycleExpiration::builder().days(n).build());
        }
        if let Some(n) = self.noncurrent_expire_days {
            b = b.noncurrent_version_expiration(NoncurrentVersionExpiration::builder().noncurrent_days(n).build());
        }
        if let Some(n) = self.abort_uploads_days {
            let abort = AbortIncompleteMultipartUpload::builder().days_after_initiation(n).build();
            b = b.abort_incomplete_multipart_upload(abort);
        }
        b.build()
    }

    /// For people.
    pub(crate) fn words(&self) -> String {
        let mut parts = Vec::new();
        if !self.enabled {
            parts.push("switched off".to_owned());
        }
        parts.extend(self.transitions.iter().map(|(n, c)| format!("{c} after {n} days")));
        parts
            .extend(self.noncurrent_transitions.iter().map(|(n, c)| format!("earlier versions to {c} after {n} days")));
        parts.extend(self.expire_days.map(|n| format!("expire after {n} days")));
        parts.extend(self.noncurrent_expire_days.map(|n| format!("earlier versions expire after {n} days")));
        parts.extend(self.abort_uploads_days.map(|n| format!("unfinished uploads dropped after {n} days")));
        if self.other {
            parts.push("with conditions or dates of its own".into());
        }
        let prefix = if self.prefix.is_empty() { "everything" } else { &self.prefix };
        format!("{} ({prefix}: {})", self.id, parts.join(", "))
    }

    fn touches(&self, prefix: &str) -> bool {
        self.enabled && (prefix.starts_with(&self.prefix) || self.prefix.starts_with(prefix))
    }

    /// Whether it would put metadata where it must be rehydrated before it can be read.
    pub(crate) fn chills_metadata(&self) -> bool {
        let cold = self
            .transitions
            .iter()
            .chain(&self.noncurrent_transitions)
            .any(|(_, c)| c == "GLACIER" || c == "DEEP_ARCHIVE");
        cold && META_PREFIXES.iter().any(|p| self.touches(p))
    }

    /// Whether it would take recordings or metadata away once their retention is over, hold or matter regardless of what they are
    /// still needed for. (What is under Object Lock stays whatever a rule says.)
    pub(crate) fn expires_evidence(&self) -> bool {
        let expires = self.expire_days.is_some() || self.noncurrent_expire_days.is_some() || self.expires_on_date;
        expires && META_PREFIXES.iter().chain([&MEDIA_PREFIX]).any(|p| self.touches(p))
    }

    pub(crate) fn is_ours(&self) -> bool {
        self.id.starts_with(OURS)
    }
}

/// All rules of a configuration in our form.
pub(crate) fn rules_of(rules: &[LifecycleRule]) -> Vec<Rule> {
    rules.iter().map(Rule::of).collect()
}
