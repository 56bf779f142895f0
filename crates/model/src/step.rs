//! Named steps: points of a state machine at which a test stops the process dead, to prove that nothing is lost.

/// Tells that a named step (`ledger.staged`, `ingest.stored`, ...) was reached. Does nothing in ordinary builds; with the
/// feature `test-hooks`, a process whose environment has `HOLDFAST_KILL_AT=<name>[:<nth>]` ends there without any clean-up,
/// as by SIGKILL, the first (or nth) time it comes by.
#[inline]
pub fn step(name: &str) {
    #[cfg(feature = "test-hooks")]
    hook::reached(name);
    #[cfg(not(feature = "test-hooks"))]
    let _ = name;
}

/// Whether the named step should report failure although its effect took place: with the feature `test-hooks`, where
/// `HOLDFAST_FAIL_AFTER=<name>[:<nth>]`. Always false in ordinary builds.
#[inline]
#[must_use]
pub fn fail_after(name: &str) -> bool {
    #[cfg(feature = "test-hooks")]
    {
        hook::fails(name)
    }
    #[cfg(not(feature = "test-hooks"))]
    {
        let _ = name;
        false
    }
}

#[cfg(feature = "test-hooks")]
mod hook {
    use std::{
        collections::HashMap,
        process::Command,
        sync::{LazyLock, Mutex},
    };

    struct Trigger {
        name: String,
        nth: u64,
    }

    fn trigger(variable: &str) -> Option<Trigger> {
        let value = std::env::var(variable).ok()?;
        let (name, nth) = value.split_once(':').unwrap_or((&value, "1"));
        Some(Trigger { name: name.to_owned(), nth: nth.parse().unwrap_or(1) })
    }

    static KILL: LazyLock<Option<Trigger>> = LazyLock::new(|| trigger("HOLDFAST_KILL_AT"));
    static FAIL: LazyLock<Option<Trigger>> = LazyLock::new(|| trigger("HOLDFAST_FAIL_AFTER"));
    static SEEN: LazyLock<Mutex<HashMap<String, u64>>> = LazyLock::new(Mutex::default);

    fn nth(kind: &str, name: &str) -> u64 {
        let mut seen = SEEN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let n = seen.entry(format!("{kind}{name}")).or_default();
        *n += 1;
        *n
    }

    pub(super) fn reached(name: &str) {
        if let Some(t) = KILL.as_ref().filter(|t| t.name == name)
            && nth("k", name) == t.nth
        {
            let pid = std::process::id().to_string();
            let _ = Command::new("kill").args(["-KILL", &pid]).status();
            std::process::abort();
        }
    }

    pub(super) fn fails(name: &str) -> bool {
        FAIL.as_ref().is_some_and(|t| t.name == name && nth("f", name) == t.nth)
    }
}
