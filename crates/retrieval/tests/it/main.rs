//! The desk against the real local store, index, work store and ledger.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)] // these are tests

mod beside;
mod clouds;
mod counted;
mod crash;
mod desks;
mod export;
mod machine;
mod many;
mod matters;
mod tamper;
mod world;
