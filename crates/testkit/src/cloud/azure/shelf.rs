//! What Azurite does not keep: versions, archive tier and rehydration, retention, hold, encryption scope.

use holdfast_model::Clock;
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;

/// On its way to an online tier.
#[derive(Debug, Clone)]
pub(super) struct Pending {
    pub(super) to: String,
    pub(super) high: bool,
    pub(super) ready_at: Timestamp,
    /// As a copy of an archived blob.
    pub(super) copy: bool,
}

/// One version of one blob.
#[derive(Debug, Clone)]
pub(super) struct Version {
    pub(super) id: String,
    pub(super) tier: String,
    pub(super) changed_at: Timestamp,
    pub(super) pending: Option<Pending>,
    /// Locked or Unlocked, and until when.
    pub(super) policy: Option<(String, Timestamp)>,
    pub(super) hold: bool,
    pub(super) scope: Option<String>,
    pub(super) current: bool,
    pub(super) size: u64,
}

/// All versions of all blobs that were seen.
#[derive(Debug, Default)]
pub(super) struct Shelf {
    blobs: BTreeMap<(String, String), Vec<Version>>,
    ticks: i64,
}

/// "Standard: up to 15 hours; High: under 1 hour for blobs under 10 GB."
pub(super) fn takes(high: bool) -> SignedDuration {
    if high { SignedDuration::from_mins(59) } else { SignedDuration::from_hours(14) }
}

impl Shelf {
    /// The next version id: a time in steps of 100 ns, later than all before.
    fn id(&mut self, now: Timestamp) -> String {
        self.ticks = (now.as_millisecond() * 10_000).max(self.ticks + 1);
        let whole = Timestamp::from_second(self.ticks.div_euclid(10_000_000)).unwrap_or(now);
        format!("{}.{:07}Z", whole.strftime("%Y-%m-%dT%H:%M:%S"), self.ticks.rem_euclid(10_000_000))
    }

    fn settle(version: &mut Version, now: Timestamp) {
        if let Some(pending) = version.pending.take_if(|p| now >= p.ready_at) {
            version.tier = pending.to;
            version.changed_at = pending.ready_at;
        }
    }

    /// All versions of a blob as they are now, oldest first.
    pub(super) fn versions(&mut self, container: &str, blob: &str, clock: &dyn Clock) -> &mut Vec<Version> {
        let versions = self.blobs.entry((container.to_owned(), blob.to_owned())).or_default();
        versions.iter_mut().for_each(|v| Self::settle(v, clock.now()));
        versions
    }

    pub(super) fn find(
        &mut self,
        container: &str,
        blob: &str,
        id: Option<&str>,
        clock: &dyn Clock,
    ) -> Option<&mut Version> {
        let versions = self.versions(container, blob, clock).iter_mut();
        versions.rev().find(|v| id.map_or(v.current, |id| v.id == id))
    }

    /// A new current version; the one before becomes a previous one.
    pub(super) fn add(&mut self, container: &str, blob: &str, tier: &str, clock: &dyn Clock) -> &mut Version {
        let id = self.id(clock.now());
        let versions = self.blobs.entry((container.to_owned(), blob.to_owned())).or_default();
        versions.iter_mut().for_each(|v| v.current = false);
        versions.push(Version {
            id,
            tier: tier.to_owned(),
            changed_at: clock.now(),
            pending: None,
            policy: None,
            hold: false,
            scope: None,
            current: true,
            size: 0,
        });
        let last = versions.len() - 1;
        &mut versions[last]
    }

    /// The current version; one that was there before the proxy came gets its id now.
    pub(super) fn current(&mut self, container: &str, blob: &str, clock: &dyn Clock) -> &mut Version {
        if self.find(container, blob, None, clock).is_none() {
            self.add(container, blob, "Hot", clock);
        }
        self.find(container, blob, None, clock).expect("just made")
    }

    pub(super) fn forget(&mut self, container: &str, blob: &str, id: &str) {
        if let Some(versions) = self.blobs.get_mut(&(container.to_owned(), blob.to_owned())) {
            versions.retain(|v| v.id != id);
        }
    }

    /// Whether anything in a container is protected.
    pub(super) fn protects(&self, container: &str, now: Timestamp) -> bool {
        let mut here = self.blobs.iter().filter(|((c, _), _)| c == container);
        here.any(|(_, versions)| versions.iter().any(|v| v.protected(now).is_some()))
    }

    pub(super) fn forget_container(&mut self, container: &str) {
        self.blobs.retain(|(c, _), _| c != container);
    }

    /// Up to `most` current versions in a container under a prefix from a name on, as they are now.
    pub(super) fn page(
        &mut self,
        container: &str,
        prefix: &str,
        from: &str,
        most: usize,
        clock: &dyn Clock,
    ) -> Vec<(String, Version)> {
        let start = (container.to_owned(), from.max(prefix).to_owned());
        let here = self.blobs.range_mut(start..).take_while(|((c, n), _)| c == container && n.starts_with(prefix));
        let now = clock.now();
        here.filter_map(|((_, n), versions)| {
            versions.iter_mut().for_each(|v| Self::settle(v, now));
            versions.iter().find(|v| v.current).map(|v| (n.clone(), v.clone()))
        })
        .take(most)
        .collect()
    }

    /// Previous versions of blobs in a container under a prefix.
    pub(super) fn previous(&self, container: &str, prefix: &str) -> Vec<(String, Version)> {
        let here = self.blobs.iter().filter(|((c, n), _)| c == container && n.starts_with(prefix));
        here.flat_map(|((_, n), v)| v.iter().filter(|v| !v.current).map(|v| (n.clone(), v.clone()))).collect()
    }
}

impl Version {
    pub(super) fn archived(&self) -> bool {
        self.tier == "Archive"
    }

    /// The code that protects it now, where one does.
    pub(super) fn protected(&self, now: Timestamp) -> Option<&'static str> {
        if self.hold {
            return Some("BlobImmutableDueToLegalHold");
        }
        self.policy.as_ref().filter(|(_, until)| now < *until).map(|_| "BlobImmutableDueToPolicy")
    }
}
