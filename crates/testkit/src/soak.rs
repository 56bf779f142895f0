//! What the ordinary suite takes a sample of, and `scripts/soak` runs whole. Properties have more cases there by proptest's own
//! variable, `PROPTEST_CASES`.

/// Whether all of what is sampled is to run: `HOLDFAST_SOAK=1` in the environment.
#[must_use]
pub fn soaking() -> bool {
    std::env::var_os("HOLDFAST_SOAK").is_some_and(|v| v == "1")
}

/// The `sample` of the ordinary suite, or `every` one in a soak.
#[must_use]
pub fn sampled<T>(sample: T, every: T) -> T {
    if soaking() { every } else { sample }
}
