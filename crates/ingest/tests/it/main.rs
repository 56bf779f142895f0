//! The archiver's tests, in one binary, on the real store, index, work store and ledger.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

mod catalogue;
mod faults;
mod formats;
mod kill;
mod quarantine;
mod runs;
mod support;
