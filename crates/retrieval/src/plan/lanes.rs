use super::speed_word;
use holdfast_model::RehydrationSpeed;
use std::collections::BTreeMap;

/// How long each limited speed of an account is busy, in milliseconds from now: with what was asked for, or approved, and within a plan
/// with what stands before in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lanes(BTreeMap<String, u64>);

impl Lanes {
    /// The name of the lane of a class at a speed.
    pub(crate) fn name(class: &str, speed: RehydrationSpeed) -> String {
        format!("{class}/{}", speed_word(speed))
    }

    /// Lengthens a lane.
    pub(crate) fn add(&mut self, name: String, busy_ms: u64) {
        let busy = self.0.entry(name).or_default();
        *busy = busy.saturating_add(busy_ms);
    }

    /// Milliseconds until the next recording's turn.
    pub(super) fn wait_ms(&self, class: &str, speed: RehydrationSpeed) -> u64 {
        self.0.get(&Self::name(class, speed)).copied().unwrap_or(0)
    }

    /// Puts a recording of `bytes` in the lane.
    pub(super) fn take(&mut self, class: &str, speed: RehydrationSpeed, bytes: u64, gib_per_hour: u64) {
        self.add(Self::name(class, speed), gib_ms(bytes, gib_per_hour));
    }
}

/// Milliseconds that `bytes` take at so many GiB an hour, rounded up.
pub(crate) fn gib_ms(bytes: u64, gib_per_hour: u64) -> u64 {
    let ms = (u128::from(bytes) * 3_600_000).div_ceil(u128::from(gib_per_hour.max(1)) << 30);
    u64::try_from(ms).unwrap_or(u64::MAX)
}
