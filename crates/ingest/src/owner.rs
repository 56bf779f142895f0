//! Who holds a lease. On the same machine a dead process is recognised at once, so that a run after a crash need not wait for
//! the lease to lapse.

use std::{
    collections::HashSet,
    fs,
    sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError},
};

/// This process.
#[derive(Debug, Clone)]
pub(crate) struct Owner {
    process: Arc<str>,
}

/// Runs under way in this process, whichever archiver began them.
static RUNS: LazyLock<Mutex<HashSet<String>>> = LazyLock::new(Mutex::default);

fn runs() -> MutexGuard<'static, HashSet<String>> {
    RUNS.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Owner {
    pub(crate) fn here() -> Self {
        let pid = std::process::id();
        let machine = machine();
        // Where the system does not tell when a process began, chance tells processes apart.
        static CHANCE: LazyLock<String> = LazyLock::new(|| uuid::Uuid::new_v4().simple().to_string());
        let begun = begun(pid).unwrap_or_else(|| CHANCE.clone());
        Self { process: format!("{machine}/{pid}/{begun}").into() }
    }

    /// The owner's name for a run, and the mark that the run is under way.
    pub(crate) fn begin(&self, run: &str) -> Running {
        runs().insert(run.to_owned());
        Running { name: format!("{}/{run}", self.process), run: run.to_owned() }
    }

    /// Whether the holder of a lease is known to be gone. False where that cannot be seen from here.
    pub(crate) fn is_gone(&self, name: &str) -> bool {
        let Some((process, run)) = name.rsplit_once('/') else { return false };
        if process == &*self.process {
            return !runs().contains(run);
        }
        let mut parts = process.split('/');
        let (Some(machine_of), Some(pid), Some(begun_at)) = (parts.next(), parts.next(), parts.next()) else {
            return false;
        };
        let Ok(pid) = pid.parse::<u32>() else { return false };
        machine_of == machine() && machine_of != "unknown" && begun(pid).is_none_or(|now| now != begun_at)
    }
}

/// A run under way; ends when dropped.
#[derive(Debug)]
pub(crate) struct Running {
    name: String,
    run: String,
}

impl Running {
    pub(crate) fn name(&self) -> &str {
        &self.name
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        runs().remove(&self.run);
    }
}

/// The boot of this machine together with the space that its process numbers are counted in.
fn machine() -> String {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let space = fs::read_link("/proc/self/ns/pid").map(|p| p.to_string_lossy().into_owned()).unwrap_or_default();
    let space: String = space.chars().filter(char::is_ascii_digit).collect();
    if boot.trim().is_empty() || space.is_empty() { "unknown".into() } else { format!("{}.{space}", boot.trim()) }
}

/// When a process began, in the kernel's ticks since the boot; none where there is no such process.
fn begun(pid: u32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in brackets may hold anything; what follows the last bracket is numbers, the 20th of them the start.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?;
    if state == "Z" {
        return None;
    }
    fields.nth(18).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_living_are_told_from_the_dead() {
        let here = Owner::here();
        let running = here.begin("run-1");
        let name = running.name().to_owned();
        assert!(!here.is_gone(&name));
        drop(running);
        assert!(here.is_gone(&name), "a run that ended holds nothing");

        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let other = format!("{}/{}/{}/run-2", machine(), child.id(), begun(child.id()).unwrap());
        assert!(!here.is_gone(&other));
        let (rest, _) = other.rsplit_once('/').unwrap();
        let reborn = format!("{}9/run-2", rest);
        assert!(here.is_gone(&reborn), "the same number, another process");
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(here.is_gone(&other));
        assert!(!here.is_gone(&other.replacen(&machine(), "elsewhere", 1)), "another machine cannot be seen");
        assert!(!here.is_gone("nonsense"));
    }
}
