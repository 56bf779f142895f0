//! Reports as people and programs read them, and a whole package with them.
#![allow(unreachable_pub, clippy::unwrap_used, clippy::expect_used)] // a test binary has no outside and may panic

mod package;
mod rendering;
mod sample;
#[path = "../../../verify/tests/it/support.rs"]
#[allow(dead_code)] // shared with the verifier's tests
mod support;
