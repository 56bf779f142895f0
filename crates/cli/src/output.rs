//! What goes to standard output: text for people, or exactly one JSON document.

use holdfast_api::{ApiError, ApiErrorKind};
use serde::Serialize;
use std::{
    io::{IsTerminal as _, Write as _},
    process::ExitCode,
};

/// Exit codes, as documented in the help.
pub(crate) mod exit {
    pub(crate) const OK: u8 = 0;
    pub(crate) const FAILURE: u8 = 1;
    pub(crate) const USAGE: u8 = 2;
    pub(crate) const PARTIAL: u8 = 3;
    pub(crate) const EVIDENCE: u8 = 4;
    pub(crate) const AWAITING: u8 = 5;
    pub(crate) const INTERRUPTED: u8 = 130;
}

/// Where answers go.
pub(crate) struct Output {
    /// One JSON document rather than text.
    pub(crate) json: bool,
    /// Whether a person watches standard error.
    pub(crate) terminal: bool,
}

impl Output {
    pub(crate) fn new(json: bool) -> Self {
        Self { json, terminal: std::io::stderr().is_terminal() }
    }

    /// Prints the answer in the chosen form. A reader that went away is no error.
    pub(crate) fn answer<T: Serialize>(&self, value: &T, text: impl FnOnce(&T) -> String) {
        let mut printed = if self.json { serde_json::to_string_pretty(value).unwrap_or_default() } else { text(value) };
        if !printed.is_empty() && !printed.ends_with('\n') {
            printed.push('\n');
        }
        let mut stdout = std::io::stdout().lock();
        let _ = stdout.write_all(printed.as_bytes()).and_then(|()| stdout.flush());
    }

    /// Says something to a person, not to a script.
    pub(crate) fn note(&self, text: &str) {
        if !self.json {
            let _ = writeln!(std::io::stderr(), "{text}");
        }
    }

    /// Says what went wrong and gives the exit code.
    pub(crate) fn error(&self, e: &ApiError) -> ExitCode {
        if self.json {
            #[derive(Serialize)]
            struct Wrapped<'a> {
                error: &'a ApiError,
            }
            self.answer(&Wrapped { error: e }, |_| String::new());
        } else {
            let _ = writeln!(
                std::io::stderr(),
                "holdfast: {}\n  For the evidence: {}\n  Next: {}\n  ({})",
                e.message,
                e.evidence,
                e.next,
                e.code
            );
        }
        ExitCode::from(match e.kind {
            ApiErrorKind::Usage => exit::USAGE,
            ApiErrorKind::Awaiting => exit::AWAITING,
            ApiErrorKind::Evidence => exit::EVIDENCE,
            ApiErrorKind::Interrupted => exit::INTERRUPTED,
            ApiErrorKind::Failure => exit::FAILURE,
        })
    }
}

/// Help and version go to standard output with 0; wrong use is told in the form that was asked for, with 2.
pub(crate) fn usage(e: &clap::Error) -> ExitCode {
    use clap::error::ErrorKind;
    let json = std::env::args_os().any(|a| a == "--json");
    if json && !matches!(e.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        let text = e.to_string();
        let first = text.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned();
        let next = "Run `holdfast help` for what can be typed.";
        return Output::new(true).error(&ApiError::new(ApiErrorKind::Usage, "cli.usage", first, next));
    }
    let _ = e.print();
    ExitCode::from(if e.use_stderr() { exit::USAGE } else { exit::OK })
}

pub(crate) fn runtime_error(e: &std::io::Error) -> ApiError {
    let message = format!("the process could not start its threads: {e}");
    ApiError::new(ApiErrorKind::Failure, "cli.threads", message, "Check the limits of this account (ulimit -u).")
}
