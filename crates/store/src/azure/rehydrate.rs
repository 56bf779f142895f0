//! Bringing archived blobs online: by changing the tier of the blob itself, or by a copy in an online tier.

use super::{
    AzureStore, RehydrateBy,
    facts::{self, Seen},
    faults::{Call, Meaning, Place, effect_unknown, meaning_of},
    list::Wanted,
    names,
};
use crate::{RehydrationOption, StoreError, Ticket};
use azure_storage_blob::{
    BlobClient,
    models::{
        BlobClientSetTierOptions, BlobClientStartCopyFromUrlOptions, BlobClientStartCopyFromUrlResultHeaders as _,
        RehydratePriority,
    },
};
use holdfast_model::{Availability, ObjectLocator, RehydrationSpeed, StorageState};
use jiff::{SignedDuration, Timestamp};
use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

const HOUR: u64 = 3_600;
/// "Standard: up to 15 hours. High: may take less than an hour for blobs under 10 GB", learn.microsoft.com, "Blob rehydration
/// from the archive tier". Nothing is promised for High, so its worst is Standard's.
const STANDARD: Duration = Duration::from_secs(15 * HOUR);
const HIGH: Duration = Duration::from_secs(HOUR);

/// Azure tells neither since when nor until when.
const UNDER_WAY: Availability = Availability::Rehydrating { requested_at: None, expected_at: None };

/// Where copies of archived blobs go.
#[derive(Debug, Clone, Copy)]
pub(super) struct Copies<'a> {
    pub(super) container: &'a str,
    prefix: &'a str,
}

pub(super) fn options(class: &str) -> Vec<RehydrationOption> {
    if class != facts::ARCHIVE {
        return Vec::new();
    }
    let option = |speed, expected| RehydrationOption { speed, expected, worst: STANDARD };
    vec![option(RehydrationSpeed::Expedited, HIGH), option(RehydrationSpeed::Standard, STANDARD)]
}

fn later(from: Timestamp, by: Duration) -> Timestamp {
    SignedDuration::try_from(by).ok().and_then(|by| from.checked_add(by).ok()).unwrap_or(Timestamp::MAX)
}

fn priority(speed: RehydrationSpeed) -> Option<RehydratePriority> {
    match speed {
        RehydrationSpeed::Expedited => Some(RehydratePriority::High),
        RehydrationSpeed::Standard => Some(RehydratePriority::Standard),
        RehydrationSpeed::Bulk => None,
    }
}

