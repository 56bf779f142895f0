//! The console as its users have it: the built executable, run in a home folder of its own.

mod home;
mod input;
mod job;
mod keyring;
mod kill;
mod limits;
mod reference;
mod sample;
