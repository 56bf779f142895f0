//! The console as its users have it: the built executable, run in a home folder of its own.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod cloud;
mod cloud_azure;
mod fixtures;
mod home;
mod input;
mod job;
mod keyring;
mod kill;
mod limits;
mod main_job;
mod newer;
mod provision;
mod reach;
mod reference;
mod sample;
mod stop;
