//! `holdfast`: everything the window can do, scriptable, and the headless archiver. Links no WebKit, so that it starts on a
//! server.

mod args;
mod keys;
mod output;
mod progress;
mod prompt;
mod provision;
mod reach;
mod render;
mod run;

use clap::Parser as _;
use std::process::ExitCode;

fn main() -> ExitCode {
    // A closed pipe (`holdfast search | head`) ends quietly rather than with a panic.
    let cli = match args::Cli::try_parse() {
        Ok(cli) => cli,
        Err(e) => return output::usage(&e),
    };
    let level = match cli.verbose {
        0 => "warn",
        1 => "info",
        _ => "debug",
    };
    let filter = tracing_subscriber::EnvFilter::try_from_env("HOLDFAST_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(level));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false).init();
    let out = output::Output::new(cli.json);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(e) => return out.error(&output::runtime_error(&e)),
    };
    let code = match runtime.block_on(run::run(cli, &out)) {
        Ok(code) => code,
        Err(e) => out.error(&e),
    };
    // What still waits for the keyboard or a blocking read must not keep the process.
    runtime.shutdown_timeout(std::time::Duration::from_secs(2));
    code
}
