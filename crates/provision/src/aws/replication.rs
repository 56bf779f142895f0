//! The replication rule as plain data.

use super::desired::bucket_arn;
use crate::Replication;
use aws_sdk_s3::{
    error::BuildError,
    types::{
        DeleteMarkerReplication, DeleteMarkerReplicationStatus, Destination, EncryptionConfiguration, Metrics,
        MetricsStatus, ReplicationConfiguration, ReplicationRule, ReplicationRuleFilter, ReplicationRuleStatus,
        ReplicationTime, ReplicationTimeStatus, ReplicationTimeValue, SourceSelectionCriteria, SseKmsEncryptedObjects,
        SseKmsEncryptedObjectsStatus,
    },
};

/// Id of our own rule.
pub(crate) const ID: &str = "holdfast-replication";

/// Minutes within which a copy is promised; S3 knows no other value.
const MINUTES: i32 = 15;

/// Copies everything, delete markers too, under time control.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rule {
    pub(crate) role: String,
    pub(crate) destination: String,
    pub(crate) account: Option<String>,
    pub(crate) kms_key: Option<String>,
    pub(crate) enabled: bool,
    pub(crate) everything: bool,
    pub(crate) delete_markers: bool,
    pub(crate) time_control: bool,
}

/// The rule of a bucket with these uses; none where its use is not copied.
pub(crate) fn rule(r: &Replication, region: &str, uses: &[&str]) -> Option<Rule> {
    let destination = match *uses.first()? {
        "media" => &r.media_bucket,
        "meta" => &r.meta_bucket,
        _ => r.quarantine_bucket.as_ref()?,
    };
    Some(Rule {
        role: r.role_arn.clone(),
        destination: bucket_arn(region, destination),
        account: r.account.clone(),
        kms_key: r.kms_key.clone(),
        enabled: true,
        everything: true,
        delete_markers: true,
        time_control: true,
    })
}

impl Rule {
    /// What our rule in the provider's configuration says; none where it is not there.
    pub(crate) fn of(c: &ReplicationConfiguration) -> Option<Self> {
        let r = c.rules.iter().find(|r| r.id.as_deref() == Some(ID))?;
        let d = r.destination.as_ref()?;
        let kms = d.encryption_configuration.as_ref().and_then(|e| e.replica_kms_key_id.clone());
        let f = r.filter.as_ref();
        let on = |s: Option<&MetricsStatus>| s == Some(&MetricsStatus::Enabled);
        Some(Self {
            role: c.role.clone(),
            destination: d.bucket.clone(),
            account: d.account.clone(),
            kms_key: kms.filter(|_| encrypted(r)),
            enabled: r.status == ReplicationRuleStatus::Enabled,
            everything: f
                .is_none_or(|f| f.prefix.as_deref().unwrap_or("").is_empty() && f.tag.is_none() && f.and.is_none()),
            delete_markers: r.delete_marker_replication.as_ref().and_then(|m| m.status.as_ref())
                == Some(&DeleteMarkerReplicationStatus::Enabled),
            time_control: d.replication_time.as_ref().is_some_and(|t| t.status == ReplicationTimeStatus::Enabled)
                && on(d.metrics.as_ref().map(|m| &m.status)),
        })
    }

    /// Our rule, with those of others beside it.
    pub(crate) fn configuration(&self, others: &[ReplicationRule]) -> Result<ReplicationConfiguration, BuildError> {
        let fifteen = || ReplicationTimeValue::builder().minutes(MINUTES).build();
        let mut destination = Destination::builder()
            .bucket(&self.destination)
            .set_account(self.account.clone())
            .replication_time(
                ReplicationTime::builder().status(ReplicationTimeStatus::Enabled).time(fifteen()).build()?,
            )
            .metrics(Metrics::builder().status(MetricsStatus::Enabled).event_threshold(fifteen()).build()?);
        let mut rule = ReplicationRule::builder()
            .id(ID)
            .priority(others.iter().filter_map(|r| r.priority).max().unwrap_or(0) + 1)
            .filter(ReplicationRuleFilter::builder().prefix("").build())
            .status(ReplicationRuleStatus::Enabled)
            .delete_marker_replication(
                DeleteMarkerReplication::builder().status(DeleteMarkerReplicationStatus::Enabled).build(),
            );
        if let Some(key) = &self.kms_key {
            destination = destination
                .encryption_configuration(EncryptionConfiguration::builder().replica_kms_key_id(key).build());
            let kms = SseKmsEncryptedObjects::builder().status(SseKmsEncryptedObjectsStatus::Enabled).build()?;
            rule = rule
                .source_selection_criteria(SourceSelectionCriteria::builder().sse_kms_encrypted_objects(kms).build());
        }
        let rule = rule.destination(destination.build()?).build()?;
        let all = others.iter().cloned().chain([rule]).collect();
        ReplicationConfiguration::builder().role(&self.role).set_rules(Some(all)).build()
    }

    /// For people.
    pub(crate) fn words(&self) -> String {
        let or_without = |on, what| if on { format!("with {what}") } else { format!("WITHOUT {what}") };
        let mut words = format!(
            "to {} as {}, {}, {}",
            self.destination,
            self.role,
            or_without(self.delete_markers, "delete markers"),
            or_without(self.time_control, "time control"),
        );
        if !self.enabled {
            words.push_str(", switched off");
        }
        if !self.everything {
            words.push_str(", only a part");
        }
        words
    }
}

fn encrypted(r: &ReplicationRule) -> bool {
    let kms = r.source_selection_criteria.as_ref().and_then(|s| s.sse_kms_encrypted_objects.as_ref());
    kms.is_some_and(|k| k.status == SseKmsEncryptedObjectsStatus::Enabled)
}

/// Rules that are not ours.
pub(crate) fn others(c: Option<&ReplicationConfiguration>) -> Vec<ReplicationRule> {
    c.map(|c| c.rules.iter().filter(|r| r.id.as_deref() != Some(ID)).cloned().collect()).unwrap_or_default()
}
