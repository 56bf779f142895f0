//! Secrets typed by a person: without echo on a terminal, else from standard input. Never as an argument, which others can see.

use holdfast_api::{ApiError, ApiErrorKind, dto::SecretText};
use std::io::{BufRead as _, IsTerminal as _, Read as _, Write as _};

/// Longest secret that is read.
const MAX_BYTES: u64 = 16 * 1024;

fn unread(why: &dyn std::fmt::Display) -> ApiError {
    let message = format!("the secret could not be read: {why}");
    ApiError::new(ApiErrorKind::Usage, "cli.secret", message, "Type it at the prompt, or give it on standard input.")
}

/// Turns the terminal's echo off until dropped.
struct Silent(rustix::termios::Termios);

impl Silent {
    fn begin() -> Option<Self> {
        let stdin = std::io::stdin();
        let saved = rustix::termios::tcgetattr(&stdin).ok()?;
        let mut silent = saved.clone();
        silent.local_modes.remove(rustix::termios::LocalModes::ECHO);
        rustix::termios::tcsetattr(&stdin, rustix::termios::OptionalActions::Flush, &silent).ok()?;
        Some(Self(saved))
    }
}

impl Drop for Silent {
    fn drop(&mut self) {
        let _ = rustix::termios::tcsetattr(std::io::stdin(), rustix::termios::OptionalActions::Now, &self.0);
        let _ = writeln!(std::io::stderr());
    }
}

/// Asks for `lines` lines, or takes all of standard input where that is no terminal.
pub(crate) fn secret(prompts: &[&str]) -> Result<SecretText, ApiError> {
    let stdin = std::io::stdin();
    let mut text = String::new();
    if !stdin.is_terminal() {
        stdin.lock().take(MAX_BYTES).read_to_string(&mut text).map_err(|e| unread(&e))?;
        return Ok(SecretText(text.trim_end_matches(['\n', '\r']).to_owned()));
    }
    for prompt in prompts {
        let _ = write!(std::io::stderr(), "{prompt}: ");
        let _silent = Silent::begin().ok_or_else(|| unread(&"the terminal's echo cannot be turned off"))?;
        stdin.lock().take(MAX_BYTES).read_line(&mut text).map_err(|e| unread(&e))?;
    }
    Ok(SecretText(text.trim_end_matches(['\n', '\r']).to_owned()))
}

/// Asks twice on a terminal, for something that nobody could correct later.
pub(crate) fn new_passphrase() -> Result<SecretText, ApiError> {
    let first = secret(&["New passphrase"])?;
    if std::io::stdin().is_terminal() && secret(&["The same again"])? != first {
        return Err(unread(&"the two passphrases differ"));
    }
    Ok(first)
}
