//! Retention and hold. S3 itself refuses to shorten what stands; what stands is looked at first all the same, so that the refusal can
//! say what it is.

use super::{S3Store, fault};
use crate::StoreError;
use aws_sdk_s3::{
    primitives::DateTime,
    types::{
        ObjectLockLegalHold, ObjectLockLegalHoldStatus, ObjectLockMode, ObjectLockRetention, ObjectLockRetentionMode,
    },
};
use holdfast_model::{ImmutabilityMode, ObjectLocator, ObjectRetention};

/// A change that makes retention longer or harder.
struct Step {
    at: ObjectLocator,
    changes_mode: bool,
}

impl S3Store {
    pub(super) async fn extend_retention(&self, at: &ObjectLocator, to: ObjectRetention) -> Result<(), StoreError> {
        let Some(harder) = self.step_to(at, to).await? else { return Ok(()) };
        match self.put_retention(&harder, to, false).await {
            // From GOVERNANCE to COMPLIANCE is a change of mode, and servers want the right to bypass for any such change. It is
            // used for this alone, and after another look, so that nothing that was lengthened meanwhile is shortened.
            Err(StoreError::Denied { .. }) if harder.changes_mode => match self.step_to(at, to).await? {
                Some(harder) => self.put_retention(&harder, to, true).await,
                None => Ok(()),
            },
            other => other,
        }
    }

    /// What is to be changed; none where it stands already. Refuses what would shorten or weaken.
    async fn step_to(&self, at: &ObjectLocator, to: ObjectRetention) -> Result<Option<Step>, StoreError> {
        let info = self.look(at).await?.info;
        let Some(stands) = info.retention else {
            return Ok(Some(Step { at: info.locator, changes_mode: false }));
        };
        let (has, asked) = (stands.until.as_second(), whole_second_after(to).secs());
        if stands.mode > to.mode || has > asked {
            return Err(StoreError::RetentionShortened { stands, asked: to });
        }
        let stands_already = stands.mode == to.mode && has == asked;
        Ok((!stands_already).then_some(Step { at: info.locator, changes_mode: stands.mode != to.mode }))
    }

    async fn put_retention(&self, step: &Step, to: ObjectRetention, bypass: bool) -> Result<(), StoreError> {
        let mode = match to.mode {
            ImmutabilityMode::Governance => ObjectLockRetentionMode::Governance,
            ImmutabilityMode::Compliance => ObjectLockRetentionMode::Compliance,
        };
        let kept = ObjectLockRetention::builder().mode(mode).retain_until_date(whole_second_after(to)).build();
        let Step { at, .. } = step;
        let right = if bypass { "s3:BypassGovernanceRetention" } else { "s3:PutObjectRetention" };
        self.client
            .put_object_retention()
            .bucket(&at.bucket)
            .key(at.key.as_str())
            .set_version_id(at.version_id.clone())
            .retention(kept)
            .set_bypass_governance_retention(bypass.then_some(true))
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
