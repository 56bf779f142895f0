//! Single key presses while a recording plays.

use std::io::{IsTerminal as _, Read as _};

/// Reads keys until dropped; then the terminal is as it was.
pub(crate) struct Keys {
    saved: Option<rustix::termios::Termios>,
    keys: tokio::sync::mpsc::UnboundedReceiver<u8>,
}

impl Keys {
    /// Begins to read keys where standard input is a terminal; otherwise none ever come.
    pub(crate) fn read() -> Self {
        let (send, keys) = tokio::sync::mpsc::unbounded_channel();
        let stdin = std::io::stdin();
        let saved = stdin.is_terminal().then(|| rustix::termios::tcgetattr(&stdin).ok()).flatten();
        if let Some(saved) = &saved {
            let mut raw = saved.clone();
            raw.local_modes.remove(rustix::termios::LocalModes::ICANON | rustix::termios::LocalModes::ECHO);
            let _ = rustix::termios::tcsetattr(&stdin, rustix::termios::OptionalActions::Now, &raw);
            std::thread::spawn(move || {
                let mut byte = [0u8; 1];
                while std::io::stdin().read(&mut byte).is_ok_and(|n| n == 1) {
                    if send.send(byte[0]).is_err() {
                        return;
                    }
                }
            });
        }
        Self { saved, keys }
    }

    /// The next key; pending for ever where there is no terminal.
    pub(crate) async fn next(&mut self) -> u8 {
        match self.keys.recv().await {
            Some(key) => key,
            None => std::future::pending().await,
        }
    }

    /// Whether keys can come.
    pub(crate) fn any(&self) -> bool {
        self.saved.is_some()
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        if let Some(saved) = &self.saved {
            let _ = rustix::termios::tcsetattr(std::io::stdin(), rustix::termios::OptionalActions::Now, saved);
        }
    }
}