impl AzureStore {
    pub(super) fn copies(&self) -> Option<Copies<'_>> {
        match &self.config.rehydrate {
            RehydrateBy::Tier => None,
            RehydrateBy::Copy { container, prefix } => Some(Copies { container, prefix }),
        }
    }

    /// Whether a listing shows a copy, which is none of the archive's objects.
    pub(super) fn is_copy(&self, container: &str, name: &str) -> bool {
        self.copies().is_some_and(|c| c.container == container && name.starts_with(c.prefix))
    }

    /// Name of the copy of exactly this version.
    fn copy_name(copies: Copies<'_>, at: &ObjectLocator) -> String {
        format!("{}{}/{}@{}", copies.prefix, at.bucket, at.key, at.version_id.as_deref().unwrap_or("current"))
    }

    pub(super) fn copy_client(&self, at: &ObjectLocator) -> Result<BlobClient, StoreError> {
        let copies = self.copies().ok_or_else(|| StoreError::Offline(at.clone()))?;
        let name = Self::copy_name(copies, at);
        let client = (name.len() <= 1_024).then(|| self.service.blob_client(copies.container, &name));
        client.ok_or_else(|| StoreError::Invalid {
            what: format!("{at}"),
            detail: "its key is too long for the name of a copy; rehydrate by tier".to_owned(),
        })
    }

    /// Of the blob itself, without its copy.
    fn own_availability(seen: &Seen) -> Availability {
        match (seen.archived(), seen.pending) {
            (false, _) => Availability::Online { until: None },
            (true, true) => UNDER_WAY,
            (true, false) => Availability::Offline,
        }
    }

    /// Of the copy. Past its time it may be taken away at any moment, so that it counts as gone.
    fn copy_availability(&self, copy: &Seen) -> Availability {
        match copy.until() {
            _ if copy.pending => UNDER_WAY,
            _ if copy.archived() || copy.failed_copy => Availability::Offline,
            Some(until) if self.clock.now() >= until => Availability::Offline,
            until => Availability::Online { until },
        }
    }

    pub(super) async fn availability_of(&self, at: &ObjectLocator, seen: &Seen) -> Result<Availability, StoreError> {
        let at = ObjectLocator { version_id: seen.version.clone(), ..at.clone() };
        Ok(self.availability_of_all(vec![(at, seen)]).await?.pop().unwrap_or(Availability::Offline))
    }

    /// In the order given. Copies are looked up for those that are offline themselves.
    pub(super) async fn availability_of_all(
        &self,
        of: Vec<(ObjectLocator, &Seen)>,
    ) -> Result<Vec<Availability>, StoreError> {
        let mut all: Vec<_> = of.iter().map(|(_, seen)| Self::own_availability(seen)).collect();
        if let Some(copies) = self.copies() {
            let wanted = |at: &ObjectLocator| Wanted { name: Self::copy_name(copies, at), version: None };
            let offline = of.iter().zip(&all).filter(|(_, now)| **now == Availability::Offline);
            let found = self.look(copies.container, offline.map(|((at, _), _)| wanted(at)).collect()).await?;
            for ((at, _), now) in of.iter().zip(&mut all) {
                if let Some(Some(copy)) = found.get(&wanted(at)) {
                    *now = self.copy_availability(copy);
                }
            }
        }
        Ok(all)
    }

    pub(super) async fn status_of(&self, of: &[ObjectLocator]) -> Result<Vec<Option<StorageState>>, StoreError> {
        let wanted = |at: &ObjectLocator| Wanted { name: at.key.to_string(), version: at.version_id.clone() };
        let containers: HashSet<&str> = of.iter().map(|at| at.bucket.as_str()).collect();
        let mut found = HashMap::new();
        for container in containers {
            let here = of.iter().filter(|at| at.bucket == container).map(wanted).collect();
            found.insert(container, self.look(container, here).await?);
        }
        let one = |at: &ObjectLocator| found.get(at.bucket.as_str())?.get(&wanted(at))?.as_ref();
        let seen = of.iter().filter_map(|at| {
            let one = one(at)?;
            Some((ObjectLocator { version_id: one.version.clone(), ..at.clone() }, one))
        });
        let mut available = self.availability_of_all(seen.collect()).await?.into_iter();
        let state = |at| {
            let storage_class = one(at)?.class.clone();
            let availability = available.next()?;
            Some(StorageState { tier: facts::tier_of(&storage_class), storage_class, availability })
        };
        Ok(of.iter().map(state).collect())
    }

    pub(super) async fn bring_online(
        &self,
        at: &ObjectLocator,
        speed: RehydrationSpeed,
        keep_days: u16,
    ) -> Result<Ticket, StoreError> {
        let seen = self.head_of(at).await?.seen;
        let at = ObjectLocator { version_id: seen.version.clone(), ..at.clone() };
        let now = self.availability_of(&at, &seen).await?;
        if matches!(now, Availability::Online { .. }) {
            return Ok(Ticket { availability: now, started: false });
        }
        let Some(priority) = priority(speed) else {
            return Err(StoreError::Unsupported { storage_class: seen.class, speed });
        };
        match now {
            Availability::Rehydrating { .. } => self.raise(&at, speed, priority).await,
            _ if self.copies().is_some() => self.start_copy(&at, priority, keep_days).await,
            _ => self.start(&at, priority).await,
        }
    }

    /// The blob that is on its way: itself, or its copy.
    fn moving(&self, at: &ObjectLocator) -> Result<BlobClient, StoreError> {
        if self.copies().is_some() { self.copy_client(at) } else { self.blob(at) }
    }

    async fn state(&self, at: &ObjectLocator) -> Result<(Availability, RehydrationSpeed), StoreError> {
        let seen = self.head_of(at).await?.seen;
        let now = self.availability_of(at, &seen).await?;
        let moving = match self.copies() {
            Some(copies) if !seen.pending => {
                let name = Wanted { name: Self::copy_name(copies, at), version: None };
                self.look(copies.container, vec![name.clone()]).await?.remove(&name).flatten()
            }
            _ => Some(seen),
        };
        Ok((now, moving.map_or(RehydrationSpeed::Standard, |m| m.speed())))
    }

    async fn set_tier(&self, at: &ObjectLocator, priority: RehydratePriority) -> Result<(), azure_core::Error> {
        let client = self
            .moving(at)
            .map_err(|_| azure_core::Error::with_message(azure_core::error::ErrorKind::Other, "no such blob"))?;
        let options = BlobClientSetTierOptions { rehydrate_priority: Some(priority), ..Default::default() };
        client.set_tier(facts::access_tier(self.config.tier), Some(options)).await.map(|_| ())
    }

    async fn start(&self, at: &ObjectLocator, priority: RehydratePriority) -> Result<Ticket, StoreError> {
        let answer = self.set_tier(at, priority).await;
        self.settle(at, Call::Tier, answer).await
    }

    /// Makes a pending Standard a High. The other way the service refuses, and so does this by doing nothing.
    async fn raise(
        &self,
        at: &ObjectLocator,
        speed: RehydrationSpeed,
        priority: RehydratePriority,
    ) -> Result<Ticket, StoreError> {
        let (now, stands) = self.state(at).await?;
        if speed >= stands || !matches!(now, Availability::Rehydrating { .. }) {
            return Ok(Ticket { availability: now, started: false });
        }
        let answer = self.set_tier(at, priority).await;
        let ticket = self.settle(at, Call::Tier, answer).await?;
        Ok(Ticket { started: false, ..ticket })
    }

    async fn start_copy(
        &self,
        at: &ObjectLocator,
        priority: RehydratePriority,
        keep_days: u16,
    ) -> Result<Ticket, StoreError> {
        // Kept from when it is there at the latest.
        let until = later(self.clock.now(), STANDARD + Duration::from_secs(u64::from(keep_days) * 24 * HOUR));
        let (source, copy) = (self.blob(at)?, self.copy_client(at)?);
        let options = BlobClientStartCopyFromUrlOptions {
            metadata: Some(HashMap::from([(names::UNTIL.to_owned(), until.to_string())])),
            rehydrate_priority: Some(priority),
            tier: Some(facts::access_tier(self.config.tier)),
            ..Default::default()
        };
        let answer = copy.start_copy_from_url(source.url().to_string(), Some(options)).await;
        let answer = answer.and_then(|answer| answer.copy_id().map(|_| ()));
        self.settle(at, Call::Copy, answer).await
    }

    /// What stands after a request, whatever was said to it: one whose answer was lost may have been taken, and one that was
    /// refused because another is under way has what it wants.
    async fn settle(
        &self,
        at: &ObjectLocator,
        call: Call,
        answer: Result<(), azure_core::Error>,
    ) -> Result<Ticket, StoreError> {
        let Err(e) = answer else {
            // It was taken; that nobody can say now how it stands is no refusal.
            let now = self.state(at).await.map_or(UNDER_WAY, |(now, _)| now);
            return Ok(Ticket { availability: now, started: true });
        };
        let pending = meaning_of(&e) == Some(Meaning::Pending);
        if pending || effect_unknown(&e) {
            let now = self.state(at).await.map(|(now, _)| now);
            if let Ok(now @ (Availability::Rehydrating { .. } | Availability::Online { .. })) = now {
                return Ok(Ticket { availability: now, started: !pending });
            }
        }
        Err(self.fault(call, Place::Object(at), &e))
    }
}
