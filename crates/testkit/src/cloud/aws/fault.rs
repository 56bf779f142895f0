//! What goes wrong on order.

use std::time::Duration;

/// What befalls a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FaultKind {
    /// S3: 503 `SlowDown`. Others: 400 `ThrottlingException`. Nothing is done.
    SlowDown503,
    /// 500, nothing is done.
    InternalError500,
    /// No answer comes, and nothing is done. The connection closes after [`super::AwsProxy::set_patience`].
    TimeoutBefore,
    /// No answer comes, and it is done all the same.
    TimeoutAfter,
    /// The connection closes at once, and nothing is done.
    CutBefore,
    /// The connection closes, and it is done all the same.
    CutAfter,
    /// The connection is reset after so many bytes: of the request for uploads (nothing is done), else of the answer.
    ResetMidBody(u64),
    /// The connection closes in order after so many bytes of the answer, whose header promised all. For uploads as
    /// [`Self::ResetMidBody`].
    ShortBody(u64),
    /// The lowest bit of the byte at this offset is turned over: of the request as it is on the wire for uploads, else of the
    /// answer.
    WrongBytes(u64),
    /// The session's token has expired.
    ExpiredToken,
    /// The caller's clock is wrong.
    ClockSkew,
    /// The caller may not use the key.
    KmsDenied,
    /// The key is disabled.
    KmsDisabled,
    /// 409 with this code (`ConditionalRequestConflict`, `OperationAborted`). For DynamoDB 400; `TransactionConflict` on a
    /// transaction becomes the reason why it is cancelled.
    Conflict(&'static str),
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
    /// `kind` befalls the next call of `op` (`PutObject`, `TransactWriteItems`, ...; `*` is any), once.
    #[must_use]
    pub fn on(op: &str, kind: FaultKind) -> Self {
        Self { op: op.to_owned(), key_contains: String::new(), skip: 0, times: 1, kind }
    }

    /// Only calls whose `bucket/key` (S3) or body (others) contains `part`.
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
