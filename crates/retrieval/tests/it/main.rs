//! The desk against the real local store, index, work store and ledger.

mod crash;
mod export;
mod machine;
mod matters;
mod tamper;
mod world;
