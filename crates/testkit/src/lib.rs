//! Fakes with a manual clock, fault injection, and conformance suites that run against every implementation of a seam.
//! For tests only.

mod archive;
mod clock;
pub mod cloud;
mod fault;
mod fault_store;
pub mod index_suite;
mod soak;
pub mod store;
pub mod work_suite;

pub use archive::{Sample, Seams, archive_one};
pub use clock::ManualClock;
pub use fault::{Fault, Script};
pub use fault_store::{FaultRule, FaultyStore, StoreCall, StoreFault};
pub use soak::{sampled, soaking};
