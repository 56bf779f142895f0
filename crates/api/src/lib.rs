//! The use-cases of Holdfast: what the window, the console, the gateway and the archiver call, and nothing else does. This crate
//! alone puts the pieces together: stores, index, ledger, keys, configuration.

mod bindings;
mod caller;
pub mod cloud;
mod commands;
pub mod config;
pub mod demo;
pub mod dto;
mod error;
mod holdfast;
mod home;
mod keys;
mod notify;
mod open;
pub mod provision;
mod secrets;
pub mod setup;
mod task;
mod under_way;
mod usecase;
mod words;

pub use caller::Caller;
pub use commands::{COMMANDS, typescript};
pub use error::{ApiError, ApiErrorKind};
pub use holdfast::{Holdfast, OpenOptions, check_config};
pub use home::Home;
pub use keys::SecretStore;
pub use notify::{NotSent, Notice, NoticeKind, Notifier};
pub use usecase::Media;
// Shells show names from outside through these.
pub use holdfast_model::{visible, visible_lines};
