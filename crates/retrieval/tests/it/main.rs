//! The desk against the real local store, index, work store and ledger.
