//! The verifier from outside: recordings, packages, tampering, and the page that tells a stranger how to check.

#![allow(unreachable_pub)] // a test binary has no outside

mod documents;
mod package;
mod recording;
mod support;
mod tampered;
