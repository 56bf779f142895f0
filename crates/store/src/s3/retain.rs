//! Retention and hold. S3 itself refuses to shorten what stands (short of a right to bypass, which is never used here); what stands
//! is looked at first all the same, so that the refusal can say what it is.

use super::{S3Store, fault};
use crate::StoreError;
use aws_sdk_s3::{
    primitives::DateTime,
    types::{
        ObjectLockLegalHold, ObjectLockLegalHoldStatus, ObjectLockMode, ObjectLockRetention, ObjectLockRetentionMode,
    },
};
use holdfast_model::{ImmutabilityMode, ObjectLocator, ObjectRetention};

/// The right that S3 wants for a change from GOVERNANCE to COMPLIANCE where it wants more than for a later date.
const BYPASS: &str = "s3:BypassGovernanceRetention";

impl S3Store {
    pub(super) async fn extend_retention(&self, at: &ObjectLocator, to: ObjectRetention) -> Result<(), StoreError> {
        let info = self.look(at).await?.info;
        let until = whole_second_after(to);
        let mut right = "s3:PutObjectRetention";
        if let Some(stands) = info.retention {
            if stands.mode > to.mode || stands.until.as_second() > until.secs() {
                return Err(StoreError::RetentionShortened { stands, asked: to });
            }
            if stands.mode == to.mode && stands.until.as_second() == until.secs() {
                return Ok(());
            }
            if stands.mode != to.mode {
                right = BYPASS;
            }
        }
        let mode = match to.mode {
            ImmutabilityMode::Governance => ObjectLockRetentionMode::Governance,
            ImmutabilityMode::Compliance => ObjectLockRetentionMode::Compliance,
        };
        self.client
            .put_object_retention()
            .bucket(&at.bucket)
            .key(at.key.as_str())
            .set_version_id(info.locator.version_id.clone())
            .retention(ObjectLockRetention::builder().mode(mode).retain_until_date(until).build())
            .send()
            .await
            .map_err(|e| fault::of(&self.doing("lengthening the retention of", right, at), &e))?;
        Ok(())
    }

    pub(super) async fn put_legal_hold(&self, at: &ObjectLocator, on: bool) -> Result<(), StoreError> {
        let info = self.look(at).await?.info;
        let status = if on { ObjectLockLegalHoldStatus::On } else { ObjectLockLegalHoldStatus::Off };
        self.client
            .put_object_legal_hold()
            .bucket(&at.bucket)
            .key(at.key.as_str())
            .set_version_id(info.locator.version_id.clone())
            .legal_hold(ObjectLockLegalHold::builder().status(status).build())
            .send()
            .await
            .map_err(|e| fault::of(&self.doing("setting the hold of", "s3:PutObjectLegalHold", at), &e))?;
        Ok(())
    }
}

pub(super) fn lock_mode(mode: ImmutabilityMode) -> ObjectLockMode {
    match mode {
        ImmutabilityMode::Governance => ObjectLockMode::Governance,
        ImmutabilityMode::Compliance => ObjectLockMode::Compliance,
    }
}

/// Servers keep whole seconds at least; rounded up, so that none keeps it too short.
pub(super) fn whole_second_after(to: ObjectRetention) -> DateTime {
    let second = to.until.as_second();
    DateTime::from_secs(second + i64::from(to.until.subsec_nanosecond() > 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_never_rounded_to_a_shorter_retention() {
        for (until, secs) in [("2030-01-01T00:00:00Z", 1_893_456_000), ("2029-12-31T23:59:59.001Z", 1_893_456_000)] {
            let to = ObjectRetention { mode: ImmutabilityMode::Governance, until: until.parse().unwrap() };
            assert_eq!(whole_second_after(to).secs(), secs);
        }
    }
}
