//! What a cloud needs beyond its SDK.

mod tiles;

pub use tiles::{MirroredTiles, StoreTiles};
