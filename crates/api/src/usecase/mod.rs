//! The use-cases: what every shell calls, by domain.

mod archive;
mod archiver;
mod costs;
mod desk;
mod drive;
mod link;
mod play;
mod provision;
mod reach;
mod system;

pub(crate) use archive::id;
pub use play::Media;
pub(crate) use play::Players;
pub(crate) use reach::credential_list;
