//! The formats of events that this version reads and writes.

use std::fmt;

/// A format of events. A ledger begins in the newest one that its first version knows, and goes on in it until
/// [`crate::Action::LedgerUpgrade`] is recorded, so that older versions of Holdfast that share it are never surprised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EventFormat {
    /// `holdfast-event/1`.
    V1,
    /// `holdfast-event/2`: names the entry before of the same matter and of the same recording, so that a removed entry leaves a gap
    /// that shows offline.
    V2,
}

impl EventFormat {
    /// The newest.
    pub const NEWEST: Self = Self::V2;

    /// As written into events.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::V1 => "holdfast-event/1",
            Self::V2 => "holdfast-event/2",
        }
    }

    /// The format with this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        [Self::V1, Self::V2].into_iter().find(|f| f.as_str() == name)
    }

    /// The number at the end of its name.
    #[must_use]
    pub const fn number(self) -> u32 {
        match self {
            Self::V1 => 1,
            Self::V2 => 2,
        }
    }

    /// The format with this number.
    #[must_use]
    pub fn of_number(number: u32) -> Option<Self> {
        [Self::V1, Self::V2].into_iter().find(|f| f.number() == number)
    }
}

impl fmt::Display for EventFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
