//! The ledger's tests, in one binary.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

mod crash;
#[cfg(feature = "dynamodb")]
mod dynamo;
mod log;
mod pure;
mod support;
mod tamper;
mod vectors;
