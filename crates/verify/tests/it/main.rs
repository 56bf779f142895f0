//! The verifier from outside: recordings, packages, tampering, and the page that tells a stranger how to check.

#![allow(unreachable_pub, clippy::unwrap_used, clippy::expect_used)] // a test binary has no outside and may panic

mod documents;
mod hostile;
mod how_to_check;
mod key;
mod mutations;
mod names;
mod package;
mod published;
mod recording;
mod support;
mod tampered;
