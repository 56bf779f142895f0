//! Every format that recorders deliver, made by espeak-ng and ffmpeg when the tests run: probed, decoded, cut short,
//! mutilated, drawn, served and played.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

mod decode;
mod fixtures;
mod hostile;
mod playback;
mod probe;
mod signal;
mod text;
mod truncated;
mod view;
