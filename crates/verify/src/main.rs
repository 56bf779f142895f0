//! `holdfast-verify`.
fn main() {}
