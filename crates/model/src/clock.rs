use jiff::Timestamp;

/// Where the time comes from. Everything that looks at the time takes one of these, so that ten years of retention can be
/// tested in milliseconds and a jumping clock can be simulated.
pub trait Clock: Send + Sync + std::fmt::Debug {
    /// The current time in UTC, truncated to whole milliseconds (the resolution of every stored time).
    fn now(&self) -> Timestamp;

    /// Names the source of the time as it is written into custody events, e.g. `system`.
    fn source(&self) -> &'static str;
}

/// The operating system's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[allow(clippy::disallowed_methods)] // the one place that may read the wall clock
    fn now(&self) -> Timestamp {
        let now = Timestamp::now();
        Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now)
    }

    fn source(&self) -> &'static str {
        "system"
    }
}
