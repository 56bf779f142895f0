//! What a row has and what a query asks, in the same terms: every backend that answers queries goes through here, so that a
//! query means the same on each of them.

pub(crate) mod entry;
pub(crate) mod fields;
pub(crate) mod plan;
pub(crate) mod text;
