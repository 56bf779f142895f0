// Whether the tests of pages and window run all of what they ordinarily take a sample of; `scripts/soak` sets it.
export const soaking = process.env.HOLDFAST_SOAK === '1';
