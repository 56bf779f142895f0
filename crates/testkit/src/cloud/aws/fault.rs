//! What goes wrong on order.

use std::time::Duration;

/// What befalls a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FaultKind {
    /// S3: 503 `SlowDown`. Others: 400 `ThrottlingException`. Nothing is done.
    SlowDown503,
    /// 500, nothing is done.
    InternalError500,
    /// No answer comes, and nothing is done. The connection closes after [`crate::Script::set_patience`].
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
pub type Fault = crate::Fault<FaultKind>;
