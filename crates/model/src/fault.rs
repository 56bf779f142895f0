/// What sort of thing went wrong, independent of which crate or provider said it. Retries, exit codes and the window's
/// words are decided on this and on the stable code, never on a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultKind {
    /// The named thing is not there.
    NotFound,
    /// Something is already there and create-if-absent refuses to replace it.
    AlreadyExists,
    /// Someone else changed it first (compare-and-swap lost), or two truths disagree.
    Conflict,
    /// A policy refuses: retention, legal hold, residency, missing justification.
    Refused,
    /// The bytes lie in an offline tier; rehydrate first.
    Offline,
    /// The provider asks to slow down.
    Throttled,
    /// Missing right, wrong key, read-only place.
    Denied,
    /// The input or configuration is wrong; the message says where.
    Invalid,
    /// What was read is not what was written.
    Corrupt,
    /// No room left.
    Full,
    /// The operating system or network failed; may pass.
    Io,
    /// The person cancelled.
    Cancelled,
    /// This build or backend can't do it, and says so.
    Unsupported,
    /// A defect in Holdfast.
    Internal,
}

/// Whether doing the same again may help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// The same call gives the same answer.
    Never,
    /// Passing fault: try again with back-off.
    Soon,
    /// Not before something else has happened (rehydration, free space, a person).
    Later,
}

/// Implemented by every error that leaves a crate.
pub trait Fault: std::error::Error + Send + Sync + 'static {
    /// A stable, documented identifier such as `store.offline`; the part before the dot is the crate.
    fn code(&self) -> &'static str;
    /// What sort of thing went wrong.
    fn kind(&self) -> FaultKind;
    /// Whether doing the same again may help.
    fn retry(&self) -> Retry {
        match self.kind() {
            FaultKind::Throttled | FaultKind::Io | FaultKind::Conflict => Retry::Soon,
            FaultKind::Offline | FaultKind::Full => Retry::Later,
            _ => Retry::Never,
        }
    }
    /// One sentence saying what to do next, in words a person without Holdfast's source understands.
    fn next(&self) -> String;
}
