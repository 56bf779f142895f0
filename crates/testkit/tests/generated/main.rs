//! Lists that are generated from the sources and committed: error codes, and every name that is persisted.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod by_hand;
mod contracts;
mod documents;
mod errors;
mod literals;
mod persisted;
mod picks;
mod roots;
mod rules;
mod serde_attributes;
mod source;
mod sqlite;
