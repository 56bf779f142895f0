use std::time::Duration;

/// What befalls a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FaultKind {
    /// 503 `ServerBusy`; nothing is done.
    ServerBusy,
    /// 500 `OperationTimedOut`; nothing is done.
    OperationTimedOut,
    /// 500 `OperationTimedOut`, and it is done all the same.
    OperationTimedOutAfter,
    /// 500 `InternalError`; nothing is done.
    InternalError,
    /// No answer comes, and nothing is done. The connection closes after the proxy's patience.
    TimeoutBefore,
    /// No answer comes, and it is done all the same.
    TimeoutAfter,
    /// The connection closes, and nothing is done.
    CutBefore,
    /// The connection closes, and it is done all the same.
    CutAfter,
    /// The connection is reset after so many bytes of the answer.
    ResetMidBody(usize),
    /// The connection closes after so many bytes of the answer, whose header promised all.
    ShortBody(usize),
    /// The lowest bit of the byte at this offset of the answer is turned over.
    WrongBytes(usize),
    /// 401 `InvalidAuthenticationInfo`: the token has expired.
    ExpiredToken,
    /// 403 `AuthenticationFailed`.
    AuthenticationFailed,
    /// 403 `AuthenticationFailed` from a service whose clock is so far ahead.
    ClockSkew(Duration),
    /// This status and code; nothing is done.
    Answer(u16, &'static str),
    /// It is done, later.
    Delay(Duration),
}

/// Which calls a fault befalls.
#[derive(Debug, Clone)]
pub struct Fault {
    op: String,
    key_contains: String,
    skip: usize,
    times: usize,
    kind: FaultKind,
}

impl Fault {
    /// `kind` befalls the next call of `op` (`PutBlob`, `SetBlobTier`, ...; `*` is any), once.
    #[must_use]
    pub fn on(op: &str, kind: FaultKind) -> Self {
        Self { op: op.to_owned(), key_contains: String::new(), skip: 0, times: 1, kind }
    }

    /// Only calls whose `container/blob` contains `part`.
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
}

/// What befalls this call. Of several rules that apply the first that was added befalls.
pub(super) fn next(rules: &mut [Fault], op: &str, subject: &str) -> Option<FaultKind> {
    for rule in rules {
        if rule.times == 0 || (rule.op != "*" && rule.op != op) || !subject.contains(&rule.key_contains) {
            continue;
        }
        if rule.skip > 0 {
            rule.skip -= 1;
            continue;
        }
        rule.times -= 1;
        return Some(rule.kind.clone());
    }
    None
}
