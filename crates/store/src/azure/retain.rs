//! Retention and hold of one version. GOVERNANCE is an unlocked policy, which those with the right may shorten; COMPLIANCE is a
//! locked one, which nobody can. Azure keeps the date in whole seconds: it is rounded up.

use super::{
    AzureStore,
    faults::{Call, Place, effect_unknown},
};
use crate::StoreError;
use azure_core::time::OffsetDateTime;
use azure_storage_blob::models::{BlobClientSetImmutabilityPolicyOptions, ImmutabilityPolicyMode};
use holdfast_model::{ImmutabilityMode, ObjectLocator, ObjectRetention};
use jiff::Timestamp;

pub(super) fn mode(mode: ImmutabilityMode) -> ImmutabilityPolicyMode {
    match mode {
        ImmutabilityMode::Governance => ImmutabilityPolicyMode::Unlocked,
        ImmutabilityMode::Compliance => ImmutabilityPolicyMode::Locked,
    }
}

/// The first whole second that is not before `until`.
pub(super) fn expiry(until: Timestamp) -> Option<OffsetDateTime> {
    let up = i64::from(until.subsec_nanosecond() > 0);
    OffsetDateTime::from_unix_timestamp(until.as_second() + up).ok()
}

/// Whether `this` keeps at least what `that` wants, in Azure's whole seconds.
fn covers(this: &ObjectRetention, that: &ObjectRetention) -> bool {
    let second = |r: &ObjectRetention| expiry(r.until).map(OffsetDateTime::unix_timestamp);
    second(this) >= second(that) && rank(this.mode) >= rank(that.mode)
}

fn rank(mode: ImmutabilityMode) -> u8 {
    match mode {
        ImmutabilityMode::Governance => 0,
        ImmutabilityMode::Compliance => 1,
    }
}

impl AzureStore {
    pub(super) async fn retain(&self, at: &ObjectLocator, to: ObjectRetention) -> Result<(), StoreError> {
        let head = self.head_of(at).await?;
        // The version that was looked at, not one that came since.
        let at = &ObjectLocator { version_id: head.seen.version.clone(), ..at.clone() };
        match head.retention {
            Some(stands) if same(&stands, &to) => return Ok(()),
            Some(stands) if !covers(&to, &stands) => return Err(StoreError::RetentionShortened { stands, asked: to }),
            _ => {}
        }
        let place = Place::Object(at);
        let expiry = expiry(to.until).ok_or_else(|| StoreError::Invalid {
            what: format!("the retention of {at}"),
            detail: "the date is out of range".to_owned(),
        })?;
        let options = BlobClientSetImmutabilityPolicyOptions {
            immutability_policy_mode: Some(mode(to.mode)),
            ..Default::default()
        };
        let answer = self.blob(at)?.set_immutability_policy(&expiry, Some(options)).await;
        let Err(e) = answer else { return Ok(()) };
        if effect_unknown(&e) && self.head_of(at).await.is_ok_and(|h| h.retention.is_some_and(|r| covers(&r, &to))) {
            return Ok(());
        }
        Err(self.fault(Call::Policy, place, &e))
    }

    pub(super) async fn hold(&self, at: &ObjectLocator, on: bool) -> Result<(), StoreError> {
        let answer = self.blob(at)?.set_legal_hold(on, None).await;
        let Err(e) = answer else { return Ok(()) };
        if effect_unknown(&e) && self.head_of(at).await.is_ok_and(|h| h.legal_hold == on) {
            return Ok(());
        }
        Err(self.fault(Call::Hold, Place::Object(at), &e))
    }
}

fn same(stands: &ObjectRetention, asked: &ObjectRetention) -> bool {
    covers(stands, asked) && covers(asked, stands)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_stricter_mode_with_the_same_date_is_no_shortening() {
        let kept = |mode, until: &str| ObjectRetention { mode, until: until.parse().unwrap() };
        let stands = kept(ImmutabilityMode::Governance, "2030-01-01T00:00:01Z");
        let stricter = kept(ImmutabilityMode::Compliance, "2030-01-01T00:00:00.5Z");
        assert!(covers(&stricter, &stands) && !covers(&stands, &stricter) && !same(&stands, &stricter));
        assert!(!covers(&kept(ImmutabilityMode::Compliance, "2030-01-01T00:00:00Z"), &stands));
    }

    #[test]
    fn a_date_is_never_rounded_down() {
        for (until, want) in [
            ("2030-01-01T00:00:00Z", "2030-01-01T00:00:00Z"),
            ("2030-01-01T00:00:00.001Z", "2030-01-01T00:00:01Z"),
            ("2030-01-01T00:00:59.999Z", "2030-01-01T00:01:00Z"),
        ] {
            let until: Timestamp = until.parse().unwrap();
            let expiry = expiry(until).unwrap().unix_timestamp();
            assert_eq!(expiry, want.parse::<Timestamp>().unwrap().as_second());
        }
    }
}
