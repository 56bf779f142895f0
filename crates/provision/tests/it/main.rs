//! Provisioning against a real server behind a proxy, and against an in-process fake of Azure's management plane.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod apply;
mod azure;
mod azure_preflight;
mod drift;
mod emit;
mod kill;
mod local;
mod preflight;
mod rights;
mod support;
