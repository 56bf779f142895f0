use holdfast_model::RehydrationSpeed;
use std::collections::HashMap;

/// How full each limited speed of an account already is within one plan.
#[derive(Debug, Default)]
pub(super) struct Lanes(HashMap<(String, RehydrationSpeed), u64>);

impl Lanes {
    /// Milliseconds until the next recording's turn.
    pub(super) fn wait_ms(&self, class: &str, speed: RehydrationSpeed) -> u64 {
        self.0.get(&(class.to_owned(), speed)).copied().unwrap_or(0)
    }

    /// Puts a recording of `bytes` in the lane.
    pub(super) fn take(&mut self, class: &str, speed: RehydrationSpeed, bytes: u64, gib_per_hour: u64) {
        let busy = self.0.entry((class.to_owned(), speed)).or_default();
        *busy = busy.saturating_add(gib_ms(bytes, gib_per_hour));
    }
}

/// Milliseconds that `bytes` take at so many GiB an hour, rounded up.
pub(crate) fn gib_ms(bytes: u64, gib_per_hour: u64) -> u64 {
    let ms = (u128::from(bytes) * 3_600_000).div_ceil(u128::from(gib_per_hour.max(1)) << 30);
    u64::try_from(ms).unwrap_or(u64::MAX)
}
