//! What crosses the edge: requests and answers of every use-case, as the window, the CLI's `--json` and the HTTP gateway see
//! them. Domain types are never the wire format. Times are RFC 3339 in UTC, sizes bytes, durations milliseconds.

mod archive;
mod archiver;
mod costs;
mod desk;
mod play;
mod provision;
mod reach;
mod system;

pub use archive::*;
pub use archiver::*;
pub use costs::*;
pub use desk::*;
pub use play::*;
pub use provision::*;
pub use reach::*;
pub use system::*;

/// The derives and attributes that every DTO carries.
macro_rules! dto {
    ($($(#[$meta:meta])* pub $kind:ident $name:ident $body:tt)+) => {$(
        #[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize, ts_rs::TS)]
        #[serde(rename_all = "snake_case")]
        $(#[$meta])*
        pub $kind $name $body
    )+};
}
pub(crate) use dto;
