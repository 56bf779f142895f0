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
pub type Fault = crate::Fault<FaultKind>;
