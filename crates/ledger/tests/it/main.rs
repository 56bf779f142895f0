//! The ledger's tests, in one binary.

mod crash;
mod log;
mod pure;
mod support;
mod tamper;
mod vectors;
