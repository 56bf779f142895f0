//! Bringing archived objects online: RestoreObject. It is sent once and never blindly again, since each try may cost: what became of
//! one whose answer is lost is looked up first.

use super::{S3Store, class, fault, fault::ALREADY_RESTORING, send::pause};
use crate::{StoreError, Ticket};
use aws_sdk_s3::{
    config::{Builder, retry::RetryConfig},
    types::{GlacierJobParameters, RestoreRequest},
};
use holdfast_model::{Availability, Fault as _, FaultKind, ObjectLocator, RehydrationSpeed};
use jiff::{SignedDuration, Timestamp};

/// What S3 said to a request.
#[derive(Debug, PartialEq, Eq)]
enum Answer {
    /// Taken: begun, raised, or a copy's time set anew.
    Taken,
    /// It is under way already, no slower than asked for.
    UnderWay,
    /// It was never archived, or is not any more.
    Online,
}

impl S3Store {
    pub(super) async fn rehydrate(
        &self,
        at: &ObjectLocator,
        speed: RehydrationSpeed,
        keep_days: u16,
    ) -> Result<Ticket, StoreError> {
        let info = self.look(at).await?.info;
        let (at, now) = (&info.locator, info.availability);
        let unsupported = || StoreError::Unsupported { storage_class: info.storage_class.clone(), speed };
        let offered = class::options(&info.storage_class).iter().any(|o| o.speed == speed);
        let days = class::gives_a_copy(&info.storage_class).then_some(keep_days.max(1));
        match now {
            Availability::Online { until } => match until {
                Some(until) if until < self.days_from_now(keep_days) => self.keep_longer(at, days, now).await,
                _ => Ok(Ticket { availability: now, started: false }),
            },
            Availability::Rehydrating { .. } if !offered => Ok(Ticket { availability: now, started: false }),
            Availability::Offline if !offered => Err(unsupported()),
            before => self.ask(at, speed, days, before).await,
        }
    }

    fn days_from_now(&self, days: u16) -> Timestamp {
        self.clock.now().checked_add(SignedDuration::from_hours(24 * i64::from(days))).unwrap_or(Timestamp::MAX)
    }

    /// A copy that is online already but would lapse too early: S3 counts its days anew and charges the request only.
    async fn keep_longer(
        &self,
        at: &ObjectLocator,
        days: Option<u16>,
        now: Availability,
    ) -> Result<Ticket, StoreError> {
        match self.restore(at, RehydrationSpeed::Standard, days, &now).await {
            Ok(_) => {}
            // The copy that is there is still good for what time it has.
            Err(e) if e.kind() == FaultKind::NotFound => return Err(e),
            Err(error) => tracing::warn!(%error, "the time of a rehydrated copy was not set anew"),
        }
        Ok(Ticket { availability: self.look(at).await?.info.availability, started: false })
    }

    /// Asks for what is offline, or for more speed of what is under way. S3 doesn't tell at which speed that is, but refuses to
    /// make it slower.
    async fn ask(
        &self,
        at: &ObjectLocator,
        speed: RehydrationSpeed,
        days: Option<u16>,
        before: Availability,
    ) -> Result<Ticket, StoreError> {
        let was_offline = before == Availability::Offline;
        let pending = Availability::Rehydrating { requested_at: None, expected_at: None };
        match self.restore(at, speed, days, &before).await? {
            Answer::Taken => Ok(Ticket { availability: pending, started: was_offline }),
            Answer::UnderWay => Ok(Ticket { availability: pending, started: false }),
            Answer::Online => Ok(Ticket { availability: self.look(at).await?.info.availability, started: false }),
        }
    }

    /// Sends it until it is answered, with a look between two tries.
    async fn restore(
        &self,
        at: &ObjectLocator,
        speed: RehydrationSpeed,
        days: Option<u16>,
        before: &Availability,
    ) -> Result<Answer, StoreError> {
        let job = GlacierJobParameters::builder()
            .tier(class::sdk_tier(speed))
            .build()
            .map_err(|e| StoreError::Invalid { what: "the speed".to_owned(), detail: e.to_string() })?;
        let wanted = RestoreRequest::builder().set_days(days.map(i32::from)).glacier_job_parameters(job).build();
        for n in 1.. {
            let sent = self
                .client
                .restore_object()
                .bucket(&at.bucket)
                .key(at.key.as_str())
                .set_version_id(at.version_id.clone())
                .restore_request(wanted.clone())
                .customize()
                .config_override(Builder::new().retry_config(RetryConfig::disabled()))
                .send()
                .await;
            let Err(error) = sent else { return Ok(Answer::Taken) };
            let told = fault::of(&self.doing("bringing back", "s3:RestoreObject", at), &error);
            match fault::code(&error) {
                Some(ALREADY_RESTORING) => return Ok(Answer::UnderWay),
                Some("ObjectAlreadyInActiveTierError") => return Ok(Answer::Online),
                Some("GlacierExpeditedRetrievalNotAvailable") => return Err(StoreError::NoCapacity { speed }),
                // It is in a class that needs none: lifecycle or a person moved it in between.
                Some("InvalidObjectState") => return Ok(Answer::Online),
                _ => {}
            }
            let ambiguous = fault::is_ambiguous(&error);
            if n >= self.config.attempts || !(ambiguous || told.kind() == FaultKind::Throttled) {
                return Err(told);
            }
            pause(n).await;
            if ambiguous && self.look(at).await?.info.availability != *before {
                return Ok(Answer::Taken);
            }
        }
        Ok(Answer::UnderWay)
    }
}
