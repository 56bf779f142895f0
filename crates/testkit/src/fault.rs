//! What goes wrong on order, and what is remembered of the calls: the same for the store that fails and for the proxies.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Display,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// Which calls a fault of kind `K` befalls.
#[derive(Debug, Clone)]
pub struct Fault<K> {
    op: String,
    key_contains: String,
    skip: usize,
    times: usize,
    kind: K,
}

impl<K: Clone> Fault<K> {
    /// `kind` befalls the next call of `op`, once. `op` is named as the provider names it (`PutObject`, `SetBlobTier`), or as the
    /// seam does; `*` is any.
    #[must_use]
    pub fn on(op: impl Display, kind: K) -> Self {
        Self { op: op.to_string(), key_contains: String::new(), skip: 0, times: 1, kind }
    }

    /// Only calls whose `bucket/key` contains `part`; of a listing `bucket/prefix`, of AWS' services other than S3 the body.
    #[must_use]
    pub fn key(mut self, part: &str) -> Self {
        part.clone_into(&mut self.key_contains);
        self
    }

    /// Lets `calls` pass first.
    #[must_use]
    pub fn after(mut self, calls: usize) -> Self {
        self.skip = calls;
        self
    }

    /// Befalls `calls` calls, one after the other.
    #[must_use]
    pub fn times(mut self, calls: usize) -> Self {
        self.times = calls;
        self
    }

    fn befalls(&mut self, op: &str, subject: &str) -> bool {
        if self.times == 0 || (self.op != "*" && self.op != op) || !subject.contains(&self.key_contains) {
            return false;
        }
        if self.skip > 0 {
            self.skip -= 1;
            return false;
        }
        self.times -= 1;
        true
    }
}

/// What a test orders to go wrong, and the calls so far.
#[derive(Debug)]
pub struct Script<K>(Mutex<Lines<K>>);

#[derive(Debug)]
struct Lines<K> {
    faults: Vec<Fault<K>>,
    calls: BTreeMap<String, usize>,
    log: Vec<(String, String)>,
    denied: BTreeSet<String>,
    expired_tokens: bool,
    patience: Duration,
}

impl<K> Default for Script<K> {
    fn default() -> Self {
        Self(Mutex::new(Lines {
            faults: Vec::new(),
            calls: BTreeMap::new(),
            log: Vec::new(),
            denied: BTreeSet::new(),
            expired_tokens: false,
            patience: Duration::from_secs(30),
        }))
    }
}

impl<K: Clone> Script<K> {
    /// Adds a fault. Of several that apply the first that was added befalls.
    pub fn fault(&self, fault: Fault<K>) {
        self.lines().faults.push(fault);
    }

    /// Forgets all faults.
    pub fn clear_faults(&self) {
        self.lines().faults.clear();
    }

    /// How often the operation was called, failed calls and the client's own retries included.
    #[must_use]
    pub fn calls(&self, op: impl Display) -> usize {
        self.lines().calls.get(&op.to_string()).copied().unwrap_or(0)
    }

    /// All calls so far in order: operation, and `bucket/key`, or nothing for AWS' services other than S3.
    #[must_use]
    pub fn log(&self) -> Vec<(String, String)> {
        self.lines().log.clone()
    }

    /// Refuses every call that needs this right: on AWS `s3:PutObject`, `dynamodb:PutItem`, `kms:Decrypt`; on Azure the
    /// operation itself, with `AuthorizationPermissionMismatch`.
    pub fn deny(&self, right: &str) {
        self.lines().denied.insert(right.to_owned());
    }

    /// Takes [`Self::deny`] back.
    pub fn allow(&self, right: &str) {
        self.lines().denied.remove(right);
    }

    /// Whether every token has expired: calls that carry one are refused.
    pub fn expire_tokens(&self, expired: bool) {
        self.lines().expired_tokens = expired;
    }

    /// How long a connection stays open where no answer comes (30 s unless set).
    pub fn set_patience(&self, patience: Duration) {
        self.lines().patience = patience;
    }

    /// Counts a call, logs it as `shown`, and gives what befalls it.
    pub(crate) fn next(&self, op: impl Display, subject: &str, shown: &str) -> Option<K> {
        let (op, mut lines) = (op.to_string(), self.lines());
        *lines.calls.entry(op.clone()).or_default() += 1;
        let kind = lines.faults.iter_mut().find_map(|f| f.befalls(&op, subject).then(|| f.kind.clone()));
        lines.log.push((op, shown.to_owned()));
        kind
    }

    pub(crate) fn denies(&self, right: &str) -> bool {
        self.lines().denied.contains(right)
    }

    pub(crate) fn tokens_expired(&self) -> bool {
        self.lines().expired_tokens
    }

    pub(crate) fn patience(&self) -> Duration {
        self.lines().patience
    }

    fn lines(&self) -> MutexGuard<'_, Lines<K>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_rule_that_applies_befalls_after_those_let_pass_and_so_often() {
        let script = Script::default();
        script.fault(Fault::on("Put", 'a').key("x").after(1).times(2));
        script.fault(Fault::on("*", 'b'));
        let said = ["b/y", "b/x", "b/x", "b/x", "b/x"].map(|s| script.next("Put", s, s).unwrap_or('-'));
        // The second rule takes the first call, whose key is no x; then one x passes, two are befallen, one is left alone.
        assert_eq!(said, ['b', '-', 'a', 'a', '-']);
        assert_eq!((script.calls("Put"), script.calls("Get"), script.log().len()), (5, 0, 5));
        script.fault(Fault::on("Get", 'c'));
        script.clear_faults();
        assert_eq!(script.next("Get", "", ""), None);
    }
}
